/* store_blocks.h - made-up blocks for tests of the store, which looks at framing and headers only.
 */
#ifndef TESTS_STORE_BLOCKS_H
#define TESTS_STORE_BLOCKS_H
#include "base/hash.h"
#include "base/random.h"
#include "disk_kinds.h"
#include "store/blocks.h"
#include "store/metadata.h"

#define TEST_MAGIC 0xdab5bffau /* regtest's */

struct test_block {
    uint8_t *data;
    uint32_t size;
    uint64_t pos;
};

static inline struct test_block test_block_new(struct prng *prng, uint32_t size)
{
    struct test_block block = {xmalloc(size), size, 0};

    prng_fill(prng, block.data, size);
    return block;
}

static inline struct metadata_record test_record(const struct test_block *block,
                                                 uint64_t synced_end)
{
    struct metadata_record record = {
        .pos = block->pos, .size = block->size, .synced_end = synced_end};
    uint8_t sum[32];

    ck_assert(header_parse(&record.header, (struct bytes){block->data, HEADER_SIZE}));
    record.hash = header_hash(&record.header);
    sha256d_once(sum, block->data, block->size);
    memcpy(record.checksum, sum, 4);
    return record;
}

/* A file of records, grown by append. */
struct test_file {
    uint8_t *data;
    size_t size;
};

static inline void test_file_append(struct test_file *file, const void *data, size_t size)
{
    file->data = xrealloc(file->data, file->size + size + 1);
    if (size > 0)
        memcpy(file->data + file->size, data, size);
    file->size += size;
}

static inline void test_file_add(struct test_file *file, struct test_block *block, bool is_native)
{
    uint8_t framing[RECORD_HEADER_SIZE];

    if (is_native)
        le64_write(framing, block->size);
    else
        record_header_write(framing, TEST_MAGIC, block->size);
    test_file_append(file, framing, sizeof framing);
    block->pos = file->size;
    test_file_append(file, block->data, block->size);
}
#endif
