#include "admin/commands.h"

#include "admin/metrics.h"
#include "base/arena.h"
#include "base/version.h"

#include <stdlib.h>

struct commands {
    struct engine *engine;
    struct net *net;
    struct log *log;
    struct warnings *warnings;
    void (*shutdown)(void *context);
    void *context;
    struct monitor_command *table;
    size_t count;
};

/* A request on its way through the engine. */
struct asked {
    struct command command;
    struct monitor_request *request;
};

/* On one of the engine's threads. */
static void engine_done(struct command *command)
{
    struct asked *asked = CONTAINER_OF(command, struct asked, command);

    asked->request->answer = command->text;
    monitor_answer(asked->request);
}

static void run_engine(void *context, const struct monitor_command *command,
                       struct monitor_request *request)
{
    const struct commands *commands = context;
    const struct engine_text_command *text_command = command->data;

    if (strcmp(command->name, "stats") == 0 && request->argument &&
        strcmp(request->argument, "net") == 0) {
        net_print_stats(commands->net, "", &request->answer);
        monitor_answer(request);
        return;
    }
    if (engine_is_stepping_back(commands->engine)) {
        monitor_error(request, "busy: stepping back");
        return;
    }
    struct asked *asked = xcalloc(1, sizeof *asked);
    asked->request = request;
    asked->command.run = text_command->run;
    asked->command.done = engine_done;
    asked->command.argument = request->argument;
    text_init(&asked->command.text, MONITOR_ANSWER_MAX);
    request->memory = asked;
    if (strcmp(command->name, "stats") == 0 && (!request->argument || !*request->argument))
        net_print_stats(commands->net, "", &asked->command.text);
    if (!engine_post(commands->engine, &asked->command))
        monitor_error(request, "the node is busy or stopping");
}

static void run_version(void *context, const struct monitor_command *command,
                        struct monitor_request *request)
{
    (void)context, (void)command;
    text_printf(&request->answer, "version %s\n", caesure_version);
    monitor_answer(request);
}

static void run_shutdown(void *context, const struct monitor_command *command,
                         struct monitor_request *request)
{
    const struct commands *commands = context;

    (void)command;
    text_printf(&request->answer, "stopping\n");
    monitor_answer(request);
    commands->shutdown(commands->context);
}

/* Those of net are answered at once: they are of the reactor's thread, as the socket is. */
struct net_command {
    const char *name, *usage, *help;
    void (*run)(struct net *net, const char *argument, struct text *text);
};

static const struct net_command net_commands[] = {
    {"peers", "", "the peers, a line each", net_print_peers},
    {"connect", "ADDR", "keeps a connection there", net_connect},
    {"disconnect", "ID", "ends a connection", net_disconnect},
    {"ban", "ADDR [SECONDS]", "no connection with this host for a day, or so long", net_ban},
    {"unban", "ADDR", "ends a ban", net_unban},
    {"banned", "", "the bans, a line each", net_print_banned},
};

static void run_net(void *context, const struct monitor_command *command,
                    struct monitor_request *request)
{
    const struct commands *commands = context;
    const struct net_command *net_command = command->data;

    net_command->run(commands->net, request->argument ? request->argument : "", &request->answer);
    monitor_answer(request);
}

static void run_metrics(void *context, const struct monitor_command *command,
                        struct monitor_request *request)
{
    const struct commands *commands = context;

    (void)command;
    metrics_print(&(struct metrics){commands->engine, commands->net, commands->log},
                  &request->answer);
    monitor_answer(request);
}

static void print_levels(const struct log *log, struct text *text)
{
    for (int i = 0; i < LOG_FACILITY_COUNT; i++)
        text_printf(text, "%s %s\n", log_facility_name((enum log_facility)i),
                    log_level_name(log_level_of(log, (enum log_facility)i)));
}

/* LEVEL is for all but the packets, which are many: they are asked for by name. */
static void run_log(void *context, const struct monitor_command *command,
                    struct monitor_request *request)
{
    const struct commands *commands = context;
    char *name = request->argument, *blank = strchr(name, ' ');
    char *level_name = blank ? blank + 1 + strspn(blank + 1, " ") : name;
    enum log_facility facility = LOG_FACILITY_COUNT;
    enum log_level level;

    (void)command;
    if (blank)
        *blank = 0;
    if (*name && !log_level_find(level_name, &level)) {
        monitor_error(request, "there is no level '%s': error, warning, info or debug", level_name);
        return;
    }
    if (blank && !log_facility_find(name, &facility)) {
        monitor_error(request, "there is no facility '%s': log lists them", name);
        return;
    }
    for (int i = 0; i < LOG_FACILITY_COUNT && *name; i++)
        if (facility == LOG_FACILITY_COUNT ? i != LOG_FACILITY_PACKET : i == (int)facility)
            log_set_level(commands->log, (enum log_facility)i, level);
    print_levels(commands->log, &request->answer);
    monitor_answer(request);
}

static void run_warnings(void *context, const struct monitor_command *command,
                         struct monitor_request *request)
{
    const struct commands *commands = context;

    (void)command;
    warnings_print(commands->warnings, &request->answer);
    monitor_answer(request);
}

static const struct monitor_command own_commands[] = {
    {"metrics", "", "the figures, as Prometheus reads them", run_metrics, NULL},
    {"log", "[[FACILITY] LEVEL]", "what the log takes; changes that", run_log, NULL},
    {"warnings", "", "the last warnings since the start: when, how often, what", run_warnings,
     NULL},
    {"version", "", "the version of this program", run_version, NULL},
    {"shutdown", "", "stops the node", run_shutdown, NULL},
};

struct commands *commands_new(struct engine *engine, struct net *net, struct log *log,
                              struct warnings *warnings, void (*shutdown)(void *context),
                              void *context)
{
    struct commands *commands = xcalloc(1, sizeof *commands);
    size_t engine_count;
    const struct engine_text_command *text_commands = engine_text_commands(&engine_count);

    commands->engine = engine;
    commands->net = net;
    commands->log = log;
    commands->warnings = warnings;
    commands->shutdown = shutdown;
    commands->context = context;
    commands->table = xcalloc(engine_count + ARRAY_COUNT(net_commands) + ARRAY_COUNT(own_commands),
                              sizeof *commands->table);
    for (size_t i = 0; i < engine_count; i++)
        commands->table[commands->count++] = (struct monitor_command){
            .name = text_commands[i].name,
            .usage = text_commands[i].usage,
            .help = text_commands[i].help,
            .run = run_engine,
            .data = &text_commands[i],
        };
    for (size_t i = 0; i < ARRAY_COUNT(net_commands); i++)
        commands->table[commands->count++] = (struct monitor_command){
            .name = net_commands[i].name,
            .usage = net_commands[i].usage,
            .help = net_commands[i].help,
            .run = run_net,
            .data = &net_commands[i],
        };
    for (size_t i = 0; i < ARRAY_COUNT(own_commands); i++)
        commands->table[commands->count++] = own_commands[i];
    return commands;
}

void commands_free(struct commands *commands)
{
    free(commands->table);
    free(commands);
}

void commands_fill(const struct commands *commands, struct monitor_options *options)
{
    options->commands = commands->table;
    options->command_count = commands->count;
    options->context = (void *)commands;
}
