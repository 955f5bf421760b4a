/* Transactions with up to three inputs of every kind whose signatures are right (spend_maker.h),
 * and then perhaps damaged (verdicts.h). Input: a byte for the rules, one for the damage, four for
 * its place, then what the plan is read from. */
#include "codec/opcode.h"
#include "spend_maker.h"
#include "verdicts.h"

#define HEAD_SIZE 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t choose_number(struct choices *choices)
{
    static const uint32_t numbers[] = {0xffffffff, 0xfffffffe, 0,         1,  0x400001,
                                       0x80000000, 499999999,  500000000, 16, 0xffff};

    return numbers[choose(choices, ARRAY_COUNT(numbers))];
}

static int64_t choose_amount(struct choices *choices)
{
    static const int64_t amounts[] = {1000, 0, 1, 2100000000000000, 0x123456789a};

    return amounts[choose(choices, ARRAY_COUNT(amounts))];
}

/* The rest is divided among the inputs. */
static void plan_read(struct spend_plan *plan, struct choices choices)
{
    static const uint8_t script[2] = {OP_1, OP_1};
    static const uint32_t versions[] = {2, 1, 0, 3, 0xffffffff};

    *plan = (struct spend_plan){.input_count = 1 + choose(&choices, SPEND_INPUTS_MAX),
                                .output_count = choose(&choices, 4)};
    plan->version = versions[choose(&choices, ARRAY_COUNT(versions))];
    plan->lock_time = choose_number(&choices);
    for (uint32_t i = 0; i < plan->output_count; i++)
        plan->outputs[i] = (struct tx_output){.amount_sat = choose_amount(&choices),
                                              .script_pubkey = {script, choose(&choices, 3)}};
    for (uint32_t i = 0; i < plan->input_count; i++) {
        plan->inputs[i].outpoint.txid.bytes[0] = (uint8_t)(i + 1);
        plan->inputs[i].amount_sat = choose_amount(&choices);
        plan->inputs[i].sequence = choose_number(&choices);
    }
    size_t each = (size_t)(choices.end - choices.at) / plan->input_count;
    for (uint32_t i = 0; i < plan->input_count; i++, choices.at += each)
        plan->inputs[i].choices = (struct choices){choices.at, choices.at + each};
}

static void damage(struct spend *spend, uint8_t how, const uint8_t place[4])
{
    struct tx_output *prevout = &spend->prevouts[place[0] % spend->input_count];
    struct build *script = &spend->scripts[place[0] % spend->input_count];
    uint32_t at = le32_read(place) / 256;
    uint8_t bit = (uint8_t)(1 << how / 4 % 8);

    switch (how % 4) {
    case 0:
        return;
    case 1:
        spend->tx.data[at % spend->tx.size] ^= bit;
        return;
    case 2:
        script->data[at % script->size] ^= bit;
        return;
    case 3:
        prevout->amount_sat ^= bit;
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static secp256k1_context *ctx;
    struct spend spend = {0};
    struct spend_plan plan;

    if (size < HEAD_SIZE)
        return 0;
    if (!ctx)
        ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    plan_read(&plan, (struct choices){data + HEAD_SIZE, data + size});
    spend_make_signed(&spend, &plan, ctx);
    damage(&spend, data[1], data + 2);
    verdicts_compare((struct bytes){spend.tx.data, spend.tx.size}, spend.prevouts,
                     spend.input_count, verdicts_flags(data[0]));
    spend_clear(&spend);
    return 0;
}
