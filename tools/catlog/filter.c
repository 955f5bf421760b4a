#include "catlog/filter.h"

#include "catlog/packet.h"
#include <ctype.h>
#include <stdlib.h>
#include <time.h>

#define TIME_S_MAX 1e12 /* seconds, so that microseconds have room */

static bool ago(const char *text, int64_t now_us, int64_t *time_us)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    char *end;
    double n = strtod(text + 1, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;

    if (end == text + 1 || !(n >= 0 && n < TIME_S_MAX / 86400) || !unit || end[1])
        return false;
    *time_us = now_us - (int64_t)(n * 1e6 * (double)seconds[unit - units]);
    return true;
}

bool filter_time(const char *text, int64_t now_us, bool is_local, int64_t *time_us)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    char *end;

    if (text[0] == '-')
        return ago(text, now_us, time_us);
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(text, forms[i], &tm);
        if (!rest || (*rest && strcmp(rest, "Z") != 0))
            continue;
        *time_us = (int64_t)(is_local && !*rest ? mktime(&tm) : timegm(&tm)) * 1000000;
        return true;
    }
    double n = strtod(text, &end);
    if (end == text || *end || !(n >= 0 && n < TIME_S_MAX))
        return false;
    *time_us = (int64_t)(n * 1e6);
    return true;
}

static bool is_listed(const char *list, struct bytes name)
{
    while (true) {
        size_t size = strcspn(list, ",");
        if (size == name.size && memcmp(list, name.data, size) == 0)
            return true;
        if (!list[size])
            return false;
        list += size + 1;
    }
}

static bool contains(struct bytes bytes, const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i + size <= bytes.size; i++) {
        size_t j = 0;
        while (j < size && tolower(bytes.data[i + j]) == tolower((unsigned char)text[j]))
            j++;
        if (j == size)
            return true;
    }
    return false;
}

/* In the line as it is printed, without its time: numbers and hashes are found as one sees them. */
static bool has_text(const struct log_record *record, const char *wanted)
{
    struct text line;

    text_init(&line, 1 << 20);
    log_record_print(&line, record, &(struct log_print){.is_big = true});
    packet_print(&line, record);
    const char *shown = text_cstr(&line);
    const char *behind = strchr(shown, ' ');
    bool is_in = behind && contains(log_string(behind), wanted);
    text_clear(&line);
    return is_in;
}

bool filter_passes(const struct filter *filter, const struct log_record *record)
{
    if (record->level > filter->level || record->time_us < filter->since_us ||
        record->time_us >= filter->until_us)
        return false;
    if (filter->facilities && !is_listed(filter->facilities, record->facility))
        return false;
    if (filter->is_without_blocks && packet_is(record, "block"))
        return false;
    return !filter->text || has_text(record, filter->text);
}
