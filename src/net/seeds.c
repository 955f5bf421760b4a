/* peers.bin, written whole and put in place by rename:
 *     "caesurep" (8 bytes), version le32 = 1, count le32,
 *     count × (address as in BIP155, services le64, seen, tried, connected le64, attempts le32),
 *     CRC-32C le32 of everything before it. */
#include "net/seeds.h"
#include "base/arena.h"
#include "base/crc32c.h"

#include <stdlib.h>

#define FILE_MAGIC       "caesurep"
#define FILE_VERSION     1
#define FILE_HEAD_SIZE   16
#define FILE_ENTRY_MAX   (NETADDR_BIP155_MAX + 8 + 3 * 8 + 4)
#define PICK_TRIES       64
#define EVICT_TRIES      16
#define RETRY_MIN_S      60
#define RETRY_DOUBLINGS  7            /* up to two hours */
#define SEEN_AHEAD_MAX_S 600          /* a time in the future is no time */
#define GONE_S           (30 * 86400) /* not seen for so long */
#define GONE_ATTEMPTS    10           /* or called in vain so often */
#define SAMPLE_PERCENT   23
#define BACKOFF_MIN_MS   1000
#define BACKOFF_MAX_MS   300000

void seeds_init(struct seeds *seeds, struct siphash_key key)
{
    seeds->key = key;
    seeds->count = 0;
    prng_init(&seeds->prng, key.k0 ^ key.k1);
}

static uint64_t tag_of(const struct seeds *seeds, const struct netaddr *addr)
{
    return siphash24(seeds->key, addr, sizeof *addr);
}

struct seed *seeds_find(struct seeds *seeds, const struct netaddr *addr)
{
    uint64_t tag = tag_of(seeds, addr);

    for (uint32_t i = 0; i < seeds->count; i++)
        if (seeds->tags[i] == tag && netaddr_equal(&seeds->entries[i].addr, addr))
            return &seeds->entries[i];
    return NULL;
}

static bool is_gone(const struct seed *seed, int64_t now_s)
{
    return now_s - seed->seen_s > GONE_S || seed->attempts >= GONE_ATTEMPTS;
}

/* Of two the one we would rather lose: gone before alive, never reached before reached, then the
 * older. */
static bool is_worse(const struct seed *a, const struct seed *b, int64_t now_s)
{
    if (is_gone(a, now_s) != is_gone(b, now_s))
        return is_gone(a, now_s);
    if ((a->connected_s == 0) != (b->connected_s == 0))
        return a->connected_s == 0;
    return a->seen_s < b->seen_s;
}

/* The place of a new entry: at the end, or that of the worst of a few if it is worse than the new
 * one. */
static struct seed *place_for(struct seeds *seeds, const struct seed *seed, int64_t now_s)
{
    if (seeds->count < SEEDS_MAX)
        return &seeds->entries[seeds->count++];

    struct seed *worst = &seeds->entries[prng_below(&seeds->prng, SEEDS_MAX)];

    for (int i = 1; i < EVICT_TRIES; i++) {
        struct seed *other = &seeds->entries[prng_below(&seeds->prng, SEEDS_MAX)];

        if (is_worse(other, worst, now_s))
            worst = other;
    }
    return is_worse(worst, seed, now_s) ? worst : NULL;
}

static void put(struct seeds *seeds, struct seed *place, const struct seed *seed)
{
    *place = *seed;
    seeds->tags[place - seeds->entries] = tag_of(seeds, &seed->addr);
}

bool seeds_add(struct seeds *seeds, const struct addr_entry *entry, int64_t now_s, bool is_trusted)
{
    struct seed new = {.addr = entry->addr, .services = entry->services, .seen_s = entry->time};
    struct seed *known = seeds_find(seeds, &entry->addr);

    if (new.seen_s > now_s + SEEN_AHEAD_MAX_S)
        new.seen_s = now_s - 5 * 86400;
    if (known) {
        known->services |= new.services;
        if (new.seen_s > known->seen_s)
            known->seen_s = new.seen_s;
        return true;
    }
    if (entry->addr.kind == NETADDR_NONE || (!is_trusted && !netaddr_is_routable(&entry->addr)))
        return false;

    struct seed *place = place_for(seeds, &new, now_s);

    if (place)
        put(seeds, place, &new);
    return place != NULL;
}

static bool is_due(const struct seed *seed, int64_t now_s)
{
    uint32_t doublings = seed->attempts < RETRY_DOUBLINGS ? seed->attempts : RETRY_DOUBLINGS;

    return seed->tried_s == 0 || seed->attempts == 0 ||
           now_s - seed->tried_s >= (int64_t)RETRY_MIN_S << doublings || now_s < seed->tried_s;
}

struct seed *seeds_pick(struct seeds *seeds, int64_t now_s,
                        bool (*accepts)(void *context, const struct seed *seed), void *context)
{
    for (int i = 0; i < PICK_TRIES && seeds->count > 0; i++) {
        struct seed *seed = &seeds->entries[prng_below(&seeds->prng, seeds->count)];

        if (is_due(seed, now_s) && accepts(context, seed))
            return seed;
    }
    return NULL;
}

void seeds_tried(struct seed *seed, int64_t now_s)
{
    seed->tried_s = now_s;
    seed->attempts++;
}

void seeds_connected(struct seed *seed, uint64_t services, int64_t now_s)
{
    seed->services = services;
    seed->attempts = 0;
    seed->connected_s = now_s;
    seed->seen_s = now_s;
}

uint32_t seeds_sample(struct seeds *seeds, struct addr_entry *out, uint32_t max, int64_t now_s)
{
    uint32_t share = seeds->count * SAMPLE_PERCENT / 100, count = 0;
    uint32_t *order = xmalloc(seeds->count * sizeof *order);

    if (max > share)
        max = share;
    for (uint32_t i = 0; i < seeds->count; i++)
        order[i] = i;
    for (uint32_t i = 0; i < seeds->count && count < max;
         i++) { /* Fisher and Yates, as far as needed */
        uint32_t k = i + (uint32_t)prng_below(&seeds->prng, seeds->count - i);
        uint32_t chosen = order[k];

        order[k] = order[i];
        const struct seed *seed = &seeds->entries[chosen];
        if (!is_gone(seed, now_s) && netaddr_is_routable(&seed->addr))
            out[count++] = (struct addr_entry){(uint32_t)seed->seen_s, seed->services, seed->addr};
    }
    free(order);
    return count;
}

static uint8_t *entry_write(uint8_t *at, const struct seed *seed)
{
    at += netaddr_write_bip155(at, &seed->addr);
    le64_write(at, seed->services);
    le64_write(at + 8, (uint64_t)seed->seen_s);
    le64_write(at + 16, (uint64_t)seed->tried_s);
    le64_write(at + 24, (uint64_t)seed->connected_s);
    le32_write(at + 32, seed->attempts);
    return at + 36;
}

uint8_t *seeds_save(const struct seeds *seeds, size_t *size)
{
    uint8_t *file = xmalloc(FILE_HEAD_SIZE + (size_t)seeds->count * FILE_ENTRY_MAX + 4);
    uint8_t *at = file + FILE_HEAD_SIZE;

    memcpy(file, FILE_MAGIC, 8);
    le32_write(file + 8, FILE_VERSION);
    le32_write(file + 12, seeds->count);
    for (uint32_t i = 0; i < seeds->count; i++)
        at = entry_write(at, &seeds->entries[i]);
    le32_write(at, crc32c(0, file, (size_t)(at - file)));
    *size = (size_t)(at + 4 - file);
    return file;
}

static struct seed entry_read(struct cursor *c)
{
    struct seed seed = {.addr = netaddr_read_bip155(c)};

    seed.services = cursor_le64(c);
    seed.seen_s = (int64_t)cursor_le64(c);
    seed.tried_s = (int64_t)cursor_le64(c);
    seed.connected_s = (int64_t)cursor_le64(c);
    seed.attempts = cursor_le32(c);
    return seed;
}

bool seeds_load(struct seeds *seeds, struct bytes file)
{
    if (file.size < FILE_HEAD_SIZE + 4 || memcmp(file.data, FILE_MAGIC, 8) != 0 ||
        crc32c(0, file.data, file.size - 4) != le32_read(file.data + file.size - 4))
        return false;

    struct cursor c = cursor_of(bytes_sub(file, 8, file.size - 12));
    uint32_t version = cursor_le32(&c), count = cursor_le32(&c);

    if (version != FILE_VERSION || count > SEEDS_MAX)
        return false;

    struct cursor look = c; /* the whole once before anything is changed */
    for (uint32_t i = 0; i < count; i++)
        if (entry_read(&look).addr.kind == NETADDR_NONE)
            return false;
    if (!cursor_ok(&look) || cursor_left(&look) != 0)
        return false;
    seeds->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct seed seed = entry_read(&c);

        if (!seeds_find(seeds, &seed.addr))
            put(seeds, &seeds->entries[seeds->count++], &seed);
    }
    return true;
}

uint64_t backoff_ms(uint32_t attempt, struct prng *prng)
{
    uint64_t wait_ms =
        attempt > 9 ? BACKOFF_MAX_MS : (uint64_t)BACKOFF_MIN_MS << (attempt ? attempt - 1 : 0);

    if (wait_ms > BACKOFF_MAX_MS)
        wait_ms = BACKOFF_MAX_MS;
    return wait_ms + prng_below(prng, wait_ms / 4);
}
