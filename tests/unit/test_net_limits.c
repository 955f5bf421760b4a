/* Times and bounds of connections, by a clock that the tests turn. */
#include "net_rig.h"

static const char *const one_peer[] = {"8.1.0.1"};

static void setup(void)
{
    rig_engine(NETWORK_REGTEST);
}

static void teardown(void)
{
    rig_close();
}

static void open_one_manual(void)
{
    rig_open((struct net_config){.connect = one_peer, .connect_count = 1, .is_without_dns = true});
    rig_pass(1000);
    ck_assert_uint_eq(conn_count, 1);
}

/* It is there for so long, and a second later gone, with this reason. */
static void lasts(const struct conn *conn, uint64_t ms, const char *why)
{
    rig_pass(ms);
    ck_assert_msg(!conn->is_gone, "%s", last_log);
    rig_pass(1000);
    ck_assert_msg(conn->is_gone && strstr(last_log, why), "%s", last_log);
}

START_TEST(a_call_has_5_seconds)
{
    open_one_manual();
    lasts(conns[0], 5000, "does not answer the call");
}
END_TEST

START_TEST(a_handshake_has_a_minute_on_either_side)
{
    open_one_manual();
    rig_pass(4000);
    rig_speak(conns[0]);
    conns[0]->events->connected(conns[0]->owner);
    rig_version(conns[0], SERVICE_NETWORK | SERVICE_WITNESS, false);
    struct conn *caller = rig_call(rig_addr(8, 2, 0, 1));
    rig_pass(60000);
    ck_assert(!conns[0]->is_gone && !caller->is_gone);
    rig_pass(1000);
    ck_assert(conns[0]->is_gone && caller->is_gone);
    ck_assert_ptr_nonnull(strstr(last_log, "no handshake in a minute"));
}
END_TEST

START_TEST(a_proxy_has_20_seconds_and_then_the_peer_a_minute)
{
    static const uint8_t greeting[] = {5, 1, 0}, done[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};

    rig_open((struct net_config){
        .connect = one_peer, .connect_count = 1, .proxy = "127.0.0.1", .is_without_dns = true});
    rig_pass(1000);
    ck_assert_uint_eq(conns[0]->addr.port, SOCKS_PORT);
    conns[0]->events->connected(conns[0]->owner);
    ck_assert_uint_eq(conns[0]->raw_size, 3);
    ck_assert_mem_eq(conns[0]->raw, greeting, 3);
    rig_raw(conns[0], "\5", 1);
    lasts(conns[0], 20000, "proxy: no connection in time");
    rig_pass(3000); /* called again */
    ck_assert_uint_eq(conn_count, 2);
    conns[1]->events->connected(conns[1]->owner);
    rig_raw(conns[1], "\5\0", 2);
    ck_assert_uint_eq(conns[1]->raw_size, 3 + 10);
    rig_pass(19000);
    rig_speak(conns[1]);
    rig_raw(conns[1], done, sizeof done);
    ck_assert_uint_eq(rig_heard(conns[1], MESSAGE_VERSION), 1);
    lasts(conns[1], 60000, "no handshake in a minute");
}
END_TEST

START_TEST(a_ping_goes_out_every_2_minutes_and_has_20_for_its_answer)
{
    open_one_manual();
    rig_up(conns[0]);
    conns[0]->is_lively = false;
    rig_pass(1000);
    for (uint32_t i = 1; i < 4; i++) {
        ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_PING), i);
        struct bytes nonce = rig_last(conns[0], MESSAGE_PING);
        rig_tell(conns[0], MESSAGE_PONG, "12345678", 8); /* to nothing */
        rig_pass(50);
        rig_tell(conns[0], MESSAGE_PONG, nonce.data, nonce.size);
        ck_assert_uint_eq(rig_peer(conns[0])->ping_last_ms, 50);
        rig_pass(119000 - 50);
        ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_PING), i);
        rig_pass(1000);
    }
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_PING), 4);
    lasts(conns[0], 1200000, "no answer to ping");
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_PING), 4); /* one is under way at a time */
}
END_TEST

START_TEST(one_too_old_for_pings_may_be_silent_for_20_minutes)
{
    rig_open((struct net_config){.is_without_dns = true});
    struct conn *conn = rig_call(rig_addr(8, 2, 0, 1));
    rig_speak(conn);
    rig_version_of(conn, 60000, SERVICE_NETWORK);
    rig_tell(conn, MESSAGE_VERACK, NULL, 0);
    rig_pass(1000000);
    rig_tell(conn, MESSAGE_PING, NULL, 0);
    ck_assert_uint_eq(rig_heard(conn, MESSAGE_PING) + rig_heard(conn, MESSAGE_PONG), 0);
    lasts(conn, 1200000, "silent for 20 minutes");
}
END_TEST

START_TEST(one_that_we_hold_up_need_not_answer)
{
    open_one_manual();
    rig_up(conns[0]);
    conns[0]->is_lively = false;
    rig_pass(1000);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_PING), 1);
    rig_peer(conns[0])->is_held = true;
    rig_pass(3600000);
    ck_assert(!conns[0]->is_gone);
    rig_peer(conns[0])->is_held = false;
    lasts(conns[0], 1200000, "no answer to ping");
}
END_TEST

/* Addresses of so many groups, in the table. */
static void fill_table(uint32_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        struct addr_entry entry = {(uint32_t)engine.now_s, 9, rig_addr(9, i, 0, 1)};

        ck_assert(seeds_add(net->seeds, &entry, engine.now_s, false));
    }
}

START_TEST(outgoing_peers_that_stay_behind_go_after_22_minutes_but_for_four)
{
    struct header_node *old = rig_grow(engine.tip, 3);

    engine.tip = old;
    engine.now_s = old->time + 600;
    rig_open((struct net_config){.outgoing_max = 6, .is_without_dns = true});
    fill_table(6);
    for (uint32_t i = 0; i < 6; i++) {
        rig_pass(1000);
        ck_assert_uint_eq(conn_count, i + 1);
        rig_up(conns[i]);
    }
    for (uint32_t i = 0; i < 6; i++)
        rig_tell_header(conns[i], old); /* as much work as ours: the first four are kept */
    rig_pass(1000);
    struct header_node *tip = rig_grow(old, 1);
    rig_tell_header(conns[4], tip);
    engine.tip = tip;
    net_notify_tip(net, tip);
    rig_pass(1000); /* now it is noticed */
    for (uint32_t i = 0; i < 6; i++)
        rig_forget(conns[i]);
    net->seeds->count = 0; /* nobody comes in their place */
    rig_pass(1200000);
    ck_assert_uint_eq(rig_heard(conns[5], MESSAGE_GETHEADERS), 0);
    rig_pass(1000);
    ck_assert_uint_eq(rig_heard(conns[5], MESSAGE_GETHEADERS), 1);
    rig_pass(119000);
    ck_assert(!conns[5]->is_gone);
    rig_pass(1000);
    ck_assert(conns[5]->is_gone);
    ck_assert_ptr_nonnull(strstr(last_log, "stays behind"));
    rig_pass(600000);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert(!conns[i]->is_gone);
}
END_TEST

START_TEST(headers_are_asked_for_again_after_2_minutes)
{
    struct header_node *far = rig_grow(rig_grow(engine.tip, 1), 1);
    struct header loose = header_of_node(far);

    open_one_manual();
    rig_up(conns[0]);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETHEADERS), 1);
    loose.prev_hash.bytes[0] ^= 1; /* of nothing we know: what comes before it is asked for */
    do
        loose.nonce++;
    while (header_hash(&loose).bytes[31] >= 0x7f);
    uint8_t payload[9 + HEADER_SIZE + 1];
    size_t size = headers_write(payload, &loose, 1);
    rig_tell(conns[0], MESSAGE_HEADERS, payload, size); /* which answers no question */
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETHEADERS), 1);
    rig_tell(conns[0], MESSAGE_HEADERS, "", 1); /* nothing new: an answer */
    rig_tell(conns[0], MESSAGE_HEADERS, payload, size);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETHEADERS), 2);
    struct inv inv = {.type = INV_BLOCK, .hash = {7}};
    uint8_t list[9 + sizeof inv];
    size_t list_size = inv_list_write(list, &inv, 1);
    rig_pass(119999);
    rig_tell(conns[0], MESSAGE_INV, list, list_size);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETHEADERS), 2);
    rig_pass(1);
    rig_tell(conns[0], MESSAGE_INV, list, list_size);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETHEADERS), 3);
}
END_TEST

START_TEST(the_first_headers_have_15_minutes_and_a_millisecond_each)
{
    engine.now_s = engine.tip->time + 600 * 5000; /* 5,000 blocks ago */

    rig_open((struct net_config){.outgoing_max = 2, .is_without_dns = true});
    fill_table(2);
    rig_pass(1000);
    rig_up(conns[0]); /* the source of headers */
    rig_pass(1000);
    rig_up(conns[1]);
    ck_assert_uint_eq(rig_heard(conns[0], MESSAGE_GETHEADERS), 1);
    ck_assert_uint_eq(rig_heard(conns[1], MESSAGE_GETHEADERS), 0);
    rig_pass(899000 + 5000);
    ck_assert_msg(!conns[0]->is_gone, "%s", last_log);
    rig_pass(1000);
    ck_assert(conns[0]->is_gone && !conns[1]->is_gone);
    ck_assert_ptr_nonnull(strstr(last_log, "headers come too slowly"));
    net->seeds->count = 0;
    rig_pass(1000);
    ck_assert_uint_eq(rig_heard(conns[1], MESSAGE_GETHEADERS), 1); /* the next one */
}
END_TEST

START_TEST(incoming_ones_are_bounded_and_the_last_place_is_for_the_good)
{
    struct netaddr bad = rig_addr(8, 3, 0, 1), banned = rig_addr(8, 4, 0, 1);

    rig_open((struct net_config){.incoming_max = 3});
    banlist_discourage(net->bans, &bad);
    ck_assert(banlist_ban(net->bans, &banned, engine.now_s + 10, engine.now_s));
    ck_assert(rig_call(banned)->is_gone);
    ck_assert(!rig_call(bad)->is_gone);
    ck_assert(!rig_call(rig_addr(8, 3, 0, 2))->is_gone);
    ck_assert(rig_call(bad)->is_gone);
    ck_assert(!rig_call(rig_addr(8, 3, 0, 3))->is_gone);
    ck_assert_ptr_null(rig_call(rig_addr(8, 3, 0, 4)));
}
END_TEST

START_TEST(misbehaviour_is_remembered_but_not_of_local_or_manual_ones)
{
    struct netaddr local = rig_addr(127, 0, 0, 1), far = rig_addr(8, 3, 0, 1);

    open_one_manual();
    struct conn *of_local = rig_call(local), *of_far = rig_call(far);
    struct conn *all[] = {conns[0], of_local, of_far};
    static const uint8_t too_many[] = {0xfd, 0xd1, 7}; /* 2,001 headers */
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        rig_up(all[i]);
        rig_tell(all[i], MESSAGE_HEADERS, too_many, sizeof too_many);
    }
    ck_assert(!conns[0]->is_gone && of_local->is_gone && of_far->is_gone);
    ck_assert(!banlist_is_discouraged(net->bans, &local));
    ck_assert(!banlist_is_discouraged(net->bans, &conns[0]->addr));
    ck_assert(banlist_is_discouraged(net->bans, &far));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_limits");
    TCase *tcase = tcase_create("net_limits");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_call_has_5_seconds);
    tcase_add_test(tcase, a_handshake_has_a_minute_on_either_side);
    tcase_add_test(tcase, a_proxy_has_20_seconds_and_then_the_peer_a_minute);
    tcase_add_test(tcase, a_ping_goes_out_every_2_minutes_and_has_20_for_its_answer);
    tcase_add_test(tcase, one_too_old_for_pings_may_be_silent_for_20_minutes);
    tcase_add_test(tcase, one_that_we_hold_up_need_not_answer);
    tcase_add_test(tcase, outgoing_peers_that_stay_behind_go_after_22_minutes_but_for_four);
    tcase_add_test(tcase, headers_are_asked_for_again_after_2_minutes);
    tcase_add_test(tcase, the_first_headers_have_15_minutes_and_a_millisecond_each);
    tcase_add_test(tcase, incoming_ones_are_bounded_and_the_last_place_is_for_the_good);
    tcase_add_test(tcase, misbehaviour_is_remembered_but_not_of_local_or_manual_ones);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
