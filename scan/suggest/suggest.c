#include "scan/suggest/suggest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "miners/hypotheses.h"
#include "out/read/names.h"
#include "out/read/suggestion.h"
#include "scan/suggest/rules.h"
#include "scan/suggest/sample.h"
#include "scan/suggest/search.h"

struct item {
    int64_t key[3]; // model, layer, index
    char *model;
    char name[SUGGESTION_NAME];
    struct suggestion found;
};

struct items {
    struct item *items; // [n]
    size_t n, cap;
};

static void items_free(struct items *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].model);
        suggestion_free(&l->items[i].found);
    }
    free(l->items);
}

/* A neuron; model is the list's from now on. */
static void add(struct items *l, struct reader *r, const int64_t key[3], char *model)
{
    if (!model || reader_take(r, mem_reserve(&l->items, &l->cap, l->n + 1, sizeof *l->items,
                                             "neurons", r->err))) {
        free(model);
        return;
    }
    l->items[l->n++] = (struct item){.key = {key[0], key[1], key[2]}, .model = model};
}

static void list_all(struct items *l, struct reader *r)
{
    sqlite3_stmt *stmt = reader_query(r,
                                      "SELECT n.model, n.layer, n.idx, m.name FROM neuron n"
                                      " JOIN model m ON m.id = n.model"
                                      " ORDER BY n.model, n.layer, n.idx",
                                      NULL);
    while (reader_step(r, stmt)) {
        const int64_t key[] = {sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                               sqlite3_column_int64(stmt, 2)};
        add(l, r, key, column_strdup(r, stmt, 3));
    }
    sqlite3_finalize(stmt);
    if (!r->rc && l->n == 0) {
        reader_fail(r, ERR_NOT_FOUND, "%s: no neurons are kept", r->path);
    }
}

static void list_named(struct items *l, struct reader *r, const struct suggest_options *o)
{
    for (size_t i = 0; i < o->n_names && !r->rc; i++) {
        struct neuron_ref ref = {0};
        bool is_new = true;
        if (!neuron_find(&ref, r, o->names[i])) {
            const int64_t key[] = {ref.model, ref.layer, ref.index};
            for (size_t k = 0; k < l->n; k++) {
                is_new = is_new && memcmp(l->items[k].key, key, sizeof key) != 0;
            }
            if (is_new) {
                add(l, r, key, ref.model_name);
                ref.model_name = NULL;
            }
        }
        neuron_ref_free(&ref);
    }
}

/* Names that no other suggestion has. */
static void name_items(struct items *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct item *x = &l->items[i];
        suggestion_name(x->name, x->model, x->key[1], x->key[2]);
        for (size_t k = 0, times = 1; k < i; k++) {
            if (strcmp(l->items[k].name, x->name) == 0) { // of another model
                char end[16];
                const size_t len = strlen(x->name);
                const int n = snprintf(end, sizeof end, ".%zu", ++times);
                const size_t at =
                    len + (size_t)n < SUGGESTION_NAME ? len : SUGGESTION_NAME - 1 - (size_t)n;
                memcpy(x->name + at, end, (size_t)n + 1);
                k = SIZE_MAX; // all once more
            }
        }
    }
}

static void search(struct items *l, struct reader *r, size_t terms)
{
    struct vocabulary v = {0};
    struct rules rules = {0};
    vocabulary_read(&v, r);
    rules_new(&rules, r, &v);
    for (size_t i = 0; i < l->n && !r->rc; i++) {
        struct sample s = {0};
        if (!sample_read(&s, r, &v, l->items[i].key)) {
            reader_take(r, search_suggest(&l->items[i].found, &rules, &s, terms, r->err));
        }
        sample_free(&s);
    }
    rules_free(&rules);
    vocabulary_free(&v);
}

static int by_f1(const void *one, const void *other)
{
    const struct item *a = *(const struct item *const *)one,
                      *b = *(const struct item *const *)other;
    return a->found.f1 != b->found.f1 ? (a->found.f1 < b->found.f1 ? 1 : -1) : (a > b) - (a < b);
}

/* Where there are more than a file may hold, the least are left out. */
static void cut(struct items *l, struct reader *r, struct suggest_summary *summary)
{
    struct item **order = reader_new(r, l->n + 1, sizeof(struct item *));
    size_t n = 0;
    for (size_t i = 0; i < l->n && order; i++) {
        if (l->items[i].found.yaml.len > 0) {
            order[n++] = &l->items[i];
        }
    }
    if (order) {
        qsort(order, n, sizeof *order, by_f1);
    }
    summary->n_neurons = l->n;
    summary->n_suggested = n < HYPOTHESES_MAX ? n : HYPOTHESES_MAX;
    summary->n_left_out = n - summary->n_suggested;
    for (size_t i = HYPOTHESES_MAX; i < n; i++) {
        order[i]->found.yaml.len = 0;
    }
    free(order);
}

static void put_item(FILE *to, const struct item *x)
{
    const struct suggestion *f = &x->found;
    fprintf(to,
            "  # estimated: precision %.2f, by %zu example token%s of %zu documents; recall %.2f\n"
            "  # of where the activation is %.4g or more\n"
            "  - {name: %s, %.*s}\n",
            f->precision, f->n_labelled, plural_s(f->n_labelled), f->n_docs, f->recall,
            f->threshold, x->name, (int)f->yaml.len, f->yaml.data);
}

int suggest_write(FILE *to, struct reader *r, const struct suggest_options *o,
                  struct suggest_summary *summary)
{
    struct items l = {0};
    if (o->all) {
        list_all(&l, r);
    } else {
        list_named(&l, r, o);
    }
    name_items(&l);
    search(&l, r, o->terms);
    cut(&l, r, summary);
    if (!r->rc && summary->n_suggested == 0) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: no rule was found for %s neuron%s: a term rests on examples of %d "
                    "documents of the half dev; scan --examples 200 keeps more",
                    r->path, l.n == 1 ? "this" : "any of these", plural_s(l.n), SEARCH_DOCS);
    }
    if (!r->rc) {
        fputs("# by gapscope suggest; scan --hypotheses says what is true of it\nhypotheses:\n",
              to);
    }
    for (size_t i = 0; i < l.n && !r->rc; i++) {
        if (l.items[i].found.yaml.len > 0) {
            put_item(to, &l.items[i]);
        }
    }
    items_free(&l);
    return r->rc;
}
