/*
 * The tables of trigrams: what the counts say of them, what the models do at their places, and what
 * tests found.
 */
#include "out/results/trigrams/trigrams_tables.h"

#include <math.h>
#include <string.h>

#include "corpora/base/jsonw.h"
#include "out/results/trigrams/trial_rows.h"

// Digits of a float, which log-probs of examples are.
#define LOGPROB_DIGITS 9

struct writer {
    const struct sql *s;
    const struct run *run;
    const struct tally *tally;
    const struct trigrams *t;
    struct buf json[3]; // of the current row
    struct err *err;
};

static int reals_json(struct buf *b, const float *x, size_t n, struct err *err)
{
    b->len = 0;
    int rc = buf_append(b, "[", 1, err);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = isfinite(x[i])
                 ? buf_printf(b, err, "%s%.*g", i > 0 ? "," : "", LOGPROB_DIGITS, (double)x[i])
                 : buf_printf(b, err, "%snull", i > 0 ? "," : "");
    }
    return rc ? rc : buf_append(b, "]", 2, err);
}

/* {"model": mean ln P(C), ...}; {} where there is no place. */
static int means_json(struct buf *b, const struct writer *x, size_t item, struct err *err)
{
    const struct run *run = x->run;
    const uint64_t n = x->t->items[item].n;
    b->len = 0;
    int rc = buf_append(b, "{", 1, err);
    const size_t n_models = run_full_models(run);
    for (size_t m = 0; m < n_models && n > 0 && !rc; m++) {
        const char *name = run->models[m].name;
        const size_t at = item * n_models + m;
        const double mean = fixed_mean(x->t->logprob[at], x->t->logprob_n[at]);
        rc = m > 0 ? buf_append(b, ",", 1, err) : 0;
        rc = rc ? rc : jsonw_string(b, name, strlen(name), err);
        rc = rc            ? rc
             : isnan(mean) ? buf_printf(b, err, ":null")
                           : buf_printf(b, err, ":%.17g", mean);
    }
    return rc ? rc : buf_append(b, "}", 2, err);
}

/* Predicted tokens of the whole corpus. */
static uint64_t all_tokens(const struct writer *x)
{
    uint64_t n = 0;
    for (size_t i = 0; i < x->run->n_shards; i++) {
        n += x->tally->shards[i].tokens;
    }
    return n;
}

static void put_counts(struct rows *w, const struct trigram *t)
{
    const uint64_t counts[] = {t->count, t->count_ab, t->count_bc, t->count_b, t->count_c};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        rows_u64(w, counts[k]);
    }
    rows_real(w, t->p);
    rows_real(w, t->p_bigram);
    for (size_t k = 0; k < TRIGRAM_SKIPS; k++) {
        rows_real(w, t->p_skip[k]);
    }
    rows_real(w, t->p_added);
}

/* Of the table of tokens, which is there already; "" of a run without one. */
#define TEXT(id) "ifnull((SELECT text FROM token WHERE id=" id "),'')"

static int write_trigrams(struct writer *x)
{
    struct rows w;
    const struct trigrams_shape *s = x->t->shape;
    const uint64_t all = all_tokens(x);
    rows_anew(
        &w, x->s, "DELETE FROM trigram",
        "INSERT INTO trigram VALUES(?1,?2,?3,?4," TEXT("?2") "," TEXT("?3") "," TEXT(
            "?4") ",?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,"
                  "EXISTS(SELECT 1 FROM trigram_model WHERE trigram=?1),?21,?22,?23,?24,?25,?26)",
        x->err);
    for (size_t i = 0; i < s->n && !w.rc; i++) {
        const struct trigram *t = &s->items[i];
        const struct trigram_sums *sums = &x->t->items[i];
        uint64_t cells[TRIGRAM_CELLS];
        trigrams_cells(x->t, i, all, cells);
        w.rc = means_json(&x->json[0], x, i, x->err);
        rows_u64(&w, i);
        rows_u64(&w, t->a);
        rows_u64(&w, t->b);
        rows_u64(&w, t->c);
        put_counts(&w, t);
        rows_u64(&w, sums->n);
        rows_u64(&w, sums->docs);
        rows_text(&w, x->json[0].data);
        const struct moments *gap = s->n_pairs > 0 ? &x->t->gap[i * s->n_pairs] : NULL;
        rows_real(&w, gap && gap->n > 0 ? fixed_mean(gap->sum, 1) : NAN);
        for (size_t side = 0; side < 2; side++) {
            rows_u32s(&w, &x->json[1 + side], t->fillers[side], t->n_fillers[side]);
        }
        for (size_t k = 0; k < TRIGRAM_CELLS; k++) {
            rows_u64(&w, cells[k]);
        }
        rows_next(&w);
    }
    return rows_close(&w);
}

static int write_gaps(struct writer *x)
{
    struct rows w;
    const struct trigrams_shape *s = x->t->shape;
    rows_anew(&w, x->s, "DELETE FROM trigram_gap", "INSERT INTO trigram_gap VALUES(?,?,?,?)",
              x->err);
    for (size_t p = 0; p < s->n_pairs; p++) {
        for (size_t i = 0; i < s->n && !w.rc; i++) {
            const struct moments *m = &x->t->gap[i * s->n_pairs + p];
            if (m->n > 0) {
                rows_u64(&w, p);
                rows_u64(&w, i);
                rows_real(&w, moments_mean(m));
                rows_real(&w, moments_se(m));
                rows_next(&w);
            }
        }
    }
    return rows_close(&w);
}

static void put_list(struct writer *x, struct rows *w, size_t item, const char *kind,
                     const struct example_list *list)
{
    const bool place = list == &x->t->items[item].places;
    for (size_t k = 0; k < list->n && !w->rc; k++) {
        const struct example *e = &list->items[k];
        w->rc = reals_json(&x->json[1], e->acts, e->n_acts, x->err);
        rows_u64(w, item);
        rows_text(w, kind);
        rows_u64(w, k + 1);
        rows_u64(w, e->shard);
        rows_u64(w, e->doc);
        rows_u64(w, e->byte_start);
        rows_u64(w, e->byte_end);
        rows_u64(w, e->before ? e->before - 1 : 0);
        // without what begins the window
        rows_u32s(w, &x->json[0], e->ids + 1, e->n_tokens > 0 ? e->n_tokens - 1 : 0);
        rows_text(w, place ? x->json[1].data : NULL);
        rows_next(w);
    }
}

static int write_examples(struct writer *x)
{
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM trigram_example",
              "INSERT INTO trigram_example VALUES(?,?,?,?,?,?,?,?,?,?)", x->err);
    for (size_t i = 0; i < x->t->shape->n && !w.rc; i++) {
        put_list(x, &w, i, "place", &x->t->items[i].places);
        put_list(x, &w, i, "elsewhere", &x->t->items[i].elsewhere);
    }
    return rows_close(&w);
}

int trigrams_write_tables(const struct sql *s, const struct run *run, const struct tally *tally,
                          const struct trigrams *t, struct err *err)
{
    struct writer x = {.s = s, .run = run, .tally = tally, .t = t, .err = err};
    int (*const writers[])(struct writer *) = {write_trigrams, write_gaps, write_examples};
    int rc = 0;
    for (size_t i = 0; i < sizeof writers / sizeof *writers && !rc; i++) {
        rc = writers[i](&x);
    }
    for (size_t i = 0; i < sizeof x.json / sizeof *x.json; i++) {
        buf_free(&x.json[i]);
    }
    return rc;
}

// --- tests --------------------------------------------------------------------------------------

static void put_reals(struct rows *w, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rows_real(w, x[i]);
    }
}

static int write_tests(const struct sql *s, const struct trigram_test *tests, size_t n,
                       struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM trigram_model",
              "INSERT INTO trigram_model VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < n && !w.rc; i++) {
        const struct trigram_test *t = &tests[i];
        const bool named = t->named < t->n_neurons;
        rows_u64(&w, t->trigram);
        rows_u64(&w, t->model);
        rows_u64(&w, t->contexts);
        rows_u64(&w, t->pairs);
        put_reals(&w, t->lp, TRIGRAM_CELLS);
        rows_real(&w, t->interaction);
        rows_real(&w, t->se);
        rows_text(&w, t->verdict);
        if (named) {
            rows_u64(&w, t->neurons[t->named].layer);
            rows_u64(&w, t->neurons[t->named].index);
        } else {
            rows_null(&w);
            rows_null(&w);
        }
        if (t->half > 0) {
            rows_u64(&w, t->half);
        } else {
            rows_null(&w);
        }
        rows_next(&w);
    }
    return rows_close(&w);
}

static int write_neurons(const struct sql *s, const struct trigram_test *tests, size_t n,
                         struct err *err)
{
    struct rows w;
    rows_anew(&w, s, "DELETE FROM trigram_neuron",
              "INSERT INTO trigram_neuron VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
              err);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < tests[i].n_neurons && !w.rc; k++) {
            const struct trigram_neuron *x = &tests[i].neurons[k];
            rows_u64(&w, tests[i].trigram);
            rows_u64(&w, tests[i].model);
            rows_u64(&w, x->layer);
            rows_u64(&w, x->index);
            rows_u64(&w, k + 1);
            rows_text(&w, x->kind);
            put_reals(&w, x->corpus, TRIGRAM_CELLS);
            rows_real(&w, x->corpus_interaction);
            put_reals(&w, x->pairs, TRIGRAM_CELLS);
            const double rest[] = {x->interaction, x->se,      x->direct,     x->written,
                                   x->share,       x->ablated, x->ablated_se, x->ablated_elsewhere};
            put_reals(&w, rest, sizeof rest / sizeof *rest);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

int trial_rows_write(const struct sql *s, const struct trigram_test *tests, size_t n,
                     struct err *err)
{
    int rc = write_tests(s, tests, n, err);
    rc = rc ? rc : write_neurons(s, tests, n, err);
    return rc ? rc
              : sql_exec(s,
                         "UPDATE trigram SET tested = EXISTS(SELECT 1 FROM trigram_model m"
                         " WHERE m.trigram = trigram.id)",
                         err);
}
