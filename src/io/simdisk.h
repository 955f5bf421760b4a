/* simdisk.h - a disk in memory that does all a real one may do to us, from a seed.
 *
 * What it promises is what POSIX does:
 * 1. Writes and sizes are volatile until an fdatasync that was submitted after their completion.
 * 2. Names (create, rename, unlink) are volatile until their directory is synced, and become
 * durable in their order.
 * 3. A crash keeps, of what was volatile, for each 512-byte sector any version it has had since the
 *    last sync, some size the file has had since, and for each directory a first part of its
 * changes.
 * 4. After a failed fdatasync the data it covered is never written by a later one; what is on the
 * disk is as under 3.
 *
 * Thread: any; each thread opens its own struct disk over the one struct simdisk. Files are named
 * by path; directories exist once disk_make_dir or a file was made in them. */
#ifndef IO_SIMDISK_H
#define IO_SIMDISK_H
#include "io/disk.h"

struct simdisk;

struct simdisk *simdisk_new(uint64_t seed);
void simdisk_free(struct simdisk *sim); /* all its disks are closed */

struct disk *simdisk_open(struct simdisk *sim);

/* Operations that change something (writes, syncs, reserve, create, truncate, rename, unlink,
 * directory syncs) so far, of all disks. */
uint64_t simdisk_changes(struct simdisk *sim);
/* The change with this number (from 1, as simdisk_changes will count it) is the machine's last: it
 * happens in memory only, is reported as -EIO as everything after it. 0: none. */
void simdisk_crash_at(struct simdisk *sim, uint64_t change);
bool simdisk_has_crashed(struct simdisk *sim);
/* Crashes now if it has not, and starts again: the seed chooses what survived. Disks opened before
 * stay dead and are only to be closed. Faults set below are cleared. */
void simdisk_reboot(struct simdisk *sim, uint64_t seed);

/* The nth operation of this kind from now on (1: the next) fails with error and does nothing, but
 * see 4. */
void simdisk_fail(struct simdisk *sim, enum disk_kind kind, uint64_t nth, int error);
/* Writes beyond this many bytes in all files fail with -ENOSPC, after a part of them was done. */
void simdisk_set_capacity(struct simdisk *sim, uint64_t size);
/* Transfers are done in random parts. */
void simdisk_set_short(struct simdisk *sim, bool is_on);
/* Operations complete in random order, some only after later calls of disk_run. */
void simdisk_set_delays(struct simdisk *sim, bool is_on);

/* Files as a test wants them, durable at once. */
void simdisk_put(struct simdisk *sim, const char *name, struct bytes content);
/* What a read would give now, for the caller to free; data is NULL if there is no such file. */
struct bytes simdisk_get(struct simdisk *sim, const char *name);
/* XORs a byte, in memory and on the disk. False if the file is not as long. */
bool simdisk_flip(struct simdisk *sim, const char *name, uint64_t offset, uint8_t mask);
/* From and to a real file. 0 or -errno. */
MUST_CHECK int simdisk_load(struct simdisk *sim, const char *name, const char *path);
MUST_CHECK int simdisk_save(struct simdisk *sim, const char *name, const char *path);
#endif
