/*
 * place.h - a place of the corpus on one line: its text, with the token in question marked
 *
 *     put_place for each place -> put_shards -> places_free
 *
 *     colour   the token bold in [brackets], each token's activation as its background (yellow to
 *              red, blue below 0, of the neuron's extreme), labelled tokens underlined
 *     else     the token in [brackets], a raised digit behind strong tokens (on a plain screen ^5):
 *              tenths of the line's strongest activation, from 5 on; labelled tokens between small
 *              guillemets
 */
#ifndef GAPSCOPE_OUT_TEXT_PLACE_H
#define GAPSCOPE_OUT_TEXT_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "out/read/gaps.h"
#include "out/read/place.h"
#include "out/text/screen.h"

#define PLACE_SHARDS 12 // named below the lines, at most

/* Begins as {.screen = s, .max = ..., .min = ...}; the places outlive it. */
struct places {
    const struct screen *screen;
    double max, min;      // the neuron's, which the colours are of
    struct glyph *glyphs; // [n_glyphs] of the current line
    size_t n_glyphs, glyphs_cap;
    const struct place *shards[PLACE_SHARDS]; // [n_shards], a place of each shard that was shown
    size_t n_shards;
};
void places_free(struct places *p);

/* One line: the activation, the place, the tokens around the one in question.  of_min: colours are
 * of the least activation, not of the greatest.  A damaged list is called so.  Errors: ERR_NOMEM.
 */
int put_place(struct places *p, const struct place *place, bool of_min, struct err *err);

/* The tokens alone, behind 'used' columns of the line; without an activation nothing is tinted. */
int put_place_text(struct places *p, const struct place *place, size_t used, struct err *err);

/* The names of the shards in the places that were shown, if any was. */
void put_shards(const struct places *p);

/* Explains the marks. */
void put_place_legend(const struct screen *s, bool labelled);

/* Two lines: where a hit is, and its text. */
void put_hit(const struct screen *s, const struct hit *hit);

#endif
