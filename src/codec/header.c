#include "codec/header.h"
#include "base/hash.h"

bool header_parse(struct header *header, struct bytes data)
{
    if (data.size != HEADER_SIZE)
        return false;
    memcpy(header, data.data, HEADER_SIZE);
    return true;
}

void header_write(uint8_t out[HEADER_SIZE], const struct header *header)
{
    memcpy(out, header, HEADER_SIZE);
}

struct block_hash header_hash(const struct header *header)
{
    struct block_hash hash;

    sha256d_80(hash.bytes, (const uint8_t *)header);
    return hash; /* cppcheck-suppress uninitvar ; sha256d_80 has written it */
}
