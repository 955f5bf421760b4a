#include "ledger/root.h"

#include <stdlib.h>

void root_init(struct root *root, const struct ledger_key *key, uint64_t coins_hint,
               struct header_node *stamp)
{
    uint32_t shard_count = key->shard_mask + 1;

    *root = (struct root){.key = *key};
    index_init(&root->index, shard_count, coins_hint);
    root->sums = xcalloc(shard_count, sizeof *root->sums);
    root->stamps = xcalloc(shard_count, sizeof(struct header_node *));
    root_stamp(root, stamp);
    pthread_mutex_init(&root->reading, NULL);
}

void root_clear(struct root *root)
{
    index_clear(&root->index);
    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        free(root->sides[p].coins);
    pthread_mutex_destroy(&root->reading);
    free(root->sums);
    free(root->stamps);
    *root = (struct root){0};
}

void root_reset(struct root *root, struct header_node *stamp)
{
    index_clear(&root->index);
    index_init(&root->index, root->key.shard_mask + 1, 0);
    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        root->sides[p].count = 0;
    memset(root->sums, 0, root->index.shard_count * sizeof *root->sums);
    root_stamp(root, stamp);
}

static struct side_coin *side_find(const struct root *root, const struct outpoint *outpoint,
                                   const struct coin_hash *hash)
{
    const struct side_coins *side = &root->sides[part_of_shard(&root->key, hash->shard)];

    for (uint32_t i = 0; i < side->count; i++) {
        struct side_coin *coin = &side->coins[i];
        if (coin->tag == hash->tag && outpoint_equal(&coin->outpoint, outpoint))
            return coin;
    }
    return NULL;
}

void root_add_side(struct root *root, const struct outpoint *outpoint, const struct coin_hash *hash,
                   uint64_t word)
{
    struct side_coins *side = &root->sides[part_of_shard(&root->key, hash->shard)];

    if (side->count == side->capacity) {
        side->capacity = side->capacity * 2 + 16;
        side->coins = xrealloc(side->coins, side->capacity * sizeof *side->coins);
    }
    side->coins[side->count++] = (struct side_coin){*outpoint, hash->shard, hash->tag, word};
}

static void side_remove(struct root *root, const struct coin_hash *hash, struct side_coin *coin)
{
    struct side_coins *side = &root->sides[part_of_shard(&root->key, hash->shard)];

    *coin = side->coins[--side->count];
}

static void sum_change(struct root *root, const struct coin_hash *hash, uint64_t gone,
                       uint64_t come)
{
    uint64_t *sum = &root->sums[hash->shard];

    if (gone)
        *sum -= coin_sum_of(&root->key, hash->tag, gone);
    if (come)
        *sum += coin_sum_of(&root->key, hash->tag, come);
}

uint64_t root_find(const struct root *root, const struct outpoint *outpoint,
                   const struct coin_hash *hash, bool *is_exact)
{
    const struct side_coin *coin = side_find(root, outpoint, hash);

    *is_exact = coin != NULL;
    return coin ? coin->word : index_find(&root->index, hash->shard, hash->tag);
}

int root_find_exact(struct root *root, const struct outpoint *outpoint,
                    const struct coin_hash *hash, uint64_t *word)
{
    struct outpoint other;
    uint32_t check;
    bool is_exact;

    *word = root_find(root, outpoint, hash, &is_exact);
    if (*word == 0 || is_exact)
        return 0;
    pthread_mutex_lock(&root->reading);
    root->tag_reads++;
    int rc = root->outpoint_at(root->ctx, coin_word_pos(*word), &other, &check);
    pthread_mutex_unlock(&root->reading);
    if (rc == 0 && check != coin_ref_of(*word, true).check)
        return -EBADMSG;
    if (rc == 0 && !outpoint_equal(outpoint, &other))
        *word = 0;
    return rc;
}

bool root_insert(struct root *root, const struct outpoint *outpoint, const struct coin_hash *hash,
                 uint64_t word)
{
    struct side_coin *coin = side_find(root, outpoint, hash);
    uint64_t old = coin ? coin->word : index_insert(&root->index, hash->shard, hash->tag, word);

    if (coin || coin_word_pos(old) == coin_word_pos(word))
        return false;
    if (old != 0)
        root_add_side(root, outpoint, hash, word);
    sum_change(root, hash, 0, word);
    return true;
}

uint64_t root_delete(struct root *root, const struct outpoint *outpoint,
                     const struct coin_hash *hash, uint64_t word)
{
    struct side_coin *coin = side_find(root, outpoint, hash);
    uint64_t found;

    if (!coin)
        found = index_delete(&root->index, hash->shard, hash->tag, word);
    else if (word != 0 && word != coin->word)
        found = 0;
    else
        found = coin->word;
    if (coin && found)
        side_remove(root, hash, coin);
    sum_change(root, hash, found, 0);
    return found;
}

void root_stamp(struct root *root, struct header_node *stamp)
{
    for (uint32_t s = 0; s < root->index.shard_count; s++)
        root->stamps[s] = stamp;
}

uint64_t root_side_count(const struct root *root)
{
    uint64_t count = 0;

    for (uint32_t p = 0; p < LEDGER_PARTS; p++)
        count += root->sides[p].count;
    return count;
}

uint64_t root_count(const struct root *root)
{
    uint64_t count = root_side_count(root);

    for (uint32_t s = 0; s < root->index.shard_count; s++)
        count += root->index.shards[s].count;
    return count;
}
