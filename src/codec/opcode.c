#include "codec/opcode.h"

static const char *const names[256] = {
#define X(name, value) [value] = #name,
    OPCODE_LIST(X)
#undef X
};

static const struct {
    const char *name;
    uint8_t opcode;
} aliases[] = {
    {"OP_FALSE", OP_0},
    {"OP_TRUE", OP_1},
    {"OP_NOP2", OP_CHECKLOCKTIMEVERIFY},
    {"OP_NOP3", OP_CHECKSEQUENCEVERIFY},
};

const char *opcode_name(uint8_t opcode)
{
    return names[opcode];
}

static bool is_named(const char *full, const char *name, size_t name_size)
{
    return strlen(full) == name_size && memcmp(full, name, name_size) == 0;
}

int opcode_find(const char *name, size_t name_size)
{
    size_t skip = name_size >= 3 && memcmp(name, "OP_", 3) == 0 ? 0 : 3;

    for (int i = 0; i < 256; i++) {
        if (names[i] != NULL && is_named(names[i] + skip, name, name_size))
            return i;
    }
    for (size_t i = 0; i < ARRAY_COUNT(aliases); i++) {
        if (is_named(aliases[i].name + skip, name, name_size))
            return aliases[i].opcode;
    }
    return -1;
}
