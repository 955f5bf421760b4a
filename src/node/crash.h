/* crash.h - what is said when the program dies of its own mistake: the signal, the build, and where
 * it was, on stderr and in crash.txt of the base directory. */
#ifndef NODE_CRASH_H
#define NODE_CRASH_H

/* For SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT; one that has a handler already, of a sanitizer,
 * keeps it. directory is where crash.txt goes. On the main thread. */
void crash_install(const char *directory);
#endif
