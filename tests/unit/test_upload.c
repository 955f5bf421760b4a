#include "net/upload.h"

#include <check.h>
#include <stdlib.h>

#define START     5000
#define DAY_BYTES (144ull * 4000000) /* kept for the new blocks of a whole day */

START_TEST(without_a_limit_nothing_is_refused)
{
    struct upload upload = {0, START, 0};

    upload_sent(&upload, UINT64_MAX / 2, START);
    ck_assert(!upload_is_reached(&upload, START));
}
END_TEST

START_TEST(what_new_blocks_may_need_is_kept)
{
    struct upload upload = {DAY_BYTES, START, 0};

    ck_assert(upload_is_reached(&upload, START)); /* not more than new blocks need */
    upload.limit++;
    ck_assert(!upload_is_reached(&upload, START));
    upload_sent(&upload, 1, START);
    ck_assert(upload_is_reached(&upload, START));
    ck_assert(upload_is_reached(&upload, START + 0));
    ck_assert(!upload_is_reached(&upload, START + 1)); /* a ten minutes' block less to keep for */
    upload_sent(&upload, 3999999, START + 1);
    ck_assert(!upload_is_reached(&upload, START + 1));
    upload_sent(&upload, 1, START + 1);
    ck_assert(upload_is_reached(&upload, START + 1));
}
END_TEST

START_TEST(the_count_begins_anew_after_24_hours)
{
    struct upload upload = {2 * DAY_BYTES, START, 0};

    upload_sent(&upload, 2 * DAY_BYTES, START);
    ck_assert(upload_is_reached(&upload, START + UPLOAD_CYCLE_MS - 1));
    ck_assert(!upload_is_reached(&upload, START + UPLOAD_CYCLE_MS));
    upload_sent(&upload, 10, START + UPLOAD_CYCLE_MS);
    ck_assert_uint_eq(upload.sent_bytes, 10);
    ck_assert_uint_eq(upload.cycle_ms, START + UPLOAD_CYCLE_MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upload");
    TCase *tcase = tcase_create("upload");

    tcase_add_test(tcase, without_a_limit_nothing_is_refused);
    tcase_add_test(tcase, what_new_blocks_may_need_is_kept);
    tcase_add_test(tcase, the_count_begins_anew_after_24_hours);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
