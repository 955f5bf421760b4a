/* banlist.h - whom we do not talk to: the operator's bans, kept in bans.bin over restarts (format
 * at the top of banlist.c), and those who misbehaved (discouraged: forgotten at the next start, and
 * first to go when a place is needed). The net thread. Bounded: the oldest go. */
#ifndef NET_BANLIST_H
#define NET_BANLIST_H
#include "base/hash.h"
#include "codec/netaddr.h"

#define BANLIST_MAX         1024
#define BANLIST_DISCOURAGED 8192
#define BAN_DEFAULT_S       86400

struct ban {
    struct netaddr host; /* its port means nothing */
    int64_t until_s;
};

struct banlist {
    struct ban bans[BANLIST_MAX];
    uint32_t count;
    struct siphash_key key;
    uint64_t discouraged[BANLIST_DISCOURAGED]; /* keyed hashes of hosts */
    uint32_t discouraged_count;                /* ever */
};

void banlist_init(struct banlist *list, struct siphash_key key);

/* Until a time; a later ban of the same host replaces it. False when the list is full. */
MUST_CHECK bool banlist_ban(struct banlist *list, const struct netaddr *addr, int64_t until_s,
                            int64_t now_s);
/* False if it was not banned. Also no longer discouraged. */
bool banlist_unban(struct banlist *list, const struct netaddr *addr);
bool banlist_is_banned(const struct banlist *list, const struct netaddr *addr, int64_t now_s);
/* Takes out bans that are over. */
void banlist_sweep(struct banlist *list, int64_t now_s);

/* bans.bin as bytes (malloc'ed, the caller's) and back, without what is over by then. A file that
 * is damaged or of another make is false, and the list is then as it was. */
uint8_t *banlist_save(const struct banlist *list, size_t *size);
MUST_CHECK bool banlist_load(struct banlist *list, struct bytes file, int64_t now_s);

void banlist_discourage(struct banlist *list, const struct netaddr *addr);
bool banlist_is_discouraged(const struct banlist *list, const struct netaddr *addr);
#endif
