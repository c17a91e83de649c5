/*
 * Log-probs of tokens of a unit with paths through at most k heads kept: their windows are run again.
 */
#include <string.h>

#include "corpora/base/stop.h"
#include "model/explain/depth.h"
#include "scan/work/unit_scores_internal.h"

int unit_ask_depth(void *context, size_t model, const size_t *tokens, size_t n, double *logprob,
                   struct err *err)
{
    struct unit_scores *s = context;
    struct scorer *m = &s->scorers[model];
    const size_t n_streams = m->predictor->model->config->n_layers + 1;
    size_t n_some = 0, next = 0;
    int rc = m->depth ? 0 : depth_new(&m->depth, m->predictor->engine, err);
    rc = rc ? rc : unit_some_windows(s, model, tokens, n, &n_some, err);
    for (size_t k = 0; k < n_some && !rc && !is_stopped(s->stop); k++) {
        const struct engine_window *w = &s->some[k];
        const size_t begin = (size_t)(w->tokens - s->layout->ids);
        rc = mem_reserve(&s->depths, &s->depths_cap, n_streams * w->n, sizeof *s->depths, "depths",
                         err);
        if (rc) {
            break;
        }
        depth_run(m->depth, predictor_engine_ctx(m->ctx), w, s->depths, s->stop);
        for (; next < n && tokens[next] < begin + w->n; next++) {
            for (size_t i = 0; i < n_streams; i++) {
                logprob[i * n + next] = s->depths[i * w->n + tokens[next] - begin];
            }
        }
    }
    return rc;
}
