/*
 * predictor.h - a model of a run at work, whatever it is made of: weights in an engine, or counts
 *
 *     predictor_init (shared) -> predictor_ctx_new (a thread) -> predictor_score, ... -> ...
 *
 * Windows and picks are those of engine.h.  Counts are exact in any precision and have neither
 * neurons nor parts.  A changed model shares the engine of its whole, and in a thread the working
 * memory of all changed models of that engine.
 *
 * Threads: a predictor is shared, a run belongs to one thread.
 */
#ifndef GAPSCOPE_SCAN_WORK_PREDICTOR_H
#define GAPSCOPE_SCAN_WORK_PREDICTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/shards.h"
#include "model/pass/engine.h"
#include "scan/load/layout.h"
#include "scan/load/lineup.h"

/* What the changed models of one engine share. */
struct predictor_family {
    struct changes all; // changes_join() of theirs
    float *mean;        // [all.width]; NULL: nothing is replaced by a mean, or it is not known yet
};

struct predictor {
    const struct lineup_model *model;
    struct engine *engine; // NULL: counts
    bool shares_engine;    // it is another's
    bool *leave_out;       // of counts: [n_shards] those that they were made of; NULL: none
    const struct predictor_family *family; // of a changed model; NULL: nothing is changed
    struct head_logits *head; // of a changed model that has engine_linear_head(); or NULL
};

void predictor_free(struct predictor *p); // {0} is allowed

/*
 * Where the counts were made of some of these shards, what a document of those adds to them will be
 * left out.  settings: input_settings() of the scan.  Errors: ERR_MISMATCH (a shard was read
 * otherwise when it was counted, so that its documents are not the same), ERR_NOMEM.
 */
int predictor_leave_out(struct predictor *p, const struct shards *shards, uint64_t settings,
                        struct err *err);

/* What is to be left out of counts: the documents of a unit, whose windows are scored. */
struct predictor_unit {
    const struct layout *layout;
    uint32_t shard;
};

/* Is the shard among those that the model's counts were made of?  Not of weights. */
bool predictor_has_counted(const struct predictor *p, const struct shard *s);

struct predictor_ctx;

/* p outlives it.  lender: that of a changed model of the same engine in this thread, which outlives
 * it, too; NULL: there is none.  Errors: ERR_NOMEM. */
int predictor_ctx_new(struct predictor_ctx **out, const struct predictor *p,
                      struct predictor_ctx *lender, struct err *err);
void predictor_ctx_free(struct predictor_ctx *r); // NULL is allowed

/* Does it say anything of a window?  Not a resampled model that finds no donor for it. */
bool predictor_says(const struct predictor *p, const struct layout *layout, size_t window);

/* The engine's working memory, which belongs to r or its lender; NULL: of counts. */
struct engine_ctx *predictor_engine_ctx(const struct predictor_ctx *r);

/* Before the first call of a unit: forgets the documents and windows of the one before.
 * Errors: ERR_NOMEM. */
int predictor_begin_unit(struct predictor_ctx *r, struct err *err);

/* engine_watch_sites(); nothing of counts, which have no rows. */
int predictor_watch_sites(struct predictor_ctx *r, uint32_t sites, struct err *err);

/* engine_logits(), of weights. */
const float *predictor_logits(struct predictor_ctx *r, const float *x, size_t n, size_t *ld);

/* engine_score(), or with a watch (NULL: none) engine_score_watched().  unit: what the windows'
 * tokens lie in; NULL: nothing is left out, and nothing resampled.  It says something of each
 * window (predictor_says()).  Errors: ERR_NOMEM. */
int predictor_score(struct predictor_ctx *r, const struct predictor_unit *unit,
                    const struct engine_window *windows, size_t n_windows,
                    const struct engine_watch *watch, const atomic_int *stop, struct err *err);

/* engine_pick_exact().  The picks' windows have been scored, and hold what was said of them.
 * Errors: ERR_NOMEM. */
int predictor_pick_exact(struct predictor_ctx *r, const struct predictor_unit *unit,
                         const struct engine_pick *picks, size_t n, double *logprob,
                         const atomic_int *stop, struct err *err);

/* engine_pick_rows(), of weights.  Errors: ERR_NOMEM. */
int predictor_pick_rows(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_pick *picks, size_t n, float *rows,
                        const atomic_int *stop, struct err *err);

/* engine_kept_row(), of weights: false, too, where another model has used the working memory since
 * the last predictor_score(). */
bool predictor_kept_row(const struct predictor_ctx *r, const struct engine_pick *pick, float *row);

/* From now on a changed model begins with what the ctx of its whole keeps of the windows, which it
 * has just scored (engine_keep_layers()). */
void predictor_begin_from(struct predictor_ctx *r, struct predictor_ctx *whole);

/* engine_head_rows(), of a changed model that has a head.  Errors: ERR_NOMEM. */
int predictor_head_rows(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_window *windows, size_t n_windows,
                        struct head_rows *rows, const atomic_int *stop, struct err *err);

/* logprob[n] of ids[n] in place of the picks, of counts that look.  Errors: ERR_NOMEM. */
int predictor_score_ids(struct predictor_ctx *r, const struct predictor_unit *unit,
                        const struct engine_pick *picks, const uint32_t *ids, size_t n,
                        double *logprob, struct err *err);

/* Does it say how likely every token is?  Not what chooses with hindsight: :skip, :oracle. */
bool predictor_looks(const struct predictor *p);

/* engine_look(), of one that looks, and is not a changed one.  Of counts 'logits' are log-probs and
 * there is nothing else in a sight.  Errors: ERR_NOMEM. */
int predictor_look(struct predictor_ctx *r, const struct predictor_unit *unit,
                   const struct engine_pick *picks, size_t n, engine_view *view, void *context,
                   const atomic_int *stop, struct err *err);

#endif
