#include "admin/warnings.h"

#include <stdio.h>
#include <time.h>

void warnings_init(struct warnings *warnings)
{
    *warnings = (struct warnings){.used = 0};
    pthread_mutex_init(&warnings->mutex, NULL);
}

void warnings_clear(struct warnings *warnings)
{
    pthread_mutex_destroy(&warnings->mutex);
}

static struct warning *find(struct warnings *warnings, const char *line)
{
    for (size_t i = 0; i < warnings->used; i++)
        if (strncmp(warnings->kept[i].line, line, WARNINGS_LINE_MAX - 1) == 0)
            return &warnings->kept[i];
    return NULL;
}

void warnings_add(struct warnings *warnings, int64_t time_s, const char *line)
{
    pthread_mutex_lock(&warnings->mutex);
    struct warning *warning = find(warnings, line);
    if (!warning) {
        warning = &warnings->kept[warnings->next];
        warnings->next = (warnings->next + 1) % WARNINGS_KEPT;
        if (warnings->used < WARNINGS_KEPT)
            warnings->used++;
        warning->count = 0;
        snprintf(warning->line, sizeof warning->line, "%s", line);
    }
    warning->time_s = time_s;
    warning->count++;
    pthread_mutex_unlock(&warnings->mutex);
}

void warnings_print(struct warnings *warnings, struct text *text)
{
    pthread_mutex_lock(&warnings->mutex);
    size_t oldest = warnings->used < WARNINGS_KEPT ? 0 : warnings->next;
    for (size_t i = 0; i < warnings->used; i++) {
        const struct warning *warning = &warnings->kept[(oldest + i) % WARNINGS_KEPT];
        time_t seconds = (time_t)warning->time_s;
        struct tm parts;
        char when[32];

        gmtime_r(&seconds, &parts);
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
        text_printf(text, "%s %llu %s\n", when, (unsigned long long)warning->count, warning->line);
    }
    pthread_mutex_unlock(&warnings->mutex);
}
