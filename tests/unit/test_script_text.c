#include "build_tx.h"
#include "codec/opcode.h"
#include "codec/script_text.h"
#include "vectors.h"

/* The script in hex gives this list; NULL: it is none. */
static void check_list(const char *hex, const char *list)
{
    struct bytes script = hex_load(hex);
    struct text text;

    text_init(&text, 1 << 20);
    text_printf(&text, "before");
    ck_assert_msg(script_text(&text, script) == (list != NULL), "%s", hex);
    ck_assert_str_eq(text_cstr(&text) + strlen("before"), list != NULL ? list : "");
    text_clear(&text);
    free((void *)script.data);
}

START_TEST(operations_and_pushes)
{
    check_list("", "[]");
    check_list("76a91467a5b321d47682682249a4baa1cf53de4f6d270188ac",
               "['OP_DUP', 'OP_HASH160', '0x67a5b321d47682682249a4baa1cf53de4f6d2701', "
               "'OP_EQUALVERIFY', 'OP_CHECKSIG']");
    check_list("00", "['']");
    check_list("4f5160", "['0x81', '0x01', '0x10']");
    check_list("4c00", "['']");
    check_list("4c01aa", "['0xaa']");
    check_list("4d0100bb", "['0xbb']");
    check_list("4e01000000cc", "['0xcc']");
    check_list("02abcd50", "['0xabcd', 'OP_RESERVED']");
    check_list("ab", "['OP_CODESEPARATOR']");
    check_list("7e80b1b2ba", "['OP_CAT', 'OP_LEFT', 'OP_CHECKLOCKTIMEVERIFY', "
                             "'OP_CHECKSEQUENCEVERIFY', 'OP_CHECKSIGADD']");
    check_list("bbfcff", "['OP_INVALID_bb', 'OP_INVALID_fc', 'OP_INVALIDOPCODE']");
    check_list("fafbfdfe", "['OP_SMALLINTEGER', 'OP_PUBKEYS', 'OP_PUBKEYHASH', 'OP_PUBKEY']");
}
END_TEST

static void check_parsed(const char *hex, const char *list)
{
    struct bytes script = hex_load(hex);
    struct text text;

    text_init(&text, 1 << 20);
    ck_assert_msg(script_parsed_text(&text, script) == (list != NULL), "%s", hex);
    ck_assert_str_eq(text_cstr(&text), list != NULL ? list : "");
    text_clear(&text);
    free((void *)script.data);
}

/* The first line is the README's of the first Caesure, but for the form of a push, which its code
 * has. */
START_TEST(parsed_scripts_are_pythons_tuples)
{
    check_parsed(
        "76a91467a5b321d47682682249a4baa1cf53de4f6d270188ac",
        "[(2, 118), (2, 169), (0, 'g\\xa5\\xb3!\\xd4v\\x82h\"I\\xa4\\xba\\xa1\\xcfS\\xdeOm\\'"
        "\\x01', 1), (2, 136), (3, 172, 'v\\xa9\\x14g\\xa5\\xb3!\\xd4v\\x82h\"I\\xa4\\xba\\xa1"
        "\\xcfS\\xdeOm\\'\\x01\\x88\\xac')]");
    check_parsed("", "[]");
    check_parsed("004f5160", "[(0, '', 0), (0, '\\x81', 0), (0, '\\x01', 0), (0, '\\x10', 0)]");
    check_parsed("4c00", "[(0, '', 2)]");
    check_parsed("4c01414d0100424e0100000043", "[(0, 'A', 2), (0, 'B', 3), (0, 'C', 4)]");
    check_parsed("02270a", "[(0, \"'\\n\", 1)]");
    check_parsed("0422275c7f", "[(0, '\"\\'\\\\\\x7f', 1)]");
    check_parsed("02090d", "[(0, '\\t\\r', 1)]");
    check_parsed("63516700686a", "[(1, True, [(0, '\\x01', 0)], [[(0, '', 0)]]), (2, 106)]");
    check_parsed("6468", "[(1, False, [], [])]");
    check_parsed("63676768", "[(1, True, [], [[], []])]");
    /* Signed is what comes behind the last separator of the same clause. */
    check_parsed("ac51abad",
                 "[(3, 172, '\\xacQ\\xab\\xad'), (0, '\\x01', 0), (4,), (3, 173, '\\xad')]");
    check_parsed(
        "ab63ae68af",
        "[(4,), (1, True, [(3, 174, '\\xabc\\xaeh\\xaf')], []), (3, 175, 'c\\xaeh\\xaf')]");
    check_parsed("02ab", NULL);
    check_parsed("63", NULL);
    check_parsed("65", NULL);
}
END_TEST

START_TEST(pushes_cut_short_are_no_list)
{
    check_list("02abcd", "['0xabcd']");
    check_list("02ab", NULL);
    check_list("4c", NULL);
    check_list("4c01", NULL);
    check_list("4d01", NULL);
    check_list("4d0100", NULL);
    check_list("4e010000", NULL);
    check_list("4effffffff00", NULL);
}
END_TEST

START_TEST(conditions_are_lists_of_their_own)
{
    check_list("63516700686a", "[['IF', '0x01', 'ELSE', ''], 'OP_RETURN']");
    check_list("6468", "[['NOTIF']]");
    check_list("63676768", "[['IF', 'ELSE', 'ELSE']]");
    check_list("5163526353686768", "['0x01', ['IF', '0x02', ['IF', '0x03'], 'ELSE']]");
    check_list("63", NULL);
    check_list("6367", NULL);
    check_list("636751", NULL);
    check_list("67", NULL);
    check_list("68", NULL);
    check_list("63686851", NULL);
    check_list("65", NULL);
    check_list("63666851", NULL);
    /* A trait of the first Caesure: only the first condition of a clause must be ended. */
    check_list("63686351", "[['IF'], ['IF', '0x01']]");
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char hex[4 * 200 + 1] = "";

    for (int depth = 1; depth <= 200; depth++) {
        struct text text;

        for (int i = 0; i < 2 * depth; i++)
            memcpy(hex + 2 * i, i < depth ? "63" : "68", 2);
        hex[4 * depth] = '\0';

        struct bytes script = hex_load(hex);

        text_init(&text, 1 << 20);
        ck_assert_int_eq(script_text(&text, script), depth <= 100);
        text_clear(&text);
        free((void *)script.data);
    }
}
END_TEST

START_TEST(names_and_numbers_agree)
{
    int named_count = 0;

    for (int i = 0; i < 256; i++) {
        const char *name = opcode_name((uint8_t)i);

        if (name == NULL)
            continue;
        named_count++;
        ck_assert_int_eq(opcode_find(name, strlen(name)), i);
        ck_assert_int_eq(opcode_find(name + 3, strlen(name) - 3), i);
    }
    ck_assert_int_eq(named_count, 1 + 3 + 1 + 1 + 16 + (OP_CHECKSIGADD - OP_NOP + 1) + 1);
    ck_assert_int_eq(OP_CHECKSIG, 0xac);
    ck_assert_int_eq(OP_CHECKLOCKTIMEVERIFY, 0xb1);
    ck_assert_int_eq(opcode_find("NOP2", 4), 0xb1);
    ck_assert_int_eq(opcode_find("OP_TRUE", 7), OP_1);
    ck_assert_int_eq(opcode_find("CHECKSI", 7), -1);
    ck_assert_int_eq(opcode_find("", 0), -1);
}
END_TEST

static void build_tx(struct build *b, bool has_witness)
{
    build_u32(b, 2);
    if (has_witness)
        build_raw(b, "\0\1", 2);
    build_count(b, 2);
    build_input(b, 0xaa, 1);
    build_raw(b,
              "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36"
              "\37\40\1\0\0\0",
              36);
    build_raw(b, "\2\2\x51", 3); /* a push that is cut short */
    build_u32(b, SEQUENCE_FINAL);
    build_count(b, 2);
    build_output(b, 3952026906, 1);
    build_u64(b, UINT64_MAX);
    build_raw(b, "\1\x63", 2);
    if (has_witness) {
        build_count(b, 0);
        build_count(b, 2);
        build_raw(b, "\0\1\xee", 3);
    }
    build_u32(b, 7);
}

static void check_tx(bool has_witness)
{
    static const char body[] =
        "inputs: 2\n"
        "  0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:170 ['0x01'] "
        "4294967294\n"
        "  1 201f1e1d1c1b1a191817161514131211100f0e0d0c0b0a090807060504030201:1 '0251' 4294967295\n"
        "outputs: 2\n"
        "  0 39.52026906 ['OP_RETURN']\n"
        "  1 184467440737.09551615 '63'\n"
        "lock_time: 7\n";
    struct build b = {0};
    struct arena arena;
    struct tx tx;
    struct text text;
    char shown[65];
    char expected[2000];

    build_tx(&b, has_witness);

    struct bytes data = build_take(&b);

    arena_init(&arena, 1 << 20);
    text_init(&text, 1 << 20);
    ck_assert(tx_parse(&tx, data, &arena));
    hash_to_hex(shown, tx.txid.bytes);
    snprintf(expected, sizeof expected, "hash: %s\n%s%s", shown, body,
             has_witness ? "witness:\n  0 []\n  1 ['', '0xee']\n" : "");
    tx_text(&text, &tx);
    ck_assert_str_eq(text_cstr(&text), expected);
    text_clear(&text);
    arena_clear(&arena);
    free((void *)data.data);
}

START_TEST(transaction_in_the_first_layout)
{
    check_tx(false);
    check_tx(true);
}
END_TEST

START_TEST(genesis_block_in_the_first_layout)
{
    static const char hex[] =
        "01000000000000000000000000000000000000000000000000000000000000000000000"
        "03ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49"
        "ffff001d1dac2b7c01010000000100000000000000000000000000000000000000000000000000000000000000"
        "00"
        "ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72"
        "20"
        "6f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a"
        "01"
        "000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38"
        "c4"
        "f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000";
    static const char expected[] =
        "version:1\n"
        "prev_block:<0000000000000000000000000000000000000000000000000000000000000000>\n"
        "merkle_root:<4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b>\n"
        "timestamp:1231006505\n"
        "bits:1d00ffff\n"
        "nonce:2083236893\n"
        "tx 0 {\n"
        "hash: 4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b\n"
        "inputs: 1\n"
        "  0 0000000000000000000000000000000000000000000000000000000000000000:4294967295 "
        "['0xffff001d', '0x04', "
        "'0x5468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f7220"
        "6f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73'] 4294967295\n"
        "outputs: 1\n"
        "  0 50.00000000 "
        "['0x04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc"
        "3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f', 'OP_CHECKSIG']\n"
        "lock_time: 0\n"
        "}\n";
    struct bytes data = hex_load(hex);
    struct arena arena;
    struct block block;
    struct text text;

    arena_init(&arena, 1 << 20);
    text_init(&text, 1 << 20);
    ck_assert(block_parse(&block, data, &arena, true));
    block_text(&text, &block);
    ck_assert_str_eq(text_cstr(&text), expected);
    text_clear(&text);
    /* A text too small for it stays within its bound. */
    text_init(&text, 300);
    block_text(&text, &block);
    ck_assert(text.is_cut_off);
    ck_assert_uint_le(text.size, 300);
    text_clear(&text);
    arena_clear(&arena);
    free((void *)data.data);
}
END_TEST

int main(void)
{
    return SUITE_RUN("script_text", operations_and_pushes, parsed_scripts_are_pythons_tuples,
                     pushes_cut_short_are_no_list, conditions_are_lists_of_their_own,
                     nesting_is_bounded, names_and_numbers_agree, transaction_in_the_first_layout,
                     genesis_block_in_the_first_layout);
}
