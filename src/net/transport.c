#include "net/transport.h"
#include "base/arena.h"
#include "base/hash.h"
#include "net/v2_cipher.h"

#include <stdlib.h>

#define V1_PREFIX_SIZE  16 /* magic and the command of a version message */
#define V2_TYPE_LONG    13 /* a zero byte and a command */
#define V2_HEAD_SIZE    (1 + V2_TYPE_LONG)
#define V2_CONTENTS_MAX (V2_TYPE_LONG + MESSAGE_SIZE_MAX)
#define V2_PACKET_EXTRA (1 + AEAD_TAG_SIZE) /* around the contents, the length not counted */
#define RESERVE_AHEAD   ((size_t)256 << 10) /* memory held for bytes that have not come yet */

enum stage {
    STAGE_DETECT,
    STAGE_KEY,
    STAGE_GARBAGE,
    STAGE_V1_HEADER,
    STAGE_V1_PAYLOAD,
    STAGE_V2_LENGTH,
    STAGE_V2_HEAD,   /* of a packet that seems large */
    STAGE_V2_PACKET, /* whole, as it is small, a decoy or of the handshake */
    STAGE_LARGE_BODY,
    STAGE_LARGE_TAG,
    STAGE_BROKEN,
};

struct transport {
    const struct transport_env *env;
    enum stage stage;
    bool is_initiator;
    bool is_v1; /* as chosen or detected */
    bool has_received;
    bool is_ready; /* v2: the version packet was seen */
    const char *error;

    uint8_t head[ELLSWIFT_SIZE]; /* of the unit that is arriving */
    size_t head_size;
    uint8_t *buffer; /* the rest of it, where the caller gives no place */
    size_t filled, capacity;
    size_t contents_size; /* v2, of this packet */
    enum message_type type;
    size_t payload_size;
    uint8_t *place; /* the caller's */
    size_t placed;
    uint8_t carry_size; /* v2: bytes of the payload that came with a long head */
    struct transport_check check;

    struct v2_cipher *cipher; /* from the key exchange on */
    uint8_t seed[32], secret[32], our_key[ELLSWIFT_SIZE];
    uint8_t *garbage, *aad; /* sent; received */
    size_t garbage_size, aad_size;
    uint8_t *out; /* handshake to be sent */
    size_t out_size;
};

static void v1_prefix(const struct transport *t, uint8_t prefix[V1_PREFIX_SIZE])
{
    memcpy(prefix, t->env->magic, 4);
    message_type_command(MESSAGE_VERSION, prefix + 4);
}

static void out_append(struct transport *t, const void *data, size_t size)
{
    t->out = xrealloc(t->out, t->out_size + size);
    memcpy(t->out + t->out_size, data, size);
    t->out_size += size;
}

/* 32 bytes of the seed for one purpose. */
static void seed_derive(const struct transport *t, uint8_t purpose, uint8_t counter,
                        uint8_t out[32])
{
    uint8_t text[34];

    memcpy(text, t->seed, 32);
    text[32] = purpose;
    text[33] = counter;
    sha256_once(out, text, sizeof text);
    cipher_wipe(text, sizeof text);
}

static void v2_start(struct transport *t)
{
    uint8_t entropy[32], counter = 0;
    struct aead_key key = {.nonce = {0}};

    seed_derive(t, 'e', 0, entropy);
    do
        seed_derive(t, 's', counter++, t->secret);
    while (!ecdh_public(t->env->ecdh, t->our_key, t->secret, entropy));

    seed_derive(t, 'l', 0, entropy);
    t->garbage_size = le16_read(entropy) % (TRANSPORT_GARBAGE_MAX + 1);
    t->garbage = xcalloc(t->garbage_size + AEAD_TAG_SIZE, 1);
    seed_derive(t, 'g', 0, key.key);
    aead_seal(t->env->aead, &key, (struct bytes){NULL, 0}, (struct bytes){NULL, 0},
              (struct bytes){t->garbage, t->garbage_size}, t->garbage);
    cipher_wipe(t->seed, sizeof t->seed);
    out_append(t, t->our_key, ELLSWIFT_SIZE);
    out_append(t, t->garbage, t->garbage_size);
    t->stage = STAGE_KEY;
}

struct transport *transport_new(const struct transport_env *env, enum transport_kind kind,
                                const uint8_t seed[32])
{
    struct transport *t = xcalloc(1, sizeof *t);

    t->env = env;
    t->is_initiator = kind == TRANSPORT_V2;
    t->is_v1 = kind == TRANSPORT_V1 || !env->aead;
    t->stage = t->is_v1 ? STAGE_V1_HEADER : STAGE_DETECT;
    memcpy(t->seed, seed, sizeof t->seed);
    if (kind == TRANSPORT_V2 && !t->is_v1)
        v2_start(t);
    return t;
}

void transport_free(struct transport *t)
{
    if (!t)
        return;
    free(t->buffer);
    free(t->garbage);
    free(t->aad);
    free(t->out);
    if (t->cipher)
        cipher_wipe(t->cipher, sizeof *t->cipher);
    free(t->cipher);
    cipher_wipe(t, sizeof *t);
    free(t);
}

static enum transport_event broken(struct transport *t, const char *error)
{
    t->stage = STAGE_BROKEN;
    t->error = error;
    return TRANSPORT_BROKEN;
}

static struct bytes take(struct bytes *in, size_t size)
{
    struct bytes taken = bytes_sub(*in, 0, size);

    *in = bytes_sub(*in, taken.size, in->size);
    return taken;
}

/* Fills head up to size bytes; false while some are missing. */
static bool head_fill(struct transport *t, struct bytes *in, size_t size)
{
    struct bytes taken = take(in, size - t->head_size);

    if (taken.size)
        memcpy(t->head + t->head_size, taken.data, taken.size);
    t->head_size += taken.size;
    return t->head_size == size;
}

/* Fills buffer up to size bytes; false while some are missing. */
static bool buffer_fill(struct transport *t, struct bytes *in, size_t size)
{
    struct bytes taken = take(in, size - t->filled);
    size_t end = t->filled + taken.size;

    if (end > t->capacity) {
        t->capacity = size < end + RESERVE_AHEAD ? size : end + RESERVE_AHEAD;
        t->buffer = xrealloc(t->buffer, t->capacity);
    }
    if (taken.size)
        memcpy(t->buffer + t->filled, taken.data, taken.size);
    t->filled = end;
    return t->filled == size;
}

static void next_unit(struct transport *t, enum stage stage)
{
    t->stage = stage;
    t->head_size = 0;
    t->filled = 0;
}

static enum transport_event step_detect(struct transport *t, struct bytes *in)
{
    uint8_t prefix[V1_PREFIX_SIZE];
    bool is_whole = head_fill(t, in, V1_PREFIX_SIZE);

    v1_prefix(t, prefix);
    if (memcmp(t->head, prefix, t->head_size) != 0) {
        v2_start(t); /* what came is the start of a key */
    } else if (is_whole) {
        t->is_v1 = true;
        t->stage = STAGE_V1_HEADER;
    }
    return TRANSPORT_MORE;
}

/* Both keys are known: makes the ciphers and says the rest of our handshake. */
static bool v2_agree(struct transport *t)
{
    uint8_t shared[32], rest[V2_TERMINATOR_SIZE + FS_LENGTH_SIZE + V2_PACKET_EXTRA], header = 0;
    struct aead_key key;

    if (!ecdh_shared_secret(t->env->ecdh, shared, t->our_key, t->head, t->secret, t->is_initiator))
        return false;
    t->cipher = xmalloc(sizeof *t->cipher);
    v2_cipher_init(t->cipher, t->env->aead, shared, t->env->magic, t->is_initiator);
    cipher_wipe(shared, sizeof shared);
    cipher_wipe(t->secret, sizeof t->secret);

    memcpy(rest, t->cipher->send_terminator, V2_TERMINATOR_SIZE);
    v2_cipher_send(t->cipher, t->env->aead, 0, rest + V2_TERMINATOR_SIZE, &key);
    aead_seal(t->env->aead, &key, (struct bytes){t->garbage, t->garbage_size},
              (struct bytes){&header, 1}, (struct bytes){NULL, 0},
              rest + V2_TERMINATOR_SIZE + FS_LENGTH_SIZE);
    out_append(t, rest, sizeof rest);
    free(t->garbage);
    t->garbage = NULL;
    return true;
}

static enum transport_event step_key(struct transport *t, struct bytes *in)
{
    uint8_t prefix[V1_PREFIX_SIZE];
    bool is_whole = head_fill(t, in, ELLSWIFT_SIZE);

    v1_prefix(t, prefix);
    if (!t->is_initiator && t->head_size >= V1_PREFIX_SIZE &&
        memcmp(t->head + 4, prefix + 4, V1_PREFIX_SIZE - 4) == 0)
        return broken(t, "v1 peer of another network");
    if (!is_whole)
        return TRANSPORT_MORE;
    if (!v2_agree(t))
        return broken(t, "no shared secret");
    next_unit(t, STAGE_GARBAGE);
    return TRANSPORT_MORE;
}

static enum transport_event step_garbage(struct transport *t, struct bytes *in)
{
    size_t before = t->filled,
           from = before < V2_TERMINATOR_SIZE ? 0 : before - (V2_TERMINATOR_SIZE - 1);
    struct bytes all = *in;
    bool is_full = buffer_fill(t, in, TRANSPORT_GARBAGE_MAX + V2_TERMINATOR_SIZE);
    uint8_t *found = NULL;

    if (t->filled >= V2_TERMINATOR_SIZE)
        found = memmem(t->buffer + from, t->filled - from, t->cipher->receive_terminator,
                       V2_TERMINATOR_SIZE);
    if (!found)
        return is_full ? broken(t, "no garbage terminator") : TRANSPORT_MORE;
    t->aad_size = (size_t)(found - t->buffer);
    *in = bytes_sub(all, t->aad_size + V2_TERMINATOR_SIZE - before,
                    all.size); /* the rest is packets */
    t->aad = t->buffer;
    t->buffer = NULL;
    t->capacity = 0;
    next_unit(t, STAGE_V2_LENGTH);
    return TRANSPORT_MORE;
}

static enum transport_event announce_large(struct transport *t, struct transport_message *message)
{
    t->stage = STAGE_LARGE_BODY;
    t->place = NULL;
    t->placed = 0;
    t->filled = 0;
    t->check.payload_size = t->payload_size;
    *message = (struct transport_message){t->type, {NULL, t->payload_size}};
    return TRANSPORT_LARGE;
}

static enum transport_event step_v1_header(struct transport *t, struct bytes *in,
                                           struct transport_message *message)
{
    if (!head_fill(t, in, TRANSPORT_V1_HEADER_SIZE))
        return TRANSPORT_MORE;
    if (memcmp(t->head, t->env->magic, 4) != 0)
        return broken(t, "wrong magic");
    t->type = message_type_of_command(t->head + 4);
    t->payload_size = le32_read(t->head + 16);
    memcpy(t->check.checksum, t->head + 20, 4);
    if (t->payload_size > MESSAGE_SIZE_MAX)
        return broken(t, "message too large");
    next_unit(t, STAGE_V1_PAYLOAD);
    if (t->payload_size <= TRANSPORT_LARGE_MIN)
        return TRANSPORT_MORE;
    t->check.is_v2 = false;
    t->carry_size = 0;
    return announce_large(t, message);
}

static enum transport_event step_v1_payload(struct transport *t, struct bytes *in,
                                            struct transport_message *message)
{
    struct bytes payload;
    uint8_t digest[32];

    if (t->filled == 0 && in->size >= t->payload_size) {
        payload = take(in, t->payload_size); /* whole in the caller's buffer: no copy */
    } else {
        if (!buffer_fill(t, in, t->payload_size))
            return TRANSPORT_MORE;
        payload = (struct bytes){t->buffer, t->filled};
    }
    next_unit(t, STAGE_V1_HEADER);
    sha256d_once(digest, payload.data, payload.size);
    if (memcmp(digest, t->check.checksum, 4) != 0)
        return TRANSPORT_MORE;
    *message = (struct transport_message){t->type, payload};
    return TRANSPORT_MESSAGE;
}

static enum transport_event step_v2_length(struct transport *t, struct bytes *in)
{
    if (!head_fill(t, in, FS_LENGTH_SIZE))
        return TRANSPORT_MORE;
    t->contents_size = v2_cipher_receive(t->cipher, t->env->aead, t->head, &t->check.key);
    if (t->contents_size > V2_CONTENTS_MAX)
        return broken(t, "packet too large");
    next_unit(t, t->is_ready && t->contents_size > TRANSPORT_LARGE_MIN + V2_TYPE_LONG
                     ? STAGE_V2_HEAD
                     : STAGE_V2_PACKET);
    return TRANSPORT_MORE;
}

/* Splits a packet's contents into type and payload: the size of the type, 0 when it is cut short.
 */
static size_t type_parse(struct bytes contents, enum message_type *type)
{
    if (contents.size == 0 || (contents.data[0] == 0 && contents.size < V2_TYPE_LONG))
        return 0;
    if (contents.data[0] == 0) {
        *type = message_type_of_command(contents.data + 1);
        return V2_TYPE_LONG;
    }
    *type = message_type_of_id(contents.data[0]);
    return 1;
}

static enum transport_event step_v2_head(struct transport *t, struct bytes *in,
                                         struct transport_message *message)
{
    uint8_t plain[V2_HEAD_SIZE];

    if (!head_fill(t, in, V2_HEAD_SIZE))
        return TRANSPORT_MORE;
    aead_peek(t->env->aead, &t->check.key, t->head, V2_HEAD_SIZE, plain);
    if (plain[0] & V2_IGNORE_BIT) {
        struct bytes head = {t->head, V2_HEAD_SIZE};

        next_unit(t, STAGE_V2_PACKET);
        buffer_fill(t, &head, V2_HEAD_SIZE);
        return TRANSPORT_MORE;
    }

    size_t type_size = type_parse((struct bytes){plain + 1, V2_TYPE_LONG}, &t->type);

    t->payload_size = t->contents_size - type_size;
    t->carry_size = (uint8_t)(V2_TYPE_LONG - type_size);
    t->check.is_v2 = true;
    t->check.head_size = (uint8_t)(1 + type_size);
    memcpy(t->check.head, t->head, V2_HEAD_SIZE);
    next_unit(t, STAGE_LARGE_BODY);
    return announce_large(t, message);
}

static enum transport_event step_v2_packet(struct transport *t, struct bytes *in,
                                           struct transport_message *message)
{
    size_t plain_size = 1 + t->contents_size;

    if (!buffer_fill(t, in, plain_size + AEAD_TAG_SIZE))
        return TRANSPORT_MORE;
    if (!aead_open(t->env->aead, &t->check.key, (struct bytes){t->aad, t->aad_size}, NULL, 0,
                   t->buffer, plain_size, t->buffer + plain_size))
        return broken(t, "packet not authentic");
    free(t->aad);
    t->aad = NULL;
    t->aad_size = 0;
    next_unit(t, STAGE_V2_LENGTH);
    if (t->buffer[0] & V2_IGNORE_BIT)
        return TRANSPORT_MORE;
    if (!t->is_ready) {
        t->is_ready = true; /* the contents are for versions to come */
        return TRANSPORT_MORE;
    }

    struct bytes contents = {t->buffer + 1, t->contents_size};
    size_t type_size = type_parse(contents, &message->type);

    if (type_size == 0)
        return TRANSPORT_MORE;
    message->payload = bytes_sub(contents, type_size, contents.size);
    return TRANSPORT_MESSAGE;
}

/* Puts payload bytes where they belong; true when all are there. */
static bool body_fill(struct transport *t, struct bytes *in)
{
    if (!t->place)
        return buffer_fill(t, in, t->payload_size);

    struct bytes taken = take(in, t->payload_size - t->placed);

    if (taken.size)
        memcpy(t->place + t->placed, taken.data, taken.size);
    t->placed += taken.size;
    return t->placed == t->payload_size;
}

static void carry_put(struct transport *t)
{
    struct bytes carry = {t->check.head + t->check.head_size, t->carry_size};

    if (t->carry_size)
        body_fill(t, &carry);
    t->carry_size = 0;
}

static enum transport_event large_done(struct transport *t, struct transport_message *message)
{
    t->check.payload = t->place ? t->place : t->buffer;
    *message = (struct transport_message){t->type, {t->check.payload, t->payload_size}};
    next_unit(t, t->check.is_v2 ? STAGE_V2_LENGTH : STAGE_V1_HEADER);
    t->place = NULL;
    return TRANSPORT_LARGE_DONE;
}

static enum transport_event step_large_body(struct transport *t, struct bytes *in,
                                            struct transport_message *message)
{
    carry_put(t);
    if (!body_fill(t, in))
        return TRANSPORT_MORE;
    if (!t->check.is_v2)
        return large_done(t, message);
    t->stage = STAGE_LARGE_TAG;
    t->head_size = 0;
    return TRANSPORT_MORE;
}

static enum transport_event step_large_tag(struct transport *t, struct bytes *in,
                                           struct transport_message *message)
{
    if (!head_fill(t, in, AEAD_TAG_SIZE))
        return TRANSPORT_MORE;
    memcpy(t->check.tag, t->head, AEAD_TAG_SIZE);
    return large_done(t, message);
}

static enum transport_event step(struct transport *t, struct bytes *in,
                                 struct transport_message *message)
{
    switch (t->stage) {
    case STAGE_DETECT:
        return step_detect(t, in);
    case STAGE_KEY:
        return step_key(t, in);
    case STAGE_GARBAGE:
        return step_garbage(t, in);
    case STAGE_V1_HEADER:
        return step_v1_header(t, in, message);
    case STAGE_V1_PAYLOAD:
        return step_v1_payload(t, in, message);
    case STAGE_V2_LENGTH:
        return step_v2_length(t, in);
    case STAGE_V2_HEAD:
        return step_v2_head(t, in, message);
    case STAGE_V2_PACKET:
        return step_v2_packet(t, in, message);
    case STAGE_LARGE_BODY:
        return step_large_body(t, in, message);
    case STAGE_LARGE_TAG:
        return step_large_tag(t, in, message);
    case STAGE_BROKEN:
        break;
    }
    return TRANSPORT_BROKEN;
}

enum transport_event transport_receive(struct transport *t, struct bytes *in,
                                       struct transport_message *message)
{
    enum transport_event event;
    enum stage before;

    t->has_received |= in->size > 0;
    do { /* a stage that stays as it is has taken all of in */
        before = t->stage;
        event = step(t, in, message);
    } while (event == TRANSPORT_MORE && (in->size || t->stage != before));
    return event;
}

void transport_place(struct transport *t, uint8_t *place)
{
    assert(t->stage == STAGE_LARGE_BODY && t->filled == 0);
    t->place = place;
    carry_put(t);
}

uint8_t *transport_room(struct transport *t, size_t *size)
{
    *size = t->stage == STAGE_LARGE_BODY && t->place ? t->payload_size - t->placed : 0;
    return *size ? t->place + t->placed : NULL;
}

void transport_filled(struct transport *t, size_t size)
{
    assert(t->stage == STAGE_LARGE_BODY && t->place && size <= t->payload_size - t->placed);
    t->placed += size;
}

void transport_check(const struct transport *t, struct transport_check *check)
{
    *check = t->check;
}

uint8_t *transport_take(struct transport *t)
{
    uint8_t *memory = t->buffer;

    t->buffer = NULL;
    t->capacity = 0;
    return memory;
}

const uint8_t *transport_checksum(const struct transport *t)
{
    return t->is_v1 ? t->check.checksum : NULL;
}

enum transport_verdict transport_check_run(const struct transport_check *check, struct aead *aead)
{
    uint8_t digest[32], head[V2_HEAD_SIZE];

    if (!check->is_v2) {
        sha256d_once(digest, check->payload, check->payload_size);
        return memcmp(digest, check->checksum, 4) == 0 ? TRANSPORT_GOOD : TRANSPORT_DROP;
    }
    memcpy(head, check->head, sizeof head);
    return aead_open(aead, &check->key, (struct bytes){NULL, 0}, head, check->head_size,
                     check->payload, check->payload_size, check->tag)
               ? TRANSPORT_GOOD
               : TRANSPORT_CLOSE;
}

void transport_trim(struct transport *t)
{
    if (t->filled)
        return;
    free(t->buffer);
    t->buffer = NULL;
    t->capacity = 0;
}

const char *transport_error(const struct transport *t)
{
    return t->error ? t->error : "";
}

struct bytes transport_handshake(const struct transport *t)
{
    return (struct bytes){t->out, t->out_size};
}

void transport_pop_handshake(struct transport *t)
{
    free(t->out);
    t->out = NULL;
    t->out_size = 0;
}

bool transport_can_send(const struct transport *t)
{
    return t->cipher || t->is_v1;
}

const char *transport_name(const struct transport *t)
{
    return t->is_v1 ? "v1" : t->stage == STAGE_DETECT ? "detecting" : "v2";
}

const uint8_t *transport_session_id(const struct transport *t)
{
    return t->cipher ? t->cipher->session_id : NULL;
}

bool transport_wants_v1(const struct transport *t, uint64_t bytes_sent)
{
    return t->is_initiator && !t->has_received && bytes_sent >= TRANSPORT_V1_HEADER_SIZE;
}

size_t transport_frame_size(const struct transport *t, enum message_type type, size_t payload_size)
{
    if (!t->cipher)
        return TRANSPORT_V1_HEADER_SIZE + payload_size;
    return FS_LENGTH_SIZE + V2_PACKET_EXTRA + (message_type_id(type) ? 1 : V2_TYPE_LONG) +
           payload_size;
}

void transport_seal(struct transport *t, enum message_type type, size_t payload_size,
                    struct transport_seal *seal)
{
    assert(transport_can_send(t) && payload_size <= MESSAGE_SIZE_MAX);
    seal->is_v2 = t->cipher != NULL;
    if (!seal->is_v2) {
        memcpy(seal->head, t->env->magic, 4);
        message_type_command(type, seal->head + 4);
        le32_write(seal->head + 16, (uint32_t)payload_size);
        seal->head_size = TRANSPORT_V1_HEADER_SIZE;
        return;
    }
    seal->head[0] = 0;
    seal->head[1] = message_type_id(type);
    seal->head_size = seal->head[1] ? 2 : V2_HEAD_SIZE;
    if (!seal->head[1])
        message_type_command(type, seal->head + 2);
    v2_cipher_send(t->cipher, t->env->aead, seal->head_size - 1 + payload_size, seal->length,
                   &seal->key);
}

size_t transport_seal_run(const struct transport_seal *seal, struct aead *aead,
                          struct bytes payload, const uint8_t *checksum, uint8_t *out)
{
    uint8_t digest[32];

    if (seal->is_v2) {
        memcpy(out, seal->length, FS_LENGTH_SIZE);
        aead_seal(aead, &seal->key, (struct bytes){NULL, 0},
                  (struct bytes){seal->head, seal->head_size}, payload, out + FS_LENGTH_SIZE);
        return FS_LENGTH_SIZE + seal->head_size + payload.size + AEAD_TAG_SIZE;
    }
    memcpy(out, seal->head, TRANSPORT_V1_HEADER_SIZE - 4);
    if (!checksum)
        sha256d_once(digest, payload.data, payload.size);
    memcpy(out + TRANSPORT_V1_HEADER_SIZE - 4, checksum ? checksum : digest, 4);
    return TRANSPORT_V1_HEADER_SIZE;
}

void transport_frame(struct transport *t, enum message_type type, struct bytes payload,
                     uint8_t *out)
{
    struct transport_seal seal;

    transport_seal(t, type, payload.size, &seal);
    size_t size = transport_seal_run(&seal, t->env->aead, payload, NULL, out);
    if (!seal.is_v2 && payload.size)
        memcpy(out + size, payload.data, payload.size);
}
