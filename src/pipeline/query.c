/* query.c - the text commands that the engine answers. run is on the ledger thread and short; what
 * reads blocks is done by work, on the jobs thread. */
#include "pipeline/engine_private.h"

#include "base/hex.h"
#include "pipeline/audit.h"
#include "pipeline/query_dump.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 2, 3))) static void fail(struct command *command, const char *format,
                                                       ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_printf(&command->text, "error: %s\n", line);
}

static void line_hash(struct text *text, const char *name, const uint8_t bytes[32])
{
    text_printf(text, "%s ", name);
    text_hash(text, bytes);
    text_printf(text, "\n");
}

static const char *argument_of(const struct command *command)
{
    return command->argument ? command->argument : "";
}

static bool parse_height(const char *text, int32_t *height)
{
    char *end;

    if (text[0] < '0' || text[0] > '9' || strlen(text) > 9)
        return false;
    *height = (int32_t)strtol(text, &end, 10);
    return *end == 0;
}

/* The block an argument names by its hash; else an error is in the answer. */
static struct header_node *find_node(struct engine *engine, struct command *command)
{
    struct block_hash hash;

    if (!hash_from_hex(hash.bytes, argument_of(command))) {
        fail(command, "a block hash has 64 hexadecimal digits");
        return NULL;
    }
    struct header_node *node = header_tree_find(engine->tree, &hash);
    if (!node)
        fail(command, "no such block");
    return node;
}

static void run_tip(struct engine *engine, struct command *command)
{
    text_printf(&command->text, "height %d\n", engine->tip->height);
    line_hash(&command->text, "hash", engine->tip->hash.bytes);
    text_printf(&command->text, "headers %d\nsynced %d\n", header_tree_best(engine->tree)->height,
                atomic_load(&engine->is_synced));
}

static void run_hash(struct engine *engine, struct command *command)
{
    int32_t height;
    struct header_node *node =
        parse_height(argument_of(command), &height) ? header_ancestor(engine->tip, height) : NULL;

    if (!node)
        fail(command, "no block at that height: the tip has %d", engine->tip->height);
    else
        line_hash(&command->text, "hash", node->hash.bytes);
}

static void run_at(struct engine *engine, struct command *command)
{
    struct header_node *node = NULL;
    int32_t height;

    if (!parse_height(argument_of(command), &height) ||
        !(node = header_tree_next_at_height(engine->tree, height, NULL))) {
        fail(command, "no header is known at that height");
        return;
    }
    for (; node; node = header_tree_next_at_height(engine->tree, height, node))
        line_hash(&command->text, "hash", node->hash.bytes);
}

static void put_status(struct text *text, const struct header_node *node)
{
    if (node_has(node, HEADER_INVALID))
        text_printf(text, "invalid %s", verdict_text(node->failure));
    else if (node_has(node, HEADER_INVALID_ANCESTOR))
        text_printf(text, "invalid %s", verdict_text(BAD_PREVBLK));
    else if (node_has(node, HEADER_VERIFIED))
        text_printf(text, "valid");
    else
        text_printf(text, node_has(node, HEADER_HAS_BLOCK) ? "unverified" : "header-only");
}

static void run_header(struct engine *engine, struct command *command)
{
    struct header_node *node = find_node(engine, command);
    struct text *text = &command->text;
    char work[U256_HEX_SIZE];

    if (!node)
        return;
    u256_to_hex(work, &node->chainwork);
    text_printf(text, "height %d\nstatus ", node->height);
    put_status(text, node);
    text_printf(text, "\nwork %s\n", work);
    line_hash(text, "prev", node->prev ? node->prev->hash.bytes : (const uint8_t[32]){0});
    text_printf(text, "time %u\nbits %08x\nversion %d\n", node->time, node->bits, node->version);
    line_hash(text, "merkle", node->merkle_root);
    text_printf(text, "nonce %u\n", node->nonce);
}

static void work_raw(struct engine *engine, struct command *command)
{
    uint8_t *raw = engine_read_block(engine, command->u.block.pos, command->u.block.size);

    if (!raw) {
        fail(command, "the block cannot be read from blocks.bin");
        return;
    }
    text_printf(&command->text, "raw ");
    text_hex(&command->text, raw, command->u.block.size);
    text_printf(&command->text, "\n");
    free(raw);
}

static void run_raw(struct engine *engine, struct command *command)
{
    struct header_node *node = find_node(engine, command);

    if (!node)
        return;
    if (!node_has(node, HEADER_HAS_BLOCK)) {
        fail(command, "only the header of that block is known");
        return;
    }
    const uint8_t *resident = atomic_load(&node_work(engine, node)->resident);
    if (resident) {
        text_printf(&command->text, "raw ");
        text_hex(&command->text, resident, node->size);
        text_printf(&command->text, "\n");
        return;
    }
    command->u.block.pos = node->pos;
    command->u.block.size = node->size;
    command->work = work_raw;
}

static const char *tip_status(const struct engine *engine, const struct header_node *node)
{
    if (node == engine->tip)
        return "active";
    if (header_is_invalid(node))
        return "invalid";
    if (!node_has(node, HEADER_HAS_BLOCK))
        return "header-only";
    return node_has(node, HEADER_VERIFIED) ? "valid-fork" : "unverified";
}

static void put_tip(struct engine *engine, struct text *text, const struct header_node *node)
{
    text_printf(text, "%d ", node->height);
    text_hash(text, node->hash.bytes);
    text_printf(text, " %s\n", tip_status(engine, node));
}

static void run_tips(struct engine *engine, struct command *command)
{
    put_tip(engine, &command->text, engine->tip);
    for (uint32_t i = 0; i < header_tree_leaf_count(engine->tree); i++) {
        struct header_node *leaf = header_tree_leaf(engine->tree, i);
        if (leaf != engine->tip)
            put_tip(engine, &command->text, leaf);
    }
}

/* In the words of `tips`. */
static const char *world_state(const struct engine *engine, const struct header_node *node)
{
    if (node == world_node(ledger_root(engine->ledger)))
        return "root";
    if (node == engine->tip)
        return "tip";
    if (!node_has(node, HEADER_VERIFIED))
        return "unverified";
    return header_is_ancestor(node, engine->tip) ? "active" : "valid-fork";
}

static void put_world(struct engine *engine, struct text *text, const struct world_info *info)
{
    const struct header_node *branch = header_fork_point(info->node, engine->tip);

    text_printf(text, "%d %-10s created %u spent %u hash ", info->node->height,
                world_state(engine, info->node), info->created_count, info->spent_count);
    text_hash(text, info->node->hash.bytes);
    if (info->parent_node) {
        text_printf(text, " parent ");
        text_hash(text, info->parent_node->hash.bytes);
    }
    if (branch != info->node && branch != engine->tip)
        text_printf(text, " branches-at %d", branch->height);
    text_printf(text, "\n");
}

/* The sum first, then the worlds, lowest first. */
static void run_worlds(struct engine *engine, struct command *command)
{
    struct world_info infos[1024];
    struct ledger_stats stats = ledger_stats(engine->ledger);
    size_t count = ledger_worlds(engine->ledger, infos, ARRAY_COUNT(infos));
    uint32_t forks = 0, unverified = 0;

    for (size_t i = 1; i < count; i++) {
        const struct header_node *node = infos[i].node;

        unverified += !node_has(node, HEADER_VERIFIED);
        forks += node_has(node, HEADER_VERIFIED) && !header_is_ancestor(node, engine->tip);
    }
    text_printf(&command->text,
                "%zu worlds of %u above the root, which has %" PRIu64
                " coins at height %d; the tip is at %d; %u on forks, %u unverified\n",
                count - 1, stats.world_slots - 1, stats.root_coins, infos[0].node->height,
                engine->tip->height, forks, unverified);
    for (size_t i = 0; i < count; i++)
        put_world(engine, &command->text, &infos[i]);
}

static void put_stage(struct text *text, const char *name, struct stage_stats *stage, size_t queue)
{
    text_printf(
        text,
        "pipeline.%s_queue %zu\npipeline.%s_jobs %" PRIu64 "\npipeline.%s_busy_us %" PRIu64 "\n",
        name, queue, name, atomic_load(&stage->jobs), name, atomic_load(&stage->busy_ns) / 1000);
}

static void put_number(struct text *text, const char *name, uint64_t number)
{
    text_printf(text, "pipeline.%s %" PRIu64 "\n", name, number);
}

static void stats_chain(struct engine *engine, struct text *text)
{
    text_printf(text,
                "chain.name %s\nchain.height %d\nchain.headers %d\nchain.header_count "
                "%u\nchain.synced %d\n",
                engine->params->name, engine->tip->height, header_tree_best(engine->tree)->height,
                header_tree_count(engine->tree), atomic_load(&engine->is_synced));
    text_printf(text,
                "chain.tip_time %u\nchain.blocks_stored %zu\nchain.blocks_bin_bytes %" PRIu64 "\n",
                engine->tip->time, block_table_count(engine->table), engine->blocks_end);
    text_printf(text, "chain.scripts %s\n",
                engine->has_script_reason && !engine->script_reason
                    ? "off: ancestors of the assumed-valid block"
                    : "on");
    if (engine->script_reason)
        text_printf(text, "chain.scripts_reason %s\n", engine->script_reason);
}

static void stats_pipeline(struct engine *engine, struct text *text)
{
    struct pipeline *pipeline = &engine->pipeline;

    text_printf(text, "pipeline.workers %u\npipeline.jobs %u\npipeline.credit_used_bytes %zu\n",
                pipeline->worker_count, engine->job_count, atomic_load(&pipeline->credit_used));
    text_printf(text, "pipeline.credit_limit_bytes %zu\npipeline.credit_waits %" PRIu64 "\n",
                pipeline->credit_limit, atomic_load(&pipeline->stats.credit_waits));
    put_stage(text, "parse", &pipeline->stats.parse, mpmc_count(&pipeline->parse_ring));
    put_stage(text, "check", &pipeline->stats.check, mpmc_count(&pipeline->check_ring));
    put_stage(text, "verify", &pipeline->stats.verify, mpmc_count(&pipeline->verify_ring));
    put_stage(text, "work", &pipeline->stats.work, mpmc_count(&pipeline->work_ring));
    put_stage(text, "ledger", &pipeline->stats.ledger, mpmc_count(&pipeline->ledger_ring));
    put_stage(text, "parts", &pipeline->stats.parts, (uint32_t)atomic_load(&pipeline->parts.open));
    put_stage(text, "disk", &pipeline->stats.disk, mpmc_count(&pipeline->disk_ring));
    put_number(text, "ledger_own_parts_us", atomic_load(&pipeline->stats.own_parts_ns) / 1000);
    put_number(text, "workers_wait_us", atomic_load(&pipeline->stats.workers_wait_us));
    put_number(text, "ledger_wait_us", atomic_load(&pipeline->stats.ledger_wait_us));
    put_number(text, "parts_wait_us", atomic_load(&pipeline->stats.parts_wait_us));
    put_number(text, "disk_wait_us", atomic_load(&pipeline->stats.disk_wait_us));
    put_number(text, "credit_wait_us", atomic_load(&pipeline->stats.credit_wait_us));
    text_printf(text,
                "pipeline.blocks %" PRIu64 "\npipeline.bytes %" PRIu64 "\npipeline.inputs %" PRIu64
                "\n",
                engine->blocks_done, engine->bytes_done, engine->inputs_done);
    text_printf(text, "pipeline.inputs_verified %" PRIu64 "\npipeline.cold_prevouts %" PRIu64 "\n",
                atomic_load(&pipeline->stats.inputs_verified),
                atomic_load(&pipeline->stats.cold_prevouts));
}

static void stats_ledger(struct engine *engine, struct text *text)
{
    struct ledger_stats stats = ledger_stats(engine->ledger);
    struct disk_thread_stats disk = disk_thread_stats(engine->disk_thread);

    text_printf(text,
                "ledger.summary %" PRIu64 " coins in %" PRIu64 " MB, and %u worlds in %" PRIu64
                " MB; after a crash now a start replays %d blocks in about %" PRIu64 " s\n",
                stats.root_coins, stats.index_bytes / 1000000, stats.worlds - 1,
                stats.recent_bytes / 1000000,
                world_node(ledger_root(engine->ledger))->height - engine->saving.saved->height,
                (engine->saving.replay_us + 999999) / 1000000);
    text_printf(
        text,
        "ledger.root_height %d\nledger.root_coins %" PRIu64 "\nledger.side_coins %" PRIu64 "\n",
        world_node(ledger_root(engine->ledger))->height, stats.root_coins, stats.side_coins);
    text_printf(text,
                "ledger.index_bytes %" PRIu64 "\nledger.recent_events %" PRIu64
                "\nledger.recent_bytes %" PRIu64 "\n",
                stats.index_bytes, stats.recent_events, stats.recent_bytes);
    text_printf(text,
                "ledger.worlds %u\nledger.world_slots %u\nledger.growths %" PRIu64
                "\nledger.tag_reads %" PRIu64 "\n",
                stats.worlds, stats.world_slots, stats.growths, stats.tag_reads);
    put_saving(engine, text);
    text_printf(text, "ledger.resident_bytes %zu\n", engine->residents.size + engine->limbo.size);
    text_printf(
        text, "disk.appended_bytes %" PRIu64 "\ndisk.writes %" PRIu64 "\ndisk.syncs %" PRIu64 "\n",
        disk.writer.appended_size, disk.writer.write_count, disk.writer.sync_count);
    text_printf(text,
                "disk.prevouts_read %" PRIu64 "\ndisk.reads %" PRIu64 "\ndisk.read_bytes %" PRIu64
                "\n",
                disk.prevouts.txout_count, disk.prevouts.read_count, disk.prevouts.read_size);
}

static void stats_process(struct engine *engine, struct text *text)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0, resident = 0;

    (void)engine;
    if (file && fscanf(file, "%lu %lu", &pages, &resident) == 2)
        text_printf(text, "process.resident_bytes %lu\n", resident * 4096);
    if (file)
        fclose(file);
}

static void run_stats(struct engine *engine, struct command *command)
{
    static const struct {
        const char *name;
        void (*put)(struct engine *engine, struct text *text);
    } sections[] = {{"chain", stats_chain},
                    {"pipeline", stats_pipeline},
                    {"ledger", stats_ledger},
                    {"process", stats_process}};
    const char *wanted = argument_of(command);
    bool is_found = false;

    for (size_t i = 0; i < ARRAY_COUNT(sections); i++)
        if (!wanted[0] || strcmp(wanted, sections[i].name) == 0) {
            sections[i].put(engine, &command->text);
            is_found = true;
        }
    if (!is_found)
        fail(command, "no such section: chain, pipeline, ledger or process");
}

struct sendblock {
    struct engine *engine;
    struct command *command;
};

static void sendblock_done(void *context, const struct block_result *result)
{
    struct sendblock *sendblock = context;
    struct engine *engine = sendblock->engine;
    struct command *command = sendblock->command;
    char reason[VERDICT_FORMAT_SIZE];

    block_result_format(reason, result);
    if (result->verdict != VALID)
        text_printf(&command->text, "rejected %s\n", reason);
    else
        text_printf(&command->text, result->is_unjudged ? "rejected inconclusive\n" : "accepted\n");
    free(sendblock);
    finish_command(engine, command);
}

static void run_sendblock(struct engine *engine, struct command *command)
{
    const char *hex = argument_of(command);
    size_t size = strlen(hex) / 2;

    if (size > BLOCK_SIZE_MAX || size == 0) {
        text_printf(&command->text, "rejected block-decode-failed\n");
        return;
    }
    struct block_job *job = pipeline_reserve(&engine->pipeline, size, RESERVE_URGENT);
    if (!job) {
        fail(command, "busy: too many blocks in flight, try again");
        return;
    }
    if (!hex_decode(job->buffer, hex, strlen(hex))) {
        pipeline_release(job);
        text_printf(&command->text, "rejected block-decode-failed\n");
        return;
    }
    struct sendblock *sendblock = xmalloc(sizeof *sendblock);
    *sendblock = (struct sendblock){engine, command};
    job->is_requested = true;
    job->done = sendblock_done;
    job->context = sendblock;
    command->is_pending = true;
    pipeline_submit(job);
}

static void run_invalidate(struct engine *engine, struct command *command)
{
    struct header_node *node = find_node(engine, command);

    if (!node)
        return;
    if (!node->prev) {
        fail(command, "the genesis block stays");
        return;
    }
    mark_invalid(engine, node, INVALIDATED_BY_HAND);
    text_printf(&command->text, "ok\n");
}

static void run_reconsider(struct engine *engine, struct command *command)
{
    struct header_node *node = find_node(engine, command);

    if (!node)
        return;
    reconsider(engine, node);
    text_printf(&command->text, "ok\n");
}

static void run_mocktime(struct engine *engine, struct command *command)
{
    const char *text = argument_of(command);
    char *end;
    long long seconds = strtoll(text, &end, 10);

    if (engine->params->network != NETWORK_REGTEST) {
        fail(command, "mocktime is for regtest");
    } else if (text[0] < '0' || text[0] > '9' || *end || seconds > UINT32_MAX) {
        fail(command, "seconds since 1970, or 0 to end it");
    } else {
        atomic_store(&engine->mocktime, seconds);
        text_printf(&command->text, "ok\n");
    }
}

struct utxo_state {
    struct coin_ref ref;
    struct outpoint outpoint;
    int32_t height;
    uint32_t left; /* bytes of the block from the TxOut on */
};

static void work_utxo(struct engine *engine, struct command *command)
{
    struct utxo_state *state = command->u.state;
    size_t size = state->left < TXOUT_SCRIPT_MAX + 16 ? state->left : TXOUT_SCRIPT_MAX + 16;
    uint8_t *raw = engine_read_block(engine, state->ref.pos, (uint32_t)size);
    struct txout txout;

    if (!raw || txout_parse(&txout, (struct bytes){raw, size}) != TXOUT_OK) {
        fail(command, "the coin cannot be read from blocks.bin");
    } else if (coin_check_of(&engine->key, &state->outpoint, txout.raw) != state->ref.check) {
        fail(command, "not found");
    } else {
        text_printf(&command->text, "amount %" PRId64 "\nheight %d\ncoinbase %d\nscript ",
                    txout.amount_sat, state->height, state->ref.is_coinbase);
        text_hex(&command->text, txout.script_pubkey.data, txout.script_pubkey.size);
        text_printf(&command->text, "\n");
    }
    free(raw);
    free(state);
}

static void run_utxo(struct engine *engine, struct command *command)
{
    const char *argument = argument_of(command);
    struct outpoint outpoint;
    struct coin_ref ref;
    char hex[65] = "";
    char *end;

    if (strlen(argument) > 65 && argument[64] == ' ')
        memcpy(hex, argument, 64);
    unsigned long vout = hex[0] ? strtoul(argument + 65, &end, 10) : 0;
    if (!hash_from_hex(outpoint.txid.bytes, hex) || argument[65] < '0' || argument[65] > '9' ||
        *end || vout > UINT32_MAX) {
        fail(command, "usage: utxo TXID N");
        return;
    }
    outpoint.vout = (uint32_t)vout;
    const struct world *world = node_work(engine, engine->tip)->world;
    const struct block_entry *entry = world_find(engine->ledger, world, &outpoint, &ref)
                                          ? block_table_find(engine->table, ref.pos)
                                          : NULL;
    if (!entry) {
        fail(command, "not found");
        return;
    }
    struct utxo_state *state = xmalloc(sizeof *state);
    *state = (struct utxo_state){ref, outpoint, entry->node->height,
                                 (uint32_t)(entry->pos + entry->size - ref.pos)};
    command->u.state = state;
    command->work = work_utxo;
}

static const struct engine_text_command commands[] = {
    {"tip", "", "height and hash of the best verified block", run_tip},
    {"hash", "N", "hash of the best chain's block at height N", run_hash},
    {"at", "N", "all hashes known at height N", run_at},
    {"header", "HASH", "what is known of a block's header", run_header},
    {"raw", "HASH", "a block as serialized, in hex", run_raw},
    {"block", "HASH|N", "a block's header and transactions for the eye", run_block_dump},
    {"tx", "TXID [BLOCK]",
     "a transaction for the eye; without its block only a recent or unspent one", run_tx_dump},
    {"script", "HEX", "a script as the list of its operations", run_script_dump},
    {"tips", "", "the ends of all chains: height, hash, status", run_tips},
    {"stats", "[SECTION]", "figures: chain, pipeline, ledger, process", run_stats},
    {"worlds", "", "the coin set's versions: of each recent block, what it created and spent",
     run_worlds},
    {"utxo", "TXID N", "an unspent output as of the tip", run_utxo},
    {"audit", "[cancel]", "count, amount and hashes of the coin set at the tip", run_audit},
    {"checkpoint", "", "saves the coin set now; the answer comes when it is durable",
     run_checkpoint},
    {"sendblock", "HEX", "submits a block; the answer comes after its verdict", run_sendblock},
    {"invalidate", "HASH", "marks a block and all after it invalid", run_invalidate},
    {"reconsider", "HASH", "takes such marks away", run_reconsider},
    {"mocktime", "SECONDS", "regtest: the clock of the rules; 0 ends it", run_mocktime},
};

const struct engine_text_command *engine_text_commands(size_t *count)
{
    *count = ARRAY_COUNT(commands);
    return commands;
}
