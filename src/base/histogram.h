/* histogram.h - how long things took, in powers of two. Any thread adds, any reads; a reader may
 * see a count without its sum. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H
#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_FIRST 13 /* the first bound is 2^13 ns, about 8 µs */
#define HISTOGRAM_BUCKETS                                                                          \
    22 /* the last but one bound is 2^33 ns, 8.6 s; the last bucket has none */

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS]; /* each by itself, not summed up */
    _Atomic uint64_t sum_ns;
};

static inline uint64_t histogram_bound_ns(unsigned bucket)
{
    return (uint64_t)1 << (HISTOGRAM_FIRST + bucket);
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
    unsigned bucket = 0;

    while (bucket < HISTOGRAM_BUCKETS - 1 && ns > histogram_bound_ns(bucket))
        bucket++;
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}
#endif
