/* What syncing costs beside importing the same file, scripts off: a fresh engine each time takes
 * the blocks of MEASURED once from the file and once from a serving node on the loopback, by v1 and
 * by v2, in turns. ALL is the same chain with enough blocks behind that MEASURED may be assumed
 * valid; its headers are known before. The serving node is another process and its CPU is not
 * counted; what the kernel does for the receiver in the sender's calls is not either.
 *
 *     bench_sync CAESURE MEASURED ALL [WORKERS [ROUNDS]] */
#include "../tests/unit/engine_rig.h"
#include "base/clock.h"
#include "net/net.h"
#include "slices.h"
#include "store/blocks.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CONNECTIONS 4
#define ROUNDS      20
#define RESIDENT    ((size_t)256 << 20)
#define HEADERS_MAX (1u << 20)

static const char *const thread_names[] = {"worker", "ledger", "disk", "reactor", "bench_sync"};
enum { THREADS = ARRAY_COUNT(thread_names) };

enum way { WAY_IMPORT, WAY_V1, WAY_V2, WAY_COUNT };

struct bench {
    const char *caesure, *measured, *all;
    uint32_t worker_count;
    struct header *headers; /* of all, without the genesis block's */
    size_t header_count;
    struct block_hash last;
    int32_t height; /* of the last measured block */
    double size_mb;

    char server_directory[64];
    pid_t server;
    char addresses[CONNECTIONS][32];
    const char *address_pointers[CONNECTIONS];

    struct rig rig;
    struct reactor *reactor;
    _Atomic(struct net *) net;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_sync: %s\n", what);
    exit(1);
}

/* Headers of a file of blocks in the order of its chain; how many. */
static size_t read_headers(const char *path, struct header *headers, double *size_mb)
{
    FILE *file = fopen(path, "rb");
    uint8_t raw[RECORD_HEADER_SIZE + HEADER_SIZE];
    size_t count = 0;
    uint64_t size = 0;

    if (!file)
        fail(path);
    while (fread(raw, 1, sizeof raw, file) == sizeof raw && count < HEADERS_MAX) {
        uint32_t block_size = le32_read(raw + 4);

        if (!header_parse(&headers[count++],
                          (struct bytes){raw + RECORD_HEADER_SIZE, HEADER_SIZE}) ||
            fseek(file, (long)block_size - HEADER_SIZE, SEEK_CUR) != 0)
            fail("no chain of blocks");
        size += block_size;
    }
    fclose(file);
    *size_mb = (double)size / 1e6;
    return count;
}

/* ---- the serving node ---- */

static uint16_t free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &size) != 0)
        fail("no port");
    close(fd);
    return ntohs(addr.sin_port);
}

static bool is_answering(const char *address)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_port = htons((uint16_t)strtoul(strchr(address, ':') + 1, NULL, 10));
    bool is_good = connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
    close(fd);
    return is_good;
}

static void run_caesure(struct bench *bench, bool is_import)
{
    const char *arguments[32] = {
        bench->caesure, "-b", bench->server_directory, "--chain", "regtest", "-o", "0", "--no-dns"};
    size_t count = 8;

    if (is_import) {
        arguments[count++] = "--import";
        arguments[count++] = bench->measured;
        arguments[count++] = "--exit-when-synced";
    } else {
        for (size_t i = 0; i < CONNECTIONS; i++) {
            arguments[count++] = "-s";
            arguments[count++] = bench->addresses[i];
        }
    }
    bench->server = fork();
    if (bench->server == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        execv(bench->caesure, (char *const *)arguments);
        _exit(1);
    }
}

static void start_server(struct bench *bench)
{
    int status;

    snprintf(bench->server_directory, sizeof bench->server_directory, "/tmp/caesure-serve-XXXXXX");
    if (!mkdtemp(bench->server_directory))
        fail("no directory");
    run_caesure(bench, true);
    if (waitpid(bench->server, &status, 0) != bench->server || status != 0)
        fail("the serving node could not import the file");
    for (size_t i = 0; i < CONNECTIONS; i++) {
        snprintf(bench->addresses[i], sizeof bench->addresses[i], "127.0.0.1:%u", free_port());
        bench->address_pointers[i] = bench->addresses[i];
    }
    run_caesure(bench, false);
    while (!is_answering(bench->addresses[CONNECTIONS - 1]))
        usleep(50000);
}

static void stop_server(struct bench *bench)
{
    char command[128];

    kill(bench->server, SIGTERM);
    waitpid(bench->server, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", bench->server_directory);
    if (system(command) != 0)
        fail(command);
}

/* ---- the engine that takes the blocks ---- */

static void heard_tip(void *context, struct header_node *tip)
{
    struct bench *bench = context;
    struct net *net = atomic_load(&bench->net);

    if (net)
        net_notify_tip(net, tip);
}

static void heard_headers(void *context, struct header_node *best)
{
    struct bench *bench = context;
    struct net *net = atomic_load(&bench->net);

    if (net)
        net_notify_headers(net, best);
}

static void heard_credit(void *context)
{
    struct bench *bench = context;
    struct net *net = atomic_load(&bench->net);

    if (net)
        net_notify_credit(net);
}

static void accept_headers(struct engine *engine, struct command *command)
{
    struct bench *bench = command->u.state;

    for (size_t i = 1; i < bench->header_count; i++) {
        struct header_node *node;
        enum verdict verdict;

        engine_accept_headers(engine, &bench->headers[i], 1, &node, &verdict);
        if (verdict != VALID)
            fail("a header of the chain is refused");
    }
}

static void open_engine(struct bench *bench)
{
    struct command headers = {.run = accept_headers, .u.state = bench};
    char now[16];

    rig_init(&bench->rig, NETWORK_REGTEST);
    bench->rig.config.worker_count = bench->worker_count;
    bench->rig.config.in_flight_limit = RESIDENT;
    bench->rig.config.resident_limit = RESIDENT;
    bench->rig.config.events = (struct engine_events){
        .tip = heard_tip, .headers = heard_headers, .credit = heard_credit, .context = bench};
    bench->rig.params.has_assumed_valid = true;
    bench->rig.params.assumed_valid = bench->last;
    bench->rig.params.has_bip34_hash =
        true; /* stands in for BIP30's look-ups, as in bench_import */
    bench->rig.params.bip34_hash = header_hash(&bench->headers[bench->rig.params.bip34_height]);
    if (rig_open(&bench->rig) != ENGINE_OK)
        fail(bench->rig.error);
    rig_run(&bench->rig, &headers);
    snprintf(now, sizeof now, "%u", bench->headers[bench->header_count - 1].time);
    free(rig_ask(&bench->rig, "mocktime", now)); /* all peers are asked only in a chain of today */
}

static void close_engine(struct bench *bench)
{
    if (rig_close(&bench->rig) != ENGINE_OK)
        fail(bench->rig.error);
    rig_clear(&bench->rig);
}

static void import(struct bench *bench)
{
    struct import_result result;

    if (rig_import(&bench->rig, bench->measured, &result) != IMPORT_OK ||
        result.accepted != (uint64_t)bench->height)
        fail("the import does not take the whole file");
}

static void *reactor_main(void *argument)
{
    if (reactor_run(argument) != 0)
        fail("io_uring");
    return NULL;
}

static void wait_for_height(struct bench *bench)
{
    struct engine_snapshot snapshot;

    do {
        usleep(5000);
        engine_snapshot(bench->rig.engine, &snapshot);
    } while (snapshot.height < bench->height);
}

struct ending {
    struct reactor_message message;
    struct net *net;
    struct reactor *reactor;
};

static void end_net(struct reactor_message *message)
{
    struct ending *ending = (struct ending *)message;

    net_stop(ending->net);
    reactor_stop(ending->reactor);
}

static double sync_blocks(struct bench *bench, bool is_v1only, double threads[THREADS])
{
    struct reactor_options options = {.conn_max = 64, .buffer_count = 256, .buffer_size = 16384};
    struct net_config config = {.engine = bench->rig.engine,
                                .user_agent = "/bench/",
                                .connect = bench->address_pointers,
                                .connect_count = CONNECTIONS,
                                .serve_memory = (size_t)64 << 20,
                                .is_v1only = is_v1only};
    char why[REACTOR_WHY_SIZE];
    struct net *net;
    pthread_t thread;
    double start = slices_cpu_ns();

    if (reactor_new(&bench->reactor, &options, why) != 0)
        fail(why);
    config.reactor = bench->reactor;
    if (net_open(&net, &config, why, sizeof why) != 0)
        fail(why);
    atomic_store(&bench->net, net);
    pthread_create(&thread, NULL, reactor_main, bench->reactor);
    pthread_setname_np(thread, "reactor");
    wait_for_height(bench);
    double end = slices_cpu_ns();
    slices_threads(thread_names, THREADS, threads);

    struct ending ending = {{.run = end_net}, net, bench->reactor};
    reactor_post(bench->reactor, &ending.message);
    pthread_join(thread, NULL);
    return end - start;
}

/* After the engine has stopped. */
static void free_net(struct bench *bench)
{
    engine_stop(bench->rig.engine);
    net_free(atomic_exchange(&bench->net, NULL));
    reactor_free(bench->reactor);
}

/* What one way took in a round, an MB. */
struct sample {
    double cpu_ns, wall_s, threads[THREADS];
};

static struct sample run_way(struct bench *bench, enum way way)
{
    double before[THREADS], after[THREADS];
    struct sample sample;

    open_engine(bench);
    slices_threads(thread_names, THREADS, before);
    uint64_t begun_us = clock_monotonic_us();
    if (way == WAY_IMPORT) {
        double start = slices_cpu_ns();

        import(bench);
        sample.cpu_ns = slices_cpu_ns() - start;
        slices_threads(thread_names, THREADS, after);
    } else {
        sample.cpu_ns = sync_blocks(bench, way == WAY_V1, after);
    }
    sample.wall_s = (double)(clock_monotonic_us() - begun_us) / 1e6;
    sample.cpu_ns /= bench->size_mb;
    for (size_t i = 0; i < THREADS; i++)
        sample.threads[i] = (after[i] - before[i]) / bench->size_mb;
    if (way != WAY_IMPORT)
        free_net(bench);
    close_engine(bench);
    return sample;
}

static void measure(struct bench *bench, size_t rounds)
{
    static const char *const names[WAY_COUNT] = {"import", "sync by v1", "sync by v2"};
    struct slice_series series[WAY_COUNT];
    struct sample sums[WAY_COUNT] = {0};

    for (int way = 0; way < WAY_COUNT; way++) {
        series[way] = (struct slice_series){names[way], calloc(rounds, sizeof(double))};
        run_way(bench, (enum way)way);
    }
    for (size_t i = 0; i < rounds; i++)
        for (int way = 0; way < WAY_COUNT; way++) {
            struct sample sample = run_way(bench, (enum way)way);

            series[way].samples[i] = sample.cpu_ns;
            sums[way].wall_s += sample.wall_s;
            for (size_t t = 0; t < THREADS; t++)
                sums[way].threads[t] += sample.threads[t];
        }
    slices_print("sync", "MB", series, WAY_COUNT, rounds);
    for (int way = 0; way < WAY_COUNT; way++) {
        printf("  %-12s %.2f s of wall time; us an MB:", names[way],
               sums[way].wall_s / (double)rounds);
        for (size_t t = 0; t < THREADS; t++)
            printf(" %s %.0f", thread_names[t], sums[way].threads[t] / 1e3 / (double)rounds);
        printf("\n");
        free(series[way].samples);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {.worker_count = 2};
    size_t rounds = argc > 5 ? strtoul(argv[5], NULL, 10) : ROUNDS;

    if (argc > 4)
        bench.worker_count = (uint32_t)strtoul(argv[4], NULL, 10);
    if (argc < 4 || bench.worker_count < 1 || rounds < 1) {
        fprintf(stderr, "usage: bench_sync CAESURE MEASURED ALL [WORKERS [ROUNDS]]\n");
        return 2;
    }
    bench.caesure = argv[1];
    bench.measured = argv[2];
    bench.all = argv[3];
    bench.headers = calloc(HEADERS_MAX, sizeof *bench.headers);
    bench.header_count = read_headers(bench.all, bench.headers, &bench.size_mb);
    bench.last = header_hash(&bench.headers[bench.header_count - 1]);
    bench.height = (int32_t)read_headers(bench.measured, bench.headers, &bench.size_mb) - 1;
    printf("%s: %d blocks, %.1f MB; %d connections to one node, %u workers\n", bench.measured,
           bench.height, bench.size_mb, CONNECTIONS, bench.worker_count);
    start_server(&bench);
    measure(&bench, rounds);
    stop_server(&bench);
    free(bench.headers);
    return 0;
}
