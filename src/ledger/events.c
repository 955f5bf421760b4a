#include "ledger/events.h"

#include <stdlib.h>

struct hashed {
    struct coin_hash hash;
    uint32_t check;
};

/* In the order in which they act: of each transaction the inputs, then the outputs. */
static uint32_t hash_all(const struct ledger_key *key, const struct block *block,
                         struct hashed *hashed, uint32_t counts[LEDGER_PARTS])
{
    const struct hashed *first = hashed;

    for (uint32_t t = 0; t < block->tx_count; t++) {
        const struct tx *tx = &block->txs[t];
        struct siphash_state state = coin_hash_txid(key, &tx->txid);

        for (uint32_t i = 0; t > 0 && i < tx->input_count; i++, hashed++) {
            hashed->hash = coin_hash_of(key, &tx->inputs[i].prevout);
            counts[part_of_shard(key, hashed->hash.shard)]++;
        }
        for (uint32_t vout = 0; vout < tx->output_count; vout++) {
            const struct tx_output *output = &tx->outputs[vout];

            if (!coin_is_possible(output->script_pubkey))
                continue;
            hashed->check =
                coin_hash_and_check(key, &state, vout, block_txout(block, output), &hashed->hash);
            counts[part_of_shard(key, hashed->hash.shard)]++;
            hashed++;
        }
    }
    return (uint32_t)(hashed - first);
}

static void put(struct event *event, const struct outpoint *outpoint, const struct coin_hash *hash,
                uint16_t flags, uint32_t place, uint64_t word)
{
    *event = (struct event){.outpoint = *outpoint,
                            .shard = (uint16_t)hash->shard,
                            .flags = flags,
                            .slot = hash->slot,
                            .place = place,
                            .tag = hash->tag,
                            .word = word};
}

static void put_all(const struct ledger_key *key, const struct block *block,
                    const struct hashed *hashed, struct event *at[LEDGER_PARTS])
{
    uint32_t input = 0, output = 0;

    for (uint32_t t = 0; t < block->tx_count; t++) {
        const struct tx *tx = &block->txs[t];
        struct outpoint outpoint = {.txid = tx->txid};

        for (uint32_t i = 0; t > 0 && i < tx->input_count; i++, hashed++)
            put(at[part_of_shard(key, hashed->hash.shard)]++, &tx->inputs[i].prevout, &hashed->hash,
                EVENT_SPEND, input++, 0);
        for (; outpoint.vout < tx->output_count; outpoint.vout++, output++) {
            const struct tx_output *out = &tx->outputs[outpoint.vout];

            if (!coin_is_possible(out->script_pubkey))
                continue;
            put(at[part_of_shard(key, hashed->hash.shard)]++, &outpoint, &hashed->hash, 0, output,
                coin_word(out->offset, t == 0, hashed->check));
            hashed++;
        }
    }
}

bool block_events_make(const struct ledger_key *key, const struct block *block, struct arena *arena,
                       struct block_events *events)
{
    uint32_t input_count = block->input_count - block->txs[0].input_count;
    struct hashed *hashed =
        arena_array(arena, (size_t)input_count + block->output_count, sizeof *hashed);
    uint32_t counts[LEDGER_PARTS] = {0};
    struct event *at[LEDGER_PARTS];

    if (!hashed)
        return false;
    uint32_t count = hash_all(key, block, hashed, counts), end = 0;

    *events = (struct block_events){.events = xmalloc(count * sizeof *events->events),
                                    .input_count = input_count,
                                    .created_count = count - input_count};
    for (uint32_t p = 0; p < LEDGER_PARTS; p++) {
        at[p] = events->events + end;
        events->ends[p] = end += counts[p];
    }
    put_all(key, block, hashed, at);
    return true;
}

void block_events_clear(struct block_events *events)
{
    free(events->events);
    events->events = NULL;
}
