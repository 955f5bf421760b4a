#include "base/arena.h"
#include "net/presync.h"

#include <check.h>
#include <stdlib.h>

#define MESSAGE 2000

static struct params params;
static struct header_tree *tree;
static struct header_node *genesis;

static void setup(void)
{
    params_init(&params, NETWORK_MAIN);
    params.presync_period = 50;
    params.presync_buffer = 300;
    params.retarget_interval = 1 << 30; /* one difficulty all along */
    tree = header_tree_new(&params, (struct siphash_key){1, 2});
    genesis = header_tree_at(tree, 0);
}

static void teardown(void)
{
    header_tree_free(tree);
}

/* count headers on top of the genesis block; another salt gives other hashes from the header fork
 * on. */
static struct header *chain_new(uint32_t count, uint32_t fork, uint32_t salt)
{
    struct header *headers = xcalloc(count, sizeof *headers);
    struct block_hash hash = genesis->hash;

    for (uint32_t i = 0; i < count; i++) {
        headers[i] = (struct header){.version = 4,
                                     .prev_hash = hash,
                                     .time = genesis->time + 600 * i,
                                     .bits = genesis->bits,
                                     .nonce = i >= fork ? salt : 0};
        headers[i].merkle_root[3] = (uint8_t)i;
        hash = header_hash(&headers[i]);
    }
    return headers;
}

/* The work of the genesis block and count more. */
static struct u256 work_of(uint32_t count)
{
    struct u256 one = work_of_bits(genesis->bits);

    return u256_mul_u32(&one, count + 1);
}

static struct presync *start_for(uint32_t wanted)
{
    uint8_t entropy[24] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    struct u256 work = work_of(wanted);

    return presync_new(&params, genesis, &work, genesis->time + 100000000, entropy);
}

/* Gives a chain in messages until there is nothing left or the pass is over; popped headers are
 * compared with the chain from *released on. */
static enum presync_result feed(struct presync *p, const struct header *headers, uint32_t count,
                                uint32_t *released)
{
    enum presync_result result = PRESYNC_MORE;
    bool was_second = presync_is_second(p);
    struct header header;

    for (uint32_t at = 0;
         at < count && result == PRESYNC_MORE && presync_is_second(p) == was_second;) {
        uint32_t part = count - at < MESSAGE ? count - at : MESSAGE;

        result = presync_add(p, headers + at, part, part == MESSAGE);
        at += part;
        while (presync_pop(p, &header))
            ck_assert_mem_eq(&header, &headers[(*released)++], sizeof header);
        if (result == PRESYNC_MORE && presync_is_second(p) == was_second) {
            struct block_hash last = presync_last_hash(p), expected = header_hash(&headers[at - 1]);

            ck_assert(block_hash_equal(&last, &expected));
            ck_assert_int_eq(presync_height(p), (int32_t)at);
            if (was_second && *released < count)
                ck_assert_uint_eq(*released, at > 300 ? at - 300 : 0);
        }
    }
    return result;
}

START_TEST(a_chain_with_the_work_is_released_whole_at_the_second_pass)
{
    struct header *headers = chain_new(9000, 9000, 0);
    struct presync *p = start_for(8000);
    uint32_t released = 0;

    ck_assert_int_eq(feed(p, headers, 9000, &released), PRESYNC_MORE);
    ck_assert(presync_is_second(p));
    ck_assert_uint_eq(released, 0);
    struct block_hash last = presync_last_hash(p);
    ck_assert(block_hash_equal(&last, &genesis->hash));
    ck_assert_int_eq(feed(p, headers, 9000, &released), PRESYNC_DONE);
    ck_assert_uint_eq(released, 8000);
    presync_free(p);
    free(headers);
}
END_TEST

START_TEST(the_last_header_decides_on_the_work)
{
    struct header *headers = chain_new(1500, 1500, 0);

    for (uint32_t wanted = 1500; wanted <= 1501; wanted++) {
        struct presync *p = start_for(wanted);

        ck_assert_int_eq(presync_add(p, headers, 1500, false),
                         wanted == 1500 ? PRESYNC_MORE : PRESYNC_FAILED);
        presync_free(p);
    }
    free(headers);
}
END_TEST

START_TEST(another_chain_at_the_second_pass_is_found_out)
{
    struct header *headers = chain_new(9000, 9000, 0), *other = chain_new(9000, 4000, 1);
    struct presync *p = start_for(8500);
    uint32_t released = 0;

    ck_assert_int_eq(feed(p, headers, 9000, &released), PRESYNC_MORE);
    ck_assert(presync_is_second(p));
    ck_assert_int_eq(feed(p, other, 9000, &released), PRESYNC_FAILED);
    ck_assert_uint_ge(released, 2000 - 300);
    ck_assert_uint_le(released, 6000 - 300);
    struct header header;
    ck_assert(!presync_pop(p, &header));
    presync_free(p);
    free(headers);
    free(other);
}
END_TEST

START_TEST(a_chain_that_grew_or_ends_early_at_the_second_pass)
{
    struct header *headers = chain_new(9000, 9000, 0);
    struct presync *p = start_for(3900);
    uint32_t released = 0;

    ck_assert_int_eq(feed(p, headers, 3950, &released), PRESYNC_MORE);
    ck_assert(presync_is_second(p));
    ck_assert_int_eq(feed(p, headers, 9000, &released), PRESYNC_DONE);
    ck_assert_uint_eq(released, 4000);
    presync_free(p);

    p = start_for(3900);
    released = 0;
    ck_assert_int_eq(feed(p, headers, 3950, &released), PRESYNC_MORE);
    ck_assert_int_eq(feed(p, headers, 3800, &released), PRESYNC_FAILED);
    ck_assert_uint_le(released, 3500);
    presync_free(p);
    free(headers);
}
END_TEST

START_TEST(headers_must_follow_each_other_and_keep_to_the_difficulty)
{
    struct header *headers = chain_new(100, 100, 0);
    struct presync *p = start_for(1000);

    ck_assert_int_eq(presync_add(p, headers + 1, 99, true), PRESYNC_FAILED);
    presync_free(p);
    p = start_for(1000);
    headers[99].bits = 0x1c00ffff;
    ck_assert_int_eq(presync_add(p, headers, 99, true), PRESYNC_MORE);
    ck_assert_int_eq(presync_add(p, headers + 99, 1, true), PRESYNC_FAILED);
    presync_free(p);
    free(headers);
}
END_TEST

START_TEST(no_chain_is_longer_than_six_headers_a_second)
{
    /* 100 seconds: 600 headers, 12 commitments */
    struct header *headers = chain_new(700, 700, 0);
    uint8_t entropy[24] = {0}; /* commitments at heights 50, 100, ... */
    struct u256 work = work_of(5000);
    int64_t now_s = (int64_t)genesis->median_time_past + 100 - FUTURE_BLOCK_TIME_S;
    struct presync *p = presync_new(&params, genesis, &work, now_s, entropy);

    ck_assert_int_eq(presync_add(p, headers, 649, true), PRESYNC_MORE);
    ck_assert_int_eq(presync_add(p, headers + 649, 1, true), PRESYNC_FAILED);
    presync_free(p);
    free(headers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("presync");
    TCase *tcase = tcase_create("presync");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_chain_with_the_work_is_released_whole_at_the_second_pass);
    tcase_add_test(tcase, the_last_header_decides_on_the_work);
    tcase_add_test(tcase, another_chain_at_the_second_pass_is_found_out);
    tcase_add_test(tcase, a_chain_that_grew_or_ends_early_at_the_second_pass);
    tcase_add_test(tcase, headers_must_follow_each_other_and_keep_to_the_difficulty);
    tcase_add_test(tcase, no_chain_is_longer_than_six_headers_a_second);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
