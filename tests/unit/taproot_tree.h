/* taproot_tree.h - a taproot output for one leaf script. */
#ifndef TESTS_TAPROOT_TREE_H
#define TESTS_TAPROOT_TREE_H
#include "base/hash.h"
#include "build_tx.h"
#include <check.h>
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>

/* The output key that commits to script as a leaf node_count nodes below the root (each neighbour
 * is zero), under the generator's X as internal key, and the control block. */
static inline void taproot_tree(struct bytes script, uint8_t leaf_version, size_t node_count,
                                uint8_t output_key[32], struct build *control)
{
    static const uint8_t secret[32] = {[31] = 1}, zero[32];
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    secp256k1_keypair pair;
    secp256k1_xonly_pubkey internal, output;
    secp256k1_pubkey tweaked;
    struct sha256 hash;
    uint8_t node[32], key[32], size[COMPACT_SIZE_MAX];
    int parity;

    ck_assert(secp256k1_keypair_create(ctx, &pair, secret));
    ck_assert(secp256k1_keypair_xonly_pub(ctx, &internal, NULL, &pair));
    secp256k1_xonly_pubkey_serialize(ctx, key, &internal);
    build_byte(control, 0);
    build_raw(control, key, 32);
    sha256_init_tagged(&hash, "TapLeaf");
    sha256_update(&hash, &leaf_version, 1);
    sha256_update(&hash, size, compact_write(size, script.size));
    sha256_update(&hash, script.data, script.size);
    sha256_final(&hash, node);
    for (size_t i = 0; i < node_count; i++) { /* zero is the smaller one */
        sha256_init_tagged(&hash, "TapBranch");
        sha256_update(&hash, zero, 32);
        sha256_update(&hash, node, 32);
        sha256_final(&hash, node);
        build_raw(control, zero, 32);
    }
    sha256_init_tagged(&hash, "TapTweak");
    sha256_update(&hash, key, 32);
    sha256_update(&hash, node, 32);
    sha256_final(&hash, node);
    ck_assert(secp256k1_xonly_pubkey_tweak_add(ctx, &tweaked, &internal, node));
    ck_assert(secp256k1_xonly_pubkey_from_pubkey(ctx, &output, &parity, &tweaked));
    secp256k1_xonly_pubkey_serialize(ctx, output_key, &output);
    control->data[0] = (uint8_t)(leaf_version | parity);
    secp256k1_context_destroy(ctx);
}
#endif
