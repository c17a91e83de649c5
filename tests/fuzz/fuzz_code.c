/* Property: what a built-in miner says of a text cut into bytes decides what it says of any tokens:
 * a thing labels those that share a byte with it, a state those in whose last byte it holds. Miners
 * of what tokens do (repeats, places in a number or word) are only run.  Labels are 0 or 1, and
 * what an earlier document left in the scratch changes nothing. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8_repair.h"
#include "miners/code/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const of_tokens[] = {
    "after_newline", "first_occurrence",  "induction_next", "number_2",           "number_3plus",
    "number_first",  "repeat_end",        "repeat_long",    "other_tokenisation", "repeat_ngram",
    "seen_before",   "several_followers", "word_inside",
};

static const char *const states[] = {
    "bracket_depth_1", "bracket_depth_2", "bracket_depth_3plus",
    "c_comment",       "c_string",        "in_braces",
    "in_comment",      "in_docstring",    "in_parens",
    "in_quotes",       "in_square",       "in_string",
    "indent",          "indent_1",        "indent_2",
    "indent_3plus",
};

#define IN(name, list) is_in(name, list, sizeof list / sizeof *list)

static bool is_in(const char *name, const char *const *list, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(list[i], name) != 0) {
        i++;
    }
    return i < n;
}

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* A new block of just this size, so that a byte too far is seen. */
static void *block(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    check(p != NULL);
    return p;
}

static struct tokens cut(const char *text, size_t len, size_t step)
{
    struct tokens doc = {.text = text, .text_len = len, .n = (len + step - 1) / step};
    doc.ids = block(doc.n, sizeof *doc.ids);
    doc.ends = block(doc.n, sizeof *doc.ends);
    for (size_t i = 0; i < doc.n; i++) {
        doc.ends[i] = (uint32_t)((i + 1) * step < len ? (i + 1) * step : len);
        doc.ids[i] = (unsigned char)text[i * step];
    }
    return doc;
}

static uint8_t *label(const struct code_miner *m, const struct tokens *doc, struct code_scratch *s)
{
    uint8_t *labels = block(doc->n, 1);
    check(m->label(doc, labels, s, NULL) == 0);
    for (size_t i = 0; i < doc->n; i++) {
        check(labels[i] <= 1);
    }
    return labels;
}

static void compare(const struct code_miner *m, const struct tokens *doc, const uint8_t *labels,
                    const uint8_t *bytes)
{
    const bool is_state = IN(m->name, states);
    for (size_t i = 0; i < doc->n; i++) {
        const size_t from = i ? doc->ends[i - 1] : 0, to = doc->ends[i];
        const bool any = memchr(bytes + from, 1, to - from) != NULL;
        check(labels[i] == (is_state ? bytes[to - 1] : any));
    }
}

/* Answers are tokens of the document, with the same labels; and a window is as a document of its own,
 * but for words, which may go on behind it. */
static void look_at_windows(const struct code_miner *m, const struct tokens *doc,
                            const uint8_t *labels, struct code_scratch *s, size_t n_window)
{
    uint8_t *same = block(doc->n, 1), *cut_labels = block(doc->n, 1), *alone = block(doc->n, 1);
    uint32_t *answers = block(doc->n, sizeof *answers);
    struct tokens windows = *doc;
    uint32_t *begin = block(doc->n, sizeof *begin);
    for (size_t i = 0; i < doc->n; i++) {
        begin[i] = (uint32_t)(i - i % n_window);
    }
    windows.window_begin = begin;
    check(!m->answer || m->answer(doc, same, answers, s, NULL) == 0);
    for (size_t i = 0; i < doc->n && m->answer; i++) {
        check(same[i] == labels[i]);
        size_t at = 0;
        while (at < doc->n && labels[i] && doc->ids[at] != answers[i]) {
            at++;
        }
        check(at < doc->n || doc->n == 0);
    }
    check(m->label(&windows, cut_labels, s, NULL) == 0);
    for (size_t at = 0; at < doc->n && strncmp(m->name, "split_", 6) != 0; at += n_window) {
        struct tokens one = *doc;
        one.ids += at;
        one.ends += at;
        one.n = doc->n - at < n_window ? doc->n - at : n_window;
        check(m->label(&one, alone + at, s, NULL) == 0);
    }
    check(strncmp(m->name, "split_", 6) == 0 || memcmp(alone, cut_labels, doc->n) == 0);
    free(same);
    free(cut_labels);
    free(alone);
    free(answers);
    free(begin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct code_scratch used;
    struct buf repaired = {0};
    uint64_t n_repaired = 0;
    const size_t step = size ? 2 + data[0] % 8 : 2;
    check(utf8_repair(&repaired, (const char *)data + (size > 0), size - (size > 0), &n_repaired,
                      NULL) == 0);
    char *text = block(repaired.len, 1);
    memcpy(text, repaired.len ? repaired.data : "", repaired.len);
    struct tokens doc = cut(text, repaired.len, step), bytes = cut(text, repaired.len, 1);
    for (size_t i = 0; code_at(i); i++) {
        const struct code_miner *m = code_at(i);
        struct code_scratch fresh = {0};
        uint8_t *of_doc = label(m, &doc, &used), *again = label(m, &doc, &fresh);
        uint8_t *of_bytes = label(m, &bytes, &used);
        check(memcmp(of_doc, again, doc.n) == 0);
        if (m->windows) {
            look_at_windows(m, &doc, of_doc, &used, step + 1);
        } else if (!IN(m->name, of_tokens)) {
            compare(m, &doc, of_doc, of_bytes);
        }
        free(of_doc);
        free(again);
        free(of_bytes);
        code_scratch_free(&fresh);
    }
    free(doc.ids);
    free(doc.ends);
    free(bytes.ids);
    free(bytes.ends);
    free(text);
    buf_free(&repaired);
    return 0;
}
