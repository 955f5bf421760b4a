/* start_scan.c - the parts of blocks.bin that no metadata covers: record by record whether its
 * bytes are whole; what is damaged keeps its place, damaged framing is written again. */
#include "pipeline/start.h"

#include "base/clock.h"

#define PROGRESS_S 5

/* Everything that the bytes alone can say. */
static bool record_is_whole(struct engine *engine, const struct record *record, struct arena *arena,
                            struct metadata_record *out)
{
    struct block block;
    struct block_facts facts;
    bool is_genesis = record->pos <= RECORD_HEADER_SIZE;

    arena_reset(arena, SIZE_MAX);
    if (!block_parse(&block, record->data, arena, true))
        return false;
    if (!is_genesis && block_check(engine->params, &block, arena, &facts) != VALID)
        return false;
    if (!is_genesis && facts.commitment != COMMITMENT_MATCHES && facts.has_witness)
        return false;
    *out = (struct metadata_record){
        .hash = block.hash,
        .header = block.header,
        .pos = record->pos,
        .synced_end = record_end(record->pos,
                                 record->size), /* the file is synced before metadata is written */
        .size = record->size,
        .mark = MARK_NONE};
    return true;
}

static void show_scan(struct start *start, uint64_t at)
{
    uint64_t now = clock_monotonic_us();

    if (now - start->progress_us < PROGRESS_S * 1000000)
        return;
    start->progress_us = now;
    engine_log(start->engine, ENGINE_LOG_INFO, "reading blocks.bin: %llu of %llu MB (%llu %%)",
               (unsigned long long)(at / 1000000),
               (unsigned long long)(start->blocks_size / 1000000),
               (unsigned long long)(at * 100 / (start->blocks_size ? start->blocks_size : 1)));
}

/* A block that is damaged behind its header keeps its place in the tree, so that the same bytes can
 * be written there again when it is fetched. Whether the header is real the header rules will say.
 */
static void keep_rotten(struct start *start, struct scanner *scanner, const struct record *record)
{
    struct metadata_record item = {.pos = record->pos, .size = record->size};
    struct bytes header;

    if (!scanner_peek(scanner, record->pos, HEADER_SIZE, &header) ||
        !header_parse(&item.header, header))
        return;
    item.hash = header_hash(&item.header);
    start->rotten = xrealloc(start->rotten, (start->rotten_count + 1) * sizeof *start->rotten);
    start->rotten[start->rotten_count++] = item;
}

/* What was synced, or may have been: nothing of it is cut. */
static bool is_kept(const struct start *start, uint64_t pos)
{
    return pos < start->data.synced_end || !start->has_metadata;
}

/* If a whole block stands behind the framing at byte at, whatever that says, the framing is written
 * again: a block says by itself where it ends. */
static bool mend_framing(struct start *start, struct scanner *scanner, uint64_t at,
                         struct arena *arena, struct metadata_record *item)
{
    struct record record = {.pos = record_pos(at)};
    uint8_t framing[RECORD_HEADER_SIZE];

    arena_reset(arena, SIZE_MAX);
    if (record.pos >= scanner->end ||
        !scanner_peek(scanner, record.pos, BLOCK_SIZE_MAX, &record.data))
        return false;
    record.size = (uint32_t)block_measure(record.data, arena);
    record.data.size = record.size;
    if (record.size == 0 || !record_is_whole(start->engine, &record, arena, item))
        return false;
    engine_log(start->engine, ENGINE_LOG_WARNING,
               "blocks.bin: the framing at byte %llu is damaged: it is written again",
               (unsigned long long)at);
    record_header_write(framing, start->engine->magic, record.size);
    scanner->error = disk_write_sync(start->disk, start->blocks, framing, sizeof framing, at);
    scanner->at = record_end(record.pos, record.size);
    return scanner->error == 0;
}

/* Behind a record of which not even the framing can be made out: on to the next whole one. */
static bool find_whole(struct start *start, struct scanner *scanner, struct arena *arena)
{
    uint64_t from = scanner->at++;
    struct metadata_record item;
    struct record record;

    while (!is_given_up(start->engine) && scanner_find_magic(scanner)) {
        uint64_t at = scanner->at;
        bool is_whole = scanner_next(scanner, &record) == SCAN_RECORD &&
                        record_is_whole(start->engine, &record, arena, &item);

        scanner->at = is_whole ? at : at + 1;
        if (is_whole) {
            engine_log(start->engine, ENGINE_LOG_WARNING,
                       "blocks.bin: bytes %llu to %llu are no records: passed over",
                       (unsigned long long)from, (unsigned long long)at);
            return true;
        }
        show_scan(start, at);
    }
    scanner->at = from;
    return false;
}

/* The next record of a gap. False: the gap ends here, for the reason of *result. */
static bool scan_record(struct start *start, struct scanner *scanner, struct arena *arena,
                        enum scan_result *result, uint64_t *good_end)
{
    struct metadata_record item;
    struct record record;
    uint64_t at = scanner->at;

    *result = scanner_next(scanner, &record);
    if (*result == SCAN_END || *result == SCAN_READ_ERROR)
        return false;
    if ((*result == SCAN_RECORD && record_is_whole(start->engine, &record, arena, &item)) ||
        (is_kept(start, at) && mend_framing(start, scanner, at, arena, &item))) {
        metadata_add(&start->data, &item);
        start->scanned_count++;
        *good_end = record_end(item.pos, item.size);
        return true;
    }
    if (*result != SCAN_RECORD)
        return is_kept(start, at) && find_whole(start, scanner, arena);
    engine_log(start->engine, ENGINE_LOG_WARNING, "blocks.bin: the block at byte %llu is damaged",
               (unsigned long long)record.pos);
    if (is_kept(start, at))
        keep_rotten(start, scanner, &record);
    return is_kept(start, at);
}

enum engine_error start_scan(struct start *start, uint64_t from, uint64_t to, uint64_t *good_end)
{
    struct engine *engine = start->engine;
    struct scanner scanner;
    struct arena arena;
    enum scan_result result;
    char what[160];

    arena_init(&arena, SIZE_MAX);
    scanner_init(&scanner, start->disk, start->blocks, engine->magic, from, to);
    *good_end = from;
    while (scan_record(start, &scanner, &arena, &result, good_end) && scanner.error == 0 &&
           !is_given_up(engine))
        show_scan(start, scanner.at);
    int error = scanner.error;
    scan_describe(what, sizeof what, error < 0 ? SCAN_READ_ERROR : result, &scanner);
    scanner_clear(&scanner);
    arena_clear(&arena);
    if (is_given_up(engine))
        return start_refuse_errno(start, "reading blocks.bin", -ECANCELED);
    if (error < 0)
        return start_refuse_errno(start, "blocks.bin cannot be read", error);
    if (result != SCAN_END && result != SCAN_RECORD)
        engine_log(engine, ENGINE_LOG_WARNING, "blocks.bin: %s", what);
    return ENGINE_OK;
}
