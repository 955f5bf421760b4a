#include "net/upload.h"

#define BLOCK_SPACING_MS 600000
#define BLOCK_SIZE_MAX   4000000ull

static bool is_over(const struct upload *upload, uint64_t now_ms)
{
    return now_ms - upload->cycle_ms >= UPLOAD_CYCLE_MS;
}

void upload_sent(struct upload *upload, uint64_t size, uint64_t now_ms)
{
    if (is_over(upload, now_ms)) {
        upload->cycle_ms = now_ms;
        upload->sent_bytes = 0;
    }
    upload->sent_bytes += size;
}

bool upload_is_reached(const struct upload *upload, uint64_t now_ms)
{
    bool is_new = is_over(upload, now_ms);
    uint64_t sent = is_new ? 0 : upload->sent_bytes;
    uint64_t left_ms = is_new ? UPLOAD_CYCLE_MS : upload->cycle_ms + UPLOAD_CYCLE_MS - now_ms;
    uint64_t kept = left_ms / BLOCK_SPACING_MS * BLOCK_SIZE_MAX;

    return upload->limit && (kept >= upload->limit || sent >= upload->limit - kept);
}
