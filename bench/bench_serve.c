/* What serving blocks costs beside what it cannot do without: the blocks of FILE, asked for by
 * another process on the loopback (whose CPU is not counted), read from blocks.bin and sent by the
 * node's reactor, disk thread and workers, by v1 and by v2; and by one loop of plain calls:
 *     v1: pread, double SHA-256, send      v2: pread, ChaCha20-Poly1305, send
 *
 *     bench_serve FILE [WORKERS [ROUNDS]] */
#include "../tests/unit/engine_rig.h"
#include "base/hash.h"
#include "codec/message_chain.h"
#include "codec/message_handshake.h"
#include "net/handshake.h"
#include "net/net.h"
#include "net/transport.h"
#include "slices.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROUNDS     20
#define GETDATA    500
#define BLOCKS_MAX 100000
#define MEMORY     ((size_t)256 << 20)

enum way { FLOOR_V1, SERVE_V1, FLOOR_V2, SERVE_V2, WAYS };

struct piece {
    uint64_t pos;
    uint32_t size;
    struct block_hash hash;
};

struct bench {
    struct piece *pieces;
    uint32_t count;
    uint64_t size;
    uint16_t node_port, floor_port;
    int to_client, from_client; /* pipes */
    int floor_fd, file;
    uint8_t *buffer;
    struct aead *aead;
    struct rig rig;
    struct reactor *reactor;
    struct net *net;
    pthread_t thread;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_serve: %s\n", what);
    exit(1);
}

static void write_all(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = write(fd, (const uint8_t *)data + done, size - done);

        if (part <= 0)
            fail("the other process is gone");
        done += (size_t)part;
    }
}

static void read_all(int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = read(fd, (uint8_t *)data + done, size - done);

        if (part <= 0)
            fail("the other process is gone");
        done += (size_t)part;
    }
}

static int call(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_port = htons(port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        fail("no connection");
    return fd;
}

/* ---- the process that asks ---- */

struct client {
    int fd;
    struct transport *transport;
    struct transport_env env;
    uint8_t buffer[1 << 18];
};

static void client_send(struct client *client, enum message_type type, struct bytes payload)
{
    size_t size = transport_frame_size(client->transport, type, payload.size);
    uint8_t *frame = malloc(size);

    transport_frame(client->transport, type, payload, frame);
    write_all(client->fd, frame, size);
    free(frame);
}

/* Until count messages of the type were there. */
static void client_wait(struct client *client, enum message_type type, uint32_t count)
{
    while (count > 0) {
        ssize_t got = read(client->fd, client->buffer, sizeof client->buffer);
        struct bytes data = {client->buffer, got > 0 ? (size_t)got : 0};
        struct transport_message message;
        enum transport_event event;

        if (got <= 0)
            fail("the node closed the connection");
        while ((event = transport_receive(client->transport, &data, &message)) != TRANSPORT_MORE) {
            if (event == TRANSPORT_BROKEN)
                fail(transport_error(client->transport));
            count -= event != TRANSPORT_LARGE && message.type == type && count > 0;
        }
        struct bytes handshake = transport_handshake(client->transport);
        if (handshake.size) {
            write_all(client->fd, handshake.data, handshake.size);
            transport_pop_handshake(client->transport);
        }
        if (type == MESSAGE_UNKNOWN && transport_can_send(client->transport))
            return;
    }
}

static void client_connect(struct client *client, const struct params *params, uint16_t port,
                           bool is_v2)
{
    static const uint8_t seed[32] = {1};
    uint8_t payload[VERSION_SIZE_MAX];
    struct version_message version = {
        .version = PROTOCOL_VERSION, .services = SERVICE_WITNESS, .nonce = 7};

    memcpy(client->env.magic, params->magic, 4);
    client->env.aead = aead_new();
    client->env.ecdh = ecdh_new(seed);
    client->transport = transport_new(&client->env, is_v2 ? TRANSPORT_V2 : TRANSPORT_V1, seed);
    client->fd = call(port);
    struct bytes handshake = transport_handshake(client->transport);
    if (handshake.size) {
        write_all(client->fd, handshake.data, handshake.size);
        transport_pop_handshake(client->transport);
        client_wait(client, MESSAGE_UNKNOWN, 1); /* the other side's key */
    }
    client_send(client, MESSAGE_VERSION, (struct bytes){payload, version_write(payload, &version)});
    client_send(client, MESSAGE_VERACK, (struct bytes){NULL, 0});
    client_wait(client, MESSAGE_VERACK, 1);
}

static void client_ask(struct client *client, const struct bench *bench)
{
    struct inv items[GETDATA];
    uint8_t payload[9 + sizeof items];

    for (uint32_t i = 0; i < bench->count; i += GETDATA) {
        uint32_t count = bench->count - i < GETDATA ? bench->count - i : GETDATA;

        for (uint32_t k = 0; k < count; k++) {
            items[k].type = INV_BLOCK | INV_WITNESS_FLAG;
            memcpy(items[k].hash, &bench->pieces[i + k].hash, 32);
        }
        client_send(client, MESSAGE_GETDATA,
                    (struct bytes){payload, inv_list_write(payload, items, count)});
        client_wait(client, MESSAGE_BLOCK, count);
    }
}

static void client_swallow(int fd, uint64_t size, uint8_t *buffer, size_t buffer_size)
{
    while (size > 0) {
        ssize_t got = read(fd, buffer, size < buffer_size ? size : buffer_size);

        if (got <= 0)
            fail("the floor's connection ended");
        size -= (uint64_t)got;
    }
}

static void client_main(struct bench *bench, const struct params *params, int commands, int answers)
{
    static struct client v1, v2;
    uint8_t way;

    client_connect(&v1, params, bench->node_port, false);
    client_connect(&v2, params, bench->node_port, true);
    int floor_fd = call(bench->floor_port);
    while (read(commands, &way, 1) == 1) {
        if (way == SERVE_V1 || way == SERVE_V2)
            client_ask(way == SERVE_V1 ? &v1 : &v2, bench);
        else
            client_swallow(floor_fd,
                           bench->size + (way == FLOOR_V2 ? bench->count * AEAD_TAG_SIZE : 0),
                           v1.buffer, sizeof v1.buffer);
        write_all(answers, &way, 1);
    }
}

/* ---- the process that is measured ---- */

static int listen_floor(uint16_t *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, size) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &size) != 0)
        fail("no port");
    *port = ntohs(addr.sin_port);
    return fd;
}

static void *reactor_main(void *argument)
{
    if (reactor_run(argument) != 0)
        fail("io_uring");
    return NULL;
}

/* The blocks are read from the disk ring, none from the engine's memory. */
static void open_node(struct bench *bench, const char *path, uint32_t worker_count)
{
    struct reactor_options options = {.conn_max = 64, .buffer_count = 256, .buffer_size = 16384};
    struct import_result result;
    char why[REACTOR_WHY_SIZE], address[32];
    const char *serve = address;
    struct net_config config = {.user_agent = "/bench/",
                                .incoming_max = 16,
                                .serve = &serve,
                                .serve_count = 1,
                                .serve_memory = (size_t)64 << 20};

    rig_init(&bench->rig, NETWORK_REGTEST);
    bench->rig.config.worker_count = worker_count;
    bench->rig.config.in_flight_limit = MEMORY;
    bench->rig.config.resident_limit = 0;
    if (rig_open(&bench->rig) != ENGINE_OK || rig_import(&bench->rig, path, &result) != IMPORT_OK)
        fail(bench->rig.error);
    if (reactor_new(&bench->reactor, &options, why) != 0)
        fail(why);
    close(listen_floor(&bench->node_port)); /* a port that is free */
    snprintf(address, sizeof address, "127.0.0.1:%u", bench->node_port);
    config.engine = bench->rig.engine;
    config.reactor = bench->reactor;
    if (net_open(&bench->net, &config, why, sizeof why) != 0)
        fail(why);
}

static void list_blocks(struct bench *bench)
{
    struct header_tree *tree = engine_lock_tree(bench->rig.engine);

    bench->pieces = calloc(BLOCKS_MAX, sizeof *bench->pieces);
    for (struct header_node *node = header_tree_best(tree); node->prev; node = node->prev) {
        bench->pieces[bench->count++] = (struct piece){node->pos, node->size, node->hash};
        bench->size += node->size;
    }
    engine_unlock_tree(bench->rig.engine);
}

static void send_floor(struct bench *bench, bool is_v2)
{
    struct aead_key key = {.nonce = {0}};
    uint8_t *sealed = bench->buffer + MESSAGE_SIZE_MAX, digest[32];

    for (uint32_t i = 0; i < bench->count; i++) {
        const struct piece *piece = &bench->pieces[i];
        struct bytes block = {bench->buffer, piece->size};

        if (pread(bench->file, bench->buffer, piece->size, (off_t)piece->pos) != piece->size)
            fail("blocks.bin");
        if (is_v2)
            aead_seal(bench->aead, &key, (struct bytes){NULL, 0}, (struct bytes){NULL, 0}, block,
                      sealed);
        else
            sha256d_once(digest, block.data, block.size);
        write_all(bench->floor_fd, is_v2 ? sealed : bench->buffer,
                  piece->size + (is_v2 ? AEAD_TAG_SIZE : 0));
    }
}

static double run_way(struct bench *bench, enum way way)
{
    uint8_t command = (uint8_t)way;
    double start = slices_cpu_ns();

    write_all(bench->to_client, &command, 1);
    if (way == FLOOR_V1 || way == FLOOR_V2)
        send_floor(bench, way == FLOOR_V2);
    read_all(bench->from_client, &command, 1);
    return (slices_cpu_ns() - start) / ((double)bench->size / 1e6);
}

static void measure(struct bench *bench, size_t rounds)
{
    static const char *const names[WAYS] = {"floor of v1", "serving by v1", "floor of v2",
                                            "serving by v2"};
    struct slice_series series[WAYS];

    for (int way = 0; way < WAYS; way++) {
        series[way] = (struct slice_series){names[way], calloc(rounds, sizeof(double))};
        run_way(bench, (enum way)way);
    }
    for (size_t i = 0; i < rounds; i++)
        for (int way = 0; way < WAYS; way++)
            series[way].samples[i] = run_way(bench, (enum way)way);
    slices_print("serve v1", "MB", series, 2, rounds);
    slices_print("serve v2", "MB", series + 2, 2, rounds);
    for (int way = 0; way < WAYS; way++)
        free(series[way].samples);
}

struct ending {
    struct reactor_message message;
    struct bench *bench;
};

static void end_net(struct reactor_message *message)
{
    struct ending *ending = (struct ending *)message;

    net_stop(ending->bench->net);
    reactor_stop(ending->bench->reactor);
}

static void close_node(struct bench *bench)
{
    struct ending ending = {{.run = end_net}, bench};

    reactor_post(bench->reactor, &ending.message);
    pthread_join(bench->thread, NULL);
    engine_stop(bench->rig.engine);
    net_free(bench->net);
    reactor_free(bench->reactor);
    if (rig_close(&bench->rig) != ENGINE_OK)
        fail(bench->rig.error);
    rig_clear(&bench->rig);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint32_t workers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2;
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : ROUNDS;
    int commands[2], answers[2];
    char path[128];

    if (argc < 2 || workers < 1 || rounds < 1) {
        fprintf(stderr, "usage: bench_serve FILE [WORKERS [ROUNDS]]\n");
        return 2;
    }
    open_node(&bench, argv[1], workers);
    list_blocks(&bench);
    int listener = listen_floor(&bench.floor_port);
    if (pipe(commands) != 0 || pipe(answers) != 0)
        fail("pipe");
    pid_t client = fork();
    if (client == 0) { /* it touches neither engine nor net */
        close(commands[1]);
        client_main(&bench, &bench.rig.params, commands[0], answers[1]);
        _exit(0);
    }
    close(commands[0]);
    bench.to_client = commands[1];
    bench.from_client = answers[0];
    pthread_create(&bench.thread, NULL, reactor_main, bench.reactor);
    bench.floor_fd = accept(listener, NULL, NULL);
    snprintf(path, sizeof path, "%s/blocks.bin", bench.rig.directory);
    bench.file = open(path, O_RDONLY | O_CLOEXEC);
    bench.buffer = malloc(2 * (size_t)MESSAGE_SIZE_MAX + 64);
    bench.aead = aead_new();
    printf("%s: %u blocks, %.1f MB; %u workers\n", argv[1], bench.count, (double)bench.size / 1e6,
           workers);
    measure(&bench, rounds);
    close(bench.to_client);
    waitpid(client, NULL, 0);
    close_node(&bench);
    aead_free(bench.aead);
    free(bench.buffer);
    free(bench.pieces);
    return 0;
}
