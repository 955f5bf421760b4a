/* Bytes from the network as they are. The first byte says which side we are, the second how the
 * bytes are cut into pieces; however that is, the same messages must come out. */
#include "base/arena.h"
#include "base/hash.h"
#include "net/transport.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void absorb(struct sha256 *digest, enum transport_event event,
                   const struct transport_message *message)
{
    uint8_t head[2] = {(uint8_t)event, (uint8_t)message->type};

    sha256_update(digest, head, sizeof head);
    if (event == TRANSPORT_MESSAGE || event == TRANSPORT_LARGE_DONE)
        sha256_update(digest, message->payload.data, message->payload.size);
}

static void run(const struct transport_env *env, enum transport_kind kind, struct bytes data,
                size_t step, uint8_t result[32])
{
    static const uint8_t seed[32] = {1};
    struct transport *t = transport_new(env, kind, seed);
    struct sha256 digest;
    enum transport_event event = TRANSPORT_MORE;

    sha256_init(&digest);
    while (data.size && event != TRANSPORT_BROKEN) {
        struct bytes piece = bytes_sub(data, 0, step);
        struct transport_message message;

        data = bytes_sub(data, piece.size, data.size);
        do {
            event = transport_receive(t, &piece, &message);
            if (event == TRANSPORT_BROKEN)
                message = (struct transport_message){MESSAGE_UNKNOWN, {NULL, 0}};
            if (event != TRANSPORT_MORE)
                absorb(&digest, event, &message);
        } while (event != TRANSPORT_MORE && event != TRANSPORT_BROKEN);
        assert(event == TRANSPORT_BROKEN || piece.size == 0);
        transport_trim(t);
    }
    sha256_final(&digest, result);
    transport_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transport_env env = {{0xfa, 0xbf, 0xb5, 0xda}, NULL, NULL};
    uint8_t seed[32] = {0}, whole[32], pieces[32];

    if (size < 2)
        return 0;
    env.aead = aead_new();
    env.ecdh = ecdh_new(seed);
    struct bytes rest = {data + 2, size - 2};
    enum transport_kind kind = (enum transport_kind)(data[0] % 3);

    run(&env, kind, rest, size, whole);
    run(&env, kind, rest, 1u + data[1], pieces);
    assert(memcmp(whole, pieces, 32) == 0);
    aead_free(env.aead);
    ecdh_free(env.ecdh);
    return 0;
}
