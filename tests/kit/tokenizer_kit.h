/*
 * tokenizer_kit.h - what the tests of tokenizers share: two tokenizers, and variants of the smaller
 */
#ifndef GAPSCOPE_TESTS_KIT_TOKENIZER_KIT_H
#define GAPSCOPE_TESTS_KIT_TOKENIZER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "model/tokenizer/tokenizer.h"

#define TOY "tests/golden/tokenizers/toy/tokenizer.json"
#define MINI "tests/golden/tokenizers/mini.json"

static inline struct tokenizer *load(const char *path)
{
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_load(&t, path, &err)) {
        fail_msg("%s", err.msg);
    }
    return t;
}

static inline void expect_ids(const struct tokens *got, const char *text, const uint32_t *ids,
                              size_t n)
{
    if (got->n != n) {
        fail_msg("\"%s\" has %zu tokens, not %zu", text, got->n, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (got->ids[i] != ids[i]) {
            fail_msg("\"%s\": token %zu is %u, not %u", text, i, got->ids[i], ids[i]);
        }
    }
}

/* Tokens tile the text, and their bytes are the text's. */
static inline void expect_tiles(const struct tokenizer *t, const struct tokens *got)
{
    size_t at = 0;
    for (size_t i = 0; i < got->n; i++) {
        size_t len;
        const char *bytes = tokenizer_bytes(t, got->ids[i], &len);
        assert_non_null(bytes);
        assert_int_equal(got->ends[i], at + len);
        assert_memory_equal(got->text + at, bytes, len);
        at += len;
    }
    assert_int_equal(at, got->text_len);
}

/*
 * MINI: every byte is its own id; ab=256 bc=257 abc=258 ("a b", "b c", "ab c", in this order),
 * "  "=259 and "\u0120\u0120\u0120"=261 are in the vocabulary too, and so is "<|x|>"=260, a
 * special added token.  It has no normaliser, and only ByteLevel.
 */
#define ADDED_END "\"special\": true}]"
#define FLAGS "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
#define RAW FLAGS "\"normalized\": false, \"special\": false}"
#define NORMALIZED FLAGS "\"normalized\": true, \"special\": false}"
#define NO_NORMALIZER "\"normalizer\": null"
#define NFC "\"normalizer\": {\"type\": \"NFC\"}"
#define BYTE_LEVEL                                                                                 \
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "              \
    "\"use_regex\": true}"

struct change {
    const char *from, *to;
};

/* The text of MINI with the changes, each of which must apply; those after a NULL are unused. */
static inline struct buf mini_with(const struct change *changes, size_t n)
{
    struct buf text = {0};
    assert_int_equal(file_read(MINI, 1 << 20, &text, NULL), 0);
    for (size_t i = 0; i < n && changes[i].from; i++) {
        const size_t from_len = strlen(changes[i].from);
        const char *hit = memmem(text.data, text.len, changes[i].from, from_len);
        if (!hit) {
            fail_msg("no %s in " MINI, changes[i].from);
        }
        const size_t at = (size_t)(hit - text.data);
        struct buf changed = {0};
        buf_append(&changed, text.data, at, NULL);
        buf_append(&changed, changes[i].to, strlen(changes[i].to), NULL);
        buf_append(&changed, hit + from_len, text.len - at - from_len, NULL);
        buf_free(&text);
        text = changed;
    }
    return text;
}

static inline struct tokenizer *mini(const struct change *changes, size_t n)
{
    struct buf text = mini_with(changes, n);
    struct tokenizer *t = NULL;
    struct err err = {0};
    if (tokenizer_parse(&t, text.data, text.len, NULL, NULL, &err)) {
        fail_msg("%s", err.msg);
    }
    buf_free(&text);
    return t;
}

#endif
