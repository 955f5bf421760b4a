#include "base/arena.h"
#include "base/clock.h"
#include "base/version.h"
#include "convert-bootstrap/convert.h"
#include "convert-bootstrap/core.h"
#include "store/blocks.h"
#include "store/lock.h"
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_LOCKED = 3 };

static void print_help(FILE *out)
{
    fputs(
        "convert-bootstrap [options] FILE\n"
        "convert-bootstrap [options] --from-core DIR FILE\n\n"
        "Changes a file of blocks in place, from the framing of bootstrap.dat (magic, size) to "
        "that of\n"
        "the first Caesure (size in 8 bytes) or back. Killed at any moment, it goes on when run "
        "again.\n"
        "Caesure reads both, so this is for other programs. Refused while a node uses the file.\n\n"
        "With --from-core: copies the blocks of a reference node's directory, such as\n"
        "~/.bitcoin/blocks, into a new FILE, which --import takes. The node there should not run, "
        "or\n"
        "its newest blocks may be left out. Killed, it goes on when run again. Nothing is "
        "verified.\n\n"
        "  --to native|bootstrap   the framing wanted (in place: native; of a copy: bootstrap)\n"
        "  --order chain|file      of a copy: each block after its parent (chain), or as they "
        "come\n"
        "  --chain NAME            main, test, testnet4, signet or regtest (main)\n"
        "  -q, --quiet             no progress\n"
        "  -h, --help              this page\n"
        "  --version               the version\n\n"
        "Ends with 0, 1 for a failure, 2 for wrong usage, 3 while a node uses the file.\n",
        out);
}

struct options {
    const char *from_core, *file;
    enum network network;
    bool is_native, is_bootstrap, is_file_order, is_quiet;
};

enum { OPTION_TO = 256, OPTION_ORDER, OPTION_CHAIN, OPTION_CORE, OPTION_VERSION };

static bool set_choice(const char *option, const char *value, const char *a, const char *b,
                       bool *is_a, bool *is_b)
{
    *is_a = strcmp(value, a) == 0;
    *is_b = strcmp(value, b) == 0;
    if (!*is_a && !*is_b)
        fprintf(stderr, "convert-bootstrap: %s: %s or %s\n", option, a, b);
    return *is_a || *is_b;
}

/* The exit code, or -1 to go on. */
static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option table[] = {{"to", required_argument, NULL, OPTION_TO},
                                          {"order", required_argument, NULL, OPTION_ORDER},
                                          {"chain", required_argument, NULL, OPTION_CHAIN},
                                          {"from-core", required_argument, NULL, OPTION_CORE},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPTION_VERSION},
                                          {0}};
    bool is_good = true, is_chain_order;
    int letter;

    *options = (struct options){.network = NETWORK_MAIN};
    while (is_good && (letter = getopt_long(argc, argv, "qh", table, NULL)) >= 0) {
        switch (letter) {
        case OPTION_TO:
            is_good = set_choice("--to", optarg, "native", "bootstrap", &options->is_native,
                                 &options->is_bootstrap);
            break;
        case OPTION_ORDER:
            is_good = set_choice("--order", optarg, "chain", "file", &is_chain_order,
                                 &options->is_file_order);
            break;
        case OPTION_CHAIN:
            is_good = params_find_network(&options->network, optarg);
            if (!is_good)
                fprintf(stderr, "convert-bootstrap: --chain: main, test, testnet4, signet or "
                                "regtest\n");
            break;
        case OPTION_CORE:
            options->from_core = optarg;
            break;
        case 'q':
            options->is_quiet = true;
            break;
        case 'h':
            print_help(stdout);
            return 0;
        case OPTION_VERSION:
            printf("convert-bootstrap %s\n", caesure_version);
            return 0;
        default:
            is_good = false;
            break;
        }
    }
    if (!is_good || optind + 1 != argc) {
        fprintf(stderr, "usage: convert-bootstrap [--from-core DIR] FILE; --help says more\n");
        return EXIT_USAGE;
    }
    options->file = argv[optind];
    return -1;
}

/* ---- progress ---- */

struct progress {
    uint64_t shown_us;
    bool is_quiet, is_shown;
};

static void show(struct progress *progress, const char *verb, uint64_t at, uint64_t end)
{
    uint64_t now = clock_monotonic_us();

    if (progress->is_quiet || now - progress->shown_us < 1000000)
        return;
    progress->shown_us = now;
    progress->is_shown = true;
    fprintf(stderr, "%s%s %llu of %llu MB (%llu %%)%s", isatty(STDERR_FILENO) ? "\r" : "", verb,
            (unsigned long long)(at / 1000000), (unsigned long long)(end / 1000000),
            (unsigned long long)(end ? at * 100 / end : 100), isatty(STDERR_FILENO) ? "  " : "\n");
}

static void end_progress(const struct progress *progress)
{
    if (progress->is_shown && isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
}

static void show_convert(void *context, bool is_check, uint64_t at, uint64_t end)
{
    show(context, is_check ? "checked" : "converted", at, end);
}

static void show_copy(void *context, bool is_index, uint64_t done, uint64_t all)
{
    show(context, is_index ? "looked through" : "copied", done, all);
}

/* ---- the place ---- */

/* A file in its directory, behind links, that no node uses. */
struct place {
    char directory[PATH_MAX], name[NAME_MAX + 1];
    int locks[2], lock_count;
    struct disk *disk;
};

/* Of a base directory, or what may become one. */
static int lock_directory(struct place *place, const char *directory)
{
    char path[PATH_MAX + 8], text[PATH_MAX + 200];

    snprintf(path, sizeof path, "%s/" LOCK_NAME, directory);
    if (strcmp(place->name, BLOCKS_NAME) != 0 && access(path, F_OK) != 0)
        return 0;
    int lock = lock_take(directory, text, sizeof text);
    if (lock < 0) {
        fprintf(stderr, "convert-bootstrap: %s\n", text);
        return lock == -EAGAIN || lock == -EWOULDBLOCK ? EXIT_LOCKED : EXIT_FAILED;
    }
    place->locks[place->lock_count++] = lock;
    return 0;
}

static int fail_errno(const char *path, int error)
{
    fprintf(stderr, "convert-bootstrap: %s: %s\n", path, strerror(error));
    return EXIT_FAILED;
}

/* The directory that file's last name is in. */
static int split(const char *file, char directory[PATH_MAX], char name[NAME_MAX + 1])
{
    char copy[PATH_MAX], again[PATH_MAX];

    if (strlen(file) >= sizeof copy || strlen(file) == 0)
        return fail_errno(file, strlen(file) ? ENAMETOOLONG : ENOENT);
    memcpy(copy, file, strlen(file) + 1);
    memcpy(again, file, strlen(file) + 1);
    const char *last = basename(again);
    if (strlen(last) + sizeof ".convert.new" > NAME_MAX)
        return fail_errno(file, ENAMETOOLONG);
    memcpy(name, last, strlen(last) + 1);
    return realpath(dirname(copy), directory) ? 0 : fail_errno(file, errno);
}

static void leave(struct place *place)
{
    if (place->disk)
        disk_close(place->disk);
    while (place->lock_count > 0)
        lock_release(place->locks[--place->lock_count]);
}

/* 0 or the exit code. A link is followed; both its own directory and its target's are locked. */
static int enter(struct place *place, const char *file)
{
    char real[PATH_MAX], real_directory[PATH_MAX];
    int code;

    *place = (struct place){.lock_count = 0};
    if ((code = split(file, place->directory, place->name)) != 0 ||
        (code = lock_directory(place, place->directory)) != 0)
        return code;
    if (realpath(file, real)) {
        if ((code = split(real, real_directory, place->name)) != 0)
            return code;
        if (strcmp(real_directory, place->directory) != 0) {
            memcpy(place->directory, real_directory, sizeof real_directory);
            if ((code = lock_directory(place, place->directory)) != 0)
                return code;
        }
    }
    int error = disk_open_plain(&place->disk, place->directory);
    return error < 0 ? fail_errno(place->directory, -error) : 0;
}

/* One of us at a time; the descriptor stays open to the end. */
static int lock_file(const struct place *place)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX + NAME_MAX + 2];

    snprintf(path, sizeof path, "%s/%s", place->directory, place->name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    if (fd < 0)
        return fail_errno(path, errno);
    fprintf(stderr, "convert-bootstrap: another one works on %s\n", path);
    close(fd);
    return EXIT_LOCKED;
}

static int convert_in_place(const struct options *options, const struct params *params,
                            struct place *place)
{
    struct progress progress = {.is_quiet = options->is_quiet};
    struct conversion conversion = {.disk = place->disk,
                                    .name = place->name,
                                    .magic = le32_read(params->magic),
                                    .to_native = !options->is_bootstrap,
                                    .progress = show_convert,
                                    .context = &progress};
    char text[CONVERT_TEXT_SIZE];
    int code = lock_file(place);

    if (code != 0)
        return code;
    int error = convert(&conversion, text);
    end_progress(&progress);
    if (error < 0) {
        fprintf(stderr, "convert-bootstrap: %s\n", text);
        return EXIT_FAILED;
    }
    printf("%s%llu blocks, %llu changed\n", conversion.is_resumed ? "resumed: " : "",
           (unsigned long long)conversion.record_count,
           (unsigned long long)conversion.changed_count);
    return 0;
}

static int copy_from_core(const struct options *options, const struct params *params,
                          struct place *place)
{
    struct progress progress = {.is_quiet = options->is_quiet};
    struct core_copy copy = {.target = place->disk,
                             .name = place->name,
                             .params = params,
                             .is_native = options->is_native,
                             .is_file_order = options->is_file_order,
                             .sync_size = CORE_SYNC_SIZE,
                             .progress = show_copy,
                             .context = &progress};
    char text[CORE_TEXT_SIZE];
    int error = disk_open_plain(&copy.source, options->from_core);

    if (error < 0)
        return fail_errno(options->from_core, -error);
    error = core_copy(&copy, text);
    disk_close(copy.source);
    end_progress(&progress);
    if (error < 0) {
        fprintf(stderr, "convert-bootstrap: %s\n", text);
        return EXIT_FAILED;
    }
    printf("%llu files; %llu blocks copied, %llu there from an earlier run, %llu doubles and %llu "
           "without a way to the genesis block left out, %llu bytes between records skipped\n",
           (unsigned long long)copy.file_count, (unsigned long long)copy.block_count,
           (unsigned long long)copy.kept_count, (unsigned long long)copy.double_count,
           (unsigned long long)copy.orphan_count, (unsigned long long)copy.skipped_size);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options;
    struct place *place = xcalloc(1, sizeof *place);
    struct params *params = xmalloc(sizeof *params);
    int code = parse_options(&options, argc, argv);

    if (code < 0) {
        params_init(params, options.network);
        code = enter(place, options.file);
        if (code == 0)
            code = options.from_core ? copy_from_core(&options, params, place)
                                     : convert_in_place(&options, params, place);
        leave(place);
    }
    free(params);
    free(place);
    return code;
}
