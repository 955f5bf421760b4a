#include "chain/tx_rules.h"
#include "script/sigops.h"
#include <stdlib.h>

/* BIP68: the bits of a sequence. */
#define SEQUENCE_NO_LOCK    (1u << 31)
#define SEQUENCE_IS_TIME    (1u << 22)
#define SEQUENCE_VALUE_MASK 0xffffu
#define SEQUENCE_TIME_SHIFT 9 /* units of 512 seconds */
#define COINBASE_SCRIPT_MIN 2
#define COINBASE_SCRIPT_MAX 100
#define FEW_INPUTS          32 /* each is compared with each */

static int compare_outpoints(const void *a, const void *b)
{
    const struct outpoint *const *x = a, *const *y = b;
    uint64_t first = le64_read((*x)->txid.bytes), second = le64_read((*y)->txid.bytes);

    return first != second ? (first < second ? -1 : 1) : memcmp(*x, *y, sizeof **x);
}

static bool has_equal_among_few(const struct tx *tx)
{
    for (uint32_t i = 1; i < tx->input_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (outpoint_equal(&tx->inputs[i].prevout, &tx->inputs[k].prevout))
                return true;
    return false;
}

/* CVE-2018-17144. Sorting has no bad case that a sender could choose. */
static bool has_duplicate_inputs(const struct tx *tx, const struct outpoint **scratch)
{
    if (tx->input_count <= FEW_INPUTS)
        return has_equal_among_few(tx);
    for (uint32_t i = 0; i < tx->input_count; i++)
        scratch[i] = &tx->inputs[i].prevout;
    qsort(scratch, tx->input_count, sizeof *scratch, compare_outpoints);
    for (uint32_t i = 1; i < tx->input_count; i++)
        if (outpoint_equal(scratch[i - 1], scratch[i]))
            return true;
    return false;
}

/* CVE-2010-5139 */
static enum verdict check_outputs(const struct tx *tx)
{
    int64_t sum_sat = 0;

    for (uint32_t i = 0; i < tx->output_count; i++) {
        int64_t amount_sat = tx->outputs[i].amount_sat;

        if (amount_sat < 0)
            return BAD_TXNS_VOUT_NEGATIVE;
        if (amount_sat > MONEY_MAX)
            return BAD_TXNS_VOUT_TOOLARGE;
        sum_sat += amount_sat;
        if (!money_in_range(sum_sat))
            return BAD_TXNS_TXOUTTOTAL_TOOLARGE;
    }
    return VALID;
}

enum verdict tx_check(const struct tx *tx, const struct outpoint **scratch)
{
    if (tx->input_count == 0)
        return BAD_TXNS_VIN_EMPTY;
    if (tx->output_count == 0)
        return BAD_TXNS_VOUT_EMPTY;
    if (tx->stripped_size > BLOCK_WEIGHT_MAX / WITNESS_SCALE)
        return BAD_TXNS_OVERSIZE;

    enum verdict verdict = check_outputs(tx);
    if (verdict != VALID)
        return verdict;
    if (has_duplicate_inputs(tx, scratch))
        return BAD_TXNS_INPUTS_DUPLICATE;
    if (tx_is_coinbase(tx)) {
        size_t size = tx->inputs[0].script_sig.size;
        return size < COINBASE_SCRIPT_MIN || size > COINBASE_SCRIPT_MAX ? BAD_CB_LENGTH : VALID;
    }
    for (uint32_t i = 0; i < tx->input_count; i++)
        if (outpoint_is_null(&tx->inputs[i].prevout))
            return BAD_TXNS_PREVOUT_NULL;
    return VALID;
}

int64_t tx_output_sum(const struct tx *tx)
{
    int64_t sum_sat = 0;

    for (uint32_t i = 0; i < tx->output_count; i++)
        sum_sat += tx->outputs[i].amount_sat;
    return sum_sat;
}

enum verdict tx_check_inputs(const struct tx *tx, const struct tx_output *prevouts,
                             const struct coin_origin *origins, int32_t height, int64_t *fee_sat)
{
    int64_t input_sum_sat = 0;

    for (uint32_t i = 0; i < tx->input_count; i++) {
        int64_t amount_sat = prevouts[i].amount_sat;

        if (origins[i].is_coinbase && height - origins[i].height < COINBASE_MATURITY)
            return BAD_TXNS_PREMATURE_SPEND_OF_COINBASE;
        if (!money_in_range(amount_sat) || !money_in_range(input_sum_sat + amount_sat))
            return BAD_TXNS_INPUTVALUES_OUTOFRANGE;
        input_sum_sat += amount_sat;
    }
    int64_t output_sum_sat = tx_output_sum(tx);
    if (input_sum_sat < output_sum_sat)
        return BAD_TXNS_IN_BELOWOUT;
    *fee_sat = input_sum_sat - output_sum_sat;
    return VALID;
}

bool tx_lock_time_counts(const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->input_count; i++)
        if (tx->inputs[i].sequence != SEQUENCE_FINAL)
            return true;
    return false;
}

bool tx_is_final(const struct tx *tx, int32_t height, int64_t time)
{
    int64_t limit = tx->lock_time < LOCKTIME_THRESHOLD ? height : time;

    return tx->lock_time == 0 || tx->lock_time < limit || !tx_lock_time_counts(tx);
}

bool tx_input_needs_coin_time(const struct tx *tx, const struct tx_input *input)
{
    return tx->version >= 2 && !(input->sequence & SEQUENCE_NO_LOCK) &&
           input->sequence & SEQUENCE_IS_TIME;
}

bool tx_sequence_locks_pass(const struct tx *tx, const struct coin_origin *origins, int32_t height,
                            int64_t time)
{
    if (tx->version < 2)
        return true;
    for (uint32_t i = 0; i < tx->input_count; i++) {
        uint32_t sequence = tx->inputs[i].sequence;
        int64_t value = sequence & SEQUENCE_VALUE_MASK;

        if (sequence & SEQUENCE_NO_LOCK)
            continue;
        if (sequence & SEQUENCE_IS_TIME) {
            if (time < origins[i].time + (value << SEQUENCE_TIME_SHIFT))
                return false;
        } else if (height < origins[i].height + value) {
            return false;
        }
    }
    return true;
}

uint64_t tx_prevouts_sigop_cost(const struct tx *tx, const struct tx_output *prevouts,
                                uint32_t flags)
{
    uint64_t cost = 0;

    for (uint32_t i = 0; i < tx->input_count; i++)
        cost += input_sigop_cost(&tx->inputs[i], prevouts[i].script_pubkey, flags);
    return cost;
}

uint64_t tx_sigop_cost(const struct tx *tx, const struct tx_output *prevouts, uint32_t flags)
{
    uint64_t cost = (uint64_t)tx_legacy_sigops(tx) * WITNESS_SCALE;

    return prevouts ? cost + tx_prevouts_sigop_cost(tx, prevouts, flags) : cost;
}
