/* seeds.h - the addresses of other nodes we know: a plain bounded table that is kept in peers.bin
 * over restarts (format at the top of seeds.c). Also how long to wait before calling a peer again.
 * The net thread. */
#ifndef NET_SEEDS_H
#define NET_SEEDS_H
#include "base/hash.h"
#include "base/random.h"
#include "codec/message_addr.h"

#define SEEDS_MAX 4096

struct seed {
    struct netaddr addr;
    uint32_t attempts; /* in vain, since the last success */
    uint64_t services;
    int64_t seen_s;      /* as others say */
    int64_t tried_s;     /* 0: never */
    int64_t connected_s; /* the last success; 0: never */
};

struct seeds {
    struct siphash_key key;
    struct prng prng;
    uint32_t count;
    uint64_t tags[SEEDS_MAX]; /* keyed hashes of the addresses */
    struct seed entries[SEEDS_MAX];
};

/* key: random. */
void seeds_init(struct seeds *seeds, struct siphash_key key);

/* Learns of an address, or of more about one that is known. False when it is not kept: not routable
 * (unless is_trusted: the operator's or the test's own), or there is no worse one to go. */
bool seeds_add(struct seeds *seeds, const struct addr_entry *entry, int64_t now_s, bool is_trusted);

/* NULL if it is not known. */
struct seed *seeds_find(struct seeds *seeds, const struct netaddr *addr);

/* One to call next, at random, for which accepts says yes; NULL if none was found in a fair number
 * of tries. Those that failed lately are left alone for a while, longer each time. */
struct seed *seeds_pick(struct seeds *seeds, int64_t now_s,
                        bool (*accepts)(void *context, const struct seed *seed), void *context);
void seeds_tried(struct seed *seed, int64_t now_s);
void seeds_connected(struct seed *seed, uint64_t services, int64_t now_s);

/* The answer to getaddr: distinct random ones, at most max and at most 23 % of the table, not those
 * that are surely gone. Returns how many. */
uint32_t seeds_sample(struct seeds *seeds, struct addr_entry *out, uint32_t max, int64_t now_s);

/* peers.bin as bytes (malloc'ed, the caller's) and back. A file that is damaged or of another make
 * is false, and the table is then as it was. */
uint8_t *seeds_save(const struct seeds *seeds, size_t *size);
MUST_CHECK bool seeds_load(struct seeds *seeds, struct bytes file);

/* Before calling a peer for the attempt-th time again (from 1): 1 s, doubling to 5 min, and up to a
 * quarter more. */
uint64_t backoff_ms(uint32_t attempt, struct prng *prng);
#endif
