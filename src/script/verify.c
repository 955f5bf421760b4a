#include "script/verify.h"
#include "codec/compact.h"
#include "script/machine.h"
#include "script/signature.h"
#include <stdlib.h>

#define ANNEX_TAG             0x50
#define LEAF_MASK             0xfe
#define LEAF_TAPSCRIPT        0xc0
#define CONTROL_BASE_SIZE     33
#define CONTROL_NODE_SIZE     32
#define CONTROL_NODES_MAX     128
#define TAPSCRIPT_WEIGHT_BASE 50

struct script_machine *script_machine_new(void)
{
    signature_selftest();
    struct script_machine *machine = xcalloc(1, sizeof *machine);

    machine->keys = key_cache_new();
    return machine;
}

void script_machine_free(struct script_machine *machine)
{
    key_cache_free(machine->keys);
    free(machine);
}

/* A witness as its first count items, which are still to be read, and the last ones. */
struct witness {
    uint32_t count;
    struct bytes last[3]; /* the last is [0]; unset where count is smaller */
};

static struct witness witness_read(const struct tx_input *input)
{
    struct witness w = {.count = input->witness_count};
    struct cursor c = cursor_of(input->witness);

    for (uint32_t i = 0; i < w.count; i++) {
        w.last[2] = w.last[1];
        w.last[1] = w.last[0];
        w.last[0] = witness_next(&c);
    }
    return w;
}

static struct bytes witness_pop(struct witness *w)
{
    struct bytes item = w->last[0];

    w->last[0] = w->last[1];
    w->last[1] = w->last[2];
    w->count--;
    return item;
}

/* Makes the first count items the stack. */
static enum script_error load_stack(struct script_machine *m, uint32_t count)
{
    struct cursor c = cursor_of(m->tx->inputs[m->input_index].witness);

    m->depth = 0;
    m->hidden = count > LOADED_DEPTH_MAX ? count - LOADED_DEPTH_MAX : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct bytes item = witness_next(&c);

        if (item.size > ELEMENT_SIZE_MAX)
            return SCRIPT_ERR_PUSH_SIZE;
        if (i >= m->hidden)
            stack_push_view(m, item);
    }
    return SCRIPT_OK;
}

static enum script_error run_witness_script(struct script_machine *m, enum script_version version,
                                            struct bytes script, uint32_t stack_count)
{
    enum script_error error;

    if ((error = load_stack(m, stack_count)) || (error = machine_run(m, version, script)))
        return error;
    if (m->depth != 1)
        return SCRIPT_ERR_CLEANSTACK;
    return stack_is_true(m) ? SCRIPT_OK : SCRIPT_ERR_EVAL_FALSE;
}

/* BIP342: the numbers that mean nothing yet and make a script succeed. */
static bool is_success_opcode(uint8_t opcode)
{
    return opcode == 80 || opcode == 98 || (opcode >= 126 && opcode <= 129) ||
           (opcode >= 131 && opcode <= 134) || opcode == 137 || opcode == 138 || opcode == 141 ||
           opcode == 142 || (opcode >= 149 && opcode <= 153) || (opcode >= 187 && opcode <= 254);
}

static enum script_error run_tapscript(struct script_machine *m, struct bytes script,
                                       uint32_t stack_count)
{
    const struct tx_input *input = &m->tx->inputs[m->input_index];
    struct cursor c = cursor_of(script);
    struct script_op op;

    while (cursor_left(&c) > 0) {
        if (!script_op_read(&op, &c))
            return SCRIPT_ERR_BAD_OPCODE;
        if (is_success_opcode(op.opcode))
            return m->flags & SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS ? SCRIPT_ERR_DISCOURAGE_OP_SUCCESS
                                                                  : SCRIPT_OK;
    }
    if (stack_count > STACK_DEPTH_MAX)
        return SCRIPT_ERR_STACK_SIZE;
    m->weight_left =
        (int64_t)(compact_size(input->witness_count) + input->witness.size) + TAPSCRIPT_WEIGHT_BASE;
    return run_witness_script(m, VERSION_TAPSCRIPT, script, stack_count);
}

static void update_sized(struct sha256 *ctx, struct bytes bytes)
{
    uint8_t size[COMPACT_SIZE_MAX];

    sha256_update(ctx, size, compact_write(size, bytes.size));
    sha256_update(ctx, bytes.data, bytes.size);
}

static void hash_leaf(uint8_t out[32], uint8_t leaf_version, struct bytes script)
{
    struct sha256 ctx;

    sha256_init_tagged(&ctx, "TapLeaf");
    sha256_update(&ctx, &leaf_version, 1);
    update_sized(&ctx, script);
    sha256_final(&ctx, out);
}

/* BIP341: whether program is the control block's internal key tweaked by the tree it leads up to.
 */
static bool is_committed(struct key_cache *keys, struct bytes program, struct bytes control,
                         const uint8_t leaf_hash[32])
{
    const uint8_t *internal_key = control.data + 1;
    uint8_t node[32];
    struct sha256 ctx, branch;

    memcpy(node, leaf_hash, sizeof node);
    sha256_init_tagged(&branch, "TapBranch");
    for (size_t at = CONTROL_BASE_SIZE; at < control.size; at += CONTROL_NODE_SIZE) {
        const uint8_t *other = control.data + at;
        bool is_first = memcmp(node, other, sizeof node) < 0;

        ctx = branch;
        sha256_update(&ctx, is_first ? node : other, 32);
        sha256_update(&ctx, is_first ? other : node, 32);
        sha256_final(&ctx, node);
    }
    sha256_init_tagged(&ctx, "TapTweak");
    sha256_update(&ctx, internal_key, 32);
    sha256_update(&ctx, node, 32);
    sha256_final(&ctx, node);
    return signature_check_tweak(keys, program.data, control.data[0] & 1, internal_key, node);
}

static enum script_error verify_script_path(struct script_machine *m, struct bytes program,
                                            struct witness w)
{
    struct bytes control = witness_pop(&w);
    struct bytes script = witness_pop(&w);

    if (control.size < CONTROL_BASE_SIZE ||
        control.size > CONTROL_BASE_SIZE + CONTROL_NODES_MAX * CONTROL_NODE_SIZE ||
        (control.size - CONTROL_BASE_SIZE) % CONTROL_NODE_SIZE != 0)
        return SCRIPT_ERR_TAPROOT_WRONG_CONTROL_SIZE;

    uint8_t leaf_version = control.data[0] & LEAF_MASK;

    hash_leaf(m->leaf_hash, leaf_version, script);
    if (!is_committed(m->keys, program, control, m->leaf_hash))
        return SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH;
    m->spend.leaf_hash = m->leaf_hash;
    if (leaf_version == LEAF_TAPSCRIPT)
        return run_tapscript(m, script, w.count);
    return m->flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION
               ? SCRIPT_ERR_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION
               : SCRIPT_OK;
}

static enum script_error verify_taproot(struct script_machine *m, struct bytes program,
                                        struct witness w)
{
    if (!(m->flags & SCRIPT_VERIFY_TAPROOT))
        return SCRIPT_OK;
    if (w.count == 0)
        return SCRIPT_ERR_WITNESS_PROGRAM_WITNESS_EMPTY;
    m->spend = (struct sighash_taproot){.code_separator_position = UINT32_MAX};
    if (w.count >= 2 && w.last[0].size > 0 && w.last[0].data[0] == ANNEX_TAG) {
        struct sha256 ctx;

        sha256_init(&ctx);
        update_sized(&ctx, witness_pop(&w));
        sha256_final(&ctx, m->annex_hash);
        m->spend.annex_hash = m->annex_hash;
    }
    return w.count == 1 ? check_schnorr(m, w.last[0], program) : verify_script_path(m, program, w);
}

static enum script_error verify_v0(struct script_machine *m, struct bytes program, struct witness w)
{
    if (program.size == 32) {
        uint8_t hash[32];

        if (w.count == 0)
            return SCRIPT_ERR_WITNESS_PROGRAM_WITNESS_EMPTY;

        struct bytes script = witness_pop(&w);

        sha256_once(hash, script.data, script.size);
        if (memcmp(hash, program.data, 32) != 0)
            return SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH;
        return run_witness_script(m, VERSION_V0, script, w.count);
    }
    if (program.size == 20) {
        uint8_t script[25] = {OP_DUP, OP_HASH160, 20, [23] = OP_EQUALVERIFY, OP_CHECKSIG};

        if (w.count != 2)
            return SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH;
        memcpy(script + 3, program.data, 20);
        return run_witness_script(m, VERSION_V0, (struct bytes){script, sizeof script}, 2);
    }
    return SCRIPT_ERR_WITNESS_PROGRAM_WRONG_LENGTH;
}

static enum script_error verify_witness_program(struct script_machine *m, int version,
                                                struct bytes program, bool is_p2sh)
{
    struct witness w = witness_read(&m->tx->inputs[m->input_index]);

    if (version == 0)
        return verify_v0(m, program, w);
    if (version == 1 && program.size == 32 && !is_p2sh)
        return verify_taproot(m, program, w);
    if (version == 1 && program.size == 2 && memcmp(program.data, "\x4e\x73", 2) == 0 && !is_p2sh)
        return SCRIPT_OK; /* pay to anchor */
    return m->flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM
               ? SCRIPT_ERR_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM
               : SCRIPT_OK;
}

static enum script_error run_to_true(struct script_machine *m, struct bytes script)
{
    enum script_error error = machine_run(m, VERSION_LEGACY, script);

    if (error)
        return error;
    return m->depth > 0 && stack_is_true(m) ? SCRIPT_OK : SCRIPT_ERR_EVAL_FALSE;
}

/* BIP16. The stack is as the outer script left it: its result in place of the redeem script. */
static enum script_error verify_p2sh(struct script_machine *m, struct bytes script_sig,
                                     const struct element *redeem, bool *had_program)
{
    struct bytes script = element_bytes(redeem);
    struct bytes program;
    enum script_error error;
    int version;

    if (!script_is_push_only(script_sig))
        return SCRIPT_ERR_SIG_PUSHONLY;
    stack_drop(m, 1);
    if ((error = run_to_true(m, script)))
        return error;
    *had_program =
        m->flags & SCRIPT_VERIFY_WITNESS && script_is_witness_program(script, &version, &program);
    if (!*had_program)
        return SCRIPT_OK;
    /* script_sig is the push of the redeem script and nothing else. */
    if (script_sig.size != 1 + script.size || script_sig.data[0] != script.size ||
        memcmp(script_sig.data + 1, script.data, script.size) != 0)
        return SCRIPT_ERR_WITNESS_MALLEATED_P2SH;
    return verify_witness_program(m, version, program, true);
}

enum script_error script_verify(struct script_machine *m, const struct tx *tx, uint32_t input_index,
                                const struct tx_output *prevouts, const struct sighash_parts *parts,
                                uint32_t flags)
{
    const struct tx_input *input = &tx->inputs[input_index];
    struct bytes script_sig = input->script_sig;
    struct bytes script_pubkey = prevouts[input_index].script_pubkey;
    struct bytes program;
    struct element redeem = {0};
    bool had_program = false;
    enum script_error error;
    int version;

    assert(script_flags_are_sound(flags) && input_index < tx->input_count);
    m->tx = tx;
    m->input_index = input_index;
    m->prevouts = prevouts;
    m->parts = parts;
    m->flags = flags;
    m->depth = 0;
    m->hidden = 0;
    m->cached_code = (struct bytes){NULL, 0};

    if (flags & SCRIPT_VERIFY_SIGPUSHONLY && !script_is_push_only(script_sig))
        return SCRIPT_ERR_SIG_PUSHONLY;
    if ((error = machine_run(m, VERSION_LEGACY, script_sig)))
        return error;
    if (m->depth > 0)
        redeem = *stack_top(m, 1);
    if ((error = run_to_true(m, script_pubkey)))
        return error;
    if (flags & SCRIPT_VERIFY_WITNESS &&
        script_is_witness_program(script_pubkey, &version, &program)) {
        had_program = true;
        if (script_sig.size != 0)
            return SCRIPT_ERR_WITNESS_MALLEATED;
        error = verify_witness_program(m, version, program, false);
    } else if (flags & SCRIPT_VERIFY_P2SH && script_is_p2sh(script_pubkey)) {
        error = verify_p2sh(m, script_sig, &redeem, &had_program);
    }
    if (error)
        return error;
    /* The stack of a witness program is its own and was looked at. */
    if (flags & SCRIPT_VERIFY_CLEANSTACK && !had_program && m->depth != 1)
        return SCRIPT_ERR_CLEANSTACK;
    if (flags & SCRIPT_VERIFY_WITNESS && !had_program && input->witness_count > 0)
        return SCRIPT_ERR_WITNESS_UNEXPECTED;
    return SCRIPT_OK;
}
