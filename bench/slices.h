/* slices.h - measures ways of doing a piece of work side by side on a noisy machine. Every slice
 * runs each way once, in turn, so that a change of the machine's speed meets all of them; the first
 * pass only warms up. The figures are CPU time of the process: the median over the slices, with
 * quartiles, and the median of the ratios to the first way within a slice. */
#ifndef BENCH_SLICES_H
#define BENCH_SLICES_H
#include <stddef.h>

#define SLICES_MIN 20

struct slice_way {
    const char *name;
    void (*run)(void *context); /* one slice of work: some milliseconds at least */
    void *context;
    double unit_count; /* that one run does */
};

/* Prints a table and, for each way, a line of JSON. unit names what is counted ("header"). At most
 * 16 ways. */
void slices_run(const char *bench, const char *unit, const struct slice_way *ways, size_t way_count,
                size_t slice_count);

/* For benches whose slices are not all the same work: what each way took, slice by slice. The
 * ratios are those within a slice, to the first series. */
struct slice_series {
    const char *name;
    double *samples; /* CPU ns a unit */
};
double slices_cpu_ns(void); /* of the process, so far */
/* The same of the threads of each name, as it is now. */
void slices_threads(const char *const *names, size_t count, double *cpu_ns);
void slices_print(const char *bench, const char *unit, const struct slice_series *series,
                  size_t series_count, size_t slice_count);
#endif
