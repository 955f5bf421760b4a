/* save.c - the ledger thread's side of checkpoints: when one is taken, and which shard is copied
 * next. One is due when the replay of what was folded since the last would take too long. */
#include "pipeline/engine_private.h"

#include "base/clock.h"
#include <inttypes.h>
#include <stdlib.h>

#define REPLAY_MS_MAX    60000
#define CLOSE_REPLAY_US  5000000            /* at shutdown: what may be left to the next start */
#define CLOSE_SIZE_SMALL ((size_t)64 << 20) /* written at shutdown in any case */
#define DAY_SIZE_MAX     10000000000        /* at the tip, bytes a day */
#define READ_NS_BYTE     2                  /* of plain reads, beside what is measured */
#define PARSE_NS_BYTE    10                 /* before any is measured */

/* Replay parses a block as the workers do, and applies it as a fold does. */
static uint64_t replay_us(struct engine *engine, const struct header_node *node, uint64_t fold_us)
{
    uint64_t parse_ns = atomic_load(&engine->pipeline.stats.parse.busy_ns);
    uint64_t ns_byte = engine->bytes_done ? parse_ns / engine->bytes_done : PARSE_NS_BYTE;

    return fold_us + node->size * (ns_byte + READ_NS_BYTE) / 1000;
}

void save_folded(struct engine *engine, struct header_node *node, uint64_t *words, uint32_t count,
                 uint64_t fold_us)
{
    engine->saving.replay_us += replay_us(engine, node, fold_us);
    if (words)
        checkpointer_undo(engine->saving.checkpointer, node->height, &node->hash, words, count);
    audit_folded(engine, node);
}

static void answer_commands(struct engine *engine, const char *error)
{
    struct saving *saving = &engine->saving;

    while (saving->commands) {
        struct command *command = saving->commands;

        saving->commands = command->next;
        if (error)
            text_printf(&command->text, "error: %s\n", error);
        else
            text_printf(&command->text, "height %d\nbytes %" PRIu64 "\n", saving->saved->height,
                        saving->size);
        finish_command(engine, command);
    }
}

static void completed(struct engine *engine, const struct checkpointer_status *status)
{
    struct saving *saving = &engine->saving;
    uint64_t now = clock_monotonic_us();

    saving->seen_count = status->written_count;
    saving->is_active = saving->is_wanted = false;
    saving->saved = saving->lowest;
    saving->saved_us = now;
    saving->size = status->size;
    saving->replay_us -= saving->replay_covered_us;
    saving->replay_covered_us = 0;
    engine_log(engine, ENGINE_LOG_INFO, "checkpoint: height %d, %" PRIu64 " MB in %" PRIu64 " ms",
               saving->saved->height, status->size / 1000000, (now - saving->begun_us) / 1000);
    answer_commands(engine, NULL);
}

/* The last checkpoint holds this very block's coins. */
static bool is_saved(struct engine *engine)
{
    return engine->saving.saved == world_node(ledger_root(engine->ledger));
}

static bool is_due(struct engine *engine)
{
    const struct saving *saving = &engine->saving;
    uint64_t limit_ms = engine->config.replay_ms_max ? engine->config.replay_ms_max : REPLAY_MS_MAX;
    uint64_t size = ledger_stats(engine->ledger).root_coins * 16;

    if (is_saved(engine))
        return false;
    if (saving->is_wanted)
        return true;
    if (saving->replay_us < limit_ms * 1000)
        return false;
    return !atomic_load(&engine->is_synced) || saving->saved_us == 0 ||
           clock_monotonic_us() - saving->saved_us >= size * (uint64_t)86400000000 / DAY_SIZE_MAX;
}

static void begin(struct engine *engine)
{
    struct saving *saving = &engine->saving;

    saving->is_active = true;
    saving->next_shard = 0;
    saving->lowest = world_node(ledger_root(engine->ledger));
    saving->begun_us = clock_monotonic_us();
    saving->replay_covered_us = saving->replay_us;
}

/* False: there is no free buffer. */
static bool copy_next(struct engine *engine, bool may_wait)
{
    struct saving *saving = &engine->saving;
    struct shard_image *image = checkpointer_image(saving->checkpointer, may_wait);

    if (!image)
        return false;
    checkpoint_copy_shard(engine->ledger, saving->next_shard++, image);
    checkpointer_add(saving->checkpointer, image);
    return true;
}

static bool has_shards(const struct engine *engine)
{
    return engine->saving.is_active && engine->saving.next_shard < SHARD_COUNT;
}

/* Between folds. One shard at a time, so that a block that comes meanwhile does not wait long. */
void save_step(struct engine *engine)
{
    struct saving *saving = &engine->saving;
    struct checkpointer_status status = checkpointer_status(saving->checkpointer);

    if (status.error) {
        engine_fail(engine, ENGINE_DISK, "saving the ledger in %s failed: %s", engine->directory,
                    strerror(-status.error));
        return;
    }
    if (status.written_count > saving->seen_count)
        completed(engine, &status);
    if (!saving->is_active && is_due(engine))
        begin(engine);
    if (saving->commands && is_saved(engine) && !saving->is_active)
        answer_commands(engine, NULL);
    if (has_shards(engine) && !copy_next(engine, false))
        return; /* the checkpoint thread wakes this one */
}

bool save_has_work(struct engine *engine)
{
    struct checkpointer *checkpointer = engine->saving.checkpointer;
    struct checkpointer_status status = checkpointer_status(checkpointer);

    return status.error || status.written_count > engine->saving.seen_count ||
           (has_shards(engine) && checkpointer_image(checkpointer, false));
}

/* The shards copied so far stand at blocks that the root has left. */
void save_abandon(struct engine *engine)
{
    struct saving *saving = &engine->saving;
    struct header_node *root = world_node(ledger_root(engine->ledger));

    if (saving->is_active) {
        checkpointer_abandon(saving->checkpointer);
        struct checkpointer_status status = checkpointer_status(saving->checkpointer);
        if (status.written_count > saving->seen_count)
            completed(engine, &status);
    }
    saving->is_active = false;
    saving->is_wanted = saving->is_wanted || !header_is_ancestor(saving->saved, root);
}

void save_refuse_commands(struct engine *engine)
{
    answer_commands(engine, "the node is stopping");
}

void save_close(struct engine *engine)
{
    struct saving *saving = &engine->saving;

    fold_rest(engine);
    if (!engine->is_failed)
        save_step(engine);
    uint64_t size = ledger_stats(engine->ledger).root_coins * 16;
    saving->is_wanted = size < CLOSE_SIZE_SMALL || saving->replay_us >= CLOSE_REPLAY_US;
    if (!engine->is_failed && !saving->is_active && is_due(engine))
        begin(engine);
    while (!engine->is_failed && has_shards(engine) && copy_next(engine, true))
        ;
    int error = checkpointer_stop(saving->checkpointer);
    saving->checkpointer = NULL;
    if (error < 0)
        engine_fail(engine, ENGINE_DISK, "saving the ledger in %s failed: %s", engine->directory,
                    strerror(-error));
}

void run_checkpoint(struct engine *engine, struct command *command)
{
    struct saving *saving = &engine->saving;

    command->is_pending = true;
    command->next = saving->commands;
    saving->commands = command;
    saving->is_wanted = true;
}

void put_saving(struct engine *engine, struct text *text)
{
    struct saving *saving = &engine->saving;
    struct checkpointer_status status = checkpointer_status(saving->checkpointer);

    text_printf(text,
                "ledger.checkpoint_height %d\nledger.checkpoint_age_s %" PRIu64
                "\nledger.checkpoint_bytes %" PRIu64 "\n",
                saving->saved->height,
                saving->saved_us ? (clock_monotonic_us() - saving->saved_us) / 1000000 : 0,
                saving->size);
    text_printf(text,
                "ledger.checkpoints %" PRIu64 "\nledger.checkpoint_written_bytes %" PRIu64
                "\nledger.undo_written_bytes %" PRIu64 "\n",
                status.written_count, status.image_size, status.undo_size);
    text_printf(text,
                "ledger.checkpoint_shards %u\nledger.shards %u\nledger.replay_estimate_ms %" PRIu64
                "\n",
                saving->is_active ? saving->next_shard : 0, SHARD_COUNT, saving->replay_us / 1000);
}
