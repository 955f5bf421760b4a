#include "chain/verdict.h"
#include <stdio.h>

const char *verdict_text(enum verdict verdict)
{
    static const char *const texts[] = {
#define X(name, text, class) [name] = text,
        VERDICTS(X)
#undef X
    };

    assert((unsigned)verdict < VERDICT_COUNT);
    return texts[verdict];
}

enum verdict_class verdict_class(enum verdict verdict)
{
    static const uint8_t classes[] = {
#define X(name, text, class) [name] = class,
        VERDICTS(X)
#undef X
    };

    assert((unsigned)verdict < VERDICT_COUNT);
    return (enum verdict_class)classes[verdict];
}

void verdict_format(char out[VERDICT_FORMAT_SIZE], enum verdict verdict, int32_t version,
                    const char *script_error)
{
    const char *text = verdict_text(verdict);

    if (verdict == BAD_VERSION)
        snprintf(out, VERDICT_FORMAT_SIZE, "%s(0x%08x)", text, (uint32_t)version);
    else if (verdict == BLOCK_SCRIPT_VERIFY_FLAG_FAILED && script_error != NULL)
        snprintf(out, VERDICT_FORMAT_SIZE, "%s (%s)", text, script_error);
    else
        snprintf(out, VERDICT_FORMAT_SIZE, "%s", text);
}
