/* resolver.h - names to addresses by the system's resolver, which may wait for as long as it likes:
 * a thread of its own, begun with the first question. Thread: the net thread makes every call and
 * gets the answers, as messages to the reactor. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H
#include "codec/netaddr.h"
#include "io/reactor.h"

#define RESOLVER_ADDRS_MAX   32
#define RESOLVER_WAITING_MAX 128

struct resolver;

/* Runs on the resolver's thread and may block: writes addresses without a port, returns how many.
 */
typedef uint32_t resolver_lookup(void *context, const char *name,
                                 struct netaddr addrs[RESOLVER_ADDRS_MAX]);
/* The system's, of /etc/hosts and DNS. */
uint32_t resolver_system(void *unused, const char *name, struct netaddr addrs[RESOLVER_ADDRS_MAX]);

struct resolver_config {
    struct reactor *reactor;
    resolver_lookup *lookup;
    void *lookup_context;
    /* count 0: nothing was found. tag: the question's. */
    void (*answered)(void *context, uint64_t tag, const struct netaddr *addrs, uint32_t count);
    void *context;
};

struct resolver *resolver_new(const struct resolver_config *config);
/* False when too many questions wait already, or there is no thread to be had. */
MUST_CHECK bool resolver_ask(struct resolver *resolver, const char *name, uint64_t tag);
/* After reactor_run has returned, or before it. Never waits for a look-up that hangs: its thread is
 * left to itself, and frees what it uses when it comes back. */
void resolver_free(struct resolver *resolver);
#endif
