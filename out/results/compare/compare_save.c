/*
 * compare_save.c - a comparison as bytes, and back
 *
 * Numbers are those of bytes.h; one of 128 bits is its low half and its high half.  In order: magic,
 * how many pairs and hypotheses; of each pair its sums, how many tokens are not finite, how many
 * bins are not empty, each with its number, ascending, and its tokens, and the sums of each
 * hypothesis and kind of token; how many domains, each with its name and the sums of each pair, ascending by (hash,
 * name); the sums of each pair over the other domains.  Sums are three moments.
 */
#include "out/results/compare/compare.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "out/results/bytes.h"
#include "out/results/compare/compare_internal.h"

#define MAGIC UINT64_C(0x32504d435347) // "GSCMP2"
#define SUMS_BYTES ((size_t)3 * 11 * 8)

static void put_wide(struct bytes_writer *w, __int128 value)
{
    bytes_put(w, (uint64_t)value);
    bytes_put(w, (uint64_t)((unsigned __int128)value >> 64));
}

static void put_moments(struct bytes_writer *w, const struct moments *m)
{
    bytes_put(w, m->docs);
    bytes_put(w, m->n);
    put_wide(w, m->sum);
    put_wide(w, m->sum_sq);
    put_wide(w, m->sum_n);
    put_wide(w, m->n_sq);
    bytes_put(w, m->sum_sq_high);
}

static void put_sums(struct bytes_writer *w, const struct compare_sums *s)
{
    put_moments(w, &s->kl);
    put_moments(w, &s->difference);
    put_moments(w, &s->same);
}

static void put_pair(struct bytes_writer *w, const struct compare_pair_sums *p, size_t n_hypotheses)
{
    uint64_t n_bins = 0;
    for (size_t i = 0; i < COMPARE_BINS; i++) {
        n_bins += p->hist[i] > 0;
    }
    put_sums(w, &p->all);
    bytes_put(w, p->n_not_finite);
    bytes_put(w, n_bins);
    for (size_t i = 0; i < COMPARE_BINS; i++) {
        if (p->hist[i] > 0) {
            bytes_put(w, i);
            bytes_put(w, p->hist[i]);
        }
    }
    for (size_t h = 0; h < n_hypotheses; h++) {
        put_sums(w, &p->hypotheses[h]);
    }
    for (size_t k = 0; k < TOKEN_KINDS; k++) {
        put_sums(w, &p->kinds[k]);
    }
}

int compare_save(const struct compare *c, struct buf *out, struct err *err)
{
    const struct compare_shape *s = c->shape;
    const size_t before = out->len;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, MAGIC);
    bytes_put(&w, s->n_pairs);
    bytes_put(&w, s->n_hypotheses);
    for (size_t p = 0; p < s->n_pairs; p++) {
        put_pair(&w, &c->pairs[p], s->n_hypotheses);
    }
    bytes_put(&w, c->n_domains);
    for (size_t i = 0; i <= c->n_domains; i++) {
        const struct compare_domain *d = i < c->n_domains ? &c->domains[i] : &c->other;
        if (i < c->n_domains) {
            bytes_put_text(&w, d->name);
        }
        for (size_t p = 0; p < s->n_pairs; p++) {
            put_sums(&w, &d->pairs[p]);
        }
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

// --- and back -----------------------------------------------------------------------------------

static uint64_t get_any(struct bytes_reader *r)
{
    return bytes_get(r, 0, UINT64_MAX, "a number");
}

static __int128 get_wide(struct bytes_reader *r)
{
    const uint64_t low = get_any(r), high = get_any(r);
    return (__int128)((unsigned __int128)high << 64 | low);
}

static void get_moments(struct bytes_reader *r, struct moments *m)
{
    m->docs = get_any(r);
    m->n = get_any(r);
    m->sum = get_wide(r);
    m->sum_sq = get_wide(r);
    m->sum_n = get_wide(r);
    m->n_sq = get_wide(r);
    m->sum_sq_high = get_any(r);
}

static void get_sums(struct bytes_reader *r, struct compare_sums *s)
{
    get_moments(r, &s->kl);
    get_moments(r, &s->difference);
    get_moments(r, &s->same);
}

static void get_pair(struct bytes_reader *r, struct compare_pair_sums *p, size_t n_hypotheses)
{
    get_sums(r, &p->all);
    p->n_not_finite = get_any(r);
    const size_t n_bins = bytes_get_n(r, COMPARE_BINS, 16, "bins");
    for (uint64_t i = 0, least = 0; i < n_bins && !r->rc; i++) {
        const uint64_t bin = bytes_get(r, least, COMPARE_BINS - 1, "a bin");
        p->hist[bin < COMPARE_BINS ? bin : 0] = bytes_get(r, 1, UINT64_MAX, "the tokens of a bin");
        least = bin + 1;
    }
    for (size_t h = 0; h < n_hypotheses && !r->rc; h++) {
        get_sums(r, &p->hypotheses[h]);
    }
    for (size_t k = 0; k < TOKEN_KINDS && !r->rc; k++) {
        get_sums(r, &p->kinds[k]);
    }
}

static void get_domain(struct bytes_reader *r, struct compare *c)
{
    char *name = bytes_get_text(r, "the name of a domain");
    if (name && utf8_valid_prefix(name, strlen(name)) < strlen(name)) {
        bytes_bad(r, "the name of a domain");
    }
    r->rc = r->rc ? r->rc : compare_domain_append(c, name, r->err);
    free(name);
    if (r->rc) {
        return;
    }
    const struct compare_domain *d = &c->domains[c->n_domains - 1];
    if (c->n_domains > 1 && compare_domain_order(d - 1, d) >= 0) {
        bytes_bad(r, "the order of the domains");
    }
    for (size_t p = 0; p < c->shape->n_pairs && !r->rc; p++) {
        get_sums(r, &d->pairs[p]);
    }
}

int compare_load(struct compare *c, const void *bytes, size_t len, struct err *err)
{
    const struct compare_shape *s = c->shape;
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved comparison", .err = err};
    const uint64_t head[] = {MAGIC, s->n_pairs, s->n_hypotheses};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        bytes_get(&r, head[i], head[i], "its beginning");
    }
    for (size_t p = 0; p < s->n_pairs && !r.rc; p++) {
        get_pair(&r, &c->pairs[p], s->n_hypotheses);
    }
    const size_t n_domains =
        bytes_get_n(&r, COMPARE_DOMAINS_MAX, 8 + s->n_pairs * SUMS_BYTES, "domains");
    for (size_t i = 0; i < n_domains && !r.rc; i++) {
        get_domain(&r, c);
    }
    for (size_t p = 0; p < s->n_pairs && !r.rc; p++) {
        get_sums(&r, &c->other.pairs[p]);
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "more bytes follow its end");
    }
    return r.rc;
}
