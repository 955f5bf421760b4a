#include "ledger/coin.h"

#define OP_RETURN       0x6a
#define SCRIPT_SIZE_MAX 10000

static struct siphash_key subkey(const uint8_t bytes[LEDGER_KEY_SIZE], const char *use)
{
    struct sha256 ctx;
    uint8_t digest[32];

    sha256_init_tagged(&ctx, use);
    sha256_update(&ctx, bytes, LEDGER_KEY_SIZE);
    sha256_final(&ctx, digest);
    return (struct siphash_key){le64_read(digest), le64_read(digest + 8)};
}

void ledger_key_init(struct ledger_key *key, const uint8_t bytes[LEDGER_KEY_SIZE],
                     unsigned tag_bits, uint32_t shard_count)
{
    assert(tag_bits >= 12 && tag_bits <= 64);
    assert(shard_count > 0 && shard_count <= 65536 && (shard_count & (shard_count - 1)) == 0);
    struct siphash_key sum = subkey(bytes, "caesure/ledger/sum");

    memcpy(key->bytes, bytes, LEDGER_KEY_SIZE);
    key->tag = subkey(bytes, "caesure/ledger/tag");
    key->check = subkey(bytes, "caesure/ledger/check");
    key->sum[0] = sum.k0;
    key->sum[1] = sum.k1;
    key->tag_mask = UINT64_MAX << (64 - tag_bits);
    key->shard_mask = shard_count - 1;
}

struct coin_hash coin_hash_of(const struct ledger_key *key, const struct outpoint *outpoint)
{
    uint64_t h[2];

    siphash128_36(key->tag, (const uint8_t *)outpoint, h);
    return (struct coin_hash){
        .tag = h[0] & key->tag_mask,
        .shard = (uint32_t)h[1] & key->shard_mask,
        .slot = (uint32_t)(h[1] >> 32),
    };
}

uint32_t coin_check_of(const struct ledger_key *key, const struct outpoint *outpoint,
                       struct bytes txout)
{
    uint64_t h[2];

    siphash128_36(key->check, (const uint8_t *)outpoint, h);
    return siphash24((struct siphash_key){h[0], h[1]}, txout.data, txout.size) >>
           (64 - COIN_CHECK_BITS);
}

bool coin_is_possible(struct bytes script_pubkey)
{
    return script_pubkey.size <= SCRIPT_SIZE_MAX &&
           !(script_pubkey.size > 0 && script_pubkey.data[0] == OP_RETURN);
}

static void hash_outputs(const struct ledger_key *key, const struct block *block,
                         const struct tx *tx, struct coin_hash *hashes, uint32_t *checks)
{
    struct outpoint outpoint = {.txid = tx->txid};

    for (uint32_t i = 0; i < tx->output_count; i++) {
        const struct tx_output *output = &tx->outputs[i];
        const uint8_t *txout = block->raw.data + output->offset;
        const uint8_t *end = output->script_pubkey.data + output->script_pubkey.size;

        outpoint.vout = i;
        hashes[i] = coin_hash_of(key, &outpoint);
        checks[i] =
            coin_is_possible(output->script_pubkey)
                ? coin_check_of(key, &outpoint, (struct bytes){txout, (size_t)(end - txout)})
                : COIN_NEVER;
    }
}

void coin_hash_block(const struct ledger_key *key, const struct block *block,
                     struct coin_hash *inputs, struct coin_hash *outputs, uint32_t *checks)
{
    for (uint32_t t = 0; t < block->tx_count; t++) {
        const struct tx *tx = &block->txs[t];

        for (uint32_t i = 0; t > 0 && i < tx->input_count; i++)
            *inputs++ = coin_hash_of(key, &tx->inputs[i].prevout);
        hash_outputs(key, block, tx, outputs, checks);
        outputs += tx->output_count;
        checks += tx->output_count;
    }
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t coin_sum_of(const struct ledger_key *key, uint64_t tag, uint64_t word)
{
    uint64_t x = mix(tag ^ key->sum[0], word ^ key->sum[1]);

    return mix(x ^ key->sum[1], word + key->sum[0]);
}
