/* bans.bin, written whole and put in place by rename:
 *     "caesureb" (8 bytes), version le32 = 1, count le32,
 *     count × (address as in BIP155, its port 0; until le64),
 *     CRC-32C le32 of everything before it. */
#include "net/banlist.h"
#include "base/arena.h"
#include "base/crc32c.h"

#define FILE_MAGIC     "caesureb"
#define FILE_VERSION   1
#define FILE_HEAD_SIZE 16
#define FILE_BAN_MAX   (NETADDR_BIP155_MAX + 8)

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

uint8_t *banlist_save(const struct banlist *list, size_t *size)
{
    uint8_t *file = xmalloc(FILE_HEAD_SIZE + (size_t)list->count * FILE_BAN_MAX + 4);
    uint8_t *at = file + FILE_HEAD_SIZE;

    memcpy(file, FILE_MAGIC, 8);
    le32_write(file + 8, FILE_VERSION);
    le32_write(file + 12, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        at += netaddr_write_bip155(at, &list->bans[i].host);
        le64_write(at, (uint64_t)list->bans[i].until_s);
        at += 8;
    }
    le32_write(at, crc32c(0, file, (size_t)(at - file)));
    *size = (size_t)(at + 4 - file);
    return file;
}

static struct ban ban_read(struct cursor *c)
{
    struct ban ban = {.host = netaddr_read_bip155(c)};

    ban.until_s = (int64_t)cursor_le64(c);
    return ban;
}

bool banlist_load(struct banlist *list, struct bytes file, int64_t now_s)
{
    if (file.size < FILE_HEAD_SIZE + 4 || memcmp(file.data, FILE_MAGIC, 8) != 0 ||
        crc32c(0, file.data, file.size - 4) != le32_read(file.data + file.size - 4))
        return false;

    struct cursor c = cursor_of(bytes_sub(file, 8, file.size - 12));
    uint32_t version = cursor_le32(&c), count = cursor_le32(&c);

    if (version != FILE_VERSION || count > BANLIST_MAX)
        return false;

    struct cursor look = c; /* the whole once before anything is changed */
    for (uint32_t i = 0; i < count; i++)
        if (ban_read(&look).host.kind == NETADDR_NONE)
            return false;
    if (!cursor_ok(&look) || cursor_left(&look) != 0)
        return false;
    list->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ban ban = ban_read(&c);
        bool is_kept = ban.until_s <= now_s || banlist_ban(list, &ban.host, ban.until_s, now_s);

        assert(is_kept); /* count was bounded */
    }
    return true;
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
