/*
 * sample.h - what a run keeps of a neuron, as a weighted sample of all tokens
 *
 * The places are those of the lists 'top', 'interval' and 'random' that lie in documents of the
 * half dev.  Each place is one token of the sample; of a random place the tokens around it are such
 * too, since they were not chosen for what the neuron does there.  A token weighs the tokens of its
 * interval of activations (by the neuron's histogram) over those of the sample in it; what is at
 * or above the least 'top' is an interval of its own.
 *
 * Threads: a sample belongs to one thread.
 */
#ifndef GAPSCOPE_SCAN_SUGGEST_SAMPLE_H
#define GAPSCOPE_SCAN_SUGGEST_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "out/read/reader.h"
#include "scan/suggest/vocabulary.h"

#define SAMPLE_TOKENS 8192 // of a neuron, at most
#define SAMPLE_PLACES 1024
#define SAMPLE_EDGES 64
#define SAMPLE_MEANS 64

/* A place with the tokens around it. */
struct sample_place {
    struct tokens tokens; // ids, and their text where the run has texts
    uint32_t doc;         // number of its document in the sample
};

struct sample_token {
    uint32_t place, at; // tokens[at] of the place
    double activation;
    double weight; // tokens of the corpus that it stands for
};

struct sample {
    struct sample_place *places; // [n_places]
    size_t n_places;
    struct sample_token *tokens; // [n_tokens]
    size_t n_tokens;
    size_t n_docs;
    double n; // tokens of the corpus

    struct sample_mean { // of the neuron at single tokens of the whole corpus, the greatest first
        uint32_t id;
        double mean;
    } * means; // [n_means]
    size_t n_means;
    double mean; // at all tokens

    // edges of activations at which 3 %, 1 %, ... of all tokens lie above
    double thresholds[8];
    size_t n_thresholds;
};

/* key: model, layer, index of a neuron.  sample_free() ends *s, {0} before, in any case. */
int sample_read(struct sample *s, struct reader *r, const struct vocabulary *v,
                const int64_t key[3]);
void sample_free(struct sample *s);

/* The id that stands 'back' tokens before it in its context; UINT32_MAX: none does. */
static inline uint32_t sample_id(const struct sample *s, size_t token, size_t back)
{
    const struct sample_token *t = &s->tokens[token];
    return t->at >= back ? s->places[t->place].tokens.ids[t->at - back] : UINT32_MAX;
}

#endif
