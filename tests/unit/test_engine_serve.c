/* test_engine_serve.c - what net has of the engine: blocks that overtake each other, bytes lent
 * out, reads by the disk thread. */
#include "block_maker.h"
#include "shared_files.h"

#define ROW 8

struct setup {
    struct rig rig;
    struct made_block row[ROW];
    struct header_node *nodes[ROW];
};

static void begin(struct setup *setup, size_t in_flight_limit, size_t resident_limit)
{
    rig_init(&setup->rig, NETWORK_REGTEST);
    setup->rig.config.in_flight_limit = in_flight_limit;
    setup->rig.config.resident_limit = resident_limit;
    struct made_block genesis = genesis_made(&setup->rig.params);
    make_row(&setup->rig.params, &genesis, 1, setup->row, ROW);
    ck_assert_int_eq(rig_open(&setup->rig), ENGINE_OK);
    for (size_t i = 0; i < ROW; i++)
        setup->nodes[i] = feed_header(&setup->rig, setup->row[i].raw).node;
}

static void end(struct setup *setup)
{
    ck_assert_int_eq(rig_close(&setup->rig), ENGINE_OK);
    rig_clear(&setup->rig);
    free_row(setup->row, ROW);
}

/* As net does it; the lowest missing one takes its credit in any case. */
static void submit_sized(struct setup *setup, size_t i, size_t size, enum reserve how,
                         struct fed *fed)
{
    struct bytes raw = setup->row[i].raw;
    struct block_job *job = pipeline_reserve(engine_pipeline(setup->rig.engine), size, how);

    ck_assert_ptr_nonnull(job);
    pipeline_resize(job, raw.size);
    *fed = (struct fed){.rig = &setup->rig};
    memcpy(job->buffer, raw.data, raw.size);
    job->is_requested = job->is_awaited = true;
    job->expected = setup->nodes[i];
    job->done = fed_done;
    job->context = fed;
    pipeline_submit(job);
}

static void submit(struct setup *setup, size_t i, enum reserve how, struct fed *fed)
{
    submit_sized(setup, i, setup->row[i].raw.size, how, fed);
}

static uint64_t parsed(struct setup *setup)
{
    return atomic_load(&engine_pipeline(setup->rig.engine)->stats.parse.jobs);
}

static bool is_done(struct fed *fed)
{
    pthread_mutex_lock(&fed->rig->mutex);
    bool is = fed->is_done;
    pthread_mutex_unlock(&fed->rig->mutex);
    return is;
}

START_TEST(blocks_before_their_parent_wait_in_memory_while_there_is_credit)
{
    struct setup setup;
    struct fed fed[ROW];

    begin(&setup, (size_t)64 << 20, 0);
    for (size_t i = ROW - 1; i > 0; i--)
        submit(&setup, i, RESERVE_TRY, &fed[i]);
    while (parsed(&setup) < ROW - 1)
        usleep(1000);
    for (size_t i = 1; i < ROW; i++)
        ck_assert(!is_done(&fed[i]));
    submit(&setup, 0, RESERVE_TRY, &fed[0]);
    for (size_t i = 0; i < ROW; i++) {
        feed_wait(&fed[i]);
        ck_assert_int_eq(fed[i].verdict, VALID);
        ck_assert(!fed[i].is_unjudged);
    }
    while (parsed(&setup) < ROW) /* a worker counts after it has handed the block on */
        usleep(1000);
    ck_assert_uint_eq(parsed(&setup), ROW); /* none was read again */
    end(&setup);
}
END_TEST

/* The jobs of two small blocks fit; half of that is taken by one. */
START_TEST(without_credit_they_are_remembered_by_position)
{
    struct setup setup;
    struct fed fed[ROW];

    begin(&setup, (size_t)140 << 10, 0);
    for (size_t i = ROW - 1; i > 0; i--) /* the one that is held leaves room for the next */
        submit(&setup, i, RESERVE_WAIT, &fed[i]);
    submit(&setup, 0, RESERVE_URGENT, &fed[0]);
    feed_wait(&fed[0]);
    feed_idle(&setup.rig);
    expect_tip(&setup.rig, &setup.row[ROW - 1].hash, "all of them");
    ck_assert_uint_gt(parsed(&setup), ROW);
    end(&setup);
}
END_TEST

/* More than files may have waits in memory for the block that a file brings: it gets in, and files
 * have no more than their own credit. */
START_TEST(blocks_that_wait_do_not_keep_files_out)
{
    struct setup setup;
    struct fed fed[ROW];
    struct block_job *near[8];
    size_t near_count = 0;

    begin(&setup, (size_t)512 << 20, 0);
    struct pipeline *pipeline = engine_pipeline(setup.rig.engine);
    ck_assert_uint_lt(pipeline->worker_count + 1, ROW - 1);
    for (size_t i = ROW - 1; i > 0; i--)
        submit_sized(&setup, i, BLOCK_SIZE_MAX, RESERVE_TRY, &fed[i]);
    while (parsed(&setup) < ROW - 1)
        usleep(1000);
    while ((near[near_count] = pipeline_reserve(pipeline, BLOCK_SIZE_MAX, RESERVE_NEAR)))
        near_count++;
    ck_assert_uint_eq(near_count, pipeline->worker_count + 1);
    while (near_count > 0)
        pipeline_release(near[--near_count]);
    submit_sized(&setup, 0, BLOCK_SIZE_MAX, RESERVE_NEAR, &fed[0]);
    for (size_t i = 0; i < ROW; i++) {
        feed_wait(&fed[i]);
        ck_assert(!fed[i].is_unjudged);
    }
    feed_idle(&setup.rig);
    ck_assert_uint_eq(atomic_load(&pipeline->near_used), 0);
    ck_assert_uint_eq(atomic_load(&pipeline->credit_used), 0);
    end(&setup);
}
END_TEST

static const struct resident *hold(struct setup *setup, size_t i, struct bytes *raw)
{
    engine_lock_tree(setup->rig.engine);
    const struct resident *held = engine_hold_block(setup->rig.engine, setup->nodes[i], raw);
    engine_unlock_tree(setup->rig.engine);
    return held;
}

START_TEST(a_block_that_is_held_stays_when_the_engine_lets_go)
{
    struct setup setup;
    struct bytes raw, none;

    begin(&setup, (size_t)64 << 20, 600); /* two small blocks */
    feed_row(&setup.rig, setup.row, 1);
    const struct resident *held = hold(&setup, 0, &raw);
    ck_assert_ptr_nonnull(held);
    feed_row(&setup.rig, setup.row + 1, ROW - 1);
    feed_idle(&setup.rig);
    ck_assert_ptr_null(hold(&setup, 0, &none));
    ck_assert_uint_eq(raw.size, setup.row[0].raw.size);
    ck_assert_mem_eq(raw.data, setup.row[0].raw.data, raw.size);
    engine_release_block(held);
    end(&setup);
}
END_TEST

struct reading {
    struct engine_read read;
    struct rig *rig;
    uint8_t data[4096];
    bool is_done;
};

static void reading_done(struct engine_read *read)
{
    struct reading *reading = (struct reading *)read;

    pthread_mutex_lock(&reading->rig->mutex);
    reading->is_done = true;
    pthread_cond_broadcast(&reading->rig->is_done);
    pthread_mutex_unlock(&reading->rig->mutex);
}

static bool begin_read(struct setup *setup, struct reading *reading, uint64_t pos, size_t size)
{
    *reading = (struct reading){.rig = &setup->rig};
    reading->read.pos = pos;
    reading->read.data = reading->data;
    reading->read.size = size;
    reading->read.done = reading_done;
    return engine_read(setup->rig.engine, &reading->read);
}

START_TEST(the_disk_thread_reads_for_others_until_the_engine_stops)
{
    static struct reading readings[READ_MAX];
    struct setup setup;

    begin(&setup, (size_t)64 << 20, 0);
    feed_row(&setup.rig, setup.row, ROW);
    for (size_t i = 0; i < ROW; i++)
        ck_assert(begin_read(&setup, &readings[i], setup.nodes[i]->pos, setup.nodes[i]->size));
    ck_assert(begin_read(&setup, &readings[ROW], (uint64_t)1 << 40, 100)); /* behind the end */
    for (size_t i = ROW + 1; i < READ_MAX; i++)
        if (!begin_read(&setup, &readings[i], setup.nodes[0]->pos, 80))
            readings[i].is_done = true;
    engine_stop(setup.rig.engine);
    for (size_t i = 0; i < READ_MAX; i++)
        ck_assert(readings[i].is_done);
    for (size_t i = 0; i < ROW; i++) {
        ck_assert_int_eq(readings[i].read.error, 0);
        ck_assert_mem_eq(readings[i].data, setup.row[i].raw.data, setup.row[i].raw.size);
    }
    ck_assert_int_eq(readings[ROW].read.error, -ENODATA);
    ck_assert(!begin_read(&setup, &readings[0], setup.nodes[0]->pos, 80));
    end(&setup);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "engine_serve", blocks_before_their_parent_wait_in_memory_while_there_is_credit,
        without_credit_they_are_remembered_by_position, blocks_that_wait_do_not_keep_files_out,
        a_block_that_is_held_stays_when_the_engine_lets_go,
        the_disk_thread_reads_for_others_until_the_engine_stops);
}
