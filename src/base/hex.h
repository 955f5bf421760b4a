/* hex.h - bytes as hexadecimal text. Hashes are printed and read in reverse order, as Bitcoin shows
 * them. */
#ifndef BASE_HEX_H
#define BASE_HEX_H
#include "base/bytes.h"

/* 2 × size lower-case digits and a zero byte. */
void hex_encode(char *out, const void *data, size_t size);

/* Reads exactly text_size digits, upper or lower case, into text_size / 2 bytes; false on an odd
 * number or on any other character (out is then undefined). */
MUST_CHECK bool hex_decode(uint8_t *out, const char *text, size_t text_size);

/* Of the 32 bytes of a hash in wire order. */
void hash_to_hex(char out[65], const uint8_t bytes[32]);
/* False unless text is 64 digits and the zero byte. */
MUST_CHECK bool hash_from_hex(uint8_t bytes[32], const char *text);
#endif
