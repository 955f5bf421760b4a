/* receive.c - a connection's bytes on their way in: messages to messages.c, blocks into a job that
 * holds a credit. Large messages are checked by workers while the connection goes on receiving;
 * what comes behind one waits in a queue, so that all are handled in the order in which they were
 * sent. A peer is held up (nothing more is read from it) while a block of it waits for its job,
 * while its queue has more than ARRIVALS_SIZE_MAX bytes of memory that no credit stands for, and
 * while it has more than UNREAD_MAX of our answers to read. */
#include "base/arena.h"
#include "net/net_private.h"

#include <stdlib.h>

#define ARRIVALS_SIZE_MAX ((size_t)1 << 20)
#define UNREAD_MAX        ((size_t)6 << 20) /* more than serving blocks ever queues */

/* A message that a worker checks, or one behind such. */
struct arrival {
    struct work work;
    struct net_task task;
    struct arrival *next;
    struct peer *peer;
    enum message_type type;
    bool is_block, is_checked;
    enum transport_verdict verdict;
    struct transport_check check;
    struct block_job *job; /* a large block is in its buffer */
    uint8_t *memory;       /* anything else is in memory of its own */
    struct bytes payload;
};

static void arrival_free(struct arrival *arrival)
{
    if (arrival->job)
        pipeline_release(arrival->job);
    free(arrival->memory);
    free(arrival);
}

static struct arrival *arrival_append(struct peer *peer, enum message_type type, bool is_block)
{
    struct arrival *arrival = xcalloc(1, sizeof *arrival);

    arrival->peer = peer;
    arrival->type = type;
    arrival->is_block = is_block;
    *(peer->last_arrival ? &peer->last_arrival->next : &peer->first_arrival) = arrival;
    peer->last_arrival = arrival;
    return arrival;
}

static void arrival_pop(struct peer *peer)
{
    struct arrival *arrival = peer->first_arrival;

    peer->first_arrival = arrival->next;
    if (!peer->first_arrival)
        peer->last_arrival = NULL;
    if (arrival->memory)
        peer->arrivals_size -= arrival->payload.size;
    arrival_free(arrival);
}

/* A whole block of which the checksum of its message is known, or NULL. False: there is no job for
 * it now. */
static bool block_in(struct peer *peer, struct bytes payload, const uint8_t *checksum)
{
    if (payload.size < HEADER_SIZE)
        return true;
    struct block_job *job = blocks_reserve(peer, payload.size);
    if (!job)
        return false;
    memcpy(job->buffer, payload.data, payload.size);
    blocks_received(peer, job, checksum);
    return true;
}

/* False: it has to wait. */
static bool arrival_handle(struct peer *peer, struct arrival *arrival)
{
    const uint8_t *checksum = arrival->check.is_v2 ? NULL : arrival->check.checksum;
    struct block_job *job = arrival->job;

    if (arrival->verdict == TRANSPORT_CLOSE)
        peer_close(peer, "packet not authentic");
    if (arrival->verdict == TRANSPORT_DROP && job)
        blocks_spoilt(peer, job->buffer);
    if (arrival->verdict != TRANSPORT_GOOD)
        return true;
    if (arrival->is_block && !job)
        return block_in(peer, arrival->payload, checksum);
    if (arrival->is_block) {
        peer_log_packet(peer, "->", MESSAGE_BLOCK, arrival->payload);
        arrival->job = NULL;
        blocks_received(peer, job, checksum);
    } else {
        messages_in(peer, arrival->type, arrival->payload);
    }
    return true;
}

static void handle_arrivals(struct peer *peer)
{
    while (peer->first_arrival && peer->first_arrival->is_checked && !peer->is_closing) {
        if (!arrival_handle(peer, peer->first_arrival))
            return;
        arrival_pop(peer);
    }
}

static void check_run(struct work *work, struct worker *worker)
{
    struct arrival *arrival = (struct arrival *)work;

    arrival->verdict = transport_check_run(&arrival->check, worker->aead);
}

static void check_done(struct work *work)
{
    struct arrival *arrival = (struct arrival *)work;

    net_post(arrival->peer->net, &arrival->task);
}

static void check_finish(struct net *net, struct net_task *task)
{
    struct arrival *arrival = CONTAINER_OF(task, struct arrival, task);
    struct peer *peer = arrival->peer;

    (void)net;
    arrival->is_checked = arrival->work.is_run;
    if (peer->is_gone) {
        arrival_free(arrival);
    } else {
        handle_arrivals(peer);
        receive_resume(peer);
    }
    peer_work_done(peer);
}

/* By a worker; where they have too much to do already, here. */
static void check(struct arrival *arrival)
{
    struct net *net = arrival->peer->net;

    arrival->work = (struct work){.run = check_run, .done = check_done};
    arrival->task.finish = check_finish;
    if (work_push(&net->gate, &arrival->work)) {
        arrival->peer->works++;
    } else {
        arrival->verdict = transport_check_run(&arrival->check, net->env.aead);
        arrival->is_checked = true;
    }
}

static void large_done(struct peer *peer, const struct transport_message *message)
{
    bool is_block = message->type == MESSAGE_BLOCK && peer->handshake.is_done;
    struct arrival *arrival = arrival_append(peer, message->type, is_block);

    transport_check(peer->transport, &arrival->check);
    arrival->payload = message->payload;
    arrival->job = peer->job;
    peer->job = NULL;
    if (!arrival->job) {
        arrival->memory = transport_take(peer->transport);
        peer->arrivals_size += arrival->payload.size;
    }
    check(arrival);
    handle_arrivals(peer);
}

/* One that is known to be right, behind others that are not yet. */
static void queue(struct peer *peer, enum message_type type, struct bytes payload, bool is_block,
                  const uint8_t *checksum)
{
    struct arrival *arrival = arrival_append(peer, type, is_block);

    arrival->memory = xmalloc(payload.size + 1);
    if (payload.size)
        memcpy(arrival->memory, payload.data, payload.size);
    arrival->payload = (struct bytes){arrival->memory, payload.size};
    peer->arrivals_size += payload.size;
    arrival->check.is_v2 = !checksum;
    if (checksum)
        memcpy(arrival->check.checksum, checksum, sizeof arrival->check.checksum);
    arrival->is_checked = true;
}

static void small_in(struct peer *peer, enum message_type type, struct bytes payload)
{
    bool is_block = type == MESSAGE_BLOCK && peer->handshake.is_done;
    const uint8_t *checksum = transport_checksum(peer->transport);

    if (is_block)
        peer_log_packet(peer, "->", type, payload);
    if (peer->first_arrival || (is_block && !block_in(peer, payload, checksum)))
        queue(peer, type, payload, is_block, checksum);
    else if (!is_block)
        messages_in(peer, type, payload);
}

/* Of a peer that owes us blocks; what others send has to be whole before it gets a credit. */
static bool large_begins(struct peer *peer, size_t size)
{
    peer->job = blocks_reserve(peer, size);
    peer->wanted_size = peer->job ? 0 : size;
    if (peer->job)
        transport_place(peer->transport, peer->job->buffer);
    return peer->job != NULL;
}

/* Whether nothing more is to be taken from the peer for now. */
static bool is_full(const struct peer *peer)
{
    const struct arrival *first = peer->first_arrival;

    return peer->wanted_size || peer->arrivals_size > ARRIVALS_SIZE_MAX ||
           conn_output_size(peer->conn) > UNREAD_MAX ||
           (first && first->is_checked); /* a block waits for its job */
}

static void handle(struct peer *peer, enum transport_event event,
                   const struct transport_message *message)
{
    if (event == TRANSPORT_LARGE_DONE)
        large_done(peer, message);
    else if (event == TRANSPORT_MESSAGE)
        small_in(peer, message->type, message->payload);
    else if (message->type == MESSAGE_BLOCK && peer->download.in_flight > 0)
        large_begins(peer, message->payload.size);
}

/* The rest of what came waits; no more is read. */
static void hold(struct peer *peer, struct bytes rest)
{
    if (!peer->is_held)
        conn_pause(peer->conn);
    peer->is_held = true;
    if (rest.size == 0)
        return;
    peer->held = xrealloc(peer->held, peer->held_size + rest.size);
    memcpy(peer->held + peer->held_size, rest.data, rest.size);
    peer->held_size += rest.size;
}

static void process(struct peer *peer, struct bytes data)
{
    struct transport_message message;
    size_t room;

    while (!peer->is_closing) {
        if (is_full(peer)) {
            hold(peer, data);
            return;
        }
        enum transport_event event = transport_receive(peer->transport, &data, &message);

        if (event == TRANSPORT_MORE)
            break;
        if (event == TRANSPORT_BROKEN)
            peer_close(peer, "%s", transport_error(peer->transport));
        else
            handle(peer, event, &message);
    }
    if (peer->is_closing)
        return;
    peer_flush_handshake(peer);
    transport_trim(peer->transport);
    uint8_t *at = transport_room(peer->transport, &room);
    if (room && !peer->is_closing)
        conn_receive_into(peer->conn, at, room);
}

void receive_resume(struct peer *peer)
{
    if (!peer->is_held || peer->is_closing)
        return;
    if (peer->wanted_size && !large_begins(peer, peer->wanted_size))
        return;
    handle_arrivals(peer);
    if (is_full(peer) || peer->is_closing)
        return;
    uint8_t *held = peer->held;
    struct bytes data = {held, peer->held_size};

    peer->held = NULL;
    peer->held_size = 0;
    peer->is_held = false;
    process(peer, data);
    free(held);
    if (!peer->is_held && !peer->is_closing)
        conn_resume(peer->conn);
}

void receive_bytes(struct peer *peer, struct bytes data)
{
    if (peer->is_held)
        hold(peer, data);
    else
        process(peer, data);
}

size_t receive_filled(struct peer *peer)
{
    size_t size;

    transport_room(peer->transport, &size);
    transport_filled(peer->transport, size);
    process(peer, (struct bytes){NULL, 0});
    return size;
}

void receive_peer_gone(struct peer *peer)
{
    struct arrival *arrival = peer->first_arrival;

    while (arrival) {
        struct arrival *next = arrival->next;

        if (arrival->is_checked) /* else it is freed when it is home */
            arrival_free(arrival);
        arrival = next;
    }
    peer->first_arrival = peer->last_arrival = NULL;
    if (peer->job)
        pipeline_release(peer->job);
    free(peer->held);
}
