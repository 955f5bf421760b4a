/* monitor.h - the operator's socket: a unix stream of requests, a line each, answered in order by
 * lines that end with an empty one; an error is the one line "error: …". Thread: the reactor's, but
 * for monitor_answer, which is for any. A slow, silent, flooding or vanished client holds up
 * nobody: each has one request in hand, bounded buffers, and is cut off when it stops reading; when
 * all places are taken the longest idle client makes room. */
#ifndef ADMIN_MONITOR_H
#define ADMIN_MONITOR_H
#include "base/text.h"
#include "io/reactor.h"

#define MONITOR_REQUEST_MAX (8000000 + 64) /* a line without its end: a block in hex */
#define MONITOR_ANSWER_MAX  (8000000 + 65536)

struct monitor;

/* One request. It lives until monitor_answer, whatever becomes of the client. */
struct monitor_request {
    char *argument;     /* what follows the command's name, without blanks around it; never NULL */
    struct text answer; /* to be filled: lines; the empty line is added */
    void *memory;       /* the handler's, freed with the request; NULL at first */
};

struct monitor_command {
    const char *name;
    const char *usage; /* the arguments, "" for none: a command without is refused with some */
    const char *help;  /* one line */
    /* Begins to answer; monitor_answer must follow once, now or later. */
    void (*run)(void *context, const struct monitor_command *command,
                struct monitor_request *request);
    const void *data; /* run's */
};

struct monitor_options {
    const char *path;                       /* at most what a unix address holds */
    const struct monitor_command *commands; /* borrowed, as what they hold */
    size_t command_count;
    void *context;       /* of run */
    uint32_t client_max; /* 0: 32 */
    uint32_t stall_ms;   /* a client that reads nothing for so long is cut off; 0: 30 s */
};

/* 0 or -errno as socket_listen_unix says. help and prompt are answered here, besides the commands
 * given. */
MUST_CHECK int monitor_open(struct monitor **monitor, struct reactor *reactor,
                            const struct monitor_options *options);
/* After reactor_run has returned and when nobody will call monitor_answer any more. Removes the
 * socket. */
void monitor_close(struct monitor *monitor);

/* The answer is whole: any thread, once. */
void monitor_answer(struct monitor_request *request);
/* Makes the answer this error, and answers. */
__attribute__((format(printf, 2, 3))) void monitor_error(struct monitor_request *request,
                                                         const char *format, ...);
#endif
