#include "out/text/neuron_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "out/read/real_text.h"
#include "out/read/row_json.h"
#include "out/text/bars.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define ROWS_ALL 5
#define ROWS_LABELLED 3
#define TOKEN_MEANS_ROWS 10 // of two columns

static const char scores_legend[] =
    "preval.: prevalence, the share of tokens that are labelled, which is the AP of a "
    "neuron that knows nothing; AP: average precision, +- what the bins may move it, where that "
    "shows; prec., recall, F1: of firing at "
    "the threshold frozen on dev; r: correlation; mass: the share of its activation "
    "above 0 that is on labelled tokens; top: the share of its top examples that are "
    "labelled";

static const char credit_legend[] =
    "gap credit: what it added to the true token's logit, less the mean over the "
    "vocabulary, in nats, summed over the pair's hits in which it is among the ten "
    "neurons of most effect";

// --- its activations ---------------------------------------------------------------------------

static void put_head(const struct screen *s, const struct neuron_page *p)
{
    const struct neuron_ref *ref = &p->ref;
    const struct neuron *n = &p->neuron;
    char text[REAL_TEXT];
    put_note(s, 0,
             "%s:L%" PRId64 "N%" PRId64 ": layer %" PRId64 ", neuron %" PRId64 " of %" PRId64
             ", site %s",
             ref->model_name, ref->layer, ref->index, ref->layer, ref->index, ref->d_mlp,
             n->site.data);
    fprintf(s->to, "%" PRIu64 " token%s; ", count_of(n->n), plural_s(count_of(n->n)));
    put_state(s->to, &p->state);
    if (count_of(n->n) == 0) {
        putc('\n', s->to);
        return;
    }
    fputs("\nmean ", s->to);
    show_real(s->to, n->mean, 0, 4);
    real_text(text, n->sd, 4, false);
    fprintf(s->to, ", sd %s, min ", text);
    show_real(s->to, n->min, 0, 4);
    fputs(", max ", s->to);
    show_real(s->to, n->max, 0, 4);
    real_text(text, 100 * n->share_positive, 2, false);
    fprintf(s->to, ", above 0 on %s %%\n", text);
    real_text(text, n->skewness, 2, false);
    fprintf(s->to, "skewness %s", text);
    real_text(text, n->kurtosis, 2, false);
    fprintf(s->to, ", kurtosis %s\n", text);
    if (n->left_out > 0) {
        put_note(s, 0, "left out everywhere: %" PRIu64 " token%s where it is not finite",
                 count_of(n->left_out), plural_s(count_of(n->left_out)));
    }
}

static void put_histogram(const struct screen *s, const struct neuron_page *p)
{
    struct bars bars;
    bars_fit(&bars, s, &p->bins, (const uint64_t *[]){p->all, p->labelled}, 2, NAN);
    fputs("\nactivations: how many tokens, heights logarithmic\n", s->to);
    if (bars.n == 0) {
        fputs("  no histogram is kept\n", s->to);
        return;
    }
    bars_put(&bars, p->all, ROWS_ALL, false);
    if (p->best) {
        put_note(s, 2,
                 "tokens labelled %s (%" PRIu64
                 "), and their share of all tokens at that activation",
                 p->best, p->n_labelled);
        bars_put(&bars, p->labelled, ROWS_LABELLED, true);
        bars_put_share(&bars, p->labelled, p->rest);
    }
    bars_put_axis(&bars);
}

// --- its effects -------------------------------------------------------------------------------

/* The i-th effect of a kind; NULL: there are fewer. */
static const struct effect *effect_of(const struct neuron_page *p, const char *kind, size_t i)
{
    for (size_t k = 0; k < p->n_effects; k++) {
        if (strcmp(p->effects[k].kind.data, kind) == 0 && isfinite(p->effects[k].value) &&
            i-- == 0) {
            return &p->effects[k];
        }
    }
    return NULL;
}

/* first: of its kind. */
static void effect_cells(struct table *t, const struct effect *e, bool first)
{
    char id[32];
    if (!e) {
        table_text(t, first ? "none" : "");
        table_text(t, "");
        return;
    }
    snprintf(id, sizeof id, "<%" PRIu64 ">", count_of(e->token));
    char *label = token_label(e->token_text.data);
    table_text(t, label && *label ? label : id);
    free(label);
    table_signed(t, e->value, 3);
}

static int put_effects(const struct screen *s, const struct neuron_page *p, struct err *err)
{
    static const char *const kinds[] = {"output_top", "output_bottom", "input_top", "input_bottom"};
    static const char *const heads[] = {"<raises",    "logit", "<lowers",  "logit",
                                        "<driven by", "input", "<held by", "input"};
    struct table t = {.heads = heads, .n_columns = p->has_inputs ? 8 : 4, .group = 2};
    const size_t n_kinds = t.n_columns / 2;
    int rc = 0;
    bool more = true;
    for (size_t i = 0; more; i++) {
        more = i == 0 && p->has_inputs;
        for (size_t k = 0; k < n_kinds; k++) {
            more = more || effect_of(p, kinds[k], i);
        }
        for (size_t k = 0; more && k < n_kinds; k++) {
            effect_cells(&t, effect_of(p, kinds[k], i), i == 0);
        }
    }
    if (p->writes_nothing) {
        fputs("\ntokens: it writes nothing, so no token is raised or lowered in the output\n",
              s->to);
    }
    if (t.n_cells > 0) {
        fputs(p->writes_nothing ? ""
              : p->has_inputs
                  ? "\ntokens: raised and lowered in the output; what drives it and holds it down\n"
                  : "\ntokens: raised and lowered in the output\n",
              s->to);
        rc = table_put(&t, s->to, 2, s->width, err);
    }
    table_free(&t);
    return rc;
}

/* Its mean at single tokens, in two columns. */
static int put_token_means(const struct screen *s, const struct neuron_page *p, struct err *err)
{
    static const char *const heads[] = {"<token", "n", "mean", "<token", "n", "mean"};
    struct table t = {.heads = heads, .n_columns = 6, .group = 3};
    const size_t most =
        p->n_token_means < TOKEN_MEANS_ROWS * 2 ? p->n_token_means : TOKEN_MEANS_ROWS * 2;
    const size_t n_rows = (most + 1) / 2;
    if (p->n_token_means == 0) {
        return 0;
    }
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t at = i; at < i + 2 * n_rows; at += n_rows) {
            if (at >= most) {
                table_text(&t, "");
                table_text(&t, "");
                table_text(&t, "");
                continue;
            }
            const struct token_mean *m = &p->token_means[at];
            char id[32];
            snprintf(id, sizeof id, "<%" PRIu64 ">", count_of(m->token));
            char *label = token_label(m->token_text.null ? "" : m->token_text.data);
            table_text(&t, label && *label ? label : id);
            free(label);
            table_whole(&t, m->n);
            table_signed(&t, m->mean, 4);
        }
    }
    putc('\n', s->to);
    put_note(s, 0,
             "mean at single tokens, the greatest of %" PRIu64
             " frequent ones, where n is at least 5%s",
             count_of(p->n_mean_tokens), most < p->n_token_means ? " (--json has 50)" : "");
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

// --- its hypotheses ----------------------------------------------------------------------------

static int put_scores(const struct screen *s, const struct neuron_page *p, struct err *err)
{
    static const char *const heads[] = {"<hypothesis", "labelled", "preval.", "AP",
                                        "AUROC",       "prec.",    "recall",  "F1",
                                        "r",           "mass",     "top"};
    static const unsigned char spare[] = {8, 9, 1, 10, 7, 4}; // r, mass, labelled, top, F1, AUROC
    struct table t = {
        .heads = heads, .n_columns = 11, .n_keys = 1, .spare = spare, .n_spare = sizeof spare};
    uint64_t n = 0;
    if (p->n_best_scores == 0) {
        return 0;
    }
    for (size_t i = 0; i < p->n_best_scores; i++) {
        const struct score *x = &p->best_scores[i];
        n = n > 0 ? n : count_of(x->n_pos) + count_of(x->n_neg);
        table_text(&t, x->name.data);
        table_whole(&t, x->n_pos);
        table_share(&t, x->prevalence);
        table_bounded(&t, x->average_precision, x->average_precision_bound, 3);
        const double reals[] = {x->auroc, x->precision,    x->recall,     x->f1,
                                x->r,     x->mass_covered, x->top_covered};
        for (size_t k = 0; k < sizeof reals / sizeof *reals; k++) {
            table_real(&t, reals[k], 3);
        }
        table_row(&t);
    }
    putc('\n', s->to);
    put_note(s, 0,
             "hypotheses, best first: by how far AP is above prevalence on the dev half; shown: "
             "the test half, %" PRIu64 " token%s",
             n, plural_s(n));
    const int rc = table_put(&t, s->to, 2, s->width, err);
    put_note(s, 2, "%s", scores_legend);
    table_free(&t);
    return rc;
}

/* What suggest made for it, and how it was judged. */
static void put_suggestion(const struct screen *s, const struct neuron_page *p)
{
    const struct suggested *x = &p->suggestion;
    char ap[REAL_TEXT], precision[REAL_TEXT], recall[REAL_TEXT], f1[REAL_TEXT];
    if (!p->has_suggestion) {
        return;
    }
    putc('\n', s->to);
    put_note(s, 0, "suggested: %s: AP %s, precision %s, recall %s, F1 %s on the test half",
             x->name.data, real_text(ap, x->average_precision, 3, false),
             real_text(precision, x->precision, 3, false), real_text(recall, x->recall, 3, false),
             real_text(f1, x->f1, 3, false));
    put_note(s, 2, "%s", json_object_to_json_string_ext(x->spec, JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* "base64 covers 14, then digits 3 more; " */
static int add_steps(const struct cover *c, struct buf *text, struct err *err)
{
    int rc = buf_printf(text, err, "%s", "");
    for (size_t i = 0; i < c->n_steps && !rc; i++) {
        const struct cover_rule *r = &c->rules[c->steps[i]];
        rc = buf_printf(text, err, i == 0 ? "%s covers %zu" : ", then %s %zu more", r->name,
                        r->more);
    }
    return rc || c->n_steps == 0 ? rc : buf_printf(text, err, "; ");
}

static int add_broad(const struct cover *c, struct buf *text, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->n_rules && !rc; i++) {
        const struct cover_rule *r = &c->rules[i];
        if (r->labelled > 0 && cover_is_broad(r)) {
            rc = buf_printf(text, err, "%s%s (%.0f %% of all tokens; examples: %zu)",
                            text->len > 0 ? ", " : "", r->name, 100 * r->prevalence, r->labelled);
        }
    }
    return rc;
}

/* "top 20 examples: base64 covers 14, then digits 3 more; 3 by none" */
static int put_cover(const struct screen *s, const struct cover *c, struct err *err)
{
    struct buf text = {0};
    if (c->n_examples == 0 || c->n_rules == 0) {
        return 0;
    }
    putc('\n', s->to);
    int rc = add_steps(c, &text, err);
    if (rc) {
        goto out;
    }
    put_note(s, 0, "top %zu examples: %.*s%zu by none", c->n_examples, (int)text.len, text.data,
             c->n_none);
    text.len = 0;
    rc = add_broad(c, &text, err);
    if (!rc && text.len > 0) {
        put_note(s, 2, "left out as too broad: %.*s", (int)text.len, text.data);
    }
out:
    buf_free(&text);
    return rc;
}

/* What it did where its model was better. */
static int put_credit(const struct screen *s, const struct neuron_page *p, struct err *err)
{
    static const char *const heads[] = {"<pair", "credit", "hits", "of"};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 1};
    if (p->n_credit == 0) {
        return 0;
    }
    for (size_t i = 0; i < p->n_credit; i++) {
        table_text(&t, p->credit[i].pair.data);
        table_signed(&t, p->credit[i].credit, 2);
        table_whole(&t, p->credit[i].hits);
        table_whole(&t, p->credit[i].of_hits);
        table_row(&t);
    }
    putc('\n', s->to);
    put_note(s, 0, "%s", credit_legend);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

// --- its examples ------------------------------------------------------------------------------

static const char *kind_title(const char *kind)
{
    return strcmp(kind, "top") == 0        ? "the strongest"
           : strcmp(kind, "interval") == 0 ? "from each eighth of its range, from the highest"
           : strcmp(kind, "random") == 0   ? "at random"
           : strcmp(kind, "bottom") == 0   ? "the lowest"
                                           : "others";
}

static int put_examples(const struct screen *s, const struct neuron_page *p, struct err *err)
{
    struct places places = {.screen = s, .max = p->neuron.max, .min = p->neuron.min};
    const char *kind = "";
    int rc = 0;
    if (p->n_examples == 0) {
        return 0;
    }
    fputs("\nexamples: activation, place, text\n", s->to);
    put_place_legend(s, false);
    for (size_t i = 0; i < p->n_examples && !rc; i++) {
        const struct neuron_example *e = &p->examples[i];
        if (strcmp(kind, e->kind.data) != 0) {
            kind = e->kind.data;
            fprintf(s->to, " %s\n", kind_title(kind));
        }
        rc = put_place(&places, &e->place, strcmp(kind, "bottom") == 0, err);
    }
    put_shards(&places);
    places_free(&places);
    return rc;
}

int put_neuron_page(const struct screen *s, const struct neuron_page *p, struct err *err)
{
    put_head(s, p);
    put_histogram(s, p);
    int rc = put_effects(s, p, err);
    rc = rc ? rc : put_token_means(s, p, err);
    put_suggestion(s, p);
    rc = rc ? rc : put_scores(s, p, err);
    rc = rc ? rc : put_cover(s, &p->cover, err);
    rc = rc ? rc : put_credit(s, p, err);
    return rc ? rc : put_examples(s, p, err);
}

// --- JSON --------------------------------------------------------------------------------------

static void json_examples(struct jsonout *j, const struct neuron_page *p)
{
    jsonout_key(j, "examples");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < p->n_examples; i++) {
        jsonout_begin(j, '{');
        row_json(j, &neuron_example_kind, &p->examples[i]);
        place_json_texts(j, &p->examples[i].place);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

void json_neuron_page(FILE *to, const struct neuron_page *p)
{
    static const char *const names[] = {"n", "labelled", "rest"};
    const uint64_t *const counts[] = {p->all, p->labelled, p->rest};
    struct jsonout j = {.to = to};
    char name[48];
    snprintf(name, sizeof name, "L%" PRId64 "N%" PRId64, p->ref.layer, p->ref.index);
    jsonout_begin(&j, '{');
    jsonout_key(&j, "model");
    json_text(&j, p->ref.model_name);
    jsonout_key(&j, "neuron");
    jsonout_string(&j, name);
    row_json(&j, &neuron_kind, &p->neuron);
    jsonout_key(&j, "histogram_hypothesis"); // 'labelled' and 'rest' are of this one
    if (p->best) {
        json_text(&j, p->best);
    } else {
        jsonout_raw(&j, "null");
    }
    bins_json(&p->bins, &j, "histogram", counts, names, p->best ? 3 : 1);
    rows_json(&j, "effects", &effect_kind, p->effects, p->n_effects);
    rows_json(&j, "token_means", &token_mean_kind, p->token_means, p->n_token_means);
    rows_json(&j, "scores", &score_of_neuron, p->scores, p->n_scores);
    rows_json(&j, "gap_credit", &gap_credit_kind, p->credit, p->n_credit);
    if (p->has_suggestion) {
        jsonout_key(&j, "suggestion");
        jsonout_begin(&j, '{');
        row_json(&j, &suggested_kind, &p->suggestion);
        jsonout_end(&j, '}');
    }
    cover_json(&p->cover, &j);
    json_examples(&j, p);
    jsonout_end(&j, '}');
}
