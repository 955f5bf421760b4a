/* Operator's text: what is taken must print as text that means the same. */
#include "base/arena.h"
#include "codec/netaddr.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1), host[NETADDR_HOST_SIZE], out[NETADDR_TEXT_SIZE];
    struct netaddr addr, again;
    uint16_t port;

    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    if (netaddr_split(text, 8333, host, &port))
        assert(strlen(host) > 0 && strlen(host) <= size);
    if (netaddr_parse(&addr, text, 8333)) {
        netaddr_print(out, &addr);
        bool is_parsed = netaddr_parse(&again, out, 1);
        assert(is_parsed && netaddr_equal(&addr, &again));
    }
    free(text);
    return 0;
}
