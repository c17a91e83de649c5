#include "out/text/trigrams_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "corpora/base/mem.h"
#include "model/explain/trial.h"
#include "out/read/queries.h"
#include "out/text/printable.h"
#include "scan/plan/trigram_choice.h"

/* All, with what they are filtered and ranked by; ?1 is the pair, ?2 the model or -1. */
#define ROWS                                                                                       \
    "SELECT t.id, t.a, t.b, t.c, t.a_text, t.b_text, t.c_text, t.count, t.p, t.n, t.docs, t.gain," \
    " t.tested, g.mean_gap,"                                                                       \
    " (SELECT max(interaction) FROM trigram_model WHERE trigram = t.id AND (?2 < 0 OR model = "    \
    "?2)),"                                                                                        \
    " (SELECT group_concat(verdict, char(10)) FROM trigram_model WHERE trigram = t.id"             \
    " AND (?2 < 0 OR model = ?2)),"                                                                \
    " (SELECT count(*) FROM trigram_model WHERE trigram = t.id AND model = ?2)"                    \
    " FROM trigram t LEFT JOIN trigram_gap g ON g.trigram = t.id AND g.pair = ?1 ORDER BY t.id"

/* Its columns. */
enum {
    R_ID,
    R_A,
    R_A_TEXT = R_A + 3,
    R_COUNT = R_A_TEXT + 3,
    R_P,
    R_N,
    R_DOCS,
    R_GAIN,
    R_TESTED,
    R_GAP,
    R_INTERACTION,
    R_VERDICTS,
    R_OF_MODEL, // how many verdicts are model ?2's
};

/* What the models and pair ?2 make of trigram ?1. */
#define SAID SQL_SAID_BY_NAME("t.mean_logprob")
#define MORE                                                                                       \
    "SELECT " SAID ", g.mean_gap, g.se FROM trigram t LEFT JOIN trigram_gap g"                     \
    " ON g.trigram = t.id AND g.pair = ?2 WHERE t.id = ?1"

/* A trigram that passed. */
struct item {
    int64_t id;
    double keys[5]; // by order
};

static const char *const orders[] = {"gain", "gap", "p", "count", "interaction"};
#define N_OF_PAIRS 2 // the first, of which a run of one model has none
#define N_ORDERS (sizeof orders / sizeof *orders)

struct list {
    const struct trigrams_view *t;
    int64_t model; // -1: all
    size_t order;
    bool every;         // --all, or there is no pair that could be better
    struct item *items; // [n]
    size_t n, cap;
    uint64_t n_all, n_beating, n_tested;
};

// --- which -------------------------------------------------------------------------------------

static int find_model(int64_t *id, const struct trigrams_view *t, struct err *err)
{
    const char *wanted = t->o->model;
    struct buf names = {0};
    int rc = 0;
    bool found = !wanted;
    *id = -1;
    sqlite3_stmt *stmt = view_query(t->v, "SELECT id, name FROM model ORDER BY id", NULL, &rc, err);
    while (!found && view_step(t->v, stmt, &rc, err)) {
        found = strcmp(view_text(stmt, 1), wanted) == 0;
        *id = found ? sqlite3_column_int64(stmt, 0) : -1;
        rc = buf_printf(&names, err, "%s%s", names.len > 0 ? ", " : "", view_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    if (!rc && !found) {
        rc = err_set(err, ERR_NOT_FOUND, "%s: has no model %s; it has %.*s", t->v->path, wanted,
                     (int)names.len, names.data ? names.data : "");
    }
    buf_free(&names);
    return rc;
}

static int find_order(size_t *order, const char *wanted, struct err *err)
{
    *order = 0;
    while (wanted && *order < N_ORDERS && strcasecmp(orders[*order], wanted) != 0) {
        (*order)++;
    }
    return *order < N_ORDERS
               ? 0
               : err_set(err, ERR_USAGE, "--sort %s: gain, gap, p, count or interaction is wanted",
                         wanted);
}

static int check_verdict(const char *wanted, struct err *err)
{
    size_t i = 0;
    while (wanted && trigram_verdicts[i] && strcasecmp(trigram_verdicts[i], wanted) != 0) {
        i++;
    }
    return !wanted || trigram_verdicts[i]
               ? 0
               : err_set(err, ERR_USAGE,
                         "--verdict %s: AND-like, B-only, A-only, spread, 'no interaction' or "
                         "'no neurons' is wanted",
                         wanted);
}

/* A token's text, as it is shown. */
static const char *text_of(sqlite3_stmt *row, int text, int id, char number[32])
{
    const char *shown = view_text(row, text);
    if (*shown) {
        return shown;
    }
    snprintf(number, 32, "<%" PRIu64 ">", view_u64(row, id));
    return number;
}

static bool has_texts(const struct trigrams_options *o, sqlite3_stmt *row)
{
    const char *const wanted[] = {o->a, o->b, o->c};
    bool all = true, any = !o->token;
    for (int i = 0; i < 3; i++) {
        char number[32];
        const char *text = text_of(row, R_A_TEXT + i, R_A + i, number);
        all = all && (!wanted[i] || strcmp(text, wanted[i]) == 0);
        any = any || strcasestr(text, o->token);
    }
    return all && any;
}

/* Is it one of the lines? */
static bool has_verdict(const char *lines, const char *wanted)
{
    const size_t len = wanted ? strlen(wanted) : 0;
    bool found = !wanted;
    while (!found && *lines) {
        const size_t n = strcspn(lines, "\n");
        found = n == len && strncasecmp(lines, wanted, n) == 0;
        lines += n + (lines[n] == '\n');
    }
    return found;
}

static bool beats(const struct list *l, sqlite3_stmt *row, uint64_t docs)
{
    return !view_is_null(row, R_GAP) && view_real(row, R_GAP) >= trigram_gap_least(&l->t->run) &&
           sqlite3_column_int64(row, R_DOCS) >= (int64_t)docs;
}

static bool passes(const struct list *l, sqlite3_stmt *row)
{
    const struct trigrams_options *o = l->t->o;
    const bool said = o->min_docs != SIZE_MAX;
    const uint64_t docs = said ? o->min_docs : l->every ? 0 : TRIGRAM_CHOICE_DOCS;
    const bool good = l->every || (beats(l, row, docs) &&
                                   (l->n_tested == 0 || sqlite3_column_int64(row, R_TESTED) == 1));
    return good && sqlite3_column_int64(row, R_DOCS) >= (int64_t)docs && has_texts(o, row) &&
           has_verdict(view_text(row, R_VERDICTS), o->verdict) &&
           (!o->model || sqlite3_column_int64(row, R_OF_MODEL) > 0);
}

static int add_item(struct list *l, sqlite3_stmt *row, struct err *err)
{
    const int rc = mem_reserve(&l->items, &l->cap, l->n + 1, sizeof *l->items, "trigrams", err);
    if (!rc) {
        const struct view_pair *pair = l->t->pairs.chosen;
        const double gap = view_real(row, R_GAP);
        // the run knows that of its first pair
        const double gain =
            pair && pair->id != 0 ? gap * view_real(row, R_N) : view_real(row, R_GAIN);
        l->items[l->n++] = (struct item){sqlite3_column_int64(row, R_ID),
                                         {gain, gap, view_real(row, R_P), view_real(row, R_COUNT),
                                          view_real(row, R_INTERACTION)}};
    }
    return rc;
}

static int descending(const void *a, const void *b, void *order)
{
    const struct item *x = a, *y = b;
    const double p = x->keys[*(size_t *)order], q = y->keys[*(size_t *)order];
    if (isnan(p) != isnan(q)) {
        return isnan(p) ? 1 : -1;
    }
    return p > q ? -1 : p < q ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

static int read_items(struct list *l, struct err *err)
{
    int rc = 0;
    const struct view_pair *pair = l->t->pairs.chosen;
    const int64_t args[] = {pair ? pair->id : -1, l->model};
    l->n_tested = (uint64_t)view_number(l->t->v, "SELECT count(*) FROM trigram WHERE tested = 1",
                                        NULL, &rc, err);
    sqlite3_stmt *row = view_query(l->t->v, ROWS, args, &rc, err);
    while (view_step(l->t->v, row, &rc, err)) {
        l->n_all++;
        l->n_beating += beats(l, row, TRIGRAM_CHOICE_DOCS);
        rc = passes(l, row) ? add_item(l, row, err) : 0;
    }
    sqlite3_finalize(row);
    if (!rc && l->n > 0) {
        qsort_r(l->items, l->n, sizeof *l->items, descending, &l->order);
    }
    return rc;
}

// --- the head ----------------------------------------------------------------------------------

static int put_run(const struct list *l, struct err *err)
{
    const struct view *v = l->t->v;
    if (l->t->pairs.chosen) {
        return view_pairs_put(&l->t->pairs, v, err);
    }
    fputs("a run of one model; ", v->to);
    const int rc = view_put_state(v, err);
    putc('\n', v->to);
    return rc;
}

static int put_funnel(const struct list *l, struct err *err)
{
    struct buf words = {0};
    const struct trigram_run *r = &l->t->run;
    const int rc = trigram_funnel_words(&words, r, err);
    if (!rc) {
        putc('\n', l->t->v->to);
        view_note(l->t->v, 0, "%s",
                  *words.data ? words.data : "how many trigrams the counts have is not known");
    }
    buf_free(&words);
    return rc;
}

/* How many stand the test of this corpus, and how far they were looked into. */
static int put_standing(const struct list *l, struct err *err)
{
    const struct view *v = l->t->v;
    const struct view_pair *pair = l->t->pairs.chosen;
    struct buf words = {0};
    const int rc = trigram_tested_words(&words, &l->t->run, l->n_tested, err);
    if (pair) {
        view_note(v, 0,
                  "In this corpus %s beat%s %s on %" PRIu64 " of %" PRIu64
                  " of them: by %g nats or more on average, in %d or more documents.",
                  pair->name + strlen(pair->base) + 1, strchr(pair->name, '+') ? "" : "s",
                  pair->base, l->n_beating, l->n_all, trigram_gap_least(&l->t->run),
                  TRIGRAM_CHOICE_DOCS);
    }
    if (!rc) {
        view_note(v, 0, "%s", words.data);
    }
    buf_free(&words);
    return rc;
}

// --- one of them -------------------------------------------------------------------------------

/* The greatest of the skip-bigrams' probabilities; NaN: none is known. */
static double best_skip(sqlite3_stmt *row, const char **distance)
{
    static const char *const distances[] = {"2", "3-4", "5-8", "9-16"};
    double best = NAN;
    for (int i = 0; i < 4; i++) {
        const double p = view_real(row, T_P_SKIP + i);
        if (!isnan(p) && !(p <= best)) {
            best = p;
            *distance = distances[i];
        }
    }
    return best;
}

/* "0.919", or "-" for NaN and for what no probability can be. */
static const char *probability(double p, char text[16])
{
    if (!(fabs(p) < 1e6)) {
        return "-";
    }
    snprintf(text, 16, "%.3f", p);
    return text;
}

static void put_counts(const struct view *v, sqlite3_stmt *row)
{
    const char *distance = "at a distance";
    const double skip = best_skip(row, &distance);
    char p[4][16];
    view_note(v, 6,
              "P(C | A, B) %s; P(C | B) %s; A %s before %s; both added %s; %" PRIu64 " of %" PRIu64
              " counted",
              probability(view_real(row, T_P), p[0]), probability(view_real(row, T_P_BIGRAM), p[1]),
              distance, probability(skip, p[2]), probability(view_real(row, T_P_ADDED), p[3]),
              view_u64(row, T_COUNT), view_u64(row, T_COUNT_AB));
}

/* What the models make of it where it stands; said: each one's mean ln P(C) as text. */
static void put_places(const struct list *l, sqlite3_stmt *row, sqlite3_stmt *more)
{
    const struct view *v = l->t->v;
    const uint64_t n = view_u64(row, T_N), docs = view_u64(row, T_DOCS);
    if (n == 0) {
        view_note(v, 6, "does not stand in this corpus");
        return;
    }
    const double mean = view_real(more, 1), se = view_real(more, 2);
    char gap[64] = "", spread[32] = "", gain[64] = "";
    if (fabs(mean) < 1e6) {
        snprintf(gap, sizeof gap, "; gap %+.3f", mean);
        snprintf(gain, sizeof gain, ", gain %+.1f", mean * (double)n);
    }
    if (*gap && fabs(se) < 1e6) {
        snprintf(spread, sizeof spread, " +- %.3f", se);
    }
    view_note(v, 6, "%" PRIu64 " place%s in %" PRIu64 " document%s; mean ln P(C): %s%s%s%s", n,
              n == 1 ? "" : "s", docs, docs == 1 ? "" : "s",
              view_is_null(more, 0) ? "-" : view_text(more, 0), gap, spread, gain);
}

/* One place of it. */
static int put_example(const struct list *l, struct passages *passages, int64_t id, struct err *err)
{
    int rc = 0;
    const int64_t args[] = {id, 1};
    sqlite3_stmt *row = view_query(l->t->v, SQL_TRIGRAM_EXAMPLES, args, &rc, err);
    if (view_step(l->t->v, row, &rc, err) && strcmp(view_text(row, TE_KIND), "place") == 0) {
        const int used = fprintf(l->t->v->to, "      %" PRIu64 ":%" PRIu64 ":%" PRIu64 "  ",
                                 view_u64(row, TE_SHARD), view_u64(row, TE_SHARD + 1),
                                 view_u64(row, TE_SHARD + 2));
        rc = place_put_text(passages, row, &trigrams_example_columns, (size_t)used, err);
    }
    sqlite3_finalize(row);
    return rc;
}

static int put_item(const struct list *l, struct passages *passages, size_t rank, int64_t id,
                    struct err *err)
{
    const struct view *v = l->t->v;
    const int64_t args[] = {id, l->t->pairs.chosen ? l->t->pairs.chosen->id : -1};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM, args, &rc, err);
    sqlite3_stmt *more = view_query(v, MORE, args, &rc, err);
    if (view_step(v, row, &rc, err) && view_step(v, more, &rc, err)) {
        fprintf(v->to, "\n%4zu  ", rank);
        trigrams_put_title(v, row);
        put_counts(v, row);
        put_places(l, row, more);
        rc = trigrams_put_verdicts(v, 6, id, l->model, err);
        rc = rc ? rc : put_example(l, passages, id, err);
    }
    sqlite3_finalize(row);
    sqlite3_finalize(more);
    return rc;
}

/* What the numbers of the list mean. */
static void put_legend(const struct list *l)
{
    const bool gaps = l->t->pairs.chosen != NULL;
    char order[64] = "Ranked by what counting wins with both tokens";
    if (gaps || l->order >= N_OF_PAIRS) {
        snprintf(order, sizeof order, "Ranked by %s", orders[l->order]);
    }
    view_note(l->t->v, 0,
              "%s, greatest first. P: the counts' probabilities, of a skip-bigram the greatest; "
              "counted: A B C, and A B before anything; ln P(C) in nats%s.",
              order, gaps ? ", its gap +- standard error; gain: places x gap" : "");
    if (l->n_tested > 0) {
        view_note(l->t->v, 0,
                  "Verdicts are of minimal pairs, where A, B or both are replaced by other tokens. "
                  "Less than %g nats, or %g standard errors, are no interaction.",
                  TRIAL_INTERACTION, TRIAL_SURE);
    }
}

static int put_text(const struct list *l, size_t n, struct err *err)
{
    struct passages passages = {0};
    FILE *to = l->t->v->to;
    int rc = put_run(l, err);
    rc = rc ? rc : put_funnel(l, err);
    rc = rc ? rc : put_standing(l, err);
    if (rc) {
        return rc;
    }
    putc('\n', to);
    put_legend(l);
    rc = passages_open(&passages, l->t->v, 0, 0, err);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = put_item(l, &passages, i + 1, l->items[i].id, err);
    }
    putc('\n', to);
    rc = rc ? rc : passages_put_shards(&passages, err);
    passages_close(&passages);
    if (l->n == 0) {
        fputs("  nothing to list\n", to);
    }
    view_note(l->t->v, 2, "%zu of %" PRIu64 " trigrams%s%s", n, l->n_all,
              l->every ? "" : ": those that beat the base",
              l->every          ? ""
              : l->n_tested > 0 ? " and were tested (--all: the others too)"
                                : " (--all: the others too)");
    return rc;
}

// --- JSON --------------------------------------------------------------------------------------

static int put_json(const struct list *l, size_t n, struct err *err)
{
    struct jsonout j = {.to = l->t->v->to};
    jsonout_begin(&j, '{');
    int rc = trigrams_json_run(l->t, &j, err);
    jsonout_key(&j, "sort");
    jsonout_string(&j, orders[l->order]);
    jsonout_key(&j, "in_run");
    jsonout_u64(&j, l->n_all);
    jsonout_key(&j, "beating");
    jsonout_u64(&j, l->n_beating);
    jsonout_key(&j, "found");
    jsonout_u64(&j, l->n);
    jsonout_key(&j, "trigrams");
    jsonout_begin(&j, '[');
    for (size_t i = 0; i < n && !rc; i++) {
        rc = trigrams_json_one(l->t->v, &j, l->items[i].id, SIZE_MAX, err);
    }
    jsonout_end(&j, ']');
    jsonout_end(&j, '}');
    return rc;
}

int trigrams_put_list(const struct trigrams_view *t, struct err *err)
{
    struct list l = {.t = t, .every = t->o->all || !t->pairs.chosen};
    int rc = find_order(&l.order, t->o->sort, err);
    rc = rc ? rc : check_verdict(t->o->verdict, err);
    rc = rc ? rc : find_model(&l.model, t, err);
    rc = rc ? rc : read_items(&l, err);
    if (!rc) {
        const size_t asked = t->o->n != SIZE_MAX ? t->o->n : t->o->json ? l.n : TRIGRAMS_LISTED;
        const size_t n = asked < l.n ? asked : l.n;
        rc = t->o->json ? put_json(&l, n, err) : put_text(&l, n, err);
    }
    free(l.items);
    return rc;
}
