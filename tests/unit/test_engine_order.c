/* test_engine_order.c - blocks in any order, from a peer's point of view: headers first, then
 * blocks shuffled by a seed (ORDER_SEED), known or unknown to be on their way. Tip and coin set are
 * those of the file in order. */
#include "base/random.h"
#include "engine_rig.h"
#include "shared_files.h"

#define FILE_NAME "regtest-wallet-A.dat"
#define MUHASH    "23a56490447fb240a3ac3ceaec8b5eeaaf9cbb819c10c5aaa3353fb5a642bdc3"

struct block_file {
    struct bytes data;
    struct bytes blocks[4096];
    struct header headers[4096];
    struct header_node *nodes[4096];
    enum verdict verdicts[4096];
    size_t count;
};

static void load_file(struct block_file *file, const char *folder)
{
    char path[512];

    snprintf(path, sizeof path, "%s/data/chains/%s", folder, FILE_NAME);
    file->data = file_load(path);
    file->count = 0;
    for (size_t at = 0; at + 8 <= file->data.size;) {
        uint32_t size = le32_read(file->data.data + at + 4);
        file->blocks[file->count] = (struct bytes){file->data.data + at + 8, size};
        ck_assert(header_parse(&file->headers[file->count],
                               (struct bytes){file->data.data + at + 8, 80}));
        file->count++;
        at += 8 + size;
    }
}

static void accept_all(struct engine *engine, struct command *command)
{
    struct block_file *file = command->u.state;

    engine_accept_headers(engine, file->headers, file->count, file->nodes, file->verdicts);
}

static void count_result(void *context, const struct block_result *result)
{
    _Atomic int *counts = context;

    atomic_fetch_add(&counts[result->verdict == VALID ? 0 : 1], 1);
}

static void submit(struct rig *rig, struct block_file *file, size_t index, bool is_expected,
                   _Atomic int *counts)
{
    struct block_job *job =
        pipeline_reserve(engine_pipeline(rig->engine), file->blocks[index].size, RESERVE_WAIT);

    ck_assert_ptr_nonnull(job);
    memcpy(job->buffer, file->blocks[index].data, file->blocks[index].size);
    job->is_requested = true;
    job->expected = is_expected ? file->nodes[index] : NULL;
    job->done = count_result;
    job->context = (void *)counts;
    pipeline_submit(job);
}

static void run_order(uint64_t seed, size_t reach)
{
    const char *folder = shared_folder("blocks out of order");
    static struct block_file file;
    static _Atomic int counts[2];
    size_t order[4096];
    struct rig rig;
    struct prng prng;
    char value[80];

    if (!folder)
        return;
    load_file(&file, folder);
    atomic_store(&counts[0], 0);
    atomic_store(&counts[1], 0);
    prng_init(&prng, seed);
    for (size_t i = 0; i < file.count; i++)
        order[i] = i;
    /* Each block up to `reach` places from where it belongs. */
    for (size_t i = 1; i < file.count; i++) {
        size_t other = i + prng_below(&prng, reach);
        if (other < file.count) {
            size_t swap = order[i];
            order[i] = order[other];
            order[other] = swap;
        }
    }
    rig_init(&rig, NETWORK_REGTEST);
    rig.config.in_flight_limit = prng_below(&prng, 2) ? (size_t)1 << 20 : (size_t)64 << 20;
    rig.config.resident_limit = prng_below(&prng, 2) ? 100000 : (size_t)16 << 20;
    ck_assert_msg(rig_open(&rig) == ENGINE_OK, "%s", rig.error);
    struct command command = {.run = accept_all, .u.state = &file};
    rig_run(&rig, &command);
    for (size_t i = 1; i < file.count; i++)
        submit(&rig, &file, order[i] ? order[i] : order[0], prng_below(&prng, 2), counts);
    command = (struct command){.run = engine_when_idle};
    rig_run(&rig, &command);
    char *answer = rig_ask(&rig, "audit", NULL);
    ck_assert_msg(rig_value(answer, "muhash", value, sizeof value) && strcmp(value, MUHASH) == 0,
                  "seed %llu reach %zu: %s", (unsigned long long)seed, reach, answer);
    free(answer);
    ck_assert_int_eq(atomic_load(&counts[1]), 0);
    ck_assert_msg(rig_close(&rig) == ENGINE_OK, "%s", rig.error);
    rig_clear(&rig);
    free((void *)file.data.data);
}

START_TEST(blocks_in_any_order_give_the_same_coins)
{
    static const size_t reaches[] = {2, 8, 50, 600};
    const char *text = getenv("ORDER_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)_i + 1;

    printf("seed %llu\n", (unsigned long long)seed);
    run_order(seed, reaches[_i % 4]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_order");
    TCase *tcase = tcase_create("order");

    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, blocks_in_any_order_give_the_same_coins, 0, 12);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
