/* signature.h - signature checks by libsecp256k1, which comes in only here. Any thread; pure but
 * for the cache, which belongs to one. */
#ifndef SCRIPT_SIGNATURE_H
#define SCRIPT_SIGNATURE_H
#include "base/bytes.h"

/* Aborts if libsecp256k1 does not work on this machine; once before the first check. */
void signature_selftest(void);

/* BIP66, of a signature with its hash type byte. */
bool signature_is_strict_der(struct bytes signature_and_type);

/* Whether S is at most half the order; der is without the hash type byte and may be laxly encoded.
 */
bool signature_has_low_s(struct bytes der);

/* The last public keys that were parsed: for a compressed one its Y has to be found first, which
 * costs a seventh of a check, and a third of a block's keys come more than once. Results are the
 * same with a cache and without. */
struct key_cache;
struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *cache);

/* In all that follows cache may be NULL. ECDSA, der as old OpenSSL read it (any padding, negative
 * numbers, overlong lengths, trailing bytes), S normalised, public keys compressed, uncompressed or
 * hybrid. Signature without hash type byte. */
MUST_CHECK bool signature_check_ecdsa(struct key_cache *cache, struct bytes der,
                                      struct bytes pubkey, const uint8_t hash[32]);

/* BIP340; transactions sign messages of 32 bytes. */
MUST_CHECK bool signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                        const uint8_t pubkey[32], struct bytes message);

/* BIP341: whether output_key (with the parity of its Y) is internal_key tweaked by tweak. */
MUST_CHECK bool signature_check_tweak(struct key_cache *cache, const uint8_t output_key[32],
                                      int parity, const uint8_t internal_key[32],
                                      const uint8_t tweak[32]);
#endif
