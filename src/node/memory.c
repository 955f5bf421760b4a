#include "node/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MB         ((uint64_t)1 << 20)
#define COIN_BYTES 22 /* in the index, at its usual fill */

/* The limit in a file of a cgroup, or UINT64_MAX. */
static uint64_t read_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[32] = "";

    if (!file)
        return UINT64_MAX;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);
    return line[0] >= '0' && line[0] <= '9' ? strtoull(line, NULL, 10) : UINT64_MAX; /* "max" */
}

/* Ours and all around it, up to the root of the hierarchy (version 2). */
static uint64_t cgroup_limit(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char path[4096] = "/sys/fs/cgroup";
    size_t root_size = strlen(path);
    uint64_t limit = UINT64_MAX;
    char line[3072];

    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = 0;
        strcpy(path + root_size, line + 3);
    }
    if (file)
        fclose(file);
    for (;;) {
        size_t size = strlen(path);
        strcpy(path + size, "/memory.max");
        uint64_t here = read_limit(path);
        if (here < limit)
            limit = here;
        path[size] = 0;
        if (size <= root_size)
            return limit;
        *strrchr(path, '/') = 0;
    }
}

uint64_t memory_total(void)
{
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t group = cgroup_limit();

    return group < machine ? group : machine;
}

static uint64_t clamp(uint64_t size, uint64_t least, uint64_t most)
{
    return size < least ? least : size > most ? most : size;
}

bool memory_share(struct memory_plan *plan, uint64_t total_size)
{
    *plan = (struct memory_plan){
        .total_size = total_size,
        .in_flight_size = clamp(total_size / 24, 64 * MB, 1024 * MB),
        .resident_size = clamp(total_size / 24, 16 * MB, 256 * MB),
        .fixed_size = clamp(total_size / 8, 128 * MB, 800 * MB),
    };
    uint64_t used = plan->in_flight_size + plan->resident_size + plan->fixed_size;
    if (used >= total_size)
        return false;
    plan->index_size = total_size - used;
    return true;
}

void memory_print(const struct memory_plan *plan, struct text *text)
{
    text_printf(text,
                "memory %" PRIu64 " MB: blocks in flight %" PRIu64 ", last blocks %" PRIu64
                ", worlds, headers and the rest %" PRIu64 ", coin index %" PRIu64 " (%" PRIu64
                " million coins)",
                plan->total_size / MB, plan->in_flight_size / MB, plan->resident_size / MB,
                plan->fixed_size / MB, plan->index_size / MB,
                plan->index_size / COIN_BYTES / 1000000);
}
