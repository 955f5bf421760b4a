#include "node/limits.h"

#include "io/disk.h"
#include "ledger/checkpoint.h"
#include "store/blocks.h"
#include "store/metadata.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MB                  ((uint64_t)1 << 20)
#define COINS_EXPECTED_MAIN 190000000
#define HEADERS_MAIN        1000000
#define HEADERS_OTHER       200000
#define DESCRIPTORS_OTHER   64 /* files, rings, the monitor's clients */
/* Tables grow in place in address space that is reserved at the start (65 GB) and used later. */
#define ADDRESS_SPACE ((uint64_t)96 << 30)
#define DISK_FREE_MIN ((uint64_t)1 << 30) /* but for regtest */

static bool check_descriptors(uint32_t conn_max)
{
    struct rlimit limit;
    rlim_t needed = conn_max + DESCRIPTORS_OTHER;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return true;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= needed)
        return true;
    fprintf(
        stderr,
        "caesure: -o and -i may take %llu descriptors, the limit is %llu: raise it (ulimit -Hn, "
        "LimitNOFILE=) or lower -i\n",
        (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    return false;
}

static bool check_address_space(void)
{
    static const struct {
        int resource;
        const char *flag;
    } limits[] = {{RLIMIT_AS, "-v"}, {RLIMIT_DATA, "-d"}};
    struct rlimit limit;

    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        if (getrlimit(limits[i].resource, &limit) < 0 || limit.rlim_cur >= ADDRESS_SPACE)
            continue;
        fprintf(stderr,
                "caesure: the address space is limited to %llu MB, and far more is reserved than "
                "used: ulimit %s unlimited (a cgroup limits memory, too)\n",
                (unsigned long long)(limit.rlim_cur / MB), limits[i].flag);
        return false;
    }
    return true;
}

static uint64_t file_size(const char *directory, const char *name)
{
    char path[4096];
    struct stat status;

    snprintf(path, sizeof path, "%s%s%s", directory, *directory ? "/" : "", name);
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

/* The coins of the last checkpoint; those of a rebuild are not known before. */
static uint64_t saved_coins(const char *directory)
{
    struct disk *disk;
    uint64_t count = 0;

    if (disk_open_plain(&disk, directory) == 0) {
        count = checkpoint_coin_count(disk);
        disk_close(disk);
    }
    return count;
}

uint32_t limits_workers(const struct options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return (uint32_t)(options->threads ? options->threads : cores > 0 ? cores : 1);
}

static bool check_memory(const struct options *options, const char *directory,
                         struct memory_plan *plan)
{
    uint64_t headers = file_size(directory, METADATA_NAME) / METADATA_RECORD_SIZE;
    uint64_t expected = options->network == NETWORK_MAIN ? HEADERS_MAIN : HEADERS_OTHER;
    struct text text;

    memory_plan(plan, memory_total(), saved_coins(directory),
                headers > expected ? headers : expected, (int32_t)options->horizon,
                limits_workers(options));
    text_init(&text, 4096);
    memory_print(plan, &text);
    fprintf(stderr, "memory, at the start (the coin index grows to %llu MB on mainnet):\n%s",
            (unsigned long long)COINS_EXPECTED_MAIN * 22 / 1000000, text_cstr(&text));
    text_clear(&text);
    if (memory_sum(plan) <= plan->total)
        return true;
    fprintf(
        stderr,
        "caesure: %llu MB of memory are needed, this machine or its cgroup has %llu: add memory, "
        "raise the cgroup's limit (MemoryMax=), or lower --horizon\n",
        (unsigned long long)(memory_sum(plan) / MB), (unsigned long long)(plan->total / MB));
    return false;
}

/* What an import will add, at most; else enough for some hours, so that nothing fails half-way. */
static bool check_disk(const struct options *options, const char *directory)
{
    uint64_t import_size = options->import ? file_size("", options->import) : 0;
    uint64_t have = file_size(directory, BLOCKS_NAME);
    uint64_t needed = options->network == NETWORK_REGTEST ? 0 : DISK_FREE_MIN;
    struct statvfs status;

    if (import_size > have && import_size - have > needed)
        needed = import_size - have;
    if (statvfs(directory, &status) < 0)
        return true;
    uint64_t room = (uint64_t)status.f_bavail * status.f_frsize;
    if (room >= needed)
        return true;
    fprintf(stderr,
            "caesure: No space left for what is to come: %llu MB are needed in %s, %llu are free: "
            "make room, or choose another disk with -b\n",
            (unsigned long long)needed / MB + 1, directory, (unsigned long long)room / MB);
    return false;
}

enum exit_code limits_check(const struct options *options, const char *directory, uint32_t conn_max,
                            struct memory_plan *plan)
{
    if (!check_descriptors(conn_max))
        return EXIT_USAGE;
    if (!check_address_space() || !check_memory(options, directory, plan))
        return EXIT_MEMORY;
    return check_disk(options, directory) ? EXIT_DONE : EXIT_DISK;
}
