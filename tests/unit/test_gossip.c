/* Addresses heard, relayed and told, by a clock that the tests turn. */
#include "net_rig.h"

#define PEERS 8

static const char *const own[] = {"9.9.0.1:7",
                                  "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"};

static void setup(void)
{
    rig_engine(NETWORK_REGTEST);
}

static void teardown(void)
{
    rig_close();
}

/* Incoming ones that take addresses; a getaddr says so. */
static void begin(void)
{
    rig_open((struct net_config){.is_without_dns = true});
    for (uint8_t i = 0; i < PEERS; i++) {
        rig_up(rig_call(rig_addr(8, i, 0, 1)));
        rig_tell(conns[i], MESSAGE_GETADDR, NULL, 0);
    }
}

static void tell(struct conn *conn, const struct addr_entry *entries, uint32_t count, bool is_v2)
{
    uint8_t *payload = xmalloc(3 + (size_t)count * ADDR_ENTRY_SIZE_MAX), *at = payload + 3;

    payload[0] = 0xfd;
    le16_write(payload + 1, (uint16_t)count);
    if (count < 0xfd)
        payload[2] = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++)
        at += addr_entry_write(at, &entries[i], is_v2);
    uint8_t *from = payload + (count < 0xfd ? 2 : 0);
    rig_tell(conn, is_v2 ? MESSAGE_ADDRV2 : MESSAGE_ADDR, from, (size_t)(at - from));
    free(payload);
}

static struct addr_entry entry_of(uint8_t c, uint8_t d, int64_t age_s)
{
    return (struct addr_entry){(uint32_t)(engine.now_s - age_s), 9, rig_addr(9, 1, c, d)};
}

/* How many peers were told of it, each once at most; which (a bit each) in who. */
static uint32_t told_of(const struct netaddr *addr, uint32_t *who)
{
    uint32_t sum = 0;

    *who = 0;
    for (uint32_t i = 0; i < conn_count; i++) {
        uint32_t times = 0;

        for (uint32_t k = 0; k < conns[i]->said_count; k++) {
            const struct said *said = &conns[i]->said[k];
            struct addr_list list;
            struct addr_entry entry;

            if (said->type != MESSAGE_ADDR && said->type != MESSAGE_ADDRV2)
                continue;
            ck_assert_int_eq(addr_list_open(&list, said->payload, said->type == MESSAGE_ADDRV2),
                             PARSE_OK);
            while (addr_list_next(&list, &entry))
                times += netaddr_equal(&entry.addr, addr);
        }
        ck_assert_uint_le(times, 1);
        sum += times;
        *who |= times << i;
    }
    return sum;
}

START_TEST(a_fresh_address_goes_to_two_others_once)
{
    uint32_t who, again;

    begin();
    struct addr_entry entry = entry_of(0, 1, 599);
    tell(conns[0], &entry, 1, false);
    rig_pass(61000);
    ck_assert_uint_eq(told_of(&entry.addr, &who), 2);
    ck_assert_uint_eq(who & 1, 0);
    for (int i = 0; i < 20; i++) { /* however often it is said, and by whom */
        entry.time = (uint32_t)engine.now_s;
        tell(conns[i % PEERS], &entry, 1, false);
        rig_pass(61000);
    }
    ck_assert_uint_le(told_of(&entry.addr, &again), 3); /* the third if one of the two said it */
    ck_assert_uint_eq(again & who, who);
}
END_TEST

START_TEST(the_two_are_others_for_other_addresses)
{
    uint32_t who, all = 0;

    begin();
    for (uint8_t i = 0; i < 40; i++) {
        struct addr_entry entry = entry_of(1, i, 0);

        tell(conns[0], &entry, 1, false);
        rig_pass(61000);
        ck_assert_uint_eq(told_of(&entry.addr, &who), 2);
        all |= who;
    }
    ck_assert_uint_eq(all, 0xfe); /* every one but the sender */
}
END_TEST

START_TEST(what_is_old_or_of_the_future_or_private_or_in_a_crowd_is_not_relayed)
{
    struct addr_entry crowd[11];
    struct addr_entry old = entry_of(2, 1, 600), future = entry_of(2, 2, -601);
    struct addr_entry private = entry_of(2, 3, 0), useless = entry_of(2, 4, 0);
    struct addr_entry good = entry_of(2, 5, 0);
    uint32_t who;

    begin();
    rig_peer(conns[0])->addr_tokens = 100;
    private.addr = rig_addr(192, 168, 0, 1);
    useless.services = SERVICE_WITNESS;
    tell(conns[0], &old, 1, false);
    tell(conns[0], &future, 1, false);
    tell(conns[0], &private, 1, false);
    tell(conns[0], &useless, 1, false);
    for (uint8_t i = 0; i < 11; i++)
        crowd[i] = entry_of(3, i, 0);
    tell(conns[0], crowd, 11, false);
    tell(conns[0], &good, 1, false);
    rig_pass(61000);
    ck_assert_uint_eq(told_of(&old.addr, &who), 0);
    ck_assert_uint_eq(told_of(&future.addr, &who), 0);
    ck_assert_uint_eq(told_of(&private.addr, &who), 0);
    ck_assert_uint_eq(told_of(&useless.addr, &who), 0);
    ck_assert_uint_eq(told_of(&crowd[0].addr, &who), 0);
    ck_assert_uint_eq(told_of(&good.addr, &who), 2);
    ck_assert_ptr_null(seeds_find(net->seeds, &useless.addr));
    ck_assert_ptr_null(seeds_find(net->seeds, &private.addr));
    ck_assert_ptr_nonnull(seeds_find(net->seeds, &crowd[10].addr));
    rig_peer(conns[1])->addr_tokens = 100;
    for (uint8_t i = 0; i < 10; i++)
        crowd[i] = entry_of(4, i, 0);
    tell(conns[1], crowd, 10, false);
    rig_pass(61000);
    ck_assert_uint_eq(told_of(&crowd[9].addr, &who), 2);
}
END_TEST

START_TEST(an_onion_goes_to_those_that_can_hear_of_it)
{
    uint32_t who, ones = 0, twos = 0;

    rig_open((struct net_config){.is_without_dns = true});
    for (uint8_t i = 0; i < 6; i++) {
        struct conn *conn = rig_call(rig_addr(8, i, 0, 1));

        rig_speak(conn);
        conn->is_lively = true;
        rig_version(conn, 9, i < 4); /* the last two have only addr */
        rig_tell(conn, MESSAGE_VERACK, NULL, 0);
        rig_tell(conn, MESSAGE_GETADDR, NULL, 0);
    }
    for (uint8_t i = 0; i < 40; i++) {
        struct addr_entry entry = {
            (uint32_t)engine.now_s, 9, {.kind = NETADDR_ONION, .port = 1, .bytes = {5, i}}};

        tell(conns[0], &entry, 1, true);
        rig_pass(61000);
        uint32_t count = told_of(&entry.addr, &who);
        ck_assert_uint_eq(who & ~0xeu, 0);
        ones += count == 1; /* cannot be reached from here, without a proxy */
        twos += count == 2;
    }
    ck_assert_uint_eq(ones + twos, 40);
    ck_assert(ones > 5 && twos > 5);
}
END_TEST

START_TEST(addresses_are_taken_at_one_in_ten_seconds_up_to_a_thousand)
{
    struct addr_entry entries[1000];

    begin();
    for (uint32_t i = 0; i < 1000; i++)
        entries[i] = entry_of((uint8_t)(i >> 8), (uint8_t)i, 3600);
    tell(conns[0], entries, 1000, false);
    ck_assert_uint_eq(net->seeds->count, 1);
    rig_pass(9000);
    tell(conns[0], entries + 1, 500, false);
    ck_assert_uint_eq(net->seeds->count, 1);
    rig_pass(1000);
    tell(conns[0], entries + 1, 500, false);
    ck_assert_uint_eq(net->seeds->count, 2);
    rig_pass(20ull * 86400 * 1000 / 100); /* 17,280 s: 1,728, but for the bound */
    tell(conns[0], entries, 1000, false);
    ck_assert_uint_eq(net->seeds->count, 1000);
    ck_assert(rig_peer(conns[0])->addr_tokens < 1);
}
END_TEST

START_TEST(who_was_asked_may_tell_a_thousand_and_they_are_not_relayed)
{
    static const char *const peer[] = {"8.100.0.1"};
    struct addr_entry entries[1000];
    uint32_t who;

    rig_open((struct net_config){.connect = peer, .connect_count = 1, .is_without_dns = true});
    rig_pass(1000);
    rig_up(conns[0]);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETADDR), 1);
    rig_up(rig_call(rig_addr(8, 1, 0, 1)));
    rig_tell(conns[1], MESSAGE_GETADDR, NULL, 0);
    for (uint32_t i = 0; i < 1000; i++)
        entries[i] = entry_of((uint8_t)(i >> 8), (uint8_t)i, 0);
    tell(conns[0], entries, 5, false); /* few, but the answer */
    tell(conns[0], entries + 5, 3, false);
    rig_pass(61000);
    ck_assert_uint_eq(told_of(&entries[0].addr, &who), 0);
    ck_assert_uint_eq(told_of(&entries[5].addr, &who), 1);
    tell(conns[0], entries + 8, 992, false);
    ck_assert_uint_eq(net->seeds->count, 1000);
}
END_TEST

START_TEST(getaddr_is_answered_once_from_one_answer_for_21_to_27_hours)
{
    struct bytes first, other;

    rig_open((struct net_config){.is_without_dns = true});
    for (uint32_t i = 0; i < 4096; i++) {
        struct addr_entry entry = entry_of((uint8_t)(i >> 8), (uint8_t)i, 3600);

        seeds_add(net->seeds, &entry, engine.now_s, false);
    }
    for (uint8_t i = 0; i < 3; i++) {
        rig_up(rig_call(rig_addr(8, i, 0, 1)));
        rig_tell(conns[i], MESSAGE_GETADDR, NULL, 0);
        rig_tell(conns[i], MESSAGE_GETADDR, NULL, 0);
        ck_assert_uint_eq(rig_heard(conns[i], MESSAGE_ADDR), 1);
        if (i == 1)
            rig_pass(21 * 3600 * 1000 - 1000);
    }
    first = rig_last(conns[0], MESSAGE_ADDR);
    ck_assert_uint_eq(le16_read(first.data + 1), 4096 * 23 / 100);
    for (uint32_t i = 1; i < 3; i++) {
        other = rig_last(conns[i], MESSAGE_ADDR);
        ck_assert(bytes_equal(first, other));
    }
    rig_pass(6 * 3600 * 1000 + 1000);
    rig_up(rig_call(rig_addr(8, 7, 0, 1)));
    rig_tell(conns[3], MESSAGE_GETADDR, NULL, 0);
    other = rig_last(conns[3], MESSAGE_ADDR);
    ck_assert(other.size == first.size && !bytes_equal(first, other));
}
END_TEST

START_TEST(those_we_called_get_no_answer)
{
    static const char *const peer[] = {"8.100.0.1"};

    rig_open((struct net_config){.connect = peer, .connect_count = 1, .is_without_dns = true});
    for (uint8_t i = 0; i < 100; i++) {
        struct addr_entry entry = entry_of(0, i, 3600);

        seeds_add(net->seeds, &entry, engine.now_s, false);
    }
    rig_pass(1000);
    rig_up(conns[0]);
    rig_tell(conns[0], MESSAGE_GETADDR, NULL, 0);
    rig_pass(61000);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_ADDR), 0);
}
END_TEST

START_TEST(our_own_are_told_when_synced_and_once_a_day)
{
    static const char *const peer[] = {"8.100.0.1"};
    struct addr_list list;
    struct addr_entry entry;

    rig_open((struct net_config){.connect = peer,
                                 .connect_count = 1,
                                 .external = own,
                                 .external_count = ARRAY_COUNT(own),
                                 .is_without_dns = true});
    rig_pass(1000);
    rig_up(conns[0]);
    rig_up(rig_call(rig_addr(8, 1, 0, 1))); /* which does not care for addresses */
    rig_pass(100000);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_ADDR), 0);
    engine.is_synced = true;
    rig_pass(1000);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_ADDR), 1);
    ck_assert_int_eq(addr_list_open(&list, rig_last(conns[0], MESSAGE_ADDR), false), PARSE_OK);
    ck_assert_uint_eq(list.count, 1); /* addr has no word for an onion */
    ck_assert(addr_list_next(&list, &entry));
    ck_assert(entry.addr.port == 7 && entry.time == (uint32_t)engine.now_s);
    ck_assert_uint_eq(entry.services, SERVICE_NETWORK | SERVICE_WITNESS | SERVICE_NETWORK_LIMITED);
    rig_forget(conns[0]);
    rig_pass(86400000 - 1000);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_ADDR), 0);
    rig_pass(1000);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_ADDR), 1);
    ck_assert_uint_eq(rig_heard(conns[1], MESSAGE_ADDR), 0);
    rig_tell(conns[1], MESSAGE_GETADDR, NULL, 0);
    rig_pass(1000);
    ck_assert_uint_eq(rig_heard(conns[1], MESSAGE_ADDR), 1);
}
END_TEST

START_TEST(own_addresses_that_nobody_could_call_are_refused)
{
    static const char *const bad[] = {"192.168.0.1", "127.0.0.1:8333", "::1",
                                      "[fe80::1]:1", "name",           "9.9.0.1:0"};
    char text[256];

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct net_config config = {.engine = &engine,
                                    .reactor = &reactor,
                                    .user_agent = "/rig/",
                                    .external = &bad[i],
                                    .external_count = 1};

        ck_assert_int_eq(net_open(&net, &config, text, sizeof text), -EINVAL);
        ck_assert_ptr_nonnull(strstr(text, bad[i]));
    }
    const char *nine[NET_EXTERNAL_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(nine); i++)
        nine[i] = "9.9.0.1";
    struct net_config config = {.engine = &engine,
                                .reactor = &reactor,
                                .user_agent = "/rig/",
                                .external = nine,
                                .external_count = ARRAY_COUNT(nine)};
    ck_assert_int_eq(net_open(&net, &config, text, sizeof text), -EINVAL);
    begin(); /* for teardown */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gossip");
    TCase *tcase = tcase_create("gossip");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_fresh_address_goes_to_two_others_once);
    tcase_add_test(tcase, the_two_are_others_for_other_addresses);
    tcase_add_test(tcase, what_is_old_or_of_the_future_or_private_or_in_a_crowd_is_not_relayed);
    tcase_add_test(tcase, an_onion_goes_to_those_that_can_hear_of_it);
    tcase_add_test(tcase, addresses_are_taken_at_one_in_ten_seconds_up_to_a_thousand);
    tcase_add_test(tcase, who_was_asked_may_tell_a_thousand_and_they_are_not_relayed);
    tcase_add_test(tcase, getaddr_is_answered_once_from_one_answer_for_21_to_27_hours);
    tcase_add_test(tcase, those_we_called_get_no_answer);
    tcase_add_test(tcase, our_own_are_told_when_synced_and_once_a_day);
    tcase_add_test(tcase, own_addresses_that_nobody_could_call_are_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
