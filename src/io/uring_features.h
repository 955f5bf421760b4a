/* uring_features.h - what io_uring may offer beyond the least we need; each can be switched off for
 * a test
 * (--uring-without NAME). No liburing here, so that any layer can name them. */
#ifndef IO_URING_FEATURES_H
#define IO_URING_FEATURES_H
#include "base/bytes.h"

/* X(constant, name, what is done without it) */
#define URING_FEATURES(X)                                                                          \
    X(URING_SINGLE_ISSUER, "single-issuer", "the kernel locks each submission")                    \
    X(URING_DEFER_TASKRUN, "defer-taskrun", "completions interrupt the thread")                    \
    X(URING_BUFFER_RING, "buffer-ring", "each connection holds a receive buffer of its own")       \
    X(URING_MULTISHOT_ACCEPT, "multishot-accept", "an accept is submitted for each connection")    \
    X(URING_MULTISHOT_RECV, "multishot-recv", "a receive is submitted for each piece")             \
    X(URING_CANCEL_FD, "cancel-fd", "each request of a connection is cancelled by itself")

#define X(constant, name, without) constant##_BIT,
enum { URING_FEATURES(X) URING_FEATURE_COUNT };
#undef X
#define X(constant, name, without) constant = 1u << constant##_BIT,
enum uring_feature { URING_FEATURES(X) };
#undef X

/* The feature of this name, or 0. */
uint32_t uring_feature_find(const char *name);
/* The name of bit i, NULL from URING_FEATURE_COUNT on. */
const char *uring_feature_name(unsigned i);
#endif
