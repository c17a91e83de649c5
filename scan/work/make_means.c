#include "scan/work/make_means.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "out/results/means/means.h"
#include "scan/work/first_unit.h"
#include "scan/work/replaced.h"

/* What is at work while a text is read. */
struct means {
    struct engines *engines;
    struct engine_ctx **ctx;   // [n_families]; NULL: it needs no means
    struct replaced *replaced; // [n_families]
    const atomic_int *stop;
    uint64_t docs, tokens; // that were read, without BOS
    struct err err;
    int rc;
};

static void add_window(struct means *w, const struct engine_window *window)
{
    w->tokens += window->n;
    for (size_t f = 0; f < w->engines->n_families && !w->rc && !is_stopped(w->stop); f++) {
        w->rc = w->ctx[f] ? replaced_add(&w->replaced[f], w->ctx[f], window, 1, &w->err) : 0;
    }
}

/* window_fn */
static void each_window(void *context, const struct window *w, FILE *to)
{
    (void)to;
    const struct engine_window window = {.first = w->ids[0], .tokens = w->ids + 1, .n = w->n - 1};
    add_window(context, &window);
}

static int read_first_unit(struct means *w, const struct pipeline_options *p, struct err *err)
{
    struct layout l = {0};
    const int rc = first_unit_layout(&l, p, err);
    for (size_t i = 0; i < l.n_windows && !rc; i++) {
        const struct engine_window window = {
            .first = l.windows[i].first, .tokens = l.ids + l.windows[i].begin, .n = l.windows[i].n};
        add_window(w, &window);
    }
    w->docs = l.n_docs;
    layout_free(&l);
    return rc;
}

static int begin(struct means *w, struct err *err)
{
    const struct engines *e = w->engines;
    w->ctx = mem_zero(e->n_families, sizeof *w->ctx);
    w->replaced = mem_zero(e->n_families, sizeof *w->replaced);
    int rc = w->ctx && w->replaced ? 0 : err_nomem(err, "means");
    for (size_t i = 0; i < e->n && !rc; i++) {
        const struct predictor_family *f = e->predictors[i].family;
        const size_t k = f ? (size_t)(f - e->families) : 0;
        if (f && f->mean && !w->ctx[k]) {
            rc = engine_ctx_new(&w->ctx[k], e->predictors[i].engine, err);
            rc = rc ? rc : replaced_init(&w->replaced[k], &f->all, err);
        }
    }
    return rc;
}

static void end(struct means *w)
{
    for (size_t f = 0; f < w->engines->n_families; f++) {
        if (w->replaced) {
            replaced_free(&w->replaced[f]);
        }
        if (w->ctx) {
            engine_ctx_free(w->ctx[f]);
        }
    }
    free(w->ctx);
    free(w->replaced);
}

/* Copies the means between the shape and the families: 'to_shape', or from it. */
static void copy_means(const struct means_shape *s, struct engines *e, bool to_shape)
{
    size_t k = 0;
    for (size_t m = 0; m < e->n; m++) {
        const struct changes *c = &e->predictors[m].model->changes;
        for (size_t i = 0; i < c->n; i++) {
            const struct change *x = &c->items[i];
            if (x->verb != CHANGE_MEAN) {
                continue;
            }
            assert(s->items[k].model == m && s->items[k].n == x->width); // a shape of this run
            float *in_shape = s->items[k++].values, *own = e->predictors[m].family->mean + x->at;
            memcpy(to_shape ? in_shape : own, to_shape ? own : in_shape, x->width * sizeof *own);
        }
    }
}

static int make(struct means *w, const struct lineup *lineup, const char *reference,
                const struct input_options *input, const struct pipeline_options *p,
                struct err *err)
{
    int rc = begin(w, err);
    if (!rc && reference) {
        rc = windows_see(reference, input, lineup, each_window, w, &w->docs, err);
    } else if (!rc) {
        rc = read_first_unit(w, p, err);
    }
    rc = rc || !w->rc ? rc : err_set(err, w->err.code, "%s", w->err.msg);
    if (!rc && w->tokens == 0 && reference && !is_stopped(w->stop)) {
        rc = replaced_refuse_none(reference, err);
    }
    for (size_t f = 0; f < w->engines->n_families && !rc; f++) {
        if (w->ctx[f]) {
            replaced_make_means(&w->replaced[f]);
            memcpy(w->engines->families[f].mean, w->replaced[f].mean,
                   w->engines->families[f].all.width * sizeof(float));
        }
    }
    return rc;
}

int make_means(struct engines *e, const struct lineup *lineup, const struct results *results,
               const char *reference, const struct input_options *input,
               const struct pipeline_options *p, const atomic_int *stop, struct err *err)
{
    struct means_shape *s = means_shape_in(results);
    struct means w = {.engines = e, .stop = stop};
    if (!s || is_stopped(stop)) {
        return 0;
    }
    if (s->docs > 0) {
        copy_means(s, e, false);
        return 0;
    }
    const int rc = make(&w, lineup, reference, input, p, err);
    if (!rc && !is_stopped(stop)) {
        copy_means(s, e, true);
        s->docs = w.docs;
        replaced_warn_few("scan", s->docs, reference ? reference : "the corpus' first unit");
    }
    end(&w);
    return rc;
}
