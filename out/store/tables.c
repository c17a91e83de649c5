/*
 * The result tables: what they are called, how they are filled from the tally, and their digest.
 * Ids count from 0, ranks from 1.
 */
#include "out/store/store.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/utf8_repair.h"
#include "out/store/sql.h"

// 'digest': the columns that are results, and the order of the rows; no paths.
static const struct table {
    const char *name, *columns, *digest;
} tables[] = {
    {"shard",
     "id INTEGER PRIMARY KEY, name TEXT, path TEXT, bytes INTEGER, hash TEXT, docs INTEGER,"
     " tokens INTEGER, units INTEGER, units_done INTEGER, skipped_docs INTEGER,"
     " text_bytes INTEGER, repaired INTEGER",
     "SELECT id, name, bytes, hash, docs, tokens, units, units_done, skipped_docs, text_bytes,"
     " repaired FROM shard ORDER BY id"},
    {"reject", "shard INTEGER, reason TEXT, n INTEGER, places TEXT, PRIMARY KEY(shard, reason)",
     "SELECT shard, reason, n, places FROM reject ORDER BY shard, reason"},
    {"model",
     "id INTEGER PRIMARY KEY, name TEXT, path TEXT, act_fn TEXT, site TEXT, n_layers INTEGER,"
     " d_model INTEGER, n_heads INTEGER, d_mlp INTEGER, d_vocab INTEGER, n_ctx INTEGER,"
     " weights_hash TEXT, tokens INTEGER, mean_logprob REAL, se REAL, bits_per_byte REAL,"
     " clamped_share REAL",
     "SELECT id, name, act_fn, site, n_layers, d_model, n_heads, d_mlp, d_vocab, n_ctx,"
     " weights_hash, tokens, mean_logprob, se, bits_per_byte, clamped_share FROM model"
     " ORDER BY id"},
    {"pair",
     "id INTEGER PRIMARY KEY, base INTEGER, others TEXT, floor REAL, tokens INTEGER,"
     " docs INTEGER, mean_gap REAL, se REAL, share_other_better REAL",
     "SELECT id, base, others, floor, tokens, docs, mean_gap, se, share_other_better FROM pair"
     " ORDER BY id"},
    {"hit",
     "pair INTEGER, side TEXT, rank INTEGER, gap REAL, base_logprob REAL, other_logprob REAL,"
     " shard INTEGER, doc INTEGER, byte_start INTEGER, byte_end INTEGER, token INTEGER,"
     " token_text TEXT, before TEXT, after TEXT, duplicates INTEGER, detail TEXT,"
     " PRIMARY KEY(pair, side, rank)",
     "SELECT pair, side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start,"
     " byte_end, token, token_text, before, after, duplicates, detail FROM hit"
     " ORDER BY pair, side, rank"},
    {"token_gap",
     "pair INTEGER, token INTEGER, token_text TEXT, n INTEGER, mean_gap REAL,"
     " base_mean_logprob REAL, other_mean_logprob REAL, PRIMARY KEY(pair, token)",
     "SELECT pair, token, token_text, n, mean_gap, base_mean_logprob, other_mean_logprob"
     " FROM token_gap ORDER BY pair, token"},
    {"gap_hist", "pair INTEGER, lo REAL, hi REAL, n INTEGER, PRIMARY KEY(pair, lo)",
     "SELECT pair, lo, hi, n FROM gap_hist ORDER BY pair, lo"},
    {"position_gap",
     "pair INTEGER, lo INTEGER, hi INTEGER, n INTEGER, mean_gap REAL, base_mean_logprob REAL,"
     " other_mean_logprob REAL, PRIMARY KEY(pair, lo)",
     "SELECT pair, lo, hi, n, mean_gap, base_mean_logprob, other_mean_logprob"
     " FROM position_gap ORDER BY pair, lo"},
    {"domain", "id INTEGER PRIMARY KEY, name TEXT, docs INTEGER, tokens INTEGER",
     "SELECT id, name, docs, tokens FROM domain ORDER BY id"},
    {"domain_loss",
     "domain INTEGER, model INTEGER, tokens INTEGER, mean_logprob REAL, se REAL,"
     " PRIMARY KEY(domain, model)",
     "SELECT domain, model, tokens, mean_logprob, se FROM domain_loss ORDER BY domain, model"},
    {"hypothesis_domain",
     "hypothesis INTEGER, domain INTEGER, tokens_seen INTEGER, tokens INTEGER, prevalence REAL,"
     " PRIMARY KEY(hypothesis, domain)",
     "SELECT hypothesis, domain, tokens_seen, tokens, prevalence FROM hypothesis_domain"
     " ORDER BY hypothesis, domain"},
    {"domain_gap",
     "domain INTEGER, pair INTEGER, tokens INTEGER, mean_gap REAL, se REAL,"
     " PRIMARY KEY(domain, pair)",
     "SELECT domain, pair, tokens, mean_gap, se FROM domain_gap ORDER BY domain, pair"},
    {"token", "id INTEGER PRIMARY KEY, text TEXT", "SELECT id, text FROM token ORDER BY id"},
    {"bin", "id INTEGER PRIMARY KEY, lo REAL, hi REAL", "SELECT id, lo, hi FROM bin ORDER BY id"},
    {"neuron",
     "model INTEGER, layer INTEGER, idx INTEGER, site TEXT, n INTEGER, mean REAL, sd REAL,"
     " min REAL, max REAL, share_positive REAL, hist TEXT, PRIMARY KEY(model, layer, idx)",
     "SELECT model, layer, idx, site, n, mean, sd, min, max, share_positive, hist FROM neuron"
     " ORDER BY model, layer, idx"},
    {"example",
     "model INTEGER, layer INTEGER, idx INTEGER, kind TEXT, rank INTEGER, activation REAL,"
     " lo REAL, hi REAL, shard INTEGER, doc INTEGER, byte_start INTEGER, byte_end INTEGER,"
     " token_index INTEGER, tokens TEXT, activations TEXT, labels TEXT,"
     " PRIMARY KEY(model, layer, idx, kind, rank)",
     "SELECT model, layer, idx, kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end,"
     " token_index, tokens, activations, labels FROM example"
     " ORDER BY model, layer, idx, kind, rank"},
    {"effect",
     "model INTEGER, layer INTEGER, idx INTEGER, kind TEXT, rank INTEGER, token INTEGER,"
     " value REAL, PRIMARY KEY(model, layer, idx, kind, rank)",
     "SELECT model, layer, idx, kind, rank, token, value FROM effect"
     " ORDER BY model, layer, idx, kind, rank"},
    {"hypothesis",
     "id INTEGER PRIMARY KEY, name TEXT, kind TEXT, spec TEXT, tokens INTEGER, docs INTEGER,"
     " aborted INTEGER, tokens_seen INTEGER",
     "SELECT id, name, kind, spec, tokens, docs, aborted, tokens_seen FROM hypothesis ORDER BY id"},
    {"score",
     "hypothesis INTEGER, model INTEGER, layer INTEGER, idx INTEGER, split TEXT, n_pos INTEGER,"
     " n_neg INTEGER, docs_pos INTEGER, prevalence REAL, mean_pos REAL, mean_neg REAL, r REAL,"
     " variance_explained REAL, auroc REAL, auroc_bound REAL, average_precision REAL,"
     " threshold REAL, precision REAL, recall REAL, f1 REAL, mcc REAL, mutual_information REAL,"
     " mass_covered REAL, top_covered REAL, PRIMARY KEY(hypothesis, model, layer, idx, split)",
     "SELECT hypothesis, model, layer, idx, split, n_pos, n_neg, docs_pos, prevalence, mean_pos,"
     " mean_neg, r, variance_explained, auroc, auroc_bound, average_precision, threshold,"
     " precision, recall, f1, mcc, mutual_information, mass_covered, top_covered FROM score"
     " ORDER BY hypothesis, model, layer, idx, split"},
    {"split_hist",
     "hypothesis INTEGER, model INTEGER, layer INTEGER, idx INTEGER, split TEXT, labelled TEXT,"
     " rest TEXT, PRIMARY KEY(hypothesis, model, layer, idx, split)",
     "SELECT hypothesis, model, layer, idx, split, labelled, rest FROM split_hist"
     " ORDER BY hypothesis, model, layer, idx, split"},
    {"counterexample",
     "hypothesis INTEGER, model INTEGER, layer INTEGER, idx INTEGER, kind TEXT, rank INTEGER,"
     " activation REAL, shard INTEGER, doc INTEGER, byte_start INTEGER, byte_end INTEGER,"
     " token_index INTEGER, tokens TEXT, activations TEXT, labelled TEXT,"
     " PRIMARY KEY(hypothesis, model, layer, idx, kind, rank)",
     "SELECT hypothesis, model, layer, idx, kind, rank, activation, shard, doc, byte_start,"
     " byte_end, token_index, tokens, activations, labelled FROM counterexample"
     " ORDER BY hypothesis, model, layer, idx, kind, rank"},
    {"hypothesis_gap",
     "pair INTEGER, hypothesis INTEGER, n INTEGER, mean_gap REAL, se REAL, mean_gap_rest REAL,"
     " se_rest REAL, share_of_gap REAL, share_beyond_earlier REAL, share_of_gain REAL,"
     " gain_beyond_earlier REAL, PRIMARY KEY(pair, hypothesis)",
     "SELECT pair, hypothesis, n, mean_gap, se, mean_gap_rest, se_rest, share_of_gap,"
     " share_beyond_earlier, share_of_gain, gain_beyond_earlier FROM hypothesis_gap"
     " ORDER BY pair, hypothesis"},
    {"gap_credit",
     "pair INTEGER, model INTEGER, layer INTEGER, idx INTEGER, hits INTEGER, credit REAL,"
     " PRIMARY KEY(pair, model, layer, idx)",
     "SELECT pair, model, layer, idx, hits, credit FROM gap_credit"
     " ORDER BY pair, model, layer, idx"},
    {"trigram",
     "id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, a_text TEXT, b_text TEXT,"
     " c_text TEXT, count INTEGER, count_ab INTEGER, count_bc INTEGER, count_b INTEGER,"
     " count_c INTEGER, p REAL, p_bigram REAL, p_skip2 REAL, p_skip4 REAL, p_skip8 REAL,"
     " p_skip16 REAL, p_added REAL, n INTEGER, docs INTEGER, mean_logprob TEXT, gain REAL,"
     " tested INTEGER, fillers_a TEXT, fillers_b TEXT, n_ab INTEGER, n_xb INTEGER, n_ax INTEGER,"
     " n_xx INTEGER",
     "SELECT id, a, b, c, a_text, b_text, c_text, count, count_ab, count_bc, count_b, count_c, p,"
     " p_bigram, p_skip2, p_skip4, p_skip8, p_skip16, p_added, n, docs, mean_logprob, gain, tested,"
     " fillers_a, fillers_b, n_ab, n_xb, n_ax, n_xx FROM trigram ORDER BY id"},
    {"trigram_gap",
     "pair INTEGER, trigram INTEGER, mean_gap REAL, se REAL, PRIMARY KEY(pair, trigram)",
     "SELECT pair, trigram, mean_gap, se FROM trigram_gap ORDER BY pair, trigram"},
    {"trigram_example",
     "trigram INTEGER, kind TEXT, rank INTEGER, shard INTEGER, doc INTEGER, byte_start INTEGER,"
     " byte_end INTEGER, token_index INTEGER, tokens TEXT, logprobs TEXT,"
     " PRIMARY KEY(trigram, kind, rank)",
     "SELECT trigram, kind, rank, shard, doc, byte_start, byte_end, token_index, tokens, logprobs"
     " FROM trigram_example ORDER BY trigram, kind, rank"},
    {"trigram_model",
     "trigram INTEGER, model INTEGER, contexts INTEGER, pairs INTEGER, lp_ab REAL, lp_xb REAL,"
     " lp_ax REAL, lp_xx REAL, interaction REAL, se REAL, verdict TEXT, layer INTEGER,"
     " idx INTEGER, half INTEGER, PRIMARY KEY(trigram, model)",
     "SELECT trigram, model, contexts, pairs, lp_ab, lp_xb, lp_ax, lp_xx, interaction, se, verdict,"
     " layer, idx, half FROM trigram_model ORDER BY trigram, model"},
    {"trigram_neuron",
     "trigram INTEGER, model INTEGER, layer INTEGER, idx INTEGER, rank INTEGER, kind TEXT,"
     " corpus_ab REAL, corpus_xb REAL, corpus_ax REAL, corpus_xx REAL, corpus_interaction REAL,"
     " ab REAL, xb REAL, ax REAL, xx REAL, interaction REAL, se REAL, direct REAL, written REAL,"
     " share REAL, ablated REAL, ablated_se REAL, ablated_elsewhere REAL,"
     " PRIMARY KEY(trigram, model, layer, idx)",
     "SELECT trigram, model, layer, idx, rank, kind, corpus_ab, corpus_xb, corpus_ax, corpus_xx,"
     " corpus_interaction, ab, xb, ax, xx, interaction, se, direct, written, share, ablated, "
     "ablated_se,"
     " ablated_elsewhere FROM trigram_neuron ORDER BY trigram, model, layer, idx"},
};
#define N_TABLES (sizeof tables / sizeof *tables)

static int for_tables(const struct store *s, const char *before, bool columns, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < N_TABLES && !rc; i++) {
        const struct table *t = &tables[i];
        struct buf sql = {0};
        rc = buf_printf(&sql, err, "%s %s", before, t->name);
        if (!rc && columns) {
            // By rowid a table of an id is laid out already; the others are by their key.
            const char *tail = strstr(t->columns, "INTEGER PRIMARY KEY") ? "" : " WITHOUT ROWID";
            rc = buf_printf(&sql, err, "(%s)%s", t->columns, tail);
        }
        if (!rc) {
            rc = buf_append(&sql, "", 1, err);
        }
        if (!rc) {
            rc = store_exec(s, sql.data, err);
        }
        buf_free(&sql);
    }
    return rc;
}

int store_tables_create(const struct store *s, struct err *err)
{
    return for_tables(s, "CREATE TABLE", true, err);
}

int store_tables_clear(const struct store *s, struct err *err)
{
    return for_tables(s, "DELETE FROM", false, err);
}

void rows_anew(struct rows *w, const struct store *s, const char *delete, const char *insert,
               struct err *err)
{
    const int rc = store_exec(s, delete, err);
    if (rc) {
        *w = (struct rows){.s = s, .err = err, .rc = rc};
        return;
    }
    rows_open(w, s, insert, err);
}

double store_mean(__int128 sum, uint64_t n)
{
    return n ? (double)((long double)sum / (long double)n / (long double)FIXED_ONE) : NAN;
}

double store_share(double part, double n)
{
    return n != 0 ? part / n : NAN;
}

// --- shards and models -------------------------------------------------------------------------

static int write_shards(const struct store *s, const struct run *run, const struct tally *tally,
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

static int write_rejects(const struct store *s, const struct run *run, const struct tally *tally,
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

static int write_models(const struct store *s, const struct run *run, const struct tally *tally,
                        struct err *err)
{
    uint64_t text_bytes = 0;
    for (size_t i = 0; i < run->n_shards; i++) {
        text_bytes += tally->shards[i].text_bytes;
    }
    struct rows w;
    rows_anew(&w, s, "DELETE FROM model",
              "INSERT INTO model VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
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
        rows_u64(&w, t->logprob.n);
        rows_real(&w, moments_mean(&t->logprob));
        rows_real(&w, moments_se(&t->logprob));
        // store_mean(): the sum in nats a byte of text
        rows_real(&w, -store_mean(t->logprob.sum, text_bytes) / M_LN2);
        rows_real(&w, store_share((double)t->clamped, (double)t->logprob.n));
        rows_next(&w);
    }
    return rows_close(&w);
}

// --- pairs -------------------------------------------------------------------------------------

static int write_pairs(const struct store *s, const struct run *run, const struct tally *tally,
                       struct err *err)
{
    struct rows w;
    struct buf others = {0};
    rows_anew(&w, s, "DELETE FROM pair", "INSERT INTO pair VALUES(?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < run->n_pairs && !w.rc; i++) {
        const struct tally_pair *p = &run->pairs[i];
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
        rows_real(&w, store_share((double)t->other_better, (double)t->gap.n));
        rows_next(&w);
    }
    buf_free(&others);
    return rows_close(&w);
}

static void write_hit(struct rows *w, const struct tally_hit *h, uint64_t duplicates)
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
    rows_u64(w, duplicates);
    rows_text(w, h->detail);
    rows_next(w);
}

static int write_hits(const struct store *s, const struct run *run, const struct tally *tally,
                      struct err *err)
{
    static const int sides[] = {TALLY_BASE, TALLY_OTHER}; // in the order of the table's key
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
                write_hit(&w, &hits->items[k], tally_duplicates(hits, k));
            }
        }
    }
    return rows_close(&w);
}

static void gap_sums(struct rows *w, const struct tally_gap_sums *g)
{
    rows_u64(w, g->n);
    rows_real(w, store_mean(g->gap, g->n));
    rows_real(w, store_mean(g->base, g->n));
    rows_real(w, store_mean(g->other, g->n));
}

static int write_token_gaps(const struct store *s, const struct run *run, const struct tally *tally,
                            struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM token_gap", "INSERT INTO token_gap VALUES(?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < run->n_pairs; i++) {
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

static int write_gap_hists(const struct store *s, const struct run *run, const struct tally *tally,
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

static int write_position_gaps(const struct store *s, const struct run *run,
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

static int write_domains(const struct store *s, const struct tally_domain *const *domains, size_t n,
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

static int write_domain_means(const struct store *s, const struct tally_domain *const *domains,
                              size_t n, const struct run *run, struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM domain_loss", "INSERT INTO domain_loss VALUES(?,?,?,?,?)", err);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < run->n_models && !w.rc; k++) {
            domain_row(&w, i, k, &domains[i]->models[k]);
        }
    }
    if (rows_close(&w)) {
        return w.rc;
    }
    rows_anew(&w, s, "DELETE FROM domain_gap", "INSERT INTO domain_gap VALUES(?,?,?,?,?)", err);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < run->n_pairs && !w.rc; k++) {
            domain_row(&w, i, k, &domains[i]->pairs[k]);
        }
    }
    return rows_close(&w);
}

static int write_domain_labels(const struct store *s, const struct tally_domain *const *domains,
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
            rows_real(&w, store_share((double)t->tokens, (double)t->seen));
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int write_all_domains(const struct store *s, const struct run *run,
                             const struct tally *tally, struct err *err)
{
    size_t n = tally->n_domains;
    const struct tally_domain **domains = mem_new(n + 1, sizeof *domains);
    if (!domains) {
        return err_nomem(err, "domains");
    }
    for (size_t i = 0; i < n; i++) {
        domains[i] = &tally->domains[i];
    }
    qsort(domains, n, sizeof *domains, by_name);
    if (tally->other.docs > 0) {
        domains[n++] = &tally->other;
    }
    int rc = write_domains(s, domains, n, tally, err);
    if (!rc) {
        rc = write_domain_means(s, domains, n, run, err);
    }
    rc = rc ? rc : write_domain_labels(s, domains, n, run, err);
    free(domains);
    return rc;
}

/* They never change: written once. */
static int write_tokens(const struct store *s, const struct run *run, const struct tally *tally,
                        struct err *err)
{
    (void)tally;
    const struct buf *texts = &run->token_texts;
    struct rows w;
    rows_open(&w, s, "INSERT INTO token VALUES(?,?)", err);
    if (!w.rc && store_has_rows(s, "token")) {
        return rows_close(&w);
    }
    uint64_t id = 0;
    for (size_t at = 0; at < texts->len && !w.rc; at += strlen(texts->data + at) + 1) {
        rows_u64(&w, id++);
        rows_text(&w, texts->data + at);
        rows_next(&w);
    }
    return rows_close(&w);
}

int store_tables_write(const struct store *s, const struct run *run, const struct results *results,
                       bool full, struct err *err)
{
    static int (*const writers[])(const struct store *, const struct run *, const struct tally *,
                                  struct err *) = {
        write_shards,      write_rejects,    write_models,           write_pairs,
        write_hits,        write_token_gaps, write_gap_hists,        write_position_gaps,
        write_all_domains, write_tokens,     store_hypotheses_write,
    };
    int rc = 0;
    for (size_t i = 0; i < (full ? sizeof writers / sizeof *writers : 1) && !rc; i++) {
        rc = writers[i](s, run, results->tally, err);
    }
    if (!rc && full && results->neurons) {
        rc = store_neurons_write(s, run, results->neurons, err);
    }
    return rc || !full || !results->trigrams ? rc : store_trigrams_write(s, run, results, err);
}

// --- digest ------------------------------------------------------------------------------------

/* A value as its type, its length, its bytes: no two rows of values look the same. */
static void hash_value(XXH3_state_t *hash, sqlite3_stmt *stmt, int column)
{
    unsigned char head[9] = {(unsigned char)sqlite3_column_type(stmt, column)};
    uint64_t bits = 0;
    const void *bytes = NULL;
    size_t len = 0;
    switch (head[0]) {
    case SQLITE_INTEGER:
        bits = (uint64_t)sqlite3_column_int64(stmt, column);
        break;
    case SQLITE_FLOAT: {
        const double value = sqlite3_column_double(stmt, column);
        memcpy(&bits, &value, sizeof bits);
        break;
    }
    case SQLITE_NULL:
        break;
    default: // text, or a blob that does not belong here
        bytes = sqlite3_column_blob(stmt, column);
        len = (size_t)sqlite3_column_bytes(stmt, column);
        bits = len;
    }
    for (int i = 0; i < 8; i++) {
        head[1 + i] = (unsigned char)(bits >> (8 * i));
    }
    XXH3_128bits_update(hash, head, sizeof head);
    if (len > 0) {
        XXH3_128bits_update(hash, bytes, len);
    }
}

int store_digest(struct store *s, char out[33], struct err *err)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) {
        return err_nomem(err, "a hash");
    }
    XXH3_128bits_reset(hash);
    int rc = 0;
    for (size_t i = 0; i < N_TABLES && !rc; i++) {
        struct rows q;
        XXH3_128bits_update(hash, tables[i].name, strlen(tables[i].name) + 1);
        rows_open(&q, s, tables[i].digest, err);
        int step = SQLITE_DONE;
        while (!q.rc && (step = sqlite3_step(q.stmt)) == SQLITE_ROW) {
            XXH3_128bits_update(hash, "", 1); // a row begins
            for (int k = 0; k < sqlite3_column_count(q.stmt); k++) {
                hash_value(hash, q.stmt, k);
            }
        }
        if (!q.rc && step != SQLITE_DONE) {
            q.rc = store_fail(s, err);
        }
        rc = rows_close(&q);
    }
    const XXH128_hash_t sum = XXH3_128bits_digest(hash);
    XXH3_freeState(hash);
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)sum.high64, (uint64_t)sum.low64);
    return rc;
}
