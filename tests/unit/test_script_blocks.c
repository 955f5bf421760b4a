/* Real blocks: every input verifies under the rules of its height, and no longer does when a byte
 * that its signatures or hashes commit to is changed. */
#include "base/random.h"
#include "real_block.h"
#include "script/classify.h"
#include "script/sigops.h"
#include "script/verify.h"

#define MUTATION_COUNT      20000
#define MUTATED_TX_SIZE_MAX 100000 /* larger ones take long to be hashed again */

START_TEST(every_input_verifies)
{
    const char *folder = shared_folder("real blocks");

    if (folder == NULL)
        return;

    struct script_machine *machine = script_machine_new();
    glob_t found = shared_glob(folder, "data/blocks/*.prevouts");
    uint32_t count = 0;

    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct real_block b;

        real_block_load(&b, found.gl_pathv[i]);
        for (uint32_t t = 1; t < b.block.tx_count; t++)
            for (uint32_t k = 0; k < b.block.txs[t].input_count; k++) {
                enum script_error error =
                    script_verify(machine, &b.block.txs[t], k, b.prevouts + b.first_input[t],
                                  &b.parts[t], b.flags);

                ck_assert_msg(error == SCRIPT_OK, "%s, transaction %u, input %u: %s", b.name, t, k,
                              script_error_name(error));
            }
        count += b.input_count;
        real_block_clear(&b);
    }
    printf("real blocks: %u inputs in %zu blocks\n", count, found.gl_pathc);
    globfree(&found);
    script_machine_free(machine);
}
END_TEST

/* What is changed. */
enum kind { SCRIPT_SIG, WITNESS, PREVOUT_SCRIPT, AMOUNT, KIND_COUNT };

static const char *const kind_names[] = {"script_sig", "witness", "prevout script", "amount"};

struct mutation {
    struct real_block *block;
    uint32_t tx_index, input_index;
    enum kind kind;
    uint8_t *byte;
    uint8_t change;
    bool is_in_signature;
};

static struct tx *mutated_tx(const struct mutation *m)
{
    return &m->block->block.txs[m->tx_index];
}

static struct tx_input *mutated_input(const struct mutation *m)
{
    return &mutated_tx(m)->inputs[m->input_index];
}

static struct tx_output *mutated_prevout(const struct mutation *m)
{
    return &m->block->prevouts[m->block->first_input[m->tx_index] + m->input_index];
}

static bool looks_like_signature(struct bytes b)
{
    return (b.size > 60 && b.size <= 80 && b.data[0] == 0x30) || b.size == 64 ||
           (b.size == 65 && b.data[0] != 4);
}

/* A byte of script_sig, and whether a signature is pushed there. */
static void choose_in_script_sig(struct mutation *m, struct prng *prng)
{
    struct bytes script_sig = mutated_input(m)->script_sig;
    const uint8_t *byte = script_sig.data + prng_below(prng, script_sig.size);
    struct cursor c = cursor_of(script_sig);
    struct script_op op = {0};

    while (c.at <= byte && script_op_read(&op, &c))
        continue;
    m->byte = (uint8_t *)byte;
    m->is_in_signature = byte >= op.data.data && looks_like_signature(op.data);
}

/* A byte of some item; false if the item chosen has none. */
static bool choose_in_witness(struct mutation *m, struct prng *prng)
{
    struct tx_input *input = mutated_input(m);
    struct cursor c = cursor_of(input->witness);
    uint64_t number = prng_below(prng, input->witness_count);
    struct bytes item = witness_next(&c);

    while (number-- > 0)
        item = witness_next(&c);
    if (item.size == 0)
        return false;
    m->byte = (uint8_t *)item.data + prng_below(prng, item.size);
    m->is_in_signature = looks_like_signature(item);
    return true;
}

static bool choose(struct mutation *m, struct real_block *blocks, size_t block_count,
                   struct prng *prng)
{
    *m = (struct mutation){.block = &blocks[prng_below(prng, block_count)],
                           .kind = (enum kind)prng_below(prng, KIND_COUNT),
                           .change = (uint8_t)(1 + prng_below(prng, 255))};

    uint64_t number = prng_below(prng, m->block->input_count);

    for (m->tx_index = 1; number >= mutated_tx(m)->input_count; m->tx_index++)
        number -= mutated_tx(m)->input_count;
    m->input_index = (uint32_t)number;
    if (mutated_tx(m)->raw.size > MUTATED_TX_SIZE_MAX)
        return false;

    struct bytes script = mutated_prevout(m)->script_pubkey;

    switch (m->kind) {
    case SCRIPT_SIG:
        if (mutated_input(m)->script_sig.size == 0)
            return false;
        choose_in_script_sig(m, prng);
        return true;
    case WITNESS:
        return mutated_input(m)->witness_count > 0 && choose_in_witness(m, prng);
    case PREVOUT_SCRIPT:
        m->byte = (uint8_t *)script.data + prng_below(prng, script.size);
        return script.size > 0;
    case AMOUNT:
        m->byte = (uint8_t *)&mutated_prevout(m)->amount_sat + prng_below(prng, 8);
        return mutated_input(m)->witness_count > 0;
    case KIND_COUNT:
        break;
    }
    return false;
}

static enum script_error verify_mutated(struct script_machine *machine, const struct mutation *m,
                                        uint32_t flags)
{
    const struct tx_output *prevouts = m->block->prevouts + m->block->first_input[m->tx_index];
    struct sighash_parts parts;

    sighash_parts_init(&parts, mutated_tx(m), prevouts);
    return script_verify(machine, mutated_tx(m), m->input_index, prevouts, &parts, flags);
}

/* Why an input may still verify. Most reasons end with a rule of policy, or with one that a later
 * height brings: under it the changed input fails with its error, and the input as it was does not.
 */
struct reason {
    enum kind kind;
    uint32_t flag; /* 0: no rule forbids it */
    enum script_error error;
    const char *text;
};

static const struct reason reasons[] = {
    {SCRIPT_SIG, SCRIPT_VERIFY_DERSIG, SCRIPT_ERR_SIG_DER,
     "a size that lax DER does not look at (before BIP66)"},
    {SCRIPT_SIG, SCRIPT_VERIFY_NULLDUMMY, SCRIPT_ERR_SIG_NULLDUMMY,
     "the element that a multisig takes too many (before BIP147)"},
    {WITNESS, SCRIPT_VERIFY_MINIMALIF, SCRIPT_ERR_MINIMALIF,
     "a condition: in witness v0 anything but zero is true"},
    {PREVOUT_SCRIPT, SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM,
     SCRIPT_ERR_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM,
     "a witness version without a meaning: anyone may spend"},
    {PREVOUT_SCRIPT, SCRIPT_VERIFY_NULLFAIL, SCRIPT_ERR_NULLFAIL,
     "a script that goes on after a signature that is not valid"},
    {PREVOUT_SCRIPT, 0, SCRIPT_OK, "a script that checks neither signature nor hash any more"},
    {AMOUNT, 0, SCRIPT_OK, "an input that is spent without a signature"},
};

static bool is_without_checks(struct bytes script)
{
    struct bytes program;
    int version;

    return !script_is_p2sh(script) && !script_is_witness_program(script, &version, &program) &&
           script_sigops(script, false) == 0;
}

static bool has_signature(const struct tx_input *input)
{
    struct cursor c = cursor_of(input->witness);

    for (uint32_t i = 0; i < input->witness_count; i++)
        if (looks_like_signature(witness_next(&c)))
            return true;
    return false;
}

static bool is_forbidden_by_nothing(const struct mutation *m)
{
    return m->kind == AMOUNT ? !has_signature(mutated_input(m))
                             : is_without_checks(mutated_prevout(m)->script_pubkey);
}

/* The place in reasons of why m, applied, still verifies; ARRAY_COUNT(reasons) if there is none. */
static size_t find_reason(struct script_machine *machine, const struct mutation *m)
{
    size_t i;

    for (i = 0; i < ARRAY_COUNT(reasons); i++) {
        const struct reason *reason = &reasons[i];
        uint32_t flags = m->block->flags | reason->flag;

        if (reason->kind != m->kind)
            continue;
        if (reason->flag == 0 && is_forbidden_by_nothing(m))
            break;
        if (reason->flag == 0 || verify_mutated(machine, m, flags) != reason->error)
            continue;
        *m->byte ^= m->change;

        bool was_fine = verify_mutated(machine, m, flags) == SCRIPT_OK;

        *m->byte ^= m->change;
        if (was_fine)
            break;
    }
    return i;
}

struct tally {
    size_t tried[KIND_COUNT], passed[KIND_COUNT], in_signature;
    size_t by_reason[ARRAY_COUNT(reasons)];
};

static void try_mutation(struct script_machine *machine, const struct mutation *m,
                         struct tally *tally)
{
    *m->byte ^= m->change;
    if (verify_mutated(machine, m, m->block->flags) == SCRIPT_OK) {
        size_t reason = find_reason(machine, m);

        ck_assert_msg(
            reason < ARRAY_COUNT(reasons),
            "%s, transaction %u, input %u verifies with byte %p of its %s changed by %02x",
            m->block->name, m->tx_index, m->input_index, (void *)m->byte, kind_names[m->kind],
            m->change);
        tally->by_reason[reason]++;
        tally->passed[m->kind]++;
    }
    *m->byte ^= m->change;
    tally->tried[m->kind]++;
    tally->in_signature += m->is_in_signature;
}

START_TEST(changed_bytes_make_inputs_fail)
{
    const char *folder = shared_folder("mutations of real blocks");
    const char *seed_text = getenv("CAESURE_SEED");
    uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : 1;

    if (folder == NULL)
        return;

    struct script_machine *machine = script_machine_new();
    glob_t found = shared_glob(folder, "data/blocks/*.prevouts");
    struct real_block *blocks = xcalloc(found.gl_pathc, sizeof *blocks);
    struct tally tally = {0};
    struct prng prng;

    prng_init(&prng, seed);
    for (size_t i = 0; i < found.gl_pathc; i++)
        real_block_load(&blocks[i], found.gl_pathv[i]);
    for (int tried = 0; tried < MUTATION_COUNT;) {
        struct mutation m;

        if (!choose(&m, blocks, found.gl_pathc, &prng))
            continue;
        try_mutation(machine, &m, &tally);
        tried++;
    }
    printf("mutations, seed %llu (CAESURE_SEED):\n", (unsigned long long)seed);
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        printf("%7zu bytes of the %s changed, %zu without effect\n", tally.tried[kind],
               kind_names[kind], tally.passed[kind]);
        ck_assert_uint_gt(tally.tried[kind], 1000);
    }
    printf("%7zu of them in signatures\n", tally.in_signature);
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++)
        printf("%7zu in the %s: %s\n", tally.by_reason[i], kind_names[reasons[i].kind],
               reasons[i].text);
    for (size_t i = 0; i < found.gl_pathc; i++)
        real_block_clear(&blocks[i]);
    free(blocks);
    globfree(&found);
    script_machine_free(machine);
}
END_TEST

int main(void)
{
    return SUITE_RUN("script_blocks", every_input_verifies, changed_bytes_make_inputs_fail);
}
