/* service.h - the thread beside all others that takes the signals, tells the service manager how
 * far we are, and feeds its watchdog as long as the threads that matter go round.
 *
 *     loading --service_ready--> running --service_ending--> ending
 *
 * While loading and ending the manager is asked for more time as long as the process gets
 * something done. */
#ifndef NODE_SERVICE_H
#define NODE_SERVICE_H
#include "base/bytes.h"
#include <signal.h>

#define SERVICE_BEATS     3
#define SERVICE_LINE_SIZE 200

/* What is asked while running. */
struct service_look {
    uint64_t beats[SERVICE_BEATS]; /* each grows while its thread goes round */
    char line[SERVICE_LINE_SIZE];  /* one line, for people */
};

/* On the service's thread; they must not wait. */
struct service_events {
    void (*stop)(void *context);                  /* the first SIGINT or SIGTERM */
    void (*kill)(void *context);                  /* each later one; need not return */
    void (*reopen)(void *context);                /* SIGHUP */
    void (*tell)(void *context, bool is_running); /* SIGUSR1 */
    void (*look)(void *context, struct service_look *look);
    void *context;
};

struct service;

/* Before there is any other thread: the signals are for the service. SIGPIPE is ignored. */
void service_block_signals(void);
struct service *service_start(const struct service_events *events);
/* What is going on while loading, a line for the manager. Any thread. */
void service_say(struct service *service, const char *line);
void service_ready(struct service *service);
/* After this nothing is looked at or told any more; kill may still come. */
void service_ending(struct service *service);
void service_stop(struct service *service);
#endif
