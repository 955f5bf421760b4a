/* flags.h - which script rules hold: one bit each. The consensus ones depend on the block (chain/
 * chooses), the policy ones are wanted by the pool. */
#ifndef SCRIPT_FLAGS_H
#define SCRIPT_FLAGS_H
#include "base/bytes.h"

/* X(name as the reference node's vectors have it, bit) */
#define SCRIPT_FLAG_LIST(X)                                                                        \
    X(P2SH, 0)                /* BIP16 */                                                          \
    X(DERSIG, 1)              /* BIP66 */                                                          \
    X(CHECKLOCKTIMEVERIFY, 2) /* BIP65 */                                                          \
    X(CHECKSEQUENCEVERIFY, 3) /* BIP112 */                                                         \
    X(NULLDUMMY, 4)           /* BIP147 */                                                         \
    X(WITNESS, 5)             /* BIP141; only together with P2SH */                                \
    X(TAPROOT, 6)             /* BIP341, BIP342 */                                                 \
    X(STRICTENC, 7)           /* policy from here on */                                            \
    X(LOW_S, 8)                                                                                    \
    X(SIGPUSHONLY, 9)                                                                              \
    X(MINIMALDATA, 10)                                                                             \
    X(DISCOURAGE_UPGRADABLE_NOPS, 11)                                                              \
    X(CLEANSTACK, 12) /* only together with P2SH and WITNESS */                                    \
    X(MINIMALIF, 13)                                                                               \
    X(NULLFAIL, 14)                                                                                \
    X(DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM, 15)                                                   \
    X(WITNESS_PUBKEYTYPE, 16)                                                                      \
    X(CONST_SCRIPTCODE, 17)                                                                        \
    X(DISCOURAGE_UPGRADABLE_TAPROOT_VERSION, 18)                                                   \
    X(DISCOURAGE_OP_SUCCESS, 19)                                                                   \
    X(DISCOURAGE_UPGRADABLE_PUBKEYTYPE, 20)

enum script_flag {
#define X(name, bit) SCRIPT_VERIFY_##name = 1 << bit,
    SCRIPT_FLAG_LIST(X)
#undef X
};

#define SCRIPT_VERIFY_CONSENSUS                                                                    \
    (SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_DERSIG | SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY |               \
     SCRIPT_VERIFY_CHECKSEQUENCEVERIFY | SCRIPT_VERIFY_NULLDUMMY | SCRIPT_VERIFY_WITNESS |         \
     SCRIPT_VERIFY_TAPROOT)
#define SCRIPT_VERIFY_ALL    ((1u << 21) - 1)
#define SCRIPT_VERIFY_POLICY (SCRIPT_VERIFY_ALL & ~(uint32_t)SCRIPT_VERIFY_CONSENSUS)

/* The rule sets whose meaning is defined: WITNESS needs P2SH, CLEANSTACK needs both. */
static inline bool script_flags_are_sound(uint32_t flags)
{
    if (flags & SCRIPT_VERIFY_CLEANSTACK && !(flags & SCRIPT_VERIFY_WITNESS))
        return false;
    return !(flags & SCRIPT_VERIFY_WITNESS) || flags & SCRIPT_VERIFY_P2SH;
}
#endif
