/* commands.h - the monitor's commands of this node: the engine's, run by its ledger thread, net's,
 * and our own. */
#ifndef ADMIN_COMMANDS_H
#define ADMIN_COMMANDS_H
#include "admin/monitor.h"
#include "admin/warnings.h"
#include "base/log.h"
#include "net/net.h"
#include "pipeline/engine.h"

struct commands;

/* shutdown is called on the reactor's thread when the operator asks for it, its answer already on
 * the way; it must not wait. */
struct commands *commands_new(struct engine *engine, struct net *net, struct log *log,
                              struct warnings *warnings, void (*shutdown)(void *context),
                              void *context);
/* After monitor_close. */
void commands_free(struct commands *commands);

/* Fills in table and context. */
void commands_fill(const struct commands *commands, struct monitor_options *options);
#endif
