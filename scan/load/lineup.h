/*
 * lineup.h - the models of one run, and the tokenizer that they share
 */
#ifndef GAPSCOPE_SCAN_LOAD_LINEUP_H
#define GAPSCOPE_SCAN_LOAD_LINEUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/nearest.h"
#include "corpora/base/mem.h"
#include "model/counts/countmodel.h"
#include "model/load/model.h"
#include "model/pass/changes.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/cli/args.h"

// The window of a run whose models are all counts, for which its length makes no difference: as
// long as that of common models.
#define LINEUP_N_CTX ((size_t)1024)

// clang-format off

/* Rows in a command's table: WEIGHTS_ARGS where models have weights, MODELS_ARGS where they may be
 * counts, with the tokenizer for those that have none; TOKENIZER_ARGS where only a tokenizer is
 * needed. */
#define WEIGHTS_ARGS(models, tokenizer)                                                            \
    {"model", 'm', ARG_LIST, models, "[NAME=]M",                                                   \
     "a folder, an alias (gelu-1l) or a repository; give\nseveral to compare them"},               \
    {"tokenizer", 0, ARG_STRING, tokenizer, "FILE", "tokenizer.json, where M has none"}
#define MODELS_ARGS(models, tokenizer)                                                             \
    {"model", 'm', ARG_LIST, models, "[NAME=]M",                                                   \
     "a folder, an alias (gelu-1l), a repository, or counts,\nFILE.ngrams:2, :3, :skip, "          \
     ":oracle; M@zero.L1H3 is M with\nsomething changed; give several to compare them"},           \
    {"tokenizer", 0, ARG_STRING, tokenizer, "FILE", "tokenizer.json, where M has none"}
#define TOKENIZER_ARGS(tokenizer, model)                                                           \
    {"tokenizer", 0, ARG_STRING, tokenizer, "FILE", "a tokenizer.json"},                           \
    {"model", 'm', ARG_STRING, model, "M", "the tokenizer of this model"}

// clang-format on

/* A model: weights, or counts, which have no layers. */
struct lineup_model {
    char *name;                  // the user's name for it; the key in outputs
    char *path;                  // a folder, or the file of counts
    const struct config *config; // the weights' own, or none_config: with counts act_fn has no
                                 // meaning
    struct model *weights;       // NULL: counts
    bool shares_weights;         // they are an earlier model's
    struct changes changes;      // n 0: none; else it is the weights with these made
    char *changes_text;          // as they were written; NULL: none
    struct ngrams *ngrams;       // NULL: weights, or another model owns it
    struct countmodel counts;    // set where weights is NULL
    struct config none_config;
};

struct lineup {
    struct lineup_model *models; // [n], in the order given; names differ
    size_t n;
    struct tokenizer *tokenizer; // NULL where none was asked for
    size_t n_ctx;                // the least of the models
    size_t d_vocab;              // the least of the models
    bool said_bos;               // that a tokenizer has not the BOS that a file names
};

/* Loads the models named by 'specs' (hub_resolve()'s "NAME=WHERE" or "WHERE"; for counts WHERE is
 * FILE.ngrams:2, :3, :skip or :oracle) and, with 'want_tokenizer', their tokenizer: each model's
 * own or the one its config names, else 'tokenizer_path' (NULL: none given).  With it, standard
 * error is told of windows that lineup_shrunk() speaks of, and of a bos_token that the tokenizer
 * has not.  Refuses models with
 * different tokenizers, and counts of another tokenizer.  On success the caller ends *out with
 * lineup_free().  Errors: those of model_load() and tokenizer_load(); ERR_NOT_FOUND (no tokenizer,
 * or one without BOS); ERR_LIMIT (no room for a token in a window); ERR_MISMATCH (tokenizers
 * differ, a tokenizer has more tokens than a model; counts of a part); ERR_USAGE (two models of one
 * name); ngrams_open()'s. */
int lineup_load(struct lineup *out, const struct arg_list *specs, const char *tokenizer_path,
                bool want_tokenizer, struct err *err);

void lineup_free(struct lineup *l); // {0} is allowed

/* Names of models that word[len] may stand for. */
struct nearest lineup_nearest(const struct lineup *l, const char *word, size_t len);

/* Appends "windows have 256 tokens, the n_ctx of A; B could take 1024" where the models differ in
 * how long a window may be, else nothing; nothing with ids, whose lists are windows.  Errors:
 * ERR_NOMEM. */
int lineup_shrunk(const struct lineup *l, struct buf *out, struct err *err);

/* Says on standard error, where it is so, that the tokenizer of 'path' has not the BOS that a file
 * beside it names, and which it has; true: it was said. */
bool lineup_say_unknown_bos(const struct tokenizer *t, const char *path);

/* Says on standard error, where n > 0, that n documents of 'what' begin with BOS, which stands in
 * front of a window anyway. */
void lineup_say_double_bos(const struct tokenizer *t, const char *what, uint64_t n);

/* Opens a file of counts that holds a whole count.  Errors: ngrams_open()'s, ERR_MISMATCH (it is a
 * part of a count). */
int lineup_open_counts(struct ngrams **out, const char *path, struct err *err);

/* ERR_MISMATCH if the counts have another tokenizer than the models, where those have one. */
int lineup_check_counts(const struct lineup *l, const struct ngrams *n, const char *path,
                        struct err *err);

/* Appends models[of], whose weights it shares, with something changed, "zero.L1H3"; it is called
 * "NAME@zero.L1H3".  Errors: ERR_USAGE (no such change, a model of that name), ERR_NOMEM. */
int lineup_add_changed(struct lineup *l, size_t of, const char *changes, struct err *err);

/* ERR_USAGE if a model is a changed one: for commands that do not take such. */
int lineup_need_unchanged(const struct lineup *l, const char *command, struct err *err);

/* ERR_USAGE if a changed model has an edge: for commands that take changes of components alone. */
int lineup_need_no_edges(const struct lineup *l, const char *command, struct err *err);

/* ERR_USAGE if a model is counts: for commands that look into weights. */
int lineup_need_weights(const struct lineup *l, struct err *err);

/* Loads the tokenizer of --tokenizer FILE or --model M, without weights.  Errors: as above;
 * ERR_USAGE where both are NULL. */
int lineup_tokenizer(struct tokenizer **out, const char *model, const char *tokenizer_path,
                     struct err *err);

#endif
