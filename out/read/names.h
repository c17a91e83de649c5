/*
 * names.h - what people call by name in a run.db: pairs of models, neurons, models, hypotheses
 *
 * The message about a name that is not there lists those that are, and offers the nearest.
 */
#ifndef GAPSCOPE_OUT_READ_NAMES_H
#define GAPSCOPE_OUT_READ_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/read/reader.h"

/* SQL: the names of the others of pair p, "other+other".  A damaged list of them is an empty one:
 * json_each() would end the query. */
#define SQL_PAIR_OTHERS                                                                            \
    "(SELECT group_concat(m.name, '+') FROM (SELECT value FROM"                                    \
    " json_each(iif(json_valid(p.others), p.others, '[]')) ORDER BY key) o"                        \
    " JOIN model m ON m.id = o.value)"

/* Sets *id to that of the row of 'table' (model, hypothesis: id and name) that is called 'name'.
 * Errors: ERR_NOT_FOUND. */
int reader_find(struct reader *r, const char *table, const char *name, int64_t *id);

struct pair {
    int64_t id;
    char *name; // "base:other+other"
    char *base; // the part before the colon
    uint64_t tokens, docs;
    double mean_gap, se, share;
    bool brief; // of scan --ablate
};

struct pairs {
    struct pair *items; // [n], in the run's order
    size_t n, cap;
    const struct pair *chosen; // NULL: the run has no pairs
};

/* Reads all pairs into *p ({0} before) and chooses the one that is called 'name', the first for
 * NULL.  Errors: ERR_NOT_FOUND (a run without pairs, no such pair).  pairs_free() ends *p in any
 * case. */
int pairs_read(struct pairs *p, struct reader *r, const char *name);
void pairs_free(struct pairs *p);

/* The same, but a run without pairs (of one model) is no error unless a name is given. */
int pairs_read_any(struct pairs *p, struct reader *r, const char *name);

struct neuron_ref {
    int64_t model, layer, index;
    char *model_name;
    int64_t n_layers, d_mlp;
};

/*
 * "gelu-1l:L0N424", or "L0N424" where one model of the run has neurons.  neuron_ref_free() ends
 * *out, {0} before, in any case.
 * Errors: ERR_USAGE (no such word), ERR_NOT_FOUND (no such model or neuron; none has neurons; more
 * than one has), ERR_FORMAT (the row of its model is damaged).
 */
int neuron_find(struct neuron_ref *out, struct reader *r, const char *spec);
void neuron_ref_free(struct neuron_ref *n);

#endif
