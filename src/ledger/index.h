/* index.h - shards of 16-byte entries in the order of their tags, at most one entry a tag.
 *
 * Ordered linear probing: the home of a tag is tag × size / 2^64, an entry sits at its home or
 * after it with no gap between, and entries rise through the whole array. An insert shifts to the
 * next gap, a delete shifts back: no tombstones. A shard grows in place by an eighth when it is 82
 * % full, in address space that is reserved for it; the few slots behind the last home take what
 * overflows. Thread: the ledger's, or whoever has the shard. */
#ifndef LEDGER_INDEX_H
#define LEDGER_INDEX_H
#include "base/bytes.h"
#include <stdatomic.h>

struct index_entry {
    uint64_t tag;
    uint64_t word; /* 0: the slot is free */
};
_Static_assert(sizeof(struct index_entry) == 16, "16 bytes a coin");

struct index_shard {
    struct index_entry *entries;
    uint64_t size;     /* homes */
    uint64_t capacity; /* slots in memory; the last is always free */
    uint64_t count;
};

struct index {
    struct index_shard *shards;
    uint32_t shard_count;
    void *reserved;
    size_t reserved_size;
    uint64_t capacity_max; /* of a shard */
    _Atomic uint64_t growths;
};

/* Starting sizes are staggered, so that growing shards follow each other. */
void index_init(struct index *index, uint32_t shard_count, uint64_t coins_hint);
void index_clear(struct index *index);

static inline uint64_t index_home(const struct index_shard *shard, uint64_t tag)
{
    return (uint64_t)((unsigned __int128)tag * shard->size >> 64);
}

/* The lines a lookup of tag begins with; one in two goes on into the second. */
static inline void index_prefetch(const struct index *index, uint32_t shard, uint64_t tag)
{
    const struct index_shard *s = &index->shards[shard];
    const struct index_entry *home = s->entries + index_home(s, tag);

    __builtin_prefetch(home);
    __builtin_prefetch(home + 3);
}

/* The word, or 0. */
uint64_t index_find(const struct index *index, uint32_t shard, uint64_t tag);
/* 0, or the word that tag has already: then nothing is changed. */
uint64_t index_insert(struct index *index, uint32_t shard, uint64_t tag, uint64_t word);
/* Takes tag out if it has word, or whatever it has if word is 0: what it had, or 0. */
uint64_t index_delete(struct index *index, uint32_t shard, uint64_t tag, uint64_t word);

/* Grows the fullest of count shards from first on, one in sixteen of them at most, if they are due;
 * called between blocks. */
void index_grow_step(struct index *index, uint32_t first, uint32_t count);

/* Copies a shard's entries without the gaps; out has room for its count and one more. */
void index_pack(const struct index *index, uint32_t shard, struct index_entry *out);
/* Fills an empty shard with entries in rising order of tags; words are not 0. */
void index_unpack(struct index *index, uint32_t shard, const struct index_entry *entries,
                  uint64_t count);

/* Bytes of memory. */
size_t index_memory(const struct index *index);
#endif
