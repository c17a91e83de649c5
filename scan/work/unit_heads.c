/*
 * Changed models that are scored together with their whole: those of which one head of the last
 * layer is replaced, where logits are linear in it but for the final norm (head_rows.h).
 */
#include <string.h>

#include "corpora/base/mem.h"
#include "scan/work/unit_scores_internal.h"

// Changed models that a thread scores together with their wholes: their rows take 7 to 13 MB each at
// the hub's sizes.
#define HEADS_MOST 48

/* The unchanged model before m that has its engine; SIZE_MAX: there is none. */
static size_t find_whole(const struct unit_scores *s, const struct scorer *m)
{
    for (size_t i = 0; i < s->n_models; i++) {
        const struct scorer *of = &s->scorers[i];
        if (!scorer_is_changed(of) && of->predictor->engine == m->predictor->engine) {
            return i;
        }
    }
    return SIZE_MAX;
}

int unit_heads_open(struct unit_scores *s, struct scorer *m, struct err *err)
{
    const struct engine *e = m->predictor->engine;
    m->whole = find_whole(s, m);
    if (m->whole == SIZE_MAX) {
        return 0;
    }
    struct scorer *whole = &s->scorers[m->whole];
    predictor_begin_from(m->ctx, whole->ctx);
    int rc = engine_keep_layers(predictor_engine_ctx(whole->ctx), err);
    if (rc || !m->predictor->head || s->n_heads == HEADS_MOST) {
        return rc;
    }
    rc = mem_reserve(&s->heads, &s->heads_cap, s->n_heads + 1, sizeof *s->heads, "models", err);
    rc = rc ? rc : head_rows_new(&m->heads, m->predictor->head, engine_rows_max(e), err);
    if (!rc) {
        s->n_heads++;
        whole->has_heads = true;
    }
    return rc;
}

struct head_list unit_heads_join(void *context, const struct engine_window *windows,
                                 size_t n_windows)
{
    struct unit_scores *s = context;
    const size_t whole = s->model, first = (size_t)(windows - s->windows);
    size_t n = 0;
    for (size_t m = whole + 1; m < s->n_models && !s->rc; m++) {
        struct scorer *of = &s->scorers[m];
        if (!of->heads || of->whole != whole) {
            continue;
        }
        unit_scores_set_windows(s, m);
        s->rc = unit_share_choose(s, m, first, n_windows, s->err);
        s->rc = s->rc ? s->rc
                      : predictor_head_rows(of->ctx, &s->in, s->some, s->n_some, of->heads, s->stop,
                                            s->err);
        if (s->n_some > 0) {
            s->heads[n++] = of->heads;
            s->times.together = true;
        }
    }
    unit_scores_set_windows(s, whole);
    return (struct head_list){s->heads, s->rc ? 0 : n};
}

void unit_heads_score(struct unit_scores *s, size_t model)
{
    struct scorer *m = &s->scorers[model];
    for (size_t t = s->block.begin; t < s->block.end; t++) {
        if (head_rows_x(m->heads, t - s->block.begin)) {
            m->logprob[t] = head_rows_logprob(m->heads, t - s->block.begin);
        }
    }
    unit_share_silence(s, model);
}

int unit_heads_normed(struct unit_scores *s, struct scorer *m, struct err *err)
{
    const size_t d = m->predictor->model->config->d_model, n = s->block.end - s->block.begin;
    const int rc = floats_reserve(&m->normed, n * d, err);
    for (size_t i = 0; i < n && !rc; i++) {
        const float *x = head_rows_x(m->heads, i);
        if (x) {
            memcpy(m->normed.at + i * d, x, d * sizeof *x);
        } else {
            memset(m->normed.at + i * d, 0, d * sizeof *x);
        }
    }
    return rc;
}

const float *unit_heads_row(const struct unit_scores *s, const struct scorer *m, size_t token)
{
    return engine_has_exact_layers(m->predictor->engine)
               ? head_rows_x(m->heads, token - s->block.begin)
               : NULL;
}
