#include "scan/work/skip_trials.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/base/memstream.h"
#include "corpora/base/pool.h"
#include "corpora/base/stop.h"
#include "model/explain/skip_trial.h"
#include "out/results/skips/skip_rows.h"
#include "out/results/skips/skips_collector.h"

_Static_assert(SKIP_PLACES <= SKIP_TRIAL_PLACES && SKIP_REACH + 1 <= SKIP_TRIAL_TOKENS &&
                   SKIP_COMPONENTS >= SKIP_TRIAL_PARTS,
               "room for what a scan keeps");

struct skip_work {
    const struct trials *t;
    const struct skip_sums *sums;
    struct skip_bug *bugs; // [n]
    size_t n;
    struct skip_funnel funnel;
    atomic_size_t next; // of bugs
};

bool skip_trials_are_due(const struct run *run, const struct results *results)
{
    return skips_of(results) != NULL && run_is_finished(run);
}

// --- one crossing -------------------------------------------------------------------------------

/* What a crossing's places ask of a model; the arrays belong to the caller. */
struct asked_places {
    struct skip_trial_place places[SKIP_PLACES];
    uint32_t fillers[SKIP_FILLERS];
    struct skip_trial_question question;
};

/* Does the model have all tokens of a place, which ends in B and has A? */
static bool fits(const struct example *e, uint32_t a, uint32_t b, const struct config *c)
{
    bool has_a = false;
    if (e->before == 0 || e->before >= e->n_tokens || e->before > SKIP_TRIAL_TOKENS ||
        e->before + 1 > c->n_ctx || e->ids[e->before] != b) {
        return false;
    }
    for (size_t i = 0; i <= e->before; i++) {
        if (e->ids[i] >= c->d_vocab) {
            return false;
        }
        has_a = has_a || (i > 0 && e->ids[i] == a);
    }
    return has_a;
}

/* Lists the places of A ... B1 that a model can be asked about, and stand-ins that are none of the
 * crossing's tokens. */
static void ask(struct asked_places *q, const struct skip_work *w, const struct skip_crossing *x,
                const struct config *c)
{
    const struct skip_shape *s = w->sums->shape;
    const struct skip *one = &s->items[x->skip1], *two = &s->items[x->skip2];
    const struct example_list *list = &w->sums->places[s->cells[x->cell1].pair];
    const struct skip_a *a = &s->as[s->of_a[one->a]];
    q->question = (struct skip_trial_question){
        .places = q->places, .a = one->a, .c = two->c, .fillers = q->fillers, .head = one->head};
    for (size_t i = 0; i < list->n && one->b < c->d_vocab && two->c < c->d_vocab; i++) {
        const struct example *e = &list->items[i];
        if (fits(e, one->a, one->b, c)) {
            q->places[q->question.n_places++] =
                (struct skip_trial_place){.first = e->ids[0], .ids = e->ids + 1, .n = e->before};
        }
    }
    for (size_t i = 0; i < a->n_fillers; i++) {
        const uint32_t id = a->fillers[i];
        if (id != one->b && id != one->c && id != two->b && id != two->c && id < c->d_vocab) {
            q->fillers[q->question.n_fillers++] = id;
        }
    }
}

/* What a model that fixes the bug has that holds C2 down. */
static int examine(const struct skip_work *w, struct skip_bug *g, size_t model,
                   struct skip_trial *trial, struct err *err)
{
    struct asked_places q;
    struct skip_trial_parts parts;
    ask(&q, w, &g->crossing, &engine_model(w->t->engines[model])->config);
    if (q.question.n_places == 0) {
        return 0;
    }
    const int rc = skip_trial_parts(trial, &q.question, &parts, w->t->stop, err);
    if (rc) {
        return rc;
    }
    struct skip_fixer *f = &g->fixers[g->n_fixers++];
    *f = (struct skip_fixer){.model = (uint32_t)model, .p_contexts = parts.p, .n = parts.n};
    for (size_t i = 0; i < parts.n; i++) {
        const struct skip_trial_part *x = &parts.parts[i];
        f->components[i] = (struct skip_component){.neuron = x->neuron,
                                                   .layer = x->layer,
                                                   .index = x->index,
                                                   .direct = x->direct,
                                                   .p_without = x->p_without,
                                                   .change = x->change,
                                                   .change_se = x->change_se};
    }
    return 0;
}

/* Is it A, and the head, that makes the base say C2? */
static int try_cause(const struct skip_work *w, struct skip_bug *g, struct skip_trial *trial,
                     struct err *err)
{
    struct asked_places q;
    struct skip_trial_cause cause;
    ask(&q, w, &g->crossing, &engine_model(w->t->engines[w->sums->shape->base])->config);
    if (q.question.n_places == 0 || q.question.n_fillers == 0) {
        return 0;
    }
    const int rc = skip_trial_cause(trial, &q.question, &cause, w->t->stop, err);
    g->contexts = q.question.n_places;
    g->p_contexts = cause.p;
    g->p_without_a = cause.p_without_a;
    g->p_without_head = cause.p_without_head;
    g->fall_without_a = cause.fall_without_a;
    g->fall_without_head = cause.fall_without_head;
    g->is = cause.fall_without_a >= SKIP_TRIALS_FALL &&
            cause.fall_without_head >= SKIP_TRIALS_HEAD * cause.fall_without_a;
    return rc;
}

// --- threads ------------------------------------------------------------------------------------

/* The thread's trial of a model, made when it is first needed. */
static int trial_of(struct skip_trial **trials, const struct skip_work *w, size_t model,
                    struct err *err)
{
    return trials[model] ? 0 : skip_trial_new(&trials[model], w->t->engines[model], err);
}

static int try_one(struct skip_work *w, struct skip_bug *g, struct skip_trial **trials,
                   struct err *err)
{
    const struct skip_shape *s = w->sums->shape;
    int rc = trial_of(trials, w, s->base, err);
    rc = rc ? rc : try_cause(w, g, trials[s->base], err);
    if (rc || !g->is) {
        return rc;
    }
    g->fixers = mem_zero(s->n_models, sizeof *g->fixers);
    if (!g->fixers) {
        return err_nomem(err, "skip-trigrams");
    }
    for (size_t m = 0; m < s->n_models && !rc && !is_stopped(w->t->stop); m++) {
        if (m != s->base && w->t->engines[m] && skip_bugs_repair(w->sums, &g->crossing, m).fixed) {
            rc = trial_of(trials, w, m, err);
            rc = rc ? rc : examine(w, g, m, trials[m], err);
        }
    }
    return rc;
}

/* pool_fn() */
static int work_main(void *context, struct pool *pool, struct err *err)
{
    struct skip_work *w = context;
    const size_t n_models = w->t->run->n_models;
    struct skip_trial **trials = mem_zero(n_models, sizeof *trials);
    int rc = trials ? 0 : err_nomem(err, "skip-trigrams");
    while (!rc && !pool_is_stopped(pool) && !is_stopped(w->t->stop)) {
        const size_t i = atomic_fetch_add(&w->next, 1);
        if (i >= w->n) {
            break;
        }
        rc = try_one(w, &w->bugs[i], trials, err);
    }
    for (size_t m = 0; m < n_models && trials; m++) {
        skip_trial_free(trials[m]);
    }
    free(trials);
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static size_t count_bugs(const struct skip_work *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        n += w->bugs[i].is;
    }
    return n;
}

/* Meta's 'skips': from how many skip-trigrams the bugs come. */
static int make_meta(char **out, const struct skip_work *w, struct err *err)
{
    const struct skip_source *source = &w->sums->shape->source;
    size_t len = 0;
    struct jsonout j = {.to = memstream_open(out, &len)};
    if (!j.to) {
        *out = NULL;
        return err_nomem(err, "skip-trigrams");
    }
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {{"base", w->sums->shape->base},     {"tokens", source->tokens},
                  {"vocabulary", source->vocabulary}, {"frequent", source->frequent},
                  {"found", w->funnel.found},         {"seen", w->funnel.seen},
                  {"true", w->funnel.real},           {"crossings", w->funnel.crossings},
                  {"overrated", w->funnel.overrated}, {"bugs", count_bugs(w)}};
    jsonout_begin(&j, '{');
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        jsonout_key(&j, counts[i].key);
        jsonout_u64(&j, counts[i].value);
    }
    jsonout_key(&j, "scale");
    jsonout_double(&j, source->scale);
    jsonout_end(&j, '}');
    if (fclose(j.to) != 0) {
        return err_nomem(err, "skip-trigrams");
    }
    (*out)[len - 1] = '\0'; // the line's end
    return 0;
}

/* store_writer */
static int write_tables(void *context, const struct sql *sql, struct err *err)
{
    const struct skip_work *w = context;
    char *meta = NULL;
    struct rows rows;
    int rc = make_meta(&meta, w, err);
    rc = rc ? rc : skip_rows_write(sql, w->sums, w->bugs, w->n, err);
    if (!rc) {
        rows_open(&rows, sql, "INSERT OR REPLACE INTO meta VALUES('skips',?)", err);
        rows_text(&rows, meta);
        rows_next(&rows);
        rc = rows_close(&rows);
    }
    free(meta);
    return rc;
}

int skip_trials_run(const struct trials *t, struct store *s, size_t *n_bugs, struct err *err)
{
    struct skip_work w = {.t = t, .sums = skips_of(t->results)};
    struct skip_crossing *crossings = NULL;
    int rc = skip_bugs_find(&crossings, &w.n, &w.funnel, w.sums, err);
    w.bugs = mem_zero(w.n, sizeof *w.bugs);
    if (!rc && !w.bugs) {
        rc = err_nomem(err, "skip-trigrams");
    }
    for (size_t i = 0; i < w.n && !rc; i++) {
        w.bugs[i].crossing = crossings[i];
    }
    rc =
        rc || w.n == 0 ? rc : pool_run(t->n_threads < w.n ? t->n_threads : w.n, work_main, &w, err);
    if (!rc && !is_stopped(t->stop)) {
        *n_bugs = count_bugs(&w);
        rc = store_write(s, write_tables, &w, err);
    }
    for (size_t i = 0; i < w.n && w.bugs; i++) {
        free(w.bugs[i].fixers);
    }
    free(w.bugs);
    free(crossings);
    return rc;
}
