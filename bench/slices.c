#include "slices.h"
#include "base/arena.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAYS_MAX 16

double slices_cpu_ns(void)
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
    double start = slices_cpu_ns();

    way->run(way->context);
    return (slices_cpu_ns() - start) / way->unit_count;
}

static void print_way(const char *bench, const char *unit, const char *name, struct quartiles q,
                      double ratio, size_t slice_count)
{
    printf("  %-34s %12.1f %12.1f %12.1f %8.3f\n", name, q.low, q.median, q.high, ratio);
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"ns/%s\",\"median\":%.2f,\"q1\":%.2f,"
           "\"q3\":%.2f,\"ratio\":%.4f,\"slices\":%zu}\n",
           bench, name, unit, q.median, q.low, q.high, ratio, slice_count);
}

void slices_print(const char *bench, const char *unit, const struct slice_series *series,
                  size_t series_count, size_t slice_count)
{
    double *sorted = xcalloc(slice_count, sizeof *sorted);

    printf("%s: CPU ns a %s, %zu slices\n  %-34s %12s %12s %12s %8s\n", bench, unit, slice_count,
           "", "quartile", "median", "quartile", "ratio");
    for (size_t w = 0; w < series_count; w++) {
        for (size_t i = 0; i < slice_count; i++)
            sorted[i] = series[w].samples[i] / series[0].samples[i];
        double ratio = quartiles_of(sorted, slice_count).median;
        memcpy(sorted, series[w].samples, slice_count * sizeof *sorted);
        print_way(bench, unit, series[w].name, quartiles_of(sorted, slice_count), ratio,
                  slice_count);
    }
    free(sorted);
}

void slices_run(const char *bench, const char *unit, const struct slice_way *ways, size_t way_count,
                size_t slice_count)
{
    struct slice_series series[WAYS_MAX] = {0};

    assert(way_count > 0 && way_count <= WAYS_MAX && slice_count >= SLICES_MIN);
    for (size_t w = 0; w < way_count; w++) {
        series[w] =
            (struct slice_series){ways[w].name, xcalloc(slice_count, sizeof *series[w].samples)};
        ways[w].run(ways[w].context);
    }
    for (size_t i = 0; i < slice_count; i++)
        for (size_t w = 0; w < way_count; w++)
            series[w].samples[i] = run_one(&ways[w]);
    slices_print(bench, unit, series, way_count, slice_count);
    for (size_t w = 0; w < way_count; w++)
        free(series[w].samples);
}

void slices_threads(const char *const *names, size_t count, double *cpu_ns)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;

    memset(cpu_ns, 0, count * sizeof *cpu_ns);
    while (tasks && (entry = readdir(tasks))) {
        char path[300], name[32] = "";
        unsigned long long ns = 0;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%31s", name) != 1)
            name[0] = 0;
        if (file)
            fclose(file);
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        file = fopen(path, "r");
        if (!file || fscanf(file, "%llu", &ns) != 1)
            ns = 0;
        if (file)
            fclose(file);
        for (size_t i = 0; i < count; i++)
            if (strcmp(name, names[i]) == 0)
                cpu_ns[i] += (double)ns;
    }
    if (tasks)
        closedir(tasks);
}
