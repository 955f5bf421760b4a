/* engine.h - the node's engine: the header tree, the many-worlds ledger and the pipeline that feeds
 * it, from a base directory. One ledger thread owns tree, worlds and coin index; all others send it
 * commands or blocks.
 *
 * Thread: functions here may be called from any thread unless they say otherwise; callbacks come
 * from the ledger thread and must neither wait nor call back into the engine but by engine_post,
 * pipeline_reserve without waiting and pipeline_submit. */
#ifndef PIPELINE_ENGINE_H
#define PIPELINE_ENGINE_H
#include "base/text.h"
#include "pipeline/pipeline.h"
#include "store/writer.h"

struct engine;

/* How the engine ends, and what opening gives: the node's exit codes follow from these. */
enum engine_error {
    ENGINE_OK,
    ENGINE_DIRECTORY, /* the base directory cannot be used */
    ENGINE_LOCKED,    /* another instance has it */
    ENGINE_URING,     /* io_uring is forbidden or missing */
    ENGINE_DISK,      /* a read, write or sync failed */
    ENGINE_CORRUPT,   /* what is stored contradicts itself and could not be put right */
    ENGINE_MEMORY,    /* too little memory */
    ENGINE_STOPPED,   /* opening was given up because is_cancelled was set */
};

enum engine_log_level { ENGINE_LOG_ERROR, ENGINE_LOG_WARNING, ENGINE_LOG_INFO, ENGINE_LOG_DEBUG };

/* What others hear of the chain. All from the ledger thread, but for credit; any may be NULL. */
struct engine_events {
    void (*log)(void *context, enum engine_log_level level, const char *line);
    void (*tip)(void *context, struct header_node *tip);      /* a new best verified block */
    void (*headers)(void *context, struct header_node *best); /* the best header changed */
    void (*invalid)(void *context, const struct header_node *node, enum verdict verdict);
    void (*failed)(void *context, enum engine_error error,
                   const char *text); /* the node must stop */
    void (*credit)(void *context);    /* credit came back; any thread */
    void *context;
};

struct engine_config {
    const struct params *params; /* borrowed for the engine's life */
    const char *directory;       /* of this network; made if it is missing */
    struct engine_events events;
    uint32_t worker_count;
    int32_t horizon;        /* 20 to 512 */
    size_t in_flight_limit; /* bytes of blocks in flight, with what is computed of them */
    size_t resident_limit;  /* bytes of the last blocks that stay in memory */
    unsigned tag_bits;      /* 64; tests: 12 */
    unsigned uring_without;
    uint32_t audit_part;    /* coins an audit has in memory at once; 0: 1 million */
    uint32_t replay_ms_max; /* a checkpoint is due when replay would take longer; 0: 60 s */
    /* Opens a disk on the directory: the ring, or in tests the simulated disk. depth: operations at
     * once. */
    int (*open_disk)(void *context, struct disk **disk, unsigned depth);
    void *open_disk_context;
    bool has_lock; /* the directory is locked by the caller (tests on a simulated disk) */
    /* Asked by any thread while something takes long, opening or stepping back: true ends it. NULL:
     * never. */
    bool (*is_cancelled)(void *context);
    void *is_cancelled_context;
};

/* Makes the directory if it is missing; engine_open does so too. On failure text has one line with
 * the reason and the remedy. */
MUST_CHECK enum engine_error engine_make_directory(const char *directory, char *text,
                                                   size_t text_size);
/* Starts from what the directory holds: metadata, the end of blocks.bin, the last checkpoint; then
 * the threads. On failure text has one line with the reason and the remedy. */
MUST_CHECK enum engine_error engine_open(struct engine **engine, const struct engine_config *config,
                                         char *text, size_t text_size);
/* Stops the engine's threads: commands and blocks in hand get their answers (blocks: unjudged).
 * Whoever may wait for one can be joined then; engine_close does it otherwise. */
void engine_stop(struct engine *engine);
/* Stops all threads and saves the ledger: everything stored is durable after ENGINE_OK. Frees the
 * engine. */
enum engine_error engine_close(struct engine *engine, char *text, size_t text_size);

/* Counters that grow while the ledger's and the disk thread's loops go round, which they do at
 * least once a second when asked for. Not after engine_stop. */
struct engine_beats {
    uint64_t ledger, disk;
};
struct engine_beats engine_beats(struct engine *engine);

struct pipeline *engine_pipeline(struct engine *engine);
const struct params *engine_params(const struct engine *engine);
struct block_table *engine_table(struct engine *engine);

/* Small figures of now, a copy. */
struct engine_snapshot {
    int32_t height, header_height;
    struct block_hash tip_hash;
    uint32_t tip_time;
    bool is_synced;
    uint64_t blocks, bytes, inputs; /* connected and verified since start */
    uint32_t jobs_in_flight;
    size_t credit_used, resident_size;
    struct ledger_stats ledger;
    int32_t root_height;
    /* The best of the blocks that are stored with all before them: behind the tip when a block
     * before that turned out damaged. */
    struct header_node *whole;
};
void engine_snapshot(struct engine *engine, struct engine_snapshot *snapshot);
void engine_disk_stats(struct engine *engine, struct writer_stats *writer,
                       struct prevouts_stats *prevouts);

/* The ledger thread is in the middle of a step back that takes long: who asks it waits for that. */
bool engine_is_stepping_back(const struct engine *engine);

/* A request to the ledger thread. The struct is the caller's and stays until done is called. */
struct command {
    struct message message;
    void (*run)(struct engine *engine, struct command *command); /* on the ledger thread */
    /* Set by run when the rest takes reading or time: called on the jobs thread after run. */
    void (*work)(struct engine *engine, struct command *command);
    void (*done)(struct command *command); /* last; on the ledger or the jobs thread */
    char *argument;   /* of text commands: what follows the name; may be NULL */
    struct text text; /* the answer */
    void *context;    /* the caller's */
    bool is_pending;  /* run sets it when done will be called later by somebody else */
    bool is_refused;  /* done is called, but the engine stopped before run or in the middle */
    /* run's own */
    struct block_job *job;
    struct command *next;
    union {
        struct {
            uint64_t pos;
            uint32_t size;
        } block;
        void *state;
    } u;
};

/* False when too many commands are waiting already. */
MUST_CHECK bool engine_post(struct engine *engine, struct command *command);

/* The text commands of the operator's socket that the engine answers (tip, hash, at, header, raw,
 * tips, stats, worlds, audit, sendblock, invalidate, reconsider, mocktime, utxo): run for a name,
 * or NULL. The answer is lines in command->text, without the empty line at the end; an error is the
 * one line "error: …". */
struct engine_text_command {
    const char *name, *usage, *help;
    void (*run)(struct engine *engine, struct command *command);
};
const struct engine_text_command *engine_text_commands(size_t *count);

/* Headers in an order in which a parent comes before its children. Ledger thread (from a command's
 * run): inserts those that pass; nodes[i] is NULL for one that does not, with its verdict. Work is
 * not asked for. */
void engine_accept_headers(struct engine *engine, const struct header *headers, size_t count,
                           struct header_node **nodes, enum verdict *verdicts);

/* Reads the header tree from another thread: hold it shortly, change nothing. */
struct header_tree *engine_lock_tree(struct engine *engine);
void engine_unlock_tree(struct engine *engine);

/* Seconds since 1970 by the rules' clock: mocktime if one is set. */
int64_t engine_now(struct engine *engine);

/* command->done when nothing is in flight and nothing stored could be judged further. Ledger thread
 * (a run). */
void engine_when_idle(struct engine *engine, struct command *command);

/* A block's bytes for another thread. Both are to be called with the tree locked (the first) and by
 * any thread (the second). */
struct resident;
/* While the engine has the bytes in memory: they stay until released. NULL: they are in blocks.bin
 * only. */
const struct resident *engine_hold_block(struct engine *engine, const struct header_node *node,
                                         struct bytes *raw);
void engine_release_block(const struct resident *resident);

/* Bytes of blocks.bin read by the disk thread, after all that it reads and appends for the engine.
 * The struct is the caller's until done, which comes from the disk thread. */
#define READ_MAX 512 /* at once */
struct engine_read {
    struct disk_task task; /* first */
    struct disk_op op;
    struct engine *engine;
    uint64_t pos;
    uint8_t *data;
    size_t size;
    int error;
    void (*done)(struct engine_read *read);
};
/* pos, data, size and done are set. False when there are READ_MAX already, or the engine stops. */
MUST_CHECK bool engine_read(struct engine *engine, struct engine_read *read);
void engine_read_done(struct engine_read *read); /* the disk thread's */

/* Reads the block at pos (a borrowed job thread facility): malloc'ed bytes, or NULL. For work
 * functions. */
uint8_t *engine_read_block(struct engine *engine, uint64_t pos, uint32_t size);
#endif
