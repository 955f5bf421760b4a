/* check.c - the check stage: copies what the block spends to the block's arena, and looks at every
 * rule of transactions and block but the scripts; which one fails first does not matter, as the
 * plain path judges then. One worker a block. What is not in memory is read by the disk thread in
 * between, so that nothing here waits. */
#include "pipeline/pipeline.h"

#define TXOUT_USUAL 42 /* bytes, at most */
#define AHEAD       16 /* inputs whose TxOuts are on their way to the processor */
#define TX_AHEAD    8  /* and transactions whose own scripts are, where sigops are counted */

/* The coin must be the one the ledger meant: an equal tag is not enough. Of bytes in memory. */
static bool coin_matches(const struct pipeline *pipeline, const struct coin_ref *ref,
                         const struct outpoint *outpoint, struct bytes txout)
{
    return ref->is_exact || coin_check_of(pipeline->key, outpoint, txout) == ref->check;
}

static bool copy_script(struct arena *arena, struct tx_output *out, const struct txout *txout)
{
    uint8_t *script = arena_alloc(arena, txout->script_pubkey.size);

    if (!script)
        return false;
    if (txout->script_pubkey.size)
        memcpy(script, txout->script_pubkey.data, txout->script_pubkey.size);
    *out = (struct tx_output){.amount_sat = txout->amount_sat,
                              .script_pubkey = {script, txout->script_pubkey.size}};
    return true;
}

/* Where an input's TxOut is: in which block, and that one's bytes if they are in memory. */
struct place {
    const struct block_entry *entry;
    const uint8_t *resident;
};

static bool is_own(const struct block_job *job, const struct coin_ref *ref)
{
    return ref->pos >= job->pos && ref->pos - job->pos < job->raw.size;
}

/* Finds it and brings it near: outputs are spent anywhere in the last blocks, and a worker would
 * wait for each of them. */
static struct place find_place(const struct pipeline *pipeline, const struct block_job *job,
                               uint32_t i)
{
    const struct coin_ref *ref = &job->refs[i];
    struct place place = {0};

    if (is_own(job, ref) || !(place.entry = block_table_find(pipeline->table, ref->pos)))
        return place;
    __builtin_prefetch(place.entry->node);
    place.resident = atomic_load_explicit(&pipeline->work[place.entry->node_index].resident,
                                          memory_order_acquire);
    if (place.resident) {
        __builtin_prefetch(place.resident + (ref->pos - place.entry->pos));
        __builtin_prefetch(place.resident + (ref->pos - place.entry->pos) + TXOUT_USUAL);
    }
    return place;
}

/* Input i spends the TxOut at ref. 1: it is there now, 0: it has to be read, -1: it is not what it
 * should be. */
static int gather_one(struct pipeline *pipeline, struct block_job *job, uint32_t i,
                      struct place place, const struct tx *tx, const struct tx_input *input)
{
    const struct block_entry *entry = place.entry;
    const struct coin_ref *ref = &job->refs[i];
    struct coin_origin *origin = &job->origins[i];
    struct txout txout;

    origin->is_coinbase = ref->is_coinbase;
    if (is_own(job, ref)) {
        origin->height = job->node->height;
        origin->time = job->node->prev->median_time_past;
        if (txout_parse(&txout, bytes_sub(job->raw, ref->pos - job->pos, SIZE_MAX)) != TXOUT_OK)
            return -1;
        job->prevouts[i] = (struct tx_output){.amount_sat = txout.amount_sat,
                                              .script_pubkey = txout.script_pubkey};
        return 1;
    }
    if (!entry || !entry->node->prev)
        return -1;
    origin->height = entry->node->height;
    if (tx_input_needs_coin_time(tx, input))
        origin->time = entry->node->prev->median_time_past;

    if (!place.resident)
        return 0;
    struct bytes rest =
        bytes_sub((struct bytes){place.resident, entry->size}, ref->pos - entry->pos, SIZE_MAX);
    if (txout_parse(&txout, rest) != TXOUT_OK ||
        !coin_matches(pipeline, ref, &input->prevout, txout.raw))
        return -1;
    if (job->skips_scripts) { /* looked at by this stage only, and not after this job has ended */
        job->prevouts[i] = (struct tx_output){.amount_sat = txout.amount_sat,
                                              .script_pubkey = txout.script_pubkey};
        return 1;
    }
    return copy_script(&job->arena, &job->prevouts[i], &txout) ? 1 : -1;
}

/* Every rule of one transaction but its scripts; i is its first input among the block's. */
static enum verdict check_tx(const struct params *params, struct block_job *job, uint32_t t,
                             uint32_t i)
{
    const struct tx *tx = &job->block.txs[t];
    const struct header_node *node = job->node;
    int64_t fee_sat;
    enum verdict verdict =
        tx_check_inputs(tx, job->prevouts + i, job->origins + i, node->height, &fee_sat);

    if (verdict != VALID)
        return verdict;
    job->fees_sat += fee_sat;
    if (!money_in_range(job->fees_sat))
        return BAD_TXNS_ACCUMULATED_FEE_OUTOFRANGE;
    if (block_has_csv(params, node->height) &&
        !tx_sequence_locks_pass(tx, job->origins + i, node->height, node->prev->median_time_past))
        return BAD_TXNS_NONFINAL;
    job->sigop_cost += tx_prevouts_sigop_cost(tx, job->prevouts + i, job->script_flags);
    return job->sigop_cost > BLOCK_SIGOP_COST_MAX ? BAD_BLK_SIGOPS_COST : VALID;
}

/* The TxOut of input i has to be read. False: no memory. */
static bool add_read(struct block_job *job, uint32_t i, uint32_t input_count)
{
    if (!job->request.reads)
        job->request.reads = arena_array(&job->arena, input_count - i, sizeof *job->request.reads);
    if (!job->request.reads)
        return false;
    job->request.reads[job->request.count++] =
        (struct prevout_read){.pos = job->refs[i].pos, .tag = i};
    return true;
}

/* Transaction t is checked when its TxOuts were read. False: no memory. */
static bool add_pending(struct block_job *job, uint32_t t, uint32_t i)
{
    if (!job->pending)
        job->pending = arena_array(&job->arena, job->block.tx_count - t, sizeof *job->pending);
    if (!job->pending)
        return false;
    job->pending[job->pending_count++] = (struct pending_tx){t, i};
    return true;
}

static void fetch_scripts(const struct block *block, uint32_t t)
{
    for (uint32_t i = 0; t < block->tx_count && i < block->txs[t].input_count; i++) {
        __builtin_prefetch(block->txs[t].inputs[i].script_sig.data);
        __builtin_prefetch(block->txs[t].inputs[i].witness.data);
    }
}

/* Transaction by transaction what it spends, and its check while that is near to the processor; the
 * list of TxOuts to read. Some coin may not be what it should be: the plain path judges. */
static enum verdict gather(struct pipeline *pipeline, struct block_job *job)
{
    const struct block *block = &job->block;
    uint32_t input_count = block->input_count - block->txs[0].input_count;
    struct place places[AHEAD] = {{0}}; /* of input i: i % AHEAD */
    uint32_t i = 0;

    job->prevouts = arena_array(&job->arena, input_count, sizeof *job->prevouts);
    job->origins = arena_array(&job->arena, input_count, sizeof *job->origins);
    job->request = (struct prevout_request){.arena = &job->arena};
    if (!job->prevouts || !job->origins)
        return BAD_TXNS_INPUTS_MISSINGORSPENT;
    memset(job->origins, 0, input_count * sizeof *job->origins);
    for (uint32_t k = 0; k < AHEAD && k < input_count; k++)
        places[k] = find_place(pipeline, job, k);
    for (uint32_t t = 1; t < block->tx_count; t++) {
        const struct tx *tx = &block->txs[t];
        size_t read_count = job->request.count;
        uint32_t first = i;
        enum verdict verdict = VALID;

        fetch_scripts(block, t + TX_AHEAD);
        for (uint32_t k = 0; k < tx->input_count; k++, i++) {
            struct place place = places[i % AHEAD];

            if (i + AHEAD < input_count)
                places[i % AHEAD] = find_place(pipeline, job, i + AHEAD);
            int result = gather_one(pipeline, job, i, place, tx, &tx->inputs[k]);
            if (result < 0 || (result == 0 && !add_read(job, i, input_count)))
                return BAD_TXNS_INPUTS_MISSINGORSPENT;
        }
        if (job->request.count == read_count)
            verdict = check_tx(pipeline->params, job, t, first);
        else if (!add_pending(job, t, first))
            verdict = BAD_TXNS_INPUTS_MISSINGORSPENT;
        if (verdict != VALID)
            return verdict;
    }
    return VALID;
}

/* Takes over what the disk thread read into the arena, where the check also tells bytes that have
 * rotted. The flat input index is the read's tag. */
static bool take_cold(struct pipeline *pipeline, struct block_job *job)
{
    const struct outpoint **outpoints =
        arena_array(&job->arena, job->block.input_count, sizeof *outpoints);
    uint32_t i = 0;

    if (job->read_error != 0 || !outpoints)
        return false;
    for (uint32_t t = 1; t < job->block.tx_count; t++)
        for (uint32_t k = 0; k < job->block.txs[t].input_count; k++)
            outpoints[i++] = &job->block.txs[t].inputs[k].prevout;
    for (size_t r = 0; r < job->request.count; r++) {
        const struct prevout_read *read = &job->request.reads[r];

        if (coin_check_of(pipeline->key, outpoints[read->tag], read->txout.raw) !=
            job->refs[read->tag].check)
            return false;
        job->prevouts[read->tag] = (struct tx_output){.amount_sat = read->txout.amount_sat,
                                                      .script_pubkey = read->txout.script_pubkey};
    }
    return true;
}

static enum verdict check_pending(struct pipeline *pipeline, struct block_job *job)
{
    enum verdict verdict = VALID;

    for (uint32_t p = 0; verdict == VALID && p < job->pending_count; p++)
        verdict =
            check_tx(pipeline->params, job, job->pending[p].tx_index, job->pending[p].input_index);
    return verdict;
}

/* A transaction whose inputs end up in several batches gets its shared hashes here, once. */
static bool share_parts(struct block_job *job, uint32_t tx_index, const struct tx_output *prevouts)
{
    if (!job->tx_parts) {
        job->tx_parts = arena_array(&job->arena, job->block.tx_count, sizeof *job->tx_parts);
        if (!job->tx_parts)
            return false;
        memset(job->tx_parts, 0, job->block.tx_count * sizeof *job->tx_parts);
    }
    struct sighash_parts *parts = arena_alloc(&job->arena, sizeof *parts);
    if (!parts)
        return false;
    sighash_parts_init(parts, &job->block.txs[tx_index], prevouts);
    job->tx_parts[tx_index] = parts;
    return true;
}

/* Cuts the inputs into batches of BATCH_INPUTS; a transaction that would span two and fits one
 * begins one. */
static bool cut_batches(struct block_job *job)
{
    const struct block *block = &job->block;
    uint32_t input_count = block->input_count - block->txs[0].input_count;
    struct batch *batch = NULL;
    uint32_t first = 0;

    job->batches = arena_array(
        &job->arena, input_count / (BATCH_INPUTS / 2) + 2 * (input_count / BATCH_INPUTS) + 2,
        sizeof *job->batches);
    if (!job->batches)
        return false;
    for (uint32_t t = 1; t < block->tx_count; first += block->txs[t].input_count, t++) {
        uint32_t count = block->txs[t].input_count;

        if (count > BATCH_INPUTS) {
            if (!share_parts(job, t, job->prevouts + first))
                return false;
            for (uint32_t k = 0; k < count; k += BATCH_INPUTS)
                job->batches[job->batch_count++] = (struct batch){
                    t, k, first + k, count - k < BATCH_INPUTS ? count - k : BATCH_INPUTS};
            batch = NULL;
        } else if (batch && batch->count + count <= BATCH_INPUTS) {
            batch->count += count;
        } else {
            batch = &job->batches[job->batch_count++];
            *batch = (struct batch){t, 0, first, count};
        }
    }
    return true;
}

static void start_verify(struct pipeline *pipeline, struct block_job *job)
{
    uint32_t tokens =
        job->batch_count < pipeline->worker_count ? job->batch_count : pipeline->worker_count;

    atomic_store(&job->cursor, 0);
    atomic_store(&job->references, tokens);
    /* Once the first token is out the job may be gone before the last is pushed: no touching it
     * here then but by its reference, which the tokens still to come hold. */
    for (uint32_t i = 0; i < tokens; i++) {
        bool is_pushed = mpmc_push(&pipeline->verify_ring, job);
        assert(is_pushed);
    }
    waiter_wake(&pipeline->worker_waiter, tokens);
}

/* VALID also while the disk thread has to read first. */
static enum verdict check(struct pipeline *pipeline, struct block_job *job)
{
    if (job->is_cold_done)
        return take_cold(pipeline, job) ? check_pending(pipeline, job)
                                        : BAD_TXNS_INPUTS_MISSINGORSPENT;
    job->fees_sat = 0;
    job->sigop_cost = (uint64_t)job->facts.legacy_sigops * WITNESS_SCALE;
    return job->sigop_cost > BLOCK_SIGOP_COST_MAX ? BAD_BLK_SIGOPS_COST : gather(pipeline, job);
}

void check_stage(struct pipeline *pipeline, struct block_job *job)
{
    if (atomic_load_explicit(&job->is_dropped, memory_order_relaxed)) {
        pipeline_checked(pipeline, job);
        return;
    }
    job->verdict = check(pipeline, job);
    if (job->verdict == VALID && !job->is_cold_done && job->request.count) {
        atomic_fetch_add_explicit(&pipeline->stats.cold_prevouts, job->request.count,
                                  memory_order_relaxed);
        job->is_cold_done = true;
        job->read_task = (struct disk_task){.kind = TASK_PREVOUTS, .job = job};
        pipeline_task(pipeline, &job->read_task);
        return;
    }
    if (job->verdict == VALID)
        job->verdict =
            block_check_reward(pipeline->params, &job->facts, job->node->height, job->fees_sat);
    if (job->verdict == VALID && !job->skips_scripts && !cut_batches(job))
        job->verdict = BAD_TXNS_INPUTS_MISSINGORSPENT; /* no memory left: the plain path judges */
    if (job->verdict == VALID && job->batch_count)
        start_verify(pipeline, job);
    else
        pipeline_checked(pipeline, job);
}
