#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK_MIN ((size_t)64 << 10)
#define CHUNK_MAX ((size_t)8 << 20)

struct arena_chunk {
    struct arena_chunk *older;
    size_t capacity;
    _Alignas(16) uint8_t data[];
};

static void *or_abort(void *p)
{
    if (!p) {
        fputs("caesure: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return or_abort(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
    return or_abort(realloc(p, size ? size : 1));
}

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.next_size = CHUNK_MIN, .limit = limit};
}

static bool grow(struct arena *arena, size_t size)
{
    size_t capacity = size > arena->next_size ? size : arena->next_size;

    if (capacity > arena->limit - arena->held)
        capacity = size;
    if (capacity > arena->limit - arena->held)
        return false;

    struct arena_chunk *chunk = xmalloc(sizeof *chunk + capacity);
    chunk->older = arena->chunks;
    chunk->capacity = capacity;
    arena->chunks = chunk;
    arena->used = 0;
    arena->capacity = capacity;
    arena->held += capacity;
    if (arena->next_size < CHUNK_MAX)
        arena->next_size *= 2;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) /* so that nothing below can overflow */
        return NULL;
    size = (size + 15) & ~(size_t)15;
    if ((!arena->chunks || size > arena->capacity - arena->used) && !grow(arena, size))
        return NULL;

    void *p = arena->chunks->data + arena->used;
    arena->used += size;
    return p;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(arena, total);
}

static struct arena_chunk *free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    return NULL;
}

void arena_reset(struct arena *arena, size_t keep)
{
    struct arena_chunk *newest = arena->chunks;
    size_t held = arena->held, limit = arena->limit;
    bool has_several = newest && newest->older;

    if (has_several && held <= keep)
        newest = free_chunks(newest);
    else if (newest)
        newest->older = free_chunks(newest->older);
    if (newest && newest->capacity > keep)
        newest = free_chunks(newest);
    arena_init(arena, limit);
    if (newest) {
        arena->chunks = newest;
        arena->capacity = arena->held = newest->capacity;
    } else if (has_several && held <= keep) {
        bool is_grown = grow(arena, held);
        assert(is_grown); /* it has held as much before */
    }
}

void arena_clear(struct arena *arena)
{
    arena_reset(arena, 0);
}
