/* test_socket.c - listening where somebody else has listened until now. */
#include "io/socket.h"
#include "shared_files.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct sockaddr_in free_address(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    int fd = socket_listen((struct sockaddr *)&addr, size);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &size), 0);
    close(fd);
    return addr;
}

static void *close_later(void *fd)
{
    usleep(200000);
    close(*(int *)fd);
    return NULL;
}

START_TEST(an_address_that_becomes_free_is_waited_for)
{
    struct sockaddr_in addr = free_address();
    int old = socket_listen((struct sockaddr *)&addr, sizeof addr);
    pthread_t thread;

    ck_assert_int_ge(old, 0);
    pthread_create(&thread, NULL, close_later, &old);
    int fd = socket_listen((struct sockaddr *)&addr, sizeof addr);
    ck_assert_int_ge(fd, 0);
    pthread_join(thread, NULL);
    close(fd);
}
END_TEST

START_TEST(a_path_that_becomes_free_is_waited_for)
{
    char directory[] = "/tmp/caesure-test-XXXXXX", path[64];
    pthread_t thread;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    int old = socket_listen_unix(path);
    ck_assert_int_ge(old, 0);
    pthread_create(&thread, NULL, close_later, &old);
    int fd = socket_listen_unix(path);
    ck_assert_int_ge(fd, 0);
    pthread_join(thread, NULL);
    close(fd);
    unlink(path);
    rmdir(directory);
}
END_TEST

START_TEST(an_address_that_stays_taken_is_refused)
{
    struct sockaddr_in addr = free_address();
    int old = socket_listen((struct sockaddr *)&addr, sizeof addr);

    ck_assert_int_ge(old, 0);
    ck_assert_int_eq(socket_listen((struct sockaddr *)&addr, sizeof addr), -EADDRINUSE);
    close(old);
}
END_TEST

int main(void)
{
    return SUITE_RUN("socket", an_address_that_becomes_free_is_waited_for,
                     a_path_that_becomes_free_is_waited_for,
                     an_address_that_stays_taken_is_refused);
}
