#include "net/banlist.h"

void banlist_init(struct banlist *list, struct siphash_key key)
{
    memset(list, 0, sizeof *list);
    list->key = key;
}

static struct ban *find(const struct banlist *list, const struct netaddr *addr)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (netaddr_same_host(&list->bans[i].host, addr))
            return (struct ban *)&list->bans[i];
    return NULL;
}

void banlist_sweep(struct banlist *list, int64_t now_s)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < list->count; i++)
        if (list->bans[i].until_s > now_s)
            list->bans[kept++] = list->bans[i];
    list->count = kept;
}

bool banlist_ban(struct banlist *list, const struct netaddr *addr, int64_t until_s, int64_t now_s)
{
    struct ban *ban = find(list, addr);

    if (!ban) {
        banlist_sweep(list, now_s);
        if (list->count == BANLIST_MAX)
            return false;
        ban = &list->bans[list->count++];
    }
    *ban = (struct ban){*addr, until_s};
    ban->host.port = 0;
    return true;
}

static uint64_t host_tag(const struct banlist *list, const struct netaddr *addr)
{
    struct netaddr host = *addr;

    host.port = 0;
    return siphash24(list->key, &host, sizeof host) | 1; /* 0 is an empty place */
}

static uint32_t find_discouraged(const struct banlist *list, const struct netaddr *addr)
{
    uint64_t tag = host_tag(list, addr);
    uint32_t i = 0;

    while (i < BANLIST_DISCOURAGED && list->discouraged[i] != tag)
        i++;
    return i;
}

bool banlist_unban(struct banlist *list, const struct netaddr *addr)
{
    struct ban *ban = find(list, addr);
    uint32_t i = find_discouraged(list, addr);
    bool was_listed = ban || i < BANLIST_DISCOURAGED;

    if (ban)
        *ban = list->bans[--list->count];
    if (i < BANLIST_DISCOURAGED)
        list->discouraged[i] = 0;
    return was_listed;
}

bool banlist_is_banned(const struct banlist *list, const struct netaddr *addr, int64_t now_s)
{
    const struct ban *ban = find(list, addr);

    return ban && ban->until_s > now_s;
}

void banlist_discourage(struct banlist *list, const struct netaddr *addr)
{
    if (!banlist_is_discouraged(list, addr))
        list->discouraged[list->discouraged_count++ % BANLIST_DISCOURAGED] = host_tag(list, addr);
}

bool banlist_is_discouraged(const struct banlist *list, const struct netaddr *addr)
{
    return find_discouraged(list, addr) < BANLIST_DISCOURAGED;
}
