#include "chain_files.h"
#include "store_blocks.h"

/* The simulated disk with one file. */
struct scan_fixture {
    struct simdisk *sim;
    struct disk *disk;
    struct disk_file *file;
    struct scanner scanner;
};

static void scan_open(struct scan_fixture *fixture, struct bytes content, uint32_t magic)
{
    fixture->sim = simdisk_new(1);
    simdisk_put(fixture->sim, "f", content);
    simdisk_set_short(fixture->sim, true);
    fixture->disk = simdisk_open(fixture->sim);
    fixture->file = must_open(fixture->disk, "f", 0);
    scanner_init(&fixture->scanner, fixture->disk, fixture->file, magic, 0, content.size);
}

static void scan_close(struct scan_fixture *fixture)
{
    scanner_clear(&fixture->scanner);
    disk_close(fixture->disk);
    simdisk_free(fixture->sim);
}

/* Scans to the end or to trouble; count is that of the records before it. */
static enum scan_result scan_all(struct bytes content, bool headers_only, size_t *count,
                                 uint64_t *at)
{
    struct scan_fixture fixture;
    struct record record;
    enum scan_result result;

    scan_open(&fixture, content, TEST_MAGIC);
    *count = 0;
    while ((result = headers_only ? scanner_next_header(&fixture.scanner, &record)
                                  : scanner_next(&fixture.scanner, &record)) == SCAN_RECORD)
        (*count)++;
    *at = fixture.scanner.at;
    ck_assert(result != SCAN_END || *at == content.size);
    scan_close(&fixture);
    return result;
}

static void check_scan(const struct test_file *file, enum scan_result expected, size_t count,
                       uint64_t at)
{
    for (int headers_only = 0; headers_only < 2; headers_only++) {
        size_t got_count;
        uint64_t got_at;
        enum scan_result result =
            scan_all((struct bytes){file->data, file->size}, headers_only, &got_count, &got_at);

        ck_assert_int_eq(result, expected);
        ck_assert_uint_eq(got_count, count);
        ck_assert_uint_eq(got_at, at);
    }
}

/* Sizes from the least to the largest, both framings mixed. */
START_TEST(records_of_both_kinds_come_whole_and_in_order)
{
    static const uint32_t sizes[] = {81,   BLOCK_SIZE_MAX, 300, 90000, 5000000 - 1024 * 1024, 82,
                                     4096, 2000000,        81,  1500,  BLOCK_SIZE_MAX,        200};
    struct test_block blocks[ARRAY_COUNT(sizes)];
    struct test_file file = {NULL, 0};
    struct prng prng;

    prng_init(&prng, 3);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        blocks[i] = test_block_new(&prng, sizes[i]);
        test_file_add(&file, &blocks[i], i % 3 == 1);
    }
    for (int headers_only = 0; headers_only < 2; headers_only++) {
        struct scan_fixture fixture;
        struct record record;

        scan_open(&fixture, (struct bytes){file.data, file.size}, TEST_MAGIC);
        for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
            size_t size = headers_only ? HEADER_SIZE : sizes[i];

            ck_assert_int_eq(headers_only ? scanner_next_header(&fixture.scanner, &record)
                                          : scanner_next(&fixture.scanner, &record),
                             SCAN_RECORD);
            ck_assert_uint_eq(record.pos, blocks[i].pos);
            ck_assert_uint_eq(record.size, sizes[i]);
            ck_assert(record.is_native == (i % 3 == 1));
            ck_assert_uint_eq(record.data.size, size);
            ck_assert_mem_eq(record.data.data, blocks[i].data, size);
        }
        ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_END);
        fixture.scanner.at = blocks[4].pos - RECORD_HEADER_SIZE; /* back to one of them */
        ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_RECORD);
        ck_assert_mem_eq(record.data.data, blocks[4].data, sizes[4]);
        scan_close(&fixture);
    }
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        free(blocks[i].data);
    free(file.data);
}
END_TEST

/* Three records, of 8 + 81, 8 + 100 and 8 + 200 bytes. */
static struct test_file three_records(bool is_native)
{
    static const uint32_t sizes[3] = {81, 100, 200};
    struct test_file file = {NULL, 0};
    struct prng prng;

    prng_init(&prng, 4);
    for (int i = 0; i < 3; i++) {
        struct test_block block = test_block_new(&prng, sizes[i]);

        test_file_add(&file, &block, is_native);
        free(block.data);
    }
    return file;
}

START_TEST(a_truncated_file_says_where)
{
    for (int is_native = 0; is_native < 2; is_native++) {
        struct test_file whole = three_records(is_native);

        for (size_t size = 0; size <= whole.size; size++) {
            struct test_file file = {whole.data, size};
            size_t count = size < 89 ? 0 : size < 197 ? 1 : size < 405 ? 2 : 3;
            uint64_t at = count == 0 ? 0 : count == 1 ? 89 : count == 2 ? 197 : 405;

            check_scan(&file, size == at ? SCAN_END : SCAN_TRUNCATED, count, at);
        }
        free(whole.data);
    }
}
END_TEST

START_TEST(each_kind_of_trouble_has_its_name)
{
    static const struct {
        uint32_t first, second;
        enum scan_result result;
    } cases[] = {
        {TEST_MAGIC, 200, SCAN_RECORD},
        {TEST_MAGIC, 80, SCAN_BAD_SIZE},
        {TEST_MAGIC, 81, SCAN_NO_RECORD}, /* what follows it */
        {TEST_MAGIC, BLOCK_SIZE_MAX + 1, SCAN_BAD_SIZE},
        {TEST_MAGIC, BLOCK_SIZE_MAX, SCAN_TRUNCATED},
        {TEST_MAGIC, 201, SCAN_TRUNCATED},
        {TEST_MAGIC, UINT32_MAX, SCAN_BAD_SIZE},
        {TEST_MAGIC, 0, SCAN_BAD_SIZE},
        {0xd9b4bef9, 200, SCAN_WRONG_NETWORK}, /* mainnet */
        {0x0709110b, 200, SCAN_WRONG_NETWORK}, /* testnet3 */
        {0x283f161c, 200, SCAN_WRONG_NETWORK}, /* testnet4 */
        {0x40cf030a, 200, SCAN_WRONG_NETWORK}, /* signet */
        {TEST_MAGIC + 1, 200, SCAN_NO_RECORD},
        {200, 0, SCAN_RECORD},
        {200, 1, SCAN_NO_RECORD},
        {80, 0, SCAN_NO_RECORD},
        {BLOCK_SIZE_MAX, 0, SCAN_TRUNCATED},
        {BLOCK_SIZE_MAX + 1, 0, SCAN_NO_RECORD},
        {0, 0, SCAN_NO_RECORD},
        {0, 1, SCAN_NO_RECORD},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct test_file file = three_records(false);

        le32_write(file.data + 197, cases[i].first);
        le32_write(file.data + 201, cases[i].second);
        if (cases[i].result == SCAN_RECORD)
            check_scan(&file, SCAN_END, 3, 405);
        else if (cases[i].second == 81)
            check_scan(&file, SCAN_NO_RECORD, 3, 205 + 81);
        else
            check_scan(&file, cases[i].result, 2, 197);
        free(file.data);
    }
}
END_TEST

START_TEST(zeros_to_the_end_are_told_from_a_bad_record)
{
    for (size_t zeros = 1; zeros < 70000; zeros = zeros * 3 + 1) {
        struct test_file file = three_records(false);
        uint8_t *padding = xcalloc(1, zeros);

        test_file_append(&file, padding, zeros);
        check_scan(&file, SCAN_ZEROS, 3, 405);
        file.data[file.size - 1] = 1;
        check_scan(&file, zeros < RECORD_HEADER_SIZE ? SCAN_TRUNCATED : SCAN_NO_RECORD, 3, 405);
        free(padding);
        free(file.data);
    }
}
END_TEST

START_TEST(an_unreadable_file_is_an_error_with_its_place)
{
    struct test_file file = three_records(false);
    struct scan_fixture fixture;
    struct record record;
    char text[200];

    scan_open(&fixture, (struct bytes){file.data, file.size}, TEST_MAGIC);
    simdisk_set_short(fixture.sim, false);
    fixture.scanner.at = 89;
    simdisk_fail(fixture.sim, DISK_READ, 1, -EIO);
    ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_READ_ERROR);
    ck_assert_int_eq(fixture.scanner.error, -EIO);
    ck_assert_uint_eq(fixture.scanner.at, 89);
    scan_describe(text, sizeof text, SCAN_READ_ERROR, &fixture.scanner);
    ck_assert_str_eq(text, "at byte 89 of 405: Input/output error");
    ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_RECORD); /* it is read again */
    ck_assert_uint_eq(record.pos, 97);
    scan_describe(text, sizeof text, SCAN_TRUNCATED, &fixture.scanner);
    ck_assert_str_eq(text, "at byte 197 of 405: the record goes beyond the end of the file");
    scan_close(&fixture);
    free(file.data);
}
END_TEST

/* A file of noise gives no record but by an accident of 32 bits; every flipped bit of framing is
 * noticed. */
START_TEST(noise_and_flipped_bits_are_noticed)
{
    struct test_file noise = {xmalloc(100000), 100000};
    struct test_file file = three_records(false);
    struct prng prng;
    size_t count;
    uint64_t at;

    prng_init(&prng, 5);
    prng_fill(&prng, noise.data, noise.size);
    check_scan(&noise, SCAN_NO_RECORD, 0, 0);
    for (int bit = 0; bit < 64; bit++) {
        file.data[89 + bit / 8] ^= (uint8_t)(1 << bit % 8);

        enum scan_result result =
            scan_all((struct bytes){file.data, file.size}, false, &count, &at);

        ck_assert(result != SCAN_END && at >= 89);
        file.data[89 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    check_scan(&file, SCAN_END, 3, 405);
    free(noise.data);
    free(file.data);
}
END_TEST

START_TEST(real_files_are_read_whole)
{
    const char *folder = shared_folder("real_files_are_read_whole");

    for (size_t i = 0; folder != NULL && i < ARRAY_COUNT(chain_files); i++) {
        struct bytes content = shared_load(folder, chain_files[i].name);
        struct params params;
        struct scan_fixture fixture;
        struct record record;
        struct bytes block;

        params_init(&params, chain_files[i].network);
        scan_open(&fixture, content, le32_read(params.magic));

        struct cursor cursor = cursor_of(content);

        while (bootstrap_next(&cursor, &params, &block)) {
            ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_RECORD);
            ck_assert(bytes_equal(record.data, block));
            ck_assert_ptr_eq(content.data + record.pos, block.data);
        }
        ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_END);
        fixture.scanner.at = 0;
        fixture.scanner.magic = 0x12345678; /* as some other network would read it */
        ck_assert_int_eq(scanner_next(&fixture.scanner, &record), SCAN_WRONG_NETWORK);
        scan_close(&fixture);
        free((void *)content.data);
    }
}
END_TEST

/* Also where it stands across two of the reads. */
START_TEST(the_next_magic_is_found_wherever_it_is)
{
    static uint8_t data[(2 << 20) + 100];
    const uint64_t places[] = {0,
                               1,
                               500,
                               (1 << 20) - 4,
                               (1 << 20) - 3,
                               (1 << 20) - 1,
                               1 << 20,
                               (1 << 20) + 5,
                               (2 << 20) - 6,
                               sizeof data - 8};
    struct scan_fixture fixture;

    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        memset(data, 0xf9, sizeof data);
        le32_write(data + places[i], TEST_MAGIC);
        scan_open(&fixture, (struct bytes){data, sizeof data}, TEST_MAGIC);
        ck_assert(scanner_find_magic(&fixture.scanner));
        ck_assert_uint_eq(fixture.scanner.at, places[i]);
        fixture.scanner.at++;
        ck_assert(!scanner_find_magic(&fixture.scanner));
        scan_close(&fixture);
    }
    scan_open(&fixture, (struct bytes){data, 0}, TEST_MAGIC);
    ck_assert(!scanner_find_magic(&fixture.scanner));
    scan_close(&fixture);
}
END_TEST

int main(void)
{
    return SUITE_RUN(
        "blocks", records_of_both_kinds_come_whole_and_in_order, a_truncated_file_says_where,
        each_kind_of_trouble_has_its_name, zeros_to_the_end_are_told_from_a_bad_record,
        an_unreadable_file_is_an_error_with_its_place, noise_and_flipped_bits_are_noticed,
        the_next_magic_is_found_wherever_it_is, real_files_are_read_whole);
}
