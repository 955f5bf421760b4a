/* warnings.h - the last warnings and errors since the start, for who asks later. Thread: any. */
#ifndef ADMIN_WARNINGS_H
#define ADMIN_WARNINGS_H
#include "base/text.h"
#include <pthread.h>

#define WARNINGS_KEPT     32
#define WARNINGS_LINE_MAX 512

struct warnings {
    pthread_mutex_t mutex; /* guards what follows */
    struct warning {
        int64_t time_s; /* of the last time it was given */
        uint64_t count;
        char line[WARNINGS_LINE_MAX];
    } kept[WARNINGS_KEPT];
    size_t next, used; /* the oldest makes room */
};

void warnings_init(struct warnings *warnings);
void warnings_clear(struct warnings *warnings);
/* A line that is there already is counted. */
void warnings_add(struct warnings *warnings, int64_t time_s, const char *line);
/* A line each, oldest first: time, how often, what. */
void warnings_print(struct warnings *warnings, struct text *text);
#endif
