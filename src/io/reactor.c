#include "io/reactor.h"

#include "base/arena.h"
#include "base/clock.h"
#include "io/reactor_private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define SQ_ENTRIES      1024
#define CQ_ENTRIES      8192
#define LISTENER_MAX    16
#define FLUSH_MS        1000 /* for the output that is queued at reactor_stop */
#define ACCEPT_RETRY_MS 100  /* after accept failed for want of descriptors or memory */

_Static_assert(REACTOR_WHY_SIZE == URING_WHY_SIZE, "reactor_new hands uring_open's text on");

/* ---- slots ---- */

uint32_t slot_take(struct reactor *reactor,
                   void (*complete)(void *object, enum op op, int result, uint32_t flags),
                   void (*close)(void *object, bool is_now), void *object)
{
    uint32_t index = reactor->first_free;

    if (!index)
        return 0;
    struct slot *slot = &reactor->slots[index];
    reactor->first_free = slot->next_free;
    reactor->slots_used++;
    slot->complete = complete;
    slot->close = close;
    slot->object = object;
    return index;
}

void slot_give(struct reactor *reactor, uint32_t index)
{
    struct slot *slot = &reactor->slots[index];

    slot->complete = NULL;
    slot->object = NULL;
    slot->generation++;
    slot->next_free = reactor->first_free;
    reactor->first_free = index;
    reactor->slots_used--;
}

uint64_t slot_user_data(const struct reactor *reactor, uint32_t index, enum op op)
{
    return (uint64_t)reactor->slots[index].generation << 32 | (uint64_t)op << 24 | index;
}

void slot_cancel(struct reactor *reactor, uint32_t index, enum op op)
{
    struct io_uring_sqe *sqe = uring_sqe(&reactor->uring);

    io_uring_prep_cancel64(sqe, slot_user_data(reactor, index, op), 0);
    sqe->user_data = OP_NONE;
}

static void dispatch(struct reactor *reactor, uint64_t user_data, int result, uint32_t flags)
{
    uint32_t index = user_data & 0xffffff;
    enum op op = user_data >> 24 & 0xff;

    if (op == OP_NONE)
        return;
    assert(index < reactor->slot_count);
    const struct slot *slot = &reactor->slots[index];
    assert(slot->complete && slot->generation == user_data >> 32);
    slot->complete(slot->object, op, result, flags);
}

/* ---- shared receive buffers ---- */

void buffer_return(struct reactor *reactor, uint16_t index)
{
    int mask = io_uring_buf_ring_mask(reactor->options.buffer_count);

    io_uring_buf_ring_add(reactor->buffer_ring,
                          reactor->buffers + (size_t)index * reactor->options.buffer_size,
                          reactor->options.buffer_size, index, mask, 0);
    io_uring_buf_ring_advance(reactor->buffer_ring, 1);
}

static size_t buffer_ring_size(const struct reactor *reactor)
{
    return reactor->options.buffer_count * sizeof(struct io_uring_buf);
}

static size_t buffers_size(const struct reactor *reactor)
{
    return (size_t)reactor->options.buffer_count * reactor->options.buffer_size;
}

static void buffers_free(struct reactor *reactor)
{
    if (!reactor->buffer_ring)
        return;
    munmap(reactor->buffer_ring, buffer_ring_size(reactor));
    munmap(reactor->buffers, buffers_size(reactor));
    reactor->buffer_ring = NULL;
}

/* Without them (an old or forbidding kernel) each connection has a buffer of its own. */
static void buffers_new(struct reactor *reactor)
{
    uint32_t *features = &reactor->uring.features;

    if (!(*features & URING_BUFFER_RING))
        return;
    void *ring = mmap(NULL, buffer_ring_size(reactor), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *buffers = mmap(NULL, buffers_size(reactor), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED || buffers == MAP_FAILED)
        abort(); /* as xmalloc */
    reactor->buffer_ring = ring;
    reactor->buffers = buffers;

    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)ring,
        .ring_entries = reactor->options.buffer_count,
        .bgid = BUFFER_GROUP,
    };
    if (io_uring_register_buf_ring(&reactor->uring.ring, &reg, 0) != 0) {
        *features &= ~(uint32_t)(URING_BUFFER_RING | URING_MULTISHOT_RECV);
        buffers_free(reactor);
        return;
    }
    io_uring_buf_ring_init(ring);
    for (uint32_t i = 0; i < reactor->options.buffer_count; i++)
        buffer_return(reactor, (uint16_t)i);
}

/* ---- timers: a heap by due time ---- */

static void timer_place(struct reactor *reactor, struct reactor_timer *timer, uint32_t index)
{
    reactor->timers[index] = timer;
    timer->heap_index = index;
}

static void timer_sift(struct reactor *reactor, struct reactor_timer *timer, uint32_t index)
{
    struct reactor_timer **heap = reactor->timers;

    while (index > 1 && heap[index / 2]->due_ms > timer->due_ms) {
        timer_place(reactor, heap[index / 2], index);
        index /= 2;
    }
    for (uint32_t child = index * 2; child <= reactor->timer_count; child = index * 2) {
        if (child < reactor->timer_count && heap[child + 1]->due_ms < heap[child]->due_ms)
            child++;
        if (heap[child]->due_ms >= timer->due_ms)
            break;
        timer_place(reactor, heap[child], index);
        index = child;
    }
    timer_place(reactor, timer, index);
}

void timer_cancel(struct reactor *reactor, struct reactor_timer *timer)
{
    uint32_t index = timer->heap_index;

    if (!index)
        return;
    timer->heap_index = 0;
    struct reactor_timer *last = reactor->timers[reactor->timer_count--];
    if (last != timer)
        timer_sift(reactor, last, index);
}

void timer_set(struct reactor *reactor, struct reactor_timer *timer, uint64_t due_ms)
{
    timer_cancel(reactor, timer);
    if (reactor->timer_count + 1 >= reactor->timer_capacity) {
        reactor->timer_capacity = reactor->timer_capacity ? reactor->timer_capacity * 2 : 64;
        reactor->timers =
            xrealloc(reactor->timers, reactor->timer_capacity * sizeof(struct reactor_timer *));
    }
    timer->due_ms = due_ms;
    timer_sift(reactor, timer, ++reactor->timer_count);
}

/* Those due now; one that sets itself anew waits for the next turn. */
static void run_timers(struct reactor *reactor)
{
    for (uint32_t left = reactor->timer_count; left > 0 && reactor->timer_count > 0; left--) {
        struct reactor_timer *timer = reactor->timers[1];

        if (timer->due_ms > reactor->now_ms)
            return;
        timer_cancel(reactor, timer);
        timer->run(timer);
    }
}

/* ---- messages ---- */

static void arm_wake(struct reactor *reactor)
{
    struct io_uring_sqe *sqe = uring_sqe(&reactor->uring);

    io_uring_prep_read(sqe, reactor->wake_fd, &reactor->wake_value, sizeof reactor->wake_value, 0);
    sqe->user_data = slot_user_data(reactor, 0, OP_WAKE);
    reactor->own_pending++;
}

static void wake(struct reactor *reactor)
{
    uint64_t one = 1;
    ssize_t result;

    do
        result = write(reactor->wake_fd, &one, sizeof one);
    while (result < 0 && errno == EINTR);
    assert(result == sizeof one);
}

void reactor_post(struct reactor *reactor, struct reactor_message *message)
{
    /* Pairs with the exchange in run_messages: who finds it posted knows that run comes after this.
     */
    if (atomic_exchange_explicit(&message->is_posted, true, memory_order_acq_rel))
        return;
    message->next = NULL;
    pthread_mutex_lock(&reactor->mutex);
    bool was_empty = !reactor->first_message;
    if (was_empty)
        reactor->first_message = message;
    else
        reactor->last_message->next = message;
    reactor->last_message = message;
    if (was_empty)
        wake(reactor);
    pthread_mutex_unlock(&reactor->mutex);
}

static void run_messages(struct reactor *reactor)
{
    pthread_mutex_lock(&reactor->mutex);
    struct reactor_message *message = reactor->first_message;
    reactor->first_message = NULL;
    pthread_mutex_unlock(&reactor->mutex);

    while (message) {
        struct reactor_message *next = message->next;
        atomic_exchange_explicit(&message->is_posted, false, memory_order_acq_rel);
        message->run(message);
        message = next;
    }
}

bool reactor_is_stopping(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->is_stopping, memory_order_acquire);
}

void reactor_stop(struct reactor *reactor)
{
    atomic_store_explicit(&reactor->is_stopping, true, memory_order_release);
    wake(reactor);
}

static void own_complete(void *object, enum op op, int result, uint32_t flags)
{
    struct reactor *reactor = object;

    (void)op, (void)result, (void)flags;
    reactor->own_pending--;
    if (!reactor_is_stopping(reactor)) /* the messages themselves are run once a turn */
        arm_wake(reactor);
}

/* ---- listeners ---- */

struct listener {
    struct reactor *reactor;
    void (*accepted)(void *context, int fd);
    void *context;
    uint32_t slot;
    int fd;
    bool is_pending, is_multishot, is_closing;
    struct reactor_timer retry;
};

static void listener_free(struct listener *listener)
{
    timer_cancel(listener->reactor, &listener->retry);
    slot_give(listener->reactor, listener->slot);
    close(listener->fd);
    free(listener);
}

static void listener_arm(struct listener *listener)
{
    struct reactor *reactor = listener->reactor;
    struct io_uring_sqe *sqe = uring_sqe(&reactor->uring);

    listener->is_multishot = reactor->uring.features & URING_MULTISHOT_ACCEPT;
    if (listener->is_multishot)
        io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = slot_user_data(reactor, listener->slot, OP_ACCEPT);
    listener->is_pending = true;
}

static void listener_retry(struct reactor_timer *timer)
{
    listener_arm(CONTAINER_OF(timer, struct listener, retry));
}

static void listener_complete(void *object, enum op op, int result, uint32_t flags)
{
    struct listener *listener = object;
    struct reactor *reactor = listener->reactor;

    (void)op;
    listener->is_pending = flags & IORING_CQE_F_MORE;
    if (listener->is_closing) {
        if (result >= 0)
            close(result);
        if (!listener->is_pending)
            listener_free(listener);
        return;
    }
    if (!listener->is_pending) {
        if (result == -EINVAL && listener->is_multishot)
            reactor->uring.features &= ~(uint32_t)URING_MULTISHOT_ACCEPT;
        else if (result < 0 && result != -ECONNABORTED && result != -EINTR)
            timer_set(reactor, &listener->retry, reactor->now_ms + ACCEPT_RETRY_MS);
        if (!listener->retry.heap_index)
            listener_arm(listener);
    }
    if (result >= 0)
        listener->accepted(listener->context, result);
}

void listener_close(struct listener *listener)
{
    if (listener->is_closing)
        return;
    listener->is_closing = true;
    if (listener->is_pending)
        slot_cancel(listener->reactor, listener->slot, OP_ACCEPT);
    else
        listener_free(listener);
}

static void listener_stop(void *object, bool is_now)
{
    (void)is_now;
    listener_close(object);
}

int reactor_listen(struct reactor *reactor, int fd, struct listener **out,
                   void (*accepted)(void *context, int fd), void *context)
{
    struct listener *listener = xcalloc(1, sizeof *listener);

    listener->slot = slot_take(reactor, listener_complete, listener_stop, listener);
    if (!listener->slot) {
        free(listener);
        close(fd);
        return -EMFILE;
    }
    listener->reactor = reactor;
    listener->accepted = accepted;
    listener->context = context;
    listener->fd = fd;
    listener->retry.run = listener_retry;
    listener_arm(listener);
    if (out)
        *out = listener;
    return 0;
}

/* ---- the loop ---- */

uint64_t reactor_now_ms(const struct reactor *reactor)
{
    return reactor->now_ms;
}

uint32_t reactor_features(const struct reactor *reactor)
{
    return reactor->uring.features;
}

static void run_completions(struct reactor *reactor)
{
    struct io_uring *ring = &reactor->uring.ring;
    struct io_uring_cqe *cqe;

    /* Only those there now: timers and messages have their turn too. */
    for (unsigned left = io_uring_cq_ready(ring); left > 0; left--) {
        if (io_uring_peek_cqe(ring, &cqe) != 0)
            return;
        uint64_t user_data = cqe->user_data;
        int result = cqe->res;
        uint32_t flags = cqe->flags;
        io_uring_cqe_seen(ring, cqe);
        dispatch(reactor, user_data, result, flags);
    }
}

static bool is_empty(const struct reactor *reactor)
{
    return reactor->slots_used == 0 && reactor->own_pending == 0;
}

static int turn(struct reactor *reactor)
{
    struct conn *conn;
    int64_t timeout_ms = -1;

    while ((conn = conn_next_touched(reactor)) != NULL)
        conn_step(conn);
    if (reactor->timer_count > 0) {
        uint64_t due_ms = reactor->timers[1]->due_ms;
        timeout_ms = due_ms > reactor->now_ms ? (int64_t)(due_ms - reactor->now_ms) : 0;
    }
    if (reactor_is_stopping(reactor) && is_empty(reactor))
        timeout_ms = 0;
    int error = uring_enter(&reactor->uring, timeout_ms);
    if (error)
        return error;
    reactor->now_ms = clock_monotonic_us() / 1000;
    run_completions(reactor);
    run_timers(reactor);
    run_messages(reactor);
    return 0;
}

static void close_all(struct reactor *reactor, bool is_now)
{
    for (uint32_t i = 1; i < reactor->slot_count; i++)
        if (reactor->slots[i].complete)
            reactor->slots[i].close(reactor->slots[i].object, is_now);
}

static void flush_over(struct reactor_timer *timer)
{
    (void)timer; /* that it is not set any more says it */
}

int reactor_run(struct reactor *reactor)
{
    int error = uring_enable(&reactor->uring);

    while (!error && !reactor_is_stopping(reactor))
        error = turn(reactor);
    if (error)
        return error;

    slot_cancel(reactor, 0, OP_WAKE);
    close_all(reactor, false);
    struct reactor_timer flush = {.run = flush_over};
    timer_set(reactor, &flush, reactor->now_ms + FLUSH_MS);
    while (!error && !is_empty(reactor) && flush.heap_index)
        error = turn(reactor);
    timer_cancel(reactor, &flush);
    close_all(reactor, true);
    while (!error && !is_empty(reactor))
        error = turn(reactor);
    return error;
}

int reactor_new(struct reactor **out, const struct reactor_options *options,
                char why[REACTOR_WHY_SIZE])
{
    struct reactor *reactor = xcalloc(1, sizeof *reactor);
    static const uint8_t operations[] = {IORING_OP_READ,    IORING_OP_ASYNC_CANCEL,
                                         IORING_OP_ACCEPT,  IORING_OP_CONNECT,
                                         IORING_OP_SENDMSG, IORING_OP_RECV};
    const struct uring_options ring = {.entries = SQ_ENTRIES,
                                       .cq_entries = CQ_ENTRIES,
                                       .without = options->without,
                                       .operations = operations,
                                       .operation_count = ARRAY_COUNT(operations),
                                       .sqe_flags = IOSQE_BUFFER_SELECT};
    int error = uring_open(&reactor->uring, &ring, why);

    if (error) {
        free(reactor);
        return error;
    }
    reactor->options = *options;
    reactor->now_ms = clock_monotonic_us() / 1000;
    reactor->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (reactor->wake_fd < 0) {
        error = -errno;
        strcpy(why, "no descriptor is left: raise the limit (ulimit -n)");
        uring_close(&reactor->uring);
        free(reactor);
        return error;
    }
    pthread_mutex_init(&reactor->mutex, NULL);

    reactor->slot_count = options->conn_max + LISTENER_MAX + 1;
    assert(reactor->slot_count <= 0xffffff);
    reactor->slots = xcalloc(reactor->slot_count, sizeof *reactor->slots);
    for (uint32_t i = reactor->slot_count - 1; i > 0; i--) {
        reactor->slots[i].next_free = reactor->first_free;
        reactor->first_free = i;
    }
    reactor->slots[0].complete = own_complete;
    reactor->slots[0].object = reactor;
    buffers_new(reactor);
    arm_wake(reactor);
    *out = reactor;
    return 0;
}

void reactor_free(struct reactor *reactor)
{
    uring_close(&reactor->uring);
    buffers_free(reactor);
    close(reactor->wake_fd);
    pthread_mutex_destroy(&reactor->mutex);
    free(reactor->timers);
    free(reactor->slots);
    free(reactor);
}
