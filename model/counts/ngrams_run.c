#include "model/counts/ngrams_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "corpora/base/le.h"
#include "corpora/base/mem.h"

static const char magic[8] = {'G', 'A', 'P', 'N', 'G', 'R', 'U', 'N'};
#define RUN_VERSION 1
#define RUN_HEADER ((size_t)8 * (7 + NGRAMS_TABLES))

// --- sorting ------------------------------------------------------------------------------------

/* Radix sort, least significant byte first: every pass is a stable counting sort.  One reading
 * makes all counts; a byte that is the same in all keys needs no pass. */
void ngrams_sort(uint64_t *keys, uint64_t *other, size_t n, unsigned bits)
{
    const unsigned n_bytes = (bits + 7) / 8;
    size_t counts[8][256] = {0};
    for (size_t i = 0; i < n; i++) {
        for (unsigned b = 0; b < n_bytes; b++) {
            counts[b][keys[i] >> 8 * b & 255]++;
        }
    }
    uint64_t *from = keys, *to = other;
    for (unsigned b = 0; b < n_bytes && n > 0; b++) {
        size_t *place = counts[b], at = 0;
        if (place[from[0] >> 8 * b & 255] == n) {
            continue;
        }
        for (size_t v = 0; v < 256; v++) {
            const size_t more = place[v];
            place[v] = at;
            at += more;
        }
        for (size_t i = 0; i < n; i++) {
            to[place[from[i] >> 8 * b & 255]++] = from[i];
        }
        uint64_t *const swap = from;
        from = to;
        to = swap;
    }
    if (from != keys && n > 0) {
        memcpy(keys, from, n * sizeof *keys);
    }
}

// --- a sink -------------------------------------------------------------------------------------

int ngrams_sink_begin(struct ngrams_sink *s, FILE *to, struct err *err)
{
    s->to = to;
    s->key = UINT64_MAX;
    s->len = s->used = 0;
    s->sum = XXH3_createState();
    if (!s->sum) {
        return err_nomem(err, "a sum");
    }
    XXH3_64bits_reset(s->sum);
    return 0;
}

void ngrams_sink_flush(struct ngrams_sink *s)
{
    XXH3_64bits_update(s->sum, s->bytes, s->used);
    (void)!fwrite(s->bytes, 1, s->used, s->to); // the caller checks ferror()
    s->len += s->used;
    s->used = 0;
}

void ngrams_sink_raw(struct ngrams_sink *s, const void *bytes, size_t n)
{
    for (const char *from = bytes; n > 0;) {
        const size_t room = sizeof s->bytes - s->used, now = n < room ? n : room;
        memcpy(s->bytes + s->used, from, now);
        s->used += now;
        from += now;
        n -= now;
        if (s->used == sizeof s->bytes) {
            ngrams_sink_flush(s);
        }
    }
}

void ngrams_sink_entry(struct ngrams_sink *s, uint64_t key, const uint64_t *numbers, size_t n)
{
    if (sizeof s->bytes - s->used < (1 + n) * NGRAMS_VARINT) {
        ngrams_sink_flush(s);
    }
    unsigned char *to = ngrams_put(s->bytes + s->used, key - s->key);
    for (size_t i = 0; i < n; i++) {
        to = ngrams_put(to, numbers[i]);
    }
    s->used = (size_t)(to - s->bytes);
    s->key = key;
}

uint64_t ngrams_sink_sum(const struct ngrams_sink *s)
{
    return XXH3_64bits_digest(s->sum);
}

void ngrams_sink_end(struct ngrams_sink *s)
{
    XXH3_freeState(s->sum);
    s->sum = NULL;
}

// --- keys ---------------------------------------------------------------------------------------

struct row {
    uint64_t *keys; // [n]
    size_t n, cap;
};

struct ngrams_keys {
    unsigned bits;
    uint32_t d_vocab;
    size_t toks;
    struct row rows[NGRAMS_TABLES];
    uint64_t *other; // [other_cap], scratch for sorting
    size_t other_cap;
    struct ngrams_sink sink;
};

/* The number of distances of a kind. */
static size_t distances(unsigned skip)
{
    return skip == 0 ? 1 : (size_t)1 << skip;
}

/* Makes room for the keys of n more tokens. */
static int reserve(struct ngrams_keys *k, size_t n, struct err *err)
{
    int rc = 0;
    for (unsigned t = 0; t < NGRAMS_TABLES && !rc; t++) {
        struct row *r = &k->rows[t];
        const size_t each = t < NGRAMS_SKIP ? 1 : distances(t - NGRAMS_SKIP);
        rc = mem_reserve(&r->keys, &r->cap, r->n + each * n, sizeof *r->keys, "n-grams", err);
    }
    return rc;
}

int ngrams_keys_new(struct ngrams_keys **out, uint32_t d_vocab, size_t toks_max, struct err *err)
{
    struct ngrams_keys *k = mem_zero(1, sizeof *k);
    if (!k) {
        return err_nomem(err, "n-grams");
    }
    k->bits = ngrams_bits(d_vocab);
    k->d_vocab = d_vocab;
    const int rc = reserve(k, toks_max, err);
    if (rc) {
        ngrams_keys_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

void ngrams_keys_free(struct ngrams_keys *k)
{
    if (!k) {
        return;
    }
    for (unsigned t = 0; t < NGRAMS_TABLES; t++) {
        free(k->rows[t].keys);
    }
    free(k->other);
    ngrams_sink_end(&k->sink);
    free(k);
}

size_t ngrams_keys_toks(const struct ngrams_keys *k)
{
    return k->toks;
}

int ngrams_keys_add(struct ngrams_keys *k, uint32_t first, const uint32_t *ids, size_t n,
                    struct err *err)
{
    const int rc = reserve(k, n, err);
    if (rc) {
        return rc;
    }
    const unsigned bits = k->bits;
    for (size_t i = 0; i < n; i++) {
        // before[-d] is d before token i, if there is one: i - d >= -1
        const uint32_t c = ids[i], b = i > 0 ? ids[i - 1] : first;
        struct row *rows = k->rows;
        rows[NGRAMS_BIGRAMS].keys[rows[NGRAMS_BIGRAMS].n++] = ngrams_key2(bits, b, c);
        if (i > 0) {
            const uint32_t a = i > 1 ? ids[i - 2] : first;
            rows[NGRAMS_TRIGRAMS].keys[rows[NGRAMS_TRIGRAMS].n++] = ngrams_key3(bits, a, b, c);
        }
        for (unsigned d = 2; d <= NGRAMS_SKIP_MAX && d <= i + 1; d++) {
            const uint32_t a = d <= i ? ids[i - d] : first;
            struct row *r = &rows[NGRAMS_SKIP + ngrams_skip_of(d)];
            r->keys[r->n++] = ngrams_key2(bits, a, c);
        }
    }
    k->toks += n;
    return 0;
}

/* Writes each different key of a sorted row with its number of occurrences. */
static void write_row(struct ngrams_sink *s, const uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && keys[end] == keys[i]) {
            end++;
        }
        const uint64_t count = end - i;
        ngrams_sink_entry(s, keys[i], &count, 1);
        i = end;
    }
}

static void put_u64(unsigned char *to, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        to[i] = (unsigned char)(value >> 8 * i);
    }
}

static void write_header(const struct ngrams_keys *k, const struct ngrams_run_info *info,
                         const uint64_t *lens, struct ngrams_sink *s)
{
    unsigned char header[RUN_HEADER];
    const uint64_t numbers[] = {RUN_VERSION, info->fingerprint, k->d_vocab,
                                k->toks,     info->docs,        info->n_units};
    memcpy(header, magic, 8);
    for (size_t i = 0; i < 6; i++) {
        put_u64(header + 8 + 8 * i, numbers[i]);
    }
    for (size_t t = 0; t < NGRAMS_TABLES; t++) {
        put_u64(header + 56 + 8 * t, lens[t]);
    }
    ngrams_sink_raw(s, header, sizeof header);
    for (size_t i = 0; i < info->n_units; i++) {
        put_u64(header, info->units[i]);
        ngrams_sink_raw(s, header, 8);
    }
}

/* The number of bytes that a sorted row will take. */
static uint64_t row_bytes(const uint64_t *keys, size_t n)
{
    unsigned char bytes[NGRAMS_VARINT];
    uint64_t len = 0, before = UINT64_MAX;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && keys[end] == keys[i]) {
            end++;
        }
        len += (uint64_t)(ngrams_put(bytes, keys[i] - before) - bytes);
        len += (uint64_t)(ngrams_put(bytes, end - i) - bytes);
        before = keys[i];
        i = end;
    }
    return len;
}

/* Sorts all rows; lens[NGRAMS_TABLES] becomes the number of bytes that each will take. */
static int sort_rows(struct ngrams_keys *k, uint64_t *lens, struct err *err)
{
    for (unsigned t = 0; t < NGRAMS_TABLES; t++) {
        const struct row *r = &k->rows[t];
        const int rc =
            mem_reserve(&k->other, &k->other_cap, r->n, sizeof *k->other, "n-grams", err);
        if (rc) {
            return rc;
        }
        if (r->n > 0) {
            ngrams_sort(r->keys, k->other, r->n, (t == NGRAMS_TRIGRAMS ? 3 : 2) * k->bits);
        }
        lens[t] = row_bytes(r->keys, r->n);
    }
    return 0;
}

/* Writes header, rows and sum; a failure shows in the stream. */
static int write_rows(struct ngrams_keys *k, const struct ngrams_run_info *info,
                      const uint64_t *lens, FILE *to, struct err *err)
{
    unsigned char sum[8];
    const int rc = ngrams_sink_begin(&k->sink, to, err);
    if (rc) {
        return rc;
    }
    write_header(k, info, lens, &k->sink);
    for (unsigned t = 0; t < NGRAMS_TABLES; t++) {
        k->sink.key = UINT64_MAX;
        write_row(&k->sink, k->rows[t].keys, k->rows[t].n);
        k->rows[t].n = 0;
    }
    ngrams_sink_flush(&k->sink);
    put_u64(sum, ngrams_sink_sum(&k->sink));
    (void)!fwrite(sum, 1, sizeof sum, to);
    ngrams_sink_end(&k->sink);
    k->toks = 0;
    return 0;
}

/* There is no fsync: a run that a power cut leaves damaged has a wrong sum and is counted again,
 * and 72 million tokens took 34 s with fsync and 19 s without (the better of two each, beside other
 * work). */
int ngrams_keys_write(struct ngrams_keys *k, const struct ngrams_run_info *info, const char *path,
                      struct err *err)
{
    uint64_t lens[NGRAMS_TABLES];
    char *temporary = NULL;
    FILE *to = NULL;
    int rc = sort_rows(k, lens, err);
    if (rc) {
        return rc;
    }
    if (asprintf(&temporary, "%s.tmp", path) < 0) {
        return err_nomem(err, "a path");
    }
    to = fopen(temporary, "we");
    if (!to) {
        rc = err_set(err, ERR_IO, "%s: %m", temporary);
        goto out;
    }
    rc = write_rows(k, info, lens, to, err);
    const bool failed = ferror(to) | fclose(to);
    if (rc) {
        goto out;
    }
    if (failed || rename(temporary, path) != 0) {
        rc = err_set(err, ERR_IO, "%s: %m", path);
    }
out:
    if (rc) {
        unlink(temporary);
    }
    free(temporary);
    return rc;
}

// --- runs ---------------------------------------------------------------------------------------

static int parse(struct ngrams_run *r, struct err *err)
{
    const unsigned char *b = r->map.data;
    const size_t len = r->map.len;
    if (len < RUN_HEADER + 8 || memcmp(b, magic, 8) != 0 || le_u64(b + 8) != RUN_VERSION) {
        return err_set(err, ERR_FORMAT, "is not a run of gapscope count");
    }
    if (XXH3_64bits(b, len - 8) != le_u64(b + len - 8)) {
        return err_set(err, ERR_CORRUPT, "is damaged");
    }
    const uint64_t d_vocab = le_u64(b + 24), n_units = le_u64(b + 48);
    size_t at = RUN_HEADER;
    if (d_vocab == 0 || d_vocab > (uint64_t)1 << NGRAMS_BITS_MAX || n_units > (len - 8 - at) / 8) {
        return err_set(err, ERR_FORMAT, "its header makes no sense");
    }
    r->d_vocab = (uint32_t)d_vocab;
    r->info.fingerprint = le_u64(b + 16);
    r->tokens = le_u64(b + 32);
    r->info.docs = le_u64(b + 40);
    uint64_t *units = mem_new(n_units, sizeof *units);
    if (!units) {
        return err_nomem(err, "units");
    }
    r->info.units = units;
    r->info.n_units = n_units;
    for (size_t i = 0; i < n_units; i++, at += 8) {
        units[i] = le_u64(b + at);
    }
    for (size_t t = 0; t < NGRAMS_TABLES; t++) {
        r->at[t] = at;
        const uint64_t bytes = le_u64(b + 56 + 8 * t);
        if (bytes > len - 8 - at) {
            return err_set(err, ERR_FORMAT, "its header makes no sense");
        }
        r->len[t] = bytes;
        at += bytes;
    }
    return at == len - 8 ? 0 : err_set(err, ERR_FORMAT, "its header makes no sense");
}

int ngrams_run_open(struct ngrams_run *out, const char *path, struct err *err)
{
    struct ngrams_run r = {0};
    int rc = file_map(&r.map, path, err);
    if (rc) {
        return rc;
    }
    rc = parse(&r, err);
    if (rc) {
        ngrams_run_close(&r);
        return err_prefix(err, "%s", path);
    }
    file_map_done_with(&r.map, 0, r.map.len); // it was read for its sum
    *out = r;
    return 0;
}

void ngrams_run_close(struct ngrams_run *r)
{
    file_unmap(&r->map);
    free((void *)(uintptr_t)r->info.units);
    *r = (struct ngrams_run){0};
}

void ngrams_run_stream(struct ngrams_cursor *c, const struct ngrams_run *r, unsigned table)
{
    const unsigned bits = ngrams_bits(r->d_vocab) * (table == NGRAMS_TRIGRAMS ? 3 : 2);
    ngrams_stream(c, r->map.data + r->at[table], r->len[table], (uint64_t)1 << bits, false);
}
