/* log.h - the node's log: records (log_record.h) that any thread gives and one writer thread puts
 * in a file, log.asn1, and as lines of text in another if that is wanted. Giving a record takes no
 * lock, no system call (but to wake a sleeping writer) and no memory: it is encoded in place in a
 * ring that belongs to the thread; the first record of a thread finds it one. A ring that is full
 * loses the record; what is lost, in rings or by failing writes, is counted and said in the log.
 * The records of a thread are in order, those of several threads nearly so.
 *
 * The writer writes with plain write(2): nobody waits for it, and the log must work when io_uring
 * does not. Memory: LOG_THREADS_MAX rings at most. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "base/log_record.h"

#define LOG_THREADS_MAX 512
#define LOG_RING_SIZE   (256 << 10)

#define LOG_FACILITIES(X)                                                                          \
    X(NODE, "node")                                                                                \
    X(CHAIN, "chain")                                                                              \
    X(LEDGER, "ledger")                                                                            \
    X(DISK, "disk")                                                                                \
    X(NET, "net")                                                                                  \
    X(POOL, "pool")                                                                                \
    X(ADMIN, "admin")                                                                              \
    X(PACKET, "packet")                                                                            \
    X(LOG, "log")

enum log_facility {
#define X(name, text) LOG_FACILITY_##name,
    LOG_FACILITIES(X)
#undef X
        LOG_FACILITY_COUNT
};

const char *log_facility_name(enum log_facility facility);
MUST_CHECK bool log_facility_find(const char *name, enum log_facility *facility);

struct log;

struct log_options {
    const char *path;      /* of the records; NULL: none */
    const char *text_path; /* of lines for people; NULL: none */
    uint64_t size_max;     /* a file that would grow over it is moved to PATH.1; 0: never */
    unsigned keep_count;   /* files moved away that are kept */
};

/* Takes records from now on; they wait in the rings for log_open. ring_size: a power of two, 0:
 * LOG_RING_SIZE. */
struct log *log_new(size_t ring_size);
/* Opens the files and starts the writer; 0 or -errno, then *bad is the path. Once. */
MUST_CHECK int log_open(struct log *log, const struct log_options *options, const char **bad);
/* Writes what is there and ends the writer. Nobody gives records any more. Without log_open what
 * was given is gone. */
void log_close(struct log *log);

/* Opens the files anew by their names, soon: somebody has moved them away. Any thread. */
void log_reopen(struct log *log);

/* What is less urgent than level is not taken; LOG_LEVEL_INFO at first. Any thread. */
void log_set_level(struct log *log, enum log_facility facility, enum log_level level);
enum log_level log_level_of(const struct log *log, enum log_facility facility);
/* To be asked where it costs something to prepare a record. */
bool log_is_on(const struct log *log, enum log_facility facility, enum log_level level);

#define LOG_INTEGER(name_, value_)                                                                 \
    ((struct log_item){                                                                            \
        .name = log_string(name_), .kind = LOG_KIND_INTEGER, .integer = (int64_t)(value_)})
#define LOG_BOOLEAN(name_, value_)                                                                 \
    ((struct log_item){.name = log_string(name_), .kind = LOG_KIND_BOOLEAN, .integer = (value_)})
#define LOG_TEXT(name_, value_)                                                                    \
    ((struct log_item){                                                                            \
        .name = log_string(name_), .kind = LOG_KIND_TEXT, .bytes = log_string(value_)})
#define LOG_BYTES(name_, data_, size_)                                                             \
    ((struct log_item){.name = log_string(name_),                                                  \
                       .kind = LOG_KIND_BYTES,                                                     \
                       .bytes = {(const uint8_t *)(data_), (size_)}})

/* Gives a record if its level is wanted. Texts and bytes that would make it longer than
 * LOG_RECORD_MAX are cut; an item "cut" says by how much. log may be NULL: then nothing happens.
 * What is not wanted is not evaluated. */
#define log_event(log, facility, level, event, ...)                                                \
    (log_is_on(log, facility, level)                                                               \
         ? log_give(log, facility, level, event, (const struct log_item[]){__VA_ARGS__},           \
                    sizeof((struct log_item[]){__VA_ARGS__}) / sizeof(struct log_item))            \
         : (void)0)
void log_give(struct log *log, enum log_facility facility, enum log_level level, const char *event,
              const struct log_item *items, size_t count);
/* The event "line" with one item, "text". */
void log_text(struct log *log, enum log_facility facility, enum log_level level, const char *line);

struct log_stats {
    uint64_t records, bytes, lost, rotations, write_errors;
};
void log_stats(const struct log *log, struct log_stats *stats);

/* Whether fd is what the service manager gave as the journal (its JOURNAL_STREAM, DEVICE:INODE, or
 * NULL): then a line begins with log_priority of its level, "<3>" for an error. */
bool log_is_journal(int fd, const char *journal_stream);
const char *log_priority(enum log_level level);
#endif
