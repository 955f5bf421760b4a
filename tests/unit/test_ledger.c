/* The ledger beside plain lists of coins, a list a block: random chains with forks, refused blocks,
 * drops, folds, steps back, checkpoints and crashes, with tags so short that they collide all the
 * time, and with real ones. */
#include "io/simdisk.h"
#include "ledger/checkpoint.h"
#include "ledger/state.h"
#include "ledger_model.h"

#define LIVE_MAX    1100
#define HISTORY_MAX 40
#define BATCH       32
#define FORKS       40 /* so many fill a table by what is unlinked */
#define NETWORK     0xdab5bffau
#define UNSAVED_MAX 25 /* folds without a checkpoint: what is replayed must be in the history */

struct run {
    struct sim sim;
    struct ledger *ledger;
    struct sim_block *live[LIVE_MAX]; /* with a world above the root */
    uint32_t live_count;
    struct sim_block *history[HISTORY_MAX]; /* folded; the last is the root */
    uint32_t history_count;
    uint32_t connected, refused, failed, unfolded, absorbed, replacing;

    struct simdisk *simdisk;
    struct disk *disk;
    uint64_t sequence; /* of the last whole checkpoint */
    uint32_t unsaved;  /* folds since that began */
    struct checkpoint_writer *writer;
    struct shard_image image;
    uint32_t next_shard, begun_unsaved;
    uint32_t saved, crashed, replayed;
};

static void on_dropped(void *ctx, struct world *world, void *user)
{
    struct sim_block *b = user;

    (void)ctx;
    ck_assert_ptr_eq(b->world, world);
    ck_assert_ptr_nonnull(b->prev->world); /* children go first */
    b->world = NULL;
}

static struct sim_block *root_of(const struct run *run)
{
    return run->history[run->history_count - 1];
}

static void abandon(struct run *run)
{
    if (run->writer)
        checkpoint_abandon(run->writer);
    run->writer = NULL;
}

/* All shards as they are now. False: the disk has failed. */
static bool save(struct run *run)
{
    abandon(run);
    if (checkpoint_save(run->disk, run->ledger, NETWORK, &run->sequence) != 0)
        return false;
    run->unsaved = 0;
    run->saved++;
    return true;
}

/* Some shards of a checkpoint, the first of a new one or the last: the root moves on in between. */
static void save_some(struct run *run)
{
    uint32_t shard_count = run->sim.key.shard_mask + 1;

    if (!run->writer) {
        ck_assert_int_eq(
            checkpoint_begin(run->disk, &run->sim.key, NETWORK, run->sequence, &run->writer), 0);
        run->next_shard = 0;
        run->begun_unsaved = run->unsaved;
    }
    for (uint32_t end = run->next_shard + 1 + shard_count / 4;
         run->next_shard < end && run->next_shard < shard_count; run->next_shard++) {
        checkpoint_copy_shard(run->ledger, run->next_shard, &run->image);
        ck_assert_int_eq(checkpoint_add(run->writer, &run->image), 0);
    }
    if (run->next_shard < shard_count)
        return;
    struct checkpoint_writer *writer = run->writer;
    run->writer = NULL;
    ck_assert_int_eq(checkpoint_commit(writer, &run->sequence), 0);
    run->unsaved -= run->begun_unsaved;
    run->saved++;
}

static void run_init(struct run *run, uint64_t seed, unsigned tag_bits, uint32_t shard_count,
                     uint32_t world_slots, int32_t horizon, bool with_threads)
{
    *run = (struct run){0};
    sim_init(&run->sim, seed, tag_bits, shard_count);

    struct ledger_config config = sim_config(&run->sim, world_slots, horizon);
    config.dropped = on_dropped;
    config.run_parts = with_threads ? sim_run_parts : NULL;
    run->history[run->history_count++] = sim_genesis();
    run->ledger = ledger_new(&config, &root_of(run)->node);
    root_of(run)->world = ledger_root(run->ledger);
    run->simdisk = simdisk_new(seed);
    run->disk = simdisk_open(run->simdisk);
    ck_assert_int_eq(checkpoint_key_save(run->disk, run->sim.key.bytes), 0);
    save(run);
}

static void run_clear(struct run *run)
{
    abandon(run);
    shard_image_clear(&run->image);
    disk_close(run->disk);
    simdisk_free(run->simdisk);
    for (uint32_t i = 0; i < run->live_count; i++)
        sim_block_free(run->live[i]);
    for (uint32_t i = 0; i < run->history_count; i++)
        sim_block_free(run->history[i]);
    ledger_free(run->ledger);
    sim_clear(&run->sim);
}

/* Forgets the blocks whose worlds are gone. */
static void purge(struct run *run)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < run->live_count; i++) {
        if (run->live[i]->world)
            run->live[kept++] = run->live[i];
        else
            sim_block_free(run->live[i]);
    }
    run->live_count = kept;
}

static struct sim_block *any_block(struct run *run)
{
    uint64_t i = prng_below(&run->sim.prng, run->live_count + 1);

    return i < run->live_count ? run->live[i] : root_of(run);
}

static struct sim_block *highest(const struct run *run)
{
    struct sim_block *best = root_of(run);

    for (uint32_t i = 0; i < run->live_count; i++)
        if (run->live[i]->node.height > best->node.height)
            best = run->live[i];
    return best;
}

/* Now and then reads fail, or a block lies too far behind. */
static void break_some(struct run *run, struct connecting *batch, uint32_t count)
{
    uint64_t die = prng_below(&run->sim.prng, 16);

    if (die == 0)
        run->sim.read_error = -EIO;
    if (die == 1) {
        struct connecting *c = &batch[prng_below(&run->sim.prng, count)];
        c->lb.pos = COIN_POS_MAX - c->lb.block->raw.size + 1;
    }
}

/* Up to BATCH blocks at once, the first after prev, the others mostly each after the one before; a
 * refused one takes those after it away. False: the first was refused. */
static bool connect_batch(struct run *run, struct sim_block *prev, unsigned bad_percent,
                          uint32_t count)
{
    struct sim_block *blocks[BATCH];
    struct connecting batch[BATCH];

    for (uint32_t i = 0; i < count; i++) {
        blocks[i] = sim_block_new(&run->sim, prev, bad_percent);
        enum bip30 *bip30 = &blocks[i]->lb.bip30;
        if (i > 0 && *bip30 == BIP30_OVERWRITE && !has_duplicates(blocks[i], 0, 1))
            *bip30 = BIP30_UNCHECKED;
        if (i > 0 && *bip30 == BIP30_OVERWRITE) { /* may only be the first */
            sim_block_free(blocks[i]);
            count = i;
        } else if (prng_below(&run->sim.prng, 5) > 0) {
            prev = blocks[i];
        }
    }
    for (uint32_t i = 0; i < count; i++)
        batch[i] = sim_extend(&run->sim, run->ledger, blocks[i]);
    break_some(run, batch, count);
    worlds_connect(run->ledger, batch, count);
    for (uint32_t i = 0; i < count; i++) {
        struct sim_block *b = blocks[i];

        run->live[run->live_count++] = b;
        if (!b->world) { /* gone with a refused one */
            b->events.events = NULL;
            free(batch[i].refs);
            continue;
        }
        run->connected++;
        run->failed += batch[i].error != 0;
        run->refused += !sim_connected(&run->sim, run->ledger, b, &batch[i]) && !batch[i].error;
    }
    run->sim.read_error = 0;
    bool is_good = blocks[0]->world;
    purge(run);
    return is_good;
}

static bool connect(struct run *run, struct sim_block *prev, unsigned bad_percent)
{
    return connect_batch(run, prev, bad_percent, 1);
}

static void remember(struct run *run, struct sim_block *b)
{
    for (uint32_t i = 0; i < run->live_count; i++)
        if (run->live[i] == b)
            run->live[i] = run->live[--run->live_count];
    if (run->history_count == HISTORY_MAX) {
        sim_block_free(run->history[0]);
        memmove(run->history, run->history + 1, (HISTORY_MAX - 1) * sizeof(struct sim_block *));
        run->history_count--;
    }
    run->history[run->history_count++] = b;
    run->unsaved++;
}

/* The first count blocks on the way to tip, or as many as there are. */
static void fold(struct run *run, struct sim_block *tip, uint32_t count)
{
    uint32_t depth = (uint32_t)(tip->node.height - root_of(run)->node.height);
    struct sim_block *blocks[BATCH];

    count = count < depth ? count : depth;
    for (struct sim_block *b = tip; b != root_of(run); b = b->prev, depth--)
        if (depth <= count)
            blocks[depth - 1] = b;
    root_of(run)->world = ledger_root(run->ledger);
    sim_fold(&run->sim, run->ledger, blocks, count);
    ck_assert_ptr_eq(ledger_root(run->ledger), blocks[count - 1]->world);
    root_of(run)->world = NULL;
    for (uint32_t i = 0; i < count; i++) {
        remember(run, blocks[i]);
        if (i + 1 < count)
            blocks[i]->world = NULL;
    }
    purge(run);
    if (run->writer)
        save_some(run);
    if (run->unsaved > UNSAVED_MAX)
        ck_assert(save(run));
}

static void drop(struct run *run, struct sim_block *b)
{
    world_drop(run->ledger, b->world);
    purge(run);
}

/* The coins before b: those after it, less its outputs, plus what it took. */
static struct coin_set set_before(const struct sim_block *b)
{
    struct coin_set set = set_copy(&b->after);

    for (uint32_t t = 0; t < b->block.tx_count; t++) {
        for (uint32_t i = 0; i < b->block.txs[t].output_count; i++) {
            struct outpoint outpoint = {b->block.txs[t].txid, i};
            set_remove(&set, &outpoint, NULL);
        }
    }
    for (uint32_t k = 0; k < b->input_count; k++)
        if (b->undo[k] != 0)
            set_add(&set, &b->prevouts[k]);
    return set;
}

/* What is on the disk has coins that do not come back (BIP30_OVERWRITE): false. */
static bool unfold(struct run *run)
{
    struct sim_block *b = root_of(run);

    sim_load(&run->sim, b);
    ck_assert_int_eq(ledger_unfold(run->ledger, &b->lb, b->undo, b->input_count), 0);
    struct coin_set before = set_before(b);
    for (uint32_t i = 0; i < before.count; i++) /* without what b replaced */
        ck_assert_ptr_nonnull(set_find(&b->prev->after, &before.coins[i].outpoint));
    bool is_same = before.count == b->prev->after.count;
    free(b->prev->after.coins);
    b->prev->after = before;
    b->world = NULL;
    run->history_count--;
    root_of(run)->world = ledger_root(run->ledger);
    ck_assert_ptr_eq(world_node(ledger_root(run->ledger)), &root_of(run)->node);
    run->unfolded++;
    return is_same;
}

static void replay(struct run *run, struct sim_block *b, bool is_after_crash)
{
    uint64_t *undo = xcalloc(b->input_count, sizeof *undo);

    sim_load(&run->sim, b);
    judge(b);
    ck_assert_int_eq(b->expected.verdict, CONNECT_OK);
    ck_assert_int_eq(ledger_replay(run->ledger, &b->lb, &b->node, undo), 0);
    for (uint32_t k = 0; k < b->input_count; k++)
        ck_assert(undo[k] == b->undo[k] || (undo[k] == UINT64_MAX && is_after_crash));
    free(undo);
    root_of(run)->world = NULL;
    run->history[run->history_count++] = b;
    b->world = ledger_root(run->ledger);
}

static void step_back(struct run *run)
{
    struct sim_block *gone[HISTORY_MAX];
    uint32_t count = 0, wanted = 1 + (uint32_t)prng_below(&run->sim.prng, 10);
    bool is_same = true;

    abandon(run);
    while (run->live_count > 0)
        drop(run, run->live[0]);
    for (; count < wanted && run->history_count > 1; count++) {
        gone[count] = root_of(run);
        is_same = unfold(run) && is_same;
        sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
    }
    while (count > 0 && prng_below(&run->sim.prng, 4) > 0)
        replay(run, gone[--count], false);
    sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
    while (count > 0)
        sim_block_free(gone[--count]);
    /* The older of the two kept may be of blocks that are gone, but not of coins that are. */
    ck_assert(save(run));
    if (!is_same || prng_below(&run->sim.prng, 2))
        ck_assert(save(run));
}

/* The same for one whose coinbase replaces coins. */
static struct sim_block *block_replacing(struct run *run, struct sim_block *prev)
{
    for (int i = 0; i < 400; i++) {
        struct sim_block *b = sim_block_new(&run->sim, prev, 0);

        if (b->expected.verdict == CONNECT_OK && has_duplicates(b, 0, 1))
            return b;
        sim_block_free(b);
    }
    return NULL;
}

/* A block after prev that is valid, or one whose coin is missing. */
static struct sim_block *block_with(struct run *run, struct sim_block *prev,
                                    enum connect_verdict verdict)
{
    for (;;) {
        struct sim_block *b = sim_block_new(&run->sim, prev, verdict == CONNECT_OK ? 0 : 60);

        if (b->expected.verdict == verdict && !has_duplicates(b, 0, b->block.tx_count))
            return b;
        sim_block_free(b);
    }
}

/* Few slots: all outpoints look alike until they are compared. */
static void load_known(struct run *run, struct sim_block *b, bool has_few_slots)
{
    sim_load(&run->sim, b);
    if (!has_duplicates(b, 0, b->block.tx_count))
        b->lb.bip30 = BIP30_UNCHECKED;
    for (uint32_t e = 0; has_few_slots && e < b->events.ends[LEDGER_PARTS - 1]; e++)
        b->events.events[e].slot %= 4;
}

/* Without worlds: a row of blocks, now and then with one at its end that has no business there (a
 * coin with an equal tag would be taken for the one it lacks: short tags do not go with that). */
static void absorb(struct run *run)
{
    struct sim_block *blocks[9];
    struct known_block known[ARRAY_COUNT(blocks)];
    uint32_t count = 1 + (uint32_t)prng_below(&run->sim.prng, ARRAY_COUNT(blocks) - 1);
    bool is_bad = run->sim.key.tag_mask == UINT64_MAX && prng_below(&run->sim.prng, 4) == 0;
    bool has_few_slots = prng_below(&run->sim.prng, 2),
         replaces = prng_below(&run->sim.prng, 4) == 0;

    while (run->live_count > 0)
        drop(run, run->live[0]);
    struct sim_block *replacing = is_bad || !replaces ? NULL : block_replacing(run, root_of(run));
    if (replacing) {
        count = 1;
        run->replacing++;
    }
    for (uint32_t i = 0; i < count + is_bad; i++)
        blocks[i] = replacing ? replacing
                              : block_with(run, i ? blocks[i - 1] : root_of(run),
                                           i < count ? CONNECT_OK : CONNECT_MISSING);
    for (uint32_t i = 0; i < count + is_bad; i++) {
        struct sim_block *b = blocks[i];

        load_known(run, b, has_few_slots);
        b->undo = xcalloc(b->input_count, sizeof *b->undo);
        known[i] = (struct known_block){b->lb, &b->node, b->undo};
    }
    if (is_bad) {
        ck_assert_int_eq(ledger_absorb(run->ledger, known, count + 1), -ENOENT);
        sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
        sim_block_free(blocks[count]);
        for (uint32_t i = 0; i < count; i++) {
            load_known(run, blocks[i], has_few_slots);
            known[i].lb = blocks[i]->lb;
        }
    }
    ck_assert_int_eq(ledger_absorb(run->ledger, known, count), 0);
    root_of(run)->world = NULL;
    for (uint32_t i = 0; i < count; i++) {
        sim_check_undo(&run->sim, blocks[i]);
        remember(run, blocks[i]);
    }
    root_of(run)->world = ledger_root(run->ledger);
    ck_assert_ptr_eq(world_node(ledger_root(run->ledger)), &root_of(run)->node);
    sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
    run->absorbed += count;
    if (run->writer)
        save_some(run);
    if (run->unsaved > UNSAVED_MAX)
        ck_assert(save(run));
}

static struct header_node *node_of(void *ctx, int32_t height, const struct block_hash *hash)
{
    struct run *run = ctx;

    for (uint32_t i = 0; i < run->history_count; i++)
        if (run->history[i]->node.height == height &&
            block_hash_equal(&run->history[i]->node.hash, hash))
            return &run->history[i]->node;
    return NULL;
}

/* The disk has come back: the ledger from what it kept. At least the last whole checkpoint counts,
 * unless a step back has left its block. */
static void recover(struct run *run)
{
    struct sim_block *gone[HISTORY_MAX];
    struct ledger_config config = *ledger_config(run->ledger);
    const struct checkpoint_choice choice = {
        .network = NETWORK, .below = UINT64_MAX, .node_of = node_of, .ctx = run};
    struct checkpoint_loaded loaded;
    uint32_t count = 0;

    for (uint32_t i = 0; i < run->live_count; i++)
        sim_block_free(run->live[i]);
    run->live_count = 0;
    ledger_free(run->ledger);
    run->ledger = ledger_new(&config, &run->history[0]->node);
    ck_assert_int_eq(checkpoint_load(run->disk, run->ledger, &choice, &loaded), 0);
    ck_assert_uint_ge(loaded.sequence + loaded.refused_count, run->sequence);
    run->sequence = loaded.sequence;

    const struct header_node *root = world_node(ledger_root(run->ledger));
    int32_t top = ledger_top(run->ledger)->height;
    root_of(run)->world = NULL;
    while (&root_of(run)->node != root)
        gone[count++] = run->history[--run->history_count];
    root_of(run)->world = ledger_root(run->ledger);
    run->unsaved = 0;
    while (count > 0 &&
           (gone[count - 1]->node.height <= top || prng_below(&run->sim.prng, 5) > 0)) {
        replay(run, gone[--count], true);
        run->unsaved++;
        run->replayed++;
    }
    while (count > 0)
        sim_block_free(gone[--count]);
    sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
}

static void crash(struct run *run)
{
    if (prng_below(&run->sim.prng, 2)) {
        simdisk_crash_at(run->simdisk,
                         simdisk_changes(run->simdisk) + 1 + prng_below(&run->sim.prng, 40));
        (void)save(run);
    }
    abandon(run);
    disk_close(run->disk);
    simdisk_reboot(run->simdisk, prng_next(&run->sim.prng));
    run->disk = simdisk_open(run->simdisk);
    recover(run);
    run->crashed++;
}

static void find(struct run *run)
{
    const struct sim_block *b = any_block(run);
    struct outpoint outpoint = any_outpoint(&run->sim);
    const struct coin *coin = set_find(&b->after, &outpoint);
    struct coin_ref ref;

    ck_assert_int_eq(world_find_exact(run->ledger, b->world, &outpoint, &ref), coin != NULL);
    if (coin)
        ck_assert_uint_eq(ref.pos, coin->pos);

    bool is_found = world_find(run->ledger, b->world, &outpoint, &ref);
    if (coin) {
        ck_assert(is_found);
        ck_assert_uint_eq(coin_word(ref.pos, ref.is_coinbase, ref.check),
                          sim_word(&run->sim, coin));
    } else if (is_found) { /* one with an equal tag, which only the check tells */
        ck_assert(!ref.is_exact);
        ck_assert(!outpoint_equal(&sim_output_at(&run->sim, ref.pos)->outpoint, &outpoint));
    }
}

/* Mostly few. */
static uint32_t batch_size(struct run *run)
{
    uint32_t most = prng_below(&run->sim.prng, 8) ? 4 : BATCH;

    if (most > ledger_free_slots(run->ledger))
        most = ledger_free_slots(run->ledger);
    return 1 + (uint32_t)prng_below(&run->sim.prng, most);
}

static void random_step(struct run *run)
{
    struct prng *prng = &run->sim.prng;
    uint64_t die = prng_below(prng, 1000);

    if (die < 400) {
        find(run);
    } else if (die < 850) {
        struct sim_block *prev = prng_below(prng, 10) < 6 ? highest(run) : any_block(run);
        if (ledger_free_slots(run->ledger) > 0)
            connect_batch(run, prev, prng_below(prng, 2) ? 0 : 15, batch_size(run));
        else if (prng_below(prng, 2))
            drop(run, run->live[prng_below(prng, run->live_count)]);
        else
            fold(run, highest(run), 1);
    } else if (die < 870 && run->live_count > 0) {
        drop(run, run->live[prng_below(prng, run->live_count)]);
    } else if (die < 970 && run->live_count > 0) {
        struct sim_block *tip = prng_below(prng, 4) ? highest(run) : any_block(run);
        if (tip != root_of(run))
            fold(run, tip, 1 + (uint32_t)prng_below(prng, prng_below(prng, 8) ? 4 : BATCH));
    } else if (die < 975) {
        absorb(run);
    } else if (die < 990) {
        const struct sim_block *b = any_block(run);
        sim_check_set(&run->sim, run->ledger, b->world, &b->after);
    } else if (die < 993) {
        step_back(run);
    } else if (die < 996) {
        save_some(run);
    } else if (die < 998) {
        crash(run);
    }
}

static void run_model(unsigned tag_bits, uint32_t shard_count, bool with_threads)
{
    uint64_t seed = env_number("CAESURE_SEED", 20260822);
    uint64_t steps = env_number("CAESURE_STEPS", with_threads ? 4000 : 25000);
    uint64_t side_max = 0;
    struct run *run = xmalloc(sizeof *run);

    run_init(run, seed, tag_bits, shard_count, 48, 6, with_threads);
    for (uint64_t i = 0; i < steps; i++) {
        random_step(run);
        struct ledger_stats stats = ledger_stats(run->ledger);
        side_max = stats.side_coins > side_max ? stats.side_coins : side_max;
        ck_assert_uint_eq(stats.worlds, run->live_count + 1);
        ck_assert_uint_eq(stats.root_coins, root_of(run)->after.count);
    }
    printf(
        "%u-bit tags, seed %llu: %llu steps, %u blocks, %u refused, %u failed, %u steps back, %u "
        "absorbed, "
        "%llu reads for equal tags, %llu coins aside; %u checkpoints, %u crashes, %u replayed\n",
        tag_bits, (unsigned long long)seed, (unsigned long long)steps, run->connected, run->refused,
        run->failed, run->unfolded, run->absorbed,
        (unsigned long long)ledger_stats(run->ledger).tag_reads, (unsigned long long)side_max,
        run->saved, run->crashed, run->replayed);
    ck_assert_uint_gt(run->crashed, steps / 1000);
    ck_assert_uint_gt(run->replayed, steps / 1000);
    ck_assert_uint_gt(run->refused, steps / 50);
    ck_assert_uint_gt(run->failed, steps / 200);
    ck_assert_uint_gt(run->unfolded, steps / 500);
    ck_assert_uint_gt(run->absorbed, steps / 500);
    ck_assert_uint_gt(run->replacing, 0);
    if (tag_bits == 12)
        ck_assert_uint_gt(side_max, with_threads ? 2 : 10);
    else
        ck_assert_uint_eq(side_max, 0);
    run_clear(run);
    free(run);
}

START_TEST(random_worlds_with_12_bit_tags_equal_plain_sets)
{
    run_model(12, 1, false);
}
END_TEST

START_TEST(random_worlds_with_64_bit_tags_equal_plain_sets)
{
    run_model(64, 512, false);
}
END_TEST

START_TEST(parts_on_several_threads_equal_plain_sets)
{
    run_model(12, 8, true);
    run_model(64, 512, true);
}
END_TEST

/* Some blocks at once after prev, each of which spends all of these. */
static void contest(struct run *run, struct sim_block *prev, const struct outpoint *prevouts,
                    uint32_t count, uint32_t fork_count)
{
    struct sim_block *forks[FORKS];
    struct connecting batch[FORKS];

    for (uint32_t i = 0; i < fork_count; i++) { /* every other one with the same transaction */
        forks[i] = sim_block_spending(&run->sim, prev, prevouts, count, i % 2 ? i : 0);
        forks[i]->lb.bip30 = BIP30_ENFORCED;
        judge(forks[i]);
    }
    for (uint32_t i = 0; i < fork_count; i++)
        batch[i] = sim_extend(&run->sim, run->ledger, forks[i]);
    worlds_connect(run->ledger, batch, fork_count);
    for (uint32_t i = 0; i < fork_count; i++) {
        run->live[run->live_count++] = forks[i];
        sim_connected(&run->sim, run->ledger, forks[i], &batch[i]);
    }
    purge(run);
}

static void check_all(struct run *run)
{
    for (uint32_t i = 0; i < run->live_count; i++)
        sim_check_set(&run->sim, run->ledger, run->live[i]->world, &run->live[i]->after);
    sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
    ck_assert(run->live_count > 0 || ledger_stats(run->ledger).recent_events == 0);
}

/* Once more after each of the worlds. */
static void spend_again(struct run *run, const struct outpoint *prevout)
{
    for (uint32_t i = run->live_count; i-- > 0;)
        contest(run, run->live[i], prevout, 1, 1);
}

/* The coins that one block makes are spent in several forks, before its fold and after; then the
 * root goes on along one of them. */
static void contest_round(struct run *run, bool with_drop)
{
    struct outpoint prevouts[100];
    uint32_t count = 0;

    while (!connect(run, root_of(run), 0))
        continue;
    struct sim_block *maker = run->live[0];
    for (uint32_t i = 0; i < maker->after.count && count < ARRAY_COUNT(prevouts); i++)
        if (maker->after.coins[i].pos > maker->lb.pos)
            prevouts[count++] = maker->after.coins[i].outpoint;
    if (count > 0) {
        contest(run, maker, prevouts, count, FORKS);
        spend_again(run, &prevouts[count - 1]);
        check_all(run);
    }
    if (with_drop && run->live_count > 2)
        drop(run, run->live[run->live_count / 2]);
    fold(run, maker, 1);
    check_all(run);
    if (count > 0)
        contest(run, maker, prevouts, count, 3);
    while (run->live_count > 3)
        drop(run, run->live[prng_below(&run->sim.prng, run->live_count)]);
    check_all(run);
    if (run->live_count > 0)
        fold(run, run->live[0], BATCH);
    while (run->live_count > 0)
        drop(run, run->live[0]);
    check_all(run);
}

START_TEST(forks_that_spend_the_same_recent_coins_outlive_the_fold)
{
    for (unsigned tag_bits = 12; tag_bits <= 64; tag_bits += 52) {
        struct run *run = xmalloc(sizeof *run);

        run_init(run, 10, tag_bits, 1, 200, 6, false);
        for (int round = 0; round < 20; round++)
            contest_round(run, round % 2);
        run_clear(run);
        free(run);
    }
}
END_TEST

START_TEST(a_thousand_worlds_deep)
{
    struct run *run = xmalloc(sizeof *run);

    run_init(run, 7, 12, 4, 1024, 512, false);
    while (run->live_count < 1000)
        connect(run, highest(run), 0);
    struct sim_block *tip = highest(run);
    ck_assert_int_eq(tip->node.height, 1000);
    for (uint32_t i = 0; i < 1000; i += 111)
        sim_check_set(&run->sim, run->ledger, run->live[i]->world, &run->live[i]->after);
    for (int i = 0; i < 3000; i++)
        find(run);
    ck_assert_ptr_nonnull(ledger_to_fold(run->ledger, tip->world));
    while (ledger_to_fold(run->ledger, tip->world))
        fold(run, tip, 1);
    ck_assert_int_eq(root_of(run)->node.height, 1000 - 512);
    sim_check_set(&run->sim, run->ledger, tip->world, &tip->after);
    sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
    run_clear(run);
    free(run);
}
END_TEST

START_TEST(a_freed_slot_shows_nothing_of_its_last_world)
{
    struct run *run = xmalloc(sizeof *run);

    run_init(run, 8, 64, 4, 4, 1, false);
    for (int i = 0; i < 200; i++) {
        while (ledger_free_slots(run->ledger) > 0)
            connect(run, any_block(run), 0);
        struct header_node next = {.prev = &root_of(run)->node};
        ck_assert_ptr_null(world_extend(run->ledger, ledger_root(run->ledger), &next));
        check_all(run);
        if (i % 3 == 0)
            drop(run, run->live[0]);
        else
            fold(run, highest(run), 1);
    }
    run_clear(run);
    free(run);
}
END_TEST

START_TEST(the_step_back_refuses_words_that_do_not_fit)
{
    for (int kind = 0; kind < 3; kind++) {
        struct run *run = xmalloc(sizeof *run);

        run_init(run, 9, 64, 4, 8, 1, false);
        struct sim_block *b;
        do { /* until a block takes something out of the root */
            while (!connect(run, root_of(run), 0))
                continue;
            b = highest(run);
            fold(run, b, 1);
        } while (b->input_count == 0 || b->undo[0] == 0 || b->undo[b->input_count - 1] == 0);
        sim_load(&run->sim, b);
        if (kind == 0)
            b->undo[0] = 0;
        if (kind == 1)
            b->undo[b->input_count - 1] = (uint64_t)1 << COIN_POS_BITS;
        ck_assert_int_eq(
            ledger_unfold(run->ledger, &b->lb, b->undo, b->input_count - (kind == 2 ? 1 : 0)),
            -EILSEQ);
        run_clear(run);
        free(run);
    }
}
END_TEST

/* Two blocks that spend the same coin, made by a third that goes with them, or one of the root:
 * for the second it is missing. */
START_TEST(a_coin_is_absorbed_once)
{
    for (int is_of_root = 0; is_of_root < 2; is_of_root++) {
        struct run *run = xmalloc(sizeof *run);
        struct sim_block *blocks[3];
        struct known_block known[3];
        uint32_t count = 0;

        run_init(run, 12, 64, 4, 8, 1, false);
        do { /* until a block makes a coin */
            if (count > 0)
                sim_block_free(blocks[0]);
            blocks[0] = block_with(run, root_of(run), CONNECT_OK);
            count = 1;
        } while (blocks[0]->after.count == 0);
        const struct outpoint coin = blocks[0]->after.coins[0].outpoint;
        if (is_of_root) {
            load_known(run, blocks[0], false);
            known[0] = (struct known_block){blocks[0]->lb, &blocks[0]->node, NULL};
            ck_assert_int_eq(ledger_absorb(run->ledger, known, 1), 0);
            remember(run, blocks[0]);
            root_of(run)->world = ledger_root(run->ledger);
            count = 0;
        }
        for (struct sim_block *prev = root_of(run); count < 3 - (uint32_t)is_of_root; count++) {
            prev = count > 0 ? blocks[count - 1] : prev;
            blocks[count] = sim_block_spending(&run->sim, prev, &coin, 1, count);
        }
        for (uint32_t i = 0; i < count; i++) {
            load_known(run, blocks[i], false);
            known[i] = (struct known_block){blocks[i]->lb, &blocks[i]->node, NULL};
        }
        ck_assert_int_eq(ledger_absorb(run->ledger, known, count), -ENOENT);
        sim_check_set(&run->sim, run->ledger, ledger_root(run->ledger), &root_of(run)->after);
        for (uint32_t i = 0; i < count; i++)
            sim_block_free(blocks[i]);
        run_clear(run);
        free(run);
    }
}
END_TEST

/* The root has a coin already that a block is only about to make: it is damaged. */
START_TEST(a_damaged_root_is_seen_when_blocks_are_absorbed)
{
    struct run *run = xmalloc(sizeof *run);
    struct sim_block *b = NULL;

    run_init(run, 13, 64, 4, 8, 1, false);
    do {
        if (b)
            sim_block_free(b);
        b = block_with(run, root_of(run), CONNECT_OK);
    } while (b->after.count == 0);
    const struct coin *coin = &b->after.coins[0];
    struct coin_hash hash = coin_hash_of(&run->sim.key, &coin->outpoint);
    ck_assert(root_insert(&run->ledger->root, &coin->outpoint, &hash, sim_word(&run->sim, coin)));
    load_known(run, b, false);
    ck_assert_int_eq(ledger_absorb(run->ledger, &(struct known_block){b->lb, &b->node, NULL}, 1),
                     -EILSEQ);
    sim_block_free(b);
    run_clear(run);
    free(run);
}
END_TEST

/* The index of another blocks.bin: where it has the coin there is another output. */
START_TEST(an_entry_whose_check_is_of_another_output_is_damage)
{
    struct run *run = xmalloc(sizeof *run);
    struct coin_ref ref;
    struct root *root;

    run_init(run, 11, 64, 4, 8, 1, false);
    root = &run->ledger->root;
    while (root_of(run)->after.count < 2) {
        while (!connect(run, root_of(run), 0))
            continue;
        fold(run, highest(run), 1);
    }
    const struct coin *coin = &root_of(run)->after.coins[0], *other = coin + 1;
    struct coin_hash hash = coin_hash_of(&run->sim.key, &coin->outpoint);
    uint64_t word = sim_word(&run->sim, coin), at_other = word - coin->pos + other->pos;
    ck_assert_int_eq(world_find_exact(run->ledger, ledger_root(run->ledger), &coin->outpoint, &ref),
                     1);
    ck_assert_uint_eq(root_delete(root, &coin->outpoint, &hash, word), word);
    ck_assert(root_insert(root, &coin->outpoint, &hash, at_other));
    ck_assert_int_eq(world_find_exact(run->ledger, ledger_root(run->ledger), &coin->outpoint, &ref),
                     -EBADMSG);

    /* One with an equal tag, by its own check, is no damage: the coin is not there. */
    at_other = sim_word(&run->sim, other);
    ck_assert_uint_ne(root_delete(root, &coin->outpoint, &hash, 0), 0);
    ck_assert(root_insert(root, &coin->outpoint, &hash, at_other));
    ck_assert_int_eq(world_find_exact(run->ledger, ledger_root(run->ledger), &coin->outpoint, &ref),
                     0);
    run_clear(run);
    free(run);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger");
    TCase *tcase = tcase_create("ledger");

    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, random_worlds_with_12_bit_tags_equal_plain_sets);
    tcase_add_test(tcase, random_worlds_with_64_bit_tags_equal_plain_sets);
    tcase_add_test(tcase, parts_on_several_threads_equal_plain_sets);
    tcase_add_test(tcase, forks_that_spend_the_same_recent_coins_outlive_the_fold);
    tcase_add_test(tcase, a_thousand_worlds_deep);
    tcase_add_test(tcase, a_freed_slot_shows_nothing_of_its_last_world);
    tcase_add_test(tcase, the_step_back_refuses_words_that_do_not_fit);
    tcase_add_test(tcase, a_coin_is_absorbed_once);
    tcase_add_test(tcase, a_damaged_root_is_seen_when_blocks_are_absorbed);
    tcase_add_test(tcase, an_entry_whose_check_is_of_another_output_is_damage);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
