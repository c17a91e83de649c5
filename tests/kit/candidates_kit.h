/*
 * candidates_kit.h - what the tests of candidates share: corpora in which it is known what predicts
 * what, and files of their counts in a folder of their own
 *
 *     kit_make_files (before the tests) -> kit_open("planted"), kit_find, ... -> kit_remove_files
 */
#ifndef GAPSCOPE_TESTS_KIT_CANDIDATES_KIT_H
#define GAPSCOPE_TESTS_KIT_CANDIDATES_KIT_H

#include "model/counts/candidates.h"
#include "model/counts/ngrams_build.h"
#include "tests/kit/golden.h"
#include "tests/kit/must.h"
#include "tests/kit/must.h"
#include "tests/kit/planted_text.h"
#include "tests/ref/candidates_ref.h"

#define KIT_DOCS_MAX 4096

static const struct candidates_rule kit_plain = {.count = 10, .high = 0.5, .low = 0.1, .most = 500};
static const struct candidates_rule kit_wide = {.count = 2, .high = 0.2, .low = 0.1, .most = 500};
static const uint32_t kit_bos = PLANTED_BOS;

extern struct planted_text kit_planted;
extern struct ref_corpus kit_planted_corpus;

/* A group has (A, B) of two As and two Bs.  One of two Cs follows if A and B are both the first or
 * both the second, else one of two others, each XOR_TIMES.  So A alone, or B alone, says nothing.
 * Groups differ only in their ids, so all of their 8 trigrams have the same worth. */
#define XOR_GROUPS 5u
#define XOR_IDS 8u // A, A, B, B, C, C, C, C
#define XOR_TIMES 12u
#define XOR_DOCS (XOR_GROUPS * 8 * XOR_TIMES)
extern const struct ref_corpus kit_xor_corpus;
extern const struct candidates_rule kit_xor_rule;

/* Makes the folder and in it "planted" and "few" (a min_count of 2) of kit_planted_corpus, and
 * "xor" of kit_xor_corpus. */
int kit_make_files(void **state);
int kit_remove_files(void **state);

const char *kit_folder(void);
const char *kit_path(const char *name); // in the folder; valid for the next three calls

void kit_expect_near(double got, double wanted, double by);

/* Counts documents with number % n_parts == part into a file with one run; a document is a unit. */
void kit_make_file(const struct ref_corpus *c, size_t part, size_t n_parts, uint64_t min_count,
                   const char *name);
struct ngrams *kit_open(const char *name);
struct candidates kit_find(const struct ngrams *n, const struct candidates_rule *rule);

#endif
