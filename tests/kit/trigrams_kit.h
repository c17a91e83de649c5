/*
 * trigrams_kit.h - documents with trigrams, log-probs and activations at random, and their
 * way through units into a whole, in order or cut anyhow (for tests of trigrams)
 */
#ifndef GAPSCOPE_TESTS_KIT_TRIGRAMS_KIT_H
#define GAPSCOPE_TESTS_KIT_TRIGRAMS_KIT_H

#include "corpora/base/mem.h"
#include "out/results/trigrams/trigrams.h"

#define MODELS 3
#define PAIRS 2
#define LAYERS 3
#define DOCS_MOST 60
#define TOKENS_MOST 90

static const size_t widths[LAYERS] = {7, 33, 1};
static const struct run_pair pairs[PAIRS] = {{.base = 0, .n_others = 1, .others = {1}},
                                             {.base = 0, .n_others = 2, .others = {1, 2}}};
#define FLOOR (-6.0) // nats

uint64_t next(uint64_t *state, uint64_t below);

struct doc {
    uint32_t shard;
    uint64_t number;
    uint32_t first;
    size_t n, n_foreign; // tokens of nobody before it, in its first window where pos goes on
    uint32_t ids[TOKENS_MOST], ends[TOKENS_MOST], pos[TOKENS_MOST], window[TOKENS_MOST];
    unsigned char skipped[TOKENS_MOST]; // 1: context alone
    double logprob[MODELS][TOKENS_MOST];
    float acts[LAYERS][TOKENS_MOST][33];
};

struct world {
    const struct trigrams_shape *shape;
    struct doc *docs; // [n]
    size_t n;
    bool texts;
    bool skips; // some tokens are context alone
};

void *room(size_t n, size_t size);

void world_make(struct world *w, const struct trigrams_shape *shape, size_t n, size_t most_tokens,
                uint64_t seed);

void world_free(struct world *w);

struct tally_doc tally_doc_of(const struct world *w, const struct doc *d,
                              const double *rows[MODELS]);

struct unit {
    struct unit_tokens tokens;
    uint32_t *ids, *pos;
    unsigned char *skipped;
    const float **acts[LAYERS]; // [n tokens] of a token's; NULL: of nobody's
    struct unit_tokens_doc *docs;
};

void unit_make(struct unit *u, const struct doc *const *docs, size_t n_docs);

void unit_free(struct unit *u);

/* Hands over up to 'most' windows of a layer from token 'begin' on, empty ones among them where
 * 'random' is; returns the token after. */
size_t give_block(struct trigrams *t, const struct unit *u, size_t layer, size_t begin, size_t most,
                  uint64_t *random);

/* random: NULL for all windows at once. */
void run_unit(struct trigrams *t, const struct world *w, const struct doc *const *docs,
              size_t n_docs, uint64_t *random);

struct trigrams *new_one(const struct trigrams_shape *shape);

struct buf save(const struct trigrams *t);

void expect_same(const struct trigrams *a, const struct trigrams *b);

/* Through bytes, which are the same again. */
struct trigrams *reload(const struct trigrams *t);

/* All documents as one unit. */
struct trigrams *whole_of(const struct world *w);

/* Documents in any order, in units of any sizes; wholes that are merged, and saved and loaded
 * before it: all at random. */
struct trigrams *anyhow_of(const struct world *w, uint64_t *random);

#endif
