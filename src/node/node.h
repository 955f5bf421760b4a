/* node.h - the whole program: builds everything from the options, wires it, takes it down. */
#ifndef NODE_NODE_H
#define NODE_NODE_H
#include "node/exit_code.h"
#include "node/options.h"

/* Runs until it is done, told to stop, or unable to go on. Called on the main thread, before there
 * are others. */
enum exit_code node_run(const struct options *options);
#endif
