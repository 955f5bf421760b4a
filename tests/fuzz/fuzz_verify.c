/* Any transaction and any outputs that it spends (verdicts.h). Input: a byte for the rules, the
 * number of outputs u8, of each the amount le64 and the script with its size le16; the rest is the
 * transaction. */
#include "base/cursor.h"
#include "verdicts.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of just its size, so that a sanitizer sees reads beyond it. */
static struct bytes copy_of(struct bytes b)
{
    uint8_t *copy = xmalloc(b.size);

    if (b.size > 0)
        memcpy(copy, b.data, b.size);
    return (struct bytes){copy, b.size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of((struct bytes){data, size});
    uint8_t flags = cursor_u8(&c), count = cursor_u8(&c);
    struct tx_output prevouts[UINT8_MAX];

    for (uint8_t i = 0; i < count; i++) {
        int64_t amount_sat = (int64_t)cursor_le64(&c);

        prevouts[i] = (struct tx_output){
            .amount_sat = amount_sat, .script_pubkey = copy_of(cursor_take(&c, cursor_le16(&c)))};
    }
    if (cursor_ok(&c)) {
        struct bytes raw = copy_of((struct bytes){c.at, cursor_left(&c)});

        verdicts_compare(raw, prevouts, count, verdicts_flags(flags));
        free((void *)raw.data);
    }
    for (uint8_t i = 0; i < count; i++)
        free((void *)prevouts[i].script_pubkey.data);
    return 0;
}
