#include "node/node_log.h"

#include "base/arena.h"
#include "base/clock.h"
#include <stdlib.h>
#include <unistd.h>

#define FILE_SIZE_MAX (64 << 20)
#define FILES_KEPT    8

_Static_assert((int)ENGINE_LOG_ERROR == LOG_LEVEL_ERROR &&
                   (int)ENGINE_LOG_WARNING == LOG_LEVEL_WARNING &&
                   (int)ENGINE_LOG_INFO == LOG_LEVEL_INFO &&
                   (int)ENGINE_LOG_DEBUG == LOG_LEVEL_DEBUG,
               "the engine's levels are the log's");

void node_log_init(struct node_log *node_log, const struct options *options)
{
    node_log->log = log_new(0);
    warnings_init(&node_log->warnings);
    node_log->is_verbose = options->is_verbose;
    node_log->is_journal = log_is_journal(STDERR_FILENO, getenv("JOURNAL_STREAM"));
    for (int i = 0; i < LOG_FACILITY_COUNT && options->is_verbose; i++)
        if (i != LOG_FACILITY_PACKET)
            log_set_level(node_log->log, (enum log_facility)i, LOG_LEVEL_DEBUG);
    if (options->is_packet)
        log_set_level(node_log->log, LOG_FACILITY_PACKET, LOG_LEVEL_DEBUG);
}

bool node_log_open(struct node_log *node_log, const struct options *options, const char *directory)
{
    size_t size = strlen(directory) + sizeof "/log.asn1";
    char *path = xmalloc(size);
    const char *bad;

    snprintf(path, size, "%s/log.asn1", directory);
    int error = log_open(node_log->log,
                         &(struct log_options){.path = path,
                                               .text_path = options->logfile,
                                               .size_max = FILE_SIZE_MAX,
                                               .keep_count = FILES_KEPT},
                         &bad);
    if (error < 0)
        fprintf(stderr, "caesure: the log %s cannot be opened: %s\n", bad, strerror(-error));
    free(path);
    return error == 0;
}

void node_log_close(struct node_log *node_log)
{
    log_close(node_log->log);
    warnings_clear(&node_log->warnings);
}

void node_log_line(struct node_log *node_log, enum log_facility facility,
                   enum engine_log_level level, const char *line)
{
    struct progress_display *display = atomic_load(&node_log->display);
    char text[1100];

    log_text(node_log->log, facility, (enum log_level)level, line);
    if (level <= ENGINE_LOG_WARNING)
        warnings_add(&node_log->warnings, clock_wall_s(), line);
    if (level == ENGINE_LOG_DEBUG && !node_log->is_verbose)
        return;
    snprintf(text, sizeof text, "%s%s%s",
             node_log->is_journal ? log_priority((enum log_level)level) : "",
             level == ENGINE_LOG_ERROR     ? "error: "
             : level == ENGINE_LOG_WARNING ? "warning: "
                                           : "",
             line);
    if (display)
        progress_print(display, text);
    else
        fprintf(stderr, "%s\n", text);
}

void node_log_tip(struct node_log *node_log, const struct header_node *tip)
{
    log_event(node_log->log, LOG_FACILITY_CHAIN, LOG_LEVEL_INFO, "tip",
              LOG_INTEGER("height", tip->height),
              LOG_BYTES("hash", tip->hash.bytes, sizeof tip->hash.bytes),
              LOG_INTEGER("time", tip->time));
}

void node_log_invalid(struct node_log *node_log, const struct header_node *block,
                      enum verdict verdict)
{
    log_event(node_log->log, LOG_FACILITY_CHAIN, LOG_LEVEL_WARNING, "invalid-block",
              LOG_INTEGER("height", block->height),
              LOG_BYTES("hash", block->hash.bytes, sizeof block->hash.bytes),
              LOG_TEXT("reason", verdict_text(verdict)));
}
