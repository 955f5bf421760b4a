#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "chaingen/chain_file.h"
#include "chaingen/mix.h"
#include "chaingen/writer.h"
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY_COUNT        1024
#define KEY_COUNT_MAX    65536
#define FIRST_SPENDS     (COINBASE_MATURITY + 1) /* the height of the first block that can spend */
#define INPUTS_USUAL     20                      /* a block, if --inputs is not given */
#define INPUTS_BLOCK     2500                    /* if --blocks is not */
#define INPUTS_BLOCK_MAX 7000

enum { EXIT_USAGE = 2 };

struct options {
    const char *out, *from, *seed;
    int32_t at, block_count, fork_count, fork_length;
    int64_t input_count, idle_count, end_time;
    bool is_interleaved, is_shuffled, is_new_only, is_json, is_quiet;
    uint32_t thread_count, key_count;
};

struct fork_record {
    int32_t height, length; /* height: of the block it leaves from */
    struct block_hash tip;
};

struct run {
    const struct options *options;
    struct params params;
    struct generate_options generate;
    struct chain_point start;
    struct chain_file given;
    struct coin_list coins; /* of the given file */
    uint32_t start_time;
    struct writer writer;
    struct fork_record *forks;
    int32_t fork_count;
    int64_t fork_block_count;
    uint64_t shown_us;
};

static void print_help(FILE *out)
{
    fputs(
        "chaingen --out FILE [options]: makes a valid signed regtest chain; same options, same "
        "bytes\n"
        "  --out FILE         blocks as in bootstrap.dat: magic, size, raw block; the genesis "
        "first\n"
        "  --blocks N         height of the last block; with --from, how many new ones\n"
        "  --inputs N         inputs wanted, coinbases' aside; never more, a few less. With --from "
        "the\n"
        "                     default is 0: coinbases only; else the coins of the seed's keys are "
        "spent\n"
        "  --idle-coins N     so many coins besides that nobody spends, up to 15,000 a block: for "
        "large\n"
        "                     coin sets\n"
        "  --seed TEXT        of keys and everything drawn (default: caesure)\n"
        "  --keys N           addresses of so many keys, 3 to 65536 (1024); with --from the same "
        "again\n"
        "  --end-time SECONDS time of the last block (default: 600 s a block from the genesis on)\n"
        "  --forks N          N branches from evenly spread blocks, every other one with the main\n"
        "                     chain's own transactions, the rest spending the same coins "
        "differently\n"
        "  --fork-length N    of each, 1 to N blocks (default 6)\n"
        "  --fork-order ORDER after: behind the main chain (default); interleaved: each branch "
        "before\n"
        "                     the main chain goes on, which then overtakes it\n"
        "  --shuffle          blocks in the file out of order, but for the genesis\n"
        "  --from FILE        goes on from a given regtest chain; the result has its blocks, too\n"
        "  --at HEIGHT        ... from this height of its longest chain (default: the tip)\n"
        "  --new-only         ... and the result has the new blocks only\n"
        "  --json             the totals as JSON\n"
        "  --quiet            no progress line\n"
        "  -j N               threads that sign (default: the processors); changes no byte\n"
        "At the end: height, hash and totals of the chain, which equal the reference node's\n"
        "gettxoutsetinfo and getchaintxstats. Ends with 1 on failure, 2 on wrong usage.\n\n"
        "The mix, after mainnet's:\n",
        out);
    mix_describe(out);
}

static int64_t parse_number(const char *name, const char *text, int64_t min, int64_t max)
{
    char *end;

    errno = 0;

    long long v = strtoll(text, &end, 10);

    if (errno != 0 || *text == 0 || *end != 0 || v < min || v > max) {
        fprintf(stderr, "chaingen: %s wants a number from %lld to %lld, not '%s'\n", name,
                (long long)min, (long long)max, text);
        exit(EXIT_USAGE);
    }
    return v;
}

static bool parse_order(const char *text)
{
    if (strcmp(text, "after") != 0 && strcmp(text, "interleaved") != 0) {
        fprintf(stderr, "chaingen: --fork-order wants after or interleaved, not '%s'\n", text);
        exit(EXIT_USAGE);
    }
    return strcmp(text, "interleaved") == 0;
}

static void parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"out", 1, 0, 'o'},        {"blocks", 1, 0, 'b'},     {"inputs", 1, 0, 'i'},
        {"seed", 1, 0, 's'},       {"idle-coins", 1, 0, 'c'}, {"keys", 1, 0, 'k'},
        {"end-time", 1, 0, 'e'},   {"forks", 1, 0, 'f'},      {"fork-length", 1, 0, 'l'},
        {"fork-order", 1, 0, 'r'}, {"shuffle", 0, 0, 'u'},    {"from", 1, 0, 'F'},
        {"at", 1, 0, 'a'},         {"new-only", 0, 0, 'n'},   {"json", 0, 0, 'J'},
        {"quiet", 0, 0, 'q'},      {"help", 0, 0, 'h'},       {0}};

    for (int c; (c = getopt_long(argc, argv, "j:h", longs, NULL)) != -1;)
        switch (c) {
        case 'o':
            o->out = optarg;
            break;
        case 'b':
            o->block_count = (int32_t)parse_number("--blocks", optarg, 1, 10000000);
            break;
        case 'i':
            o->input_count = parse_number("--inputs", optarg, 0, 10000000000);
            break;
        case 'c':
            o->idle_count = parse_number("--idle-coins", optarg, 0, 10000000000);
            break;
        case 's':
            o->seed = optarg;
            break;
        case 'k':
            o->key_count = (uint32_t)parse_number("--keys", optarg, 3, KEY_COUNT_MAX);
            break;
        case 'e':
            o->end_time = parse_number("--end-time", optarg, 1, UINT32_MAX);
            break;
        case 'f':
            o->fork_count = (int32_t)parse_number("--forks", optarg, 0, 100000);
            break;
        case 'l':
            o->fork_length = (int32_t)parse_number("--fork-length", optarg, 1, 10000);
            break;
        case 'r':
            o->is_interleaved = parse_order(optarg);
            break;
        case 'u':
            o->is_shuffled = true;
            break;
        case 'F':
            o->from = optarg;
            break;
        case 'a':
            o->at = (int32_t)parse_number("--at", optarg, 0, INT32_MAX);
            break;
        case 'n':
            o->is_new_only = true;
            break;
        case 'J':
            o->is_json = true;
            break;
        case 'q':
            o->is_quiet = true;
            break;
        case 'j':
            o->thread_count = (uint32_t)parse_number("-j", optarg, 1, 64);
            break;
        case 'h':
            print_help(stdout);
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_USAGE);
        }
    if (optind < argc || o->out == NULL) {
        fprintf(stderr, "chaingen: %s; see --help\n",
                o->out ? "too many arguments" : "no --out FILE");
        exit(EXIT_USAGE);
    }
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "chaingen: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    exit(EXIT_FAILURE);
}

static void check_room(uint64_t count, const char *what, int64_t room)
{
    if (count <= (uint64_t)room)
        return;
    fprintf(stderr, "chaingen: the blocks that can spend hold at most %lld %s\n", (long long)room,
            what);
    exit(EXIT_USAGE);
}

/* How many blocks there are and how many inputs, where only one of both is given. */
static void settle_size(struct run *run)
{
    const struct options *o = run->options;
    struct generate_options *g = &run->generate;
    int32_t first = o->from ? run->start.height + 1 : FIRST_SPENDS;

    if (o->from) {
        g->input_count = o->input_count > 0 ? (uint64_t)o->input_count : 0;
        g->last_height = run->start.height + (o->block_count ? o->block_count : 10);
    } else if (o->block_count == 0) {
        g->input_count = o->input_count < 0 ? 4000 : (uint64_t)o->input_count;
        g->last_height = 300 + (int32_t)(g->input_count / INPUTS_BLOCK);
    } else {
        g->last_height = o->block_count;
        g->input_count = o->input_count >= 0 ? (uint64_t)o->input_count
                         : g->last_height >= FIRST_SPENDS
                             ? (uint64_t)(g->last_height - FIRST_SPENDS + 1) * INPUTS_USUAL
                             : 0;
    }

    int64_t block_count = g->last_height >= first ? g->last_height - first + 1 : 0;

    g->idle_count = (uint64_t)o->idle_count;
    check_room(g->input_count, "inputs", block_count * INPUTS_BLOCK_MAX);
    check_room(g->idle_count, "idle coins", g->input_count ? block_count * GENERATE_IDLE_MAX : 0);
}

static void settle_times(struct run *run)
{
    struct generate_options *g = &run->generate;
    int64_t count = g->last_height - run->start.height;
    int64_t end_time = run->options->end_time;

    if (end_time == 0)
        end_time = run->start_time + 600 * count;
    if (end_time > UINT32_MAX || end_time - run->start_time < count) {
        fprintf(stderr, "chaingen: %lld blocks do not fit between the times %u and %lld\n",
                (long long)count, run->start_time, (long long)end_time);
        exit(EXIT_USAGE);
    }
    g->last_time = (uint32_t)end_time;
    g->spacing_s = (end_time - run->start_time) / count < 600
                       ? (uint32_t)((end_time - run->start_time) / count)
                       : 600;
}

static void start_from_genesis(struct run *run)
{
    run->start =
        (struct chain_point){run->params.genesis_hash, 0, {.tx_count = 1, .output_count = 1}};
    run->start_time = run->params.genesis_header.time;
}

static void start_from_file(struct run *run)
{
    const struct options *o = run->options;
    struct chain_file *file = &run->given;
    char error[300];

    if (!chain_file_open(file, o->from, &run->params, error, sizeof error))
        fail(error, NULL);
    if (o->at > file->tip_height)
        fail(o->from, "its longest chain ends below that height");

    int32_t height = o->at < 0 ? file->tip_height : o->at;

    if (!chain_file_coins(file, height, run->generate.wallet, &run->start, &run->coins, error,
                          sizeof error))
        fail(o->from, error);

    uint32_t tip_time = le32_read(chain_file_block(file, height).data + 68);
    uint32_t median_time = chain_file_median_time(file, height);

    run->start_time = tip_time > median_time ? tip_time : median_time;
}

static void open_result(struct run *run)
{
    const struct options *o = run->options;
    int error =
        writer_open(&run->writer, o->out, run->params.magic, o->is_shuffled, run->generate.seed);

    if (error)
        fail(o->out, strerror(-error));
    if (!o->is_new_only && !o->from)
        writer_put_first(&run->writer,
                         (struct bytes){run->params.genesis_block, run->params.genesis_size});
    for (uint32_t i = 0; i < run->given.block_count && !o->is_new_only; i++)
        writer_put_first(&run->writer, run->given.blocks[i].raw);
}

static void show_progress(struct run *run, const struct chain_point *point)
{
    uint64_t now_us = clock_monotonic_us();
    bool is_last = point->height == run->generate.last_height;
    bool is_terminal = isatty(STDERR_FILENO);

    if (run->options->is_quiet ||
        (!is_last && now_us - run->shown_us < (is_terminal ? 500000 : 5000000)))
        return;
    run->shown_us = now_us;
    fprintf(stderr, "%schaingen: block %d of %d, %llu inputs, %llu MB%s", is_terminal ? "\r" : "",
            (int)point->height, (int)run->generate.last_height,
            (unsigned long long)point->totals.input_count,
            (unsigned long long)run->writer.size / 1000000, is_last || !is_terminal ? "\n" : "");
}

/* A branch is shorter than what the main chain still has to go, so that it never wins. */
static void make_fork(struct run *run, const struct generator *main_chain, struct prng *prng)
{
    int32_t height = generator_point(main_chain)->height;
    int32_t room = run->generate.last_height - height - 1;
    int32_t most = run->options->fork_length < room ? run->options->fork_length : room;
    struct buffer block = {0};

    if (most < 1)
        return;

    int32_t length = 1 + (int32_t)prng_below(prng, (uint64_t)most);
    struct generator *branch = generator_branch(main_chain, (uint32_t)run->fork_count + 1, length,
                                                run->fork_count % 2 == 0);

    for (int32_t i = 0; i < length; i++) {
        generator_next(branch, &block);
        (run->options->is_interleaved ? writer_put : writer_put_late)(&run->writer,
                                                                      buffer_bytes(&block));
    }
    run->forks[run->fork_count++] =
        (struct fork_record){height, length, generator_point(branch)->hash};
    run->fork_block_count += length;
    generator_free(branch);
    buffer_free(&block);
}

/* The i-th of count branch points: evenly over the blocks that can spend, or all if there are too
 * few. */
static int32_t fork_height(const struct run *run, int32_t i)
{
    int32_t first = run->start.height;
    int32_t last = run->generate.last_height - 1;

    if (run->options->from == NULL && last > FIRST_SPENDS + 10)
        first = FIRST_SPENDS;
    return first +
           (int32_t)((int64_t)(last - first) * (2 * i + 1) / (2 * run->options->fork_count));
}

static void generate(struct run *run, struct chain_point *end)
{
    struct generator *g = generator_new(&run->generate, &run->start, &run->coins);
    struct buffer block = {0};
    struct prng fork_prng;
    int32_t next_fork = 0;

    run->shown_us = clock_monotonic_us();
    prng_init(&fork_prng, run->generate.seed ^ 1);
    run->forks = calloc((size_t)run->options->fork_count + 1, sizeof *run->forks);
    while (generator_point(g)->height < run->generate.last_height) {
        for (; next_fork < run->options->fork_count &&
               fork_height(run, next_fork) <= generator_point(g)->height;
             next_fork++)
            make_fork(run, g, &fork_prng);
        generator_next(g, &block);
        writer_put(&run->writer, buffer_bytes(&block));
        if (run->writer.error)
            break;
        show_progress(run, generator_point(g));
    }
    *end = *generator_point(g);
    generator_free(g);
    buffer_free(&block);
}

static void print_forks(const struct run *run)
{
    char hex[65];

    printf(", \"forks\": [");
    for (int32_t i = 0; i < run->fork_count; i++) {
        hash_to_hex(hex, run->forks[i].tip.bytes);
        printf("%s{\"from\": %d, \"length\": %d, \"hash\": \"%s\"}", i ? ", " : "",
               (int)run->forks[i].height, (int)run->forks[i].length, hex);
    }
    printf("]");
}

static void print_totals(const struct run *run, const struct chain_point *end)
{
    bool is_json = run->options->is_json;
    char hex[65];
    const struct totals *t = &end->totals;
    const struct {
        const char *name;
        long long value;
    } numbers[] = {
        {"transactions", (long long)t->tx_count}, {"inputs", (long long)t->input_count},
        {"outputs", (long long)t->output_count},  {"coins", (long long)t->coin_count},
        {"amount", (long long)t->amount_sat},     {"fork_blocks", (long long)run->fork_block_count},
        {"size", (long long)run->writer.size},    {"end_time", run->generate.last_time}};

    hash_to_hex(hex, end->hash.bytes);
    printf(is_json ? "{\"height\": %d, \"hash\": \"%s\"" : "height %d\nhash %s\n", (int)end->height,
           hex);
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        printf(is_json ? ", \"%s\": %lld" : "%s %lld\n", numbers[i].name, numbers[i].value);
    if (is_json) {
        print_forks(run);
        printf("}\n");
    }
}

int main(int argc, char **argv)
{
    long cpu_count = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.seed = "caesure",
                              .key_count = KEY_COUNT,
                              .at = -1,
                              .fork_length = 6,
                              .input_count = -1,
                              .thread_count =
                                  cpu_count > 0 && cpu_count <= 64 ? (uint32_t)cpu_count : 1};
    struct run run = {.options = &options};
    struct chain_point end;
    uint8_t digest[32];

    parse_options(&options, argc, argv);
    params_init(&run.params, NETWORK_REGTEST);
    sha256_once(digest, options.seed, strlen(options.seed));

    struct wallet *wallet = wallet_new(
        (struct bytes){(const uint8_t *)options.seed, strlen(options.seed)}, options.key_count);
    struct sign_pool *pool = sign_pool_new(wallet, options.thread_count);

    run.generate = (struct generate_options){
        .params = &run.params, .wallet = wallet, .pool = pool, .seed = le64_read(digest)};

    if (options.from)
        start_from_file(&run);
    else
        start_from_genesis(&run);
    settle_size(&run);
    settle_times(&run);
    open_result(&run);
    generate(&run, &end);
    int error = writer_close(&run.writer);
    if (error)
        fail(options.out, strerror(-error));
    print_totals(&run, &end);
    free(run.forks);
    coin_list_free(&run.coins);
    chain_file_close(&run.given);
    sign_pool_free(pool);
    wallet_free(wallet);
    return 0;
}
