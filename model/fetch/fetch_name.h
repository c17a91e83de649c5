/*
 * fetch_name.h - what `gapscope fetch NAME` names
 *
 *     gelu-1l                                   an alias of TransformerLens: a model
 *     OWNER/NAME                                a model
 *     hf://[models/]OWNER/NAME[@REV][/PATH]     a model, or a file of its repository
 *     hf://datasets/OWNER/NAME[@REV][/PATH]     a data set, or a file or folder of it
 *
 * REV may have slashes if it is refs/pr/N, refs/convert/NAME, or is written with %2F.
 */
#ifndef GAPSCOPE_MODEL_FETCH_FETCH_NAME_H
#define GAPSCOPE_MODEL_FETCH_FETCH_NAME_H

#include <stdbool.h>

#include "corpora/base/err.h"

struct fetch_name {
    const char *kind;   // "models" or "datasets"
    char repo[200];     // "OWNER/NAME"
    char revision[200]; // "main" if none was named
    bool has_revision;  // one was named
    char path[1000];    // "": the whole; a slash at its end does not count
};

/* Errors: ERR_USAGE. */
int fetch_name_read(struct fetch_name *out, const char *text, struct err *err);

/* Whether the path of a file in a repository may be one here: not absolute, and no part of it is
 * empty, "." or "..". */
int fetch_name_check_path(const char *path, struct err *err);

#endif
