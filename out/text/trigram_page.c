#include "out/text/trigrams.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/real_text.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define TOKEN_CHARS 40 // shown of one
#define BAR 20         // columns of a probability of 1

static const char neurons_legend[] =
    "direct: what one unit of it adds to C's logit, less the mean over the vocabulary, before the "
    "final norm; share: of the positive part of the interaction that passes through neurons; "
    "ablated: the mean change of ln P(C) with it set to 0 at B; elsewhere: the same at B behind "
    "other tokens";

static const char pairs_legend[] =
    "means in nats over the minimal pairs of the given number of places; interaction: A B - other "
    "B - A other + neither, +- its standard error over places";

// --- names -------------------------------------------------------------------------------------

/* Characters that are shown of one, so that three of them stand on a line. */
static size_t token_chars(const struct screen *s)
{
    const size_t third = (s->width - 20) / 3 - 3;
    return third < TOKEN_CHARS ? third : TOKEN_CHARS;
}

/* A token between quotes, so that its spaces are seen; id: where it has no text. */
static void put_token(const struct screen *s, const char *text, int64_t id)
{
    const size_t most = token_chars(s);
    if (!*text) {
        fprintf(s->to, "<%" PRId64 ">", id);
        return;
    }
    putc('"', s->to);
    show_text(s->to, text, 0, most);
    fputs(show_count(text) > most ? "\xe2\x80\xa6\"" : "\"", s->to);
}

/* Columns that it takes at most. */
static size_t token_columns(const struct screen *s, const char *text)
{
    const size_t most = token_chars(s);
    return !*text ? 22 : 3 + (show_count(text) > most ? 2 * most : show_width(text));
}

void put_trigram_title(const struct screen *s, const struct trigram_row *t)
{
    static const char *const between[] = {"", " ", " -> "};
    fprintf(s->to, "%s#%" PRIu64 "  ", s->colour ? "\x1b[1m" : "", count_of(t->id));
    for (int i = 0; i < 3; i++) {
        fputs(between[i], s->to);
        put_token(s, t->texts[i].data, (int64_t)count_of(t->abc[i]));
    }
    fputs(s->colour ? "\x1b[0m\n" : "\n", s->to);
}

void put_verdicts(const struct screen *s, size_t indent, const struct trigram_page *p,
                  int64_t model)
{
    for (size_t i = 0; i < p->n_models; i++) {
        const struct trigram_model *m = &p->models[i];
        if (model < 0 || model == m->model) {
            put_note(s, indent, "%s: %s", m->name.data, m->words);
        }
    }
}

// --- counts ------------------------------------------------------------------------------------

static int put_counts(const struct screen *s, const struct trigram_row *row, struct err *err)
{
    static const char *const names[] = {"A B C", "A B", "B C", "B", "C"};
    static const char *const heads[] = {"<of", "counted"};
    struct table t = {.heads = heads, .n_columns = 2};
    for (int i = 0; i < 5; i++) {
        table_text(&t, names[i]);
        if (row->counts[i] == WHOLE_NULL) {
            table_text(&t, "-");
        } else {
            table_count(&t, (uint64_t)row->counts[i]);
        }
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

/* Full blocks and one of eighths, of BAR for 1; plain: as many #, or a dot. */
static void put_bar(struct table *t, double p, bool plain)
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
    if (plain) {
        memset(text, '#', (size_t)(eighths + 4) / 8);
        table_text(t, eighths > 0 && eighths < 4 ? "." : text);
        return;
    }
    for (int i = 0; i < eighths / 8; i++) {
        memcpy(text + (size_t)i * 3, "\xe2\x96\x88", 4);
    }
    strcat(text, blocks[eighths % 8]);
    table_text(t, text);
}

static int put_probabilities(const struct screen *s, const struct trigram_row *row, struct err *err)
{
    static const char *const heads[] = {"<P(C) given", "counts say", "<"};
    const struct {
        const char *name;
        double p;
    } rows[] = {{"both, A and B", row->p},        {"B alone", row->p_bigram},
                {"A 2 before", row->p_skip[0]},   {"A 3-4 before", row->p_skip[1]},
                {"A 5-8 before", row->p_skip[2]}, {"A 9-16 before", row->p_skip[3]},
                {"B and A added", row->p_added}};
    struct table t = {.heads = heads, .n_columns = 3};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        table_text(&t, rows[i].name);
        if (fabs(rows[i].p) < 1e6) {
            table_real(&t, rows[i].p, 4);
        } else {
            table_text(&t, "-");
        }
        put_bar(&t, rows[i].p, s->plain);
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

// --- in this corpus ----------------------------------------------------------------------------

static int put_gaps(const struct screen *s, const struct trigram_page *p, struct err *err)
{
    static const char *const heads[] = {"<pair", "mean gap", "se"};
    struct table t = {.heads = heads, .n_columns = 3, .n_keys = 1};
    if (p->n_gaps == 0) {
        return 0;
    }
    for (size_t i = 0; i < p->n_gaps; i++) {
        table_text(&t, p->gaps[i].name.data);
        table_signed(&t, p->gaps[i].mean_gap, 4);
        table_real(&t, p->gaps[i].se, 4);
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

static int put_corpus(const struct screen *s, const struct trigram_page *p, struct err *err)
{
    const struct trigram_row *row = &p->trigram;
    const uint64_t n = count_of(row->n), docs = count_of(row->docs);
    fprintf(s->to, "\nin the corpus of the run: %" PRIu64 " place%s in %" PRIu64 " document%s%s\n",
            n, n == 1 ? "" : "s", docs, docs == 1 ? "" : "s", trigram_few(docs));
    if (!p->mean_list.null) {
        put_note(s, 2, "mean ln P(C): %s", p->mean_list.data);
    }
    const int rc = put_gaps(s, p, err);
    bool cells = !rc;
    for (int i = 0; i < AT_CELLS; i++) {
        cells = cells && row->cells[i] != WHOLE_NULL;
    }
    if (cells) {
        put_note(s, 2,
                 "tokens by what they and the one before are: A before B %" PRIu64
                 ", another before B %" PRIu64 ", A before another %" PRIu64 ", neither %" PRIu64,
                 count_of(row->cells[AT_AB]), count_of(row->cells[AT_XB]),
                 count_of(row->cells[AT_AX]), count_of(row->cells[AT_XX]));
    }
    return rc;
}

// --- minimal pairs -----------------------------------------------------------------------------

static void put_fillers(const struct screen *s, const char *name, const struct filler *fillers,
                        size_t n)
{
    size_t at = 0; // columns written
    for (size_t i = 0; i < n; i++) {
        const size_t columns = 1 + token_columns(s, fillers[i].token_text.data);
        if (at == 0 || at + columns > s->width) {
            fprintf(s->to, at == 0 ? "  for %s:" : "\n        ", name);
            at = 8;
        }
        putc(' ', s->to);
        put_token(s, fillers[i].token_text.data, (int64_t)count_of(fillers[i].token));
        at += columns;
    }
    fputs(at > 0 ? "\n" : "", s->to);
}

static void put_cells(struct table *t, const double cells[AT_CELLS], int digits)
{
    for (int i = 0; i < AT_CELLS; i++) {
        table_signed(t, cells[i], digits);
    }
}

/* A number and its standard error as one cell. */
static void put_with_se(struct table *t, double value, double se, int digits)
{
    char text[REAL_TEXT];
    if (isfinite(value)) {
        table_cell(t, "%+.*f +- %s", digits, value, real_text(text, se, digits, false));
    } else {
        table_signed(t, value, digits);
    }
}

static int put_models(const struct screen *s, const struct trigram_page *p, struct err *err)
{
    static const char *const heads[] = {"<ln P(C)", "A B",         "other B", "A other",
                                        "neither",  "interaction", "places",  "pairs"};
    struct table t = {.heads = heads, .n_columns = 8, .n_keys = 1};
    if (p->n_models == 0) {
        put_note(s, 2, "no model was tested");
        return 0;
    }
    for (size_t i = 0; i < p->n_models; i++) {
        const struct trigram_model *m = &p->models[i];
        table_text(&t, m->name.data);
        put_cells(&t, m->logprob, 3);
        put_with_se(&t, m->interaction, m->se, 2);
        table_whole(&t, m->contexts);
        table_whole(&t, m->pairs);
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

/* Why there are none. */
static int put_untested(const struct screen *s, const struct trigram_page *p,
                        const struct trigram_run *run, struct err *err)
{
    struct buf words = {0};
    const struct trigram_pair_gap *first = trigram_gap_of(p, 0);
    const int rc = trigram_untested_words(&words, run, count_of(p->trigram.docs),
                                          first ? first->mean_gap : NAN, err);
    if (!rc) {
        putc('\n', s->to);
        put_note(s, 0, "not tested: %s", words.data);
    }
    buf_free(&words);
    return rc;
}

static int put_pairs(const struct screen *s, const struct trigram_page *p,
                     const struct trigram_run *run, struct err *err)
{
    if (p->trigram.tested != 1) {
        return put_untested(s, p, run, err);
    }
    fputs("\nminimal pairs: A, B or both replaced in contexts of the corpus\n", s->to);
    put_fillers(s, "A", p->fillers[0], p->n_fillers[0]);
    put_fillers(s, "B", p->fillers[1], p->n_fillers[1]);
    const int rc = put_models(s, p, err);
    if (!rc) {
        put_note(s, 2, "%s", pairs_legend);
        put_verdicts(s, 2, p, -1);
    }
    return rc;
}

// --- neurons -----------------------------------------------------------------------------------

/* The digits that the activations of a model need. */
static int digits_of(const struct trigram_model *m)
{
    double most = 0;
    for (size_t i = 0; i < m->n_neurons; i++) {
        for (int k = 0; k < AT_CELLS; k++) {
            const double pairs = fabs(m->neurons[i].pairs[k]),
                         corpus = fabs(m->neurons[i].corpus[k]);
            most = pairs > most ? pairs : most;
            most = corpus > most ? corpus : most;
        }
    }
    return trigram_digits(most, 3);
}

static void put_pairs_row(struct table *t, const struct trigram_neuron_row *n, int digits)
{
    put_cells(t, n->pairs, digits);
    put_with_se(t, n->interaction, n->se, digits);
    table_text(t, n->kind.data);
}

static void put_corpus_row(struct table *t, const struct trigram_neuron_row *n, int digits)
{
    put_cells(t, n->corpus, digits);
    table_signed(t, n->corpus_interaction, digits);
}

static void put_effect_row(struct table *t, const struct trigram_neuron_row *n, int digits)
{
    (void)digits; // nats
    table_signed(t, n->direct, 3);
    table_share(t, n->share);
    put_with_se(t, n->ablated, n->ablated_se, 3);
    table_signed(t, n->ablated_elsewhere, 3);
}

/* The tables of a model's neurons. */
static const struct neuron_table {
    const char *heads[7];
    size_t n_columns;
    void (*put)(struct table *t, const struct trigram_neuron_row *n, int digits); // of activations
} neuron_tables[] = {
    {{"<in the pairs", "A B", "other B", "A other", "neither", "interaction", "<kind"},
     7,
     put_pairs_row},
    {{"<in the corpus", "A B", "other B", "A other", "neither", "interaction"}, 6, put_corpus_row},
    {{"<effect on C", "direct", "share", "ablated", "elsewhere"}, 5, put_effect_row},
};

static int put_neuron_table(const struct screen *s, const struct neuron_table *kind,
                            const struct trigram_model *m, int digits, struct err *err)
{
    struct table t = {.heads = kind->heads, .n_columns = kind->n_columns, .n_keys = 1};
    for (size_t i = 0; i < m->n_neurons; i++) {
        const struct trigram_neuron_row *n = &m->neurons[i];
        table_cell(&t, "L%" PRIu64 "N%" PRIu64, count_of(n->layer), count_of(n->idx));
        kind->put(&t, n, digits);
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

static int put_neurons(const struct screen *s, const struct trigram_page *p, struct err *err)
{
    int rc = 0;
    bool any = false;
    for (size_t i = 0; i < p->n_models; i++) {
        const struct trigram_model *m = &p->models[i];
        if (m->n_neurons == 0) {
            continue;
        }
        any = true;
        putc('\n', s->to);
        put_note(s, 0, "neurons of %s, site %s: mean activation at B", m->name.data, m->site.data);
        for (size_t k = 0; k < sizeof neuron_tables / sizeof *neuron_tables && !rc; k++) {
            rc = put_neuron_table(s, &neuron_tables[k], m, digits_of(m), err);
        }
    }
    if (!rc && any) {
        put_note(s, 2, "%s", neurons_legend);
    }
    return rc;
}

// --- examples ----------------------------------------------------------------------------------

static void put_kind(const struct screen *s, const char *kind)
{
    if (strcmp(kind, "place") == 0) {
        fprintf(s->to, "\nplaces: A and B %s, C in brackets; ln P(C)\n",
                s->colour ? "underlined" : "between guillemets");
    } else {
        fputs("\nB behind another token than A: B in brackets\n", s->to);
    }
}

static int put_examples(const struct screen *s, const struct trigram_page *p, struct err *err)
{
    struct places places = {.screen = s};
    const char *kind = "";
    int rc = 0;
    for (size_t i = 0; i < p->n_examples && !rc; i++) {
        const struct trigram_example *e = &p->examples[i];
        if (strcmp(kind, e->kind.data) != 0) {
            kind = e->kind.data;
            put_kind(s, kind);
        }
        int used =
            fprintf(s->to, "  %" PRIu64 ":%" PRIu64 ":%" PRIu64 "  ", count_of(e->place.shard),
                    count_of(e->place.doc), count_of(e->place.byte_start));
        if (!e->logprob_list.null) {
            show_text(s->to, e->logprob_list.data, 0, SIZE_MAX);
            used = fprintf(s->to, "\n      ") - 1;
        }
        rc = put_place_text(&places, &e->place, (size_t)used, err);
    }
    put_shards(&places);
    places_free(&places);
    return rc;
}

/* The commands that show the named neurons. */
static void put_commands(const struct screen *s, const struct trigram_page *p, const char *path)
{
    bool any = false;
    for (size_t i = 0; i < p->n_models; i++) {
        const struct trigram_model *m = &p->models[i];
        if (m->layer == WHOLE_NULL) {
            continue;
        }
        fputs(any ? "" : "\n", s->to);
        fputs("gapscope neuron ", s->to);
        show_text(s->to, path, 0, SIZE_MAX);
        putc(' ', s->to);
        show_text(s->to, m->name.data, 0, SIZE_MAX);
        fprintf(s->to, ":L%" PRIu64 "N%" PRIu64 "\n", count_of(m->layer), count_of(m->idx));
        any = true;
    }
}

// --- the page ----------------------------------------------------------------------------------

int put_trigram_page(const struct screen *s, const struct trigram_page *p,
                     const struct trigram_run *run, const struct run_state *state, const char *path,
                     struct err *err)
{
    put_trigram_title(s, &p->trigram);
    put_state(s->to, state);
    fputs("\n\n", s->to);
    int rc = put_probabilities(s, &p->trigram, err);
    putc('\n', s->to);
    rc = rc ? rc : put_counts(s, &p->trigram, err);
    rc = rc ? rc : put_corpus(s, p, err);
    rc = rc ? rc : put_pairs(s, p, run, err);
    rc = rc ? rc : put_neurons(s, p, err);
    rc = rc ? rc : put_examples(s, p, err);
    if (!rc) {
        put_commands(s, p, path);
    }
    return rc;
}
