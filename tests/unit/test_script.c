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

START_TEST(errors_have_names_and_texts)
{
    ck_assert_str_eq(script_error_name(SCRIPT_OK), "OK");
    ck_assert_str_eq(script_error_name(SCRIPT_ERR_NULLFAIL), "NULLFAIL");
    ck_assert_str_eq(script_error_text(SCRIPT_ERR_SIG_DER), "Non-canonical DER signature");
}
END_TEST

int main(void)
{
    return SUITE_RUN("script", stack_operations, numbers, control_flow,
                     pushes_that_are_longer_than_needed, hash_operations, limits_of_a_script,
                     limit_of_both_stacks_together, multisig_counts, lock_times, pay_to_script_hash,
                     errors_have_names_and_texts);
}
