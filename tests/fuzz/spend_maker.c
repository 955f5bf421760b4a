/* spend_maker.c - outputs of every kind, the inputs that spend them, and their transaction. */
#include "base/hash.h"
#include "maker.h"
#include <stdlib.h>

#define LEAF_VERSION 0xc0

enum kind {
    P2WPKH,
    P2WSH,
    P2TR_KEY,
    P2TR_SCRIPT,
    BARE,
    P2PKH,
    P2SH,
    P2SH_P2WPKH,
    P2SH_P2WSH,
    OTHER_PROGRAM,
    KINDS
};

/* ---- outputs ---- */

static void pay_to_key_hash(struct build *out, struct bytes key, bool is_witness)
{
    uint8_t hash[20];

    hash160_once(hash, key.data, key.size);
    if (is_witness) {
        build_byte(out, OP_0);
        maker_put_push(out, hash, 20);
        return;
    }
    build_byte(out, OP_DUP);
    build_byte(out, OP_HASH160);
    maker_put_push(out, hash, 20);
    build_byte(out, OP_EQUALVERIFY);
    build_byte(out, OP_CHECKSIG);
}

static void pay_to_script(struct build *out, const struct build *script, bool is_witness)
{
    uint8_t hash[32];

    if (is_witness) {
        sha256_once(hash, script->data, script->size);
        build_byte(out, OP_0);
        maker_put_push(out, hash, 32);
        return;
    }
    hash160_once(hash, script->data, script->size);
    build_byte(out, OP_HASH160);
    maker_put_push(out, hash, 20);
    build_byte(out, OP_EQUAL);
}

static void hash_leaf(uint8_t node[32], uint8_t version, const struct build *script)
{
    uint8_t size[COMPACT_SIZE_MAX];
    struct sha256 hash;

    sha256_init_tagged(&hash, "TapLeaf");
    sha256_update(&hash, &version, 1);
    sha256_update(&hash, size, compact_write(size, script->size));
    sha256_update(&hash, script->data, script->size);
    sha256_final(&hash, node);
}

static void hash_branch(uint8_t node[32], const uint8_t other[32])
{
    bool is_first = memcmp(node, other, 32) < 0;
    struct sha256 hash;

    sha256_init_tagged(&hash, "TapBranch");
    sha256_update(&hash, is_first ? node : other, 32);
    sha256_update(&hash, is_first ? other : node, 32);
    sha256_final(&hash, node);
}

/* root: NULL if there are no scripts. control gets parity and internal key. */
static void pay_to_tweaked(struct maker *m, struct build *out, const uint8_t *root,
                           uint8_t control[33])
{
    secp256k1_keypair *pair = &m->spend->tweaked[m->spend->tweaked_count++];
    secp256k1_xonly_pubkey key;
    struct sha256 hash;
    uint8_t tweak[32], x[32];
    int parity;

    maker_key(m->ctx, choose(m->choices, MAKER_KEYS), pair);
    int ok = secp256k1_keypair_xonly_pub(m->ctx, &key, NULL, pair);
    secp256k1_xonly_pubkey_serialize(m->ctx, control + 1, &key);
    sha256_init_tagged(&hash, "TapTweak");
    sha256_update(&hash, control + 1, 32);
    if (root)
        sha256_update(&hash, root, 32);
    sha256_final(&hash, tweak);
    ok &= secp256k1_keypair_xonly_tweak_add(m->ctx, pair, tweak);
    ok &= secp256k1_keypair_xonly_pub(m->ctx, &key, &parity, pair);
    assert(ok);
    secp256k1_xonly_pubkey_serialize(m->ctx, x, &key);
    control[0] = (uint8_t)parity;
    build_byte(out, OP_1);
    maker_put_push(out, x, 32);
}

/* ---- inputs ---- */

struct input {
    struct build script_sig, witness;
    uint32_t witness_count;
};

static void put_witness(struct input *input, struct bytes item)
{
    build_count(&input->witness, item.size);
    build_raw(&input->witness, item.data, item.size);
    input->witness_count++;
}

static void put_build(struct input *input, const struct build *item)
{
    put_witness(input, (struct bytes){item->data, item->size});
}

/* The items, the last to be taken first. */
static void put_items(struct maker *m, struct input *input, bool is_witness)
{
    for (uint32_t i = m->item_count; i-- > 0;) {
        if (is_witness)
            put_build(input, &m->items[i]);
        else
            maker_put_push(&input->script_sig, m->items[i].data, m->items[i].size);
    }
}

static void make_key_spend(struct maker *m, struct input *input, struct build *out, bool is_witness)
{
    secp256k1_keypair pair;
    uint8_t key[65];

    maker_key(m->ctx, choose(m->choices, MAKER_KEYS), &pair);
    enum form form = choose(m->choices, 4) == 3 ? UNCOMPRESSED : COMPRESSED;
    struct bytes pubkey = {key, maker_write_key(m->ctx, &pair, form, key)};
    m->context = is_witness ? V0 : LEGACY;
    maker_put_item(m, pubkey);
    maker_put_item(m, maker_new_signature(m));
    put_items(m, input, is_witness);
    pay_to_key_hash(out, pubkey, is_witness);
}

static void make_script_spend(struct maker *m, struct input *input, struct build *out,
                              enum kind kind)
{
    bool is_witness = kind == P2WSH || kind == P2SH_P2WSH;
    struct build script = {0};

    maker_make_script(m, &script, is_witness ? V0 : LEGACY);
    put_items(m, input, is_witness);
    if (kind == BARE) {
        build_raw(out, script.data, script.size);
    } else {
        if (is_witness)
            put_build(input, &script);
        else
            maker_put_push(&input->script_sig, script.data, script.size);
        pay_to_script(out, &script, is_witness);
    }
    free(script.data);
}

static void put_annex(struct maker *m, struct input *input)
{
    uint8_t annex[] = {0x50, (uint8_t)choose(m->choices, 256)};

    if (annex[1] % 4 == 1)
        put_witness(input, (struct bytes){annex, 1 + annex[1] / 128u});
}

static void make_taproot_key_spend(struct maker *m, struct input *input, struct build *out)
{
    uint8_t control[33];

    m->context = TAPSCRIPT;
    pay_to_tweaked(m, out, NULL, control);
    put_witness(input, maker_new_signature(m));
    put_annex(m, input);
}

static void make_taproot_script_spend(struct maker *m, struct input *input, struct build *out)
{
    struct build script = {0}, control = {0};
    uint8_t version = choose(m->choices, 8) == 7 ? 0xc2 : LEAF_VERSION;
    uint8_t node[32], others[2][32], head[33];
    unsigned depth = choose(m->choices, 3);

    maker_make_script(m, &script, TAPSCRIPT);
    put_items(m, input, true);
    hash_leaf(node, version, &script);
    for (unsigned i = 0; i < depth; i++) {
        memset(others[i], (int)choose(m->choices, 256), 32);
        hash_branch(node, others[i]);
    }
    pay_to_tweaked(m, out, node, head);
    head[0] |= version;
    build_raw(&control, head, 33);
    build_raw(&control, others, 32 * (size_t)depth);
    put_build(input, &script);
    put_build(input, &control);
    put_annex(m, input);
    free(script.data);
    free(control.data);
}

/* Witness versions and sizes that mean nothing, or pay to anchor. */
static void make_other_program(struct maker *m, struct input *input, struct build *out)
{
    static const uint8_t sizes[] = {2, 4, 20, 31, 32, 33, 40, 41, 1};
    uint8_t program[41];
    unsigned version = choose(m->choices, 17);

    memset(program, (int)choose(m->choices, 256), sizeof program);
    build_byte(out, (uint8_t)(version ? OP_1 - 1 + version : OP_0));
    maker_put_push(out, program, sizes[choose(m->choices, ARRAY_COUNT(sizes))]);
    if (choose(m->choices, 2))
        put_witness(input, (struct bytes){program, 3});
}

/* script_sig pushes what out is so far, and out pays to its hash. */
static void wrap_in_p2sh(struct input *input, struct build *out)
{
    struct build inner = *out;

    *out = (struct build){0};
    maker_put_push(&input->script_sig, inner.data, inner.size);
    pay_to_script(out, &inner, false);
    free(inner.data);
}

static void make_input(struct maker *m, struct input *input, struct build *out)
{
    enum kind kind = (enum kind)choose(m->choices, KINDS);

    m->item_count = 0;
    for (uint32_t i = 0; i < MAKER_ITEMS_MAX; i++)
        m->items[i].size = 0;
    switch (kind) {
    case P2PKH:
    case P2WPKH:
    case P2SH_P2WPKH:
        make_key_spend(m, input, out, kind != P2PKH);
        break;
    case BARE:
    case P2SH:
    case P2WSH:
    case P2SH_P2WSH:
        make_script_spend(m, input, out, kind);
        break;
    case P2TR_KEY:
        make_taproot_key_spend(m, input, out);
        break;
    case P2TR_SCRIPT:
        make_taproot_script_spend(m, input, out);
        break;
    case OTHER_PROGRAM:
    case KINDS:
        make_other_program(m, input, out);
        break;
    }
    if (kind == P2SH_P2WPKH || kind == P2SH_P2WSH)
        wrap_in_p2sh(input, out);
}

/* ---- the transaction ---- */

static void put_outputs(struct build *tx, const struct spend_plan *plan)
{
    build_count(tx, plan->output_count);
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const struct tx_output *output = &plan->outputs[i];

        build_u64(tx, (uint64_t)output->amount_sat);
        build_count(tx, output->script_pubkey.size);
        build_raw(tx, output->script_pubkey.data, output->script_pubkey.size);
    }
}

static void put_inputs(struct build *tx, const struct spend_plan *plan, const struct input *inputs)
{
    build_count(tx, plan->input_count);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        build_raw(tx, &plan->inputs[i].outpoint, sizeof plan->inputs[i].outpoint);
        build_count(tx, inputs[i].script_sig.size);
        build_raw(tx, inputs[i].script_sig.data, inputs[i].script_sig.size);
        build_u32(tx, plan->inputs[i].sequence);
    }
}

static bool has_witness(const struct input *inputs, uint32_t count)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += inputs[i].witness_count;
    return sum > 0;
}

static void put_tx(struct build *tx, const struct spend_plan *plan, const struct input *inputs)
{
    bool is_witness = has_witness(inputs, plan->input_count);

    build_u32(tx, plan->version);
    if (is_witness)
        build_raw(tx, "\0\1", 2);
    put_inputs(tx, plan, inputs);
    put_outputs(tx, plan);
    for (uint32_t i = 0; is_witness && i < plan->input_count; i++) {
        build_count(tx, inputs[i].witness_count);
        build_raw(tx, inputs[i].witness.data, inputs[i].witness.size);
    }
    build_u32(tx, plan->lock_time);
}

void spend_make(struct spend *spend, const struct spend_plan *plan, const secp256k1_context *ctx)
{
    struct maker *m = xcalloc(1, sizeof *m);
    struct input inputs[SPEND_INPUTS_MAX] = {0};

    m->spend = spend;
    m->ctx = ctx;
    m->has_fixed_scripts = plan->has_fixed_scripts;
    spend->tx.size = 0;
    spend->signature_count = spend->tweaked_count = 0;
    spend->input_count = plan->input_count;
    for (uint32_t i = 0; i < plan->input_count; i++) {
        struct choices choices = plan->inputs[i].choices;
        struct build *script = &spend->scripts[i];

        m->choices = &choices;
        script->size = 0;
        make_input(m, &inputs[i], script);
        spend->prevouts[i] = (struct tx_output){.amount_sat = plan->inputs[i].amount_sat,
                                                .script_pubkey = {script->data, script->size}};
    }
    put_tx(&spend->tx, plan, inputs);
    for (uint32_t i = 0; i < SPEND_INPUTS_MAX; i++) {
        free(inputs[i].script_sig.data);
        free(inputs[i].witness.data);
    }
    for (uint32_t i = 0; i < MAKER_ITEMS_MAX; i++)
        free(m->items[i].data);
    free(m);
}

void spend_clear(struct spend *spend)
{
    for (uint32_t i = 0; i < SPEND_INPUTS_MAX; i++)
        free(spend->scripts[i].data);
    free(spend->tx.data);
    *spend = (struct spend){0};
}
