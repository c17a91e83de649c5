#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/explain/head_scores.h"
#include "out/results/heads/heads_collector.h"
#include "scan/work/prepare.h"

/* Tokens that no sequence is made of: special ones, and ids that the tokenizer does not have. */
static int list_left_out(bool **out, const struct tokenizer *t, size_t d_vocab, struct err *err)
{
    *out = t ? mem_zero(d_vocab, sizeof **out) : NULL;
    for (size_t id = 0; *out && id < d_vocab; id++) {
        (*out)[id] = id >= tokenizer_n_vocab(t) || tokenizer_is_special(t, (uint32_t)id);
    }
    return t && !*out ? err_nomem(err, "heads") : 0;
}

static struct heads_scores as_saved(size_t layer, const struct head_scores *s)
{
    struct heads_scores to = {
        .copying = s->copying,
        .copying_raw = s->copying_raw,
        .previous_token = s->previous_token,
        .duplicate_token = s->duplicate_token,
        .induction = s->induction,
        .bos = s->bos,
        .self = s->self,
    };
    strncpy(to.kind, head_kind(layer, s), sizeof to.kind - 1);
    return to;
}

/* Those of a model into to[n_layers * n_heads]. */
static int score_model(struct heads_scores *to, const struct model *m, const struct tokenizer *t,
                       const atomic_int *stop, struct err *err)
{
    const struct config *c = &m->config;
    const size_t n = c->n_layers * c->n_heads;
    const uint32_t named = t ? tokenizer_bos(t) : 0, bos = named < c->d_vocab ? named : 0;
    struct head_scores *scores = mem_zero(n, sizeof *scores);
    bool *left_out = NULL;
    int rc = scores ? list_left_out(&left_out, t, c->d_vocab, err) : err_nomem(err, "heads");
    rc = rc ? rc : head_scores_make(m, bos, left_out, scores, stop, err);
    for (size_t i = 0; i < n && !rc; i++) {
        to[i] = as_saved(i / c->n_heads, &scores[i]);
    }
    free(scores);
    free(left_out);
    return rc;
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
