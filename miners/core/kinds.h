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

/* Labels the last token of each occurrence of a sequence, or the one 'after' tokens behind it. */
#define SEQUENCE_MAX 256
#define SEQUENCE_IDS_MAX 4096
struct sequence_options {
    const uint32_t *ids; // those of place 0, of place 1, ...
    const size_t *n_ids; // [n] of each place, one of which stands there; > 0
    size_t n;            // places, 0 < n <= SEQUENCE_MAX
    size_t after;        // <= SEQUENCE_MAX
};
int sequence_miner(struct miner *m, const struct sequence_options *o, struct err *err);

/* Labels what all of parts[n] label, or what any of them does.  On success it owns them, and they
 * become {0}. */
#define COMBINATION_MAX 256
int combination_miner(struct miner *m, bool all, struct miner *parts, size_t n, struct err *err);

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
