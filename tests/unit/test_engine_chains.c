/* test_engine_chains.c - recorded chains through the whole engine: right tip, right coin set, every
 * script verified; the second start takes the metadata path. */
#include "engine_rig.h"
#include "shared_files.h"
#include <check.h>

struct chain_case {
    const char *file;
    enum network network;
    int height;
    const char *hash, *coins, *amount, *hash_serialized_3, *muhash;
};

static const struct chain_case cases[] = {
    {"mainnet-0-2100.dat", NETWORK_MAIN, 2100,
     "00000000d5092034c3a92473d42f28e3fd279f0652e2d5b0049c7d40fcbc990b", "2030", "10500000000000",
     "3e85469a1be66feecae70d4d5e5c6621662827c55052690bb4325193d67bf593",
     "97f433a2057367dfc268f05a5a8b0e7529dfe065815e1a022ae150acbb5cbfca"},
    {"testnet3-0-2100.dat", NETWORK_TEST, 2100,
     "000000004f1cf82dedcee0f46fcdd6c27eeb6a234cc39d1516e8b64a7e77ad52", "2297", "10500000000000",
     "6c61f17bb1e9a1379ff356e55394623e136e4654b6c336b89b548198a7898dde",
     "2e8582e6e2919c43001b12f03ca7f7d73736b5f52db1d7639c5c2fac1864ed3f"},
    {"mainnet-alt-0-2016.dat", NETWORK_MAIN, 2016,
     "000000000c806553811fd3e6c40bc9c279db53643da7d3b401a9882c074c24b2", "2016", "10080000000000",
     "fa152d1792f014fd3537236637d83f032c1f5cfa44b116dd55d937b5efa49296",
     "584b5911c3447337b455503867e47eb6b1bfb778df7531f8d60021d54f8f46a6"},
    {"regtest-kernel-0-206.dat", NETWORK_REGTEST, 206,
     "3de082158b117acd088306c395d09771bb7cbf0b7355796c1b1e0bd748ef9bed", "230", "887500000000",
     "6f596a9fb79023e72ac6c2423e9dff4991f49994c0a55d1a2124ce03a98e9d74",
     "99fe6181ed22d50f27486264ed5d1f538c9343042db64a088248bcc9912a869a"},
    {"regtest-floresta-0-150.dat", NETWORK_REGTEST, 150,
     "4ddf4a47b50945bb53f5dc81c3ffb6fc709f363e202a6770cb35cade739b9c78", "150", "747500000000",
     "1c7ce3de5f32be08b61b989caa8e3c43fced357bc4b9f5ca0928c71fe3bf826a",
     "9ba4ce13287d6faced12950fff6e45913952b651adb2c89e538f37884d6bbed3"},
    {"regtest-reorg-A.dat", NETWORK_REGTEST, 10,
     "6e9c49a19038f7db8d13f6c2e70566385536ea11975528b557799e08a014e784", "10", "50000000000",
     "65133b0cbbfe3c0dec2d439bd35bb61604bb01453eec9a777b4f48e63b731318",
     "7dd811b8d263bbcf47429a8df21ea117a52a1cb24514b764c810279ea972a415"},
    {"regtest-reorg-B.dat", NETWORK_REGTEST, 16,
     "4572ac401b94915dde6c4957b706abdb13b5824b000cad7f6065ebd9aea6dad1", "16", "80000000000",
     "ceb663e5d8980fc70aee6893d3ba0027062ceab9202d8e82fbbb7d8ca6e71002",
     "5289e6b512d21dbcb52ee10b28b8995d94066bb4a28c255b697e74640ee84c13"},
    {"regtest-wallet-A.dat", NETWORK_REGTEST, 620,
     "024a941604ec6a1af6dc6bb21579800e8b163d64b4f62f93afffadf5635be8d1", "557", "1407812500000",
     "edbdc3c09d41888c7d866405436b1b0c886d14966a4ac8cd8f071e8a992b757b",
     "23a56490447fb240a3ac3ceaec8b5eeaaf9cbb819c10c5aaa3353fb5a642bdc3"},
};

static void expect_audit(struct rig *rig, const struct chain_case *c)
{
    static const char *const names[] = {"hash", "coins", "amount", "hash_serialized_3", "muhash"};
    const char *const wanted[] = {c->hash, c->coins, c->amount, c->hash_serialized_3, c->muhash};
    char *answer = rig_ask(rig, "audit", NULL);
    char value[80];

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        ck_assert_msg(rig_value(answer, names[i], value, sizeof value), "%s: no %s in: %s", c->file,
                      names[i], answer);
        ck_assert_msg(strcmp(value, wanted[i]) == 0, "%s: %s is %s, not %s", c->file, names[i],
                      value, wanted[i]);
    }
    free(answer);
}

static void run_case(const struct chain_case *c, uint32_t worker_count, unsigned tag_bits)
{
    struct rig rig;
    struct import_result result;
    char path[512];

    rig_init(&rig, c->network);
    rig.config.worker_count = worker_count;
    rig.config.tag_bits = tag_bits;
    snprintf(path, sizeof path, "%s/data/chains/%s", shared_folder("recorded chains"), c->file);
    ck_assert_msg(rig_open(&rig) == ENGINE_OK, "%s", rig.error);
    enum import_error error = rig_import(&rig, path, &result);
    ck_assert_msg(error == IMPORT_OK, "%s: %s", c->file, rig.error);
    ck_assert_msg(result.refused == 0, "%s: %s", c->file, result.first_refused);
    ck_assert_int_eq((int)result.accepted, c->height);
    expect_audit(&rig, c);
    ck_assert_msg(rig_close(&rig) == ENGINE_OK, "%s", rig.error);

    /* Again, from what was saved: nothing is scanned and the coin set is the same. */
    ck_assert_msg(rig_open(&rig) == ENGINE_OK, "%s", rig.error);
    error = rig_import(&rig, path, &result);
    ck_assert_msg(error == IMPORT_OK, "%s: %s", c->file, rig.error);
    ck_assert_int_eq((int)result.duplicate, c->height + 1);
    expect_audit(&rig, c);
    ck_assert_msg(rig_close(&rig) == ENGINE_OK, "%s", rig.error);
    rig_clear(&rig);
}

START_TEST(a_chain_gives_the_reference_nodes_coin_set)
{
    run_case(&cases[_i], 2, 64);
}
END_TEST

START_TEST(with_colliding_tags_too)
{
    run_case(&cases[_i], 1, 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_chains");
    TCase *tcase = tcase_create("chains");

    if (!shared_folder("recorded chains")) {
        return 77;
    }
    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, a_chain_gives_the_reference_nodes_coin_set, 0, ARRAY_COUNT(cases));
    tcase_add_loop_test(tcase, with_colliding_tags_too, 0, ARRAY_COUNT(cases));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
