/*
 * queries.h - the queries that several pages share, so that they say the same
 */
#ifndef GAPSCOPE_OUT_READ_QUERIES_H
#define GAPSCOPE_OUT_READ_QUERIES_H

#include "out/read/names.h"

// --- of a neuron: ?1, ?2, ?3 are its model, layer, idx

#define SQL_OF_NEURON "model = ?1 AND layer = ?2 AND idx = ?3"

/* Driven by the hypotheses, since those come first in the key of 'score'; best first: chosen on one
 * half of the documents, shown on the other.  Of what average precision could gain over knowing
 * nothing, which is prevalence: else what labels nearly every token would come first. */
#define SQL_BEST_FIRST                                                                             \
    " FROM hypothesis h CROSS JOIN score s ON s.hypothesis = h.id AND s.model = ?1"                \
    " AND s.layer = ?2 AND s.idx = ?3 AND s.split = 'test'"                                        \
    " LEFT JOIN score d ON d.hypothesis = h.id AND d.model = ?1 AND d.layer = ?2"                  \
    " AND d.idx = ?3 AND d.split = 'dev'"                                                          \
    " ORDER BY d.average_precision IS NULL,"                                                       \
    " (d.average_precision - d.prevalence) / (1 - d.prevalence) DESC, h.id"

/* Of each pair of its model. */
#define SQL_CREDIT                                                                                 \
    "SELECT (SELECT name FROM model WHERE id = p.base) || ':' || " SQL_PAIR_OTHERS                 \
    " AS pair, c.credit, c.hits, (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'other')"  \
    " AS of_hits FROM gap_credit c JOIN pair p ON p.id = c.pair"                                   \
    " WHERE c.model = ?1 AND c.layer = ?2 AND c.idx = ?3 ORDER BY p.id"

/* The first ?4 of each kind, and the first ?5 of each interval. */
#define SQL_EXAMPLES                                                                               \
    "SELECT kind, rank, activation, lo, hi, shard, doc, byte_start, byte_end, token_index,"        \
    " tokens, activations, labels FROM"                                                            \
    " (SELECT *, row_number() OVER (PARTITION BY kind, lo, hi ORDER BY rank) AS turn FROM example" \
    " WHERE " SQL_OF_NEURON ") WHERE turn <= iif(kind = 'interval', ?5, ?4)"                       \
    " ORDER BY CASE kind WHEN 'top' THEN 0 WHEN 'interval' THEN 1 WHEN 'random' THEN 2 ELSE 3 "    \
    "END,"                                                                                         \
    " rank"

// --- of hypotheses

/* Each hypothesis' best neuron is that of the greatest average precision on the dev half (SQLite
 * takes the other columns from the row of the max()); what is shown of it is of the test half. */
#define SQL_HYPOTHESES                                                                             \
    "SELECT h.id AS hypothesis, h.name, h.kind, h.spec, h.tokens AS labelled_tokens, h.docs,"      \
    " h.tokens * 1.0 / h.tokens_seen AS prevalence, h.aborted, h.tokens_seen,"                     \
    " (SELECT name FROM model WHERE id = d.model) AS model, d.layer, d.idx, t.n_pos,"              \
    " t.prevalence AS test_prevalence, t.average_precision, t.auroc, t.precision, t.recall"        \
    " FROM hypothesis h LEFT JOIN (SELECT hypothesis, model, layer, idx, max(average_precision)"   \
    " FROM score WHERE split = 'dev' AND average_precision NOT NULL GROUP BY hypothesis) d"        \
    " ON d.hypothesis = h.id"                                                                      \
    " LEFT JOIN score t ON t.hypothesis = h.id AND t.model = d.model AND t.layer = d.layer"        \
    " AND t.idx = d.idx AND t.split = 'test' ORDER BY h.id"

/* Of pair ?1. */
#define SQL_LEDGER                                                                                 \
    "SELECT g.hypothesis, h.name, g.n, g.mean_gap, g.se, g.mean_gap_rest, g.se_rest,"              \
    " g.share_of_gap, g.share_beyond_earlier, g.share_of_gain, g.gain_beyond_earlier"              \
    " FROM hypothesis_gap g JOIN hypothesis h ON h.id = g.hypothesis WHERE g.pair = ?1"            \
    " ORDER BY g.hypothesis"

/* Of hypothesis ?1, at most ?2. */
#define SQL_DOMAINS                                                                                \
    "SELECT d.name AS domain, h.tokens_seen, h.tokens AS labelled_tokens, h.prevalence"            \
    " FROM hypothesis_domain h LEFT JOIN domain d ON d.id = h.domain WHERE h.hypothesis = ?1"      \
    " ORDER BY h.prevalence DESC, h.domain LIMIT ?2"

/* The best ?5 neurons by average precision on dev, the one in ?2, ?3, ?4 before all; of the first
 * one all halves, of the others the test half unless ?6. */
#define SQL_NEURONS                                                                                \
    "SELECT m.name || ':L' || s.layer || 'N' || s.idx AS neuron, s.hypothesis, s.model, s.layer,"  \
    " s.idx, s.split, s.n_pos, s.n_neg, s.docs_pos, s.prevalence, s.mean_pos, s.mean_neg, s.r,"    \
    " s.variance_explained, s.auroc, s.auroc_bound, s.average_precision, s.threshold,"             \
    " s.precision, s.recall, s.f1, s.mcc, s.mutual_information, s.mass_covered, s.top_covered"     \
    " FROM (SELECT model, layer, idx, row_number() OVER (ORDER BY"                                 \
    " model = ?2 AND layer = ?3 AND idx = ?4 DESC, average_precision IS NULL,"                     \
    " average_precision DESC, model, layer, idx) AS turn"                                          \
    " FROM score WHERE hypothesis = ?1 AND split = 'dev') b"                                       \
    " JOIN score s ON s.hypothesis = ?1 AND s.model = b.model AND s.layer = b.layer"               \
    " AND s.idx = b.idx JOIN model m ON m.id = s.model WHERE b.turn <= ?5"                         \
    " AND (?6 OR b.turn = 1 OR s.split = 'test')"                                                  \
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

/* Of hypothesis ?1 and the neuron in ?2, ?3, ?4, the first ?5 of each kind. */
#define SQL_COUNTEREXAMPLES                                                                        \
    "SELECT kind, rank, activation, shard, doc, byte_start, byte_end, token_index, tokens,"        \
    " activations, labelled FROM counterexample WHERE hypothesis = ?1 AND model = ?2"              \
    " AND layer = ?3 AND idx = ?4 AND rank <= ?5 ORDER BY kind, rank"

// --- of trigrams: ?1 is one of them

/* A JSON object or list of log-probs as text: "base -5.10, one -0.30".  Names are its keys, or
 * those of the models with its indices.  What is no number is left out. */
#define SQL_SAID(column, join, name)                                                               \
    "(SELECT group_concat(" name " || ' ' || printf('%.2f', l.value), ', ')"                       \
    " FROM json_each(iif(json_valid(" column "), " column ", '[]')) l" join                        \
    " WHERE l.type IN ('real', 'integer') AND abs(l.value) < 1e6)"
#define SQL_SAID_BY_NAME(column) SQL_SAID(column, "", "l.key")
#define SQL_SAID_BY_MODEL(column) SQL_SAID(column, " JOIN model m ON m.id = l.key", "m.name")

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
    "SELECT p.id AS pair, (SELECT name FROM model WHERE id = p.base) || ':' || " SQL_PAIR_OTHERS   \
    " AS name, g.mean_gap, g.se FROM trigram_gap g JOIN pair p ON p.id = g.pair"                   \
    " WHERE g.trigram = ?1 ORDER BY p.id"

/* Each with the neuron that its verdict names, or the first where it names none. */
#define SQL_TRIGRAM_MODELS                                                                         \
    "SELECT t.model, m.name, t.contexts, t.pairs, t.lp_ab, t.lp_xb, t.lp_ax, t.lp_xx,"             \
    " t.interaction, t.se, t.verdict, t.layer, t.idx, m.site, n.layer AS neuron_layer,"            \
    " n.idx AS neuron_idx, n.ab, n.xb, n.ax, n.xx, n.ablated, n.ablated_se, n.ablated_elsewhere"   \
    " FROM trigram_model t LEFT JOIN model m ON m.id = t.model"                                    \
    " LEFT JOIN trigram_neuron n ON n.trigram = t.trigram AND n.model = t.model"                   \
    " AND iif(t.layer IS NULL, n.rank = 1, n.layer = t.layer AND n.idx = t.idx)"                   \
    " WHERE t.trigram = ?1 GROUP BY t.model ORDER BY t.model"

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

/* Of model ?2. */
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
    " " SQL_SAID_BY_MODEL(                                                                         \
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
