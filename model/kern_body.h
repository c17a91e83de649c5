/*
 * kern_body.h - the kernels, for vectors of LANES floats and tiles of ROWS x 2 LANES
 *
 * Included once by each kern_<name>.c, which defines NAME, LANES and ROWS: ROWS such that the sums
 * of a tile, two vectors of w and one of x fit the registers.
 */
#include <stdint.h>
#include <string.h>

#include "model/kern.h"

#define COLS (2 * LANES)

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));

static inline vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

static inline vec all(float x)
{
    return x - (vec){0};
}

/* Lane by lane: where 'mask' is -1 a, else b. */
static inline vec choose(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

static inline vec least(vec a, vec b)
{
    return choose(a < b, a, b);
}

static inline vec greatest(vec a, vec b)
{
    return choose(a > b, a, b);
}

/* e^x for x in [-87, 87], nearer ones for what is beyond: 2^n e^r, |r| <= ln 2 / 2, e^r by its
 * series to r^7, within 2 ulp. */
static inline vec exp_of(vec x)
{
    x = least(greatest(x, all(-87.0f)), all(87.0f));
    const vec magic = all(12582912.0f); // 1.5 * 2^23: what is added loses its fraction
    const vec n = (x * 1.44269504f + magic) - magic;
    const vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f; // ln 2 in two parts
    vec p = all(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return (vec)((ivec)p + (__builtin_convertvector(n, ivec) << 23));
}

static void tile(float *out, const float *x, const float *w, size_t k)
{
    vec sum[ROWS][2];
#pragma GCC unroll 14
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = sum[i][1] = all(0);
    }
    for (size_t l = 0; l < k; l++) {
        const vec w0 = load(w + l * COLS), w1 = load(w + l * COLS + LANES);
#pragma GCC unroll 14
        for (int i = 0; i < ROWS; i++) {
            const vec xi = all(x[l * ROWS + (size_t)i]);
            sum[i][0] += xi * w0;
            sum[i][1] += xi * w1;
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < ROWS; i++) {
        store(out + i * COLS, sum[i][0]);
        store(out + i * COLS + LANES, sum[i][1]);
    }
}

static void add_exp(float *sums, const float *logits, const float *bias, const float *shift)
{
    const vec b0 = load(bias), b1 = load(bias + LANES);
    for (size_t i = 0; i < ROWS; i++) {
        const vec s = all(shift[i]);
        const vec e0 = exp_of(load(logits + i * COLS) + b0 - s);
        const vec e1 = exp_of(load(logits + i * COLS + LANES) + b1 - s);
        store(sums + i * KERN_LANES, load(sums + i * KERN_LANES) + (e0 + e1));
    }
}

/* x[n], n <= LANES, as a vector whose other lanes are 'rest'. */
static inline vec load_part(const float *x, size_t n, float rest)
{
    float part[LANES];
    store(part, all(rest));
    memcpy(part, x, n * sizeof *x);
    return load(part);
}

static inline void store_part(float *x, size_t n, vec v)
{
    float part[LANES];
    store(part, v);
    memcpy(x, part, n * sizeof *x);
}

static void softmax(float *x, size_t n)
{
    float max = x[0], lanes[LANES];
    vec m = all(max);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        m = greatest(m, load(x + i));
    }
    m = greatest(m, load_part(x + i, n - i, max));
    store(lanes, m);
    for (size_t l = 0; l < LANES; l++) {
        max = lanes[l] > max ? lanes[l] : max;
    }
    vec sums = all(0);
    for (i = 0; i + LANES <= n; i += LANES) {
        const vec e = exp_of(load(x + i) - max);
        sums += e;
        store(x + i, e);
    }
    store(lanes, sums);
    double sum = 0;
    for (size_t l = 0; l < LANES; l++) {
        sum += (double)lanes[l];
    }
    store_part(x + i, n - i, exp_of(load_part(x + i, n - i, max) - max));
    for (size_t l = i; l < n; l++) {
        sum += (double)x[l];
    }
    const float scale = (float)(1 / sum);
    for (i = 0; i < n; i++) {
        x[i] *= scale;
    }
}

static inline vec gelu_of(vec x)
{
    const vec size = greatest(x, -x), z = size * 0.70710678f;
    const vec t = 1.0f / (1.0f + 0.3275911f * z);
    vec p = all(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const vec q = p * t * exp_of(-z * z); // 1 - erf(z)
    return greatest(x, all(0)) - 0.5f * size * q;
}

static void gelu(float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(x + i, gelu_of(load(x + i)));
    }
    store_part(x + i, n - i, gelu_of(load_part(x + i, n - i, 0)));
}

/* 0.5 x (1 + tanh u) = x / (1 + e^-2u) */
static inline vec gelu_new_of(vec x)
{
    const vec u = 0.79788456f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp_of(-2.0f * u));
}

static void gelu_new(float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(x + i, gelu_new_of(load(x + i)));
    }
    store_part(x + i, n - i, gelu_new_of(load_part(x + i, n - i, 0)));
}

#define JOIN(a, b) a##b
#define TABLE(name) JOIN(kern_, name)
#define TEXT(name) #name
#define TEXT_OF(name) TEXT(name)

const struct kern TABLE(NAME) = {
    .name = TEXT_OF(NAME),
    .rows = ROWS,
    .cols = COLS,
    .tile = tile,
    .add_exp = add_exp,
    .softmax = softmax,
    .gelu = gelu,
    .gelu_new = gelu_new,
};
