#include "base/hex.h"
#include "codec/opcode.h"
#include "make_block.h"
#include "script/flags.h"
#include "shared_files.h"

#define HEIGHT 100000

static struct params regtest(void)
{
    struct params params;

    params_init(&params, NETWORK_REGTEST);
    return params;
}

START_TEST(genesis_blocks_pass)
{
    for (int i = 0; i < NETWORK_COUNT; i++) {
        struct params params;
        struct block_facts facts;

        params_init(&params, (enum network)i);
        struct bytes raw = {params.genesis_block, params.genesis_size};
        ck_assert_int_eq(judge(&params, raw, &facts), VALID);
        ck_assert_uint_eq(facts.weight, 4 * params.genesis_size);
        ck_assert_uint_eq(facts.legacy_sigops, 1);
        ck_assert_int_eq(facts.coinbase_sat, 5000000000);
        ck_assert_int_eq(facts.commitment, COMMITMENT_NONE);
    }
}
END_TEST

START_TEST(proof_of_work_comes_first)
{
    struct params params = regtest();
    struct made made;
    struct block_facts facts;

    made_init(&made, HEIGHT, 2);
    struct bytes raw = made_write(&made, &params);
    uint8_t *data = (uint8_t *)raw.data;
    data[raw.size - 1] ^= 1; /* and the merkle root is wrong */
    ck_assert_int_eq(judge(&params, raw, &facts), BAD_TXNMRKLROOT);
    data[75] = 0; /* bits of an exponent of 0 */
    ck_assert_int_eq(judge(&params, raw, &facts), HIGH_HASH);
    free(data);
}
END_TEST

/* Appends copies of the transactions from `from` on and counts them in. */
static struct bytes repeat_txs(struct made *made, const struct params *params, uint32_t from)
{
    struct bytes raw = made_write(made, params);
    struct build b = {0};

    build_raw(&b, raw.data, HEADER_SIZE);
    build_count(&b, made->tx_count * 2 - from);
    build_raw(&b, raw.data + HEADER_SIZE + 1, raw.size - HEADER_SIZE - 1);
    for (uint32_t i = from; i < made->tx_count; i++)
        write_tx(&b, &made->txs[i], true);
    free((void *)raw.data);
    return build_take(&b);
}

START_TEST(doubled_transactions_with_the_same_root_are_a_mutation)
{
    static const struct {
        uint32_t tx_count, from; /* from: what an odd level doubles */
    } cases[] = {{3, 2}, {5, 4}, {6, 4}, {7, 6}, {10, 8}, {12, 8}};
    struct params params = regtest();

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct made made;
        struct block_facts facts;

        made_init(&made, HEIGHT, cases[i].tx_count);
        ck_assert_int_eq(judge_made(&made, &params), VALID);
        struct bytes raw = repeat_txs(&made, &params, cases[i].from);
        ck_assert_msg(judge(&params, raw, &facts) == BAD_TXNS_DUPLICATE, "%u transactions",
                      cases[i].tx_count);
        free((void *)raw.data);
        if (cases[i].from + 1 < made.tx_count) { /* another doubling has another root */
            raw = repeat_txs(&made, &params, cases[i].from + 1);
            ck_assert_int_eq(judge(&params, raw, &facts), BAD_TXNMRKLROOT);
            free((void *)raw.data);
        }
    }
    ck_assert_int_eq(verdict_class(BAD_TXNS_DUPLICATE), VERDICT_MUTATED);
}
END_TEST

START_TEST(block_needs_transactions)
{
    struct params params = regtest();
    struct header header = {.version = 4, .bits = params.pow_limit_bits};
    struct block_facts facts;
    uint8_t raw[HEADER_SIZE + 1];

    for (uint8_t fill = 0; fill < 2; fill++) {
        memset(header.merkle_root, fill, 32);
        header_write(raw, &header);
        mine(raw, &params);
        raw[HEADER_SIZE] = 0;
        ck_assert_int_eq(judge(&params, (struct bytes){raw, sizeof raw}, &facts),
                         fill == 0 ? BAD_BLK_LENGTH : BAD_TXNMRKLROOT);
    }
    ck_assert_int_eq(judge(&params, (struct bytes){raw, HEADER_SIZE}, &facts), BLOCK_DECODE_FAILED);
}
END_TEST

START_TEST(stripped_block_has_at_most_a_million_bytes)
{
    static uint8_t padding[1000000];
    struct params params = regtest();
    struct made made;

    made_init(&made, HEIGHT, 2);
    made.outputs[1][0].script_pubkey = (struct bytes){padding, 900000};
    struct bytes raw = made_write(&made, &params);
    size_t missing = 1000000 - raw.size;
    free((void *)raw.data);
    made.outputs[1][0].script_pubkey.size += missing;
    ck_assert_int_eq(judge_made(&made, &params), VALID);
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), VALID);
    made.outputs[1][0].script_pubkey.size++;
    ck_assert_int_eq(judge_made(&made, &params), BAD_BLK_LENGTH);
}
END_TEST

START_TEST(first_transaction_and_no_other_is_a_coinbase)
{
    struct params params = regtest();
    struct made made;

    made_init(&made, HEIGHT, 3);
    made.inputs[2].prevout = made.inputs[0].prevout;
    ck_assert_int_eq(judge_made(&made, &params), BAD_CB_MULTIPLE);
    made.inputs[0].prevout.vout = 0;
    made.inputs[2].prevout.vout = 0;
    ck_assert_int_eq(judge_made(&made, &params), BAD_CB_MISSING);
}
END_TEST

START_TEST(without_coinbase_a_transaction_of_64_bytes_is_a_mutation)
{
    static const uint8_t script[16];
    struct params params = regtest();

    for (size_t size = 0; size < sizeof script; size++) {
        struct made made;

        made_init(&made, HEIGHT, 3);
        made.inputs[0].prevout.vout = 0;
        /* 60 bytes around the two scripts, of which the output's has one */
        made.inputs[2].script_sig = (struct bytes){script, size};
        made.txs[2].has_witness = true; /* does not count */
        made.inputs[2].witness_count = 1;
        made.inputs[2].witness = (struct bytes){made_nonce, 33};
        ck_assert_int_eq(judge_made(&made, &params),
                         size == 3 ? BAD_CB_MISSING_64_BYTES : BAD_CB_MISSING);
        made.inputs[0].prevout.vout = UINT32_MAX;
        ck_assert_int_eq(judge_made(&made, &params), VALID);
    }
    ck_assert_int_eq(verdict_class(BAD_CB_MISSING_64_BYTES), VERDICT_MUTATED);
    ck_assert_str_eq(verdict_text(BAD_CB_MISSING_64_BYTES), "bad-cb-missing");
}
END_TEST

START_TEST(every_transaction_is_checked)
{
    struct params params = regtest();
    struct made made;

    made_init(&made, HEIGHT, 4);
    made.outputs[3][0].amount_sat = -1;
    ck_assert_int_eq(judge_made(&made, &params), BAD_TXNS_VOUT_NEGATIVE);
    made.outputs[2][0].amount_sat = MONEY_MAX + 1;
    ck_assert_int_eq(judge_made(&made, &params), BAD_TXNS_VOUT_TOOLARGE);
    made.inputs[0].script_sig.size = 1;
    ck_assert_int_eq(judge_made(&made, &params), BAD_CB_LENGTH);
    made_init(&made, HEIGHT, 4);
    made.txs[3].input_count = 0; /* written as a marker without flag: an empty transaction */
    made.txs[3].output_count = 0;
    ck_assert_int_eq(judge_made(&made, &params), BAD_TXNS_VIN_EMPTY);
    made_init(&made, HEIGHT, 4);
    made.txs[3].output_count = 0;
    ck_assert_int_eq(judge_made(&made, &params), BAD_TXNS_VOUT_EMPTY);
}
END_TEST

START_TEST(legacy_sigops_of_a_block_are_at_most_20000)
{
    static uint8_t script[20001];
    struct params params = regtest();
    struct block_facts facts;
    struct made made;

    memset(script, OP_CHECKSIG, sizeof script);
    made_init(&made, HEIGHT, 3);
    made.outputs[2][0].script_pubkey = (struct bytes){script, 19980};
    made.outputs[0][0].script_pubkey = (struct bytes){(const uint8_t *)"\xae", 1}; /* counts 20 */
    struct bytes raw = made_write(&made, &params);
    ck_assert_int_eq(judge(&params, raw, &facts), VALID);
    ck_assert_uint_eq(facts.legacy_sigops, 20000);
    free((void *)raw.data);
    made.inputs[1].script_sig = (struct bytes){script, 1};
    ck_assert_int_eq(judge_made(&made, &params), BAD_BLK_SIGOPS);
    made.outputs[2][0].amount_sat = -1; /* transactions come before the sum */
    ck_assert_int_eq(judge_made(&made, &params), BAD_TXNS_VOUT_NEGATIVE);
}
END_TEST

START_TEST(lock_times_are_below_height_and_median_time)
{
    struct params params = regtest();
    struct made made;

    made_init(&made, HEIGHT, 3);
    made.txs[2].lock_time = HEIGHT;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), VALID); /* sequences are final */
    made.inputs[2].sequence = 0;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), BAD_TXNS_NONFINAL);
    made.txs[2].lock_time = HEIGHT - 1;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), VALID);
    made.txs[2].lock_time = 1500000000;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 1500000001), VALID);
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 1500000000), BAD_TXNS_NONFINAL);
    made.txs[2].lock_time = LOCKTIME_THRESHOLD; /* the first that is a time */
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, LOCKTIME_THRESHOLD + 1), VALID);
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, LOCKTIME_THRESHOLD),
                     BAD_TXNS_NONFINAL);
    made.txs[2].lock_time = LOCKTIME_THRESHOLD - 1;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, UINT32_MAX), BAD_TXNS_NONFINAL);
    made.txs[2].lock_time = 1500000000;
    /* Before BIP113 it is the block's own time. */
    params.csv_height = HEIGHT + 1;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 1500000000), VALID);
    made.txs[2].lock_time = made.header.time - 1;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), VALID);
    made.txs[2].lock_time = made.header.time;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, UINT32_MAX), BAD_TXNS_NONFINAL);
    /* The largest counts, wherever it stands; the coinbase's too. */
    made.txs[2].lock_time = 5;
    made.txs[0].lock_time = HEIGHT;
    made.inputs[0].sequence = 0;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), BAD_TXNS_NONFINAL);
    ck_assert_int_eq(verdict_class(BAD_TXNS_NONFINAL), VERDICT_CONSENSUS);
}
END_TEST

START_TEST(coinbase_begins_with_its_height)
{
    static const struct {
        int32_t height;
        const char *script; /* one byte more follows in the block */
    } cases[] = {
        {1, "51"},
        {2, "52"},
        {16, "60"},
        {17, "0111"},
        {127, "017f"},
        {128, "028000"},
        {255, "02ff00"},
        {256, "020001"},
        {32767, "02ff7f"},
        {32768, "03008000"},
        {65535, "03ffff00"},
        {65536, "03000001"},
        {227931, "035b7a03"},
        {8388607, "03ffff7f"},
        {8388608, "0400008000"},
        {16777216, "0400000001"},
    };
    struct params params = regtest();

    params.csv_height = INT32_MAX;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        size_t size = strlen(cases[i].script) / 2;
        uint8_t script[8] = {0};
        struct made made;

        made_init(&made, 0, 1);
        ck_assert(hex_decode(script, cases[i].script, 2 * size));
        made.inputs[0].script_sig = (struct bytes){script, size + 1};
        int32_t before = cases[i].height - 1;
        ck_assert_int_eq(judge_after(&made, &params, before, 0), VALID);
        ck_assert_int_eq(judge_after(&made, &params, before + 1, 0), BAD_CB_HEIGHT);
        ck_assert_int_eq(judge_after(&made, &params, before > 0 ? before - 1 : 1, 0),
                         BAD_CB_HEIGHT);
        if (size > 2) { /* cut short */
            made.inputs[0].script_sig.size = size - 1;
            ck_assert_int_eq(judge_after(&made, &params, before, 0), BAD_CB_HEIGHT);
        }
        params.bip34_height = cases[i].height + 1;
        script[0] ^= 1;
        made.inputs[0].script_sig.size = size + 1;
        ck_assert_int_eq(judge_after(&made, &params, before, 0), VALID);
        params.bip34_height = 1;
        ck_assert_int_eq(judge_after(&made, &params, before, 0), BAD_CB_HEIGHT);
    }
    struct made made; /* a longer push of the same number is another script */
    made_init(&made, 0, 1);
    made.inputs[0].script_sig = (struct bytes){(const uint8_t *)"\x01\x10\0", 3};
    ck_assert_int_eq(judge_after(&made, &params, 15, 0), BAD_CB_HEIGHT);
}
END_TEST

/* A block with a witness in its second transaction and the right commitment. */
static void witness_block(struct made *made)
{
    static const uint8_t witness[5] = {4, 1, 2, 3, 4};

    made_init(made, HEIGHT, 3);
    made->txs[1].has_witness = true;
    made->inputs[1].witness_count = 1;
    made->inputs[1].witness = (struct bytes){witness, sizeof witness};
    made_commit(made);
}

static enum verdict judge_witness(struct made *made)
{
    struct params params = regtest();

    return judge_after(made, &params, HEIGHT - 1, 0);
}

START_TEST(witnesses_match_their_commitment)
{
    static const uint8_t other_nonce[33] = {32, 1}, short_nonce[32] = {31}, long_nonce[34] = {33};
    static const uint8_t two_items[66] = {32, [33] = 32}, other_witness[5] = {4, 1, 2, 3, 5};
    struct made made;

    witness_block(&made);
    ck_assert_int_eq(judge_witness(&made), VALID);
    made.inputs[1].witness.data = other_witness;
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_MERKLE_MATCH);
    witness_block(&made);
    made.inputs[0].witness.data = other_nonce;
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_MERKLE_MATCH);
    made.inputs[0].witness = (struct bytes){short_nonce, 32};
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_NONCE_SIZE);
    made.inputs[0].witness = (struct bytes){long_nonce, 34};
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_NONCE_SIZE);
    made.inputs[0].witness = (struct bytes){two_items, 66};
    made.inputs[0].witness_count = 2;
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_NONCE_SIZE);
    made.txs[0].has_witness = false;
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_NONCE_SIZE);
    made.txs[0].output_count = 1; /* no commitment at all */
    ck_assert_int_eq(judge_witness(&made), UNEXPECTED_WITNESS);
    made.txs[1].has_witness = false;
    ck_assert_int_eq(judge_witness(&made), VALID);
    ck_assert_int_eq(verdict_class(BAD_WITNESS_MERKLE_MATCH), VERDICT_MUTATED);
    ck_assert_int_eq(verdict_class(BAD_WITNESS_NONCE_SIZE), VERDICT_MUTATED);
    ck_assert_int_eq(verdict_class(UNEXPECTED_WITNESS), VERDICT_MUTATED);
}
END_TEST

START_TEST(before_segwit_commitments_mean_nothing)
{
    struct params params = regtest();
    struct made made;

    witness_block(&made);
    params.segwit_height = HEIGHT;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), VALID);
    params.segwit_height = HEIGHT + 1;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), UNEXPECTED_WITNESS);
    made.txs[0].has_witness = made.txs[1].has_witness = false;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), VALID);
    params.segwit_height = HEIGHT;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), BAD_WITNESS_NONCE_SIZE);
}
END_TEST

START_TEST(last_commitment_counts_and_may_be_followed)
{
    struct made made;

    witness_block(&made);
    made.outputs[0][1].script_pubkey.size = 64; /* what follows the hash is free */
    ck_assert_int_eq(judge_witness(&made), VALID);
    made.outputs[0][1].script_pubkey.size = 37; /* too short to be one */
    ck_assert_int_eq(judge_witness(&made), UNEXPECTED_WITNESS);
    witness_block(&made);
    static const uint8_t wrong[38] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    made.outputs[0][0].script_pubkey = (struct bytes){wrong, 38};
    ck_assert_int_eq(judge_witness(&made), VALID);
    made.outputs[0][0] = made.outputs[0][1];
    made.outputs[0][1].script_pubkey = (struct bytes){wrong, 38};
    ck_assert_int_eq(judge_witness(&made), BAD_WITNESS_MERKLE_MATCH);
    static const uint8_t near[38] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xee};
    made.outputs[0][1].script_pubkey = (struct bytes){near, 38};
    ck_assert_int_eq(judge_witness(&made), VALID);
}
END_TEST

START_TEST(weight_is_at_most_four_million)
{
    static uint8_t witness[4000000] = {0xfe};
    struct params params = regtest();
    struct made made;
    struct bytes raw;

    for (uint32_t size = 3000000;;) {
        struct block_facts facts;

        made_init(&made, HEIGHT, 2);
        le32_write(witness + 1, size);
        made.txs[1].has_witness = true;
        made.inputs[1].witness_count = 1;
        made.inputs[1].witness = (struct bytes){witness, 5 + size};
        made_commit(&made);
        raw = made_write(&made, &params);
        ck_assert_int_eq(judge(&params, raw, &facts), VALID);
        free((void *)raw.data);
        enum verdict verdict = judge_after(&made, &params, HEIGHT - 1, 0);
        if (facts.weight == 4000001) {
            ck_assert_int_eq(verdict, BAD_BLK_WEIGHT);
            break;
        }
        ck_assert_int_eq(verdict, VALID);
        size += facts.weight == 4000000 ? 1 : (uint32_t)(4000000 - facts.weight);
    }
    made.inputs[1].witness.data = witness; /* order: the commitment before the weight */
    made.commitment[10] ^= 1;
    ck_assert_int_eq(judge_after(&made, &params, HEIGHT - 1, 0), BAD_WITNESS_MERKLE_MATCH);
}
END_TEST

START_TEST(context_errors_come_in_the_order_of_the_reference)
{
    struct params params = regtest();
    struct header_node prev = {.height = HEIGHT - 1, .median_time_past = 1500000000};
    struct block_facts facts = {.weight = 4000001,
                                .max_height_lock = HEIGHT,
                                .has_witness = true,
                                .commitment = COMMITMENT_BAD_NONCE,
                                .coinbase_script = {(const uint8_t *)"\x51\x51", 2}};

    ck_assert_int_eq(block_check_context(&params, &facts, &prev), BAD_TXNS_NONFINAL);
    facts.max_height_lock--;
    ck_assert_int_eq(block_check_context(&params, &facts, &prev), BAD_CB_HEIGHT);
    params.bip34_height = HEIGHT + 1;
    ck_assert_int_eq(block_check_context(&params, &facts, &prev), BAD_WITNESS_NONCE_SIZE);
    facts.commitment = COMMITMENT_MATCHES;
    ck_assert_int_eq(block_check_context(&params, &facts, &prev), BAD_BLK_WEIGHT);
    facts.weight--;
    ck_assert_int_eq(block_check_context(&params, &facts, &prev), VALID);
}
END_TEST

START_TEST(full_arena_is_as_a_block_that_does_not_parse)
{
    struct params params = regtest();
    struct block_facts facts;
    struct arena arena, full;
    struct block block;
    struct made made;

    made_init(&made, HEIGHT, 3);
    struct bytes raw = made_write(&made, &params);
    arena_init(&arena, 1 << 20);
    arena_init(&full, 64);
    ck_assert(block_parse(&block, raw, &arena, true));
    ck_assert_int_eq(block_check(&params, &block, &full, &facts), BLOCK_DECODE_FAILED);
    ck_assert_int_eq(block_check(&params, &block, &arena, &facts), VALID);
    arena_clear(&arena);
    arena_clear(&full);
    free((void *)raw.data);
}
END_TEST

START_TEST(subsidy_halves_and_ends)
{
    struct params params;
    struct block_facts facts = {.coinbase_sat = 2500000010};
    int64_t sum_sat = 0;

    params_init(&params, NETWORK_MAIN);
    ck_assert_int_eq(block_subsidy(&params, 0), 5000000000);
    ck_assert_int_eq(block_subsidy(&params, 209999), 5000000000);
    ck_assert_int_eq(block_subsidy(&params, 210000), 2500000000);
    ck_assert_int_eq(block_subsidy(&params, 33 * 210000 - 1), 1);
    ck_assert_int_eq(block_subsidy(&params, 33 * 210000), 0);
    ck_assert_int_eq(block_subsidy(&params, 64 * 210000), 0);
    ck_assert_int_eq(block_subsidy(&params, INT32_MAX), 0);
    for (int32_t height = 0; height < 64 * 210000; height += 1000)
        sum_sat += block_subsidy(&params, height) * 1000;
    ck_assert_int_eq(sum_sat, 2099999997690000);
    ck_assert_int_eq(block_check_reward(&params, &facts, 210000, 10), VALID);
    ck_assert_int_eq(block_check_reward(&params, &facts, 210000, 9), BAD_CB_AMOUNT);
    params_init(&params, NETWORK_REGTEST);
    ck_assert_int_eq(block_subsidy(&params, 149), 5000000000);
    ck_assert_int_eq(block_subsidy(&params, 150), 2500000000);
}
END_TEST

static struct block_hash hash_of(const char *hex)
{
    struct block_hash hash;

    ck_assert(hash_from_hex(hash.bytes, hex));
    return hash;
}

START_TEST(script_flags_by_height_and_their_exceptions)
{
    const uint32_t always = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_TAPROOT;
    const uint32_t strict = always | SCRIPT_VERIFY_DERSIG;
    const uint32_t cltv = strict | SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY;
    const uint32_t csv = cltv | SCRIPT_VERIFY_CHECKSEQUENCEVERIFY;
    static const struct block_hash other;
    struct params params;

    params_init(&params, NETWORK_MAIN);
    ck_assert_uint_eq(block_script_flags(&params, &other, 0), always);
    ck_assert_uint_eq(block_script_flags(&params, &other, 363724), always);
    ck_assert_uint_eq(block_script_flags(&params, &other, 363725), strict);
    ck_assert_uint_eq(block_script_flags(&params, &other, 388380), strict);
    ck_assert_uint_eq(block_script_flags(&params, &other, 388381), cltv);
    ck_assert_uint_eq(block_script_flags(&params, &other, 419327), cltv);
    ck_assert_uint_eq(block_script_flags(&params, &other, 419328), csv);
    ck_assert_uint_eq(block_script_flags(&params, &other, 481823), csv);
    ck_assert_uint_eq(block_script_flags(&params, &other, 481824), csv | SCRIPT_VERIFY_NULLDUMMY);
    ck_assert(!block_has_csv(&params, 419327) && block_has_csv(&params, 419328));

    struct block_hash bip16 =
        hash_of("00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22");
    struct block_hash taproot =
        hash_of("0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad");
    ck_assert_uint_eq(block_script_flags(&params, &bip16, 170060), 0);
    ck_assert_uint_eq(block_script_flags(&params, &taproot, 692261),
                      (csv | SCRIPT_VERIFY_NULLDUMMY) & ~(uint32_t)SCRIPT_VERIFY_TAPROOT);
    params_init(&params, NETWORK_TEST);
    ck_assert_uint_eq(block_script_flags(&params, &bip16, 170060), always);
    bip16 = hash_of("00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105");
    ck_assert_uint_eq(block_script_flags(&params, &bip16, 500), 0);
    params_init(&params, NETWORK_REGTEST);
    ck_assert_uint_eq(block_script_flags(&params, &other, 0), always | SCRIPT_VERIFY_NULLDUMMY);
    ck_assert_uint_eq(block_script_flags(&params, &other, 1), csv | SCRIPT_VERIFY_NULLDUMMY);
}
END_TEST

/* A chain with any hashes; node i is at height i. */
static struct header_node *chain_of(struct header_node *nodes, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        nodes[i].height = i;
        nodes[i].prev = i == 0 ? NULL : &nodes[i - 1];
        nodes[i].skip = i == 0 ? &nodes[0] : &nodes[i - 1];
    }
    return &nodes[count - 1];
}

START_TEST(bip30_holds_unless_the_known_bip34_block_is_before)
{
    static struct header_node nodes[103];
    struct params params;

    params_init(&params, NETWORK_MAIN);
    params.bip34_height = 100;
    chain_of(nodes, 103);
    ck_assert(block_enforces_bip30(&params, &nodes[101])); /* another chain's */
    nodes[100].hash = params.bip34_hash;
    ck_assert(block_enforces_bip30(&params, &nodes[99]));
    ck_assert(block_enforces_bip30(&params, &nodes[100])); /* its parent's ancestors count */
    ck_assert(!block_enforces_bip30(&params, &nodes[101]));
    ck_assert(!block_enforces_bip30(&params, &nodes[102]));
    params.has_bip34_hash = false;
    ck_assert(block_enforces_bip30(&params, &nodes[102]));
    params.has_bip34_hash = true;
    nodes[102].height = 1983701;
    ck_assert(!block_enforces_bip30(&params, &nodes[102]));
    nodes[102].height = 1983702;
    ck_assert(block_enforces_bip30(&params, &nodes[102]));
}
END_TEST

static bool is_repeat(const struct params *params, const struct block_hash *hash, int32_t height)
{
    struct header_node node = {.hash = *hash, .height = height};

    return block_is_bip30_repeat(params, &node);
}

START_TEST(two_blocks_repeat_a_coinbase)
{
    struct block_hash first =
        hash_of("00000000000a4d0a398161ffc163c503763b1f4360639393e0e4c8e300e0caec");
    struct block_hash second =
        hash_of("00000000000743f190a18c5577a3c2d2a1f610ae9601ac046a38084ccb7cd721");
    struct params params;
    struct header_node parent = {.height = 91841}, node = {.hash = first, .height = 91842};

    params_init(&params, NETWORK_TEST);
    ck_assert(!is_repeat(&params, &first, 91842));
    params_init(&params, NETWORK_MAIN);
    ck_assert(is_repeat(&params, &first, 91842));
    ck_assert(is_repeat(&params, &second, 91880));
    ck_assert(!is_repeat(&params, &first, 91880));
    ck_assert(!is_repeat(&params, &second, 91842));
    ck_assert(!is_repeat(&params, &first, 91812));
    parent.skip = &parent;
    node.prev = &parent;
    ck_assert(!block_enforces_bip30(&params, &node));
    node.hash = second;
    ck_assert(block_enforces_bip30(&params, &node));
}
END_TEST

static struct header_node *grow_tree(struct header_tree *tree, const struct params *params,
                                     struct header_node *prev, int32_t count, uint32_t mark)
{
    for (int32_t i = 0; i < count; i++) {
        struct header header = {.time = prev->time + 600, .bits = params->pow_limit_bits};
        struct block_hash hash = {{0}};

        le32_write(hash.bytes, (uint32_t)prev->height + 1);
        le32_write(hash.bytes + 4, mark);
        prev = header_tree_insert(tree, params, prev, &header, &hash);
    }
    return prev;
}

START_TEST(assumevalid_spares_only_buried_ancestors_on_the_best_chain)
{
    struct params params = regtest();
    struct header_tree *tree = header_tree_new(&params, (struct siphash_key){1, 1});
    struct header_node *genesis = header_tree_at(tree, 0);
    struct header_node *assumed = grow_tree(tree, &params, genesis, 1000, 1);
    struct header_node *fork = grow_tree(tree, &params, header_ancestor(assumed, 500), 10, 2);
    struct header_node *node = header_ancestor(assumed, 800);

    ck_assert_str_eq(block_needs_scripts(&params, tree, node), "assumevalid=0 (always verify)");
    params.has_assumed_valid = true;
    params.assumed_valid.bytes[0] = 0xff;
    ck_assert_str_eq(block_needs_scripts(&params, tree, node), "assumevalid hash not in headers");
    params.assumed_valid = assumed->hash;
    ck_assert_str_eq(block_needs_scripts(&params, tree, fork), "block not in assumevalid chain");
    /* Two weeks of work are 2016 blocks; more than that is wanted. */
    ck_assert_str_eq(block_needs_scripts(&params, tree, node),
                     "block too recent relative to best header");
    struct header_node *best = grow_tree(tree, &params, assumed, 800 + 2016 - 1000, 3);
    ck_assert_str_eq(block_needs_scripts(&params, tree, node),
                     "block too recent relative to best header");
    best = grow_tree(tree, &params, best, 1, 3);
    ck_assert_ptr_null(block_needs_scripts(&params, tree, node));
    ck_assert_ptr_nonnull(block_needs_scripts(&params, tree, header_ancestor(assumed, 801)));
    best = grow_tree(tree, &params, best, 300, 3);
    ck_assert_ptr_null(block_needs_scripts(&params, tree, assumed));
    ck_assert_str_eq(block_needs_scripts(&params, tree, header_ancestor(best, 1001)),
                     "block height above assumevalid height");
    params.minimum_chain_work = best->chainwork;
    ck_assert_ptr_null(block_needs_scripts(&params, tree, node));
    params.minimum_chain_work.limbs[0]++;
    ck_assert_str_eq(block_needs_scripts(&params, tree, node),
                     "best header chainwork below minimumchainwork");
    /* The best header is elsewhere once the assumed chain is not best. */
    grow_tree(tree, &params, fork, 4000, 4);
    params.minimum_chain_work = u256_of(0);
    ck_assert_str_eq(block_needs_scripts(&params, tree, node), "block not in best header chain");
    ck_assert_ptr_null(block_needs_scripts(&params, tree, header_ancestor(assumed, 500)));
    header_tree_free(tree);
}
END_TEST

START_TEST(synced_tip_has_the_work_and_is_of_today)
{
    struct params params = regtest();
    struct header_node tip = {.time = 1000000, .chainwork = u256_of(10)};

    params.minimum_chain_work = u256_of(10);
    ck_assert(chain_is_synced(&params, &tip, 1000000 + 86399));
    ck_assert(!chain_is_synced(&params, &tip, 1000000 + 86400));
    ck_assert(chain_is_synced(&params, &tip, 900000)); /* a tip of the near future */
    params.minimum_chain_work = u256_of(11);
    ck_assert(!chain_is_synced(&params, &tip, 1000000));
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "block_rules", genesis_blocks_pass, proof_of_work_comes_first,
        doubled_transactions_with_the_same_root_are_a_mutation, block_needs_transactions,
        stripped_block_has_at_most_a_million_bytes, first_transaction_and_no_other_is_a_coinbase,
        without_coinbase_a_transaction_of_64_bytes_is_a_mutation, every_transaction_is_checked,
        legacy_sigops_of_a_block_are_at_most_20000, lock_times_are_below_height_and_median_time,
        coinbase_begins_with_its_height, witnesses_match_their_commitment,
        before_segwit_commitments_mean_nothing, last_commitment_counts_and_may_be_followed,
        weight_is_at_most_four_million, context_errors_come_in_the_order_of_the_reference,
        full_arena_is_as_a_block_that_does_not_parse, subsidy_halves_and_ends,
        script_flags_by_height_and_their_exceptions,
        bip30_holds_unless_the_known_bip34_block_is_before, two_blocks_repeat_a_coinbase,
        assumevalid_spares_only_buried_ancestors_on_the_best_chain,
        synced_tip_has_the_work_and_is_of_today);
}
