#include "out/text/side_by_side.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/text/table.h"

#define KEYS 3 // class, tokens, docs

static const char legend[] =
    "below a model's name: its loss, nats per token, unclamped; gap: to the base, clamped at the "
    "run's floor, above 0 where the model is better; +-: standard errors clustered by document, "
    "alone that of the loss, where the run has no pair of the two. A class is a kind of token, or "
    "what a hypothesis "
    "labels; of fewer than 5 docs it says little. The report has this as a page with shades";

static bool same(const struct text *a, const struct text *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool same_class(const struct side_row *a, const struct side_row *b)
{
    return same(&a->what, &b->what) && same(&a->class, &b->class);
}

/* Two columns a model.  heads[KEYS + 2 * n]; names: their texts, behind one another. */
static int make_heads(const char **heads, struct buf *names, const struct side_row *models,
                      size_t n, struct err *err)
{
    static const char *const keys[KEYS] = {"<class of token", "tokens", "docs"};
    int rc = 0;
    for (size_t m = 0; m < n && !rc; m++) { // a head that begins with < is one of texts
        const char *name = models[m].model.data;
        rc = buf_printf(names, err, "%s%s", name[0] == '<' ? " " : "", name);
        rc = rc ? rc : buf_append(names, "", 1, err);
    }
    memcpy(heads, keys, sizeof keys);
    const char *at = names->data;
    for (size_t m = 0; m < n && !rc; m++, at += strlen(at) + 1) {
        heads[KEYS + 2 * m] = at;
        heads[KEYS + 2 * m + 1] = models[m].is_base == 1 || isnan(models[m].gap) ? "+-" : "gap";
    }
    return rc;
}

static void put_model(struct table *t, const struct side_row *row, bool has_gap)
{
    table_real(t, row->loss, 4);
    if (!has_gap) {
        table_real(t, row->se, 4);
    } else if (!isfinite(row->gap)) {
        table_text(t, "-");
    } else if (isfinite(row->gap_se)) {
        table_cell(t, "%+.4f +- %.4f", row->gap, row->gap_se);
    } else {
        table_cell(t, "%+.4f", row->gap);
    }
}

/* rows[n]: of one class.  A model that it has no row of has empty cells. */
static void put_class(struct table *t, const struct side_row *rows, size_t n,
                      const struct side_row *models, size_t n_models)
{
    int64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        most = rows[i].n > most ? rows[i].n : most;
    }
    table_text(t, rows[0].class.data);
    table_whole(t, most);
    if (rows[0].docs == WHOLE_NULL) {
        table_text(t, "");
    } else {
        table_whole(t, rows[0].docs);
    }
    for (size_t m = 0, i = 0; m < n_models; m++) {
        if (i < n && same(&rows[i].model, &models[m].model)) {
            put_model(t, &rows[i++], t->heads[KEYS + 2 * m + 1][0] == 'g');
        } else {
            table_text(t, "-");
            table_text(t, "-");
        }
    }
    table_row(t);
}

int put_side_by_side(const struct screen *s, const struct side_row *rows, size_t n, struct err *err)
{
    size_t n_models = 0; // all tokens come first, and have all models
    while (n_models < n && same_class(&rows[n_models], &rows[0])) {
        n_models++;
    }
    struct buf names = {0};
    const char **heads = mem_new(KEYS + 2 * n_models, sizeof *heads);
    int rc = heads ? make_heads(heads, &names, rows, n_models, err) : err_nomem(err, "a table");
    struct table t = {.heads = heads, .n_columns = KEYS + 2 * n_models, .n_keys = KEYS, .group = 2};
    for (size_t i = 0, end; i < n && !rc; i = end) {
        for (end = i + 1; end < n && same_class(&rows[end], &rows[i]); end++) {
        }
        put_class(&t, rows + i, end - i, rows, n_models);
    }
    rc = rc || n == 0 ? rc : table_put(&t, s->to, 0, s->width, err);
    table_free(&t);
    buf_free(&names);
    free(heads);
    putc('\n', s->to);
    put_note(s, 0, "%s", legend);
    return rc;
}

void json_side_by_side(FILE *to, const struct side_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct jsonout j = {.to = to};
        jsonout_begin(&j, '{');
        row_json(&j, &side_kind, &rows[i]);
        jsonout_end(&j, '}');
    }
}
