/*
 * scan_runs_corpora.h - the corpora of test_scan_runs.c, and whole runs of them to compare with
 */
#ifndef GAPSCOPE_TESTS_SCAN_SCAN_RUNS_CORPORA_H
#define GAPSCOPE_TESTS_SCAN_SCAN_RUNS_CORPORA_H

#include "tests/kit/scan_kit.h"

#define HYPOTHESES                                                                                 \
    "--hypotheses $T/h.yaml --watch gelu-1l:L0N5=word --watch solu-1l:L0N7=slow --examples 4 "
#define TRIGRAMS                                                                                   \
    "--trigrams $T/counts.ngrams "                                                                 \
    "--trigram-rule count=2,high=0.5,low=0.45,gap=-100,test=3 "
#define SMALL_MODELS " --model $T/m/attn-only-1l --model $T/m/gelu-1l --model $T/m/solu-1l "
#define MODELS SMALL_MODELS KIT_PAIRS TRIGRAMS "--compare-share 1/2 "
#define OPTIONS MODELS HYPOTHESES "--top 5 --checkpoint 0 "
#define SCAN "gapscope scan" OPTIONS
#define SHORT " $T/s1.jsonl $T/s2.jsonl.zst $T/s3.txt $T/s4.jsonl $T/s5.jsonl "
#define LONG " $T/long/*.jsonl "
#define N_LONG 20 // shards

#define SET(name) ",\"meta\":{\"set\":\"" name "\"}"
#define ADD(s, domain, members, text) kit_add(s, domain, members, text, sizeof(text) - 1)

#define PHRASES                                                                                    \
    " the file is; the line of; the name and; an file of; an line and; an name is;"                \
    " for file and; for line is; for name of;"
#define PHRASES_AGAIN                                                                              \
    " an name is; the name and; for line is; an file of; for name of; the file is; for file and;"  \
    " an line and; the line of;"

void write_and_free(struct kit_shard *s);

int make_corpora(void **state);

void assert_same_digest(const char *name, const char *wanted);

/* short.db: the short corpus in one go.  Every test that compares with it calls this first. */
void need_short(void);

/* long.db: the same of the long corpus; returns how long it took. */
double need_long(void);

#endif
