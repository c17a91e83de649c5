#include "out/text/heads.h"

#include <inttypes.h>
#include <string.h>

#include "corpora/base/plural.h"
#include "out/read/real_text.h"
#include "out/read/row_json.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

static const char legend[] =
    "loss: nats per token without the head, of scan --ablate heads; dla: direct logit attribution, "
    "what it adds to the true token's logit less the mean logit; bos, self, prev.: mean attention "
    "to "
    "BOS, the token itself, the one before; dupl., induct.: to earlier places of the same token, "
    "and "
    "to what follows them, over tokens that have any; copying: -1 to 1, of its OV circuit; kind: "
    "by "
    "its scores on random tokens that repeat, 0.4 and more; entropy in nats; dist.: tokens back; "
    "norm: of what it writes";

/* Are all rows of one model? */
static bool one_model(const struct head_row *rows, size_t n)
{
    bool one = true;
    for (size_t i = 1; i < n; i++) {
        one = one && rows[i].model_id == rows[0].model_id;
    }
    return one;
}

static bool has_loss(const struct head_row *rows, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || !rows[i].ablation.null;
    }
    return any;
}

int put_heads(const struct screen *s, const struct head_row *rows, size_t n, struct err *err)
{
    static const char *const heads[] = {"<model",  "<head",   "<kind", "loss",  "se",    "dla",
                                        "se",      "bos",     "self",  "prev.", "dupl.", "induct.",
                                        "copying", "entropy", "dist.", "norm"};
    static const unsigned char spare[] = {15, 13, 6, 14, 8, 7}; // norm, entropy, se of dla, ...
    const bool model = !one_model(rows, n), loss = has_loss(rows, n);
    struct table t = {
        .heads = heads, .n_columns = 16, .n_keys = 2, .spare = spare, .n_spare = sizeof spare};
    for (size_t i = 0; i < n; i++) {
        const struct head_row *h = &rows[i];
        table_text(&t, h->model.data);
        table_text(&t, h->head.data);
        table_text(&t, h->kind.len > 0 ? h->kind.data : "-");
        table_signed(&t, h->loss, 4);
        table_real(&t, h->loss_se, 4);
        table_signed(&t, h->dla, 4);
        table_real(&t, h->dla_se, 4);
        const double reals[] = {h->to_bos,       h->to_self,       h->to_previous, h->to_duplicate,
                                h->to_induction, h->copying_score, h->entropy};
        for (size_t k = 0; k < sizeof reals / sizeof *reals; k++) {
            table_real(&t, reals[k], 3);
        }
        table_real(&t, h->distance, 1);
        table_real(&t, h->out_norm, 3);
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 0, s->width, err);
    table_free(&t);
    putc('\n', s->to);
    put_note(s, 0, "%s", legend);
    put_note(s, 0, "gapscope head RUN.DB %s%s has a head's page%s", model ? "MODEL:" : "", "L1H3",
             loss ? "" : "; scan --ablate heads also says what is lost without each");
    return rc;
}

void json_heads(FILE *to, const struct head_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct jsonout j = {.to = to};
        jsonout_begin(&j, '{');
        row_json(&j, &head_row_kind, &rows[i]);
        jsonout_end(&j, '}');
    }
}

// --- a page -------------------------------------------------------------------------------------

static void put_head(const struct screen *s, const struct head_page *p)
{
    const struct head_row *h = p->head;
    put_note(s, 0, "%s:%s: layer %" PRId64 ", head %" PRId64 "%s%s", h->model.data, h->head.data,
             h->layer, h->idx, h->kind.len > 0 ? ", " : "", h->kind.data);
    fprintf(s->to, "%" PRIu64 " token%s; ", count_of(h->n), plural_s(count_of(h->n)));
    put_state(s->to, &p->state);
    putc('\n', s->to);
    if (count_of(h->n_beyond) > 0) {
        put_note(s, 0,
                 "left out: %" PRIu64 " token%s with a number that is not finite or too large",
                 count_of(h->n_beyond), plural_s(count_of(h->n_beyond)));
    }
    if (!h->ablation.null) {
        char loss[REAL_TEXT], se[REAL_TEXT];
        put_note(s, 0, "loss without it (%s): %s +- %s nats per token", h->ablation.data,
                 real_text(loss, h->loss, 4, true), real_text(se, h->loss_se, 4, false));
    }
}

/* Where it looks, in text and on random tokens that repeat; what it writes. */
static int put_numbers(const struct screen *s, const struct head_row *h, struct err *err)
{
    static const char *const heads[] = {"<attention to", "in text", "on repeated random tokens"};
    const struct {
        const char *name;
        double text, score;
    } rows[] = {
        {"BOS", h->to_bos, h->bos_score},
        {"the token itself", h->to_self, h->self_score},
        {"the token before", h->to_previous, h->previous_token_score},
        {"earlier places of the token", h->to_duplicate, h->duplicate_token_score},
        {"what follows these (induction)", h->to_induction, h->induction_score},
    };
    struct table t = {.heads = heads, .n_columns = 3, .n_keys = 1};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        table_text(&t, rows[i].name);
        table_real(&t, rows[i].text, 4);
        table_real(&t, rows[i].score, 4);
        table_row(&t);
    }
    fputs("\nwhere it looks: mean attention\n", s->to);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    char entropy[REAL_TEXT], distance[REAL_TEXT];
    put_note(
        s, 2,
        "entropy %s nats, %s tokens back on average; the last two in text are over the %" PRIu64
        " tokens that stand earlier in their window",
        real_text(entropy, h->entropy, 3, false), real_text(distance, h->distance, 1, false),
        count_of(h->n_repeat));
    putc('\n', s->to);
    char norm[REAL_TEXT], dla[REAL_TEXT], se[REAL_TEXT], copying[REAL_TEXT], raw[REAL_TEXT];
    put_note(s, 0,
             "what it writes: |z W_O| %s; direct logit attribution %s +- %s; copying score %s (of "
             "the weights as stored %s)",
             real_text(norm, h->out_norm, 3, false), real_text(dla, h->dla, 4, true),
             real_text(se, h->dla_se, 4, false), real_text(copying, h->copying_score, 3, false),
             real_text(raw, h->copying_raw, 3, false));
    return rc;
}

static int put_labels(const struct screen *s, const struct head_page *p, struct err *err)
{
    static const char *const heads[] = {"<hypothesis",     "labelled",   "dla there", "elsewhere",
                                        "attention to it", "loss there", "se",        "elsewhere"};
    struct table t = {.heads = heads, .n_columns = p->head->ablation.null ? 5 : 8, .n_keys = 1};
    if (p->n_labels == 0) {
        return 0;
    }
    for (size_t i = 0; i < p->n_labels; i++) {
        const struct head_label_row *x = &p->labels[i];
        table_text(&t, x->name.data);
        table_whole(&t, x->n);
        table_signed(&t, x->dla, 4);
        table_signed(&t, x->dla_rest, 4);
        table_real(&t, x->to_label, 4);
        if (t.n_columns == 8) {
            table_signed(&t, x->loss, 4);
            table_real(&t, x->loss_se, 4);
            table_signed(&t, x->loss_rest, 4);
        }
        table_row(&t);
    }
    fputs("\nhypotheses\n", s->to);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    put_note(
        s, 2,
        "dla there: where the label is about the token that is predicted; attention to it: mean "
        "share of a token's attention that labelled tokens get%s",
        t.n_columns == 8 ? "; loss: the gap of the whole model over the one without the head" : "");
    return rc;
}

static int put_examples(const struct screen *s, const struct head_page *p, struct err *err)
{
    static const char *const kinds[][2] = {{"helps", "where it helps most"},
                                           {"hurts", "where it hurts most"},
                                           {"random", "at random"}};
    struct places places = {.screen = s, .max = 1, .min = 0};
    const char *kind = "";
    int rc = 0;
    if (p->n_examples == 0) {
        return 0;
    }
    fputs(
        "\nexamples: dla of the next token, place, text; shades: the five places that it looks at "
        "most\n",
        s->to);
    for (size_t i = 0; i < p->n_examples && !rc; i++) {
        const struct head_example *e = &p->examples[i];
        for (size_t k = 0; strcmp(kind, e->kind.data) != 0 && k < 3; k++) {
            if (strcmp(kinds[k][0], e->kind.data) == 0) {
                fprintf(s->to, " %s\n", kinds[k][1]);
            }
        }
        kind = e->kind.data;
        rc = put_place(&places, &e->place, false, err);
        put_note(s, 6, "looks %s", e->said && *e->said ? e->said : "(damaged)");
    }
    put_shards(&places);
    places_free(&places);
    return rc;
}

int put_head_page(const struct screen *s, const struct head_page *p, struct err *err)
{
    put_head(s, p);
    int rc = put_numbers(s, p->head, err);
    rc = rc ? rc : put_labels(s, p, err);
    return rc ? rc : put_examples(s, p, err);
}

void json_head_page(FILE *to, const struct head_page *p)
{
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    row_json(&j, &head_row_kind, p->head);
    rows_json(&j, "hypotheses", &head_label_kind, p->labels, p->n_labels);
    jsonout_key(&j, "examples");
    jsonout_begin(&j, '[');
    for (size_t i = 0; i < p->n_examples; i++) {
        jsonout_begin(&j, '{');
        row_json(&j, &head_example_kind, &p->examples[i]);
        place_json_texts(&j, &p->examples[i].place);
        jsonout_end(&j, '}');
    }
    jsonout_end(&j, ']');
    jsonout_end(&j, '}');
}
