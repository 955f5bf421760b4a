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

/* Creates the ring disabled, so that the thread that enables it is its one issuer. 0, or -errno and
 * in why one line that names the cause and the remedy: io_uring forbidden by sysctl or seccomp,
 * kernel too old, … without: features not to be used. cq_entries >= entries. */
MUST_CHECK int uring_open(struct uring *uring, unsigned entries, unsigned cq_entries,
                          uint32_t without, char why[URING_WHY_SIZE]);
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
