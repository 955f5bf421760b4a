#include "script/sigops.h"
#include "script/classify.h"
#include "script/flags.h"

#define MULTISIG_KEYS_MAX 20
#define WITNESS_SCALE     4

/* The forms of nearly all outputs, told by sight: the count, or -1. Which of them comes next nobody
 * can predict, so there is no branch between them. */
static int sigops_of_form(struct bytes script)
{
    if (script.size < 22 || script.size > 34)
        return script.size == 0 ? 0 : -1;

    uint32_t size = (uint32_t)script.size;
    uint32_t first = le32_read(script.data) & 0xffffff, last = le16_read(script.data + size - 2);
    uint32_t opcode = first & 0xff, second = first >> 8 & 0xff;
    bool is_p2pkh = (size == 25) & (first == (OP_DUP | OP_HASH160 << 8 | 20 << 16)) &
                    (last == (OP_EQUALVERIFY | OP_CHECKSIG << 8));
    bool is_p2sh =
        (size == 23) & ((first & 0xffff) == (OP_HASH160 | 20 << 8)) & (last >> 8 == OP_EQUAL);
    /* one push that fills the rest, whatever is pushed */
    bool is_program = ((size == 22) | (size == 34)) & (second + 2 == size) &
                      ((opcode == OP_0) | (opcode == OP_1));

    return (is_p2pkh | is_p2sh | is_program) ? is_p2pkh : -1;
}

uint32_t script_sigops(struct bytes script, bool accurate)
{
    int known = sigops_of_form(script);

    if (known >= 0)
        return (uint32_t)known;

    struct cursor c = cursor_of(script);
    struct script_op op;
    uint8_t last = OP_INVALIDOPCODE;
    uint32_t count = 0;

    while (cursor_left(&c) > 0 && script_op_read(&op, &c)) {
        if (op.opcode == OP_CHECKSIG || op.opcode == OP_CHECKSIGVERIFY)
            count += 1;
        else if (op.opcode == OP_CHECKMULTISIG || op.opcode == OP_CHECKMULTISIGVERIFY)
            count +=
                accurate && last >= OP_1 && last <= OP_16 ? last - OP_1 + 1u : MULTISIG_KEYS_MAX;
        last = op.opcode;
    }
    return count;
}

uint32_t tx_legacy_sigops(const struct tx *tx)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < tx->input_count; i++)
        count += script_sigops(tx->inputs[i].script_sig, false);
    for (uint32_t i = 0; i < tx->output_count; i++)
        count += script_sigops(tx->outputs[i].script_pubkey, false);
    return count;
}

/* The data of the last operation, empty unless it pushes bytes; false if script_sig is more than
 * pushes. */
static bool last_push(struct bytes script_sig, struct bytes *data)
{
    struct cursor c = cursor_of(script_sig);
    struct script_op op = {.data = {NULL, 0}};

    while (cursor_left(&c) > 0)
        if (!script_op_read(&op, &c) || op.opcode > OP_16)
            return false;
    *data = op.data;
    return true;
}

uint32_t script_p2sh_sigops(struct bytes script_sig, struct bytes script_pubkey)
{
    struct bytes redeem_script;

    if (!script_is_p2sh(script_pubkey) || !last_push(script_sig, &redeem_script))
        return 0;
    return script_sigops(redeem_script, true);
}

uint32_t script_witness_sigops(const struct tx_input *input, struct bytes script_pubkey)
{
    struct bytes program;
    int version;

    if (!script_is_witness_program(script_pubkey, &version, &program)) {
        struct bytes redeem_script;

        if (!script_is_p2sh(script_pubkey) || !last_push(input->script_sig, &redeem_script) ||
            !script_is_witness_program(redeem_script, &version, &program))
            return 0;
    }
    if (version == 0 && program.size == 20)
        return 1;
    if (version != 0 || program.size != 32 || input->witness_count == 0)
        return 0;

    struct cursor c = cursor_of(input->witness);
    struct bytes item = {NULL, 0};

    for (uint32_t i = 0; i < input->witness_count; i++)
        item = witness_next(&c);
    return script_sigops(item, true);
}

uint32_t input_sigop_cost(const struct tx_input *input, struct bytes script_pubkey, uint32_t flags)
{
    uint32_t cost = 0;

    if (flags & SCRIPT_VERIFY_P2SH)
        cost += WITNESS_SCALE * script_p2sh_sigops(input->script_sig, script_pubkey);
    if (flags & SCRIPT_VERIFY_WITNESS)
        cost += script_witness_sigops(input, script_pubkey);
    return cost;
}
