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
static void add_to_ledger(struct tally_ledger *l, const struct tally_labels *labels,
                          const int64_t *gaps, int64_t sum, size_t n)
{
    int64_t labelled = 0, gain = 0;
    size_t n_labelled = 0;
    for (size_t i = 0; i < labels->n; i++) {
        const int64_t gap = gaps[labels->at[i] - labels->base];
        n_labelled += gap != FIXED_NONE;
        labelled += gap == FIXED_NONE ? 0 : gap;
        gain += gap > 0 ? gap : 0;
    }
    l->gain += gain;
    moments_add(&l->labelled, labelled, n_labelled);
    moments_add(&l->rest, sum - labelled, n - n_labelled);
}

/* The first hypothesis of a token's words, or n. */
static size_t first_label(const uint64_t *words, size_t n)
{
    for (size_t k = 0; k < bits_words(n); k++) {
        if (words[k]) {
            return 64 * k + (size_t)__builtin_ctzll(words[k]);
        }
    }
    return n;
}

static void add_firsts(struct tally_ledger *ledger, const struct tally_doc *doc,
                       size_t n_hypotheses, const int64_t *gaps)
{
    const size_t n_words = bits_words(n_hypotheses);
    for (size_t i = 0; i < doc->n; i++) {
        const size_t h = first_label(doc->label_words + i * n_words, n_hypotheses);
        if (h < n_hypotheses) {
            ledger[h].beyond += gaps[i] == FIXED_NONE ? 0 : gaps[i];
            ledger[h].gain_beyond += gaps[i] > 0 ? gaps[i] : 0;
        }
    }
}

void tally_add_labels(struct tally *t, struct tally_domain *domain, const struct tally_doc *doc,
                      int64_t *const *gaps)
{
    const size_t n = t->shape->n_hypotheses;
    for (size_t h = 0; h < n; h++) {
        count(&t->hypotheses[h], &doc->labels[h], doc->n);
        count(&domain->hypotheses[h], &doc->labels[h], doc->n);
    }
    for (size_t p = 0; p < t->shape->n_pairs; p++) {
        struct tally_ledger *ledger = t->pairs[p].ledger;
        const int64_t sum = t->scratch->pairs[p].sum;
        const size_t n_gaps = t->scratch->pairs[p].n;
        for (size_t h = 0; h < n; h++) {
            if (!doc->labels[h].gave_up) {
                add_to_ledger(&ledger[h], &doc->labels[h], gaps[p], sum, n_gaps);
            }
        }
        add_firsts(ledger, doc, n, gaps[p]);
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
