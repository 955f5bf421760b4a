/* ledger_costs.h - what bench_ledger measured, and what it comes to on the main chain. */
#ifndef BENCH_LEDGER_COSTS_H
#define BENCH_LEDGER_COSTS_H
#include "ledger/ledger.h"

struct ledger_costs {
    double coins;
    double index_bytes, resident_bytes;     /* a coin */
    double lookup_ns, insert_ns, delete_ns; /* batched; medians of the CPU */
    double connect_ns, fold_ns;             /* an input or output */
    double event_bytes;                     /* of memory above the root, likewise */
    double save_s, cp_s, load_s, cat_s, cold_load_s, cold_cat_s; /* of all coins */
    double copy_ms, pause_ms; /* the ledger thread's CPU for a checkpoint; the longest shard */
};

/* Writes the ledger's checkpoint into directory and loads it, beside cp and cat of the same file.
 * 0 or -errno. */
MUST_CHECK int checkpoint_costs(const struct ledger *ledger, const char *directory,
                                struct ledger_costs *costs);
void mainnet_costs(const struct ledger_costs *costs);
#endif
