/* test_parts.c - parts taken by several threads: each once, of the right job, and all done when
 * parts_do_all returns (run it under TSan too). */
#include "pipeline/parts.h"
#include "shared_files.h"
#include <pthread.h>

#define HELPERS  3
#define JOBS     20000
#define PART_MAX 33

struct job {
    uint32_t number;
    uint32_t done[PART_MAX]; /* plain: who has the part writes, then the caller reads */
    pthread_t by[PART_MAX];
};

static struct {
    struct parts parts;
    struct waiter helpers;
    _Atomic bool is_over;
    _Atomic uint64_t helped;
} rig;

static void run(void *arg, uint32_t part)
{
    struct job *job = arg;

    job->done[part] += job->number;
    job->by[part] = pthread_self();
}

static void *help(void *arg)
{
    while (!atomic_load(&rig.is_over)) {
        if (parts_are_open(&rig.parts) && parts_do_one(&rig.parts)) {
            atomic_fetch_add(&rig.helped, 1);
            continue;
        }
        uint32_t prepared = waiter_prepare(&rig.helpers);
        if (atomic_load(&rig.is_over) || parts_are_open(&rig.parts))
            waiter_cancel(&rig.helpers);
        else
            waiter_wait(&rig.helpers, prepared, 1000);
    }
    return arg;
}

START_TEST(each_part_is_done_once_before_the_call_returns)
{
    pthread_t threads[HELPERS];

    for (int i = 0; i < HELPERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, help, NULL), 0);
    for (uint32_t n = 1; n <= JOBS; n++) {
        struct job job = {.number = n};
        uint32_t count = 1 + n % PART_MAX;

        parts_do_all(&rig.parts, run, &job, count, &rig.helpers, HELPERS);
        ck_assert(!parts_are_open(&rig.parts));
        for (uint32_t p = 0; p < PART_MAX; p++)
            ck_assert_uint_eq(job.done[p], p < count ? n : 0);
    }
    atomic_store(&rig.is_over, true);
    waiter_wake(&rig.helpers, HELPERS);
    for (int i = 0; i < HELPERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_gt(atomic_load(&rig.helped), 0);
}
END_TEST

START_TEST(nobody_is_waited_for_who_does_not_come)
{
    struct job job = {.number = 7};

    parts_do_all(&rig.parts, run, &job, 32, &rig.helpers, 4);
    for (uint32_t p = 0; p < 32; p++) {
        ck_assert_uint_eq(job.done[p], 7);
        ck_assert(pthread_equal(job.by[p], pthread_self()));
    }
    ck_assert(!parts_do_one(&rig.parts));
}
END_TEST

int main(void)
{
    return SUITE_RUN("parts", each_part_is_done_once_before_the_call_returns,
                     nobody_is_waited_for_who_does_not_come);
}
