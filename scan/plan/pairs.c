#include "scan/plan/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

/* The number of the model called name[len]. */
static int find_model(uint32_t *out, const char *name, size_t len, const char *spec,
                      const struct lineup *lineup, size_t n_named, struct err *err)
{
    for (size_t i = 0; i < n_named; i++) {
        const char *known = lineup->models[i].name;
        if (strlen(known) == len && memcmp(known, name, len) == 0) {
            *out = (uint32_t)i;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--pair %s: no --model is called \"%.*s\"%s", spec,
                   len < 200 ? (int)len : 200, name, lineup_nearest(lineup, name, len).text);
}

static int parse_pair(struct run_pair *pair, const char *spec, const struct lineup *lineup,
                      size_t n_named, struct err *err)
{
    const char *colon = strchr(spec, ':');
    if (!colon) {
        return err_set(err, ERR_USAGE, "--pair %s: expected BASE:OTHER", spec);
    }
    int rc = find_model(&pair->base, spec, (size_t)(colon - spec), spec, lineup, n_named, err);
    const char *name = colon + 1;
    while (!rc) {
        const size_t len = strcspn(name, "+");
        uint32_t other = 0;
        rc = find_model(&other, name, len, spec, lineup, n_named, err);
        bool again = other == pair->base;
        for (uint32_t i = 0; i < pair->n_others; i++) {
            again = again || pair->others[i] == other;
        }
        if (!rc && again) {
            rc = err_set(err, ERR_USAGE, "--pair %s: a model occurs twice in it", spec);
        }
        if (!rc && pair->n_others == RUN_OTHERS_MAX) {
            rc = err_set(err, ERR_USAGE, "--pair %s: at most %d models beside the base", spec,
                         RUN_OTHERS_MAX);
        }
        if (rc) {
            break;
        }
        pair->others[pair->n_others++] = other;
        if (name[len] == '\0') {
            break;
        }
        name += len + 1;
    }
    return rc;
}

/* The same base and the same others, in whatever order. */
static bool is_same(const struct run_pair *a, const struct run_pair *b)
{
    if (a->base != b->base || a->n_others != b->n_others) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_others; i++) {
        uint32_t k = 0;
        while (k < b->n_others && b->others[k] != a->others[i]) {
            k++;
        }
        if (k == b->n_others) {
            return false;
        }
    }
    return true;
}

/* The first model of bigrams behind the first model; 0: there is none. */
static size_t find_bigrams(const struct lineup *lineup, size_t n_named)
{
    for (size_t i = 1; i < n_named && lineup->models[0].weights; i++) {
        const struct lineup_model *m = &lineup->models[i];
        if (!m->weights && m->counts.order == COUNT_BIGRAM) {
            return i;
        }
    }
    return 0;
}

/* The pairs of a run that names none, at most 2 * n_named: *n of them. */
static void default_pairs(struct run_pair *items, size_t *n, const struct lineup *lineup,
                          size_t n_named, bool bigrams)
{
    const size_t counts = bigrams ? find_bigrams(lineup, n_named) : 0;
    *n = 0;
    for (size_t i = 1; i < n_named; i++) {
        items[(*n)++] = (struct run_pair){.n_others = 1, .others = {(uint32_t)i}};
    }
    for (size_t i = 1; i < n_named && counts > 0; i++) {
        if (lineup->models[i].weights) {
            items[(*n)++] =
                (struct run_pair){.base = (uint32_t)counts, .n_others = 1, .others = {(uint32_t)i}};
        }
    }
}

/* A pair that is as one before it. */
static int check_again(const struct run_pair *items, size_t i, const struct arg_list *specs,
                       struct err *err)
{
    size_t k = 0;
    while (k < i && !is_same(&items[k], &items[i])) {
        k++;
    }
    return k == i ? 0
           : strcmp(specs->items[k], specs->items[i]) == 0
               ? err_set(err, ERR_USAGE, "--pair %s is given twice", specs->items[i])
               : err_set(err, ERR_USAGE, "--pair %s is the same as --pair %s; give one",
                         specs->items[i], specs->items[k]);
}

int pairs_parse(struct run_pair **pairs, size_t *n, const struct arg_list *specs,
                const struct lineup *lineup, size_t n_named, bool bigrams, struct err *err)
{
    *pairs = NULL;
    if (lineup->n > RUN_MODELS_MAX) {
        return err_set(err, ERR_USAGE, "%zu models; a scan takes at most %d", lineup->n,
                       RUN_MODELS_MAX);
    }
    *n = specs->n ? specs->n : n_named - 1;
    if (*n == 0) {
        return 0;
    }
    struct run_pair *items = mem_zero(specs->n ? *n : 2 * n_named, sizeof *items);
    if (!items) {
        return err_nomem(err, "pairs");
    }
    int rc = 0;
    if (specs->n == 0) {
        default_pairs(items, n, lineup, n_named, bigrams);
    }
    for (size_t i = 0; i < specs->n && !rc; i++) {
        rc = parse_pair(&items[i], specs->items[i], lineup, n_named, err);
        rc = rc ? rc : check_again(items, i, specs, err);
    }
    if (rc) {
        free(items);
        return rc;
    }
    *pairs = items;
    return 0;
}

char *pair_name(const struct run_pair *pair, const struct lineup *lineup)
{
    struct buf name = {0};
    int rc = buf_printf(&name, NULL, "%s", lineup->models[pair->base].name);
    for (uint32_t i = 0; i < pair->n_others && !rc; i++) {
        rc = buf_printf(&name, NULL, "%c%s", i ? '+' : ':', lineup->models[pair->others[i]].name);
    }
    if (rc) {
        buf_free(&name);
    }
    return name.data;
}
