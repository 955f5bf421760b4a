#include "codec/compact.h"
#include "codec/message_compact.h"

#include <check.h>
#include <stdlib.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 24);
}

static void teardown(void)
{
    arena_clear(&arena);
}

/* One input, one output, told apart by number. */
static struct tx some_tx(uint8_t number)
{
    uint8_t *raw = arena_alloc(&arena, 61);
    struct tx tx;

    memset(raw, 0, 61);
    raw[0] = 1;
    raw[4] = 1; /* inputs */
    raw[5] = number;
    raw[46] = 1; /* outputs */
    raw[47] = number;
    ck_assert(tx_parse(&tx, (struct bytes){raw, 60}, &arena));
    return tx;
}

static struct bytes cmpctblock_bytes(const struct cmpctblock_message *message)
{
    size_t size = cmpctblock_size(message);
    uint8_t *raw = arena_alloc(&arena, size);

    cmpctblock_write(raw, message);
    return (struct bytes){raw, size};
}

START_TEST(cmpctblock_round_trips)
{
    uint8_t ids[300 * 6];
    struct prefilled_tx prefilled[] = {{0, some_tx(1)}, {2, some_tx(2)}, {302, some_tx(3)}};
    struct cmpctblock_message out, in = {{.nonce = 5}, 77, 300, ids, 3, prefilled};

    memset(ids, 0xab, sizeof ids);
    struct bytes raw = cmpctblock_bytes(&in);
    ck_assert(cmpctblock_parse(&out, raw, &arena));
    ck_assert(out.header.nonce == 5 && out.nonce == 77 && out.short_id_count == 300);
    ck_assert_mem_eq(out.short_ids, ids, sizeof ids);
    ck_assert_uint_eq(out.prefilled_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(out.prefilled[i].index, prefilled[i].index);
        ck_assert(txid_equal(&out.prefilled[i].tx.txid, &prefilled[i].tx.txid));
    }
    for (size_t cut = 0; cut < raw.size; cut++)
        ck_assert(!cmpctblock_parse(&out, bytes_sub(raw, 0, cut), &arena));
}
END_TEST

START_TEST(a_prefilled_index_stays_inside_the_block)
{
    uint8_t ids[6] = {0};
    struct prefilled_tx prefilled[] = {{1, some_tx(1)}};
    struct cmpctblock_message out, in = {{0}, 0, 1, ids, 1, prefilled};

    ck_assert(cmpctblock_parse(&out, cmpctblock_bytes(&in), &arena));
    prefilled[0].index = 2;
    ck_assert(!cmpctblock_parse(&out, cmpctblock_bytes(&in), &arena));
}
END_TEST

START_TEST(a_block_of_65535_transactions_fits_and_one_more_does_not)
{
    uint8_t *ids = xcalloc(65535, 6);
    struct prefilled_tx prefilled[] = {{0, some_tx(1)}};
    struct cmpctblock_message out, in = {{0}, 0, 65534, ids, 1, prefilled};

    ck_assert(cmpctblock_parse(&out, cmpctblock_bytes(&in), &arena));
    in.short_id_count++;
    ck_assert(!cmpctblock_parse(&out, cmpctblock_bytes(&in), &arena));
    free(ids);
}
END_TEST

START_TEST(getblocktxn_indexes_have_16_bits)
{
    uint16_t indexes[] = {0, 1, 300, 65535};
    struct getblocktxn_message out, in = {{{4}}, 4, indexes};
    uint8_t raw[60];
    size_t size = getblocktxn_size(&in);

    ck_assert_uint_le(size, sizeof raw);
    getblocktxn_write(raw, &in);
    ck_assert(getblocktxn_parse(&out, (struct bytes){raw, size}, &arena));
    ck_assert(out.count == 4 && block_hash_equal(&out.hash, &in.hash));
    ck_assert_mem_eq(out.indexes, indexes, sizeof indexes);
    for (size_t cut = 0; cut < size; cut++)
        ck_assert(!getblocktxn_parse(&out, (struct bytes){raw, cut}, &arena));

    /* 65534 and the next are the last two; then there is no room */
    uint8_t last[] = {[32] = 2, 0xfd, 0xfe, 0xff, 0}, beyond[] = {[32] = 2, 0xfd, 0xff, 0xff, 0};
    ck_assert(getblocktxn_parse(&out, (struct bytes){last, sizeof last}, &arena));
    ck_assert_uint_eq(out.indexes[1], 65535);
    ck_assert(!getblocktxn_parse(&out, (struct bytes){beyond, sizeof beyond}, &arena));
}
END_TEST

START_TEST(blocktxn_round_trips)
{
    struct tx txs[] = {some_tx(7), some_tx(8)};
    struct blocktxn_message out, in = {{{1}}, 2, txs};
    uint8_t raw[200];
    size_t size = blocktxn_size(&in);

    ck_assert_uint_eq(size, 32 + 1 + 120);
    blocktxn_write(raw, &in);
    ck_assert(blocktxn_parse(&out, (struct bytes){raw, size}, &arena));
    ck_assert(out.count == 2 && txid_equal(&out.txs[1].txid, &txs[1].txid));
    for (size_t cut = 0; cut < size; cut++)
        ck_assert(!blocktxn_parse(&out, (struct bytes){raw, cut}, &arena));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message_compact");
    TCase *tcase = tcase_create("message_compact");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, cmpctblock_round_trips);
    tcase_add_test(tcase, a_prefilled_index_stays_inside_the_block);
    tcase_add_test(tcase, a_block_of_65535_transactions_fits_and_one_more_does_not);
    tcase_add_test(tcase, getblocktxn_indexes_have_16_bits);
    tcase_add_test(tcase, blocktxn_round_trips);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
