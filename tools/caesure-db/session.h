/* session.h - what the commands work with. One thread. */
#ifndef CAESURE_DB_SESSION_H
#define CAESURE_DB_SESSION_H
#include "caesure-db/answer.h"
#include "caesure-db/view.h"

#define WORDS_MAX 4 /* of a command */

struct session {
    struct view view;
    char *directory;
    const struct params *params;
    unsigned thread_count;
    bool is_json, is_quiet;
};

/* Runs the command in words, its name first. Afterwards the answer is whole and to be cleared. */
void session_ask(struct session *session, char *const *words, int count, struct answer *answer);
/* What commands there are, a line each. */
void session_help(struct text *text);

/* search.c: the block with a transaction, of the best chain first, newest first. */
void search_tx(struct session *session, struct answer *answer, const struct txid *txid);
/* verify.c: every record, its merkle root and commitment. */
void verify_all(struct session *session, struct answer *answer);
/* utxo.c: as of the last checkpoint. */
void find_utxo(struct session *session, struct answer *answer, const struct outpoint *outpoint);
#endif
