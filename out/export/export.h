/*
 * export.h - a run.db as files that other programs read: what the formats share
 *
 *     export_begin -> one of the formats -> export_end
 *
 * Rows are written as they are read, so memory does not grow with the run; meanwhile the run.db is
 * locked for reading, and a scan that writes it waits with its next checkpoint.  What stands in
 * run.db is foreign: names become safe file names, texts valid UTF-8, and what cannot be read is
 * counted, left out and reported.
 */
#ifndef GAPSCOPE_OUT_EXPORT_EXPORT_H
#define GAPSCOPE_OUT_EXPORT_EXPORT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "out/read/histogram.h"
#include "out/read/neuron_page.h"
#include "out/read/reader.h"

struct exporter {
    struct reader *r; // its first failure ends everything
    const char *dir;
    // for formats of neurons
    struct bins bins;
    uint64_t *counts;          // [bins.n] of the current neuron
    struct export_text *texts; // texts of tokens, by id modulo their number
    sqlite3_stmt *token;       // reads one
    struct buf text;           // the text of the token read last
    // what has been done
    uint64_t files, rows, neurons, examples;
    uint64_t bad_json;     // values that should be JSON and are not: null
    uint64_t bad_neurons;  // left out: of no model, or no whole numbers say which it is
    uint64_t bad_examples; // left out: no two lists of the same length
};

/* of_neurons: also what the formats of neurons need.  export_end() ends *x in any case.
 * Errors: ERR_NOT_FOUND (the run has no neurons). */
int export_begin(struct exporter *x, struct reader *r, const char *dir, bool of_neurons);
void export_end(struct exporter *x);

/* Makes the folder with those above it.  One that is not empty is refused unless 'force'.
 * Errors: ERR_IO, ERR_MISMATCH (not empty). */
int export_make_dir(const char *dir, bool force, struct err *err);

/* A folder in one that is there, or the one that is there already; *path = parent/name, a new
 * string.  Errors: ERR_IO, ERR_NOMEM. */
int export_folder(char **path, const char *parent, const char *name, struct err *err);

/*
 * A name of run.db as a file name, in a new string (NULL: no memory): letters, digits, '-', '_' and
 * '.' stay, every other byte is %XX; so is a '.' or '-' at the beginning; nothing is "%". Different
 * names stay different.  One that is long is cut and gets '%' and its number, as does one that is
 * there 'again'.
 */
char *export_safe_name(const void *name, size_t len, int64_t number, bool again);

/* A file of 'suffix' in the folder.  NULL: no memory, said in *err. */
char *export_path(const char *folder, const char *name, const char *suffix, struct err *err);

// --- the formats: each writes into x->dir and counts what it wrote

int export_csv(struct exporter *x);
int export_jsonl(struct exporter *x);
int export_neuronrecord(struct exporter *x);
int export_neuronpedia(struct exporter *x);

// --- neurons

struct export_model {
    int64_t id, n_layers, d_mlp;
    const char *name;   // as it stands
    const char *folder; // the name as a file name
    const char *site;
    const char *weights_hash;
};

/* Calls each() for every model that has neurons, in the run's order. */
int export_models(struct exporter *x,
                  int (*each)(struct exporter *x, const struct export_model *m));

struct export_neuron {
    int64_t model, layer, index;
    uint64_t n;
    double mean, sd, skewness, kurtosis, min, max, share_positive; // NaN: not known
};

/* SQL: rows that export_neuron_read() takes, of the neurons that can be named. */
#define EXPORT_NEURON                                                                              \
    "SELECT model, layer, idx, n, mean, sd, skewness, kurtosis, min, max, share_positive, hist"    \
    " FROM neuron WHERE model = ?1 AND " EXPORT_NAMED
#define EXPORT_NAMED                                                                               \
    "typeof(layer) = 'integer' AND layer >= 0 AND typeof(idx) = 'integer' AND idx >= 0"

/* Its histogram goes to x->counts. */
void export_neuron_read(struct export_neuron *n, struct exporter *x, sqlite3_stmt *row);

/* A token's text as a JSON string with its quotes, valid until the next call; "<ID>" where the run
 * has no text of it. */
const char *export_token(struct exporter *x, int64_t id);

/*
 * The examples of a neuron, one after the other:
 *
 *     export_examples_open -> while export_examples_next -> export_examples_close
 */
struct export_examples {
    struct exporter *x;
    sqlite3_stmt *stmt;
    // the current one
    struct neuron_example row;
    size_t n, at;        // tokens; which of them is the example's own
    int64_t *ids;        // [n]
    double *activations; // [n], the own one in full
    size_t ids_cap, activations_cap;
};

/* kind: NULL for all, in the order of their names.  export_examples_close() ends *e in any case. */
void export_examples_open(struct export_examples *e, struct exporter *x,
                          const struct export_neuron *n, const char *kind);
bool export_examples_next(struct export_examples *e);
void export_examples_close(struct export_examples *e);

/* "key": ["text", ...] of the current one. */
void export_write_tokens(const struct export_examples *e, struct jsonout *j, const char *key);
/* "key": [1.5, ...] */
void export_write_activations(const struct export_examples *e, struct jsonout *j, const char *key);

#endif
