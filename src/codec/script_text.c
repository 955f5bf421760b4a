#include "codec/script_text.h"
#include "codec/opcode.h"
#include <inttypes.h>

#define COIN      100000000
#define DEPTH_MAX 100 /* of conditions: keeps hostile scripts off our stack */

static void quoted_hex(struct text *text, const char *prefix, struct bytes data)
{
    text_printf(text, "'%s", prefix);
    text_hex(text, data.data, data.size);
    text_append(text, "'", 1);
}

/* Small numbers are pushes like any others; an empty push is ''. */
static void push_text(struct text *text, const struct script_op *op)
{
    uint8_t small = op->opcode == OP_1NEGATE ? 0x81 : (uint8_t)(op->opcode - OP_1 + 1);

    if (op->opcode > OP_PUSHDATA4)
        quoted_hex(text, "0x", (struct bytes){&small, 1});
    else
        quoted_hex(text, op->data.size > 0 ? "0x" : "", op->data);
}

/* The first Caesure's names of four numbers that it matched templates with. */
static const char *template_name(uint8_t opcode)
{
    switch (opcode) {
    case 0xfa:
        return "OP_SMALLINTEGER";
    case 0xfb:
        return "OP_PUBKEYS";
    case 0xfd:
        return "OP_PUBKEYHASH";
    case 0xfe:
        return "OP_PUBKEY";
    default:
        return NULL;
    }
}

static void op_text(struct text *text, const struct script_op *op)
{
    const char *name = opcode_name(op->opcode);

    if (name == NULL)
        name = template_name(op->opcode);
    if (op->opcode <= OP_PUSHDATA4 || op->opcode == OP_1NEGATE ||
        (op->opcode >= OP_1 && op->opcode <= OP_16))
        push_text(text, op);
    else if (name != NULL)
        text_printf(text, "'%s'", name);
    else
        text_printf(text, "'OP_INVALID_%x'", op->opcode);
}

/* As Python 2 shows a string of bytes. */
static void python_string(struct text *text, struct bytes data)
{
    bool has_single = data.size > 0 && memchr(data.data, '\'', data.size);
    bool has_double = data.size > 0 && memchr(data.data, '"', data.size);
    char quote = has_single && !has_double ? '"' : '\'';

    text_append(text, &quote, 1);
    for (size_t i = 0; i < data.size && !text->is_cut_off; i++) {
        const char c = (char)data.data[i];

        if (c == quote || c == '\\')
            text_printf(text, "\\%c", c);
        else if (c == '\t' || c == '\n' || c == '\r')
            text_printf(text, "\\%c", c == '\t' ? 't' : c == '\n' ? 'n' : 'r');
        else if (c < ' ' || c > '~')
            text_printf(text, "\\x%02x", data.data[i]);
        else
            text_append(text, &c, 1);
    }
    text_append(text, &quote, 1);
}

static void parsed_push(struct text *text, const struct script_op *op)
{
    uint8_t small = op->opcode == OP_1NEGATE ? 0x81 : (uint8_t)(op->opcode - OP_1 + 1);
    bool is_small = op->opcode > OP_PUSHDATA4;
    int form = op->opcode == 0 || is_small ? 0
               : op->opcode < OP_PUSHDATA1 ? 1
                                           : op->opcode - OP_PUSHDATA1 + 2;

    text_printf(text, "(0, ");
    python_string(text, is_small ? (struct bytes){&small, 1} : op->data);
    text_printf(text, ", %d)", form);
}

/* signed_part: what a signature check's signature is of. */
static void parsed_op(struct text *text, const struct script_op *op, struct bytes signed_part)
{
    if (op->opcode <= OP_PUSHDATA4 || op->opcode == OP_1NEGATE ||
        (op->opcode >= OP_1 && op->opcode <= OP_16)) {
        parsed_push(text, op);
    } else if (op->opcode == OP_CODESEPARATOR) {
        text_printf(text, "(4,)");
    } else if (op->opcode >= OP_CHECKSIG && op->opcode <= OP_CHECKMULTISIGVERIFY) {
        text_printf(text, "(3, %d, ", op->opcode);
        python_string(text, signed_part);
        text_printf(text, ")");
    } else {
        text_printf(text, "(2, %d)", op->opcode);
    }
}

/* How a list is written: pprint_script's or parse_script's. */
struct style {
    bool is_parsed;
    struct bytes script; /* all of it */
};

static bool clause_text(struct text *text, const struct style *style, struct cursor *c,
                        const char *separator, int depth, uint8_t *end);

/* From behind its OP_IF or OP_NOTIF past its OP_ENDIF. *end as below. */
static bool condition_text(struct text *text, const struct style *style, struct cursor *c,
                           bool is_if, int depth, uint8_t *end)
{
    const char *inner = style->is_parsed ? "" : ", ";
    const char *between = "";

    if (style->is_parsed)
        text_printf(text, "(1, %s, [", is_if ? "True" : "False");
    else
        text_printf(text, "['%s'", is_if ? "IF" : "NOTIF");
    if (!clause_text(text, style, c, inner, depth + 1, end))
        return false;
    text_printf(text, "%s", style->is_parsed ? "], [" : "");
    while (*end == OP_ELSE && cursor_left(c) > 0) {
        if (style->is_parsed)
            text_printf(text, "%s[", between);
        else
            text_printf(text, ", 'ELSE'");
        between = ", ";
        if (!clause_text(text, style, c, inner, depth + 1, end))
            return false;
        text_printf(text, "%s", style->is_parsed ? "]" : "");
    }
    text_printf(text, "%s", style->is_parsed ? "])" : "]");
    return *end == OP_ENDIF;
}

/* Writes operations up to the end of the script or past the OP_ELSE or OP_ENDIF that ends this
 * clause, which is left in *end. A first separator is empty at the start of a list. As in the first
 * Caesure, *end keeps its value where the script ends, so that a second condition of the same
 * clause may lack its OP_ENDIF, and a code separator counts in its own clause only. */
static bool clause_text(struct text *text, const struct style *style, struct cursor *c,
                        const char *separator, int depth, uint8_t *end)
{
    size_t signed_from = 0;
    uint8_t inner_end = 0;

    if (depth > DEPTH_MAX)
        return false;
    while (cursor_left(c) > 0) {
        struct script_op op;

        if (!script_op_read(&op, c) || op.opcode == OP_VERIF || op.opcode == OP_VERNOTIF)
            return false;
        if (op.opcode == OP_ELSE || op.opcode == OP_ENDIF) {
            *end = op.opcode;
            return true;
        }
        text_printf(text, "%s", separator);
        separator = ", ";
        if (op.opcode == OP_CODESEPARATOR)
            signed_from = style->script.size - cursor_left(c);
        if (op.opcode == OP_IF || op.opcode == OP_NOTIF) {
            if (!condition_text(text, style, c, op.opcode == OP_IF, depth, &inner_end))
                return false;
        } else if (style->is_parsed) {
            parsed_op(text, &op, bytes_sub(style->script, signed_from, SIZE_MAX));
        } else {
            op_text(text, &op);
        }
    }
    return true;
}

static bool list_text(struct text *text, const struct style *style)
{
    struct cursor c = cursor_of(style->script);
    size_t start = text->size;
    uint8_t end = 0;

    text_append(text, "[", 1);
    if (!clause_text(text, style, &c, "", 0, &end) || end != 0) {
        text_shorten(text, start);
        return false;
    }
    text_append(text, "]", 1);
    return true;
}

bool script_text(struct text *text, struct bytes script)
{
    return list_text(text, &(struct style){false, script});
}

bool script_parsed_text(struct text *text, struct bytes script)
{
    return list_text(text, &(struct style){true, script});
}

static void script_or_hex(struct text *text, struct bytes script)
{
    if (!script_text(text, script))
        quoted_hex(text, "", script);
}

static void witness_text(struct text *text, const struct tx *tx)
{
    text_printf(text, "witness:\n");
    for (uint32_t i = 0; i < tx->input_count; i++) {
        struct cursor items = cursor_of(tx->inputs[i].witness);
        const char *separator = "";

        text_printf(text, "%3" PRIu32 " [", i);
        for (uint32_t k = 0; k < tx->inputs[i].witness_count; k++) {
            struct bytes item = witness_next(&items);

            text_printf(text, "%s", separator);
            separator = ", ";
            quoted_hex(text, item.size > 0 ? "0x" : "", item);
        }
        text_printf(text, "]\n");
    }
}

void tx_text(struct text *text, const struct tx *tx)
{
    text_printf(text, "hash: ");
    text_hash(text, tx->txid.bytes);
    text_printf(text, "\ninputs: %" PRIu32 "\n", tx->input_count);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        const struct tx_input *input = &tx->inputs[i];

        text_printf(text, "%3" PRIu32 " ", i);
        text_hash(text, input->prevout.txid.bytes);
        text_printf(text, ":%" PRIu32 " ", input->prevout.vout);
        script_or_hex(text, input->script_sig);
        text_printf(text, " %" PRIu32 "\n", input->sequence);
    }
    text_printf(text, "outputs: %" PRIu32 "\n", tx->output_count);
    for (uint32_t i = 0; i < tx->output_count; i++) {
        const struct tx_output *output = &tx->outputs[i];
        uint64_t amount_sat = (uint64_t)output->amount_sat;

        text_printf(text, "%3" PRIu32 " %" PRIu64 ".%08" PRIu64 " ", i, amount_sat / COIN,
                    amount_sat % COIN);
        script_or_hex(text, output->script_pubkey);
        text_append(text, "\n", 1);
    }
    text_printf(text, "lock_time: %" PRIu32 "\n", tx->lock_time);
    if (tx->has_witness)
        witness_text(text, tx);
}

static void bracketed_hash(struct text *text, const char *name, const uint8_t bytes[32])
{
    text_printf(text, "%s:<", name);
    text_hash(text, bytes);
    text_printf(text, ">\n");
}

void block_text(struct text *text, const struct block *block)
{
    const struct header *header = &block->header;

    text_printf(text, "version:%" PRIu32 "\n", (uint32_t)header->version);
    bracketed_hash(text, "prev_block", header->prev_hash.bytes);
    bracketed_hash(text, "merkle_root", header->merkle_root);
    text_printf(text, "timestamp:%" PRIu32 "\nbits:%08" PRIx32 "\nnonce:%" PRIu32 "\n",
                header->time, header->bits, header->nonce);
    for (uint32_t i = 0; i < block->tx_count; i++) {
        text_printf(text, "tx %" PRIu32 " {\n", i);
        tx_text(text, &block->txs[i]);
        text_printf(text, "}\n");
    }
}
