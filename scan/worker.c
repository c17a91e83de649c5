#include "scan/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/logprob.h"
#include "out/jsonout.h"
#include "scan/base/mem.h"

// The most likely tokens that a hit's detail shows.
#define DETAIL_TOP 10

/* What a model says before a token. */
struct view {
    uint64_t rank; // of the true token, from 1
    double entropy;
    size_t n_top;
    uint32_t top[DETAIL_TOP];
    float logprob[DETAIL_TOP];
};

// Tokens that wait for exact log-probs: as many as are worth a pass over the unembedding.
#define WAIT_MOST ((size_t)1024)

struct worker {
    const struct work *work;
    struct engine_run **runs; // [n_models]

    // the unit in hand
    struct layout layout;
    double **logprob; // [n_models][logprob_cap], of all its tokens
    size_t logprob_cap;
    struct engine_window *windows; // [layout.n_windows], of the model in hand
    size_t windows_cap;

    // its rows for the record
    uint64_t *row_docs;       // [row_docs_cap]
    uint32_t *row_columns[3]; // [row_caps[k]]: window, pos, token
    size_t row_docs_cap, row_caps[3];
    double **row_logprob; // [n_models][row_logprob_cap]
    size_t row_logprob_cap;

    // documents whose hits wait for exact log-probs
    struct tally_picks picks; // of the document in hand
    struct {
        size_t doc, n; // of the layout; its picks
    } * waiting;       // [n_waiting]
    size_t n_waiting, waiting_cap;
    uint32_t *wait_at; // [n_wait] their picks, one document's behind another's
    size_t n_wait, wait_at_cap;
    double **exact; // [n_models][n_wait]
    size_t exact_cap;

    // hits' details
    struct engine_pick *engine_picks; // what is asked of an engine
    size_t engine_picks_cap;
    struct detail {
        struct tally_hit *hit;
        size_t pair;
        size_t token; // of the layout
        size_t view;  // tokens of several pairs share their views
    } * details;      // [n_details]
    size_t n_details, details_cap;
    struct view *views; // [n_models][n_views]
    size_t n_views, views_cap;
    size_t *viewed; // [n_views] the views that the model in hand has, by number of the engine_pick
    size_t viewed_cap;
};

int worker_new(struct worker **out, const struct work *work, struct err *err)
{
    struct worker *w = mem_zero(1, sizeof *w);
    if (!w) {
        return err_nomem(err, "a worker");
    }
    w->work = work;
    w->runs = mem_zero(work->lineup->n, sizeof *w->runs);
    w->logprob = mem_zero(work->lineup->n, sizeof *w->logprob);
    w->row_logprob = mem_zero(work->lineup->n, sizeof *w->row_logprob);
    w->exact = mem_zero(work->lineup->n, sizeof *w->exact);
    int rc = w->runs && w->logprob && w->row_logprob && w->exact ? 0 : err_nomem(err, "a worker");
    for (size_t m = 0; m < work->lineup->n && !rc; m++) {
        rc = engine_run_new(&w->runs[m], work->engines[m], err);
    }
    if (rc) {
        worker_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    for (size_t m = 0; m < w->work->lineup->n; m++) {
        if (w->runs) {
            engine_run_free(w->runs[m]);
        }
        if (w->logprob) {
            free(w->logprob[m]);
        }
        if (w->row_logprob) {
            free(w->row_logprob[m]);
        }
        if (w->exact) {
            free(w->exact[m]);
        }
    }
    free(w->runs);
    free(w->logprob);
    free(w->windows);
    free(w->picks.at);
    free(w->waiting);
    free(w->wait_at);
    free(w->exact);
    free(w->row_logprob);
    free(w->row_docs);
    for (size_t k = 0; k < 3; k++) {
        free(w->row_columns[k]);
    }
    free(w->engine_picks);
    free(w->details);
    free(w->views);
    free(w->viewed);
    layout_free(&w->layout);
    free(w);
}

/* Room for n values of every model in rows[n_models]. */
static int reserve_rows(const struct worker *w, double **rows, size_t *cap, size_t n,
                        struct err *err)
{
    size_t new_cap = *cap;
    int rc = 0;
    for (size_t m = 0; m < w->work->lineup->n && n > *cap && !rc; m++) {
        new_cap = *cap;
        rc = mem_reserve(&rows[m], &new_cap, n, sizeof *rows[m], "a unit's log-probs", err);
    }
    *cap = rc ? *cap : new_cap;
    return rc;
}

/* Makes the layout's windows those of model m. */
static void set_windows(struct worker *w, size_t m)
{
    const struct layout *l = &w->layout;
    for (size_t i = 0; i < l->n_windows; i++) {
        const struct layout_window *from = &l->windows[i];
        w->windows[i] = (struct engine_window){.first = from->first,
                                               .tokens = l->ids + from->begin,
                                               .n = from->n,
                                               .logprob = w->logprob[m] + from->begin};
    }
}

static int score(struct worker *w, struct err *err)
{
    const struct layout *l = &w->layout;
    int rc = reserve_rows(w, w->logprob, &w->logprob_cap, l->n, err);
    rc = rc ? rc
            : mem_reserve(&w->windows, &w->windows_cap, l->n_windows, sizeof *w->windows, "windows",
                          err);
    for (size_t m = 0; m < w->work->lineup->n && !rc; m++) {
        set_windows(w, m);
        engine_score(w->runs[m], w->windows, l->n_windows, w->work->stop);
    }
    return rc;
}

/* Document d of the unit as the tally wants it; rows[n_models]: for doc.logprob. */
static struct tally_doc scored_doc(const struct worker *w, const struct unit *u, size_t d,
                                   const double **rows)
{
    const struct layout *l = &w->layout;
    const struct layout_doc *doc = &l->docs[d];
    const bool text = w->work->layout.tokenizer != NULL;
    for (size_t m = 0; m < w->work->lineup->n; m++) {
        rows[m] = w->logprob[m] + doc->begin;
    }
    return (struct tally_doc){
        .shard = u->shard,
        .number = doc->doc->number,
        .domain = doc->doc->domain == SIZE_MAX ? NULL : u->names.data + doc->doc->domain,
        .text = text && doc->text_len ? l->text.data + doc->text : "",
        .text_len = doc->text_len,
        .n = doc->n,
        .ids = l->ids + doc->begin,
        .ends = text ? l->ends + doc->begin : NULL,
        .pos = l->pos + doc->begin,
        .logprob = rows,
    };
}

/* What is asked of an engine of a token of the layout, with the windows of the model in hand. */
static struct engine_pick pick_of(const struct worker *w, size_t token)
{
    const size_t window = layout_window_of(&w->layout, token);
    return (struct engine_pick){.window = &w->windows[window],
                                .at = token - w->layout.windows[window].begin};
}

// --- hits, from exact log-probs -----------------------------------------------------------------

/* The exact log-probs of all picks that wait, of model m, into w->exact[m]. */
static void score_exactly(struct worker *w, size_t m)
{
    size_t n = 0;
    set_windows(w, m);
    for (size_t i = 0; i < w->n_waiting; i++) {
        const size_t begin = w->layout.docs[w->waiting[i].doc].begin;
        for (size_t k = 0; k < w->waiting[i].n; k++, n++) {
            w->engine_picks[n] = pick_of(w, begin + w->wait_at[n]);
        }
    }
    engine_pick_exact(w->runs[m], w->engine_picks, n, w->exact[m], w->work->stop);
}

/* Adds the hits of the documents that wait. */
static int add_waiting(struct worker *w, const struct unit *u, struct tally *tally,
                       const int64_t *cutoff, struct err *err)
{
    int rc = mem_reserve(&w->engine_picks, &w->engine_picks_cap, w->n_wait, sizeof *w->engine_picks,
                         "hits", err);
    rc = rc ? rc : reserve_rows(w, w->exact, &w->exact_cap, w->n_wait, err);
    for (size_t m = 0; m < w->work->lineup->n && !rc && w->n_wait > 0; m++) {
        score_exactly(w, m);
    }
    for (size_t i = 0, n = 0; i < w->n_waiting && !rc && !is_stopped(w->work->stop);
         n += w->waiting[i++].n) {
        const double *rows[TALLY_MODELS_MAX], *exact[TALLY_MODELS_MAX];
        const struct tally_doc doc = scored_doc(w, u, w->waiting[i].doc, rows);
        const struct tally_picks picks = {.at = w->wait_at + n, .n = w->waiting[i].n};
        for (size_t m = 0; m < w->work->lineup->n; m++) {
            exact[m] = w->exact[m] + n;
        }
        rc = tally_add_hits(tally, &doc, &picks, exact, cutoff, err);
    }
    w->n_waiting = w->n_wait = 0;
    return rc;
}

/* Puts the document's hits off until there are more to be scored together. */
static int wait_with(struct worker *w, const struct unit *u, size_t d, struct tally *tally,
                     const int64_t *cutoff, struct err *err)
{
    const size_t n = w->picks.n;
    if (n == 0) {
        return 0;
    }
    int rc = mem_reserve(&w->waiting, &w->waiting_cap, w->n_waiting + 1, sizeof *w->waiting, "hits",
                         err);
    rc = rc ? rc
            : mem_reserve(&w->wait_at, &w->wait_at_cap, w->n_wait + n, sizeof *w->wait_at, "hits",
                          err);
    if (rc) {
        return rc;
    }
    memcpy(w->wait_at + w->n_wait, w->picks.at, n * sizeof *w->wait_at);
    w->n_wait += n;
    w->waiting[w->n_waiting].doc = d;
    w->waiting[w->n_waiting++].n = n;
    return w->n_wait < WAIT_MOST ? 0 : add_waiting(w, u, tally, cutoff, err);
}

static int add_doc(struct worker *w, const struct unit *u, size_t d, struct tally *tally,
                   const int64_t *cutoff, struct err *err)
{
    const double *rows[TALLY_MODELS_MAX];
    const struct tally_doc doc = scored_doc(w, u, d, rows);
    const int rc = tally_add_doc(tally, &doc, cutoff, &w->picks, err);
    if (rc) {
        return rc;
    }
    return w->work->shape->epsilon > 0 ? wait_with(w, u, d, tally, cutoff, err)
                                       : tally_add_hits(tally, &doc, &w->picks, NULL, cutoff, err);
}

/* Adds the documents, but for their hits' details. */
static int add_docs(struct worker *w, const struct unit *u, struct tally *tally,
                    const int64_t *cutoff, struct err *err)
{
    int rc = 0;
    w->n_waiting = w->n_wait = 0;
    for (size_t d = 0; d < w->layout.n_docs && !rc && !is_stopped(w->work->stop); d++) {
        rc = add_doc(w, u, d, tally, cutoff, err);
    }
    return rc ? rc : add_waiting(w, u, tally, cutoff, err);
}

// --- the details of hits ------------------------------------------------------------------------

struct viewer {
    struct worker *worker;
    size_t model;
};

/* Keeps what is shown of the logits before the k-th pick. */
static void look(struct viewer *v, size_t k, const float *logits)
{
    const struct worker *w = v->worker;
    const size_t d_vocab = w->work->lineup->models[v->model]->config.d_vocab;
    const float own = logits[w->engine_picks[k].window->tokens[w->engine_picks[k].at]];
    const double lse = logprob_log_sum_exp(logits, d_vocab);
    struct view *view = &w->views[v->model * w->n_views + w->viewed[k]];
    view->rank = 1;
    for (size_t i = 0; i < d_vocab; i++) {
        view->rank += logits[i] > own;
    }
    view->entropy = logprob_entropy(logits, d_vocab, lse);
    view->n_top = logprob_top(logits, d_vocab, DETAIL_TOP, view->top);
    for (size_t i = 0; i < view->n_top; i++) {
        view->logprob[i] = (float)((double)logits[view->top[i]] - lse);
    }
}

/* engine_view() */
static void look_all(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    for (size_t i = 0; i < n; i++) {
        look(context, k + i, sights[i].logits);
    }
}

static void write_view(const struct worker *w, struct jsonout *j, size_t m, size_t number)
{
    const struct view *view = &w->views[m * w->n_views + number];
    jsonout_begin(j, '{');
    jsonout_key(j, "model");
    jsonout_string(j, w->work->lineup->models[m]->name);
    jsonout_key(j, "rank");
    jsonout_u64(j, view->rank);
    jsonout_key(j, "entropy");
    jsonout_float(j, (float)view->entropy);
    jsonout_key(j, "top");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < view->n_top; i++) {
        jsonout_begin(j, '[');
        jsonout_u64(j, view->top[i]);
        jsonout_float(j, view->logprob[i]);
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
}

/* {"base": {...}, "others": [{...}]} */
static int write_detail(const struct worker *w, const struct detail *d, struct err *err)
{
    const struct tally_pair *p = &w->work->shape->pairs[d->pair];
    char *text = NULL;
    size_t len = 0;
    struct jsonout j = {.to = open_memstream(&text, &len)};
    if (!j.to) {
        return err_nomem(err, "a hit's detail");
    }
    jsonout_begin(&j, '{');
    jsonout_key(&j, "base");
    write_view(w, &j, p->base, d->view);
    jsonout_key(&j, "others");
    jsonout_begin(&j, '[');
    for (uint32_t i = 0; i < p->n_others; i++) {
        write_view(w, &j, p->others[i], d->view);
    }
    jsonout_end(&j, ']');
    jsonout_end(&j, '}');
    int rc = fclose(j.to) ? err_nomem(err, "a hit's detail") : 0;
    rc = rc ? rc : tally_set_detail(d->hit, text, len - 1, err); // without the line's end
    free(text);
    return rc;
}

static int by_token(const void *a, const void *b)
{
    const struct detail *x = a, *y = b;
    return x->token != y->token ? (x->token < y->token ? -1 : 1) : 0;
}

/* The token of a hit of the unit. */
static size_t hit_token(const struct layout *l, const struct tally_hit *hit)
{
    size_t low = 0, high = l->n_docs - 1;
    while (low < high) { // documents ascend by number
        const size_t middle = low + (high - low + 1) / 2;
        if (l->docs[middle].doc->number <= hit->doc) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return l->docs[low].begin + hit->at;
}

/* Lists the hits of the tally, those of one token together. */
static int list_details(struct worker *w, struct tally *tally, struct err *err)
{
    w->n_details = w->n_views = 0;
    for (size_t i = 0; i < 2 * tally->shape->n_pairs; i++) {
        const struct tally_hits *hits = &tally->pairs[i / 2].hits[i % 2];
        const int rc = mem_reserve(&w->details, &w->details_cap, w->n_details + hits->n,
                                   sizeof *w->details, "details", err);
        if (rc) {
            return rc;
        }
        for (size_t k = 0; k < hits->n; k++) {
            w->details[w->n_details++] =
                (struct detail){.hit = &hits->items[k],
                                .pair = i / 2,
                                .token = hit_token(&w->layout, &hits->items[k])};
        }
    }
    if (w->n_details > 0) {
        qsort(w->details, w->n_details, sizeof *w->details, by_token);
    }
    for (size_t k = 0; k < w->n_details; k++) {
        w->n_views += k == 0 || w->details[k].token != w->details[k - 1].token;
        w->details[k].view = w->n_views - 1;
    }
    return 0;
}

static bool has_model(const struct tally_pair *p, size_t m)
{
    bool has = p->base == m;
    for (uint32_t i = 0; i < p->n_others; i++) {
        has = has || p->others[i] == m;
    }
    return has;
}

/* What model m says before the tokens of all details whose pair has it. */
static void view(struct worker *w, size_t m)
{
    struct viewer viewer = {.worker = w, .model = m};
    size_t n = 0;
    set_windows(w, m);
    for (size_t k = 0; k < w->n_details; k++) {
        const struct detail *d = &w->details[k];
        const bool again = n > 0 && w->viewed[n - 1] == d->view;
        if (!again && has_model(&w->work->shape->pairs[d->pair], m)) {
            w->engine_picks[n] = pick_of(w, d->token);
            w->viewed[n++] = d->view;
        }
    }
    engine_look(w->runs[m], w->engine_picks, n, look_all, &viewer, w->work->stop);
}

/* Gives every hit of the tally its detail. */
static int add_details(struct worker *w, struct tally *tally, struct err *err)
{
    const size_t n_models = w->work->lineup->n;
    int rc = list_details(w, tally, err);
    rc = rc ? rc
            : mem_reserve(&w->views, &w->views_cap, w->n_views * n_models, sizeof *w->views,
                          "details", err);
    rc =
        rc ? rc
           : mem_reserve(&w->viewed, &w->viewed_cap, w->n_views, sizeof *w->viewed, "details", err);
    rc = rc ? rc
            : mem_reserve(&w->engine_picks, &w->engine_picks_cap, w->n_views,
                          sizeof *w->engine_picks, "details", err);
    for (size_t m = 0; m < n_models && !rc && w->n_views > 0; m++) {
        view(w, m);
    }
    for (size_t k = 0; k < w->n_details && !rc && !is_stopped(w->work->stop); k++) {
        rc = write_detail(w, &w->details[k], err);
    }
    return rc;
}

// --- the record ---------------------------------------------------------------------------------

static int reserve_record(struct worker *w, size_t n, struct err *err)
{
    int rc = mem_reserve(&w->row_docs, &w->row_docs_cap, n, sizeof *w->row_docs, "rows", err);
    for (size_t k = 0; k < 3 && !rc; k++) {
        rc = mem_reserve(&w->row_columns[k], &w->row_caps[k], n, sizeof **w->row_columns, "rows",
                         err);
    }
    return rc ? rc : reserve_rows(w, w->row_logprob, &w->row_logprob_cap, n, err);
}

/* The tokens of all documents, without the EOS between them. */
static int add_record(struct worker *w, const struct unit *u, struct err *err)
{
    const struct layout *l = &w->layout;
    int rc = reserve_record(w, l->n, err);
    size_t n = 0;
    for (size_t d = 0; d < l->n_docs && !rc; d++) {
        const struct layout_doc *doc = &l->docs[d];
        const uint32_t *from[3] = {l->window, l->pos, l->ids};
        if (doc->n == 0) {
            continue;
        }
        for (size_t k = 0; k < 3; k++) {
            memcpy(w->row_columns[k] + n, from[k] + doc->begin, doc->n * sizeof **from);
        }
        for (size_t m = 0; m < w->work->lineup->n; m++) {
            memcpy(w->row_logprob[m] + n, w->logprob[m] + doc->begin,
                   doc->n * sizeof *w->logprob[m]);
        }
        for (size_t i = 0; i < doc->n; i++) {
            w->row_docs[n + i] = doc->doc->number;
        }
        n += doc->n;
    }
    const struct record_rows rows = {.n = n,
                                     .shard = u->shard,
                                     .doc = w->row_docs,
                                     .window = w->row_columns[0],
                                     .pos = w->row_columns[1],
                                     .token = w->row_columns[2],
                                     .logprob = (const double *const *)w->row_logprob};
    return rc ? rc : record_unit(w->work->record, u->number, &rows, err);
}

// --- a unit -------------------------------------------------------------------------------------

/* Counts the unit's rejected records: the first of each kind with their places, the rest by number.
 */
static void add_rejects(struct tally *tally, const struct unit *u)
{
    struct tally_shard *shard = &tally->shards[u->shard];
    for (unsigned reason = 0; reason < REJECT_N; reason++) {
        const uint64_t n = u->rejects.n[reason];
        const uint64_t placed = n < REJECT_PLACES ? n : REJECT_PLACES;
        for (uint64_t i = 0; i < placed; i++) {
            const struct reject_place *p = &u->rejects.places[reason][i];
            tally_add_reject(tally, u->shard, reason, p->line, p->byte, p->why);
        }
        shard->rejects[reason].n += n - placed;
        shard->skipped += n - placed;
    }
}

int worker_run(struct worker *w, const struct unit *u, struct tally *tally, const int64_t *cutoff,
               bool *stopped, struct err *err)
{
    int rc = layout_make(&w->layout, u, &w->work->layout, err);
    rc = rc ? rc : score(w, err);
    rc = rc ? rc : add_docs(w, u, tally, cutoff, err);
    rc = rc || is_stopped(w->work->stop) ? rc : add_details(w, tally, err);
    *stopped = is_stopped(w->work->stop);
    if (!rc && !*stopped && w->work->record) {
        rc = add_record(w, u, err);
    }
    if (!rc) {
        add_rejects(tally, u);
        tally->shards[u->shard].repaired += u->repaired;
        tally->shards[u->shard].units_done++;
    }
    return rc;
}

int worker_count(struct worker *w, const struct unit *u, uint64_t *tokens, struct err *err)
{
    const int rc = layout_make(&w->layout, u, &w->work->layout, err);
    *tokens = 0;
    for (size_t d = 0; d < w->layout.n_docs && !rc; d++) {
        *tokens += w->layout.docs[d].n;
    }
    return rc;
}
