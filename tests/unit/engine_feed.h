/* engine_feed.h - single blocks and headers into an engine, as a test wants them: what became of
 * each. */
#ifndef TESTS_ENGINE_FEED_H
#define TESTS_ENGINE_FEED_H
#include "base/hex.h"
#include "codec/block.h"
#include "engine_rig.h"
#include <check.h>

/* One block on its way. Stays until is_done. */
struct fed {
    struct rig *rig;
    bool is_done; /* guarded by the rig's mutex */
    enum verdict verdict;
    bool is_unjudged;
    char reason[VERDICT_FORMAT_SIZE];
};

static inline struct block_hash block_hash_of(struct bytes block)
{
    struct header header;

    ck_assert(header_parse(&header, (struct bytes){block.data, HEADER_SIZE}));
    return header_hash(&header);
}

static void fed_done(void *context, const struct block_result *result)
{
    struct fed *fed = context;

    pthread_mutex_lock(&fed->rig->mutex);
    ck_assert(!fed->is_done);
    fed->is_done = true;
    fed->verdict = result->verdict;
    fed->is_unjudged = result->is_unjudged;
    block_result_format(fed->reason, result);
    pthread_cond_broadcast(&fed->rig->is_done);
    pthread_mutex_unlock(&fed->rig->mutex);
}

/* Submits without waiting for the verdict. */
static inline struct block_job *feed_reserve(struct rig *rig, struct bytes block, struct fed *fed)
{
    struct block_job *job =
        pipeline_reserve(engine_pipeline(rig->engine), block.size, RESERVE_WAIT);

    ck_assert_ptr_nonnull(job);
    *fed = (struct fed){.rig = rig};
    memcpy(job->buffer, block.data, block.size);
    job->done = fed_done;
    job->context = fed;
    return job;
}

static inline void feed_begin(struct rig *rig, struct bytes block, bool is_requested,
                              struct header_node *expected, struct fed *fed)
{
    struct block_job *job = feed_reserve(rig, block, fed);

    job->is_requested = is_requested;
    job->expected = expected;
    pipeline_submit(job);
}

static inline void feed_wait(struct fed *fed)
{
    pthread_mutex_lock(&fed->rig->mutex);
    while (!fed->is_done)
        pthread_cond_wait(&fed->rig->is_done, &fed->rig->mutex);
    pthread_mutex_unlock(&fed->rig->mutex);
}

static inline struct fed feed(struct rig *rig, struct bytes block)
{
    struct fed fed;

    feed_begin(rig, block, true, NULL, &fed);
    feed_wait(&fed);
    return fed;
}

struct fed_header {
    struct header header;
    struct header_node *node;
    enum verdict verdict;
};

static void run_fed_header(struct engine *engine, struct command *command)
{
    struct fed_header *fed = command->u.state;

    engine_accept_headers(engine, &fed->header, 1, &fed->node, &fed->verdict);
}

static inline struct fed_header feed_header(struct rig *rig, struct bytes block)
{
    struct fed_header fed;
    struct command command = {.run = run_fed_header, .u.state = &fed};

    ck_assert(header_parse(&fed.header, (struct bytes){block.data, HEADER_SIZE}));
    rig_run(rig, &command);
    return fed;
}

static inline void feed_idle(struct rig *rig)
{
    struct command command = {.run = engine_when_idle};

    rig_run(rig, &command);
}

/* The answer of a command must begin so. */
static inline void expect_answer(struct rig *rig, const char *name, const char *argument,
                                 const char *wanted)
{
    char *answer = rig_ask(rig, name, argument);

    ck_assert_msg(strncmp(answer, wanted, strlen(wanted)) == 0, "%s %.80s: %.200s, not %s", name,
                  argument ? argument : "", answer, wanted);
    free(answer);
}

static inline void ask_hash(struct rig *rig, const char *name, const struct block_hash *hash,
                            const char *wanted)
{
    char hex[65];

    hash_to_hex(hex, hash->bytes);
    expect_answer(rig, name, hex, wanted);
}

static inline struct block_hash tip_hash(struct rig *rig)
{
    char *answer = rig_ask(rig, "tip", NULL);
    struct block_hash hash;
    char hex[80];

    ck_assert(rig_value(answer, "hash", hex, sizeof hex) && hash_from_hex(hash.bytes, hex));
    free(answer);
    return hash;
}

static inline int tip_height(struct rig *rig)
{
    char *answer = rig_ask(rig, "tip", NULL);
    char value[80];

    ck_assert(rig_value(answer, "height", value, sizeof value));
    free(answer);
    return atoi(value);
}

static inline void expect_tip(struct rig *rig, const struct block_hash *wanted, const char *where)
{
    struct block_hash tip = tip_hash(rig);
    char hex[65], wanted_hex[65];

    hash_to_hex(hex, tip.bytes);
    hash_to_hex(wanted_hex, wanted->bytes);
    ck_assert_msg(block_hash_equal(&tip, wanted), "%s: the tip is %s, not %s", where, hex,
                  wanted_hex);
}
#endif
