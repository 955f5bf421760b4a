/* Readers and writers of text: base58, bech32, addresses, keys and script text. */
#include "base/hex.h"
#include "codec/address.h"
#include "codec/base58.h"
#include "codec/bech32.h"
#include "codec/script_text.h"
#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct address_format formats[] = {
    {0, 5, 128, "bc"}, {111, 196, 239, "tb"}, {111, 196, 239, "bcrt"}};

static void check_base58(const char *text, size_t size)
{
    uint8_t decoded[200];
    char again[300];
    size_t decoded_size = sizeof decoded;

    if (!base58_decode(decoded, &decoded_size, text, size))
        return;
    assert(base58_encode(again, sizeof again, (struct bytes){decoded, decoded_size}));
    assert(strlen(again) == size && memcmp(again, text, size) == 0);
}

static void check_bech32(const char *text, size_t size)
{
    struct bech32 b, second;
    char again[BECH32_TEXT_SIZE_MAX + 1];

    if (!bech32_decode(&b, text, size))
        return;
    assert(bech32_encode(again, &b) && strlen(again) == size);
    assert(strncasecmp(again, text, size) == 0);
    assert(bech32_decode(&second, again, size) && strcmp(second.hrp, b.hrp) == 0);
}

/* text ends with a zero byte, which may not be the first. */
static void check_address(const char *text)
{
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++) {
        uint8_t script[ADDRESS_SCRIPT_SIZE], key[32];
        char again[ADDRESS_TEXT_SIZE];
        size_t script_size;
        bool is_compressed;

        if (address_to_script(script, &script_size, text, &formats[i])) {
            assert(address_from_script(again, (struct bytes){script, script_size}, &formats[i]));
            assert(strcasecmp(again, text) == 0);
        }
        if (wif_decode(key, &is_compressed, text, &formats[i]))
            assert(!address_to_script(script, &script_size, text, &formats[i]));
    }
}

static void check_script(struct bytes script)
{
    struct text text;
    char address[ADDRESS_TEXT_SIZE];
    uint8_t again[ADDRESS_SCRIPT_SIZE];
    size_t again_size;

    text_init(&text, 32 * script.size + 1000); /* no operation takes more */
    if (script_text(&text, script))
        assert(text.size >= 2 && text.data[0] == '[' && text.data[text.size - 1] == ']');
    else
        assert(text.size == 0);
    text_clear(&text);
    if (address_from_script(address, script, &formats[0])) {
        assert(address_to_script(again, &again_size, address, &formats[0]));
        assert(bytes_equal((struct bytes){again, again_size}, script));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes script = {data, size};
    char *text = xmalloc(size + 1);
    uint8_t *bytes = xmalloc(size / 2);

    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_base58(text, size);
    check_bech32(text, size);
    check_address(text);
    check_script(script);
    if (hex_decode(bytes, text, size))
        check_script((struct bytes){bytes, size / 2});
    free(text);
    free(bytes);
    return 0;
}
