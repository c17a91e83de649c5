/*
 * Changed models of `gapscope score`: the means and the donors that replace their values.
 */
#include <string.h>

#include "scan/cmd/score_internal.h"

/* window_fn: adds it to the means of all models that need some. */
static void add_to_means(void *context, const struct window *w, FILE *to)
{
    (void)to;
    struct score *score = context;
    const struct engine_window window = score_window_of(w, NULL);
    score->reference_tokens += window.n;
    for (size_t i = 0; i < score->n && !score->rc; i++) {
        struct score_model *s = &score->scorers[i];
        if (s->model->changes.has[CHANGE_MEAN]) {
            score->rc =
                replaced_add(&s->replaced, predictor_engine_ctx(s->run), &window, 1, &score->err);
        }
    }
}

static int make_means(struct score *score, const char *input, const struct lineup *lineup,
                      struct err *err)
{
    const char *from = score->options->reference ? score->options->reference : input;
    uint64_t docs;
    if (strcmp(from, "-") == 0) {
        return err_set(err, ERR_USAGE,
                       "means are taken before anything is scored, and standard input can be read "
                       "once: name a text for them with --reference FILE");
    }
    int rc = windows_see(from, &score->options->input, lineup, add_to_means, score, &docs, err);
    rc = rc ? rc : score->rc ? err_set(err, score->rc, "%s", score->err.msg) : 0;
    if (!rc && score->reference_tokens == 0 && score->options->reference) {
        rc = replaced_refuse_none(from, err);
    }
    for (size_t i = 0; i < score->n && !rc; i++) {
        struct score_model *s = &score->scorers[i];
        if (score_is_changed(s)) {
            replaced_make_means(&s->replaced);
        }
    }
    if (!rc) {
        replaced_warn_few("score", docs, from);
    }
    return rc;
}

int score_make_changes(struct score *score, const char *input, const struct lineup *lineup,
                       struct err *err)
{
    bool means = false;
    int rc = 0;
    score->group = 1;
    for (size_t i = 0; i < score->n && !rc; i++) {
        struct score_model *s = &score->scorers[i];
        const struct changes *c = &s->model->changes;
        if (c->n > 0) {
            rc = engine_change(predictor_engine_ctx(s->run), c, err);
            rc = rc ? rc : replaced_init(&s->replaced, c, err);
            means = means || c->has[CHANGE_MEAN];
            score->group = c->has[CHANGE_RESAMPLE] ? REPLACED_GROUP : score->group;
        }
    }
    if (!rc && score->options->reference && !means) {
        rc = err_set(err, ERR_USAGE, "--reference is for models with a mean, such as M@mean.L0H1");
    }
    rc = !rc && means ? make_means(score, input, lineup, err) : rc;
    for (size_t i = 0; i < score->n && !rc; i++) {
        struct score_model *s = &score->scorers[i];
        if (score_is_changed(s)) {
            engine_replace(predictor_engine_ctx(s->run), &s->replaced.by);
        }
    }
    return rc;
}
