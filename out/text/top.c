#include "out/text/top.h"

#include <inttypes.h>
#include <math.h>

#include "out/read/row_json.h"
#include "out/read/real_text.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define TOKEN_WIDTH 24 // characters shown of a token in a table

static void put_hit_row(const struct screen *s, const void *row)
{
    put_hit(s, row);
}

/* "-" for NULL, and for what is below 0. */
static void put_whole(const struct screen *s, int64_t n, int width)
{
    if (n < 0) {
        fprintf(s->to, "%*s", width, "-");
    } else {
        fprintf(s->to, "%*" PRId64, width, n);
    }
}

static void put_token_row(const struct screen *s, const void *row)
{
    const struct token_gap *t = row;
    fprintf(s->to, "%7" PRIu64 "  ", count_of(t->token));
    show_token_cell(s->to, t->token_text.data, TOKEN_WIDTH);
    put_whole(s, t->n, 12);
    show_real(s->to, t->mean_gap, 10, 4);
    show_real(s->to, t->sum_gap, 14, 2);
    show_real(s->to, t->base_mean_logprob, 10, 4);
    show_real(s->to, t->other_mean_logprob, 10, 4);
    putc('\n', s->to);
}

static void put_domain_row(const struct screen *s, const void *row)
{
    const struct domain_gap *d = row;
    show_cell(s->to, d->domain.null ? "(none)" : d->domain.data, TOKEN_WIDTH + 9);
    put_whole(s, d->docs, 12);
    put_whole(s, d->tokens, 14);
    show_real(s->to, d->mean_gap, 10, 4);
    char se[REAL_TEXT];
    real_text(se, d->se, 4, false);
    fprintf(s->to, "%10s\n", se);
}

#define KIND_WIDTH 46 // the longest name and a gap

static void put_kind_row(const struct screen *s, const void *row)
{
    const struct kind_gap *k = row;
    char of_tokens[64], of_gap[64];
    table_share_text(of_tokens, sizeof of_tokens, k->share_of_tokens);
    table_share_text(of_gap, sizeof of_gap, k->share_of_gap);
    show_cell(s->to, k->kind.data, KIND_WIDTH);
    put_whole(s, k->n, 10);
    fprintf(s->to, "%11s", of_tokens);
    show_real(s->to, k->mean_gap, 10, 4);
    fprintf(s->to, "%9s  ", of_gap);
    for (size_t i = 0; i < list_length(k->common); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(k->common, i));
        putc(' ', s->to);
        show_token(s->to, text ? text : "", TOKEN_WIDTH / 2);
    }
    putc('\n', s->to);
}

static void put_document_row(const struct screen *s, const void *row)
{
    const struct document_gap *d = row;
    show_real(s->to, d->mean_gap, 8, 4);
    show_real(s->to, d->base_mean_logprob, 10, 4);
    if (isfinite(d->other_mean_logprob)) {
        show_real(s->to, d->other_mean_logprob, 10, 4);
    } else {
        fprintf(s->to, "%10s", "-");
    }
    put_whole(s, d->tokens, 9);
    put_whole(s, d->text_bytes, 10);
    fputs("  ", s->to);
    show_cell(s->to, d->domain.null || !*d->domain.data ? "(none)" : d->domain.data, TOKEN_WIDTH);
    fputs("  ", s->to);
    show_text(s->to, d->shard_name.null ? "?" : d->shard_name.data, 0, SIZE_MAX);
    fprintf(s->to, ":%" PRIu64 "\n", count_of(d->doc));
}

static const struct shape {
    const char *title[2]; // of the greatest, of the least
    const char *head;     // of the columns
    void (*put)(const struct screen *s, const void *row);
} shapes[] = {
    [GAPS_OF_HITS] = {{"the greatest gaps", "the least gaps, where the base is better"},
                      "",
                      put_hit_row},
    [GAPS_OF_TOKENS] =
        {{"tokens that add most to the gap: by the sum of their gaps, n x mean",
          "tokens that take most from the gap: by the sum of their gaps, n x mean, least first"},
         "\n     id  token                              n  mean gap           sum      base     "
         "other\n",
         put_token_row},
    [GAPS_OF_DOMAINS] =
        {{"domains by their mean gap", "domains by their mean gap, least first"},
         "\ndomain                                   docs        tokens  mean gap        se\n",
         put_domain_row},
    [GAPS_OF_KINDS] = {{"kinds of tokens by the sum of their gaps, n x mean",
                        "kinds of tokens by the sum of their gaps, n x mean, least first"},
                       "\nkind                                                   n  of tokens  "
                       "mean gap   of gap   "
                       "for instance\n",
                       put_kind_row},
    [GAPS_OF_DOCUMENTS] =
        {{"documents by their mean gap", "documents by their mean gap, least first"},
         "\nmean gap      base     other   tokens     bytes  domain                    document\n",
         put_document_row},
};

void put_gaps(const struct screen *s, enum gap_list list, const void *items, size_t n, bool worst)
{
    const struct shape *shape = &shapes[list];
    fprintf(s->to, "%s\n%s", shape->title[worst], shape->head);
    for (size_t i = 0; i < n; i++) {
        shape->put(s, (const char *)items + i * gap_kind(list)->size);
    }
    if (n == 0) {
        fputs("\nnothing to list\n", s->to);
    }
}

void put_not_finite(const struct screen *s, const struct not_finite_model *models, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        show_text(s->to, models[i].name.data, 0, SIZE_MAX);
        fprintf(s->to,
                ": %" PRIu64 " of %" PRIu64 " log-probs are not finite: no mean and no gap has "
                "them\n",
                count_of(models[i].n_not_finite), count_of(models[i].tokens));
    }
}

void json_gaps(FILE *to, enum gap_list list, const void *items, size_t n, const struct pair *pair,
               const struct not_finite_model *models, size_t n_models)
{
    const struct row_kind *kind = gap_kind(list);
    for (size_t i = 0; i < n; i++) {
        struct jsonout j = {.to = to};
        jsonout_begin(&j, '{');
        jsonout_key(&j, "pair");
        json_text(&j, pair->name);
        row_json(&j, kind, (const char *)items + i * kind->size);
        not_finite_json(&j, models, n_models);
        jsonout_end(&j, '}');
    }
}
