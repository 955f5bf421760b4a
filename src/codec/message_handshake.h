/* message_handshake.h - version and what is said around it: feature (BIP434), and the small
 * messages with one number. Pure; views point into the payload. As in the reference node, bytes
 * after a message are not minded unless said otherwise. */
#ifndef CODEC_MESSAGE_HANDSHAKE_H
#define CODEC_MESSAGE_HANDSHAKE_H
#include "codec/netaddr.h"

#define USER_AGENT_SIZE_MAX   256
#define VERSION_SIZE_MAX      (4 + 8 + 8 + 26 + 26 + 8 + 3 + USER_AGENT_SIZE_MAX + 4 + 1)
#define FEATURE_ID_SIZE_MIN   4
#define FEATURE_ID_SIZE_MAX   80
#define FEATURE_DATA_SIZE_MAX 512

struct version_message {
    int32_t version;
    uint64_t services;
    int64_t time;
    struct netaddr receiver; /* how the sender sees the other side */
    uint64_t nonce;
    struct bytes user_agent;
    int32_t height;
    bool wants_txs; /* BIP37's relay byte; true when it is missing */
};

/* False when short, or with a user agent over USER_AGENT_SIZE_MAX. What old versions end before has
 * its default (nonce 1, height -1). */
MUST_CHECK bool version_parse(struct version_message *version, struct bytes payload);
/* Says nothing of the sender's address. Returns the size. */
size_t version_write(uint8_t out[VERSION_SIZE_MAX], const struct version_message *version);

struct feature_message {
    struct bytes id, data;
};

/* False on any id or data out of bounds, and on bytes after them. */
MUST_CHECK bool feature_parse(struct feature_message *feature, struct bytes payload);

/* ping, pong, feefilter: one number. */
MUST_CHECK bool number_parse(uint64_t *number, struct bytes payload);

#define SENDCMPCT_SIZE 9

struct sendcmpct_message {
    uint8_t announce; /* 0 or 1; more is misbehaviour */
    uint64_t version;
};

MUST_CHECK bool sendcmpct_parse(struct sendcmpct_message *message, struct bytes payload);
void sendcmpct_write(uint8_t out[SENDCMPCT_SIZE], const struct sendcmpct_message *message);
#endif
