#include "caesure-db/scan.h"
#include "caesure-db/session.h"
#include <pthread.h>
#include <stdlib.h>

struct search {
    const struct txid *txid;
    pthread_mutex_t mutex; /* guards what follows */
    size_t found;          /* the first item that has it */
    uint8_t *raw;          /* its block */
    uint32_t size, tx_index;
    size_t bad_count;
};

static void keep(struct search *search, size_t index, struct bytes raw, uint32_t tx_index)
{
    if (index >= search->found)
        return;
    free(search->raw);
    search->raw = xmalloc(raw.size);
    memcpy(search->raw, raw.data, raw.size);
    search->found = index;
    search->size = (uint32_t)raw.size;
    search->tx_index = tx_index;
}

static void note_bad(struct search *search)
{
    pthread_mutex_lock(&search->mutex);
    search->bad_count++;
    pthread_mutex_unlock(&search->mutex);
}

static bool search_block(void *context, size_t index, struct bytes record, int error,
                         struct arena *arena)
{
    struct search *search = context;
    struct block block;

    if (error < 0 ||
        !block_parse(&block, bytes_sub(record, RECORD_HEADER_SIZE, SIZE_MAX), arena, true)) {
        note_bad(search);
        return true;
    }
    for (uint32_t i = 0; i < block.tx_count; i++)
        if (txid_equal(&block.txs[i].txid, search->txid)) {
            pthread_mutex_lock(&search->mutex);
            keep(search, index, block.raw, i);
            pthread_mutex_unlock(&search->mutex);
            return false;
        }
    if (!view_is_whole(&block, arena)) /* it may be the one that is damaged */
        note_bad(search);
    return true;
}

/* The best chain from its end, then what else there is. */
static size_t list_blocks(const struct view *view, const struct header_node **nodes)
{
    size_t count = 0;

    for (const struct header_node *node = view->last; node; node = node->prev)
        nodes[count++] = node;
    for (uint32_t i = header_tree_count(view->tree); i-- > 0;) {
        const struct header_node *node = header_tree_at(view->tree, i);

        if (node->size && !header_is_ancestor(node, view->last))
            nodes[count++] = node;
    }
    return count;
}

static void say(struct answer *answer, const struct search *search, const struct header_node *node)
{
    struct arena arena;
    struct block block;

    arena_init(&arena, SIZE_MAX);
    if (block_parse(&block, (struct bytes){search->raw, search->size}, &arena, true)) {
        answer_number(answer, "height", node->height);
        answer_hash(answer, "block", node->hash.bytes);
        answer_tx(answer, &block.txs[search->tx_index]);
    }
    arena_clear(&arena);
}

void search_tx(struct session *session, struct answer *answer, const struct txid *txid)
{
    const struct view *view = &session->view;
    size_t count_max = header_tree_count(view->tree);
    const struct header_node **nodes = xcalloc(count_max, sizeof *nodes);
    struct scan_item *items = xcalloc(count_max, sizeof *items);
    struct search search = {.txid = txid, .found = SIZE_MAX};
    struct scan scan = {.view = view,
                        .items = items,
                        .count = list_blocks(view, nodes),
                        .thread_count = session->thread_count,
                        .verb = "searched",
                        .is_quiet = session->is_quiet,
                        .each = search_block,
                        .context = &search};

    for (size_t i = 0; i < scan.count; i++)
        items[i] = (struct scan_item){nodes[i]->pos, nodes[i]->size};
    pthread_mutex_init(&search.mutex, NULL);
    int error = scan_run(&scan);
    pthread_mutex_destroy(&search.mutex);
    if (error < 0)
        answer_fail(answer, BLOCKS_NAME ": %s", strerror(-error));
    else if (search.found < scan.count)
        say(answer, &search, nodes[search.found]);
    else if (search.bad_count > 0)
        answer_fail(answer, "not found, but %zu damaged blocks could not be searched (see verify)",
                    search.bad_count);
    else
        answer_fail(answer, "no such transaction in %zu blocks", scan.count);
    free(search.raw);
    free(items);
    free(nodes);
}
