/* coins.h - the coins of our own keys, by the height at which they are to be spent. Coins that are
 * never spent are only counted by whoever makes them, so memory is that of the coins still to be
 * spent. */
#ifndef CHAINGEN_COINS_H
#define CHAINGEN_COINS_H
#include "chaingen/wallet.h"
#include "codec/hash256.h"

#define COIN_NO_PARENT UINT32_MAX

struct coin {
    struct outpoint outpoint; /* txid unset while the parent is not signed */
    int64_t amount_sat;
    int32_t height;
    uint32_t
        parent; /* index in its block of the transaction that makes it, if that is not signed yet */
    uint16_t key;
    uint8_t kind;
    bool is_coinbase;
    uint8_t
        depth; /* how many transactions of the same block come before it, one spending the other */
};

struct coin_list {
    struct coin *coins;
    size_t count, capacity;
};

void coin_list_push(struct coin_list *list, const struct coin *coin);
/* Takes out the coin at index; the last one comes in its place. */
struct coin coin_list_take(struct coin_list *list, size_t index);
void coin_list_free(struct coin_list *list);

/* A list for each height from first to last. */
struct schedule {
    struct coin_list *lists;
    int32_t first, last;
};

void schedule_init(struct schedule *schedule, int32_t first, int32_t last);
/* Copies what is to be spent from first to last, which lie within from. */
void schedule_copy(struct schedule *schedule, const struct schedule *from, int32_t first,
                   int32_t last);
/* A coin for a height after last is forgotten. */
void schedule_push(struct schedule *schedule, int32_t height, const struct coin *coin);
/* Moves the list of height to the caller, who frees it. */
struct coin_list schedule_take(struct schedule *schedule, int32_t height);
void schedule_free(struct schedule *schedule);
#endif
