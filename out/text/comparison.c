#include "out/text/comparison.h"

#include <inttypes.h>

#include "corpora/base/plural.h"
#include "out/read/real_text.h"
#include "out/read/row_json.h"
#include "out/text/printable.h"
#include "out/text/table.h"

static const char legend[] =
    "KL: of the other's distribution from the base's, nats per token; same top: tokens at which "
    "both "
    "find the same token most likely; p difference: probability of the true token, the other's "
    "less "
    "the base's; se: standard errors clustered by document, - for fewer than 2 documents";

static void put_measure(const struct screen *s, const char *name, double scale, double mean,
                        double se, int digits, bool sign, const char *unit)
{
    char mean_text[REAL_TEXT], se_text[REAL_TEXT];
    real_text(mean_text, scale * mean, digits, sign);
    real_text(se_text, scale * se, digits, false);
    fprintf(s->to, "  %-14s%s +- %s%s\n", name, mean_text, se_text, unit);
}

static int put_percentiles(const struct screen *s, const struct comparison *c, struct err *err)
{
    static const char *const heads[] = {"percentile", "from", "to"};
    struct table t = {.heads = heads, .n_columns = 3, .n_keys = 1};
    for (size_t i = 0; i < c->n_percentiles; i++) {
        table_whole(&t, c->percentiles[i].percentile);
        table_signed(&t, c->percentiles[i].lo, 4);
        table_signed(&t, c->percentiles[i].hi, 4);
        table_row(&t);
    }
    fputs("\npercentiles of the p difference, each within a bin of 1/1024\n", s->to);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

static int put_parts(const struct screen *s, const char *what, const struct comparison_part *parts,
                     size_t n, struct err *err)
{
    const char *heads[] = {"<", "docs", "tokens", "KL", "se", "same top", "p difference"};
    struct table t = {.heads = heads, .n_columns = 7, .n_keys = 1};
    if (n == 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        table_text(&t, parts[i].name.null ? "(none)" : parts[i].name.data);
        table_whole(&t, parts[i].docs);
        table_whole(&t, parts[i].tokens);
        table_real(&t, parts[i].mean_kl, 4);
        table_real(&t, parts[i].se_kl, 4);
        table_share(&t, parts[i].share_same_top);
        table_signed(&t, parts[i].mean_p_difference, 4);
        table_row(&t);
    }
    fprintf(s->to, "\nby %s, the greatest KL first\n", what);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    return rc;
}

int put_comparison(const struct screen *s, const struct comparison *c, struct err *err)
{
    const struct comparison_row *row = &c->row;
    if (!c->any) {
        fputs("\nno distributions: scan --compare-share says of how many documents\n", s->to);
        return 0;
    }
    if (!row->left_out.null) {
        fputs("\nno distributions of this pair: ", s->to);
        show_text(s->to, row->left_out.data, 0, SIZE_MAX);
        putc('\n', s->to);
        return 0;
    }
    fputs("\ndistributions on ", s->to);
    show_text(s->to, row->share.data, 0, SIZE_MAX);
    fprintf(s->to, " of the documents: %" PRIu64 " token%s of %" PRIu64 "\n", count_of(row->tokens),
            plural_s(count_of(row->tokens)), count_of(row->docs));
    if (count_of(row->n_not_finite) > 0) {
        fprintf(s->to,
                "  %" PRIu64 " more tokens have numbers that are not finite, and are left out\n",
                count_of(row->n_not_finite));
    }
    if (count_of(row->tokens) == 0) {
        fputs("  none was chosen; scan --compare-share 1/1 takes all\n", s->to);
        return 0;
    }
    put_measure(s, "KL", 1, row->mean_kl, row->se_kl, 4, false, " nats per token");
    put_measure(s, "same top", 100, row->share_same_top, row->se_same_top, 2, false, " %");
    put_measure(s, "p difference", 1, row->mean_p_difference, row->se_p_difference, 4, true, "");
    int rc = put_percentiles(s, c, err);
    rc = rc ? rc : put_parts(s, "kind of token", c->kinds, c->n_kinds, err);
    rc = rc ? rc : put_parts(s, "domain", c->domains, c->n_domains, err);
    rc = rc ? rc : put_parts(s, "hypothesis", c->hypotheses, c->n_hypotheses, err);
    putc('\n', s->to);
    put_note(s, 0, "%s", legend);
    return rc;
}

// --- JSON ---------------------------------------------------------------------------------------

static void begin_object(struct jsonout *j, const char *of, const struct pair *pair)
{
    jsonout_begin(j, '{');
    jsonout_key(j, "pair");
    json_text(j, pair->name);
    jsonout_key(j, "of");
    json_text(j, of);
}

static void json_parts(FILE *to, const char *of, const struct comparison_part *parts, size_t n,
                       const struct pair *pair)
{
    for (size_t i = 0; i < n; i++) {
        struct jsonout j = {.to = to};
        begin_object(&j, of, pair);
        row_json(&j, &comparison_part_kind, &parts[i]);
        jsonout_end(&j, '}');
    }
}

void json_comparison(FILE *to, const struct comparison *c, const struct pair *pair)
{
    if (!c->any) {
        return;
    }
    struct jsonout j = {.to = to};
    begin_object(&j, "pair", pair);
    row_json(&j, &comparison_kind, &c->row);
    rows_json(&j, "percentiles", &comparison_percentile_kind, c->percentiles, c->n_percentiles);
    jsonout_end(&j, '}');
    json_parts(to, "kind", c->kinds, c->n_kinds, pair);
    json_parts(to, "domain", c->domains, c->n_domains, pair);
    json_parts(to, "hypothesis", c->hypotheses, c->n_hypotheses, pair);
}
