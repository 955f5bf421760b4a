#include "caesure-db/answer.h"
#include "base/hex.h"
#include "codec/script_text.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define ANSWER_SIZE_MAX ((size_t)1 << 30)

void answer_begin(struct answer *answer, bool is_json)
{
    text_init(&answer->text, ANSWER_SIZE_MAX);
    answer->is_json = is_json;
    answer->is_failed = answer->is_row = false;
    if (is_json)
        text_append(&answer->text, "{", 1);
}

void answer_end(struct answer *answer)
{
    if (answer->text.is_cut_off) {
        answer->text.is_cut_off = false;
        answer_fail(answer, "the answer is too long");
    }
    if (answer->is_json)
        text_append(&answer->text, "}\n", 2);
}

void answer_clear(struct answer *answer)
{
    text_clear(&answer->text);
}

static void json_string(struct text *text, const char *data, size_t size)
{
    text_append(text, "\"", 1);
    for (size_t i = 0; i < size && !text->is_cut_off; i++) {
        if (data[i] == '"' || data[i] == '\\')
            text_printf(text, "\\%c", data[i]);
        else if ((unsigned char)data[i] < ' ')
            text_printf(text, "\\u%04x", (unsigned)data[i]);
        else
            text_append(text, &data[i], 1);
    }
    text_append(text, "\"", 1);
}

/* A comma where the object or list has begun already. */
static void json_next(struct text *text)
{
    char last = text->data[text->size - 1];

    if (last != '{' && last != '[')
        text_append(text, ",", 1);
}

static void begin_value(struct answer *answer, const char *name)
{
    struct text *text = &answer->text;

    if (answer->is_json) {
        json_next(text);
        text_printf(text, "\"%s\":", name);
    } else if (!answer->is_row) {
        text_printf(text, "%s ", name);
    } else if (text->size > 0 && text->data[text->size - 1] != '\n') {
        text_append(text, " ", 1);
    }
}

static void end_value(struct answer *answer)
{
    if (!answer->is_json && !answer->is_row)
        text_append(&answer->text, "\n", 1);
}

void answer_fail(struct answer *answer, const char *format, ...)
{
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_shorten(&answer->text, 0);
    answer->is_failed = true;
    answer->is_row = false;
    if (answer->is_json) {
        text_append(&answer->text, "{", 1);
        answer_string(answer, "error", "%s", line);
    } else {
        text_printf(&answer->text, "error: %s\n", line);
    }
}

void answer_number(struct answer *answer, const char *name, int64_t value)
{
    begin_value(answer, name);
    text_printf(&answer->text, "%" PRId64, value);
    end_value(answer);
}

void answer_string(struct answer *answer, const char *name, const char *format, ...)
{
    char line[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    begin_value(answer, name);
    if (answer->is_json)
        json_string(&answer->text, line, strlen(line));
    else
        text_printf(&answer->text, "%s", line);
    end_value(answer);
}

void answer_hash(struct answer *answer, const char *name, const uint8_t bytes[32])
{
    char hex[65];

    hash_to_hex(hex, bytes);
    answer_string(answer, name, "%s", hex);
}

void answer_hex(struct answer *answer, const char *name, struct bytes data)
{
    const char *quote = answer->is_json ? "\"" : "";

    begin_value(answer, name);
    text_printf(&answer->text, "%s", quote);
    text_hex(&answer->text, data.data, data.size);
    text_printf(&answer->text, "%s", quote);
    end_value(answer);
}

void answer_list(struct answer *answer, const char *name)
{
    if (!answer->is_json)
        return;
    begin_value(answer, name);
    text_append(&answer->text, "[", 1);
}

void answer_row(struct answer *answer)
{
    answer->is_row = true;
    if (!answer->is_json)
        return;
    json_next(&answer->text);
    text_append(&answer->text, "{", 1);
}

void answer_row_end(struct answer *answer)
{
    answer->is_row = false;
    text_append(&answer->text, answer->is_json ? "}" : "\n", 1);
}

void answer_list_end(struct answer *answer)
{
    if (answer->is_json)
        text_append(&answer->text, "]", 1);
}

/* The list of pprint_script: what is in its quotes are digits and names, which JSON quotes as well.
 */
static void json_script(struct text *text, struct bytes script)
{
    size_t start = text->size;

    if (!script_text(text, script))
        text_printf(text, "null");
    for (size_t i = start; i < text->size; i++)
        if (text->data[i] == '\'')
            text->data[i] = '"';
}

static void json_script_and_hex(struct text *text, struct bytes script)
{
    text_printf(text, "\"script\":");
    json_script(text, script);
    text_printf(text, ",\"script_hex\":\"");
    text_hex(text, script.data, script.size);
    text_append(text, "\"", 1);
}

static void json_input(struct text *text, const struct tx_input *input, bool has_witness)
{
    struct cursor items = cursor_of(input->witness);

    text_printf(text, "{\"txid\":\"");
    text_hash(text, input->prevout.txid.bytes);
    text_printf(text, "\",\"vout\":%" PRIu32 ",", input->prevout.vout);
    json_script_and_hex(text, input->script_sig);
    text_printf(text, ",\"sequence\":%" PRIu32, input->sequence);
    if (has_witness) {
        text_printf(text, ",\"witness\":[");
        for (uint32_t i = 0; i < input->witness_count; i++) {
            struct bytes item = witness_next(&items);

            text_printf(text, i ? ",\"" : "\"");
            text_hex(text, item.data, item.size);
            text_append(text, "\"", 1);
        }
        text_append(text, "]", 1);
    }
    text_append(text, "}", 1);
}

static void json_tx(struct text *text, const struct tx *tx)
{
    text_printf(text, "{\"hash\":\"");
    text_hash(text, tx->txid.bytes);
    text_printf(text, "\",\"version\":%" PRIu32 ",\"inputs\":[", tx->version);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        text_printf(text, i ? "," : "");
        json_input(text, &tx->inputs[i], tx->has_witness);
    }
    text_printf(text, "],\"outputs\":[");
    for (uint32_t i = 0; i < tx->output_count; i++) {
        text_printf(text, "%s{\"amount\":%" PRId64 ",", i ? "," : "", tx->outputs[i].amount_sat);
        json_script_and_hex(text, tx->outputs[i].script_pubkey);
        text_append(text, "}", 1);
    }
    text_printf(text, "],\"lock_time\":%" PRIu32 "}", tx->lock_time);
}

void answer_tx(struct answer *answer, const struct tx *tx)
{
    if (!answer->is_json) {
        tx_text(&answer->text, tx);
        return;
    }
    begin_value(answer, "tx");
    json_tx(&answer->text, tx);
}

void answer_txs(struct answer *answer, const struct block *block)
{
    answer_list(answer, "txs");
    for (uint32_t i = 0; i < block->tx_count; i++) {
        if (answer->is_json) {
            json_next(&answer->text);
            json_tx(&answer->text, &block->txs[i]);
        } else {
            tx_text(&answer->text, &block->txs[i]);
        }
    }
    answer_list_end(answer);
}

void answer_block(struct answer *answer, const struct block *block)
{
    const struct header *header = &block->header;

    if (!answer->is_json) {
        block_text(&answer->text, block);
        return;
    }
    answer_hash(answer, "hash", block->hash.bytes);
    answer_number(answer, "version", header->version);
    answer_hash(answer, "prev_block", header->prev_hash.bytes);
    answer_hash(answer, "merkle_root", header->merkle_root);
    answer_number(answer, "timestamp", header->time);
    answer_string(answer, "bits", "%08" PRIx32, header->bits);
    answer_number(answer, "nonce", header->nonce);
    answer_txs(answer, block);
}

bool answer_script(struct answer *answer, struct bytes script)
{
    struct text *text = &answer->text;
    struct text parsed;

    text_init(&parsed, text->limit);
    bool is_list = script_parsed_text(&parsed, script);
    if (is_list && answer->is_json) {
        begin_value(answer, "parse_script");
        json_string(text, parsed.data, parsed.size);
        begin_value(answer, "pprint_script");
        json_script(text, script);
    } else if (is_list) {
        text_append(text, parsed.data, parsed.size);
        text_append(text, "\n", 1);
        is_list = script_text(text, script);
        text_append(text, "\n", 1);
    }
    text_clear(&parsed);
    return is_list;
}
