#include "base/hex.h"

static void put_byte(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    out[0] = digits[byte >> 4];
    out[1] = digits[byte & 15];
}

/* -1 when c is no digit. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void hex_encode(char *out, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++)
        put_byte(out + 2 * i, bytes[i]);
    out[2 * size] = '\0';
}

bool hex_decode(uint8_t *out, const char *text, size_t text_size)
{
    if (text_size % 2 != 0)
        return false;
    for (size_t i = 0; i < text_size / 2; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void hash_to_hex(char out[65], const uint8_t bytes[32])
{
    for (int i = 0; i < 32; i++)
        put_byte(out + 2 * i, bytes[31 - i]);
    out[64] = '\0';
}

bool hash_from_hex(uint8_t bytes[32], const char *text)
{
    uint8_t shown[32];

    if (strlen(text) != 64 || !hex_decode(shown, text, 64))
        return false;
    for (int i = 0; i < 32; i++)
        bytes[i] = shown[31 - i];
    return true;
}
