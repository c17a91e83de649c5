#include "out/read/gaps.h"

static const struct column hit_columns[] = {
    {"side", CELL_TEXT, offsetof(struct hit, side)},
    {"rank", CELL_WHOLE, offsetof(struct hit, rank)},
    {"gap", CELL_REAL, offsetof(struct hit, gap)},
    {"base_logprob", CELL_REAL, offsetof(struct hit, base_logprob)},
    {"other_logprob", CELL_REAL, offsetof(struct hit, other_logprob)},
    {"shard", CELL_WHOLE, offsetof(struct hit, shard)},
    {"doc", CELL_WHOLE, offsetof(struct hit, doc)},
    {"byte_start", CELL_WHOLE, offsetof(struct hit, byte_start)},
    {"byte_end", CELL_WHOLE, offsetof(struct hit, byte_end)},
    {"token", CELL_WHOLE, offsetof(struct hit, token)},
    {"token_text", CELL_TEXT, offsetof(struct hit, token_text)},
    {"before", CELL_TEXT, offsetof(struct hit, before)},
    {"after", CELL_TEXT, offsetof(struct hit, after)},
    {"duplicates", CELL_WHOLE, offsetof(struct hit, duplicates)},
    {"detail", CELL_JSON, offsetof(struct hit, detail)},
    {"shard_name", CELL_TEXT, offsetof(struct hit, shard_name)},
};
const struct row_kind hit_kind = ROW_KIND(struct hit, hit_columns);

static const struct column token_columns[] = {
    {"token", CELL_WHOLE, offsetof(struct token_gap, token)},
    {"token_text", CELL_TEXT, offsetof(struct token_gap, token_text)},
    {"n", CELL_WHOLE, offsetof(struct token_gap, n)},
    {"mean_gap", CELL_REAL, offsetof(struct token_gap, mean_gap)},
    {"sum_gap", CELL_REAL, offsetof(struct token_gap, sum_gap)},
    {"base_mean_logprob", CELL_REAL, offsetof(struct token_gap, base_mean_logprob)},
    {"other_mean_logprob", CELL_REAL, offsetof(struct token_gap, other_mean_logprob)},
};
const struct row_kind token_gap_kind = ROW_KIND(struct token_gap, token_columns);

static const struct column domain_columns[] = {
    {"domain", CELL_TEXT, offsetof(struct domain_gap, domain)},
    {"docs", CELL_WHOLE, offsetof(struct domain_gap, docs)},
    {"tokens", CELL_WHOLE, offsetof(struct domain_gap, tokens)},
    {"mean_gap", CELL_REAL, offsetof(struct domain_gap, mean_gap)},
    {"se", CELL_REAL, offsetof(struct domain_gap, se)},
};
const struct row_kind domain_gap_kind = ROW_KIND(struct domain_gap, domain_columns);

/* ?1 is the pair, ?2 how many rows, ?3 1 for the least gaps, else 0. */
static const struct {
    const struct row_kind *kind;
    const char *sql;
} lists[] = {
    [GAPS_OF_HITS] = {&hit_kind, SQL_HIT " WHERE pair = ?1 AND side = iif(?3, 'base', 'other')"
                                         " ORDER BY rank LIMIT ?2"},
    [GAPS_OF_TOKENS] = {&token_gap_kind,
                        "SELECT token, token_text, n, mean_gap, n * mean_gap AS sum_gap,"
                        " base_mean_logprob, other_mean_logprob FROM token_gap WHERE pair = ?1"
                        " ORDER BY iif(?3, n, -n) * mean_gap, token LIMIT ?2"},
    [GAPS_OF_DOMAINS] = {&domain_gap_kind,
                         "SELECT d.name AS domain, d.docs, g.tokens, g.mean_gap, g.se"
                         " FROM domain_gap g JOIN domain d ON d.id = g.domain WHERE g.pair = ?1"
                         " ORDER BY g.mean_gap IS NULL, iif(?3, 1, -1) * g.mean_gap, d.id"
                         " LIMIT ?2"},
};

int gaps_read(void *items, size_t *n, struct reader *r, enum gap_list list, int64_t pair,
              size_t most, bool worst)
{
    const int64_t args[] = {pair, limit_of(most), worst};
    return rows_read(items, n, lists[list].kind, r, lists[list].sql, args);
}

const struct row_kind *gap_kind(enum gap_list list)
{
    return lists[list].kind;
}
