/* crc32c.h - the CRC of Castagnoli (RFC 3720), for records on disk. Any thread. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H
#include "base/bytes.h"

/* crc is 0 for the first piece, then the result so far. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same without the instruction of the processor. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);
#endif
