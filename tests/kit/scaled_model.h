/*
 * scaled_model.h - the demo's gelu-1l with weights so large that log-probs overflow, or nearly
 *
 *     scaled_write(folder, SCALED_NEURON, 6e37): NaN at tokens where neuron 7 is infinite
 */
#ifndef GAPSCOPE_TESTS_KIT_SCALED_MODEL_H
#define GAPSCOPE_TESTS_KIT_SCALED_MODEL_H

enum scaled {
    SCALED_UNEMBED, // W_U times the factor: log-probs grow alike
    SCALED_NEURON,  // neuron 7's W_in so that its largest weight is the factor, and its W_out 0
};

/* Makes the folder 'dir' with config.json, tokenizer.json and model.safetensors.  A failure is one
 * of the test that calls it. */
void scaled_write(const char *dir, enum scaled what, float factor);

#endif
