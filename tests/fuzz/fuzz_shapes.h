/*
 * fuzz_shapes.h - of what shape the tallies, comparisons, neurons and trigrams are that are read from
 * any bytes
 */
#ifndef GAPSCOPE_TESTS_FUZZ_SHAPES_H
#define GAPSCOPE_TESTS_FUZZ_SHAPES_H

#include <stdlib.h>

#include "out/results/compare/compare.h"
#include "out/results/neurons/neurons.h"
#include "out/results/trigrams/trigrams.h"
#include "tests/kit/tally_whole.h"

static const struct run_pair fuzz_pair = {.base = 0, .n_others = 1, .others = {1}};
static const struct tally_shape fuzz_tally_shape = {
    .n_models = 2,
    .n_pairs = 1,
    .n_shards = 1,
    .d_vocab = 8,
    .pairs = &fuzz_pair,
    .floor = -0.5,
    .gap_bins_half = 5,
    .top = 3,
    .domains_max = 2,
    .n_hypotheses = 2,
};

static struct compare_pair fuzz_compare_pairs[] = {{.kind = COMPARE_PAIR, .other = 1, .d_vocab = 8},
                                                   {.kind = COMPARE_SEVERAL_OTHERS}};
static bool fuzz_compare_next[1];
static const struct compare_shape fuzz_compare_shape = {
    .share = {.take = 1, .of = 2},
    .n_models = 2,
    .n_pairs = 2,
    .n_hypotheses = 1,
    .pairs = fuzz_compare_pairs,
    .next = fuzz_compare_next,
    .d_vocab = 8,
};

/* A detail with all that there can be, its neurons told apart by the token. */
static inline int fuzz_detail(void *context, size_t pair, size_t at, struct hit_detail *out,
                              struct err *err)
{
    static const float parts[2] = {0.25f, -1.5f};
    static struct token_view views[2] = {
        {.looks = true, .rank = 3, .entropy = 1.5f, .n_top = 1, .top = {5}, .logprob = {-0.5f}},
        {.looks = true,
         .rank = 1,
         .entropy = 0.5f,
         .n_components = 2,
         .components = parts,
         .logit = 2,
         .has_neurons = true,
         .n_neurons = 1}};
    static const uint32_t ids[2] = {7, 3}, labels[1] = {0};
    static const int32_t gaps[2] = {-12, 40};
    (void)err;
    views[1].neurons[0].index = (uint32_t)at;
    views[1].neurons[0].effect = -0.125f;
    *out = (struct hit_detail){.n_views = 2,
                               .views = views,
                               .at = (uint32_t)pair,
                               .n = 2,
                               .ids = ids,
                               .gaps = gaps,
                               .domain = *(const char *const *)context,
                               .has_labels = true,
                               .n_labels = 1,
                               .labels = labels};
    return 0;
}

/* A document of three tokens: hypothesis 0 labels the last, 1 gave up. */
static inline int fuzz_add_document(struct tally *t, uint64_t number, const char *domain)
{
    static const uint32_t ids[3] = {0, 7, 3}, ends[3] = {1, 2, 4}, pos[3] = {1, 2, 1}, last = 2;
    static const double base[3] = {-0.1, -0.5, -0.4}, other[3] = {-0.3, -0.1, -0.2};
    static const double *const rows[2] = {base, other};
    static const struct tally_labels labels[2] = {{.at = &last, .n = 1}, {.gave_up = true}};
    static const uint64_t words[3] = {0, 0, 1};
    const struct tally_doc doc = {.number = number,
                                  .domain = domain,
                                  .text = "a \xc3\xa9",
                                  .text_len = 4,
                                  .n = 3,
                                  .ids = ids,
                                  .ends = ends,
                                  .pos = pos,
                                  .logprob = rows,
                                  .labels = labels,
                                  .label_words = words};
    const struct whole_detail detail = {.fn = fuzz_detail, .context = &domain};
    return tally_add_whole(t, &doc, NULL, &detail, NULL);
}

static const struct neurons_layer fuzz_layers[] = {{.n = 2}, {.layer = 1, .n = 1, .first = 2}};
static const struct neurons_watch fuzz_watch = {.layer = 1, .hypothesis = 1};
static const uint32_t fuzz_subset[1] = {1};
static const struct neurons_subset fuzz_subsets[] = {
    {fuzz_subset, 1}, {fuzz_subset, 0}, {fuzz_subset, 0}, {fuzz_subset, 0}};
static const struct neurons_shape fuzz_neurons_shape = {
    .layers = fuzz_layers,
    .n_layers = 2,
    .n = 3,
    .n_hypotheses = 2,
    .watches = &fuzz_watch,
    .n_watches = 1,
    .examples = 2,
    .subsets = fuzz_subsets,
};

/* Of fuzz_tally_shape's models and pairs; groups are shared.  Made once, for ever. */
static inline const struct trigrams_shape *fuzz_trigrams_shape(void)
{
    static const struct trigram items[] = {
        {.a = 1, .b = 2, .c = 3}, {.a = 1, .b = 2, .c = 1}, {.a = 2, .b = 2, .c = 3}};
    static const size_t layers[] = {2, 1};
    static struct trigrams_shape *shape;
    if (!shape && trigrams_shape_make(&shape, items, 3, 2, 1, layers, 2, NULL)) {
        abort();
    }
    return shape;
}

#endif
