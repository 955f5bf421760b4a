/* disk_thread.h - the thread that owns blocks.bin and metadata.bin: reads prevouts first, appends,
 * syncs, reads whole blocks back, and last what others want to read (engine_read). Everybody else
 * sends it tasks (pipeline_task). */
#ifndef PIPELINE_DISK_THREAD_H
#define PIPELINE_DISK_THREAD_H
#include "pipeline/pipeline.h"

struct disk_thread;

struct disk_thread_setup {
    struct pipeline
        *pipeline; /* its disk is set: open on the base directory, given to this thread */
    struct disk_file *blocks, *metadata;
    struct disk_file *blocks_random; /* the same blocks.bin for random access */
    uint32_t magic;                  /* le32 */
    uint64_t blocks_end, synced_end, metadata_end;
};

/* The synced position, published for the ledger thread (MESSAGE_SYNCED tells of changes). */
struct disk_thread *disk_thread_start(const struct disk_thread_setup *setup);
uint64_t disk_thread_synced_end(struct disk_thread *thread);
/* 0, or the first error of an append or sync and what it was: the node stops. */
int disk_thread_error(struct disk_thread *thread, char *text, size_t text_size);

/* The ring itself has failed: what was given may never be done. */
bool disk_thread_is_dead(struct disk_thread *thread);

/* Asks for a sync of everything given so far; MESSAGE_SYNCED follows. Any thread. */
void disk_thread_sync(struct disk_thread *thread);
/* Takes a copy of the record. */
void disk_thread_record(struct disk_thread *thread, const struct metadata_record *record);

/* Finishes what was given, syncs, ends and joins the thread. 0 or -errno of the last sync. The disk
 * is again the caller's. */
int disk_thread_stop(struct disk_thread *thread);

/* Counts the loop's turns, and makes it take one. Any thread. */
uint64_t disk_thread_beat(struct disk_thread *thread);

struct disk_thread_stats {
    struct writer_stats writer;
    struct prevouts_stats prevouts;
};
struct disk_thread_stats disk_thread_stats(struct disk_thread *thread);
#endif
