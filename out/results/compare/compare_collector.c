#include "out/results/compare/compare_collector.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/logprob_none.h"
#include "out/results/bytes.h"
#include "out/results/compare/compare_tables.h"
#include "out/results/compare/compare_token.h"
#include "out/results/doc_share.h"
#include "out/results/gaps/gaps_collector.h"

/* What a worker has. */
struct part {
    const struct compare_shape *shape;
    struct compare *found; // of the unit
    const struct unit_tokens *unit;
    bool *wanted; // [n_docs of the unit] it is in the share
    size_t wanted_cap;

    // the tokens of these that are counted, in order
    size_t *tokens;               // [n] of the unit
    struct compare_value *values; // [n][n_pairs]
    size_t n, tokens_cap, values_cap;

    // of the token in hand
    float *exps, *other_exps;      // [d_vocab]
    struct compare_logits *logits; // [n_models]
    bool *known;                   // [n_models] logits are

    // of the document in hand
    uint32_t *place; // [tokens of the document] their number among its values, or NONE
    size_t place_cap;
    struct compare_value *of_doc; // [n_pairs][n of its values]
    size_t of_doc_cap;
    unsigned char *kinds; // of its tokens
    size_t kinds_cap;
    struct compare_labels *labels; // [n_hypotheses]
    uint32_t *at;                  // the labels' places, one hypothesis' behind another's
    size_t at_cap;
};

#define NONE UINT32_MAX

// --- the shape ----------------------------------------------------------------------------------

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct bytes_reader r = {.at = saved, .left = len, .of = "the saved comparison", .err = err};
    struct compare_shape *s = NULL;
    struct compare_share share = {0};
    if (!saved) {
        return 0; // whoever makes the run joins it
    }
    share.of = (uint32_t)bytes_get(&r, 1, COMPARE_SHARE_MAX, "its share");
    share.take = (uint32_t)bytes_get(&r, 1, share.of, "its share");
    share.changed = bytes_get(&r, 0, 1, "whether changed models are compared") != 0;
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "its share");
    }
    const int rc = r.rc ? r.rc : compare_shape_new(&s, run, &share, err);
    *out = s;
    return rc;
}

static void shape_free(void *shape)
{
    compare_shape_free(shape);
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    const struct compare_share *share = &((const struct compare_shape *)shape)->share;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, share->of);
    bytes_put(&w, share->take);
    bytes_put(&w, share->changed);
    return w.rc;
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    (void)fixed;
    const struct compare_share *x = &((const struct compare_shape *)a)->share;
    const struct compare_share *y = &((const struct compare_shape *)b)->share;
    if (x->changed != y->changed) {
        return err_set(why, ERR_MISMATCH, "compare-changed: only one has it");
    }
    return x->take == y->take && x->of == y->of
               ? 0
               : err_set(why, ERR_MISMATCH, "compare-share: one has %u/%u, the other %u/%u",
                         x->take, x->of, y->take, y->of);
}

static size_t count_compared(const struct compare_shape *s)
{
    size_t n = 0;
    for (size_t p = 0; p < s->n_pairs; p++) {
        n += s->pairs[p].kind == COMPARE_PAIR;
    }
    return n;
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    const struct compare_shape *s = shape;
    return buf_printf(out, err, "%zu compared pairs", count_compared(s));
}

static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    const struct compare_shape *s = shape;
    const uint64_t sums = sizeof(struct compare_sums);
    const uint64_t pair = sizeof(struct compare_pair_sums) + s->n_hypotheses * sums;
    out->whole = s->n_pairs * (pair + COMPARE_DOMAINS_MAX * sums);
    out->part = s->n_pairs * pair + 2 * s->d_vocab * sizeof(float);
}

static void needs(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out)
{
    (void)run;
    const struct compare_shape *s = shape;
    for (size_t p = 0; p < s->n_pairs; p++) {
        const struct compare_pair *pair = &s->pairs[p];
        out->logits = out->logits ||
                      (pair->kind == COMPARE_PAIR && (pair->base == model || pair->other == model));
    }
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (!p) {
        return;
    }
    void *const own[] = {p->wanted, p->tokens, p->values, p->exps,   p->other_exps, p->logits,
                         p->known,  p->place,  p->of_doc, p->labels, p->at,         p->kinds};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        free(own[i]);
    }
    compare_free(p->found);
    free(p);
}

static int part_new(void **out, const void *shape, struct err *err)
{
    const struct compare_shape *s = shape;
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "a comparison");
    }
    p->shape = s;
    p->exps = mem_new(s->d_vocab, sizeof *p->exps);
    p->other_exps = mem_new(s->d_vocab, sizeof *p->other_exps);
    p->logits = mem_zero(s->n_models, sizeof *p->logits);
    p->known = mem_zero(s->n_models, sizeof *p->known);
    p->labels = mem_zero(s->n_hypotheses, sizeof *p->labels);
    const bool whole = p->exps && p->other_exps && p->logits && p->known && p->labels;
    const int rc = whole ? compare_new(&p->found, s, err) : err_nomem(err, "a comparison");
    if (rc) {
        part_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    struct part *p = part;
    p->unit = unit;
    p->n = 0;
    compare_clear(p->found);
    const int rc = mem_reserve(&p->wanted, &p->wanted_cap, unit->n_docs, sizeof *p->wanted,
                               "a comparison", err);
    for (size_t d = 0; d < unit->n_docs && !rc; d++) {
        const struct compare_share *share = &p->shape->share;
        p->wanted[d] =
            p->shape->d_vocab > 0 && doc_share_has(share->take, share->of, unit->docs[d].hash);
    }
    return rc;
}

static bool wants_logits(const void *part, size_t d)
{
    return ((const struct part *)part)->wanted[d];
}

/* What a model has at the token in hand; exps: where they go that a base needs. */
static const struct compare_logits *logits_of(struct part *p, size_t model, const float *x,
                                              size_t n, float *exps)
{
    if (!p->known[model]) {
        compare_logits_of(&p->logits[model], x, n, exps);
        p->known[model] = true;
    }
    return &p->logits[model];
}

/* Row i of all models; the values of all pairs go to values[n_pairs]. */
static void compare_row(struct part *p, uint32_t id, size_t i, const float *const *logits,
                        const size_t *ld, struct compare_value *values)
{
    const struct compare_shape *s = p->shape;
    size_t last = SIZE_MAX; // whose exps are in p->exps
    memset(p->known, 0, s->n_models * sizeof *p->known);
    for (size_t k = 0; k < s->n_pairs; k++) {
        const struct compare_pair *pair = &s->pairs[k];
        values[k] = (struct compare_value){.kl = FIXED_NONE};
        if (pair->kind != COMPARE_PAIR || !logits[pair->base] || !logits[pair->other]) {
            continue;
        }
        const float *x = logits[pair->base] + i * ld[pair->base];
        const float *y = logits[pair->other] + i * ld[pair->other];
        p->known[pair->base] = p->known[pair->base] && last == pair->base;
        const struct compare_logits *base = logits_of(p, pair->base, x, pair->d_vocab, p->exps);
        last = pair->base;
        values[k] = compare_token(base, logits_of(p, pair->other, y, pair->d_vocab, p->other_exps),
                                  pair->d_vocab, id);
    }
}

static int see_logits(void *part, const size_t *tokens, size_t n, const float *const *logits,
                      const size_t *ld, struct err *err)
{
    struct part *p = part;
    const size_t n_pairs = p->shape->n_pairs;
    int rc =
        mem_reserve(&p->tokens, &p->tokens_cap, p->n + n, sizeof *p->tokens, "a comparison", err);
    rc = rc ? rc
            : mem_reserve(&p->values, &p->values_cap, (p->n + n) * n_pairs, sizeof *p->values,
                          "a comparison", err);
    for (size_t i = 0; i < n && !rc; i++) {
        if (!unit_skips(p->unit, tokens[i])) {
            p->tokens[p->n] = tokens[i];
            compare_row(p, p->unit->ids[tokens[i]], i, logits, ld, p->values + p->n * n_pairs);
            p->n++;
        }
    }
    return rc;
}

// --- a document of the share --------------------------------------------------------------------

/* p->at and p->labels become what hypotheses say of document d, at its values. */
static int take_labels(struct part *p, size_t d, struct err *err)
{
    const struct unit_labels *l = p->unit->labels;
    const struct unit_tokens_doc *doc = &p->unit->docs[d];
    const size_t n_hypotheses = p->shape->n_hypotheses, n_words = bits_words(n_hypotheses);
    size_t most = 0, n = 0;
    for (size_t h = 0; h < n_hypotheses; h++) {
        most += l->begin[(d + 1) * n_hypotheses + h] - l->begin[d * n_hypotheses + h];
    }
    const int rc = mem_reserve(&p->at, &p->at_cap, most, sizeof *p->at, "labels", err);
    for (size_t h = 0; h < n_hypotheses && !rc; h++) {
        const uint32_t begin = l->begin[d * n_hypotheses + h];
        const uint32_t end = l->begin[(d + 1) * n_hypotheses + h];
        struct compare_labels *labels = &p->labels[h];
        *labels = (struct compare_labels){.at = p->at + n,
                                          .gave_up = bits_get(l->gave_up + d * n_words, h)};
        for (uint32_t k = begin; k < end; k++) {
            const size_t at = tally_place(l->sets[1 + 2 * h].at[k] - doc->begin, doc->n,
                                          p->unit->pos + doc->begin, p->shape->next[h]);
            if (at < doc->n && p->place[at] != NONE) {
                p->at[n++] = p->place[at];
                labels->n++;
            }
        }
    }
    return rc;
}

/* What was seen at token i of those that were, of a pair. */
static struct compare_value value_at(const struct part *p, size_t i, size_t pair,
                                     const struct unit_models *models)
{
    const struct compare_pair *of = &p->shape->pairs[pair];
    struct compare_value value = p->values[i * p->shape->n_pairs + pair];
    if (of->kind == COMPARE_PAIR && (logprob_is_none(models->logprob[of->base][p->tokens[i]]) ||
                                     logprob_is_none(models->logprob[of->other][p->tokens[i]]))) {
        value.kl = COMPARE_NOTHING;
    }
    return value;
}

/* Document d, whose tokens are [first, first + n) of those that were seen. */
static int add_doc(struct part *p, size_t d, size_t first, size_t n,
                   const struct unit_models *models, struct err *err)
{
    const struct unit_tokens_doc *doc = &p->unit->docs[d];
    const size_t n_pairs = p->shape->n_pairs;
    int rc = mem_reserve(&p->place, &p->place_cap, doc->n, sizeof *p->place, "a document", err);
    rc = rc ? rc
            : mem_reserve(&p->of_doc, &p->of_doc_cap, n * n_pairs, sizeof *p->of_doc, "a document",
                          err);
    rc = rc ? rc : mem_reserve(&p->kinds, &p->kinds_cap, n, sizeof *p->kinds, "a document", err);
    for (size_t i = 0; i < doc->n && !rc; i++) {
        p->place[i] = NONE;
    }
    for (size_t i = 0; i < n && !rc; i++) {
        p->place[p->tokens[first + i] - doc->begin] = (uint32_t)i;
        const uint32_t id = p->unit->ids[p->tokens[first + i]];
        p->kinds[i] = id < p->shape->n_kinds ? p->shape->kinds[id] : 0;
        for (size_t k = 0; k < n_pairs; k++) {
            p->of_doc[k * n + i] = value_at(p, first + i, k, models);
        }
    }
    rc = rc || !p->unit->labels ? rc : take_labels(p, d, err);
    const struct compare_doc all = {.domain = doc->domain,
                                    .kinds = p->shape->n_kinds > 0 ? p->kinds : NULL,
                                    .values = p->of_doc,
                                    .n = n,
                                    .labels = p->labels};
    return rc ? rc : compare_add(p->found, &all, err);
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    int rc = 0;
    size_t first = 0;
    for (size_t d = 0; d < p->unit->n_docs && !rc && !models->stopped(models->context); d++) {
        const size_t end = p->unit->docs[d].begin + p->unit->docs[d].n;
        size_t n = 0;
        while (first + n < p->n && p->tokens[first + n] < end) {
            n++;
        }
        rc = n > 0 ? add_doc(p, d, first, n, models, err) : 0;
        first += n;
    }
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct compare *c = NULL;
    const int rc = compare_new(&c, shape, err);
    *out = c;
    return rc;
}

static void whole_free(void *whole)
{
    compare_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    return compare_merge(whole, ((const struct part *)part)->found, err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return compare_merge(whole, from, err);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    (void)piece;
    return compare_save(whole, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    (void)piece;
    return compare_load(whole, bytes, len, err);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    return full ? compare_tables_write(sql, gaps_of(results), whole, err) : 0;
}

extern const char compare_sql[]; // out/results/compare/compare.sql

const struct collector_kind compare_collector = {
    .name = "compare",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .describe = describe,
    .memory = memory,
    .needs = needs,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .wants_logits = wants_logits,
    .see_logits = see_logits,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .save = save,
    .load = load,
    .sql = compare_sql,
    .write = write_tables,
};
