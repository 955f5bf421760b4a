/* convert-bootstrap on the simulated disk: cut off at every change, with writes lost and torn, and
 * run again. */
#include "base/arena.h"
#include "base/random.h"
#include "chain/params.h"
#include "convert-bootstrap/convert.h"
#include "convert-bootstrap/core.h"
#include "io/simdisk.h"
#include "shared_files.h"
#include "store/blocks.h"
#include <check.h>
#include <stdlib.h>

#define NAME         "blocks.dat"
#define RECORD_COUNT 23

struct data {
    uint8_t *bytes;
    size_t size;
};

static void push(struct data *data, const void *bytes, size_t size)
{
    data->bytes = xrealloc(data->bytes, data->size + size);
    memcpy(data->bytes + data->size, bytes, size);
    data->size += size;
}

static void push_record(struct data *data, const struct params *params, bool is_native,
                        const uint8_t *block, uint32_t size)
{
    uint8_t framing[RECORD_HEADER_SIZE];

    if (is_native)
        le64_write(framing, size);
    else
        record_header_write(framing, le32_read(params->magic), size);
    push(data, framing, sizeof framing);
    push(data, block, size);
}

/* Small records, so that many a framing lies across the border of two sectors. */
static struct data make_file(const struct params *params, bool is_native, uint64_t seed)
{
    struct data data = {NULL, 0};
    struct prng prng;

    prng_init(&prng, seed);
    for (int i = 0; i < RECORD_COUNT; i++) {
        uint8_t block[600];
        uint32_t size = BLOCK_SIZE_MIN + (uint32_t)prng_below(&prng, 500);

        /* every third ends 1 to 7 bytes before a border */
        if (i % 3 == 0)
            while ((data.size + RECORD_HEADER_SIZE + size) % 512 < 505)
                size = size < sizeof block ? size + 1 : BLOCK_SIZE_MIN;
        prng_fill(&prng, block, size);
        push_record(&data, params, is_native, block, size);
    }
    return data;
}

static struct bytes bytes_of(const struct data *data)
{
    return (struct bytes){data->bytes, data->size};
}

static void check_content(struct simdisk *sim, const char *name, const struct data *wanted)
{
    struct bytes got = simdisk_get(sim, name);

    ck_assert(bytes_equal(got, bytes_of(wanted)));
    free((void *)got.data);
}

static bool is_there(struct simdisk *sim, const char *name)
{
    struct bytes got = simdisk_get(sim, name);

    free((void *)got.data);
    return got.data != NULL;
}

static int run(struct simdisk *sim, const struct params *params, bool to_native, size_t batch_max,
               struct conversion *result, char text[CONVERT_TEXT_SIZE])
{
    struct disk *disk = simdisk_open(sim);

    *result = (struct conversion){.disk = disk,
                                  .name = NAME,
                                  .magic = le32_read(params->magic),
                                  .to_native = to_native,
                                  .batch_max = batch_max};
    int error = convert(result, text);
    disk_close(disk);
    return error;
}

struct fixture {
    struct params params;
    struct data bootstrap, native;
    struct simdisk *sim;
    struct conversion result;
    char text[CONVERT_TEXT_SIZE];
};

static void set_up(struct fixture *f, uint64_t seed)
{
    params_init(&f->params, NETWORK_REGTEST);
    f->bootstrap = make_file(&f->params, false, seed);
    f->native = make_file(&f->params, true, seed);
    f->sim = simdisk_new(seed);
    simdisk_put(f->sim, NAME, bytes_of(&f->bootstrap));
}

static void tear_down(struct fixture *f)
{
    free(f->bootstrap.bytes);
    free(f->native.bytes);
    simdisk_free(f->sim);
}

START_TEST(there_and_back)
{
    struct fixture f;

    set_up(&f, 1);
    ck_assert_int_eq(run(f.sim, &f.params, false, 0, &f.result, f.text), 0);
    ck_assert_uint_eq(f.result.changed_count, 0);
    ck_assert_uint_eq(f.result.record_count, RECORD_COUNT);
    for (size_t batch = 1; batch <= RECORD_COUNT + 1; batch++) {
        ck_assert_int_eq(run(f.sim, &f.params, true, batch, &f.result, f.text), 0);
        ck_assert_uint_eq(f.result.changed_count, RECORD_COUNT);
        ck_assert_uint_eq(f.result.record_count, RECORD_COUNT);
        ck_assert(!f.result.is_resumed);
        check_content(f.sim, NAME, &f.native);
        ck_assert_int_eq(run(f.sim, &f.params, false, batch, &f.result, f.text), 0);
        check_content(f.sim, NAME, &f.bootstrap);
        ck_assert(!is_there(f.sim, NAME JOURNAL_SUFFIX));
        ck_assert(!is_there(f.sim, NAME JOURNAL_SUFFIX ".new"));
    }
    tear_down(&f);
}
END_TEST

/* The second run is cut off as well, later or earlier. */
static int crash_and_resume(struct fixture *f, uint64_t change, uint64_t seed)
{
    set_up(f, change);
    simdisk_crash_at(f->sim, simdisk_changes(f->sim) + change);
    if (run(f->sim, &f->params, true, 5, &f->result, f->text) == 0)
        return 0;
    simdisk_reboot(f->sim, seed);
    simdisk_crash_at(f->sim, simdisk_changes(f->sim) + 1 + seed % (change + 1));
    if (run(f->sim, &f->params, true, 5, &f->result, f->text) < 0) {
        simdisk_reboot(f->sim, seed + 1);
        ck_assert_msg(run(f->sim, &f->params, true, 5, &f->result, f->text) == 0,
                      "change %lu, seed %lu: %s", (unsigned long)change, (unsigned long)seed,
                      f->text);
    }
    return 1;
}

START_TEST(cut_off_at_every_change_and_resumed)
{
    int is_cut = 1, resumed_count = 0;

    for (uint64_t change = 1; is_cut; change++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct fixture f;

            is_cut = crash_and_resume(&f, change, change * 100 + seed);
            resumed_count += is_cut && f.result.is_resumed;
            check_content(f.sim, NAME, &f.native);
            ck_assert(!is_there(f.sim, NAME JOURNAL_SUFFIX));
            ck_assert(is_cut || change > RECORD_COUNT); /* every write was a change */
            tear_down(&f);
        }
    ck_assert_int_gt(resumed_count, 100);
}
END_TEST

static void refused(struct fixture *f, const char *part, const struct data *unchanged)
{
    ck_assert_int_eq(run(f->sim, &f->params, true, 5, &f->result, f->text), -EILSEQ);
    ck_assert_msg(strstr(f->text, part) != NULL, "%s", f->text);
    check_content(f->sim, NAME, unchanged);
}

START_TEST(a_file_that_is_not_whole_is_not_touched)
{
    struct fixture f;
    uint8_t zeros[300] = {0};

    set_up(&f, 3);
    struct data cut = {f.bootstrap.bytes, f.bootstrap.size - 1};
    simdisk_put(f.sim, NAME, bytes_of(&cut));
    refused(&f, "goes beyond the end", &cut);
    simdisk_put(f.sim, NAME, bytes_of(&f.bootstrap));
    f.bootstrap.bytes[0] ^= 1;
    simdisk_put(f.sim, NAME, bytes_of(&f.bootstrap));
    refused(&f, "no record of a block begins here", &f.bootstrap);
    f.bootstrap.bytes[0] ^= 1;
    /* Space that a node reserved is no damage. */
    push(&f.bootstrap, zeros, sizeof zeros);
    push(&f.native, zeros, sizeof zeros);
    simdisk_put(f.sim, NAME, bytes_of(&f.bootstrap));
    ck_assert_int_eq(run(f.sim, &f.params, true, 5, &f.result, f.text), 0);
    check_content(f.sim, NAME, &f.native);
    tear_down(&f);
}
END_TEST

START_TEST(a_journal_must_be_whole_and_of_this_file)
{
    struct fixture f;
    struct data half, journal;

    set_up(&f, 4);
    simdisk_crash_at(f.sim, simdisk_changes(f.sim) + 20); /* behind a first batch */
    ck_assert_int_lt(run(f.sim, &f.params, true, 5, &f.result, f.text), 0);
    simdisk_reboot(f.sim, 4);
    struct bytes got = simdisk_get(f.sim, NAME);
    half = (struct data){(uint8_t *)got.data, got.size};
    got = simdisk_get(f.sim, NAME JOURNAL_SUFFIX);
    ck_assert_ptr_nonnull(got.data);
    journal = (struct data){(uint8_t *)got.data, got.size};

    for (size_t i = 0; i < journal.size; i++) {
        simdisk_flip(f.sim, NAME JOURNAL_SUFFIX, i, 0x10);
        refused(&f, "damaged, or of another file", &half);
        simdisk_flip(f.sim, NAME JOURNAL_SUFFIX, i, 0x10);
    }
    ck_assert_int_eq(run(f.sim, &f.params, false, 5, &f.result, f.text), -EALREADY);
    check_content(f.sim, NAME, &half);

    struct data other = make_file(&f.params, false, 5);
    simdisk_put(f.sim, NAME, bytes_of(&other));
    refused(&f, "damaged, or of another file", &other);
    simdisk_put(f.sim, NAME, bytes_of(&half));
    ck_assert_int_eq(run(f.sim, &f.params, true, 5, &f.result, f.text), 0);
    ck_assert(f.result.is_resumed);
    check_content(f.sim, NAME, &f.native);
    free(other.bytes);
    free(half.bytes);
    free(journal.bytes);
    tear_down(&f);
}
END_TEST

/* ---- the reference node's directory ---- */

#define BLOCK_COUNT 12

struct core {
    struct params params;
    struct simdisk *sim;
    struct data blocks[BLOCK_COUNT + 1]; /* [0] is the genesis block; 10 to 12 a fork from 7 */
};

static void make_blocks(struct core *core)
{
    struct prng prng;

    params_init(&core->params, NETWORK_REGTEST);
    prng_init(&prng, 9);
    push(&core->blocks[0], core->params.genesis_block, core->params.genesis_size);
    for (int i = 1; i <= BLOCK_COUNT; i++) {
        const struct data *parent = &core->blocks[i == 10 ? 7 : i - 1];
        uint8_t block[400];
        struct header header;

        prng_fill(&prng, block, sizeof block);
        memcpy(&header, parent->bytes, sizeof header);

        struct block_hash hash = header_hash(&header);
        memcpy(block + 4, &hash, sizeof hash);
        push(&core->blocks[i], block, 100 + prng_below(&prng, 300));
    }
}

static const uint8_t key[8] = {0x1f, 0, 0xee, 0x93, 0xfa, 0x55, 0x01, 0x80};

/* Puts the records of these blocks (-1: padding, -2: garbage with a magic, -3: an orphan) as a
 * file. */
static void put_file(struct core *core, const char *name, bool has_key, const int *what,
                     size_t count)
{
    struct data file = {NULL, 0};
    uint8_t other[1000] = {0};

    for (size_t i = 0; i < count; i++) {
        size_t start = file.size;

        if (what[i] >= 0) {
            const struct data *block = &core->blocks[what[i]];

            push_record(&file, &core->params, false, block->bytes, (uint32_t)block->size);
        } else if (what[i] == -1) {
            push(&file, other, sizeof other);
        } else if (what[i] == -2) {
            push(&file, "garbage", 7);
            push(&file, core->params.magic, 4);
            push(&file, "\xff\xff\xff\xff rest", 9);
        } else {
            memset(other, 0x77, 90);
            push_record(&file, &core->params, false, other, 90);
            memset(other, 0, 90);
        }
        for (size_t p = start; has_key && what[i] != -1 && p < file.size; p++)
            file.bytes[p] ^= key[p % sizeof key];
    }
    simdisk_put(core->sim, name, bytes_of(&file));
    free(file.bytes);
}

static void put_core(struct core *core, bool has_key)
{
    core->sim = simdisk_new(5);
    if (has_key)
        simdisk_put(core->sim, "xor.dat", (struct bytes){key, sizeof key});
    put_file(core, "blk00000.dat", has_key, (const int[]){0, 2, 1, 4, -1}, 5);
    put_file(core, "blk00001.dat", has_key, (const int[]){-1, 7, 10, -2, 3, 4, -3}, 7);
    put_file(core, "blk00010.dat", has_key, (const int[]){12, 11, 9, -1, 8}, 5);
    put_file(core, "blk00002.dat", has_key, (const int[]){6, 5}, 2);
    put_file(core, "rev00000.dat", has_key, (const int[]){1}, 1);
    put_file(core, "blk0000a.dat", has_key, (const int[]){-3}, 1);
}

static int run_core(struct core *core, struct core_copy *result, uint64_t sync_size, bool is_native,
                    bool is_file_order, char text[CORE_TEXT_SIZE])
{
    struct disk *source = simdisk_open(core->sim), *target = simdisk_open(core->sim);

    *result = (struct core_copy){.source = source,
                                 .target = target,
                                 .name = "out",
                                 .params = &core->params,
                                 .is_native = is_native,
                                 .is_file_order = is_file_order,
                                 .sync_size = sync_size};
    int error = core_copy(result, text);
    disk_close(source);
    disk_close(target);
    return error;
}

static struct data expected(const struct core *core, bool is_native, const int *order, size_t count)
{
    struct data file = {NULL, 0};

    for (size_t i = 0; i < count; i++)
        push_record(&file, &core->params, is_native, core->blocks[order[i]].bytes,
                    (uint32_t)core->blocks[order[i]].size);
    return file;
}

static const int chain_order[] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 8, 11, 9, 12};

static void check_order(const struct core *core, bool is_native, const int *order, size_t count)
{
    struct data wanted = expected(core, is_native, order, count);

    check_content(core->sim, "out", &wanted);
    free(wanted.bytes);
}

static void free_blocks(struct core *core)
{
    for (int i = 0; i <= BLOCK_COUNT; i++)
        free(core->blocks[i].bytes);
}

START_TEST(a_reference_directory_becomes_one_file)
{
    struct core core = {.sim = NULL};
    struct core_copy result;
    char text[CORE_TEXT_SIZE];

    make_blocks(&core);
    for (int has_key = 0; has_key <= 1; has_key++) {
        put_core(&core, has_key);
        ck_assert_msg(run_core(&core, &result, 1000, has_key, false, text) == 0, "%s", text);
        ck_assert_uint_eq(result.file_count, 4);
        ck_assert_uint_eq(result.block_count, BLOCK_COUNT + 1);
        ck_assert_uint_eq(result.double_count, 1);
        ck_assert_uint_eq(result.orphan_count, 1);
        /* "garbage", a magic that is none, 4 bytes of 255 and " rest" */
        ck_assert_uint_eq(result.skipped_size, 7 + 4 + 4 + 5);
        check_order(&core, has_key, chain_order, ARRAY_COUNT(chain_order));
        ck_assert_int_eq(run_core(&core, &result, 1000, false, false, text), -EEXIST);
        simdisk_free(core.sim);
    }
    free_blocks(&core);
}
END_TEST

START_TEST(file_order_is_as_the_blocks_come)
{
    static const int order[] = {0, 2, 1, 4, 7, 10, 3, 6, 5, 12, 11, 9, 8};
    struct core core = {.sim = NULL};
    struct core_copy result;
    char text[CORE_TEXT_SIZE];

    make_blocks(&core);
    core.sim = simdisk_new(6);
    put_file(&core, "blk00000.dat", false, (const int[]){0, 2, 1, 4, -1}, 5);
    put_file(&core, "blk00001.dat", false, (const int[]){7, 10, 3, 4}, 4);
    put_file(&core, "blk00002.dat", false, (const int[]){6, 5, 12, 11, 9, 8}, 6);
    ck_assert_int_eq(run_core(&core, &result, 1000, false, true, text), 0);
    check_order(&core, false, order, ARRAY_COUNT(order));
    simdisk_free(core.sim);
    free_blocks(&core);
}
END_TEST

START_TEST(a_copy_is_cut_off_at_every_change_and_resumed)
{
    struct core core = {.sim = NULL};
    struct core_copy result;
    char text[CORE_TEXT_SIZE];
    uint64_t kept_count = 0;
    int error = -1;

    make_blocks(&core);
    for (uint64_t change = 1; error != 0; change++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            put_core(&core, true);
            simdisk_crash_at(core.sim, simdisk_changes(core.sim) + change);
            error = run_core(&core, &result, 700, false, false, text);
            if (error < 0) {
                simdisk_reboot(core.sim, change * 100 + seed);

                int again = run_core(&core, &result, 700, false, false, text);
                /* The rename may have reached the disk before the power went. */
                ck_assert_msg(again == 0 || again == -EEXIST, "%s", text);
                kept_count += again == 0 ? result.kept_count : 0;
            }
            check_order(&core, false, chain_order, ARRAY_COUNT(chain_order));
            simdisk_free(core.sim);
            ck_assert_uint_lt(change, 1000);
        }
    ck_assert_uint_gt(kept_count, 10);
    free_blocks(&core);
}
END_TEST

START_TEST(what_is_no_reference_directory_is_refused)
{
    struct core core = {.sim = NULL};
    struct core_copy result;
    char text[CORE_TEXT_SIZE];

    make_blocks(&core);
    core.sim = simdisk_new(7);
    ck_assert_int_eq(run_core(&core, &result, 700, false, false, text), -ENOENT);
    simdisk_free(core.sim);
    put_core(&core, true);
    simdisk_put(core.sim, "xor.dat", (struct bytes){key, 7});
    ck_assert_int_eq(run_core(&core, &result, 700, false, false, text), -EILSEQ);
    ck_assert_ptr_nonnull(strstr(text, "xor.dat"));
    ck_assert(!is_there(core.sim, "out"));
    simdisk_free(core.sim);
    free_blocks(&core);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "convert", there_and_back, cut_off_at_every_change_and_resumed,
        a_file_that_is_not_whole_is_not_touched, a_journal_must_be_whole_and_of_this_file,
        a_reference_directory_becomes_one_file, file_order_is_as_the_blocks_come,
        a_copy_is_cut_off_at_every_change_and_resumed, what_is_no_reference_directory_is_refused);
}
