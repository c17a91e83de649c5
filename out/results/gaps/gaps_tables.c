/*
 * The tables of gaps: what was read, losses, pairs, hits, gaps by token, position and domain.
 */
#include "out/results/gaps/gaps_tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/memstream.h"
#include "corpora/base/utf8_repair.h"
#include "out/results/fixed.h"

// --- shards and models -------------------------------------------------------------------------

static int write_shards(const struct sql *s, const struct run *run, const struct tally *tally,
                        struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM shard", "INSERT INTO shard VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < run->n_shards && !w.rc; i++) {
        const struct run_shard *shard = &run->shards[i];
        const struct tally_shard *t = &tally->shards[i];
        rows_u64(&w, i);
        rows_foreign(&w, shard->name);
        rows_foreign(&w, shard->path);
        rows_u64(&w, shard->bytes);
        rows_hex(&w, shard->hash);
        rows_u64(&w, t->docs);
        rows_u64(&w, t->tokens);
        if (shard->units > 0 || run->counted) {
            rows_u64(&w, shard->units);
        } else {
            rows_null(&w); // not known yet
        }
        rows_u64(&w, t->units_done);
        rows_u64(&w, t->skipped);
        rows_u64(&w, t->text_bytes);
        rows_u64(&w, t->repaired);
        rows_next(&w);
    }
    return rows_close(&w);
}

/* [{"line":..,"byte":..,"why":".."}], without a NUL at the end. */
static int places_json(struct buf *out, const struct tally_reject *r, struct err *err)
{
    int rc = buf_append(out, "[", 1, err);
    for (size_t i = 0; i < TALLY_REJECT_PLACES && i < r->n && !rc; i++) {
        struct buf why = {0};
        uint64_t repaired = 0;
        const size_t len = strnlen(r->places[i].why, sizeof r->places[i].why);
        rc = utf8_repair(&why, r->places[i].why, len, &repaired, err);
        if (!rc) {
            rc = buf_printf(out, err, "%s{\"line\":%" PRIu64 ",\"byte\":%" PRIu64 ",\"why\":",
                            i > 0 ? "," : "", r->places[i].line, r->places[i].byte);
        }
        if (!rc) {
            rc = jsonw_string(out, why.len ? why.data : "", why.len, err);
        }
        if (!rc) {
            rc = buf_append(out, "}", 1, err);
        }
        buf_free(&why);
    }
    return rc ? rc : buf_append(out, "]", 1, err);
}

static int write_rejects(const struct sql *s, const struct run *run, const struct tally *tally,
                         struct err *err)
{
    struct rows w;
    struct buf places = {0};
    rows_anew(&w, s, "DELETE FROM reject", "INSERT INTO reject VALUES(?,?,?,?)", err);
    for (size_t i = 0; i < run->n_shards; i++) {
        for (size_t reason = 0; reason < TALLY_REASONS && !w.rc; reason++) {
            const struct tally_reject *r = &tally->shards[i].rejects[reason];
            if (r->n == 0) {
                continue;
            }
            char number[32];
            snprintf(number, sizeof number, "reason_%zu", reason);
            places.len = 0;
            w.rc = places_json(&places, r, err);
            if (!w.rc) {
                w.rc = buf_append(&places, "", 1, err);
            }
            rows_u64(&w, i);
            rows_foreign(&w, reason < run->n_reasons ? run->reasons[reason] : number);
            rows_u64(&w, r->n);
            rows_text(&w, places.data);
            rows_next(&w);
        }
    }
    buf_free(&places);
    return rows_close(&w);
}

static int write_models(const struct sql *s, const struct run *run, const struct tally *tally,
                        struct err *err)
{
    uint64_t text_bytes = 0, tokens = 0;
    for (size_t i = 0; i < run->n_shards; i++) {
        text_bytes += tally->shards[i].text_bytes;
        tokens += tally->shards[i].tokens;
    }
    struct rows w;
    rows_anew(&w, s, "DELETE FROM model",
              "INSERT INTO model VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < run->n_models && !w.rc; i++) {
        const struct run_model *m = &run->models[i];
        const struct tally_model_sums *t = &tally->models[i];
        rows_u64(&w, i);
        rows_foreign(&w, m->name);
        rows_foreign(&w, m->path);
        rows_foreign(&w, m->act_fn);
        rows_foreign(&w, m->site);
        rows_u64(&w, m->n_layers);
        rows_u64(&w, m->d_model);
        rows_u64(&w, m->n_heads);
        rows_u64(&w, m->d_mlp);
        rows_u64(&w, m->d_vocab);
        rows_u64(&w, m->n_ctx);
        rows_hex(&w, m->weights_hash);
        rows_u64(&w, t->logprob.n + t->n_not_finite);
        rows_real(&w, moments_mean(&t->logprob));
        rows_real(&w, moments_se(&t->logprob));
        // fixed_mean(): the sum in nats a byte of text; a sum that lacks tokens is none of it
        rows_real(&w,
                  t->logprob.n < tokens ? NAN : -fixed_mean(t->logprob.sum, text_bytes) / M_LN2);
        rows_ratio(&w, (double)t->clamped, (double)t->logprob.n);
        rows_u64(&w, t->n_not_finite);
        rows_foreign(&w, m->changes ? m->changes : "");
        rows_ratio(&w, m->share_of ? m->share_take : 1, m->share_of ? m->share_of : 1);
        rows_next(&w);
    }
    return rows_close(&w);
}

// --- pairs -------------------------------------------------------------------------------------

static int write_pairs(const struct sql *s, const struct run *run, const struct tally *tally,
                       struct err *err)
{
    struct rows w;
    struct buf others = {0};
    rows_anew(&w, s, "DELETE FROM pair", "INSERT INTO pair VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < run->n_pairs && !w.rc; i++) {
        const struct run_pair *p = &run->pairs[i];
        const struct tally_pair_sums *t = &tally->pairs[i];
        others.len = 0;
        for (size_t k = 0; k < p->n_others && !w.rc; k++) {
            w.rc = buf_printf(&others, err, "%c%" PRIu32, k > 0 ? ',' : '[', p->others[k]);
        }
        if (!w.rc) {
            w.rc = buf_append(&others, "]", 2, err);
        }
        rows_u64(&w, i);
        rows_u64(&w, p->base);
        rows_text(&w, others.data);
        rows_real(&w, run->floor);
        rows_u64(&w, t->gap.n);
        rows_u64(&w, t->gap.docs);
        rows_real(&w, moments_mean(&t->gap));
        rows_real(&w, moments_se(&t->gap));
        rows_ratio(&w, (double)t->other_better, (double)t->gap.n);
        rows_real(&w, moments_mean(&t->difference));
        rows_real(&w, moments_se(&t->difference));
        rows_u64(&w, p->brief);
        rows_next(&w);
    }
    buf_free(&others);
    return rows_close(&w);
}

/* duplicates: UINT64_MAX: not known. */
static void write_hit(struct rows *w, const struct tally_hit *h, uint64_t duplicates,
                      const char *detail)
{
    rows_real(w, fixed_to(h->gap));
    rows_real(w, h->base_logprob);
    rows_real(w, h->other_logprob);
    rows_u64(w, h->shard);
    rows_u64(w, h->doc);
    rows_u64(w, h->byte_start);
    rows_u64(w, h->byte_end);
    rows_u64(w, h->token);
    rows_text(w, h->token_text);
    rows_text(w, h->before);
    rows_text(w, h->after);
    if (duplicates == UINT64_MAX) {
        rows_null(w);
    } else {
        rows_u64(w, duplicates);
    }
    rows_text(w, detail);
    rows_next(w);
}

/* The hit's detail as JSON, ended by a NUL; "" where it has none.  Valid until the next call. */
static const char *detail_json(char **text, size_t *len, const struct run *run, size_t pair,
                               const struct hit_detail *detail)
{
    free(*text);
    *text = NULL;
    if (!detail) {
        return "";
    }
    struct jsonout j = {.to = memstream_open(text, len)};
    if (!j.to) {
        return NULL;
    }
    hit_detail_json(&j, detail, run, &run->pairs[pair]);
    if (fclose(j.to) != 0) {
        return NULL;
    }
    (*text)[*len - 1] = '\0'; // in place of the line's end
    return *text;
}

static int write_hits(const struct sql *s, const struct run *run, const struct tally *tally,
                      struct err *err)
{
    static const int sides[] = {TALLY_BASE, TALLY_OTHER}; // in the order of the table's key
    char *text = NULL;
    size_t len = 0;
    struct rows w;
    rows_anew(&w, s, "DELETE FROM hit", "INSERT INTO hit VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
              err);
    for (size_t i = 0; i < run->n_pairs; i++) {
        for (size_t side = 0; side < 2; side++) {
            const struct tally_hits *hits = &tally->pairs[i].hits[sides[side]];
            for (size_t k = 0; k < hits->n && !w.rc; k++) {
                rows_u64(&w, i);
                rows_text(&w, sides[side] == TALLY_BASE ? "base" : "other");
                rows_u64(&w, k + 1);
                const char *detail = detail_json(&text, &len, run, i, hits->items[k].detail);
                if (!w.rc && !detail) {
                    w.rc = err_nomem(err, "a hit's detail");
                }
                write_hit(&w, &hits->items[k],
                          hits->sketch ? tally_duplicates(hits, k) : UINT64_MAX, detail);
            }
        }
    }
    free(text);
    return rows_close(&w);
}

static void gap_sums(struct rows *w, const struct tally_gap_sums *g)
{
    rows_u64(w, g->n);
    rows_real(w, fixed_mean(g->gap, g->n));
    rows_real(w, fixed_mean(g->base, g->n));
    rows_real(w, fixed_mean(g->other, g->n));
}

static int write_token_gaps(const struct sql *s, const struct run *run, const struct tally *tally,
                            struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM token_gap", "INSERT INTO token_gap VALUES(?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < tally_full_pairs(tally->shape); i++) {
        const struct buf *texts = &run->token_texts;
        size_t at = 0; // of this token's text
        for (size_t token = 0; token < tally->shape->d_vocab && !w.rc; token++) {
            const char *text = at < texts->len ? texts->data + at : "";
            at += at < texts->len ? strlen(text) + 1 : 0;
            const struct tally_gap_sums *g = &tally->pairs[i].tokens[token];
            if (g->n == 0) {
                continue;
            }
            rows_u64(&w, i);
            rows_u64(&w, token);
            rows_text(&w, text);
            gap_sums(&w, g);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_gap_hists(const struct sql *s, const struct run *run, const struct tally *tally,
                           struct err *err)
{
    const size_t half = tally->shape->gap_bins_half;
    struct rows w;
    rows_anew(&w, s, "DELETE FROM gap_hist", "INSERT INTO gap_hist VALUES(?,?,?,?)", err);
    for (size_t i = 0; i < run->n_pairs; i++) {
        for (size_t bin = 0; bin < 2 * half && !w.rc; bin++) {
            rows_u64(&w, i);
            rows_real(&w, ((double)bin - (double)half) / 10);
            rows_real(&w, ((double)bin + 1 - (double)half) / 10);
            rows_u64(&w, tally->pairs[i].hist[bin]);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_position_gaps(const struct sql *s, const struct run *run,
                               const struct tally *tally, struct err *err)
{
    size_t n_ctx = SIZE_MAX; // of the run's windows: the least of the models
    for (size_t i = 0; i < run->n_models; i++) {
        n_ctx = run->models[i].n_ctx < n_ctx ? run->models[i].n_ctx : n_ctx;
    }
    struct rows w;
    rows_anew(&w, s, "DELETE FROM position_gap", "INSERT INTO position_gap VALUES(?,?,?,?,?,?,?)",
              err);
    for (size_t i = 0; i < run->n_pairs; i++) {
        for (size_t bin = 0; bin < TALLY_POSITIONS && !w.rc; bin++) {
            const size_t lo = (size_t)1 << bin;
            const size_t hi = 2 * lo - 1;
            if (lo > n_ctx - 1) {
                break;
            }
            rows_u64(&w, i);
            rows_u64(&w, lo);
            rows_u64(&w, hi < n_ctx - 1 ? hi : n_ctx - 1);
            gap_sums(&w, &tally->pairs[i].position[bin]);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

// --- domains -----------------------------------------------------------------------------------

static int by_name(const void *a, const void *b)
{
    const struct tally_domain *one = *(const struct tally_domain *const *)a;
    const struct tally_domain *other = *(const struct tally_domain *const *)b;
    if (!one->name || !other->name) { // no name comes first
        return (one->name != NULL) - (other->name != NULL);
    }
    return strcmp(one->name, other->name);
}

static int write_domains(const struct sql *s, const struct tally_domain *const *domains, size_t n,
                         const struct tally *tally, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM domain", "INSERT INTO domain VALUES(?,?,?,?)", err);
    for (size_t i = 0; i < n && !w.rc; i++) {
        rows_u64(&w, i);
        rows_text(&w, domains[i] == &tally->other ? "(other)" : domains[i]->name);
        rows_u64(&w, domains[i]->docs);
        rows_u64(&w, domains[i]->tokens);
        rows_next(&w);
    }
    return rows_close(&w);
}

static void domain_row(struct rows *w, size_t domain, size_t of, const struct moments *m)
{
    rows_u64(w, domain);
    rows_u64(w, of);
    rows_u64(w, m->n);
    rows_real(w, moments_mean(m));
    rows_real(w, moments_se(m));
    rows_next(w);
}

static int write_domain_means(const struct sql *s, const struct tally_domain *const *domains,
                              size_t n, const struct run *run, struct err *err)
{
    const size_t n_models = run_full_models(run), n_pairs = run_full_pairs(run);
    struct rows w;
    rows_anew(&w, s, "DELETE FROM domain_loss", "INSERT INTO domain_loss VALUES(?,?,?,?,?)", err);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_models && !w.rc; k++) {
            domain_row(&w, i, k, &domains[i]->models[k]);
        }
    }
    if (rows_close(&w)) {
        return w.rc;
    }
    rows_anew(&w, s, "DELETE FROM domain_gap", "INSERT INTO domain_gap VALUES(?,?,?,?,?)", err);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_pairs && !w.rc; k++) {
            domain_row(&w, i, k, &domains[i]->pairs[k]);
        }
    }
    return rows_close(&w);
}

static int write_domain_labels(const struct sql *s, const struct tally_domain *const *domains,
                               size_t n, const struct run *run, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM hypothesis_domain",
              "INSERT INTO hypothesis_domain VALUES(?,?,?,?,?)", err);
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        for (size_t i = 0; i < n && !w.rc; i++) {
            const struct tally_hypothesis *t = &domains[i]->hypotheses[h];
            rows_u64(&w, h);
            rows_u64(&w, i);
            rows_u64(&w, t->seen);
            rows_u64(&w, t->tokens);
            rows_ratio(&w, (double)t->tokens, (double)t->seen);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

int gaps_tables_domains(const struct tally_domain ***out, size_t *n, const struct tally *tally,
                        struct err *err)
{
    const struct tally_domain **domains = mem_new(tally->n_domains + 1, sizeof *domains);
    if (!domains) {
        return err_nomem(err, "domains");
    }
    for (*n = 0; *n < tally->n_domains; ++*n) {
        domains[*n] = &tally->domains[*n];
    }
    qsort(domains, *n, sizeof *domains, by_name);
    if (tally->other.docs > 0) {
        domains[(*n)++] = &tally->other;
    }
    *out = domains;
    return 0;
}

static int write_all_domains(const struct sql *s, const struct run *run, const struct tally *tally,
                             struct err *err)
{
    size_t n = 0;
    const struct tally_domain **domains = NULL;
    int rc = gaps_tables_domains(&domains, &n, tally, err);
    rc = rc ? rc : write_domains(s, domains, n, tally, err);
    rc = rc ? rc : write_domain_means(s, domains, n, run, err);
    rc = rc ? rc : write_domain_labels(s, domains, n, run, err);
    free(domains);
    return rc;
}

int gaps_tables_write(const struct sql *s, const struct run *run, const struct tally *tally,
                      bool full, struct err *err)
{
    static int (*const writers[])(const struct sql *, const struct run *, const struct tally *,
                                  struct err *) = {
        write_shards,      write_rejects,         write_models,    write_pairs,
        write_hits,        write_token_gaps,      write_gap_hists, write_position_gaps,
        write_all_domains, gaps_tables_hypotheses};
    int rc = 0;
    for (size_t i = 0; i < (full ? sizeof writers / sizeof *writers : 1) && !rc; i++) {
        rc = writers[i](s, run, tally, err);
    }
    return rc;
}
