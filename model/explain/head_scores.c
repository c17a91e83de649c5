#include "model/explain/head_scores.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/stop.h"
#include "model/explain/copying.h"
#include "model/explain/seeded.h"
#include "model/pass/forward.h"

// Any number; results depend on it, so it stays.
#define SEED 20u

// --- the sequences ------------------------------------------------------------------------------

static bool may_be_drawn(const bool *left_out, uint32_t bos, size_t id)
{
    return id != bos && !(left_out && left_out[id]);
}

size_t head_scores_period(const struct model *m, uint32_t bos, const bool *left_out)
{
    const size_t fits = (m->config.n_ctx - 1) / 2;
    const size_t most = fits < HEAD_SCORES_PERIOD ? fits : HEAD_SCORES_PERIOD;
    size_t n = 0;
    for (size_t id = 0; id < m->config.d_vocab && n < most; id++) {
        n += may_be_drawn(left_out, bos, id);
    }
    return n;
}

int head_scores_sequence(const struct model *m, uint32_t bos, const bool *left_out, size_t number,
                         uint32_t *ids, struct err *err)
{
    const size_t T = head_scores_period(m, bos, left_out);
    struct seeded random = {((uint64_t)SEED << 32) + number};
    uint32_t *pool = mem_new(m->config.d_vocab, sizeof *pool);
    size_t n = 0;
    if (!pool) {
        return err_nomem(err, "random tokens");
    }
    for (size_t id = 0; id < m->config.d_vocab; id++) {
        if (may_be_drawn(left_out, bos, id)) {
            pool[n++] = (uint32_t)id;
        }
    }
    ids[0] = bos;
    for (size_t i = 0; i < T; i++) { // the first T of a random order
        const size_t at = i + seeded_below(&random, n - i);
        const uint32_t drawn = pool[at];
        pool[at] = pool[i];
        pool[i] = drawn;
        ids[1 + i] = ids[1 + T + i] = drawn;
    }
    free(pool);
    return 0;
}

// --- attention ----------------------------------------------------------------------------------

void head_scores_add(struct head_scores *sum, const float *pattern, size_t T)
{
    const size_t n = 2 * T + 1;
    struct head_scores s = {0};
    assert(T > 0);
    for (size_t i = 1; i < n; i++) {
        const float *row = pattern + i * n;
        s.previous_token += (double)row[i - 1];
        s.bos += (double)row[0];
        s.self += (double)row[i];
        if (i > T) {
            s.duplicate_token += (double)row[i - T];
            s.induction += (double)row[i - T + 1];
        }
    }
    const double all = 1 / (double)(n - 1), second = 1 / (double)T;
    sum->previous_token += s.previous_token * all;
    sum->bos += s.bos * all;
    sum->self += s.self * all;
    sum->duplicate_token += s.duplicate_token * second;
    sum->induction += s.induction * second;
}

struct detection {
    struct head_scores *heads; // [n_layers][n_heads], sums
    size_t n_heads, T;
};

static void see_pattern(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    const struct detection *d = context;
    (void)n;
    head_scores_add(&d->heads[layer * d->n_heads + head], pattern, d->T);
}

/* Divides the sums by the number of sequences; 0: they are not known. */
static void take_means(struct head_scores *heads, size_t n, size_t sequences)
{
    const double share = sequences > 0 ? 1 / (double)sequences : (double)NAN;
    for (size_t i = 0; i < n; i++) {
        heads[i].previous_token *= share;
        heads[i].duplicate_token *= share;
        heads[i].induction *= share;
        heads[i].bos *= share;
        heads[i].self *= share;
    }
}

static int detect(const struct model *m, uint32_t bos, const bool *left_out,
                  struct head_scores *out, const atomic_int *stop, struct err *err)
{
    const struct config *c = &m->config;
    struct detection d = {.heads = out, .n_heads = c->n_heads};
    const struct forward_hooks hooks = {.context = &d, .pattern = see_pattern};
    uint32_t ids[2 * HEAD_SCORES_PERIOD + 1];
    struct forward *f = NULL;
    d.T = head_scores_period(m, bos, left_out);
    const size_t sequences = d.T > 0 ? HEAD_SCORES_SEQUENCES : 0;
    int rc = forward_new(&f, m, err);
    for (size_t s = 0; s < sequences && !rc && !is_stopped(stop); s++) {
        rc = head_scores_sequence(m, bos, left_out, s, ids, err);
        if (!rc) {
            forward_run(f, ids, 2 * d.T + 1, &hooks);
        }
    }
    take_means(out, c->n_layers * c->n_heads, sequences);
    forward_free(f);
    return rc;
}

// --- all scores ---------------------------------------------------------------------------------

static int score_copying(const struct model *m, struct head_scores *out, const atomic_int *stop,
                         struct err *err)
{
    const struct config *c = &m->config;
    struct copying *copying = NULL;
    int rc = copying_new(&copying, m, stop, err);
    for (size_t i = 0; i < c->n_layers * c->n_heads && !rc && !is_stopped(stop); i++) {
        const size_t layer = i / c->n_heads, head = i % c->n_heads;
        struct copying_sums folded, raw;
        rc = copying_of(copying, layer, head, true, &folded, err);
        if (rc) {
            break;
        }
        rc = copying_of(copying, layer, head, false, &raw, err);
        if (rc) {
            break;
        }
        out[i].copying = copying_score(&folded);
        out[i].copying_raw = copying_score(&raw);
    }
    copying_free(copying);
    return rc;
}

int head_scores_make(const struct model *m, uint32_t bos, const bool *left_out,
                     struct head_scores *out, const atomic_int *stop, struct err *err)
{
    const struct config *c = &m->config;
    assert(bos < c->d_vocab);
    for (size_t i = 0; i < c->n_layers * c->n_heads; i++) {
        out[i] = (struct head_scores){0};
    }
    int rc = detect(m, bos, left_out, out, stop, err);
    return rc ? rc : score_copying(m, out, stop, err);
}
