/* parse.c - the parse stage: bytes to views, hashes, and every rule for which the block alone is
 * enough. */
#include "pipeline/pipeline.h"

/* What connecting needs, so that the ledger only compares. */
static bool make_events(struct pipeline *pipeline, struct block_job *job)
{
    job->refs = arena_array(&job->arena, job->block.input_count, sizeof *job->refs);
    return job->refs && block_events_make(pipeline->key, &job->block, &job->arena, &job->events);
}

void parse_stage(struct pipeline *pipeline, struct block_job *job)
{
    pipeline_take_arena(pipeline, job);
    if (!block_parse(&job->block, job->raw, &job->arena, true))
        job->verdict = BLOCK_DECODE_FAILED;
    else
        job->verdict = (job->is_known_valid ? block_check_bytes : block_check)(
            pipeline->params, &job->block, &job->arena, &job->facts);
    if (job->verdict == VALID && !make_events(pipeline, job))
        job->verdict = BLOCK_DECODE_FAILED;

    job->message.kind = MESSAGE_PARSED;
    pipeline_post(pipeline, &job->message);
}
