/* spend_maker.h - transactions that spend outputs of every kind, made from a few bytes of choices:
 * scripts are built of pieces that take their own items from the stack, so that most of them run to
 * the end. Signatures come from a table, since what they sign depends on the transaction: make,
 * sign, make again. */
#ifndef TESTS_SPEND_MAKER_H
#define TESTS_SPEND_MAKER_H
#include "../unit/build_tx.h"
#include "codec/tx.h"
#include <secp256k1_extrakeys.h>

#define SPEND_INPUTS_MAX     3
#define SPEND_SIGNATURES_MAX 64

/* Bytes that decide what is made, one after the other; behind the last one zeros. */
struct choices {
    const uint8_t *at, *end;
};

/* The next one, below count (up to 256). */
static inline unsigned choose(struct choices *choices, unsigned count)
{
    return choices->at < choices->end ? *choices->at++ % count : 0;
}

struct spend_signature {
    uint8_t bytes[80]; /* hash type included */
    size_t size;       /* 0: not made yet, its number stands in for it */
};

struct spend {
    struct build tx;
    struct build scripts[SPEND_INPUTS_MAX];      /* of the outputs that are spent */
    struct tx_output prevouts[SPEND_INPUTS_MAX]; /* views of them */
    uint32_t input_count;
    secp256k1_keypair tweaked[SPEND_INPUTS_MAX]; /* of their taproot outputs */
    uint32_t tweaked_count;
    struct spend_signature signatures[SPEND_SIGNATURES_MAX];
    uint32_t signature_count;
};

/* What the choices make with those signatures; they become the stand-ins where there are none. */
void spend_make(struct spend *spend, struct choices *choices, const secp256k1_context *ctx);
void spend_clear(struct spend *spend);

/* The key of a public key as it stands in a script (32 bytes: X only), or false. */
bool spend_find_key(const struct spend *spend, const secp256k1_context *ctx, struct bytes pubkey,
                    secp256k1_keypair *pair);
#endif
