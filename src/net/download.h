/* download.h - the plan of which block is asked of which peer: a window over the blocks that are
 * missing of the best header chain, filled from all peers at once.
 *
 * Blocks are asked in order, each of one peer; the lowest missing one of a second peer too when it
 * is late, since everything waits for it. A peer has 2 to peer_blocks_max blocks in flight: 2 and
 * as many as it has delivered lately, so that a fast peer has its line full and a slow one holds up
 * little. A peer for whose block the whole window waits is a staller.
 *
 * Thread: the net thread. Time is an argument; nothing here is random. A node is used by its fields
 * of insertion; only download_follow looks at what changes, so it is called under the tree's mutex.
 */
#ifndef NET_DOWNLOAD_H
#define NET_DOWNLOAD_H
#include "chain/header_tree.h"

#define DOWNLOAD_WINDOW_MAX 1024
#define DOWNLOAD_ASIDE_MAX  16 /* blocks in flight from a peer that is asked for more aside */
#define DOWNLOAD_LIMITED_DEPTH                                                                     \
    286 /* a NETWORK_LIMITED peer is asked for blocks less far below its tip */

struct download;

struct download_config {
    uint32_t window;          /* blocks; at most DOWNLOAD_WINDOW_MAX */
    uint32_t peer_blocks_max; /* in flight from one peer */
    size_t
        bytes_max; /* expected, of all blocks in flight; the lowest missing one does not mind it */
};

/* Part of a peer. The caller sets what is marked so. */
struct download_peer {
    bool is_limited;     /* caller: has only the last blocks */
    int32_t best_height; /* caller: of the best header it is known to have */
    int32_t
        has_height; /* caller: up to which height it has the followed chain; -1: nothing known */
    /* download.c's */
    struct download_peer *next;
    uint32_t in_flight;
    double recent;                 /* blocks delivered lately */
    uint64_t recent_ms;            /* when that was worked out */
    uint64_t downloading_since_ms; /* of the oldest block in flight, or the last delivery */
    uint64_t late_until_ms; /* it is asked for nothing new: another had to be asked in its stead */
    uint64_t stalling_since_ms; /* 0: not */
};

struct download *download_new(const struct download_config *config);
void download_free(struct download *download);

/* peer is zeroed but for the caller's fields. After remove its blocks are asked of others. */
void download_add_peer(struct download *download, struct download_peer *peer, uint64_t now_ms);
void download_remove_peer(struct download *download, struct download_peer *peer);

/* What is missing between have (stored, with all before it) and best is to be downloaded; what was
 * planned on another chain is forgotten. Call it when either changes; have steps back when a stored
 * block was lost. */
void download_follow(struct download *download, struct header_node *best, struct header_node *have);

/* The next block to ask of peer, now counted as asked; NULL if there is none for it. is_lowest: all
 * others wait for it. Call it for every peer whenever something came, and at least once a second.
 */
struct header_node *download_next(struct download *download, struct download_peer *peer,
                                  uint64_t now_ms, bool *is_lowest);
/* It could not be asked after all. */
void download_unask(struct download *download, struct download_peer *peer,
                    const struct header_node *node);

/* A block that peer surely has, in the plan or not: of a branch with no less work than the tip's,
 * since the best headers' chain may have a block that nobody can give. True when it is to be asked,
 * now counted as asked; false if it is under way or was refused by peer. */
bool download_ask_aside(struct download *download, struct download_peer *peer,
                        struct header_node *node, uint64_t now_ms);

enum download_arrival {
    DOWNLOAD_NOT_ASKED, /* of this peer: whatever it is, the plan does not count on it */
    DOWNLOAD_FIRST,
    DOWNLOAD_AGAIN, /* it was asked of two peers, and the other was faster */
};

/* A block came from peer. *node: the block's, if it is one of the plan, else NULL. */
enum download_arrival download_arrived(struct download *download, struct download_peer *peer,
                                       const struct block_hash *hash, size_t size, uint64_t now_ms,
                                       struct header_node **node);
/* The block is stored, however it came. */
void download_stored(struct download *download, const struct header_node *node);
/* What came was not the block, or could not be kept: ask others; not peer again, if it is not NULL.
 */
void download_failed(struct download *download, const struct header_node *node,
                     struct download_peer *peer);
/* peer says that it does not have it. */
void download_refused(struct download *download, struct download_peer *peer,
                      const struct block_hash *hash);

/* A peer to part with: a staller, or one whose block is overdue. NULL if there is none. Its time
 * begins anew, so that a peer that is kept all the same comes up again later. */
enum download_fault { DOWNLOAD_STALLS, DOWNLOAD_OVERDUE };
struct download_peer *download_find_fault(struct download *download, uint64_t now_ms,
                                          enum download_fault *fault);

struct download_stats {
    int32_t lowest; /* height of the lowest missing block; -1: nothing is missing */
    uint32_t wanted, asked, arrived;
    uint32_t expected_size; /* of a block, from the last ones */
    uint64_t stall_timeout_ms;
};
void download_stats(const struct download *download, struct download_stats *stats);

/* The lowest missing block is expected from peer, among others. */
bool download_waits_for(const struct download *download, const struct download_peer *peer);

/* How many blocks peer may have in flight now. */
uint32_t download_quota(const struct download *download, const struct download_peer *peer,
                        uint64_t now_ms);
#endif
