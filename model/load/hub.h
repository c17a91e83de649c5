/*
 * hub.h - finds the folder of a model by the name that the user gives
 *
 * The name is a folder, an alias of TransformerLens ("gelu-1l") or a repository
 * ("NeelNanda/GELU_1L512W_C4_Code", with or without its owner).  Aliases and repositories are
 * searched in
 *
 *   1. the folders of GAPSCOPE_MODELS, separated by colons: <folder>/<alias>,
 *      <folder>/<repository>, <folder>/<owner>/<repository>
 *   2. the Hugging Face cache (hub_cache.h):
 *      models--<owner>--<repository>/snapshots/<the one that refs/main names>
 *
 * Nothing is downloaded here: `gapscope fetch` does that.
 */
#ifndef GAPSCOPE_MODEL_LOAD_HUB_H
#define GAPSCOPE_MODEL_LOAD_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "model/load/config.h"

/* A model that TransformerLens knows by name. */
struct hub_model {
    const char *alias;       // "gelu-1l"
    const char *repo;        // "NeelNanda/GELU_1L512W_C4_Code"
    size_t d_model, d_vocab; // to recognise another model in a folder of that name
    double loss; // TransformerLens' own test: mean loss on BOS + "Hello world!", nats; 0: none
};

/* The entry whose alias, repository or repository without owner is 'name', or NULL. */
const struct hub_model *hub_find(const char *name);

/* The i-th model that has an alias; NULL behind the last. */
const struct hub_model *hub_known(size_t i);

/* Whether 'name' may be a repository's: OWNER/NAME, of the characters that the hub allows. */
bool hub_is_repo(const char *name);

/* The repository of a model's tokenizer, by its config's tokenizer_name (NULL: there is none) or the
 * size of its vocabulary; NULL: nobody knows. */
const char *hub_tokenizer_repo(const char *tokenizer_name, size_t d_vocab);

struct hub_place {
    char *name; // the name in outputs: NAME of "NAME=...", else the alias, repository or name of
                // the folder
    char *dir;
};

/*
 * Finds the model of "NAME=WHERE" or "WHERE", where WHERE is a name as above.  On success the
 * caller ends *out with hub_place_free().  Errors: ERR_NOT_FOUND (the message says where it looked,
 * and how to get the model), ERR_NOMEM, ERR_FORMAT (an empty name or place).
 */
int hub_resolve(struct hub_place *out, const char *spec, struct err *err);

void hub_place_free(struct hub_place *p); // {0} is allowed

/*
 * Finds the tokenizer.json of a model: the one in its folder, else that of the repository
 * config->tokenizer_name in the search path above (if the config has none, the vocabulary size says
 * which repository).  *out is a new string, or NULL with success if there is none; 'why' then says
 * where it was searched.  Errors: ERR_NOMEM.
 */
int hub_tokenizer(char **out, const char *model_dir, const struct config *config, struct err *why);

#endif
