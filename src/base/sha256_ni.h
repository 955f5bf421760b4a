/* sha256_ni.h - SHA256 of whole messages by the SHA extensions of x86-64, for hash.c.
 * Nothing but sha256_ni_available may be called where it is false. out may be data. */
#ifndef BASE_SHA256_NI_H
#define BASE_SHA256_NI_H
#include "base/hash.h"

bool sha256_ni_available(void);
void sha256_ni_32(uint8_t out[32], const uint8_t data[32]);
void sha256d_ni_64_many(uint8_t *out, const uint8_t *data, size_t count);
void sha256d_ni_80(uint8_t out[32], const uint8_t data[80]);
/* Of any size. */
void sha256_ni(uint8_t out[32], struct bytes data, bool is_double);
/* hash.h's sha256d_many. */
void sha256d_ni_many(const struct sha256_message *messages, size_t count);
#endif
