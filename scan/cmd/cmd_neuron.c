#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/read/cover.h"
#include "out/read/names.h"
#include "out/read/queries.h"
#include "out/read/reader.h"
#include "out/text/bars.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"
#include "scan/cli/args.h"

#define N_DEFAULT 10       // hypotheses
#define EXAMPLES_DEFAULT 5 // of each kind, where it is not said; of each interval then one
#define ROWS_ALL 5
#define ROWS_LABELLED 3

struct options {
    size_t n, examples; // examples: SIZE_MAX where it was not said
    const char *color, *output;
    bool all, json;
};

/* A neuron's page in the making. */
struct page {
    const struct view *v;
    const struct options *o;
    struct view_neuron neuron;
    int64_t key[3]; // model, layer, idx: ?1, ?2, ?3 of every query
    struct bins bins;
    uint64_t *all;             // [bins.n]
    uint64_t *labelled, *rest; // [bins.n] of the best hypothesis, if it has them
    char *best;                // its name, or NULL
    uint64_t n_labelled;
    double max, min;
    struct cover cover;
};

#define HEAD                                                                                       \
    "SELECT site, n, mean, sd, min, max, share_positive, hist FROM neuron WHERE " SQL_OF_NEURON

// --- reading -----------------------------------------------------------------------------------

/* The split histogram of the best hypothesis, of both halves together. */
static int read_split(struct page *p, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt =
        view_query(p->v, "SELECT h.id, h.name" SQL_BEST_FIRST " LIMIT 1", p->key, &rc, err);
    int64_t args[] = {p->key[0], p->key[1], p->key[2], 0};
    if (view_step(p->v, stmt, &rc, err)) {
        args[3] = sqlite3_column_int64(stmt, 0);
        p->best = view_strdup(stmt, 1, &rc, err);
    }
    sqlite3_finalize(stmt);
    stmt = view_query(
        p->v, "SELECT labelled, rest FROM split_hist WHERE hypothesis = ?4 AND " SQL_OF_NEURON,
        args, &rc, err);
    bool any = false;
    while (view_step(p->v, stmt, &rc, err)) {
        p->n_labelled += bins_count(&p->bins, stmt, 0, p->labelled);
        bins_count(&p->bins, stmt, 1, p->rest);
        any = true;
    }
    sqlite3_finalize(stmt);
    if (!any) {
        free(p->best);
        p->best = NULL;
    }
    return rc;
}

static int read_histograms(struct page *p, sqlite3_stmt *head, struct err *err)
{
    int rc = bins_read(&p->bins, p->v, err);
    p->all = mem_zero(p->bins.n, sizeof *p->all);
    p->labelled = mem_zero(p->bins.n, sizeof *p->labelled);
    p->rest = mem_zero(p->bins.n, sizeof *p->rest);
    if (!rc && (!p->all || !p->labelled || !p->rest)) {
        rc = err_nomem(err, "histograms");
    }
    if (!rc) {
        bins_count(&p->bins, head, 7, p->all);
        rc = read_split(p, err);
    }
    return rc;
}

// --- what is shown -----------------------------------------------------------------------------

static int put_head(const struct page *p, sqlite3_stmt *head, struct err *err)
{
    FILE *to = p->v->to;
    view_note(p->v, 0,
              "%s:L%" PRId64 "N%" PRId64 ": layer %" PRId64 ", neuron %" PRId64 " of %" PRId64
              ", site %s",
              p->neuron.model_name, p->key[1], p->key[2], p->key[1], p->key[2], p->neuron.d_mlp,
              view_text(head, 0));
    fprintf(to, "%" PRIu64 " tokens; ", view_u64(head, 1));
    const int rc = view_put_state(p->v, err);
    if (view_u64(head, 1) == 0) {
        putc('\n', to);
        return rc;
    }
    fputs("\nmean ", to);
    show_real(to, view_real(head, 2), 0, 4);
    fprintf(to, ", sd %.4f, min ", view_real(head, 3));
    show_real(to, p->min, 0, 4);
    fputs(", max ", to);
    show_real(to, p->max, 0, 4);
    fprintf(to, ", above 0 on %.2f %%\n", 100 * view_real(head, 6));
    return rc;
}

static void put_histogram(const struct page *p)
{
    FILE *to = p->v->to;
    struct bars bars;
    bars_fit(&bars, p->v, &p->bins, (const uint64_t *[]){p->all, p->labelled}, 2, NAN);
    fputs("\nactivations: how many tokens, heights logarithmic\n", to);
    if (bars.n == 0) {
        fputs("  none is kept\n", to);
        return;
    }
    bars_put(&bars, p->all, ROWS_ALL, false);
    if (p->best) {
        view_note(p->v, 2,
                  "those labelled %s (%" PRIu64 "), and their share of all at that activation",
                  p->best, p->n_labelled);
        bars_put(&bars, p->labelled, ROWS_LABELLED, true);
        bars_put_share(&bars, p->labelled, p->rest);
    }
    bars_put_axis(&bars);
}

/* The rows of an effect, one after the other. */
static sqlite3_stmt *query_effect(const struct page *p, const char *kind, int *rc, struct err *err)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT e.token, t.text, e.value FROM effect e LEFT JOIN token t ON t.id = e.token"
             " WHERE " SQL_OF_NEURON " AND kind = '%s' ORDER BY rank",
             kind);
    return view_query(p->v, sql, p->key, rc, err);
}

static void effect_cells(struct table *t, sqlite3_stmt *stmt, bool any)
{
    char id[32];
    const char *text = any ? view_text(stmt, 1) : "";
    if (any && !*text) {
        snprintf(id, sizeof id, "<%" PRIu64 ">", view_u64(stmt, 0));
        text = id;
    }
    table_text(t, text);
    if (any) {
        table_cell(t, "%+.3f", view_real(stmt, 2));
    } else {
        table_text(t, "");
    }
}

static int put_effects(const struct page *p, struct err *err)
{
    static const char *const kinds[] = {"output_top", "output_bottom", "input_top", "input_bottom"};
    static const char *const heads[] = {"<raises",    "logit", "<lowers",  "logit",
                                        "<driven by", "input", "<held by", "input"};
    int rc = 0;
    sqlite3_stmt *stmts[4];
    for (size_t i = 0; i < 4; i++) {
        stmts[i] = query_effect(p, kinds[i], &rc, err);
    }
    const bool inputs = view_number(p->v,
                                    "SELECT count(*) FROM effect WHERE " SQL_OF_NEURON
                                    " AND kind IN ('input_top', 'input_bottom')",
                                    p->key, &rc, err) > 0;
    struct table t = {.heads = heads, .n_columns = inputs ? 8 : 4, .group = 2};
    bool any[4] = {true, true, true, true}; // a statement that has ended would begin again
    for (bool more = !rc; more;) {
        more = false;
        for (size_t i = 0; i < t.n_columns / 2; i++) {
            any[i] = any[i] && view_step(p->v, stmts[i], &rc, err);
            more = more || any[i];
        }
        for (size_t i = 0; more && i < t.n_columns / 2; i++) {
            effect_cells(&t, stmts[i], any[i]);
        }
    }
    if (!rc && t.n_cells > 0) {
        fputs(inputs
                  ? "\ntokens: raised and lowered in the output; what drives it and holds it down\n"
                  : "\ntokens: raised and lowered in the output\n",
              p->v->to);
        rc = table_put(&t, p->v->to, 2, p->v->width, err);
    }
    for (size_t i = 0; i < 4; i++) {
        sqlite3_finalize(stmts[i]);
    }
    table_free(&t);
    return rc;
}

static int put_hypotheses(const struct page *p, struct err *err)
{
    static const char *const heads[] = {"<hypothesis", "labelled", "preval.", "AP",
                                        "AUROC",       "prec.",    "recall",  "F1",
                                        "r",           "mass",     "top"};
    struct table t = {.heads = heads, .n_columns = 11, .n_keys = 1};
    int rc = 0;
    uint64_t n = 0;
    const int64_t args[] = {p->key[0], p->key[1], p->key[2], (int64_t)p->o->n};
    sqlite3_stmt *stmt = view_query(
        p->v,
        "SELECT h.name, s.n_pos, s.prevalence, s.average_precision, s.auroc, s.precision, s.recall,"
        " s.f1, s.r, s.mass_covered, s.top_covered, s.n_pos + s.n_neg" SQL_BEST_FIRST " LIMIT ?4",
        args, &rc, err);
    while (view_step(p->v, stmt, &rc, err)) {
        n = n > 0 ? n : view_u64(stmt, 11);
        table_text(&t, view_text(stmt, 0));
        table_count(&t, view_u64(stmt, 1));
        table_share(&t, view_real(stmt, 2));
        for (int i = 3; i < 11; i++) {
            table_real(&t, view_real(stmt, i), 3);
        }
        table_row(&t);
    }
    sqlite3_finalize(stmt);
    if (!rc && t.n_cells > 0) {
        putc('\n', p->v->to);
        view_note(
            p->v, 0,
            "hypotheses, best first: by how far AP is above prevalence on the dev half; shown: "
            "the test half, %" PRIu64 " tokens",
            n);
        rc = table_put(&t, p->v->to, 2, p->v->width, err);
        view_note(
            p->v, 2,
            "preval.: prevalence, the share of tokens that are labelled, which is the AP of a "
            "neuron that knows nothing; AP: average precision; prec., recall, F1: of firing at "
            "the threshold frozen on dev; r: correlation; mass: the share of its activation "
            "above 0 that is on labelled tokens; top: the share of its top examples that are "
            "labelled");
    }
    table_free(&t);
    return rc;
}

/* What it did where its model was better. */
static int put_credit(const struct page *p, struct err *err)
{
    static const char *const heads[] = {"<pair", "credit", "hits", "of"};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 1};
    int rc = 0;
    sqlite3_stmt *stmt = view_query(p->v, SQL_CREDIT, p->key, &rc, err);
    while (view_step(p->v, stmt, &rc, err)) {
        table_text(&t, view_text(stmt, 0));
        table_signed(&t, view_real(stmt, 1), 2);
        table_count(&t, view_u64(stmt, 2));
        table_count(&t, view_u64(stmt, 3));
        table_row(&t);
    }
    sqlite3_finalize(stmt);
    if (!rc && t.n_cells > 0) {
        putc('\n', p->v->to);
        view_note(p->v, 0,
                  "gap credit: what it added to the true token's logit, less the mean over the "
                  "vocabulary, in nats, summed over the pair's hits in which it is among the ten "
                  "neurons of most effect");
        rc = table_put(&t, p->v->to, 2, p->v->width, err);
    }
    table_free(&t);
    return rc;
}

// --- examples ----------------------------------------------------------------------------------

static const struct place_columns example_columns = {
    .activation = 2, .shard = 5, .tokens = 10, .activations = 11, .token_index = 9, .labelled = -1};

static sqlite3_stmt *query_examples(const struct page *p, bool all, int *rc, struct err *err)
{
    const size_t asked = p->o->examples;
    const int64_t some = asked == SIZE_MAX ? EXAMPLES_DEFAULT : (int64_t)asked;
    const int64_t args[] = {p->key[0], p->key[1], p->key[2], all ? INT64_MAX : some,
                            all                 ? INT64_MAX
                            : asked == SIZE_MAX ? 1
                                                : some};
    return view_query(p->v, SQL_EXAMPLES, args, rc, err);
}

static const char *kind_title(const char *kind)
{
    return strcmp(kind, "top") == 0        ? "the strongest"
           : strcmp(kind, "interval") == 0 ? "from each eighth of its range, from the highest"
           : strcmp(kind, "random") == 0   ? "at random"
           : strcmp(kind, "bottom") == 0   ? "the lowest"
                                           : "others";
}

static int put_examples(const struct page *p, struct err *err)
{
    struct passages passages;
    FILE *to = p->v->to;
    char kind[32] = "";
    int rc = passages_open(&passages, p->v, p->max, p->min, err);
    sqlite3_stmt *stmt = query_examples(p, p->o->all, &rc, err);
    while (view_step(p->v, stmt, &rc, err)) {
        const bool first = !*kind;
        if (first) {
            fputs("\nexamples: activation, place, text\n", to);
            place_legend(p->v, false);
        }
        if (strncmp(kind, view_text(stmt, 0), sizeof kind - 1) != 0) {
            snprintf(kind, sizeof kind, "%s", view_text(stmt, 0));
            fprintf(to, " %s\n", kind_title(kind));
        }
        rc = place_put(&passages, stmt, &example_columns, strcmp(kind, "bottom") == 0, err);
    }
    sqlite3_finalize(stmt);
    if (!rc) {
        rc = passages_put_shards(&passages, err);
    }
    passages_close(&passages);
    return rc;
}

// --- JSON --------------------------------------------------------------------------------------

static int json_examples(const struct page *p, struct jsonout *j, struct err *err)
{
    struct passages passages;
    int rc = passages_open(&passages, p->v, p->max, p->min, err);
    sqlite3_stmt *stmt = query_examples(p, true, &rc, err);
    jsonout_key(j, "examples");
    jsonout_begin(j, '[');
    while (view_step(p->v, stmt, &rc, err)) {
        jsonout_begin(j, '{');
        view_json_columns(j, stmt, 0, sqlite3_column_count(stmt));
        rc = place_json(&passages, j, stmt, example_columns.tokens, err);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    sqlite3_finalize(stmt);
    passages_close(&passages);
    return rc;
}

static int put_json(const struct page *p, sqlite3_stmt *head, struct err *err)
{
    static const char *const names[] = {"n", "labelled", "rest"};
    const uint64_t *const counts[] = {p->all, p->labelled, p->rest};
    struct jsonout j = {.to = p->v->to};
    char name[48];
    snprintf(name, sizeof name, "L%" PRId64 "N%" PRId64, p->key[1], p->key[2]);
    jsonout_begin(&j, '{');
    jsonout_key(&j, "model");
    view_json_text(&j, p->neuron.model_name);
    jsonout_key(&j, "neuron");
    jsonout_string(&j, name);
    view_json_columns(&j, head, 0, 7);
    jsonout_key(&j, "histogram_hypothesis"); // what 'labelled' and 'rest' are of
    if (p->best) {
        view_json_text(&j, p->best);
    } else {
        jsonout_raw(&j, "null");
    }
    bins_json(&p->bins, &j, "histogram", counts, names, p->best ? 3 : 1);
    int rc = view_json_rows(p->v, &j, "effects",
                            "SELECT kind, rank, token, (SELECT text FROM token WHERE id = token)"
                            " AS token_text, value FROM effect WHERE " SQL_OF_NEURON,
                            p->key, err);
    if (!rc) {
        rc = view_json_rows(p->v, &j, "scores",
                            "SELECT h.name, h.kind, s.* FROM hypothesis h CROSS JOIN score s"
                            " ON s.hypothesis = h.id AND " SQL_OF_NEURON,
                            p->key, err);
    }
    if (!rc) {
        rc = view_json_rows(p->v, &j, "gap_credit", SQL_CREDIT, p->key, err);
    }
    if (!rc) {
        cover_json(&p->cover, &j);
        rc = json_examples(p, &j, err);
    }
    jsonout_end(&j, '}');
    return rc;
}

// --- the command -------------------------------------------------------------------------------

static int put_page(const struct page *p, sqlite3_stmt *head, struct err *err)
{
    int rc = put_head(p, head, err);
    if (!rc) {
        put_histogram(p);
        rc = put_effects(p, err);
    }
    if (!rc) {
        rc = put_hypotheses(p, err);
    }
    if (!rc) {
        rc = cover_put(&p->cover, p->v, err);
    }
    if (!rc) {
        rc = put_credit(p, err);
    }
    if (!rc) {
        rc = put_examples(p, err);
    }
    return rc;
}

static int make_page(struct page *p, const char *name, struct err *err)
{
    int rc = view_neuron_find(&p->neuron, p->v, name, err);
    memcpy(p->key, (int64_t[]){p->neuron.model, p->neuron.layer, p->neuron.index}, sizeof p->key);
    sqlite3_stmt *head = view_query(p->v, HEAD, p->key, &rc, err);
    if (!rc && !view_step(p->v, head, &rc, err) && !rc) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: knows nothing of %s yet", p->v->path, name);
    }
    if (!rc) {
        p->min = view_real(head, 4);
        p->max = view_real(head, 5);
        rc = read_histograms(p, head, err);
    }
    if (!rc) {
        rc = cover_read(&p->cover, p->v, p->key, err);
    }
    if (!rc) {
        rc = p->o->json ? put_json(p, head, err) : put_page(p, head, err);
    }
    sqlite3_finalize(head);
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct view v = {0};
    struct page p = {.v = &v, .o = o};
    int rc = view_open(&v, operands->items[0], o->color, o->output, err);
    if (!rc) {
        rc = make_page(&p, operands->items[1], err);
    }
    view_neuron_free(&p.neuron);
    bins_free(&p.bins);
    cover_free(&p.cover);
    free(p.all);
    free(p.labelled);
    free(p.rest);
    free(p.best);
    return view_close(&v, rc, o->output, err);
}

int cmd_neuron(int argc, char **argv)
{
    struct options o = {.n = N_DEFAULT, .examples = SIZE_MAX};
    const struct arg args[] = {
        {"number", 'n', ARG_SIZE, &o.n, "N", "how many hypotheses (10)"},
        {"examples", 0, ARG_SIZE, &o.examples, "N",
         "how many examples of each kind and interval (5, and 1 of\neach interval)"},
        {"all", 0, ARG_FLAG, &o.all, NULL, "every example that is kept"},
        {"json", 0, ARG_FLAG, &o.json, NULL, "one object with everything, for programs"},
        {"color", 0, ARG_STRING, &o.color, "WHEN", VIEW_COLOR_HELP},
        {"output", 'o', ARG_STRING, &o.output, "FILE", "write there, not to standard output"},
        {0}};
    const struct command command = {
        .name = "neuron",
        .usage = "run.db NAME:L0N424",
        .summary =
            "A neuron's page: its activations over the whole corpus, the tokens that it\n"
            "raises and lowers, the hypotheses that it fits, and examples from its strongest\n"
            "to its weakest.  NAME: is not needed where one model of the run has neurons.",
        .args = args,
        .n_min = 2,
        .n_max = 2,
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
