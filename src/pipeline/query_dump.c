#include "pipeline/query_dump.h"

#include "base/hex.h"
#include "codec/script_text.h"
#include <stdlib.h>

#define NEWEST_COUNT 100  /* blocks that a tx without its block is looked for in */
#define VOUT_PROBES  1000 /* outputs of it that may be unspent */

struct dump_item {
    const struct header_node *node;
    uint64_t pos;
    uint32_t size;
    int32_t height;
    uint8_t *raw; /* the bytes, where the disk may not have them yet */
};

struct dump {
    bool is_tx, is_search;
    struct txid txid;
    size_t count;
    struct dump_item items[NEWEST_COUNT + 1];
};

static void fail(struct command *command, const char *what)
{
    text_printf(&command->text, "error: %s\n", what);
}

static struct dump *new_dump(struct command *command)
{
    struct dump *dump = xcalloc(1, sizeof *dump);

    command->u.state = dump;
    return dump;
}

static void free_dump(struct dump *dump)
{
    for (size_t i = 0; i < dump->count; i++)
        free(dump->items[i].raw);
    free(dump);
}

/* A block that is written is read later, on the jobs thread; the others are few. */
static void add_item(struct engine *engine, struct dump *dump, const struct header_node *node)
{
    struct dump_item *item = &dump->items[dump->count++];
    const uint8_t *resident = atomic_load(&node_work(engine, node)->resident);
    uint64_t written = disk_thread_stats(engine->disk_thread).writer.written_end;

    *item = (struct dump_item){node, node->pos, node->size, node->height, NULL};
    if (resident && node->pos + node->size > written) {
        item->raw = xmalloc(node->size);
        memcpy(item->raw, resident, node->size);
    }
}

/* What name says: a block of the best chain by its height, or any by its hash. NULL: an error is in
 * the answer. */
static struct header_node *find_block(struct engine *engine, struct command *command,
                                      const char *name)
{
    size_t size = strlen(name);
    struct header_node *node = NULL;
    struct block_hash hash;

    if (hash_from_hex(hash.bytes, name)) {
        node = header_tree_find(engine->tree, &hash);
        if (!node)
            fail(command, "no such block");
        else if (!node_has(node, HEADER_HAS_BLOCK))
            fail(command, "only the header of that block is known");
        return node && node_has(node, HEADER_HAS_BLOCK) ? node : NULL;
    }
    if (size == 0 || size > 9 || strspn(name, "0123456789") != size) {
        fail(command, "a block is named by its height or by 64 hexadecimal digits");
        return NULL;
    }
    node = header_ancestor(engine->tip, (int32_t)strtol(name, NULL, 10));
    if (!node)
        fail(command, "no block at that height");
    return node;
}

/* Whether the block was shown, or has the transaction and that was shown. */
static bool show(struct command *command, const struct dump *dump, const struct dump_item *item,
                 const struct block *block)
{
    if (!dump->is_tx) {
        block_text(&command->text, block);
        return true;
    }
    for (uint32_t i = 0; i < block->tx_count; i++)
        if (txid_equal(&block->txs[i].txid, &dump->txid)) {
            if (dump->is_search) {
                text_printf(&command->text, "height %d\nblock ", item->height);
                text_hash(&command->text, block->hash.bytes);
                text_printf(&command->text, "\n");
            }
            tx_text(&command->text, &block->txs[i]);
            return true;
        }
    return false;
}

static void work_dump(struct engine *engine, struct command *command)
{
    struct dump *dump = command->u.state;
    bool is_shown = false, is_bad = false;
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < dump->count && !is_shown && !atomic_load(&engine->is_stopping); i++) {
        struct dump_item *item = &dump->items[i];
        struct block block;

        if (!item->raw)
            item->raw = engine_read_block(engine, item->pos, item->size);
        if (item->raw && block_parse(&block, (struct bytes){item->raw, item->size}, &arena, true) &&
            block_hash_equal(&block.hash, &item->node->hash))
            is_shown = show(command, dump, item, &block);
        else
            is_bad = true;
        free(item->raw);
        item->raw = NULL;
        arena_reset(&arena, SIZE_MAX);
    }
    arena_clear(&arena);
    if (!is_shown && is_bad && !dump->is_search)
        fail(command, "the block cannot be read from blocks.bin");
    else if (!is_shown && dump->is_search)
        fail(command, "not among the unspent outputs and in the newest 100 blocks: name its block, "
                      "or search with caesure-db");
    else if (!is_shown)
        fail(command, "no such transaction in that block");
    free_dump(dump);
}

void run_block_dump(struct engine *engine, struct command *command)
{
    const char *name = command->argument ? command->argument : "";
    struct header_node *node = find_block(engine, command, name);

    if (!node)
        return;
    add_item(engine, new_dump(command), node);
    command->work = work_dump;
}

/* The block that an unspent output of the transaction is in, if the tags do not deceive. */
static const struct header_node *find_funding(struct engine *engine, const struct txid *txid)
{
    const struct world *world = node_work(engine, engine->tip)->world;
    struct outpoint outpoint = {.txid = *txid};
    struct coin_ref ref;

    for (; outpoint.vout < VOUT_PROBES; outpoint.vout++)
        if (world_find(engine->ledger, world, &outpoint, &ref)) {
            const struct block_entry *entry = block_table_find(engine->table, ref.pos);

            return entry ? entry->node : NULL;
        }
    return NULL;
}

static void add_search(struct engine *engine, struct dump *dump)
{
    const struct header_node *node = find_funding(engine, &dump->txid);

    dump->is_search = true;
    if (node)
        add_item(engine, dump, node);
    node = engine->tip;
    for (int i = 0; i < NEWEST_COUNT && node; i++, node = node->prev)
        add_item(engine, dump, node);
}

void run_tx_dump(struct engine *engine, struct command *command)
{
    const char *argument = command->argument ? command->argument : "";
    struct header_node *node = NULL;
    struct txid txid;
    char hex[65] = "";

    if (strlen(argument) >= 64 && (argument[64] == ' ' || argument[64] == 0))
        memcpy(hex, argument, 64);
    if (!hash_from_hex(txid.bytes, hex)) {
        fail(command, "usage: tx TXID [BLOCK]");
        return;
    }
    if (argument[64] && !(node = find_block(engine, command, argument + 65)))
        return;

    struct dump *dump = new_dump(command);
    dump->is_tx = true;
    dump->txid = txid;
    if (node)
        add_item(engine, dump, node);
    else
        add_search(engine, dump);
    command->work = work_dump;
}

static void work_script(struct engine *engine, struct command *command)
{
    const char *hex = command->argument ? command->argument : "";
    size_t size = strlen(hex);
    uint8_t *script = xmalloc(size / 2 + 1);

    (void)engine;
    if (!hex_decode(script, hex, size))
        fail(command, "a script is an even number of hexadecimal digits");
    else if (!script_text(&command->text, (struct bytes){script, size / 2}))
        fail(command, "not a script: a push is cut short, or IF and ENDIF do not match");
    else
        text_printf(&command->text, "\n");
    free(script);
}

void run_script_dump(struct engine *engine, struct command *command)
{
    (void)engine;
    command->work = work_script;
}
