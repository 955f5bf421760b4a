#include "slices.h"
#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAYS_MAX 16

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct quartiles {
    double low, median, high;
};

static double at_part(const double *sorted, size_t count, double part)
{
    double place = part * (double)(count - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < count ? below + 1 : below;

    return sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
}

/* Sorts the samples. */
static struct quartiles quartiles_of(double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    return (struct quartiles){at_part(samples, count, 0.25), at_part(samples, count, 0.5),
                              at_part(samples, count, 0.75)};
}

static double run_one(const struct slice_way *way)
{
    double start = cpu_ns();

    way->run(way->context);
    return (cpu_ns() - start) / way->unit_count;
}

static void print_way(const char *bench, const char *unit, const char *name, struct quartiles q,
                      double ratio, size_t slice_count)
{
    printf("  %-34s %12.1f %12.1f %12.1f %8.3f\n", name, q.low, q.median, q.high, ratio);
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"ns/%s\",\"median\":%.2f,\"q1\":%.2f,"
           "\"q3\":%.2f,\"ratio\":%.4f,\"slices\":%zu}\n",
           bench, name, unit, q.median, q.low, q.high, ratio, slice_count);
}

void slices_run(const char *bench, const char *unit, const struct slice_way *ways, size_t way_count,
                size_t slice_count)
{
    double *samples[WAYS_MAX], *ratios[WAYS_MAX];

    assert(way_count > 0 && way_count <= WAYS_MAX && slice_count >= SLICES_MIN);
    for (size_t w = 0; w < way_count; w++) {
        samples[w] = xcalloc(slice_count, sizeof **samples);
        ratios[w] = xcalloc(slice_count, sizeof **ratios);
        ways[w].run(ways[w].context);
    }
    for (size_t i = 0; i < slice_count; i++) {
        for (size_t w = 0; w < way_count; w++) {
            samples[w][i] = run_one(&ways[w]);
            ratios[w][i] = samples[w][i] / samples[0][i];
        }
    }
    printf("%s: CPU ns a %s, %zu slices\n  %-34s %12s %12s %12s %8s\n", bench, unit, slice_count,
           "", "quartile", "median", "quartile", "ratio");
    for (size_t w = 0; w < way_count; w++) {
        print_way(bench, unit, ways[w].name, quartiles_of(samples[w], slice_count),
                  quartiles_of(ratios[w], slice_count).median, slice_count);
        free(samples[w]);
        free(ratios[w]);
    }
}
