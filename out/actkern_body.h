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

static void sums(const int32_t *restrict fixed, size_t n, const uint8_t *restrict at, size_t n_rows,
                 int64_t *restrict sum, int64_t *restrict positive)
{
    for (size_t k = 0; k < n_rows; k++) {
        const int32_t *restrict f = fixed + at[k] * n;
        for (size_t i = 0; i < n; i++) {
            sum[i] += f[i];
            positive[i] += f[i] > 0 ? f[i] : 0;
        }
    }
}

static void squares(const int32_t *restrict fixed, size_t n, const uint8_t *restrict at,
                    size_t n_rows, uint64_t *restrict low, uint64_t *restrict high)
{
    for (size_t k = 0; k < n_rows; k++) {
        const int32_t *restrict f = fixed + at[k] * n;
        for (size_t i = 0; i < n; i++) {
            const uint64_t square = (uint64_t)((int64_t)f[i] * f[i]);
            low[i] += square & UINT32_MAX;
            high[i] += square >> 32;
        }
    }
}

#define ACTKERN_TABLE(NAME)                                                                        \
    {                                                                                              \
        .name = (NAME), .row = row, .sums = sums, .squares = squares                               \
    }
