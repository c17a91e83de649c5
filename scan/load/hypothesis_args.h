/*
 * hypothesis_args.h - the hypotheses that a command labels by: --hypotheses and --regex
 */
#ifndef GAPSCOPE_SCAN_LOAD_HYPOTHESIS_ARGS_H
#define GAPSCOPE_SCAN_LOAD_HYPOTHESIS_ARGS_H

#include <stdbool.h>

#include "corpora/base/err.h"
#include "miners/hypotheses.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/cli/args.h"

struct hypothesis_args_options {
    struct arg_list files;   // --hypotheses FILE.yaml
    struct arg_list regexes; // --regex NAME=PATTERN
    bool battery;            // --battery: miners/battery.yaml, behind the others
};

// clang-format off

/* Their rows in a command's table. */
#define HYPOTHESIS_ARGS(options)                                                                   \
    {"hypotheses", 0, ARG_LIST, &(options)->files, "FILE.yaml",                                    \
     "hypotheses to label by (miners/README.md); several may\nbe given"},                          \
    {"regex", 0, ARG_LIST, &(options)->regexes, "NAME=PATTERN",                                    \
     "one more, a regular expression (PCRE2); several may be\ngiven"},                              \
    {"battery", 0, ARG_FLAG, &(options)->battery, NULL,                                            \
     "the battery: induction, split words, several followers,\nrepeats that stop"}

// clang-format on

bool hypothesis_args_wanted(const struct hypothesis_args_options *o);

/* What the hypotheses are to know of a run. */
struct hypothesis_windows {
    size_t n_vocab;      // ids below it are in every vocabulary
    size_t n_ctx;        // of the windows; 0: a document is one window
    const char *packing; // "docs", "rows"; NULL where n_ctx is 0
};

/* Loads them all into *out: files, regexes, each in the order given, the battery; the caller ends
 * *out with hypotheses_free().  'tokenizer' looks up the texts of 'tokens:'; where several tokens have the
 * same bytes, the lowest id is taken.  NULL means that the documents are ids without text:
 * hypotheses that need text are then refused.  A pattern that the tokenizer's normaliser would
 * change is named on standard error.  Errors: those of hypotheses_load() and
 * hypotheses_add_regex(); ERR_USAGE (a hypothesis needs text). */
int hypothesis_args_load(struct hypotheses *out, const struct hypothesis_args_options *o,
                         const struct hypothesis_windows *windows,
                         const struct tokenizer *tokenizer, struct err *err);

#endif
