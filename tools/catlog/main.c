/* catlog - shows the binary log. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "catlog/filter.h"
#include "catlog/json.h"
#include "catlog/packet.h"
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_SIZE (1 << 20)

static const char usage[] =
    "usage: catlog [OPTION…] [FILE…]\n"
    "Shows the records of binary logs, or of what comes in: tail -F log.asn1 | catlog\n"
    "\n"
    "  -f, --facility NAME   only of these parts: node chain ledger disk net pool admin packet "
    "log;\n"
    "                        several with commas\n"
    "  -l, --level LEVEL     at least as urgent: error warning info debug\n"
    "  -s, --since TIME      from then on\n"
    "  -u, --until TIME      before\n"
    "  -t, --text TEXT       with this in the line, in upper or lower case\n"
    "  -n, --no-blocks       without packets that carry a block (also --no_blocks, -nb)\n"
    "  -b, --big             long values whole\n"
    "  -j, --json            a JSON object a line\n"
    "      --local           times of this place, not UTC\n"
    "      --color WHEN      auto, always or never\n"
    "  -h, --help\n"
    "      --version\n"
    "\n"
    "TIME: 2026-01-31, 2026-01-31T12:00, 2026-01-31T12:00:00, seconds since 1970, or before now:\n"
    "-90s, -10m, -2h, -7d. Damaged places are passed over and told at the end, with exit code 2.\n";

struct catlog {
    struct filter filter;
    struct log_print print;
    bool is_json;
    struct text line;
    struct log_stream stream;
    uint64_t skipped; /* of all files */
};

static void show(struct catlog *catlog, const struct log_record *record)
{
    if (!filter_passes(&catlog->filter, record))
        return;
    text_shorten(&catlog->line, 0);
    if (catlog->is_json) {
        json_print(&catlog->line, record, catlog->print.is_big);
    } else {
        log_record_print(&catlog->line, record, &catlog->print);
        packet_print(&catlog->line, record);
    }
    text_append(&catlog->line, "\n", 1);
    fwrite(catlog->line.data, 1, catlog->line.size, stdout);
}

/* What can be shown is shown before more is waited for. */
static bool read_all(struct catlog *catlog, int fd, const char *name)
{
    struct log_stream *stream = &catlog->stream;
    struct log_record record;
    ssize_t n;

    stream->begin = stream->end = 0;
    stream->skipped = 0;
    do {
        size_t size;
        uint8_t *room = log_stream_room(stream, &size);
        while ((n = read(fd, room, size)) < 0 && errno == EINTR)
            ;
        if (n > 0)
            log_stream_fill(stream, (size_t)n);
        while (log_stream_next(stream, n <= 0, &record))
            show(catlog, &record);
        if (fflush(stdout) != 0)
            return false;
    } while (n > 0);
    if (n < 0)
        fprintf(stderr, "catlog: %s: %s\n", name, strerror(errno));
    if (stream->skipped)
        fprintf(stderr, "catlog: %s: %llu bytes belong to no record\n", name,
                (unsigned long long)stream->skipped);
    catlog->skipped += stream->skipped;
    return n == 0;
}

static bool read_file(struct catlog *catlog, const char *name)
{
    if (strcmp(name, "-") == 0)
        return read_all(catlog, STDIN_FILENO, "standard input");
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "catlog: %s: %s\n", name, strerror(errno));
        return false;
    }
    bool is_good = read_all(catlog, fd, name);
    close(fd);
    return is_good;
}

static void bad_value(const char *option, const char *value)
{
    fprintf(stderr, "catlog: %s cannot be '%s'; --help says what can\n", option, value);
    exit(1);
}

static char *facilities_value(char *list)
{
    enum log_facility facility;
    char name[32];

    for (const char *at = list; *at; at += at[0] == ',') {
        size_t size = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)(size < sizeof name ? size : sizeof name), at);
        if (!log_facility_find(name, &facility))
            bad_value("--facility", name);
        at += size;
    }
    return list;
}

static int64_t time_value(const char *option, const char *value, bool is_local)
{
    int64_t time_us;

    if (!filter_time(value, clock_wall_us(), is_local, &time_us))
        bad_value(option, value);
    return time_us;
}

static bool colour_value(const char *value)
{
    if (strcmp(value, "always") == 0)
        return true;
    if (strcmp(value, "auto") == 0)
        return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (strcmp(value, "never") != 0)
        bad_value("--color", value);
    return false;
}

enum { LOCAL = 256, COLOUR, VERSION };

static const struct option long_options[] = {
    {"facility", required_argument, NULL, 'f'}, {"level", required_argument, NULL, 'l'},
    {"since", required_argument, NULL, 's'},    {"until", required_argument, NULL, 'u'},
    {"text", required_argument, NULL, 't'},     {"no-blocks", no_argument, NULL, 'n'},
    {"no_blocks", no_argument, NULL, 'n'},      {"big", no_argument, NULL, 'b'},
    {"json", no_argument, NULL, 'j'},           {"local", no_argument, NULL, LOCAL},
    {"color", required_argument, NULL, COLOUR}, {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static void read_options(struct catlog *catlog, int argc, char **argv)
{
    const char *since = NULL, *until = NULL, *colour = "auto";
    int option;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-nb") == 0) /* the original's, not -n -b */
            argv[i][2] = 0;
    while ((option = getopt_long(argc, argv, "f:l:s:u:t:nbjh", long_options, NULL)) != -1)
        switch (option) {
        case 'f':
            catlog->filter.facilities = facilities_value(optarg);
            break;
        case 'l':
            if (!log_level_find(optarg, &catlog->filter.level))
                bad_value("--level", optarg);
            break;
        case 's':
            since = optarg;
            break;
        case 'u':
            until = optarg;
            break;
        case 't':
            catlog->filter.text = optarg;
            break;
        case 'n':
            catlog->filter.is_without_blocks = true;
            break;
        case 'b':
            catlog->print.is_big = true;
            break;
        case 'j':
            catlog->is_json = true;
            break;
        case LOCAL:
            catlog->print.is_local = true;
            break;
        case COLOUR:
            colour = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        case VERSION:
            printf("catlog %s\n", caesure_version);
            exit(0);
        default:
            fputs("catlog: --help lists the options\n", stderr);
            exit(1);
        }
    if (since)
        catlog->filter.since_us = time_value("--since", since, catlog->print.is_local);
    if (until)
        catlog->filter.until_us = time_value("--until", until, catlog->print.is_local);
    catlog->print.is_colour = colour_value(colour);
}

int main(int argc, char **argv)
{
    struct catlog *catlog = xcalloc(1, sizeof *catlog);
    bool is_good = true;

    catlog->filter =
        (struct filter){.level = LOG_LEVEL_DEBUG, .since_us = INT64_MIN, .until_us = INT64_MAX};
    read_options(catlog, argc, argv);
    text_init(&catlog->line, LINE_MAX_SIZE);
    for (int i = optind; i < argc; i++)
        is_good &= read_file(catlog, argv[i]);
    if (optind == argc)
        is_good = read_file(catlog, "-");
    int code = !is_good ? 1 : catlog->skipped ? 2 : 0;
    text_clear(&catlog->line);
    free(catlog);
    return code;
}
