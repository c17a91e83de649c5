/*
 * scan_ref.h - what a scan must find, worked out the slow way from the lines of `gapscope score`
 *
 *     ref_read (each shard, in the order of the run) -> ref_finish -> ref_mean, ref_hits, ...
 *
 * It holds every token of the corpus and knows nothing of the scan: no fixed point, no merging.
 */
#ifndef GAPSCOPE_TESTS_REF_SCAN_REF_H
#define GAPSCOPE_TESTS_REF_SCAN_REF_H

#include "tests/kit/scan_kit.h"

#define REF_MODELS 3
#define REF_PAIRS 3
#define REF_FLOOR (-6.0)
#define REF_CONTEXT 8 // tokens before a hit that tell its context
#define REF_HITS_PER_DOC 3

extern const char *const ref_models[REF_MODELS];

struct ref_pair {
    size_t base, n_others, others[REF_MODELS];
};
extern const struct ref_pair ref_pairs[REF_PAIRS]; // those of KIT_PAIRS

struct ref_doc {
    const struct kit_doc *doc;
    size_t shard;
    size_t first, n; // its tokens
};

struct ref_token {
    size_t doc;          // index in ref->docs
    uint32_t id, pos;    // pos: in its window, from 1
    uint32_t start, end; // bytes of the doc's text
};

struct ref {
    struct ref_doc *docs; // [n_docs], by shard and number
    size_t n_docs, docs_cap;
    struct ref_token *tokens; // [n_tokens], in the order of the docs
    size_t n_tokens, tokens_cap;
    double *logprob[REF_MODELS]; // [n_tokens]
    size_t logprob_cap[REF_MODELS];
    double *gap[REF_PAIRS];   // [n_tokens]
    double *other[REF_PAIRS]; // [n_tokens] logprob of the deciding model, unclamped
};

/* Adds what `gapscope score` printed of the shard with number 'shard' in the run. */
void ref_read(struct ref *r, size_t shard, const struct kit_shard *s, const char *lines);
void ref_finish(struct ref *r); // the gaps
void ref_free(struct ref *r);

/* Values [n_tokens] over the docs of a domain (NULL: all). */
struct ref_mean {
    uint64_t docs; // with tokens
    uint64_t n;
    double mean, se;
};
struct ref_mean ref_mean(const struct ref *r, const double *values, const char *domain);

/* The tokens that tell a hit's context, the hit last; returns how many. */
size_t ref_context(const struct ref *r, size_t token, uint32_t ids[REF_CONTEXT + 1]);

struct ref_hit {
    size_t token;
    double gap;
    uint64_t duplicates; // documents folded away
};

/* The best 'top' hits; sign 1: greatest gaps (side 'other'), -1: least ('base').  Returns how
 * many. */
size_t ref_hits(const struct ref *r, size_t pair, int sign, size_t top, struct ref_hit *out);

/* text[from, to), bytes of no whole character shown as \xNN. */
void ref_show(struct buf *out, const char *text, size_t from, size_t to);

#endif
