#include "base/hash.h"
#include "base/random.h"
#include "csv_file.h"
#include "net/transport.h"
#include "net/v2_cipher.h"

static const uint8_t MAGIC[4] = {0xf9, 0xbe, 0xb4, 0xd9};

static struct transport_env env;

static void setup(void)
{
    uint8_t seed[32] = {7};

    memcpy(env.magic, MAGIC, 4);
    env.aead = aead_new();
    env.ecdh = ecdh_new(seed);
}

static void teardown(void)
{
    aead_free(env.aead);
    ecdh_free(env.ecdh);
}

static struct transport *side(enum transport_kind kind, uint8_t number)
{
    uint8_t seed[32] = {number};

    return transport_new(&env, kind, seed);
}

/* What goes from one side to the other. */
struct wire {
    uint8_t *data;
    size_t size, at;
};

static void wire_put(struct wire *wire, const void *data, size_t size)
{
    wire->data = xrealloc(wire->data, wire->size + size + 1);
    if (size)
        memcpy(wire->data + wire->size, data, size);
    wire->size += size;
}

static void wire_handshake(struct wire *wire, struct transport *from)
{
    struct bytes out = transport_handshake(from);

    wire_put(wire, out.data, out.size);
    transport_pop_handshake(from);
}

static void wire_message(struct wire *wire, struct transport *from, enum message_type type,
                         struct bytes payload)
{
    size_t size = transport_frame_size(from, type, payload.size);
    uint8_t *frame = xmalloc(size);

    transport_frame(from, type, payload, frame);
    wire_put(wire, frame, size);
    free(frame);
}

static void wire_clear(struct wire *wire)
{
    free(wire->data);
    *wire = (struct wire){0};
}

/* Gives the next bytes of the wire to a side, at most step at a time and each piece in memory of
 * its own, so that a sanitizer sees every read beyond it. Stops at the first event; its payload is
 * then in *kept. */
static enum transport_event pump(struct wire *wire, struct transport *to, size_t step,
                                 struct transport_message *message, uint8_t **kept)
{
    enum transport_event event = TRANSPORT_MORE;

    *kept = NULL;
    do {
        size_t size = wire->size - wire->at < step ? wire->size - wire->at : step;
        uint8_t *piece = xmalloc(size);
        struct bytes in = {piece, size};

        if (size)
            memcpy(piece, wire->data + wire->at, size);
        event = transport_receive(to, &in, message);
        wire->at += size - in.size;
        if (event == TRANSPORT_MESSAGE || event == TRANSPORT_LARGE_DONE) {
            *kept = xmalloc(message->payload.size);
            if (message->payload.size)
                memcpy(*kept, message->payload.data, message->payload.size);
            message->payload.data = *kept;
        }
        free(piece);
    } while (event == TRANSPORT_MORE && wire->at < wire->size);
    return event;
}

static void expect_message(struct wire *wire, struct transport *to, size_t step,
                           enum message_type type, struct bytes payload)
{
    struct transport_message message;
    uint8_t *kept;

    ck_assert_int_eq(pump(wire, to, step, &message, &kept), TRANSPORT_MESSAGE);
    ck_assert_int_eq(message.type, type);
    ck_assert(bytes_equal(message.payload, payload));
    free(kept);
}

static void expect_event(struct wire *wire, struct transport *to, enum transport_event event)
{
    struct transport_message message;
    uint8_t *kept;

    ck_assert_int_eq(pump(wire, to, 1000, &message, &kept), event);
    free(kept);
}

/* Two sides with all handshakes exchanged. */
static void connect_v2(struct transport **a, struct transport **b, uint8_t number, size_t step)
{
    struct wire there = {0}, back = {0};
    struct transport_message message;
    uint8_t *kept;

    *a = side(TRANSPORT_V2, number);
    *b = side(TRANSPORT_DETECT, (uint8_t)(number + 1));
    ck_assert(!transport_can_send(*a) && !transport_can_send(*b));
    ck_assert_uint_eq(transport_handshake(*b).size, 0);
    wire_handshake(&there, *a);
    ck_assert_int_eq(pump(&there, *b, step, &message, &kept), TRANSPORT_MORE);
    ck_assert(transport_can_send(*b));
    wire_handshake(&back, *b);
    ck_assert_int_eq(pump(&back, *a, step, &message, &kept), TRANSPORT_MORE);
    ck_assert(transport_can_send(*a));
    wire_handshake(&there, *a);
    ck_assert_int_eq(pump(&there, *b, step, &message, &kept), TRANSPORT_MORE);
    ck_assert_mem_eq(transport_session_id(*a), transport_session_id(*b), 32);
    ck_assert_str_eq(transport_name(*b), "v2");
    wire_clear(&there);
    wire_clear(&back);
}

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

START_TEST(v1_frame_is_as_it_always_was)
{
    struct transport *t = side(TRANSPORT_V1, 0);
    uint8_t frame[24], expected[24];

    ck_assert(hex_decode(expected, "f9beb4d976657261636b000000000000000000005df6e0e2", 48));
    ck_assert_uint_eq(transport_frame_size(t, MESSAGE_VERACK, 0), 24);
    transport_frame(t, MESSAGE_VERACK, (struct bytes){NULL, 0}, frame);
    ck_assert_mem_eq(frame, expected, 24);
    transport_free(t);
}
END_TEST

START_TEST(v1_messages_arrive_however_they_are_cut)
{
    struct bytes payload = text("some payload");

    for (size_t step = 1; step < 80; step++) {
        struct transport *a = side(TRANSPORT_V1, 0);
        struct transport *b = side(step % 2 ? TRANSPORT_V1 : TRANSPORT_DETECT, 0);
        struct wire wire = {0};

        wire_message(&wire, a, MESSAGE_VERSION, payload);
        wire_message(&wire, a, MESSAGE_VERACK, text(""));
        wire_message(&wire, a, MESSAGE_PING, payload);
        expect_message(&wire, b, step, MESSAGE_VERSION, payload);
        ck_assert_str_eq(transport_name(b), "v1");
        ck_assert(transport_can_send(b));
        expect_message(&wire, b, step, MESSAGE_VERACK, text(""));
        expect_message(&wire, b, step, MESSAGE_PING, payload);
        expect_event(&wire, b, TRANSPORT_MORE);
        wire_clear(&wire);
        transport_free(a);
        transport_free(b);
    }
}
END_TEST

START_TEST(v1_message_with_wrong_checksum_is_passed_over)
{
    struct transport *a = side(TRANSPORT_V1, 0), *b = side(TRANSPORT_V1, 0);
    struct wire wire = {0};

    wire_message(&wire, a, MESSAGE_PING, text("12345678"));
    wire.data[23] ^= 1;
    wire_message(&wire, a, MESSAGE_PONG, text("87654321"));
    expect_message(&wire, b, 9, MESSAGE_PONG, text("87654321"));
    wire_clear(&wire);
    transport_free(a);
    transport_free(b);
}
END_TEST

START_TEST(v1_wrong_magic_and_a_size_over_4000000_break_the_connection)
{
    uint8_t header[24] = {0xf9, 0xbe, 0xb4, 0xd9, 'i', 'n', 'v'};

    for (uint32_t size = MESSAGE_SIZE_MAX; size <= MESSAGE_SIZE_MAX + 1; size++) {
        struct transport *t = side(TRANSPORT_V1, 0);
        struct wire wire = {0};

        le32_write(header + 16, size);
        wire_put(&wire, header, 24);
        expect_event(&wire, t, size <= MESSAGE_SIZE_MAX ? TRANSPORT_LARGE : TRANSPORT_BROKEN);
        wire_clear(&wire);
        transport_free(t);
    }
    struct transport *t = side(TRANSPORT_V1, 0);
    struct wire wire = {0};

    header[3] ^= 1;
    wire_put(&wire, header, 24);
    expect_event(&wire, t, TRANSPORT_BROKEN);
    ck_assert_str_eq(transport_error(t), "wrong magic");
    wire_clear(&wire);
    transport_free(t);
}
END_TEST

START_TEST(v2_messages_arrive_however_they_are_cut)
{
    for (size_t step = 1; step < 5000; step = step * 3 + 1) {
        struct transport *a, *b;
        struct wire wire = {0};

        connect_v2(&a, &b, (uint8_t)step, step);
        wire_message(&wire, a, MESSAGE_VERSION, text("first"));
        wire_message(&wire, a, MESSAGE_PING, text("second"));
        wire_message(&wire, a, MESSAGE_VERACK, text(""));
        ck_assert_uint_eq(wire.size, 33 + 5 + 21 + 6 + 33);
        expect_message(&wire, b, step, MESSAGE_VERSION, text("first"));
        expect_message(&wire, b, step, MESSAGE_PING, text("second"));
        expect_message(&wire, b, step, MESSAGE_VERACK, text(""));
        wire_clear(&wire);
        wire_message(&wire, b, MESSAGE_PONG, text("back"));
        expect_message(&wire, a, step, MESSAGE_PONG, text("back"));
        wire_clear(&wire);
        transport_free(a);
        transport_free(b);
    }
}
END_TEST

START_TEST(v2_goes_on_over_many_new_keys)
{
    struct transport *a, *b;
    struct wire wire = {0};

    connect_v2(&a, &b, 50, 4096);
    for (uint32_t i = 0; i < 1000; i++) {
        struct bytes payload = {(const uint8_t *)&i, sizeof i};

        wire_message(&wire, a, MESSAGE_PING, payload);
        expect_message(&wire, b, 4096, MESSAGE_PING, payload);
    }
    wire_clear(&wire);
    transport_free(a);
    transport_free(b);
}
END_TEST

START_TEST(v2_changed_byte_breaks_the_connection)
{
    for (size_t at = 0; at < 25; at++) {
        struct transport *a, *b;
        struct wire wire = {0};

        connect_v2(&a, &b, 80, 4096);
        wire_message(&wire, a, MESSAGE_PING, text("ping"));
        ck_assert_uint_eq(wire.size, 25);
        wire.data[at] ^= 4;
        /* a longer packet than came is waited for; what comes then cannot be authentic */
        wire_put(&wire, (uint8_t[300000]){0}, 300000);
        enum transport_event event;
        struct transport_message message;
        uint8_t *kept;
        do {
            event = pump(&wire, b, 4096, &message, &kept);
            free(kept);
        } while (event == TRANSPORT_LARGE);
        if (event == TRANSPORT_LARGE_DONE) {
            struct transport_check check;

            transport_check(b, &check);
            ck_assert_int_eq(transport_check_run(&check, env.aead), TRANSPORT_CLOSE);
        } else {
            ck_assert(event == TRANSPORT_BROKEN || (at == 2 && event == TRANSPORT_MORE));
        }
        wire_clear(&wire);
        transport_free(a);
        transport_free(b);
    }
}
END_TEST

/* The handshake by hand, so that each part can be what we want. */
struct manual {
    uint8_t secret[32], key[64];
    struct v2_cipher cipher;
    struct bytes aad;
};

static void manual_packet(struct manual *m, struct wire *wire, uint8_t header,
                          struct bytes contents)
{
    uint8_t *packet = xmalloc(contents.size + 20);
    struct aead_key key;

    v2_cipher_send(&m->cipher, env.aead, contents.size, packet, &key);
    aead_seal(env.aead, &key, m->aad, (struct bytes){&header, 1}, contents, packet + 3);
    m->aad = (struct bytes){NULL, 0};
    wire_put(wire, packet, contents.size + 20);
    free(packet);
}

/* We call, with garbage_size bytes of garbage; then the other side's key is read. */
static struct transport *manual_call(struct manual *m, struct wire *wire, const uint8_t *garbage,
                                     size_t garbage_size)
{
    struct transport *t = side(TRANSPORT_DETECT, 9);
    uint8_t shared[32];

    memset(m->secret, 3, 32);
    ck_assert(ecdh_public(env.ecdh, m->key, m->secret, m->secret));
    wire_put(wire, m->key, 64);
    wire_put(wire, garbage, garbage_size);
    expect_event(wire, t, TRANSPORT_MORE);
    ck_assert_uint_ge(transport_handshake(t).size, 64);
    ck_assert(
        ecdh_shared_secret(env.ecdh, shared, m->key, transport_handshake(t).data, m->secret, true));
    v2_cipher_init(&m->cipher, env.aead, shared, MAGIC, true);
    wire_put(wire, m->cipher.send_terminator, 16);
    m->aad = (struct bytes){garbage, garbage_size};
    return t;
}

START_TEST(garbage_of_4095_bytes_is_taken_and_of_4096_refused)
{
    static uint8_t garbage[4096];

    for (size_t size = 4095; size <= 4096; size++) {
        struct manual m;
        struct wire wire = {0};
        struct transport *t = manual_call(&m, &wire, garbage, size);

        manual_packet(&m, &wire, 0, text("version contents are ignored"));
        manual_packet(&m, &wire, 0, text("\x13pong"));
        if (size == 4095) {
            expect_message(&wire, t, 100, MESSAGE_PONG, text("pong"));
        } else {
            expect_event(&wire, t, TRANSPORT_BROKEN);
            ck_assert_str_eq(transport_error(t), "no garbage terminator");
        }
        wire_clear(&wire);
        transport_free(t);
    }
}
END_TEST

START_TEST(garbage_is_authenticated_by_the_first_packet)
{
    uint8_t garbage[20] = {1};
    struct manual m;
    struct wire wire = {0};
    struct transport *t = manual_call(&m, &wire, garbage, sizeof garbage);

    m.aad.size--;
    manual_packet(&m, &wire, 0, text(""));
    expect_event(&wire, t, TRANSPORT_BROKEN);
    wire_clear(&wire);
    transport_free(t);
}
END_TEST

START_TEST(decoys_and_packets_without_a_type_are_passed_over)
{
    static uint8_t large[TRANSPORT_LARGE_MIN + 100] = {18};
    struct manual m;
    struct wire wire = {0};
    struct transport *t = manual_call(&m, &wire, NULL, 0);

    manual_packet(&m, &wire, V2_IGNORE_BIT, text("decoy before the version"));
    manual_packet(&m, &wire, 0, text(""));
    manual_packet(&m, &wire, V2_IGNORE_BIT, text("\x12gnip"));
    manual_packet(&m, &wire, V2_IGNORE_BIT, (struct bytes){large, sizeof large});
    manual_packet(&m, &wire, 0, text("")); /* no type at all */
    manual_packet(&m, &wire, 0,
                  (struct bytes){(const uint8_t *)"\0pingpingpin", 12}); /* cut short */
    manual_packet(&m, &wire, 0x7f, text("\x12ping")); /* other bits of the header mean nothing */
    expect_message(&wire, t, 77, MESSAGE_PING, text("ping"));
    manual_packet(&m, &wire, 0, text("\xff?"));
    expect_message(&wire, t, 77, MESSAGE_UNKNOWN, text("?"));
    manual_packet(&m, &wire, 0, (struct bytes){(const uint8_t *)"\0ping\0\0\0\0\0\0\0\0p", 14});
    expect_message(&wire, t, 77, MESSAGE_PING, text("p"));
    wire_clear(&wire);
    transport_free(t);
}
END_TEST

START_TEST(packet_of_4000013_bytes_is_taken_and_one_more_refused)
{
    for (size_t size = 4000013; size <= 4000014; size++) {
        struct manual m;
        struct wire wire = {0};
        struct transport *t = manual_call(&m, &wire, NULL, 0);
        struct transport_message message;
        uint8_t *kept, *contents = xcalloc(size, 1);

        memcpy(contents + 1, "block", 5);
        manual_packet(&m, &wire, 0, text(""));
        manual_packet(&m, &wire, 0, (struct bytes){contents, size});
        if (size == 4000013) {
            ck_assert_int_eq(pump(&wire, t, 100000, &message, &kept), TRANSPORT_LARGE);
            ck_assert_uint_eq(message.payload.size, MESSAGE_SIZE_MAX);
        } else {
            expect_event(&wire, t, TRANSPORT_BROKEN);
        }
        free(contents);
        wire_clear(&wire);
        transport_free(t);
    }
}
END_TEST

START_TEST(v1_peer_of_another_network_is_refused)
{
    struct transport *t = side(TRANSPORT_DETECT, 0);
    struct wire wire = {0};

    wire_put(&wire, "\xfa\xbf\xb5\xdaversion\0\0\0\0\0", 16);
    expect_event(&wire, t, TRANSPORT_BROKEN);
    ck_assert_str_eq(transport_error(t), "v1 peer of another network");
    wire_clear(&wire);
    transport_free(t);
}
END_TEST

START_TEST(only_a_caller_that_heard_nothing_tries_v1)
{
    struct transport *a = side(TRANSPORT_V2, 0), *b = side(TRANSPORT_DETECT, 0);
    struct wire wire = {0};

    ck_assert(!transport_wants_v1(a, 23));
    ck_assert(transport_wants_v1(a, 24));
    ck_assert(!transport_wants_v1(b, 24));
    wire_put(&wire, "x", 1);
    expect_event(&wire, a, TRANSPORT_MORE);
    ck_assert(!transport_wants_v1(a, 24));
    wire_clear(&wire);
    transport_free(a);
    transport_free(b);
}
END_TEST

/* A large message of type from a to b: what comes first by pieces, the rest straight into the
 * place. */
static void large_round(struct transport *a, struct transport *b, enum message_type type,
                        size_t size, bool is_placed, size_t step, bool is_spoilt)
{
    struct prng prng;
    struct wire wire = {0};
    struct transport_seal seal;
    struct transport_message message;
    struct transport_check check;
    uint8_t *sent = xmalloc(size), *place = xcalloc(size, 1), *kept, *frame = xmalloc(size + 33);

    prng_init(&prng, size);
    prng_fill(&prng, sent, size);
    transport_seal(a, type, size, &seal);
    size_t frame_size =
        transport_seal_run(&seal, env.aead, (struct bytes){sent, size}, NULL, frame);
    wire_put(&wire, frame, frame_size);
    if (!seal.is_v2)
        wire_put(&wire, sent, size);
    ck_assert_uint_eq(wire.size, transport_frame_size(a, type, size));
    if (is_spoilt)
        wire.data[wire.size - 20] ^= 1;

    ck_assert_int_eq(pump(&wire, b, step, &message, &kept), TRANSPORT_LARGE);
    ck_assert_int_eq(message.type, type);
    ck_assert_uint_eq(message.payload.size, size);
    if (is_placed) {
        transport_place(b, place);
        struct bytes some = {wire.data + wire.at, 1000}; /* that came along with the head */
        size_t room;

        wire.at += some.size;
        ck_assert_int_eq(transport_receive(b, &some, &message), TRANSPORT_MORE);
        uint8_t *at = transport_room(b, &room);

        while (room) { /* as the socket does it */
            size_t part = room < 5000 ? room : 5000;

            memcpy(at, wire.data + wire.at, part);
            wire.at += part;
            transport_filled(b, part);
            at = transport_room(b, &room);
        }
    }
    ck_assert_int_eq(pump(&wire, b, step, &message, &kept), TRANSPORT_LARGE_DONE);
    free(kept);
    ck_assert_uint_eq(wire.at, wire.size);
    transport_check(b, &check);
    ck_assert_int_eq(transport_check_run(&check, env.aead), !is_spoilt   ? TRANSPORT_GOOD
                                                            : seal.is_v2 ? TRANSPORT_CLOSE
                                                                         : TRANSPORT_DROP);
    ck_assert(!is_placed || check.payload == place);
    if (!is_spoilt)
        ck_assert_mem_eq(check.payload, sent, size);
    wire_clear(&wire);
    free(sent);
    free(place);
    free(frame);
}

START_TEST(large_messages_go_to_their_place_and_are_judged_apart)
{
    struct transport *v1 = side(TRANSPORT_V1, 0), *v1_other = side(TRANSPORT_V1, 0), *a, *b;

    connect_v2(&a, &b, 20, 4096);
    for (int round = 0; round < 16; round++) {
        bool is_placed = round & 1, is_v2 = round & 2, is_long = round & 4, is_spoilt = round & 8;

        large_round(is_v2 ? a : v1, is_v2 ? b : v1_other, is_long ? MESSAGE_VERSION : MESSAGE_BLOCK,
                    TRANSPORT_LARGE_MIN + 13 + (size_t)round * 7001, is_placed,
                    1 + (size_t)round * 977, is_spoilt);
    }
    struct wire wire = {0};

    wire_message(&wire, a, MESSAGE_PING, text("after"));
    expect_message(&wire, b, 10, MESSAGE_PING, text("after"));
    transport_trim(b);
    wire_clear(&wire);
    transport_free(a);
    transport_free(b);
    transport_free(v1);
    transport_free(v1_other);
}
END_TEST

START_TEST(a_known_checksum_is_not_computed_again)
{
    struct transport *t = side(TRANSPORT_V1, 0);
    struct transport_seal seal;
    uint8_t out[24];

    transport_seal(t, MESSAGE_BLOCK, 4, &seal);
    ck_assert_uint_eq(
        transport_seal_run(&seal, env.aead, text("data"), (const uint8_t *)"\1\2\3\4", out), 24);
    ck_assert_mem_eq(out + 20, "\1\2\3\4", 4);
    transport_free(t);
}
END_TEST

static void check_packet_row(char **row)
{
    struct bytes priv = csv_hex(row[1]), ours = csv_hex(row[2]), theirs = csv_hex(row[3]);
    struct bytes contents = csv_hex(row[5]), aad = csv_hex(row[7]), expected = csv_hex(row[20]);
    struct bytes tail = csv_hex(row[21]);
    bool is_initiator = row[4][0] == '1';
    int index = atoi(row[0]), multiply = atoi(row[6]);
    uint8_t header = row[8][0] == '1' ? V2_IGNORE_BIT : 0, x[32], field[32], shared[32],
            terminator[32];
    struct v2_cipher cipher;
    struct aead_key key;
    uint8_t *text = xmalloc(contents.size * (size_t)multiply), *packet, length[3];
    size_t size = contents.size * (size_t)multiply;

    for (int i = 0; i < multiply; i++)
        memcpy(text + (size_t)i * contents.size, contents.data, contents.size);
    ellswift_decode(x, ours.data);
    csv_hex32(field, row[9]);
    ck_assert_mem_eq(x, field, 32);
    ellswift_decode(x, theirs.data);
    csv_hex32(field, row[10]);
    ck_assert_mem_eq(x, field, 32);
    ck_assert(ecdh_shared_x(env.ecdh, x, theirs.data, priv.data));
    csv_hex32(field, row[11]);
    ck_assert_mem_eq(x, field, 32);
    ck_assert(
        ecdh_shared_secret(env.ecdh, shared, ours.data, theirs.data, priv.data, is_initiator));
    csv_hex32(field, row[12]);
    ck_assert_mem_eq(shared, field, 32);

    v2_cipher_init(&cipher, env.aead, shared, MAGIC, is_initiator);
    csv_hex32(field, row[14]);
    ck_assert_mem_eq(is_initiator ? cipher.send.key : cipher.receive.key, field, 32);
    csv_hex32(field, row[16]);
    ck_assert_mem_eq(is_initiator ? cipher.receive.key : cipher.send.key, field, 32);
    ck_assert(hex_decode(terminator, row[17], 32) && hex_decode(terminator + 16, row[18], 32));
    ck_assert_mem_eq(cipher.send_terminator, terminator, 16);
    ck_assert_mem_eq(cipher.receive_terminator, terminator + 16, 16);
    csv_hex32(field, row[19]);
    ck_assert_mem_eq(cipher.session_id, field, 32);

    for (int i = 0; i < index; i++)
        v2_cipher_send(&cipher, env.aead, 0, length, &key);
    packet = xmalloc(size + 20);
    v2_cipher_send(&cipher, env.aead, size, packet, &key);
    aead_seal(env.aead, &key, aad, (struct bytes){&header, 1}, (struct bytes){text, size},
              packet + 3);
    ck_assert(expected.size || tail.size);
    if (expected.size)
        ck_assert(bytes_equal(expected, (struct bytes){packet, size + 20}));
    if (tail.size)
        ck_assert_mem_eq(packet + size + 20 - tail.size, tail.data, tail.size);

    struct bytes all[] = {priv, ours, theirs, contents, aad, expected, tail};

    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        free((void *)all[i].data);
    free(text);
    free(packet);
}

START_TEST(published_packets)
{
    const char *folder = shared_folder("BIP324 packet vectors");
    char *row[22];
    int rows = 0;

    if (!folder)
        return;
    struct csv_file csv =
        csv_open(folder, "vectors/bips/bip-0324-packet_encoding_test_vectors.csv");
    for (; csv_next(&csv, row, 22); rows++)
        check_packet_row(row);
    ck_assert_int_eq(rows, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *tcase = tcase_create("transport");

    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, v1_frame_is_as_it_always_was);
    tcase_add_test(tcase, v1_messages_arrive_however_they_are_cut);
    tcase_add_test(tcase, v1_message_with_wrong_checksum_is_passed_over);
    tcase_add_test(tcase, v1_wrong_magic_and_a_size_over_4000000_break_the_connection);
    tcase_add_test(tcase, v2_messages_arrive_however_they_are_cut);
    tcase_add_test(tcase, v2_goes_on_over_many_new_keys);
    tcase_add_test(tcase, v2_changed_byte_breaks_the_connection);
    tcase_add_test(tcase, garbage_of_4095_bytes_is_taken_and_of_4096_refused);
    tcase_add_test(tcase, garbage_is_authenticated_by_the_first_packet);
    tcase_add_test(tcase, decoys_and_packets_without_a_type_are_passed_over);
    tcase_add_test(tcase, packet_of_4000013_bytes_is_taken_and_one_more_refused);
    tcase_add_test(tcase, v1_peer_of_another_network_is_refused);
    tcase_add_test(tcase, only_a_caller_that_heard_nothing_tries_v1);
    tcase_add_test(tcase, large_messages_go_to_their_place_and_are_judged_apart);
    tcase_add_test(tcase, a_known_checksum_is_not_computed_again);
    tcase_add_test(tcase, published_packets);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
