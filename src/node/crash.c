#include "node/crash.h"

#include "base/bytes.h"
#include "base/version.h"

#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FRAMES_MAX     64
#define BUILD_ID_MAX   32
#define ALT_STACK_SIZE 65536

/* A signal handler has no argument of ours: what it needs is prepared here, once, and not changed
 * later. */
static struct {
    char path[4096];
    char intro[200]; /* version and build id */
    char stack[ALT_STACK_SIZE];
} prepared;

/* The note that the linker leaves with --build-id, of the first object: the program. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
        const char *end = at + segment->p_memsz;

        if (segment->p_type != PT_NOTE)
            continue;
        while (at + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *note = (const void *)at;
            const char *name = at + sizeof *note;
            const uint8_t *id = (const uint8_t *)name + ((note->n_namesz + 3) & ~3u);

            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
                memcmp(name, "GNU", 4) == 0 && note->n_descsz <= BUILD_ID_MAX) {
                for (size_t j = 0; j < note->n_descsz; j++)
                    snprintf((char *)out + 2 * j, 3, "%02x", id[j]);
                return 1;
            }
            at = (const char *)id + ((note->n_descsz + 3) & ~3u);
        }
    }
    return 1;
}

/* From here on only what is safe in a signal handler. */

static void say(int fd, const char *text)
{
    ssize_t written = write(fd, text, strlen(text));

    (void)written;
}

static void say_number(int fd, int number)
{
    char digits[12];
    char *at = digits + sizeof digits - 1;

    *at = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    say(fd, at);
}

static void report(int fd, int number, void **frames, int count)
{
    char name[17] = "";

    prctl(PR_GET_NAME, name);
    say(fd, prepared.intro);
    say(fd, "signal ");
    say_number(fd, number);
    say(fd, " in thread ");
    say(fd, name);
    say(fd, "; addr2line -fe caesure OFFSET explains a line of the backtrace:\n");
    backtrace_symbols_fd(frames, count, fd);
}

static void on_crash(int number)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    int fd = open(prepared.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    report(STDERR_FILENO, number, frames, count);
    if (fd >= 0) {
        report(fd, number, frames, count);
        close(fd);
    }
    raise(number); /* the handler is gone: the system's own end, with a core where those are kept */
}

void crash_install(const char *directory)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_ONSTACK};
    char id[2 * BUILD_ID_MAX + 1] = "unknown";
    void *frame;

    snprintf(prepared.path, sizeof prepared.path, "%s/crash.txt", directory);
    dl_iterate_phdr(find_build_id, id);
    snprintf(prepared.intro, sizeof prepared.intro,
             "caesure %s, build id %s, crashed: ", caesure_version, id);
    backtrace(&frame, 1); /* loads the library it needs */
    sigaltstack(&(stack_t){.ss_sp = prepared.stack, .ss_size = sizeof prepared.stack}, NULL);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
        struct sigaction old;

        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(signals[i], &action, NULL);
    }
}
