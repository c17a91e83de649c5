#include "scan/work/worker.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "corpora/base/mem.h"
#include "corpora/reject.h"
#include "scan/work/labels.h"
#include "scan/work/unit_scores.h"

struct worker {
    const struct work *work;
    struct unit_collector *collectors; // [work->results->n]
    struct unit_scores *scores;
    struct labels *labels; // NULL: there are no hypotheses
    struct layout layout;

    // the current unit, as the collectors see it
    struct unit_tokens unit;
    struct unit_tokens_doc *docs; // [layout.n_docs]
    size_t docs_cap;
    struct unit_reject rejects[REJECT_N * REJECT_PLACES];
    uint64_t rejects_more[REJECT_N];
    struct not_finite not_finite;
};

// --- new and free -------------------------------------------------------------------------------

int worker_new(struct worker **out, const struct work *work, struct err *err)
{
    struct worker *w = mem_zero(1, sizeof *w);
    if (!w) {
        return err_nomem(err, "a worker");
    }
    w->work = work;
    w->collectors = mem_zero(work->results->n, sizeof *w->collectors);
    int rc = w->collectors ? 0 : err_nomem(err, "a worker");
    for (size_t i = 0; i < work->results->n && !rc; i++) {
        const struct collector *c = &work->results->items[i];
        w->collectors[i].collector = c;
        rc = c->kind->part_new(&w->collectors[i].part, c->shape, err);
    }
    rc = rc ? rc
            : unit_scores_new(&w->scores, work->predictors, work->lineup->n, work->run,
                              w->collectors, work->results->n, work->epsilon, work->stop, err);
    if (!rc && work->leaves_changed) {
        unit_scores_leave_changed(w->scores);
    }
    if (!rc && work->hypotheses) {
        rc = labels_new(&w->labels, work->hypotheses, work->stop, err);
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
    for (size_t i = 0; w->collectors && i < w->work->results->n; i++) {
        if (w->collectors[i].part) {
            w->collectors[i].collector->kind->part_free(w->collectors[i].part);
        }
    }
    free(w->collectors);
    unit_scores_free(w->scores);
    labels_free(w->labels);
    layout_free(&w->layout);
    free(w->docs);
    free(w);
}

// --- the unit as the collectors see it ----------------------------------------------------------

/* A document without text is known by its ids. */
static uint64_t hash_of(const struct worker *w, const struct layout_doc *doc)
{
    const struct layout *l = &w->layout;
    return w->work->layout.tokenizer
               ? XXH64(doc->text_len ? l->text.data + doc->text : "", doc->text_len, 0)
               : XXH64(l->ids + doc->begin, doc->n * sizeof *l->ids, 0);
}

/* The first rejected records of each kind with their places, the rest by number. */
static void list_rejects(struct worker *w, const struct unit *u)
{
    size_t n = 0;
    for (unsigned reason = 0; reason < REJECT_N; reason++) {
        const uint64_t all = u->rejects.n[reason];
        const uint64_t placed = all < REJECT_PLACES ? all : REJECT_PLACES;
        for (uint64_t i = 0; i < placed; i++) {
            const struct reject_place *p = &u->rejects.places[reason][i];
            w->rejects[n++] = (struct unit_reject){
                .reason = reason, .line = p->line, .byte = p->byte, .why = p->why};
        }
        w->rejects_more[reason] = all - placed;
    }
    w->unit.n_rejects = n;
}

static int describe_unit(struct worker *w, const struct unit *u, struct err *err)
{
    const struct layout *l = &w->layout;
    const bool text = w->work->layout.tokenizer != NULL;
    const int rc =
        mem_reserve(&w->docs, &w->docs_cap, l->n_docs, sizeof *w->docs, "documents", err);
    if (rc) {
        return rc;
    }
    for (size_t d = 0; d < l->n_docs; d++) {
        const struct layout_doc *doc = &l->docs[d];
        const uint64_t hash = hash_of(w, doc);
        w->docs[d] = (struct unit_tokens_doc){
            .number = doc->doc->number,
            .begin = doc->begin,
            .n = doc->n,
            .first = doc->first,
            .hash = hash,
            .test = hash & 1,
            .domain = doc->doc->domain == SIZE_MAX ? NULL : u->names.data + doc->doc->domain,
            .text = text && doc->text_len ? l->text.data + doc->text : "",
            .text_len = doc->text_len,
        };
    }
    w->unit = (struct unit_tokens){.shard = u->shard,
                                   .number = u->number,
                                   .n = l->n,
                                   .ids = l->ids,
                                   .ends = text ? l->ends : NULL,
                                   .pos = l->pos,
                                   .window = l->window,
                                   .skipped = l->skipped,
                                   .docs = w->docs,
                                   .n_docs = l->n_docs,
                                   .labels = w->labels ? labels_of_unit(w->labels) : NULL,
                                   .rejects = w->rejects,
                                   .rejects_more = w->rejects_more,
                                   .n_reasons = REJECT_N,
                                   .repaired = u->repaired};
    list_rejects(w, u);
    return 0;
}

// --- a unit -------------------------------------------------------------------------------------

struct unit_share worker_share(const struct worker *w)
{
    return unit_scores_share(w->scores);
}

void worker_look(struct worker *w)
{
    unit_scores_rewind(w->scores);
    for (size_t i = 0; i < w->work->results->n; i++) {
        const struct unit_collector *c = &w->collectors[i];
        if (c->collector->kind->part_look && c->collector->whole) {
            c->collector->kind->part_look(c->part, c->collector->whole);
        }
    }
}

static int begin_unit(struct worker *w, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < w->work->results->n && !rc; i++) {
        const struct unit_collector *c = &w->collectors[i];
        rc = c->collector->kind->begin_unit(c->part, &w->unit, err);
    }
    return rc;
}

static int end_unit(struct worker *w, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < w->work->results->n && !rc; i++) {
        const struct unit_collector *c = &w->collectors[i];
        if (c->collector->kind->end_unit) {
            rc = c->collector->kind->end_unit(c->part, unit_scores_models(w->scores), err);
        }
    }
    return rc;
}

/* Every model has scored the unit. */
static int check_finite(struct worker *w, struct err *err)
{
    const struct unit_models *models = unit_scores_models(w->scores);
    w->not_finite = finite_look(&w->unit, models->logprob, models->n_models);
    return w->not_finite.n > 0 && w->unit.number == w->work->refused
               ? finite_refuse(&w->not_finite, w->work->lineup, err)
               : 0;
}

int worker_run(struct worker *w, const struct unit *u, bool *stopped, struct err *err)
{
    const atomic_int *stop = w->work->stop;
    w->not_finite = (struct not_finite){0};
    int rc = layout_make(&w->layout, u, &w->work->layout, err);
    if (!rc && w->labels) {
        rc = labels_make(w->labels, &w->layout, err);
    }
    rc = rc ? rc : describe_unit(w, u, err);
    rc = rc ? rc : begin_unit(w, err);
    rc = rc ? rc : unit_scores_make(w->scores, &w->layout, &w->unit, err);
    if (!rc && !is_stopped(stop)) {
        rc = check_finite(w, err);
        rc = rc ? rc : end_unit(w, err);
    }
    *stopped = is_stopped(stop);
    return rc;
}

int worker_add(struct worker *w, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < w->work->results->n && !rc; i++) {
        const struct unit_collector *c = &w->collectors[i];
        if (c->collector->kind->add) {
            rc = c->collector->kind->add(c->collector->whole, c->part, err);
        }
    }
    return rc;
}

const struct not_finite *worker_not_finite(const struct worker *w)
{
    return &w->not_finite;
}

uint64_t worker_tokens(const struct worker *w)
{
    uint64_t n = 0;
    for (size_t d = 0; d < w->layout.n_docs; d++) {
        n += w->layout.docs[d].n;
    }
    return n - w->layout.n_skipped;
}

uint64_t worker_docs(const struct worker *w)
{
    return w->layout.n_docs;
}

struct unit_times worker_times(const struct worker *w)
{
    return unit_scores_times(w->scores);
}

uint64_t worker_skipped(const struct worker *w)
{
    return w->layout.n_skipped;
}

uint64_t worker_double_bos(const struct worker *w)
{
    return w->layout.n_double;
}

int worker_count(struct worker *w, const struct unit *u, uint64_t *tokens, struct err *err)
{
    const int rc = layout_make(&w->layout, u, &w->work->layout, err);
    *tokens = rc ? 0 : worker_tokens(w);
    return rc;
}
