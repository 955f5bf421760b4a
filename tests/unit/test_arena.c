#include "base/arena.h"
#include "base/cursor.h"
#include "base/random.h"
#include "shared_files.h"

START_TEST(pieces_are_aligned_and_apart)
{
    enum { PIECES = 3000 };
    struct arena arena;
    struct prng prng;
    uint8_t *pieces[PIECES];
    size_t sizes[PIECES];

    prng_init(&prng, 1);
    arena_init(&arena, 64 << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PIECES; i++) {
            sizes[i] = prng_below(&prng, i % 100 == 0 ? 200000 : 200);
            pieces[i] = arena_alloc(&arena, sizes[i]);
            ck_assert_ptr_nonnull(pieces[i]);
            ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], i & 0xff, sizes[i]);
        }
        for (int i = 0; i < PIECES; i++) {
            bool is_whole = true;

            for (size_t k = 0; k < sizes[i]; k++)
                is_whole &= pieces[i][k] == (i & 0xff);
            ck_assert(is_whole);
        }
        arena_reset(&arena, 8 << 20);
    }
    arena_clear(&arena);
    ck_assert_uint_eq(arena.held, 0);
}
END_TEST

START_TEST(limit_is_reached_and_not_passed)
{
    struct arena arena;

    arena_init(&arena, 1000);
    ck_assert_ptr_null(arena_alloc(&arena, 1025));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 900));
    ck_assert_ptr_null(arena_alloc(&arena, 200));
    ck_assert_uint_le(arena.held, 1000);
    arena_clear(&arena);
    /* A limit between two chunk sizes can be used up. */
    arena_init(&arena, 100000);
    for (int i = 0; i < 95; i++)
        ck_assert_ptr_nonnull(arena_alloc(&arena, 1000));
    ck_assert_uint_le(arena.held, 100000);
    arena_clear(&arena);
}
END_TEST

START_TEST(products_that_overflow_are_refused)
{
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX / 16 + 1, 16));
    ck_assert_ptr_null(arena_array(&arena, (size_t)1 << 32, (size_t)1 << 32));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 15));
    ck_assert_ptr_nonnull(arena_array(&arena, 10, 10));
    ck_assert_ptr_nonnull(arena_array(&arena, 0, 10));
    arena_clear(&arena);
}
END_TEST

START_TEST(reset_keeps_one_small_chunk)
{
    struct arena arena;

    arena_init(&arena, 64 << 20);
    for (int i = 0; i < 40; i++)
        ck_assert_ptr_nonnull(arena_alloc(&arena, 100000));
    ck_assert_uint_ge(arena.held, 4000000);
    arena_reset(&arena, 8 << 20);
    ck_assert_uint_le(arena.held, 8 << 20);

    size_t held = arena.held;

    ck_assert_ptr_nonnull(arena_alloc(&arena, 100));
    ck_assert_uint_eq(arena.held, held);
    arena_reset(&arena, 0);
    ck_assert_uint_eq(arena.held, 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100));
    arena_clear(&arena);
}
END_TEST

START_TEST(an_arena_in_use_again_and_again_comes_to_rest)
{
    struct arena arena;
    const struct arena_chunk *chunk = NULL;

    arena_init(&arena, 64 << 20);
    for (int round = 0; round < 5; round++) {
        uint8_t *first = arena_alloc(&arena, 1000);

        ck_assert_ptr_nonnull(first);
        for (int i = 0; i < 30; i++)
            ck_assert_ptr_nonnull(arena_alloc(&arena, 100000));
        ck_assert(round == 0 || arena.chunks == chunk);
        arena_reset(&arena, 8 << 20);
        ck_assert(round == 0 || arena.chunks == chunk);
        chunk = arena.chunks;
        ck_assert_ptr_nonnull(chunk);
    }
    arena_reset(&arena, 1 << 20); /* over what may be kept now */
    ck_assert_uint_eq(arena.held, 0);
    arena_clear(&arena);
}
END_TEST

START_TEST(cursor_remembers_the_first_short_read)
{
    static const uint8_t data[15] = {1, 2, 0, 3, 0, 0, 0, 4};
    struct cursor c = cursor_of((struct bytes){data, sizeof data});

    ck_assert_uint_eq(cursor_u8(&c), 1);
    ck_assert_uint_eq(cursor_le16(&c), 2);
    ck_assert_uint_eq(cursor_le32(&c), 3);
    ck_assert_uint_eq(cursor_le64(&c), 4);
    ck_assert(cursor_ok(&c) && cursor_left(&c) == 0);
    ck_assert_ptr_nonnull(cursor_take(&c, 0).data);
    ck_assert(cursor_ok(&c));

    c = cursor_of((struct bytes){data, 7});
    ck_assert_uint_eq(cursor_le64(&c), 0);
    ck_assert(!cursor_ok(&c));
    ck_assert_uint_eq(cursor_u8(&c), 0); /* although a byte is there */
    c = cursor_of((struct bytes){data, 7});
    ck_assert_ptr_null(cursor_take(&c, UINT64_MAX).data);
    ck_assert(!cursor_ok(&c));
    c = cursor_of((struct bytes){NULL, 0});
    ck_assert(cursor_ok(&c));
    ck_assert_uint_eq(cursor_le32(&c), 0);
    ck_assert(!cursor_ok(&c));
}
END_TEST

int main(void)
{
    return SUITE_RUN("arena", pieces_are_aligned_and_apart, limit_is_reached_and_not_passed,
                     products_that_overflow_are_refused, reset_keeps_one_small_chunk,
                     an_arena_in_use_again_and_again_comes_to_rest,
                     cursor_remembers_the_first_short_read);
}
