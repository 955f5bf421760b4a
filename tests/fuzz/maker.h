/* maker.h - what spend_maker.c and maker_script.c share: one input's script and the items that it
 * takes from the stack. */
#ifndef TESTS_MAKER_H
#define TESTS_MAKER_H
#include "codec/opcode.h"
#include "spend_maker.h"

#define MAKER_KEYS      5
#define MAKER_ITEMS_MAX 64

enum context { LEGACY, V0, TAPSCRIPT };

enum form { COMPRESSED, UNCOMPRESSED, HYBRID, X_ONLY };

struct maker {
    struct spend *spend;
    struct choices *choices;
    const secp256k1_context *ctx;
    bool has_fixed_scripts; /* of the plan */
    enum context context;
    struct build
        items[MAKER_ITEMS_MAX]; /* of one input, the first to be taken from the stack first */
    uint32_t item_count;
};

/* Key number key, below MAKER_KEYS. */
void maker_key(const secp256k1_context *ctx, unsigned key, secp256k1_keypair *pair);
/* Its public key to out, which has room for 65 bytes: its size. */
size_t maker_write_key(const secp256k1_context *ctx, const secp256k1_keypair *pair, enum form form,
                       uint8_t *out);
/* The next one of the table, or its stand-in; of the context's kind. */
struct bytes maker_new_signature(struct maker *m);

void maker_put_push(struct build *b, const void *data, size_t size);
void maker_put_item(struct maker *m, struct bytes item);
/* A script that takes the items that it adds, and leaves 1 or 2. */
void maker_make_script(struct maker *m, struct build *script, enum context context);
#endif
