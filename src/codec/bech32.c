#include "codec/bech32.h"

#define CHECKSUM_SIZE 6

static const char charset[32] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* One step of the BCH code over GF(32): the checksum so far times x, plus value. */
static uint32_t step(uint32_t checksum, uint8_t value)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t top = checksum >> 25;

    checksum = (checksum & 0x1ffffff) << 5 ^ value;
    for (int i = 0; i < 5; i++) {
        if (top >> i & 1)
            checksum ^= generator[i];
    }
    return checksum;
}

static uint32_t checksum_of(const char *hrp, const uint8_t *values, size_t value_count)
{
    uint32_t checksum = 1;

    for (const char *p = hrp; *p != '\0'; p++)
        checksum = step(checksum, (uint8_t)*p >> 5);
    checksum = step(checksum, 0);
    for (const char *p = hrp; *p != '\0'; p++)
        checksum = step(checksum, (uint8_t)*p & 31);
    for (size_t i = 0; i < value_count; i++)
        checksum = step(checksum, values[i]);
    return checksum;
}

/* Copies text in lower case; false if it is in mixed case or has a character that cannot be in it.
 */
static bool lower(char *out, const char *text, size_t text_size)
{
    bool has_lower = false, has_upper = false;

    for (size_t i = 0; i < text_size; i++) {
        char c = text[i];
        bool is_upper = c >= 'A' && c <= 'Z';

        if (c < 33 || c > 126)
            return false;
        has_upper |= is_upper;
        has_lower |= c >= 'a' && c <= 'z';
        out[i] = is_upper ? (char)(c - 'A' + 'a') : c;
    }
    return !(has_lower && has_upper);
}

bool bech32_decode(struct bech32 *b, const char *text, size_t text_size)
{
    char copy[BECH32_TEXT_SIZE_MAX];
    uint8_t values[BECH32_TEXT_SIZE_MAX];

    if (text_size > sizeof copy || !lower(copy, text, text_size))
        return false;

    char *separator = memrchr(copy, '1', text_size);

    if (separator == NULL || separator == copy)
        return false;

    size_t hrp_size = (size_t)(separator - copy);
    size_t value_count = text_size - hrp_size - 1;

    if (value_count < CHECKSUM_SIZE)
        return false;
    for (size_t i = 0; i < value_count; i++) {
        const char *found = memchr(charset, separator[1 + i], sizeof charset);

        if (found == NULL)
            return false;
        values[i] = (uint8_t)(found - charset);
    }
    *separator = '\0';
    memcpy(b->hrp, copy, hrp_size + 1);
    b->value_count = value_count - CHECKSUM_SIZE;
    memcpy(b->values, values, b->value_count);

    uint32_t checksum = checksum_of(b->hrp, values, value_count);

    b->form = checksum == BECH32 ? BECH32 : BECH32M;
    return checksum == BECH32 || checksum == BECH32M;
}

bool bech32_encode(char out[BECH32_TEXT_SIZE_MAX + 1], const struct bech32 *b)
{
    size_t hrp_size = strlen(b->hrp);
    uint8_t values[BECH32_VALUES_MAX + CHECKSUM_SIZE] = {0};

    if (hrp_size == 0 || hrp_size + 1 + b->value_count + CHECKSUM_SIZE > BECH32_TEXT_SIZE_MAX)
        return false;
    memcpy(values, b->values, b->value_count);

    /* The checksum over six zeros is what the checksum itself must cancel. */
    uint32_t checksum = checksum_of(b->hrp, values, b->value_count + CHECKSUM_SIZE) ^ b->form;

    for (int i = 0; i < CHECKSUM_SIZE; i++)
        values[b->value_count + i] = checksum >> (5 * (CHECKSUM_SIZE - 1 - i)) & 31;
    memcpy(out, b->hrp, hrp_size);
    out += hrp_size;
    *out++ = '1';
    for (size_t i = 0; i < b->value_count + CHECKSUM_SIZE; i++)
        *out++ = charset[values[i]];
    *out = '\0';
    return true;
}
