#include "chaingen/mix.h"

/* Shares of all coins, in a million, spent at an age up to last; evenly between the bounds. 41 %
 * within 10 blocks, most within 100, four fifths within a day, 15 % later within a month. */
static const struct {
    int32_t last;
    uint32_t within;
} ages[] = {{0, 60000}, {10, 410000}, {100, 710000}, {144, 800000}, {1008, 890000}, {4320, 950000}};

static const uint32_t kind_percents[WALLET_KIND_COUNT] = {
    [WALLET_P2PK] = 1,           [WALLET_P2PKH] = 20,       [WALLET_P2SH_MULTISIG] = 4,
    [WALLET_P2WSH_MULTISIG] = 5, [WALLET_P2SH_P2WPKH] = 10, [WALLET_P2WPKH] = 42,
    [WALLET_P2TR_KEY] = 14,      [WALLET_P2TR_SCRIPT] = 4,
};

struct shapes {
    uint32_t percent;
    uint32_t input_min, input_max, output_min, output_max;
};

static const struct shapes usual[] = {
    {53, 1, 1, 2, 2}, {17, 1, 1, 1, 1}, {15, 2, 2, 2, 2}, {10, 2, 2, 1, 1}, {5, 3, 3, 2, 2}};
static const struct shapes payouts[] = {
    {60, 1, 1, 3, 10}, {30, 1, 2, 11, 40}, {10, 1, 3, 100, 100}};
static const struct shapes consolidations[] = {
    {60, 3, 5, 1, 2}, {30, 6, 20, 1, 2}, {8, 50, 100, 1, 1}, {2, 200, 200, 1, 1}};

#define UNUSUAL_PERCENT 30

int32_t mix_draw_age(struct prng *prng)
{
    uint32_t at = (uint32_t)prng_below(prng, MIX_MILLION);

    if (at < ages[0].within)
        return 0;
    for (size_t i = 1; i < ARRAY_COUNT(ages); i++)
        if (at < ages[i].within) {
            uint64_t width = (uint64_t)(ages[i].last - ages[i - 1].last);

            return ages[i - 1].last + 1 + (int32_t)prng_below(prng, width);
        }
    return MIX_NEVER;
}

uint32_t mix_spent_within(int32_t age)
{
    for (size_t i = 0; i < ARRAY_COUNT(ages); i++) {
        if (age == ages[i].last)
            return ages[i].within;
        if (age < ages[i].last) {
            uint64_t share = ages[i].within - ages[i - 1].within;
            uint64_t width = (uint64_t)(ages[i].last - ages[i - 1].last);

            return ages[i - 1].within +
                   (uint32_t)(share * (uint64_t)(age - ages[i - 1].last) / width);
        }
    }
    return ages[ARRAY_COUNT(ages) - 1].within;
}

enum wallet_kind mix_draw_kind(struct prng *prng)
{
    uint64_t at = prng_below(prng, 100);
    enum wallet_kind kind = 0;

    while (at >= kind_percents[kind])
        at -= kind_percents[kind++];
    return kind;
}

uint32_t mix_kind_share(enum wallet_kind kind)
{
    return kind_percents[kind] * (MIX_MILLION / 100);
}

static uint32_t draw_between(struct prng *prng, uint32_t min, uint32_t max)
{
    return min + (uint32_t)prng_below(prng, max - min + 1);
}

static struct mix_shape draw_from(struct prng *prng, const struct shapes *shapes)
{
    uint64_t at = prng_below(prng, 100);

    while (at >= shapes->percent)
        at -= shapes++->percent;

    uint32_t input_count = draw_between(prng, shapes->input_min, shapes->input_max);

    return (struct mix_shape){input_count,
                              draw_between(prng, shapes->output_min, shapes->output_max), 0};
}

struct mix_shape mix_draw_shape(struct prng *prng, uint64_t input_count, uint64_t output_count)
{
    bool is_unusual = prng_below(prng, 100) < UNUSUAL_PERCENT;

    if (output_count > 5 * input_count) /* a young chain: a few coins must become many */
        return (struct mix_shape){1, 100, 0};
    if (is_unusual && output_count > input_count)
        return draw_from(prng, payouts);
    if (is_unusual || output_count * 2 < input_count)
        return draw_from(prng, consolidations);
    return draw_from(prng, usual);
}

uint8_t mix_draw_hash_type(struct prng *prng, bool has_output)
{
    switch (prng_below(prng, 100)) {
    case 0:
        return SIGHASH_ALL | SIGHASH_ANYONECANPAY;
    case 1:
        return SIGHASH_NONE;
    case 2:
        return has_output ? SIGHASH_SINGLE : 0;
    case 3:
        return has_output ? SIGHASH_SINGLE | SIGHASH_ANYONECANPAY : 0;
    default:
        return 0;
    }
}

static void describe_shapes(FILE *out, const char *name, const struct shapes *shapes, size_t count)
{
    fprintf(out, "    %-15s", name);
    for (size_t i = 0; i < count; i++) {
        const struct shapes *s = &shapes[i];

        fprintf(out, "%s%u", i ? ", " : "", s->input_min);
        if (s->input_max > s->input_min)
            fprintf(out, "..%u", s->input_max);
        fprintf(out, "-in %u", s->output_min);
        if (s->output_max > s->output_min)
            fprintf(out, "..%u", s->output_max);
        fprintf(out, "-out %u %%", s->percent);
    }
    fputc('\n', out);
}

void mix_describe(FILE *out)
{
    fputs("  ages of coins when spent, in blocks:\n   ", out);
    for (size_t i = 0; i < ARRAY_COUNT(ages); i++)
        fprintf(out, " %u %% within %d%s", ages[i].within / (MIX_MILLION / 100), ages[i].last,
                i + 1 < ARRAY_COUNT(ages) ? "," : "; the rest never\n");
    fputs("  kinds of outputs:\n   ", out);
    for (size_t i = 0; i < WALLET_KIND_COUNT; i++)
        fprintf(out, " %s %u %%%s", wallet_kind_names[i], kind_percents[i],
                i + 1 < WALLET_KIND_COUNT ? "," : "\n");
    fprintf(out,
            "  shapes: %d %% of the first line, the rest of one of the other two as the number of"
            " coins needs it\n",
            100 - UNUSUAL_PERCENT);
    describe_shapes(out, "usual", usual, ARRAY_COUNT(usual));
    describe_shapes(out, "payouts", payouts, ARRAY_COUNT(payouts));
    describe_shapes(out, "consolidations", consolidations, ARRAY_COUNT(consolidations));
    fputs("  besides: 4 % of transactions have an OP_RETURN output, 4 % of signatures another hash "
          "type\n"
          "  than ALL; versions 1 and 2, lock times, relative locks; coins are spent in their own "
          "block\n",
          out);
}
