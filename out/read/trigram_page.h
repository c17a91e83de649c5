/*
 * trigram_page.h - one trigram of a run with all there is of it: counts, gaps, what models make of
 * it, neurons, examples
 *
 *     trigram_page_read -> trigram_page_free
 */
#ifndef GAPSCOPE_OUT_READ_TRIGRAM_PAGE_H
#define GAPSCOPE_OUT_READ_TRIGRAM_PAGE_H

#include "out/read/place.h"
#include "out/read/row.h"

#define TRIGRAM_PAGE_SKIPS 4 // P(C | A at a distance): 2, 3-4, 5-8, 9-16 before

/* Where a number has four values: A before B, another before B, A before another, neither. */
enum trigram_cell { AT_AB, AT_XB, AT_AX, AT_XX, AT_CELLS };

/* A row of table trigram.  A, B, C: what is called abc[0], [1], [2]. */
struct trigram_row {
    int64_t id, abc[3];
    struct text texts[3]; // "": the run has no text of it
    int64_t counts[5];    // of A B C, A B, B C, B, C
    double p, p_bigram, p_skip[TRIGRAM_PAGE_SKIPS], p_added;
    int64_t n, docs; // places and documents of the run's corpus
    double gain;
    int64_t tested;          // 1: with minimal pairs
    int64_t cells[AT_CELLS]; // tokens
    struct json_object *mean_logprob, *fillers_a, *fillers_b;
};
extern const struct row_kind trigram_kind;

struct trigram_pair_gap {
    int64_t pair;
    struct text name;
    double mean_gap, se;
};
extern const struct row_kind trigram_gap_kind;

/* What a model makes of it, with the neuron that the verdict names, or the first where it names
 * none.  Whole numbers of a neuron that is not there are WHOLE_NULL. */
struct trigram_model {
    int64_t model;
    struct text name;
    int64_t contexts, pairs;
    double logprob[AT_CELLS];
    double interaction, se;
    struct text verdict;
    int64_t layer, idx; // of the named neuron
    struct text site;
    int64_t neuron_layer, neuron_idx;
    double activation[AT_CELLS];
    double ablated, ablated_se, ablated_elsewhere;
    // set behind the row
    char *words; // the verdict as a sentence: "AND-like: L0N123 fires 2.31 at A B, ..."
    struct trigram_neuron_row *neurons; // [n_neurons]
    size_t n_neurons;
};
extern const struct row_kind trigram_model_kind;
#define TRIGRAM_MODEL_SHOWN 14 // columns up to the site: those of the neuron are in 'words'

struct trigram_neuron_row {
    int64_t layer, idx, rank;
    struct text kind;
    double corpus[AT_CELLS], corpus_interaction; // mean activations in the corpus
    double pairs[AT_CELLS], interaction, se;     // and in minimal pairs
    double direct, share, ablated, ablated_se, ablated_elsewhere;
};
extern const struct row_kind trigram_neuron_kind;

struct trigram_example {
    struct text kind; // place, elsewhere
    int64_t rank;
    struct place place; // labelled: where A and B stand
    struct json_object *logprobs;
    struct text logprob_list; // "base -5.10, one -0.30"; NULL: none
};
extern const struct row_kind trigram_example_kind;
#define TRIGRAM_EXAMPLE_SHOWN 9 // columns up to logprobs: the others are made of these

struct filler {
    int64_t token;
    struct text token_text;
};
extern const struct row_kind filler_kind;

struct trigram_page {
    struct trigram_row trigram;
    struct text mean_list;         // "base -5.10, one -0.30": each model's mean ln P(C); NULL: none
    struct trigram_pair_gap *gaps; // [n_gaps], by pair
    size_t n_gaps;
    struct trigram_model *models; // [n_models]
    size_t n_models;
    struct trigram_example *examples; // [n_examples]: places, then elsewhere
    size_t n_examples;
    struct filler *fillers[2]; // [n_fillers[i]] of A, of B
    size_t n_fillers[2];
};

/* examples: of each kind, at most.  Returns false where there is no such trigram, and after a
 * failure.  trigram_page_free() ends *p, {0} before, in any case. */
bool trigram_page_read(struct trigram_page *p, struct reader *r, int64_t id, size_t examples);
void trigram_page_free(struct trigram_page *p);

/* The gap of a pair; NULL: it is not known. */
const struct trigram_pair_gap *trigram_gap_of(const struct trigram_page *p, int64_t pair);

/* Models with their words, neurons left out, and examples of one trigram, from statements of
 * SQL_TRIGRAM_MODELS and SQL_TRIGRAM_EXAMPLES. */
int trigram_models_step(struct trigram_model **models, size_t *n, struct reader *r,
                        sqlite3_stmt *stmt);
void trigram_models_free(struct trigram_model *models, size_t n);

#endif
