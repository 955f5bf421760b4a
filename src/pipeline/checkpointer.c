#include "pipeline/checkpointer.h"

#include "base/arena.h"
#include "ledger/undo.h"
#include <pthread.h>
#include <stdlib.h>

#define UNDO_QUEUED_MAX  ((size_t)32 << 20)
#define UNDO_FILE_BLOCKS 288
/* Stale records of forks count too: twice the blocks that a step back may need. */
#define UNDO_BLOCKS (2 * UNDO_RING_BLOCKS)
#define IMAGE_COUNT 2 /* one is written while the next is copied */

enum kind { KIND_UNDO, KIND_READ, KIND_IMAGE, KIND_ABANDON };

struct item {
    struct item *next;
    enum kind kind;
    int32_t height;
    struct block_hash hash;
    uint64_t *words;
    uint32_t count;
    struct shard_image *image;
    int result;   /* of a read */
    bool is_done; /* of what somebody waits for, whose item it is */
};

struct checkpointer {
    struct disk *disk;
    const struct ledger_key *key;
    uint32_t network, shard_count;
    struct waiter *waiter;
    pthread_t thread;

    /* the thread's */
    struct undo_ring *ring;
    struct checkpoint_writer *writer;
    uint32_t added_count;
    uint64_t added_size;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t is_given, is_worked;
    struct item *first, **last;
    size_t undo_queued; /* bytes */
    struct shard_image images[IMAGE_COUNT];
    bool is_image_taken[IMAGE_COUNT];
    struct checkpointer_status status;
    bool is_stopping;
};

static void give(struct checkpointer *cp, struct item *item)
{
    *cp->last = item;
    cp->last = &item->next;
    pthread_cond_signal(&cp->is_given);
}

static struct item *new_item(enum kind kind)
{
    struct item *item = xcalloc(1, sizeof *item);

    item->kind = kind;
    return item;
}

/* Rule 1: a record that is there already is of the same words, since positions never change. */
static int write_undo(struct checkpointer *cp, const struct item *item)
{
    return undo_has(cp->ring, &item->hash)
               ? 0
               : undo_append(cp->ring, item->height, &item->hash, item->words, item->count);
}

static void abandon(struct checkpointer *cp)
{
    if (cp->writer)
        checkpoint_abandon(cp->writer);
    cp->writer = NULL;
    cp->added_count = 0;
    cp->added_size = 0;
}

static int complete(struct checkpointer *cp)
{
    struct checkpoint_writer *writer = cp->writer;
    uint64_t sequence = 0;
    int error = undo_sync(cp->ring);

    if (error < 0)
        return error;
    cp->writer = NULL;
    error = checkpoint_commit(writer, &sequence);
    if (error < 0)
        return error;
    pthread_mutex_lock(&cp->mutex);
    cp->status.sequence = sequence;
    cp->status.written_count++;
    cp->status.size = cp->added_size;
    pthread_mutex_unlock(&cp->mutex);
    abandon(cp);
    return 0;
}

static int write_image(struct checkpointer *cp, const struct shard_image *image)
{
    int error = 0;

    if (!cp->writer) {
        pthread_mutex_lock(&cp->mutex);
        uint64_t whole = cp->status.sequence;
        pthread_mutex_unlock(&cp->mutex);
        error = checkpoint_begin(cp->disk, cp->key, cp->network, whole, &cp->writer);
    }
    if (error == 0)
        error = checkpoint_add(cp->writer, image);
    cp->added_count++;
    cp->added_size += image->size;
    if (error == 0 && cp->added_count == cp->shard_count)
        error = complete(cp);
    return error;
}

/* Rule 3: without the mutex, and only while nothing has failed. */
static int work(struct checkpointer *cp, struct item *item)
{
    switch (item->kind) {
    case KIND_UNDO:
        return write_undo(cp, item);
    case KIND_READ:
        item->result = undo_read(cp->ring, &item->hash, &item->words, &item->count);
        return 0;
    case KIND_IMAGE:
        return write_image(cp, item->image);
    case KIND_ABANDON:
        abandon(cp);
        return 0;
    }
    return 0;
}

/* Under the mutex. */
static void settle(struct checkpointer *cp, struct item *item)
{
    switch (item->kind) {
    case KIND_UNDO:
        cp->undo_queued -= item->count * sizeof *item->words;
        cp->status.undo_size += item->count * sizeof *item->words;
        free(item->words);
        break;
    case KIND_IMAGE:
        cp->status.image_size += item->image->size;
        cp->is_image_taken[item->image - cp->images] = false;
        break;
    case KIND_READ:
    case KIND_ABANDON:
        item->is_done = true;
        pthread_cond_broadcast(&cp->is_worked);
        return; /* the item is its waiter's */
    }
    free(item);
    pthread_cond_broadcast(&cp->is_worked);
}

static struct item *take(struct checkpointer *cp)
{
    struct item *item = cp->first;

    cp->first = item->next;
    if (!cp->first)
        cp->last = &cp->first;
    return item;
}

static void *checkpointer_main(void *argument)
{
    struct checkpointer *cp = argument;

    pthread_setname_np(pthread_self(), "checkpoint");
    pthread_mutex_lock(&cp->mutex);
    for (;;) {
        while (!cp->first && !cp->is_stopping)
            pthread_cond_wait(&cp->is_given, &cp->mutex);
        if (!cp->first)
            break;
        struct item *item = take(cp);
        int error = cp->status.error;
        pthread_mutex_unlock(&cp->mutex);
        if (error == 0)
            error = work(cp, item);
        else
            item->result = error;
        pthread_mutex_lock(&cp->mutex);
        cp->status.error = error;
        settle(cp, item);
        waiter_wake(cp->waiter, 1);
    }
    pthread_mutex_unlock(&cp->mutex);
    return NULL;
}

int checkpointer_start(struct checkpointer **result, struct disk *disk,
                       const struct ledger_key *key, uint32_t network, struct waiter *waiter)
{
    struct checkpointer *cp = xcalloc(1, sizeof *cp);
    int error = undo_open(disk, UNDO_BLOCKS, UNDO_FILE_BLOCKS, &cp->ring);

    if (error < 0) {
        free(cp);
        return error;
    }
    cp->disk = disk;
    cp->key = key;
    cp->network = network;
    cp->shard_count = key->shard_mask + 1;
    cp->waiter = waiter;
    cp->last = &cp->first;
    pthread_mutex_init(&cp->mutex, NULL);
    pthread_cond_init(&cp->is_given, NULL);
    pthread_cond_init(&cp->is_worked, NULL);
    error = pthread_create(&cp->thread, NULL, checkpointer_main, cp);
    assert(error == 0);
    *result = cp;
    return 0;
}

int checkpointer_stop(struct checkpointer *cp)
{
    pthread_mutex_lock(&cp->mutex);
    cp->is_stopping = true;
    pthread_cond_signal(&cp->is_given);
    pthread_mutex_unlock(&cp->mutex);
    pthread_join(cp->thread, NULL);

    int error = cp->status.error;
    if (cp->writer)
        abandon(cp);
    undo_close(cp->ring);
    for (size_t i = 0; i < IMAGE_COUNT; i++)
        shard_image_clear(&cp->images[i]);
    pthread_mutex_destroy(&cp->mutex);
    pthread_cond_destroy(&cp->is_given);
    pthread_cond_destroy(&cp->is_worked);
    free(cp);
    return error;
}

void checkpointer_undo(struct checkpointer *cp, int32_t height, const struct block_hash *hash,
                       uint64_t *words, uint32_t count)
{
    struct item *item = new_item(KIND_UNDO);

    item->height = height;
    item->hash = *hash;
    item->words = words;
    item->count = count;
    pthread_mutex_lock(&cp->mutex);
    while (cp->undo_queued > UNDO_QUEUED_MAX)
        pthread_cond_wait(&cp->is_worked, &cp->mutex);
    cp->undo_queued += count * sizeof *words;
    give(cp, item);
    pthread_mutex_unlock(&cp->mutex);
}

bool checkpointer_has_room(struct checkpointer *cp)
{
    pthread_mutex_lock(&cp->mutex);
    bool has_room = cp->undo_queued <= UNDO_QUEUED_MAX / 4; /* for the words of a whole fold */
    pthread_mutex_unlock(&cp->mutex);
    return has_room;
}

static void give_and_wait(struct checkpointer *cp, struct item *item)
{
    pthread_mutex_lock(&cp->mutex);
    give(cp, item);
    while (!item->is_done)
        pthread_cond_wait(&cp->is_worked, &cp->mutex);
    pthread_mutex_unlock(&cp->mutex);
}

int checkpointer_read_undo(struct checkpointer *cp, const struct block_hash *hash, uint64_t **words,
                           uint32_t *count)
{
    struct item item = {.kind = KIND_READ, .hash = *hash};

    give_and_wait(cp, &item);
    *words = item.words;
    *count = item.count;
    return item.result;
}

void checkpointer_set_whole(struct checkpointer *cp, uint64_t sequence)
{
    pthread_mutex_lock(&cp->mutex);
    cp->status.sequence = sequence;
    pthread_mutex_unlock(&cp->mutex);
}

static struct shard_image *free_image(struct checkpointer *cp)
{
    for (size_t i = 0; i < IMAGE_COUNT; i++)
        if (!cp->is_image_taken[i])
            return &cp->images[i];
    return NULL;
}

struct shard_image *checkpointer_image(struct checkpointer *cp, bool may_wait)
{
    struct shard_image *image;

    pthread_mutex_lock(&cp->mutex);
    while (!(image = free_image(cp)) && may_wait)
        pthread_cond_wait(&cp->is_worked, &cp->mutex);
    if (may_wait && cp->status.error)
        image = NULL;
    pthread_mutex_unlock(&cp->mutex);
    return image;
}

void checkpointer_add(struct checkpointer *cp, struct shard_image *image)
{
    struct item *item = new_item(KIND_IMAGE);

    item->image = image;
    pthread_mutex_lock(&cp->mutex);
    cp->is_image_taken[image - cp->images] = true;
    give(cp, item);
    pthread_mutex_unlock(&cp->mutex);
}

void checkpointer_abandon(struct checkpointer *cp)
{
    struct item item = {.kind = KIND_ABANDON};

    give_and_wait(cp, &item);
}

struct checkpointer_status checkpointer_status(struct checkpointer *cp)
{
    pthread_mutex_lock(&cp->mutex);
    struct checkpointer_status status = cp->status;
    pthread_mutex_unlock(&cp->mutex);
    return status;
}
