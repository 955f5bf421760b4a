/* maker_script.c - keys, signatures, and scripts with the items that satisfy them. */
#include "base/hash.h"
#include "maker.h"
#include "script/sighash.h"

/* ---- keys and signatures ---- */

void maker_key(const secp256k1_context *ctx, unsigned key, secp256k1_keypair *pair)
{
    uint8_t secret[32] = {[30] = 0x5a, [31] = (uint8_t)(key + 1)};
    int ok = secp256k1_keypair_create(ctx, pair, secret);

    assert(ok);
}

size_t maker_write_key(const secp256k1_context *ctx, const secp256k1_keypair *pair, enum form form,
                       uint8_t *out)
{
    secp256k1_pubkey key;
    size_t size = 65;
    int ok = secp256k1_keypair_pub(ctx, &key, pair);

    ok &= secp256k1_ec_pubkey_serialize(
        ctx, out, &size, &key,
        form == COMPRESSED || form == X_ONLY ? SECP256K1_EC_COMPRESSED : SECP256K1_EC_UNCOMPRESSED);
    assert(ok);
    if (form == HYBRID)
        out[0] = (uint8_t)(6 + (out[64] & 1));
    if (form != X_ONLY)
        return size;
    memmove(out, out + 1, 32);
    return 32;
}

bool spend_find_key(const struct spend *spend, const secp256k1_context *ctx, struct bytes pubkey,
                    secp256k1_keypair *pair)
{
    const uint8_t *x = pubkey.size == 32 ? pubkey.data : pubkey.data + 1;
    uint8_t own[65];

    if (pubkey.size < 32)
        return false;
    for (unsigned i = 0; i < MAKER_KEYS + spend->tweaked_count; i++) {
        if (i < MAKER_KEYS)
            maker_key(ctx, i, pair);
        else
            *pair = spend->tweaked[i - MAKER_KEYS];
        maker_write_key(ctx, pair, X_ONLY, own);
        if (memcmp(own, x, 32) == 0)
            return true;
    }
    return false;
}

static uint8_t choose_hash_type(struct maker *m)
{
    static const uint8_t types[] = {
        SIGHASH_ALL, SIGHASH_DEFAULT, SIGHASH_NONE, SIGHASH_SINGLE, 0x81, 0x82, 0x83, 4, 0x80, 0x41,
        0xff};

    return types[choose(m->choices, ARRAY_COUNT(types))];
}

/* One byte S, which is in order but for nobody's hash. */
static void stand_in(struct spend_signature *signature, uint8_t number, bool is_schnorr,
                     uint8_t type)
{
    const uint8_t der[] = {0x30, 6, 2, 1, number, 2, 1, 1, type};

    if (!is_schnorr) {
        memcpy(signature->bytes, der, sizeof der);
        signature->size = sizeof der;
        return;
    }
    memset(signature->bytes, number, 64);
    signature->bytes[64] = type;
    signature->size = type == SIGHASH_DEFAULT ? 64 : 65;
}

struct bytes maker_new_signature(struct maker *m)
{
    struct spend *spend = m->spend;
    uint8_t type = choose_hash_type(m);
    uint32_t number = spend->signature_count;

    if (number == SPEND_SIGNATURES_MAX)
        return (struct bytes){(const uint8_t *)"", 0};
    struct spend_signature *signature = &spend->signatures[spend->signature_count++];
    if (signature->size == 0)
        stand_in(signature, (uint8_t)(number + 1), m->context == TAPSCRIPT, type);
    return (struct bytes){signature->bytes, signature->size};
}

/* ---- scripts ---- */

void maker_put_push(struct build *b, const void *data, size_t size)
{
    if (size >= OP_PUSHDATA1 && size <= 0xff)
        build_byte(b, OP_PUSHDATA1);
    else if (size > 0xff)
        build_byte(b, OP_PUSHDATA2);
    build_byte(b, (uint8_t)size);
    if (size > 0xff)
        build_byte(b, (uint8_t)(size >> 8));
    build_raw(b, data, size);
}

void maker_put_item(struct maker *m, struct bytes item)
{
    if (m->item_count < MAKER_ITEMS_MAX)
        build_raw(&m->items[m->item_count++], item.data, item.size);
}

static void put_random_item(struct maker *m)
{
    static const uint16_t sizes[] = {0, 1, 2, 4, 5, 32, 75, 76, 255, 256, 520, 521};
    uint8_t bytes[521];

    memset(bytes, (int)choose(m->choices, 256), sizeof bytes);
    maker_put_item(m, (struct bytes){bytes, sizes[choose(m->choices, ARRAY_COUNT(sizes))]});
}

static void put_key(struct maker *m, struct build *script)
{
    static const enum form forms[] = {COMPRESSED,   COMPRESSED, COMPRESSED,
                                      UNCOMPRESSED, HYBRID,     X_ONLY};
    secp256k1_keypair pair;
    uint8_t key[65];

    maker_key(m->ctx, choose(m->choices, MAKER_KEYS), &pair);
    enum form form = forms[choose(m->choices, ARRAY_COUNT(forms))];
    /* In tapscript a key of another size is one of a future kind. */
    if (m->context == TAPSCRIPT)
        form = form == HYBRID ? COMPRESSED : X_ONLY;
    maker_put_push(script, key, maker_write_key(m->ctx, &pair, form, key));
}

static void put_checksig(struct maker *m, struct build *script)
{
    maker_put_item(m, maker_new_signature(m));
    put_key(m, script);
    build_byte(script, OP_CHECKSIGVERIFY);
}

static void put_failing_checksig(struct maker *m, struct build *script)
{
    maker_put_item(m, (struct bytes){(const uint8_t *)"", 0});
    put_key(m, script);
    build_byte(script, OP_CHECKSIG);
    build_byte(script, OP_NOT);
    build_byte(script, OP_VERIFY);
}

static void put_multisig(struct maker *m, struct build *script)
{
    unsigned key_count = 1 + choose(m->choices, 4);
    unsigned signature_count = choose(m->choices, key_count + 1);

    build_byte(script, (uint8_t)(signature_count ? OP_1 - 1 + signature_count : OP_0));
    for (unsigned i = 0; i < key_count; i++)
        put_key(m, script);
    build_byte(script, (uint8_t)(OP_1 - 1 + key_count));
    for (unsigned i = 0; i < signature_count; i++)
        maker_put_item(m, maker_new_signature(m));
    maker_put_item(m, (struct bytes){(const uint8_t *)"\1", choose(m->choices, 16) == 15});
    build_byte(script, OP_CHECKMULTISIGVERIFY);
}

static void put_checksigadd(struct maker *m, struct build *script)
{
    unsigned sum = 1;

    build_byte(script, OP_1);
    for (unsigned i = 0, count = 1 + choose(m->choices, 3); i < count; i++) {
        bool is_signed = choose(m->choices, 4) != 3;

        if (is_signed)
            maker_put_item(m, maker_new_signature(m));
        else
            maker_put_item(m, (struct bytes){(const uint8_t *)"", 0});
        sum += is_signed;
        put_key(m, script);
        build_byte(script, OP_CHECKSIGADD);
    }
    build_byte(script, (uint8_t)(OP_1 - 1 + sum));
    build_byte(script, OP_NUMEQUALVERIFY);
}

/* A signature that is in the script that it signs: taken out of it before it is hashed, up to
 * BIP143. */
static void put_signature_in_script(struct maker *m, struct build *script)
{
    struct bytes signature = maker_new_signature(m);
    unsigned copies = choose(m->choices, 3);

    for (unsigned i = 0; i <= copies; i++)
        maker_put_push(script, signature.data, signature.size);
    for (unsigned i = 0; i < copies; i++)
        build_byte(script, OP_NIP);
    put_key(m, script);
    build_byte(script, OP_CHECKSIGVERIFY);
}

static void put_lock(struct maker *m, struct build *script)
{
    static const struct {
        uint8_t size, bytes[5];
    } numbers[] = {{0, {0}},
                   {1, {1}},
                   {1, {16}},
                   {2, {0xff, 0xff}}, /* -32767 */
                   {3, {1, 0, 0x40}},
                   {3, {0, 0, 0x40}},
                   {4, {0xff, 0x64, 0xcd, 0x1d}}, /* 499999999 */
                   {4, {0x00, 0x65, 0xcd, 0x1d}},
                   {5, {0xff, 0xff, 0xff, 0xff, 0}},
                   {5, {0, 0, 0, 0x80, 0}},
                   {1, {0x80}},
                   {2, {1, 0}}};
    unsigned i = choose(m->choices, ARRAY_COUNT(numbers));

    maker_put_push(script, numbers[i].bytes, numbers[i].size);
    build_byte(script, choose(m->choices, 2) ? OP_CHECKSEQUENCEVERIFY : OP_CHECKLOCKTIMEVERIFY);
    build_byte(script, OP_DROP);
}

static void put_preimage(struct maker *m, struct build *script)
{
    uint8_t preimage[32], hash[32];

    memset(preimage, (int)choose(m->choices, 256), sizeof preimage);
    maker_put_item(m, (struct bytes){preimage, sizeof preimage});
    if (choose(m->choices, 2)) {
        hash160_once(hash, preimage, sizeof preimage);
        build_byte(script, OP_HASH160);
        maker_put_push(script, hash, 20);
    } else {
        sha256d_once(hash, preimage, sizeof preimage);
        build_byte(script, OP_HASH256);
        maker_put_push(script, hash, 32);
    }
    build_byte(script, OP_EQUALVERIFY);
}

static void put_script(struct maker *m, struct build *script, unsigned depth);

/* One branch is taken, and only its items are there. */
static void put_branches(struct maker *m, struct build *script, unsigned depth)
{
    static const struct {
        uint8_t size, bytes[2];
    } conditions[] = {{1, {1}}, {0, {0}},    {1, {1}}, {0, {0}},
                      {1, {2}}, {2, {1, 0}}, {1, {0}}, {1, {0x80}}};
    unsigned condition = choose(m->choices, ARRAY_COUNT(conditions));
    bool is_not = choose(m->choices, 2);
    bool is_true = conditions[condition].bytes[0] % 0x80 != 0;

    maker_put_item(m, (struct bytes){conditions[condition].bytes, conditions[condition].size});
    build_byte(script, is_not ? OP_NOTIF : OP_IF);
    for (int branch = 0; branch < 2; branch++) {
        bool is_taken = (branch == 0) == (is_true != is_not);

        uint32_t item_count = m->item_count;

        put_script(m, script, depth + 1);
        while (!is_taken && m->item_count > item_count)
            m->items[--m->item_count].size = 0;
        build_byte(script, branch == 0 ? OP_ELSE : OP_ENDIF);
    }
}

static void put_raw(struct maker *m, struct build *script)
{
    for (unsigned i = 0, count = 1 + choose(m->choices, 4); i < count; i++)
        build_byte(script, (uint8_t)choose(m->choices, 256));
}

/* A pair of operations that undo each other, or none. */
static void put_idle(struct maker *m, struct build *script)
{
    static const uint8_t pairs[][2] = {{OP_1, OP_VERIFY},
                                       {OP_DEPTH, OP_DROP},
                                       {OP_0, OP_DROP},
                                       {OP_NOP, OP_NOP},
                                       {OP_CODESEPARATOR, OP_NOP},
                                       {OP_NOP1, OP_NOP10},
                                       {OP_CODESEPARATOR, OP_CODESEPARATOR}};
    unsigned i = choose(m->choices, ARRAY_COUNT(pairs));

    build_raw(script, pairs[i], 2);
}

static void put_piece(struct maker *m, struct build *script, unsigned depth)
{
    switch (choose(m->choices, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        put_checksig(m, script);
        return;
    case 4:
    case 5:
        if (m->context == TAPSCRIPT)
            put_checksigadd(m, script);
        else
            put_multisig(m, script);
        return;
    case 6:
    case 7:
        if (depth < 3)
            put_branches(m, script, depth);
        return;
    case 8:
    case 9:
        put_idle(m, script);
        return;
    case 10:
        put_lock(m, script);
        return;
    case 11:
        put_preimage(m, script);
        return;
    case 12:
        put_random_item(m);
        build_byte(script, OP_DROP);
        return;
    case 13:
        put_failing_checksig(m, script);
        return;
    case 14:
        if (!m->has_fixed_scripts)
            put_signature_in_script(m, script);
        return;
    case 15:
        put_raw(m, script);
        return;
    }
}

static void put_script(struct maker *m, struct build *script, unsigned depth)
{
    for (unsigned i = 0, count = 1 + choose(m->choices, 4); i < count; i++)
        put_piece(m, script, depth);
}

void maker_make_script(struct maker *m, struct build *script, enum context context)
{
    m->context = context;
    put_script(m, script, 0);
    build_byte(script, (uint8_t)(OP_1 + choose(m->choices, 2)));
}
