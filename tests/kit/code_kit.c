#include "tests/kit/code_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Adds the token text[len] with a label to be wanted; ids are given by make_ids(). */
static void add(struct code_doc *d, struct buf *text, const char *bytes, size_t len, bool want)
{
    struct tokens *t = &d->tokens;
    assert_int_equal(buf_append(text, bytes, len, NULL), 0);
    size_t cap = t->cap;
    assert_int_equal(mem_reserve(&t->ends, &t->cap, t->n + 1, sizeof *t->ends, "", NULL), 0);
    assert_int_equal(mem_reserve(&d->want, &cap, t->n + 1, 1, "", NULL), 0);
    t->ends[t->n] = (uint32_t)text->len;
    d->want[t->n++] = want;
}

static size_t begin_of(const struct tokens *t, size_t i)
{
    return i ? t->ends[i - 1] : 0;
}

/* Takes the text over, and numbers the tokens by their first occurrence. */
static void finish(struct code_doc *d, struct buf *text)
{
    struct tokens *t = &d->tokens;
    char *own = mem_new(text->len, 1);
    t->ids = mem_new(t->n, sizeof *t->ids);
    t->ends = mem_resize(t->ends, t->n, sizeof *t->ends);
    d->want = mem_resize(d->want, t->n, 1);
    assert_true(own && t->ids && t->ends && d->want);
    memcpy(own, text->data ? text->data : "", text->len);
    t->text = own;
    t->text_len = text->len;
    buf_free(text);
    for (size_t i = 0; i < t->n; i++) {
        const size_t from = begin_of(t, i), len = t->ends[i] - from;
        t->ids[i] = (uint32_t)i;
        for (size_t k = 0; k < i && i < 4096; k++) {
            if (t->ends[k] - begin_of(t, k) == len &&
                memcmp(own + begin_of(t, k), own + from, len) == 0) {
                t->ids[i] = t->ids[k];
                break;
            }
        }
    }
}

void code_doc_cut(struct code_doc *d, const char *cut)
{
    struct buf text = {0};
    *d = (struct code_doc){0};
    while (*cut) {
        const bool want = *cut == '^';
        cut += want;
        const size_t len = strcspn(cut, "|");
        add(d, &text, cut, len, want);
        cut += len + (cut[len] == '|');
    }
    finish(d, &text);
}

void code_doc_bytes(struct code_doc *d, const char *marked)
{
    struct buf text = {0};
    bool want = false;
    *d = (struct code_doc){0};
    while (*marked) {
        const bool opens = strncmp(marked, "«", 2) == 0;
        if (opens || strncmp(marked, "»", 2) == 0) {
            want = opens;
            marked += 2;
        } else {
            add(d, &text, marked++, 1, want);
        }
    }
    finish(d, &text);
}

void code_doc_steps(struct code_doc *d, const char *text, size_t len, size_t step)
{
    struct buf copy = {0};
    *d = (struct code_doc){0};
    for (size_t at = 0; at < len; at += step) {
        add(d, &copy, text + at, len - at < step ? len - at : step, false);
    }
    finish(d, &copy);
}

void code_doc_free(struct code_doc *d)
{
    free((char *)(uintptr_t)d->tokens.text);
    free(d->tokens.ids);
    free(d->tokens.ends);
    free(d->want);
}

static void spoil(struct buf *b)
{
    assert_int_equal(buf_reserve(b, 5000, NULL), 0);
    memset(b->data, 0xaa, b->cap);
    b->len = 4999;
}

uint8_t *code_label(const char *miner, const struct tokens *doc)
{
    const struct code_miner *m = code_named(miner);
    if (!m) {
        fail_msg("there is no miner %s", miner);
    }
    uint8_t *labels[2];
    for (int i = 0; i < 2; i++) {
        struct code_scratch scratch = {0};
        if (i == 1) {
            spoil(&scratch.a);
            spoil(&scratch.b);
            spoil(&scratch.c);
        }
        struct err err = {0};
        labels[i] = mem_zero(doc->n, 1);
        assert_non_null(labels[i]);
        if (m->label(doc, labels[i], &scratch, &err)) {
            fail_msg("%s: %s", miner, err.msg);
        }
        for (size_t k = 0; k < doc->n; k++) {
            assert_true(labels[i][k] <= 1);
        }
        code_scratch_free(&scratch);
    }
    assert_memory_equal(labels[0], labels[1], doc->n);
    free(labels[1]);
    return labels[0];
}

/* Writes a document as it was given, with these labels. */
static void show(struct buf *out, const struct tokens *t, const uint8_t *label, bool bytes)
{
    bool on = false;
    for (size_t i = 0; i < t->n; i++) {
        if (bytes && (bool)label[i] != on) {
            on = label[i];
            assert_int_equal(buf_printf(out, NULL, "%s", on ? "«" : "»"), 0);
        }
        if (!bytes) {
            assert_int_equal(buf_printf(out, NULL, "%s%s", i ? "|" : "", label[i] ? "^" : ""), 0);
        }
        const size_t from = begin_of(t, i);
        assert_int_equal(buf_append(out, t->text + from, t->ends[i] - from, NULL), 0);
    }
    assert_int_equal(buf_append(out, on ? "»" : "", on ? 3 : 1, NULL), 0);
}

static void check(const char *miner, struct code_doc *d, const char *given, bool bytes)
{
    uint8_t *got = code_label(miner, &d->tokens);
    if (memcmp(got, d->want, d->tokens.n) != 0) {
        struct buf is = {0};
        show(&is, &d->tokens, got, bytes);
        fail_msg("%s\n  should be: %s\n  is:        %s", miner, given, is.data);
    }
    free(got);
    code_doc_free(d);
}

void check_tokens(const char *miner, const char *cut)
{
    struct code_doc d;
    code_doc_cut(&d, cut);
    check(miner, &d, cut, false);
}

void check_bytes(const char *miner, const char *marked)
{
    struct code_doc d;
    code_doc_bytes(&d, marked);
    check(miner, &d, marked, true);
}
