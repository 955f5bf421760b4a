#include "node/service.h"

#include "base/arena.h"
#include "base/clock.h"
#include "node/notify.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TICK_US        5000000
#define EXTEND_US      60000000
#define WATCHDOG_PARTS 4   /* looks in the time within which the manager must hear of us */
#define BUSY_PART      200 /* of a tick: with less CPU time than that nothing is getting done */
#define WAKE_SIGNAL    (SIGRTMIN)

enum phase { LOADING, RUNNING, ENDING, OVER };

struct service {
    struct service_events events;
    struct notify notify;
    pthread_t thread;
    uint64_t tick_us; /* 0: no manager, only signals */
    bool is_told_to_stop;
    uint64_t beats[SERVICE_BEATS];
    int64_t others_us; /* CPU time of the other threads */

    pthread_mutex_t mutex; /* guards what follows; look is called under it */
    enum phase phase;
    char line[SERVICE_LINE_SIZE];
};

static void fill_set(sigset_t *set)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};

    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
        sigaddset(set, signals[i]);
    sigaddset(set, WAKE_SIGNAL);
}

void service_block_signals(void)
{
    sigset_t set;

    fill_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int64_t cpu_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void send_status(struct service *service, const char *before, const char *line)
{
    char lines[SERVICE_LINE_SIZE + 100];

    snprintf(lines, sizeof lines, "%sSTATUS=%s", before, line);
    notify_send(&service->notify, lines);
}

/* A load that hangs is not given more time. */
static void extend(struct service *service, const char *line)
{
    char before[64] = "";
    int64_t others_us = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us(CLOCK_THREAD_CPUTIME_ID);

    if ((others_us - service->others_us) * BUSY_PART >= (int64_t)service->tick_us)
        snprintf(before, sizeof before, "EXTEND_TIMEOUT_USEC=%d\n", EXTEND_US);
    service->others_us = others_us;
    send_status(service, before, line);
}

static void look(struct service *service)
{
    struct service_look now = {0};
    bool is_alive = true;

    service->events.look(service->events.context, &now);
    for (size_t i = 0; i < SERVICE_BEATS; i++) {
        is_alive = is_alive && now.beats[i] != service->beats[i];
        service->beats[i] = now.beats[i];
    }
    send_status(service, is_alive && service->notify.watchdog_us ? "WATCHDOG=1\n" : "", now.line);
}

static void tick(struct service *service)
{
    pthread_mutex_lock(&service->mutex);
    switch (service->phase) {
    case LOADING:
    case ENDING:
        extend(service, service->line);
        break;
    case RUNNING:
        look(service);
        break;
    case OVER:
        break;
    }
    pthread_mutex_unlock(&service->mutex);
}

static void handle(struct service *service, int number)
{
    const struct service_events *events = &service->events;

    if (number == SIGHUP) {
        events->reopen(events->context);
    } else if (number == SIGUSR1) {
        pthread_mutex_lock(&service->mutex);
        events->tell(events->context, service->phase == RUNNING);
        pthread_mutex_unlock(&service->mutex);
    } else if (number == SIGINT || number == SIGTERM) {
        if (service->is_told_to_stop)
            events->kill(events->context);
        else
            events->stop(events->context);
        service->is_told_to_stop = true;
    }
}

static bool is_over(struct service *service)
{
    pthread_mutex_lock(&service->mutex);
    bool over = service->phase == OVER;
    pthread_mutex_unlock(&service->mutex);
    return over;
}

static void *service_main(void *argument)
{
    struct service *service = argument;
    uint64_t due_us = clock_monotonic_us() + service->tick_us;
    sigset_t set;

    pthread_setname_np(pthread_self(), "service");
    fill_set(&set);
    while (!is_over(service)) {
        uint64_t now_us = clock_monotonic_us();
        uint64_t wait_us = due_us > now_us ? due_us - now_us : 0;
        struct timespec limit = {.tv_sec = (time_t)(wait_us / 1000000),
                                 .tv_nsec = (long)(wait_us % 1000000 * 1000)};
        int number = sigtimedwait(&set, NULL, service->tick_us ? &limit : NULL);

        if (number > 0)
            handle(service, number);
        if (service->tick_us && clock_monotonic_us() >= due_us) {
            tick(service);
            due_us = clock_monotonic_us() + service->tick_us;
        }
    }
    return NULL;
}

struct service *service_start(const struct service_events *events)
{
    struct service *service = xcalloc(1, sizeof *service);

    service->events = *events;
    notify_open(&service->notify);
    if (service->notify.fd >= 0)
        service->tick_us = TICK_US;
    if (service->notify.watchdog_us && service->notify.watchdog_us / WATCHDOG_PARTS < TICK_US)
        service->tick_us = service->notify.watchdog_us / WATCHDOG_PARTS;
    pthread_mutex_init(&service->mutex, NULL);
    snprintf(service->line, sizeof service->line, "loading");
    int error = pthread_create(&service->thread, NULL, service_main, service);
    assert(error == 0);
    return service;
}

static void enter(struct service *service, enum phase phase, const char *line)
{
    pthread_mutex_lock(&service->mutex);
    service->phase = phase;
    snprintf(service->line, sizeof service->line, "%s", line);
    pthread_mutex_unlock(&service->mutex);
    pthread_kill(service->thread, WAKE_SIGNAL);
}

void service_say(struct service *service, const char *line)
{
    pthread_mutex_lock(&service->mutex);
    snprintf(service->line, sizeof service->line, "%s", line);
    pthread_mutex_unlock(&service->mutex);
}

void service_ready(struct service *service)
{
    notify_send_surely(&service->notify, "READY=1\nSTATUS=running");
    enter(service, RUNNING, "running");
}

void service_ending(struct service *service)
{
    notify_send_surely(&service->notify, "STOPPING=1\nSTATUS=saving");
    enter(service, ENDING, "saving");
}

void service_stop(struct service *service)
{
    enter(service, OVER, "stopped");
    pthread_join(service->thread, NULL);
    notify_close(&service->notify);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}
