#include "out/read/comparison.h"

static const struct column row_columns[] = {
    {"share", CELL_TEXT, offsetof(struct comparison_row, share)},
    {"left_out", CELL_TEXT, offsetof(struct comparison_row, left_out)},
    {"docs", CELL_WHOLE, offsetof(struct comparison_row, docs)},
    {"tokens", CELL_WHOLE, offsetof(struct comparison_row, tokens)},
    {"n_not_finite", CELL_WHOLE, offsetof(struct comparison_row, n_not_finite)},
    {"mean_kl", CELL_REAL, offsetof(struct comparison_row, mean_kl)},
    {"se_kl", CELL_REAL, offsetof(struct comparison_row, se_kl)},
    {"share_same_top", CELL_REAL, offsetof(struct comparison_row, share_same_top)},
    {"se_same_top", CELL_REAL, offsetof(struct comparison_row, se_same_top)},
    {"mean_p_difference", CELL_REAL, offsetof(struct comparison_row, mean_p_difference)},
    {"se_p_difference", CELL_REAL, offsetof(struct comparison_row, se_p_difference)},
};
const struct row_kind comparison_kind = ROW_KIND(struct comparison_row, row_columns);

static const struct column percentile_columns[] = {
    {"percentile", CELL_WHOLE, offsetof(struct comparison_percentile, percentile)},
    {"lo", CELL_REAL, offsetof(struct comparison_percentile, lo)},
    {"hi", CELL_REAL, offsetof(struct comparison_percentile, hi)},
};
const struct row_kind comparison_percentile_kind =
    ROW_KIND(struct comparison_percentile, percentile_columns);

static const struct column part_columns[] = {
    {"name", CELL_TEXT, offsetof(struct comparison_part, name)},
    {"docs", CELL_WHOLE, offsetof(struct comparison_part, docs)},
    {"tokens", CELL_WHOLE, offsetof(struct comparison_part, tokens)},
    {"mean_kl", CELL_REAL, offsetof(struct comparison_part, mean_kl)},
    {"se_kl", CELL_REAL, offsetof(struct comparison_part, se_kl)},
    {"share_same_top", CELL_REAL, offsetof(struct comparison_part, share_same_top)},
    {"mean_p_difference", CELL_REAL, offsetof(struct comparison_part, mean_p_difference)},
};
const struct row_kind comparison_part_kind = ROW_KIND(struct comparison_part, part_columns);

// Columns of a part behind its name; ?1 is the pair, ?2 how many.
#define SQL_PART " AS name, c.docs, c.tokens, mean_kl, se_kl, share_same_top, mean_p_difference "
#define SQL_BY_KL " WHERE c.pair = ?1 ORDER BY mean_kl IS NULL, mean_kl DESC, "

int comparison_read(struct comparison *c, struct reader *r, int64_t pair, size_t most)
{
    const int64_t args[] = {pair, limit_of(most)};
    c->any =
        row_read_first(&c->row, &comparison_kind, r, "SELECT * FROM compare WHERE pair = ?1", args);
    rows_read(&c->percentiles, &c->n_percentiles, &comparison_percentile_kind, r,
              "SELECT * FROM compare_percentile WHERE pair = ?1 ORDER BY percentile", args);
    rows_read(&c->kinds, &c->n_kinds, &comparison_part_kind, r,
              "SELECT c.kind" SQL_PART "FROM compare_kind c" SQL_BY_KL "c.kind LIMIT ?2", args);
    rows_read(&c->domains, &c->n_domains, &comparison_part_kind, r,
              "SELECT d.name" SQL_PART
              "FROM compare_domain c JOIN domain d ON d.id = c.domain" SQL_BY_KL "d.id LIMIT ?2",
              args);
    rows_read(&c->hypotheses, &c->n_hypotheses, &comparison_part_kind, r,
              "SELECT h.name" SQL_PART "FROM compare_hypothesis c JOIN hypothesis h"
              " ON h.id = c.hypothesis" SQL_BY_KL "h.id LIMIT ?2",
              args);
    return r->rc;
}

void comparison_free(struct comparison *c)
{
    row_free(&c->row, &comparison_kind);
    rows_free(c->percentiles, c->n_percentiles, &comparison_percentile_kind);
    rows_free(c->kinds, c->n_kinds, &comparison_part_kind);
    rows_free(c->domains, c->n_domains, &comparison_part_kind);
    rows_free(c->hypotheses, c->n_hypotheses, &comparison_part_kind);
}
