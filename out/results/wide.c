#include "out/results/wide.h"

#include <math.h>

struct wide wide_from(__int128 x)
{
    const uint64_t sign = x < 0 ? UINT64_MAX : 0;
    struct wide out;
    out.words[0] = (uint64_t)x;
    out.words[1] = (uint64_t)((unsigned __int128)x >> 64);
    for (int i = 2; i < WIDE_WORDS; i++) {
        out.words[i] = sign;
    }
    return out;
}

struct wide wide_from_double(double x)
{
    int exponent;
    const double half = frexp(x, &exponent); // x = half * 2^exponent
    if (exponent <= 53) {
        return wide_from(llrint(x));
    }
    const int64_t digits = (int64_t)ldexp(fabs(half), 53);
    const unsigned shift = (unsigned)exponent - 53, word = shift / 64, bit = shift % 64;
    struct wide out = {{0}}, none = {{0}};
    if (word < WIDE_WORDS) {
        out.words[word] = (uint64_t)digits << bit;
    }
    if (word + 1 < WIDE_WORDS && bit > 0) {
        out.words[word + 1] = (uint64_t)digits >> (64 - bit);
    }
    if (x < 0) {
        wide_subtract(&none, &out);
        return none;
    }
    return out;
}

void wide_add(struct wide *to, const struct wide *x)
{
    unsigned __int128 carry = 0;
    for (int i = 0; i < WIDE_WORDS; i++) {
        carry += (unsigned __int128)to->words[i] + x->words[i];
        to->words[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

void wide_subtract(struct wide *from, const struct wide *x)
{
    unsigned __int128 carry = 1;
    for (int i = 0; i < WIDE_WORDS; i++) {
        carry += (unsigned __int128)from->words[i] + ~x->words[i];
        from->words[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* Of two's complements the lower half of the product is that of the signed numbers. */
struct wide wide_times(const struct wide *a, const struct wide *b)
{
    struct wide out = {{0}};
    for (int i = 0; i < WIDE_WORDS; i++) {
        unsigned __int128 carry = 0;
        for (int k = 0; i + k < WIDE_WORDS; k++) {
            carry += (unsigned __int128)a->words[i] * b->words[k] + out.words[i + k];
            out.words[i + k] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    return out;
}

static bool is_below_zero(const struct wide *x)
{
    return x->words[WIDE_WORDS - 1] >> 63;
}

long double wide_to(const struct wide *x)
{
    struct wide size = *x;
    if (is_below_zero(x)) {
        size = (struct wide){{0}};
        wide_subtract(&size, x);
    }
    long double sum = 0;
    for (int i = WIDE_WORDS - 1; i >= 0; i--) {
        sum = sum * 0x1p64L + (long double)size.words[i];
    }
    return is_below_zero(x) ? -sum : sum;
}

void wide_add_times(struct wide *to, int times, const struct wide *x)
{
    const struct wide factor = wide_from(times), product = wide_times(&factor, x);
    wide_add(to, &product);
}

struct wide wide_divided(const struct wide *x, uint64_t n)
{
    struct wide size = *x, out = {{0}}, none = {{0}};
    if (is_below_zero(x)) {
        size = none;
        wide_subtract(&size, x);
    }
    unsigned __int128 rest = 0;
    for (int i = WIDE_WORDS - 1; i >= 0; i--) {
        rest = rest << 64 | size.words[i];
        out.words[i] = (uint64_t)(rest / n);
        rest %= n;
    }
    if (is_below_zero(x)) {
        wide_subtract(&none, &out);
        return none;
    }
    return out;
}

bool wide_is_zero(const struct wide *x)
{
    uint64_t any = 0;
    for (int i = 0; i < WIDE_WORDS; i++) {
        any |= x->words[i];
    }
    return any == 0;
}

struct wide wide_zigzag(const struct wide *x)
{
    const uint64_t sign = is_below_zero(x) ? UINT64_MAX : 0;
    struct wide out;
    for (int i = WIDE_WORDS - 1; i >= 0; i--) {
        const uint64_t below = i > 0 ? x->words[i - 1] >> 63 : 0;
        out.words[i] = (x->words[i] << 1 | below) ^ sign;
    }
    return out;
}

struct wide wide_unzigzag(const struct wide *x)
{
    const uint64_t sign = x->words[0] & 1 ? UINT64_MAX : 0;
    struct wide out;
    for (int i = 0; i < WIDE_WORDS; i++) {
        const uint64_t above = i + 1 < WIDE_WORDS ? x->words[i + 1] << 63 : 0;
        out.words[i] = (x->words[i] >> 1 | above) ^ sign;
    }
    return out;
}
