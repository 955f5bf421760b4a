/* script_text.h - scripts, transactions and blocks as a person reads them, laid out as the first
 * Caesure did:
 * ['OP_DUP', 'OP_HASH160', '0x67a5…', 'OP_EQUALVERIFY', 'OP_CHECKSIG']. Pure; any thread. */
#ifndef CODEC_SCRIPT_TEXT_H
#define CODEC_SCRIPT_TEXT_H
#include "base/text.h"
#include "codec/block.h"

/* The list of operations, conditions as lists of their own without ENDIF: [['IF', '0x01', 'ELSE',
 * '']]. False, and nothing written, for a script that is cut short, unbalanced, has OP_VERIF, or
 * nests too deep. */
MUST_CHECK bool script_text(struct text *text, struct bytes script);

/* The same script as the first Caesure's parse_script gave it, in Python's words: tuples of a kind
 * (0 push, 1 condition, 2 operation, 3 signature check, 4 code separator) and what it needs: a
 * push's data and form, a check's opcode and the script that it signs. Grows with the square of a
 * script of checks: the text's limit bounds it. */
MUST_CHECK bool script_parsed_text(struct text *text, struct bytes script);

/* Several lines. A script that is no list is shown as hexadecimal digits in quotes. Transactions
 * with a witness, which the first Caesure did not know, have its items in a last part. */
void tx_text(struct text *text, const struct tx *tx);
void block_text(struct text *text, const struct block *block);
#endif
