#include "base/hex.h"
#include "chain/header_rules.h"
#include "chain/params.h"
#include "codec/block.h"
#include "shared_files.h"

static void expect_hash(const uint8_t bytes[32], const char *hex)
{
    char text[65];

    hash_to_hex(text, bytes);
    ck_assert_str_eq(text, hex);
}

#define MERKLE_2009 "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"

START_TEST(genesis_blocks_are_the_networks)
{
    static const struct {
        const char *name, *hash, *merkle_root;
        uint32_t size;
    } cases[] = {
        {"main", "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", MERKLE_2009,
         285},
        {"test", "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943", MERKLE_2009,
         285},
        {"testnet4", "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
         "7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e", 261},
        {"signet", "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6", MERKLE_2009,
         285},
        {"regtest", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", MERKLE_2009,
         285},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct params params;
        enum network network;
        struct arena arena;
        struct block block;

        ck_assert(params_find_network(&network, cases[i].name));
        params_init(&params, network);
        ck_assert_str_eq(params.name, cases[i].name);
        expect_hash(params.genesis_hash.bytes, cases[i].hash);
        ck_assert_uint_eq(params.genesis_size, cases[i].size);

        arena_init(&arena, 1 << 20);
        struct bytes raw = {params.genesis_block, params.genesis_size};
        ck_assert(block_parse(&block, raw, &arena, true));
        expect_hash(block.hash.bytes, cases[i].hash);
        expect_hash(block.header.merkle_root, cases[i].merkle_root);
        ck_assert_uint_eq(block.tx_count, 1);
        ck_assert_mem_eq(block.txs[0].txid.bytes, block.header.merkle_root, 32);
        ck_assert_int_eq(block.txs[0].outputs[0].amount_sat, 5000000000);
        ck_assert(header_check_pow(&params, &block.hash, block.header.bits));
        arena_clear(&arena);
    }
}
END_TEST

START_TEST(names_are_those_of_the_option)
{
    enum network network;

    ck_assert(params_find_network(&network, "test"));
    ck_assert_int_eq(network, NETWORK_TEST);
    ck_assert(!params_find_network(&network, "testnet3"));
    ck_assert(!params_find_network(&network, ""));
}
END_TEST

START_TEST(limits_are_written_as_the_genesis_bits)
{
    static const uint32_t bits[NETWORK_COUNT] = {0x1d00ffff, 0x1d00ffff, 0x1d00ffff, 0x1e0377ae,
                                                 0x207fffff};

    for (int i = 0; i < NETWORK_COUNT; i++) {
        struct params params;

        params_init(&params, (enum network)i);
        ck_assert_uint_eq(params.pow_limit_bits, bits[i]);
        ck_assert_int_eq(params.retarget_interval, i == NETWORK_REGTEST ? 144 : 2016);
        ck_assert_int_eq(params.is_bip94, i == NETWORK_TESTNET4);
        ck_assert_int_eq(params.has_assumed_valid, i != NETWORK_REGTEST);
        ck_assert_int_eq(params.has_bip34_hash, i < NETWORK_TESTNET4);
    }
}
END_TEST

START_TEST(default_signet_challenge_gives_the_known_magic)
{
    struct params params;

    params_init(&params, NETWORK_SIGNET);
    struct bytes challenge = params.signet_challenge;
    ck_assert_uint_eq(challenge.size, 71);
    uint8_t magic[4];
    memcpy(magic, params.magic, 4);
    ck_assert(params.has_assumed_valid && !u256_is_zero(&params.minimum_chain_work));

    params_set_signet_challenge(&params, challenge);
    ck_assert_mem_eq(params.magic, magic, 4);
    ck_assert(!params.has_assumed_valid && u256_is_zero(&params.minimum_chain_work));
    ck_assert_ptr_null(params.dns_seeds[0]);

    params_set_signet_challenge(&params, (struct bytes){(const uint8_t *)"\x51", 1});
    ck_assert_mem_eq(params.magic, "\x54\xd2\x6f\xbd", 4); /* BIP325's own example is OP_TRUE's */
}
END_TEST

START_TEST(activation_heights_move_on_regtest_only)
{
    static const char *const bad[] = {
        "",         "bip34",    "bip34@",           "bip34@-1",
        "bip34@1x", "bip65@1",  "BIP34@1",          "bip34@+1",
        "@1",       "bip34@ 1", "bip34@2147483647", "bip34@99999999999999999999"};
    struct params params;

    params_init(&params, NETWORK_REGTEST);
    ck_assert(params_set_activation(&params, "bip34@2"));
    ck_assert(params_set_activation(&params, "dersig@102"));
    ck_assert(params_set_activation(&params, "cltv@111"));
    ck_assert(params_set_activation(&params, "csv@432"));
    ck_assert(params_set_activation(&params, "segwit@2147483646"));
    ck_assert_int_eq(params.bip34_height, 2);
    ck_assert_int_eq(params.bip66_height, 102);
    ck_assert_int_eq(params.bip65_height, 111);
    ck_assert_int_eq(params.csv_height, 432);
    ck_assert_int_eq(params.segwit_height, 2147483646);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        ck_assert_msg(!params_set_activation(&params, bad[i]), "%s", bad[i]);
    ck_assert_int_eq(params.bip34_height, 2);
    params_init(&params, NETWORK_MAIN);
    ck_assert(!params_set_activation(&params, "bip34@2"));
}
END_TEST

START_TEST(options_replace_work_and_assumed_block)
{
    struct params params;

    params_init(&params, NETWORK_MAIN);
    ck_assert(params_set_minimum_chain_work(&params, "10"));
    ck_assert_uint_eq(params.minimum_chain_work.limbs[0], 16);
    ck_assert(!params_set_minimum_chain_work(&params, "1x"));
    expect_hash(params.assumed_valid.bytes,
                "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac");
    ck_assert(params_set_assumed_valid(&params, MERKLE_2009));
    expect_hash(params.assumed_valid.bytes, MERKLE_2009);
    ck_assert(params_set_assumed_valid(&params, "0"));
    ck_assert(!params.has_assumed_valid);
    ck_assert(!params_set_assumed_valid(&params, "none"));
}
END_TEST

START_TEST(audit_hashes_are_found_by_block)
{
    struct params params;
    struct block_hash hash;

    params_init(&params, NETWORK_SIGNET);
    ck_assert(hash_from_hex(hash.bytes,
                            "0000003ca3c99aff040f2563c2ad8f8ec88bd0fd6b8f0895cfaf1ef90353a62c"));
    const struct audit_hash *audit = params_find_audit(&params, &hash);
    ck_assert_ptr_nonnull(audit);
    ck_assert_int_eq(audit->height, 160000);
    expect_hash(audit->hash_serialized_3,
                "fe0a44309b74d6b5883d246cb419c6221bcccf0b308c9b59b7d70783dbdf928a");
    hash.bytes[0] ^= 1;
    ck_assert_ptr_null(params_find_audit(&params, &hash));
}
END_TEST

int main(void)
{
    return SUITE_RUN("params", genesis_blocks_are_the_networks, names_are_those_of_the_option,
                     limits_are_written_as_the_genesis_bits,
                     default_signet_challenge_gives_the_known_magic,
                     activation_heights_move_on_regtest_only,
                     options_replace_work_and_assumed_block, audit_hashes_are_found_by_block);
}
