#include "admin/monitor.h"

#include "base/arena.h"
#include "io/socket.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLIENT_MAX_DEFAULT 32
#define STALL_MS_DEFAULT   30000
#define REQUEST_COUNT_MAX  64      /* in hand, those of vanished clients included */
#define SPILL_MAX          1048576 /* what may still come in after a pause */
#define OUTPUT_LOW         65536   /* the next request waits until no more than this is unsent */
#define TICK_MS            500

/*     reading --a whole line--> busy --monitor_answer--> sending --nearly all sent--> reading
 * Only a reading client is received from; what it sent ahead waits in its buffer or in the socket.
 */
struct client {
    struct monitor *monitor;
    struct conn *conn;
    struct request *request; /* busy */
    struct client *next;
    char *input; /* what is not run yet: from start to end */
    size_t start, end, capacity;
    size_t searched; /* no line end from start to here */
    bool has_prompt, is_ended, is_leaving;
    uint64_t active_ms; /* the last time something came or was asked of it */
    size_t unsent;      /* at the last tick that saw progress */
    uint64_t progress_ms;
};

struct request {
    struct monitor_request public;
    struct reactor_message message;
    struct monitor *monitor;
    struct client *client; /* NULL: gone */
    struct request *prev, *next;
    char line[];
};

struct monitor {
    struct reactor *reactor;
    struct monitor_options options;
    struct client *clients;
    uint32_t client_count, request_count;
    struct request *requests;
    struct reactor_timer tick;
    dev_t socket_dev;
    ino_t socket_ino;
    char path[];
};

static void serve(struct client *client);

/* ---- requests ---- */

static void request_free(struct request *request)
{
    struct monitor *monitor = request->monitor;

    if (request->prev)
        request->prev->next = request->next;
    else
        monitor->requests = request->next;
    if (request->next)
        request->next->prev = request->prev;
    monitor->request_count--;
    text_clear(&request->public.answer);
    free(request->public.memory);
    free(request);
}

/* On the reactor's thread again. */
static void request_answered(struct reactor_message *message)
{
    struct request *request = CONTAINER_OF(message, struct request, message);
    struct client *client = request->client;

    if (!client) {
        request_free(request);
        return;
    }
    struct text *answer = &request->public.answer;
    if (answer->is_cut_off) {
        text_clear(answer);
        text_printf(answer, "error: the answer is too long");
    }
    answer->limit += 16;
    if (answer->size > 0 && answer->data[answer->size - 1] != '\n')
        text_append(answer, "\n", 1);
    text_append(answer, "\n", 1);
    if (client->has_prompt)
        text_append(answer, ">>> ", 4);
    if (conn_send_borrowed(client->conn, (struct bytes){(uint8_t *)answer->data, answer->size},
                           free, answer->data))
        answer->data = NULL; /* the connection's now */
    client->request = NULL;
    request_free(request);
    serve(client);
}

void monitor_answer(struct monitor_request *public)
{
    struct request *request = CONTAINER_OF(public, struct request, public);

    reactor_post(request->monitor->reactor, &request->message);
}

void monitor_error(struct monitor_request *request, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    text_clear(&request->answer);
    text_printf(&request->answer, "error: %s", line);
    monitor_answer(request);
}

static struct request *request_new(struct client *client, const char *line, size_t size)
{
    struct monitor *monitor = client->monitor;
    struct request *request = xmalloc(sizeof *request + size + 1);

    *request = (struct request){
        .message.run = request_answered,
        .monitor = monitor,
        .client = client,
        .next = monitor->requests,
    };
    if (monitor->requests)
        monitor->requests->prev = request;
    monitor->requests = request;
    monitor->request_count++;
    memcpy(request->line, line, size);
    request->line[size] = 0;
    text_init(&request->public.answer, MONITOR_ANSWER_MAX);
    client->request = request;
    return request;
}

/* ---- commands ---- */

static const struct monitor_command *find(const struct monitor *monitor, const char *name)
{
    for (size_t i = 0; i < monitor->options.command_count; i++)
        if (strcmp(monitor->options.commands[i].name, name) == 0)
            return &monitor->options.commands[i];
    return NULL;
}

static void print_command(struct text *text, const char *name, const char *usage, const char *help)
{
    char left[64];

    snprintf(left, sizeof left, "%s%s%s", name, *usage ? " " : "", usage);
    text_printf(text, "%-28s %s\n", left, help);
}

static void run_help(struct monitor *monitor, struct monitor_request *request)
{
    const char *name = request->argument;
    const struct monitor_command *command = find(monitor, name);

    if (*name && !command && strcmp(name, "help") != 0 && strcmp(name, "prompt") != 0) {
        monitor_error(request, "no such command; help lists them");
        return;
    }
    for (size_t i = 0; i < monitor->options.command_count; i++) {
        const struct monitor_command *each = &monitor->options.commands[i];
        if (!*name || each == command)
            print_command(&request->answer, each->name, each->usage, each->help);
    }
    if (!*name || strcmp(name, "help") == 0)
        print_command(&request->answer, "help", "[COMMAND]", "this list, or one line of it");
    if (!*name || strcmp(name, "prompt") == 0)
        print_command(&request->answer, "prompt", "",
                      "show a prompt after each answer, for people");
    monitor_answer(request);
}

static bool is_text(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < ' ' && line[i] != '\t')
            return false;
    return true;
}

/* The line has no blanks at its ends and is not empty. */
static void run_line(struct client *client, const char *line, size_t size)
{
    struct monitor *monitor = client->monitor;
    bool is_full = monitor->request_count >= REQUEST_COUNT_MAX;
    struct request *request = request_new(client, line, size);
    struct monitor_request *public = &request->public;
    size_t name_size = strcspn(request->line, " \t");

    public->argument = request->line + name_size;
    if (*public->argument) {
        *public->argument++ = 0;
        public->argument += strspn(public->argument, " \t");
    }
    const struct monitor_command *command = find(monitor, request->line);
    if (is_full) {
        monitor_error(public, "too many requests at once");
    } else if (!is_text(line, size)) {
        monitor_error(public, "the request is not text");
    } else if (strcmp(request->line, "help") == 0) {
        run_help(monitor, public);
    } else if (strcmp(request->line, "prompt") == 0) {
        client->has_prompt = true;
        monitor_answer(public);
    } else if (!command) {
        monitor_error(public, "no such command; help lists them");
    } else if (*public->argument && !*command->usage) {
        monitor_error(public, "%s takes no argument", command->name);
    } else {
        command->run(monitor->options.context, command, public);
    }
}

/* ---- clients ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void leave(struct client *client)
{
    client->is_leaving = true;
    conn_close(client->conn);
}

/* An answer that belongs to no request, after which the connection ends. */
static void refuse(struct client *client, const char *text)
{
    if (!conn_send(client->conn, (struct bytes){(const uint8_t *)text, strlen(text)})) {
        leave(client); /* it reads nothing either */
        return;
    }
    client->is_leaving = true;
    conn_finish(client->conn);
}

/* Runs the next line if there is a whole one; false when there is none, or one that serve refuses.
 */
static bool next_line(struct client *client)
{
    char *line = client->input + client->start;
    char *end = client->end > client->searched
                    ? memchr(client->input + client->searched, '\n', client->end - client->searched)
                    : NULL;

    if (!end || end - line > MONITOR_REQUEST_MAX) {
        client->searched = client->end;
        return false;
    }
    client->start = client->searched = (size_t)(end + 1 - client->input);
    while (end > line && is_blank(end[-1]))
        end--;
    while (line < end && is_blank(*line))
        line++;
    if (line < end)
        run_line(client, line, (size_t)(end - line));
    else if (client->has_prompt &&
             !conn_send(client->conn, (struct bytes){(const uint8_t *)">>> ", 4}))
        leave(client);
    return true;
}

/* What the client's state asks for next. */
static void serve(struct client *client)
{
    bool is_waiting = false;

    while (!client->is_leaving) {
        is_waiting = client->request || conn_output_size(client->conn) > OUTPUT_LOW;
        if (is_waiting || !next_line(client))
            break;
    }
    if (client->is_leaving)
        return;
    if (is_waiting) {
        conn_pause(client->conn);
    } else if (client->end - client->start > MONITOR_REQUEST_MAX) {
        refuse(client, "error: a request is at most 8000064 bytes\n\n");
    } else if (client->is_ended && client->end > client->start) {
        refuse(client, "error: the last request does not end with a line end\n\n");
    } else if (client->is_ended) {
        client->is_leaving = true;
        conn_finish(client->conn);
    } else {
        conn_resume(client->conn);
    }
}

/* Room for size more bytes at the end; false when the client sent too much ahead. */
static bool make_room(struct client *client, size_t size)
{
    size_t held = client->end - client->start;
    size_t limit = MONITOR_REQUEST_MAX + SPILL_MAX;

    if (size > limit - held)
        return false;
    if (size <= client->capacity - client->end)
        return true;
    if (held > 0)
        memmove(client->input, client->input + client->start, held);
    client->searched -= client->start;
    client->start = 0;
    client->end = held;
    if (size > client->capacity - held) {
        client->capacity = (held + size) * 2 < limit ? (held + size) * 2 : limit;
        client->input = xrealloc(client->input, client->capacity);
    }
    return true;
}

static void received(void *owner, struct bytes data)
{
    struct client *client = owner;

    if (client->is_leaving)
        return;
    client->active_ms = reactor_now_ms(client->monitor->reactor);
    if (data.size == 0) {
        client->is_ended = true;
    } else if (make_room(client, data.size)) {
        memcpy(client->input + client->end, data.data, data.size);
        client->end += data.size;
    } else {
        leave(client);
        return;
    }
    serve(client);
    if (client->start == client->end &&
        client->capacity > OUTPUT_LOW) { /* a large request is done */
        free(client->input);
        client->input = NULL;
        client->start = client->end = client->searched = client->capacity = 0;
    }
}

static void drained(void *owner)
{
    serve(owner);
}

static void closed(void *owner, int error)
{
    struct client *client = owner;
    struct monitor *monitor = client->monitor;
    struct client **link = &monitor->clients;

    (void)error; /* however a client leaves is its own affair */
    if (client->request)
        client->request->client = NULL;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    monitor->client_count--;
    free(client->input);
    free(client);
}

static const struct conn_events client_events = {
    .received = received, .drained = drained, .closed = closed};

/* Who waits for an answer is not received from, so that its going is not reported. */
static void sweep(struct monitor *monitor)
{
    for (struct client *each = monitor->clients; each; each = each->next)
        if (each->request && conn_has_vanished(each->conn))
            leave(each);
}

/* The vanished clients make room, and the one without a request that has been quiet longest. The
 * list begins with the newest. */
static void evict(struct monitor *monitor)
{
    struct client *oldest = NULL;

    sweep(monitor);
    for (struct client *each = monitor->clients; each; each = each->next)
        if (!each->request && !each->is_leaving &&
            (!oldest || each->active_ms <= oldest->active_ms))
            oldest = each;
    if (oldest)
        leave(oldest);
}

static void accepted(void *context, int fd)
{
    struct monitor *monitor = context;
    /* Room for one answer of any size beyond those that may wait when it begins. */
    struct conn_limits limits = {.output_max = MONITOR_ANSWER_MAX + 2 * OUTPUT_LOW};

    if (monitor->client_count >=
        2 * monitor->options.client_max) { /* evicted ones are still leaving */
        close(fd);
        return;
    }
    if (monitor->client_count >= monitor->options.client_max)
        evict(monitor);
    struct client *client = xcalloc(1, sizeof *client);
    client->monitor = monitor;
    client->active_ms = reactor_now_ms(monitor->reactor);
    client->conn = conn_adopt(monitor->reactor, fd, &limits, &client_events, client);
    if (!client->conn) {
        free(client);
        return;
    }
    client->next = monitor->clients;
    monitor->clients = client;
    monitor->client_count++;
    if (!monitor->tick.heap_index)
        timer_set(monitor->reactor, &monitor->tick, client->active_ms + TICK_MS);
}

static void tick(struct reactor_timer *timer)
{
    struct monitor *monitor = CONTAINER_OF(timer, struct monitor, tick);
    uint64_t now_ms = reactor_now_ms(monitor->reactor);

    sweep(monitor);
    for (struct client *client = monitor->clients; client; client = client->next) {
        size_t unsent = conn_output_size(client->conn);
        if (unsent == 0 || unsent != client->unsent)
            client->progress_ms = now_ms;
        else if (now_ms - client->progress_ms >= monitor->options.stall_ms)
            leave(client);
        client->unsent = unsent;
    }
    if (monitor->clients)
        timer_set(monitor->reactor, timer, now_ms + TICK_MS);
}

int monitor_open(struct monitor **out, struct reactor *reactor,
                 const struct monitor_options *options)
{
    int fd = socket_listen_unix(options->path);
    size_t path_size = strlen(options->path) + 1;
    struct stat st;

    if (fd < 0)
        return fd;
    struct monitor *monitor = xcalloc(1, sizeof *monitor + path_size);
    monitor->reactor = reactor;
    monitor->options = *options;
    memcpy(monitor->path, options->path, path_size);
    if (!monitor->options.client_max)
        monitor->options.client_max = CLIENT_MAX_DEFAULT;
    if (!monitor->options.stall_ms)
        monitor->options.stall_ms = STALL_MS_DEFAULT;
    monitor->tick.run = tick;
    if (lstat(monitor->path, &st) == 0) {
        monitor->socket_dev = st.st_dev;
        monitor->socket_ino = st.st_ino;
    }
    int error = reactor_listen(reactor, fd, NULL, accepted, monitor);
    if (error) {
        unlink(monitor->path);
        free(monitor);
        return error;
    }
    *out = monitor;
    return 0;
}

void monitor_close(struct monitor *monitor)
{
    struct stat st;

    assert(!monitor->clients); /* reactor_run has closed them */
    timer_cancel(monitor->reactor, &monitor->tick);
    while (monitor->requests)
        request_free(monitor->requests);
    /* Only what we made: another instance may have taken the path since. */
    if (lstat(monitor->path, &st) == 0 && st.st_dev == monitor->socket_dev &&
        st.st_ino == monitor->socket_ino)
        unlink(monitor->path);
    free(monitor);
}
