/*
 * What the collectors see of a model while it scores a block.
 */
#include <string.h>

#include "corpora/base/bits.h"
#include "scan/work/unit_scores_internal.h"

static size_t block_rows(const struct unit_block *b)
{
    return b->end - b->begin + b->n_windows;
}

static size_t width_of(const struct config *c, enum row_site site)
{
    return site == ROW_Z                                            ? c->n_heads * c->d_head
           : site == ROW_PRE || site == ROW_MID || site == ROW_POST ? c->d_mlp
                                                                    : c->d_model;
}

/* engine_rows() */
void unit_see_rows(void *context, size_t layer, enum row_site site,
                   const struct engine_window *windows, size_t n_windows, const float *rows)
{
    (void)windows;
    (void)n_windows; // the engine's blocks are ours
    struct unit_scores *s = context;
    struct scorer *m = &s->scorers[s->model];
    for (size_t c = 0; c < s->n_collectors && !s->rc; c++) {
        const struct unit_collector *to = &s->collectors[c];
        if (s->asked[c].needs[s->model].see & ROW_BIT(site)) {
            s->rc =
                to->collector->kind->see(to->part, s->model, layer, site, &s->block, rows, s->err);
        }
    }
    if (!s->rc && (m->keep & ROW_BIT(site))) {
        struct floats *to = &m->kept[layer * ROW_SITES + site];
        const size_t n = block_rows(&s->block) * width_of(m->predictor->model->config, site);
        s->rc = floats_reserve(to, n, s->err);
        if (!s->rc) {
            memcpy(to->at, rows, n * sizeof *rows);
        }
    }
}

/* engine_moments() */
void unit_see_heads(void *context, size_t layer, const struct engine_window *windows,
                    size_t n_windows, const float *const values[HEAD_MOMENTS])
{
    (void)windows;
    (void)n_windows; // the engine's blocks are ours
    struct unit_scores *s = context;
    for (size_t c = 0; c < s->n_collectors && !s->rc; c++) {
        const struct unit_collector *to = &s->collectors[c];
        if (s->asked[c].needs[s->model].heads) {
            s->rc = to->collector->kind->see_heads(to->part, s->model, layer, &s->block, values,
                                                   s->err);
        }
    }
}

/* engine_marks() */
void unit_see_marks(void *context, const struct engine_window *window, float *to)
{
    const struct unit_scores *s = context;
    const struct unit_labels *labels = s->unit->labels;
    const size_t n = s->run->n_hypotheses, n_words = bits_words(n);
    const size_t begin = (size_t)(window->tokens - s->layout->ids);
    memset(to, 0, (window->n + 1) * n * sizeof *to);
    for (size_t i = 0; i < window->n && labels; i++) {
        for (size_t h = 0; h < n; h++) {
            to[(i + 1) * n + h] = bits_get(labels->words + (begin + i) * n_words, h) ? 1 : 0;
        }
    }
}

/* engine_marked() */
void unit_see_marked(void *context, size_t layer, const struct engine_window *windows,
                     size_t n_windows, const float *to_marks)
{
    (void)windows;
    (void)n_windows;
    struct unit_scores *s = context;
    for (size_t c = 0; c < s->n_collectors && !s->rc; c++) {
        const struct unit_collector *to = &s->collectors[c];
        if (s->asked[c].needs[s->model].labels) {
            s->rc = to->collector->kind->see_head_labels(to->part, s->model, layer, &s->block,
                                                         to_marks, s->err);
        }
    }
}

/* engine_normed() */
void unit_see_normed(void *context, const struct engine_window *windows, size_t n_windows,
                     const float *x)
{
    struct unit_scores *s = context;
    struct scorer *m = &s->scorers[s->model];
    const size_t d = m->predictor->model->config->d_model, n = (s->block.end - s->block.begin) * d;
    s->rc = s->rc ? s->rc : floats_reserve(&m->normed, n, s->err);
    for (size_t k = 0; k < n_windows && !s->rc; k++) { // of a changed model they may be some
        const size_t at = (size_t)(windows[k].tokens - s->layout->ids) - s->block.begin;
        memcpy(m->normed.at + at * d, x, windows[k].n * d * sizeof *x);
        x += windows[k].n * d;
    }
}
