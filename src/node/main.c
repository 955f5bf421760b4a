/* main.c - the command line. */
#include "base/version.h"
#include "node/node.h"

#include <stdio.h>

extern char **environ;

/* For jemalloc. Blocks and what is computed of them are read all over: with pages of 4 KiB the
 * processor waits for their addresses longer than for the bytes. They come and go in order, so what
 * is free grows together into large pieces, and these may be taken for small ones. What is free is
 * kept: given back, it would leave holes in huge pages, which the kernel fills again; four arenas
 * bound how much that is where there are many threads. */
const char *malloc_conf = "thp:always,lg_extent_max_active_fit:20,dirty_decay_ms:-1,narenas:4";

int main(int argc, char **argv)
{
    struct options options;
    struct text message, help;

    (void)argc;
    text_init(&message, 4096);
    enum options_result result = options_parse(&options, argv, environ, &message);
    if (text_cstr(&message)[0])
        fprintf(stderr, "caesure: %s\n", text_cstr(&message));
    text_clear(&message);

    int code = EXIT_DONE;
    switch (result) {
    case OPTIONS_HELP:
        text_init(&help, 1 << 20);
        options_help(&help);
        fputs(text_cstr(&help), stdout);
        text_clear(&help);
        break;
    case OPTIONS_VERSION:
        printf("caesure %s\n", caesure_version);
        break;
    case OPTIONS_BAD:
        code = EXIT_USAGE;
        break;
    case OPTIONS_RUN:
        code = node_run(&options);
        break;
    }
    options_clear(&options);
    return code;
}
