/* files.c - peers.bin and bans.bin: read before the loop runs, written by the engine's jobs thread,
 * and once more when everything has ended. */
#include "base/arena.h"
#include "io/disk.h"
#include "net/net_private.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_SIZE_MAX  (1 << 20)
#define PEERS_SAVE_MS  900000
#define NEW_SUFFIX     ".new"
#define FILE_NAME_SIZE 32

static const char *const NAMES[NET_FILE_COUNT] = {
    [NET_FILE_PEERS] = "peers.bin", [NET_FILE_BANS] = "bans.bin"};

/* In place of what is there, whole or not at all. */
static int replace(const char *directory, const char *name, struct bytes data)
{
    char new_name[FILE_NAME_SIZE];
    struct disk *disk;
    struct disk_file *file;
    int error = disk_open_plain(&disk, directory);

    if (error)
        return error;
    snprintf(new_name, sizeof new_name, "%s" NEW_SUFFIX, name);
    error = disk_file_open(disk, &file, new_name,
                           DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE);
    if (error == 0)
        error = disk_write_sync(disk, file, data.data, data.size, 0);
    if (error == 0)
        error = disk_sync(disk, file);
    if (error == 0)
        error = disk_rename(disk, new_name, name);
    if (error == 0)
        error = disk_sync_dir(disk, ".");
    disk_close(disk);
    return error;
}

/* malloc'ed; a file that is not there is empty. */
static int read_whole(const char *directory, const char *name, uint8_t **data, uint64_t *size)
{
    struct disk *disk;
    struct disk_file *file;
    int error = disk_open_plain(&disk, directory);

    *data = NULL;
    *size = 0;
    if (error)
        return error;
    error = disk_file_open(disk, &file, name, 0);
    if (error == 0)
        error = disk_file_size(file, size);
    if (error == 0 && *size > FILE_SIZE_MAX)
        error = -EFBIG;
    if (error == 0) {
        *data = xmalloc(*size + 1);
        error = disk_read_sync(disk, file, *data, *size, 0);
    }
    disk_close(disk);
    return error == -ENOENT ? 0 : error;
}

static struct bytes content(const struct net *net, enum net_file_kind kind)
{
    struct bytes data;

    data.data = kind == NET_FILE_PEERS ? seeds_save(net->seeds, &data.size)
                                       : banlist_save(net->bans, &data.size);
    return data;
}

static void tell(struct net *net, enum net_file_kind kind, int error)
{
    if (error)
        net_log(net, ENGINE_LOG_WARNING, "%s cannot be written: %s", NAMES[kind], strerror(-error));
}

void files_load(struct net *net)
{
    for (int kind = 0; kind < NET_FILE_COUNT && net->config.directory; kind++) {
        uint8_t *data;
        uint64_t size;
        int error = read_whole(net->config.directory, NAMES[kind], &data, &size);
        struct bytes file = {data, size};
        bool is_good = error == 0;

        if (is_good && size)
            is_good = kind == NET_FILE_PEERS
                          ? seeds_load(net->seeds, file)
                          : banlist_load(net->bans, file, engine_now(net->engine));
        if (!is_good)
            net_log(net, ENGINE_LOG_WARNING, "%s %s: beginning without it", NAMES[kind],
                    error ? strerror(-error) : "is damaged");
        free(data);
    }
}

/* Ledger thread: there is nothing for it to do. */
static void run(struct engine *engine, struct command *command)
{
    (void)engine, (void)command;
}

/* Jobs thread. */
static void work(struct engine *engine, struct command *command)
{
    struct net_file *file = command->context;

    (void)engine;
    file->error = replace(file->net->config.directory, NAMES[file->kind], file->data);
}

static void done(struct command *command)
{
    struct net_file *file = command->context;

    reactor_post(file->net->reactor, &file->message);
}

static void saved(struct reactor_message *message)
{
    struct net_file *file = CONTAINER_OF(message, struct net_file, message);

    free((void *)file->data.data);
    file->data = (struct bytes){0};
    file->is_saving = false;
    tell(file->net, file->kind, file->error);
}

static void save(struct net *net, enum net_file_kind kind)
{
    struct net_file *file = &net->files[kind];

    *file = (struct net_file){.net = net,
                              .kind = kind,
                              .data = content(net, kind),
                              .is_saving = true,
                              .command = {.run = run, .work = work, .done = done, .context = file},
                              .message = {.run = saved}};
    if (!engine_post(net->engine, &file->command)) {
        free((void *)file->data.data);
        file->data = (struct bytes){0};
        file->is_saving = false;
        file->is_due = true; /* in the next turn */
    }
}

void files_tick(struct net *net, uint64_t now_ms)
{
    if (now_ms - net->peers_saved_ms > PEERS_SAVE_MS) {
        net->peers_saved_ms = now_ms;
        net->files[NET_FILE_PEERS].is_due = true;
    }
    for (int kind = 0; kind < NET_FILE_COUNT && net->config.directory; kind++)
        if (net->files[kind].is_due && !net->files[kind].is_saving)
            save(net, (enum net_file_kind)kind);
}

void files_end(struct net *net)
{
    for (int kind = 0; kind < NET_FILE_COUNT && net->config.directory; kind++) {
        struct bytes data = content(net, (enum net_file_kind)kind);

        tell(net, (enum net_file_kind)kind, replace(net->config.directory, NAMES[kind], data));
        free((void *)data.data);
        free((void *)net->files[kind].data.data); /* of a save that was under way */
    }
}
