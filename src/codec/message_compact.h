/* message_compact.h - compact blocks (BIP152): cmpctblock, getblocktxn, blocktxn. Pure; views point
 * into the payload, arrays into the arena. */
#ifndef CODEC_MESSAGE_COMPACT_H
#define CODEC_MESSAGE_COMPACT_H
#include "codec/header.h"
#include "codec/tx.h"

#define SHORT_ID_SIZE        6
#define COMPACT_BLOCK_TX_MAX 65535 /* indexes have 16 bits */

struct prefilled_tx {
    uint32_t index; /* in the block */
    struct tx tx;
};

struct cmpctblock_message {
    struct header header;
    uint64_t nonce;
    uint32_t short_id_count;
    const uint8_t *short_ids; /* SHORT_ID_SIZE bytes each */
    uint32_t prefilled_count;
    struct prefilled_tx
        *prefilled; /* indexes rise and are below short_id_count + prefilled_count */
};

MUST_CHECK bool cmpctblock_parse(struct cmpctblock_message *message, struct bytes payload,
                                 struct arena *arena);
size_t cmpctblock_size(const struct cmpctblock_message *message);
void cmpctblock_write(uint8_t *out,
                      const struct cmpctblock_message *message); /* cmpctblock_size bytes */

struct getblocktxn_message {
    struct block_hash hash;
    uint32_t count;
    uint16_t *indexes; /* rising */
};

MUST_CHECK bool getblocktxn_parse(struct getblocktxn_message *message, struct bytes payload,
                                  struct arena *arena);
size_t getblocktxn_size(const struct getblocktxn_message *message);
void getblocktxn_write(uint8_t *out, const struct getblocktxn_message *message);

struct blocktxn_message {
    struct block_hash hash;
    uint32_t count;
    struct tx *txs;
};

MUST_CHECK bool blocktxn_parse(struct blocktxn_message *message, struct bytes payload,
                               struct arena *arena);
size_t blocktxn_size(const struct blocktxn_message *message);
void blocktxn_write(uint8_t *out, const struct blocktxn_message *message);
#endif
