/*
 * trigrams_text.h - what `gapscope trigrams` shows: the trigrams of a run that counting alone does not
 * explain, or one of them
 */
#ifndef GAPSCOPE_OUT_TEXT_TRIGRAMS_TEXT_H
#define GAPSCOPE_OUT_TEXT_TRIGRAMS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "out/read/names.h"
#include "out/read/reader.h"
#include "out/read/trigram_facts.h"
#include "out/text/place.h"

#define TRIGRAMS_LISTED 10
#define TRIGRAMS_EXAMPLES 10 // of each kind, of one trigram

struct trigrams_options {
    // as the user wrote them, or NULL
    const char *pair, *a, *b, *c, *token, *model, *verdict, *sort;
    size_t n, min_docs, id; // SIZE_MAX where it was not said
    bool all, json;
};

/* What both need. */
struct trigrams_view {
    const struct view *v;
    const struct trigrams_options *o;
    struct trigram_run run;
    struct view_pairs pairs; // chosen is NULL in a run of one model
};

/* Those that pass the options' filters, ranked.  Errors: ERR_USAGE, ERR_NOT_FOUND (of an option),
 * view_step()'s. */
int trigrams_put_list(const struct trigrams_view *t, struct err *err);

/* The page of the one that the options name.  Errors: ERR_NOT_FOUND, view_step()'s. */
int trigrams_put_page(const struct trigrams_view *t, struct err *err);

// --- shared by these

extern const struct place_columns trigrams_example_columns; // of SQL_TRIGRAM_EXAMPLES

/* A token between quotes, so that its spaces are seen; id: where it has no text. */
void trigrams_put_token(const struct view *v, const char *text, int64_t id);

/* `#17  " ice" " cream" -> " sundae"`; row: of SQL_TRIGRAM. */
void trigrams_put_title(const struct view *v, sqlite3_stmt *row);

/* A line a model that was tested: its name and verdict; model: this one alone, -1: all. */
int trigrams_put_verdicts(const struct view *v, size_t indent, int64_t id, int64_t model,
                          struct err *err);

/* Members "run" and "funnel_words": what the run says of its trigrams. */
int trigrams_json_run(const struct trigrams_view *t, struct jsonout *j, struct err *err);

/* All there is of a trigram as one object, examples of each kind up to n. */
int trigrams_json_one(const struct view *v, struct jsonout *j, int64_t id, size_t n,
                      struct err *err);

#endif
