/* upload.h - --max-upload: what goes out in 24 hours is counted; near the limit blocks older than a
 * week are not served, so that new ones always can be. Pure. */
#ifndef NET_UPLOAD_H
#define NET_UPLOAD_H
#include <stdbool.h>
#include <stdint.h>

#define UPLOAD_CYCLE_MS 86400000
#define UPLOAD_OLD_S    (7 * 86400) /* a block this much older than the best header */

struct upload {
    uint64_t limit; /* 0: none */
    uint64_t cycle_ms, sent_bytes;
};

void upload_sent(struct upload *upload, uint64_t size, uint64_t now_ms);
/* No old blocks any more: what is left is kept for the new blocks of the rest of the cycle, one of
 * largest size every ten minutes. */
bool upload_is_reached(const struct upload *upload, uint64_t now_ms);
#endif
