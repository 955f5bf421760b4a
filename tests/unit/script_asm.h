/* script_asm.h - scripts and script flags from the text forms of the reference node's vectors:
 * words that are numbers or 'text' (pushed), 0xhex (put in as it is), names of operations. */
#ifndef TESTS_SCRIPT_ASM_H
#define TESTS_SCRIPT_ASM_H
#include "base/hex.h"
#include "build_tx.h"
#include "codec/opcode.h"
#include "script/flags.h"
#include "script/number.h"
#include <check.h>
#include <stdlib.h>

/* Kept out of line, where gcc cannot warn of sizes that an array on the caller's stack does not
 * have. */
__attribute__((noinline, unused)) static void asm_push(struct build *b, const void *data,
                                                       size_t size)
{
    if (size < OP_PUSHDATA1) {
        build_byte(b, (uint8_t)size);
    } else if (size <= 0xff) {
        build_byte(b, OP_PUSHDATA1);
        build_byte(b, (uint8_t)size);
    } else if (size <= 0xffff) {
        build_byte(b, OP_PUSHDATA2);
        build_byte(b, (uint8_t)size);
        build_byte(b, (uint8_t)(size >> 8));
    } else {
        build_byte(b, OP_PUSHDATA4);
        build_u32(b, (uint32_t)size);
    }
    build_raw(b, data, size);
}

static inline void asm_number(struct build *b, int64_t number)
{
    uint8_t bytes[9];

    if (number == 0)
        build_byte(b, OP_0);
    else if (number == -1 || (number >= 1 && number <= 16))
        build_byte(b, (uint8_t)(OP_1 - 1 + number));
    else
        asm_push(b, bytes, number_write(bytes, number));
}

static inline bool asm_is_number(const char *word, size_t size)
{
    size_t first = word[0] == '-' && size > 1;

    for (size_t i = first; i < size; i++)
        if (word[i] < '0' || word[i] > '9')
            return false;
    return true;
}

static inline void asm_word(struct build *b, const char *word, size_t size)
{
    if (asm_is_number(word, size)) {
        asm_number(b, strtoll(word, NULL, 10));
    } else if (size > 2 && memcmp(word, "0x", 2) == 0) {
        uint8_t *raw = xmalloc(size / 2);

        ck_assert_msg(hex_decode(raw, word + 2, size - 2), "no hex: %.*s", (int)size, word);
        build_raw(b, raw, size / 2 - 1);
        free(raw);
    } else if (size >= 2 && word[0] == '\'' && word[size - 1] == '\'') {
        asm_push(b, word + 1, size - 2);
    } else {
        int opcode = opcode_find(word, size);

        ck_assert_msg(opcode >= 0, "no operation: %.*s", (int)size, word);
        build_byte(b, (uint8_t)opcode);
    }
}

/* Appends the script that text stands for. */
static inline void asm_script(struct build *b, const char *text)
{
    for (text += strspn(text, " \t\n"); *text; text += strspn(text, " \t\n")) {
        size_t size = strcspn(text, " \t\n");

        asm_word(b, text, size);
        text += size;
    }
}

/* In a buffer of just its size; end with free((void *)script.data). */
static inline struct bytes asm_take(const char *text)
{
    struct build b = {.data = xmalloc(1), .capacity = 1};

    asm_script(&b, text);
    return (struct bytes){b.data, b.size};
}

/* A comma between names; empty and NONE are no flags. */
static inline uint32_t asm_flags(const char *text)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } known[] = {
#define X(name, bit) {#name, SCRIPT_VERIFY_##name},
        SCRIPT_FLAG_LIST(X)
#undef X
    };
    uint32_t flags = 0;

    if (strcmp(text, "NONE") == 0)
        return 0;
    while (*text) {
        size_t size = strcspn(text, ",");
        size_t i = 0;

        while (i < ARRAY_COUNT(known) &&
               (strlen(known[i].name) != size || memcmp(known[i].name, text, size) != 0))
            i++;
        ck_assert_msg(i < ARRAY_COUNT(known), "unknown flag %s", text);
        flags |= known[i].flag;
        text += size + (text[size] == ',');
    }
    return flags;
}

/* The nearest sound set of flags below and above. */
static inline uint32_t flags_trim(uint32_t flags)
{
    if (!(flags & SCRIPT_VERIFY_P2SH))
        flags &= ~(uint32_t)SCRIPT_VERIFY_WITNESS;
    if (!(flags & SCRIPT_VERIFY_WITNESS))
        flags &= ~(uint32_t)SCRIPT_VERIFY_CLEANSTACK;
    return flags;
}

static inline uint32_t flags_fill(uint32_t flags)
{
    if (flags & SCRIPT_VERIFY_CLEANSTACK)
        flags |= SCRIPT_VERIFY_WITNESS;
    if (flags & SCRIPT_VERIFY_WITNESS)
        flags |= SCRIPT_VERIFY_P2SH;
    return flags;
}
#endif
