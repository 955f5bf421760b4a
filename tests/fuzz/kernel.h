/* kernel.h - what the reference node's own library says (libbitcoinkernel of version 32), for
 * harnesses that compare our verdicts with it. CAESURE_KERNEL names the library; without it nothing
 * here may be called. */
#ifndef TESTS_KERNEL_H
#define TESTS_KERNEL_H
#include "codec/tx.h"

/* Whether there is a library to compare with; a wrong CAESURE_KERNEL ends the program. */
bool kernel_is_there(void);

struct kernel_tx;

/* A transaction that fills raw, and the outputs that it spends (count of them: its inputs, or 0:
 * none are given). NULL: the library does not take these bytes for one. */
struct kernel_tx *kernel_tx_new(struct bytes raw, const struct tx_output *prevouts, size_t count);
void kernel_tx_free(struct kernel_tx *tx);

/* Context-free rules (CheckTransaction). */
bool kernel_tx_passes(const struct kernel_tx *tx);
void kernel_tx_id(const struct kernel_tx *tx, uint8_t txid[32]);
/* flags: of script/flags.h, sound, consensus only. */
bool kernel_script_passes(const struct kernel_tx *tx, uint32_t input_index, uint32_t flags);

/* Whether raw begins with a block: how many bytes it has, or 0. */
size_t kernel_block_size(struct bytes raw);
/* Of a block: CheckBlock for regtest, without proof of work. */
bool kernel_block_passes(struct bytes raw);

/* A chain of regtest with its blocks in directory, which exists; all else is in memory. */
struct kernel_chain;
struct kernel_chain *kernel_chain_new(const char *directory);
void kernel_chain_free(struct kernel_chain *chain);
/* Judges a block, if these bytes begin with one. */
void kernel_chain_feed(struct kernel_chain *chain, struct bytes raw);
void kernel_chain_tip(const struct kernel_chain *chain, struct block_hash *tip);
#endif
