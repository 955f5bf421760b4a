/* The rules of scripts one by one, each with its last good and its first bad value. */
#include "shared_files.h"
#include "spend.h"

#define CONSENSUS SCRIPT_VERIFY_CONSENSUS

struct row {
    const char *script_sig, *script_pubkey, *flags, *expected;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct spend spend = spend_new();

        asm_script(&spend.script_sig, row->script_sig);
        asm_script(&spend.script_pubkey, row->script_pubkey);
        ck_assert_msg(strcmp(script_error_name(spend_verify(&spend, asm_flags(row->flags))),
                             row->expected) == 0,
                      "[%s] [%s] %s: %s, not %s", row->script_sig, row->script_pubkey, row->flags,
                      script_error_name(spend_verify(&spend, asm_flags(row->flags))),
                      row->expected);
        spend_clear(&spend);
    }
}

START_TEST(stack_operations)
{
    /* What is left on the stack is compared from the top with the numbers that follow. */
    static const struct row rows[] = {
        {"1 2", "OP_DUP 2 EQUALVERIFY 2 EQUALVERIFY 1 EQUAL", "", "OK"},
        {"", "OP_DUP", "", "INVALID_STACK_OPERATION"},
        {"1 2 3", "OP_3DUP 3 EQUALVERIFY 2 EQUALVERIFY 1 EQUALVERIFY 3 EQUAL", "", "OK"},
        {"1 2", "OP_3DUP", "", "INVALID_STACK_OPERATION"},
        {"1 2", "OP_2DUP 2 EQUALVERIFY 1 EQUALVERIFY 2 EQUAL", "", "OK"},
        {"1", "OP_2DUP", "", "INVALID_STACK_OPERATION"},
        {"1 2 3 4", "OP_2OVER 2 EQUALVERIFY 1 EQUALVERIFY 4 EQUAL", "", "OK"},
        {"1 2 3", "OP_2OVER", "", "INVALID_STACK_OPERATION"},
        {"1 2 3 4 5 6", "2ROT 2 EQUALVERIFY 1 EQUALVERIFY 6 EQUALVERIFY 5 EQUALVERIFY 4 EQUAL", "",
         "OK"},
        {"1 2 3 4 5", "2ROT", "", "INVALID_STACK_OPERATION"},
        {"1 2 3 4", "2SWAP 2 EQUALVERIFY 1 EQUALVERIFY 4 EQUALVERIFY 3 EQUAL", "", "OK"},
        {"1 2 3", "2SWAP", "", "INVALID_STACK_OPERATION"},
        {"1 2 3", "ROT 1 EQUALVERIFY 3 EQUALVERIFY 2 EQUAL", "", "OK"},
        {"1 2", "ROT", "", "INVALID_STACK_OPERATION"},
        {"1 2", "SWAP 1 EQUALVERIFY 2 EQUAL", "", "OK"},
        {"1", "SWAP", "", "INVALID_STACK_OPERATION"},
        {"1 2", "TUCK 2 EQUALVERIFY 1 EQUALVERIFY 2 EQUAL", "", "OK"},
        {"1", "TUCK", "", "INVALID_STACK_OPERATION"},
        {"1 2", "NIP DEPTH 1 EQUALVERIFY 2 EQUAL", "", "OK"},
        {"1", "NIP", "", "INVALID_STACK_OPERATION"},
        {"1 2", "OVER 1 EQUALVERIFY DEPTH 2 EQUAL", "", "OK"},
        {"1", "OVER", "", "INVALID_STACK_OPERATION"},
        {"7 8 9", "2 PICK 7 EQUALVERIFY DEPTH 3 EQUAL", "", "OK"},
        {"7 8 9", "3 PICK", "", "INVALID_STACK_OPERATION"},
        {"7 8 9", "-1 PICK", "", "INVALID_STACK_OPERATION"},
        {"7", "PICK", "", "INVALID_STACK_OPERATION"},
        {"7 8 9", "2 ROLL 7 EQUALVERIFY DEPTH 2 EQUAL", "", "OK"},
        {"7 8 9", "0 ROLL 9 EQUALVERIFY DEPTH 2 EQUAL", "", "OK"},
        {"7 8 9", "3 ROLL", "", "INVALID_STACK_OPERATION"},
        {"7 8", "0x050000000000 PICK", "", "SCRIPTNUM"},
        {"1", "IFDUP DEPTH 2 EQUAL", "", "OK"},
        {"0", "IFDUP DEPTH 1 EQUAL", "", "OK"},
        {"", "IFDUP", "", "INVALID_STACK_OPERATION"},
        {"1 2 3", "2DROP DEPTH 1 EQUAL", "", "OK"},
        {"1", "2DROP", "", "INVALID_STACK_OPERATION"},
        {"", "DROP", "", "INVALID_STACK_OPERATION"},
        {"1", "TOALTSTACK DEPTH 0 EQUALVERIFY FROMALTSTACK", "", "OK"},
        {"", "TOALTSTACK", "", "INVALID_STACK_OPERATION"},
        {"1", "FROMALTSTACK", "", "INVALID_ALTSTACK_OPERATION"},
        {"1 TOALTSTACK 1", "FROMALTSTACK", "", "INVALID_ALTSTACK_OPERATION"}, /* not shared */
        {"'abc'", "SIZE 3 EQUAL", "", "OK"},
        {"", "SIZE", "", "INVALID_STACK_OPERATION"},
        {"'abc'", "'abc' EQUAL", "", "OK"},
        {"'abc'", "'abd' EQUAL", "", "EVAL_FALSE"},
        {"'abc'", "'ab' EQUALVERIFY 1", "", "EQUALVERIFY"},
        {"1", "EQUAL", "", "INVALID_STACK_OPERATION"},
    };

    check_rows(rows, ARRAY_COUNT(rows));
}
END_TEST

START_TEST(numbers)
{
    static const struct row rows[] = {
        {"2147483647", "1ADD 0x050000008000 EQUAL", "", "OK"}, /* a result may have 5 bytes */
        {"2147483647", "1ADD 1ADD", "", "SCRIPTNUM"},          /* but an operand not */
        {"-2147483647", "1SUB 0x050000008080 EQUAL", "", "OK"},
        {"0", "1SUB -1 EQUAL", "", "OK"},
        {"-5", "NEGATE 5 EQUAL", "", "OK"},
        {"-5", "ABS 5 EQUAL", "", "OK"},
        {"0x0180", "NOT", "", "OK"}, /* negative zero */
        {"0x020080", "NOT", "", "OK"},
        {"5", "NOT", "", "EVAL_FALSE"},
        {"-5", "0NOTEQUAL 1 EQUAL", "", "OK"},
        {"0x020500", "1ADD 6 EQUAL", "", "OK"},
        {"0x020500", "1ADD 6 EQUAL", "MINIMALDATA", "SCRIPTNUM"},
        {"0x02ff00", "1ADD 256 EQUAL", "MINIMALDATA", "OK"},
        {"0x0180", "NOT", "MINIMALDATA", "SCRIPTNUM"},
        {"3 4", "ADD 7 EQUAL", "", "OK"},
        {"3 4", "SUB -1 EQUAL", "", "OK"},
        {"3 0", "BOOLAND", "", "EVAL_FALSE"},
        {"3 -1", "BOOLAND", "", "OK"},
        {"0 0", "BOOLOR", "", "EVAL_FALSE"},
        {"0 2", "BOOLOR", "", "OK"},
        {"0x020300 3", "NUMEQUAL", "", "OK"},
        {"2 3", "NUMEQUALVERIFY 1", "", "NUMEQUALVERIFY"},
        {"2 3", "NUMNOTEQUAL", "", "OK"},
        {"2 3", "LESSTHAN", "", "OK"},
        {"3 3", "LESSTHAN", "", "EVAL_FALSE"},
        {"3 2", "GREATERTHAN", "", "OK"},
        {"3 3", "GREATERTHAN", "", "EVAL_FALSE"},
        {"3 3", "LESSTHANOREQUAL", "", "OK"},
        {"4 3", "LESSTHANOREQUAL", "", "EVAL_FALSE"},
        {"3 3", "GREATERTHANOREQUAL", "", "OK"},
        {"2 3", "GREATERTHANOREQUAL", "", "EVAL_FALSE"},
        {"-1 3", "MIN -1 EQUAL", "", "OK"},
        {"-1 3", "MAX 3 EQUAL", "", "OK"},
        {"2 2 5", "WITHIN", "", "OK"},
        {"4 2 5", "WITHIN", "", "OK"},
        {"5 2 5", "WITHIN", "", "EVAL_FALSE"},
        {"1 2 5", "WITHIN", "", "EVAL_FALSE"},
        {"1 2", "WITHIN", "", "INVALID_STACK_OPERATION"},
        {"1", "ADD", "", "INVALID_STACK_OPERATION"},
        {"", "1ADD", "", "INVALID_STACK_OPERATION"},
        {"0x050000000000 1", "ADD", "", "SCRIPTNUM"},
        {"1 0x050000000000", "ADD", "", "SCRIPTNUM"},
        {"", "-1 0x0181 EQUAL", "", "OK"},
        {"", "16 0x0110 EQUAL", "", "OK"},
    };

    check_rows(rows, ARRAY_COUNT(rows));
}
END_TEST

START_TEST(control_flow)
{
    static const struct row rows[] = {
        {"1", "IF 1 ELSE 0 ENDIF", "", "OK"},
        {"0", "IF 1 ELSE 0 ENDIF", "", "EVAL_FALSE"},
        {"0", "NOTIF 1 ELSE 0 ENDIF", "", "OK"},
        {"0", "IF 0 ELSE 1 ELSE 0 ELSE ENDIF", "", "OK"}, /* each ELSE turns round */
        {"1 0", "IF IF 0 ELSE RETURN ENDIF ENDIF", "", "OK"},
        {"1 1", "IF IF 1 ELSE RETURN ENDIF ENDIF", "", "OK"},
        {"1 0", "IF RETURN ELSE IF 1 ELSE RETURN ENDIF ENDIF", "", "OK"},
        {"", "IF 1 ENDIF", "", "INVALID_STACK_OPERATION"},
        {"1", "IF 1", "", "UNBALANCED_CONDITIONAL"},
        {"1", "ENDIF", "", "UNBALANCED_CONDITIONAL"},
        {"1", "ELSE", "", "UNBALANCED_CONDITIONAL"},
        {"1 IF 1", "ENDIF", "", "UNBALANCED_CONDITIONAL"}, /* not across scripts */
        {"1", "VERIFY 1", "", "OK"},
        {"0", "VERIFY 1", "", "VERIFY"},
        {"0x0180", "VERIFY 1", "", "VERIFY"},
        {"1", "RETURN", "", "OP_RETURN"},
        {"1", "0 IF RETURN ENDIF", "", "OK"},
        {"1", "0 IF VERIF ENDIF", "", "BAD_OPCODE"}, /* bad even where it is not executed */
        {"1", "0 IF VERNOTIF ENDIF", "", "BAD_OPCODE"},
        {"1", "0 IF VER RESERVED RESERVED1 0xba 0xfe ENDIF", "", "OK"},
        {"1", "0 IF CAT ENDIF", "", "DISABLED_OPCODE"},
        {"1", "0 IF LSHIFT ENDIF", "", "DISABLED_OPCODE"},
        {"1", "VER", "", "BAD_OPCODE"},
        {"1", "RESERVED", "", "BAD_OPCODE"},
        {"1", "CHECKSIGADD", "", "BAD_OPCODE"},
        {"1", "0xbb", "", "BAD_OPCODE"},
        {"1", "NOP NOP1 NOP4 NOP10", "", "OK"},
        {"1", "NOP1", "DISCOURAGE_UPGRADABLE_NOPS", "DISCOURAGE_UPGRADABLE_NOPS"},
        {"1", "NOP10", "DISCOURAGE_UPGRADABLE_NOPS", "DISCOURAGE_UPGRADABLE_NOPS"},
        {"1", "0 IF NOP1 ENDIF NOP", "DISCOURAGE_UPGRADABLE_NOPS", "OK"},
        {"0", "", "", "EVAL_FALSE"},
        {"", "", "", "EVAL_FALSE"},
        {"NOP 1", "", "", "OK"},
        {"NOP 1", "", "SIGPUSHONLY", "SIG_PUSHONLY"},
        {"1 1", "", "", "OK"},
        {"1 1", "", "CLEANSTACK,WITNESS,P2SH", "CLEANSTACK"},
        {"1", "", "CLEANSTACK,WITNESS,P2SH", "OK"},
        {"1", "0x02 0x01", "", "BAD_OPCODE"}, /* a push cut short */
        {"1", "0x4c", "", "BAD_OPCODE"},
        {"1", "0x4d01", "", "BAD_OPCODE"},
        {"1", "0x4e010000", "", "BAD_OPCODE"},
        {"1", "0 IF 0x4effffffff ENDIF", "", "BAD_OPCODE"},
    };

    check_rows(rows, ARRAY_COUNT(rows));
}
END_TEST

START_TEST(pushes_that_are_longer_than_needed)
{
    static const struct row rows[] = {
        {"0x4c00", "NOT", "", "OK"},
        {"0x4c00", "NOT", "MINIMALDATA", "MINIMALDATA"},
        {"0x0101", "", "MINIMALDATA", "MINIMALDATA"},
        {"0x0110", "", "MINIMALDATA", "MINIMALDATA"},
        {"0x0111", "", "MINIMALDATA", "OK"},
        {"0x0181", "", "MINIMALDATA", "MINIMALDATA"},
        {"0x0180 1", "", "MINIMALDATA", "OK"},
        {"0x4c0111", "", "MINIMALDATA", "MINIMALDATA"},
        {"0x4d020011 0x11", "", "MINIMALDATA", "MINIMALDATA"},
        {"0 1", "IF 0x4c0111 ENDIF NOT", "MINIMALDATA", "MINIMALDATA"},
        {"0 0", "IF 0x4c0111 ENDIF NOT", "MINIMALDATA", "OK"},
    };
    struct spend spend = spend_new();

    check_rows(rows, ARRAY_COUNT(rows));
    /* 75 bytes need no OP_PUSHDATA1, 76 do; 255 no OP_PUSHDATA2, 256 do. */
    for (size_t size = 75; size <= 256; size += size == 76 ? 179 : 1) {
        build_byte(&spend.script_pubkey, size < 256 ? OP_PUSHDATA1 : OP_PUSHDATA2);
        build_byte(&spend.script_pubkey, (uint8_t)size);
        if (size == 256)
            build_byte(&spend.script_pubkey, 1);
        for (size_t i = 0; i < size; i++)
            build_byte(&spend.script_pubkey, 7);
        ck_assert_int_eq(spend_verify(&spend, SCRIPT_VERIFY_MINIMALDATA),
                         size == 75 ? SCRIPT_ERR_MINIMALDATA : SCRIPT_OK);
        spend_clear(&spend);
    }
}
END_TEST

START_TEST(hash_operations)
{
    static const struct row rows[] = {
        {"'abc'",
         "SHA256 0x20 0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad EQUAL", "",
         "OK"},
        {"'abc'", "SHA1 0x14 0xa9993e364706816aba3e25717850c26c9cd0d89d EQUAL", "", "OK"},
        {"'abc'", "RIPEMD160 0x14 0x8eb208f7e05d987a9b044a8e98c6b087f15a0bfc EQUAL", "", "OK"},
        {"'abc'", "DUP HASH160 SWAP SHA256 RIPEMD160 EQUAL", "", "OK"},
        {"'abc'", "DUP HASH256 SWAP SHA256 SHA256 EQUAL", "", "OK"},
        {"0", "SHA256 SIZE 32 EQUALVERIFY HASH160 SIZE 20 EQUAL", "", "OK"},
        {"", "SHA256", "", "INVALID_STACK_OPERATION"},
        {"", "HASH160", "", "INVALID_STACK_OPERATION"},
    };

    check_rows(rows, ARRAY_COUNT(rows));
}
END_TEST

static void repeat(struct build *b, const char *words, size_t count)
{
    while (count-- > 0)
        asm_script(b, words);
}

/* A script of size bytes, few operations and one true element. */
static void build_long_script(struct build *b, size_t size)
{
    size_t end = b->size + size;
    uint8_t fill[520] = {0};

    for (; end - b->size > 525; asm_script(b, "DROP"))
        asm_push(b, fill, sizeof fill);
    while (end - b->size > 1)
        build_byte(b, OP_1);
    build_byte(b, OP_1);
}

START_TEST(limits_of_a_script)
{
    struct spend spend = spend_new();

    for (size_t over = 0; over < 2; over++) {
        build_long_script(&spend.script_pubkey, 10000 + over);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS),
                         over ? SCRIPT_ERR_SCRIPT_SIZE : SCRIPT_OK);
        spend_clear(&spend);

        repeat(&spend.script_pubkey, "NOP", 201 + over);
        asm_script(&spend.script_pubkey, "1");
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_OP_COUNT : SCRIPT_OK);
        spend_clear(&spend);

        asm_script(&spend.script_pubkey, "0 IF");
        repeat(&spend.script_pubkey, "NOP", 199 + over); /* not executed, but counted */
        asm_script(&spend.script_pubkey, "ENDIF 1");
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_OP_COUNT : SCRIPT_OK);
        spend_clear(&spend);

        uint8_t element[521] = {1};

        asm_push(&spend.script_pubkey, element, 520 + over);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_PUSH_SIZE : SCRIPT_OK);
        spend_clear(&spend);

        asm_script(&spend.script_pubkey, "1 0 IF");
        asm_push(&spend.script_pubkey, element, 520 + over); /* the same where it is not executed */
        asm_script(&spend.script_pubkey, "ENDIF");
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_PUSH_SIZE : SCRIPT_OK);
        spend_clear(&spend);
    }
}
END_TEST

START_TEST(limit_of_both_stacks_together)
{
    struct spend spend = spend_new();

    for (size_t over = 0; over < 2; over++) {
        repeat(&spend.script_sig, "1", 500);
        repeat(&spend.script_pubkey, "TOALTSTACK", 200);
        repeat(&spend.script_pubkey, "1", 500 + over);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_STACK_SIZE : SCRIPT_OK);
        spend_clear(&spend);

        repeat(&spend.script_sig, "1", 997 + over);
        asm_script(&spend.script_pubkey, "3DUP");
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_STACK_SIZE : SCRIPT_OK);
        spend_clear(&spend);
    }
}
END_TEST

START_TEST(multisig_counts)
{
    static const struct row rows[] = {
        {"0", "0 0 CHECKMULTISIG", "", "OK"},
        {"", "0 0 CHECKMULTISIG", "", "INVALID_STACK_OPERATION"},            /* no dummy */
        {"'a'", "1 1 1 CHECKMULTISIG", "DERSIG", "INVALID_STACK_OPERATION"}, /* before all else */
        {"1", "0 0 CHECKMULTISIG", "", "OK"},
        {"1", "0 0 CHECKMULTISIG", "NULLDUMMY", "SIG_NULLDUMMY"},
        {"0", "0 0 CHECKMULTISIG", "NULLDUMMY", "OK"},
        {"0", "0 0 CHECKMULTISIGVERIFY 1", "", "OK"},
        {"0", "0 -1 CHECKMULTISIG", "", "PUBKEY_COUNT"},
        {"0", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 20 CHECKMULTISIG", "", "OK"},
        {"0", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 21 CHECKMULTISIG", "",
         "PUBKEY_COUNT"},
        {"0 0", "1 1 1 CHECKMULTISIG", "", "EVAL_FALSE"},
        {"0 0", "2 1 1 CHECKMULTISIG", "", "SIG_COUNT"},
        {"0 0", "-1 1 1 CHECKMULTISIG", "", "SIG_COUNT"},
        {"", "1 1 1 CHECKMULTISIG", "", "INVALID_STACK_OPERATION"},
        {"", "2 CHECKMULTISIG", "", "INVALID_STACK_OPERATION"},
        {"", "CHECKMULTISIG", "", "INVALID_STACK_OPERATION"},
        {"", "0x050000000000 CHECKMULTISIG", "", "SCRIPTNUM"},
        {"0", "0x050000000000 0 CHECKMULTISIG", "", "SCRIPTNUM"},
        {"0 'a'", "1 1 1 CHECKMULTISIG NOT", "", "OK"},
        {"0 'a'", "1 1 1 CHECKMULTISIG NOT", "NULLFAIL", "NULLFAIL"},
        {"0 0", "1 1 1 CHECKMULTISIG NOT", "NULLFAIL", "OK"},
        {"0 0", "1 1 1 CHECKMULTISIGVERIFY 1", "", "CHECKMULTISIGVERIFY"},
        {"0 'a'", "1 1 1 CHECKMULTISIG NOT", "DERSIG", "SIG_DER"},
        {"0 0", "1 1 1 CHECKMULTISIG NOT", "STRICTENC", "PUBKEYTYPE"},
        {"'a'", "1 CHECKSIG NOT", "", "OK"},
        {"'a'", "1 CHECKSIG NOT", "NULLFAIL", "NULLFAIL"},
        {"0", "1 CHECKSIG NOT", "NULLFAIL", "OK"},
        {"'a'", "1 CHECKSIGVERIFY", "", "CHECKSIGVERIFY"},
        {"'a'", "1 CHECKSIG NOT", "DERSIG", "SIG_DER"},
        {"0", "1 CHECKSIG NOT", "STRICTENC", "PUBKEYTYPE"},
        {"0", "CHECKSIG", "", "INVALID_STACK_OPERATION"},
        {"1", "CODESEPARATOR", "", "OK"},
        {"1", "CODESEPARATOR", "CONST_SCRIPTCODE", "OP_CODESEPARATOR"},
        {"1", "0 IF CODESEPARATOR ENDIF", "CONST_SCRIPTCODE", "OP_CODESEPARATOR"},
        {"'a'", "'a' DROP 1 CHECKSIG NOT", "CONST_SCRIPTCODE", "SIG_FINDANDDELETE"},
        {"'b'", "'a' DROP 1 CHECKSIG NOT", "CONST_SCRIPTCODE", "OK"},
        {"0 'a'", "'a' DROP 1 1 1 CHECKMULTISIG NOT", "CONST_SCRIPTCODE", "SIG_FINDANDDELETE"},
    };
    struct spend spend = spend_new();

    check_rows(rows, ARRAY_COUNT(rows));
    /* Each key counts as an operation: 9 × (1 + 20) + 12 make 201. */
    for (size_t over = 0; over < 2; over++) {
        repeat(&spend.script_pubkey,
               "0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 20 CHECKMULTISIG", 9);
        repeat(&spend.script_pubkey, "NOP", 12 + over);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_OP_COUNT : SCRIPT_OK);
        spend_clear(&spend);
    }
}
END_TEST

static enum script_error verify_lock(const char *script, uint32_t version, uint32_t lock_time,
                                     uint32_t sequence)
{
    struct spend spend = spend_new();

    spend.version = version;
    spend.lock_time = lock_time;
    spend.sequence = sequence;
    asm_script(&spend.script_pubkey, script);

    enum script_error error = spend_verify(&spend, CONSENSUS);

    spend_clear(&spend);
    return error;
}

START_TEST(lock_times)
{
    const enum script_error unmet = SCRIPT_ERR_UNSATISFIED_LOCKTIME;

    ck_assert_int_eq(verify_lock("100 CHECKLOCKTIMEVERIFY", 1, 100, 0), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("101 CHECKLOCKTIMEVERIFY", 1, 100, 0), unmet);
    ck_assert_int_eq(verify_lock("100 CHECKLOCKTIMEVERIFY", 1, 100, 0xfffffffe), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("100 CHECKLOCKTIMEVERIFY", 1, 100, 0xffffffff), unmet);
    ck_assert_int_eq(verify_lock("499999999 CHECKLOCKTIMEVERIFY", 1, 499999999, 0), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("499999999 CHECKLOCKTIMEVERIFY", 1, 500000000, 0),
                     unmet); /* height and time */
    ck_assert_int_eq(verify_lock("500000000 CHECKLOCKTIMEVERIFY", 1, 500000000, 0), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("500000000 CHECKLOCKTIMEVERIFY", 1, 499999999, 0), unmet);
    ck_assert_int_eq(verify_lock("4294967295 CHECKLOCKTIMEVERIFY", 1, 4294967295, 0), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("0x050000000001 CHECKLOCKTIMEVERIFY", 1, 4294967295, 0), unmet);
    ck_assert_int_eq(verify_lock("-1 CHECKLOCKTIMEVERIFY", 1, 0, 0), SCRIPT_ERR_NEGATIVE_LOCKTIME);
    ck_assert_int_eq(verify_lock("0x06000000000000 CHECKLOCKTIMEVERIFY", 1, 0, 0),
                     SCRIPT_ERR_SCRIPTNUM);
    ck_assert_int_eq(verify_lock("CHECKLOCKTIMEVERIFY", 1, 0, 0),
                     SCRIPT_ERR_INVALID_STACK_OPERATION);

    ck_assert_int_eq(verify_lock("10 CHECKSEQUENCEVERIFY", 2, 0, 10), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("11 CHECKSEQUENCEVERIFY", 2, 0, 10), unmet);
    ck_assert_int_eq(verify_lock("10 CHECKSEQUENCEVERIFY", 1, 0, 10), unmet);
    ck_assert_int_eq(verify_lock("10 CHECKSEQUENCEVERIFY", 0xffffffff, 0, 10),
                     SCRIPT_OK); /* unsigned */
    ck_assert_int_eq(verify_lock("65535 CHECKSEQUENCEVERIFY", 2, 0, 0xffff), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("65536 1ADD CHECKSEQUENCEVERIFY", 2, 0, 1),
                     SCRIPT_OK); /* bit 16 means nothing */
    ck_assert_int_eq(verify_lock("0x0400004000 CHECKSEQUENCEVERIFY", 2, 0, 0x400000), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("0x0400004000 CHECKSEQUENCEVERIFY", 2, 0, 0xffff),
                     unmet); /* time and blocks */
    ck_assert_int_eq(verify_lock("10 CHECKSEQUENCEVERIFY", 2, 0, 0x40000a), unmet);
    ck_assert_int_eq(verify_lock("10 CHECKSEQUENCEVERIFY", 2, 0, 0x80000a), SCRIPT_OK);
    ck_assert_int_eq(verify_lock("10 CHECKSEQUENCEVERIFY", 2, 0, 0x8000000a), unmet);
    ck_assert_int_eq(verify_lock("0x050a00008000 CHECKSEQUENCEVERIFY", 1, 0, 0xffffffff),
                     SCRIPT_OK); /* disabled */
    ck_assert_int_eq(verify_lock("-1 CHECKSEQUENCEVERIFY", 2, 0, 0), SCRIPT_ERR_NEGATIVE_LOCKTIME);
    ck_assert_int_eq(verify_lock("0x06000000000000 CHECKSEQUENCEVERIFY", 2, 0, 0),
                     SCRIPT_ERR_SCRIPTNUM);
    ck_assert_int_eq(verify_lock("CHECKSEQUENCEVERIFY", 2, 0, 0),
                     SCRIPT_ERR_INVALID_STACK_OPERATION);

    /* Without their flags they do nothing. */
    static const struct row rows[] = {
        {"1", "-1 CHECKLOCKTIMEVERIFY -1 CHECKSEQUENCEVERIFY", "", "OK"}};
    check_rows(rows, 1);
}
END_TEST

START_TEST(pay_to_script_hash)
{
    struct spend spend = spend_new();
    struct bytes redeem = asm_take("2 EQUAL");

    asm_script(&spend.script_sig, "2");
    asm_push(&spend.script_sig, redeem.data, redeem.size);
    spend_pay_p2sh(&spend, redeem);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend.script_sig.data[0] = OP_1;
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    ck_assert_int_eq(spend_verify(&spend, 0), SCRIPT_OK); /* before BIP16 only the hash counts */
    spend.script_sig.data[0] = OP_NOP;
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_SIG_PUSHONLY);
    ck_assert_int_eq(spend_verify(&spend, 0), SCRIPT_OK);
    spend.script_sig.data[1 + 1] ^= 1;
    ck_assert_int_eq(spend_verify(&spend, 0), SCRIPT_ERR_EVAL_FALSE);
    spend_clear(&spend);
    free((void *)redeem.data);

    /* The redeem script may be what OP_1 pushes: a byte 01, the push of a byte that is not there.
     */
    asm_script(&spend.script_sig, "1");
    spend_pay_p2sh(&spend, (struct bytes){(const uint8_t *)"\1", 1});
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_BAD_OPCODE);
    spend_clear(&spend);

    /* Or nothing: then what is below counts. */
    asm_script(&spend.script_sig, "1 0");
    spend_pay_p2sh(&spend, (struct bytes){(const uint8_t *)"", 0});
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend_clear(&spend);
    asm_script(&spend.script_sig, "0");
    spend_pay_p2sh(&spend, (struct bytes){(const uint8_t *)"", 0});
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    spend_clear(&spend);
}
END_TEST

/* A spend of script as witness v0 with fill_count witness items of one byte each. */
static enum script_error verify_v0_script(const char *text, size_t fill_count, uint32_t flags)
{
    struct spend spend = spend_new();
    struct bytes script = asm_take(text);

    spend_add_witness_count(&spend, 1, fill_count);
    spend_add_witness(&spend, script.data, script.size);
    spend_pay_v0(&spend, script);

    enum script_error error = spend_verify(&spend, flags);

    spend_clear(&spend);
    free((void *)script.data);
    return error;
}

START_TEST(witness_v0_scripts)
{
    ck_assert_int_eq(verify_v0_script("1", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_v0_script("0", 0, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    ck_assert_int_eq(verify_v0_script("1 1", 0, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    ck_assert_int_eq(verify_v0_script("", 1, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_v0_script("", 0, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    ck_assert_int_eq(verify_v0_script("VERIFY 1 CHECKSIGADD", 1, CONSENSUS), SCRIPT_ERR_BAD_OPCODE);
    ck_assert_int_eq(verify_v0_script("CAT", 2, CONSENSUS), SCRIPT_ERR_DISABLED_OPCODE);
    ck_assert_int_eq(
        verify_v0_script("CODESEPARATOR", 1, CONSENSUS | SCRIPT_VERIFY_CONST_SCRIPTCODE),
        SCRIPT_OK);
    ck_assert_int_eq(verify_v0_script("IF 1 ENDIF", 1, CONSENSUS | SCRIPT_VERIFY_MINIMALIF),
                     SCRIPT_OK);
    ck_assert_int_eq(verify_v0_script("2 IF 1 ENDIF", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_v0_script("2 IF 1 ENDIF", 0, CONSENSUS | SCRIPT_VERIFY_MINIMALIF),
                     SCRIPT_ERR_MINIMALIF);
    ck_assert_int_eq(
        verify_v0_script("0x020100 IF 1 ENDIF", 0, CONSENSUS | SCRIPT_VERIFY_MINIMALIF),
        SCRIPT_ERR_MINIMALIF);
    ck_assert_int_eq(verify_v0_script("0 NOTIF 1 ENDIF", 0, CONSENSUS | SCRIPT_VERIFY_MINIMALIF),
                     SCRIPT_OK);
}
END_TEST

/* The stack that a v0 script begins with may be too deep if its first operation makes it less deep;
 * of deeper ones the first operation's own error comes before the depth's. */
START_TEST(witness_v0_stacks_too_deep)
{
    const enum script_error too_deep = SCRIPT_ERR_STACK_SIZE;

    ck_assert_int_eq(verify_v0_script("NOP", 1000, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    ck_assert_int_eq(verify_v0_script("NOP", 1001, CONSENSUS), too_deep);
    ck_assert_int_eq(verify_v0_script("DROP", 1001, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    ck_assert_int_eq(verify_v0_script("DROP", 1002, CONSENSUS), too_deep);
    ck_assert_int_eq(verify_v0_script("2DROP", 1002, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    for (size_t depth = 1055; depth < 1070; depth++) {
        ck_assert_int_eq(verify_v0_script("DEPTH", depth, CONSENSUS), too_deep);
        ck_assert_int_eq(verify_v0_script("3DUP", depth, CONSENSUS), too_deep);
        ck_assert_int_eq(verify_v0_script("TOALTSTACK", depth, CONSENSUS), too_deep);
        ck_assert_int_eq(verify_v0_script("RETURN", depth, CONSENSUS), SCRIPT_ERR_OP_RETURN);
        ck_assert_int_eq(verify_v0_script("PICK", depth, CONSENSUS), too_deep);
        ck_assert_int_eq(verify_v0_script("", depth, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    }
    ck_assert_int_eq(verify_v0_script("RETURN", 100000, CONSENSUS), SCRIPT_ERR_OP_RETURN);
    ck_assert_int_eq(verify_v0_script("NOP", 100000, CONSENSUS), too_deep);
}
END_TEST

/* OP_PICK and OP_ROLL reach as deep as the stack really is, up to the number of its last item. */
START_TEST(witness_v0_picks_from_a_stack_too_deep)
{
    static const char *const operations[] = {"PICK", "ROLL"};

    for (size_t i = 0; i < 2; i++)
        for (uint32_t n = 1997; n <= 2000; n++) {
            struct spend spend = spend_new();
            struct bytes script = asm_take(operations[i]);
            uint8_t number[2] = {(uint8_t)n, (uint8_t)(n >> 8)};

            spend_add_witness_count(&spend, 1, 1999);
            spend_add_witness(&spend, number, 2);
            spend_add_witness(&spend, script.data, script.size);
            spend_pay_v0(&spend, script);
            ck_assert_int_eq(spend_verify(&spend, CONSENSUS),
                             n < 1999 ? SCRIPT_ERR_STACK_SIZE : SCRIPT_ERR_INVALID_STACK_OPERATION);
            spend_clear(&spend);
            free((void *)script.data);
        }
}
END_TEST

START_TEST(a_multisig_takes_off_most)
{
    /* 20 keys and 20 empty signatures, their counts and the dummy: 43 elements, and one is put on.
     */
    for (size_t over = 0; over < 2; over++) {
        struct spend spend = spend_new();
        struct bytes script = asm_take("CHECKMULTISIG");

        spend_add_witness_count(&spend, 1, 1000 + 42 - 43 + over);
        spend_add_witness(&spend, "", 0);
        for (int i = 0; i < 20; i++)
            spend_add_witness(&spend, "", 0);
        spend_add_witness(&spend, "\x14", 1);
        for (int i = 0; i < 20; i++)
            spend_add_witness(&spend, "k", 1);
        spend_add_witness(&spend, "\x14", 1);
        spend_add_witness(&spend, script.data, script.size);
        spend_pay_v0(&spend, script);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS),
                         over ? SCRIPT_ERR_STACK_SIZE : SCRIPT_ERR_CLEANSTACK);
        spend_clear(&spend);
        free((void *)script.data);
    }
}
END_TEST

START_TEST(witness_v0_limits)
{
    for (size_t over = 0; over < 2; over++) {
        struct spend spend = spend_new();
        struct build script = {0};
        uint8_t element[521] = {1};

        asm_script(&script, "SIZE 0 NUMEQUALVERIFY"); /* takes an empty element away */
        build_long_script(&script, 10000 + over - script.size);
        /* The ones at its end are too many: the depth is looked at after the size. */
        spend_add_witness(&spend, "", 0);
        spend_add_witness(&spend, script.data, script.size);
        spend_pay_v0(&spend, build_view(&script));
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS),
                         over ? SCRIPT_ERR_SCRIPT_SIZE : SCRIPT_ERR_CLEANSTACK);
        spend_clear(&spend);
        free(script.data);

        struct bytes nothing = {(const uint8_t *)"", 0};

        spend_add_witness(&spend, element, 520 + over);
        spend_add_witness(&spend, nothing.data, 0);
        spend_pay_v0(&spend, nothing);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_PUSH_SIZE : SCRIPT_OK);
        spend_clear(&spend);
    }
}
END_TEST

START_TEST(witness_programs)
{
    struct spend spend = spend_new();
    const uint32_t strict = CONSENSUS | SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM;

    /* v0 is 20 or 32 bytes */
    static const size_t sizes[] = {2, 19, 21, 31, 33, 40};

    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint8_t program[40] = {1};

        build_byte(&spend.script_pubkey, OP_0);
        asm_push(&spend.script_pubkey, program, sizes[i]);
        spend_add_witness(&spend, "", 0);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_WRONG_LENGTH);
        ck_assert_int_eq(spend_verify(&spend, SCRIPT_VERIFY_P2SH), SCRIPT_OK);
        spend.script_pubkey.data[0] = OP_2;
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
        ck_assert_int_eq(spend_verify(&spend, strict),
                         SCRIPT_ERR_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM);
        spend_clear(&spend);
    }
    /* 41 bytes, or a push that is not direct, are no program */
    uint8_t program[41] = {1};

    build_byte(&spend.script_pubkey, OP_1);
    asm_push(&spend.script_pubkey, program, 41);
    ck_assert_int_eq(spend_verify(&spend, strict), SCRIPT_OK);
    spend_add_witness(&spend, "", 0);
    ck_assert_int_eq(spend_verify(&spend, strict), SCRIPT_ERR_WITNESS_UNEXPECTED);
    ck_assert_int_eq(spend_verify(&spend, SCRIPT_VERIFY_P2SH), SCRIPT_OK);
    spend_clear(&spend);
    asm_script(&spend.script_pubkey, "1 0x4c020101");
    ck_assert_int_eq(spend_verify(&spend, strict), SCRIPT_OK);
    spend_clear(&spend);
    /* pay to anchor is standard, its neighbour not */
    asm_script(&spend.script_pubkey, "1 0x024e73");
    ck_assert_int_eq(spend_verify(&spend, strict), SCRIPT_OK);
    spend.script_pubkey.data[3]++;
    ck_assert_int_eq(spend_verify(&spend, strict),
                     SCRIPT_ERR_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM);
    spend_clear(&spend);
    /* P2WPKH wants two items; script_sig must be empty */
    asm_script(&spend.script_pubkey, "0 0x14 0x0101010101010101010101010101010101010101");
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH);
    spend_add_witness_count(&spend, 1, 2);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EQUALVERIFY);
    spend_add_witness_count(&spend, 1, 1);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH);
    asm_script(&spend.script_sig, "0");
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_MALLEATED);
    spend_clear(&spend);
    /* P2WSH wants a script, the right one */
    spend_pay_v0(&spend, (struct bytes){(const uint8_t *)"\x51", 1});
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_WITNESS_EMPTY);
    spend_add_witness(&spend, "\x52", 1);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH);
    spend_clear(&spend);
}
END_TEST

START_TEST(witness_program_in_p2sh)
{
    struct spend inner = spend_new(), spend = spend_new();

    spend_pay_v0(&inner, (struct bytes){(const uint8_t *)"\x51", 1});
    spend_pay_p2sh(&spend, build_view(&inner.script_pubkey));
    asm_push(&spend.script_sig, inner.script_pubkey.data, inner.script_pubkey.size);
    spend_add_witness(&spend, "\x51", 1);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    free(spend.script_sig.data);
    spend.script_sig = (struct build){0};
    asm_script(&spend.script_sig, "1"); /* something below the redeem script */
    asm_push(&spend.script_sig, inner.script_pubkey.data, inner.script_pubkey.size);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_MALLEATED_P2SH);
    free(spend.script_sig.data);
    spend.script_sig = (struct build){0};
    build_byte(&spend.script_sig, OP_PUSHDATA1); /* a push that is not direct */
    asm_push(&spend.script_sig, inner.script_pubkey.data, inner.script_pubkey.size);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_MALLEATED_P2SH);
    spend_clear(&spend);
    /* Taproot in P2SH means nothing yet. */
    inner.script_pubkey.data[0] = OP_1;
    spend_pay_p2sh(&spend, build_view(&inner.script_pubkey));
    asm_push(&spend.script_sig, inner.script_pubkey.data, inner.script_pubkey.size);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(
        spend_verify(&spend, CONSENSUS | SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM),
        SCRIPT_ERR_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM);
    spend_clear(&spend);
    spend_clear(&inner);
}
END_TEST

/* A spend of a leaf script with fill_count items of one byte before it. */
static enum script_error verify_leaf(struct bytes script, size_t fill_count, uint8_t leaf_version,
                                     size_t node_count, uint32_t flags)
{
    struct spend spend = spend_new();

    spend_add_witness_count(&spend, 1, fill_count);
    spend_pay_taproot(&spend, script, leaf_version, node_count);

    enum script_error error = spend_verify(&spend, flags);

    spend_clear(&spend);
    return error;
}

static enum script_error verify_tapscript(const char *text, size_t fill_count, uint32_t flags)
{
    struct bytes script = asm_take(text);
    enum script_error error = verify_leaf(script, fill_count, 0xc0, 0, flags);

    free((void *)script.data);
    return error;
}

START_TEST(tapscript_operations)
{
    const uint32_t no_success = CONSENSUS | SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS;

    ck_assert_int_eq(verify_tapscript("1", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("0", 0, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    ck_assert_int_eq(verify_tapscript("1 1", 0, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    ck_assert_int_eq(verify_tapscript("0", 0, CONSENSUS & ~(uint32_t)SCRIPT_VERIFY_TAPROOT),
                     SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("0 0 CHECKMULTISIG", 1, CONSENSUS),
                     SCRIPT_ERR_TAPSCRIPT_CHECKMULTISIG);
    ck_assert_int_eq(verify_tapscript("2 IF 1 ENDIF", 0, CONSENSUS),
                     SCRIPT_ERR_TAPSCRIPT_MINIMALIF);
    ck_assert_int_eq(verify_tapscript("0x0100 NOTIF 1 ENDIF", 0, CONSENSUS),
                     SCRIPT_ERR_TAPSCRIPT_MINIMALIF);
    ck_assert_int_eq(verify_tapscript("IF 1 ENDIF", 1, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("VERIF", 1, CONSENSUS), SCRIPT_ERR_BAD_OPCODE);
    ck_assert_int_eq(verify_tapscript("0 0 CHECKSIG", 0, CONSENSUS),
                     SCRIPT_ERR_TAPSCRIPT_EMPTY_PUBKEY);
    ck_assert_int_eq(verify_tapscript("0 'k' CHECKSIG NOT", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("'s' 'k' CHECKSIG", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("'s' 'k' CHECKSIG", 0,
                                      CONSENSUS | SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE),
                     SCRIPT_ERR_DISCOURAGE_UPGRADABLE_PUBKEYTYPE);
    ck_assert_int_eq(verify_tapscript("'s' 5 'k' CHECKSIGADD 6 EQUAL", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("0 5 'k' CHECKSIGADD 5 EQUAL", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("0 0x050000000000 'k' CHECKSIGADD", 0, CONSENSUS),
                     SCRIPT_ERR_SCRIPTNUM);
    ck_assert_int_eq(verify_tapscript("0 'k' CHECKSIGADD", 0, CONSENSUS),
                     SCRIPT_ERR_INVALID_STACK_OPERATION);
    ck_assert_int_eq(verify_tapscript("0 'k' CHECKSIGVERIFY 1", 0, CONSENSUS),
                     SCRIPT_ERR_CHECKSIGVERIFY);
    ck_assert_int_eq(
        verify_tapscript(
            "'s' 0x20 0x0101010101010101010101010101010101010101010101010101010101010101 CHECKSIG",
            0, CONSENSUS),
        SCRIPT_ERR_SCHNORR_SIG_SIZE);
    /* An operation that means success comes before everything but what cannot be read before it. */
    ck_assert_int_eq(verify_tapscript("RETURN 0 IF 0x50", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("CAT 0x4c", 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_tapscript("CAT 0x4c", 0, no_success), SCRIPT_ERR_DISCOURAGE_OP_SUCCESS);
    ck_assert_int_eq(verify_tapscript("0x02 0x50", 0, CONSENSUS), SCRIPT_ERR_BAD_OPCODE);
    ck_assert_int_eq(verify_tapscript("0x01 0x50", 0, no_success), SCRIPT_OK); /* pushed, no op */
    ck_assert_int_eq(verify_tapscript("CAT", 1001, CONSENSUS), SCRIPT_OK);
}
END_TEST

START_TEST(every_number_that_means_success)
{
    for (int opcode = OP_PUSHDATA4 + 1; opcode < 256; opcode++) {
        bool is_success = opcode == 80 || opcode == 98 || (opcode >= 126 && opcode <= 129) ||
                          (opcode >= 131 && opcode <= 134) || (opcode >= 137 && opcode <= 138) ||
                          (opcode >= 141 && opcode <= 142) || (opcode >= 149 && opcode <= 153) ||
                          (opcode >= 187 && opcode <= 254);
        uint8_t script[2] = {OP_RETURN, (uint8_t)opcode};

        ck_assert_int_eq(verify_leaf((struct bytes){script, 2}, 0, 0xc0, 0, CONSENSUS),
                         is_success ? SCRIPT_OK : SCRIPT_ERR_OP_RETURN);
    }
}
END_TEST

START_TEST(tapscript_limits)
{
    struct build script = {0};

    /* No limit on size or operations. */
    build_long_script(&script, 300);
    repeat(&script, "NOP", 20000);
    repeat(&script, "DROP", 299);
    ck_assert_int_eq(verify_leaf(build_view(&script), 0, 0xc0, 0, CONSENSUS), SCRIPT_OK);
    free(script.data);
    ck_assert_int_eq(verify_tapscript("NOP", 1000, CONSENSUS), SCRIPT_ERR_CLEANSTACK);
    ck_assert_int_eq(verify_tapscript("DROP", 1001, CONSENSUS), SCRIPT_ERR_STACK_SIZE);
    ck_assert_int_eq(verify_tapscript("1", 1000, CONSENSUS), SCRIPT_ERR_STACK_SIZE);
    for (size_t over = 0; over < 2; over++) {
        struct spend spend = spend_new();
        uint8_t element[521] = {1};

        spend_add_witness(&spend, element, 520 + over);
        spend_pay_taproot(&spend, (struct bytes){(const uint8_t *)"", 0}, 0xc0, 0);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), over ? SCRIPT_ERR_PUSH_SIZE : SCRIPT_OK);
        spend_clear(&spend);
    }
}
END_TEST

START_TEST(tapscript_budget_is_50_and_the_witness)
{
    /* A signature that is not empty costs 50, even for a key of an unknown kind. Two items of one
     * byte, the script with its size, and a control block of 33 bytes are 40 bytes more than the
     * script; a check takes 2 bytes of it, and OP_DROP the last. */
    for (size_t checks = 1; checks < 8; checks++)
        for (size_t nops = 0; nops < 200; nops++) {
            struct build script = {0};

            repeat(&script, "2DUP CHECKSIGVERIFY", checks);
            asm_script(&script, "DROP");
            repeat(&script, "NOP", nops);

            size_t witness_size = 39 + compact_size(script.size) + script.size;
            bool is_covered = 50 * checks <= 50 + witness_size;

            ck_assert_int_eq(verify_leaf(build_view(&script), 2, 0xc0, 0, CONSENSUS),
                             is_covered ? SCRIPT_OK : SCRIPT_ERR_TAPSCRIPT_VALIDATION_WEIGHT);
            free(script.data);
        }
}
END_TEST

START_TEST(taproot_control_blocks)
{
    struct bytes script = {(const uint8_t *)"\x51", 1};
    const uint32_t strict = CONSENSUS | SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION;

    ck_assert_int_eq(verify_leaf(script, 0, 0xc0, 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_leaf(script, 0, 0xc0, 1, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_leaf(script, 0, 0xc0, 128, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_leaf(script, 0, 0xc0, 129, CONSENSUS),
                     SCRIPT_ERR_TAPROOT_WRONG_CONTROL_SIZE);
    /* Another leaf version succeeds whatever the script. */
    struct bytes failing = {(const uint8_t *)"\x6a", 1};

    ck_assert_int_eq(verify_leaf(failing, 0, 0xc0, 0, strict), SCRIPT_ERR_OP_RETURN);
    ck_assert_int_eq(verify_leaf(failing, 0, 0xc2, 0, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(verify_leaf(failing, 0, 0xc2, 0, strict),
                     SCRIPT_ERR_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION);
    /* After the script and its size, and the control block's: parity, internal key and neighbour.
     */
    for (size_t at = 3; at < 3 + 33 + 32; at++) {
        struct spend spend = spend_new();

        spend_pay_taproot(&spend, script, 0xc0, 1);
        ck_assert_uint_eq(spend.witness.size, 3 + 33 + 32);
        spend.witness.data[at] ^= 1;
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_MISMATCH);
        spend_clear(&spend);
    }
}
END_TEST

START_TEST(taproot_witnesses)
{
    struct bytes script = {(const uint8_t *)"\x51", 1};
    struct spend spend = spend_new();

    /* The annex is what begins with 0x50 and is not alone. */
    spend_pay_taproot(&spend, script, 0xc0, 0);
    spend_add_witness(&spend, "\x50 and more", 10);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend_clear(&spend);
    spend_pay_taproot(&spend, script, 0xc0, 0);
    spend_add_witness(&spend, "\x51", 1);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_TAPROOT_WRONG_CONTROL_SIZE);
    spend_clear(&spend);
    spend_pay_taproot(&spend, script, 0xc0, 0);
    spend_add_witness(&spend, "", 0);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_TAPROOT_WRONG_CONTROL_SIZE);
    spend_clear(&spend);

    static const struct {
        size_t size;
        uint8_t last;
        enum script_error expected;
    } signatures[] = {
        {0, 0, SCRIPT_ERR_SCHNORR_SIG_SIZE},
        {63, 0, SCRIPT_ERR_SCHNORR_SIG_SIZE},
        {66, 1, SCRIPT_ERR_SCHNORR_SIG_SIZE},
        {64, 0, SCRIPT_ERR_SCHNORR_SIG},
        {65, 0, SCRIPT_ERR_SCHNORR_SIG_HASHTYPE},
        {65, 1, SCRIPT_ERR_SCHNORR_SIG},
        {65, 3, SCRIPT_ERR_SCHNORR_SIG},
        {65, 4, SCRIPT_ERR_SCHNORR_SIG_HASHTYPE},
        {65, 0x80, SCRIPT_ERR_SCHNORR_SIG_HASHTYPE},
        {65, 0x83, SCRIPT_ERR_SCHNORR_SIG},
        {65, 0x84, SCRIPT_ERR_SCHNORR_SIG_HASHTYPE},
        {65, 0x50, SCRIPT_ERR_SCHNORR_SIG_HASHTYPE},
    };

    for (size_t i = 0; i < ARRAY_COUNT(signatures); i++) {
        uint8_t signature[66] = {0x50};
        struct build control = {0};
        uint8_t key[32];

        taproot_tree(script, 0xc0, 0, key, &control);
        free(control.data);
        if (signatures[i].size > 0)
            signature[signatures[i].size - 1] = signatures[i].last;
        build_byte(&spend.script_pubkey, OP_1);
        asm_push(&spend.script_pubkey, key, 32);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_WITNESS_PROGRAM_WITNESS_EMPTY);
        spend_add_witness(&spend, signature, signatures[i].size);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), signatures[i].expected);
        spend_add_witness(&spend, "\x50", 1); /* still the key path: an annex follows */
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), signatures[i].expected);
        spend_clear(&spend);
    }
}
END_TEST

/* What a private key of the test signs. */
struct signer {
    secp256k1_context *ctx;
    uint8_t secret[32], pubkey[33];
};

static struct signer signer_new(uint8_t number)
{
    struct signer signer = {secp256k1_context_create(SECP256K1_CONTEXT_NONE), {[31] = number}, {0}};
    secp256k1_pubkey key;
    size_t size = sizeof signer.pubkey;

    ck_assert(secp256k1_ec_pubkey_create(signer.ctx, &key, signer.secret));
    secp256k1_ec_pubkey_serialize(signer.ctx, signer.pubkey, &size, &key, SECP256K1_EC_COMPRESSED);
    return signer;
}

/* DER with the hash type behind. */
static size_t sign(const struct signer *signer, uint8_t out[73], const uint8_t hash[32],
                   uint8_t hash_type)
{
    secp256k1_ecdsa_signature signature;
    size_t size = 72;

    ck_assert(secp256k1_ecdsa_sign(signer->ctx, &signature, hash, signer->secret, NULL, NULL));
    ck_assert(secp256k1_ecdsa_signature_serialize_der(signer->ctx, out, &size, &signature));
    out[size] = hash_type;
    return size + 1;
}

/* The legacy signature of spend's input over the script that code words are. */
static size_t sign_legacy(const struct signer *signer, uint8_t out[73], const struct spend *spend,
                          struct bytes code, uint8_t hash_type)
{
    struct arena arena;
    uint8_t hash[32];
    struct tx tx;

    arena_init(&arena, 1 << 20);
    spend_tx(spend, &tx, &arena);
    sighash_legacy(hash, &tx, 0, code, hash_type, NULL);
    free((void *)tx.raw.data);
    arena_clear(&arena);
    return sign(signer, out, hash, hash_type);
}

START_TEST(signatures_of_what_follows_the_separator)
{
    struct signer signer = signer_new(3);
    struct spend spend = spend_new();
    struct build code = {0};
    uint8_t signature[73];

    /* script_pubkey: NOP CODESEPARATOR key CHECKSIG; signed is: key CHECKSIG */
    asm_push(&code, signer.pubkey, 33);
    asm_script(&code, "CHECKSIG");
    asm_script(&spend.script_pubkey, "NOP CODESEPARATOR");
    build_raw(&spend.script_pubkey, code.data, code.size);
    asm_push(&spend.script_sig, signature,
             sign_legacy(&signer, signature, &spend, build_view(&code), SIGHASH_ALL));
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend.script_pubkey.data[0] = OP_NOP1; /* not signed */
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    spend.script_pubkey.data[1] = OP_NOP;
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    spend_clear(&spend);
    free(code.data);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

START_TEST(a_signature_in_the_script_is_deleted_before_it_is_checked)
{
    struct signer signer = signer_new(3);
    struct spend spend = spend_new();
    struct build code = {0};
    uint8_t signature[73];

    /* script_pubkey: signature DROP signature DROP key CHECKSIG; signed is: DROP DROP key CHECKSIG
     */
    asm_script(&code, "DROP DROP");
    asm_push(&code, signer.pubkey, 33);
    asm_script(&code, "CHECKSIG");

    size_t size = sign_legacy(&signer, signature, &spend, build_view(&code), SIGHASH_ALL);

    asm_push(&spend.script_sig, signature, size);
    for (int i = 0; i < 2; i++) {
        asm_push(&spend.script_pubkey, signature, size);
        asm_script(&spend.script_pubkey, "DROP");
    }
    build_raw(&spend.script_pubkey, code.data + 2, code.size - 2);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_OK);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS | SCRIPT_VERIFY_CONST_SCRIPTCODE),
                     SCRIPT_ERR_SIG_FINDANDDELETE);
    /* In another encoding of the push it is not found. */
    spend_clear(&spend);
    asm_push(&spend.script_sig, signature, size);
    build_byte(&spend.script_pubkey, OP_PUSHDATA1);
    for (int i = 0; i < 2; i++) {
        asm_push(&spend.script_pubkey, signature, size);
        asm_script(&spend.script_pubkey, "DROP");
    }
    build_raw(&spend.script_pubkey, code.data + 2, code.size - 2);
    ck_assert_int_eq(spend_verify(&spend, CONSENSUS), SCRIPT_ERR_EVAL_FALSE);
    spend_clear(&spend);
    free(code.data);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

START_TEST(multisig_takes_keys_and_signatures_in_order)
{
    struct signer signers[3] = {signer_new(3), signer_new(4), signer_new(5)};
    struct spend spend = spend_new();
    uint8_t signatures[3][73];
    size_t sizes[3];
    static const struct {
        int first, second;
        enum script_error expected;
    } orders[] = {{0, 1, SCRIPT_OK},
                  {0, 2, SCRIPT_OK},
                  {1, 2, SCRIPT_OK},
                  {1, 0, SCRIPT_ERR_EVAL_FALSE},
                  {2, 1, SCRIPT_ERR_EVAL_FALSE},
                  {1, 1, SCRIPT_ERR_EVAL_FALSE}};

    asm_script(&spend.script_pubkey, "2");
    for (int i = 0; i < 3; i++)
        asm_push(&spend.script_pubkey, signers[i].pubkey, 33);
    asm_script(&spend.script_pubkey, "3 CHECKMULTISIG");
    for (int i = 0; i < 3; i++) /* of different hash types */
        sizes[i] = sign_legacy(&signers[i], signatures[i], &spend, build_view(&spend.script_pubkey),
                               (uint8_t)(SIGHASH_ALL + i));
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++) {
        build_byte(&spend.script_sig, OP_0);
        asm_push(&spend.script_sig, signatures[orders[i].first], sizes[orders[i].first]);
        asm_push(&spend.script_sig, signatures[orders[i].second], sizes[orders[i].second]);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS), orders[i].expected);
        ck_assert_int_eq(spend_verify(&spend, CONSENSUS | SCRIPT_VERIFY_NULLFAIL),
                         orders[i].expected ? SCRIPT_ERR_NULLFAIL : SCRIPT_OK);
        free(spend.script_sig.data);
        spend.script_sig = (struct build){0};
    }
    spend_clear(&spend);
    for (int i = 0; i < 3; i++)
        secp256k1_context_destroy(signers[i].ctx);
}
END_TEST

START_TEST(single_without_its_output_signs_the_number_one)
{
    static const uint8_t one[32] = {1};
    struct signer signer = signer_new(3);
    struct script_machine *machine = script_machine_new();
    struct tx_input inputs[2] = {{.sequence = 1}, {.sequence = 2}};
    struct tx_output output = {.amount_sat = 5},
                     prevouts[2] = {{.amount_sat = 1}, {.amount_sat = 2}};
    struct tx draft = {.inputs = inputs, .input_count = 2, .outputs = &output, .output_count = 1};
    struct build script_pubkey = {0}, script_sig = {0};
    struct sighash_parts parts;
    struct arena arena;
    uint8_t signature[73];
    struct tx tx;

    asm_push(&script_pubkey, signer.pubkey, 33);
    asm_script(&script_pubkey, "CHECKSIG");
    asm_push(&script_sig, signature, sign(&signer, signature, one, SIGHASH_SINGLE));
    inputs[0].script_sig = inputs[1].script_sig = build_view(&script_sig);
    prevouts[0].script_pubkey = prevouts[1].script_pubkey = build_view(&script_pubkey);
    arena_init(&arena, 1 << 20);
    draft_parse(&tx, &draft, &arena);
    sighash_parts_init(&parts, &tx, prevouts);
    ck_assert_int_eq(script_verify(machine, &tx, 0, prevouts, &parts, CONSENSUS),
                     SCRIPT_ERR_EVAL_FALSE);
    ck_assert_int_eq(script_verify(machine, &tx, 1, prevouts, &parts, CONSENSUS), SCRIPT_OK);
    free((void *)tx.raw.data);
    free(script_pubkey.data);
    free(script_sig.data);
    arena_clear(&arena);
    script_machine_free(machine);
    secp256k1_context_destroy(signer.ctx);
}
END_TEST

START_TEST(errors_have_names_and_texts)
{
    ck_assert_str_eq(script_error_name(SCRIPT_OK), "OK");
    ck_assert_str_eq(script_error_name(SCRIPT_ERR_NULLFAIL), "NULLFAIL");
    ck_assert_str_eq(script_error_text(SCRIPT_ERR_SIG_DER), "Non-canonical DER signature");
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "script", stack_operations, numbers, control_flow, pushes_that_are_longer_than_needed,
        hash_operations, limits_of_a_script, limit_of_both_stacks_together, multisig_counts,
        lock_times, pay_to_script_hash, witness_v0_scripts, witness_v0_stacks_too_deep,
        witness_v0_picks_from_a_stack_too_deep, a_multisig_takes_off_most, witness_v0_limits,
        witness_programs, witness_program_in_p2sh, tapscript_operations,
        every_number_that_means_success, tapscript_limits, tapscript_budget_is_50_and_the_witness,
        taproot_control_blocks, taproot_witnesses, signatures_of_what_follows_the_separator,
        a_signature_in_the_script_is_deleted_before_it_is_checked,
        multisig_takes_keys_and_signatures_in_order, single_without_its_output_signs_the_number_one,
        errors_have_names_and_texts);
}
