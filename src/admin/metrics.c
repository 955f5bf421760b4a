#include "admin/metrics.h"

#include "admin/progress.h"
#include "base/version.h"

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct text *text, const char *name, const char *help, double value)
{
    head(text, name, "gauge", help);
    text_printf(text, "%s %.17g\n", name, value);
}

static void counter(struct text *text, const char *name, const char *help, uint64_t value)
{
    head(text, name, "counter", help);
    text_printf(text, "%s %llu\n", name, (unsigned long long)value);
}

void metrics_histogram(struct text *text, const char *name, const char *help, const char *labels,
                       const struct histogram *histogram, bool is_first)
{
    const char *comma = labels[0] ? "," : "";
    const char *open = labels[0] ? "{" : "", *close = labels[0] ? "}" : "";
    uint64_t count = 0;

    if (is_first)
        head(text, name, "histogram", help);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        text_printf(text, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i < HISTOGRAM_BUCKETS - 1)
            text_printf(text, "%.9g", (double)histogram_bound_ns(i) / 1e9);
        else
            text_printf(text, "+Inf");
        text_printf(text, "\"} %llu\n", (unsigned long long)count);
    }
    uint64_t sum_ns = atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
    text_printf(text, "%s_sum%s%s%s %.9f\n", name, open, labels, close, (double)sum_ns / 1e9);
    text_printf(text, "%s_count%s%s%s %llu\n", name, open, labels, close,
                (unsigned long long)count);
}

static void print_chain(struct engine *engine, const struct engine_snapshot *now, struct text *text)
{
    head(text, "caesure_info", "gauge", "Version and network.");
    text_printf(text, "caesure_info{version=\"%s\",network=\"%s\"} 1\n", caesure_version,
                engine_params(engine)->name);
    gauge(text, "caesure_tip_height", "Height of the best verified block.", now->height);
    gauge(text, "caesure_header_height", "Height of the best header.", now->header_height);
    gauge(text, "caesure_tip_timestamp_seconds", "Time in the best block's header.", now->tip_time);
    gauge(text, "caesure_synced", "Whether the tip is recent: 0 or 1.", now->is_synced);
    counter(text, "caesure_blocks_verified_total", "Blocks connected and verified.", now->blocks);
    counter(text, "caesure_block_bytes_total", "Bytes of the verified blocks.", now->bytes);
    counter(text, "caesure_inputs_total", "Inputs of the verified blocks.", now->inputs);
}

struct stage {
    const char *name, *labels;
    const struct stage_stats *stats;
    struct mpmc *ring;
};

static void print_stages(struct pipeline *pipeline, struct text *text)
{
    const struct stage stages[] = {
        {"parse", "stage=\"parse\"", &pipeline->stats.parse, &pipeline->parse_ring},
        {"check", "stage=\"check\"", &pipeline->stats.check, &pipeline->check_ring},
        {"verify", "stage=\"verify\"", &pipeline->stats.verify, &pipeline->verify_ring},
        {"work", "stage=\"work\"", &pipeline->stats.work, &pipeline->work_ring},
        {"ledger", "stage=\"ledger\"", &pipeline->stats.ledger, &pipeline->ledger_ring},
    };

    head(text, "caesure_stage_queue_jobs", "gauge", "Jobs waiting for a stage.");
    for (size_t i = 0; i < ARRAY_COUNT(stages); i++)
        text_printf(text, "caesure_stage_queue_jobs{%s} %zu\n", stages[i].labels,
                    mpmc_count(stages[i].ring));
    head(text, "caesure_stage_cpu_seconds_total", "counter", "CPU time of a stage's threads.");
    for (size_t i = 0; i < ARRAY_COUNT(stages); i++)
        text_printf(text, "caesure_stage_cpu_seconds_total{%s} %.9f\n", stages[i].labels,
                    (double)atomic_load(&stages[i].stats->busy_ns) / 1e9);
    for (size_t i = 0; i < ARRAY_COUNT(stages) - 1;
         i++) /* the ledger thread has no jobs of its own */
        metrics_histogram(text, "caesure_stage_job_cpu_seconds", "CPU time of one job of a stage.",
                          stages[i].labels, &stages[i].stats->times, i == 0);
}

static void print_pipeline(struct engine *engine, const struct engine_snapshot *now,
                           struct text *text)
{
    struct pipeline *pipeline = engine_pipeline(engine);

    gauge(text, "caesure_workers", "Threads that parse, check and verify.", pipeline->worker_count);
    gauge(text, "caesure_jobs_in_flight", "Blocks in the pipeline.", now->jobs_in_flight);
    gauge(text, "caesure_credit_used_bytes", "Memory of the blocks in the pipeline.",
          (double)now->credit_used);
    gauge(text, "caesure_credit_limit_bytes", "What they may have.",
          (double)pipeline->credit_limit);
    counter(text, "caesure_credit_waits_total", "Times a block had to wait for that memory.",
            atomic_load(&pipeline->stats.credit_waits));
    counter(text, "caesure_inputs_verified_total", "Inputs whose scripts were run.",
            atomic_load(&pipeline->stats.inputs_verified));
    counter(text, "caesure_cold_prevouts_total", "Spent outputs that had to be read from the disk.",
            atomic_load(&pipeline->stats.cold_prevouts));
    print_stages(pipeline, text);
    metrics_histogram(text, "caesure_block_connect_seconds",
                      "Time to connect a block to the coin set.", "", &pipeline->stats.connects,
                      true);
    metrics_histogram(text, "caesure_prevouts_read_seconds",
                      "Time to read the outputs that a block spends from the disk.", "",
                      &pipeline->stats.reads, true);
}

static void print_ledger(struct engine *engine, const struct engine_snapshot *now,
                         struct text *text)
{
    struct writer_stats writer;
    struct prevouts_stats prevouts;

    gauge(text, "caesure_root_height", "Height of the coin set's root.", now->root_height);
    gauge(text, "caesure_root_coins", "Coins at the root.", (double)now->ledger.root_coins);
    gauge(text, "caesure_index_bytes", "Memory of the coin index.",
          (double)now->ledger.index_bytes);
    gauge(text, "caesure_recent_bytes", "Memory of the coin sets above the root.",
          (double)now->ledger.recent_bytes);
    gauge(text, "caesure_worlds", "Versions of the coin set.", now->ledger.worlds);
    gauge(text, "caesure_resident_bytes", "The last blocks, kept in memory.",
          (double)now->resident_size);
    engine_disk_stats(engine, &writer, &prevouts);
    gauge(text, "caesure_blocks_file_bytes", "Size of blocks.bin.", (double)writer.written_end);
    gauge(text, "caesure_unsynced_bytes", "Of it, what is not synced to the disk yet.",
          (double)(writer.written_end - writer.synced_end));
    counter(text, "caesure_disk_appended_bytes_total", "Bytes appended to blocks.bin.",
            writer.appended_size);
    counter(text, "caesure_disk_writes_total", "Writes to it.", writer.write_count);
    counter(text, "caesure_disk_syncs_total", "Syncs of it.", writer.sync_count);
    counter(text, "caesure_disk_reads_total", "Reads of spent outputs.", prevouts.read_count);
    counter(text, "caesure_disk_read_bytes_total", "Bytes of these reads.", prevouts.read_size);
}

static void print_net(const struct net *net, struct text *text)
{
    struct net_stats stats;

    net_stats(net, &stats);
    head(text, "caesure_peers", "gauge", "Connections.");
    text_printf(text, "caesure_peers{direction=\"in\"} %u\ncaesure_peers{direction=\"out\"} %u\n",
                stats.incoming, stats.outgoing);
    counter(text, "caesure_net_received_bytes_total", "Bytes from peers.", stats.received_bytes);
    counter(text, "caesure_net_sent_bytes_total", "Bytes to peers.", stats.sent_bytes);
    counter(text, "caesure_net_served_blocks_total", "Blocks served.", stats.served_blocks);
    counter(text, "caesure_net_served_bytes_total", "Bytes of them.", stats.served_bytes);
    gauge(text, "caesure_known_addresses", "Addresses of peers.", stats.known_addresses);
    gauge(text, "caesure_download_wanted_blocks", "Blocks in the download window.",
          stats.download.wanted);
    gauge(text, "caesure_download_asked_blocks", "Of them, asked for.", stats.download.asked);
    gauge(text, "caesure_download_stall_timeout_seconds", "Patience with the lowest block's peer.",
          (double)stats.download.stall_timeout_ms / 1000);
}

static void print_log(const struct log *log, struct text *text)
{
    struct log_stats stats;

    log_stats(log, &stats);
    counter(text, "caesure_log_records_total", "Records written to the log.", stats.records);
    counter(text, "caesure_log_bytes_total", "Bytes of the log and its text.", stats.bytes);
    counter(text, "caesure_log_lost_records_total", "Records that were lost.", stats.lost);
    counter(text, "caesure_log_errors_total", "Failed writes and renames of it.",
            stats.write_errors);
}

void metrics_print(const struct metrics *metrics, struct text *text)
{
    struct engine_snapshot now;
    struct timespec cpu;

    engine_snapshot(metrics->engine, &now);
    print_chain(metrics->engine, &now, text);
    print_pipeline(metrics->engine, &now, text);
    print_ledger(metrics->engine, &now, text);
    if (metrics->net)
        print_net(metrics->net, text);
    if (metrics->log)
        print_log(metrics->log, text);
    gauge(text, "process_resident_memory_bytes", "Memory of the process.",
          (double)process_memory());
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        head(text, "process_cpu_seconds_total", "counter", "CPU time of the process.");
        text_printf(text, "process_cpu_seconds_total %.6f\n",
                    (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    }
}
