/* Checkpoints on the simulated disk: what is saved comes back, and what is damaged, half written or
 * of another ledger does not. */
#include "base/crc32c.h"
#include "io/simdisk.h"
#include "ledger/checkpoint.h"
#include "ledger_model.h"
#include <stdatomic.h>

#define NETWORK   0xdab5bffau
#define CHAIN_MAX 64

/* A chain of folded blocks. */
struct chain {
    struct sim sim;
    struct ledger *ledger;
    struct sim_block *blocks[CHAIN_MAX]; /* by height */
    uint32_t count;
    bool with_threads; /* those that fresh makes load with several */
};

static struct sim_block *tip_of(const struct chain *chain)
{
    return chain->blocks[chain->count - 1];
}

static void extend(struct chain *chain, uint32_t count)
{
    while (count > 0) {
        struct sim_block *b = sim_block_new(&chain->sim, tip_of(chain), 0);

        if (!sim_connect(&chain->sim, chain->ledger, b)) {
            sim_block_free(b);
            continue;
        }
        sim_fold(&chain->sim, chain->ledger, &b, 1);
        chain->blocks[chain->count++] = b;
        count--;
    }
}

static struct chain *chain_new(unsigned tag_bits, uint32_t shard_count)
{
    struct chain *chain = xcalloc(1, sizeof *chain);

    sim_init(&chain->sim, env_number("CAESURE_SEED", 5), tag_bits, shard_count);
    struct ledger_config config = sim_config(&chain->sim, 8, 1);
    chain->blocks[chain->count++] = sim_genesis();
    chain->ledger = ledger_new(&config, &chain->blocks[0]->node);
    chain->blocks[0]->world = ledger_root(chain->ledger);
    return chain;
}

static void chain_free(struct chain *chain)
{
    for (uint32_t i = 0; i < chain->count; i++)
        sim_block_free(chain->blocks[i]);
    ledger_free(chain->ledger);
    sim_clear(&chain->sim);
    free(chain);
}

static struct header_node *node_of(void *ctx, int32_t height, const struct block_hash *hash)
{
    const struct chain *chain = ctx;

    if ((uint32_t)height >= chain->count)
        return NULL;
    struct header_node *node = &chain->blocks[height]->node;
    return block_hash_equal(&node->hash, hash) ? node : NULL;
}

static struct ledger *fresh(struct chain *chain)
{
    struct ledger_config config = sim_config(&chain->sim, 8, 1);

    config.run_parts = chain->with_threads ? sim_run_parts : NULL;
    return ledger_new(&config, &chain->blocks[0]->node);
}

static struct checkpoint_choice choice_of(struct chain *chain)
{
    return (struct checkpoint_choice){
        .network = NETWORK, .below = UINT64_MAX, .node_of = node_of, .ctx = chain};
}

static int save(struct simdisk *simdisk, struct chain *chain, uint64_t *sequence)
{
    struct disk *disk = simdisk_open(simdisk);
    int rc = checkpoint_save(disk, chain->ledger, NETWORK, sequence);

    disk_close(disk);
    return rc;
}

/* The height at which the ledger came back, its coins checked; -1 if none did. */
static int32_t load_checked(struct simdisk *simdisk, struct chain *chain,
                            struct checkpoint_loaded *loaded)
{
    struct disk *disk = simdisk_open(simdisk);
    struct ledger *ledger = fresh(chain);
    struct checkpoint_choice choice = choice_of(chain);
    int rc = checkpoint_load(disk, ledger, &choice, loaded);
    int32_t height = -1;

    if (rc == 0) {
        struct header_node *node = world_node(ledger_root(ledger));
        height = node->height;
        ck_assert_ptr_eq(ledger_top(ledger), node);
        sim_check_set(&chain->sim, ledger, ledger_root(ledger), &chain->blocks[height]->after);
    } else {
        ck_assert_int_eq(rc, -ENOENT);
        ck_assert_uint_eq(ledger_stats(ledger).root_coins, 0);
        ck_assert_int_eq(world_node(ledger_root(ledger))->height, 0);
    }
    ledger_free(ledger);
    disk_close(disk);
    return height;
}

static struct simdisk *disk_with_key(const struct chain *chain)
{
    struct simdisk *simdisk = simdisk_new(1);
    struct disk *disk = simdisk_open(simdisk);

    ck_assert_int_eq(checkpoint_key_save(disk, chain->sim.key.bytes), 0);
    disk_close(disk);
    return simdisk;
}

struct names {
    uint32_t manifests, checkpoints, others;
};

static void count_name(void *ctx, const char *name)
{
    struct names *names = ctx;

    if (strncmp(name, "manifest.", 9) == 0)
        names->manifests++;
    else if (strncmp(name, "checkpoint.", 11) == 0)
        names->checkpoints++;
    else
        names->others++;
}

static struct names names_in(struct simdisk *simdisk)
{
    struct names names = {0};
    struct disk *disk = simdisk_open(simdisk);

    ck_assert_int_eq(disk_list(disk, CHECKPOINT_DIR, count_name, &names), 0);
    disk_close(disk);
    return names;
}

static const char *file_name(const char *kind, uint64_t sequence)
{
    static char name[64];

    snprintf(name, sizeof name, CHECKPOINT_DIR "/%s.%llu", kind, (unsigned long long)sequence);
    return name;
}

static void round_trip(unsigned tag_bits, uint32_t shard_count)
{
    struct chain *chain = chain_new(tag_bits, shard_count);
    struct simdisk *simdisk = disk_with_key(chain);
    struct checkpoint_loaded loaded;
    uint64_t sequence = 0;

    ck_assert_int_eq(load_checked(simdisk, chain, &loaded), -1);
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
        ck_assert_uint_eq(sequence, i + 1);
        ck_assert_int_eq(load_checked(simdisk, chain, &loaded), (int32_t)(i * 10));
        ck_assert_uint_eq(loaded.sequence, sequence);
        ck_assert_uint_eq(loaded.refused_count, 0);
        struct names names = names_in(simdisk);
        ck_assert_uint_eq(names.manifests, i ? 2 : 1);
        ck_assert_uint_eq(names.checkpoints, i ? 2 : 1);
        ck_assert_uint_eq(names.others, 1); /* the key */
        extend(chain, 10);
    }
    if (tag_bits == 12)
        ck_assert_uint_gt(ledger_stats(chain->ledger).side_coins, 0);
    simdisk_free(simdisk);
    chain_free(chain);
}

START_TEST(a_saved_ledger_comes_back_and_two_are_kept)
{
    round_trip(12, 2);
    round_trip(64, 512);
}
END_TEST

START_TEST(every_damaged_byte_is_refused_and_the_older_one_counts)
{
    struct chain *chain = chain_new(12, 4);
    struct simdisk *simdisk = disk_with_key(chain);
    struct checkpoint_loaded loaded;
    uint64_t sequence = 0;

    extend(chain, 15);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    extend(chain, 15);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    for (uint64_t i = 0; simdisk_flip(simdisk, file_name("manifest", 2), i, (uint8_t)(1 << i % 8));
         i++) {
        ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 15);
        ck_assert_uint_eq(loaded.refused_count, 1);
        simdisk_flip(simdisk, file_name("manifest", 2), i, (uint8_t)(1 << i % 8));
    }
    for (uint64_t i = 0;
         simdisk_flip(simdisk, file_name("checkpoint", 2), i, (uint8_t)(1 << i % 8)); i += 7) {
        ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 15);
        simdisk_flip(simdisk, file_name("checkpoint", 2), i, (uint8_t)(1 << i % 8));
    }
    ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 30);

    /* both damaged: the coin set has to be made again */
    ck_assert(simdisk_flip(simdisk, file_name("manifest", 2), 9, 1));
    ck_assert(simdisk_flip(simdisk, file_name("checkpoint", 1), 9, 1));
    ck_assert_int_eq(load_checked(simdisk, chain, &loaded), -1);
    ck_assert_uint_eq(loaded.refused_count, 2);

    /* the next one keeps the newer besides itself only if that is whole */
    sequence = 0;
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    ck_assert_uint_eq(sequence, 3);
    ck_assert_uint_eq(names_in(simdisk).manifests, 1);
    ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 30);
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

START_TEST(short_and_long_files_are_refused)
{
    static const char *const kinds[] = {"manifest", "checkpoint"};
    struct chain *chain = chain_new(12, 4);
    struct simdisk *simdisk = disk_with_key(chain);
    struct checkpoint_loaded loaded;
    uint64_t sequence = 0;

    extend(chain, 15);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    for (int kind = 0; kind < 2; kind++) {
        struct bytes content = simdisk_get(simdisk, file_name(kinds[kind], 1));
        uint8_t *longer = xcalloc(1, content.size + 16);

        memcpy(longer, content.data, content.size);
        for (size_t cut = 1; cut <= content.size; cut += 1 + content.size / 50) {
            simdisk_put(simdisk, file_name(kinds[kind], 1),
                        (struct bytes){longer, content.size - cut});
            ck_assert_int_eq(load_checked(simdisk, chain, &loaded), -1);
        }
        simdisk_put(simdisk, file_name(kinds[kind], 1), (struct bytes){longer, content.size + 16});
        ck_assert_int_eq(load_checked(simdisk, chain, &loaded), -1);
        simdisk_put(simdisk, file_name(kinds[kind], 1), content);
        ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 15);
        free(longer);
        free((void *)content.data);
    }
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

START_TEST(a_crash_after_any_change_leaves_the_old_or_the_new)
{
    struct chain *chain = chain_new(12, 4);
    uint32_t old_count = 0, new_count = 0;
    bool is_over = false;

    extend(chain, 12);
    for (uint64_t change = 1; !is_over; change++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct simdisk *simdisk = disk_with_key(chain);
            struct checkpoint_loaded loaded;
            uint64_t sequence = 0;
            uint32_t before = chain->count - 1;

            ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
            ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
            simdisk_crash_at(simdisk, simdisk_changes(simdisk) + change);
            int rc = save(simdisk, chain, &sequence);
            is_over = !simdisk_has_crashed(simdisk);
            ck_assert(is_over ? rc == 0 : rc != 0 || sequence == 3);
            simdisk_reboot(simdisk, seed);

            ck_assert_int_eq(load_checked(simdisk, chain, &loaded), (int32_t)before);
            ck_assert_uint_eq(loaded.refused_count, 0);
            ck_assert(loaded.sequence == 2 || loaded.sequence == 3);
            if (rc == 0)
                ck_assert_uint_eq(loaded.sequence, 3);
            *(loaded.sequence == 2 ? &old_count : &new_count) += 1;

            /* and it goes on from there */
            sequence = loaded.sequence;
            ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
            ck_assert_int_eq(load_checked(simdisk, chain, &loaded), (int32_t)before);
            ck_assert_uint_eq(loaded.sequence, sequence);
            ck_assert_uint_eq(names_in(simdisk).manifests, 2);
            ck_assert_uint_eq(names_in(simdisk).checkpoints, 2);
            simdisk_free(simdisk);
        }
    }
    ck_assert_uint_gt(old_count, 10);
    ck_assert_uint_gt(new_count, 5);
    chain_free(chain);
}
END_TEST

START_TEST(a_failing_disk_costs_only_the_new_one)
{
    static const enum disk_kind kinds[] = {DISK_WRITE, DISK_SYNC, DISK_RENAME, DISK_SYNC_DIR};
    struct chain *chain = chain_new(12, 4);

    extend(chain, 12);
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        for (uint64_t nth = 1;; nth++) {
            struct simdisk *simdisk = disk_with_key(chain);
            struct checkpoint_loaded loaded;
            uint64_t sequence = 0;

            ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
            simdisk_fail(simdisk, kinds[k], nth, nth % 2 ? -EIO : -ENOSPC);
            int rc = save(simdisk, chain, &sequence);
            simdisk_reboot(simdisk, nth);
            ck_assert_int_eq(load_checked(simdisk, chain, &loaded), (int32_t)chain->count - 1);
            if (rc == 0) {
                ck_assert_uint_gt(nth, kinds[k] == DISK_WRITE ? 4 : 1);
                ck_assert_uint_eq(loaded.sequence, 2);
                simdisk_free(simdisk);
                break;
            }
            ck_assert_uint_ge(loaded.sequence, 1);
            simdisk_free(simdisk);
        }
    }
    chain_free(chain);
}
END_TEST

START_TEST(a_key_that_is_not_whole_is_refused)
{
    struct chain *chain = chain_new(64, 4);
    struct simdisk *simdisk = simdisk_new(1);
    struct disk *disk = simdisk_open(simdisk);
    uint8_t key[LEDGER_KEY_SIZE];

    ck_assert_int_eq(checkpoint_key_load(disk, key), -ENOENT);
    ck_assert_int_eq(checkpoint_key_save(disk, chain->sim.key.bytes), 0);
    ck_assert_int_eq(checkpoint_key_load(disk, key), 0);
    ck_assert_mem_eq(key, chain->sim.key.bytes, sizeof key);
    for (uint64_t i = 0; simdisk_flip(simdisk, CHECKPOINT_DIR "/key", i, 0x40); i++) {
        ck_assert_int_eq(checkpoint_key_load(disk, key), -EILSEQ);
        simdisk_flip(simdisk, CHECKPOINT_DIR "/key", i, 0x40);
    }
    ck_assert_int_eq(checkpoint_key_load(disk, key), 0);
    disk_close(disk);
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

/* Of another function, so that nothing of that time is believed: not the undo words either. */
START_TEST(a_key_of_an_older_version_is_none)
{
    struct simdisk *simdisk = simdisk_new(1);
    struct disk *disk = simdisk_open(simdisk);
    uint8_t key[LEDGER_KEY_SIZE] = {7}, data[8 + LEDGER_KEY_SIZE + 4];
    struct disk_file *file;

    ck_assert_int_eq(checkpoint_key_save(disk, key), 0);
    ck_assert_int_eq(disk_file_open(disk, &file, CHECKPOINT_DIR "/key", DISK_OPEN_WRITE), 0);
    for (char version = '0'; version <= '3'; version++) {
        ck_assert_int_eq(disk_read_sync(disk, file, data, sizeof data, 0), 0);
        data[7] = (uint8_t)version;
        le32_write(data + sizeof data - 4, crc32c(0, data, sizeof data - 4));
        ck_assert_int_eq(disk_write_sync(disk, file, data, sizeof data, 0), 0);
        ck_assert_int_eq(checkpoint_key_load(disk, key), version == '1'   ? -ENOENT
                                                         : version == '2' ? 0
                                                                          : -EILSEQ);
    }
    disk_file_close(file);
    disk_close(disk);
    simdisk_free(simdisk);
}
END_TEST

START_TEST(another_ledgers_checkpoint_is_refused)
{
    struct chain *chain = chain_new(64, 4);
    struct simdisk *simdisk = disk_with_key(chain);
    struct disk *disk = simdisk_open(simdisk);
    struct checkpoint_loaded loaded;
    uint64_t sequence = 0;

    extend(chain, 5);
    ck_assert_uint_eq(checkpoint_coin_count(disk), 0);
    ck_assert_int_eq(checkpoint_save(disk, chain->ledger, NETWORK, &sequence), 0);
    ck_assert_uint_gt(checkpoint_coin_count(disk), 0);
    ck_assert_uint_eq(checkpoint_coin_count(disk), ledger_stats(chain->ledger).root_coins);

    struct ledger *ledger = fresh(chain);
    struct checkpoint_choice choice = choice_of(chain);
    choice.network++;
    ck_assert_int_eq(checkpoint_load(disk, ledger, &choice, &loaded), -ENOENT);
    ck_assert_ptr_nonnull(strstr(loaded.refused, "another network"));
    choice.network--;
    chain->count--; /* the newest block is not known */
    ck_assert_int_eq(checkpoint_load(disk, ledger, &choice, &loaded), -ENOENT);
    ck_assert_ptr_nonnull(strstr(loaded.refused, "not among those stored"));
    chain->count++;
    ledger_free(ledger);

    struct ledger_config config = sim_config(&chain->sim, 8, 1);
    uint8_t key[LEDGER_KEY_SIZE] = {1};
    ledger_key_init(&config.key, key, 64, 4);
    ledger = ledger_new(&config, &chain->blocks[0]->node);
    ck_assert_int_eq(checkpoint_load(disk, ledger, &choice, &loaded), -ENOENT);
    ck_assert_ptr_nonnull(strstr(loaded.refused, "another key"));
    ledger_free(ledger);
    disk_close(disk);
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

/* Shards copied two blocks apart, in a shuffled order, then replayed to the newest. */
START_TEST(shards_of_different_heights_are_replayed_to_one)
{
    enum { FEW = 16 };
    struct chain *chain = chain_new(12, FEW);
    struct simdisk *simdisk = disk_with_key(chain);
    struct disk *disk = simdisk_open(simdisk);
    struct shard_image image = {0};
    struct checkpoint_writer *writer;
    struct checkpoint_loaded loaded;
    uint64_t sequence;

    extend(chain, 10);
    ck_assert_int_eq(checkpoint_begin(disk, &chain->sim.key, NETWORK, 0, &writer), 0);
    for (uint32_t s = 0; s < FEW; s++) {
        checkpoint_copy_shard(chain->ledger, s * 7 % FEW, &image);
        ck_assert_int_eq(checkpoint_add(writer, &image), 0);
        extend(chain, 2);
    }
    ck_assert_int_eq(checkpoint_commit(writer, &sequence), 0);
    extend(chain, 3);

    struct ledger *ledger = fresh(chain);
    struct checkpoint_choice choice = choice_of(chain);
    ck_assert_int_eq(checkpoint_load(disk, ledger, &choice, &loaded), 0);
    ck_assert_int_eq(world_node(ledger_root(ledger))->height, 10);
    ck_assert_int_eq(ledger_top(ledger)->height, 10 + 2 * (FEW - 1));
    for (uint32_t i = 11; i < chain->count; i++) {
        struct sim_block *b = chain->blocks[i];
        uint64_t *undo = xcalloc(b->input_count, sizeof *undo);

        sim_load(&chain->sim, b);
        ck_assert_int_eq(ledger_replay(ledger, &b->lb, &b->node, undo), 0);
        for (uint32_t k = 0; k < b->input_count; k++)
            ck_assert(undo[k] == b->undo[k] || (undo[k] == UINT64_MAX && (int)i <= 10 + 2 * FEW));
        free(undo);
    }
    ck_assert_ptr_eq(ledger_top(ledger), &tip_of(chain)->node);
    sim_check_set(&chain->sim, ledger, ledger_root(ledger), &tip_of(chain)->after);

    /* both make the same images, sums included */
    for (uint32_t s = 0; s < FEW; s++) {
        struct shard_image other = {0};
        checkpoint_copy_shard(chain->ledger, s, &image);
        checkpoint_copy_shard(ledger, s, &other);
        ck_assert_uint_eq(image.sum, other.sum);
        ck_assert_uint_eq(image.entry_count + image.side_count,
                          other.entry_count + other.side_count);
        shard_image_clear(&other);
    }
    shard_image_clear(&image);
    ledger_free(ledger);
    disk_close(disk);
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

/* Doubled: a block of nothing but outputs comes twice, as it would over an image that has them
 * already. */
START_TEST(replay_refuses_a_missing_and_a_doubled_coin)
{
    struct chain *chain = chain_new(64, 4);
    uint32_t missing = 0, doubled = 0;

    extend(chain, 20);
    while (missing == 0 || doubled == 0) {
        struct sim_block *b = sim_block_new(&chain->sim, tip_of(chain), 50);
        bool is_missing = b->expected.verdict == CONNECT_MISSING;
        bool is_creating = b->expected.verdict == CONNECT_OK && b->input_count == 0 &&
                           b->events.created_count > 0 && b->lb.bip30 != BIP30_OVERWRITE;

        if (is_missing || is_creating) {
            struct ledger *ledger = fresh(chain);
            struct header_node again = {
                .hash = b->node.hash, .prev = &b->node, .height = b->node.height + 1};

            for (uint32_t i = 1; i < chain->count; i++) {
                struct sim_block *old = chain->blocks[i];
                sim_load(&chain->sim, old);
                ck_assert_int_eq(ledger_replay(ledger, &old->lb, &old->node, NULL), 0);
            }
            sim_load(&chain->sim, b);
            int rc = ledger_replay(ledger, &b->lb, &b->node, NULL);
            ck_assert_int_eq(rc, is_missing ? -EILSEQ : 0);
            if (is_creating)
                ck_assert_int_eq(ledger_replay(ledger, &b->lb, &again, NULL), -EILSEQ);
            missing += is_missing;
            doubled += is_creating;
            ledger_free(ledger);
        }
        sim_block_free(b);
    }
    chain_free(chain);
}
END_TEST

static void loads_equal(unsigned tag_bits, uint32_t shard_count)
{
    struct chain *chain = chain_new(tag_bits, shard_count);
    struct simdisk *simdisk = disk_with_key(chain);
    struct disk *disk = simdisk_open(simdisk);
    struct checkpoint_choice choice = choice_of(chain);
    struct shard_image images[2] = {{0}};
    struct ledger *ledgers[2];
    uint64_t sequence = 0;

    extend(chain, 40);
    ck_assert(shard_count > 4 || ledger_stats(chain->ledger).side_coins > 0);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    for (int i = 0; i < 2; i++) {
        struct checkpoint_loaded loaded;

        chain->with_threads = i == 1;
        ledgers[i] = fresh(chain);
        ck_assert_int_eq(checkpoint_load(disk, ledgers[i], &choice, &loaded), 0);
        ck_assert_uint_eq(loaded.refused_count, 0);
        sim_check_set(&chain->sim, ledgers[i], ledger_root(ledgers[i]), &tip_of(chain)->after);
    }
    for (uint32_t s = 0; s < shard_count; s++) {
        for (int i = 0; i < 2; i++)
            checkpoint_copy_shard(ledgers[i], s, &images[i]);
        ck_assert_uint_eq(images[0].size, images[1].size);
        ck_assert_uint_eq(images[0].sum, images[1].sum);
        ck_assert_ptr_eq(images[0].stamp, images[1].stamp);
        ck_assert(images[0].size == 0 ||
                  memcmp(images[0].data, images[1].data, images[0].size) == 0);
    }
    for (int i = 0; i < 2; i++) {
        shard_image_clear(&images[i]);
        ledger_free(ledgers[i]);
    }
    disk_close(disk);
    simdisk_free(simdisk);
    chain_free(chain);
}

START_TEST(several_threads_load_what_one_does)
{
    loads_equal(12, 4);
    loads_equal(12, 64);
    loads_equal(64, 512);
}
END_TEST

enum { SHARDS = 64 };

/* A checkpoint of the chain with one shard's sum changed; where its images end. */
static void save_with_sum(struct simdisk *simdisk, struct chain *chain, uint32_t wrong_sum,
                          uint64_t ends[SHARDS])
{
    struct disk *disk = simdisk_open(simdisk);
    struct shard_image image = {0};
    struct checkpoint_writer *writer;
    uint64_t sequence, end = 0;

    ck_assert_int_eq(checkpoint_begin(disk, &chain->sim.key, NETWORK, 1, &writer), 0);
    for (uint32_t s = 0; s < SHARDS; s++) {
        checkpoint_copy_shard(chain->ledger, s, &image);
        image.sum += s == wrong_sum;
        ends[s] = end += image.size;
        ck_assert_int_eq(checkpoint_add(writer, &image), 0);
    }
    ck_assert_int_eq(checkpoint_commit(writer, &sequence), 0);
    ck_assert_uint_eq(sequence, 2);
    shard_image_clear(&image);
    disk_close(disk);
}

/* Whichever thread has it; of two, the first shard's fault is told. */
START_TEST(a_bad_image_is_found_by_the_thread_that_has_it)
{
    struct chain *chain = chain_new(12, SHARDS);
    struct simdisk *simdisk = disk_with_key(chain);
    struct checkpoint_loaded loaded;
    uint64_t ends[SHARDS], sequence = 0;
    uint32_t wrong_sum = 40, flipped = 0;
    const char *name;

    extend(chain, 40);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    extend(chain, 1);
    save_with_sum(simdisk, chain, wrong_sum, ends);
    name = file_name("checkpoint", 2);
    for (uint32_t s = 0; s < 2 * SHARDS; s++) {
        uint32_t shard = s % SHARDS;

        chain->with_threads = s >= SHARDS;
        if (shard == 0) {
            ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 40);
            ck_assert_str_eq(loaded.refused, "checkpoint 2: the sum of an image is wrong");
        }
        if (shard == wrong_sum || ends[shard] == (shard ? ends[shard - 1] : 0))
            continue;
        ck_assert(simdisk_flip(simdisk, name, ends[shard] - 1, 1));
        ck_assert_int_eq(load_checked(simdisk, chain, &loaded), 40);
        ck_assert_uint_eq(loaded.refused_count, 1);
        ck_assert_str_eq(loaded.refused, shard < wrong_sum
                                             ? "checkpoint 2: the checksum of an image is wrong"
                                             : "checkpoint 2: the sum of an image is wrong");
        ck_assert(simdisk_flip(simdisk, name, ends[shard] - 1, 1));
        flipped++;
    }
    ck_assert_uint_gt(flipped, 40);
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

struct patience {
    struct chain *chain;
    _Atomic int left;
};

static struct header_node *patient_node_of(void *ctx, int32_t height, const struct block_hash *hash)
{
    return node_of(((struct patience *)ctx)->chain, height, hash);
}

static bool lose_patience(void *ctx)
{
    return atomic_fetch_sub(&((struct patience *)ctx)->left, 1) > 0;
}

/* Before the first image, before the last, and not at all. */
START_TEST(loading_is_given_up_at_any_image)
{
    static const int patiences[] = {0, 1, 30, SHARDS - 1, SHARDS};
    struct chain *chain = chain_new(12, SHARDS);
    struct simdisk *simdisk = disk_with_key(chain);
    struct disk *disk = simdisk_open(simdisk);
    uint64_t sequence = 0;

    extend(chain, 10);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0);
    ck_assert_int_eq(save(simdisk, chain, &sequence), 0); /* an older one, which is not tried */
    for (int threads = 0; threads < 2; threads++)
        for (size_t i = 0; i < ARRAY_COUNT(patiences); i++) {
            struct patience patience = {.chain = chain, .left = patiences[i]};
            struct checkpoint_choice choice = {.network = NETWORK,
                                               .below = UINT64_MAX,
                                               .node_of = patient_node_of,
                                               .goes_on = lose_patience,
                                               .ctx = &patience};
            struct checkpoint_loaded loaded;
            bool is_whole = patiences[i] == SHARDS;

            chain->with_threads = threads == 1;
            struct ledger *ledger = fresh(chain);
            ck_assert_int_eq(checkpoint_load(disk, ledger, &choice, &loaded),
                             is_whole ? 0 : -ECANCELED);
            ck_assert_uint_eq(loaded.refused_count, 0);
            ck_assert_uint_eq(ledger_stats(ledger).root_coins,
                              is_whole ? ledger_stats(chain->ledger).root_coins : 0);
            ledger_free(ledger);
        }
    disk_close(disk);
    simdisk_free(simdisk);
    chain_free(chain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tcase = tcase_create("checkpoint");

    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, a_saved_ledger_comes_back_and_two_are_kept);
    tcase_add_test(tcase, every_damaged_byte_is_refused_and_the_older_one_counts);
    tcase_add_test(tcase, short_and_long_files_are_refused);
    tcase_add_test(tcase, a_crash_after_any_change_leaves_the_old_or_the_new);
    tcase_add_test(tcase, a_failing_disk_costs_only_the_new_one);
    tcase_add_test(tcase, a_key_that_is_not_whole_is_refused);
    tcase_add_test(tcase, a_key_of_an_older_version_is_none);
    tcase_add_test(tcase, another_ledgers_checkpoint_is_refused);
    tcase_add_test(tcase, shards_of_different_heights_are_replayed_to_one);
    tcase_add_test(tcase, replay_refuses_a_missing_and_a_doubled_coin);
    tcase_add_test(tcase, several_threads_load_what_one_does);
    tcase_add_test(tcase, a_bad_image_is_found_by_the_thread_that_has_it);
    tcase_add_test(tcase, loading_is_given_up_at_any_image);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
