/* scrape.h - a listening socket that answers GET /metrics, HTTP/1.0 and one answer a connection.
 * Thread: the reactor's. A client has a few seconds and a few kilobytes for its request; when all
 * places are taken, whoever comes is turned away. */
#ifndef ADMIN_SCRAPE_H
#define ADMIN_SCRAPE_H
#include "base/text.h"
#include "io/reactor.h"

struct scrape;

struct scrape_options {
    const char *address; /* ADDR:PORT, numeric; only a port: of 127.0.0.1 */
    void (*print)(void *context, struct text *text);
    void *context;
    uint32_t timeout_ms; /* 0: 5 s */
};

/* 0, -EINVAL for an address that is none, or -errno. */
MUST_CHECK int scrape_open(struct scrape **scrape, struct reactor *reactor,
                           const struct scrape_options *options);
/* After reactor_run has returned. */
void scrape_close(struct scrape *scrape);
#endif
