#include "ledger/state.h"

#include <stdlib.h>

#define GROUP 32 /* lookups under way together: each waits for memory, all wait at once */

/* What one part has to say about one block. */
struct finding {
    int error;
    uint32_t repeated; /* the first output that exists already, or NOTHING */
    uint32_t missing;  /* the first input without a coin, or NOTHING */
};

#define NOTHING UINT32_MAX

struct work {
    struct ledger *ledger;
    struct connecting *connecting;
    size_t count;
    struct finding *findings; /* by part, then by block */
};

static void note(uint32_t *first, uint32_t place)
{
    if (place < *first)
        *first = place;
}

/* The coin with event's outpoint in world: 0 with the word (0: there is none), or -errno. */
static int find_exact(struct ledger *ledger, const struct world *world, const struct event *event,
                      uint64_t *word)
{
    const struct coin_hash hash = event_hash(event);

    if (find_recent(ledger, world, &event->outpoint, &hash, word))
        return 0;
    return root_find_exact(&ledger->root, &event->outpoint, &hash, word);
}

/* BIP30, against the parent: what this block does is not seen there. */
static void check_repeated(struct ledger *ledger, const struct world *parent,
                           const struct event *event, struct finding *finding)
{
    uint64_t word = 0;
    int error = find_exact(ledger, parent, event, &word);

    if (error != 0)
        finding->error = error;
    else if (word != 0)
        note(&finding->repeated, event->place);
}

/* A spend hangs on the event of its coin, if its world sees one: false if that is spent already.
 * Without any, the word stays 0: the root has to be asked. */
static bool spend_recent(struct recent *recent, const struct world *world, struct event *event,
                         struct coin_ref *ref)
{
    uint32_t maker = recent_find(recent, world, &event->outpoint, event->slot);

    if (maker == EVENT_NONE)
        return true;
    if (recent_is_spent(recent, world, recent_event(recent, maker)))
        return false;
    event->word = recent_event(recent, maker)->word;
    *ref = coin_ref_of(event->word, true);
    recent_link(recent, maker, world, (uint32_t)(event - world->events));
    return true;
}

static void spend_in_root(struct ledger *ledger, struct event *event, struct coin_ref *ref,
                          struct finding *finding)
{
    const struct coin_hash hash = event_hash(event);
    bool is_exact;

    event->word = root_find(&ledger->root, &event->outpoint, &hash, &is_exact);
    *ref = coin_ref_of(event->word, is_exact);
    if (event->word == 0)
        note(&finding->missing, event->place);
}

static void look_ahead(const struct ledger *ledger, const struct recent *recent,
                       const struct event *group, uint32_t count, bool is_bip30)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct coin_hash hash = event_hash(&group[i]);

        recent_prefetch(recent, hash.slot);
        if (is_bip30 && !(group[i].flags & EVENT_SPEND))
            root_prefetch(&ledger->root, &hash);
    }
    for (uint32_t i = 0; i < count; i++)
        if (is_bip30 || group[i].flags & EVENT_SPEND)
            recent_prefetch_events(recent, group[i].slot);
}

/* The world gets all its events, whatever is found. */
static void follow(struct ledger *ledger, uint32_t part, const struct connecting *c,
                   struct finding *finding)
{
    struct world *world = c->world;
    struct recent *recent = &ledger->recents[part];
    struct event *first = world->events + events_begin(world->ends, part);
    struct event *end = world->events + world->ends[part];
    struct event *in_root[GROUP];
    bool is_bip30 = c->lb.bip30 == BIP30_ENFORCED;

    for (struct event *group = first; group < end; group += GROUP) {
        uint32_t n = end - group < GROUP ? (uint32_t)(end - group) : GROUP;
        uint32_t in_root_count = 0;

        look_ahead(ledger, recent, group, n, is_bip30);
        for (uint32_t i = 0; i < n; i++) {
            struct event *event = &group[i];

            if (!(event->flags & EVENT_SPEND)) {
                if (is_bip30)
                    check_repeated(ledger, world->parent, event, finding);
                event->word += c->lb.pos;
                event->spenders = EVENT_NONE;
            } else if (event->flags & EVENT_REPLACED) {
                /* its word is known */
            } else if (!spend_recent(recent, world, event, &c->refs[event->place])) {
                note(&finding->missing, event->place);
            } else if (event->word == 0) {
                const struct coin_hash hash = event_hash(event);
                root_prefetch(&ledger->root, &hash);
                in_root[in_root_count++] = event;
            }
            if (!(event->flags & EVENT_LINKED))
                recent_add(recent, world, (uint32_t)(event - world->events));
        }
        for (uint32_t i = 0; i < in_root_count; i++)
            spend_in_root(ledger, in_root[i], &c->refs[in_root[i]->place], finding);
    }
}

static void connect_part(void *arg, uint32_t part)
{
    const struct work *work = arg;
    struct finding *finding = work->findings + part * work->count;

    for (size_t i = 0; i < work->count; i++, finding++) {
        const struct connecting *c = &work->connecting[i];
        const struct world *world = c->world;

        *finding = (struct finding){.repeated = NOTHING, .missing = NOTHING};
        if (c->error != 0)
            continue;
        recent_reserve(&work->ledger->recents[part],
                       world->ends[part] - events_begin(world->ends, part));
        follow(work->ledger, part, c, finding);
    }
}

/* The same events, and before each output that is in the parent's world already one that takes that
 * out. */
static int replace_repeated(struct ledger *ledger, struct world *world)
{
    struct event *old = world->events;
    struct event *events = xmalloc((size_t)world->ends[LEDGER_PARTS - 1] * 2 * sizeof *events);
    uint32_t from = 0, count = 0;
    int error = 0;

    for (uint32_t p = 0; p < LEDGER_PARTS; p++) {
        for (; from < world->ends[p]; from++) {
            uint64_t word = 0;

            if (!(old[from].flags & EVENT_SPEND) && error == 0)
                error = find_exact(ledger, world->parent, &old[from], &word);
            if (word != 0) {
                events[count] = old[from];
                events[count].flags = EVENT_SPEND | EVENT_REPLACED;
                events[count++].word = word;
            }
            events[count++] = old[from];
        }
        world->ends[p] = count;
    }
    world->events = events;
    free(old);
    return error;
}

static int take_block(struct ledger *ledger, struct connecting *c)
{
    struct world *world = c->world;
    const struct block_events *events = c->lb.events;

    assert(world->parent && !world->is_connected && !world->events && events->events);
    world->events = events->events;
    memcpy(world->ends, events->ends, sizeof world->ends);
    world->undo_count = events->input_count;
    world->spent_count = events->input_count;
    world->created_count = events->created_count;
    world->is_connected = true;
    c->result = (struct connect_result){.verdict = CONNECT_OK};
    if (c->lb.bip30 == BIP30_OVERWRITE)
        return replace_repeated(ledger, world);
    return 0;
}

/* The transaction of flat input or output number place. */
static void locate(const struct block *block, uint32_t place, struct connect_result *result)
{
    bool is_input = result->verdict == CONNECT_MISSING;
    uint32_t t = is_input;

    for (;; t++) {
        uint32_t count = is_input ? block->txs[t].input_count : block->txs[t].output_count;

        if (place < count)
            break;
        place -= count;
    }
    result->tx_index = t;
    result->input_index = is_input ? place : 0;
}

static void conclude(const struct work *work, size_t i)
{
    struct connecting *c = &work->connecting[i];
    uint32_t repeated = NOTHING, missing = NOTHING;

    for (uint32_t p = 0; p < work->ledger->config.key.part_count; p++) {
        const struct finding *finding = &work->findings[p * work->count + i];

        if (finding->error != 0)
            c->error = finding->error;
        note(&repeated, finding->repeated);
        note(&missing, finding->missing);
    }
    if (repeated != NOTHING)
        c->result.verdict = CONNECT_BIP30;
    else if (missing != NOTHING)
        c->result.verdict = CONNECT_MISSING;
    if (c->result.verdict != CONNECT_OK)
        locate(c->lb.block, repeated != NOTHING ? repeated : missing, &c->result);
}

void worlds_connect(struct ledger *ledger, struct connecting *connecting, size_t count)
{
    struct work work = {ledger, connecting, count, NULL};
    uint64_t event_count = 0;

    for (size_t i = 0; i < count; i++) {
        struct connecting *c = &connecting[i];

        assert(c->world->parent->is_connected && (i == 0 || c->lb.bip30 != BIP30_OVERWRITE));
        c->error = take_block(ledger, c);
        if (c->lb.pos > COIN_POS_MAX - c->lb.block->raw.size ||
            c->world->ends[LEDGER_PARTS - 1] >= 1u << RECENT_INDEX_BITS)
            c->error = -EFBIG;
        if (c->error != 0) { /* its events are in no table */
            free(c->world->events);
            c->world->events = NULL;
        }
        event_count += c->world->ends[LEDGER_PARTS - 1];
    }
    work.findings = xmalloc(count * LEDGER_PARTS * sizeof *work.findings);
    ledger_run_parts(ledger, connect_part, &work, event_count);
    for (size_t i = 0; i < count; i++)
        conclude(&work, i);
    free(work.findings);
}

int world_connect(struct ledger *ledger, struct world *world, const struct ledger_block *lb,
                  struct coin_ref *refs, struct connect_result *result)
{
    struct connecting c = {.world = world, .lb = *lb, .refs = refs};

    worlds_connect(ledger, &c, 1);
    *result = c.result;
    return c.error;
}
