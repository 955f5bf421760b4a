/* metadata.h - metadata.bin: what is known of each record of blocks.bin, so that a start need not
 * read that. Lost or damaged parts cost a scan of the blocks they covered and nothing else.
 *
 * 1. The file is a row of records of METADATA_RECORD_SIZE bytes, little endian:
 *      0 hash[32]  32 header[80]  112 pos u64  120 synced_end u64  128 size u32  132 checksum[4]
 *      136 mark u16  138 reason u16  140 crc32c u32
 *    The CRC covers a version number, the network's magic and bytes 0 to 139: another version's or
 *    network's file is one of damaged records.
 * 2. Records are appended; the last good one for a position counts. A record that fails its CRC,
 * whose hash is not its header's, whose size no block has, or that points beyond its synced_end or
 * beyond the end of blocks.bin counts for nothing.
 * 3. A record is written only after its block was synced (writer.h), so what it says was on the
 * disk. The last synced position is the largest synced_end of all good records.
 * 4. What no record covers is a gap: before the last synced position it is scanned to get the
 * records again; behind it it is checked whole and cut at the first bad record (blocks.h, rule 4).
 * 5. At start the file is written new without superfluous and bad records: metadata.new, fdatasync,
 *    rename, directory sync. A crash leaves the old or the new one, and metadata.new never counts.
 * Thread: start-up's, with its own disk; parse and write are pure. */
#ifndef STORE_METADATA_H
#define STORE_METADATA_H
#include "codec/header.h"
#include "io/disk.h"

#define METADATA_NAME        "metadata.bin"
#define METADATA_RECORD_SIZE 144

enum block_mark {
    MARK_NONE,
    MARK_VALID,
    MARK_INVALID,
    MARK_ASSUMED, /* valid, its scripts were assumed to be */
    MARK_COUNT
};

struct metadata_record {
    struct block_hash hash;
    struct header header;
    uint64_t pos; /* of the block's first byte in blocks.bin */
    uint64_t synced_end;
    uint32_t size;
    uint8_t checksum[4]; /* of the v1 message that brought the block: sha256d's first bytes; or 0 */
    uint16_t mark;       /* enum block_mark */
    uint16_t reason;     /* of MARK_INVALID: the pipeline's business */
    uint32_t order;      /* metadata.c's: the last for a position counts */
};

void metadata_record_write(uint8_t out[METADATA_RECORD_SIZE], const struct metadata_record *record,
                           uint32_t magic);
/* False for what counts for nothing (rule 2, but for the size of blocks.bin). */
MUST_CHECK bool metadata_record_parse(struct metadata_record *record,
                                      const uint8_t data[METADATA_RECORD_SIZE], uint32_t magic);

struct metadata {
    struct metadata_record
        *records; /* by position, no two overlap; behind sorted_count those added */
    size_t count, sorted_count, capacity;
    uint64_t synced_end; /* rule 3; not beyond blocks_size */
    uint64_t file_size;  /* of metadata.bin */
    uint64_t bad_count;  /* records that count for nothing */
    uint64_t old_count;  /* superfluous ones: a later one has their position */
    bool is_stale;       /* the file is to be written new */
};

/* Reads metadata.bin; a missing file is an empty one. 0 or -errno. */
MUST_CHECK int metadata_load(struct metadata *metadata, struct disk *disk, uint32_t magic,
                             uint64_t blocks_size);
void metadata_clear(struct metadata *metadata);

/* Whether the headers of the first, the last and some 60 records between stand in blocks at their
 * positions, but for one that may be rotten: 0, -ESTALE (somebody put another blocks.bin in place:
 * metadata_forget, and nothing of it counts as synced), or what the reads gave. */
MUST_CHECK int metadata_check(const struct metadata *metadata, struct disk *disk,
                              struct disk_file *blocks);
void metadata_forget(struct metadata *metadata);

/* The first part of blocks.bin at or behind from, before end, that no record of the file covers:
 * false if there is none. Begin with from = 0, go on with from = *gap_end. */
bool metadata_next_gap(const struct metadata *metadata, uint64_t from, uint64_t end,
                       uint64_t *gap_start, uint64_t *gap_end);
/* Adds a record (copied) that the scan of a gap found. */
void metadata_add(struct metadata *metadata, const struct metadata_record *record);
/* Brings what was added into order. */
void metadata_settle(struct metadata *metadata);

/* Writes the file new if it is stale, rule 5; then opens it for appending at *end. 0 or -errno. */
MUST_CHECK int metadata_open(struct metadata *metadata, struct disk *disk, uint32_t magic,
                             struct disk_file **file, uint64_t *end);
#endif
