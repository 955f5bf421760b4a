/* verdict.h - what the rules say of a header, a block or a transaction in a block, with the
 * reference node's reject strings, and what may be done with a block that got it (DESIGN,
 * "Validity"). */
#ifndef CHAIN_VERDICT_H
#define CHAIN_VERDICT_H
#include "base/bytes.h"

enum verdict_class {
    VERDICT_OK,
    VERDICT_KNOWN,          /* nothing new: a duplicate */
    VERDICT_HEADER,         /* the header is bad: it never enters the tree; punish the sender */
    VERDICT_FUTURE,         /* time-too-new: may be good later; nothing stored, nobody punished */
    VERDICT_MISSING_PARENT, /* its parent's header is unknown */
    VERDICT_KNOWN_INVALID,  /* marked before; punish outgoing peers only */
    VERDICT_INVALID_PARENT, /* its parent is marked: so is it, by its ancestor */
    VERDICT_LOW_WORK,       /* nothing stored, nobody punished */
    VERDICT_MUTATED, /* the block hash does not commit to what is wrong: store and mark nothing, ask
                        another peer */
    VERDICT_CONTEXT_FREE, /* store and mark nothing, punish the sender */
    VERDICT_CONSENSUS,    /* invalid for good: this class alone marks the block */
};

/* X(name, reject string, class). Where the reference gives one string in two places of different
 * consequence, there are two names. */
#define VERDICTS(X)                                                                                \
    X(VALID, "valid", VERDICT_OK)                                                                  \
    X(DUPLICATE, "duplicate", VERDICT_KNOWN)                                                       \
    X(DUPLICATE_INVALID, "duplicate-invalid", VERDICT_KNOWN_INVALID)                               \
    /* headers */                                                                                  \
    X(HIGH_HASH, "high-hash", VERDICT_HEADER)                                                      \
    X(PREV_BLK_NOT_FOUND, "prev-blk-not-found", VERDICT_MISSING_PARENT)                            \
    X(BAD_PREVBLK, "bad-prevblk", VERDICT_INVALID_PARENT)                                          \
    X(BAD_DIFFBITS, "bad-diffbits", VERDICT_HEADER)                                                \
    X(TIME_TOO_OLD, "time-too-old", VERDICT_HEADER)                                                \
    X(TIME_TIMEWARP_ATTACK, "time-timewarp-attack", VERDICT_HEADER)                                \
    X(TIME_TOO_NEW, "time-too-new", VERDICT_FUTURE)                                                \
    X(BAD_VERSION, "bad-version", VERDICT_HEADER) /* printed with the version: verdict_format */   \
    X(TOO_LITTLE_CHAINWORK, "too-little-chainwork", VERDICT_LOW_WORK)                              \
    /* a block alone */                                                                            \
    X(BLOCK_DECODE_FAILED, "block-decode-failed", VERDICT_CONTEXT_FREE)                            \
    X(BAD_SIGNET_BLKSIG, "bad-signet-blksig", VERDICT_CONTEXT_FREE)                                \
    X(BAD_TXNMRKLROOT, "bad-txnmrklroot", VERDICT_MUTATED)                                         \
    X(BAD_TXNS_DUPLICATE, "bad-txns-duplicate", VERDICT_MUTATED)                                   \
    X(BAD_BLK_LENGTH, "bad-blk-length", VERDICT_CONTEXT_FREE)                                      \
    X(BAD_CB_MISSING, "bad-cb-missing", VERDICT_CONTEXT_FREE)                                      \
    X(BAD_CB_MISSING_64_BYTES, "bad-cb-missing", VERDICT_MUTATED) /* and a 64-byte transaction */  \
    X(BAD_CB_MULTIPLE, "bad-cb-multiple", VERDICT_CONTEXT_FREE)                                    \
    X(BAD_BLK_SIGOPS, "bad-blk-sigops",                                                            \
      VERDICT_CONTEXT_FREE) /* legacy sigops alone are too many */                                 \
    /* a transaction alone */                                                                      \
    X(BAD_TXNS_VIN_EMPTY, "bad-txns-vin-empty", VERDICT_CONTEXT_FREE)                              \
    X(BAD_TXNS_VOUT_EMPTY, "bad-txns-vout-empty", VERDICT_CONTEXT_FREE)                            \
    X(BAD_TXNS_OVERSIZE, "bad-txns-oversize", VERDICT_CONTEXT_FREE)                                \
    X(BAD_TXNS_VOUT_NEGATIVE, "bad-txns-vout-negative", VERDICT_CONTEXT_FREE)                      \
    X(BAD_TXNS_VOUT_TOOLARGE, "bad-txns-vout-toolarge", VERDICT_CONTEXT_FREE)                      \
    X(BAD_TXNS_TXOUTTOTAL_TOOLARGE, "bad-txns-txouttotal-toolarge", VERDICT_CONTEXT_FREE)          \
    X(BAD_TXNS_INPUTS_DUPLICATE, "bad-txns-inputs-duplicate", VERDICT_CONTEXT_FREE)                \
    X(BAD_CB_LENGTH, "bad-cb-length", VERDICT_CONTEXT_FREE)                                        \
    X(BAD_TXNS_PREVOUT_NULL, "bad-txns-prevout-null", VERDICT_CONTEXT_FREE)                        \
    /* a block after its parent's header */                                                        \
    X(BAD_TXNS_NONFINAL, "bad-txns-nonfinal", VERDICT_CONSENSUS) /* BIP68 gives it too */          \
    X(BAD_CB_HEIGHT, "bad-cb-height", VERDICT_CONSENSUS)                                           \
    X(BAD_WITNESS_NONCE_SIZE, "bad-witness-nonce-size", VERDICT_MUTATED)                           \
    X(BAD_WITNESS_MERKLE_MATCH, "bad-witness-merkle-match", VERDICT_MUTATED)                       \
    X(UNEXPECTED_WITNESS, "unexpected-witness", VERDICT_MUTATED)                                   \
    X(BAD_BLK_WEIGHT, "bad-blk-weight", VERDICT_CONSENSUS)                                         \
    /* a block and the coins it spends */                                                          \
    X(BAD_TXNS_BIP30, "bad-txns-BIP30", VERDICT_CONSENSUS)                                         \
    X(BAD_TXNS_INPUTS_MISSINGORSPENT, "bad-txns-inputs-missingorspent", VERDICT_CONSENSUS)         \
    X(BAD_TXNS_PREMATURE_SPEND_OF_COINBASE, "bad-txns-premature-spend-of-coinbase",                \
      VERDICT_CONSENSUS)                                                                           \
    X(BAD_TXNS_INPUTVALUES_OUTOFRANGE, "bad-txns-inputvalues-outofrange", VERDICT_CONSENSUS)       \
    X(BAD_TXNS_IN_BELOWOUT, "bad-txns-in-belowout", VERDICT_CONSENSUS)                             \
    X(BAD_TXNS_FEE_OUTOFRANGE, "bad-txns-fee-outofrange", VERDICT_CONSENSUS)                       \
    X(BAD_TXNS_ACCUMULATED_FEE_OUTOFRANGE, "bad-txns-accumulated-fee-outofrange",                  \
      VERDICT_CONSENSUS)                                                                           \
    X(BAD_BLK_SIGOPS_COST, "bad-blk-sigops", VERDICT_CONSENSUS)                                    \
    X(BAD_CB_AMOUNT, "bad-cb-amount", VERDICT_CONSENSUS)                                           \
    X(BLOCK_SCRIPT_VERIFY_FLAG_FAILED, "block-script-verify-flag-failed", VERDICT_CONSENSUS)       \
    /* by the operator */                                                                          \
    X(INVALIDATED_BY_HAND, "invalidated-by-hand", VERDICT_CONSENSUS)

enum verdict {
#define X(name, text, class) name,
    VERDICTS(X)
#undef X
        VERDICT_COUNT
};

/* The reject string, without the version of bad-version and the error of a script. */
const char *verdict_text(enum verdict verdict);
enum verdict_class verdict_class(enum verdict verdict);

static inline bool verdict_marks(enum verdict verdict)
{
    return verdict_class(verdict) == VERDICT_CONSENSUS;
}

#define VERDICT_FORMAT_SIZE 128

/* The whole reason as the reference prints it: bad-version(0x00000001) from version,
 * block-script-verify-flag-failed (…) from script_error, the text of the script's error (NULL:
 * none). */
void verdict_format(char out[VERDICT_FORMAT_SIZE], enum verdict verdict, int32_t version,
                    const char *script_error);
#endif
