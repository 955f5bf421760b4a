/* writer.h - the disk thread's half of the store: appends to blocks.bin and metadata.bin, and
 * syncs.
 *
 * 1. The ledger thread alone gives positions (record_pos of the end so far), so nobody waits for
 * the write to know them. Appends must come here in the order of their positions, without gaps.
 * 2. One vectored write of many records is in flight at a time; an fdatasync is submitted only when
 * all it covers is completed.
 * 3. blocks.bin is synced every 128 MB, 10 s after the first unsynced byte, when 16,384 metadata
 * records wait for it, and when asked.
 * 4. A metadata record is written only when its block is synced, and carries that synced position.
 * Each sync of blocks.bin is followed by the waiting metadata records and an fdatasync of
 * metadata.bin.
 * 5. The first failed write or sync ends it: every wait, this and later ones, gets the error;
 * nothing is tried again. The node stops. Thread: all calls from the owner of disk; callbacks come
 * from inside disk_run. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H
#include "store/blocks.h"
#include "store/metadata.h"

#define WRITER_SYNC_SIZE 128000000
#define WRITER_SYNC_MS   10000

struct writer;

/* Lives in the struct that waits (block_job) until done. */
struct append {
    uint64_t pos;
    struct bytes block;                             /* untouched until done */
    void (*done)(struct append *append, int error); /* 0: written, not yet synced */
    /* the writer's: */
    struct append *next;
    uint8_t framing[RECORD_HEADER_SIZE];
};

struct sync_wait {
    /* error 0: every append and record given before writer_sync is durable; blocks up to
     * synced_end. */
    void (*done)(struct sync_wait *wait, int error, uint64_t synced_end);
    struct sync_wait *next;
    uint64_t end; /* the writer's */
};

/* Both files are open for writing on disk; blocks_end is where the next record begins, synced_end
 * how much of it is known to be durable, metadata_end the end of metadata.bin (whole records).
 * on_synced (may be NULL): blocks.bin and the metadata of its blocks are durable up to synced_end.
 * on_error (may be NULL): once, rule 5. */
struct writer_setup {
    struct disk *disk;
    struct disk_file *blocks, *metadata;
    uint32_t magic;
    uint64_t blocks_end, synced_end, metadata_end;
    void (*on_synced)(void *context, uint64_t synced_end);
    void (*on_error)(void *context, int error, const char *what);
    void *context;
};
struct writer *writer_new(const struct writer_setup *setup);
void writer_free(struct writer *writer); /* nothing under way: writer_is_idle */

void writer_append(struct writer *writer, struct append *append);
/* Puts a rotten block right: the same bytes at the same position (the one exception to
 * append-only). Not before its predecessor is done. */
void writer_repair(struct writer *writer, struct append *append);
/* The record (copied) of a block whose append was given before; synced_end is filled in here. The
 * last one for a position counts. */
void writer_record(struct writer *writer, const struct metadata_record *record);
void writer_sync(struct writer *writer, struct sync_wait *wait);

/* To be called after each disk_run: starts what is due at now_ms (monotonic). Returns in how many
 * ms to call again at the latest, -1: when something happens. */
int writer_tick(struct writer *writer, uint64_t now_ms);
bool writer_is_idle(
    const struct writer *writer); /* nothing queued or under way; unsynced data may exist */

struct writer_stats {
    uint64_t appended_size, append_count, write_count, sync_count;
    uint64_t written_end, synced_end;
};
struct writer_stats writer_stats(const struct writer *writer);
#endif
