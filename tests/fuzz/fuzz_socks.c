/* What a proxy says, in pieces whose sizes the input tells, as in one piece: the same end, and the
 * same bytes left for the peer. */
#include "net/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum socks_result feed(struct socks *socks, struct bytes all, size_t piece, size_t *left)
{
    static const struct netaddr name = {.port = 8333};
    enum socks_result result = SOCKS_MORE;
    size_t at = 0;

    socks_init(socks, &name, "a.example");
    while (at < all.size && (result == SOCKS_MORE || result == SOCKS_SEND)) {
        struct bytes part = bytes_sub(all, at, piece);
        size_t given = part.size;

        result = socks_receive(socks, &part);
        at += given - part.size;
        assert(result != SOCKS_MORE || part.size == 0);
        if (result == SOCKS_SEND)
            assert(socks->out.data == socks->request && socks->out.size == 4 + 1 + 9 + 2);
    }
    *left = all.size - at;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socks whole, pieces;
    size_t whole_left, pieces_left;

    if (size == 0)
        return 0;
    struct bytes all = {data + 1, size - 1};
    enum socks_result result = feed(&whole, all, size, &whole_left);
    assert(feed(&pieces, all, 1 + data[0] % 7, &pieces_left) == result);
    assert(result != SOCKS_DONE || whole_left == pieces_left);
    if (result == SOCKS_FAILED)
        assert(whole.why == pieces.why);
    return 0;
}
