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
#define SPEND_OUTPUTS_MAX    8
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

/* One input, and the output that it spends: its choices decide on the script, and how it is spent.
 */
struct spend_input {
    struct choices choices;
    struct outpoint outpoint;
    int64_t amount_sat;
    uint32_t sequence;
};

/* All that a transaction is made of but its signatures. */
struct spend_plan {
    struct spend_input inputs[SPEND_INPUTS_MAX];
    struct tx_output outputs[SPEND_OUTPUTS_MAX];
    uint32_t input_count, output_count, version, lock_time;
    bool has_fixed_scripts; /* no script has a signature in it, so that it is known beforehand */
};

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

/* What the plan makes with the spend's signatures; they become the stand-ins where there are none.
 */
void spend_make(struct spend *spend, const struct spend_plan *plan, const secp256k1_context *ctx);
/* The same with the signatures that it needs, made in up to three rounds, since signatures change
 * scripts that have them in them, and those change what others sign. The program that calls it is
 * linked with --wrap for script/'s checks (spend_signer.c). */
void spend_make_signed(struct spend *spend, const struct spend_plan *plan,
                       const secp256k1_context *ctx);
void spend_clear(struct spend *spend);

/* The key of a public key as it stands in a script (32 bytes: X only), or false. */
bool spend_find_key(const struct spend *spend, const secp256k1_context *ctx, struct bytes pubkey,
                    secp256k1_keypair *pair);
#endif
