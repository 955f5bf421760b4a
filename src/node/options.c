#include "node/options.h"

#include "base/arena.h"
#include "base/hex.h"
#include "io/uring_features.h"
#include "node/exit_code.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_SIZE_MAX    (1 << 20)
#define HORIZON_DEFAULT  100
#define NEAREST_DISTANCE 2 /* edits at which an unknown option still looks like a known one */

enum kind {
    FLAG,
    NUMBER,
    SIZE,    /* bytes, with K, M, G or T for powers of 1024 */
    TEXT,    /* not empty */
    LIST,    /* TEXT, any number of times */
    CHAIN,   /* a network's name */
    MONITOR, /* TEXT or nothing: the default path */
    FEATURE, /* a name of uring_features.h, any number of times */
    HASH_OR_0,
    HEX,
    ACTIVATION,
    SHOW_HELP,
    SHOW_VERSION,
};

struct option {
    char letter; /* 0: none */
    const char *name, *value, *help;
    enum kind kind;
    size_t offset; /* in struct options */
    int64_t min, max;
    const char *later; /* the part it belongs to, where that is not in this version */
};

#define OPTION(letter_, name_, value_, kind_, field, help_)                                        \
    .letter = letter_, .name = name_, .value = value_, .kind = kind_,                              \
    .offset = offsetof(struct options, field), .help = help_

/* In the order of --help; an entry without a name begins a group. */
/* clang-format off */
static const struct option table[] = {
    {.help = "Chain and storage"},
    {OPTION('b', "base", "DIR", TEXT, base, "base directory (" OPTIONS_BASE_DEFAULT ")")},
    {OPTION(0, "chain", "NAME", CHAIN, network, "main, test, testnet4, signet or regtest (main)")},
    {OPTION('t', "testnet", NULL, FLAG, is_testnet, "the same as --chain test")},
    {OPTION(0, "import", "FILE", TEXT, import, "verify the blocks of FILE (bootstrap.dat)")},
    {OPTION(0, "exit-when-synced", NULL, FLAG, exit_when_synced, "end when every block of the import has its verdict")},
    {OPTION(0, "horizon", "N", NUMBER, horizon, "recent blocks kept as worlds of their own, 20 to 512 (100)"),
     .min = OPTIONS_HORIZON_MIN, .max = OPTIONS_HORIZON_MAX},

    {.help = "Verification"},
    {OPTION('j', "threads", "N", NUMBER, threads, "threads that verify, 1 to 256 (the number of cores)"),
     .min = 1, .max = OPTIONS_THREADS_MAX},
    {OPTION(0, "assumevalid", "HASH", HASH_OR_0, assumevalid, "skip scripts below this block; 0: check every script")},
    {OPTION(0, "minimumchainwork", "HEX", HEX, minimumchainwork, "a chain with less work is not the real one")},
    {OPTION(0, "testactivationheight", "NAME@H", ACTIVATION, activations, "regtest: move segwit, bip34, dersig, cltv or csv")},
    {OPTION(0, "bip94", NULL, FLAG, is_bip94, "regtest: the rules of BIP94")},

    {.help = "Operation"},
    {OPTION('m', "monitor", "PATH", MONITOR, monitor, "answer commands on this unix socket (" OPTIONS_MONITOR_DEFAULT ")")},
    {OPTION(0, "uring-without", "FEATURE", FEATURE, uring_without, "do without a feature of io_uring (for tests)")},
    {OPTION('h', "help", NULL, SHOW_HELP, network, "show this page")},
    {OPTION(0, "version", NULL, SHOW_VERSION, network, "show the version")},

    {.help = "Network"},
    {OPTION('o', "outgoing", "N", NUMBER, outgoing, "automatic outgoing connections (10)"), .max = 1000},
    {OPTION('i', "incoming", "N", NUMBER, incoming, "incoming connections (10)"), .max = 10000},
    {OPTION('s', "serve", "ADDR", LIST, serve, "listen here, any number of times")},
    {OPTION('c', "connect", "ADDR", LIST, connect, "keep a connection there; with -o 0 only these")},
    {OPTION(0, "external", "ADDR", LIST, external, "our own address, told to peers once synced, up to 8 times")},
    {OPTION(0, "proxy", "ADDR", TEXT, proxy, "all we call, names too, by this SOCKS5 proxy (port 9050)")},
    {OPTION(0, "no-dns", NULL, FLAG, is_without_dns, "ask no DNS seed")},
    {OPTION(0, "v1only", NULL, FLAG, is_v1only, "no encrypted transport")},
    {OPTION(0, "max-upload", "BYTES", SIZE, max_upload, "bytes a day, such as 20G, above which old blocks are refused")},
    {OPTION('r', "relay", NULL, FLAG, is_relay, "relay transactions"), .later = "transaction relay"},
    {OPTION('v', "verbose", NULL, FLAG, is_verbose, "show the packet flow")},
    {OPTION(0, "packet", NULL, FLAG, is_packet, "log all packets")},

    {.help = "Service"},
    {OPTION('a', "webui", NULL, FLAG, is_webui, "the web page"), .later = "the web page"},
    {OPTION('u', "user", "USER:PASS", TEXT, user, "who may see the web page"), .later = "the web page"},
    {OPTION(0, "metrics", "ADDR:PORT", TEXT, metrics, "figures for Prometheus over HTTP; only a port: on 127.0.0.1")},
    {OPTION(0, "logfile", "PATH", TEXT, logfile, "log as text, too")},
    {OPTION(0, "daemon", NULL, FLAG, is_daemon, "run in the background, once everything is open")},
    {OPTION(0, "pidfile", "PATH", TEXT, pidfile, "write the process id there")},
};
/* clang-format on */

enum level { UNSET, FROM_ENVIRONMENT, FROM_FILE, FROM_COMMAND_LINE };

struct parser {
    struct options *options;
    struct text *message;
    enum level levels[ARRAY_COUNT(table)];
    enum options_result result;
};

__attribute__((format(printf, 2, 3))) static bool bad(struct parser *parser, const char *format,
                                                      ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    text_clear(parser->message);
    text_init(parser->message, sizeof line);
    text_printf(parser->message, "%s", line);
    return false;
}

/* ---- values ---- */

/* Digits only, so that no sign, blank or rounding slips through. */
static bool read_number(const char *text, size_t size, int64_t *number)
{
    int64_t v = 0;

    if (size == 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text[i] - '0', &v))
            return false;
    }
    *number = v;
    return true;
}

static bool read_size(const char *text, int64_t *number)
{
    static const char units[] = "KMGT";
    size_t size = strlen(text);
    const char *unit = size ? strchr(units, text[size - 1]) : NULL;
    int64_t scale = unit ? (int64_t)1 << (10 * (unit - units + 1)) : 1;

    return read_number(text, unit ? size - 1 : size, number) &&
           !__builtin_mul_overflow(*number, scale, number);
}

static bool list_add(struct option_list *list, const char *value)
{
    if (list->count == OPTIONS_LIST_MAX)
        return false;
    list->items[list->count++] = value;
    return true;
}

static bool is_hex(const char *text, size_t size_max)
{
    size_t size = strlen(text);

    return size > 0 && size <= size_max && strspn(text, "0123456789abcdefABCDEF") == size;
}

#define WANTED_SIZE 80

/* Stores value in field; NULL, or what it should have been (which may be written to wanted). */
static const char *store(const struct option *option, void *field, const char *value,
                         char wanted[WANTED_SIZE])
{
    struct params scratch;
    uint8_t hash[32];
    uint32_t feature;

    switch (option->kind) {
    case FLAG:
        *(bool *)field = true;
        return NULL;
    case NUMBER:
        snprintf(wanted, WANTED_SIZE, "a number from %lld to %lld", (long long)option->min,
                 (long long)option->max);
        if (!read_number(value, strlen(value), field) || *(int64_t *)field < option->min ||
            *(int64_t *)field > option->max)
            return wanted;
        return NULL;
    case SIZE:
        return read_size(value, field) ? NULL : "a number of bytes, such as 5000 or 20G";
    case TEXT:
        *(const char **)field = value;
        return *value ? NULL : "a text that is not empty";
    case MONITOR:
        *(const char **)field = value ? value : OPTIONS_MONITOR_DEFAULT;
        return !value || *value ? NULL : "a path";
    case LIST:
        if (!*value)
            return "a text that is not empty";
        return list_add(field, value) ? NULL : "given at most 64 times";
    case CHAIN:
        return params_find_network(field, value) ? NULL : "main, test, testnet4, signet or regtest";
    case FEATURE:
        feature = uring_feature_find(value);
        *(uint32_t *)field |= feature;
        return feature ? NULL
                       : "single-issuer, defer-taskrun, buffer-ring, multishot-accept, "
                         "multishot-recv or cancel-fd";
    case HASH_OR_0:
        *(const char **)field = value;
        return strcmp(value, "0") == 0 || hash_from_hex(hash, value) ? NULL : "64 hex digits or 0";
    case HEX:
        *(const char **)field = value;
        return is_hex(value, 64) ? NULL : "1 to 64 hex digits";
    case ACTIVATION:
        params_init(&scratch, NETWORK_REGTEST);
        if (!params_set_activation(&scratch, value))
            return "NAME@HEIGHT with the name segwit, bip34, dersig, cltv or csv";
        return list_add(field, value) ? NULL : "given at most 64 times";
    case SHOW_HELP:
    case SHOW_VERSION:
        return NULL;
    }
    return NULL;
}

static bool is_repeatable(enum kind kind)
{
    return kind == LIST || kind == FEATURE || kind == ACTIVATION;
}

/* A stronger source replaces what a weaker one gave, lists as a whole. */
static void forget(const struct option *option, void *field)
{
    if (option->kind == FEATURE)
        *(uint32_t *)field = 0;
    else if (option->kind == LIST || option->kind == ACTIVATION)
        ((struct option_list *)field)->count = 0;
}

/* shown is the option as the operator wrote it. */
static bool set(struct parser *parser, const struct option *option, const char *shown,
                const char *value, enum level level)
{
    enum level *old_level = &parser->levels[option - table];
    struct options scratch = {.network = NETWORK_MAIN};
    char buffer[WANTED_SIZE];
    void *field = (char *)parser->options + option->offset;

    if (option->later)
        return bad(parser, "%s: %s is not in this version", shown, option->later);
    if (option->kind == SHOW_HELP || option->kind == SHOW_VERSION) {
        if (parser->result == OPTIONS_RUN)
            parser->result = option->kind == SHOW_HELP ? OPTIONS_HELP : OPTIONS_VERSION;
        return true;
    }
    if (option->kind == MONITOR && !value && *old_level == level)
        return true; /* -m says nothing that --monitor PATH did not */
    if (*old_level == level && !is_repeatable(option->kind) && option->kind != FLAG)
        return bad(parser, "%s is given twice", shown);
    if (*old_level > level)
        field = (char *)&scratch + option->offset; /* checked, not used */
    else if (*old_level < level)
        forget(option, field);
    const char *wanted = store(option, field, value, buffer);
    if (wanted)
        return bad(parser, "%s: '%s' is not %s", shown, value, wanted);
    if (*old_level < level)
        *old_level = level;
    return true;
}

/* ---- names ---- */

static const struct option *find(const char *name, size_t size, char letter)
{
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        const struct option *option = &table[i];
        if (!option->name)
            continue;
        if (letter ? option->letter == letter
                   : strlen(option->name) == size && memcmp(option->name, name, size) == 0)
            return option;
    }
    return NULL;
}

/* Insertions, deletions and changes from a to b; a is at most 40 long. */
static size_t distance(const char *a, size_t a_size, const char *b)
{
    size_t row[41];

    for (size_t i = 0; i <= a_size; i++)
        row[i] = i;
    for (size_t j = 1; b[j - 1]; j++) {
        size_t diagonal = row[0];
        row[0] = j;
        for (size_t i = 1; i <= a_size; i++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[i];
            size_t other = (row[i - 1] < row[i] ? row[i - 1] : row[i]) + 1;
            row[i] = change < other ? change : other;
        }
    }
    return row[a_size];
}

/* The option that name was meant to be, or NULL. The beginning of just one is that one. */
static const struct option *nearest(const char *name, size_t size)
{
    const struct option *best = NULL;
    const struct option *begun = NULL;
    size_t best_distance = NEAREST_DISTANCE + 1;
    unsigned begun_count = 0;

    if (size > 40)
        return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        const struct option *option = &table[i];
        if (!option->name || option->later)
            continue;
        size_t d = distance(name, size, option->name);
        if (d < best_distance) {
            best_distance = d;
            best = option;
        }
        if (size >= 3 && strncmp(option->name, name, size) == 0) {
            begun = option;
            begun_count++;
        }
    }
    return begun_count == 1 ? begun : best;
}

static bool unknown(struct parser *parser, const char *word, const char *name, size_t size)
{
    const struct option *option = nearest(name, size);

    if (option)
        return bad(parser, "there is no option %s; did you mean --%s?", word, option->name);
    return bad(parser, "there is no option %s; --help lists them", word);
}

/* ---- words ---- */

static bool read_words(struct parser *parser, char *const *words, enum level level);

static bool long_option(struct parser *parser, char *const **words, enum level level)
{
    const char *word = **words;
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
    const struct option *option = find(word + 2, size, 0);
    const char *value = equals ? equals + 1 : NULL;
    char shown[48];

    if (!option)
        return unknown(parser, word, word + 2, size);
    snprintf(shown, sizeof shown, "--%s", option->name);
    if (!option->value && value)
        return bad(parser, "%s takes no value", shown);
    const char *next = (*words)[1];
    if (option->kind == MONITOR && (!next || next[0] == '-' || next[0] == '@'))
        return set(parser, option, shown, value, level);
    if (option->value && !value) {
        if (!next)
            return bad(parser, "%s wants %s after it", shown, option->value);
        value = next;
        (*words)++;
    }
    return set(parser, option, shown, value, level);
}

/* -j4, -j 4, and flags together: -tm. */
static bool letters(struct parser *parser, char *const **words, enum level level)
{
    for (const char *at = **words + 1; *at; at++) {
        const struct option *option = find(NULL, 0, *at);
        char shown[3] = {'-', *at, 0};

        if (!option)
            return bad(parser, "there is no option %s; --help lists them", shown);
        if (!option->value || option->kind == MONITOR) {
            if (!set(parser, option, shown, NULL, level))
                return false;
            continue;
        }
        const char *value = at + 1;
        if (!*value) {
            value = (*words)[1];
            if (!value)
                return bad(parser, "%s wants %s after it", shown, option->value);
            (*words)++;
        }
        return set(parser, option, shown, value, level);
    }
    return true;
}

/* Splits text in place at blanks and line ends; "…" and '…' hold blanks, # begins a comment. The
 * list of words ends with NULL. False on a quote that does not end. */
static bool split(char *text, char **words)
{
    char *out = text;

    while (*text) {
        text += strspn(text, " \t\r\n");
        if (*text == '#') {
            text += strcspn(text, "\n");
            continue;
        }
        if (!*text)
            break;
        *words++ = out;
        while (*text && !strchr(" \t\r\n", *text)) {
            char quote = *text == '"' || *text == '\'' ? *text++ : 0;
            if (!quote) {
                *out++ = *text++;
                continue;
            }
            char *end = strchr(text, quote);
            if (!end)
                return false;
            memmove(out, text, (size_t)(end - text));
            out += end - text;
            text = end + 1;
        }
        bool is_last = !*text;
        text += !is_last;
        *out++ = 0;
        if (is_last)
            break;
    }
    *words = NULL;
    return true;
}

/* Memory of the files: a chain of these, so that every string stays. */
struct file_memory {
    struct file_memory *next;
    char *words[FILE_SIZE_MAX / 2 + 2];
    char text[FILE_SIZE_MAX + 2];
};

static bool read_file(struct parser *parser, const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return bad(parser, "@%s: %s", path, strerror(errno));
    struct file_memory *memory = xmalloc(sizeof *memory);
    memory->next = parser->options->memory;
    parser->options->memory = memory;
    size_t size = fread(memory->text, 1, FILE_SIZE_MAX + 1, file);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    memory->text[size] = 0;
    if (error)
        return bad(parser, "@%s: %s", path, strerror(error));
    if (size > FILE_SIZE_MAX || strlen(memory->text) != size)
        return bad(parser, "@%s is not a text of options", path);
    if (!split(memory->text, memory->words))
        return bad(parser, "@%s: a quote does not end", path);
    return read_words(parser, memory->words, FROM_FILE);
}

static bool read_words(struct parser *parser, char *const *words, enum level level)
{
    for (; *words; words++) {
        const char *word = *words;
        bool is_good;

        if (word[0] == '@' && level == FROM_FILE)
            return bad(parser, "%s: a file of options cannot name another", word);
        if (word[0] == '@')
            is_good = read_file(parser, word + 1);
        else if (word[0] == '-' && word[1] == '-' && word[2])
            is_good = long_option(parser, &words, level);
        else if (word[0] == '-' && word[1] && word[1] != '-')
            is_good = letters(parser, &words, level);
        else
            return bad(parser, "'%s' is not an option; --help lists them", word);
        if (!is_good)
            return false;
    }
    return true;
}

/* CAESURE_EXIT_WHEN_SYNCED=1. A name that is no option is only warned of: it may be somebody
 * else's. */
static bool read_environment(struct parser *parser, char *const *envp)
{
    static const char prefix[] = "CAESURE_";

    for (; *envp; envp++) {
        const char *equals = strchr(*envp, '=');
        char name[41];
        char shown[64];

        if (!equals || strncmp(*envp, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *from = *envp + sizeof prefix - 1;
        size_t size = (size_t)(equals - from);
        if (size >= sizeof name)
            continue;
        for (size_t i = 0; i < size; i++)
            name[i] = from[i] == '_'                     ? '-'
                      : from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32)
                      : from[i] >= '0' && from[i] <= '9' ? from[i]
                                                         : 0;
        name[size] = 0;
        snprintf(shown, sizeof shown, "%.*s", (int)(equals - *envp), *envp);
        const struct option *option = find(name, size, 0);
        if (!option) {
            const struct option *meant = nearest(name, size);
            if (meant)
                text_printf(parser->message, "%s in the environment is no option; --%s is one\n",
                            shown, meant->name);
            continue;
        }
        const char *value = equals + 1;
        if (!option->value && strcmp(value, "0") == 0)
            continue;
        if (!option->value && strcmp(value, "1") != 0)
            return bad(parser, "%s: '%s' is not 0 or 1", shown, value);
        if (!set(parser, option, shown, value, FROM_ENVIRONMENT))
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static enum level level_of(const struct parser *parser, const char *name)
{
    return parser->levels[find(name, strlen(name), 0) - table];
}

/* -t and --chain name one thing: the stronger source counts, and equals must agree. */
static bool settle_network(struct parser *parser)
{
    struct options *options = parser->options;
    enum level testnet = level_of(parser, "testnet");
    enum level chain = level_of(parser, "chain");

    if (!testnet || testnet < chain)
        return true;
    if (testnet == chain && options->network != NETWORK_TEST)
        return bad(parser, "-t and --chain contradict each other");
    options->network = NETWORK_TEST;
    return true;
}

static bool settle(struct parser *parser)
{
    const struct options *options = parser->options;

    if (options->serve.count > 0 && options->incoming == 0)
        return bad(parser, "--serve and -i 0 contradict each other: nobody could connect");
    if (options->network == NETWORK_REGTEST)
        return true;
    if (options->activations.count > 0)
        return bad(parser, "--testactivationheight works with --chain regtest only");
    if (options->is_bip94)
        return bad(parser, "--bip94 works with --chain regtest only");
    return true;
}

enum options_result options_parse(struct options *options, char *const *argv, char *const *envp,
                                  struct text *message)
{
    struct parser parser = {.options = options, .message = message, .result = OPTIONS_RUN};

    *options = (struct options){
        .network = NETWORK_MAIN,
        .base = OPTIONS_BASE_DEFAULT,
        .horizon = HORIZON_DEFAULT,
        .outgoing = 10,
        .incoming = 10,
    };
    text_init(message, 4096);
    if (!read_environment(&parser, envp) ||
        !read_words(&parser, argv[0] ? argv + 1 : argv, FROM_COMMAND_LINE))
        return OPTIONS_BAD;
    if (!settle_network(&parser) || !settle(&parser))
        return OPTIONS_BAD;
    return parser.result;
}

void options_clear(struct options *options)
{
    struct file_memory *memory = options->memory;

    while (memory) {
        struct file_memory *next = memory->next;
        free(memory);
        memory = next;
    }
    options->memory = NULL;
}

void options_params(const struct options *options, struct params *params)
{
    bool is_good = true;

    params_init(params, options->network);
    for (size_t i = 0; i < options->activations.count; i++)
        is_good = is_good && params_set_activation(params, options->activations.items[i]);
    if (options->assumevalid)
        is_good = is_good && params_set_assumed_valid(params, options->assumevalid);
    if (options->minimumchainwork)
        is_good = is_good && params_set_minimum_chain_work(params, options->minimumchainwork);
    if (options->is_bip94)
        params->is_bip94 = true;
    assert(is_good); /* options_parse took them */
}

char *options_directory(const struct options *options)
{
    static const char *const folders[NETWORK_COUNT] = {"", "/test", "/testnet4", "/signet",
                                                       "/regtest"};
    const char *folder = folders[options->network];
    size_t size = strlen(options->base) + strlen(folder) + 1;
    char *path = xmalloc(size);

    snprintf(path, size, "%s%s", options->base, folder);
    return path;
}

static bool group_works(size_t index)
{
    for (size_t i = index + 1; i < ARRAY_COUNT(table) && table[i].name; i++)
        if (!table[i].later)
            return true;
    return false;
}

void options_help(struct text *text)
{
    text_printf(text, "caesure [OPTION ...] [@FILE ...]    a full Bitcoin node\n");
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        const struct option *option = &table[i];
        char left[64];

        if (!option->name && group_works(i))
            text_printf(text, "\n%s\n", option->help);
        if (!option->name || option->later)
            continue;
        int used = option->letter
                       ? snprintf(left, sizeof left, "  -%c, --%s", option->letter, option->name)
                       : snprintf(left, sizeof left, "      --%s", option->name);
        if (option->value)
            snprintf(left + used, sizeof left - (size_t)used,
                     option->kind == MONITOR ? " [%s]" : " %s", option->value);
        text_printf(text, "%-37s%s\n", left, option->help);
    }
    text_printf(text, "\nThe same from a file, @FILE, and from the environment: CAESURE_BASE=DIR, "
                      "CAESURE_TESTNET=1.\nThe command line is stronger than the file, and that "
                      "stronger than the environment.\n\nExit codes\n");
#define X(constant, number, meaning) text_printf(text, "  %2d  %s\n", number, meaning);
    EXIT_CODES(X)
#undef X
}
