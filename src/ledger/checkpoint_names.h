/* checkpoint_names.h - the files of the ledger's directory. */
#ifndef LEDGER_CHECKPOINT_NAMES_H
#define LEDGER_CHECKPOINT_NAMES_H
#include "ledger/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>

struct checkpoint_name {
    char text[sizeof CHECKPOINT_DIR + 40];
};

static inline struct checkpoint_name checkpoint_name(const char *kind, uint64_t sequence)
{
    struct checkpoint_name name;

    snprintf(name.text, sizeof name.text, CHECKPOINT_DIR "/%s.%llu", kind,
             (unsigned long long)sequence);
    return name;
}

/* The number of a name "kind.N" as checkpoint_name writes it; 0 for any other. */
static inline uint64_t checkpoint_number(const char *name, const char *kind)
{
    size_t size = strlen(kind);

    if (strncmp(name, kind, size) != 0 || name[size] != '.' || name[size + 1] < '1' ||
        name[size + 1] > '9' || strlen(name + size + 1) > 18)
        return 0;

    char *end;
    uint64_t number = strtoull(name + size + 1, &end, 10);
    return *end == '\0' ? number : 0;
}

/* SHA256 of the key under a tag of its own. */
void checkpoint_key_hash(uint8_t out[32], const uint8_t key[LEDGER_KEY_SIZE]);
#endif
