/* bans.bin: the checksum is made to fit, so that what is behind it is reached. What is read is
 * saved again and must read the same. */
#include "base/arena.h"
#include "base/crc32c.h"
#include "net/banlist.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct banlist *list = xcalloc(1, sizeof *list), *again = xcalloc(1, sizeof *again);
    uint8_t *file = xmalloc(size + 4);
    size_t again_size;

    if (size)
        memcpy(file, data, size);
    le32_write(file + size, crc32c(0, file, size));
    banlist_init(list, (struct siphash_key){1, 2});
    banlist_init(again, (struct siphash_key){3, 4});
    if (banlist_load(list, (struct bytes){file, size + 4}, 1700000000)) {
        uint8_t *saved = banlist_save(list, &again_size);
        bool is_read = banlist_load(again, (struct bytes){saved, again_size}, 1700000000);

        assert(is_read && again->count == list->count);
        assert(memcmp(again->bans, list->bans, list->count * sizeof *list->bans) == 0);
        free(saved);
    }
    free(file);
    free(list);
    free(again);
    return 0;
}
