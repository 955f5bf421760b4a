#include "net/handshake.h"

void handshake_init(struct handshake *h, enum peer_direction direction, bool takes_limited)
{
    *h = (struct handshake){.direction = direction, .takes_limited = takes_limited, .height = -1};
}

bool handshake_is_useful(uint64_t services, bool takes_limited)
{
    uint64_t blocks = SERVICE_NETWORK | (takes_limited ? SERVICE_NETWORK_LIMITED : 0);

    return (services & SERVICE_WITNESS) && (services & blocks);
}

static enum handshake_result close_for(struct handshake *h, const char *why)
{
    h->why = why;
    return HANDSHAKE_CLOSE;
}

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr(" .,;-_/:?@()", c));
}

static void user_agent_copy(struct handshake *h, struct bytes agent)
{
    size_t size = 0;

    for (size_t i = 0; i < agent.size; i++)
        if (is_plain(agent.data[i]))
            h->user_agent[size++] = (char)agent.data[i];
    h->user_agent[size] = 0;
}

static bool is_ourselves(const struct handshake *h, uint64_t nonce)
{
    for (uint32_t i = 0; i < h->own_nonce_count; i++)
        if (h->own_nonces[i] == nonce)
            return true;
    return false;
}

static enum handshake_result receive_version(struct handshake *h, struct bytes payload)
{
    struct version_message version;

    if (h->has_version || !version_parse(&version, payload))
        return HANDSHAKE_IGNORED;
    if (h->direction == PEER_OUTGOING && !handshake_is_useful(version.services, h->takes_limited))
        return close_for(h, "does not offer the services we need");
    if (version.version < PROTOCOL_VERSION_MIN)
        return close_for(h, "obsolete version");
    if (h->direction == PEER_INCOMING && is_ourselves(h, version.nonce))
        return close_for(h, "connected to ourselves");
    h->has_version = true;
    h->version = version.version;
    h->common_version = version.version < PROTOCOL_VERSION ? version.version : PROTOCOL_VERSION;
    h->height = version.height;
    h->services = version.services;
    h->nonce = version.nonce;
    h->time = version.time;
    h->us = version.receiver;
    h->wants_txs = version.wants_txs;
    user_agent_copy(h, version.user_agent);
    return HANDSHAKE_VERSION;
}

static enum handshake_result receive_feature(struct handshake *h, struct bytes payload)
{
    struct feature_message feature;

    if (h->is_done)
        return close_for(h, "feature after verack");
    if (h->common_version < PROTOCOL_VERSION)
        return close_for(h, "feature from a version without it");
    if (!feature_parse(&feature, payload))
        return close_for(h, "malformed feature");
    return HANDSHAKE_IGNORED; /* there is none yet that we know */
}

static enum handshake_result receive_sendcmpct(struct handshake *h, struct bytes payload)
{
    struct sendcmpct_message message;

    if (!sendcmpct_parse(&message, payload))
        return HANDSHAKE_IGNORED;
    if (message.announce > 1) {
        h->why = "sendcmpct neither 0 nor 1";
        return HANDSHAKE_MISBEHAVES;
    }
    if (message.version == 2) { /* with witnesses; there is no other any more */
        h->has_compact_blocks = true;
        h->wants_compact_first = message.announce == 1;
    }
    return HANDSHAKE_IGNORED;
}

/* What may be said from the version message on. */
static enum handshake_result receive_negotiation(struct handshake *h, enum message_type type,
                                                 struct bytes payload)
{
    switch ((int)type) {
    case MESSAGE_VERACK:
        if (h->is_done)
            return HANDSHAKE_IGNORED;
        h->is_done = true;
        return HANDSHAKE_DONE;
    case MESSAGE_WTXIDRELAY:
        if (h->is_done)
            return close_for(h, "wtxidrelay after verack");
        h->wants_wtxids = h->common_version >= PROTOCOL_WTXID_RELAY;
        return HANDSHAKE_IGNORED;
    case MESSAGE_SENDADDRV2:
        if (h->is_done)
            return close_for(h, "sendaddrv2 after verack");
        h->wants_addrv2 = true;
        return HANDSHAKE_IGNORED;
    case MESSAGE_FEATURE:
        return receive_feature(h, payload);
    case MESSAGE_SENDHEADERS:
        h->wants_headers = true;
        return HANDSHAKE_IGNORED;
    case MESSAGE_SENDCMPCT:
        return receive_sendcmpct(h, payload);
    case MESSAGE_REJECT:
    case MESSAGE_SENDTXRCNCL:
        return HANDSHAKE_IGNORED;
    default:
        return h->is_done ? HANDSHAKE_OTHER : HANDSHAKE_IGNORED;
    }
}

enum handshake_result handshake_receive(struct handshake *h, enum message_type type,
                                        struct bytes payload)
{
    if (type == MESSAGE_VERSION)
        return receive_version(h, payload);
    return h->has_version ? receive_negotiation(h, type, payload) : HANDSHAKE_IGNORED;
}

uint32_t handshake_replies(const struct handshake *h,
                           enum message_type replies[HANDSHAKE_REPLIES_MAX])
{
    uint32_t count = 0;

    if (h->common_version >= PROTOCOL_WTXID_RELAY) {
        replies[count++] = MESSAGE_WTXIDRELAY;
        replies[count++] = MESSAGE_SENDADDRV2;
    }
    replies[count++] = MESSAGE_VERACK;
    return count;
}
