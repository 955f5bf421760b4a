/* message_type.h - the messages of the network protocol: their names, and their one-byte ids in
 * BIP324 packets. Pure; any thread. */
#ifndef CODEC_MESSAGE_TYPE_H
#define CODEC_MESSAGE_TYPE_H
#include "base/bytes.h"

#define MESSAGE_SIZE_MAX     4000000 /* of a payload */
#define MESSAGE_COMMAND_SIZE 12

/* X(enum name, command, short id or 0) */
#define MESSAGE_TYPES(X)                                                                           \
    X(VERSION, "version", 0)                                                                       \
    X(VERACK, "verack", 0)                                                                         \
    X(WTXIDRELAY, "wtxidrelay", 0)                                                                 \
    X(SENDADDRV2, "sendaddrv2", 0)                                                                 \
    X(SENDHEADERS, "sendheaders", 0)                                                               \
    X(SENDTXRCNCL, "sendtxrcncl", 0)                                                               \
    X(FEATURE, "feature", 37)                                                                      \
    X(REJECT, "reject", 0)                                                                         \
    X(PING, "ping", 18)                                                                            \
    X(PONG, "pong", 19)                                                                            \
    X(GETADDR, "getaddr", 0)                                                                       \
    X(ADDR, "addr", 1)                                                                             \
    X(ADDRV2, "addrv2", 28)                                                                        \
    X(INV, "inv", 14)                                                                              \
    X(GETDATA, "getdata", 11)                                                                      \
    X(NOTFOUND, "notfound", 17)                                                                    \
    X(GETBLOCKS, "getblocks", 9)                                                                   \
    X(GETHEADERS, "getheaders", 12)                                                                \
    X(HEADERS, "headers", 13)                                                                      \
    X(BLOCK, "block", 2)                                                                           \
    X(TX, "tx", 21)                                                                                \
    X(MEMPOOL, "mempool", 15)                                                                      \
    X(FEEFILTER, "feefilter", 5)                                                                   \
    X(SENDCMPCT, "sendcmpct", 20)                                                                  \
    X(CMPCTBLOCK, "cmpctblock", 4)                                                                 \
    X(GETBLOCKTXN, "getblocktxn", 10)                                                              \
    X(BLOCKTXN, "blocktxn", 3)                                                                     \
    X(GETCFILTERS, "getcfilters", 22)                                                              \
    X(CFILTER, "cfilter", 23)                                                                      \
    X(GETCFHEADERS, "getcfheaders", 24)                                                            \
    X(CFHEADERS, "cfheaders", 25)                                                                  \
    X(GETCFCHECKPT, "getcfcheckpt", 26)                                                            \
    X(CFCHECKPT, "cfcheckpt", 27)                                                                  \
    X(FILTERADD, "filteradd", 6)                                                                   \
    X(FILTERCLEAR, "filterclear", 7)                                                               \
    X(FILTERLOAD, "filterload", 8)                                                                 \
    X(MERKLEBLOCK, "merkleblock", 16)

enum message_type {
    MESSAGE_UNKNOWN, /* to be passed over */
#define X(name, command, id) MESSAGE_##name,
    MESSAGE_TYPES(X)
#undef X
        MESSAGE_TYPE_COUNT
};

/* The command as text; "unknown" for MESSAGE_UNKNOWN. */
const char *message_type_name(enum message_type type);

/* 0 for types that have none. */
uint8_t message_type_id(enum message_type type);
enum message_type message_type_of_id(uint8_t id);

/* MESSAGE_UNKNOWN also for what is no well-formed command (printable characters, then zeros). */
enum message_type message_type_of_command(const uint8_t command[MESSAGE_COMMAND_SIZE]);
void message_type_command(enum message_type type, uint8_t command[MESSAGE_COMMAND_SIZE]);
#endif
