/* coin_set.h - unspent outputs by outpoint. Plain open addressing; one thread. */
#ifndef CHAINGEN_COIN_SET_H
#define CHAINGEN_COIN_SET_H
#include "chaingen/coins.h"

struct coin_set {
    struct coin *slots; /* amount_sat < 0: free */
    size_t slot_count, count;
};

void coin_set_add(struct coin_set *set, const struct coin *coin);
/* Takes the coin out; false if it is not there. */
MUST_CHECK bool coin_set_take(struct coin_set *set, const struct outpoint *outpoint,
                              struct coin *coin);
void coin_set_free(struct coin_set *set);
#endif
