/* ecdh.h - the key exchange of BIP324: public keys in ElligatorSwift form and the secret two sides
 * share. libsecp256k1's own ellswift module where it has one, else its ecdh module and
 * base/ellswift. */
#ifndef SCRIPT_ECDH_H
#define SCRIPT_ECDH_H
#include "base/ellswift.h"

struct ecdh; /* one a thread */

/* seed: 32 random bytes that blind the computations with secret keys. */
struct ecdh *ecdh_new(const uint8_t seed[32]);
void ecdh_free(struct ecdh *ecdh);

/* The public key of secret, in an encoding chosen by entropy. False when secret is 0 or not below
 * the group's order: take other random bytes. */
MUST_CHECK bool ecdh_public(struct ecdh *ecdh, uint8_t encoding[ELLSWIFT_SIZE],
                            const uint8_t secret[32], const uint8_t entropy[32]);

/* The x coordinate of secret times the point that theirs stands for. False as above. */
MUST_CHECK bool ecdh_shared_x(struct ecdh *ecdh, uint8_t x[32], const uint8_t theirs[ELLSWIFT_SIZE],
                              const uint8_t secret[32]);

/* The shared secret of BIP324. is_initiator: ours is the key of the side that opened the
 * connection. */
MUST_CHECK bool ecdh_shared_secret(struct ecdh *ecdh, uint8_t shared[32],
                                   const uint8_t ours[ELLSWIFT_SIZE],
                                   const uint8_t theirs[ELLSWIFT_SIZE], const uint8_t secret[32],
                                   bool is_initiator);
#endif
