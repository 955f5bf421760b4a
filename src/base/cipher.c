#include "base/cipher.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

struct aead {
    EVP_CIPHER_CTX *sealed; /* ChaCha20-Poly1305 */
    EVP_CIPHER_CTX *stream; /* plain ChaCha20 */
};

/* The contexts exist and the sizes are ours, so OpenSSL has nothing left to refuse. */
static void must(int result)
{
    assert(result == 1);
}

struct aead *aead_new(void)
{
    struct aead *aead = calloc(1, sizeof *aead);

    if (!aead)
        return NULL;
    aead->sealed = EVP_CIPHER_CTX_new();
    aead->stream = EVP_CIPHER_CTX_new();
    if (aead->sealed && aead->stream &&
        EVP_CipherInit_ex(aead->sealed, EVP_chacha20_poly1305(), NULL, NULL, NULL, 1) == 1 &&
        EVP_CipherInit_ex(aead->stream, EVP_chacha20(), NULL, NULL, NULL, 1) == 1)
        return aead;
    aead_free(aead);
    return NULL;
}

void aead_free(struct aead *aead)
{
    if (!aead)
        return;
    EVP_CIPHER_CTX_free(aead->sealed);
    EVP_CIPHER_CTX_free(aead->stream);
    free(aead);
}

static void start(struct aead *aead, const struct aead_key *key, struct bytes aad, int is_seal)
{
    int size;

    must(EVP_CipherInit_ex(aead->sealed, NULL, NULL, key->key, key->nonce, is_seal));
    if (aad.size)
        must(EVP_CipherUpdate(aead->sealed, NULL, &size, aad.data, (int)aad.size));
}

static void step(struct aead *aead, uint8_t *out, const uint8_t *in, size_t in_size)
{
    int size;

    assert(in_size <= INT32_MAX);
    if (in_size) {
        must(EVP_CipherUpdate(aead->sealed, out, &size, in, (int)in_size));
        assert((size_t)size == in_size);
    }
}

void aead_seal(struct aead *aead, const struct aead_key *key, struct bytes aad, struct bytes head,
               struct bytes body, uint8_t *out)
{
    uint8_t *tag = out + head.size + body.size;
    int size;

    start(aead, key, aad, 1);
    step(aead, out, head.data, head.size);
    step(aead, out + head.size, body.data, body.size);
    must(EVP_CipherFinal_ex(aead->sealed, tag, &size));
    must(EVP_CIPHER_CTX_ctrl(aead->sealed, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, tag));
}

bool aead_open(struct aead *aead, const struct aead_key *key, struct bytes aad, uint8_t *head,
               size_t head_size, uint8_t *body, size_t body_size, const uint8_t tag[AEAD_TAG_SIZE])
{
    uint8_t expected[AEAD_TAG_SIZE], nothing[1];
    int size;

    memcpy(expected, tag, sizeof expected);
    start(aead, key, aad, 0);
    must(EVP_CIPHER_CTX_ctrl(aead->sealed, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, expected));
    step(aead, head, head, head_size);
    step(aead, body, body, body_size);
    return EVP_CipherFinal_ex(aead->sealed, nothing, &size) == 1;
}

/* size bytes of in, XORed with the keystream from block on. */
static void stream(struct aead *aead, const uint8_t key[32], uint32_t block,
                   const uint8_t nonce[12], const uint8_t *in, size_t in_size, uint8_t *out)
{
    uint8_t iv[16];
    int size;

    le32_write(iv, block);
    memcpy(iv + 4, nonce, 12);
    must(EVP_CipherInit_ex(aead->stream, NULL, NULL, key, iv, 1));
    must(EVP_CipherUpdate(aead->stream, out, &size, in, (int)in_size));
}

void aead_peek(struct aead *aead, const struct aead_key *key, const uint8_t *in, size_t size,
               uint8_t *out)
{
    assert(size <= 64);
    stream(aead, key->key, 1, key->nonce, in, size, out); /* block 0 is Poly1305's key */
}

static void nonce_write(uint8_t nonce[12], uint32_t message, uint64_t rekeys)
{
    le32_write(nonce, message);
    le64_write(nonce + 4, rekeys);
}

void fs_aead_init(struct fs_aead *fs, const uint8_t key[32])
{
    memcpy(fs->key, key, sizeof fs->key);
    fs->message = 0;
    fs->rekeys = 0;
}

void fs_aead_next(struct fs_aead *fs, struct aead *aead, struct aead_key *next)
{
    static const uint8_t zero[32];
    uint8_t nonce[12];

    memcpy(next->key, fs->key, sizeof next->key);
    nonce_write(next->nonce, fs->message, fs->rekeys);
    if (++fs->message < FS_REKEY_INTERVAL)
        return;
    nonce_write(nonce, UINT32_MAX, fs->rekeys);
    stream(aead, next->key, 1, nonce, zero, sizeof zero, fs->key);
    fs->message = 0;
    fs->rekeys++;
}

static void keystream_make(struct fs_length *fs, struct aead *aead, const uint8_t key[32])
{
    static const uint8_t zero[FS_KEYSTREAM_SIZE];
    uint8_t nonce[12];

    nonce_write(nonce, 0, fs->rekeys);
    stream(aead, key, 0, nonce, zero, sizeof zero, fs->keystream);
    fs->chunk = 0;
}

void fs_length_init(struct fs_length *fs, struct aead *aead, const uint8_t key[32])
{
    fs->rekeys = 0;
    keystream_make(fs, aead, key);
}

void fs_length_crypt(struct fs_length *fs, struct aead *aead, const uint8_t in[FS_LENGTH_SIZE],
                     uint8_t out[FS_LENGTH_SIZE])
{
    uint8_t *mask = fs->keystream + (size_t)fs->chunk * FS_LENGTH_SIZE;
    uint8_t key[32];

    for (size_t i = 0; i < FS_LENGTH_SIZE; i++)
        out[i] = in[i] ^ mask[i];
    cipher_wipe(mask, FS_LENGTH_SIZE);
    if (++fs->chunk < FS_REKEY_INTERVAL)
        return;
    fs->rekeys++;
    memcpy(key, fs->keystream + FS_REKEY_INTERVAL * FS_LENGTH_SIZE, sizeof key);
    keystream_make(fs, aead, key);
    cipher_wipe(key, sizeof key);
}

void hkdf_extract(uint8_t prk[32], struct bytes salt, struct bytes key_material)
{
    const uint8_t *done = HMAC(EVP_sha256(), salt.data, (int)salt.size, key_material.data,
                               key_material.size, prk, NULL);

    assert(done);
}

void hkdf_expand(uint8_t out[32], const uint8_t prk[32], const char *info)
{
    uint8_t text[64];
    size_t size = strlen(info);

    assert(size < sizeof text);
    memcpy(text, info, size); /* NOLINT: no string */
    text[size] = 1;           /* the number of the one block wanted */

    const uint8_t *done = HMAC(EVP_sha256(), prk, 32, text, size + 1, out, NULL);
    assert(done);
}

void cipher_wipe(void *p, size_t size)
{
    OPENSSL_cleanse(p, size);
}
