/* The reactor between real sockets: both ends of each connection hang on it, so every test is one
 * thread and one loop, but for those about threads. Each is run with all features and with each one
 * switched off. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/reactor.h"
#include "io/socket.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STREAM_SIZE ((size_t)3 << 20)
#define FRAME_MAX   200000

static const struct conn_limits limits = {.output_max = (size_t)8 << 20};
static char temp_dir[] = "/tmp/caesure-reactor-XXXXXX";
static uint8_t *stream; /* what is sent in both directions */

static struct reactor *reactor;
static struct reactor_timer deadline;

static void out_of_time(struct reactor_timer *timer)
{
    (void)timer;
    ck_abort_msg("the reactor did not get there in 20 s");
}

static void begin(uint32_t without, uint32_t buffer_count)
{
    struct reactor_options options = {
        .without = without, .conn_max = 64, .buffer_count = buffer_count, .buffer_size = 8192};
    char why[REACTOR_WHY_SIZE];

    int error = reactor_new(&reactor, &options, why);
    ck_assert_msg(error == 0, "%s", error ? why : "");
    deadline = (struct reactor_timer){.run = out_of_time};
    timer_set(reactor, &deadline, reactor_now_ms(reactor) + 20000);
}

static void end(void)
{
    ck_assert_int_eq(reactor_run(reactor), 0);
    reactor_free(reactor);
}

/* The mask of test i: everything on, then each feature off, then all. */
#define MASK_COUNT (URING_FEATURE_COUNT + 2)
static uint32_t mask_of(int i)
{
    return i == 0 ? 0 : i <= URING_FEATURE_COUNT ? 1u << (i - 1) : UINT32_MAX;
}

static void end_when(const int *count, int wanted)
{
    if (*count == wanted)
        reactor_stop(reactor);
}

/* ---- addresses ---- */

static struct sockaddr_un unix_addr;
static struct sockaddr_in v4_addr;
static struct sockaddr_in6 v6_addr;

static int listen_at(int family, const struct sockaddr **addr, socklen_t *size)
{
    if (family == AF_UNIX) {
        unix_addr.sun_family = AF_UNIX;
        snprintf(unix_addr.sun_path, sizeof unix_addr.sun_path, "%s/socket", temp_dir);
        *addr = (struct sockaddr *)&unix_addr;
        *size = sizeof unix_addr;
        return socket_listen_unix(unix_addr.sun_path);
    }
    v4_addr =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    v6_addr = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    *addr = family == AF_INET ? (struct sockaddr *)&v4_addr : (struct sockaddr *)&v6_addr;
    *size = family == AF_INET ? sizeof v4_addr : sizeof v6_addr;
    int fd = socket_listen(*addr, *size);
    if (fd >= 0)
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)*addr, size), 0);
    return fd;
}

/* ---- a stream both ways ---- */

struct end {
    struct conn *conn;
    size_t received, sent, piece;
    int error;
    bool is_server, is_ended;
};

static int closed_count;

static void feed(struct end *e)
{
    while (e->sent < STREAM_SIZE) {
        size_t size = e->piece < STREAM_SIZE - e->sent ? e->piece : STREAM_SIZE - e->sent;
        if (conn_output_size(e->conn) > 300000)
            return; /* drained calls again */
        ck_assert(conn_send(e->conn, (struct bytes){stream + e->sent, size}));
        e->sent += size;
    }
}

static void finish_if_done(struct end *e)
{
    if (!e->is_server && e->received == STREAM_SIZE && e->sent == STREAM_SIZE)
        conn_finish(e->conn);
}

static void stream_received(void *owner, struct bytes data)
{
    struct end *e = owner;

    if (data.size == 0) {
        e->is_ended = true;
        conn_finish(e->conn);
        return;
    }
    ck_assert_uint_le(e->received + data.size, STREAM_SIZE);
    ck_assert_mem_eq(stream + e->received, data.data, data.size);
    e->received += data.size;
    finish_if_done(e);
}

static void stream_drained(void *owner)
{
    feed(owner);
    finish_if_done(owner);
}

static void stream_closed(void *owner, int error)
{
    struct end *e = owner;

    e->error = error;
    e->conn = NULL;
    closed_count++;
    end_when(&closed_count, 2);
}

static const struct conn_events stream_events = {
    .connected = stream_drained,
    .received = stream_received,
    .drained = stream_drained,
    .closed = stream_closed,
};

static struct end server_end, client_end;

static void stream_accepted(void *context, int fd)
{
    (void)context;
    server_end.conn = conn_adopt(reactor, fd, &limits, &stream_events, &server_end);
    ck_assert_ptr_nonnull(server_end.conn);
    feed(&server_end);
}

static void run_stream(int family, uint32_t without)
{
    const struct sockaddr *addr;
    socklen_t size;
    int fd = listen_at(family, &addr, &size);

    if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT) {
        printf("SKIP no address of family %d here\n", family);
        return;
    }
    ck_assert_int_ge(fd, 0);
    begin(without, 16);
    closed_count = 0;
    server_end = (struct end){.is_server = true, .piece = 100001};
    client_end = (struct end){.piece = 777};
    ck_assert_int_eq(reactor_listen(reactor, fd, NULL, stream_accepted, NULL), 0);
    client_end.conn = conn_connect(reactor, addr, size, &limits, &stream_events, &client_end);
    ck_assert_ptr_nonnull(client_end.conn);
    end();
    ck_assert_uint_eq(server_end.received, STREAM_SIZE);
    ck_assert_uint_eq(client_end.received, STREAM_SIZE);
    ck_assert(server_end.is_ended);
    ck_assert_int_eq(server_end.error, 0);
    ck_assert_int_eq(client_end.error, 0);
}

START_TEST(streams_arrive_whole_both_ways)
{
    run_stream(AF_UNIX, mask_of(_i));
    run_stream(AF_INET, mask_of(_i));
    run_stream(AF_INET6, mask_of(_i));
}
END_TEST

/* ---- frames: a size, then a payload straight into the caller's buffer ---- */

struct framed {
    struct conn *conn;
    uint8_t head[4], *payload;
    size_t head_have, size, at; /* at: place in the stream that the payload must equal */
    int frames;
};

static struct framed framed;
static int frames_sent;

static void frame_done(struct framed *f)
{
    f->at = (f->at + f->size) % (STREAM_SIZE - FRAME_MAX);
    f->frames++;
    free(f->payload);
    f->payload = NULL;
}

/* The head is there; rest is what came with it. Returns how much of that belongs to the payload. */
static size_t frame_begin(struct framed *f, struct bytes rest)
{
    f->head_have = 0;
    f->size = le32_read(f->head);
    ck_assert_uint_le(f->size, FRAME_MAX);
    size_t have = rest.size < f->size ? rest.size : f->size;
    if (have)
        ck_assert_mem_eq(stream + f->at, rest.data, have);
    f->at += have;
    f->size -= have;
    if (f->size == 0) {
        frame_done(f);
    } else {
        f->payload = xmalloc(f->size);
        conn_receive_into(f->conn, f->payload, f->size);
    }
    return have;
}

static void framed_filled(void *owner)
{
    struct framed *f = owner;

    if (!f->payload) { /* it was a head */
        frame_begin(f, (struct bytes){NULL, 0});
        return;
    }
    ck_assert_uint_eq(conn_received_into(f->conn), 0);
    ck_assert_mem_eq(f->payload, stream + f->at, f->size);
    frame_done(f);
    if (f->frames % 3 == 0)
        conn_receive_into(f->conn, f->head, sizeof f->head);
}

static void framed_received(void *owner, struct bytes data)
{
    struct framed *f = owner;

    if (data.size == 0) {
        ck_assert_ptr_null(f->payload);
        conn_close(f->conn);
    }
    while (data.size > 0) {
        ck_assert_ptr_null(f->payload);
        f->head[f->head_have++] = data.data[0];
        data = bytes_sub(data, 1, data.size);
        if (f->head_have == sizeof f->head) {
            size_t taken = frame_begin(f, data);
            data = bytes_sub(data, taken, data.size);
        }
    }
}

static void framed_closed(void *owner, int error)
{
    (void)owner;
    ck_assert_int_eq(error, 0);
    closed_count++;
    end_when(&closed_count, 2);
}

static const struct conn_events framed_events = {
    .received = framed_received,
    .filled = framed_filled,
    .closed = framed_closed,
};

static void framed_accepted(void *context, int fd)
{
    (void)context;
    framed.conn = conn_adopt(reactor, fd, &limits, &framed_events, &framed);
}

static int released_count;

static void count_release(void *context)
{
    (void)context;
    released_count++;
}

struct sender {
    struct conn *conn;
    size_t at;
    uint8_t heads[64][4];
};

static void sender_connected(void *owner)
{
    struct sender *s = owner;
    struct prng prng;

    prng_init(&prng, 7);
    for (frames_sent = 0; frames_sent < 60; frames_sent++) {
        size_t size =
            frames_sent % 4 ? 1 + prng_below(&prng, 300) : 1 + prng_below(&prng, FRAME_MAX);
        le32_write(s->heads[frames_sent], (uint32_t)size);
        struct bytes payload = {stream + s->at, size};
        ck_assert(conn_send(s->conn, (struct bytes){s->heads[frames_sent], 4}));
        ck_assert(conn_send_borrowed(s->conn, payload, count_release, NULL));
        s->at = (s->at + size) % (STREAM_SIZE - FRAME_MAX);
    }
    conn_finish(s->conn);
    ck_assert(!conn_send(s->conn, (struct bytes){stream, 1})); /* nothing after conn_finish */
}

static void ignore_received(void *owner, struct bytes data)
{
    (void)owner, (void)data;
}

static const struct conn_events sender_events = {
    .connected = sender_connected,
    .received = ignore_received,
    .closed = framed_closed,
};

START_TEST(payloads_go_straight_to_the_callers_buffer)
{
    const struct sockaddr *addr;
    socklen_t size;
    int fd = listen_at(_i % 2 ? AF_UNIX : AF_INET, &addr, &size);
    struct sender sender = {.at = 0};

    ck_assert_int_ge(fd, 0);
    begin(mask_of(_i / 2), 16);
    closed_count = released_count = 0;
    framed = (struct framed){.frames = 0};
    ck_assert_int_eq(reactor_listen(reactor, fd, NULL, framed_accepted, NULL), 0);
    sender.conn = conn_connect(reactor, addr, size, &limits, &sender_events, &sender);
    ck_assert_ptr_nonnull(sender.conn);
    end();
    ck_assert_int_eq(framed.frames, 60);
    ck_assert_int_eq(released_count, 60);
}
END_TEST

/* ---- bounds and ends ---- */

static struct end victim;

static void victim_closed(void *owner, int error)
{
    struct end *e = owner;

    e->conn = NULL;
    e->error = error;
    closed_count++;
    reactor_stop(reactor);
}

static void victim_received(void *owner, struct bytes data)
{
    struct end *e = owner;

    e->received += data.size;
    e->is_ended = e->is_ended || data.size == 0;
}

static const struct conn_events victim_events = {.received = victim_received,
                                                 .closed = victim_closed};

static struct end *begin_pair(uint32_t without, const struct conn_limits *pair_limits, int *other)
{
    int pair[2];

    begin(without, 16);
    closed_count = released_count = 0;
    victim = (struct end){.error = 1};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    victim.conn = conn_adopt(reactor, pair[0], pair_limits, &victim_events, &victim);
    ck_assert_ptr_nonnull(victim.conn);
    *other = pair[1];
    return &victim;
}

START_TEST(output_is_bounded_to_the_byte)
{
    struct conn_limits small = {.output_max = 1000};
    int other;
    struct end *e = begin_pair(mask_of(_i), &small, &other);
    char got[2000];

    ck_assert(!conn_send(e->conn, (struct bytes){stream, 1001}));
    ck_assert(conn_send(e->conn, (struct bytes){stream, 999}));
    ck_assert(!conn_send_borrowed(e->conn, (struct bytes){stream, 2}, count_release, NULL));
    ck_assert_int_eq(released_count, 0);
    ck_assert(conn_send_borrowed(e->conn, (struct bytes){stream + 999, 1}, count_release, NULL));
    ck_assert(!conn_send(e->conn, (struct bytes){stream, 1}));
    ck_assert_uint_eq(conn_output_size(e->conn), 1000);
    conn_finish(e->conn);
    end();
    ck_assert_int_eq(e->error, 0);
    ck_assert_int_eq(closed_count, 1);
    ck_assert_int_eq(released_count, 1);
    ck_assert_int_eq(read(other, got, sizeof got), 1000);
    ck_assert_mem_eq(got, stream, 1000);
    ck_assert_int_eq(read(other, got, sizeof got), 0);
    close(other);
}
END_TEST

START_TEST(what_is_queued_at_the_stop_is_sent_unless_nobody_reads)
{
    for (int is_read = 0; is_read < 2; is_read++) {
        int other;
        struct end *e = begin_pair(mask_of(_i), &limits, &other);
        size_t size = is_read ? 20000 : STREAM_SIZE;
        static char got[30000];

        ck_assert(conn_send(e->conn, (struct bytes){stream, size}));
        reactor_stop(reactor);
        end();
        ck_assert_int_eq(closed_count, 1);
        ck_assert_int_eq(e->error, 0);
        if (is_read) {
            ck_assert_int_eq(recv(other, got, sizeof got, MSG_WAITALL), 20000);
            ck_assert_mem_eq(got, stream, 20000);
        }
        close(other);
    }
}
END_TEST

static void close_victim(struct reactor_timer *timer)
{
    (void)timer;
    if (victim.conn)
        conn_close(victim.conn);
}

static int option_of(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;

    ck_assert_int_eq(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

/* Of both, the kernel keeps twice as much, for its own bookkeeping. */
START_TEST(the_kernels_buffers_are_as_agreed)
{
    struct conn_limits given = {
        .output_max = 1000, .send_buffer = 30000, .receive_buffer = 20000, .notsent_lowat = 10000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), copy = dup(fd);

    begin(0, 16);
    victim = (struct end){.error = 1};
    victim.conn = conn_adopt(reactor, fd, &given, &victim_events, &victim);
    ck_assert_ptr_nonnull(victim.conn);
    ck_assert_int_eq(option_of(copy, SOL_SOCKET, SO_SNDBUF), 60000);
    ck_assert_int_eq(option_of(copy, SOL_SOCKET, SO_RCVBUF), 40000);
    ck_assert_int_eq(option_of(copy, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 10000);
    ck_assert_int_eq(option_of(copy, IPPROTO_TCP, TCP_NODELAY), 1);
    conn_close(victim.conn);
    end();
    close(copy);
}
END_TEST

struct late {
    struct reactor_timer timer;
    struct conn_place *place;
    char got[100];
    int other;
};

static void fill_late(struct reactor_timer *timer)
{
    struct late *late = (struct late *)timer;

    ck_assert_int_eq(recv(late->other, late->got, sizeof late->got, MSG_DONTWAIT), 10);
    conn_place_fill(victim.conn, late->place, stream + 10, count_release, NULL);
}

START_TEST(what_is_behind_a_place_waits_for_it)
{
    struct conn_limits small = {.output_max = 1000};
    struct late late = {.timer.run = fill_late};
    struct end *e = begin_pair(mask_of(_i), &small, &late.other);

    ck_assert_ptr_null(conn_send_place(e->conn, 1001));
    ck_assert(conn_send(e->conn, (struct bytes){stream, 10}));
    late.place = conn_send_place(e->conn, 20);
    ck_assert(conn_send(e->conn, (struct bytes){stream + 30, 5}));
    ck_assert_ptr_nonnull(conn_send_place(e->conn, 7)); /* never filled */
    ck_assert_uint_eq(conn_output_size(e->conn), 42);
    timer_set(reactor, &late.timer, reactor_now_ms(reactor) + 50);
    struct reactor_timer closing = {.run = close_victim};
    timer_set(reactor, &closing, reactor_now_ms(reactor) + 100);
    end();
    ck_assert_int_eq(released_count, 1);
    ck_assert_int_eq(read(late.other, late.got + 10, 50), 25);
    ck_assert_mem_eq(late.got, stream, 35);
    close(late.other);
}
END_TEST

START_TEST(closing_with_requests_in_the_kernel_gives_everything_back)
{
    struct reactor_timer timer = {.run = close_victim};
    uint8_t into[100] = {0};
    int other;
    struct end *e = begin_pair(mask_of(_i), &limits, &other);

    /* The other side reads nothing: a send hangs; and a receive waits for more than the 10 bytes.
     */
    ck_assert_int_eq(write(other, "0123456789", 10), 10);
    conn_receive_into(e->conn, into, sizeof into);
    ck_assert(conn_send(e->conn, (struct bytes){stream, 1000000}));
    ck_assert(conn_send_borrowed(e->conn, (struct bytes){stream, 2000000}, count_release, NULL));
    timer_set(reactor, &timer, reactor_now_ms(reactor) + 50);
    end();
    ck_assert_mem_eq(into, "0123456789", 11);
    ck_assert_int_eq(closed_count, 1);
    ck_assert_int_eq(e->error, 0);
    ck_assert_int_eq(released_count, 1);
    close(other);
}
END_TEST

START_TEST(stop_closes_everything)
{
    struct reactor_timer timer = {.run = out_of_time};
    int other;
    struct end *e = begin_pair(mask_of(_i), &limits, &other);
    const struct sockaddr *addr;
    socklen_t size;

    ck_assert_int_eq(
        reactor_listen(reactor, listen_at(AF_UNIX, &addr, &size), NULL, stream_accepted, NULL), 0);
    timer_set(reactor, &timer, reactor_now_ms(reactor) + 15000);
    reactor_stop(reactor);
    end();
    ck_assert_int_eq(closed_count, 1);
    ck_assert_int_eq(e->error, 0);
    close(other);
}
END_TEST

START_TEST(a_reset_is_reported)
{
    const struct sockaddr *addr;
    socklen_t size;
    int listener = listen_at(AF_INET, &addr, &size);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    ck_assert_int_eq(connect(client, addr, size), 0);
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    begin(mask_of(_i), 16);
    closed_count = 0;
    victim = (struct end){.error = 1};
    victim.conn = conn_adopt(reactor, fd, &limits, &victim_events, &victim);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client);
    end();
    ck_assert_int_eq(victim.error, -ECONNRESET);
    ck_assert_int_eq(closed_count, 1);
    close(listener);
}
END_TEST

START_TEST(a_refused_connect_is_reported)
{
    const struct sockaddr *addr;
    socklen_t size;
    int listener = listen_at(AF_INET, &addr, &size);

    close(listener); /* nobody listens there now */
    begin(mask_of(_i), 16);
    closed_count = 0;
    victim = (struct end){.error = 1};
    victim.conn = conn_connect(reactor, addr, size, &limits, &victim_events, &victim);
    end();
    ck_assert_int_eq(victim.error, -ECONNREFUSED);
    ck_assert_int_eq(closed_count, 1);
}
END_TEST

static void resume_victim(struct reactor_timer *timer)
{
    (void)timer;
    ck_assert_uint_eq(victim.received, 0);
    conn_resume(victim.conn);
    close_victim(timer);
    victim.sent = 1;
}

START_TEST(a_paused_connection_receives_nothing)
{
    struct reactor_timer timer = {.run = resume_victim};
    int other;
    struct end *e = begin_pair(mask_of(_i), &limits, &other);

    conn_pause(e->conn);
    ck_assert_int_eq(write(other, "x", 1), 1);
    timer_set(reactor, &timer, reactor_now_ms(reactor) + 30);
    end();
    ck_assert_uint_eq(e->sent, 1);
    close(other);
}
END_TEST

/* ---- more connections than buffers, and slots used again and again ---- */

#define CROWD 48
static struct end crowd[CROWD];
static int crowd_left, crowd_adopted;

static void crowd_received(void *owner, struct bytes data)
{
    struct end *e = owner;

    if (data.size == 0) {
        conn_close(e->conn);
        return;
    }
    ck_assert_mem_eq(stream + e->received, data.data, data.size);
    e->received += data.size;
}

static void crowd_closed(void *owner, int error)
{
    struct end *e = owner;

    ck_assert_int_eq(error, 0);
    ck_assert_uint_eq(e->received, 100000);
    e->received = 0;
    e->conn = NULL;
    if (--crowd_left == 0)
        reactor_stop(reactor);
}

static const struct conn_events crowd_events = {.received = crowd_received, .closed = crowd_closed};

static void crowd_accepted(void *context, int fd)
{
    (void)context;
    for (int i = 0; i < CROWD; i++)
        if (!crowd[i].conn) {
            crowd[i].conn = conn_adopt(reactor, fd, &limits, &crowd_events, &crowd[i]);
            ck_assert_ptr_nonnull(crowd[i].conn);
            crowd_adopted++;
            return;
        }
    ck_abort_msg("more connections than there are clients");
}

static void *crowd_client(void *arg)
{
    for (int round = 0; round < 20; round++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(fd, arg, sizeof unix_addr), 0);
        for (size_t sent = 0; sent < 100000;) {
            ssize_t n = write(fd, stream + sent, 100000 - sent);
            ck_assert_int_gt(n, 0);
            sent += (size_t)n;
        }
        shutdown(fd, SHUT_WR);
        char c;
        ck_assert_int_eq(read(fd, &c, 1), 0); /* until the other side has closed */
        close(fd);
    }
    return NULL;
}

START_TEST(few_buffers_serve_many_connections)
{
    const struct sockaddr *addr;
    socklen_t size;
    pthread_t threads[8];
    int fd = listen_at(AF_UNIX, &addr, &size);

    begin(mask_of(_i), 2); /* so that -ENOBUFS is usual */
    crowd_left = 8 * 20;
    crowd_adopted = 0;
    ck_assert_int_eq(reactor_listen(reactor, fd, NULL, crowd_accepted, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, crowd_client, &unix_addr);
    end();
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(crowd_adopted, 8 * 20);
}
END_TEST

START_TEST(no_more_connections_than_agreed)
{
    int pair[2];
    struct end ends[65] = {0};

    begin(0, 16);
    closed_count = 0;
    for (int i = 0; i < 64 + 2; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        struct conn *conn = conn_adopt(reactor, pair[0], &limits, &victim_events, &ends[i % 64]);
        if (i < 64)
            ck_assert_ptr_nonnull(conn);
        else
            ck_assert_ptr_null(conn);
        close(pair[1]);
    }
    reactor_stop(reactor);
    end();
    ck_assert_int_eq(closed_count, 64);
}
END_TEST

/* ---- descriptors run out ---- */

static struct rlimit old_limit;
static int late_accepts;

static void late_accepted(void *context, int fd)
{
    (void)context;
    late_accepts++;
    close(fd);
    reactor_stop(reactor);
}

static void more_descriptors(struct reactor_timer *timer)
{
    (void)timer;
    ck_assert_int_eq(late_accepts, 0);
    setrlimit(RLIMIT_NOFILE, &old_limit);
}

START_TEST(accept_goes_on_when_there_are_descriptors_again)
{
    const struct sockaddr *addr;
    socklen_t size;
    struct reactor_timer timer = {.run = more_descriptors};
    int fd = listen_at(AF_UNIX, &addr, &size);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    begin(mask_of(_i), 16);
    ck_assert_int_eq(reactor_listen(reactor, fd, NULL, late_accepted, NULL), 0);
    ck_assert_int_eq(connect(client, addr, size), 0);
    int next = dup(client);
    getrlimit(RLIMIT_NOFILE, &old_limit);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = old_limit.rlim_max};
    close(next);
    late_accepts = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    timer_set(reactor, &timer, reactor_now_ms(reactor) + 150);
    end();
    ck_assert_int_eq(late_accepts, 1);
    close(client);
}
END_TEST

/* ---- timers ---- */

static int fired[100], fired_count;
static struct reactor_timer timers[100];

static void fire(struct reactor_timer *timer)
{
    fired[fired_count++] = (int)(timer - timers);
    ck_assert_uint_ge(reactor_now_ms(reactor), timer->due_ms);
    if (fired_count == 50)
        reactor_stop(reactor);
}

START_TEST(timers_fire_in_order_unless_cancelled)
{
    struct prng prng;
    int order[100];

    begin(0, 16);
    fired_count = 0;
    memset(timers, 0, sizeof timers);
    prng_init(&prng, (uint64_t)_i);
    for (int i = 0; i < 100; i++)
        order[i] = i;
    for (int i = 99; i > 0; i--) {
        int j = (int)prng_below(&prng, (uint64_t)i + 1);
        int swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    uint64_t start_ms = reactor_now_ms(reactor);
    for (int i = 0; i < 100; i++) {
        timers[order[i]].run = fire;
        timer_set(reactor, &timers[order[i]], start_ms + 1000 + (uint64_t)i);
    }
    for (int i = 0; i < 100; i++) /* now timer i at i ms */
        timer_set(reactor, &timers[i], start_ms + (uint64_t)i);
    for (int i = 1; i < 100; i += 2) {
        timer_cancel(reactor, &timers[i]);
        timer_cancel(reactor, &timers[i]); /* twice is nothing */
    }
    end();
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(fired[i], 2 * i);
}
END_TEST

/* ---- messages and signals ---- */

#define POSTS   20000
#define POSTERS 4

struct poster {
    struct reactor_message message;
    _Atomic int written; /* the poster writes, the reactor reads */
    int seen, runs;
    pthread_t thread;
};

static struct poster posters[POSTERS];
static int posters_done;

static void drain(struct reactor_message *message)
{
    struct poster *p = CONTAINER_OF(message, struct poster, message);
    int written = atomic_load_explicit(&p->written, memory_order_relaxed);

    p->runs++;
    if (p->seen < POSTS && written == POSTS) {
        posters_done++;
        end_when(&posters_done, POSTERS);
    }
    p->seen = written;
}

static void *post(void *arg)
{
    struct poster *p = arg;

    for (int i = 1; i <= POSTS; i++) {
        atomic_store_explicit(&p->written, i, memory_order_relaxed); /* post orders it before run */
        reactor_post(reactor, &p->message);
    }
    return NULL;
}

START_TEST(no_message_is_lost)
{
    begin(mask_of(_i), 16);
    posters_done = 0;
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.message.run = drain};
        pthread_create(&posters[i].thread, NULL, post, &posters[i]);
    }
    end();
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        ck_assert_int_eq(posters[i].seen, POSTS);
        ck_assert_int_le(posters[i].runs, POSTS);
    }
}
END_TEST

/* ---- listening sockets ---- */

START_TEST(a_stale_socket_is_replaced_and_nothing_else)
{
    char path[200];
    struct stat st;

    snprintf(path, sizeof path, "%s/listen", temp_dir);
    int fd = socket_listen_unix(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(socket_listen_unix(path), -EADDRINUSE);
    close(fd);
    fd = socket_listen_unix(path); /* stale now */
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);

    FILE *file = fopen(path, "w");
    fputs("not ours", file);
    fclose(file);
    ck_assert_int_eq(socket_listen_unix(path), -EEXIST);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 8);
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(socket_listen_unix(path), -EEXIST);
    rmdir(path);
    ck_assert_int_eq(symlink("nowhere", path), 0);
    ck_assert_int_eq(socket_listen_unix(path), -EEXIST);
    unlink(path);

    char name[sizeof unix_addr.sun_path + 1];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    ck_assert_int_eq(socket_listen_unix(name), -ENAMETOOLONG);
    ck_assert_int_eq(socket_listen_unix(""), -ENAMETOOLONG);
    ck_assert_int_eq(socket_listen_unix("/nonexistent/socket"), -ENOENT);
}
END_TEST

int main(void)
{
    struct prng prng;

    if (!mkdtemp(temp_dir))
        abort();
    stream = xmalloc(STREAM_SIZE);
    prng_init(&prng, 1);
    prng_fill(&prng, stream, STREAM_SIZE);

    Suite *suite = suite_create("reactor");
    TCase *tcase = tcase_create("reactor");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, streams_arrive_whole_both_ways, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, payloads_go_straight_to_the_callers_buffer, 0, 2 * MASK_COUNT);
    tcase_add_loop_test(tcase, output_is_bounded_to_the_byte, 0, MASK_COUNT);
    tcase_add_test(tcase, the_kernels_buffers_are_as_agreed);
    tcase_add_loop_test(tcase, what_is_behind_a_place_waits_for_it, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, what_is_queued_at_the_stop_is_sent_unless_nobody_reads, 0, 2);
    tcase_add_loop_test(tcase, closing_with_requests_in_the_kernel_gives_everything_back, 0,
                        MASK_COUNT);
    tcase_add_loop_test(tcase, stop_closes_everything, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, a_reset_is_reported, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, a_refused_connect_is_reported, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, a_paused_connection_receives_nothing, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, few_buffers_serve_many_connections, 0, MASK_COUNT);
    tcase_add_test(tcase, no_more_connections_than_agreed);
    tcase_add_loop_test(tcase, accept_goes_on_when_there_are_descriptors_again, 0, MASK_COUNT);
    tcase_add_loop_test(tcase, timers_fire_in_order_unless_cancelled, 0, 5);
    tcase_add_loop_test(tcase, no_message_is_lost, 0, MASK_COUNT);
    tcase_add_test(tcase, a_stale_socket_is_replaced_and_nothing_else);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(unix_addr.sun_path);
    rmdir(temp_dir);
    free(stream);
    return failed != 0;
}
