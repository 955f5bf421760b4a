/* reactor_private.h - what reactor.c and conn.c share: slots and the list of touched connections.
 *
 * 1. Everything that submits requests has a slot. A request's user_data is its slot, the slot's
 * generation and which of the owner's requests it is; a slot is given back only after its last
 * completion.
 * 2. Calls change only the connection's state and touch it; conn_step, once a turn of the loop,
 * submits what the state asks for. So nothing is reported from inside a call, and a turn's output
 * goes out in one send. */
#ifndef IO_REACTOR_PRIVATE_H
#define IO_REACTOR_PRIVATE_H
#include "io/reactor.h"
#include "io/uring.h"

#include <pthread.h>

enum op { OP_NONE, OP_WAKE, OP_ACCEPT, OP_CONNECT, OP_RECEIVE, OP_SEND };

struct slot {
    void (*complete)(void *object, enum op op, int result, uint32_t flags); /* NULL: free */
    void (*close)(void *object, bool is_now);                               /* at reactor_stop */
    void *object;
    uint32_t generation;
    uint32_t next_free;
};

struct reactor {
    struct uring uring;
    struct reactor_options options;
    uint64_t now_ms;

    struct slot *slots; /* slot 0 is the reactor's own */
    uint32_t slot_count, slots_used, first_free, conn_count;
    struct conn *touched;

    struct io_uring_buf_ring *buffer_ring; /* NULL without the feature */
    uint8_t *buffers;

    struct reactor_timer **timers; /* a heap, from index 1 */
    uint32_t timer_count, timer_capacity;

    pthread_mutex_t mutex; /* guards the two below */
    struct reactor_message *first_message, *last_message;
    int wake_fd;
    uint64_t wake_value; /* the kernel writes it */
    uint32_t own_pending;
    _Atomic bool is_stopping; /* any thread sets, the reactor reads */
};

#define BUFFER_GROUP 0

/* A slot, or 0 when all are taken. */
uint32_t slot_take(struct reactor *reactor,
                   void (*complete)(void *object, enum op op, int result, uint32_t flags),
                   void (*close)(void *object, bool is_now), void *object);
void slot_give(struct reactor *reactor, uint32_t slot);
uint64_t slot_user_data(const struct reactor *reactor, uint32_t slot, enum op op);
/* Asks the kernel to give up this request; its completion comes all the same. */
void slot_cancel(struct reactor *reactor, uint32_t slot, enum op op);

/* Gives a shared receive buffer back to the kernel. */
void buffer_return(struct reactor *reactor, uint16_t index);

bool reactor_is_stopping(const struct reactor *reactor);

void conn_step(struct conn *conn);
/* Takes the first off the list of touched ones; NULL when it is empty. */
struct conn *conn_next_touched(struct reactor *reactor);
#endif
