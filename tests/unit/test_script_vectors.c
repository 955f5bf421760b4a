/* The reference node's script_tests: each script with its expected error, and the same verdict
 * under fewer rules when it passes and under more when it does not. */
#include "base/random.h"
#include "script/verify.h"
#include "script_asm.h"
#include "shared_files.h"
#include "taproot_tree.h"
#include "tx_draft.h"
#include "vectors.h"
#include <math.h>

#define FLAG_VARIANTS 48

struct spend {
    struct bytes script_sig, script_pubkey;
    struct build witness;
    uint32_t witness_count;
    int64_t amount_sat;
};

/* The transactions the vectors were signed for: one that pays script_pubkey and one that spends it.
 */
static void build_spending(struct tx *tx, const struct spend *spend, struct arena *arena)
{
    struct tx_input input = {.prevout = {.vout = UINT32_MAX},
                             .script_sig = {(const uint8_t *)"\0\0", 2},
                             .sequence = SEQUENCE_FINAL};
    struct tx_output output = {.amount_sat = spend->amount_sat,
                               .script_pubkey = spend->script_pubkey};
    struct tx draft = {
        .version = 1, .input_count = 1, .output_count = 1, .inputs = &input, .outputs = &output};

    draft_parse(tx, &draft, arena);
    input = (struct tx_input){.prevout = {.txid = tx->txid},
                              .script_sig = spend->script_sig,
                              .sequence = SEQUENCE_FINAL,
                              .witness = {spend->witness.data, spend->witness.size},
                              .witness_count = spend->witness_count};
    output.script_pubkey = (struct bytes){NULL, 0};
    free((void *)tx->raw.data);
    draft_parse(tx, &draft, arena);
}

static void check_spend(const struct spend *spend, uint32_t flags, const char *expected,
                        const char *text)
{
    struct tx_output prevout = {.amount_sat = spend->amount_sat,
                                .script_pubkey = spend->script_pubkey};
    struct script_machine *machine = script_machine_new();
    struct sighash_parts parts;
    struct arena arena;
    struct prng prng;
    struct tx tx;

    arena_init(&arena, 1 << 24);
    prng_init(&prng, flags);
    build_spending(&tx, spend, &arena);
    sighash_parts_init(&parts, &tx, &prevout);
    flags = flags_fill(flags);

    enum script_error error = script_verify(machine, &tx, 0, &prevout, &parts, flags);

    ck_assert_msg(strcmp(script_error_name(error), expected) == 0, "%s where %s: %s",
                  script_error_name(error), expected, text);
    for (int i = 0; i < FLAG_VARIANTS; i++) {
        uint32_t others = (uint32_t)prng_below(&prng, SCRIPT_VERIFY_ALL + 1);
        uint32_t varied = error == SCRIPT_OK ? flags & ~others : flags | others;

        if (!script_flags_are_sound(varied))
            continue;
        ck_assert_msg((script_verify(machine, &tx, 0, &prevout, &parts, varied) == SCRIPT_OK) ==
                          (error == SCRIPT_OK),
                      "other verdict under flags %x: %s", varied, text);
    }
    free((void *)tx.raw.data);
    arena_clear(&arena);
    script_machine_free(machine);
}

/* [item…, amount]: hex, or a script in words, or the control block of the script before it. */
static void read_witness(const json_t *items, struct spend *spend, uint8_t output_key[32])
{
    size_t count = json_array_size(items) - 1;
    struct bytes item = {NULL, 0};

    for (size_t i = 0; i < count; i++) {
        const char *text = vector_string(json_array_get(items, i));

        if (strcmp(text, "#CONTROLBLOCK#") == 0) {
            struct build control = {0};

            taproot_tree(item, 0xc0, 0, output_key, &control);
            draft_witness_item(&spend->witness, (struct bytes){control.data, control.size});
            free(control.data);
            continue;
        }
        free((void *)item.data);
        item = strncmp(text, "#SCRIPT#", 8) == 0 ? asm_take(text + 8) : hex_load(text);
        draft_witness_item(&spend->witness, item);
    }
    free((void *)item.data);
    spend->witness_count = (uint32_t)count;
    spend->amount_sat = llround(json_number_value(json_array_get(items, count)) * 1e8);
}

static void run_file(const json_t *root, size_t *count)
{
    size_t index;
    const json_t *test;

    json_array_foreach(root, index, test)
    {
        size_t at = json_is_array(json_array_get(test, 0)) ? 1 : 0;
        uint8_t output_script[34] = {OP_1, 32};
        struct spend spend = {0};

        if (json_array_size(test) < at + 4)
            continue; /* a comment */
        if (at == 1)
            read_witness(json_array_get(test, 0), &spend, output_script + 2);

        const char *script_pubkey = vector_string(json_array_get(test, at + 1));
        char *text = json_dumps(test, 0);

        spend.script_sig = asm_take(vector_string(json_array_get(test, at)));
        if (strcmp(script_pubkey, "0x51 0x20 #TAPROOTOUTPUT#") == 0) {
            spend.script_pubkey = (struct bytes){memcpy(xmalloc(34), output_script, 34), 34};
        } else {
            spend.script_pubkey = asm_take(script_pubkey);
        }
        check_spend(&spend, asm_flags(vector_string(json_array_get(test, at + 2))),
                    vector_string(json_array_get(test, at + 3)), text);
        free(text);
        free((void *)spend.script_sig.data);
        free((void *)spend.script_pubkey.data);
        free(spend.witness.data);
        ++*count;
    }
}

START_TEST(scripts_end_with_the_error_the_reference_names)
{
    vectors_run("vectors/core/script_tests*.json", run_file);
}
END_TEST

int main(void)
{
    return SUITE_RUN("script_vectors", scripts_end_with_the_error_the_reference_names);
}
