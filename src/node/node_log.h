/* node_log.h - what the node says: lines on stderr for who watches, records for the log (log.asn1
 * of its directory, --logfile). Thread: any, but for opening, and for showing and hiding the
 * display. */
#ifndef NODE_NODE_LOG_H
#define NODE_NODE_LOG_H
#include "admin/progress.h"
#include "admin/warnings.h"
#include "base/log.h"
#include "node/options.h"
#include "pipeline/engine.h"

struct node_log {
    struct log *log;
    _Atomic(struct progress_display *) display; /* lines on stderr go through it; NULL: none */
    struct warnings warnings;
    bool is_verbose, is_journal;
};

/* Records wait in memory until the file is opened. Starts no thread. */
void node_log_init(struct node_log *node_log, const struct options *options);
/* Once the directory is ours. False after saying why. */
MUST_CHECK bool node_log_open(struct node_log *node_log, const struct options *options,
                              const char *directory);
void node_log_close(struct node_log *node_log);

void node_log_line(struct node_log *node_log, enum log_facility facility,
                   enum engine_log_level level, const char *line);
void node_log_tip(struct node_log *node_log, const struct header_node *tip);
void node_log_invalid(struct node_log *node_log, const struct header_node *block,
                      enum verdict verdict);
#endif
