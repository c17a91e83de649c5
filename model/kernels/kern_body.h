/*
 * kern_body.h - the kernels, for vectors of LANES floats and tiles of ROWS x 2 LANES
 *
 * Each kern_<name>.c includes this once and defines NAME, LANES and ROWS.  ROWS is such that the
 * sums of a tile, two vectors of w and one of x fit in the registers.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "model/kernels/kern.h"

#define COLS (2 * LANES)

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));

static DOT_INSIDE vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

static DOT_INSIDE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

static DOT_INSIDE vec all(float x)
{
    return x - (vec){0};
}

/* In each lane a if 'mask' is -1 there, else b. */
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

/* e^x, with x clamped to [-87, 87]: 2^n e^r, |r| <= ln 2 / 2, e^r by its series to r^7, within 2
 * ulp. */
static inline vec exp_of(vec x)
{
    x = least(greatest(x, all(-87.0f)), all(87.0f));
    const vec magic = all(12582912.0f); // 1.5 * 2^23: adding it rounds to an integer
    const vec n = (x * 1.44269504f + magic) - magic;
    const vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f; // ln 2 as two numbers
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

/* 2^f for 0 <= f < 1: the polynomial of degree 4 with the least relative error (Remez), 2.6e-6. */
static inline vec exp2_part(vec f)
{
    vec p = all(0.0135341679f);
    p = p * f + 0.0520114606f;
    p = p * f + 0.241442757f;
    p = p * f + 0.693003834f;
    return p * f + 1.00000259f;
}

/* Whether any lane of a is greater than that of b. */
#ifdef __AVX512DQ__
static inline vec exp2_of(vec x)
{
    return _mm512_scalef_ps(exp2_part(_mm512_reduce_ps(x, 1)), x); // 2^(x - floor) 2^floor
}

static inline bool is_beyond(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0;
}
#else
/* 2^x, with x clamped to [-126, 126]. */
static inline vec exp2_of(vec x)
{
    x = least(greatest(x, all(-126.0f)), all(126.0f));
    const vec t = (x - 0.5f) + 12582912.0f; // 1.5 * 2^23: rounds to the nearest, so to x's floor
    const vec f = x - (t - 12582912.0f);
    return (vec)((ivec)exp2_part(f) + ((ivec)t << 23));
}

static inline bool is_beyond(vec a, vec b)
{
#ifdef __AVX2__
    return _mm256_movemask_ps((__m256)(a > b)) != 0;
#else
    const ivec mask = a > b;
    int64_t parts[sizeof mask / 8], any = 0;
    memcpy(parts, &mask, sizeof mask);
    for (size_t i = 0; i < sizeof mask / 8; i++) {
        any |= parts[i];
    }
    return any != 0;
#endif
}
#endif

static void pack(float *to, const float *x, size_t ld, size_t n, size_t k, float scale)
{
    if (n < ROWS) {
        memset(to, 0, ROWS * k * sizeof *to);
        for (size_t i = 0; i < n; i++) {
            for (size_t l = 0; l < k; l++) {
                to[l * ROWS + i] = x[i * ld + l] * scale;
            }
        }
        return;
    }
    for (size_t l = 0; l < k; l++) {
#pragma GCC unroll 14
        for (size_t i = 0; i < ROWS; i++) {
            to[l * ROWS + i] = x[i * ld + l] * scale;
        }
    }
}

DOT_TILE static void tile(float *out, const float *x, const float *w, size_t k)
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

static void put(float *restrict out, size_t ld, const float *restrict from, size_t from_ld,
                const float *restrict bias, size_t n, size_t m, bool add)
{
    for (size_t i = 0; i < n; i++, out += ld, from += from_ld) {
        if (add) {
            for (size_t j = 0; j < m; j++) {
                out[j] = out[j] + (from[j] + bias[j]);
            }
        } else {
            for (size_t j = 0; j < m; j++) {
                out[j] = from[j] + bias[j];
            }
        }
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

static void mix(float *tile, const float *whole, const float *ratio, const float *ln_b,
                const float *less)
{
    const vec b0 = load(ln_b), b1 = load(ln_b + LANES);
    for (size_t i = 0; i < ROWS; i++, tile += COLS, whole += COLS) {
        const vec r = all(ratio[i]), l = all(less[i]);
        store(tile, load(tile) + load(whole) * r + b0 * l);
        store(tile + LANES, load(tile + LANES) + load(whole + LANES) * r + b1 * l);
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

static void relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] < 0 ? 0 : x[i]; // a NaN stays one
    }
}

static inline vec silu_of(vec x)
{
    return x / (1.0f + exp_of(-x));
}

static void silu(float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        store(x + i, silu_of(load(x + i)));
    }
    store_part(x + i, n - i, silu_of(load_part(x + i, n - i, 0)));
}

/* Sums in f64: each lane by itself, then all lanes. */
static inline double sum_of(vec v)
{
    float lanes[LANES];
    double sum = 0;
    store(lanes, v);
    for (size_t l = 0; l < LANES; l++) {
        sum += (double)lanes[l];
    }
    return sum;
}

// The number of elements summed in f32 before the sum goes into f64: 8 per lane.
#define RUN (8 * LANES)

static double sum_minus(const float *x, size_t n, float mean, bool squares)
{
    double sum = 0;
    size_t i = 0;
    while (i + LANES <= n) {
        const size_t end = n - i < RUN ? i + (n - i) / LANES * LANES : i + RUN;
        vec v = all(0);
        for (; i < end; i += LANES) {
            const vec d = load(x + i) - mean;
            v += squares ? d * d : d;
        }
        sum += sum_of(v);
    }
    for (; i < n; i++) {
        const double d = (double)(x[i] - mean);
        sum += squares ? d * d : d;
    }
    return sum;
}

/* norm() in f64, for numbers whose squares f32 cannot hold. */
static void norm_large(float *out, const float *x, const float *w, const float *b, float eps,
                       size_t n, bool centre)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n && centre; i++) {
        mean += (double)x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        square += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    }
    const double scale = 1 / sqrt(square + (double)eps);
    for (size_t i = 0; i < n; i++) {
        const float normed = (float)(((double)x[i] - mean) * scale);
        out[i] = normed * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
    }
}

static void norm(float *out, const float *x, const float *w, const float *b, float eps, size_t n,
                 bool centre)
{
    // The mean is made in two steps: the second corrects what f32 rounded off in the first.
    float mean = 0;
    double rest = 0;
    if (centre) {
        mean = (float)(sum_minus(x, n, 0, false) / (double)n);
        rest = sum_minus(x, n, mean, false) / (double)n;
    }
    const double square = sum_minus(x, n, mean, true) / (double)n - rest * rest;
    if (!isfinite(square)) {
        norm_large(out, x, w, b, eps, n, centre);
        return;
    }
    const float scale = (float)(1 / sqrt(square + (double)eps)), less = (float)rest;
    if (w && b) {
        for (size_t i = 0; i < n; i++) {
            out[i] = (x[i] - mean - less) * scale * w[i] + b[i];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (x[i] - mean - less) * scale * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
    }
}

static float dot(const float *x, const float *y, size_t n)
{
    vec a = all(0), b = all(0), c = all(0), d = all(0);
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        a += load(x + i) * load(y + i);
        b += load(x + i + LANES) * load(y + i + LANES);
        c += load(x + i + 2 * LANES) * load(y + i + 2 * LANES);
        d += load(x + i + 3 * LANES) * load(y + i + 3 * LANES);
    }
    float lanes[LANES], sum = 0;
    store(lanes, (a + b) + (c + d));
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            lanes[l] += lanes[l + half];
        }
    }
    for (; i < n; i++) {
        sum += x[i] * y[i];
    }
    return lanes[0] + sum;
}

// --- for products of integers -------------------------------------------------------------------

static float size(const float *x, size_t n, float *square)
{
    vec most = all(0), squares = all(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = load(x + i);
        most = greatest(most, greatest(v, -v));
        squares += v * v;
    }
    const vec v = load_part(x + i, n - i, 0);
    most = greatest(most, greatest(v, -v));
    float lanes[LANES], max = 0;
    store(lanes, most);
    for (size_t l = 0; l < LANES; l++) {
        max = lanes[l] > max ? lanes[l] : max;
    }
    *square = (float)sum_of(squares + v * v);
    return max;
}

static void quantize(int16_t *to, const float *x, size_t n, float scale)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec t = load(x + i) * scale + 12582912.0f; // 1.5 * 2^23: the low bits are the integer
        int32_t bits[LANES];
        memcpy(bits, &t, sizeof bits);
        for (size_t l = 0; l < LANES; l++) {
            to[i + l] = (int16_t)bits[l];
        }
    }
    for (; i < n; i++) {
        to[i] = (int16_t)lrintf(x[i] * scale);
    }
}

static void rotate(float *x, size_t n)
{
    for (size_t half = 1; half < n; half *= 2) {
        for (size_t i = 0; i < n; i += 2 * half) {
            float *restrict a = x + i, *restrict b = x + i + half;
            for (size_t j = 0; j < half; j++) {
                const float sum = a[j] + b[j], difference = a[j] - b[j];
                a[j] = sum;
                b[j] = difference;
            }
        }
    }
    const float scale = 1 / sqrtf((float)n);
    for (size_t i = 0; i < n; i++) {
        x[i] *= scale;
    }
}

static inline vec from_s32(const int32_t *p)
{
    ivec v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vec);
}

static void to_f32(void *tile, size_t rows, const float *row_scale, const float *col_scale)
{
    const int32_t *from = tile;
    float *to = tile;
    const vec c0 = load(col_scale), c1 = load(col_scale + LANES);
    for (size_t i = 0; i < rows; i++, from += COLS, to += COLS) {
        const vec scale = all(row_scale[i]);
        store(to, from_s32(from) * (c0 * scale));
        store(to + LANES, from_s32(from + LANES) * (c1 * scale));
    }
}

static uint32_t add_exp2(float *sums, void *tile_and_exps, size_t rows, const float *row_scale,
                         const float *col_scale, const float *bias, const float *shift,
                         const float *limits)
{
    const int32_t *logits = tile_and_exps;
    float *exps = tile_and_exps;
    const vec c0 = load(col_scale), c1 = load(col_scale + LANES);
    const vec b0 = load(bias), b1 = load(bias + LANES);
    uint32_t seen = 0;
    for (size_t i = 0; i < rows; i++, logits += COLS, exps += COLS, sums += KERN_LANES) {
        const vec scale = all(row_scale[i]), less = all(shift[i]);
        const vec e0 = exp2_of(from_s32(logits) * c0 * scale + (b0 - less));
        const vec e1 = exp2_of(from_s32(logits + LANES) * c1 * scale + (b1 - less));
        const vec both = e0 + e1;
        store(exps, e0);
        store(exps + LANES, e1);
        store(sums, load(sums) + both);
        seen |= (uint32_t)is_beyond(both, all(limits[i])) << i;
    }
    return seen;
}

static uint32_t add_exp2_mixed(float *sums, void *tile_and_exps, size_t rows,
                               const struct kern_mix *m, const float *shift, const float *limits)
{
    const int32_t *own = tile_and_exps, *whole = m->whole;
    float *exps = tile_and_exps;
    const vec c0 = load(m->col_scale), c1 = load(m->col_scale + LANES);
    const vec w0 = load(m->whole_col_scale), w1 = load(m->whole_col_scale + LANES);
    const vec l0 = load(m->ln_b), l1 = load(m->ln_b + LANES);
    const vec b0 = load(m->bias), b1 = load(m->bias + LANES);
    uint32_t seen = 0;
    for (size_t i = 0; i < rows;
         i++, own += COLS, whole += COLS, exps += COLS, sums += KERN_LANES) {
        const vec scale = all(m->row_scale[i]), minus = all(shift[i]), less = all(m->less[i]);
        const vec whole_scale = all(m->whole_row_scale[i] * m->ratio[i]);
        const vec e0 = exp2_of(from_s32(own) * c0 * scale + from_s32(whole) * w0 * whole_scale +
                               l0 * less + (b0 - minus));
        const vec e1 =
            exp2_of(from_s32(own + LANES) * c1 * scale +
                    from_s32(whole + LANES) * w1 * whole_scale + l1 * less + (b1 - minus));
        const vec both = e0 + e1;
        store(exps, e0);
        store(exps + LANES, e1);
        store(sums, load(sums) + both);
        seen |= (uint32_t)is_beyond(both, all(limits[i])) << i;
    }
    return seen;
}

static uint32_t above(const float *x, float limit)
{
#ifdef __AVX512DQ__
    const vec least_of = all(limit);
    return (uint32_t)_mm512_cmp_ps_mask(load(x), least_of, _CMP_GT_OQ) |
           (uint32_t)_mm512_cmp_ps_mask(load(x + LANES), least_of, _CMP_GT_OQ) << LANES;
#else
    uint32_t bits = 0;
    for (size_t j = 0; j < COLS; j++) {
        bits |= (uint32_t)(x[j] > limit) << j;
    }
    return bits;
#endif
}

#define JOIN(a, b) a##b
#define TABLE(name) JOIN(kern_f32_, name)

const struct kern_f32 TABLE(NAME) = {
    .rows = ROWS,
    .cols = COLS,
    .pack = pack,
    .tile = tile,
    .put = put,
    .add_exp = add_exp,
    .mix = mix,
    .softmax = softmax,
    .norm = norm,
    .gelu = gelu,
    .gelu_new = gelu_new,
    .relu = relu,
    .silu = silu,
    .dot = dot,
    .size = size,
    .quantize = quantize,
    .rotate = rotate,
    .to_f32 = to_f32,
    .add_exp2 = add_exp2,
    .add_exp2_mixed = add_exp2_mixed,
    .above = above,
};
