/* sigops.h - how many signature operations scripts may cost, counted as consensus counts them.
 * Pure. */
#ifndef SCRIPT_SIGOPS_H
#define SCRIPT_SIGOPS_H
#include "codec/tx.h"

/* Of one script, up to the first truncated push. Accurate takes OP_1 to OP_16 before a multisig as
 * its number of keys; otherwise each multisig counts 20. */
uint32_t script_sigops(struct bytes script, bool accurate);

/* Legacy sigops of all script_sigs and script_pubkeys of tx, not accurate: × 4 they are cost. */
uint32_t tx_legacy_sigops(const struct tx *tx);

/* BIP16: accurate sigops of the redeem script, 0 if script_pubkey is not P2SH; not yet × 4. */
uint32_t script_p2sh_sigops(struct bytes script_sig, struct bytes script_pubkey);

/* BIP141: of a witness program, bare or in P2SH; × 1 is cost. */
uint32_t script_witness_sigops(const struct tx_input *input, struct bytes script_pubkey);

/* What an input adds to the sigop cost of its transaction beyond 4 × tx_legacy_sigops, under flags.
 */
uint32_t input_sigop_cost(const struct tx_input *input, struct bytes script_pubkey, uint32_t flags);
#endif
