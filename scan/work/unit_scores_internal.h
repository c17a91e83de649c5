/*
 * unit_scores_internal.h - what the files of unit_scores share
 *
 *     unit_scores.c   blocks: scoring, rows, requests
 *     unit_see.c      what the collectors see of a model while it scores
 *     unit_rows.c     rows of tokens that are kept for what is asked afterwards
 *     unit_share.c    of a changed model: the windows that it is run on
 *     unit_heads.c    changed models that are scored together with their whole
 *     unit_compose.c  afterwards: what heads' inputs are made of
 *     unit_depth.c    afterwards: log-probs with paths through few heads
 *     unit_sources.c  afterwards: where heads look
 *     unit_ask.c      afterwards: exact log-probs, what a model says before a token
 */
#ifndef GAPSCOPE_SCAN_WORK_UNIT_SCORES_INTERNAL_H
#define GAPSCOPE_SCAN_WORK_UNIT_SCORES_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "model/explain/attribution.h"
#include "model/explain/depth.h"
#include "model/explain/composer.h"
#include "scan/work/unit_scores.h"

/* A growing array of floats. */
struct floats {
    float *at; // [cap]
    size_t cap;
};

/* Rows of tokens of the current unit, of one model: of engine_row_size(), of a changed one the final
 * norm's output alone, which they begin with. */
struct unit_rows {
    struct floats at; // [n]
    size_t n;
    uint32_t *row_of; // [tokens of the unit] 1 + the number of its row; 0: it has none
    size_t row_of_cap;
};

/* What a collector asked of the current block. */
struct asked {
    struct unit_asked *items; // [n]
    size_t n, cap;
    struct floats *logits;         // [n_models] of [n]
    const float **seen;            // [n_models] of them, or NULL
    struct collector_needs *needs; // [n_models]
};

/* One model in this thread. */
struct scorer {
    const struct predictor *predictor;
    struct predictor_ctx *ctx;
    size_t whole;                 // of a changed model: its unchanged one before it; SIZE_MAX: none
    struct head_rows *heads;      // of one that is scored together with it; NULL: it is not
    bool has_heads;               // of a whole: some are scored together with it
    uint32_t see, keep;           // ROW_BIT()s that some collector needs
    bool sees_heads, sees_labels; // some collector needs what its heads do, and with labels
    bool asked, logits, may_ask;  // some collector needs them
    double *logprob;              // [logprob_cap] of the unit's tokens
    size_t logprob_cap;
    struct floats normed;          // [tokens of the block][d_model] behind the final norm
    struct floats *kept;           // [n_layers][ROW_SITES]
    struct unit_rows rows;         // for what is asked afterwards
    struct floats all;             // [ENGINE_SIGHTS][d_vocab] logits of counts
    struct floats gathered;        // [ENGINE_SIGHTS][d_model]
    struct attributor *attributor; // NULL: counts, and changed models
    struct composer *composer;     // NULL: not asked for yet
    struct depth *depth;           // the same
    struct floats components;      // of what it was last asked
};

struct unit_scores {
    const struct run *run;
    const struct unit_collector *collectors; // [n_collectors]
    size_t n_collectors;
    struct scorer *scorers; // [n_models]
    size_t n_models;
    const atomic_int *stop;
    struct asked *asked; // [n_collectors]

    // the current unit
    const struct layout *layout;
    const struct unit_tokens *unit;
    struct predictor_unit in;
    struct unit_times times;
    atomic_size_t n_scored, n_tokens; // what unit_scores_share() says
    struct engine_window *windows;    // [layout->n_windows], of the model in hand
    size_t windows_cap;
    const double **logprob; // [n_models]
    struct unit_models models;

    // the current block
    struct unit_block block;
    size_t *window_n; // [block.n_windows]
    size_t window_n_cap;
    size_t model; // in hand
    bool leaves_changed;

    double *depths; // [n_layers + 1][tokens of the window in hand]
    size_t depths_cap;

    struct head_rows **heads; // [n_heads] of those that are scored together
    size_t n_heads, heads_cap;

    // of the changed model whose windows were last chosen
    size_t some_model;
    struct engine_window *some; // [n_some] the block's windows that it is run on
    size_t *some_of;            // [n_some] their numbers in the layout
    size_t n_some, some_cap, some_of_cap;
    struct err *err;
    int rc; // of the first collector that failed

    // picks of a call
    struct engine_pick *picks;
    size_t picks_cap;
    struct token_view *views; // where the call in hand puts them
    size_t *tokens;           // whose logits are asked for, or whose rows are missing
    size_t tokens_cap;
    struct unit_questions questions;
    struct floats row;  // one of engine_row_size()
    const float **rows; // of unit_rows_find()
    uint32_t *ids;      // their tokens
    double *logprobs;   // of ids that counts are asked about
    size_t rows_cap, ids_cap, logprobs_cap;
    const float **logits; // [n_models]
    size_t *ld;           // [n_models]
};

// --- unit_see.c: of the model in hand, whose windows are the block's; context: the unit_scores

void unit_see_rows(void *context, size_t layer, enum row_site site,
                   const struct engine_window *windows, size_t n_windows,
                   const float *rows); // engine_rows()
void unit_see_heads(void *context, size_t layer, const struct engine_window *windows,
                    size_t n_windows,
                    const float *const values[HEAD_MOMENTS]); // engine_moments()
void unit_see_marks(void *context, const struct engine_window *window,
                    float *to); // engine_marks(): a mark per hypothesis, 1 where it labels
void unit_see_marked(void *context, size_t layer, const struct engine_window *windows,
                     size_t n_windows, const float *to_marks); // engine_marked()
void unit_see_normed(void *context, const struct engine_window *windows, size_t n_windows,
                     const float *x); // engine_normed()

/* s->picks[n] become tokens[n] of the unit in a model's windows.  ERR_NOMEM. */
int unit_scores_pick(struct unit_scores *s, size_t model, const size_t *tokens, size_t n,
                     struct err *err);

int floats_reserve(struct floats *f, size_t n, struct err *err);

void unit_rows_free(struct unit_rows *rows); // {0} is allowed

/* Forgets the rows of the unit before.  ERR_NOMEM. */
int unit_rows_begin(struct unit_scores *s, struct err *err);

/* Forgets the rows of a model, so that there is room for others. */
void unit_rows_forget(struct unit_scores *s, size_t model);

/* Keeps the rows that the questions are about, of models that have scored the block, where the
 * engines have them and there is room.  ERR_NOMEM. */
int unit_rows_keep(struct unit_scores *s, const struct unit_questions *questions, struct err *err);

/* s->rows[n] and s->ids[n] become those of tokens[n] of the unit, ascending, of a model with
 * weights; what was not kept is made.  !*found: there is no room for it.  ERR_NOMEM. */
int unit_rows_find(struct unit_scores *s, size_t model, const size_t *tokens, size_t n, bool *found,
                   struct err *err);

/* Is it a changed model? */
static inline bool scorer_is_changed(const struct scorer *m)
{
    return m->predictor->family != NULL;
}

/* Fills s->some with the block's windows [first, first + n) that a changed model is run on, which
 * are those of its share that it says something of, and sets all of its log-probs to
 * logprob_none().  ERR_NOMEM. */
int unit_share_choose(struct unit_scores *s, size_t model, size_t first, size_t n, struct err *err);

/* It has scored them: sets the tokens of documents that are not in its share to logprob_none(). */
void unit_share_silence(struct unit_scores *s, size_t model);

// --- unit_heads.c: a changed model of which a head of the last layer is replaced

/* Opens what a changed model shares with its whole, one of the s->n_models before it.  ERR_NOMEM. */
int unit_heads_open(struct unit_scores *s, struct scorer *m, struct err *err);

/* engine_heads() of the whole in hand. */
struct head_list unit_heads_join(void *context, const struct engine_window *windows,
                                 size_t n_windows);

/* The log-probs of a changed model that was scored together with its whole. */
void unit_heads_score(struct unit_scores *s, size_t model);

/* m->normed becomes the rows of the block's tokens, 0 where the model says nothing.  ERR_NOMEM. */
int unit_heads_normed(struct unit_scores *s, struct scorer *m, struct err *err);

/* The final norm's output that predicts a token of the block; NULL: it is not at hand in f32. */
const float *unit_heads_row(const struct unit_scores *s, const struct scorer *m, size_t token);

/* Makes the layout's windows those of a model. */
void unit_scores_set_windows(struct unit_scores *s, size_t model);

// unit_models' functions
int unit_ask_exact(void *context, size_t model, const size_t *tokens, size_t n, double *logprob,
                   struct err *err);
int unit_ask_look(void *context, size_t model, const size_t *tokens, size_t n,
                  struct token_view *views, struct err *err);
bool unit_ask_stopped(const void *context);
/* s->some becomes the windows of tokens[n], ascending, of a model. */
int unit_some_windows(struct unit_scores *s, size_t model, const size_t *tokens, size_t n,
                      size_t *n_some, struct err *err);
int unit_ask_compose(void *context, size_t model, const size_t *tokens, size_t n,
                     unit_compose_see *see, void *seer, struct err *err); // unit_compose.c
int unit_ask_depth(void *context, size_t model, const size_t *tokens, size_t n, double *logprob,
                   struct err *err); // unit_depth.c
int unit_ask_sources(void *context, size_t model, const struct unit_sources *asked, size_t n,
                     struct err *err); // unit_sources.c

#endif
