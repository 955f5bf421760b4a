/* transport.h - one connection's bytes <-> messages: v1 frames, or BIP324's encrypted packets. A
 * pure state machine: no clock, no socket; randomness comes in as a seed. The net thread makes all
 * calls except transport_check_run and transport_seal_run, which any thread may make.
 *
 *     DETECT --first bytes are v1's--> V1: (header, payload)*
 *        | else
 *       KEY --64 bytes--> GARBAGE --terminator--> V2: (length, packet)*   first packet not a decoy:
 * version
 *
 * A message over TRANSPORT_LARGE_MIN is announced when its head is there, so that the caller may
 * say where the payload goes and have the socket read straight into that place, and judged by the
 * caller (transport_check_run) when it is complete, so that a worker can do the work. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H
#include "base/cipher.h"
#include "codec/message_type.h"
#include "script/ecdh.h"

#define TRANSPORT_LARGE_MIN      65536 /* payloads over it are large */
#define TRANSPORT_V1_HEADER_SIZE 24
#define TRANSPORT_GARBAGE_MAX    4095
#define TRANSPORT_FRAME_EXTRA                                                                      \
    33 /* v2 with a long type: 3 length, 1 header, 13 type, 16 tag; v1 needs 24 */

struct transport;

/* What the connections of a thread share. */
struct transport_env {
    uint8_t magic[4];
    struct aead *aead; /* NULL: v1 only */
    struct ecdh *ecdh;
};

enum transport_kind {
    TRANSPORT_V1,     /* either side */
    TRANSPORT_V2,     /* the side that opens: asks for v2 */
    TRANSPORT_DETECT, /* the side that was called: v1 or v2, as the first bytes tell */
};

/* env is kept. seed: 32 unpredictable bytes, used by v2. */
struct transport *transport_new(const struct transport_env *env, enum transport_kind kind,
                                const uint8_t seed[32]);
void transport_free(struct transport *transport);

enum transport_event {
    TRANSPORT_MORE,       /* all input is taken and no message is complete */
    TRANSPORT_MESSAGE,    /* a message, its checksum or tag found right */
    TRANSPORT_LARGE,      /* the head of a large message: transport_place may be called now */
    TRANSPORT_LARGE_DONE, /* all of it is there: transport_check tells how to judge it */
    TRANSPORT_BROKEN,     /* the connection is to be closed: transport_error says why */
};

struct transport_message {
    enum message_type type;
    struct bytes
        payload; /* data is NULL with TRANSPORT_LARGE; valid until the next transport_receive */
};

/* Takes bytes off the front of in until there is something to tell; call it again until
 * TRANSPORT_MORE. v1 messages with a wrong checksum and decoys are passed over, as are packets
 * without a proper type. */
enum transport_event transport_receive(struct transport *transport, struct bytes *in,
                                       struct transport_message *message);

/* After TRANSPORT_LARGE: the payload goes to place, which has room for all of it. Without this call
 * it goes to memory of the transport, which grows no faster than bytes arrive. */
void transport_place(struct transport *transport, uint8_t *place);

/* While the payload of a placed message is awaited: where the next bytes go and how many fit; size
 * 0 otherwise. transport_filled says how many the socket wrote there; then call transport_receive
 * (perhaps with no bytes), which tells when the message is done. */
uint8_t *transport_room(struct transport *transport, size_t *size);
void transport_filled(struct transport *transport, size_t size);

/* How to judge a large message. Self-contained: the connection may go on meanwhile if the payload
 * lies in the caller's place. */
struct transport_check {
    bool is_v2;
    uint8_t checksum[4];
    uint8_t head[14], head_size; /* the packet's bytes before the payload */
    uint8_t tag[AEAD_TAG_SIZE];
    struct aead_key key;
    uint8_t *payload;
    size_t payload_size;
};

enum transport_verdict {
    TRANSPORT_GOOD,
    TRANSPORT_DROP,  /* v1: as if the message had not come */
    TRANSPORT_CLOSE, /* v2: the connection is broken */
};

void transport_check(const struct transport *transport, struct transport_check *check);
/* After TRANSPORT_LARGE_DONE of a payload that was not placed: its memory is the caller's to free.
 */
uint8_t *transport_take(struct transport *transport);
/* After TRANSPORT_MESSAGE: the checksum that came with it; NULL with v2. */
const uint8_t *transport_checksum(const struct transport *transport);
/* Decrypts the payload in place (v2). aead: the calling thread's. */
enum transport_verdict transport_check_run(const struct transport_check *check, struct aead *aead);

/* Frees memory that no unfinished message needs; the last message's payload goes with it. */
void transport_trim(struct transport *transport);

/* Why it is TRANSPORT_BROKEN. */
const char *transport_error(const struct transport *transport);

/* The handshake's bytes that are to be sent before any message; empty when there are none. They are
 * the transport's until transport_pop_handshake. */
struct bytes transport_handshake(const struct transport *transport);
void transport_pop_handshake(struct transport *transport);

/* Whether messages can be framed: v2 needs the other side's key first. */
bool transport_can_send(const struct transport *transport);

/* What is known so far: "v1", "v2" or "detecting". */
const char *transport_name(const struct transport *transport);
/* v2: 32 bytes that both sides can compare; NULL before the keys are exchanged, and with v1. */
const uint8_t *transport_session_id(const struct transport *transport);

/* Asked when the other side has closed: it may know only v1, so call again with TRANSPORT_V1. */
bool transport_wants_v1(const struct transport *transport, uint64_t bytes_sent);

/* The size of a message on the wire. */
size_t transport_frame_size(const struct transport *transport, enum message_type type,
                            size_t payload_size);
/* Writes a whole message to out: transport_frame_size bytes. Messages must go out in the order of
 * the calls that frame them (and of transport_seal). */
void transport_frame(struct transport *transport, enum message_type type, struct bytes payload,
                     uint8_t *out);

/* The same in two steps, for large messages: transport_seal fixes the place in the order; the rest
 * can be done on another thread. */
struct transport_seal {
    bool is_v2;
    uint8_t head[TRANSPORT_V1_HEADER_SIZE],
        head_size; /* v1: the header, checksum missing; v2: plain type */
    uint8_t length[FS_LENGTH_SIZE];
    struct aead_key key;
};

void transport_seal(struct transport *transport, enum message_type type, size_t payload_size,
                    struct transport_seal *seal);
/* Writes what goes out to out: v2 all of the frame; v1 only the header, as the payload goes out as
 * it is. checksum: v1's if it is known, else NULL. Returns how many bytes. */
size_t transport_seal_run(const struct transport_seal *seal, struct aead *aead,
                          struct bytes payload, const uint8_t *checksum, uint8_t *out);
#endif
