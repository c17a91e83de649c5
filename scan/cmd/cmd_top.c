#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "out/read/names.h"
#include "out/read/reader.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "scan/cli/args.h"

#define N_DEFAULT 20
#define TOKEN_WIDTH 24 // characters shown of a token in a table

struct options {
    const char *pair, *color, *output;
    size_t n;
    bool worst, tokens, domains, json;
};

static void put_token(const struct view *v, sqlite3_stmt *stmt)
{
    fprintf(v->to, "%7" PRIu64 "  ", view_u64(stmt, 0));
    show_cell(v->to, view_text(stmt, 1), TOKEN_WIDTH);
    fprintf(v->to, "%12" PRIu64, view_u64(stmt, 2));
    show_real(v->to, view_real(stmt, 3), 10, 4);
    show_real(v->to, view_real(stmt, 4), 14, 2);
    show_real(v->to, view_real(stmt, 5), 10, 4);
    show_real(v->to, view_real(stmt, 6), 10, 4);
    putc('\n', v->to);
}

static void put_domain(const struct view *v, sqlite3_stmt *stmt)
{
    const bool named = !view_is_null(stmt, 0);
    show_cell(v->to, named ? view_text(stmt, 0) : "(none)", TOKEN_WIDTH + 9);
    fprintf(v->to, "%12" PRIu64 "%14" PRIu64, view_u64(stmt, 1), view_u64(stmt, 2));
    show_real(v->to, view_real(stmt, 3), 10, 4);
    fprintf(v->to, "%10.4f\n", view_real(stmt, 4));
}

/* What can be listed.  In 'sql' ?1 is the pair, ?2 how many rows, ?3 1 for --worst, else 0. */
static const struct list {
    const char *sql;
    const char *title[2]; // of the greatest, of the least
    const char *head;     // of the columns
    void (*put)(const struct view *, sqlite3_stmt *);
} hits =
    {
        .sql = "SELECT " PLACE_HIT " FROM hit WHERE pair = ?1 AND side = iif(?3, 'base', 'other')"
               " ORDER BY rank LIMIT ?2",
        .title = {"the greatest gaps", "the least gaps, where the base is better"},
        .head = "",
        .put = place_put_hit,
},
  tokens =
      {
          .sql =
              "SELECT token, token_text, n, mean_gap, n * mean_gap AS sum_gap, base_mean_logprob,"
              " other_mean_logprob FROM token_gap WHERE pair = ?1"
              " ORDER BY iif(?3, n, -n) * mean_gap, token LIMIT ?2",
          .title = {"tokens that add most to the gap: by the sum of their gaps, n x mean",
                    "tokens that take most from the gap: by the sum of their gaps, n x mean, least "
                    "first"},
          .head = "\n     id  token                              n  mean gap           sum      "
                  "base     "
                  "other\n",
          .put = put_token,
},
  domains = {
      .sql = "SELECT d.name AS domain, d.docs, g.tokens, g.mean_gap, g.se FROM domain_gap g"
             " JOIN domain d ON d.id = g.domain WHERE g.pair = ?1"
             " ORDER BY g.mean_gap IS NULL, iif(?3, 1, -1) * g.mean_gap, d.id LIMIT ?2",
      .title = {"domains by their mean gap", "domains by their mean gap, least first"},
      .head = "\ndomain                                   docs        tokens  mean gap        se\n",
      .put = put_domain,
};

/* A row as an object, the pair's name first. */
static void json_row(const struct view *v, const struct view_pair *pair, sqlite3_stmt *stmt)
{
    struct jsonout j = {.to = v->to};
    jsonout_begin(&j, '{');
    jsonout_key(&j, "pair");
    view_json_text(&j, pair->name);
    view_json_columns(&j, stmt, 0, sqlite3_column_count(stmt));
    jsonout_end(&j, '}');
}

static int put_list(const struct view *v, const struct view_pairs *pairs, const struct options *o,
                    struct err *err)
{
    const struct list *list = o->tokens ? &tokens : o->domains ? &domains : &hits;
    int rc = o->json ? 0 : view_pairs_put(pairs, v, err);
    const int64_t args[] = {pairs->chosen->id, (int64_t)o->n, o->worst};
    sqlite3_stmt *stmt = view_query(v, list->sql, args, &rc, err);
    if (!rc && !o->json) {
        fprintf(v->to, "%s\n%s", list->title[o->worst], list->head);
    }
    bool any = false;
    while (view_step(v, stmt, &rc, err)) {
        any = true;
        if (o->json) {
            json_row(v, pairs->chosen, stmt);
        } else {
            list->put(v, stmt);
        }
    }
    if (!any && !o->json) {
        fputs("\nnothing to list\n", v->to);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct view v = {0};
    struct view_pairs pairs = {0};
    if (o->tokens && o->domains) {
        return err_set(err, ERR_USAGE, "--tokens and --domains: one of them");
    }
    int rc = view_open(&v, operands->items[0], o->color, o->output, err);
    if (!rc) {
        rc = view_pairs_read(&pairs, &v, o->pair, err);
    }
    if (!rc) {
        rc = put_list(&v, &pairs, o, err);
    }
    view_pairs_free(&pairs);
    return view_close(&v, rc, o->output, err);
}

int cmd_top(int argc, char **argv)
{
    struct options o = {.n = N_DEFAULT};
    const struct arg args[] = {
        {"pair", 0, ARG_STRING, &o.pair, "A:B", "the pair of models; else the run's first"},
        {"worst", 0, ARG_FLAG, &o.worst, NULL, "the least gaps: where the base is better"},
        {"tokens", 0, ARG_FLAG, &o.tokens, NULL,
         "by token: those that add most to the gap (n x mean gap)"},
        {"domains", 0, ARG_FLAG, &o.domains, NULL, "by domain: the mean gap of each"},
        {"number", 'n', ARG_SIZE, &o.n, "N", "how many (20)"},
        {"json", 0, ARG_FLAG, &o.json, NULL, "JSONL, an object a line, for programs"},
        {"color", 0, ARG_STRING, &o.color, "WHEN", VIEW_COLOR_HELP},
        {"output", 'o', ARG_STRING, &o.output, "FILE", "write there, not to standard output"},
        {0}};
    const struct command command = {
        .name = "top",
        .usage = "run.db [--pair A:B] [--worst|--tokens|--domains] [-n N]",
        .summary = "Where one model predicts the token better than another: the largest gaps of a\n"
                   "run, finished or not, with the log-probs of both and the text around.\n"
                   "gap = logprob of B - logprob of A, clamped at the run's floor.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
