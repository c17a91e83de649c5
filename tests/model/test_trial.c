/*
 * Trials of trigrams: neurons that were planted are found and told apart, decoys are none; the
 * numbers of models of several layers are those of a slow reference, made of forward.h and patch.h.
 */
#include "tests/kit/golden_model.h"

#include <math.h>
#include <sys/stat.h>

#include "model/explain/patch.h"
#include "model/explain/trial.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/kit/folder.h"
#include "tests/kit/planted_model.h"
#include "tests/kit/random.h"

// Nats, and activations relative to the largest of their row or 1.
#define MAX_NATS 1e-4
#define MAX_ACTS 2e-5

struct at_work {
    struct engine *engine;
    struct engine_ctx *run;
    struct trial *trials;
};

static struct at_work start(const struct model *m, const struct kern *k, enum site site)
{
    struct at_work w;
    assert_int_equal(engine_new(&w.engine, m, k, PRECISION_EXACT, NULL), 0);
    assert_int_equal(engine_ctx_new(&w.run, w.engine, NULL), 0);
    assert_int_equal(trial_new(&w.trials, w.engine, site, NULL), 0);
    return w;
}

static void stop(struct at_work *w)
{
    trial_free(w->trials);
    engine_ctx_free(w->run);
    engine_free(w->engine);
}

// --- a trigram to ask ---------------------------------------------------------------------------

#define LONGEST 40
#define PLACES (TRIAL_CONTEXTS + TRIAL_ELSEWHERE)

struct asked {
    struct trial_trigram trigram;
    struct trial_context contexts[PLACES];
    uint32_t ids[PLACES][LONGEST];
    uint32_t fillers[2][TRIAL_LISTED];
};

/* Random contexts of 2 tokens and more, elsewhere of 1 and more, 'longest' at most; fillers and all
 * other tokens from 'from' on. */
static void make_asked(struct asked *q, uint32_t a, uint32_t b, uint32_t c, uint32_t from,
                       uint32_t d_vocab, size_t longest)
{
    for (size_t k = 0; k < PLACES; k++) {
        const bool here = k < TRIAL_CONTEXTS;
        const size_t n = (here ? 2 : 1) + k * 5 % (longest - 1);
        for (size_t i = 0; i < n; i++) {
            q->ids[k][i] = from + next_random(d_vocab - from);
        }
        q->ids[k][n - 1] = b;
        if (here) {
            q->ids[k][n - 2] = a;
        }
        q->contexts[k] = (struct trial_context){
            .first = from + next_random(d_vocab - from), .ids = q->ids[k], .n = n};
    }
    for (size_t i = 0; i < TRIAL_LISTED; i++) { // all different
        q->fillers[0][i] = from + (uint32_t)(7 * i);
        q->fillers[1][i] = from + (uint32_t)(7 * i + 3);
    }
    q->trigram = (struct trial_trigram){.a = a,
                                        .b = b,
                                        .c = c,
                                        .fillers_a = q->fillers[0],
                                        .fillers_b = q->fillers[1],
                                        .n_fillers_a = 5,
                                        .n_fillers_b = 6,
                                        .contexts = q->contexts,
                                        .n_contexts = TRIAL_CONTEXTS,
                                        .elsewhere = q->contexts + TRIAL_CONTEXTS,
                                        .n_elsewhere = TRIAL_ELSEWHERE};
}

// --- planted ------------------------------------------------------------------------------------

static const struct planted_trigram trigrams[] = {
    {PLANTED_BY_AND, 1, 2, 3, 4},        {PLANTED_BY_SPREAD, 5, 6, 7, 8},
    {PLANTED_BY_B_ONLY, 9, 10, 11, 12},  {PLANTED_BY_A_ONLY, 13, 14, 15, 16},
    {PLANTED_BY_BIGRAM, 17, 18, 19, 20}, {PLANTED_BY_SKIP, 21, 22, 23, 24},
    {PLANTED_BY_BOTH, 25, 26, 27, 28},   {PLANTED_BY_AND, 29, 30, 31, 0}, // a second one of a kind
};
#define N_TRIGRAMS (sizeof trigrams / sizeof *trigrams)
#define FROM 32 // all other tokens

static const struct planted planted = {.trigrams = trigrams, .n = N_TRIGRAMS, .d_vocab = 300};

static struct model *planted_model(bool attn_only)
{
    char dir[256];
    struct model *m = NULL;
    struct err err = {0};
    snprintf(dir, sizeof dir, "%s/%s", folder, attn_only ? "twin" : "planted");
    mkdir(dir, 0777);
    planted_write(&planted, attn_only, dir);
    if (model_load(&m, "planted", dir, &err)) {
        fail_msg("%s", err.msg);
    }
    return m;
}

static void ask(struct at_work *w, const struct planted_trigram *t, struct asked *q,
                struct trial_result *out)
{
    make_asked(q, t->a, t->b, t->c, FROM, 300, PLANTED_N_CTX - 1);
    trial_run(w->trials, w->run, &q->trigram, out, NULL);
    assert_int_equal(out->contexts, TRIAL_CONTEXTS);
    assert_int_equal(out->pairs, TRIAL_CONTEXTS * TRIAL_FILLERS);
}

static const char *const verdicts[][2] = {
    [PLANTED_BY_AND] = {"AND-like", "no interaction"},
    [PLANTED_BY_SPREAD] = {"spread", "no interaction"},
    [PLANTED_BY_B_ONLY] = {"B-only", "no neurons"},
    [PLANTED_BY_A_ONLY] = {"A-only", "no interaction"},
    [PLANTED_BY_BOTH] = {"AND-like", "no interaction"},
    [PLANTED_BY_BIGRAM] = {"no interaction", "no interaction"},
    [PLANTED_BY_SKIP] = {"no interaction", "no interaction"},
};

static void what_was_planted_is_found(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    for (int twin = 0; twin < 2; twin++) {
        struct model *m = planted_model(twin);
        struct at_work w = start(m, kern_best(), SITE_POST);
        for (size_t k = 0; k < N_TRIGRAMS; k++) {
            ask(&w, &trigrams[k], &q, &r);
            const char *wanted = verdicts[trigrams[k].way][twin];
            if (strcmp(trial_verdict_name(&r), wanted) != 0) {
                fail_msg("trigram %zu: %s, not %s; interaction %.3f, se %.3f", k,
                         trial_verdict_name(&r), wanted, r.table.interaction, r.table.se);
            }
            if (r.verdict == TRIAL_NAMED) {
                const bool both = trigrams[k].way == PLANTED_BY_BOTH; // the other takes more
                assert_int_equal(r.named, both);
                assert_int_equal(r.neurons[r.named].index, planted_neuron(&planted, k) + both);
                assert_int_equal(r.neurons[r.named].layer, 0);
            } else {
                assert_true(r.named == SIZE_MAX);
            }
        }
        stop(&w);
        model_free(m);
    }
}

/* By hand: an AND neuron has post 4 in AB, and gelu(-4) = -1.3e-4 or less elsewhere; it adds 12 to
 * C's logit, which without it is about that of any token. */
static void an_and_neuron_is_as_it_was_planted(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    ask(&w, &trigrams[0], &q, &r);
    const struct trial_neuron *n = &r.neurons[0];
    assert_true(fabs(n->pairs.cells[TRIAL_AB] - 4) < 2e-4);
    for (size_t k = TRIAL_XB; k < TRIAL_CELLS; k++) {
        assert_true(fabs(n->pairs.cells[k]) < 2e-4);
    }
    assert_true(fabs(n->pairs.interaction - 4) < 6e-4);
    assert_true(n->pairs.se < 1e-4);
    assert_true(fabs(n->direct - 3 * (1 - 1 / 300.0)) < 1e-5);
    assert_true(fabs(n->written - 4 * n->direct) < 1e-2);
    assert_true(n->share > 0.95 && n->share <= 1);
    assert_int_equal(r.n_half, 1);
    // with it C has all but exp(9 - 12); without it D has nearly all
    assert_true(r.table.cells[TRIAL_AB] > -0.5 && r.table.cells[TRIAL_XB] < -7);
    assert_true(n->ablated < -7 && n->ablated_se > 0 && n->ablated_se < 1);
    assert_true(fabs(n->elsewhere) < 1e-2);
    assert_true(isnan(n->corpus_interaction));
    stop(&w);
    model_free(m);
}

static void many_neurons_share_evenly(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    ask(&w, &trigrams[1], &q, &r);
    assert_in_range(r.n_half, PLANTED_MANY / 2, PLANTED_MANY / 2 + 1); // a little is noise
    assert_int_equal(r.n_neurons, TRIAL_NEURONS);
    for (size_t i = 0; i < r.n_neurons; i++) {
        const size_t from = planted_neuron(&planted, 1);
        const struct trial_neuron *n = &r.neurons[i];
        if (n->index >= from && n->index < from + PLANTED_MANY) {
            assert_true(fabs(n->share * PLANTED_MANY - 1) < 0.05);
            assert_int_equal(n->kind, TRIAL_AND_LIKE);
        }
    }
    stop(&w);
    model_free(m);
}

// --- the reference ------------------------------------------------------------------------------

#define NEURONS_MAX ((size_t)8 * 512)
#define D_VOCAB 512
#define FEW ((size_t)5) // contexts, and places elsewhere

/* What the reference pass says of a window's last token, and what is inside. */
struct row {
    double logprob, scale;
    float logits[D_VOCAB];
    float acts[NEURONS_MAX], post[NEURONS_MAX]; // [n_layers][d_mlp]
    enum site site;
};

static void hook(void *context, size_t layer, enum site site, const float *acts, size_t n,
                 size_t d_mlp)
{
    struct row *row = context;
    assert_true((layer + 1) * d_mlp <= NEURONS_MAX);
    if (site == row->site) {
        memcpy(row->acts + layer * d_mlp, acts + (n - 1) * d_mlp, d_mlp * sizeof *acts);
    }
    if (site == SITE_POST) {
        memcpy(row->post + layer * d_mlp, acts + (n - 1) * d_mlp, d_mlp * sizeof *acts);
    }
}

static double plain_scale(const struct model *m, const float *resid)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < m->config.d_model && !m->config.final_rms; i++) {
        mean += (double)resid[i] / (double)m->config.d_model;
    }
    for (size_t i = 0; i < m->config.d_model; i++) {
        const double x = (double)resid[i] - mean;
        square += x * x / (double)m->config.d_model;
    }
    return 1 / sqrt(square + (double)m->config.eps);
}

/* The window of a context, its last two tokens replaced by x and y: how many ids. */
static size_t window_of(const struct trial_context *c, uint32_t x, uint32_t y, uint32_t *ids)
{
    ids[0] = c->first;
    memcpy(ids + 1, c->ids, c->n * sizeof *ids);
    if (c->n > 1) {
        ids[c->n - 1] = x;
    }
    ids[c->n] = y;
    return c->n + 1;
}

static void run_row(struct forward *f, const struct model *m, const struct trial_context *c,
                    uint32_t x, uint32_t y, uint32_t target, struct row *row)
{
    const struct forward_hooks hooks = {.context = row, .neurons = hook};
    uint32_t ids[LONGEST + 1];
    const size_t n = window_of(c, x, y, ids);
    forward_run(f, ids, n, &hooks);
    forward_logits(f, n - 1, 1, row->logits);
    row->logprob =
        (double)row->logits[target] - logprob_log_sum_exp(row->logits, m->config.d_vocab);
    row->scale = plain_scale(m, forward_resid_final(f) + (n - 1) * m->config.d_model);
}

/* All that minimal pairs say, of each context. */
struct reference {
    double logprob[FEW][TRIAL_CELLS];
    double acts[FEW][TRIAL_CELLS][NEURONS_MAX];
    double written[FEW][TRIAL_CELLS][NEURONS_MAX]; // post times scale
    double p[D_VOCAB];                             // in xB, the first filler of each context
    double direct[NEURONS_MAX], against[NEURONS_MAX];
};

static void add_row(struct reference *r, size_t i, size_t cell, double weight,
                    const struct row *row, size_t n_neurons)
{
    r->logprob[i][cell] += weight * row->logprob;
    for (size_t j = 0; j < n_neurons; j++) {
        r->acts[i][cell][j] += weight * (double)row->acts[j];
        r->written[i][cell][j] += weight * row->scale * (double)row->post[j];
    }
}

/* Of one unit of post on the token's logit, less the mean that q weighs. */
static void plain_direct(const struct model *m, uint32_t token, const double *q, double *direct)
{
    const struct config *c = &m->config;
    double v[64], mean = 0;
    assert_true(c->d_model <= 64 && c->norm != NORM_NONE);
    for (size_t i = 0; i < c->d_model; i++) {
        v[i] = (double)m->W_U[i * c->d_vocab + token];
        for (size_t t = 0; t < c->d_vocab; t++) {
            v[i] -= q[t] * (double)m->W_U[i * c->d_vocab + t];
        }
        v[i] *= m->ln_final_w ? (double)m->ln_final_w[i] : 1;
        mean += c->final_rms ? 0 : v[i] / (double)c->d_model;
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        for (size_t k = 0; k < c->d_mlp; k++) {
            direct[l * c->d_mlp + k] = 0;
            for (size_t i = 0; i < c->d_model; i++) {
                direct[l * c->d_mlp + k] +=
                    (double)m->layers[l].W_out[k * c->d_model + i] * (v[i] - mean);
            }
        }
    }
}

static void find_reference(struct reference *r, struct forward *f, const struct model *m,
                           const struct trial_trigram *g, enum site site)
{
    const struct config *c = &m->config;
    const size_t n_neurons = c->attn_only ? 0 : c->n_layers * c->d_mlp;
    static struct row row;
    double even[D_VOCAB];
    memset(r, 0, sizeof *r);
    row.site = site;
    for (size_t i = 0; i < g->n_contexts; i++) {
        const struct trial_context *at = &g->contexts[i];
        run_row(f, m, at, g->a, g->b, g->c, &row);
        add_row(r, i, TRIAL_AB, 1, &row, n_neurons);
        for (size_t j = 0; j < 4; j++) {
            const uint32_t x = g->fillers_a[(i + j) % g->n_fillers_a];
            const uint32_t y = g->fillers_b[(i + j) % g->n_fillers_b];
            run_row(f, m, at, x, g->b, g->c, &row);
            add_row(r, i, TRIAL_XB, 0.25, &row, n_neurons);
            const double lse = logprob_log_sum_exp(row.logits, c->d_vocab);
            for (size_t t = 0; t < c->d_vocab && j == 0; t++) {
                r->p[t] += exp((double)row.logits[t] - lse) / (double)g->n_contexts;
            }
            run_row(f, m, at, g->a, y, g->c, &row);
            add_row(r, i, TRIAL_AX, 0.25, &row, n_neurons);
            run_row(f, m, at, x, y, g->c, &row);
            add_row(r, i, TRIAL_XX, 0.25, &row, n_neurons);
        }
    }
    for (size_t t = 0; t < c->d_vocab; t++) {
        even[t] = 1 / (double)c->d_vocab;
    }
    if (n_neurons > 0) {
        plain_direct(m, g->c, even, r->direct);
        plain_direct(m, g->c, r->p, r->against);
    }
}

struct plain {
    double mean, se;
};

static struct plain plain_mean(const double *x, size_t n)
{
    struct plain p = {0};
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        p.mean += x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        square += (x[i] - p.mean) * (x[i] - p.mean);
    }
    p.se = n < 2 ? NAN : sqrt(square / (double)(n - 1)) / sqrt((double)n);
    return p;
}

static void assert_near(double x, double wanted, double within, const struct model *m,
                        const char *what)
{
    if (isnan(wanted) ? !isnan(x) : !(fabs(x - wanted) <= within)) {
        fail_msg("%s, %s: %.7f, not %.7f", m->name, what, x, wanted);
    }
}

/* The cells of neuron j, or of ln P(C), in context i. */
static double cell_of(const struct reference *r, size_t i, size_t cell, size_t j)
{
    return j == SIZE_MAX ? r->logprob[i][cell] : r->acts[i][cell][j];
}

static void check_table(const struct reference *r, size_t n, size_t j, const struct model *m,
                        const struct trial_table *t, double within, const char *what)
{
    double interaction[FEW], cells[FEW];
    for (size_t k = 0; k < TRIAL_CELLS; k++) {
        for (size_t i = 0; i < n; i++) {
            cells[i] = cell_of(r, i, k, j);
        }
        assert_near(t->cells[k], plain_mean(cells, n).mean, within, m, what);
    }
    for (size_t i = 0; i < n; i++) {
        interaction[i] = cell_of(r, i, TRIAL_AB, j) - cell_of(r, i, TRIAL_XB, j) -
                         cell_of(r, i, TRIAL_AX, j) + cell_of(r, i, TRIAL_XX, j);
    }
    const struct plain p = plain_mean(interaction, n);
    assert_near(t->interaction, p.mean, 4 * within, m, what);
    assert_near(t->se, p.se, 4 * within, m, what);
}

static double sum_of(double x[FEW][TRIAL_CELLS][NEURONS_MAX], size_t n, size_t cell, size_t j)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i][cell][j] / (double)n;
    }
    return sum;
}

/* Interaction of what neuron j writes for C; and what A and B change of what it writes for C
 * against what is said in xB. */
static double plain_written(struct reference *r, size_t n, size_t j)
{
    return r->direct[j] * (sum_of(r->written, n, TRIAL_AB, j) - sum_of(r->written, n, TRIAL_XB, j) -
                           sum_of(r->written, n, TRIAL_AX, j) + sum_of(r->written, n, TRIAL_XX, j));
}

static double plain_change(struct reference *r, size_t n, size_t j)
{
    return r->against[j] *
           (sum_of(r->written, n, TRIAL_AB, j) - sum_of(r->written, n, TRIAL_XX, j));
}

static enum trial_kind plain_kind(const struct reference *r, size_t n, size_t j)
{
    double t[FEW], a = 0, b = 0;
    for (size_t i = 0; i < n; i++) {
        const double *xx = &r->acts[i][TRIAL_XX][j];
        t[i] = r->acts[i][TRIAL_AB][j] - *xx;
        a += (r->acts[i][TRIAL_AX][j] - *xx) / (double)n;
        b += (r->acts[i][TRIAL_XB][j] - *xx) / (double)n;
    }
    const struct plain p = plain_mean(t, n);
    if (fabs(p.mean) < 2 * p.se) {
        return TRIAL_NONE;
    }
    if ((p.mean - a - b) / p.mean >= 0.5) { // a share of t
        return TRIAL_AND_LIKE;
    }
    return b / p.mean >= a / p.mean ? TRIAL_B_ONLY : TRIAL_A_ONLY;
}

/* Mean change of ln P(C) at the places with a neuron's post at the last position 0. */
static struct plain plain_ablated(struct patcher *p, const struct model *m, uint32_t target,
                                  const struct trial_context *places, size_t n,
                                  const struct trial_neuron *neuron)
{
    static float logits[D_VOCAB];
    double change[FEW];
    for (size_t i = 0; i < n; i++) {
        const struct trial_context *c = &places[i];
        struct recording *recording;
        uint32_t ids[LONGEST + 1];
        const size_t n_ids = window_of(c, c->n > 1 ? c->ids[c->n - 2] : 0, c->ids[c->n - 1], ids);
        assert_int_equal(recording_new(&recording, p, ids, n_ids, NULL), 0);
        const struct patch patch = {.kind = PATCH_POST,
                                    .layer = neuron->layer,
                                    .index = neuron->index,
                                    .position = n_ids - 1};
        patch_run(p, recording, &patch, 1);
        patch_logits(p, logits);
        const float *as_it_is = recording->logits;
        change[i] = (double)logits[target] - logprob_log_sum_exp(logits, m->config.d_vocab) -
                    (double)as_it_is[target] + logprob_log_sum_exp(as_it_is, m->config.d_vocab);
        recording_free(recording);
    }
    return plain_mean(change, n);
}

static size_t place_of(const struct trial_result *r, const struct model *m, size_t j)
{
    for (size_t i = 0; i < r->n_neurons; i++) {
        if (r->neurons[i].layer * m->config.d_mlp + r->neurons[i].index == j) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* The neurons of the largest scores are among those that were looked at. */
static void check_choice(struct reference *r, const struct trial_trigram *g, const struct model *m,
                         enum site site, const struct trial_result *out)
{
    const size_t n = m->config.n_layers * m->config.d_mlp;
    size_t best[3] = {0};
    double most[3] = {0};
    for (size_t j = 0; j < n; j++) {
        const double *f = g->corpus;
        const float *w = site == SITE_MID ? m->layers[j / m->config.d_mlp].ln_mlp_w : NULL;
        const double scores[3] = {plain_written(r, g->n_contexts, j),
                                  plain_change(r, g->n_contexts, j),
                                  f ? (f[j] - f[n + j] - f[2 * n + j] + f[3 * n + j]) *
                                          r->direct[j] * (w ? (double)w[j % m->config.d_mlp] : 1)
                                    : 0};
        for (size_t k = 0; k < 3; k++) {
            if (scores[k] > most[k]) {
                most[k] = scores[k];
                best[k] = j;
            }
        }
    }
    for (size_t k = 0; k < (g->corpus ? 3 : 2); k++) {
        assert_true(most[k] > 0);
        assert_true(place_of(out, m, best[k]) < SIZE_MAX);
    }
    assert_int_equal(out->n_neurons, TRIAL_NEURONS);
}

static void check_neurons(struct reference *r, const struct trial_trigram *g, const struct model *m,
                          enum site site, const struct trial_result *out)
{
    const size_t n = g->n_contexts, n_neurons = m->config.n_layers * m->config.d_mlp;
    struct patcher *p;
    double sum = 0, size = 1;
    for (size_t j = 0; j < n_neurons; j++) {
        sum += fmax(plain_written(r, n, j), 0);
        size = fmax(size, fabs(sum_of(r->acts, n, TRIAL_AB, j)));
    }
    assert_int_equal(patcher_new(&p, m, NULL), 0);
    for (size_t i = 0; i < out->n_neurons; i++) {
        const struct trial_neuron *o = &out->neurons[i];
        const size_t j = o->layer * m->config.d_mlp + o->index;
        assert_int_equal(place_of(out, m, j), i); // each once
        check_table(r, n, j, m, &o->pairs, MAX_ACTS * size, "activations");
        assert_near(o->direct, r->direct[j], MAX_ACTS * (1 + fabs(r->direct[j])), m, "direct");
        assert_near(o->written, plain_written(r, n, j), MAX_NATS, m, "written");
        assert_near(o->share, fmax(plain_written(r, n, j), 0) / sum, MAX_NATS, m, "share");
        assert_int_equal(o->kind, plain_kind(r, n, j));
        const struct plain here = plain_ablated(p, m, g->c, g->contexts, n, o);
        const struct plain there = plain_ablated(p, m, g->c, g->elsewhere, g->n_elsewhere, o);
        assert_near(o->ablated, here.mean, MAX_NATS, m, "ablated");
        assert_near(o->ablated_se, here.se, MAX_NATS, m, "its se");
        assert_near(o->elsewhere, there.mean, MAX_NATS, m, "elsewhere");
        assert_true(i == 0 || out->neurons[i - 1].ablated <= o->ablated);
    }
    check_choice(r, g, m, site, out);
    patcher_free(p);
}

/* A corpus in which neurons differ in all cells; at the site 'mid' one in which what they write
 * for C differs by ln_mlp.w, and by little else. */
static void make_corpus(double *corpus, const struct reference *r, size_t n, enum site site)
{
    for (size_t i = 0; i < TRIAL_CELLS * n; i++) {
        corpus[i] = (double)next_random(1000) / 1000;
        if (site == SITE_MID) {
            corpus[i] = i < n ? (1 + corpus[i] / 100) / r->direct[i] : 0;
        }
    }
}

static void check_model(const struct model *m, const struct kern *k, enum site site)
{
    static struct asked q;
    static struct reference r;
    static double corpus[TRIAL_CELLS * NEURONS_MAX];
    struct trial_result out;
    struct forward *f;
    assert_true(m->config.d_vocab <= D_VOCAB);
    make_asked(&q, 1, 2, 3, FROM, (uint32_t)m->config.d_vocab, LONGEST);
    q.trigram.n_contexts = q.trigram.n_elsewhere = FEW;
    assert_int_equal(forward_new(&f, m, NULL), 0);
    find_reference(&r, f, m, &q.trigram, site);
    forward_free(f);
    if (site != SITE_PRE && !m->config.attn_only) {
        make_corpus(corpus, &r, m->config.n_layers * m->config.d_mlp, site);
        q.trigram.corpus = corpus;
    }
    struct at_work w = start(m, k, site);
    trial_run(w.trials, w.run, &q.trigram, &out, NULL);
    stop(&w);
    check_table(&r, FEW, SIZE_MAX, m, &out.table, MAX_NATS / 4, "ln P(C)");
    if (m->config.attn_only) {
        assert_int_equal(out.n_neurons, 0);
    } else {
        check_neurons(&r, &q.trigram, m, site, &out);
    }
}

static void numbers_are_those_of_the_reference(void **state)
{
    (void)state;
    static const enum site sites[] = {SITE_PRE, SITE_MID, SITE_POST};
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        for (size_t s = 0; s < 3; s++) {
            enum site site;
            if (m->config.attn_only ? s == 0 : !model_site(m, sites[s], &site, NULL)) {
                check_model(m, kern_best(), sites[s]);
            }
        }
        model_free(m);
    }
}

/* The same in every table of kernels. */
static void and_so_with_all_kernels(void **state)
{
    (void)state;
    static const char *const some[] = {"attn-only-2l-demo", "gelu-2l", "solu-4l"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct model *m = golden_model(some[i]);
        for (size_t t = 0; kern_at(t); t++) {
            if (kern_runs(kern_at(t))) {
                check_model(m, kern_at(t), SITE_POST);
            }
        }
        model_free(m);
    }
}

// --- verdicts -----------------------------------------------------------------------------------

/* What the numbers say, by the rules of trials.h. */
static const char *plain_verdict(const struct trial_result *r)
{
    const double least = 0.25 * r->table.interaction;
    const char *other = NULL;
    if (r->table.interaction < 0.5 || r->table.interaction < 2 * r->table.se) {
        return "no interaction";
    }
    for (size_t i = 0; i < r->n_neurons; i++) {
        if (r->neurons[i].ablated <= -least && r->neurons[i].kind == TRIAL_AND_LIKE) {
            return "AND-like";
        }
    }
    for (size_t i = 0; i < r->n_neurons && !other; i++) {
        if (r->neurons[i].ablated <= -least && r->neurons[i].kind != TRIAL_NONE) {
            other = r->neurons[i].kind == TRIAL_A_ONLY ? "A-only" : "B-only";
        }
    }
    return other ? other : "spread";
}

/* Random trigrams of models with random weights, 3 contexts: interactions of any size, and sure or
 * not. */
static void verdicts_are_what_the_numbers_say(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    size_t unsure = 0, sure = 0;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        struct at_work w = start(m, kern_best(), SITE_POST);
        for (size_t k = 0; k < 30 && !m->config.attn_only; k++) {
            make_asked(&q, next_random(10), 10 + next_random(10), 20 + next_random(10), FROM,
                       (uint32_t)m->config.d_vocab, LONGEST);
            q.trigram.n_contexts = 3;
            trial_run(w.trials, w.run, &q.trigram, &r, NULL);
            assert_string_equal(trial_verdict_name(&r), plain_verdict(&r));
            if (r.table.interaction >= 0.5) {
                sure += r.verdict != TRIAL_NO_INTERACTION;
                unsure += r.verdict == TRIAL_NO_INTERACTION;
            }
        }
        stop(&w);
        model_free(m);
    }
    assert_true(sure > 0 && unsure > 0);
    printf("%zu interactions are sure, %zu are not\n", sure, unsure);
}

// --- what a trigram may bring -------------------------------------------------------------------

/* The AND neuron's trigram, with the lists changed before it is asked. */
static void make_first(struct asked *q)
{
    const struct planted_trigram *t = &trigrams[0];
    make_asked(q, t->a, t->b, t->c, FROM, 300, PLANTED_N_CTX - 1);
}

static void assert_not_tested(struct at_work *w, const struct asked *q)
{
    struct trial_result r;
    trial_run(w->trials, w->run, &q->trigram, &r, NULL);
    assert_int_equal(r.contexts, 0);
    assert_int_equal(r.pairs, 0);
    assert_int_equal(r.n_neurons, 0);
    assert_true(r.named == SIZE_MAX);
    assert_string_equal(trial_verdict_name(&r), "not tested");
}

static void without_contexts_or_fillers_nothing_is_tested(void **state)
{
    (void)state;
    static struct asked q;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    make_first(&q);
    q.trigram.n_contexts = 0;
    assert_not_tested(&w, &q);
    make_first(&q);
    q.trigram.n_fillers_a = 0;
    assert_not_tested(&w, &q);
    make_first(&q);
    q.fillers[1][0] = q.trigram.a;
    q.fillers[1][1] = q.trigram.c;
    q.trigram.n_fillers_b = 2; // neither may stand in
    assert_not_tested(&w, &q);
    make_first(&q);
    q.fillers[1][0] = q.fillers[0][0];
    q.trigram.n_fillers_a = q.trigram.n_fillers_b = 1; // the only pair is one token twice
    assert_not_tested(&w, &q);
    stop(&w);
    struct model small = *m;
    small.config.n_ctx = 2;
    w = start(&small, kern_best(), SITE_POST);
    make_first(&q);
    assert_not_tested(&w, &q);
    stop(&w);
    model_free(m);
}

static void one_context_has_no_standard_error(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result r;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    make_first(&q);
    q.trigram.n_contexts = 1; // of two tokens: nothing but BOS is before A
    q.trigram.n_elsewhere = 0;
    assert_int_equal(q.contexts[0].n, 2);
    trial_run(w.trials, w.run, &q.trigram, &r, NULL);
    assert_int_equal(r.contexts, 1);
    assert_int_equal(r.pairs, TRIAL_FILLERS);
    assert_true(isnan(r.table.se) && r.table.interaction > 8);
    assert_string_equal(trial_verdict_name(&r), "AND-like");
    assert_int_equal(r.neurons[r.named].index, planted_neuron(&planted, 0));
    assert_true(isnan(r.neurons[0].pairs.se) && isnan(r.neurons[0].ablated_se));
    assert_true(isnan(r.neurons[0].elsewhere) && r.neurons[0].ablated < -7);
    stop(&w);
    model_free(m);
}

/* The same bits, but for NaN. */
static void assert_equal(double x, double y)
{
    assert_true(x == y || (isnan(x) && isnan(y)));
}

static void assert_same_table(const struct trial_table *x, const struct trial_table *y)
{
    for (size_t k = 0; k < TRIAL_CELLS; k++) {
        assert_equal(x->cells[k], y->cells[k]);
    }
    assert_equal(x->interaction, y->interaction);
    assert_equal(x->se, y->se);
}

static void assert_same(const struct trial_result *x, const struct trial_result *y)
{
    assert_int_equal(x->contexts, y->contexts);
    assert_int_equal(x->pairs, y->pairs);
    assert_int_equal(x->verdict, y->verdict);
    assert_true(x->named == y->named);
    assert_int_equal(x->n_half, y->n_half);
    assert_same_table(&x->table, &y->table);
    assert_int_equal(x->n_neurons, y->n_neurons);
    for (size_t i = 0; i < x->n_neurons; i++) {
        const struct trial_neuron *a = &x->neurons[i], *b = &y->neurons[i];
        assert_true(a->layer == b->layer && a->index == b->index && a->kind == b->kind);
        assert_same_table(&a->pairs, &b->pairs);
        assert_equal(a->direct, b->direct);
        assert_equal(a->written, b->written);
        assert_equal(a->share, b->share);
        assert_equal(a->ablated, b->ablated);
        assert_equal(a->ablated_se, b->ablated_se);
        assert_equal(a->elsewhere, b->elsewhere);
    }
}

static void fillers_that_may_not_stand_in_are_left_out(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result clean, r;
    struct model *m = planted_model(false);
    struct at_work w = start(m, kern_best(), SITE_POST);
    make_first(&q);
    const struct trial_trigram *g = &q.trigram;
    q.trigram.n_fillers_a = q.trigram.n_fillers_b = 3;
    trial_run(w.trials, w.run, g, &clean, NULL);
    assert_int_equal(clean.pairs, 3 * TRIAL_CONTEXTS); // as many as the longer list has
    const uint32_t *fa = q.fillers[0], *fb = q.fillers[1];
    const uint32_t as[] = {g->a, fa[0], fa[1], fa[0], g->c, fa[2], g->b, fa[1]};
    const uint32_t bs[] = {fb[0], g->b, fb[1], fb[1], fb[2], g->c, g->a};
    q.trigram.fillers_a = as;
    q.trigram.n_fillers_a = 8;
    q.trigram.fillers_b = bs;
    q.trigram.n_fillers_b = 7;
    trial_run(w.trials, w.run, g, &r, NULL);
    assert_same(&r, &clean);
    // one token in both lists: of the second the next one
    const uint32_t x[] = {40, 41}, y[] = {40, 42}, z[] = {42, 40};
    q.trigram.fillers_a = x;
    q.trigram.n_fillers_a = q.trigram.n_fillers_b = 2;
    q.trigram.fillers_b = y;
    q.trigram.n_contexts = 1;
    trial_run(w.trials, w.run, g, &r, NULL); // 40 42, 41 42
    assert_int_equal(r.pairs, 2);
    q.trigram.fillers_b = z;
    q.trigram.n_fillers_b = 1;
    trial_run(w.trials, w.run, g, &clean, NULL); // 40 42, 41 42
    assert_same(&r, &clean);
    q.trigram.fillers_b = x;
    trial_run(w.trials, w.run, g, &r, NULL); // 41 40 alone
    assert_int_equal(r.pairs, 1);
    stop(&w);
    model_free(m);
}

static void long_contexts_lose_their_front(void **state)
{
    (void)state;
    static struct asked q;
    struct trial_result whole, r;
    struct model *m = planted_model(false);
    struct model small = *m;
    small.config.n_ctx = 9;
    struct at_work w = start(&small, kern_best(), SITE_POST);
    make_first(&q);
    trial_run(w.trials, w.run, &q.trigram, &whole, NULL);
    for (size_t k = 0; k < PLACES; k++) {
        if (q.contexts[k].n > 8) {
            q.contexts[k].ids += q.contexts[k].n - 8;
            q.contexts[k].n = 8;
        }
    }
    trial_run(w.trials, w.run, &q.trigram, &r, NULL);
    assert_same(&r, &whole);
    assert_string_equal(trial_verdict_name(&r), "AND-like");
    stop(&w);
    model_free(m);
}

static void a_trial_depends_on_its_trigram_alone(void **state)
{
    (void)state;
    static struct asked q, other;
    struct trial_result first, between, again;
    atomic_int stopped = 1;
    struct model *m = golden_model("gelu-2l");
    struct at_work w = start(m, kern_best(), SITE_POST);
    make_asked(&q, 1, 2, 3, FROM, (uint32_t)m->config.d_vocab, LONGEST);
    make_asked(&other, 4, 5, 6, FROM, (uint32_t)m->config.d_vocab, LONGEST);
    trial_run(w.trials, w.run, &q.trigram, &first, NULL);
    trial_run(w.trials, w.run, &other.trigram, &between, NULL);
    trial_run(w.trials, w.run, &q.trigram, &between, &stopped);
    trial_run(w.trials, w.run, &q.trigram, &again, NULL);
    assert_same(&again, &first);
    stop(&w);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_planted_is_found),
        cmocka_unit_test(an_and_neuron_is_as_it_was_planted),
        cmocka_unit_test(many_neurons_share_evenly),
        cmocka_unit_test(numbers_are_those_of_the_reference),
        cmocka_unit_test(and_so_with_all_kernels),
        cmocka_unit_test(verdicts_are_what_the_numbers_say),
        cmocka_unit_test(without_contexts_or_fillers_nothing_is_tested),
        cmocka_unit_test(one_context_has_no_standard_error),
        cmocka_unit_test(fillers_that_may_not_stand_in_are_left_out),
        cmocka_unit_test(long_contexts_lose_their_front),
        cmocka_unit_test(a_trial_depends_on_its_trigram_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
