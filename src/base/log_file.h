/* log_file.h - one file that a log's writer appends to: a buffer, rotation by size, plain write(2).
 * Thread: the writer's. */
#ifndef BASE_LOG_FILE_H
#define BASE_LOG_FILE_H
#include "base/bytes.h"

struct log_file {
    char *path; /* NULL: not wanted, everything is ignored */
    int fd;     /* -1 after a failed reopening: records are lost until it can be opened again */
    uint64_t size, size_max;
    unsigned keep_count;
    uint8_t *buffer;
    size_t used;
    uint64_t used_count; /* records in the buffer */

    uint64_t written_count, written_size, lost_count, rotations, errors; /* so far */
};

/* path may be NULL. size_max 0: no rotation. */
MUST_CHECK int log_file_open(struct log_file *file, const char *path, uint64_t size_max,
                             unsigned keep_count);
/* Closes and opens it by its name. */
void log_file_reopen(struct log_file *file);
/* Room for a record of size bytes, which log_file_add then takes; NULL when the file is not wanted.
 */
uint8_t *log_file_room(struct log_file *file, size_t size);
void log_file_add(struct log_file *file, size_t size);
/* Writes the buffer: all of it or, when that fails, nothing; its records are lost then. */
void log_file_flush(struct log_file *file);
void log_file_close(struct log_file *file);
#endif
