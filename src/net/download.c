#include "net/download.h"
#include "base/arena.h"

#include <stdlib.h>

#define ASKERS_MAX          2
#define ASIDE_SLOTS         64 /* of all peers; whose block came or failed serve again, oldest first */
#define REFUSERS_MAX        8
#define SECOND_ASK_MS       1000 /* the lowest block is asked of a second peer when it is this late */
#define LATE_MS             10000 /* so long a peer that was late is not asked for more, unless it delivers */
#define RECENT_MS           1000.0 /* what "lately" means for a peer's deliveries */
#define STALL_MIN_MS        2000
#define STALL_MAX_MS        64000
#define BLOCK_TIMEOUT_MS    600000 /* and half of it more for each other peer that delivers */
#define EXPECTED_SIZE_START 500000
#define QUOTA_MIN           2

enum slot_state {
    SLOT_WANTED,
    SLOT_ASKED,
    SLOT_ARRIVED, /* here, not stored yet */
    SLOT_STORED,
};

struct slot {
    struct header_node *node;
    enum slot_state state;
    uint32_t expected_size; /* while asked */
    uint64_t asked_ms;      /* of the first asker */
    struct download_peer *askers[ASKERS_MAX];
    struct download_peer *refusers[REFUSERS_MAX]; /* do not have it, or sent something else */
    uint32_t refuser_count;                       /* ever: the oldest are forgotten */
};

struct download {
    struct download_config config;
    struct download_peer *peers;
    struct slot slots[DOWNLOAD_WINDOW_MAX]; /* the block at height is slots[height % window] */
    uint64_t tags[DOWNLOAD_WINDOW_MAX]; /* their hashes' first bytes, to be looked through fast */
    int32_t base;                       /* height of the first slot */
    /* Below these heights no slot is missing, or wanted. */
    int32_t missing_from, wanted_from;
    uint32_t count;
    struct slot aside[ASIDE_SLOTS];
    uint32_t aside_at;
    struct header_node *best;
    size_t asked_bytes;
    uint32_t expected_size;
    uint64_t stall_timeout_ms;
};

struct download *download_new(const struct download_config *config)
{
    struct download *d = xcalloc(1, sizeof *d);

    assert(config->window > 0 && config->window <= DOWNLOAD_WINDOW_MAX &&
           config->peer_blocks_max >= QUOTA_MIN);
    d->config = *config;
    d->expected_size = EXPECTED_SIZE_START;
    d->stall_timeout_ms = STALL_MIN_MS;
    return d;
}

void download_free(struct download *d)
{
    free(d);
}

static struct slot *slot_at(struct download *d, int32_t height)
{
    return &d->slots[(uint32_t)height % d->config.window];
}

static bool is_under_way(const struct slot *slot)
{
    return slot->state == SLOT_ASKED || slot->state == SLOT_ARRIVED;
}

static struct slot *slot_planned(struct download *d, const struct header_node *node)
{
    if (node->height < d->base || (uint32_t)(node->height - d->base) >= d->count)
        return NULL;

    struct slot *slot = slot_at(d, node->height);
    return slot->node == node ? slot : NULL;
}

static struct slot *slot_aside(struct download *d, const struct header_node *node)
{
    for (uint32_t i = 0; i < ASIDE_SLOTS; i++)
        if (d->aside[i].node == node)
            return &d->aside[i];
    return NULL;
}

static struct slot *slot_find(struct download *d, const struct header_node *node)
{
    struct slot *slot = slot_planned(d, node);

    return slot ? slot : slot_aside(d, node);
}

static struct slot *slot_find_hash(struct download *d, const struct block_hash *hash)
{
    uint64_t tag = le64_read(hash->bytes);

    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t k = (uint32_t)(d->base + (int32_t)i) % d->config.window;

        if (d->tags[k] == tag && block_hash_equal(&d->slots[k].node->hash, hash))
            return &d->slots[k];
    }
    for (uint32_t i = 0; i < ASIDE_SLOTS; i++)
        if (is_under_way(&d->aside[i]) && block_hash_equal(&d->aside[i].node->hash, hash))
            return &d->aside[i];
    return NULL;
}

static int32_t window_end(const struct download *d)
{
    return d->base + (int32_t)d->count;
}

static struct slot *lowest_missing(struct download *d)
{
    if (d->missing_from < d->base)
        d->missing_from = d->base;
    for (; d->missing_from < window_end(d); d->missing_from++)
        if (slot_at(d, d->missing_from)->state < SLOT_ARRIVED)
            return slot_at(d, d->missing_from);
    return NULL;
}

/* The slot at height may be missing or wanted from now on. */
static void look_again(struct download *d, int32_t height)
{
    if (height < d->missing_from)
        d->missing_from = height;
    if (height < d->wanted_from)
        d->wanted_from = height;
}

static uint32_t asker_index(const struct slot *slot, const struct download_peer *peer)
{
    uint32_t i = 0;

    while (i < ASKERS_MAX && slot->askers[i] != peer)
        i++;
    return i;
}

static void slot_ask(struct download *d, struct slot *slot, struct download_peer *peer,
                     uint64_t now_ms)
{
    uint32_t i = asker_index(slot, NULL);

    assert(i < ASKERS_MAX);
    slot->askers[i] = peer;
    if (slot->state == SLOT_WANTED) {
        slot->state = SLOT_ASKED;
        slot->asked_ms = now_ms;
        slot->expected_size = d->expected_size;
        d->asked_bytes += slot->expected_size;
    }
    if (peer->in_flight++ == 0)
        peer->downloading_since_ms = now_ms;
}

/* Whatever becomes of the slot, peer is no longer expected to send it. */
static void slot_drop_asker(struct slot *slot, struct download_peer *peer)
{
    uint32_t i = asker_index(slot, peer);

    if (i == ASKERS_MAX)
        return;
    slot->askers[i] = NULL;
    peer->in_flight--;
}

/* From asked to arrived, or back to wanted. */
static void slot_end_asking(struct download *d, struct slot *slot, enum slot_state state)
{
    if (slot->state == SLOT_ASKED)
        d->asked_bytes -= slot->expected_size;
    slot->state = state;
    if (state == SLOT_WANTED)
        look_again(d, slot->node->height);
}

static void slot_drop_asker_or_want(struct download *d, struct slot *slot,
                                    struct download_peer *peer)
{
    slot_drop_asker(slot, peer);
    if (slot->state != SLOT_ASKED)
        return;
    for (uint32_t i = 0; i < ASKERS_MAX; i++)
        if (slot->askers[i])
            return;
    slot_end_asking(d, slot, SLOT_WANTED);
}

static void slot_clear(struct download *d, struct slot *slot)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++)
        if (slot->askers[i])
            slot_drop_asker(slot, slot->askers[i]);
    slot_end_asking(d, slot, SLOT_STORED);
}

static bool has_refused(const struct slot *slot, const struct download_peer *peer)
{
    for (uint32_t i = 0; i < REFUSERS_MAX; i++)
        if (slot->refusers[i] == peer)
            return true;
    return false;
}

void download_add_peer(struct download *d, struct download_peer *peer, uint64_t now_ms)
{
    peer->recent_ms = now_ms;
    peer->next = d->peers;
    d->peers = peer;
}

static void slot_forget(struct download *d, struct slot *slot, struct download_peer *peer)
{
    slot_drop_asker_or_want(d, slot, peer);
    for (uint32_t i = 0; i < REFUSERS_MAX; i++)
        if (slot->refusers[i] == peer)
            slot->refusers[i] = NULL;
}

void download_remove_peer(struct download *d, struct download_peer *peer)
{
    struct download_peer **link = &d->peers;

    while (*link && *link != peer)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = peer->next;
    for (uint32_t i = 0; i < d->count; i++)
        slot_forget(d, slot_at(d, d->base + (int32_t)i), peer);
    for (uint32_t i = 0; i < ASIDE_SLOTS; i++)
        slot_forget(d, &d->aside[i], peer);
}

/* Leading slots whose block is stored, or that lie below height, leave the window. */
static void window_advance(struct download *d, int32_t height)
{
    while (d->count > 0 && (d->base < height || slot_at(d, d->base)->state == SLOT_STORED)) {
        slot_clear(d, slot_at(d, d->base));
        d->base++;
        d->count--;
    }
}

static void window_cut(struct download *d, int32_t last_height)
{
    while (d->count > 0 && window_end(d) - 1 > last_height)
        slot_clear(d, slot_at(d, d->base + (int32_t)--d->count));
}

/* node gets its slot in the window: as it was aside, if it is under way. */
static void slot_put(struct download *d, struct header_node *node)
{
    struct slot *aside = slot_aside(d, node), slot = {.node = node};

    if (node->status & HEADER_HAS_BLOCK) {
        slot.state = SLOT_STORED;
    } else if (aside) {
        slot = *aside;
        *aside = (struct slot){.node = NULL};
    }
    *slot_at(d, node->height) = slot;
    d->tags[(uint32_t)node->height % d->config.window] = le64_read(node->hash.bytes);
    look_again(d, node->height);
}

/* Adds the next blocks of the best chain while there is room. */
static void window_fill(struct download *d)
{
    int32_t first = window_end(d);
    int32_t last = d->base + (int32_t)d->config.window - 1;

    last = last < d->best->height ? last : d->best->height;

    struct header_node *node = last >= first ? header_ancestor(d->best, last) : NULL;

    for (int32_t height = last; height >= first; height--, node = node->prev)
        slot_put(d, node);
    if (last >= first)
        d->count = (uint32_t)(last - d->base + 1);
}

/* If a block before the window was lost: the window begins there, and ends earlier. */
static void window_back(struct download *d, struct header_node *best, int32_t first)
{
    if (first >= d->base || first > best->height ||
        header_ancestor(best, first)->status & HEADER_HAS_BLOCK)
        return;
    window_cut(d, first + (int32_t)d->config.window - 1);
    if (d->count == 0)
        return;
    for (struct header_node *node = slot_at(d, d->base)->node->prev; d->base > first;
         node = node->prev, d->count++, d->base--)
        slot_put(d, node);
}

void download_follow(struct download *d, struct header_node *best, struct header_node *have)
{
    int32_t first = header_fork_point(best, have)->height + 1;

    if (d->count > 0) {
        struct header_node *last = slot_at(d, window_end(d) - 1)->node;

        window_cut(d, header_fork_point(best, last)->height);
    }
    window_advance(d, first);
    window_back(d, best, first);
    if (d->count == 0)
        d->base = first;
    d->best = best;
    uint32_t before;
    do { /* as long as the window begins with what is stored already */
        window_fill(d);
        before = d->count;
        window_advance(d, first);
    } while (d->count < before && d->base <= best->height);
}

static bool peer_has(const struct download_peer *peer, const struct slot *slot)
{
    int32_t height = slot->node->height;

    return height <= peer->has_height &&
           !(peer->is_limited && peer->best_height - height >= DOWNLOAD_LIMITED_DEPTH) &&
           !has_refused(slot, peer);
}

/* e^-x, closely enough, for x >= 0: what decays must never rise. */
static double decay(double x)
{
    double y = 1 + x / 16;

    y *= y;
    y *= y;
    y *= y;
    return 1 / (y * y);
}

static double recent_now(const struct download_peer *peer, uint64_t now_ms)
{
    return peer->recent * decay((double)(now_ms - peer->recent_ms) / RECENT_MS);
}

uint32_t download_quota(const struct download *d, const struct download_peer *peer, uint64_t now_ms)
{
    double quota = QUOTA_MIN + recent_now(peer, now_ms);

    return quota < d->config.peer_blocks_max ? (uint32_t)quota : d->config.peer_blocks_max;
}

static bool is_late(const struct slot *slot, uint64_t now_ms)
{
    return slot->state == SLOT_ASKED && now_ms - slot->asked_ms >= SECOND_ASK_MS;
}

struct header_node *download_next(struct download *d, struct download_peer *peer, uint64_t now_ms,
                                  bool *is_lowest)
{
    struct slot *lowest = lowest_missing(d);
    bool is_all_asked = true;

    if (!lowest || peer->in_flight >= download_quota(d, peer, now_ms) ||
        now_ms < peer->late_until_ms)
        return NULL;
    *is_lowest = true;
    if (is_late(lowest, now_ms) && asker_index(lowest, peer) == ASKERS_MAX &&
        asker_index(lowest, NULL) < ASKERS_MAX && peer_has(peer, lowest)) {
        for (uint32_t i = 0; i < ASKERS_MAX; i++)
            if (lowest->askers[i])
                lowest->askers[i]->late_until_ms = now_ms + LATE_MS;
        slot_ask(d, lowest, peer, now_ms);
        return lowest->node;
    }
    if (d->wanted_from < lowest->node->height)
        d->wanted_from = lowest->node->height;
    for (int32_t height = d->wanted_from; height < window_end(d); height++) {
        struct slot *slot = slot_at(d, height);

        if (slot->state != SLOT_WANTED) {
            d->wanted_from += is_all_asked; /* none below it either */
            continue;
        }
        is_all_asked = false;
        *is_lowest = slot == lowest;
        if (!*is_lowest && d->asked_bytes + d->expected_size > d->config.bytes_max)
            break;
        if (peer_has(peer, slot)) {
            slot_ask(d, slot, peer, now_ms);
            return slot->node;
        }
    }
    /* The peer could go on, were it not for the one that the window waits for. */
    bool is_full = d->count == d->config.window && peer->has_height >= window_end(d);
    struct download_peer *holder = lowest->askers[0] ? lowest->askers[0] : lowest->askers[1];

    if (is_all_asked && is_full && holder && holder != peer &&
        asker_index(lowest, peer) == ASKERS_MAX && holder->stalling_since_ms == 0)
        holder->stalling_since_ms = now_ms;
    return NULL;
}

static struct slot *aside_take(struct download *d, struct header_node *node)
{
    struct slot *slot = slot_aside(d, node);

    for (uint32_t i = 0; i < ASIDE_SLOTS && !slot; i++) {
        struct slot *next = &d->aside[d->aside_at++ % ASIDE_SLOTS];

        if (!is_under_way(next)) {
            *next = (struct slot){.node = node};
            slot = next;
        }
    }
    return slot;
}

bool download_ask_aside(struct download *d, struct download_peer *peer, struct header_node *node,
                        uint64_t now_ms)
{
    if (peer->in_flight >= DOWNLOAD_ASIDE_MAX)
        return false;
    struct slot *slot = slot_planned(d, node);
    if (!slot)
        slot = aside_take(d, node);
    if (!slot || is_under_way(slot) || has_refused(slot, peer))
        return false;
    slot->state = SLOT_WANTED;
    look_again(d, node->height);
    slot_ask(d, slot, peer, now_ms);
    return true;
}

void download_unask(struct download *d, struct download_peer *peer, const struct header_node *node)
{
    struct slot *slot = slot_find(d, node);

    if (slot)
        slot_drop_asker_or_want(d, slot, peer);
}

static void peer_delivered(struct download_peer *peer, uint64_t now_ms)
{
    peer->recent = recent_now(peer, now_ms) + 1;
    peer->recent_ms = now_ms;
    peer->stalling_since_ms = 0;
    peer->downloading_since_ms = now_ms;
}

enum download_arrival download_arrived(struct download *d, struct download_peer *peer,
                                       const struct block_hash *hash, size_t size, uint64_t now_ms,
                                       struct header_node **node)
{
    struct slot *slot = slot_find_hash(d, hash);

    *node = slot ? slot->node : NULL;
    peer->late_until_ms = 0;
    if (!slot || asker_index(slot, peer) == ASKERS_MAX)
        return DOWNLOAD_NOT_ASKED;
    slot_drop_asker(slot, peer);
    peer_delivered(peer, now_ms);
    d->expected_size = (uint32_t)(((uint64_t)d->expected_size * 15 + size) / 16);
    if (slot->state >= SLOT_ARRIVED)
        return DOWNLOAD_AGAIN;
    slot_end_asking(d, slot, SLOT_ARRIVED);
    return DOWNLOAD_FIRST;
}

void download_stored(struct download *d, const struct header_node *node)
{
    struct slot *slot = slot_find(d, node);

    if (!slot)
        return;
    slot_end_asking(d, slot, SLOT_STORED);
    window_advance(d, d->base);
    d->stall_timeout_ms = d->stall_timeout_ms * 85 / 100;
    if (d->stall_timeout_ms < STALL_MIN_MS)
        d->stall_timeout_ms = STALL_MIN_MS;
}

static void refuse(struct download *d, struct slot *slot, struct download_peer *peer)
{
    if (!has_refused(slot, peer))
        slot->refusers[slot->refuser_count++ % REFUSERS_MAX] = peer;
    slot_drop_asker_or_want(d, slot, peer);
}

void download_failed(struct download *d, const struct header_node *node, struct download_peer *peer)
{
    struct slot *slot = slot_find(d, node);

    if (!slot)
        return;
    if (slot->state == SLOT_ARRIVED) {
        bool is_asked = slot->askers[0] || slot->askers[1];

        slot->state = is_asked ? SLOT_ASKED : SLOT_WANTED;
        look_again(d, slot->node->height);
        d->asked_bytes += is_asked ? slot->expected_size : 0;
    }
    if (peer)
        refuse(d, slot, peer);
}

void download_refused(struct download *d, struct download_peer *peer, const struct block_hash *hash)
{
    struct slot *slot = slot_find_hash(d, hash);

    if (slot && asker_index(slot, peer) < ASKERS_MAX)
        refuse(d, slot, peer);
}

struct download_peer *download_find_fault(struct download *d, uint64_t now_ms,
                                          enum download_fault *fault)
{
    uint64_t delivering = 0;

    for (struct download_peer *peer = d->peers; peer; peer = peer->next)
        delivering += peer->in_flight > 0;
    for (struct download_peer *peer = d->peers; peer; peer = peer->next) {
        if (peer->stalling_since_ms && now_ms - peer->stalling_since_ms > d->stall_timeout_ms) {
            peer->stalling_since_ms = 0;
            d->stall_timeout_ms =
                d->stall_timeout_ms * 2 < STALL_MAX_MS ? d->stall_timeout_ms * 2 : STALL_MAX_MS;
            *fault = DOWNLOAD_STALLS;
            return peer;
        }
        if (peer->in_flight > 0 && now_ms - peer->downloading_since_ms >
                                       BLOCK_TIMEOUT_MS + BLOCK_TIMEOUT_MS / 2 * (delivering - 1)) {
            peer->downloading_since_ms = now_ms;
            *fault = DOWNLOAD_OVERDUE;
            return peer;
        }
    }
    return NULL;
}

bool download_waits_for(const struct download *d, const struct download_peer *peer)
{
    const struct slot *lowest = lowest_missing((struct download *)d);

    return lowest && asker_index(lowest, peer) < ASKERS_MAX;
}

void download_stats(const struct download *d, struct download_stats *stats)
{
    *stats = (struct download_stats){
        .lowest = -1, .expected_size = d->expected_size, .stall_timeout_ms = d->stall_timeout_ms};
    for (uint32_t i = 0; i < d->count; i++) {
        const struct slot *slot = &d->slots[(uint32_t)(d->base + (int32_t)i) % d->config.window];

        stats->wanted += slot->state == SLOT_WANTED;
        stats->asked += slot->state == SLOT_ASKED;
        stats->arrived += slot->state == SLOT_ARRIVED;
        if (slot->state < SLOT_ARRIVED && stats->lowest < 0)
            stats->lowest = slot->node->height;
    }
}
