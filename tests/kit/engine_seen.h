/*
 * engine_seen.h - windows and all that is seen of a model's insides on the way: by an engine, or by
 * the reference pass (for tests of the engine)
 */
#ifndef GAPSCOPE_TESTS_KIT_ENGINE_SEEN_H
#define GAPSCOPE_TESTS_KIT_ENGINE_SEEN_H

#include "tests/kit/engine_kit.h"

#define WINDOWS 25 // of all lengths, enough for two blocks

/* The same windows, seen by an engine or by the reference.  Rows of all windows stand behind one
 * another, window k having n + 1, of each layer; patterns are [n + 1][n + 1] a window. */
struct seen {
    const struct model *model;
    struct engine_window items[WINDOWS];
    uint32_t first[WINDOWS], tokens[WINDOWS][1024];
    double logprob[WINDOWS][1024];
    size_t begin[WINDOWS + 1], squares[WINDOWS + 1]; // where a window's rows and pattern begin
    float *rows[ROW_SITES];                          // [n_layers][rows][width]; NULL: not seen
    float *pattern;                                  // [n_layers][n_heads][squares]
    float *normed;                                   // [rows][d_model]; a window's last row: 0

    // while it is seen
    size_t next, layer, calls[ROW_SITES], pattern_rows;
    size_t window; // of the reference
};

size_t row_width(const struct config *c, enum row_site site);
uint32_t row_sites(const struct config *c); // ROW_BIT()s of those that the model has

/* Windows of all lengths up to n_ctx - 1, of random tokens; what is seen is NAN. */
void seen_new(struct seen *s, const struct model *m);

/* The same windows, nothing seen. */
void seen_copy(struct seen *s, const struct seen *other);
void seen_end(struct seen *s);

/* Row 0 of window k of a layer; a head's pattern there. */
float *seen_rows(const struct seen *s, enum row_site site, size_t layer, size_t k);
float *seen_pattern(const struct seen *s, size_t layer, size_t head, size_t k);

/* Scores the windows and sees all that there is to be seen, in the order that engine.h says. */
void seen_look(struct seen *s, struct engine_ctx *ctx);

/* An engine_normed() function, context a struct seen. */
void seen_keep_normed(void *context, const struct engine_window *windows, size_t n_windows,
                      const float *x);

/* The same by the reference, and the norms' rows in double; normed stays. */
void seen_reference(struct seen *s);

#endif
