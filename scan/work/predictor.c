#include "scan/work/predictor.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "scan/work/donors.h"

/* How one kind of model does it. */
struct kind {
    int (*run_new)(struct predictor_ctx *r, struct err *err);
    int (*score)(struct predictor_ctx *r, const struct predictor_unit *unit,
                 const struct engine_window *windows, size_t n_windows,
                 const struct engine_watch *watch, const atomic_int *stop, struct err *err);
    int (*pick_exact)(struct predictor_ctx *r, const struct predictor_unit *unit,
                      const struct engine_pick *picks, size_t n, double *logprob,
                      const atomic_int *stop, struct err *err);
    int (*look)(struct predictor_ctx *r, const struct predictor_unit *unit,
                const struct engine_pick *picks, size_t n, engine_view *view, void *context,
                const atomic_int *stop, struct err *err);
};

/* What the changed models of an engine share in a thread. */
struct family_ctx {
    struct donors donors;
    const struct predictor *last; // the one that scored last; NULL: something else was done since
};

struct predictor_ctx {
    const struct predictor *predictor;
    const struct kind *kind;
    struct engine_ctx *engine;    // of weights
    struct family_ctx *family;    // of a changed model; NULL: nothing is changed
    struct predictor_ctx *lender; // whose these two are; NULL: its own
    struct predictor_ctx *whole;  // that a changed model begins with; NULL: none

    // of counts
    struct countmodel_ctx *counts;
    bool has_document; // one is left out
    size_t document;   // of the layout in hand, that one; SIZE_MAX: none of it
    double *p;         // [d_vocab]
    float *logits;     // [d_vocab]
};

// --- weights ------------------------------------------------------------------------------------

static int weights_run_new(struct predictor_ctx *r, struct err *err)
{
    const struct predictor_family *f = r->predictor->family;
    int rc = 0;
    if (r->lender) {
        r->engine = r->lender->engine;
        r->family = r->lender->family;
    } else {
        rc = engine_ctx_new(&r->engine, r->predictor->engine, err);
        r->family = f && !rc ? mem_zero(1, sizeof *r->family) : NULL;
        rc = rc || !f || r->family ? rc : err_nomem(err, "a changed model");
        if (r->family) {
            donors_init(&r->family->donors, &f->all, f->mean);
        }
    }
    return rc || !f ? rc : engine_change(r->engine, &r->predictor->model->changes, err);
}

/* Before anything is asked of weights: the engine becomes the changed model, which has what
 * windows[n] of the unit need. */
static int take_changed(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_window *windows, size_t n, const atomic_int *stop,
                        struct err *err)
{
    const struct changes *c = &r->predictor->model->changes;
    if (!r->family) {
        return 0;
    }
    r->family->last = NULL;
    int rc = engine_change(r->engine, c, err);
    if (!rc && c->has[CHANGE_RESAMPLE] && unit) {
        rc = donors_need(&r->family->donors, r->engine, unit->layout, windows, n, stop, err);
    }
    if (!rc) {
        engine_replace(r->engine, &r->family->donors.by);
        rc = engine_begin_from(r->engine, r->whole ? r->whole->engine : NULL, err);
    }
    return rc;
}

void predictor_begin_from(struct predictor_ctx *r, struct predictor_ctx *whole)
{
    r->whole = whole;
}

int predictor_head_rows(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_window *windows, size_t n_windows,
                        struct head_rows *rows, const atomic_int *stop, struct err *err)
{
    const struct predictor *p = r->predictor;
    const int rc = take_changed(r, unit, windows, n_windows, stop, err);
    if (!rc) {
        engine_head_rows(r->engine, windows, n_windows,
                         engine_linear_head(p->engine, &p->model->changes), rows, stop);
    }
    return rc;
}

static int weights_score(struct predictor_ctx *r, const struct predictor_unit *unit,
                         const struct engine_window *windows, size_t n_windows,
                         const struct engine_watch *watch, const atomic_int *stop, struct err *err)
{
    const int rc = take_changed(r, unit, windows, n_windows, stop, err);
    if (rc) {
        return rc;
    }
    if (watch) {
        engine_score_watched(r->engine, windows, n_windows, watch, stop);
    } else {
        engine_score(r->engine, windows, n_windows, stop);
    }
    if (r->family) {
        r->family->last = r->predictor;
    }
    return 0;
}

/* Where the picks end, from 'from' on, that one call of the engine takes: of a resampled model those
 * of one window, so that its donor is at hand. */
static size_t picks_together(const struct predictor_ctx *r, const struct engine_pick *picks,
                             size_t from, size_t n)
{
    size_t to = from + 1;
    if (!r->family || !r->predictor->model->changes.has[CHANGE_RESAMPLE]) {
        return n;
    }
    while (to < n && picks[to].window == picks[from].window) {
        to++;
    }
    return to;
}

static int weights_pick_exact(struct predictor_ctx *r, const struct predictor_unit *unit,
                              const struct engine_pick *picks, size_t n, double *logprob,
                              const atomic_int *stop, struct err *err)
{
    int rc = 0;
    for (size_t k = 0, to; k < n && !rc && !is_stopped(stop); k = to) {
        to = picks_together(r, picks, k, n);
        rc = take_changed(r, unit, picks[k].window, 1, stop, err);
        if (!rc) {
            engine_pick_exact(r->engine, picks + k, to - k, logprob + k, stop);
        }
    }
    return rc;
}

int predictor_pick_rows(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_pick *picks, size_t n, float *rows,
                        const atomic_int *stop, struct err *err)
{
    const size_t size = engine_row_size(r->predictor->engine);
    int rc = 0;
    for (size_t k = 0, to; k < n && !rc && !is_stopped(stop); k = to) {
        to = picks_together(r, picks, k, n);
        rc = take_changed(r, unit, picks[k].window, 1, stop, err);
        if (!rc) {
            engine_pick_rows(r->engine, picks + k, to - k, rows + k * size, stop);
        }
    }
    return rc;
}

bool predictor_kept_row(const struct predictor_ctx *r, const struct engine_pick *pick, float *row)
{
    return (!r->family || r->family->last == r->predictor) && engine_kept_row(r->engine, pick, row);
}

bool predictor_says(const struct predictor *p, const struct layout *layout, size_t window)
{
    return !p->model->changes.has[CHANGE_RESAMPLE] || donors_find(layout, window) != SIZE_MAX;
}

static int weights_look(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_pick *picks, size_t n, engine_view *view, void *context,
                        const atomic_int *stop, struct err *err)
{
    (void)unit;
    (void)err;
    assert(!r->family); // predictor_pick_rows() and predictor_logits() say what it says
    engine_look(r->engine, picks, n, view, context, stop);
    return 0;
}

static const struct kind weights = {weights_run_new, weights_score, weights_pick_exact,
                                    weights_look};

// --- counts -------------------------------------------------------------------------------------

static int counts_run_new(struct predictor_ctx *r, struct err *err)
{
    r->document = SIZE_MAX;
    const size_t d_vocab = r->predictor->model->config->d_vocab;
    r->p = mem_new(d_vocab, sizeof *r->p);
    r->logits = mem_new(d_vocab, sizeof *r->logits);
    return r->p && r->logits ? countmodel_ctx_new(&r->counts, &r->predictor->model->counts, err)
                             : err_nomem(err, "counts");
}

static bool leaves_out(const struct predictor_ctx *r, const struct predictor_unit *unit)
{
    return unit && r->predictor->leave_out && r->predictor->leave_out[unit->shard];
}

/* Leaves out the document that holds token 'at' of the layout. */
static int take_document(struct predictor_ctx *r, const struct predictor_unit *unit, size_t at,
                         struct err *err)
{
    const struct layout *l = unit->layout;
    size_t d = r->document;
    if (d == SIZE_MAX || l->docs[d].begin > at) {
        d = 0;
    }
    while (d + 1 < l->n_docs && l->docs[d + 1].begin <= at) { // an empty one begins where the next
        d++;
    }
    if (d == r->document) {
        return 0;
    }
    r->document = d;
    r->has_document = true;
    const struct layout_doc *in = &l->docs[d];
    return countmodel_ctx_document(r->counts, in->first, l->ids + in->begin, in->n, err);
}

/* Nothing is left out. */
static int take_none(struct predictor_ctx *r, struct err *err)
{
    if (!r->has_document) {
        return 0;
    }
    r->has_document = false;
    r->document = SIZE_MAX;
    return countmodel_ctx_document(r->counts, 0, NULL, 0, err);
}

static struct count_text text_of(const struct engine_window *w)
{
    return (struct count_text){.first = w->first, .ids = w->tokens};
}

static int counts_score(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_window *windows, size_t n_windows,
                        const struct engine_watch *watch, const atomic_int *stop, struct err *err)
{
    (void)watch; // there are no neurons
    const bool out = leaves_out(r, unit);
    int rc = out ? 0 : take_none(r, err);
    for (size_t k = 0; k < n_windows && !rc && !is_stopped(stop); k++) {
        const struct engine_window *w = &windows[k];
        const struct count_text text = text_of(w);
        for (size_t i = 0; i < w->n && !rc; i++) {
            rc = out ? take_document(r, unit, (size_t)(w->tokens - unit->layout->ids) + i, err) : 0;
            w->logprob[i] = rc ? 0 : countmodel_ctx_score(r->counts, &text, i);
        }
    }
    return rc;
}

/* They are exact as scored. */
static int counts_pick_exact(struct predictor_ctx *r, const struct predictor_unit *unit,
                             const struct engine_pick *picks, size_t n, double *logprob,
                             const atomic_int *stop, struct err *err)
{
    (void)r;
    (void)unit;
    (void)stop;
    (void)err;
    for (size_t k = 0; k < n; k++) {
        logprob[k] = picks[k].window->logprob[picks[k].at];
    }
    return 0;
}

static int counts_look(struct predictor_ctx *r, const struct predictor_unit *unit,
                       const struct engine_pick *picks, size_t n, engine_view *view, void *context,
                       const atomic_int *stop, struct err *err)
{
    const size_t d_vocab = r->predictor->model->config->d_vocab;
    const bool out = leaves_out(r, unit);
    int rc = out ? 0 : take_none(r, err);
    for (size_t k = 0; k < n && !rc && !is_stopped(stop); k++) {
        const struct engine_window *w = picks[k].window;
        const struct count_text text = text_of(w);
        const size_t at = picks[k].at;
        rc = out ? take_document(r, unit, (size_t)(w->tokens - unit->layout->ids) + at, err) : 0;
        if (!rc) {
            countmodel_ctx_look(r->counts, &text, at, r->p);
            for (size_t i = 0; i < d_vocab; i++) {
                r->logits[i] = (float)log(fmax(r->p[i], DBL_MIN)); // as countmodel_ctx_score()
            }
            const struct engine_sight sight = {.logits = r->logits};
            view(context, k, 1, &sight);
        }
    }
    return rc;
}

static const struct kind counts = {counts_run_new, counts_score, counts_pick_exact, counts_look};

// --- either -------------------------------------------------------------------------------------

void predictor_free(struct predictor *p)
{
    head_logits_free(p->head);
    engine_free(p->shares_engine ? NULL : p->engine);
    free(p->leave_out);
    *p = (struct predictor){0};
}

bool predictor_has_counted(const struct predictor *p, const struct shard *s)
{
    const struct ngrams_info *info =
        p->model->weights ? NULL : ngrams_info(p->model->counts.ngrams);
    for (size_t i = 0; info && i < info->n_shards; i++) {
        const struct ngrams_shard *c = &info->shards[i];
        if (c->bytes == s->bytes && c->hash == s->hash && strcmp(c->name, s->name) == 0) {
            return true;
        }
    }
    return false;
}

int predictor_leave_out(struct predictor *p, const struct shards *shards, uint64_t settings,
                        struct err *err)
{
    if (p->model->weights) {
        return 0;
    }
    const struct ngrams_info *info = ngrams_info(p->model->counts.ngrams);
    p->leave_out = mem_zero(shards->n, sizeof *p->leave_out);
    if (!p->leave_out) {
        return err_nomem(err, "shards");
    }
    for (size_t i = 0; i < shards->n; i++) {
        p->leave_out[i] = predictor_has_counted(p, &shards->items[i]);
        if (p->leave_out[i] && info->settings != settings) {
            return err_set(
                err, ERR_MISMATCH,
                "%s: %s was counted with other options (--field, --format, --special or --ids), so "
                "its documents cannot be left out; count again with this scan's options",
                p->model->name, shards->items[i].name);
        }
    }
    return 0;
}

int predictor_ctx_new(struct predictor_ctx **out, const struct predictor *p,
                      struct predictor_ctx *lender, struct err *err)
{
    struct predictor_ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a model's run");
    }
    r->predictor = p;
    r->lender = lender;
    r->kind = p->model->weights ? &weights : &counts;
    const int rc = r->kind->run_new(r, err);
    if (rc) {
        predictor_ctx_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void predictor_ctx_free(struct predictor_ctx *r)
{
    if (r) {
        if (!r->lender) {
            engine_ctx_free(r->engine);
            if (r->family) {
                donors_free(&r->family->donors);
            }
            free(r->family);
        }
        countmodel_ctx_free(r->counts);
        free(r->p);
        free(r->logits);
        free(r);
    }
}

struct engine_ctx *predictor_engine_ctx(const struct predictor_ctx *r)
{
    return r->engine;
}

int predictor_begin_unit(struct predictor_ctx *r, struct err *err)
{
    if (r->family) {
        donors_forget(&r->family->donors);
        r->family->last = NULL;
    } else if (r->engine) {
        engine_forget_layers(r->engine);
    }
    return r->counts ? take_none(r, err) : 0;
}

int predictor_watch_sites(struct predictor_ctx *r, uint32_t sites, struct err *err)
{
    return r->engine ? engine_watch_sites(r->engine, sites, err) : 0;
}

const float *predictor_logits(struct predictor_ctx *r, const float *x, size_t n, size_t *ld)
{
    return engine_logits(r->engine, x, n, ld);
}

int predictor_score(struct predictor_ctx *r, const struct predictor_unit *unit,
                    const struct engine_window *windows, size_t n_windows,
                    const struct engine_watch *watch, const atomic_int *stop, struct err *err)
{
    return r->kind->score(r, unit, windows, n_windows, watch, stop, err);
}

int predictor_pick_exact(struct predictor_ctx *r, const struct predictor_unit *unit,
                         const struct engine_pick *picks, size_t n, double *logprob,
                         const atomic_int *stop, struct err *err)
{
    return r->kind->pick_exact(r, unit, picks, n, logprob, stop, err);
}

int predictor_score_ids(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_pick *picks, const uint32_t *ids, size_t n,
                        double *logprob, struct err *err)
{
    const bool out = leaves_out(r, unit);
    int rc = out ? 0 : take_none(r, err);
    for (size_t k = 0; k < n && !rc; k++) {
        const struct engine_window *w = picks[k].window;
        const struct count_text text = text_of(w);
        const size_t at = picks[k].at;
        rc = out ? take_document(r, unit, (size_t)(w->tokens - unit->layout->ids) + at, err) : 0;
        logprob[k] = rc ? 0 : countmodel_ctx_score_id(r->counts, &text, at, ids[k]);
    }
    return rc;
}

bool predictor_looks(const struct predictor *p)
{
    return p->model->weights || count_order_sums(p->model->counts.order);
}

int predictor_look(struct predictor_ctx *r, const struct predictor_unit *unit,
                   const struct engine_pick *picks, size_t n, engine_view *view, void *context,
                   const atomic_int *stop, struct err *err)
{
    return r->kind->look(r, unit, picks, n, view, context, stop, err);
}
