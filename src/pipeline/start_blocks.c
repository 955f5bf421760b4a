/* start_blocks.c - blocks.bin and metadata.bin at start: the first record, what metadata knows, and
 * the parts of the file that it does not, which are scanned (start_scan.c); a torn end is cut. */
#include "pipeline/start.h"

#include "base/clock.h"

static size_t genesis_record(const struct engine *engine,
                             uint8_t record[RECORD_HEADER_SIZE + PARAMS_GENESIS_SIZE_MAX])
{
    const struct params *params = engine->params;

    record_header_write(record, engine->magic, params->genesis_size);
    memcpy(record + RECORD_HEADER_SIZE, params->genesis_block, params->genesis_size);
    return RECORD_HEADER_SIZE + params->genesis_size;
}

static enum engine_error write_first_record(struct start *start, const uint8_t *record, size_t size)
{
    int error = disk_write_sync(start->disk, start->blocks, record, size, 0);

    if (error == 0)
        error = disk_sync(start->disk, start->blocks);
    if (error == 0)
        error = disk_sync_dir(start->disk, ".");
    return error < 0 ? start_refuse_errno(start, "blocks.bin cannot be written", error) : ENGINE_OK;
}

/* A new file gets the genesis block as its first record; another's file is not touched. */
enum engine_error start_blocks(struct start *start)
{
    struct engine *engine = start->engine;
    unsigned flags = DISK_OPEN_WRITE | DISK_OPEN_CREATE;
    int error = disk_file_open(start->disk, &start->blocks, BLOCKS_NAME, flags);
    uint8_t record[RECORD_HEADER_SIZE + PARAMS_GENESIS_SIZE_MAX], old[sizeof record];
    size_t size = genesis_record(engine, record);

    if (error == 0)
        error = disk_file_size(start->blocks, &start->blocks_size);
    if (error < 0)
        return start_refuse_errno(start, "blocks.bin cannot be opened", error);
    if (start->blocks_size > size)
        return ENGINE_OK;
    /* What is left of a first start that was cut off, its size perhaps without its bytes, is
     * completed; anything else is somebody's. */
    error = disk_read_sync(start->disk, start->blocks, old, start->blocks_size, 0);
    if (error < 0)
        return start_refuse_errno(start, "blocks.bin cannot be read", error);
    if (start->blocks_size == size && memcmp(old, record, size) == 0)
        return ENGINE_OK;
    for (size_t i = 0; i < start->blocks_size; i++)
        if (old[i] != record[i] && old[i] != 0)
            return start_refuse(start, ENGINE_DIRECTORY,
                                "%s/blocks.bin is not a block file of chain %s", engine->directory,
                                engine->params->name);
    start->blocks_size = size;
    return write_first_record(start, record, size);
}

/* Where metadata says that the file is ours, a rotten genesis block is written again. */
static enum engine_error check_first_record(struct start *start)
{
    struct engine *engine = start->engine;
    uint8_t genesis[RECORD_HEADER_SIZE + PARAMS_GENESIS_SIZE_MAX];
    struct scanner scanner;
    struct record record;
    char what[160];

    scanner_init(&scanner, start->disk, start->blocks, engine->magic, 0, start->blocks_size);
    enum scan_result result = scanner_next(&scanner, &record);
    bool is_genesis = result == SCAN_RECORD && record.size == engine->params->genesis_size &&
                      memcmp(record.data.data, engine->params->genesis_block, record.size) == 0;
    scan_describe(what, sizeof what, result, &scanner);
    scanner_clear(&scanner);
    if (is_genesis)
        return ENGINE_OK;
    if (start->data.count > 0) {
        engine_log(
            engine, ENGINE_LOG_WARNING,
            "blocks.bin: the genesis block is damaged or cannot be read: it is written again");
        return write_first_record(start, genesis, genesis_record(engine, genesis));
    }
    return start_refuse(start, ENGINE_DIRECTORY,
                        "%s/blocks.bin does not begin with the genesis block of chain %s%s%s",
                        engine->directory, engine->params->name, result == SCAN_RECORD ? "" : ": ",
                        result == SCAN_RECORD ? "" : what);
}

/* A place that reaches beyond the end is none: what comes next is appended there. */
static void drop_rotten(struct start *start, uint64_t end)
{
    const struct metadata_record *rotten = start->rotten;
    size_t *count = &start->rotten_count;

    while (*count > 0 && record_end(rotten[*count - 1].pos, rotten[*count - 1].size) > end)
        --*count;
}

/* Behind the last synced position the file is cut at the first record that is not whole; before it
 * never. Where there is no metadata at all (lost, or a bootstrap.dat put in place) nothing says
 * what was synced: then only what follows the last whole record goes. */
static enum engine_error cut_blocks(struct start *start, uint64_t end)
{
    if (end >= start->blocks_size || end < start->data.synced_end)
        return ENGINE_OK;
    engine_log(start->engine, ENGINE_LOG_WARNING, "blocks.bin: cut from %llu to %llu bytes",
               (unsigned long long)start->blocks_size, (unsigned long long)end);
    int error = disk_truncate(start->blocks, end);
    if (error == 0)
        error = disk_sync(start->disk, start->blocks);
    if (error < 0)
        return start_refuse_errno(start, "blocks.bin cannot be cut", error);
    start->blocks_size = end;
    drop_rotten(start, end);
    return ENGINE_OK;
}

enum engine_error start_metadata(struct start *start)
{
    struct engine *engine = start->engine;
    uint64_t gap_start, gap_end, end = start->blocks_size, from = 0;
    int error = metadata_load(&start->data, start->disk, engine->magic, start->blocks_size);

    if (error < 0)
        return start_refuse_errno(start, "metadata.bin cannot be read", error);
    error = metadata_check(&start->data, start->disk, start->blocks);
    if (error == -ESTALE) {
        engine_log(engine, ENGINE_LOG_WARNING,
                   "metadata.bin is of another blocks.bin: reading that anew");
        metadata_forget(&start->data);
        start->is_other_file = true;
    } else if (error < 0) {
        return start_refuse_errno(start, "blocks.bin cannot be read", error);
    }
    size_t known_count = start->data.count;
    start->has_metadata = known_count > 0;
    enum engine_error refused = check_first_record(start);
    start->progress_us = clock_monotonic_us();
    while (refused == ENGINE_OK &&
           metadata_next_gap(&start->data, from, start->blocks_size, &gap_start, &gap_end)) {
        uint64_t good_end;

        refused = start_scan(start, gap_start, gap_end, &good_end);
        if (gap_end >= start->data.synced_end && good_end < gap_end)
            end = good_end > start->data.synced_end ? good_end : start->data.synced_end;
        from = gap_end;
    }
    if (refused == ENGINE_OK)
        refused = cut_blocks(start, end);
    if (refused != ENGINE_OK)
        return refused;
    engine_log(engine, ENGINE_LOG_INFO, "metadata: %zu blocks known, %zu scanned in blocks.bin",
               known_count, start->scanned_count);
    error = disk_sync(start->disk, start->blocks);
    if (error == 0) {
        start->data.synced_end = start->blocks_size;
        error = metadata_open(&start->data, start->disk, engine->magic, &start->metadata,
                              &start->metadata_end);
    }
    if (error < 0)
        return start_refuse_errno(start, "metadata.bin cannot be written", error);
    return ENGINE_OK;
}
