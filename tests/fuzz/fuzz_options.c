/* A file of options is split and read without harm, and what was taken can be used. */
#include "node/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options;
    struct params params;
    struct text message;
    char word[64];
    int fd = memfd_create("options", MFD_CLOEXEC);

    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(word, sizeof word, "@/proc/self/fd/%d", fd);
    char *argv[] = {word, word, NULL};
    char *envp[] = {NULL};
    if (options_parse(&options, argv, envp, &message) == OPTIONS_BAD) {
        assert(message.size > 0);
    } else {
        options_params(&options, &params);
        free(options_directory(&options));
        assert(options.horizon >= OPTIONS_HORIZON_MIN && options.horizon <= OPTIONS_HORIZON_MAX);
        assert(options.threads >= 0 && options.threads <= OPTIONS_THREADS_MAX);
    }
    text_clear(&message);
    options_clear(&options);
    close(fd);
    return 0;
}
