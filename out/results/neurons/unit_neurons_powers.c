/*
 * Third and fourth powers, and activations beyond ACT_MAX, of which there are few or none.
 *
 * Powers are summed in doubles about a whole number near the mean, so that the rounding is small
 * against the neuron's own spread, in the order of the tokens: that of a unit is always the same.
 * In the whole they are exact sums about 0, of whole numbers: units may be added in any order.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/neurons/unit_neurons_internal.h"

int unit_powers_new(struct unit_neurons_powers *w, size_t n)
{
    w->shift = mem_new(n, sizeof *w->shift);
    w->cubes = mem_zero(n, sizeof *w->cubes);
    w->fourths = mem_zero(n, sizeof *w->fourths);
    return w->shift && w->cubes && w->fourths ? 0 : ERR_NOMEM;
}

void unit_powers_free(struct unit_neurons_powers *w)
{
    free(w->shift);
    free(w->cubes);
    free(w->fourths);
    free(w->beyond);
}

void unit_powers_clear(struct unit_neurons_powers *w, size_t n)
{
    memset(w->cubes, 0, n * sizeof *w->cubes);
    memset(w->fourths, 0, n * sizeof *w->fourths);
    free(w->beyond);
    w->beyond = NULL;
    w->known = false;
}

void unit_powers_rows(struct unit_neurons *p, size_t layer, int split, const uint8_t *at,
                      size_t n_at)
{
    struct unit_neurons_powers *w = &p->layers[layer].powers[split];
    const size_t n = p->shape->layers[layer].n;
    const int64_t *sum = p->layers[layer].sets[split][SET_ALL].sum; // of these rows, at first
    for (size_t i = 0; i < n && !w->known; i++) {
        w->shift[i] = (int32_t)(sum[i] / (int64_t)n_at);
    }
    w->known = true;
    p->kern->powers(p->fixed, n, at, n_at, w->shift, w->cubes, w->fourths);
}

int unit_powers_find(struct unit_neurons *p, const float *a, size_t n, size_t row, bool any,
                     struct err *err)
{
    size_t end = row == 0 ? 0 : p->large_to[row];
    p->large_to[row] = end;
    for (uint32_t i = 0; i < n && any; i++) {
        if (!(fabsf(a[i]) < ACT_MAX)) {
            const int rc = mem_reserve(&p->large, &p->large_cap, end + 1, sizeof *p->large,
                                       "large activations", err);
            if (rc) {
                return rc;
            }
            p->large[end++] = (struct unit_neurons_large){.neuron = i, .activation = a[i]};
        }
    }
    p->large_to[row + 1] = end;
    return 0;
}

/* Adds one. */
static void add_large(struct set_sums *to, struct power_sums *powers, float a, bool squares)
{
    if (!isfinite(a)) {
        to->left_out++;
        return;
    }
    const struct wide x = wide_from_double((double)a * ACT_ONE); // exactly
    to->beyond++;
    wide_add(&to->sum, &x);
    if (a > 0) {
        wide_add(&to->positive, &x);
    }
    if (!squares) {
        return;
    }
    const struct wide square = wide_times(&x, &x);
    wide_add(&to->squares, &square);
    if (powers) {
        const struct wide cube = wide_times(&square, &x), fourth = wide_times(&square, &square);
        wide_add(&powers->cubes, &cube);
        wide_add(&powers->fourths, &fourth);
    }
}

int unit_powers_large(struct unit_neurons *p, size_t layer, int split, size_t set,
                      const uint8_t *at, size_t n_at, struct err *err)
{
    struct unit_neurons_sums *s = &p->layers[layer].sets[split][set];
    struct unit_neurons_powers *w = set == SET_ALL ? &p->layers[layer].powers[split] : NULL;
    const size_t n = p->shape->layers[layer].n;
    for (size_t k = 0; k < n_at; k++) {
        for (size_t j = p->large_to[at[k]]; j < p->large_to[at[k] + 1]; j++) {
            const struct unit_neurons_large *x = &p->large[j];
            s->beyond = s->beyond ? s->beyond : mem_zero(n, sizeof *s->beyond);
            if (w && !w->beyond) {
                w->beyond = mem_zero(n, sizeof *w->beyond);
            }
            if (!s->beyond || (w && !w->beyond)) {
                return err_nomem(err, "large activations");
            }
            add_large(&s->beyond[x->neuron], w ? &w->beyond[x->neuron] : NULL, x->activation,
                      s->low != NULL);
        }
    }
    return 0;
}

/* a * b of numbers that fit 128 bits. */
static struct wide product(__int128 a, __int128 b)
{
    const struct wide x = wide_from(a), y = wide_from(b);
    return wide_times(&x, &y);
}

/* From sums about c of n whole numbers of 30 bits to sums about 0:
 *     sum f^3 = sum (f - c)^3 + 3 c sum f^2 - 3 c^2 sum f + n c^3
 *     sum f^4 = sum (f - c)^4 + 4 c sum f^3 - 6 c^2 sum f^2 + 4 c^3 sum f - n c^4 */
static struct power_sums about_zero(double cubes, double fourths, __int128 c, __int128 sum,
                                    __int128 squares, __int128 n)
{
    const __int128 cube = (__int128)cubes + 3 * c * squares - 3 * c * c * sum + n * c * c * c;
    struct power_sums out = {.cubes = wide_from(cube), .fourths = wide_from_double(fourths)};
    const struct wide terms[] = {product(4 * c, cube), product(-6 * c * c, squares),
                                 product(4 * c * c * c, sum), product(-c * c * c * c, n)};
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        wide_add(&out.fourths, &terms[i]);
    }
    return out;
}

void unit_powers_add(struct neurons *to, const struct unit_neurons *p, size_t layer, int split)
{
    const struct unit_neurons_powers *w = &p->layers[layer].powers[split];
    const struct unit_neurons_sums *s = &p->layers[layer].sets[split][SET_ALL];
    const __int128 n = (__int128)p->sets[split][SET_ALL].n;
    for (size_t i = 0; i < p->shape->layers[layer].n && w->known; i++) {
        struct power_sums *whole = &to->layers[layer].powers[split][i];
        const struct power_sums x = about_zero(w->cubes[i], w->fourths[i], w->shift[i], s->sum[i],
                                               ((__int128)s->high[i] << 32) + s->low[i], n);
        wide_add(&whole->cubes, &x.cubes);
        wide_add(&whole->fourths, &x.fourths);
        if (w->beyond) {
            wide_add(&whole->cubes, &w->beyond[i].cubes);
            wide_add(&whole->fourths, &w->beyond[i].fourths);
        }
    }
}
