/*
 * collector.h - a statistic of a scan as one module
 *
 * A collector is a table of functions, struct collector_kind, and the memory that they keep:
 *
 *     shape   what is asked for: made before the scan, then read only, shared by all threads
 *     part    what one worker makes of the current unit
 *     whole   all units that are done; saved in run.db, merged with other runs', written as tables
 *
 * One unit, in a worker; every model scores a block of windows before the next block begins:
 *
 *     part_look (under the lock)
 *     begin_unit -> for each block: asked -> see, see, ... -> see_heads -> may_ask -> see_logits
 *                   -> end_block
 *                -> end_unit
 *     add (under the lock): the part's unit into the whole
 *
 * Everything that a collector keeps must be the same whatever order units come in, and however
 * they are divided between workers, parts and runs: counts, whole-number sums (fixed.h), lists
 * under a total order, samples chosen by a hash of the place.  Sums of products are made in double
 * inside a unit, in the order of its tokens, and rounded once at its end.
 *
 * Functions that may be NULL say so.  A new statistic is a folder below out/results with a kind,
 * and a line in out/collectors.c.
 *
 * Threads: a shape is shared; a part belongs to a worker; a whole to whoever holds the run's lock.
 */
#ifndef GAPSCOPE_OUT_RESULTS_COLLECTOR_H
#define GAPSCOPE_OUT_RESULTS_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/head_moment.h"
#include "corpora/base/mem.h"
#include "corpora/base/row_site.h"
#include "out/results/run.h"
#include "out/results/token_view.h"
#include "out/results/unit.h"

struct collector_kind;

/* What a collector needs of one model while it is scored. */
struct collector_needs {
    uint32_t see;  // ROW_BIT()s that are given to see() as soon as a layer is done
    uint32_t keep; // ROW_BIT()s that stay until end_block(), in all layers: a lot of memory
    bool heads;    // what its heads do, given to see_heads() once a block's layers are done
    bool labels;   // how much they look at labelled tokens, given to see_head_labels(); with heads
    bool asked;    // logits of the tokens that asked() lists
    bool logits;   // all logits at the tokens of documents that wants_logits() chooses
    bool may_ask;  // exact log-probs, and what it says, of the tokens that may_ask() lists
};

/*
 * Windows of a unit that are scored together: tokens [begin, end).  Window k has windows[k] tokens
 * and 1 + windows[k] rows, the first that of what stands before its tokens.  Which windows a block
 * has depends on the unit alone.
 */
struct unit_block {
    size_t begin, end;
    const size_t *windows; // [n_windows]
    size_t n_windows;
};

/* A token of the block, and the id whose logit is asked for in its place. */
struct unit_asked {
    size_t token; // of the unit
    uint32_t id;
};

/* Tokens of the unit, and models that may be asked about them. */
struct unit_questions {
    struct unit_question {
        size_t token, model;
    } * items; // [n]
    size_t n, cap;
};

/* What all models said of a block. */
struct unit_seen {
    size_t n_models;
    const double *const
        *logprob; // [n_models][tokens of the unit] nats, as scanned; up to block->end

    // what this collector asked for
    const struct unit_asked *asked; // [n_asked]
    size_t n_asked;
    const float *const *logits; // [n_models] of [n_asked]; f32; of counts log-probs; NULL where the
                                // model was not asked

    /* Kept rows of a model's layer at a site: [rows of the block][width]; NULL: not kept. */
    const float *(*rows)(const void *context, size_t model, size_t layer, enum row_site site);
    const void *context;
};

/* Where a head looks from a token: the up to UNIT_SOURCES positions that it attends to most, of equal
 * ones the nearest, the greatest first; how many positions each is back, its id, and the attention,
 * all in f32, which holds such numbers exactly; -1 behind the last. */
#define UNIT_SOURCES 5
#define UNIT_SOURCE_FLOATS 3
struct unit_sources {
    size_t token; // of the unit
    uint32_t layer, head;
    float *at; // [UNIT_SOURCES][UNIT_SOURCE_FLOATS]
};

/* One source of the queries, keys and values of a layer's heads at rows of a unit
 * (model/explain/composer.h), of which the chosen ones are asked for: numbers of
 * [n_rows][UNIT_INPUTS][n_heads]. */
#define UNIT_INPUTS 3 // queries, keys, values
struct unit_composed {
    size_t layer, source, n_rows;
    const bool *chosen; // [n_rows]
    const float *dot, *square, *whole;
};
typedef void unit_compose_see(void *seer, const struct unit_composed *c);

/* What the models can be asked about the current unit, once it is scored. */
struct unit_models {
    size_t n_models;
    const double *const *logprob; // [n_models][tokens of the unit] nats, as scanned; of a changed
                                  // model logprob_none() where it says nothing
    double epsilon; // nats; no log-prob is further from the exact one; 0: all are exact

    /* logprob[n] = exact log-probs of tokens[n], ascending, of a model.  Errors: ERR_NOMEM. */
    int (*exact)(void *context, size_t model, const size_t *tokens, size_t n, double *logprob,
                 struct err *err);

    /* What a model says before tokens[n], ascending: views[n], whose components are valid until the
     * next call for the same model.  Errors: ERR_NOMEM. */
    int (*look)(void *context, size_t model, const size_t *tokens, size_t n,
                struct token_view *views, struct err *err);

    /* Fills asked[n], tokens ascending, of a model with heads, in f32.  Errors: ERR_NOMEM. */
    int (*sources)(void *context, size_t model, const struct unit_sources *asked, size_t n,
                   struct err *err);

    /* Shows every source of every layer's heads at tokens[n], ascending, of a model with heads, in
     * f32.  Errors: ERR_NOMEM. */
    int (*compose)(void *context, size_t model, const size_t *tokens, size_t n,
                   unit_compose_see *see, void *seer, struct err *err);

    /* logprob[n_layers + 1][n] = those of tokens[n], ascending, of an attention-only model with paths
     * through at most 0, 1, ... heads kept; undefined once it is stopped.  Errors: ERR_NOMEM. */
    int (*depth)(void *context, size_t model, const size_t *tokens, size_t n, double *logprob,
                 struct err *err);

    /* The scan is to stop: what comes out of the unit is worth nothing, so leave early. */
    bool (*stopped)(const void *context);
    void *context;
};

/* For before_scan(). */
struct collector_before {
    /* Runs the corpus' first unit through a collector of this shape alone, into *whole, which is
     * new.  Errors: those of a worker. */
    int (*first_unit)(void *context, const struct collector_kind *kind, const void *shape,
                      void *whole, struct err *err);
    bool (*stopped)(const void *context); // by a signal: what first_unit() gave is worth nothing
    void *context;
};

/* At most, in bytes. */
struct collector_memory {
    uint64_t whole;
    uint64_t part;   // a worker's
    uint64_t saving; // more, while it is saved
};

struct results;
struct sql;

struct collector_kind {
    const char *name; // [a-z]+, its keys in run.db's table 'state' begin with it

    // --- the shape

    /*
     * *out: what the run asks of it; NULL: nothing, the collector takes no part.  saved[len]: what
     * shape_save() gave, of a run.db; NULL: it is a new run.  NULL: joined by results_join() only.
     * Errors: ERR_NOMEM, ERR_FORMAT (damaged bytes).
     */
    int (*shape_new)(void **out, struct run *run, const void *saved, size_t len, struct err *err);
    void (*shape_free)(void *shape);

    /* Appends what shape_new() cannot find in the run, what before_scan() has fixed above all.  It
     * is saved once.  May be NULL. */
    int (*shape_save)(const void *shape, struct buf *out, struct err *err);

    /* Fixes what must be known before the scan, the same for every part of the run: called unless
     * it came from a run.db.  May be NULL. */
    int (*before_scan)(void *shape, struct run *run, const struct collector_before *before,
                       struct err *err);

    /* 0 where two shapes ask the same of one run, else ERR_MISMATCH with the first difference in
     * words; fixed: what before_scan() has fixed is compared, too.  NULL: shapes of one run are
     * always the same. */
    int (*same)(const void *a, const void *b, bool fixed, struct err *why);

    /* Appends what it keeps, for people: "1024 neurons".  May be NULL.  Errors: ERR_NOMEM. */
    int (*describe)(const void *shape, struct buf *out, struct err *err);

    // *out is {0} before; both may be NULL
    void (*memory)(const void *shape, const struct run *run, struct collector_memory *out);
    void (*needs)(const void *shape, const struct run *run, size_t model,
                  struct collector_needs *out);

    // --- a worker's part

    int (*part_new)(void **out, const void *shape, struct err *err);
    void (*part_free)(void *part);
    void (*part_look)(void *part,
                      const void *whole); // at what the whole still lets in; may be NULL

    /* Forgets the unit before; 'unit' stays until add(). */
    int (*begin_unit)(void *part, const struct unit_tokens *unit, struct err *err);

    /* Appends what is to be asked of a block's tokens, ascending.  May be NULL. */
    int (*asked)(void *part, const struct unit_block *block, struct unit_asked **items, size_t *n,
                 size_t *cap, struct err *err);

    /* Rows of a model's layer at a site: [rows of the block][width], valid until it returns.  May
     * be NULL. */
    int (*see)(void *part, size_t model, size_t layer, enum row_site site,
               const struct unit_block *block, const float *rows, struct err *err);

    /* What the heads of a model's layer do in a block, layer after layer: values[m] is [rows of the
     * block][n_heads], rows as in see(), valid until it returns.  May be NULL. */
    int (*see_heads)(void *part, size_t model, size_t layer, const struct unit_block *block,
                     const float *const values[HEAD_MOMENTS], struct err *err);

    /* How much of its attention each head of the layer gives to labelled tokens:
     * to_label[rows of the block][n_heads][n_hypotheses]; before see_heads() of the block.  May be
     * NULL. */
    int (*see_head_labels)(void *part, size_t model, size_t layer, const struct unit_block *block,
                           const float *to_label, struct err *err);

    /* Whether all logits are needed at the tokens of document d.  May be NULL, as the next. */
    bool (*wants_logits)(const void *part, size_t d);

    /* All logits in place of tokens[n] of the unit: row i of model m begins at logits[m] +
     * i * ld[m]; for counts they are log-probs; NULL for a model that was not asked. */
    int (*see_logits)(void *part, const size_t *tokens, size_t n, const float *const *logits,
                      const size_t *ld, struct err *err);

    /* All models have scored the block.  May be NULL. */
    int (*end_block)(void *part, const struct unit_block *block, const struct unit_seen *seen,
                     struct err *err);

    /* Model 'model' has scored the block, as all before it: appends the questions, their tokens
     * ascending, that end_unit() may ask about tokens of the block: what the models computed there
     * is kept, so that the answer is at hand.  It may ask others, which takes longer.
     * logprob[n_models][tokens of the unit]: nats, as scanned, up to block->end; epsilon: as in
     * struct unit_models.  It is called where needs() has it of the model.  May be NULL. */
    int (*may_ask)(void *part, const struct unit_block *block, const double *const *logprob,
                   double epsilon, size_t model, struct unit_questions *questions, struct err *err);

    /* All blocks are done.  May be NULL. */
    int (*end_unit)(void *part, const struct unit_models *models, struct err *err);

    // --- the whole; all NULL: nothing is kept in run.db

    int (*whole_new)(void **out, const void *shape, struct err *err);
    void (*whole_free)(void *whole);
    int (*add)(void *whole, void *part, struct err *err);   // may take what the part has
    int (*merge)(void *whole, void *from, struct err *err); // of an equal shape; may take too

    /* As bytes, in n_pieces() pieces (NULL: in one), and back into a new whole.  Equal wholes give
     * equal bytes.  Errors: ERR_NOMEM, ERR_FORMAT (not such bytes). */
    size_t (*n_pieces)(const void *shape);
    int (*save)(const void *whole, size_t piece, struct buf *out, struct err *err);
    int (*load)(void *whole, size_t piece, const void *bytes, size_t len, struct err *err);

    // --- run.db

    const char *sql; // its tables and views, embedded from its .sql file

    /* Writes its tables anew; the others' results may be read.  full: false at most checkpoints,
     * where only what is small and says how far the scan is need be written.  May be NULL. */
    int (*write)(const struct sql *sql, const struct run *run, const struct results *results,
                 const void *whole, bool full, struct err *err);

    /* Before each checkpoint, under the run's lock: for what is kept outside of run.db.  May be
     * NULL. */
    int (*checkpoint)(void *shape, const struct run *run, struct err *err);
};

/* All collectors there are, in the order in which they are called; NULL ends it.  One list:
 * out/collectors.c. */
extern const struct collector_kind *const collector_kinds[];

/* A collector that takes part in a run. */
struct collector {
    const struct collector_kind *kind;
    void *shape, *whole; // whole NULL: nothing is kept
};

/* Those of a run, and what they have found. */
struct results {
    struct collector *items; // [n], in the order of collector_kinds, then joined ones
    size_t n;
};

/* Those of a new run, all kinds that it asks something of.  The run outlives them.
 * Errors: ERR_NOMEM; *r is then to be freed, too. */
int results_new(struct results *r, struct run *run, struct err *err);

/* Adds one of a shape that is not the run's: *r owns it from now on, also where it fails. */
int results_join(struct results *r, const struct collector_kind *kind, void *shape,
                 struct err *err);

/* Makes the wholes, of shapes as they are now.  Errors: ERR_NOMEM. */
int results_new_wholes(struct results *r, struct err *err);

void results_free(struct results *r); // {0} is allowed; *r becomes {0}

/* 0 where the collectors of two runs that are the same (run_same()) ask the same, else ERR_MISMATCH
 * with the first difference in words.  fixed: as same(). */
int results_same(const struct results *a, const struct results *b, bool fixed, struct err *why);

/* Adds 'from', of the same run, and takes its lists.  Errors: ERR_NOMEM, both are then fit to be
 * freed only. */
int results_merge(struct results *to, struct results *from, struct err *err);

/* The collector of this kind; NULL: it takes no part. */
struct collector *results_find(const struct results *r, const struct collector_kind *kind);

/* Its whole; NULL: it takes no part, or has none yet. */
void *results_whole(const struct results *r, const struct collector_kind *kind);

#endif
