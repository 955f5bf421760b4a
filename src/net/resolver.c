/* A look-up cannot be cancelled safely: getaddrinfo holds locks and memory of the C library. So the
 * thread shares nothing with the node but struct resolver. When the node ends during a look-up, it
 * detaches the thread and leaves the struct to it (is_orphan); in all other cases the thread is
 * joined. The reactor is touched only under the mutex, and not once is_stopping is set. */
#include "net/resolver.h"
#include "base/arena.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

struct question {
    struct question *next;
    uint64_t tag;
    uint32_t count;
    struct netaddr addrs[RESOLVER_ADDRS_MAX];
    char name[NETADDR_HOST_SIZE];
};

struct question_list {
    struct question *first, **end;
};

struct resolver {
    struct resolver_config config;
    pthread_t thread;
    bool has_thread; /* the net thread's */

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t is_asked;
    struct question_list asked, done;
    uint32_t count; /* of both lists, and of the one being looked up */
    bool is_looking_up, is_stopping, is_orphan;
    struct reactor_message message;
};

static void push(struct question_list *list, struct question *question)
{
    question->next = NULL;
    *list->end = question;
    list->end = &question->next;
}

static struct question *take_all(struct question_list *list)
{
    struct question *first = list->first;

    list->first = NULL;
    list->end = &list->first;
    return first;
}

static struct question *pop(struct question_list *list)
{
    struct question *first = list->first;

    list->first = first->next;
    if (!list->first)
        list->end = &list->first;
    return first;
}

static bool addr_of(struct netaddr *addr, const struct sockaddr *sockaddr)
{
    *addr = (struct netaddr){0};
    if (sockaddr->sa_family == AF_INET) {
        addr->kind = NETADDR_IPV4;
        memcpy(addr->bytes, &((const struct sockaddr_in *)sockaddr)->sin_addr, 4);
    } else if (sockaddr->sa_family == AF_INET6) {
        addr->kind = NETADDR_IPV6;
        memcpy(addr->bytes, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, 16);
    }
    return addr->kind != NETADDR_NONE;
}

uint32_t resolver_system(void *unused, const char *name, struct netaddr addrs[RESOLVER_ADDRS_MAX])
{
    (void)unused;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
    uint32_t count = 0;

    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return 0;
    for (struct addrinfo *at = found; at && count < RESOLVER_ADDRS_MAX; at = at->ai_next)
        count += addr_of(&addrs[count], at->ai_addr);
    freeaddrinfo(found);
    return count;
}

static void destroy(struct resolver *resolver)
{
    struct question *lists[] = {take_all(&resolver->asked), take_all(&resolver->done)};

    for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
        while (lists[i]) {
            struct question *next = lists[i]->next;

            free(lists[i]);
            lists[i] = next;
        }
    pthread_mutex_destroy(&resolver->mutex);
    pthread_cond_destroy(&resolver->is_asked);
    free(resolver);
}

static void *resolver_main(void *argument)
{
    struct resolver *resolver = argument;

    pthread_setname_np(pthread_self(), "resolver");
    pthread_mutex_lock(&resolver->mutex);
    for (;;) {
        while (!resolver->asked.first && !resolver->is_stopping)
            pthread_cond_wait(&resolver->is_asked, &resolver->mutex);
        if (resolver->is_stopping)
            break;
        struct question *question = pop(&resolver->asked);
        resolver->is_looking_up = true;
        pthread_mutex_unlock(&resolver->mutex);
        question->count = resolver->config.lookup(resolver->config.lookup_context, question->name,
                                                  question->addrs);
        pthread_mutex_lock(&resolver->mutex);
        resolver->is_looking_up = false;
        push(&resolver->done, question);
        if (!resolver->is_stopping)
            reactor_post(resolver->config.reactor, &resolver->message);
    }
    bool is_orphan = resolver->is_orphan;
    pthread_mutex_unlock(&resolver->mutex);
    if (is_orphan)
        destroy(resolver);
    return NULL;
}

static void on_message(struct reactor_message *message)
{
    struct resolver *resolver = CONTAINER_OF(message, struct resolver, message);

    pthread_mutex_lock(&resolver->mutex);
    struct question *question = take_all(&resolver->done);
    for (struct question *at = question; at; at = at->next)
        resolver->count--;
    pthread_mutex_unlock(&resolver->mutex);
    while (question) {
        struct question *next = question->next;

        resolver->config.answered(resolver->config.context, question->tag, question->addrs,
                                  question->count);
        free(question);
        question = next;
    }
}

struct resolver *resolver_new(const struct resolver_config *config)
{
    struct resolver *resolver = xcalloc(1, sizeof *resolver);

    resolver->config = *config;
    resolver->message.run = on_message;
    resolver->asked.end = &resolver->asked.first;
    resolver->done.end = &resolver->done.first;
    pthread_mutex_init(&resolver->mutex, NULL);
    pthread_cond_init(&resolver->is_asked, NULL);
    return resolver;
}

bool resolver_ask(struct resolver *resolver, const char *name, uint64_t tag)
{
    size_t size = strlen(name);

    if (size >= NETADDR_HOST_SIZE)
        return false;
    if (!resolver->has_thread)
        resolver->has_thread =
            pthread_create(&resolver->thread, NULL, resolver_main, resolver) == 0;
    pthread_mutex_lock(&resolver->mutex);
    bool has_room = resolver->has_thread && resolver->count < RESOLVER_WAITING_MAX;
    if (has_room) {
        struct question *question = xcalloc(1, sizeof *question);

        question->tag = tag;
        memcpy(question->name, name, size);
        resolver->count++;
        push(&resolver->asked, question);
        pthread_cond_signal(&resolver->is_asked);
    }
    pthread_mutex_unlock(&resolver->mutex);
    return has_room;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->mutex);
    resolver->is_stopping = true;
    bool is_orphan = resolver->is_orphan = resolver->is_looking_up;
    pthread_t thread = resolver->thread; /* after the unlock it may be gone with its struct */
    bool has_thread = resolver->has_thread;
    pthread_cond_signal(&resolver->is_asked);
    pthread_mutex_unlock(&resolver->mutex);
    if (is_orphan) {
        pthread_detach(thread);
        return;
    }
    if (has_thread)
        pthread_join(thread, NULL);
    destroy(resolver);
}
