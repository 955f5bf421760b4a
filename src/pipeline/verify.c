/* verify.c - the verify stage: scripts and signatures. Several workers drain one block's batches.
 */
#include "pipeline/pipeline.h"

static enum script_error verify_batch(const struct block_job *job, const struct batch *batch,
                                      struct script_machine *machine)
{
    uint32_t t = batch->tx_index, k = batch->input_index;
    uint32_t first = batch->first - k; /* of the transaction's inputs */
    struct sighash_parts own;
    const struct sighash_parts *parts = NULL;

    for (uint32_t i = 0; i < batch->count; i++, k++) {
        while (k == job->block.txs[t].input_count) {
            first += k;
            k = 0;
            t++;
            parts = NULL;
        }
        const struct tx *tx = &job->block.txs[t];
        const struct tx_output *prevouts = job->prevouts + first;

        if (!parts && job->tx_parts && job->tx_parts[t]) {
            parts = job->tx_parts[t];
        } else if (!parts) {
            sighash_parts_init(&own, tx, prevouts);
            parts = &own;
        }
        enum script_error error = script_verify(machine, tx, k, prevouts, parts, job->script_flags);
        if (error != SCRIPT_OK)
            return error;
    }
    return SCRIPT_OK;
}

void verify_stage(struct pipeline *pipeline, struct block_job *job, struct script_machine *machine)
{
    uint64_t inputs = 0;

    for (;;) {
        uint32_t next = atomic_fetch_add_explicit(&job->cursor, 1, memory_order_relaxed);

        if (next >= job->batch_count ||
            atomic_load_explicit(&job->is_dropped, memory_order_relaxed))
            break;
        enum script_error error = verify_batch(job, &job->batches[next], machine);
        inputs += job->batches[next].count;
        if (error != SCRIPT_OK) {
            atomic_store_explicit(&job->script_failed, error, memory_order_relaxed);
            atomic_store_explicit(&job->cursor, job->batch_count, memory_order_relaxed);
            break;
        }
    }
    atomic_fetch_add_explicit(&pipeline->stats.inputs_verified, inputs, memory_order_relaxed);
    /* Release what this worker wrote; the last one acquires all of it before the job goes on. */
    if (atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) == 1)
        pipeline_checked(pipeline, job);
}
