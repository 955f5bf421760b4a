/* params.h - the numbers of the five networks. A struct params is filled at start, changed by the
 * options of regtest and signet, and then only read. Any thread. Hashes are in wire order. */
#ifndef CHAIN_PARAMS_H
#define CHAIN_PARAMS_H
#include "chain/u256.h"
#include "codec/header.h"

#define SAT_PER_BTC             100000000LL
#define MONEY_MAX               (21000000LL * SAT_PER_BTC)
#define COINBASE_MATURITY       100
#define BLOCK_WEIGHT_MAX        4000000
#define BLOCK_SIGOP_COST_MAX    80000
#define WITNESS_SCALE           4
#define FUTURE_BLOCK_TIME_S     7200
#define TIMEWARP_S              600 /* BIP94 */
#define PARAMS_GENESIS_SIZE_MAX 320
#define PARAMS_SEED_MAX         8
#define PARAMS_AUDIT_MAX        4

enum network {
    NETWORK_MAIN,
    NETWORK_TEST, /* testnet3 */
    NETWORK_TESTNET4,
    NETWORK_SIGNET,
    NETWORK_REGTEST,
    NETWORK_COUNT
};

/* A known UTXO set: matched by block hash, never by height alone. */
struct audit_hash {
    int32_t height;
    struct block_hash block;
    uint64_t chain_tx_count;
    uint8_t hash_serialized_3[32]; /* in wire order: shown reversed */
};

/* A historical block to which P2SH, WITNESS and TAPROOT do not all apply. */
struct flag_exception {
    struct block_hash block;
    bool has_p2sh_and_witness; /* TAPROOT never */
};

/* A block whose coinbase replaces an unspent coin: BIP30 does not hold for it. */
struct bip30_repeat {
    int32_t height;
    struct block_hash block;
};

struct params {
    enum network network;
    const char *name; /* as in --chain: main, test, testnet4, signet, regtest */
    uint8_t magic[4]; /* wire order */
    uint16_t port;

    uint8_t genesis_block[PARAMS_GENESIS_SIZE_MAX];
    uint32_t genesis_size;
    struct header genesis_header;
    struct block_hash genesis_hash;

    struct u256 pow_limit;
    uint32_t pow_limit_bits;
    int32_t target_timespan_s, target_spacing_s;
    int32_t retarget_interval;  /* blocks: timespan / spacing */
    bool allows_min_difficulty; /* the 20-minute rule */
    bool is_bip94;              /* timewarp rule, difficulty from the first block of the period */
    bool is_without_retargets;
    int32_t halving_interval;

    int32_t bip34_height, bip65_height, bip66_height, csv_height, segwit_height;
    bool has_bip34_hash; /* else BIP30 is checked always */
    struct block_hash bip34_hash;
    struct flag_exception flag_exceptions[2];
    uint32_t flag_exception_count;
    struct bip30_repeat bip30_repeats[2];
    uint32_t bip30_repeat_count;

    struct u256 minimum_chain_work;
    bool has_assumed_valid;
    struct block_hash assumed_valid;

    bool is_signet;
    struct bytes signet_challenge; /* borrowed: the default is constant, another is its giver's */

    uint8_t p2pkh_prefix, p2sh_prefix, wif_prefix;
    const char *bech32_hrp;
    const char *dns_seeds[PARAMS_SEED_MAX];  /* ended by NULL */
    uint32_t presync_period, presync_buffer; /* headers a commitment; headers held before release */

    struct audit_hash audits[PARAMS_AUDIT_MAX];
    uint32_t audit_count;
};

/* The network that --chain NAME means. */
MUST_CHECK bool params_find_network(enum network *network, const char *name);
void params_init(struct params *params, enum network network);

/* NAME@HEIGHT of --testactivationheight (segwit, bip34, dersig, cltv, csv). False if it is not
 * that, or not on regtest. */
MUST_CHECK bool params_set_activation(struct params *params, const char *text);
/* A challenge other than the default has its own magic, no minimum work, no assumed block and no
 * seeds. */
void params_set_signet_challenge(struct params *params, struct bytes challenge);
/* Hex as displayed (as --minimumchainwork and --assumevalid take it); assumevalid "0" means none.
 */
MUST_CHECK bool params_set_minimum_chain_work(struct params *params, const char *hex);
MUST_CHECK bool params_set_assumed_valid(struct params *params, const char *hex);

/* NULL if the set at this block is not known. */
const struct audit_hash *params_find_audit(const struct params *params,
                                           const struct block_hash *block);

static inline bool money_in_range(int64_t amount_sat)
{
    return amount_sat >= 0 && amount_sat <= MONEY_MAX;
}
#endif
