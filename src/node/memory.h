/* memory.h - how large rings, buffers and budgets are: from the machine's memory, or the cgroup's
 * if that is less. */
#ifndef NODE_MEMORY_H
#define NODE_MEMORY_H
#include "base/text.h"

struct memory_plan {
    uint64_t total;   /* what this process may have */
    size_t in_flight; /* blocks in flight with what is computed of them */
    size_t resident;  /* the last blocks, for their outputs */
    uint64_t coins;   /* bytes the coin index takes for the coins present, with growth */
    uint64_t headers; /* header tree and block table, as present with growth */
    uint64_t worlds;  /* recent coins of horizon blocks */
    size_t serving;   /* blocks on their way to peers */
    uint64_t other;   /* peers, log, slack */
};

/* Bytes that this process may have: RAM, or the limit of its cgroup (v1 or v2). */
uint64_t memory_total(void);

/* For coin_count coins and header_count headers present, or expected. */
void memory_plan(struct memory_plan *plan, uint64_t total, uint64_t coin_count,
                 uint64_t header_count, int32_t horizon, uint32_t worker_count);
uint64_t memory_sum(const struct memory_plan *plan);

/* The table, a line a part. */
void memory_print(const struct memory_plan *plan, struct text *text);
#endif
