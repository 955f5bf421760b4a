#include "pipeline/spill.h"

#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX ((size_t)256 << 10) /* of a part, before it goes to its file */

struct name {
    char text[48];
};

static struct name name_of(const struct spill *spill, uint32_t part)
{
    struct name name;

    snprintf(name.text, sizeof name.text, SPILL_DIR "/%s.%u", spill->kind, part);
    return name;
}

void spill_init(struct spill *spill, struct disk *disk, const char *kind, uint32_t count)
{
    *spill = (struct spill){.disk = disk, .kind = kind, .count = count};
    spill->parts = xcalloc(count, sizeof *spill->parts);
}

static void drop_part(struct spill *spill, uint32_t part)
{
    struct spill_part *p = &spill->parts[part];

    if (p->file) {
        disk_file_close(p->file);
        (void)!disk_unlink(spill->disk, name_of(spill, part).text); /* else at the next start */
    }
    free(p->data);
    *p = (struct spill_part){.file = NULL};
}

void spill_clear(struct spill *spill)
{
    for (uint32_t part = 0; part < spill->count; part++)
        drop_part(spill, part);
    free(spill->parts);
    *spill = (struct spill){.disk = NULL};
}

static int flush(struct spill *spill, uint32_t part)
{
    struct spill_part *p = &spill->parts[part];
    int error = 0;

    if (!p->file) {
        error = disk_make_dir(spill->disk, SPILL_DIR);
        if (error == 0)
            error = disk_file_open(spill->disk, &p->file, name_of(spill, part).text,
                                   DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);
    }
    if (error == 0)
        error = disk_write_sync(spill->disk, p->file, p->data, p->size, p->file_size);
    if (error == 0) {
        p->file_size += p->size;
        p->size = 0;
    }
    return error;
}

int spill_add(struct spill *spill, uint32_t part, const void *data, size_t size)
{
    struct spill_part *p = &spill->parts[part];

    if (p->size > 0 && p->size + size > MEMORY_MAX) {
        int error = flush(spill, part);
        if (error < 0)
            return error;
    }
    if (p->size + size > p->capacity) {
        p->capacity = 2 * (p->size + size);
        p->data = xrealloc(p->data, p->capacity);
    }
    memcpy(p->data + p->size, data, size);
    p->size += size;
    return 0;
}

int spill_take(struct spill *spill, uint32_t part, uint8_t **data, size_t *size)
{
    struct spill_part *p = &spill->parts[part];
    int error = 0;

    *size = p->file_size + p->size;
    *data = xmalloc(*size + 1);
    if (p->file_size > 0)
        error = disk_read_sync(spill->disk, p->file, *data, p->file_size, 0);
    if (p->size > 0)
        memcpy(*data + p->file_size, p->data, p->size);
    drop_part(spill, part);
    if (error < 0)
        free(*data);
    return error;
}

static void remove_file(void *context, const char *name)
{
    char path[320];

    snprintf(path, sizeof path, SPILL_DIR "/%s", name);
    (void)!disk_unlink(context, path);
}

int spill_remove_old(struct disk *disk)
{
    int error = disk_list(disk, SPILL_DIR, remove_file, disk);

    return error == -ENOENT ? 0 : error;
}
