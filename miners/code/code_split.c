/*
 * code_split.c - words that were other tokens earlier in their window
 *
 * A word is a maximal run of letters of any script and marks on them, of four characters or more,
 * compared byte by byte.  x is the token at whose end it ends, and stands nowhere earlier in its
 * window; the word's tokens are all in that window.  So where the word stood earlier, it was cut
 * otherwise: " Claire" now, "Cl|aire" then, or the reverse.
 *
 * split_right   the word stood earlier in the window and ended at a token's end; the answer, which
 *               is the token that followed it there, at the latest such place, follows now
 * split_wrong   ... another token follows
 * split_none    the word stood nowhere earlier in the window
 *
 * That the word ends at x's end depends on the next character, and the first two on the next token.
 */
#include "miners/code/code_list.h"

#include <string.h>

#include "miners/code/code_earlier.h"

enum { LETTERS = 4 };

/* Where a word stood. */
struct word {
    uint32_t from, len;   // its bytes at its first place; len 0: the slot is free
    uint32_t latest;      // the first token of its latest place
    uint32_t first, last; // the tokens of the latest place that ended at a token's end; first
                          // EARLIER_NONE: there is none
};

static bool is_long(const struct tokens *doc, size_t from, size_t end)
{
    size_t n = 0;
    for (size_t i = from; i < end; i++) {
        n += ((unsigned char)doc->text[i] & 0xc0) != 0x80;
    }
    return n >= LETTERS;
}

/* The slot of text[from, end). */
static struct word *slot_of(struct word *words, size_t mask, const struct tokens *doc, size_t from,
                            size_t end)
{
    uint64_t hash = end - from;
    for (size_t i = from; i < end; i++) {
        hash =
            ((hash ^ hash >> 29) + (unsigned char)doc->text[i] + 1) * UINT64_C(0x9E3779B97F4A7C15);
    }
    size_t at = (size_t)(hash >> 32) & mask;
    while (words[at].len &&
           (words[at].len != end - from ||
            memcmp(doc->text + words[at].from, doc->text + from, end - from) != 0)) {
        at = (at + 1) & mask;
    }
    return &words[at];
}

/* Makes room for the words of a document, all slots free. */
static int make_words(const struct tokens *doc, struct buf *memory, size_t *mask, struct err *err)
{
    size_t n = 0;
    for (size_t at = 0; (at = text_letters_begin(doc, at)) < doc->text_len; n++) {
        at = text_letters_end(doc, at);
    }
    for (*mask = 63; *mask < 2 * n;) {
        *mask = 2 * *mask + 1;
    }
    memory->len = 0;
    const int rc = buf_reserve(memory, (*mask + 1) * sizeof(struct word), err);
    if (!rc) {
        memset(memory->data, 0, (*mask + 1) * sizeof(struct word));
    }
    return rc;
}

enum which { RIGHT, WRONG, NONE };

/* A word that ends with token i, of which w says where it stood before. */
static void mark_word(const struct tokens *doc, const struct word *w, size_t i, enum which which,
                      uint8_t *label, uint32_t *answer)
{
    const size_t window = tokens_window(doc, i);
    if (which == NONE) {
        label[i] = !w->len || w->latest < window;
        return;
    }
    if (!w->len || w->first == EARLIER_NONE || w->first < window || !tokens_has_next(doc, i) ||
        (doc->ids[i + 1] == doc->ids[w->last + 1]) != (which == RIGHT)) {
        return;
    }
    label[i] = 1;
    if (answer) {
        answer[i] = doc->ids[w->last + 1];
    }
}

/* Notes that it stands at text[from, end), tokens [first, last]. */
static void note_place(const struct tokens *doc, struct word *w, size_t from, size_t end,
                       size_t first, size_t last)
{
    if (!w->len) {
        *w = (struct word){
            .from = (uint32_t)from, .len = (uint32_t)(end - from), .first = EARLIER_NONE};
    }
    w->latest = (uint32_t)first;
    if (doc->ends[last] == end) {
        w->first = (uint32_t)first;
        w->last = (uint32_t)last;
    }
}

static int mark(const struct tokens *doc, uint8_t *label, uint32_t *answer, struct code_scratch *s,
                struct err *err, enum which which)
{
    size_t mask = 0, first = 0;
    s->b.len = 0;
    int rc = buf_reserve(&s->b, doc->n * sizeof(uint32_t), err);
    uint32_t *earlier = (void *)s->b.data;
    rc = rc ? rc : earlier_places(earlier, doc, 1, &s->a, err);
    rc = rc ? rc : make_words(doc, &s->c, &mask, err);
    for (size_t at = 0, end; !rc && (at = text_letters_begin(doc, at)) < doc->text_len; at = end) {
        end = text_letters_end(doc, at);
        while (doc->ends[first] <= at) {
            first++;
        }
        size_t last = first;
        while (doc->ends[last] < end) {
            last++;
        }
        if (!is_long(doc, at, end)) {
            continue;
        }
        struct word *w = slot_of((void *)s->c.data, mask, doc, at, end);
        if (doc->ends[last] == end && first >= tokens_window(doc, last) &&
            earlier_in_window(earlier, doc, last, 1) == EARLIER_NONE) {
            mark_word(doc, w, last, which, label, answer);
        }
        note_place(doc, w, at, end, first, last);
    }
    return rc;
}

CODE_ANSWER(split_right, mark(doc, label, answer, s, err, RIGHT))
CODE_ANSWER(split_wrong, mark(doc, label, answer, s, err, WRONG))
CODE_ANSWER(split_none, mark(doc, label, answer, s, err, NONE))
