/* handshake.h - version, verack and what is agreed between them; the order in which things may be
 * said. Pure: the caller sends what is asked for and keeps the time (HANDSHAKE_TIMEOUT_MS). The net
 * thread. */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H
#include "codec/message_handshake.h"
#include "codec/message_type.h"

#define PROTOCOL_VERSION        70017 /* has feature (BIP434) */
#define PROTOCOL_VERSION_MIN    31800
#define PROTOCOL_PING_NONCE     60001 /* from here on ping has a nonce, and pong is its answer */
#define PROTOCOL_SENDHEADERS    70012
#define PROTOCOL_FEEFILTER      70013
#define PROTOCOL_COMPACT_BLOCKS 70014
#define PROTOCOL_WTXID_RELAY    70016 /* and addrv2 */
#define HANDSHAKE_TIMEOUT_MS    60000

#define SERVICE_NETWORK         1u
#define SERVICE_BLOOM           4u
#define SERVICE_WITNESS         8u
#define SERVICE_COMPACT_FILTERS 64u
#define SERVICE_NETWORK_LIMITED 1024u
#define SERVICE_P2P_V2          2048u

enum peer_direction {
    PEER_INCOMING,
    PEER_OUTGOING, /* of our own choice: it must be of use to us */
    PEER_MANUAL,   /* of the operator's */
    PEER_FETCH,    /* a seed, called for addresses only */
};

struct handshake {
    /* set by handshake_init */
    enum peer_direction direction;
    bool takes_limited;         /* a peer with only the last blocks will do */
    const uint64_t *own_nonces; /* of our unfinished connections: one of them in an incoming version
                                   is ourselves */
    uint32_t own_nonce_count;

    /* what is known of the peer */
    bool has_version, is_done;
    int32_t version, common_version, height;
    uint64_t services, nonce;
    int64_t time;
    struct netaddr us;                        /* as it sees us */
    char user_agent[USER_AGENT_SIZE_MAX + 1]; /* plain characters only */
    bool wants_txs, wants_wtxids, wants_addrv2, wants_headers;
    bool has_compact_blocks, wants_compact_first; /* BIP152, version 2; in high-bandwidth mode */
    const char *why;                              /* of HANDSHAKE_CLOSE and HANDSHAKE_MISBEHAVES */
};

enum handshake_result {
    HANDSHAKE_IGNORED, /* nothing to do */
    HANDSHAKE_VERSION, /* its version is in: send ours if it called us, then handshake_replies */
    HANDSHAKE_DONE,    /* its verack is in: now everything may be said */
    HANDSHAKE_OTHER,   /* a message for others, the handshake being done */
    HANDSHAKE_CLOSE,
    HANDSHAKE_MISBEHAVES, /* close, and discourage */
};

void handshake_init(struct handshake *handshake, enum peer_direction direction, bool takes_limited);

/* Every message of the peer goes through here first. */
enum handshake_result handshake_receive(struct handshake *handshake, enum message_type type,
                                        struct bytes payload);

#define HANDSHAKE_REPLIES_MAX 3

/* After HANDSHAKE_VERSION: messages without payload, to be sent in this order. Returns how many. */
uint32_t handshake_replies(const struct handshake *handshake,
                           enum message_type replies[HANDSHAKE_REPLIES_MAX]);

/* It has what an outgoing peer must have: blocks with witnesses. */
bool handshake_is_useful(uint64_t services, bool takes_limited);
#endif
