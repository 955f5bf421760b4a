/* audit.h - the coin set in figures that other nodes have too: count, amount, hash_serialized_3 and
 * MuHash. */
#ifndef PIPELINE_AUDIT_H
#define PIPELINE_AUDIT_H
#include "pipeline/engine.h"

/* The run of the audit command: the coins of the tip's world are listed on the ledger thread, then
 * read and hashed on the jobs thread. "cancel" ends the one at work. */
void run_audit(struct engine *engine, struct command *command);
#endif
