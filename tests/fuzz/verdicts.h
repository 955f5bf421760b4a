/* verdicts.h - what must hold of the verdicts on a transaction's scripts, whatever they are: a
 * machine that ran others before says what a fresh one says, what passes under some rules passes
 * under fewer, and with CAESURE_KERNEL the reference node says the same (kernel.h). */
#ifndef TESTS_VERDICTS_H
#define TESTS_VERDICTS_H
#include "codec/tx.h"

/* Of raw, if it is a transaction with count inputs, which spend prevouts under consensus flags. */
void verdicts_compare(struct bytes raw, const struct tx_output *prevouts, uint32_t count,
                      uint32_t flags);

/* A sound set of consensus flags from a byte; 0 and half of all: every one. */
uint32_t verdicts_flags(uint8_t byte);
#endif
