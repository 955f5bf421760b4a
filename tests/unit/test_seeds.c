#include "base/arena.h"
#include "net/banlist.h"
#include "net/seeds.h"

#include <check.h>
#include <stdlib.h>

#define NOW 1700000000

static struct seeds *seeds;
static struct banlist *list;

static void setup(void)
{
    seeds = xcalloc(1, sizeof *seeds);
    list = xcalloc(1, sizeof *list);
    seeds_init(seeds, (struct siphash_key){1, 2});
    banlist_init(list, (struct siphash_key){3, 4});
}

static void teardown(void)
{
    free(seeds);
    free(list);
}

static struct addr_entry entry_of(uint32_t number, uint32_t time)
{
    struct addr_entry entry = {time, 9, {.kind = NETADDR_IPV4, .port = 8333}};

    be32_write(entry.addr.bytes, 0x08000000 + number);
    return entry;
}

static bool accept_all(void *context, const struct seed *seed)
{
    (void)seed;
    ++*(uint32_t *)context;
    return true;
}

static bool accept_none(void *context, const struct seed *seed)
{
    (void)seed;
    ++*(uint32_t *)context;
    return false;
}

START_TEST(an_address_is_kept_once_with_its_latest_time_and_all_services)
{
    struct addr_entry entry = entry_of(1, NOW - 100);

    ck_assert(seeds_add(seeds, &entry, NOW, false));
    entry.time = NOW - 50;
    entry.services = 1024;
    ck_assert(seeds_add(seeds, &entry, NOW, false));
    ck_assert_uint_eq(seeds->count, 1);
    struct seed *seed = seeds_find(seeds, &entry.addr);
    ck_assert_int_eq(seed->seen_s, NOW - 50);
    ck_assert_uint_eq(seed->services, 1033);
    entry = entry_of(2, NOW + 601); /* a time that cannot be */
    ck_assert(seeds_add(seeds, &entry, NOW, false));
    ck_assert_int_lt(seeds_find(seeds, &entry.addr)->seen_s, NOW);
}
END_TEST

START_TEST(addresses_of_no_public_network_are_kept_only_from_the_operator)
{
    struct addr_entry entry = {NOW, 9, {.kind = NETADDR_IPV4, .port = 1, .bytes = {127, 0, 0, 1}}};

    ck_assert(!seeds_add(seeds, &entry, NOW, false));
    ck_assert(seeds_add(seeds, &entry, NOW, true));
}
END_TEST

START_TEST(a_full_table_gives_up_worse_entries_only)
{
    struct addr_entry entry;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < SEEDS_MAX; i++) {
        entry = entry_of(i, NOW - 1000);
        ck_assert(seeds_add(seeds, &entry, NOW, false));
        if (i < SEEDS_MAX / 2)
            seeds_connected(seeds_find(seeds, &entry.addr), 9, NOW - 5000);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        entry = entry_of(SEEDS_MAX + i, NOW - 10);
        kept += seeds_add(seeds, &entry, NOW, false);
    }
    ck_assert_uint_gt(kept, 900);
    ck_assert_uint_eq(seeds->count, SEEDS_MAX);
    for (uint32_t i = 0; i < SEEDS_MAX / 2; i++) {
        entry = entry_of(i, 0);
        ck_assert_ptr_nonnull(seeds_find(seeds, &entry.addr));
    }
    for (uint32_t i = 0; i < 1000; i++) {
        entry = entry_of(9000 + i, NOW - 2000);
        if (seeds_add(seeds, &entry, NOW, false))
            kept += 100000;
    }
    ck_assert_uint_lt(kept, 100000);
}
END_TEST

START_TEST(what_failed_is_left_alone_longer_each_time)
{
    struct addr_entry entry = entry_of(1, NOW);
    uint32_t asked = 0;
    int64_t now_s = NOW, wait_s = 120;

    ck_assert_ptr_null(seeds_pick(seeds, now_s, accept_all, &asked));
    seeds_add(seeds, &entry, NOW, false);
    struct seed *seed = seeds_find(seeds, &entry.addr);
    ck_assert_ptr_eq(seeds_pick(seeds, now_s, accept_all, &asked), seed);
    asked = 0;
    ck_assert_ptr_null(seeds_pick(seeds, now_s, accept_none, &asked));
    ck_assert_uint_eq(asked, 64);
    for (int i = 0; i < 10; i++) {
        seeds_tried(seed, now_s);
        ck_assert_ptr_null(seeds_pick(seeds, now_s + wait_s - 1, accept_all, &asked));
        ck_assert_ptr_eq(seeds_pick(seeds, now_s + wait_s, accept_all, &asked), seed);
        now_s += wait_s;
        wait_s = wait_s < 7680 ? wait_s * 2 : 7680;
    }
    seeds_connected(seed, 9, now_s);
    ck_assert_ptr_eq(seeds_pick(seeds, now_s, accept_all, &asked), seed);
}
END_TEST

START_TEST(at_most_23_percent_are_told_and_none_twice)
{
    struct addr_entry out[100];

    for (uint32_t i = 0; i < 100; i++) {
        struct addr_entry entry = entry_of(i, NOW - (i < 10 ? 31 * 86400 : 60));

        seeds_add(seeds, &entry, NOW, false);
    }
    ck_assert_uint_eq(seeds_sample(seeds, out, 100, NOW), 23);
    for (uint32_t i = 0; i < 23; i++) {
        ck_assert_uint_ge(be32_read(out[i].addr.bytes), 0x08000000 + 10);
        for (uint32_t k = 0; k < i; k++)
            ck_assert(!netaddr_equal(&out[i].addr, &out[k].addr));
    }
    ck_assert_uint_eq(seeds_sample(seeds, out, 5, NOW), 5);
}
END_TEST

START_TEST(the_table_is_saved_and_read_back_or_refused_whole)
{
    size_t size;

    for (uint32_t i = 0; i < 50; i++) {
        struct addr_entry entry = entry_of(i, NOW - i);

        seeds_add(seeds, &entry, NOW, false);
        if (i % 3 == 0)
            seeds_tried(seeds_find(seeds, &entry.addr), NOW + i);
    }
    uint8_t *file = seeds_save(seeds, &size);
    struct seeds *again = xcalloc(1, sizeof *again);

    seeds_init(again, (struct siphash_key){8, 9});
    ck_assert(seeds_load(again, (struct bytes){file, size}));
    ck_assert_uint_eq(again->count, 50);
    ck_assert_mem_eq(again->entries, seeds->entries, 50 * sizeof *seeds->entries);
    ck_assert_ptr_nonnull(seeds_find(again, &seeds->entries[17].addr));
    for (size_t at = 0; at < size; at++) {
        file[at] ^= 8;
        ck_assert(!seeds_load(again, (struct bytes){file, size}));
        file[at] ^= 8;
        ck_assert(!seeds_load(again, (struct bytes){file, at}));
    }
    ck_assert_uint_eq(again->count, 50);
    free(file);
    free(again);
}
END_TEST

START_TEST(calling_again_waits_1_s_doubling_to_5_minutes)
{
    struct prng prng;
    static const uint64_t waits_ms[] = {1000,  2000,  4000,   8000,   16000,
                                        32000, 64000, 128000, 256000, 300000};

    prng_init(&prng, 5);
    for (uint32_t attempt = 1; attempt < 40; attempt++) {
        uint64_t wait_ms = waits_ms[attempt < 10 ? attempt - 1 : 9],
                 got_ms = backoff_ms(attempt, &prng);

        ck_assert(got_ms >= wait_ms && got_ms < wait_ms + wait_ms / 4);
    }
}
END_TEST

static struct netaddr host(uint8_t last, uint16_t port)
{
    return (struct netaddr){.kind = NETADDR_IPV4, .port = port, .bytes = {9, 9, 9, last}};
}

START_TEST(bans_hold_for_a_host_until_their_time)
{
    struct netaddr a = host(1, 8333), a_other_port = host(1, 1), b = host(2, 8333);

    ck_assert(banlist_ban(list, &a, NOW + 100, NOW));
    ck_assert(banlist_is_banned(list, &a_other_port, NOW + 99));
    ck_assert(!banlist_is_banned(list, &a, NOW + 100));
    ck_assert(!banlist_is_banned(list, &b, NOW));
    ck_assert(banlist_ban(list, &a_other_port, NOW + 200, NOW));
    ck_assert_uint_eq(list->count, 1);
    ck_assert(banlist_is_banned(list, &a, NOW + 199));
    ck_assert(!banlist_unban(list, &b));
    ck_assert(banlist_unban(list, &a));
    ck_assert(!banlist_is_banned(list, &a, NOW));
}
END_TEST

START_TEST(a_full_list_takes_no_more_until_bans_are_over)
{
    for (uint32_t i = 0; i < BANLIST_MAX; i++) {
        struct addr_entry entry = entry_of(i, 0);

        ck_assert(banlist_ban(list, &entry.addr, NOW + 10 + i, NOW));
    }
    struct netaddr a = host(1, 1);
    ck_assert(!banlist_ban(list, &a, NOW + 100, NOW));
    ck_assert(banlist_ban(list, &a, NOW + 100, NOW + 10));
}
END_TEST

START_TEST(the_discouraged_are_remembered_until_many_more_came)
{
    struct netaddr first = host(1, 1), other = host(1, 2);

    banlist_discourage(list, &first);
    ck_assert(banlist_is_discouraged(list, &other));
    for (uint32_t i = 0; i < BANLIST_DISCOURAGED - 1; i++) {
        struct addr_entry entry = entry_of(i, 0);

        banlist_discourage(list, &entry.addr);
    }
    ck_assert(banlist_is_discouraged(list, &first));
    struct netaddr last = host(2, 1);
    banlist_discourage(list, &last);
    ck_assert(!banlist_is_discouraged(list, &first));
    ck_assert(banlist_unban(list, &last) && !banlist_is_discouraged(list, &last));
}
END_TEST

START_TEST(bans_are_saved_and_read_back_or_refused_whole)
{
    struct banlist *again = xcalloc(1, sizeof *again);
    size_t size;

    for (uint8_t i = 0; i < 50; i++) {
        struct netaddr a = host(i, 0);

        ck_assert(banlist_ban(list, &a, NOW + 1 + i, NOW));
    }
    uint8_t *file = banlist_save(list, &size);
    banlist_init(again, (struct siphash_key){8, 9});
    ck_assert(banlist_load(again, (struct bytes){file, size}, NOW));
    ck_assert_uint_eq(again->count, 50);
    ck_assert_mem_eq(again->bans, list->bans, 50 * sizeof *list->bans);
    for (size_t at = 0; at < size; at++) {
        file[at] ^= 8;
        ck_assert(!banlist_load(again, (struct bytes){file, size}, NOW));
        file[at] ^= 8;
        ck_assert(!banlist_load(again, (struct bytes){file, at}, NOW));
    }
    ck_assert_uint_eq(again->count, 50);
    ck_assert(banlist_load(again, (struct bytes){file, size}, NOW + 20)); /* 20 are over */
    ck_assert_uint_eq(again->count, 30);
    free(file);
    free(again);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seeds");
    TCase *tcase = tcase_create("seeds");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_address_is_kept_once_with_its_latest_time_and_all_services);
    tcase_add_test(tcase, addresses_of_no_public_network_are_kept_only_from_the_operator);
    tcase_add_test(tcase, a_full_table_gives_up_worse_entries_only);
    tcase_add_test(tcase, what_failed_is_left_alone_longer_each_time);
    tcase_add_test(tcase, at_most_23_percent_are_told_and_none_twice);
    tcase_add_test(tcase, the_table_is_saved_and_read_back_or_refused_whole);
    tcase_add_test(tcase, calling_again_waits_1_s_doubling_to_5_minutes);
    tcase_add_test(tcase, bans_hold_for_a_host_until_their_time);
    tcase_add_test(tcase, a_full_list_takes_no_more_until_bans_are_over);
    tcase_add_test(tcase, bans_are_saved_and_read_back_or_refused_whole);
    tcase_add_test(tcase, the_discouraged_are_remembered_until_many_more_came);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
