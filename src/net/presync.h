/* presync.h - headers of a chain that has not shown enough work yet: read twice, so that worthless
 * ones cost no memory that lasts. First pass: only the work is added up, and a bit of a keyed hash
 * is kept of every so many headers. When the work suffices, second pass: the same headers again,
 * held back until enough of those bits have agreed, then released for the header tree. Pure; the
 * net thread; one for each peer that is being read so. */
#ifndef NET_PRESYNC_H
#define NET_PRESYNC_H
#include "chain/header_tree.h"

struct presync;

enum presync_result {
    PRESYNC_MORE,   /* ask for the headers after presync_last_hash */
    PRESYNC_DONE,   /* over: everything was released */
    PRESYNC_FAILED, /* over: too little work, too long, or not the same chain again */
};

/* start: the last header of ours that the peer's chain builds on; minimum_work: of the whole chain
 * with start's. entropy: unpredictable to peers. */
struct presync *presync_new(const struct params *params, const struct header_node *start,
                            const struct u256 *minimum_work, int64_t now_s,
                            const uint8_t entropy[24]);
void presync_free(struct presync *presync);

/* The next headers from the peer, count > 0. The caller has seen that each follows the one before
 * it and has the proof of work that its own bits ask for. is_full: the message had as many as one
 * can have. After DONE or FAILED nothing but presync_pop and presync_free may be called. */
enum presync_result presync_add(struct presync *presync, const struct header *headers,
                                uint32_t count, bool is_full);

/* The next header that is released; false when there is none. To be called until then after each
 * presync_add, also after DONE and FAILED. */
bool presync_pop(struct presync *presync, struct header *header);

/* What a locator begins with; presync_start's own locator follows. */
struct block_hash presync_last_hash(const struct presync *presync);
const struct header_node *presync_start(const struct presync *presync);

/* For stats: whether it is the second pass, and the height reached in this pass. */
bool presync_is_second(const struct presync *presync);
int32_t presync_height(const struct presync *presync);
#endif
