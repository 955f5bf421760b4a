#include "node/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MB             ((uint64_t)1 << 20)
#define BYTES_A_COIN   22
#define BYTES_A_HEADER (192 + 24 + 16) /* node, block table, slack of the hash table */
#define EVENTS_A_BLOCK 15000           /* coins created and spent by a large block */
#define BYTES_AN_EVENT 96
#define GROWTH_PERCENT 110
#define WORKER_SIZE    (2 * MB) /* its public keys and its stack of a script */

static bool read_number(const char *path, uint64_t *value)
{
    FILE *file = fopen(path, "r");
    unsigned long long number;
    bool is_read = file && fscanf(file, "%llu", &number) == 1;

    if (file)
        fclose(file);
    if (is_read)
        *value = number;
    return is_read;
}

/* The limit of this process's cgroup in a hierarchy mounted at root, walking up to the root group.
 */
static void apply_cgroup(const char *root, const char *group, const char *name, uint64_t *total)
{
    char path[4096], part[2048];
    uint64_t limit;

    snprintf(part, sizeof part, "%s", group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", root, part, name);
        if (read_number(path, &limit) && limit > 0 && limit < *total)
            *total = limit;
        char *slash = strrchr(part, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

uint64_t memory_total(void)
{
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/cgroup", "r");
    char line[2048];

    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *group = strrchr(line, ':');
        if (!group)
            continue;
        if (strncmp(line, "0::", 3) == 0)
            apply_cgroup("/sys/fs/cgroup", group + 1, "memory.max", &total);
        else if (strstr(line, ":memory:"))
            apply_cgroup("/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes", &total);
    }
    if (file)
        fclose(file);
    return total;
}

static uint64_t between(uint64_t least, uint64_t value, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void memory_plan(struct memory_plan *plan, uint64_t total, uint64_t coin_count,
                 uint64_t header_count, int32_t horizon, uint32_t worker_count)
{
    *plan = (struct memory_plan){
        .total = total,
        .in_flight = between(64 * MB, total / 24, 2048 * MB),
        .resident = between(32 * MB, total / 24, 256 * MB),
        .coins = coin_count * BYTES_A_COIN * GROWTH_PERCENT / 100 + 16 * MB,
        .headers = header_count * BYTES_A_HEADER * GROWTH_PERCENT / 100 + 4 * MB,
        .worlds = (uint64_t)horizon * EVENTS_A_BLOCK * BYTES_AN_EVENT,
        .serving = between(32 * MB, total / 64, 1024 * MB),
        .other = 128 * MB + worker_count * WORKER_SIZE,
    };
}

uint64_t memory_sum(const struct memory_plan *plan)
{
    return plan->in_flight + plan->resident + plan->coins + plan->headers + plan->worlds +
           plan->serving + plan->other;
}

void memory_print(const struct memory_plan *plan, struct text *text)
{
    const struct {
        const char *name;
        uint64_t size;
    } parts[] = {{"coin index", plan->coins},       {"worlds, at most", plan->worlds},
                 {"last blocks", plan->resident},   {"blocks in flight", plan->in_flight},
                 {"headers, table", plan->headers}, {"blocks served", plan->serving},
                 {"everything else", plan->other},  {"together", memory_sum(plan)},
                 {"this machine has", plan->total}};

    for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
        text_printf(text, "  %-18s %7llu MB\n", parts[i].name,
                    (unsigned long long)(parts[i].size / MB));
}
