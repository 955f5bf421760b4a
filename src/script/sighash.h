/* sighash.h - the hashes that signatures sign: legacy, BIP143 (witness v0), BIP341 and BIP342.
 * Pure; any thread. A tx here is as tx_read made it: its outputs lie behind each other in its
 * bytes. */
#ifndef SCRIPT_SIGHASH_H
#define SCRIPT_SIGHASH_H
#include "base/hash.h"
#include "codec/tx.h"

#define SIGHASH_DEFAULT      0 /* taproot only: means ALL */
#define SIGHASH_ALL          1
#define SIGHASH_NONE         2
#define SIGHASH_SINGLE       3
#define SIGHASH_ANYONECANPAY 0x80

/* What the signatures of all inputs of a transaction have in common, computed once. */
struct sighash_parts {
    bool has_v0, has_taproot; /* whether some input may need them; the fields are unset otherwise */
    uint8_t prevouts[32], sequences[32], outputs[32];          /* BIP341: single SHA256 */
    uint8_t amounts[32], scripts[32];                          /* BIP341, taproot only */
    uint8_t prevouts_v0[32], sequences_v0[32], outputs_v0[32]; /* BIP143: SHA256 twice */
};

/* prevouts: the outputs that tx spends, one an input, in order. Cheap for a tx without witnesses.
 */
void sighash_parts_init(struct sighash_parts *parts, const struct tx *tx,
                        const struct tx_output *prevouts);

/* The inner states after everything but the hash type, kept between signatures of one input: they
 * are the same for all hash types of a class, so that a multisig hashes a large transaction once.
 * Clear it (ready = 0) when tx, input or script code change. */
struct sighash_cache {
    uint32_t ready; /* bit i: states[i] is set */
    struct sha256 states[6];
};

/* cache may be NULL. hash_type has all 32 bits only in test vectors; a signature gives one byte. */
void sighash_legacy(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                    struct bytes script_code, uint32_t hash_type, struct sighash_cache *cache);

/* BIP143; parts->has_v0. */
void sighash_v0(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                struct bytes script_code, int64_t amount_sat, uint32_t hash_type,
                const struct sighash_parts *parts);

/* What a taproot signature commits to beyond the transaction; one for all signatures of an input.
 */
struct sighash_taproot {
    const uint8_t *annex_hash;        /* SHA256 of compact size and annex; NULL: no annex */
    const uint8_t *leaf_hash;         /* NULL: key path */
    uint32_t code_separator_position; /* script path only; 0xffffffff: none executed */
    bool has_output_hash; /* false at first: the hash of a SIGHASH_SINGLE's output is kept */
    uint8_t output_hash[32];
};

/* BIP341; parts->has_taproot. False for an undefined hash type or SIGHASH_SINGLE without its
 * output. */
MUST_CHECK bool sighash_taproot(uint8_t out[32], const struct tx *tx, uint32_t input_index,
                                const struct tx_output *prevouts, uint8_t hash_type,
                                const struct sighash_parts *parts, struct sighash_taproot *spend);
#endif
