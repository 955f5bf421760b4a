/* query_dump.h - the text commands that show blocks, transactions and scripts as the first Caesure
 * did. run is on the ledger thread and short; reading and writing text is done on the jobs thread.
 */
#ifndef PIPELINE_QUERY_DUMP_H
#define PIPELINE_QUERY_DUMP_H
#include "pipeline/engine_private.h"

/* block HASH|N, on the best chain if by its height */
void run_block_dump(struct engine *engine, struct command *command);
/* tx TXID [HASH|N]. Without a block it is looked for where the best chain has unspent outputs of
 * it, and in the newest blocks. */
void run_tx_dump(struct engine *engine, struct command *command);
/* script HEX */
void run_script_dump(struct engine *engine, struct command *command);
#endif
