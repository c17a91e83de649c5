#include "out/results/answers/answers_collector.h"

#include <stdlib.h>

#include "corpora/base/logprob_none.h"
#include "out/results/answers/answers.h"
#include "out/sql/sql.h"

/* A token that follows a labelled one of a row, and what was asked in its place. */
struct place {
    size_t row, token;
    uint32_t ids[1 + RUN_ANSWERS_MAX]; // the true one, the answers
    size_t asked[1 + RUN_ANSWERS_MAX]; // their numbers among what was asked of the block
};

/* Sums over the document in hand, of one row and model. */
struct doc_sums {
    __int128 truth, difference, right;
    uint64_t n, n_two, n_right;
};

/* What a worker has. */
struct part {
    const struct answers_shape *shape;
    struct answers *found; // of the unit
    const struct unit_tokens *unit;
    size_t *next;          // [n_rows] the first of its labelled tokens that no block had
    struct doc_sums *sums; // [n_rows][n_models] of document 'doc'
    size_t doc;            // in hand
    size_t first_doc;      // no token of the block is before it
    struct place *places;  // [n_places] of the block, ascending by token
    size_t n_places, places_cap;
};

// --- the shape ----------------------------------------------------------------------------------

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    (void)saved; // the run's hypotheses say all
    (void)len;
    struct answers_shape *s = NULL;
    const int rc = answers_shape_new(&s, run, err);
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    answers_shape_free(shape);
}

static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    const struct answers_shape *s = shape;
    const uint64_t cells = s->n_rows * s->n_models;
    out->whole = cells * 2 * sizeof(struct answers_sums);
    out->part = cells * (2 * sizeof(struct answers_sums) + sizeof(struct doc_sums));
    out->saving = out->whole;
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    (void)run;
    (void)model;
    out->asked = ((const struct answers_shape *)shape)->asks;
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        answers_free(p->found);
        free(p->next);
        free(p->sums);
        free(p->places);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    const struct answers_shape *s = shape;
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "answers");
    }
    p->shape = s;
    p->next = mem_zero(s->n_rows, sizeof *p->next);
    p->sums = mem_zero(s->n_rows * s->n_models, sizeof *p->sums);
    const int rc = p->next && p->sums ? answers_new(&p->found, s, err) : err_nomem(err, "answers");
    if (rc) {
        part_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    struct part *p = part;
    p->unit = unit;
    p->doc = p->first_doc = 0;
    answers_clear(p->found);
    for (size_t r = 0; r < p->shape->n_rows; r++) {
        p->next[r] = 0;
    }
    for (size_t i = 0; i < p->shape->n_rows * p->shape->n_models; i++) {
        p->sums[i] = (struct doc_sums){0};
    }
    return 0;
}

// --- what is asked of a block -------------------------------------------------------------------

/* The document that holds a labelled token, from document d on: all labelled ones are in one. */
static size_t doc_of(const struct unit_tokens *u, size_t token, size_t d)
{
    while (d < u->n_docs && token >= u->docs[d].begin + u->docs[d].n) {
        d++;
    }
    return d;
}

/* Does token i + 1 follow token i of document d in its window and document, and is it counted? */
static bool is_followed(const struct unit_tokens *u, size_t i, size_t d)
{
    return d < u->n_docs && i + 1 < u->docs[d].begin + u->docs[d].n && u->pos[i + 1] != 1 &&
           !unit_skips(u, i + 1);
}

/* Adds the row's tokens of the block. */
static int list_row(struct part *p, size_t r, const struct unit_block *block, struct err *err)
{
    const struct unit_tokens *u = p->unit;
    const struct answers_row *row = &p->shape->rows[r];
    const struct unit_token_set *set = &u->labels->sets[1 + 2 * row->hypothesis];
    size_t d = p->first_doc;
    int rc = 0;
    for (; p->next[r] < set->n && set->at[p->next[r]] < block->end && !rc; p->next[r]++) {
        const size_t i = set->at[p->next[r]];
        d = doc_of(u, i, d);
        if (i < block->begin || !is_followed(u, i, d)) {
            continue;
        }
        rc = mem_reserve(&p->places, &p->places_cap, p->n_places + 1, sizeof *p->places, "answers",
                         err);
        if (!rc) {
            struct place *to = &p->places[p->n_places++];
            *to = (struct place){.row = r, .token = i + 1, .ids = {u->ids[i + 1]}};
            for (size_t k = 0; k < row->n_answers; k++) {
                to->ids[1 + k] =
                    row->itself ? u->labels->answers[row->hypothesis][p->next[r]] : row->ids[k];
            }
        }
    }
    return rc;
}

static int by_token(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->token != y->token ? (x->token > y->token) - (x->token < y->token)
                                : (x->row > y->row) - (x->row < y->row);
}

/* The number of what was asked of a token from 'first' on; n: it was not. */
static size_t find_asked(const struct unit_asked *items, size_t first, size_t n, uint32_t id)
{
    while (first < n && items[first].id != id) {
        first++;
    }
    return first;
}

static int asked(void *part, const struct unit_block *block, struct unit_asked **items, size_t *n,
                 size_t *cap, struct err *err)
{
    struct part *p = part;
    int rc = 0;
    p->n_places = 0;
    while (p->first_doc < p->unit->n_docs &&
           p->unit->docs[p->first_doc].begin + p->unit->docs[p->first_doc].n <= block->begin) {
        p->first_doc++;
    }
    for (size_t r = 0; r < p->shape->n_rows && p->unit->labels && !rc; r++) {
        rc = list_row(p, r, block, err);
    }
    if (rc || p->n_places == 0) {
        return rc;
    }
    qsort(p->places, p->n_places, sizeof *p->places, by_token);
    for (size_t i = 0, first = *n; i < p->n_places && !rc; i++) {
        struct place *of = &p->places[i];
        const size_t n_answers = p->shape->rows[of->row].n_answers;
        first = i > 0 && of->token == p->places[i - 1].token ? first : *n; // the token's
        for (size_t k = 0; k <= n_answers && n_answers > 0 && !rc; k++) {
            of->asked[k] = find_asked(*items, first, *n, of->ids[k]);
            if (of->asked[k] == *n) {
                rc = mem_reserve(items, cap, *n + 1, sizeof **items, "answers", err);
                if (!rc) {
                    (*items)[(*n)++] = (struct unit_asked){.token = of->token, .id = of->ids[k]};
                }
            }
        }
    }
    return rc;
}

// --- what was said ------------------------------------------------------------------------------

/* Ends the document in hand. */
static void end_doc(struct part *p)
{
    const struct answers_shape *s = p->shape;
    if (p->doc >= p->unit->n_docs) {
        return;
    }
    const bool test = p->unit->docs[p->doc].test;
    for (size_t r = 0; r < s->n_rows; r++) {
        for (size_t m = 0; m < s->n_models; m++) {
            struct doc_sums *of = &p->sums[r * s->n_models + m];
            if (of->n > 0) {
                struct answers_sums *to = answers_at(p->found, r, m, test);
                moments_add(&to->truth, of->truth, of->n);
                moments_add(&to->difference, of->difference, of->n_two);
                moments_add(&to->right, of->right, of->n_right);
                *of = (struct doc_sums){0};
            }
        }
    }
}

/* Two answers, whose logits these are. */
static void add_two(const struct place *of, const int64_t *logits, struct doc_sums *doc,
                    struct answers_sums *to)
{
    const int64_t difference = logits[1] - logits[2];
    doc->difference += difference;
    doc->n_two++;
    if (of->ids[0] == of->ids[1] || of->ids[0] == of->ids[2]) {
        const int64_t right = of->ids[0] == of->ids[1] ? difference : -difference;
        doc->right += right;
        doc->n_right++;
        to->right_halves += right > 0 ? 2 : right == 0 ? 1 : 0;
    }
}

/* A place in one model.  logits: of what was asked of the block; NULL: it does not say. */
static void add_place(struct part *p, const struct place *of, size_t model, double logprob,
                      const float *logits)
{
    const size_t n_answers = logits ? p->shape->rows[of->row].n_answers : 0;
    struct answers_sums *to = answers_at(p->found, of->row, model, p->unit->docs[p->doc].test);
    struct doc_sums *doc = &p->sums[of->row * p->shape->n_models + model];
    const int64_t truth = fixed_from(logprob);
    int64_t fixed[1 + RUN_ANSWERS_MAX] = {0}; // logits less the true token's
    bool finite = truth != FIXED_NONE;
    for (size_t k = 0; k < n_answers; k++) {
        fixed[1 + k] = fixed_from((double)logits[of->asked[1 + k]] - (double)logits[of->asked[0]]);
        finite = finite && fixed[1 + k] != FIXED_NONE;
    }
    if (!finite) {
        to->n_not_finite++;
        return;
    }
    doc->truth += truth;
    doc->n++;
    if (n_answers > 0) {
        const bool differs = of->ids[0] != of->ids[1];
        to->n_answered++;
        to->answer += truth + fixed[1];
        to->n_differ += differs;
        to->n_first += differs && logits[of->asked[1]] > logits[of->asked[0]];
    }
    if (n_answers == 2) {
        add_two(of, fixed, doc, to);
    }
}

static int end_block(void *part, const struct unit_block *block, const struct unit_seen *seen,
                     struct err *err)
{
    (void)block;
    (void)err;
    struct part *p = part;
    for (size_t i = 0; i < p->n_places; i++) {
        const struct place *of = &p->places[i];
        const size_t d = doc_of(p->unit, of->token, p->doc);
        if (d != p->doc) {
            end_doc(p);
            p->doc = d;
        }
        for (size_t m = 0; m < p->shape->n_models; m++) {
            const double logprob = seen->logprob[m][of->token];
            if (!logprob_is_none(logprob)) {
                add_place(p, of, m, logprob, seen->n_asked > 0 ? seen->logits[m] : NULL);
            }
        }
    }
    return 0;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    (void)models;
    (void)err;
    end_doc(part);
    return 0;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct answers *a = NULL;
    const int rc = answers_new(&a, shape, err);
    *out = a;
    return rc;
}

static void whole_free(void *whole)
{
    answers_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    (void)err;
    answers_merge(whole, ((const struct part *)part)->found);
    return 0;
}

static int merge(void *whole, void *from, struct err *err)
{
    (void)err;
    answers_merge(whole, from);
    return 0;
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    return answers_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return answers_load(whole, bytes, len, err);
}

static void write_row(struct rows *w, const struct answers_row *row, size_t model,
                      const char *split, const struct answers_sums *s)
{
    rows_u64(w, row->hypothesis);
    rows_u64(w, model);
    rows_text(w, split);
    rows_u64(w, s->truth.n);
    rows_u64(w, s->truth.docs);
    rows_real(w, moments_mean(&s->truth));
    rows_real(w, fixed_mean(s->answer, s->n_answered));
    if (s->n_answered > 0) {
        rows_u64(w, s->n_differ);
    } else {
        rows_null(w);
    }
    rows_ratio(w, (double)s->n_first, (double)s->n_differ);
    rows_real(w, moments_mean(&s->difference));
    rows_real(w, moments_se(&s->difference));
    if (s->difference.n > 0) {
        rows_u64(w, s->right.n);
    } else {
        rows_null(w);
    }
    rows_ratio(w, (double)s->right_halves / 2, (double)s->right.n);
    rows_real(w, moments_mean(&s->right));
    rows_real(w, moments_se(&s->right));
    rows_u64(w, s->n_not_finite);
    rows_next(w);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    (void)results;
    const struct answers *a = whole;
    struct rows w;
    if (!full) {
        return 0;
    }
    rows_anew(&w, sql, "DELETE FROM answer",
              "INSERT INTO answer VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    for (size_t r = 0; r < a->shape->n_rows; r++) {
        for (size_t m = 0; m < a->shape->n_models && !w.rc; m++) {
            const struct answers_row *row = &a->shape->rows[r];
            const struct answers_sums *dev = answers_at(a, r, m, false);
            const struct answers_sums *test = answers_at(a, r, m, true);
            struct answers_sums all = *dev;
            answers_sums_merge(&all, test);
            write_row(&w, row, m, "all", &all);
            write_row(&w, row, m, "dev", dev);
            write_row(&w, row, m, "test", test);
        }
    }
    return rows_close(&w);
}

extern const char answers_sql[]; // out/results/answers/answers.sql

const struct collector_kind answers_collector = {
    .name = "answers",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .memory = memory,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .asked = asked,
    .end_block = end_block,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = answers_sql,
    .write = write_tables,
};
