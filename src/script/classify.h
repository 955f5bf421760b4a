/* classify.h - the forms of scripts that rules know by sight. Pure; any thread. */
#ifndef SCRIPT_CLASSIFY_H
#define SCRIPT_CLASSIFY_H
#include "codec/opcode.h"

#define SCRIPT_SIZE_MAX 10000

static inline bool script_is_p2sh(struct bytes script)
{
    return script.size == 23 && script.data[0] == OP_HASH160 && script.data[1] == 20 &&
           script.data[22] == OP_EQUAL;
}

/* BIP141: a version opcode and one direct push of 2 to 40 bytes. */
static inline bool script_is_witness_program(struct bytes script, int *version,
                                             struct bytes *program)
{
    if (script.size < 4 || script.size > 42 || script.data[1] + 2u != script.size)
        return false;
    if (script.data[0] != OP_0 && (script.data[0] < OP_1 || script.data[0] > OP_16))
        return false;
    *version = script.data[0] == OP_0 ? 0 : script.data[0] - OP_1 + 1;
    *program = bytes_sub(script, 2, 40);
    return true;
}

/* No output with such a script is ever a coin. */
static inline bool script_is_unspendable(struct bytes script)
{
    return script.size > SCRIPT_SIZE_MAX || (script.size > 0 && script.data[0] == OP_RETURN);
}

/* Only pushes, in the reference's sense: OP_RESERVED counts, a truncated push does not. */
bool script_is_push_only(struct bytes script);
#endif
