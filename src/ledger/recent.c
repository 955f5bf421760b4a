#include "ledger/recent.h"

#include <stdlib.h>

#define BITS_MIN 8
#define AHEAD    8

static uint64_t slot_count(const struct recent *recent)
{
    return (uint64_t)1 << (32 - recent->shift);
}

static struct recent_slot *make_slots(uint64_t count)
{
    struct recent_slot *slots = xmalloc(count * sizeof *slots);

    memset(slots, 0xff, count * sizeof *slots); /* EVENT_NONE */
    return slots;
}

void recent_init(struct recent *recent, const struct world *worlds)
{
    *recent = (struct recent){.shift = 32 - BITS_MIN, .worlds = worlds};
    recent->slots = make_slots(slot_count(recent));
}

void recent_clear(struct recent *recent)
{
    free(recent->slots);
    *recent = (struct recent){0};
}

static uint32_t next_slot(const struct recent *recent, uint32_t i)
{
    return (i + 1) & (uint32_t)(slot_count(recent) - 1);
}

static void put(struct recent *recent, struct recent_slot slot)
{
    uint32_t i = slot.hash >> recent->shift;

    while (recent->slots[i].ref != EVENT_NONE)
        i = next_slot(recent, i);
    recent->slots[i] = slot;
}

void recent_reserve(struct recent *recent, uint32_t more)
{
    struct recent_slot *old = recent->slots;
    uint64_t old_count = slot_count(recent);
    uint64_t wanted = ((uint64_t)recent->count + more) * 3 / 2;

    if (wanted <= old_count)
        return;
    while (slot_count(recent) < wanted)
        recent->shift--;
    recent->slots = make_slots(slot_count(recent));
    for (uint64_t i = 0; i < old_count; i++)
        if (old[i].ref != EVENT_NONE)
            put(recent, old[i]);
    free(old);
}

void recent_prefetch_events(const struct recent *recent, uint32_t hash)
{
    for (uint32_t i = hash >> recent->shift; recent->slots[i].ref != EVENT_NONE;
         i = next_slot(recent, i))
        if (recent->slots[i].hash == hash)
            __builtin_prefetch(recent_event(recent, recent->slots[i].ref));
}

uint32_t recent_find(const struct recent *recent, const struct world *world,
                     const struct outpoint *outpoint, uint32_t hash)
{
    uint32_t last = EVENT_NONE;
    int32_t last_height = -1;

    for (uint32_t i = hash >> recent->shift; recent->slots[i].ref != EVENT_NONE;
         i = next_slot(recent, i)) {
        uint32_t ref = recent->slots[i].ref, slot = ref >> RECENT_INDEX_BITS;

        if (recent->slots[i].hash != hash || !world_sees(world, slot) ||
            !outpoint_equal(&recent_event(recent, ref)->outpoint, outpoint))
            continue;
        int32_t height = recent->worlds[slot].height;
        if (height > last_height || (height == last_height && ref > last)) {
            last = ref;
            last_height = height;
        }
    }
    return last;
}

bool recent_is_spent(const struct recent *recent, const struct world *world,
                     const struct event *event)
{
    if (event->flags & EVENT_SPEND)
        return true;
    for (uint32_t ref = event->spenders; ref != EVENT_NONE; ref = recent_event(recent, ref)->next) {
        if (world_sees(world, ref >> RECENT_INDEX_BITS))
            return true;
        if (!(event->flags & EVENT_SHARED)) /* the rule: that one is far from the processor */
            return false;
    }
    return false;
}

static uint32_t ref_of(const struct recent *recent, const struct world *world, uint32_t index)
{
    return (uint32_t)(world - recent->worlds) << RECENT_INDEX_BITS | index;
}

static void add(struct recent *recent, uint32_t ref)
{
    put(recent, (struct recent_slot){recent_event(recent, ref)->slot, ref});
    recent->count++;
}

void recent_add(struct recent *recent, const struct world *world, uint32_t index)
{
    add(recent, ref_of(recent, world, index));
}

/* Takes slot i out; those after it that are not at home move up. */
static void take_out(struct recent *recent, uint32_t i)
{
    struct recent_slot *slots = recent->slots;
    uint32_t mask = (uint32_t)(slot_count(recent) - 1);

    for (uint32_t k = next_slot(recent, i); slots[k].ref != EVENT_NONE; k = next_slot(recent, k)) {
        uint32_t home = slots[k].hash >> recent->shift;
        if (((k - home) & mask) >= ((k - i) & mask)) {
            slots[i] = slots[k];
            i = k;
        }
    }
    slots[i].ref = EVENT_NONE;
}

void recent_remove(struct recent *recent, const struct world *world, uint32_t index)
{
    uint32_t ref = ref_of(recent, world, index);
    uint32_t i = world->events[index].slot >> recent->shift;

    while (recent->slots[i].ref != ref)
        i = next_slot(recent, i);
    take_out(recent, i);
    recent->count--;
}

void recent_link(struct recent *recent, uint32_t maker, const struct world *world, uint32_t index)
{
    struct event *event = &world->events[index], *made = recent_event(recent, maker);

    event->flags |= EVENT_LINKED;
    event->maker = maker;
    event->next = made->spenders;
    if (made->spenders != EVENT_NONE)
        made->flags |= EVENT_SHARED;
    made->spenders = ref_of(recent, world, index);
    recent->linked_count++;
}

void recent_unlink_spenders(struct recent *recent, struct event *maker)
{
    uint32_t ref = maker->spenders;

    while (ref != EVENT_NONE) {
        struct event *event = recent_event(recent, ref);
        uint32_t next = event->next;

        recent_reserve(recent, 1);
        event->flags &= (uint16_t)~EVENT_LINKED;
        event->tag = maker->tag;
        add(recent, ref);
        recent->linked_count--;
        ref = next;
    }
    maker->spenders = EVENT_NONE;
}

/* Takes a spend from what it hangs on. */
static void take_off(struct recent *recent, const struct event *event, uint32_t ref)
{
    uint32_t *link = &recent_event(recent, event->maker)->spenders;

    while (*link != ref)
        link = &recent_event(recent, *link)->next;
    *link = event->next;
    recent->linked_count--;
}

void recent_sweep(struct recent *recent, const struct world *world, uint32_t part)
{
    uint32_t end = world->ends[part];

    for (uint32_t e = events_begin(world->ends, part); e < end; e++) {
        const struct event *event = &world->events[e];

        if (e + AHEAD < end)
            recent_prefetch(recent, world->events[e + AHEAD].slot);
        if (event->flags & EVENT_LINKED)
            take_off(recent, event, ref_of(recent, world, e));
        else
            recent_remove(recent, world, e);
    }
}

size_t recent_memory(const struct recent *recent)
{
    return slot_count(recent) * sizeof *recent->slots;
}
