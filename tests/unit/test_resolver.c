/* The resolver's thread beside a real reactor. Look-ups are the tests' own, but for one of
 * "localhost": nobody is asked anything. */
#include "net/resolver.h"

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct reactor *reactor;
static struct resolver *resolver;
static struct reactor_timer deadline;

/* The gate that the look-up of "slow" waits at. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open, has_come;

static uint32_t answers, wanted;
static uint64_t tags[RESOLVER_WAITING_MAX];
static uint32_t counts[RESOLVER_WAITING_MAX];
static struct netaddr firsts[RESOLVER_WAITING_MAX];
static pthread_t answer_thread;

static uint32_t lookup(void *context, const char *name, struct netaddr addrs[RESOLVER_ADDRS_MAX])
{
    ck_assert_ptr_eq(context, &mutex);
    if (strcmp(name, "slow") == 0) {
        pthread_mutex_lock(&mutex);
        has_come = true;
        pthread_cond_broadcast(&changed);
        while (!is_open)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
    }
    if (strcmp(name, "nobody") == 0)
        return 0;
    for (uint8_t i = 0; i < RESOLVER_ADDRS_MAX; i++)
        addrs[i] = (struct netaddr){.kind = NETADDR_IPV4, .bytes = {10, 0, (uint8_t)name[0], i}};
    return RESOLVER_ADDRS_MAX;
}

static void answered(void *context, uint64_t tag, const struct netaddr *addrs, uint32_t count)
{
    ck_assert_ptr_eq(context, &answers);
    answer_thread = pthread_self();
    tags[answers] = tag;
    counts[answers] = count;
    if (count)
        firsts[answers] = addrs[0];
    if (++answers == wanted)
        reactor_stop(reactor);
}

static void out_of_time(struct reactor_timer *timer)
{
    (void)timer;
    ck_abort_msg("no answer in 20 s");
}

static void begin(resolver_lookup *used)
{
    struct reactor_options options = {.conn_max = 4, .buffer_count = 8, .buffer_size = 4096};
    struct resolver_config config = {
        .lookup = used, .lookup_context = &mutex, .answered = answered, .context = &answers};
    char why[REACTOR_WHY_SIZE];

    int error = reactor_new(&reactor, &options, why);
    ck_assert_msg(error == 0, "%s", error ? why : "");
    config.reactor = reactor;
    resolver = resolver_new(&config);
    answers = wanted = 0;
    pthread_mutex_lock(&mutex);
    is_open = has_come = false;
    pthread_mutex_unlock(&mutex);
    deadline = (struct reactor_timer){.run = out_of_time};
    timer_set(reactor, &deadline, reactor_now_ms(reactor) + 20000);
}

static void run_until(uint32_t count)
{
    wanted = count;
    ck_assert_int_eq(reactor_run(reactor), 0);
}

static void end(void)
{
    resolver_free(resolver);
    reactor_free(reactor);
}

static void open_gate(void)
{
    pthread_mutex_lock(&mutex);
    is_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_at_gate(void)
{
    pthread_mutex_lock(&mutex);
    while (!has_come)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

START_TEST(answers_come_in_order_on_the_reactors_thread)
{
    begin(lookup);
    ck_assert(resolver_ask(resolver, "a", 7));
    ck_assert(resolver_ask(resolver, "nobody", 8));
    ck_assert(resolver_ask(resolver, "c", UINT64_MAX));
    run_until(3);
    ck_assert_uint_eq(answers, 3);
    ck_assert(pthread_equal(answer_thread, pthread_self()));
    ck_assert(tags[0] == 7 && tags[1] == 8 && tags[2] == UINT64_MAX);
    ck_assert(counts[0] == RESOLVER_ADDRS_MAX && counts[1] == 0);
    ck_assert_uint_eq(firsts[2].bytes[2], 'c');
    end();
}
END_TEST

START_TEST(questions_are_bounded_in_number_and_size)
{
    char name[NETADDR_HOST_SIZE + 1];

    begin(lookup);
    memset(name, 'a', sizeof name);
    name[NETADDR_HOST_SIZE] = 0;
    ck_assert(!resolver_ask(resolver, name, 1));
    name[NETADDR_HOST_SIZE - 1] = 0;
    ck_assert(resolver_ask(resolver, "slow", 0));
    ck_assert(resolver_ask(resolver, name, 1));
    for (uint32_t i = 2; i < RESOLVER_WAITING_MAX; i++)
        ck_assert(resolver_ask(resolver, "b", i));
    ck_assert(!resolver_ask(resolver, "b", 0));
    open_gate();
    run_until(RESOLVER_WAITING_MAX);
    for (uint32_t i = 0; i < RESOLVER_WAITING_MAX; i++)
        ck_assert_uint_eq(tags[i], i);
    ck_assert(resolver_ask(resolver, "b", 0)); /* left unanswered */
    end();
}
END_TEST

/* Whether a thread of the name is there, of this process. */
static bool has_resolver_thread(void)
{
    DIR *tasks = opendir("/proc/self/task");
    bool is_found = false;

    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char path[64 + sizeof entry->d_name], name[32] = "";

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        is_found |= fgets(name, sizeof name, file) && strcmp(name, "resolver\n") == 0;
        fclose(file);
    }
    closedir(tasks);
    return is_found;
}

START_TEST(a_look_up_that_hangs_does_not_hold_up_the_end)
{
    begin(lookup);
    ck_assert(resolver_ask(resolver, "slow", 1));
    ck_assert(resolver_ask(resolver, "b", 2)); /* still waits then */
    wait_at_gate();
    end(); /* returns although nobody opened the gate */
    ck_assert(has_resolver_thread());
    open_gate();
    for (int i = 0; i < 1000 && has_resolver_thread(); i++)
        usleep(5000); /* it frees what it used (ASan looks), and posts to no reactor */
    ck_assert(!has_resolver_thread());
    ck_assert_uint_eq(answers, 0);
}
END_TEST

START_TEST(nothing_asked_is_no_thread)
{
    begin(lookup);
    ck_assert(!has_resolver_thread());
    end();
}
END_TEST

START_TEST(the_systems_knows_localhost)
{
    struct netaddr addrs[RESOLVER_ADDRS_MAX];
    uint32_t count = resolver_system(NULL, "localhost", addrs);

    ck_assert_uint_gt(count, 0);
    for (uint32_t i = 0; i < count; i++)
        ck_assert(netaddr_is_local(&addrs[i]) && addrs[i].port == 0);
    ck_assert_uint_eq(resolver_system(NULL, "127.0.0.1", addrs), 1);
    ck_assert_uint_eq(addrs[0].bytes[0], 127);
    char name[65] = ""; /* longer than a label may be: no server is asked */
    memset(name, 'n', 64);
    ck_assert_uint_eq(resolver_system(NULL, name, addrs), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolver");
    TCase *tcase = tcase_create("resolver");

    tcase_add_test(tcase, answers_come_in_order_on_the_reactors_thread);
    tcase_add_test(tcase, questions_are_bounded_in_number_and_size);
    tcase_add_test(tcase, a_look_up_that_hangs_does_not_hold_up_the_end);
    tcase_add_test(tcase, nothing_asked_is_no_thread);
    tcase_add_test(tcase, the_systems_knows_localhost);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
