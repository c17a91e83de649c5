#include "out/results/compare/compare.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/compare/compare_internal.h"

// --- the shape ----------------------------------------------------------------------------------

const char *compare_pair_reason(enum compare_pair_kind kind)
{
    static const char *const reasons[] = {
        [COMPARE_PAIR] = NULL,
        [COMPARE_SEVERAL_OTHERS] = "it has several others",
        [COMPARE_PART_OF_COUNTS] = "its counts do not say all probabilities",
        [COMPARE_OTHER_SIZE] = "the vocabularies differ in size",
        [COMPARE_CHANGED] = "one is a changed model (--compare-changed)",
    };
    return reasons[kind];
}

/* Counts say all probabilities where their order is a number. */
static bool says_all(const struct run_model *m)
{
    static const char counts[] = "counts:";
    const size_t len = sizeof counts - 1;
    return strncmp(m->act_fn, counts, len) != 0 || (m->act_fn[len] >= '0' && m->act_fn[len] <= '9');
}

static struct compare_pair pair_of(const struct run *run, const struct run_pair *p, bool changed)
{
    struct compare_pair out = {.kind = COMPARE_SEVERAL_OTHERS};
    if (p->n_others != 1) {
        return out;
    }
    const struct run_model *base = &run->models[p->base], *other = &run->models[p->others[0]];
    out.base = p->base;
    out.other = p->others[0];
    out.d_vocab = base->d_vocab;
    const bool is_changed = run_model_is_changed(base) || run_model_is_changed(other);
    out.kind = is_changed && !changed                                  ? COMPARE_CHANGED
               : !says_all(base) || !says_all(other)                   ? COMPARE_PART_OF_COUNTS
               : base->d_vocab != other->d_vocab || base->d_vocab == 0 ? COMPARE_OTHER_SIZE
                                                                       : COMPARE_PAIR;
    return out;
}

/* The kinds of the run's tokens.  Not 0: no memory. */
static int list_kinds(struct compare_shape *s, const struct run *run)
{
    const struct buf *texts = &run->token_texts;
    size_t n = 0;
    for (size_t at = 0; at < texts->len; at += strlen(texts->data + at) + 1) {
        n++;
    }
    s->kinds = mem_new(n, sizeof *s->kinds);
    for (size_t at = 0; at < texts->len && s->kinds; at += strlen(texts->data + at) + 1) {
        s->kinds[s->n_kinds++] = (unsigned char)token_kind(texts->data + at);
    }
    return s->kinds ? 0 : ERR_NOMEM;
}

int compare_shape_new(struct compare_shape **out, const struct run *run,
                      const struct compare_share *share, struct err *err)
{
    struct compare_shape *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "a comparison");
    }
    const size_t n_pairs = run_full_pairs(run);
    *s = (struct compare_shape){.share = *share,
                                .n_models = run->n_models,
                                .n_pairs = n_pairs,
                                .n_hypotheses = run->n_hypotheses,
                                .pairs = mem_zero(n_pairs, sizeof *s->pairs),
                                .next = mem_zero(run->n_hypotheses, sizeof *s->next)};
    if (!s->pairs || !s->next) {
        compare_shape_free(s);
        return err_nomem(err, "a comparison");
    }
    for (size_t p = 0; p < n_pairs; p++) {
        s->pairs[p] = pair_of(run, &run->pairs[p], share->changed);
        if (s->pairs[p].kind == COMPARE_PAIR && s->pairs[p].d_vocab > s->d_vocab) {
            s->d_vocab = s->pairs[p].d_vocab;
        }
    }
    if (list_kinds(s, run)) {
        compare_shape_free(s);
        return err_nomem(err, "a comparison");
    }
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        s->next[h] = run->hypotheses[h].predicts_next;
    }
    *out = s;
    return 0;
}

void compare_shape_free(struct compare_shape *s)
{
    if (s) {
        free(s->pairs);
        free(s->next);
        free(s->kinds);
        free(s);
    }
}

// --- what is kept -------------------------------------------------------------------------------

int compare_new(struct compare **out, const struct compare_shape *shape, struct err *err)
{
    struct compare *c = mem_zero(1, sizeof *c);
    if (!c) {
        return err_nomem(err, "a comparison");
    }
    c->shape = shape;
    c->pairs = mem_zero(shape->n_pairs, sizeof *c->pairs);
    c->other.pairs = mem_zero(shape->n_pairs, sizeof *c->other.pairs);
    bool whole = c->pairs && c->other.pairs;
    for (size_t p = 0; whole && p < shape->n_pairs; p++) {
        c->pairs[p].hypotheses = mem_zero(shape->n_hypotheses, sizeof *c->pairs[p].hypotheses);
        whole = c->pairs[p].hypotheses != NULL;
    }
    if (!whole) {
        compare_free(c);
        return err_nomem(err, "a comparison");
    }
    *out = c;
    return 0;
}

void compare_free(struct compare *c)
{
    if (!c) {
        return;
    }
    for (size_t p = 0; c->pairs && p < c->shape->n_pairs; p++) {
        free(c->pairs[p].hypotheses);
    }
    compare_domains_clear(c);
    free(c->domains);
    free(c->other.pairs);
    free(c->pairs);
    free(c);
}

void compare_clear(struct compare *c)
{
    const struct compare_shape *s = c->shape;
    for (size_t p = 0; p < s->n_pairs; p++) {
        struct compare_sums *const hypotheses = c->pairs[p].hypotheses;
        memset(hypotheses, 0, s->n_hypotheses * sizeof *hypotheses);
        c->pairs[p] = (struct compare_pair_sums){.hypotheses = hypotheses};
    }
    compare_domains_clear(c);
}

void compare_sums_merge(struct compare_sums *to, const struct compare_sums *from)
{
    moments_merge(&to->kl, &from->kl);
    moments_merge(&to->difference, &from->difference);
    moments_merge(&to->same, &from->same);
}

int compare_merge(struct compare *to, const struct compare *from, struct err *err)
{
    const struct compare_shape *s = to->shape;
    assert(to != from && s->n_pairs == from->shape->n_pairs);
    assert(s->n_hypotheses == from->shape->n_hypotheses);
    for (size_t p = 0; p < s->n_pairs; p++) {
        struct compare_pair_sums *x = &to->pairs[p];
        const struct compare_pair_sums *y = &from->pairs[p];
        compare_sums_merge(&x->all, &y->all);
        for (size_t k = 0; k < TOKEN_KINDS; k++) {
            compare_sums_merge(&x->kinds[k], &y->kinds[k]);
        }
        x->n_not_finite += y->n_not_finite;
        for (size_t i = 0; i < COMPARE_BINS; i++) {
            x->hist[i] += y->hist[i];
        }
        for (size_t h = 0; h < s->n_hypotheses; h++) {
            compare_sums_merge(&x->hypotheses[h], &y->hypotheses[h]);
        }
    }
    return compare_domains_merge(to, from, err);
}

// --- a document ---------------------------------------------------------------------------------

/* Of a document. */
struct doc_sums {
    int64_t kl, difference, same;
    uint64_t n;
};

static void add_value(struct doc_sums *s, const struct compare_value *v)
{
    if (v->kl != FIXED_NONE && v->kl != COMPARE_NOTHING) {
        s->kl += v->kl;
        s->difference += v->difference;
        s->same += v->same ? FIXED_ONE : 0;
        s->n++;
    }
}

static void add_sums(struct compare_sums *to, const struct doc_sums *s)
{
    moments_add(&to->kl, s->kl, s->n);
    moments_add(&to->difference, s->difference, s->n);
    moments_add(&to->same, s->same, s->n);
}

/* Bins are [i / 1024 - 1, (i + 1) / 1024 - 1); the last holds 1, too. */
static size_t bin_of(int32_t difference)
{
    const int64_t bin = ((int64_t)difference + FIXED_ONE) >> 10;
    return bin < 0 ? 0 : bin >= COMPARE_BINS ? COMPARE_BINS - 1 : (size_t)bin;
}

_Static_assert(2 * FIXED_ONE >> 10 == COMPARE_BINS, "bin_of() shifts by 10");

static void add_pair(struct compare_pair_sums *to, struct compare_sums *domain,
                     const struct compare_value *values, const struct compare_doc *doc,
                     size_t n_hypotheses)
{
    struct doc_sums all = {0}, kinds[TOKEN_KINDS] = {{0}};
    for (size_t i = 0; i < doc->n; i++) {
        add_value(&all, &values[i]);
        if (doc->kinds) {
            add_value(&kinds[doc->kinds[i]], &values[i]);
        }
        if (values[i].kl == FIXED_NONE) {
            to->n_not_finite++;
        } else if (values[i].kl != COMPARE_NOTHING) {
            to->hist[bin_of(values[i].difference)]++;
        }
    }
    add_sums(&to->all, &all);
    add_sums(domain, &all);
    for (size_t k = 0; k < TOKEN_KINDS; k++) {
        add_sums(&to->kinds[k], &kinds[k]);
    }
    for (size_t h = 0; h < n_hypotheses; h++) {
        struct doc_sums labelled = {0};
        for (size_t k = 0; !doc->labels[h].gave_up && k < doc->labels[h].n; k++) {
            add_value(&labelled, &values[doc->labels[h].at[k]]);
        }
        add_sums(&to->hypotheses[h], &labelled);
    }
}

int compare_add(struct compare *c, const struct compare_doc *doc, struct err *err)
{
    const struct compare_shape *s = c->shape;
    struct compare_domain *domain = NULL;
    const int rc = compare_domain_get(c, doc->domain, &domain, err);
    for (size_t p = 0; p < s->n_pairs && !rc; p++) {
        if (s->pairs[p].kind == COMPARE_PAIR) {
            add_pair(&c->pairs[p], &domain->pairs[p], doc->values + p * doc->n, doc,
                     s->n_hypotheses);
        }
    }
    return rc;
}

// --- percentiles --------------------------------------------------------------------------------

double compare_edge(size_t bin)
{
    return 2 * (double)bin / COMPARE_BINS - 1;
}

size_t compare_percentile(const struct compare_pair_sums *p, unsigned percent)
{
    unsigned __int128 n = 0, below = 0;
    for (size_t i = 0; i < COMPARE_BINS; i++) {
        n += p->hist[i];
    }
    size_t bin = 0;
    while (bin < COMPARE_BINS && (n == 0 || 100 * (below += p->hist[bin]) < percent * n)) {
        bin++;
    }
    return bin;
}
