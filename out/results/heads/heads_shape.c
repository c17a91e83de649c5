#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"
#include "out/results/heads/heads.h"

/* Does the model have heads of its own?  Counts have none, and those of a changed model are others'. */
static bool has_heads(const struct run_model *m)
{
    return m->n_components > 0 && !run_model_is_changed(m);
}

int heads_shape_new(struct heads_shape **out, const struct run *run, uint32_t examples,
                    struct err *err)
{
    size_t n = 0;
    *out = NULL;
    for (size_t m = 0; m < run->n_models; m++) {
        n += has_heads(&run->models[m]) ? run->models[m].n_layers : 0;
    }
    if (n == 0) {
        return 0;
    }
    struct heads_shape *s = mem_zero(1, sizeof *s);
    if (!s || !(s->layers = mem_zero(n, sizeof *s->layers)) ||
        !(s->predicts_next = mem_zero(run->n_hypotheses, sizeof *s->predicts_next))) {
        heads_shape_free(s);
        return err_nomem(err, "heads");
    }
    s->examples = examples;
    s->n_hypotheses = run->n_hypotheses;
    for (size_t h = 0; h < s->n_hypotheses; h++) {
        s->predicts_next[h] = run->hypotheses[h].predicts_next;
    }
    s->d_vocab = run_d_vocab(run);
    for (size_t m = 0; m < run->n_models; m++) {
        const struct run_model *of = &run->models[m];
        for (size_t l = 0; l < of->n_layers && has_heads(of); l++) {
            s->layers[s->n_layers++] = (struct heads_layer){
                .model = (uint32_t)m, .layer = (uint32_t)l, .n = of->n_heads, .first = s->n};
            s->n += of->n_heads;
        }
    }
    *out = s;
    return 0;
}

void heads_shape_free(struct heads_shape *s)
{
    if (s) {
        free(s->layers);
        free(s->predicts_next);
        free(s->scores);
        free(s);
    }
}

void heads_shape_set_scores(struct heads_shape *s, struct heads_scores *scores)
{
    free(s->scores);
    s->scores = scores;
}

int heads_shape_save(const struct heads_shape *s, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, s->examples);
    bytes_put(&w, s->n);
    bytes_put(&w, s->scores != NULL);
    for (size_t i = 0; i < s->n && s->scores; i++) {
        const struct heads_scores *of = &s->scores[i];
        const double reals[] = {
            of->copying, of->copying_raw, of->previous_token, of->duplicate_token, of->induction,
            of->bos,     of->self};
        for (size_t k = 0; k < sizeof reals / sizeof *reals; k++) {
            bytes_put_real(&w, reals[k]);
        }
        bytes_put_text(&w, of->kind);
    }
    return w.rc;
}

static void get_scores(struct bytes_reader *r, struct heads_scores *to)
{
    double *const reals[] = {
        &to->copying, &to->copying_raw, &to->previous_token, &to->duplicate_token, &to->induction,
        &to->bos,     &to->self};
    for (size_t k = 0; k < sizeof reals / sizeof *reals; k++) {
        *reals[k] = bytes_get_real(r, "a score");
    }
    char *kind = bytes_get_text(r, "a kind");
    if (kind && (strlen(kind) >= sizeof to->kind ||
                 strspn(kind, "abcdefghijklmnopqrstuvwxyz+") != strlen(kind))) {
        bytes_bad(r, "a kind");
    } else if (kind) {
        strcpy(to->kind, kind);
    }
    free(kind);
}

int heads_shape_load(struct heads_shape **out, const struct run *run, const void *bytes, size_t len,
                     struct err *err)
{
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved heads", .err = err};
    struct heads_shape *s = NULL;
    const uint32_t examples = (uint32_t)bytes_get(&r, 0, HEADS_EXAMPLES_MAX, "examples");
    const int rc = r.rc ? r.rc : heads_shape_new(&s, run, examples, err);
    if (rc) {
        return rc;
    }
    bytes_get(&r, s ? s->n : 0, s ? s->n : 0, "their number");
    const bool scored = bytes_get(&r, 0, 1, "whether they have scores") != 0;
    if (!r.rc && (!s || r.left / (8 * 8) < (scored ? s->n : 0))) {
        bytes_bad(&r, "their number");
    }
    if (!r.rc && scored) {
        s->scores = mem_zero(s->n, sizeof *s->scores);
        r.rc = s->scores ? 0 : err_nomem(err, "heads");
        for (size_t i = 0; i < s->n && !r.rc; i++) {
            get_scores(&r, &s->scores[i]);
        }
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "something follows it");
    }
    if (r.rc) {
        heads_shape_free(s);
        return r.rc;
    }
    *out = s;
    return 0;
}

size_t heads_find_layer(const struct heads_shape *s, size_t model, size_t layer)
{
    for (size_t i = 0; i < s->n_layers; i++) {
        if (s->layers[i].model == model && s->layers[i].layer == layer) {
            return i;
        }
    }
    return SIZE_MAX;
}
