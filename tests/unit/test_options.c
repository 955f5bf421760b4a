/* Every option's good and bad values, from the command line, files and the environment. */
#include "io/uring_features.h"
#include "node/exit_code.h"
#include "node/options.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct options options;
static struct text message;
static char file_name[] = "/tmp/caesure-options-XXXXXX";

#define PARSE(...) parse((const char *[]){"caesure", __VA_ARGS__, NULL}, (const char *[]){NULL})
#define ENV(...)   parse((const char *[]){"caesure", NULL}, (const char *[]){__VA_ARGS__, NULL})

static enum options_result parse(const char *const *argv, const char *const *envp)
{
    options_clear(&options);
    text_clear(&message);
    return options_parse(&options, (char *const *)argv, (char *const *)envp, &message);
}

static void write_file(const char *content)
{
    FILE *file = fopen(file_name, "w");

    fputs(content, file);
    fclose(file);
}

static const char *at_file(void)
{
    static char word[64];

    snprintf(word, sizeof word, "@%s", file_name);
    return word;
}

#define assert_bad(result, part)                                                                   \
    do {                                                                                           \
        ck_assert_int_eq(result, OPTIONS_BAD);                                                     \
        ck_assert_msg(strstr(text_cstr(&message), part) != NULL, "%s", text_cstr(&message));       \
        ck_assert_ptr_null(strchr(text_cstr(&message), '\n'));                                     \
    } while (0)

START_TEST(defaults)
{
    ck_assert_int_eq(parse((const char *[]){"caesure", NULL}, (const char *[]){"HOME=/root", NULL}),
                     OPTIONS_RUN);
    ck_assert_int_eq(options.network, NETWORK_MAIN);
    ck_assert_str_eq(options.base, "/usr/local/caesure");
    ck_assert_int_eq(options.threads, 0);
    ck_assert_int_eq(options.horizon, 100);
    ck_assert_ptr_null(options.import);
    ck_assert_ptr_null(options.monitor);
    ck_assert_ptr_null(options.assumevalid);
    ck_assert_ptr_null(options.minimumchainwork);
    ck_assert(!options.exit_when_synced && !options.is_bip94);
    ck_assert_uint_eq(options.uring_without, 0);
    ck_assert_uint_eq(options.activations.count, 0);
    ck_assert_str_eq(text_cstr(&message), "");
    ck_assert_int_eq(parse((const char *[]){NULL}, (const char *[]){NULL}),
                     OPTIONS_RUN); /* no argv[0] */
}
END_TEST

#define HASH "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac"

START_TEST(each_option_takes_its_good_values)
{
    ck_assert_int_eq(PARSE("-b", "/a b", "--import=x.dat", "--exit-when-synced", "-j", "1",
                           "--horizon", "20", "--assumevalid", HASH, "--minimumchainwork", "0",
                           "--monitor", "/m"),
                     OPTIONS_RUN);
    ck_assert_str_eq(options.base, "/a b");
    ck_assert_str_eq(options.import, "x.dat");
    ck_assert(options.exit_when_synced);
    ck_assert_int_eq(options.threads, 1);
    ck_assert_int_eq(options.horizon, 20);
    ck_assert_str_eq(options.assumevalid, HASH);
    ck_assert_str_eq(options.minimumchainwork, "0");
    ck_assert_str_eq(options.monitor, "/m");

    ck_assert_int_eq(PARSE("--base=", "x"), OPTIONS_BAD);
    ck_assert_int_eq(PARSE("--base=d", "--threads=256", "--horizon=512", "--assumevalid=0",
                           "--uring-without", "buffer-ring", "--uring-without=cancel-fd"),
                     OPTIONS_RUN);
    ck_assert_int_eq(options.threads, 256);
    ck_assert_int_eq(options.horizon, 512);
    ck_assert_uint_eq(options.uring_without, URING_BUFFER_RING | URING_CANCEL_FD);
    ck_assert_int_eq(PARSE("-j4", "-mt"), OPTIONS_RUN);
    ck_assert_int_eq(options.threads, 4);
    ck_assert_str_eq(options.monitor, "/tmp/caesure.bd");
    ck_assert_int_eq(options.network, NETWORK_TEST);
}
END_TEST

START_TEST(networks)
{
    static const char *const names[] = {"main", "test", "testnet4", "signet", "regtest"};
    static const char *const folders[] = {"/b", "/b/test", "/b/testnet4", "/b/signet",
                                          "/b/regtest"};

    for (int i = 0; i < NETWORK_COUNT; i++) {
        struct params params;
        ck_assert_int_eq(PARSE("--chain", names[i], "-b", "/b"), OPTIONS_RUN);
        ck_assert_int_eq(options.network, i);
        options_params(&options, &params);
        ck_assert_str_eq(params.name, names[i]);
        char *directory = options_directory(&options);
        ck_assert_str_eq(directory, folders[i]);
        free(directory);
    }
    ck_assert_int_eq(PARSE("-t"), OPTIONS_RUN);
    ck_assert_int_eq(options.network, NETWORK_TEST);
    ck_assert_int_eq(PARSE("-t", "--chain", "test"), OPTIONS_RUN);
    assert_bad(PARSE("-t", "--chain", "regtest"), "contradict");
    assert_bad(PARSE("--chain", "signet", "--testnet"), "contradict");
    assert_bad(PARSE("--chain", "mainnet"), "'mainnet' is not main, test, testnet4");
    assert_bad(PARSE("--chain", ""), "is not main");
}
END_TEST

START_TEST(regtest_options)
{
    struct params params;

    ck_assert_int_eq(PARSE("--chain=regtest", "--bip94", "--testactivationheight", "bip34@2",
                           "--testactivationheight=csv@432", "--minimumchainwork=ff"),
                     OPTIONS_RUN);
    options_params(&options, &params);
    ck_assert(params.is_bip94);
    ck_assert_int_eq(params.bip34_height, 2);
    ck_assert_int_eq(params.csv_height, 432);
    ck_assert_int_eq(params.bip65_height, 1);
    assert_bad(PARSE("--testactivationheight", "bip34@2"), "regtest only");
    assert_bad(PARSE("--chain", "signet", "--bip94"), "regtest only");
    assert_bad(PARSE("--chain", "regtest", "--testactivationheight", "bip34"), "NAME@HEIGHT");
    assert_bad(PARSE("--chain", "regtest", "--testactivationheight", "bip34@-1"), "NAME@HEIGHT");
    assert_bad(PARSE("--chain", "regtest", "--testactivationheight", "taproot@1"), "NAME@HEIGHT");
    assert_bad(PARSE("--chain", "regtest", "--testactivationheight", "bip34@99999999999"),
               "NAME@HEIGHT");
}
END_TEST

static const struct {
    const char *first, *second, *part;
} refused[] = {
    {"-j", "0", "-j: '0' is not a number from 1 to 256"},
    {"-j", "257", "1 to 256"},
    {"-j", "", "1 to 256"},
    {"-j", " 4", "1 to 256"},
    {"-j", "4 ", "1 to 256"},
    {"-j", "+4", "1 to 256"},
    {"-j", "-4", "1 to 256"},
    {"-j", "4x", "1 to 256"},
    {"-j", "0x4", "1 to 256"},
    {"-j", "1e1", "1 to 256"},
    {"-j", "18446744073709551617", "1 to 256"},
    {"-j", NULL, "-j wants N after it"},
    {"-jx", NULL, "'x' is not a number"},
    {"--threads=", NULL, "'' is not a number"},
    {"--horizon", "19", "--horizon: '19' is not a number from 20 to 512"},
    {"--horizon", "513", "20 to 512"},
    {"--horizon", NULL, "--horizon wants N after it"},
    {"-b", "", "not empty"},
    {"--base", NULL, "--base wants DIR after it"},
    {"--import", "", "not empty"},
    {"--import", NULL, "wants FILE"},
    {"--assumevalid", "00", "64 hex digits or 0"},
    {"--assumevalid", HASH "0", "64 hex digits or 0"},
    {"--assumevalid", "x0000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac", "64 hex"},
    {"--minimumchainwork", "", "1 to 64 hex digits"},
    {"--minimumchainwork", "0x10", "1 to 64 hex digits"},
    {"--minimumchainwork", HASH "0", "1 to 64 hex digits"},
    {"--monitor=", NULL, "not a path"},
    {"--uring-without", "sqpoll", "cancel-fd"},
    {"--exit-when-synced=1", NULL, "takes no value"},
    {"--help=x", NULL, "takes no value"},
    {"bootstrap.dat", NULL, "'bootstrap.dat' is not an option"},
    {"", NULL, "'' is not an option"},
    {"-", NULL, "'-' is not an option"},
    {"--", NULL, "'--' is not an option"},
    {"-x", NULL, "no option -x"},
    {"-mx", NULL, "no option -x"},
    {"--treads", "4", "no option --treads; did you mean --threads?"},
    {"--imp", "f", "did you mean --import?"},
    {"--exit-when-sync", NULL, "did you mean --exit-when-synced?"},
    {"--minimum-chain-work", "0", "did you mean --minimumchainwork?"},
    {"--Chain", "main", "did you mean --chain?"},
    {"--prune", "550", "there is no option --prune; --help lists them"},
    {"--a-name-that-is-far-longer-than-any-option-could-be-here", NULL, "--help lists them"},
    {"@/nonexistent/file", NULL, "@/nonexistent/file: No such file"},
    {"@/", NULL, "@/: Is a directory"},
};

START_TEST(bad_values_are_refused_by_name)
{
    const char *argv[] = {"caesure", refused[_i].first, refused[_i].second, NULL};

    assert_bad(parse(argv, (const char *[]){NULL}), refused[_i].part);
}
END_TEST

START_TEST(what_comes_later_is_refused_and_not_advertised)
{
    static const char *const later[] = {"-a", "-r", "-u"};
    struct text help;

    text_init(&help, 1 << 16);
    options_help(&help);
    for (size_t i = 0; i < ARRAY_COUNT(later); i++) {
        const char *argv[] = {"caesure", later[i], "1", NULL};
        assert_bad(parse(argv, (const char *[]){NULL}), "is not in this version");
        char shown[24];
        snprintf(shown, sizeof shown, later[i][1] == '-' ? " %s" : "  %.2s,", later[i]);
        ck_assert_ptr_null(strstr(text_cstr(&help), shown));
    }
    ck_assert_ptr_nonnull(strstr(text_cstr(&help), "-s, --serve ADDR"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&help), "-j, --threads N"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&help), "-m, --monitor [PATH]"));
    ck_assert_ptr_nonnull(strstr(text_cstr(&help), "   4  io_uring is missing"));
    text_clear(&help);
}
END_TEST

START_TEST(twice_is_refused_but_for_flags_and_lists)
{
    assert_bad(PARSE("-j", "2", "--threads", "2"), "--threads is given twice");
    assert_bad(PARSE("--chain", "main", "--chain", "test"), "--chain is given twice");
    assert_bad(PARSE("--monitor", "/a", "--monitor", "/b"), "--monitor is given twice");
    ck_assert_int_eq(PARSE("-t", "-t", "--exit-when-synced", "--exit-when-synced"), OPTIONS_RUN);
    ck_assert_int_eq(PARSE("--monitor", "/a", "-m"), OPTIONS_RUN);
    ck_assert_str_eq(options.monitor, "/a");
}
END_TEST

START_TEST(the_monitors_path_may_be_left_out)
{
    ck_assert_int_eq(PARSE("--monitor"), OPTIONS_RUN);
    ck_assert_str_eq(options.monitor, "/tmp/caesure.bd");
    ck_assert_int_eq(PARSE("--monitor", "-j", "3"), OPTIONS_RUN);
    ck_assert_str_eq(options.monitor, "/tmp/caesure.bd");
    ck_assert_int_eq(options.threads, 3);
    ck_assert_int_eq(PARSE("--monitor", "run/x", "-j", "3"), OPTIONS_RUN);
    ck_assert_str_eq(options.monitor, "run/x");
}
END_TEST

START_TEST(help_and_version)
{
    ck_assert_int_eq(PARSE("--help"), OPTIONS_HELP);
    ck_assert_int_eq(PARSE("-h", "-j", "2"), OPTIONS_HELP);
    ck_assert_int_eq(PARSE("--version"), OPTIONS_VERSION);
    ck_assert_int_eq(PARSE("--help", "--nonsense"), OPTIONS_BAD);
}
END_TEST

START_TEST(files_hold_options)
{
    write_file("# how this server runs\n--base \"/a # b\"\n\n  --horizon=44 -j\n7   # "
               "seven\r\n--chain 'reg'test\n"
               "--testactivationheight csv@5\n--monitor '/tmp/with blank'");
    ck_assert_int_eq(PARSE(at_file()), OPTIONS_RUN);
    ck_assert_str_eq(options.base, "/a # b");
    ck_assert_int_eq(options.horizon, 44);
    ck_assert_int_eq(options.threads, 7);
    ck_assert_int_eq(options.network, NETWORK_REGTEST);
    ck_assert_str_eq(options.monitor, "/tmp/with blank");
    ck_assert_str_eq(options.activations.items[0], "csv@5");

    /* The command line is stronger on both sides of the file; the file than the environment. */
    ck_assert_int_eq(
        PARSE("-j", "2", at_file(), "--horizon", "30", "--testactivationheight", "csv@6"),
        OPTIONS_RUN);
    ck_assert_int_eq(options.threads, 2);
    ck_assert_int_eq(options.horizon, 30);
    ck_assert_uint_eq(options.activations.count, 1);
    ck_assert_str_eq(options.activations.items[0], "csv@6");
    const char *argv[] = {"caesure", at_file(), NULL};
    ck_assert_int_eq(parse(argv, (const char *[]){"CAESURE_THREADS=9", "CAESURE_IMPORT=/f", NULL}),
                     OPTIONS_RUN);
    ck_assert_int_eq(options.threads, 7);
    ck_assert_str_eq(options.import, "/f");

    write_file("--base 'x");
    assert_bad(PARSE(at_file()), "a quote does not end");
    write_file("@other");
    assert_bad(PARSE(at_file()), "cannot name another");
    write_file("-j 2 -j 3");
    assert_bad(PARSE(at_file()), "-j is given twice");
    write_file("-j 1000");
    assert_bad(PARSE(at_file(), "-j", "2"), "1 to 256");
    assert_bad(PARSE("-j", "2", at_file()), "1 to 256"); /* checked though it does not count */
    write_file("");
    ck_assert_int_eq(PARSE(at_file()), OPTIONS_RUN);
    write_file("-j");
    assert_bad(PARSE(at_file(), "4"), "-j wants N");

    FILE *file = fopen(file_name, "w");
    fwrite("-t\0-t", 1, 5, file);
    fclose(file);
    assert_bad(PARSE(at_file()), "not a text of options");
    file = fopen(file_name, "w");
    for (int i = 0; i < 1 << 20; i++)
        putc(' ', file);
    fclose(file);
    ck_assert_int_eq(PARSE(at_file()), OPTIONS_RUN);
    file = fopen(file_name, "a");
    putc(' ', file);
    fclose(file);
    assert_bad(PARSE(at_file()), "not a text of options");
}
END_TEST

START_TEST(the_environment_holds_options)
{
    ck_assert_int_eq(ENV("CAESURE_BASE=/e", "CAESURE_EXIT_WHEN_SYNCED=1", "CAESURE_TESTNET=0",
                         "CAESURE_MONITOR=/m", "CAESURE_SHARED=/x", "OTHER=1", "NOEQUALS"),
                     OPTIONS_RUN);
    ck_assert_str_eq(options.base, "/e");
    ck_assert(options.exit_when_synced);
    ck_assert_int_eq(options.network, NETWORK_MAIN);
    ck_assert_str_eq(options.monitor, "/m");
    ck_assert_str_eq(text_cstr(&message), "");
    ck_assert_int_eq(ENV("CAESURE_TESTNET=1"), OPTIONS_RUN);
    ck_assert_int_eq(options.network, NETWORK_TEST);
    const char *argv[] = {"caesure", "--chain", "signet", NULL};
    ck_assert_int_eq(parse(argv, (const char *[]){"CAESURE_TESTNET=1", NULL}), OPTIONS_RUN);
    ck_assert_int_eq(options.network, NETWORK_SIGNET);
    const char *argv_t[] = {"caesure", "-t", NULL};
    ck_assert_int_eq(parse(argv_t, (const char *[]){"CAESURE_CHAIN=signet", NULL}), OPTIONS_RUN);
    ck_assert_int_eq(options.network, NETWORK_TEST);

    assert_bad(ENV("CAESURE_THREADS=many"), "CAESURE_THREADS: 'many' is not a number");
    assert_bad(ENV("CAESURE_TESTNET=yes"), "'yes' is not 0 or 1");
    assert_bad(ENV("CAESURE_RELAY=1"), "not in this version");
    ck_assert_int_eq(ENV("CAESURE_CONNECT=1.2.3.4"), OPTIONS_RUN);
    ck_assert_str_eq(options.connect.items[0], "1.2.3.4");
    ck_assert_int_eq(ENV("CAESURE_THREDS=4"), OPTIONS_RUN);
    ck_assert_str_eq(text_cstr(&message),
                     "CAESURE_THREDS in the environment is no option; --threads is one\n");
}
END_TEST

START_TEST(the_network_is_told_how_to_connect)
{
    ck_assert_int_eq(PARSE("--proxy", "127.0.0.1:9050", "--external=1.2.3.4", "--external",
                           "[2a00::1]:7", "--no-dns", "--max-upload", "20G"),
                     OPTIONS_RUN);
    ck_assert_str_eq(options.proxy, "127.0.0.1:9050");
    ck_assert_uint_eq(options.external.count, 2);
    ck_assert_str_eq(options.external.items[1], "[2a00::1]:7");
    ck_assert(options.is_without_dns);
    ck_assert_int_eq(options.max_upload, 20LL << 30);
    ck_assert_int_eq(PARSE("--max-upload", "5000"), OPTIONS_RUN);
    ck_assert_int_eq(options.max_upload, 5000);
    assert_bad(PARSE("--max-upload", "5Q"), "a number of bytes");
    assert_bad(PARSE("--max-upload", "-1"), "a number of bytes");
    assert_bad(PARSE("--proxy", ""), "a text that is not empty");
    assert_bad(PARSE("--proxy", "1.2.3.4", "--proxy", "1.2.3.5"), "--proxy is given twice");
}
END_TEST

/* Every option, its last good and its first bad values; NULL: it has no value, or none is bad but
 * the empty one. */
static const struct {
    const char *name, *good[3], *bad[3];
} values[] = {
    {"base", {"/a", "relative"}, {""}},
    {"chain", {"main", "regtest"}, {"", "moon", "Main"}},
    {"testnet", {NULL}, {NULL}},
    {"import", {"/f"}, {""}},
    {"exit-when-synced", {NULL}, {NULL}},
    {"horizon", {"20", "512"}, {"19", "513", "x"}},
    {"threads", {"1", "256"}, {"0", "257", "-1"}},
    {"assumevalid", {"0", HASH}, {"1", HASH "0", ""}},
    {"minimumchainwork", {"0", HASH, "F"}, {"", HASH "0", "0x1"}},
    {"testactivationheight", {"segwit@0", "csv@5"}, {"segwit", "taproot@5", "csv@-1"}},
    {"bip94", {NULL}, {NULL}},
    {"monitor", {"/m"}, {""}},
    {"uring-without", {"cancel-fd", "buffer-ring"}, {"", "sqpoll"}},
    {"outgoing", {"0", "1000"}, {"-1", "1001", "ten"}},
    {"incoming", {"1", "10000"}, {"-1", "10001", ""}},
    {"serve", {"127.0.0.1:1"}, {""}},
    {"connect", {"127.0.0.1:1", "[::1]"}, {""}},
    {"external", {"192.0.2.1"}, {""}},
    {"proxy", {"127.0.0.1:9050"}, {""}},
    {"no-dns", {NULL}, {NULL}},
    {"v1only", {NULL}, {NULL}},
    {"max-upload", {"0", "5000", "8388607T"}, {"8388608T", "5KB", "-1"}},
    {"verbose", {NULL}, {NULL}},
    {"packet", {NULL}, {NULL}},
    {"metrics", {"9332"}, {""}},
    {"logfile", {"/l"}, {""}},
    {"daemon", {NULL}, {NULL}},
    {"pidfile", {"/p"}, {""}},
};

/* By way 0 the command line, 1 a file, 2 the environment; value NULL: a flag. */
static enum options_result give(int way, const char *name, const char *value)
{
    char word[200], file[300];
    const char *chain =
        strcmp(name, "chain") == 0 || strcmp(name, "testnet") == 0 ? "--no-dns" : "--chain=regtest";

    snprintf(word, sizeof word, "--%s%s%s", name, value ? "=" : "", value ? value : "");
    if (way == 0)
        return PARSE(chain, word);
    if (way == 1) {
        snprintf(file, sizeof file, "%s\n%s\n", word, strcmp(name, "no-dns") == 0 ? "" : chain);
        write_file(file);
        return PARSE(at_file());
    }
    snprintf(word, sizeof word, "CAESURE_%s=%s", name, value ? value : "1");
    for (char *c = word; *c != '='; c++)
        *c = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    return parse((const char *[]){"caesure", chain, NULL}, (const char *[]){word, NULL});
}

START_TEST(every_option_by_every_way)
{
    struct text help;
    int way = _i;
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        for (size_t j = 0; j == 0 || (j < 3 && values[i].good[j]); j++)
            ck_assert_msg(give(way, values[i].name, values[i].good[j]) == OPTIONS_RUN, "%s: %s",
                          values[i].name, text_cstr(&message));
        for (size_t j = 0; j < 3 && values[i].bad[j]; j++) {
            ck_assert_msg(give(way, values[i].name, values[i].bad[j]) == OPTIONS_BAD, "%s=%s",
                          values[i].name, values[i].bad[j]);
            const char *named = way == 2 ? "CAESURE_" : values[i].name;
            ck_assert_msg(strstr(text_cstr(&message), named) != NULL, "%s", text_cstr(&message));
        }
        if (!values[i].good[0])
            ck_assert_int_eq(give(way, values[i].name, "2"), OPTIONS_BAD);
    }
    text_init(&help, 1 << 16);
    options_help(&help);
    for (const char *at = text_cstr(&help); (at = strstr(at, "\n  ")) != NULL; at++)
        count += strncmp(at + 7, "--", 2) == 0 || strncmp(at + 3, "    --", 6) == 0;
    ck_assert_uint_eq(count, ARRAY_COUNT(values) + 2); /* and --help, --version */
    text_clear(&help);
}
END_TEST

START_TEST(contradictions_are_named)
{
    assert_bad(PARSE("-t", "--chain", "main"), "-t and --chain contradict");
    assert_bad(PARSE("-s", "127.0.0.1", "-i", "0"), "--serve and -i 0 contradict");
    assert_bad(PARSE("--bip94"), "--chain regtest only");
    assert_bad(PARSE("--testactivationheight", "csv@5", "-t"), "--chain regtest only");
    ck_assert_int_eq(PARSE("-s", "127.0.0.1", "-i", "1"), OPTIONS_RUN);
    ck_assert_int_eq(PARSE("-i", "0"), OPTIONS_RUN);
}
END_TEST

START_TEST(a_list_has_an_end)
{
    const char *argv[140] = {"caesure", "--chain=regtest"};
    int count = 2;

    for (int i = 0; i < OPTIONS_LIST_MAX; i++) {
        argv[count++] = "--testactivationheight";
        argv[count++] = "csv@1";
    }
    ck_assert_int_eq(parse(argv, (const char *[]){NULL}), OPTIONS_RUN);
    argv[count++] = "--testactivationheight";
    argv[count++] = "csv@1";
    assert_bad(parse(argv, (const char *[]){NULL}), "at most 64 times");
}
END_TEST

int main(void)
{
    int fd = mkstemp(file_name);
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");

    close(fd);
    text_init(&message, 1 << 12);
    tcase_add_test(tcase, defaults);
    tcase_add_test(tcase, each_option_takes_its_good_values);
    tcase_add_test(tcase, networks);
    tcase_add_test(tcase, regtest_options);
    tcase_add_loop_test(tcase, bad_values_are_refused_by_name, 0, ARRAY_COUNT(refused));
    tcase_add_test(tcase, what_comes_later_is_refused_and_not_advertised);
    tcase_add_test(tcase, twice_is_refused_but_for_flags_and_lists);
    tcase_add_test(tcase, the_monitors_path_may_be_left_out);
    tcase_add_test(tcase, help_and_version);
    tcase_add_test(tcase, files_hold_options);
    tcase_add_test(tcase, the_environment_holds_options);
    tcase_add_test(tcase, the_network_is_told_how_to_connect);
    tcase_add_loop_test(tcase, every_option_by_every_way, 0, 3);
    tcase_add_test(tcase, contradictions_are_named);
    tcase_add_test(tcase, a_list_has_an_end);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    options_clear(&options);
    text_clear(&message);
    unlink(file_name);
    return failed != 0;
}
