/*
 * gaps.h - where the models of a pair differ: the hits, tokens and domains of run.db
 */
#ifndef GAPSCOPE_OUT_READ_GAPS_H
#define GAPSCOPE_OUT_READ_GAPS_H

#include <stdbool.h>

#include "out/read/row.h"

/* A place where one model predicts the token much better than the other. */
struct hit {
    struct text side;
    int64_t rank;
    double gap, base_logprob, other_logprob;
    int64_t shard, doc, byte_start, byte_end;
    int64_t token;
    struct text token_text; // "" in a scan of ids
    struct text before, after;
    int64_t duplicates;
    struct json_object *detail;
    struct text shard_name;
};
extern const struct row_kind hit_kind;

/* The columns of hit_kind, FROM hit included. */
#define SQL_HIT                                                                                    \
    "SELECT side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start, byte_end, "      \
    "token,"                                                                                       \
    " token_text, before, after, duplicates, detail,"                                              \
    " (SELECT name FROM shard WHERE id = hit.shard) AS shard_name FROM hit"

struct token_gap {
    int64_t token;
    struct text token_text;
    int64_t n;
    double mean_gap, sum_gap, base_mean_logprob, other_mean_logprob;
};
extern const struct row_kind token_gap_kind;

struct domain_gap {
    struct text domain;
    int64_t docs, tokens;
    double mean_gap, se;
};
extern const struct row_kind domain_gap_kind;

/* The tokens of a kind (token_kind.h). */
struct kind_gap {
    struct text kind;
    int64_t tokens; // of the vocabulary
    int64_t n;      // places where one was predicted
    double share_of_tokens, mean_gap, sum_gap;
    double share_of_gap; // of the pair's summed gap; NaN where that is not above 0
    double base_mean_logprob, other_mean_logprob;
    struct json_object *common; // texts of the three most frequent
};
extern const struct row_kind kind_gap_kind;

struct document_gap {
    int64_t shard;
    struct text shard_name;
    int64_t doc;
    struct text domain;
    int64_t text_bytes, tokens; // tokens: those that have a gap
    double mean_gap, base_mean_logprob;
    double other_mean_logprob; // NaN of a pair with several others
};
extern const struct row_kind document_gap_kind;

/* What can be listed of a pair, with the greatest gaps first, or the least. */
enum gap_list { GAPS_OF_HITS, GAPS_OF_TOKENS, GAPS_OF_DOMAINS, GAPS_OF_KINDS, GAPS_OF_DOCUMENTS };

/* The first n rows for a pair: *items is a new array of rows of gap_kind(list), ended by
 * rows_free().  worst: the least gaps, where the base is better. */
int gaps_read(void *items, size_t *n, struct reader *r, enum gap_list list, int64_t pair,
              size_t most, bool worst);
const struct row_kind *gap_kind(enum gap_list list);

#endif
