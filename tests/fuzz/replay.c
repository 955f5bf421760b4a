/* Feeds every file of the folders it is given to the harness it is linked with, at its full length
 * and cut short in many places: so the corpora run with every test, whatever the compiler. */
#include "base/arena.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of just the right size, so that a sanitizer sees a read beyond it. */
static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = xmalloc(size ? size : 1);

    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void or_die(bool is_ok, const char *path)
{
    if (is_ok)
        return;
    perror(path);
    exit(1);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    or_die(file != NULL, path);
    fseek(file, 0, SEEK_END);

    size_t size = (size_t)ftell(file);
    uint8_t *data = xmalloc(size + 1);

    rewind(file);
    or_die(fread(data, 1, size, file) == size, path);
    fclose(file);
    for (size_t cut = 0; cut < size; cut += size / 256 + 1)
        run_copy(data, cut);
    run_copy(data, size);
    free(data);
}

static size_t run_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t count = 0;

    or_die(dir != NULL, folder);
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        run_file(path);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        count += run_folder(argv[i]);
    printf("%zu files\n", count);
    return count == 0; /* an empty corpus is a mistake */
}
