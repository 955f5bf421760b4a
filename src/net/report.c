#include "net/net_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *direction_name(enum peer_direction direction)
{
    switch (direction) {
    case PEER_INCOMING:
        return "in";
    case PEER_OUTGOING:
        return "out";
    case PEER_MANUAL:
        return "manual";
    case PEER_FETCH:
        return "fetch";
    }
    return "";
}

void net_print_peers(struct net *net, const char *unused, struct text *text)
{
    (void)unused;
    char addr[PEER_TEXT_SIZE];

    for (const struct peer *peer = net->peers; peer; peer = peer->next) {
        const struct handshake *h = &peer->handshake;

        peer_print(addr, peer);
        text_printf(text,
                    "id=%llu addr=%s dir=%s version=%d services=%llx agent=\"%s\" height=%d "
                    "ping=%llu inflight=%u "
                    "transport=%s received=%llu sent=%llu state=%s\n",
                    (unsigned long long)peer->id, addr, direction_name(peer->direction), h->version,
                    (unsigned long long)h->services, h->user_agent,
                    peer->best ? peer->best->height : h->height,
                    (unsigned long long)peer->ping_last_ms, peer->download.in_flight,
                    transport_name(peer->transport), (unsigned long long)peer->received_bytes,
                    (unsigned long long)peer->sent_bytes,
                    peer->is_closing ? "closing"
                    : h->is_done     ? "up"
                                     : "handshake");
    }
}

void net_stats(const struct net *net, struct net_stats *stats)
{
    *stats = (struct net_stats){.known_addresses = net->seeds->count,
                                .received_bytes = net->received_bytes,
                                .sent_bytes = net->sent_bytes,
                                .served_blocks = net->served_blocks,
                                .served_bytes = net->served_bytes};
    for (const struct peer *peer = net->peers; peer; peer = peer->next) {
        stats->incoming += peer->direction == PEER_INCOMING;
        stats->outgoing += peer->direction != PEER_INCOMING;
    }
    download_stats(net->download, &stats->download);
}

void net_print_stats(struct net *net, const char *unused, struct text *text)
{
    (void)unused;
    struct net_stats stats;

    net_stats(net, &stats);
    text_printf(text, "net.incoming %u\nnet.outgoing %u\nnet.received %llu\nnet.sent %llu\n",
                stats.incoming, stats.outgoing, (unsigned long long)stats.received_bytes,
                (unsigned long long)stats.sent_bytes);
    text_printf(text, "net.served_blocks %llu\nnet.served_bytes %llu\nnet.known_addresses %u\n",
                (unsigned long long)stats.served_blocks, (unsigned long long)stats.served_bytes,
                stats.known_addresses);
    text_printf(text, "net.upload_limit %llu\nnet.upload_day %llu\nnet.upload_reached %d\n",
                (unsigned long long)net->upload.limit, (unsigned long long)net->upload.sent_bytes,
                upload_is_reached(&net->upload, net_now_ms(net)));
    text_printf(text,
                "net.download_lowest %d\nnet.download_wanted %u\nnet.download_asked "
                "%u\nnet.download_arrived %u\n"
                "net.stall_timeout_ms %llu\n",
                stats.download.lowest, stats.download.wanted, stats.download.asked,
                stats.download.arrived, (unsigned long long)stats.download.stall_timeout_ms);
}

void net_print_banned(struct net *net, const char *unused, struct text *text)
{
    (void)unused;
    char addr[NETADDR_TEXT_SIZE];

    banlist_sweep(net->bans, engine_now(net->engine));
    for (uint32_t i = 0; i < net->bans->count; i++) {
        netaddr_print_host(addr, &net->bans->bans[i].host);
        text_printf(text, "%s until %lld\n", addr, (long long)net->bans->bans[i].until_s);
    }
}

void net_connect(struct net *net, const char *addr, struct text *text)
{
    const char *why;

    if (!calls_add_manual(net, addr, &why))
        text_printf(text, "error: %s\n", why);
}

void net_disconnect(struct net *net, const char *id, struct text *text)
{
    char *end;
    unsigned long long number = strtoull(id, &end, 10);
    struct peer *peer = *id && !*end ? net_find_peer(net, number) : NULL;

    if (!peer) {
        text_printf(text, "error: no such peer\n");
        return;
    }
    calls_forget(net, peer);
    peer_close(peer, "the operator wants it");
}

void net_ban(struct net *net, const char *addr_and_seconds, struct text *text)
{
    char word[NETADDR_TEXT_SIZE] = "";
    long long seconds = BAN_DEFAULT_S;
    struct netaddr addr;
    int64_t now_s = engine_now(net->engine);

    if (sscanf(addr_and_seconds, "%79s %lld", word, &seconds) < 1 ||
        !netaddr_parse(&addr, word, 1) || seconds <= 0 || seconds > 100LL * 366 * 86400) {
        text_printf(text, "error: usage: ban ADDR [SECONDS]\n");
        return;
    }
    if (!banlist_ban(net->bans, &addr, now_s + seconds, now_s)) {
        text_printf(text, "error: too many bans\n");
        return;
    }
    net->files[NET_FILE_BANS].is_due = true;
    for (struct peer *peer = net->peers; peer; peer = peer->next)
        if (netaddr_same_host(&peer->addr, &addr))
            peer_close(peer, "banned");
}

void net_unban(struct net *net, const char *addr, struct text *text)
{
    struct netaddr parsed;

    if (!netaddr_parse(&parsed, addr, 1) || !banlist_unban(net->bans, &parsed))
        text_printf(text, "error: not banned\n");
    else
        net->files[NET_FILE_BANS].is_due = true;
}
