/*
 * Rows of tokens that the models may be asked about once the unit is scored.
 */
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "scan/work/unit_scores_internal.h"

// Rows that a model keeps, in bytes; 2300 rows of gelu-1l of the hub.
#define ROWS_BYTES ((size_t)32 << 20)

// The same of a changed model, of which there may be hundreds.
#define CHANGED_ROWS_BYTES ((size_t)4 << 20)

static struct engine_ctx *engine_of(const struct scorer *m)
{
    return predictor_engine_ctx(m->ctx);
}

void unit_rows_free(struct unit_rows *rows)
{
    free(rows->at.at);
    free(rows->row_of);
}

void unit_rows_forget(struct unit_scores *s, size_t model)
{
    struct unit_rows *rows = &s->scorers[model].rows;
    if (s->layout->n > 0) {
        memset(rows->row_of, 0, s->layout->n * sizeof *rows->row_of);
    }
    rows->n = 0;
}

int unit_rows_begin(struct unit_scores *s, struct err *err)
{
    int rc = 0;
    for (size_t m = 0; m < s->n_models && !rc; m++) {
        struct unit_rows *rows = &s->scorers[m].rows;
        rc = mem_reserve(&rows->row_of, &rows->row_of_cap, s->layout->n, sizeof *rows->row_of,
                         "rows", err);
        if (!rc) {
            unit_rows_forget(s, m);
        }
    }
    return rc;
}

/* The floats of a row that is kept of a model. */
static size_t row_size(const struct scorer *m)
{
    return scorer_is_changed(m) ? m->predictor->model->config->d_model
                                : engine_row_size(m->predictor->engine);
}

/* Where n more rows of a model go, NULL: there is no room.  Errors: ERR_NOMEM. */
static int make_room(struct scorer *m, size_t n, float **to, struct err *err)
{
    struct unit_rows *rows = &m->rows;
    const size_t size = row_size(m);
    const size_t bytes = scorer_is_changed(m) ? CHANGED_ROWS_BYTES : ROWS_BYTES;
    *to = NULL;
    if (rows->n + n > bytes / sizeof **to / size) {
        return 0;
    }
    const int rc = floats_reserve(&rows->at, (rows->n + n) * size, err);
    if (!rc) {
        *to = rows->at.at + rows->n * size;
    }
    return rc;
}

static void add_row(struct unit_rows *rows, size_t token)
{
    rows->row_of[token] = (uint32_t)++rows->n;
}

/* Those of tokens[n] that have no row: in s->tokens. */
static int list_missing(struct unit_scores *s, const struct scorer *m, const size_t *tokens,
                        size_t n, size_t *n_missing, struct err *err)
{
    const int rc = mem_reserve(&s->tokens, &s->tokens_cap, n, sizeof *s->tokens, "rows", err);
    *n_missing = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (m->rows.row_of[tokens[i]] == 0) {
            s->tokens[(*n_missing)++] = tokens[i];
        }
    }
    return rc;
}

/* The pick in the windows that the engine has just scored; false: not in its block, or a changed
 * model with the same working memory has scored since. */
static bool pick_again(const struct unit_scores *s, size_t model, struct engine_pick *pick)
{
    const size_t window = (size_t)(pick->window - s->windows);
    size_t k = 0;
    if (!scorer_is_changed(&s->scorers[model])) {
        return true;
    }
    while (k < s->n_some && s->some_of[k] != window) {
        k++;
    }
    pick->window = s->some + k;
    return s->some_model == model && k < s->n_some;
}

/* Copies the row of a token from the model's working memory, where it is and there is room. */
static int keep_row(struct unit_scores *s, size_t model, size_t token, struct err *err)
{
    struct scorer *m = &s->scorers[model];
    struct engine_pick pick = layout_pick(s->layout, s->windows, token);
    const float *x = NULL;
    float *to;
    int rc = make_room(m, 1, &to, err);
    rc = rc ? rc : floats_reserve(&s->row, engine_row_size(m->predictor->engine), err);
    if (rc || !to) {
        return rc;
    }
    if (m->heads) {
        x = unit_heads_row(s, m, token);
    } else if (pick_again(s, model, &pick) && predictor_kept_row(m->ctx, &pick, s->row.at)) {
        x = s->row.at;
    }
    if (x) {
        memcpy(to, x, row_size(m) * sizeof *to);
        add_row(&m->rows, token);
    }
    return 0;
}

int unit_rows_keep(struct unit_scores *s, const struct unit_questions *questions, struct err *err)
{
    size_t model = SIZE_MAX; // whose windows s->windows are
    int rc = 0;
    for (size_t i = 0; i < questions->n && !rc; i++) {
        const struct unit_question *q = &questions->items[i];
        const struct scorer *m = &s->scorers[q->model];
        if (!engine_of(m) || m->rows.row_of[q->token] != 0) {
            continue;
        }
        if (q->model != model) {
            model = q->model;
            unit_scores_set_windows(s, model);
        }
        rc = keep_row(s, model, q->token, err);
    }
    return rc;
}

/* Makes the rows of s->picks[n] at to[n]. */
static int make_rows(struct unit_scores *s, struct scorer *m, size_t n, float *to, struct err *err)
{
    const size_t size = row_size(m), whole = engine_row_size(m->predictor->engine);
    int rc = 0;
    if (size == whole) {
        return predictor_pick_rows(m->ctx, &s->in, s->picks, n, to, s->stop, err);
    }
    for (size_t k = 0, more; k < n && !rc; k += more) {
        more = n - k < ENGINE_SIGHTS ? n - k : ENGINE_SIGHTS;
        rc = floats_reserve(&s->row, more * whole, err);
        rc = rc ? rc
                : predictor_pick_rows(m->ctx, &s->in, s->picks + k, more, s->row.at, s->stop, err);
        for (size_t i = 0; i < more && !rc; i++) {
            memcpy(to + (k + i) * size, s->row.at + i * whole, size * sizeof *to);
        }
    }
    return rc;
}

int unit_rows_find(struct unit_scores *s, size_t model, const size_t *tokens, size_t n, bool *found,
                   struct err *err)
{
    struct scorer *m = &s->scorers[model];
    const size_t size = row_size(m);
    size_t more;
    float *to = NULL;
    *found = false;
    int rc = list_missing(s, m, tokens, n, &more, err);
    rc = rc ? rc : make_room(m, more, &to, err);
    if (rc || !to) {
        return rc;
    }
    rc = unit_scores_pick(s, model, s->tokens, more, err);
    if (!rc && more > 0) {
        rc = make_rows(s, m, more, to, err);
        for (size_t k = 0; k < more && !rc; k++) {
            add_row(&m->rows, s->tokens[k]);
        }
    }
    rc = rc ? rc : mem_reserve(&s->rows, &s->rows_cap, n, sizeof *s->rows, "rows", err);
    rc = rc ? rc : mem_reserve(&s->ids, &s->ids_cap, n, sizeof *s->ids, "rows", err);
    for (size_t i = 0; i < n && !rc; i++) {
        s->rows[i] = m->rows.at.at + (m->rows.row_of[tokens[i]] - 1) * size;
        s->ids[i] = s->layout->ids[tokens[i]];
    }
    *found = !rc;
    return rc;
}
