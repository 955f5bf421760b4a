/* The index beside a naive model: a flag and a word for each tag of a small universe. */
#include "../../src/ledger/index.c"
#include "base/random.h"

#include <check.h>

#define UNIVERSE 40000

struct model {
    uint64_t tags[UNIVERSE];
    uint64_t words[UNIVERSE]; /* 0: not in */
    uint64_t count;
};

static uint64_t seed(void)
{
    const char *given = getenv("CAESURE_SEED");

    return given ? strtoull(given, NULL, 0) : 20260822;
}

static int rising(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Distinct tags: even over all homes, or with clusters at the ends and in one place. */
static void choose_tags(struct model *model, struct prng *prng, bool is_clustered)
{
    uint64_t n = 0;

    while (n < UNIVERSE) {
        for (uint64_t i = n; i < UNIVERSE; i++) {
            uint64_t tag = prng_next(prng);
            uint64_t where = is_clustered ? prng_below(prng, 8) : 9;
            if (where == 0)
                tag |= 0xffffULL << 48;
            else if (where == 1)
                tag &= ~(0xffffULL << 48);
            else if (where == 2)
                tag = 0x7000000000000000 | (tag >> 40);
            model->tags[i] = tag;
        }
        qsort(model->tags, UNIVERSE, sizeof *model->tags, rising);
        n = 0;
        for (uint64_t i = 0; i < UNIVERSE; i++)
            if (i == 0 || model->tags[i] != model->tags[n - 1])
                model->tags[n++] = model->tags[i];
    }
}

/* What lookups rely on. */
static void check_order(const struct index_shard *shard)
{
    uint64_t count = 0, last = 0;

    for (uint64_t i = 0; i < shard->capacity; i++) {
        if (shard->entries[i].word == 0)
            continue;
        uint64_t tag = shard->entries[i].tag, home = index_home(shard, tag);
        if (home > i || (count > 0 && tag <= last) ||
            (home != i && shard->entries[i - 1].word == 0)) /* each assertion costs a write */
            ck_abort_msg("slot %llu is out of order", (unsigned long long)i);
        last = tag;
        count++;
    }
    ck_assert_uint_eq(count, shard->count);
    ck_assert_uint_eq(shard->entries[shard->capacity - 1].word, 0);
}

static void check_all(const struct index *index, const struct model *model)
{
    for (uint64_t i = 0; i < UNIVERSE; i++)
        if (index_find(index, 0, model->tags[i]) != model->words[i])
            ck_abort_msg("tag %llu", (unsigned long long)i);
    ck_assert_uint_eq(index->shards[0].count, model->count);
    check_order(&index->shards[0]);
}

static void step(struct index *index, struct model *model, uint64_t i, bool insert,
                 struct prng *prng)
{
    uint64_t word = prng_next(prng) | 1;

    if (!insert) {
        ck_assert_uint_eq(index_delete(index, 0, model->tags[i], word ^ 2), 0);
        ck_assert_uint_eq(index_find(index, 0, model->tags[i]), model->words[i]);
        ck_assert_uint_eq(index_delete(index, 0, model->tags[i], 0), model->words[i]);
        model->count -= model->words[i] != 0;
        model->words[i] = 0;
        return;
    }
    ck_assert_uint_eq(index_insert(index, 0, model->tags[i], word), model->words[i]);
    if (model->words[i] != 0)
        return;
    model->count++;
    model->words[i] = word;
}

static void run_model(bool is_clustered, bool grow_between)
{
    struct model *model = xcalloc(1, sizeof *model);
    struct index index;
    struct prng prng;

    prng_init(&prng, seed());
    choose_tags(model, &prng, is_clustered);
    index_init(&index, 1, 0);
    for (int round = 0; round < 12; round++) {
        unsigned insert_percent = round % 3 == 2 ? 25 : 75; /* grows, shrinks, grows again */
        for (int i = 0; i < UNIVERSE / 4; i++) {
            step(&index, model, prng_below(&prng, UNIVERSE),
                 prng_below(&prng, 100) < insert_percent, &prng);
            if (grow_between && i % 64 == 0)
                index_grow_step(&index, 0, index.shard_count);
        }
        check_all(&index, model);
    }
    ck_assert_uint_gt(index.growths, 20);
    for (uint64_t i = 0; i < UNIVERSE; i++)
        if (model->words[i])
            step(&index, model, i, false, &prng);
    check_all(&index, model);
    index_clear(&index);
    free(model);
}

START_TEST(even_tags_equal_the_model)
{
    run_model(false, true);
}
END_TEST

START_TEST(clustered_tags_equal_the_model)
{
    run_model(true, true);
}
END_TEST

START_TEST(an_overfull_shard_grows_at_once)
{
    run_model(false, false);
}
END_TEST

START_TEST(tags_all_at_the_last_home_overflow_into_the_tail)
{
    struct index index;

    index_init(&index, 1, 0);
    for (uint64_t i = 0; i < 3000; i++)
        index_insert(&index, 0, UINT64_MAX - i, i + 1);
    check_order(&index.shards[0]);
    for (uint64_t i = 0; i < 3000; i++)
        ck_assert_uint_eq(index_find(&index, 0, UINT64_MAX - i), i + 1);
    ck_assert_uint_eq(index_find(&index, 0, UINT64_MAX - 3000), 0);
    for (uint64_t i = 0; i < 3000; i++)
        ck_assert_uint_eq(index_delete(&index, 0, UINT64_MAX - (i * 7 % 3000), 0),
                          i * 7 % 3000 + 1);
    check_order(&index.shards[0]);
    index_clear(&index);
}
END_TEST

START_TEST(packed_entries_come_back)
{
    struct index index, again;
    struct prng prng;

    prng_init(&prng, seed());
    index_init(&index, 4, 1000);
    for (int i = 0; i < 50000; i++)
        index_insert(&index, 2, prng_next(&prng), (uint64_t)i + 1);
    uint64_t count = index.shards[2].count;
    struct index_entry *packed = xmalloc((count + 1) * sizeof *packed);
    index_pack(&index, 2, packed);

    index_init(&again, 4, 0);
    index_unpack(&again, 2, packed, count);
    check_order(&again.shards[2]);
    for (uint64_t i = 0; i < count; i++)
        ck_assert_uint_eq(index_find(&again, 2, packed[i].tag), packed[i].word);
    /* the filled shard takes more */
    for (int i = 0; i < 50000; i++)
        index_insert(&again, 2, prng_next(&prng), (uint64_t)i + 1);
    check_order(&again.shards[2]);
    free(packed);
    index_clear(&index);
    index_clear(&again);
}
END_TEST

START_TEST(a_large_index_takes_under_24_bytes_a_coin)
{
    struct index index;
    struct prng prng;

    prng_init(&prng, seed());
    index_init(&index, 16, 0);
    for (uint64_t i = 1; i <= 1500000; i++) {
        uint64_t tag = prng_next(&prng);
        index_insert(&index, (uint32_t)(i % 16), tag, i);
        if (i % 1000 == 0)
            index_grow_step(&index, 0, index.shard_count);
        if (i > 1000000 && i % 10000 == 0)
            ck_assert_uint_lt(index_memory(&index), 24 * i);
    }
    index_clear(&index);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *tcase = tcase_create("index");

    printf("seed %llu (set CAESURE_SEED)\n", (unsigned long long)seed());
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, even_tags_equal_the_model);
    tcase_add_test(tcase, clustered_tags_equal_the_model);
    tcase_add_test(tcase, an_overfull_shard_grows_at_once);
    tcase_add_test(tcase, tags_all_at_the_last_home_overflow_into_the_tail);
    tcase_add_test(tcase, packed_entries_come_back);
    tcase_add_test(tcase, a_large_index_takes_under_24_bytes_a_coin);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
