#include "out/results/neurons/scores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/neurons/neurons_internal.h"

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
    uint64_t n, n_pos, docs_pos; // tokens whose activations are finite; documents
    struct set_sums all, pos;    // 'all': of the n
};

static void count(struct counted *c, const struct neurons *n, size_t layer, int split, size_t i,
                  size_t h)
{
    struct set_sums all = sums_of(n, layer, split, SET_ALL, i);
    const struct set_sums pos = sums_of(n, layer, split, set_labelled(h), i);
    const struct set_sums left_out = sums_of(n, layer, split, set_left_out(h), i);
    neurons_sums_subtract(&all, &left_out);
    c->n += n->sets[split][SET_ALL].tokens - n->sets[split][set_left_out(h)].tokens - all.left_out;
    c->n_pos += n->sets[split][set_labelled(h)].tokens - pos.left_out;
    c->docs_pos += n->sets[split][set_labelled(h)].docs;
    neurons_sums_add(&c->all, &all);
    neurons_sums_add(&c->pos, &pos);
}

/* sum / n of activations. */
static double mean(const struct wide *sum, uint64_t n)
{
    return n ? (double)(wide_to(sum) / (long double)n / ONE) : NAN;
}

/* Mean squares, cubes and fourth powers about the mean of n numbers, n > 0, from exact sums about 0
 * ('powers': NULL, only squares).  They are moved, exactly, to the whole number c next to the mean;
 * what is left to the mean is below 1, so that no digits are lost.  Units of ACT_ONE. */
static void about_mean(const struct set_sums *s, const struct power_sums *powers, uint64_t n,
                       long double out[3])
{
    const struct wide count = wide_from((__int128)n);
    const struct wide c = wide_divided(&s->sum, n), cc = wide_times(&c, &c);
    const struct wide c1 = wide_times(&c, &s->sum), c2 = wide_times(&cc, &count);
    // sum (f - c) = S1 - c n;  sum (f - c)^2 = S2 - 2 c S1 + c^2 n
    struct wide first = s->sum, second = s->squares;
    const struct wide nc = wide_times(&c, &count);
    wide_subtract(&first, &nc);
    wide_add_times(&second, -2, &c1);
    wide_add_times(&second, 1, &c2);
    const long double all = (long double)n, off = wide_to(&first) / all;
    const long double squares = wide_to(&second) / all;
    out[0] = squares - off * off;
    out[0] = out[0] > 0 ? out[0] : 0;
    if (!powers) {
        return;
    }
    // sum (f - c)^3 = S3 - 3 c S2 + 3 c^2 S1 - c^3 n
    struct wide third = powers->cubes, fourth = powers->fourths;
    const struct wide s2c = wide_times(&c, &s->squares), s1cc = wide_times(&cc, &s->sum);
    const struct wide nccc = wide_times(&c, &c2);
    wide_add_times(&third, -3, &s2c);
    wide_add_times(&third, 3, &s1cc);
    wide_add_times(&third, -1, &nccc);
    // sum (f - c)^4 = S4 - 4 c S3 + 6 c^2 S2 - 4 c^3 S1 + c^4 n
    const struct wide s3c = wide_times(&c, &powers->cubes), s2cc = wide_times(&c, &s2c);
    const struct wide s1ccc = wide_times(&c, &s1cc), ncccc = wide_times(&c, &nccc);
    wide_add_times(&fourth, -4, &s3c);
    wide_add_times(&fourth, 6, &s2cc);
    wide_add_times(&fourth, -4, &s1ccc);
    wide_add_times(&fourth, 1, &ncccc);
    const long double cubes = wide_to(&third) / all, fourths = wide_to(&fourth) / all;
    out[1] = cubes - 3 * off * squares + 2 * off * off * off;
    out[2] = fourths - 4 * off * cubes + 6 * off * off * squares - 3 * off * off * off * off;
}

static double share(double part, double all)
{
    return all > 0 ? part / all : NAN;
}

/* part / all of sums, which may be beyond a double. */
static double sum_share(const struct wide *part, const struct wide *all)
{
    return wide_is_zero(all) ? NAN : (double)(wide_to(part) / wide_to(all));
}

static void score_sums(struct score *s, const struct counted *c)
{
    const uint64_t n_neg = c->n - c->n_pos;
    struct wide neg = c->all.sum;
    long double powers[3] = {0};
    wide_subtract(&neg, &c->pos.sum);
    if (c->n) {
        about_mean(&c->all, NULL, c->n, powers);
    }
    const long double sd = sqrtl(powers[0]) / ONE;
    s->n_pos = c->n_pos;
    s->n_neg = n_neg;
    s->docs_pos = c->docs_pos;
    s->prevalence = share((double)c->n_pos, (double)c->n);
    s->mean_pos = mean(&c->pos.sum, c->n_pos);
    s->mean_neg = mean(&neg, n_neg);
    s->r = sd > 0 ? (double)((s->mean_pos - s->mean_neg) / sd *
                             sqrtl((long double)c->n_pos * (long double)n_neg) / (long double)c->n)
                  : NAN;
    s->variance_explained = s->r * s->r;
    s->mass_covered = sum_share(&c->pos.positive, &c->all.positive);
}

// --- from histograms ----------------------------------------------------------------------------

/* Mann-Whitney's U over the pairs there are, and what the pairs in common bins can change. */
static void score_area(struct score *s, const uint64_t *pos, const uint64_t *neg)
{
    double above = 0, ties = 0, below = 0; // pairs; neg tokens below the bin
    double equal = 0;                      // of the ties those that are none of the bins' making
    for (size_t bin = 0; bin < BINS; bin++) {
        above += (double)pos[bin] * below;
        ties += (double)pos[bin] * (double)neg[bin];
        equal += bin == BINS_ZERO ? (double)pos[bin] * (double)neg[bin] : 0;
        below += (double)neg[bin];
    }
    const double pairs = (double)s->n_pos * (double)s->n_neg;
    s->auroc = share(above + ties / 2, pairs);
    s->auroc_bound = share((ties - equal) / 2, pairs);
}

/* 1 / (a + 1) + ... + 1 / (a + n). */
static double harmonic(double a, double n)
{
    double sum = 0;
    const double end = a + n;
    for (; a < end && (a < 32 || end - a < 16); a++) {
        sum += 1 / (a + 1);
    }
    // Euler's formula for the rest; what it leaves out is below 1 / (252 * 32^6)
    const double x = 1 / a, y = 1 / end;
    return a < end ? sum + log(end / a) + (y - x) / 2 - (y * y - x * x) / 12 +
                         (y * y * y * y - x * x * x * x) / 120
                   : sum;
}

/* The sum of precisions at each of n labelled tokens in a row, behind tp labelled ones and fp
 * others: of (tp + k) / (tp + k + fp) for k from 1 to n. */
static double precisions(double n, double tp, double fp)
{
    return fp > 0 ? n - fp * harmonic(tp + fp, n) : n;
}

/* The tokens of a bin are as one.  Of the activations themselves it is between what it is with the
 * others of each bin first, and with the labelled ones first; those of 0 are equal. */
static void score_precision(struct score *s, const uint64_t *pos, const uint64_t *neg)
{
    double tp = 0, fp = 0, sum = 0, least = 0, most = 0;
    for (size_t bin = BINS; bin-- > 0;) {
        const double p = (double)pos[bin], q = (double)neg[bin];
        if (pos[bin]) {
            const double one = p * (tp + p) / (tp + p + fp + q);
            sum += one;
            const bool equal = bin == BINS_ZERO; // they are as one in truth
            least += equal ? one : fmin(one, precisions(p, tp, fp + q));
            most += equal ? one : fmax(one, precisions(p, tp, fp));
        }
        tp += p;
        fp += q;
    }
    s->average_precision = share(sum, (double)s->n_pos);
    s->average_precision_bound = share(fmax(most - sum, sum - least), (double)s->n_pos);
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
    s->auroc = s->auroc_bound = s->mutual_information = NAN;
    s->average_precision = s->average_precision_bound = NAN;
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

/* Ten digits: the last ones of a double are those of sums that are rounded unit by unit. */
static double ten_digits(long double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.10Lg", x);
    return strtod(text, NULL);
}

void scores_neuron(const struct neurons *n, size_t layer, size_t i, struct neuron_stats *out)
{
    struct set_sums s = {0};
    struct power_sums powers = {0};
    uint64_t positive = 0;
    *out = (struct neuron_stats){
        .mean = NAN, .sd = NAN, .skewness = NAN, .kurtosis = NAN, .min = NAN, .max = NAN};
    for (int split = 0; split < SPLITS; split++) {
        const struct set_sums of_split = sums_of(n, layer, split, SET_ALL, i);
        const uint64_t *hist = hist_of(n, layer, split, SET_ALL, i);
        neurons_sums_add(&s, &of_split);
        wide_add(&powers.cubes, &n->layers[layer].powers[split][i].cubes);
        wide_add(&powers.fourths, &n->layers[layer].powers[split][i].fourths);
        out->n += n->sets[split][SET_ALL].tokens;
        for (size_t bin = 0; bin < BINS; bin++) {
            out->hist[bin] += hist[bin];
            positive += bin > BINS_ZERO ? hist[bin] : 0;
        }
    }
    const size_t n_neurons = n->shape->layers[layer].n;
    const struct example_list *top = &n->layers[layer].lists[LIST_TOP * n_neurons + i];
    const struct example_list *bottom = &n->layers[layer].lists[LIST_BOTTOM * n_neurons + i];
    out->left_out = s.left_out;
    out->n -= s.left_out;
    out->share_positive = share((double)positive, (double)out->n);
    out->max = top->n ? top->items[0].activation : NAN; // both lists hold the extreme
    out->min = bottom->n ? bottom->items[0].activation : NAN;
    if (out->n == 0) {
        return;
    }
    long double about[3];
    about_mean(&s, &powers, out->n, about);
    const long double variance = about[0];
    out->mean = mean(&s.sum, out->n);
    out->sd = (double)(sqrtl(variance) / ONE);
    if (variance > 0) {
        out->skewness = ten_digits(about[1] / (variance * sqrtl(variance)));
        out->kurtosis = ten_digits(about[2] / (variance * variance));
    }
}
