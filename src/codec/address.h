/* address.h - addresses <-> scriptPubKeys, and private keys in the wallet import format. Pure; any
 * thread. */
#ifndef CODEC_ADDRESS_H
#define CODEC_ADDRESS_H
#include "base/bytes.h"

#define ADDRESS_TEXT_SIZE   91 /* with the zero byte */
#define ADDRESS_SCRIPT_SIZE 42 /* a witness program of 40 bytes */

/* What a network's addresses begin with. */
struct address_format {
    uint8_t p2pkh, p2sh, wif;
    const char *hrp;
};

/* False if the script has no address (P2PK and bare multisig have none). */
MUST_CHECK bool address_from_script(char out[ADDRESS_TEXT_SIZE], struct bytes script_pubkey,
                                    const struct address_format *format);
/* *size bytes of script. False if text, to its zero byte, is no address of this network. */
MUST_CHECK bool address_to_script(uint8_t script[ADDRESS_SCRIPT_SIZE], size_t *size,
                                  const char *text, const struct address_format *format);
/* False also for a number that is no private key of the curve. */
MUST_CHECK bool wif_decode(uint8_t key[32], bool *is_compressed, const char *text,
                           const struct address_format *format);
#endif
