#include "ledger/checkpoint.h"
#include "base/crc32c.h"
#include "ledger/checkpoint_names.h"
#include "ledger/manifest.h"
#include "ledger/state.h"

#define NOT_YET (-1) /* height of a shard that was not added */

static const char new_manifest[] = CHECKPOINT_DIR "/manifest.new";

static void append(struct shard_image *image, const void *data, size_t size)
{
    memcpy(image->data + image->size, data, size);
    image->size += size;
}

void checkpoint_copy_shard(const struct ledger *ledger, uint32_t shard, struct shard_image *image)
{
    const struct root *root = &ledger->root;
    uint64_t entry_count = root->index.shards[shard].count;
    const struct side_coins *side = &root->sides[part_of_shard(&root->key, shard)];
    size_t most =
        (entry_count + 1) * sizeof(struct index_entry) + side->count * sizeof *side->coins;

    if (most > image->capacity) {
        image->capacity = most + most / 8;
        image->data = xrealloc(image->data, image->capacity);
    }
    image->shard = shard;
    image->stamp = root->stamps[shard];
    image->sum = root->sums[shard];
    image->entry_count = entry_count;
    image->side_count = 0;
    image->size = entry_count * sizeof(struct index_entry);
    index_pack(&root->index, shard, (struct index_entry *)image->data);
    for (uint32_t i = 0; i < side->count; i++) {
        if (side->coins[i].shard != shard)
            continue;
        append(image, &side->coins[i], sizeof side->coins[i]);
        image->side_count++;
    }
}

void shard_image_clear(struct shard_image *image)
{
    free(image->data);
    *image = (struct shard_image){0};
}

struct checkpoint_writer {
    struct disk *disk;
    struct disk_file *file;
    struct manifest manifest;
    uint64_t size; /* of the file */
    uint64_t whole;
};

static void writer_free(struct checkpoint_writer *writer)
{
    if (writer->file)
        disk_file_close(writer->file);
    manifest_clear(&writer->manifest);
    free(writer);
}

static void find_last(void *ctx, const char *name)
{
    uint64_t *last = ctx;
    uint64_t a = checkpoint_number(name, "manifest"), b = checkpoint_number(name, "checkpoint");

    *last = a > *last ? a : *last;
    *last = b > *last ? b : *last;
}

int checkpoint_begin(struct disk *disk, const struct ledger_key *key, uint32_t network,
                     uint64_t whole, struct checkpoint_writer **result)
{
    struct checkpoint_writer *writer = xcalloc(1, sizeof *writer);
    struct manifest *manifest = &writer->manifest;
    uint64_t last = 0;

    writer->disk = disk;
    writer->whole = whole;
    manifest->network = network;
    manifest->shard_count = key->shard_mask + 1;
    manifest->tag_mask = key->tag_mask;
    checkpoint_key_hash(manifest->key_hash, key->bytes);
    manifest->shards = xcalloc(manifest->shard_count, sizeof *manifest->shards);
    for (uint32_t s = 0; s < manifest->shard_count; s++)
        manifest->shards[s].height = NOT_YET;

    int rc = disk_list(disk, CHECKPOINT_DIR, find_last, &last);
    manifest->sequence = last + 1;
    if (rc == 0)
        rc = disk_file_open(disk, &writer->file,
                            checkpoint_name("checkpoint", manifest->sequence).text,
                            DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);
    if (rc != 0) {
        writer_free(writer);
        return rc;
    }
    *result = writer;
    return 0;
}

int checkpoint_add(struct checkpoint_writer *writer, const struct shard_image *image)
{
    struct manifest_shard *shard = &writer->manifest.shards[image->shard];
    int rc = 0;

    assert(shard->height == NOT_YET);
    *shard = (struct manifest_shard){
        .height = image->stamp->height,
        .hash = image->stamp->hash,
        .offset = writer->size,
        .entry_count = image->entry_count,
        .sum = image->sum,
        .side_count = image->side_count,
        .crc = crc32c(0, image->data, image->size),
    };
    if (image->size > 0)
        rc = disk_write_sync(writer->disk, writer->file, image->data, image->size, writer->size);
    writer->size += image->size;
    return rc;
}

static int write_manifest(struct checkpoint_writer *writer)
{
    size_t size = manifest_size(writer->manifest.shard_count);
    uint8_t *data = xmalloc(size);
    struct disk_file *file;
    int rc = disk_file_open(writer->disk, &file, new_manifest,
                            DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);

    if (rc == 0) {
        manifest_write(data, &writer->manifest);
        rc = disk_write_sync(writer->disk, file, data, size, 0);
        if (rc == 0)
            rc = disk_sync(writer->disk, file);
        disk_file_close(file);
    }
    free(data);
    if (rc == 0)
        rc = disk_rename(writer->disk, new_manifest,
                         checkpoint_name("manifest", writer->manifest.sequence).text);
    return rc;
}

struct removing {
    struct disk *disk;
    const char *kind;
    uint64_t keep[2];
    uint64_t *numbers;
    size_t count;
};

static void note_old(void *ctx, const char *name)
{
    struct removing *r = ctx;
    uint64_t number = checkpoint_number(name, r->kind);

    if (number == 0 || number == r->keep[0] || number == r->keep[1])
        return;
    r->numbers = xrealloc(r->numbers, (r->count + 1) * sizeof *r->numbers);
    r->numbers[r->count++] = number;
}

/* What cannot be removed now will be after the next checkpoint. */
static void remove_old(struct disk *disk, const char *kind, uint64_t keep, uint64_t keep_too)
{
    struct removing r = {.disk = disk, .kind = kind, .keep = {keep, keep_too}};
    int rc = disk_list(disk, CHECKPOINT_DIR, note_old, &r);

    for (size_t i = 0; rc == 0 && i < r.count; i++)
        rc = disk_unlink(disk, checkpoint_name(kind, r.numbers[i]).text);
    free(r.numbers);
}

int checkpoint_commit(struct checkpoint_writer *writer, uint64_t *sequence)
{
    struct disk *disk = writer->disk;
    uint64_t number = writer->manifest.sequence;

    for (uint32_t s = 0; s < writer->manifest.shard_count; s++)
        assert(writer->manifest.shards[s].height != NOT_YET);
    int rc = disk_sync(disk, writer->file);
    if (rc == 0)
        rc = disk_sync_dir(disk, CHECKPOINT_DIR);
    if (rc == 0)
        rc = write_manifest(writer);
    if (rc == 0)
        rc = disk_sync_dir(disk, CHECKPOINT_DIR);
    if (rc == 0) {
        *sequence = number;
        remove_old(disk, "manifest", number, writer->whole);
        remove_old(disk, "checkpoint", number, writer->whole);
    }
    writer_free(writer);
    return rc;
}

void checkpoint_abandon(struct checkpoint_writer *writer)
{
    struct disk *disk = writer->disk;
    struct checkpoint_name name = checkpoint_name("checkpoint", writer->manifest.sequence);

    writer_free(writer);
    if (disk_unlink(disk, name.text) != 0)
        return; /* the next checkpoint removes it */
}

int checkpoint_save(struct disk *disk, const struct ledger *ledger, uint32_t network,
                    uint64_t *sequence)
{
    struct shard_image image = {0};
    struct checkpoint_writer *writer;
    int rc = checkpoint_begin(disk, &ledger->config.key, network, *sequence, &writer);

    if (rc != 0)
        return rc;
    for (uint32_t s = 0; rc == 0 && s < ledger->root.index.shard_count; s++) {
        checkpoint_copy_shard(ledger, s, &image);
        rc = checkpoint_add(writer, &image);
    }
    shard_image_clear(&image);
    if (rc == 0)
        return checkpoint_commit(writer, sequence);
    checkpoint_abandon(writer);
    return rc;
}
