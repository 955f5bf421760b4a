/* The rules of witness programs, version 0 and taproot, with their last good and first bad values.
 */
#include "shared_files.h"
#include "spend.h"

#define CONSENSUS SCRIPT_VERIFY_CONSENSUS

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

int main(void)
{
    return SUITE_RUN("script_witness", witness_v0_scripts, witness_v0_stacks_too_deep,
                     witness_v0_picks_from_a_stack_too_deep, a_multisig_takes_off_most,
                     witness_v0_limits, witness_programs, witness_program_in_p2sh,
                     tapscript_operations, every_number_that_means_success, tapscript_limits,
                     tapscript_budget_is_50_and_the_witness, taproot_control_blocks,
                     taproot_witnesses);
}
