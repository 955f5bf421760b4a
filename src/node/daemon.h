/* daemon.h - going to the background, and the file with the process id. Thread: the main one, the
 * fork before there are others. */
#ifndef NODE_DAEMON_H
#define NODE_DAEMON_H
#include "base/bytes.h"

struct daemon {
    int ready_fd, null_fd; /* -1: not in the background */
};

/* Forks. The parent does not return: it ends with 0 when the child is ready, else as the child
 * ends. In the child 0, or -errno when there was no fork. */
MUST_CHECK int daemon_begin(struct daemon *daemon);
/* The child detaches from its terminal: until then what it says is seen there, and Ctrl-C ends
 * it. */
void daemon_ready(struct daemon *daemon);

struct pidfile {
    const char *path; /* NULL: none */
    int fd;
};

/* Opens the file, so that whatever forbids it is known at once. 0 or -errno. path may be NULL. */
MUST_CHECK int pidfile_open(struct pidfile *pidfile, const char *path);
/* Once nobody else can be the owner. 0 or -errno. */
MUST_CHECK int pidfile_write(struct pidfile *pidfile);
/* Removes it if it is ours, or empty. Any thread. */
void pidfile_remove(struct pidfile *pidfile);
#endif
