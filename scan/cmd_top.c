#include "scan/commands.h"

#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "out/jsonout.h"
#include "out/store.h"
#include "scan/args.h"
#include "scan/base/file.h"
#include "scan/base/json.h"
#include "scan/base/mem.h"
#include "scan/base/utf8.h"
#include "scan/show.h"

#define N_DEFAULT 20
#define WIDTH_DEFAULT 100 // characters a line, where there is no terminal to ask
#define WIDTH_MIN 60
#define TOKEN_WIDTH 24 // characters shown of a token in a table

struct options {
    const char *pair, *output;
    size_t n;
    bool worst, tokens, domains, json;
};

/* One of the run's pairs, by name. */
struct pair {
    int id;
    char *name; // "base:other+other"
    char *base; // the part before the colon
    uint64_t tokens, docs;
    double mean_gap, se, share;
};

struct top {
    const char *path;
    sqlite3 *db;
    FILE *to;  // a memory stream: nobody waits for a terminal while the file is locked
    bool bold; // the terminal can show it
    size_t width;
    struct pair *pairs; // [n_pairs]
    size_t n_pairs, pairs_cap;
    const struct pair *pair; // the one asked for
};

// --- reading -----------------------------------------------------------------------------------

static int fail(const struct top *t, struct err *err)
{
    const int code = sqlite3_errcode(t->db) & 0xff;
    return err_set(err, code == SQLITE_IOERR ? ERR_IO : ERR_FORMAT, "%s: %s", t->path,
                   sqlite3_errmsg(t->db));
}

/* NULL and *rc: an error. */
static sqlite3_stmt *prepare(const struct top *t, const char *sql, int *rc, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (!*rc && sqlite3_prepare_v2(t->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        *rc = fail(t, err);
    }
    return stmt;
}

/* The next row, or false at the end or with an error in *rc. */
static bool step(const struct top *t, sqlite3_stmt *stmt, int *rc, struct err *err)
{
    if (*rc) {
        return false;
    }
    const int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        *rc = fail(t, err);
    }
    return code == SQLITE_ROW;
}

static const char *column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

static uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

static double column_real(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? NAN
                                                            : sqlite3_column_double(stmt, column);
}

/* A cell of table 'meta'; "" where it is not there. */
static char *meta(const struct top *t, const char *key, int *rc, struct err *err)
{
    sqlite3_stmt *stmt = prepare(t, "SELECT value FROM meta WHERE key=?", rc, err);
    char *value = NULL;
    if (stmt) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        value = strdup(step(t, stmt, rc, err) ? column_text(stmt, 0) : "");
        sqlite3_finalize(stmt);
    }
    if (!value && !*rc) {
        *rc = err_nomem(err, "meta");
    }
    return value;
}

static int read_pairs(struct top *t, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt =
        prepare(t,
                "SELECT p.id, b.name, (SELECT group_concat(m.name, '+') FROM (SELECT value FROM"
                " json_each(p.others) ORDER BY key) o JOIN model m ON m.id = o.value),"
                " p.tokens, p.docs, p.mean_gap, p.se, p.share_other_better"
                " FROM pair p JOIN model b ON b.id = p.base ORDER BY p.id",
                &rc, err);
    while (step(t, stmt, &rc, err)) {
        rc = mem_reserve(&t->pairs, &t->pairs_cap, t->n_pairs + 1, sizeof *t->pairs, "pairs", err);
        if (rc) {
            break;
        }
        struct pair p = {
            .id = sqlite3_column_int(stmt, 0),
            .tokens = column_u64(stmt, 3),
            .docs = column_u64(stmt, 4),
            .mean_gap = column_real(stmt, 5),
            .se = column_real(stmt, 6),
            .share = column_real(stmt, 7),
        };
        struct buf name = {0};
        rc = buf_printf(&name, err, "%s:%s", column_text(stmt, 1), column_text(stmt, 2));
        if (!rc) {
            rc = buf_append(&name, "", 1, err);
        }
        p.name = name.data;
        p.base = strdup(column_text(stmt, 1));
        t->pairs[t->n_pairs++] = p;
        if (!rc && !p.base) {
            rc = err_nomem(err, "pairs");
        }
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int choose_pair(struct top *t, const char *wanted, struct err *err)
{
    struct buf names = {0};
    int rc = 0;
    if (t->n_pairs == 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: has no pair of models, so no gaps", t->path);
    }
    t->pair = wanted ? NULL : &t->pairs[0];
    for (size_t i = 0; i < t->n_pairs && !rc; i++) {
        if (wanted && strcmp(t->pairs[i].name, wanted) == 0) {
            t->pair = &t->pairs[i];
        }
        rc = buf_printf(&names, err, "%s%s", i > 0 ? ", " : "", t->pairs[i].name);
    }
    if (!rc && !t->pair) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: has no pair %s; it has %.*s", t->path, wanted,
                     (int)names.len, names.data);
    }
    buf_free(&names);
    return rc;
}

// --- JSON --------------------------------------------------------------------------------------

static void json_text(struct jsonout *j, const char *text)
{
    struct buf repaired = {0};
    uint64_t n;
    if (utf8_repair(&repaired, text, strlen(text), &n, NULL) == 0) {
        jsonout_text(j, repaired.len ? repaired.data : "", repaired.len);
    } else {
        jsonout_string(j, "");
    }
    buf_free(&repaired);
}

/* A text that holds JSON, as that; null where it does not. */
static void json_inner(struct jsonout *j, const char *text)
{
    struct json_tokener *parser = json_parser_new();
    struct json_object *value = NULL;
    struct buf repaired = {0};
    uint64_t n;
    if (parser && utf8_repair(&repaired, text, strlen(text), &n, NULL) == 0 && repaired.len > 0) {
        json_parse(parser, &value, repaired.data, repaired.len, NULL);
    }
    jsonout_raw(j, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(value);
    json_tokener_free(parser);
    buf_free(&repaired);
}

/* A row as an object whose keys are the columns' names. */
static void json_row(const struct top *t, sqlite3_stmt *stmt)
{
    struct jsonout j = {.to = t->to};
    jsonout_begin(&j, '{');
    jsonout_key(&j, "pair");
    json_text(&j, t->pair->name);
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        const char *name = sqlite3_column_name(stmt, i);
        jsonout_key(&j, name);
        if (strcmp(name, "detail") == 0) {
            json_inner(&j, column_text(stmt, i));
            continue;
        }
        switch (sqlite3_column_type(stmt, i)) {
        case SQLITE_INTEGER:
            jsonout_i64(&j, sqlite3_column_int64(stmt, i));
            break;
        case SQLITE_FLOAT:
            jsonout_double(&j, sqlite3_column_double(stmt, i));
            break;
        case SQLITE_NULL:
            jsonout_double(&j, NAN);
            break;
        default:
            json_text(&j, column_text(stmt, i));
        }
    }
    jsonout_end(&j, '}');
}

// --- what is shown -----------------------------------------------------------------------------

/* The token between the text around it, in at most 'width' characters. */
static void put_context(const struct top *t, const char *before, const char *token,
                        const char *after, size_t width)
{
    const size_t n_before = show_count(before), n_token = show_count(token) + 2;
    const size_t room = width > n_token ? width - n_token : 0;
    size_t left = room - room / 3;
    left = left < n_before ? left : n_before;
    show_text(t->to, before, n_before - left, n_before);
    fputs(t->bold ? "\x1b[1;4m" : "[", t->to); // underlined: a bold space is none
    show_text(t->to, token, 0, SIZE_MAX);
    fputs(t->bold ? "\x1b[0m" : "]", t->to);
    show_text(t->to, after, 0, room - left);
}

static int put_head(const struct top *t, struct err *err)
{
    int rc = 0;
    const struct pair *p = t->pair;
    char *finished = meta(t, "finished", &rc, err);
    char *units = meta(t, "units", &rc, err);
    char *done = meta(t, "units_in_tables", &rc, err);
    if (rc) {
        goto out;
    }
    show_text(t->to, p->name, 0, SIZE_MAX);
    fprintf(t->to, ": %" PRIu64 " tokens of %" PRIu64 " documents; ", p->tokens, p->docs);
    if (*finished) {
        fputs("finished ", t->to);
        show_text(t->to, finished, 0, SIZE_MAX);
    } else {
        fputs("not finished, ", t->to);
        show_text(t->to, *done ? done : "0", 0, SIZE_MAX);
        if (*units) {
            fputs(" of ", t->to);
            show_text(t->to, units, 0, SIZE_MAX);
        }
        fputs(" units so far", t->to);
    }
    fputs("\nmean gap ", t->to);
    show_real(t->to, p->mean_gap, 0, 4);
    fprintf(t->to, " +- %.4f nats a token, above 0 (", p->se);
    show_text(t->to, p->name + strlen(p->base) + 1, 0, SIZE_MAX);
    fprintf(t->to, " better) on %.1f %%\n", 100 * p->share);
    if (t->n_pairs > 1) {
        fputs("other pairs (--pair):", t->to);
        for (size_t i = 0; i < t->n_pairs; i++) {
            if (&t->pairs[i] != p) {
                putc(' ', t->to);
                show_text(t->to, t->pairs[i].name, 0, SIZE_MAX);
            }
        }
        putc('\n', t->to);
    }
out:
    free(finished);
    free(units);
    free(done);
    return rc;
}

static void put_hit(const struct top *t, sqlite3_stmt *stmt)
{
    fprintf(t->to, "\n%4" PRIu64 "  gap ", column_u64(stmt, 1));
    show_real(t->to, column_real(stmt, 2), 0, 3);
    fputs("   logprob ", t->to);
    show_real(t->to, column_real(stmt, 3), 0, 3);
    fputs(" -> ", t->to);
    show_real(t->to, column_real(stmt, 4), 0, 3);
    fputs("   ", t->to);
    show_text(t->to, column_text(stmt, 15), 0, SIZE_MAX);
    fprintf(t->to, " doc %" PRIu64 " byte %" PRIu64, column_u64(stmt, 6), column_u64(stmt, 7));
    if (column_u64(stmt, 13) > 0) {
        const uint64_t n = column_u64(stmt, 13);
        fprintf(t->to, "   (and %" PRIu64 " document%s alike)", n, n == 1 ? "" : "s");
    }
    fputs("\n      ", t->to);
    const char *token = column_text(stmt, 10);
    char id[32];
    if (!*token) { // a scan of ids has no text
        snprintf(id, sizeof id, "id %" PRIu64, column_u64(stmt, 9));
        token = id;
    }
    put_context(t, column_text(stmt, 11), token, column_text(stmt, 12), t->width - 6);
    putc('\n', t->to);
}

static void put_token(const struct top *t, sqlite3_stmt *stmt)
{
    fprintf(t->to, "%7" PRIu64 "  ", column_u64(stmt, 0));
    show_cell(t->to, column_text(stmt, 1), TOKEN_WIDTH);
    fprintf(t->to, "%12" PRIu64, column_u64(stmt, 2));
    show_real(t->to, column_real(stmt, 3), 10, 4);
    show_real(t->to, column_real(stmt, 4), 14, 2);
    show_real(t->to, column_real(stmt, 5), 10, 4);
    show_real(t->to, column_real(stmt, 6), 10, 4);
    putc('\n', t->to);
}

static void put_domain(const struct top *t, sqlite3_stmt *stmt)
{
    const bool named = sqlite3_column_type(stmt, 0) != SQLITE_NULL;
    show_cell(t->to, named ? column_text(stmt, 0) : "(none)", TOKEN_WIDTH + 9);
    fprintf(t->to, "%12" PRIu64 "%14" PRIu64, column_u64(stmt, 1), column_u64(stmt, 2));
    show_real(t->to, column_real(stmt, 3), 10, 4);
    fprintf(t->to, "%10.4f\n", column_real(stmt, 4));
}

/* What can be listed.  In 'sql' ?1 is the pair, ?2 how many rows, ?3 1 for --worst, else 0. */
static const struct list {
    const char *sql;
    const char *title[2]; // of the greatest, of the least
    const char *head;     // of the columns
    void (*put)(const struct top *, sqlite3_stmt *);
} hits =
    {
        .sql =
            "SELECT side, rank, gap, base_logprob, other_logprob, shard, doc, byte_start, byte_end,"
            " token, token_text, before, after, duplicates, detail,"
            " (SELECT name FROM shard WHERE id = hit.shard) AS shard_name"
            " FROM hit WHERE pair = ?1 AND side = iif(?3, 'base', 'other') ORDER BY rank LIMIT ?2",
        .title = {"the greatest gaps", "the least gaps, where the base is better"},
        .head = "",
        .put = put_hit,
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

static int put_list(const struct top *t, const struct options *o, struct err *err)
{
    const struct list *list = o->tokens ? &tokens : o->domains ? &domains : &hits;
    int rc = o->json ? 0 : put_head(t, err);
    sqlite3_stmt *stmt = prepare(t, list->sql, &rc, err);
    if (!rc && !o->json) {
        fprintf(t->to, "%s\n%s", list->title[o->worst], list->head);
    }
    if (stmt) {
        sqlite3_bind_int(stmt, 1, t->pair->id);
        sqlite3_bind_int64(stmt, 2, o->n > INT64_MAX ? INT64_MAX : (int64_t)o->n);
        sqlite3_bind_int(stmt, 3, o->worst);
    }
    bool any = false;
    while (step(t, stmt, &rc, err)) {
        any = true;
        if (o->json) {
            json_row(t, stmt);
        } else {
            list->put(t, stmt);
        }
    }
    if (!any && !o->json) {
        fputs("\nnothing to list\n", t->to);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static void look_at_terminal(struct top *t, const struct options *o)
{
    const char *term = getenv("TERM");
    struct winsize size;
    t->width = WIDTH_DEFAULT;
    if (o->output || !isatty(STDOUT_FILENO)) {
        return;
    }
    t->bold = term && *term && strcmp(term, "dumb") != 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        t->width = size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
    }
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct top t = {.path = operands->items[0]};
    struct store *s = NULL;
    struct outfile out = {0};
    char *text = NULL;
    size_t len = 0;
    if (o->tokens && o->domains) {
        return err_set(err, ERR_USAGE, "--tokens and --domains: one of them");
    }
    look_at_terminal(&t, o);
    int rc = store_open_read(&s, t.path, err);
    if (rc) {
        return rc;
    }
    t.db = store_sqlite(s);
    t.to = open_memstream(&text, &len);
    rc = t.to ? read_pairs(&t, err) : err_nomem(err, "what is shown");
    if (!rc) {
        rc = choose_pair(&t, o->pair, err);
    }
    if (!rc) {
        rc = put_list(&t, o, err);
    }
    store_close(s); // now: a scan may wait for its readers
    if (t.to && fclose(t.to) != 0 && !rc) {
        rc = err_nomem(err, "what is shown");
    }
    if (!rc && (rc = outfile_open(&out, o->output, err)) == 0) {
        fwrite(text, 1, len, out.stream);
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    free(text);
    for (size_t i = 0; i < t.n_pairs; i++) {
        free(t.pairs[i].name);
        free(t.pairs[i].base);
    }
    free(t.pairs);
    return rc;
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
