/* opcode.h - the numbers and names of the script operations (BIP65, BIP112, BIP342 included). The
 * numbers 0x01 to 0x4b push that many bytes and have no name; so have 0xbb to 0xfe, which mean
 * nothing. */
#ifndef CODEC_OPCODE_H
#define CODEC_OPCODE_H
#include "base/bytes.h"
#include "base/cursor.h"

#define OPCODE_LIST(X)                                                                             \
    X(OP_0, 0x00)                                                                                  \
    X(OP_PUSHDATA1, 0x4c)                                                                          \
    X(OP_PUSHDATA2, 0x4d)                                                                          \
    X(OP_PUSHDATA4, 0x4e)                                                                          \
    X(OP_1NEGATE, 0x4f)                                                                            \
    X(OP_RESERVED, 0x50)                                                                           \
    X(OP_1, 0x51)                                                                                  \
    X(OP_2, 0x52)                                                                                  \
    X(OP_3, 0x53)                                                                                  \
    X(OP_4, 0x54)                                                                                  \
    X(OP_5, 0x55)                                                                                  \
    X(OP_6, 0x56)                                                                                  \
    X(OP_7, 0x57)                                                                                  \
    X(OP_8, 0x58)                                                                                  \
    X(OP_9, 0x59)                                                                                  \
    X(OP_10, 0x5a)                                                                                 \
    X(OP_11, 0x5b)                                                                                 \
    X(OP_12, 0x5c)                                                                                 \
    X(OP_13, 0x5d)                                                                                 \
    X(OP_14, 0x5e)                                                                                 \
    X(OP_15, 0x5f)                                                                                 \
    X(OP_16, 0x60)                                                                                 \
    X(OP_NOP, 0x61)                                                                                \
    X(OP_VER, 0x62)                                                                                \
    X(OP_IF, 0x63)                                                                                 \
    X(OP_NOTIF, 0x64)                                                                              \
    X(OP_VERIF, 0x65)                                                                              \
    X(OP_VERNOTIF, 0x66)                                                                           \
    X(OP_ELSE, 0x67)                                                                               \
    X(OP_ENDIF, 0x68)                                                                              \
    X(OP_VERIFY, 0x69)                                                                             \
    X(OP_RETURN, 0x6a)                                                                             \
    X(OP_TOALTSTACK, 0x6b)                                                                         \
    X(OP_FROMALTSTACK, 0x6c)                                                                       \
    X(OP_2DROP, 0x6d)                                                                              \
    X(OP_2DUP, 0x6e)                                                                               \
    X(OP_3DUP, 0x6f)                                                                               \
    X(OP_2OVER, 0x70)                                                                              \
    X(OP_2ROT, 0x71)                                                                               \
    X(OP_2SWAP, 0x72)                                                                              \
    X(OP_IFDUP, 0x73)                                                                              \
    X(OP_DEPTH, 0x74)                                                                              \
    X(OP_DROP, 0x75)                                                                               \
    X(OP_DUP, 0x76)                                                                                \
    X(OP_NIP, 0x77)                                                                                \
    X(OP_OVER, 0x78)                                                                               \
    X(OP_PICK, 0x79)                                                                               \
    X(OP_ROLL, 0x7a)                                                                               \
    X(OP_ROT, 0x7b)                                                                                \
    X(OP_SWAP, 0x7c)                                                                               \
    X(OP_TUCK, 0x7d)                                                                               \
    X(OP_CAT, 0x7e)                                                                                \
    X(OP_SUBSTR, 0x7f)                                                                             \
    X(OP_LEFT, 0x80)                                                                               \
    X(OP_RIGHT, 0x81)                                                                              \
    X(OP_SIZE, 0x82)                                                                               \
    X(OP_INVERT, 0x83)                                                                             \
    X(OP_AND, 0x84)                                                                                \
    X(OP_OR, 0x85)                                                                                 \
    X(OP_XOR, 0x86)                                                                                \
    X(OP_EQUAL, 0x87)                                                                              \
    X(OP_EQUALVERIFY, 0x88)                                                                        \
    X(OP_RESERVED1, 0x89)                                                                          \
    X(OP_RESERVED2, 0x8a)                                                                          \
    X(OP_1ADD, 0x8b)                                                                               \
    X(OP_1SUB, 0x8c)                                                                               \
    X(OP_2MUL, 0x8d)                                                                               \
    X(OP_2DIV, 0x8e)                                                                               \
    X(OP_NEGATE, 0x8f)                                                                             \
    X(OP_ABS, 0x90)                                                                                \
    X(OP_NOT, 0x91)                                                                                \
    X(OP_0NOTEQUAL, 0x92)                                                                          \
    X(OP_ADD, 0x93)                                                                                \
    X(OP_SUB, 0x94)                                                                                \
    X(OP_MUL, 0x95)                                                                                \
    X(OP_DIV, 0x96)                                                                                \
    X(OP_MOD, 0x97)                                                                                \
    X(OP_LSHIFT, 0x98)                                                                             \
    X(OP_RSHIFT, 0x99)                                                                             \
    X(OP_BOOLAND, 0x9a)                                                                            \
    X(OP_BOOLOR, 0x9b)                                                                             \
    X(OP_NUMEQUAL, 0x9c)                                                                           \
    X(OP_NUMEQUALVERIFY, 0x9d)                                                                     \
    X(OP_NUMNOTEQUAL, 0x9e)                                                                        \
    X(OP_LESSTHAN, 0x9f)                                                                           \
    X(OP_GREATERTHAN, 0xa0)                                                                        \
    X(OP_LESSTHANOREQUAL, 0xa1)                                                                    \
    X(OP_GREATERTHANOREQUAL, 0xa2)                                                                 \
    X(OP_MIN, 0xa3)                                                                                \
    X(OP_MAX, 0xa4)                                                                                \
    X(OP_WITHIN, 0xa5)                                                                             \
    X(OP_RIPEMD160, 0xa6)                                                                          \
    X(OP_SHA1, 0xa7)                                                                               \
    X(OP_SHA256, 0xa8)                                                                             \
    X(OP_HASH160, 0xa9)                                                                            \
    X(OP_HASH256, 0xaa)                                                                            \
    X(OP_CODESEPARATOR, 0xab)                                                                      \
    X(OP_CHECKSIG, 0xac)                                                                           \
    X(OP_CHECKSIGVERIFY, 0xad)                                                                     \
    X(OP_CHECKMULTISIG, 0xae)                                                                      \
    X(OP_CHECKMULTISIGVERIFY, 0xaf)                                                                \
    X(OP_NOP1, 0xb0)                                                                               \
    X(OP_CHECKLOCKTIMEVERIFY, 0xb1)                                                                \
    X(OP_CHECKSEQUENCEVERIFY, 0xb2)                                                                \
    X(OP_NOP4, 0xb3)                                                                               \
    X(OP_NOP5, 0xb4)                                                                               \
    X(OP_NOP6, 0xb5)                                                                               \
    X(OP_NOP7, 0xb6)                                                                               \
    X(OP_NOP8, 0xb7)                                                                               \
    X(OP_NOP9, 0xb8)                                                                               \
    X(OP_NOP10, 0xb9)                                                                              \
    X(OP_CHECKSIGADD, 0xba)                                                                        \
    X(OP_INVALIDOPCODE, 0xff)

enum opcode {
#define X(name, value) name = (value),
    OPCODE_LIST(X)
#undef X
};

/* The name with OP_, or NULL if the number has none. */
const char *opcode_name(uint8_t opcode);

/* The number of a name of name_size bytes, with or without OP_ in front (OP_NOP2, OP_NOP3, OP_FALSE
 * and OP_TRUE are understood too); -1 for an unknown one. */
int opcode_find(const char *name, size_t name_size);

/* One operation of a script. A push has its data, else data is empty. False, with the cursor
 * failed, when the script ends inside a push; the caller asks cursor_left for the end. */
struct script_op {
    uint8_t opcode;
    struct bytes data;
};

static inline bool script_op_read(struct script_op *op, struct cursor *c)
{
    op->opcode = cursor_u8(c);
    op->data = (struct bytes){NULL, 0};
    if (op->opcode > OP_PUSHDATA4)
        return cursor_ok(c);

    uint32_t size = op->opcode;

    if (op->opcode == OP_PUSHDATA1)
        size = cursor_u8(c);
    else if (op->opcode == OP_PUSHDATA2)
        size = cursor_le16(c);
    else if (op->opcode == OP_PUSHDATA4)
        size = cursor_le32(c);
    op->data = cursor_take(c, size);
    return cursor_ok(c);
}
#endif
