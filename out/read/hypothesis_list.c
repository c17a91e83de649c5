#include "out/read/hypothesis_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/queries.h"

/* 'detail' may be damaged: such a hit counts as one that was not looked at. */
#define SQL_UNEXPLAINED                                                                            \
    SQL_HIT " WHERE pair = ?1 AND side = 'other'"                                                  \
            " AND iif(json_valid(detail), json_array_length(detail, '$.hypotheses'), NULL) = 0"    \
            " ORDER BY rank LIMIT ?2"

#define SQL_HITS_KEPT "SELECT count(*) FROM hit WHERE pair = ?1 AND side = 'other'"

static const struct column columns[] = {
    {"hypothesis", CELL_WHOLE, offsetof(struct hypothesis_row, id)},
    {"name", CELL_TEXT, offsetof(struct hypothesis_row, name)},
    {"kind", CELL_TEXT, offsetof(struct hypothesis_row, kind)},
    {"spec", CELL_JSON, offsetof(struct hypothesis_row, spec)},
    {"labelled_tokens", CELL_WHOLE, offsetof(struct hypothesis_row, labelled_tokens)},
    {"docs", CELL_WHOLE, offsetof(struct hypothesis_row, docs)},
    {"prevalence", CELL_REAL, offsetof(struct hypothesis_row, prevalence)},
    {"aborted", CELL_WHOLE, offsetof(struct hypothesis_row, aborted)},
    {"tokens_seen", CELL_WHOLE, offsetof(struct hypothesis_row, tokens_seen)},
    {"predicts", CELL_TEXT, offsetof(struct hypothesis_row, predicts)},
    {"model", CELL_TEXT, offsetof(struct hypothesis_row, model)}, // COLUMNS_BEST: from here on
    {"layer", CELL_WHOLE, offsetof(struct hypothesis_row, layer)},
    {"idx", CELL_WHOLE, offsetof(struct hypothesis_row, idx)},
    {"n_pos", CELL_WHOLE, offsetof(struct hypothesis_row, n_pos)},
    {"test_prevalence", CELL_REAL, offsetof(struct hypothesis_row, test_prevalence)},
    {"average_precision", CELL_REAL, offsetof(struct hypothesis_row, average_precision)},
    {"average_precision_bound", CELL_REAL,
     offsetof(struct hypothesis_row, average_precision_bound)},
    {"auroc", CELL_REAL, offsetof(struct hypothesis_row, auroc)},
    {"precision", CELL_REAL, offsetof(struct hypothesis_row, precision)},
    {"recall", CELL_REAL, offsetof(struct hypothesis_row, recall)},
};
#define COLUMNS_BEST 10
const struct row_kind hypothesis_kind = {columns, COLUMNS_BEST, sizeof(struct hypothesis_row)};
const struct row_kind hypothesis_best_kind = ROW_KIND(struct hypothesis_row, columns);

static const struct column ledger_columns[] = {
    {"hypothesis", CELL_WHOLE, offsetof(struct ledger_entry, hypothesis)},
    {"name", CELL_TEXT, offsetof(struct ledger_entry, name)},
    {"n", CELL_WHOLE, offsetof(struct ledger_entry, n)},
    {"docs", CELL_WHOLE, offsetof(struct ledger_entry, docs)},
    {"mean_gap", CELL_REAL, offsetof(struct ledger_entry, mean_gap)},
    {"se", CELL_REAL, offsetof(struct ledger_entry, se)},
    {"mean_gap_rest", CELL_REAL, offsetof(struct ledger_entry, mean_gap_rest)},
    {"se_rest", CELL_REAL, offsetof(struct ledger_entry, se_rest)},
    {"share_of_gap", CELL_REAL, offsetof(struct ledger_entry, share_of_gap)},
    {"share_beyond_earlier", CELL_REAL, offsetof(struct ledger_entry, share_beyond_earlier)},
    {"share_of_gain", CELL_REAL, offsetof(struct ledger_entry, share_of_gain)},
    {"gain_beyond_earlier", CELL_REAL, offsetof(struct ledger_entry, gain_beyond_earlier)},
};
const struct row_kind ledger_kind = ROW_KIND(struct ledger_entry, ledger_columns);

bool hypothesis_predicts_next(const struct hypothesis_row *h)
{
    return h->predicts.data && strcmp(h->predicts.data, "next") == 0;
}

int hypothesis_list_any(struct reader *r)
{
    if (reader_number(r, "SELECT count(*) FROM hypothesis", NULL) == 0) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: was scanned without hypotheses: scan --hypotheses FILE.yaml or "
                    "--regex 'NAME=...' tests them",
                    r->path);
    }
    return r->rc;
}

/* The greatest share of the gap first; what has none comes last; then the file's order. */
static int by_share(const void *a, const void *b)
{
    const struct ledger_entry *x = a, *y = b;
    const bool no_x = isnan(x->share_of_gap), no_y = isnan(y->share_of_gap);
    if (no_x || no_y || x->share_of_gap == y->share_of_gap) {
        return no_x != no_y ? no_x - no_y
                            : (x->hypothesis > y->hypothesis) - (x->hypothesis < y->hypothesis);
    }
    return x->share_of_gap < y->share_of_gap ? 1 : -1;
}

static void read_pair(struct hypothesis_list *h, struct reader *r, int64_t pair, size_t hits)
{
    const int64_t args[] = {pair, limit_of(hits)};
    double gap = 0, gain = 0;
    rows_read(&h->ledger, &h->n_ledger, &ledger_kind, r, SQL_LEDGER, args);
    for (size_t i = 0; i < h->n_ledger; i++) {
        const struct ledger_entry *e = &h->ledger[i];
        gap += isnan(e->share_beyond_earlier) ? 0 : e->share_beyond_earlier;
        gain += isnan(e->gain_beyond_earlier) ? 0 : e->gain_beyond_earlier;
    }
    if (h->n_ledger > 0) {
        qsort(h->ledger, h->n_ledger, sizeof *h->ledger, by_share);
    }
    h->unexplained_gap = 1 - gap;
    h->unexplained_gain = 1 - gain;
    rows_read(&h->hits, &h->n_hits, &hit_kind, r, SQL_UNEXPLAINED, args);
    h->hits_kept = reader_number(r, SQL_HITS_KEPT, args);
}

int hypothesis_list_read(struct hypothesis_list *h, struct reader *r, const char *pair, size_t hits)
{
    run_state_read(&h->state, r);
    pairs_read_any(&h->pairs, r, pair);
    rows_read(&h->items, &h->n, &hypothesis_best_kind, r, SQL_HYPOTHESES, NULL);
    for (size_t i = 0; i < h->n; i++) {
        const int64_t seen = h->items[i].tokens_seen;
        h->tokens_seen = seen > h->tokens_seen ? seen : h->tokens_seen;
    }
    if (h->pairs.chosen) {
        read_pair(h, r, h->pairs.chosen->id, hits);
    }
    return r->rc;
}

void hypothesis_list_free(struct hypothesis_list *h)
{
    rows_free(h->items, h->n, &hypothesis_best_kind);
    rows_free(h->ledger, h->n_ledger, &ledger_kind);
    rows_free(h->hits, h->n_hits, &hit_kind);
    run_state_free(&h->state);
    pairs_free(&h->pairs);
    *h = (struct hypothesis_list){0};
}
