#include "store/writer.h"
#include "base/arena.h"
#include <stdlib.h>

#define WRITE_COUNT_MAX  512 /* records in one write */
#define WRITE_SIZE_MAX   (32 * 1024 * 1024)
#define RECORD_COUNT_MAX 16384 /* that wait for a sync */

struct append_queue {
    struct append *first, *last;
};

/* A cycle of rule 4. */
enum cycle {
    CYCLE_NONE,
    CYCLE_SYNC_BLOCKS,
    CYCLE_WRITE_METADATA,
    CYCLE_SYNC_METADATA,
};

struct writer {
    struct writer_setup setup;
    struct disk_op write_op, repair_op, cycle_op; /* .file is NULL when not under way */
    struct iovec iov[2 * WRITE_COUNT_MAX];
    struct append_queue waiting, writing, repairs;
    uint64_t given_end, written_end, synced_end, metadata_end;
    uint64_t dirty_size;  /* written to blocks.bin since the last sync of it was submitted */
    uint64_t dirty_since; /* ms; 0: nothing waits for a sync */
    struct sync_wait *waits, **waits_end;
    struct sync_wait *cycle_waits;   /* those that the cycle under way answers */
    struct metadata_record *records; /* that wait for their block's sync, oldest first */
    size_t record_count, record_capacity;
    uint8_t *batch; /* records as they are written */
    size_t batch_size;
    enum cycle cycle;
    uint64_t cycle_end; /* what the sync under way covers */
    int error;          /* rule 5 */
    struct writer_stats stats;
};

#define WRITER_OF(op, member) ((struct writer *)((char *)(op)-offsetof(struct writer, member)))

static void push(struct append_queue *queue, struct append *append)
{
    append->next = NULL;
    if (queue->first == NULL)
        queue->first = append;
    else
        queue->last->next = append;
    queue->last = append;
}

static struct append *pop(struct append_queue *queue)
{
    struct append *append = queue->first;

    queue->first = append->next;
    return append;
}

static void fail(struct writer *writer, int error, const char *what)
{
    if (writer->error != 0)
        return;
    writer->error = error;
    if (writer->setup.on_error != NULL)
        writer->setup.on_error(writer->setup.context, error, what);
}

static void answer_appends(struct append_queue *queue, int error)
{
    while (queue->first != NULL) {
        struct append *append = pop(queue);

        append->done(append, error);
    }
}

static void answer_waits(struct writer *writer, struct sync_wait *waits)
{
    while (waits != NULL) {
        struct sync_wait *wait = waits;

        waits = wait->next; /* wait is its giver's again */
        wait->done(wait, writer->error, writer->synced_end);
    }
}

static void write_done(struct disk_op *op, int64_t result)
{
    struct writer *writer = WRITER_OF(op, write_op);
    struct append_queue written = writer->writing;

    op->file = NULL;
    writer->writing.first = NULL;
    if (result < 0) {
        fail(writer, (int)result, "writing " BLOCKS_NAME);
    } else {
        writer->written_end += (uint64_t)result;
        writer->dirty_size += (uint64_t)result;
        writer->stats.write_count++;
    }
    answer_appends(&written, writer->error);
}

/* Rule 2: as many of those waiting as one write takes. */
static void start_write(struct writer *writer)
{
    struct disk_op *op = &writer->write_op;
    size_t size = 0;
    uint32_t iov_count = 0;

    disk_op_init(op, DISK_WRITE, writer->setup.blocks, NULL, 0, writer->written_end, write_done);
    while (writer->waiting.first != NULL && iov_count < ARRAY_COUNT(writer->iov) &&
           (size == 0 || size + writer->waiting.first->block.size <= WRITE_SIZE_MAX)) {
        struct append *append = pop(&writer->waiting);

        writer->iov[iov_count++] = (struct iovec){append->framing, RECORD_HEADER_SIZE};
        writer->iov[iov_count++] = (struct iovec){(void *)append->block.data, append->block.size};
        size += RECORD_HEADER_SIZE + append->block.size;
        push(&writer->writing, append);
    }
    op->iov = writer->iov;
    op->iov_count = iov_count;
    disk_submit(writer->setup.disk, op);
}

static void repair_done(struct disk_op *op, int64_t result)
{
    struct writer *writer = WRITER_OF(op, repair_op);
    struct append *append = pop(&writer->repairs);

    op->file = NULL;
    if (result < 0)
        fail(writer, (int)result, "repairing a block in " BLOCKS_NAME);
    else
        writer->dirty_size += (uint64_t)result;
    append->done(append, writer->error);
}

static void start_repair(struct writer *writer)
{
    const struct append *append = writer->repairs.first;

    disk_op_init(&writer->repair_op, DISK_WRITE, writer->setup.blocks, (void *)append->block.data,
                 append->block.size, append->pos, repair_done);
    disk_submit(writer->setup.disk, &writer->repair_op);
}

static void cycle_done(struct disk_op *op, int64_t result);

static void start_cycle_op(struct writer *writer, enum cycle cycle, enum disk_kind kind,
                           struct disk_file *file)
{
    writer->cycle = cycle;
    disk_op_init(&writer->cycle_op, kind, file, writer->batch, writer->batch_size,
                 writer->metadata_end, cycle_done);
    disk_submit(writer->setup.disk, &writer->cycle_op);
}

/* Moves the records whose blocks are synced into the batch. */
static void fill_batch(struct writer *writer)
{
    size_t kept = 0;

    writer->batch_size = 0;
    writer->batch = xrealloc(writer->batch, writer->record_count * METADATA_RECORD_SIZE + 1);
    for (size_t i = 0; i < writer->record_count; i++) {
        struct metadata_record *record = &writer->records[i];

        if (record_end(record->pos, record->size) > writer->synced_end) {
            writer->records[kept++] = *record;
            continue;
        }
        record->synced_end = writer->synced_end;
        metadata_record_write(writer->batch + writer->batch_size, record, writer->setup.magic);
        writer->batch_size += METADATA_RECORD_SIZE;
    }
    writer->record_count = kept;
}

static void end_cycle(struct writer *writer)
{
    struct sync_wait *waits = writer->cycle_waits;

    writer->cycle = CYCLE_NONE;
    writer->cycle_waits = NULL;
    if (writer->error == 0 && writer->setup.on_synced != NULL)
        writer->setup.on_synced(writer->setup.context, writer->synced_end);
    answer_waits(writer, waits);
}

static void go_on_with_metadata(struct writer *writer)
{
    fill_batch(writer);
    if (writer->batch_size > 0)
        start_cycle_op(writer, CYCLE_WRITE_METADATA, DISK_WRITE, writer->setup.metadata);
    else
        end_cycle(writer);
}

static void cycle_done(struct disk_op *op, int64_t result)
{
    struct writer *writer = WRITER_OF(op, cycle_op);
    enum cycle was = writer->cycle;

    op->file = NULL;
    if (result < 0) {
        fail(writer, (int)result,
             was == CYCLE_SYNC_BLOCKS      ? "syncing " BLOCKS_NAME
             : was == CYCLE_WRITE_METADATA ? "writing " METADATA_NAME
                                           : "syncing " METADATA_NAME);
        end_cycle(writer);
        return;
    }
    switch (was) {
    case CYCLE_NONE:
        assert(false);
        break;
    case CYCLE_SYNC_BLOCKS:
        writer->synced_end = writer->cycle_end;
        writer->stats.sync_count++;
        go_on_with_metadata(writer);
        break;
    case CYCLE_WRITE_METADATA:
        writer->metadata_end += writer->batch_size;
        start_cycle_op(writer, CYCLE_SYNC_METADATA, DISK_SYNC, writer->setup.metadata);
        break;
    case CYCLE_SYNC_METADATA:
        end_cycle(writer);
        break;
    }
}

/* The waits whose appends and repairs are all written: the first ones, since their ends ascend. */
static struct sync_wait *take_ready_waits(struct writer *writer)
{
    struct sync_wait *ready = NULL;
    struct sync_wait **end = &ready;

    if (writer->repairs.first != NULL)
        return NULL;
    while (writer->waits != NULL && writer->waits->end <= writer->written_end) {
        *end = writer->waits;
        writer->waits = writer->waits->next;
        end = &(*end)->next;
        *end = NULL;
    }
    if (writer->waits == NULL)
        writer->waits_end = &writer->waits;
    return ready;
}

static void start_cycle(struct writer *writer)
{
    writer->cycle_waits = take_ready_waits(writer);
    writer->cycle_end = writer->written_end;
    writer->dirty_since = 0;
    if (writer->dirty_size > 0) {
        writer->dirty_size = 0;
        start_cycle_op(writer, CYCLE_SYNC_BLOCKS, DISK_SYNC, writer->setup.blocks);
    } else {
        go_on_with_metadata(writer);
    }
}

/* Rule 3. */
static bool is_sync_due(const struct writer *writer, uint64_t now_ms)
{
    bool is_awaited = writer->waits != NULL && writer->waits->end <= writer->written_end &&
                      writer->repairs.first == NULL;

    return is_awaited || writer->dirty_size >= WRITER_SYNC_SIZE ||
           writer->record_count >= RECORD_COUNT_MAX ||
           (writer->dirty_since != 0 && now_ms >= writer->dirty_since + WRITER_SYNC_MS);
}

/* Rule 5: what is under way ends by itself; everything else gets the error now. */
static void answer_with_error(struct writer *writer)
{
    struct sync_wait *waits = writer->waits;
    struct append_queue repairs = writer->repairs;

    writer->waits = NULL;
    writer->waits_end = &writer->waits;
    writer->record_count = 0;
    answer_appends(&writer->waiting, writer->error);
    if (writer->repair_op.file == NULL) {
        writer->repairs.first = NULL;
        answer_appends(&repairs, writer->error);
    }
    answer_waits(writer, waits);
}

int writer_tick(struct writer *writer, uint64_t now_ms)
{
    if (writer->error != 0) {
        answer_with_error(writer);
        return -1;
    }
    if (writer->write_op.file == NULL && writer->waiting.first != NULL)
        start_write(writer);
    if (writer->repair_op.file == NULL && writer->repairs.first != NULL)
        start_repair(writer);
    if (writer->dirty_size + writer->record_count == 0)
        writer->dirty_since = 0;
    else if (writer->dirty_since == 0)
        writer->dirty_since = now_ms + !now_ms;
    if (writer->cycle == CYCLE_NONE && is_sync_due(writer, now_ms))
        start_cycle(writer);
    if (writer->dirty_since == 0 || writer->cycle != CYCLE_NONE)
        return -1;
    return (int)(writer->dirty_since + WRITER_SYNC_MS - now_ms);
}

void writer_append(struct writer *writer, struct append *append)
{
    assert(append->pos == record_pos(writer->given_end));
    assert(append->block.size >= BLOCK_SIZE_MIN && append->block.size <= BLOCK_SIZE_MAX);
    record_header_write(append->framing, writer->setup.magic, (uint32_t)append->block.size);
    writer->given_end = record_end(append->pos, (uint32_t)append->block.size);
    writer->stats.append_count++;
    writer->stats.appended_size += RECORD_HEADER_SIZE + append->block.size;
    push(&writer->waiting, append);
}

void writer_repair(struct writer *writer, struct append *append)
{
    assert(record_end(append->pos, (uint32_t)append->block.size) <= writer->written_end);
    push(&writer->repairs, append);
}

void writer_record(struct writer *writer, const struct metadata_record *record)
{
    assert(record_end(record->pos, record->size) <= writer->given_end);
    if (writer->record_count == writer->record_capacity) {
        writer->record_capacity = writer->record_capacity ? 2 * writer->record_capacity : 1024;
        writer->records =
            xrealloc(writer->records, writer->record_capacity * sizeof *writer->records);
    }
    writer->records[writer->record_count++] = *record;
}

void writer_sync(struct writer *writer, struct sync_wait *wait)
{
    wait->next = NULL;
    wait->end = writer->given_end;
    *writer->waits_end = wait;
    writer->waits_end = &wait->next;
}

bool writer_is_idle(const struct writer *writer)
{
    return writer->waiting.first == NULL && writer->writing.first == NULL &&
           writer->repairs.first == NULL && writer->waits == NULL &&
           writer->write_op.file == NULL && writer->cycle == CYCLE_NONE;
}

struct writer_stats writer_stats(const struct writer *writer)
{
    struct writer_stats stats = writer->stats;

    stats.written_end = writer->written_end;
    stats.synced_end = writer->synced_end;
    return stats;
}

struct writer *writer_new(const struct writer_setup *setup)
{
    struct writer *writer = xcalloc(1, sizeof *writer);

    assert(setup->synced_end <= setup->blocks_end);
    writer->setup = *setup;
    writer->given_end = writer->written_end = setup->blocks_end;
    writer->synced_end = setup->synced_end;
    writer->dirty_size = setup->blocks_end - setup->synced_end;
    writer->metadata_end = setup->metadata_end;
    writer->waits_end = &writer->waits;
    return writer;
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    assert(writer_is_idle(writer));
    free(writer->records);
    free(writer->batch);
    free(writer);
}
