/* ellswift.h - ElligatorSwift for secp256k1 (BIP324): x coordinates as 64 bytes that look random.
 * Any thread; nothing of it is constant-time, for all inputs are public or about to be. */
#ifndef BASE_ELLSWIFT_H
#define BASE_ELLSWIFT_H
#include "base/bytes.h"

#define ELLSWIFT_SIZE 64

/* The x coordinate that encoding stands for (XSwiftEC): there always is one. */
void ellswift_decode(uint8_t x[32], const uint8_t encoding[ELLSWIFT_SIZE]);

/* XSwiftECInv: t such that (u, t) decodes to x, of the branch 0 to 7; false when that branch has
 * none. x is on the curve; u is not 0. */
MUST_CHECK bool ellswift_inverse(uint8_t t[32], const uint8_t x[32], const uint8_t u[32],
                                 unsigned branch);

/* One of the encodings of x, which is on the curve: evenly chosen if entropy is random. */
void ellswift_encode(uint8_t encoding[ELLSWIFT_SIZE], const uint8_t x[32],
                     const uint8_t entropy[32]);
#endif
