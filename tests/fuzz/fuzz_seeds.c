/* peers.bin: the checksum is made to fit, so that what is behind it is reached. What is read is
 * saved again and must read the same. */
#include "base/arena.h"
#include "base/crc32c.h"
#include "net/seeds.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seeds *seeds = xcalloc(1, sizeof *seeds), *again = xcalloc(1, sizeof *again);
    uint8_t *file = xmalloc(size + 4);
    size_t again_size;

    if (size)
        memcpy(file, data, size);
    le32_write(file + size, crc32c(0, file, size));
    seeds_init(seeds, (struct siphash_key){1, 2});
    seeds_init(again, (struct siphash_key){3, 4});
    if (seeds_load(seeds, (struct bytes){file, size + 4})) {
        uint8_t *saved = seeds_save(seeds, &again_size);
        bool is_read = seeds_load(again, (struct bytes){saved, again_size});

        assert(is_read && again->count == seeds->count);
        assert(memcmp(again->entries, seeds->entries, seeds->count * sizeof *seeds->entries) == 0);
        free(saved);
    }
    free(file);
    free(seeds);
    free(again);
    return 0;
}
