/* The operator's socket with made-up commands: the reactor runs in its own thread, the clients are
 * plain blocking sockets. */
#include "admin/monitor.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char temp_dir[] = "/tmp/caesure-monitor-XXXXXX";
static struct sockaddr_un addr = {.sun_family = AF_UNIX};

/* ---- commands ---- */

#define HANG_MAX 100
static struct monitor_request *hanging[HANG_MAX];
static _Atomic int hanging_count; /* the reactor writes, the test reads */

static void run_echo(void *context, const struct monitor_command *command,
                     struct monitor_request *request)
{
    ck_assert_ptr_eq(context, &addr);
    ck_assert_ptr_eq(command->data, temp_dir);
    request->memory = xmalloc(100);
    text_printf(&request->answer, "%s", request->argument);
    monitor_answer(request);
}

static void run_size(void *context, const struct monitor_command *command,
                     struct monitor_request *request)
{
    (void)context, (void)command;
    text_printf(&request->answer, "%zu\n", strlen(request->argument));
    monitor_answer(request);
}

static void *answer_later(void *arg)
{
    struct monitor_request *request = arg;

    usleep(20000);
    text_printf(&request->answer, "slow %s\nline 2\n", request->argument);
    monitor_answer(request);
    return NULL;
}

static void run_slow(void *context, const struct monitor_command *command,
                     struct monitor_request *request)
{
    pthread_t thread;
    pthread_attr_t attr;

    (void)context, (void)command;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_create(&thread, &attr, answer_later, request);
    pthread_attr_destroy(&attr);
}

static void run_big(void *context, const struct monitor_command *command,
                    struct monitor_request *request)
{
    size_t size = strtoul(request->argument, NULL, 10);
    char *data = xmalloc(size);

    (void)context, (void)command;
    memset(data, 'x', size);
    text_append(&request->answer, data, size);
    free(data);
    monitor_answer(request);
}

static void run_hang(void *context, const struct monitor_command *command,
                     struct monitor_request *request)
{
    int i = atomic_load_explicit(&hanging_count, memory_order_relaxed);

    (void)context, (void)command;
    hanging[i] = request;
    atomic_store_explicit(&hanging_count, i + 1, memory_order_release);
}

static void run_fail(void *context, const struct monitor_command *command,
                     struct monitor_request *request)
{
    (void)context, (void)command;
    text_printf(&request->answer, "half an answer\n");
    monitor_error(request, "no %s today", request->argument);
}

static const struct monitor_command commands[] = {
    {"echo", "TEXT", "the text again", run_echo, temp_dir},
    {"size", "TEXT", "how long it is", run_size, NULL},
    {"slow", "TEXT", "the text from another thread", run_slow, NULL},
    {"big", "N", "N bytes", run_big, NULL},
    {"hang", "", "no answer until the test gives one", run_hang, NULL},
    {"fail", "WHAT", "an error", run_fail, NULL},
};

/* ---- the node's side ---- */

static struct reactor *reactor;
static struct monitor *monitor;
static pthread_t thread;

static void *run_reactor(void *arg)
{
    ck_assert_int_eq(reactor_run(arg), 0);
    return NULL;
}

static void begin(uint32_t client_max, uint32_t stall_ms)
{
    struct reactor_options reactor_options = {
        .conn_max = 128, .buffer_count = 16, .buffer_size = 16384};
    struct monitor_options options = {
        .path = addr.sun_path,
        .commands = commands,
        .command_count = ARRAY_COUNT(commands),
        .context = &addr,
        .client_max = client_max,
        .stall_ms = stall_ms,
    };
    char why[REACTOR_WHY_SIZE];

    hanging_count = 0;
    ck_assert_int_eq(reactor_new(&reactor, &reactor_options, why), 0);
    ck_assert_int_eq(monitor_open(&monitor, reactor, &options), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_reactor, reactor), 0);
}

static void end(void)
{
    reactor_stop(reactor);
    pthread_join(thread, NULL);
    monitor_close(monitor);
    reactor_free(reactor);
}

static int hanging_now(int wanted)
{
    for (int i = 0; i < 1000 && atomic_load_explicit(&hanging_count, memory_order_acquire) < wanted;
         i++)
        usleep(5000);
    return atomic_load_explicit(&hanging_count, memory_order_acquire);
}

/* ---- the clients' side ---- */

static int client(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 20};

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void say_bytes(int fd, const void *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        ck_assert_msg(n > 0 || errno == EINTR, "send: %s", strerror(errno));
        sent += n > 0 ? (size_t)n : 0;
    }
}

static void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* The kernel's taking down of the ring before may interrupt a call of ours. */
static ssize_t read_some(int fd, void *data, size_t size)
{
    ssize_t n;

    do
        n = read(fd, data, size);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Reads just this. */
static void hear(int fd, const char *text)
{
    size_t size = strlen(text);
    char *got = xcalloc(size + 1, 1);

    for (size_t have = 0; have < size;) {
        ssize_t n = read_some(fd, got + have, size - have);
        ck_assert_msg(n > 0, "'%s' and then %s instead of '%s'", got,
                      n ? strerror(errno) : "the end", text);
        have += (size_t)n;
        ck_assert_msg(memcmp(got, text, have) == 0, "'%s' instead of '%s'", got, text);
    }
    free(got);
}

/* Whatever comes until the other side closes: how many bytes. */
static size_t hear_to_end(int fd)
{
    static char buffer[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = read_some(fd, buffer, sizeof buffer)) > 0)
        total += (size_t)n;
    ck_assert_msg(n == 0 || errno == ECONNRESET, "%s", strerror(errno));
    return total;
}

static void hear_end(int fd)
{
    ck_assert_uint_eq(hear_to_end(fd), 0);
    close(fd);
}

static void ask(const char *request, const char *answer)
{
    int fd = client();

    say(fd, request);
    hear(fd, answer);
    close(fd);
}

/* ---- grammar ---- */

START_TEST(requests_are_answered_by_lines_and_an_empty_one)
{
    begin(0, 0);
    ask("echo hello\n", "hello\n\n");
    ask("echo  two  words \t\r\n", "two  words\n\n");
    ask("  echo\tx\n", "x\n\n");
    ask("echo\n", "\n"); /* an empty answer */
    ask("slow x\n", "slow x\nline 2\n\n");
    ask("\n\r\n   \necho after blank lines\n", "after blank lines\n\n");
    ask("fail luck\n", "error: no luck today\n\n");
    ask("nonsense\n", "error: no such command; help lists them\n\n");
    ask("ECHO x\n", "error: no such command; help lists them\n\n");
    ask("hang up\n", "error: hang takes no argument\n\n");
    ask("echo \x01\n", "error: the request is not text\n\n");
    ask("echo \xc3\xa9\n", "\xc3\xa9\n\n");
    end();
}
END_TEST

START_TEST(help_lists_what_there_is)
{
    begin(0, 0);
    ask("help\n", "echo TEXT                    the text again\n"
                  "size TEXT                    how long it is\n"
                  "slow TEXT                    the text from another thread\n"
                  "big N                        N bytes\n"
                  "hang                         no answer until the test gives one\n"
                  "fail WHAT                    an error\n"
                  "help [COMMAND]               this list, or one line of it\n"
                  "prompt                       show a prompt after each answer, for people\n\n");
    ask("help slow\n", "slow TEXT                    the text from another thread\n\n");
    ask("help help\n", "help [COMMAND]               this list, or one line of it\n\n");
    ask("help me\n", "error: no such command; help lists them\n\n");
    end();
}
END_TEST

START_TEST(requests_sent_ahead_are_answered_in_order)
{
    begin(0, 0);
    int fd = client();

    say(fd, "echo 1\nslow 2\necho 3\nslow 4\nnone\necho 5\n");
    shutdown(fd, SHUT_WR); /* who has asked all still gets all */
    hear(fd, "1\n\nslow 2\nline 2\n\n3\n\nslow 4\nline 2\n\nerror: no such command; help lists "
             "them\n\n5\n\n");
    hear_end(fd);

    fd = client();
    for (const char *c = "echo byte by byte\n"; *c; c++) {
        say_bytes(fd, c, 1);
        usleep(500);
    }
    hear(fd, "byte by byte\n\n");
    close(fd);
    end();
}
END_TEST

START_TEST(the_prompt_is_for_people)
{
    begin(0, 0);
    int fd = client();

    say(fd, "echo a\nprompt\necho b\n\nnone\n");
    hear(fd, "a\n\n\n>>> b\n\n>>> >>> error: no such command; help lists them\n\n>>> ");
    say(fd, "prompt x\n");
    hear(fd, "\n>>> ");
    close(fd);
    end();
}
END_TEST

/* ---- sizes ---- */

START_TEST(a_request_may_have_so_many_bytes_and_no_more)
{
    char *line = xmalloc(MONITOR_REQUEST_MAX + 3);

    begin(0, 0);
    memset(line, 'a', MONITOR_REQUEST_MAX + 2);
    memcpy(line, "size ", 5);
    line[MONITOR_REQUEST_MAX] = '\n';
    int fd = client();
    say_bytes(fd, line, MONITOR_REQUEST_MAX + 1);
    hear(fd, "8000059\n\n");
    say(fd, "echo the same connection goes on\n");
    hear(fd, "the same connection goes on\n\n");
    close(fd);

    line[MONITOR_REQUEST_MAX] = 'a';
    line[MONITOR_REQUEST_MAX + 1] = '\n';
    fd = client();
    say_bytes(fd, line, MONITOR_REQUEST_MAX + 2);
    hear(fd, "error: a request is at most 8000064 bytes\n\n");
    hear_end(fd);
    free(line);
    end();
}
END_TEST

START_TEST(an_unfinished_last_request_is_not_run)
{
    begin(0, 0);
    int fd = client();

    say(fd, "echo a\nhang");
    shutdown(fd, SHUT_WR);
    hear(fd, "a\n\nerror: the last request does not end with a line end\n\n");
    hear_end(fd);
    ck_assert_int_eq(hanging_count, 0);
    end();
}
END_TEST

START_TEST(an_answer_may_have_so_many_bytes_and_no_more)
{
    char request[32];

    begin(0, 0);
    int fd = client();
    snprintf(request, sizeof request, "big %d\n", MONITOR_ANSWER_MAX);
    say(fd, request);
    shutdown(fd, SHUT_WR);
    ck_assert_uint_eq(hear_to_end(fd), MONITOR_ANSWER_MAX + 2);
    close(fd);
    snprintf(request, sizeof request, "big %d\n", MONITOR_ANSWER_MAX + 1);
    ask(request, "error: the answer is too long\n\n");
    end();
}
END_TEST

START_TEST(many_large_answers_come_whole_to_a_slow_reader)
{
    begin(0, 0);
    int fd = client();

    say(fd, "big 5000000\nbig 5000000\nbig 5000000\nbig 5000000\n");
    shutdown(fd, SHUT_WR);
    usleep(200000); /* more than the output buffer was asked for: it waits for us */
    ck_assert_uint_eq(hear_to_end(fd), 4 * 5000002);
    close(fd);
    end();
}
END_TEST

/* ---- bad clients ---- */

START_TEST(who_reads_nothing_is_cut_off_and_disturbs_nobody)
{
    begin(0, 300);
    int fd = client();
    uint64_t start_us = clock_monotonic_us();

    for (int i = 0; i < 20; i++)
        say(fd, "big 8000000\n");
    ask("echo still here\n", "still here\n\n");
    /* Cut off: what has come can be read, then the end; 160 MB would be all. */
    struct pollfd gone = {.fd = fd};
    while (!(gone.revents & POLLHUP) && clock_monotonic_us() - start_us < 10000000) {
        poll(&gone, 1, 100);
        ask("echo still here\n", "still here\n\n");
    }
    ck_assert(gone.revents & POLLHUP);
    ck_assert_uint_ge(clock_monotonic_us() - start_us, 300000);
    ck_assert_uint_lt(hear_to_end(fd), 8000000);
    close(fd);
    end();
}
END_TEST

START_TEST(garbage_is_refused_and_disturbs_nobody)
{
    struct prng prng;
    uint8_t *garbage = xmalloc(1 << 20);

    begin(0, 0);
    prng_init(&prng, 11);
    int reader = client();
    for (int round = 0; round < 4; round++) {
        int fd = client();
        prng_fill(&prng, garbage, 1 << 20);
        for (size_t sent = 0; sent < 1 << 20;) { /* it answers between, so both sides move */
            struct pollfd both = {.fd = fd, .events = POLLIN | POLLOUT};
            static char answers[65536];
            ck_assert(poll(&both, 1, 20000) > 0 || errno == EINTR);
            if (both.revents & POLLIN)
                ck_assert_int_gt(read_some(fd, answers, sizeof answers), 0);
            if (both.revents & POLLOUT) {
                ssize_t n = send(fd, garbage + sent, (1 << 20) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                sent += n > 0 ? (size_t)n : 0;
            }
        }
        say(reader, "echo between\n");
        hear(reader, "between\n\n");
        shutdown(fd, SHUT_WR);
        hear_to_end(fd);
        close(fd);
    }
    close(reader);
    free(garbage);
    end();
}
END_TEST

START_TEST(a_flood_of_blank_lines_costs_little)
{
    size_t size = (size_t)16 << 20;
    char *lines = xmalloc(size);

    begin(0, 0);
    memset(lines, '\n', size);
    uint64_t start_us = clock_monotonic_us();
    int fd = client();
    say_bytes(fd, lines, size);
    say(fd, "echo done\n");
    hear(fd, "done\n\n");
    ck_assert_uint_lt(clock_monotonic_us() - start_us, 10000000);
    close(fd);
    free(lines);
    end();
}
END_TEST

START_TEST(silent_clients_make_room)
{
    int silent[8];

    begin(4, 0);
    int busy = client();
    say(busy, "hang\n");
    ck_assert_int_eq(hanging_now(1), 1);
    for (int i = 0; i < 8; i++) {
        silent[i] = client();
        say(silent[i], "echo hello\n");
        hear(silent[i], "hello\n\n");
    }
    for (int i = 0; i < 5; i++) /* the oldest had to go */
        hear_end(silent[i]);
    say(silent[7], "echo again\n");
    hear(silent[7], "again\n\n");
    text_printf(&hanging[0]->answer, "at last");
    monitor_answer(hanging[0]);
    hear(busy, "at last\n\n"); /* who waits for an answer never has to */
    close(busy);
    for (int i = 5; i < 8; i++)
        close(silent[i]);
    end();
}
END_TEST

START_TEST(vanished_clients_leave_nothing_behind)
{
    begin(0, 0);
    for (int i = 0; i < 64; i++) {
        int fd = client();
        say(fd, "hang\n");
        ck_assert_int_eq(hanging_now(i + 1), i + 1);
        close(fd);
    }
    ask("echo x\n", "error: too many requests at once\n\n");
    for (int i = 0; i < 32; i++)
        monitor_answer(hanging[i]);
    ask("echo x\n", "x\n\n");
    end(); /* with 32 that nobody will ever answer */
}
END_TEST

START_TEST(the_socket_goes_with_us_and_only_with_us)
{
    struct stat st;

    begin(0, 0);
    ck_assert_int_eq(stat(addr.sun_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    end();
    ck_assert_int_eq(stat(addr.sun_path, &st), -1);

    begin(0, 0);
    unlink(addr.sun_path);
    FILE *other = fopen(addr.sun_path, "w");
    fclose(other);
    end();
    ck_assert_int_eq(stat(addr.sun_path, &st), 0);
    unlink(addr.sun_path);
}
END_TEST

START_TEST(a_taken_path_is_refused)
{
    struct monitor_options options = {.path = addr.sun_path};
    struct monitor *second;

    begin(0, 0);
    ck_assert_int_eq(monitor_open(&second, reactor, &options), -EADDRINUSE);
    ask("echo x\n", "x\n\n");
    end();
}
END_TEST

int main(void)
{
    if (!mkdtemp(temp_dir))
        abort();
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/socket", temp_dir);

    Suite *suite = suite_create("monitor");
    TCase *tcase = tcase_create("monitor");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, requests_are_answered_by_lines_and_an_empty_one);
    tcase_add_test(tcase, help_lists_what_there_is);
    tcase_add_test(tcase, requests_sent_ahead_are_answered_in_order);
    tcase_add_test(tcase, the_prompt_is_for_people);
    tcase_add_test(tcase, a_request_may_have_so_many_bytes_and_no_more);
    tcase_add_test(tcase, an_unfinished_last_request_is_not_run);
    tcase_add_test(tcase, an_answer_may_have_so_many_bytes_and_no_more);
    tcase_add_test(tcase, many_large_answers_come_whole_to_a_slow_reader);
    tcase_add_test(tcase, who_reads_nothing_is_cut_off_and_disturbs_nobody);
    tcase_add_test(tcase, garbage_is_refused_and_disturbs_nobody);
    tcase_add_test(tcase, a_flood_of_blank_lines_costs_little);
    tcase_add_test(tcase, silent_clients_make_room);
    tcase_add_test(tcase, vanished_clients_leave_nothing_behind);
    tcase_add_test(tcase, the_socket_goes_with_us_and_only_with_us);
    tcase_add_test(tcase, a_taken_path_is_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(addr.sun_path);
    rmdir(temp_dir);
    return failed != 0;
}
