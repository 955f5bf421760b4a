/* What the progress line says, and where. */
#include "admin/progress.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct progress progress;
static char line[PROGRESS_LINE_SIZE];

static const char *line_now(void)
{
    ck_assert_uint_eq(progress_line(&progress, line), strlen(line));
    return line;
}

static void add(struct progress_sample sample)
{
    progress_add(&progress, &sample);
}

#define GIB ((uint64_t)1 << 30)

START_TEST(the_line_has_all_figures)
{
    progress = (struct progress){0};
    ck_assert_str_eq(line_now(), "");
    add((struct progress_sample){.time_ms = 1000, .work_size = 2000000000, .memory_size = GIB / 2});
    ck_assert_str_eq(line_now(),
                     "0.0 %  height 0 (-)  0.0 blocks/s  0.0 MB/s  0.0 inputs/s  512 MB");
    add((struct progress_sample){.time_ms = 3000,
                                 .height = 2000,
                                 .header_height = 9000,
                                 .tip_time = 1305932400,
                                 .blocks = 2000,
                                 .bytes = 50000000,
                                 .inputs = 30000,
                                 .work_size = 2000000000,
                                 .done_size = 50000000,
                                 .memory_size = 3 * GIB / 2});
    ck_assert_str_eq(line_now(),
                     "2.5 %  height 2000 (2011-05-20)  1000 blocks/s  25.0 MB/s  15k inputs/s"
                     "  1.5 GB, 1 min left");
}
END_TEST

static const struct {
    uint64_t done, work, per_second;
    const char *percent, *left;
} parts[] = {
    {0, 1000, 0, "0.0 %", "MB"},
    {999, 1000, 1, "99.9 %", ", 1 s left"},
    {99999, 100000, 1, "99.9 %", ", 1 s left"}, /* never 100 too early */
    {1000, 1000, 1, "100.0 %", "MB"},
    {1100, 1000, 1, "100.0 %", "MB"},
    {940, 1000, 1, "94.0 %", ", 1 min left"},
    {941, 1000, 1, "94.1 %", ", 59 s left"},
    {0, 3600, 1, "0.0 %", ", 1 h 00 min left"},
    {0, 3599, 1, "0.0 %", ", 59 min left"},
    {0, 86399, 1, "0.0 %", ", 23 h 59 min left"},
    {0, 86400, 1, "0.0 %", ", 1 d 0 h left"},
    {0, 86400 * 12 + 7200, 1, "0.0 %", ", 12 d 2 h left"},
    {0, UINT64_MAX, 1, "0.0 %", "MB"},
};

START_TEST(percent_and_time_left)
{
    progress = (struct progress){0};
    uint64_t start =
        parts[_i].done < parts[_i].per_second ? 0 : parts[_i].done - parts[_i].per_second;
    uint64_t done = start + parts[_i].per_second;
    uint64_t work =
        parts[_i].work + (parts[_i].done < parts[_i].per_second ? parts[_i].per_second : 0);

    add((struct progress_sample){.time_ms = 0, .work_size = work, .done_size = start});
    add((struct progress_sample){.time_ms = 1000, .work_size = work, .done_size = done});
    line_now();
    ck_assert_msg(strncmp(line, parts[_i].percent, strlen(parts[_i].percent)) == 0, "%s", line);
    size_t size = strlen(parts[_i].left);
    ck_assert_msg(strcmp(line + strlen(line) - size, parts[_i].left) == 0, "%s", line);
}
END_TEST

START_TEST(without_a_file_the_headers_count)
{
    progress = (struct progress){0};
    add((struct progress_sample){.time_ms = 0, .height = 100, .header_height = 400});
    add((struct progress_sample){.time_ms = 10000, .height = 200, .header_height = 400});
    ck_assert_ptr_nonnull(strstr(line_now(), "50.0 %  height 200 "));
    ck_assert_ptr_nonnull(strstr(line, ", 20 s left"));
    add((struct progress_sample){.time_ms = 11000}); /* nothing known any more: no division by it */
    ck_assert_ptr_nonnull(strstr(line_now(), "0.0 %  height 0 "));
}
END_TEST

START_TEST(rates_are_over_the_last_samples)
{
    progress = (struct progress){0};
    for (uint64_t i = 0; i < 200; i++)
        add((struct progress_sample){.time_ms = i * 500,
                                     .blocks = i < 100 ? 0 : (i - 100) * 1000000});
    ck_assert_ptr_nonnull(strstr(line_now(), "  2.0M blocks/s"));
    for (uint64_t i = 200; i < 200 + PROGRESS_SAMPLES; i++)
        add((struct progress_sample){.time_ms = i * 500, .blocks = 99});
    ck_assert_ptr_nonnull(strstr(line_now(), "  0.0 blocks/s"));
    add((struct progress_sample){.time_ms = 0, .blocks = 5}); /* a clock that went back */
    ck_assert_ptr_nonnull(strstr(line_now(), "  0.0 blocks/s"));
}
END_TEST

START_TEST(the_longest_line_fits)
{
    progress = (struct progress){0};
    add((struct progress_sample){.time_ms = 0});
    add((struct progress_sample){.time_ms = 1,
                                 .height = INT32_MAX,
                                 .tip_time = UINT32_MAX,
                                 .blocks = UINT64_MAX,
                                 .bytes = UINT64_MAX,
                                 .inputs = UINT64_MAX,
                                 .work_size = UINT64_MAX,
                                 .done_size = UINT64_MAX / 3,
                                 .memory_size = UINT64_MAX});
    ck_assert_uint_lt(strlen(line_now()), PROGRESS_LINE_SIZE);
}
END_TEST

/* ---- the display ---- */

static int sample_count;
static struct progress_display *display;

static void sample(void *context, struct progress_sample *out)
{
    ck_assert_ptr_eq(context, &sample_count);
    out->height = ++sample_count;
    out->header_height = 10;
}

struct end {
    struct reactor_timer timer;
    struct reactor *reactor;
};

static void stop(struct reactor_timer *timer)
{
    progress_print(display, "something happened");
    reactor_stop(CONTAINER_OF(timer, struct end, timer)->reactor);
}

static void run_display(FILE *out)
{
    struct reactor_options options = {.conn_max = 1, .buffer_count = 2, .buffer_size = 4096};
    char why[REACTOR_WHY_SIZE];
    struct end end = {.timer.run = stop};

    sample_count = 0;
    ck_assert_int_eq(reactor_new(&end.reactor, &options, why), 0);
    display = progress_start(end.reactor, out, sample, &sample_count);
    timer_set(end.reactor, &end.timer, reactor_now_ms(end.reactor) + 700);
    ck_assert_int_eq(reactor_run(end.reactor), 0);
    progress_end(display);
    reactor_free(end.reactor);
    ck_assert_int_eq(sample_count, 3); /* at the start, after half a second, at the end */
}

START_TEST(elsewhere_there_are_plain_lines)
{
    char text[4096] = "";
    FILE *out = tmpfile();

    run_display(out);
    rewind(out);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, out), 0);
    fclose(out);
    ck_assert_msg(strncmp(text, "something happened\n30.0 %  height 3 (-)  ", 40) == 0, "%s", text);
    ck_assert_ptr_null(strchr(text, '\r'));
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

START_TEST(a_terminals_line_is_rewritten_and_fits_its_row)
{
    int pty = posix_openpt(O_RDWR | O_NOCTTY);
    struct winsize window = {.ws_row = 24, .ws_col = 31};
    char text[4096] = "";

    if (pty < 0 || grantpt(pty) != 0 || unlockpt(pty) != 0) {
        printf("SKIP no pseudo-terminal here\n");
        return;
    }
    setenv("TERM", "xterm", 1);
    FILE *out = fdopen(open(ptsname(pty), O_RDWR | O_NOCTTY), "r+");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(ioctl(pty, TIOCSWINSZ, &window), 0);
    run_display(out);
    for (size_t have = 0; !strstr(text, "\033[K\r\n") && have < sizeof text - 1;) {
        ssize_t n = read(pty, text + have, sizeof text - 1 - have);
        ck_assert_int_gt(n, 0);
        have += (size_t)n;
    }
    fclose(out);
    close(pty);
    /* The terminal makes each line end a \r\n. */
    ck_assert_msg(strncmp(text,
                          "\r20.0 %  height 2 (-)  0.0 bloc\033[K"
                          "\r\033[Ksomething happened\r\n20.0 %  height 2 (-)  0.0 bloc"
                          "\r30.0 %  height 3 (-)  ",
                          110) == 0,
                  "%s", text);
    ck_assert_str_eq(text + strlen(text) - 5, "\033[K\r\n");
}
END_TEST

START_TEST(the_process_uses_memory)
{
    ck_assert_uint_gt(process_memory(), 100000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tcase = tcase_create("progress");

    tcase_add_test(tcase, the_line_has_all_figures);
    tcase_add_loop_test(tcase, percent_and_time_left, 0, ARRAY_COUNT(parts));
    tcase_add_test(tcase, without_a_file_the_headers_count);
    tcase_add_test(tcase, rates_are_over_the_last_samples);
    tcase_add_test(tcase, the_longest_line_fits);
    tcase_add_test(tcase, elsewhere_there_are_plain_lines);
    tcase_add_test(tcase, a_terminals_line_is_rewritten_and_fits_its_row);
    tcase_add_test(tcase, the_process_uses_memory);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
