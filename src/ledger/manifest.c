#include "ledger/manifest.h"
#include "base/arena.h"
#include "base/crc32c.h"
#include "base/cursor.h"

#include <stdlib.h>

#define MAGIC       "CAESLED2"
#define HEAD_SIZE   (8 + 4 + 4 + 8 + 8 + 32)
#define SHARD_SIZE  (4 + 32 + 8 + 8 + 8 + 4 + 4)
#define CRC_SIZE    4
#define ENTRIES_MAX ((uint64_t)1 << 40) /* so that sizes cannot overflow */

size_t manifest_size(uint32_t shard_count)
{
    return HEAD_SIZE + (size_t)SHARD_SIZE * shard_count + CRC_SIZE;
}

void manifest_write(uint8_t *out, const struct manifest *manifest)
{
    uint8_t *p = out + HEAD_SIZE;

    memcpy(out, MAGIC, 8);
    le32_write(out + 8, manifest->network);
    le32_write(out + 12, manifest->shard_count);
    le64_write(out + 16, manifest->sequence);
    le64_write(out + 24, manifest->tag_mask);
    memcpy(out + 32, manifest->key_hash, 32);
    for (uint32_t s = 0; s < manifest->shard_count; s++, p += SHARD_SIZE) {
        const struct manifest_shard *shard = &manifest->shards[s];

        le32_write(p, (uint32_t)shard->height);
        memcpy(p + 4, &shard->hash, 32);
        le64_write(p + 36, shard->offset);
        le64_write(p + 44, shard->entry_count);
        le64_write(p + 52, shard->sum);
        le32_write(p + 60, shard->side_count);
        le32_write(p + 64, shard->crc);
    }
    le32_write(p, crc32c(0, out, (size_t)(p - out)));
}

static bool parse_shard(struct manifest_shard *shard, struct cursor *c)
{
    shard->height = (int32_t)cursor_le32(c);
    memcpy(&shard->hash, cursor_take(c, 32).data, 32);
    shard->offset = cursor_le64(c);
    shard->entry_count = cursor_le64(c);
    shard->sum = cursor_le64(c);
    shard->side_count = cursor_le32(c);
    shard->crc = cursor_le32(c);
    return shard->height >= 0 && shard->entry_count < ENTRIES_MAX &&
           shard->offset < ENTRIES_MAX * 32;
}

bool manifest_parse(struct manifest *manifest, struct bytes data)
{
    struct cursor c = cursor_of(data);
    bool is_good = true;

    *manifest = (struct manifest){0};
    if (data.size < HEAD_SIZE + CRC_SIZE || memcmp(data.data, MAGIC, 8) != 0 ||
        crc32c(0, data.data, data.size - CRC_SIZE) != le32_read(data.data + data.size - CRC_SIZE))
        return false;
    cursor_take(&c, 8);
    manifest->network = cursor_le32(&c);
    manifest->shard_count = cursor_le32(&c);
    manifest->sequence = cursor_le64(&c);
    manifest->tag_mask = cursor_le64(&c);
    memcpy(manifest->key_hash, cursor_take(&c, 32).data, 32);
    if (manifest->shard_count == 0 || manifest->shard_count > MANIFEST_SHARDS_MAX ||
        data.size != manifest_size(manifest->shard_count))
        return false;
    manifest->shards = xcalloc(manifest->shard_count, sizeof *manifest->shards);
    for (uint32_t s = 0; s < manifest->shard_count; s++)
        is_good = parse_shard(&manifest->shards[s], &c) && is_good;
    if (!is_good)
        manifest_clear(manifest);
    return is_good;
}

void manifest_clear(struct manifest *manifest)
{
    free(manifest->shards);
    *manifest = (struct manifest){0};
}
