/* uring.h - one io_uring of one thread: set up, entered, closed; included by src/io only.
 * Thread: any thread opens, the owner's thread enables and makes all later calls. */
#ifndef IO_URING_H
#define IO_URING_H
#include "io/uring_features.h"

#include <liburing.h>

#define URING_WHY_SIZE 256

struct uring {
    struct io_uring ring;
    uint32_t features; /* those that work here and are not switched off */
};

struct uring_options {
    unsigned entries, cq_entries; /* cq_entries >= entries */
    uint32_t without;             /* features not to be used */
    const uint8_t *operations;    /* IORING_OP_…: the only ones the kernel will take */
    size_t operation_count;       /* at most URING_OPERATIONS_MAX */
    unsigned sqe_flags;           /* the only flags of a request it will take: IOSQE_… */
};
#define URING_OPERATIONS_MAX 16

/* Creates the ring disabled, so that the thread that enables it is its one issuer; until then it
 * takes no request, but may be registered with. Once enabled it is restricted for good: whatever
 * is not named in options, and every registration, gives -EACCES. 0, or -errno and in why one line
 * that names the cause and the remedy: io_uring forbidden by sysctl or seccomp, kernel too old, …
 */
MUST_CHECK int uring_open(struct uring *uring, const struct uring_options *options,
                          char why[URING_WHY_SIZE]);
/* On the owner's thread, before anything is submitted. 0 or -errno. */
MUST_CHECK int uring_enable(struct uring *uring);
void uring_close(struct uring *uring);

/* A cleared request to fill in; submits what is there when the queue is full. Never NULL. */
struct io_uring_sqe *uring_sqe(struct uring *uring);

/* Submits, then waits until a completion is there, at most timeout_ms (negative: without limit; 0:
 * only looks). 0 or -errno other than -EINTR, -ETIME and -EBUSY, which are no news. */
MUST_CHECK int uring_enter(struct uring *uring, int64_t timeout_ms);

/* The text of why: error is what io_uring_setup gave, disabled is kernel.io_uring_disabled (-1
 * unknown), release is the kernel's. */
void uring_explain(char why[URING_WHY_SIZE], int error, int disabled, const char *release);
#endif
