#include "base/random.h"
#include "chain/header_tree.h"
#include "shared_files.h"

#define NODES 1200

/* A tree that is grown at random, beside a plain record of who came from whom. */
struct grown {
    struct params params;
    struct header_tree *tree;
    struct header_node *nodes[NODES]; /* in order of insertion */
    int32_t parent[NODES];
    bool is_marked[NODES]; /* by itself */
};

static struct header_node *add(struct grown *g, uint32_t i, uint32_t parent, uint32_t time,
                               uint32_t bits)
{
    struct header_node *prev = g->nodes[parent];
    struct header header = {
        .version = (int32_t)i, .prev_hash = prev->hash, .time = time, .bits = bits, .nonce = i};
    memset(header.merkle_root, (int)i, sizeof header.merkle_root);
    struct block_hash hash = header_hash(&header);

    g->parent[i] = (int32_t)parent;
    g->nodes[i] = header_tree_insert(g->tree, &g->params, prev, &header, &hash);
    return g->nodes[i];
}

/* Mostly long branches, some from far back. The work of a block varies. */
static struct grown *grow(uint64_t seed)
{
    static const uint32_t bits[] = {0x207fffff, 0x207fffff, 0x1f7ffffe, 0x203ffffe};
    struct grown *g = xcalloc(1, sizeof *g);
    struct prng prng;

    prng_init(&prng, seed);
    params_init(&g->params, NETWORK_REGTEST);
    g->tree = header_tree_new(&g->params, (struct siphash_key){seed, 1});
    g->nodes[0] = header_tree_at(g->tree, 0);
    g->parent[0] = -1;
    for (uint32_t i = 1; i < NODES; i++) {
        uint32_t parent = i - 1;

        if (prng_below(&prng, 500) == 0)
            parent = (uint32_t)prng_below(&prng, i);
        else if (prng_below(&prng, 40) == 0)
            parent = i - 1 - (uint32_t)prng_below(&prng, i < 10 ? i : 10);
        add(g, i, parent, 1300000000 + (uint32_t)prng_below(&prng, 5000),
            bits[prng_below(&prng, ARRAY_COUNT(bits))]);
    }
    return g;
}

static void drop(struct grown *g)
{
    header_tree_free(g->tree);
    free(g);
}

static bool is_naive_ancestor(const struct grown *g, int32_t ancestor, int32_t i)
{
    while (i > ancestor)
        i = g->parent[i];
    return i == ancestor;
}

/* Whether each is marked or comes after one that is; returns how many. */
static uint32_t naive_invalid(const struct grown *g, bool invalid[NODES])
{
    uint32_t count = 0;

    for (int32_t i = 0; i < NODES; i++) {
        invalid[i] = g->is_marked[i] || (i > 0 && invalid[g->parent[i]]);
        count += invalid[i];
    }
    return count;
}

START_TEST(nodes_keep_what_was_inserted)
{
    struct grown *g = grow(1);

    ck_assert_uint_eq(header_tree_count(g->tree), NODES);
    for (uint32_t i = 1; i < NODES; i++) {
        struct header_node *node = g->nodes[i], *prev = g->nodes[g->parent[i]];
        struct header header = header_of_node(node);
        struct block_hash hash = header_hash(&header);
        struct u256 work = work_of_bits(node->bits);

        ck_assert_ptr_eq(header_tree_at(g->tree, i), node);
        ck_assert_ptr_eq(header_tree_find(g->tree, &node->hash), node);
        ck_assert(block_hash_equal(&hash, &node->hash));
        ck_assert_ptr_eq(node->prev, prev);
        ck_assert_int_eq(node->height, prev->height + 1);
        work = u256_add(&work, &prev->chainwork);
        ck_assert_int_eq(u256_compare(&work, &node->chainwork), 0);
        hash.bytes[7] ^= 1;
        ck_assert_ptr_null(header_tree_find(g->tree, &hash));
    }
    ck_assert_uint_le(header_tree_memory(g->tree), 1 << 20);
    drop(g);
}
END_TEST

START_TEST(ancestors_equal_a_walk_from_parent_to_parent)
{
    struct grown *g = grow(2);
    struct prng prng;

    prng_init(&prng, 2);
    for (int round = 0; round < 20000; round++) {
        struct header_node *node = g->nodes[prng_below(&prng, NODES)], *walk = node;
        int32_t height = (int32_t)prng_below(&prng, (uint64_t)node->height + 1);

        while (walk->height > height)
            walk = walk->prev;
        ck_assert_ptr_eq(header_ancestor(node, height), walk);
        ck_assert(header_is_ancestor(walk, node));
    }
    ck_assert_ptr_null(header_ancestor(g->nodes[5], -1));
    ck_assert_ptr_null(header_ancestor(g->nodes[5], g->nodes[5]->height + 1));
    drop(g);
}
END_TEST

START_TEST(skips_are_logarithmic_on_a_long_chain)
{
    struct grown *g = xcalloc(1, sizeof *g);
    struct prng prng;
    int most = 0;

    params_init(&g->params, NETWORK_REGTEST);
    g->tree = header_tree_new(&g->params, (struct siphash_key){7, 8});
    struct header_node *tip = header_tree_at(g->tree, 0);
    for (uint32_t i = 1; i <= 200000; i++) {
        struct header header = {.time = 1296688602 + i, .bits = 0x207fffff};
        struct block_hash hash = {{0}};

        memcpy(hash.bytes, &i, sizeof i); /* no need of true hashes here */
        tip = header_tree_insert(g->tree, &g->params, tip, &header, &hash);
    }
    prng_init(&prng, 3);
    for (int round = 0; round < 2000; round++) {
        int32_t height = (int32_t)prng_below(&prng, 200001);
        const struct header_node *node = tip;
        int steps = 0;

        for (; node->height > height; steps++)
            node = node->skip->height >= height ? node->skip : node->prev;
        ck_assert_ptr_eq(node, header_ancestor(tip, height));
        most = steps > most ? steps : most;
    }
    ck_assert_int_le(most, 3 * 18); /* 2^18 > 200,000 */
    ck_assert_uint_le(header_tree_memory(g->tree), 200000 * 212);
    drop(g);
}
END_TEST

START_TEST(fork_points_equal_a_naive_search)
{
    struct grown *g = grow(3);
    struct prng prng;

    prng_init(&prng, 4);
    for (int round = 0; round < 5000; round++) {
        int32_t a = (int32_t)prng_below(&prng, NODES), b = (int32_t)prng_below(&prng, NODES), i = a;

        while (!is_naive_ancestor(g, i, b))
            i = g->parent[i];
        ck_assert_ptr_eq(header_fork_point(g->nodes[a], g->nodes[b]), g->nodes[i]);
    }
    drop(g);
}
END_TEST

START_TEST(locator_goes_back_in_doubling_steps)
{
    struct grown *g = grow(4);
    struct header_node *node = header_tree_best(g->tree);
    struct block_hash locator[LOCATOR_MAX];
    uint32_t count = header_locator(locator, node);
    int32_t height = node->height, step = 1;

    ck_assert_int_gt(height, 200);
    for (uint32_t i = 0; i < count; i++) {
        struct header_node *at = header_tree_find(g->tree, &locator[i]);

        ck_assert_ptr_nonnull(at);
        ck_assert_int_eq(at->height, height);
        ck_assert(header_is_ancestor(at, node));
        step = i < 11 ? 1 : step * 2;
        height = height > step ? height - step : 0;
    }
    ck_assert_mem_eq(&locator[count - 1], &g->params.genesis_hash, 32);
    ck_assert_uint_eq(header_locator(locator, g->nodes[0]), 1);
    ck_assert_uint_le(count, 11 + 32);
    drop(g);
}
END_TEST

START_TEST(all_of_a_height_and_all_leaves_are_listed)
{
    struct grown *g = grow(5);
    uint32_t seen = 0, leaves = 0;

    for (int32_t height = 0; header_tree_next_at_height(g->tree, height, NULL); height++) {
        uint32_t last = UINT32_MAX;

        for (struct header_node *node = NULL;
             (node = header_tree_next_at_height(g->tree, height, node)) != NULL; seen++) {
            ck_assert_int_eq(node->height, height);
            ck_assert_uint_lt(node->index, last); /* so none comes twice */
            last = node->index;
        }
    }
    ck_assert_uint_eq(seen, NODES);
    ck_assert_ptr_null(header_tree_next_at_height(g->tree, -1, NULL));
    for (int32_t i = 0; i < NODES; i++) {
        bool is_leaf = true;

        for (int32_t k = i + 1; k < NODES && is_leaf; k++)
            is_leaf = g->parent[k] != i;
        ck_assert_int_eq(!(g->nodes[i]->status & HEADER_HAS_CHILD), is_leaf);
        leaves += is_leaf;
    }
    ck_assert_uint_eq(header_tree_leaf_count(g->tree), leaves);
    for (uint32_t i = 0; i < leaves; i++)
        ck_assert(!(header_tree_leaf(g->tree, i)->status & HEADER_HAS_CHILD));
    drop(g);
}
END_TEST

START_TEST(descendants_are_walked_height_by_height)
{
    struct grown *g = grow(6);

    for (int32_t root = 0; root < NODES; root += 37) {
        bool seen[NODES] = {false};
        struct header_node *at = g->nodes[root], *next;

        for (; (next = header_tree_next_descendant(g->tree, g->nodes[root], at)) != NULL;
             at = next) {
            ck_assert_int_ge(next->height, at->height);
            ck_assert(!seen[next->index]);
            seen[next->index] = true;
        }
        for (int32_t i = 0; i < NODES; i++)
            ck_assert_int_eq(seen[i], i != root && is_naive_ancestor(g, root, i));
    }
    drop(g);
}
END_TEST

static void check_marks(const struct grown *g)
{
    struct header_node *best = g->nodes[0];
    bool invalid[NODES];

    naive_invalid(g, invalid);
    for (int32_t i = 0; i < NODES; i++) {
        struct header_node *node = g->nodes[i];
        bool by_ancestor = i > 0 && invalid[g->parent[i]];

        ck_assert_int_eq((node->status & HEADER_INVALID) != 0, g->is_marked[i]);
        ck_assert_int_eq((node->status & HEADER_INVALID_ANCESTOR) != 0, by_ancestor);
        ck_assert_int_eq(node->failure, g->is_marked[i] ? BAD_CB_AMOUNT : VALID);
        if (!header_is_invalid(node) && u256_compare(&node->chainwork, &best->chainwork) > 0)
            best = node;
    }
    ck_assert_ptr_eq(header_tree_best(g->tree), best);
}

START_TEST(marks_reach_all_descendants_and_come_off_again)
{
    struct prng prng;

    prng_init(&prng, 5);
    for (uint64_t seed = 10; seed < 14; seed++) {
        struct grown *g = grow(seed);

        check_marks(g);
        for (int round = 0; round < 60; round++) {
            int32_t chosen = (int32_t)prng_below(&prng, NODES);

            if (prng_below(&prng, 3) != 0) {
                bool invalid[NODES];
                uint32_t before = naive_invalid(g, invalid);
                uint32_t marked =
                    header_tree_mark_invalid(g->tree, g->nodes[chosen], BAD_CB_AMOUNT);

                g->is_marked[chosen] = chosen != 0; /* the genesis block stays */
                ck_assert_uint_eq(marked, naive_invalid(g, invalid) - before);
            } else {
                header_tree_reconsider(g->tree, g->nodes[chosen]);
                for (int32_t i = 0; i < NODES; i++)
                    if (is_naive_ancestor(g, i, chosen) || is_naive_ancestor(g, chosen, i))
                        g->is_marked[i] = false;
            }
            check_marks(g);
        }
        drop(g);
    }
}
END_TEST

START_TEST(child_of_a_marked_block_is_marked_and_never_best)
{
    struct grown *g = xcalloc(1, sizeof *g);

    params_init(&g->params, NETWORK_REGTEST);
    g->tree = header_tree_new(&g->params, (struct siphash_key){1, 2});
    g->nodes[0] = header_tree_at(g->tree, 0);
    add(g, 1, 0, 1300000000, 0x207fffff);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[1]);
    header_tree_mark_invalid(g->tree, g->nodes[1], INVALIDATED_BY_HAND);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[0]);
    add(g, 2, 1, 1300000001, 0x207fffff);
    ck_assert_int_eq(g->nodes[2]->status, HEADER_INVALID_ANCESTOR);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[0]);
    add(g, 3, 0, 1300000002, 0x207fffff);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[3]);
    /* Equal work: the first inserted, also when it comes back. */
    header_tree_reconsider(g->tree, g->nodes[1]);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[2]);
    header_tree_mark_invalid(g->tree, g->nodes[2], INVALIDATED_BY_HAND);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[1]);
    add(g, 4, 3, 1300000003, 0x207fffff);
    add(g, 5, 1, 1300000004, 0x207fffff); /* an older branch, a younger tip */
    header_tree_mark_invalid(g->tree, g->nodes[4], INVALIDATED_BY_HAND);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[5]);
    header_tree_reconsider(g->tree, g->nodes[4]);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[4]);
    add(g, 6, 4, 1300000005, 0x207fffff);
    header_tree_reconsider(g->tree, g->nodes[2]);
    add(g, 7, 2, 1300000006, 0x207fffff); /* an older leaf, a younger tip */
    header_tree_reconsider(g->tree, g->nodes[5]);
    ck_assert_ptr_eq(header_tree_best(g->tree), g->nodes[6]);
    drop(g);
}
END_TEST

static int compare_times(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

START_TEST(median_time_is_of_the_last_eleven)
{
    struct grown *g = grow(7);

    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t times[11];
        size_t count = 0;

        for (const struct header_node *n = g->nodes[i]; n && count < 11; n = n->prev)
            times[count++] = n->time;
        qsort(times, count, sizeof *times, compare_times);
        ck_assert_uint_eq(g->nodes[i]->median_time_past, times[count / 2]);
    }
    drop(g);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "header_tree", nodes_keep_what_was_inserted, ancestors_equal_a_walk_from_parent_to_parent,
        skips_are_logarithmic_on_a_long_chain, fork_points_equal_a_naive_search,
        locator_goes_back_in_doubling_steps, all_of_a_height_and_all_leaves_are_listed,
        descendants_are_walked_height_by_height, marks_reach_all_descendants_and_come_off_again,
        child_of_a_marked_block_is_marked_and_never_best, median_time_is_of_the_last_eleven);
}
