/* spend.h - one input that spends one output, put together by a test, and its verdict. */
#ifndef TESTS_SPEND_H
#define TESTS_SPEND_H
#include "script/verify.h"
#include "script_asm.h"
#include "taproot_tree.h"
#include "tx_draft.h"

/* Scripts and witness are the spend's own and are freed by spend_clear. */
struct spend {
    struct build script_sig, script_pubkey, witness;
    uint32_t witness_count;
    int64_t amount_sat;
    uint32_t version, lock_time, sequence;
    uint32_t extra_outputs; /* beyond the one it has */
};

static inline struct spend spend_new(void)
{
    return (struct spend){.version = 2, .sequence = 0xfffffffe};
}

static inline void spend_clear(struct spend *spend)
{
    free(spend->script_sig.data);
    free(spend->script_pubkey.data);
    free(spend->witness.data);
    *spend = spend_new();
}

static inline struct bytes build_view(const struct build *b)
{
    return (struct bytes){b->data, b->size};
}

static inline void spend_add_witness(struct spend *spend, const void *data, size_t size)
{
    draft_witness_item(&spend->witness, (struct bytes){data, size});
    spend->witness_count++;
}

/* An item for each byte of fill, each of them that byte alone. */
static inline void spend_add_witness_count(struct spend *spend, uint8_t fill, size_t count)
{
    for (size_t i = 0; i < count; i++)
        spend_add_witness(spend, &fill, 1);
}

/* The spending transaction; end with free((void *)tx->raw.data). */
static inline struct tx_output spend_tx(const struct spend *spend, struct tx *tx,
                                        struct arena *arena)
{
    struct tx_input input = {.prevout = {.txid = {{7}}},
                             .script_sig = build_view(&spend->script_sig),
                             .sequence = spend->sequence,
                             .witness = build_view(&spend->witness),
                             .witness_count = spend->witness_count};
    struct tx_output outputs[2] = {{.amount_sat = 5}, {.amount_sat = 6}};
    struct tx draft = {.version = spend->version,
                       .lock_time = spend->lock_time,
                       .inputs = &input,
                       .input_count = 1,
                       .outputs = outputs,
                       .output_count = 1 + spend->extra_outputs};

    draft_parse(tx, &draft, arena);
    return (struct tx_output){.amount_sat = spend->amount_sat,
                              .script_pubkey = build_view(&spend->script_pubkey)};
}

static inline enum script_error spend_verify(const struct spend *spend, uint32_t flags)
{
    struct script_machine *machine = script_machine_new();
    struct sighash_parts parts;
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 26);

    struct tx_output prevout = spend_tx(spend, &tx, &arena);

    sighash_parts_init(&parts, &tx, &prevout);

    enum script_error error = script_verify(machine, &tx, 0, &prevout, &parts, flags);

    free((void *)tx.raw.data);
    arena_clear(&arena);
    script_machine_free(machine);
    return error;
}

/* script_pubkey pays to the hash of script as witness v0, or as P2SH. */
static inline void spend_pay_v0(struct spend *spend, struct bytes script)
{
    uint8_t hash[32];

    sha256_once(hash, script.data, script.size);
    build_byte(&spend->script_pubkey, OP_0);
    asm_push(&spend->script_pubkey, hash, 32);
}

static inline void spend_pay_p2sh(struct spend *spend, struct bytes script)
{
    uint8_t hash[20];

    hash160_once(hash, script.data, script.size);
    build_byte(&spend->script_pubkey, OP_HASH160);
    asm_push(&spend->script_pubkey, hash, 20);
    build_byte(&spend->script_pubkey, OP_EQUAL);
}

/* script_pubkey pays to a tree whose leaf is script, node_count nodes below the root; script and
 * control block are added to the witness. */
static inline void spend_pay_taproot(struct spend *spend, struct bytes script, uint8_t leaf_version,
                                     size_t node_count)
{
    struct build control = {0};
    uint8_t key[32];

    taproot_tree(script, leaf_version, node_count, key, &control);
    build_byte(&spend->script_pubkey, OP_1);
    asm_push(&spend->script_pubkey, key, 32);
    spend_add_witness(spend, script.data, script.size);
    spend_add_witness(spend, control.data, control.size);
    free(control.data);
}
#endif
