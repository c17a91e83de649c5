/* Property: no bytes taken for a tokenizer.json crash anything; where they are one, the tokens of
 * an odd text tile what it is normalised to, and every id has bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] =
        "abc  abcabc 12\t<|x|>e\u0301 don't\n\n \u2581<0x0A> \u00bd\U0001f600"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcabcabcabcabcabc";
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_parse(&t, (const char *)data, size, NULL, NULL, &err)) {
        check(err.msg[0] != '\0' && t == NULL);
        return 0;
    }
    check(tokenizer_same(t, t, NULL) == 0);
    struct encoder *e = encoder_new(t);
    struct tokens got = {0};
    check(e != NULL);
    for (int plain = 0; plain < 2; plain++) {
        check(encode(e, text, sizeof text - 1, plain ? SPECIAL_PLAIN : SPECIAL_SPLIT, &got, NULL) ==
              0);
        size_t at = 0;
        for (size_t i = 0; i < got.n; i++) {
            size_t len;
            const char *bytes = tokenizer_bytes(t, got.ids[i], &len);
            // white space behind an added token may belong to it
            check(bytes && got.ends[i] >= at + len && got.ends[i] <= got.text_len);
            check(memcmp(got.text + at, bytes, len) == 0);
            at = got.ends[i];
        }
        check(at == got.text_len);
    }
    tokens_free(&got);
    encoder_free(e);
    tokenizer_free(t);
    return 0;
}
