/* Property: no bytes taken for vocab.json and merges.txt, which a NUL parts, crash anything; where they
 * are a tokenizer, the tokens of an odd text tile it. */
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
    static const char text[] = "abc  abcabc 12\t<|x|>e\u0301 don't\n\n \u00bd";
    const char *bytes = size > 0 ? (const char *)data : "";
    const char *nul = memchr(bytes, '\0', size);
    const size_t n = nul ? (size_t)(nul - bytes) : size;
    const struct tokenizer_pair pair = {bytes, nul ? nul + 1 : "", n, nul ? size - n - 1 : 0};
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_parse_pair(&t, &pair, "<|x|>", NULL, &err)) {
        check(err.msg[0] != '\0' && t == NULL);
        return 0;
    }
    struct encoder *e = encoder_new(t);
    struct tokens got = {0};
    check(e != NULL && encode(e, text, sizeof text - 1, SPECIAL_SPLIT, &got, NULL) == 0);
    size_t at = 0;
    for (size_t i = 0; i < got.n; i++) {
        size_t len;
        const char *own = tokenizer_bytes(t, got.ids[i], &len);
        check(own && got.ends[i] == at + len && got.ends[i] <= got.text_len);
        check(memcmp(got.text + at, own, len) == 0);
        at += len;
    }
    check(at == got.text_len);
    tokens_free(&got);
    encoder_free(e);
    tokenizer_free(t);
    return 0;
}
