#include "ledger/index.h"
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_SIZE        ((size_t)4096)
#define HUGE_SIZE        ((size_t)2 << 20)
#define RESERVE_SIZE     ((size_t)64 << 30) /* address space, not memory: 3.5 billion coins */
#define SLOTS_A_PAGE     (PAGE_SIZE / sizeof(struct index_entry))
#define SIZE_MIN         200 /* with the tail, a page */
#define TAIL             16  /* slots behind the last home, at least */
#define FULL_PERCENT     82  /* grown between blocks */
#define GROWN_ONE_IN     16  /* shards a step; one in several blocks is the rule */
#define OVERFULL_PERCENT 90  /* grown at once */
#define LOADED_PERCENT   78  /* at most, after a load */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static void fail(const char *why)
{
    fprintf(stderr, "caesure: coin index: %s\n", why);
    abort();
}

/* Makes slots up to capacity usable. Whole 2 MiB parts become huge pages; that only saves time, so
 * a kernel that refuses is not asked again. */
static void reserve_slots(const struct index *index, struct index_shard *shard, uint64_t capacity)
{
    uint8_t *base = (uint8_t *)shard->entries;
    size_t old_size = shard->capacity * sizeof *shard->entries;
    size_t size = capacity * sizeof *shard->entries;
    size_t old_huge = old_size / HUGE_SIZE * HUGE_SIZE, huge = size / HUGE_SIZE * HUGE_SIZE;

    if (capacity > index->capacity_max)
        fail("a shard is larger than the address space reserved for it");
    if (mprotect(base + old_size, size - old_size, PROT_READ | PROT_WRITE) != 0)
        fail("out of memory");
    if (huge > old_huge) {
        madvise(base + old_huge, huge - old_huge, MADV_HUGEPAGE);
        if (old_size > old_huge) /* this part has small pages already */
            madvise(base + old_huge, HUGE_SIZE, MADV_COLLAPSE);
    }
    madvise(base + old_size, size - old_size, MADV_POPULATE_WRITE);
    shard->capacity = capacity;
}

static uint64_t round_to_page(uint64_t slots)
{
    return (slots + SLOTS_A_PAGE - 1) / SLOTS_A_PAGE * SLOTS_A_PAGE;
}

static uint64_t larger(uint64_t size)
{
    return size + size / 8;
}

void index_init(struct index *index, uint32_t shard_count, uint64_t coins_hint)
{
    uint64_t per_shard = coins_hint / shard_count * 100 / FULL_PERCENT;
    uint64_t base = per_shard > SIZE_MIN ? per_shard : SIZE_MIN;

    index->shards = xcalloc(shard_count, sizeof *index->shards);
    index->shard_count = shard_count;
    atomic_init(&index->growths, 0);
    index->capacity_max = RESERVE_SIZE / shard_count / sizeof(struct index_entry);
    index->reserved_size = RESERVE_SIZE + HUGE_SIZE;
    index->reserved = mmap(NULL, index->reserved_size, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (index->reserved == MAP_FAILED)
        fail("no address space (is there a ulimit -v?)");

    uint8_t *at = (uint8_t *)(((uintptr_t)index->reserved + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1));
    for (uint32_t s = 0; s < shard_count; s++) {
        struct index_shard *shard = &index->shards[s];

        shard->entries = (struct index_entry *)(at + RESERVE_SIZE / shard_count * s);
        shard->size = base + base * s / 8 / shard_count;
        reserve_slots(index, shard, round_to_page(shard->size + TAIL));
    }
}

void index_clear(struct index *index)
{
    munmap(index->reserved, index->reserved_size);
    free(index->shards);
    *index = (struct index){0};
}

/* The slot of tag, or the one where it would be inserted. */
static uint64_t seek(const struct index_shard *shard, uint64_t tag)
{
    const struct index_entry *entries = shard->entries;
    uint64_t i = index_home(shard, tag);

    while (entries[i].word != 0 && entries[i].tag < tag)
        i++;
    return i;
}

static bool holds(const struct index_shard *shard, uint64_t i, uint64_t tag)
{
    return shard->entries[i].word != 0 && shard->entries[i].tag == tag;
}

uint64_t index_find(const struct index *index, uint32_t shard, uint64_t tag)
{
    const struct index_shard *s = &index->shards[shard];
    uint64_t i = seek(s, tag);

    return holds(s, i, tag) ? s->entries[i].word : 0;
}

/* Moves all entries to the end of the (enlarged) array, then each from there to its new place. That
 * is never behind where it comes from: the entries after it need at least a slot each. */
static void resize(struct index *index, struct index_shard *shard, uint64_t size)
{
    struct index_entry *entries = shard->entries;
    uint64_t old_capacity = shard->capacity;
    uint64_t end = 0; /* of the new layout */

    shard->size = size;
    for (uint64_t i = 0; i < old_capacity; i++) {
        if (entries[i].word != 0) {
            uint64_t home = index_home(shard, entries[i].tag);
            end = (home > end ? home : end) + 1;
        }
    }
    uint64_t capacity = round_to_page((end > size ? end : size) + TAIL);
    if (capacity > shard->capacity)
        reserve_slots(index, shard, capacity);

    uint64_t from = shard->capacity;
    for (uint64_t i = old_capacity; i-- > 0;)
        if (entries[i].word != 0)
            entries[--from] = entries[i];
    memset(entries, 0, from * sizeof *entries);

    uint64_t next = 0;
    for (; from < shard->capacity; from++) {
        struct index_entry entry = entries[from];
        uint64_t home = index_home(shard, entry.tag);
        uint64_t to = home > next ? home : next;

        entries[from].word = 0;
        entries[to] = entry;
        next = to + 1;
    }
    atomic_fetch_add_explicit(&index->growths, 1, memory_order_relaxed);
}

static bool is_over(const struct index_shard *shard, uint64_t percent)
{
    return shard->count * 100 > shard->size * percent;
}

uint64_t index_insert(struct index *index, uint32_t shard, uint64_t tag, uint64_t word)
{
    struct index_shard *s = &index->shards[shard];

    if (is_over(s, OVERFULL_PERCENT))
        resize(index, s, larger(s->size));

    struct index_entry *entries = s->entries;
    uint64_t at = seek(s, tag), gap = at;
    assert(word != 0);
    if (holds(s, at, tag))
        return entries[at].word;
    while (entries[gap].word != 0)
        gap++;
    if (gap == s->capacity - 1)
        reserve_slots(index, s, s->capacity + SLOTS_A_PAGE);
    memmove(entries + at + 1, entries + at, (gap - at) * sizeof *entries);
    entries[at] = (struct index_entry){tag, word};
    s->count++;
    return 0;
}

uint64_t index_delete(struct index *index, uint32_t shard, uint64_t tag, uint64_t word)
{
    struct index_shard *s = &index->shards[shard];
    struct index_entry *entries = s->entries;
    uint64_t at = seek(s, tag);

    if (!holds(s, at, tag) || (word != 0 && entries[at].word != word))
        return 0;
    word = entries[at].word;

    uint64_t end = at + 1; /* of those that are not at home, and so move up */
    while (entries[end].word != 0 && index_home(s, entries[end].tag) < end)
        end++;
    memmove(entries + at, entries + at + 1, (end - at - 1) * sizeof *entries);
    entries[end - 1] = (struct index_entry){0};
    s->count--;
    return word;
}

static struct index_shard *fullest(const struct index *index, uint32_t first, uint32_t count)
{
    struct index_shard *fullest = &index->shards[first];

    for (uint32_t s = first + 1; s < first + count; s++) {
        struct index_shard *shard = &index->shards[s];
        if (shard->count * fullest->size > fullest->count * shard->size)
            fullest = shard;
    }
    return fullest;
}

void index_grow_step(struct index *index, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += GROWN_ONE_IN) {
        struct index_shard *shard = fullest(index, first, count);
        if (!is_over(shard, FULL_PERCENT))
            return;
        resize(index, shard, larger(shard->size));
    }
}

/* Copies each slot and steps on only after a full one, which spares a branch that is often wrong.
 */
void index_pack(const struct index *index, uint32_t shard, struct index_entry *out)
{
    const struct index_shard *s = &index->shards[shard];

    for (uint64_t i = 0; i < s->capacity; i++) {
        *out = s->entries[i];
        out += out->word != 0;
    }
}

void index_unpack(struct index *index, uint32_t shard, const struct index_entry *entries,
                  uint64_t count)
{
    struct index_shard *s = &index->shards[shard];
    uint64_t next = 0;

    assert(s->count == 0);
    while (count * 100 > s->size * LOADED_PERCENT)
        s->size = larger(s->size);
    if (s->size + TAIL > s->capacity)
        reserve_slots(index, s, round_to_page(s->size + TAIL));

    for (uint64_t i = 0; i < count; i++) {
        uint64_t home = index_home(s, entries[i].tag);
        uint64_t to = home > next ? home : next;

        if (to == s->capacity - 1)
            reserve_slots(index, s, s->capacity + SLOTS_A_PAGE);
        s->entries[to] = entries[i];
        next = to + 1;
    }
    s->count = count;
}

size_t index_memory(const struct index *index)
{
    size_t slots = 0;

    for (uint32_t s = 0; s < index->shard_count; s++)
        slots += index->shards[s].capacity;
    return slots * sizeof(struct index_entry);
}
