/* simfs.h - the files and names of a simulated disk, and what of them survives a crash (rules 1 to
 * 4 of simdisk.h). No thread of its own: simdisk.c's mutex guards it. Used by simdisk.c only. */
#ifndef IO_SIMFS_H
#define IO_SIMFS_H
#include "base/bytes.h"
#include "base/random.h"

#define SIMFS_NAME_MAX 255

struct simfs;
struct simfile; /* lives as long as the simfs, named or not */

struct simfs *simfs_new(void);
void simfs_free(struct simfs *fs);

struct simfile *simfs_find(const struct simfs *fs, const char *name);
/* Names: 0 or -errno. Their changes are volatile. */
int simfs_create(struct simfs *fs, struct simfile **file, const char *name);
int simfs_make_dir(struct simfs *fs, const char *name);
int simfs_rename(struct simfs *fs, const char *name, const char *new_name);
int simfs_unlink(struct simfs *fs, const char *name);
int simfs_sync_dir(struct simfs *fs, const char *directory);
int simfs_list(const struct simfs *fs, const char *directory,
               void (*each)(void *context, const char *name), void *context);

uint64_t simfs_used(const struct simfs *fs); /* bytes of all files */

uint64_t simfile_size(const struct simfile *file);
size_t simfile_read(const struct simfile *file, uint64_t offset, void *out, size_t size);
/* stamp: when; later than all before. */
void simfile_write(struct simfile *file, uint64_t stamp, uint64_t offset, struct bytes data);
void simfile_truncate(struct simfile *file, uint64_t stamp, uint64_t size);
/* What happened before stamp is durable. */
void simfile_sync(struct simfile *file, uint64_t stamp);
/* What happened before stamp will be written by no sync. */
void simfile_drop(struct simfile *file, uint64_t stamp);

void simfs_crash(struct simfs *fs, struct prng *prng);

/* Durable at once, with the directories of the name. */
void simfs_put(struct simfs *fs, const char *name, struct bytes content);
bool simfs_flip(struct simfs *fs, const char *name, uint64_t offset, uint8_t mask);
#endif
