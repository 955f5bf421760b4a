#include "base/clock.h"
#include "base/random.h"
#include "disk_kinds.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#define FILE_SIZE 300000

struct counted_op {
    struct disk_op op;
    struct iovec iov[3];
    uint8_t *data;
    size_t size;
    uint64_t offset; /* op.offset moves on */
    int64_t result;
    int done_count;
};

static void count_done(struct disk_op *op, int64_t result)
{
    struct counted_op *counted = (struct counted_op *)op;

    counted->result = result;
    counted->done_count++;
}

/* A transfer of size bytes in up to three pieces. */
static void submit_pieces(struct disk *disk, struct disk_file *file, struct prng *prng,
                          struct counted_op *op, enum disk_kind kind)
{
    size_t a = prng_below(prng, op->size + 1);
    size_t b = a + prng_below(prng, op->size - a + 1);

    disk_op_init(&op->op, kind, file, NULL, 0, op->offset, count_done);
    op->iov[0] = (struct iovec){op->data, a};
    op->iov[1] = (struct iovec){op->data + a, b - a};
    op->iov[2] = (struct iovec){op->data + b, op->size - b};
    op->op.iov = op->iov;
    op->op.iov_count = 3;
    op->op.priority = prng_below(prng, 3);
    op->done_count = 0;
    disk_submit(disk, &op->op);
}

/* Rounds of transfers that do not overlap: reads give what a plain array holds. */
START_TEST(random_transfers_do_what_an_array_would)
{
    uint8_t *model = xcalloc(1, FILE_SIZE);
    struct counted_op ops[32] = {0};
    struct disk_fixture fixture;
    struct prng prng;

    fixture_open(&fixture, _i);
    prng_init(&prng, 7);

    struct disk_file *file =
        must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_RANDOM);

    ck_assert_int_eq(disk_write_sync(fixture.disk, file, model, FILE_SIZE, 0), 0);
    for (int round = 0; round < 60; round++) {
        size_t slot = FILE_SIZE / ARRAY_COUNT(ops);
        bool is_write[ARRAY_COUNT(ops)];

        for (size_t i = 0; i < ARRAY_COUNT(ops); i++) {
            ops[i].offset = i * slot + prng_below(&prng, slot);
            ops[i].size = prng_below(&prng, (i + 1) * slot - ops[i].offset) + 1;
            ops[i].data = xmalloc(ops[i].size);
            is_write[i] = prng_below(&prng, 2);
            if (is_write[i]) {
                prng_fill(&prng, ops[i].data, ops[i].size);
                memcpy(model + ops[i].offset, ops[i].data, ops[i].size);
            }
            submit_pieces(fixture.disk, file, &prng, &ops[i],
                          is_write[i] ? DISK_WRITE
                          : i % 2     ? DISK_READ
                                      : DISK_READ_MAX);
        }
        run_all(fixture.disk);
        for (size_t i = 0; i < ARRAY_COUNT(ops); i++) {
            ck_assert_int_eq(ops[i].done_count, 1);
            ck_assert_int_eq(ops[i].result, (int64_t)ops[i].size);
            ck_assert_mem_eq(ops[i].data, model + ops[i].offset, ops[i].size);
            free(ops[i].data);
        }
    }

    uint8_t *whole = xmalloc(FILE_SIZE);

    ck_assert_int_eq(disk_sync(fixture.disk, file), 0);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, whole, FILE_SIZE, 0), 0);
    ck_assert_mem_eq(whole, model, FILE_SIZE);
    free(whole);
    free(model);
    fixture_close(&fixture);
}
END_TEST

START_TEST(thousands_of_small_reads_are_a_batch)
{
    enum { COUNT = 5000 };
    struct disk_fixture fixture;
    struct counted_op *ops = xcalloc(COUNT, sizeof *ops);
    uint32_t *numbers = xmalloc(COUNT * sizeof *numbers);
    uint32_t *got = xcalloc(COUNT, sizeof *got);

    fixture_open(&fixture, _i);
    for (uint32_t i = 0; i < COUNT; i++)
        numbers[i] = i * 2654435761u;

    struct disk_file *file = must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    ck_assert_int_eq(disk_write_sync(fixture.disk, file, numbers, COUNT * sizeof *numbers, 0), 0);
    for (size_t i = 0; i < COUNT; i++) {
        disk_op_init(&ops[i].op, DISK_READ, file, &got[i], sizeof got[i], i * sizeof got[i],
                     count_done);
        disk_submit(fixture.disk, &ops[i].op);
    }
    ck_assert_uint_eq(disk_pending(fixture.disk), COUNT);
    run_all(fixture.disk);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert(ops[i].done_count == 1 && ops[i].result == 4);
    ck_assert_mem_eq(got, numbers, COUNT * sizeof *got);
    free(ops);
    free(numbers);
    free(got);
    fixture_close(&fixture);
}
END_TEST

START_TEST(more_pieces_than_the_kernel_takes_at_once)
{
    enum { COUNT = 3000 };
    struct disk_fixture fixture;
    struct iovec *iov = xmalloc(COUNT * sizeof *iov);
    uint16_t numbers[COUNT], got[COUNT];
    struct counted_op op = {.size = sizeof numbers};

    fixture_open(&fixture, _i);
    for (size_t i = 0; i < COUNT; i++) {
        numbers[i] = (uint16_t)(i * 7919);
        iov[i] = (struct iovec){&numbers[i], 2};
    }

    struct disk_file *file = must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    disk_op_init(&op.op, DISK_WRITE, file, NULL, 0, 10, count_done);
    op.op.iov = iov;
    op.op.iov_count = COUNT;
    disk_submit(fixture.disk, &op.op);
    run_all(fixture.disk);
    ck_assert_int_eq(op.result, (int64_t)sizeof numbers);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, got, sizeof got, 10), 0);
    ck_assert_mem_eq(got, numbers, sizeof got);
    free(iov);
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_end_of_the_file_is_told)
{
    struct disk_fixture fixture;
    struct counted_op op = {.size = 0};
    uint8_t data[20] = "0123456789";

    fixture_open(&fixture, _i);

    struct disk_file *file = must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    uint64_t size;

    ck_assert_int_eq(disk_write_sync(fixture.disk, file, data, 10, 0), 0);
    ck_assert_int_eq(disk_file_size(file, &size), 0);
    ck_assert_uint_eq(size, 10);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, data, 10, 0), 0);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, data, 11, 0), -ENODATA);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, data, 1, 10), -ENODATA);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, data, 0, 10), 0);
    for (uint64_t offset = 0; offset < 12; offset++) {
        disk_op_init(&op.op, DISK_READ_MAX, file, data, 20, offset, count_done);
        disk_submit(fixture.disk, &op.op);
        run_all(fixture.disk);
        ck_assert_int_eq(op.result, offset < 10 ? (int64_t)(10 - offset) : 0);
    }
    ck_assert_int_eq(disk_truncate(file, 4), 0);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, data, 5, 0), -ENODATA);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, data, 4, 0), 0);
    ck_assert_mem_eq(data, "0123", 4);
    fixture_close(&fixture);
}
END_TEST

struct names {
    int count;
    bool has_a, has_b;
};

static void count_name(void *context, const char *name)
{
    struct names *names = context;

    names->count++;
    names->has_a |= strcmp(name, "a") == 0;
    names->has_b |= strcmp(name, "b") == 0;
}

START_TEST(names_change_and_errors_are_told)
{
    struct disk_fixture fixture;
    struct disk_file *file;
    struct names names = {0};
    char one = '1';
    char got = 0;

    fixture_open(&fixture, _i);
    ck_assert_int_eq(disk_file_open(fixture.disk, &file, "none", 0), -ENOENT);
    ck_assert_int_eq(
        disk_file_open(fixture.disk, &file, "no/b", DISK_OPEN_WRITE | DISK_OPEN_CREATE), -ENOENT);
    ck_assert_int_eq(disk_rename(fixture.disk, "none", "b"), -ENOENT);
    ck_assert_int_eq(disk_unlink(fixture.disk, "none"), -ENOENT);
    ck_assert_int_eq(disk_sync_dir(fixture.disk, "none"), -ENOENT);
    ck_assert_int_eq(disk_list(fixture.disk, "none", count_name, &names), -ENOENT);
    ck_assert_int_eq(disk_make_dir(fixture.disk, "sub"), 0);
    ck_assert_int_eq(disk_make_dir(fixture.disk, "sub"), 0);
    ck_assert_int_eq(disk_sync_dir(fixture.disk, "."), 0);

    file = must_open(fixture.disk, "sub/a", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    ck_assert_int_eq(disk_write_sync(fixture.disk, file, &one, 1, 0), 0);
    disk_file_close(file);
    file = must_open(fixture.disk, "sub/a", 0);
    ck_assert_int_eq(disk_write_sync(fixture.disk, file, &one, 1, 0), -EBADF);
    disk_file_close(file);
    ck_assert_int_eq(disk_rename(fixture.disk, "sub/a", "sub/b"), 0);
    ck_assert_int_eq(disk_sync_dir(fixture.disk, "sub"), 0);
    file = must_open(fixture.disk, "sub/b", 0);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, &got, 1, 0), 0);
    ck_assert_int_eq(got, '1');
    disk_file_close(file);

    file = must_open(fixture.disk, "sub/a", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    ck_assert_int_eq(disk_list(fixture.disk, "sub", count_name, &names), 0);
    ck_assert(names.count == 2 && names.has_a && names.has_b);
    ck_assert_int_eq(disk_unlink(fixture.disk, "sub/b"), 0);
    names = (struct names){0};
    ck_assert_int_eq(disk_list(fixture.disk, "sub", count_name, &names), 0);
    ck_assert(names.count == 1 && names.has_a);

    file = must_open(fixture.disk, "sub/a", DISK_OPEN_WRITE | DISK_OPEN_TRUNCATE);

    struct counted_op op = {.op = {.kind = DISK_RESERVE,
                                   .file = file,
                                   .size = 8192,
                                   .priority = DISK_NORMAL,
                                   .done = count_done}};
    uint64_t size;

    disk_submit(fixture.disk, &op.op);
    run_all(fixture.disk);
    ck_assert(op.result == 0 || op.result == -EOPNOTSUPP);
    ck_assert_int_eq(disk_file_size(file, &size), 0);
    ck_assert_uint_eq(size, 0);
    fixture_close(&fixture);
}
END_TEST

START_TEST(only_regular_files_are_opened)
{
    struct disk_fixture fixture;
    struct disk_file *file;
    char path[128];

    if (_i >= ON_SIM)
        return;
    fixture_open(&fixture, _i);
    ck_assert_int_eq(disk_file_open(fixture.disk, &file, ".", 0), -EISDIR);
    ck_assert_int_eq(disk_file_open(fixture.disk, &file, "/dev/zero", 0), -ESPIPE);
    snprintf(path, sizeof path, "%s/pipe", fixture.directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(disk_file_open(fixture.disk, &file, "pipe", 0), -ESPIPE); /* and at once */
    file =
        must_open(fixture.disk, "secret", DISK_OPEN_WRITE | DISK_OPEN_CREATE | DISK_OPEN_PRIVATE);
    ck_assert_int_eq(disk_write_sync(fixture.disk, file, "x", 1, 0), 0);

    struct stat st;
    char got = 0;

    snprintf(path, sizeof path, "%s/secret", fixture.directory);
    ck_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    file = must_open(fixture.disk, path, 0);
    ck_assert_int_eq(disk_read_sync(fixture.disk, file, &got, 1, 0), 0);
    ck_assert_int_eq(got, 'x');
    fixture_close(&fixture);
}
END_TEST

struct order_op {
    struct disk_op op;
    int *next;
    int place;
    uint8_t byte;
};

static void note_place(struct disk_op *op, int64_t result)
{
    struct order_op *order = (struct order_op *)op;

    ck_assert_int_eq(result, 1);
    order->place = (*order->next)++;
}

START_TEST(urgent_operations_begin_first)
{
    static const enum disk_priority priorities[4] = {DISK_LATER, DISK_NORMAL, DISK_URGENT,
                                                     DISK_NORMAL};
    struct disk_fixture fixture;
    struct order_op ops[4];
    int next = 0;

    fixture_open(&fixture, ON_RING_OF_ONE);

    struct disk_file *file = must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    for (int i = 0; i < 4; i++) {
        disk_op_init(&ops[i].op, DISK_WRITE, file, &ops[i].byte, 1, (uint64_t)i, note_place);
        ops[i].op.priority = priorities[i];
        ops[i].next = &next;
        disk_submit(fixture.disk, &ops[i].op);
    }
    run_all(fixture.disk);
    ck_assert_int_eq(ops[2].place, 0);
    ck_assert_int_eq(ops[1].place, 1);
    ck_assert_int_eq(ops[3].place, 2);
    ck_assert_int_eq(ops[0].place, 3);
    fixture_close(&fixture);
}
END_TEST

static void *wake_later(void *disk)
{
    usleep(20000);
    disk_wake(disk);
    return NULL;
}

START_TEST(a_wake_ends_the_sleep)
{
    struct disk_fixture fixture;
    pthread_t thread;

    fixture_open(&fixture, _i);
    disk_wake(fixture.disk); /* before it sleeps */
    ck_assert_int_eq(disk_run(fixture.disk, -1), 0);
    for (int i = 0; i < 3; i++) {
        uint64_t start_us = clock_monotonic_us();

        ck_assert_int_eq(pthread_create(&thread, NULL, wake_later, fixture.disk), 0);
        ck_assert_int_eq(disk_run(fixture.disk, -1), 0);
        ck_assert_uint_ge(clock_monotonic_us() - start_us, 20000);
        pthread_join(thread, NULL);
    }

    uint64_t start_us = clock_monotonic_us();

    ck_assert_int_eq(disk_run(fixture.disk, 0), 0);
    ck_assert_int_eq(disk_run(fixture.disk, 30), 0);
    ck_assert_uint_ge(clock_monotonic_us() - start_us, 30000);
    fixture_close(&fixture);
}
END_TEST

/* Opened here, used there: the ring is enabled by its user. */
static void *use_elsewhere(void *context)
{
    struct disk *disk = context;
    struct disk_file *file = must_open(disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    ck_assert_int_eq(disk_write_sync(disk, file, "abc", 3, 0), 0);
    return NULL;
}

START_TEST(a_disk_is_used_on_another_thread)
{
    struct disk_fixture fixture;
    pthread_t thread;

    fixture_open(&fixture, _i);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_elsewhere, fixture.disk), 0);
    pthread_join(thread, NULL);
    fixture_close(&fixture); /* and closed after its owner is gone */
}
END_TEST

/* The exit status of run in a child process; what it does to its process stays there. */
static int in_child(int (*run)(enum disk_backend_kind kind), enum disk_backend_kind kind)
{
    int status;

    fflush(stdout);

    pid_t child = fork();

    if (child == 0)
        _exit(run(kind));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* The kernel does what fits, the rest is refused: the whole is an error, never a short success. */
static int write_beyond_the_limit(enum disk_backend_kind kind)
{
    struct rlimit limit = {100000, 100000};
    struct disk_fixture fixture;
    uint8_t *data = xcalloc(1, 150000);
    uint64_t size = 0;

    signal(SIGXFSZ, SIG_IGN);
    fixture_open(&fixture, kind);

    struct disk_file *file = must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;

    int error = disk_write_sync(fixture.disk, file, data, 150000, 0);
    int size_error = disk_file_size(file, &size);

    fixture_close(&fixture);
    free(data);
    return error == -EFBIG && size_error == 0 && size == 100000 ? 0 : 2;
}

START_TEST(a_file_size_limit_is_an_error)
{
    if (_i < ON_SIM)
        ck_assert_int_eq(in_child(write_beyond_the_limit, _i), 0);
}
END_TEST

/* On a file system of 1 MB of its own. 77: none may be mounted here. */
static int write_to_a_full_disk(enum disk_backend_kind kind)
{
    struct disk_fixture fixture;
    uint8_t *data = xcalloc(1, 3 << 20);
    struct disk_file *file;
    uint64_t size = 0;

    fixture_open(&fixture, ON_PLAIN); /* for the directory */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", fixture.directory, "tmpfs", 0, "size=1m") < 0) {
        fixture_close(&fixture);
        free(data);
        return 77;
    }

    char why[DISK_WHY_SIZE];
    struct disk *disk;
    int error = kind == ON_PLAIN ? disk_open_plain(&disk, fixture.directory)
                                 : disk_open_ring(&disk, fixture.directory, 4, 0, why);

    if (error == 0)
        error = disk_file_open(disk, &file, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);
    if (error < 0)
        return 3;

    int write_error = disk_write_sync(disk, file, data, 3 << 20, 0);

    error = disk_file_size(file, &size);
    disk_close(disk);
    umount(fixture.directory);
    fixture_close(&fixture);
    free(data);
    return write_error == -ENOSPC && error == 0 && size <= 1 << 20 ? 0 : 2;
}

START_TEST(a_full_disk_is_an_error)
{
    if (_i >= ON_SIM)
        return;

    int status = in_child(write_to_a_full_disk, _i);

    if (status == 77)
        printf("SKIP a_full_disk_is_an_error: no file system may be mounted here\n");
    else
        ck_assert_int_eq(status, 0);
}
END_TEST

static int forbid_io_uring(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_COUNT(code), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
               ? -1
               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int open_where_forbidden(enum disk_backend_kind kind)
{
    char why[DISK_WHY_SIZE] = "";
    struct disk *disk;

    (void)kind;
    if (forbid_io_uring(EPERM) < 0)
        return 1;
    if (disk_open_ring(&disk, "/tmp", 4, 0, why) != -EPERM || strstr(why, "seccomp") == NULL)
        return 2;
    if (disk_open_plain(&disk, "/tmp") != 0) /* the tools' way works */
        return 3;
    disk_close(disk);
    return 0;
}

START_TEST(where_io_uring_is_forbidden_that_is_said)
{
    char why[DISK_WHY_SIZE] = "";
    struct disk *disk;

    ck_assert_int_eq(in_child(open_where_forbidden, ON_RING), 0);
    ck_assert_int_eq(disk_open_ring(&disk, "/nowhere", 4, 0, why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "/nowhere"));
    ck_assert_int_eq(disk_open_plain(&disk, "/nowhere"), -ENOENT);
}
END_TEST

/* Neither sanitizer sees the kernel write, so touching a buffer in flight must be caught by us. */
START_TEST(under_asan_buffers_of_reads_are_out_of_bounds)
{
#if defined(__SANITIZE_ADDRESS__)
    struct disk_fixture fixture;
    struct counted_op op = {.size = 100};
    uint8_t *data = xcalloc(1, 100);

    fixture_open(&fixture, _i);

    struct disk_file *file = must_open(fixture.disk, "data", DISK_OPEN_WRITE | DISK_OPEN_CREATE);

    ck_assert_int_eq(disk_write_sync(fixture.disk, file, data, 100, 0), 0);
    disk_op_init(&op.op, DISK_READ, file, data, 100, 0, count_done);
    disk_submit(fixture.disk, &op.op);
    ck_assert(__asan_address_is_poisoned(data) && __asan_address_is_poisoned(data + 95));
    run_all(fixture.disk);
    ck_assert_ptr_null(__asan_region_is_poisoned(data, 100));
    disk_op_init(&op.op, DISK_WRITE, file, data, 100, 0, count_done);
    disk_submit(fixture.disk, &op.op);
    ck_assert_ptr_null(__asan_region_is_poisoned(data, 100)); /* readable: the tail's blocks are */
    run_all(fixture.disk);
    disk_op_init(&op.op, DISK_READ, file, data, 100, 50, count_done);
    disk_submit(fixture.disk, &op.op);
    run_all(fixture.disk);
    ck_assert_int_eq(op.result, -ENODATA);
    ck_assert_ptr_null(__asan_region_is_poisoned(data, 100));
    free(data);
    fixture_close(&fixture);
#endif
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *each = tcase_create("each backend");
    TCase *ring = tcase_create("ring");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(each, 60);
    tcase_add_loop_test(each, random_transfers_do_what_an_array_would, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, thousands_of_small_reads_are_a_batch, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, more_pieces_than_the_kernel_takes_at_once, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, the_end_of_the_file_is_told, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, names_change_and_errors_are_told, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, only_regular_files_are_opened, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, a_wake_ends_the_sleep, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, a_disk_is_used_on_another_thread, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, a_file_size_limit_is_an_error, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, a_full_disk_is_an_error, 0, DISK_KIND_COUNT);
    tcase_add_loop_test(each, under_asan_buffers_of_reads_are_out_of_bounds, 0, DISK_KIND_COUNT);
    tcase_add_test(ring, urgent_operations_begin_first);
    tcase_add_test(ring, where_io_uring_is_forbidden_that_is_said);
    suite_add_tcase(suite, each);
    suite_add_tcase(suite, ring);
    srunner_run_all(runner, CK_NORMAL);

    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed > 0;
}
