#include "out/text/hypotheses.h"

#include <inttypes.h>

#include "corpora/base/plural.h"
#include "out/read/real_text.h"
#include "out/read/row_json.h"
#include "out/read/standard_error.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

static const char list_legend[] =
    "labelled, docs: tokens that it labels, documents that have one; preval.: prevalence, the "
    "share of tokens; aborted: documents on which it gave up, left out. Best neuron: the one of "
    "greatest average precision (AP) on the dev half; the numbers behind it are those of the test "
    "half; n: its labelled tokens; prec., recall: precision and recall of firing at the threshold "
    "frozen on dev. A neuron that knows nothing has the prevalence as its AP and an AUROC of 0.5";

static const char ledger_legend[] =
    "n, mean gap, se: its labelled tokens, their mean gap and its standard error (- for fewer than "
    "2 documents), in nats; of the "
    "rest: the mean gap of all other tokens; of gap: its share of the pair's summed gap; of gain: "
    "its share of the sum of gaps above 0; gap beyond, gain beyond: the share on tokens which no "
    "hypothesis before it in the file labels, so that these add up; the last line is what no "
    "hypothesis "
    "explains";

static void put_hypothesis(struct table *t, const struct hypothesis_row *h)
{
    table_text(t, h->name.data);
    table_text(t, h->kind.data);
    table_whole(t, h->labelled_tokens);
    table_whole(t, h->docs);
    table_share(t, h->prevalence);
    table_whole(t, h->aborted);
    if (h->layer == WHOLE_NULL) {
        table_text(t, "-");
    } else {
        table_cell(t, "%s:L%" PRIu64 "N%" PRIu64, h->model.data, count_of(h->layer),
                   count_of(h->idx));
    }
    table_whole(t, h->n_pos);
    table_bounded(t, h->average_precision, h->average_precision_bound, 3);
    table_real(t, h->auroc, 3);
    table_real(t, h->precision, 3);
    table_real(t, h->recall, 3);
    table_row(t);
}

static int put_list(const struct screen *s, const struct hypothesis_list *h, struct err *err)
{
    static const char *const heads[] = {"<hypothesis", "<kind",   "labelled",     "docs",
                                        "preval.",     "aborted", "<best neuron", "n",
                                        "AP",          "AUROC",   "prec.",        "recall"};
    // aborted, where no hypothesis gave up; kind, n, docs, labelled, AUROC
    static const unsigned char spare[] = {5, 1, 7, 3, 2, 9};
    bool gave_up = false;
    for (size_t i = 0; i < h->n; i++) {
        gave_up = gave_up || count_of(h->items[i].aborted) > 0;
    }
    struct table t = {.heads = heads,
                      .n_columns = 12,
                      .n_keys = 1,
                      .spare = spare + gave_up,
                      .n_spare = sizeof spare - gave_up};
    for (size_t i = 0; i < h->n; i++) {
        put_hypothesis(&t, &h->items[i]);
    }
    fprintf(s->to, "hypotheses on %" PRIu64 " token%s; ", count_of(h->tokens_seen),
            plural_s(count_of(h->tokens_seen)));
    put_state(s->to, &h->state);
    putc('\n', s->to);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    put_note(s, 2, "%s", list_legend);
    table_free(&t);
    return rc;
}

/* Names the hypotheses whose gaps are those of the next token, if there are any. */
static int put_predicts_next(const struct screen *s, const struct hypothesis_list *h,
                             struct err *err)
{
    struct buf names = {0};
    int rc = 0;
    for (size_t i = 0; i < h->n && !rc; i++) {
        if (hypothesis_predicts_next(&h->items[i])) {
            rc = buf_printf(&names, err, "%s%s", names.len ? ", " : "", h->items[i].name.data);
        }
    }
    if (!rc && names.len) {
        put_note(s, 2,
                 "predicts next: the gap is that of the token after the labelled one in its "
                 "window, and n counts those: %s; all others predict the labelled token itself",
                 names.data);
    }
    buf_free(&names);
    return rc;
}

/* Names the hypotheses whose numbers rest on few documents; of none there is nothing to say. */
static int put_few(const struct screen *s, const struct hypothesis_list *h, size_t n,
                   struct err *err)
{
    struct buf names = {0};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const struct ledger_entry *e = &h->ledger[i];
        if (count_of(e->n) > 0 && count_of(e->docs) < STANDARD_ERROR_DOCS) {
            rc = buf_printf(&names, err, "%s%s (%" PRIu64 ")", names.len > 0 ? ", " : "",
                            e->name.data, count_of(e->docs));
        }
    }
    if (!rc && names.len > 0) {
        put_note(s, 2,
                 "fewer than %d documents have a token that these label, so their gaps say "
                 "little of other texts: %s",
                 STANDARD_ERROR_DOCS, names.data);
    }
    buf_free(&names);
    return rc;
}

static int put_ledger(const struct screen *s, const struct hypothesis_list *h, size_t most,
                      struct err *err)
{
    static const char *const heads[] = {"<hypothesis", "n",       "mean gap",
                                        "se",          "rest",    "of gap",
                                        "gap beyond",  "of gain", "gain beyond"};
    struct table t = {.heads = heads, .n_columns = 9, .n_keys = 1};
    if (h->n_ledger == 0) {
        put_note(s, 2, "no gap is accounted for yet");
        return 0;
    }
    const size_t n = h->n_ledger < most ? h->n_ledger : most;
    for (size_t i = 0; i < n; i++) {
        const struct ledger_entry *e = &h->ledger[i];
        table_text(&t, e->name.data);
        table_whole(&t, e->n);
        table_signed(&t, e->mean_gap, 4);
        table_real(&t, e->se, 4);
        table_signed(&t, e->mean_gap_rest, 4);
        table_share(&t, e->share_of_gap);
        table_share(&t, e->share_beyond_earlier);
        table_share(&t, e->share_of_gain);
        table_share(&t, e->gain_beyond_earlier);
        table_row(&t);
    }
    table_text(&t, "(unexplained)");
    for (int i = 0; i < 5; i++) {
        table_text(&t, "");
    }
    table_share(&t, h->unexplained_gap);
    table_text(&t, "");
    table_share(&t, h->unexplained_gain);
    int rc = table_put(&t, s->to, 2, s->width, err);
    if (n < h->n_ledger) {
        put_note(s, 2, "the %zu of the greatest share of the gap; -n %zu shows all", n,
                 h->n_ledger);
    }
    rc = rc ? rc : put_few(s, h, n, err);
    put_note(s, 2, "%s", ledger_legend);
    table_free(&t);
    return rc ? rc : put_predicts_next(s, h, err);
}

static void put_unexplained(const struct screen *s, const struct hypothesis_list *h)
{
    fprintf(s->to, "\nthe greatest gaps that no hypothesis labels, of the %" PRId64 " kept\n",
            h->hits_kept);
    for (size_t i = 0; i < h->n_hits; i++) {
        put_hit(s, &h->hits[i]);
    }
    if (h->n_hits == 0) {
        fputs("\n  none\n", s->to);
    }
}

int put_hypotheses(const struct screen *s, const struct hypothesis_list *h, size_t most,
                   struct err *err)
{
    const struct pair *pair = h->pairs.chosen;
    int rc = put_list(s, h, err);
    if (rc || !pair || pair->tokens == 0) {
        return rc;
    }
    char mean[REAL_TEXT], se[REAL_TEXT];
    real_text(mean, pair->mean_gap, 4, true);
    real_text(se, pair->se, 4, false);
    putc('\n', s->to);
    put_note(s, 0, "the gap of %s: mean %s +- %s nats per token on %" PRIu64 " token%s", pair->name,
             mean, se, pair->tokens, plural_s(pair->tokens));
    put_other_pairs(s, &h->pairs);
    rc = put_ledger(s, h, most, err);
    if (!rc) {
        put_unexplained(s, h);
    }
    return rc;
}

void json_hypotheses(FILE *to, const struct hypothesis_list *h)
{
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    rows_json(&j, "hypotheses", &hypothesis_best_kind, h->items, h->n);
    jsonout_key(&j, "pair");
    if (h->pairs.chosen) {
        json_text(&j, h->pairs.chosen->name);
        rows_json(&j, "ledger", &ledger_kind, h->ledger, h->n_ledger);
        jsonout_key(&j, "unexplained_gap");
        jsonout_double(&j, h->unexplained_gap);
        jsonout_key(&j, "unexplained_gain");
        jsonout_double(&j, h->unexplained_gain);
        rows_json(&j, "unexplained_hits", &hit_kind, h->hits, h->n_hits);
    } else {
        jsonout_raw(&j, "null");
    }
    jsonout_end(&j, '}');
}
