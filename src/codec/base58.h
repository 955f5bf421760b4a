/* base58.h - base58 and base58check. Pure; any thread. The cost grows with the square of the size,
 * which the capacity of out bounds. */
#ifndef CODEC_BASE58_H
#define CODEC_BASE58_H
#include "base/bytes.h"

/* Writes the text and a zero byte. False if that takes more than capacity characters. */
MUST_CHECK bool base58_encode(char *out, size_t capacity, struct bytes data);

/* *size is the capacity of out before and the number of bytes after. False on another character
 * (white space too) or when the capacity is too small. */
MUST_CHECK bool base58_decode(uint8_t *out, size_t *size, const char *text, size_t text_size);

#define BASE58CHECK_SIZE_MAX 128 /* of the payload: any address or key has less */

/* The same with four bytes of sha256d after the payload, which has at most BASE58CHECK_SIZE_MAX
 * bytes. */
MUST_CHECK bool base58check_encode(char *out, size_t capacity, struct bytes payload);
MUST_CHECK bool base58check_decode(uint8_t *out, size_t *size, const char *text, size_t text_size);
#endif
