/*
 * act_kernels_body.h - the functions of act_kernels.h, for whatever the file that includes this is
 * compiled for.  Loops are written so that compilers make vectors of them; where they do not,
 * vectors are written as such, of plain C's operators.
 */
#include "out/results/neurons/act_kernels.h"

#define ACT_MAX_BITS ((127 + 10) << 23) // of ACT_MAX

/* As a whole number; 0 of what is beyond. */
static inline int32_t whole(float a)
{
    const float within = __builtin_fabsf(a) < ACT_MAX ? a : 0.0f; // NaN is not
    return (int32_t)__builtin_rintf(within * ACT_ONE);
}

/* Leaves ACT_GROUP to those that have it. */
static unsigned confirm_groups(const float *restrict a, size_t n, uint32_t place,
                               const struct act_limits *limits, uint8_t *restrict flags)
{
    unsigned any = 0;
    for (size_t first = 0; first < n; first += 8) {
        const size_t end = first + 8 < n ? first + 8 : n;
        uint64_t eight = 0;
        memcpy(&eight, flags + first, end - first);
        eight &= UINT64_C(0x0101010101010101) * ACT_GROUP;
        for (; eight; eight &= eight - 1) {
            const size_t i = first + (size_t)__builtin_ctzll(eight) / 8;
            const size_t group = (size_t)bins_group(bins_bits(a[i]));
            if (act_hash(place, limits->salt[i]) <= limits->hash[(1 + group) * n + i]) {
                any = ACT_GROUP;
            } else {
                flags[i] &= (uint8_t)~ACT_GROUP;
            }
        }
    }
    return any;
}

static unsigned row(const float *restrict a, size_t n, uint32_t place,
                    const struct act_limits *limits, int32_t *restrict fixed,
                    uint16_t *restrict bins, uint8_t *restrict flags)
{
    const int32_t *restrict top = limits->top, *restrict bottom = limits->bottom;
    const uint32_t *restrict salt = limits->salt, *restrict hash = limits->hash;
    const uint32_t *restrict most = limits->most, *restrict open = limits->open;
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        fixed[i] = whole(a[i]);
    }
    for (size_t i = 0; i < n; i++) {
        bins[i] = bins_of(bins_bits(a[i]));
    }
    for (size_t i = 0; i < n; i++) {
        const int32_t bits = bins_bits(a[i]), order = bins_order(bits);
        const uint32_t own = act_hash(place, salt[i]);
        const uint32_t maybe = open[i] >> bins_group(bits) & 1;
        const uint32_t flag =
            (order >= top[i] ? ACT_TOP : 0u) | (order <= bottom[i] ? ACT_BOTTOM : 0u) |
            (own <= hash[i] ? ACT_RANDOM : 0u) | (own <= most[i] ? ACT_GROUP : 0u) |
            maybe * ACT_GROUP | ((bits & INT32_MAX) >= ACT_MAX_BITS ? ACT_BEYOND : 0u);
        flags[i] = (uint8_t)flag;
        any |= flag;
    }
    if (any & ACT_GROUP) {
        any = (any & ~(uint32_t)ACT_GROUP) | confirm_groups(a, n, place, limits, flags);
    }
    return any;
}

static void add(const float *restrict a, size_t n, int64_t *restrict sum)
{
    for (size_t i = 0; i < n; i++) {
        sum[i] += whole(a[i]);
    }
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

typedef double real __attribute__((vector_size(LANES * 8), aligned(8), may_alias));

static void powers(const int32_t *restrict fixed, size_t n, const uint8_t *restrict at,
                   size_t n_rows, const int32_t *restrict shift, double *restrict cubes,
                   double *restrict fourths)
{
    size_t i = 0;
    for (; i + TILE <= n; i += TILE) {
        real c[VECTORS], f[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) {
            c[v] = *(const real *)(cubes + i + v * LANES);
            f[v] = *(const real *)(fourths + i + v * LANES);
        }
        for (size_t k = 0; k < n_rows; k++) {
            const int32_t *restrict from = fixed + at[k] * n + i;
            for (size_t v = 0; v < VECTORS; v++) {
                const narrow off =
                    *(const narrow *)(from + v * LANES) - *(const narrow *)(shift + i + v * LANES);
                const real d = __builtin_convertvector(off, real), square = d * d;
                c[v] += square * d;
                f[v] += square * square;
            }
        }
        for (size_t v = 0; v < VECTORS; v++) {
            *(real *)(cubes + i + v * LANES) = c[v];
            *(real *)(fourths + i + v * LANES) = f[v];
        }
    }
    for (; i < n; i++) {
        for (size_t k = 0; k < n_rows; k++) {
            const double d = (double)(fixed[at[k] * n + i] - shift[i]), square = d * d;
            cubes[i] += square * d;
            fourths[i] += square * square;
        }
    }
}

/* A line of a cache has LINE_NEURONS bins of a row, and those of LINE_ROWS rows of a group. */
#define LINE_NEURONS 32
#define LINE_ROWS 8

static inline size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bins of neurons [i, i_end), which begin a group, and of rows [k, k_end). */
static inline void turn_block(const uint16_t *restrict rows, size_t n, uint16_t *restrict to,
                              size_t stride, size_t i, size_t i_end, size_t k, size_t k_end)
{
    for (; i + ACT_TURNED <= i_end; i += ACT_TURNED) {
        uint16_t *restrict group = to + i * stride;
        for (size_t row = k; row < k_end; row++) {
            memcpy(group + row * ACT_TURNED, rows + row * n + i, ACT_TURNED * sizeof *group);
        }
    }
    for (size_t row = k; i < i_end && row < k_end; row++) {
        memcpy(to + i * stride + row * ACT_TURNED, rows + row * n + i, (i_end - i) * sizeof *to);
    }
}

static void turn(const uint16_t *restrict rows, size_t n_rows, size_t n, uint16_t *restrict to,
                 size_t stride)
{
    for (size_t i = 0; i < n; i += LINE_NEURONS) {
        for (size_t k = 0; k < n_rows; k += LINE_ROWS) {
            turn_block(rows, n, to, stride, i, lesser(i + LINE_NEURONS, n), k,
                       lesser(k + LINE_ROWS, n_rows));
        }
    }
}

#define ACT_KERNELS_TABLE(NAME)                                                                    \
    {                                                                                              \
        .name = (NAME), .row = row, .add = add, .sums = sums, .squares = squares,                  \
        .powers = powers, .turn = turn                                                             \
    }
