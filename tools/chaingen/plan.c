#include "chaingen/plan.h"
#include <pthread.h>
#include <stdlib.h>

#define THREADS_MAX 64

void plan_init(struct plan *plan)
{
    *plan = (struct plan){0};
    arena_init(&plan->arena, SIZE_MAX);
}

void plan_reset(struct plan *plan)
{
    arena_reset(&plan->arena, SIZE_MAX);
    plan->count = 0;
    plan->fees_sat = 0;
    plan->input_count = 0;
}

void plan_free(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->capacity; i++)
        buffer_free(&plan->txs[i].raw);
    free(plan->txs);
    arena_clear(&plan->arena);
}

static void *take(struct plan *plan, size_t count, size_t size)
{
    void *array = arena_array(&plan->arena, count, size);

    assert(array != NULL);
    memset(array, 0, count * size);
    return array;
}

struct plan_tx *plan_add(struct plan *plan, uint32_t input_count, uint32_t output_count)
{
    if (plan->count == plan->capacity) {
        uint32_t capacity = plan->capacity ? plan->capacity * 2 : 64;

        plan->txs = xrealloc(plan->txs, capacity * sizeof *plan->txs);
        memset(plan->txs + plan->capacity, 0, (capacity - plan->capacity) * sizeof *plan->txs);
        plan->capacity = capacity;
    }

    struct plan_tx *t = &plan->txs[plan->count++];

    buffer_clear(&t->raw);
    t->is_signed = false;
    t->tx = (struct tx){.input_count = input_count,
                        .output_count = output_count,
                        .inputs = take(plan, input_count, sizeof *t->tx.inputs),
                        .outputs = take(plan, output_count, sizeof *t->tx.outputs)};
    t->prevouts = take(plan, input_count, sizeof *t->prevouts);
    t->spends = take(plan, input_count, sizeof *t->spends);
    t->parents = take(plan, input_count, sizeof *t->parents);
    t->made = take(plan, output_count, sizeof *t->made);
    return t;
}

struct sign_pool {
    const struct wallet *wallet;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a transaction was signed, a plan has come, or the end */
    struct plan *plan;      /* all below under mutex */
    uint32_t next, signed_count;
    bool is_ending;
    pthread_t threads[THREADS_MAX];
    uint32_t thread_count; /* besides the one that calls sign_pool_run */
};

static bool has_parents(const struct plan *plan, const struct plan_tx *t)
{
    for (uint32_t i = 0; i < t->tx.input_count; i++)
        if (t->parents[i] != COIN_NO_PARENT && !plan->txs[t->parents[i]].is_signed)
            return false;
    return true;
}

static void sign(const struct wallet *wallet, const struct plan *plan, struct plan_tx *t,
                 struct arena *arena)
{
    struct tx parsed;

    for (uint32_t i = 0; i < t->tx.input_count; i++)
        if (t->parents[i] != COIN_NO_PARENT)
            t->tx.inputs[i].prevout.txid = plan->txs[t->parents[i]].txid;
    arena_reset(arena, SIZE_MAX);
    wallet_sign(wallet, &t->raw, &t->tx, t->prevouts, t->spends, arena);

    bool is_tx = tx_parse(&parsed, buffer_bytes(&t->raw), arena);

    assert(is_tx);
    t->txid = parsed.txid;
}

/* Signs the next transaction of the plan, if there is one. They are taken in order and parents come
 * before their children, so whoever waits for a parent waits for a thread that is at work. Mutex
 * held. */
static bool sign_next(struct sign_pool *pool, struct arena *arena)
{
    struct plan *plan = pool->plan;

    if (plan == NULL || pool->next == plan->count)
        return false;

    struct plan_tx *t = &plan->txs[pool->next++];

    while (!has_parents(plan, t))
        pthread_cond_wait(&pool->changed, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    sign(pool->wallet, plan, t, arena);
    pthread_mutex_lock(&pool->mutex);
    t->is_signed = true;
    pool->signed_count++;
    pthread_cond_broadcast(&pool->changed);
    return true;
}

static void *work(void *argument)
{
    struct sign_pool *pool = argument;
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_ending)
        if (!sign_next(pool, &arena))
            pthread_cond_wait(&pool->changed, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    arena_clear(&arena);
    return NULL;
}

struct sign_pool *sign_pool_new(const struct wallet *wallet, uint32_t thread_count)
{
    struct sign_pool *pool = xcalloc(1, sizeof *pool);

    pool->wallet = wallet;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    while (pool->thread_count + 1 < thread_count && pool->thread_count < THREADS_MAX &&
           pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) == 0)
        pool->thread_count++;
    return pool;
}

void sign_pool_free(struct sign_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

void sign_pool_run(struct sign_pool *pool, struct plan *plan)
{
    struct arena arena;

    arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&pool->mutex);
    pool->plan = plan;
    pool->next = pool->signed_count = 0;
    pthread_cond_broadcast(&pool->changed);
    while (sign_next(pool, &arena))
        ;
    while (pool->signed_count < plan->count)
        pthread_cond_wait(&pool->changed, &pool->mutex);
    pool->plan = NULL;
    pthread_mutex_unlock(&pool->mutex);
    arena_clear(&arena);
}
