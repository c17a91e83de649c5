#include "out/read/ablation.h"

static const struct column columns[] = {
    {"pair", CELL_TEXT, offsetof(struct ablation_row, pair)},
    {"model", CELL_TEXT, offsetof(struct ablation_row, model)},
    {"changes", CELL_TEXT, offsetof(struct ablation_row, changes)},
    {"share", CELL_REAL, offsetof(struct ablation_row, share)},
    {"tokens", CELL_WHOLE, offsetof(struct ablation_row, tokens)},
    {"docs", CELL_WHOLE, offsetof(struct ablation_row, docs)},
    {"mean_difference", CELL_REAL, offsetof(struct ablation_row, mean_difference)},
    {"se_difference", CELL_REAL, offsetof(struct ablation_row, se_difference)},
    {"mean_gap", CELL_REAL, offsetof(struct ablation_row, mean_gap)},
    {"share_other_better", CELL_REAL, offsetof(struct ablation_row, share_other_better)},
    {"n", CELL_WHOLE, offsetof(struct ablation_row, n)},
    {"mean_gap_labelled", CELL_REAL, offsetof(struct ablation_row, mean_gap_labelled)},
    {"se_labelled", CELL_REAL, offsetof(struct ablation_row, se_labelled)},
    {"mean_gap_rest", CELL_REAL, offsetof(struct ablation_row, mean_gap_rest)},
};
const struct row_kind ablation_kind = ROW_KIND(struct ablation_row, columns);

/* ?1 is the hypothesis, ?2 how many rows, ?3 1 for the least first, else 0. */
#define SQL_ABLATION                                                                               \
    "SELECT b.name || ':' || w.name AS pair, w.name AS model, b.changes, b.share, p.tokens,"       \
    " p.docs, p.mean_difference, p.se_difference, p.mean_gap, p.share_other_better, g.n,"          \
    " g.mean_gap AS mean_gap_labelled, g.se AS se_labelled, g.mean_gap_rest"                       \
    " FROM pair p JOIN model b ON b.id = p.base"                                                   \
    " JOIN model w ON '[' || w.id || ']' = p.others"                                               \
    " LEFT JOIN hypothesis_gap g ON g.pair = p.id AND g.hypothesis = ?1"                           \
    " WHERE b.changes <> '' AND w.changes = '' AND b.weights_hash = w.weights_hash"                \
    " ORDER BY iif(?1 < 0, p.mean_difference, g.mean_gap) IS NULL,"                                \
    " iif(?3, 1, -1) * iif(?1 < 0, p.mean_difference, g.mean_gap), p.id LIMIT ?2"

int ablation_read(struct ablation_row **rows, size_t *n, struct reader *r, int64_t hypothesis,
                  size_t most, bool least)
{
    const int64_t args[] = {hypothesis, limit_of(most), least};
    return rows_read(rows, n, &ablation_kind, r, SQL_ABLATION, args);
}
