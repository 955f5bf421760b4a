#include "io/uring.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

unsigned uring_feature_find(const char *name)
{
    static const struct {
        const char *name;
        enum uring_feature bit;
    } features[] = {
        {"single-issuer", URING_SINGLE_ISSUER},
        {"defer-taskrun", URING_DEFER_TASKRUN},
        {"rename", URING_RENAME},
        {"fallocate", URING_FALLOCATE},
    };

    for (size_t i = 0; i < ARRAY_COUNT(features); i++)
        if (strcmp(name, features[i].name) == 0)
            return features[i].bit;
    return 0;
}

int uring_open(struct io_uring *ring, unsigned entries, unsigned without)
{
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED};

    if (!(without & URING_SINGLE_ISSUER)) {
        params.flags |= IORING_SETUP_SINGLE_ISSUER;
        if (!(without & URING_DEFER_TASKRUN)) /* needs the other */
            params.flags |= IORING_SETUP_DEFER_TASKRUN;
    }
    return io_uring_queue_init_params(entries, ring, &params);
}

/* Debian 12's liburing declares io_uring_enable_rings and does not export it. */
int uring_enable(struct io_uring *ring)
{
    if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return -errno;
    return 0;
}

/* The number behind key at the beginning of a line of a small file, or -1. */
static int number_in_file(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    char line[256];
    int number = -1;

    if (file == NULL)
        return -1;
    while (number < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            number = atoi(line + strlen(key));
    fclose(file);
    return number;
}

static enum uring_trouble classify(int error, int disabled, int seccomp)
{
    switch (-error) {
    case 0:
        return URING_IS_FINE;
    case EPERM:
    case EACCES:
        return disabled > 0 ? URING_SWITCHED_OFF : URING_FORBIDDEN;
    case ENOSYS: /* some container runtimes answer so too */
        return seccomp > 0 && disabled >= 0 ? URING_FORBIDDEN : URING_OLD_KERNEL;
    case EINVAL:
    case EOPNOTSUPP:
        return URING_OLD_KERNEL;
    default:
        return URING_LACKS_RESOURCES;
    }
}

enum uring_trouble uring_explain(int error, char *text, size_t text_size)
{
    int disabled = number_in_file("/proc/sys/kernel/io_uring_disabled", "");
    enum uring_trouble trouble =
        classify(error, disabled, number_in_file("/proc/self/status", "Seccomp:"));
    struct utsname system;

    uname(&system);
    switch (trouble) {
    case URING_IS_FINE:
        snprintf(text, text_size, "io_uring works");
        break;
    case URING_OLD_KERNEL:
        snprintf(text, text_size,
                 "kernel %s lacks what is needed of io_uring: 6.1 or newer has it (%s)",
                 system.release, strerror(-error));
        break;
    case URING_SWITCHED_OFF:
        snprintf(text, text_size,
                 "io_uring is switched off here: the sysctl kernel.io_uring_disabled is %d",
                 disabled);
        break;
    case URING_FORBIDDEN:
        snprintf(
            text, text_size,
            "io_uring is forbidden here (%s): the seccomp profile of a container or service must "
            "allow io_uring_setup, io_uring_enter and io_uring_register",
            strerror(-error));
        break;
    case URING_LACKS_RESOURCES:
        snprintf(text, text_size,
                 "io_uring cannot be set up: %s (limits of memory, locked memory or open files)",
                 strerror(-error));
        break;
    }
    return trouble;
}
