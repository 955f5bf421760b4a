#include "io/simdisk.h"
#include "store/blocks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAGIC 0xd9b4bef9

/* Where the scan ends, and how; each record lies in the file, behind the one before. */
static enum scan_result scan(struct disk *disk, struct bytes content, bool headers_only,
                             uint64_t *at)
{
    struct disk_file *file;
    struct scanner scanner;
    struct record record;
    enum scan_result result;
    uint64_t end = 0;

    assert(disk_file_open(disk, &file, "f", 0) == 0);
    scanner_init(&scanner, disk, file, MAGIC, 0, content.size);
    while ((result = headers_only ? scanner_next_header(&scanner, &record)
                                  : scanner_next(&scanner, &record)) == SCAN_RECORD) {
        assert(record.pos == end + RECORD_HEADER_SIZE);
        end = record.pos + record.size;
        assert(end == scanner.at && end <= content.size);
        assert(record.data.size == (headers_only ? HEADER_SIZE : record.size));
        assert(memcmp(record.data.data, content.data + record.pos, record.data.size) == 0);
    }
    assert(result != SCAN_READ_ERROR && scanner.at == end);
    assert((result == SCAN_END) == (end == content.size));
    *at = end;
    scanner_clear(&scanner);
    disk_file_close(file);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct simdisk *sim = simdisk_new(1);
    struct disk *disk = simdisk_open(sim);
    struct bytes content = {data, size};
    uint64_t at, header_at;

    simdisk_put(sim, "f", content);

    enum scan_result result = scan(disk, content, false, &at);

    assert(scan(disk, content, true, &header_at) == result && header_at == at);
    disk_close(disk);
    simdisk_free(sim);
    return 0;
}
