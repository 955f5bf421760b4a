#include "chain/header_tree.h"
#include "base/arena.h"
#include <stdlib.h>

#define CHUNK_NODES 4096 /* 768 KiB: nodes never move */

/* Lists and tables hold index + 1, so that 0 is empty. */
struct header_tree {
    struct siphash_key key;
    struct header_node **chunks;
    uint32_t count, chunk_count;
    uint32_t *slots; /* by hash: open addressing, at most half full */
    uint32_t slot_count;
    uint32_t *heads; /* by height: the latest inserted */
    uint32_t height_count, head_capacity;
    uint32_t *leaves;
    uint32_t leaf_count, leaf_capacity;
    struct header_node *best;
};

struct header header_of_node(const struct header_node *node)
{
    struct header header = {
        .version = node->version, .time = node->time, .bits = node->bits, .nonce = node->nonce};

    if (node->prev != NULL)
        header.prev_hash = node->prev->hash;
    memcpy(header.merkle_root, node->merkle_root, sizeof header.merkle_root);
    return header;
}

struct header_node *header_ancestor(const struct header_node *node, int32_t height)
{
    if (height < 0 || height > node->height)
        return NULL;
    while (node->height > height)
        node = node->skip->height >= height ? node->skip : node->prev;
    return (struct header_node *)node;
}

struct header_node *header_fork_point(const struct header_node *a, const struct header_node *b)
{
    if (a->height > b->height)
        a = header_ancestor(a, b->height);
    else
        b = header_ancestor(b, a->height);
    while (a != b) { /* nodes of one height skip to one height */
        bool far = a->skip != b->skip;

        a = far ? a->skip : a->prev;
        b = far ? b->skip : b->prev;
    }
    return (struct header_node *)a;
}

uint32_t header_locator(struct block_hash locator[LOCATOR_MAX], const struct header_node *node)
{
    uint32_t count = 0;
    int32_t step = 1;

    for (;;) {
        locator[count++] = node->hash;
        if (node->height == 0)
            return count;
        node = header_ancestor(node, node->height > step ? node->height - step : 0);
        if (count > 10)
            step *= 2;
    }
}

uint32_t header_tree_count(const struct header_tree *tree)
{
    return tree->count;
}

struct header_node *header_tree_at(const struct header_tree *tree, uint32_t index)
{
    return &tree->chunks[index / CHUNK_NODES][index % CHUNK_NODES];
}

/* The slot with hash, or the empty one where it belongs. */
static uint32_t *find_slot(const struct header_tree *tree, const struct block_hash *hash)
{
    uint32_t mask = tree->slot_count - 1;
    uint32_t at = (uint32_t)siphash24(tree->key, hash, sizeof *hash) & mask;

    while (tree->slots[at] != 0 &&
           !block_hash_equal(&header_tree_at(tree, tree->slots[at] - 1)->hash, hash))
        at = (at + 1) & mask;
    return &tree->slots[at];
}

struct header_node *header_tree_find(const struct header_tree *tree, const struct block_hash *hash)
{
    uint32_t slot = *find_slot(tree, hash);

    return slot == 0 ? NULL : header_tree_at(tree, slot - 1);
}

static void grow_slots(struct header_tree *tree)
{
    free(tree->slots);
    tree->slot_count *= 2;
    tree->slots = xcalloc(tree->slot_count, sizeof *tree->slots);
    for (uint32_t i = 0; i < tree->count; i++)
        *find_slot(tree, &header_tree_at(tree, i)->hash) = i + 1;
}

/* A node at the next index, not in any list yet. */
static struct header_node *take_node(struct header_tree *tree)
{
    if (tree->count == tree->chunk_count * CHUNK_NODES) {
        tree->chunks = xrealloc(tree->chunks, (tree->chunk_count + 1) * sizeof *tree->chunks);
        tree->chunks[tree->chunk_count++] = xcalloc(CHUNK_NODES, sizeof(struct header_node));
    }
    struct header_node *node = header_tree_at(tree, tree->count);
    node->index = tree->count;
    return node;
}

static void link_height(struct header_tree *tree, struct header_node *node)
{
    uint32_t height = (uint32_t)node->height;

    if (height == tree->head_capacity) {
        tree->head_capacity *= 2;
        tree->heads = xrealloc(tree->heads, tree->head_capacity * sizeof *tree->heads);
    }
    if (height == tree->height_count) {
        tree->heads[height] = 0;
        tree->height_count++;
    }
    node->next_at_height = tree->heads[height];
    tree->heads[height] = node->index + 1;
}

/* The node takes its parent's place among the leaves, or a new one. The parent is mostly a late
 * leaf. */
static void link_leaf(struct header_tree *tree, struct header_node *node)
{
    struct header_node *prev = node->prev;

    if (prev != NULL && !(prev->status & HEADER_HAS_CHILD)) {
        uint32_t at = tree->leaf_count - 1;

        prev->status |= HEADER_HAS_CHILD;
        while (tree->leaves[at] != prev->index)
            at--;
        tree->leaves[at] = node->index;
        return;
    }
    if (tree->leaf_count == tree->leaf_capacity) {
        tree->leaf_capacity *= 2;
        tree->leaves = xrealloc(tree->leaves, tree->leaf_capacity * sizeof *tree->leaves);
    }
    tree->leaves[tree->leaf_count++] = node->index;
}

static uint32_t median_time(const struct header_node *node)
{
    uint32_t times[11];
    uint32_t count = 0;

    for (; count < ARRAY_COUNT(times) && node != NULL; node = node->prev) {
        uint32_t i = count++;

        for (; i > 0 && times[i - 1] > node->time; i--)
            times[i] = times[i - 1];
        times[i] = node->time;
    }
    return times[count / 2];
}

/* Skips are as in a skew binary list: where the last two skips of the parent's are equally long,
 * one over both, else the parent. Any ancestor is then at most about 3 log2(height) steps away. */
static struct header_node *skip_of(struct header_node *prev)
{
    struct header_node *skip = prev->skip;

    return prev->height - skip->height == skip->height - skip->skip->height ? skip->skip : prev;
}

struct header_node *header_tree_insert(struct header_tree *tree, const struct params *params,
                                       struct header_node *prev, const struct header *header,
                                       const struct block_hash *hash)
{
    struct header_node *node = take_node(tree);
    struct u256 work = work_of_bits(header->bits);

    node->hash = *hash;
    memcpy(node->merkle_root, header->merkle_root, sizeof node->merkle_root);
    node->prev = prev;
    node->skip = prev == NULL ? node : skip_of(prev);
    node->height = prev == NULL ? 0 : prev->height + 1;
    node->chainwork = prev == NULL ? work : u256_add(&prev->chainwork, &work);
    node->version = header->version;
    node->time = header->time;
    node->bits = header->bits;
    node->nonce = header->nonce;
    node->median_time_past = median_time(node);
    bool is_min =
        header->bits == params->pow_limit_bits && node->height % params->retarget_interval;
    node->period_bits = is_min ? prev->period_bits : header->bits;
    if (prev != NULL && header_is_invalid(prev))
        node->status = HEADER_INVALID_ANCESTOR;

    if ((tree->count + 1) * 2 > tree->slot_count)
        grow_slots(tree);
    uint32_t *slot = find_slot(tree, hash);
    assert(*slot == 0);
    *slot = ++tree->count;
    link_height(tree, node);
    link_leaf(tree, node);
    if (tree->best == NULL ||
        (!header_is_invalid(node) && u256_compare(&node->chainwork, &tree->best->chainwork) > 0))
        tree->best = node;
    return node;
}

struct header_node *header_tree_best(const struct header_tree *tree)
{
    return tree->best;
}

/* The best is the last good node before some leaf. */
static void find_best(struct header_tree *tree)
{
    struct header_node *best = header_tree_at(tree, 0);

    for (uint32_t i = 0; i < tree->leaf_count; i++) {
        struct header_node *node = header_tree_leaf(tree, i);

        while (header_is_invalid(node))
            node = node->prev;
        int order = u256_compare(&node->chainwork, &best->chainwork);
        if (order > 0 || (order == 0 && node->index < best->index))
            best = node;
    }
    tree->best = best;
}

/* Sets HEADER_INVALID_ANCESTOR where it holds and only there, from index on. */
static uint32_t inherit_marks(struct header_tree *tree, uint32_t index)
{
    uint32_t marked = 0;

    for (; index < tree->count; index++) {
        struct header_node *node = header_tree_at(tree, index);

        if (node->prev == NULL || !header_is_invalid(node->prev)) {
            node->status &= (uint16_t)~HEADER_INVALID_ANCESTOR;
        } else {
            marked += !header_is_invalid(node);
            node->status |= HEADER_INVALID_ANCESTOR;
        }
    }
    return marked;
}

uint32_t header_tree_mark_invalid(struct header_tree *tree, struct header_node *node,
                                  enum verdict failure)
{
    uint32_t marked = !header_is_invalid(node);

    assert(verdict_marks(failure));
    if (node->prev == NULL || (node->status & HEADER_INVALID))
        return 0;
    node->status |= HEADER_INVALID;
    node->failure = (uint16_t)failure;
    marked += inherit_marks(tree, node->index + 1);
    if (header_is_invalid(tree->best))
        find_best(tree);
    return marked;
}

static void unmark(struct header_node *node)
{
    node->status &= (uint16_t)~HEADER_INVALID;
    node->failure = VALID;
}

void header_tree_reconsider(struct header_tree *tree, struct header_node *node)
{
    struct header_node *first = node;

    for (struct header_node *after = node; after != NULL;
         after = header_tree_next_descendant(tree, node, after))
        unmark(after);
    while (first->prev != NULL && header_is_invalid(first->prev)) {
        first = first->prev;
        unmark(first);
    }
    inherit_marks(tree, first->index);
    find_best(tree);
}

struct header_node *header_tree_next_at_height(const struct header_tree *tree, int32_t height,
                                               const struct header_node *after)
{
    if (height < 0 || (uint32_t)height >= tree->height_count)
        return NULL;
    uint32_t next = after == NULL ? tree->heads[height] : after->next_at_height;
    return next == 0 ? NULL : header_tree_at(tree, next - 1);
}

struct header_node *header_tree_next_descendant(const struct header_tree *tree,
                                                const struct header_node *node,
                                                const struct header_node *after)
{
    struct header_node *next = (struct header_node *)after;

    while (after != node && (next = header_tree_next_at_height(tree, after->height, next)) != NULL)
        if (header_is_ancestor(node, next))
            return next;
    next = NULL;
    while ((next = header_tree_next_at_height(tree, after->height + 1, next)) != NULL)
        if (next->prev == after || header_is_ancestor(node, next))
            return next;
    return NULL; /* none at one height, so none above it */
}

uint32_t header_tree_leaf_count(const struct header_tree *tree)
{
    return tree->leaf_count;
}

struct header_node *header_tree_leaf(const struct header_tree *tree, uint32_t index)
{
    return header_tree_at(tree, tree->leaves[index]);
}

size_t header_tree_memory(const struct header_tree *tree)
{
    return sizeof *tree +
           tree->chunk_count * (sizeof *tree->chunks + CHUNK_NODES * sizeof(struct header_node)) +
           ((size_t)tree->slot_count + tree->head_capacity + tree->leaf_capacity) *
               sizeof(uint32_t);
}

struct header_tree *header_tree_new(const struct params *params, struct siphash_key key)
{
    struct header_tree *tree = xcalloc(1, sizeof *tree);

    tree->key = key;
    tree->slot_count = tree->head_capacity = 4096;
    tree->leaf_capacity = 64;
    tree->slots = xcalloc(tree->slot_count, sizeof *tree->slots);
    tree->heads = xcalloc(tree->head_capacity, sizeof *tree->heads);
    tree->leaves = xcalloc(tree->leaf_capacity, sizeof *tree->leaves);
    header_tree_insert(tree, params, NULL, &params->genesis_header, &params->genesis_hash);
    return tree;
}

void header_tree_free(struct header_tree *tree)
{
    if (tree == NULL)
        return;
    for (uint32_t i = 0; i < tree->chunk_count; i++)
        free(tree->chunks[i]);
    free(tree->chunks);
    free(tree->slots);
    free(tree->heads);
    free(tree->leaves);
    free(tree);
}
