/* coin.h - a coin as the ledger knows it: keyed hashes of its outpoint, and one word. Pure; any
 * thread. Parse workers compute the hashes beforehand, so that the ledger thread only orders
 * existence.
 *
 * The hash is SipHash-1-3: who makes outpoints sees neither the key nor a hash, so he can only
 * guess which of them meet, and txids are hashes already. If tags are equal nonetheless, outpoints
 * are compared. A new function or subkey needs a new magic of ledger/key (key_file.c): index,
 * checkpoints and undo words hold what it gave. */
#ifndef LEDGER_COIN_H
#define LEDGER_COIN_H
#include "base/hash.h"
#include "codec/block.h"

#define LEDGER_KEY_SIZE 32
#define COIN_POS_BITS   42
#define COIN_CHECK_BITS 21
#define COIN_POS_MAX    (((uint64_t)1 << COIN_POS_BITS) - 1)

/* Random and secret, one a base directory; the subkeys follow from the bytes. */
struct ledger_key {
    uint8_t bytes[LEDGER_KEY_SIZE];
    struct siphash_key tag, check;
    uint64_t sum[2];
    uint64_t tag_mask; /* the tag_bits highest bits: 64 in use, 12 in tests so that tags collide */
    uint32_t shard_mask; /* shard_count - 1 */
    unsigned part_shift;
    uint32_t part_count;
};

/* Shards that follow each other are a part. What happens in one part touches nothing of another:
 * an outpoint has its shard, and whether it may be spent depends on nothing but what blocks did to
 * it before. So threads work on a block's parts at once. */
#define LEDGER_PARTS 32

static inline uint32_t part_of_shard(const struct ledger_key *key, uint32_t shard)
{
    return shard >> key->part_shift;
}

struct coin_hash {
    uint64_t tag; /* orders a shard */
    uint32_t shard;
    uint32_t slot; /* chooses the place in the table of recent coins */
};

/* Where the TxOut of a coin is. */
struct coin_ref {
    uint64_t
        pos; /* of the TxOut's first byte in blocks.bin; may lie in the spending block itself */
    uint32_t check; /* coin_check_of must give this for (outpoint, TxOut) */
    bool is_coinbase;
    bool is_exact; /* the outpoint was compared in full; else only its tag was, and check decides */
};

/* A coin's word in the index and in undo records: position, coinbase bit, check. Never 0. */
static inline uint64_t coin_word(uint64_t pos, bool is_coinbase, uint32_t check)
{
    return pos | (uint64_t)is_coinbase << COIN_POS_BITS | (uint64_t)check << (COIN_POS_BITS + 1);
}

static inline uint64_t coin_word_pos(uint64_t word)
{
    return word & COIN_POS_MAX;
}

static inline struct coin_ref coin_ref_of(uint64_t word, bool is_exact)
{
    return (struct coin_ref){
        .pos = coin_word_pos(word),
        .check = (uint32_t)(word >> (COIN_POS_BITS + 1)),
        .is_coinbase = word >> COIN_POS_BITS & 1,
        .is_exact = is_exact,
    };
}

/* tag_bits 12 to 64, shard_count a power of two up to 65,536. */
void ledger_key_init(struct ledger_key *key, const uint8_t bytes[LEDGER_KEY_SIZE],
                     unsigned tag_bits, uint32_t shard_count);

struct coin_hash coin_hash_of(const struct ledger_key *key, const struct outpoint *outpoint);

/* 21 bits over outpoint and the TxOut as serialized (amount, compact size, script). */
uint32_t coin_check_of(const struct ledger_key *key, const struct outpoint *outpoint,
                       struct bytes txout);

/* Outputs that begin with OP_RETURN or have more than 10,000 bytes of script are never coins. */
bool coin_is_possible(struct bytes script_pubkey);

/* Both in one, of an output whose transaction has that state: the hash of its txid. */
struct siphash_state coin_hash_txid(const struct ledger_key *key, const struct txid *txid);
uint32_t coin_hash_and_check(const struct ledger_key *key, const struct siphash_state *state,
                             uint32_t vout, struct bytes txout, struct coin_hash *hash);

/* What a coin adds to the keyed sum of its shard. */
uint64_t coin_sum_of(const struct ledger_key *key, uint64_t tag, uint64_t word);
#endif
