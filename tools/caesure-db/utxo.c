/* utxo.c - looks one coin up in the newest checkpoint: of the images only its shard's is read. */
#include "base/crc32c.h"
#include "caesure-db/session.h"
#include "ledger/checkpoint_names.h"
#include "ledger/manifest.h"

struct lookup {
    const struct view *view;
    const struct outpoint *outpoint;
    struct disk *disk;
    struct ledger_key key;
    struct manifest manifest;
    struct coin_hash hash;
    const struct header_node *stamp; /* the coins are those after this block */
    struct index_entry *image;
    uint64_t image_size;
};

static int read_manifest(struct lookup *l, uint64_t sequence)
{
    struct disk_file *file;
    uint64_t size;
    int rc = disk_file_open(l->disk, &file, checkpoint_name("manifest", sequence).text, 0);

    if (rc < 0)
        return rc;
    rc = disk_file_size(file, &size);
    if (rc == 0 && size > manifest_size(MANIFEST_SHARDS_MAX))
        rc = -EILSEQ;
    if (rc == 0) {
        uint8_t *data = xmalloc(size + 1);

        rc = disk_read_sync(l->disk, file, data, size, 0);
        if (rc == 0 && !manifest_parse(&l->manifest, (struct bytes){data, size}))
            rc = -EILSEQ;
        free(data);
    }
    disk_file_close(file);
    return rc;
}

static const char *read_image(struct lookup *l, uint64_t sequence)
{
    const struct manifest_shard *shard = &l->manifest.shards[l->hash.shard];
    struct disk_file *file;
    uint64_t file_size;

    l->image_size = manifest_image_size(shard);
    if (disk_file_open(l->disk, &file, checkpoint_name("checkpoint", sequence).text, 0) < 0)
        return "its images cannot be opened";

    const char *wrong = NULL;
    if (disk_file_size(file, &file_size) < 0 || l->image_size > file_size ||
        shard->offset > file_size - l->image_size)
        wrong = "its images are cut off";
    if (!wrong) {
        l->image = xmalloc(l->image_size + 1);
        if (disk_read_sync(l->disk, file, l->image, l->image_size, shard->offset) < 0 ||
            crc32c(0, l->image, l->image_size) != shard->crc)
            wrong = "an image is damaged";
    }
    disk_file_close(file);
    return wrong;
}

/* NULL with the shard's image, or why this checkpoint does not count. */
static const char *load(struct lookup *l, const uint8_t secret[LEDGER_KEY_SIZE], uint64_t sequence)
{
    uint8_t key_hash[32];

    checkpoint_key_hash(key_hash, secret);
    if (read_manifest(l, sequence) < 0)
        return "its manifest is damaged";

    const struct manifest *m = &l->manifest;
    uint64_t low_bits = ~m->tag_mask;
    if (m->network != l->view->magic || m->sequence != sequence ||
        (m->shard_count & (m->shard_count - 1)) != 0 || (low_bits & (low_bits + 1)) != 0 ||
        m->tag_mask >> 52 != 0xfff)
        return "it is of another network or layout";
    if (memcmp(m->key_hash, key_hash, sizeof key_hash) != 0)
        return "it was written with another key";
    ledger_key_init(&l->key, secret, (unsigned)__builtin_popcountll(m->tag_mask), m->shard_count);
    l->hash = coin_hash_of(&l->key, l->outpoint);
    l->stamp = header_tree_find(l->view->tree, &m->shards[l->hash.shard].hash);
    if (!l->stamp || l->stamp->height != m->shards[l->hash.shard].height)
        return "its block is not stored";
    return read_image(l, sequence);
}

static void unload(struct lookup *l)
{
    manifest_clear(&l->manifest);
    free(l->image);
    l->image = NULL;
}

/* The word of the coin aside with this outpoint, or of the one with its tag; 0: none. */
static uint64_t find_word(const struct lookup *l)
{
    const struct manifest_shard *shard = &l->manifest.shards[l->hash.shard];
    const uint8_t *side = (const uint8_t *)(l->image + shard->entry_count);
    size_t low = 0, high = shard->entry_count;

    for (uint32_t i = 0; i < shard->side_count; i++) {
        struct side_coin coin;

        memcpy(&coin, side + i * sizeof coin, sizeof coin);
        if (outpoint_equal(&coin.outpoint, l->outpoint))
            return coin.word;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (l->image[middle].tag < l->hash.tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low < shard->entry_count && l->image[low].tag == l->hash.tag ? l->image[low].word : 0;
}

/* The output of the outpoint whose TxOut is at that place of the block, or NULL. */
static const struct tx_output *output_at(const struct block *block, uint64_t offset,
                                         const struct outpoint *outpoint)
{
    for (uint32_t i = 0; i < block->tx_count; i++) {
        const struct tx *tx = &block->txs[i];

        if (outpoint->vout < tx->output_count && tx->outputs[outpoint->vout].offset == offset &&
            txid_equal(&tx->txid, &outpoint->txid))
            return &tx->outputs[outpoint->vout];
    }
    return NULL;
}

static void say_missing(const struct lookup *l, struct answer *answer)
{
    answer_fail(answer, "not found as of the checkpoint at height %d", l->stamp->height);
}

static void say_coin(const struct lookup *l, struct answer *answer, uint64_t word)
{
    struct coin_ref ref = coin_ref_of(word, false);
    const struct metadata_record *record = word ? view_record_at(l->view, ref.pos) : NULL;
    const struct header_node *node = record ? header_tree_find(l->view->tree, &record->hash) : NULL;
    char error[VIEW_ERROR_SIZE];
    struct arena arena;
    struct block block;

    if (!word) {
        say_missing(l, answer);
        return;
    }
    if (!node) {
        answer_fail(answer, "the coin is in a part of " BLOCKS_NAME " that holds no block");
        return;
    }
    arena_init(&arena, SIZE_MAX);
    uint8_t *raw = view_read(l->view, node, &block, &arena, error);
    const struct tx_output *output =
        raw ? output_at(&block, ref.pos - record->pos, l->outpoint) : NULL;
    if (!raw) {
        answer_fail(answer, "%s", error);
    } else if (!output) { /* another coin with the same tag */
        say_missing(l, answer);
    } else {
        answer_number(answer, "amount", output->amount_sat);
        answer_number(answer, "height", node->height);
        answer_number(answer, "coinbase", ref.is_coinbase);
        answer_hex(answer, "script", output->script_pubkey);
        answer_number(answer, "checkpoint_height", l->stamp->height);
        answer_hash(answer, "checkpoint_hash", l->stamp->hash.bytes);
    }
    free(raw);
    arena_clear(&arena);
}

struct newest {
    uint64_t below, number; /* the largest number under below */
};

static void note_manifest(void *context, const char *name)
{
    struct newest *newest = context;
    uint64_t number = checkpoint_number(name, "manifest");

    if (number < newest->below && number > newest->number)
        newest->number = number;
}

static void say_no_key(const struct view *view, struct answer *answer, int error)
{
    if (error == -ENOENT)
        answer_fail(answer, "there is no checkpoint yet");
    else if (error == -EACCES || error == -EPERM)
        answer_fail(answer,
                    "%s/" CHECKPOINT_DIR "/key may be read by the node's user only: run utxo as "
                    "that user or as root; all other commands work without",
                    view->directory);
    else
        answer_fail(answer, "%s/" CHECKPOINT_DIR "/key: %s", view->directory,
                    error == -EILSEQ ? "it is damaged" : strerror(-error));
}

void find_utxo(struct session *session, struct answer *answer, const struct outpoint *outpoint)
{
    struct lookup l = {.view = &session->view, .outpoint = outpoint, .disk = session->view.disk};
    struct newest newest = {.below = UINT64_MAX};
    uint8_t secret[LEDGER_KEY_SIZE];
    const char *wrong = NULL;
    uint64_t wrong_number = 0;
    int error = checkpoint_key_load(l.disk, secret);

    if (error < 0) {
        say_no_key(l.view, answer, error);
        return;
    }
    while ((error = disk_list(l.disk, CHECKPOINT_DIR, note_manifest, &newest)) == 0 &&
           newest.number > 0) {
        const char *now_wrong = load(&l, secret, newest.number);

        if (!now_wrong)
            say_coin(&l, answer, find_word(&l));
        unload(&l);
        if (!now_wrong)
            return;
        if (!wrong)
            wrong_number = newest.number;
        wrong = wrong ? wrong : now_wrong;
        newest = (struct newest){.below = newest.number};
    }
    if (error < 0)
        answer_fail(answer, "%s/" CHECKPOINT_DIR ": %s", l.view->directory, strerror(-error));
    else if (wrong)
        answer_fail(answer, "no checkpoint can be used; checkpoint %llu: %s",
                    (unsigned long long)wrong_number, wrong);
    else
        answer_fail(answer, "there is no checkpoint yet");
}
