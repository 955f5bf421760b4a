#include "base/random.h"
#include "codec/compact.h"
#include "disk_kinds.h"
#include "store/prevouts.h"

#define MONEY_LIMIT 2100000000000000ull

/* A file of TxOuts of all sizes with noise between. */
struct txouts {
    uint8_t *data;
    size_t size;
    uint64_t *positions;
    size_t count;
};

static size_t put_txout(uint8_t *out, uint64_t amount, uint64_t script_size, uint8_t fill)
{
    le64_write(out, amount);

    size_t size = 8 + compact_write(out + 8, script_size);

    memset(out + size, fill, script_size);
    return size + script_size;
}

static void make_txouts(struct txouts *txouts, struct prng *prng, size_t count)
{
    txouts->data = xmalloc(count * 12000);
    txouts->positions = xmalloc(count * sizeof *txouts->positions);
    txouts->count = count;
    txouts->size = 0;
    for (size_t i = 0; i < count; i++) {
        static const uint64_t limits[] = {1, 36, 36, 36, 36, 200, 300, 5000, TXOUT_SCRIPT_MAX + 1};
        uint64_t script_size = prng_below(prng, limits[prng_below(prng, ARRAY_COUNT(limits))]);
        size_t noise = prng_below(prng, prng_below(prng, 4) == 0 ? 3000 : 50);

        if (i % 50 == 0)
            script_size = TXOUT_SCRIPT_MAX;
        prng_fill(prng, txouts->data + txouts->size, noise);
        txouts->size += noise;
        txouts->positions[i] = txouts->size;
        txouts->size += put_txout(txouts->data + txouts->size, prng_below(prng, MONEY_LIMIT + 1),
                                  script_size, (uint8_t)i);
    }
}

static void free_txouts(struct txouts *txouts)
{
    free(txouts->data);
    free(txouts->positions);
}

struct test_request {
    struct prevout_request request; /* first */
    struct arena arena;
    int error;
    int done_count;
};

static void request_done(struct prevout_request *request, int error)
{
    struct test_request *test = (struct test_request *)request;

    test->error = error;
    test->done_count++;
}

static void request_init(struct test_request *test, const struct txouts *txouts, size_t count,
                         struct prng *prng)
{
    arena_init(&test->arena, 1 << 28);
    test->done_count = 0;
    test->request = (struct prevout_request){
        .reads = xcalloc(count, sizeof(struct prevout_read)),
        .count = count,
        .arena = &test->arena,
        .done = request_done,
    };
    for (size_t i = 0; i < count; i++) {
        test->request.reads[i].tag = (uint32_t)prng_below(prng, txouts->count);
        test->request.reads[i].pos = txouts->positions[test->request.reads[i].tag];
    }
}

static void request_clear(struct test_request *test)
{
    free(test->request.reads);
    arena_clear(&test->arena);
}

static void check_request(const struct test_request *test, const struct txouts *txouts)
{
    ck_assert_int_eq(test->done_count, 1);
    ck_assert_int_eq(test->error, 0);
    for (size_t i = 0; i < test->request.count; i++) {
        const struct prevout_read *read = &test->request.reads[i];
        struct txout expected;
        uint64_t pos = txouts->positions[read->tag];

        ck_assert_uint_eq(read->pos, pos);
        ck_assert_int_eq(
            txout_parse(&expected, (struct bytes){txouts->data + pos, txouts->size - pos}),
            TXOUT_OK);
        ck_assert(bytes_equal(read->txout.raw, expected.raw));
        ck_assert(bytes_equal(read->txout.script_pubkey, expected.script_pubkey));
        ck_assert_int_eq(read->txout.amount_sat, expected.amount_sat);
        ck_assert_ptr_eq(read->txout.script_pubkey.data + read->txout.script_pubkey.size,
                         read->txout.raw.data + read->txout.raw.size);
    }
}

/* Several requests at once, few buffers: all is found, and a page is not read twice for one
 * request. */
START_TEST(txouts_come_from_every_disk)
{
    static const size_t counts[] = {1, 2, 700, 3, 5000, 40};
    struct test_request tests[ARRAY_COUNT(counts)];
    struct disk_fixture fixture;
    struct txouts txouts;
    struct prng prng;

    prng_init(&prng, 5);
    make_txouts(&txouts, &prng, 1500);
    fixture_open(&fixture, _i);

    struct disk_file *file = must_open(fixture.disk, "blocks.bin",
                                       DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_RANDOM);
    struct prevouts *prevouts = prevouts_new(fixture.disk, file, 8);

    ck_assert_int_eq(disk_write_sync(fixture.disk, file, txouts.data, txouts.size, 0), 0);
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        request_init(&tests[i], &txouts, counts[i], &prng);
        prevouts_read(prevouts, &tests[i].request);
        ck_assert_uint_le(disk_pending(fixture.disk), 8);
    }
    ck_assert_uint_eq(prevouts_stats(prevouts).request_count, ARRAY_COUNT(counts));
    run_all(fixture.disk);
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        check_request(&tests[i], &txouts);
        request_clear(&tests[i]);
    }

    struct prevouts_stats stats = prevouts_stats(prevouts);

    ck_assert_uint_eq(stats.request_count, 0);
    ck_assert_uint_eq(stats.txout_count, 1 + 2 + 700 + 3 + 5000 + 40);
    /* 5,000 of 1,500 places: at most each page and each place once. */
    ck_assert_uint_lt(stats.read_count, txouts.size / 4096 + 1500 + 2 * 746);
    prevouts_free(prevouts);
    fixture_close(&fixture);
    free_txouts(&txouts);
}
END_TEST

START_TEST(one_page_costs_one_read)
{
    struct simdisk *sim = simdisk_new(1);
    struct disk *disk = simdisk_open(sim);
    uint8_t *data = xcalloc(1, 40000);
    struct test_request test = {.arena.limit = 0};
    struct prng prng;
    uint64_t positions[200];
    struct txouts txouts = {data, 40000, positions, 200};

    prng_init(&prng, 1);
    for (size_t i = 0; i < 100;
         i++) /* 100 in the first page, 100 in the fourth, none at a page's end */
        put_txout(data + (positions[i] = i * 35), i, 25, (uint8_t)i);
    for (size_t i = 100; i < 200; i++)
        put_txout(data + (positions[i] = 3 * 4096 + (i - 100) * 35), i, 25, (uint8_t)i);
    simdisk_put(sim, "f", (struct bytes){data, 40000});

    struct prevouts *prevouts = prevouts_new(disk, must_open(disk, "f", 0), 4);

    request_init(&test, &txouts, 1000, &prng);
    prevouts_read(prevouts, &test.request);
    run_all(disk);
    check_request(&test, &txouts);
    ck_assert_uint_eq(prevouts_stats(prevouts).read_count, 2);
    ck_assert_uint_le(prevouts_stats(prevouts).read_size, 2 * 4096);
    request_clear(&test);
    prevouts_free(prevouts);
    disk_close(disk);
    simdisk_free(sim);
    free(data);
}
END_TEST

/* Around a page's end, every place; and at the end of the file. */
START_TEST(a_txout_across_a_pages_end_is_whole)
{
    struct simdisk *sim = simdisk_new(1);
    struct disk *disk = simdisk_open(sim);
    uint8_t *data = xcalloc(1, 30000);
    struct prng prng;

    prng_init(&prng, 1);
    for (uint64_t script_size = 0; script_size <= TXOUT_SCRIPT_MAX;
         script_size = script_size < 252   ? 252
                       : script_size < 253 ? 253
                                           : script_size + 9747) {
        for (uint64_t pos = 4096 - 120; pos < 4096 + 20; pos++) {
            struct test_request test;
            struct txouts txouts = {data, 0, &pos, 1};

            txouts.size = pos + put_txout(data + pos, pos, script_size, 0x51);
            simdisk_put(sim, "f", (struct bytes){data, txouts.size});

            struct disk_file *file = must_open(disk, "f", 0);
            struct prevouts *prevouts = prevouts_new(disk, file, 1);

            request_init(&test, &txouts, 3, &prng);
            prevouts_read(prevouts, &test.request);
            run_all(disk);
            check_request(&test, &txouts);
            request_clear(&test);
            simdisk_put(sim, "f", (struct bytes){data, txouts.size - 1}); /* a byte is missing */
            disk_file_close(file);
            prevouts_free(prevouts);
            file = must_open(disk, "f", 0);
            prevouts = prevouts_new(disk, file, 1);
            request_init(&test, &txouts, 3, &prng);
            prevouts_read(prevouts, &test.request);
            run_all(disk);
            ck_assert(test.done_count == 1 && test.error == -EBADMSG);
            ck_assert_uint_eq(test.request.bad_pos, pos);
            request_clear(&test);
            disk_file_close(file);
            prevouts_free(prevouts);
        }
    }
    disk_close(disk);
    simdisk_free(sim);
    free(data);
}
END_TEST

START_TEST(what_is_no_coins_txout_is_refused)
{
    uint8_t data[TXOUT_SCRIPT_MAX + 100] = {0};
    struct txout txout;

    put_txout(data, MONEY_LIMIT, 25, 1);
    for (size_t size = 0; size < 34; size++)
        ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, size}), TXOUT_SHORT);
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, 34}), TXOUT_OK);
    ck_assert(txout.raw.size == 34 && txout.script_pubkey.size == 25);
    put_txout(data, MONEY_LIMIT + 1, 25, 1);
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, 34}), TXOUT_BAD);
    put_txout(data, UINT64_MAX, 25, 1);
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, 34}), TXOUT_BAD);
    put_txout(data, 0, TXOUT_SCRIPT_MAX, 1);
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, sizeof data}), TXOUT_OK);
    le16_write(data + 9, TXOUT_SCRIPT_MAX + 1);
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, sizeof data}), TXOUT_BAD);
    le16_write(data + 9, 253);
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, sizeof data}), TXOUT_OK);
    le16_write(data + 9, 252); /* in three bytes */
    ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, sizeof data}), TXOUT_BAD);
    for (uint8_t first = 0xfe; first != 0;
         first++) { /* sizes of five and nine bytes are too large */
        data[8] = first;
        ck_assert_int_eq(txout_parse(&txout, (struct bytes){data, sizeof data}), TXOUT_BAD);
    }
}
END_TEST

START_TEST(errors_end_a_request_and_no_other)
{
    struct simdisk *sim = simdisk_new(1);
    struct disk *disk = simdisk_open(sim);
    struct test_request tests[4];
    struct txouts txouts;
    struct prng prng;

    prng_init(&prng, 8);
    make_txouts(&txouts, &prng, 300);
    simdisk_put(sim, "f", (struct bytes){txouts.data, txouts.size});
    for (int delays = 0; delays < 2; delays++) {
        struct prevouts *prevouts = prevouts_new(disk, must_open(disk, "f", 0), 3);

        simdisk_set_delays(sim, delays);
        for (size_t i = 0; i < 4; i++)
            request_init(&tests[i], &txouts, 100, &prng);
        simdisk_flip(sim, "f", txouts.positions[tests[2].request.reads[5].tag] + 7, 0xff);

        uint64_t bad_pos = tests[2].request.reads[5].pos;

        tests[1].request.arena->limit = 2000;      /* full soon */
        simdisk_fail(sim, DISK_READ_MAX, 2, -EIO); /* of the first request */
        for (size_t i = 0; i < 4; i++)
            prevouts_read(prevouts, &tests[i].request);
        run_all(disk);
        for (size_t i = 0; i < 4; i++)
            ck_assert_int_eq(tests[i].done_count, 1);
        if (!delays)
            ck_assert_int_eq(tests[0].error, -EIO);
        ck_assert_int_eq(tests[1].error, -ENOMEM);
        ck_assert_int_eq(tests[2].error, -EBADMSG);
        ck_assert_uint_eq(tests[2].request.bad_pos, bad_pos);
        ck_assert_uint_eq(prevouts_stats(prevouts).request_count, 0);
        simdisk_flip(sim, "f", bad_pos + 7, 0xff);
        for (size_t i = 0; i < 4; i++)
            request_clear(&tests[i]);
        prevouts_free(prevouts);
    }
    disk_close(disk);
    simdisk_free(sim);
    free_txouts(&txouts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prevouts");
    TCase *each = tcase_create("each backend");
    TCase *rules = tcase_create("rules");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(each, txouts_come_from_every_disk, 0, DISK_KIND_COUNT);
    tcase_add_test(rules, one_page_costs_one_read);
    tcase_add_test(rules, a_txout_across_a_pages_end_is_whole);
    tcase_add_test(rules, what_is_no_coins_txout_is_refused);
    tcase_add_test(rules, errors_end_a_request_and_no_other);
    suite_add_tcase(suite, each);
    suite_add_tcase(suite, rules);
    srunner_run_all(runner, CK_NORMAL);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed > 0;
}
