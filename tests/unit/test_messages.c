#include "base/arena.h"
#include "codec/compact.h"
#include "codec/message_addr.h"
#include "codec/message_chain.h"
#include "codec/message_filter.h"
#include "codec/message_handshake.h"

#include <check.h>
#include <stdlib.h>

/* Runs parse on every cut of a payload, each in memory of its own size: only from whole_size on may
 * it succeed. */
static struct bytes exact_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = xmalloc(size);

    memcpy(copy, data, size);
    return (struct bytes){copy, size};
}

static struct version_message some_version(const char *agent, size_t agent_size)
{
    struct version_message version = {
        .version = 70017,
        .services = 0xc09,
        .time = 1700000000,
        .nonce = 0x1122334455667788,
        .user_agent = {(const uint8_t *)agent, agent_size},
        .height = 840000,
        .wants_txs = true,
    };

    ck_assert(netaddr_parse(&version.receiver, "1.2.3.4:8333", 0));
    return version;
}

START_TEST(version_round_trips)
{
    struct version_message in = some_version("/Caesure:0.1.0/", 15), out;
    uint8_t raw[VERSION_SIZE_MAX];
    size_t size = version_write(raw, &in);

    ck_assert_uint_eq(size, 4 + 8 + 8 + 26 + 26 + 8 + 1 + 15 + 4 + 1);
    ck_assert(version_parse(&out, (struct bytes){raw, size}));
    ck_assert_int_eq(out.version, in.version);
    ck_assert_uint_eq(out.services, in.services);
    ck_assert_int_eq(out.time, in.time);
    ck_assert(netaddr_equal(&out.receiver, &in.receiver));
    ck_assert_uint_eq(out.nonce, in.nonce);
    ck_assert(bytes_equal(out.user_agent, in.user_agent));
    ck_assert_int_eq(out.height, in.height);
    ck_assert(out.wants_txs);
}
END_TEST

START_TEST(version_may_end_where_old_ones_did_and_nowhere_else)
{
    struct version_message in = some_version("/x/", 3), out;
    uint8_t raw[VERSION_SIZE_MAX];
    size_t size = version_write(raw, &in);

    for (size_t cut = 0; cut <= size; cut++) {
        struct bytes copy = exact_copy(raw, cut);
        bool is_end = cut == 46 || cut == 80 || cut == 84 || cut == 88 || cut == 89;

        ck_assert_msg(version_parse(&out, copy) == is_end, "cut at %zu", cut);
        if (is_end)
            ck_assert_int_eq(out.height, cut >= 88 ? in.height : -1);
        free((void *)copy.data);
    }
    raw[size - 1] = 0;
    ck_assert(version_parse(&out, (struct bytes){raw, size}) && !out.wants_txs);
}
END_TEST

START_TEST(user_agent_of_256_bytes_is_read_and_of_257_refused)
{
    char agent[257];
    uint8_t raw[VERSION_SIZE_MAX + 1];
    struct version_message out;

    memset(agent, 'a', sizeof agent);
    struct version_message in = some_version(agent, 256);
    size_t size = version_write(raw, &in);
    ck_assert_uint_eq(size, VERSION_SIZE_MAX);
    ck_assert(version_parse(&out, (struct bytes){raw, size}));
    ck_assert_uint_eq(raw[81], 0);
    raw[81] = 1; /* fd 00 01 -> fd 01 01 */
    ck_assert(!version_parse(&out, (struct bytes){raw, sizeof raw}));
}
END_TEST

static bool feature_of(size_t id_size, size_t data_size, size_t more)
{
    static uint8_t raw[1000];
    uint8_t *at = raw;
    struct feature_message feature;

    at += compact_write(at, id_size);
    at += id_size;
    at += compact_write(at, data_size);
    at += data_size;
    bool is_parsed = feature_parse(&feature, (struct bytes){raw, (size_t)(at - raw) + more});
    if (is_parsed)
        ck_assert(feature.id.size == id_size && feature.data.size == data_size);
    return is_parsed;
}

START_TEST(feature_bounds)
{
    ck_assert(feature_of(4, 0, 0) && !feature_of(3, 0, 0));
    ck_assert(feature_of(80, 0, 0) && !feature_of(81, 0, 0));
    ck_assert(feature_of(4, 512, 0) && !feature_of(4, 513, 0));
    ck_assert(!feature_of(4, 4, 1));
}
END_TEST

START_TEST(numbers_and_sendcmpct)
{
    uint8_t raw[9] = {8, 7, 6, 5, 4, 3, 2, 1, 0};
    struct sendcmpct_message out, in = {1, 2};
    uint64_t number;

    ck_assert(number_parse(&number, (struct bytes){raw, 8}) && number == 0x0102030405060708);
    ck_assert(number_parse(&number, (struct bytes){raw, 9}));
    ck_assert(!number_parse(&number, (struct bytes){raw, 7}));
    sendcmpct_write(raw, &in);
    ck_assert(sendcmpct_parse(&out, (struct bytes){raw, 9}) && out.announce == 1 &&
              out.version == 2);
    ck_assert(!sendcmpct_parse(&out, (struct bytes){raw, 8}));
}
END_TEST

static size_t addr_message(uint8_t *raw, uint32_t count, bool is_v2)
{
    static const char *const texts[] = {
        "1.2.3.4:8333", "[2a00::1]:8333", "[fc00::1]:8333",
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:8333"};
    uint8_t *at = raw + compact_write(raw, count);

    for (uint32_t i = 0; i < count; i++) {
        struct addr_entry entry = {.time = 1700000000 + i, .services = i};

        ck_assert(netaddr_parse(&entry.addr, texts[i % (is_v2 ? 4 : 2)], 0));
        at += addr_entry_write(at, &entry, is_v2);
    }
    return (size_t)(at - raw);
}

START_TEST(addr_lists_of_1000_are_read_and_of_1001_exceed)
{
    uint8_t *raw = xmalloc(9 + 1001 * ADDR_ENTRY_SIZE_MAX);

    for (int is_v2 = 0; is_v2 < 2; is_v2++) {
        struct addr_list list;
        struct addr_entry entry;
        uint32_t count = 0;
        size_t size = addr_message(raw, 1000, is_v2);

        ck_assert_int_eq(addr_list_open(&list, (struct bytes){raw, size}, is_v2), PARSE_OK);
        while (addr_list_next(&list, &entry)) {
            ck_assert_uint_eq(entry.time, 1700000000 + count);
            ck_assert_uint_eq(entry.services, count);
            ck_assert_uint_eq(entry.addr.port, 8333);
            count++;
        }
        ck_assert_uint_eq(count, 1000);
        size = addr_message(raw, 1001, is_v2);
        ck_assert_int_eq(addr_list_open(&list, (struct bytes){raw, size}, is_v2), PARSE_EXCEEDED);
        ck_assert_int_eq(addr_list_open(&list, (struct bytes){raw, 100}, is_v2), PARSE_MALFORMED);

        size = addr_message(raw, 4, is_v2);
        for (size_t cut = 0; cut < size; cut++) {
            struct bytes copy = exact_copy(raw, cut);

            ck_assert_int_eq(addr_list_open(&list, copy, is_v2), PARSE_MALFORMED);
            free((void *)copy.data);
        }
    }
    free(raw);
}
END_TEST

START_TEST(addresses_without_meaning_are_passed_over)
{
    uint8_t raw[200];
    struct addr_list list;
    struct addr_entry entry;
    size_t size = addr_message(raw, 2, true);

    ck_assert_uint_eq(raw[1 + 4 + 1], NETADDR_IPV4);
    raw[1 + 4 + 1] = 99; /* of a network to come */
    ck_assert_int_eq(addr_list_open(&list, (struct bytes){raw, size}, true), PARSE_OK);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(addr_list_next(&list, &entry));
    ck_assert_int_eq(entry.addr.kind, NETADDR_IPV6);
    ck_assert(!addr_list_next(&list, &entry));
}
END_TEST

START_TEST(inv_of_50000_is_read_and_of_50001_exceeds)
{
    struct inv *items = xcalloc(50001, sizeof *items);
    uint8_t *raw = xmalloc(9 + 50001 * sizeof *items);
    struct inv_list list;

    for (uint32_t i = 0; i < 50001; i++) {
        items[i].type = INV_BLOCK | INV_WITNESS_FLAG;
        le32_write(items[i].hash, i);
    }
    for (uint32_t count = 50000; count <= 50001; count++) {
        size_t size = inv_list_write(raw, items, count);

        ck_assert_int_eq(inv_list_parse(&list, (struct bytes){raw, size}),
                         count == 50000 ? PARSE_OK : PARSE_EXCEEDED);
        ck_assert_int_eq(inv_list_parse(&list, (struct bytes){raw, size - 1}), PARSE_MALFORMED);
    }
    size_t size = inv_list_write(raw, items, 3);
    ck_assert_int_eq(inv_list_parse(&list, (struct bytes){raw, size}), PARSE_OK);
    ck_assert_uint_eq(list.count, 3);
    struct inv last = inv_at(&list, 2);
    ck_assert_mem_eq(&last, &items[2], sizeof last);
    memset(raw, 0xff, 9); /* a count of 2^64 - 1 */
    ck_assert_int_eq(inv_list_parse(&list, (struct bytes){raw, 1000}), PARSE_MALFORMED);
    free(items);
    free(raw);
}
END_TEST

START_TEST(locator_of_101_is_read_and_of_102_exceeds)
{
    struct block_hash *hashes = xcalloc(102, sizeof *hashes);
    uint8_t raw[LOCATOR_SIZE_MAX + 32];
    struct locator_message out,
        in = {.version = 70016, .count = 101, .hashes = hashes, .stop = {{1, 2, 3}}};

    for (uint32_t i = 0; i < 102; i++)
        le32_write(hashes[i].bytes, i);
    size_t size = locator_write(raw, &in);
    ck_assert_int_eq(locator_parse(&out, (struct bytes){raw, size}), PARSE_OK);
    ck_assert_uint_eq(out.count, 101);
    ck_assert_uint_eq(out.version, 70016);
    ck_assert_mem_eq(out.hashes, hashes, 101 * 32);
    ck_assert(block_hash_equal(&out.stop, &in.stop));
    ck_assert_int_eq(locator_parse(&out, (struct bytes){raw, size - 1}), PARSE_MALFORMED);
    raw[4] = 102;
    memset(raw + size, 0, 32);
    ck_assert_int_eq(locator_parse(&out, (struct bytes){raw, size + 32}), PARSE_EXCEEDED);
    ck_assert_int_eq(locator_parse(&out, (struct bytes){raw, size}), PARSE_MALFORMED);
    free(hashes);
}
END_TEST

START_TEST(headers_of_2000_are_read_and_of_2001_exceed)
{
    struct header *in = xcalloc(2001, sizeof *in), *out = xcalloc(2000, sizeof *out);
    uint8_t *raw = xmalloc(HEADERS_SIZE_MAX + 81);
    uint32_t count;

    for (uint32_t i = 0; i < 2001; i++)
        in[i].nonce = i;
    size_t size = headers_write(raw, in, 2000);
    ck_assert_uint_eq(size, HEADERS_SIZE_MAX);
    ck_assert_int_eq(headers_parse(out, &count, (struct bytes){raw, size}), PARSE_OK);
    ck_assert_uint_eq(count, 2000);
    ck_assert_mem_eq(in, out, 2000 * sizeof *in);
    ck_assert_int_eq(headers_parse(out, &count, (struct bytes){raw, size - 1}), PARSE_MALFORMED);
    size = headers_write(raw, in, 2001);
    ck_assert_int_eq(headers_parse(out, &count, (struct bytes){raw, size}), PARSE_EXCEEDED);
    ck_assert_int_eq(headers_parse(out, &count, (struct bytes){(const uint8_t *)"\xfe\0\0\0\2", 5}),
                     PARSE_EXCEEDED);
    ck_assert_int_eq(headers_parse(out, &count, (struct bytes){(const uint8_t *)"\xfe\1\0\0\2", 5}),
                     PARSE_MALFORMED);

    size = headers_write(raw, in, 1);
    raw[size - 1] = 200; /* the number of transactions is not minded */
    ck_assert_int_eq(headers_parse(out, &count, (struct bytes){raw, size}), PARSE_OK);
    free(in);
    free(out);
    free(raw);
}
END_TEST

START_TEST(filter_messages)
{
    struct filter_range_message out, in = {FILTER_BASIC, 7, {{9}}};
    struct filter_checkpoint_message checkpoint;
    uint8_t raw[200], hashes[2][32] = {{1}, {2}}, previous[32] = {3};

    filter_range_write(raw, &in);
    ck_assert(filter_range_parse(&out, (struct bytes){raw, 37}));
    ck_assert(out.start_height == 7 && block_hash_equal(&out.stop, &in.stop));
    ck_assert(!filter_range_parse(&out, (struct bytes){raw, 36}));
    ck_assert(filter_checkpoint_parse(&checkpoint, (struct bytes){raw, 33}));
    ck_assert(!filter_checkpoint_parse(&checkpoint, (struct bytes){raw, 32}));
    ck_assert_uint_eq(cfilter_write(raw, 0, &in.stop, (struct bytes){previous, 5}), 33 + 1 + 5);
    ck_assert_uint_eq(raw[33], 5);
    ck_assert_uint_eq(cfheaders_write(raw, 0, &in.stop, previous, (const uint8_t(*)[32])hashes, 2),
                      33 + 32 + 1 + 64);
    ck_assert_uint_eq(raw[33], 3);
    ck_assert_uint_eq(raw[33 + 32 + 1 + 32], 2);
    ck_assert_uint_eq(cfcheckpt_write(raw, 0, &in.stop, (const uint8_t(*)[32])hashes, 2),
                      33 + 1 + 64);
    ck_assert_uint_eq(raw[33 + 1], 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("messages");
    TCase *tcase = tcase_create("messages");

    tcase_add_test(tcase, version_round_trips);
    tcase_add_test(tcase, version_may_end_where_old_ones_did_and_nowhere_else);
    tcase_add_test(tcase, user_agent_of_256_bytes_is_read_and_of_257_refused);
    tcase_add_test(tcase, feature_bounds);
    tcase_add_test(tcase, numbers_and_sendcmpct);
    tcase_add_test(tcase, addr_lists_of_1000_are_read_and_of_1001_exceed);
    tcase_add_test(tcase, addresses_without_meaning_are_passed_over);
    tcase_add_test(tcase, inv_of_50000_is_read_and_of_50001_exceeds);
    tcase_add_test(tcase, locator_of_101_is_read_and_of_102_exceeds);
    tcase_add_test(tcase, headers_of_2000_are_read_and_of_2001_exceed);
    tcase_add_test(tcase, filter_messages);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
