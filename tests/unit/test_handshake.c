#include "net/handshake.h"

#include <check.h>
#include <stdlib.h>

static uint8_t raw[VERSION_SIZE_MAX];

static struct bytes version_of(int32_t number, uint64_t services, uint64_t nonce)
{
    static const char agent[] = "/Satoshi:29.0.0/<\x01\xff>";
    struct version_message version = {.version = number,
                                      .services = services,
                                      .nonce = nonce,
                                      .user_agent = {(const uint8_t *)agent, sizeof agent - 1},
                                      .height = 5,
                                      .wants_txs = true};

    return (struct bytes){raw, version_write(raw, &version)};
}

static const struct bytes NOTHING = {NULL, 0};
#define GOOD (SERVICE_NETWORK | SERVICE_WITNESS)

static struct handshake after_version(enum peer_direction direction, int32_t number)
{
    struct handshake h;

    handshake_init(&h, direction, false);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERSION, version_of(number, GOOD, 9)),
                     HANDSHAKE_VERSION);
    return h;
}

START_TEST(version_then_verack_and_all_may_be_said)
{
    struct handshake h;
    enum message_type replies[HANDSHAKE_REPLIES_MAX];

    handshake_init(&h, PEER_INCOMING, false);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_PING, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERACK, NOTHING), HANDSHAKE_IGNORED);
    ck_assert(!h.is_done);
    ck_assert_int_eq(
        handshake_receive(&h, MESSAGE_VERSION, bytes_sub(version_of(70017, GOOD, 9), 0, 45)),
        HANDSHAKE_IGNORED);
    h = after_version(PEER_INCOMING, 70017);
    ck_assert_str_eq(h.user_agent, "/Satoshi:29.0.0/");
    ck_assert_uint_eq(handshake_replies(&h, replies), 3);
    ck_assert_int_eq(replies[0], MESSAGE_WTXIDRELAY);
    ck_assert_int_eq(replies[1], MESSAGE_SENDADDRV2);
    ck_assert_int_eq(replies[2], MESSAGE_VERACK);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERSION, version_of(70001, GOOD, 1)),
                     HANDSHAKE_IGNORED);
    ck_assert_int_eq(h.version, 70017);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_PING, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_WTXIDRELAY, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_SENDADDRV2, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_SENDHEADERS, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERACK, NOTHING), HANDSHAKE_DONE);
    ck_assert(h.wants_wtxids && h.wants_addrv2 && h.wants_headers);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERACK, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_PING, NOTHING), HANDSHAKE_OTHER);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_REJECT, NOTHING), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_SENDTXRCNCL, NOTHING), HANDSHAKE_IGNORED);
}
END_TEST

START_TEST(what_belongs_before_verack_ends_the_connection_after_it)
{
    static const enum message_type types[] = {MESSAGE_WTXIDRELAY, MESSAGE_SENDADDRV2,
                                              MESSAGE_FEATURE};

    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        struct handshake h = after_version(PEER_INCOMING, 70017);

        ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERACK, NOTHING), HANDSHAKE_DONE);
        ck_assert_int_eq(handshake_receive(&h, types[i], NOTHING), HANDSHAKE_CLOSE);
        ck_assert_ptr_nonnull(h.why);
    }
}
END_TEST

START_TEST(feature_needs_version_70017_and_its_form)
{
    struct bytes good = {(const uint8_t *)"\4abcd\0", 6}, bad = {(const uint8_t *)"\3abc\0", 5};
    struct handshake h = after_version(PEER_INCOMING, 70017);

    ck_assert_int_eq(handshake_receive(&h, MESSAGE_FEATURE, good), HANDSHAKE_IGNORED);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_FEATURE, bad), HANDSHAKE_CLOSE);
    h = after_version(PEER_INCOMING, 70016);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_FEATURE, good), HANDSHAKE_CLOSE);
}
END_TEST

START_TEST(old_versions)
{
    struct handshake h;
    enum message_type replies[HANDSHAKE_REPLIES_MAX];

    handshake_init(&h, PEER_MANUAL, false);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERSION, version_of(31799, GOOD, 9)),
                     HANDSHAKE_CLOSE);
    h = after_version(PEER_MANUAL, 31800);
    ck_assert_uint_eq(handshake_replies(&h, replies), 1);
    h = after_version(PEER_INCOMING, 70015);
    ck_assert_uint_eq(handshake_replies(&h, replies), 1);
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_WTXIDRELAY, NOTHING), HANDSHAKE_IGNORED);
    ck_assert(!h.wants_wtxids);
    h = after_version(PEER_INCOMING, 80000);
    ck_assert_int_eq(h.common_version, 70017);
    ck_assert_int_eq(h.version, 80000);
}
END_TEST

static enum handshake_result with_services(enum peer_direction direction, bool takes_limited,
                                           uint64_t services)
{
    struct handshake h;

    handshake_init(&h, direction, takes_limited);
    return handshake_receive(&h, MESSAGE_VERSION, version_of(70016, services, 9));
}

START_TEST(a_peer_of_our_choice_must_have_blocks_with_witnesses)
{
    uint64_t limited = SERVICE_NETWORK_LIMITED | SERVICE_WITNESS;

    ck_assert_int_eq(with_services(PEER_OUTGOING, false, GOOD), HANDSHAKE_VERSION);
    ck_assert_int_eq(with_services(PEER_OUTGOING, false, SERVICE_NETWORK), HANDSHAKE_CLOSE);
    ck_assert_int_eq(with_services(PEER_OUTGOING, false, SERVICE_WITNESS), HANDSHAKE_CLOSE);
    ck_assert_int_eq(with_services(PEER_OUTGOING, false, limited), HANDSHAKE_CLOSE);
    ck_assert_int_eq(with_services(PEER_OUTGOING, true, limited), HANDSHAKE_VERSION);
    ck_assert_int_eq(with_services(PEER_MANUAL, false, 0), HANDSHAKE_VERSION);
    ck_assert_int_eq(with_services(PEER_INCOMING, false, 0), HANDSHAKE_VERSION);
}
END_TEST

START_TEST(our_own_nonce_coming_in_is_ourselves)
{
    uint64_t nonces[] = {7, 9};
    struct handshake h;

    for (int direction = PEER_INCOMING; direction <= PEER_MANUAL; direction++) {
        handshake_init(&h, (enum peer_direction)direction, false);
        h.own_nonces = nonces;
        h.own_nonce_count = 2;
        ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERSION, version_of(70016, GOOD, 9)),
                         direction == PEER_INCOMING ? HANDSHAKE_CLOSE : HANDSHAKE_VERSION);
    }
    handshake_init(&h, PEER_INCOMING, false);
    h.own_nonces = nonces;
    h.own_nonce_count = 1;
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_VERSION, version_of(70016, GOOD, 9)),
                     HANDSHAKE_VERSION);
}
END_TEST

START_TEST(sendcmpct_says_0_or_1)
{
    struct handshake h = after_version(PEER_INCOMING, 70016);
    uint8_t message[9] = {1, 2};

    ck_assert_int_eq(handshake_receive(&h, MESSAGE_SENDCMPCT, (struct bytes){message, 9}),
                     HANDSHAKE_IGNORED);
    ck_assert(h.has_compact_blocks && h.wants_compact_first);
    message[0] = 0;
    message[1] = 1; /* an old version changes nothing */
    handshake_receive(&h, MESSAGE_SENDCMPCT, (struct bytes){message, 9});
    ck_assert(h.wants_compact_first);
    message[0] = 2;
    ck_assert_int_eq(handshake_receive(&h, MESSAGE_SENDCMPCT, (struct bytes){message, 9}),
                     HANDSHAKE_MISBEHAVES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handshake");
    TCase *tcase = tcase_create("handshake");

    tcase_add_test(tcase, version_then_verack_and_all_may_be_said);
    tcase_add_test(tcase, what_belongs_before_verack_ends_the_connection_after_it);
    tcase_add_test(tcase, feature_needs_version_70017_and_its_form);
    tcase_add_test(tcase, old_versions);
    tcase_add_test(tcase, a_peer_of_our_choice_must_have_blocks_with_witnesses);
    tcase_add_test(tcase, our_own_nonce_coming_in_is_ourselves);
    tcase_add_test(tcase, sendcmpct_says_0_or_1);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
