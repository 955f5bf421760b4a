/* What the guest of kernel_6_1 has no other program for.
 * guest ask SOCKET REQUEST   prints what the node's monitor answers
 * guest forbid PROGRAM ...   runs it where io_uring_setup is forbidden, as containers do */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

/* The answer ends with an empty line. */
static int ask(const char *path, const char *request)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 ||
        (size_t)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path) >= sizeof addr.sun_path)
        return fail(path);
    FILE *file = fdopen(fd, "r+");
    char line[4096];
    if (!file || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        dprintf(fd, "%s\n", request) < 0)
        return fail(path);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '\n')
            return 0;
        fputs(line, stdout);
    }
    return fail("the monitor");
}

static int forbid(char **command)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return fail("seccomp");
    execv(command[0], command);
    return fail(command[0]);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], argv[3]);
    if (argc >= 3 && strcmp(argv[1], "forbid") == 0)
        return forbid(argv + 2);
    fputs("usage: guest ask SOCKET REQUEST | guest forbid PROGRAM ...\n", stderr);
    return 1;
}
