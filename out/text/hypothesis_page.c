#include "out/text/hypotheses.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "corpora/base/plural.h"
#include "out/read/row_json.h"
#include "out/text/bars.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define ROWS_LABELLED 4
#define ROWS_REST 4

static const char scores_legend[] =
    "n, labelled, docs: tokens, those labelled, documents that have one; preval.: "
    "prevalence, labelled of n: the AP of a neuron that knows nothing, whose AUROC is "
    "0.5; AP: average precision; AUROC: exact within +-; threshold: of the best F1 on "
    "dev, frozen, and prec., recall, F1, MCC are of firing at it; MI: mutual "
    "information of label and activation in bits; r: correlation; mass: share of its "
    "activation above 0 that is on labelled tokens; top: share of its top examples "
    "that are labelled";

// --- the hypothesis ----------------------------------------------------------------------------

static void put_head(const struct screen *s, const struct hypothesis_page *p)
{
    const struct hypothesis_row *h = &p->hypothesis;
    char share[32];
    put_note(s, 0, "%s (%s)", h->name.data, h->kind.data);
    fputs("  ", s->to);
    show_text(s->to, p->spec_text, 0, SIZE_MAX);
    fprintf(s->to, "\nlabels %" PRIu64 " of %" PRIu64 " token%s, in %" PRIu64 " document%s",
            count_of(h->labelled_tokens), count_of(h->tokens_seen),
            plural_s(count_of(h->tokens_seen)), count_of(h->docs), plural_s(count_of(h->docs)));
    if (count_of(h->aborted) > 0) {
        fprintf(s->to, "; gave up on %" PRIu64 " more, left out", count_of(h->aborted));
    }
    fprintf(s->to, "\npredicts %s",
            hypothesis_predicts_next(h) ? "next: gaps are those of the token after the labelled one"
                                        : "this: gaps are those of the labelled token");
    table_share_text(share, sizeof share, h->prevalence);
    fprintf(s->to, "\nprevalence %s", share);
    for (enum half i = 0; i < HALVES; i++) {
        if (p->halves[i].known) {
            table_share_text(share, sizeof share, p->halves[i].prevalence);
            fprintf(s->to, ", %s half %s of %" PRIu64, half_names[i], share, p->halves[i].n);
        }
    }
    putc('\n', s->to);
    put_state(s->to, &p->state);
    putc('\n', s->to);
}

static int put_domains(const struct screen *s, const struct hypothesis_page *p, struct err *err)
{
    static const char *const heads[] = {"<domain", "tokens", "labelled", "preval."};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 1};
    if (p->n_domains == 0) {
        return 0;
    }
    for (size_t i = 0; i < p->n_domains; i++) {
        const struct hypothesis_domain *d = &p->domains[i];
        table_text(&t, d->domain.null ? "(none)" : d->domain.data);
        table_whole(&t, d->tokens_seen);
        table_whole(&t, d->labelled_tokens);
        table_share(&t, d->prevalence);
        table_row(&t);
    }
    fprintf(s->to, "\ndomains, by prevalence (%zu of %" PRId64 ")\n", p->n_domains,
            p->domains_kept);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

// --- its neurons -------------------------------------------------------------------------------

static void put_score(struct table *t, const struct score *x)
{
    table_text(t, x->neuron.data);
    table_text(t, x->split.data);
    const bool counted = x->n_pos >= 0 && x->n_neg >= 0;
    table_whole(t, counted ? (int64_t)(count_of(x->n_pos) + count_of(x->n_neg)) : -1);
    table_whole(t, x->n_pos);
    table_whole(t, x->docs_pos);
    table_share(t, x->prevalence);
    table_bounded(t, x->average_precision, x->average_precision_bound, 3);
    table_real(t, x->auroc, 4);
    table_real(t, x->auroc_bound, 4);
    table_real(t, x->threshold, 3);
    table_real(t, x->precision, 3);
    table_real(t, x->recall, 3);
    table_real(t, x->f1, 3);
    table_real(t, x->mcc, 3);
    table_real(t, x->mutual_information, 5);
    table_real(t, x->r, 3);
    table_real(t, x->mass_covered, 3);
    table_real(t, x->top_covered, 3);
    table_row(t);
}

static int put_neurons(const struct screen *s, const struct hypothesis_page *p, bool all,
                       struct err *err)
{
    static const char *const heads[] = {"<neuron", "<half", "n",  "labelled",  "docs",  "preval.",
                                        "AP",      "AUROC", "+-", "threshold", "prec.", "recall",
                                        "F1",      "MCC",   "MI", "r",         "mass",  "top"};
    // mass, r, MI, MCC, +-, n, top, F1, docs, labelled, AUROC, threshold
    static const unsigned char spare[] = {16, 15, 14, 13, 8, 2, 17, 12, 4, 3, 7, 9};
    struct table t = {
        .heads = heads, .n_columns = 18, .n_keys = 2, .spare = spare, .n_spare = sizeof spare};
    if (p->n_scores == 0) {
        return 0;
    }
    for (size_t i = 0; i < p->n_scores; i++) {
        put_score(&t, &p->scores[i]);
    }
    putc('\n', s->to);
    put_note(s, 0, "neurons, by AP on the dev half%s",
             all ? ""
                 : "; the first on every split, the others on the test half (--all: every split of "
                   "each)");
    const int rc = table_put(&t, s->to, 2, s->width, err);
    put_note(s, 2, "%s", scores_legend);
    table_free(&t);
    return rc;
}

static void put_histogram(const struct screen *s, const struct hypothesis_page *p)
{
    const uint64_t *const counts[] = {p->labelled[HALF_TEST], p->rest[HALF_TEST]};
    const uint64_t n_labelled = p->n_labelled[HALF_TEST], n_rest = p->n_rest[HALF_TEST];
    putc('\n', s->to);
    if (n_labelled + n_rest == 0) {
        put_note(s, 0,
                 "%s: no histogram of the test half is kept; only the best ten neurons of "
                 "a hypothesis and watched ones have them",
                 p->neuron_name);
        return;
    }
    struct bars bars;
    bars_fit(&bars, s, &p->bins, counts, 2, p->threshold);
    put_note(s, 0, "%s on the test half: tokens by activation, heights logarithmic",
             p->neuron_name);
    fprintf(s->to, "  labelled (%" PRIu64 ")\n", n_labelled);
    bars_put(&bars, counts[0], ROWS_LABELLED, true);
    fprintf(s->to, "  the rest (%" PRIu64 ")\n", n_rest);
    bars_put(&bars, counts[1], ROWS_REST, false);
    fputs("  the share of labelled ones at that activation\n", s->to);
    bars_put_share(&bars, counts[0], counts[1]);
    bars_put_axis(&bars);
    if (isfinite(p->threshold)) {
        put_note(s, 2, "%s the threshold, %.4g, frozen on the dev half", s->plain ? "^" : BARS_MARK,
                 p->threshold);
    }
}

// --- where they disagree -----------------------------------------------------------------------

static const char *kind_title(const char *kind)
{
    return strcmp(kind, "fires_without") == 0 ? "fires without a label, the strongest first"
           : strcmp(kind, "silent_with") == 0 ? "labelled, but silent, the weakest first"
                                              : "others";
}

static int put_counterexamples(const struct screen *s, const struct hypothesis_page *p,
                               struct err *err)
{
    struct places places = {.screen = s, .max = p->max, .min = p->min};
    const char *kind = "";
    int rc = 0;
    putc('\n', s->to);
    if (p->n_counterexamples == 0) {
        put_note(s, 0, "%s: no counterexamples are kept", p->neuron_name);
        return 0;
    }
    put_note(s, 0, "counterexamples of %s: activation, place, text", p->neuron_name);
    put_place_legend(s, true);
    for (size_t i = 0; i < p->n_counterexamples && !rc; i++) {
        const struct counterexample *c = &p->counterexamples[i];
        if (strcmp(kind, c->kind.data) != 0) {
            kind = c->kind.data;
            fprintf(s->to, " %s\n", kind_title(kind));
        }
        rc = put_place(&places, &c->place, false, err);
    }
    put_shards(&places);
    places_free(&places);
    return rc;
}

// --- the page ----------------------------------------------------------------------------------

int put_hypothesis_page(const struct screen *s, const struct hypothesis_page *p, bool chosen,
                        bool all, struct err *err)
{
    put_head(s, p);
    int rc = put_domains(s, p, err);
    if (rc) {
        return rc;
    }
    if (!p->neuron_name) {
        fputs("\nno neuron was tested\n", s->to);
        return 0;
    }
    if (p->n_ranked == 0 && !chosen) {
        putc('\n', s->to);
        put_note(s, 0,
                 "no neuron is better than another: no token of the dev half is labelled "
                 "(--neuron shows one)");
        return 0;
    }
    rc = put_neurons(s, p, all, err);
    if (rc) {
        return rc;
    }
    put_histogram(s, p);
    return put_counterexamples(s, p, err);
}

static void json_counterexamples(struct jsonout *j, const struct hypothesis_page *p)
{
    jsonout_key(j, "counterexamples");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < p->n_counterexamples; i++) {
        jsonout_begin(j, '{');
        row_json(j, &counterexample_kind, &p->counterexamples[i]);
        place_json_texts(j, &p->counterexamples[i].place);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}

void json_hypothesis_page(FILE *to, const struct hypothesis_page *p)
{
    static const char *const names[] = {"labelled", "rest"};
    static const char *const keys[HALVES] = {"histogram_dev", "histogram_test"};
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    row_json(&j, &hypothesis_kind, &p->hypothesis);
    rows_json(&j, "domains", &hypothesis_domain_kind, p->domains, p->n_domains);
    rows_json(&j, "neurons", &score_of_hypothesis, p->scores, p->n_scores);
    jsonout_key(&j, "neuron"); // what follows is of this one
    if (p->neuron_name) {
        json_text(&j, p->neuron_name);
    } else {
        jsonout_raw(&j, "null");
    }
    jsonout_key(&j, "threshold");
    jsonout_double(&j, p->threshold);
    for (size_t i = 0; i < HALVES; i++) {
        bins_json(&p->bins, &j, keys[i], (const uint64_t *[]){p->labelled[i], p->rest[i]}, names,
                  2);
    }
    json_counterexamples(&j, p);
    jsonout_end(&j, '}');
}
