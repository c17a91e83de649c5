#include "out/read/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"
#include "out/read/neuron_name.h"

// --- all names there are -----------------------------------------------------------------------

struct names {
    char **items; // [n]
    size_t n, cap;
    struct buf list; // "a, b", without a NUL
};

static void names_add(struct names *names, struct reader *r, const char *name)
{
    if (reader_take(r, mem_reserve(&names->items, &names->cap, names->n + 1, sizeof *names->items,
                                   "names", r->err))) {
        return;
    }
    names->items[names->n] = strdup(name);
    if (!names->items[names->n]) {
        reader_take(r, err_nomem(r->err, "names"));
        return;
    }
    names->n++;
    reader_take(r, buf_printf(&names->list, r->err, "%s%s", names->n > 1 ? ", " : "", name));
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->items[i]);
    }
    free(names->items);
    buf_free(&names->list);
}

#define LIST_BYTES 300 // a longer list leaves no room for what was meant

/* ERR_NOT_FOUND: "run.db: has no pair x; it has a, b; did you mean a?" */
static int names_miss(const struct names *names, struct reader *r, const char *has_no,
                      const char *name, const char *it_has)
{
    struct nearest near = {""};
    size_t len = names->list.len;
    char more[32] = "";
    if (names->n > 1) {
        near = nearest_names(name, "", (const char *const *)names->items, names->n);
    }
    if (len > LIST_BYTES) {
        for (len = LIST_BYTES; len > 0 && names->list.data[len] != ','; len--) {
        }
        snprintf(more, sizeof more, ", ... (%zu)", names->n);
    }
    return reader_fail(r, ERR_NOT_FOUND, "%s: %s %s; %s %.*s%s%s", r->path, has_no, name, it_has,
                       (int)len, names->list.data ? names->list.data : "", more, near.text);
}

int reader_find(struct reader *r, const char *table, const char *name, int64_t *id)
{
    struct names names = {0};
    char sql[80], has_no[48];
    bool found = false;
    snprintf(sql, sizeof sql, "SELECT id, name FROM %s ORDER BY id", table);
    sqlite3_stmt *stmt = reader_query(r, sql, NULL);
    while (!found && reader_step(r, stmt)) {
        *id = sqlite3_column_int64(stmt, 0);
        found = strcmp(column_text(stmt, 1), name) == 0;
        names_add(&names, r, column_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    if (!found) {
        snprintf(has_no, sizeof has_no, "has no %s", table);
        names_miss(&names, r, has_no, name, "it has");
    }
    names_free(&names);
    return r->rc;
}

// --- pairs -------------------------------------------------------------------------------------

static void add_pair(struct pairs *p, struct reader *r, sqlite3_stmt *stmt)
{
    struct buf name = {0};
    if (reader_take(r,
                    mem_reserve(&p->items, &p->cap, p->n + 1, sizeof *p->items, "pairs", r->err))) {
        return;
    }
    struct pair *item = &p->items[p->n++];
    *item = (struct pair){
        .id = sqlite3_column_int64(stmt, 0),
        .base = column_strdup(r, stmt, 1),
        .tokens = column_u64(stmt, 3),
        .docs = column_u64(stmt, 4),
        .mean_gap = column_real(stmt, 5),
        .se = column_real(stmt, 6),
        .share = column_real(stmt, 7),
        .brief = sqlite3_column_int64(stmt, 8) != 0,
    };
    reader_take(r, buf_printf(&name, r->err, "%s:%s", column_text(stmt, 1), column_text(stmt, 2)));
    reader_take(r, buf_append(&name, "", 1, r->err));
    item->name = name.data;
}

static void choose_pair(struct pairs *p, struct reader *r, const char *name)
{
    struct names names = {0};
    p->chosen = name || p->n == 0 ? NULL : &p->items[0];
    for (size_t i = 0; i < p->n && !r->rc; i++) {
        if (name && strcmp(p->items[i].name, name) == 0) {
            p->chosen = &p->items[i];
        }
        names_add(&names, r, p->items[i].name);
    }
    if (p->n == 0) {
        reader_fail(r, ERR_NOT_FOUND, "%s: has no pair of models, so no gaps", r->path);
    } else if (!p->chosen) {
        names_miss(&names, r, "has no pair", name ? name : "", "it has");
    }
    names_free(&names);
}

int pairs_read(struct pairs *p, struct reader *r, const char *name)
{
    sqlite3_stmt *stmt =
        reader_query(r,
                     "SELECT p.id, b.name, " SQL_PAIR_OTHERS ","
                     " p.tokens, p.docs, p.mean_gap, p.se, p.share_other_better,"
                     " p.brief FROM pair p JOIN model b ON b.id = p.base ORDER BY p.id",
                     NULL);
    while (reader_step(r, stmt)) {
        add_pair(p, r, stmt);
    }
    sqlite3_finalize(stmt);
    if (!r->rc) {
        choose_pair(p, r, name);
    }
    return r->rc;
}

int pairs_read_any(struct pairs *p, struct reader *r, const char *name)
{
    if (name || reader_number(r, "SELECT count(*) FROM pair", NULL) > 0) {
        pairs_read(p, r, name);
    }
    return r->rc;
}

void pairs_free(struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].name);
        free(p->items[i].base);
    }
    free(p->items);
    *p = (struct pairs){0};
}

// --- neurons -----------------------------------------------------------------------------------

#define WITH_NEURONS "SELECT id, name, n_layers, d_mlp FROM model WHERE site <> '' ORDER BY id"

/* Fills *out from the model that is called 'name', or from the only one for NULL. */
static void find_model(struct neuron_ref *out, struct reader *r, const char *name)
{
    bool found = false;
    struct names names = {0};
    sqlite3_stmt *stmt = reader_query(r, WITH_NEURONS, NULL);
    while (reader_step(r, stmt)) {
        names_add(&names, r, column_text(stmt, 1));
    }
    reader_again(stmt, NULL);
    while (!found && (name || names.n == 1) && reader_step(r, stmt)) {
        found = !name || strcmp(column_text(stmt, 1), name) == 0;
        if (found) {
            out->model = sqlite3_column_int64(stmt, 0);
            out->model_name = column_strdup(r, stmt, 1);
            out->n_layers = sqlite3_column_int64(stmt, 2);
            out->d_mlp = sqlite3_column_int64(stmt, 3);
        }
    }
    sqlite3_finalize(stmt);
    if (names.n == 0) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: keeps no neurons: a scan keeps those of every model that has an MLP "
                    "(gelu-1l, solu-1l, ...; attn-only models have none), unless --no-neurons",
                    r->path);
    } else if (!found && name) {
        names_miss(&names, r, "has no neurons of a model", name, "it has those of");
    } else if (!found) {
        reader_fail(r, ERR_NOT_FOUND, "%s: has neurons of %.*s; say of which: NAME:L0N424", r->path,
                    (int)names.list.len, names.list.data);
    }
    names_free(&names);
}

/* 'neuron', as the user calls it, is one that its model has. */
static void check_place(const struct neuron_ref *n, struct reader *r, const char *neuron)
{
    if (r->rc || (n->layer < n->n_layers && n->index < n->d_mlp)) {
        return;
    }
    if (n->n_layers < 1 || n->d_mlp < 1) {
        reader_fail(r, ERR_FORMAT,
                    "%s: has no %s: the row of %s in table \"model\" is damaged: n_layers or d_mlp "
                    "is no number above 0",
                    r->path, neuron, n->model_name);
        return;
    }
    reader_fail(r, ERR_NOT_FOUND,
                "%s: has no %s: %s has %" PRId64 " layer%s of %" PRId64
                " neurons, L0N0 to L%" PRId64 "N%" PRId64,
                r->path, neuron, n->model_name, n->n_layers, n->n_layers == 1 ? "" : "s", n->d_mlp,
                n->n_layers - 1, n->d_mlp - 1);
}

int neuron_find(struct neuron_ref *out, struct reader *r, const char *spec)
{
    const char *colon = strrchr(spec, ':');
    const char *neuron = colon ? colon + 1 : spec;
    size_t layer = 0, index = 0;
    const size_t end = neuron_name_read(neuron, &layer, &index);
    if (end == 0 || neuron[end]) {
        return reader_fail(r, ERR_USAGE,
                           "%s: expected a neuron as NAME:L0N424 (layer 0, index 424), or L0N424 "
                           "where one model has neurons",
                           spec);
    }
    out->layer = (int64_t)layer;
    out->index = (int64_t)index;
    char *name = colon ? strndup(spec, (size_t)(colon - spec)) : NULL;
    if (colon && !name) {
        return reader_take(r, err_nomem(r->err, "a name"));
    }
    find_model(out, r, name);
    free(name);
    check_place(out, r, neuron);
    return r->rc;
}

void neuron_ref_free(struct neuron_ref *n)
{
    free(n->model_name);
    *n = (struct neuron_ref){0};
}
