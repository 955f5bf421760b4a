#include "node/state.h"

#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 65536

struct asked {
    struct command command;
    struct node_log *node_log;
};

static void log_lines(struct node_log *node_log, struct text *text)
{
    char *rest = NULL;

    text_append(text, "", 1); /* so that there is something to split */
    for (char *line = strtok_r(text->data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        node_log_line(node_log, LOG_FACILITY_NODE, ENGINE_LOG_INFO, line);
    text_clear(text);
}

static void stats_done(struct command *command)
{
    struct asked *asked = CONTAINER_OF(command, struct asked, command);

    log_lines(asked->node_log, &command->text);
    free(asked);
}

void state_log_short(struct node_log *node_log, struct engine *engine)
{
    struct engine_snapshot snapshot;
    char line[200];

    engine_snapshot(engine, &snapshot);
    snprintf(line, sizeof line,
             "state: height %d of %d, %ssynced, %u blocks in hand, %zu MB of them", snapshot.height,
             snapshot.header_height, snapshot.is_synced ? "" : "not ", snapshot.jobs_in_flight,
             snapshot.credit_used >> 20);
    node_log_line(node_log, LOG_FACILITY_NODE, ENGINE_LOG_INFO, line);
}

void state_log(struct node_log *node_log, struct engine *engine, struct net *net)
{
    size_t count;
    const struct engine_text_command *commands = engine_text_commands(&count);
    struct text text;

    text_init(&text, TEXT_MAX);
    net_print_stats(net, "", &text);
    log_lines(node_log, &text);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(commands[i].name, "stats") != 0)
            continue;
        struct asked *asked = xcalloc(1, sizeof *asked);
        asked->node_log = node_log;
        asked->command.run = commands[i].run;
        asked->command.done = stats_done;
        text_init(&asked->command.text, TEXT_MAX);
        if (!engine_post(engine, &asked->command)) {
            text_clear(&asked->command.text);
            free(asked);
        }
    }
}
