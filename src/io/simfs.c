#include "io/simfs.h"
#include "base/arena.h"
#include <stdlib.h>

#define SECTOR 512

/* Something done to a file since its last sync. */
struct change {
    uint64_t stamp;
    uint64_t at; /* a sector's number, or the file's size */
    bool is_size;
    bool is_dropped;        /* a failed sync covered it */
    uint8_t sector[SECTOR]; /* what is in it after the change */
};

struct content {
    uint8_t *data; /* zeros from size to capacity */
    uint64_t size, capacity;
};

struct simfile {
    struct simfile *next;
    struct content now, durable;
    struct change *changes; /* oldest first */
    size_t change_count, change_capacity;
};

struct name {
    char text[SIMFS_NAME_MAX + 1];
    struct simfile *file; /* NULL: a directory */
};

struct names {
    struct name *names;
    size_t count, capacity;
};

/* Something done to a name since its directory's last sync: it names file (or is a directory) now,
 * or nothing. A rename is old_text too. */
struct name_change {
    struct name name;
    char old_text[SIMFS_NAME_MAX + 1]; /* "" unless a rename */
    bool is_unlink;
};

struct simfs {
    struct simfile *files;
    struct names now, durable;
    struct name_change *changes; /* oldest first */
    size_t change_count, change_capacity;
};

static void resize(struct content *content, uint64_t size)
{
    if (size > content->capacity) {
        uint64_t capacity = size > 2 * content->capacity ? size : 2 * content->capacity;

        content->data = xrealloc(content->data, capacity);
        memset(content->data + content->capacity, 0, capacity - content->capacity);
        content->capacity = capacity;
    }
    if (size < content->size)
        memset(content->data + size, 0, content->size - size);
    content->size = size;
}

static void copy(struct content *to, const struct content *from)
{
    resize(to, 0);
    resize(to, from->size);
    if (from->size > 0)
        memcpy(to->data, from->data, from->size);
}

static struct change *add_change(struct simfile *file, uint64_t stamp)
{
    if (file->change_count == file->change_capacity) {
        file->change_capacity = file->change_capacity ? 2 * file->change_capacity : 16;
        file->changes = xrealloc(file->changes, file->change_capacity * sizeof *file->changes);
    }

    struct change *change = &file->changes[file->change_count++];

    *change = (struct change){.stamp = stamp};
    return change;
}

static void set_size(struct simfile *file, uint64_t stamp, uint64_t size)
{
    struct change *change = add_change(file, stamp);

    resize(&file->now, size);
    change->is_size = true;
    change->at = size;
}

uint64_t simfile_size(const struct simfile *file)
{
    return file->now.size;
}

size_t simfile_read(const struct simfile *file, uint64_t offset, void *out, size_t size)
{
    if (offset >= file->now.size)
        return 0;
    if (size > file->now.size - offset)
        size = file->now.size - offset;
    memcpy(out, file->now.data + offset, size);
    return size;
}

void simfile_write(struct simfile *file, uint64_t stamp, uint64_t offset, struct bytes data)
{
    uint64_t end = offset + data.size;

    if (data.size == 0)
        return;
    if (end > file->now.size)
        set_size(file, stamp, end);
    memcpy(file->now.data + offset, data.data, data.size);
    for (uint64_t at = offset / SECTOR; at * SECTOR < end; at++) {
        struct change *change = add_change(file, stamp);

        change->at = at;
        simfile_read(file, at * SECTOR, change->sector, SECTOR);
    }
}

void simfile_truncate(struct simfile *file, uint64_t stamp, uint64_t size)
{
    set_size(file, stamp, size);
}

/* A sector beyond the file's size goes nowhere: some later size did not survive. */
static void apply(struct content *content, const struct change *change)
{
    uint64_t offset = change->at * SECTOR;

    if (change->is_size)
        resize(content, change->at);
    else if (offset < content->size)
        memcpy(content->data + offset, change->sector,
               content->size - offset < SECTOR ? content->size - offset : SECTOR);
}

static bool is_same_thing(const struct change *a, const struct change *b)
{
    return a->is_size ? b->is_size : !b->is_size && a->at == b->at;
}

void simfile_sync(struct simfile *file, uint64_t stamp)
{
    size_t kept_count = 0;

    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];

        if (change->is_dropped || change->stamp >= stamp) {
            file->changes[kept_count++] = *change;
            continue;
        }
        apply(&file->durable, change);
        for (size_t j = 0; j < kept_count;) /* an older one, dropped, must not come after it */
            if (file->changes[j].is_dropped && is_same_thing(&file->changes[j], change))
                memmove(&file->changes[j], &file->changes[j + 1],
                        (--kept_count - j) * sizeof file->changes[0]);
            else
                j++;
    }
    file->change_count = kept_count;
}

void simfile_drop(struct simfile *file, uint64_t stamp)
{
    for (size_t i = 0; i < file->change_count; i++)
        if (file->changes[i].stamp < stamp)
            file->changes[i].is_dropped = true;
}

/* Chooses what survives of a file's changes: nothing, all, a first part, or each by chance; of
 * sizes always a first part. */
static void crash_file(struct simfile *file, struct prng *prng)
{
    uint64_t way = prng_below(prng, 4);
    size_t limit = prng_below(prng, file->change_count + 1);
    size_t size_limit = limit;

    if (way == 0)
        limit = size_limit = 0;
    if (way == 1 || way == 2)
        limit = file->change_count;
    if (way == 1)
        size_limit = file->change_count;
    for (size_t i = 0; i < limit; i++) {
        const struct change *change = &file->changes[i];
        bool is_kept = change->is_size ? i < size_limit : way != 2 || prng_below(prng, 2) == 0;

        if (is_kept)
            apply(&file->durable, change);
    }
    file->change_count = 0;
    copy(&file->now, &file->durable);
}

static void set_text(char text[SIMFS_NAME_MAX + 1], const char *name)
{
    size_t size = strlen(name) + 1;

    assert(size <= SIMFS_NAME_MAX + 1);
    memcpy(text, name, size);
}

static struct name *find(const struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i].text, text) == 0)
            return &names->names[i];
    return NULL;
}

static void set_name(struct names *names, const struct name *name)
{
    struct name *old = find(names, name->text);

    if (old == NULL) {
        if (names->count == names->capacity) {
            names->capacity = names->capacity ? 2 * names->capacity : 16;
            names->names = xrealloc(names->names, names->capacity * sizeof *names->names);
        }
        old = &names->names[names->count++];
    }
    *old = *name;
}

static void remove_name(struct names *names, const char *text)
{
    struct name *name = find(names, text);

    if (name != NULL)
        *name = names->names[--names->count];
}

/* What is before the last slash; "." if there is none. */
static void directory_of(char directory[SIMFS_NAME_MAX + 1], const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - name);

    memcpy(directory, name, size);
    directory[size] = 0;
    if (size == 0)
        set_text(directory, slash == NULL ? "." : "/");
}

static bool is_directory(const struct names *names, const char *directory)
{
    const struct name *name = find(names, directory);

    return strcmp(directory, ".") == 0 || strcmp(directory, "/") == 0 ||
           (name != NULL && name->file == NULL);
}

static bool is_in(const char *name, const char *directory)
{
    char own[SIMFS_NAME_MAX + 1];

    directory_of(own, name);
    return strcmp(own, directory) == 0;
}

static void apply_name(struct names *names, const struct name_change *change)
{
    if (change->is_unlink)
        remove_name(names, change->name.text);
    else
        set_name(names, &change->name);
    if (change->old_text[0] != 0)
        remove_name(names, change->old_text);
}

static int change_name(struct simfs *fs, const struct name_change *change)
{
    char directory[SIMFS_NAME_MAX + 1];

    directory_of(directory, change->name.text);
    if (!is_directory(&fs->now, directory))
        return -ENOENT;
    if (fs->change_count == fs->change_capacity) {
        fs->change_capacity = fs->change_capacity ? 2 * fs->change_capacity : 16;
        fs->changes = xrealloc(fs->changes, fs->change_capacity * sizeof *fs->changes);
    }
    fs->changes[fs->change_count++] = *change;
    apply_name(&fs->now, change);
    return 0;
}

static struct simfile *new_file(struct simfs *fs)
{
    struct simfile *file = xcalloc(1, sizeof *file);

    file->next = fs->files;
    fs->files = file;
    return file;
}

struct simfile *simfs_find(const struct simfs *fs, const char *name)
{
    const struct name *found = find(&fs->now, name);

    return found == NULL ? NULL : found->file;
}

int simfs_create(struct simfs *fs, struct simfile **file, const char *name)
{
    struct name_change change = {.name.file = NULL};

    if (strlen(name) > SIMFS_NAME_MAX)
        return -ENAMETOOLONG;
    if (is_directory(&fs->now, name))
        return -EISDIR;
    set_text(change.name.text, name);
    change.name.file = new_file(fs);
    *file = change.name.file;
    return change_name(fs, &change);
}

int simfs_make_dir(struct simfs *fs, const char *name)
{
    struct name_change change = {.name.file = NULL};

    if (strlen(name) > SIMFS_NAME_MAX)
        return -ENAMETOOLONG;
    if (is_directory(&fs->now, name))
        return 0;
    if (find(&fs->now, name) != NULL)
        return -EEXIST;
    set_text(change.name.text, name);
    return change_name(fs, &change);
}

int simfs_rename(struct simfs *fs, const char *name, const char *new_name)
{
    const struct name *old = find(&fs->now, name);
    char directory[SIMFS_NAME_MAX + 1];
    struct name_change change = {.is_unlink = false};

    if (old == NULL)
        return -ENOENT;
    if (strlen(new_name) > SIMFS_NAME_MAX)
        return -ENAMETOOLONG;
    directory_of(directory, name);
    if (!is_in(new_name, directory))
        return -EXDEV;
    if (strcmp(name, new_name) == 0)
        return 0;
    change.name.file = old->file;
    set_text(change.name.text, new_name);
    set_text(change.old_text, name);
    return change_name(fs, &change);
}

int simfs_unlink(struct simfs *fs, const char *name)
{
    struct name_change change = {.is_unlink = true};

    if (simfs_find(fs, name) == NULL)
        return is_directory(&fs->now, name) ? -EISDIR : -ENOENT;
    set_text(change.name.text, name);
    return change_name(fs, &change);
}

int simfs_sync_dir(struct simfs *fs, const char *directory)
{
    size_t kept_count = 0;

    if (!is_directory(&fs->now, directory))
        return -ENOENT;
    for (size_t i = 0; i < fs->change_count; i++)
        if (is_in(fs->changes[i].name.text, directory))
            apply_name(&fs->durable, &fs->changes[i]);
        else
            fs->changes[kept_count++] = fs->changes[i];
    fs->change_count = kept_count;
    return 0;
}

int simfs_list(const struct simfs *fs, const char *directory,
               void (*each)(void *context, const char *name), void *context)
{
    if (!is_directory(&fs->now, directory))
        return -ENOENT;
    for (size_t i = 0; i < fs->now.count; i++) {
        const char *name = fs->now.names[i].text;
        const char *slash = strrchr(name, '/');

        if (is_in(name, directory))
            each(context, slash == NULL ? name : slash + 1);
    }
    return 0;
}

uint64_t simfs_used(const struct simfs *fs)
{
    uint64_t used = 0;

    for (size_t i = 0; i < fs->now.count; i++)
        if (fs->now.names[i].file != NULL)
            used += fs->now.names[i].file->now.size;
    return used;
}

static void copy_names(struct names *to, const struct names *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        set_name(to, &from->names[i]);
}

/* Of the changes of one directory a first part survives. */
static void crash_names(struct simfs *fs, const char *directory, struct prng *prng)
{
    uint64_t count = 0;
    size_t other_count = 0;

    for (size_t i = 0; i < fs->change_count; i++)
        count += is_in(fs->changes[i].name.text, directory);

    uint64_t kept = prng_below(prng, count + 1);

    for (size_t i = 0; i < fs->change_count; i++)
        if (!is_in(fs->changes[i].name.text, directory)) {
            fs->changes[other_count++] = fs->changes[i];
        } else if (kept > 0) {
            apply_name(&fs->durable, &fs->changes[i]);
            kept--;
        }
    fs->change_count = other_count;
}

/* Names whose directory did not survive are gone. */
static void remove_orphans(struct names *names)
{
    char directory[SIMFS_NAME_MAX + 1];

    for (size_t i = 0; i < names->count;) {
        directory_of(directory, names->names[i].text);
        if (is_directory(names, directory)) {
            i++;
        } else {
            remove_name(names, names->names[i].text);
            i = 0;
        }
    }
}

void simfs_crash(struct simfs *fs, struct prng *prng)
{
    char directory[SIMFS_NAME_MAX + 1];

    while (fs->change_count > 0) {
        directory_of(directory, fs->changes[0].name.text);
        crash_names(fs, directory, prng);
    }
    remove_orphans(&fs->durable);
    copy_names(&fs->now, &fs->durable);
    for (struct simfile *file = fs->files; file != NULL; file = file->next)
        crash_file(file, prng);
}

void simfs_put(struct simfs *fs, const char *name, struct bytes content)
{
    char directory[SIMFS_NAME_MAX + 1];
    struct name put = {.file = new_file(fs)};

    assert(strlen(name) <= SIMFS_NAME_MAX);
    directory_of(directory, name);
    while (!is_directory(&fs->now, directory)) {
        struct name parent = {.file = NULL};

        set_text(parent.text, directory);
        set_name(&fs->now, &parent);
        set_name(&fs->durable, &parent);
        directory_of(directory, parent.text);
    }
    set_text(put.text, name);
    set_name(&fs->now, &put);
    set_name(&fs->durable, &put);
    simfile_write(put.file, 0, 0, content);
    simfile_sync(put.file, 1);
}

bool simfs_flip(struct simfs *fs, const char *name, uint64_t offset, uint8_t mask)
{
    struct simfile *file = simfs_find(fs, name);

    if (file == NULL || offset >= file->now.size)
        return false;
    file->now.data[offset] ^= mask;
    if (offset < file->durable.size)
        file->durable.data[offset] ^= mask;
    for (size_t i = 0; i < file->change_count; i++)
        if (!file->changes[i].is_size && file->changes[i].at == offset / SECTOR)
            file->changes[i].sector[offset % SECTOR] ^= mask;
    return true;
}

struct simfs *simfs_new(void)
{
    return xcalloc(1, sizeof(struct simfs));
}

void simfs_free(struct simfs *fs)
{
    while (fs->files != NULL) {
        struct simfile *file = fs->files;

        fs->files = file->next;
        free(file->now.data);
        free(file->durable.data);
        free(file->changes);
        free(file);
    }
    free(fs->now.names);
    free(fs->durable.names);
    free(fs->changes);
    free(fs);
}
