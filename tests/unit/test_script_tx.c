/* The reference node's tx_valid and tx_invalid: whole transactions under sets of rules that the
 * vectors say are as large, or as small, as can be. */
#include "base/random.h"
#include "chain/tx_rules.h"
#include "script/verify.h"
#include "script_asm.h"
#include "vectors.h"

/* A vector: the transaction and the outputs it spends. */
struct spending {
    struct arena arena;
    struct bytes data;
    struct tx tx;
    struct tx_output *prevouts;
    struct sighash_parts parts;
};

static struct tx_output find_prevout(const json_t *known, const struct outpoint *outpoint,
                                     struct arena *arena)
{
    size_t i;
    const json_t *entry;

    json_array_foreach(known, i, entry)
    {
        const json_t *amount = json_array_get(entry, 3);
        struct txid txid;

        ck_assert(hash_from_hex(txid.bytes, vector_string(json_array_get(entry, 0))));
        if (!txid_equal(&txid, &outpoint->txid) ||
            (uint32_t)json_integer_value(json_array_get(entry, 1)) != outpoint->vout)
            continue;

        struct bytes script = asm_take(vector_string(json_array_get(entry, 2)));
        uint8_t *copy = arena_alloc(arena, script.size);

        memcpy(copy, script.data, script.size);
        free((void *)script.data);
        return (struct tx_output){.amount_sat = amount ? json_integer_value(amount) : 0,
                                  .script_pubkey = {copy, script.size}};
    }
    ck_abort_msg("a prevout is missing");
}

/* False if the transaction cannot be read or breaks a rule that needs no scripts. */
static bool load(struct spending *s, const json_t *test)
{
    arena_init(&s->arena, 1 << 24);
    s->data = vector_hex(json_array_get(test, 1));
    if (!tx_parse(&s->tx, s->data, &s->arena))
        return false;

    const struct outpoint **scratch =
        arena_array(&s->arena, s->tx.input_count, sizeof(struct outpoint *));

    if (tx_check(&s->tx, scratch) != VALID)
        return false;
    s->prevouts = arena_array(&s->arena, s->tx.input_count, sizeof *s->prevouts);
    for (uint32_t i = 0; i < s->tx.input_count; i++)
        s->prevouts[i] = find_prevout(json_array_get(test, 0), &s->tx.inputs[i].prevout, &s->arena);
    sighash_parts_init(&s->parts, &s->tx, s->prevouts);
    return true;
}

static bool verifies(struct script_machine *machine, const struct spending *s, uint32_t flags)
{
    for (uint32_t i = 0; i < s->tx.input_count; i++)
        if (script_verify(machine, &s->tx, i, s->prevouts, &s->parts, flags) != SCRIPT_OK)
            return false;
    return true;
}

/* Valid under all rules but those named; fewer rules keep it valid, and none of those named could
 * be left in. */
static void check_valid(struct script_machine *machine, const struct spending *s, uint32_t excluded,
                        const char *text, struct prng *prng)
{
    uint32_t flags = SCRIPT_VERIFY_ALL & ~excluded;

    ck_assert_msg(script_flags_are_sound(flags), "bad flags: %s", text);
    ck_assert_msg(verifies(machine, s, flags), "%s", text);
    for (uint32_t bit = 1; bit < SCRIPT_VERIFY_ALL; bit <<= 1) {
        uint32_t fewer = (uint32_t)prng_next(prng);
        uint32_t one_more = flags_trim(excluded & ~bit);

        ck_assert_msg(verifies(machine, s, flags_trim(flags & ~bit)), "without %x: %s", bit, text);
        ck_assert_msg(verifies(machine, s, flags_trim(flags & ~fewer)), "without %x: %s", fewer,
                      text);
        if (one_more != excluded)
            ck_assert_msg(!verifies(machine, s, SCRIPT_VERIFY_ALL & ~one_more),
                          "valid also with %x: %s", bit, text);
    }
}

/* Invalid under the rules named and under more of them; each of them is needed. */
static void check_invalid(struct script_machine *machine, const struct spending *s, uint32_t flags,
                          const char *text, struct prng *prng)
{
    ck_assert_msg(script_flags_are_sound(flags), "bad flags: %s", text);
    ck_assert_msg(!verifies(machine, s, flags), "%s", text);
    for (uint32_t bit = 1; bit < SCRIPT_VERIFY_ALL; bit <<= 1) {
        uint32_t more = (uint32_t)prng_next(prng) & SCRIPT_VERIFY_ALL;
        uint32_t one_less = flags_trim(flags & ~bit);

        ck_assert_msg(!verifies(machine, s, flags_fill(flags | bit)), "with %x: %s", bit, text);
        ck_assert_msg(!verifies(machine, s, flags_fill(flags | more)), "with %x: %s", more, text);
        if (one_less != flags)
            ck_assert_msg(verifies(machine, s, one_less), "invalid also without %x: %s", bit, text);
    }
}

static void run(const json_t *root, size_t *count, bool is_valid)
{
    struct script_machine *machine = script_machine_new();
    struct prng prng;
    size_t index;
    const json_t *test;

    prng_init(&prng, 1);
    json_array_foreach(root, index, test)
    {
        if (!json_is_array(json_array_get(test, 0)))
            continue; /* a comment */
        ck_assert_uint_eq(json_array_size(test), 3);

        const char *flags = vector_string(json_array_get(test, 2));
        char *text = json_dumps(test, 0);
        struct spending s;

        if (!load(&s, test))
            ck_assert_msg(!is_valid && strcmp(flags, "BADTX") == 0, "bad transaction: %s", text);
        else if (is_valid)
            check_valid(machine, &s, asm_flags(flags), text, &prng);
        else
            check_invalid(machine, &s, asm_flags(flags), text, &prng);
        free(text);
        free((void *)s.data.data);
        arena_clear(&s.arena);
        ++*count;
    }
    script_machine_free(machine);
}

static void run_valid(const json_t *root, size_t *count)
{
    run(root, count, true);
}

static void run_invalid(const json_t *root, size_t *count)
{
    run(root, count, false);
}

START_TEST(valid_transactions_are_valid_under_as_many_rules_as_said)
{
    vectors_run("vectors/core/tx_valid*.json", run_valid);
}
END_TEST

START_TEST(invalid_transactions_are_invalid_by_just_the_rules_said)
{
    vectors_run("vectors/core/tx_invalid*.json", run_invalid);
}
END_TEST

int main(void)
{
    return SUITE_RUN("script_tx", valid_transactions_are_valid_under_as_many_rules_as_said,
                     invalid_transactions_are_invalid_by_just_the_rules_said);
}
