/* The taproot cases recorded by the reference node (taproot-assets): each puts a good and, in most
 * cases, a bad script_sig and witness into one input of a transaction. */
#include "script/verify.h"
#include "script_asm.h"
#include "tx_draft.h"
#include "vectors.h"

/* All sound sets of consensus flags, as the reference's harness takes them: TAPROOT needs WITNESS.
 */
static bool next_flags(uint32_t *flags)
{
    do {
        *flags = (*flags - SCRIPT_VERIFY_CONSENSUS) & SCRIPT_VERIFY_CONSENSUS;
    } while (!script_flags_are_sound(*flags) ||
             (*flags & SCRIPT_VERIFY_TAPROOT && !(*flags & SCRIPT_VERIFY_WITNESS)));
    return *flags != 0;
}

struct asset {
    struct arena arena;
    struct tx tx;
    struct tx_output *prevouts;
    uint32_t index, flags;
    bool is_final;
};

/* "prevouts" are serialized outputs. */
static void read_prevouts(struct asset *asset, const json_t *prevouts)
{
    ck_assert_uint_eq(json_array_size(prevouts), asset->tx.input_count);
    asset->prevouts = arena_array(&asset->arena, asset->tx.input_count, sizeof *asset->prevouts);
    for (uint32_t i = 0; i < asset->tx.input_count; i++) {
        struct bytes raw = vector_hex(json_array_get(prevouts, i));
        uint8_t *copy = arena_alloc(&asset->arena, raw.size);
        struct cursor c = {copy, copy + raw.size, false};

        memcpy(copy, raw.data, raw.size);
        free((void *)raw.data);
        asset->prevouts[i].amount_sat = (int64_t)cursor_le64(&c);
        asset->prevouts[i].script_pubkey = cursor_take(&c, compact_read(&c));
        ck_assert(cursor_ok(&c) && cursor_left(&c) == 0);
    }
}

static void check_spend(struct script_machine *machine, struct asset *asset, const json_t *spend,
                        bool is_success, const char *name)
{
    struct tx_input *input = &asset->tx.inputs[asset->index];
    const json_t *items = json_object_get(spend, "witness");
    struct bytes script_sig = vector_hex(json_object_get(spend, "scriptSig"));
    struct build witness = {0};
    struct sighash_parts parts;
    struct tx tx;

    for (size_t i = 0; i < json_array_size(items); i++) {
        struct bytes item = vector_hex(json_array_get(items, i));

        draft_witness_item(&witness, item);
        free((void *)item.data);
    }
    input->script_sig = script_sig;
    input->witness = (struct bytes){witness.data, witness.size};
    input->witness_count = (uint32_t)json_array_size(items);
    draft_parse(&tx, &asset->tx, &asset->arena);
    sighash_parts_init(&parts, &tx, asset->prevouts);

    uint32_t flags = 0;

    do {
        bool is_covered = is_success ? asset->is_final || (flags & asset->flags) == flags
                                     : (flags & asset->flags) == asset->flags;

        if (is_covered)
            ck_assert_msg((script_verify(machine, &tx, asset->index, asset->prevouts, &parts,
                                         flags) == SCRIPT_OK) == is_success,
                          "%s: %s, flags %x", name, is_success ? "fails" : "passes", flags);
    } while (next_flags(&flags));
    free((void *)tx.raw.data);
    free((void *)script_sig.data);
    free(witness.data);
}

static void run_file(const json_t *root, size_t *count)
{
    struct script_machine *machine = script_machine_new();
    size_t index;
    const json_t *test;
    size_t failure_count = 0;

    json_array_foreach(root, index, test)
    {
        const char *name = vector_string(json_object_get(test, "comment"));
        const json_t *success = json_object_get(test, "success");
        const json_t *failure = json_object_get(test, "failure");
        struct bytes raw = vector_hex(json_object_get(test, "tx"));
        struct asset asset = {.index = (uint32_t)json_integer_value(json_object_get(test, "index")),
                              .flags = asm_flags(vector_string(json_object_get(test, "flags"))),
                              .is_final = json_is_true(json_object_get(test, "final"))};

        arena_init(&asset.arena, 1 << 26);
        ck_assert_msg(tx_parse(&asset.tx, raw, &asset.arena), "%s: cannot be read", name);
        read_prevouts(&asset, json_object_get(test, "prevouts"));
        if (success)
            check_spend(machine, &asset, success, true, name);
        if (failure)
            check_spend(machine, &asset, failure, false, name);
        ck_assert(success || failure);
        failure_count += failure != NULL;
        free((void *)raw.data);
        arena_clear(&asset.arena);
        ++*count;
    }
    printf("%zu of the cases have a spend that must fail\n", failure_count);
    script_machine_free(machine);
}

START_TEST(recorded_taproot_cases)
{
    vectors_run("vectors/taproot/taproot-assets*.json", run_file);
}
END_TEST

int main(void)
{
    return SUITE_RUN("script_assets", recorded_taproot_cases);
}
