/* OpenSSL calls the low-level functions deprecated. They are used here, and only here, because the
 * EVP ones cost several times as much a short message, and RIPEMD160 by EVP needs the legacy
 * provider. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"
#include "base/sha256_ni.h"
#include <openssl/evp.h>
#include <openssl/ripemd.h>
#include <openssl/sha.h>

_Static_assert(sizeof(struct sha256) == sizeof(SHA256_CTX), "struct sha256 is a SHA256_CTX");

static SHA256_CTX *openssl(struct sha256 *ctx)
{
    return (SHA256_CTX *)ctx;
}

void sha256_init(struct sha256 *ctx)
{
    SHA256_Init(openssl(ctx));
}

void sha256_update(struct sha256 *ctx, const void *data, size_t size)
{
    SHA256_Update(openssl(ctx), data, size);
}

void sha256_final(struct sha256 *ctx, uint8_t out[32])
{
    SHA256_Final(out, openssl(ctx));
}

void sha256_once(uint8_t out[32], const void *data, size_t size)
{
    struct sha256 ctx;

    if (sha256_ni_available()) {
        sha256_ni(out, (struct bytes){data, size}, false);
        return;
    }
    sha256_init(&ctx);
    sha256_update(&ctx, data, size);
    sha256_final(&ctx, out);
}

static void sha256_of_32(uint8_t out[32], const uint8_t data[32])
{
    if (sha256_ni_available())
        sha256_ni_32(out, data);
    else
        sha256_once(out, data, 32);
}

void sha256d_final(struct sha256 *ctx, uint8_t out[32])
{
    sha256_final(ctx, out);
    sha256_of_32(out, out);
}

void sha256d_once(uint8_t out[32], const void *data, size_t size)
{
    if (sha256_ni_available()) {
        sha256_ni(out, (struct bytes){data, size}, true);
        return;
    }
    sha256_once(out, data, size);
    sha256_once(out, out, 32);
}

void sha256d_many(const struct sha256_message *messages, size_t count)
{
    if (sha256_ni_available()) {
        sha256d_ni_many(messages, count);
        return;
    }
    for (const struct sha256_message *m = messages; m < messages + count; m++) {
        struct sha256 ctx;

        sha256_init(&ctx);
        if (m->first)
            sha256_update(&ctx, m->first, 4);
        sha256_update(&ctx, m->middle.data, m->middle.size);
        if (m->first)
            sha256_update(&ctx, m->last, 4);
        sha256d_final(&ctx, m->out);
    }
}

void sha256d_64_many(uint8_t *out, const uint8_t *data, size_t count)
{
    if (sha256_ni_available()) {
        sha256d_ni_64_many(out, data, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sha256d_once(out + 32 * i, data + 64 * i, 64);
}

void sha256d_80(uint8_t out[32], const uint8_t data[80])
{
    if (sha256_ni_available())
        sha256d_ni_80(out, data);
    else
        sha256d_once(out, data, 80);
}

void sha256_init_tagged(struct sha256 *ctx, const char *tag)
{
    uint8_t hash[32];

    sha256_once(hash, tag, strlen(tag));
    sha256_init(ctx);
    sha256_update(ctx, hash, sizeof hash);
    sha256_update(ctx, hash, sizeof hash);
}

void ripemd160_once(uint8_t out[20], const void *data, size_t size)
{
    RIPEMD160_CTX ctx;

    RIPEMD160_Init(&ctx);
    RIPEMD160_Update(&ctx, data, size);
    RIPEMD160_Final(out, &ctx);
}

void sha1_once(uint8_t out[20], const void *data, size_t size)
{
    SHA_CTX ctx;

    SHA1_Init(&ctx);
    SHA1_Update(&ctx, data, size);
    SHA1_Final(out, &ctx);
}

void sha3_256_once(uint8_t out[32], const void *data, size_t size)
{
    int is_done = EVP_Digest(data, size, out, NULL, EVP_sha3_256(), NULL);

    assert(is_done == 1);
}

void hash160_once(uint8_t out[20], const void *data, size_t size)
{
    uint8_t hash[32];

    sha256_once(hash, data, size);
    ripemd160_once(out, hash, sizeof hash);
}
