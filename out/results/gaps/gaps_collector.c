#include "out/results/gaps/gaps_collector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/logprob_none.h"
#include "corpora/base/mem.h"
#include "out/results/gaps/gaps_tables.h"
#include "out/results/gaps/hit_details.h"

// Tokens that wait for exact log-probs: as many as are worth a pass over the unembedding.
#define WAIT_MOST ((size_t)1024)

/* What a worker has. */
struct part {
    struct tally_shape shape; // with the unit's epsilon
    struct tally *tally;
    struct hit_details *details;
    int64_t *cutoff; // [2 * n_pairs] of the whole
    const struct unit_tokens *unit;
    size_t block;               // where the block in hand begins; SIZE_MAX: none yet
    size_t first_doc, next_doc; // the first document of the unit in it, and in the next one

    struct tally_labels *labels; // [n_hypotheses] of the current document
    const double **rows;         // [n_models] its log-probs
    struct tally_picks picks;    // its tokens that may be hits

    // documents whose hits wait for exact log-probs
    struct {
        size_t doc, n; // of the unit; its picks
    } * waiting;       // [n_waiting]
    size_t n_waiting, waiting_cap;
    uint32_t *at; // [n_at] their picks, indices in the document, one document's behind another's
    uint64_t *models; // [n_at][bits_words(n_models)] as in tally_picks
    size_t n_at, at_cap, models_cap;
    size_t *tokens;  // [n_at] those of one model, of the unit
    double *answers; // [n_at] its exact log-probs there
    size_t tokens_cap, answers_cap;
    double **exact;      // [n_models] of [n_at]
    size_t *exact_cap;   // [n_models]
    const double **some; // [n_models] those of one document
};

// --- the shape ----------------------------------------------------------------------------------

struct tally_shape gaps_shape(const struct run *run)
{
    return (struct tally_shape){
        .n_models = run->n_models,
        .n_pairs = run->n_pairs,
        .n_shards = run->n_shards,
        .d_vocab = run_d_vocab(run),
        .pairs = run->pairs,
        .floor = run->floor,
        // A floor of -0.3 is a little more than 3 bins in binary, and 3 are meant.
        .gap_bins_half = (size_t)ceil(-run->floor * 10 - 1e-9),
        .top = run->top,
        .n_brief_models = run->n_models - run_full_models(run),
        .n_brief_pairs = run->n_pairs - run_full_pairs(run),
        .brief_top = run->brief_top,
        .n_hypotheses = run->n_hypotheses,
        .hypotheses = run->hypotheses,
    };
}

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    (void)saved;
    (void)len;
    struct tally_shape *s = mem_new(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "a tally");
    }
    *s = gaps_shape(run);
    *out = s;
    return 0;
}

/* Hits are between models: without pairs there are none. */
static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    (void)run;
    (void)model;
    const struct tally_shape *s = shape;
    out->may_ask =
        (tally_full_pairs(s) > 0 && s->top > 0) || (s->n_brief_pairs > 0 && s->brief_top > 0);
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (!p) {
        return;
    }
    for (size_t m = 0; p->exact && m < p->shape.n_models; m++) {
        free(p->exact[m]);
    }
    tally_picks_free(&p->picks);
    void *const own[] = {p->cutoff, p->labels, p->rows,    p->waiting,   p->at,  p->models,
                         p->tokens, p->exact,  p->answers, p->exact_cap, p->some};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    hit_details_free(p->details);
    tally_free(p->tally);
    free(p);
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "a worker's tally");
    }
    p->shape = *(const struct tally_shape *)shape;
    const size_t n_models = p->shape.n_models;
    p->cutoff = mem_new(2 * p->shape.n_pairs, sizeof *p->cutoff);
    p->labels = mem_new(p->shape.n_hypotheses, sizeof *p->labels);
    p->rows = mem_new(n_models, sizeof *p->rows);
    p->exact = mem_zero(n_models, sizeof *p->exact);
    p->exact_cap = mem_zero(n_models, sizeof *p->exact_cap);
    p->some = mem_new(n_models, sizeof *p->some);
    int rc = p->cutoff && p->labels && p->rows && p->exact && p->exact_cap && p->some
                 ? 0
                 : err_nomem(err, "a worker's tally");
    rc = rc ? rc : tally_new(&p->tally, &p->shape, err);
    rc = rc ? rc : hit_details_new(&p->details, &p->shape, err);
    if (rc) {
        part_free(p);
        return rc;
    }
    tally_cutoff(p->tally, p->cutoff); // of an empty one: everything may enter
    *out = p;
    return 0;
}

static void part_look(void *part, const void *whole)
{
    struct part *p = part;
    tally_cutoff(whole, p->cutoff);
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    struct part *p = part;
    p->unit = unit;
    p->block = SIZE_MAX;
    p->first_doc = p->next_doc = 0;
    tally_clear(p->tally);
    return 0;
}

/* Appends a question for each of a pick's models. */
static int ask_models(struct unit_questions *q, size_t token, const uint64_t *models, size_t n,
                      struct err *err)
{
    const int rc = mem_reserve(&q->items, &q->cap, q->n + n, sizeof *q->items, "hits", err);
    for (size_t m = 0; m < n && !rc; m++) {
        if (bits_get(models, m)) {
            q->items[q->n++] = (struct unit_question){.token = token, .model = m};
        }
    }
    return rc;
}

/* The tokens that may be hits of the pairs whose last model has scored, as far as the block's
 * documents have been seen. */
static int may_ask(void *part, const struct unit_block *block, const double *const *logprob,
                   double epsilon, size_t model, struct unit_questions *questions, struct err *err)
{
    struct part *p = part;
    const struct unit_tokens *u = p->unit;
    const size_t n_models = p->shape.n_models, n_words = bits_words(n_models);
    int rc = 0;
    p->shape.epsilon = epsilon;
    if (p->block != block->begin) {
        p->block = block->begin;
        p->first_doc = p->next_doc;
    }
    for (size_t d = p->first_doc; d < u->n_docs && u->docs[d].begin < block->end && !rc; d++) {
        const size_t first = u->docs[d].begin, end = first + u->docs[d].n;
        const size_t from = first > block->begin ? first : block->begin;
        const size_t to = end < block->end ? end : block->end;
        p->next_doc = end <= block->end ? d + 1 : d;
        if (from >= to) {
            continue;
        }
        const struct tally_doc doc = tally_doc_of_unit(u, d, logprob, n_models, p->rows);
        rc = tally_expect(p->tally, &doc, model, from - first, to - first, p->cutoff, &p->picks,
                          err);
        for (size_t i = 0; i < p->picks.n && !rc; i++) {
            rc = ask_models(questions, first + p->picks.at[i], p->picks.models + i * n_words,
                            n_models, err);
        }
    }
    return rc;
}

/* Document d of the unit as the tally wants it; its rows and labels are the part's. */
static struct tally_doc scored_doc(struct part *p, size_t d, const struct unit_models *models)
{
    const struct unit_tokens_doc *doc = &p->unit->docs[d];
    const struct unit_labels *l = p->unit->labels;
    struct tally_doc out =
        tally_doc_of_unit(p->unit, d, models->logprob, p->shape.n_models, p->rows);
    const size_t n_hypotheses = l ? l->n_hypotheses : 0, n_words = bits_words(n_hypotheses);
    for (size_t h = 0; h < n_hypotheses; h++) {
        const uint32_t begin = l->begin[d * n_hypotheses + h];
        p->labels[h] = (struct tally_labels){
            .at = l->sets[1 + 2 * h].at + begin,
            .n = l->begin[(d + 1) * n_hypotheses + h] - begin,
            .base = (uint32_t)doc->begin,
            .gave_up = bits_get(l->gave_up + d * n_words, h),
        };
    }
    out.labels = p->labels;
    out.label_words = l ? l->words + doc->begin * n_words : NULL;
    return out;
}

/* The exact log-probs of one model at the picks that wait and need it. */
static int score_model(struct part *p, size_t m, const struct unit_models *models, struct err *err)
{
    const size_t n_words = bits_words(p->shape.n_models);
    size_t at = 0, n = 0;
    int rc = mem_reserve(&p->exact[m], &p->exact_cap[m], p->n_at, sizeof *p->exact[m], "hits", err);
    for (size_t i = 0; i < p->n_waiting; i++) {
        const size_t begin = p->unit->docs[p->waiting[i].doc].begin;
        for (size_t k = 0; k < p->waiting[i].n; k++, at++) {
            if (bits_get(p->models + at * n_words, m)) {
                p->tokens[n++] = begin + p->at[at];
            }
        }
    }
    rc = rc ? rc : models->exact(models->context, m, p->tokens, n, p->answers, err);
    for (size_t i = 0, k = 0; i < at && !rc; i++) {
        p->exact[m][i] = bits_get(p->models + i * n_words, m) ? p->answers[k++] : logprob_none();
    }
    return rc;
}

/* The exact log-probs of all picks that wait. */
static int score_exactly(struct part *p, const struct unit_models *models, struct err *err)
{
    int rc = mem_reserve(&p->tokens, &p->tokens_cap, p->n_at, sizeof *p->tokens, "hits", err);
    rc = rc ? rc
            : mem_reserve(&p->answers, &p->answers_cap, p->n_at, sizeof *p->answers, "hits", err);
    for (size_t m = 0; m < p->shape.n_models && !rc; m++) {
        rc = score_model(p, m, models, err);
    }
    return rc;
}

/* Adds the hits of the documents that wait. */
static int add_waiting(struct part *p, const struct unit_models *models, struct err *err)
{
    int rc = p->n_at > 0 ? score_exactly(p, models, err) : 0;
    for (size_t i = 0, n = 0; i < p->n_waiting && !rc && !models->stopped(models->context);
         n += p->waiting[i++].n) {
        const struct tally_doc doc = scored_doc(p, p->waiting[i].doc, models);
        const struct tally_picks picks = {.at = p->at + n, .n = p->waiting[i].n};
        for (size_t m = 0; m < p->shape.n_models; m++) {
            p->some[m] = p->exact[m] + n;
        }
        rc = tally_add_hits(p->tally, &doc, &picks, p->some, p->cutoff, err);
    }
    p->n_waiting = p->n_at = 0;
    return rc;
}

/* Puts the document's hits off until there are more to be scored together. */
static int wait_with(struct part *p, size_t d, const struct unit_models *models, struct err *err)
{
    const size_t n = p->picks.n, n_words = bits_words(p->shape.n_models);
    if (n == 0) {
        return 0;
    }
    int rc = mem_reserve(&p->waiting, &p->waiting_cap, p->n_waiting + 1, sizeof *p->waiting, "hits",
                         err);
    rc = rc ? rc : mem_reserve(&p->at, &p->at_cap, p->n_at + n, sizeof *p->at, "hits", err);
    rc = rc ? rc
            : mem_reserve(&p->models, &p->models_cap, (p->n_at + n) * n_words, sizeof *p->models,
                          "hits", err);
    if (rc) {
        return rc;
    }
    memcpy(p->at + p->n_at, p->picks.at, n * sizeof *p->at);
    memcpy(p->models + p->n_at * n_words, p->picks.models, n * n_words * sizeof *p->models);
    p->n_at += n;
    p->waiting[p->n_waiting].doc = d;
    p->waiting[p->n_waiting++].n = n;
    return p->n_at < WAIT_MOST ? 0 : add_waiting(p, models, err);
}

static int add_doc(struct part *p, size_t d, const struct unit_models *models, struct err *err)
{
    const struct tally_doc doc = scored_doc(p, d, models);
    const int rc = tally_add_doc(p->tally, &doc, p->cutoff, &p->picks, err);
    if (rc) {
        return rc;
    }
    return models->epsilon > 0 ? wait_with(p, d, models, err)
                               : tally_add_hits(p->tally, &doc, &p->picks, NULL, p->cutoff, err);
}

/* Counts what was not read: the first of each kind with their places, the rest by number. */
static void add_rejects(struct part *p)
{
    const struct unit_tokens *u = p->unit;
    struct tally_shard *shard = &p->tally->shards[u->shard];
    for (size_t i = 0; i < u->n_rejects; i++) {
        const struct unit_reject *r = &u->rejects[i];
        tally_add_reject(p->tally, u->shard, r->reason, r->line, r->byte, r->why);
    }
    for (size_t reason = 0; reason < u->n_reasons; reason++) {
        shard->rejects[reason].n += u->rejects_more[reason];
        shard->skipped += u->rejects_more[reason];
    }
    shard->repaired += u->repaired;
    shard->units_done++;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    int rc = 0;
    p->shape.epsilon = models->epsilon;
    p->n_waiting = p->n_at = 0;
    for (size_t d = 0; d < p->unit->n_docs && !rc && !models->stopped(models->context); d++) {
        rc = add_doc(p, d, models, err);
    }
    rc = rc ? rc : add_waiting(p, models, err);
    if (!rc && !models->stopped(models->context)) {
        rc = hit_details_add(p->details, p->unit, models, p->tally, err);
    }
    add_rejects(p);
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct tally *t = NULL;
    const int rc = tally_new(&t, shape, err);
    *out = t;
    return rc;
}

static void whole_free(void *whole)
{
    tally_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    const struct part *p = part;
    return tally_merge(whole, p->tally, err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return tally_merge(whole, from, err);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    return tally_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return tally_load(whole, bytes, len, err);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)results;
    return gaps_tables_write(sql, run, whole, full, err);
}

extern const char gaps_sql[]; // out/results/gaps/gaps.sql

const struct collector_kind gaps_collector = {
    .name = "gaps",
    .shape_new = shape_new,
    .shape_free = free,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .part_look = part_look,
    .begin_unit = begin_unit,
    .may_ask = may_ask,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = gaps_sql,
    .write = write_tables,
};

const struct tally *gaps_of(const struct results *r)
{
    return results_whole(r, &gaps_collector);
}
