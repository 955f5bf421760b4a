/* test_engine_damage.c - damaged files: those to import, metadata.bin, blocks.bin, what is in
 * ledger/, and the ledger lost besides. Never a wrong tip or coin; a clear line; the next start
 * works; with the blocks given again all is as it was. In turn the bytes of a file are damaged:
 * some of them, with CAESURE_NIGHT all, of long files every 7th. */
#include "base/random.h"
#include "block_maker.h"
#include "generated_chain.h"
#include "shared_files.h"
#include "store/blocks.h"
#include "store/metadata.h"
#include <signal.h>
#include <sys/stat.h>

#define HEIGHT 125

struct damage_rig {
    struct rig rig;
    struct simdisk *sim;
    char log[16384]; /* what the engine said since the last start */
};

static struct generated chain;
static char *wanted;       /* audit's answer */
static struct buffer file; /* the chain as a bootstrap.dat */
static size_t ends[GENERATED_MAX];
static size_t first_end; /* of the genesis record in blocks.bin */
static char where[128];  /* what was damaged last */

static const int fatal[] = {SIGABRT, SIGSEGV};
static struct sigaction handlers[ARRAY_COUNT(fatal)];

/* What an assertion of the engine cannot say. Back from here the program dies as it would have. */
static void say_where(int number)
{
    (void)number;
    for (size_t i = 0; i < ARRAY_COUNT(fatal); i++)
        sigaction(fatal[i], &handlers[i], NULL);
    if (write(STDERR_FILENO, where, strlen(where)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        _exit(1);
}

/* How far apart the damaged bytes of a file are, when there are to be about count by day. */
static uint64_t stride(uint64_t size, uint64_t count)
{
    if (getenv("CAESURE_NIGHT"))
        return size > 20000 ? 7 : 1;
    return size / count + 1;
}

static void keep_log(void *context, enum engine_log_level level, const char *line)
{
    struct rig *rig = context;
    struct damage_rig *damage =
        (struct damage_rig *)((char *)rig - offsetof(struct damage_rig, rig));
    size_t size = strlen(damage->log);

    rig_log(context, level, line);
    snprintf(damage->log + size, sizeof damage->log - size, "%s\n", line);
}

static void start(struct damage_rig *damage)
{
    damage->log[0] = 0;
    ck_assert_msg(rig_open(&damage->rig) == ENGINE_OK, "%s: %s", where, damage->rig.error);
    feed_idle(&damage->rig);
}

static void stop(struct damage_rig *damage)
{
    ck_assert_msg(rig_close(&damage->rig) == ENGINE_OK, "%s: %s", where, damage->rig.error);
}

static void damage_init(struct damage_rig *damage)
{
    memset(damage, 0, sizeof *damage);
    snprintf(where, sizeof where, "nothing");
    rig_init(&damage->rig, NETWORK_REGTEST);
    damage->rig.config.events.log = keep_log;
    damage->sim = rig_on_sim(&damage->rig, 1);
    start(damage);
}

static void damage_clear(struct damage_rig *damage)
{
    stop(damage);
    simdisk_free(damage->sim);
    rig_clear(&damage->rig);
}

/* What is known already counts as well. */
static void give_again(struct rig *rig)
{
    static struct fed fed[GENERATED_MAX];

    for (size_t i = 0; i < chain.count; i++)
        ck_assert_int_eq(feed_header(rig, chain.blocks[i]).verdict, VALID);
    for (size_t i = 0; i < chain.count; i++)
        feed_begin(rig, chain.blocks[i], true, NULL, &fed[i]);
    for (size_t i = 0; i < chain.count; i++) {
        feed_wait(&fed[i]);
        ck_assert_msg(fed[i].verdict == VALID || fed[i].verdict == DUPLICATE, "%s: block %zu: %s",
                      where, i, fed[i].reason);
    }
    feed_idle(rig);
}

static void expect_wanted(struct rig *rig)
{
    char *coins = rig_coins(rig);

    ck_assert_msg(strcmp(coins, wanted) == 0, "%s:\n%s, not\n%s", where, coins, wanted);
    free(coins);
}

/* The tip is one of the chain's own blocks, or the genesis block. Gives its height. */
static int expect_tip_of_chain(struct rig *rig)
{
    struct block_hash tip = tip_hash(rig);
    int height = tip_height(rig);

    ck_assert_int_le(height, HEIGHT);
    if (height > 0) {
        struct block_hash hash = block_hash_of(chain.blocks[height - 1]);
        ck_assert_msg(block_hash_equal(&tip, &hash), "%s: another tip", where);
    }
    return height;
}

static void prepare(void)
{
    struct damage_rig damage;

    if (wanted)
        return;
    damage_init(&damage);
    generated_init(&chain, &damage.rig.params, 11, HEIGHT, 100, 0, 0);
    give_again(&damage.rig);
    expect_tip(&damage.rig, &chain.tip, "whole");
    wanted = rig_coins(&damage.rig);
    first_end = RECORD_HEADER_SIZE + damage.rig.params.genesis_size;
    damage_clear(&damage);
    for (size_t i = 0; i < chain.count; i++) {
        buffer_put(&file, damage.rig.params.magic, 4);
        buffer_le32(&file, (uint32_t)chain.blocks[i].size);
        buffer_put(&file, chain.blocks[i].data, chain.blocks[i].size);
        ends[i] = file.size;
    }
}

static enum import_error import_bytes(struct rig *rig, const void *data, size_t size,
                                      struct import_result *result)
{
    char path[128];

    snprintf(path, sizeof path, "%s/file.dat", rig->directory);
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(data, 1, size, out), size);
    fclose(out);
    return rig_import(rig, path, result);
}

START_TEST(files_that_are_no_block_files)
{
    struct damage_rig damage;
    struct import_result result;
    uint8_t noise[5000];
    struct prng prng;
    char path[128];

    prepare();
    damage_init(&damage);
    struct rig *rig = &damage.rig;
    snprintf(path, sizeof path, "%s/nothing", rig->directory);
    ck_assert_int_eq(rig_import(rig, path, &result), IMPORT_UNREADABLE);
    ck_assert_msg(strstr(rig->error, "nothing: No such file"), "%s", rig->error);
    ck_assert_int_eq(rig_import(rig, rig->directory, &result), IMPORT_UNREADABLE);
    ck_assert_msg(strstr(rig->error, "irectory"), "%s", rig->error);
    ck_assert_int_eq(import_bytes(rig, "", 0, &result), IMPORT_NO_BLOCKS);
    ck_assert_msg(strstr(rig->error, "empty"), "%s", rig->error);
    prng_init(&prng, 5);
    for (int i = 0; i < 20; i++) {
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)prng_below(&prng, 256);
        ck_assert_int_eq(import_bytes(rig, noise, 1 + prng_below(&prng, sizeof noise), &result),
                         IMPORT_NO_BLOCKS);
        ck_assert_msg(strstr(rig->error, "byte 0"), "%s", rig->error);
    }
    memset(noise, 0, sizeof noise);
    ck_assert_int_eq(import_bytes(rig, noise, sizeof noise, &result), IMPORT_NO_BLOCKS);
    uint8_t *other = xmalloc(file.size);
    memcpy(other, file.data, file.size);
    memcpy(other, "\xf9\xbe\xb4\xd9", 4); /* mainnet's magic */
    ck_assert_int_eq(import_bytes(rig, other, file.size, &result), IMPORT_NO_BLOCKS);
    ck_assert_msg(strstr(rig->error, "network"), "%s", rig->error);
    free(other);
    /* Blocks that follow none we know. */
    ck_assert_int_eq(import_bytes(rig, file.data + ends[3], file.size - ends[3], &result),
                     IMPORT_NO_BLOCKS);
    ck_assert_int_eq(tip_height(rig), 0);
    ck_assert_int_eq(import_bytes(rig, file.data, file.size, &result), IMPORT_OK);
    expect_wanted(rig);
    damage_clear(&damage);
}
END_TEST

START_TEST(truncated_files)
{
    prepare();
    for (size_t size = 9; size < file.size; size = size * 3 / 2 + 11) {
        struct damage_rig damage;
        struct import_result result;
        size_t whole = 0;
        char byte[32];

        while (ends[whole] <= size)
            whole++;
        damage_init(&damage);
        snprintf(where, sizeof where, "cut at %zu", size);
        enum import_error error = import_bytes(&damage.rig, file.data, size, &result);
        ck_assert_msg(error == (whole ? IMPORT_DAMAGED : IMPORT_NO_BLOCKS), "%s: %d %s", where,
                      error, damage.rig.error);
        snprintf(byte, sizeof byte, "byte %zu", whole ? ends[whole - 1] : 0);
        ck_assert_msg(strstr(damage.rig.error, byte), "%s: %s, not %s", where, damage.rig.error,
                      byte);
        ck_assert_int_eq(tip_height(&damage.rig), (int)whole);
        ck_assert_int_eq(expect_tip_of_chain(&damage.rig), (int)whole);
        stop(&damage);
        start(&damage);
        ck_assert_int_eq(tip_height(&damage.rig), (int)whole);
        ck_assert_int_eq(import_bytes(&damage.rig, file.data, file.size, &result), IMPORT_OK);
        expect_wanted(&damage.rig);
        damage_clear(&damage);
    }
}
END_TEST

/* Version, time and nonce of some record's block: with another it may be as good. */
static bool is_free_field(struct bytes records, size_t at)
{
    size_t from = 0, size;

    while (from + 8 + (size = le32_read(records.data + from + 4)) <= at)
        from += 8 + size;
    size_t offset = at - (from + 8); /* huge in the framing */
    return offset < 4 || (offset >= 68 && offset < 72) || (offset >= 76 && offset < 80);
}

START_TEST(files_with_a_flipped_bit)
{
    struct prng prng;
    unsigned hurt = 0;

    prepare();
    prng_init(&prng, 9);
    uint8_t *copy = xmalloc(file.size);
    for (int i = 0; i < 60; i++) {
        struct damage_rig damage;
        struct import_result result;
        size_t at = i < 8 ? ends[i * 5] + (size_t)i
                          : prng_below(&prng, file.size); /* framing, then anything */
        while (is_free_field(buffer_bytes(&file), at))
            at++;
        uint8_t mask = (uint8_t)(1u << prng_below(&prng, 8));
        memcpy(copy, file.data, file.size);
        copy[at] ^= mask;
        damage_init(&damage);
        snprintf(where, sizeof where, "byte %zu ^ 0x%02x of a file to import", at, mask);
        enum import_error error = import_bytes(&damage.rig, copy, file.size, &result);
        int height = expect_tip_of_chain(&damage.rig);
        ck_assert_msg(height < HEIGHT, "%s: nothing was wrong", where);
        ck_assert_msg(error != IMPORT_OK || result.refused || result.unconnected, "%s: not told",
                      where);
        hurt += error != IMPORT_OK;
        ck_assert_int_eq(import_bytes(&damage.rig, file.data, file.size, &result), IMPORT_OK);
        expect_wanted(&damage.rig);
        damage_clear(&damage);
    }
    free(copy);
    ck_assert_uint_gt(hurt, 5);
}
END_TEST

START_TEST(damaged_metadata)
{
    struct damage_rig damage;
    struct prng prng;
    bool is_night = getenv("CAESURE_NIGHT") != NULL;
    int flips = is_night ? HEIGHT * 144 : 150;

    prepare();
    prng_init(&prng, 21);
    damage_init(&damage);
    give_again(&damage.rig);
    for (int i = 0; i < flips + 3; i++) {
        stop(&damage);
        struct bytes now = simdisk_get(damage.sim, "metadata.bin");
        ck_assert_uint_gt(now.size, 100 * 144);
        snprintf(where, sizeof where, "metadata %d of %zu bytes", i, now.size);
        if (i < flips) { /* each byte of a record, of some record */
            uint64_t at = prng_below(&prng, now.size / 144) * 144 + (uint64_t)i % 144;
            uint8_t mask = (uint8_t)(1u << prng_below(&prng, 8));
            at = is_night ? (uint64_t)i : at;
            snprintf(where, sizeof where, "metadata byte %llu of %zu ^ 0x%02x",
                     (unsigned long long)at, now.size, mask);
            ck_assert(simdisk_flip(damage.sim, "metadata.bin", at, mask));
        } else if (i < flips + 2)
            simdisk_put(damage.sim, "metadata.bin",
                        bytes_sub(now, 0, i == flips ? 0 : now.size / 2 + 7));
        else
            simdisk_put(damage.sim, "metadata.bin",
                        file.size > now.size ? bytes_sub(buffer_bytes(&file), 0, now.size)
                                             : buffer_bytes(&file));
        free((void *)now.data);
        start(&damage);
        if (i >= flips) /* a damaged record may be one that counted no more */
            ck_assert_msg(strstr(damage.log, ", 0 scanned") == NULL, "%s: %s", where, damage.log);
        expect_wanted(&damage.rig);
    }
    damage_clear(&damage);
}
END_TEST

/* A damaged byte before the last synced position: nothing is cut, the block counts as missing once
 * it is read, and is put back. True if a block was lost. */
static bool damage_block(uint64_t at, uint8_t mask, bool is_without_metadata)
{
    struct damage_rig damage;

    damage_init(&damage);
    give_again(&damage.rig);
    stop(&damage);
    struct bytes now = simdisk_get(damage.sim, "blocks.bin");
    while (is_without_metadata && is_free_field(now, at)) /* nothing says which it was */
        at++;
    snprintf(where, sizeof where, "block byte %llu ^ 0x%02x%s", (unsigned long long)at, mask,
             is_without_metadata ? " without metadata" : "");
    ck_assert(simdisk_flip(damage.sim, "blocks.bin", at, mask));
    /* With its ledger the engine reads the blocks behind the root only; without it all. */
    start(&damage);
    int before = expect_tip_of_chain(&damage.rig);
    if (before < HEIGHT)
        ck_assert_msg(before >= HEIGHT - 20 && strstr(damage.log, "damaged"), "%s: %s", where,
                      damage.log);
    stop(&damage);
    ck_assert(simdisk_flip(damage.sim, "ledger/key", 12, 1));
    if (is_without_metadata)
        simdisk_put(damage.sim, "metadata.bin", (struct bytes){NULL, 0});
    start(&damage);
    int height = expect_tip_of_chain(&damage.rig);
    if (height < HEIGHT)
        ck_assert_msg(strstr(damage.log, "damaged") || strstr(damage.log, "at byte"), "%s: %s",
                      where, damage.log);
    if (!is_without_metadata) {
        struct bytes after = simdisk_get(damage.sim, "blocks.bin");
        ck_assert_uint_eq(after.size, now.size);
        free((void *)after.data);
    }
    give_again(&damage.rig);
    expect_wanted(&damage.rig);
    stop(&damage);
    start(&damage);
    expect_wanted(&damage.rig);
    damage_clear(&damage);
    free((void *)now.data);
    return height < HEIGHT;
}

START_TEST(damaged_blocks)
{
    struct prng prng;
    unsigned lost = 0, count = 0;

    prepare();
    prng_init(&prng, 33);
    uint64_t step = getenv("CAESURE_NIGHT") ? 17 : file.size / 40 + 1;
    for (uint64_t from = 300; from + step < file.size; from += step, count++)
        lost += damage_block(from + prng_below(&prng, step), (uint8_t)(1u << prng_below(&prng, 8)),
                             count % 4 == 3);
    ck_assert_uint_gt(lost, count * 3 / 4);
}
END_TEST

/* Without metadata the end of the file is cut, and no place in what went may be kept. */
START_TEST(damaged_end)
{
    struct prng prng;

    prepare();
    prng_init(&prng, 34);
    uint64_t size = first_end + file.size;
    for (uint64_t at = first_end + ends[HEIGHT - 4]; at < size;
         at += getenv("CAESURE_NIGHT") ? 1 : 23)
        (void)damage_block(at, (uint8_t)(1u << prng_below(&prng, 8)), true);
}
END_TEST

/* Given again, and after another start. */
static void expect_wanted_again(struct damage_rig *damage)
{
    give_again(&damage->rig);
    expect_wanted(&damage->rig);
    stop(damage);
    start(damage);
    expect_wanted(&damage->rig);
}

static uint64_t record_at(struct bytes blocks, unsigned number)
{
    uint64_t at = 0;

    while (number-- > 0)
        at += RECORD_HEADER_SIZE + le32_read(blocks.data + at + 4);
    return at;
}

/* A whole chain, and the same without metadata.bin and with changed bytes of a record. Gives
 * blocks.bin as it was before. */
static struct bytes lose_metadata(struct damage_rig *damage, unsigned number, const uint64_t *bytes,
                                  size_t count, uint8_t mask)
{
    damage_init(damage);
    give_again(&damage->rig);
    stop(damage);
    struct bytes now = simdisk_get(damage->sim, BLOCKS_NAME);
    for (size_t i = 0; i < count; i++) {
        uint64_t at = record_at(now, number) + bytes[i];

        snprintf(where, sizeof where, "record %u, byte %llu ^ 0x%02x", number,
                 (unsigned long long)bytes[i], mask);
        ck_assert(simdisk_flip(damage->sim, BLOCKS_NAME, at, mask));
    }
    simdisk_put(damage->sim, METADATA_NAME, (struct bytes){NULL, 0});
    return now;
}

/* Nothing is lost: a block says by itself where it ends. */
START_TEST(damaged_framing)
{
    prepare();
    for (unsigned n = 1; n <= HEIGHT; n += (unsigned)stride(HEIGHT, 16))
        for (uint64_t byte = getenv("CAESURE_NIGHT") ? 0 : n % 8; byte < 8;
             byte += getenv("CAESURE_NIGHT") ? 1 : 8) {
            struct damage_rig damage;
            struct bytes now =
                lose_metadata(&damage, n, &byte, 1, (uint8_t)(1u << (n * 3 + byte) % 8));

            start(&damage);
            ck_assert_msg(strstr(damage.log, "it is written again"), "%s: %s", where, damage.log);
            expect_wanted(&damage.rig);
            struct bytes after = simdisk_get(damage.sim, BLOCKS_NAME);
            ck_assert_msg(after.size == now.size && memcmp(after.data, now.data, now.size) == 0,
                          "%s: blocks.bin is another", where);
            damage_clear(&damage);
            free((void *)now.data);
            free((void *)after.data);
        }
}
END_TEST

/* One with a damaged block behind its framing is passed over; with nothing whole behind it it is a
 * torn end. */
START_TEST(damaged_record)
{
    static const unsigned numbers[] = {1, HEIGHT / 2, HEIGHT - 1, HEIGHT};

    prepare();
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        struct damage_rig damage;
        const uint64_t bytes[] = {1, RECORD_HEADER_SIZE + 40}; /* the merkle root's */
        struct bytes now = lose_metadata(&damage, numbers[i], bytes, ARRAY_COUNT(bytes), 4);
        bool is_last = numbers[i] == HEIGHT;
        uint64_t at = record_at(now, numbers[i]);

        ck_assert(simdisk_flip(damage.sim, "ledger/key", 12, 1));
        start(&damage);
        ck_assert_msg(strstr(damage.log, is_last ? "blocks.bin: cut from" : "passed over"),
                      "%s: %s", where, damage.log);
        ck_assert_msg(strstr(damage.log, "0 blocks known, 125 scanned"), "%s: %s", where,
                      damage.log); /* the genesis block is one */
        ck_assert_int_lt(expect_tip_of_chain(&damage.rig), HEIGHT);
        struct bytes after = simdisk_get(damage.sim, BLOCKS_NAME);
        ck_assert_uint_eq(after.size, is_last ? at : now.size);
        free((void *)after.data);
        expect_wanted_again(&damage);
        damage_clear(&damage);
        free((void *)now.data);
    }
}
END_TEST

/* metadata.bin as if only the records of blocks between begin and end were left, and nothing
 * behind synced_end had been synced. */
static void thin_metadata(struct damage_rig *damage, uint64_t begin, uint64_t end,
                          uint64_t synced_end)
{
    uint32_t magic = le32_read(damage->rig.params.magic);
    struct bytes now = simdisk_get(damage->sim, METADATA_NAME);
    uint8_t *out = xmalloc(now.size);
    size_t size = 0;

    for (size_t at = 0; at < now.size; at += METADATA_RECORD_SIZE) {
        struct metadata_record record;

        ck_assert(metadata_record_parse(&record, now.data + at, magic));
        if (record.pos < begin || record_end(record.pos, record.size) > end)
            continue;
        record.synced_end = synced_end;
        metadata_record_write(out + size, &record, magic);
        size += METADATA_RECORD_SIZE;
    }
    simdisk_put(damage->sim, METADATA_NAME, (struct bytes){out, size});
    free((void *)now.data);
    free(out);
}

/* The record's size claims what is behind the last synced position. If its block is whole all is
 * mended; else the file is cut at that position, in the middle of the claim. */
static void damage_size(bool is_whole)
{
    struct damage_rig damage;
    uint8_t mask = 32;

    prepare();
    damage_init(&damage);
    for (size_t i = 0; i < chain.count; i++) /* so they stand in the file in order */
        ck_assert_int_eq(feed(&damage.rig, chain.blocks[i]).verdict, VALID);
    stop(&damage);
    struct bytes now = simdisk_get(damage.sim, BLOCKS_NAME);
    uint64_t end = first_end + ends[HEIGHT - 4]; /* of the last but three */
    uint32_t size = le32_read(now.data + end + 4);
    ck_assert_uint_eq(size, chain.blocks[HEIGHT - 3].size);
    while (size & mask)
        mask *= 2;
    snprintf(where, sizeof where, "a size of %u ^ %u", size, mask);
    thin_metadata(&damage, 0, end, record_end(record_pos(end), size));
    ck_assert(simdisk_flip(damage.sim, BLOCKS_NAME, end + 4, mask));
    if (!is_whole)
        ck_assert(simdisk_flip(damage.sim, BLOCKS_NAME, record_pos(end) + 40, 1));
    free((void *)now.data);
    start(&damage);
    ck_assert_int_eq(tip_height(&damage.rig), is_whole ? HEIGHT : HEIGHT - 3);
    expect_wanted_again(&damage);
    damage_clear(&damage);
}

START_TEST(a_damaged_size_leads_beyond_the_synced_end)
{
    damage_size(true);
    damage_size(false);
}
END_TEST

/* Its bytes are known; without any metadata the file is not known for ours. */
START_TEST(damaged_genesis)
{
    struct damage_rig damage;

    prepare();
    damage_init(&damage);
    give_again(&damage.rig);
    for (uint64_t at = 0, i = 0; at < first_end; at += stride(first_end, 20), i++) {
        stop(&damage);
        struct bytes now = simdisk_get(damage.sim, BLOCKS_NAME);
        snprintf(where, sizeof where, "genesis byte %llu%s", (unsigned long long)at,
                 i % 2 ? " without its metadata" : "");
        ck_assert(simdisk_flip(damage.sim, BLOCKS_NAME, at, 1));
        if (i % 2)
            thin_metadata(&damage, first_end, now.size, now.size);
        start(&damage);
        ck_assert_msg(strstr(damage.log, "genesis"), "%s: %s", where, damage.log);
        expect_wanted(&damage.rig);
        struct bytes after = simdisk_get(damage.sim, BLOCKS_NAME);
        ck_assert_msg(after.size == now.size && memcmp(after.data, now.data, now.size) == 0, "%s",
                      where);
        free((void *)now.data);
        free((void *)after.data);
    }
    stop(&damage);
    ck_assert(simdisk_flip(damage.sim, BLOCKS_NAME, 50, 1));
    struct bytes metadata = simdisk_get(damage.sim, METADATA_NAME);
    simdisk_put(damage.sim, METADATA_NAME, (struct bytes){NULL, 0});
    ck_assert_int_eq(rig_open(&damage.rig), ENGINE_DIRECTORY);
    ck_assert_msg(strstr(damage.rig.error, "does not begin"), "%s", damage.rig.error);
    simdisk_put(damage.sim, METADATA_NAME, metadata);
    free((void *)metadata.data);
    start(&damage);
    expect_wanted_again(&damage);
    damage_clear(&damage);
}
END_TEST

/* A record of metadata.bin that is whole, and wrong. */
START_TEST(metadata_has_another_block_where_genesis_is)
{
    struct damage_rig damage;
    struct metadata_record record;

    prepare();
    damage_init(&damage);
    give_again(&damage.rig);
    stop(&damage);
    uint32_t magic = le32_read(damage.rig.params.magic);
    thin_metadata(&damage, first_end, UINT64_MAX, first_end + file.size);
    struct bytes now = simdisk_get(damage.sim, METADATA_NAME);
    ck_assert(metadata_record_parse(&record, now.data, magic));
    record.pos = record_pos(0);
    record.size = BLOCK_SIZE_MIN;
    uint8_t *more = xmalloc(now.size + METADATA_RECORD_SIZE);
    metadata_record_write(more, &record, magic);
    memcpy(more + METADATA_RECORD_SIZE, now.data, now.size);
    simdisk_put(damage.sim, METADATA_NAME, (struct bytes){more, now.size + METADATA_RECORD_SIZE});
    free((void *)now.data);
    free(more);
    snprintf(where, sizeof where, "the first record of metadata.bin");
    start(&damage);
    expect_wanted_again(&damage);
    damage_clear(&damage);
}
END_TEST

struct newest {
    const char *prefix;
    unsigned long long number;
};

static void find_newest(void *context, const char *name)
{
    struct newest *newest = context;
    size_t size = strlen(newest->prefix);
    unsigned long long number =
        strncmp(name, newest->prefix, size) == 0 ? strtoull(name + size, NULL, 10) : 0;

    newest->number = number > newest->number ? number : newest->number;
}

/* The newest file in ledger/ whose name begins so. */
static void name_newest(struct simdisk *sim, const char *prefix, char name[64])
{
    struct newest newest = {.prefix = prefix};
    struct disk *disk = simdisk_open(sim);

    ck_assert_int_eq(disk_list(disk, "ledger", find_newest, &newest), 0);
    disk_close(disk);
    snprintf(name, 64, "ledger/%s%llu", prefix, newest.number);
}

/* Steps the root back over the newest undo words and forward again. */
static void step_back(struct damage_rig *damage)
{
    struct block_hash hash = block_hash_of(chain.blocks[HEIGHT - 26]);

    ask_hash(&damage->rig, "invalidate", &hash, "ok");
    feed_idle(&damage->rig);
    ck_assert_msg(tip_height(&damage->rig) == HEIGHT - 26, "%s: the tip is at %d", where,
                  tip_height(&damage->rig));
    ask_hash(&damage->rig, "reconsider", &hash, "ok");
    feed_idle(&damage->rig);
}

/* The newest file of its kind. */
static void damage_ledger_file(const char *prefix)
{
    struct damage_rig damage;
    char name[64];
    unsigned count = 0;
    uint64_t step = 1;

    damage_init(&damage);
    damage.rig.config.replay_ms_max = 1; /* checkpoints all the time */
    stop(&damage);
    start(&damage);
    give_again(&damage.rig);
    for (uint64_t at = 0;; at += step, count++) {
        expect_wanted(&damage.rig);
        stop(&damage);
        if (prefix[0] == 'k')
            snprintf(name, sizeof name, "ledger/key");
        else
            name_newest(damage.sim, prefix, name);
        struct bytes now = simdisk_get(damage.sim, name);
        if (at == 0)
            step = stride(now.size, 25);
        free((void *)now.data);
        if (at >= now.size)
            break;
        snprintf(where, sizeof where, "byte %llu of %s", (unsigned long long)at, name);
        ck_assert_msg(simdisk_flip(damage.sim, name, at, (uint8_t)(1u << at % 8)), "%s", where);
        start(&damage);
        expect_wanted(&damage.rig);
        if (prefix[0] == 'u')
            step_back(&damage);
    }
    start(&damage);
    damage_clear(&damage);
    ck_assert_msg(count >= 20, "%s: %u bytes damaged", name, count);
}

START_TEST(damaged_ledger_files)
{
    prepare();
    damage_ledger_file("key");
    damage_ledger_file("manifest.");
    damage_ledger_file("checkpoint.");
    damage_ledger_file("undo.");
}
END_TEST

int main(void)
{
    const struct sigaction action = {.sa_handler = say_where};

    for (size_t i = 0; i < ARRAY_COUNT(fatal); i++)
        sigaction(fatal[i], &action, &handlers[i]);
    int result = SUITE_RUN("engine_damage", files_that_are_no_block_files, truncated_files,
                           files_with_a_flipped_bit, damaged_metadata, damaged_blocks, damaged_end,
                           damaged_framing, damaged_record,
                           a_damaged_size_leads_beyond_the_synced_end, damaged_genesis,
                           metadata_has_another_block_where_genesis_is, damaged_ledger_files);

    generated_free(&chain);
    buffer_free(&file);
    free(wanted);
    return result;
}
