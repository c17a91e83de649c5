#include "model/explain/trial.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/explain/trial_internal.h"

// --- making -------------------------------------------------------------------------------------

int trials_new(struct trials **out, const struct engine *e, enum site site, struct err *err)
{
    struct trials *t = mem_zero(1, sizeof *t);
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
    t->normed = mem_new(TRIALS_CONTEXTS * c->d_model, sizeof *t->normed);
    t->p = mem_new(c->d_vocab, sizeof *t->p);
    const bool whole = t->neurons && t->direct && t->against && t->sorted && t->normed && t->p;
    int rc = whole ? 0 : err_nomem(err, "trials");
    rc = rc ? rc : attributor_new(&t->attributor, e, err);
    if (rc) {
        trials_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void trials_free(struct trials *t)
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

void trials_mean_add(struct trials_mean *m, double x)
{
    const double off = x - m->mean;
    m->mean += off / (double)++m->n;
    m->square += off * (x - m->mean);
}

double trials_mean_se(const struct trials_mean *m)
{
    const double n = (double)m->n;
    return m->n < 2 ? NAN : sqrt(m->square / (n - 1) / n);
}

double trials_interaction(const double cells[TRIALS_CELLS])
{
    return cells[TRIALS_AB] - cells[TRIALS_XB] - cells[TRIALS_AX] + cells[TRIALS_XX];
}

// --- contexts and fillers -----------------------------------------------------------------------

/* Those of a list that may stand in: neither A, B nor C, each once. */
static size_t list_fillers(const struct trials_trigram *g, const uint32_t *ids, size_t n,
                           uint32_t *out)
{
    size_t m = 0;
    assert(n <= TRIALS_LISTED);
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

/* The beginning of a context, without its last 'less' tokens, as far as the model has positions. */
static struct engine_window stem_of(const struct trials *t, const struct trials_context *c,
                                    size_t less)
{
    const size_t most = t->model->config.n_ctx - 1, cut = c->n > most ? c->n - most : 0;
    return (struct engine_window){
        .first = c->first, .tokens = c->ids + cut, .n = c->n - cut - less};
}

/* Fillers i, i + 1, ... of both lists; of the second the next one where both are the same. */
static void take_fillers(struct trials_place *p, size_t i, const uint32_t *as, size_t n_as,
                         const uint32_t *bs, size_t n_bs)
{
    const size_t longer = n_as > n_bs ? n_as : n_bs;
    for (size_t j = 0; j < longer && j < TRIALS_FILLERS; j++) {
        const uint32_t a = as[(i + j) % n_as];
        const size_t k = i + j + (bs[(i + j) % n_bs] == a ? 1 : 0);
        if (bs[k % n_bs] != a) {
            p->pairs[p->n_pairs][0] = a;
            p->pairs[p->n_pairs++][1] = bs[k % n_bs];
        }
    }
}

/* Lists the contexts that can be run. */
static void list_places(struct trials *t)
{
    const struct trials_trigram *g = t->trigram;
    uint32_t as[TRIALS_LISTED], bs[TRIALS_LISTED];
    const size_t n_as = list_fillers(g, g->fillers_a, g->n_fillers_a, as);
    const size_t n_bs = list_fillers(g, g->fillers_b, g->n_fillers_b, bs);
    t->n_places = 0;
    assert(g->n_contexts <= TRIALS_CONTEXTS && g->n_elsewhere <= TRIALS_ELSEWHERE);
    if (n_as == 0 || n_bs == 0 || t->model->config.n_ctx < 3) {
        return;
    }
    for (size_t i = 0; i < g->n_contexts; i++) {
        const struct trials_context *c = &g->contexts[i];
        struct trials_place *p = &t->places[t->n_places];
        assert(c->n >= 2 && c->ids[c->n - 2] == g->a && c->ids[c->n - 1] == g->b);
        *p = (struct trials_place){.context = c, .stem = stem_of(t, c, 2)};
        take_fillers(p, i, as, n_as, bs, n_bs);
        t->n_places += p->n_pairs > 0;
    }
}

// --- minimal pairs ------------------------------------------------------------------------------

/* Asks for C behind a stem and n tokens: x and y, or y alone. */
static struct engine_branch *add_branch(struct trials *t, const struct engine_window *stem,
                                        uint32_t x, uint32_t y, size_t n)
{
    assert(t->n_branches < TRIALS_BRANCHES);
    const size_t k = t->n_branches++;
    t->ends[k][0] = x;
    t->ends[k][1] = y;
    t->branches[k] = (struct engine_branch){
        .stem = stem, .tokens = t->ends[k] + 2 - n, .n = n, .target = t->trigram->c};
    return &t->branches[k];
}

static void add_cell(struct trials *t, size_t place, size_t pair, enum trials_cell cell)
{
    const struct trials_place *p = &t->places[place];
    const bool a = cell == TRIALS_AB || cell == TRIALS_AX;
    const bool b = cell == TRIALS_AB || cell == TRIALS_XB;
    t->of[t->n_branches] = (struct trials_branch){.place = place, .pair = pair, .cell = cell};
    add_branch(t, &p->stem, a ? t->trigram->a : p->pairs[pair][0],
               b ? t->trigram->b : p->pairs[pair][1], 2);
}

static void add_pairs(struct trials *t)
{
    t->n_branches = 0;
    for (size_t i = 0; i < t->n_places; i++) {
        add_cell(t, i, 0, TRIALS_AB);
        for (size_t j = 0; j < t->places[i].n_pairs; j++) {
            add_cell(t, i, j, TRIALS_XB);
            add_cell(t, i, j, TRIALS_AX);
            add_cell(t, i, j, TRIALS_XX);
        }
        t->of[t->n_branches - 1].last = true;
    }
}

/* What a branch is worth in the mean of its cell. */
static double weight_of(const struct trials *t, const struct trials_branch *branch)
{
    return branch->cell == TRIALS_AB ? 1 : 1 / (double)t->places[branch->place].n_pairs;
}

/* Puts a neuron's context in hand to those before it. */
static void close_context(struct trials_sums *n)
{
    for (size_t k = 0; k < TRIALS_CELLS; k++) {
        n->acts[k] += n->own[k];
        n->written[k] += n->own_written[k];
    }
    trials_mean_add(&n->interaction, trials_interaction(n->own));
    trials_mean_add(&n->change, n->own[TRIALS_AB] - n->own[TRIALS_XX]);
    memset(n->own, 0, sizeof n->own);
    memset(n->own_written, 0, sizeof n->own_written);
}

/* engine_leaves(): what the neurons do in minimal pairs */
static void see_pairs(void *context, size_t k, size_t n, const struct engine_leaf *leaves)
{
    struct trials *t = context;
    for (size_t i = 0; i < n; i++) {
        const struct engine_leaf *leaf = &leaves[i];
        const struct trials_branch *branch = &t->of[k + i];
        const double weight = weight_of(t, branch);
        const double scale = weight * attribution_scale(t->model, leaf->resid);
        const size_t d = t->model->config.d_model;
        if (branch->cell == TRIALS_XB && branch->pair == 0) {
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
static void make_table(const struct trials *t, struct trials_table *out)
{
    struct trials_mean interaction = {0};
    double own[TRIALS_CELLS] = {0};
    *out = (struct trials_table){0};
    for (size_t k = 0; k < t->n_branches; k++) {
        const struct trials_branch *branch = &t->of[k];
        own[branch->cell] += weight_of(t, branch) * t->logprob[k];
        if (branch->last) {
            trials_mean_add(&interaction, trials_interaction(own));
            for (size_t i = 0; i < TRIALS_CELLS; i++) {
                out->cells[i] += own[i] / (double)t->n_places;
                own[i] = 0;
            }
        }
    }
    out->interaction = interaction.mean;
    out->se = trials_mean_se(&interaction);
}

static void run_pairs(struct trials *t, struct engine_run *run, struct trials_result *out,
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

/* The windows in which neurons are ablated: up to B, without it. */
struct ablation {
    struct engine_window stems[TRIALS_CONTEXTS + TRIALS_ELSEWHERE];
    struct engine_edit edits[TRIALS_NEURONS];
};

static void add_ablated(struct trials *t, const struct ablation *a, size_t stem, size_t n_neurons)
{
    for (size_t i = 0; i < n_neurons; i++) {
        struct engine_branch *b = add_branch(t, &a->stems[stem], 0, t->trigram->b, 1);
        b->edits = &a->edits[i];
        b->n_edits = 1;
    }
}

/* Lays the branches: of each context the ablated ones; of each place elsewhere it as it is, and
 * then those. */
static void lay_ablations(struct trials *t, struct ablation *a, const struct trials_result *r)
{
    const struct trials_trigram *g = t->trigram;
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
        const struct trials_context *c = &g->elsewhere[i];
        assert(c->n >= 1 && c->ids[c->n - 1] == g->b);
        a->stems[t->n_places + i] = stem_of(t, c, 1);
        add_branch(t, &a->stems[t->n_places + i], 0, g->b, 1);
        add_ablated(t, a, t->n_places + i, r->n_neurons);
    }
}

/* What they say of neuron k; ab[n_places] is ln P(C) as it is. */
static void read_ablation(const struct trials *t, const double *ab, size_t k,
                          struct trials_result *out)
{
    const size_t n = out->n_neurons;
    const double *others = t->logprob + t->n_places * n;
    struct trials_mean here = {0}, elsewhere = {0};
    for (size_t i = 0; i < t->n_places; i++) {
        trials_mean_add(&here, t->logprob[i * n + k] - ab[i]);
    }
    for (size_t i = 0; i < t->trigram->n_elsewhere; i++, others += 1 + n) {
        trials_mean_add(&elsewhere, others[1 + k] - others[0]);
    }
    out->neurons[k].ablated = here.mean;
    out->neurons[k].ablated_se = trials_mean_se(&here);
    out->neurons[k].elsewhere = elsewhere.n > 0 ? elsewhere.mean : NAN;
}

/* Ablates the neurons of *out, in all contexts and elsewhere. */
static void ablate(struct trials *t, struct engine_run *run, struct trials_result *out,
                   const atomic_int *stop)
{
    struct ablation a;
    double ab[TRIALS_CONTEXTS];
    size_t place = 0;
    for (size_t k = 0; k < t->n_branches; k++) {
        if (t->of[k].cell == TRIALS_AB) {
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

void trials_run(struct trials *t, struct engine_run *run, const struct trials_trigram *trigram,
                struct trials_result *out, const atomic_int *stop)
{
    *out = (struct trials_result){.verdict = TRIALS_NOT_TESTED, .named = SIZE_MAX};
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
        trials_describe(t, run, out);
        ablate(t, run, out, stop);
    }
    if (!is_stopped(stop)) {
        trials_decide(t, out);
    }
}
