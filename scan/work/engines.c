#include "scan/work/engines.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "out/store/meta.h"
#include "scan/work/first_unit.h"

static void print_check(const char *name, const struct precision_check *c)
{
    if (c->used != c->asked) {
        fprintf(stderr, "  %s: %s precision misses its promise here; the scan uses %s\n", name,
                precision_name(c->asked), precision_name(c->used));
    }
    if (c->used != PRECISION_EXACT && c->tokens > 0) {
        fprintf(stderr,
                "  %-24s %s: off f32 by %.1e nats on average, %.1e at most (%" PRIu64 " tokens)\n",
                name, precision_name(c->used), c->mean, c->most, c->tokens);
    }
}

/* Whose engine a model has: of those with the same weights the first that is not changed, or else the
 * first. */
static size_t owner_of(const struct engines *e, size_t i)
{
    const struct model *weights = e->predictors[i].model->weights;
    size_t first = i;
    for (size_t k = 0; k < e->n && weights; k++) {
        const struct lineup_model *m = e->predictors[k].model;
        if (m->weights == weights && m->changes.n == 0) {
            return k;
        }
        first = m->weights == weights && k < first ? k : first;
    }
    return first;
}

/* Checks every model on the first unit. */
static int choose(struct engines *e, const struct kern *kern, enum precision asked,
                  const struct pipeline_options *p, const atomic_int *stop, struct err *err)
{
    struct layout layout = {0};
    // exact needs no check
    int rc = asked == PRECISION_EXACT ? 0 : first_unit_layout(&layout, p, err);
    if (!rc && layout.n > 0) {
        fprintf(stderr, "gapscope scan: the first unit in f32 and in %s precision:\n",
                precision_name(asked));
    }
    for (size_t i = 0; i < e->n && !rc && !is_stopped(stop); i++) {
        const struct model *m = e->predictors[i].model->weights;
        if (!m || owner_of(e, i) != i) {
            continue; // counts are exact
        }
        rc = precision_check_choose(&e->predictors[i].engine, &e->checks[i], m, kern, asked,
                                    &layout, p->n_threads, stop, err);
        if (!rc) {
            print_check(m->name, &e->checks[i]);
            e->check_texts[i] = precision_check_to_json(&e->checks[i]);
            rc = e->check_texts[i] ? 0 : err_nomem(err, "meta");
        }
    }
    layout_free(&layout);
    return rc;
}

/* Makes those that the run began with. */
static int remember(struct engines *e, const struct kern *kern, enum precision asked,
                    struct store *store, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < e->n && !rc; i++) {
        const struct model *m = e->predictors[i].model->weights;
        if (!m || owner_of(e, i) != i) {
            continue;
        }
        rc = meta_get(&e->check_texts[i], store, e->check_keys[i], err);
        e->checks[i].asked = asked;
        e->checks[i].used = precision_check_from_json(e->check_texts[i], asked);
        rc = rc ? rc : engine_new(&e->predictors[i].engine, m, kern, e->checks[i].used, err);
    }
    return rc;
}

/* Gives the engines to those that share them. */
static void share(struct engines *e)
{
    for (size_t i = 0; i < e->n; i++) {
        const size_t owner = owner_of(e, i);
        if (owner != i && e->predictors[i].model->weights) {
            e->predictors[i].engine = e->predictors[owner].engine;
            e->predictors[i].shares_engine = true;
            e->checks[i] = e->checks[owner];
        }
    }
}

/* Makes the family of the changed models that have the engine of predictor i, the first of them. */
static int make_family(struct engines *e, struct lineup *lineup, size_t i, struct err *err)
{
    struct changes **of = mem_new(e->n, sizeof *of);
    struct predictor_family *f = &e->families[e->n_families];
    size_t n = 0;
    if (!of) {
        return err_nomem(err, "models");
    }
    for (size_t k = i; k < e->n; k++) {
        struct lineup_model *m = &lineup->models[k];
        if (m->changes.n > 0 && m->weights == lineup->models[i].weights) {
            of[n++] = &m->changes;
            e->predictors[k].family = f;
        }
    }
    int rc = changes_join(&f->all, of, n, err);
    e->n_families++;
    f->mean = !rc && f->all.has[CHANGE_MEAN] ? mem_zero(f->all.width, sizeof *f->mean) : NULL;
    rc = rc || f->mean || !f->all.has[CHANGE_MEAN] ? rc : err_nomem(err, "means");
    free(of);
    return rc;
}

static int make_families(struct engines *e, struct lineup *lineup, struct err *err)
{
    int rc = 0;
    e->families = mem_zero(e->n, sizeof *e->families);
    if (!e->families) {
        return err_nomem(err, "models");
    }
    for (size_t i = 0; i < e->n && !rc; i++) {
        if (lineup->models[i].changes.n > 0 && !e->predictors[i].family) {
            rc = make_family(e, lineup, i, err);
        }
    }
    return rc;
}

/* Makes the logits of the heads that changed models behind their whole replace, where these are
 * linear; several of one head have their own. */
static int make_heads(struct engines *e, const struct lineup *lineup, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < e->n && !rc; i++) {
        struct predictor *p = &e->predictors[i];
        const size_t owner = owner_of(e, i);
        if (!p->family || owner >= i || lineup->models[owner].changes.n > 0) {
            continue;
        }
        const size_t head = engine_linear_head(p->engine, &lineup->models[i].changes);
        if (head != SIZE_MAX) {
            rc = head_logits_new(&p->head, engine_unembed(p->engine), head, err);
        }
    }
    return rc;
}

/* Those of earlier runs, and this one's. */
static int join_kernels(struct engines *e, const struct kern *kern, struct store *resumed,
                        struct err *err)
{
    const int rc = resumed ? meta_get(&e->kernels, resumed, "kernels", err) : 0;
    if (!rc && e->kernels && strcmp(e->kernels, kern->name) != 0) {
        fprintf(stderr,
                "gapscope scan: the units so far were done with %s kernels, the rest with %s\n",
                e->kernels, kern->name);
    }
    return rc ? rc : meta_join(&e->kernels, kern->name, err);
}

/* Says whose own counts are left out. */
static void print_left_out(const struct predictor *p, size_t n_shards)
{
    size_t n = 0;
    for (size_t i = 0; i < n_shards && p->leave_out; i++) {
        n += p->leave_out[i];
    }
    if (n > 0) {
        fprintf(stderr,
                "  %-24s counted on %s of this corpus: a document's own counts are left out\n",
                p->model->name, n == n_shards ? "all" : "some");
    }
}

static int describe(struct engines *e, const struct lineup *lineup,
                    const struct pipeline_options *p, struct err *err)
{
    e->predictors = mem_zero(lineup->n, sizeof *e->predictors);
    e->checks = mem_zero(lineup->n, sizeof *e->checks);
    e->check_keys = mem_zero(lineup->n, sizeof *e->check_keys);
    e->check_texts = mem_zero(lineup->n, sizeof *e->check_texts);
    if (!e->predictors || !e->checks || !e->check_keys || !e->check_texts) {
        return err_nomem(err, "models");
    }
    e->n = lineup->n;
    for (size_t i = 0; i < e->n; i++) {
        e->predictors[i].model = &lineup->models[i];
        if (asprintf(&e->check_keys[i], "precision.%s", lineup->models[i].name) < 0) {
            e->check_keys[i] = NULL;
            return err_nomem(err, "meta");
        }
        const int rc = predictor_leave_out(&e->predictors[i], p->shards, p->work->settings, err);
        if (rc) {
            return rc;
        }
        print_left_out(&e->predictors[i], p->shards->n);
    }
    return 0;
}

int engines_make(struct engines *e, struct lineup *lineup, const struct kern *kern,
                 enum precision asked, const struct pipeline_options *p, struct store *resumed,
                 const atomic_int *stop, struct err *err)
{
    int rc = join_kernels(e, kern, resumed, err);
    rc = rc ? rc : describe(e, lineup, p, err);
    if (rc) {
        return rc;
    }
    rc = resumed ? remember(e, kern, asked, resumed, err) : choose(e, kern, asked, p, stop, err);
    if (!rc && !is_stopped(stop)) {
        share(e);
        rc = make_families(e, lineup, err);
        rc = rc ? rc : make_heads(e, lineup, err);
    }
    for (size_t i = 0; i < e->n && !rc; i++) {
        e->epsilon = fmax(e->epsilon, precision_epsilon(e->checks[i].used));
    }
    return rc;
}

void engines_free(struct engines *e)
{
    for (size_t i = 0; i < e->n; i++) {
        predictor_free(&e->predictors[i]);
        free(e->check_keys[i]);
        free(e->check_texts[i]);
    }
    for (size_t i = 0; i < e->n_families; i++) {
        changes_free(&e->families[i].all);
        free(e->families[i].mean);
    }
    free(e->families);
    free(e->predictors);
    free(e->checks);
    free(e->check_keys);
    free(e->check_texts);
    free(e->kernels);
    *e = (struct engines){0};
}
