/* arena.h - memory that is taken piece by piece and given back in one step.
 * One thread at a time. Blocks of chunks come from malloc, each twice as large as the last (64 KiB
 * to 8 MiB), so that a block's views cost no allocation each. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include "base/bytes.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used, capacity;      /* of the newest chunk */
    size_t held;                /* bytes of all chunks */
    size_t next_size;           /* of the next chunk */
    size_t limit;               /* arena_alloc gives NULL rather than hold more */
};

void arena_init(struct arena *arena, size_t limit);

/* size bytes, aligned to 16, not cleared; NULL when the limit would be passed. size 0 gives a valid
 * pointer. */
MUST_CHECK void *arena_alloc(struct arena *arena, size_t size);

/* count × size, NULL on overflow too. */
MUST_CHECK void *arena_array(struct arena *arena, size_t count, size_t size);

/* Frees all that was taken. Of up to keep bytes as many are kept for the next use, as one chunk, so
 * that an arena that is used again and again for about as much comes to allocate nothing. */
void arena_reset(struct arena *arena, size_t keep);
void arena_clear(struct arena *arena);

/* malloc and friends that abort when there is no memory: no caller handles that. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
#endif
