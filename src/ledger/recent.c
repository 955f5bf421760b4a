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

    memset(slots, 0xff, count * sizeof *slots); /* RECENT_FREE */
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

    while (recent->slots[i].ref != RECENT_FREE)
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
        if (old[i].ref != RECENT_FREE)
            put(recent, old[i]);
    free(old);
}

static struct event *event_of(const struct recent *recent, uint32_t ref)
{
    return &recent->worlds[ref >> RECENT_INDEX_BITS].events[ref & ((1u << RECENT_INDEX_BITS) - 1)];
}

void recent_prefetch_events(const struct recent *recent, uint32_t hash)
{
    for (uint32_t i = hash >> recent->shift; recent->slots[i].ref != RECENT_FREE;
         i = next_slot(recent, i))
        if (recent->slots[i].hash == hash)
            __builtin_prefetch(event_of(recent, recent->slots[i].ref));
}

struct event *recent_find(const struct recent *recent, const struct world *world,
                          const struct outpoint *outpoint, uint32_t hash)
{
    struct event *last = NULL;
    int32_t last_height = -1;

    for (uint32_t i = hash >> recent->shift; recent->slots[i].ref != RECENT_FREE;
         i = next_slot(recent, i)) {
        uint32_t slot = recent->slots[i].ref >> RECENT_INDEX_BITS;

        if (recent->slots[i].hash != hash || !world_sees(world, slot))
            continue;
        struct event *event = event_of(recent, recent->slots[i].ref);
        int32_t height = recent->worlds[slot].height;
        if (!outpoint_equal(&event->outpoint, outpoint))
            continue;
        if (height > last_height || (height == last_height && event > last)) {
            last = event;
            last_height = height;
        }
    }
    return last;
}

void recent_add(struct recent *recent, const struct world *world, uint32_t index)
{
    uint32_t slot = (uint32_t)(world - recent->worlds);

    put(recent, (struct recent_slot){world->events[index].slot, slot << RECENT_INDEX_BITS | index});
    recent->count++;
}

/* Takes slot i out; those after it that are not at home move up. */
static void take_out(struct recent *recent, uint32_t i)
{
    struct recent_slot *slots = recent->slots;
    uint32_t mask = (uint32_t)(slot_count(recent) - 1);

    for (uint32_t k = next_slot(recent, i); slots[k].ref != RECENT_FREE; k = next_slot(recent, k)) {
        uint32_t home = slots[k].hash >> recent->shift;
        if (((k - home) & mask) >= ((k - i) & mask)) {
            slots[i] = slots[k];
            i = k;
        }
    }
    slots[i].ref = RECENT_FREE;
}

void recent_remove(struct recent *recent, const struct world *world, uint32_t index)
{
    uint32_t ref = (uint32_t)(world - recent->worlds) << RECENT_INDEX_BITS | index;
    uint32_t i = world->events[index].slot >> recent->shift;

    while (recent->slots[i].ref != ref)
        i = next_slot(recent, i);
    take_out(recent, i);
    recent->count--;
}

void recent_sweep(struct recent *recent, const struct world *world, uint32_t part)
{
    uint32_t end = world->ends[part];

    for (uint32_t e = events_begin(world->ends, part); e < end; e++) {
        if (e + AHEAD < end)
            recent_prefetch(recent, world->events[e + AHEAD].slot);
        recent_remove(recent, world, e);
    }
}

size_t recent_memory(const struct recent *recent)
{
    return slot_count(recent) * sizeof *recent->slots;
}
