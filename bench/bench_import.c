/* What an import costs beside what it cannot do without. The chain is a file of chaingen's (see
 * bench/README.md) whose end are more than 2,016 blocks of coinbases, so that everything before it
 * may be assumed valid. It goes through the engine slice by slice; after each slice the floor does
 * the indispensable part of the same blocks, on as many threads:
 *   with scripts:    each signature check that the import made, by libsecp256k1, and nothing else
 *   without scripts: txid and wtxid of each transaction
 *
 * on or off: only with, only without scripts.
 *     bench_import FILE [WORKERS [ROUNDS [both|on|off]]] */
#include "../tests/unit/engine_rig.h"
#include "base/hash.h"
#include "script/signature.h"
#include "slices.h"
#include "store/blocks.h"

/* Memory that a round has used is kept for the next, as in a long sync: the first touch of a page
 * is no part of what a block costs. The first round is discarded. */
const char *malloc_conf =
    "thp:always,lg_extent_max_active_fit:20,narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1";

#define SLICES       20
#define ROUNDS_PLAIN 3 /* the slices without scripts are short */
#define WORKERS_MAX  64

struct piece {
    uint64_t pos;
    uint32_t size;
    struct block block; /* with its transactions parsed */
};

enum kind { ECDSA, SCHNORR, TWEAK };

/* A signature check as it was asked for. */
struct check {
    enum kind kind;
    bool is_valid;
    uint8_t der_size, pubkey_size, parity;
    uint8_t signature[80], pubkey[65], hash[32];
};

struct slice {
    size_t first, end; /* pieces */
    size_t first_check, check_end;
    double inputs;
};

/* "feed" is the bench itself. The ledger thread's without the parts that workers could have taken
 * (parts.h) comes last: it is what more cores cannot shorten. */
static const char *const thread_names[] = {"worker", "ledger",     "disk",
                                           "feed",   "checkpoint", "ledger, serial"};
enum { THREAD_NAMES = ARRAY_COUNT(thread_names), SERIAL = THREAD_NAMES - 1 };

struct bench {
    const char *path;
    struct bytes file;
    struct piece *pieces;
    size_t piece_count, tail; /* the tail: coinbases only */
    struct arena arena;
    uint32_t worker_count;

    struct slice slices[SLICES];
    struct check *checks;
    size_t check_count, check_capacity;

    struct rig rig;
    struct key_cache *keys[WORKERS_MAX]; /* the floor's */
    size_t submitted, done;              /* done: guarded by the rig's mutex */
};

/* The checks are caught where script/ asks for them (the linker's --wrap). */
static struct {
    pthread_mutex_t mutex;
    struct bench *bench; /* NULL: they are not kept */
} catcher = {.mutex = PTHREAD_MUTEX_INITIALIZER};

bool __real_signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                                  const uint8_t hash[32]);
bool __real_signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                    const uint8_t pubkey[32], struct bytes message);
bool __real_signature_check_tweak(struct key_cache *cache, const uint8_t output_key[32], int parity,
                                  const uint8_t internal_key[32], const uint8_t tweak[32]);
bool __wrap_signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                                  const uint8_t hash[32]);
bool __wrap_signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                    const uint8_t pubkey[32], struct bytes message);
bool __wrap_signature_check_tweak(struct key_cache *cache, const uint8_t output_key[32], int parity,
                                  const uint8_t internal_key[32], const uint8_t tweak[32]);

static void keep(const struct check *check)
{
    pthread_mutex_lock(&catcher.mutex);
    struct bench *bench = catcher.bench;
    if (bench->check_count == bench->check_capacity) {
        bench->check_capacity = bench->check_capacity ? 2 * bench->check_capacity : 1 << 16;
        bench->checks = xrealloc(bench->checks, bench->check_capacity * sizeof *bench->checks);
    }
    bench->checks[bench->check_count++] = *check;
    pthread_mutex_unlock(&catcher.mutex);
}

bool __wrap_signature_check_ecdsa(struct key_cache *cache, struct bytes der, struct bytes pubkey,
                                  const uint8_t hash[32])
{
    bool is_valid = __real_signature_check_ecdsa(cache, der, pubkey, hash);

    if (catcher.bench) {
        struct check check = {.kind = ECDSA,
                              .is_valid = is_valid,
                              .der_size = (uint8_t)der.size,
                              .pubkey_size = (uint8_t)pubkey.size};

        assert(der.size <= sizeof check.signature && pubkey.size <= sizeof check.pubkey);
        memcpy(check.signature, der.data, der.size);
        memcpy(check.pubkey, pubkey.data, pubkey.size);
        memcpy(check.hash, hash, 32);
        keep(&check);
    }
    return is_valid;
}

bool __wrap_signature_check_schnorr(struct key_cache *cache, const uint8_t signature[64],
                                    const uint8_t pubkey[32], struct bytes message)
{
    bool is_valid = __real_signature_check_schnorr(cache, signature, pubkey, message);

    if (catcher.bench) {
        struct check check = {.kind = SCHNORR, .is_valid = is_valid};

        assert(message.size == 32);
        memcpy(check.signature, signature, 64);
        memcpy(check.pubkey, pubkey, 32);
        memcpy(check.hash, message.data, 32);
        keep(&check);
    }
    return is_valid;
}

bool __wrap_signature_check_tweak(struct key_cache *cache, const uint8_t output_key[32], int parity,
                                  const uint8_t internal_key[32], const uint8_t tweak[32])
{
    bool is_valid = __real_signature_check_tweak(cache, output_key, parity, internal_key, tweak);

    if (catcher.bench) {
        struct check check = {.kind = TWEAK, .is_valid = is_valid, .parity = (uint8_t)parity};

        memcpy(check.signature, output_key, 32);
        memcpy(check.pubkey, internal_key, 32);
        memcpy(check.hash, tweak, 32);
        keep(&check);
    }
    return is_valid;
}

static bool repeat_check(struct key_cache *cache, const struct check *check)
{
    switch (check->kind) {
    case ECDSA:
        return __real_signature_check_ecdsa(
            cache, (struct bytes){check->signature, check->der_size},
            (struct bytes){check->pubkey, check->pubkey_size}, check->hash);
    case SCHNORR:
        return __real_signature_check_schnorr(cache, check->signature, check->pubkey,
                                              (struct bytes){check->hash, 32});
    case TWEAK:
        return __real_signature_check_tweak(cache, check->signature, check->parity, check->pubkey,
                                            check->hash);
    }
    return false;
}

/* A part of the floor, for one thread: every step-th from first on. */
struct floor {
    struct bench *bench;
    size_t first, end, step;
    struct key_cache *keys; /* as a worker has one */
};

static void *check_signatures(void *argument)
{
    const struct floor *floor = argument;

    for (size_t i = floor->first; i < floor->end; i += floor->step) {
        const struct check *check = &floor->bench->checks[i];

        if (repeat_check(floor->keys, check) != check->is_valid)
            abort();
    }
    return NULL;
}

static void *hash_transactions(void *argument)
{
    const struct floor *floor = argument;

    for (size_t i = floor->first; i < floor->end; i += floor->step) {
        struct block *block = &floor->bench->pieces[i].block;

        txs_hash(block->txs, block->tx_count);
    }
    return NULL;
}

static void run_floor(struct bench *bench, void *(*run)(void *), size_t first, size_t end)
{
    pthread_t threads[WORKERS_MAX];
    struct floor floors[WORKERS_MAX];

    for (uint32_t i = 0; i < bench->worker_count; i++) {
        if (!bench->keys[i])
            bench->keys[i] = key_cache_new();
        floors[i] = (struct floor){bench, first + i, end, bench->worker_count, bench->keys[i]};
        int error = pthread_create(&threads[i], NULL, run, &floors[i]);
        assert(error == 0);
    }
    for (uint32_t i = 0; i < bench->worker_count; i++)
        pthread_join(threads[i], NULL);
}

/* CPU so far of the threads of each name, and of the ledger thread's own share. */
static void read_threads(struct engine *engine, double cpu_ns[THREAD_NAMES])
{
    const struct pipeline *pipeline = engine_pipeline(engine);

    slices_threads(thread_names, THREAD_NAMES, cpu_ns);
    cpu_ns[SERIAL] = (double)(atomic_load(&pipeline->stats.ledger.busy_ns) -
                              atomic_load(&pipeline->stats.own_parts_ns));
}

static void load(struct bench *bench)
{
    FILE *file = fopen(bench->path, "rb");
    const size_t size_max = (size_t)4 << 30;
    size_t capacity = (size_t)1 << 24, size = 0, got;
    uint8_t *data = xmalloc(capacity);

    if (!file) {
        perror(bench->path);
        exit(1);
    }
    while (size < size_max && (got = fread(data + size, 1, capacity - size, file)) > 0) {
        size += got;
        if (size == capacity)
            data = xrealloc(data, capacity *= 2);
    }
    fclose(file);
    bench->file = (struct bytes){data, size};
    arena_init(&bench->arena, size_max * 2);
    bench->pieces = xcalloc(size / BLOCK_SIZE_MIN + 1, sizeof *bench->pieces);
    for (size_t at = 0; at + RECORD_HEADER_SIZE < size;) {
        struct piece *piece = &bench->pieces[bench->piece_count++];

        piece->size = le32_read(data + at + 4);
        piece->pos = at + RECORD_HEADER_SIZE;
        at = piece->pos + piece->size;
        if (at > size || !block_parse(&piece->block, (struct bytes){data + piece->pos, piece->size},
                                      &bench->arena, true)) {
            fprintf(stderr, "%s: no chain of blocks\n", bench->path);
            exit(1);
        }
        if (piece->block.input_count > 1)
            bench->tail = bench->piece_count;
    }
}

/* Slices of about as many inputs each, from the first block that has any. */
static void cut_slices(struct bench *bench)
{
    double all = 0, sum = 0;
    size_t at = 0;

    for (size_t i = 0; i < bench->tail; i++)
        all += bench->pieces[i].block.input_count - 1;
    while (at < bench->tail && bench->pieces[at].block.input_count == 1)
        at++;
    for (size_t s = 0; s < SLICES; s++) {
        struct slice *slice = &bench->slices[s];

        slice->first = at;
        for (; at < bench->tail && sum < all * (double)(s + 1) / SLICES; at++) {
            sum += bench->pieces[at].block.input_count - 1;
            slice->inputs += bench->pieces[at].block.input_count - 1;
        }
        slice->end = at;
        if (slice->inputs == 0) {
            fprintf(stderr, "%s: fewer than %d blocks with inputs\n", bench->path, SLICES);
            exit(1);
        }
    }
}

static void block_done(void *context, const struct block_result *result)
{
    struct bench *bench = context;

    if (result->verdict != VALID || result->is_unjudged)
        abort();
    pthread_mutex_lock(&bench->rig.mutex);
    bench->done++;
    pthread_cond_broadcast(&bench->rig.is_done);
    pthread_mutex_unlock(&bench->rig.mutex);
}

static void import_pieces(struct bench *bench, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        struct block_job *job = pipeline_reserve(engine_pipeline(bench->rig.engine),
                                                 bench->pieces[i].size, RESERVE_WAIT);

        assert(job);
        memcpy(job->buffer, bench->file.data + bench->pieces[i].pos, job->size);
        job->expected =
            header_tree_find(engine_lock_tree(bench->rig.engine), &bench->pieces[i].block.hash);
        engine_unlock_tree(bench->rig.engine);
        job->is_requested = true;
        job->done = block_done;
        job->context = bench;
        bench->submitted++;
        pipeline_submit(job);
    }
    pthread_mutex_lock(&bench->rig.mutex);
    while (bench->done < bench->submitted)
        pthread_cond_wait(&bench->rig.is_done, &bench->rig.mutex);
    pthread_mutex_unlock(&bench->rig.mutex);
    struct command idle = {.run = engine_when_idle};
    rig_run(&bench->rig, &idle);
}

static void accept_all_headers(struct engine *engine, struct command *command)
{
    struct bench *bench = command->u.state;

    for (size_t i = 1; i < bench->piece_count; i++) {
        struct header_node *node;
        enum verdict verdict;

        engine_accept_headers(engine, &bench->pieces[i].block.header, 1, &node, &verdict);
        if (verdict != VALID)
            abort();
    }
}

static void open_engine(struct bench *bench, bool with_scripts)
{
    struct command headers = {.run = accept_all_headers, .u.state = bench};

    rig_init(&bench->rig, NETWORK_REGTEST);
    bench->rig.config.worker_count = bench->worker_count;
    bench->rig.config.in_flight_limit = (size_t)256 << 20;
    bench->rig.config.resident_limit = (size_t)256 << 20;
    bench->rig.params.has_assumed_valid = !with_scripts;
    bench->rig.params.assumed_valid = bench->pieces[bench->piece_count - 1].block.hash;
    /* BIP34 stands in for BIP30's look-up of each output, as on the main chain since 2013. */
    bench->rig.params.has_bip34_hash = true;
    bench->rig.params.bip34_hash = bench->pieces[bench->rig.params.bip34_height].block.hash;
    bench->submitted = bench->done = 0;
    if (rig_open(&bench->rig) != ENGINE_OK) {
        fprintf(stderr, "%s\n", bench->rig.error);
        exit(1);
    }
    rig_run(&bench->rig, &headers);
    import_pieces(bench, 1, bench->slices[0].first);
}

static void close_engine(struct bench *bench)
{
    if (rig_close(&bench->rig) != ENGINE_OK)
        abort();
    rig_clear(&bench->rig);
}

/* The import that is discarded. */
static void touch_first(struct bench *bench)
{
    open_engine(bench, false);
    import_pieces(bench, bench->slices[0].first, bench->piece_count);
    close_engine(bench);
}

/* The one import that catches the checks; it too is counted nowhere. */
static void catch_checks(struct bench *bench)
{
    open_engine(bench, true);
    catcher.bench = bench;
    for (size_t s = 0; s < SLICES; s++) {
        struct slice *slice = &bench->slices[s];

        slice->first_check = bench->check_count;
        import_pieces(bench, slice->first, slice->end);
        slice->check_end = bench->check_count;
    }
    catcher.bench = NULL;
    close_engine(bench);
}

struct figures {
    double *import, *floor, *threads[THREAD_NAMES];
    double import_sum, floor_sum, whole_sum;
};

static void measure_slice(struct bench *bench, const struct slice *slice, bool with_scripts,
                          struct figures *figures, size_t sample)
{
    double before[THREAD_NAMES], after[THREAD_NAMES];

    read_threads(bench->rig.engine, before);
    double start = slices_cpu_ns();
    import_pieces(bench, slice->first, slice->end);
    double middle = slices_cpu_ns();
    read_threads(bench->rig.engine, after);
    double again = slices_cpu_ns();
    if (with_scripts)
        run_floor(bench, check_signatures, slice->first_check, slice->check_end);
    else
        run_floor(bench, hash_transactions, slice->first, slice->end);
    double end = slices_cpu_ns();

    figures->import[sample] = (middle - start) / slice->inputs;
    figures->floor[sample] = (end - again) / slice->inputs;
    figures->import_sum += middle - start;
    figures->floor_sum += end - again;
    for (size_t i = 0; i < THREAD_NAMES; i++)
        figures->threads[i][sample] = (after[i] - before[i]) / slice->inputs;
}

/* About how many coins there are when the second slice begins (outputs that are never coins are
 * few). */
static double coins_before(const struct bench *bench)
{
    double coins = 0;

    for (size_t i = 0; i < bench->slices[1].first; i++)
        coins += (double)bench->pieces[i].block.output_count -
                 (double)(bench->pieces[i].block.input_count - 1);
    return coins;
}

static void print_sums(const char *bench, const struct figures *figures, double inputs,
                       double coins)
{
    double of_slices = figures->import_sum / figures->floor_sum;
    double of_whole = figures->whole_sum / figures->floor_sum;

    printf(
        "  together: import %.2f s, floor %.2f s: import / floor %.3f, floor / import %.3f; from "
        "opening to closing, coinbases, headers and saving included: %.3f, %.3f\n\n",
        figures->import_sum / 1e9, figures->floor_sum / 1e9, of_slices, 1 / of_slices, of_whole,
        1 / of_whole);
    printf(
        "{\"bench\":\"%s\",\"case\":\"together\",\"inputs\":%.0f,\"coins\":%.0f,\"import_s\":%.3f,"
        "\"floor_s\":%.3f,\"import_by_floor\":%.4f,\"floor_by_import\":%.4f,\"whole_by_floor\":%."
        "4f}\n",
        bench, inputs, coins, figures->import_sum / 1e9, figures->floor_sum / 1e9, of_slices,
        1 / of_slices, of_whole);
}

static void measure(struct bench *bench, bool with_scripts, size_t rounds)
{
    const char *name = with_scripts ? "import with scripts" : "import without scripts";
    const size_t sample_count = SLICES * rounds;
    struct figures figures = {.import = xcalloc(sample_count, sizeof(double)),
                              .floor = xcalloc(sample_count, sizeof(double))};
    struct slice_series series[2 + THREAD_NAMES] = {
        {with_scripts ? "libsecp256k1 alone" : "txid and wtxid alone", figures.floor},
        {"the import", figures.import}};
    double inputs = 0;

    for (size_t i = 0; i < THREAD_NAMES; i++)
        series[2 + i] = (struct slice_series){
            thread_names[i], figures.threads[i] = xcalloc(sample_count, sizeof(double))};
    for (size_t r = 0; r < rounds; r++) {
        double start = slices_cpu_ns(), floor = figures.floor_sum;

        open_engine(bench, with_scripts);
        for (size_t s = 0; s < SLICES; s++) {
            measure_slice(bench, &bench->slices[s], with_scripts, &figures, SLICES * r + s);
            inputs += bench->slices[s].inputs;
        }
        import_pieces(bench, bench->tail, bench->piece_count);
        close_engine(bench);
        figures.whole_sum += slices_cpu_ns() - start - (figures.floor_sum - floor);
    }
    slices_print(name, "input", series, 2 + THREAD_NAMES, sample_count);
    print_sums(name, &figures, inputs, coins_before(bench));
    for (size_t i = 0; i < 2 + THREAD_NAMES; i++)
        free(series[i].samples);
}

static void print_chain(const struct bench *bench)
{
    double inputs = 0, outputs = 0, txs = 0, bytes = 0;

    for (size_t i = 0; i < bench->tail; i++) {
        inputs += bench->pieces[i].block.input_count - 1;
        outputs += bench->pieces[i].block.output_count;
        txs += bench->pieces[i].block.tx_count;
        bytes += bench->pieces[i].size;
    }
    printf("%s: %zu blocks and %zu of coinbases behind; %.0f transactions, %.0f inputs, %.0f "
           "outputs, %.1f MB; %zu signature checks, %.3f an input; %u workers\n",
           bench->path, bench->tail, bench->piece_count - bench->tail, txs, inputs, outputs,
           bytes / 1e6, bench->check_count, (double)bench->check_count / inputs,
           bench->worker_count);
}

/* An argument from 1 to max, or 0. */
static uint32_t number_of(const char *text, uint32_t max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == 0 && value <= max ? (uint32_t)value : 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {.path = argc > 1 ? argv[1] : NULL, .worker_count = 2};
    uint32_t rounds = argc > 3 ? number_of(argv[3], 1000) : 1;
    const char *which = argc > 4 ? argv[4] : "both";
    bool is_plain = strcmp(which, "off") != 0, is_assumed = strcmp(which, "on") != 0;

    if (argc > 2)
        bench.worker_count = number_of(argv[2], WORKERS_MAX);
    if (!bench.path || bench.worker_count == 0 || rounds == 0 || argc > 5 ||
        (is_plain && is_assumed && strcmp(which, "both") != 0)) {
        fprintf(stderr, "usage: bench_import FILE [WORKERS [ROUNDS [both|on|off]]]\n");
        return 2;
    }
    pthread_setname_np(pthread_self(), "feed");
    load(&bench);
    cut_slices(&bench);
    if (is_plain)
        catch_checks(&bench);
    print_chain(&bench);
    if (is_plain)
        measure(&bench, true, rounds);
    if (is_assumed) {
        touch_first(&bench);
        measure(&bench, false, (size_t)rounds * ROUNDS_PLAIN);
    }
    arena_clear(&bench.arena);
    free(bench.pieces);
    free(bench.checks);
    free((void *)bench.file.data);
    return 0;
}
