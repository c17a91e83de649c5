/*
 * code_repeat.c - tokens that repeat earlier ones of their document
 *
 * seen_before        the token occurred earlier in the document
 * first_occurrence   it did not
 * induction_next     the token before it occurred earlier, and this token followed it the last time
 * repeat_ngram       it and the two before it occurred earlier, in this order: A B C ... A B [C]
 * repeat_long        it and the seven before it occurred earlier, in this order
 * repeat_end         the three before it occurred earlier, in this order, but never with it behind
 *                    them: the token that ends a repeat
 * several_followers  the token before it occurred at least twice earlier, with different tokens
 *                    behind
 *
 * Only ids are compared.  Earlier occurrences may overlap the later one: in A A A A the fourth A is
 * a repeat_ngram.  Labels do not depend on later tokens.
 *
 * A hash table holds the place of each different sequence; a match of hashes is then compared.
 */
#include "miners/code/code_list.h"

#include <string.h>

enum { NGRAM = 3, NGRAM_LONG = 8 };

/* Sequences of n ids.  A slot is 1 + the index of a sequence's last token, or 0. */
struct table {
    const struct tokens *doc;
    uint32_t *slots; // [mask + 1], at most half of them in use
    size_t mask;
    unsigned shift;
    size_t n;
};

/* Makes an empty table in *memory. */
static int make_table(struct table *t, const struct tokens *doc, size_t n, struct buf *memory,
                      struct err *err)
{
    *t = (struct table){.doc = doc, .n = n, .mask = 63, .shift = 64 - 6};
    while (t->mask < 2 * doc->n) {
        t->mask = 2 * t->mask + 1;
        t->shift--;
    }
    memory->len = 0;
    const int rc = buf_reserve(memory, (t->mask + 1) * sizeof *t->slots, err);
    if (!rc) {
        t->slots = (void *)memory->data;
        memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
    }
    return rc;
}

/* The slot for the n ids that end with token i >= n - 1. */
static uint32_t *slot_of(const struct table *t, size_t i)
{
    const uint32_t *ids = t->doc->ids + i + 1 - t->n;
    uint64_t hash = 0;
    for (size_t k = 0; k < t->n; k++) {
        hash = ((hash ^ hash >> 29) + ids[k] + 1) * UINT64_C(0x9E3779B97F4A7C15);
    }
    size_t at = (size_t)(hash >> t->shift);
    while (t->slots[at] &&
           memcmp(t->doc->ids + t->slots[at] - t->n, ids, t->n * sizeof *ids) != 0) {
        at = (at + 1) & t->mask;
    }
    return &t->slots[at];
}

/* Labels tokens whose last n ids occurred before, or, if 'seen' is false, did not. */
static int mark_seen(const struct tokens *doc, uint8_t *label, struct code_scratch *s, size_t n,
                     bool seen, struct err *err)
{
    struct table t;
    const int rc = make_table(&t, doc, n, &s->a, err);
    for (size_t i = n - 1; !rc && i < doc->n; i++) {
        uint32_t *slot = slot_of(&t, i);
        label[i] = (*slot != 0) == seen;
        *slot = (uint32_t)i + 1;
    }
    return rc;
}

static int mark_induction(const struct tokens *doc, uint8_t *label, struct code_scratch *s,
                          struct err *err)
{
    struct table t;
    const int rc = make_table(&t, doc, 1, &s->a, err);
    for (size_t i = 1; !rc && i < doc->n; i++) {
        uint32_t *slot = slot_of(&t, i - 1);
        label[i] = *slot && doc->ids[*slot] == doc->ids[i]; // ids[*slot] came after it
        *slot = (uint32_t)i;
    }
    return rc;
}

static int mark_repeat_end(const struct tokens *doc, uint8_t *label, struct code_scratch *s,
                           struct err *err)
{
    struct table shorter, longer;
    int rc = make_table(&shorter, doc, NGRAM, &s->a, err);
    rc = rc ? rc : make_table(&longer, doc, NGRAM + 1, &s->b, err);
    for (size_t i = NGRAM; !rc && i < doc->n; i++) {
        uint32_t *before = slot_of(&shorter, i - 1), *now = slot_of(&longer, i);
        label[i] = *before && !*now;
        *before = (uint32_t)i;
        *now = (uint32_t)i + 1;
    }
    return rc;
}

static int mark_several(const struct tokens *doc, uint8_t *label, struct code_scratch *s,
                        struct err *err)
{
    struct table t;
    int rc = make_table(&t, doc, 1, &s->a, err);
    s->b.len = 0;
    rc = rc ? rc : buf_reserve(&s->b, t.mask + 1, err);
    uint8_t *several = (void *)s->b.data; // one per slot: different tokens have followed
    for (size_t i = 1; !rc && i < doc->n; i++) {
        uint32_t *slot = slot_of(&t, i - 1);
        uint8_t *flag = &several[slot - t.slots];
        if (*slot) {
            label[i] = *flag;
            *flag |= doc->ids[*slot] != doc->ids[i];
        } else {
            *flag = 0;
        }
        *slot = (uint32_t)i;
    }
    return rc;
}

CODE_LABEL(first_occurrence, mark_seen(doc, label, s, 1, false, err))
CODE_LABEL(induction_next, mark_induction(doc, label, s, err))
CODE_LABEL(repeat_end, mark_repeat_end(doc, label, s, err))
CODE_LABEL(repeat_long, mark_seen(doc, label, s, NGRAM_LONG, true, err))
CODE_LABEL(repeat_ngram, mark_seen(doc, label, s, NGRAM, true, err))
CODE_LABEL(seen_before, mark_seen(doc, label, s, 1, true, err))
CODE_LABEL(several_followers, mark_several(doc, label, s, err))
