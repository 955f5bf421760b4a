/* sim_rig.h - an engine whose directory is a simulated disk: fast, and it fails when told to. */
#ifndef TESTS_SIM_RIG_H
#define TESTS_SIM_RIG_H
#include "engine_rig.h"
#include "io/simdisk.h"

static inline int sim_rig_open_disk(void *context, struct disk **disk, unsigned depth)
{
    (void)depth;
    *disk = simdisk_open(context);
    return 0;
}

/* After rig_init, which is to be ended with rig_clear after simdisk_free. */
static inline struct simdisk *rig_on_sim(struct rig *rig, uint64_t seed)
{
    struct simdisk *sim = simdisk_new(seed);

    rig->config.open_disk = sim_rig_open_disk;
    rig->config.open_disk_context = sim;
    rig->config.has_lock = true;
    return sim;
}
#endif
