/* block_maker.h - regtest blocks for engine tests, by hand: transactions of simple outputs, forks,
 * and whatever is wrong with them. */
#ifndef TESTS_BLOCK_MAKER_H
#define TESTS_BLOCK_MAKER_H
#include "base/hash.h"
#include "chain/block_rules.h"
#include "chaingen/build.h"
#include "engine_feed.h"
#include "sim_rig.h"

#define SPACING_S 600
#define DRAFT_TXS 1200

struct made_block {
    struct bytes raw; /* malloc'ed */
    struct block_hash hash;
    struct txid coinbase;
    int32_t height;
    uint32_t time;
};

/* What goes into the next block; zeroes are a good one without transactions. */
struct draft {
    uint32_t tag;      /* makes blocks differ that are otherwise equal */
    uint32_t time_s;   /* 0: SPACING_S after the parent's */
    int64_t extra_sat; /* fees that the coinbase takes on top of the subsidy, or too much of them */
    bool has_commitment;
    struct bytes coinbase_script; /* empty: OP_TRUE */
    struct bytes coinbase;        /* the whole transaction instead, without a witness */
    size_t tx_count;
    struct bytes txs[DRAFT_TXS]; /* malloc'ed, freed with the draft */
};

static const uint8_t op_true[1] = {0x51};
static const struct bytes true_script = {op_true, 1};

static inline struct txid txid_of(struct bytes stripped)
{
    struct txid txid;

    sha256d_once(txid.bytes, stripped.data, stripped.size);
    return txid;
}

static inline struct bytes buffer_give(struct buffer *buffer)
{
    struct bytes bytes = buffer_bytes(buffer);

    *buffer = (struct buffer){0};
    return bytes;
}

static inline struct made_block genesis_made(const struct params *params)
{
    return (struct made_block){
        .hash = params->genesis_hash, .height = 0, .time = params->genesis_header.time};
}

/* The block after prev; takes the draft's transactions, which are freed. */
static inline struct made_block make(const struct params *params, const struct made_block *prev,
                                     struct draft *draft)
{
    struct made_block made = {.height = prev->height + 1,
                              .time = draft->time_s ? draft->time_s : prev->time + SPACING_S};
    struct header header = {.version = 0x20000000,
                            .prev_hash = prev->hash,
                            .time = made.time,
                            .bits = BUILD_REGTEST_BITS};
    struct bytes *txs = xcalloc(draft->tx_count + 1, sizeof *txs);
    struct build_coinbase coinbase = {
        .height = made.height,
        .extra = {(const uint8_t *)&draft->tag, 4},
        .amount_sat = block_subsidy(params, made.height) + draft->extra_sat,
        .script_pubkey = draft->coinbase_script.size ? draft->coinbase_script : true_script,
        .has_commitment = draft->has_commitment};
    struct buffer raw = {0}, out = {0};
    struct arena arena;
    struct tx tx;

    if (draft->coinbase.size)
        buffer_put(&raw, draft->coinbase.data, draft->coinbase.size);
    else
        build_coinbase(&raw, &coinbase);
    txs[0] = buffer_bytes(&raw);
    for (size_t i = 0; i < draft->tx_count; i++)
        txs[i + 1] = draft->txs[i];
    made.hash = build_block(&out, &header, txs, draft->tx_count + 1);
    /* The commitment is filled in by now. */
    arena_init(&arena, SIZE_MAX);
    ck_assert(tx_parse(
        &tx, (struct bytes){out.data + HEADER_SIZE + (draft->tx_count < 252 ? 1 : 3), raw.size},
        &arena));
    made.coinbase = tx.txid;
    arena_clear(&arena);
    made.raw = buffer_give(&out);
    for (size_t i = 0; i < draft->tx_count; i++)
        free((void *)draft->txs[i].data);
    free(txs);
    buffer_free(&raw);
    *draft = (struct draft){0};
    return made;
}

/* An empty block after prev. */
static inline struct made_block make_empty(const struct params *params,
                                           const struct made_block *prev, uint32_t tag)
{
    static struct draft draft;

    draft.tag = tag;
    return make(params, prev, &draft);
}

/* blocks[0..count) one after the other behind prev. */
static inline void make_row(const struct params *params, const struct made_block *prev,
                            uint32_t tag, struct made_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = make_empty(params, prev, tag);
        prev = &blocks[i];
    }
}

/* A transaction: each input spends an outpoint; all of it to one output or more of equal amounts.
 */
struct simple_tx {
    struct outpoint inputs[4];
    uint32_t input_count;
    uint32_t sequence; /* 0: final */
    uint32_t lock_time;
    int64_t amount_sat;    /* of each output */
    uint32_t output_count; /* 0: one */
    struct bytes script;   /* of each output; empty: OP_TRUE */
    struct bytes witness;  /* of each input: one item; empty: none */
};

static inline struct bytes make_tx(const struct simple_tx *simple)
{
    struct tx_input inputs[4] = {{.sequence = 0}};
    uint32_t output_count = simple->output_count ? simple->output_count : 1;
    struct tx_output *outputs = xcalloc(output_count, sizeof *outputs);
    struct buffer item = {0}, out = {0};
    struct tx tx = {.version = 2,
                    .lock_time = simple->lock_time,
                    .inputs = inputs,
                    .input_count = simple->input_count,
                    .outputs = outputs,
                    .output_count = output_count,
                    .has_witness = simple->witness.size > 0};

    if (tx.has_witness)
        buffer_sized(&item, simple->witness);
    for (uint32_t i = 0; i < simple->input_count; i++)
        inputs[i] =
            (struct tx_input){.prevout = simple->inputs[i],
                              .sequence = simple->sequence ? simple->sequence : SEQUENCE_FINAL,
                              .witness = buffer_bytes(&item),
                              .witness_count = tx.has_witness};
    for (uint32_t i = 0; i < output_count; i++)
        outputs[i] =
            (struct tx_output){.amount_sat = simple->amount_sat,
                               .script_pubkey = simple->script.size ? simple->script : true_script};
    build_tx(&out, &tx);
    buffer_free(&item);
    free(outputs);
    return buffer_give(&out);
}

/* One input (OP_TRUE), one OP_TRUE output; appended to the draft. Gives its txid. */
static inline struct txid draft_spend(struct draft *draft, struct outpoint from, int64_t amount_sat)
{
    struct simple_tx simple = {.inputs = {from}, .input_count = 1, .amount_sat = amount_sat};
    struct bytes raw = make_tx(&simple);

    draft->txs[draft->tx_count++] = raw;
    return txid_of(raw);
}

static inline void draft_add(struct draft *draft, const struct simple_tx *simple)
{
    draft->txs[draft->tx_count++] = make_tx(simple);
}

static inline void feed_row(struct rig *rig, const struct made_block *blocks, size_t count)
{
    struct fed *fed = xcalloc(count, sizeof *fed);

    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(feed_header(rig, blocks[i].raw).verdict, VALID);
    for (size_t i = 0; i < count; i++)
        feed_begin(rig, blocks[i].raw, true, NULL, &fed[i]);
    for (size_t i = 0; i < count; i++) {
        feed_wait(&fed[i]);
        ck_assert_msg(fed[i].verdict == VALID, "block %zu: %s", i, fed[i].reason);
    }
    free(fed);
    feed_idle(rig);
}

static inline void expect_feed(struct rig *rig, const struct made_block *block, const char *reason)
{
    struct fed fed = feed(rig, block->raw);

    if (!reason)
        ck_assert_msg(fed.verdict == VALID && !fed.is_unjudged, "height %d: %s%s", block->height,
                      fed.reason, fed.is_unjudged ? " (unjudged)" : "");
    else
        ck_assert_msg(fed.verdict != VALID && strcmp(fed.reason, reason) == 0,
                      "height %d: %s, not %s", block->height, fed.reason, reason);
}

static inline void free_row(struct made_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)blocks[i].raw.data);
}

/* The coins at the tip: the whole answer of audit. */
static inline char *rig_coins(struct rig *rig)
{
    feed_idle(rig);
    return rig_ask(rig, "audit", NULL);
}

/* An engine that has never seen anything but these blocks has the same tip and the same coins. */
static inline void expect_coins_of(struct rig *rig, const struct made_block *blocks, size_t count,
                                   const char *where)
{
    struct rig plain;
    char *coins = rig_coins(rig);

    rig_init(&plain, NETWORK_REGTEST);
    plain.params = rig->params;
    struct simdisk *sim = rig_on_sim(&plain, 1);
    ck_assert_msg(rig_open(&plain) == ENGINE_OK, "%s", plain.error);
    feed_row(&plain, blocks, count);
    char *wanted = rig_coins(&plain);
    ck_assert_msg(strcmp(coins, wanted) == 0, "%s:\n%s, not\n%s", where, coins, wanted);
    ck_assert_msg(rig_close(&plain) == ENGINE_OK, "%s", plain.error);
    simdisk_free(sim);
    rig_clear(&plain);
    free(coins);
    free(wanted);
}
#endif
