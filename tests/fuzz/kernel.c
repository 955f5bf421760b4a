#include "kernel.h"

#include "base/arena.h"
#include "script/flags.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define REGTEST      4
#define CHECK_MERKLE 2

typedef int write_fn(const void *bytes, size_t size, void *counted);

/* The functions of the library that are used; its handles are opaque. */
#define FUNCTIONS(X)                                                                               \
    X(void *, transaction_create, (const void *, size_t))                                          \
    X(int, transaction_to_bytes, (const void *, write_fn *, void *))                               \
    X(int, transaction_check, (const void *, void *))                                              \
    X(const void *, transaction_get_txid, (const void *))                                          \
    X(void, transaction_destroy, (void *))                                                         \
    X(void, txid_to_bytes, (const void *, uint8_t *))                                              \
    X(void *, tx_validation_state_create, (void))                                                  \
    X(void *, script_pubkey_create, (const void *, size_t))                                        \
    X(int, script_pubkey_verify,                                                                   \
      (const void *, int64_t, const void *, const void *, unsigned, uint32_t, uint8_t *))          \
    X(void, script_pubkey_destroy, (void *))                                                       \
    X(void *, transaction_output_create, (const void *, int64_t))                                  \
    X(void, transaction_output_destroy, (void *))                                                  \
    X(void *, precomputed_transaction_data_create, (const void *, const void **, size_t))          \
    X(void, precomputed_transaction_data_destroy, (void *))                                        \
    X(void *, block_create, (const void *, size_t))                                                \
    X(int, block_to_bytes, (const void *, write_fn *, void *))                                     \
    X(int, block_check, (const void *, const void *, uint32_t, void *))                            \
    X(void, block_destroy, (void *))                                                               \
    X(void *, block_validation_state_create, (void))                                               \
    X(void *, chain_parameters_create, (uint8_t))                                                  \
    X(const void *, chain_parameters_get_consensus_params, (const void *))                         \
    X(void, logging_disable, (void))                                                               \
    X(void *, context_options_create, (void))                                                      \
    X(void, context_options_set_chainparams, (void *, const void *))                               \
    X(void, context_options_destroy, (void *))                                                     \
    X(void *, context_create, (const void *))                                                      \
    X(void, context_destroy, (void *))                                                             \
    X(void *, chainstate_manager_options_create,                                                   \
      (const void *, const char *, size_t, const char *, size_t))                                  \
    X(void, chainstate_manager_options_set_worker_threads_num, (void *, int))                      \
    X(void, chainstate_manager_options_update_block_tree_db_in_memory, (void *, int))              \
    X(void, chainstate_manager_options_update_chainstate_db_in_memory, (void *, int))              \
    X(void, chainstate_manager_options_destroy, (void *))                                          \
    X(void *, chainstate_manager_create, (const void *))                                           \
    X(void, chainstate_manager_destroy, (void *))                                                  \
    X(int, chainstate_manager_import_blocks, (void *, const char **, size_t *, size_t))            \
    X(int, chainstate_manager_process_block, (void *, const void *, int *))                        \
    X(const void *, chainstate_manager_get_active_chain, (const void *))                           \
    X(int32_t, chain_get_height, (const void *))                                                   \
    X(const void *, chain_get_by_height, (const void *, int32_t))                                  \
    X(const void *, block_tree_entry_get_block_hash, (const void *))                               \
    X(void, block_hash_to_bytes, (const void *, uint8_t *))

static struct {
    bool is_tried;
    void *library;
    void *tx_state, *block_state, *params;
    const void *consensus;
#define X(type, name, arguments) type(*name) arguments;
    FUNCTIONS(X)
#undef X
} kernel;

static void *symbol(const char *name)
{
    void *found = dlsym(kernel.library, name);

    if (!found) {
        fprintf(stderr, "CAESURE_KERNEL: %s\n", dlerror());
        exit(1);
    }
    return found;
}

static void load(const char *path)
{
    kernel.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!kernel.library) {
        fprintf(stderr, "CAESURE_KERNEL: %s\n", dlerror());
        exit(1);
    }
#define X(type, name, arguments) kernel.name = (type(*) arguments)symbol("btck_" #name);
    FUNCTIONS(X)
#undef X
    kernel.logging_disable();
    kernel.tx_state = kernel.tx_validation_state_create();
    kernel.block_state = kernel.block_validation_state_create();
    kernel.params = kernel.chain_parameters_create(REGTEST);
    kernel.consensus = kernel.chain_parameters_get_consensus_params(kernel.params);
}

bool kernel_is_there(void)
{
    const char *path = getenv("CAESURE_KERNEL");

    if (!kernel.is_tried && path && *path)
        load(path);
    kernel.is_tried = true;
    return kernel.library;
}

struct kernel_tx {
    void *tx, *parts;
    size_t count;
    struct prevout {
        void *script, *output;
        int64_t amount_sat;
    } prevouts[];
};

static int count_bytes(const void *bytes, size_t size, void *counted)
{
    (void)bytes;
    *(size_t *)counted += size;
    return 0;
}

static void *parse_tx(struct bytes raw)
{
    void *tx = kernel.transaction_create(raw.data, raw.size);
    size_t size = 0;

    if (tx && (kernel.transaction_to_bytes(tx, count_bytes, &size) != 0 || size != raw.size)) {
        kernel.transaction_destroy(tx);
        return NULL;
    }
    return tx;
}

struct kernel_tx *kernel_tx_new(struct bytes raw, const struct tx_output *prevouts, size_t count)
{
    void *parsed = parse_tx(raw);

    if (!parsed)
        return NULL;
    struct kernel_tx *tx = xmalloc(sizeof *tx + count * sizeof *tx->prevouts);
    const void **outputs = xmalloc((count + 1) * sizeof *outputs);

    *tx = (struct kernel_tx){.tx = parsed, .count = count};
    for (size_t i = 0; i < count; i++) {
        struct prevout *prevout = &tx->prevouts[i];

        prevout->amount_sat = prevouts[i].amount_sat;
        prevout->script = kernel.script_pubkey_create(prevouts[i].script_pubkey.data,
                                                      prevouts[i].script_pubkey.size);
        outputs[i] = prevout->output =
            kernel.transaction_output_create(prevout->script, prevout->amount_sat);
    }
    tx->parts = kernel.precomputed_transaction_data_create(parsed, outputs, count);
    assert(tx->parts);
    free(outputs);
    return tx;
}

void kernel_tx_free(struct kernel_tx *tx)
{
    if (!tx)
        return;
    for (size_t i = 0; i < tx->count; i++) {
        kernel.transaction_output_destroy(tx->prevouts[i].output);
        kernel.script_pubkey_destroy(tx->prevouts[i].script);
    }
    kernel.precomputed_transaction_data_destroy(tx->parts);
    kernel.transaction_destroy(tx->tx);
    free(tx);
}

bool kernel_tx_passes(const struct kernel_tx *tx)
{
    return kernel.transaction_check(tx->tx, kernel.tx_state) == 1;
}

void kernel_tx_id(const struct kernel_tx *tx, uint8_t txid[32])
{
    kernel.txid_to_bytes(kernel.transaction_get_txid(tx->tx), txid);
}

static uint32_t kernel_flags(uint32_t flags)
{
    static const struct {
        uint32_t ours;
        unsigned bit;
    } known[] = {
        {SCRIPT_VERIFY_P2SH, 0},
        {SCRIPT_VERIFY_DERSIG, 2},
        {SCRIPT_VERIFY_NULLDUMMY, 4},
        {SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY, 9},
        {SCRIPT_VERIFY_CHECKSEQUENCEVERIFY, 10},
        {SCRIPT_VERIFY_WITNESS, 11},
        {SCRIPT_VERIFY_TAPROOT, 17},
    };
    uint32_t out = 0;

    assert(script_flags_are_sound(flags) && !(flags & SCRIPT_VERIFY_POLICY));
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (flags & known[i].ours)
            out |= 1u << known[i].bit;
    return out;
}

bool kernel_script_passes(const struct kernel_tx *tx, uint32_t input_index, uint32_t flags)
{
    const struct prevout *prevout = &tx->prevouts[input_index];
    uint8_t status = 0;
    int is_valid =
        kernel.script_pubkey_verify(prevout->script, prevout->amount_sat, tx->tx, tx->parts,
                                    input_index, kernel_flags(flags), &status);

    assert(status == 0);
    return is_valid == 1;
}

size_t kernel_block_size(struct bytes raw)
{
    void *block = kernel.block_create(raw.data, raw.size);
    size_t size = 0;

    if (!block)
        return 0;
    int rc = kernel.block_to_bytes(block, count_bytes, &size);
    assert(rc == 0);
    kernel.block_destroy(block);
    return size;
}

bool kernel_block_passes(struct bytes raw)
{
    void *block = kernel.block_create(raw.data, raw.size);

    assert(block);
    int is_valid = kernel.block_check(block, kernel.consensus, CHECK_MERKLE, kernel.block_state);
    kernel.block_destroy(block);
    return is_valid == 1;
}

struct kernel_chain {
    void *context, *manager;
};

struct kernel_chain *kernel_chain_new(const char *directory)
{
    struct kernel_chain *chain = xmalloc(sizeof *chain);
    void *context_options = kernel.context_options_create();

    kernel.context_options_set_chainparams(context_options, kernel.params);
    chain->context = kernel.context_create(context_options);
    kernel.context_options_destroy(context_options);
    size_t size = strlen(directory);
    void *options =
        kernel.chainstate_manager_options_create(chain->context, directory, size, directory, size);
    kernel.chainstate_manager_options_set_worker_threads_num(options, 0);
    kernel.chainstate_manager_options_update_block_tree_db_in_memory(options, 1);
    kernel.chainstate_manager_options_update_chainstate_db_in_memory(options, 1);
    chain->manager = kernel.chainstate_manager_create(options);
    kernel.chainstate_manager_options_destroy(options);
    int rc = kernel.chainstate_manager_import_blocks(chain->manager, NULL, NULL, 0);
    assert(rc == 0);
    return chain;
}

void kernel_chain_free(struct kernel_chain *chain)
{
    kernel.chainstate_manager_destroy(chain->manager);
    kernel.context_destroy(chain->context);
    free(chain);
}

void kernel_chain_feed(struct kernel_chain *chain, struct bytes raw)
{
    void *block = kernel.block_create(raw.data, raw.size);
    int is_new;

    if (!block)
        return;
    (void)kernel.chainstate_manager_process_block(chain->manager, block, &is_new);
    kernel.block_destroy(block);
}

void kernel_chain_tip(const struct kernel_chain *chain, struct block_hash *tip)
{
    const void *active = kernel.chainstate_manager_get_active_chain(chain->manager);
    const void *entry = kernel.chain_get_by_height(active, kernel.chain_get_height(active));

    kernel.block_hash_to_bytes(kernel.block_tree_entry_get_block_hash(entry), tip->bytes);
}
