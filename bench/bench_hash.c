/* The hash functions beside OpenSSL's ways of doing the same: the one-shot SHA256(), which must not
 * be called per message, and Init/Update/Final. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"
#include "base/muhash.h"
#include "base/random.h"
#include "slices.h"
#include <openssl/sha.h>

enum { MESSAGES = 20000, TRANSACTIONS = 50, TX_SIZE = 250, SLICES = 25 };

struct work {
    uint8_t data[MESSAGES * TX_SIZE];
    uint8_t out[MESSAGES * 32];
    size_t size; /* of a message */
};

static void one_shot(void *context)
{
    struct work *work = context;

    for (size_t i = 0; i < MESSAGES; i++) {
        uint8_t hash[32];

        SHA256(work->data + work->size * i, work->size, hash);
        SHA256(hash, sizeof hash, work->out + 32 * i);
    }
}

static void init_update_final(void *context)
{
    struct work *work = context;

    for (size_t i = 0; i < MESSAGES; i++) {
        uint8_t hash[32];
        SHA256_CTX ctx;

        SHA256_Init(&ctx);
        SHA256_Update(&ctx, work->data + work->size * i, work->size);
        SHA256_Final(hash, &ctx);
        SHA256_Init(&ctx);
        SHA256_Update(&ctx, hash, sizeof hash);
        SHA256_Final(work->out + 32 * i, &ctx);
    }
}

static void ours_any_size(void *context)
{
    struct work *work = context;

    for (size_t i = 0; i < MESSAGES; i++)
        sha256d_once(work->out + 32 * i, work->data + work->size * i, work->size);
}

/* As transactions of that size whose witness is two fifths of it. */
static void ours_transactions(struct work *work, size_t at_once)
{
    struct sha256_message messages[2 * TRANSACTIONS];
    size_t stripped = work->size * 3 / 5;
    uint8_t wtxids[TRANSACTIONS][32];

    for (size_t i = 0; i < MESSAGES; i += at_once) {
        for (size_t k = 0; k < at_once; k++) {
            const uint8_t *data = work->data + work->size * (i + k);

            messages[2 * k] = (struct sha256_message){.first = data,
                                                      .middle = {data + 6, stripped - 8},
                                                      .last = data + work->size - 4,
                                                      .out = work->out + 32 * (i + k)};
            messages[2 * k + 1] =
                (struct sha256_message){.middle = {data, work->size}, .out = wtxids[k]};
        }
        sha256d_many(messages, 2 * at_once);
    }
}

static void ours_two(void *context)
{
    ours_transactions(context, 1);
}

static void ours_many(void *context)
{
    ours_transactions(context, TRANSACTIONS);
}

static void openssl_two(void *context)
{
    struct work *work = context;
    size_t stripped = work->size * 3 / 5;

    for (size_t i = 0; i < MESSAGES; i++) {
        const uint8_t *data = work->data + work->size * i;
        struct sha256 ctx;
        uint8_t wtxid[32];

        sha256_init(&ctx);
        sha256_update(&ctx, data, 4);
        sha256_update(&ctx, data + 6, stripped - 8);
        sha256_update(&ctx, data + work->size - 4, 4);
        sha256d_final(&ctx, work->out + 32 * i);
        sha256_init(&ctx);
        sha256_update(&ctx, data, work->size);
        sha256d_final(&ctx, wtxid);
    }
}

static void ours_64_one_by_one(void *context)
{
    struct work *work = context;

    for (size_t i = 0; i < MESSAGES; i++)
        sha256d_64_many(work->out + 32 * i, work->data + 64 * i, 1);
}

static void ours_64_many(void *context)
{
    struct work *work = context;

    sha256d_64_many(work->out, work->data, MESSAGES);
}

static void ours_80(void *context)
{
    struct work *work = context;

    for (size_t i = 0; i < MESSAGES; i++)
        sha256d_80(work->out + 32 * i, work->data + 80 * i);
}

static void sip_64(void *context)
{
    struct work *work = context;
    struct siphash_key key = {1, 2};
    uint64_t sum = 0;

    for (size_t i = 0; i < MESSAGES; i++)
        sum += siphash24(key, work->data + 36 * i, 36);
    memcpy(work->out, &sum, sizeof sum);
}

static void sip_128(void *context)
{
    struct work *work = context;
    struct siphash_key key = {1, 2};

    for (size_t i = 0; i < MESSAGES; i++)
        siphash13_vout(siphash13_txid(key, work->data + 36 * i), 0,
                       (uint64_t *)(work->out + 16 * i));
}

static void hash160(void *context)
{
    struct work *work = context;

    for (size_t i = 0; i < MESSAGES; i++)
        hash160_once(work->out + 20 * i, work->data + 33 * i, 33);
}

static void muhash(void *context)
{
    struct work *work = context;
    struct muhash set;

    muhash_init(&set);
    for (size_t i = 0; i < MESSAGES / 10; i++)
        muhash_insert(&set, work->data + 70 * i, 70);
    memcpy(work->out, set.numerator, 32);
}

int main(void)
{
    static struct work work;
    struct prng prng;

    prng_init(&prng, 1);
    prng_fill(&prng, work.data, sizeof work.data);

    const struct slice_way of_64[] = {
        {"OpenSSL Init/Update/Final", init_update_final, &work, MESSAGES},
        {"OpenSSL one-shot", one_shot, &work, MESSAGES},
        {"sha256d_64_many, one each call", ours_64_one_by_one, &work, MESSAGES},
        {"sha256d_64_many", ours_64_many, &work, MESSAGES},
    };
    const struct slice_way of_80[] = {
        {"OpenSSL Init/Update/Final", init_update_final, &work, MESSAGES},
        {"OpenSSL one-shot", one_shot, &work, MESSAGES},
        {"sha256d_80", ours_80, &work, MESSAGES},
    };
    const struct slice_way of_tx[] = {
        {"OpenSSL Init/Update/Final", init_update_final, &work, MESSAGES},
        {"OpenSSL one-shot", one_shot, &work, MESSAGES},
        {"sha256d_once", ours_any_size, &work, MESSAGES},
    };
    const struct slice_way of_both[] = {
        {"OpenSSL, the second hash ours", openssl_two, &work, MESSAGES},
        {"sha256d_many, one each call", ours_two, &work, MESSAGES},
        {"sha256d_many", ours_many, &work, MESSAGES},
    };
    const struct slice_way others[] = {
        {"siphash24 of 36 bytes", sip_64, &work, MESSAGES},
        {"SipHash-1-3 of 36 bytes, 128 bits", sip_128, &work, MESSAGES},
        {"hash160 of 33 bytes", hash160, &work, MESSAGES},
        {"muhash_insert of 70 bytes", muhash, &work, MESSAGES / 10},
    };

    work.size = 64;
    slices_run("sha256d of 64 bytes", "message", of_64, ARRAY_COUNT(of_64), SLICES);
    work.size = 80;
    slices_run("sha256d of 80 bytes", "header", of_80, ARRAY_COUNT(of_80), SLICES);
    work.size = TX_SIZE;
    slices_run("sha256d of 250 bytes", "transaction", of_tx, ARRAY_COUNT(of_tx), SLICES);
    slices_run("txid and wtxid", "transaction", of_both, ARRAY_COUNT(of_both), SLICES);
    slices_run("others", "message", others, ARRAY_COUNT(others), SLICES);
    return 0;
}
