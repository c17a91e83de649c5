#include "out/text/ablation.h"

#include <inttypes.h>
#include <string.h>

#include "out/read/row_json.h"
#include "out/text/printable.h"
#include "out/text/table.h"

static const char legend[] =
    "loss without it: mean of ln P of the true token, the whole model's less the changed one's, in "
    "nats per token, above 0 where the component helps; gap: the same clamped at the run's floor; "
    "helps: tokens at which the gap is above 0; se: standard errors clustered by document, - for "
    "fewer than 2 documents";

static const char more[] =
    "gapscope top --pair CHANGED:WHOLE has the places where a component matters most, "
    "--ablated --hypothesis H orders them by the gap where H labels";

/* Are all rows of one model? */
static bool one_model(const struct ablation_row *rows, size_t n)
{
    bool one = true;
    for (size_t i = 1; i < n; i++) {
        one = one && rows[i].model.len == rows[0].model.len &&
              memcmp(rows[i].model.data, rows[0].model.data, rows[0].model.len) == 0;
    }
    return one;
}

static void put_row(struct table *t, const struct ablation_row *row, bool model, bool hypothesis)
{
    if (model) {
        table_text(t, row->model.data);
    }
    table_text(t, row->changes.data);
    if (hypothesis) {
        table_whole(t, row->n);
        table_signed(t, row->mean_gap_labelled, 4);
        table_real(t, row->se_labelled, 4);
        table_signed(t, row->mean_gap_rest, 4);
    }
    table_signed(t, row->mean_difference, 4);
    table_real(t, row->se_difference, 4);
    if (!hypothesis) {
        table_signed(t, row->mean_gap, 4);
        table_share(t, row->share_other_better);
        table_whole(t, row->tokens);
    }
    table_row(t);
}

int put_ablation(const struct screen *s, const struct ablation_row *rows, size_t n, size_t n_max,
                 const char *hypothesis, struct err *err)
{
    static const char *const heads[] = {"<model", "<changed",      "labelled",        "gap there",
                                        "se",     "gap elsewhere", "loss without it", "se"};
    static const char *const plain[] = {"<model", "<changed", "loss without it", "se",
                                        "gap",    "helps",    "tokens"};
    if (n_max == 0) {
        fputs("nothing to list\n", s->to);
        return 0;
    }
    if (n == 0) {
        fputs("no changed model beside its whole: scan --ablate heads makes some\n", s->to);
        return 0;
    }
    const bool model = !one_model(rows, n);
    struct table t = {.heads = (hypothesis ? heads : plain) + !model,
                      .n_columns = (hypothesis ? 8 : 7) - (size_t)!model,
                      .n_keys = model ? 2 : 1};
    for (size_t i = 0; i < n; i++) {
        put_row(&t, &rows[i], model, hypothesis != NULL);
    }
    if (!model) {
        show_text(s->to, rows[0].model.data, 0, SIZE_MAX);
        putc('\n', s->to);
    }
    const int rc = table_put(&t, s->to, 0, s->width, err);
    table_free(&t);
    putc('\n', s->to);
    put_note(s, 0, "%s", legend);
    put_note(s, 0, "%s", more);
    return rc;
}

void json_ablation(FILE *to, const struct ablation_row *rows, size_t n, const char *hypothesis)
{
    for (size_t i = 0; i < n; i++) {
        struct jsonout j = {.to = to};
        jsonout_begin(&j, '{');
        if (hypothesis) {
            jsonout_key(&j, "hypothesis");
            json_text(&j, hypothesis);
        }
        row_json(&j, &ablation_kind, &rows[i]);
        jsonout_end(&j, '}');
    }
}
