/* limits.h - what of the machine is needed and whether it is there: said at start, in one line with
 * the remedy, not met hours later. Thread: the main one. */
#ifndef NODE_LIMITS_H
#define NODE_LIMITS_H
#include "node/exit_code.h"
#include "node/memory.h"
#include "node/options.h"

/* Descriptors (the soft limit is raised to the hard one), address space, memory, room on the disk
 * of directory, which is there. EXIT_DONE with the plan of memory; else it has said why. conn_max:
 * connections at once. */
enum exit_code limits_check(const struct options *options, const char *directory, uint32_t conn_max,
                            struct memory_plan *plan);
/* Worker threads: -j, or one a processor. */
uint32_t limits_workers(const struct options *options);
#endif
