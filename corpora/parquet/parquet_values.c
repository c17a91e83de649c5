#include "corpora/parquet/parquet_values.h"

#include <stdlib.h>

#include "corpora/base/le.h"

// The values of a page of DELTA_BYTE_ARRAY may grow with each other to this length altogether.
#define EXPANDED_BYTES (UINT64_C(4) << 30)

static size_t number_size(int type)
{
    return type == PARQUET_INT32 ? 4 : 8;
}

static int64_t read_number(int type, const unsigned char *at)
{
    return type == PARQUET_INT32 ? (int32_t)le_u32(at) : (int64_t)le_u64(at);
}

// --- dictionaries ------------------------------------------------------------------------------

static int dictionary_short(uint64_t n, struct err *err)
{
    return err_set(err, ERR_CORRUPT,
                   "the dictionary says that it has %llu values and ends before the last one",
                   (unsigned long long)n);
}

int parquet_dictionary_read(struct parquet_dictionary *d, int type, uint64_t n, struct err *err)
{
    const size_t len = d->bytes.len;
    const size_t least = type == PARQUET_BYTE_ARRAY ? 4 : number_size(type);
    if (n > len / least) {
        return dictionary_short(n, err);
    }
    d->any = true;
    d->n = (size_t)n;
    if (type != PARQUET_BYTE_ARRAY) {
        return 0;
    }
    const int rc = mem_reserve(&d->at, &d->cap, d->n, sizeof *d->at, "a dictionary", err);
    if (rc) {
        return rc;
    }
    size_t at = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (len - at < 4 || le_u32((const unsigned char *)d->bytes.data + at) > len - at - 4) {
            return dictionary_short(n, err);
        }
        d->at[i] = (uint32_t)at;
        at += 4 + le_u32((const unsigned char *)d->bytes.data + at);
    }
    return 0;
}

void parquet_dictionary_free(struct parquet_dictionary *d)
{
    buf_free(&d->bytes);
    free(d->at);
    *d = (struct parquet_dictionary){0};
}

static int take_indexed(struct parquet_values *v, struct parquet_value *value, struct err *err)
{
    const struct parquet_dictionary *d = v->dictionary;
    uint32_t index;
    if (!levels_next(&v->indices, &index)) {
        return err_set(err, ERR_CORRUPT, "the indices of the dictionary end too early");
    }
    if (index >= d->n) {
        return err_set(err, ERR_CORRUPT, "index %lu of a dictionary of %zu values",
                       (unsigned long)index, d->n);
    }
    const unsigned char *bytes = (const unsigned char *)d->bytes.data;
    if (v->type == PARQUET_BYTE_ARRAY) {
        value->len = le_u32(bytes + d->at[index]);
        value->text = (const char *)bytes + d->at[index] + 4;
    } else {
        value->number = read_number(v->type, bytes + index * number_size(v->type));
    }
    return 0;
}

// --- the encodings -----------------------------------------------------------------------------

static int begin_indices(struct parquet_values *v, struct err *err)
{
    if (!v->dictionary->any) {
        return err_set(err, ERR_CORRUPT, "a page needs a dictionary, and none came before it");
    }
    if (v->at == v->end) {
        return err_set(err, ERR_CORRUPT, "the indices of the dictionary end before their width");
    }
    const unsigned width = *v->at;
    if (width > 32) {
        return err_set(err, ERR_CORRUPT, "the indices of the dictionary are %u bits wide", width);
    }
    levels_begin(&v->indices, v->at + 1, (size_t)(v->end - v->at) - 1, width);
    return 0;
}

/* Begins numbers of which there must be n. */
static int begin_delta(struct delta *d, const unsigned char *at, const unsigned char *end,
                       uint64_t n, struct err *err)
{
    if (!delta_begin(d, at, (size_t)(end - at))) {
        return err_set(err, ERR_CORRUPT, "%s", d->why);
    }
    if (d->n_left != n) {
        return err_set(err, ERR_CORRUPT, "%llu differences where the page has %llu values",
                       (unsigned long long)d->n_left, (unsigned long long)n);
    }
    return 0;
}

/* Begins n lengths, finds where they end, and puts v->at there; *sum: of the lengths. */
static int begin_lengths(struct parquet_values *v, struct delta *lengths, uint64_t n, uint64_t *sum,
                         struct err *err)
{
    int rc = begin_delta(lengths, v->at, v->end, n, err);
    if (rc) {
        return rc;
    }
    struct delta all = *lengths;
    if (!delta_pass_over(&all, sum)) {
        return err_set(err, ERR_CORRUPT, "%s", all.why);
    }
    v->at = all.at;
    return 0;
}

static int begin_lengths_and_bytes(struct parquet_values *v, uint64_t n, struct err *err)
{
    uint64_t sum;
    const int rc = begin_lengths(v, &v->numbers, n, &sum, err);
    const uint64_t left = (uint64_t)(v->end - v->at);
    return rc || sum == left
               ? rc
               : err_set(err, ERR_CORRUPT, "lengths of %llu bytes altogether, and %llu are there",
                         (unsigned long long)sum, (unsigned long long)left);
}

static int begin_prefixes(struct parquet_values *v, uint64_t n, struct err *err)
{
    uint64_t sum;
    v->whole.len = 0;
    v->n_expanded = 0;
    const int rc = begin_lengths(v, &v->prefixes, n, &sum, err);
    return rc ? rc : begin_lengths_and_bytes(v, n, err);
}

static int refuse(int64_t encoding, struct err *err)
{
    if (encoding == PARQUET_BYTE_STREAM_SPLIT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "encoded as BYTE_STREAM_SPLIT, which gapscope does not read; write the file "
                       "anew without it");
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "encoding %lld, which gapscope does not know for this type of column",
                   (long long)encoding);
}

static int begin(struct parquet_values *v, int64_t encoding, const unsigned char *bytes, size_t len,
                 uint64_t n, struct err *err)
{
    const bool text = v->type == PARQUET_BYTE_ARRAY;
    v->at = bytes;
    v->end = bytes + len;
    v->encoding = encoding == PARQUET_PLAIN_DICTIONARY ? PARQUET_RLE_DICTIONARY : encoding;
    switch (v->encoding) {
    case PARQUET_PLAIN:
        return 0;
    case PARQUET_RLE_DICTIONARY:
        return n > 0 ? begin_indices(v, err) : 0;
    case PARQUET_DELTA_BINARY_PACKED:
        return text    ? refuse(encoding, err)
               : n > 0 ? begin_delta(&v->numbers, v->at, v->end, n, err)
                       : 0;
    case PARQUET_DELTA_LENGTH:
        return !text ? refuse(encoding, err) : n > 0 ? begin_lengths_and_bytes(v, n, err) : 0;
    case PARQUET_DELTA_BYTES:
        return !text ? refuse(encoding, err) : n > 0 ? begin_prefixes(v, n, err) : 0;
    default:
        return refuse(encoding, err);
    }
}

static int take_plain(struct parquet_values *v, struct parquet_value *value, struct err *err)
{
    const size_t left = (size_t)(v->end - v->at);
    if (v->type != PARQUET_BYTE_ARRAY) {
        const size_t size = number_size(v->type);
        if (left < size) {
            return err_set(err, ERR_CORRUPT, "the numbers of a page end too early");
        }
        value->number = read_number(v->type, v->at);
        v->at += size;
        return 0;
    }
    if (left < 4 || le_u32(v->at) > left - 4) {
        return err_set(err, ERR_CORRUPT, "a string goes beyond its page");
    }
    value->len = le_u32(v->at);
    value->text = (const char *)v->at + 4;
    v->at += 4 + value->len;
    return 0;
}

/* Takes a length that delta_pass_over() has checked, and so many bytes. */
static int take_length(struct parquet_values *v, struct parquet_value *value, struct err *err)
{
    int64_t len;
    if (v->numbers.n_left == 0 || !delta_next(&v->numbers, &len) ||
        (uint64_t)len > (uint64_t)(v->end - v->at)) {
        return err_set(err, ERR_CORRUPT, "the strings of a page end too early");
    }
    value->text = (const char *)v->at;
    value->len = (size_t)len;
    v->at += len;
    return 0;
}

static int take_prefixed(struct parquet_values *v, struct parquet_value *value, struct err *err)
{
    int64_t prefix;
    int rc = take_length(v, value, err);
    if (rc) {
        return rc;
    }
    if (v->prefixes.n_left == 0 || !delta_next(&v->prefixes, &prefix) ||
        (uint64_t)prefix > v->whole.len) {
        return err_set(err, ERR_CORRUPT, "a prefix is longer than the value before it");
    }
    v->whole.len = (size_t)prefix;
    rc = buf_append(&v->whole, value->text, value->len, err);
    v->n_expanded += v->whole.len;
    if (!rc && v->n_expanded > EXPANDED_BYTES) {
        rc = err_set(err, ERR_CORRUPT, "the prefixes of a page make %llu bytes of it",
                     (unsigned long long)v->n_expanded);
    }
    value->text = v->whole.data ? v->whole.data : "";
    value->len = v->whole.len;
    return rc;
}

int parquet_values_next(struct parquet_values *v, struct parquet_value *value, struct err *err)
{
    switch (v->encoding) {
    case PARQUET_PLAIN:
        return take_plain(v, value, err);
    case PARQUET_RLE_DICTIONARY:
        return take_indexed(v, value, err);
    case PARQUET_DELTA_BINARY_PACKED:
        if (v->numbers.n_left == 0 || !delta_next(&v->numbers, &value->number)) {
            return err_set(err, ERR_CORRUPT, "%s",
                           v->numbers.why ? v->numbers.why : "the numbers of a page end too early");
        }
        if (v->type == PARQUET_INT32) {
            value->number = (int32_t)value->number;
        }
        return 0;
    case PARQUET_DELTA_LENGTH:
        return take_length(v, value, err);
    default:
        return take_prefixed(v, value, err);
    }
}

int parquet_values_begin(struct parquet_values *v, int64_t encoding, const unsigned char *bytes,
                         size_t len, uint64_t n, struct err *err)
{
    int rc = begin(v, encoding, bytes, len, n, err);
    const struct parquet_values begun = *v;
    for (uint64_t i = 0; i < n && !rc; i++) {
        struct parquet_value value;
        rc = parquet_values_next(v, &value, err);
    }
    const struct buf whole = v->whole; // it may have grown
    *v = begun;
    v->whole = whole;
    v->whole.len = 0;
    return rc;
}

void parquet_values_end(struct parquet_values *v)
{
    buf_free(&v->whole);
}
