/* lock.h - one node a directory. Readers (tools) need no lock.
 * Thread: start-up's. */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H
#include "base/bytes.h"

#define LOCK_NAME "lock"

/* Takes the lock of directory: a descriptor to keep open, or -errno and a line that says why
 * (-EWOULDBLOCK: another instance has it, with its process id). It goes with the process, however
 * that ends. */
MUST_CHECK int lock_take(const char *directory, char *text, size_t text_size);
void lock_release(int lock);
#endif
