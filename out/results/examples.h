/*
 * examples.h - places of a corpus with their context, kept as lists that merge exactly
 *
 * A list keeps the places of the least keys, the earlier place where keys are equal, one per
 * context.  What a key is, is the list's owner's business: a turned activation for the strongest, a
 * hash of the place for a sample.  Every document offers its one best place, so a list holds one
 * per document too; and what a list of a part does not keep, the whole's would not.
 */
#ifndef GAPSCOPE_OUT_RESULTS_EXAMPLES_H
#define GAPSCOPE_OUT_RESULTS_EXAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/bits.h"
#include "corpora/base/err.h"

#define EXAMPLE_TOKENS 64 // tokens of context, with the token itself
#define EXAMPLE_BEFORE 47 // those before it, if there are so many

struct example {
    uint32_t key;
    float activation;
    uint32_t shard;
    uint32_t at; // index among the document's tokens
    uint64_t doc;
    uint32_t byte_start, byte_end; // of the token in the normalised text; 0, 0 with --ids
    uint64_t context;              // XXH3 of up to 8 tokens of its window before it, and it
    uint32_t n_tokens, before;     // tokens of the context shown, and how many stand before it
    uint32_t n_acts;               // n_tokens: the neuron's, on each; else other neurons', on it
    uint32_t n_rows, n_words;      // of labels: a row for the token alone, or for all n_tokens
    bool test;                     // its document is of the half test
    // [n_rows + 1][n_words] bit h: hypothesis h labels it; of the last row: it gave up on the
    // document.  Its own block, which holds the rest:
    uint64_t *labels;
    uint32_t *ids; // [n_tokens]
    float *acts;   // [n_acts]
};

/* What names a document, for places in it. */
struct example_doc {
    uint32_t shard;
    uint64_t number; // in its shard
    bool test;       // the half that it is in
    size_t n;
    const uint32_t *ids;  // [n]
    const uint32_t *ends; // [n] bytes into its text; NULL with --ids
    const uint32_t *pos;  // [n] in the window, from 1: where 1 is, a window begins
};

/* Where token 'at' stands, with its context's hash, under a key; no arrays. */
struct example example_at(const struct example_doc *d, size_t at, uint32_t key);

/* How many tokens of its window stand before it and behind it, 'most' at most. */
size_t example_n_before(const struct example_doc *d, size_t at, size_t most);
size_t example_n_after(const struct example_doc *d, size_t at, size_t most);

/* A hash of where in the corpus a token stands. */
uint32_t example_hash(uint32_t shard, uint64_t doc, size_t at);

/* Room for the arrays, whose sizes are set; all 0.  Errors: ERR_NOMEM, the arrays are NULL then. */
int example_new(struct example *e, struct err *err);
void example_free(struct example *e); // {0} is allowed; *e becomes {0}

/* The labels of the token itself: [n_words]. */
static inline const uint64_t *example_labels(const struct example *e)
{
    return e->labels + (e->n_rows > 1 ? (size_t)e->before * e->n_words : 0);
}

static inline bool example_labelled(const struct example *e, size_t h)
{
    return bits_get(example_labels(e), h);
}

/* Did the hypothesis give up on its document? */
static inline bool example_unknown(const struct example *e, size_t h)
{
    return bits_get(e->labels + (size_t)e->n_rows * e->n_words, h);
}

/* Does a stand before b?  By key, shard, doc, at. */
bool example_before(const struct example *a, const struct example *b);

struct example_list {
    struct example *items; // [n], in order
    uint32_t n, cap;
};

void example_list_free(struct example_list *l); // {0} is allowed
void example_list_clear(struct example_list *l);

/* No key above this can enter a list of at most 'most'. */
static inline uint32_t example_cutoff(const struct example_list *l, uint32_t most)
{
    return l->n < most ? UINT32_MAX : l->items[l->n - 1].key;
}

/* Whether the place, of which key, shard, doc, at and context are set, belongs in the list, most >
 * 0. */
bool example_belongs(const struct example_list *l, const struct example *e, uint32_t most);

/* Puts *e, which belongs, in its place; it is the list's from then on, also on failure, and *e
 * becomes {0}.  Errors: ERR_NOMEM. */
int example_insert(struct example_list *l, struct example *e, uint32_t most, struct err *err);

/* Moves what belongs from 'from', which is empty after that. */
int example_list_take(struct example_list *to, struct example_list *from, uint32_t most,
                      struct err *err);

#endif
