/* Where io_uring is forbidden we say by what. */
#include "io/uring.h"

#include "io/reactor.h"

#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    int error, disabled;
    const char *release, *named;
} causes[] = {
    {-ENOSYS, -1, "5.10.0-8-amd64", "5.10.0-8-amd64 is too old"},
    {-EINVAL, -1, "6.0.99", "6.0.99 is too old"},
    {-EPERM, 2, "6.6.0", "kernel.io_uring_disabled=0"},
    {-EPERM, 1, "6.6.0", "kernel.io_uring_group"},
    {-EPERM, 0, "6.1.0", "seccomp"},
    {-EPERM, -1, "6.1.0-21-amd64", "seccomp"},
    {-ENOSYS, 0, "10.0", "seccomp"},
    {-EACCES, 0, "6.1.0", "seccomp"},
    {-ENOMEM, 0, "6.1.0", "ulimit -l"},
    {-EMFILE, 0, "6.1.0", "Too many open files"},
    {-EINVAL, 1, "6.1.0", "Invalid argument"},
    {-EPERM, 0, "strange", "seccomp"},
};

START_TEST(each_cause_is_named)
{
    char why[256];

    uring_explain(why, causes[_i].error, causes[_i].disabled, causes[_i].release);
    ck_assert_msg(strstr(why, causes[_i].named) != NULL, "%s", why);
    ck_assert_ptr_null(strchr(why, '\n'));
}
END_TEST

static int forbid(unsigned syscall_number, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, syscall_number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_COUNT(filter), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In the child: 0 as expected, 1 not, 2 the filter cannot be set. */
static int try_forbidden(int error)
{
    struct reactor_options options = {.conn_max = 1, .buffer_count = 2, .buffer_size = 4096};
    struct reactor *reactor;
    char why[REACTOR_WHY_SIZE] = "";

    if (forbid(SYS_io_uring_setup, error) != 0)
        return 2;
    if (reactor_new(&reactor, &options, why) != -error)
        return 1;
    return strstr(why, "seccomp") || strstr(why, "io_uring_disabled") ? 0 : 1;
}

START_TEST(a_seccomp_profile_that_forbids_it_is_named)
{
    int status;
    pid_t child = fork();

    if (child == 0)
        _exit(try_forbidden(_i ? ENOSYS : EPERM));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        printf("SKIP no seccomp filter can be set here\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(features_have_names)
{
    for (unsigned i = 0; i < URING_FEATURE_COUNT; i++)
        ck_assert_uint_eq(uring_feature_find(uring_feature_name(i)), 1u << i);
    ck_assert_ptr_null(uring_feature_name(URING_FEATURE_COUNT));
    ck_assert_uint_eq(uring_feature_find("sqpoll"), 0);
    ck_assert_uint_eq(uring_feature_find(""), 0);
}
END_TEST

START_TEST(features_switched_off_stay_off)
{
    for (unsigned i = 0; i <= URING_FEATURE_COUNT; i++) {
        uint32_t without = i < URING_FEATURE_COUNT ? 1u << i : UINT32_MAX;
        struct reactor_options options = {
            .without = without, .conn_max = 1, .buffer_count = 2, .buffer_size = 4096};
        struct reactor *reactor;
        char why[REACTOR_WHY_SIZE];

        ck_assert_int_eq(reactor_new(&reactor, &options, why), 0);
        ck_assert_uint_eq(reactor_features(reactor) & without, 0);
        if (without == URING_SINGLE_ISSUER)
            ck_assert_uint_eq(reactor_features(reactor) & URING_DEFER_TASKRUN, 0);
        if (without == URING_BUFFER_RING)
            ck_assert_uint_eq(reactor_features(reactor) & URING_MULTISHOT_RECV, 0);
        reactor_free(reactor);
    }
}
END_TEST

/* The result of one request, which prepare fills in. */
static int result_of(struct uring *uring, void (*prepare)(struct io_uring_sqe *sqe))
{
    struct io_uring_cqe *cqe;

    prepare(uring_sqe(uring));
    ck_assert_int_eq(uring_enter(uring, 1000), 0);
    ck_assert_int_eq(io_uring_peek_cqe(&uring->ring, &cqe), 0);
    int result = cqe->res;
    io_uring_cqe_seen(&uring->ring, cqe);
    return result;
}

static int event;
static uint64_t event_value;

static void prepare_read(struct io_uring_sqe *sqe)
{
    io_uring_prep_read(sqe, event, &event_value, sizeof event_value, 0);
}

static void prepare_drained_read(struct io_uring_sqe *sqe)
{
    prepare_read(sqe);
    sqe->flags |= IOSQE_IO_DRAIN;
}

static void prepare_async_read(struct io_uring_sqe *sqe)
{
    prepare_read(sqe);
    sqe->flags |= IOSQE_ASYNC;
}

static void prepare_write(struct io_uring_sqe *sqe)
{
    io_uring_prep_write(sqe, event, &event_value, sizeof event_value, 0);
}

static void prepare_open(struct io_uring_sqe *sqe)
{
    io_uring_prep_openat(sqe, AT_FDCWD, "/dev/null", O_RDONLY, 0);
}

START_TEST(a_ring_takes_only_what_it_was_made_for)
{
    static const uint8_t operations[] = {IORING_OP_READ};
    const struct uring_options options = {.entries = 4,
                                          .cq_entries = 8,
                                          .operations = operations,
                                          .operation_count = 1,
                                          .sqe_flags = IOSQE_ASYNC};
    struct uring uring;
    char why[URING_WHY_SIZE];

    event = eventfd(100, EFD_SEMAPHORE | EFD_CLOEXEC);
    ck_assert_int_eq(uring_open(&uring, &options, why), 0);
    ck_assert_int_eq(uring_enable(&uring), 0);
    ck_assert_int_eq(result_of(&uring, prepare_read), sizeof event_value);
    ck_assert_int_eq(result_of(&uring, prepare_async_read), sizeof event_value);
    ck_assert_int_eq(result_of(&uring, prepare_write), -EACCES);
    ck_assert_int_eq(result_of(&uring, prepare_open), -EACCES);
    ck_assert_int_eq(result_of(&uring, prepare_drained_read), -EACCES);
    ck_assert_int_eq(io_uring_register_files(&uring.ring, &event, 1), -EACCES);
    ck_assert_int_eq(uring_enable(&uring), -EACCES);
    uring_close(&uring);
    close(event);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uring");
    TCase *tcase = tcase_create("uring");

    tcase_add_loop_test(tcase, each_cause_is_named, 0, ARRAY_COUNT(causes));
    tcase_add_loop_test(tcase, a_seccomp_profile_that_forbids_it_is_named, 0, 2);
    tcase_add_test(tcase, features_have_names);
    tcase_add_test(tcase, features_switched_off_stay_off);
    tcase_add_test(tcase, a_ring_takes_only_what_it_was_made_for);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
