/* Taproot against the wallet vectors of BIP341: trees, tweaks, control blocks, sighashes, and the
 * signed transaction that they lead to. */
#include "../../src/script/verify.c"
#include "vectors.h"

static struct bytes member(const json_t *object, const char *name)
{
    return vector_hex(json_object_get(object, name));
}

static void check_hex(const uint8_t *data, const json_t *object, const char *name)
{
    struct bytes expected = member(object, name);

    ck_assert_mem_eq(data, expected.data, expected.size);
    free((void *)expected.data);
}

/* Walks the tree from left to right: each leaf's hash, and its control block against the output
 * key. */
static void check_leaves(const json_t *tree, const json_t *test, size_t *leaf_count)
{
    const json_t *intermediary = json_object_get(test, "intermediary");
    const json_t *expected = json_object_get(test, "expected");

    if (json_is_array(tree)) {
        check_leaves(json_array_get(tree, 0), test, leaf_count);
        check_leaves(json_array_get(tree, 1), test, leaf_count);
        return;
    }
    size_t index = (*leaf_count)++;
    struct bytes script = member(tree, "script");
    struct bytes leaf_hash =
        vector_hex(json_array_get(json_object_get(intermediary, "leafHashes"), index));
    struct bytes control =
        vector_hex(json_array_get(json_object_get(expected, "scriptPathControlBlocks"), index));
    struct bytes output = member(expected, "scriptPubKey");
    struct bytes program = bytes_sub(output, 2, 32);
    uint8_t leaf_version = (uint8_t)json_integer_value(json_object_get(tree, "leafVersion"));
    uint8_t hash[32];

    hash_leaf(hash, leaf_version, script);
    ck_assert_mem_eq(hash, leaf_hash.data, 32);
    ck_assert(is_committed(NULL, program, control, hash));
    for (size_t i = 0; i < control.size; i++) {
        /* The bits of the leaf version are committed to by the leaf's hash, not by the way up. */
        uint8_t change = i == 0 ? 1 : 0x10;

        ((uint8_t *)control.data)[i] ^= change;
        ck_assert(!is_committed(NULL, program, control, hash));
        ((uint8_t *)control.data)[i] ^= change;
    }
    ck_assert_int_eq(control.data[0] & LEAF_MASK, leaf_version);
    hash[31] ^= 1;
    ck_assert(!is_committed(NULL, program, control, hash));
    free((void *)script.data);
    free((void *)leaf_hash.data);
    free((void *)control.data);
    free((void *)output.data);
}

static void check_output(const json_t *test)
{
    const json_t *given = json_object_get(test, "given");
    const json_t *intermediary = json_object_get(test, "intermediary");
    const json_t *tree = json_object_get(given, "scriptTree");
    struct bytes internal_key = member(given, "internalPubkey");
    struct bytes output = member(json_object_get(test, "expected"), "scriptPubKey");
    struct bytes tweak = member(intermediary, "tweak");
    struct bytes program;
    size_t leaf_count = 0;
    int version;

    ck_assert(script_is_witness_program(output, &version, &program));
    ck_assert_int_eq(version, 1);
    check_hex(program.data, intermediary, "tweakedPubkey");
    ck_assert(signature_check_tweak(NULL, program.data, 0, internal_key.data, tweak.data) !=
              signature_check_tweak(NULL, program.data, 1, internal_key.data, tweak.data));
    if (!json_is_null(tree))
        check_leaves(tree, test, &leaf_count);
    ck_assert_uint_eq(leaf_count, json_array_size(json_object_get(intermediary, "leafHashes")));
    free((void *)internal_key.data);
    free((void *)output.data);
    free((void *)tweak.data);
}

static void check_input(const json_t *test, const struct tx *tx, const struct tx_output *prevouts,
                        const struct sighash_parts *parts)
{
    const json_t *given = json_object_get(test, "given");
    const json_t *intermediary = json_object_get(test, "intermediary");
    struct bytes signature = vector_hex(
        json_array_get(json_object_get(json_object_get(test, "expected"), "witness"), 0));
    uint32_t index = (uint32_t)json_integer_value(json_object_get(given, "txinIndex"));
    struct sighash_taproot spend = {0};
    uint8_t hash[32];

    ck_assert(sighash_taproot(hash, tx, index, prevouts,
                              (uint8_t)json_integer_value(json_object_get(given, "hashType")),
                              parts, &spend));
    check_hex(hash, intermediary, "sigHash");
    ck_assert(signature_check_schnorr(NULL, signature.data, prevouts[index].script_pubkey.data + 2,
                                      (struct bytes){hash, 32}));
    free((void *)signature.data);
}

static void check_spending(const json_t *test, size_t *count)
{
    const json_t *given = json_object_get(test, "given");
    const json_t *intermediary = json_object_get(test, "intermediary");
    const json_t *spent = json_object_get(given, "utxosSpent");
    const json_t *inputs = json_object_get(test, "inputSpending");
    struct bytes raw = member(json_object_get(test, "auxiliary"), "fullySignedTx");
    struct script_machine *machine = script_machine_new();
    struct tx_output prevouts[64] = {0};
    struct sighash_parts parts;
    struct arena arena;
    size_t i;
    const json_t *entry;
    struct tx tx;

    arena_init(&arena, 1 << 20);
    ck_assert(tx_parse(&tx, raw, &arena));
    ck_assert_uint_eq(tx.input_count, json_array_size(spent));
    json_array_foreach(spent, i, entry)
    {
        prevouts[i].script_pubkey = member(entry, "scriptPubKey");
        prevouts[i].amount_sat = json_integer_value(json_object_get(entry, "amountSats"));
    }
    sighash_parts_init(&parts, &tx, prevouts);
    check_hex(parts.amounts, intermediary, "hashAmounts");
    check_hex(parts.outputs, intermediary, "hashOutputs");
    check_hex(parts.prevouts, intermediary, "hashPrevouts");
    check_hex(parts.scripts, intermediary, "hashScriptPubkeys");
    check_hex(parts.sequences, intermediary, "hashSequences");
    json_array_foreach(inputs, i, entry)
    {
        check_input(entry, &tx, prevouts, &parts);
        ++*count;
    }
    for (uint32_t k = 0; k < tx.input_count; k++) {
        ck_assert_int_eq(script_verify(machine, &tx, k, prevouts, &parts, SCRIPT_VERIFY_ALL),
                         SCRIPT_OK);
        free((void *)prevouts[k].script_pubkey.data);
    }
    free((void *)raw.data);
    arena_clear(&arena);
    script_machine_free(machine);
}

START_TEST(bip341_wallet_vectors)
{
    const char *folder = shared_folder("bip-0341 vectors");

    if (folder == NULL)
        return;

    glob_t found = shared_glob(folder, "vectors/bips/bip-0341-wallet-test-vectors*.json");
    size_t outputs = 0, inputs = 0;

    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *root = json_load_file(found.gl_pathv[i], 0, NULL);
        size_t index;
        const json_t *test;

        ck_assert_msg(root != NULL, "%s", found.gl_pathv[i]);
        json_array_foreach(json_object_get(root, "scriptPubKey"), index, test)
        {
            check_output(test);
            outputs++;
        }
        json_array_foreach(json_object_get(root, "keyPathSpending"), index, test)
            check_spending(test, &inputs);
        json_decref(root);
    }
    globfree(&found);
    printf("bip-0341 vectors: %zu outputs, %zu inputs\n", outputs, inputs);
    ck_assert(outputs > 0 && inputs > 0);
}
END_TEST

int main(void)
{
    return SUITE_RUN("taproot", bip341_wallet_vectors);
}
