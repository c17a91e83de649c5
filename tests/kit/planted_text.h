/*
 * planted_text.h - documents of ids in which it is known what predicts what
 *
 *     planted_text_make -> docs, items -> planted_text_free
 *
 * Noise of which some tokens are common, and in it phrases, each a known number of times:
 *
 *     PLANTED_BIGRAM    x B C   C behind B, whatever x is: one of a few
 *     PLANTED_SKIP      A y C   C two behind A, whatever y is: one of a few
 *     PLANTED_ADDED     A B C   and many A y C and x B C of any x, y
 *     PLANTED_TRIGRAM   A B C   and no others
 *     PLANTED_RARE      A B C   as those, but PLANTED_RARE_TIMES in all
 *
 * C of an additive item is a small part of what follows A, and of what follows B, but stands behind
 * little else: both together say it.  A, B and C of the last two kinds are common, each A stands
 * before two of the Bs and each B behind two of the As, with other Cs, and both before much else:
 * together they say C, and nothing simpler does.
 *
 * An A that has a B (the last three) stands before it nowhere else.  Of the phrases x B, A y and
 * A B some go on with noise instead of C.
 *
 * The documents fit windows of PLANTED_DOC_MAX ids, their BOS included.  The same seed gives the
 * same documents, about 50 000 tokens.
 */
#ifndef GAPSCOPE_TESTS_KIT_PLANTED_TEXT_H
#define GAPSCOPE_TESTS_KIT_PLANTED_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PLANTED_VOCAB 300u
#define PLANTED_BOS 0u
#define PLANTED_DOCS 400
#define PLANTED_DOC_MAX 256
#define PLANTED_TIMES 25u // an A B C of PLANTED_TRIGRAM
#define PLANTED_RARE_TIMES 8u
#define PLANTED_FEW 4u // values of x in x B C of PLANTED_BIGRAM, of y in A y C of PLANTED_SKIP
#define PLANTED_ITEMS 14

enum planted_kind {
    PLANTED_BIGRAM,
    PLANTED_SKIP,
    PLANTED_ADDED,
    PLANTED_TRIGRAM,
    PLANTED_RARE,
    PLANTED_KINDS,
};

#define PLANTED_ANY UINT32_MAX

struct planted_item {
    enum planted_kind kind;
    uint32_t a, b, c; // PLANTED_ANY: A of a bigram, B of a skip-bigram
};

struct planted_text {
    struct planted_item items[PLANTED_ITEMS]; // by kind
    struct planted_doc {
        size_t n;
        uint32_t *ids; // [n] behind BOS, which is not among them
    } docs[PLANTED_DOCS];
};

/* Ends the program where there is no memory. */
void planted_text_make(struct planted_text *t, uint64_t seed);
void planted_text_free(struct planted_text *t);

/* The item of a kind whose ids these are, PLANTED_ANY being any; NULL: none. */
const struct planted_item *planted_text_find(const struct planted_text *t, enum planted_kind kind,
                                             uint32_t a, uint32_t b, uint32_t c);

/* As JSONL, a document a line: {"ids":[0,...]}, BOS first. */
void planted_text_write(const struct planted_text *t, FILE *to);

#endif
