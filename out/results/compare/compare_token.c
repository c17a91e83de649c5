/*
 * compare_token.c - KL, and the true token's probability, from logits in f32
 *
 * Sums over the vocabulary are made in lanes of f32 over BLOCK tokens, and of those in f64: a lane
 * adds 32 numbers, so a sum is right to about 1e-6 of itself.  The greatest logit is taken off
 * before anything else, so that a constant that all logits share costs nothing.
 */
#include "out/results/compare/compare_token.h"

#include <math.h>
#include <string.h>

#define LANES 4 // as wide as every CPU has
#define BLOCK ((size_t)128)

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));

static vec load(const float *x)
{
    vec v;
    memcpy(&v, x, sizeof v);
    return v;
}

static double sum_of(vec v)
{
    double sum = 0;
    for (int i = 0; i < LANES; i++) {
        sum += (double)v[i];
    }
    return sum;
}

static vec choose(ivec mask, vec a, vec b)
{
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

/*
 * exp(x) for x up to 0: 2^n exp(r), r at most ln(2) / 2 in size; below -87, where 2^n ends, as if
 * it were -87: 1e-38 of the greatest.  The polynomial is that of Cephes' expf, right to 2^-23.  NaN
 * gives NaN: every comparison with it is false.
 */
static vec exp_of(vec x)
{
    const vec least = (vec){0} - 87.0F;
    const float to_integer = 12582912.0F; // 1.5 * 2^23: what is added to it is rounded
    x = choose(x < least, least, x);
    const vec shifted = x * 1.44269504088896341F + to_integer;
    const vec n = shifted - to_integer;
    const vec r = x - n * 0.693359375F + n * 2.12194440e-4F;
    vec p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * r * r + r + 1.0F;
    const ivec power = ((ivec)shifted - 0x4B400000 + 127) << 23;
    return p * (vec)power;
}

/* The greatest of x[n] that is a number, -infinity where none is. */
static float most_of(const float *x, size_t n)
{
    vec most = (vec){0} - INFINITY;
    size_t i = 0;
    for (; n - i >= LANES; i += LANES) {
        const vec v = load(x + i);
        most = choose(v > most, v, most);
    }
    float out = -INFINITY;
    for (int k = 0; k < LANES; k++) {
        out = most[k] > out ? most[k] : out;
    }
    for (; i < n; i++) {
        out = x[i] > out ? x[i] : out;
    }
    return out;
}

/* The greatest of x[n], and the first that has it. */
static float find_most(const float *x, size_t n, uint32_t *at)
{
    float most = -INFINITY;
    *at = 0;
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        const size_t left = n - begin < BLOCK ? n - begin : BLOCK;
        const float of_block = most_of(x + begin, left);
        if (of_block > most) {
            size_t i = begin;
            while (x[i] < of_block || isnan(x[i])) {
                i++;
            }
            most = of_block;
            *at = (uint32_t)i;
        }
    }
    return most;
}

void compare_logits_of(struct compare_logits *out, const float *x, size_t n, float *exps)
{
    *out = (struct compare_logits){.x = x, .exps = exps};
    out->most = find_most(x, n, &out->top);
    size_t i = 0;
    while (n - i >= LANES) {
        const size_t end = n - i < BLOCK ? i + (n - i) / LANES * LANES : i + BLOCK;
        vec sum = {0};
        for (; i < end; i += LANES) {
            const vec e = exp_of(load(x + i) - out->most);
            memcpy(exps + i, &e, sizeof e);
            sum += e;
        }
        out->sum += sum_of(sum);
    }
    float rest[LANES] = {0};
    memcpy(rest, x + i, (n - i) * sizeof *rest);
    const vec e = exp_of(load(rest) - out->most);
    for (size_t k = 0; i < n; i++, k++) {
        exps[i] = e[k];
        out->sum += (double)exps[i];
    }
}

/* The sum of exps_base ((x_base - most) - (x_other - most)). */
static double sum_products(const struct compare_logits *base, const struct compare_logits *other,
                           size_t n)
{
    double all = 0;
    size_t i = 0;
    while (n - i >= LANES) {
        const size_t end = n - i < BLOCK ? i + (n - i) / LANES * LANES : i + BLOCK;
        vec sum = {0};
        for (; i < end; i += LANES) {
            const vec x = load(base->x + i) - base->most, y = load(other->x + i) - other->most;
            sum += load(base->exps + i) * (x - y);
        }
        all += sum_of(sum);
    }
    for (; i < n; i++) {
        const float x = base->x[i] - base->most, y = other->x[i] - other->most;
        all += (double)(base->exps[i] * (x - y));
    }
    return all;
}

static double log_sum(const float *x, float most, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += exp((double)x[i] - (double)most);
    }
    return log(sum);
}

/* The same KL where some logit is -infinite: a token that the base finds impossible adds nothing. */
static double slow_kl(const struct compare_logits *base, const struct compare_logits *other,
                      size_t n)
{
    const double x_log = log_sum(base->x, base->most, n), y_log = log_sum(other->x, other->most, n);
    double kl = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)base->x[i] - (double)base->most - x_log;
        const double y = (double)other->x[i] - (double)other->most - y_log;
        const double p = exp(x);
        kl += p > 0 || isnan(p) ? p * (x - y) : 0;
    }
    return kl;
}

static double probability(const struct compare_logits *l, uint32_t id)
{
    return exp((double)l->x[id] - (double)l->most) / l->sum;
}

struct compare_value compare_token(const struct compare_logits *base,
                                   const struct compare_logits *other, size_t n, uint32_t id)
{
    double kl = sum_products(base, other, n) / base->sum - log(base->sum) + log(other->sum);
    if (!isfinite(kl)) {
        kl = slow_kl(base, other, n);
    }
    const int64_t fixed = fixed_from(-kl); // a sum holds far less than 0, but only 1024 above
    const double difference = probability(other, id) - probability(base, id);
    if (fixed == FIXED_NONE || !isfinite(difference)) {
        return (struct compare_value){.kl = FIXED_NONE};
    }
    // Rounding may leave a KL a little below 0, which none is.
    return (struct compare_value){.kl = fixed < 0 ? -fixed : 0,
                                  .difference = (int32_t)fixed_from(difference),
                                  .same = base->top == other->top};
}
