/* sandbox.h - what of the file system the node may still touch, by Landlock: its base directory,
 * and of what the options name no more than their use needs. Thread: the main one before there are
 * others, which inherit it, as the kernel's workers of an io_uring do. */
#ifndef NODE_SANDBOX_H
#define NODE_SANDBOX_H
#include "node/options.h"

/* From then on nothing else can be opened, made or run. directory, of the network, is there. 0;
 * -ENOSYS or -EOPNOTSUPP where the kernel has no Landlock; or another -errno. */
MUST_CHECK int sandbox_enter(const struct options *options, const char *directory);
#endif
