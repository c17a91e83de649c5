#include "out/results/skips/skip_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "out/results/skips/skip_rows.h"

// Digits of a float, which log-probs of examples are.
#define LOGPROB_DIGITS 9

/* Of the table of tokens, which is there already; "" of a run without one. */
#define TEXT(id) "ifnull((SELECT text FROM token WHERE id=" id "),'')"

struct writer {
    const struct sql *s;
    const struct skip_sums *k;
    struct buf json[2]; // of the current row
    struct err *err;
};

/* To four digits: kernels sum weights in another order, and differ behind these. */
static double rounded(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.3e", x);
    return strtod(text, NULL);
}

static const struct skip_a *a_of(const struct skip_shape *s, const struct skip *x)
{
    return &s->as[s->of_a[x->a]];
}

static int write_skips(struct writer *x)
{
    const struct skip_shape *s = x->k->shape;
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM skip",
              "INSERT INTO skip VALUES(?1,?2,?3,?4,?5," TEXT("?3") "," TEXT("?4") "," TEXT(
                  "?5") ",?6,?7,?8,?9,?10,?11,?12,?13)",
              x->err);
    for (size_t i = 0; i < s->n && !w.rc; i++) {
        const struct skip *item = &s->items[i];
        const struct moments *m = skip_follows(x->k, s->own[i]);
        const struct skip_mean rate = skip_rate(x->k, s->own[i]);
        const double reals[] = {rounded(item->attention), rounded(item->raise),
                                rounded(item->attention * item->raise)};
        rows_u64(&w, i);
        rows_u64(&w, item->head);
        rows_u64(&w, item->a);
        rows_u64(&w, item->b);
        rows_u64(&w, item->c);
        for (size_t r = 0; r < sizeof reals / sizeof *reals; r++) {
            rows_real(&w, reals[r]);
        }
        rows_u64(&w, m->n);
        rows_u64(&w, m->docs);
        rows_real(&w, rate.mean);
        rows_real(&w, rate.se);
        rows_u32s(&w, &x->json[0], a_of(s, item)->fillers, a_of(s, item)->n_fillers);
        rows_next(&w);
    }
    return rows_close(&w);
}

static int write_models(struct writer *x)
{
    const struct skip_shape *s = x->k->shape;
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM skip_model", "INSERT INTO skip_model VALUES(?,?,?,?,?,?,?)",
              x->err);
    for (size_t i = 0; i < s->n && !w.rc; i++) {
        for (size_t m = 0; m < s->n_models && !w.rc; m++) {
            const struct skip_mean p = skip_mean(x->k, s->own[i], m, SKIP_P);
            const struct skip_mean logprob = skip_mean(x->k, s->own[i], m, SKIP_LOGPROB);
            const struct moments *of = skip_follows(x->k, s->own[i]);
            if (of->n == 0) {
                continue;
            }
            rows_u64(&w, i);
            rows_u64(&w, m);
            rows_u64(&w, of[skip_at(m, SKIP_P)].n);
            rows_real(&w, p.mean);
            rows_real(&w, p.se);
            rows_real(&w, logprob.mean);
            rows_real(&w, logprob.se);
            rows_next(&w);
        }
    }
    return rows_close(&w);
}

static int reals_json(struct buf *b, const float *x, size_t n, struct err *err)
{
    b->len = 0;
    int rc = buf_append(b, "[", 1, err);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *comma = i > 0 ? "," : "";
        rc = isfinite(x[i]) ? buf_printf(b, err, "%s%.*g", comma, LOGPROB_DIGITS, (double)x[i])
                            : buf_printf(b, err, "%snull", comma);
    }
    return rc ? rc : buf_append(b, "]", 2, err);
}

/* Index of the latest A before B among the tokens shown; they begin behind what begins the
 * window. */
static size_t latest_a(const struct example *e, uint32_t a)
{
    size_t i = e->before;
    while (i > 1 && e->ids[i - 1] != a) {
        i--;
    }
    return i > 1 ? i - 2 : 0;
}

static void put_list(struct writer *x, struct rows *w, size_t item, const struct example_list *list)
{
    for (size_t k = 0; k < list->n && !w->rc; k++) {
        const struct example *e = &list->items[k];
        if (e->before == 0 || e->before >= e->n_tokens) {
            continue; // of a damaged file
        }
        w->rc = reals_json(&x->json[1], e->acts, e->n_acts, x->err);
        rows_u64(w, item);
        rows_u64(w, k + 1);
        rows_u64(w, e->shard);
        rows_u64(w, e->doc);
        rows_u64(w, e->byte_start);
        rows_u64(w, e->byte_end);
        rows_u64(w, latest_a(e, x->k->shape->items[item].a));
        rows_u64(w, e->before - 1);
        rows_u32s(w, &x->json[0], e->ids + 1, e->n_tokens - 1);
        rows_text(w, x->json[1].data);
        rows_next(w);
    }
}

static int write_examples(struct writer *x)
{
    const struct skip_shape *s = x->k->shape;
    struct rows w;
    rows_anew(&w, x->s, "DELETE FROM skip_example",
              "INSERT INTO skip_example VALUES(?,?,?,?,?,?,?,?,?,?)", x->err);
    for (size_t i = 0; i < s->n && !w.rc; i++) {
        put_list(x, &w, i, &x->k->places[s->cells[s->own[i]].pair]);
    }
    return rows_close(&w);
}

int skip_tables_write(const struct sql *s, const struct skip_sums *k, struct err *err)
{
    struct writer x = {.s = s, .k = k, .err = err};
    int rc = write_skips(&x);
    rc = rc ? rc : write_models(&x);
    rc = rc ? rc : write_examples(&x);
    buf_free(&x.json[0]);
    buf_free(&x.json[1]);
    return rc;
}

// --- bugs ---------------------------------------------------------------------------------------

static void put_reals(struct rows *w, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rows_real(w, x[i]);
    }
}

static void put_bug(struct rows *w, const struct skip_sums *k, const struct skip_bug *g, size_t id)
{
    const struct skip_crossing *x = &g->crossing;
    const struct skip *one = &k->shape->items[x->skip1], *two = &k->shape->items[x->skip2];
    const struct moments *m = skip_follows(k, x->cell2);
    const uint64_t ids[] = {id, one->head, one->a, one->b, one->c, two->b, two->c, m->n, m->docs};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        rows_u64(w, ids[i]);
    }
    put_reals(w, (const double[]){x->rate, x->p.mean, g->p_without_a, g->p_without_head}, 4);
    rows_u64(w, x->skip1);
    rows_u64(w, x->skip2);
    put_reals(w, (const double[]){x->p_low, x->over_low}, 2);
    rows_u64(w, g->contexts);
    put_reals(w, (const double[]){g->p_contexts, g->fall_without_a, g->fall_without_head}, 3);
    rows_next(w);
}

static void put_fixes(struct rows *w, const struct skip_sums *k, const struct skip_bug *g,
                      size_t id)
{
    for (size_t m = 0; m < k->shape->n_models && !w->rc; m++) {
        const struct skip_repair r = skip_bugs_repair(k, &g->crossing, m);
        if (m == k->shape->base) {
            continue;
        }
        rows_u64(w, id);
        rows_u64(w, m);
        rows_real(w, r.p);
        rows_u64(w, r.fixed);
        put_reals(w, (const double[]){r.p_less.mean, r.p_less.se, r.c1_less.mean, r.c1_less.se}, 4);
        rows_next(w);
    }
}

static void put_components(struct rows *w, const struct skip_fixer *f, size_t id)
{
    for (size_t i = 0; i < f->n && !w->rc; i++) {
        const struct skip_component *c = &f->components[i];
        rows_u64(w, id);
        rows_u64(w, f->model);
        rows_u64(w, i + 1);
        rows_text(w, c->neuron ? "neuron" : "head");
        rows_u64(w, c->layer);
        rows_u64(w, c->index);
        put_reals(w,
                  (const double[]){c->direct, f->p_contexts, c->p_without, c->change, c->change_se},
                  5);
        rows_next(w);
    }
}

int skip_rows_write(const struct sql *s, const struct skip_sums *k, const struct skip_bug *bugs,
                    size_t n, struct err *err)
{
    struct rows w;
    size_t id = 0;
    rows_anew(&w, s, "DELETE FROM skip_bug",
              "INSERT INTO skip_bug VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; i < n && !w.rc; i++) {
        if (bugs[i].is) {
            put_bug(&w, k, &bugs[i], id++);
        }
    }
    int rc = rows_close(&w);
    if (rc) {
        return rc;
    }
    rows_anew(&w, s, "DELETE FROM skip_fix", "INSERT INTO skip_fix VALUES(?,?,?,?,?,?,?,?)", err);
    id = 0;
    for (size_t i = 0; i < n && !w.rc; i++) {
        if (bugs[i].is) {
            put_fixes(&w, k, &bugs[i], id++);
        }
    }
    rc = rows_close(&w);
    if (rc) {
        return rc;
    }
    rows_anew(&w, s, "DELETE FROM skip_component",
              "INSERT INTO skip_component VALUES(?,?,?,?,?,?,?,?,?,?,?)", err);
    id = 0;
    for (size_t i = 0; i < n && !w.rc; i++) {
        for (size_t f = 0; f < bugs[i].n_fixers && bugs[i].is && !w.rc; f++) {
            put_components(&w, &bugs[i].fixers[f], id);
        }
        id += bugs[i].is;
    }
    return rows_close(&w);
}
