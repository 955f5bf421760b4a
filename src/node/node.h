/* node.h - the whole program: builds everything, wires it, takes it down. */
#ifndef NODE_NODE_H
#define NODE_NODE_H
#include "node/exit_code.h"
#include "node/options.h"

/* Runs until it is done or told to stop. Once a process, on its first thread. */
enum exit_code node_run(const struct options *options);
#endif
