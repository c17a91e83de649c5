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

static const struct {
    const char *path;
    uint32_t n_special; // ids below it are special
} kinds[] = {
    {"tests/golden/tokenizers/toy/tokenizer.json", 2}, // <|endoftext|>, <|padding|>
    {"tests/golden/tokenizers/characters.json", 3},    // <unk>, <s>, </s>
};
enum { KINDS = 2 };

static struct tokenizer *t[KINDS];
static struct encoder *e[KINDS];

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void make(void)
{
    struct err err = {0};
    for (size_t k = 0; k < KINDS; k++) {
        if (tokenizer_load(&t[k], kinds[k].path, &err)) {
            fprintf(stderr, "%s (run me in the root of the source tree)\n", err.msg);
            abort();
        }
        e[k] = encoder_new(t[k]);
        check(e[k] != NULL);
    }
}

static void check_tiles(size_t kind, const struct tokens *got)
{
    size_t at = 0;
    for (size_t i = 0; i < got->n; i++) {
        size_t len;
        const char *bytes = tokenizer_bytes(t[kind], got->ids[i], &len);
        check(bytes && len > 0 && got->ends[i] == at + len && got->ends[i] <= got->text_len);
        check(memcmp(got->text + at, bytes, len) == 0);
        at += len;
    }
    check(at == got->text_len);
}

static void check_text(size_t kind, const char *text, size_t len)
{
    struct tokens plain = {0}, split = {0};
    check(encode(e[kind], text, len, SPECIAL_PLAIN, &plain, NULL) == 0);
    check_tiles(kind, &plain);
    check(utf8_valid_prefix(plain.text, plain.text_len) == plain.text_len);
    bool has_special = false;
    check(encode(e[kind], text, len, SPECIAL_SPLIT, &split, NULL) == 0);
    check_tiles(kind, &split);
    for (size_t i = 0; i < split.n; i++) {
        has_special |= split.ids[i] < kinds[kind].n_special;
    }
    if (!has_special) {
        check(plain.n == split.n);
        check(plain.n == 0 || memcmp(plain.ids, split.ids, plain.n * sizeof *plain.ids) == 0);
    }
    tokens_free(&plain);
    tokens_free(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!t[0]) {
        make();
    }
    struct buf text = {0};
    uint64_t n_repaired = 0;
    check(utf8_repair(&text, (const char *)data, size, &n_repaired, NULL) == 0);
    char *exact = malloc(text.len ? text.len : 1); // so that a byte too far is seen
    check(exact != NULL);
    memcpy(exact, text.len ? text.data : "", text.len);
    for (size_t kind = 0; kind < KINDS; kind++) {
        check_text(kind, exact, text.len);
    }
    free(exact);
    buf_free(&text);
    return 0;
}
