/* What a confined process can still touch, and what not. */
#include "node/sandbox.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[64];

static const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_forbidden(const char *path, int flags)
{
    return !can_open(path, flags) && errno == EACCES;
}

static bool can_listen(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    bool is_good = bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
    close(fd);
    return is_good;
}

#define WRITE_NEW (O_WRONLY | O_CREAT)

/* In the child, confined. NULL, or what is not as it should be. */
static const char *try_base(void)
{
    if (!can_open(at("base/new"), WRITE_NEW) || !can_open(at("base/new"), O_RDWR | O_TRUNC))
        return "make and change a file of the base directory";
    if (mkdir(at("base/ledger/sub"), 0700) < 0 || !can_open(at("base/ledger/sub/file"), WRITE_NEW))
        return "make a directory there";
    if (rename(at("base/new"), at("base/newer")) < 0 || unlink(at("base/newer")) < 0)
        return "rename and remove there";
    if (!can_open(at("base/blocks.bin"), O_RDWR))
        return "a block file that is a link";
    if (!is_forbidden(at("base/link"), O_RDONLY))
        return "any other link";
    return NULL;
}

static const char *try_named(void)
{
    if (!can_open(at("import/file"), O_RDONLY) || !is_forbidden(at("import/file"), O_RDWR) ||
        !is_forbidden(at("import/other"), O_RDONLY))
        return "the import file, to be read, and no other";
    if (!can_open(at("log/text"), WRITE_NEW) || rename(at("log/text"), at("log/text.1")) < 0 ||
        !can_open(at("log/text"), WRITE_NEW))
        return "the log, moved away and made anew";
    if (!can_listen(at("run/socket")) || unlink(at("run/socket")) < 0 ||
        !is_forbidden(at("run/file"), WRITE_NEW))
        return "the socket, and nothing else beside it";
    if (unlink(at("pid/file")) < 0 || !is_forbidden(at("pid/file"), WRITE_NEW))
        return "the pid file, to be removed";
    return NULL;
}

static const char *try_others(void)
{
    if (!is_forbidden(at("other/file"), O_RDONLY) || !is_forbidden(at("other/new"), WRITE_NEW) ||
        !is_forbidden(at("other"), O_RDONLY | O_DIRECTORY))
        return "what nobody named";
    if (unlink(at("other/file")) == 0 || mkdir(at("other/sub"), 0700) == 0 ||
        truncate(at("other/file"), 0) == 0 || rename(at("base/kept"), at("other/kept")) == 0)
        return "change what nobody named";
    if (!can_open("/etc/passwd", O_RDONLY) || !can_open("/proc/self/statm", O_RDONLY) ||
        !is_forbidden("/etc/caesure-test", WRITE_NEW))
        return "the system's files, to be read";
    execl("/bin/true", "true", (char *)NULL);
    return errno == EACCES ? NULL : "run a program";
}

static int confined(void)
{
    char paths[4][128];
    static const char *const names[] = {"import/file", "log/text", "run/socket", "pid/file"};
    static const char *(*const tries[])(void) = {try_base, try_named, try_others};
    struct options options = {.is_daemon = false};

    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        snprintf(paths[i], sizeof paths[i], "%s", at(names[i]));
    options.import = paths[0];
    options.logfile = paths[1];
    options.monitor = paths[2];
    options.pidfile = paths[3];
    int error = sandbox_enter(&options, at("base"));
    if (error == -ENOSYS || error == -EOPNOTSUPP)
        return 77;
    if (error < 0)
        return 2;
    for (size_t i = 0; i < ARRAY_COUNT(tries); i++) {
        const char *wrong = tries[i]();
        if (!wrong)
            continue;
        fprintf(stderr, "wrong: %s (%s)\n", wrong, strerror(errno));
        return 1;
    }
    return 0;
}

START_TEST(only_what_was_named_can_be_touched)
{
    static const char *const directories[] = {"base", "base/ledger", "import", "log",
                                              "run",  "pid",         "other",  "disk"};
    static const char *const files[] = {"import/file", "import/other", "pid/file",
                                        "other/file",  "disk/blocks",  "base/kept"};
    int status;

    snprintf(top, sizeof top, "/tmp/caesure-sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    for (size_t i = 0; i < ARRAY_COUNT(directories); i++)
        ck_assert_int_eq(mkdir(at(directories[i]), 0700), 0);
    for (size_t i = 0; i < ARRAY_COUNT(files); i++)
        ck_assert(can_open(at(files[i]), WRITE_NEW));
    ck_assert_int_eq(symlink(at("disk/blocks"), at("base/blocks.bin")), 0);
    ck_assert_int_eq(symlink(at("other/file"), at("base/link")), 0);

    pid_t child = fork();
    if (child == 0)
        _exit(confined());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        printf("SKIP this kernel has no Landlock\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);

    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *tcase = tcase_create("sandbox");

    tcase_add_test(tcase, only_what_was_named_can_be_touched);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
