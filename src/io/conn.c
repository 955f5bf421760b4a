#include "base/arena.h"
#include "io/reactor_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_SIZE  4096 /* what conn_send copies is gathered in chunks of at least this */
#define SEND_CHUNKS 16   /* in one send */

/* A piece of output: bytes of ours after the struct, or borrowed ones. */
struct chunk {
    struct chunk *next;
    const uint8_t *data;         /* NULL: a place, its bytes are not there yet */
    size_t size, sent, capacity; /* capacity 0: borrowed */
    void (*release)(void *context);
    void *context;
    uint8_t copy[];
};

struct conn {
    struct reactor *reactor;
    const struct conn_events *events;
    void *owner;
    struct conn *next_touched;
    uint32_t slot;
    int fd;
    int error;
    uint8_t pending; /* requests whose last completion is not in: connect, receive, send */
    bool is_touched, is_connecting, is_connect_sent, is_closing, is_cancelled, is_finishing,
        is_paused, is_ended;

    bool is_receiving, is_receive_cancelled, is_receive_multishot;
    uint8_t *receive_to; /* the armed receive writes here; NULL: to a shared buffer */
    uint8_t *own_buffer; /* without shared buffers */
    uint8_t *into;
    size_t into_size, into_have;

    bool is_sending;
    size_t output_max, output_size;
    struct chunk *first, *last;
    struct msghdr message;
    struct iovec parts[SEND_CHUNKS];

    socklen_t addr_size;
    struct sockaddr_storage addr; /* of conn_connect */
};

static void touch(struct conn *conn)
{
    if (conn->is_touched)
        return;
    conn->is_touched = true;
    conn->next_touched = conn->reactor->touched;
    conn->reactor->touched = conn;
}

struct conn *conn_next_touched(struct reactor *reactor)
{
    struct conn *conn = reactor->touched;

    if (conn) {
        reactor->touched = conn->next_touched;
        conn->is_touched = false;
    }
    return conn;
}

static void fail(struct conn *conn, int error)
{
    if (conn->is_closing)
        return;
    conn->is_closing = true;
    conn->error = error;
    touch(conn);
}

/* ---- output ---- */

static void chunk_free(struct chunk *chunk)
{
    if (chunk->release)
        chunk->release(chunk->context);
    free(chunk);
}

static struct chunk *chunk_append(struct conn *conn, size_t capacity)
{
    struct chunk *chunk = xmalloc(sizeof *chunk + capacity);

    *chunk = (struct chunk){.data = chunk->copy, .capacity = capacity};
    if (conn->last)
        conn->last->next = chunk;
    else
        conn->first = chunk;
    conn->last = chunk;
    return chunk;
}

static bool has_room(struct conn *conn, size_t size)
{
    return !conn->is_closing && !conn->is_finishing && size <= conn->output_max - conn->output_size;
}

bool conn_send(struct conn *conn, struct bytes data)
{
    struct chunk *chunk = conn->last;

    if (!has_room(conn, data.size))
        return false;
    if (data.size == 0)
        return true;
    if (!chunk || chunk->capacity - chunk->size < data.size || chunk->capacity == 0)
        chunk = chunk_append(conn, data.size > CHUNK_SIZE ? data.size : CHUNK_SIZE);
    memcpy(chunk->copy + chunk->size, data.data, data.size);
    chunk->size += data.size;
    conn->output_size += data.size;
    touch(conn);
    return true;
}

bool conn_send_borrowed(struct conn *conn, struct bytes data, void (*release)(void *context),
                        void *context)
{
    if (!has_room(conn, data.size))
        return false;

    struct chunk *chunk = chunk_append(conn, 0);
    chunk->data = data.data;
    chunk->size = data.size;
    chunk->release = release;
    chunk->context = context;
    conn->output_size += data.size;
    touch(conn);
    return true;
}

struct conn_place *conn_send_place(struct conn *conn, size_t size)
{
    assert(size > 0);
    if (!has_room(conn, size))
        return NULL;

    struct chunk *chunk = chunk_append(conn, 0);
    chunk->data = NULL;
    chunk->size = size;
    conn->output_size += size;
    return (struct conn_place *)chunk;
}

void conn_place_fill(struct conn *conn, struct conn_place *place, const uint8_t *data,
                     void (*release)(void *context), void *context)
{
    struct chunk *chunk = (struct chunk *)place;

    assert(!chunk->data);
    chunk->data = data;
    chunk->release = release;
    chunk->context = context;
    touch(conn);
}

size_t conn_output_size(const struct conn *conn)
{
    return conn->output_size;
}

static void start_send(struct conn *conn)
{
    struct io_uring_sqe *sqe = uring_sqe(&conn->reactor->uring);
    size_t count = 0;

    for (struct chunk *chunk = conn->first; chunk && chunk->data && count < SEND_CHUNKS;
         chunk = chunk->next)
        conn->parts[count++] = (struct iovec){.iov_base = (void *)(chunk->data + chunk->sent),
                                              .iov_len = chunk->size - chunk->sent};
    conn->message = (struct msghdr){.msg_iov = conn->parts, .msg_iovlen = count};
    io_uring_prep_sendmsg(sqe, conn->fd, &conn->message, MSG_NOSIGNAL);
    sqe->user_data = slot_user_data(conn->reactor, conn->slot, OP_SEND);
    conn->is_sending = true;
    conn->pending++;
}

static void send_complete(struct conn *conn, int result)
{
    conn->is_sending = false;
    if (conn->is_closing)
        return;
    if (result < 0 && result != -EAGAIN && result != -EINTR) {
        fail(conn, result);
        return;
    }
    size_t sent = result > 0 ? (size_t)result : 0;
    conn->output_size -= sent;
    while (conn->first && sent >= conn->first->size - conn->first->sent) {
        struct chunk *chunk = conn->first;
        sent -= chunk->size - chunk->sent;
        conn->first = chunk->next;
        if (!conn->first)
            conn->last = NULL;
        chunk_free(chunk);
    }
    if (conn->first)
        conn->first->sent += sent;
    else if (!conn->is_finishing && conn->events->drained)
        conn->events->drained(conn->owner);
}

/* ---- input ---- */

static void start_receive(struct conn *conn)
{
    struct reactor *reactor = conn->reactor;
    struct io_uring_sqe *sqe = uring_sqe(&reactor->uring);
    uint32_t features = reactor->uring.features;

    conn->is_receive_multishot = false;
    conn->receive_to = NULL;
    if (conn->into) {
        conn->receive_to = conn->into + conn->into_have;
        io_uring_prep_recv(sqe, conn->fd, conn->receive_to, conn->into_size - conn->into_have, 0);
    } else if (!(features & URING_BUFFER_RING)) {
        if (!conn->own_buffer)
            conn->own_buffer = xmalloc(reactor->options.buffer_size);
        conn->receive_to = conn->own_buffer;
        io_uring_prep_recv(sqe, conn->fd, conn->own_buffer, reactor->options.buffer_size, 0);
    } else {
        conn->is_receive_multishot = features & URING_MULTISHOT_RECV;
        if (conn->is_receive_multishot)
            io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
        else
            io_uring_prep_recv(sqe, conn->fd, NULL, reactor->options.buffer_size, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = BUFFER_GROUP;
    }
    sqe->user_data = slot_user_data(reactor, conn->slot, OP_RECEIVE);
    conn->is_receiving = true;
    conn->is_receive_cancelled = false;
    conn->pending++;
}

/* Some bytes of into are there: copied, or received in place. */
static void into_advance(struct conn *conn, size_t size)
{
    conn->into_have += size;
    if (conn->into_have < conn->into_size)
        return;
    conn->into = NULL;
    conn->events->filled(conn->owner);
}

static void deliver(struct conn *conn, struct bytes data)
{
    while (data.size > 0 && !conn->is_closing && !conn->is_finishing) {
        if (!conn->into) {
            conn->events->received(conn->owner, data);
            return;
        }
        size_t left = conn->into_size - conn->into_have;
        size_t size = data.size < left ? data.size : left;
        memcpy(conn->into + conn->into_have, data.data, size);
        data = bytes_sub(data, size, data.size - size);
        into_advance(conn, size);
    }
}

static void receive_failed(struct conn *conn, int error, bool was_multishot)
{
    if (error == -EINVAL && was_multishot)
        conn->reactor->uring.features &= ~(uint32_t)URING_MULTISHOT_RECV;
    else if (error != -ENOBUFS && error != -ECANCELED && error != -EAGAIN && error != -EINTR)
        fail(conn, error);
}

static void receive_complete(struct conn *conn, int result, uint32_t flags)
{
    const struct reactor_options *options = &conn->reactor->options;
    uint8_t *to = conn->receive_to;
    bool has_shared = flags & IORING_CQE_F_BUFFER;
    uint16_t index = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);

    if (!(flags & IORING_CQE_F_MORE))
        conn->is_receiving = false;
    if (conn->is_closing) {
        /* nobody listens any more */
    } else if (result < 0) {
        receive_failed(conn, result, conn->is_receive_multishot);
    } else if (result == 0) {
        conn->is_ended = true;
        if (!conn->is_finishing)
            conn->events->received(conn->owner, (struct bytes){NULL, 0});
    } else if (to && to != conn->own_buffer) {
        into_advance(conn, (size_t)result);
    } else {
        const uint8_t *data =
            has_shared ? conn->reactor->buffers + (size_t)index * options->buffer_size : to;
        deliver(conn, (struct bytes){data, (size_t)result});
    }
    if (has_shared)
        buffer_return(conn->reactor, index);
}

void conn_receive_into(struct conn *conn, uint8_t *buffer, size_t size)
{
    assert(size > 0 && !conn->into);
    conn->into = buffer;
    conn->into_size = size;
    conn->into_have = 0;
    touch(conn);
}

size_t conn_received_into(const struct conn *conn)
{
    return conn->into ? conn->into_have : 0;
}

void conn_pause(struct conn *conn)
{
    conn->is_paused = true;
    touch(conn);
}

void conn_resume(struct conn *conn)
{
    conn->is_paused = false;
    touch(conn);
}

/* ---- life ---- */

static void destroy(struct conn *conn)
{
    void (*closed)(void *owner, int error) = conn->events->closed;
    void *owner = conn->owner;
    int error = conn->error;

    while (conn->first) {
        struct chunk *chunk = conn->first;
        conn->first = chunk->next;
        chunk_free(chunk);
    }
    close(conn->fd);
    slot_give(conn->reactor, conn->slot);
    conn->reactor->conn_count--;
    free(conn->own_buffer);
    free(conn);
    closed(owner, error);
}

/* The kernel is asked to give everything up; after shutdown no request on the socket can wait
 * either. */
static void cancel_all(struct conn *conn)
{
    if (conn->is_cancelled)
        return;
    conn->is_cancelled = true;
    shutdown(conn->fd, SHUT_RDWR);
    if (conn->reactor->uring.features & URING_CANCEL_FD) {
        struct io_uring_sqe *sqe = uring_sqe(&conn->reactor->uring);
        io_uring_prep_cancel_fd(sqe, conn->fd, IORING_ASYNC_CANCEL_ALL);
        sqe->user_data = OP_NONE;
        return;
    }
    if (conn->is_connecting)
        slot_cancel(conn->reactor, conn->slot, OP_CONNECT);
    if (conn->is_receiving)
        slot_cancel(conn->reactor, conn->slot, OP_RECEIVE);
    if (conn->is_sending)
        slot_cancel(conn->reactor, conn->slot, OP_SEND);
}

static void step_receive(struct conn *conn)
{
    bool is_wanted = !conn->is_ended && !conn->is_paused;
    bool is_direct = conn->receive_to && conn->receive_to != conn->own_buffer;

    if (!conn->is_receiving) {
        if (is_wanted)
            start_receive(conn);
    } else if ((!is_wanted || (conn->into && !is_direct)) && !conn->is_receive_cancelled) {
        conn->is_receive_cancelled = true;
        slot_cancel(conn->reactor, conn->slot, OP_RECEIVE);
    }
}

void conn_step(struct conn *conn)
{
    if (!conn->is_closing && conn->is_finishing && !conn->first)
        conn->is_closing = true;
    if (conn->is_closing) {
        if (conn->pending == 0)
            destroy(conn);
        else
            cancel_all(conn);
        return;
    }
    if (conn->is_connecting) {
        if (conn->is_connect_sent)
            return;
        struct io_uring_sqe *sqe = uring_sqe(&conn->reactor->uring);
        io_uring_prep_connect(sqe, conn->fd, (struct sockaddr *)&conn->addr, conn->addr_size);
        sqe->user_data = slot_user_data(conn->reactor, conn->slot, OP_CONNECT);
        conn->is_connect_sent = true;
        conn->pending++;
        return;
    }
    if (conn->first && conn->first->data && !conn->is_sending)
        start_send(conn);
    step_receive(conn);
}

static void complete(void *object, enum op op, int result, uint32_t flags)
{
    struct conn *conn = object;

    if (!(flags & IORING_CQE_F_MORE))
        conn->pending--;
    touch(conn); /* so that the next step submits what follows, or frees */
    if (op == OP_SEND) {
        send_complete(conn, result);
    } else if (op == OP_RECEIVE) {
        receive_complete(conn, result, flags);
    } else {
        conn->is_connecting = false;
        if (result < 0)
            fail(conn, result);
        else if (!conn->is_closing && conn->events->connected)
            conn->events->connected(conn->owner);
    }
}

void conn_close(struct conn *conn)
{
    fail(conn, 0);
}

void conn_finish(struct conn *conn)
{
    conn->is_finishing = true;
    touch(conn);
}

static void stop(void *object, bool is_now)
{
    struct conn *conn = object;

    if (is_now || conn->is_connecting)
        conn_close(conn);
    else
        conn_finish(conn);
}

static void set_options(int fd, const struct conn_limits *limits)
{
    int one = 1;

    /* Failures leave the system's defaults, which also work; unix sockets have no TCP options. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (limits->notsent_lowat)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limits->notsent_lowat, sizeof(int));
    if (limits->send_buffer)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &limits->send_buffer, sizeof(int));
    if (limits->receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &limits->receive_buffer, sizeof(int));
}

struct conn *conn_adopt(struct reactor *reactor, int fd, const struct conn_limits *limits,
                        const struct conn_events *events, void *owner)
{
    struct conn *conn = xcalloc(1, sizeof *conn);

    if (!reactor_is_stopping(reactor) && reactor->conn_count < reactor->options.conn_max)
        conn->slot = slot_take(reactor, complete, stop, conn);
    if (!conn->slot) {
        free(conn);
        close(fd);
        return NULL;
    }
    reactor->conn_count++;
    conn->reactor = reactor;
    conn->fd = fd;
    conn->events = events;
    conn->owner = owner;
    conn->output_max = limits->output_max;
    set_options(fd, limits);
    touch(conn);
    return conn;
}

struct conn *conn_connect(struct reactor *reactor, const struct sockaddr *addr, socklen_t addr_size,
                          const struct conn_limits *limits, const struct conn_events *events,
                          void *owner)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || addr_size > sizeof((struct conn *)0)->addr) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct conn *conn = conn_adopt(reactor, fd, limits, events, owner);
    if (!conn)
        return NULL;
    memcpy(&conn->addr, addr, addr_size);
    conn->addr_size = addr_size;
    conn->is_connecting = true;
    return conn;
}

bool conn_has_vanished(const struct conn *conn)
{
    struct pollfd state = {.fd = conn->fd};

    return poll(&state, 1, 0) == 1 && state.revents & (POLLHUP | POLLERR);
}

int conn_peer_address(const struct conn *conn, struct sockaddr *addr, socklen_t *size)
{
    return getpeername(conn->fd, addr, size) == 0 ? 0 : -errno;
}
