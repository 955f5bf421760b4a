#include "ledger/state.h"

#include <stdlib.h>

#define AHEAD 16

/* Worlds from the root's child on, each the next one's parent. */
struct folding {
    struct ledger *ledger;
    struct world *worlds[WORLD_SLOTS_MAX];
    size_t count;
    uint64_t *const *undo;
};

/* Another one of the worlds spends this coin, or made it: the root never sees it. A spend that
 * still hangs on its coin is of that kind, for a coin that went into the root has let its spenders
 * go. */
static bool is_passed(const struct folding *f, const struct recent *recent,
                      const struct event *event)
{
    if (event->flags & EVENT_SPEND)
        return event->flags & EVENT_LINKED;
    return recent_is_spent(recent, f->worlds[f->count - 1], event);
}

static void look_ahead(const struct folding *f, const struct recent *recent,
                       const struct event *event)
{
    const struct coin_hash hash = event_hash(event);

    if (!(event->flags & EVENT_LINKED))
        recent_prefetch(recent, hash.slot);
    if (is_passed(f, recent, event))
        return;
    root_prefetch(&f->ledger->root, &hash);
    if (!(event->flags & EVENT_SPEND) && event->spenders != EVENT_NONE)
        __builtin_prefetch(recent_event(recent, event->spenders));
}

static void fold_create(struct folding *f, struct recent *recent, struct event *event)
{
    const struct coin_hash hash = event_hash(event);

    if (is_passed(f, recent, event))
        return;
    recent_unlink_spenders(recent, event);
    bool is_new = root_insert(&f->ledger->root, &event->outpoint, &hash, event->word);
    assert(is_new); /* else this world was never verified */
}

static void fold_spend(struct folding *f, const struct event *event)
{
    const struct coin_hash hash = event_hash(event);
    uint64_t gone = root_delete(&f->ledger->root, &event->outpoint, &hash, event->word);

    assert(gone == event->word);
}

/* undo: of this world, or NULL. */
static void fold_world(struct folding *f, const struct world *world, uint32_t part, uint64_t *undo)
{
    struct recent *recent = &f->ledger->recents[part];
    uint32_t slot = (uint32_t)(world - f->ledger->worlds), end = world->ends[part];

    for (uint32_t e = events_begin(world->ends, part); e < end; e++) {
        struct event *event = &world->events[e];
        bool is_linked = event->flags & EVENT_LINKED, is_spend = event->flags & EVENT_SPEND;

        if (e + AHEAD < end)
            look_ahead(f, recent, event + AHEAD);
        if (undo && is_spend && !(event->flags & EVENT_REPLACED))
            undo[event->place] =
                is_linked && event->maker >> RECENT_INDEX_BITS == slot ? 0 : event->word;
        if (is_linked) {
            recent->linked_count--;
            continue;
        }
        recent_remove(recent, world, e);
        if (is_spend)
            fold_spend(f, event);
        else
            fold_create(f, recent, event);
    }
}

static void fold_part(void *arg, uint32_t part)
{
    struct folding *f = arg;
    struct root *root = &f->ledger->root;
    uint32_t shards = root->index.shard_count / root->key.part_count;

    for (size_t w = 0; w < f->count; w++)
        fold_world(f, f->worlds[w], part, f->undo ? f->undo[w] : NULL);
    for (uint32_t s = 0; s < shards; s++)
        root->stamps[part * shards + s] = f->worlds[f->count - 1]->node;
    index_grow_step(&root->index, part * shards, shards);
}

void ledger_fold(struct ledger *ledger, struct world *world, uint64_t *const *undo)
{
    struct folding f = {.ledger = ledger, .undo = undo};
    struct world *old = ledger->root_world;
    uint64_t event_count = 0;

    ledger_drop_beside(ledger, world);
    for (struct world *w = world; w != old; w = w->parent)
        f.count++;
    size_t at = f.count;
    for (struct world *w = world; w != old; w = w->parent) {
        assert(w->is_connected);
        f.worlds[--at] = w;
        event_count += w->ends[LEDGER_PARTS - 1];
    }
    ledger_run_parts(ledger, fold_part, &f, event_count);
    free(world->events);
    world->events = NULL;
    world->created_count = world->spent_count = world->undo_count = 0;
    memset(world->ends, 0, sizeof world->ends);
    world->parent = NULL;
    ledger->root_world = world;
    f.worlds[f.count - 1] = old;
    worlds_release(ledger, f.worlds, f.count);
}

struct absent {
    uint32_t outputs;          /* that were not there */
    uint32_t coinbase_outputs; /* of them */
};

static const struct event *events_end(const struct ledger_block *lb)
{
    return lb->events->events + lb->events->ends[LEDGER_PARTS - 1];
}

static void prefetch_later(const struct root *root, const struct event *event,
                           const struct event *end)
{
    if (end - event > AHEAD) {
        struct coin_hash later = event_hash(&event[AHEAD]);
        root_prefetch(root, &later);
    }
}

static struct absent take_outputs_out(struct root *root, const struct ledger_block *lb)
{
    struct absent absent = {0};

    for (const struct event *event = lb->events->events; event < events_end(lb); event++) {
        struct coin_hash hash = event_hash(event);

        prefetch_later(root, event, events_end(lb));
        if (!(event->flags & EVENT_SPEND) &&
            root_delete(root, &event->outpoint, &hash, event->word + lb->pos) == 0) {
            absent.outputs++;
            absent.coinbase_outputs += coin_ref_of(event->word, true).is_coinbase;
        }
    }
    return absent;
}

/* *own_count: words that say the coin was of this block itself. */
static int put_inputs_back(struct root *root, const struct ledger_block *lb, const uint64_t *undo,
                           uint32_t *own_count)
{
    *own_count = 0;
    for (const struct event *event = lb->events->events; event < events_end(lb); event++) {
        struct coin_hash hash = event_hash(event);

        prefetch_later(root, event, events_end(lb));
        if (!(event->flags & EVENT_SPEND))
            continue;
        uint64_t word = undo[event->place];
        if (word == 0) {
            ++*own_count;
            continue;
        }
        if (coin_word_pos(word) == 0)
            return -EILSEQ;
        if (!root_insert(root, &event->outpoint, &hash, word))
            return -EILSEQ;
    }
    return 0;
}

int ledger_unfold(struct ledger *ledger, const struct ledger_block *lb, const uint64_t *undo,
                  uint32_t undo_count)
{
    struct root *root = &ledger->root;
    struct world *world = ledger->root_world;
    uint32_t own_count;

    assert(ledger->world_count == 1 && ledger_top(ledger) == world->node && world->node->prev);
    if (!block_hash_equal(&lb->block->hash, &world->node->hash) ||
        undo_count != lb->events->input_count)
        return -EILSEQ;

    struct absent absent = take_outputs_out(root, lb);
    int rc = put_inputs_back(root, lb, undo, &own_count);
    if (rc != 0)
        return rc;
    /* What the block itself spent was not there, nor a coinbase that a later block replaced. */
    if (own_count > absent.outputs || absent.outputs - own_count > absent.coinbase_outputs)
        return -EILSEQ;
    world->node = world->node->prev;
    world->height = world->node->height;
    root_stamp(root, world->node);
    index_grow_step(&root->index, 0, root->index.shard_count);
    return 0;
}

static bool is_behind(const struct root *root, uint32_t shard, const struct header_node *node)
{
    return root->stamps[shard]->height < node->height;
}

static int replay_spend(struct root *root, const struct ledger_block *lb, const struct event *event,
                        uint64_t *undo)
{
    struct coin_hash hash = event_hash(event);
    uint64_t word = root_delete(root, &event->outpoint, &hash, 0);

    if (word == 0)
        return -EILSEQ;
    if (coin_word_pos(word) >= lb->pos && coin_word_pos(word) - lb->pos < lb->block->raw.size)
        word = 0;
    if (undo)
        undo[event->place] = word;
    return 0;
}

static int replay_create(struct root *root, const struct ledger_block *lb,
                         const struct event *event)
{
    struct coin_hash hash = event_hash(event);
    uint64_t old = 0;
    int rc = 0;

    if (lb->bip30 == BIP30_OVERWRITE)
        rc = root_find_exact(root, &event->outpoint, &hash, &old);
    if (rc != 0)
        return rc;
    if (old != 0)
        (void)root_delete(root, &event->outpoint, &hash, old);
    return root_insert(root, &event->outpoint, &hash, event->word + lb->pos) ? 0 : -EILSEQ;
}

struct replaying {
    struct ledger *ledger;
    const struct ledger_block *lb;
    struct header_node *node;
    uint64_t *undo;
    int errors[LEDGER_PARTS];
};

static int replay_event(const struct replaying *r, const struct event *event)
{
    struct root *root = &r->ledger->root;
    bool is_spend = event->flags & EVENT_SPEND;

    if (is_behind(root, event->shard, r->node))
        return is_spend ? replay_spend(root, r->lb, event, r->undo)
                        : replay_create(root, r->lb, event);
    if (r->undo && is_spend)
        r->undo[event->place] = UINT64_MAX;
    return 0;
}

static void replay_part(void *arg, uint32_t part)
{
    struct replaying *r = arg;
    struct root *root = &r->ledger->root;
    const struct block_events *events = r->lb->events;
    const struct event *end = events->events + events->ends[part];
    uint32_t shards = root->index.shard_count / root->key.part_count;

    for (const struct event *event = events->events + events_begin(events->ends, part); event < end;
         event++) {
        prefetch_later(root, event, end);
        r->errors[part] = replay_event(r, event);
        if (r->errors[part] != 0)
            return;
    }
    for (uint32_t s = part * shards; s < (part + 1) * shards; s++)
        if (is_behind(root, s, r->node))
            root->stamps[s] = r->node;
    index_grow_step(&root->index, part * shards, shards);
}

int ledger_replay(struct ledger *ledger, const struct ledger_block *lb, struct header_node *node,
                  uint64_t *undo)
{
    struct replaying r = {ledger, lb, node, undo, {0}};

    assert(ledger->world_count == 1 && node->prev == ledger->root_world->node);
    if (!block_hash_equal(&lb->block->hash, &node->hash) ||
        lb->pos > COIN_POS_MAX - lb->block->raw.size)
        return -EILSEQ;
    ledger_run_parts(ledger, replay_part, &r, lb->events->ends[LEDGER_PARTS - 1]);
    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        if (r.errors[p] != 0)
            return r.errors[p];
    ledger->root_world->node = node;
    ledger->root_world->height = node->height;
    return 0;
}
