#include "base/arena.h"
#include "base/random.h"
#include "net/download.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct params params;
static struct header_tree *tree;

static void setup(void)
{
    params_init(&params, NETWORK_REGTEST);
    tree = header_tree_new(&params, (struct siphash_key){1, 2});
}

static void teardown(void)
{
    header_tree_free(tree);
}

/* count blocks on top of node; salt tells branches apart. */
static struct header_node *grow(struct header_node *node, uint32_t count, uint32_t salt)
{
    for (uint32_t i = 0; i < count; i++) {
        struct header header = {.version = 4,
                                .prev_hash = node->hash,
                                .time = node->time + 1,
                                .bits = node->bits,
                                .nonce = salt};
        struct block_hash hash = header_hash(&header);

        node = header_tree_insert(tree, &params, node, &header, &hash);
    }
    return node;
}

static struct header_node *genesis(void)
{
    return header_tree_at(tree, 0);
}

static struct download *plan(uint32_t window)
{
    struct download_config config = {window, 64, 64 << 20};

    return download_new(&config);
}

static struct download_peer peer_with(int32_t height)
{
    return (struct download_peer){.best_height = height, .has_height = height};
}

static int32_t next_height(struct download *d, struct download_peer *peer, uint64_t now_ms)
{
    bool is_lowest;
    struct header_node *node = download_next(d, peer, now_ms, &is_lowest);

    return node ? node->height : -1;
}

static enum download_arrival arrive(struct download *d, struct download_peer *peer,
                                    const struct header_node *node, uint64_t now_ms)
{
    struct header_node *found;
    enum download_arrival arrival = download_arrived(d, peer, &node->hash, 1000, now_ms, &found);

    if (arrival != DOWNLOAD_NOT_ASKED)
        ck_assert_ptr_eq(found, node);
    return arrival;
}

START_TEST(blocks_are_asked_in_order_two_of_a_new_peer)
{
    struct header_node *best = grow(genesis(), 10, 0);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(10), b = peer_with(4);

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_int_eq(next_height(d, &a, 0), 2);
    ck_assert_int_eq(next_height(d, &a, 0), -1);
    ck_assert_int_eq(next_height(d, &b, 0), 3);
    ck_assert_int_eq(next_height(d, &b, 0), 4);
    ck_assert_int_eq(arrive(d, &b, header_ancestor(best, 4), 10), DOWNLOAD_FIRST);
    ck_assert_int_eq(next_height(d, &b, 10), -1); /* it has no more */
    ck_assert_int_eq(arrive(d, &a, header_ancestor(best, 1), 10), DOWNLOAD_FIRST);
    ck_assert_int_eq(next_height(d, &a, 10), 5);
    ck_assert_int_eq(next_height(d, &a, 10), 6); /* one delivered: three in flight */
    ck_assert_int_eq(next_height(d, &a, 10), -1);
    ck_assert_int_eq(arrive(d, &a, header_ancestor(best, 9), 10), DOWNLOAD_NOT_ASKED);
    download_free(d);
}
END_TEST

START_TEST(blocks_that_are_stored_are_not_asked)
{
    struct header_node *best = grow(genesis(), 3000, 0);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(3000);

    for (int32_t height = 1; height <= 2500; height++)
        header_ancestor(best, height)->status |= HEADER_HAS_BLOCK;
    header_ancestor(best, 2502)->status |= HEADER_HAS_BLOCK;
    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 2501);
    ck_assert_int_eq(next_height(d, &a, 0), 2503);
    download_free(d);
}
END_TEST

static void set_stored(struct header_node *best, int32_t first, int32_t last)
{
    for (int32_t height = first; height <= last; height++)
        header_ancestor(best, height)->status |= HEADER_HAS_BLOCK;
}

static void store(struct download *d, struct header_node *node)
{
    node->status |= HEADER_HAS_BLOCK;
    download_stored(d, node);
}

START_TEST(a_stored_block_that_is_lost_is_asked_again)
{
    struct header_node *best = grow(genesis(), 40, 0);
    struct header_node *lost = header_ancestor(best, 4), *asked = header_ancestor(best, 11);
    struct download *d = plan(16);
    struct download_peer a = peer_with(40);
    struct download_stats stats;

    set_stored(best, 1, 10);
    download_follow(d, best, header_ancestor(best, 10));
    download_add_peer(d, &a, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 11);
    /* Heard late that all is stored: nothing changes. */
    download_follow(d, best, header_ancestor(best, 6));
    download_stats(d, &stats);
    ck_assert_int_eq(stats.lowest, 11);
    ck_assert_uint_eq(stats.asked, 1);

    lost->status &= (uint16_t)~HEADER_HAS_BLOCK;
    download_follow(d, best, header_ancestor(best, 3));
    download_stats(d, &stats);
    ck_assert_int_eq(stats.lowest, 4);
    ck_assert_uint_eq(stats.asked, 1); /* 11 is still in the window, 4 to 19 */
    ck_assert_int_eq(next_height(d, &a, 0), 4);
    ck_assert_int_eq(arrive(d, &a, lost, 10), DOWNLOAD_FIRST);
    store(d, lost);
    ck_assert_int_eq(arrive(d, &a, asked, 20), DOWNLOAD_FIRST);
    store(d, asked);
    download_follow(d, best, asked);
    ck_assert_int_eq(next_height(d, &a, 20), 12);

    /* So far behind that nothing of the window stays. */
    set_stored(best, 12, 30);
    download_follow(d, best, header_ancestor(best, 30));
    header_ancestor(best, 1)->status &= (uint16_t)~HEADER_HAS_BLOCK;
    download_follow(d, best, genesis());
    ck_assert_int_eq(next_height(d, &a, 20), 1);
    ck_assert_int_eq(next_height(d, &a, 20), -1); /* 2 to 16 are there */
    download_remove_peer(d, &a);
    ck_assert_uint_eq(a.in_flight, 0);
    download_free(d);
}
END_TEST

START_TEST(the_window_ends_where_it_should)
{
    struct header_node *best = grow(genesis(), 100, 0);
    struct download *d = plan(3);
    struct download_peer a = peer_with(100), b = peer_with(100);

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_int_eq(next_height(d, &a, 0), 2);
    ck_assert_int_eq(next_height(d, &b, 0), 3);
    ck_assert_int_eq(next_height(d, &b, 0), -1);
    arrive(d, &a, header_ancestor(best, 1), 1);
    download_follow(d, best, genesis());
    ck_assert_int_eq(next_height(d, &b, 1), -1); /* arrived, not stored */
    store(d, header_ancestor(best, 1));
    download_follow(d, best, genesis());
    ck_assert_int_eq(next_height(d, &b, 1), 4);
    download_free(d);
}
END_TEST

START_TEST(bytes_bound_all_but_the_lowest)
{
    struct header_node *best = grow(genesis(), 100, 0);
    struct download_config config = {100, 64, 1200000}; /* two of the size expected at first */
    struct download *d = download_new(&config);
    struct download_peer a = peer_with(100), b = peer_with(100);

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_int_eq(next_height(d, &a, 0), 2);
    ck_assert_int_eq(next_height(d, &b, 0), -1);
    download_unask(d, &a, header_ancestor(best, 1));
    download_unask(d, &a, header_ancestor(best, 2));
    ck_assert_uint_eq(a.in_flight, 0);
    ck_assert_int_eq(next_height(d, &b, 0), 1);
    download_free(d);

    config.bytes_max = 1;
    d = download_new(&config);
    a = peer_with(100);
    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_int_eq(next_height(d, &a, 0), -1);
    download_free(d);
}
END_TEST

START_TEST(a_limited_peer_is_asked_for_its_last_286_blocks)
{
    struct header_node *best = grow(genesis(), 1000, 0);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(1000);

    a.is_limited = true;
    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1000 - 286 + 1);
    download_free(d);
}
END_TEST

START_TEST(the_lowest_block_is_asked_of_a_second_peer_when_it_is_late)
{
    struct header_node *best = grow(genesis(), 2, 0);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(2), b = peer_with(2), c = peer_with(2);
    struct download_stats stats;

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    download_add_peer(d, &c, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_int_eq(next_height(d, &a, 0), 2);
    ck_assert_int_eq(next_height(d, &b, 999), -1);
    ck_assert_int_eq(next_height(d, &a, 1000), -1); /* it has it in hand already */
    ck_assert_int_eq(next_height(d, &b, 1000), 1);
    ck_assert_int_eq(next_height(d, &c, 1000), -1);
    ck_assert_int_eq(arrive(d, &b, header_ancestor(best, 1), 1001), DOWNLOAD_FIRST);
    ck_assert_int_eq(arrive(d, &a, header_ancestor(best, 1), 1002), DOWNLOAD_AGAIN);
    ck_assert_int_eq(next_height(d, &b, 1003), 2);
    download_stats(d, &stats);
    ck_assert_int_eq(stats.lowest, 2);
    ck_assert(stats.wanted == 0 && stats.asked == 1 && stats.arrived == 1);
    download_free(d);
}
END_TEST

START_TEST(a_late_peer_is_asked_for_no_more_until_it_delivers_or_ten_seconds_passed)
{
    struct header_node *best = grow(genesis(), 10, 0);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(10), b = peer_with(10);

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_int_eq(next_height(d, &b, 1000), 1);
    ck_assert_int_eq(next_height(d, &a, 10999), -1);
    ck_assert_int_eq(next_height(d, &a, 11000), 2);
    download_unask(d, &a, header_ancestor(best, 2));
    a.late_until_ms = 99999;
    arrive(d, &a, header_ancestor(best, 5), 1001); /* whatever it is */
    ck_assert_int_eq(next_height(d, &a, 1001), 2);
    download_free(d);
}
END_TEST

START_TEST(a_peer_that_holds_up_the_window_is_found_and_its_time_doubles)
{
    struct header_node *best = grow(genesis(), 100, 0);
    struct download *d = plan(2);
    struct download_peer a = peer_with(100), b = peer_with(100), c = peer_with(100);
    enum download_fault fault;
    uint64_t now_ms = 1, timeout_ms = 2000;

    download_follow(d, best, genesis());
    download_add_peer(d, &a, now_ms);
    download_add_peer(d, &b, now_ms);
    download_add_peer(d, &c, now_ms);
    ck_assert_int_eq(next_height(d, &a, now_ms), 1);
    ck_assert_int_eq(next_height(d, &a, now_ms), 2);
    now_ms += 1000;
    ck_assert_int_eq(next_height(d, &b, now_ms), 1); /* as it is late */
    for (int round = 0; round < 8; round++) {
        ck_assert_ptr_null(download_find_fault(d, now_ms + 100000, &fault));
        ck_assert_int_eq(next_height(d, &c, now_ms), -1); /* a holds it up */
        ck_assert_ptr_null(download_find_fault(d, now_ms + timeout_ms, &fault));
        ck_assert_ptr_eq(download_find_fault(d, now_ms + timeout_ms + 1, &fault), &a);
        ck_assert_int_eq(fault, DOWNLOAD_STALLS);
        timeout_ms = timeout_ms * 2 < 64000 ? timeout_ms * 2 : 64000;
    }
    ck_assert_int_eq(next_height(d, &c, now_ms), -1);
    arrive(d, &a, header_ancestor(best, 1), now_ms);
    ck_assert_ptr_null(download_find_fault(d, now_ms + timeout_ms + 1, &fault));
    store(d, header_ancestor(best, 1)); /* a stored block takes 15 % off */
    download_follow(d, best, genesis());
    ck_assert_int_eq(next_height(d, &b, now_ms), 2);
    ck_assert_int_eq(next_height(d, &b, now_ms), 3);
    ck_assert_int_eq(next_height(d, &c, now_ms), -1);
    ck_assert_ptr_null(download_find_fault(d, now_ms + 54400, &fault));
    ck_assert_ptr_eq(download_find_fault(d, now_ms + 54401, &fault), &a);
    download_remove_peer(d, &a);
    ck_assert_int_eq(next_height(d, &c, now_ms), 2);
    download_free(d);
}
END_TEST

START_TEST(a_block_is_overdue_after_ten_minutes_and_five_for_each_other_peer)
{
    struct header_node *best = grow(genesis(), 100, 0);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(100), b = peer_with(100);
    enum download_fault fault;

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    ck_assert_ptr_null(download_find_fault(d, 600000, &fault));
    ck_assert_ptr_eq(download_find_fault(d, 600001, &fault), &a);
    ck_assert_int_eq(fault, DOWNLOAD_OVERDUE);

    download_add_peer(d, &b, 600001);
    ck_assert_int_eq(next_height(d, &b, 1200000), 1);
    ck_assert_ptr_null(download_find_fault(d, 600001 + 900000, &fault));
    ck_assert_ptr_eq(download_find_fault(d, 600001 + 900001, &fault), &a);
    download_free(d);
}
END_TEST

START_TEST(what_a_peer_refused_or_spoilt_is_asked_of_others)
{
    struct header_node *best = grow(genesis(), 2, 0), *first = header_ancestor(best, 1);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(2), b = peer_with(2);

    download_follow(d, best, genesis());
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert_int_eq(next_height(d, &a, 0), 1);
    download_refused(d, &b, &first->hash); /* was not asked */
    download_refused(d, &a, &first->hash);
    ck_assert_int_eq(next_height(d, &a, 0), 2);
    ck_assert_int_eq(next_height(d, &a, 0), -1);
    ck_assert_int_eq(next_height(d, &b, 0), 1);
    ck_assert_int_eq(arrive(d, &b, first, 1), DOWNLOAD_FIRST);
    download_failed(d, first, &b);
    ck_assert_int_eq(next_height(d, &b, 2), -1);
    download_remove_peer(d, &a); /* forgets that it refused */
    a = peer_with(2);
    download_add_peer(d, &a, 3);
    ck_assert_int_eq(next_height(d, &a, 3), 1);
    download_free(d);
}
END_TEST

START_TEST(a_reorg_keeps_what_both_chains_have)
{
    struct header_node *fork = grow(genesis(), 5, 0), *old = grow(fork, 5, 1),
                       *new = grow(fork, 7, 2);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(10);

    download_follow(d, old, genesis());
    download_add_peer(d, &a, 0);
    for (int32_t height = 1; height <= 7; height++) {
        ck_assert_int_eq(next_height(d, &a, 0), height);
        a.recent += 1;
    }
    download_follow(d, new, genesis());
    ck_assert_uint_eq(a.in_flight, 5);
    a.has_height = 12;
    ck_assert_int_eq(arrive(d, &a, header_ancestor(old, 6), 1), DOWNLOAD_NOT_ASKED);
    ck_assert_int_eq(next_height(d, &a, 1), 6);
    ck_assert_int_eq(arrive(d, &a, header_ancestor(new, 6), 1), DOWNLOAD_FIRST);

    /* back to the old one, whose tip was stored meanwhile, but for one block */
    for (int32_t height = 1; height <= 10; height++)
        header_ancestor(old, height)->status |= height == 8 ? 0 : HEADER_HAS_BLOCK;
    download_follow(d, old, header_ancestor(old, 7));
    a.has_height = 10;
    ck_assert_int_eq(next_height(d, &a, 2), 8);
    ck_assert_int_eq(next_height(d, &a, 2), -1);
    download_free(d);
}
END_TEST

/* ---- eight peers ---- */

#define SIM_PEERS  8
#define SIM_BLOCKS 5000
#define SIM_QUEUE                                                                                  \
    64 /* in flight; a few more that somebody else was faster with may be under way                \
        */
#define STALLER 3
#define LIAR    5

struct sim_peer {
    struct download_peer peer;
    uint32_t ms_per_block, delay_ms;
    bool is_gone;
    struct {
        struct header_node *node;
        uint64_t due_ms;
    } queue[2 * SIM_QUEUE];
    uint32_t queued;
    uint64_t line_free_ms;
    uint32_t delivered;
};

static void sim_ask(struct download *d, struct sim_peer *p, bool is_staller, uint64_t now_ms)
{
    bool is_lowest;
    struct header_node *node;

    while ((node = download_next(d, &p->peer, now_ms, &is_lowest))) {
        uint64_t start_ms =
            now_ms + p->delay_ms > p->line_free_ms ? now_ms + p->delay_ms : p->line_free_ms;

        ck_assert_uint_lt(p->queued, 2 * SIM_QUEUE);
        p->line_free_ms = start_ms + p->ms_per_block;
        p->queue[p->queued].node = node;
        p->queue[p->queued++].due_ms =
            is_staller && p->delivered >= 40 ? UINT64_MAX : p->line_free_ms;
    }
}

/* One block off the peer's line, if it is due. */
static struct header_node *sim_receive(struct sim_peer *p, uint64_t now_ms)
{
    for (uint32_t i = 0; i < p->queued; i++) {
        if (p->queue[i].due_ms > now_ms)
            continue;
        struct header_node *node = p->queue[i].node;
        p->queue[i] = p->queue[--p->queued];
        p->delivered++;
        return node;
    }
    return NULL;
}

static void sim_leave(struct download *d, struct sim_peer *p)
{
    download_remove_peer(d, &p->peer);
    p->is_gone = true;
    p->queued = 0;
}

START_TEST(a_branch_aside_is_asked_of_who_announces_it)
{
    struct header_node *tip = grow(genesis(), 10, 0), *bad = grow(tip, 2, 1),
                       *good = grow(tip, 1, 2);
    struct download *d = plan(1024);
    struct download_peer a = peer_with(10), b = peer_with(10);

    download_follow(d, bad, tip); /* nobody has its blocks */
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert_int_eq(next_height(d, &a, 0), -1);
    ck_assert(download_ask_aside(d, &a, good, 0));
    ck_assert(!download_ask_aside(d, &b, good, 0)); /* under way */
    download_refused(d, &a, &good->hash);
    ck_assert_uint_eq(a.in_flight, 0);
    ck_assert(!download_ask_aside(d, &a, good, 0)); /* refused by this one */
    ck_assert(download_ask_aside(d, &b, good, 0));
    ck_assert_int_eq(arrive(d, &a, good, 10), DOWNLOAD_NOT_ASKED);
    download_remove_peer(d, &b);
    b.in_flight = 0;
    download_add_peer(d, &b, 10);
    ck_assert(download_ask_aside(d, &b, good, 10));
    ck_assert_int_eq(arrive(d, &b, good, 20), DOWNLOAD_FIRST);
    ck_assert(!download_ask_aside(d, &a, good, 20)); /* arrived, not judged yet */
    download_failed(d, good, &b);
    ck_assert(!download_ask_aside(d, &b, good, 20));
    download_free(d);
}
END_TEST

START_TEST(a_peer_has_16_blocks_aside_in_flight_and_all_have_64)
{
    struct header_node *tip = genesis(), *nodes[65];
    struct download *d = plan(1024);
    struct download_peer peers[5];

    download_follow(d, tip, tip);
    for (uint32_t i = 0; i < 5; i++) {
        peers[i] = peer_with(0);
        download_add_peer(d, &peers[i], 0);
    }
    for (uint32_t i = 0; i < 65; i++)
        nodes[i] = grow(tip, 1, i + 1);
    for (uint32_t i = 0; i < 64; i++)
        ck_assert(download_ask_aside(d, &peers[i / 16], nodes[i], 0));
    ck_assert(!download_ask_aside(d, &peers[3], nodes[64], 0));
    ck_assert(!download_ask_aside(d, &peers[4], nodes[64], 0));
    download_refused(d, &peers[0], &nodes[3]->hash);
    ck_assert(download_ask_aside(d, &peers[4], nodes[64], 0));
    download_free(d);
}
END_TEST

START_TEST(a_branch_aside_that_becomes_best_is_not_asked_again)
{
    struct header_node *tip = grow(genesis(), 10, 0), *side = grow(tip, 1, 1), *best;
    struct download *d = plan(1024);
    struct download_peer a = peer_with(12), b = peer_with(12);

    download_follow(d, grow(tip, 1, 2), tip);
    download_add_peer(d, &a, 0);
    download_add_peer(d, &b, 0);
    ck_assert(download_ask_aside(d, &a, side, 0));
    best = grow(side, 1, 1);
    download_follow(d, best, tip);
    ck_assert(!download_ask_aside(d, &b, side, 0));
    ck_assert(download_ask_aside(d, &b, best, 0)); /* planned, and asked of nobody yet */
    ck_assert_int_eq(next_height(d, &b, 0), -1);
    ck_assert_int_eq(arrive(d, &a, side, 10), DOWNLOAD_FIRST);
    side->status |= HEADER_HAS_BLOCK;
    store(d, side);
    ck_assert_uint_eq(a.in_flight, 0);
    download_free(d);
}
END_TEST

START_TEST(eight_peers_with_a_staller_and_a_liar_deliver_everything)
{
    static const uint32_t ms_per_block[SIM_PEERS] = {2, 4, 8, 3, 16, 5, 40, 100};
    struct header_node *best = grow(genesis(), SIM_BLOCKS, 0), *node;
    struct header_node *stored = genesis();
    struct download_config config = {1024, SIM_QUEUE, 512 << 20};
    struct download *d = download_new(&config);
    struct sim_peer *peers = xcalloc(SIM_PEERS, sizeof *peers);
    uint64_t now_ms = 1;
    enum download_fault fault;
    uint32_t good = 0, again = 0;

    download_follow(d, best, stored);
    for (uint32_t i = 0; i < SIM_PEERS; i++) {
        peers[i].peer = peer_with(SIM_BLOCKS);
        peers[i].ms_per_block = ms_per_block[i];
        peers[i].delay_ms = 20 + 10 * i;
        download_add_peer(d, &peers[i].peer, now_ms);
    }
    for (; stored != best; now_ms++) {
        ck_assert_uint_lt(now_ms, 60000);
        for (uint32_t i = 0; i < SIM_PEERS; i++) {
            struct sim_peer *p = &peers[i];

            while (!p->is_gone && (node = sim_receive(p, now_ms))) {
                enum download_arrival arrival = arrive(d, &p->peer, node, now_ms);
                bool is_lie = i == LIAR && p->delivered % 50 == 0;

                again += arrival == DOWNLOAD_AGAIN;
                if (arrival == DOWNLOAD_FIRST && is_lie) {
                    download_failed(d, node, &p->peer);
                    if (p->delivered >= 200)
                        sim_leave(d, p); /* it has been found out */
                } else if (arrival == DOWNLOAD_FIRST) {
                    node->status |= HEADER_HAS_BLOCK;
                    store(d, node);
                    good++;
                }
            }
            if (!p->is_gone)
                sim_ask(d, p, i == STALLER, now_ms);
            ck_assert_uint_le(p->peer.in_flight, SIM_QUEUE);
        }
        while (stored != best &&
               header_ancestor(best, stored->height + 1)->status & HEADER_HAS_BLOCK)
            stored = header_ancestor(best, stored->height + 1);
        download_follow(d, best, stored);
        struct download_peer *faulty = download_find_fault(d, now_ms, &fault);
        if (faulty) {
            ck_assert_ptr_eq(faulty, &peers[STALLER].peer);
            sim_leave(d, &peers[STALLER]);
        }
    }
    ck_assert_uint_eq(good, SIM_BLOCKS);
    ck_assert(peers[STALLER].is_gone && peers[LIAR].is_gone);
    ck_assert_uint_lt(again, SIM_BLOCKS / 20);
    ck_assert_uint_gt(peers[0].delivered, peers[1].delivered);
    ck_assert_uint_gt(peers[1].delivered, peers[2].delivered);
    ck_assert_uint_gt(peers[2].delivered, 2 * peers[6].delivered);
    ck_assert_uint_gt(peers[7].delivered, 0);
    /* the good peers together take 1 ms a block: 5 s, and a staller may cost its 2 s */
    ck_assert_uint_lt(now_ms, 9000);
    printf("eight peers: %u ms, %u blocks twice\n", (unsigned)now_ms, again);
    free(peers);
    download_free(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("download");
    TCase *tcase = tcase_create("download");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, blocks_are_asked_in_order_two_of_a_new_peer);
    tcase_add_test(tcase, blocks_that_are_stored_are_not_asked);
    tcase_add_test(tcase, a_stored_block_that_is_lost_is_asked_again);
    tcase_add_test(tcase, the_window_ends_where_it_should);
    tcase_add_test(tcase, bytes_bound_all_but_the_lowest);
    tcase_add_test(tcase, a_limited_peer_is_asked_for_its_last_286_blocks);
    tcase_add_test(tcase, the_lowest_block_is_asked_of_a_second_peer_when_it_is_late);
    tcase_add_test(tcase, a_late_peer_is_asked_for_no_more_until_it_delivers_or_ten_seconds_passed);
    tcase_add_test(tcase, a_peer_that_holds_up_the_window_is_found_and_its_time_doubles);
    tcase_add_test(tcase, a_block_is_overdue_after_ten_minutes_and_five_for_each_other_peer);
    tcase_add_test(tcase, what_a_peer_refused_or_spoilt_is_asked_of_others);
    tcase_add_test(tcase, a_reorg_keeps_what_both_chains_have);
    tcase_add_test(tcase, a_branch_aside_is_asked_of_who_announces_it);
    tcase_add_test(tcase, a_peer_has_16_blocks_aside_in_flight_and_all_have_64);
    tcase_add_test(tcase, a_branch_aside_that_becomes_best_is_not_asked_again);
    tcase_add_test(tcase, eight_peers_with_a_staller_and_a_liar_deliver_everything);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
