#include "codec/address.h"
#include "codec/base58.h"
#include "codec/bech32.h"
#include "codec/opcode.h"

#define PROGRAM_SIZE_MAX 40

/* Spreads bytes over values of five bits, the last filled up with zeros. */
static size_t to_values(uint8_t *values, const uint8_t *data, size_t size)
{
    uint32_t bits = 0;
    int bit_count = 0;
    size_t count = 0;

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (bit_count += 8; bit_count >= 5; bit_count -= 5)
            values[count++] = bits >> (bit_count - 5) & 31;
    }
    if (bit_count > 0)
        values[count++] = bits << (5 - bit_count) & 31;
    return count;
}

/* The bytes of values; false if what is left over is five bits or more, or not zero. */
static bool from_values(uint8_t *data, size_t *size, const uint8_t *values, size_t count)
{
    uint32_t bits = 0;
    int bit_count = 0;

    *size = 0;
    for (size_t i = 0; i < count; i++) {
        bits = bits << 5 | values[i];
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            data[(*size)++] = (uint8_t)(bits >> bit_count);
        }
    }
    return bit_count < 5 && (bits & ((1u << bit_count) - 1)) == 0;
}

/* BIP141 knows programs of 2 to 40 bytes, and of version 0 only those of 20 and 32. */
static bool is_program(int version, size_t size)
{
    if (version == 0)
        return size == 20 || size == 32;
    return version <= 16 && size >= 2 && size <= PROGRAM_SIZE_MAX;
}

static bool witness_from_script(char out[ADDRESS_TEXT_SIZE], struct bytes script, const char *hrp)
{
    if (script.size < 4 || script.size > ADDRESS_SCRIPT_SIZE || script.data[1] != script.size - 2)
        return false;

    int version = script.data[0] == OP_0 ? 0 : script.data[0] - OP_1 + 1;

    if (version < 0 || (version == 0 && script.data[0] != OP_0) ||
        !is_program(version, script.size - 2))
        return false;

    struct bech32 b = {.form = version == 0 ? BECH32 : BECH32M};
    size_t hrp_size = strlen(hrp);

    if (hrp_size > BECH32_HRP_SIZE_MAX)
        return false;
    memcpy(b.hrp, hrp, hrp_size + 1);
    b.values[0] = (uint8_t)version;
    b.value_count = 1 + to_values(b.values + 1, script.data + 2, script.size - 2);
    return bech32_encode(out, &b);
}

static bool witness_to_script(uint8_t *script, size_t *size, const struct bech32 *b,
                              const char *hrp)
{
    uint8_t program[BECH32_VALUES_MAX];
    size_t program_size;

    if (strcmp(b->hrp, hrp) != 0 || b->value_count == 0)
        return false;

    int version = b->values[0];

    if (b->form != (version == 0 ? BECH32 : BECH32M) ||
        !from_values(program, &program_size, b->values + 1, b->value_count - 1) ||
        !is_program(version, program_size))
        return false;
    script[0] = (uint8_t)(version == 0 ? OP_0 : OP_1 + version - 1);
    script[1] = (uint8_t)program_size;
    memcpy(script + 2, program, program_size);
    *size = program_size + 2;
    return true;
}

static bool hash_address(char *out, uint8_t prefix, const uint8_t hash[20])
{
    uint8_t payload[21] = {prefix};

    memcpy(payload + 1, hash, 20);
    return base58check_encode(out, ADDRESS_TEXT_SIZE, (struct bytes){payload, sizeof payload});
}

bool address_from_script(char out[ADDRESS_TEXT_SIZE], struct bytes script_pubkey,
                         const struct address_format *format)
{
    const uint8_t *s = script_pubkey.data;

    if (script_pubkey.size == 25 && s[0] == OP_DUP && s[1] == OP_HASH160 && s[2] == 20 &&
        s[23] == OP_EQUALVERIFY && s[24] == OP_CHECKSIG)
        return hash_address(out, format->p2pkh, s + 3);
    if (script_pubkey.size == 23 && s[0] == OP_HASH160 && s[1] == 20 && s[22] == OP_EQUAL)
        return hash_address(out, format->p2sh, s + 2);
    return witness_from_script(out, script_pubkey, format->hrp);
}

bool address_to_script(uint8_t script[ADDRESS_SCRIPT_SIZE], size_t *size, const char *text,
                       const struct address_format *format)
{
    struct bech32 b;
    uint8_t payload[21];
    size_t payload_size = sizeof payload;

    if (bech32_decode(&b, text, strlen(text)))
        return witness_to_script(script, size, &b, format->hrp);
    if (!base58check_decode(payload, &payload_size, text, strlen(text)) || payload_size != 21)
        return false;
    if (payload[0] == format->p2pkh) {
        memcpy(script, (const uint8_t[]){OP_DUP, OP_HASH160, 20}, 3);
        memcpy(script + 3, payload + 1, 20);
        memcpy(script + 23, (const uint8_t[]){OP_EQUALVERIFY, OP_CHECKSIG}, 2);
        *size = 25;
        return true;
    }
    if (payload[0] == format->p2sh) {
        memcpy(script, (const uint8_t[]){OP_HASH160, 20}, 2);
        memcpy(script + 2, payload + 1, 20);
        script[22] = OP_EQUAL;
        *size = 23;
        return true;
    }
    return false;
}

/* From 1 to the order of secp256k1 less 1. */
static bool is_key(const uint8_t key[32])
{
    static const uint8_t zero[32];
    static const uint8_t order[32] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
        0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    };

    return memcmp(key, zero, 32) != 0 && memcmp(key, order, 32) < 0;
}

bool wif_decode(uint8_t key[32], bool *is_compressed, const char *text,
                const struct address_format *format)
{
    uint8_t payload[34];
    size_t size = sizeof payload;

    if (!base58check_decode(payload, &size, text, strlen(text)))
        return false;
    if ((size != 33 && !(size == 34 && payload[33] == 1)) || payload[0] != format->wif)
        return false;
    memcpy(key, payload + 1, 32);
    *is_compressed = size == 34;
    return is_key(key);
}
