#include "script/classify.h"

bool script_is_push_only(struct bytes script)
{
    struct cursor c = cursor_of(script);
    struct script_op op;

    while (cursor_left(&c) > 0)
        if (!script_op_read(&op, &c) || op.opcode > OP_16)
            return false;
    return true;
}
