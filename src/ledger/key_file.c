#include "base/crc32c.h"
#include "ledger/checkpoint_names.h"

/* 1 was the key of SipHash-2-4: tags, and with them checks in undo words, were others. */
#define MAGIC    "CAESKEY2"
#define OLD      "CAESKEY1"
#define SIZE     (8 + LEDGER_KEY_SIZE + 4)
#define NAME     CHECKPOINT_DIR "/key"
#define NEW_NAME NAME ".new"

void checkpoint_key_hash(uint8_t out[32], const uint8_t key[LEDGER_KEY_SIZE])
{
    struct sha256 ctx;

    sha256_init_tagged(&ctx, "caesure/ledger/key");
    sha256_update(&ctx, key, LEDGER_KEY_SIZE);
    sha256_final(&ctx, out);
}

int checkpoint_key_load(struct disk *disk, uint8_t key[LEDGER_KEY_SIZE])
{
    uint8_t data[SIZE];
    struct disk_file *file;
    uint64_t size;
    int rc = disk_file_open(disk, &file, NAME, 0);

    if (rc != 0)
        return rc;
    rc = disk_file_size(file, &size);
    if (rc == 0 && size != SIZE)
        rc = -EILSEQ;
    if (rc == 0)
        rc = disk_read_sync(disk, file, data, SIZE, 0);
    disk_file_close(file);
    if (rc != 0)
        return rc == -ENODATA ? -EILSEQ : rc;
    if (crc32c(0, data, SIZE - 4) != le32_read(data + SIZE - 4))
        return -EILSEQ;
    if (memcmp(data, MAGIC, 8) != 0)
        return memcmp(data, OLD, 8) == 0 ? -ENOENT : -EILSEQ;
    memcpy(key, data + 8, LEDGER_KEY_SIZE);
    return 0;
}

int checkpoint_key_save(struct disk *disk, const uint8_t key[LEDGER_KEY_SIZE])
{
    uint8_t data[SIZE] = MAGIC;
    struct disk_file *file;
    int rc = disk_make_dir(disk, CHECKPOINT_DIR);

    memcpy(data + 8, key, LEDGER_KEY_SIZE);
    le32_write(data + SIZE - 4, crc32c(0, data, SIZE - 4));
    if (rc == 0)
        rc = disk_sync_dir(disk, ".");
    if (rc == 0)
        rc = disk_file_open(disk, &file, NEW_NAME,
                            DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_TRUNCATE |
                                DISK_OPEN_PRIVATE);
    if (rc != 0)
        return rc;
    rc = disk_write_sync(disk, file, data, SIZE, 0);
    if (rc == 0)
        rc = disk_sync(disk, file);
    disk_file_close(file);
    if (rc == 0)
        rc = disk_rename(disk, NEW_NAME, NAME);
    if (rc == 0)
        rc = disk_sync_dir(disk, CHECKPOINT_DIR);
    return rc;
}
