/*
 * view_sql.h - the queries that several pages share, so that they say the same
 */
#ifndef GAPSCOPE_SCAN_VIEW_SQL_H
#define GAPSCOPE_SCAN_VIEW_SQL_H

#include "scan/view_names.h"

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
    "SELECT (SELECT name FROM model WHERE id = p.base) || ':' || " VIEW_PAIR_OTHERS                \
    " AS pair, c.credit, c.hits, (SELECT count(*) FROM hit WHERE pair = p.id AND side = 'other')"  \
    " AS of_hits FROM gap_credit c JOIN pair p ON p.id = c.pair"                                   \
    " WHERE c.model = ?1 AND c.layer = ?2 AND c.idx = ?3 ORDER BY p.id"

/* The first ?4 of each kind, and the first ?5 of each interval. */
#define SQL_EXAMPLES                                                                                 \
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

#endif
