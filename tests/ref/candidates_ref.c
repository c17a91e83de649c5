#include "tests/ref/candidates_ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_ids(const void *a, const void *b)
{
    return memcmp(a, b, 3 * sizeof(uint32_t));
}

/* Chen and Goodman's D1, D2, D3 of counts; where they are not to be had, a half for each time. */
static void slow_discounts(double *d, const double *counts, size_t n, size_t stride)
{
    double seen[5] = {0};
    for (size_t i = 0; i < n; i++) {
        const double count = *(const double *)((const char *)counts + i * stride);
        seen[(int)fmin(count, 5) % 5]++;
    }
    for (int k = 1; k <= 3; k++) {
        const double y = seen[1] / (seen[1] + 2 * seen[2]);
        d[k - 1] = k - (k + 1) * y * seen[k + 1] / seen[k];
        if (seen[1] == 0 || !(d[k - 1] >= 0 && d[k - 1] <= k)) {
            d[k - 1] = k / 2.;
        }
    }
}

static int kind_of(size_t far)
{
    return far == 2 ? 0 : far <= 4 ? 1 : far <= 8 ? 2 : 3;
}

void candidates_ref_count(struct candidates_ref *s, const struct ref_corpus *c)
{
    const size_t v = c->d_vocab, pairs = v * v;
    size_t n = 0, cap = 0;
    *s = (struct candidates_ref){.v = c->d_vocab,
                                 .words = calloc(v, sizeof(double)),
                                 .before = calloc(v, sizeof(double)),
                                 .bigrams = calloc(pairs, sizeof(double)),
                                 .before_pair = calloc(pairs, sizeof(double))};
    for (int k = 0; k < 4; k++) {
        s->skips[k] = calloc(pairs, sizeof(double));
    }
    for (size_t d = 0; d < c->n_docs; d++) {
        cap += c->docs[d].n;
    }
    struct ref_trigram *all = malloc(cap * sizeof *all);
    for (size_t d = 0; d < c->n_docs; d++) {
        uint32_t ids[PLANTED_DOC_MAX] = {PLANTED_BOS};
        memcpy(ids + 1, c->docs[d].ids, c->docs[d].n * sizeof *ids);
        for (size_t i = 1; i <= c->docs[d].n; i++) {
            s->tokens++;
            s->words[ids[i]]++;
            s->bigrams[ids[i - 1] * v + ids[i]]++;
            if (i > 1) {
                all[n++] = (struct ref_trigram){.a = ids[i - 2], .b = ids[i - 1], .c = ids[i]};
            }
            for (size_t far = 2; far <= 16 && far <= i; far++) {
                s->skips[kind_of(far)][ids[i - far] * v + ids[i]]++;
            }
        }
    }
    qsort(all, n, sizeof *all, by_ids);
    for (size_t i = 0; i < n; i++) {
        if (s->n_trigrams == 0 || by_ids(&all[s->n_trigrams - 1], &all[i]) != 0) {
            all[s->n_trigrams] = all[i];
            all[s->n_trigrams++].count = 0;
            s->before_pair[all[i].b * v + all[i].c]++;
        }
        all[s->n_trigrams - 1].count++;
    }
    s->trigrams = all;
    for (size_t i = 0; i < pairs; i++) {
        s->before[i % v] += s->bigrams[i] > 0;
    }
    slow_discounts(s->d_word, s->before, v, sizeof(double));
    slow_discounts(s->d_bigram, s->bigrams, pairs, sizeof(double));
    slow_discounts(s->d_pair, s->before_pair, pairs, sizeof(double));
    slow_discounts(s->d_trigram, &all->count, s->n_trigrams, sizeof *all);
    for (int k = 0; k < 4; k++) {
        slow_discounts(s->d_skip[k], s->skips[k], pairs, sizeof(double));
    }
}

void candidates_ref_free(struct candidates_ref *s)
{
    free(s->trigrams);
    free(s->words);
    free(s->bigrams);
    free(s->before);
    free(s->before_pair);
    for (int k = 0; k < 4; k++) {
        free(s->skips[k]);
    }
}

/* Of counts[n] behind a context: what counts[at] keeps, and of 'lower' what all have given. */
static double slow_step(const double *counts, size_t n, size_t at, const double *d, double lower)
{
    double total = 0, given = 0;
    for (size_t i = 0; i < n; i++) {
        total += counts[i];
        given += counts[i] > 0 ? d[counts[i] < 3 ? (int)counts[i] - 1 : 2] : 0;
    }
    const double own = counts[at];
    const double kept = own > 0 ? own - d[own < 3 ? (int)own - 1 : 2] : 0;
    return total > 0 ? kept / total + given / total * lower : lower;
}

static double slow_p1(const struct candidates_ref *s, uint32_t c)
{
    return slow_step(s->before, s->v, c, s->d_word, 1. / s->v);
}

static double slow_p2(const struct candidates_ref *s, uint32_t b, uint32_t c)
{
    return slow_step(s->bigrams + b * s->v, s->v, c, s->d_bigram, slow_p1(s, c));
}

static double slow_p3(const struct candidates_ref *s, uint32_t a, uint32_t b, uint32_t c)
{
    double *behind = calloc(s->v, sizeof *behind);
    for (size_t i = 0; i < s->n_trigrams; i++) {
        const struct ref_trigram *t = &s->trigrams[i];
        behind[t->c] += t->a == a && t->b == b ? t->count : 0;
    }
    const double lower = slow_step(s->before_pair + b * s->v, s->v, c, s->d_pair, slow_p1(s, c));
    const double p = slow_step(behind, s->v, c, s->d_trigram, lower);
    free(behind);
    return p;
}

static double slow_p0(const struct candidates_ref *s, uint32_t c)
{
    return (s->words[c] + 1) / (s->tokens + s->v);
}

static double slow_skip(const struct candidates_ref *s, int k, uint32_t a, uint32_t c)
{
    return slow_step(s->skips[k] + a * s->v, s->v, c, s->d_skip[k], slow_p0(s, c));
}

static double slow_added(const struct candidates_ref *s, uint32_t a, uint32_t b, uint32_t c)
{
    double sum = 0;
    for (uint32_t x = 0; x < s->v; x++) {
        sum += slow_p2(s, b, x) * slow_skip(s, 0, a, x) / slow_p0(s, x);
    }
    return slow_p2(s, b, c) * slow_skip(s, 0, a, c) / slow_p0(s, c) / sum;
}

bool candidates_ref_judge(const struct candidates_ref *s, const struct ref_trigram *t,
                          const struct candidates_rule *rule, struct candidates_funnel *funnel,
                          struct candidate *out)
{
    *out = (struct candidate){.a = t->a, .b = t->b, .c = t->c, .count = (uint64_t)t->count};
    if (t->count < (double)rule->count || t->a == PLANTED_BOS || t->b == PLANTED_BOS ||
        t->c == PLANTED_BOS) {
        return false;
    }
    funnel->frequent++;
    out->p = slow_p3(s, t->a, t->b, t->c);
    if (out->p < rule->high) {
        return false;
    }
    funnel->predictable++;
    double most = out->p_bigram = slow_p2(s, t->b, t->c);
    if (most > rule->low) {
        funnel->by_bigram++;
        return false;
    }
    for (int k = 0; k < 4; k++) {
        out->p_skip[k] = slow_skip(s, k, t->a, t->c);
        most = fmax(most, out->p_skip[k]);
    }
    if (most > rule->low) {
        funnel->by_skip++;
        return false;
    }
    out->p_added = slow_added(s, t->a, t->b, t->c);
    if (out->p_added > rule->low) {
        funnel->by_added++;
        return false;
    }
    funnel->candidates++;
    out->worth = t->count * (log(out->p) - log(fmax(most, out->p_added)));
    for (size_t i = 0; i < s->n_trigrams; i++) {
        const struct ref_trigram *other = &s->trigrams[i];
        out->count_ab += other->a == t->a && other->b == t->b ? (uint64_t)other->count : 0;
    }
    for (uint32_t x = 0; x < s->v; x++) {
        out->count_b += (uint64_t)s->bigrams[t->b * s->v + x];
    }
    out->count_bc = (uint64_t)s->bigrams[t->b * s->v + t->c];
    out->count_c = (uint64_t)s->words[t->c];
    return true;
}
