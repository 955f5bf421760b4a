#include "codec/message_handshake.h"
#include "codec/compact.h"

bool version_parse(struct version_message *version, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    *version = (struct version_message){.nonce = 1, .height = -1, .wants_txs = true};
    version->version = (int32_t)cursor_le32(&c);
    version->services = cursor_le64(&c);
    version->time = (int64_t)cursor_le64(&c);
    cursor_take(&c, 8); /* services again */
    version->receiver = netaddr_read_legacy(&c);
    if (cursor_left(&c)) {
        cursor_take(&c, 8 + NETADDR_LEGACY_SIZE); /* the sender's address as it sees it */
        version->nonce = cursor_le64(&c);
    }
    if (cursor_left(&c)) {
        uint64_t size = compact_read(&c);

        if (size > USER_AGENT_SIZE_MAX)
            cursor_fail(&c);
        version->user_agent = cursor_take(&c, size);
    }
    if (cursor_left(&c))
        version->height = (int32_t)cursor_le32(&c);
    if (cursor_left(&c))
        version->wants_txs = cursor_u8(&c) != 0;
    return cursor_ok(&c);
}

size_t version_write(uint8_t out[VERSION_SIZE_MAX], const struct version_message *version)
{
    uint8_t *at = out;

    assert(version->user_agent.size <= USER_AGENT_SIZE_MAX);
    le32_write(at, (uint32_t)version->version);
    le64_write(at + 4, version->services);
    le64_write(at + 12, (uint64_t)version->time);
    le64_write(at + 20, 0); /* the receiver's services: nobody minds them */
    netaddr_write_legacy(at + 28, &version->receiver);
    le64_write(at + 46, version->services);
    memset(at + 54, 0, NETADDR_LEGACY_SIZE);
    le64_write(at + 72, version->nonce);
    at += 80;
    at += compact_write(at, version->user_agent.size);
    if (version->user_agent.size)
        memcpy(at, version->user_agent.data, version->user_agent.size);
    at += version->user_agent.size;
    le32_write(at, (uint32_t)version->height);
    at[4] = version->wants_txs;
    return (size_t)(at + 5 - out);
}

static struct bytes take_limited(struct cursor *c, size_t size_min, size_t size_max)
{
    uint64_t size = compact_read(c);

    if (size < size_min || size > size_max)
        cursor_fail(c);
    return cursor_take(c, size);
}

bool feature_parse(struct feature_message *feature, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    feature->id = take_limited(&c, FEATURE_ID_SIZE_MIN, FEATURE_ID_SIZE_MAX);
    feature->data = take_limited(&c, 0, FEATURE_DATA_SIZE_MAX);
    return cursor_ok(&c) && cursor_left(&c) == 0;
}

bool number_parse(uint64_t *number, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    *number = cursor_le64(&c);
    return cursor_ok(&c);
}

bool sendcmpct_parse(struct sendcmpct_message *message, struct bytes payload)
{
    struct cursor c = cursor_of(payload);

    message->announce = cursor_u8(&c);
    message->version = cursor_le64(&c);
    return cursor_ok(&c);
}

void sendcmpct_write(uint8_t out[SENDCMPCT_SIZE], const struct sendcmpct_message *message)
{
    out[0] = message->announce;
    le64_write(out + 1, message->version);
}
