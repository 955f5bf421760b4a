/* Whom we call and when: the operator's peers, the table's, the DNS seeds', the proxy's. */
#include "net_rig.h"

static void teardown(void)
{
    rig_close();
}

static void know(struct netaddr addr)
{
    struct addr_entry entry = {(uint32_t)engine.now_s, 9, addr};

    ck_assert(seeds_add(net->seeds, &entry, engine.now_s, false));
}

static uint32_t live_count(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < conn_count; i++)
        count += !conns[i]->is_gone;
    return count;
}

START_TEST(outgoing_calls_are_bounded_and_each_of_another_group)
{
    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){.outgoing_max = 5});
    for (uint8_t i = 0; i < 200; i++)
        know(rig_addr(9, i % 10, i, 1)); /* 10 groups */
    for (uint32_t i = 1; i <= 5; i++) {
        rig_pass(1000);
        ck_assert_uint_eq(conn_count, i); /* one a second */
        rig_up(conns[i - 1]);
    }
    rig_pass(60000);
    ck_assert_uint_eq(conn_count, 5);
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t k = 0; k < i; k++)
            ck_assert_uint_ne(conns[i]->addr.bytes[1], conns[k]->addr.bytes[1]);
    rig_fail(conns[2], -ECONNRESET);
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 6); /* its place is filled */
    for (uint32_t k = 0; k < 5; k++)
        if (k != 2)
            ck_assert_uint_ne(conns[5]->addr.bytes[1], conns[k]->addr.bytes[1]);
}
END_TEST

START_TEST(neither_banned_nor_discouraged_nor_unreachable_nor_own_ones_are_called)
{
    static const char *const own[] = {"9.3.0.1:8333"};
    struct netaddr onion = {.kind = NETADDR_ONION, .port = 8333, .bytes = {1}};
    struct netaddr banned = rig_addr(9, 1, 0, 1), bad = rig_addr(9, 2, 0, 1);
    struct netaddr portless = rig_addr(9, 4, 0, 1), callers = rig_addr(9, 5, 0, 1);

    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){.outgoing_max = 8, .external = own, .external_count = 1});
    ck_assert(banlist_ban(net->bans, &banned, engine.now_s + 1000, engine.now_s));
    banlist_discourage(net->bans, &bad);
    portless.port = 0;
    know(banned);
    know(bad);
    know(rig_addr(9, 3, 0, 1));
    know(portless);
    know(callers);
    know(onion);
    callers.port = 40000;
    ck_assert_ptr_nonnull(rig_call(callers)); /* it is connected already: it called us */
    rig_pass(50000);
    ck_assert_uint_eq(conn_count, 1);
    know(rig_addr(9, 6, 0, 1));
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 2);
}
END_TEST

START_TEST(one_that_fails_is_left_alone_longer_each_time)
{
    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){.outgoing_max = 8});
    know(rig_addr(9, 1, 0, 1));
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 1);
    for (uint32_t i = 1; i < 4; i++) {
        uint64_t since_ms = reactor.now_ms;

        while (conn_count == i)
            rig_pass(1000);
        ck_assert_uint_eq(reactor.now_ms - since_ms, 60000u << i);
    }
}
END_TEST

START_TEST(seeds_are_asked_three_at_a_time_while_there_are_no_peers)
{
    uint32_t seen[PARAMS_SEED_MAX] = {0};

    rig_engine(NETWORK_MAIN);
    rig_open((struct net_config){.outgoing_max = 8});
    rig_pass(1000);
    ck_assert_uint_eq(question_count, 3); /* at once: the table is empty */
    rig_pass(10000);
    ck_assert_uint_eq(question_count, 3);
    rig_pass(1000);
    ck_assert_uint_eq(question_count, 6);
    rig_pass(11000);
    ck_assert_uint_eq(question_count, 7); /* all of them */
    for (uint32_t i = 0; i < 7; i++)
        for (uint32_t k = 0; k < 7; k++)
            seen[k] += strncmp(questions[i].name, "x9.", 3) == 0 &&
                       strcmp(questions[i].name + 3, engine.params.dns_seeds[k]) == 0;
    for (uint32_t k = 0; k < 7; k++)
        ck_assert_uint_eq(seen[k], 1);
    rig_pass(3599000);
    ck_assert_uint_eq(question_count, 7);
    rig_pass(2000);
    ck_assert_uint_eq(question_count, 10); /* an hour later, as still nobody is there */
    ck_assert_uint_eq(conn_count, 0);
}
END_TEST

START_TEST(what_seeds_tell_is_called_and_two_peers_are_enough)
{
    struct netaddr told[] = {rig_addr(9, 1, 0, 1), rig_addr(9, 2, 0, 1), rig_addr(10, 0, 0, 1)};

    rig_engine(NETWORK_MAIN);
    rig_open((struct net_config){.outgoing_max = 2});
    rig_pass(1000);
    for (size_t i = 0; i < ARRAY_COUNT(told); i++)
        told[i].port = 0;
    rig_answer(0, told, ARRAY_COUNT(told));
    rig_answer(1, told, 0);
    ck_assert_uint_eq(net->seeds->count, 2); /* the third is of no public network */
    for (uint32_t i = 0; i < 2; i++) {
        const struct seed *seed = &net->seeds->entries[i];
        int64_t age_s = engine.now_s - seed->seen_s;

        ck_assert_uint_eq(seed->addr.port, 8333);
        ck_assert(age_s >= 3 * 86400 && age_s < 7 * 86400);
    }
    for (uint32_t i = 0; i < 2; i++) {
        rig_pass(1000);
        ck_assert_uint_eq(conn_count, i + 1);
        rig_up(conns[i]);
    }
    rig_pass(600000);
    ck_assert_uint_eq(question_count, 3);
}
END_TEST

/* The table has some addresses: they are tried first. */
static void with_table(uint32_t count, uint64_t wait_ms)
{
    rig_engine(NETWORK_MAIN);
    engine.tip = header_tree_at(engine.tree, 0);
    rig_open((struct net_config){.outgoing_max = 1});
    for (uint32_t i = 0; i < count; i++)
        know(rig_addr(9, (uint8_t)(i >> 8), (uint8_t)i, 1));
    calls_begin(net); /* as at a start with this table */
    rig_pass(1000);
    rig_pass(wait_ms - 1000 - 1000);
    ck_assert_uint_eq(question_count, 0);
    rig_pass(2000 + 5000); /* a moment in which no call is under way, too */
    ck_assert_uint_eq(question_count, 3);
}

START_TEST(with_some_addresses_seeds_wait_11_seconds)
{
    with_table(999, 11000);
}
END_TEST

START_TEST(with_many_addresses_seeds_wait_5_minutes)
{
    with_table(1000, 300000);
}
END_TEST

START_TEST(no_seed_is_asked_without_need)
{
    static const char *const peer[] = {"8.1.0.1"};

    rig_engine(NETWORK_MAIN);
    rig_open((struct net_config){.outgoing_max = 8, .is_without_dns = true});
    rig_pass(20000);
    ck_assert_uint_eq(question_count + conn_count, 0);
    rig_close();
    rig_engine(NETWORK_MAIN);
    rig_open((struct net_config){.outgoing_max = 0, .connect = peer, .connect_count = 1});
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 1);
    rig_pass(3000);
    ck_assert_uint_eq(question_count, 0);
}
END_TEST

START_TEST(with_a_proxy_seeds_are_called_by_name_and_left_when_they_told)
{
    static const uint8_t done[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const char *const peer[] = {"localhost"}; /* not ours, but the proxy's */
    struct netaddr onion = {.kind = NETADDR_ONION, .port = 8333, .bytes = {1}};
    uint8_t addrs[1 + 2 * ADDR_ENTRY_SIZE_MAX] = {2}, *at = addrs + 1;

    rig_engine(NETWORK_MAIN);
    rig_open((struct net_config){
        .outgoing_max = 1, .connect = peer, .connect_count = 1, .proxy = "127.0.0.1:9050"});
    rig_pass(1000);
    ck_assert_uint_eq(question_count, 0);
    ck_assert_uint_eq(conn_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert(conns[i]->addr.kind == NETADDR_IPV4 && conns[i]->addr.port == 9050);
        conns[i]->events->connected(conns[i]->owner);
        rig_raw(conns[i], "\5\0", 2);
        ck_assert_mem_eq(conns[i]->raw + 3, "\5\1\0\3", 4);
    }
    ck_assert_mem_eq(conns[0]->raw + 7, "\11localhost\x20\x8d", 12);
    ck_assert_uint_eq(rig_peer(conns[1])->direction, PEER_FETCH);
    ck_assert_str_eq(rig_peer(conns[1])->name, engine.params.dns_seeds[net->seeds_first]);
    for (uint32_t i = 1; i < 3; i++) {
        rig_speak(conns[i]);
        rig_raw(conns[i], done, sizeof done);
        rig_version(conns[i], 0, true); /* a seed need not have blocks */
        rig_tell(conns[i], MESSAGE_VERACK, NULL, 0);
        ck_assert_uint_eq(rig_heard(conns[i], MESSAGE_GETADDR), 1);
        ck_assert_uint_eq(rig_heard(conns[i], MESSAGE_GETHEADERS), 0);
    }
    struct addr_entry entry = {(uint32_t)engine.now_s, 9, onion};
    at += addr_entry_write(at, &entry, true);
    entry.addr = rig_addr(9, 1, 0, 1);
    addrs[0] = 1; /* its own: not yet an answer */
    rig_tell(conns[1], MESSAGE_ADDRV2, addrs, (size_t)(at - addrs));
    ck_assert(!conns[1]->is_gone);
    at += addr_entry_write(at, &entry, true);
    addrs[0] = 2;
    rig_tell(conns[1], MESSAGE_ADDRV2, addrs, (size_t)(at - addrs));
    ck_assert(conns[1]->is_gone);
    ck_assert_uint_eq(net->seeds->count, 2);
    conns[2]->is_lively = true;
    rig_pass(299000);
    ck_assert(!conns[2]->is_gone);
    rig_pass(2000);
    ck_assert(conns[2]->is_gone); /* it told nothing in 5 minutes */
}
END_TEST

START_TEST(an_operators_peer_is_called_again_and_again_more_slowly)
{
    static const char *const peer[] = {"8.1.0.1:7"};
    uint64_t wait_ms = 1000;

    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){.connect = peer, .connect_count = 1});
    rig_pass(1000);
    for (uint32_t i = 1; i < 12; i++) {
        uint64_t since_ms = reactor.now_ms;

        rig_fail(conns[i - 1], -ECONNREFUSED);
        while (conn_count == i)
            rig_pass(1000);
        uint64_t waited_ms = reactor.now_ms - since_ms;
        ck_assert(waited_ms >= wait_ms && waited_ms <= wait_ms + wait_ms / 4 + 1000);
        wait_ms = wait_ms * 2 < 300000 ? wait_ms * 2 : 300000;
    }
    rig_up(conns[11]); /* and from the start once it was there */
    rig_fail(conns[11], -ECONNRESET);
    rig_pass(3000);
    ck_assert_uint_eq(conn_count, 13);
}
END_TEST

START_TEST(who_ends_a_v2_call_without_a_word_is_called_by_v1_at_once)
{
    static const char *const peer[] = {"8.1.0.1:7"};

    rig_engine(NETWORK_REGTEST);
    rig_has_v2 = true;
    rig_open((struct net_config){
        .connect = peer, .connect_count = 1, .outgoing_max = 1, .is_without_dns = true});
    know(rig_addr(9, 1, 0, 1));
    net->seeds->entries[0].services |= SERVICE_P2P_V2;
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 2); /* the operator's, and one of the table */
    for (uint32_t i = 0; i < 2; i++) {
        conns[i]->events->connected(conns[i]->owner);
        ck_assert_uint_ge(conns[i]->raw_size, 64); /* a key */
        ck_assert(memcmp(conns[i]->raw, end_env.magic, 4) != 0);
        rig_raw(conns[i], NULL, 0);
        ck_assert(conns[i]->is_gone);
    }
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 4);
    for (uint32_t i = 2; i < 4; i++) {
        conns[i]->events->connected(conns[i]->owner);
        ck_assert(memcmp(conns[i]->raw, end_env.magic, 4) == 0);
        rig_raw(conns[i], NULL, 0);
    }
    rig_pass(4000); /* later again, the operator's, by v2 */
    ck_assert_uint_eq(conn_count, 5);
    conns[4]->events->connected(conns[4]->owner);
    ck_assert(memcmp(conns[4]->raw, end_env.magic, 4) != 0);
}
END_TEST

START_TEST(a_name_is_looked_up_for_each_call_and_its_addresses_taken_in_turns)
{
    static const char *const peer[] = {"far.example:7"};
    struct netaddr told[] = {rig_addr(9, 1, 0, 1), rig_addr(9, 2, 0, 1)};

    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){.connect = peer, .connect_count = 1});
    rig_pass(60000);
    ck_assert_uint_eq(question_count, 1); /* and no second one before the answer */
    ck_assert_str_eq(questions[0].name, "far.example");
    ck_assert_uint_eq(conn_count, 0);
    rig_answer(0, told, 0);
    rig_pass(2000);
    ck_assert_uint_eq(question_count, 2);
    for (uint32_t i = 0; i < 3; i++) {
        rig_answer(i + 1, told, 2);
        ck_assert_uint_eq(conn_count, i + 1);
        ck_assert_uint_eq(conns[i]->addr.bytes[1], 2 - i % 2);
        ck_assert_uint_eq(conns[i]->addr.port, 7);
        rig_fail(conns[i], -ECONNREFUSED);
        rig_pass(20000);
        ck_assert_uint_eq(question_count, i + 3);
    }
}
END_TEST

START_TEST(an_answer_for_a_name_that_is_not_wanted_any_more_is_dropped)
{
    struct netaddr told = rig_addr(9, 1, 0, 1);
    const char *why;

    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){0});
    ck_assert(calls_add_manual(net, "8.1.0.1", &why));
    ck_assert(calls_add_manual(net, "far.example", &why));
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 1);
    calls_forget(net, rig_peer(conns[0])); /* the name's place in the list changes */
    conn_close(conns[0]);
    rig_settle();
    ck_assert_uint_eq(net->manual_count, 1);
    rig_answer(0, &told, 1);
    ck_assert_uint_eq(conn_count, 2);
    calls_forget(net, rig_peer(conns[1]));
    ck_assert_uint_eq(net->manual_count, 0);
    rig_answer(0, &told, 1);
    ck_assert_uint_eq(conn_count, 2);
    ck_assert_uint_eq(live_count(), 1);
}
END_TEST

START_TEST(one_address_is_called_once_whatever_its_names)
{
    static const char *const peers[] = {"far.example", "9.1.0.1", "Far-2.example", "far.example"};
    struct netaddr told = rig_addr(9, 1, 0, 1);

    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){.connect = peers, .connect_count = ARRAY_COUNT(peers)});
    ck_assert_uint_eq(net->manual_count, 3);
    rig_pass(1000);
    ck_assert_uint_eq(question_count, 2);
    rig_answer(0, &told, 1);
    rig_answer(1, &told, 1);
    ck_assert_uint_eq(conn_count, 1);
}
END_TEST

START_TEST(what_is_no_address_or_name_is_refused)
{
    static const char *const bad[] = {
        "",
        ":8333",
        "a b",
        "1.2.3.4:0",
        "name:0",
        "name:65536",
        "[name]:1",
        "[::1]:0",
        "[::1",
        "na/me",
        "name:1:2",
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
        "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p",
    };
    static const char *const good[] = {"::1", "[::1]", "[::1]:9", "1.2.3.4:65535", "a.b-c_d:1"};
    const char *why;

    rig_engine(NETWORK_REGTEST);
    rig_open((struct net_config){0});
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        ck_assert_msg(!calls_add_manual(net, bad[i], &why), "%s", bad[i]);
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        ck_assert_msg(calls_add_manual(net, good[i], &why), "%s: %s", good[i], why);
    ck_assert_uint_eq(net->manual_count, 4); /* the first two are one */
    for (int i = 0; net->manual_count < MANUAL_MAX; i++) {
        char name[32];

        snprintf(name, sizeof name, "n%d", i);
        ck_assert(calls_add_manual(net, name, &why));
    }
    ck_assert(!calls_add_manual(net, "one.more", &why));
    ck_assert_str_eq(why, "too many already");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calls");
    TCase *tcase = tcase_create("calls");

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, outgoing_calls_are_bounded_and_each_of_another_group);
    tcase_add_test(tcase, neither_banned_nor_discouraged_nor_unreachable_nor_own_ones_are_called);
    tcase_add_test(tcase, one_that_fails_is_left_alone_longer_each_time);
    tcase_add_test(tcase, seeds_are_asked_three_at_a_time_while_there_are_no_peers);
    tcase_add_test(tcase, what_seeds_tell_is_called_and_two_peers_are_enough);
    tcase_add_test(tcase, with_some_addresses_seeds_wait_11_seconds);
    tcase_add_test(tcase, with_many_addresses_seeds_wait_5_minutes);
    tcase_add_test(tcase, no_seed_is_asked_without_need);
    tcase_add_test(tcase, with_a_proxy_seeds_are_called_by_name_and_left_when_they_told);
    tcase_add_test(tcase, an_operators_peer_is_called_again_and_again_more_slowly);
    tcase_add_test(tcase, who_ends_a_v2_call_without_a_word_is_called_by_v1_at_once);
    tcase_add_test(tcase, a_name_is_looked_up_for_each_call_and_its_addresses_taken_in_turns);
    tcase_add_test(tcase, an_answer_for_a_name_that_is_not_wanted_any_more_is_dropped);
    tcase_add_test(tcase, one_address_is_called_once_whatever_its_names);
    tcase_add_test(tcase, what_is_no_address_or_name_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
