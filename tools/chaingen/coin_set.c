#include "chaingen/coin_set.h"
#include "base/arena.h"
#include <stdlib.h>

static bool is_free(const struct coin *slot)
{
    return slot->amount_sat < 0;
}

/* A txid is a hash already. */
static size_t home_of(const struct coin_set *set, const struct outpoint *outpoint)
{
    uint64_t hash = le64_read(outpoint->txid.bytes) + outpoint->vout * 0x9e3779b97f4a7c15;

    return (hash ^ hash >> 32) & (set->slot_count - 1);
}

static size_t slot_of(const struct coin_set *set, const struct outpoint *outpoint)
{
    size_t at = home_of(set, outpoint);

    while (!is_free(&set->slots[at]) && !outpoint_equal(&set->slots[at].outpoint, outpoint))
        at = (at + 1) & (set->slot_count - 1);
    return at;
}

static void grow(struct coin_set *set)
{
    struct coin_set old = *set;

    set->slot_count = old.slot_count ? old.slot_count * 2 : 1024;
    set->slots = xmalloc(set->slot_count * sizeof *set->slots);
    for (size_t i = 0; i < set->slot_count; i++)
        set->slots[i].amount_sat = -1;
    for (size_t i = 0; i < old.slot_count; i++)
        if (!is_free(&old.slots[i]))
            set->slots[slot_of(set, &old.slots[i].outpoint)] = old.slots[i];
    free(old.slots);
}

void coin_set_add(struct coin_set *set, const struct coin *coin)
{
    assert(coin->amount_sat >= 0);
    if ((set->count + 1) * 3 > set->slot_count * 2)
        grow(set);

    struct coin *slot = &set->slots[slot_of(set, &coin->outpoint)];

    set->count += is_free(slot);
    *slot = *coin;
}

bool coin_set_take(struct coin_set *set, const struct outpoint *outpoint, struct coin *coin)
{
    if (set->slot_count == 0)
        return false;

    size_t mask = set->slot_count - 1;
    size_t hole = slot_of(set, outpoint);

    if (is_free(&set->slots[hole]))
        return false;
    *coin = set->slots[hole];
    set->count--;
    /* Moves later coins of the same run up, so that no search ends at the hole. */
    for (size_t at = (hole + 1) & mask; !is_free(&set->slots[at]); at = (at + 1) & mask) {
        size_t home = home_of(set, &set->slots[at].outpoint);

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            set->slots[hole] = set->slots[at];
            hole = at;
        }
    }
    set->slots[hole].amount_sat = -1;
    return true;
}

void coin_set_free(struct coin_set *set)
{
    free(set->slots);
    *set = (struct coin_set){NULL, 0, 0};
}
