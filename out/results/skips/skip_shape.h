/*
 * skip_shape.h - the skip-trigrams (A ... B -> C) that a scan counts, and what they share
 *
 *     skip_shape_new (by the plan) -> skip_shape_choose (once, before the first unit)
 *
 * A pair is an A and a B: its places are the tokens B behind which another token follows in the
 * same window of a document, and in front of which A stands in it, anywhere.  A cell is a pair and
 * a C, how often C follows and how likely the models find it there.  Each skip-trigram has a cell,
 * and so has each crossing: A ... B1 with the C2 of another skip-trigram A ... B2 -> C2 of the same
 * head.
 *
 * Threads: a shape is set before the scan, then read only.
 */
#ifndef GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_SHAPE_H
#define GAPSCOPE_OUT_RESULTS_SKIPS_SKIP_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/run.h"

#define SKIP_MOST 65536                 // skip-trigrams that may be asked for
#define SKIP_FILLERS 8                  // stand-ins for an A
#define SKIP_SUMS_MAX ((size_t)1 << 18) // cells times models: 100 MB
#define SKIP_NONE UINT32_MAX

struct skip {
    uint32_t head, a, b, c;  // head: of layer 0
    double attention, raise; // their product is its strength
};

struct skip_a {
    uint32_t id, n_fillers;
    uint32_t fillers[SKIP_FILLERS]; // [n_fillers] tokens about as frequent, the nearest first
};

struct skip_pair {
    uint32_t b, a; // a: index of shape->as
};

struct skip_cell {
    uint32_t pair, c;
};

/* What was known when they were chosen. */
struct skip_source {
    uint64_t tokens;     // that were counted
    uint64_t vocabulary; // different ones
    uint64_t frequent;   // of these, as the rule has it
    double scale;        // of the final norm
};

struct skip_shape {
    uint32_t base;   // model of the run
    size_t n_models; // of the run that are not brief
    bool chosen;
    struct skip_source source;
    struct skip *items; // [n] no two the same, the strongest first
    size_t n;
    struct skip_a *as; // [n_as] ascending by id
    size_t n_as;

    // made of these
    struct skip_pair *pairs; // [n_pairs] ascending by b, a
    size_t n_pairs;
    struct skip_cell *cells; // [n_cells] ascending by pair, c
    size_t n_cells;
    uint32_t *pair_cells; // [n_pairs + 1] where a pair's cells begin
    uint32_t *own;        // [n] an item's cell
    uint32_t *of_a;       // [n_ids] index of as; SKIP_NONE: no A
    uint32_t *of_b;       // [n_ids] the first pair of a B; SKIP_NONE: no B
    size_t n_ids;
};

/* Errors: ERR_NOMEM. */
int skip_shape_new(struct skip_shape **out, const struct run *run, uint32_t base, struct err *err);
void skip_shape_free(struct skip_shape *s); // NULL is allowed

/* Sets the skip-trigrams items[n], and as[n_as], ascending, which has all their A.  Errors:
 * ERR_NOMEM; ERR_FORMAT (two are the same, an A is missing); ERR_LIMIT (too many cells for so many
 * models). */
int skip_shape_choose(struct skip_shape *s, const struct skip_source *source,
                      const struct skip *items, size_t n, const struct skip_a *as, size_t n_as,
                      struct err *err);

/* The cell of a pair of tokens and a C; SKIP_NONE: there is none. */
uint32_t skip_shape_cell(const struct skip_shape *s, uint32_t a, uint32_t b, uint32_t c);

/* As bytes, and back, of the same run.  Errors: ERR_NOMEM, ERR_FORMAT. */
int skip_shape_save(const struct skip_shape *s, struct buf *out, struct err *err);
int skip_shape_load(struct skip_shape **out, const struct run *run, const void *bytes, size_t len,
                    struct err *err);

/* 0 where a and b ask the same, else ERR_MISMATCH.  fixed: the skip-trigrams are compared, too. */
int skip_shape_same(const struct skip_shape *a, const struct skip_shape *b, bool fixed,
                    struct err *why);

#endif
