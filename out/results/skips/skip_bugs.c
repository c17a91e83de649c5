#include "out/results/skips/skip_bugs.h"

#include <math.h>
#include <stdlib.h>

static bool is_true(const struct skip_sums *k, size_t item)
{
    const size_t cell = k->shape->own[item];
    const struct moments *m = skip_follows(k, cell);
    return m->n >= SKIP_TRUE_PLACES && m->docs >= SKIP_TRUE_DOCS &&
           skip_rate(k, cell).mean >= SKIP_TRUE_RATE;
}

/* NaN where the standard error is not known. */
static double low_end(struct skip_mean m)
{
    return m.mean - SKIP_INTERVAL * m.se;
}

/* Where the skip-trigrams i and j cross. */
static struct skip_crossing cross(const struct skip_sums *k, uint32_t i, uint32_t j)
{
    const struct skip_shape *s = k->shape;
    const struct skip *x = &s->items[i];
    struct skip_crossing out = {.skip1 = i,
                                .skip2 = j,
                                .cell1 = s->own[i],
                                .cell2 = skip_shape_cell(s, x->a, x->b, s->items[j].c)};
    out.p = skip_mean(k, out.cell2, s->base, SKIP_P);
    out.rate = skip_rate(k, out.cell2).mean;
    out.p_low = low_end(out.p);
    out.over_low = low_end(skip_mean(k, out.cell2, s->base, SKIP_P_LESS));
    out.excess = (double)skip_follows(k, out.cell2)->n * (out.p.mean - out.rate);
    return out;
}

static int by_excess(const void *a, const void *b)
{
    const struct skip_crossing *x = a, *y = b;
    return x->excess != y->excess ? (x->excess < y->excess ? 1 : -1)
           : x->skip1 != y->skip1 ? (x->skip1 > y->skip1 ? 1 : -1)
                                  : (x->skip2 > y->skip2) - (x->skip2 < y->skip2);
}

static bool do_cross(const struct skip *x, const struct skip *y)
{
    return x->head == y->head && x->a == y->a && x->b != y->b && x->c != y->c;
}

int skip_bugs_find(struct skip_crossing **out, size_t *n, struct skip_funnel *funnel,
                   const struct skip_sums *k, struct err *err)
{
    const struct skip_shape *s = k->shape;
    uint32_t *real = mem_new(s->n, sizeof *real);
    size_t n_real = 0, cap = 0;
    int rc = real ? 0 : err_nomem(err, "skip-trigrams");
    *out = NULL;
    *n = 0;
    *funnel = (struct skip_funnel){.found = s->n};
    for (uint32_t i = 0; i < s->n && !rc; i++) {
        funnel->seen += skip_follows(k, s->own[i])->n > 0;
        if (is_true(k, i)) {
            real[n_real++] = i;
        }
    }
    funnel->real = n_real;
    for (size_t i = 0; i < n_real * n_real && !rc; i++) {
        const uint32_t first = real[i / n_real], second = real[i % n_real];
        if (!do_cross(&s->items[first], &s->items[second])) {
            continue;
        }
        const struct skip_crossing x = cross(k, first, second);
        funnel->crossings++;
        if (!(x.p_low >= SKIP_OVER_P && x.over_low >= 0)) {
            continue;
        }
        rc = mem_reserve(out, &cap, *n + 1, sizeof **out, "skip-trigrams", err);
        if (!rc) {
            (*out)[(*n)++] = x;
        }
    }
    free(real);
    funnel->overrated = *n;
    if (*n > 0) {
        qsort(*out, *n, sizeof **out, by_excess);
    }
    return rc;
}

struct skip_repair skip_bugs_repair(const struct skip_sums *k, const struct skip_crossing *x,
                                    size_t model)
{
    struct skip_repair r = {.p = skip_mean(k, x->cell2, model, SKIP_P).mean,
                            .p_less = skip_mean(k, x->cell2, model, SKIP_P_LESS),
                            .c1_less = skip_mean(k, x->cell1, model, SKIP_LOGPROB_LESS)};
    r.fixed = r.p <= (x->rate + x->p.mean) / 2 && r.p_less.mean <= -SKIP_SURE * r.p_less.se &&
              r.c1_less.mean >= -SKIP_SURE * r.c1_less.se;
    return r;
}
