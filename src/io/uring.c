#include "io/uring.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#define KERNEL_MIN_MAJOR 6
#define KERNEL_MIN_MINOR 1

#define X(constant, name, without) name,
static const char *const feature_names[] = {URING_FEATURES(X)};
#undef X

uint32_t uring_feature_find(const char *name)
{
    for (unsigned i = 0; i < URING_FEATURE_COUNT; i++)
        if (strcmp(name, feature_names[i]) == 0)
            return 1u << i;
    return 0;
}

const char *uring_feature_name(unsigned i)
{
    return i < URING_FEATURE_COUNT ? feature_names[i] : NULL;
}

static bool kernel_is_old(const char *release)
{
    int major = 0;
    int minor = 0;

    if (sscanf(release, "%d.%d", &major, &minor) != 2) // NOLINT(cert-err34-c): a kernel's own text
        return false;
    return major < KERNEL_MIN_MAJOR || (major == KERNEL_MIN_MAJOR && minor < KERNEL_MIN_MINOR);
}

void uring_explain(char why[URING_WHY_SIZE], int error, int disabled, const char *release)
{
    if (kernel_is_old(release))
        snprintf(why, URING_WHY_SIZE, "io_uring: kernel %s is too old, %d.%d or newer is needed",
                 release, KERNEL_MIN_MAJOR, KERNEL_MIN_MINOR);
    else if (disabled == 2)
        snprintf(why, URING_WHY_SIZE,
                 "io_uring is switched off for all: as root, sysctl kernel.io_uring_disabled=0");
    else if (disabled == 1 && error == -EPERM)
        snprintf(
            why, URING_WHY_SIZE,
            "io_uring is only for members of kernel.io_uring_group: join that group, or as root "
            "sysctl kernel.io_uring_disabled=0");
    else if (error == -EPERM || error == -EACCES || error == -ENOSYS)
        snprintf(why, URING_WHY_SIZE,
                 "io_uring is forbidden (%s): most likely by the container's seccomp profile, "
                 "which must "
                 "allow io_uring_setup, io_uring_enter and io_uring_register",
                 strerror(-error));
    else if (error == -ENOMEM)
        snprintf(why, URING_WHY_SIZE,
                 "io_uring: not enough memory, or the locked-memory limit (ulimit -l)");
    else
        snprintf(why, URING_WHY_SIZE, "io_uring cannot be set up: %s", strerror(-error));
}

static int sysctl_disabled(void)
{
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    int c = file ? fgetc(file) : EOF;

    if (file)
        fclose(file);
    return c >= '0' && c <= '2' ? c - '0' : -1;
}

static int explain(char why[URING_WHY_SIZE], int error)
{
    struct utsname name;

    if (uname(&name) != 0)
        name.release[0] = 0;
    uring_explain(why, error, sysctl_disabled(), name.release);
    return error;
}

/* liburing has a function for this, and one for enabling, that Debian's library declares but does
 * not export. */
static int restrict_ring(struct uring *uring, const struct uring_options *options)
{
    struct io_uring_restriction list[URING_OPERATIONS_MAX + 1] = {
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = (uint8_t)options->sqe_flags}};
    unsigned count = 1;

    assert(options->operation_count <= URING_OPERATIONS_MAX);
    for (size_t i = 0; i < options->operation_count; i++)
        list[count++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP,
                                                      .sqe_op = options->operations[i]};
    int result =
        io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, list, count);
    return result < 0 ? result : 0;
}

static int setup(struct uring *uring, const struct uring_options *options)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = options->cq_entries,
    };

    if (uring->features & URING_SINGLE_ISSUER)
        params.flags |= IORING_SETUP_SINGLE_ISSUER;
    if (uring->features & URING_DEFER_TASKRUN)
        params.flags |= IORING_SETUP_DEFER_TASKRUN;
    return io_uring_queue_init_params(options->entries, &uring->ring, &params);
}

int uring_open(struct uring *uring, const struct uring_options *options, char why[URING_WHY_SIZE])
{
    struct utsname name;

    if (uname(&name) == 0 && kernel_is_old(name.release))
        return explain(why, -ENOSYS);

    uring->features = ~options->without & ((1u << URING_FEATURE_COUNT) - 1);
    if (!(uring->features & URING_SINGLE_ISSUER))
        uring->features &= ~(uint32_t)URING_DEFER_TASKRUN; /* the kernel refuses it alone */
    if (!(uring->features & URING_BUFFER_RING))
        uring->features &= ~(uint32_t)URING_MULTISHOT_RECV;

    int error = setup(uring, options);
    if (error == -EINVAL && uring->features & URING_DEFER_TASKRUN) {
        uring->features &= ~(uint32_t)URING_DEFER_TASKRUN;
        error = setup(uring, options);
    }
    if (error == -EINVAL && uring->features & URING_SINGLE_ISSUER) {
        uring->features &= ~(uint32_t)URING_SINGLE_ISSUER;
        error = setup(uring, options);
    }
    if (error)
        return explain(why, error);
    error = restrict_ring(uring, options);
    if (!error)
        return 0;
    uring_close(uring);
    return explain(why, error);
}

int uring_enable(struct uring *uring)
{
    int result =
        io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

    return result < 0 ? result : 0;
}

void uring_close(struct uring *uring)
{
    io_uring_queue_exit(&uring->ring);
}

struct io_uring_sqe *uring_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    while (!sqe) {
        int result = io_uring_submit(&uring->ring);
        /* Busy: the kernel holds completions back until it may place them; that makes room. */
        if (result == -EBUSY || result == -EAGAIN)
            io_uring_get_events(&uring->ring);
        else
            assert(result >= 0 || result == -EINTR);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

int uring_enter(struct uring *uring, int64_t timeout_ms)
{
    struct __kernel_timespec limit = {.tv_sec = timeout_ms / 1000,
                                      .tv_nsec = timeout_ms % 1000 * 1000000};
    struct io_uring_cqe *cqe;
    int result;

    if (timeout_ms == 0)
        result = io_uring_submit_and_get_events(&uring->ring);
    else
        result = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1,
                                                  timeout_ms < 0 ? NULL : &limit, NULL);
    if (result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN)
        return 0;
    return result < 0 ? result : 0;
}
