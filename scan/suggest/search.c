#include "scan/suggest/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scan/suggest/search_internal.h"

/* Sum of weights over the set bits, and the documents they are of. */
static double weight_of(const struct search *x, const uint64_t *bits)
{
    double sum = 0;
    for (size_t w = 0; w < x->n_words; w++) {
        for (uint64_t b = bits[w]; b; b &= b - 1) {
            sum += x->s->tokens[w * 64 + (size_t)__builtin_ctzll(b)].weight;
        }
    }
    return sum;
}

/* The mean activation over the set bits. */
static double mean_of(const struct search *x, const uint64_t *bits)
{
    double sum = 0, n = 0;
    for (size_t w = 0; w < x->n_words; w++) {
        for (uint64_t b = bits[w]; b; b &= b - 1) {
            const struct sample_token *t = &x->s->tokens[w * 64 + (size_t)__builtin_ctzll(b)];
            sum += t->weight * t->activation;
            n += t->weight;
        }
    }
    return n > 0 ? sum / n : 0;
}

size_t search_docs(const struct search *x, const uint64_t *bits)
{
    size_t n = 0;
    memset(x->seen, 0, x->s->n_docs);
    for (size_t w = 0; w < x->n_words; w++) {
        for (uint64_t b = bits[w]; b; b &= b - 1) {
            const size_t i = w * 64 + (size_t)__builtin_ctzll(b);
            uint8_t *seen = &x->seen[x->s->places[x->s->tokens[i].place].doc];
            n += !*seen;
            *seen = 1;
        }
    }
    return n;
}

/* What the terms so far and one more would give. */
struct gain search_gain(const struct search *x, const struct term *t)
{
    struct gain g = {0};
    double fp = 0, own = 0;
    uint64_t fresh[SAMPLE_TOKENS / 64];
    for (size_t w = 0; w < x->n_words; w++) {
        const uint64_t all = x->covered[w] | t->bits[w];
        fresh[w] = x->fires[w] & t->bits[w] & ~x->covered[w];
        for (uint64_t b = all; b; b &= b - 1) {
            const size_t bit = (size_t)__builtin_ctzll(b);
            const double weight = x->s->tokens[w * 64 + bit].weight;
            if (x->fires[w] >> bit & 1) {
                g.tp += weight;
                own += t->bits[w] >> bit & 1 ? weight : 0;
            } else {
                fp += weight;
            }
        }
    }
    const double most = own < t->most ? own : t->most;
    const double known = x->known + (t->places > most ? t->places - most : 0);
    g.lost = x->lost + own - most;
    g.tp = g.tp > g.lost ? g.tp - g.lost : 0;
    g.fp = fp > known ? fp : known;
    g.f1 = g.tp > 0 ? 2 * g.tp / (2 * g.tp + g.fp + (x->n_fires - g.tp)) : 0;
    g.known = known;
    g.docs = search_docs(x, fresh);
    return g;
}

/* Takes it as the best, if it is; copies it. */
static int consider(struct search *x, const struct term *t, struct err *err)
{
    const struct gain g = search_gain(x, t);
    if (g.docs < SEARCH_DOCS || g.f1 <= x->best_gain.f1 + 1e-9) {
        return 0;
    }
    x->best_gain = g;
    memcpy(x->best.bits, t->bits, x->n_words * sizeof *t->bits);
    x->best.places = t->places;
    x->best.most = t->most;
    x->best.yaml.len = 0;
    return buf_append(&x->best.yaml, t->yaml.data, t->yaml.len, err);
}

/* Both at once: by chance they stand together as often as each alone says. */
static int consider_both(struct search *x, const struct term *a, const struct term *b,
                         struct err *err)
{
    struct term *t = &x->both;
    uint64_t any = 0, less_a = 0, less_b = 0;
    for (size_t w = 0; w < x->n_words; w++) {
        t->bits[w] = a->bits[w] & b->bits[w];
        any |= t->bits[w] & x->fires[w] & ~x->covered[w];
        less_a |= a->bits[w] & ~b->bits[w];
        less_b |= b->bits[w] & ~a->bits[w];
    }
    if (!any || !less_a || !less_b) { // one of them alone is as good
        return 0;
    }
    t->places = x->s->n > 0 ? a->places * b->places / x->s->n : 0;
    t->most = a->most < b->most ? a->most : b->most;
    t->yaml.len = 0;
    const int rc = buf_printf(&t->yaml, err, "all: [{%.*s}, {%.*s}]", (int)a->yaml.len,
                              a->yaml.data, (int)b->yaml.len, b->yaml.data);
    return rc ? rc : consider(x, t, err);
}

/* The terms that promise most, best first: at most PARTNERS. */
static size_t choose_partners(const struct search *x, size_t *chosen)
{
    double f1[PARTNERS];
    size_t n = 0;
    for (size_t i = 0; i < x->n_terms; i++) {
        const struct gain g = search_gain(x, &x->terms[i]);
        size_t at = n < PARTNERS ? n : PARTNERS;
        if (g.docs < SEARCH_DOCS) {
            continue;
        }
        while (at > 0 && f1[at - 1] < g.f1) {
            at--;
        }
        if (at == PARTNERS) {
            continue;
        }
        n += n < PARTNERS;
        memmove(f1 + at + 1, f1 + at, (n - at - 1) * sizeof *f1);
        memmove(chosen + at + 1, chosen + at, (n - at - 1) * sizeof *chosen);
        f1[at] = g.f1;
        chosen[at] = i;
    }
    return n;
}

/* Finds the best next term; x->best_gain.f1 stays where there is none. */
static int find_term(struct search *x, struct err *err)
{
    size_t chosen[PARTNERS];
    int rc = 0;
    x->n_terms = x->n_rules;
    rc = search_add_sets(x, NULL, err);
    rc = rc ? rc : search_add_texts(x, err);
    for (size_t i = 0; i < x->n_terms && !rc; i++) {
        rc = consider(x, &x->terms[i], err);
    }
    x->best_gain.f1 += x->best.yaml.len > 0 ? BETTER_BOTH : 0;
    const size_t n = rc ? 0 : choose_partners(x, chosen), n_alone = x->n_terms;
    for (size_t k = 0; k < n && !rc; k++) {
        x->n_terms = n_alone;
        rc = search_add_sets(x, x->terms[chosen[k]].bits, err);
        for (size_t i = 0; i < x->n_terms && !rc; i++) {
            rc = i == chosen[k] ? 0 : consider_both(x, &x->terms[chosen[k]], &x->terms[i], err);
        }
    }
    x->best_gain = x->best.yaml.len > 0 ? search_gain(x, &x->best) : x->best_gain;
    return rc;
}

/* The terms for one threshold; *yaml: their rules, one behind the other. */
static int find_terms(struct search *x, size_t terms, struct buf *yaml, size_t *n, double *f1,
                      struct err *err)
{
    int rc = 0;
    *n = 0;
    *f1 = 0;
    x->known = x->lost = 0;
    x->n_fires = weight_of(x, x->fires);
    x->fires_mean = mean_of(x, x->fires);
    memset(x->covered, 0, x->n_words * sizeof *x->covered);
    if (search_docs(x, x->fires) < SEARCH_DOCS) {
        return 0;
    }
    while (*n < terms && !rc) {
        x->best.yaml.len = 0;
        x->best_gain = (struct gain){.f1 = *f1 + (*n > 0 ? BETTER : 0)};
        const double before = x->best_gain.f1;
        rc = find_term(x, err);
        if (rc || x->best_gain.f1 <= before) {
            return rc;
        }
        for (size_t w = 0; w < x->n_words; w++) {
            x->covered[w] |= x->best.bits[w];
        }
        *f1 = x->best_gain.f1;
        x->known = x->best_gain.known;
        x->lost = x->best_gain.lost;
        x->last = x->best_gain;
        rc = buf_printf(yaml, err, "%s{%.*s}", *n > 0 ? ", " : "", (int)x->best.yaml.len,
                        x->best.yaml.data);
        ++*n;
    }
    return rc;
}

/* Takes what was found for one threshold; of one term its rule alone. */
static int take(struct suggestion *out, struct search *x, const struct buf *yaml, size_t n,
                double threshold, struct err *err)
{
    out->yaml.len = 0;
    out->threshold = threshold;
    out->f1 = x->last.f1;
    out->precision = x->last.tp / (x->last.tp + x->last.fp);
    out->recall = x->n_fires > 0 ? x->last.tp / x->n_fires : 0;
    const int rc = n == 1 ? buf_append(&out->yaml, yaml->data + 1, yaml->len - 2, err)
                          : buf_printf(&out->yaml, err, "any: [%.*s]", (int)yaml->len, yaml->data);
    out->n_docs = search_docs(x, x->covered);
    out->n_labelled = 0;
    for (size_t w = 0; w < x->n_words; w++) {
        out->n_labelled += (size_t)__builtin_popcountll(x->covered[w]);
    }
    return rc;
}

static int add_rules(struct search *x, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < x->rules->hypotheses.n && !rc; i++) {
        struct term *t = &x->terms[x->n_rules];
        uint64_t any = 0;
        rc = rules_label(x->rules, i, x->s, t->bits, err);
        for (size_t w = 0; w < x->n_words; w++) {
            any |= t->bits[w];
        }
        t->yaml.len = 0;
        t->places = x->rules->places[i];
        t->most = INFINITY;
        rc = rc ? rc : buf_printf(&t->yaml, err, "%s", rules_yaml(i));
        x->n_rules += any != 0;
    }
    return rc;
}

static int search_new(struct search *x, struct err *err)
{
    const size_t n = TERMS_MOST + 5;
    x->n_words = (x->s->n_tokens + 63) / 64;
    x->bits = mem_zero(n * (x->n_words + 1), sizeof *x->bits);
    x->terms = mem_zero(TERMS_MOST, sizeof *x->terms);
    x->seen = mem_zero(x->s->n_docs + 1, 1);
    if (!x->bits || !x->terms || !x->seen) {
        return err_nomem(err, "suggestions");
    }
    uint64_t *at = x->bits;
    uint64_t **const sets[] = {&x->fires, &x->covered, &x->best.bits, &x->both.bits, &x->spare};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++, at += x->n_words) {
        *sets[i] = at;
    }
    for (size_t i = 0; i < TERMS_MOST; i++, at += x->n_words) {
        x->terms[i].bits = at;
    }
    return 0;
}

static void search_free(struct search *x)
{
    for (size_t i = 0; x->terms && i < TERMS_MOST; i++) {
        buf_free(&x->terms[i].yaml);
    }
    buf_free(&x->best.yaml);
    buf_free(&x->both.yaml);
    free(x->terms);
    free(x->bits);
    free(x->seen);
}

int search_suggest(struct suggestion *out, struct rules *rules, const struct sample *s,
                   size_t terms, struct err *err)
{
    struct search x = {.s = s, .rules = rules};
    struct buf yaml = {0};
    int rc = search_new(&x, err);
    rc = rc ? rc : add_rules(&x, err);
    for (size_t k = 0; k < s->n_thresholds && !rc; k++) {
        size_t n = 0;
        double f1 = 0;
        memset(x.fires, 0, x.n_words * sizeof *x.fires);
        for (size_t i = 0; i < s->n_tokens; i++) {
            if (s->tokens[i].activation >= s->thresholds[k] && s->tokens[i].activation > 0) {
                x.fires[i / 64] |= UINT64_C(1) << i % 64;
            }
        }
        yaml.len = 0;
        rc = find_terms(&x, terms, &yaml, &n, &f1, err);
        if (!rc && n > 0 && f1 >= SEARCH_F1_LEAST && f1 > out->f1 + 1e-9) {
            rc = take(out, &x, &yaml, n, s->thresholds[k], err);
        }
    }
    buf_free(&yaml);
    search_free(&x);
    return rc;
}

void suggestion_free(struct suggestion *s)
{
    buf_free(&s->yaml);
    *s = (struct suggestion){0};
}
