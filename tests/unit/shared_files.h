/* shared_files.h - finds test data outside the repository. The environment variable CAESURE_SHARED
 * names the folder; where it is not there, the part that wants it prints a SKIP line; where it is
 * there, a file that is missing fails the test. */
#ifndef TESTS_SHARED_FILES_H
#define TESTS_SHARED_FILES_H
#include "base/arena.h"
#include "base/bytes.h"
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The folder, or NULL after a printed SKIP line that says what is not run. */
static inline const char *shared_folder(const char *what)
{
    const char *folder = getenv("CAESURE_SHARED");
    struct stat st;

    if (folder != NULL && stat(folder, &st) == 0 && S_ISDIR(st.st_mode))
        return folder;
    printf("SKIP %s: no folder with test data (CAESURE_SHARED)\n", what);
    return NULL;
}

/* The whole of the file at path, to be freed by the caller (free((void *)b.data)); it must be
 * there. The buffer is exactly as long as the file, so that a sanitizer sees reads beyond it. */
static inline struct bytes file_load(const char *path)
{
    FILE *file = fopen(path, "rb");

    ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);

    size_t size = (size_t)ftell(file);
    uint8_t *data = xmalloc(size ? size : 1);

    rewind(file);
    ck_assert_uint_eq(fread(data, 1, size, file), size);
    fclose(file);
    return (struct bytes){data, size};
}

/* All files of the folder that match the pattern ("vectors/core/base58*.json"), at least one;
 * end with globfree. */
static inline glob_t shared_glob(const char *folder, const char *pattern)
{
    char path[4096];
    glob_t found;

    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    ck_assert_msg(glob(path, 0, NULL, &found) == 0, "nothing matches %s", path);
    return found;
}

/* Runs the tests as one suite; what main returns: return SUITE_RUN("world", test_a, test_b);
 * CK_RUN_CASE=test_a in the environment runs that one. */
#define SUITE_RUN(name, ...)                                                                       \
    suite_run(name, (const TTest *const[]){__VA_ARGS__},                                           \
              sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *))

static inline int suite_run(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    SRunner *runner = srunner_create(suite);

    for (size_t i = 0; i < count; i++) {
        TCase *tcase = tcase_create(tests[i]->name);

        tcase_set_timeout(tcase, 300);
        tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
    }
    srunner_run_all(runner, CK_ENV);

    int failed_count = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed_count != 0;
}
#endif
