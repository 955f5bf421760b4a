/* absorb.c - blocks that are known to be valid go into the root without worlds. First only looks:
 * the word of every spend, and what one of the blocks makes and another takes, so that a coin that
 * is missing leaves all as it was. Then what is left changes the index. */
#include "ledger/state.h"

#include <stdlib.h>

#define GROUP 32 /* lookups under way together */
#define AHEAD 16

struct made_slot {
    uint32_t hash;
    uint32_t ref; /* block << RECENT_INDEX_BITS | event, or EVENT_NONE: free */
};

/* What the blocks make in one part, and what they take out of the root, by outpoint: found with all
 * events of the part near to the processor. */
struct made {
    struct made_slot *slots;
    unsigned shift; /* home = hash >> shift */
};

struct absorbing {
    struct ledger *ledger;
    const struct known_block *blocks;
    size_t count;
    uint32_t missing[LEDGER_PARTS]; /* inputs without a coin */
    uint32_t unfit[LEDGER_PARTS];   /* changes of the root that failed */
};

static struct event *event_of(const struct absorbing *a, uint32_t ref)
{
    return &a->blocks[ref >> RECENT_INDEX_BITS]
                .lb.events->events[ref & ((1u << RECENT_INDEX_BITS) - 1)];
}

static void made_init(struct made *made, const struct absorbing *a, uint32_t part)
{
    uint64_t count = 0;

    for (size_t b = 0; b < a->count; b++) {
        const uint32_t *ends = a->blocks[b].lb.events->ends;
        count += ends[part] - events_begin(ends, part);
    }
    made->shift = 32 - 6;
    while ((uint64_t)1 << (32 - made->shift) < count * 3 / 2)
        made->shift--;
    size_t size = ((size_t)1 << (32 - made->shift)) * sizeof *made->slots;
    made->slots = xmalloc(size);
    memset(made->slots, 0xff, size); /* EVENT_NONE */
}

static uint32_t next_slot(const struct made *made, uint32_t i)
{
    return (i + 1) & (uint32_t)(((uint64_t)1 << (32 - made->shift)) - 1);
}

static void made_add(struct made *made, uint32_t hash, uint32_t ref)
{
    uint32_t i = hash >> made->shift;

    while (made->slots[i].ref != EVENT_NONE)
        i = next_slot(made, i);
    made->slots[i] = (struct made_slot){hash, ref};
}

/* The event of this outpoint that made a coin which none has taken, or else one that took it, or
 * EVENT_NONE: the coin must be in the root. */
static uint32_t made_find(const struct made *made, const struct absorbing *a,
                          const struct event *spend)
{
    uint32_t found = EVENT_NONE;

    for (uint32_t i = spend->slot >> made->shift; made->slots[i].ref != EVENT_NONE;
         i = next_slot(made, i)) {
        const struct event *event;

        if (made->slots[i].hash != spend->slot)
            continue;
        event = event_of(a, made->slots[i].ref);
        if (!outpoint_equal(&event->outpoint, &spend->outpoint))
            continue;
        found = made->slots[i].ref;
        if (!(event->flags & EVENT_SPEND) && event->spenders == EVENT_NONE)
            break;
    }
    return found;
}

/* Spends what the event at ref made. False: that is taken. */
static bool spend_made(const struct absorbing *a, size_t block, uint32_t ref, struct event *event)
{
    struct event *maker = event_of(a, ref);

    if (maker->flags & EVENT_SPEND || maker->spenders != EVENT_NONE)
        return false;
    maker->spenders = 0; /* taken */
    event->flags |= EVENT_LINKED;
    event->word = ref >> RECENT_INDEX_BITS == block ? 0 : maker->word;
    return true;
}

static void find_in_root(struct absorbing *a, uint32_t part, struct event *const *events,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct coin_hash hash = event_hash(events[i]);
        bool is_exact;

        events[i]->word = root_find(&a->ledger->root, &events[i]->outpoint, &hash, &is_exact);
        a->missing[part] += events[i]->word == 0;
    }
}

/* The word of each spend, where it is 0 only for a coin of the block itself; what one of the blocks
 * makes and another spends is marked. Nothing is changed but events. */
static void find_part(void *arg, uint32_t part)
{
    struct absorbing *a = arg;
    struct event *in_root[GROUP];
    uint32_t in_root_count = 0;
    struct made made;

    made_init(&made, a, part);
    for (size_t b = 0; b < a->count; b++) {
        const struct ledger_block *lb = &a->blocks[b].lb;
        struct event *events = lb->events->events;

        for (uint32_t e = events_begin(lb->events->ends, part); e < lb->events->ends[part]; e++) {
            uint32_t own = (uint32_t)b << RECENT_INDEX_BITS | e;

            if (events[e].flags & EVENT_SPEND) {
                uint32_t ref = made_find(&made, a, &events[e]);
                if (ref != EVENT_NONE) {
                    a->missing[part] += !spend_made(a, b, ref, &events[e]);
                    continue;
                }
                const struct coin_hash hash = event_hash(&events[e]);
                root_prefetch(&a->ledger->root, &hash);
                in_root[in_root_count++] = &events[e];
            } else {
                events[e].word += lb->pos;
                events[e].spenders = EVENT_NONE;
            }
            made_add(&made, events[e].slot, own);
            if (in_root_count == GROUP) {
                find_in_root(a, part, in_root, GROUP);
                in_root_count = 0;
            }
        }
    }
    find_in_root(a, part, in_root, in_root_count);
    free(made.slots);
}

static bool is_passed(const struct event *event)
{
    return event->flags & EVENT_SPEND ? event->flags & EVENT_LINKED : event->spenders != EVENT_NONE;
}

static bool take(struct root *root, const struct event *event)
{
    const struct coin_hash hash = event_hash(event);

    return event->flags & EVENT_SPEND
               ? root_delete(root, &event->outpoint, &hash, event->word) == event->word
               : root_insert(root, &event->outpoint, &hash, event->word);
}

static void take_part(void *arg, uint32_t part)
{
    struct absorbing *a = arg;
    struct root *root = &a->ledger->root;
    uint32_t shards = root->index.shard_count / root->key.part_count;

    for (size_t b = 0; b < a->count; b++) {
        const struct block_events *events = a->blocks[b].lb.events;
        uint32_t end = events->ends[part];

        for (uint32_t e = events_begin(events->ends, part); e < end; e++) {
            const struct event *event = &events->events[e];

            if (e + AHEAD < end && !is_passed(event + AHEAD)) {
                const struct coin_hash hash = event_hash(event + AHEAD);
                root_prefetch(root, &hash);
            }
            if (event->flags & EVENT_SPEND && a->blocks[b].undo)
                a->blocks[b].undo[event->place] = event->word;
            if (!is_passed(event))
                a->unfit[part] += !take(root, event);
        }
    }
    for (uint32_t s = 0; s < shards; s++)
        root->stamps[part * shards + s] = a->blocks[a->count - 1].node;
    index_grow_step(&root->index, part * shards, shards);
}

/* BIP30_OVERWRITE: the words of what the block's outputs replace, by event (0: nothing). */
static int find_replaced(struct ledger *ledger, const struct ledger_block *lb, uint64_t *words)
{
    uint32_t count = lb->events->ends[LEDGER_PARTS - 1];
    int rc = 0;

    for (uint32_t e = 0; rc == 0 && e < count; e++) {
        const struct event *event = &lb->events->events[e];
        const struct coin_hash hash = event_hash(event);

        words[e] = 0;
        if (!(event->flags & EVENT_SPEND))
            rc = root_find_exact(&ledger->root, &event->outpoint, &hash, &words[e]);
    }
    return rc;
}

static void take_replaced(struct ledger *ledger, const struct ledger_block *lb,
                          const uint64_t *words)
{
    uint32_t count = lb->events->ends[LEDGER_PARTS - 1];

    for (uint32_t e = 0; e < count; e++) {
        const struct event *event = &lb->events->events[e];
        const struct coin_hash hash = event_hash(event);

        if (words[e] != 0)
            (void)root_delete(&ledger->root, &event->outpoint, &hash, words[e]);
    }
}

static uint32_t sum_of(const uint32_t counts[LEDGER_PARTS])
{
    uint32_t sum = 0;

    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        sum += counts[p];
    return sum;
}

int ledger_absorb(struct ledger *ledger, const struct known_block *blocks, size_t count)
{
    struct absorbing a = {.ledger = ledger, .blocks = blocks, .count = count};
    struct world *root = ledger->root_world;
    uint64_t event_count = 0;

    assert(ledger->world_count == 1 && ledger_top(ledger) == root->node);
    assert(count > 0 && count <= ABSORB_MAX && blocks[0].node->prev == root->node);
    for (size_t b = 0; b < count; b++) {
        const struct ledger_block *lb = &blocks[b].lb;

        if (lb->pos > COIN_POS_MAX - lb->block->raw.size ||
            lb->events->ends[LEDGER_PARTS - 1] >= 1u << RECENT_INDEX_BITS)
            return -EFBIG;
        event_count += lb->events->ends[LEDGER_PARTS - 1];
    }
    uint64_t *replaced = NULL;
    int rc = 0;
    if (blocks[0].lb.bip30 == BIP30_OVERWRITE) {
        assert(count == 1);
        replaced = xmalloc((event_count + 1) * sizeof *replaced);
        rc = find_replaced(ledger, &blocks[0].lb, replaced);
    }
    if (rc == 0) {
        ledger_run_parts(ledger, find_part, &a, event_count);
        rc = sum_of(a.missing) != 0 ? -ENOENT : 0;
    }
    if (rc == 0 && replaced)
        take_replaced(ledger, &blocks[0].lb, replaced);
    free(replaced);
    if (rc != 0)
        return rc;
    ledger_run_parts(ledger, take_part, &a, event_count);
    if (sum_of(a.unfit) != 0)
        return -EILSEQ;
    root->node = blocks[count - 1].node;
    root->height = root->node->height;
    return 0;
}
