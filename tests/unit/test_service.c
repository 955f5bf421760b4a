/* What the service manager hears of a process, and what signals do. */
#include "node/service.h"

#include "base/clock.h"
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WATCHDOG_US 200000 /* a look every 50 ms */

static int listener;
static char address[108]; /* as NOTIFY_SOCKET says it */
static atomic_int stops, kills, reopens, tells, running_tells;
static atomic_ulong turn;      /* what a live thread's counter shows: one more at each look */
static atomic_int frozen = -1; /* the beat that stands still */

static void stop(void *context)
{
    (void)context;
    stops++;
}

static void kill_all(void *context)
{
    (void)context;
    kills++;
}

static void reopen(void *context)
{
    (void)context;
    reopens++;
}

static void tell(void *context, bool is_running)
{
    (void)context;
    tells++;
    running_tells += is_running;
}

static void look(void *context, struct service_look *look)
{
    (void)context;
    turn++;
    for (int i = 0; i < SERVICE_BEATS; i++)
        look->beats[i] = i == frozen ? 7 : turn;
    snprintf(look->line, sizeof look->line, "height %lu", (unsigned long)turn);
}

static const struct service_events events = {
    .stop = stop, .kill = kill_all, .reopen = reopen, .tell = tell, .look = look};

static void listen_at(bool is_abstract)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t size;

    snprintf(address, sizeof address, is_abstract ? "@caesure-test-%d" : "/tmp/caesure-test-%d",
             (int)getpid());
    size = strlen(address);
    memcpy(addr.sun_path, address, size);
    if (is_abstract)
        addr.sun_path[0] = 0;
    unlink(address);
    listener = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                     0);
    setenv("NOTIFY_SOCKET", address, 1);
}

static void setup(void)
{
    char text[32];

    stops = kills = reopens = tells = running_tells = 0;
    frozen = -1;
    listen_at(true);
    snprintf(text, sizeof text, "%d", WATCHDOG_US);
    setenv("WATCHDOG_USEC", text, 1);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("WATCHDOG_PID", text, 1);
}

static void teardown(void)
{
    close(listener);
    unlink(address);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

/* The next datagram, or "" when none comes within timeout_ms. */
static const char *hear(int timeout_ms)
{
    static char text[1000];
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    ssize_t size =
        poll(&waiting, 1, timeout_ms) == 1 ? recv(listener, text, sizeof text - 1, 0) : 0;

    ck_assert_int_ge(size, 0);
    text[size] = 0;
    return text;
}

static void sleep_ms(int time_ms)
{
    usleep((useconds_t)time_ms * 1000);
}

/* How many of the datagrams of the next time_ms have part in them; the kernel keeps ten or so. */
static int count_heard(const char *part, int time_ms)
{
    const char *text;
    int count = 0;

    sleep_ms(time_ms);
    while (*(text = hear(0)))
        count += strstr(text, part) != NULL;
    return count;
}

static const char *last_heard(void)
{
    static char last[1000];

    for (const char *text = hear(1000); *text; text = hear(0))
        snprintf(last, sizeof last, "%s", text);
    return last;
}

static void wait_until(const atomic_int *value, int wanted)
{
    for (int i = 0; i < 1000 && *value != wanted; i++)
        sleep_ms(10);
    ck_assert_int_eq(*value, wanted);
}

static void end(struct service *service)
{
    service_ending(service);
    service_stop(service);
}

START_TEST(the_manager_hears_of_ready_and_stopping_at_either_kind_of_address)
{
    if (_i) {
        close(listener);
        listen_at(false);
    }
    unsetenv("WATCHDOG_USEC");
    struct service *service = service_start(&events);
    service_ready(service);
    ck_assert_str_eq(hear(10000), "READY=1\nSTATUS=running");
    service_ending(service);
    ck_assert_str_eq(hear(10000), "STOPPING=1\nSTATUS=saving");
    service_stop(service);
    ck_assert_str_eq(hear(0), "");
}
END_TEST

static void *hear_later(void *argument)
{
    sleep_ms(300);
    *(int *)argument = count_heard("READY=1", 300);
    return NULL;
}

START_TEST(ready_is_heard_by_a_manager_that_is_busy)
{
    pthread_t thread;
    int ready_count;

    struct service *service = service_start(&events);
    sleep_ms(1500); /* more looks than a socket keeps */
    ck_assert_int_eq(pthread_create(&thread, NULL, hear_later, &ready_count), 0);
    service_ready(service);
    pthread_join(thread, NULL);
    ck_assert_int_eq(ready_count + count_heard("READY=1", 0), 1);
    end(service);
}
END_TEST

START_TEST(the_watchdog_is_fed_while_all_threads_go_round)
{
    struct service *service = service_start(&events);

    service_ready(service);
    ck_assert_int_ge(count_heard("WATCHDOG=1\nSTATUS=height ", 1000), 4);
    frozen = _i;
    count_heard("", 200); /* those under way */
    ck_assert_int_eq(count_heard("WATCHDOG=1", 500), 0);
    frozen = -1;
    ck_assert_int_ge(count_heard("WATCHDOG=1", 1000), 4);
    end(service);
}
END_TEST

START_TEST(the_watchdog_of_another_process_is_not_ours)
{
    setenv("WATCHDOG_PID", "1", 1);
    struct service *service = service_start(&events);

    service_ready(service);
    ck_assert_int_eq(count_heard("WATCHDOG=1", 400), 0);
    end(service);
}
END_TEST

START_TEST(a_load_gets_more_time_while_it_works)
{
    volatile uint64_t work = 0;

    setenv("WATCHDOG_USEC", "1600000", 1); /* a look every 400 ms */
    struct service *service = service_start(&events);
    service_say(service, "reading blocks.bin");
    sleep_ms(1400);
    ck_assert_str_eq(last_heard(), "STATUS=reading blocks.bin");
    for (uint64_t end_us = clock_monotonic_us() + 600000; clock_monotonic_us() < end_us;)
        work++;
    ck_assert_int_ge(count_heard("EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading blocks.bin", 100),
                     1);
    end(service);
}
END_TEST

START_TEST(the_second_stop_is_another_word)
{
    struct service *service = service_start(&events);

    kill(getpid(), _i % 2 ? SIGTERM : SIGINT);
    wait_until(&stops, 1);
    ck_assert_int_eq(kills, 0);
    service_ending(service); /* while all is saved it is heard, too */
    kill(getpid(), _i / 2 ? SIGTERM : SIGINT);
    wait_until(&kills, 1);
    ck_assert_int_eq(stops, 1);
    service_stop(service);
}
END_TEST

START_TEST(other_signals)
{
    struct service *service = service_start(&events);

    kill(getpid(), SIGHUP);
    kill(getpid(), SIGPIPE);
    wait_until(&reopens, 1);
    kill(getpid(), SIGUSR1);
    wait_until(&tells, 1);
    ck_assert_int_eq(running_tells, 0);
    service_ready(service);
    kill(getpid(), SIGUSR1);
    wait_until(&running_tells, 1);
    service_ending(service);
    kill(getpid(), SIGUSR1);
    wait_until(&tells, 3);
    ck_assert_int_eq(running_tells, 1);
    service_stop(service);
    ck_assert_int_eq(stops + kills, 0);
}
END_TEST

START_TEST(without_a_manager_nothing_is_said)
{
    unsetenv("NOTIFY_SOCKET");
    if (_i)
        setenv("NOTIFY_SOCKET", _i == 1 ? "relative/path" : "", 1);
    struct service *service = service_start(&events);

    service_ready(service);
    kill(getpid(), SIGHUP);
    wait_until(&reopens, 1);
    end(service);
    ck_assert_str_eq(hear(0), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service");
    TCase *tcase = tcase_create("service");

    service_block_signals();
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, the_manager_hears_of_ready_and_stopping_at_either_kind_of_address, 0,
                        2);
    tcase_add_test(tcase, ready_is_heard_by_a_manager_that_is_busy);
    tcase_add_loop_test(tcase, the_watchdog_is_fed_while_all_threads_go_round, 0, SERVICE_BEATS);
    tcase_add_test(tcase, the_watchdog_of_another_process_is_not_ours);
    tcase_add_test(tcase, a_load_gets_more_time_while_it_works);
    tcase_add_loop_test(tcase, the_second_stop_is_another_word, 0, 4);
    tcase_add_test(tcase, other_signals);
    tcase_add_loop_test(tcase, without_a_manager_nothing_is_said, 0, 3);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
