#include "codec/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header header;
    uint8_t again[HEADER_SIZE];

    if (!header_parse(&header, (struct bytes){data, size}))
        return 0;
    header_write(again, &header);
    assert(size == sizeof again && memcmp(again, data, size) == 0); /* one encoding per header */
    return 0;
}
