/* The first byte is the message's type (enum message_type), the rest its payload. What a parser
 * takes is written and read again: both times it must come out the same. */
#include "base/arena.h"
#include "codec/compact.h"
#include "codec/message_addr.h"
#include "codec/message_chain.h"
#include "codec/message_compact.h"
#include "codec/message_filter.h"
#include "codec/message_handshake.h"
#include "codec/message_type.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_version(struct bytes payload)
{
    struct version_message version, again;
    uint8_t raw[VERSION_SIZE_MAX], raw_again[VERSION_SIZE_MAX];

    if (!version_parse(&version, payload))
        return;
    size_t size = version_write(raw, &version);
    bool is_parsed = version_parse(&again, (struct bytes){raw, size});
    assert(is_parsed);
    assert(version_write(raw_again, &again) == size && memcmp(raw, raw_again, size) == 0);
}

static void check_addr(struct bytes payload, bool is_v2)
{
    struct addr_list list;
    struct addr_entry entry, again;
    uint8_t raw[1 + ADDR_ENTRY_SIZE_MAX] = {1};
    uint32_t count = 0;

    if (addr_list_open(&list, payload, is_v2) != PARSE_OK)
        return;
    for (; addr_list_next(&list, &entry); count++) {
        struct addr_list one;
        size_t size = 1 + addr_entry_write(raw + 1, &entry, is_v2);
        enum parse_result result = addr_list_open(&one, (struct bytes){raw, size}, is_v2);

        assert(result == PARSE_OK);
        bool has_one = addr_list_next(&one, &again);
        assert(has_one && cursor_left(&one.cursor) == 0 && !addr_list_next(&one, &again));
        assert(again.time == entry.time && again.services == entry.services &&
               netaddr_equal(&again.addr, &entry.addr));
    }
    assert(count <= list.count && list.count <= ADDR_COUNT_MAX);
}

static void check_inv(struct bytes payload)
{
    struct inv_list list;

    if (inv_list_parse(&list, payload) != PARSE_OK)
        return;
    struct inv *items = xcalloc(list.count, sizeof *items);
    uint8_t *raw = xmalloc(COMPACT_SIZE_MAX + list.count * sizeof *items);

    for (uint32_t i = 0; i < list.count; i++)
        items[i] = inv_at(&list, i);
    size_t size = inv_list_write(raw, items, list.count);
    assert(size <= payload.size && memcmp(raw, payload.data, size) == 0);
    free(items);
    free(raw);
}

static void check_locator(struct bytes payload)
{
    struct locator_message locator;
    uint8_t raw[LOCATOR_SIZE_MAX];

    if (locator_parse(&locator, payload) != PARSE_OK)
        return;
    size_t size = locator_write(raw, &locator);
    assert(size <= payload.size && memcmp(raw, payload.data, size) == 0);
}

static void check_headers(struct bytes payload)
{
    struct header *headers = xmalloc(HEADERS_COUNT_MAX * sizeof *headers);
    struct header *again = xmalloc(HEADERS_COUNT_MAX * sizeof *headers);
    uint32_t count, count_again;

    if (headers_parse(headers, &count, payload) == PARSE_OK) {
        uint8_t *raw = xmalloc(HEADERS_SIZE_MAX);
        size_t size = headers_write(raw, headers, count);

        assert(headers_parse(again, &count_again, (struct bytes){raw, size}) == PARSE_OK);
        assert(count == count_again && memcmp(headers, again, count * sizeof *headers) == 0);
        free(raw);
    }
    free(headers);
    free(again);
}

static void check_compact(enum message_type type, struct bytes payload)
{
    struct arena arena;
    struct cmpctblock_message block;
    struct getblocktxn_message request;
    struct blocktxn_message answer;
    uint8_t *raw = NULL;
    size_t size = 0;

    arena_init(&arena, 1 << 26);
    if (type == MESSAGE_CMPCTBLOCK && cmpctblock_parse(&block, payload, &arena)) {
        size = cmpctblock_size(&block);
        cmpctblock_write(raw = xmalloc(size), &block);
    } else if (type == MESSAGE_GETBLOCKTXN && getblocktxn_parse(&request, payload, &arena)) {
        size = getblocktxn_size(&request);
        getblocktxn_write(raw = xmalloc(size), &request);
    } else if (type == MESSAGE_BLOCKTXN && blocktxn_parse(&answer, payload, &arena)) {
        size = blocktxn_size(&answer);
        blocktxn_write(raw = xmalloc(size), &answer);
    }
    assert(size <= payload.size && (size == 0 || memcmp(raw, payload.data, size) == 0));
    free(raw);
    arena_clear(&arena);
}

static void check_small(enum message_type type, struct bytes payload)
{
    struct feature_message feature;
    struct sendcmpct_message sendcmpct;
    struct filter_range_message range;
    struct filter_checkpoint_message checkpoint;
    uint64_t number;
    uint8_t raw[FILTER_RANGE_SIZE];

    if (type == MESSAGE_FEATURE && feature_parse(&feature, payload))
        assert(feature.id.size >= 4 && feature.id.size <= 80 && feature.data.size <= 512);
    if (type == MESSAGE_SENDCMPCT && sendcmpct_parse(&sendcmpct, payload)) {
        sendcmpct_write(raw, &sendcmpct);
        assert(memcmp(raw, payload.data, SENDCMPCT_SIZE) == 0);
    }
    if (type == MESSAGE_GETCFILTERS && filter_range_parse(&range, payload)) {
        filter_range_write(raw, &range);
        assert(memcmp(raw, payload.data, FILTER_RANGE_SIZE) == 0);
    }
    if (type == MESSAGE_GETCFCHECKPT)
        assert(filter_checkpoint_parse(&checkpoint, payload) == (payload.size >= 33));
    if (type == MESSAGE_PING)
        assert(number_parse(&number, payload) == (payload.size >= 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;

    enum message_type type = (enum message_type)(data[0] % MESSAGE_TYPE_COUNT);
    struct bytes payload = {data + 1, size - 1};

    switch (data[0] % MESSAGE_TYPE_COUNT) {
    case MESSAGE_VERSION:
        check_version(payload);
        break;
    case MESSAGE_ADDR:
        check_addr(payload, false);
        break;
    case MESSAGE_ADDRV2:
        check_addr(payload, true);
        break;
    case MESSAGE_INV:
        check_inv(payload);
        break;
    case MESSAGE_GETHEADERS:
        check_locator(payload);
        break;
    case MESSAGE_HEADERS:
        check_headers(payload);
        break;
    case MESSAGE_CMPCTBLOCK:
    case MESSAGE_GETBLOCKTXN:
    case MESSAGE_BLOCKTXN:
        check_compact(type, payload);
        break;
    default:
        check_small(type, payload);
    }
    return 0;
}
