#include "out/text/trigrams_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/queries.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define TOKEN_CHARS 40 // shown of one
#define BAR 20         // columns of a probability of 1

const struct place_columns trigrams_example_columns = {.activation = -1,
                                                       .shard = TE_SHARD,
                                                       .tokens = TE_TOKENS,
                                                       .activations = -1,
                                                       .token_index = TE_AT,
                                                       .labelled = TE_MARKED};

// --- names -------------------------------------------------------------------------------------

/* Characters that are shown of one, so that three of them stand on a line. */
static size_t token_chars(const struct view *v)
{
    const size_t third = (v->width - 20) / 3 - 3;
    return third < TOKEN_CHARS ? third : TOKEN_CHARS;
}

void trigrams_put_token(const struct view *v, const char *text, int64_t id)
{
    const size_t most = token_chars(v);
    if (!*text) {
        fprintf(v->to, "<%" PRId64 ">", id);
        return;
    }
    putc('"', v->to);
    show_text(v->to, text, 0, most);
    fputs(show_count(text) > most ? "\xe2\x80\xa6\"" : "\"", v->to);
}

/* Columns that it takes at most. */
static size_t token_columns(const struct view *v, const char *text)
{
    const size_t most = token_chars(v);
    return !*text ? 22 : 3 + (show_count(text) > most ? 2 * most : show_width(text));
}

void trigrams_put_title(const struct view *v, sqlite3_stmt *row)
{
    static const char *const between[] = {"", " ", " -> "};
    fprintf(v->to, "%s#%" PRIu64 "  ", v->colour ? "\x1b[1m" : "", view_u64(row, T_ID));
    for (int i = 0; i < 3; i++) {
        fputs(between[i], v->to);
        trigrams_put_token(v, view_text(row, T_A_TEXT + i), sqlite3_column_int64(row, T_A + i));
    }
    fputs(v->colour ? "\x1b[0m\n" : "\n", v->to);
}

int trigrams_put_verdicts(const struct view *v, size_t indent, int64_t id, int64_t model,
                          struct err *err)
{
    struct buf words = {0};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_MODELS, &id, &rc, err);
    while (view_step(v, row, &rc, err)) {
        if (model < 0 || model == sqlite3_column_int64(row, TM_MODEL)) {
            words.len = 0;
            rc = trigram_verdict_words(&words, row, err);
            if (!rc) {
                view_note(v, indent, "%s: %s", view_text(row, TM_NAME), words.data);
            }
        }
    }
    sqlite3_finalize(row);
    buf_free(&words);
    return rc;
}

// --- counts ------------------------------------------------------------------------------------

static int put_counts(const struct view *v, sqlite3_stmt *row, struct err *err)
{
    static const char *const names[] = {"A B C", "A B", "B C", "B", "C"};
    static const char *const heads[] = {"<of", "counted"};
    struct table t = {.heads = heads, .n_columns = 2};
    for (int i = 0; i < 5; i++) {
        table_text(&t, names[i]);
        if (view_is_null(row, T_COUNT + i)) {
            table_text(&t, "-");
        } else {
            table_count(&t, view_u64(row, T_COUNT + i));
        }
        table_row(&t);
    }
    const int rc = table_put(&t, v->to, 2, v->width, err);
    table_free(&t);
    return rc;
}

/* Full blocks and one of eighths, of BAR for 1. */
static void put_bar(struct table *t, double p)
{
    static const char *const blocks[] = {"",
                                         "\xe2\x96\x8f",
                                         "\xe2\x96\x8e",
                                         "\xe2\x96\x8d",
                                         "\xe2\x96\x8c",
                                         "\xe2\x96\x8b",
                                         "\xe2\x96\x8a",
                                         "\xe2\x96\x89"};
    char text[3 * BAR + 4] = "";
    const int eighths = p > 0 && p <= 1 ? (int)lrint(8 * BAR * p) : 0;
    for (int i = 0; i < eighths / 8; i++) {
        memcpy(text + (size_t)i * 3, "\xe2\x96\x88", 4);
    }
    strcat(text, blocks[eighths % 8]);
    table_text(t, text);
}

static int put_probabilities(const struct view *v, sqlite3_stmt *row, struct err *err)
{
    static const char *const names[] = {"both, A and B", "B alone",      "A 2 before",
                                        "A 3-4 before",  "A 5-8 before", "A 9-16 before",
                                        "B and A added"};
    static const char *const heads[] = {"<P(C) given", "counts say", "<"};
    struct table t = {.heads = heads, .n_columns = 3};
    for (int i = 0; i < 7; i++) {
        const double p = view_real(row, T_P + i);
        table_text(&t, names[i]);
        if (fabs(p) < 1e6) {
            table_real(&t, p, 4);
        } else {
            table_text(&t, "-");
        }
        put_bar(&t, p);
        table_row(&t);
    }
    const int rc = table_put(&t, v->to, 2, v->width, err);
    table_free(&t);
    return rc;
}

// --- in this corpus ----------------------------------------------------------------------------

static int put_gaps(const struct view *v, int64_t id, struct err *err)
{
    static const char *const heads[] = {"<pair", "mean gap", "se"};
    struct table t = {.heads = heads, .n_columns = 3, .n_keys = 1};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_GAPS, &id, &rc, err);
    while (view_step(v, row, &rc, err)) {
        table_text(&t, view_text(row, 1));
        table_signed(&t, view_real(row, 2), 4);
        table_real(&t, view_real(row, 3), 4);
        table_row(&t);
    }
    sqlite3_finalize(row);
    if (!rc && t.n_cells > 0) {
        rc = table_put(&t, v->to, 2, v->width, err);
    }
    table_free(&t);
    return rc;
}

/* Each model's mean ln P(C) there. */
static int put_means(const struct view *v, int64_t id, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *row = view_query(
        v, "SELECT " SQL_SAID_BY_NAME("mean_logprob") " FROM trigram WHERE id = ?1", &id, &rc, err);
    if (view_step(v, row, &rc, err) && !view_is_null(row, 0)) {
        view_note(v, 2, "mean ln P(C): %s", view_text(row, 0));
    }
    sqlite3_finalize(row);
    return rc;
}

static int put_corpus(const struct view *v, sqlite3_stmt *row, struct err *err)
{
    const int64_t id = sqlite3_column_int64(row, T_ID);
    const uint64_t n = view_u64(row, T_N), docs = view_u64(row, T_DOCS);
    fprintf(v->to, "\nin the corpus of the run: %" PRIu64 " place%s in %" PRIu64 " document%s\n", n,
            n == 1 ? "" : "s", docs, docs == 1 ? "" : "s");
    int rc = put_means(v, id, err);
    rc = rc ? rc : put_gaps(v, id, err);
    bool cells = true;
    for (int i = 0; i < 4; i++) {
        cells = cells && !view_is_null(row, T_N_AB + i);
    }
    if (!rc && cells) {
        view_note(v, 2,
                  "tokens by what they and the one before are: A before B %" PRIu64
                  ", another before B %" PRIu64 ", A before another %" PRIu64 ", neither %" PRIu64,
                  view_u64(row, T_N_AB), view_u64(row, T_N_AB + 1), view_u64(row, T_N_AB + 2),
                  view_u64(row, T_N_AB + 3));
    }
    return rc;
}

// --- minimal pairs -----------------------------------------------------------------------------

static int put_fillers(const struct view *v, const char *name, const char *column, int64_t id,
                       struct err *err)
{
    char sql[256];
    int rc = 0;
    size_t at = 0; // columns written
    snprintf(sql, sizeof sql,
             "SELECT f.value, k.text FROM trigram t,"
             " json_each(iif(json_valid(t.%s), t.%s, '[]')) f LEFT JOIN token k ON k.id = f.value"
             " WHERE t.id = ?1 AND f.type = 'integer' ORDER BY f.key",
             column, column);
    sqlite3_stmt *row = view_query(v, sql, &id, &rc, err);
    while (view_step(v, row, &rc, err)) {
        const size_t n = 1 + token_columns(v, view_text(row, 1));
        if (at == 0 || at + n > v->width) {
            fprintf(v->to, at == 0 ? "  for %s:" : "\n        ", name);
            at = 8;
        }
        putc(' ', v->to);
        trigrams_put_token(v, view_text(row, 1), sqlite3_column_int64(row, 0));
        at += n;
    }
    sqlite3_finalize(row);
    fputs(at > 0 ? "\n" : "", v->to);
    return rc;
}

static void put_cells(struct table *t, sqlite3_stmt *row, int from, int digits)
{
    for (int i = 0; i < 4; i++) {
        table_signed(t, view_real(row, from + i), digits);
    }
}

/* A number and its standard error as one cell. */
static void put_with_se(struct table *t, double value, double se, int digits)
{
    if (isfinite(value) && isfinite(se)) {
        table_cell(t, "%+.*f +- %.*f", digits, value, digits, se);
    } else {
        table_signed(t, value, digits);
    }
}

static int put_models(const struct view *v, int64_t id, struct err *err)
{
    static const char *const heads[] = {"<ln P(C)", "A B",         "other B", "A other",
                                        "neither",  "interaction", "places",  "pairs"};
    struct table t = {.heads = heads, .n_columns = 8, .n_keys = 1};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_MODELS, &id, &rc, err);
    while (view_step(v, row, &rc, err)) {
        table_text(&t, view_text(row, TM_NAME));
        put_cells(&t, row, TM_LP_AB, 3);
        put_with_se(&t, view_real(row, TM_INTERACTION), view_real(row, TM_SE), 2);
        table_count(&t, view_u64(row, TM_CONTEXTS));
        table_count(&t, view_u64(row, TM_PAIRS));
        table_row(&t);
    }
    sqlite3_finalize(row);
    if (!rc && t.n_cells > 0) {
        rc = table_put(&t, v->to, 2, v->width, err);
    } else if (!rc) {
        view_note(v, 2, "no model was tested");
    }
    table_free(&t);
    return rc;
}

/* Why there are none. */
static int put_untested(const struct trigrams_view *t, sqlite3_stmt *row, struct err *err)
{
    const int64_t id = sqlite3_column_int64(row, T_ID);
    struct buf words = {0};
    double gap = NAN;
    int rc = 0;
    sqlite3_stmt *first = view_query(
        t->v, "SELECT mean_gap FROM trigram_gap WHERE trigram = ?1 AND pair = 0", &id, &rc, err);
    if (view_step(t->v, first, &rc, err)) {
        gap = view_real(first, 0);
    }
    sqlite3_finalize(first);
    rc = rc ? rc : trigram_untested_words(&words, &t->run, view_u64(row, T_DOCS), gap, err);
    if (!rc) {
        putc('\n', t->v->to);
        view_note(t->v, 0, "not tested: %s", words.data);
    }
    buf_free(&words);
    return rc;
}

static int put_pairs(const struct trigrams_view *t, sqlite3_stmt *row, struct err *err)
{
    const struct view *v = t->v;
    const int64_t id = sqlite3_column_int64(row, T_ID);
    if (sqlite3_column_int64(row, T_TESTED) != 1) {
        return put_untested(t, row, err);
    }
    fputs("\nminimal pairs: A, B or both replaced in contexts of the corpus\n", v->to);
    int rc = put_fillers(v, "A", "fillers_a", id, err);
    rc = rc ? rc : put_fillers(v, "B", "fillers_b", id, err);
    rc = rc ? rc : put_models(v, id, err);
    if (!rc) {
        view_note(v, 2,
                  "means in nats over the pairs of so many places; interaction: A B - other B - A "
                  "other + neither, +- its standard error over places");
        rc = trigrams_put_verdicts(v, 2, id, -1, err);
    }
    return rc;
}

// --- neurons -----------------------------------------------------------------------------------

static void put_neuron_name(struct table *t, sqlite3_stmt *row)
{
    table_cell(t, "L%" PRIu64 "N%" PRIu64, view_u64(row, TN_LAYER), view_u64(row, TN_IDX));
}

/* The digits that the activations of a model need; row: its neurons. */
static int digits_of(const struct view *v, sqlite3_stmt *row, const int64_t args[2], int *rc,
                     struct err *err)
{
    double most = 0;
    for (view_again(row, args); view_step(v, row, rc, err);) {
        for (int i = 0; i < 4; i++) {
            const double pairs = fabs(view_real(row, TN_AB + i)),
                         corpus = fabs(view_real(row, TN_CORPUS_AB + i));
            most = pairs > most ? pairs : most;
            most = corpus > most ? corpus : most;
        }
    }
    return trigram_digits(most, 3);
}

static void put_pairs_row(struct table *t, sqlite3_stmt *row, int digits)
{
    put_cells(t, row, TN_AB, digits);
    put_with_se(t, view_real(row, TN_INTERACTION), view_real(row, TN_SE), digits);
    table_text(t, view_text(row, TN_KIND));
}

static void put_corpus_row(struct table *t, sqlite3_stmt *row, int digits)
{
    put_cells(t, row, TN_CORPUS_AB, digits);
    table_signed(t, view_real(row, TN_CORPUS_INTERACTION), digits);
}

static void put_effect_row(struct table *t, sqlite3_stmt *row, int digits)
{
    (void)digits; // nats
    table_signed(t, view_real(row, TN_DIRECT), 3);
    table_share(t, view_real(row, TN_SHARE));
    put_with_se(t, view_real(row, TN_ABLATED), view_real(row, TN_ABLATED_SE), 3);
    table_signed(t, view_real(row, TN_ELSEWHERE), 3);
}

/* The tables of a model's neurons. */
static const struct neuron_table {
    const char *heads[7];
    size_t n_columns;
    void (*put)(struct table *t, sqlite3_stmt *row, int digits); // digits: of activations
} neuron_tables[] = {
    {{"<in the pairs", "A B", "other B", "A other", "neither", "interaction", "<kind"},
     7,
     put_pairs_row},
    {{"<in the corpus", "A B", "other B", "A other", "neither", "interaction"}, 6, put_corpus_row},
    {{"<effect on C", "direct", "share", "ablated", "elsewhere"}, 5, put_effect_row},
};

static int put_neuron_table(const struct view *v, const struct neuron_table *kind,
                            sqlite3_stmt *row, const int64_t args[2], int digits, struct err *err)
{
    struct table t = {.heads = kind->heads, .n_columns = kind->n_columns, .n_keys = 1};
    int rc = 0;
    for (view_again(row, args); view_step(v, row, &rc, err);) {
        put_neuron_name(&t, row);
        kind->put(&t, row, digits);
        table_row(&t);
    }
    rc = rc ? rc : table_put(&t, v->to, 2, v->width, err);
    table_free(&t);
    return rc;
}

/* The neurons of one model; any: were there some so far? */
static int put_neurons_of(const struct view *v, sqlite3_stmt *model, int64_t id, bool *any,
                          struct err *err)
{
    const int64_t args[] = {id, sqlite3_column_int64(model, TM_MODEL)};
    int rc = 0;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_NEURONS, args, &rc, err);
    if (view_step(v, row, &rc, err)) {
        putc('\n', v->to);
        view_note(v, 0, "neurons of %s, site %s: mean activation at B", view_text(model, TM_NAME),
                  view_text(model, TM_SITE));
        const int digits = digits_of(v, row, args, &rc, err);
        for (size_t i = 0; i < sizeof neuron_tables / sizeof *neuron_tables && !rc; i++) {
            rc = put_neuron_table(v, &neuron_tables[i], row, args, digits, err);
        }
        *any = true;
    }
    sqlite3_finalize(row);
    return rc;
}

static int put_neurons(const struct view *v, int64_t id, struct err *err)
{
    int rc = 0;
    bool any = false;
    sqlite3_stmt *model = view_query(v, SQL_TRIGRAM_MODELS, &id, &rc, err);
    while (view_step(v, model, &rc, err)) {
        rc = put_neurons_of(v, model, id, &any, err);
    }
    sqlite3_finalize(model);
    if (!rc && any) {
        view_note(v, 2,
                  "direct: what one unit of "
                  "it adds to C's logit, less the mean over the vocabulary, before the final norm; "
                  "share: of the positive part of the interaction that passes through neurons; "
                  "ablated: the mean change of ln P(C) with it set to 0 at B; elsewhere: the same "
                  "at B behind other tokens");
    }
    return rc;
}

// --- examples ----------------------------------------------------------------------------------

static void put_kind(const struct view *v, const char *kind)
{
    if (strcmp(kind, "place") == 0) {
        fprintf(v->to, "\nplaces: A and B %s, C in brackets; ln P(C)\n",
                v->colour ? "underlined" : "between guillemets");
    } else {
        fputs("\nB behind another token than A: B in brackets\n", v->to);
    }
}

static int put_examples(const struct view *v, int64_t id, size_t n, struct err *err)
{
    struct passages passages;
    char kind[16] = "";
    const int64_t args[] = {id, n < INT64_MAX ? (int64_t)n : INT64_MAX};
    int rc = passages_open(&passages, v, 0, 0, err);
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_EXAMPLES, args, &rc, err);
    while (view_step(v, row, &rc, err)) {
        if (strncmp(kind, view_text(row, TE_KIND), sizeof kind - 1) != 0) {
            snprintf(kind, sizeof kind, "%s", view_text(row, TE_KIND));
            put_kind(v, kind);
        }
        int used =
            fprintf(v->to, "  %" PRIu64 ":%" PRIu64 ":%" PRIu64 "  ", view_u64(row, TE_SHARD),
                    view_u64(row, TE_SHARD + 1), view_u64(row, TE_SHARD + 2));
        if (!view_is_null(row, TE_SAID)) {
            show_text(v->to, view_text(row, TE_SAID), 0, SIZE_MAX);
            used = fprintf(v->to, "\n      ") - 1;
        }
        rc = place_put_text(&passages, row, &trigrams_example_columns, (size_t)used, err);
    }
    sqlite3_finalize(row);
    rc = rc ? rc : passages_put_shards(&passages, err);
    passages_close(&passages);
    return rc;
}

/* The commands to go on with. */
static int put_commands(const struct view *v, int64_t id, struct err *err)
{
    int rc = 0;
    bool any = false;
    sqlite3_stmt *row = view_query(v, SQL_TRIGRAM_MODELS, &id, &rc, err);
    while (view_step(v, row, &rc, err)) {
        if (!view_is_null(row, TM_LAYER)) {
            fputs(any ? "" : "\n", v->to);
            fputs("gapscope neuron ", v->to);
            show_text(v->to, v->path, 0, SIZE_MAX);
            putc(' ', v->to);
            show_text(v->to, view_text(row, TM_NAME), 0, SIZE_MAX);
            fprintf(v->to, ":L%" PRIu64 "N%" PRIu64 "\n", view_u64(row, TM_LAYER),
                    view_u64(row, TM_IDX));
            any = true;
        }
    }
    sqlite3_finalize(row);
    return rc;
}

// --- the page ----------------------------------------------------------------------------------

static int put_text(const struct trigrams_view *t, sqlite3_stmt *row, struct err *err)
{
    const struct view *v = t->v;
    const int64_t id = sqlite3_column_int64(row, T_ID);
    const size_t n = t->o->n == SIZE_MAX ? TRIGRAMS_EXAMPLES : t->o->n;
    trigrams_put_title(v, row);
    int rc = view_put_state(v, err);
    fputs("\n\n", v->to);
    rc = rc ? rc : put_probabilities(v, row, err);
    putc('\n', v->to);
    rc = rc ? rc : put_counts(v, row, err);
    rc = rc ? rc : put_corpus(v, row, err);
    rc = rc ? rc : put_pairs(t, row, err);
    rc = rc ? rc : put_neurons(v, id, err);
    rc = rc ? rc : put_examples(v, id, n, err);
    return rc ? rc : put_commands(v, id, err);
}

static int put_json(const struct trigrams_view *t, int64_t id, struct err *err)
{
    struct jsonout j = {.to = t->v->to};
    return trigrams_json_one(t->v, &j, id, t->o->n, err);
}

int trigrams_put_page(const struct trigrams_view *t, struct err *err)
{
    const int64_t id = t->o->id < INT64_MAX ? (int64_t)t->o->id : -1;
    int rc = 0;
    sqlite3_stmt *row = view_query(t->v, SQL_TRIGRAM, &id, &rc, err);
    if (!view_step(t->v, row, &rc, err) && !rc) {
        const int64_t n = trigram_count(t->v, &rc, err);
        rc = rc ? rc
                : err_set(err, ERR_NOT_FOUND,
                          "%s: has no trigram %zu; its %" PRId64 " have the ids "
                          "that `gapscope trigrams %s --all` lists behind #",
                          t->v->path, t->o->id, n, t->v->path);
    }
    if (!rc) {
        rc = t->o->json ? put_json(t, id, err) : put_text(t, row, err);
    }
    sqlite3_finalize(row);
    return rc;
}
