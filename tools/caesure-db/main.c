#include "base/arena.h"
#include "base/version.h"
#include "caesure-db/session.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BASE_DEFAULT "/usr/local/caesure"
#define THREADS_MAX  256

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_help(FILE *out)
{
    struct text text;

    text_init(&text, 1 << 16);
    session_help(&text);
    fprintf(
        out,
        "caesure-db [options] [COMMAND ...]: looks into a base directory, also while a node runs "
        "there;\n"
        "writes nothing. Without a command it asks for them.\n\n%s\n"
        "  -b, --base DIR    the base directory (" BASE_DEFAULT ")\n"
        "  --chain NAME      main, test, testnet4, signet or regtest (main)\n"
        "  -t, --testnet     the same as --chain test\n"
        "  --json            each answer as one line of JSON\n"
        "  -j, --threads N   for tx without a block and for verify (the processors)\n"
        "  -q, --quiet       no progress\n"
        "  -h, --help        this page\n"
        "  --version         the version\n\n"
        "Ends with 0, 1 for an error or damage found, 2 for wrong usage.\n",
        text_cstr(&text));
    text_clear(&text);
}

struct options {
    const char *base;
    enum network network;
    unsigned thread_count;
    bool is_json, is_quiet;
};

enum { OPTION_CHAIN = 256, OPTION_JSON, OPTION_VERSION };

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (unsigned)count;
}

/* The exit code, or -1 to go on. */
static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option table[] = {{"base", required_argument, NULL, 'b'},
                                          {"chain", required_argument, NULL, OPTION_CHAIN},
                                          {"testnet", no_argument, NULL, 't'},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"threads", required_argument, NULL, 'j'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPTION_VERSION},
                                          {0}};
    int letter;

    *options = (struct options){BASE_DEFAULT, NETWORK_MAIN, processors(), false, false};
    while ((letter = getopt_long(argc, argv, "b:tj:qh", table, NULL)) >= 0) {
        switch (letter) {
        case 'b':
            options->base = optarg;
            break;
        case OPTION_CHAIN:
            if (!params_find_network(&options->network, optarg)) {
                fprintf(stderr, "caesure-db: --chain: main, test, testnet4, signet or regtest\n");
                return EXIT_USAGE;
            }
            break;
        case 't':
            options->network = NETWORK_TEST;
            break;
        case OPTION_JSON:
            options->is_json = true;
            break;
        case 'j':
            options->thread_count = (unsigned)strtoul(optarg, NULL, 10);
            if (options->thread_count < 1 || options->thread_count > THREADS_MAX) {
                fprintf(stderr, "caesure-db: -j: 1 to %d\n", THREADS_MAX);
                return EXIT_USAGE;
            }
            break;
        case 'q':
            options->is_quiet = true;
            break;
        case 'h':
            print_help(stdout);
            return 0;
        case OPTION_VERSION:
            printf("caesure-db %s\n", caesure_version);
            return 0;
        default:
            fprintf(stderr, "caesure-db --help shows the options\n");
            return EXIT_USAGE;
        }
    }
    return -1;
}

/* Runs one command and prints its answer: whether it succeeded. */
static bool ask(struct session *session, char *const *words, int count)
{
    struct answer answer;

    session_ask(session, words, count, &answer);

    bool is_good = !answer.is_failed;

    fwrite(answer.text.data, 1, answer.text.size, stdout);
    answer_clear(&answer);
    return fflush(stdout) == 0 && is_good;
}

static bool is_word(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* Asks for commands until the input ends: whether all succeeded. */
static bool prompt(struct session *session)
{
    const char *sign = isatty(STDIN_FILENO) ? ">>> " : "";
    size_t capacity = 0;
    char *line = NULL;
    bool is_good = true;

    while (printf("%s", sign), fflush(stdout), getline(&line, &capacity, stdin) >= 0) {
        char *words[WORDS_MAX + 1], *rest = NULL;
        int count = 0;

        for (char *word = strtok_r(line, " \t\r\n", &rest); word && count <= WORDS_MAX;
             word = strtok_r(NULL, " \t\r\n", &rest))
            words[count++] = word;
        if (count == 0)
            continue;
        if (is_word(words[0], "quit", "exit"))
            break;
        if (is_word(words[0], "help", "?")) {
            print_help(stdout);
            continue;
        }
        is_good = ask(session, words, count) && is_good;
    }
    free(line);
    return is_good;
}

static char *directory_of(const struct options *options, const struct params *params)
{
    size_t size = strlen(options->base) + strlen(params->name) + 2;
    char *directory = xmalloc(size);

    if (options->network == NETWORK_MAIN)
        snprintf(directory, size, "%s", options->base);
    else
        snprintf(directory, size, "%s/%s", options->base, params->name);
    return directory;
}

int main(int argc, char **argv)
{
    struct params *params = xmalloc(sizeof *params);
    char error[VIEW_ERROR_SIZE];
    struct options options;
    int code = parse_options(&options, argc, argv);

    if (code >= 0) {
        free(params);
        return code;
    }
    params_init(params, options.network);

    struct session session = {.directory = directory_of(&options, params),
                              .params = params,
                              .thread_count = options.thread_count,
                              .is_json = options.is_json,
                              .is_quiet = options.is_quiet};
    bool is_one = optind < argc;
    bool needs_view = !is_one || strcmp(argv[optind], "script") != 0;
    if (needs_view && !view_open(&session.view, session.directory, params, error)) {
        fprintf(stderr, "caesure-db: %s\n", error);
        code = EXIT_FAILED;
    } else {
        bool is_good = is_one ? ask(&session, argv + optind, argc - optind) : prompt(&session);
        code = is_good ? 0 : EXIT_FAILED;
    }
    view_close(&session.view);
    free(session.directory);
    free(params);
    return code;
}
