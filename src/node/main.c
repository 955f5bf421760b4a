#include "base/version.h"
#include "node/node.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct options options;
    struct text message;
    enum exit_code code = EXIT_DONE;

    (void)argc;
    enum options_result result = options_parse(&options, argv, environ, &message);
    if (message.size > 0)
        fprintf(stderr, "caesure: %s%s", text_cstr(&message), result == OPTIONS_BAD ? "\n" : "");
    text_clear(&message);

    switch (result) {
    case OPTIONS_RUN:
        code = node_run(&options);
        break;
    case OPTIONS_HELP:
        text_init(&message, 1 << 16);
        options_help(&message);
        fputs(text_cstr(&message), stdout);
        text_clear(&message);
        break;
    case OPTIONS_VERSION:
        printf("caesure %s\n", caesure_version);
        break;
    case OPTIONS_BAD:
        code = EXIT_USAGE;
        break;
    }
    options_clear(&options);
    return (int)code;
}
