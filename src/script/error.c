#include "script/error.h"

const char *script_error_name(enum script_error error)
{
    switch (error) {
#define X(constant, name, text)                                                                    \
    case constant:                                                                                 \
        return name;
        SCRIPT_ERROR_LIST(X)
#undef X
    }
    return "?";
}

const char *script_error_text(enum script_error error)
{
    switch (error) {
#define X(constant, name, text)                                                                    \
    case constant:                                                                                 \
        return text;
        SCRIPT_ERROR_LIST(X)
#undef X
    }
    return "?";
}
