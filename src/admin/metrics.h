/* metrics.h - the node's figures in Prometheus' text format. Thread: the reactor's. */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H
#include "base/log.h"
#include "net/net.h"
#include "pipeline/engine.h"

#define METRICS_SIZE_MAX 65536

struct metrics {
    struct engine *engine;
    struct net *net; /* NULL: left out, as is log */
    const struct log *log;
};

void metrics_print(const struct metrics *metrics, struct text *text);

/* One histogram, with the lines of its name; labels: `stage="parse"` or "". is_first: with HELP and
 * TYPE. */
void metrics_histogram(struct text *text, const char *name, const char *help, const char *labels,
                       const struct histogram *histogram, bool is_first);
#endif
