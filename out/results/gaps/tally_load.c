/*
 * tally_load.c - a tally from bytes, as tally_save.c describes them, whatever they are
 */
#include <string.h>

#include "corpora/base/utf8.h"
#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally.h"
#include "out/results/gaps/tally_internal.h"

struct reader {
    const unsigned char *bytes; // [len]
    size_t len, at;
    struct err *err;
    int rc; // of the first failure; from there on all numbers are 0
};

static void fail(struct reader *r, const char *what)
{
    if (!r->rc) {
        r->rc = err_set(r->err, ERR_FORMAT, "byte %zu of a tally: %s", r->at, what);
    }
}

/* The next n bytes, or NULL. */
static const unsigned char *take(struct reader *r, size_t n)
{
    if (r->rc || n > r->len - r->at) {
        fail(r, "it ends too early");
        return NULL;
    }
    r->at += n;
    return r->bytes + r->at - n;
}

static uint64_t take_number(struct reader *r, size_t n_bytes)
{
    const unsigned char *bytes = take(r, n_bytes);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < n_bytes; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static uint32_t take_u32(struct reader *r)
{
    return (uint32_t)take_number(r, 4);
}

static uint64_t take_u64(struct reader *r)
{
    return take_number(r, 8);
}

static __int128 take_i128(struct reader *r)
{
    const uint64_t low = take_u64(r), high = take_u64(r);
    return (__int128)((unsigned __int128)high << 64 | low);
}

static double take_f64(struct reader *r)
{
    const uint64_t bits = take_u64(r);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A number of things that take at least 'size' bytes each. */
static uint32_t take_count(struct reader *r, size_t size, size_t max, const char *what)
{
    const uint32_t n = take_u32(r);
    if (!r->rc && (n > max || n > (r->len - r->at) / size)) {
        fail(r, what);
    }
    return r->rc ? 0 : n;
}

/* A string where it stands, and its length; NULL on failure. */
static const char *take_string(struct reader *r, size_t max, size_t *len)
{
    *len = take_count(r, 1, max, "a string is too long");
    const char *text = (const char *)take(r, *len);
    if (text && (utf8_valid_prefix(text, *len) < *len || memchr(text, '\0', *len))) {
        fail(r, "a string is not UTF-8");
        text = NULL;
    }
    return text;
}

static void take_moments(struct reader *r, struct moments *m)
{
    m->docs = take_u64(r);
    m->n = take_u64(r);
    m->sum = take_i128(r);
    m->sum_sq = take_i128(r);
    m->sum_n = take_i128(r);
    m->n_sq = take_i128(r);
    m->sum_sq_high = take_u64(r);
}

static void take_gap_sums(struct reader *r, struct tally_gap_sums *s)
{
    s->n = take_u64(r);
    s->gap = take_i128(r);
    s->base = take_i128(r);
    s->other = take_i128(r);
}

static void take_shape(struct reader *r, const struct tally_shape *shape)
{
    struct buf own = {0};
    r->rc = tally_save_shape(shape, &own, r->err);
    if (!r->rc) {
        const size_t magic_len = sizeof TALLY_MAGIC - 1;
        if (r->len < magic_len || memcmp(r->bytes, TALLY_MAGIC, magic_len) != 0) {
            fail(r, "these are not the bytes of a tally, or of another version");
        } else if (r->len < own.len || memcmp(r->bytes, own.data, own.len) != 0) {
            fail(r, "it is of other models, pairs, shards or settings");
        }
        take(r, own.len);
    }
    buf_free(&own);
}

static void take_reject(struct reader *r, struct tally_reject *reject)
{
    reject->n = take_u64(r);
    if (!r->rc && reject->n == 0) {
        fail(r, "a reason without rejects");
    }
    for (size_t k = 0; k < reject->n && k < TALLY_REJECT_PLACES && !r->rc; k++) {
        const uint64_t line = take_u64(r), byte = take_u64(r);
        size_t len;
        const char *why = take_string(r, sizeof reject->places[k].why - 1, &len);
        if (!why) {
            return;
        }
        reject->places[k].line = line;
        reject->places[k].byte = byte;
        memcpy(reject->places[k].why, why, len);
        if (k > 0) {
            const uint64_t last_line = reject->places[k - 1].line;
            const uint64_t last_byte = reject->places[k - 1].byte;
            const bool later = last_line != line ? last_line < line
                               : last_byte != byte
                                   ? last_byte < byte
                                   : strcmp(reject->places[k - 1].why, reject->places[k].why) <= 0;
            if (!later) {
                fail(r, "places out of order");
            }
        }
    }
}

static void take_shard(struct reader *r, struct tally_shard *s)
{
    s->docs = take_u64(r);
    s->tokens = take_u64(r);
    s->text_bytes = take_u64(r);
    s->units_done = take_u64(r);
    s->repaired = take_u64(r);
    s->skipped = take_u64(r);
    const uint32_t n = take_count(r, 12, TALLY_REASONS, "too many reasons");
    for (uint32_t i = 0, next = 0; i < n && !r->rc; i++) {
        const uint32_t reason = take_u32(r);
        if (reason < next || reason >= TALLY_REASONS) {
            fail(r, "reasons out of order");
            return;
        }
        next = reason + 1;
        take_reject(r, &s->rejects[reason]);
    }
}

/* The hit's strings, which stand behind one another. */
static void take_hit_strings(struct reader *r, struct tally_hit *hit)
{
    struct buf texts = {0};
    size_t starts[3];
    for (int i = 0; i < 3; i++) {
        size_t len;
        const char *text = take_string(r, UINT32_MAX, &len);
        starts[i] = texts.len;
        r->rc = r->rc ? r->rc : buf_append(&texts, text, len, r->err);
        r->rc = r->rc ? r->rc : buf_append(&texts, "", 1, r->err);
    }
    if (!r->rc) {
        const char *const each[3] = {texts.data, texts.data + starts[1], texts.data + starts[2]};
        r->rc = hits_copy_strings(hit, each, r->err);
    }
    buf_free(&texts);
}

/* Its detail, if it has one. */
static void take_detail(struct reader *r, struct tally_hit *hit)
{
    const size_t len = take_count(r, 1, UINT32_MAX, "a hit's detail is too long");
    const void *bytes = take(r, len);
    struct buf again = {0};
    if (!r->rc && len > 0) {
        r->rc = hit_detail_load(&hit->detail, bytes, len, r->err);
    }
    if (!r->rc && len > 0) {
        r->rc = hit_detail_save(hit->detail, &again, r->err);
    }
    if (!r->rc && (again.len != len || (len > 0 && memcmp(again.data, bytes, len) != 0))) {
        fail(r, "a hit's detail has another form");
    }
    buf_free(&again);
}

#define HIT_BYTES_MIN 84 // of the file

static void take_hit(struct reader *r, struct tally_hits *hits, int side,
                     const struct tally_shape *shape)
{
    struct tally_hit *h = &hits->items[hits->n];
    *h = (struct tally_hit){.gap = (int64_t)take_u64(r)};
    h->base_logprob = take_f64(r);
    h->other_logprob = take_f64(r);
    h->shard = take_u32(r);
    h->doc = take_u64(r);
    h->byte_start = take_u32(r);
    h->byte_end = take_u32(r);
    h->at = take_u32(r);
    h->token = take_u32(r);
    h->context[0] = take_u64(r);
    h->context[1] = take_u64(r);
    if (r->rc) {
        return;
    }
    const int64_t worst = side == TALLY_OTHER ? 1 : -2 * FIXED_MAX;
    if (h->gap < worst || h->gap > worst + 2 * FIXED_MAX - 1) {
        fail(r, "a hit's gap is out of range");
    } else if (h->shard >= shape->n_shards || h->token >= shape->d_vocab ||
               h->byte_start > h->byte_end) {
        fail(r, "a hit's place is out of range");
    } else if (hits->n > 0 && hits_order(h - 1, h, side) >= 0) {
        fail(r, "hits out of order");
    } else {
        take_hit_strings(r, h);
        take_detail(r, h);
        if (r->rc) {
            hits_free_own(h);
        }
        hits->n += !r->rc;
    }
}

static void take_hits(struct reader *r, struct tally_hits *hits, int side,
                      const struct tally_shape *shape, size_t top)
{
    const uint32_t n = take_count(r, HIT_BYTES_MIN, top, "too many hits");
    r->rc = r->rc ? r->rc
                  : mem_reserve(&hits->items, &hits->cap, n, sizeof *hits->items, "hits", r->err);
    for (uint32_t i = 0; i < n && !r->rc; i++) {
        take_hit(r, hits, side, shape);
    }
    const uint32_t n_cells =
        take_count(r, 8, hits->sketch ? TALLY_SKETCH_CELLS : 0, "too many cells");
    for (uint32_t i = 0, next = 0; i < n_cells && !r->rc; i++) {
        const uint32_t cell = take_u32(r), count = take_u32(r);
        if (cell < next || cell >= TALLY_SKETCH_CELLS || count == 0) {
            fail(r, "cells out of order");
            return;
        }
        next = cell + 1;
        hits->sketch[cell] = count;
    }
}

static void take_hypothesis(struct reader *r, struct tally_hypothesis *h)
{
    h->seen = take_u64(r);
    h->tokens = take_u64(r);
    h->docs = take_u64(r);
    h->aborted = take_u64(r);
}

static void take_ledger(struct reader *r, struct tally_ledger *l)
{
    take_moments(r, &l->labelled);
    take_moments(r, &l->rest);
    l->gain = take_i128(r);
    l->beyond = take_i128(r);
    l->gain_beyond = take_i128(r);
}

static void take_pair(struct reader *r, struct tally_pair_sums *p, const struct tally_shape *shape,
                      size_t top)
{
    take_moments(r, &p->gap);
    take_moments(r, &p->difference);
    p->other_better = take_u64(r);
    p->gain = take_i128(r);
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        take_ledger(r, &p->ledger[h]);
    }
    for (size_t i = 0; i < 2 * shape->gap_bins_half; i++) {
        p->hist[i] = take_u64(r);
    }
    for (size_t i = 0; i < TALLY_POSITIONS; i++) {
        take_gap_sums(r, &p->position[i]);
    }
    take_hits(r, &p->hits[TALLY_OTHER], TALLY_OTHER, shape, top);
    take_hits(r, &p->hits[TALLY_BASE], TALLY_BASE, shape, top);
}

static void take_tokens(struct reader *r, struct tally *t)
{
    const uint32_t n = take_count(r, 4, t->shape->d_vocab, "too many tokens");
    for (uint32_t i = 0, next = 0; i < n && !r->rc; i++) {
        const uint32_t id = take_u32(r);
        if (id < next || id >= t->shape->d_vocab) {
            fail(r, "tokens out of order");
            return;
        }
        next = id + 1;
        t->is_touched[id] = true;
        t->touched[t->n_touched++] = id;
        for (size_t p = 0; p < tally_full_pairs(t->shape); p++) {
            take_gap_sums(r, &t->pairs[p].tokens[id]);
        }
    }
}

static void take_domain_sums(struct reader *r, struct tally_domain *d,
                             const struct tally_shape *shape)
{
    d->docs = take_u64(r);
    d->tokens = take_u64(r);
    for (size_t i = 0; i < tally_full_models(shape); i++) {
        take_moments(r, &d->models[i]);
    }
    for (size_t i = 0; i < tally_full_pairs(shape); i++) {
        take_moments(r, &d->pairs[i]);
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        take_hypothesis(r, &d->hypotheses[h]);
    }
}

static void take_domains(struct reader *r, struct tally *t)
{
    const uint32_t n = take_count(r, 20, tally_domains_max(t->shape), "too many domains");
    r->rc =
        r->rc ? r->rc
              : mem_reserve(&t->domains, &t->domains_cap, n, sizeof *t->domains, "domains", r->err);
    for (uint32_t i = 0; i < n && !r->rc; i++) {
        size_t len;
        const char *name = take_string(r, UINT32_MAX, &len);
        struct tally_domain *d = &t->domains[i];
        r->rc = r->rc ? r->rc : tally_domain_new(d, t->shape, name, len, r->err);
        if (r->rc) {
            return;
        }
        t->n_domains++;
        if (i > 0 && tally_domain_order(d - 1, d) >= 0) {
            fail(r, "domains out of order");
        }
        take_domain_sums(r, d, t->shape);
    }
    take_domain_sums(r, &t->other, t->shape);
}

int tally_load(struct tally *t, const void *bytes, size_t len, struct err *err)
{
    const struct tally_shape *shape = t->shape;
    struct reader r = {.bytes = bytes, .len = len, .err = err};
    take_shape(&r, shape);
    for (size_t i = 0; i < shape->n_shards && !r.rc; i++) {
        take_shard(&r, &t->shards[i]);
    }
    for (size_t i = 0; i < shape->n_models && !r.rc; i++) {
        take_moments(&r, &t->models[i].logprob);
        t->models[i].clamped = take_u64(&r);
        t->models[i].n_not_finite = take_u64(&r);
    }
    for (size_t h = 0; h < shape->n_hypotheses && !r.rc; h++) {
        take_hypothesis(&r, &t->hypotheses[h]);
    }
    for (size_t i = 0; i < shape->n_pairs && !r.rc; i++) {
        take_pair(&r, &t->pairs[i], shape, tally_top(shape, i));
    }
    if (!r.rc) {
        take_tokens(&r, t);
    }
    if (!r.rc) {
        take_domains(&r, t);
    }
    if (!r.rc && r.at < r.len) {
        fail(&r, "more bytes follow its end");
    }
    if (r.rc) {
        tally_clear(t);
    }
    return r.rc;
}
