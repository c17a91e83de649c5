/* How the results of minimal pairs and ablations are judged: which neurons are examined, the kind
 * of each, and the verdict. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/explain/trial_internal.h"
#include "model/pass/logprob.h"

// --- names --------------------------------------------------------------------------------------

const char *trial_kind_name(enum trial_kind kind)
{
    static const char *const names[] = {[TRIAL_NONE] = "none",
                                        [TRIAL_AND_LIKE] = "AND-like",
                                        [TRIAL_B_ONLY] = "B-only",
                                        [TRIAL_A_ONLY] = "A-only",
                                        [TRIAL_UNKNOWN] = "unknown"};
    return names[kind];
}

const char *trial_verdict_name(const struct trial_result *r)
{
    static const char *const names[] = {
        [TRIAL_NOT_TESTED] = "not tested",         [TRIAL_TOO_FEW] = "too few places",
        [TRIAL_NEGATIVE] = "negative interaction", [TRIAL_NO_INTERACTION] = "no interaction",
        [TRIAL_NO_NEURONS] = "no neurons",         [TRIAL_SPREAD] = "spread"};
    return r->verdict == TRIAL_NAMED ? trial_kind_name(r->neurons[r->named].kind)
                                     : names[r->verdict];
}

// --- which neurons ------------------------------------------------------------------------------

/* What one unit of each neuron adds to C: against all tokens, and against the prediction in xB with
 * the first filler of each context. */
static void find_directions(struct trial *t, struct engine_ctx *run)
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

/* The interaction of what neuron j writes for C. */
static double written_of(const struct trial *t, size_t j)
{
    return (double)t->direct[j] * trial_interaction(t->neurons[j].written) / (double)t->n_places;
}

/* The change from xx to AB of what it writes for C against the prediction in xB. */
static double change_of(const struct trial *t, size_t j)
{
    const double *written = t->neurons[j].written;
    return (double)t->against[j] * (written[TRIAL_AB] - written[TRIAL_XX]);
}

/* The neuron's mean activations in the corpus. */
static void corpus_cells(const struct trial *t, size_t j, double cells[TRIAL_CELLS])
{
    for (size_t k = 0; k < TRIAL_CELLS; k++) {
        cells[k] = t->trigram->corpus ? t->trigram->corpus[k * t->n_neurons + j] : NAN;
    }
}

/* The interaction of those means times what one unit adds to C, leaving out the norm's factor that
 * is the same for all neurons. */
static double corpus_of(const struct trial *t, size_t j)
{
    const size_t d_mlp = t->model->config.d_mlp;
    const float *w = t->model->layers[j / d_mlp].ln_mlp_w;
    const double unit = t->site == SITE_MID && w ? (double)w[j % d_mlp] : 1;
    double cells[TRIAL_CELLS];
    corpus_cells(t, j, cells);
    return trial_interaction(cells) * unit * (double)t->direct[j];
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
 * n_neurons: there is none. */
static size_t find_next(const struct trial *t, double (*score)(const struct trial *, size_t),
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

static size_t list_neurons(const struct trial *t, size_t listed[TRIAL_NEURONS])
{
    double (*const scores[])(const struct trial *, size_t) = {written_of, change_of, corpus_of};
    size_t n = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < sizeof scores / sizeof *scores && n < TRIAL_NEURONS; k++) {
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

/* The sum of what neurons with a positive effect write for C; *n_half of them make half of it. */
static double sum_written(struct trial *t, size_t *n_half)
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

static enum trial_kind kind_of(const struct trial_sums *n, const double *cells)
{
    const double se = trial_mean_se(&n->change), sign = n->change.mean < 0 ? -1 : 1;
    const double t = sign * n->change.mean, both = sign * trial_interaction(cells);
    if (isnan(se)) {
        return TRIAL_UNKNOWN;
    }
    if (!(t > 0) || t < TRIAL_SURE * se) {
        return TRIAL_NONE;
    }
    return both >= TRIAL_AND * t                              ? TRIAL_AND_LIKE
           : sign * cells[TRIAL_XB] >= sign * cells[TRIAL_AX] ? TRIAL_B_ONLY
                                                              : TRIAL_A_ONLY;
}

static void describe(const struct trial *t, size_t j, double sum, struct trial_neuron *out)
{
    const struct trial_sums *n = &t->neurons[j];
    const double written = written_of(t, j);
    *out = (struct trial_neuron){
        .layer = (uint32_t)(j / t->model->config.d_mlp),
        .index = (uint32_t)(j % t->model->config.d_mlp),
        .pairs = {.interaction = n->interaction.mean, .se = trial_mean_se(&n->interaction)},
        .direct = (double)t->direct[j],
        .written = written,
        .share = sum > 0 ? fmax(written, 0) / sum : NAN,
    };
    for (size_t k = 0; k < TRIAL_CELLS; k++) {
        out->pairs.cells[k] = n->acts[k] / (double)t->n_places;
    }
    corpus_cells(t, j, out->corpus);
    out->corpus_interaction = trial_interaction(out->corpus);
    out->kind = kind_of(n, out->pairs.cells);
}

void trial_describe(struct trial *t, struct engine_ctx *run, struct trial_result *out)
{
    size_t listed[TRIAL_NEURONS];
    find_directions(t, run);
    const double sum = sum_written(t, &out->n_half);
    out->n_neurons = list_neurons(t, listed);
    for (size_t i = 0; i < out->n_neurons; i++) {
        describe(t, listed[i], sum, &out->neurons[i]);
    }
}

// --- the verdict --------------------------------------------------------------------------------

static int by_ablated(const void *a, const void *b)
{
    const struct trial_neuron *x = a, *y = b;
    if (x->ablated != y->ablated) {
        return x->ablated < y->ablated ? -1 : 1;
    }
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1)
                                : (x->index > y->index) - (x->index < y->index);
}

/* The neuron that the verdict names, or SIZE_MAX. */
static size_t find_named(const struct trial_result *r)
{
    size_t other = SIZE_MAX;
    for (size_t i = 0; i < r->n_neurons; i++) {
        const struct trial_neuron *n = &r->neurons[i];
        if (n->kind == TRIAL_NONE || n->kind == TRIAL_UNKNOWN ||
            -n->ablated < TRIAL_SHARE * r->table.interaction) {
            continue;
        }
        if (n->kind == TRIAL_AND_LIKE) {
            return i;
        }
        other = other == SIZE_MAX ? i : other;
    }
    return other;
}

void trial_decide(const struct trial *t, struct trial_result *r)
{
    const double interaction = r->table.interaction;
    // false where either is NaN
    const bool clear =
        fabs(interaction) >= TRIAL_INTERACTION && fabs(interaction) >= TRIAL_SURE * r->table.se;
    qsort(r->neurons, r->n_neurons, sizeof *r->neurons, by_ablated);
    if (r->contexts < TRIAL_PLACES) {
        r->verdict = TRIAL_TOO_FEW;
    } else if (!clear) {
        r->verdict = TRIAL_NO_INTERACTION;
    } else if (interaction < 0) {
        r->verdict = TRIAL_NEGATIVE;
    } else if (t->n_neurons == 0) {
        r->verdict = TRIAL_NO_NEURONS;
    } else {
        r->named = find_named(r);
        r->verdict = r->named < SIZE_MAX ? TRIAL_NAMED : TRIAL_SPREAD;
    }
}
