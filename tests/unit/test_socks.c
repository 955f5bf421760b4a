#include "net/socks.h"

#include <check.h>
#include <stdlib.h>

static const struct netaddr v4 = {.kind = NETADDR_IPV4, .port = 8333, .bytes = {8, 9, 10, 11}};
static const uint8_t greeting[] = {5, 1, 0}, method[] = {5, 0};

/* All of the answer in pieces of some size; left: what is not the proxy's. */
static enum socks_result feed(struct socks *socks, const uint8_t *answer, size_t size, size_t piece,
                              size_t *left)
{
    enum socks_result result = SOCKS_MORE;

    *left = 0;
    for (size_t at = 0; at < size && result == SOCKS_MORE; at += piece) {
        struct bytes part = bytes_sub((struct bytes){answer, size}, at, piece);

        result = socks_receive(socks, &part);
        *left = part.size + (size - at > piece ? size - at - piece : 0);
    }
    return result;
}

static void begin(struct socks *socks, const struct netaddr *addr, const char *name)
{
    size_t left;

    socks_init(socks, addr, name);
    ck_assert_uint_eq(socks->out.size, 3);
    ck_assert_mem_eq(socks->out.data, greeting, 3);
    ck_assert_int_eq(feed(socks, method, 2, 1, &left), SOCKS_SEND);
    ck_assert_uint_eq(left, 0);
}

START_TEST(addresses_go_as_they_are_and_names_as_names)
{
    static const uint8_t of_v4[] = {5, 1, 0, 1, 8, 9, 10, 11, 0x20, 0x8d};
    struct netaddr v6 = {.kind = NETADDR_IPV6, .port = 1, .bytes = {0x20, 1, [15] = 7}}, onion;
    struct netaddr none = {.port = 0xfffe};
    struct socks socks;

    begin(&socks, &v4, NULL);
    ck_assert_uint_eq(socks.out.size, sizeof of_v4);
    ck_assert_mem_eq(socks.out.data, of_v4, sizeof of_v4);
    begin(&socks, &v6, NULL);
    ck_assert_uint_eq(socks.out.size, 4 + 16 + 2);
    ck_assert_mem_eq(socks.out.data, "\5\1\0\4", 4);
    ck_assert_mem_eq(socks.out.data + 4, v6.bytes, 16);
    ck_assert_mem_eq(socks.out.data + 20, "\0\1", 2);
    begin(&socks, &none, "seed.example");
    ck_assert_uint_eq(socks.out.size, 5 + 12 + 2);
    ck_assert_mem_eq(socks.out.data, "\5\1\0\3\14seed.example\xff\xfe", 19);

    static const char text[] = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    ck_assert(netaddr_parse(&onion, text, 8333));
    begin(&socks, &onion, NULL);
    ck_assert_uint_eq(socks.out.size, 5 + 62 + 2);
    ck_assert_mem_eq(socks.out.data, "\5\1\0\3\76", 5);
    ck_assert_mem_eq(socks.out.data + 5, text, 62);
}
END_TEST

START_TEST(the_longest_name_fits)
{
    char name[NETADDR_HOST_SIZE];
    struct netaddr none = {.port = 1};
    struct socks socks;

    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    begin(&socks, &none, name);
    ck_assert_uint_eq(socks.out.size, SOCKS_SIZE_MAX);
    ck_assert_uint_eq(socks.out.data[4], 255);
}
END_TEST

struct answer {
    const char *bytes;
    size_t size;
    enum socks_result result;
    size_t left;
    const char *why;
};

#define ANSWER(bytes_) .bytes = bytes_, .size = sizeof(bytes_) - 1

static const struct answer answers[] = {
    {ANSWER("\5\0\0\1\1\2\3\4\0\1"), SOCKS_DONE, 0, NULL},
    {ANSWER("\5\0\0\1\1\2\3\4\0\1peer"), SOCKS_DONE, 4, NULL},
    {ANSWER("\5\0\0\4"
            "0123456789abcdef"
            "\0\1p"),
     SOCKS_DONE, 1, NULL},
    {ANSWER("\5\0\0\3\4host\0\1p"), SOCKS_DONE, 1, NULL},
    {ANSWER("\5\0\0\3\0\0\1p"), SOCKS_DONE, 1, NULL},
    {ANSWER("\5\0\0\1\1\2\3\4\0"), SOCKS_MORE, 0, NULL},
    {ANSWER("\5\0\0\4"
            "0123456789abcdef"
            "\0"),
     SOCKS_MORE, 0, NULL},
    {ANSWER("\5\0\0\3\4host\0"), SOCKS_MORE, 0, NULL},
    {ANSWER("\5\0\0\1"), SOCKS_MORE, 0, NULL},
    {ANSWER("\4\0\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: malformed answer"},
    {ANSWER("\5\0\1\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: malformed answer"},
    {ANSWER("\5\0\0\2\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: malformed answer"},
    {ANSWER("\5\0\0\0\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: malformed answer"},
    {ANSWER("\5\0\0\5\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: malformed answer"},
    {ANSWER("\5\1\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: general failure"},
    {ANSWER("\5\2\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: its rules forbid the connection"},
    {ANSWER("\5\5\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: connection refused"},
    {ANSWER("\5\10\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: kind of address not supported"},
    {ANSWER("\5\11\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: failure of a kind unknown"},
    {ANSWER("\5\xf0\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: onion service cannot be reached"},
    {ANSWER("\5\xf7\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: onion service cannot be reached"},
    {ANSWER("\5\xf8\0\1\1\2\3\4\0\1"), SOCKS_FAILED, 0, "proxy: failure of a kind unknown"},
};

START_TEST(each_answer_ends_the_same_in_pieces_of_any_size)
{
    const struct answer *answer = &answers[_i];

    for (size_t piece = 1; piece <= answer->size; piece++) {
        struct socks socks;
        size_t left;

        begin(&socks, &v4, NULL);
        enum socks_result result =
            feed(&socks, (const uint8_t *)answer->bytes, answer->size, piece, &left);
        ck_assert_int_eq(result, answer->result);
        if (result == SOCKS_DONE)
            ck_assert_uint_eq(left, answer->left);
        if (result == SOCKS_FAILED)
            ck_assert_str_eq(socks.why, answer->why);
    }
}
END_TEST

START_TEST(a_proxy_that_is_none_or_wants_a_password_is_refused)
{
    static const struct {
        uint8_t answer[2];
        const char *why;
    } cases[] = {{{4, 0}, "proxy: does not speak SOCKS5"},
                 {{'H', 'T'}, "proxy: does not speak SOCKS5"},
                 {{5, 0xff}, "proxy: wants us to log in"},
                 {{5, 2}, "proxy: chose a method that was not offered"}};

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct socks socks;
        size_t left;

        socks_init(&socks, &v4, NULL);
        ck_assert_int_eq(feed(&socks, cases[i].answer, 2, 1, &left), SOCKS_FAILED);
        ck_assert_str_eq(socks.why, cases[i].why);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socks");
    TCase *tcase = tcase_create("socks");

    tcase_add_test(tcase, addresses_go_as_they_are_and_names_as_names);
    tcase_add_test(tcase, the_longest_name_fits);
    tcase_add_loop_test(tcase, each_answer_ends_the_same_in_pieces_of_any_size, 0,
                        ARRAY_COUNT(answers));
    tcase_add_test(tcase, a_proxy_that_is_none_or_wants_a_password_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
