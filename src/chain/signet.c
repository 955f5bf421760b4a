#include "chain/signet.h"
#include "chain/block_rules.h"
#include "codec/compact.h"
#include "codec/opcode.h"
#include "script/verify.h"

#define SIGNET_FLAGS                                                                               \
    (SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_DERSIG | SCRIPT_VERIFY_NULLDUMMY)

static const uint8_t signet_mark[4] = {0xec, 0xc7, 0xda, 0xa2};

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    if (size != 0)
        memcpy(at, data, size);
    return at + size;
}

/* A push in the shortest form for its size. Never longer than the push that was read. */
static uint8_t *put_push(uint8_t *at, struct bytes data)
{
    if (data.size < OP_PUSHDATA1) {
        *at++ = (uint8_t)data.size;
    } else if (data.size <= 0xff) {
        *at++ = OP_PUSHDATA1;
        *at++ = (uint8_t)data.size;
    } else if (data.size <= 0xffff) {
        *at++ = OP_PUSHDATA2;
        le16_write(at, (uint16_t)data.size);
        at += 2;
    } else {
        *at++ = OP_PUSHDATA4;
        le32_write(at, (uint32_t)data.size);
        at += 4;
    }
    return put(at, data.data, data.size);
}

/* Takes the solution out of the commitment's script: *rest is the script as it was signed, with the
 * first push that begins with the mark cut to the mark. As the reference rebuilds it: pushes in
 * their shortest form, empty ones as their bare opcode, nothing from a broken push on. Without a
 * solution the script stays. out has room for script.size bytes. */
static struct bytes take_solution(struct bytes script, uint8_t *out, struct bytes *rest)
{
    struct cursor c = cursor_of(script);
    struct bytes solution = {NULL, 0};
    bool is_found = false;
    struct script_op op;
    uint8_t *at = out;

    while (cursor_left(&c) > 0 && script_op_read(&op, &c)) {
        if (op.data.size == 0) {
            *at++ = op.opcode;
            continue;
        }
        if (!is_found && op.data.size > sizeof signet_mark &&
            memcmp(op.data.data, signet_mark, sizeof signet_mark) == 0) {
            solution = bytes_sub(op.data, sizeof signet_mark, op.data.size);
            op.data.size = sizeof signet_mark;
            is_found = true;
        }
        at = put_push(at, op.data);
    }
    *rest = is_found ? (struct bytes){out, (size_t)(at - out)} : script;
    return solution;
}

/* The txid of the coinbase with another script in one of its outputs. */
static void hash_coinbase(uint8_t out[32], const struct tx *tx, const struct tx_output *output,
                          struct bytes script)
{
    struct bytes old = output->script_pubkey;
    const uint8_t *before_end = old.data - compact_size(old.size);
    const uint8_t *body_end = tx->body.data + tx->body.size;
    uint8_t number[COMPACT_SIZE_MAX];
    struct sha256 ctx;

    sha256_init(&ctx);
    le32_write(number, tx->version);
    sha256_update(&ctx, number, 4);
    sha256_update(&ctx, tx->body.data, (size_t)(before_end - tx->body.data));
    sha256_update(&ctx, number, compact_write(number, script.size));
    sha256_update(&ctx, script.data, script.size);
    sha256_update(&ctx, old.data + old.size, (size_t)(body_end - old.data - old.size));
    le32_write(number, tx->lock_time);
    sha256_update(&ctx, number, 4);
    sha256d_final(&ctx, out);
}

/* The txid of the virtual transaction that pays to the challenge and holds what is signed: the
 * header without bits and nonce, over the merkle root of the block without its solution. */
static void hash_to_spend(struct txid *txid, const struct params *params,
                          const struct header *header, const uint8_t merkle_root[32])
{
    uint8_t head[4 + 1 + 36 + 1 + 2 + 72 + 4 + 1 + 8], size[COMPACT_SIZE_MAX];
    uint8_t *at = put(head, "\0\0\0\0\1", 5);
    struct sha256 ctx;

    memset(at, 0, 32);
    at =
        put(at + 32, "\xff\xff\xff\xff\x4a\0\x48", 7); /* no prevout; OP_0 and a push of 72 bytes */
    at = put(at, &header->version, 4);
    at = put(at, header->prev_hash.bytes, 32);
    at = put(at, merkle_root, 32);
    at = put(at, &header->time, 4);
    put(at, "\0\0\0\0\1\0\0\0\0\0\0\0\0", 13); /* sequence; one output of 0 */
    sha256_init(&ctx);
    sha256_update(&ctx, head, sizeof head);
    sha256_update(&ctx, size, compact_write(size, params->signet_challenge.size));
    sha256_update(&ctx, params->signet_challenge.data, params->signet_challenge.size);
    sha256_update(&ctx, "\0\0\0\0", 4);
    sha256d_final(&ctx, txid->bytes);
}

/* The virtual transaction that spends it, from a solution: script_sig with its size, then the
 * witness. */
static bool parse_to_sign(struct tx *tx, const struct txid *spent, struct bytes solution,
                          struct arena *arena)
{
    struct cursor c = cursor_of(solution);
    uint8_t *data = arena_alloc(arena, solution.size + 70);

    cursor_take(&c, compact_read(&c));
    if (data == NULL || !cursor_ok(&c))
        return false;
    struct bytes script_sig = {solution.data, solution.size - cursor_left(&c)};
    struct bytes witness = {c.at, cursor_left(&c)};
    bool is_plain = witness.size == 1 && witness.data[0] == 0;
    uint8_t *at = put(data, "\0\0\0\0\0\1", is_plain ? 4 : 6); /* version; marker and flag */

    *at++ = 1;
    at = put(at, spent->bytes, sizeof spent->bytes);
    at = put(at, "\0\0\0\0", 4);
    at = put(at, script_sig.data, script_sig.size);
    at = put(at, "\0\0\0\0\1\0\0\0\0\0\0\0\0\1\x6a", 15); /* sequence; an OP_RETURN output of 0 */
    if (!is_plain)
        at = put(at, witness.data, witness.size);
    at = put(at, "\0\0\0\0", 4);
    return tx_parse(tx, (struct bytes){data, (size_t)(at - data)}, arena);
}

/* The merkle root of the block without its solution, which *solution becomes. */
static bool unsolved_root(uint8_t root[32], struct bytes *solution, const struct block *block,
                          struct arena *arena)
{
    int32_t index = block_find_commitment(block);

    if (index < 0)
        return false;
    const struct tx_output *output = &block->txs[0].outputs[index];
    uint8_t *script = arena_alloc(arena, output->script_pubkey.size);
    uint8_t *hashes = arena_array(arena, (size_t)block->tx_count + 1, 32);
    struct bytes rest;

    if (script == NULL || hashes == NULL)
        return false;
    *solution = take_solution(output->script_pubkey, script, &rest);
    hash_coinbase(hashes, &block->txs[0], output, rest);
    for (size_t i = 1; i < block->tx_count; i++)
        memcpy(hashes + 32 * i, block->txs[i].txid.bytes, 32);
    merkle_fold(hashes, block->tx_count);
    memcpy(root, hashes, 32);
    return true;
}

bool signet_check_solution(const struct params *params, const struct block *block,
                           struct arena *arena)
{
    static const uint8_t
        empty_solution[2]; /* no script_sig, no witness: for a challenge like OP_TRUE */
    struct bytes solution;
    uint8_t root[32];
    struct txid spent;
    struct tx tx;

    if (block_hash_equal(&block->hash, &params->genesis_hash))
        return true;
    if (!unsolved_root(root, &solution, block, arena))
        return false;
    if (solution.data == NULL)
        solution = (struct bytes){empty_solution, sizeof empty_solution};
    hash_to_spend(&spent, params, &block->header, root);
    if (!parse_to_sign(&tx, &spent, solution, arena))
        return false;

    struct tx_output prevout = {.amount_sat = 0, .script_pubkey = params->signet_challenge};
    struct script_machine *machine = script_machine_new();
    struct sighash_parts parts;
    sighash_parts_init(&parts, &tx, &prevout);
    enum script_error error = script_verify(machine, &tx, 0, &prevout, &parts, SIGNET_FLAGS);
    script_machine_free(machine);
    return error == SCRIPT_OK;
}
