/* test_engine_crash.c - the engine on the simulated disk: crashes at random operations, failing
 * reads, writes and syncs, a full disk. After each the next start works, nothing that was kept is
 * lost, and in the end tip and coins are the same. CRASH_SEED chooses one run of the crash test;
 * with CAESURE_NIGHT there is also a crash after every single operation. */
#include "base/random.h"
#include "block_maker.h"
#include "generated_chain.h"
#include "shared_files.h"

#define HEIGHT      160
#define CRASHES     100
#define FORK_HEIGHT 112
#define FORK_LENGTH 40 /* longer than the horizon: the root has to step back */

struct crash_rig {
    struct rig rig;
    struct simdisk *sim;
    pthread_t watchman; /* stops the engine when it says that it failed: so does the node */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool has_failed, is_over;
    enum engine_error error;
    char text[256];
};

static struct generated chain;
static char *wanted; /* audit's answer at the end of chain */

static void on_failed(void *context, enum engine_error error, const char *text)
{
    struct rig *rig = context;
    struct crash_rig *crash = (struct crash_rig *)((char *)rig - offsetof(struct crash_rig, rig));

    pthread_mutex_lock(&crash->mutex);
    crash->has_failed = true;
    crash->error = error;
    snprintf(crash->text, sizeof crash->text, "%s", text);
    pthread_cond_signal(&crash->changed);
    pthread_mutex_unlock(&crash->mutex);
}

static void *watch(void *argument)
{
    struct crash_rig *crash = argument;

    pthread_mutex_lock(&crash->mutex);
    while (!crash->has_failed && !crash->is_over)
        pthread_cond_wait(&crash->changed, &crash->mutex);
    bool has_failed = crash->has_failed;
    pthread_mutex_unlock(&crash->mutex);
    if (has_failed)
        engine_stop(crash->rig.engine);
    return NULL;
}

static void crash_init(struct crash_rig *crash, uint64_t seed)
{
    memset(crash, 0, sizeof *crash);
    rig_init(&crash->rig, NETWORK_REGTEST);
    crash->rig.config.events.failed = on_failed;
    /* Small limits: blocks are read back, prevouts come from the disk. */
    crash->rig.config.resident_limit = seed % 2 ? 20000 : (size_t)16 << 20;
    crash->rig.config.in_flight_limit = seed % 3 ? (size_t)4 << 20 : (size_t)64 << 20;
    crash->sim = rig_on_sim(&crash->rig, seed);
    pthread_mutex_init(&crash->mutex, NULL);
    pthread_cond_init(&crash->changed, NULL);
}

static void crash_clear(struct crash_rig *crash)
{
    simdisk_free(crash->sim);
    rig_clear(&crash->rig);
    pthread_mutex_destroy(&crash->mutex);
    pthread_cond_destroy(&crash->changed);
}

static bool crash_open(struct crash_rig *crash)
{
    crash->has_failed = crash->is_over = false;
    crash->text[0] = 0;
    crash->rig.error[0] = 0;
    crash->error = rig_open(&crash->rig);
    if (crash->error != ENGINE_OK) {
        ck_assert_msg(crash->rig.error[0], "a refused start says why");
        return false;
    }
    ck_assert_int_eq(pthread_create(&crash->watchman, NULL, watch, crash), 0);
    return true;
}

static enum engine_error crash_close(struct crash_rig *crash)
{
    pthread_mutex_lock(&crash->mutex);
    crash->is_over = true;
    pthread_cond_signal(&crash->changed);
    pthread_mutex_unlock(&crash->mutex);
    pthread_join(crash->watchman, NULL);
    enum engine_error error = rig_close(&crash->rig);
    if (error != ENGINE_OK)
        ck_assert_msg(crash->rig.error[0], "a failed engine says why");
    return error;
}

struct header_list {
    size_t count;
    struct header headers[GENERATED_MAX];
    struct header_node *nodes[GENERATED_MAX];
    enum verdict verdicts[GENERATED_MAX];
};

static void run_accept_all(struct engine *engine, struct command *command)
{
    struct header_list *list = command->u.state;

    engine_accept_headers(engine, list->headers, list->count, list->nodes, list->verdicts);
}

/* As rig_run, but the engine may be stopping. */
static bool try_run(struct crash_rig *crash, struct command *command)
{
    struct rig *rig = &crash->rig;

    command->done = rig_done;
    command->context = rig;
    rig->is_answered = false;
    text_init(&command->text, 1 << 20);
    bool is_posted = engine_post(rig->engine, command);
    pthread_mutex_lock(&rig->mutex);
    while (is_posted && !rig->is_answered)
        pthread_cond_wait(&rig->is_done, &rig->mutex);
    pthread_mutex_unlock(&rig->mutex);
    text_clear(&command->text);
    return is_posted;
}

/* Headers, then every block of the chain, in order; ends early when the engine stops. */
static void feed_chain(struct crash_rig *crash)
{
    static struct header_list list;
    static struct fed fed[GENERATED_MAX];
    size_t submitted = 0;

    list.count = chain.count;
    for (size_t i = 0; i < chain.count; i++)
        ck_assert(
            header_parse(&list.headers[i], (struct bytes){chain.blocks[i].data, HEADER_SIZE}));
    if (!try_run(crash, &(struct command){.run = run_accept_all, .u.state = &list}))
        return;
    for (; submitted < chain.count; submitted++) {
        struct bytes block = chain.blocks[submitted];
        struct block_job *job =
            pipeline_reserve(engine_pipeline(crash->rig.engine), block.size, RESERVE_WAIT);

        if (!job)
            break;
        fed[submitted] = (struct fed){.rig = &crash->rig};
        memcpy(job->buffer, block.data, block.size);
        job->is_requested = true;
        job->expected = list.nodes[submitted];
        job->done = fed_done;
        job->context = &fed[submitted];
        pipeline_submit(job);
    }
    for (size_t i = 0; i < submitted; i++) {
        feed_wait(&fed[i]);
        ck_assert_msg(fed[i].verdict == VALID || fed[i].verdict == DUPLICATE, "block %zu: %s", i,
                      fed[i].reason);
    }
    (void)try_run(crash, &(struct command){.run = engine_when_idle});
}

/* The next start works, and the rest of the chain leads to the same coins; and again from what was
 * saved. */
static void expect_recovery(struct crash_rig *crash, const char *where)
{
    for (int start = 0; start < 2; start++) {
        ck_assert_msg(crash_open(crash), "%s: %s", where, crash->rig.error);
        if (start == 0)
            feed_chain(crash);
        feed_idle(&crash->rig);
        ck_assert_msg(!crash->has_failed, "%s: %s", where, crash->text);
        char *answer = rig_ask(&crash->rig, "audit", NULL);
        ck_assert_msg(strcmp(answer, wanted) == 0, "%s, start %d:\n%s", where, start, answer);
        free(answer);
        ck_assert_msg(crash_close(crash) == ENGINE_OK, "%s: %s", where, crash->rig.error);
    }
}

/* A run without trouble: what is wanted, and how many changes the disk sees. */
static uint64_t prepare(void)
{
    struct crash_rig crash;

    crash_init(&crash, 1);
    if (!chain.count)
        generated_init(&chain, &crash.rig.params, 7, HEIGHT, 250, FORK_HEIGHT, FORK_LENGTH);
    ck_assert_msg(crash_open(&crash), "%s", crash.rig.error);
    feed_chain(&crash);
    free(wanted);
    wanted = rig_ask(&crash.rig, "audit", NULL);
    expect_tip(&crash.rig, &chain.tip, "without trouble");
    ck_assert_int_eq(crash_close(&crash), ENGINE_OK);
    uint64_t changes = simdisk_changes(crash.sim);
    crash_clear(&crash);
    return changes;
}

static void run_crash(uint64_t seed, uint64_t changes)
{
    struct crash_rig crash;
    struct prng prng;
    char where[64];

    snprintf(where, sizeof where, "seed %llu", (unsigned long long)seed);
    prng_init(&prng, seed);
    crash_init(&crash, seed);
    simdisk_set_delays(crash.sim, prng_below(&prng, 2));
    simdisk_set_short(crash.sim, prng_below(&prng, 2));
    /* Up to three crashes one after the other: the later ones often hit the recovery. */
    for (uint64_t i = 0, count = 1 + prng_below(&prng, 3); i < count; i++) {
        uint64_t reach = i == 0 || prng_below(&prng, 2) ? changes : 12;
        simdisk_crash_at(crash.sim, simdisk_changes(crash.sim) + 1 + prng_below(&prng, reach));
        if (crash_open(&crash)) {
            feed_chain(&crash);
            (void)crash_close(&crash);
        }
        simdisk_reboot(crash.sim, seed * 10 + i);
    }
    expect_recovery(&crash, where);
    crash_clear(&crash);
}

/* The engine's threads take turns as they like, so the same number is not the same operation each
 * time; but no number is left out. */
static void crash_after_each(uint64_t changes)
{
    for (uint64_t change = 1; change <= changes; change++) {
        struct crash_rig crash;
        char where[64];

        snprintf(where, sizeof where, "crash after change %llu", (unsigned long long)change);
        crash_init(&crash, change);
        simdisk_crash_at(crash.sim, change);
        if (crash_open(&crash)) {
            feed_chain(&crash);
            (void)crash_close(&crash);
        }
        simdisk_reboot(crash.sim, change);
        expect_recovery(&crash, where);
        crash_clear(&crash);
    }
}

START_TEST(crashes_lose_nothing_that_was_kept)
{
    const char *text = getenv("CRASH_SEED");
    uint64_t changes = prepare();

    printf("%llu changes of the disk in a run\n", (unsigned long long)changes);
    if (text)
        run_crash(strtoull(text, NULL, 10), changes);
    for (uint64_t seed = 1; seed <= CRASHES && !text; seed++)
        run_crash(seed, changes);
    if (getenv("CAESURE_NIGHT"))
        crash_after_each(changes);
}
END_TEST

static const struct {
    enum disk_kind kind;
    int error;
    const char *text; /* a part of what is said */
} faults[] = {
    {DISK_WRITE, -EIO, "Input/output error"},
    {DISK_WRITE, -ENOSPC, "No space left on device"},
    {DISK_SYNC, -EIO, "Input/output error"},
    {DISK_READ, -EIO, "Input/output error"},
    {DISK_READ_MAX, -EIO, "Input/output error"},
    {DISK_RENAME, -EIO, "Input/output error"},
    {DISK_SYNC_DIR, -EIO, "Input/output error"},
    {DISK_SYNC, -ENOSPC, "No space left on device"},
    {DISK_RENAME, -ENOSPC, "No space left on device"},
};

START_TEST(faults_are_told_and_survived)
{
    unsigned told = 0, unseen = 0;

    (void)prepare();
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++)
        for (uint64_t nth = 1; nth <= 200; nth = nth < 6 ? nth + 1 : nth * 3) {
            struct crash_rig crash;
            char where[64];

            snprintf(where, sizeof where, "fault %zu at %llu", i, (unsigned long long)nth);
            crash_init(&crash, nth);
            crash.rig.config.resident_limit = 20000;
            simdisk_fail(crash.sim, faults[i].kind, nth, faults[i].error);
            const char *text = crash.rig.error;
            enum engine_error error;
            if (crash_open(&crash)) {
                feed_chain(&crash);
                error = crash_close(&crash);
            } else {
                error = crash.error;
            }
            if (error == ENGINE_OK) { /* it did not come to that many */
                unseen++;
            } else {
                told++;
                ck_assert_msg(strstr(text, faults[i].text), "%s: %s", where, text);
            }
            simdisk_fail(crash.sim, faults[i].kind, 0, 0);
            simdisk_reboot(crash.sim, nth);
            expect_recovery(&crash, where);
            crash_clear(&crash);
        }
    printf("%u faults told, %u not met\n", told, unseen);
    ck_assert_uint_gt(told, 20);
}
END_TEST

START_TEST(a_full_disk_is_told_and_survived)
{
    unsigned told = 0;
    enum engine_error error = ENGINE_DISK;

    (void)prepare();
    /* More and more room until it is enough. */
    for (uint64_t size = 100; error != ENGINE_OK; size = size * 9 / 5) {
        struct crash_rig crash;
        char where[64];

        snprintf(where, sizeof where, "room for %llu bytes", (unsigned long long)size);
        crash_init(&crash, size);
        simdisk_set_capacity(crash.sim, size);
        if (crash_open(&crash)) {
            feed_chain(&crash);
            error = crash_close(&crash);
        } else {
            error = crash.error;
        }
        if (error != ENGINE_OK) {
            told++;
            ck_assert_msg(error == ENGINE_DISK &&
                              strstr(crash.rig.error, "No space left on device"),
                          "%s: %d %s", where, error, crash.rig.error);
        }
        simdisk_set_capacity(crash.sim, UINT64_MAX);
        expect_recovery(&crash, where);
        crash_clear(&crash);
    }
    ck_assert_uint_gt(told, 8);
}
END_TEST

int main(void)
{
    int result = SUITE_RUN("engine_crash", crashes_lose_nothing_that_was_kept,
                           faults_are_told_and_survived, a_full_disk_is_told_and_survived);

    generated_free(&chain);
    free(wanted);
    return result;
}
