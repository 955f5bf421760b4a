#include "base/arena.h"
#include "base/crc32c.h"
#include "ledger/manifest.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool round_trip(const uint8_t *data, size_t size)
{
    struct manifest manifest;

    if (!manifest_parse(&manifest, (struct bytes){data, size}))
        return false;
    uint8_t *again = xmalloc(manifest_size(manifest.shard_count));
    manifest_write(again, &manifest);
    assert(manifest_size(manifest.shard_count) == size && memcmp(again, data, size) == 0);
    manifest_clear(&manifest);
    free(again);
    return true;
}

/* As it is, and with the right checksum behind it, without which nothing gets far. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *sealed = xmalloc(size + 4);

    memcpy(sealed, data, size);
    le32_write(sealed + size, crc32c(0, data, size));
    round_trip(data, size);
    if (round_trip(sealed, size + 4)) {
        sealed[size / 2] ^= 1;
        bool is_accepted = round_trip(sealed, size + 4);
        assert(!is_accepted);
    }
    free(sealed);
    return 0;
}
