/* engine_rig.h - an engine in a directory of its own, and its text commands asked from a test. */
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H
#include "pipeline/engine.h"
#include "pipeline/import.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct rig {
    struct engine *engine;
    struct engine_config config;
    struct params params;
    char directory[64];
    char error[256];
    pthread_mutex_t mutex;
    pthread_cond_t is_done;
    bool is_answered;
    bool is_quiet;
};

static void rig_log(void *context, enum engine_log_level level, const char *line)
{
    struct rig *rig = context;

    (void)level;
    if (!rig->is_quiet || getenv("RIG_LOG"))
        fprintf(stderr, "  [%s] %s\n", rig->params.name, line);
}

static inline void rig_init(struct rig *rig, enum network network)
{
    memset(rig, 0, sizeof *rig);
    params_init(&rig->params, network);
    snprintf(rig->directory, sizeof rig->directory, "/tmp/caesure-test-XXXXXX");
    if (!mkdtemp(rig->directory))
        abort();
    rig->config = (struct engine_config){.params = &rig->params,
                                         .directory = rig->directory,
                                         .events = {.log = rig_log, .context = rig},
                                         .worker_count = 2,
                                         .horizon = 20,
                                         .in_flight_limit = (size_t)64 << 20,
                                         .resident_limit = (size_t)16 << 20,
                                         .tag_bits = 64};
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->is_done, NULL);
    rig->is_quiet = true;
}

static inline enum engine_error rig_open(struct rig *rig)
{
    return engine_open(&rig->engine, &rig->config, rig->error, sizeof rig->error);
}

static inline enum engine_error rig_close(struct rig *rig)
{
    enum engine_error error = engine_close(rig->engine, rig->error, sizeof rig->error);

    rig->engine = NULL;
    return error;
}

static inline void rig_clear(struct rig *rig)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", rig->directory);
    if (system(command) != 0)
        abort();
    pthread_mutex_destroy(&rig->mutex);
    pthread_cond_destroy(&rig->is_done);
}

static void rig_done(struct command *command)
{
    struct rig *rig = command->context;

    pthread_mutex_lock(&rig->mutex);
    rig->is_answered = true;
    pthread_cond_signal(&rig->is_done);
    pthread_mutex_unlock(&rig->mutex);
}

/* Runs any function on the ledger thread and waits for its end. */
static inline void rig_run(struct rig *rig, struct command *command)
{
    command->done = rig_done;
    command->context = rig;
    rig->is_answered = false;
    if (!engine_post(rig->engine, command))
        abort();
    pthread_mutex_lock(&rig->mutex);
    while (!rig->is_answered)
        pthread_cond_wait(&rig->is_done, &rig->mutex);
    pthread_mutex_unlock(&rig->mutex);
}

/* The answer of a text command, for the caller to free. */
static inline char *rig_ask(struct rig *rig, const char *name, const char *argument)
{
    size_t count;
    const struct engine_text_command *commands = engine_text_commands(&count);
    struct command command = {.argument = argument ? strdup(argument) : NULL};

    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, name) == 0)
            command.run = commands[i].run;
    if (!command.run)
        abort();
    text_init(&command.text, 64 << 20);
    rig_run(rig, &command);
    free(command.argument);
    char *answer = strdup(text_cstr(&command.text));
    text_clear(&command.text);
    return answer;
}

/* What follows name in an answer of "name value" lines, in out. */
static inline bool rig_value(const char *answer, const char *name, char *out, size_t out_size)
{
    size_t name_size = strlen(name);

    for (const char *line = answer; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, name_size) == 0 && line[name_size] == ' ') {
            size_t size = strcspn(line + name_size + 1, "\n");
            snprintf(out, out_size, "%.*s", (int)size, line + name_size + 1);
            return true;
        }
    return false;
}

static inline enum import_error rig_import(struct rig *rig, const char *path,
                                           struct import_result *result)
{
    static const _Atomic bool never = false;
    struct import_progress progress = {0};

    return import_file(rig->engine, path, &never, &progress, result, rig->error, sizeof rig->error);
}
#endif
