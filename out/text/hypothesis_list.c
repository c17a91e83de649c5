#include "out/text/hypotheses_text.h"

#include <inttypes.h>
#include <math.h>

#include "out/read/names.h"
#include "out/read/queries.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

/* 'detail' may be damaged: such a hit counts as one that was not looked at. */
#define UNEXPLAINED                                                                                \
    "SELECT " PLACE_HIT " FROM hit WHERE pair = ?1 AND side = 'other'"                             \
    " AND iif(json_valid(detail), json_array_length(detail, '$.hypotheses'), NULL) = 0"            \
    " ORDER BY rank LIMIT ?2"

#define HITS "SELECT count(*) FROM hit WHERE pair = ?1 AND side = 'other'"

int hypo_any(const struct view *v, struct err *err)
{
    int rc = 0;
    if (view_number(v, "SELECT count(*) FROM hypothesis", NULL, &rc, err) == 0 && !rc) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "%s: was scanned without hypotheses: scan --hypotheses FILE.yaml or "
                     "--regex 'NAME=...' tests them",
                     v->path);
    }
    return rc;
}

// --- all of them -------------------------------------------------------------------------------

static void put_hypothesis(struct table *t, sqlite3_stmt *row)
{
    table_text(t, view_text(row, 1));
    table_text(t, view_text(row, 2));
    table_count(t, view_u64(row, 4));
    table_count(t, view_u64(row, 5));
    table_share(t, view_real(row, 6));
    table_count(t, view_u64(row, 7));
    if (view_is_null(row, 10)) {
        table_text(t, "-");
    } else {
        table_cell(t, "%s:L%" PRIu64 "N%" PRIu64, view_text(row, 9), view_u64(row, 10),
                   view_u64(row, 11));
    }
    table_count(t, view_u64(row, 12));
    for (int i = 14; i <= 17; i++) {
        table_real(t, view_real(row, i), 3);
    }
    table_row(t);
}

static int put_hypotheses(const struct view *v, struct err *err)
{
    static const char *const heads[] = {"<hypothesis", "<kind",   "labelled",     "docs",
                                        "preval.",     "aborted", "<best neuron", "n",
                                        "AP",          "AUROC",   "prec.",        "recall"};
    struct table t = {.heads = heads, .n_columns = 12, .n_keys = 1};
    int rc = 0;
    uint64_t seen = 0;
    sqlite3_stmt *stmt = view_query(v, SQL_HYPOTHESES, NULL, &rc, err);
    while (view_step(v, stmt, &rc, err)) {
        seen = view_u64(stmt, 8) > seen ? view_u64(stmt, 8) : seen;
        put_hypothesis(&t, stmt);
    }
    sqlite3_finalize(stmt);
    fprintf(v->to, "hypotheses on %" PRIu64 " tokens; ", seen);
    rc = rc ? rc : view_put_state(v, err);
    putc('\n', v->to);
    rc = rc ? rc : table_put(&t, v->to, 2, v->width, err);
    view_note(
        v, 2,
        "labelled, docs: tokens that it labels, documents that have one; preval.: prevalence, "
        "the share of tokens; aborted: documents on which it gave up, left out. Best neuron: "
        "the greatest average precision (AP) on the dev half; n: tokens labelled on the test "
        "half, which the rest is of; prec., recall: precision and recall of firing at the "
        "threshold frozen on "
        "dev. A neuron that knows nothing has prevalence for AP and 0.5 for AUROC");
    table_free(&t);
    return rc;
}

// --- the ledger --------------------------------------------------------------------------------

static void add_shares(double sums[2], sqlite3_stmt *row)
{
    const double gap = view_real(row, 8), gain = view_real(row, 10);
    sums[0] += isnan(gap) ? 0 : gap;
    sums[1] += isnan(gain) ? 0 : gain;
}

static int put_ledger(const struct view *v, const struct view_pair *pair, struct err *err)
{
    static const char *const heads[] = {"<hypothesis", "n",       "mean gap",
                                        "se",          "rest",    "of gap",
                                        "gap beyond",  "of gain", "gain beyond"};
    struct table t = {.heads = heads, .n_columns = 9, .n_keys = 1};
    double sums[2] = {0};
    int rc = 0;
    sqlite3_stmt *stmt = view_query(v, SQL_LEDGER, &pair->id, &rc, err);
    while (view_step(v, stmt, &rc, err)) {
        table_text(&t, view_text(stmt, 1));
        table_count(&t, view_u64(stmt, 2));
        table_signed(&t, view_real(stmt, 3), 4);
        table_real(&t, view_real(stmt, 4), 4);
        table_signed(&t, view_real(stmt, 5), 4);
        for (int i = 7; i <= 10; i++) {
            table_share(&t, view_real(stmt, i));
        }
        table_row(&t);
        add_shares(sums, stmt);
    }
    sqlite3_finalize(stmt);
    if (!rc && t.n_cells == 0) {
        view_note(v, 2, "no gap is accounted for yet");
    } else if (!rc) {
        table_text(&t, "(unexplained)");
        for (int i = 0; i < 5; i++) {
            table_text(&t, "");
        }
        table_share(&t, 1 - sums[0]);
        table_text(&t, "");
        table_share(&t, 1 - sums[1]);
        rc = table_put(&t, v->to, 2, v->width, err);
        view_note(v, 2,
                  "n, mean gap, se: of its labelled tokens, in nats; of the rest: mean gap of all "
                  "others. Of gap: its share of the pair's summed gap; of gain: of the sum of gaps "
                  "above 0; gap beyond, gain beyond: the part of it on tokens which no hypothesis "
                  "above it labels, "
                  "so that these add up, and the last line is what none explains");
    }
    table_free(&t);
    return rc;
}

static int put_unexplained(const struct view *v, const struct view_pair *pair, size_t n,
                           struct err *err)
{
    int rc = 0;
    const int64_t kept = view_number(v, HITS, &pair->id, &rc, err);
    const int64_t args[] = {pair->id, (int64_t)n};
    sqlite3_stmt *stmt = view_query(v, UNEXPLAINED, args, &rc, err);
    fprintf(v->to, "\nthe greatest gaps that no hypothesis labels, of the %" PRId64 " kept\n",
            kept);
    bool any = false;
    while (view_step(v, stmt, &rc, err)) {
        place_put_hit(v, stmt);
        any = true;
    }
    sqlite3_finalize(stmt);
    if (!any) {
        fputs("\n  none\n", v->to);
    }
    return rc;
}

// --- JSON --------------------------------------------------------------------------------------

static int put_json(const struct view *v, const struct view_pair *pair,
                    const struct hypo_options *o, struct err *err)
{
    struct jsonout j = {.to = v->to};
    jsonout_begin(&j, '{');
    int rc = view_json_rows(v, &j, "hypotheses", SQL_HYPOTHESES, NULL, err);
    jsonout_key(&j, "pair");
    if (pair) {
        view_json_text(&j, pair->name);
    } else {
        jsonout_raw(&j, "null");
    }
    if (!rc && pair) {
        const int64_t args[] = {pair->id, (int64_t)o->n};
        double sums[2] = {0};
        sqlite3_stmt *stmt = view_query(v, SQL_LEDGER, args, &rc, err);
        while (view_step(v, stmt, &rc, err)) {
            add_shares(sums, stmt);
        }
        sqlite3_finalize(stmt);
        rc = rc ? rc : view_json_rows(v, &j, "ledger", SQL_LEDGER, args, err);
        jsonout_key(&j, "unexplained_gap");
        jsonout_double(&j, 1 - sums[0]);
        jsonout_key(&j, "unexplained_gain");
        jsonout_double(&j, 1 - sums[1]);
        rc = rc ? rc : view_json_rows(v, &j, "unexplained_hits", UNEXPLAINED, args, err);
    }
    jsonout_end(&j, '}');
    return rc;
}

int hypo_put_list(const struct view *v, const struct hypo_options *o, struct err *err)
{
    struct view_pairs pairs = {0};
    int rc = 0;
    if (o->pair || view_number(v, "SELECT count(*) FROM pair", NULL, &rc, err) > 0) {
        rc = view_pairs_read(&pairs, v, o->pair, err); // a run of one model has none
    }
    if (!rc && o->json) {
        rc = put_json(v, pairs.chosen, o, err);
    } else if (!rc) {
        rc = put_hypotheses(v, err);
        if (!rc && pairs.chosen && pairs.chosen->tokens > 0) {
            putc('\n', v->to);
            view_note(v, 0, "the gap of %s: mean %+.4f +- %.4f nats a token on %" PRIu64 " tokens",
                      pairs.chosen->name, pairs.chosen->mean_gap, pairs.chosen->se,
                      pairs.chosen->tokens);
            view_pairs_put_others(&pairs, v);
            rc = put_ledger(v, pairs.chosen, err);
            rc = rc ? rc : put_unexplained(v, pairs.chosen, o->n, err);
        }
    }
    view_pairs_free(&pairs);
    return rc;
}
