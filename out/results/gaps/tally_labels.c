/*
 * tally_labels.c - what a tally counts of hypotheses: how much they label, and the gap there
 */
#include "out/results/gaps/tally.h"

#include <string.h>

#include "corpora/base/bits.h"
#include "out/results/gaps/tally_internal.h"

static void count(struct tally_hypothesis *h, const struct tally_labels *labels, size_t n)
{
    if (labels->gave_up) {
        h->aborted++;
        return;
    }
    h->seen += n;
    h->tokens += labels->n;
    h->docs += labels->n > 0;
}

/* gaps[]: of the document, or FIXED_NONE; 'sum': of the n that are gaps. */
static void add_to_ledger(struct tally_ledger *l, const struct tally_labels *labels, bool next,
                          const struct tally_doc *doc, const int64_t *gaps, int64_t sum, size_t n)
{
    int64_t labelled = 0, gain = 0;
    size_t n_labelled = 0;
    for (size_t i = 0; i < labels->n; i++) {
        const size_t at = tally_place(labels->at[i] - labels->base, doc->n, doc->pos, next);
        if (at < doc->n && gaps[at] != FIXED_NONE) {
            labelled += gaps[at];
            gain += gaps[at] > 0 ? gaps[at] : 0;
            n_labelled++;
        }
    }
    l->gain += gain;
    moments_add(&l->labelled, labelled, n_labelled);
    moments_add(&l->rest, sum - labelled, n - n_labelled);
}

/* The first of n hypotheses whose gap is taken at token i, or n; next: those that predict the next
 * token. */
static size_t first_label(const struct tally_doc *doc, size_t i, const uint64_t *next, size_t n)
{
    const size_t n_words = bits_words(n);
    const uint64_t *own = doc->label_words + i * n_words;
    const bool has_before = i > 0 && doc->pos[i] != 1;
    for (size_t k = 0; k < n_words; k++) {
        const uint64_t before = has_before ? own[k - n_words] & next[k] : 0;
        const uint64_t word = (own[k] & ~next[k]) | before;
        if (word) {
            return 64 * k + (size_t)__builtin_ctzll(word);
        }
    }
    return n;
}

static void add_firsts(struct tally_ledger *ledger, const struct tally_doc *doc,
                       size_t n_hypotheses, const uint64_t *next, const int64_t *gaps)
{
    for (size_t i = 0; i < doc->n; i++) {
        const size_t h = first_label(doc, i, next, n_hypotheses);
        if (h < n_hypotheses) {
            ledger[h].beyond += gaps[i] == FIXED_NONE ? 0 : gaps[i];
            ledger[h].gain_beyond += gaps[i] > 0 ? gaps[i] : 0;
        }
    }
}

void tally_add_labels(struct tally *t, struct tally_domain *domain, const struct tally_doc *doc,
                      size_t n_tokens, int64_t *const *gaps)
{
    const size_t n = t->shape->n_hypotheses;
    for (size_t h = 0; h < n; h++) {
        count(&t->hypotheses[h], &doc->labels[h], n_tokens);
        count(&domain->hypotheses[h], &doc->labels[h], n_tokens);
    }
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        struct tally_ledger *ledger = t->pairs[p].ledger;
        const int64_t sum = t->scratch->pairs[p].sum;
        const size_t n_gaps = t->scratch->pairs[p].n;
        for (size_t h = 0; h < n; h++) {
            if (!doc->labels[h].gave_up) {
                add_to_ledger(&ledger[h], &doc->labels[h], bits_get(t->scratch->next, h), doc,
                              gaps[p], sum, n_gaps);
            }
        }
        add_firsts(ledger, doc, n, t->scratch->next, gaps[p]);
    }
}

void tally_hypotheses_merge(struct tally_hypothesis *to, const struct tally_hypothesis *from,
                            size_t n)
{
    for (size_t h = 0; h < n; h++) {
        to[h].seen += from[h].seen;
        to[h].tokens += from[h].tokens;
        to[h].docs += from[h].docs;
        to[h].aborted += from[h].aborted;
    }
}

void tally_ledger_merge(struct tally_ledger *to, const struct tally_ledger *from, size_t n)
{
    for (size_t h = 0; h < n; h++) {
        moments_merge(&to[h].labelled, &from[h].labelled);
        moments_merge(&to[h].rest, &from[h].rest);
        to[h].gain = fixed_sum(to[h].gain, from[h].gain);
        to[h].beyond = fixed_sum(to[h].beyond, from[h].beyond);
        to[h].gain_beyond = fixed_sum(to[h].gain_beyond, from[h].gain_beyond);
    }
}
