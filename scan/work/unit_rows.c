/*
 * Rows of tokens that the models may be asked about once the unit is scored.
 */
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "scan/work/unit_scores_internal.h"

// Rows that a model keeps, in bytes; 2300 rows of gelu-1l of the hub.
#define ROWS_BYTES ((size_t)32 << 20)

static struct engine_ctx *engine_of(const struct scorer *m)
{
    return predictor_engine_ctx(m->ctx);
}

void unit_rows_free(struct unit_rows *rows)
{
    free(rows->at.at);
    free(rows->row_of);
}

int unit_rows_begin(struct unit_scores *s, struct err *err)
{
    int rc = 0;
    for (size_t m = 0; m < s->n_models && !rc; m++) {
        struct unit_rows *rows = &s->scorers[m].rows;
        const size_t n = s->layout->n;
        rc = mem_reserve(&rows->row_of, &rows->row_of_cap, n, sizeof *rows->row_of, "rows", err);
        if (!rc && n > 0) {
            memset(rows->row_of, 0, n * sizeof *rows->row_of);
        }
        rows->n = 0;
    }
    return rc;
}

/* Where n more rows of a model go, NULL: there is no room.  Errors: ERR_NOMEM. */
static int make_room(struct scorer *m, size_t n, float **to, struct err *err)
{
    struct unit_rows *rows = &m->rows;
    const size_t size = engine_row_size(m->predictor->engine);
    *to = NULL;
    if (rows->n + n > ROWS_BYTES / sizeof **to / size) {
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

int unit_rows_keep(struct unit_scores *s, const size_t *tokens, size_t n, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->n_models && !rc; i++) {
        struct scorer *m = &s->scorers[i];
        size_t more;
        if (!engine_of(m)) {
            continue;
        }
        rc = list_missing(s, m, tokens, n, &more, err);
        rc = rc ? rc : unit_scores_pick(s, i, s->tokens, more, err);
        for (size_t k = 0; k < more && !rc; k++) {
            float *to;
            rc = make_room(m, 1, &to, err);
            if (to && engine_kept_row(engine_of(m), &s->picks[k], to)) {
                add_row(&m->rows, s->tokens[k]);
            }
        }
    }
    return rc;
}

int unit_rows_find(struct unit_scores *s, size_t model, const size_t *tokens, size_t n, bool *found,
                   struct err *err)
{
    struct scorer *m = &s->scorers[model];
    const size_t size = engine_row_size(m->predictor->engine);
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
        engine_pick_rows(engine_of(m), s->picks, more, to, s->stop);
        for (size_t k = 0; k < more; k++) {
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
