/* uring.h - creates the io_uring of a thread, and says why where that is not possible.
 * A ring is created anywhere (at start, so that errors come early), disabled; the thread that will
 * use it enables it and is its only user from then on. */
#ifndef IO_URING_H
#define IO_URING_H
#include "base/bytes.h"
#include <liburing.h>

/* What --uring-without can switch off. A ring without the first two is slower, not different; the
 * operations left out are done by system calls on the ring's thread. */
enum uring_feature {
    URING_SINGLE_ISSUER = 1,
    URING_DEFER_TASKRUN = 2,
    URING_RENAME = 4,
    URING_FALLOCATE = 8,
};

/* The bit of a feature by its name (single-issuer, defer-taskrun, rename, fallocate), 0 if unknown.
 */
unsigned uring_feature_find(const char *name);

enum uring_trouble {
    URING_IS_FINE,
    URING_OLD_KERNEL,      /* before 6.1, or built without io_uring */
    URING_SWITCHED_OFF,    /* kernel.io_uring_disabled */
    URING_FORBIDDEN,       /* by seccomp, as in containers */
    URING_LACKS_RESOURCES, /* memory, locked memory, descriptors */
};

/* 0 or -errno; features without the bits of `without` are used where the kernel has them. */
MUST_CHECK int uring_open(struct io_uring *ring, unsigned entries, unsigned without);
/* On the thread that will use it, before the first submission. */
MUST_CHECK int uring_enable(struct io_uring *ring);

/* What an error of uring_open or uring_enable means here and now, and one line for the operator. */
enum uring_trouble uring_explain(int error, char *text, size_t text_size);
#endif
