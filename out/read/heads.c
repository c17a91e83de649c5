#include "out/read/heads.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/names.h"

#define FIELD(name, cell)                                                                          \
    {                                                                                              \
#name, cell, offsetof(struct head_row, name)                                               \
    }

static const struct column head_columns[] = {
    FIELD(model, CELL_TEXT),
    FIELD(head, CELL_TEXT),
    FIELD(kind, CELL_TEXT),
    FIELD(ablation, CELL_TEXT),
    FIELD(loss, CELL_REAL),
    FIELD(loss_se, CELL_REAL),
    FIELD(pair, CELL_WHOLE),
    FIELD(model_id, CELL_WHOLE),
    FIELD(layer, CELL_WHOLE),
    FIELD(idx, CELL_WHOLE),
    FIELD(n, CELL_WHOLE),
    FIELD(n_dla, CELL_WHOLE),
    FIELD(n_repeat, CELL_WHOLE),
    FIELD(n_beyond, CELL_WHOLE),
    FIELD(to_bos, CELL_REAL),
    FIELD(to_self, CELL_REAL),
    FIELD(to_previous, CELL_REAL),
    FIELD(to_duplicate, CELL_REAL),
    FIELD(to_induction, CELL_REAL),
    FIELD(entropy, CELL_REAL),
    FIELD(distance, CELL_REAL),
    FIELD(out_norm, CELL_REAL),
    FIELD(dla, CELL_REAL),
    FIELD(dla_se, CELL_REAL),
    FIELD(copying_score, CELL_REAL),
    FIELD(copying_raw, CELL_REAL),
    FIELD(previous_token_score, CELL_REAL),
    FIELD(duplicate_token_score, CELL_REAL),
    FIELD(induction_score, CELL_REAL),
    FIELD(bos_score, CELL_REAL),
    FIELD(self_score, CELL_REAL),
};
const struct row_kind head_row_kind = ROW_KIND(struct head_row, head_columns);

static const struct column label_columns[] = {
    {"name", CELL_TEXT, offsetof(struct head_label_row, name)},
    {"n", CELL_WHOLE, offsetof(struct head_label_row, n)},
    {"dla", CELL_REAL, offsetof(struct head_label_row, dla)},
    {"dla_rest", CELL_REAL, offsetof(struct head_label_row, dla_rest)},
    {"to_label", CELL_REAL, offsetof(struct head_label_row, to_label)},
    {"loss", CELL_REAL, offsetof(struct head_label_row, loss)},
    {"loss_se", CELL_REAL, offsetof(struct head_label_row, loss_se)},
    {"loss_rest", CELL_REAL, offsetof(struct head_label_row, loss_rest)},
};
const struct row_kind head_label_kind = ROW_KIND(struct head_label_row, label_columns);

static const struct column example_columns[] = {
    {"kind", CELL_TEXT, offsetof(struct head_example, kind)},
    {"rank", CELL_WHOLE, offsetof(struct head_example, rank)},
    {"dla", CELL_REAL, offsetof(struct head_example, dla)},
    {"shard", CELL_WHOLE, offsetof(struct head_example, place.shard)},
    {"doc", CELL_WHOLE, offsetof(struct head_example, place.doc)},
    {"byte_start", CELL_WHOLE, offsetof(struct head_example, place.byte_start)},
    {"byte_end", CELL_WHOLE, offsetof(struct head_example, place.byte_end)},
    {"token_index", CELL_WHOLE, offsetof(struct head_example, place.token_index)},
    {"tokens", CELL_JSON, offsetof(struct head_example, place.tokens)},
    {"sources", CELL_JSON, offsetof(struct head_example, sources)},
};
const struct row_kind head_example_kind = ROW_KIND(struct head_example, example_columns);

// The first pair of a changed model, in which the head alone is changed, and its whole.
#define SQL_HEADS                                                                                  \
    "SELECT m.name AS model, 'L' || h.layer || 'H' || h.idx AS head, h.kind,"                      \
    " b.changes AS ablation, p.mean_difference AS loss, p.se_difference AS loss_se, p.id AS pair," \
    " h.model AS model_id, h.layer, h.idx, h.n, h.n_dla, h.n_repeat, h.n_beyond, h.to_bos,"        \
    " h.to_self, h.to_previous, h.to_duplicate, h.to_induction, h.entropy, h.distance,"            \
    " h.out_norm, h.dla, h.dla_se, h.copying_score, h.copying_raw, h.previous_token_score,"        \
    " h.duplicate_token_score, h.induction_score, h.bos_score, h.self_score"                       \
    " FROM head h JOIN model m ON m.id = h.model"                                                  \
    " LEFT JOIN pair p ON p.id = (SELECT q.id FROM pair q JOIN model c ON c.id = q.base"           \
    " WHERE q.others = '[' || h.model || ']' AND c.weights_hash = m.weights_hash"                  \
    " AND c.changes IN ('zero.L' || h.layer || 'H' || h.idx,"                                      \
    " 'mean.L' || h.layer || 'H' || h.idx, 'resample.L' || h.layer || 'H' || h.idx)"               \
    " ORDER BY q.id LIMIT 1) LEFT JOIN model b ON b.id = p.base"

/* What --sort may say, and by what that is. */
static const struct {
    const char *name, *by;
} sorts[] = {
    {"loss", "p.mean_difference"},
    {"dla", "h.dla"},
    {"induction", "h.induction_score"},
    {"previous", "h.previous_token_score"},
    {"duplicate", "h.duplicate_token_score"},
    {"bos", "h.bos_score"},
    {"self", "h.self_score"},
    {"copying", "h.copying_score"},
    {"to_bos", "h.to_bos"},
    {"to_self", "h.to_self"},
    {"to_previous", "h.to_previous"},
    {"to_duplicate", "h.to_duplicate"},
    {"to_induction", "h.to_induction"},
    {"entropy", "h.entropy"},
    {"distance", "h.distance"},
    {"norm", "h.out_norm"},
};

/* The column; NULL: there is no such word. */
static const char *sorted_by(const char *sort)
{
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        if (strcmp(sorts[i].name, sort) == 0) {
            return sorts[i].by;
        }
    }
    return NULL;
}

static int check_any(struct reader *r)
{
    if (!r->rc && reader_number(r, "SELECT EXISTS(SELECT 1 FROM head)", NULL) == 0) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: has no attention heads: a scan writes them, unless --no-heads was given, "
                    "of models that have weights and are not changed",
                    r->path);
    }
    return r->rc;
}

int heads_read(struct head_row **rows, size_t *n, struct reader *r, const char *sort,
               const char *model, size_t most)
{
    int64_t id = -1;
    char sql[2048];
    *rows = NULL;
    *n = 0;
    if (sort && !sorted_by(sort)) {
        return reader_fail(r, ERR_USAGE, "--sort %s: expected one of " HEADS_SORTS, sort);
    }
    check_any(r);
    if (!r->rc && model) {
        reader_find(r, "model", model, &id);
    }
    const char *by = sorted_by(sort ? sort : "loss");
    const int len =
        snprintf(sql, sizeof sql,
                 SQL_HEADS " WHERE ?1 < 0 OR h.model = ?1 ORDER BY %s IS NULL, %s DESC%s,"
                           " h.model, h.layer, h.idx LIMIT ?2",
                 by, by, sort ? "" : ", h.dla DESC");
    if (len < 0 || (size_t)len >= sizeof sql) {
        return reader_fail(r, ERR_LIMIT, "a query is too long");
    }
    return r->rc ? r->rc
                 : rows_read(rows, n, &head_row_kind, r, sql, (int64_t[]){id, limit_of(most)});
}

// --- one head -----------------------------------------------------------------------------------

/* "L1H3", all of it. */
static bool read_name(const char *text, int64_t *layer, int64_t *idx)
{
    int end = 0;
    return sscanf(text, "L%5" SCNd64 "H%9" SCNd64 "%n", layer, idx, &end) == 2 && !text[end] &&
           !strpbrk(text, " \t\n\v\f\r+-");
}

/* The model that a name's part before the colon means; NULL: the only one with heads. */
static int find_model(struct reader *r, const char *name, int64_t *id)
{
    if (name) {
        return reader_find(r, "model", name, id);
    }
    if (reader_number(r, "SELECT count(DISTINCT model) FROM head", NULL) > 1) {
        return reader_fail(r, ERR_NOT_FOUND,
                           "%s: several models have heads: name one as MODEL:L1H3", r->path);
    }
    *id = reader_number(r, "SELECT min(model) FROM head", NULL);
    return r->rc;
}

static int find_head(struct head_page *p, struct reader *r, const char *spec)
{
    const char *colon = strrchr(spec, ':');
    int64_t key[3] = {0};
    if (!read_name(colon ? colon + 1 : spec, &key[1], &key[2])) {
        return reader_fail(r, ERR_USAGE,
                           "%s: expected a head as NAME:L1H3 (layer 1, head 3), or L1H3 where one "
                           "model has heads",
                           spec);
    }
    if (check_any(r)) {
        return r->rc;
    }
    char *name = colon ? strndup(spec, (size_t)(colon - spec)) : NULL;
    if (colon && !name) {
        return reader_take(r, err_nomem(r->err, "a name"));
    }
    find_model(r, name, &key[0]);
    free(name);
    if (!r->rc) {
        rows_read(&p->head, &p->n_head, &head_row_kind, r,
                  SQL_HEADS " WHERE h.model = ?1 AND h.layer = ?2 AND h.idx = ?3", key);
    }
    if (!r->rc && p->n_head != 1) {
        const int64_t of[] = {key[0]};
        const int64_t layers =
            reader_number(r, "SELECT max(layer) + 1 FROM head WHERE model = ?1", of);
        const int64_t heads =
            reader_number(r, "SELECT max(idx) + 1 FROM head WHERE model = ?1", of);
        return layers > 0 ? reader_fail(r, ERR_NOT_FOUND,
                                        "%s: no such head: the model has %" PRId64
                                        " layers of %" PRId64 " heads, both from 0",
                                        spec, layers, heads)
                          : reader_fail(r, ERR_NOT_FOUND,
                                        "%s: the run knows no heads of this model", spec);
    }
    return r->rc;
}

/* A number in a list in a list; -1: there is none. */
static double number_at(struct json_object *list, size_t i, size_t k)
{
    struct json_object *row = i < list_length(list) ? json_object_array_get_idx(list, i) : NULL;
    struct json_object *value = k < list_length(row) ? json_object_array_get_idx(row, k) : NULL;
    return value && (json_object_is_type(value, json_type_double) ||
                     json_object_is_type(value, json_type_int))
               ? json_object_get_double(value)
               : -1;
}

/* The attention to each token of the context, as far as it is among the sources. */
static struct json_object *attention_of(const struct head_example *e)
{
    const size_t n = list_length(e->place.tokens);
    struct json_object *all = json_object_new_array();
    for (size_t i = 0; all && i < n; i++) {
        double attention = 0;
        for (size_t k = 0; k < list_length(e->sources); k++) {
            if ((double)e->place.token_index - number_at(e->sources, k, 0) == (double)i) {
                attention = number_at(e->sources, k, 2);
            }
        }
        json_object_array_add(all, json_object_new_double(attention));
    }
    return all;
}

/* Says the sources in words. */
static void say_sources(struct head_example *e, struct reader *r)
{
    struct buf text = {0};
    int rc = 0;
    for (size_t k = 0; k < list_length(e->sources) && !rc && !r->rc; k++) {
        const double back = number_at(e->sources, k, 0), id = number_at(e->sources, k, 1);
        if (!(back >= 0 && back < 1e9 && id >= 0 && id < 1e9)) {
            continue;
        }
        sqlite3_stmt *stmt =
            reader_query(r, "SELECT text FROM token WHERE id = ?1", (int64_t[]){(int64_t)id});
        const bool known = reader_step(r, stmt);
        rc = buf_printf(&text, r->err, "%s%.0f back ", k > 0 ? ", " : "", back);
        rc = rc      ? rc
             : known ? buf_printf(&text, r->err, "'%s'", column_text(stmt, 0))
                     : buf_printf(&text, r->err, "<%.0f>", id);
        sqlite3_finalize(stmt);
        rc = rc ? rc : buf_printf(&text, r->err, " %.2f", number_at(e->sources, k, 2));
    }
    rc = rc ? rc : buf_append(&text, "", 1, r->err);
    reader_take(r, rc);
    e->said = text.data;
}

int head_page_read(struct head_page *p, struct reader *r, const char *name, size_t examples)
{
    if (find_head(p, r, name)) {
        return r->rc;
    }
    const struct head_row *h = p->head;
    const int64_t key[] = {h->model_id, h->layer, h->idx, h->pair, limit_of(examples)};
    run_state_read(&p->state, r);
    rows_read(&p->labels, &p->n_labels, &head_label_kind, r,
              "SELECT y.name, l.n, l.dla, l.dla_rest, l.to_label, g.mean_gap AS loss,"
              " g.se AS loss_se, g.mean_gap_rest AS loss_rest"
              " FROM head_label l JOIN hypothesis y ON y.id = l.hypothesis"
              " LEFT JOIN hypothesis_gap g ON g.hypothesis = l.hypothesis AND g.pair = ?4"
              " WHERE l.model = ?1 AND l.layer = ?2 AND l.idx = ?3"
              " ORDER BY g.mean_gap IS NULL, g.mean_gap DESC, l.dla DESC, y.id",
              key);
    rows_read(&p->examples, &p->n_examples, &head_example_kind, r,
              "SELECT * FROM head_example WHERE model = ?1 AND layer = ?2 AND idx = ?3"
              " AND ?4 IS ?4 AND rank <= ?5"
              " ORDER BY CASE kind WHEN 'helps' THEN 0 WHEN 'hurts' THEN 1 ELSE 2 END, rank",
              key);
    for (size_t i = 0; i < p->n_examples; i++) {
        struct head_example *e = &p->examples[i];
        e->place.activation = e->dla;
        e->place.activations = attention_of(e);
        say_sources(e, r);
    }
    return places_name(r, p->examples, p->n_examples, sizeof *p->examples,
                       offsetof(struct head_example, place));
}

void head_page_free(struct head_page *p)
{
    for (size_t i = 0; i < p->n_examples; i++) {
        json_object_put(p->examples[i].place.activations);
        free(p->examples[i].said);
        place_free(&p->examples[i].place);
    }
    rows_free(p->head, p->n_head, &head_row_kind);
    rows_free(p->labels, p->n_labels, &head_label_kind);
    rows_free(p->examples, p->n_examples, &head_example_kind);
    run_state_free(&p->state);
    *p = (struct head_page){0};
}
