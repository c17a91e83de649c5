/*
 * queries.h - the queries that several pages share, so that they say the same
 *
 * What people may want to ask run.db themselves is a view of it (the .sql files of out/results);
 * here stands what is left: parameters, order, how many rows.
 */
#ifndef GAPSCOPE_OUT_READ_QUERIES_H
#define GAPSCOPE_OUT_READ_QUERIES_H

#include "out/read/names.h"

// --- of a neuron: ?1, ?2, ?3 are its model, layer, idx

#define SQL_OF_NEURON "model = ?1 AND layer = ?2 AND idx = ?3"

/* Best first: chosen on one half of the documents, shown on the other.  h is the hypothesis, s the
 * scores of the test half, d those of the dev half. */
#define SQL_BEST_FIRST                                                                             \
    " FROM neuron_hypothesis s JOIN hypothesis h ON h.id = s.hypothesis"                           \
    " LEFT JOIN score d ON d.hypothesis = s.hypothesis AND d.model = ?1 AND d.layer = ?2"          \
    " AND d.idx = ?3 AND d.split = 'dev' WHERE s.model = ?1 AND s.layer = ?2 AND s.idx = ?3"       \
    " ORDER BY s.dev_average_precision IS NULL, s.dev_gain DESC, s.hypothesis"

/* A row for each pair of its model. */
#define SQL_CREDIT                                                                                 \
    "SELECT c.pair_name AS pair, c.credit, c.hits, c.of_hits FROM credit c"                        \
    " WHERE c.model = ?1 AND c.layer = ?2 AND c.idx = ?3 ORDER BY c.pair"

/* The first ?4 of each kind, and the first ?5 of each interval. */
#define SQL_EXAMPLES                                                                               \
    "SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end, token_index,"        \
    " tokens, activations, labels FROM example_order WHERE " SQL_OF_NEURON                         \
    " AND turn <= iif(kind = 'interval', ?5, ?4) ORDER BY kind_order, rank"

// --- of hypotheses

#define SQL_HYPOTHESES                                                                             \
    "SELECT hypothesis, name, kind, spec, labelled_tokens, docs, prevalence, aborted, "            \
    "tokens_seen, predicts,"                                                                       \
    " model_name AS model, layer, idx, n_pos, test_prevalence, average_precision,"                 \
    " average_precision_bound, auroc, precision, recall FROM hypothesis_best ORDER BY hypothesis"

/* The rows of pair ?1. */
#define SQL_LEDGER                                                                                 \
    "SELECT hypothesis, name, n, docs, mean_gap, se, mean_gap_rest, se_rest, share_of_gap,"        \
    " share_beyond_earlier, share_of_gain, gain_beyond_earlier FROM ledger WHERE pair = ?1"        \
    " ORDER BY hypothesis"

/* The rows of hypothesis ?1, at most ?2. */
#define SQL_DOMAINS                                                                                \
    "SELECT l.domain_name AS domain, l.tokens_seen, l.labelled_tokens, l.prevalence"               \
    " FROM domain_label l WHERE l.hypothesis = ?1 ORDER BY l.prevalence DESC, l.domain LIMIT ?2"

/* The best ?5 neurons by average precision on dev, the one in ?2, ?3, ?4 before all; of the first
 * one all halves, of the others the test half unless ?6. */
#define SQL_NEURONS                                                                                \
    "SELECT s.neuron, s.hypothesis, s.model, s.layer,"                                             \
    " s.idx, s.split, s.n_pos, s.n_neg, s.docs_pos, s.prevalence, s.mean_pos, s.mean_neg, s.r,"    \
    " s.variance_explained, s.auroc, s.auroc_bound, s.average_precision,"                          \
    " s.average_precision_bound, s.threshold, s.precision, s.recall, s.f1, s.mcc,"                 \
    " s.mutual_information, s.mass_covered, s.top_covered"                                         \
    " FROM (SELECT model, layer, idx, row_number() OVER (ORDER BY"                                 \
    " model = ?2 AND layer = ?3 AND idx = ?4 DESC, average_precision IS NULL,"                     \
    " average_precision DESC, model, layer, idx) AS turn"                                          \
    " FROM score WHERE hypothesis = ?1 AND split = 'dev') b"                                       \
    " JOIN neuron_score s ON s.hypothesis = ?1 AND s.model = b.model AND s.layer = b.layer"        \
    " AND s.idx = b.idx WHERE b.turn <= ?5 AND (?6 OR b.turn = 1 OR s.split = 'test')"             \
    " ORDER BY b.turn, CASE s.split WHEN 'dev' THEN 0 WHEN 'test' THEN 1 ELSE 2 END"

/* Its columns. */
enum {
    N_NAME,
    N_HYPOTHESIS,
    N_MODEL,
    N_LAYER,
    N_IDX,
    N_SPLIT,
    N_POS,
    N_NEG,
    N_DOCS,
    N_PREVALENCE,
    N_MEAN_POS,
    N_MEAN_NEG,
    N_R,
    N_VARIANCE,
    N_AUROC,
    N_BOUND,
    N_AP,
    N_THRESHOLD,
    N_PRECISION,
    N_RECALL,
    N_F1,
    N_MCC,
    N_INFORMATION,
    N_MASS,
    N_TOP,
};

/* The rows of hypothesis ?1 and the neuron in ?2, ?3, ?4: the first ?5 of each kind. */
#define SQL_COUNTEREXAMPLES                                                                        \
    "SELECT kind, rank, activation, shard, doc, byte_start, byte_end, token_index, tokens,"        \
    " activations, labelled FROM counterexample WHERE hypothesis = ?1 AND model = ?2"              \
    " AND layer = ?3 AND idx = ?4 AND rank <= ?5 ORDER BY kind, rank"

// --- of trigrams: ?1 is one of them

/* A JSON object or list of log-probs as text: "base -5.10, one -0.30".  Names are its keys, or
 * those of the models with its indices.  What is no number is left out. */
#define SQL_LOGPROB_LIST(column, join, name)                                                       \
    "(SELECT group_concat(" name " || ' ' || printf('%.2f', l.value), ', ')"                       \
    " FROM json_each(iif(json_valid(" column "), " column ", '[]')) l" join                        \
    " WHERE l.type IN ('real', 'integer') AND l.value BETWEEN -1e6 AND 1e6)"
#define SQL_LOGPROB_LIST_BY_NAME(column) SQL_LOGPROB_LIST(column, "", "l.key")
#define SQL_LOGPROB_LIST_BY_MODEL(column)                                                          \
    SQL_LOGPROB_LIST(column, " JOIN model m ON m.id = l.key", "m.name")

#define SQL_TRIGRAM                                                                                \
    "SELECT id, a, b, c, a_text, b_text, c_text, count, count_ab, count_bc, count_b, count_c, p,"  \
    " p_bigram, p_skip2, p_skip4, p_skip8, p_skip16, p_added, n, docs, gain, tested, n_ab, n_xb,"  \
    " n_ax, n_xx, mean_logprob, fillers_a, fillers_b FROM trigram WHERE id = ?1"

/* Its columns. */
enum {
    T_ID,
    T_A,
    T_B,
    T_C,
    T_A_TEXT,
    T_B_TEXT,
    T_C_TEXT,
    T_COUNT,
    T_COUNT_AB,
    T_COUNT_BC,
    T_COUNT_B,
    T_COUNT_C,
    T_P,
    T_P_BIGRAM,
    T_P_SKIP,
    T_P_ADDED = T_P_SKIP + 4,
    T_N,
    T_DOCS,
    T_GAIN,
    T_TESTED,
    T_N_AB,
    T_MEAN_LOGPROB = T_N_AB + 4,
    T_FILLERS_A,
    T_FILLERS_B,
};

#define SQL_TRIGRAM_GAPS                                                                           \
    "SELECT g.pair, g.pair_name AS name, g.mean_gap, g.se FROM trigram_pair g"                     \
    " WHERE g.trigram = ?1 ORDER BY g.pair"

/* Each with the neuron that its verdict names, or the first where it names none. */
#define SQL_TRIGRAM_MODELS                                                                         \
    "SELECT model, model_name AS name, contexts, pairs, lp_ab, lp_xb, lp_ax, lp_xx, interaction, " \
    "se,"                                                                                          \
    " verdict, layer, idx, site, neuron_layer, neuron_idx, ab, xb, ax, xx, ablated, ablated_se,"   \
    " ablated_elsewhere FROM trigram_verdict WHERE trigram = ?1 GROUP BY model ORDER BY model"

/* Its columns. */
enum {
    TM_MODEL,
    TM_NAME,
    TM_CONTEXTS,
    TM_PAIRS,
    TM_LP_AB,
    TM_INTERACTION = TM_LP_AB + 4,
    TM_SE,
    TM_VERDICT,
    TM_LAYER,
    TM_IDX,
    TM_SITE,
    TM_NEURON_LAYER,
    TM_NEURON_IDX,
    TM_AB,
    TM_ABLATED = TM_AB + 4,
    TM_ABLATED_SE,
    TM_ELSEWHERE,
};

/* The rows of model ?2. */
#define SQL_TRIGRAM_NEURONS                                                                        \
    "SELECT layer, idx, rank, kind, corpus_ab, corpus_xb, corpus_ax, corpus_xx,"                   \
    " corpus_interaction, ab, xb, ax, xx, interaction, se, direct, share, ablated, ablated_se,"    \
    " ablated_elsewhere FROM trigram_neuron WHERE trigram = ?1 AND model = ?2"                     \
    " ORDER BY rank, layer, idx"

/* Its columns. */
enum {
    TN_LAYER,
    TN_IDX,
    TN_RANK,
    TN_KIND,
    TN_CORPUS_AB,
    TN_CORPUS_INTERACTION = TN_CORPUS_AB + 4,
    TN_AB,
    TN_INTERACTION = TN_AB + 4,
    TN_SE,
    TN_DIRECT,
    TN_SHARE,
    TN_ABLATED,
    TN_ABLATED_SE,
    TN_ELSEWHERE,
};

/* The first ?2 of each kind; marked: where A and B stand, or a list of none. */
#define SQL_TRIGRAM_EXAMPLES                                                                       \
    "SELECT kind, rank, shard, doc, byte_start, byte_end, token_index, tokens, logprobs,"          \
    " iif(kind = 'place' AND typeof(token_index) = 'integer' AND token_index > 1,"                 \
    " json_array(token_index - 2, token_index - 1), '[]') AS marked,"                              \
    " " SQL_LOGPROB_LIST_BY_MODEL(                                                                 \
        "logprobs") " AS said FROM"                                                                \
                    " (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY rank) AS turn "     \
                    "FROM trigram_example"                                                         \
                    " WHERE trigram = ?1) WHERE turn <= ?2 ORDER BY kind DESC, rank"

/* Its columns. */
enum {
    TE_KIND,
    TE_RANK,
    TE_SHARD,
    TE_AT = TE_SHARD + 4,
    TE_TOKENS,
    TE_LOGPROBS,
    TE_MARKED,
    TE_SAID,
};

#endif
