#include "script/ecdh.h"
#include "base/arena.h"
#include "base/hash.h"

#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <stdlib.h>
#ifdef HAVE_SECP256K1_ELLSWIFT
#include <secp256k1_ellswift.h>
#endif

struct ecdh {
    secp256k1_context *context;
};

struct ecdh *ecdh_new(const uint8_t seed[32])
{
    struct ecdh *ecdh = xmalloc(sizeof *ecdh);

    ecdh->context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    bool is_blinded = secp256k1_context_randomize(ecdh->context, seed);
    assert(is_blinded);
    return ecdh;
}

void ecdh_free(struct ecdh *ecdh)
{
    if (ecdh)
        secp256k1_context_destroy(ecdh->context);
    free(ecdh);
}

static int copy_x(unsigned char *out, const unsigned char *x32, const unsigned char *y32,
                  void *data)
{
    (void)y32;
    (void)data;
    memcpy(out, x32, 32);
    return 1;
}

#ifdef HAVE_SECP256K1_ELLSWIFT
static int copy_x_of_ellswift(unsigned char *out, const unsigned char *x32,
                              const unsigned char *a64, const unsigned char *b64, void *data)
{
    (void)a64;
    (void)b64;
    return copy_x(out, x32, NULL, data);
}

bool ecdh_public(struct ecdh *ecdh, uint8_t encoding[ELLSWIFT_SIZE], const uint8_t secret[32],
                 const uint8_t entropy[32])
{
    return secp256k1_ellswift_create(ecdh->context, encoding, secret, entropy);
}

bool ecdh_shared_x(struct ecdh *ecdh, uint8_t x[32], const uint8_t theirs[ELLSWIFT_SIZE],
                   const uint8_t secret[32])
{
    static const uint8_t unused[ELLSWIFT_SIZE];

    return secp256k1_ellswift_xdh(ecdh->context, x, theirs, unused, secret, 1, copy_x_of_ellswift,
                                  NULL);
}
#else
bool ecdh_public(struct ecdh *ecdh, uint8_t encoding[ELLSWIFT_SIZE], const uint8_t secret[32],
                 const uint8_t entropy[32])
{
    secp256k1_pubkey point;
    uint8_t compressed[33];
    size_t size = sizeof compressed;

    if (!secp256k1_ec_pubkey_create(ecdh->context, &point, secret))
        return false;
    secp256k1_ec_pubkey_serialize(ecdh->context, compressed, &size, &point,
                                  SECP256K1_EC_COMPRESSED);
    ellswift_encode(encoding, compressed + 1, entropy);
    return true;
}

bool ecdh_shared_x(struct ecdh *ecdh, uint8_t x[32], const uint8_t theirs[ELLSWIFT_SIZE],
                   const uint8_t secret[32])
{
    secp256k1_pubkey point;
    uint8_t compressed[33] = {2}; /* of the two points with this x either gives the same result */

    ellswift_decode(compressed + 1, theirs);
    return secp256k1_ec_pubkey_parse(ecdh->context, &point, compressed, sizeof compressed) &&
           secp256k1_ecdh(ecdh->context, x, &point, secret, copy_x, NULL);
}
#endif

bool ecdh_shared_secret(struct ecdh *ecdh, uint8_t shared[32], const uint8_t ours[ELLSWIFT_SIZE],
                        const uint8_t theirs[ELLSWIFT_SIZE], const uint8_t secret[32],
                        bool is_initiator)
{
    uint8_t x[32];
    struct sha256 ctx;

    if (!ecdh_shared_x(ecdh, x, theirs, secret))
        return false;
    sha256_init_tagged(&ctx, "bip324_ellswift_xonly_ecdh");
    sha256_update(&ctx, is_initiator ? ours : theirs, ELLSWIFT_SIZE);
    sha256_update(&ctx, is_initiator ? theirs : ours, ELLSWIFT_SIZE);
    sha256_update(&ctx, x, sizeof x);
    sha256_final(&ctx, shared);
    return true;
}
