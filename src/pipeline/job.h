/* job.h - one block on its way through the stages. It goes by pointer; at each moment one stage
 * owns it, and only the fields marked atomic are touched by several threads at once. What it points
 * to lives in its buffer (the block's bytes, then resident for later blocks' prevouts) and in its
 * arena (all else, freed in one step). */
#ifndef PIPELINE_JOB_H
#define PIPELINE_JOB_H
#include "chain/block_rules.h"
#include "io/disk.h"
#include "ledger/ledger.h"
#include "pipeline/ring.h"
#include "script/verify.h"
#include "store/prevouts.h"
#include "store/writer.h"

struct pipeline;
struct block_job;

/* What became of a block that was submitted. */
struct block_result {
    enum verdict verdict; /* VALID: accepted and verified, unless is_unjudged */
    bool is_unjudged; /* kept, or passed over for too little work: its parent's block is missing or
                         too deep */
    enum script_error script_error;
    struct header_node *node; /* NULL if its header was not accepted */
    int32_t version;          /* of the header, for bad-version */
};

/* The whole reason as the reference node words it. */
void block_result_format(char out[VERDICT_FORMAT_SIZE], const struct block_result *result);

enum message_kind {
    MESSAGE_PARSED,   /* a job from parse */
    MESSAGE_CHECKED,  /* a job from check or verify: all that workers do is done */
    MESSAGE_APPENDED, /* a job's bytes are written */
    MESSAGE_READ,     /* a job's bytes were read back (job->read_error) */
    MESSAGE_SYNCED,   /* blocks.bin and its metadata are durable */
    MESSAGE_COMMAND,
};

/* What the ledger thread's ring carries: embedded in what it is about. */
struct message {
    enum message_kind kind;
};

enum disk_task_kind {
    TASK_APPEND,
    TASK_REPAIR,
    TASK_PREVOUTS,
    TASK_READ_BLOCK,
    TASK_READ, /* an engine_read */
    TASK_SYNC,
    TASK_STOP
};

/* What the disk thread's ring carries. */
struct disk_task {
    enum disk_task_kind kind;
    struct block_job *job; /* but for READ, SYNC and STOP */
};

enum job_state {
    JOB_FREE,
    JOB_RESERVED,
    JOB_PARSING,
    JOB_READING, /* from blocks.bin */
    JOB_WAITING, /* parsed; its parent has no world yet */
    JOB_CONNECTED,
    JOB_PASSED, /* all checks passed, its parent's chain is not verified yet */
    JOB_FAILED, /* a check failed, its parent's chain is not verified yet: judged when it is */
    JOB_DONE,   /* only its append is still under way */
};

/* Inputs that a worker verifies in one go: they follow each other in block order. */
struct batch {
    uint32_t tx_index, input_index; /* the first */
    uint32_t first;                 /* its place in the flat arrays */
    uint32_t count;
};

/* A transaction whose check waits for the disk, and the first of its inputs among the block's. */
struct pending_tx {
    uint32_t tx_index, input_index;
};

struct block_job {
    struct pipeline *pipeline;
    enum job_state state; /* ledger thread, but for the intake's */

    /* intake */
    uint8_t *buffer; /* malloc'ed; NULL once the block is resident */
    struct resident *resident;
    size_t size, capacity;
    size_t credit;
    bool is_near; /* from a file: a part of their credit too */
    struct header_node
        *expected; /* set by the submitter who knows the header: its children wait for it */
    struct header_node *node; /* set when the header is known and accepted */
    uint64_t pos;             /* in blocks.bin; 0: nowhere yet */
    bool is_stored;           /* pos is set, the bytes came from there */
    bool is_known_valid;      /* and were checked before: only their coins are wanted */
    bool is_requested;
    uint32_t checksum; /* the submitter: as in header_node; of a block that is not stored yet */
    bool is_awaited;   /* the submitter: what comes before it was asked for too */
    bool is_held;      /* ledger thread: it waits in memory for a block that is not here yet */
    bool is_submitted; /* the pipeline's */
    void (*done)(void *context,
                 const struct block_result *result); /* on the ledger thread; may be NULL */
    void *context;

    /* parse */
    struct arena arena;
    struct bytes raw;
    struct block block;
    struct block_facts facts;
    enum verdict verdict;
    struct block_events events; /* its world's, once it is connected */

    /* connect */
    struct world *world;
    enum bip30 bip30;
    struct coin_ref *refs;
    uint32_t script_flags;
    bool skips_scripts;
    uint64_t serial; /* order of connects: what may still be read of evicted residents */
    struct block_job *older, *newer; /* connected jobs, oldest first */

    /* check: flat arrays over all inputs but the coinbase's */
    struct tx_output *prevouts;
    struct coin_origin *origins;
    struct prevout_request request;
    uint64_t request_us; /* the disk thread's: when it began */
    bool is_cold_done;
    struct batch *batches;
    uint32_t batch_count;
    struct sighash_parts **tx_parts; /* of transactions that span batches; else NULL */
    struct pending_tx *pending;
    uint32_t pending_count;
    int64_t fees_sat;
    uint64_t sigop_cost;

    /* verify */
    _Atomic uint32_t cursor;        /* next batch */
    _Atomic uint32_t references;    /* tokens in the ring or at work */
    _Atomic uint32_t is_dropped;    /* its world is gone: workers give up early */
    _Atomic uint32_t script_failed; /* enum script_error of some failing input; 0: none */

    /* store */
    bool is_append_pending;
    struct append append;
    struct disk_op read_op;
    int read_error;

    struct message message, appended_message;
    struct disk_task append_task, read_task;
    uint64_t submitted_us;
};
#endif
