#include "node/sandbox.h"

#include "base/arena.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers end with the second version of the interface. */
#define ACCESS_REFER     ((uint64_t)1 << 13) /* 2 */
#define ACCESS_TRUNCATE  ((uint64_t)1 << 14) /* 3 */
#define ACCESS_IOCTL_DEV ((uint64_t)1 << 15) /* 5 */
#define ACCESS_FIRST     (ACCESS_REFER - 1)  /* 1 */

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                                               \
    (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define SOCKET_RIGHTS (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define FILE_RIGHTS   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)

struct sandbox {
    int fd;
    uint64_t handled; /* what this kernel can forbid */
};

static int begin(struct sandbox *sandbox)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = ACCESS_FIRST};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 0)
        return -errno;
    if (version >= 2)
        attr.handled_access_fs |= ACCESS_REFER;
    if (version >= 3)
        attr.handled_access_fs |= ACCESS_TRUNCATE;
    if (version >= 5)
        attr.handled_access_fs |= ACCESS_IOCTL_DEV;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (fd < 0)
        return -errno;
    *sandbox = (struct sandbox){fd, attr.handled_access_fs};
    return 0;
}

/* What is at path (a link: where it leads) and all below. Of a path that is not there, whoever
 * opens it will say why that fails. */
static void allow(const struct sandbox *sandbox, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat status;

    if (rule.parent_fd < 0)
        return;
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rights &= FILE_RIGHTS;
    rule.allowed_access = rights & sandbox->handled;
    if (rule.allowed_access)
        syscall(SYS_landlock_add_rule, sandbox->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
}

static void allow_parent(const struct sandbox *sandbox, const char *path, uint64_t rights)
{
    char *parent = strdup(path);
    char *slash = strrchr(parent, '/');

    if (slash)
        slash[slash == parent] = 0; /* of /name it is / */
    allow(sandbox, slash ? parent : ".", rights);
    free(parent);
}

/* The large files may be links to other disks. */
static void allow_directory(const struct sandbox *sandbox, const char *directory)
{
    static const char *const names[] = {"blocks.bin", "ledger"};
    char path[4096];

    allow(sandbox, directory, WRITE_RIGHTS);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, names[i]) < sizeof path)
            allow(sandbox, path, WRITE_RIGHTS);
}

int sandbox_enter(const struct options *options, const char *directory)
{
    /* Of the system: what finding names, loading their libraries and our own figures needs. */
    static const char *const system_paths[] = {"/etc",
                                               "/usr",
                                               "/lib",
                                               "/lib64",
                                               "/run/systemd/resolve",
                                               "/proc/sys",
                                               "/proc/self",
                                               "/run/resolvconf",
                                               "/run/NetworkManager"};
    struct sandbox sandbox = {.fd = -1};
    int error = begin(&sandbox);

    if (error < 0)
        return error;
    for (size_t i = 0; i < ARRAY_COUNT(system_paths); i++)
        allow(&sandbox, system_paths[i], READ_RIGHTS);
    allow_directory(&sandbox, directory);
    if (options->import)
        allow(&sandbox, options->import, READ_RIGHTS);
    if (options->logfile) {
        allow_parent(&sandbox, options->logfile, WRITE_RIGHTS); /* it is moved away and made anew */
        allow(&sandbox, options->logfile, WRITE_RIGHTS);        /* it may lead elsewhere */
    }
    if (options->monitor)
        allow_parent(&sandbox, options->monitor, SOCKET_RIGHTS);
    if (options->pidfile)
        allow_parent(&sandbox, options->pidfile, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, sandbox.fd, 0) < 0)
        error = -errno;
    close(sandbox.fd);
    return error;
}
