/* wallet.h - keys made from a seed, their output scripts of every usual kind, and the signing of
 * transactions that spend them. Read-only once made, so any thread; deterministic everywhere (ECDSA
 * nonces of RFC6979, BIP340 without auxiliary randomness). */
#ifndef CHAINGEN_WALLET_H
#define CHAINGEN_WALLET_H
#include "chaingen/buffer.h"
#include "codec/tx.h"
#include "script/sighash.h"

/* X(constant, name, most weight that spending one adds, sigop cost of spending one) */
#define WALLET_KIND_LIST(X)                                                                        \
    X(WALLET_P2PK, "p2pk", 466, 0)                                                                 \
    X(WALLET_P2PKH, "p2pkh", 600, 0)                                                               \
    X(WALLET_P2SH_MULTISIG, "p2sh-multisig", 1210, 12)                                             \
    X(WALLET_P2WSH_MULTISIG, "p2wsh-multisig", 430, 3)                                             \
    X(WALLET_P2SH_P2WPKH, "p2sh-p2wpkh", 374, 1)                                                   \
    X(WALLET_P2WPKH, "p2wpkh", 276, 1)                                                             \
    X(WALLET_P2TR_KEY, "p2tr-key", 234, 0)                                                         \
    X(WALLET_P2TR_SCRIPT, "p2tr-script", 336, 0)

enum wallet_kind {
#define X(constant, name, weight, sigops) constant,
    WALLET_KIND_LIST(X)
#undef X
        WALLET_KIND_COUNT
};

extern const char *const wallet_kind_names[WALLET_KIND_COUNT];
extern const uint32_t wallet_spend_weight[WALLET_KIND_COUNT];
extern const uint32_t wallet_spend_sigops[WALLET_KIND_COUNT];

struct wallet;

struct wallet *wallet_new(struct bytes seed, uint32_t key_count); /* 3 <= key_count <= 65536 */
void wallet_free(struct wallet *wallet);
uint32_t wallet_key_count(const struct wallet *wallet);

/* The output script of a key; lives as long as the wallet. Multisigs are 2 of 3: of the key and the
 * two after it. P2PK of odd keys is uncompressed. */
struct bytes wallet_script(const struct wallet *wallet, enum wallet_kind kind, uint32_t key);

/* Whose script is it? False: not this wallet's. */
MUST_CHECK bool wallet_find(const struct wallet *wallet, struct bytes script,
                            enum wallet_kind *kind, uint32_t *key);

/* How to spend one input. hash_type 0: ALL (taproot: DEFAULT). SIGHASH_SINGLE only with its output.
 */
struct wallet_spend {
    enum wallet_kind kind;
    uint32_t key;
    uint8_t hash_type;
};

/* Appends tx, with all its inputs signed, to out. Read of tx are version, lock_time, outputs, and
 * of inputs prevout and sequence. prevouts are the outputs spent, spends how, one an input. arena
 * is for scratch: the caller resets it. */
void wallet_sign(const struct wallet *wallet, struct buffer *out, const struct tx *tx,
                 const struct tx_output *prevouts, const struct wallet_spend *spends,
                 struct arena *arena);
#endif
