#include "chaingen/coins.h"
#include "base/arena.h"
#include <stdlib.h>

void coin_list_push(struct coin_list *list, const struct coin *coin)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->coins = xrealloc(list->coins, list->capacity * sizeof *list->coins);
    }
    list->coins[list->count++] = *coin;
}

struct coin coin_list_take(struct coin_list *list, size_t index)
{
    struct coin coin = list->coins[index];

    list->coins[index] = list->coins[--list->count];
    return coin;
}

void coin_list_free(struct coin_list *list)
{
    free(list->coins);
    *list = (struct coin_list){NULL, 0, 0};
}

static struct coin_list *list_at(const struct schedule *schedule, int32_t height)
{
    assert(height >= schedule->first && height <= schedule->last);
    return &schedule->lists[height - schedule->first];
}

void schedule_init(struct schedule *schedule, int32_t first, int32_t last)
{
    assert(first <= last + 1);
    *schedule = (struct schedule){xcalloc((size_t)(last - first) + 2, sizeof *schedule->lists),
                                  first, last};
}

void schedule_copy(struct schedule *schedule, const struct schedule *from, int32_t first,
                   int32_t last)
{
    schedule_init(schedule, first, last);
    for (int32_t height = first; height <= last; height++) {
        const struct coin_list *list = list_at(from, height);

        for (size_t i = 0; i < list->count; i++)
            coin_list_push(list_at(schedule, height), &list->coins[i]);
    }
}

void schedule_push(struct schedule *schedule, int32_t height, const struct coin *coin)
{
    if (height <= schedule->last)
        coin_list_push(list_at(schedule, height), coin);
}

struct coin_list schedule_take(struct schedule *schedule, int32_t height)
{
    struct coin_list list = *list_at(schedule, height);

    *list_at(schedule, height) = (struct coin_list){NULL, 0, 0};
    return list;
}

void schedule_free(struct schedule *schedule)
{
    if (schedule->lists == NULL)
        return;
    for (int32_t height = schedule->first; height <= schedule->last; height++)
        coin_list_free(list_at(schedule, height));
    free(schedule->lists);
    schedule->lists = NULL;
}
