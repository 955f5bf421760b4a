#include "codec/message_type.h"

#include <check.h>
#include <stdlib.h>

START_TEST(names_ids_and_types_agree_both_ways)
{
    uint8_t command[MESSAGE_COMMAND_SIZE];
    int with_id = 0;

    for (int i = MESSAGE_UNKNOWN + 1; i < MESSAGE_TYPE_COUNT; i++) {
        enum message_type type = (enum message_type)i;

        message_type_command(type, command);
        ck_assert_int_eq(message_type_of_command(command), type);
        ck_assert_uint_eq(strnlen((char *)command, sizeof command),
                          strlen(message_type_name(type)));
        if (message_type_id(type)) {
            with_id++;
            ck_assert_int_eq(message_type_of_id(message_type_id(type)), type);
        }
    }
    ck_assert_int_eq(with_id, 29); /* BIP324's 28, and feature */
    ck_assert_int_eq(message_type_of_id(0), MESSAGE_UNKNOWN);
    ck_assert_int_eq(message_type_of_id(29), MESSAGE_UNKNOWN);
    ck_assert_int_eq(message_type_of_id(255), MESSAGE_UNKNOWN);
    ck_assert_int_eq(message_type_of_id(2), MESSAGE_BLOCK);
    ck_assert_int_eq(message_type_of_id(37), MESSAGE_FEATURE);
}
END_TEST

START_TEST(a_command_must_match_to_its_last_zero)
{
    uint8_t command[MESSAGE_COMMAND_SIZE + 1] = "ping\0\0\0\0\0\0\0x";

    ck_assert_int_eq(message_type_of_command(command), MESSAGE_UNKNOWN);
    command[11] = 0;
    ck_assert_int_eq(message_type_of_command(command), MESSAGE_PING);
    command[0] = 'P';
    ck_assert_int_eq(message_type_of_command(command), MESSAGE_UNKNOWN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_type");
    TCase *tcase = tcase_create("message_type");

    tcase_add_test(tcase, names_ids_and_types_agree_both_ways);
    tcase_add_test(tcase, a_command_must_match_to_its_last_zero);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
