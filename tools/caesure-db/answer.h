/* answer.h - what a command says: lines of text as the monitor socket would, or with --json one
 * object on one line. One thread. */
#ifndef CAESURE_DB_ANSWER_H
#define CAESURE_DB_ANSWER_H
#include "base/text.h"
#include "codec/block.h"

struct answer {
    struct text text;
    bool is_json;
    bool is_failed; /* an error, or damage was found */
    bool is_row;    /* between answer_row and answer_row_end */
};

void answer_begin(struct answer *answer, bool is_json);
/* Ends the object; the text is then whole, with its line end. */
void answer_end(struct answer *answer);
void answer_clear(struct answer *answer);

/* Forgets what was said so far: "error: …". */
__attribute__((format(printf, 2, 3))) void answer_fail(struct answer *answer, const char *format,
                                                       ...);

/* A line "name value". value of answer_number is digits; of answer_string it is quoted in JSON. */
void answer_number(struct answer *answer, const char *name, int64_t value);
__attribute__((format(printf, 3, 4))) void answer_string(struct answer *answer, const char *name,
                                                         const char *format, ...);
void answer_hash(struct answer *answer, const char *name, const uint8_t bytes[32]);
void answer_hex(struct answer *answer, const char *name, struct bytes data);

/* Rows: in JSON a list of objects under name. Each row is begun; in text its values (answer_number,
 * …) are then given by answer_row_end in one line, without their names. */
void answer_list(struct answer *answer, const char *name);
void answer_row(struct answer *answer);
void answer_row_end(struct answer *answer);
void answer_list_end(struct answer *answer);

/* tx.dump() and the like in text (codec/script_text.h); objects of the same in JSON. */
void answer_tx(struct answer *answer, const struct tx *tx);
void answer_block(struct answer *answer, const struct block *block);
/* The transactions alone, one behind the other. */
void answer_txs(struct answer *answer, const struct block *block);
/* parse_script and pprint_script. False for a script that is no list. */
MUST_CHECK bool answer_script(struct answer *answer, struct bytes script);
#endif
