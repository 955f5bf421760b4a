/* mainnet_costs.c - the arithmetic for the main chain from what was measured here. */
#include "ledger_costs.h"
#include "store/block_table.h"

#include <stdio.h>

/* The main chain, at the peak of the coin set; shapes from its statistics. */
#define COINS         190e6
#define BLOCKS        1e6
#define INPUTS        3.5e9
#define OUTPUTS       (INPUTS + COINS)
#define BLOCK_CHANGES 14000 /* inputs and outputs of a block of today */
#define BLOCK_BYTES   1.6e6
#define HORIZON       100 /* the node's default */
#define UNDO_BLOCKS   2016
#define COLD_PERCENT                                                                               \
    25 /* inputs older than what is in memory: the last 256 MB, some 160 blocks                    \
        */
#define HEADER_BYTES (sizeof(struct header_node) + sizeof(struct block_entry) + 16 + 32)
#define DAY_BYTES    10e9 /* of checkpoints at the tip, at most (save.c, as the next two) */
#define REPLAY_S     60   /* a checkpoint is due when a replay would take longer */
#define REPLAY_NS    12   /* a byte: parse and read */

static void print_memory(const struct ledger_costs *costs)
{
    double index = costs->index_bytes * COINS / 1e9;
    double worlds = costs->event_bytes * BLOCK_CHANGES * HORIZON / 1e9;
    double headers = HEADER_BYTES * BLOCKS / 1e9;
    double staging = 2 * COINS * 16 / 512 / 1e9;

    printf("  memory: index %.2f GB, %d worlds %.2f, headers and block table %.2f, two shards on "
           "their way to the checkpoint %.2f: %.2f GB\n",
           index, HORIZON, worlds, headers, staging, index + worlds + headers + staging);
}

static void print_time(const struct ledger_costs *costs)
{
    double change_ns = costs->connect_ns + costs->fold_ns;
    double thread_s = change_ns * (INPUTS + OUTPUTS) / 1e9;

    printf("  connect and fold: %.0f ns an input or output, %.2f h of CPU for all of them, divided "
           "among "
           "the workers; on one thread at most %.2f million inputs/s\n",
           change_ns, thread_s / 3600, INPUTS / thread_s / 1e6);
    printf("  of that the index itself: look-up %.0f, insert %.0f, delete %.0f ns: %.2f h\n",
           costs->lookup_ns, costs->insert_ns, costs->delete_ns,
           (INPUTS * (costs->lookup_ns + costs->delete_ns) + OUTPUTS * costs->insert_ns) / 1e9 /
               3600);
}

static void print_reads(void)
{
    static const double rates[] = {20e3, 100e3, 500e3, 1e6};
    double reads = INPUTS * COLD_PERCENT / 100;

    printf("  reads: %.2f billion coins not in memory; at", reads / 1e9);
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++)
        printf(" %.0f k reads/s %.1f h%s", rates[i] / 1e3, reads / rates[i] / 3600,
               i + 1 < ARRAY_COUNT(rates) ? "," : "\n");
}

static void print_disk(const struct ledger_costs *costs)
{
    double bytes = COINS * 16, part = COINS / costs->coins;
    double replay_s = (BLOCK_BYTES * REPLAY_NS + costs->fold_ns * BLOCK_CHANGES) / 1e9;
    double world_s = (BLOCK_BYTES * REPLAY_NS + costs->connect_ns * BLOCK_CHANGES) / 1e9;

    printf(
        "  disk: a checkpoint %.2f GB, written in %.0f s with %.1f s of the ledger thread's CPU, "
        "at the tip every %.0f blocks and at most every %.1f h; three at once %.1f GB; undo "
        "words %.2f GB\n",
        bytes / 1e9, costs->save_s * part, costs->copy_ms * part / 1e3, REPLAY_S / replay_s,
        bytes / DAY_BYTES * 24, 3 * bytes / 1e9, 8.0 * UNDO_BLOCKS * BLOCK_CHANGES / 2 / 1e9);
    printf(
        "  restart: load %.1f s (not in the page cache %.1f s), the %d worlds above %.1f s; after "
        "a crash besides %d s of replay at most\n",
        costs->load_s * part, costs->cold_load_s * part, HORIZON, HORIZON * world_s, REPLAY_S);
}

void mainnet_costs(const struct ledger_costs *costs)
{
    printf("the main chain by these costs: %.0f million coins, %.0f million blocks, %.1f billion "
           "inputs, %.1f billion outputs\n",
           COINS / 1e6, BLOCKS / 1e6, INPUTS / 1e9, OUTPUTS / 1e9);
    print_memory(costs);
    print_time(costs);
    print_reads();
    print_disk(costs);
}
