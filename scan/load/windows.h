/*
 * windows.h - an input file as windows: what the models see, one sequence of ids at a time
 *
 * A window of text is BOS and up to n_ctx - 1 tokens of one doc; windows of a doc do not overlap
 * and are numbered from 0; an empty doc has one, of BOS alone.  With 'ids' in the options the input
 * is JSONL {"ids": [...]}, each list a window as it stands.
 */
#ifndef GAPSCOPE_SCAN_LOAD_WINDOWS_H
#define GAPSCOPE_SCAN_LOAD_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "corpora/source.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

/* How an input is read: the options that tokenize, score and acts share. */
struct input_options {
    const char *field;    // --field a.b
    const char *format;   // --format jsonl|text
    bool ids;             // --ids
    bool special;         // special tokens in the text are recognised
    bool skip_special;    // --skip-special: they are context, counted nowhere; so they are anyway,
    bool no_skip_special; // unless this is given
    bool strict;          // --strict: a skipped record is an error
};

// clang-format off

/* Their rows in a command's table; special tokens and ids are separate, since not every command has
 * them. */
#define INPUT_ARGS(options)                                                                        \
    {"field", 0, ARG_STRING, &(options)->field, "a.b",                                             \
     "the field of a JSON record that holds the text (with --ids:\nthe ids); else the first of "   \
     "text, content, code (of ids,\ninput_ids, tokens)"},                                          \
    {"format", 0, ARG_STRING, &(options)->format, "jsonl|text",                                    \
     "records, or text (also what is not text); else the first\nbytes decide"},             \
    {"strict", 0, ARG_FLAG, &(options)->strict, NULL, "exit with 1 if a record was skipped"}

#define IDS_ARG(options)                                                                           \
    {"ids", 0, ARG_FLAG, &(options)->ids, NULL,                                                    \
     "INPUT is JSONL {\"ids\":[...]}, a window each"}

#define SPECIAL_ARG(options)                                                                       \
    {"special", 0, ARG_FLAG, &(options)->special, NULL,                                            \
     "recognise special tokens written in the text"}

#define SKIP_SPECIAL_ARGS(options)                                                                 \
    {"skip-special", 0, ARG_FLAG, &(options)->skip_special, NULL,                                  \
     "special tokens are context, counted nowhere: not as targets,\nnot for neurons (so it is "     \
     "with --special)"},                                                                           \
    {"no-skip-special", 0, ARG_FLAG, &(options)->no_skip_special, NULL,                            \
     "count them as other tokens"}

// clang-format on

/* Are special tokens recognised, and left out of what is counted? */
bool input_skips_special(const struct input_options *input);

/* Refuses --skip-special without --special, with --ids, or with --no-skip-special, and that without
 * --special.  Errors: ERR_USAGE. */
int input_check_special(const struct input_options *input, struct err *err);

/* A hash of how documents are read.  Counts fit a text that was read with the same hash. */
uint64_t input_settings(const struct input_options *input);

struct window {
    uint64_t doc;         // number of the doc in the file, or of the list with ids
    uint64_t number;      // number of the window in its doc
    const uint32_t *ids;  // [n]; of text: BOS first
    const uint32_t *ends; // [n], bytes into the normalised doc where each token ends, BOS's where
                          // the window begins; NULL with ids
    size_t n;
    const struct tokens *tokens; // of the whole doc, valid until its next one; NULL with ids
    size_t begin;                // the doc's token behind BOS
};

/* What a command does with one window; it writes lines to 'to'. */
typedef void window_fn(void *context, const struct window *w, FILE *to);

/* What it does behind the last window; NULL: nothing. */
typedef void window_end_fn(void *context, FILE *to);

/*
 * Calls each() for every window of 'path' (a file or "-") in order, and then end(), with standard
 * output or the file 'output', then says on standard error what was skipped and repaired.  *status
 * becomes input_finish()'s.
 *
 * Errors: as source_open(), idlist_open() and outfile_open(); ERR_USAGE (an unknown --format);
 * ERR_IO (writing failed).
 */
int windows_run(const char *path, const struct input_options *options, const struct lineup *lineup,
                const char *output, window_fn *each, window_end_fn *end, void *context, int *status,
                struct err *err);

/* Calls each() for every window of a file, with to NULL, and says nothing.  *docs: how many
 * documents, or lists of ids, there were.  Errors: as above. */
int windows_see(const char *path, const struct input_options *options, const struct lineup *lineup,
                window_fn *each, void *context, uint64_t *docs, struct err *err);

/* Writes the keys that every line of score and acts begins with: doc, window, ids, ends. */
void window_head(struct jsonout *j, const struct window *w);

/* Parses --format.  Errors: ERR_USAGE. */
int input_format(const struct input_options *options, enum source_format *out, struct err *err);

/* Says on standard error that lists of ids stand under 'key', not under "ids"; nothing if it is
 * NULL. */
void input_say_ids_key(const char *key);

/* Opens a source with these options; for tokenize, which needs no windows. */
int input_open(struct source **out, const char *path, const struct input_options *options,
               struct err *err);

/* Says on standard error what was skipped and repaired, and returns the exit status: 0, or 1 where
 * the file was damaged, it holds records and none could be read, or, with strict, anything was
 * skipped. */
int input_finish(const struct source *s, const char *path, const struct input_options *options);

#endif
