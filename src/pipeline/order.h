/* order.h - puts headers from a file in an order in which each comes after its parent. Blocks come
 * in any order in blocks.bin and in files to import. Pure. */
#ifndef PIPELINE_ORDER_H
#define PIPELINE_ORDER_H
#include "codec/header.h"

/* Calls visit for item i once its parent is known, by height first and in the given order of items
 * at equal height. is_known says whether a hash is known before any item is. visit returns whether
 * the item became known: if not, its descendants are not visited. Returns how many were visited.
 * prev_hash(i) and hash(i) come from items. */
struct ordered_item {
    struct block_hash hash, prev_hash;
};

size_t order_visit(const struct ordered_item *items, size_t count,
                   bool (*is_known)(void *context, const struct block_hash *hash),
                   bool (*visit)(void *context, size_t index), void *context);
#endif
