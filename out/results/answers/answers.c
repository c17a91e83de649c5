#include "out/results/answers/answers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"

// --- the shape ----------------------------------------------------------------------------------

int answers_shape_new(struct answers_shape **out, const struct run *run, struct err *err)
{
    size_t n = 0;
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        n += run->hypotheses[h].predicts_next || run->hypotheses[h].answers_itself ||
             run->hypotheses[h].n_answers > 0;
    }
    *out = NULL;
    if (n == 0) {
        return 0;
    }
    struct answers_shape *s = mem_zero(1, sizeof *s);
    if (!s || !(s->rows = mem_zero(n, sizeof *s->rows))) {
        answers_shape_free(s);
        return err_nomem(err, "answers");
    }
    s->n_models = run->n_models;
    for (size_t h = 0; h < run->n_hypotheses; h++) {
        const struct run_hypothesis *of = &run->hypotheses[h];
        if (!of->predicts_next && !of->answers_itself && of->n_answers == 0) {
            continue;
        }
        struct answers_row *row = &s->rows[s->n_rows++];
        row->hypothesis = h;
        row->itself = of->answers_itself;
        row->n_answers = of->answers_itself ? 1 : of->n_answers;
        memcpy(row->ids, of->answers, sizeof row->ids);
        s->asks = s->asks || row->n_answers > 0;
    }
    *out = s;
    return 0;
}

void answers_shape_free(struct answers_shape *s)
{
    if (s) {
        free(s->rows);
        free(s);
    }
}

// --- sums ---------------------------------------------------------------------------------------

static size_t count_sums(const struct answers_shape *s)
{
    return s->n_rows * s->n_models * 2;
}

int answers_new(struct answers **out, const struct answers_shape *shape, struct err *err)
{
    struct answers *a = mem_zero(1, sizeof *a);
    struct answers_sums *sums = mem_zero(count_sums(shape), sizeof *sums);
    if (!a || !sums) {
        free(a);
        free(sums);
        return err_nomem(err, "answers");
    }
    a->shape = shape;
    a->sums = sums;
    *out = a;
    return 0;
}

void answers_free(struct answers *a)
{
    if (a) {
        free(a->sums);
        free(a);
    }
}

void answers_clear(struct answers *a)
{
    for (size_t i = 0; i < count_sums(a->shape); i++) {
        a->sums[i] = (struct answers_sums){0};
    }
}

struct answers_sums *answers_at(const struct answers *a, size_t row, size_t model, bool test)
{
    return &a->sums[(row * a->shape->n_models + model) * 2 + test];
}

void answers_sums_merge(struct answers_sums *to, const struct answers_sums *from)
{
    moments_merge(&to->truth, &from->truth);
    moments_merge(&to->difference, &from->difference);
    moments_merge(&to->right, &from->right);
    to->answer = fixed_sum(to->answer, from->answer);
    to->n_not_finite += from->n_not_finite;
    to->n_answered += from->n_answered;
    to->n_differ += from->n_differ;
    to->n_first += from->n_first;
    to->right_halves += from->right_halves;
}

void answers_merge(struct answers *to, const struct answers *from)
{
    assert(to != from && count_sums(to->shape) == count_sums(from->shape));
    for (size_t i = 0; i < count_sums(to->shape); i++) {
        answers_sums_merge(&to->sums[i], &from->sums[i]);
    }
}

// --- bytes --------------------------------------------------------------------------------------

/*
 * Numbers are those of bytes.h; one of 128 bits is its low half and its high half.  In order: magic,
 * rows, models; of each sums whether they hold something, and if so what.
 */
#define MAGIC UINT64_C(0x31534e415347) // "GSANS1"

static void put_wide(struct bytes_writer *w, __int128 value)
{
    bytes_put(w, (uint64_t)value);
    bytes_put(w, (uint64_t)((unsigned __int128)value >> 64));
}

static void put_moments(struct bytes_writer *w, const struct moments *m)
{
    bytes_put(w, m->docs);
    bytes_put(w, m->n);
    put_wide(w, m->sum);
    put_wide(w, m->sum_sq);
    put_wide(w, m->sum_n);
    put_wide(w, m->n_sq);
    bytes_put(w, m->sum_sq_high);
}

static bool is_empty(const struct answers_sums *s)
{
    return s->truth.n == 0 && s->n_not_finite == 0;
}

int answers_save(const struct answers *a, struct buf *out, struct err *err)
{
    const size_t before = out->len;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, MAGIC);
    bytes_put(&w, a->shape->n_rows);
    bytes_put(&w, a->shape->n_models);
    for (size_t i = 0; i < count_sums(a->shape); i++) {
        const struct answers_sums *s = &a->sums[i];
        bytes_put(&w, !is_empty(s));
        if (!is_empty(s)) {
            put_moments(&w, &s->truth);
            put_moments(&w, &s->difference);
            put_moments(&w, &s->right);
            put_wide(&w, s->answer);
            bytes_put(&w, s->n_not_finite);
            bytes_put(&w, s->n_answered);
            bytes_put(&w, s->n_differ);
            bytes_put(&w, s->n_first);
            bytes_put(&w, s->right_halves);
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

static void get_moments(struct bytes_reader *r, struct moments *m)
{
    m->docs = get_any(r);
    m->n = get_any(r);
    m->sum = get_wide(r);
    m->sum_sq = get_wide(r);
    m->sum_n = get_wide(r);
    m->n_sq = get_wide(r);
    m->sum_sq_high = get_any(r);
}

static void get_sums(struct bytes_reader *r, struct answers_sums *s)
{
    get_moments(r, &s->truth);
    get_moments(r, &s->difference);
    get_moments(r, &s->right);
    s->answer = get_wide(r);
    s->n_not_finite = get_any(r);
    s->n_answered = bytes_get(r, 0, s->truth.n, "how many tokens have an answer");
    s->n_differ = bytes_get(r, 0, s->n_answered, "how many answers are not true");
    s->n_first = bytes_get(r, 0, s->n_differ, "how many answers are likelier");
    s->right_halves = get_any(r);
    if (is_empty(s)) {
        bytes_bad(r, "sums that hold nothing");
    }
}

int answers_load(struct answers *a, const void *bytes, size_t len, struct err *err)
{
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved answers", .err = err};
    const uint64_t head[] = {MAGIC, a->shape->n_rows, a->shape->n_models};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
        bytes_get(&r, head[i], head[i], "its beginning");
    }
    for (size_t i = 0; i < count_sums(a->shape) && !r.rc; i++) {
        if (bytes_get(&r, 0, 1, "whether sums hold something") != 0) {
            get_sums(&r, &a->sums[i]);
        }
    }
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "more bytes follow its end");
    }
    return r.rc;
}
