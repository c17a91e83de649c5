/*
 * place.h - a place of the corpus on one line: its text, with the token in question marked
 *
 *     passages_open -> place_put for each row -> passages_close
 *
 *     colour   the token bold in [brackets], each token's activation as its background (yellow to
 *              red, blue below 0, of the neuron's extreme), labelled tokens underlined
 *     plain    the token in [brackets], a raised digit behind strong tokens: tenths of the line's
 *              strongest activation, from 5 on; labelled tokens between small guillemets
 */
#ifndef GAPSCOPE_OUT_TEXT_PLACE_H
#define GAPSCOPE_OUT_TEXT_PLACE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "out/read/reader.h"

#define PLACE_SHARDS 12 // named below the lines, at most

struct passages {
    const struct view *v;
    sqlite3_stmt *token;  // a token's text
    double max, min;      // the neuron's, which the colours are of
    struct glyph *glyphs; // [n_glyphs] of the line in hand
    size_t n_glyphs, glyphs_cap;
    int64_t shards[PLACE_SHARDS]; // [n_shards] that were shown
    size_t n_shards;
};

/* Where a row has what is needed. */
struct place_columns {
    int activation, shard;                // shard: doc and byte_start follow it
    int tokens, activations, token_index; // activations: -1: there are none
    int labelled;                         // -1: there are no labels
};

/* passages_close() ends *p in any case. */
int passages_open(struct passages *p, const struct view *v, double max, double min,
                  struct err *err);
void passages_close(struct passages *p);

/* One line: the activation, the place, the tokens around the one in question.  of_min: colours are
 * of the least activation, not of the greatest.  Damaged lists are said to be such.
 * Errors: ERR_NOMEM, view_step()'s. */
int place_put(struct passages *p, sqlite3_stmt *row, const struct place_columns *at, bool of_min,
              struct err *err);

/* The tokens alone, behind 'used' columns of the line; without an activation nothing is tinted. */
int place_put_text(struct passages *p, sqlite3_stmt *row, const struct place_columns *at,
                   size_t used, struct err *err);

/* The names of the shards in the places that were shown, if any was. */
int passages_put_shards(const struct passages *p, struct err *err);

/* The texts of a row's tokens as a member "texts": ["a", ...]. */
int place_json(struct passages *p, struct jsonout *j, sqlite3_stmt *row, int tokens,
               struct err *err);

/* Says what the marks mean. */
void place_legend(const struct view *v, bool labelled);

// --- hits, which have their text with them

#define PLACE_HIT                                                                                  \
    "side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start, byte_end, token,"       \
    " token_text, before, after, duplicates, detail,"                                              \
    " (SELECT name FROM shard WHERE id = hit.shard) AS shard_name"

/* Two lines: a row of "SELECT " PLACE_HIT " FROM hit". */
void place_put_hit(const struct view *v, sqlite3_stmt *row);

#endif
