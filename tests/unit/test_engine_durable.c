/* test_engine_durable.c - what a crash, a damaged file or a kill leaves of the ledger: the next
 * start comes to the same tip and the same coin set, whatever was lost. */
#include "base/clock.h"
#include "base/hex.h"
#include "engine_rig.h"
#include "io/simdisk.h"
#include "shared_files.h"
#include <check.h>

struct chain {
    const char *file, *height, *hash_serialized_3, *muhash;
};

static const struct chain long_chain = {
    "regtest-wallet-A.dat", "620",
    "edbdc3c09d41888c7d866405436b1b0c886d14966a4ac8cd8f071e8a992b757b",
    "23a56490447fb240a3ac3ceaec8b5eeaaf9cbb819c10c5aaa3353fb5a642bdc3"};
static const struct chain short_chain = {
    "regtest-kernel-0-206.dat", "206",
    "6f596a9fb79023e72ac6c2423e9dff4991f49994c0a55d1a2124ce03a98e9d74",
    "99fe6181ed22d50f27486264ed5d1f538c9343042db64a088248bcc9912a869a"};

static bool is_night(void)
{
    return getenv("CAESURE_NIGHT") != NULL;
}

static void chain_path(const struct chain *chain, char path[512])
{
    snprintf(path, 512, "%s/data/chains/%s", shared_folder("recorded chains"), chain->file);
}

static void expect_value(struct rig *rig, const char *question, const char *name,
                         const char *wanted, const char *where)
{
    char *answer = rig_ask(rig, question, NULL);
    char value[80] = "nothing";

    ck_assert_msg(rig_value(answer, name, value, sizeof value) && strcmp(value, wanted) == 0,
                  "%s: %s is %s, not %s\n%s", where, name, value, wanted, answer);
    free(answer);
}

static long ledger_figure(struct rig *rig, const char *name)
{
    char *answer = rig_ask(rig, "stats", "ledger");
    char value[80];

    ck_assert_msg(rig_value(answer, name, value, sizeof value), "no %s in %s", name, answer);
    free(answer);
    return atol(value);
}

static void wait_idle(struct rig *rig)
{
    struct command command = {.run = engine_when_idle};

    rig_run(rig, &command);
}

static void expect_chain(struct rig *rig, const struct chain *chain, const char *where)
{
    expect_value(rig, "audit", "height", chain->height, where);
    expect_value(rig, "audit", "hash_serialized_3", chain->hash_serialized_3, where);
    expect_value(rig, "audit", "muhash", chain->muhash, where);
}

static void import_all(struct rig *rig, const struct chain *chain, const char *where)
{
    struct import_result result;
    char path[512];

    chain_path(chain, path);
    enum import_error error = rig_import(rig, path, &result);
    ck_assert_msg(error == IMPORT_OK, "%s: %s", where, rig->error);
}

static void open_rig(struct rig *rig, const char *where)
{
    enum engine_error error = rig_open(rig);

    ck_assert_msg(error == ENGINE_OK, "%s: %s", where, rig->error);
}

static void close_rig(struct rig *rig, const char *where)
{
    enum engine_error error = rig_close(rig);

    ck_assert_msg(error == ENGINE_OK, "%s: %s", where, rig->error);
}

static int open_sim(void *context, struct disk **disk, unsigned depth)
{
    (void)depth;
    *disk = simdisk_open(context);
    return 0;
}

static void sim_rig_init(struct rig *rig, struct simdisk *sim)
{
    rig_init(rig, NETWORK_REGTEST);
    rig->config.open_disk = open_sim;
    rig->config.open_disk_context = sim;
    rig->config.has_lock = true;
    rig->config.replay_ms_max = 1; /* one checkpoint after the other */
}

START_TEST(checkpoints_are_written_while_blocks_come)
{
    struct rig rig;

    rig_init(&rig, NETWORK_REGTEST);
    rig.config.replay_ms_max = 1;
    open_rig(&rig, "import");
    ck_assert_int_eq(ledger_figure(&rig, "ledger.checkpoint_height"), 0);
    import_all(&rig, &long_chain, "import");
    /* The root follows the tip as blocks.bin is synced, which a busy disk takes its time for. */
    for (int i = 0; i < 2000 && ledger_figure(&rig, "ledger.root_height") < 500; i++)
        usleep(10000);
    free(rig_ask(&rig, "checkpoint", NULL)); /* may be one that was begun long before */
    uint64_t begun_us = clock_monotonic_us();
    char *answer = rig_ask(&rig, "checkpoint", NULL);
    char height[20];
    /* 512 shards are handed over without sleeping in between, though no block comes. */
    ck_assert_uint_lt(clock_monotonic_us() - begun_us, 20000000);
    ck_assert_msg(rig_value(answer, "height", height, sizeof height), "%s", answer);
    free(answer);
    ck_assert_int_ge(atoi(height), 500);
    ck_assert_int_eq(ledger_figure(&rig, "ledger.checkpoint_height"), atoi(height));
    ck_assert_int_ge(ledger_figure(&rig, "ledger.checkpoints"), 2);
    ck_assert_int_ge(ledger_figure(&rig, "ledger.checkpoint_written_bytes"), 500 * 16);
    ck_assert_int_ge(ledger_figure(&rig, "ledger.undo_written_bytes"), 8);

    /* Another is written only if there is something new. */
    long root = ledger_figure(&rig, "ledger.root_height");
    bool is_saved = ledger_figure(&rig, "ledger.checkpoint_height") == root;
    long count = ledger_figure(&rig, "ledger.checkpoints");
    free(rig_ask(&rig, "checkpoint", NULL));
    if (ledger_figure(&rig, "ledger.root_height") == root)
        ck_assert_int_eq(ledger_figure(&rig, "ledger.checkpoints"), count + !is_saved);
    expect_chain(&rig, &long_chain, "import");
    close_rig(&rig, "import");

    open_rig(&rig, "again");
    ck_assert_int_ge(ledger_figure(&rig, "ledger.root_height"), 600);
    wait_idle(&rig);
    expect_chain(&rig, &long_chain, "again");
    close_rig(&rig, "again");
    rig_clear(&rig);
}
END_TEST

/* An engine that is stopped when it says that it failed, as the node does. */
struct watched {
    struct rig rig;
    pthread_t watchman;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool has_failed, is_over;
};

static void on_failed(void *context, enum engine_error error, const char *text)
{
    struct watched *watched = context;

    (void)error;
    (void)text;
    pthread_mutex_lock(&watched->mutex);
    watched->has_failed = true;
    pthread_cond_signal(&watched->changed);
    pthread_mutex_unlock(&watched->mutex);
}

static void *watch(void *argument)
{
    struct watched *watched = argument;

    pthread_mutex_lock(&watched->mutex);
    while (!watched->has_failed && !watched->is_over)
        pthread_cond_wait(&watched->changed, &watched->mutex);
    bool has_failed = watched->has_failed;
    pthread_mutex_unlock(&watched->mutex);
    if (has_failed)
        engine_stop(watched->rig.engine);
    return NULL;
}

static void import_watched(struct watched *watched)
{
    struct rig *rig = &watched->rig;
    struct import_result result;
    char path[512];

    chain_path(&short_chain, path);
    ck_assert_int_eq(pthread_create(&watched->watchman, NULL, watch, watched), 0);
    (void)!rig_import(rig, path, &result);
    pthread_mutex_lock(&watched->mutex);
    watched->is_over = true;
    pthread_cond_signal(&watched->changed);
    pthread_mutex_unlock(&watched->mutex);
    pthread_join(watched->watchman, NULL);
}

/* An import with checkpoints all the time on a simulated disk; it dies at change `crash` (0:
 * never). How many changes there were. */
static uint64_t import_until(struct simdisk *sim, uint64_t crash)
{
    struct watched watched = {.is_over = false};

    sim_rig_init(&watched.rig, sim);
    watched.rig.config.events = (struct engine_events){.failed = on_failed, .context = &watched};
    pthread_mutex_init(&watched.mutex, NULL);
    pthread_cond_init(&watched.changed, NULL);
    simdisk_crash_at(sim, crash);
    if (rig_open(&watched.rig) == ENGINE_OK) {
        import_watched(&watched);
        if (!watched.has_failed && crash == 0)
            free(rig_ask(&watched.rig, "checkpoint", NULL));
        (void)!rig_close(&watched.rig);
    }
    pthread_mutex_destroy(&watched.mutex);
    pthread_cond_destroy(&watched.changed);
    rig_clear(&watched.rig);
    return simdisk_changes(sim);
}

static void recover(struct simdisk *sim, const char *where)
{
    struct rig rig;

    sim_rig_init(&rig, sim);
    open_rig(&rig, where);
    import_all(&rig, &short_chain, where);
    expect_chain(&rig, &short_chain, where);
    close_rig(&rig, where);
    open_rig(&rig, where);
    wait_idle(&rig);
    expect_chain(&rig, &short_chain, where);
    close_rig(&rig, where);
    rig_clear(&rig);
}

START_TEST(a_crash_after_any_change_is_recovered_from)
{
    struct simdisk *sim = simdisk_new(1);
    uint64_t count = import_until(sim, 0);
    uint64_t step = is_night() ? 1 : count / 12 + 1;

    simdisk_free(sim);
    for (uint64_t crash = 1; crash < count; crash += step) {
        char where[64];

        snprintf(where, sizeof where, "crash at change %llu of %llu", (unsigned long long)crash,
                 (unsigned long long)count);
        sim = simdisk_new(crash);
        import_until(sim, crash);
        simdisk_reboot(sim, crash + 1);
        recover(sim, where);
        simdisk_free(sim);
    }
}
END_TEST

/* Two crashes in a row: the second while recovering from the first. */
START_TEST(a_crash_during_recovery_is_recovered_from)
{
    for (uint64_t seed = 1; seed <= (is_night() ? 200 : 3); seed++) {
        struct simdisk *sim = simdisk_new(seed);
        char where[64];

        snprintf(where, sizeof where, "seed %llu", (unsigned long long)seed);
        import_until(sim, 600 + seed * 997 % 2000);
        simdisk_reboot(sim, seed);
        import_until(sim, simdisk_changes(sim) + 1 + seed * 331 % 1500);
        simdisk_reboot(sim, seed + 1);
        recover(sim, where);
        simdisk_free(sim);
    }
}
END_TEST

/* Gives a start up at a moment of its choice. */
struct stopper {
    struct simdisk *sim;
    _Atomic bool is_stopped;
    unsigned opened, stop_at; /* the disk with this number is opened; 0: none */
    const char *stop_word;    /* it is logged */
    bool has_replayed;
};

static int open_and_stop(void *context, struct disk **disk, unsigned depth)
{
    struct stopper *stopper = context;

    if (++stopper->opened == stopper->stop_at)
        atomic_store(&stopper->is_stopped, true);
    return open_sim(stopper->sim, disk, depth);
}

static void log_and_stop(void *context, enum engine_log_level level, const char *line)
{
    struct stopper *stopper = context;

    (void)level;
    if (stopper->stop_word && strstr(line, stopper->stop_word))
        atomic_store(&stopper->is_stopped, true);
    stopper->has_replayed |= strstr(line, "replayed") != NULL;
}

static bool is_stopped(void *context)
{
    const struct stopper *stopper = context;

    return atomic_load(&stopper->is_stopped);
}

static enum engine_error open_with_stopper(struct rig *rig, struct stopper *stopper)
{
    sim_rig_init(rig, stopper->sim);
    rig->config.open_disk = open_and_stop;
    rig->config.open_disk_context = stopper;
    rig->config.events.log = log_and_stop;
    rig->config.events.context = stopper;
    rig->config.is_cancelled = is_stopped;
    rig->config.is_cancelled_context = stopper;
    return rig_open(rig);
}

static void note_newest(void *context, const char *name)
{
    unsigned long long *newest = context, number;

    if (sscanf(name, "checkpoint.%llu", &number) == 1 && number > *newest)
        *newest = number;
}

static void damage_newest_checkpoint(struct simdisk *sim)
{
    struct disk *disk = simdisk_open(sim);
    unsigned long long newest = 0;
    char name[64];

    ck_assert_int_eq(disk_list(disk, "ledger", note_newest, &newest), 0);
    disk_close(disk);
    snprintf(name, sizeof name, "ledger/checkpoint.%llu", newest);
    ck_assert(simdisk_flip(sim, name, 0, 1));
}

/* While images are loaded (the fifth disk is the last before them), and between the older
 * checkpoint and its replay. */
START_TEST(a_start_given_up_leaves_all_to_the_next)
{
    struct stopper stoppers[] = {
        {.stop_at = 5}, {.stop_word = "checkpoint refused"}, {.stop_word = NULL}};
    struct simdisk *sim = simdisk_new(1);
    struct rig rig;

    for (int part = 0; part < 2; part++) { /* a checkpoint of each */
        sim_rig_init(&rig, sim);
        open_rig(&rig, "import");
        import_all(&rig, part == 0 ? &short_chain : &long_chain, "import");
        close_rig(&rig, "import");
        rig_clear(&rig);
    }
    damage_newest_checkpoint(sim);
    for (size_t i = 0; i < ARRAY_COUNT(stoppers); i++) {
        bool is_stopped = i < 2;

        stoppers[i].sim = sim;
        ck_assert_int_eq(open_with_stopper(&rig, &stoppers[i]),
                         is_stopped ? ENGINE_STOPPED : ENGINE_OK);
        ck_assert(stoppers[i].has_replayed == !is_stopped);
        if (!is_stopped) {
            wait_idle(&rig);
            expect_chain(&rig, &long_chain, "after it all");
            close_rig(&rig, "after it all");
        }
        rig_clear(&rig);
    }
    simdisk_free(sim);
}
END_TEST

static void make_master(struct rig *master)
{
    rig_init(master, NETWORK_REGTEST);
    master->config.replay_ms_max = 1;
    open_rig(master, "master");
    import_all(master, &long_chain, "master");
    free(rig_ask(master, "checkpoint", NULL));
    close_rig(master, "master");
}

static void run_in(const struct rig *rig, const char *shell)
{
    char command[400];

    snprintf(command, sizeof command, "cd %s && %s", rig->directory, shell);
    ck_assert_int_eq(system(command), 0);
}

/* What is left, and that a start gets further with it than with nothing. */
START_TEST(each_source_is_enough_by_itself)
{
    static const struct {
        const char *shell;
        long root_min;
    } losses[] = {
        {"true", 600},
        {"rm $(ls -d ledger/manifest.* | sort -V | tail -1)", 500},
        {"rm $(ls -d ledger/checkpoint.* | sort -V | tail -1)", 500},
        {"rm ledger/undo.*", 600},
        {"rm ledger/manifest.*", 0},
        {"rm -r ledger", 0},
        {"rm metadata.bin", 500},
        {"rm -r ledger metadata.bin tip", 0},
    };
    struct rig master, rig;

    make_master(&master);
    for (size_t i = 0; i < ARRAY_COUNT(losses); i++) {
        char copy[200];

        rig_init(&rig, NETWORK_REGTEST);
        snprintf(copy, sizeof copy, "cp -r %s/. .", master.directory);
        run_in(&rig, copy);
        run_in(&rig, losses[i].shell);
        open_rig(&rig, losses[i].shell);
        ck_assert_msg(ledger_figure(&rig, "ledger.root_height") >= losses[i].root_min,
                      "%s: the root is at %ld", losses[i].shell,
                      ledger_figure(&rig, "ledger.root_height"));
        wait_idle(&rig);
        expect_chain(&rig, &long_chain, losses[i].shell);
        close_rig(&rig, losses[i].shell);
        rig_clear(&rig);
    }
    rig_clear(&master);
}
END_TEST

/* Parts of 50 coins: the root's shards one by one, temporary files, several threads. Checkpoint and
 * audit of one another's shards do no harm. */
START_TEST(an_audit_in_parts_gives_the_same_hashes)
{
    struct rig whole, parts;
    static const char *const names[] = {"height", "hash", "coins", "amount", "hash_serialized_3",
                                        "muhash"};

    rig_init(&parts, NETWORK_REGTEST);
    parts.config.audit_part = 50;
    parts.config.worker_count = 4;
    open_rig(&parts, "parts");
    import_all(&parts, &long_chain, "parts");
    close_rig(&parts, "parts");
    open_rig(&parts, "parts");
    wait_idle(&parts);
    char *in_parts = rig_ask(&parts, "audit", NULL);
    char value[80], wanted[80];
    ck_assert_msg(rig_value(in_parts, "of", value, sizeof value) && strcmp(value, "the root") == 0,
                  "%s", in_parts);
    ck_assert(rig_value(in_parts, "height", value, sizeof value));
    ck_assert_int_eq(atoi(value), 600);
    ck_assert(rig_value(in_parts, "hash", value, sizeof value));

    /* The same block as the tip of another engine, audited as a whole. */
    rig_init(&whole, NETWORK_REGTEST);
    open_rig(&whole, "whole");
    import_all(&whole, &long_chain, "whole");
    char *at = rig_ask(&whole, "hash", "601");
    ck_assert(rig_value(at, "hash", value, sizeof value));
    free(at);
    at = rig_ask(&whole, "invalidate", value);
    free(at);
    char *at_once = rig_ask(&whole, "audit", NULL);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        ck_assert(rig_value(in_parts, names[i], value, sizeof value));
        ck_assert(rig_value(at_once, names[i], wanted, sizeof wanted));
        ck_assert_msg(strcmp(value, wanted) == 0, "%s: %s, not %s", names[i], value, wanted);
    }
    free(in_parts);
    free(at_once);
    close_rig(&whole, "whole");

    char left[128];
    snprintf(left, sizeof left, "[ -z \"$(ls %s/audit 2>/dev/null)\" ]", parts.directory);
    ck_assert_msg(system(left) == 0, "temporary files are left");
    close_rig(&parts, "parts");
    rig_clear(&whole);
    rig_clear(&parts);
}
END_TEST

struct logged {
    pthread_mutex_t mutex;
    char text[20000];
};

static void keep_line(void *context, enum engine_log_level level, const char *line)
{
    struct logged *logged = context;

    (void)level;
    pthread_mutex_lock(&logged->mutex);
    size_t size = strlen(logged->text);
    snprintf(logged->text + size, sizeof logged->text - size, "%s\n", line);
    pthread_mutex_unlock(&logged->mutex);
}

static bool has_logged(struct logged *logged, const char *wanted)
{
    pthread_mutex_lock(&logged->mutex);
    bool has = strstr(logged->text, wanted) != NULL;
    pthread_mutex_unlock(&logged->mutex);
    return has;
}

static void wait_logged(struct logged *logged, const char *wanted)
{
    for (int i = 0; i < 6000 && !has_logged(logged, wanted); i++)
        usleep(10000);
    ck_assert_msg(has_logged(logged, wanted), "not said: %s\n%s", wanted, logged->text);
}

/* The hash of block height and of the coin set after it, by an engine that audits its tip. */
static void audit_at(struct rig *rig, int height, struct audit_hash *known)
{
    char next[20], value[80];

    snprintf(next, sizeof next, "%d", height + 1);
    char *answer = rig_ask(rig, "hash", next);
    ck_assert(rig_value(answer, "hash", value, sizeof value));
    free(answer);
    free(rig_ask(rig, "invalidate", value));
    answer = rig_ask(rig, "audit", NULL);
    ck_assert(rig_value(answer, "hash", value, sizeof value) &&
              hash_from_hex(known->block.bytes, value));
    ck_assert(rig_value(answer, "hash_serialized_3", value, sizeof value) &&
              hash_from_hex(known->hash_serialized_3, value));
    free(answer);
    known->height = height;
}

/* Blocks go on meanwhile; height alone is no reason to compare. */
START_TEST(a_known_coin_set_is_compared_when_the_root_passes_it)
{
    static struct logged logged = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    static const char *const said[] = {"the coin set at height 300 is the known one",
                                       "the coin set at height 300 is not the one that is known"};
    struct audit_hash known;
    struct rig rig;

    rig_init(&rig, NETWORK_REGTEST);
    open_rig(&rig, "known");
    import_all(&rig, &long_chain, "known");
    audit_at(&rig, 300, &known);
    close_rig(&rig, "known");
    rig_clear(&rig);
    for (int is_wrong = 0; is_wrong < 2; is_wrong++) {
        rig_init(&rig, NETWORK_REGTEST);
        rig.config.events = (struct engine_events){.log = keep_line, .context = &logged};
        known.hash_serialized_3[31] ^= (uint8_t)is_wrong;
        rig.params.audits[0] = known;
        rig.params.audits[1] = (struct audit_hash){.height = 301, .block = known.block};
        rig.params.audits[1].block.bytes[0] ^= 1;
        rig.params.audit_count = 2;
        open_rig(&rig, said[is_wrong]);
        import_all(&rig, &long_chain, said[is_wrong]);
        wait_logged(&logged, said[is_wrong]);
        ck_assert(!has_logged(&logged, "height 301"));
        expect_chain(&rig, &long_chain, said[is_wrong]);
        close_rig(&rig, said[is_wrong]);

        /* A rebuild stops there, too. */
        char command[128];
        snprintf(command, sizeof command, "rm -r %s/ledger", rig.directory);
        ck_assert_int_eq(system(command), 0);
        logged.text[0] = 0;
        open_rig(&rig, said[is_wrong]);
        wait_logged(&logged, said[is_wrong]);
        wait_idle(&rig);
        expect_chain(&rig, &long_chain, said[is_wrong]);
        close_rig(&rig, said[is_wrong]);
        rig_clear(&rig);
        ck_assert_msg(is_wrong || !has_logged(&logged, said[1]), "%s", logged.text);
    }
}
END_TEST

struct waiting {
    struct command command;
    _Atomic bool is_done;
};

static void waiting_done(struct command *command)
{
    atomic_store(&((struct waiting *)command)->is_done, true);
}

static void wait_for(struct waiting *waiting)
{
    for (int i = 0; i < 6000 && !atomic_load(&waiting->is_done); i++)
        usleep(10000);
    ck_assert(atomic_load(&waiting->is_done));
}

/* The audit is asked for and taken back before it can be done; the next one is whole. */
START_TEST(an_audit_can_be_cancelled)
{
    struct rig rig;
    size_t count;
    const struct engine_text_command *commands = engine_text_commands(&count);
    struct waiting audit = {.command = {.done = waiting_done}};
    struct waiting cancel = {.command = {.done = waiting_done, .argument = (char *)"cancel"}};

    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, "audit") == 0)
            audit.command.run = cancel.command.run = commands[i].run;
    rig_init(&rig, NETWORK_REGTEST);
    rig.config.audit_part = 50;
    open_rig(&rig, "cancel");
    import_all(&rig, &long_chain, "cancel");
    close_rig(&rig, "cancel");
    open_rig(&rig, "cancel");
    wait_idle(&rig);
    text_init(&audit.command.text, 1000);
    text_init(&cancel.command.text, 1000);
    ck_assert(engine_post(rig.engine, &audit.command));
    ck_assert(engine_post(rig.engine, &cancel.command));
    wait_for(&audit);
    wait_for(&cancel);
    ck_assert_str_eq(text_cstr(&audit.command.text), "error: cancelled\n");
    ck_assert_str_eq(text_cstr(&cancel.command.text), "ok\n");
    expect_value(&rig, "audit", "of", "the root", "after a cancelled one");
    text_clear(&audit.command.text);
    text_clear(&cancel.command.text);
    close_rig(&rig, "cancel");
    rig_clear(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_durable");
    TCase *tcase = tcase_create("durable");

    if (!shared_folder("recorded chains"))
        return 77;
    tcase_set_timeout(tcase, is_night() ? 0 : 280);
    tcase_add_test(tcase, checkpoints_are_written_while_blocks_come);
    tcase_add_test(tcase, a_crash_after_any_change_is_recovered_from);
    tcase_add_test(tcase, a_crash_during_recovery_is_recovered_from);
    tcase_add_test(tcase, a_start_given_up_leaves_all_to_the_next);
    tcase_add_test(tcase, each_source_is_enough_by_itself);
    tcase_add_test(tcase, an_audit_in_parts_gives_the_same_hashes);
    tcase_add_test(tcase, an_audit_can_be_cancelled);
    tcase_add_test(tcase, a_known_coin_set_is_compared_when_the_root_passes_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
