/*
 * config_values.h - typed values of config.json
 */
#ifndef GAPSCOPE_MODEL_LOAD_CONFIG_VALUES_H
#define GAPSCOPE_MODEL_LOAD_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/json.h"

// Far beyond any model, but small enough that a product of two such sizes does not overflow.
#define CONFIG_SIZE_MAX ((size_t)1 << 24)

/* Is the key there, with null or another value? */
bool config_has_key(struct json_object *object, const char *key);

/* Reads a size from 1 to 'most'.  Errors: ERR_FORMAT (also where there is none); the message names
 * the key. */
int config_read_size(struct json_object *object, const char *key, size_t most, size_t *out,
                     struct err *err);

/* Reads a size that may be -1, which is TransformerLens' word for "not given"; *out stays where it
 * is not given. */
int config_read_optional_size(struct json_object *object, const char *key, size_t *out,
                              struct err *err);

/* Reads a number above 0; *out stays where the key is missing or 'none', which may be NAN. */
int config_read_positive(struct json_object *object, const char *key, double none, double *out,
                         struct err *err);

#endif
