/* Random scripts, witnesses and rules: no crash, the same verdict twice (also on a machine that has
 * run others before), and what passes under some rules passes under fewer. Input: flags le32, lock
 * time le32, sequence le32, version u8, amount u8, number of witness items u8, then script_sig,
 * script_pubkey and the items, each with a size le16. Bits 29 to 31 of the flags are a form: of
 * others than AS_GIVEN the last item is a script, and script_pubkey is made to pay to it. With
 * CAESURE_KERNEL the verdict is the reference node's, too (kernel.h). */
#include "base/hash.h"
#include "codec/compact.h"
#include "kernel.h"
#include "script/classify.h"
#include "script/sigops.h"
#include "script/verify.h"
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <stdlib.h>

#define ITEMS_MAX 64

enum form { AS_GIVEN, BARE, P2SH, V0, V0_IN_P2SH, TAPSCRIPT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint32_t flags, lock_time, sequence;
    uint8_t version, amount, item_count;
    struct bytes script_sig, script_pubkey, items[ITEMS_MAX + 1];
};

static struct bytes take_sized(struct cursor *c)
{
    uint16_t size = cursor_le16(c);
    size_t left = cursor_left(c);
    struct bytes taken = {c->at, size < left ? size : left};

    c->at += taken.size;
    return taken;
}

static bool input_read(struct input *input, struct bytes data)
{
    struct cursor c = cursor_of(data);

    input->flags = cursor_le32(&c);
    input->lock_time = cursor_le32(&c);
    input->sequence = cursor_le32(&c);
    input->version = cursor_u8(&c);
    input->amount = cursor_u8(&c);
    input->item_count = cursor_u8(&c) % ITEMS_MAX;
    if (!cursor_ok(&c))
        return false;
    input->script_sig = take_sized(&c);
    input->script_pubkey = take_sized(&c);
    for (uint8_t i = 0; i < input->item_count; i++)
        input->items[i] = take_sized(&c);
    return true;
}

/* Memory for what is made from the input. */
struct room {
    uint8_t program[34], p2sh[23], control[33];
    uint8_t *script_sig; /* as large as input and push */
};

static struct bytes v0_of(struct room *room, struct bytes script)
{
    room->program[0] = OP_0;
    room->program[1] = 32;
    sha256_once(room->program + 2, script.data, script.size);
    return (struct bytes){room->program, sizeof room->program};
}

/* Adds the push of script to script_sig. */
static struct bytes p2sh_of(struct room *room, struct input *input, struct bytes script)
{
    size_t at = input->script_sig.size;

    memcpy(room->script_sig, input->script_sig.data, at);
    if (script.size < OP_PUSHDATA1) {
        room->script_sig[at++] = (uint8_t)script.size;
    } else {
        room->script_sig[at] = OP_PUSHDATA2;
        le16_write(room->script_sig + at + 1, (uint16_t)script.size);
        at += 3;
    }
    memcpy(room->script_sig + at, script.data, script.size);
    input->script_sig = (struct bytes){room->script_sig, at + script.size};
    room->p2sh[0] = OP_HASH160;
    room->p2sh[1] = 20;
    hash160_once(room->p2sh + 2, script.data, script.size);
    room->p2sh[22] = OP_EQUAL;
    return (struct bytes){room->p2sh, sizeof room->p2sh};
}

/* The one leaf under the key whose X is 1 (which is on the curve); adds the control block. */
static struct bytes taproot_of(struct room *room, struct input *input, struct bytes script)
{
    const secp256k1_context *ctx = secp256k1_context_static;
    uint8_t tweak[32], key[32] = {[31] = 1}, head[1 + COMPACT_SIZE_MAX] = {0xc0};
    secp256k1_xonly_pubkey internal, output;
    secp256k1_pubkey tweaked;
    struct sha256 hash;
    int parity;

    sha256_init_tagged(&hash, "TapLeaf");
    sha256_update(&hash, head, 1 + compact_write(head + 1, script.size));
    sha256_update(&hash, script.data, script.size);
    sha256_final(&hash, tweak);
    memcpy(room->control + 1, key, 32);
    sha256_init_tagged(&hash, "TapTweak");
    sha256_update(&hash, key, 32);
    sha256_update(&hash, tweak, 32);
    sha256_final(&hash, tweak);
    assert(secp256k1_xonly_pubkey_parse(ctx, &internal, key) &&
           secp256k1_xonly_pubkey_tweak_add(ctx, &tweaked, &internal, tweak) &&
           secp256k1_xonly_pubkey_from_pubkey(ctx, &output, &parity, &tweaked));
    room->program[0] = OP_1;
    room->program[1] = 32;
    secp256k1_xonly_pubkey_serialize(ctx, room->program + 2, &output);
    room->control[0] = (uint8_t)(0xc0 | parity);
    input->items[input->item_count++] = (struct bytes){room->control, sizeof room->control};
    return (struct bytes){room->program, sizeof room->program};
}

static void pay_to_last_item(struct input *input, struct room *room)
{
    enum form form = (enum form)(input->flags >> 29);
    struct bytes script = input->items[input->item_count - 1];

    switch (form) {
    case AS_GIVEN:
        return;
    case BARE:
        input->item_count--;
        input->script_pubkey = script;
        return;
    case P2SH:
        input->item_count--;
        input->script_pubkey = p2sh_of(room, input, script);
        return;
    case V0:
        input->script_sig.size = 0;
        input->script_pubkey = v0_of(room, script);
        return;
    case V0_IN_P2SH:
        input->script_sig.size = 0;
        input->script_pubkey = p2sh_of(room, input, v0_of(room, script));
        return;
    case TAPSCRIPT:
        input->script_sig.size = 0;
        input->script_pubkey = taproot_of(room, input, script);
        return;
    }
}

static uint8_t *put(uint8_t *at, struct bytes b)
{
    at += compact_write(at, b.size);
    memcpy(at, b.data, b.size);
    return at + b.size;
}

/* The transaction with this one input and two outputs; out is large enough. */
static size_t write_tx(uint8_t *out, const struct input *input)
{
    uint8_t *at = out;

    memset(at, 0, 4);
    at[0] = input->version;
    at += 4;
    if (input->item_count > 0) {
        *at++ = 0;
        *at++ = 1;
    }
    *at++ = 1;
    memset(at, 9, 36);
    at = put(at + 36, input->script_sig);
    le32_write(at, input->sequence);
    at += 4;
    *at++ = 2;
    memset(at, 0, 18); /* amounts and empty scripts */
    at += 18;
    if (input->item_count > 0) {
        *at++ = input->item_count;
        for (uint8_t i = 0; i < input->item_count; i++)
            at = put(at, input->items[i]);
    }
    le32_write(at, input->lock_time);
    return (size_t)(at + 4 - out);
}

static uint32_t sound_flags(uint32_t flags)
{
    flags &= SCRIPT_VERIFY_ALL;
    if (flags & SCRIPT_VERIFY_CLEANSTACK)
        flags |= SCRIPT_VERIFY_WITNESS;
    if (flags & SCRIPT_VERIFY_WITNESS)
        flags |= SCRIPT_VERIFY_P2SH;
    return flags;
}

static void compare(struct script_machine *machine, const struct tx *tx,
                    const struct tx_output *prevout, const struct sighash_parts *parts,
                    uint32_t flags)
{
    if (!kernel_is_there())
        return;
    struct kernel_tx *theirs = kernel_tx_new(tx->raw, prevout, 1);
    bool is_valid = script_verify(machine, tx, 0, prevout, parts, flags) == SCRIPT_OK;

    assert(theirs && kernel_script_passes(theirs, 0, flags) == is_valid);
    kernel_tx_free(theirs);
}

static void check(const struct tx *tx, const struct tx_output *prevout, uint32_t flags)
{
    struct script_machine *fresh = script_machine_new(), *used = script_machine_new();
    struct sighash_parts parts;

    sighash_parts_init(&parts, tx, prevout);

    enum script_error error = script_verify(fresh, tx, 0, prevout, &parts, flags);

    (void)script_verify(used, tx, 0, prevout, &parts, sound_flags(~flags));
    assert(script_verify(used, tx, 0, prevout, &parts, flags) == error);
    for (uint32_t bit = 1; error == SCRIPT_OK && bit < SCRIPT_VERIFY_ALL; bit <<= 1)
        if (script_flags_are_sound(flags & ~bit))
            assert(script_verify(used, tx, 0, prevout, &parts, flags & ~bit) == SCRIPT_OK);
    (void)input_sigop_cost(&tx->inputs[0], prevout->script_pubkey, flags);
    compare(used, tx, prevout, &parts, flags & SCRIPT_VERIFY_CONSENSUS);
    script_machine_free(fresh);
    script_machine_free(used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;

    if (!input_read(&input, (struct bytes){data, size}))
        return 0;

    struct room room = {.script_sig = xmalloc(2 * size + 64)};
    uint8_t *raw = xmalloc(4 * size + 1000);

    if (input.item_count > 0)
        pay_to_last_item(&input, &room);

    /* Buffers of just their size, so that a sanitizer sees reads beyond them. */
    size_t raw_size = write_tx(raw, &input);
    uint8_t *exact = memcpy(xmalloc(raw_size), raw, raw_size);
    uint8_t *script = xmalloc(input.script_pubkey.size);
    struct arena arena;
    struct tx tx;

    memcpy(script, input.script_pubkey.data, input.script_pubkey.size);
    arena_init(&arena, 1 << 20);

    bool is_read = tx_parse(&tx, (struct bytes){exact, raw_size}, &arena);
    struct tx_output prevout = {.amount_sat = input.amount,
                                .script_pubkey = {script, input.script_pubkey.size}};

    assert(is_read);
    check(&tx, &prevout, sound_flags(input.flags));
    arena_clear(&arena);
    free(room.script_sig);
    free(raw);
    free(exact);
    free(script);
    return 0;
}
