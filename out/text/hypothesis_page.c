#include "out/text/hypotheses_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/names.h"
#include "out/read/queries.h"
#include "out/text/bars.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define ROWS_LABELLED 4
#define ROWS_REST 4

enum split { DEV, TEST, HALVES };
static const char *const splits[HALVES] = {"dev", "test"};

/* The page in the making, and the neuron of its histogram and counterexamples. */
struct page {
    const struct view *v;
    const struct hypo_options *o;
    int64_t key[4];    // hypothesis, model, layer, index: ?1 to ?4; model -1: there is no neuron
    char *neuron_name; // "gelu-1l:L0N7", or NULL
    double threshold, max, min;
    struct bins bins;
    uint64_t *labelled[HALVES], *rest[HALVES]; // [bins.n]
    uint64_t n_labelled[HALVES], n_rest[HALVES];
};

#define HYPOTHESIS                                                                                 \
    "SELECT id AS hypothesis, name, kind, spec, tokens AS labelled_tokens, docs,"                  \
    " tokens * 1.0 / tokens_seen AS prevalence, aborted, tokens_seen FROM hypothesis WHERE id = "  \
    "?1"

/* How many have an order. */
#define RANKED                                                                                     \
    "SELECT count(*) FROM score WHERE hypothesis = ?1 AND split = 'dev' AND average_precision "    \
    "NOT NULL"

static const struct place_columns counterexample_columns = {
    .activation = 2, .shard = 3, .tokens = 8, .activations = 9, .token_index = 7, .labelled = 10};

// --- reading -----------------------------------------------------------------------------------

/* All names, and the id of the one that is meant in *id. */
static int find_hypothesis(const struct view *v, const char *name, int64_t *id, struct err *err)
{
    struct buf names = {0};
    bool found = false;
    int rc = 0;
    sqlite3_stmt *stmt =
        view_query(v, "SELECT id, name FROM hypothesis ORDER BY id", NULL, &rc, err);
    while (!found && view_step(v, stmt, &rc, err)) {
        found = strcmp(view_text(stmt, 1), name) == 0;
        *id = sqlite3_column_int64(stmt, 0);
        rc = buf_printf(&names, err, "%s%s", names.len > 0 ? ", " : "", view_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    if (!rc && !found) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: has no hypothesis %s; it has %.*s", v->path, name,
                     (int)names.len, names.data);
    }
    buf_free(&names);
    return rc;
}

/* What SQL_NEURONS asks for; without --neuron no neuron comes before the best. */
static const int64_t *neuron_args(const struct page *p, size_t n, bool all, int64_t args[6])
{
    const int64_t values[] = {
        p->key[0], p->o->neuron ? p->key[1] : -1, p->key[2], p->key[3], (int64_t)n, all};
    return memcpy(args, values, sizeof values);
}

/* The neuron that was asked for, else the best one. */
static int choose_neuron(struct page *p, struct err *err)
{
    int rc = 0;
    if (p->o->neuron) {
        struct view_neuron n = {0};
        rc = view_neuron_find(&n, p->v, p->o->neuron, err);
        memcpy(p->key + 1, (int64_t[]){n.model, n.layer, n.index}, 3 * sizeof *p->key);
        view_neuron_free(&n);
    }
    int64_t args[6];
    sqlite3_stmt *stmt = view_query(p->v, SQL_NEURONS, neuron_args(p, 1, false, args), &rc, err);
    if (view_step(p->v, stmt, &rc, err)) {
        p->neuron_name = view_strdup(stmt, N_NAME, &rc, err);
        for (int i = 1; i < 4; i++) {
            p->key[i] = sqlite3_column_int64(stmt, N_HYPOTHESIS + i);
        }
    }
    sqlite3_finalize(stmt);
    if (!rc && p->o->neuron && (!p->neuron_name || memcmp(p->key, args, sizeof p->key) != 0)) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: the hypothesis was not tested on %s", p->v->path,
                     p->o->neuron);
    }
    return rc;
}

/* Of the chosen neuron. */
static int read_neuron(struct page *p, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(
        p->v,
        "SELECT s.threshold, n.max, n.min FROM score s LEFT JOIN neuron n ON n.model = s.model"
        " AND n.layer = s.layer AND n.idx = s.idx WHERE s.hypothesis = ?1 AND s.model = ?2"
        " AND s.layer = ?3 AND s.idx = ?4 AND s.split = 'dev'",
        p->key, &rc, err);
    const bool any = view_step(p->v, stmt, &rc, err);
    p->threshold = any ? view_real(stmt, 0) : NAN;
    p->max = any ? view_real(stmt, 1) : NAN;
    p->min = any ? view_real(stmt, 2) : NAN;
    sqlite3_finalize(stmt);
    return rc;
}

static int read_histograms(struct page *p, struct err *err)
{
    int rc = bins_read(&p->bins, p->v, err);
    for (size_t i = 0; i < HALVES && !rc; i++) {
        p->labelled[i] = mem_zero(p->bins.n, sizeof **p->labelled);
        p->rest[i] = mem_zero(p->bins.n, sizeof **p->rest);
        rc = p->labelled[i] && p->rest[i] ? 0 : err_nomem(err, "histograms");
    }
    sqlite3_stmt *stmt = view_query(p->v,
                                    "SELECT split, labelled, rest FROM split_hist WHERE"
                                    " hypothesis = ?1 AND model = ?2 AND layer = ?3 AND idx = ?4",
                                    p->key, &rc, err);
    while (view_step(p->v, stmt, &rc, err)) {
        const enum split i = strcmp(view_text(stmt, 0), splits[DEV]) == 0 ? DEV : TEST;
        p->n_labelled[i] = bins_count(&p->bins, stmt, 1, p->labelled[i]);
        p->n_rest[i] = bins_count(&p->bins, stmt, 2, p->rest[i]);
    }
    sqlite3_finalize(stmt);
    return rc;
}

// --- what is shown -----------------------------------------------------------------------------

/* ", dev half 34.3% of 29490": the same whichever neuron is asked. */
static void put_prevalence(const struct page *p, enum split split, int *rc, struct err *err)
{
    const int64_t args[] = {p->key[0], p->key[1], p->key[2], p->key[3], split};
    sqlite3_stmt *stmt = view_query(
        p->v,
        "SELECT prevalence, n_pos + n_neg FROM score WHERE hypothesis = ?1 AND model = ?2"
        " AND layer = ?3 AND idx = ?4 AND split = iif(?5, 'test', 'dev')",
        args, rc, err);
    if (view_step(p->v, stmt, rc, err)) {
        char share[32];
        table_share_text(share, sizeof share, view_real(stmt, 0));
        fprintf(p->v->to, ", %s half %s of %" PRIu64, splits[split], share, view_u64(stmt, 1));
    }
    sqlite3_finalize(stmt);
}

static int put_head(const struct page *p, struct err *err)
{
    FILE *to = p->v->to;
    char share[32];
    int rc = 0;
    sqlite3_stmt *stmt = view_query(p->v, HYPOTHESIS, p->key, &rc, err);
    if (view_step(p->v, stmt, &rc, err)) {
        view_note(p->v, 0, "%s (%s)", view_text(stmt, 1), view_text(stmt, 2));
        fputs("  ", to);
        show_text(to, view_text(stmt, 3), 0, SIZE_MAX);
        table_share_text(share, sizeof share, view_real(stmt, 6));
        fprintf(to, "\nlabels %" PRIu64 " of %" PRIu64 " tokens, in %" PRIu64 " documents",
                view_u64(stmt, 4), view_u64(stmt, 8), view_u64(stmt, 5));
        if (view_u64(stmt, 7) > 0) {
            fprintf(to, "; gave up on %" PRIu64 " more, left out", view_u64(stmt, 7));
        }
        fprintf(to, "\nprevalence %s", share);
        put_prevalence(p, DEV, &rc, err);
        put_prevalence(p, TEST, &rc, err);
        putc('\n', to);
        rc = rc ? rc : view_put_state(p->v, err);
        putc('\n', to);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int put_domains(const struct page *p, struct err *err)
{
    static const char *const heads[] = {"<domain", "tokens", "labelled", "preval."};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 1};
    int rc = 0;
    const int64_t args[] = {p->key[0], (int64_t)p->o->n};
    const int64_t n = view_number(
        p->v, "SELECT count(*) FROM hypothesis_domain WHERE hypothesis = ?1", args, &rc, err);
    sqlite3_stmt *stmt = view_query(p->v, SQL_DOMAINS, args, &rc, err);
    while (view_step(p->v, stmt, &rc, err)) {
        table_text(&t, view_is_null(stmt, 0) ? "(none)" : view_text(stmt, 0));
        table_count(&t, view_u64(stmt, 1));
        table_count(&t, view_u64(stmt, 2));
        table_share(&t, view_real(stmt, 3));
        table_row(&t);
    }
    sqlite3_finalize(stmt);
    if (!rc && t.n_cells > 0) {
        fprintf(p->v->to, "\ndomains, by prevalence (%zu of %" PRId64 ")\n",
                t.n_cells / t.n_columns, n);
        rc = table_put(&t, p->v->to, 2, p->v->width, err);
    }
    table_free(&t);
    return rc;
}

static void put_score(struct table *t, sqlite3_stmt *row)
{
    table_text(t, view_text(row, N_NAME));
    table_text(t, view_text(row, N_SPLIT));
    table_count(t, view_u64(row, N_POS) + view_u64(row, N_NEG));
    table_count(t, view_u64(row, N_POS));
    table_count(t, view_u64(row, N_DOCS));
    table_share(t, view_real(row, N_PREVALENCE));
    table_real(t, view_real(row, N_AP), 3);
    table_real(t, view_real(row, N_AUROC), 4);
    table_real(t, view_real(row, N_BOUND), 4);
    for (int i = N_THRESHOLD; i <= N_MCC; i++) {
        table_real(t, view_real(row, i), 3);
    }
    table_real(t, view_real(row, N_INFORMATION), 5);
    table_real(t, view_real(row, N_R), 3);
    table_real(t, view_real(row, N_MASS), 3);
    table_real(t, view_real(row, N_TOP), 3);
    table_row(t);
}

static int put_neurons(const struct page *p, struct err *err)
{
    static const char *const heads[] = {"<neuron", "<half", "n",  "labelled",  "docs",  "preval.",
                                        "AP",      "AUROC", "+-", "threshold", "prec.", "recall",
                                        "F1",      "MCC",   "MI", "r",         "mass",  "top"};
    struct table t = {.heads = heads, .n_columns = 18, .n_keys = 2};
    int rc = 0;
    int64_t args[6];
    neuron_args(p, p->o->n, p->o->all, args);
    sqlite3_stmt *stmt = view_query(p->v, SQL_NEURONS, args, &rc, err);
    while (view_step(p->v, stmt, &rc, err)) {
        put_score(&t, stmt);
    }
    sqlite3_finalize(stmt);
    if (!rc && t.n_cells > 0) {
        putc('\n', p->v->to);
        view_note(p->v, 0, "neurons, by AP on the dev half%s",
                  p->o->all ? "" : "; of all but the first only the test half (--all: all)");
        rc = table_put(&t, p->v->to, 2, p->v->width, err);
        view_note(
            p->v, 2,
            "n, labelled, docs: tokens, those labelled, documents that have one; preval.: "
            "prevalence, labelled of n: the AP of a neuron that knows nothing, whose AUROC is "
            "0.5; AP: average precision; AUROC: exact within +-; threshold: of the best F1 on "
            "dev, frozen, and prec., recall, F1, MCC are of firing at it; MI: mutual "
            "information of label and activation in bits; r: correlation; mass: share of its "
            "activation above 0 that is on labelled tokens; top: share of its top examples "
            "that are labelled");
    }
    table_free(&t);
    return rc;
}

static void put_histogram(const struct page *p)
{
    const uint64_t *const counts[] = {p->labelled[TEST], p->rest[TEST]};
    putc('\n', p->v->to);
    if (p->n_labelled[TEST] + p->n_rest[TEST] == 0) {
        view_note(p->v, 0,
                  "%s: no histogram of the test half is kept; only the best ten neurons of "
                  "a hypothesis and watched ones have them",
                  p->neuron_name);
        return;
    }
    struct bars bars;
    bars_fit(&bars, p->v, &p->bins, counts, 2, p->threshold);
    view_note(p->v, 0, "%s on the test half: tokens by activation, heights logarithmic",
              p->neuron_name);
    fprintf(p->v->to, "  labelled (%" PRIu64 ")\n", p->n_labelled[TEST]);
    bars_put(&bars, counts[0], ROWS_LABELLED, true);
    fprintf(p->v->to, "  the rest (%" PRIu64 ")\n", p->n_rest[TEST]);
    bars_put(&bars, counts[1], ROWS_REST, false);
    fputs("  the share of labelled ones at that activation\n", p->v->to);
    bars_put_share(&bars, counts[0], counts[1]);
    bars_put_axis(&bars);
    if (!isnan(p->threshold)) {
        view_note(p->v, 2, "\xe2\x96\xb2 the threshold, %.4g, frozen on the dev half",
                  p->threshold);
    }
}

static const char *kind_title(const char *kind)
{
    return strcmp(kind, "fires_without") == 0 ? "fires without a label, the strongest first"
           : strcmp(kind, "silent_with") == 0 ? "labelled, but silent, the weakest first"
                                              : "others";
}

static int put_counterexamples(const struct page *p, struct err *err)
{
    struct passages passages;
    char kind[32] = "";
    int rc = passages_open(&passages, p->v, p->max, p->min, err);
    const int64_t args[] = {p->key[0], p->key[1], p->key[2], p->key[3], (int64_t)p->o->n};
    sqlite3_stmt *stmt = view_query(p->v, SQL_COUNTEREXAMPLES, args, &rc, err);
    putc('\n', p->v->to);
    while (view_step(p->v, stmt, &rc, err)) {
        if (!*kind) {
            view_note(p->v, 0, "counterexamples of %s: activation, place, text", p->neuron_name);
            place_legend(p->v, true);
        }
        if (strncmp(kind, view_text(stmt, 0), sizeof kind - 1) != 0) {
            snprintf(kind, sizeof kind, "%s", view_text(stmt, 0));
            fprintf(p->v->to, " %s\n", kind_title(kind));
        }
        rc = place_put(&passages, stmt, &counterexample_columns, false, err);
    }
    sqlite3_finalize(stmt);
    if (!rc && !*kind) {
        view_note(p->v, 0, "%s: no counterexamples are kept", p->neuron_name);
    }
    if (!rc) {
        rc = passages_put_shards(&passages, err);
    }
    passages_close(&passages);
    return rc;
}

static int put_page(const struct page *p, struct err *err)
{
    int rc = put_head(p, err);
    if (!rc) {
        rc = put_domains(p, err);
    }
    if (!rc && !p->neuron_name) {
        fputs("\nno neuron was tested\n", p->v->to);
        return 0;
    }
    const int64_t ranked = view_number(p->v, RANKED, p->key, &rc, err);
    if (!rc && ranked == 0 && !p->o->neuron) {
        putc('\n', p->v->to);
        view_note(p->v, 0,
                  "no neuron is better than another: no token of the dev half is labelled "
                  "(--neuron shows one)");
        return 0;
    }
    if (!rc) {
        rc = put_neurons(p, err);
    }
    if (!rc) {
        put_histogram(p);
        rc = put_counterexamples(p, err);
    }
    return rc;
}

// --- JSON --------------------------------------------------------------------------------------

static int json_counterexamples(const struct page *p, struct jsonout *j, struct err *err)
{
    struct passages passages;
    int rc = passages_open(&passages, p->v, p->max, p->min, err);
    const int64_t args[] = {p->key[0], p->key[1], p->key[2], p->key[3], INT64_MAX};
    sqlite3_stmt *stmt = view_query(p->v, SQL_COUNTEREXAMPLES, args, &rc, err);
    jsonout_key(j, "counterexamples");
    jsonout_begin(j, '[');
    while (view_step(p->v, stmt, &rc, err)) {
        jsonout_begin(j, '{');
        view_json_columns(j, stmt, 0, sqlite3_column_count(stmt));
        rc = place_json(&passages, j, stmt, counterexample_columns.tokens, err);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    sqlite3_finalize(stmt);
    passages_close(&passages);
    return rc;
}

static int put_json(const struct page *p, struct err *err)
{
    static const char *const names[] = {"labelled", "rest"};
    static const char *const keys[HALVES] = {"histogram_dev", "histogram_test"};
    struct jsonout j = {.to = p->v->to};
    int rc = 0;
    sqlite3_stmt *head = view_query(p->v, HYPOTHESIS, p->key, &rc, err);
    jsonout_begin(&j, '{');
    if (view_step(p->v, head, &rc, err)) {
        view_json_columns(&j, head, 0, sqlite3_column_count(head));
    }
    sqlite3_finalize(head);
    const int64_t all[] = {p->key[0], INT64_MAX};
    int64_t some[6];
    neuron_args(p, p->o->n, true, some);
    rc = rc ? rc : view_json_rows(p->v, &j, "domains", SQL_DOMAINS, all, err);
    rc = rc ? rc : view_json_rows(p->v, &j, "neurons", SQL_NEURONS, some, err);
    jsonout_key(&j, "neuron"); // what follows is of
    if (p->neuron_name) {
        view_json_text(&j, p->neuron_name);
    } else {
        jsonout_raw(&j, "null");
    }
    jsonout_key(&j, "threshold");
    jsonout_double(&j, p->threshold);
    for (size_t i = 0; i < HALVES && !rc; i++) {
        bins_json(&p->bins, &j, keys[i], (const uint64_t *[]){p->labelled[i], p->rest[i]}, names,
                  2);
    }
    rc = rc ? rc : json_counterexamples(p, &j, err);
    jsonout_end(&j, '}');
    return rc;
}

int hypo_put_page(const struct view *v, const char *name, const struct hypo_options *o,
                  struct err *err)
{
    struct page p = {.v = v, .o = o, .key = {0, -1, -1, -1}};
    int rc = find_hypothesis(v, name, &p.key[0], err);
    if (!rc) {
        rc = choose_neuron(&p, err);
    }
    if (!rc) {
        rc = read_neuron(&p, err);
    }
    if (!rc) {
        rc = read_histograms(&p, err);
    }
    if (!rc) {
        rc = o->json ? put_json(&p, err) : put_page(&p, err);
    }
    bins_free(&p.bins);
    for (size_t i = 0; i < HALVES; i++) {
        free(p.labelled[i]);
        free(p.rest[i]);
    }
    free(p.neuron_name);
    return rc;
}
