#include "pipeline/pipeline.h"

void work_gate_open(struct work_gate *gate, struct pipeline *pipeline, uint32_t limit)
{
    uint32_t all = atomic_fetch_add(&pipeline->work_limit, limit) + limit;

    assert(all <= WORK_MAX);
    *gate = (struct work_gate){.pipeline = pipeline, .limit = limit};
}

void work_gate_close(struct work_gate *gate)
{
    assert(atomic_load(&gate->used) == 0);
    atomic_fetch_sub(&gate->pipeline->work_limit, gate->limit);
}

static bool admit(struct work_gate *gate)
{
    uint32_t used = atomic_load(&gate->used);

    do {
        if (used == gate->limit)
            return false;
    } while (!atomic_compare_exchange_weak(&gate->used, &used, used + 1));
    return true;
}

bool work_push(struct work_gate *gate, struct work *work)
{
    struct pipeline *pipeline = gate->pipeline;

    pthread_mutex_lock(&pipeline->closing_mutex);
    bool is_good = !pipeline->is_closed && admit(gate);
    if (is_good) {
        work->is_run = false;
        work->gate = gate;
        bool is_pushed = mpmc_push(&pipeline->work_ring, work);
        assert(is_pushed);
    }
    pthread_mutex_unlock(&pipeline->closing_mutex);
    if (is_good)
        waiter_wake(&pipeline->worker_waiter, 1);
    return is_good;
}

/* The gate first: after done the owner may be gone. */
static void finish(struct work *work)
{
    atomic_fetch_sub(&work->gate->used, 1);
    work->done(work);
}

bool work_pop(struct worker *worker)
{
    struct work *work = mpmc_pop(&worker->pipeline->work_ring);

    if (!work)
        return false;
    work->run(work, worker);
    work->is_run = true;
    finish(work);
    return true;
}

void work_give_back(struct pipeline *pipeline)
{
    struct work *work;

    while ((work = mpmc_pop(&pipeline->work_ring)))
        finish(work);
}
