/*
 * depth.h - what each level of composition is worth: the model with paths through at most k heads
 *
 *     depth_new -> depth_run -> logprob[k][token], k = 0 .. n_layers
 *
 * Elhage et al., "A Mathematical Framework for Transformer Circuits" (2021), "term importance": the
 * attention patterns are frozen as they were.  Stream 0 has no head's output, so that it is the
 * embeddings (and each b_O, which stays); what stream k + 1 gets from a layer's heads is made of the
 * values that they read from stream k:
 *
 *     x_0^{l+1} = x_0^l + b_O        x_{k+1}^{l+1} = x_{k+1}^l + b_O + sum of P V(ln1(x_k^l)) W_O
 *
 * All norms run as usual on the stream that they read, ln_final too: only patterns are frozen.  So k
 * = 0 is the direct path, a path through k heads is in all streams from k on, and stream n_layers is
 * the model.
 *
 * Everything but the unembedding is f32; a token's results depend on its window alone.
 *
 * Threads: a depth belongs to one thread at a time.
 */
#ifndef GAPSCOPE_MODEL_EXPLAIN_DEPTH_H
#define GAPSCOPE_MODEL_EXPLAIN_DEPTH_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "model/pass/engine.h"

struct depth;

/* Of an attention-only model, whose engine outlives it.  Errors: ERR_NOMEM. */
int depth_new(struct depth **out, const struct engine *e, struct err *err);
void depth_free(struct depth *d); // NULL is allowed

/* logprob[n_layers + 1][w->n]: of the window's tokens, w->n < n_ctx, on r, a ctx of the engine.  stop:
 * as engine_score()'s. */
void depth_run(struct depth *d, struct engine_ctx *r, const struct engine_window *w,
               double *logprob, const atomic_int *stop);

#endif
