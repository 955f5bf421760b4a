/* tx_draft.h - a transaction put together field by field in a struct tx, then written and read
 * back, so that it is as if it had come in. */
#ifndef TESTS_TX_DRAFT_H
#define TESTS_TX_DRAFT_H
#include "build_tx.h"
#include "codec/tx.h"
#include <check.h>

/* An item of a witness under construction; taken bytes are an input's witness. */
static inline void draft_witness_item(struct build *b, struct bytes item)
{
    build_count(b, item.size);
    build_raw(b, item.data, item.size);
}

static inline bool draft_has_witness(const struct tx *tx)
{
    for (uint32_t i = 0; i < tx->input_count; i++)
        if (tx->inputs[i].witness_count > 0)
            return true;
    return false;
}

/* The serialization, in a buffer of just its size: version, inputs, outputs, witnesses, lock_time
 * are looked at and nothing else. */
static inline struct bytes draft_write(const struct tx *tx)
{
    struct build b = {0};

    build_u32(&b, tx->version);
    if (draft_has_witness(tx)) {
        build_byte(&b, 0);
        build_byte(&b, 1);
    }
    build_count(&b, tx->input_count);
    for (uint32_t i = 0; i < tx->input_count; i++) {
        const struct tx_input *input = &tx->inputs[i];

        build_raw(&b, &input->prevout, sizeof input->prevout);
        build_count(&b, input->script_sig.size);
        build_raw(&b, input->script_sig.data, input->script_sig.size);
        build_u32(&b, input->sequence);
    }
    build_count(&b, tx->output_count);
    for (uint32_t i = 0; i < tx->output_count; i++) {
        build_u64(&b, (uint64_t)tx->outputs[i].amount_sat);
        build_count(&b, tx->outputs[i].script_pubkey.size);
        build_raw(&b, tx->outputs[i].script_pubkey.data, tx->outputs[i].script_pubkey.size);
    }
    for (uint32_t i = 0; draft_has_witness(tx) && i < tx->input_count; i++) {
        build_count(&b, tx->inputs[i].witness_count);
        build_raw(&b, tx->inputs[i].witness.data, tx->inputs[i].witness.size);
    }
    build_u32(&b, tx->lock_time);
    return build_take(&b);
}

/* draft_write and tx_parse; end with free((void *)tx->raw.data) and the arena. */
static inline void draft_parse(struct tx *tx, const struct tx *draft, struct arena *arena)
{
    ck_assert(tx_parse(tx, draft_write(draft), arena));
}
#endif
