/* v2_cipher.h - the keys of one BIP324 connection. One thread takes the keys, in the order of the
 * packets; what is done with them may happen elsewhere. */
#ifndef NET_V2_CIPHER_H
#define NET_V2_CIPHER_H
#include "base/cipher.h"

#define V2_TERMINATOR_SIZE 16
#define V2_IGNORE_BIT      0x80 /* of a packet's first byte: a decoy */

struct v2_cipher {
    struct fs_length send_length, receive_length;
    struct fs_aead send, receive;
    uint8_t send_terminator[V2_TERMINATOR_SIZE], receive_terminator[V2_TERMINATOR_SIZE];
    uint8_t session_id[32];
};

void v2_cipher_init(struct v2_cipher *cipher, struct aead *aead, const uint8_t shared_secret[32],
                    const uint8_t magic[4], bool is_initiator);

/* The key of the next packet sent, and its length field; contents_size < 2^24 counts neither
 * length, header byte nor tag. */
void v2_cipher_send(struct v2_cipher *cipher, struct aead *aead, size_t contents_size,
                    uint8_t length[FS_LENGTH_SIZE], struct aead_key *key);

/* The contents' size of the next packet received, and its key. */
size_t v2_cipher_receive(struct v2_cipher *cipher, struct aead *aead,
                         const uint8_t length[FS_LENGTH_SIZE], struct aead_key *key);
#endif
