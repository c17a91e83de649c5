#include "out/results/classes/classes.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "out/results/bytes.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/tally.h"

// --- the shape ----------------------------------------------------------------------------------

/* The kinds of the run's tokens.  Not 0: no memory. */
static int list_kinds(struct classes_shape *s, const struct run *run)
{
    const struct buf *texts = &run->token_texts;
    size_t n = 0;
    for (size_t at = 0; at < texts->len; at += strlen(texts->data + at) + 1) {
        n++;
    }
    s->kinds = mem_new(n, sizeof *s->kinds);
    for (size_t at = 0; at < texts->len && s->kinds; at += strlen(texts->data + at) + 1) {
        s->kinds[s->n_kinds++] = (unsigned char)token_kind(texts->data + at);
    }
    return s->kinds ? 0 : ERR_NOMEM;
}

int classes_shape_new(struct classes_shape **out, const struct run *run, struct err *err)
{
    struct classes_shape *s = mem_zero(1, sizeof *s);
    if (!s) {
        return err_nomem(err, "classes of tokens");
    }
    *s = (struct classes_shape){.n_models = run_full_models(run),
                                .n_pairs = run->n_pairs,
                                .n_hypotheses = run->n_hypotheses,
                                .pairs = run->pairs,
                                .floor = run->floor,
                                .next = mem_zero(run->n_hypotheses, sizeof *s->next)};
    if (!s->next || list_kinds(s, run)) {
        classes_shape_free(s);
        return err_nomem(err, "classes of tokens");
    }
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        s->next[h] = run->hypotheses[h].predicts_next;
    }
    *out = s;
    return 0;
}

void classes_shape_free(struct classes_shape *s)
{
    if (s) {
        free(s->next);
        free(s->kinds);
        free(s);
    }
}

// --- what is kept -------------------------------------------------------------------------------

static size_t n_sums(const struct classes_shape *s)
{
    return classes_n_measures(s) * classes_n(s);
}

int classes_new(struct classes **out, const struct classes_shape *shape, struct err *err)
{
    struct classes *c = mem_zero(1, sizeof *c);
    struct moments *sums = mem_zero(n_sums(shape), sizeof *sums);
    if (!c || !sums) {
        free(c);
        free(sums);
        return err_nomem(err, "classes of tokens");
    }
    *c = (struct classes){.shape = shape, .sums = sums};
    *out = c;
    return 0;
}

void classes_free(struct classes *c)
{
    if (c) {
        free(c->sums);
        free(c->values);
        free(c);
    }
}

void classes_clear(struct classes *c)
{
    memset(c->sums, 0, n_sums(c->shape) * sizeof *c->sums);
}

void classes_merge(struct classes *to, const struct classes *from)
{
    for (size_t i = 0; i < n_sums(to->shape); i++) {
        moments_merge(&to->sums[i], &from->sums[i]);
    }
}

// --- a document ---------------------------------------------------------------------------------

/* A document's sum over its tokens of a class. */
struct doc_sum {
    __int128 sum;
    uint64_t n;
};

static void add_value(struct doc_sum *s, int64_t value)
{
    if (value != FIXED_NONE) {
        s->sum += value;
        s->n++;
    }
}

/* values[n]: a model's log-probs at the document's tokens. */
static void take_logprobs(int64_t *values, const double *logprob, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = fixed_from(logprob[i]);
    }
}

/* values[n]: ln P of the deciding other less that of the base; of others that are equal when
 * clamped the first decides. */
static void take_differences(int64_t *values, const struct run_pair *pair, double floor,
                             const double *const *logprob, size_t begin, size_t n)
{
    const int64_t least = fixed_from(floor);
    for (size_t i = 0; i < n; i++) {
        const int64_t base = fixed_from(logprob[pair->base][begin + i]);
        int64_t other = fixed_from(logprob[pair->others[0]][begin + i]);
        bool all = base != FIXED_NONE && other != FIXED_NONE;
        for (uint32_t k = 1; k < pair->n_others; k++) {
            const int64_t next = fixed_from(logprob[pair->others[k]][begin + i]);
            all = all && next != FIXED_NONE;
            other = other > least && next < other ? next : other;
        }
        values[i] = all ? other - base : FIXED_NONE;
    }
}

/* c->values become what the measure is at the document's tokens. */
static void take_values(struct classes *c, const struct unit_tokens_doc *doc, size_t measure,
                        const double *const *logprob)
{
    const struct classes_shape *s = c->shape;
    if (measure < s->n_models) {
        take_logprobs(c->values, logprob[measure] + doc->begin, doc->n);
    } else if (measure < s->n_models + s->n_pairs) {
        gaps_of_tokens(&s->pairs[measure - s->n_models], s->floor, logprob, doc->begin, doc->n,
                       c->values);
    } else {
        take_differences(c->values, &s->pairs[measure - s->n_models - s->n_pairs], s->floor,
                         logprob, doc->begin, doc->n);
    }
}

static void add_kinds(struct classes *c, const struct unit_tokens *unit,
                      const struct unit_tokens_doc *doc, struct moments *to)
{
    const struct classes_shape *s = c->shape;
    struct doc_sum sums[TOKEN_KINDS] = {{0}};
    for (size_t i = 0; i < doc->n; i++) {
        const uint32_t id = unit->ids[doc->begin + i];
        add_value(&sums[id < s->n_kinds ? s->kinds[id] : 0], c->values[i]);
    }
    for (size_t k = 0; k < TOKEN_KINDS; k++) {
        moments_add(&to[k], sums[k].sum, sums[k].n);
    }
}

static void add_hypotheses(struct classes *c, const struct unit_tokens *unit, size_t d,
                           struct moments *to)
{
    const struct unit_tokens_doc *doc = &unit->docs[d];
    const struct unit_labels *l = unit->labels;
    const size_t n = c->shape->n_hypotheses, n_words = bits_words(n);
    for (size_t h = 0; h < n; h++) {
        struct doc_sum sum = {0};
        if (bits_get(l->gave_up + d * n_words, h)) {
            continue;
        }
        for (uint32_t k = l->begin[d * n + h]; k < l->begin[(d + 1) * n + h]; k++) {
            const size_t at = tally_place(l->sets[1 + 2 * h].at[k] - doc->begin, doc->n,
                                          unit->pos + doc->begin, c->shape->next[h]);
            if (at < doc->n) {
                add_value(&sum, c->values[at]);
            }
        }
        moments_add(&to[h], sum.sum, sum.n);
    }
}

int classes_add(struct classes *c, const struct unit_tokens *unit, size_t d,
                const double *const *logprob, struct err *err)
{
    const struct classes_shape *s = c->shape;
    const struct unit_tokens_doc *doc = &unit->docs[d];
    const int rc = mem_reserve(&c->values, &c->values_cap, doc->n, sizeof *c->values,
                               "classes of tokens", err);
    for (size_t m = 0; m < classes_n_measures(s) && !rc; m++) {
        const bool is_gap = m >= s->n_models && m < s->n_models + s->n_pairs;
        take_values(c, doc, m, logprob);
        for (size_t i = 0; unit->skipped && i < doc->n; i++) {
            c->values[i] = unit_skips(unit, doc->begin + i) ? FIXED_NONE : c->values[i];
        }
        if (s->n_kinds > 0) {
            add_kinds(c, unit, doc, classes_of(c, m));
        }
        if (unit->labels && !is_gap) {
            add_hypotheses(c, unit, d, classes_of(c, m) + TOKEN_KINDS);
        }
    }
    return rc;
}

// --- as bytes -----------------------------------------------------------------------------------

/*
 * Numbers are those of bytes.h; one of 128 bits is its low half and its high half.  In order: magic,
 * how many models, pairs and hypotheses; of each measure and class how many documents, and where
 * these are any, tokens, the four sums of struct moments, and the high bits of the first of squares.
 */
#define MAGIC UINT64_C(0x31534c435347) // "GSCLS1"

static void put_wide(struct bytes_writer *w, __int128 value)
{
    bytes_put(w, (uint64_t)value);
    bytes_put(w, (uint64_t)((unsigned __int128)value >> 64));
}

int classes_save(const struct classes *c, struct buf *out, struct err *err)
{
    const struct classes_shape *s = c->shape;
    const size_t before = out->len;
    struct bytes_writer w = {.to = out, .err = err};
    const uint64_t head[] = {MAGIC, s->n_models, s->n_pairs, s->n_hypotheses};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        bytes_put(&w, head[i]);
    }
    for (size_t i = 0; i < n_sums(s); i++) {
        const struct moments *m = &c->sums[i];
        bytes_put(&w, m->docs);
        if (m->docs > 0) {
            bytes_put(&w, m->n);
            put_wide(&w, m->sum);
            put_wide(&w, m->sum_sq);
            put_wide(&w, m->sum_n);
            put_wide(&w, m->n_sq);
            bytes_put(&w, m->sum_sq_high);
        }
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

static uint64_t get_any(struct bytes_reader *r)
{
    return bytes_get(r, 0, UINT64_MAX, "a number");
}

static __int128 get_wide(struct bytes_reader *r)
{
    const uint64_t low = get_any(r), high = get_any(r);
    return (__int128)((unsigned __int128)high << 64 | low);
}

int classes_load(struct classes *c, const void *bytes, size_t len, struct err *err)
{
    const struct classes_shape *s = c->shape;
    struct bytes_reader r = {
        .at = bytes, .left = len, .of = "the saved classes of tokens", .err = err};
    const uint64_t head[] = {MAGIC, s->n_models, s->n_pairs, s->n_hypotheses};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        bytes_get(&r, head[i], head[i], "its beginning");
    }
    for (size_t i = 0; i < n_sums(s) && !r.rc; i++) {
        struct moments *m = &c->sums[i];
        m->docs = get_any(&r);
        if (m->docs > 0) {
            m->n = bytes_get(&r, 1, UINT64_MAX, "the tokens of a class");
            m->sum = get_wide(&r);
            m->sum_sq = get_wide(&r);
            m->sum_n = get_wide(&r);
            m->n_sq = get_wide(&r);
            m->sum_sq_high = get_any(&r);
        }
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "more bytes follow its end");
    }
    return r.rc;
}
