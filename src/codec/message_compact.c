#include "codec/message_compact.h"
#include "codec/compact.h"

/* Indexes are sent as distances from the one before; they have 16 bits. */
static bool index_read(struct cursor *c, uint32_t *next, uint32_t *index)
{
    uint64_t distance = compact_read(c);

    if (!cursor_ok(c) || distance > UINT16_MAX || *next + distance > UINT16_MAX)
        return false;
    *index = *next + (uint32_t)distance;
    *next = *index + 1;
    return true;
}

/* A count of things that need at least size bytes each. */
static uint32_t count_read(struct cursor *c, size_t size)
{
    uint64_t count = compact_read(c);

    if (count > cursor_left(c) / size || count > COMPACT_BLOCK_TX_MAX) {
        cursor_fail(c);
        return 0;
    }
    return (uint32_t)count;
}

bool cmpctblock_parse(struct cmpctblock_message *message, struct bytes payload, struct arena *arena)
{
    struct cursor c = cursor_of(payload);
    struct bytes header = cursor_take(&c, HEADER_SIZE);
    uint32_t next = 0;

    if (!header_parse(&message->header, header))
        return false;
    message->nonce = cursor_le64(&c);
    message->short_id_count = count_read(&c, SHORT_ID_SIZE);
    message->short_ids = cursor_take(&c, (size_t)message->short_id_count * SHORT_ID_SIZE).data;
    message->prefilled_count = count_read(&c, 1 + 10);
    message->prefilled = arena_array(arena, message->prefilled_count, sizeof *message->prefilled);
    if (!message->prefilled ||
        message->short_id_count + message->prefilled_count > COMPACT_BLOCK_TX_MAX)
        return false;
    for (uint32_t i = 0; i < message->prefilled_count; i++) {
        struct prefilled_tx *prefilled = &message->prefilled[i];

        /* every transaction before this one has a short id or stands before it here */
        if (!index_read(&c, &next, &prefilled->index) ||
            prefilled->index > message->short_id_count + i ||
            !tx_read(&prefilled->tx, &c, payload.data, arena))
            return false;
        tx_hash(&prefilled->tx);
    }
    return cursor_ok(&c);
}

size_t cmpctblock_size(const struct cmpctblock_message *message)
{
    size_t size = HEADER_SIZE + 8 + compact_size(message->short_id_count) +
                  (size_t)message->short_id_count * SHORT_ID_SIZE +
                  compact_size(message->prefilled_count);
    uint32_t next = 0;

    for (uint32_t i = 0; i < message->prefilled_count; i++) {
        size +=
            compact_size(message->prefilled[i].index - next) + message->prefilled[i].tx.raw.size;
        next = message->prefilled[i].index + 1;
    }
    return size;
}

void cmpctblock_write(uint8_t *out, const struct cmpctblock_message *message)
{
    size_t short_ids_size = (size_t)message->short_id_count * SHORT_ID_SIZE;
    uint32_t next = 0;

    header_write(out, &message->header);
    le64_write(out + HEADER_SIZE, message->nonce);
    out += HEADER_SIZE + 8;
    out += compact_write(out, message->short_id_count);
    if (short_ids_size)
        memcpy(out, message->short_ids, short_ids_size);
    out += short_ids_size;
    out += compact_write(out, message->prefilled_count);
    for (uint32_t i = 0; i < message->prefilled_count; i++) {
        const struct prefilled_tx *prefilled = &message->prefilled[i];

        out += compact_write(out, prefilled->index - next);
        memcpy(out, prefilled->tx.raw.data, prefilled->tx.raw.size);
        out += prefilled->tx.raw.size;
        next = prefilled->index + 1;
    }
}

bool getblocktxn_parse(struct getblocktxn_message *message, struct bytes payload,
                       struct arena *arena)
{
    struct cursor c = cursor_of(payload);
    struct bytes hash = cursor_take(&c, 32);
    uint32_t next = 0, index;

    message->count = count_read(&c, 1);
    message->indexes = arena_array(arena, message->count, sizeof *message->indexes);
    if (!cursor_ok(&c) || !message->indexes)
        return false;
    memcpy(&message->hash, hash.data, 32);
    for (uint32_t i = 0; i < message->count; i++) {
        if (!index_read(&c, &next, &index))
            return false;
        message->indexes[i] = (uint16_t)index;
    }
    return true;
}

size_t getblocktxn_size(const struct getblocktxn_message *message)
{
    size_t size = 32 + compact_size(message->count);
    uint32_t next = 0;

    for (uint32_t i = 0; i < message->count; i++) {
        size += compact_size(message->indexes[i] - next);
        next = message->indexes[i] + 1u;
    }
    return size;
}

void getblocktxn_write(uint8_t *out, const struct getblocktxn_message *message)
{
    uint32_t next = 0;

    memcpy(out, &message->hash, 32);
    out += 32;
    out += compact_write(out, message->count);
    for (uint32_t i = 0; i < message->count; i++) {
        out += compact_write(out, message->indexes[i] - next);
        next = message->indexes[i] + 1u;
    }
}

bool blocktxn_parse(struct blocktxn_message *message, struct bytes payload, struct arena *arena)
{
    struct cursor c = cursor_of(payload);
    struct bytes hash = cursor_take(&c, 32);

    message->count = count_read(&c, 10);
    message->txs = arena_array(arena, message->count, sizeof *message->txs);
    if (!cursor_ok(&c) || !message->txs)
        return false;
    memcpy(&message->hash, hash.data, 32);
    for (uint32_t i = 0; i < message->count; i++) {
        if (!tx_read(&message->txs[i], &c, payload.data, arena))
            return false;
        tx_hash(&message->txs[i]);
    }
    return cursor_ok(&c);
}

size_t blocktxn_size(const struct blocktxn_message *message)
{
    size_t size = 32 + compact_size(message->count);

    for (uint32_t i = 0; i < message->count; i++)
        size += message->txs[i].raw.size;
    return size;
}

void blocktxn_write(uint8_t *out, const struct blocktxn_message *message)
{
    memcpy(out, &message->hash, 32);
    out += 32;
    out += compact_write(out, message->count);
    for (uint32_t i = 0; i < message->count; i++) {
        memcpy(out, message->txs[i].raw.data, message->txs[i].raw.size);
        out += message->txs[i].raw.size;
    }
}
