#include "admin/scrape.h"

#include "base/arena.h"
#include "codec/netaddr.h"
#include "io/socket.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENT_MAX         8
#define REQUEST_MAX        4096
#define ANSWER_MAX         (1 << 20)
#define TIMEOUT_MS_DEFAULT 5000

struct client {
    struct scrape *scrape; /* NULL: the place is free */
    struct conn *conn;
    struct reactor_timer timer;
    size_t size;
    bool is_answered;
    char request[REQUEST_MAX];
};

struct scrape {
    struct reactor *reactor;
    struct scrape_options options;
    struct client clients[CLIENT_MAX];
};

static void answer(struct client *client, const char *status, const char *type,
                   const struct text *body)
{
    struct text text;

    text_init(&text, ANSWER_MAX + 512);
    text_printf(&text,
                "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: "
                "close\r\n\r\n",
                status, type, body->size);
    text_append(&text, text_cstr(body), body->size);
    client->is_answered = true;
    if (conn_send(client->conn, (struct bytes){(const uint8_t *)text.data, text.size}))
        conn_finish(client->conn);
    else
        conn_close(client->conn);
    text_clear(&text);
}

static void refuse(struct client *client, const char *status)
{
    struct text body;

    text_init(&body, 256);
    text_printf(&body, "%s\n", status);
    answer(client, status, "text/plain", &body);
    text_clear(&body);
}

/* "GET /metrics", and whatever follows. */
static void serve(struct client *client)
{
    const char *request = client->request;
    struct text body;

    if (strncmp(request, "GET ", 4) != 0) {
        refuse(client, "405 Method Not Allowed");
        return;
    }
    size_t size = strcspn(request + 4, " ?\r\n");
    if (size != strlen("/metrics") || strncmp(request + 4, "/metrics", size) != 0) {
        refuse(client, "404 Not Found");
        return;
    }
    text_init(&body, ANSWER_MAX);
    client->scrape->options.print(client->scrape->options.context, &body);
    answer(client, "200 OK", "text/plain; version=0.0.4; charset=utf-8", &body);
    text_clear(&body);
}

static void received(void *owner, struct bytes data)
{
    struct client *client = owner;

    if (client->is_answered)
        return;
    if (data.size == 0 || memchr(data.data, 0, data.size)) {
        conn_close(client->conn); /* half a request, or none */
        return;
    }
    if (data.size >= REQUEST_MAX - client->size) {
        refuse(client, "431 Request Header Fields Too Large");
        return;
    }
    memcpy(client->request + client->size, data.data, data.size);
    client->size += data.size;
    client->request[client->size] = 0;
    if (strstr(client->request, "\r\n\r\n") || strstr(client->request, "\n\n"))
        serve(client);
}

static void closed(void *owner, int error)
{
    struct client *client = owner;

    (void)error;
    timer_cancel(client->scrape->reactor, &client->timer);
    client->scrape = NULL;
}

static void timed_out(struct reactor_timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, timer);

    conn_close(client->conn);
}

static void accepted(void *context, int fd)
{
    static const struct conn_events events = {.received = received, .closed = closed};
    static const struct conn_limits limits = {.output_max = ANSWER_MAX + 1024};
    struct scrape *scrape = context;
    size_t i = 0;

    while (i < CLIENT_MAX && scrape->clients[i].scrape)
        i++;
    if (i == CLIENT_MAX) {
        close(fd);
        return;
    }
    struct client *client = &scrape->clients[i];
    memset(client, 0, offsetof(struct client, request));
    client->conn = conn_adopt(scrape->reactor, fd, &limits, &events, client);
    if (!client->conn)
        return;
    client->scrape = scrape;
    client->timer.run = timed_out;
    timer_set(scrape->reactor, &client->timer,
              reactor_now_ms(scrape->reactor) + scrape->options.timeout_ms);
}

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || n == 0 || n > 65535)
        return false;
    *port = (uint16_t)n;
    return true;
}

static int listen_at(const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char host[NETADDR_HOST_SIZE] = "127.0.0.1";
    uint16_t port;

    if (!parse_port(address, &port) && (!netaddr_split(address, 0, host, &port) || port == 0))
        return -EINVAL;
    v4.sin_port = v6.sin6_port = htons(port);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return socket_listen((const struct sockaddr *)&v4, sizeof v4);
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        return socket_listen((const struct sockaddr *)&v6, sizeof v6);
    return -EINVAL;
}

int scrape_open(struct scrape **out, struct reactor *reactor, const struct scrape_options *options)
{
    int fd = listen_at(options->address);

    if (fd < 0)
        return fd;
    struct scrape *scrape = xcalloc(1, sizeof *scrape);
    scrape->reactor = reactor;
    scrape->options = *options;
    if (!scrape->options.timeout_ms)
        scrape->options.timeout_ms = TIMEOUT_MS_DEFAULT;
    int error = reactor_listen(reactor, fd, NULL, accepted, scrape);
    if (error) {
        free(scrape);
        return error;
    }
    *out = scrape;
    return 0;
}

void scrape_close(struct scrape *scrape)
{
    for (size_t i = 0; i < CLIENT_MAX; i++)
        assert(!scrape->clients[i].scrape); /* reactor_run has closed them */
    free(scrape);
}
