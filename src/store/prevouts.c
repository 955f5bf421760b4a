#include "store/prevouts.h"
#include "chain/params.h"
#include "codec/compact.h"
#include <stdlib.h>

#define PAGE        4096
#define BUFFER_SIZE ((size_t)3 * PAGE) /* holds any coin's TxOut */
#define TXOUT_USUAL 100                /* of most of them the size is less */

_Static_assert(8 + COMPACT_SIZE_MAX + TXOUT_SCRIPT_MAX <= BUFFER_SIZE, "a read gets a whole TxOut");

struct buffer {
    struct disk_op op; /* first */
    struct prevouts *prevouts;
    struct buffer *next; /* in the list of free ones */
    struct prevout_request *request;
    size_t first, count; /* of request->reads */
    uint64_t pos;
    uint8_t *data;
};

struct prevouts {
    struct disk *disk;
    struct disk_file *file;
    struct buffer *buffers, *free;
    uint8_t *memory;
    struct prevout_request *first, *last; /* that have reads to be submitted */
    struct prevouts_stats stats;
};

enum txout_result txout_parse(struct txout *txout, struct bytes data)
{
    struct cursor cursor = cursor_of(data);

    txout->amount_sat = (int64_t)cursor_le64(&cursor);
    if (!cursor_ok(&cursor))
        return TXOUT_SHORT;
    if (!money_in_range(txout->amount_sat))
        return TXOUT_BAD;

    bool has_size =
        cursor_left(&cursor) >= 1 && cursor_left(&cursor) >= (*cursor.at < 0xfd ? 1 : 3);

    if (!has_size)
        return TXOUT_SHORT;

    uint64_t size = compact_read(&cursor);

    if (!cursor_ok(&cursor) || size > TXOUT_SCRIPT_MAX)
        return TXOUT_BAD;
    txout->script_pubkey = cursor_take(&cursor, size);
    txout->raw = (struct bytes){data.data, (size_t)(cursor.at - data.data)};
    return cursor_ok(&cursor) ? TXOUT_OK : TXOUT_SHORT;
}

static int by_position(const void *a, const void *b)
{
    const struct prevout_read *x = a;
    const struct prevout_read *y = b;

    return x->pos < y->pos ? -1 : x->pos > y->pos;
}

/* Nothing more is submitted for the request. */
static void fail(struct prevout_request *request, int error, uint64_t pos)
{
    if (request->error != 0)
        return;
    request->error = error;
    request->bad_pos = pos;
    request->cursor = request->count;
}

static int copy_txout(struct txout *txout, struct arena *arena)
{
    uint8_t *copy = arena_alloc(arena, txout->raw.size);

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, txout->raw.data, txout->raw.size);
    txout->raw.data = copy;
    txout->script_pubkey.data = copy + txout->raw.size - txout->script_pubkey.size;
    return 0;
}

/* Takes one TxOut out of what was read from its position on. */
static void take(struct prevouts *prevouts, struct prevout_request *request,
                 struct prevout_read *read, struct bytes data)
{
    enum txout_result result = txout_parse(&read->txout, data);
    int error = result == TXOUT_OK ? copy_txout(&read->txout, request->arena) : -EBADMSG;

    if (result == TXOUT_SHORT && !request->is_second_pass) {
        read->is_open = true;
        request->open_count++;
    } else if (error < 0) {
        fail(request, error, read->pos);
    } else {
        prevouts->stats.txout_count++;
    }
}

static void push(struct prevouts *prevouts, struct prevout_request *request)
{
    request->next = NULL;
    if (prevouts->first == NULL)
        prevouts->first = request;
    else
        prevouts->last->next = request;
    prevouts->last = request;
}

/* Only the first request of the queue has some reads submitted and some not. */
static void pop_if_submitted(struct prevouts *prevouts)
{
    if (prevouts->first != NULL && prevouts->first->cursor == prevouts->first->count)
        prevouts->first = prevouts->first->next;
}

/* When the last read of a request is in. */
static void finish(struct prevouts *prevouts, struct prevout_request *request)
{
    if (request->error == 0 && request->open_count > 0) {
        request->is_second_pass = true;
        request->cursor = 0;
        push(prevouts, request);
        return;
    }
    prevouts->stats.request_count--;
    request->done(request, request->error);
}

static void submit_all(struct prevouts *prevouts);

static void read_done(struct disk_op *op, int64_t result)
{
    struct buffer *buffer = (struct buffer *)op;
    struct prevouts *prevouts = buffer->prevouts;
    struct prevout_request *request = buffer->request;

    if (result < 0)
        fail(request, (int)result, buffer->pos);
    for (size_t i = 0; i < buffer->count && request->error == 0; i++) {
        struct prevout_read *read = &request->reads[buffer->first + i];
        uint64_t offset = read->pos - buffer->pos;
        size_t size = offset < (uint64_t)result ? (size_t)((uint64_t)result - offset) : 0;

        take(prevouts, request, read, (struct bytes){buffer->data + (size > 0 ? offset : 0), size});
    }
    buffer->next = prevouts->free;
    prevouts->free = buffer;
    request->in_flight--;
    pop_if_submitted(prevouts);
    if (request->in_flight == 0 && request->cursor == request->count)
        finish(prevouts, request);
    submit_all(prevouts);
}

/* Chooses what the next read of the request gets and returns the size of that read. */
static size_t choose(struct prevout_request *request, struct buffer *buffer)
{
    struct prevout_read *reads = request->reads;
    size_t first = request->cursor;
    size_t end;

    if (request->is_second_pass) {
        while (!reads[first].is_open)
            first++;
        reads[first].is_open = false;
        end = first + 1;
        request->cursor = --request->open_count > 0 ? end : request->count;
        buffer->pos = reads[first].pos;
        buffer->first = first;
        buffer->count = 1;
        return BUFFER_SIZE;
    }

    uint64_t page_end = (reads[first].pos / PAGE + 1) * PAGE;

    for (end = first + 1; end < request->count && reads[end].pos < page_end; end++) {
    }
    if (reads[end - 1].pos + TXOUT_USUAL > page_end) /* it would need a second read */
        page_end += PAGE;
    request->cursor = end;
    buffer->pos = reads[first].pos;
    buffer->first = first;
    buffer->count = end - first;
    return (size_t)(page_end - buffer->pos);
}

static void submit_all(struct prevouts *prevouts)
{
    while (prevouts->free != NULL && prevouts->first != NULL) {
        struct prevout_request *request = prevouts->first;

        if (request->cursor ==
            request->count) { /* all submitted, or failed: the last read finishes it */
            prevouts->first = request->next;
            continue;
        }

        struct buffer *buffer = prevouts->free;
        size_t size = choose(request, buffer);

        prevouts->free = buffer->next;
        buffer->request = request;
        request->in_flight++;
        prevouts->stats.read_count++;
        prevouts->stats.read_size += size;
        disk_op_init(&buffer->op, DISK_READ_MAX, prevouts->file, buffer->data, size, buffer->pos,
                     read_done);
        buffer->op.priority = DISK_URGENT;
        disk_submit(prevouts->disk, &buffer->op);
        pop_if_submitted(prevouts);
    }
}

void prevouts_read(struct prevouts *prevouts, struct prevout_request *request)
{
    assert(request->count > 0);
    qsort(request->reads, request->count, sizeof request->reads[0], by_position);
    for (size_t i = 0; i < request->count; i++)
        request->reads[i].is_open = false;
    request->cursor = request->in_flight = request->open_count = 0;
    request->is_second_pass = false;
    request->error = 0;
    prevouts->stats.request_count++;
    push(prevouts, request);
    submit_all(prevouts);
}

struct prevouts *prevouts_new(struct disk *disk, struct disk_file *file, size_t buffer_count)
{
    struct prevouts *prevouts = xcalloc(1, sizeof *prevouts);

    assert(buffer_count > 0);
    prevouts->disk = disk;
    prevouts->file = file;
    prevouts->memory = xmalloc(buffer_count * BUFFER_SIZE);
    prevouts->buffers = xcalloc(buffer_count, sizeof *prevouts->buffers);
    for (size_t i = 0; i < buffer_count; i++) {
        struct buffer *buffer = &prevouts->buffers[i];

        buffer->prevouts = prevouts;
        buffer->data = prevouts->memory + i * BUFFER_SIZE;
        buffer->next = prevouts->free;
        prevouts->free = buffer;
    }
    return prevouts;
}

void prevouts_free(struct prevouts *prevouts)
{
    if (prevouts == NULL)
        return;
    assert(prevouts->stats.request_count == 0);
    free(prevouts->buffers);
    free(prevouts->memory);
    free(prevouts);
}

struct prevouts_stats prevouts_stats(const struct prevouts *prevouts)
{
    return prevouts->stats;
}
