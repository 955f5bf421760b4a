#include "base/hash.h"
#include "script/machine.h"

#define LOCK_TIME_THRESHOLD 500000000  /* below: a height, from it on: a time */
#define SEQUENCE_DISABLE    (1u << 31) /* BIP68 */
#define SEQUENCE_IS_TIME    (1u << 22)
#define SEQUENCE_MASK       0xffffu

static bool is_disabled(uint8_t opcode)
{
    switch (opcode) {
    case OP_CAT:
    case OP_SUBSTR:
    case OP_LEFT:
    case OP_RIGHT:
    case OP_INVERT:
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_2MUL:
    case OP_2DIV:
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
    case OP_LSHIFT:
    case OP_RSHIFT:
        return true;
    }
    return false;
}

static bool is_minimal_push(const struct script_op *op)
{
    size_t size = op->data.size;

    if (size == 0)
        return op->opcode == OP_0;
    if (size == 1 &&
        ((op->data.data[0] >= 1 && op->data.data[0] <= 16) || op->data.data[0] == 0x81))
        return false; /* OP_1 to OP_16 or OP_1NEGATE would do */
    if (size < OP_PUSHDATA1)
        return op->opcode == size;
    return op->opcode ==
           (size <= 0xff ? OP_PUSHDATA1 : OP_PUSHDATA2); /* it is no longer than 520 */
}

/* Whether a lock asked for by a script is met by one of the transaction: both of one kind, and not
 * later. */
static bool is_met(int64_t wanted, int64_t given, int64_t first_of_second_kind)
{
    return (wanted < first_of_second_kind) == (given < first_of_second_kind) && wanted <= given;
}

/* BIP65 */
static enum script_error op_checklocktimeverify(struct script_machine *m)
{
    int64_t wanted;

    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 1, NUMBER_LOCK_TIME_SIZE_MAX, &wanted))
        return SCRIPT_ERR_SCRIPTNUM;
    if (wanted < 0)
        return SCRIPT_ERR_NEGATIVE_LOCKTIME;
    if (!is_met(wanted, m->tx->lock_time, LOCK_TIME_THRESHOLD) ||
        m->tx->inputs[m->input_index].sequence == SEQUENCE_FINAL)
        return SCRIPT_ERR_UNSATISFIED_LOCKTIME;
    return SCRIPT_OK;
}

/* BIP112 */
static enum script_error op_checksequenceverify(struct script_machine *m)
{
    uint32_t given = m->tx->inputs[m->input_index].sequence;
    int64_t wanted;

    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 1, NUMBER_LOCK_TIME_SIZE_MAX, &wanted))
        return SCRIPT_ERR_SCRIPTNUM;
    if (wanted < 0)
        return SCRIPT_ERR_NEGATIVE_LOCKTIME;
    if (wanted & SEQUENCE_DISABLE)
        return SCRIPT_OK;

    uint32_t mask = SEQUENCE_IS_TIME | SEQUENCE_MASK;

    if (m->tx->version < 2 || given & SEQUENCE_DISABLE ||
        !is_met(wanted & mask, given & mask, SEQUENCE_IS_TIME))
        return SCRIPT_ERR_UNSATISFIED_LOCKTIME;
    return SCRIPT_OK;
}

static void if_push(struct script_machine *m, bool taken)
{
    if (!taken && m->first_false == NO_FALSE)
        m->first_false = m->if_depth;
    m->if_depth++;
}

static enum script_error op_if(struct script_machine *m, bool wanted)
{
    if (m->first_false != NO_FALSE) {
        if_push(m, false);
        return SCRIPT_OK;
    }
    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;

    struct bytes condition = stack_bytes(m, 1);
    bool is_minimal = condition.size == 0 || (condition.size == 1 && condition.data[0] == 1);

    if (!is_minimal && m->version == VERSION_TAPSCRIPT)
        return SCRIPT_ERR_TAPSCRIPT_MINIMALIF;
    if (!is_minimal && m->version == VERSION_V0 && m->flags & SCRIPT_VERIFY_MINIMALIF)
        return SCRIPT_ERR_MINIMALIF;
    if_push(m, bytes_are_true(condition) == wanted);
    stack_drop(m, 1);
    return SCRIPT_OK;
}

static enum script_error op_else(struct script_machine *m)
{
    if (m->if_depth == 0)
        return SCRIPT_ERR_UNBALANCED_CONDITIONAL;
    if (m->first_false == NO_FALSE)
        m->first_false = m->if_depth - 1;
    else if (m->first_false == m->if_depth - 1)
        m->first_false = NO_FALSE;
    return SCRIPT_OK;
}

static enum script_error op_endif(struct script_machine *m)
{
    if (m->if_depth == 0)
        return SCRIPT_ERR_UNBALANCED_CONDITIONAL;
    m->if_depth--;
    if (m->first_false == m->if_depth)
        m->first_false = NO_FALSE;
    return SCRIPT_OK;
}

static enum script_error op_verify(struct script_machine *m)
{
    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_is_true(m))
        return SCRIPT_ERR_VERIFY;
    stack_drop(m, 1);
    return SCRIPT_OK;
}

/* Pushes the count elements that begin from places below the top. */
static enum script_error op_copy(struct script_machine *m, uint32_t from, uint32_t count)
{
    if (m->depth < from)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    for (uint32_t i = 0; i < count; i++)
        stack_push(m, stack_top(m, from));
    return SCRIPT_OK;
}

static enum script_error op_drop(struct script_machine *m, uint32_t count)
{
    if (m->depth < count)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    stack_drop(m, count);
    return SCRIPT_OK;
}

/* Moves the count elements that begin from places below the top to the top. */
static enum script_error op_raise(struct script_machine *m, uint32_t from, uint32_t count)
{
    struct element moved[2];

    if (m->depth < from)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;

    struct element *first = stack_top(m, from);

    memcpy(moved, first, count * sizeof *first);
    memmove(first, first + count, (from - count) * sizeof *first);
    memcpy(first + from - count, moved, count * sizeof *first);
    return SCRIPT_OK;
}

/* OP_PICK copies the nth element to the top, OP_ROLL moves it there. */
static enum script_error op_pick_or_roll(struct script_machine *m, uint8_t opcode)
{
    int64_t n;

    if (m->depth < 2)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 1, NUMBER_SIZE_MAX, &n))
        return SCRIPT_ERR_SCRIPTNUM;
    stack_drop(m, 1);
    if (n < 0 || (uint64_t)n >= m->depth + m->hidden)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (n >= m->depth)
        return SCRIPT_ERR_STACK_SIZE; /* it is among the hidden ones, so there are too many */
    return opcode == OP_PICK ? op_copy(m, (uint32_t)n + 1, 1) : op_raise(m, (uint32_t)n + 1, 1);
}

/* x1 x2 -- x2 x1 x2 */
static enum script_error op_tuck(struct script_machine *m)
{
    enum script_error error = op_raise(m, 2, 1);

    return error ? error : op_copy(m, 2, 1);
}

static enum script_error op_nip(struct script_machine *m)
{
    enum script_error error = op_raise(m, 2, 1);

    return error ? error : op_drop(m, 1);
}

static enum script_error op_ifdup(struct script_machine *m)
{
    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    return stack_is_true(m) ? op_copy(m, 1, 1) : SCRIPT_OK;
}

static enum script_error op_toaltstack(struct script_machine *m)
{
    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    m->elements[ELEMENTS_MAX - ++m->alt_depth] = *stack_top(m, 1);
    stack_drop(m, 1);
    return SCRIPT_OK;
}

static enum script_error op_fromaltstack(struct script_machine *m)
{
    if (m->alt_depth < 1)
        return SCRIPT_ERR_INVALID_ALTSTACK_OPERATION;
    stack_push(m, &m->elements[ELEMENTS_MAX - m->alt_depth--]);
    return SCRIPT_OK;
}

static enum script_error op_size(struct script_machine *m)
{
    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    stack_push_number(m, stack_top(m, 1)->size);
    return SCRIPT_OK;
}

static enum script_error op_equal(struct script_machine *m, bool is_verify)
{
    if (m->depth < 2)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;

    bool is_equal = bytes_equal(stack_bytes(m, 2), stack_bytes(m, 1));

    stack_drop(m, 2);
    if (!is_verify)
        stack_push_bool(m, is_equal);
    else if (!is_equal)
        return SCRIPT_ERR_EQUALVERIFY;
    return SCRIPT_OK;
}

static enum script_error op_unary(struct script_machine *m, uint8_t opcode)
{
    int64_t a;

    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 1, NUMBER_SIZE_MAX, &a))
        return SCRIPT_ERR_SCRIPTNUM;
    stack_drop(m, 1);
    stack_push_number(m, opcode == OP_1ADD     ? a + 1
                         : opcode == OP_1SUB   ? a - 1
                         : opcode == OP_NEGATE ? -a
                         : opcode == OP_ABS    ? (a < 0 ? -a : a)
                         : opcode == OP_NOT    ? a == 0
                                               : a != 0 /* OP_0NOTEQUAL */);
    return SCRIPT_OK;
}

static int64_t binary_result(uint8_t opcode, int64_t a, int64_t b)
{
    switch (opcode) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_BOOLAND:
        return a != 0 && b != 0;
    case OP_BOOLOR:
        return a != 0 || b != 0;
    case OP_NUMEQUAL:
    case OP_NUMEQUALVERIFY:
        return a == b;
    case OP_NUMNOTEQUAL:
        return a != b;
    case OP_LESSTHAN:
        return a < b;
    case OP_GREATERTHAN:
        return a > b;
    case OP_LESSTHANOREQUAL:
        return a <= b;
    case OP_GREATERTHANOREQUAL:
        return a >= b;
    case OP_MIN:
        return a < b ? a : b;
    case OP_MAX:
        return a > b ? a : b;
    }
    assert(!"a binary operation");
    return 0;
}

static enum script_error op_binary(struct script_machine *m, uint8_t opcode)
{
    int64_t a, b;

    if (m->depth < 2)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 2, NUMBER_SIZE_MAX, &a) || !stack_number(m, 1, NUMBER_SIZE_MAX, &b))
        return SCRIPT_ERR_SCRIPTNUM;

    int64_t result = binary_result(opcode, a, b);

    stack_drop(m, 2);
    if (opcode != OP_NUMEQUALVERIFY)
        stack_push_number(m, result);
    else if (!result)
        return SCRIPT_ERR_NUMEQUALVERIFY;
    return SCRIPT_OK;
}

static enum script_error op_within(struct script_machine *m)
{
    int64_t x, least, end;

    if (m->depth < 3)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 3, NUMBER_SIZE_MAX, &x) || !stack_number(m, 2, NUMBER_SIZE_MAX, &least) ||
        !stack_number(m, 1, NUMBER_SIZE_MAX, &end))
        return SCRIPT_ERR_SCRIPTNUM;
    stack_drop(m, 3);
    stack_push_bool(m, least <= x && x < end);
    return SCRIPT_OK;
}

static enum script_error op_hash(struct script_machine *m, uint8_t opcode)
{
    uint8_t hash[32];
    size_t size = 20;

    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;

    struct bytes in = stack_bytes(m, 1);

    switch (opcode) {
    case OP_RIPEMD160:
        ripemd160_once(hash, in.data, in.size);
        break;
    case OP_SHA1:
        sha1_once(hash, in.data, in.size);
        break;
    case OP_HASH160:
        hash160_once(hash, in.data, in.size);
        break;
    case OP_SHA256:
        sha256_once(hash, in.data, in.size);
        size = 32;
        break;
    case OP_HASH256:
        sha256d_once(hash, in.data, in.size);
        size = 32;
        break;
    }
    stack_drop(m, 1);
    stack_push_copy(m, hash, size);
    return SCRIPT_OK;
}

/* One operation, which is no push of bytes and is executed (or begins or ends a branch). */
static enum script_error execute(struct script_machine *m, uint8_t opcode, const struct cursor *c)
{
    switch (opcode) {
    case OP_1NEGATE:
    case OP_1:
    case OP_2:
    case OP_3:
    case OP_4:
    case OP_5:
    case OP_6:
    case OP_7:
    case OP_8:
    case OP_9:
    case OP_10:
    case OP_11:
    case OP_12:
    case OP_13:
    case OP_14:
    case OP_15:
    case OP_16:
        stack_push_number(m, opcode - (OP_1 - 1));
        return SCRIPT_OK;

    case OP_NOP:
        return SCRIPT_OK;
    case OP_CHECKLOCKTIMEVERIFY:
        return m->flags & SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY ? op_checklocktimeverify(m) : SCRIPT_OK;
    case OP_CHECKSEQUENCEVERIFY:
        return m->flags & SCRIPT_VERIFY_CHECKSEQUENCEVERIFY ? op_checksequenceverify(m) : SCRIPT_OK;
    case OP_NOP1:
    case OP_NOP4:
    case OP_NOP5:
    case OP_NOP6:
    case OP_NOP7:
    case OP_NOP8:
    case OP_NOP9:
    case OP_NOP10:
        return m->flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_NOPS
                   ? SCRIPT_ERR_DISCOURAGE_UPGRADABLE_NOPS
                   : SCRIPT_OK;
    case OP_IF:
        return op_if(m, true);
    case OP_NOTIF:
        return op_if(m, false);
    case OP_ELSE:
        return op_else(m);
    case OP_ENDIF:
        return op_endif(m);
    case OP_VERIFY:
        return op_verify(m);
    case OP_RETURN:
        return SCRIPT_ERR_OP_RETURN;

    case OP_TOALTSTACK:
        return op_toaltstack(m);
    case OP_FROMALTSTACK:
        return op_fromaltstack(m);
    case OP_2DROP:
        return op_drop(m, 2);
    case OP_2DUP:
        return op_copy(m, 2, 2);
    case OP_3DUP:
        return op_copy(m, 3, 3);
    case OP_2OVER:
        return op_copy(m, 4, 2);
    case OP_2ROT:
        return op_raise(m, 6, 2);
    case OP_2SWAP:
        return op_raise(m, 4, 2);
    case OP_IFDUP:
        return op_ifdup(m);
    case OP_DEPTH:
        stack_push_number(m, m->depth + (int64_t)m->hidden);
        return SCRIPT_OK;
    case OP_DROP:
        return op_drop(m, 1);
    case OP_DUP:
        return op_copy(m, 1, 1);
    case OP_NIP:
        return op_nip(m);
    case OP_OVER:
        return op_copy(m, 2, 1);
    case OP_PICK:
    case OP_ROLL:
        return op_pick_or_roll(m, opcode);
    case OP_ROT:
        return op_raise(m, 3, 1);
    case OP_SWAP:
        return op_raise(m, 2, 1);
    case OP_TUCK:
        return op_tuck(m);
    case OP_SIZE:
        return op_size(m);
    case OP_EQUAL:
    case OP_EQUALVERIFY:
        return op_equal(m, opcode == OP_EQUALVERIFY);

    case OP_1ADD:
    case OP_1SUB:
    case OP_NEGATE:
    case OP_ABS:
    case OP_NOT:
    case OP_0NOTEQUAL:
        return op_unary(m, opcode);
    case OP_ADD:
    case OP_SUB:
    case OP_BOOLAND:
    case OP_BOOLOR:
    case OP_NUMEQUAL:
    case OP_NUMEQUALVERIFY:
    case OP_NUMNOTEQUAL:
    case OP_LESSTHAN:
    case OP_GREATERTHAN:
    case OP_LESSTHANOREQUAL:
    case OP_GREATERTHANOREQUAL:
    case OP_MIN:
    case OP_MAX:
        return op_binary(m, opcode);
    case OP_WITHIN:
        return op_within(m);

    case OP_RIPEMD160:
    case OP_SHA1:
    case OP_SHA256:
    case OP_HASH160:
    case OP_HASH256:
        return op_hash(m, opcode);
    case OP_CODESEPARATOR:
        m->code_start = c->at;
        m->spend.code_separator_position = m->op_position;
        return SCRIPT_OK;
    case OP_CHECKSIG:
    case OP_CHECKSIGVERIFY:
        return op_checksig(m, opcode == OP_CHECKSIGVERIFY);
    case OP_CHECKSIGADD:
        return op_checksigadd(m);
    case OP_CHECKMULTISIG:
    case OP_CHECKMULTISIGVERIFY:
        return op_checkmultisig(m, opcode == OP_CHECKMULTISIGVERIFY);
    }
    return SCRIPT_ERR_BAD_OPCODE;
}

static enum script_error step(struct script_machine *m, struct cursor *c)
{
    bool is_executed = m->first_false == NO_FALSE;
    struct script_op op;

    if (!script_op_read(&op, c))
        return SCRIPT_ERR_BAD_OPCODE;
    if (op.data.size > ELEMENT_SIZE_MAX)
        return SCRIPT_ERR_PUSH_SIZE;
    if (m->version != VERSION_TAPSCRIPT && op.opcode > OP_16 && ++m->op_count > OPS_MAX)
        return SCRIPT_ERR_OP_COUNT;
    if (is_disabled(op.opcode))
        return SCRIPT_ERR_DISABLED_OPCODE;
    if (op.opcode == OP_CODESEPARATOR && m->version == VERSION_LEGACY &&
        m->flags & SCRIPT_VERIFY_CONST_SCRIPTCODE)
        return SCRIPT_ERR_OP_CODESEPARATOR;

    enum script_error error = SCRIPT_OK;

    if (is_executed && op.opcode <= OP_PUSHDATA4) {
        if (m->flags & SCRIPT_VERIFY_MINIMALDATA && !is_minimal_push(&op))
            return SCRIPT_ERR_MINIMALDATA;
        stack_push_view(m, op.data);
    } else if (is_executed || (op.opcode >= OP_IF && op.opcode <= OP_ENDIF)) {
        error = execute(m, op.opcode, c);
    }
    if (error)
        return error;
    if (m->depth + m->alt_depth > STACK_DEPTH_MAX)
        return SCRIPT_ERR_STACK_SIZE;
    m->op_position++;
    return SCRIPT_OK;
}

enum script_error machine_run(struct script_machine *m, enum script_version version,
                              struct bytes script)
{
    struct cursor c = cursor_of(script);

    if (version != VERSION_TAPSCRIPT && script.size > SCRIPT_SIZE_MAX)
        return SCRIPT_ERR_SCRIPT_SIZE;
    m->version = version;
    m->script = script;
    m->code_start = script.data;
    m->op_position = 0;
    m->op_count = 0;
    m->if_depth = 0;
    m->first_false = NO_FALSE;
    m->alt_depth = 0;
    m->spend.code_separator_position = UINT32_MAX;
    while (cursor_left(&c) > 0) {
        enum script_error error = step(m, &c);

        if (error)
            return error;
    }
    return m->if_depth == 0 ? SCRIPT_OK : SCRIPT_ERR_UNBALANCED_CONDITIONAL;
}
