/* build.h - transactions, coinbases and blocks put together from their fields, and regtest proof of
 * work. For chaingen and for tests, which also build what is invalid: nothing is checked here. */
#ifndef CHAINGEN_BUILD_H
#define CHAINGEN_BUILD_H
#include "chaingen/buffer.h"
#include "codec/block.h"

#define BUILD_REGTEST_BITS 0x207fffff

/* Appends tx from its fields: version, inputs, outputs, the witnesses if has_witness, lock_time.
 * The views raw and body and the ids are not looked at. A witness is its items with their sizes. */
void build_tx(struct buffer *out, const struct tx *tx);

struct build_coinbase {
    int32_t height;     /* pushed as BIP34 wants it */
    struct bytes extra; /* pushed next, so that coinbases differ; 1 to 90 bytes */
    int64_t amount_sat; /* of the first output */
    struct bytes script_pubkey;
    bool
        has_commitment; /* an output for the witness commitment (BIP141), filled in by build_seal */
};

void build_coinbase(struct buffer *out, const struct build_coinbase *coinbase);

/* What build_seal does, in this order. */
enum {
    BUILD_COMMITMENT =
        1,            /* writes the witness commitment where the coinbase has an output for it */
    BUILD_MERKLE = 2, /* writes the merkle root */
    BUILD_NONCE = 4,  /* searches a nonce that meets the header's bits */
    BUILD_ALL = 7
};

/* Makes the serialized block consistent again after it was changed; gives its hash. False, with the
 * block unchanged, if it does not parse. */
MUST_CHECK bool build_seal(struct block_hash *hash, uint8_t *block, size_t size, unsigned what);

/* Writes a sealed block over out: header's version, prev_hash, time and bits, and count serialized
 * transactions, the coinbase first. They must parse. */
struct block_hash build_block(struct buffer *out, const struct header *header,
                              const struct bytes *txs, size_t count);
#endif
