/*
 * minimal_pairs.h - many minimal pairs: what patching a component does on average
 */
#ifndef GAPSCOPE_SCAN_CMD_MINIMAL_PAIRS_H
#define GAPSCOPE_SCAN_CMD_MINIMAL_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/explain/minimal.h"
#include "out/text/screen.h"
#include "scan/load/lineup.h"

/* A number over pairs; pairs in which it is no finite number are left out. */
struct minimal_mean {
    uint64_t n, positive; // pairs, and those in which it is above 0
    double sum, square;
};

/* One model. */
struct minimal_pairs_model {
    const struct lineup_model *model;
    struct engine *engine;
    size_t n_components;             // [n_layers][heads, then the MLP if any]
    struct minimal_mean *effects[2]; // [n_components] of patching into prompt k
    struct minimal_mean change;      // of the logit difference: after two less after one
};

struct minimal_pairs {
    const char *path;
    struct minimal_pairs_model *models; // [n_models]
    size_t n_models;
    uint64_t n, skipped;
};

/*
 * Goes through a file of JSONL, {"a":TEXT,"b":TEXT,"answers":[X,Y]} on each line (with ids lists and
 * numbers).  A line that makes no pair is skipped, and standard error has the first of them with
 * the reason.  minimal_pairs_free() ends *out in any case.  Errors: those of the stream; ERR_FORMAT
 * (no line makes a pair); ERR_NOMEM.
 */
int minimal_pairs_find(struct minimal_pairs *out, const char *path, const struct lineup *lineup,
                       bool ids, bool special, struct err *err);
void minimal_pairs_free(struct minimal_pairs *p); // {0} is allowed

/* A table a model, the greatest mean effect first; or one object.  Errors: ERR_NOMEM. */
int minimal_pairs_put(const struct minimal_pairs *p, const struct screen *s, struct err *err);
void minimal_pairs_json(const struct minimal_pairs *p, FILE *to);

#endif
