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
};

// clang-format off

/* Their rows in a command's table. */
#define HYPOTHESIS_ARGS(options)                                                                   \
    {"hypotheses", 0, ARG_LIST, &(options)->files, "FILE.yaml",                                    \
     "hypotheses to label by (miners/README.md); several may\nbe given"},                          \
    {"regex", 0, ARG_LIST, &(options)->regexes, "NAME=PATTERN",                                    \
     "one more, a regular expression (PCRE2); several may be\ngiven"}

// clang-format on

bool hypothesis_args_wanted(const struct hypothesis_args_options *o);

/* Loads them all into *out, files first, each in the order given; the caller ends *out with
 * hypotheses_free().  'tokenizer' looks up the texts of 'tokens:'; where several tokens have the
 * same bytes, the lowest id is taken.  NULL means that the documents are ids without text:
 * hypotheses that need text are then refused.  A pattern that the tokenizer's normaliser would
 * change is named on standard error.  Errors: those of hypotheses_load() and
 * hypotheses_add_regex(); ERR_USAGE (a hypothesis needs text). */
int hypothesis_args_load(struct hypotheses *out, const struct hypothesis_args_options *o,
                         const struct tokenizer *tokenizer, struct err *err);

#endif
