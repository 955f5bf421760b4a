#include "pipeline/audit.h"

#include "base/hex.h"
#include "base/muhash.h"
#include "codec/compact.h"
#include "ledger/root.h"
#include "pipeline/engine_private.h"
#include "pipeline/spill.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#define PART_COINS     1000000
#define PART_MAX       256
#define COIN_SIZE      120 /* on the temporary files, all parts together, about */
#define NICE           10
#define WAIT_MS        100
#define ELEMENT_MAX    (64 + TXOUT_SCRIPT_MAX)
#define AUDIT_TEXT_MAX 1000

struct audit {
    struct engine *engine;
    int32_t height;
    struct block_hash hash;
    uint64_t blocks_end;
    bool is_fed;      /* else all is listed */
    uint64_t *listed; /* position × 2 + coinbase */
    size_t listed_count, listed_capacity;
    struct spill places;
    _Atomic uint32_t next_part;

    pthread_mutex_t mutex; /* guards what follows */
    struct spill elements;
    struct muhash set;
    uint64_t coin_count;
    int64_t amount_sat;
    const char *wrong;                 /* the first */
    const struct block_entry *damaged; /* a block that has rotted, or NULL */
    bool has_more_damaged;
};

static void fail(struct audit *audit, const char *wrong)
{
    pthread_mutex_lock(&audit->mutex);
    if (!audit->wrong)
        audit->wrong = wrong;
    pthread_mutex_unlock(&audit->mutex);
}

static uint64_t part_coins(const struct engine *engine)
{
    return engine->config.audit_part ? engine->config.audit_part : PART_COINS;
}

static void list_coin(void *context, const struct coin_ref *ref)
{
    struct audit *audit = context;

    if (audit->listed_count == audit->listed_capacity) {
        audit->listed_capacity = audit->listed_capacity ? audit->listed_capacity * 2 : 4096;
        audit->listed = xrealloc(audit->listed, audit->listed_capacity * sizeof *audit->listed);
    }
    audit->listed[audit->listed_count++] = ref->pos * 2 + ref->is_coinbase;
}

static int add_place(struct audit *audit, uint64_t place)
{
    uint64_t step = audit->blocks_end / audit->places.count + 1;

    return spill_add(&audit->places, (uint32_t)(place / 2 / step), &place, sizeof place);
}

static int add_image(struct audit *audit, const struct shard_image *image)
{
    const struct index_entry *entries = (const struct index_entry *)image->data;
    const uint8_t *side = image->data + image->entry_count * sizeof *entries;
    int error = 0;

    for (uint64_t i = 0; error == 0 && i < image->entry_count + image->side_count; i++) {
        uint64_t word;

        if (i < image->entry_count) {
            word = entries[i].word;
        } else {
            struct side_coin coin;
            memcpy(&coin, side + (i - image->entry_count) * sizeof coin, sizeof coin);
            word = coin.word;
        }
        struct coin_ref ref = coin_ref_of(word, true);
        error = add_place(audit, ref.pos * 2 + ref.is_coinbase);
    }
    return error;
}

static bool is_cancelled(const struct engine *engine)
{
    return atomic_load(&engine->is_cancelled) || atomic_load(&engine->is_stopping);
}

/* The next shard from the ledger thread; NULL with what is wrong. */
static const char *wait_for_image(struct engine *engine)
{
    struct audit_feed *feed = &engine->audit_feed;

    while (!feed->is_full && !feed->is_broken && !is_cancelled(engine)) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WAIT_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&feed->changed, &feed->mutex, &until);
    }
    return feed->is_full     ? NULL
           : feed->is_broken ? "the chain stepped back below the root"
                             : "cancelled";
}

static const char *list_shards(struct audit *audit)
{
    struct engine *engine = audit->engine;
    struct audit_feed *feed = &engine->audit_feed;
    const char *wrong = NULL;

    pthread_mutex_lock(&feed->mutex);
    for (uint32_t s = 0; !wrong && s < SHARD_COUNT; s++) {
        wrong = wait_for_image(engine);
        if (wrong)
            break;
        pthread_mutex_unlock(&feed->mutex);
        if (add_image(audit, &feed->image) < 0)
            wrong = "a temporary file cannot be written";
        pthread_mutex_lock(&feed->mutex);
        feed->is_full = false;
        waiter_wake(&engine->pipeline.ledger_waiter, 1);
    }
    pthread_mutex_unlock(&feed->mutex);
    return wrong;
}

/* The root may move again. */
static void end_feed(struct engine *engine)
{
    pthread_mutex_lock(&engine->audit_feed.mutex);
    engine->audit_feed.is_over = true;
    pthread_mutex_unlock(&engine->audit_feed.mutex);
    waiter_wake(&engine->pipeline.ledger_waiter, 1);
}

static const char *list_all(struct audit *audit)
{
    if (audit->is_fed)
        return list_shards(audit);
    for (size_t i = 0; i < audit->listed_count; i++)
        if (add_place(audit, audit->listed[i]) < 0)
            return "a temporary file cannot be written";
    return NULL;
}

struct reader {
    struct audit *audit;
    struct disk *disk;
    struct disk_file *blocks;
    struct muhash set;
    uint64_t coin_count;
    int64_t amount_sat;
    uint8_t *element;
};

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* As the reference node hashes a coin; ELEMENT_MAX holds any. */
static size_t write_element(uint8_t *out, const struct tx *tx, uint32_t o, uint32_t code)
{
    const struct tx_output *output = &tx->outputs[o];
    struct outpoint outpoint = {tx->txid, o};

    memcpy(out, &outpoint, 36);
    le32_write(out + 36, code);
    le64_write(out + 40, (uint64_t)output->amount_sat);
    size_t size = 48 + compact_write(out + 48, output->script_pubkey.size);
    if (output->script_pubkey.size)
        memcpy(out + size, output->script_pubkey.data, output->script_pubkey.size);
    return size + output->script_pubkey.size;
}

static int take_coin(struct reader *r, const struct tx *tx, uint32_t o, uint32_t code)
{
    struct audit *audit = r->audit;
    uint32_t size = (uint32_t)write_element(r->element + 4, tx, o, code);
    uint32_t part = tx->txid.bytes[0] * audit->elements.count / 256;

    le32_write(r->element, size);
    muhash_insert(&r->set, r->element + 4, size);
    r->coin_count++;
    r->amount_sat += tx->outputs[o].amount_sat;
    pthread_mutex_lock(&audit->mutex);
    int error = spill_add(&audit->elements, part, r->element, size + 4);
    pthread_mutex_unlock(&audit->mutex);
    return error;
}

static bool has_its_txs(const struct block *block, struct arena *arena)
{
    uint8_t *scratch = arena_array(arena, (size_t)block->tx_count + 1, 32);
    uint8_t root[32];
    bool is_mutated;

    block_merkle_root(root, &is_mutated, block, scratch);
    return memcmp(root, block->header.merkle_root, sizeof root) == 0;
}

static void run_lose(struct engine *engine, struct command *command)
{
    lose_block(engine, command->u.state);
}

static void lost(struct command *command)
{
    text_clear(&command->text);
    free(command);
}

/* The ledger thread has it fetched again; were it too busy to be told, the next audit would. */
static void lose(struct audit *audit, const struct block_entry *entry)
{
    struct command *command = xcalloc(1, sizeof *command);

    pthread_mutex_lock(&audit->mutex);
    if (!audit->damaged)
        audit->damaged = entry;
    audit->has_more_damaged = audit->has_more_damaged || audit->damaged != entry;
    pthread_mutex_unlock(&audit->mutex);
    text_init(&command->text, AUDIT_TEXT_MAX);
    command->run = run_lose;
    command->done = lost;
    command->u.state = entry->node;
    if (!engine_post(audit->engine, command))
        lost(command);
}

/* 0, -EBADMSG (it is damaged) or -errno. */
static int read_block(struct reader *r, const struct block_entry *entry, struct arena *arena,
                      struct block *block)
{
    uint8_t *raw = arena_alloc(arena, entry->size);
    int error = disk_read_sync(r->disk, r->blocks, raw, entry->size, entry->pos);

    if (error < 0)
        return error;
    return block_parse(block, (struct bytes){raw, entry->size}, arena, true) &&
                   block->tx_count > 0 && block_hash_equal(&block->hash, &entry->node->hash) &&
                   has_its_txs(block, arena)
               ? 0
               : -EBADMSG;
}

/* The coins from *place on that lie in entry's block; those of a damaged one are passed over. */
static const char *read_block_coins(struct reader *r, const struct block_entry *entry,
                                    const uint64_t **place, const uint64_t *end)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, SIZE_MAX);
    int error = read_block(r, entry, &arena, &block);
    const char *wrong = error < 0 && error != -EBADMSG ? "blocks.bin cannot be read" : NULL;
    if (error == -EBADMSG)
        lose(r->audit, entry);
    while (error == -EBADMSG && *place < end && **place / 2 < entry->pos + entry->size)
        ++*place;
    for (uint32_t t = 0; error == 0 && !wrong && t < block.tx_count; t++)
        for (uint32_t o = 0; !wrong && *place < end && o < block.txs[t].output_count; o++)
            if (**place / 2 == entry->pos + block.txs[t].outputs[o].offset) {
                uint32_t code = (uint32_t)entry->node->height * 2 + (**place & 1);
                if (take_coin(r, &block.txs[t], o, code) < 0)
                    wrong = "a temporary file cannot be written";
                ++*place;
            }
    arena_clear(&arena);
    return wrong;
}

static const char *read_part(struct reader *r, const uint64_t *place, size_t count)
{
    const uint64_t *end = place + count;
    const char *wrong = NULL;

    while (!wrong && place < end) {
        const struct block_entry *entry = block_table_find(r->audit->engine->table, *place / 2);
        const uint64_t *before = place;

        if (is_cancelled(r->audit->engine))
            return "cancelled";
        wrong = entry ? read_block_coins(r, entry, &place, end) : NULL;
        if (!wrong && place == before)
            wrong = "a coin is where blocks.bin has none";
    }
    return wrong;
}

static const char *read_parts(struct reader *r)
{
    struct audit *audit = r->audit;
    const char *wrong = NULL;
    uint32_t part;

    while (!wrong && (part = atomic_fetch_add(&audit->next_part, 1)) < audit->places.count) {
        uint8_t *data;
        size_t size;

        pthread_mutex_lock(&audit->mutex);
        int error = spill_take(&audit->places, part, &data, &size);
        pthread_mutex_unlock(&audit->mutex);
        if (error < 0)
            return "a temporary file cannot be read";
        qsort(data, size / 8, 8, by_number);
        wrong = read_part(r, (const uint64_t *)data, size / 8);
        free(data);
    }
    return wrong;
}

static void *reader_main(void *argument)
{
    struct audit *audit = argument;
    struct engine *engine = audit->engine;
    struct reader r = {.audit = audit, .element = xmalloc(ELEMENT_MAX)};
    const char *wrong = NULL;

    pthread_setname_np(pthread_self(), "audit");
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* of this thread */
    muhash_init(&r.set);
    if (engine->config.open_disk(engine->config.open_disk_context, &r.disk, 1) < 0)
        wrong = "blocks.bin cannot be opened";
    else if (disk_file_open(r.disk, &r.blocks, BLOCKS_NAME, 0) < 0)
        wrong = "blocks.bin cannot be opened";
    if (!wrong)
        wrong = read_parts(&r);
    if (wrong)
        fail(audit, wrong);
    pthread_mutex_lock(&audit->mutex);
    muhash_multiply(&audit->set, &r.set);
    audit->coin_count += r.coin_count;
    audit->amount_sat += r.amount_sat;
    pthread_mutex_unlock(&audit->mutex);
    if (r.disk)
        disk_close(r.disk);
    free(r.element);
    return NULL;
}

static void read_all(struct audit *audit)
{
    pthread_t threads[WORKER_MAX];
    uint32_t count = audit->engine->config.worker_count;

    if (count > audit->places.count)
        count = audit->places.count;
    for (uint32_t i = 0; i < count; i++) {
        int error = pthread_create(&threads[i], NULL, reader_main, audit);
        assert(error == 0);
    }
    for (uint32_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* As the coin database of the reference node is ordered: txid bytes, then vout as a number. */
static int by_outpoint(const void *a, const void *b)
{
    const uint8_t *x = *(const uint8_t *const *)a + 4, *y = *(const uint8_t *const *)b + 4;
    int order = memcmp(x, y, 32);

    return order
               ? order
               : (le32_read(x + 32) > le32_read(y + 32)) - (le32_read(x + 32) < le32_read(y + 32));
}

static int hash_part(struct audit *audit, uint32_t part, struct sha256 *sha)
{
    const uint8_t **elements = NULL;
    size_t count = 0, capacity = 0, size;
    uint8_t *data;
    int error = spill_take(&audit->elements, part, &data, &size);

    if (error < 0)
        return error;
    for (size_t at = 0; at < size; at += 4 + le32_read(data + at)) {
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 4096;
            elements = xrealloc(elements, capacity * sizeof *elements);
        }
        elements[count++] = data + at;
    }
    if (count > 0)
        qsort(elements, count, sizeof *elements, by_outpoint);
    for (size_t i = 0; i < count; i++)
        sha256_update(sha, elements[i] + 4, le32_read(elements[i]));
    free(elements);
    free(data);
    return 0;
}

static const char *hash_all(struct audit *audit, uint8_t serialized[32])
{
    struct sha256 sha;

    sha256_init(&sha);
    for (uint32_t part = 0; part < audit->elements.count; part++) {
        if (is_cancelled(audit->engine))
            return "cancelled";
        if (hash_part(audit, part, &sha) < 0)
            return "a temporary file cannot be read";
    }
    sha256_final(&sha, serialized);
    sha256_once(serialized, serialized, 32);
    return NULL;
}

static void put_result(struct audit *audit, struct text *text, const uint8_t serialized[32])
{
    struct engine *engine = audit->engine;
    uint8_t muhash[32];

    muhash_final(&audit->set, muhash);
    text_printf(text, "height %d\nhash ", audit->height);
    text_hash(text, audit->hash.bytes);
    text_printf(text, "\ncoins %" PRIu64 "\namount %" PRId64 "\nhash_serialized_3 ",
                audit->coin_count, audit->amount_sat);
    text_hash(text, serialized);
    text_printf(text, "\nmuhash ");
    text_hash(text, muhash);
    text_printf(text, "\nof %s\n", audit->is_fed ? "the root" : "the tip");

    const struct audit_hash *known = params_find_audit(engine->params, &audit->hash);
    if (!known)
        return;
    bool is_right = memcmp(known->hash_serialized_3, serialized, 32) == 0;
    text_printf(text, "known %s\n", is_right ? "matches" : "DIFFERS");
    if (is_right)
        engine_log(engine, ENGINE_LOG_INFO, "the coin set at height %d is the known one",
                   audit->height);
    else
        engine_log(engine, ENGINE_LOG_ERROR,
                   "the coin set at height %d is not the one that is known to be right: "
                   "move ledger/ away to have it rebuilt, and test the memory",
                   audit->height);
}

static void put_damaged(const struct audit *audit, struct text *text)
{
    text_printf(text,
                "error: the block of height %d is damaged, at byte %" PRIu64
                " of blocks.bin%s: asked for again, audit once more when %s there\n",
                audit->damaged->node->height, audit->damaged->pos,
                audit->has_more_damaged ? ", and so are others" : "",
                audit->has_more_damaged ? "they are" : "it is");
}

/* NULL, or what is wrong. */
static const char *check_space(struct audit *audit, uint64_t coin_count)
{
    struct statvfs fs;

    if (coin_count <= PART_COINS || statvfs(audit->engine->directory, &fs) < 0)
        return NULL;
    return (uint64_t)fs.f_bavail * fs.f_frsize < coin_count * COIN_SIZE
               ? "too little space on the disk for the temporary files"
               : NULL;
}

static void work_audit(struct engine *engine, struct command *command)
{
    struct audit *audit = command->u.state;
    uint8_t serialized[32];
    const char *wrong = check_space(audit, audit->coin_count);

    audit->coin_count = 0;
    if (!wrong)
        wrong = list_all(audit);
    end_feed(engine);
    if (!wrong) {
        read_all(audit);
        wrong = audit->wrong;
    }
    if (!wrong && !audit->damaged)
        wrong = hash_all(audit, serialized);
    if (wrong)
        text_printf(&command->text, "error: %s\n", wrong);
    else if (audit->damaged)
        put_damaged(audit, &command->text);
    else
        put_result(audit, &command->text, serialized);
    spill_clear(&audit->places);
    spill_clear(&audit->elements);
    pthread_mutex_destroy(&audit->mutex);
    free(audit->listed);
    free(audit);
    atomic_store(&engine->is_auditing, false);
}

static void begin_feed(struct audit_feed *feed)
{
    pthread_mutex_lock(&feed->mutex);
    feed->is_pinned = true;
    feed->shard = 0;
    feed->is_full = feed->is_over = feed->is_broken = false;
    pthread_mutex_unlock(&feed->mutex);
}

/* Of the root, fed by shards, or of the tip, listed here and now. blocks.bin is read from other
 * descriptors: a verified block's append has been written. */
static struct audit *audit_new(struct engine *engine, bool is_fed, uint64_t part_count)
{
    struct audit *audit = xcalloc(1, sizeof *audit);
    const struct header_node *node = is_fed ? world_node(ledger_root(engine->ledger)) : engine->tip;

    atomic_store(&engine->is_cancelled, false);
    audit->engine = engine;
    audit->is_fed = is_fed;
    audit->coin_count = ledger_stats(engine->ledger).root_coins;
    audit->blocks_end = engine->blocks_end;
    audit->height = node->height;
    audit->hash = node->hash;
    pthread_mutex_init(&audit->mutex, NULL);
    muhash_init(&audit->set);
    spill_init(&audit->places, engine->jobs_disk, "places", (uint32_t)part_count);
    spill_init(&audit->elements, engine->jobs_disk, "coins", (uint32_t)part_count);
    if (is_fed)
        begin_feed(&engine->audit_feed);
    else
        world_visit_coins(engine->ledger, node_work(engine, node)->world, list_coin, audit);
    return audit;
}

static uint64_t part_count_of(const struct engine *engine)
{
    uint64_t count = ledger_stats(engine->ledger).root_coins / part_coins(engine) + 1;

    return count < PART_MAX ? count : PART_MAX;
}

void run_audit(struct engine *engine, struct command *command)
{
    uint64_t part_count = part_count_of(engine);

    if (command->argument && strcmp(command->argument, "cancel") == 0) {
        atomic_store(&engine->is_cancelled, true);
        text_printf(&command->text, "ok\n");
        return;
    }
    if (atomic_exchange(&engine->is_auditing, true)) {
        text_printf(&command->text, "error: an audit is under way\n");
        return;
    }
    command->u.state = audit_new(engine, part_count > 1, part_count);
    command->work = work_audit;
}

static void compared(struct command *command)
{
    const char *text = text_cstr(&command->text);

    if (strncmp(text, "error: ", 7) == 0)
        engine_log(command->context, ENGINE_LOG_WARNING,
                   "the coin set is not compared with the known one: %.*s",
                   (int)strcspn(text + 7, "\n"), text + 7);
    text_clear(&command->text);
    free(command);
}

void audit_folded(struct engine *engine, const struct header_node *node)
{
    if (!params_find_audit(engine->params, &node->hash) || atomic_load(&engine->is_stopping))
        return;
    if (atomic_exchange(&engine->is_auditing, true)) {
        engine_log(engine, ENGINE_LOG_WARNING,
                   "the coin set at height %d is not compared with the known one: an audit is "
                   "under way",
                   node->height);
        return;
    }
    struct command *command = xcalloc(1, sizeof *command);

    text_init(&command->text, AUDIT_TEXT_MAX);
    command->work = work_audit;
    command->done = compared;
    command->context = engine;
    command->u.state = audit_new(engine, true, part_count_of(engine));
    engine_log(engine, ENGINE_LOG_INFO, "comparing the coin set at height %d with the known one",
               node->height);
    start_job(engine, command);
}

void audit_step(struct engine *engine)
{
    struct audit_feed *feed = &engine->audit_feed;

    if (!feed->is_pinned)
        return;
    pthread_mutex_lock(&feed->mutex);
    if (!feed->is_full && !feed->is_over) {
        checkpoint_copy_shard(engine->ledger, feed->shard++, &feed->image);
        feed->is_full = true;
        pthread_cond_signal(&feed->changed);
    }
    if (feed->is_over || feed->shard == SHARD_COUNT)
        feed->is_pinned = false;
    pthread_mutex_unlock(&feed->mutex);
}

bool audit_has_work(struct engine *engine)
{
    struct audit_feed *feed = &engine->audit_feed;

    if (!feed->is_pinned)
        return false;
    pthread_mutex_lock(&feed->mutex);
    bool has_work = !feed->is_full || feed->is_over;
    pthread_mutex_unlock(&feed->mutex);
    return has_work;
}

void audit_break(struct engine *engine)
{
    struct audit_feed *feed = &engine->audit_feed;

    if (!feed->is_pinned)
        return;
    pthread_mutex_lock(&feed->mutex);
    feed->is_pinned = false;
    feed->is_broken = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->mutex);
}
