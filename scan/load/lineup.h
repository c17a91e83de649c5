/*
 * lineup.h - the models of one run, and the tokenizer that they share
 */
#ifndef GAPSCOPE_SCAN_LOAD_LINEUP_H
#define GAPSCOPE_SCAN_LOAD_LINEUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/countmodel.h"
#include "model/load/model.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/cli/args.h"

// Where all models are counts, which see any window alike: as long as those that people compare.
#define LINEUP_N_CTX ((size_t)1024)

/* A model: weights, or counts, which are one with no layers. */
struct lineup_model {
    char *name;                  // as the user calls it; the key in outputs
    char *path;                  // a folder, or the file of counts
    const struct config *config; // its own's, or none_config: act_fn says nothing of counts
    struct model *weights;       // NULL: counts
    struct ngrams *ngrams;       // NULL: weights, or it is another model's
    struct countmodel counts;    // where weights is NULL
    struct config none_config;
};

struct lineup {
    struct lineup_model *models; // [n], in the order given; names differ
    size_t n;
    struct tokenizer *tokenizer; // NULL where none was wanted
    size_t n_ctx;                // the least of the models
    size_t d_vocab;              // the least of the models
};

/*
 * Loads the models named by 'specs' (hub_resolve()'s "NAME=WHERE" or "WHERE"; of counts WHERE is
 * FILE.ngrams:2, :3, :skip or :oracle) and, with 'want_tokenizer', their tokenizer: each model's
 * own or the one its config names, else 'tokenizer_path' (NULL: none given).  Models with different
 * tokenizers are refused, and counts of another one.
 * On success the caller ends *out with lineup_free().
 * Errors: those of model_load() and tokenizer_load(); ERR_NOT_FOUND (no tokenizer, or one without
 * BOS); ERR_LIMIT (no room for a token in a window); ERR_MISMATCH (tokenizers differ, a tokenizer
 * has more tokens than a model; counts of a part); ERR_USAGE (two models of one name);
 * ngrams_open()'s.
 */
int lineup_load(struct lineup *out, const struct arg_list *specs, const char *tokenizer_path,
                bool want_tokenizer, struct err *err);

void lineup_free(struct lineup *l); // {0} is allowed

/* Opens a file of counts, which is to be no part of a count.  Errors: ngrams_open()'s,
 * ERR_MISMATCH. */
int lineup_open_counts(struct ngrams **out, const char *path, struct err *err);

/* ERR_MISMATCH where it was counted with another tokenizer than the models', if they have one. */
int lineup_check_counts(const struct lineup *l, const struct ngrams *n, const char *path,
                        struct err *err);

/* ERR_USAGE where a model is counts, for commands that look into weights. */
int lineup_need_weights(const struct lineup *l, struct err *err);

/* The tokenizer of --tokenizer FILE or --model M, without loading weights.  Errors: as above;
 * ERR_USAGE where both are NULL. */
int lineup_tokenizer(struct tokenizer **out, const char *model, const char *tokenizer_path,
                     struct err *err);

#endif
