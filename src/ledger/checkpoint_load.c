#include "base/crc32c.h"
#include "ledger/checkpoint_names.h"
#include "ledger/manifest.h"
#include "ledger/state.h"
#include <pthread.h>

static const char given_up[] = "loading was given up";

struct loading {
    struct disk *disk;
    struct ledger *ledger;
    const struct checkpoint_choice *choice;
    struct manifest manifest;
    struct disk_file *file;
    uint64_t file_size;
    pthread_mutex_t reading; /* one thread at a time uses the disk */
    const char *wrong[LEDGER_PARTS];
};

/* Of one thread, used again for each of its images. */
struct buffer {
    uint8_t *data;
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
static const char *check_manifest(const struct loading *l, uint64_t sequence)
{
    const struct ledger_key *key = &l->ledger->config.key;
    const struct manifest *m = &l->manifest;
    uint8_t key_hash[32];
    uint64_t total = 0;

    checkpoint_key_hash(key_hash, key->bytes);
    if (m->network != l->choice->network)
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
static const char *set_stamps(struct loading *l)
{
    const struct checkpoint_choice *choice = l->choice;
    struct header_node **stamps = l->ledger->root.stamps;
    struct header_node *lowest = NULL;

    for (uint32_t s = 0; s < l->manifest.shard_count; s++) {
        stamps[s] =
            choice->node_of(choice->ctx, l->manifest.shards[s].height, &l->manifest.shards[s].hash);
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

static int read_image(struct loading *l, void *data, size_t size, uint64_t offset)
{
    pthread_mutex_lock(&l->reading);
    int rc = disk_read_sync(l->disk, l->file, data, size, offset);
    pthread_mutex_unlock(&l->reading);
    return rc;
}

static const char *load_shard(struct loading *l, uint32_t s, struct buffer *image)
{
    const struct manifest_shard *shard = &l->manifest.shards[s];
    uint64_t size = manifest_image_size(shard);

    if (l->choice->goes_on && !l->choice->goes_on(l->choice->ctx))
        return given_up;
    if (size > image->capacity) {
        image->capacity = size + size / 8;
        image->data = xrealloc(image->data, image->capacity);
    }
    if (size > 0 && read_image(l, image->data, size, shard->offset) != 0)
        return "an image cannot be read";
    if (crc32c(0, image->data, size) != shard->crc)
        return "the checksum of an image is wrong";
    return fill_shard(&l->ledger->root, s, shard, image->data);
}

static void load_part(void *arg, uint32_t part)
{
    struct loading *l = arg;
    uint32_t shards = l->manifest.shard_count / l->ledger->config.key.part_count;
    struct buffer image = {0};

    for (uint32_t s = part * shards; !l->wrong[part] && s < (part + 1) * shards; s++)
        l->wrong[part] = load_shard(l, s, &image);
    free(image.data);
}

/* What is wrong with the first image that is. */
static const char *load_images(struct loading *l)
{
    const char *wrong = NULL;

    pthread_mutex_init(&l->reading, NULL);
    ledger_run_parts(l->ledger, load_part, l, l->file_size / sizeof(struct index_entry));
    pthread_mutex_destroy(&l->reading);
    for (uint32_t part = 0; !wrong && part < LEDGER_PARTS; part++)
        wrong = l->wrong[part];
    return wrong;
}

static const char *load_one(struct loading *l, uint64_t sequence)
{
    if (read_manifest(l, sequence) != 0)
        return "its manifest is damaged";
    if (disk_file_open(l->disk, &l->file, checkpoint_name("checkpoint", sequence).text, 0) != 0)
        return "its images are missing";
    if (disk_file_size(l->file, &l->file_size) != 0)
        return "its images cannot be read";

    const char *wrong = check_manifest(l, sequence);
    if (!wrong)
        wrong = set_stamps(l);
    return wrong ? wrong : load_images(l);
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

int checkpoint_load(struct disk *disk, struct ledger *ledger,
                    const struct checkpoint_choice *choice, struct checkpoint_loaded *loaded)
{
    struct numbers numbers = {0};
    struct header_node *before = ledger->root_world->node;
    int rc = list_numbers(disk, &numbers);

    *loaded = (struct checkpoint_loaded){0};
    for (size_t i = 0; rc == 0 && loaded->sequence == 0 && i < numbers.count; i++) {
        struct loading l = {.disk = disk, .ledger = ledger, .choice = choice};

        if (numbers.at[i] >= choice->below)
            continue;
        const char *wrong = load_one(&l, numbers.at[i]);

        if (l.file)
            disk_file_close(l.file);
        manifest_clear(&l.manifest);
        if (!wrong) {
            loaded->sequence = numbers.at[i];
            break;
        }
        if (wrong == given_up)
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
