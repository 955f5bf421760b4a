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
    key->part_count = shard_count < LEDGER_PARTS ? shard_count : LEDGER_PARTS;
    key->part_shift = (unsigned)__builtin_ctz(shard_count / key->part_count);
}

static struct coin_hash hash_of(const struct ledger_key *key, const uint64_t h[2])
{
    return (struct coin_hash){
        .tag = h[0] & key->tag_mask,
        .shard = (uint32_t)h[1] & key->shard_mask,
        .slot = (uint32_t)(h[1] >> 32),
    };
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last size % 16 bytes as a number. Of 16 bytes and more nothing is copied: to load bytes that
 * were just stored in pieces takes as long as all the rest. */
static unsigned __int128 last_bytes(struct bytes b)
{
    unsigned count = b.size % 16;
    uint8_t padded[16] = {0};

    if (count == 0)
        return 0;
    if (b.size < 16)
        memcpy(padded, b.data, count);
    const uint8_t *from = b.size < 16 ? padded : b.data + b.size - 16;
    unsigned __int128 number = (unsigned __int128)le64_read(from + 8) << 64 | le64_read(from);
    return b.size < 16 ? number : number >> (8 * (16 - count));
}

/* The outpoint's hash is a secret that goes with it, so it serves as the key. Nobody gains by two
 * TxOuts with one check: it has 21 bits, and tells coins with equal tags and rotten bytes. */
static uint32_t check_of(const struct ledger_key *key, const uint64_t h[2], struct bytes txout)
{
    uint64_t a = key->check.k0 ^ h[0], b = key->check.k1 ^ h[1] ^ txout.size;
    size_t whole = txout.size & ~(size_t)15;

    for (size_t i = 0; i < whole; i += 16)
        a = mix(a ^ le64_read(txout.data + i), b ^ le64_read(txout.data + i + 8));
    unsigned __int128 last = last_bytes(txout);
    a = mix(a ^ (uint64_t)last, b ^ (uint64_t)(last >> 64));
    return (uint32_t)(mix(a ^ key->check.k1, b) >> (64 - COIN_CHECK_BITS));
}

struct siphash_state coin_hash_txid(const struct ledger_key *key, const struct txid *txid)
{
    return siphash13_txid(key->tag, txid->bytes);
}

struct coin_hash coin_hash_of(const struct ledger_key *key, const struct outpoint *outpoint)
{
    uint64_t h[2];

    siphash13_vout(coin_hash_txid(key, &outpoint->txid), outpoint->vout, h);
    return hash_of(key, h);
}

uint32_t coin_check_of(const struct ledger_key *key, const struct outpoint *outpoint,
                       struct bytes txout)
{
    struct siphash_state state = coin_hash_txid(key, &outpoint->txid);
    struct coin_hash hash;

    return coin_hash_and_check(key, &state, outpoint->vout, txout, &hash);
}

uint32_t coin_hash_and_check(const struct ledger_key *key, const struct siphash_state *state,
                             uint32_t vout, struct bytes txout, struct coin_hash *hash)
{
    uint64_t h[2];

    siphash13_vout(*state, vout, h);
    *hash = hash_of(key, h);
    return check_of(key, h, txout);
}

bool coin_is_possible(struct bytes script_pubkey)
{
    return script_pubkey.size <= SCRIPT_SIZE_MAX &&
           !(script_pubkey.size > 0 && script_pubkey.data[0] == OP_RETURN);
}

uint64_t coin_sum_of(const struct ledger_key *key, uint64_t tag, uint64_t word)
{
    uint64_t x = mix(tag ^ key->sum[0], word ^ key->sum[1]);

    return mix(x ^ key->sum[1], word + key->sum[0]);
}
