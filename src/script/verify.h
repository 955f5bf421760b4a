/* verify.h - does an input satisfy the script of the output it spends? The whole interpreter:
 * legacy, P2SH (BIP16), witness v0 (BIP141), taproot (BIP341) and tapscript (BIP342). A machine
 * serves one thread; nothing is allocated per script. */
#ifndef SCRIPT_VERIFY_H
#define SCRIPT_VERIFY_H
#include "script/error.h"
#include "script/flags.h"
#include "script/sighash.h"

struct script_machine;

struct script_machine *script_machine_new(void);
void script_machine_free(struct script_machine *machine);

/* SCRIPT_OK, or the first error in the reference node's order of checks. prevouts are the outputs
 * that tx spends, one an input, in order; parts was initialised from the same tx and prevouts (used
 * by every witness signature). flags are sound (script_flags_are_sound). input_index <
 * tx->input_count. */
enum script_error script_verify(struct script_machine *machine, const struct tx *tx,
                                uint32_t input_index, const struct tx_output *prevouts,
                                const struct sighash_parts *parts, uint32_t flags);
#endif
