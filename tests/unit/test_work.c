/* test_work.c - tasks for the workers: each once, no more at a time than admitted, in turns with
 * blocks, and all back when the pipeline stops (run it under TSan too). */
#include "pipeline/pipeline.h"
#include "shared_files.h"

#define TASKS 2000

struct task {
    struct work work;
    struct bench *bench;
    uint32_t runs, ends;
};

struct bench {
    struct pipeline pipeline;
    struct params params;
    struct work_gate gate;
    _Atomic uint32_t run_count, end_count;
    struct task tasks[TASKS];
    struct task endless;
    _Atomic bool is_over;
};

static struct bench bench;

static void run(struct work *work, struct worker *worker)
{
    struct task *task = (struct task *)work;

    ck_assert_ptr_eq(worker->pipeline, &bench.pipeline);
    task->runs++;
    atomic_fetch_add(&bench.run_count, 1);
}

static void done(struct work *work)
{
    ((struct task *)work)->ends++;
    atomic_fetch_add(&bench.end_count, 1);
}

static void setup(uint32_t workers, uint32_t limit)
{
    memset(&bench, 0, sizeof bench);
    params_init(&bench.params, NETWORK_REGTEST);
    pipeline_init(&bench.pipeline, &bench.params, NULL, NULL, workers, (size_t)1 << 30);
    work_gate_open(&bench.gate, &bench.pipeline, limit);
    for (size_t i = 0; i < TASKS; i++)
        bench.tasks[i].work = (struct work){.run = run, .done = done};
}

static void teardown(void)
{
    pipeline_close_intake(&bench.pipeline);
    pipeline_stop(&bench.pipeline);
    pipeline_give_back(&bench.pipeline);
    work_gate_close(&bench.gate);
    pipeline_clear(&bench.pipeline);
}

START_TEST(each_task_runs_once_and_no_more_are_under_way_than_admitted)
{
    uint32_t refused = 0, most = 0;

    setup(3, 8);
    pipeline_start(&bench.pipeline);
    for (size_t i = 0; i < TASKS; i++)
        while (!work_push(&bench.gate, &bench.tasks[i].work))
            refused++;
    while (atomic_load(&bench.end_count) < TASKS) {
        uint32_t used = atomic_load(&bench.gate.used);
        most = used > most ? used : most;
    }
    ck_assert_uint_le(most, 8);
    teardown();
    for (size_t i = 0; i < TASKS; i++) {
        ck_assert_uint_eq(bench.tasks[i].runs, 1);
        ck_assert_uint_eq(bench.tasks[i].ends, 1);
        ck_assert(bench.tasks[i].work.is_run);
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(what_did_not_run_comes_back_when_the_pipeline_stops)
{
    struct work_gate other;

    setup(1, 4);
    work_gate_open(&other, &bench.pipeline, WORK_MAX - 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert(work_push(&bench.gate, &bench.tasks[i].work));
    ck_assert(!work_push(&bench.gate, &bench.tasks[4].work));
    ck_assert(work_push(&other, &bench.tasks[5].work)); /* its gate is another */
    pipeline_close_intake(&bench.pipeline);
    ck_assert(!work_push(&other, &bench.tasks[6].work));
    pipeline_give_back(&bench.pipeline);
    ck_assert_uint_eq(atomic_load(&bench.end_count), 5);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_uint_eq(bench.tasks[i].runs, 0);
        ck_assert_uint_eq(bench.tasks[i].ends, i != 4 && i != 6);
    }
    work_gate_close(&other);
    teardown();
}
END_TEST

static void submit_junk(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct block_job *job = pipeline_reserve(&bench.pipeline, 100, RESERVE_TRY);

        ck_assert_ptr_nonnull(job);
        memset(job->buffer, 0, 100);
        pipeline_submit(job);
    }
}

/* The parsed blocks that the ledger thread would get. */
static size_t take_parsed(void)
{
    struct message *message;
    size_t count = 0;

    while ((message = mpmc_pop(&bench.pipeline.ledger_ring))) {
        pipeline_release(
            (struct block_job *)((char *)message - offsetof(struct block_job, message)));
        count++;
    }
    return count;
}

static size_t parsed_before;

static void count_parsed(struct work *work, struct worker *worker)
{
    parsed_before = mpmc_count(&worker->pipeline->ledger_ring);
    run(work, worker);
}

START_TEST(a_task_does_not_wait_for_all_blocks)
{
    setup(1, 1);
    submit_junk(900);
    bench.tasks[0].work.run = count_parsed;
    ck_assert(work_push(&bench.gate, &bench.tasks[0].work));
    pipeline_start(&bench.pipeline);
    while (atomic_load(&bench.end_count) == 0)
        ;
    ck_assert_uint_le(parsed_before, 1);
    for (size_t parsed = 0; parsed < 900;)
        parsed += take_parsed();
    teardown();
}
END_TEST

/* Pushes itself anew: there is always a task. */
static void again(struct work *work)
{
    atomic_fetch_add(&bench.end_count, 1);
    if (!atomic_load(&bench.is_over) && !work_push(&bench.gate, work))
        ck_abort_msg("its own place was free");
}

START_TEST(blocks_do_not_wait_for_all_tasks)
{
    setup(1, 1);
    pipeline_start(&bench.pipeline);
    bench.endless.work = (struct work){.run = run, .done = again};
    ck_assert(work_push(&bench.gate, &bench.endless.work));
    submit_junk(100);
    for (size_t parsed = 0; parsed < 100;)
        parsed += take_parsed();
    atomic_store(&bench.is_over, true);
    while (atomic_load(&bench.gate.used) > 0)
        ;
    teardown();
}
END_TEST

int main(void)
{
    return SUITE_RUN("work", each_task_runs_once_and_no_more_are_under_way_than_admitted,
                     what_did_not_run_comes_back_when_the_pipeline_stops,
                     a_task_does_not_wait_for_all_blocks, blocks_do_not_wait_for_all_tasks);
}
