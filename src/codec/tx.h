/* tx.h - a transaction as views into the bytes it came in (BIP144). Pure; any thread.
 * A tx lives as long as both its bytes and the arena that holds its inputs and outputs. */
#ifndef CODEC_TX_H
#define CODEC_TX_H
#include "base/arena.h"
#include "base/cursor.h"
#include "codec/hash256.h"

#define SEQUENCE_FINAL UINT32_MAX

struct tx_input {
    struct outpoint prevout;
    uint32_t sequence;
    struct bytes script_sig;
    struct bytes
        witness; /* the items, each with its compact size; the count before them is witness_count */
    uint32_t witness_count;
};

struct tx_output {
    int64_t amount_sat; /* as on the wire: may be out of range or negative until the rules have
                           looked */
    struct bytes script_pubkey;
    uint32_t offset; /* of this TxOut (its amount) from the first byte of the parsed buffer: block
                        or tx */
};

struct tx {
    uint32_t version;
    uint32_t lock_time;
    uint32_t input_count, output_count;
    struct tx_input *inputs;
    struct tx_output *outputs;
    bool has_witness;       /* serialized with marker and flag */
    struct bytes raw;       /* the whole serialization */
    struct bytes body;      /* from the input count to the last output: raw less version, marker,
                               witness, lock time */
    uint32_t stripped_size; /* without witness: 4 + body + 4 */
    struct txid txid;
    struct wtxid wtxid; /* equals txid when has_witness is false */
};

/* Reads one transaction at the cursor; views go into the cursor's buffer, arrays into the arena.
 * Output offsets count from base. txid and wtxid are not computed: tx_hash does. False (and nothing
 * of tx is usable) on short input, a non-canonical compact size, the marker with only empty
 * witnesses ("superfluous witness"), unknown flag bits, or a full arena. A zero input count
 * followed by a zero byte is a transaction without inputs and outputs. */
MUST_CHECK bool tx_read(struct tx *tx, struct cursor *cursor, const uint8_t *base,
                        struct arena *arena);

/* The same of a whole buffer: nothing may follow. Hashes are computed. */
MUST_CHECK bool tx_parse(struct tx *tx, struct bytes data, struct arena *arena);

/* Fills txid and wtxid; of many transactions at once it is cheaper. */
void tx_hash(struct tx *tx);
void txs_hash(struct tx *txs, size_t count);

static inline uint32_t tx_weight(const struct tx *tx)
{
    return tx->stripped_size * 3 + (uint32_t)tx->raw.size;
}

/* Writes the stripped serialization to out, which has room for stripped_size bytes. */
void tx_write_stripped(uint8_t *out, const struct tx *tx);

/* Walks the witness items of an input: cursor_of(input->witness), then witness_count calls. The
 * bytes were checked by tx_read, so this cannot fail on a parsed input. */
struct bytes witness_next(struct cursor *cursor);

/* Null prevout as the one and only input. */
static inline bool tx_is_coinbase(const struct tx *tx)
{
    return tx->input_count == 1 && outpoint_is_null(&tx->inputs[0].prevout);
}
#endif
