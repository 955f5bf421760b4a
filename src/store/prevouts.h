/* prevouts.h - reads TxOuts out of blocks.bin, many at a time.
 * The positions of a request are sorted; those of one 4 KiB page cost one read; the TxOuts are
 * copied into the request's arena as the reads complete. A fixed pool of buffers bounds what is in
 * flight; requests wait for it in their order. Thread: the owner of disk. While a request is under
 * way this thread owns it, its array and its arena. */
#ifndef STORE_PREVOUTS_H
#define STORE_PREVOUTS_H
#include "base/arena.h"
#include "io/disk.h"

#define TXOUT_SCRIPT_MAX 10000 /* a longer one is unspendable and never a coin */

/* A TxOut: amount, compact size, script. */
struct txout {
    int64_t amount_sat;
    struct bytes script_pubkey;
    struct bytes raw; /* all of it */
};

enum txout_result { TXOUT_OK, TXOUT_SHORT, TXOUT_BAD };
/* The TxOut at the beginning of data. TXOUT_SHORT: data ends before it does. TXOUT_BAD: no coin's
 * TxOut (amount out of range, script too long, size not canonical). */
enum txout_result txout_parse(struct txout *txout, struct bytes data);

struct prevout_read {
    uint64_t pos;
    uint32_t tag; /* the caller's, since the array is sorted */
    bool is_open; /* the reader's */
    struct txout txout;
};

struct prevout_request {
    struct prevout_read *reads; /* pos and tag set; sorted by pos when done */
    size_t count;               /* at least 1 */
    struct arena *arena;
    /* error 0: every txout is there; -EBADMSG: at bad_pos there is none (bit rot); -ENOMEM: the
     * arena is full; else what a read gave. Called from inside disk_run. */
    void (*done)(struct prevout_request *request, int error);
    uint64_t bad_pos; /* of the first trouble */
    /* the reader's: */
    struct prevout_request *next;
    size_t cursor;
    size_t in_flight;
    size_t open_count;
    bool is_second_pass;
    int error;
};

struct prevouts;

/* file: blocks.bin, opened with DISK_OPEN_RANDOM. buffer_count buffers of 12 KiB. */
struct prevouts *prevouts_new(struct disk *disk, struct disk_file *file, size_t buffer_count);
void prevouts_free(struct prevouts *prevouts); /* nothing under way */

void prevouts_read(struct prevouts *prevouts, struct prevout_request *request);

struct prevouts_stats {
    uint64_t txout_count, read_count, read_size;
    size_t request_count; /* waiting or under way now */
};
struct prevouts_stats prevouts_stats(const struct prevouts *prevouts);
#endif
