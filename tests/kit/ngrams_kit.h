/*
 * ngrams_kit.h - what the tests of counts share: random corpora, and files of their counts in a
 * folder of the test program's own
 */
#ifndef GAPSCOPE_TESTS_KIT_NGRAMS_KIT_H
#define GAPSCOPE_TESTS_KIT_NGRAMS_KIT_H

#include "model/counts/ngrams_build.h"
#include "tests/kit/golden.h"
#include "tests/kit/must.h"

int kit_make_folder(void **state);
int kit_remove_folder(void **state);
const char *kit_folder(void);
char *kit_path(const char *name); // in the folder; valid for the next three calls

#define KIT_DOC_MAX 400

struct kit_corpus {
    uint32_t d_vocab;
    size_t n_docs;
    struct {
        size_t n;
        uint32_t ids[KIT_DOC_MAX]; // behind a first of 0
    } docs[80];
};

/* A number below 2^31, from a linear congruential sequence. */
uint64_t kit_random(uint64_t *seed);

/* Documents with few different ids, some of them empty.  The caller frees it. */
struct kit_corpus *kit_random_corpus(uint32_t d_vocab, size_t n_docs, uint64_t seed);

/* How a file is made. */
struct kit_how {
    size_t docs_a_run;
    bool backwards;
    size_t part, n_parts; // documents with number % n_parts == part; 0: all
    size_t n_threads, memory_bytes;
    uint64_t min_count;
};

struct ngrams_info kit_info(const struct kit_corpus *c, const struct kit_how *how,
                            struct ngrams_shard *shard);

/* Writes documents [from, to) that are in the part as run "run<from>" and opens it; a document is a
 * unit. */
void kit_write_run(const struct kit_corpus *c, const struct kit_how *how, size_t from, size_t to,
                   struct ngrams_run *run, struct ngrams_info *info, uint64_t *bits);

/* Counts the corpus into the file 'name'; or merges files of parts. */
void kit_make_file(const struct kit_corpus *c, const struct kit_how *how, const char *name);
void kit_merge_files(const struct kit_corpus *c, const char *const *names, size_t n,
                     const struct kit_how *how, const char *name);

void kit_expect_same_bytes(const char *one, const char *other);
struct ngrams *kit_open(const char *name);

#endif
