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

static const struct column kind_columns[] = {
    {"kind", CELL_TEXT, offsetof(struct kind_gap, kind)},
    {"tokens", CELL_WHOLE, offsetof(struct kind_gap, tokens)},
    {"n", CELL_WHOLE, offsetof(struct kind_gap, n)},
    {"share_of_tokens", CELL_REAL, offsetof(struct kind_gap, share_of_tokens)},
    {"mean_gap", CELL_REAL, offsetof(struct kind_gap, mean_gap)},
    {"sum_gap", CELL_REAL, offsetof(struct kind_gap, sum_gap)},
    {"share_of_gap", CELL_REAL, offsetof(struct kind_gap, share_of_gap)},
    {"base_mean_logprob", CELL_REAL, offsetof(struct kind_gap, base_mean_logprob)},
    {"other_mean_logprob", CELL_REAL, offsetof(struct kind_gap, other_mean_logprob)},
    {"common", CELL_JSON, offsetof(struct kind_gap, common)},
};
const struct row_kind kind_gap_kind = ROW_KIND(struct kind_gap, kind_columns);

static const struct column document_columns[] = {
    {"shard", CELL_WHOLE, offsetof(struct document_gap, shard)},
    {"shard_name", CELL_TEXT, offsetof(struct document_gap, shard_name)},
    {"doc", CELL_WHOLE, offsetof(struct document_gap, doc)},
    {"domain", CELL_TEXT, offsetof(struct document_gap, domain)},
    {"text_bytes", CELL_WHOLE, offsetof(struct document_gap, text_bytes)},
    {"tokens", CELL_WHOLE, offsetof(struct document_gap, tokens)},
    {"mean_gap", CELL_REAL, offsetof(struct document_gap, mean_gap)},
    {"base_mean_logprob", CELL_REAL, offsetof(struct document_gap, base_mean_logprob)},
    {"other_mean_logprob", CELL_REAL, offsetof(struct document_gap, other_mean_logprob)},
};
const struct row_kind document_gap_kind = ROW_KIND(struct document_gap, document_columns);

#define SQL_DOCUMENTS                                                                              \
    "SELECT g.shard, s.name AS shard_name, g.doc, m.name AS domain, d.text_bytes, g.tokens,"       \
    " g.mean_gap, b.mean_logprob AS base_mean_logprob, o.mean_logprob AS other_mean_logprob"       \
    " FROM document_gap g JOIN pair p ON p.id = g.pair"                                            \
    " LEFT JOIN document d ON d.shard = g.shard AND d.doc = g.doc"                                 \
    " LEFT JOIN shard s ON s.id = g.shard LEFT JOIN domain m ON m.id = d.domain"                   \
    " LEFT JOIN document_loss b ON b.shard = g.shard AND b.doc = g.doc AND b.model = p.base"       \
    " LEFT JOIN document_loss o ON o.shard = g.shard AND o.doc = g.doc"                            \
    " AND p.others = '[' || o.model || ']' WHERE g.pair = ?1"                                      \
    " ORDER BY g.mean_gap IS NULL, iif(?3, 1, -1) * g.mean_gap, g.shard, g.doc LIMIT ?2"

/* Sums over a kind are exact: the mean of every token and its n are known.  One that has no mean
 * (its log-probs are not finite) is left out. */
#define SQL_KINDS                                                                                  \
    "WITH t AS (SELECT token_kind(token_text) AS kind, *, row_number() OVER"                       \
    " (PARTITION BY token_kind(token_text) ORDER BY n DESC, token) AS turn FROM token_gap"         \
    " WHERE pair = ?1 AND n > 0 AND mean_gap IS NOT NULL AND base_mean_logprob IS NOT NULL"        \
    " AND other_mean_logprob IS NOT NULL),"                                                        \
    " k AS (SELECT kind, count(*) AS tokens, CAST(total(n) AS INTEGER) AS n, total(n * mean_gap) " \
    "AS sum_gap,"                                                                                  \
    " total(n * mean_gap) / total(n) AS mean_gap,"                                                 \
    " total(n * base_mean_logprob) / total(n) AS base_mean_logprob,"                               \
    " total(n * other_mean_logprob) / total(n) AS other_mean_logprob FROM t GROUP BY kind)"        \
    " SELECT *, 1.0 * n / total(n) OVER () AS share_of_tokens,"                                    \
    " iif(total(sum_gap) OVER () > 0, sum_gap / total(sum_gap) OVER (), NULL) AS share_of_gap,"    \
    " (SELECT json_group_array(token_text) FROM (SELECT token_text FROM t WHERE t.kind = k.kind"   \
    " AND turn <= 3 ORDER BY turn)) AS common FROM k"                                              \
    " ORDER BY iif(?3, 1, -1) * sum_gap, kind LIMIT ?2"

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
    [GAPS_OF_KINDS] = {&kind_gap_kind, SQL_KINDS},
    [GAPS_OF_DOCUMENTS] = {&document_gap_kind, SQL_DOCUMENTS},
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
