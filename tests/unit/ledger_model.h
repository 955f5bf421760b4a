/* ledger_model.h - random blocks, and what they do to a plain list of coins, to compare the ledger
 * with.
 *
 * Blocks are real bytes in a made-up blocks.bin, with few distinct coinbases, so that BIP30's
 * duplicates come up all the time (and with them duplicates of the transactions that spend those).
 */
#ifndef TESTS_LEDGER_MODEL_H
#define TESTS_LEDGER_MODEL_H
#include "base/random.h"
#include "codec/compact.h"
#include "ledger/ledger.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* For what is asked a million times: an assertion of Check's costs a write even if it holds. */
#define SURE(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("not so: %s", #x);                                                        \
    } while (0)

struct coin {
    struct outpoint outpoint;
    uint64_t pos;
    bool is_coinbase;
};

struct coin_set {
    struct coin *coins; /* in no order */
    uint32_t count, capacity;
};

struct sim {
    struct prng prng;
    struct ledger_key key;
    uint8_t *file; /* blocks.bin */
    size_t file_size, file_capacity;
    struct coin *outputs; /* all ever written, by rising position */
    size_t output_count, output_capacity;
    uint64_t reads;
    int read_error; /* what every other read gives; 0: none fails */
};

/* A block and what it does. */
struct sim_block {
    struct header_node node;
    struct sim_block *prev;
    size_t size;
    struct arena arena;
    struct block block;
    struct ledger_block lb;
    struct block_events events;
    uint32_t input_count; /* but the coinbase's */
    struct connect_result expected;
    struct coin_set after; /* if expected is CONNECT_OK */
    struct coin *prevouts; /* by input: the coin it spends */
    struct world *world;
    uint64_t *undo; /* once folded */
};

static inline uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

/* The coin of a set, or NULL. */
static inline struct coin *set_find(const struct coin_set *set, const struct outpoint *outpoint)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->coins[i].outpoint.vout == outpoint->vout &&
            outpoint_equal(&set->coins[i].outpoint, outpoint))
            return &set->coins[i];
    return NULL;
}

static inline void set_add(struct coin_set *set, const struct coin *coin)
{
    if (set->count == set->capacity) {
        set->capacity = set->capacity * 2 + 16;
        set->coins = xrealloc(set->coins, set->capacity * sizeof *set->coins);
    }
    set->coins[set->count++] = *coin;
}

static inline bool set_remove(struct coin_set *set, const struct outpoint *outpoint,
                              struct coin *gone)
{
    struct coin *coin = set_find(set, outpoint);

    if (!coin)
        return false;
    if (gone)
        *gone = *coin;
    *coin = set->coins[--set->count];
    return true;
}

static inline struct coin_set set_copy(const struct coin_set *set)
{
    struct coin_set copy = {.count = set->count, .capacity = set->count};

    copy.coins = xmalloc(copy.capacity * sizeof *copy.coins);
    if (set->count > 0)
        memcpy(copy.coins, set->coins, set->count * sizeof *copy.coins);
    return copy;
}

static inline void sim_init(struct sim *sim, uint64_t seed, unsigned tag_bits, uint32_t shard_count)
{
    uint8_t key[LEDGER_KEY_SIZE];

    *sim = (struct sim){0};
    prng_init(&sim->prng, seed);
    prng_fill(&sim->prng, key, sizeof key);
    ledger_key_init(&sim->key, key, tag_bits, shard_count);
}

static inline void sim_clear(struct sim *sim)
{
    free(sim->file);
    free(sim->outputs);
}

static inline struct coin *sim_output_at(const struct sim *sim, uint64_t pos)
{
    size_t low = 0, high = sim->output_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sim->outputs[middle].pos < pos)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sim->output_count && sim->outputs[low].pos == pos ? &sim->outputs[low] : NULL;
}

/* The coin's word, as undo records hold it. */
static inline uint64_t sim_word(const struct sim *sim, const struct coin *coin)
{
    struct bytes file = {sim->file, sim->file_size};
    struct cursor c = cursor_of(bytes_sub(file, coin->pos, SIZE_MAX));
    const uint8_t *from = c.at;

    cursor_take(&c, 8);
    cursor_take(&c, compact_read(&c));
    struct bytes txout = {from, (size_t)(c.at - from)};
    return coin_word(coin->pos, coin->is_coinbase,
                     coin_check_of(&sim->key, &coin->outpoint, txout));
}

static inline int sim_outpoint_at(void *ctx, uint64_t pos, struct outpoint *outpoint,
                                  uint32_t *check)
{
    struct sim *sim = ctx;
    const struct coin *coin = sim_output_at(sim, pos);

    ck_assert_ptr_nonnull(coin);
    if (sim->reads++ % 2 == 0 && sim->read_error != 0)
        return sim->read_error;
    *outpoint = coin->outpoint;
    *check = coin_ref_of(sim_word(sim, coin), true).check;
    return 0;
}

static inline struct ledger_config sim_config(struct sim *sim, uint32_t world_slots,
                                              int32_t horizon)
{
    return (struct ledger_config){.key = sim->key,
                                  .world_slots = world_slots,
                                  .horizon = horizon,
                                  .outpoint_at = sim_outpoint_at,
                                  .ctx = sim};
}

/* -- writing a block -- */

#define PART_THREADS 3

struct part_thread {
    pthread_t thread;
    void (*run)(void *arg, uint32_t part);
    void *arg;
    uint32_t first, count;
};

static inline void *run_some_parts(void *arg)
{
    const struct part_thread *t = arg;

    for (uint32_t p = t->first; p < t->count; p += PART_THREADS)
        t->run(t->arg, p);
    return NULL;
}

/* ledger_config's: each part on some thread. */
static inline void sim_run_parts(void *ctx, void (*run)(void *arg, uint32_t part), void *arg,
                                 uint32_t count, uint64_t event_count)
{
    struct part_thread threads[PART_THREADS];

    (void)ctx;
    (void)event_count;
    for (uint32_t i = 0; i < PART_THREADS; i++) {
        threads[i] = (struct part_thread){.run = run, .arg = arg, .first = i, .count = count};
        ck_assert_int_eq(pthread_create(&threads[i].thread, NULL, run_some_parts, &threads[i]), 0);
    }
    for (uint32_t i = 0; i < PART_THREADS; i++)
        pthread_join(threads[i].thread, NULL);
}

struct writer {
    uint8_t data[65536];
    size_t size;
};

static inline void put(struct writer *w, const void *data, size_t size)
{
    assert(size <= sizeof w->data - w->size);
    memcpy(w->data + w->size, data, size);
    w->size += size;
}

static inline void put_number(struct writer *w, uint64_t v, size_t size)
{
    put(w, &v, size);
}

/* Outputs depend on salt alone; some are never coins, by OP_RETURN or (rarely) by length. */
static inline void put_outputs(struct writer *w, uint32_t salt)
{
    struct prng prng;

    prng_init(&prng, salt);
    uint64_t count = prng_below(&prng, 8);
    put_number(w, count, 1);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t script[10001] = {0x51};
        uint64_t kind = prng_below(&prng, 400);
        size_t size = kind == 0 ? 10001 : kind == 1 ? 10000 : kind < 10 ? 0 : 1 + kind % 40;

        script[0] = kind > 350 ? 0x6a : 0x51;
        put_number(w, prng_next(&prng) >> 20, 8);
        uint8_t length[COMPACT_SIZE_MAX];
        put(w, length, compact_write(length, size));
        put(w, script, size);
    }
}

static inline void put_coinbase(struct writer *w, uint32_t salt)
{
    static const uint8_t null[32];

    put_number(w, 1, 4);
    put_number(w, 1, 1);
    put(w, null, sizeof null);
    put_number(w, UINT32_MAX, 4);
    put_number(w, 4, 1);
    put_number(w, salt, 4);
    put_number(w, SEQUENCE_FINAL, 4);
    put_outputs(w, salt + 1000);
    put_number(w, 0, 4);
}

static inline void put_tx(struct writer *w, const struct outpoint *prevouts, uint32_t count,
                          uint32_t salt)
{
    put_number(w, 2, 4);
    put_number(w, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        put(w, &prevouts[i], sizeof prevouts[i]);
        put_number(w, 0, 1);
        put_number(w, SEQUENCE_FINAL, 4);
    }
    put_outputs(w, salt);
    put_number(w, 0, 4);
}

/* Any output ever written, or (0) nothing at all like one. */
static inline struct outpoint any_outpoint(struct sim *sim)
{
    struct outpoint outpoint;

    if (sim->output_count > 0 && prng_below(&sim->prng, 10) > 0) {
        size_t last = sim->output_count < 3000 ? sim->output_count : 3000;
        return sim->outputs[sim->output_count - 1 - prng_below(&sim->prng, last)].outpoint;
    }
    prng_fill(&sim->prng, &outpoint, sizeof outpoint);
    outpoint.vout = (uint32_t)prng_below(&sim->prng, 3);
    return outpoint;
}

/* Parses what w holds as one transaction and takes its effect on view, the coins known so far. */
static inline void follow(const struct writer *w, size_t from, struct coin_set *view)
{
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 20);
    ck_assert(tx_parse(&tx, (struct bytes){w->data + from, w->size - from}, &arena));
    for (uint32_t i = 0; i < tx.input_count; i++)
        set_remove(view, &tx.inputs[i].prevout, NULL);
    for (uint32_t i = 0; i < tx.output_count; i++) {
        struct coin coin = {.outpoint = {tx.txid, i}};
        if (coin_is_possible(tx.outputs[i].script_pubkey) && !set_find(view, &coin.outpoint))
            set_add(view, &coin);
    }
    arena_clear(&arena);
}

/* Some coin, half of the time one of those that came last: forks meet there. */
static inline struct outpoint some_coin(struct prng *prng, const struct coin_set *view)
{
    uint64_t count = prng_below(prng, 2) && view->count > 8 ? 8 : view->count;

    return view->coins[view->count - 1 - prng_below(prng, count)].outpoint;
}

static inline void put_head(struct sim *sim, struct writer *w, const struct sim_block *prev,
                            uint32_t tx_count)
{
    struct header header = {
        .version = 4, .prev_hash = prev->node.hash, .time = (uint32_t)prng_next(&sim->prng)};

    w->size = 0;
    put(w, &header, sizeof header);
    put_number(w, tx_count, 1);
}

/* bad_percent: how many inputs spend something at random. */
static inline void write_block(struct sim *sim, struct writer *w, const struct sim_block *prev,
                               unsigned bad_percent)
{
    struct prng *prng = &sim->prng;
    struct coin_set view = set_copy(&prev->after);
    uint32_t tx_count = 1 + (uint32_t)prng_below(prng, 8);

    put_head(sim, w, prev, tx_count);
    for (uint32_t t = 0; t < tx_count; t++) {
        size_t from = w->size;
        struct outpoint prevouts[4];
        uint32_t count = 1 + (uint32_t)prng_below(prng, 3);

        for (uint32_t i = 0; i < count; i++) {
            bool is_bad = view.count == 0 || prng_below(prng, 100) < bad_percent;
            prevouts[i] = is_bad ? any_outpoint(sim) : some_coin(prng, &view);
            if (view.count > 300 && i + 1 == count && count < 4)
                count = 4; /* consolidate, so that sets stay small */
            set_remove(&view, &prevouts[i], NULL);
        }
        if (t == 0)
            put_coinbase(w, (uint32_t)prng_below(prng, 400));
        else
            put_tx(w, prevouts, count, (uint32_t)prng_below(prng, 10));
        follow(w, from, &view);
    }
    free(view.coins);
}

/* -- what a block does -- */

static inline void judge_bip30(struct sim_block *b, struct coin_set *set)
{
    for (uint32_t t = 0; t < b->block.tx_count; t++) {
        for (uint32_t i = 0; i < b->block.txs[t].output_count; i++) {
            struct outpoint outpoint = {b->block.txs[t].txid, i};
            if (!set_find(set, &outpoint))
                continue;
            if (b->lb.bip30 == BIP30_ENFORCED) {
                b->expected = (struct connect_result){CONNECT_BIP30, t, 0};
                return;
            }
            set_remove(set, &outpoint, NULL);
        }
    }
}

static inline void judge(struct sim_block *b)
{
    struct coin_set set = set_copy(&b->prev->after);
    uint32_t k = 0;

    b->expected = (struct connect_result){.verdict = CONNECT_OK};
    free(b->prevouts);
    free(b->after.coins);
    b->prevouts = xcalloc(b->input_count, sizeof *b->prevouts);
    judge_bip30(b, &set);
    for (uint32_t t = 0; t < b->block.tx_count && b->expected.verdict == CONNECT_OK; t++) {
        const struct tx *tx = &b->block.txs[t];

        for (uint32_t i = 0; t > 0 && i < tx->input_count; i++, k++) {
            if (!set_remove(&set, &tx->inputs[i].prevout, &b->prevouts[k])) {
                b->expected = (struct connect_result){CONNECT_MISSING, t, i};
                break;
            }
        }
        for (uint32_t i = 0; i < tx->output_count; i++) {
            struct outpoint outpoint = {tx->txid, i};
            struct coin coin = {outpoint, b->lb.pos + tx->outputs[i].offset, t == 0};
            if (coin_is_possible(tx->outputs[i].script_pubkey)) {
                set_remove(&set, &outpoint, NULL); /* only where b is refused anyway */
                set_add(&set, &coin);
            }
        }
    }
    b->after = set;
}

static inline void sim_remember(struct sim *sim, const struct sim_block *b)
{
    for (uint32_t t = 0; t < b->block.tx_count; t++) {
        for (uint32_t i = 0; i < b->block.txs[t].output_count; i++) {
            if (sim->output_count == sim->output_capacity) {
                sim->output_capacity = sim->output_capacity * 2 + 1024;
                sim->outputs = xrealloc(sim->outputs, sim->output_capacity * sizeof *sim->outputs);
            }
            sim->outputs[sim->output_count++] = (struct coin){
                {b->block.txs[t].txid, i}, b->lb.pos + b->block.txs[t].outputs[i].offset, t == 0};
        }
    }
}

static inline void sim_append(struct sim *sim, struct sim_block *b, const struct writer *w)
{
    if (sim->file_size + w->size + 8 > sim->file_capacity) {
        sim->file_capacity = sim->file_capacity * 2 + 2 * sizeof w->data;
        sim->file = xrealloc(sim->file, sim->file_capacity);
    }
    memset(sim->file + sim->file_size, 0xfa, 8);
    b->lb.pos = sim->file_size + 8;
    b->size = w->size;
    memcpy(sim->file + b->lb.pos, w->data, w->size);
    sim->file_size += w->size + 8;
}

/* The block's bytes parsed and hashed, as a parse worker does; needed before each use of b->lb,
 * since the file moves. */
static inline void sim_load(struct sim *sim, struct sim_block *b)
{
    arena_reset(&b->arena, 0);
    arena_init(&b->arena, 64 << 20);
    ck_assert(
        block_parse(&b->block, (struct bytes){sim->file + b->lb.pos, b->size}, &b->arena, true));
    b->input_count = b->block.input_count - b->block.txs[0].input_count;
    block_events_clear(&b->events);
    ck_assert(block_events_make(&sim->key, &b->block, &b->arena, &b->events));
    b->lb = (struct ledger_block){
        .block = &b->block, .pos = b->lb.pos, .events = &b->events, .bip30 = b->lb.bip30};
}

static inline struct sim_block *sim_genesis(void)
{
    struct sim_block *b = xcalloc(1, sizeof *b);

    memset(&b->node.hash, 0x11, sizeof b->node.hash);
    return b;
}

/* Whether an output of transactions from to end - 1 is in the parent's set. */
static inline bool has_duplicates(const struct sim_block *b, uint32_t from, uint32_t end)
{
    for (uint32_t t = from; t < end; t++) {
        for (uint32_t i = 0; i < b->block.txs[t].output_count; i++) {
            struct outpoint outpoint = {b->block.txs[t].txid, i};
            if (set_find(&b->prev->after, &outpoint))
                return true;
        }
    }
    return false;
}

/* Only coinbases are replaced, as in the two blocks of the real chain. */
static inline enum bip30 choose_bip30(struct sim *sim, const struct sim_block *b,
                                      unsigned bad_percent)
{
    if (has_duplicates(b, 1, b->block.tx_count))
        return BIP30_ENFORCED;
    if (has_duplicates(b, 0, 1))
        return prng_below(&sim->prng, 100) < bad_percent ? BIP30_ENFORCED : BIP30_OVERWRITE;
    return (enum bip30)prng_below(&sim->prng, 3);
}

/* The block in w after prev, judged. Takes w. */
static inline struct sim_block *sim_block_of(struct sim *sim, struct sim_block *prev,
                                             unsigned bad_percent, struct writer *w)
{
    struct sim_block *b = xcalloc(1, sizeof *b);

    b->prev = prev;
    sim_append(sim, b, w);
    free(w);
    sim_load(sim, b);
    b->node.hash = b->block.hash;
    b->node.prev = &prev->node;
    b->node.height = prev->node.height + 1;
    b->lb.bip30 = choose_bip30(sim, b, bad_percent);
    judge(b);
    sim_remember(sim, b);
    return b;
}

/* A random block after prev, written, judged. */
static inline struct sim_block *sim_block_new(struct sim *sim, struct sim_block *prev,
                                              unsigned bad_percent)
{
    struct writer *w = xmalloc(sizeof *w);

    write_block(sim, w, prev, bad_percent);
    return sim_block_of(sim, prev, bad_percent, w);
}

/* One after prev with a transaction that spends count outpoints, 252 at most. */
static inline struct sim_block *sim_block_spending(struct sim *sim, struct sim_block *prev,
                                                   const struct outpoint *prevouts, uint32_t count,
                                                   uint32_t salt)
{
    struct writer *w = xmalloc(sizeof *w);

    put_head(sim, w, prev, 2);
    put_coinbase(w, (uint32_t)prng_below(&sim->prng, 400));
    put_tx(w, prevouts, count, salt);
    return sim_block_of(sim, prev, 0, w);
}

static inline void sim_block_free(struct sim_block *b)
{
    if (!b)
        return;
    arena_clear(&b->arena);
    block_events_clear(&b->events);
    free(b->after.coins);
    free(b->prevouts);
    free(b->undo);
    free(b);
}

/* -- comparing -- */

/* What the verify stage would make of a connected block: the first input whose coin is another one
 * than the outpoint says (an equal tag) is missing. */
static inline struct connect_result sim_verify(const struct sim *sim, const struct sim_block *b,
                                               const struct coin_ref *refs,
                                               struct connect_result result)
{
    uint32_t k = 0;

    if (result.verdict == CONNECT_BIP30)
        return result;
    for (uint32_t t = 1; t < b->block.tx_count; t++) {
        for (uint32_t i = 0; i < b->block.txs[t].input_count; i++, k++) {
            if (result.verdict == CONNECT_MISSING && result.tx_index == t &&
                result.input_index == i)
                return result;
            const struct coin *coin = sim_output_at(sim, refs[k].pos);
            SURE(coin != NULL);
            uint64_t word = coin_word(refs[k].pos, refs[k].is_coinbase, refs[k].check);
            if (outpoint_equal(&coin->outpoint, &b->block.txs[t].inputs[i].prevout)) {
                SURE(word == sim_word(sim, coin));
                continue;
            }
            ck_assert(!refs[k].is_exact);
            return (struct connect_result){CONNECT_MISSING, t, i};
        }
    }
    return result;
}

/* Extends b, for worlds_connect, which takes its events. */
static inline struct connecting sim_extend(struct sim *sim, struct ledger *ledger,
                                           struct sim_block *b)
{
    sim_load(sim, b);
    b->world = world_extend(ledger, b->prev->world, &b->node);
    ck_assert_ptr_nonnull(b->world);
    world_set_user(b->world, b);
    return (struct connecting){
        .world = b->world, .lb = b->lb, .refs = xcalloc(b->input_count, sizeof(struct coin_ref))};
}

/* Compares verdict and positions. False: b is refused, or could not be connected; its world is
 * dropped. */
static inline bool sim_connected(struct sim *sim, struct ledger *ledger, struct sim_block *b,
                                 const struct connecting *c)
{
    struct coin_ref *refs = c->refs;

    b->events.events = NULL; /* the world's */
    if (c->error != 0) {
        ck_assert(c->error == -EFBIG || c->error == sim->read_error);
        free(refs);
        arena_clear(&b->arena);
        world_drop(ledger, b->world);
        return false;
    }
    struct connect_result result = sim_verify(sim, b, refs, c->result);
    ck_assert_int_eq(result.verdict, b->expected.verdict);
    ck_assert_uint_eq(result.tx_index, b->expected.tx_index);
    ck_assert_uint_eq(result.input_index, b->expected.input_index);
    if (result.verdict == CONNECT_OK)
        for (uint32_t k = 0; k < b->input_count; k++)
            SURE(refs[k].pos == b->prevouts[k].pos);
    free(refs);
    arena_clear(&b->arena);
    if (result.verdict == CONNECT_OK)
        return true;
    world_drop(ledger, b->world);
    return false;
}

static inline bool sim_connect(struct sim *sim, struct ledger *ledger, struct sim_block *b)
{
    struct connecting c = sim_extend(sim, ledger, b);

    worlds_connect(ledger, &c, 1);
    return sim_connected(sim, ledger, b, &c);
}

/* b's undo words are what they should be. */
static inline void sim_check_undo(const struct sim *sim, const struct sim_block *b)
{
    for (uint32_t k = 0; k < b->input_count; k++) {
        bool is_own = b->prevouts[k].pos >= b->lb.pos && b->prevouts[k].pos < b->lb.pos + b->size;
        SURE(b->undo[k] == (is_own ? 0 : sim_word(sim, &b->prevouts[k])));
    }
}

/* Folds count blocks, each the next one's parent, and checks their undo words. */
static inline void sim_fold(struct sim *sim, struct ledger *ledger, struct sim_block *const *blocks,
                            size_t count)
{
    uint64_t **undo = xcalloc(count, sizeof *undo);

    for (size_t i = 0; i < count; i++) {
        struct sim_block *b = blocks[i];

        undo[i] = b->undo = xrealloc(b->undo, b->input_count * sizeof *b->undo);
        ck_assert_uint_eq(world_undo_count(b->world), b->input_count);
    }
    ledger_fold(ledger, blocks[count - 1]->world, undo);
    for (size_t i = 0; i < count; i++)
        sim_check_undo(sim, blocks[i]);
    free(undo);
}

struct visited {
    uint64_t *positions;
    size_t count, capacity;
};

static inline void visited_add(void *ctx, const struct coin_ref *ref)
{
    struct visited *v = ctx;

    if (v->count == v->capacity) {
        v->capacity = v->capacity * 2 + 64;
        v->positions = xrealloc(v->positions, v->capacity * sizeof *v->positions);
    }
    v->positions[v->count++] = coin_word(ref->pos, ref->is_coinbase, ref->check);
}

static inline int words_rising(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The world has exactly these coins, by visiting and by asking for each. */
static inline void sim_check_set(const struct sim *sim, struct ledger *ledger,
                                 const struct world *world, const struct coin_set *set)
{
    struct visited got = {0}, want = {0};

    world_visit_coins(ledger, world, visited_add, &got);
    ck_assert_uint_eq(got.count, set->count);
    for (uint32_t i = 0; i < set->count; i++) {
        struct coin_ref ref;
        SURE(world_find_exact(ledger, world, &set->coins[i].outpoint, &ref) == 1);
        SURE(ref.pos == set->coins[i].pos);
        struct coin_ref word = coin_ref_of(sim_word(sim, &set->coins[i]), true);
        visited_add(&want, &word);
    }
    if (got.count > 0) {
        qsort(got.positions, got.count, sizeof *got.positions, words_rising);
        qsort(want.positions, want.count, sizeof *want.positions, words_rising);
        ck_assert_mem_eq(got.positions, want.positions, got.count * sizeof *got.positions);
    }
    free(got.positions);
    free(want.positions);
}
#endif
