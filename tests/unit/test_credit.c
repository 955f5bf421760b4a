/* test_credit.c - how many blocks the intake lets in: those of peers, those from files. */
#include "pipeline/pipeline.h"
#include "shared_files.h"

#define SIZE       ((size_t)1 << 20)
#define OF_PEERS   40
#define FROM_FILES 7 /* of 4 MB and 64 KB each in 32 MB: 16 for the worker, 16 more */

static struct pipeline pipeline;
static struct params params;

static struct block_job *expect(enum reserve how, size_t size)
{
    struct block_job *job = pipeline_reserve(&pipeline, size, how);

    ck_assert_ptr_nonnull(job);
    return job;
}

START_TEST(blocks_from_files_have_a_small_credit_of_their_own)
{
    struct block_job *of_peers[OF_PEERS], *from_files[FROM_FILES];

    params_init(&params, NETWORK_REGTEST);
    pipeline_init(&pipeline, &params, NULL, NULL, 1, (size_t)256 << 20);
    for (size_t i = 0; i < OF_PEERS; i++) /* far more than files may have */
        of_peers[i] = expect(RESERVE_TRY, SIZE);
    for (size_t i = 0; i < FROM_FILES; i++)
        from_files[i] = expect(i % 2 ? RESERVE_NEAR : RESERVE_WAIT, SIZE);
    ck_assert_ptr_null(pipeline_reserve(&pipeline, SIZE, RESERVE_NEAR));
    pipeline_release(expect(RESERVE_TRY, SIZE));
    ck_assert_ptr_null(pipeline_reserve(&pipeline, SIZE, RESERVE_NEAR));
    pipeline_release(from_files[0]);
    from_files[0] = expect(RESERVE_NEAR, SIZE);
    for (size_t i = 0; i < FROM_FILES; i++)
        pipeline_release(from_files[i]);
    for (size_t i = 0; i < OF_PEERS; i++)
        pipeline_release(of_peers[i]);
    ck_assert_uint_eq(atomic_load(&pipeline.credit_used), 0);
    ck_assert_uint_eq(atomic_load(&pipeline.near_used), 0);
    pipeline_clear(&pipeline);
}
END_TEST

START_TEST(the_first_block_and_the_urgent_one_always_come_in)
{
    params_init(&params, NETWORK_REGTEST);
    pipeline_init(&pipeline, &params, NULL, NULL, 1, (size_t)1 << 20);
    struct block_job *first = expect(RESERVE_NEAR, BLOCK_SIZE_MAX);
    ck_assert_ptr_null(pipeline_reserve(&pipeline, 100, RESERVE_NEAR));
    ck_assert_ptr_null(pipeline_reserve(&pipeline, 100, RESERVE_TRY));
    struct block_job *urgent = expect(RESERVE_URGENT, BLOCK_SIZE_MAX);
    pipeline_release(first);
    ck_assert_ptr_null(pipeline_reserve(&pipeline, 100, RESERVE_NEAR));
    ck_assert_uint_eq(atomic_load(&pipeline.near_used), 0);
    pipeline_release(urgent);
    pipeline_release(expect(RESERVE_TRY, BLOCK_SIZE_MAX));
    pipeline_clear(&pipeline);
}
END_TEST

int main(void)
{
    return SUITE_RUN("credit", blocks_from_files_have_a_small_credit_of_their_own,
                     the_first_block_and_the_urgent_one_always_come_in);
}
