#include "scan/work/worker.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/bits.h"
#include "corpora/base/mem.h"
#include "scan/work/details.h"
#include "scan/work/labels.h"

// Tokens that wait for exact log-probs: as many as are worth a pass over the unembedding.
#define WAIT_MOST ((size_t)1024)

struct worker {
    const struct work *work;
    struct predictor_ctx **runs; // [n_models]

    // the unit in hand
    struct layout layout;
    double **logprob; // [n_models][logprob_cap], of all its tokens
    size_t logprob_cap;
    struct engine_window *windows; // [layout.n_windows], of the model in hand
    size_t windows_cap;

    // what hypotheses say of it; where there are any
    struct labels *labels;
    struct tally_labels *doc_labels; // [n_hypotheses] of the document in hand

    // its documents, as a part has them; where neurons are kept
    struct unit_tokens_doc *unit_neurons_docs; // [layout.n_docs]
    size_t unit_neurons_docs_cap;
    size_t *rows_of; // [windows in a block]
    size_t rows_of_cap;

    struct unit_tokens_doc *trigram_docs; // [layout.n_docs], where there are trigrams
    size_t trigram_docs_cap;

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
    struct engine_pick *engine_picks; // [n_wait]
    size_t engine_picks_cap;

    struct details *details;
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
        rc = predictor_ctx_new(&w->runs[m], &work->predictors[m], err);
    }
    if (!rc && work->hypotheses) {
        w->doc_labels = mem_new(work->hypotheses->n, sizeof *w->doc_labels);
        rc = w->doc_labels ? labels_new(&w->labels, work->hypotheses, err)
                           : err_nomem(err, "a worker");
    }
    rc =
        rc ? rc
           : details_new(&w->details, work->predictors, work->lineup->n, w->runs, work->shape, err);
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
    details_free(w->details);
    for (size_t m = 0; m < w->work->lineup->n; m++) {
        if (w->runs) {
            predictor_ctx_free(w->runs[m]);
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
    labels_free(w->labels);
    free(w->doc_labels);
    free(w->unit_neurons_docs);
    free(w->rows_of);
    free(w->trigram_docs);
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

// --- neurons ------------------------------------------------------------------------------------

/* Is a document for test?  One without text is told by its ids. */
static bool is_test(const struct worker *w, const struct layout_doc *doc)
{
    const struct layout *l = &w->layout;
    const uint64_t hash =
        w->work->layout.tokenizer
            ? XXH64(doc->text_len ? l->text.data + doc->text : "", doc->text_len, 0)
            : XXH64(l->ids + doc->begin, doc->n * sizeof *l->ids, 0);
    return hash & 1;
}

/* The unit, as the part wants it. */
static int begin_part(struct worker *w, const struct unit *u, const struct worker_out *out,
                      struct err *err)
{
    const struct layout *l = &w->layout;
    const int rc = mem_reserve(&w->unit_neurons_docs, &w->unit_neurons_docs_cap, l->n_docs,
                               sizeof *w->unit_neurons_docs, "documents", err);
    if (rc) {
        return rc;
    }
    for (size_t d = 0; d < l->n_docs; d++) {
        const struct layout_doc *doc = &l->docs[d];
        w->unit_neurons_docs[d] = (struct unit_tokens_doc){
            .number = doc->doc->number, .begin = doc->begin, .n = doc->n, .test = is_test(w, doc)};
    }
    const struct unit_tokens unit = {.shard = u->shard,
                                           .n = l->n,
                                           .ids = l->ids,
                                           .ends = w->work->layout.tokenizer ? l->ends : NULL,
                                           .pos = l->pos,
                                           .docs = w->unit_neurons_docs,
                                           .n_docs = l->n_docs,
                                           .sets = w->labels ? labels_sets(w->labels) : NULL,
                                           .labels = w->labels ? labels_words(w->labels) : NULL,
                                           .gave_up = w->labels ? labels_gave_up(w->labels) : NULL};
    return unit_neurons_begin(out->part, &unit, out->cutoffs, err);
}

/* The unit, as trigrams want it. */
static int begin_trigrams(struct worker *w, struct trigrams *t, struct err *err)
{
    const struct layout *l = &w->layout;
    int rc = mem_reserve(&w->trigram_docs, &w->trigram_docs_cap, l->n_docs, sizeof *w->trigram_docs,
                         "documents", err);
    for (size_t d = 0; d < l->n_docs && !rc; d++) {
        w->trigram_docs[d] = (struct unit_tokens_doc){
            .begin = l->docs[d].begin, .n = l->docs[d].n, .first = l->docs[d].first};
    }
    const struct unit_tokens unit = {
        .ids = l->ids, .pos = l->pos, .n = l->n, .docs = w->trigram_docs, .n_docs = l->n_docs};
    return rc ? rc : trigrams_begin(t, &unit, err);
}

/* engine_neurons(): hands a layer on to the part, and to trigrams (or NULL). */
struct seeing {
    struct worker *worker;
    struct unit_neurons *part;
    struct trigrams *trigrams;
    size_t first_layer;
    struct err *err;
    int rc; // the first failure; what comes after it is not looked at
};

static void see(void *context, size_t layer, const struct engine_window *windows, size_t n_windows,
                const float *acts)
{
    struct seeing *s = context;
    struct worker *w = s->worker;
    if (!s->rc) {
        s->rc = mem_reserve(&w->rows_of, &w->rows_of_cap, n_windows, sizeof *w->rows_of, "windows",
                            s->err);
    }
    for (size_t k = 0; k < n_windows && !s->rc; k++) {
        w->rows_of[k] = windows[k].n;
    }
    const size_t begin = (size_t)(windows[0].tokens - w->layout.ids);
    layer += s->first_layer;
    if (!s->rc) {
        s->rc = unit_neurons_block(s->part, layer, begin, w->rows_of, n_windows, acts, s->err);
    }
    if (!s->rc && s->trigrams) {
        trigrams_block(s->trigrams, layer, begin, w->rows_of, n_windows, acts);
    }
}

// --- log-probs ----------------------------------------------------------------------------------

/* Of model m, which 'out' may want the neurons of. */
static int score_model(struct worker *w, const struct unit *u, size_t m,
                       const struct worker_out *out, struct err *err)
{
    const struct work *work = w->work;
    set_windows(w, m);
    const struct predictor_unit unit = {.layout = &w->layout, .shard = u->shard};
    if (!out->part || work->first_layers[m] == SIZE_MAX) {
        return predictor_score(w->runs[m], &unit, w->windows, w->layout.n_windows, NULL, work->stop,
                               err);
    }
    struct seeing seeing = {.worker = w,
                            .part = out->part,
                            .trigrams = out->trigrams,
                            .first_layer = work->first_layers[m],
                            .err = err};
    const struct engine_watch watch = {.site = work->sites[m], .see = see, .context = &seeing};
    const int rc = predictor_score(w->runs[m], &unit, w->windows, w->layout.n_windows, &watch,
                                   work->stop, err);
    return rc ? rc : seeing.rc;
}

static int score(struct worker *w, const struct unit *u, const struct worker_out *out,
                 struct err *err)
{
    const struct layout *l = &w->layout;
    int rc = reserve_rows(w, w->logprob, &w->logprob_cap, l->n, err);
    rc = rc ? rc
            : mem_reserve(&w->windows, &w->windows_cap, l->n_windows, sizeof *w->windows, "windows",
                          err);
    rc = rc || !w->labels ? rc : labels_make(w->labels, l, w->work->stop, err);
    rc = rc || !out->part ? rc : begin_part(w, u, out, err);
    rc = rc || !out->trigrams ? rc : begin_trigrams(w, out->trigrams, err);
    for (size_t m = 0; m < w->work->lineup->n && !rc; m++) {
        rc = score_model(w, u, m, out, err);
    }
    return rc || !out->part || is_stopped(w->work->stop) ? rc : unit_neurons_end(out->part, err);
}

/* Document d of the unit as the tally wants it; rows[n_models]: for doc.logprob. */
static struct tally_doc scored_doc(const struct worker *w, const struct unit *u, size_t d,
                                   const double **rows)
{
    const struct layout *l = &w->layout;
    const struct layout_doc *doc = &l->docs[d];
    const bool text = w->work->layout.tokenizer != NULL;
    const size_t n_words = w->labels ? bits_words(w->work->hypotheses->n) : 0;
    for (size_t m = 0; m < w->work->lineup->n; m++) {
        rows[m] = w->logprob[m] + doc->begin;
    }
    if (w->labels) {
        labels_of_doc(w->labels, d, w->doc_labels);
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
        .labels = w->doc_labels,
        .label_words = w->labels ? labels_words(w->labels) + doc->begin * n_words : NULL,
    };
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
            w->engine_picks[n] = layout_pick(&w->layout, w->windows, begin + w->wait_at[n]);
        }
    }
    predictor_pick_exact(w->runs[m], w->engine_picks, n, w->exact[m], w->work->stop);
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

static int add_doc(struct worker *w, const struct unit *u, size_t d, const struct worker_out *out,
                   struct err *err)
{
    const double *rows[TALLY_MODELS_MAX];
    const struct tally_doc doc = scored_doc(w, u, d, rows);
    int rc = tally_add_doc(out->tally, &doc, out->cutoff, &w->picks, err);
    rc = rc || !out->trigrams ? rc : trigrams_add_doc(out->trigrams, d, &doc, out->tally, err);
    if (rc) {
        return rc;
    }
    return w->work->shape->epsilon > 0
               ? wait_with(w, u, d, out->tally, out->cutoff, err)
               : tally_add_hits(out->tally, &doc, &w->picks, NULL, out->cutoff, err);
}

/* Adds the documents, but for their hits' details. */
static int add_docs(struct worker *w, const struct unit *u, const struct worker_out *out,
                    struct err *err)
{
    int rc = 0;
    w->n_waiting = w->n_wait = 0;
    for (size_t d = 0; d < w->layout.n_docs && !rc && !is_stopped(w->work->stop); d++) {
        rc = add_doc(w, u, d, out, err);
    }
    return rc ? rc : add_waiting(w, u, out->tally, out->cutoff, err);
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

/* details_more(): "hypotheses", the names of those that label the token. */
static void name_labels(void *context, size_t token, struct jsonout *j)
{
    const struct worker *w = context;
    const struct hypotheses *h = w->work->hypotheses;
    const uint64_t *words = labels_words(w->labels) + token * bits_words(h->n);
    jsonout_key(j, "hypotheses");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < h->n; i++) {
        if (bits_get(words, i)) {
            jsonout_string(j, h->items[i].name);
        }
    }
    jsonout_end(j, ']');
}

int worker_run(struct worker *w, const struct unit *u, const struct worker_out *out, bool *stopped,
               struct err *err)
{
    struct tally *tally = out->tally;
    int rc = layout_make(&w->layout, u, &w->work->layout, err);
    rc = rc ? rc : score(w, u, out, err);
    rc = rc ? rc : add_docs(w, u, out, err);
    const struct details_unit unit = {.layout = &w->layout,
                                      .shard = u->shard,
                                      .windows = w->windows,
                                      .logprob = (const double *const *)w->logprob,
                                      .domains = u->names.data,
                                      .more = w->labels ? name_labels : NULL,
                                      .context = w};
    rc = rc || is_stopped(w->work->stop)
             ? rc
             : details_add(w->details, &unit, tally, w->work->stop, err);
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
