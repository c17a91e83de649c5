#include "out/text/skips.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/plural.h"
#include "out/read/row_json.h"
#include "out/text/place.h"
#include "out/text/printable.h"
#include "out/text/table.h"

#define TOKEN_WIDTH ((size_t)16) // of a token in a drawing

// --- JSON in columns ----------------------------------------------------------------------------

static struct json_object *member(struct json_object *of, const char *key)
{
    struct json_object *value = NULL;
    return json_object_is_type(of, json_type_object) && json_object_object_get_ex(of, key, &value)
               ? value
               : NULL;
}

static const char *text_of(struct json_object *of, const char *key)
{
    struct json_object *value = member(of, key);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static double real_of(struct json_object *of, const char *key)
{
    struct json_object *value = member(of, key);
    return json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int)
               ? json_object_get_double(value)
               : NAN;
}

// --- the list -----------------------------------------------------------------------------------

static void token_cell(struct table *t, const struct text *token)
{
    char *label = token_label(token->data);
    table_text(t, label ? label : "");
    free(label);
}

/* P(C) of the models in one cell: "12.0% 3.1%". */
static void models_cell(struct table *t, struct json_object *models)
{
    struct buf cell = {0};
    for (size_t i = 0; i < list_length(models); i++) {
        char share[32];
        table_share_text(share, sizeof share, real_of(json_object_array_get_idx(models, i), "p"));
        if (buf_printf(&cell, NULL, "%s%s", i > 0 ? " " : "", share)) {
            break;
        }
    }
    table_cell(t, "%s", cell.len > 0 ? cell.data : "-");
    buf_free(&cell);
}

int put_skips(const struct screen *s, const struct skip_row *rows, size_t n, struct err *err)
{
    static const char *const heads[] = {"#",        "<head",  "<A",   "<B",   "<C",
                                        "strength", "places", "docs", "rate", "P(C) of each model"};
    struct table t = {.heads = heads, .n_columns = sizeof heads / sizeof *heads, .n_keys = 5};
    if (n == 0) {
        fputs("no skip-trigram stands in the corpus: --all lists those of the weights\n", s->to);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        table_whole(&t, rows[i].id);
        table_text(&t, rows[i].head.data);
        token_cell(&t, &rows[i].a);
        token_cell(&t, &rows[i].b);
        token_cell(&t, &rows[i].c);
        table_real(&t, rows[i].strength, 3);
        table_whole(&t, rows[i].n);
        table_whole(&t, rows[i].docs);
        table_share(&t, rows[i].rate);
        models_cell(&t, rows[i].models);
        table_row(&t);
    }
    const int rc = table_put(&t, s->to, 0, s->width, err);
    table_free(&t);
    putc('\n', s->to);
    put_note(
        s, 0,
        "A ... B -> C: the head looks from B back to A and raises C; strength: attention times "
        "what A raises C's logit by; places: B with A before it in the window; rate: how often "
        "C follows; P(C): mean over the places, models in the run's order");
    return rc;
}

// --- one ----------------------------------------------------------------------------------------

static void put_title(const struct screen *s, const struct text *a, const struct text *b,
                      const struct text *c)
{
    show_token(s->to, a->data, SIZE_MAX);
    fputs(" ... ", s->to);
    show_token(s->to, b->data, SIZE_MAX);
    fputs(" -> ", s->to);
    show_token(s->to, c->data, SIZE_MAX);
}

int put_skip(const struct screen *s, const struct skip_row *row, struct skip_place_row *places,
             size_t n_places, struct err *err)
{
    char rate[32];
    struct places shown = {.screen = s};
    int rc = 0;
    fprintf(s->to, "#%" PRId64 "  ", row->id);
    show_text(s->to, row->head.data, 0, SIZE_MAX);
    fputs("  ", s->to);
    put_title(s, &row->a, &row->b, &row->c);
    fprintf(s->to, "\n\nweights: attention %.4g times raise %.4g = strength %.4g\n", row->attention,
            row->raises, row->strength);
    table_share_text(rate, sizeof rate, row->rate);
    fprintf(s->to, "corpus: C follows at %s of %" PRId64 " places in %" PRId64 " document%s\n",
            rate, row->n, row->docs, plural_s(count_of(row->docs)));
    for (size_t i = 0; i < list_length(row->models); i++) {
        struct json_object *m = json_object_array_get_idx(row->models, i);
        char p[32];
        table_share_text(p, sizeof p, real_of(m, "p"));
        fputs("  ", s->to);
        show_text(s->to, text_of(m, "model"), 0, SIZE_MAX);
        fprintf(s->to, "  P(C) %s, ln P(C) ", p);
        show_real(s->to, real_of(m, "logprob"), 0, 3);
        putc('\n', s->to);
    }
    if (n_places > 0) {
        fputs("\nplaces: B in [brackets], A marked\n", s->to);
    }
    for (size_t i = 0; i < n_places && !rc; i++) {
        const struct place *p = &places[i].place;
        const int used = fprintf(s->to, "  %" PRId64 ":%" PRId64 ":%" PRId64 "  ", p->shard, p->doc,
                                 p->byte_start);
        rc = put_place_text(&shown, p, (size_t)(used > 0 ? used : 0), err);
    }
    put_shards(&shown);
    places_free(&shown);
    return rc;
}

// --- bugs ---------------------------------------------------------------------------------------

/* The crossing: what is true on the lines, what is wrong on the diagonal. */
static void put_drawing(const struct screen *s, const struct skip_bug_row *g)
{
    const struct text *const b[] = {&g->b1, &g->b2}, *const c[] = {&g->c1, &g->c2};
    for (size_t i = 0; i < 2; i++) {
        fputs("  ", s->to);
        show_token_cell(s->to, g->a.data, TOKEN_WIDTH);
        fputs(" ... ", s->to);
        show_token_cell(s->to, b[i]->data, TOKEN_WIDTH);
        fputs(" ----> ", s->to);
        show_token(s->to, c[i]->data, TOKEN_WIDTH);
        putc('\n', s->to);
        if (i == 0) {
            fprintf(s->to, "  %*s\\__ says C2, too\n", (int)(2 * TOKEN_WIDTH) + 6, "");
        }
    }
}

static void put_percent(const struct screen *s, const char *before, double share,
                        const char *behind)
{
    char text[32];
    table_share_text(text, sizeof text, share);
    fprintf(s->to, "%s%s%s", before, text, behind);
}

/* What a model that fixes it has that holds C2 down: the strongest three. */
static void put_components(const struct screen *s, const struct skip_bug_row *g, const char *model)
{
    size_t shown = 0;
    for (size_t i = 0; i < list_length(g->components) && shown < 3; i++) {
        struct json_object *c = json_object_array_get_idx(g->components, i);
        if (strcmp(text_of(c, "model"), model) != 0) {
            continue;
        }
        fprintf(s->to, "%s", shown++ > 0 ? "; " : ": ");
        show_text(s->to, text_of(c, "component"), 0, SIZE_MAX);
        fputs(" direct ", s->to);
        show_real(s->to, real_of(c, "direct"), 0, 2);
        fputs(", without it ", s->to);
        show_real(s->to, real_of(c, "change"), 0, 2);
    }
}

static void put_fixes(const struct screen *s, const struct skip_bug_row *g)
{
    for (size_t i = 0; i < list_length(g->fixes); i++) {
        struct json_object *f = json_object_array_get_idx(g->fixes, i);
        const bool fixed = real_of(f, "fixed") > 0;
        fputs("  ", s->to);
        show_text(s->to, text_of(f, "model"), 0, SIZE_MAX);
        put_percent(s, " says C2 with ", real_of(f, "p"), fixed ? ", fixed" : ", not fixed");
        fputs(" (ln P(C1) less the base's ", s->to);
        show_real(s->to, real_of(f, "logprob_c1_less"), 0, 3);
        putc(')', s->to);
        if (fixed) {
            put_components(s, g, text_of(f, "model"));
        }
        putc('\n', s->to);
    }
}

int put_skip_bugs(const struct screen *s, const struct skip_bug_row *rows, size_t n,
                  const char *base, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const struct skip_bug_row *g = &rows[i];
        fprintf(s->to, "\n#%" PRId64 "  ", g->id);
        show_text(s->to, g->head.data, 0, SIZE_MAX);
        putc('\n', s->to);
        put_drawing(s, g);
        fprintf(s->to, "  at A ... B1, %" PRId64 " places in %" PRId64 " documents,", g->n,
                g->docs);
        put_percent(s, " C2 follows at ", g->rate, "; ");
        show_text(s->to, base, 0, SIZE_MAX);
        put_percent(s, " says it with ", g->p_base, "\n");
        fprintf(s->to, "  at %" PRId64 " of them:", g->contexts);
        put_percent(s, " ", g->p_contexts, "");
        put_percent(s, ", with A replaced ", g->p_without_a, "");
        put_percent(s, ", without the head ", g->p_without_head, "\n");
        put_fixes(s, g);
    }
    if (n > 0) {
        putc('\n', s->to);
        put_note(
            s, 0,
            "direct: on C2's logit, nats; without it: change of ln P(C2) with the component at "
            "0, above 0 where it held C2 down; the three largest of ten");
    }
    return 0;
}

// --- JSON ---------------------------------------------------------------------------------------

void json_skips(struct jsonout *j, const struct skip_row *rows, size_t n)
{
    rows_json(j, "skips", &skip_kind, rows, n);
}

void json_skip_bugs(struct jsonout *j, const struct skip_bug_row *rows, size_t n)
{
    rows_json(j, "bugs", &skip_bug_kind, rows, n);
}

void json_skip_places(struct jsonout *j, const struct skip_place_row *rows, size_t n)
{
    jsonout_key(j, "places");
    jsonout_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        jsonout_begin(j, '{');
        row_json(j, &skip_place_kind, &rows[i]);
        place_json_texts(j, &rows[i].place);
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
}
