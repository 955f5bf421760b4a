/* blocks.h - the records of blocks.bin: their framing, and a scanner for any file of them.
 *
 * 1. A record is (magic le32, size le32, block) or, as the original Caesure wrote it, (size le64,
 *    block): its first four bytes are then a block's size and no network's magic. We write the
 * first.
 * 2. A position (`pos`) is the offset in the file of a block's first byte, behind the 8 bytes of
 *    framing; a TxOut's position is that plus its offset in the block. So 0 is nobody's position.
 * 3. Records follow each other without gaps. The first is the genesis block.
 * 4. The file only grows. It is cut only at start, behind the last synced position, at the first
 * record that is not whole. Before that position, or where nobody knows it (no metadata), it is not
 * cut while a whole record follows: damaged framing is written again, what cannot be made out is
 * passed over, a rotten block is written again in place. Thread: a scanner belongs to one; the rest
 * is pure. */
#ifndef STORE_BLOCKS_H
#define STORE_BLOCKS_H
#include "codec/block.h"
#include "io/disk.h"

#define BLOCKS_NAME        "blocks.bin"
#define RECORD_HEADER_SIZE 8
#define BLOCK_SIZE_MIN     81 /* a header and a transaction count */

void record_header_write(uint8_t out[RECORD_HEADER_SIZE], uint32_t magic, uint32_t size);

/* Where the next block's bytes go when end is the end of the records so far, and the end after it.
 */
static inline uint64_t record_pos(uint64_t end)
{
    return end + RECORD_HEADER_SIZE;
}
static inline uint64_t record_end(uint64_t pos, uint32_t size)
{
    return pos + size;
}

enum scan_result {
    SCAN_RECORD,
    SCAN_END,       /* the file ends behind a whole record (or is empty) */
    SCAN_ZEROS,     /* from here to the end are zeros only: space reserved, or lost in a crash */
    SCAN_TRUNCATED, /* the record goes beyond the end */
    SCAN_WRONG_NETWORK, /* the magic of another network */
    SCAN_NO_RECORD,     /* neither a magic nor a native size */
    SCAN_BAD_SIZE,      /* a magic, then no block's size */
    SCAN_READ_ERROR,    /* errno in scanner->error */
};

struct record {
    uint64_t pos;
    uint32_t size;
    bool is_native;
    struct bytes data; /* until the next call: the whole block, or of scanner_next_header the first
                          80 bytes */
};

struct scanner {
    /* Where the next record (or the trouble) begins; a caller may set it between calls. */
    uint64_t at;
    uint64_t end;
    int error;
    /* the scanner's: */
    struct disk *disk;
    struct disk_file *file;
    uint32_t magic;
    uint8_t *buffer;
    uint64_t buffer_pos;
    size_t buffer_size, read_size;
};

/* Records between start and end of file; magic is the network's first four bytes as le32. */
void scanner_init(struct scanner *scanner, struct disk *disk, struct disk_file *file,
                  uint32_t magic, uint64_t start, uint64_t end);
void scanner_clear(struct scanner *scanner);
/* Reads the file in order, 4 MB and a bit at a time. Anything but SCAN_RECORD leaves `at` where it
 * is. */
MUST_CHECK enum scan_result scanner_next(struct scanner *scanner, struct record *record);
/* The same, but skips over the blocks' transactions: reads little of a file of large blocks. */
MUST_CHECK enum scan_result scanner_next_header(struct scanner *scanner, struct record *record);

/* The size bytes at pos, or what there is before end, until the next call. False: scanner->error.
 */
MUST_CHECK bool scanner_peek(struct scanner *scanner, uint64_t pos, size_t size,
                             struct bytes *data);
/* Moves `at` on to the next place with the network's magic, where a record may begin; false:
 * there is none, or scanner->error. */
MUST_CHECK bool scanner_find_magic(struct scanner *scanner);

/* "at byte 1234: the record goes beyond the end of the file (of 1300 bytes)" */
void scan_describe(char *text, size_t text_size, enum scan_result result,
                   const struct scanner *scanner);
#endif
