/* machine.h - the state of the interpreter, shared by the files of script/ that run scripts.
 * Private to script/. */
#ifndef SCRIPT_MACHINE_H
#define SCRIPT_MACHINE_H
#include "codec/opcode.h"
#include "script/classify.h"
#include "script/number.h"
#include "script/verify.h"

#define ELEMENT_SIZE_MAX  520
#define STACK_DEPTH_MAX   1000
#define OPS_MAX           201
#define MULTISIG_KEYS_MAX 20

/* A witness v0 stack may begin deeper than STACK_DEPTH_MAX: the limit is asked after each
 * operation, and one takes off at most 2 + 2 × 20 + 1 elements. Of a stack that begins deeper than
 * this the elements below are only counted (hidden): its first operation is its last. */
#define LOADED_DEPTH_MAX (STACK_DEPTH_MAX + 60)
#define ELEMENTS_MAX     (LOADED_DEPTH_MAX + 4) /* an operation adds at most 3 */

/* What a script computes has at most 32 bytes and is kept here; what it pushes or gets is a view.
 */
struct element {
    const uint8_t *far; /* NULL: the bytes are in near */
    uint32_t size;
    uint8_t near[32];
};

enum script_version { VERSION_LEGACY, VERSION_V0, VERSION_TAPSCRIPT };

struct script_machine {
    /* The input being verified. */
    const struct tx *tx;
    uint32_t input_index;
    const struct tx_output *prevouts;
    const struct sighash_parts *parts;
    uint32_t flags;

    /* The script being run. */
    enum script_version version;
    struct bytes script;
    const uint8_t *code_start; /* behind the last executed OP_CODESEPARATOR */
    uint32_t op_position;      /* counts operations, for BIP342 */
    uint32_t op_count;         /* counts non-push operations, for OPS_MAX */

    /* The nested conditionals, as their number and the outermost one whose branch is not taken:
     * more cannot be seen from inside a script, so that no stack of them is needed. */
    uint32_t if_depth;
    uint32_t first_false; /* NO_FALSE: all branches are taken */

    uint32_t depth,
        alt_depth; /* of the stack, which grows up from elements[0], and the alt stack, down */
    uint64_t hidden;

    struct sighash_taproot spend;
    uint8_t annex_hash[32], leaf_hash[32];
    int64_t weight_left; /* BIP342 */

    struct key_cache *keys;
    struct bytes cached_code; /* what cache is of */
    struct sighash_cache cache;
    struct element elements[ELEMENTS_MAX];
    uint8_t code_buffer[SCRIPT_SIZE_MAX]; /* a script code with signatures deleted */
};

#define NO_FALSE UINT32_MAX

static inline struct bytes element_bytes(const struct element *e)
{
    return (struct bytes){e->far ? e->far : e->near, e->size};
}

/* Element i from the top, the topmost is 1. */
static inline struct element *stack_top(struct script_machine *m, uint32_t i)
{
    return &m->elements[m->depth - i];
}

static inline struct bytes stack_bytes(struct script_machine *m, uint32_t i)
{
    return element_bytes(stack_top(m, i));
}

static inline void stack_drop(struct script_machine *m, uint32_t count)
{
    m->depth -= count;
}

/* The bytes of view must outlive the run; view may not be of an element. */
static inline void stack_push_view(struct script_machine *m, struct bytes view)
{
    struct element *e = &m->elements[m->depth++];

    e->far = view.size > 0 ? view.data : NULL;
    e->size = (uint32_t)view.size;
}

/* Pushes a copy of e, which may be on the stack. */
static inline void stack_push(struct script_machine *m, const struct element *e)
{
    m->elements[m->depth++] = *e;
}

/* size <= 32 */
static inline void stack_push_copy(struct script_machine *m, const void *data, size_t size)
{
    struct element *e = &m->elements[m->depth++];

    e->far = NULL;
    e->size = (uint32_t)size;
    memcpy(e->near, data, size);
}

static inline void stack_push_number(struct script_machine *m, int64_t value)
{
    struct element *e = &m->elements[m->depth++];

    e->far = NULL;
    e->size = (uint32_t)number_write(e->near, value);
}

static inline void stack_push_bool(struct script_machine *m, bool value)
{
    stack_push_number(m, value);
}

static inline bool stack_number(struct script_machine *m, uint32_t i, size_t size_max,
                                int64_t *value)
{
    return number_read(value, stack_bytes(m, i), size_max, m->flags & SCRIPT_VERIFY_MINIMALDATA);
}

static inline bool stack_is_true(struct script_machine *m)
{
    return bytes_are_true(stack_bytes(m, 1));
}

/* interpreter.c: runs script on the stack as it is. The bytes of script outlive the run. */
enum script_error machine_run(struct script_machine *m, enum script_version version,
                              struct bytes script);

/* checksig.c: the operations with signatures, and the signature of taproot's key path. */
enum script_error op_checksig(struct script_machine *m, bool is_verify);
enum script_error op_checksigadd(struct script_machine *m);
enum script_error op_checkmultisig(struct script_machine *m, bool is_verify);
enum script_error check_schnorr(struct script_machine *m, struct bytes signature,
                                struct bytes pubkey);
#endif
