#include "base/hash.h"
#include "base/hex.h"
#include "caesure-db/scan.h"
#include "caesure-db/session.h"
#include "chain/block_rules.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct damage {
    size_t index;
    const char *what;
};

struct verify {
    const struct view *view;
    pthread_mutex_t mutex; /* guards the list */
    struct damage *list;
    size_t count;
};

static const char *check_framing(const struct view *view, const uint8_t *framing, uint32_t size)
{
    uint8_t ours[RECORD_HEADER_SIZE], native[RECORD_HEADER_SIZE];

    record_header_write(ours, view->magic, size);
    le64_write(native, size);
    return memcmp(framing, ours, sizeof ours) == 0 || memcmp(framing, native, sizeof native) == 0
               ? NULL
               : "the record's framing is wrong";
}

/* What the bytes alone can show: as the node checks a record that no metadata covers. */
static const char *check_block(const struct params *params, const struct metadata_record *record,
                               struct bytes data, struct arena *arena)
{
    struct block_facts facts;
    struct block block;

    if (!block_parse(&block, data, arena, true))
        return "the block cannot be parsed";
    if (!block_hash_equal(&block.hash, &record->hash))
        return "the header is another";
    if (block_hash_equal(&block.hash, &params->genesis_hash))
        return bytes_equal(data, (struct bytes){params->genesis_block, params->genesis_size})
                   ? NULL
                   : verdict_text(BAD_TXNMRKLROOT);

    enum verdict verdict = block_check(params, &block, arena, &facts);

    if (verdict != VALID)
        return verdict_text(verdict);
    if (facts.has_witness && facts.commitment != COMMITMENT_MATCHES)
        return verdict_text(facts.commitment == COMMITMENT_NONE ? UNEXPECTED_WITNESS
                                                                : BAD_WITNESS_MERKLE_MATCH);
    return NULL;
}

static const char *check_record(const struct view *view, const struct metadata_record *record,
                                struct bytes bytes, struct arena *arena)
{
    struct bytes data = bytes_sub(bytes, RECORD_HEADER_SIZE, SIZE_MAX);
    const char *wrong = check_framing(view, bytes.data, record->size);
    uint8_t digest[32];

    if (!wrong)
        wrong = check_block(view->params, record, data, arena);
    if (wrong || le32_read(record->checksum) == 0) /* not known */
        return wrong;
    sha256d_once(digest, data.data, data.size);
    return memcmp(digest, record->checksum, sizeof record->checksum) == 0
               ? NULL
               : "the checksum is not that of metadata.bin";
}

static bool verify_record(void *context, size_t index, struct bytes bytes, int error,
                          struct arena *arena)
{
    struct verify *verify = context;
    const struct metadata_record *record = &verify->view->metadata.records[index];
    const char *wrong =
        error < 0 ? "the record cannot be read" : check_record(verify->view, record, bytes, arena);

    if (wrong) {
        pthread_mutex_lock(&verify->mutex);
        verify->list = xrealloc(verify->list, (verify->count + 1) * sizeof *verify->list);
        verify->list[verify->count++] = (struct damage){index, wrong};
        pthread_mutex_unlock(&verify->mutex);
    }
    return true;
}

static int by_index(const void *a, const void *b)
{
    size_t x = ((const struct damage *)a)->index, y = ((const struct damage *)b)->index;

    return (x > y) - (x < y);
}

static void put_row(struct answer *answer, uint64_t pos, const char *block, const char *what)
{
    answer_row(answer);
    answer_number(answer, "pos", (int64_t)pos);
    answer_string(answer, "block", "%s", block);
    answer_string(answer, "what", "%s", what);
    answer_row_end(answer);
}

static void say(struct answer *answer, const struct verify *verify)
{
    const struct view *view = verify->view;
    size_t damaged_count = verify->count;
    uint64_t tail_size = 0;

    for (size_t i = 0; i < view->trouble_count; i++)
        if (view->troubles[i].is_tail)
            tail_size = view->troubles[i].size;
        else
            damaged_count++;
    answer_number(answer, "blocks", (int64_t)view->metadata.count);
    answer_number(answer, "bytes", (int64_t)view->blocks_size);
    answer_number(answer, "without_parent", (int64_t)view->orphan_count);
    answer_number(answer, "unfinished_bytes", (int64_t)tail_size);
    answer_number(answer, "metadata_bad", (int64_t)view->metadata.bad_count);
    answer_number(answer, "damaged", (int64_t)damaged_count);
    answer_list(answer, "damage");
    for (size_t i = 0; i < verify->count; i++) {
        const struct metadata_record *record = &view->metadata.records[verify->list[i].index];
        char hex[65];

        hash_to_hex(hex, record->hash.bytes);
        put_row(answer, record->pos, hex, verify->list[i].what);
    }
    for (size_t i = 0; i < view->trouble_count; i++)
        if (!view->troubles[i].is_tail)
            put_row(answer, view->troubles[i].at, "-", view->troubles[i].text);
    answer_list_end(answer);
    answer->is_failed = damaged_count > 0;
}

void verify_all(struct session *session, struct answer *answer)
{
    const struct view *view = &session->view;
    struct verify verify = {.view = view};
    struct scan_item *items = xcalloc(view->metadata.count, sizeof *items);
    struct scan scan = {.view = view,
                        .items = items,
                        .count = view->metadata.count,
                        .thread_count = session->thread_count,
                        .verb = "verified",
                        .is_quiet = session->is_quiet,
                        .each = verify_record,
                        .context = &verify};

    for (size_t i = 0; i < scan.count; i++)
        items[i] =
            (struct scan_item){view->metadata.records[i].pos, view->metadata.records[i].size};
    pthread_mutex_init(&verify.mutex, NULL);
    int error = scan_run(&scan);
    pthread_mutex_destroy(&verify.mutex);
    if (verify.count > 0)
        qsort(verify.list, verify.count, sizeof *verify.list, by_index);
    if (error < 0)
        answer_fail(answer, BLOCKS_NAME ": %s", strerror(-error));
    else
        say(answer, &verify);
    free(verify.list);
    free(items);
}
