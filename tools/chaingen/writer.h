/* writer.h - the file of blocks that chaingen makes: in order, out of order, some at the end. */
#ifndef CHAINGEN_WRITER_H
#define CHAINGEN_WRITER_H
#include "base/random.h"
#include "chaingen/buffer.h"
#include <stdio.h>

struct writer {
    FILE *file, *late; /* late: records that come last */
    uint8_t magic[4];
    int error; /* the first errno */
    uint64_t size;
    bool is_shuffled;
    struct prng prng;
    struct buffer *waiting; /* is_shuffled: records of which the next one is drawn */
    size_t waiting_count, waiting_size;
};

/* With is_shuffled blocks come out of order, by up to a few hundred: as in files that a node wrote
 * while it downloaded. 0 or -errno. */
MUST_CHECK int writer_open(struct writer *writer, const char *path, const uint8_t magic[4],
                           bool is_shuffled, uint64_t seed);
/* A block that stays where it is: the genesis, and what is copied from a given file. */
void writer_put_first(struct writer *writer, struct bytes block);
void writer_put(struct writer *writer, struct bytes block);
/* Behind all others; among them if these are shuffled. */
void writer_put_late(struct writer *writer, struct bytes block);
/* 0 or -errno of the first failure since writer_open. */
MUST_CHECK int writer_close(struct writer *writer);
#endif
