#include "out/text/battery.h"

#include <math.h>
#include <string.h>

#include "out/read/row_json.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define TOP_SHOWN 10
#define TOP_WIDTH 14 // characters of a token

static bool is_shown(const struct battery_row *row, const char *only)
{
    return !only || strcmp(row->name.data, only) == 0;
}

/* "L0H2+0.41 L1H3+0.12" */
static void put_heads(struct table *t, struct json_object *heads)
{
    char text[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < list_length(heads) && i < 3 && len < sizeof text; i++) {
        struct json_object *pair = json_object_array_get_idx(heads, i);
        if (list_length(pair) != 2) {
            continue;
        }
        const char *name = json_object_get_string(json_object_array_get_idx(pair, 0));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.20s%+.2f", len ? " " : "",
                                name ? name : "?",
                                json_object_get_double(json_object_array_get_idx(pair, 1)));
    }
    table_text(t, len ? text : "-");
}

static bool some_heads(const struct battery *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (list_length(b->rows[i].heads) > 0) {
            return true;
        }
    }
    return false;
}

static void put_row(struct table *t, const struct battery *b, const struct battery_row *row,
                    bool heads)
{
    table_text(t, row->name.data);
    table_text(t, row->model.data);
    table_whole(t, row->n);
    table_whole(t, row->docs);
    table_real(t, row->logprob_true, 3);
    table_real(t, row->logprob_answer, 3);
    table_share(t, row->share_answer_first);
    if (*b->base_name) {
        table_signed(t, row->gap, 3);
        table_real(t, row->gap_se, 3);
    }
    if (*b->counts_name) {
        table_signed(t, row->counts_gap, 3);
        table_real(t, row->counts_gap_se, 3);
    }
    if (heads) {
        put_heads(t, row->heads);
    }
    table_row(t);
}

/* Hypotheses of two answers. */
static int put_two(const struct screen *s, const struct battery *b, const char *only,
                   struct err *err)
{
    static const char *const heads[] = {"<class",    "<model",      "n",     "logit difference",
                                        "se",        "one is true", "right", "right - other",
                                        "se of that"};
    struct table t = {.heads = heads, .n_columns = 9, .n_keys = 2};
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct battery_row *row = &b->rows[i];
        if (row->n_either == WHOLE_NULL || !is_shown(row, only)) {
            continue;
        }
        table_text(&t, row->name.data);
        table_text(&t, row->model.data);
        table_whole(&t, row->n);
        table_signed(&t, row->logit_difference, 3);
        table_real(&t, row->logit_difference_se, 3);
        table_whole(&t, row->n_either);
        table_share(&t, row->share_right);
        table_signed(&t, row->logit_difference_right, 3);
        table_real(&t, row->logit_difference_right_se, 3);
        table_row(&t);
        n++;
    }
    if (n > 0) {
        fputs("\ntwo answers\n\n", s->to);
    }
    const int rc = n > 0 ? table_put(&t, s->to, 0, s->width, err) : 0;
    table_free(&t);
    if (n > 0 && !rc) {
        putc('\n', s->to);
        put_note(s, 0,
                 "logit difference: mean logit of the first answer less that of the second; one is "
                 "true: tokens where the true one is one of the two; right: of these, where it has "
                 "the greater logit (equal ones count half); right - other: its logit less the "
                 "other's");
    }
    return rc;
}

static void put_legend(const struct screen *s, const struct battery *b, bool heads)
{
    putc('\n', s->to);
    put_note(
        s, 0,
        "n: labelled tokens with a next one in their window; truth, answer: mean ln P of the "
        "next token and of the one that the class says would follow, in nats; misfires: of the "
        "tokens where these two differ, the share where the answer is more probable; se: "
        "standard errors clustered by document, - for fewer than 2 documents");
    if (*b->base_name) {
        put_note(s, 0, "gap: from %s, clamped at the run's floor; - where the run has no such pair",
                 b->base_name);
    }
    if (*b->counts_name) {
        put_note(
            s, 0,
            "over :2: the gap from %s, which knows bigrams alone: only what is above 0 can come "
            "from further back",
            b->counts_name);
    }
    if (heads) {
        put_note(s, 0,
                 "heads: the three whose loss is greatest there, as gap of the whole model "
                 "from the one without the head");
    }
}

int put_battery(const struct screen *s, const struct battery *b, const char *only, struct err *err)
{
    const char *heads[12] = {"<class", "<model", "n", "docs", "truth", "answer", "misfires"};
    size_t n = 7;
    const bool has_heads = some_heads(b);
    if (*b->base_name) {
        heads[n++] = "gap";
        heads[n++] = "se";
    }
    if (*b->counts_name) {
        heads[n++] = "over :2";
        heads[n++] = "se of that";
    }
    if (has_heads) {
        heads[n++] = "<heads";
    }
    struct table t = {.heads = heads, .n_columns = n, .n_keys = 2};
    for (size_t i = 0; i < b->n; i++) {
        if (is_shown(&b->rows[i], only)) {
            put_row(&t, b, &b->rows[i], has_heads);
        }
    }
    int rc = table_put(&t, s->to, 0, s->width, err);
    table_free(&t);
    if (!rc) {
        put_legend(s, b, has_heads);
        rc = put_two(s, b, only, err);
    }
    return rc;
}

void json_battery(FILE *to, const struct battery *b, const char *only)
{
    for (size_t i = 0; i < b->n; i++) {
        if (is_shown(&b->rows[i], only)) {
            struct jsonout j = {.to = to};
            jsonout_begin(&j, '{');
            jsonout_key(&j, "base");
            json_text(&j, b->base_name);
            jsonout_key(&j, "counts");
            json_text(&j, b->counts_name);
            row_json(&j, &battery_kind, &b->rows[i]);
            jsonout_end(&j, '}');
        }
    }
}

// --- places -------------------------------------------------------------------------------------

/* "      base   the 0.32  a 0.11 ..." */
static void put_top(const struct screen *s, const char *name, struct json_object *top)
{
    fputs("      ", s->to);
    show_cell(s->to, name, 20);
    for (size_t i = 0; i < list_length(top) && i < TOP_SHOWN; i++) {
        struct json_object *pair = json_object_array_get_idx(top, i);
        if (list_length(pair) == 2) {
            const char *text = json_object_get_string(json_object_array_get_idx(pair, 0));
            fputs("  ", s->to);
            show_token(s->to, text ? text : "?", TOP_WIDTH);
            fprintf(s->to, " %.2f",
                    exp(json_object_get_double(json_object_array_get_idx(pair, 1))));
        }
    }
    fputs(list_length(top) == 0 ? "  (its most likely tokens were not kept)\n" : "\n", s->to);
}

void put_battery_places(const struct screen *s, const struct battery *b,
                        const struct battery_row *row, const struct battery_place *places, size_t n,
                        bool worst)
{
    putc('\n', s->to);
    show_text(s->to, row->name.data, 0, SIZE_MAX);
    fputs(": where ", s->to);
    show_text(s->to, row->model.data, 0, SIZE_MAX);
    fputs(worst ? " is worse than " : " is better than ", s->to);
    show_text(s->to, b->base_name, 0, SIZE_MAX);
    fputs(", among the hits that the run keeps\n", s->to);
    for (size_t i = 0; i < n; i++) {
        put_hit(s, &places[i].hit);
        put_top(s, b->base_name, places[i].base_top);
        put_top(s, row->model.data, places[i].other_top);
    }
    if (n == 0) {
        fputs("\nnone\n", s->to);
    }
}

void json_battery_places(FILE *to, const struct battery *b, const struct battery_row *row,
                         const struct battery_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct jsonout j = {.to = to};
        jsonout_begin(&j, '{');
        jsonout_key(&j, "class");
        json_text(&j, row->name.data);
        jsonout_key(&j, "base");
        json_text(&j, b->base_name);
        jsonout_key(&j, "model");
        json_text(&j, row->model.data);
        row_json(&j, &battery_place_kind, &places[i]);
        jsonout_end(&j, '}');
    }
}
