/* state.h - the figures of `stats` as lines of the log, when somebody sends SIGUSR1. */
#ifndef NODE_STATE_H
#define NODE_STATE_H
#include "net/net.h"
#include "node/node_log.h"

/* The least, from any thread: it needs none of the others to be alive. */
void state_log_short(struct node_log *node_log, struct engine *engine);
/* All; those of the engine follow from its thread. On the reactor's thread. */
void state_log(struct node_log *node_log, struct engine *engine, struct net *net);
#endif
