/* work.h - tasks for the workers beside the stages: hashing and ciphers of large messages,
 * look-ups. A task is part of what it is about and stays until done is called. Tasks of an owner
 * may run at once and end in any order; workers take them in turns with blocks, so that neither
 * side waits for the other's end. */
#ifndef PIPELINE_WORK_H
#define PIPELINE_WORK_H
#include "base/bytes.h"
#include <stdatomic.h>

#define WORK_MAX 4096 /* tasks of all owners at once */

struct pipeline;
struct worker; /* of pipeline.h: what a thread has of its own */

struct work {
    void (*run)(struct work *work, struct worker *worker); /* on a worker */
    /* The last call, on the worker, or without run on the thread that stops the pipeline: it sends
     * the task home (a ring, reactor_post) and neither waits nor works. */
    void (*done)(struct work *work);
    bool is_run;
    struct work_gate *gate; /* the pipeline's */
};

/* An owner's bound, taken once: the ring holds all that any gate admits, so a push never fails
 * behind it. */
struct work_gate {
    struct pipeline *pipeline;
    uint32_t limit;
    _Atomic uint32_t used; /* any thread */
};

/* The limits of all open gates together are at most WORK_MAX. */
void work_gate_open(struct work_gate *gate, struct pipeline *pipeline, uint32_t limit);
void work_gate_close(struct work_gate *gate); /* nothing of it is under way */

/* Any thread; run and done are set. False when limit tasks are under way or the pipeline is
 * stopping: then nothing is called. */
MUST_CHECK bool work_push(struct work_gate *gate, struct work *work);
#endif
