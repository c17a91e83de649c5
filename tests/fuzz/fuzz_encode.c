/* Property: the tokens of any text tile what it is normalised to, and their bytes are its bytes;
 * where no token is special they are the same either way. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "corpora/base/utf8_repair.h"
#include "model/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tokenizer *t;
static struct encoder *e;

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void make(void)
{
    struct err err = {0};
    if (tokenizer_load(&t, "tests/golden/tokenizers/toy/tokenizer.json", &err)) {
        fprintf(stderr, "%s (run me in the root of the source tree)\n", err.msg);
        abort();
    }
    e = encoder_new(t);
    check(e != NULL);
}

static void check_tiles(const struct tokens *got)
{
    size_t at = 0;
    for (size_t i = 0; i < got->n; i++) {
        size_t len;
        const char *bytes = tokenizer_bytes(t, got->ids[i], &len);
        check(bytes && len > 0 && got->ends[i] == at + len && got->ends[i] <= got->text_len);
        check(memcmp(got->text + at, bytes, len) == 0);
        at += len;
    }
    check(at == got->text_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!t) {
        make();
    }
    struct buf text = {0};
    uint64_t n_repaired = 0;
    check(utf8_repair(&text, (const char *)data, size, &n_repaired, NULL) == 0);
    char *exact = malloc(text.len ? text.len : 1); // so that a byte too far is seen
    check(exact != NULL);
    memcpy(exact, text.len ? text.data : "", text.len);

    struct tokens plain = {0}, split = {0};
    check(encode(e, exact, text.len, SPECIAL_PLAIN, &plain, NULL) == 0);
    check_tiles(&plain);
    check(utf8_valid_prefix(plain.text, plain.text_len) == plain.text_len);
    bool has_special = false;
    check(encode(e, exact, text.len, SPECIAL_SPLIT, &split, NULL) == 0);
    check_tiles(&split);
    for (size_t i = 0; i < split.n; i++) {
        has_special |= split.ids[i] < 2; // <|endoftext|>, <|padding|>
    }
    if (!has_special) {
        check(plain.n == split.n);
        check(plain.n == 0 || memcmp(plain.ids, split.ids, plain.n * sizeof *plain.ids) == 0);
    }
    tokens_free(&plain);
    tokens_free(&split);
    free(exact);
    buf_free(&text);
    return 0;
}
