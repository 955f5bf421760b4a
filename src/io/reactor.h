/* reactor.h - the one io_uring of the reactor thread: connections, listeners, timers and
 * messages from other threads, as callbacks on that thread. Thread: reactor_new anywhere, then one
 * thread calls reactor_run and everything else from its callbacks (or before reactor_run, on that
 * same thread); only reactor_post and reactor_stop are for any thread. Callbacks are never nested
 * in calls: what a call sets off is reported from the loop.
 *
 *     connecting --connected--> open --conn_finish, all sent--> closing --last completion--> closed
 *          error, conn_close: from each of them to closing
 *
 * Errors are -errno. */
#ifndef IO_REACTOR_H
#define IO_REACTOR_H
#include "io/uring_features.h"

#include <sys/socket.h>

struct reactor;
struct listener;
struct conn;

struct reactor_options {
    uint32_t without;      /* features not to be used (uring_features.h) */
    uint32_t conn_max;     /* connections at once, those still closing included */
    uint32_t buffer_count; /* shared receive buffers, a power of two up to 32768 */
    uint32_t buffer_size;  /* of each */
};

/* Creates the ring, disabled. 0, or -errno with one line in why, WHY_SIZE bytes: where io_uring is
 * forbidden it names by what and the remedy. */
#define REACTOR_WHY_SIZE 256
MUST_CHECK int reactor_new(struct reactor **reactor, const struct reactor_options *options,
                           char why[REACTOR_WHY_SIZE]);
/* Runs until reactor_stop, then closes every listener, and every connection once its queued output
 * is sent, at most a second later; their closed callbacks come. Returns when the last completion is
 * in: 0, or the error that ended it. */
MUST_CHECK int reactor_run(struct reactor *reactor);
void reactor_stop(struct reactor *reactor); /* any thread, also a callback */
void reactor_free(struct reactor *reactor);

uint64_t
reactor_now_ms(const struct reactor *reactor); /* monotonic, taken once a turn of the loop */
uint32_t reactor_features(const struct reactor *reactor);

/* ---- messages from any thread ---- */

/* Embedded in what is sent. A message that is still waiting is not queued twice, so that one can
 * serve as a wake-up: post it after each ring_push and let run drain the ring. The owner does not
 * touch it between post and run, except to post it again. */
struct reactor_message {
    void (*run)(struct reactor_message *message);
    struct reactor_message *next; /* reactor's */
    _Atomic bool is_posted;       /* set by post, cleared before run */
};
void reactor_post(struct reactor *reactor, struct reactor_message *message);

/* ---- timers ---- */

/* Embedded in what waits; zeroed before the first use. It fires once; run may set it again. */
struct reactor_timer {
    void (*run)(struct reactor_timer *timer);
    uint64_t due_ms;
    uint32_t heap_index; /* reactor's: place in the heap from 1, 0 when not set */
};
/* Sets, or sets anew, to fire at due_ms (of reactor_now_ms). */
void timer_set(struct reactor *reactor, struct reactor_timer *timer, uint64_t due_ms);
void timer_cancel(struct reactor *reactor, struct reactor_timer *timer);

/* ---- listeners ---- */

/* Takes fd, a listening socket. Each connection is handed over as a descriptor that the callback
 * takes: conn_adopt or close. */
MUST_CHECK int reactor_listen(struct reactor *reactor, int fd, struct listener **listener,
                              void (*accepted)(void *context, int fd), void *context);
void listener_close(
    struct listener *listener); /* no callback after this; the descriptor is closed */

/* ---- connections ---- */

struct conn_events {
    void (*connected)(void *owner); /* of conn_connect */
    /* Bytes from the other side, valid for the call. Empty: the other side sends no more (it may
     * still read); comes once. */
    void (*received)(void *owner, struct bytes data);
    void (*filled)(void *owner);  /* the buffer of conn_receive_into is full */
    void (*drained)(void *owner); /* everything queued has been sent */
    /* The last call: the connection is gone and nothing given to it is in use any more. error: 0
     * after conn_close, conn_finish or reactor_stop, else what ended it. */
    void (*closed)(void *owner, int error);
};

struct conn_limits {
    size_t output_max; /* bytes queued and not yet sent */
    int send_buffer;   /* SO_SNDBUF, SO_RCVBUF and TCP_NOTSENT_LOWAT; 0 leaves the system's */
    int receive_buffer;
    int notsent_lowat;
};

/* Takes fd, a connected stream socket (on failure too, where it is closed); receiving begins at
 * once. NULL when conn_max is reached. */
MUST_CHECK struct conn *conn_adopt(struct reactor *reactor, int fd,
                                   const struct conn_limits *limits,
                                   const struct conn_events *events, void *owner);
/* Begins to connect; connected or closed follows. NULL when conn_max is reached or no socket can be
 * had. */
MUST_CHECK struct conn *conn_connect(struct reactor *reactor, const struct sockaddr *addr,
                                     socklen_t addr_size, const struct conn_limits *limits,
                                     const struct conn_events *events, void *owner);

/* Copies data to the output queue. False, and nothing is queued, when output_max would be passed or
 * the connection is closing. */
MUST_CHECK bool conn_send(struct conn *conn, struct bytes data);
/* The same without a copy: release(context) is called once, when data is not needed any more; after
 * false at once by nobody: data is still the caller's. */
MUST_CHECK bool conn_send_borrowed(struct conn *conn, struct bytes data,
                                   void (*release)(void *context), void *context);
/* A place in the queue for size bytes (more than 0) that are still being made; what is queued
 * behind waits for them. NULL as false above. They are given by conn_place_fill, as to
 * conn_send_borrowed, at any time before closed is called, or never. */
struct conn_place;
MUST_CHECK struct conn_place *conn_send_place(struct conn *conn, size_t size);
void conn_place_fill(struct conn *conn, struct conn_place *place, const uint8_t *data,
                     void (*release)(void *context), void *context);
size_t conn_output_size(const struct conn *conn); /* queued and not yet sent, with places */

/* The next size bytes go straight to buffer, which the caller leaves alone until filled or closed;
 * then received continues. Bytes that were received already are copied there first. size > 0; one
 * at a time; may be called in received for what follows the data of that call. */
void conn_receive_into(struct conn *conn, uint8_t *buffer, size_t size);
size_t conn_received_into(const struct conn *conn); /* how much of it is there */

/* Stops and restarts receiving. What is on its way into shared buffers still comes after a pause.
 */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* Ends it now. After this only closed is called. */
void conn_close(struct conn *conn);
/* Ends it when the output queue is sent; receives no more. */
void conn_finish(struct conn *conn);

/* Whether the other side has closed altogether (not only ended its sending) or reset: to be asked
 * while receiving is paused and so nothing is reported. */
bool conn_has_vanished(const struct conn *conn);

/* The other side's address; *size is updated. */
MUST_CHECK int conn_peer_address(const struct conn *conn, struct sockaddr *addr, socklen_t *size);
#endif
