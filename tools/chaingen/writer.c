#include "chaingen/writer.h"
#include "base/arena.h"
#include <stdlib.h>

#define WAITING_MAX      256
#define WAITING_SIZE_MAX (64 << 20)

static void note_error(struct writer *w)
{
    if (w->error == 0)
        w->error = errno ? errno : EIO;
}

static void write_record(struct writer *w, FILE *file, struct bytes block)
{
    uint8_t head[8];

    memcpy(head, w->magic, 4);
    le32_write(head + 4, (uint32_t)block.size);
    if (fwrite(head, sizeof head, 1, file) != 1 || fwrite(block.data, block.size, 1, file) != 1)
        note_error(w);
    w->size += sizeof head + block.size;
}

int writer_open(struct writer *w, const char *path, const uint8_t magic[4], bool is_shuffled,
                uint64_t seed)
{
    *w = (struct writer){.is_shuffled = is_shuffled};
    memcpy(w->magic, magic, 4);
    prng_init(&w->prng, seed);
    w->file = fopen(path, "wb");
    if (w->file == NULL)
        return -errno;
    w->waiting = xcalloc(WAITING_MAX, sizeof *w->waiting);
    return 0;
}

void writer_put_first(struct writer *w, struct bytes block)
{
    write_record(w, w->file, block);
}

static void write_one_waiting(struct writer *w)
{
    size_t at = prng_below(&w->prng, w->waiting_count);
    struct buffer block = w->waiting[at];

    w->waiting[at] = w->waiting[--w->waiting_count];
    w->waiting_size -= block.size;
    write_record(w, w->file, buffer_bytes(&block));
    buffer_free(&block);
}

void writer_put(struct writer *w, struct bytes block)
{
    if (!w->is_shuffled) {
        write_record(w, w->file, block);
        return;
    }
    while (w->waiting_count == WAITING_MAX || w->waiting_size > WAITING_SIZE_MAX)
        write_one_waiting(w);

    struct buffer *copy = &w->waiting[w->waiting_count++];

    *copy = (struct buffer){NULL, 0, 0};
    buffer_put(copy, block.data, block.size);
    w->waiting_size += block.size;
}

void writer_put_late(struct writer *w, struct bytes block)
{
    if (w->is_shuffled) {
        writer_put(w, block);
        return;
    }
    if (w->late == NULL && (w->late = tmpfile()) == NULL)
        note_error(w);
    else
        write_record(w, w->late, block);
}

static void append_late(struct writer *w)
{
    uint8_t copy[65536];
    size_t size;

    rewind(w->late);
    while ((size = fread(copy, 1, sizeof copy, w->late)) > 0)
        if (fwrite(copy, size, 1, w->file) != 1)
            note_error(w);
    if (ferror(w->late))
        note_error(w);
    fclose(w->late);
}

int writer_close(struct writer *w)
{
    while (w->waiting_count > 0)
        write_one_waiting(w);
    free(w->waiting);
    if (w->late)
        append_late(w);
    if (fclose(w->file) != 0)
        note_error(w);
    return -w->error;
}
