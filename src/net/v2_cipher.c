#include "net/v2_cipher.h"

void v2_cipher_init(struct v2_cipher *cipher, struct aead *aead, const uint8_t shared_secret[32],
                    const uint8_t magic[4], bool is_initiator)
{
    uint8_t salt[28] = "bitcoin_v2_shared_secret", prk[32], key[32];

    memcpy(salt + 24, magic, 4);
    hkdf_extract(prk, (struct bytes){salt, sizeof salt}, (struct bytes){shared_secret, 32});
    hkdf_expand(cipher->session_id, prk, "session_id");
    hkdf_expand(key, prk, "initiator_L");
    fs_length_init(is_initiator ? &cipher->send_length : &cipher->receive_length, aead, key);
    hkdf_expand(key, prk, "initiator_P");
    fs_aead_init(is_initiator ? &cipher->send : &cipher->receive, key);
    hkdf_expand(key, prk, "responder_L");
    fs_length_init(is_initiator ? &cipher->receive_length : &cipher->send_length, aead, key);
    hkdf_expand(key, prk, "responder_P");
    fs_aead_init(is_initiator ? &cipher->receive : &cipher->send, key);
    hkdf_expand(key, prk, "garbage_terminators");
    memcpy(cipher->send_terminator, key + (is_initiator ? 0 : 16), 16);
    memcpy(cipher->receive_terminator, key + (is_initiator ? 16 : 0), 16);
    cipher_wipe(prk, sizeof prk);
    cipher_wipe(key, sizeof key);
}

void v2_cipher_send(struct v2_cipher *cipher, struct aead *aead, size_t contents_size,
                    uint8_t length[FS_LENGTH_SIZE], struct aead_key *key)
{
    uint8_t plain[4];

    assert(contents_size < (size_t)1 << 24);
    le32_write(plain, (uint32_t)contents_size);
    fs_length_crypt(&cipher->send_length, aead, plain, length);
    fs_aead_next(&cipher->send, aead, key);
}

size_t v2_cipher_receive(struct v2_cipher *cipher, struct aead *aead,
                         const uint8_t length[FS_LENGTH_SIZE], struct aead_key *key)
{
    uint8_t plain[4] = {0};

    fs_length_crypt(&cipher->receive_length, aead, length, plain);
    fs_aead_next(&cipher->receive, aead, key);
    return le32_read(plain);
}
