#include "chain/block_rules.h"
#include "base/hash.h"
#include "base/hex.h"
#include "chain/header_rules.h"
#include "chain/signet.h"
#include "script/classify.h"
#include "script/flags.h"
#include "script/sigops.h"

/* No coinbase from here on repeats one that was made before BIP34: heights that old coinbases name.
 */
#define BIP34_IMPLIES_BIP30_LIMIT 1983702
#define WITNESS_COMMITMENT_MIN    38 /* OP_RETURN, a push of 36: 4 of mark, the hash */
#define TWO_WEEKS_S               (14 * 24 * 3600)

int32_t block_find_commitment(const struct block *block)
{
    static const uint8_t mark[6] = {OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    const struct tx *coinbase = block->txs;

    if (block->tx_count == 0)
        return -1;
    for (uint32_t i = coinbase->output_count; i-- > 0;) {
        struct bytes script = coinbase->outputs[i].script_pubkey;

        if (script.size >= WITNESS_COMMITMENT_MIN && memcmp(script.data, mark, sizeof mark) == 0)
            return (int32_t)i;
    }
    return -1;
}

/* BIP141. The coinbase has an input; hashes is scratch memory for a merkle tree. */
static enum commitment check_commitment(const struct block *block, uint8_t *hashes)
{
    int32_t index = block_find_commitment(block);
    const struct tx *coinbase = block->txs;
    struct cursor witness = cursor_of(coinbase->inputs[0].witness);
    uint8_t both[64];

    if (index < 0)
        return COMMITMENT_NONE;
    if (coinbase->inputs[0].witness_count != 1)
        return COMMITMENT_BAD_NONCE;
    struct bytes nonce = witness_next(&witness);
    if (nonce.size != 32)
        return COMMITMENT_BAD_NONCE;
    block_witness_merkle_root(both, block, hashes);
    memcpy(both + 32, nonce.data, 32);
    sha256d_once(both, both, sizeof both);
    bool matches = memcmp(both, coinbase->outputs[index].script_pubkey.data + 6, 32) == 0;
    return matches ? COMMITMENT_MATCHES : COMMITMENT_MISMATCH;
}

/* A node of the merkle tree can be passed off as a transaction of 64 bytes; with a true coinbase
 * that takes too much work to find. */
static enum verdict missing_coinbase(const struct block *block)
{
    for (uint32_t i = 0; i < block->tx_count; i++)
        if (block->txs[i].stripped_size == 64)
            return BAD_CB_MISSING_64_BYTES;
    return BAD_CB_MISSING;
}

static enum verdict check_shape(const struct block *block)
{
    uint32_t limit = BLOCK_WEIGHT_MAX / WITNESS_SCALE;

    if (block->tx_count == 0 || block->tx_count > limit || block->stripped_size > limit)
        return BAD_BLK_LENGTH;
    if (!tx_is_coinbase(&block->txs[0]))
        return missing_coinbase(block);
    for (uint32_t i = 1; i < block->tx_count; i++)
        if (tx_is_coinbase(&block->txs[i]))
            return BAD_CB_MULTIPLE;
    return VALID;
}

static enum verdict check_merkle_root(const struct block *block, uint8_t *hashes)
{
    uint8_t root[32];
    bool is_mutated;

    block_merkle_root(root, &is_mutated, block, hashes);
    if (memcmp(root, block->header.merkle_root, sizeof root) != 0)
        return BAD_TXNMRKLROOT;
    return is_mutated ? BAD_TXNS_DUPLICATE : VALID;
}

static void note_tx(struct block_facts *facts, const struct tx *tx)
{
    uint32_t *max_lock =
        tx->lock_time < LOCKTIME_THRESHOLD ? &facts->max_height_lock : &facts->max_time_lock;

    if (tx->lock_time > *max_lock && tx_lock_time_counts(tx))
        *max_lock = tx->lock_time;
    facts->legacy_sigops += tx_legacy_sigops(tx);
}

static enum verdict check_txs(const struct block *block, const struct outpoint **scratch,
                              struct block_facts *facts)
{
    for (uint32_t i = 0; i < block->tx_count; i++) {
        enum verdict verdict = tx_check(&block->txs[i], scratch);

        if (verdict != VALID)
            return verdict;
        note_tx(facts, &block->txs[i]);
    }
    return facts->legacy_sigops > BLOCK_SIGOP_COST_MAX / WITNESS_SCALE ? BAD_BLK_SIGOPS : VALID;
}

static uint32_t most_inputs(const struct block *block)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < block->tx_count; i++)
        if (block->txs[i].input_count > most)
            most = block->txs[i].input_count;
    return most;
}

static bool has_witness(const struct block *block)
{
    for (uint32_t i = 0; i < block->tx_count; i++)
        if (block->txs[i].has_witness)
            return true;
    return false;
}

enum verdict block_check_bytes(const struct params *params, const struct block *block,
                               struct arena *arena, struct block_facts *facts)
{
    if (!header_check_pow(params, &block->hash, block->header.bits))
        return HIGH_HASH;

    uint8_t *hashes = arena_array(arena, (size_t)block->tx_count + 1, 32);
    if (hashes == NULL)
        return BLOCK_DECODE_FAILED;
    if (params->is_signet && !signet_check_solution(params, block, arena))
        return BAD_SIGNET_BLKSIG;

    enum verdict verdict = check_merkle_root(block, hashes);
    if (verdict != VALID)
        return verdict;
    verdict = check_shape(block);
    if (verdict != VALID)
        return verdict;
    *facts = (struct block_facts){
        .weight = 3ull * block->stripped_size + block->raw.size,
        .header_time = block->header.time,
        .has_witness = has_witness(block),
        .commitment = check_commitment(block, hashes),
        .coinbase_script = block->txs[0].inputs[0].script_sig,
    };
    return VALID;
}

enum verdict block_check(const struct params *params, const struct block *block,
                         struct arena *arena, struct block_facts *facts)
{
    enum verdict verdict = block_check_bytes(params, block, arena, facts);

    if (verdict != VALID)
        return verdict;
    const struct outpoint **outpoints = arena_array(arena, most_inputs(block), sizeof *outpoints);
    if (outpoints == NULL)
        return BLOCK_DECODE_FAILED;
    verdict = check_txs(block, outpoints, facts);
    if (verdict == VALID)
        facts->coinbase_sat = tx_output_sum(&block->txs[0]);
    return verdict;
}

/* BIP34: the coinbase begins with a push of the height, as small a one as a script has. */
static bool begins_with_height(struct bytes script, int32_t height)
{
    uint8_t expected[6];
    size_t size = 0;

    if (height <= 16) {
        expected[size++] = (uint8_t)(height == 0 ? OP_0 : OP_1 + height - 1);
    } else {
        for (uint32_t rest = (uint32_t)height; rest != 0; rest >>= 8)
            expected[++size] = (uint8_t)rest;
        if (expected[size] & 0x80) /* that bit is the sign */
            expected[++size] = 0;
        expected[0] = (uint8_t)size++;
    }
    return script.size >= size && memcmp(script.data, expected, size) == 0;
}

static enum verdict check_witness(const struct block_facts *facts, bool is_segwit)
{
    if (is_segwit && facts->commitment == COMMITMENT_BAD_NONCE)
        return BAD_WITNESS_NONCE_SIZE;
    if (is_segwit && facts->commitment == COMMITMENT_MISMATCH)
        return BAD_WITNESS_MERKLE_MATCH;
    if (facts->has_witness && !(is_segwit && facts->commitment == COMMITMENT_MATCHES))
        return UNEXPECTED_WITNESS;
    return VALID;
}

enum verdict block_check_context(const struct params *params, const struct block_facts *facts,
                                 const struct header_node *prev)
{
    int32_t height = prev->height + 1;
    int64_t time = block_has_csv(params, height) ? prev->median_time_past : facts->header_time;

    if (facts->max_height_lock >= (uint32_t)height)
        return BAD_TXNS_NONFINAL;
    if (facts->max_time_lock != 0 && facts->max_time_lock >= time)
        return BAD_TXNS_NONFINAL;
    if (height >= params->bip34_height && !begins_with_height(facts->coinbase_script, height))
        return BAD_CB_HEIGHT;

    enum verdict verdict = check_witness(facts, height >= params->segwit_height);
    if (verdict != VALID)
        return verdict;
    return facts->weight > BLOCK_WEIGHT_MAX ? BAD_BLK_WEIGHT : VALID;
}

int64_t block_subsidy(const struct params *params, int32_t height)
{
    int32_t halvings = height / params->halving_interval;

    return halvings >= 64 ? 0 : 50 * SAT_PER_BTC >> halvings;
}

enum verdict block_check_reward(const struct params *params, const struct block_facts *facts,
                                int32_t height, int64_t fees_sat)
{
    return facts->coinbase_sat > fees_sat + block_subsidy(params, height) ? BAD_CB_AMOUNT : VALID;
}

uint32_t block_script_flags(const struct params *params, const struct block_hash *hash,
                            int32_t height)
{
    uint32_t flags = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_TAPROOT;

    for (uint32_t i = 0; i < params->flag_exception_count; i++) {
        const struct flag_exception *exception = &params->flag_exceptions[i];

        if (block_hash_equal(&exception->block, hash))
            flags =
                exception->has_p2sh_and_witness ? SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS : 0;
    }
    if (height >= params->bip66_height)
        flags |= SCRIPT_VERIFY_DERSIG;
    if (height >= params->bip65_height)
        flags |= SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY;
    if (height >= params->csv_height)
        flags |= SCRIPT_VERIFY_CHECKSEQUENCEVERIFY;
    if (height >= params->segwit_height)
        flags |= SCRIPT_VERIFY_NULLDUMMY;
    return flags;
}

bool block_is_bip30_repeat(const struct params *params, const struct header_node *node)
{
    for (uint32_t i = 0; i < params->bip30_repeat_count; i++)
        if (params->bip30_repeats[i].height == node->height &&
            block_hash_equal(&params->bip30_repeats[i].block, &node->hash))
            return true;
    return false;
}

bool block_enforces_bip30(const struct params *params, const struct header_node *node)
{
    if (node->height >= BIP34_IMPLIES_BIP30_LIMIT)
        return true;
    if (block_is_bip30_repeat(params, node))
        return false;
    const struct header_node *bip34 = header_ancestor(node->prev, params->bip34_height);
    return !params->has_bip34_hash || bip34 == NULL ||
           !block_hash_equal(&bip34->hash, &params->bip34_hash);
}

/* The time that the best header's hash rate would take for the work from node to it is over two
 * weeks. */
static bool is_buried(const struct params *params, const struct header_node *node,
                      const struct header_node *best)
{
    struct u256 work = u256_sub(&best->chainwork, &node->chainwork);
    struct u256 rate = work_of_bits(best->bits), limit = u256_of(TWO_WEEKS_S);

    work = u256_mul_u32(&work, (uint32_t)params->target_spacing_s);
    work = u256_div(&work, &rate);
    return u256_compare(&work, &limit) > 0;
}

const char *block_needs_scripts(const struct params *params, const struct header_tree *tree,
                                const struct header_node *node)
{
    const struct header_node *best = header_tree_best(tree);

    if (!params->has_assumed_valid)
        return "assumevalid=0 (always verify)";
    const struct header_node *assumed = header_tree_find(tree, &params->assumed_valid);
    if (assumed == NULL)
        return "assumevalid hash not in headers";
    if (node->height > assumed->height)
        return "block height above assumevalid height";
    if (!header_is_ancestor(node, assumed))
        return "block not in assumevalid chain";
    if (!header_is_ancestor(node, best))
        return "block not in best header chain";
    if (u256_compare(&best->chainwork, &params->minimum_chain_work) < 0)
        return "best header chainwork below minimumchainwork";
    if (!is_buried(params, node, best))
        return "block too recent relative to best header";
    return NULL;
}

bool chain_is_synced(const struct params *params, const struct header_node *tip, int64_t now_s)
{
    return u256_compare(&tip->chainwork, &params->minimum_chain_work) >= 0 &&
           tip->time > now_s - 24 * 3600;
}
