#include "scan/work/unit_scores.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "scan/work/unit_scores_internal.h"

int floats_reserve(struct floats *f, size_t n, struct err *err)
{
    return mem_reserve(&f->at, &f->cap, n, sizeof *f->at, "a block of rows", err);
}

// --- new and free -------------------------------------------------------------------------------

static const struct config *config_of(const struct scorer *m)
{
    return m->predictor->model->config;
}

static bool has_weights(const struct scorer *m)
{
    return m->predictor->engine != NULL;
}

/* What the collectors need of all models. */
static int list_needs(struct unit_scores *s, struct err *err)
{
    for (size_t c = 0; c < s->n_collectors; c++) {
        const struct collector *of = s->collectors[c].collector;
        struct asked *a = &s->asked[c];
        a->needs = mem_zero(s->n_models, sizeof *a->needs);
        a->logits = mem_zero(s->n_models, sizeof *a->logits);
        a->seen = mem_zero(s->n_models, sizeof *a->seen);
        if (!a->needs || !a->logits || !a->seen) {
            return err_nomem(err, "a worker");
        }
        for (size_t m = 0; m < s->n_models && of->kind->needs; m++) {
            struct scorer *to = &s->scorers[m];
            of->kind->needs(of->shape, s->run, m, &a->needs[m]);
            if (scorer_is_changed(to)) { // its rows are not shown
                a->needs[m].see = a->needs[m].keep = 0;
                a->needs[m].heads = a->needs[m].labels = false;
            }
            to->sees_heads = to->sees_heads || (has_weights(to) && a->needs[m].heads);
            to->sees_labels = to->sees_labels || (to->sees_heads && a->needs[m].labels);
            to->see |= has_weights(to) ? a->needs[m].see : 0;
            to->keep |= has_weights(to) ? a->needs[m].keep : 0;
            to->asked = to->asked || a->needs[m].asked;
            to->logits = to->logits || a->needs[m].logits;
            to->may_ask = to->may_ask || a->needs[m].may_ask;
        }
    }
    return 0;
}

/* Whose working memory a changed model shares: the first of the changed models before s->n_models that
 * have its engine; NULL: none. */
static const struct scorer *find_lender(const struct unit_scores *s,
                                        const struct predictor *predictor)
{
    for (size_t m = 0; m < s->n_models && predictor->family; m++) {
        const struct scorer *of = &s->scorers[m];
        if (scorer_is_changed(of) && of->predictor->engine == predictor->engine) {
            return of;
        }
    }
    return NULL;
}

static int scorer_open(struct unit_scores *s, const struct predictor *predictor, struct err *err)
{
    struct scorer *m = &s->scorers[s->n_models];
    m->predictor = predictor;
    const struct scorer *lender = find_lender(s, predictor);
    m->kept = mem_zero(config_of(m)->n_layers * ROW_SITES, sizeof *m->kept);
    int rc = m->kept ? predictor_ctx_new(&m->ctx, predictor, lender ? lender->ctx : NULL, err)
                     : err_nomem(err, "a worker");
    if (!rc && scorer_is_changed(m)) {
        return unit_heads_open(s, m, err);
    }
    if (rc || !has_weights(m)) {
        return rc;
    }
    return attributor_new(&m->attributor, predictor->engine, err);
}

int unit_scores_new(struct unit_scores **out, const struct predictor *predictors, size_t n_models,
                    const struct run *run, const struct unit_collector *collectors,
                    size_t n_collectors, double epsilon, const atomic_int *stop, struct err *err)
{
    struct unit_scores *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "a worker");
    }
    s->run = run;
    s->collectors = collectors;
    s->n_collectors = n_collectors;
    s->stop = stop;
    s->scorers = mem_zero(n_models, sizeof *s->scorers);
    s->asked = mem_zero(n_collectors, sizeof *s->asked);
    s->logprob = mem_zero(n_models, sizeof *s->logprob);
    s->logits = mem_zero(n_models, sizeof *s->logits);
    s->ld = mem_zero(n_models, sizeof *s->ld);
    int rc =
        s->scorers && s->asked && s->logprob && s->logits && s->ld ? 0 : err_nomem(err, "a worker");
    for (; s->n_models < n_models && !rc; s->n_models++) {
        rc = scorer_open(s, &predictors[s->n_models], err);
    }
    rc = rc ? rc : list_needs(s, err);
    for (size_t m = 0; m < s->n_models && !rc; m++) {
        struct scorer *of = &s->scorers[m];
        rc = has_weights(of) ? predictor_watch_sites(of->ctx, of->see | of->keep, err) : 0;
        if (!rc && of->sees_heads) {
            rc = engine_watch_heads(predictor_engine_ctx(of->ctx),
                                    of->sees_labels ? run->n_hypotheses : 0, err);
        }
        if (!rc && has_weights(of) && of->may_ask) {
            rc = engine_keep_rows(predictor_engine_ctx(of->ctx), err);
        }
    }
    if (rc) {
        unit_scores_free(s);
        return rc;
    }
    s->models = (struct unit_models){.n_models = n_models,
                                     .logprob = s->logprob,
                                     .epsilon = epsilon,
                                     .exact = unit_ask_exact,
                                     .look = unit_ask_look,
                                     .sources = unit_ask_sources,
                                     .compose = unit_ask_compose,
                                     .depth = unit_ask_depth,
                                     .stopped = unit_ask_stopped,
                                     .context = s};
    *out = s;
    return 0;
}

static void scorer_close(struct scorer *m)
{
    for (size_t i = 0; m->kept && i < config_of(m)->n_layers * ROW_SITES; i++) {
        free(m->kept[i].at);
    }
    free(m->kept);
    free(m->logprob);
    free(m->normed.at);
    free(m->all.at);
    free(m->gathered.at);
    free(m->components.at);
    unit_rows_free(&m->rows);
    attributor_free(m->attributor);
    composer_free(m->composer);
    depth_free(m->depth);
    head_rows_free(m->heads);
    predictor_ctx_free(m->ctx);
}

void unit_scores_free(struct unit_scores *s)
{
    if (!s) {
        return;
    }
    for (size_t c = 0; s->asked && c < s->n_collectors; c++) {
        for (size_t m = 0; s->asked[c].logits && m < s->n_models; m++) {
            free(s->asked[c].logits[m].at);
        }
        free(s->asked[c].logits);
        free(s->asked[c].seen);
        free(s->asked[c].needs);
        free(s->asked[c].items);
    }
    for (size_t m = s->n_models; m-- > 0;) { // lenders stand before those that they lend to
        scorer_close(&s->scorers[m]);
    }
    void *const own[] = {s->asked, s->scorers,  s->windows, s->logprob, s->window_n,
                         s->picks, s->tokens,   s->rows,    s->ids,     s->logits,
                         s->ld,    s->some,     s->some_of, s->row.at,  s->questions.items,
                         s->heads, s->logprobs, s->depths};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    free(s);
}

void unit_scores_leave_changed(struct unit_scores *s)
{
    s->leaves_changed = true;
}

const struct unit_models *unit_scores_models(const struct unit_scores *s)
{
    return &s->models;
}

/* This thread's time, in seconds. */
static double thread_time(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct unit_times unit_scores_times(const struct unit_scores *s)
{
    return s->times;
}

struct unit_share unit_scores_share(const struct unit_scores *s)
{
    return (struct unit_share){.scored = atomic_load(&s->n_scored),
                               .tokens = atomic_load(&s->n_tokens)};
}

void unit_scores_rewind(struct unit_scores *s)
{
    atomic_store(&s->n_scored, 0);
    atomic_store(&s->n_tokens, 0);
}

// --- windows ------------------------------------------------------------------------------------

void unit_scores_set_windows(struct unit_scores *s, size_t model)
{
    const struct layout *l = s->layout;
    for (size_t i = 0; i < l->n_windows; i++) {
        const struct layout_window *from = &l->windows[i];
        s->windows[i] = (struct engine_window){.first = from->first,
                                               .tokens = l->ids + from->begin,
                                               .n = from->n,
                                               .logprob = s->scorers[model].logprob + from->begin};
    }
}

int unit_scores_pick(struct unit_scores *s, size_t model, const size_t *tokens, size_t n,
                     struct err *err)
{
    const int rc = mem_reserve(&s->picks, &s->picks_cap, n, sizeof *s->picks, "picks", err);
    unit_scores_set_windows(s, model);
    for (size_t i = 0; i < n && !rc; i++) {
        s->picks[i] = layout_pick(s->layout, s->windows, tokens[i]);
    }
    return rc;
}

static int reserve_unit(struct unit_scores *s, struct err *err)
{
    int rc = mem_reserve(&s->windows, &s->windows_cap, s->layout->n_windows, sizeof *s->windows,
                         "windows", err);
    for (size_t m = 0; m < s->n_models && !rc; m++) {
        struct scorer *of = &s->scorers[m];
        rc = mem_reserve(&of->logprob, &of->logprob_cap, s->layout->n, sizeof *of->logprob,
                         "a unit's log-probs", err);
        s->logprob[m] = of->logprob;
    }
    return rc;
}

/* The block that begins with window 'first': how many windows it has. */
static int lay_block(struct unit_scores *s, size_t first, size_t *n, struct err *err)
{
    const struct layout *l = s->layout;
    size_t rows = 0;
    *n = 0;
    while (first + *n < l->n_windows) {
        const size_t more = l->windows[first + *n].n + 1;
        if (*n > 0 && rows + more > UNIT_BLOCK_ROWS) {
            break;
        }
        rows += more;
        ++*n;
    }
    const int rc =
        mem_reserve(&s->window_n, &s->window_n_cap, *n, sizeof *s->window_n, "windows", err);
    for (size_t k = 0; k < *n && !rc; k++) {
        s->window_n[k] = l->windows[first + k].n;
    }
    const struct layout_window *last = &l->windows[first + *n - 1];
    s->block = (struct unit_block){.begin = l->windows[first].begin,
                                   .end = last->begin + last->n,
                                   .windows = s->window_n,
                                   .n_windows = *n};
    return rc;
}

// --- while a model scores -----------------------------------------------------------------------

/* m->normed becomes 0: what a changed model says nothing of. */
static int clear_normed(struct unit_scores *s, struct scorer *m, struct err *err)
{
    const size_t size = (s->block.end - s->block.begin) * config_of(m)->d_model;
    const int rc = floats_reserve(&m->normed, size, err);
    if (!rc) {
        memset(m->normed.at, 0, size * sizeof *m->normed.at);
    }
    return rc;
}

/* The windows of a changed model among [first, first + n); watch NULL: nothing is watched. */
static int score_changed(struct unit_scores *s, size_t model, size_t first, size_t n,
                         const struct engine_watch *watch, struct err *err)
{
    struct scorer *m = &s->scorers[model];
    int rc = unit_share_choose(s, model, first, n, err);
    rc = rc || !watch ? rc : clear_normed(s, m, err);
    if (!rc && s->n_some > 0) {
        rc = predictor_score(m->ctx, &s->in, s->some, s->n_some, watch, s->stop, err);
        unit_share_silence(s, model);
    }
    return rc ? rc : s->rc;
}

/* The block's windows [first, first + n) of one model. */
static int score_block(struct unit_scores *s, size_t m, size_t first, size_t n, struct err *err)
{
    struct scorer *of = &s->scorers[m];
    const uint32_t sites = of->see | of->keep;
    const struct engine_watch watch = {.sites = sites,
                                       .rows = unit_see_rows,
                                       .normed = of->asked || of->logits ? unit_see_normed : NULL,
                                       .moments = of->sees_heads ? unit_see_heads : NULL,
                                       .marks = of->sees_labels ? unit_see_marks : NULL,
                                       .marked = unit_see_marked,
                                       .heads = of->has_heads ? unit_heads_join : NULL,
                                       .context = s};
    const bool watched = has_weights(of) && (sites || watch.normed || watch.moments || watch.heads);
    if (of->heads) {
        unit_heads_score(s, m);
        return watch.normed ? unit_heads_normed(s, of, err) : 0;
    }
    s->model = m;
    unit_scores_set_windows(s, m);
    if (scorer_is_changed(of)) {
        return score_changed(s, m, first, n, watch.normed ? &watch : NULL, err);
    }
    const int rc = predictor_score(of->ctx, &s->in, s->windows + first, n, watched ? &watch : NULL,
                                   s->stop, err);
    return rc ? rc : s->rc;
}

// --- what is asked of a block -------------------------------------------------------------------

/* engine_view() of counts: log-probs of all ids. */
struct counts_view {
    float *to;
    size_t d_vocab;
};

static void see_counts(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    const struct counts_view *v = context;
    for (size_t i = 0; i < n; i++) {
        memcpy(v->to + (k + i) * v->d_vocab, sights[i].logits, v->d_vocab * sizeof *v->to);
    }
}

/* Shows tokens[n] of the unit, ascending, to see_counts(). */
static int look_at_counts(struct unit_scores *s, size_t m, const size_t *tokens, size_t n,
                          struct counts_view *view, struct err *err)
{
    const int rc = unit_scores_pick(s, m, tokens, n, err);
    return rc ? rc
              : predictor_look(s->scorers[m].ctx, &s->in, s->picks, n, see_counts, view, s->stop,
                               err);
}

/* The log-probs of what was asked of counts, into to[a->n]. */
static int answer_counts(struct unit_scores *s, const struct asked *a, size_t m, float *to,
                         struct err *err)
{
    int rc = mem_reserve(&s->tokens, &s->tokens_cap, a->n, sizeof *s->tokens, "logits", err);
    rc = rc ? rc : mem_reserve(&s->ids, &s->ids_cap, a->n, sizeof *s->ids, "logits", err);
    rc = rc ? rc
            : mem_reserve(&s->logprobs, &s->logprobs_cap, a->n, sizeof *s->logprobs, "logits", err);
    for (size_t i = 0; i < a->n && !rc; i++) {
        s->tokens[i] = a->items[i].token;
        s->ids[i] = a->items[i].id;
    }
    rc = rc ? rc : unit_scores_pick(s, m, s->tokens, a->n, err);
    rc = rc ? rc
            : predictor_score_ids(s->scorers[m].ctx, &s->in, s->picks, s->ids, a->n, s->logprobs,
                                  err);
    for (size_t i = 0; i < a->n && !rc; i++) {
        to[i] = (float)s->logprobs[i];
    }
    return rc;
}

/* The logits that a collector asked of a model. */
static int answer(struct unit_scores *s, struct asked *a, size_t m, struct err *err)
{
    struct scorer *of = &s->scorers[m];
    int rc = floats_reserve(&a->logits[m], a->n, err);
    a->seen[m] = NULL;
    if (rc || !a->needs[m].asked || !predictor_looks(of->predictor)) {
        return rc;
    }
    for (size_t i = 0; i < a->n && has_weights(of); i++) {
        const size_t at = (a->items[i].token - s->block.begin) * config_of(of)->d_model;
        a->logits[m].at[i] =
            engine_logit(of->predictor->engine, of->normed.at + at, a->items[i].id);
    }
    rc = has_weights(of) ? 0 : answer_counts(s, a, m, a->logits[m].at, err);
    a->seen[m] = a->logits[m].at;
    return rc;
}

/* All logits of a model in place of tokens[n], n <= ENGINE_SIGHTS. */
static int all_logits(struct unit_scores *s, size_t m, const size_t *tokens, size_t n,
                      struct err *err)
{
    struct scorer *of = &s->scorers[m];
    const size_t d = config_of(of)->d_model, d_vocab = config_of(of)->d_vocab;
    int rc = 0;
    s->logits[m] = NULL;
    if (has_weights(of)) {
        rc = floats_reserve(&of->gathered, n * d, err);
        for (size_t i = 0; i < n && !rc; i++) {
            memcpy(of->gathered.at + i * d, of->normed.at + (tokens[i] - s->block.begin) * d,
                   d * sizeof *of->gathered.at);
        }
        s->logits[m] = rc ? NULL : predictor_logits(of->ctx, of->gathered.at, n, &s->ld[m]);
        if (!rc && scorer_is_changed(of)) { // the next of its family has the same working memory
            rc = floats_reserve(&of->all, n * s->ld[m], err);
            s->logits[m] =
                rc ? NULL : memcpy(of->all.at, s->logits[m], n * s->ld[m] * sizeof *of->all.at);
        }
    } else if (predictor_looks(of->predictor)) {
        struct counts_view view = {.d_vocab = d_vocab};
        rc = floats_reserve(&of->all, n * d_vocab, err);
        view.to = of->all.at;
        rc = rc ? rc : look_at_counts(s, m, tokens, n, &view, err);
        s->logits[m] = of->all.at;
        s->ld[m] = d_vocab;
    }
    return rc;
}

/* Shows a collector all logits of the models that it needs them of, at the first n chosen
 * tokens. */
static int show_some(struct unit_scores *s, size_t c, size_t n, struct err *err)
{
    const struct unit_collector *to = &s->collectors[c];
    int rc = 0;
    for (size_t m = 0; m < s->n_models && !rc; m++) {
        s->logits[m] = NULL;
        rc = s->asked[c].needs[m].logits ? all_logits(s, m, s->tokens, n, err) : 0;
    }
    if (rc || is_stopped(s->stop)) {
        return rc;
    }
    return to->collector->kind->see_logits(to->part, s->tokens, n, s->logits, s->ld, err);
}

/* Shows a collector all logits at the tokens of the documents that it chooses. */
static int show_logits(struct unit_scores *s, size_t c, struct err *err)
{
    const struct unit_collector *to = &s->collectors[c];
    const struct collector_kind *kind = to->collector->kind;
    const struct unit_tokens *u = s->unit;
    int rc =
        mem_reserve(&s->tokens, &s->tokens_cap, ENGINE_SIGHTS, sizeof *s->tokens, "logits", err);
    size_t n = 0;
    for (size_t d = 0; d < u->n_docs && !rc; d++) {
        const size_t end = u->docs[d].begin + u->docs[d].n;
        size_t t = u->docs[d].begin > s->block.begin ? u->docs[d].begin : s->block.begin;
        if (t >= s->block.end || end <= s->block.begin || !kind->wants_logits(to->part, d)) {
            continue;
        }
        for (; t < end && t < s->block.end && !rc; t++) {
            s->tokens[n++] = t;
            if (n == ENGINE_SIGHTS) {
                rc = show_some(s, c, n, err);
                n = 0;
            }
        }
    }
    if (rc || n == 0) {
        return rc;
    }
    return show_some(s, c, n, err);
}

static const float *kept_rows(const void *context, size_t model, size_t layer, enum row_site site)
{
    const struct unit_scores *s = context;
    const struct scorer *m = &s->scorers[model];
    return m->keep & ROW_BIT(site) ? m->kept[layer * ROW_SITES + site].at : NULL;
}

static int ask_before(struct unit_scores *s, struct err *err)
{
    int rc = 0;
    for (size_t c = 0; c < s->n_collectors && !rc; c++) {
        const struct unit_collector *of = &s->collectors[c];
        struct asked *a = &s->asked[c];
        a->n = 0;
        rc = of->collector->kind->asked
                 ? of->collector->kind->asked(of->part, &s->block, &a->items, &a->n, &a->cap, err)
                 : 0;
    }
    return rc;
}

/* Keeps what the collectors may ask about, now that a model has scored the block. */
static int keep_rows(struct unit_scores *s, size_t model, struct err *err)
{
    int rc = 0;
    for (size_t c = 0; c < s->n_collectors && !rc; c++) {
        const struct unit_collector *to = &s->collectors[c];
        s->questions.n = 0;
        if (s->asked[c].needs[model].may_ask) {
            rc = to->collector->kind->may_ask(to->part, &s->block, s->logprob, s->models.epsilon,
                                              model, &s->questions, err);
            rc = rc ? rc : unit_rows_keep(s, &s->questions, err);
        }
    }
    return rc;
}

static int end_block(struct unit_scores *s, struct err *err)
{
    int rc = 0;
    for (size_t c = 0; c < s->n_collectors && !rc; c++) {
        const struct unit_collector *to = &s->collectors[c];
        const struct collector_kind *kind = to->collector->kind;
        struct asked *a = &s->asked[c];
        for (size_t m = 0; m < s->n_models && a->n > 0 && !rc; m++) {
            rc = answer(s, a, m, err);
        }
        if (!rc && kind->wants_logits) {
            const double begin = thread_time();
            rc = show_logits(s, c, err);
            s->times.logits += thread_time() - begin;
        }
        const struct unit_seen seen = {.n_models = s->n_models,
                                       .logprob = s->logprob,
                                       .asked = a->items,
                                       .n_asked = a->n,
                                       .logits = a->seen,
                                       .rows = kept_rows,
                                       .context = s};
        if (!rc && kind->end_block) {
            rc = kind->end_block(to->part, &s->block, &seen, err);
        }
    }
    return rc;
}

int unit_scores_make(struct unit_scores *s, const struct layout *layout,
                     const struct unit_tokens *unit, struct err *err)
{
    s->layout = layout;
    s->unit = unit;
    s->in = (struct predictor_unit){.layout = layout, .shard = unit->shard};
    s->err = err;
    s->rc = 0;
    s->times = (struct unit_times){0};
    unit_scores_rewind(s);
    atomic_store(&s->n_tokens, layout->n);
    int rc = reserve_unit(s, err);
    rc = rc ? rc : unit_rows_begin(s, err);
    for (size_t m = 0; m < s->n_models && !rc; m++) {
        rc = predictor_begin_unit(s->scorers[m].ctx, err);
    }
    for (size_t first = 0, n; first < layout->n_windows && !rc && !is_stopped(s->stop);
         first += n) {
        rc = lay_block(s, first, &n, err);
        rc = rc ? rc : ask_before(s, err);
        for (size_t m = 0; m < s->n_models && !rc && !is_stopped(s->stop); m++) {
            const double begin = thread_time();
            rc = score_block(s, m, first, n, err);
            *(scorer_is_changed(&s->scorers[m]) ? &s->times.changed : &s->times.models) +=
                thread_time() - begin;
            rc = rc || is_stopped(s->stop) ? rc : keep_rows(s, m, err);
        }
        if (!rc && !is_stopped(s->stop)) {
            rc = end_block(s, err);
        }
        atomic_fetch_add(&s->n_scored, s->block.end - s->block.begin);
    }
    return rc;
}
