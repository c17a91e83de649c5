/*
 * score_lens.h - what each layer's residual stream says of the next token already: the logit lens
 *
 *     score_lens_new -> score_lens_window, score_lens_write for each window -> score_lens_free
 *
 * ln P of the true token from the residual stream behind a layer, through the final norm and the
 * unembedding (nostalgebraist, "interpreting GPT: the logit lens", 2020).  Behind the last layer it
 * is what the model itself says.  All is f32.
 */
#ifndef GAPSCOPE_SCAN_CMD_SCORE_LENS_H
#define GAPSCOPE_SCAN_CMD_SCORE_LENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "corpora/base/jsonout.h"
#include "model/pass/engine.h"

struct score_lens;

/* ctx and its engine outlive it; windows have at most n_ctx ids.  Errors: ERR_NOMEM. */
int score_lens_new(struct score_lens **out, const struct engine *e, struct engine_ctx *ctx,
                   size_t n_ctx, struct err *err);
void score_lens_free(struct score_lens *s); // NULL is allowed

/* Looks at a window, or, where the model says nothing of it, has only NaN.  counts[n] (NULL: all):
 * which of its tokens enter the means. */
void score_lens_window(struct score_lens *s, const struct engine_window *w, bool says,
                       const bool *counts);

/* [n_layers][n] of the window as a value. */
void score_lens_write(const struct score_lens *s, struct jsonout *j);

/* "gapscope score: gelu-2l: loss behind L0 6.7013, L1 3.4512 nats per token, by the logit lens":
 * minus the means of all finite values that counted. */
void score_lens_print(const struct score_lens *s, const char *name, FILE *to);

#endif
