/*
 * names.h - what people call by name in a run.db: pairs of models, neurons
 */
#ifndef GAPSCOPE_OUT_READ_NAMES_H
#define GAPSCOPE_OUT_READ_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/read/reader.h"

/* SQL: the names of the others of pair p, "other+other".  A damaged list of them is an empty one:
 * json_each() would end the query. */
#define VIEW_PAIR_OTHERS                                                                           \
    "(SELECT group_concat(m.name, '+') FROM (SELECT value FROM"                                    \
    " json_each(iif(json_valid(p.others), p.others, '[]')) ORDER BY key) o"                        \
    " JOIN model m ON m.id = o.value)"

struct view_pair {
    int64_t id;
    char *name; // "base:other+other"
    char *base; // the part before the colon
    uint64_t tokens, docs;
    double mean_gap, se, share;
};

struct view_pairs {
    struct view_pair *items; // [n], in the run's order
    size_t n, cap;
    const struct view_pair *chosen;
};

/* Reads all pairs into *p ({0} before) and chooses the one that is called 'wanted', the first for
 * NULL.  Errors: ERR_NOT_FOUND (a run without pairs, no such pair: the message has their names),
 * view_step()'s.  *p is ended by view_pairs_free() in any case. */
int view_pairs_read(struct view_pairs *p, const struct view *v, const char *wanted,
                    struct err *err);
void view_pairs_free(struct view_pairs *p);

/* One line, and one with the other pairs: "base:one: 36 tokens of 12 documents; finished ...". */
int view_pairs_put(const struct view_pairs *p, const struct view *v, struct err *err);

/* The second of these, if there are other pairs. */
void view_pairs_put_others(const struct view_pairs *p, const struct view *v);

struct view_neuron {
    int64_t model, layer, index;
    char *model_name;
    int64_t n_layers, d_mlp;
};

/*
 * "gelu-1l:L0N424", or "L0N424" where one model of the run has neurons.  view_neuron_free() ends
 * *out, {0} before, in any case.
 * Errors: ERR_USAGE (no such word), ERR_NOT_FOUND (no such model or neuron; none has neurons; more
 * than one has), view_step()'s.
 */
int view_neuron_find(struct view_neuron *out, const struct view *v, const char *spec,
                     struct err *err);
void view_neuron_free(struct view_neuron *n);

#endif
