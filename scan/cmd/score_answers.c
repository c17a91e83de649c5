#include "scan/cmd/score_answers.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "miners/labeller.h"
#include "scan/load/hypothesis_args.h"

struct score_answers {
    struct hypotheses hypotheses;
    struct labeller *labeller;
    size_t n_ctx;

    // of the current document
    uint32_t *window_begin; // [n]
    uint8_t *label;         // [hypotheses][n]
    uint32_t *answer;       // [hypotheses][n]
    size_t window_begin_cap, label_cap, answer_cap;
    bool *gave_up; // [hypotheses]
};

static bool answers(const struct miner *m)
{
    return m->answers_itself || m->n_answers > 0;
}

static int check_answers(const struct hypotheses *h, const char *path, struct err *err)
{
    for (size_t i = 0; i < h->n; i++) {
        if (!answers(&h->items[i])) {
            return err_set(
                err, ERR_USAGE,
                "--answers %s: hypothesis %s does not say which token would follow; give "
                "it answers: [' are'], or leave it out",
                path, h->items[i].name);
        }
    }
    return 0;
}

int score_answers_new(struct score_answers **out, const char *path, bool ids,
                      const struct lineup *lineup, struct err *err)
{
    if (!path) {
        return 0;
    }
    if (ids) {
        return err_set(err, ERR_USAGE, "--answers does not go with --ids: hypotheses need text");
    }
    struct score_answers *a = mem_zero(1, sizeof *a);
    if (!a) {
        return err_nomem(err, "answers");
    }
    const char *files[] = {path};
    const struct hypothesis_args_options options = {.files = {.items = files, .n = 1}};
    const struct hypothesis_windows windows = {
        .n_vocab = lineup->d_vocab, .n_ctx = lineup->n_ctx, .packing = "docs"};
    a->n_ctx = lineup->n_ctx;
    int rc = hypothesis_args_load(&a->hypotheses, &options, &windows, lineup->tokenizer, err);
    rc = rc ? rc : check_answers(&a->hypotheses, path, err);
    rc = rc ? rc : labeller_new(&a->labeller, &a->hypotheses, err);
    a->gave_up = mem_zero(a->hypotheses.n, sizeof *a->gave_up);
    if (!rc && !a->gave_up) {
        rc = err_nomem(err, "answers");
    }
    if (rc) {
        score_answers_free(a);
        return rc;
    }
    *out = a;
    return 0;
}

void score_answers_free(struct score_answers *a)
{
    if (a) {
        labeller_free(a->labeller);
        hypotheses_free(&a->hypotheses);
        free(a->window_begin);
        free(a->label);
        free(a->answer);
        free(a->gave_up);
        free(a);
    }
}

void score_places_free(struct score_places *p)
{
    free(p->items);
    free(p->gave_up);
    *p = (struct score_places){0};
}

int score_places_reserve(const struct score_places *p, float **logprob, size_t *cap,
                         struct err *err)
{
    const size_t n = p ? p->n * MINER_ANSWERS_MAX : 0;
    const int rc = mem_reserve(logprob, cap, n, sizeof **logprob, "answers", err);
    for (size_t k = 0; k < n && !rc; k++) {
        (*logprob)[k] = NAN;
    }
    return rc;
}

void score_places_look(const struct score_places *p, size_t at, const float *logits, double lse,
                       float *logprob)
{
    for (size_t i = 0; p && i < p->n; i++) {
        const struct score_place *place = &p->items[i];
        for (size_t k = 0; place->at == at && k < place->n; k++) {
            logprob[i * MINER_ANSWERS_MAX + k] = (float)((double)logits[place->ids[k]] - lse);
        }
    }
}

static int label_doc(struct score_answers *a, const struct tokens *doc, struct err *err)
{
    static const char what[] = "answers";
    struct tokens t = *doc;
    size_t all;
    if (!mem_mul(a->hypotheses.n, t.n, &all)) {
        return err_nomem(err, what);
    }
    int rc = mem_reserve(&a->window_begin, &a->window_begin_cap, t.n, sizeof *a->window_begin, what,
                         err);
    rc = rc ? rc : mem_reserve(&a->label, &a->label_cap, all, 1, what, err);
    rc = rc ? rc : mem_reserve(&a->answer, &a->answer_cap, all, sizeof *a->answer, what, err);
    for (size_t i = 0; i < t.n && !rc; i++) {
        a->window_begin[i] = (uint32_t)(i - i % (a->n_ctx - 1));
    }
    t.window_begin = a->window_begin;
    for (size_t h = 0; h < a->hypotheses.n && !rc; h++) {
        const struct miner *m = &a->hypotheses.items[h];
        uint8_t *label = a->label + h * t.n;
        uint32_t *answer = a->answer + h * t.n;
        enum miner_verdict verdict;
        rc = m->answers_itself ? labeller_answer(a->labeller, h, &t, label, answer, &verdict, err)
                               : labeller_run(a->labeller, h, &t, label, &verdict, err);
        a->gave_up[h] = verdict == MINER_GAVE_UP;
    }
    return rc;
}

int score_answers_find(struct score_answers *a, const struct window *w, struct score_places *out,
                       struct err *err)
{
    const struct tokens *doc = w->tokens;
    const size_t n = a->hypotheses.n;
    int rc = w->number == 0 ? label_doc(a, doc, err) : 0;
    if (rc) {
        return err_prefix(err, "doc %" PRIu64, w->doc);
    }
    out->n = 0;
    out->gave_up = out->gave_up ? out->gave_up : mem_zero(n, sizeof *out->gave_up);
    if (!out->gave_up) {
        return err_nomem(err, "answers");
    }
    memcpy(out->gave_up, a->gave_up, n * sizeof *out->gave_up);
    for (size_t h = 0; h < n; h++) {
        const struct miner *m = &a->hypotheses.items[h];
        for (size_t i = 0; i + 1 < w->n && !rc; i++) {
            const size_t at = h * doc->n + w->begin + i;
            if (!a->label[at]) {
                continue;
            }
            rc =
                mem_reserve(&out->items, &out->cap, out->n + 1, sizeof *out->items, "answers", err);
            if (!rc) {
                struct score_place *p = &out->items[out->n++];
                *p = (struct score_place){
                    .hypothesis = (uint32_t)h,
                    .at = (uint32_t)i + 1,
                    .ids = {m->answers_itself ? a->answer[at] : m->answers[0], m->answers[1]},
                    .n = m->answers_itself ? 1 : (uint32_t)m->n_answers};
            }
        }
    }
    return rc;
}

/* Writes {"HYPOTHESIS":[...]}, an item for each place. */
static void write_each(const struct score_answers *a, const struct score_places *places,
                       void (*write)(struct jsonout *j, const struct score_place *p,
                                     const float *logprob),
                       const float *logprob, struct jsonout *j)
{
    size_t i = 0;
    jsonout_begin(j, '{');
    for (size_t h = 0; h < a->hypotheses.n; h++) {
        jsonout_key(j, a->hypotheses.items[h].name);
        if (places->gave_up[h]) {
            jsonout_raw(j, "null");
            continue;
        }
        jsonout_begin(j, '[');
        for (; i < places->n && places->items[i].hypothesis == h; i++) {
            write(j, &places->items[i], logprob ? logprob + i * MINER_ANSWERS_MAX : NULL);
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

static void write_at(struct jsonout *j, const struct score_place *p, const float *logprob)
{
    (void)logprob;
    jsonout_u64(j, p->at);
}

static void write_ids(struct jsonout *j, const struct score_place *p, const float *logprob)
{
    (void)logprob;
    jsonout_u32s(j, p->ids, p->n);
}

static void write_logprob(struct jsonout *j, const struct score_place *p, const float *logprob)
{
    jsonout_floats(j, logprob, p->n);
}

void score_answers_begin(const struct score_answers *a, const struct score_places *places,
                         struct jsonout *j)
{
    jsonout_key(j, "answers");
    jsonout_begin(j, '{');
    jsonout_key(j, "at");
    write_each(a, places, write_at, NULL, j);
    jsonout_key(j, "ids");
    write_each(a, places, write_ids, NULL, j);
    jsonout_key(j, "logprob");
    jsonout_begin(j, '{');
}

void score_answers_write(const struct score_answers *a, const struct score_places *places,
                         const char *model, const float *logprob, struct jsonout *j)
{
    jsonout_key(j, model);
    if (logprob || places->n == 0) {
        write_each(a, places, write_logprob, logprob, j);
    } else {
        jsonout_raw(j, "null");
    }
}
