#include "io/simdisk.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/disk_backend.h"
#include "io/simfs.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define KIND_COUNT (DISK_RESERVE + 1)

struct simdisk {
    pthread_mutex_t mutex;
    struct simfs *fs;
    struct prng prng;
    uint64_t stamp;   /* counts submissions and changes: which came first */
    uint64_t changes; /* simdisk_changes */
    uint64_t crash_at;
    uint64_t boot; /* disks of an earlier one are dead */
    bool has_crashed;
    bool is_short, is_delayed;
    uint64_t capacity;
    struct {
        uint64_t nth; /* 0: none */
        int error;
    } failures[KIND_COUNT];
};

struct sim_disk {
    struct disk base; /* first */
    struct simdisk *sim;
    uint64_t boot;
    pthread_cond_t cond;
    bool is_woken;
    struct disk_op **started; /* in the order of submission */
    size_t started_count, started_capacity;
};

struct sim_file {
    struct disk_file base; /* first */
    struct simfile *file;
    bool is_writable;
};

static bool is_dead(const struct sim_disk *disk)
{
    return disk->sim->has_crashed || disk->boot != disk->sim->boot;
}

/* Counts a change that is about to happen; true if it is the machine's last. */
static bool count_change(struct simdisk *sim)
{
    if (++sim->changes == sim->crash_at)
        sim->has_crashed = true;
    return sim->has_crashed;
}

static int64_t read_part(struct simfile *file, const struct disk_op *op, uint64_t limit)
{
    uint64_t moved = 0;

    for (uint32_t i = 0; i < op->iov_count && moved < limit; i++) {
        uint64_t want = op->iov[i].iov_len < limit - moved ? op->iov[i].iov_len : limit - moved;
        size_t got = simfile_read(file, op->offset + moved, op->iov[i].iov_base, want);

        moved += got;
        if (got < want)
            break;
    }
    return (int64_t)moved;
}

static int64_t write_part(struct simdisk *sim, struct simfile *file, const struct disk_op *op,
                          uint64_t limit)
{
    uint64_t used = simfs_used(sim->fs);
    uint64_t end_max = simfile_size(file) + (sim->capacity > used ? sim->capacity - used : 0);
    uint64_t moved = 0;

    if (limit > 0 && op->offset >= end_max)
        return -ENOSPC;
    if (limit > end_max - op->offset)
        limit = end_max - op->offset;
    sim->stamp++;
    for (uint32_t i = 0; i < op->iov_count && moved < limit; i++) {
        size_t size = op->iov[i].iov_len < limit - moved ? op->iov[i].iov_len : limit - moved;

        simfile_write(file, sim->stamp, op->offset + moved,
                      (struct bytes){op->iov[i].iov_base, size});
        moved += size;
    }
    return (int64_t)moved;
}

/* Does the operation, or a part of it; the answer is disk_op_advance's. */
static int64_t execute(struct simdisk *sim, const struct disk_op *op)
{
    const struct sim_file *file = (const struct sim_file *)op->file;
    uint64_t left = op->total - op->moved;
    bool is_last = false;

    if (sim->failures[op->kind].nth > 0 && --sim->failures[op->kind].nth == 0) {
        if (op->kind == DISK_SYNC)
            simfile_drop(file->file, op->stamp);
        return sim->failures[op->kind].error;
    }
    if (op->kind == DISK_WRITE && !file->is_writable)
        return -EBADF;
    if (disk_op_is_transfer(op) && sim->is_short && left > 0)
        left = 1 + prng_below(&sim->prng, left);
    if (op->kind != DISK_READ && op->kind != DISK_READ_MAX)
        is_last = count_change(sim);

    int64_t answer = 0;

    switch (op->kind) {
    case DISK_READ:
    case DISK_READ_MAX:
        answer = read_part(file->file, op, left);
        break;
    case DISK_WRITE:
        answer = write_part(sim, file->file, op, left);
        break;
    case DISK_SYNC:
        if (!is_last)
            simfile_sync(file->file, op->stamp);
        break;
    case DISK_RENAME:
        answer = simfs_rename(sim->fs, op->name, op->new_name);
        break;
    case DISK_SYNC_DIR:
        if (!is_last)
            answer = simfs_sync_dir(sim->fs, op->name);
        break;
    case DISK_RESERVE:
        break;
    }
    return is_last ? -EIO : answer;
}

static void submitted(struct disk *base, struct disk_op *op)
{
    struct sim_disk *disk = (struct sim_disk *)base;

    pthread_mutex_lock(&disk->sim->mutex);
    op->stamp = ++disk->sim->stamp;
    pthread_mutex_unlock(&disk->sim->mutex);
}

static void take_all(struct sim_disk *disk)
{
    struct disk_op *op;

    while ((op = disk_take(&disk->base)) != NULL) {
        if (disk->started_count == disk->started_capacity) {
            disk->started_capacity = disk->started_capacity ? 2 * disk->started_capacity : 16;
            disk->started =
                xrealloc(disk->started, disk->started_capacity * sizeof(struct disk_op *));
        }
        disk->started[disk->started_count++] = op;
    }
}

/* Does one step of operation index; calls its done if that was the last. */
static bool step(struct sim_disk *disk, size_t index)
{
    struct disk_op *op = disk->started[index];
    int64_t result;

    pthread_mutex_lock(&disk->sim->mutex);
    disk_op_allow(op);

    bool is_complete = disk_op_advance(op, is_dead(disk) ? -EIO : execute(disk->sim, op), &result);

    if (!is_complete)
        disk_op_forbid(op);
    pthread_mutex_unlock(&disk->sim->mutex);
    if (!is_complete)
        return false;
    disk->started_count--;
    memmove(&disk->started[index], &disk->started[index + 1],
            (disk->started_count - index) * sizeof(struct disk_op *));
    disk_finish(&disk->base, op, result);
    return true;
}

/* With nothing to do: until a wake or the time is up. */
static void sleep_for(struct sim_disk *disk, int timeout_ms)
{
    struct simdisk *sim = disk->sim;
    uint64_t until_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
    struct timespec until = {(time_t)(until_us / 1000000), (long)(until_us % 1000000 * 1000)};

    pthread_mutex_lock(&sim->mutex);
    while (!disk->is_woken && timeout_ms != 0) {
        if (timeout_ms < 0)
            pthread_cond_wait(&disk->cond, &sim->mutex);
        else if (pthread_cond_timedwait(&disk->cond, &sim->mutex, &until) == ETIMEDOUT)
            break;
    }
    disk->is_woken = false;
    pthread_mutex_unlock(&sim->mutex);
}

/* Decides which of the started operations is next; false: none of them in this call. */
static bool choose(struct sim_disk *disk, bool must, size_t *index)
{
    bool is_now = true;

    *index = 0;
    pthread_mutex_lock(&disk->sim->mutex);
    if (disk->sim->is_delayed) {
        is_now = must || prng_below(&disk->sim->prng, 4) != 0;
        *index = prng_below(&disk->sim->prng, disk->started_count);
    }
    pthread_mutex_unlock(&disk->sim->mutex);
    return is_now;
}

static int sim_run(struct disk *base, int timeout_ms)
{
    struct sim_disk *disk = (struct sim_disk *)base;
    int done_count = 0;
    size_t index;

    take_all(disk);
    if (disk->started_count == 0) {
        sleep_for(disk, timeout_ms);
        return 0;
    }

    size_t limit = disk->started_count; /* those started by done wait for the next call */

    while (limit > 0 && choose(disk, done_count == 0 && timeout_ms != 0, &index))
        if (step(disk, index)) {
            done_count++;
            limit--;
        }
    return done_count;
}

static void sim_wake(struct disk *base)
{
    struct sim_disk *disk = (struct sim_disk *)base;

    pthread_mutex_lock(&disk->sim->mutex);
    disk->is_woken = true;
    pthread_cond_signal(&disk->cond);
    pthread_mutex_unlock(&disk->sim->mutex);
}

static int sim_file_open(struct disk *base, struct disk_file **opened, const char *name,
                         unsigned flags)
{
    struct sim_disk *disk = (struct sim_disk *)base;
    struct simdisk *sim = disk->sim;
    int error = 0;

    pthread_mutex_lock(&sim->mutex);

    struct simfile *file = simfs_find(sim->fs, name);

    if (is_dead(disk))
        error = -EIO;
    else if (file == NULL && !(flags & DISK_OPEN_CREATE))
        error = -ENOENT;
    else if (file == NULL)
        error = count_change(sim) ? (simfs_create(sim->fs, &file, name), -EIO)
                                  : simfs_create(sim->fs, &file, name);
    if (error == 0 && flags & DISK_OPEN_TRUNCATE && simfile_size(file) > 0) {
        bool is_last = count_change(sim);

        simfile_truncate(file, ++sim->stamp, 0);
        error = is_last ? -EIO : 0;
    }
    pthread_mutex_unlock(&sim->mutex);
    if (error < 0)
        return error;

    struct sim_file *result = xmalloc(sizeof *result);

    result->file = file;
    result->is_writable = flags & DISK_OPEN_WRITE;
    *opened = &result->base;
    return 0;
}

static void sim_file_close(struct disk_file *file)
{
    free(file);
}

static int sim_file_size(struct disk_file *file, uint64_t *size)
{
    struct sim_disk *disk = (struct sim_disk *)file->disk;

    pthread_mutex_lock(&disk->sim->mutex);

    int error = is_dead(disk) ? -EIO : 0;

    *size = simfile_size(((struct sim_file *)file)->file);
    pthread_mutex_unlock(&disk->sim->mutex);
    return error;
}

static int sim_truncate(struct disk_file *file, uint64_t size)
{
    struct sim_disk *disk = (struct sim_disk *)file->disk;
    int error = -EIO;

    pthread_mutex_lock(&disk->sim->mutex);
    if (!is_dead(disk)) {
        error = count_change(disk->sim) ? -EIO : 0;
        simfile_truncate(((struct sim_file *)file)->file, ++disk->sim->stamp, size);
    }
    pthread_mutex_unlock(&disk->sim->mutex);
    return error;
}

static int change_names(struct disk *base, int (*change)(struct simfs *fs, const char *name),
                        const char *name)
{
    struct sim_disk *disk = (struct sim_disk *)base;
    int error = -EIO;

    pthread_mutex_lock(&disk->sim->mutex);
    if (!is_dead(disk)) {
        bool is_last = count_change(disk->sim);

        error = change(disk->sim->fs, name);
        if (is_last)
            error = -EIO;
    }
    pthread_mutex_unlock(&disk->sim->mutex);
    return error;
}

static int sim_unlink(struct disk *disk, const char *name)
{
    return change_names(disk, simfs_unlink, name);
}

static int sim_make_dir(struct disk *disk, const char *name)
{
    return change_names(disk, simfs_make_dir, name);
}

static int sim_list(struct disk *base, const char *directory,
                    void (*each)(void *context, const char *name), void *context)
{
    struct sim_disk *disk = (struct sim_disk *)base;

    pthread_mutex_lock(&disk->sim->mutex);

    int error = is_dead(disk) ? -EIO : simfs_list(disk->sim->fs, directory, each, context);

    pthread_mutex_unlock(&disk->sim->mutex);
    return error;
}

static void sim_close(struct disk *base)
{
    struct sim_disk *disk = (struct sim_disk *)base;

    pthread_cond_destroy(&disk->cond);
    free(disk->started);
    free(disk);
}

static const struct disk_backend sim_backend = {
    .close = sim_close,
    .run = sim_run,
    .wake = sim_wake,
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_size = sim_file_size,
    .truncate = sim_truncate,
    .unlink = sim_unlink,
    .make_dir = sim_make_dir,
    .list = sim_list,
    .submitted = submitted,
};

struct disk *simdisk_open(struct simdisk *sim)
{
    struct sim_disk *disk = xcalloc(1, sizeof *disk);
    pthread_condattr_t attributes;

    disk->base.backend = &sim_backend;
    disk->sim = sim;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&disk->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_lock(&sim->mutex);
    disk->boot = sim->boot;
    pthread_mutex_unlock(&sim->mutex);
    return &disk->base;
}

static void clear_faults(struct simdisk *sim)
{
    sim->crash_at = 0;
    sim->has_crashed = sim->is_short = sim->is_delayed = false;
    sim->capacity = UINT64_MAX / 2;
    memset(sim->failures, 0, sizeof sim->failures);
}

struct simdisk *simdisk_new(uint64_t seed)
{
    struct simdisk *sim = xcalloc(1, sizeof *sim);

    pthread_mutex_init(&sim->mutex, NULL);
    sim->fs = simfs_new();
    prng_init(&sim->prng, seed);
    clear_faults(sim);
    return sim;
}

void simdisk_free(struct simdisk *sim)
{
    simfs_free(sim->fs);
    pthread_mutex_destroy(&sim->mutex);
    free(sim);
}

uint64_t simdisk_changes(struct simdisk *sim)
{
    pthread_mutex_lock(&sim->mutex);

    uint64_t changes = sim->changes;

    pthread_mutex_unlock(&sim->mutex);
    return changes;
}

void simdisk_crash_at(struct simdisk *sim, uint64_t change)
{
    pthread_mutex_lock(&sim->mutex);
    sim->crash_at = change;
    pthread_mutex_unlock(&sim->mutex);
}

bool simdisk_has_crashed(struct simdisk *sim)
{
    pthread_mutex_lock(&sim->mutex);

    bool has_crashed = sim->has_crashed;

    pthread_mutex_unlock(&sim->mutex);
    return has_crashed;
}

void simdisk_reboot(struct simdisk *sim, uint64_t seed)
{
    pthread_mutex_lock(&sim->mutex);
    prng_init(&sim->prng, seed);
    simfs_crash(sim->fs, &sim->prng);
    clear_faults(sim);
    sim->boot++;
    pthread_mutex_unlock(&sim->mutex);
}

void simdisk_fail(struct simdisk *sim, enum disk_kind kind, uint64_t nth, int error)
{
    pthread_mutex_lock(&sim->mutex);
    sim->failures[kind].nth = nth;
    sim->failures[kind].error = error;
    pthread_mutex_unlock(&sim->mutex);
}

void simdisk_set_capacity(struct simdisk *sim, uint64_t size)
{
    pthread_mutex_lock(&sim->mutex);
    sim->capacity = size;
    pthread_mutex_unlock(&sim->mutex);
}

void simdisk_set_short(struct simdisk *sim, bool is_on)
{
    pthread_mutex_lock(&sim->mutex);
    sim->is_short = is_on;
    pthread_mutex_unlock(&sim->mutex);
}

void simdisk_set_delays(struct simdisk *sim, bool is_on)
{
    pthread_mutex_lock(&sim->mutex);
    sim->is_delayed = is_on;
    pthread_mutex_unlock(&sim->mutex);
}

void simdisk_put(struct simdisk *sim, const char *name, struct bytes content)
{
    pthread_mutex_lock(&sim->mutex);
    simfs_put(sim->fs, name, content);
    pthread_mutex_unlock(&sim->mutex);
}

struct bytes simdisk_get(struct simdisk *sim, const char *name)
{
    struct bytes content = {NULL, 0};

    pthread_mutex_lock(&sim->mutex);

    struct simfile *file = simfs_find(sim->fs, name);

    if (file != NULL) {
        uint8_t *data = xmalloc(simfile_size(file) + 1);

        content = (struct bytes){data, simfile_read(file, 0, data, simfile_size(file))};
    }
    pthread_mutex_unlock(&sim->mutex);
    return content;
}

bool simdisk_flip(struct simdisk *sim, const char *name, uint64_t offset, uint8_t mask)
{
    pthread_mutex_lock(&sim->mutex);

    bool is_there = simfs_flip(sim->fs, name, offset, mask);

    pthread_mutex_unlock(&sim->mutex);
    return is_there;
}

int simdisk_load(struct simdisk *sim, const char *name, const char *path)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = NULL;
    size_t size = 0;
    size_t got;

    if (file == NULL)
        return -errno;
    do {
        data = xrealloc(data, size + 65536);
        got = fread(data + size, 1, 65536, file);
        size += got;
    } while (got > 0);

    int error = ferror(file) ? -EIO : 0;

    fclose(file);
    if (error == 0)
        simdisk_put(sim, name, (struct bytes){data, size});
    free(data);
    return error;
}

int simdisk_save(struct simdisk *sim, const char *name, const char *path)
{
    struct bytes content = simdisk_get(sim, name);
    FILE *file = content.data == NULL ? NULL : fopen(path, "wbe");

    if (file == NULL) {
        int error = content.data == NULL ? -ENOENT : -errno;

        free((void *)content.data);
        return error;
    }

    bool is_written = fwrite(content.data, 1, content.size, file) == content.size;

    free((void *)content.data);
    return fclose(file) == 0 && is_written ? 0 : -EIO;
}
