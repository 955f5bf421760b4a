#include "base/hex.h"
#include "codec/netaddr.h"

#include <check.h>
#include <stdlib.h>

#define ONION "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"
#define I2P   "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p"

static void expect_text(const char *text, enum netaddr_kind kind, const char *printed)
{
    struct netaddr addr, again;
    char out[NETADDR_TEXT_SIZE];

    ck_assert_msg(netaddr_parse(&addr, text, 8333), "%s", text);
    ck_assert_int_eq(addr.kind, kind);
    netaddr_print(out, &addr);
    ck_assert_str_eq(out, printed);
    ck_assert(netaddr_parse(&again, out, 1));
    ck_assert(netaddr_equal(&addr, &again));
}

START_TEST(operators_addresses_are_read_and_printed)
{
    expect_text("1.2.3.4", NETADDR_IPV4, "1.2.3.4:8333");
    expect_text("1.2.3.4:1", NETADDR_IPV4, "1.2.3.4:1");
    expect_text("255.0.255.1:65535", NETADDR_IPV4, "255.0.255.1:65535");
    expect_text("::1", NETADDR_IPV6, "[::1]:8333");
    expect_text("[::1]", NETADDR_IPV6, "[::1]:8333");
    expect_text("[2001:DB8::00ff]:18444", NETADDR_IPV6, "[2001:db8::ff]:18444");
    expect_text("::ffff:1.2.3.4", NETADDR_IPV4, "1.2.3.4:8333");
    expect_text("[fc00:1:2:3:4:5:6:7]:8333", NETADDR_CJDNS, "[fc00:1:2:3:4:5:6:7]:8333");
    expect_text(ONION, NETADDR_ONION, ONION ":8333");
    expect_text("PG6MMJIYJMCRSSLVYKFWNNTLARU7P5SVN6Y2YMMJU6NUBXNDF4PSCRYD.ONION:9", NETADDR_ONION,
                ONION ":9");
    expect_text(I2P, NETADDR_I2P, I2P ":0");
    expect_text(I2P ":0", NETADDR_I2P, I2P ":0");
}
END_TEST

START_TEST(anything_else_is_refused)
{
    static const char *const bad[] = {
        "",
        ":",
        ":8333",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "0x7f.1",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "1.2.3.4:1x",
        "1.2.3.4:000001",
        " 1.2.3.4",
        "1.2.3.4 ",
        "[1.2.3.4]:1",
        "[::1",
        "::1]",
        "[::1]8333",
        "[::1]:",
        "[::1]:0",
        "[::1]:65536",
        "[::1%lo]:1",
        "::1%1",
        "[::g]",
        "1:2",
        "[]:1",
        "[[::1]]:1",
        "localhost",
        "localhost:8333",
        "node.example.com",
        /* onions: a wrong checksum, a wrong version, version 2, one character more */
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscsyd.onion",
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscrye.onion",
        "6hzph5hv6337r6p2.onion",
        "a" ONION,
        ONION ".",
        ONION ":0",
        "." ONION,
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscr1d.onion",
        /* I2P: with a port, bits left over, one character less */
        I2P ":1",
        "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdr.b32.i2p",
        "keu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p",
    };

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct netaddr addr;

        ck_assert_msg(!netaddr_parse(&addr, bad[i], 8333), "%s", bad[i]);
    }
}
END_TEST

START_TEST(names_are_split_from_their_port)
{
    char host[NETADDR_HOST_SIZE], long_name[NETADDR_HOST_SIZE + 1];
    uint16_t port;

    ck_assert(netaddr_split("seed.example.com", 8333, host, &port));
    ck_assert_str_eq(host, "seed.example.com");
    ck_assert_uint_eq(port, 8333);
    ck_assert(netaddr_split("x:65535", 8333, host, &port));
    ck_assert_uint_eq(port, 65535);
    ck_assert(netaddr_split("[::1]:3", 8333, host, &port));
    ck_assert_str_eq(host, "::1");
    ck_assert_uint_eq(port, 3);
    ck_assert(!netaddr_split("", 1, host, &port));
    ck_assert(!netaddr_split("x:65536", 1, host, &port));
    ck_assert(!netaddr_split("a b", 1, host, &port));
    memset(long_name, 'a', sizeof long_name);
    long_name[NETADDR_HOST_SIZE] = 0;
    ck_assert(!netaddr_split(long_name, 1, host, &port));
    long_name[NETADDR_HOST_SIZE - 1] = 0;
    ck_assert(netaddr_split(long_name, 1, host, &port));
}
END_TEST

static struct netaddr from_legacy(const char *hex)
{
    uint8_t raw[NETADDR_LEGACY_SIZE];

    ck_assert_uint_eq(strlen(hex), 36);
    ck_assert(hex_decode(raw, hex, 36));
    struct cursor c = cursor_of((struct bytes){raw, sizeof raw});
    return netaddr_read_legacy(&c);
}

START_TEST(the_old_form_holds_ipv4_and_ipv6)
{
    static const char *const texts[] = {"1.2.3.4:8333", "[2a00::1]:1"};
    uint8_t raw[NETADDR_LEGACY_SIZE];
    struct netaddr addr, again;

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        ck_assert(netaddr_parse(&addr, texts[i], 0));
        netaddr_write_legacy(raw, &addr);
        struct cursor c = cursor_of((struct bytes){raw, sizeof raw});
        again = netaddr_read_legacy(&c);
        ck_assert(netaddr_equal(&addr, &again));
        c = cursor_of((struct bytes){raw, sizeof raw - 1});
        ck_assert_int_eq(netaddr_read_legacy(&c).kind, NETADDR_NONE);
        ck_assert(!cursor_ok(&c));
    }
    ck_assert_int_eq(from_legacy("00000000000000000000ffff01020304208d").port, 8333);
    ck_assert_int_eq(from_legacy("00000000000000000000000000000000208d").kind, NETADDR_NONE);
    ck_assert_int_eq(from_legacy("fd87d87eeb4300000000000000000001208d").kind, NETADDR_NONE);
    ck_assert_int_eq(from_legacy("fd6b88c0872400000000000000000001208d").kind, NETADDR_NONE);
}
END_TEST

static enum netaddr_kind bip155_kind(const char *hex, bool is_readable)
{
    uint8_t raw[600] = {0};
    size_t size = strlen(hex) / 2;

    ck_assert(hex_decode(raw, hex, 2 * size));
    struct cursor c = cursor_of((struct bytes){raw, sizeof raw});
    struct netaddr addr = netaddr_read_bip155(&c);

    ck_assert_msg(cursor_ok(&c) == is_readable, "%s", hex);
    if (is_readable)
        ck_assert_uint_eq((size_t)(c.at - raw), size);
    return addr.kind;
}

START_TEST(bip155_sizes_are_exact_for_known_networks)
{
    static const char *const texts[] = {"1.2.3.4:5", "[2a00::1]:6", ONION ":7", I2P, "[fc00::1]:8"};
    uint8_t raw[NETADDR_BIP155_MAX];
    char hex[2 * 600];

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct netaddr addr, again;

        ck_assert(netaddr_parse(&addr, texts[i], 0));
        struct cursor c = cursor_of((struct bytes){raw, netaddr_write_bip155(raw, &addr)});
        again = netaddr_read_bip155(&c);
        ck_assert(netaddr_equal(&addr, &again));
        ck_assert(cursor_ok(&c) && cursor_left(&c) == 0);
    }
    ck_assert_int_eq(bip155_kind("0104010203040001", true), NETADDR_IPV4);
    bip155_kind("01030102030001", false);
    bip155_kind("010501020304050001", false);
    /* unknown networks of up to 512 bytes are passed over */
    ck_assert_int_eq(bip155_kind("0300"
                                 "0001",
                                 true),
                     NETADDR_NONE);
    ck_assert_int_eq(bip155_kind("aa02010203e7", true), NETADDR_NONE);
    memset(hex, '0', sizeof hex);
    memcpy(hex, "aafd0002", 8);
    hex[2 * (4 + 512 + 2)] = 0;
    ck_assert_int_eq(bip155_kind(hex, true), NETADDR_NONE);
    bip155_kind("aafd0102", false);
    bip155_kind("aafd0100", false); /* not the shortest form */
    /* what should have come as another network */
    ck_assert_int_eq(bip155_kind("021000000000000000000000ffff010203040001", true), NETADDR_NONE);
    ck_assert_int_eq(bip155_kind("0210fd87d87eeb43000000000000000000010001", true), NETADDR_NONE);
    ck_assert_int_eq(bip155_kind("0610fd0000000000000000000000000000010001", true), NETADDR_NONE);
    ck_assert_int_eq(bip155_kind("0610fc0000000000000000000000000000010001", true), NETADDR_CJDNS);
}
END_TEST

static bool is_routable(const char *text)
{
    struct netaddr addr;

    ck_assert_msg(netaddr_parse(&addr, text, 8333), "%s", text);
    return netaddr_is_routable(&addr);
}

START_TEST(reserved_networks_end_where_they_should)
{
    /* the last address before, the first and the last inside, the first after */
    static const char *const edges[][4] = {
        {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
        {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
        {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
        {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
        {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
        {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
        {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
        {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
        {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
        {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
        {"255.255.255.254", "255.255.255.255", "255.255.255.255", NULL},
        {NULL, "::", "::1", "::2"},
        {"2001:f:ffff::", "2001:10::", "2001:2f:ffff::", "2001:30::"},
        {"2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"},
        {"fdff::", "fd00::1", "fdff:ffff::", "fe00::"},
        {"fe7f:ffff::", "fe80::", "fe80::ffff:ffff:ffff:ffff", "fe80:0:0:1::"},
    };

    for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
        if (edges[i][0] && strncmp(edges[i][0], "fd", 2) != 0)
            ck_assert_msg(is_routable(edges[i][0]), "%s", edges[i][0]);
        ck_assert_msg(!is_routable(edges[i][1]), "%s", edges[i][1]);
        ck_assert_msg(!is_routable(edges[i][2]), "%s", edges[i][2]);
        if (edges[i][3])
            ck_assert_msg(is_routable(edges[i][3]), "%s", edges[i][3]);
    }
    ck_assert(is_routable(ONION) && is_routable(I2P) && is_routable("fc00::1"));
}
END_TEST

START_TEST(hosts_and_groups)
{
    struct netaddr a, b, group_a, group_b;

    ck_assert(netaddr_parse(&a, "1.2.3.4:5", 0) && netaddr_parse(&b, "1.2.3.4:6", 0));
    ck_assert(netaddr_same_host(&a, &b) && !netaddr_equal(&a, &b));
    ck_assert(netaddr_parse(&b, "1.2.200.200:6", 0));
    group_a = netaddr_group(&a);
    group_b = netaddr_group(&b);
    ck_assert(netaddr_equal(&group_a, &group_b) && !netaddr_same_host(&a, &b));
    ck_assert(netaddr_parse(&b, "1.3.3.4:5", 0));
    group_b = netaddr_group(&b);
    ck_assert(!netaddr_equal(&group_a, &group_b));
    ck_assert(!netaddr_is_local(&a));
    ck_assert(netaddr_parse(&a, "127.9.9.9:5", 0) && netaddr_is_local(&a));
    ck_assert(netaddr_parse(&a, "::1", 5) && netaddr_is_local(&a));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("netaddr");
    TCase *tcase = tcase_create("netaddr");

    tcase_add_test(tcase, operators_addresses_are_read_and_printed);
    tcase_add_test(tcase, anything_else_is_refused);
    tcase_add_test(tcase, names_are_split_from_their_port);
    tcase_add_test(tcase, the_old_form_holds_ipv4_and_ipv6);
    tcase_add_test(tcase, bip155_sizes_are_exact_for_known_networks);
    tcase_add_test(tcase, reserved_networks_end_where_they_should);
    tcase_add_test(tcase, hosts_and_groups);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
