/*
 * The result tables: what they are called, how they are filled from the tally, and their digest.
 * Ids count from 0, ranks from 1.
 */
#include "out/store/tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/jsonw.h"

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

static int for_tables(const struct sql *s, const char *before, bool columns, struct err *err)
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
            rc = sql_exec(s, sql.data, err);
        }
        buf_free(&sql);
    }
    return rc;
}

int store_tables_create(const struct sql *s, struct err *err)
{
    return for_tables(s, "CREATE TABLE", true, err);
}

int store_tables_clear(const struct sql *s, struct err *err)
{
    return for_tables(s, "DELETE FROM", false, err);
}

// --- the run's own ---------------------------------------------------------------------------

/* They never change: written once. */
static int write_tokens(const struct sql *s, const struct run *run, struct err *err)
{
    const struct buf *texts = &run->token_texts;
    struct rows w;
    rows_open(&w, s, "INSERT INTO token VALUES(?,?)", err);
    if (!w.rc && sql_has_rows(s, "token")) {
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

int store_tables_write(const struct sql *s, const struct run *run, const struct results *results,
                       bool full, struct err *err)
{
    int rc = full ? write_tokens(s, run, err) : 0;
    for (size_t i = 0; i < results->n && !rc; i++) {
        const struct collector *c = &results->items[i];
        if (c->kind->write) {
            rc = c->kind->write(s, run, results, c->whole, full, err);
        }
    }
    return rc;
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

int store_tables_digest(const struct sql *s, char out[33], struct err *err)
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
            q.rc = sql_fail(s, err);
        }
        rc = rows_close(&q);
    }
    const XXH128_hash_t sum = XXH3_128bits_digest(hash);
    XXH3_freeState(hash);
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)sum.high64, (uint64_t)sum.low64);
    return rc;
}
