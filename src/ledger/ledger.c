#include "ledger/state.h"

#include <stdlib.h>

static uint32_t slot_of(const struct ledger *ledger, const struct world *world)
{
    return (uint32_t)(world - ledger->worlds);
}

struct ledger *ledger_new(const struct ledger_config *config, struct header_node *genesis)
{
    struct ledger *ledger = xcalloc(1, sizeof *ledger);

    assert(config->world_slots >= 2 && config->world_slots <= WORLD_SLOTS_MAX &&
           config->horizon >= 0);
    ledger->config = *config;
    ledger->worlds = xcalloc(config->world_slots, sizeof *ledger->worlds);
    root_init(&ledger->root, &config->key, config->coins_hint, genesis);
    ledger->root.outpoint_at = config->outpoint_at;
    ledger->root.ctx = config->ctx;
    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        recent_init(&ledger->recents[p], ledger->worlds);
    ledger->root_world = &ledger->worlds[0];
    ledger->root_world->node = genesis;
    ledger->root_world->height = genesis->height;
    ledger->root_world->ancestors[0] = 1;
    ledger->root_world->is_connected = true;
    ledger->world_count = 1;
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return;
    for (uint32_t s = 0; s < ledger->config.world_slots; s++)
        free(ledger->worlds[s].events);
    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        recent_clear(&ledger->recents[p]);
    root_clear(&ledger->root);
    free(ledger->worlds);
    free(ledger);
}

const struct ledger_config *ledger_config(const struct ledger *ledger)
{
    return &ledger->config;
}

struct world *ledger_root(struct ledger *ledger)
{
    return ledger->root_world;
}

struct header_node *world_node(const struct world *world)
{
    return world->node;
}

struct world *world_parent(const struct world *world)
{
    return world->parent;
}

void *world_user(const struct world *world)
{
    return world->user;
}

void world_set_user(struct world *world, void *user)
{
    world->user = user;
}

uint32_t world_undo_count(const struct world *world)
{
    return world->undo_count;
}

uint32_t ledger_free_slots(const struct ledger *ledger)
{
    return ledger->config.world_slots - ledger->world_count;
}

struct header_node *ledger_top(const struct ledger *ledger)
{
    struct header_node *top = ledger->root.stamps[0];

    for (uint32_t s = 1; s < ledger->root.index.shard_count; s++)
        if (ledger->root.stamps[s]->height > top->height)
            top = ledger->root.stamps[s];
    return top;
}

struct world *world_extend(struct ledger *ledger, struct world *parent, struct header_node *node)
{
    struct world *world = ledger->worlds;

    assert(node->prev == parent->node && ledger_top(ledger) == ledger->root_world->node);
    if (ledger_free_slots(ledger) == 0)
        return NULL;
    while (world->node)
        world++;
    *world = (struct world){.parent = parent, .node = node, .height = node->height};
    memcpy(world->ancestors, parent->ancestors, sizeof world->ancestors);
    world->ancestors[slot_of(ledger, world) / 64] |= (uint64_t)1 << (slot_of(ledger, world) % 64);
    ledger->world_count++;
    return world;
}

void ledger_run_parts(struct ledger *ledger, void (*run)(void *arg, uint32_t part), void *arg,
                      uint64_t event_count)
{
    uint32_t count = ledger->config.key.part_count;

    if (ledger->config.run_parts)
        ledger->config.run_parts(ledger->config.ctx, run, arg, count, event_count);
    for (uint32_t part = 0; !ledger->config.run_parts && part < count; part++)
        run(arg, part);
}

/* A descendant of an old root still carries that one's bit, which will soon be another world's. */
void worlds_release(struct ledger *ledger, struct world *const *worlds, size_t count)
{
    uint64_t gone[WORLD_SLOTS_MAX / 64] = {0};

    for (size_t i = 0; i < count; i++) {
        gone[slot_of(ledger, worlds[i]) / 64] |= (uint64_t)1 << (slot_of(ledger, worlds[i]) % 64);
        free(worlds[i]->events);
        *worlds[i] = (struct world){0};
    }
    for (uint32_t s = 0; s < ledger->config.world_slots; s++)
        for (uint32_t i = 0; ledger->worlds[s].node && i < ARRAY_COUNT(gone); i++)
            ledger->worlds[s].ancestors[i] &= ~gone[i];
    ledger->world_count -= (uint32_t)count;
}

static int lowest_first(const void *a, const void *b)
{
    int32_t x = (*(struct world *const *)a)->node->height;
    int32_t y = (*(struct world *const *)b)->node->height;

    return (x > y) - (x < y);
}

/* Takes away count worlds that are closed under descent. */
static void drop(struct ledger *ledger, struct world **worlds, size_t count)
{
    qsort(worlds, count, sizeof(struct world *), lowest_first);
    while (count-- > 0) {
        struct world *world = worlds[count];

        if (ledger->config.dropped)
            ledger->config.dropped(ledger->config.ctx, world, world->user);
        for (uint32_t p = 0; world->events && p < ledger->config.key.part_count; p++)
            recent_sweep(&ledger->recents[p], world, p);
        worlds_release(ledger, &world, 1);
    }
}

void world_drop(struct ledger *ledger, struct world *world)
{
    struct world *worlds[WORLD_SLOTS_MAX];
    size_t count = 0;

    assert(world != ledger->root_world && world->node);
    for (uint32_t s = 0; s < ledger->config.world_slots; s++)
        if (world_sees(&ledger->worlds[s], slot_of(ledger, world)))
            worlds[count++] = &ledger->worlds[s];
    drop(ledger, worlds, count);
}

void ledger_drop_beside(struct ledger *ledger, const struct world *world)
{
    struct world *worlds[WORLD_SLOTS_MAX];
    size_t count = 0;

    for (uint32_t s = 0; s < ledger->config.world_slots; s++) {
        struct world *other = &ledger->worlds[s];
        if (other->node && !world_sees(other, slot_of(ledger, world)) &&
            !world_sees(world, slot_of(ledger, other)))
            worlds[count++] = other;
    }
    drop(ledger, worlds, count);
}

struct world *ledger_to_fold(const struct ledger *ledger, const struct world *tip)
{
    const struct world *world = tip;

    if (tip->node->height - ledger->root_world->node->height <= ledger->config.horizon)
        return NULL;
    while (world->parent != ledger->root_world)
        world = world->parent;
    return (struct world *)world;
}

bool find_recent(const struct ledger *ledger, const struct world *world,
                 const struct outpoint *outpoint, const struct coin_hash *hash, uint64_t *word)
{
    const struct recent *recent = &ledger->recents[part_of_shard(&ledger->config.key, hash->shard)];
    uint32_t ref = recent_find(recent, world, outpoint, hash->slot);

    if (ref == EVENT_NONE)
        return false;
    const struct event *event = recent_event(recent, ref);
    *word = recent_is_spent(recent, world, event) ? 0 : event->word;
    return true;
}

bool world_find(const struct ledger *ledger, const struct world *world,
                const struct outpoint *outpoint, struct coin_ref *ref)
{
    struct coin_hash hash = coin_hash_of(&ledger->config.key, outpoint);
    bool is_exact = true;
    uint64_t word;

    if (!find_recent(ledger, world, outpoint, &hash, &word))
        word = root_find(&ledger->root, outpoint, &hash, &is_exact);
    *ref = coin_ref_of(word, is_exact);
    return word != 0;
}

int world_find_exact(struct ledger *ledger, const struct world *world,
                     const struct outpoint *outpoint, struct coin_ref *ref)
{
    struct coin_hash hash = coin_hash_of(&ledger->config.key, outpoint);
    uint64_t word;

    if (!find_recent(ledger, world, outpoint, &hash, &word)) {
        int rc = root_find_exact(&ledger->root, outpoint, &hash, &word);
        if (rc != 0)
            return rc;
    }
    *ref = coin_ref_of(word, true);
    return word != 0;
}

int ledger_compare(struct ledger *ledger, const struct ledger_block *lb)
{
    uint32_t count = lb->events->ends[LEDGER_PARTS - 1];
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const struct event *event = &lb->events->events[i];
        struct coin_hash hash = event_hash(event);
        bool is_exact;

        if (event->flags & EVENT_SPEND)
            continue;
        uint64_t word = root_find(&ledger->root, &event->outpoint, &hash, &is_exact);
        if (word != 0 && word != event->word + lb->pos)
            rc = root_find_exact(&ledger->root, &event->outpoint, &hash, &word);
    }
    return rc;
}

size_t ledger_worlds(const struct ledger *ledger, struct world_info *infos, size_t max)
{
    struct world *worlds[WORLD_SLOTS_MAX];
    size_t count = 0;

    for (uint32_t s = 0; s < ledger->config.world_slots; s++)
        if (ledger->worlds[s].node)
            worlds[count++] = &ledger->worlds[s];
    qsort(worlds, count, sizeof(struct world *), lowest_first);
    for (size_t i = 0; i < count && i < max; i++)
        infos[i] = (struct world_info){
            .node = worlds[i]->node,
            .parent_node = worlds[i]->parent ? worlds[i]->parent->node : NULL,
            .created_count = worlds[i]->created_count,
            .spent_count = worlds[i]->spent_count,
            .is_connected = worlds[i]->is_connected,
            .user = worlds[i]->user,
        };
    return count;
}

struct ledger_stats ledger_stats(const struct ledger *ledger)
{
    const struct root *root = &ledger->root;
    struct ledger_stats stats = {
        .root_coins = root_count(root),
        .side_coins = root_side_count(root),
        .index_bytes = index_memory(&root->index),
        .recent_bytes = ledger->config.world_slots * sizeof *ledger->worlds,
        .growths = root->index.growths,
        .tag_reads = root->tag_reads,
        .worlds = ledger->world_count,
        .world_slots = ledger->config.world_slots,
    };

    for (uint32_t p = 0; p < LEDGER_PARTS; p++) {
        const struct recent *recent = &ledger->recents[p];

        uint64_t count = (uint64_t)recent->count + recent->linked_count;

        stats.recent_events += count;
        stats.recent_bytes += recent_memory(recent) + count * sizeof(struct event);
    }
    return stats;
}
