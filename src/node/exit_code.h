/* exit_code.h - how the program ends. Scripts and service units rely on the numbers: never change
 * one. */
#ifndef NODE_EXIT_CODE_H
#define NODE_EXIT_CODE_H

/* X(constant, number, meaning) */
#define EXIT_CODES(X)                                                                              \
    X(EXIT_DONE, 0, "done")                                                                        \
    X(EXIT_USAGE, 1, "wrong options")                                                              \
    X(EXIT_DIRECTORY, 2, "the base directory cannot be used")                                      \
    X(EXIT_LOCKED, 3, "another instance runs in it")                                               \
    X(EXIT_URING, 4, "io_uring is missing or forbidden here; the message says by what")            \
    X(EXIT_IMPORT, 5, "the import file cannot be read, or is none of this network")                \
    X(EXIT_DISK, 6, "a disk error, or the disk is full")                                           \
    X(EXIT_CORRUPT, 7, "what is stored is damaged, or two ways of checking disagree")              \
    X(EXIT_MEMORY, 8, "not enough memory")                                                         \
    X(EXIT_LISTEN, 9, "an address or the socket cannot be listened on")                            \
    X(EXIT_STOPPED, 10, "stopped before it was done")

#define X(constant, number, meaning) constant = number,
enum exit_code { EXIT_CODES(X) };
#undef X
#endif
