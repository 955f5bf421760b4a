#include "pipeline/audit.h"

#include "base/hex.h"
#include "base/muhash.h"
#include "codec/compact.h"
#include "pipeline/engine_private.h"
#include <inttypes.h>
#include <stdlib.h>

/* A coin of the list: first its place, then what was read there. */
struct audit_coin {
    uint64_t pos;
    struct outpoint outpoint;
    uint32_t code; /* height × 2 + coinbase */
    int64_t amount_sat;
    struct bytes script; /* in the arena */
};

struct audit {
    int32_t height;
    struct block_hash hash;
    struct audit_coin *coins;
    size_t count, capacity;
    struct arena arena; /* scripts */
};

static void list_coin(void *context, const struct coin_ref *ref)
{
    struct audit *audit = context;

    if (audit->count == audit->capacity) {
        audit->capacity = audit->capacity ? audit->capacity * 2 : 4096;
        audit->coins = xrealloc(audit->coins, audit->capacity * sizeof *audit->coins);
    }
    audit->coins[audit->count++] = (struct audit_coin){.pos = ref->pos, .code = ref->is_coinbase};
}

static int by_pos(const void *a, const void *b)
{
    const struct audit_coin *x = a, *y = b;

    return (x->pos > y->pos) - (x->pos < y->pos);
}

/* As the coin database of the reference node is ordered: txid bytes, then vout as a number. */
static int by_outpoint(const void *a, const void *b)
{
    const struct audit_coin *x = a, *y = b;
    int order = memcmp(&x->outpoint.txid, &y->outpoint.txid, sizeof x->outpoint.txid);

    return order ? order
                 : (x->outpoint.vout > y->outpoint.vout) - (x->outpoint.vout < y->outpoint.vout);
}

static bool take_output(struct audit *audit, struct audit_coin *coin, const struct tx *tx,
                        uint32_t o)
{
    const struct tx_output *output = &tx->outputs[o];
    uint8_t *script = arena_alloc(&audit->arena, output->script_pubkey.size);

    if (!script)
        return false;
    if (output->script_pubkey.size)
        memcpy(script, output->script_pubkey.data, output->script_pubkey.size);
    coin->outpoint = (struct outpoint){tx->txid, o};
    coin->amount_sat = output->amount_sat;
    coin->script = (struct bytes){script, output->script_pubkey.size};
    return true;
}

/* The coins from *at on that lie in entry's block, in order of position. */
static bool read_block_coins(struct engine *engine, struct audit *audit,
                             const struct block_entry *entry, size_t *at)
{
    uint8_t *raw = engine_read_block(engine, entry->pos, entry->size);
    struct arena arena;
    struct block block;
    bool is_good = raw != NULL;

    arena_init(&arena, SIZE_MAX);
    is_good = is_good && block_parse(&block, (struct bytes){raw, entry->size}, &arena, true);
    for (uint32_t t = 0; is_good && t < block.tx_count; t++)
        for (uint32_t o = 0; is_good && o < block.txs[t].output_count; o++) {
            struct audit_coin *coin = &audit->coins[*at];

            if (*at < audit->count && coin->pos == entry->pos + block.txs[t].outputs[o].offset) {
                is_good = take_output(audit, coin, &block.txs[t], o);
                coin->code += (uint32_t)entry->node->height * 2;
                ++*at;
            }
        }
    arena_clear(&arena);
    free(raw);
    return is_good;
}

static bool read_coins(struct engine *engine, struct audit *audit)
{
    size_t at = 0;

    while (at < audit->count && !atomic_load(&engine->is_cancelled)) {
        const struct block_entry *entry = block_table_find(engine->table, audit->coins[at].pos);
        size_t before = at;

        if (!entry || !read_block_coins(engine, audit, entry, &at) || at == before)
            return false;
    }
    return at == audit->count;
}

static size_t serialize(const struct audit_coin *coin, uint8_t out[64])
{
    memcpy(out, &coin->outpoint, 36);
    le32_write(out + 36, coin->code);
    le64_write(out + 40, (uint64_t)coin->amount_sat);
    return 48 + compact_write(out + 48, coin->script.size);
}

static void hash_coins(struct audit *audit, uint8_t serialized[32], uint8_t muhash[32],
                       int64_t *amount_sat)
{
    struct sha256 sha;
    struct muhash set;
    uint8_t *element = xmalloc(64 + TXOUT_SCRIPT_MAX);

    *amount_sat = 0;
    sha256_init(&sha);
    muhash_init(&set);
    for (size_t i = 0; i < audit->count; i++) {
        const struct audit_coin *coin = &audit->coins[i];
        size_t size = serialize(coin, element);

        if (coin->script.size)
            memcpy(element + size, coin->script.data, coin->script.size);
        sha256_update(&sha, element, size + coin->script.size);
        muhash_insert(&set, element, size + coin->script.size);
        *amount_sat += coin->amount_sat;
    }
    sha256_final(&sha, serialized);
    sha256_once(serialized, serialized, 32);
    muhash_final(&set, muhash);
    free(element);
}

static void put_result(struct engine *engine, struct command *command, struct audit *audit)
{
    struct text *text = &command->text;
    uint8_t serialized[32], muhash[32];
    int64_t amount_sat;

    if (audit->count)
        qsort(audit->coins, audit->count, sizeof *audit->coins, by_outpoint);
    hash_coins(audit, serialized, muhash, &amount_sat);
    text_printf(text, "height %d\nhash ", audit->height);
    text_hash(text, audit->hash.bytes);
    text_printf(text, "\ncoins %zu\namount %" PRId64 "\nhash_serialized_3 ", audit->count,
                amount_sat);
    text_hash(text, serialized);
    text_printf(text, "\nmuhash ");
    text_hash(text, muhash);
    text_printf(text, "\n");

    const struct audit_hash *known = params_find_audit(engine->params, &audit->hash);
    if (known)
        text_printf(text, "known %s\n",
                    memcmp(known->hash_serialized_3, serialized, 32) == 0 ? "matches" : "DIFFERS");
}

static void work_audit(struct engine *engine, struct command *command)
{
    struct audit *audit = command->u.state;

    if (audit->count)
        qsort(audit->coins, audit->count, sizeof *audit->coins, by_pos);
    if (read_coins(engine, audit))
        put_result(engine, command, audit);
    else
        text_printf(&command->text, atomic_load(&engine->is_cancelled)
                                        ? "error: cancelled\n"
                                        : "error: a coin cannot be read from blocks.bin\n");
    arena_clear(&audit->arena);
    free(audit->coins);
    free(audit);
}

/* blocks.bin is read from another descriptor: what was appended is there once its write is done,
 * and a coin of a verified block may be younger than that. */
void run_audit(struct engine *engine, struct command *command)
{
    if (command->argument && strcmp(command->argument, "cancel") == 0) {
        atomic_store(&engine->is_cancelled, true);
        text_printf(&command->text, "ok\n");
        return;
    }
    struct audit *audit = xcalloc(1, sizeof *audit);

    atomic_store(&engine->is_cancelled, false);
    audit->height = engine->tip->height;
    audit->hash = engine->tip->hash;
    arena_init(&audit->arena, SIZE_MAX);
    world_visit_coins(engine->ledger, node_work(engine, engine->tip)->world, list_coin, audit);
    command->u.state = audit;
    command->work = work_audit;
}
