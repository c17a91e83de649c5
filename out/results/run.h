/*
 * run.h - a scan as plain data: what was to be done, and how much of it is
 */
#ifndef GAPSCOPE_OUT_RESULTS_RUN_H
#define GAPSCOPE_OUT_RESULTS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/gaps/tally.h"
#include "out/results/neurons/neurons.h"
#include "out/results/trigrams/trigrams.h"

struct run_model {
    char *name, *path;
    char *act_fn; // "gelu", ...; "none" where attention-only
    char *site;   // of its neurons: "pre", "mid", "post"; "" where none are kept
    size_t n_layers, d_model, n_heads, d_mlp, d_vocab, n_ctx;
    uint64_t weights_hash; // XXH64 of all weights in f32
};

struct run_shard {
    char *name, *path;
    uint64_t bytes, hash;
    uint64_t units; // 0: not known until it has been read to its end, or none
};

struct run_hypothesis {
    char *name;
    char *kind; // "regex", "tokens", ...
    char *spec; // what it is, as JSON
};

/* The direct effects of a neuron: tokens that it makes most and least likely; tokens that drive it
 * most and least.  RUN_NO_TOKEN fills up; where a kind is not known of a model, all are that. */
enum { RUN_OUTPUT_TOP, RUN_OUTPUT_BOTTOM, RUN_INPUT_TOP, RUN_INPUT_BOTTOM, RUN_EFFECT_KINDS };
#define RUN_EFFECTS 15 // of each kind
#define RUN_NO_TOKEN UINT32_MAX
#define RUN_EXAMPLES_MAX 1000                // top examples of a neuron
#define RUN_NEURONS_MAX ((uint64_t)1 << 20)  // of all models
#define RUN_TRIGRAM_SUMS ((uint64_t)1 << 30) // neurons x groups of tokens that are summed: 8 GiB
struct run_effect {
    uint32_t token;
    float value;
};

struct run {
    // what was to be done: two runs can be merged or resumed where all this is equal (paths aside)
    struct run_model *models; // [n_models]
    size_t n_models;
    struct run_shard *shards; // [n_shards], sorted as shards.h says
    size_t n_shards;
    struct tally_pair *pairs; // [n_pairs]
    size_t n_pairs;
    double floor;
    size_t top;
    struct run_hypothesis *hypotheses; // [n_hypotheses]
    size_t n_hypotheses;
    struct neurons_watch *watches; // [n_watches]; layers count through all models with neurons
    size_t n_watches;
    uint32_t examples;   // top examples shown of a neuron
    uint32_t histograms; // neurons a hypothesis that have histograms of its labels; 0: all
    char *settings; // JSON of all else that changes results: field, format, domain, packing, ...

    // names that the tables show; no result depends on them
    char **reasons; // [n_reasons] of rejected records, by number
    size_t n_reasons;
    struct buf token_texts;     // run_add_token()'s, each ended by a NUL; empty: no tokenizer
    struct run_effect *effects; // [neurons->n][RUN_EFFECT_KINDS][RUN_EFFECTS]; NULL: not known

    struct neurons_shape *neurons;   // run_shape_neurons(): of all the above; NULL: none are kept
    struct trigrams_shape *trigrams; // run_shape_trigrams(); NULL: none are asked for

    // how much is done
    bool counted;        // the corpus has been read to its end: n_units is known
    uint64_t n_units;    // of the corpus
    unsigned char *done; // [(done_bits + 7) / 8], bit i % 8 of byte i / 8: unit i is in the tally
    uint64_t done_bits;
    bool limited; // --max-tokens ended it: what is not done is not to be
};

void run_free(struct run *r); // {0} is allowed

bool run_is_done(const struct run *r, uint64_t unit);
int run_set_done(struct run *r, uint64_t unit, struct err *err); // grows done; ERR_NOMEM
uint64_t run_count_done(const struct run *r);
bool run_is_finished(const struct run *r); // every unit is done, or 'limited'

/* Appends the text of the next token id: bytes[len] as valid UTF-8, a byte that is no part of a
 * whole character (and NUL) as \xNN.  Errors: ERR_NOMEM. */
int run_add_token(struct run *r, const char *bytes, size_t len, struct err *err);

/* 0 where a and b are parts of one run, else ERR_MISMATCH with the first difference in words. */
int run_same(const struct run *a, const struct run *b, struct err *why);

/* Adds to 'to' what 'from' has done.  Errors: ERR_MISMATCH (not run_same(), a unit is in both, they
 * disagree on how many units there are), ERR_NOMEM; 'to' is then as it was. */
int run_merge(struct run *to, const struct run *from, struct err *err);

/*
 * Sets run->neurons from the models' sites, the hypotheses, watches and so on; again where these
 * have changed.  subsets: with 'histograms', [n_layers][n_hypotheses], which the run then owns;
 * else NULL.  Errors: ERR_NOMEM, ERR_LIMIT (a watch of a neuron that there is not, over 2^20
 * neurons).
 */
int run_shape_neurons(struct run *r, struct neurons_subset *subsets, struct err *err);
void run_subsets_free(struct neurons_subset *subsets, size_t n); // NULL is allowed

/* Sets run->trigrams from items[n], 0 < n <= TRIGRAMS_MAX; the run has its models, pairs and
 * neurons. Errors: ERR_NOMEM, ERR_FORMAT (trigrams_shape_make()'s), ERR_LIMIT (too many for so many
 * neurons).
 */
int run_shape_trigrams(struct run *r, const struct trigram *items, size_t n, struct err *err);

/* The shape of the run's tallies, pointing into it (r->pairs). */
struct tally_shape run_shape(const struct run *r);

/* The run as bytes, all but token_texts and effects, and back into *out, which the caller ends with
 * run_free(). What the bytes say is checked: sizes, ids of pairs, names.  Errors: ERR_NOMEM,
 * ERR_FORMAT. */
int run_save(const struct run *r, struct buf *out, struct err *err);
int run_load(struct run *out, const void *bytes, size_t len, struct err *err);

#endif
