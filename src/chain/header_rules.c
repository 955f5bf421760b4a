#include "chain/header_rules.h"

bool header_check_pow(const struct params *params, const struct block_hash *hash, uint32_t bits)
{
    bool is_negative, is_overflow;
    struct u256 target = u256_from_compact(bits, &is_negative, &is_overflow);
    struct u256 value = u256_from_le(hash->bytes);

    if (is_negative || is_overflow || u256_is_zero(&target) ||
        u256_compare(&target, &params->pow_limit) > 0)
        return false;
    return u256_compare(&value, &target) <= 0;
}

/* The target after a period of timespan_s seconds, clamped to a factor of 4, and to the network's
 * limit. */
static struct u256 retarget(const struct params *params, uint32_t bits, int64_t timespan_s)
{
    bool is_negative, is_overflow;
    struct u256 target = u256_from_compact(bits, &is_negative, &is_overflow);
    struct u256 divisor = u256_of((uint64_t)params->target_timespan_s);
    int64_t least_s = params->target_timespan_s / 4,
            most_s = (int64_t)params->target_timespan_s * 4;

    timespan_s = timespan_s < least_s ? least_s : timespan_s > most_s ? most_s : timespan_s;
    target = u256_mul_u32(&target, (uint32_t)timespan_s);
    target = u256_div(&target, &divisor);
    return u256_compare(&target, &params->pow_limit) > 0 ? params->pow_limit : target;
}

uint32_t header_required_bits(const struct params *params, const struct header_node *prev,
                              uint32_t time)
{
    if ((prev->height + 1) % params->retarget_interval != 0) {
        if (!params->allows_min_difficulty)
            return prev->bits;
        if (time > (int64_t)prev->time + 2 * params->target_spacing_s)
            return params->pow_limit_bits;
        return prev->period_bits;
    }
    if (params->is_without_retargets)
        return prev->bits;

    /* The period's own blocks, so one interval short: Bitcoin's oldest off-by-one. */
    const struct header_node *first =
        header_ancestor(prev, prev->height - (params->retarget_interval - 1));
    struct u256 target = retarget(params, params->is_bip94 ? first->bits : prev->bits,
                                  (int64_t)prev->time - first->time);
    return u256_to_compact(&target);
}

static enum verdict check_time(const struct params *params, const struct header_node *prev,
                               const struct header *header, int64_t now_s)
{
    bool begins_period = (prev->height + 1) % params->retarget_interval == 0;

    if (header->time <= prev->median_time_past)
        return TIME_TOO_OLD;
    if (params->is_bip94 && begins_period && header->time < (int64_t)prev->time - TIMEWARP_S)
        return TIME_TIMEWARP_ATTACK;
    if (header->time > now_s + FUTURE_BLOCK_TIME_S)
        return TIME_TOO_NEW;
    return VALID;
}

enum verdict header_check(const struct params *params, const struct header_node *prev,
                          const struct header *header, const struct block_hash *hash, int64_t now_s)
{
    if (!header_check_pow(params, hash, header->bits))
        return HIGH_HASH;
    if (prev == NULL)
        return PREV_BLK_NOT_FOUND;
    if (header_is_invalid(prev))
        return BAD_PREVBLK;
    if (header->bits != header_required_bits(params, prev, header->time))
        return BAD_DIFFBITS;

    enum verdict verdict = check_time(params, prev, header, now_s);
    int32_t height = prev->height + 1;
    if (verdict != VALID)
        return verdict;
    if ((header->version < 2 && height >= params->bip34_height) ||
        (header->version < 3 && height >= params->bip66_height) ||
        (header->version < 4 && height >= params->bip65_height))
        return BAD_VERSION;
    return VALID;
}

enum verdict header_accept(struct header_tree *tree, const struct params *params,
                           const struct header *header, int64_t now_s, struct header_node **node,
                           bool *is_new)
{
    struct block_hash hash = header_hash(header);

    *is_new = false;
    *node = header_tree_find(tree, &hash);
    if (*node != NULL)
        return header_is_invalid(*node) ? DUPLICATE_INVALID : VALID;

    struct header_node *prev = header_tree_find(tree, &header->prev_hash);
    enum verdict verdict = header_check(params, prev, header, &hash, now_s);
    if (verdict != VALID)
        return verdict;
    *node = header_tree_insert(tree, params, prev, header, &hash);
    *is_new = true;
    return VALID;
}

/* Bits lose precision: limits are rounded as bits are before they are compared. */
static struct u256 rounded(const struct u256 *target)
{
    bool is_negative, is_overflow;

    return u256_from_compact(u256_to_compact(target), &is_negative, &is_overflow);
}

bool header_permits_transition(const struct params *params, int32_t height, uint32_t old_bits,
                               uint32_t new_bits)
{
    if (params->allows_min_difficulty)
        return true;
    if (height % params->retarget_interval != 0)
        return old_bits == new_bits;

    bool is_negative, is_overflow;
    struct u256 target = u256_from_compact(new_bits, &is_negative, &is_overflow);
    struct u256 least = retarget(params, old_bits, 0);
    struct u256 most = retarget(params, old_bits, INT64_MAX);
    least = rounded(&least);
    most = rounded(&most);
    return u256_compare(&target, &least) >= 0 && u256_compare(&target, &most) <= 0;
}
