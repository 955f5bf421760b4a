#include "codec/message_type.h"

static const struct {
    char command[MESSAGE_COMMAND_SIZE + 1];
    uint8_t id;
} types[MESSAGE_TYPE_COUNT] = {[MESSAGE_UNKNOWN] = {"unknown", 0},
#define X(name, command, id) [MESSAGE_##name] = {command, id},
                               MESSAGE_TYPES(X)
#undef X
};

const char *message_type_name(enum message_type type)
{
    return types[type].command;
}

uint8_t message_type_id(enum message_type type)
{
    return types[type].id;
}

enum message_type message_type_of_id(uint8_t id)
{
    for (int i = MESSAGE_UNKNOWN + 1; id != 0 && i < MESSAGE_TYPE_COUNT; i++)
        if (types[i].id == id)
            return (enum message_type)i;
    return MESSAGE_UNKNOWN;
}

enum message_type message_type_of_command(const uint8_t command[MESSAGE_COMMAND_SIZE])
{
    for (int i = MESSAGE_UNKNOWN + 1; i < MESSAGE_TYPE_COUNT; i++)
        if (memcmp(types[i].command, command, MESSAGE_COMMAND_SIZE) == 0)
            return (enum message_type)i;
    return MESSAGE_UNKNOWN;
}

void message_type_command(enum message_type type, uint8_t command[MESSAGE_COMMAND_SIZE])
{
    memcpy(command, types[type].command, MESSAGE_COMMAND_SIZE);
}
