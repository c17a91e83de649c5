#include "out/results/compare/compare_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/compare/compare_internal.h"
#include "out/results/gaps/gaps_tables.h"

static const unsigned percentiles[] = {1, 5, 25, 50, 75, 95, 99};

static bool is_compared(const struct compare *c, size_t pair)
{
    return c->shape->pairs[pair].kind == COMPARE_PAIR;
}

static int write_pairs(const struct sql *s, const struct compare *c, struct err *err)
{
    char share[32];
    struct rows w;
    snprintf(share, sizeof share, "%" PRIu32 "/%" PRIu32, c->shape->share.take, c->shape->share.of);
    rows_anew(&w, s, "DELETE FROM compare", "INSERT INTO compare VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
              err);
    for (size_t p = 0; p < c->shape->n_pairs && !w.rc; p++) {
        const struct compare_pair_sums *of = &c->pairs[p];
        rows_u64(&w, p);
        rows_text(&w, share);
        rows_text(&w, compare_pair_reason(c->shape->pairs[p].kind));
        rows_u64(&w, of->all.kl.docs);
        rows_u64(&w, of->all.kl.n);
        rows_u64(&w, of->n_not_finite);
        rows_real(&w, moments_mean(&of->all.kl));
        rows_real(&w, moments_se(&of->all.kl));
        rows_real(&w, moments_mean(&of->all.same));
        rows_real(&w, moments_se(&of->all.same));
        rows_real(&w, moments_mean(&of->all.difference));
        rows_real(&w, moments_se(&of->all.difference));
        rows_next(&w);
    }
    return rows_close(&w);
}

static int write_hists(const struct sql *s, const struct compare *c, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM compare_hist", "INSERT INTO compare_hist VALUES(?,?,?,?)", err);
    for (size_t p = 0; p < c->shape->n_pairs; p++) {
        for (size_t i = 0; i < COMPARE_BINS && !w.rc; i++) {
            if (c->pairs[p].hist[i] == 0) {
                continue;
            }
            rows_u64(&w, p);
            rows_real(&w, compare_edge(i));
            rows_real(&w, compare_edge(i + 1));
            rows_u64(&w, c->pairs[p].hist[i]);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_percentiles(const struct sql *s, const struct compare *c, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM compare_percentile",
              "INSERT INTO compare_percentile VALUES(?,?,?,?)", err);
    for (size_t p = 0; p < c->shape->n_pairs; p++) {
        for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles && !w.rc; i++) {
            const size_t bin = compare_percentile(&c->pairs[p], percentiles[i]);
            if (bin == COMPARE_BINS) {
                continue;
            }
            rows_u64(&w, p);
            rows_u64(&w, percentiles[i]);
            rows_real(&w, compare_edge(bin));
            rows_real(&w, compare_edge(bin + 1));
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

/* From the number of documents on. */
static void end_row(struct rows *w, const struct compare_sums *sums)
{
    rows_u64(w, sums->kl.docs);
    rows_u64(w, sums->kl.n);
    rows_real(w, moments_mean(&sums->kl));
    rows_real(w, moments_se(&sums->kl));
    rows_real(w, moments_mean(&sums->same));
    rows_real(w, moments_mean(&sums->difference));
    rows_next(w);
}

static int write_hypotheses(const struct sql *s, const struct compare *c, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM compare_hypothesis",
              "INSERT INTO compare_hypothesis VALUES(?,?,?,?,?,?,?,?)", err);
    for (size_t p = 0; p < c->shape->n_pairs; p++) {
        for (size_t h = 0; is_compared(c, p) && h < c->shape->n_hypotheses && !w.rc; h++) {
            rows_u64(&w, p);
            rows_u64(&w, h);
            end_row(&w, &c->pairs[p].hypotheses[h]);
        }
    }
    return rows_close(&w);
}

static int write_kinds(const struct sql *s, const struct compare *c, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM compare_kind", "INSERT INTO compare_kind VALUES(?,?,?,?,?,?,?,?)",
              err);
    for (size_t p = 0; p < c->shape->n_pairs; p++) {
        for (size_t k = 0; is_compared(c, p) && k < TOKEN_KINDS && !w.rc; k++) {
            const struct compare_sums *of = &c->pairs[p].kinds[k];
            if (of->kl.n > 0) {
                rows_u64(&w, p);
                rows_text(&w, token_kind_name(k));
                end_row(&w, of);
            }
        }
    }
    return rows_close(&w);
}

// --- domains ------------------------------------------------------------------------------------

/* The domain's number in the list; n: it is in "(other)", or in a damaged file nowhere. */
static size_t find(const struct tally_domain *const *domains, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(domains[i]->name ? domains[i]->name : "", name) != 0) {
        i++;
    }
    return i;
}

/* (*sums)[domain][pair], domains being numbered as in the tally's tables: what the tally has summed
 * in "(other)" is the last. */
static int sum_domains(struct compare_sums **sums, size_t *n, const struct tally *tally,
                       const struct compare *c, struct err *err)
{
    const struct tally_domain **domains = NULL;
    int rc = gaps_tables_domains(&domains, n, tally, err);
    const size_t n_pairs = c->shape->n_pairs;
    const size_t n_named = rc || *n == 0 || domains[*n - 1] != &tally->other ? *n : *n - 1;
    *sums = rc ? NULL : mem_zero((*n + 1) * n_pairs, sizeof **sums);
    rc = rc || *sums ? rc : err_nomem(err, "domains");
    for (size_t i = 0; i <= c->n_domains && !rc; i++) {
        const struct compare_domain *d = i < c->n_domains ? &c->domains[i] : &c->other;
        const size_t at = i < c->n_domains ? find(domains, n_named, d->name) : n_named;
        for (size_t p = 0; p < n_pairs; p++) {
            compare_sums_merge(&(*sums)[at * n_pairs + p], &d->pairs[p]);
        }
    }
    free(domains);
    return rc;
}

static int write_domains(const struct sql *s, const struct tally *tally, const struct compare *c,
                         struct err *err)
{
    struct compare_sums *sums = NULL;
    size_t n = 0;
    int rc = sum_domains(&sums, &n, tally, c, err);
    if (rc) {
        return rc;
    }
    struct rows w;
    rows_anew(&w, s, "DELETE FROM compare_domain",
              "INSERT INTO compare_domain VALUES(?,?,?,?,?,?,?,?)", err);
    for (size_t d = 0; d < n; d++) {
        for (size_t p = 0; p < c->shape->n_pairs && !w.rc; p++) {
            const struct compare_sums *of = &sums[d * c->shape->n_pairs + p];
            if (of->kl.n > 0) {
                rows_u64(&w, d);
                rows_u64(&w, p);
                end_row(&w, of);
            }
        }
    }
    free(sums);
    return rows_close(&w);
}

int compare_tables_write(const struct sql *s, const struct tally *tally, const struct compare *c,
                         struct err *err)
{
    int rc = write_pairs(s, c, err);
    rc = rc ? rc : write_hists(s, c, err);
    rc = rc ? rc : write_percentiles(s, c, err);
    rc = rc ? rc : write_kinds(s, c, err);
    rc = rc ? rc : write_domains(s, tally, c, err);
    return rc ? rc : write_hypotheses(s, c, err);
}
