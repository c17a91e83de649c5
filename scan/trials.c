#include "scan/trials.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/attribution.h"
#include "model/logprob.h"
#include "scan/base/mem.h"

// Branches of a context: AB once, the other cells once for each pair of fillers; and in all: those,
// or the ablated ones, of which a place elsewhere has one more, as it is.
#define OF_CONTEXT (1 + 3 * TRIALS_FILLERS)
#define ABLATED (TRIALS_CONTEXTS * TRIALS_NEURONS + TRIALS_ELSEWHERE * (1 + TRIALS_NEURONS))
#define BRANCHES_MAX                                                                               \
    (TRIALS_CONTEXTS * OF_CONTEXT > ABLATED ? TRIALS_CONTEXTS * OF_CONTEXT : ABLATED)

_Static_assert(TRIALS_CONTEXTS <= ENGINE_SIGHTS, "what all say in xB is made logits together");

/* A mean over contexts, as they come. */
struct mean {
    size_t n;
    double mean, square; // sum of squares about the mean
};

/* What is known of a neuron. */
struct neuron {
    double own[TRIALS_CELLS];         // activations, of the context in hand
    double own_written[TRIALS_CELLS]; // post times the final norm's scale
    double acts[TRIALS_CELLS];        // sums over contexts
    double written[TRIALS_CELLS];
    struct mean interaction, change; // of activations: the latter AB - xx
};

/* A context, with the fillers that it takes. */
struct place {
    const struct trials_context *context;
    struct engine_window stem; // up to A, without it
    size_t n_pairs;
    uint32_t pairs[TRIALS_FILLERS][2]; // for A, for B
};

/* What a branch of the minimal pairs is for. */
struct cell {
    size_t place, pair;
    enum trials_cell cell;
    bool last; // of its place
};

struct trials {
    const struct model *model;
    enum site site;
    struct attributor *attributor;
    size_t n_neurons;       // of all layers
    struct neuron *neurons; // [n_neurons]
    float *direct;          // [n_neurons] on C's logit, less the mean over the vocabulary
    float *against;         // [n_neurons] less that of what is said in xB instead
    double *sorted;         // [n_neurons]
    float *normed;          // [TRIALS_CONTEXTS][d_model] behind the final norm, in xB
    float *p;               // [d_vocab] what is said there, mean over contexts

    // the trigram in hand
    const struct trials_trigram *trigram;
    struct place places[TRIALS_CONTEXTS]; // [n_places]
    size_t n_places;
    struct engine_branch branches[BRANCHES_MAX]; // [n_branches]
    uint32_t ends[BRANCHES_MAX][2];              // their tokens
    struct cell cells[BRANCHES_MAX];
    double logprob[BRANCHES_MAX];
    size_t n_branches;
};

// --- names --------------------------------------------------------------------------------------

const char *trials_kind_name(enum trials_kind kind)
{
    static const char *const names[] = {[TRIALS_NONE] = "none",
                                        [TRIALS_AND_LIKE] = "AND-like",
                                        [TRIALS_B_ONLY] = "B-only",
                                        [TRIALS_A_ONLY] = "A-only"};
    return names[kind];
}

const char *trials_verdict_name(const struct trials_result *r)
{
    static const char *const names[] = {[TRIALS_NOT_TESTED] = "not tested",
                                        [TRIALS_NO_INTERACTION] = "no interaction",
                                        [TRIALS_NO_NEURONS] = "no neurons",
                                        [TRIALS_SPREAD] = "spread"};
    return r->verdict == TRIALS_NAMED ? trials_kind_name(r->neurons[r->named].kind)
                                      : names[r->verdict];
}

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

static void mean_add(struct mean *m, double x)
{
    const double off = x - m->mean;
    m->mean += off / (double)++m->n;
    m->square += off * (x - m->mean);
}

static double mean_se(const struct mean *m)
{
    const double n = (double)m->n;
    return m->n < 2 ? NAN : sqrt(m->square / (n - 1) / n);
}

static double interaction_of(const double *cells)
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
static void take_fillers(struct place *p, size_t i, const uint32_t *as, size_t n_as,
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
        struct place *p = &t->places[t->n_places];
        assert(c->n >= 2 && c->ids[c->n - 2] == g->a && c->ids[c->n - 1] == g->b);
        *p = (struct place){.context = c, .stem = stem_of(t, c, 2)};
        take_fillers(p, i, as, n_as, bs, n_bs);
        t->n_places += p->n_pairs > 0;
    }
}

// --- minimal pairs ------------------------------------------------------------------------------

/* Asks for C behind a stem and n tokens, of which the last is y. */
static struct engine_branch *add_branch(struct trials *t, const struct engine_window *stem,
                                        uint32_t x, uint32_t y, size_t n)
{
    assert(t->n_branches < BRANCHES_MAX);
    const size_t k = t->n_branches++;
    t->ends[k][0] = x;
    t->ends[k][1] = y;
    t->branches[k] = (struct engine_branch){
        .stem = stem, .tokens = t->ends[k] + 2 - n, .n = n, .target = t->trigram->c};
    return &t->branches[k];
}

static void add_cell(struct trials *t, size_t place, size_t pair, enum trials_cell cell)
{
    const struct place *p = &t->places[place];
    const bool a = cell == TRIALS_AB || cell == TRIALS_AX;
    const bool b = cell == TRIALS_AB || cell == TRIALS_XB;
    t->cells[t->n_branches] = (struct cell){.place = place, .pair = pair, .cell = cell};
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
        t->cells[t->n_branches - 1].last = true;
    }
}

/* What a branch is worth in the mean of its cell. */
static double weight_of(const struct trials *t, const struct cell *cell)
{
    return cell->cell == TRIALS_AB ? 1 : 1 / (double)t->places[cell->place].n_pairs;
}

/* Puts a neuron's context in hand to those before it. */
static void close_context(struct neuron *n)
{
    for (size_t k = 0; k < TRIALS_CELLS; k++) {
        n->acts[k] += n->own[k];
        n->written[k] += n->own_written[k];
    }
    mean_add(&n->interaction, interaction_of(n->own));
    mean_add(&n->change, n->own[TRIALS_AB] - n->own[TRIALS_XX]);
    memset(n->own, 0, sizeof n->own);
    memset(n->own_written, 0, sizeof n->own_written);
}

/* engine_leaves(): what the neurons do in minimal pairs */
static void see_pairs(void *context, size_t k, size_t n, const struct engine_leaf *leaves)
{
    struct trials *t = context;
    for (size_t i = 0; i < n; i++) {
        const struct engine_leaf *leaf = &leaves[i];
        const struct cell *cell = &t->cells[k + i];
        const double weight = weight_of(t, cell);
        const double scale = weight * attribution_scale(t->model, leaf->resid);
        const size_t d = t->model->config.d_model;
        if (cell->cell == TRIALS_XB && cell->pair == 0) {
            memcpy(t->normed + cell->place * d, leaf->normed, d * sizeof *t->normed);
        }
        for (size_t j = 0; j < t->n_neurons; j++) {
            t->neurons[j].own[cell->cell] += weight * (double)leaf->acts[j];
            t->neurons[j].own_written[cell->cell] += scale * (double)leaf->post[j];
        }
        for (size_t j = 0; j < t->n_neurons && cell->last; j++) {
            close_context(&t->neurons[j]);
        }
    }
}

/* The table of ln P(C). */
static void make_table(const struct trials *t, struct trials_table *out)
{
    struct mean interaction = {0};
    double own[TRIALS_CELLS] = {0};
    *out = (struct trials_table){0};
    for (size_t k = 0; k < t->n_branches; k++) {
        const struct cell *cell = &t->cells[k];
        own[cell->cell] += weight_of(t, cell) * t->logprob[k];
        if (cell->last) {
            mean_add(&interaction, interaction_of(own));
            for (size_t i = 0; i < TRIALS_CELLS; i++) {
                out->cells[i] += own[i] / (double)t->n_places;
                own[i] = 0;
            }
        }
    }
    out->interaction = interaction.mean;
    out->se = mean_se(&interaction);
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

// --- which neurons ------------------------------------------------------------------------------

/* What a unit of each neuron says for C: against all tokens, and against what is said in xB, with
 * the first filler of each context. */
static void find_directions(struct trials *t, struct engine_run *run)
{
    const size_t d_vocab = t->model->config.d_vocab;
    size_t ld;
    const float *logits = engine_logits(run, t->normed, t->n_places, &ld);
    memset(t->p, 0, d_vocab * sizeof *t->p);
    for (size_t i = 0; i < t->n_places; i++, logits += ld) {
        const double lse = logprob_log_sum_exp(logits, d_vocab);
        for (size_t j = 0; j < d_vocab; j++) {
            t->p[j] += expf((float)((double)logits[j] - lse)) / (float)t->n_places;
        }
    }
    attribution_direct(t->attributor, t->trigram->c, NULL, t->direct);
    attribution_direct(t->attributor, t->trigram->c, t->p, t->against);
}

/* Interaction of what neuron j writes for C. */
static double written_of(const struct trials *t, size_t j)
{
    return (double)t->direct[j] * interaction_of(t->neurons[j].written) / (double)t->n_places;
}

static double corpus_cell(const struct trials *t, size_t j, size_t cell)
{
    return t->trigram->corpus ? t->trigram->corpus[cell * t->n_neurons + j] : NAN;
}

static double corpus_interaction(const struct trials *t, size_t j)
{
    return corpus_cell(t, j, TRIALS_AB) - corpus_cell(t, j, TRIALS_XB) -
           corpus_cell(t, j, TRIALS_AX) + corpus_cell(t, j, TRIALS_XX);
}

static double by_pairs(const struct trials *t, size_t j)
{
    return written_of(t, j);
}

static double by_change(const struct trials *t, size_t j)
{
    const double *written = t->neurons[j].written;
    return (double)t->against[j] * (written[TRIALS_AB] - written[TRIALS_XX]);
}

static double by_corpus(const struct trials *t, size_t j)
{
    const size_t d_mlp = t->model->config.d_mlp;
    const float *w = t->model->layers[j / d_mlp].ln_mlp_w;
    const double unit = t->site == SITE_MID && w ? (double)w[j % d_mlp] : 1;
    return corpus_interaction(t, j) * unit * (double)t->direct[j];
}

static bool is_listed(const size_t *listed, size_t n, size_t j)
{
    for (size_t i = 0; i < n; i++) {
        if (listed[i] == j) {
            return true;
        }
    }
    return false;
}

/* The neuron of the greatest score above 0 that is not listed yet, of equal ones the first;
 * n_neurons: none. */
static size_t find_next(const struct trials *t, double (*score)(const struct trials *, size_t),
                        const size_t *listed, size_t n)
{
    size_t best = t->n_neurons;
    double most = 0;
    for (size_t j = 0; j < t->n_neurons; j++) {
        const double s = score(t, j);
        if (s > most && !is_listed(listed, n, j)) {
            most = s;
            best = j;
        }
    }
    return best;
}

static size_t list_neurons(const struct trials *t, size_t listed[TRIALS_NEURONS])
{
    double (*const scores[])(const struct trials *, size_t) = {by_pairs, by_change, by_corpus};
    size_t n = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < sizeof scores / sizeof *scores && n < TRIALS_NEURONS; k++) {
            const size_t j = find_next(t, scores[k], listed, n);
            if (j < t->n_neurons) {
                listed[n++] = j;
                more = true;
            }
        }
    }
    return n;
}

static int by_value_down(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* All that is written for C by neurons that speak for it; *n_half of them make half of it. */
static double sum_written(struct trials *t, size_t *n_half)
{
    size_t n = 0;
    double sum = 0, half = 0;
    for (size_t j = 0; j < t->n_neurons; j++) {
        const double written = written_of(t, j);
        if (written > 0) {
            t->sorted[n++] = written;
            sum += written;
        }
    }
    qsort(t->sorted, n, sizeof *t->sorted, by_value_down);
    for (*n_half = 0; *n_half < n && half < sum / 2; (*n_half)++) {
        half += t->sorted[*n_half];
    }
    return sum;
}

// --- a neuron -----------------------------------------------------------------------------------

static enum trials_kind kind_of(const struct neuron *n, const double *cells)
{
    const double se = mean_se(&n->change), sign = n->change.mean < 0 ? -1 : 1;
    const double t = sign * n->change.mean, both = sign * interaction_of(cells);
    if (!(t > 0) || t < TRIALS_SURE * se) {
        return TRIALS_NONE;
    }
    return both >= TRIALS_AND * t                               ? TRIALS_AND_LIKE
           : sign * cells[TRIALS_XB] >= sign * cells[TRIALS_AX] ? TRIALS_B_ONLY
                                                                : TRIALS_A_ONLY;
}

static void describe(const struct trials *t, size_t j, double sum, struct trials_neuron *out)
{
    const struct neuron *n = &t->neurons[j];
    const double written = written_of(t, j);
    *out = (struct trials_neuron){
        .layer = (uint32_t)(j / t->model->config.d_mlp),
        .index = (uint32_t)(j % t->model->config.d_mlp),
        .corpus_interaction = corpus_interaction(t, j),
        .pairs = {.interaction = n->interaction.mean, .se = mean_se(&n->interaction)},
        .direct = (double)t->direct[j],
        .written = written,
        .share = sum > 0 ? fmax(written, 0) / sum : NAN,
    };
    for (size_t k = 0; k < TRIALS_CELLS; k++) {
        out->corpus[k] = corpus_cell(t, j, k);
        out->pairs.cells[k] = n->acts[k] / (double)t->n_places;
    }
    out->kind = kind_of(n, out->pairs.cells);
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

/* Ablates the neurons of *out in all contexts, ab[n_places] of which is ln P(C) as it is, and
 * elsewhere. */
static void ablate(struct trials *t, struct engine_run *run, const double *ab,
                   struct trials_result *out, const atomic_int *stop)
{
    const struct trials_trigram *g = t->trigram;
    const size_t n = out->n_neurons;
    struct ablation a;
    t->n_branches = 0;
    for (size_t i = 0; i < n; i++) {
        a.edits[i] =
            (struct engine_edit){.layer = out->neurons[i].layer, .index = out->neurons[i].index};
    }
    for (size_t i = 0; i < t->n_places; i++) {
        a.stems[i] = stem_of(t, t->places[i].context, 1);
        add_ablated(t, &a, i, n);
    }
    for (size_t i = 0; i < g->n_elsewhere; i++) {
        const struct trials_context *c = &g->elsewhere[i];
        assert(c->n >= 1 && c->ids[c->n - 1] == g->b);
        a.stems[t->n_places + i] = stem_of(t, c, 1);
        add_branch(t, &a.stems[t->n_places + i], 0, g->b, 1);
        add_ablated(t, &a, t->n_places + i, n);
    }
    engine_branches(run, t->branches, t->n_branches, NULL, t->logprob, stop);
    for (size_t k = 0; k < n && !is_stopped(stop); k++) {
        struct mean here = {0}, elsewhere = {0};
        const double *others = t->logprob + t->n_places * n;
        for (size_t i = 0; i < t->n_places; i++) {
            mean_add(&here, t->logprob[i * n + k] - ab[i]);
        }
        for (size_t i = 0; i < g->n_elsewhere; i++, others += 1 + n) {
            mean_add(&elsewhere, others[1 + k] - others[0]);
        }
        out->neurons[k].ablated = here.mean;
        out->neurons[k].ablated_se = mean_se(&here);
        out->neurons[k].elsewhere = elsewhere.n > 0 ? elsewhere.mean : NAN;
    }
}

static int by_ablated(const void *a, const void *b)
{
    const struct trials_neuron *x = a, *y = b;
    if (x->ablated != y->ablated) {
        return x->ablated < y->ablated ? -1 : 1;
    }
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1)
                                : (x->index > y->index) - (x->index < y->index);
}

// --- the whole ----------------------------------------------------------------------------------

static void run_neurons(struct trials *t, struct engine_run *run, struct trials_result *out,
                        const atomic_int *stop)
{
    double ab[TRIALS_CONTEXTS];
    size_t listed[TRIALS_NEURONS], place = 0;
    for (size_t k = 0; k < t->n_branches; k++) {
        if (t->cells[k].cell == TRIALS_AB) {
            ab[place++] = t->logprob[k];
        }
    }
    find_directions(t, run);
    const double sum = sum_written(t, &out->n_half);
    out->n_neurons = list_neurons(t, listed);
    for (size_t i = 0; i < out->n_neurons; i++) {
        describe(t, listed[i], sum, &out->neurons[i]);
    }
    ablate(t, run, ab, out, stop);
    qsort(out->neurons, out->n_neurons, sizeof *out->neurons, by_ablated);
}

/* The neuron that the verdict names, or SIZE_MAX. */
static size_t find_named(const struct trials_result *r)
{
    size_t other = SIZE_MAX;
    for (size_t i = 0; i < r->n_neurons; i++) {
        const struct trials_neuron *n = &r->neurons[i];
        if (n->kind == TRIALS_NONE || -n->ablated < TRIALS_SHARE * r->table.interaction) {
            continue;
        }
        if (n->kind == TRIALS_AND_LIKE) {
            return i;
        }
        other = other == SIZE_MAX ? i : other;
    }
    return other;
}

static void decide(const struct trials *t, struct trials_result *r)
{
    const double interaction = r->table.interaction;
    if (interaction < TRIALS_INTERACTION || interaction < TRIALS_SURE * r->table.se) {
        r->verdict = TRIALS_NO_INTERACTION;
    } else if (t->n_neurons == 0) {
        r->verdict = TRIALS_NO_NEURONS;
    } else {
        r->named = find_named(r);
        r->verdict = r->named < SIZE_MAX ? TRIALS_NAMED : TRIALS_SPREAD;
    }
}

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
        run_neurons(t, run, out, stop);
    }
    if (!is_stopped(stop)) {
        decide(t, out);
    }
}
