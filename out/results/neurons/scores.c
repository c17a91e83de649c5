#include "out/results/neurons/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ONE ((long double)(1 << 20)) // activations are sums of 2^-20

// --- what was counted ---------------------------------------------------------------------------

static const struct set_sums no_sums;

static struct set_sums sums_of(const struct neurons *n, size_t layer, int split, size_t set,
                               size_t i)
{
    const struct set_sums *s = n->layers[layer].sums[split][set];
    return s ? s[i] : no_sums;
}

static const uint64_t *hist_of(const struct neurons *n, size_t layer, int split, size_t set,
                               size_t row)
{
    static const uint64_t none[BINS];
    const uint64_t *hists = n->layers[layer].hist[split][set];
    return hists ? hists + row * BINS : none;
}

void scores_hists(const struct neurons *n, size_t layer, size_t i, size_t row, size_t h, int split,
                  uint64_t pos[BINS], uint64_t neg[BINS])
{
    const uint64_t *all = hist_of(n, layer, split, SET_ALL, i);
    const uint64_t *labelled = hist_of(n, layer, split, set_labelled(h), row);
    const uint64_t *left_out = hist_of(n, layer, split, set_left_out(h), row);
    for (size_t bin = 0; bin < BINS; bin++) {
        pos[bin] = labelled[bin];
        neg[bin] = all[bin] - labelled[bin] - left_out[bin];
    }
}

size_t scores_row(const struct neurons_shape *shape, size_t layer, size_t h, size_t i)
{
    const struct neurons_subset *subset = neurons_subset(shape, layer, set_labelled(h));
    if (!subset) {
        return i;
    }
    for (size_t row = 0; row < subset->n && subset->items[row] <= i; row++) {
        if (subset->items[row] == i) {
            return row;
        }
    }
    return SIZE_MAX;
}

// --- from sums ----------------------------------------------------------------------------------

struct counted {
    uint64_t n, n_pos, docs_pos;
    struct set_sums all, pos; // 'all': of the n
};

static void count(struct counted *c, const struct neurons *n, size_t layer, int split, size_t i,
                  size_t h)
{
    const struct set_sums all = sums_of(n, layer, split, SET_ALL, i);
    const struct set_sums pos = sums_of(n, layer, split, set_labelled(h), i);
    const struct set_sums left_out = sums_of(n, layer, split, set_left_out(h), i);
    c->n += n->sets[split][SET_ALL].tokens - n->sets[split][set_left_out(h)].tokens;
    c->n_pos += n->sets[split][set_labelled(h)].tokens;
    c->docs_pos += n->sets[split][set_labelled(h)].docs;
    c->all.sum += all.sum - left_out.sum;
    c->all.positive += all.positive - left_out.positive;
    c->all.squares += all.squares - left_out.squares;
    c->pos.sum += pos.sum;
    c->pos.positive += pos.positive;
}

/* sum / n of activations. */
static double mean(__int128 sum, uint64_t n)
{
    return n ? (double)((long double)sum / (long double)n / ONE) : NAN;
}

/* The variance of activations, from exact sums. */
static long double variance(const struct set_sums *s, uint64_t n)
{
    const long double m = (long double)s->sum / (long double)n;
    const long double v = ((long double)s->squares / (long double)n - m * m) / (ONE * ONE);
    return v > 0 ? v : 0;
}

static double share(double part, double all)
{
    return all > 0 ? part / all : NAN;
}

static void score_sums(struct score *s, const struct counted *c)
{
    const uint64_t n_neg = c->n - c->n_pos;
    const long double sd = c->n ? sqrtl(variance(&c->all, c->n)) : 0;
    s->n_pos = c->n_pos;
    s->n_neg = n_neg;
    s->docs_pos = c->docs_pos;
    s->prevalence = share((double)c->n_pos, (double)c->n);
    s->mean_pos = mean(c->pos.sum, c->n_pos);
    s->mean_neg = mean(c->all.sum - c->pos.sum, n_neg);
    s->r = sd > 0 ? (double)((s->mean_pos - s->mean_neg) / sd *
                             sqrtl((long double)c->n_pos * (long double)n_neg) / (long double)c->n)
                  : NAN;
    s->variance_explained = s->r * s->r;
    s->mass_covered = share((double)c->pos.positive, (double)c->all.positive);
}

// --- from histograms ----------------------------------------------------------------------------

/* Mann-Whitney's U over the pairs there are, and what the pairs in common bins can change. */
static void score_area(struct score *s, const uint64_t *pos, const uint64_t *neg)
{
    double above = 0, ties = 0, below = 0; // pairs; neg tokens below the bin
    for (size_t bin = 0; bin < BINS; bin++) {
        above += (double)pos[bin] * below;
        ties += (double)pos[bin] * (double)neg[bin];
        below += (double)neg[bin];
    }
    const double pairs = (double)s->n_pos * (double)s->n_neg;
    s->auroc = share(above + ties / 2, pairs);
    s->auroc_bound = share(ties / 2, pairs);
}

static void score_precision(struct score *s, const uint64_t *pos, const uint64_t *neg)
{
    double tp = 0, fp = 0, sum = 0;
    for (size_t bin = BINS; bin-- > 0;) {
        tp += (double)pos[bin];
        fp += (double)neg[bin];
        sum += pos[bin] ? (double)pos[bin] * tp / (tp + fp) : 0;
    }
    s->average_precision = share(sum, (double)s->n_pos);
}

/* The bin from which on a neuron is taken to say "labelled"; BINS: no label. */
static size_t best_bin(const uint64_t *pos, const uint64_t *neg, uint64_t n_pos)
{
    double tp = 0, fp = 0, best = 0;
    size_t best_at = BINS;
    for (size_t bin = BINS; bin-- > 0;) {
        tp += (double)pos[bin];
        fp += (double)neg[bin];
        const double f1 = 2 * tp / (tp + fp + (double)n_pos);
        if (pos[bin] && f1 > best) {
            best = f1;
            best_at = bin;
        }
    }
    return best_at;
}

static void score_threshold(struct score *s, const uint64_t *pos, const uint64_t *neg, size_t from)
{
    double tp = 0, fp = 0;
    for (size_t bin = from; bin < BINS; bin++) {
        tp += (double)pos[bin];
        fp += (double)neg[bin];
    }
    const double fn = (double)s->n_pos - tp, tn = (double)s->n_neg - fp;
    s->threshold = bins_least((int32_t)from);
    s->precision = share(tp, tp + fp);
    s->recall = share(tp, tp + fn);
    s->f1 = share(2 * tp, 2 * tp + fp + fn);
    s->mcc =
        share(tp * tn - fp * fn, sqrt(tp + fp) * sqrt(tp + fn) * sqrt(tn + fp) * sqrt(tn + fn));
}

/* c log2 c: most counts are small. */
static double c_log_c(uint64_t c)
{
    return c > 1 ? (double)c * log2((double)c) : 0;
}

/* I = H(label) + H(bin) - H(label, bin), each entropy with (cells - 1) / (2 n ln 2) added (Miller
 * 1955). */
static void score_information(struct score *s, const uint64_t *pos, const uint64_t *neg)
{
    const double n = (double)(s->n_pos + s->n_neg);
    double bins = 0, cells = 0; // sums of c log c
    int n_bins = 0, n_cells = 0;
    for (size_t bin = 0; bin < BINS; bin++) {
        n_bins += pos[bin] + neg[bin] > 0;
        n_cells += (pos[bin] > 0) + (neg[bin] > 0);
        if (pos[bin] > 0) { // else the two terms are equal
            bins += c_log_c(pos[bin] + neg[bin]);
            cells += c_log_c(pos[bin]) + c_log_c(neg[bin]);
        }
    }
    const int n_labels = (s->n_pos > 0) + (s->n_neg > 0);
    const double labels = c_log_c(s->n_pos) + c_log_c(s->n_neg);
    // H(X) = log2 n - sum / n
    s->mutual_information = n > 0 ? log2(n) - (labels + bins - cells) / n +
                                        (n_labels + n_bins - n_cells - 1) / (2 * n * M_LN2)
                                  : NAN;
}

static void no_hists(struct score *s)
{
    s->auroc = s->auroc_bound = s->average_precision = s->mutual_information = NAN;
}

static void no_threshold(struct score *s)
{
    s->threshold = s->precision = s->recall = s->f1 = s->mcc = NAN;
}

void scores_of(const struct neurons *n, size_t layer, size_t i, size_t row, size_t h,
               struct score out[SCORES])
{
    struct counted counted[SCORES] = {0};
    uint64_t pos[SCORES][BINS], neg[SCORES][BINS];
    for (int split = 0; split < SPLITS; split++) {
        count(&counted[split], n, layer, split, i, h);
        count(&counted[SCORE_ALL], n, layer, split, i, h);
    }
    for (int k = 0; k < SCORES; k++) {
        score_sums(&out[k], &counted[k]);
        no_hists(&out[k]);
        no_threshold(&out[k]);
    }
    if (row == SIZE_MAX) {
        return;
    }
    scores_hists(n, layer, i, row, h, SPLIT_DEV, pos[SCORE_DEV], neg[SCORE_DEV]);
    scores_hists(n, layer, i, row, h, SPLIT_TEST, pos[SCORE_TEST], neg[SCORE_TEST]);
    for (size_t bin = 0; bin < BINS; bin++) {
        pos[SCORE_ALL][bin] = pos[SCORE_DEV][bin] + pos[SCORE_TEST][bin];
        neg[SCORE_ALL][bin] = neg[SCORE_DEV][bin] + neg[SCORE_TEST][bin];
    }
    const size_t from = best_bin(pos[SCORE_DEV], neg[SCORE_DEV], out[SCORE_DEV].n_pos);
    for (int k = 0; k < SCORES; k++) {
        score_area(&out[k], pos[k], neg[k]);
        score_precision(&out[k], pos[k], neg[k]);
        score_information(&out[k], pos[k], neg[k]);
        if (from < BINS) {
            score_threshold(&out[k], pos[k], neg[k], from);
        }
    }
}

// --- a neuron -----------------------------------------------------------------------------------

void scores_neuron(const struct neurons *n, size_t layer, size_t i, struct neuron_stats *out)
{
    struct set_sums s = {0};
    uint64_t positive = 0;
    *out = (struct neuron_stats){.min = NAN, .max = NAN};
    for (int split = 0; split < SPLITS; split++) {
        const struct set_sums of_split = sums_of(n, layer, split, SET_ALL, i);
        const uint64_t *hist = hist_of(n, layer, split, SET_ALL, i);
        s.sum += of_split.sum;
        s.squares += of_split.squares;
        out->n += n->sets[split][SET_ALL].tokens;
        for (size_t bin = 0; bin < BINS; bin++) {
            out->hist[bin] += hist[bin];
            positive += bin >= BINS_HALF ? hist[bin] : 0;
        }
    }
    const size_t n_neurons = n->shape->layers[layer].n;
    const struct example_list *top = &n->layers[layer].lists[LIST_TOP * n_neurons + i];
    const struct example_list *bottom = &n->layers[layer].lists[LIST_BOTTOM * n_neurons + i];
    out->mean = mean(s.sum, out->n);
    out->sd = out->n ? (double)sqrtl(variance(&s, out->n)) : NAN;
    out->share_positive = share((double)positive, (double)out->n);
    out->max = top->n ? top->items[0].activation : NAN; // both lists hold the extreme
    out->min = bottom->n ? bottom->items[0].activation : NAN;
}
