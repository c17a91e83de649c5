#include "scan/plan/ablate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"

// What is left of a corpus at least, where the share is found out.
#define SHARE_BYTES ((uint64_t)1 << 20)

#define SHARE_MAX UINT32_C(1000000000)

// --- which components ----------------------------------------------------------------------------

struct words {
    bool heads, mlps;
};

static bool parse_words(struct words *w, const char *text)
{
    *w = (struct words){.heads = strcmp(text, "heads") == 0 || strcmp(text, "all") == 0,
                        .mlps = strcmp(text, "mlps") == 0 || strcmp(text, "all") == 0};
    return w->heads || w->mlps;
}

static int add_component(struct ablate *a, size_t *cap, struct lineup *l, size_t of,
                         const char *verb, const char *component, struct err *err)
{
    char text[96];
    const size_t n = l->n - a->n_named;
    const int rc = mem_reserve(&a->whole, cap, n + 1, sizeof *a->whole, "models", err);
    if (rc) {
        return rc;
    }
    a->whole[n] = of;
    snprintf(text, sizeof text, "%s.%s", verb, component);
    return lineup_add_changed(l, of, text, err);
}

static int add_components(struct ablate *a, size_t *cap, struct lineup *l, size_t of,
                          const struct words *w, const char *verb, struct err *err)
{
    const struct config *c = l->models[of].config;
    char component[64];
    int rc = 0;
    for (size_t layer = 0; layer < c->n_layers && !rc; layer++) {
        for (size_t h = 0; h < c->n_heads && w->heads && !rc; h++) {
            snprintf(component, sizeof component, "L%zuH%zu", layer, h);
            rc = add_component(a, cap, l, of, verb, component, err);
        }
        if (w->mlps && !c->attn_only && !rc) {
            snprintf(component, sizeof component, "L%zuMLP", layer);
            rc = add_component(a, cap, l, of, verb, component, err);
        }
    }
    return rc;
}

/* Has the model what "MODEL:heads" asks for? */
static bool has_components(const struct lineup_model *m, const struct words *w)
{
    return m->weights && m->changes.n == 0 && (w->heads || !m->config->attn_only);
}

static int expand_one(struct ablate *a, size_t *cap, struct lineup *l, const char *text,
                      const char *verb, struct err *err)
{
    const char *colon = strrchr(text, ':');
    const size_t before = l->n;
    struct words w;
    bool known = !colon;
    if (!parse_words(&w, colon ? colon + 1 : text)) {
        return err_set(err, ERR_USAGE,
                       "--ablate %s: expected heads, mlps or all, or MODEL:heads, ...", text);
    }
    int rc = 0;
    for (size_t i = 0; i < a->n_named && !rc; i++) {
        const struct lineup_model *m = &l->models[i];
        const bool named = colon && strlen(m->name) == (size_t)(colon - text) &&
                           strncmp(m->name, text, (size_t)(colon - text)) == 0;
        known = known || named;
        if (named && !has_components(m, &w)) {
            return err_set(err, ERR_USAGE, "--ablate %s: %s %s", text, m->name,
                           !m->weights        ? "is made of counts: it has no components"
                           : m->changes.n > 0 ? "is a changed model: name the whole one"
                                              : "has attention only, no MLP");
        }
        if ((named || !colon) && has_components(m, &w)) {
            rc = add_components(a, cap, l, i, &w, verb, err);
        }
    }
    if (!rc && !known) {
        return err_set(err, ERR_USAGE, "--ablate %s: no --model is called \"%.*s\"%s", text,
                       (int)(colon - text), text,
                       lineup_nearest(l, text, (size_t)(colon - text)).text);
    }
    if (!rc && l->n == before) {
        return err_set(err, ERR_USAGE,
                       "--ablate %s: no model that is not changed itself has such components",
                       text);
    }
    return rc;
}

// --- on how many documents -----------------------------------------------------------------------

/* Of running a model on a token, in products. */
static double cost_of(const struct lineup_model *m)
{
    const struct config *c = m->config;
    const double d = (double)c->d_model, heads = (double)(c->n_heads * c->d_head);
    const double layer = 4 * d * heads + (c->attn_only ? 0 : 2 * d * (double)c->d_mlp);
    return m->weights ? (double)c->n_layers * layer + d * (double)c->d_vocab : 0;
}

/* depth: each attention-only model is also scored with fewer heads, n_layers times. */
static void find_share(struct ablate *a, const struct lineup *l, bool depth, uint64_t bytes)
{
    double own = 0, changed = 0;
    unsigned k = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct lineup_model *m = &l->models[i];
        *(i < a->n_named ? &own : &changed) += cost_of(m);
        if (depth && m->weights && m->changes.n == 0 && m->config->attn_only) {
            changed += (double)m->config->n_layers * cost_of(m);
        }
    }
    while (k < 30 && changed > own * (double)(1u << k)) {
        k++;
    }
    while (k > 0 && bytes >> k < SHARE_BYTES) {
        k--;
    }
    a->take = k > 0;
    a->of = k > 0 ? 1u << k : 0;
}

static int parse_share(struct ablate *a, const struct ablate_options *o, const struct lineup *l,
                       uint64_t bytes, struct err *err)
{
    if (!o->share || strcmp(o->share, "auto") == 0) {
        find_share(a, l, o->depth, bytes);
        return 0;
    }
    const int rc = args_share("ablate-share", o->share, SHARE_MAX, &a->take, &a->of, err);
    if (!rc && a->take == 0) {
        return err_set(err, ERR_USAGE, "--ablate-share %s: then leave --%s out", o->share,
                       o->what.n > 0 ? "ablate" : "depth");
    }
    if (!rc && a->take == a->of) {
        a->take = a->of = 0;
    }
    return rc;
}

// --- all of it -----------------------------------------------------------------------------------

static int check_none(const struct ablate_options *o, struct err *err)
{
    const char *with = o->verb                  ? "ablation"
                       : o->share && !o->depth  ? "ablate-share"
                       : o->hits != ABLATE_HITS ? "ablate-hits"
                                                : NULL;
    return with ? err_set(err, ERR_USAGE, "--%s goes with --ablate", with) : 0;
}

int ablate_expand(struct ablate *out, struct lineup *l, const struct ablate_options *o,
                  uint64_t bytes, struct err *err)
{
    enum change_verb verb = CHANGE_ZERO;
    size_t cap = 0;
    out->n_named = l->n;
    out->hits = o->hits;
    if (o->what.n == 0) {
        const int rc = check_none(o, err);
        return rc || !o->depth ? rc : parse_share(out, o, l, bytes, err);
    }
    if (o->verb && !change_verb_parse(&verb, o->verb)) {
        return err_set(
            err, ERR_USAGE, "--ablation %s: expected zero, mean or resample%s", o->verb,
            nearest_names(o->verb, "", (const char *const[]){"zero", "mean", "resample"}, 3).text);
    }
    int rc = 0;
    for (size_t i = 0; i < o->what.n && !rc; i++) {
        rc = expand_one(out, &cap, l, o->what.items[i], change_verb_name(verb), err);
    }
    if (!rc && l->n > RUN_MODELS_MAX) {
        rc = err_set(err, ERR_USAGE, "--ablate: %zu models; a scan takes at most %d", l->n,
                     RUN_MODELS_MAX);
    }
    return rc ? rc : parse_share(out, o, l, bytes, err);
}

void ablate_free(struct ablate *a)
{
    free(a->whole);
    *a = (struct ablate){0};
}

int ablate_describe(const struct ablate *a, struct run *run, struct err *err)
{
    const size_t n = run->n_models - a->n_named;
    if (n == 0) {
        return 0;
    }
    if (run->n_pairs + n > RUN_PAIRS_MAX) {
        return err_set(err, ERR_USAGE, "--ablate: %zu pairs; a scan takes at most %d",
                       run->n_pairs + n, RUN_PAIRS_MAX);
    }
    struct run_pair *pairs = mem_resize(run->pairs, run->n_pairs + n, sizeof *pairs);
    if (!pairs) {
        return err_nomem(err, "pairs");
    }
    run->pairs = pairs;
    run->brief_top = a->hits;
    for (size_t i = 0; i < n; i++) {
        struct run_model *m = &run->models[a->n_named + i];
        m->brief = true;
        m->share_take = a->take;
        m->share_of = a->of;
        run->pairs[run->n_pairs++] = (struct run_pair){.base = (uint32_t)(a->n_named + i),
                                                       .n_others = 1,
                                                       .others = {(uint32_t)a->whole[i]},
                                                       .brief = true};
    }
    return 0;
}
