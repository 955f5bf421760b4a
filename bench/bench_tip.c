/* bench_tip.c - how long a block at the tip takes from its last byte in memory to the change of the
 * tip, stage by stage. The chain is bench_import's; its largest blocks behind the middle are
 * measured one at a time on an idle engine, all scripts checked, the rest is imported between.
 *
 *     bench_tip FILE [WORKERS] */
#include "../tests/unit/engine_rig.h"
#include "base/clock.h"
#include "slices.h"
#include "store/blocks.h"

#define MEASURED 20

enum { PARSE, CONNECT, CHECK, VERIFY, WHOLE, STAGES };
static const char *const stage_names[STAGES] = {"parse, and its rules", "connect",
                                                "prevouts and amounts", "scripts, by all workers",
                                                "until the tip has changed"};

struct bench {
    struct rig rig;
    FILE *file;
    double samples[STAGES][MEASURED]; /* us */
    size_t measured;
    double bytes;
    bool is_done;
    uint64_t done_us;
};

static void block_done(void *context, const struct block_result *result)
{
    struct bench *bench = context;

    if (result->verdict != VALID || result->is_unjudged)
        abort();
    pthread_mutex_lock(&bench->rig.mutex);
    bench->done_us = clock_monotonic_us();
    bench->is_done = true;
    pthread_cond_broadcast(&bench->rig.is_done);
    pthread_mutex_unlock(&bench->rig.mutex);
}

static double busy_us(struct stage_stats *stage)
{
    return (double)atomic_load(&stage->busy_ns) / 1000;
}

static void read_stages(struct pipeline *pipeline, double us[STAGES])
{
    us[PARSE] = busy_us(&pipeline->stats.parse);
    us[CHECK] = busy_us(&pipeline->stats.check);
    us[VERIFY] = busy_us(&pipeline->stats.verify);
    us[CONNECT] = busy_us(&pipeline->stats.ledger);
}

/* CPU by stage, and the wall time of it all; whatever the ledger thread does counts as connect. */
static void submit(struct bench *bench, const uint8_t *raw, uint32_t size, bool is_measured)
{
    struct pipeline *pipeline = engine_pipeline(bench->rig.engine);
    struct command idle = {.run = engine_when_idle};
    double before[STAGES], after[STAGES];
    struct block_job *job = pipeline_reserve(pipeline, size, RESERVE_WAIT);

    memcpy(job->buffer, raw, size);
    job->is_requested = true;
    job->done = block_done;
    job->context = bench;
    bench->is_done = false;
    read_stages(pipeline, before);
    uint64_t since_us = clock_monotonic_us();
    pipeline_submit(job);
    pthread_mutex_lock(&bench->rig.mutex);
    while (!bench->is_done)
        pthread_cond_wait(&bench->rig.is_done, &bench->rig.mutex);
    pthread_mutex_unlock(&bench->rig.mutex);
    if (!is_measured)
        return;
    rig_run(&bench->rig, &idle);
    read_stages(pipeline, after);
    for (int s = 0; s < WHOLE; s++)
        bench->samples[s][bench->measured] = after[s] - before[s];
    bench->samples[WHOLE][bench->measured++] = (double)(bench->done_us - since_us);
}

/* The size of the MEASURED-th largest of the second half. */
static uint32_t choose_size(struct bench *bench)
{
    uint32_t largest[MEASURED] = {0};
    uint8_t head[RECORD_HEADER_SIZE];

    fseek(bench->file, 0, SEEK_END);
    long half = ftell(bench->file) / 2;
    rewind(bench->file);
    while (fread(head, 1, sizeof head, bench->file) == sizeof head) {
        uint32_t size = le32_read(head + 4);

        for (size_t i = 0; ftell(bench->file) > half && i < MEASURED; i++)
            if (size > largest[i]) {
                uint32_t smaller = largest[i];
                largest[i] = size;
                size = smaller;
            }
        fseek(bench->file, (long)le32_read(head + 4), SEEK_CUR);
    }
    rewind(bench->file);
    return largest[MEASURED - 1];
}

static void run(struct bench *bench)
{
    uint32_t least = choose_size(bench);
    uint8_t head[RECORD_HEADER_SIZE], *raw = xmalloc(BLOCK_SIZE_MAX);
    long half;

    fseek(bench->file, 0, SEEK_END);
    half = ftell(bench->file) / 2;
    rewind(bench->file);
    for (bool is_first = true; fread(head, 1, sizeof head, bench->file) == sizeof head;
         is_first = false) {
        uint32_t size = le32_read(head + 4);

        if (size > BLOCK_SIZE_MAX || fread(raw, 1, size, bench->file) != size)
            abort();
        bool is_measured = ftell(bench->file) > half && size >= least && bench->measured < MEASURED;
        if (is_measured)
            bench->bytes += size;
        if (!is_first) /* the genesis block is there */
            submit(bench, raw, size, is_measured);
    }
    free(raw);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct slice_series series[STAGES];
    int workers = argc > 2 ? argv[2][0] - '0' : 2;

    if (argc < 2 || workers < 1 || workers > 9 || (bench.file = fopen(argv[1], "rb")) == NULL) {
        fprintf(stderr, "usage: bench_tip FILE [WORKERS, 1 to 9]\n");
        return 2;
    }
    rig_init(&bench.rig, NETWORK_REGTEST);
    bench.rig.config.worker_count = (uint32_t)workers;
    bench.rig.config.resident_limit = (size_t)256 << 20;
    if (rig_open(&bench.rig) != ENGINE_OK) {
        fprintf(stderr, "%s\n", bench.rig.error);
        return 1;
    }
    run(&bench);
    printf("%zu blocks of %.2f MB on average, %d workers: microseconds, not nanoseconds; the last "
           "line is wall time\n",
           bench.measured, bench.bytes / (double)bench.measured / 1e6, workers);
    for (int s = 0; s < STAGES; s++)
        series[s] = (struct slice_series){stage_names[s], bench.samples[s]};
    slices_print("tip", "block", series, STAGES, bench.measured);
    fclose(bench.file);
    if (rig_close(&bench.rig) != ENGINE_OK)
        return 1;
    rig_clear(&bench.rig);
    return 0;
}
