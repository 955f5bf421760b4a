#include "codec/base58.h"
#include "base/hash.h"

static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* number = number × base + add, in a little-endian number of *size digits to the base limit. False
 * if it outgrows the capacity. */
static bool multiply_add(uint8_t *number, size_t *size, size_t capacity, uint32_t limit,
                         uint32_t base, uint32_t add)
{
    for (size_t i = 0; i < *size; i++) {
        add += number[i] * base;
        number[i] = (uint8_t)(add % limit);
        add /= limit;
    }
    for (; add != 0; add /= limit) {
        if (*size == capacity)
            return false;
        number[(*size)++] = (uint8_t)(add % limit);
    }
    return true;
}

static void reverse(uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t kept = p[i];

        p[i] = p[size - 1 - i];
        p[size - 1 - i] = kept;
    }
}

bool base58_encode(char *out, size_t capacity, struct bytes data)
{
    uint8_t *number = (uint8_t *)out;
    size_t size = 0;
    size_t zeros = 0;

    while (zeros < data.size && data.data[zeros] == 0)
        zeros++;
    for (size_t i = zeros; i < data.size; i++) {
        if (!multiply_add(number, &size, capacity, 58, 256, data.data[i]))
            return false;
    }
    if (capacity - size <= zeros)
        return false;
    memset(number + size, 0, zeros); /* a leading zero byte is a leading zero digit */
    size += zeros;
    reverse(number, size);
    for (size_t i = 0; i < size; i++)
        out[i] = digits[number[i]];
    out[size] = '\0';
    return true;
}

bool base58_decode(uint8_t *out, size_t *size, const char *text, size_t text_size)
{
    size_t capacity = *size;
    size_t used = 0;
    size_t zeros = 0;

    while (zeros < text_size && text[zeros] == digits[0])
        zeros++;
    for (size_t i = zeros; i < text_size; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);

        if (digit == NULL ||
            !multiply_add(out, &used, capacity, 256, 58, (uint32_t)(digit - digits)))
            return false;
    }
    if (capacity - used < zeros)
        return false;
    if (zeros > 0)
        memset(out + used, 0, zeros);
    *size = used + zeros;
    reverse(out, *size);
    return true;
}

bool base58check_encode(char *out, size_t capacity, struct bytes payload)
{
    uint8_t buffer[BASE58CHECK_SIZE_MAX + 32];

    if (payload.size > BASE58CHECK_SIZE_MAX)
        return false;
    memcpy(buffer, payload.data, payload.size);
    sha256d_once(buffer + payload.size, payload.data, payload.size);
    return base58_encode(out, capacity, (struct bytes){buffer, payload.size + 4});
}

bool base58check_decode(uint8_t *out, size_t *size, const char *text, size_t text_size)
{
    uint8_t buffer[BASE58CHECK_SIZE_MAX + 4];
    uint8_t hash[32];
    size_t got = sizeof buffer;

    if (!base58_decode(buffer, &got, text, text_size) || got < 4 || got - 4 > *size)
        return false;
    *size = got - 4;
    sha256d_once(hash, buffer, *size);
    if (memcmp(hash, buffer + *size, 4) != 0)
        return false;
    memcpy(out, buffer, *size);
    return true;
}
