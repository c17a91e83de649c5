#include "model/engine.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward.h"
#include "model/logprob.h"
#include "scan/base/mem.h"

struct engine {
    const struct model *model;
};

struct engine_run {
    const struct model *model;
    struct forward *forward;
    uint32_t *ids; // [n_ctx]
    float *logits; // [FORWARD_ROWS][d_vocab]
};

int engine_new(struct engine **out, const struct model *model, struct err *err)
{
    struct engine *e = mem_zero(1, sizeof *e);
    if (!e) {
        return err_nomem(err, "an engine");
    }
    e->model = model;
    *out = e;
    return 0;
}

void engine_free(struct engine *e)
{
    free(e);
}

int engine_run_new(struct engine_run **out, const struct engine *e, struct err *err)
{
    const struct config *c = &e->model->config;
    struct engine_run *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "an engine");
    }
    r->model = e->model;
    r->ids = mem_new(c->n_ctx, sizeof *r->ids);
    r->logits = mem_new(FORWARD_ROWS * c->d_vocab, sizeof *r->logits);
    int rc = r->ids && r->logits ? 0 : err_nomem(err, "an engine");
    rc = rc ? rc : forward_new(&r->forward, e->model, err);
    if (rc) {
        engine_run_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void engine_run_free(struct engine_run *r)
{
    if (r) {
        forward_free(r->forward);
        free(r->ids);
        free(r->logits);
        free(r);
    }
}

static bool is_stopped(const atomic_int *stop)
{
    return stop && atomic_load_explicit(stop, memory_order_relaxed) != 0;
}

static void run_window(struct engine_run *r, const struct engine_window *w)
{
    r->ids[0] = w->first;
    memcpy(r->ids + 1, w->tokens, (w->n - 1) * sizeof *r->ids); // the last is predicted only
    forward_run(r->forward, r->ids, w->n, NULL);
}

static void score_window(struct engine_run *r, const struct engine_window *w,
                         const atomic_int *stop)
{
    const size_t d_vocab = r->model->config.d_vocab;
    run_window(r, w);
    for (size_t from = 0; from < w->n && !is_stopped(stop); from += FORWARD_ROWS) {
        const size_t count = w->n - from < FORWARD_ROWS ? w->n - from : FORWARD_ROWS;
        forward_logits(r->forward, from, count, r->logits);
        for (size_t i = 0; i < count; i++) {
            const float *row = r->logits + i * d_vocab;
            w->logprob[from + i] =
                (double)row[w->tokens[from + i]] - logprob_log_sum_exp(row, d_vocab);
        }
    }
}

void engine_score(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                  const atomic_int *stop)
{
    for (size_t i = 0; i < n_windows && !is_stopped(stop); i++) {
        score_window(r, &windows[i], stop);
    }
}

void engine_look(struct engine_run *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop)
{
    for (size_t k = 0; k < n && !is_stopped(stop); k++) {
        if (k == 0 || picks[k - 1].window != picks[k].window) {
            run_window(r, picks[k].window);
        }
        forward_logits(r->forward, picks[k].at, 1, r->logits);
        view(context, k, r->logits);
    }
}
