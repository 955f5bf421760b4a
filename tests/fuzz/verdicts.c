#include "verdicts.h"

#include "kernel.h"
#include "script/verify.h"

struct machines {
    struct script_machine *fresh, *used;
};

uint32_t verdicts_flags(uint8_t byte)
{
    uint32_t flags = byte & SCRIPT_VERIFY_CONSENSUS;

    if (byte == 0 || byte & 0x80)
        return SCRIPT_VERIFY_CONSENSUS;
    return flags & SCRIPT_VERIFY_WITNESS ? flags | SCRIPT_VERIFY_P2SH : flags;
}

static void compare_input(const struct machines *machines, const struct tx *tx, uint32_t i,
                          const struct tx_output *prevouts, const struct sighash_parts *parts,
                          uint32_t flags, const struct kernel_tx *theirs)
{
    enum script_error error = script_verify(machines->used, tx, i, prevouts, parts, flags);

    assert(script_verify(machines->fresh, tx, i, prevouts, parts, flags) == error);
    assert(!theirs || kernel_script_passes(theirs, i, flags) == (error == SCRIPT_OK));
    for (uint32_t bit = 1; error == SCRIPT_OK && bit < SCRIPT_VERIFY_CONSENSUS; bit <<= 1)
        if (script_flags_are_sound(flags & ~bit))
            assert(script_verify(machines->used, tx, i, prevouts, parts, flags & ~bit) ==
                   SCRIPT_OK);
}

static void compare_inputs(const struct tx *tx, const struct tx_output *prevouts, uint32_t flags)
{
    static struct script_machine *used; /* by all transactions before */
    struct kernel_tx *theirs = NULL;
    struct sighash_parts parts;

    if (!used)
        used = script_machine_new();
    if (kernel_is_there()) {
        theirs = kernel_tx_new(tx->raw, prevouts, tx->input_count);
        assert(theirs);
    }
    struct machines machines = {script_machine_new(), used};
    sighash_parts_init(&parts, tx, prevouts);
    for (uint32_t i = 0; i < tx->input_count; i++)
        compare_input(&machines, tx, i, prevouts, &parts, flags, theirs);
    script_machine_free(machines.fresh);
    kernel_tx_free(theirs);
}

void verdicts_compare(struct bytes raw, const struct tx_output *prevouts, uint32_t count,
                      uint32_t flags)
{
    struct arena arena;
    struct tx tx;

    arena_init(&arena, 1 << 24);
    if (tx_parse(&tx, raw, &arena) && tx.input_count == count)
        compare_inputs(&tx, prevouts, flags);
    arena_clear(&arena);
}
