#include "corpora/parquet/parquet_delta.h"

static bool fail(struct delta *d, const char *why)
{
    d->why = why;
    return false;
}

static bool take_varint(struct delta *d, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && d->at < d->end; shift += 7) {
        const unsigned byte = *d->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return fail(d, "the differences end inside a number");
}

static uint64_t unzigzag(uint64_t z)
{
    return (z >> 1) ^ -(z & 1);
}

bool delta_begin(struct delta *d, const unsigned char *bytes, size_t len)
{
    *d = (struct delta){.at = bytes, .end = bytes + len};
    uint64_t block, first;
    if (!take_varint(d, &block) || !take_varint(d, &d->n_mini) || !take_varint(d, &d->n_left) ||
        !take_varint(d, &first)) {
        return false;
    }
    if (block == 0 || block % 128 != 0) {
        return fail(d, "the block size of the differences is not a multiple of 128");
    }
    if (d->n_mini == 0) {
        return fail(d, "a block of differences has no miniblock");
    }
    if (block % d->n_mini != 0 || block / d->n_mini % 32 != 0) {
        return fail(d, "the size of a miniblock is not a multiple of 32");
    }
    d->mini_size = block / d->n_mini;
    d->mini = d->n_mini;
    d->value = unzigzag(first);
    return true;
}

/* The last block may lack the miniblocks that have no value, but not their widths. */
static bool begin_mini(struct delta *d)
{
    if (d->mini == d->n_mini) {
        uint64_t least;
        if (!take_varint(d, &least)) {
            return false;
        }
        d->least = unzigzag(least);
        if ((size_t)(d->end - d->at) < d->n_mini) {
            return fail(d, "the differences end inside the widths of a block");
        }
        d->widths = d->at;
        d->at += d->n_mini;
        d->mini = 0;
    }
    d->width = d->widths[d->mini++];
    d->in_mini = d->mini_size;
    d->bit = 0;
    return d->width <= 64 || fail(d, "a miniblock is more than 64 bits wide");
}

/* Reads d->width bits. */
static bool take_bits(struct delta *d, uint64_t *bits)
{
    const unsigned n_bytes = (d->bit + d->width + 7) / 8;
    if ((size_t)(d->end - d->at) < n_bytes) {
        return fail(d, "the differences end inside a miniblock");
    }
    *bits = 0;
    for (unsigned i = 0; i < n_bytes && i < 8; i++) {
        *bits |= (uint64_t)d->at[i] << (8 * i);
    }
    *bits >>= d->bit;
    if (n_bytes > 8) { // 57 bits or more that do not begin with a byte
        *bits |= (uint64_t)d->at[8] << (64 - d->bit);
    }
    if (d->width < 64) {
        *bits &= (UINT64_C(1) << d->width) - 1;
    }
    d->bit += d->width;
    d->at += d->bit / 8;
    d->bit %= 8;
    return true;
}

/* Goes to where the current miniblock ends. */
static bool end_mini(struct delta *d)
{
    uint64_t bits; // a miniblock's size is a multiple of 32: no overflow below 2^58
    if (d->width == 0 || d->in_mini == 0) {
        return true;
    }
    if (d->in_mini > UINT64_MAX / 64) {
        return fail(d, "the differences end inside a miniblock");
    }
    bits = d->bit + d->in_mini * d->width;
    const uint64_t n_bytes = (bits + 7) / 8;
    const size_t left = (size_t)(d->end - d->at);
    d->at += n_bytes < left ? n_bytes : left; // writers leave out the padding
    d->in_mini = 0;
    return true;
}

bool delta_next(struct delta *d, int64_t *value)
{
    *value = (int64_t)d->value;
    if (--d->n_left == 0) {
        return end_mini(d);
    }
    uint64_t bits;
    if (d->in_mini == 0 && !begin_mini(d)) {
        return false;
    }
    if (!take_bits(d, &bits)) {
        return false;
    }
    d->in_mini--;
    d->value += d->least + bits;
    return true;
}

bool delta_pass_over(struct delta *d, uint64_t *sum)
{
    *sum = 0;
    while (d->n_left > 0) {
        int64_t value;
        if (!delta_next(d, &value)) {
            return false;
        }
        if (value < 0 || value > INT32_MAX) {
            return fail(d, "a length is below 0 or above 2^31");
        }
        *sum += (uint64_t)value;
    }
    return true;
}
