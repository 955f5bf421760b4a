/* tail.h - the blocks appended last, still in their own buffers: most prevouts are found here and
 * nothing is read.
 * Thread: the ledger thread pushes and evicts; a worker may call tail_find for positions of its job
 * while the job pins tail_first_pos as it was at the job's connect: entries from there on stay as
 * they are. The ledger thread gives the least pin of the jobs in flight to tail_evict. */
#ifndef STORE_TAIL_H
#define STORE_TAIL_H
#include "base/bytes.h"

struct tail;

/* At most count_max blocks, a power of two. It must exceed what is kept by as many blocks as can be
 * pushed while a pin holds. */
struct tail *tail_new(size_t count_max);
void tail_free(struct tail *tail); /* empty: tail_evict(tail, 0, UINT64_MAX, …) */

/* pos is behind the last one's block. The bytes stay until owner is given to free_owner. The tail
 * has room: tail_count < count_max. */
void tail_push(struct tail *tail, uint64_t pos, struct bytes block, void *owner);

/* From pos to the end of the block that holds it, or {NULL, 0}: evicted, or not pushed yet. */
struct bytes tail_find(const struct tail *tail, uint64_t pos);

/* Where the oldest block begins; UINT64_MAX when empty (a job that pins that will find nothing
 * older). */
uint64_t tail_first_pos(const struct tail *tail);

/* Gives up the oldest until at most keep_size bytes and keep_count blocks are left, but none that
 * holds pinned_first_pos or lies behind it. */
void tail_evict(struct tail *tail, size_t keep_size, size_t keep_count, uint64_t pinned_first_pos,
                void (*free_owner)(void *context, void *owner), void *context);

size_t tail_count(const struct tail *tail);
size_t tail_size(const struct tail *tail); /* bytes; the ledger thread's */
#endif
