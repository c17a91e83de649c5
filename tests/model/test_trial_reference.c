/*
 * The numbers of trials, for models of several layers, are those of a slow reference, made of
 * forward.h and patch.h.
 */
#include "tests/kit/trial_kit.h"

#include <math.h>

#include "model/explain/patch.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"

// Nats, and activations relative to the largest of their row or 1.
#define MAX_NATS 1e-4
#define MAX_ACTS 2e-5

#define NEURONS_MAX ((size_t)8 * 512)
#define D_VOCAB 512
#define FEW ((size_t)5) // contexts, and places elsewhere

/* The reference pass at a window's last token: its prediction and its neurons. */
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

/* Puts the window of a context, with its last two tokens replaced by x and y, into ids; returns the
 * number of ids. */
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
    uint32_t ids[ASKED_LONGEST + 1];
    const size_t n = window_of(c, x, y, ids);
    forward_run(f, ids, n, &hooks);
    forward_logits(f, n - 1, 1, row->logits);
    row->logprob =
        (double)row->logits[target] - logprob_log_sum_exp(row->logits, m->config.d_vocab);
    row->scale = plain_scale(m, forward_resid_final(f) + (n - 1) * m->config.d_model);
}

/* The numbers of minimal pairs, for each context. */
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

/* The direct effect of one unit of post on the token's logit, minus the mean weighted by q. */
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

/* The interaction in what neuron j writes for C, and how A and B change what it writes for C
 * against the prediction in xB. */
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

/* The mean change of ln P(C) at the places if a neuron's post is 0 at the last position. */
static struct plain plain_ablated(struct patcher *p, const struct model *m, uint32_t target,
                                  const struct trial_context *places, size_t n,
                                  const struct trial_neuron *neuron)
{
    static float logits[D_VOCAB];
    double change[FEW];
    for (size_t i = 0; i < n; i++) {
        const struct trial_context *c = &places[i];
        struct recording *recording;
        uint32_t ids[ASKED_LONGEST + 1];
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

/* Checks that the neurons with the largest scores are among those that were tried. */
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

/* Makes a corpus in which neurons differ in all cells; at the site 'mid' one in which what they
 * write for C differs by ln_mlp.w and by little else. */
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
    make_asked(&q, 1, 2, 3, ASKED_FROM, (uint32_t)m->config.d_vocab, ASKED_LONGEST);
    q.trigram.n_contexts = q.trigram.n_elsewhere = FEW;
    assert_int_equal(forward_new(&f, m, NULL), 0);
    find_reference(&r, f, m, &q.trigram, site);
    forward_free(f);
    if (site != SITE_PRE && !m->config.attn_only) {
        make_corpus(corpus, &r, m->config.n_layers * m->config.d_mlp, site);
        q.trigram.corpus = corpus;
    }
    struct trial_at_work w = trial_start(m, k, site);
    trial_run(w.trials, w.ctx, &q.trigram, &out, NULL);
    trial_stop(&w);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_reference),
        cmocka_unit_test(and_so_with_all_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
