/* pipeline.h - the threads, rings and credits that blocks move through, and the intake.
 *
 *     reserve → submit → [parse] → ledger thread → [check] → (disk) → [verify] → ledger thread
 *
 * [stage]: on the workers. Back-pressure exists at pipeline_reserve only; every ring holds all
 * admitted work, so an inner push always succeeds. */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H
#include "base/cipher.h"
#include "base/histogram.h"
#include "pipeline/job.h"
#include "pipeline/parts.h"
#include "pipeline/work.h"
#include "store/block_table.h"
#include <pthread.h>

#define JOB_MAX      1000
#define NODE_MAX     (1u << 24) /* headers; address space only until used */
#define WORKER_MAX   256
#define COMMAND_MAX  4096 /* commands to the ledger thread at once */
#define JOB_URGENT   16   /* of JOB_MAX, kept back for RESERVE_URGENT */
#define BATCH_INPUTS 32
#define SPARE_ARENAS 32

/* The work in hand on a header, by its index: what does not belong in the tree. */
struct node_work {
    struct world *world;        /* ledger thread */
    _Atomic uint32_t submitted; /* jobs that expect this block and are not back from parse */
    struct block_job *job;      /* ledger thread: the job that has this block in hand */
    _Atomic(const uint8_t *)
        resident; /* ledger thread writes, workers read: the block's bytes while in memory.
                   * Pairs release with acquire: the bytes are whole when seen. */
    struct resident
        *held_by; /* the same, under the tree's mutex: for threads that are no workers */
};

/* CPU time and volume of a stage, summed over threads. */
struct stage_stats {
    _Atomic uint64_t busy_ns;
    _Atomic uint64_t jobs;
    struct histogram times; /* CPU time of a job */
};

/* CPU time of the calling thread. */
uint64_t thread_cpu_ns(void);

struct pipeline_stats {
    struct stage_stats parse, check, verify, work, ledger, disk;
    struct stage_stats parts;      /* of the ledger's work, those that workers did */
    _Atomic uint64_t own_parts_ns; /* CPU time of those that the ledger thread did itself */
    /* Wall time asleep: for input, for parts that workers have, of submitters for credit. */
    _Atomic uint64_t workers_wait_us, ledger_wait_us, disk_wait_us, parts_wait_us, credit_wait_us;
    _Atomic uint64_t cold_prevouts, inputs_verified, scripts_skipped;
    _Atomic uint64_t credit_waits;
    struct histogram connects; /* world_connect of a block */
    struct histogram reads;    /* a block's prevouts from the disk, from asking to the last */
};

struct worker {
    struct pipeline *pipeline;
    pthread_t thread;
    struct script_machine *machine;
    struct aead *aead; /* NULL where there is no such cipher */
    uint32_t turn;
};

struct pipeline {
    const struct params *params;
    const struct ledger_key *key;
    struct block_table *table;
    struct node_work *work; /* NODE_MAX, reserved address space */

    uint32_t worker_count;
    struct worker *workers;
    struct mpmc parse_ring, check_ring, verify_ring;
    struct mpmc work_ring;
    _Atomic uint32_t work_limit; /* of all gates */
    struct waiter worker_waiter;
    struct parts parts;
    _Atomic bool is_stopping;
    pthread_mutex_t
        closing_mutex; /* nothing is pushed by outsiders once is_closed is set under it */
    bool is_closed;

    struct mpmc ledger_ring; /* struct message */
    struct waiter ledger_waiter;

    struct mpmc disk_ring;     /* struct disk_task */
    struct disk *disk;         /* of the disk thread */
    _Atomic bool is_disk_open; /* disk may be woken */

    /* credits */
    struct block_job *jobs;
    struct mpmc free_jobs;
    size_t credit_limit;
    _Atomic size_t credit_used;
    _Atomic size_t near_used; /* of that, by blocks from files */
    struct waiter credit_waiter;
    _Atomic uint32_t submitted_count; /* jobs between submit and release */
    _Atomic uint32_t parsing_count;   /* between submit and the ledger thread */
    void (*on_credit)(void *context); /* set before the start; any thread; may be NULL */
    void *on_credit_context;

    /* The arenas of the last blocks that left, the last one first: what a block needs of memory is
     * near to the processor then, and is not asked of the system. */
    pthread_mutex_t arena_mutex;
    struct arena spare_arenas[SPARE_ARENAS];
    size_t spare_arena_count;

    struct pipeline_stats stats;
};

void pipeline_init(struct pipeline *pipeline, const struct params *params,
                   const struct ledger_key *key, struct block_table *table, uint32_t worker_count,
                   size_t credit_limit);
void pipeline_start(struct pipeline *pipeline); /* the workers */
/* From now on what is submitted is given back at once, unjudged. */
void pipeline_close_intake(struct pipeline *pipeline);
/* Stops and joins the workers; jobs in the rings stay where they are. */
void pipeline_stop(struct pipeline *pipeline);
/* After all threads are joined: whoever submitted a block that has no verdict hears of it, and who
 * pushed a task that did not run. */
void pipeline_give_back(struct pipeline *pipeline);
void pipeline_clear(struct pipeline *pipeline);

/* Blocks from a file come as fast as they are taken: beyond a few for each worker they would only
 * push each other out of the processor's caches. So there is less credit for them together; what
 * others hold is no part of that, since it may wait for just the block that a file brings. */
enum reserve {
    RESERVE_TRY,    /* NULL when there is no credit or no free job */
    RESERVE_NEAR,   /* the same, for blocks from a file */
    RESERVE_WAIT,   /* for them too: until there is; NULL when the pipeline stops */
    RESERVE_URGENT, /* over the limit: for the one lowest missing block, which all others may wait
                       for */
};

/* What a block of so many bytes counts for: views, events and coins of a usual one take about as
 * much again two and a half times. */
size_t pipeline_credit_of(size_t size);

/* A job with a buffer of size bytes to be filled (job->buffer), and a credit. Any thread.
 * size: BLOCK_SIZE_MAX at most. */
struct block_job *pipeline_reserve(struct pipeline *pipeline, size_t size, enum reserve how);
/* Corrects the size when the block arrives smaller than reserved. */
void pipeline_resize(struct block_job *job, size_t size);
/* Hands a filled job over: is_requested, expected, done and context are set by the caller. Never
 * waits. */
void pipeline_submit(struct block_job *job);
/* Gives back a job that is not submitted. */
void pipeline_release(struct block_job *job);

/* For the parse stage: memory for what is computed of job; pipeline_release takes it back. */
void pipeline_take_arena(struct pipeline *pipeline, struct block_job *job);
/* waiter_wait, its time added to *wait_us. */
void wait_and_count(struct waiter *waiter, uint32_t prepared, int64_t timeout_us,
                    _Atomic uint64_t *wait_us);
/* For stages: to the ledger thread, to the disk thread. */
void pipeline_post(struct pipeline *pipeline, struct message *message);
void pipeline_task(struct pipeline *pipeline, struct disk_task *task);
/* A job that workers have done all they do for. */
void pipeline_checked(struct pipeline *pipeline, struct block_job *job);
void pipeline_push_check(struct pipeline *pipeline, struct block_job *job);

static inline struct node_work *work_of(struct pipeline *pipeline, const struct header_node *node)
{
    return &pipeline->work[node->index];
}

/* For workers: runs a task of work.h; false when there is none. */
bool work_pop(struct worker *worker);
void work_give_back(struct pipeline *pipeline); /* part of pipeline_give_back */

/* The stages. Each leaves the job with whoever comes next. */
void parse_stage(struct pipeline *pipeline, struct block_job *job);
void check_stage(struct pipeline *pipeline, struct block_job *job);
void verify_stage(struct pipeline *pipeline, struct block_job *job, struct script_machine *machine);
#endif
