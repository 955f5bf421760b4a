/* tx_rules.h - the rules of transactions but for their scripts. Pure; any thread. */
#ifndef CHAIN_TX_RULES_H
#define CHAIN_TX_RULES_H
#include "chain/params.h"
#include "chain/verdict.h"
#include "codec/tx.h"

#define LOCKTIME_THRESHOLD 500000000u /* lock times below are heights */

/* Where the output that an input spends comes from. It stands beside the output itself, the outputs
 * being in an array of their own as script_verify wants them. */
struct coin_origin {
    int32_t height;
    bool is_coinbase;
    uint32_t time; /* median time past of the block before its own (BIP68): set only if
                      tx_input_needs_coin_time */
};

/* The context-free rules. scratch has room for tx->input_count pointers. */
enum verdict tx_check(const struct tx *tx, const struct outpoint **scratch);

/* The fee of tx, which spends prevouts[i] with input i in a block at height, and which tx_check has
 * passed. Missing coins were refused before. Not for coinbases. */
enum verdict tx_check_inputs(const struct tx *tx, const struct tx_output *prevouts,
                             const struct coin_origin *origins, int32_t height, int64_t *fee_sat);

/* Of a transaction that tx_check has passed. */
int64_t tx_output_sum(const struct tx *tx);

/* BIP113: time is the median time past of the parent (before CSV the block's own time). */
bool tx_is_final(const struct tx *tx, int32_t height, int64_t time);
/* Some input has a sequence that lets lock_time count. */
bool tx_lock_time_counts(const struct tx *tx);

/* BIP68, from the CSV height on: false means bad-txns-nonfinal. time is the parent's median time
 * past. BIP68 looks at transactions of version 2 and up. */
bool tx_sequence_locks_pass(const struct tx *tx, const struct coin_origin *origins, int32_t height,
                            int64_t time);
bool tx_input_needs_coin_time(const struct tx *tx, const struct tx_input *input);

/* The sigop cost of a transaction that spends prevouts (of a coinbase: NULL) under the block's
 * script flags. */
uint64_t tx_sigop_cost(const struct tx *tx, const struct tx_output *prevouts, uint32_t flags);
/* Of that, what hangs on the prevouts: the rest is 4 × tx_legacy_sigops. */
uint64_t tx_prevouts_sigop_cost(const struct tx *tx, const struct tx_output *prevouts,
                                uint32_t flags);
#endif
