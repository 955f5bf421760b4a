#include "chain/params.h"
#include "base/hash.h"
#include "base/hex.h"
#include "codec/compact.h"
#include <stdlib.h>

/* The push of 0x1d00ffff and of 4, then that of the text. */
#define GENESIS_PUSHES "\x04\xff\xff\x00\x1d\x01\x04"
#define TIMES_TEXT     "\x45The Times 03/Jan/2009 Chancellor on brink of second bailout for banks"
#define TESTNET4_TEXT                                                                              \
    "\x4c\x4c"                                                                                     \
    "03/May/2024 000000000000000000001ebd58c244970b3aa9d783bb001011fbe8ea8e98e00e"

/* What differs between networks and is easier told as text. */
struct table {
    struct params numbers;
    const char *magic, *pow_limit, *bip34_hash, *minimum_chain_work, *assumed_valid;
    uint32_t genesis_time, genesis_nonce;
    struct {
        const char *block;
        bool has_p2sh_and_witness;
    } exceptions[2];
    struct {
        int32_t height;
        const char *block;
    } repeats[2];
    struct {
        int32_t height;
        const char *block;
        uint64_t chain_tx_count;
        const char *hash_serialized_3;
    } audits[PARAMS_AUDIT_MAX];
};

static const uint8_t default_challenge[] = {
    0x51, 0x21, 0x03, 0xad, 0x5e, 0x0e, 0xda, 0xd1, 0x8c, 0xb1, 0xf0, 0xfc, 0x0d, 0x28, 0xa3,
    0xd4, 0xf1, 0xf3, 0xe4, 0x45, 0x64, 0x03, 0x37, 0x48, 0x9a, 0xbb, 0x10, 0x40, 0x4f, 0x2d,
    0x1e, 0x08, 0x6b, 0xe4, 0x30, 0x21, 0x03, 0x59, 0xef, 0x50, 0x21, 0x96, 0x4f, 0xe2, 0x2d,
    0x6f, 0x8e, 0x05, 0xb2, 0x46, 0x3c, 0x95, 0x40, 0xce, 0x96, 0x88, 0x3f, 0xe3, 0xb2, 0x78,
    0x76, 0x0f, 0x04, 0x8f, 0x51, 0x89, 0xf2, 0xe6, 0xc4, 0x52, 0xae};

#define LIMIT_32      "00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define TWO_WEEKS     .target_timespan_s = 14 * 24 * 3600, .target_spacing_s = 600
#define TEST_PREFIXES .p2pkh_prefix = 111, .p2sh_prefix = 196, .wif_prefix = 239, .bech32_hrp = "tb"
#define HEIGHTS_1     .bip34_height = 1, .bip65_height = 1, .bip66_height = 1, .csv_height = 1

/* CHAINPARAMS: the reference node's numbers of August 2026. */
static const struct table tables[NETWORK_COUNT] = {
    [NETWORK_MAIN] =
        {
            .numbers = {.name = "main",
                        .port = 8333,
                        TWO_WEEKS,
                        .halving_interval = 210000,
                        .bip34_height = 227931,
                        .bip65_height = 388381,
                        .bip66_height = 363725,
                        .csv_height = 419328,
                        .segwit_height = 481824,
                        .p2pkh_prefix = 0,
                        .p2sh_prefix = 5,
                        .wif_prefix = 128,
                        .bech32_hrp = "bc",
                        .dns_seeds = {"dnsseed.bluematt.me", "seed.bitcoin.jonasschnelli.ch",
                                      "seed.btc.petertodd.net", "seed.bitcoin.sprovoost.nl",
                                      "dnsseed.emzy.de", "seed.bitcoin.wiz.biz",
                                      "seed.mainnet.achownodes.xyz"},
                        .presync_period = 641,
                        .presync_buffer = 15218},
            .magic = "f9beb4d9",
            .pow_limit = LIMIT_32,
            .bip34_hash = "000000000000024b89b42a942fe0d9fea3bb44ab7bd1b19115dd6a759c0808b8",
            .minimum_chain_work = "01128750f82f4c366153a3a030",
            .assumed_valid = "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac",
            .genesis_time = 1231006505,
            .genesis_nonce = 2083236893,
            .exceptions = {{"00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22",
                            false},
                           {"0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad",
                            true}},
            .repeats = {{91842, "00000000000a4d0a398161ffc163c503763b1f4360639393e0e4c8e300e0caec"},
                        {91880,
                         "00000000000743f190a18c5577a3c2d2a1f610ae9601ac046a38084ccb7cd721"}},
            .audits =
                {{840000, "0000000000000000000320283a032748cef8227873ff4872689bf23f1cda83a5",
                  991032194, "a2a5521b1b5ab65f67818e5e8eccabb7171a517f9e2382208f77687310768f96"},
                 {880000, "000000000000000000010b17283c3c400507969a9c2afd1dcf2082ec5cca2880",
                  1145604538, "dbd190983eaf433ef7c15f78a278ae42c00ef52e0fd2a54953782175fbadcea9"},
                 {910000, "0000000000000000000108970acb9522ffd516eae17acddcb1bd16469194a821",
                  1226586151, "4daf8a17b4902498c5787966a2b51c613acdab5df5db73f196fa59a4da2f1568"},
                 {935000, "0000000000000000000147034958af1652b2b91bba607beacc5e72a56f0fb5ee",
                  1305397408, "e4b90ef9eae834f56c4b64d2d50143cee10ad87994c614d7d04125e2a6025050"}},
        },
    [NETWORK_TEST] =
        {
            .numbers = {.name = "test",
                        .port = 18333,
                        TWO_WEEKS,
                        .allows_min_difficulty = true,
                        .halving_interval = 210000,
                        .bip34_height = 21111,
                        .bip65_height = 581885,
                        .bip66_height = 330776,
                        .csv_height = 770112,
                        .segwit_height = 834624,
                        TEST_PREFIXES,
                        .dns_seeds = {"testnet-seed.bitcoin.jonasschnelli.ch",
                                      "seed.tbtc.petertodd.net", "testnet-seed.bluematt.me",
                                      "seed.testnet.achownodes.xyz"},
                        .presync_period = 673,
                        .presync_buffer = 14460},
            .magic = "0b110907",
            .pow_limit = LIMIT_32,
            .bip34_hash = "0000000023b3a96d3484e5abb3755c413e7d41500f8e2a5c3f0dd01299cd8ef8",
            .minimum_chain_work = "17dde1c649f3708d14b6",
            .assumed_valid = "000000007a61e4230b28ac5cb6b5e5a0130de37ac1faf2f8987d2fa6505b67f4",
            .genesis_time = 1296688602,
            .genesis_nonce = 414098458,
            .exceptions = {{"00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105",
                            false}},
            .audits =
                {{2500000, "0000000000000093bcb68c03a9a168ae252572d348a2eaeba2cdf9231d73206f",
                  66484552, "f841584909f68e47897952345234e37fcd9128cd818f41ee6c3ca68db8071be7"},
                 {4840000, "00000000000000f4971a7fb37fbdff89315b69a2e1920c467654a382f0d64786",
                  536078574, "ce6bb677bb2ee9789c4a1c9d73e6683c53fc20e8fdbedbdaaf468982a0c8db2a"}},
        },
    [NETWORK_TESTNET4] =
        {
            .numbers = {.name = "testnet4",
                        .port = 48333,
                        TWO_WEEKS,
                        .allows_min_difficulty = true,
                        .is_bip94 = true,
                        .halving_interval = 210000,
                        HEIGHTS_1,
                        .segwit_height = 1,
                        TEST_PREFIXES,
                        .dns_seeds = {"seed.testnet4.bitcoin.sprovoost.nl",
                                      "seed.testnet4.wiz.biz"},
                        .presync_period = 606,
                        .presync_buffer = 16092},
            .magic = "1c163f28",
            .pow_limit = LIMIT_32,
            .minimum_chain_work = "09a0fe15d0177d086304",
            .assumed_valid = "0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a",
            .genesis_time = 1714777860,
            .genesis_nonce = 393743547,
            .audits =
                {{90000, "0000000002ebe8bcda020e0dd6ccfbdfac531d2f6a81457191b99fc2df2dbe3b",
                  11347043, "784fb5e98241de66fdd429f4392155c9e7db5c017148e66e8fdbc95746f8b9b5"},
                 {120000, "000000000bd2317e51b3c5794981c35ba894ce27d3e772d5c39ecd9cbce01dc8",
                  14141057, "10b05d05ad468d0971162e1b222a4aa66caca89da2bb2a93f8f37fb29c4794b0"}},
        },
    [NETWORK_SIGNET] =
        {
            .numbers = {.name = "signet",
                        .port = 38333,
                        TWO_WEEKS,
                        .halving_interval = 210000,
                        HEIGHTS_1,
                        .segwit_height = 1,
                        .is_signet = true,
                        .signet_challenge = {default_challenge, sizeof default_challenge},
                        TEST_PREFIXES,
                        .dns_seeds = {"seed.signet.bitcoin.sprovoost.nl",
                                      "seed.signet.achownodes.xyz"},
                        .presync_period = 620,
                        .presync_buffer = 15724},
            .magic = "0a03cf40",
            .pow_limit = "00000377ae000000000000000000000000000000000000000000000000000000",
            .minimum_chain_work = "0b463ea0a4b8",
            .assumed_valid = "00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329",
            .genesis_time = 1598918400,
            .genesis_nonce = 52613770,
            .audits =
                {{160000, "0000003ca3c99aff040f2563c2ad8f8ec88bd0fd6b8f0895cfaf1ef90353a62c",
                  2289496, "fe0a44309b74d6b5883d246cb419c6221bcccf0b308c9b59b7d70783dbdf928a"},
                 {290000, "0000000577f2741bb30cd9d39d6d71b023afbeb9764f6260786a97969d5c9ac0",
                  28547497, "97267e000b4b876800167e71b9123f1529d13b14308abec2888bbd2160d14545"}},
        },
    [NETWORK_REGTEST] =
        {
            .numbers = {.name = "regtest",
                        .port = 18444,
                        .target_timespan_s = 24 * 3600,
                        .target_spacing_s = 600,
                        .allows_min_difficulty = true,
                        .is_without_retargets = true,
                        .halving_interval = 150,
                        HEIGHTS_1,
                        .segwit_height = 0,
                        .p2pkh_prefix = 111,
                        .p2sh_prefix = 196,
                        .wif_prefix = 239,
                        .bech32_hrp = "bcrt",
                        .presync_period = 275,
                        .presync_buffer = 7017},
            .magic = "fabfb5da",
            .pow_limit = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            .minimum_chain_work = "0",
            .genesis_time = 1296688602,
            .genesis_nonce = 2,
        },
};

/* Hex of this file's own tables. */
static struct block_hash own_hash(const char *hex)
{
    struct block_hash hash;
    bool ok = hash_from_hex(hash.bytes, hex);

    assert(ok);
    return hash;
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

/* The coinbase from its first byte; returns its end. */
static uint8_t *put_genesis_coinbase(uint8_t *at, enum network network)
{
    static const uint8_t key[] = {0x04, 0x67, 0x8a, 0xfd, 0xb0, 0xfe, 0x55, 0x48, 0x27, 0x19, 0x67,
                                  0xf1, 0xa6, 0x71, 0x30, 0xb7, 0x10, 0x5c, 0xd6, 0xa8, 0x28, 0xe0,
                                  0x39, 0x09, 0xa6, 0x79, 0x62, 0xe0, 0xea, 0x1f, 0x61, 0xde, 0xb6,
                                  0x49, 0xf6, 0xbc, 0x3f, 0x4c, 0xef, 0x38, 0xc4, 0xf3, 0x55, 0x04,
                                  0xe5, 0x1e, 0xc1, 0x12, 0xde, 0x5c, 0x38, 0x4d, 0xf7, 0xba, 0x0b,
                                  0x8d, 0x57, 0x8a, 0x4c, 0x70, 0x2b, 0x6b, 0xf1, 0x1d, 0x5f};
    static const uint8_t no_key[33];
    bool is_testnet4 = network == NETWORK_TESTNET4;
    const char *text = is_testnet4 ? TESTNET4_TEXT : TIMES_TEXT;
    struct bytes pubkey =
        is_testnet4 ? (struct bytes){no_key, sizeof no_key} : (struct bytes){key, sizeof key};
    uint8_t amount[8];

    le64_write(amount, 50 * SAT_PER_BTC);
    at = put(at, "\1\0\0\0\1", 5); /* version, input count */
    memset(at, 0, 32);
    at = put(at + 32, "\xff\xff\xff\xff", 4);
    *at++ = (uint8_t)(sizeof GENESIS_PUSHES - 1 + strlen(text));
    at = put(at, GENESIS_PUSHES, sizeof GENESIS_PUSHES - 1);
    at = put(at, text, strlen(text));
    at = put(at, "\xff\xff\xff\xff\1", 5); /* sequence, output count */
    at = put(at, amount, sizeof amount);
    *at++ = (uint8_t)(pubkey.size + 2);
    *at++ = (uint8_t)pubkey.size;
    at = put(at, pubkey.data, pubkey.size);
    return put(at, "\xac\0\0\0\0", 5); /* OP_CHECKSIG, lock time */
}

static void build_genesis(struct params *params, const struct table *table)
{
    uint8_t *coinbase = params->genesis_block + HEADER_SIZE + 1;
    uint8_t *end = put_genesis_coinbase(coinbase, params->network);
    struct header *header = &params->genesis_header;

    *header = (struct header){.version = 1,
                              .time = table->genesis_time,
                              .bits = params->pow_limit_bits,
                              .nonce = table->genesis_nonce};
    sha256d_once(header->merkle_root, coinbase, (size_t)(end - coinbase));
    header_write(params->genesis_block, header);
    params->genesis_block[HEADER_SIZE] = 1;
    params->genesis_size = (uint32_t)(end - params->genesis_block);
    params->genesis_hash = header_hash(header);
}

static void set_lists(struct params *params, const struct table *table)
{
    for (size_t i = 0; i < ARRAY_COUNT(table->exceptions) && table->exceptions[i].block; i++) {
        params->flag_exceptions[params->flag_exception_count++] = (struct flag_exception){
            own_hash(table->exceptions[i].block), table->exceptions[i].has_p2sh_and_witness};
    }
    for (size_t i = 0; i < ARRAY_COUNT(table->repeats) && table->repeats[i].block; i++)
        params->bip30_repeats[params->bip30_repeat_count++] =
            (struct bip30_repeat){table->repeats[i].height, own_hash(table->repeats[i].block)};
    for (size_t i = 0; i < PARAMS_AUDIT_MAX && table->audits[i].block; i++) {
        struct audit_hash *audit = &params->audits[params->audit_count++];
        struct block_hash sum = own_hash(table->audits[i].hash_serialized_3);

        audit->height = table->audits[i].height;
        audit->block = own_hash(table->audits[i].block);
        audit->chain_tx_count = table->audits[i].chain_tx_count;
        memcpy(audit->hash_serialized_3, sum.bytes, sizeof sum.bytes);
    }
}

void params_init(struct params *params, enum network network)
{
    const struct table *table = &tables[network];

    *params = table->numbers;
    params->network = network;
    params->retarget_interval = params->target_timespan_s / params->target_spacing_s;
    bool ok = hex_decode(params->magic, table->magic, 8) &&
              u256_from_hex(&params->pow_limit, table->pow_limit) &&
              u256_from_hex(&params->minimum_chain_work, table->minimum_chain_work);
    assert(ok);
    params->pow_limit_bits = u256_to_compact(&params->pow_limit);
    params->has_bip34_hash = table->bip34_hash != NULL;
    if (params->has_bip34_hash)
        params->bip34_hash = own_hash(table->bip34_hash);
    params->has_assumed_valid = table->assumed_valid != NULL;
    if (params->has_assumed_valid)
        params->assumed_valid = own_hash(table->assumed_valid);
    set_lists(params, table);
    build_genesis(params, table);
}

bool params_find_network(enum network *network, const char *name)
{
    for (int i = 0; i < NETWORK_COUNT; i++) {
        if (strcmp(tables[i].numbers.name, name) == 0) {
            *network = (enum network)i;
            return true;
        }
    }
    return false;
}

/* Digits only, below INT32_MAX. */
static bool parse_height(int32_t *height, const char *text)
{
    int64_t value = 0;

    if (*text == 0)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (*text - '0');
        if (value >= INT32_MAX)
            return false;
    }
    *height = (int32_t)value;
    return true;
}

bool params_set_activation(struct params *params, const char *text)
{
    const struct {
        const char *name;
        int32_t *height;
    } rules[] = {{"segwit@", &params->segwit_height},
                 {"bip34@", &params->bip34_height},
                 {"dersig@", &params->bip66_height},
                 {"cltv@", &params->bip65_height},
                 {"csv@", &params->csv_height}};

    if (params->network != NETWORK_REGTEST)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        size_t size = strlen(rules[i].name);

        if (strncmp(text, rules[i].name, size) == 0)
            return parse_height(rules[i].height, text + size);
    }
    return false;
}

void params_set_signet_challenge(struct params *params, struct bytes challenge)
{
    struct sha256 ctx;
    uint8_t size[COMPACT_SIZE_MAX], digest[32];

    assert(params->is_signet);
    sha256_init(&ctx);
    sha256_update(&ctx, size, compact_write(size, challenge.size));
    sha256_update(&ctx, challenge.data, challenge.size);
    sha256d_final(&ctx, digest);
    memcpy(params->magic, digest, sizeof params->magic);
    params->signet_challenge = challenge;
    params->minimum_chain_work = u256_of(0);
    params->has_assumed_valid = false;
    params->dns_seeds[0] = NULL;
}

bool params_set_minimum_chain_work(struct params *params, const char *hex)
{
    struct u256 work;

    if (!u256_from_hex(&work, hex))
        return false;
    params->minimum_chain_work = work;
    return true;
}

bool params_set_assumed_valid(struct params *params, const char *hex)
{
    struct u256 hash;

    if (!u256_from_hex(&hash, hex))
        return false;
    params->has_assumed_valid = !u256_is_zero(&hash);
    u256_to_le(params->assumed_valid.bytes, &hash);
    return true;
}

const struct audit_hash *params_find_audit(const struct params *params,
                                           const struct block_hash *block)
{
    for (uint32_t i = 0; i < params->audit_count; i++)
        if (block_hash_equal(&params->audits[i].block, block))
            return &params->audits[i];
    return NULL;
}
