/* plan.h - the transactions of one block, first as what they spend and make, then signed. A plan is
 * filled by one thread; signing spreads over a pool and gives the same bytes however many threads
 * there are. */
#ifndef CHAINGEN_PLAN_H
#define CHAINGEN_PLAN_H
#include "base/arena.h"
#include "chaingen/coins.h"

struct plan_output {
    uint32_t key;
    enum wallet_kind kind;
    int32_t spend_height; /* MIX_NEVER: not to be spent; MIX_NEVER too for OP_RETURN */
};

struct plan_tx {
    struct tx tx; /* as wallet_sign reads it; of prevouts made in this block the txid comes when
                     signing */
    struct tx_output *prevouts;
    struct wallet_spend *spends;
    uint32_t *parents; /* of each input: index in the plan, or COIN_NO_PARENT */
    struct plan_output *made;
    struct buffer raw; /* signed */
    struct txid txid;
    bool is_signed; /* under the pool's mutex while signing */
};

struct plan {
    struct arena arena; /* what the txs point to, but raw */
    struct plan_tx *txs;
    uint32_t count, capacity; /* raw buffers up to capacity are kept from block to block */
    int64_t fees_sat;
    uint64_t input_count;
};

void plan_init(struct plan *plan);
void plan_reset(struct plan *plan);
void plan_free(struct plan *plan);
/* A transaction with unset arrays of these sizes. Pointers to earlier ones become invalid. */
struct plan_tx *plan_add(struct plan *plan, uint32_t input_count, uint32_t output_count);

struct sign_pool;

struct sign_pool *sign_pool_new(const struct wallet *wallet, uint32_t thread_count);
void sign_pool_free(struct sign_pool *pool);
/* Signs all of plan. */
void sign_pool_run(struct sign_pool *pool, struct plan *plan);
#endif
