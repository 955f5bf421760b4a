#include "base/crc32c.h"
#include "ledger/checkpoint_names.h"
#include "ledger/manifest.h"
#include "ledger/state.h"

struct loading {
    struct disk *disk;
    struct ledger *ledger;
    struct manifest manifest;
    struct disk_file *file;
    uint64_t file_size;
    uint8_t *image;
    size_t capacity;
};

static int read_manifest(struct loading *l, uint64_t sequence)
{
    struct disk_file *file;
    uint64_t size;
    int rc = disk_file_open(l->disk, &file, checkpoint_name("manifest", sequence).text, 0);

    if (rc != 0)
        return rc;
    rc = disk_file_size(file, &size);
    if (rc == 0 && size > manifest_size(MANIFEST_SHARDS_MAX))
        rc = -EILSEQ;
    if (rc == 0) {
        uint8_t *data = xmalloc(size);
        rc = disk_read_sync(l->disk, file, data, size, 0);
        if (rc == 0 && !manifest_parse(&l->manifest, (struct bytes){data, size}))
            rc = -EILSEQ;
        free(data);
    }
    disk_file_close(file);
    return rc;
}

/* NULL, or what is wrong. */
static const char *check_manifest(const struct loading *l, uint32_t network, uint64_t sequence)
{
    const struct ledger_key *key = &l->ledger->config.key;
    const struct manifest *m = &l->manifest;
    uint8_t key_hash[32];
    uint64_t total = 0;

    checkpoint_key_hash(key_hash, key->bytes);
    if (m->network != network)
        return "it is of another network";
    if (m->sequence != sequence)
        return "it has another number inside";
    if (memcmp(m->key_hash, key_hash, 32) != 0)
        return "it was written with another key";
    if (m->tag_mask != key->tag_mask || m->shard_count != key->shard_mask + 1)
        return "it has another layout";
    for (uint32_t s = 0; s < m->shard_count; s++) {
        uint64_t size = manifest_image_size(&m->shards[s]);

        if (m->shards[s].offset + size > l->file_size)
            return "its images are cut off";
        if (m->shards[s].entry_count > l->ledger->root.index.capacity_max / 2)
            return "a shard is too large";
        total += size;
    }
    return total == l->file_size ? NULL : "its images have the wrong size";
}

/* All stamps are known and on one chain. */
static const char *set_stamps(struct loading *l,
                              struct header_node *(*node_of)(void *ctx, int32_t height,
                                                             const struct block_hash *hash),
                              void *ctx)
{
    struct header_node **stamps = l->ledger->root.stamps;
    struct header_node *lowest = NULL;

    for (uint32_t s = 0; s < l->manifest.shard_count; s++) {
        stamps[s] = node_of(ctx, l->manifest.shards[s].height, &l->manifest.shards[s].hash);
        if (!stamps[s] || stamps[s]->height != l->manifest.shards[s].height)
            return "its block is not among those stored and verified";
        if (!lowest || stamps[s]->height < lowest->height)
            lowest = stamps[s];
    }

    struct header_node *top = ledger_top(l->ledger);
    for (uint32_t s = 0; s < l->manifest.shard_count; s++) {
        const struct header_node *node = top;
        while (node->height > stamps[s]->height)
            node = node->prev;
        if (node != stamps[s])
            return "its shards are of two chains";
    }
    l->ledger->root_world->node = lowest;
    l->ledger->root_world->height = lowest->height;
    return NULL;
}

static bool is_coin(const struct ledger_key *key, uint64_t tag, uint64_t word)
{
    return (tag & ~key->tag_mask) == 0 && coin_word_pos(word) != 0;
}

static const char *fill_shard(struct root *root, uint32_t s, const struct manifest_shard *shard,
                              const uint8_t *image)
{
    const struct index_entry *entries = (const struct index_entry *)image;
    const uint8_t *side = image + shard->entry_count * sizeof *entries;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < shard->entry_count; i++) {
        if (!is_coin(&root->key, entries[i].tag, entries[i].word) ||
            (i > 0 && entries[i].tag <= entries[i - 1].tag))
            return "an image has entries that cannot be";
        sum += coin_sum_of(&root->key, entries[i].tag, entries[i].word);
    }
    index_unpack(&root->index, s, entries, shard->entry_count);
    for (uint32_t i = 0; i < shard->side_count; i++) {
        struct side_coin coin;

        memcpy(&coin, side + i * sizeof coin, sizeof coin);
        struct coin_hash hash = coin_hash_of(&root->key, &coin.outpoint);
        if (!is_coin(&root->key, coin.tag, coin.word) || coin.shard != s || hash.shard != s ||
            hash.tag != coin.tag)
            return "an image has coins aside that cannot be";
        root_add_side(root, &coin.outpoint, &hash, coin.word);
        sum += coin_sum_of(&root->key, coin.tag, coin.word);
    }
    root->sums[s] = sum;
    return sum == shard->sum ? NULL : "the sum of an image is wrong";
}

static const char *load_shard(struct loading *l, uint32_t s)
{
    const struct manifest_shard *shard = &l->manifest.shards[s];
    uint64_t size = manifest_image_size(shard);

    if (size > l->capacity) {
        l->capacity = size + size / 8;
        l->image = xrealloc(l->image, l->capacity);
    }
    if (size > 0 && disk_read_sync(l->disk, l->file, l->image, size, shard->offset) != 0)
        return "an image cannot be read";
    if (crc32c(0, l->image, size) != shard->crc)
        return "the checksum of an image is wrong";
    return fill_shard(&l->ledger->root, s, shard, l->image);
}

static const char cancelled[] = "it is not wanted any more";

static const char *load_one(struct loading *l, uint64_t sequence, uint32_t network,
                            struct header_node *(*node_of)(void *ctx, int32_t height,
                                                           const struct block_hash *hash),
                            bool (*goes_on)(void *ctx), void *ctx)
{
    if (read_manifest(l, sequence) != 0)
        return "its manifest is damaged";
    if (disk_file_open(l->disk, &l->file, checkpoint_name("checkpoint", sequence).text, 0) != 0)
        return "its images are missing";
    if (disk_file_size(l->file, &l->file_size) != 0)
        return "its images cannot be read";

    const char *wrong = check_manifest(l, network, sequence);
    if (!wrong)
        wrong = set_stamps(l, node_of, ctx);
    for (uint32_t s = 0; !wrong && s < l->manifest.shard_count; s++)
        wrong = goes_on && !goes_on(ctx) ? cancelled : load_shard(l, s);
    return wrong;
}

struct numbers {
    uint64_t *at;
    size_t count;
};

static void note_manifest(void *ctx, const char *name)
{
    struct numbers *numbers = ctx;
    uint64_t number = checkpoint_number(name, "manifest");

    if (number == 0)
        return;
    numbers->at = xrealloc(numbers->at, (numbers->count + 1) * sizeof *numbers->at);
    numbers->at[numbers->count++] = number;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x < y) - (x > y);
}

static int list_numbers(struct disk *disk, struct numbers *numbers)
{
    int rc = disk_list(disk, CHECKPOINT_DIR, note_manifest, numbers);

    if (rc == 0 && numbers->count > 0)
        qsort(numbers->at, numbers->count, sizeof *numbers->at, newest_first);
    return rc;
}

uint64_t checkpoint_coin_count(struct disk *disk)
{
    struct numbers numbers = {0};
    uint64_t count = 0;
    int rc = list_numbers(disk, &numbers);

    for (size_t i = 0; rc == 0 && count == 0 && i < numbers.count; i++) {
        struct loading l = {.disk = disk};

        if (read_manifest(&l, numbers.at[i]) == 0)
            for (uint32_t s = 0; s < l.manifest.shard_count; s++)
                count += l.manifest.shards[s].entry_count + l.manifest.shards[s].side_count;
        manifest_clear(&l.manifest);
    }
    free(numbers.at);
    return count;
}

int checkpoint_load(struct disk *disk, struct ledger *ledger, uint32_t network,
                    struct header_node *(*node_of)(void *ctx, int32_t height,
                                                   const struct block_hash *hash),
                    bool (*goes_on)(void *ctx), void *ctx, uint64_t below,
                    struct checkpoint_loaded *loaded)
{
    struct numbers numbers = {0};
    struct header_node *before = ledger->root_world->node;
    int rc = list_numbers(disk, &numbers);

    *loaded = (struct checkpoint_loaded){0};
    for (size_t i = 0; rc == 0 && loaded->sequence == 0 && i < numbers.count; i++) {
        struct loading l = {.disk = disk, .ledger = ledger};

        if (numbers.at[i] >= below)
            continue;
        const char *wrong = load_one(&l, numbers.at[i], network, node_of, goes_on, ctx);

        if (l.file)
            disk_file_close(l.file);
        manifest_clear(&l.manifest);
        free(l.image);
        if (!wrong) {
            loaded->sequence = numbers.at[i];
            break;
        }
        if (wrong == cancelled)
            rc = -ECANCELED;
        else if (loaded->refused_count++ == 0)
            snprintf(loaded->refused, sizeof loaded->refused, "checkpoint %llu: %s",
                     (unsigned long long)numbers.at[i], wrong);
        root_reset(&ledger->root, before);
        ledger->root_world->node = before;
        ledger->root_world->height = before->height;
    }
    free(numbers.at);
    if (rc == 0 && loaded->sequence == 0)
        rc = -ENOENT;
    return rc;
}
