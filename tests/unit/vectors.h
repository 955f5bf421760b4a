/* vectors.h - JSON files with test vectors, for the unit tests. What is not as expected fails the
 * test. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H
#include "base/hex.h"
#include "shared_files.h"
#include <jansson.h>

/* The JSON array in the file at path; end with json_decref. */
static inline json_t *vectors_load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);

    ck_assert_msg(root != NULL, "%s:%d: %s", path, error.line, error.text);
    ck_assert_msg(json_is_array(root), "%s is no array", path);
    return root;
}

static inline const char *vector_string(const json_t *value)
{
    ck_assert(json_is_string(value));
    return json_string_value(value);
}

/* The bytes a hex string stands for, in a buffer of just that size; end with free((void *)b.data).
 */
static inline struct bytes hex_load(const char *hex)
{
    size_t size = strlen(hex);
    uint8_t *data = xmalloc(size / 2 ? size / 2 : 1);

    ck_assert_msg(hex_decode(data, hex, size), "no hex: %s", hex);
    return (struct bytes){data, size / 2};
}

static inline struct bytes vector_hex(const json_t *value)
{
    return hex_load(vector_string(value));
}

/* Calls run for each file that matches the pattern in the shared folder, which adds the cases it
 * ran to *count; prints how many there were. A SKIP line where the folder is missing. */
static inline void vectors_run(const char *pattern, void (*run)(const json_t *root, size_t *count))
{
    const char *folder = shared_folder(pattern);

    if (folder == NULL)
        return;

    glob_t found = shared_glob(folder, pattern);
    size_t count = 0;

    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *root = vectors_load(found.gl_pathv[i]);

        run(root, &count);
        json_decref(root);
    }
    printf("%s: %zu cases in %zu files\n", pattern, count, found.gl_pathc);
    ck_assert_uint_gt(count, 0);
    globfree(&found);
}
#endif
