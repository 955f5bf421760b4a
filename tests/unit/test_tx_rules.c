#include "base/random.h"
#include "chain/tx_rules.h"
#include "codec/opcode.h"
#include "script/flags.h"
#include "shared_files.h"

#define INPUTS 3

/* A good transaction of three inputs and two outputs, to be spoilt in one place. */
struct sample {
    struct tx tx;
    struct tx_input inputs[INPUTS];
    struct tx_output outputs[2], prevouts[INPUTS];
    struct coin_origin origins[INPUTS];
    const struct outpoint *scratch[INPUTS];
};

static void sample_init(struct sample *s)
{
    memset(s, 0, sizeof *s);
    s->tx = (struct tx){.version = 2,
                        .input_count = INPUTS,
                        .output_count = 2,
                        .inputs = s->inputs,
                        .outputs = s->outputs,
                        .stripped_size = 200};
    for (uint32_t i = 0; i < INPUTS; i++) {
        s->inputs[i].prevout.txid.bytes[31] = 7;
        s->inputs[i].prevout.vout = i;
        s->inputs[i].sequence = SEQUENCE_FINAL;
        s->prevouts[i].amount_sat = 1000;
        s->origins[i].height = 50;
    }
    s->outputs[0].amount_sat = 1500;
    s->outputs[1].amount_sat = 1400;
}

static enum verdict check(struct sample *s)
{
    return tx_check(&s->tx, s->scratch);
}

START_TEST(empty_and_oversized_are_refused)
{
    struct sample s;

    sample_init(&s);
    ck_assert_int_eq(check(&s), VALID);
    s.tx.input_count = 0;
    ck_assert_int_eq(check(&s), BAD_TXNS_VIN_EMPTY);
    s.tx.output_count = 0;
    ck_assert_int_eq(check(&s), BAD_TXNS_VIN_EMPTY);
    s.tx.input_count = INPUTS;
    ck_assert_int_eq(check(&s), BAD_TXNS_VOUT_EMPTY);
    s.tx.output_count = 2;
    s.tx.stripped_size = 1000000;
    ck_assert_int_eq(check(&s), VALID);
    s.tx.stripped_size = 1000001;
    ck_assert_int_eq(check(&s), BAD_TXNS_OVERSIZE);
    s.outputs[0].amount_sat = -1;
    ck_assert_int_eq(check(&s), BAD_TXNS_OVERSIZE);
}
END_TEST

START_TEST(amounts_stay_within_all_money)
{
    struct sample s;

    sample_init(&s);
    s.outputs[0].amount_sat = 0;
    s.outputs[1].amount_sat = MONEY_MAX;
    ck_assert_int_eq(check(&s), VALID);
    s.outputs[1].amount_sat = MONEY_MAX + 1;
    ck_assert_int_eq(check(&s), BAD_TXNS_VOUT_TOOLARGE);
    s.outputs[1].amount_sat = INT64_MAX;
    ck_assert_int_eq(check(&s), BAD_TXNS_VOUT_TOOLARGE);
    s.outputs[0].amount_sat = 1;
    s.outputs[1].amount_sat = MONEY_MAX;
    ck_assert_int_eq(check(&s), BAD_TXNS_TXOUTTOTAL_TOOLARGE);
    s.outputs[1].amount_sat = MONEY_MAX - 1;
    ck_assert_int_eq(check(&s), VALID);
    s.outputs[1].amount_sat = -1;
    ck_assert_int_eq(check(&s), BAD_TXNS_VOUT_NEGATIVE);
    s.outputs[1].amount_sat = INT64_MIN;
    ck_assert_int_eq(check(&s), BAD_TXNS_VOUT_NEGATIVE);
}
END_TEST

START_TEST(an_outpoint_is_spent_once)
{
    struct sample s;

    sample_init(&s);
    s.inputs[2].prevout.vout = 0;
    ck_assert_int_eq(check(&s), BAD_TXNS_INPUTS_DUPLICATE);
    s.inputs[2].prevout.txid.bytes[0] = 1;
    ck_assert_int_eq(check(&s), VALID);
    /* The null prevout twice is a duplicate first. */
    memset(&s.inputs[0].prevout, 0, sizeof s.inputs[0].prevout);
    s.inputs[0].prevout.vout = UINT32_MAX;
    ck_assert_int_eq(check(&s), BAD_TXNS_PREVOUT_NULL);
    s.inputs[1].prevout = s.inputs[0].prevout;
    ck_assert_int_eq(check(&s), BAD_TXNS_INPUTS_DUPLICATE);
}
END_TEST

START_TEST(one_pair_among_thousands_of_inputs_is_found)
{
    enum { COUNT = 24000 };
    struct tx_input *inputs = xcalloc(COUNT, sizeof *inputs);
    const struct outpoint **scratch = xcalloc(COUNT, sizeof *scratch);
    struct tx_output output = {.amount_sat = 1};
    struct tx tx = {.input_count = COUNT,
                    .output_count = 1,
                    .inputs = inputs,
                    .outputs = &output,
                    .stripped_size = 990000};
    struct prng prng;

    prng_init(&prng, 1);
    for (uint32_t i = 0; i < COUNT; i++) /* they differ in the last bytes only */
        inputs[i].prevout.vout = i * 7;
    ck_assert_int_eq(tx_check(&tx, scratch), VALID);
    for (int round = 0; round < 5; round++) {
        uint64_t a = prng_below(&prng, COUNT), b = (a + 1 + prng_below(&prng, COUNT - 1)) % COUNT;
        struct outpoint kept = inputs[a].prevout;

        inputs[a].prevout = inputs[b].prevout;
        ck_assert_int_eq(tx_check(&tx, scratch), BAD_TXNS_INPUTS_DUPLICATE);
        inputs[a].prevout = kept;
    }
    free(inputs);
    free(scratch);
}
END_TEST

/* Around the number up to which each is compared with each. Two that differ in any one byte only
 * are no pair. */
START_TEST(every_pair_of_equal_inputs_is_found)
{
    enum { COUNT = 36 };
    struct tx_input inputs[COUNT] = {0};
    const struct outpoint *scratch[COUNT];
    struct tx_output output = {.amount_sat = 1};
    struct tx tx = {.output_count = 1, .inputs = inputs, .outputs = &output, .stripped_size = 9000};
    struct prng prng;

    prng_init(&prng, 2);
    for (uint32_t i = 0; i < COUNT; i++)
        prng_fill(&prng, (uint8_t *)&inputs[i].prevout, sizeof inputs[i].prevout);
    for (uint32_t count = 2; count <= COUNT; count++) {
        tx.input_count = count;
        ck_assert_int_eq(tx_check(&tx, scratch), VALID);
        for (uint32_t b = 1; b < count; b++) {
            for (uint32_t a = 0; a < b; a++) {
                struct outpoint kept = inputs[b].prevout;
                uint8_t *byte = (uint8_t *)&inputs[b].prevout + (a + b) % sizeof kept;

                inputs[b].prevout = inputs[a].prevout;
                ck_assert_int_eq(tx_check(&tx, scratch), BAD_TXNS_INPUTS_DUPLICATE);
                *byte ^= (uint8_t)(1 << b % 8);
                ck_assert_int_eq(tx_check(&tx, scratch), VALID);
                inputs[b].prevout = kept;
            }
        }
    }
}
END_TEST

START_TEST(coinbase_script_has_2_to_100_bytes)
{
    static const uint8_t script[101];
    struct sample s;

    sample_init(&s);
    s.tx.input_count = 1;
    memset(&s.inputs[0].prevout, 0, sizeof s.inputs[0].prevout);
    s.inputs[0].prevout.vout = UINT32_MAX;
    for (size_t size = 0; size <= sizeof script; size++) {
        s.inputs[0].script_sig = (struct bytes){script, size};
        ck_assert_int_eq(check(&s), size < 2 || size > 100 ? BAD_CB_LENGTH : VALID);
    }
    s.inputs[0].prevout.vout = 0; /* then it is an input like others */
    ck_assert_int_eq(check(&s), VALID);
}
END_TEST

START_TEST(fee_is_inputs_less_outputs)
{
    struct sample s;
    int64_t fee_sat = -1;

    sample_init(&s);
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat), VALID);
    ck_assert_int_eq(fee_sat, 100);
    s.outputs[0].amount_sat = 1600;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat), VALID);
    ck_assert_int_eq(fee_sat, 0);
    s.outputs[0].amount_sat = 1601;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat),
                     BAD_TXNS_IN_BELOWOUT);
}
END_TEST

START_TEST(input_sums_stay_within_all_money)
{
    struct sample s;
    int64_t fee_sat;

    sample_init(&s);
    s.prevouts[0].amount_sat = MONEY_MAX - 2000;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat), VALID);
    s.prevouts[0].amount_sat++;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat),
                     BAD_TXNS_INPUTVALUES_OUTOFRANGE);
    s.prevouts[0].amount_sat = INT64_MAX;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat),
                     BAD_TXNS_INPUTVALUES_OUTOFRANGE);
    s.prevouts[0].amount_sat = -1;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 60, &fee_sat),
                     BAD_TXNS_INPUTVALUES_OUTOFRANGE);
}
END_TEST

START_TEST(coinbase_spent_at_depth_99_is_refused)
{
    struct sample s;
    int64_t fee_sat;

    sample_init(&s);
    s.origins[1].is_coinbase = true;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 149, &fee_sat),
                     BAD_TXNS_PREMATURE_SPEND_OF_COINBASE);
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 150, &fee_sat), VALID);
    /* The inputs are judged in their order. */
    s.prevouts[0].amount_sat = -1;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 149, &fee_sat),
                     BAD_TXNS_INPUTVALUES_OUTOFRANGE);
    s.prevouts[0].amount_sat = 1000;
    s.prevouts[2].amount_sat = -1;
    ck_assert_int_eq(tx_check_inputs(&s.tx, s.prevouts, s.origins, 149, &fee_sat),
                     BAD_TXNS_PREMATURE_SPEND_OF_COINBASE);
}
END_TEST

START_TEST(lock_time_is_below_height_or_time)
{
    struct sample s;

    sample_init(&s);
    s.tx.lock_time = 100;
    ck_assert(tx_is_final(&s.tx, 0, 0)); /* all sequences are final */
    s.inputs[2].sequence = SEQUENCE_FINAL - 1;
    ck_assert(tx_lock_time_counts(&s.tx));
    ck_assert(!tx_is_final(&s.tx, 100, 2000000000));
    ck_assert(tx_is_final(&s.tx, 101, 0));
    s.tx.lock_time = LOCKTIME_THRESHOLD - 1;
    ck_assert(!tx_is_final(&s.tx, 499999999, 2000000000));
    ck_assert(tx_is_final(&s.tx, 500000000, 0));
    s.tx.lock_time = LOCKTIME_THRESHOLD;
    ck_assert(!tx_is_final(&s.tx, 2000000000, 500000000));
    ck_assert(tx_is_final(&s.tx, 0, 500000001));
    s.tx.lock_time = UINT32_MAX;
    ck_assert(!tx_is_final(&s.tx, INT32_MAX, UINT32_MAX));
    s.tx.lock_time = 0;
    ck_assert(tx_is_final(&s.tx, 0, 0));
}
END_TEST

START_TEST(relative_locks_hold_for_blocks_and_512_seconds)
{
    const uint32_t time_bit = 1u << 22, off_bit = 1u << 31;
    struct sample s;

    sample_init(&s);
    s.inputs[1].sequence = 10;
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 59, 0));
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 60, 0));
    s.inputs[1].sequence = 10 | (0x7fff0000 & ~time_bit); /* bits without meaning */
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 59, 0));
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 60, 0));
    s.inputs[1].sequence = 0;
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 50, 0));
    s.inputs[1].sequence = 10 | off_bit;
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 51, 0));

    s.inputs[1].sequence = 3 | time_bit;
    s.origins[1].time = 1400000000;
    ck_assert(tx_input_needs_coin_time(&s.tx, &s.inputs[1]));
    ck_assert(!tx_input_needs_coin_time(&s.tx, &s.inputs[0]));
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 1000, 1400000000 + 3 * 512 - 1));
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 1000, 1400000000 + 3 * 512));
    s.origins[1].time = UINT32_MAX; /* no wrap */
    s.inputs[1].sequence = 0xffff | time_bit;
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 1000, UINT32_MAX));

    s.tx.version = 1;
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 51, 0));
    ck_assert(!tx_input_needs_coin_time(&s.tx, &s.inputs[1]));
    s.tx.version = UINT32_MAX; /* versions are not signed here */
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 51, 0));
}
END_TEST

START_TEST(every_input_must_pass_its_relative_lock)
{
    struct sample s;

    sample_init(&s);
    for (uint32_t i = 0; i < INPUTS; i++)
        s.inputs[i].sequence = 10 + i;
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 61, 0));
    ck_assert(tx_sequence_locks_pass(&s.tx, s.origins, 62, 0));
    s.origins[0].height = 53;
    ck_assert(!tx_sequence_locks_pass(&s.tx, s.origins, 62, 0));
}
END_TEST

START_TEST(sigop_cost_counts_legacy_p2sh_and_witness)
{
    static const uint8_t checksigs[3] = {OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_CHECKMULTISIG};
    static const uint8_t p2sh[23] = {OP_HASH160, 20, [22] = OP_EQUAL};
    static const uint8_t redeem[] = {3, OP_1, OP_2, OP_CHECKMULTISIG}; /* a push of a script */
    static const uint8_t p2wpkh[22] = {OP_0, 20};
    const uint32_t flags = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS;
    struct sample s;

    sample_init(&s);
    s.outputs[0].script_pubkey = (struct bytes){checksigs, sizeof checksigs};
    ck_assert_uint_eq(tx_sigop_cost(&s.tx, NULL, flags), 4 * 22);
    s.prevouts[0].script_pubkey = (struct bytes){p2sh, sizeof p2sh};
    s.inputs[0].script_sig = (struct bytes){redeem, sizeof redeem};
    ck_assert_uint_eq(tx_sigop_cost(&s.tx, s.prevouts, 0), 4 * 22);
    ck_assert_uint_eq(tx_sigop_cost(&s.tx, s.prevouts, flags), 4 * 22 + 4 * 2);
    s.prevouts[1].script_pubkey = (struct bytes){p2wpkh, sizeof p2wpkh};
    ck_assert_uint_eq(tx_sigop_cost(&s.tx, s.prevouts, flags), 4 * 22 + 4 * 2 + 1);
    ck_assert_uint_eq(tx_sigop_cost(&s.tx, s.prevouts, SCRIPT_VERIFY_P2SH), 4 * 22 + 4 * 2);
}
END_TEST

START_TEST(verdicts_print_as_the_reference_does)
{
    char text[VERDICT_FORMAT_SIZE];

    verdict_format(text, BAD_VERSION, 1, NULL);
    ck_assert_str_eq(text, "bad-version(0x00000001)");
    verdict_format(text, BAD_VERSION, -2, NULL);
    ck_assert_str_eq(text, "bad-version(0xfffffffe)");
    verdict_format(text, BLOCK_SCRIPT_VERIFY_FLAG_FAILED, 0, "Script is too big");
    ck_assert_str_eq(text, "block-script-verify-flag-failed (Script is too big)");
    verdict_format(text, BAD_BLK_SIGOPS_COST, 0, NULL);
    ck_assert_str_eq(text, "bad-blk-sigops");
    ck_assert(verdict_marks(BAD_BLK_SIGOPS_COST) && !verdict_marks(BAD_BLK_SIGOPS));
    for (int v = 0; v < VERDICT_COUNT; v++) {
        ck_assert(strlen(verdict_text((enum verdict)v)) > 0);
        ck_assert_int_eq(verdict_class((enum verdict)v) == VERDICT_OK, v == VALID);
    }
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "tx_rules", empty_and_oversized_are_refused, amounts_stay_within_all_money,
        an_outpoint_is_spent_once, one_pair_among_thousands_of_inputs_is_found,
        every_pair_of_equal_inputs_is_found, coinbase_script_has_2_to_100_bytes,
        fee_is_inputs_less_outputs, input_sums_stay_within_all_money,
        coinbase_spent_at_depth_99_is_refused, lock_time_is_below_height_or_time,
        relative_locks_hold_for_blocks_and_512_seconds, every_input_must_pass_its_relative_lock,
        sigop_cost_counts_legacy_p2sh_and_witness, verdicts_print_as_the_reference_does);
}
