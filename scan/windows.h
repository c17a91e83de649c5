/*
 * windows.h - an input file as windows: what the models see, one sequence of ids at a time
 *
 *     windows_open -> windows_next, windows_next, ... until it says WINDOWS_END
 *                  -> windows_finish -> windows_close
 *
 * A window of text is BOS and up to n_ctx - 1 tokens of one doc; windows of a doc do not overlap
 * and are numbered from 0; an empty doc has one, of BOS alone.  With 'ids' in the options the input
 * is JSONL {"ids": [...]}, each list a window as it stands.
 */
#ifndef GAPSCOPE_SCAN_WINDOWS_H
#define GAPSCOPE_SCAN_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/tokenizer.h"
#include "out/jsonout.h"
#include "scan/args.h"
#include "scan/base/err.h"

/* How to read an input: the options that tokenize, score and acts share. */
struct input_options {
    const char *field;  // --field a.b
    const char *format; // --format jsonl|text
    bool ids;           // --ids
    bool special;       // special tokens in the text are recognised
    bool strict;        // --strict: a skipped record is an error
};

/* Their lines in a command's table; special tokens and ids are not everybody's. */
#define INPUT_ARGS(options)                                                                        \
    {"field",                                                                                      \
     0,                                                                                            \
     ARG_STRING,                                                                                   \
     &(options)->field,                                                                            \
     "a.b",                                                                                        \
     "the field of a JSONL record that holds the text;\nelse the first of text, content, code"},   \
        {"format",           0,   ARG_STRING,                                                      \
         &(options)->format, "F", "jsonl or text; else told by the first byte"},                   \
    {                                                                                              \
        "strict", 0, ARG_FLAG, &(options)->strict, NULL, "exit with 1 if a record was skipped"     \
    }

#define SPECIAL_ARG(options)                                                                       \
    {                                                                                              \
        "special", 0, ARG_FLAG, &(options)->special, NULL,                                         \
            "recognise special tokens written in the text"                                         \
    }

struct window {
    uint64_t doc;         // number of the doc in the file; with ids of the list
    uint64_t number;      // of the window in its doc
    const uint32_t *ids;  // [n]; of text: BOS first
    const uint32_t *ends; // [n], bytes into the normalised doc where each token ends, BOS's where
                          // the window begins; NULL with ids
    size_t n;
};

enum windows_status { WINDOWS_ONE, WINDOWS_END, WINDOWS_ERROR };

struct windows;

/*
 * path: a file or "-".  tokenizer: NULL with options->ids.  Windows have at most n_ctx ids, all
 * below d_vocab.  The tokenizer outlives the windows.  Errors: as source_open() and idlist_open();
 * ERR_USAGE (an unknown --format); ERR_NOT_FOUND (a tokenizer without BOS).
 */
int windows_open(struct windows **out, const char *path, const struct input_options *options,
                 const struct tokenizer *tokenizer, size_t n_ctx, size_t d_vocab, struct err *err);

/* The next window, valid until the next call. */
enum windows_status windows_next(struct windows *w, struct window *window, struct err *err);

/*
 * After WINDOWS_END: says on standard error what was skipped and repaired, and returns the exit
 * status: 0, or 1 where the file was damaged or, with strict, anything was skipped.
 */
int windows_finish(const struct windows *w);

void windows_close(struct windows *w); // NULL is allowed

/* The keys that every line of score and acts begins with: doc, window, ids, ends. */
void window_head(struct jsonout *j, const struct window *w);

struct source;

/* Turns the options into a source's, opens it; used by tokenize, which needs no windows. */
int input_open(struct source **out, const char *path, const struct input_options *options,
               struct err *err);

/* windows_finish() for a source. */
int input_finish(const struct source *s, const char *path, bool strict);

#endif
