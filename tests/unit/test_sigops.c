/* Counting signature operations, and the forms of scripts that rules know by sight. */
#include "script/classify.h"
#include "script/sigops.h"
#include "shared_files.h"
#include "spend.h"

static uint32_t count(const char *text, bool accurate)
{
    struct bytes script = asm_take(text);
    uint32_t sigops = script_sigops(script, accurate);

    free((void *)script.data);
    return sigops;
}

START_TEST(sigops_of_a_script)
{
    static const struct {
        const char *script;
        uint32_t rough, accurate;
    } rows[] = {
        {"", 0, 0},
        {"CHECKSIG CHECKSIGVERIFY", 2, 2},
        {"0 IF CHECKSIG ENDIF", 1, 1}, /* executed or not */
        {"1 CHECKMULTISIG", 20, 1},
        {"16 CHECKMULTISIGVERIFY", 20, 16},
        {"0 CHECKMULTISIG", 20, 20},
        {"0x0103 CHECKMULTISIG", 20, 20}, /* a number, but not by OP_3 */
        {"3 NOP CHECKMULTISIG", 20, 20},
        {"CHECKMULTISIG", 20, 20},
        {"CHECKSIGADD", 0, 0},
        {"0x01ac", 0, 0},
        {"CHECKSIG 0x02ac", 1, 1}, /* up to the push that is cut short */
        {"CHECKSIG 0x4c", 1, 1},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        ck_assert_uint_eq(count(rows[i].script, false), rows[i].rough);
        ck_assert_uint_eq(count(rows[i].script, true), rows[i].accurate);
    }
}
END_TEST

START_TEST(sigops_of_p2sh)
{
    struct bytes redeem = asm_take("1 2 2 CHECKMULTISIG");
    static const struct {
        const char *script_sig;
        bool adds_redeem;
        uint32_t expected;
    } rows[] = {
        {"0 0 0", true, 2},   {"RESERVED", true, 2}, /* counts as a push */
        {"NOP", true, 0},                            /* more than pushes */
        {"", false, 0},       {"5", false, 0},       /* what OP_5 pushes is not looked at */
        {"0x02ff", false, 0},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct spend spend = spend_new();

        asm_script(&spend.script_sig, rows[i].script_sig);
        if (rows[i].adds_redeem)
            asm_push(&spend.script_sig, redeem.data, redeem.size);
        spend_pay_p2sh(&spend, redeem);

        struct bytes script_sig = build_view(&spend.script_sig);
        struct bytes script_pubkey = build_view(&spend.script_pubkey);
        struct tx_input input = {.script_sig = script_sig};

        ck_assert_uint_eq(script_p2sh_sigops(script_sig, script_pubkey), rows[i].expected);
        ck_assert_uint_eq(input_sigop_cost(&input, script_pubkey, SCRIPT_VERIFY_P2SH),
                          4 * rows[i].expected);
        ck_assert_uint_eq(input_sigop_cost(&input, script_pubkey, 0), 0);
        script_pubkey.size--;
        ck_assert_uint_eq(script_p2sh_sigops(script_sig, script_pubkey), 0);
        spend_clear(&spend);
    }
    free((void *)redeem.data);
}
END_TEST

START_TEST(sigops_of_witnesses)
{
    struct bytes script = asm_take("CHECKSIG 3 CHECKMULTISIG");
    struct spend inner = spend_new(), outer = spend_new();
    const uint32_t flags = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS;

    spend_pay_v0(&inner, script);
    spend_add_witness(&inner, "x", 1);
    ck_assert_uint_eq(inner.script_pubkey.size, 34);

    struct bytes program = build_view(&inner.script_pubkey);
    struct tx_input input = {0};

    ck_assert_uint_eq(script_witness_sigops(&input, program), 0); /* no witness */
    spend_add_witness(&inner, script.data, script.size);
    input.witness = build_view(&inner.witness);
    input.witness_count = 2;
    ck_assert_uint_eq(script_witness_sigops(&input, program), 4);
    ck_assert_uint_eq(input_sigop_cost(&input, program, flags), 4);
    ck_assert_uint_eq(input_sigop_cost(&input, program, SCRIPT_VERIFY_P2SH), 0);
    /* In P2SH: the redeem script itself has none. */
    spend_pay_p2sh(&outer, program);
    asm_push(&outer.script_sig, program.data, program.size);
    input.script_sig = build_view(&outer.script_sig);
    ck_assert_uint_eq(script_witness_sigops(&input, build_view(&outer.script_pubkey)), 4);
    ck_assert_uint_eq(input_sigop_cost(&input, build_view(&outer.script_pubkey), flags), 4);
    /* Later versions count nothing, a key hash one. */
    inner.script_pubkey.data[0] = OP_1;
    ck_assert_uint_eq(script_witness_sigops(&input, program), 0);
    struct bytes key_hash = {(const uint8_t *)"\0\x14"
                                              "01234567890123456789",
                             22};

    ck_assert_uint_eq(script_witness_sigops(&input, key_hash), 1);
    spend_clear(&inner);
    spend_clear(&outer);
    free((void *)script.data);
}
END_TEST

START_TEST(legacy_sigops_of_a_transaction)
{
    struct spend spend = spend_new();
    struct arena arena;
    struct tx tx;

    asm_script(&spend.script_sig, "2 CHECKMULTISIG CHECKSIG");
    arena_init(&arena, 1 << 20);
    spend_tx(&spend, &tx, &arena);
    ck_assert_uint_eq(tx_legacy_sigops(&tx), 21);
    tx.outputs[0].script_pubkey = (struct bytes){(const uint8_t *)"\xac\xac", 2};
    ck_assert_uint_eq(tx_legacy_sigops(&tx), 23);
    free((void *)tx.raw.data);
    arena_clear(&arena);
    spend_clear(&spend);
}
END_TEST

static bool is(bool (*check)(struct bytes), const char *text)
{
    struct bytes script = asm_take(text);
    bool result = check(script);

    free((void *)script.data);
    return result;
}

START_TEST(forms_of_scripts)
{
    uint8_t large[10001] = {OP_1};

    ck_assert(is(script_is_push_only, "0 1 16 -1 RESERVED 0x4c0105"));
    ck_assert(!is(script_is_push_only, "0 NOP"));
    ck_assert(!is(script_is_push_only, "0 0x02aa"));
    ck_assert(is(script_is_push_only, ""));
    ck_assert(is(script_is_unspendable, "RETURN"));
    ck_assert(!is(script_is_unspendable, ""));
    ck_assert(!is(script_is_unspendable, "0 RETURN"));
    ck_assert(!script_is_unspendable((struct bytes){large, 10000}));
    ck_assert(script_is_unspendable((struct bytes){large, 10001}));
    ck_assert(is(script_is_p2sh, "HASH160 '01234567890123456789' EQUAL"));
    ck_assert(!is(script_is_p2sh, "HASH160 '01234567890123456789' EQUALVERIFY"));
    ck_assert(
        !is(script_is_p2sh, "HASH160 0x4c14 0x3031323334353637383930313233343536373839 EQUAL"));
    ck_assert(!is(script_is_p2sh, ""));
}
END_TEST

START_TEST(witness_programs_by_sight)
{
    for (int first = 0; first < 256; first++)
        for (size_t size = 0; size < 45; size++) {
            uint8_t script[45] = {(uint8_t)first, size < 2 ? 0 : (uint8_t)(size - 2)};
            struct bytes program;
            int version;
            bool is_version = first == 0 || (first >= 0x51 && first <= 0x60);
            bool expected = is_version && size >= 4 && size <= 42;

            ck_assert_int_eq(
                script_is_witness_program((struct bytes){script, size}, &version, &program),
                expected);
            if (expected) {
                ck_assert_int_eq(version, first == 0 ? 0 : first - 0x50);
                ck_assert_uint_eq(program.size, size - 2);
                ck_assert_ptr_eq(program.data, script + 2);
            }
            script[1]++;
            ck_assert(!script_is_witness_program((struct bytes){script, size}, &version, &program));
        }
}
END_TEST

/* As the rule says it, opcode by opcode. */
static uint32_t plain_sigops(struct bytes script)
{
    struct cursor c = cursor_of(script);
    struct script_op op;
    uint32_t sigops = 0;

    while (cursor_left(&c) > 0 && script_op_read(&op, &c)) {
        sigops += op.opcode == OP_CHECKSIG || op.opcode == OP_CHECKSIGVERIFY;
        if (op.opcode == OP_CHECKMULTISIG || op.opcode == OP_CHECKMULTISIGVERIFY)
            sigops += 20;
    }
    return sigops;
}

START_TEST(scripts_known_by_sight_count_as_any_other)
{
    static const uint8_t forms[][3] = {/* size, first two bytes */
                                       {25, OP_DUP, OP_HASH160}, {23, OP_HASH160, 20},
                                       {22, OP_0, 20},           {34, OP_0, 32},
                                       {34, OP_1, 32},           {22, OP_1, 20}};
    uint32_t with_sigops = 0;

    for (size_t f = 0; f < ARRAY_COUNT(forms); f++) {
        for (uint32_t at = 0; at <= forms[f][0]; at++) { /* one byte changed to anything, or none */
            for (uint32_t value = 0; value < 256; value++) {
                uint8_t script[36];
                size_t size = forms[f][0];

                memset(script, OP_CHECKSIG, sizeof script); /* counts wherever it is no push's */
                memcpy(script, forms[f] + 1, 2);
                if (size == 25) {
                    script[2] = 20;
                    script[23] = OP_EQUALVERIFY;
                } else if (size == 23) {
                    script[22] = OP_EQUAL;
                }
                if (at < size)
                    script[at] = (uint8_t)value;
                else
                    size = value % 36; /* or another size */
                uint32_t expected = plain_sigops((struct bytes){script, size});
                ck_assert_uint_eq(script_sigops((struct bytes){script, size}, false), expected);
                with_sigops += expected > 1;
            }
        }
    }
    ck_assert_uint_gt(with_sigops, 1000);
}
END_TEST

int main(void)
{
    return SUITE_RUN("sigops", sigops_of_a_script, sigops_of_p2sh, sigops_of_witnesses,
                     legacy_sigops_of_a_transaction, forms_of_scripts, witness_programs_by_sight,
                     scripts_known_by_sight_count_as_any_other);
}
