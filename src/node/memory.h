/* memory.h - how much memory there is, and how it is shared out. Start-up's thread. */
#ifndef NODE_MEMORY_H
#define NODE_MEMORY_H
#include "base/text.h"

struct memory_plan {
    uint64_t total_size;     /* what this process may use */
    uint64_t in_flight_size; /* blocks between their arrival and their verdict */
    uint64_t resident_size;  /* the last blocks, kept as they came */
    uint64_t fixed_size;     /* worlds, header tree, buffers, threads: an upper estimate */
    uint64_t index_size;     /* what is left for the coin index */
};

/* The machine's memory, or the least limit of a cgroup around us. */
uint64_t memory_total(void);
/* False when total_size is too little to run at all. */
MUST_CHECK bool memory_share(struct memory_plan *plan, uint64_t total_size);
/* The plan as lines for a person. */
void memory_print(const struct memory_plan *plan, struct text *text);
#endif
