/* make_log - a log for the test of catlog, through the log itself.
 * make_log PATH COUNT [SIZE_MAX]: one record of every kind, COUNT times, then level by level. */
#include "base/log.h"
#include "codec/message_handshake.h"
#include "codec/message_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void packet(struct log *log, const char *command, const void *data, size_t size)
{
    log_event(log, LOG_FACILITY_PACKET, LOG_LEVEL_DEBUG, "packet", LOG_INTEGER("peer", 1),
              LOG_TEXT("direction", "recv"), LOG_TEXT("command", command),
              LOG_BYTES("payload", data, size));
}

static void packets(struct log *log)
{
    static const uint8_t block[70000] = {1};
    uint8_t version[VERSION_SIZE_MAX];
    static const uint8_t inv[37] = {1, 2, 0, 0, 0, 0xcd};
    const struct version_message message = {
        .version = 70016, .user_agent = log_string("/a\033[2J\"\xff/"), .height = 77};

    packet(log, "ping", "\1\2\0\0\0\0\0\0", 8);
    packet(log, "inv", inv, sizeof inv);
    packet(log, "block", block, sizeof block);
    packet(log, "version", version, version_write(version, &message));
    packet(log, "headers", "\xff", 1);
    packet(log, "nonsense", "x", 1);
    packet(log, "much longer than a command", "x", 1);
}

static void every_kind(struct log *log, int n)
{
    static const uint8_t hash[32] = {0xef}, bytes[600] = {1};
    static char large[70000];

    memset(large, 'x', sizeof large - 1);
    log_event(log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "kinds", LOG_INTEGER("n", n),
              LOG_INTEGER("least", INT64_MIN), LOG_INTEGER("most", INT64_MAX),
              LOG_BOOLEAN("yes", true), LOG_BOOLEAN("no", false), LOG_BYTES("hash", hash, 32),
              LOG_BYTES("bytes", bytes, sizeof bytes), LOG_BYTES("empty", NULL, 0),
              LOG_TEXT("text", "quoted \" \\ \033[2J \xc3\xa9 \xff"), LOG_TEXT("none", ""));
    log_give(log, LOG_FACILITY_NODE, LOG_LEVEL_INFO, "start", NULL, 0);
    log_text(log, LOG_FACILITY_LEDGER, LOG_LEVEL_WARNING, "a line of text");
    log_text(log, LOG_FACILITY_LOG, LOG_LEVEL_INFO, large);
    packets(log);
    for (int i = 0; i < LOG_FACILITY_COUNT; i++)
        log_event(log, (enum log_facility)i, LOG_LEVEL_ERROR, "each", LOG_INTEGER("i", i));
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    struct log *log = log_new(1 << 20);
    struct log_stats stats;
    const char *bad;
    uint64_t given = 0;
    int error =
        log_open(log,
                 &(struct log_options){.path = argv[1],
                                       .size_max = argc > 3 ? strtoull(argv[3], NULL, 10) : 0,
                                       .keep_count = 9},
                 &bad);
    if (error < 0) {
        fprintf(stderr, "%s: %s\n", bad, strerror(-error));
        return 1;
    }
    log_set_level(log, LOG_FACILITY_PACKET, LOG_LEVEL_DEBUG);
    for (int n = 0; n < atoi(argv[2]); n++) {
        every_kind(log, n);
        given += 11 + LOG_FACILITY_COUNT;
        do { /* nothing is to be lost here */
            usleep(1000);
            log_stats(log, &stats);
        } while (stats.records < given);
    }
    log_close(log);
    return 0;
}
