#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "out/results/heads/heads_collector.h"
#include "scan/work/prepare.h"

/* Those of a model into to[n_layers * n_heads]. */
static int score_model(struct heads_scores *to, const struct model *m, const struct tokenizer *t,
                       const atomic_int *stop, struct err *err)
{
    (void)t;
    (void)stop;
    (void)err;
    for (size_t i = 0; i < m->config.n_layers * m->config.n_heads; i++) {
        to[i].copying = NAN;
    }
    return 0;
}

int prepare_heads(struct results *results, const struct predictor *predictors,
                  const struct tokenizer *t, const atomic_int *stop, struct err *err)
{
    struct heads_shape *s = heads_shape_in(results);
    if (!s || s->scores || is_stopped(stop)) {
        return 0;
    }
    struct heads_scores *scores = mem_zero(s->n, sizeof *scores);
    int rc = scores ? 0 : err_nomem(err, "heads");
    for (size_t l = 0; l < s->n_layers && !rc; l++) {
        const struct heads_layer *of = &s->layers[l];
        rc = of->layer > 0 ? 0
                           : score_model(scores + of->first, predictors[of->model].model->weights,
                                         t, stop, err);
    }
    if (rc || is_stopped(stop)) {
        free(scores);
        return rc;
    }
    heads_shape_set_scores(s, scores);
    return 0;
}
