#include "script/machine.h"
#include "script/signature.h"

#define SIGNATURE_WEIGHT 50 /* BIP342: what a signature check takes off the budget */

/* The push operation of data, as FindAndDelete looks for it. */
static size_t write_push(uint8_t *out, struct bytes data)
{
    size_t size = 0;

    if (data.size < OP_PUSHDATA1) {
        out[size++] = (uint8_t)data.size;
    } else if (data.size <= 0xff) {
        out[size++] = OP_PUSHDATA1;
        out[size++] = (uint8_t)data.size;
    } else {
        out[size++] = OP_PUSHDATA2;
        le16_write(out + size, (uint16_t)data.size);
        size += 2;
    }
    if (data.size > 0)
        memcpy(out + size, data.data, data.size);
    return size + data.size;
}

/* Deletes from *code each push of signature that begins where an operation begins; whether there
 * was one. *code then lies in the machine's buffer (where it may have been before: it only gets
 * shorter). */
static bool find_and_delete(struct script_machine *m, struct bytes *code, struct bytes signature)
{
    uint8_t push[3 + ELEMENT_SIZE_MAX];
    size_t push_size = write_push(push, signature);

    if (memmem(code->data, code->size, push, push_size) == NULL)
        return false;

    struct cursor c = cursor_of(*code);
    struct script_op op;
    uint8_t *out = m->code_buffer;
    bool is_found = false;
    bool is_at_end = false;

    while (!is_at_end) {
        while (cursor_left(&c) >= push_size && memcmp(c.at, push, push_size) == 0) {
            c.at += push_size;
            is_found = true;
        }

        const uint8_t *kept = c.at;

        is_at_end = cursor_left(&c) == 0 || !script_op_read(&op, &c);
        if (is_at_end)
            c.at = c.end; /* what cannot be read stays */
        memmove(out, kept, (size_t)(c.at - kept));
        out += c.at - kept;
    }
    if (!is_found)
        return false;
    *code = (struct bytes){m->code_buffer, (size_t)(out - m->code_buffer)};
    m->cache.ready = 0;
    return true;
}

static bool is_defined_hash_type(uint8_t hash_type)
{
    uint8_t type = hash_type & ~SIGHASH_ANYONECANPAY;

    return type >= SIGHASH_ALL && type <= SIGHASH_SINGLE;
}

static enum script_error check_signature_encoding(struct bytes signature, uint32_t flags)
{
    if (signature.size == 0)
        return SCRIPT_OK; /* never valid, in short */
    if (flags & (SCRIPT_VERIFY_DERSIG | SCRIPT_VERIFY_LOW_S | SCRIPT_VERIFY_STRICTENC) &&
        !signature_is_strict_der(signature))
        return SCRIPT_ERR_SIG_DER;
    if (flags & SCRIPT_VERIFY_LOW_S &&
        !signature_has_low_s(bytes_sub(signature, 0, signature.size - 1)))
        return SCRIPT_ERR_SIG_HIGH_S;
    if (flags & SCRIPT_VERIFY_STRICTENC &&
        !is_defined_hash_type(signature.data[signature.size - 1]))
        return SCRIPT_ERR_SIG_HASHTYPE;
    return SCRIPT_OK;
}

static enum script_error check_pubkey_encoding(struct script_machine *m, struct bytes pubkey)
{
    bool is_compressed = pubkey.size == 33 && (pubkey.data[0] == 2 || pubkey.data[0] == 3);
    bool is_uncompressed = pubkey.size == 65 && pubkey.data[0] == 4;

    if (m->flags & SCRIPT_VERIFY_STRICTENC && !is_compressed && !is_uncompressed)
        return SCRIPT_ERR_PUBKEYTYPE;
    if (m->flags & SCRIPT_VERIFY_WITNESS_PUBKEYTYPE && m->version == VERSION_V0 && !is_compressed)
        return SCRIPT_ERR_WITNESS_PUBKEYTYPE;
    return SCRIPT_OK;
}

static bool check_ecdsa(struct script_machine *m, struct bytes signature, struct bytes pubkey,
                        struct bytes code)
{
    uint8_t hash[32];

    if (signature.size == 0 || (pubkey.size != 33 && pubkey.size != 65))
        return false;

    struct bytes der = bytes_sub(signature, 0, signature.size - 1);
    uint8_t hash_type = signature.data[signature.size - 1];

    if (m->version == VERSION_V0) {
        sighash_v0(hash, m->tx, m->input_index, code, m->prevouts[m->input_index].amount_sat,
                   hash_type, m->parts);
    } else {
        if (m->cached_code.data != code.data || m->cached_code.size != code.size) {
            m->cached_code = code;
            m->cache.ready = 0;
        }
        sighash_legacy(hash, m->tx, m->input_index, code, hash_type, &m->cache);
    }
    return signature_check_ecdsa(m->keys, der, pubkey, hash);
}

enum script_error check_schnorr(struct script_machine *m, struct bytes signature,
                                struct bytes pubkey)
{
    uint8_t hash_type = SIGHASH_DEFAULT;
    uint8_t hash[32];

    if (signature.size != 64 && signature.size != 65)
        return SCRIPT_ERR_SCHNORR_SIG_SIZE;
    if (signature.size == 65) {
        hash_type = signature.data[64];
        if (hash_type == SIGHASH_DEFAULT)
            return SCRIPT_ERR_SCHNORR_SIG_HASHTYPE;
    }
    if (!sighash_taproot(hash, m->tx, m->input_index, m->prevouts, hash_type, m->parts, &m->spend))
        return SCRIPT_ERR_SCHNORR_SIG_HASHTYPE;
    return signature_check_schnorr(m->keys, signature.data, pubkey.data, (struct bytes){hash, 32})
               ? SCRIPT_OK
               : SCRIPT_ERR_SCHNORR_SIG;
}

/* From the last executed OP_CODESEPARATOR to the end. */
static struct bytes script_code(const struct script_machine *m)
{
    return (struct bytes){m->code_start, (size_t)(m->script.data + m->script.size - m->code_start)};
}

static enum script_error checksig_before_tapscript(struct script_machine *m, struct bytes signature,
                                                   struct bytes pubkey, bool *is_valid)
{
    struct bytes code = script_code(m);
    enum script_error error;

    if (m->version == VERSION_LEGACY && find_and_delete(m, &code, signature) &&
        m->flags & SCRIPT_VERIFY_CONST_SCRIPTCODE)
        return SCRIPT_ERR_SIG_FINDANDDELETE;
    if ((error = check_signature_encoding(signature, m->flags)) ||
        (error = check_pubkey_encoding(m, pubkey)))
        return error;
    *is_valid = check_ecdsa(m, signature, pubkey, code);
    if (!*is_valid && m->flags & SCRIPT_VERIFY_NULLFAIL && signature.size > 0)
        return SCRIPT_ERR_NULLFAIL;
    return SCRIPT_OK;
}

/* BIP342: an empty signature is false, any other must be valid; of a key whose kind is not known
 * yet any signature is. */
static enum script_error checksig_tapscript(struct script_machine *m, struct bytes signature,
                                            struct bytes pubkey, bool *is_valid)
{
    *is_valid = signature.size > 0;
    if (*is_valid) {
        m->weight_left -= SIGNATURE_WEIGHT;
        if (m->weight_left < 0)
            return SCRIPT_ERR_TAPSCRIPT_VALIDATION_WEIGHT;
    }
    if (pubkey.size == 0)
        return SCRIPT_ERR_TAPSCRIPT_EMPTY_PUBKEY;
    if (pubkey.size == 32)
        return *is_valid ? check_schnorr(m, signature, pubkey) : SCRIPT_OK;
    return m->flags & SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE
               ? SCRIPT_ERR_DISCOURAGE_UPGRADABLE_PUBKEYTYPE
               : SCRIPT_OK;
}

/* signature pubkey -- bool */
enum script_error op_checksig(struct script_machine *m, bool is_verify)
{
    bool is_valid = false;

    if (m->depth < 2)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;

    struct bytes signature = stack_bytes(m, 2);
    struct bytes pubkey = stack_bytes(m, 1);
    enum script_error error = m->version == VERSION_TAPSCRIPT
                                  ? checksig_tapscript(m, signature, pubkey, &is_valid)
                                  : checksig_before_tapscript(m, signature, pubkey, &is_valid);

    if (error)
        return error;
    stack_drop(m, 2);
    if (!is_verify)
        stack_push_bool(m, is_valid);
    else if (!is_valid)
        return SCRIPT_ERR_CHECKSIGVERIFY;
    return SCRIPT_OK;
}

/* signature number pubkey -- number, plus 1 if the signature is valid */
enum script_error op_checksigadd(struct script_machine *m)
{
    bool is_valid = false;
    int64_t number;

    if (m->version != VERSION_TAPSCRIPT)
        return SCRIPT_ERR_BAD_OPCODE;
    if (m->depth < 3)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 2, NUMBER_SIZE_MAX, &number))
        return SCRIPT_ERR_SCRIPTNUM;

    enum script_error error =
        checksig_tapscript(m, stack_bytes(m, 3), stack_bytes(m, 1), &is_valid);

    if (error)
        return error;
    stack_drop(m, 3);
    stack_push_number(m, number + is_valid);
    return SCRIPT_OK;
}

/* Where the parts of a multisig stand, counted from the top of the stack. */
struct multisig {
    uint32_t key_count, signature_count;
    uint32_t first_key, first_signature;
    uint32_t size; /* of all, the dummy included */
};

static enum script_error multisig_read(struct script_machine *m, struct multisig *multisig)
{
    int64_t key_count, signature_count;

    if (m->depth < 1)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, 1, NUMBER_SIZE_MAX, &key_count))
        return SCRIPT_ERR_SCRIPTNUM;
    if (key_count < 0 || key_count > MULTISIG_KEYS_MAX)
        return SCRIPT_ERR_PUBKEY_COUNT;
    m->op_count += (uint32_t)key_count;
    if (m->op_count > OPS_MAX)
        return SCRIPT_ERR_OP_COUNT;
    multisig->key_count = (uint32_t)key_count;
    multisig->first_key = 2;
    if (m->depth < multisig->key_count + 2)
        return SCRIPT_ERR_INVALID_STACK_OPERATION;
    if (!stack_number(m, multisig->key_count + 2, NUMBER_SIZE_MAX, &signature_count))
        return SCRIPT_ERR_SCRIPTNUM;
    if (signature_count < 0 || signature_count > key_count)
        return SCRIPT_ERR_SIG_COUNT;
    multisig->signature_count = (uint32_t)signature_count;
    multisig->first_signature = multisig->key_count + 3;
    multisig->size = multisig->key_count + multisig->signature_count + 3;
    return m->depth < multisig->size ? SCRIPT_ERR_INVALID_STACK_OPERATION : SCRIPT_OK;
}

/* Keys and signatures are in the same order, so each key is tried for the first signature that has
 * none yet, until more signatures than keys are left. */
static enum script_error multisig_check(struct script_machine *m, struct multisig multisig,
                                        struct bytes code, bool *is_valid)
{
    enum script_error error;

    while (multisig.signature_count > 0 && multisig.signature_count <= multisig.key_count) {
        struct bytes signature = stack_bytes(m, multisig.first_signature);
        struct bytes pubkey = stack_bytes(m, multisig.first_key);

        if ((error = check_signature_encoding(signature, m->flags)) ||
            (error = check_pubkey_encoding(m, pubkey)))
            return error;
        if (check_ecdsa(m, signature, pubkey, code)) {
            multisig.first_signature++;
            multisig.signature_count--;
        }
        multisig.first_key++;
        multisig.key_count--;
    }
    *is_valid = multisig.signature_count == 0;
    return SCRIPT_OK;
}

/* dummy signatures… count pubkeys… count -- bool: from the first days on one element too many is
 * taken */
enum script_error op_checkmultisig(struct script_machine *m, bool is_verify)
{
    struct multisig multisig;
    enum script_error error;
    bool is_valid;

    if (m->version == VERSION_TAPSCRIPT)
        return SCRIPT_ERR_TAPSCRIPT_CHECKMULTISIG;
    if ((error = multisig_read(m, &multisig)))
        return error;

    struct bytes code = script_code(m);

    for (uint32_t i = 0; m->version == VERSION_LEGACY && i < multisig.signature_count; i++)
        if (find_and_delete(m, &code, stack_bytes(m, multisig.first_signature + i)) &&
            m->flags & SCRIPT_VERIFY_CONST_SCRIPTCODE)
            return SCRIPT_ERR_SIG_FINDANDDELETE;
    if ((error = multisig_check(m, multisig, code, &is_valid)))
        return error;
    for (uint32_t i = 0;
         !is_valid && m->flags & SCRIPT_VERIFY_NULLFAIL && i < multisig.signature_count; i++)
        if (stack_top(m, multisig.first_signature + i)->size > 0)
            return SCRIPT_ERR_NULLFAIL;
    if (m->flags & SCRIPT_VERIFY_NULLDUMMY && stack_top(m, multisig.size)->size > 0)
        return SCRIPT_ERR_SIG_NULLDUMMY;
    stack_drop(m, multisig.size);
    if (!is_verify)
        stack_push_bool(m, is_valid);
    else if (!is_valid)
        return SCRIPT_ERR_CHECKMULTISIGVERIFY;
    return SCRIPT_OK;
}
