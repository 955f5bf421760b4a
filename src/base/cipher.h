/* cipher.h - ChaCha20-Poly1305 (RFC 8439), the re-keying ciphers of BIP324 and HKDF-SHA256 (RFC
 * 5869). The keys of a message do not depend on the messages before it, so they are taken in order
 * by one thread (fs_aead_next) and may be used on another (aead_seal, aead_open). */
#ifndef BASE_CIPHER_H
#define BASE_CIPHER_H
#include "base/bytes.h"

#define AEAD_TAG_SIZE     16
#define FS_REKEY_INTERVAL 224
#define FS_LENGTH_SIZE    3
#define FS_KEYSTREAM_SIZE                                                                          \
    (FS_REKEY_INTERVAL * FS_LENGTH_SIZE + 32) /* 11 ChaCha20 blocks, exactly */

struct aead; /* OpenSSL's context: one a thread, for any number of keys */

struct aead_key {
    uint8_t key[32];
    uint8_t nonce[12];
};

/* NULL where OpenSSL does not offer ChaCha20-Poly1305. */
struct aead *aead_new(void);
void aead_free(struct aead *aead);

/* Writes the ciphertext of head ‖ body and the tag to out: head.size + body.size + AEAD_TAG_SIZE
 * bytes. */
void aead_seal(struct aead *aead, const struct aead_key *key, struct bytes aad, struct bytes head,
               struct bytes body, uint8_t *out);

/* Decrypts in place a ciphertext that lies in two pieces. False when the tag is wrong: what the
 * pieces then hold must not be used. */
MUST_CHECK bool aead_open(struct aead *aead, const struct aead_key *key, struct bytes aad,
                          uint8_t *head, size_t head_size, uint8_t *body, size_t body_size,
                          const uint8_t tag[AEAD_TAG_SIZE]);

/* Decrypts the first size bytes (at most 64) of a message without looking at its tag: fit for
 * choosing where the rest should go, for nothing else. */
void aead_peek(struct aead *aead, const struct aead_key *key, const uint8_t *in, size_t size,
               uint8_t *out);

/* FSChaCha20Poly1305: which key and nonce is next. */
struct fs_aead {
    uint8_t key[32];
    uint32_t message;
    uint64_t rekeys;
};

void fs_aead_init(struct fs_aead *fs, const uint8_t key[32]);
void fs_aead_next(struct fs_aead *fs, struct aead *aead, struct aead_key *next);

/* FSChaCha20 for the three bytes of a length: the keystream of a whole period, the next key at its
 * end. */
struct fs_length {
    uint8_t keystream[FS_KEYSTREAM_SIZE];
    uint32_t chunk;
    uint64_t rekeys;
};

void fs_length_init(struct fs_length *fs, struct aead *aead, const uint8_t key[32]);
/* Encrypts and decrypts alike; out may be in. */
void fs_length_crypt(struct fs_length *fs, struct aead *aead, const uint8_t in[FS_LENGTH_SIZE],
                     uint8_t out[FS_LENGTH_SIZE]);

void hkdf_extract(uint8_t prk[32], struct bytes salt, struct bytes key_material);
/* The first 32 bytes of HKDF-Expand. */
void hkdf_expand(uint8_t out[32], const uint8_t prk[32], const char *info);

/* Overwrites secrets; not optimised away. */
void cipher_wipe(void *p, size_t size);
#endif
