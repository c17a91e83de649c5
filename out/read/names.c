#include "out/read/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/neuron_name.h"
#include "out/text/printable.h"

// --- pairs -------------------------------------------------------------------------------------

static int add_pair(struct view_pairs *p, sqlite3_stmt *stmt, struct err *err)
{
    int rc = mem_reserve(&p->items, &p->cap, p->n + 1, sizeof *p->items, "pairs", err);
    if (rc) {
        return rc;
    }
    struct buf name = {0};
    struct view_pair *item = &p->items[p->n++];
    *item = (struct view_pair){
        .id = sqlite3_column_int64(stmt, 0),
        .base = view_strdup(stmt, 1, &rc, err),
        .tokens = view_u64(stmt, 3),
        .docs = view_u64(stmt, 4),
        .mean_gap = view_real(stmt, 5),
        .se = view_real(stmt, 6),
        .share = view_real(stmt, 7),
    };
    if (!rc) {
        rc = buf_printf(&name, err, "%s:%s", view_text(stmt, 1), view_text(stmt, 2));
    }
    if (!rc) {
        rc = buf_append(&name, "", 1, err);
    }
    item->name = name.data;
    return rc;
}

static int choose(struct view_pairs *p, const struct view *v, const char *wanted, struct err *err)
{
    struct buf names = {0};
    int rc = 0;
    if (p->n == 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: has no pair of models, so no gaps", v->path);
    }
    p->chosen = wanted ? NULL : &p->items[0];
    for (size_t i = 0; i < p->n && !rc; i++) {
        if (wanted && strcmp(p->items[i].name, wanted) == 0) {
            p->chosen = &p->items[i];
        }
        rc = buf_printf(&names, err, "%s%s", i > 0 ? ", " : "", p->items[i].name);
    }
    if (!rc && !p->chosen) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: has no pair %s; it has %.*s", v->path, wanted,
                     (int)names.len, names.data);
    }
    buf_free(&names);
    return rc;
}

int view_pairs_read(struct view_pairs *p, const struct view *v, const char *wanted, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(v,
                                    "SELECT p.id, b.name, " VIEW_PAIR_OTHERS ","
                                    " p.tokens, p.docs, p.mean_gap, p.se, p.share_other_better"
                                    " FROM pair p JOIN model b ON b.id = p.base ORDER BY p.id",
                                    NULL, &rc, err);
    while (view_step(v, stmt, &rc, err)) {
        rc = add_pair(p, stmt, err);
    }
    sqlite3_finalize(stmt);
    return rc ? rc : choose(p, v, wanted, err);
}

void view_pairs_free(struct view_pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].name);
        free(p->items[i].base);
    }
    free(p->items);
    *p = (struct view_pairs){0};
}

void view_pairs_put_others(const struct view_pairs *p, const struct view *v)
{
    if (p->n > 1) {
        fputs("other pairs (--pair):", v->to);
        for (size_t i = 0; i < p->n; i++) {
            if (&p->items[i] != p->chosen) {
                putc(' ', v->to);
                show_text(v->to, p->items[i].name, 0, SIZE_MAX);
            }
        }
        putc('\n', v->to);
    }
}

int view_pairs_put(const struct view_pairs *p, const struct view *v, struct err *err)
{
    const struct view_pair *pair = p->chosen;
    show_text(v->to, pair->name, 0, SIZE_MAX);
    fprintf(v->to, ": %" PRIu64 " tokens of %" PRIu64 " documents; ", pair->tokens, pair->docs);
    const int rc = view_put_state(v, err);
    putc('\n', v->to);
    if (pair->tokens > 0) {
        fprintf(v->to, "mean gap %+.4f +- %.4f nats a token, above 0 (", pair->mean_gap, pair->se);
        show_text(v->to, pair->name + strlen(pair->base) + 1, 0, SIZE_MAX);
        fprintf(v->to, " better) on %.1f %%\n", 100 * pair->share);
    }
    view_pairs_put_others(p, v);
    return rc;
}

// --- neurons -----------------------------------------------------------------------------------

/* The models that have neurons: their number, and their names in *names. */
static size_t with_neurons(const struct view *v, struct buf *names, int *rc, struct err *err)
{
    size_t n = 0;
    sqlite3_stmt *stmt =
        view_query(v, "SELECT name FROM model WHERE site <> '' ORDER BY id", NULL, rc, err);
    while (view_step(v, stmt, rc, err)) {
        *rc = buf_printf(names, err, "%s%s", n++ > 0 ? ", " : "", view_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    return n;
}

/* Fills *out from the model that is called name[len], or from the only one for NULL. */
static int find_model(struct view_neuron *out, const struct view *v, const char *name, size_t len,
                      struct err *err)
{
    int rc = 0;
    bool found = false;
    struct buf names = {0};
    const size_t n = with_neurons(v, &names, &rc, err);
    sqlite3_stmt *stmt =
        view_query(v, "SELECT id, name, n_layers, d_mlp FROM model WHERE site <> '' ORDER BY id",
                   NULL, &rc, err);
    while (!found && (name || n == 1) && view_step(v, stmt, &rc, err)) {
        const char *text = view_text(stmt, 1);
        found = !name || (strlen(text) == len && strncmp(text, name, len) == 0);
        if (found) {
            out->model = sqlite3_column_int64(stmt, 0);
            out->model_name = view_strdup(stmt, 1, &rc, err);
            out->n_layers = sqlite3_column_int64(stmt, 2);
            out->d_mlp = sqlite3_column_int64(stmt, 3);
        }
    }
    sqlite3_finalize(stmt);
    if (!rc && n == 0) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "%s: keeps no neurons: a scan keeps those of every model that has an MLP "
                     "(gelu-1l, solu-1l, ...; attn-only models have none), unless --no-neurons",
                     v->path);
    } else if (!rc && !found && name) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: has no neurons of a model %.*s; it has those of %.*s",
                     v->path, (int)len, name, (int)names.len, names.data);
    } else if (!rc && !found) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: has neurons of %.*s; say of which: NAME:L0N424",
                     v->path, (int)names.len, names.data);
    }
    buf_free(&names);
    return rc;
}

int view_neuron_find(struct view_neuron *out, const struct view *v, const char *spec,
                     struct err *err)
{
    const char *colon = strrchr(spec, ':');
    const char *neuron = colon ? colon + 1 : spec;
    size_t layer = 0, index = 0;
    const size_t end = neuron_name_read(neuron, &layer, &index);
    if (end == 0 || neuron[end]) {
        return err_set(err, ERR_USAGE,
                       "%s: a neuron is wanted as NAME:L0N424 (layer 0, index 424), or L0N424 "
                       "where one model has neurons",
                       spec);
    }
    out->layer = (int64_t)layer;
    out->index = (int64_t)index;
    const int rc = find_model(out, v, colon ? spec : NULL, colon ? (size_t)(colon - spec) : 0, err);
    if (!rc && (out->layer >= out->n_layers || out->index >= out->d_mlp)) {
        return err_set(err, ERR_NOT_FOUND,
                       "%s: has no %s: %s has %" PRId64 " layer%s of %" PRId64
                       " neurons, L0N0 to L%" PRId64 "N%" PRId64,
                       v->path, neuron, out->model_name, out->n_layers,
                       out->n_layers == 1 ? "" : "s", out->d_mlp, out->n_layers - 1,
                       out->d_mlp - 1);
    }
    return rc;
}

void view_neuron_free(struct view_neuron *n)
{
    free(n->model_name);
    *n = (struct view_neuron){0};
}
