/* BIP324 packets of a peer that has the keys: the input is a list of packets, each a header byte, a
 * size of two bytes and that many bytes of contents. They are sealed as the peer would; we must
 * take them all. After a header byte with bit 0 one byte on the wire is changed: from there nothing
 * but a broken connection may come. */
#include "base/arena.h"
#include "base/cursor.h"
#include "net/transport.h"
#include "net/v2_cipher.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t MAGIC[4] = {0xfa, 0xbf, 0xb5, 0xda};

/* The peer's side of the handshake, without garbage; leaves us waiting for its version packet. */
static struct transport *handshake(const struct transport_env *env, struct v2_cipher *peer)
{
    uint8_t secret[32] = {1}, entropy[32] = {2}, key[ELLSWIFT_SIZE], shared[32];
    struct transport *t = transport_new(env, TRANSPORT_DETECT, entropy);
    struct transport_message message;
    bool is_agreed = ecdh_public(env->ecdh, key, secret, entropy);

    assert(is_agreed);
    struct bytes in = {key, sizeof key};
    transport_receive(t, &in, &message);
    is_agreed =
        ecdh_shared_secret(env->ecdh, shared, key, transport_handshake(t).data, secret, true);
    assert(is_agreed);
    v2_cipher_init(peer, env->aead, shared, MAGIC, true);
    in = (struct bytes){peer->send_terminator, V2_TERMINATOR_SIZE};
    transport_receive(t, &in, &message);
    return t;
}

/* What a transport makes of one packet: the last event that is not TRANSPORT_MORE, if there is one.
 */
static enum transport_event give(struct transport *t, const uint8_t *packet, size_t size)
{
    struct bytes in = {packet, size};
    enum transport_event event, last = TRANSPORT_MORE;
    struct transport_message message;

    do {
        event = transport_receive(t, &in, &message);
        if (event != TRANSPORT_MORE)
            last = event;
    } while (event != TRANSPORT_MORE && event != TRANSPORT_BROKEN);
    return last;
}

static void packets(const struct transport_env *env, struct transport *t, struct v2_cipher *peer,
                    struct cursor c)
{
    bool is_ready = false;

    while (cursor_left(&c) >= 3) {
        uint8_t header = cursor_u8(&c);
        uint16_t claimed = cursor_le16(&c);
        struct bytes contents =
            cursor_take(&c, claimed < cursor_left(&c) ? claimed : cursor_left(&c));
        size_t size = FS_LENGTH_SIZE + 1 + contents.size + AEAD_TAG_SIZE;
        uint8_t *packet = xmalloc(size);
        struct aead_key key;
        bool is_spoilt = header & 1;

        v2_cipher_send(peer, env->aead, contents.size, packet, &key);
        aead_seal(env->aead, &key, (struct bytes){NULL, 0}, (struct bytes){&header, 1}, contents,
                  packet + FS_LENGTH_SIZE);
        if (is_spoilt)
            packet[FS_LENGTH_SIZE + claimed % (size - FS_LENGTH_SIZE)] ^= 0x10;

        enum transport_event event = give(t, packet, size);

        free(packet);
        assert((event == TRANSPORT_BROKEN) == is_spoilt);
        if (is_spoilt)
            return;
        bool is_message = is_ready && !(header & V2_IGNORE_BIT) && contents.size > 0 &&
                          (contents.data[0] != 0 || contents.size >= 13);
        assert((event == TRANSPORT_MESSAGE) == is_message);
        is_ready |= !(header & V2_IGNORE_BIT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transport_env env = {{0xfa, 0xbf, 0xb5, 0xda}, NULL, NULL};
    uint8_t seed[32] = {0};
    struct v2_cipher peer;

    env.aead = aead_new();
    env.ecdh = ecdh_new(seed);
    struct transport *t = handshake(&env, &peer);

    packets(&env, t, &peer, cursor_of((struct bytes){data, size}));
    transport_free(t);
    aead_free(env.aead);
    ecdh_free(env.ecdh);
    return 0;
}
