/*
 * config_keys.h - what each known key of config.json means for the computation
 *
 * The table has every field of TransformerLens' HookedTransformerConfig (and those of its
 * forerunner EasyTransformer), since people save these as config.json.  A key is heeded, or
 * harmless, or it asks for another formula than gapscope's unless its value is the usual one; such
 * a value is refused by name.  A key that the table does not have is harmless: the repositories'
 * files hold much about training.
 */
#ifndef GAPSCOPE_MODEL_LOAD_CONFIG_KEYS_H
#define GAPSCOPE_MODEL_LOAD_CONFIG_KEYS_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/json.h"

enum key_rule {
    KEY_HEEDED,      // config.c reads it
    KEY_HARMLESS,    // no log-prob or activation depends on it
    KEY_UNSET,       // only null, false, and a number of at most 0, which stand for "not used"
    KEY_SET,         // only null and true
    KEY_WORD,        // only null or the word 'usual'
    KEY_ALL_WORD,    // only null or an array in which each word is 'usual'
    KEY_SIZE_OF_KEY, // only null, -1, or the number that the key 'usual' has
};

struct config_key {
    const char *name;
    enum key_rule rule;
    const char *usual; // as the rule says, else NULL
    const char *why;   // of a refused value: what it would change
};

/* The table, [*n]. */
const struct config_key *config_keys(size_t *n);

/* Refuses the first key whose value asks for another formula.  Errors: ERR_UNSUPPORTED (the message
 * names the key, the value, and what may stand there). */
int config_keys_check(struct json_object *config, struct err *err);

/* The same by another table, keys[n]. */
int config_keys_check_in(const struct config_key *keys, size_t n, struct json_object *config,
                         struct err *err);

#endif
