#include "ledger/state.h"

#define GROUP 32 /* lookups under way together: each waits for memory, all wait at once */
#define AHEAD 8

static void push(struct ledger *ledger, struct world *world, const struct outpoint *outpoint,
                 const struct coin_hash *hash, uint16_t flags, uint64_t word)
{
    world->events[world->event_count] = (struct event){.outpoint = *outpoint,
                                                       .shard = (uint16_t)hash->shard,
                                                       .flags = flags,
                                                       .slot = hash->slot,
                                                       .tag = hash->tag,
                                                       .word = word};
    recent_add(&ledger->recent, world, world->event_count);
    world->event_count++;
}

/* All against the parent: nothing of this block is in yet. */
static int check_bip30(struct ledger *ledger, struct world *world, const struct ledger_block *lb,
                       struct connect_result *result)
{
    const struct block *block = lb->block;
    const struct coin_hash *hash = lb->outputs, *end = hash + block->output_count;
    const uint32_t *check = lb->checks;

    for (uint32_t t = 0; t < block->tx_count; t++) {
        struct outpoint outpoint = {.txid = block->txs[t].txid};

        for (; outpoint.vout < block->txs[t].output_count; outpoint.vout++, hash++) {
            if (end - hash > AHEAD) {
                recent_prefetch(&ledger->recent, hash[AHEAD].slot);
                root_prefetch(&ledger->root, &hash[AHEAD]);
            }
            if (*check++ == COIN_NEVER)
                continue;

            const struct event *event =
                recent_find(&ledger->recent, world->parent, &outpoint, hash->slot);
            uint64_t word = 0;
            int rc = 0;
            if (!event)
                rc = root_find_exact(&ledger->root, &outpoint, hash, &word);
            else if (!(event->flags & EVENT_SPEND))
                word = event->word;
            if (rc != 0)
                return rc;
            if (word != 0 && lb->bip30 == BIP30_ENFORCED) {
                *result = (struct connect_result){CONNECT_BIP30, t, 0};
                return 0;
            }
            if (word != 0)
                push(ledger, world, &outpoint, hash, EVENT_SPEND | EVENT_REPLACED, word);
        }
    }
    return 0;
}

struct input_walk {
    const struct tx *tx;
    uint32_t input;
};

static const struct outpoint *next_prevout(struct input_walk *walk)
{
    while (walk->input == walk->tx->input_count) {
        walk->tx++;
        walk->input = 0;
    }
    return &walk->tx->inputs[walk->input++].prevout;
}

/* refs[i] from the root for each input of which the parent's world has no event; position 0: not
 * there. */
static void find_in_root(const struct ledger *ledger, const struct world *parent,
                         const struct ledger_block *lb, uint32_t count, struct coin_ref *refs)
{
    struct input_walk walk = {lb->block->txs + 1, 0};
    const struct outpoint *prevouts[GROUP];
    const struct coin_hash *hashes = lb->inputs;
    bool in_root[GROUP];

    for (uint32_t n; count > 0; count -= n, hashes += n, refs += n) {
        n = count < GROUP ? count : GROUP;
        for (uint32_t i = 0; i < n; i++) {
            prevouts[i] = next_prevout(&walk);
            recent_prefetch(&ledger->recent, hashes[i].slot);
        }
        for (uint32_t i = 0; i < n; i++)
            recent_prefetch_events(&ledger->recent, hashes[i].slot);
        for (uint32_t i = 0; i < n; i++) {
            in_root[i] = !recent_find(&ledger->recent, parent, prevouts[i], hashes[i].slot);
            if (in_root[i])
                root_prefetch(&ledger->root, &hashes[i]);
        }
        for (uint32_t i = 0; i < n; i++) {
            bool is_exact = false;
            uint64_t word =
                in_root[i] ? root_find(&ledger->root, prevouts[i], &hashes[i], &is_exact) : 0;
            refs[i] = coin_ref_of(word, is_exact);
        }
    }
}

/* ref comes with what the root has. False: the coin is missing or spent. */
static bool spend(struct ledger *ledger, struct world *world, const struct outpoint *prevout,
                  const struct coin_hash *hash, struct coin_ref *ref)
{
    struct event *event = recent_find(&ledger->recent, world, prevout, hash->slot);
    uint16_t flags = EVENT_SPEND;

    if (event) {
        if (event->flags & EVENT_SPEND)
            return false;
        *ref = coin_ref_of(event->word, true);
        if (event >= world->events && event < world->events + world->event_count) {
            event->flags |= EVENT_OWN;
            flags |= EVENT_OWN;
        }
    }
    if (ref->pos == 0)
        return false;
    push(ledger, world, prevout, hash, flags, coin_word(ref->pos, ref->is_coinbase, ref->check));
    world->spent_count++;
    return true;
}

static void create(struct ledger *ledger, struct world *world, const struct ledger_block *lb,
                   const struct tx *tx, uint32_t first_output)
{
    const struct coin_hash *hashes = lb->outputs + first_output;
    const uint32_t *checks = lb->checks + first_output;
    struct outpoint outpoint = {.txid = tx->txid};

    for (uint32_t i = 0; i < tx->output_count; i++) {
        if (first_output + i + AHEAD < lb->block->output_count)
            recent_prefetch(&ledger->recent, hashes[i + AHEAD].slot);
        if (checks[i] == COIN_NEVER)
            continue;
        outpoint.vout = i;
        push(ledger, world, &outpoint, &hashes[i], 0,
             coin_word(lb->pos + tx->outputs[i].offset, tx == lb->block->txs, checks[i]));
        world->created_count++;
    }
}

int world_connect(struct ledger *ledger, struct world *world, const struct ledger_block *lb,
                  struct coin_ref *refs, struct connect_result *result)
{
    const struct block *block = lb->block;
    uint32_t input_count = block->tx_count ? block->input_count - block->txs[0].input_count : 0;
    uint32_t event_max = input_count + block->output_count * (lb->bip30 == BIP30_OVERWRITE ? 2 : 1);
    uint32_t input = 0, output = 0;

    assert(world->parent && world->parent->is_connected && !world->is_connected && !world->events);
    *result = (struct connect_result){.verdict = CONNECT_OK};
    if (lb->pos > COIN_POS_MAX - block->raw.size || event_max >= 1u << RECENT_INDEX_BITS)
        return -EFBIG;
    recent_reserve(&ledger->recent, event_max);
    world->events = xmalloc(event_max * sizeof *world->events);
    world->undo_count = input_count;

    if (lb->bip30 != BIP30_UNCHECKED) {
        int rc = check_bip30(ledger, world, lb, result);
        if (rc != 0 || result->verdict != CONNECT_OK)
            return rc;
    }
    if (input_count > 0)
        find_in_root(ledger, world->parent, lb, input_count, refs);

    for (uint32_t t = 0; t < block->tx_count; t++) {
        const struct tx *tx = &block->txs[t];

        for (uint32_t i = 0; t > 0 && i < tx->input_count; i++, input++) {
            if (!spend(ledger, world, &tx->inputs[i].prevout, &lb->inputs[input], &refs[input])) {
                *result = (struct connect_result){CONNECT_MISSING, t, i};
                return 0;
            }
        }
        create(ledger, world, lb, tx, output);
        output += tx->output_count;
    }
    world->is_connected = true;
    return 0;
}
