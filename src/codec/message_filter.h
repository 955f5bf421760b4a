/* message_filter.h - compact block filters (BIP157): the requests read, the answers written. Pure.
 */
#ifndef CODEC_MESSAGE_FILTER_H
#define CODEC_MESSAGE_FILTER_H
#include "base/cursor.h"
#include "codec/hash256.h"

#define FILTER_BASIC           0
#define FILTERS_COUNT_MAX      1000
#define FILTER_HEADERS_MAX     2000
#define FILTER_CHECKPOINT_STEP 1000

/* getcfilters, getcfheaders */
#define FILTER_RANGE_SIZE 37

struct filter_range_message {
    uint8_t filter_type;
    uint32_t start_height;
    struct block_hash stop;
};

MUST_CHECK bool filter_range_parse(struct filter_range_message *message, struct bytes payload);
void filter_range_write(uint8_t out[FILTER_RANGE_SIZE], const struct filter_range_message *message);

/* getcfcheckpt */
struct filter_checkpoint_message {
    uint8_t filter_type;
    struct block_hash stop;
};

MUST_CHECK bool filter_checkpoint_parse(struct filter_checkpoint_message *message,
                                        struct bytes payload);

/* Each returns the size; room: 33 + 32 + COMPACT_SIZE_MAX + what the list or the filter has. */
size_t cfilter_write(uint8_t *out, uint8_t filter_type, const struct block_hash *block,
                     struct bytes filter);
size_t cfheaders_write(uint8_t *out, uint8_t filter_type, const struct block_hash *stop,
                       const uint8_t previous_header[32], const uint8_t (*hashes)[32],
                       uint32_t count);
size_t cfcheckpt_write(uint8_t *out, uint8_t filter_type, const struct block_hash *stop,
                       const uint8_t (*headers)[32], uint32_t count);
#endif
