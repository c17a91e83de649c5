/*
 * actkern_body.h - the functions of actkern.h, for whatever the file that includes this is compiled
 * for.  Loops are written so that compilers make vectors of them.
 */
#include "out/actkern.h"

#define ACT_MAX 1024.0f

static unsigned row(const float *restrict a, size_t n, uint32_t place,
                    const struct act_limits *limits, int32_t *restrict fixed,
                    uint8_t *restrict bins, uint8_t *restrict flags)
{
    const int32_t *restrict top = limits->top, *restrict bottom = limits->bottom;
    const uint32_t *restrict salt = limits->salt, *restrict hash = limits->hash;
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        float capped = a[i] < ACT_MAX ? a[i] : ACT_MAX; // NaN too
        capped = capped > -ACT_MAX ? capped : -ACT_MAX;
        fixed[i] = (int32_t)__builtin_rintf(capped * (1 << 20));
    }
    for (size_t i = 0; i < n; i++) {
        bins[i] = bins_of(bins_bits(a[i]));
    }
    for (size_t i = 0; i < n; i++) {
        const int32_t bits = bins_bits(a[i]), order = bins_order(bits);
        const uint32_t own = act_hash(place, salt[i]);
        const uint32_t of_group =
            hash[(uint32_t)(1 + bins_group(bits)) * (uint32_t)n + (uint32_t)i];
        const uint32_t flag =
            (order >= top[i] ? ACT_TOP : 0u) | (order <= bottom[i] ? ACT_BOTTOM : 0u) |
            (own <= hash[i] ? ACT_RANDOM : 0u) | (own <= of_group ? ACT_GROUP : 0u);
        flags[i] = (uint8_t)flag;
        any |= flag;
    }
    return any;
}

/* Sums stay in registers over the rows: VECTORS vectors of LANES neurons at once, which compilers
 * do not do by themselves. */
#if defined(__AVX512F__)
#define LANES 8
#define VECTORS 8
#elif defined(__AVX2__)
#define LANES 4
#define VECTORS 4
#else
#define LANES 2
#define VECTORS 4
#endif
#define TILE (LANES * VECTORS)
typedef int32_t narrow __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int64_t wide __attribute__((vector_size(LANES * 8), aligned(8), may_alias));
typedef uint64_t natural __attribute__((vector_size(LANES * 8), aligned(8), may_alias));

static inline wide widen(const int32_t *f)
{
    return __builtin_convertvector(*(const narrow *)f, wide);
}

static void sums(const int32_t *restrict fixed, size_t n, const uint8_t *restrict at, size_t n_rows,
                 int64_t *restrict sum, int64_t *restrict positive)
{
    size_t i = 0;
    for (; i + TILE <= n; i += TILE) {
        wide s[VECTORS], p[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) {
            s[v] = *(const wide *)(sum + i + v * LANES);
            p[v] = *(const wide *)(positive + i + v * LANES);
        }
        for (size_t k = 0; k < n_rows; k++) {
            const int32_t *restrict f = fixed + at[k] * n + i;
            for (size_t v = 0; v < VECTORS; v++) {
                const wide a = widen(f + v * LANES);
                s[v] += a;
                p[v] += a & (a > 0);
            }
        }
        for (size_t v = 0; v < VECTORS; v++) {
            *(wide *)(sum + i + v * LANES) = s[v];
            *(wide *)(positive + i + v * LANES) = p[v];
        }
    }
    for (; i < n; i++) {
        for (size_t k = 0; k < n_rows; k++) {
            const int32_t f = fixed[at[k] * n + i];
            sum[i] += f;
            positive[i] += f > 0 ? f : 0;
        }
    }
}

static void squares(const int32_t *restrict fixed, size_t n, const uint8_t *restrict at,
                    size_t n_rows, uint64_t *restrict low, uint64_t *restrict high)
{
    size_t i = 0;
    for (; i + TILE <= n; i += TILE) {
        natural l[VECTORS], h[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) {
            l[v] = *(const natural *)(low + i + v * LANES);
            h[v] = *(const natural *)(high + i + v * LANES);
        }
        for (size_t k = 0; k < n_rows; k++) {
            const int32_t *restrict f = fixed + at[k] * n + i;
            for (size_t v = 0; v < VECTORS; v++) {
                const wide a = widen(f + v * LANES);
                const natural square = (natural)(a * a);
                l[v] += square & UINT32_MAX;
                h[v] += square >> 32;
            }
        }
        for (size_t v = 0; v < VECTORS; v++) {
            *(natural *)(low + i + v * LANES) = l[v];
            *(natural *)(high + i + v * LANES) = h[v];
        }
    }
    for (; i < n; i++) {
        for (size_t k = 0; k < n_rows; k++) {
            const int64_t f = fixed[at[k] * n + i];
            low[i] += (uint64_t)(f * f) & UINT32_MAX;
            high[i] += (uint64_t)(f * f) >> 32;
        }
    }
}

#define ACTKERN_TABLE(NAME)                                                                        \
    {                                                                                              \
        .name = (NAME), .row = row, .sums = sums, .squares = squares                               \
    }
