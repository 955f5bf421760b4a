/* filter.h - which records are shown. */
#ifndef CATLOG_FILTER_H
#define CATLOG_FILTER_H
#include "base/log_record.h"

struct filter {
    char *facilities; /* names with commas between; NULL: all */
    enum log_level level;
    int64_t since_us, until_us; /* the second is not in it any more */
    const char *text;           /* NULL: any. Without regard to case, in event, names and values */
    bool is_without_blocks;
};

/* Seconds since 1970 (with a fraction), 2026-01-31, 2026-01-31T12:00, 2026-01-31T12:00:00 (with or
 * without Z, UTC unless is_local), or -90s, -10m, -2h, -7d before now. False if it is none of
 * these. */
MUST_CHECK bool filter_time(const char *text, int64_t now_us, bool is_local, int64_t *time_us);

bool filter_passes(const struct filter *filter, const struct log_record *record);
#endif
