/* The warnings that an operator can still ask for. */
#include "admin/warnings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct warnings warnings;
static struct text text;

static void setup(void)
{
    warnings_init(&warnings);
    text_init(&text, 1 << 20);
}

static void teardown(void)
{
    warnings_clear(&warnings);
    text_clear(&text);
}

static const char *printed(void)
{
    text_shorten(&text, 0);
    warnings_print(&warnings, &text);
    return text_cstr(&text);
}

START_TEST(a_line_that_comes_again_is_counted)
{
    ck_assert_str_eq(printed(), "");
    warnings_add(&warnings, 0, "one");
    warnings_add(&warnings, 1, "another");
    warnings_add(&warnings, 1700000000, "one");
    ck_assert_str_eq(printed(), "2023-11-14T22:13:20Z 2 one\n1970-01-01T00:00:01Z 1 another\n");
}
END_TEST

START_TEST(the_oldest_makes_room)
{
    char line[32];

    for (int i = 0; i < WARNINGS_KEPT + 1; i++) {
        snprintf(line, sizeof line, "number %d.", i);
        warnings_add(&warnings, i, line);
    }
    const char *all = printed();
    ck_assert_ptr_null(strstr(all, "number 0."));
    ck_assert_str_eq(strchr(all, '\n') - strlen("number 1."), strstr(all, "number 1."));
    snprintf(line, sizeof line, "number %d.\n", WARNINGS_KEPT);
    ck_assert_str_eq(all + strlen(all) - strlen(line), line);
}
END_TEST

START_TEST(long_lines_are_cut_and_still_known_again)
{
    char line[WARNINGS_LINE_MAX + 100];

    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    warnings_add(&warnings, 0, line);
    warnings_add(&warnings, 0, line);
    ck_assert_uint_eq(strlen(printed()), strlen("1970-01-01T00:00:00Z 2 ") + WARNINGS_LINE_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warnings");
    TCase *tcase = tcase_create("warnings");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_line_that_comes_again_is_counted);
    tcase_add_test(tcase, the_oldest_makes_room);
    tcase_add_test(tcase, long_lines_are_cut_and_still_known_again);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
