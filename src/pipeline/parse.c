/* parse.c - the parse stage: bytes to views, hashes, and every rule for which the block alone is
 * enough. */
#include "pipeline/pipeline.h"

/* Room for the flat arrays, and the keyed hashes of all outpoints: the ledger thread only compares
 * them. */
static bool hash_coins(struct pipeline *pipeline, struct block_job *job)
{
    const struct block *block = &job->block;

    job->input_hashes = arena_array(&job->arena, block->input_count, sizeof *job->input_hashes);
    job->output_hashes = arena_array(&job->arena, block->output_count, sizeof *job->output_hashes);
    job->coin_checks = arena_array(&job->arena, block->output_count, sizeof *job->coin_checks);
    job->refs = arena_array(&job->arena, block->input_count, sizeof *job->refs);
    if (!job->input_hashes || !job->output_hashes || !job->coin_checks || !job->refs)
        return false;
    coin_hash_block(pipeline->key, block, job->input_hashes, job->output_hashes, job->coin_checks);
    return true;
}

/* What a message with this block carries; of a stored block it is known. */
static void note_checksum(struct block_job *job)
{
    uint8_t digest[32];

    sha256d_once(digest, job->raw.data, job->raw.size);
    memcpy(&job->checksum, digest, sizeof job->checksum);
}

void parse_stage(struct pipeline *pipeline, struct block_job *job)
{
    pipeline_take_arena(pipeline, job);
    if (!block_parse(&job->block, job->raw, &job->arena, true))
        job->verdict = BLOCK_DECODE_FAILED;
    else
        job->verdict = block_check(pipeline->params, &job->block, &job->arena, &job->facts);
    if (job->verdict == VALID && !hash_coins(pipeline, job))
        job->verdict = BLOCK_DECODE_FAILED;
    if (job->verdict == VALID && !job->is_stored && !job->has_checksum)
        note_checksum(job);

    job->message.kind = MESSAGE_PARSED;
    pipeline_post(pipeline, &job->message);
}
