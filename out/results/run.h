/*
 * run.h - a scan as plain data: what was to be done, and how much of it is
 *
 * What one statistic alone is asked for stands in its collector's shape (collector.h).
 */
#ifndef GAPSCOPE_OUT_RESULTS_RUN_H
#define GAPSCOPE_OUT_RESULTS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

struct run_model {
    char *name, *path;
    char *act_fn; // "gelu", ...; "none" where attention-only
    char *site;   // of its neurons: "pre", "mid", "post"; "" where none are kept
    size_t n_layers, d_model, n_heads, d_mlp, d_vocab, n_ctx;
    uint64_t weights_hash; // XXH64 of all weights in f32
    char *changes;         // what a changed model has changed: "zero.L1H3"; "" or NULL: nothing
    uint32_t share_take, share_of; // of the documents that it is run on; 0, 0: all
    bool brief;                    // one of many, of which less is kept; all behind it are
    char **components;   // [n_components] names of what direct logit attribution divides a logit
    size_t n_components; // into, in its order; none of counts
};

struct run_shard {
    char *name, *path;
    uint64_t bytes, hash;
    uint64_t units; // 0: not known until it has been read to its end, or none
};

#define RUN_ANSWERS_MAX 2

struct run_hypothesis {
    char *name;
    char *kind;          // "regex", "tokens", ...
    char *spec;          // what it is, as JSON
    bool predicts_next;  // the log-probs of a labelled token are those of the next in its window
    bool answers_itself; // it says of each labelled token which would follow
    uint32_t n_answers;  // else these would, the same at all
    uint32_t answers[RUN_ANSWERS_MAX]; // [n_answers]
};

#define RUN_MODELS_MAX 4096
#define RUN_PAIRS_MAX 4096
#define RUN_OTHERS_MAX 32 // models beside the base of a pair

/* base:others.  The gap at a token is the least over the others of max(logprob_other, floor) -
 * max(logprob_base, floor); the deciding model is the first other that attains it. */
struct run_pair {
    uint32_t base;
    uint32_t n_others;
    uint32_t others[RUN_OTHERS_MAX]; // [n_others]
    bool brief; // a changed model and its whole, of which less is kept: no tokens' gaps, no
                // domains, few hits without details; all behind it are
};

struct run {
    // what was to be done: two runs can be merged or resumed where all this is equal (paths aside)
    struct run_model *models; // [n_models]
    size_t n_models;
    struct run_shard *shards; // [n_shards], sorted as shards.h says
    size_t n_shards;
    struct run_pair *pairs; // [n_pairs]
    size_t n_pairs;
    double floor;
    size_t top;                        // hits kept of a pair and side
    size_t brief_top;                  // of a brief one
    struct run_hypothesis *hypotheses; // [n_hypotheses]
    size_t n_hypotheses;
    char *settings; // JSON of all else that changes results: field, format, domain, packing, ...

    // names that the tables show; no result depends on them
    char **reasons; // [n_reasons] of rejected records, by number
    size_t n_reasons;
    struct buf token_texts; // run_add_token()'s, each ended by a NUL; empty: no tokenizer

    // how much is done
    bool counted;        // the corpus has been read to its end: n_units is known
    uint64_t n_units;    // of the corpus
    unsigned char *done; // [(done_bits + 7) / 8], bit i % 8 of byte i / 8: unit i is in the tally
    uint64_t done_bits;
    bool limited; // --max-tokens ended it: what is not done is not to be
};

void run_free(struct run *r); // {0} is allowed

bool run_is_done(const struct run *r, uint64_t unit);
int run_set_done(struct run *r, uint64_t unit, struct err *err); // grows done; ERR_NOMEM
uint64_t run_count_done(const struct run *r);
bool run_is_finished(const struct run *r); // every unit is done, or 'limited'
size_t run_d_vocab(const struct run *r);   // ids below it are in every model's vocabulary

/* The models, and the pairs, that are not brief: the first ones. */
size_t run_full_models(const struct run *r);
size_t run_full_pairs(const struct run *r);

/* Has the model something changed? */
static inline bool run_model_is_changed(const struct run_model *m)
{
    return m->changes && m->changes[0];
}

/* Appends the text of the next token id: bytes[len] as valid UTF-8, a byte that is no part of a
 * whole character (and NUL) as \xNN.  Errors: ERR_NOMEM. */
int run_add_token(struct run *r, const char *bytes, size_t len, struct err *err);

/* 0 where a and b are parts of one run, else ERR_MISMATCH with the first difference in words. */
int run_same(const struct run *a, const struct run *b, struct err *why);

/* Adds to 'to' what 'from' has done.  Errors: ERR_MISMATCH (not run_same(), a unit is in both, they
 * disagree on how many units there are), ERR_NOMEM; 'to' is then as it was. */
int run_merge(struct run *to, const struct run *from, struct err *err);

/* The run as bytes, all but token_texts, and back into *out, which the caller ends with
 * run_free(). What the bytes say is checked: sizes, ids of pairs, names.  Errors: ERR_NOMEM,
 * ERR_FORMAT. */
int run_save(const struct run *r, struct buf *out, struct err *err);
int run_load(struct run *out, const void *bytes, size_t len, struct err *err);

#endif
