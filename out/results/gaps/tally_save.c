/*
 * tally_save.c - a tally as bytes; tally_load.c reads them
 *
 * All numbers are little-endian: u32, u64, i128 (two's complement), f64 (IEEE 754, as bits).  A
 * string is u32 length, bytes (valid UTF-8 without NUL).  A tally is:
 *
 *  1. "GSTALLY5"
 *  2. the shape: u64 n_models, n_pairs, n_shards, d_vocab, gap_bins_half, top, domains_max,
 *     n_hypotheses, n_brief_models, n_brief_pairs, brief_top; f64 floor; a pair: u32 base, u32 n_others, u32 others[n_others]
 *  3. a shard: u64 docs, tokens, text_bytes, units_done, repaired, skipped; u32 number of reasons
 *     with rejects; a reason, ascending: u32 reason, u64 n, then min(n, 3) places, ascending: u64
 *     line, u64 byte, string why
 *  4. a model: moments, u64 clamped, u64 n_not_finite.  Moments: u64 docs, u64 n, i128 sum, sum_sq,
 *     sum_n, n_sq, u64 sum_sq_high
 *     then a hypothesis: u64 seen, tokens, docs, aborted
 *  5. a pair: moments of gap and of difference, u64 other_better, i128 gain; for each hypothesis moments labelled, moments
 *     rest, i128 gain, beyond, gain_beyond; u64 hist[2 * gap_bins_half], sums of each position
 *     (u64 n, i128 gap, base, other), then for each side: u32 n hits, in order; u32 number of
 *     sketch cells that are not 0, ascending: u32 cell, u32 count.  A hit ends with its detail: u32
 *     length, 0 where there is none, and the bytes of hit_detail_save()
 *  6. u32 number of tokens met, ascending: u32 id, then for each pair sums
 *  7. u32 number of domains, ascending by (hash, name): string name, u64 docs, u64 tokens, moments
 *     of each model and pair, each hypothesis; then the same, without name, of all other domains
 *
 * One tally has one such form, and what does not have it is refused.
 */
#include <string.h>

#include "out/results/gaps/tally.h"
#include "out/results/gaps/tally_internal.h"

struct writer {
    struct buf *out;
    struct err *err;
    int rc; // of the first failure; from there on nothing is written
};

static void put_bytes(struct writer *w, const void *bytes, size_t len)
{
    w->rc = w->rc ? w->rc : buf_append(w->out, bytes, len, w->err);
}

static void put_u64(struct writer *w, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    put_bytes(w, bytes, sizeof bytes);
}

static void put_u32(struct writer *w, uint64_t value)
{
    const unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                                    (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    put_bytes(w, bytes, sizeof bytes);
}

static void put_i128(struct writer *w, __int128 value)
{
    put_u64(w, (uint64_t)value);
    put_u64(w, (uint64_t)((unsigned __int128)value >> 64));
}

static void put_f64(struct writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(w, bits);
}

static void put_string(struct writer *w, const char *text)
{
    const size_t len = text ? strlen(text) : 0;
    put_u32(w, len);
    put_bytes(w, text, len);
}

/* Its length, 0 where there is none, and its bytes. */
static void put_detail(struct writer *w, const struct hit_detail *detail)
{
    struct buf bytes = {0};
    if (detail && !w->rc) {
        w->rc = hit_detail_save(detail, &bytes, w->err);
    }
    put_u32(w, bytes.len);
    put_bytes(w, bytes.data, bytes.len);
    buf_free(&bytes);
}

static void put_moments(struct writer *w, const struct moments *m)
{
    put_u64(w, m->docs);
    put_u64(w, m->n);
    put_i128(w, m->sum);
    put_i128(w, m->sum_sq);
    put_i128(w, m->sum_n);
    put_i128(w, m->n_sq);
    put_u64(w, m->sum_sq_high);
}

static void put_gap_sums(struct writer *w, const struct tally_gap_sums *s)
{
    put_u64(w, s->n);
    put_i128(w, s->gap);
    put_i128(w, s->base);
    put_i128(w, s->other);
}

int tally_save_shape(const struct tally_shape *s, struct buf *out, struct err *err)
{
    struct writer w = {.out = out, .err = err};
    put_bytes(&w, TALLY_MAGIC, sizeof TALLY_MAGIC - 1);
    put_u64(&w, s->n_models);
    put_u64(&w, s->n_pairs);
    put_u64(&w, s->n_shards);
    put_u64(&w, s->d_vocab);
    put_u64(&w, s->gap_bins_half);
    put_u64(&w, s->top);
    put_u64(&w, tally_domains_max(s));
    put_u64(&w, s->n_hypotheses);
    put_u64(&w, s->n_brief_models);
    put_u64(&w, s->n_brief_pairs);
    put_u64(&w, s->brief_top);
    put_f64(&w, s->floor);
    for (size_t p = 0; p < s->n_pairs; p++) {
        put_u32(&w, s->pairs[p].base);
        put_u32(&w, s->pairs[p].n_others);
        for (uint32_t k = 0; k < s->pairs[p].n_others; k++) {
            put_u32(&w, s->pairs[p].others[k]);
        }
    }
    return w.rc;
}

static void put_shard(struct writer *w, const struct tally_shard *s)
{
    put_u64(w, s->docs);
    put_u64(w, s->tokens);
    put_u64(w, s->text_bytes);
    put_u64(w, s->units_done);
    put_u64(w, s->repaired);
    put_u64(w, s->skipped);
    uint32_t n = 0;
    for (unsigned i = 0; i < TALLY_REASONS; i++) {
        n += s->rejects[i].n > 0;
    }
    put_u32(w, n);
    for (unsigned i = 0; i < TALLY_REASONS; i++) {
        const struct tally_reject *r = &s->rejects[i];
        if (r->n == 0) {
            continue;
        }
        put_u32(w, i);
        put_u64(w, r->n);
        for (size_t k = 0; k < r->n && k < TALLY_REJECT_PLACES; k++) {
            put_u64(w, r->places[k].line);
            put_u64(w, r->places[k].byte);
            put_string(w, r->places[k].why);
        }
    }
}

static void put_hits(struct writer *w, const struct tally_hits *hits)
{
    put_u32(w, hits->n);
    for (size_t i = 0; i < hits->n; i++) {
        const struct tally_hit *h = &hits->items[i];
        put_u64(w, (uint64_t)h->gap);
        put_f64(w, h->base_logprob);
        put_f64(w, h->other_logprob);
        put_u32(w, h->shard);
        put_u64(w, h->doc);
        put_u32(w, h->byte_start);
        put_u32(w, h->byte_end);
        put_u32(w, h->at);
        put_u32(w, h->token);
        put_u64(w, h->context[0]);
        put_u64(w, h->context[1]);
        put_string(w, h->token_text);
        put_string(w, h->before);
        put_string(w, h->after);
        put_detail(w, h->detail);
    }
    uint32_t n = 0;
    for (size_t i = 0; i < TALLY_SKETCH_CELLS && hits->sketch; i++) {
        n += hits->sketch[i] > 0;
    }
    put_u32(w, n);
    for (size_t i = 0; i < TALLY_SKETCH_CELLS && hits->sketch; i++) {
        if (hits->sketch[i]) {
            put_u32(w, i);
            put_u32(w, hits->sketch[i]);
        }
    }
}

static void put_hypothesis(struct writer *w, const struct tally_hypothesis *h)
{
    put_u64(w, h->seen);
    put_u64(w, h->tokens);
    put_u64(w, h->docs);
    put_u64(w, h->aborted);
}

static void put_ledger(struct writer *w, const struct tally_ledger *l)
{
    put_moments(w, &l->labelled);
    put_moments(w, &l->rest);
    put_i128(w, l->gain);
    put_i128(w, l->beyond);
    put_i128(w, l->gain_beyond);
}

static void put_pair(struct writer *w, const struct tally_pair_sums *p,
                     const struct tally_shape *shape)
{
    put_moments(w, &p->gap);
    put_moments(w, &p->difference);
    put_u64(w, p->other_better);
    put_i128(w, p->gain);
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        put_ledger(w, &p->ledger[h]);
    }
    for (size_t i = 0; i < 2 * shape->gap_bins_half; i++) {
        put_u64(w, p->hist[i]);
    }
    for (size_t i = 0; i < TALLY_POSITIONS; i++) {
        put_gap_sums(w, &p->position[i]);
    }
    put_hits(w, &p->hits[TALLY_OTHER]);
    put_hits(w, &p->hits[TALLY_BASE]);
}

static void put_domain_sums(struct writer *w, const struct tally_domain *d,
                            const struct tally_shape *shape)
{
    put_u64(w, d->docs);
    put_u64(w, d->tokens);
    for (size_t i = 0; i < tally_full_models(shape); i++) {
        put_moments(w, &d->models[i]);
    }
    for (size_t i = 0; i < tally_full_pairs(shape); i++) {
        put_moments(w, &d->pairs[i]);
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        put_hypothesis(w, &d->hypotheses[h]);
    }
}

int tally_save(const struct tally *t, struct buf *out, struct err *err)
{
    const struct tally_shape *shape = t->shape;
    const size_t before = out->len;
    struct writer w = {.out = out, .err = err};
    w.rc = tally_save_shape(shape, out, err);
    for (size_t i = 0; i < shape->n_shards; i++) {
        put_shard(&w, &t->shards[i]);
    }
    for (size_t i = 0; i < shape->n_models; i++) {
        put_moments(&w, &t->models[i].logprob);
        put_u64(&w, t->models[i].clamped);
        put_u64(&w, t->models[i].n_not_finite);
    }
    for (size_t h = 0; h < shape->n_hypotheses; h++) {
        put_hypothesis(&w, &t->hypotheses[h]);
    }
    for (size_t i = 0; i < shape->n_pairs; i++) {
        put_pair(&w, &t->pairs[i], shape);
    }
    put_u32(&w, t->n_touched);
    for (size_t id = 0; id < shape->d_vocab; id++) {
        if (t->is_touched[id]) {
            put_u32(&w, id);
            for (size_t i = 0; i < tally_full_pairs(shape); i++) {
                put_gap_sums(&w, &t->pairs[i].tokens[id]);
            }
        }
    }
    put_u32(&w, t->n_domains);
    for (size_t i = 0; i < t->n_domains; i++) {
        put_string(&w, t->domains[i].name);
        put_domain_sums(&w, &t->domains[i], shape);
    }
    put_domain_sums(&w, &t->other, shape);
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}
