/* csv_file.h - rows of a comma-separated file of test vectors (no quotes). */
#ifndef TESTS_CSV_FILE_H
#define TESTS_CSV_FILE_H
#include "base/hex.h"
#include "shared_files.h"

struct csv_file {
    char *text, *at;
};

/* The file at folder/path; its first row, the names of the fields, is passed over. */
static inline struct csv_file csv_open(const char *folder, const char *path)
{
    char full[4096];

    snprintf(full, sizeof full, "%s/%s", folder, path);
    struct bytes data = file_load(full);
    char *text = xmalloc(data.size + 1);

    memcpy(text, data.data, data.size);
    text[data.size] = 0;
    free((void *)data.data);
    return (struct csv_file){text, strchr(text, '\n') + 1};
}

/* Splits the next row in place into exactly count fields; false at the end, when the file is freed.
 */
static inline bool csv_next(struct csv_file *csv, char **fields, size_t count)
{
    char *line = strsep(&csv->at, "\n");

    if (!line || !*line) {
        free(csv->text);
        return false;
    }
    line[strcspn(line, "\r")] = 0;
    for (size_t i = 0; i < count; i++) {
        fields[i] = strsep(&line, ",");
        ck_assert_ptr_nonnull(fields[i]);
    }
    ck_assert_ptr_null(line);
    return true;
}

/* The bytes of a field in hex, to be freed. */
static inline struct bytes csv_hex(const char *field)
{
    size_t size = strlen(field);
    uint8_t *data = xmalloc(size / 2);

    ck_assert_msg(hex_decode(data, field, size), "not hex: %s", field);
    return (struct bytes){data, size / 2};
}

static inline void csv_hex32(uint8_t out[32], const char *field)
{
    ck_assert_uint_eq(strlen(field), 64);
    ck_assert(hex_decode(out, field, 64));
}
#endif
