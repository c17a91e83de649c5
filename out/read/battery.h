/*
 * battery.h - the battery of a run: how likely the models find what hypotheses say would follow
 */
#ifndef GAPSCOPE_OUT_READ_BATTERY_H
#define GAPSCOPE_OUT_READ_BATTERY_H

#include "out/read/gaps.h"
#include "out/read/row.h"

/* A class, which is a hypothesis that predicts the next token, on a model; on all documents. */
struct battery_row {
    int64_t hypothesis, model_id;
    struct text name, model;
    int64_t n, docs;                                         // as in table answer, up to
    double logprob_true, logprob_answer, share_answer_first; // n_differ: misfires are of these
    int64_t n_differ;
    double gap, gap_se;               // where it labels, from the base; NaN: no such pair
    double counts_gap, counts_gap_se; // from the bigrams
    struct json_object *heads; // [["L0H2", gap], ...] up to three whose loss there is greatest
    // of two answers; n_either WHOLE_NULL: there are not two
    double logit_difference, logit_difference_se;
    int64_t n_either;
    double share_right, logit_difference_right, logit_difference_right_se;
};
extern const struct row_kind battery_kind;

/* The base of the first pair, and the first model of bigrams; -1: there is none. */
#define SQL_BATTERY_BASE "coalesce((SELECT base FROM pair ORDER BY id LIMIT 1), -1)"
#define SQL_BATTERY_COUNTS "coalesce((SELECT min(id) FROM model WHERE act_fn = 'counts:2'), -1)"

/* A column of the ledger where h labels, of the pair base:m, or with its sign turned of m:base. */
#define SQL_BATTERY_GAP(base, column, sign)                                                        \
    "(SELECT iif(p.base = " base ", 1, " sign ") * g." column " FROM hypothesis_gap g"             \
    " JOIN pair p ON p.id = g.pair WHERE g.hypothesis = a.hypothesis AND ((p.base = " base         \
    " AND p.others = '[' || m.id || ']') OR (p.base = m.id AND p.others = '[' || " base            \
    " || ']')) ORDER BY p.base <> " base ", p.id LIMIT 1)"

/* The model's heads whose loss is greatest where h labels. */
#define SQL_BATTERY_HEADS                                                                          \
    "(SELECT json_group_array(json_array(head, gap)) FROM (SELECT"                                 \
    " substr(b.changes, instr(b.changes, '.') + 1) AS head, g.mean_gap AS gap"                     \
    " FROM pair p JOIN model b ON b.id = p.base JOIN hypothesis_gap g ON g.pair = p.id"            \
    " WHERE p.brief = 1 AND p.others = '[' || m.id || ']' AND b.changes GLOB '*.L*H*'"             \
    " AND b.weights_hash = m.weights_hash AND g.hypothesis = a.hypothesis"                         \
    " AND typeof(g.mean_gap) = 'real' ORDER BY g.mean_gap DESC, p.id LIMIT 3))"

// clang-format off
/* The rows of battery_kind; base, counts: SQL of the ids of two models. */
#define SQL_BATTERY(base, counts)                                                                  \
    "SELECT a.hypothesis, h.name, m.id AS model_id, m.name AS model, a.n, a.docs,"                 \
    " a.logprob_true, a.logprob_answer, a.n_differ, a.share_answer_first,"                         \
    " a.logit_difference, a.logit_difference_se, a.n_either, a.share_right,"                       \
    " a.logit_difference_right, a.logit_difference_right_se, "                                     \
    SQL_BATTERY_GAP(base, "mean_gap", "-1") " AS gap, "                                            \
    SQL_BATTERY_GAP(base, "se", "1") " AS gap_se, "                                                \
    SQL_BATTERY_GAP(counts, "mean_gap", "-1") " AS counts_gap, "                                   \
    SQL_BATTERY_GAP(counts, "se", "1") " AS counts_gap_se, "                                       \
    SQL_BATTERY_HEADS " AS heads"                                                                  \
    " FROM answer a JOIN hypothesis h ON h.id = a.hypothesis JOIN model m ON m.id = a.model"       \
    " WHERE a.split = 'all'"                                                                       \
    " AND m.id NOT IN (SELECT base FROM pair WHERE brief = 1 AND base IS NOT NULL)"                \
    " ORDER BY a.hypothesis, m.id"
// clang-format on

struct battery {
    struct battery_row *rows; // [n], by hypothesis, then model
    size_t n;
    int64_t base;                  // id of a model; -1: the run has no pairs
    char *base_name, *counts_name; // "": there is none
};

/* base: the name of a model; NULL: the base of the run's first pair.  battery_free() ends *b, {0}
 * before, in any case.  Errors: ERR_NOT_FOUND (no hypothesis predicts the next token, no such model). */
int battery_read(struct battery *b, struct reader *r, const char *base);
void battery_free(struct battery *b);

/* A hit of a pair on a class; tops: [[text, logprob], ...] of its base and its first other. */
struct battery_place {
    struct hit hit;
    struct json_object *base_top, *other_top;
};
extern const struct row_kind battery_place_kind;

/* Up to 'most' hits of the pair that is called base:other on a class, the greatest gaps first; worst:
 * the least.  *n is 0 where there is no such pair.  rows_free() ends *places in any case. */
int battery_places_read(struct battery_place **places, size_t *n, struct reader *r, int64_t base,
                        const struct battery_row *row, size_t most, bool worst);

#endif
