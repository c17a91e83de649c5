/*
 * The windows of a block that a changed model is run on: those with a document of its share, of
 * which it says something.
 */
#include "corpora/base/logprob_none.h"
#include "corpora/base/mem.h"
#include "out/results/doc_share.h"
#include "scan/work/unit_scores_internal.h"

static bool has_doc(const struct unit_scores *s, size_t model, size_t d)
{
    const struct run_model *m = &s->run->models[model];
    return doc_share_has(m->share_take, m->share_of, s->unit->docs[d].hash);
}

/* The first document that ends behind 'at'. */
static size_t find_doc(const struct unit_tokens *u, size_t at)
{
    size_t low = 0, high = u->n_docs;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (u->docs[middle].begin + u->docs[middle].n <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Is there a document of the model's share in tokens [begin, end)? */
static bool has_some(const struct unit_scores *s, size_t model, size_t begin, size_t end)
{
    const struct unit_tokens *u = s->unit;
    bool has = false;
    for (size_t d = find_doc(u, begin); d < u->n_docs && u->docs[d].begin < end && !has; d++) {
        has = u->docs[d].n > 0 && has_doc(s, model, d);
    }
    return has;
}

int unit_share_choose(struct unit_scores *s, size_t model, size_t first, size_t n, struct err *err)
{
    const struct scorer *m = &s->scorers[model];
    const struct layout *l = s->layout;
    int rc = mem_reserve(&s->some, &s->some_cap, n, sizeof *s->some, "windows", err);
    rc = rc ? rc : mem_reserve(&s->some_of, &s->some_of_cap, n, sizeof *s->some_of, "windows", err);
    s->some_model = model;
    s->n_some = 0;
    for (size_t t = s->block.begin; t < s->block.end && !rc; t++) {
        m->logprob[t] = logprob_none();
    }
    for (size_t k = first; k < first + n && !rc && !s->leaves_changed; k++) {
        const struct layout_window *w = &l->windows[k];
        if (has_some(s, model, w->begin, w->begin + w->n) && predictor_says(m->predictor, l, k)) {
            s->some_of[s->n_some] = k;
            s->some[s->n_some++] = s->windows[k];
        }
    }
    return rc;
}

void unit_share_silence(struct unit_scores *s, size_t model)
{
    const struct unit_tokens *u = s->unit;
    double *logprob = s->scorers[model].logprob;
    for (size_t d = find_doc(u, s->block.begin);
         d < u->n_docs && u->docs[d].begin < s->block.end && s->run->models[model].share_of; d++) {
        const size_t begin = u->docs[d].begin, end = begin + u->docs[d].n;
        const size_t from = begin > s->block.begin ? begin : s->block.begin;
        const size_t to = end < s->block.end ? end : s->block.end;
        const bool has = has_doc(s, model, d);
        for (size_t t = from; t < to && !has; t++) {
            logprob[t] = logprob_none();
        }
    }
}
