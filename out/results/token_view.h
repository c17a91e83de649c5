/*
 * token_view.h - what one model says before one token, as data
 */
#ifndef GAPSCOPE_OUT_RESULTS_TOKEN_VIEW_H
#define GAPSCOPE_OUT_RESULTS_TOKEN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_VIEW_TOP 10     // most likely tokens
#define TOKEN_VIEW_NEURONS 10 // of the largest direct effects

struct token_view {
    bool looks;    // false: the model does not say how likely every token is; nothing below is set
    uint64_t rank; // of the true token, from 1
    float entropy; // nats
    uint32_t n_top;
    uint32_t top[TOKEN_VIEW_TOP];
    float logprob[TOKEN_VIEW_TOP]; // nats

    // direct logit attribution of the true token, less the vocabulary's mean
    // (model/explain/attribution.h); n_components 0: the model has none
    float logit;
    uint32_t n_components;
    const float *components; // [n_components] in the order of run_model's components
    bool has_neurons;        // false: the model is attention-only
    uint32_t n_neurons;
    struct {
        uint32_t layer, index;
        float effect;
    } neurons[TOKEN_VIEW_NEURONS];
};

#endif
