#include "model/explain/trial.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/explain/trial_internal.h"

// --- making -------------------------------------------------------------------------------------

int trial_new(struct trial **out, const struct engine *e, enum site site, struct err *err)
{
    struct trial *t = mem_zero(1, sizeof *t);
    if (!t) {
        return err_nomem(err, "trials");
    }
    t->model = engine_model(e);
    t->site = site;
    const struct config *c = &t->model->config;
    t->n_neurons = c->attn_only ? 0 : c->n_layers * c->d_mlp;
    t->neurons = mem_new(t->n_neurons, sizeof *t->neurons);
    t->direct = mem_new(t->n_neurons, sizeof *t->direct);
    t->against = mem_new(t->n_neurons, sizeof *t->against);
    t->sorted = mem_new(t->n_neurons, sizeof *t->sorted);
    t->normed = mem_new(TRIAL_CONTEXTS * c->d_model, sizeof *t->normed);
    t->p = mem_new(c->d_vocab, sizeof *t->p);
    const bool whole = t->neurons && t->direct && t->against && t->sorted && t->normed && t->p;
    int rc = whole ? 0 : err_nomem(err, "trials");
    rc = rc ? rc : attributor_new(&t->attributor, e, err);
    if (rc) {
        trial_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void trial_free(struct trial *t)
{
    if (!t) {
        return;
    }
    attributor_free(t->attributor);
    free(t->neurons);
    free(t->direct);
    free(t->against);
    free(t->sorted);
    free(t->normed);
    free(t->p);
    free(t);
}

// --- means --------------------------------------------------------------------------------------

void trial_mean_add(struct trial_mean *m, double x)
{
    const double off = x - m->mean;
    m->mean += off / (double)++m->n;
    m->square += off * (x - m->mean);
}

double trial_mean_se(const struct trial_mean *m)
{
    const double n = (double)m->n;
    return m->n < 2 ? NAN : sqrt(m->square / (n - 1) / n);
}

double trial_interaction(const double cells[TRIAL_CELLS])
{
    return cells[TRIAL_AB] - cells[TRIAL_XB] - cells[TRIAL_AX] + cells[TRIAL_XX];
}

// --- contexts and fillers -----------------------------------------------------------------------

/* Keeps the fillers of a list that may be used: not A, B or C, and each once. */
static size_t list_fillers(const struct trial_trigram *g, const uint32_t *ids, size_t n,
                           uint32_t *out)
{
    size_t m = 0;
    assert(n <= TRIAL_LISTED);
    for (size_t i = 0; i < n; i++) {
        bool fits = ids[i] != g->a && ids[i] != g->b && ids[i] != g->c;
        for (size_t k = 0; k < m; k++) {
            fits = fits && ids[i] != out[k];
        }
        if (fits) {
            out[m++] = ids[i];
        }
    }
    return m;
}

/* The beginning of a context, without its last 'less' tokens, as far back as the model has
 * positions. */
static struct engine_window stem_of(const struct trial *t, const struct trial_context *c,
                                    size_t less)
{
    const size_t most = t->model->config.n_ctx - 1, cut = c->n > most ? c->n - most : 0;
    return (struct engine_window){
        .first = c->first, .tokens = c->ids + cut, .n = c->n - cut - less};
}

/* Takes fillers i, i + 1, ... of both lists; where both are the same, the second list gives its
 * next one. */
static void take_fillers(struct trial_place *p, size_t i, const uint32_t *as, size_t n_as,
                         const uint32_t *bs, size_t n_bs)
{
    const size_t longer = n_as > n_bs ? n_as : n_bs;
    for (size_t j = 0; j < longer && j < TRIAL_FILLERS; j++) {
        const uint32_t a = as[(i + j) % n_as];
        const size_t k = i + j + (bs[(i + j) % n_bs] == a ? 1 : 0);
        if (bs[k % n_bs] != a) {
            p->pairs[p->n_pairs][0] = a;
            p->pairs[p->n_pairs++][1] = bs[k % n_bs];
        }
    }
}

/* Lists the contexts that can be run. */
static void list_places(struct trial *t)
{
    const struct trial_trigram *g = t->trigram;
    uint32_t as[TRIAL_LISTED], bs[TRIAL_LISTED];
    const size_t n_as = list_fillers(g, g->fillers_a, g->n_fillers_a, as);
    const size_t n_bs = list_fillers(g, g->fillers_b, g->n_fillers_b, bs);
    t->n_places = 0;
    assert(g->n_contexts <= TRIAL_CONTEXTS && g->n_elsewhere <= TRIAL_ELSEWHERE);
    if (n_as == 0 || n_bs == 0 || t->model->config.n_ctx < 3) {
        return;
    }
    for (size_t i = 0; i < g->n_contexts; i++) {
        const struct trial_context *c = &g->contexts[i];
        struct trial_place *p = &t->places[t->n_places];
        assert(c->n >= 2 && c->ids[c->n - 2] == g->a && c->ids[c->n - 1] == g->b);
        *p = (struct trial_place){.context = c, .stem = stem_of(t, c, 2)};
        take_fillers(p, i, as, n_as, bs, n_bs);
        t->n_places += p->n_pairs > 0;
    }
}

// --- minimal pairs ------------------------------------------------------------------------------

/* Adds a branch that asks for C behind a stem and n tokens: x and y, or y alone. */
static struct engine_branch *add_branch(struct trial *t, const struct engine_window *stem,
                                        uint32_t x, uint32_t y, size_t n)
{
    assert(t->n_branches < TRIAL_BRANCHES);
    const size_t k = t->n_branches++;
    t->ends[k][0] = x;
    t->ends[k][1] = y;
    t->branches[k] = (struct engine_branch){
        .stem = stem, .tokens = t->ends[k] + 2 - n, .n = n, .target = t->trigram->c};
    return &t->branches[k];
}

static void add_cell(struct trial *t, size_t place, size_t pair, enum trial_cell cell)
{
    const struct trial_place *p = &t->places[place];
    const bool a = cell == TRIAL_AB || cell == TRIAL_AX;
    const bool b = cell == TRIAL_AB || cell == TRIAL_XB;
    t->of[t->n_branches] = (struct trial_branch){.place = place, .pair = pair, .cell = cell};
    add_branch(t, &p->stem, a ? t->trigram->a : p->pairs[pair][0],
               b ? t->trigram->b : p->pairs[pair][1], 2);
}

static void add_pairs(struct trial *t)
{
    t->n_branches = 0;
    for (size_t i = 0; i < t->n_places; i++) {
        add_cell(t, i, 0, TRIAL_AB);
        for (size_t j = 0; j < t->places[i].n_pairs; j++) {
            add_cell(t, i, j, TRIAL_XB);
            add_cell(t, i, j, TRIAL_AX);
            add_cell(t, i, j, TRIAL_XX);
        }
        t->of[t->n_branches - 1].last = true;
    }
}

/* The weight of a branch in the mean of its cell. */
static double weight_of(const struct trial *t, const struct trial_branch *branch)
{
    return branch->cell == TRIAL_AB ? 1 : 1 / (double)t->places[branch->place].n_pairs;
}

/* Adds a neuron's current context to its sums. */
static void close_context(struct trial_sums *n)
{
    for (size_t k = 0; k < TRIAL_CELLS; k++) {
        n->acts[k] += n->own[k];
        n->written[k] += n->own_written[k];
    }
    trial_mean_add(&n->interaction, trial_interaction(n->own));
    trial_mean_add(&n->change, n->own[TRIAL_AB] - n->own[TRIAL_XX]);
    memset(n->own, 0, sizeof n->own);
    memset(n->own_written, 0, sizeof n->own_written);
}

/* engine_leaves(): reads what the neurons do in minimal pairs */
static void see_pairs(void *context, size_t k, size_t n, const struct engine_leaf *leaves)
{
    struct trial *t = context;
    for (size_t i = 0; i < n; i++) {
        const struct engine_leaf *leaf = &leaves[i];
        const struct trial_branch *branch = &t->of[k + i];
        const double weight = weight_of(t, branch);
        const double scale = weight * attribution_scale(t->model, leaf->resid);
        const size_t d = t->model->config.d_model;
        if (branch->cell == TRIAL_XB && branch->pair == 0) {
            memcpy(t->normed + branch->place * d, leaf->normed, d * sizeof *t->normed);
        }
        for (size_t j = 0; j < t->n_neurons; j++) {
            t->neurons[j].own[branch->cell] += weight * (double)leaf->acts[j];
            t->neurons[j].own_written[branch->cell] += scale * (double)leaf->post[j];
        }
        for (size_t j = 0; j < t->n_neurons && branch->last; j++) {
            close_context(&t->neurons[j]);
        }
    }
}

/* The table of ln P(C). */
static void make_table(const struct trial *t, struct trial_table *out)
{
    struct trial_mean interaction = {0};
    double own[TRIAL_CELLS] = {0};
    *out = (struct trial_table){0};
    for (size_t k = 0; k < t->n_branches; k++) {
        const struct trial_branch *branch = &t->of[k];
        own[branch->cell] += weight_of(t, branch) * t->logprob[k];
        if (branch->last) {
            trial_mean_add(&interaction, trial_interaction(own));
            for (size_t i = 0; i < TRIAL_CELLS; i++) {
                out->cells[i] += own[i] / (double)t->n_places;
                own[i] = 0;
            }
        }
    }
    out->interaction = interaction.mean;
    out->se = trial_mean_se(&interaction);
}

static void run_pairs(struct trial *t, struct engine_ctx *run, struct trial_result *out,
                      const atomic_int *stop)
{
    const struct engine_leaf_view view = {.site = t->site, .see = see_pairs, .context = t};
    add_pairs(t);
    if (t->n_neurons > 0) {
        memset(t->neurons, 0, t->n_neurons * sizeof *t->neurons);
    }
    engine_branches(run, t->branches, t->n_branches, t->n_neurons > 0 ? &view : NULL, t->logprob,
                    stop);
    if (!is_stopped(stop)) {
        make_table(t, &out->table);
    }
}

// --- ablation -----------------------------------------------------------------------------------

/* Makes the windows in which neurons are ablated: up to B, without it. */
struct ablation {
    struct engine_window stems[TRIAL_CONTEXTS + TRIAL_ELSEWHERE];
    struct engine_edit edits[TRIAL_NEURONS];
};

static void add_ablated(struct trial *t, const struct ablation *a, size_t stem, size_t n_neurons)
{
    for (size_t i = 0; i < n_neurons; i++) {
        struct engine_branch *b = add_branch(t, &a->stems[stem], 0, t->trigram->b, 1);
        b->edits = &a->edits[i];
        b->n_edits = 1;
    }
}

/* Adds the branches: for each context the ablated ones; for each place elsewhere the unchanged one
 * and then the ablated ones. */
static void lay_ablations(struct trial *t, struct ablation *a, const struct trial_result *r)
{
    const struct trial_trigram *g = t->trigram;
    t->n_branches = 0;
    for (size_t i = 0; i < r->n_neurons; i++) {
        a->edits[i] =
            (struct engine_edit){.layer = r->neurons[i].layer, .index = r->neurons[i].index};
    }
    for (size_t i = 0; i < t->n_places; i++) {
        a->stems[i] = stem_of(t, t->places[i].context, 1);
        add_ablated(t, a, i, r->n_neurons);
    }
    for (size_t i = 0; i < g->n_elsewhere; i++) {
        const struct trial_context *c = &g->elsewhere[i];
        assert(c->n >= 1 && c->ids[c->n - 1] == g->b);
        a->stems[t->n_places + i] = stem_of(t, c, 1);
        add_branch(t, &a->stems[t->n_places + i], 0, g->b, 1);
        add_ablated(t, a, t->n_places + i, r->n_neurons);
    }
}

/* Computes the ablation of neuron k; ab[n_places] is ln P(C) without ablation. */
static void read_ablation(const struct trial *t, const double *ab, size_t k,
                          struct trial_result *out)
{
    const size_t n = out->n_neurons;
    const double *others = t->logprob + t->n_places * n;
    struct trial_mean here = {0}, elsewhere = {0};
    for (size_t i = 0; i < t->n_places; i++) {
        trial_mean_add(&here, t->logprob[i * n + k] - ab[i]);
    }
    for (size_t i = 0; i < t->trigram->n_elsewhere; i++, others += 1 + n) {
        trial_mean_add(&elsewhere, others[1 + k] - others[0]);
    }
    out->neurons[k].ablated = here.mean;
    out->neurons[k].ablated_se = trial_mean_se(&here);
    out->neurons[k].elsewhere = elsewhere.n > 0 ? elsewhere.mean : NAN;
}

/* Ablates the neurons of *out, in all contexts and elsewhere. */
static void ablate(struct trial *t, struct engine_ctx *run, struct trial_result *out,
                   const atomic_int *stop)
{
    struct ablation a;
    double ab[TRIAL_CONTEXTS];
    size_t place = 0;
    for (size_t k = 0; k < t->n_branches; k++) {
        if (t->of[k].cell == TRIAL_AB) {
            ab[place++] = t->logprob[k];
        }
    }
    lay_ablations(t, &a, out);
    engine_branches(run, t->branches, t->n_branches, NULL, t->logprob, stop);
    for (size_t k = 0; k < out->n_neurons && !is_stopped(stop); k++) {
        read_ablation(t, ab, k, out);
    }
}

// --- the whole ----------------------------------------------------------------------------------

void trial_run(struct trial *t, struct engine_ctx *run, const struct trial_trigram *trigram,
               struct trial_result *out, const atomic_int *stop)
{
    *out = (struct trial_result){.verdict = TRIAL_NOT_TESTED, .named = SIZE_MAX};
    t->trigram = trigram;
    list_places(t);
    if (t->n_places == 0) {
        return;
    }
    out->contexts = t->n_places;
    for (size_t i = 0; i < t->n_places; i++) {
        out->pairs += t->places[i].n_pairs;
    }
    run_pairs(t, run, out, stop);
    if (t->n_neurons > 0 && !is_stopped(stop)) {
        trial_describe(t, run, out);
        ablate(t, run, out, stop);
    }
    if (!is_stopped(stop)) {
        trial_decide(t, out);
    }
}
