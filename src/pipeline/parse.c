/* parse.c - the parse stage: bytes to views, hashes, and every rule for which the block alone is
 * enough. */
#include "pipeline/pipeline.h"

/* What connecting needs, so that the ledger only compares. */
static bool make_events(struct pipeline *pipeline, struct block_job *job)
{
    job->refs = arena_array(&job->arena, job->block.input_count, sizeof *job->refs);
    return job->refs && block_events_make(pipeline->key, &job->block, &job->arena, &job->events);
}

/* What follows a block in its message counts for nothing, as with the reference node. */
static bool parse(struct block_job *job)
{
    if (block_parse(&job->block, job->raw, &job->arena, true))
        return true;
    arena_reset(&job->arena, SIZE_MAX);
    size_t size = job->is_stored ? 0 : block_measure(job->raw, &job->arena);
    if (size == 0)
        return false;
    arena_reset(&job->arena, SIZE_MAX);
    job->buffer = xrealloc(job->buffer, size); /* it may stay in memory for long */
    job->raw = (struct bytes){job->buffer, size};
    job->size = job->capacity = size;
    job->checksum = 0;
    return block_parse(&job->block, job->raw, &job->arena, true);
}

void parse_stage(struct pipeline *pipeline, struct block_job *job)
{
    pipeline_take_arena(pipeline, job);
    if (!parse(job))
        job->verdict = BLOCK_DECODE_FAILED;
    else
        job->verdict = (job->is_known_valid ? block_check_bytes : block_check)(
            pipeline->params, &job->block, &job->arena, &job->facts);
    if (job->verdict == VALID && !make_events(pipeline, job))
        job->verdict = BLOCK_DECODE_FAILED;

    job->message.kind = MESSAGE_PARSED;
    pipeline_post(pipeline, &job->message);
}
