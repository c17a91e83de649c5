#include "out/read/side_by_side.h"

static const struct column columns[] = {
    {"what", CELL_TEXT, offsetof(struct side_row, what)},
    {"class", CELL_TEXT, offsetof(struct side_row, class)},
    {"model", CELL_TEXT, offsetof(struct side_row, model)},
    {"n", CELL_WHOLE, offsetof(struct side_row, n)},
    {"docs", CELL_WHOLE, offsetof(struct side_row, docs)},
    {"loss", CELL_REAL, offsetof(struct side_row, loss)},
    {"se", CELL_REAL, offsetof(struct side_row, se)},
    {"gap", CELL_REAL, offsetof(struct side_row, gap)},
    {"gap_se", CELL_REAL, offsetof(struct side_row, gap_se)},
    {"is_base", CELL_WHOLE, offsetof(struct side_row, is_base)},
};
const struct row_kind side_kind = ROW_KIND(struct side_row, columns);

// The models, and the pair of each with the base, either way round.
#define SQL_MODELS                                                                                 \
    "m AS (SELECT id, name, tokens - n_not_finite AS n, mean_logprob, se FROM model"               \
    " WHERE id NOT IN (SELECT base FROM pair WHERE brief)),"                                       \
    " p AS (SELECT m.id AS model, min(p.id) AS pair, iif(p.base = ?1, 1, -1) AS sign"              \
    " FROM m JOIN pair p ON NOT p.brief AND ((p.base = ?1 AND p.others = '[' || m.id || ']')"      \
    " OR (p.base = m.id AND p.others = '[' || ?1 || ']')) GROUP BY m.id)"

// Every class and model; id: of the hypothesis, or the kind's name.
#define SQL_LOSSES                                                                                 \
    "l AS (SELECT 'all' AS what, 'all tokens' AS class, '' AS id, id AS model, n, NULL AS docs,"   \
    " mean_logprob, se FROM m"                                                                     \
    " UNION ALL SELECT 'kind', kind, kind, model, n, docs, mean_logprob, se FROM kind_loss"        \
    " UNION ALL SELECT 'hypothesis', h.name, h.id, model, n, l.docs, mean_logprob, se"             \
    " FROM hypothesis_loss l JOIN hypothesis h ON h.id = l.hypothesis)"

#define SQL_GAPS                                                                                   \
    "g AS (SELECT 'all' AS what, '' AS id, id AS pair, mean_gap, se FROM pair"                     \
    " UNION ALL SELECT 'kind', kind, pair, mean_gap, se FROM kind_gap"                             \
    " UNION ALL SELECT 'hypothesis', hypothesis, pair, mean_gap, se FROM hypothesis_gap)"

/* ?1 is the base, ?2 the model whose column orders, ?3 how many classes, ?4 1 for the least. */
#define SQL_SIDE_BY_SIDE                                                                           \
    "WITH " SQL_MODELS ", " SQL_LOSSES ", " SQL_GAPS ","                                           \
    " r AS (SELECT l.what, l.class, l.id, m.id AS number, m.name AS model, l.n, l.docs,"           \
    " -l.mean_logprob AS loss, l.se, p.sign * g.mean_gap AS gap, g.se AS gap_se,"                  \
    " l.model = ?1 AS is_base FROM l JOIN m ON m.id = l.model LEFT JOIN p ON p.model = l.model"    \
    " LEFT JOIN g ON g.pair = p.pair AND g.what = l.what AND g.id = l.id),"                        \
    " o AS (SELECT *, max(iif(number = ?2, iif(?1 < 0, loss, gap), NULL))"                         \
    " OVER (PARTITION BY what, id) AS size FROM r),"                                               \
    " d AS (SELECT *, dense_rank() OVER (ORDER BY what <> 'all', size IS NULL,"                    \
    " iif(?4, 1, -1) * size, what, class, id) AS turn FROM o)"                                     \
    " SELECT what, class, model, n, docs, loss, se, gap, gap_se, is_base FROM d"                   \
    " WHERE turn - 1 <= ?3 ORDER BY turn, number"

int side_by_side_read(struct side_row **rows, size_t *n, struct reader *r, const struct pair *pair,
                      size_t most, bool least)
{
    int64_t args[] = {-1, 0, limit_of(most), least};
    if (pair && !pair->brief) {
        args[0] = reader_number(r, "SELECT base FROM pair WHERE id = ?1", &pair->id);
        args[1] = reader_number(
            r, "SELECT CAST(trim(others, '[ ') AS INTEGER) FROM pair WHERE id = ?1", &pair->id);
    }
    return rows_read(rows, n, &side_kind, r, SQL_SIDE_BY_SIDE, args);
}
