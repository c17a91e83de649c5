#include "scan/cmd/score_lens.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/logprob.h"

struct score_lens {
    const struct engine *engine;
    struct engine_ctx *ctx;
    size_t n_ctx, n; // ids of a window at most; values of the current one
    float *resid;    // [n_layers][n_ctx][d_model] behind each layer
    float *x;        // [ENGINE_SIGHTS][d_model] behind the final norm
    float *logprob;  // [n_layers][n_ctx]
    double *sums;    // [n_layers] of all windows
    uint64_t *n_sum; // [n_layers]
};

int score_lens_new(struct score_lens **out, const struct engine *e, struct engine_ctx *ctx,
                   size_t n_ctx, struct err *err)
{
    const struct config *c = &engine_model(e)->config;
    struct score_lens *s = mem_zero(1, sizeof *s);
    size_t rows, size;
    if (!s || !mem_mul(n_ctx, c->n_layers, &rows) || !mem_mul(rows, c->d_model, &size)) {
        free(s);
        return err_nomem(err, "the logit lens");
    }
    s->engine = e;
    s->ctx = ctx;
    s->n_ctx = n_ctx;
    s->resid = mem_new(size, sizeof *s->resid);
    s->x = mem_new(ENGINE_SIGHTS * c->d_model, sizeof *s->x);
    s->logprob = mem_new(rows, sizeof *s->logprob);
    s->sums = mem_zero(c->n_layers, sizeof *s->sums);
    s->n_sum = mem_zero(c->n_layers, sizeof *s->n_sum);
    if (!s->resid || !s->x || !s->logprob || !s->sums || !s->n_sum) {
        score_lens_free(s);
        return err_nomem(err, "the logit lens");
    }
    *out = s;
    return engine_watch_sites(ctx, ROW_BIT(ROW_RESID_PRE) | ROW_BIT(ROW_RESID_FINAL), err);
}

void score_lens_free(struct score_lens *s)
{
    if (s) {
        free(s->resid);
        free(s->x);
        free(s->logprob);
        free(s->sums);
        free(s->n_sum);
        free(s);
    }
}

/* engine_rows() of one window: what stands before a layer stands behind the one before it. */
static void keep_resid(void *context, size_t layer, enum row_site site,
                       const struct engine_window *window, size_t n_windows, const float *rows)
{
    (void)n_windows;
    struct score_lens *s = context;
    const size_t d_model = engine_model(s->engine)->config.d_model;
    const size_t behind = site == ROW_RESID_FINAL ? layer + 1 : layer;
    if (behind > 0) {
        memcpy(s->resid + (behind - 1) * s->n_ctx * d_model, rows,
               window->n * d_model * sizeof *rows);
    }
}

/* The final norm of x[n][d_model]. */
static void final_norm(const struct engine *e, const float *resid, size_t n, float *x)
{
    const struct model *m = engine_model(e);
    const struct config *c = &m->config;
    memcpy(x, resid, n * c->d_model * sizeof *x);
    for (size_t i = 0; i < n && c->norm != NORM_NONE; i++) {
        float *row = x + i * c->d_model;
        engine_kern(e)->f32->norm(row, row, m->ln_final_w, m->ln_final_b, c->eps, c->d_model,
                                  !c->final_rms);
    }
}

static void look_at_layer(struct score_lens *s, const struct engine_window *w, size_t layer)
{
    const struct config *c = &engine_model(s->engine)->config;
    const float *resid = s->resid + layer * s->n_ctx * c->d_model;
    float *logprob = s->logprob + layer * s->n_ctx;
    for (size_t i = 0; i < w->n; i += ENGINE_SIGHTS) {
        const size_t n = w->n - i < ENGINE_SIGHTS ? w->n - i : ENGINE_SIGHTS;
        size_t ld;
        final_norm(s->engine, resid + i * c->d_model, n, s->x);
        const float *logits = engine_logits(s->ctx, s->x, n, &ld);
        for (size_t k = 0; k < n; k++) {
            const float *row = logits + k * ld;
            logprob[i + k] =
                (float)((double)row[w->tokens[i + k]] - logprob_log_sum_exp(row, c->d_vocab));
        }
    }
}

void score_lens_window(struct score_lens *s, const struct engine_window *w, bool says,
                       const bool *counts)
{
    const size_t n_layers = engine_model(s->engine)->config.n_layers;
    const struct engine_watch watch = {.sites = ROW_BIT(ROW_RESID_PRE) | ROW_BIT(ROW_RESID_FINAL),
                                       .rows = keep_resid,
                                       .context = s};
    s->n = w->n;
    if (says && w->n > 0) {
        engine_watch_layers(s->ctx, w, 1, &watch, NULL);
    }
    for (size_t l = 0; l < n_layers; l++) {
        float *logprob = s->logprob + l * s->n_ctx;
        for (size_t i = 0; i < w->n && !says; i++) {
            logprob[i] = NAN;
        }
        if (says) {
            look_at_layer(s, w, l);
        }
        for (size_t i = 0; i < w->n; i++) {
            const bool is_counted = (!counts || counts[i]) && isfinite(logprob[i]);
            s->sums[l] += is_counted ? (double)logprob[i] : 0;
            s->n_sum[l] += is_counted;
        }
    }
}

void score_lens_write(const struct score_lens *s, struct jsonout *j)
{
    jsonout_begin(j, '[');
    for (size_t l = 0; l < engine_model(s->engine)->config.n_layers; l++) {
        jsonout_floats(j, s->logprob + l * s->n_ctx, s->n);
    }
    jsonout_end(j, ']');
}

void score_lens_print(const struct score_lens *s, const char *name, FILE *to)
{
    fprintf(to, "gapscope score: %s: loss behind", name);
    for (size_t l = 0; l < engine_model(s->engine)->config.n_layers; l++) {
        const double n = (double)s->n_sum[l];
        fprintf(to, "%s L%zu %.4f", l > 0 ? "," : "", l, n > 0 ? -s->sums[l] / n : (double)NAN);
    }
    fputs(" nats per token, by the logit lens\n", to);
}
