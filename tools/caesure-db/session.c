#include "caesure-db/session.h"
#include "base/hex.h"
#include <stdlib.h>

struct ask {
    struct session *session;
    struct answer *answer;
    char *const *words;
    int count;
};

static bool parse_number(const char *text, uint32_t *number)
{
    size_t size = strlen(text);

    if (size == 0 || size > 10 || strspn(text, "0123456789") != size)
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *number = (uint32_t)value;
    return value <= UINT32_MAX;
}

/* The block that N or HASH names; without a word the last. NULL: the error is said. */
static struct header_node *find_node(const struct ask *ask, int word)
{
    const struct view *view = &ask->session->view;
    struct header_node *node;
    struct block_hash hash;
    uint32_t height;

    if (word >= ask->count)
        return view->last;
    if (hash_from_hex(hash.bytes, ask->words[word])) {
        node = header_tree_find(view->tree, &hash);
        if (!node || !(node->status & HEADER_HAS_BLOCK)) {
            answer_fail(ask->answer, "no such block");
            return NULL;
        }
        return node;
    }
    if (!parse_number(ask->words[word], &height)) {
        answer_fail(ask->answer, "a block is named by its height or by 64 hexadecimal digits");
        return NULL;
    }
    node = height <= INT32_MAX ? header_ancestor(view->last, (int32_t)height) : NULL;
    if (!node)
        answer_fail(ask->answer, "no block at that height: the last one has %d",
                    view->last->height);
    return node;
}

static void run_last(const struct ask *ask)
{
    const struct header_node *last = ask->session->view.last;
    char status[64];

    answer_number(ask->answer, "height", last->height);
    answer_hash(ask->answer, "hash", last->hash.bytes);
    answer_number(ask->answer, "time", last->time);
    view_status(status, sizeof status, last);
    answer_string(ask->answer, "status", "%s", status);
    while (!(last->status & HEADER_VERIFIED) && last->prev)
        last = last->prev;
    answer_number(ask->answer, "verified", last->height);
    answer_number(ask->answer, "blocks", (int64_t)ask->session->view.metadata.count);
}

static void run_header(const struct ask *ask)
{
    const struct header_node *node = find_node(ask, 1);
    struct answer *answer = ask->answer;
    char work[U256_HEX_SIZE], status[64];

    if (!node)
        return;
    u256_to_hex(work, &node->chainwork);
    view_status(status, sizeof status, node);
    answer_number(answer, "height", node->height);
    answer_hash(answer, "hash", node->hash.bytes);
    answer_string(answer, "status", "%s", status);
    answer_string(answer, "work", "%s", work);
    answer_hash(answer, "prev", node->prev ? node->prev->hash.bytes : (const uint8_t[32]){0});
    answer_number(answer, "time", node->time);
    answer_string(answer, "bits", "%08x", node->bits);
    answer_number(answer, "version", node->version);
    answer_hash(answer, "merkle", node->merkle_root);
    answer_number(answer, "nonce", node->nonce);
    answer_number(answer, "pos", (int64_t)node->pos);
    answer_number(answer, "size", node->size);
}

static void run_at(const struct ask *ask)
{
    const struct header_tree *tree = ask->session->view.tree;
    const struct header_node *node = NULL;
    uint32_t height;

    if (parse_number(ask->words[1], &height) && height <= INT32_MAX)
        node = header_tree_next_at_height(tree, (int32_t)height, NULL);
    if (!node) {
        answer_fail(ask->answer, "no block is stored at that height");
        return;
    }
    answer_list(ask->answer, "blocks");
    for (; node; node = header_tree_next_at_height(tree, (int32_t)height, node)) {
        if (ask->answer->is_json)
            answer_row(ask->answer);
        answer_hash(ask->answer, "hash", node->hash.bytes);
        if (ask->answer->is_json)
            answer_row_end(ask->answer);
    }
    answer_list_end(ask->answer);
}

/* Calls put with the block that word names. */
static void with_block(const struct ask *ask, int word,
                       void (*put)(const struct ask *ask, const struct block *block))
{
    const struct header_node *node = find_node(ask, word);
    char error[VIEW_ERROR_SIZE];
    struct arena arena;
    struct block block;

    if (!node)
        return;
    arena_init(&arena, SIZE_MAX);
    uint8_t *raw = view_read(&ask->session->view, node, &block, &arena, error);
    if (raw)
        put(ask, &block);
    else
        answer_fail(ask->answer, "%s", error);
    free(raw);
    arena_clear(&arena);
}

static void put_block(const struct ask *ask, const struct block *block)
{
    answer_block(ask->answer, block);
}

static void run_block(const struct ask *ask)
{
    with_block(ask, 1, put_block);
}

static void put_txs(const struct ask *ask, const struct block *block)
{
    answer_txs(ask->answer, block);
}

static void run_dump(const struct ask *ask)
{
    with_block(ask, 1, put_txs);
}

static void put_tx(const struct ask *ask, const struct block *block)
{
    struct txid txid;

    if (hash_from_hex(txid.bytes, ask->words[1]))
        for (uint32_t i = 0; i < block->tx_count; i++)
            if (txid_equal(&block->txs[i].txid, &txid)) {
                answer_tx(ask->answer, &block->txs[i]);
                return;
            }
    answer_fail(ask->answer, "no such transaction in that block");
}

static void run_tx(const struct ask *ask)
{
    struct txid txid;

    if (!hash_from_hex(txid.bytes, ask->words[1]))
        answer_fail(ask->answer, "a txid has 64 hexadecimal digits");
    else if (ask->count > 2)
        with_block(ask, 2, put_tx);
    else
        search_tx(ask->session, ask->answer, &txid);
}

static void run_utxo(const struct ask *ask)
{
    struct outpoint outpoint;

    if (!hash_from_hex(outpoint.txid.bytes, ask->words[1]) ||
        !parse_number(ask->words[2], &outpoint.vout))
        answer_fail(ask->answer, "usage: utxo TXID N");
    else
        find_utxo(ask->session, ask->answer, &outpoint);
}

static void run_script(const struct ask *ask)
{
    const char *hex = ask->count > 1 ? ask->words[1] : "";
    size_t size = strlen(hex);
    uint8_t *script = xmalloc(size / 2 + 1);

    if (!hex_decode(script, hex, size))
        answer_fail(ask->answer, "a script is an even number of hexadecimal digits");
    else if (!answer_script(ask->answer, (struct bytes){script, size / 2}))
        answer_fail(ask->answer, "not a script: a push is cut short, or IF and ENDIF do not match");
    free(script);
}

static const char *tip_status(const struct view *view, const struct header_node *node)
{
    if (node == view->last)
        return "active";
    if (header_is_invalid(node))
        return "invalid";
    return node->status & HEADER_VERIFIED ? "valid-fork" : "unverified";
}

static void put_tip(const struct ask *ask, const struct header_node *node)
{
    const struct view *view = &ask->session->view;
    const struct header_node *fork = header_fork_point(node, view->last);

    answer_row(ask->answer);
    answer_number(ask->answer, "height", node->height);
    answer_hash(ask->answer, "hash", node->hash.bytes);
    answer_string(ask->answer, "status", "%s", tip_status(view, node));
    answer_number(ask->answer, "from", fork->height);
    answer_number(ask->answer, "length", node->height - fork->height);
    answer_row_end(ask->answer);
}

static void run_forks(const struct ask *ask)
{
    const struct view *view = &ask->session->view;

    answer_list(ask->answer, "tips");
    put_tip(ask, view->last);
    for (uint32_t i = 0; i < header_tree_leaf_count(view->tree); i++)
        if (header_tree_leaf(view->tree, i) != view->last)
            put_tip(ask, header_tree_leaf(view->tree, i));
    answer_list_end(ask->answer);
}

static void run_verify(const struct ask *ask)
{
    verify_all(ask->session, ask->answer);
}

static void run_reload(const struct ask *ask)
{
    struct session *session = ask->session;
    char error[VIEW_ERROR_SIZE];

    view_close(&session->view);
    if (view_open(&session->view, session->directory, session->params, error)) {
        run_last(ask);
        return;
    }
    answer_fail(ask->answer, "%s", error);
}

static const struct command {
    const char *name, *usage, *help;
    int words_min, words_max; /* with the name */
    void (*run)(const struct ask *ask);
} commands[] = {
    {"last", "", "the last block of the chain with the most work", 1, 1, run_last},
    {"block", "[N|HASH]", "a block with its transactions; without a name the last", 1, 2,
     run_block},
    {"header", "[N|HASH]", "a block's header, and where the block is", 1, 2, run_header},
    {"at", "N", "the hashes of all blocks at a height", 2, 2, run_at},
    {"tx", "TXID [BLOCK]", "a transaction; without its block all are searched", 2, 3, run_tx},
    {"utxo", "TXID N", "an unspent output as of the last checkpoint", 3, 3, run_utxo},
    {"dump", "[N|HASH]", "all transactions of a block", 1, 2, run_dump},
    {"script", "HEX", "a script as parse_script and pprint_script show it", 1, 2, run_script},
    {"forks", "", "the ends of all chains: height, hash, status, height of the fork, length", 1, 1,
     run_forks},
    {"verify", "", "reads everything: records, merkle roots, commitments", 1, 1, run_verify},
    {"reload", "", "looks again, at what a running node has stored since", 1, 1, run_reload},
};

void session_help(struct text *text)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        text_printf(text, "  %-6s %-12s  %s\n", commands[i].name, commands[i].usage,
                    commands[i].help);
}

void session_ask(struct session *session, char *const *words, int count, struct answer *answer)
{
    const struct ask ask = {session, answer, words, count};
    const struct command *command = NULL;

    answer_begin(answer, session->is_json);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        if (strcmp(words[0], commands[i].name) == 0)
            command = &commands[i];
    if (!command)
        answer_fail(answer, "no such command: %s; help lists them", words[0]);
    else if (count < command->words_min || count > command->words_max)
        answer_fail(answer, "usage: %s %s", command->name, command->usage);
    else if (!session->view.tree && command->run != run_reload && command->run != run_script)
        answer_fail(answer, "the directory could not be read; reload tries again");
    else
        command->run(&ask);
    answer_end(answer);
}
