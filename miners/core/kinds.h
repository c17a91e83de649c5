/*
 * kinds.h - the constructors of the kinds of miners
 *
 * Each xxx_miner() fills kind, self and spec of *m ({0} before), but not the name.  Messages have
 * no file name or line.  Errors: ERR_FORMAT, ERR_NOMEM and those named; *m is then {0}.
 */
#ifndef GAPSCOPE_MINERS_CORE_KINDS_H
#define GAPSCOPE_MINERS_CORE_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "miners/core/miner.h"

/* hypotheses.h defines which tokens are labelled. */
#define REGEX_WINDOW 256 // bytes
struct regex_options {
    const char *pattern; // [len]
    size_t len;
    const char *mark; // all, first, last, next or a named group; NULL: all
    bool prefix;      // only with mark all; looks back as far as REGEX_WINDOW
};
/* Errors: also ERR_NOT_FOUND (the pattern has no group that 'mark' names). */
int regex_miner(struct miner *m, const struct regex_options *o, struct err *err);

/* Labels the last token of each occurrence of ids[n], 0 < n <= SEQUENCE_MAX. */
#define SEQUENCE_MAX 256
int sequence_miner(struct miner *m, const uint32_t *ids, size_t n, struct err *err);

/* The miner of this name in code.h. */
int code_miner(struct miner *m, const char *name, struct err *err);

/* A shared object as plugin.h describes it.  Errors: also ERR_NOT_FOUND, ERR_IO. */
int plugin_miner(struct miner *m, const char *path, struct err *err);

struct exec_options {
    const char *const *argv; // [argc], argc > 0
    size_t argc;
    const char *folder;   // the program's working folder; "": the current one
    unsigned timeout_sec; // per document
    bool answers;         // its lines have "answers", too
    bool windows;         // the lines that it gets have "window_begin", too
};
/* Errors: also ERR_NOT_FOUND (no such program). */
int exec_miner(struct miner *m, const struct exec_options *o, struct err *err);

#endif
