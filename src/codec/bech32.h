/* bech32.h - bech32 (BIP173) and bech32m (BIP350): text of a readable part, a '1', values of five
 * bits and a checksum. Pure; any thread. */
#ifndef CODEC_BECH32_H
#define CODEC_BECH32_H
#include "base/bytes.h"

#define BECH32_TEXT_SIZE_MAX 90
#define BECH32_HRP_SIZE_MAX  83
#define BECH32_VALUES_MAX    (BECH32_TEXT_SIZE_MAX - 1 - 1 - 6)

/* What the checksum comes out as. */
enum bech32_form {
    BECH32 = 1,
    BECH32M = 0x2bc830a3,
};

struct bech32 {
    enum bech32_form form;
    char hrp[BECH32_HRP_SIZE_MAX + 1]; /* in lower case */
    uint8_t values[BECH32_VALUES_MAX]; /* each below 32; without the checksum */
    size_t value_count;
};

/* False on a wrong checksum, mixed case, a character outside the set, or a part that is too long or
 * empty. */
MUST_CHECK bool bech32_decode(struct bech32 *b, const char *text, size_t text_size);
/* In lower case, with a zero byte. False if that is longer than the format allows. */
MUST_CHECK bool bech32_encode(char out[BECH32_TEXT_SIZE_MAX + 1], const struct bech32 *b);
#endif
