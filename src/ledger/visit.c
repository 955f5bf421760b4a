#include "ledger/state.h"

#include <stdlib.h>

static int rising(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint32_t event_count(const struct world *world)
{
    return world->ends[LEDGER_PARTS - 1];
}

/* The words of what the worlds from world down to the root spend, sorted. A position is one coin's
 * only, so a word is as good as an outpoint. */
static uint64_t *spent_words(const struct world *world, size_t *count)
{
    uint64_t *words = NULL;
    size_t capacity = 0;

    *count = 0;
    for (; world->parent; world = world->parent) {
        capacity += event_count(world);
        words = xrealloc(words, capacity * sizeof *words);
        for (uint32_t e = 0; e < event_count(world); e++)
            if (world->events[e].flags & EVENT_SPEND)
                words[(*count)++] = world->events[e].word;
    }
    if (words)
        qsort(words, *count, sizeof *words, rising);
    return words;
}

struct visiting {
    uint64_t *spent;
    size_t spent_count;
    void (*visit)(void *ctx, const struct coin_ref *ref);
    void *ctx;
};

static void visit_unspent(const struct visiting *v, uint64_t word)
{
    if (v->spent_count > 0 && bsearch(&word, v->spent, v->spent_count, sizeof word, rising))
        return;
    struct coin_ref ref = coin_ref_of(word, true);
    v->visit(v->ctx, &ref);
}

void world_visit_coins(const struct ledger *ledger, const struct world *world,
                       void (*visit)(void *ctx, const struct coin_ref *ref), void *ctx)
{
    const struct root *root = &ledger->root;
    struct visiting v = {.visit = visit, .ctx = ctx};

    v.spent = spent_words(world, &v.spent_count);
    for (uint32_t s = 0; s < root->index.shard_count; s++) {
        const struct index_shard *shard = &root->index.shards[s];
        for (uint64_t i = 0; i < shard->capacity; i++)
            if (shard->entries[i].word != 0)
                visit_unspent(&v, shard->entries[i].word);
    }
    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        for (uint32_t i = 0; i < root->sides[p].count; i++)
            visit_unspent(&v, root->sides[p].coins[i].word);
    for (; world->parent; world = world->parent)
        for (uint32_t e = 0; e < event_count(world); e++)
            if (!(world->events[e].flags & EVENT_SPEND))
                visit_unspent(&v, world->events[e].word);
    free(v.spent);
}
