#include "base/random.h"
#include "ledger/coin.h"

#include <check.h>
#include <stdlib.h>

static struct ledger_key key_of(uint8_t first, unsigned tag_bits, uint32_t shard_count)
{
    uint8_t bytes[LEDGER_KEY_SIZE] = {first};
    struct ledger_key key;

    ledger_key_init(&key, bytes, tag_bits, shard_count);
    return key;
}

START_TEST(unspendable_outputs_are_never_coins)
{
    static uint8_t script[10001];

    memset(script, 0x51, sizeof script);
    ck_assert(coin_is_possible((struct bytes){script, 0}));
    ck_assert(coin_is_possible((struct bytes){script, 10000}));
    ck_assert(!coin_is_possible((struct bytes){script, 10001}));
    script[0] = 0x6a; /* OP_RETURN */
    ck_assert(!coin_is_possible((struct bytes){script, 1}));
    ck_assert(!coin_is_possible((struct bytes){script, 10000}));
    script[0] = 0x51;
    script[1] = 0x6a;
    ck_assert(coin_is_possible((struct bytes){script, 2}));
}
END_TEST

START_TEST(a_word_holds_position_coinbase_and_check)
{
    for (int is_coinbase = 0; is_coinbase < 2; is_coinbase++) {
        uint32_t check = (1u << COIN_CHECK_BITS) - 1 - (uint32_t)is_coinbase;
        struct coin_ref ref = coin_ref_of(coin_word(COIN_POS_MAX, is_coinbase, check), true);

        ck_assert_uint_eq(ref.pos, COIN_POS_MAX);
        ck_assert_uint_eq(ref.check, check);
        ck_assert_int_eq(ref.is_coinbase, is_coinbase);
        ref = coin_ref_of(coin_word(1, is_coinbase, 0), false);
        ck_assert_uint_eq(ref.pos, 1);
        ck_assert_uint_eq(ref.check, 0);
        ck_assert_int_eq(ref.is_coinbase, is_coinbase);
    }
}
END_TEST

START_TEST(hashes_depend_on_key_and_every_byte)
{
    struct ledger_key key = key_of(1, 64, 512), other = key_of(2, 64, 512),
                      again = key_of(1, 64, 512);
    struct outpoint outpoint = {.vout = 7};
    struct coin_hash hash = coin_hash_of(&key, &outpoint);

    ck_assert_uint_eq(hash.tag, coin_hash_of(&again, &outpoint).tag);
    ck_assert_uint_ne(hash.tag, coin_hash_of(&other, &outpoint).tag);
    for (size_t i = 0; i < sizeof outpoint; i++) {
        ((uint8_t *)&outpoint)[i] ^= 1;
        ck_assert_uint_ne(hash.tag, coin_hash_of(&key, &outpoint).tag);
        ((uint8_t *)&outpoint)[i] ^= 1;
    }
}
END_TEST

/* They are on disk: where these change, ledger/key gets a new magic (key_file.c). The values are by
 * another implementation of SipHash and the check. */
START_TEST(hashes_and_checks_are_those_of_the_key_files_version)
{
    struct ledger_key key = key_of(1, 64, 512);
    struct outpoint outpoint = {.txid = {{1, 2, 3}}, .vout = 7};
    struct coin_hash hash = coin_hash_of(&key, &outpoint);
    struct bytes txout = {(const uint8_t *)"a TxOut of 20 bytes..", 20};

    ck_assert_uint_eq(hash.tag, 0x6f3a63a4647eeebf);
    ck_assert_uint_eq(hash.shard, 459);
    ck_assert_uint_eq(hash.slot, 0x663be9e2);
    ck_assert_uint_eq(coin_check_of(&key, &outpoint, txout), 0x8931b);
}
END_TEST

/* Of TxOuts of 0 to 64 bytes, each in memory of just its size; the value is an older version's,
 * which copied the bytes beyond the last 16 to zeros. */
START_TEST(checks_of_all_sizes_are_those_of_the_key_files_version)
{
    struct ledger_key key = key_of(1, 64, 512);
    struct outpoint outpoint = {.txid = {{4, 5, 6}}, .vout = 1};
    uint64_t sum = 0;

    for (size_t size = 0; size <= 64; size++) {
        uint8_t *txout = xmalloc(size);

        for (size_t i = 0; i < size; i++)
            txout[i] = (uint8_t)(7 * i + 1);
        sum = sum * 31 + coin_check_of(&key, &outpoint, (struct bytes){txout, size});
        free(txout);
    }
    ck_assert_uint_eq(sum, 17630990755056982498u);
}
END_TEST

/* What the parse stage does for a transaction's outputs. */
START_TEST(in_two_steps_the_hash_is_the_same)
{
    struct ledger_key key = key_of(5, 64, 512);
    struct outpoint outpoint = {.txid = {{9}}};
    struct siphash_state state = coin_hash_txid(&key, &outpoint.txid);

    for (; outpoint.vout < 5; outpoint.vout++) {
        struct bytes txout = {(const uint8_t *)&outpoint, outpoint.vout};
        struct coin_hash a = coin_hash_of(&key, &outpoint), b;
        uint32_t check = coin_hash_and_check(&key, &state, outpoint.vout, txout, &b);

        ck_assert_uint_eq(check, coin_check_of(&key, &outpoint, txout));
        ck_assert_uint_eq(a.tag, b.tag);
        ck_assert_uint_eq(a.shard, b.shard);
        ck_assert_uint_eq(a.slot, b.slot);
    }
}
END_TEST

START_TEST(short_tags_keep_the_highest_bits_and_all_shards_are_used)
{
    struct ledger_key whole = key_of(3, 64, 512), cut = key_of(3, 12, 512);
    bool seen[512] = {false};
    uint32_t shards = 0;

    for (uint32_t i = 0; i < 10000; i++) {
        struct outpoint outpoint = {.vout = i};
        struct coin_hash a = coin_hash_of(&whole, &outpoint), b = coin_hash_of(&cut, &outpoint);

        ck_assert_uint_eq(a.tag >> 52, b.tag >> 52);
        ck_assert_uint_eq(b.tag << 12, 0);
        ck_assert_uint_eq(a.shard, b.shard);
        ck_assert_uint_lt(a.shard, 512);
        shards += !seen[a.shard];
        seen[a.shard] = true;
    }
    ck_assert_uint_eq(shards, 512);
}
END_TEST

START_TEST(the_check_changes_with_any_byte_of_outpoint_or_txout)
{
    struct ledger_key key = key_of(4, 64, 512);
    struct outpoint outpoint = {.vout = 1};
    uint8_t txout[60];
    uint32_t same = 0;

    memset(txout, 0x33, sizeof txout);
    struct bytes view = {txout, sizeof txout};
    uint32_t check = coin_check_of(&key, &outpoint, view);
    ck_assert_uint_lt(check, 1u << COIN_CHECK_BITS);
    for (size_t i = 0; i < sizeof txout; i++) {
        txout[i] ^= 0x80;
        same += coin_check_of(&key, &outpoint, view) == check;
        txout[i] ^= 0x80;
    }
    for (size_t i = 0; i < sizeof outpoint; i++) {
        ((uint8_t *)&outpoint)[i] ^= 0x80;
        same += coin_check_of(&key, &outpoint, view) == check;
        ((uint8_t *)&outpoint)[i] ^= 0x80;
    }
    same += coin_check_of(&key, &outpoint, (struct bytes){txout, sizeof txout - 1}) == check;
    ck_assert_uint_eq(same, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("coin");
    TCase *tcase = tcase_create("coin");

    tcase_add_test(tcase, unspendable_outputs_are_never_coins);
    tcase_add_test(tcase, a_word_holds_position_coinbase_and_check);
    tcase_add_test(tcase, hashes_depend_on_key_and_every_byte);
    tcase_add_test(tcase, hashes_and_checks_are_those_of_the_key_files_version);
    tcase_add_test(tcase, checks_of_all_sizes_are_those_of_the_key_files_version);
    tcase_add_test(tcase, in_two_steps_the_hash_is_the_same);
    tcase_add_test(tcase, short_tags_keep_the_highest_bits_and_all_shards_are_used);
    tcase_add_test(tcase, the_check_changes_with_any_byte_of_outpoint_or_txout);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
