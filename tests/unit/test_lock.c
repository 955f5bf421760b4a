#include "disk_kinds.h"
#include "store/lock.h"
#include <signal.h>
#include <sys/wait.h>

START_TEST(a_second_instance_is_refused_and_told_who_has_it)
{
    struct disk_fixture fixture;
    char text[200], expected[200];
    int go[2], ready[2];
    char byte;

    fixture_open(&fixture, ON_PLAIN);
    ck_assert(pipe(go) == 0 && pipe(ready) == 0);

    pid_t child = fork();

    if (child == 0) {
        int lock = lock_take(fixture.directory, text, sizeof text);

        if (lock < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    snprintf(expected, sizeof expected, "another instance (process %ld) runs in %s", (long)child,
             fixture.directory);
    for (int i = 0; i < 2; i++) { /* asking does not change the answer */
        ck_assert_int_eq(lock_take(fixture.directory, text, sizeof text), -EWOULDBLOCK);
        ck_assert_str_eq(text, expected);
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);

    int lock = lock_take(fixture.directory, text, sizeof text); /* it went with the process */

    ck_assert_int_ge(lock, 0);
    ck_assert_int_eq(lock_take(fixture.directory, text, sizeof text), -EWOULDBLOCK);
    lock_release(lock);
    lock = lock_take(fixture.directory, text, sizeof text);
    ck_assert_int_ge(lock, 0);

    /* As --daemon does it: the child keeps the lock when the parent lets go. */
    child = fork();
    if (child == 0) {
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    lock_release(lock);
    ck_assert_int_eq(lock_take(fixture.directory, text, sizeof text), -EWOULDBLOCK);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    lock = lock_take(fixture.directory, text, sizeof text);
    ck_assert_int_ge(lock, 0);
    lock_release(lock);
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_impossible_directory_is_told)
{
    char text[200];
    char long_name[5000];

    ck_assert_int_eq(lock_take("/nowhere", text, sizeof text), -ENOENT);
    ck_assert_str_eq(text, "/nowhere/lock: No such file or directory");
    ck_assert_int_eq(lock_take("/dev/null", text, sizeof text), -ENOTDIR);
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    ck_assert_int_eq(lock_take(long_name, text, sizeof text), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
    return SUITE_RUN("lock", a_second_instance_is_refused_and_told_who_has_it,
                     an_impossible_directory_is_told);
}
