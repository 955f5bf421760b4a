/* signet.h - the solution of a signet block (BIP325): a script that spends the network's challenge
 * and signs the block, carried in the coinbase's witness commitment. Pure; any thread. */
#ifndef CHAIN_SIGNET_H
#define CHAIN_SIGNET_H
#include "chain/params.h"
#include "codec/block.h"

/* False: bad-signet-blksig. Hashes of the transactions are set; working memory comes from the
 * arena, and one that is full is false too. */
bool signet_check_solution(const struct params *params, const struct block *block,
                           struct arena *arena);
#endif
