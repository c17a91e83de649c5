#include "scan/cmd/minimal_pairs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/json.h"
#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "corpora/lines.h"
#include "out/text/table.h"
#include "scan/cmd/minimal_view.h"
#include "scan/load/prompts.h"

#define PLACES 3 // skipped lines that are shown

// --- means --------------------------------------------------------------------------------------

static void add(struct minimal_mean *m, double value)
{
    if (isfinite(value)) {
        m->n++;
        m->positive += value > 0;
        m->sum += value;
        m->square += value * value;
    }
}

static double mean_of(const struct minimal_mean *m)
{
    return m->n > 0 ? m->sum / (double)m->n : NAN;
}

/* sqrt(sum (x - mean)^2 / (n - 1) / n); NaN for fewer than two pairs. */
static double error_of(const struct minimal_mean *m)
{
    const double n = (double)m->n, mean = mean_of(m);
    return m->n > 1 ? sqrt(fmax(0, m->square - n * mean * mean) / (n - 1) / n) : NAN;
}

static double share_of(const struct minimal_mean *m)
{
    return m->n > 0 ? (double)m->positive / (double)m->n : NAN;
}

// --- going through the file ---------------------------------------------------------------------

static int open_model(struct minimal_pairs_model *m, const struct lineup_model *model,
                      struct err *err)
{
    const struct config *c = model->config;
    m->model = model;
    m->n_components = c->n_layers * minimal_per_layer(c);
    for (size_t k = 0; k < 2; k++) {
        m->effects[k] = mem_zero(m->n_components, sizeof *m->effects[k]);
    }
    return m->effects[0] && m->effects[1]
               ? engine_new(&m->engine, model->weights, kern_best(), PRECISION_EXACT, err)
               : err_nomem(err, "a model");
}

void minimal_pairs_free(struct minimal_pairs *p)
{
    for (size_t i = 0; p->models && i < p->n_models; i++) {
        free(p->models[i].effects[0]);
        free(p->models[i].effects[1]);
        engine_free(p->models[i].engine);
    }
    free(p->models);
    *p = (struct minimal_pairs){0};
}

/* Adds what a model makes of a pair. */
static int add_pair(struct minimal_pairs_model *m, const struct prompts *p, struct err *err)
{
    const struct minimal_prompts prompts = {
        .ids = {p->ids[0], p->ids[1]}, .n = p->n[0], .answers = {p->answers[0], p->answers[1]}};
    const struct minimal_options options = {.engine = m->engine, .changes = &m->model->changes};
    struct minimal found = {0};
    const int rc = minimal_find(&found, m->model->weights, &prompts, &options, err);
    if (!rc) {
        add(&m->change, found.output[1].difference - found.output[0].difference);
    }
    for (size_t k = 0; k < 2 && !rc; k++) {
        for (size_t i = 0; i < m->n_components; i++) {
            add(&m->effects[k][i], minimal_effect(&found, k, found.patched[k][i]));
        }
    }
    minimal_free(&found);
    return rc;
}

/* A value as the command line would have it: a string; with ids the text of a list or a number.
 * NULL: it is something else. */
static const char *as_given(struct json_object *value, bool ids)
{
    return ids ? (value ? json_to_text(value, JSON_C_TO_STRING_PLAIN) : NULL)
               : json_c_string(value);
}

/* Sets what is given, whose texts stay valid as long as 'object'. */
static int take_line(struct prompts_given *given, struct json_object *object, struct err *why)
{
    static const char *const keys[] = {"a", "b"};
    struct json_object *answers = json_member(object, "answers");
    for (size_t i = 0; i < 2; i++) {
        given->texts[i] = as_given(json_member(object, keys[i]), given->ids);
        if (!given->texts[i]) {
            return err_set(why, ERR_FORMAT, "\"%s\" is missing, or is no %s", keys[i],
                           given->ids ? "list" : "text");
        }
    }
    if (!json_object_is_type(answers, json_type_array) || json_object_array_length(answers) != 2) {
        return err_set(why, ERR_FORMAT, "\"answers\" is missing, or is no list of two");
    }
    for (size_t i = 0; i < 2; i++) {
        given->answers[i] = as_given(json_object_array_get_idx(answers, i), given->ids);
        if (!given->answers[i]) {
            return err_set(why, ERR_FORMAT, "an answer is no %s", given->ids ? "id" : "text");
        }
    }
    return 0;
}

/* One line; ERR_NOMEM ends all, what else is wrong is in *why. */
static int read_line(struct minimal_pairs *p, const struct lineup *lineup,
                     struct prompts_given *given, struct json_parser *parser,
                     const struct line *line, struct err *why, struct err *err)
{
    struct json_object *object = NULL;
    struct prompts prompts = {0};
    int rc = line->too_long ? err_set(why, ERR_LIMIT, "the line is too long")
                            : json_parse_line(parser, &object, line->text, line->len, why);
    rc = rc ? rc : take_line(given, object, why);
    rc = rc ? rc : prompts_read(&prompts, lineup, given, why);
    int failed = rc == ERR_NOMEM ? err_nomem(err, "a pair") : 0;
    for (size_t i = 0; i < p->n_models && !rc && !failed; i++) {
        failed = add_pair(&p->models[i], &prompts, err);
    }
    p->n += !rc;
    prompts_free(&prompts);
    json_object_put(object);
    return failed;
}

static int read_lines(struct minimal_pairs *p, const struct lineup *lineup,
                      struct prompts_given *given, struct json_parser *parser,
                      struct stream *stream, struct err *err)
{
    struct lines lines;
    struct line line;
    lines_begin(&lines, stream, 0);
    int rc = lines_next(&lines, &line, err);
    for (; !rc && line.number > 0; rc = rc ? rc : lines_next(&lines, &line, err)) {
        struct err why = {0};
        if (!line.too_long && lines_blank(&line)) {
            continue;
        }
        rc = read_line(p, lineup, given, parser, &line, &why, err);
        if (!rc && why.code && p->skipped++ < PLACES) {
            fprintf(stderr, "gapscope minimal: %s: line %" PRIu64 " is skipped: %s\n", p->path,
                    line.number, why.msg);
        }
    }
    lines_end(&lines);
    return rc ? err_prefix(err, "%s", p->path) : 0;
}

int minimal_pairs_find(struct minimal_pairs *out, const char *path, const struct lineup *lineup,
                       bool ids, bool special, struct err *err)
{
    struct prompts_given given = {.ids = ids, .special = special, .quiet = true};
    struct json_parser *parser = json_lines_parser_new();
    struct stream *stream = NULL;
    *out = (struct minimal_pairs){.path = path, .n_models = lineup->n};
    out->models = mem_zero(lineup->n, sizeof *out->models);
    int rc = parser && out->models ? 0 : err_nomem(err, "pairs");
    for (size_t i = 0; i < lineup->n && !rc; i++) {
        rc = open_model(&out->models[i], &lineup->models[i], err);
    }
    rc = rc ? rc : stream_open(&stream, path, err);
    rc = rc ? rc : read_lines(out, lineup, &given, parser, stream, err);
    if (!rc && out->skipped > PLACES) {
        fprintf(stderr, "gapscope minimal: %s: and %" PRIu64 " more\n", path,
                out->skipped - PLACES);
    }
    if (!rc && out->n == 0) {
        rc = err_set(err, ERR_FORMAT,
                     "%s: no line makes a pair; a line is {\"a\":\"TEXT ONE\",\"b\":\"TEXT "
                     "TWO\",\"answers\":[\" X\",\" Y\"]}",
                     path);
    }
    stream_close(stream);
    json_parser_free(parser);
    return rc;
}

// --- showing it ---------------------------------------------------------------------------------

struct ranked {
    size_t component;
    double size; // the larger mean effect of both directions
};

static int by_size(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1)
                              : (x->component > y->component) - (x->component < y->component);
}

static struct ranked *rank(const struct minimal_pairs_model *m)
{
    struct ranked *all = mem_new(m->n_components, sizeof *all);
    for (size_t i = 0; all && i < m->n_components; i++) {
        const double one = fabs(mean_of(&m->effects[0][i])), two = fabs(mean_of(&m->effects[1][i]));
        const double size = fmax(one, two); // of NaN and a number the number
        all[i] = (struct ranked){i, isnan(size) ? -1 : size};
    }
    if (all) {
        qsort(all, m->n_components, sizeof *all, by_size);
    }
    return all;
}

static int put_model(const struct minimal_pairs_model *m, const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"<part",    "into one", "se",     "above 0",
                                        "into two", "se",       "above 0"};
    struct table t = {.heads = heads, .n_columns = 7, .n_keys = 1, .group = 6};
    struct ranked *all = rank(m);
    if (!all) {
        return err_nomem(err, "a table");
    }
    for (size_t i = 0; i < m->n_components; i++) {
        char name[MINIMAL_NAME];
        minimal_component_name(m->model->config, all[i].component, name);
        table_text(&t, name);
        for (size_t k = 0; k < 2; k++) {
            const struct minimal_mean *mean = &m->effects[k][all[i].component];
            table_signed(&t, mean_of(mean), 4);
            table_real(&t, error_of(mean), 4);
            table_share(&t, share_of(mean));
        }
    }
    minimal_view_head(s, "%s: mean effect of a part's output taken from the other prompt",
                      m->model->name);
    fputs("  change of the logit difference, two less one: ", s->to);
    fprintf(s->to, "%+.4f", mean_of(&m->change));
    if (m->change.n > 1) {
        fprintf(s->to, " +- %.4f", error_of(&m->change));
    }
    fputs("\n", s->to);
    const int rc = table_put(&t, s->to, 2, s->width, err);
    table_free(&t);
    free(all);
    return rc;
}

int minimal_pairs_put(const struct minimal_pairs *p, const struct screen *s, struct err *err)
{
    int rc = 0;
    fprintf(s->to, "%" PRIu64 " pair%s of %s", p->n, p->n == 1 ? "" : "s", p->path);
    if (p->skipped > 0) {
        fprintf(s->to, ", %" PRIu64 " line%s skipped", p->skipped, plural_s(p->skipped));
    }
    putc('\n', s->to);
    for (size_t i = 0; i < p->n_models && !rc; i++) {
        rc = put_model(&p->models[i], s, err);
    }
    if (!rc) {
        put_note(s, 0,
                 "0: nothing changes, 1: it is as after the other prompt; se: standard error over "
                 "pairs; pairs whose prompts have the same difference have no effect");
    }
    return rc;
}

static void write_mean(struct jsonout *j, const char *key, const struct minimal_mean *m)
{
    jsonout_key(j, key);
    jsonout_begin(j, '{');
    jsonout_key(j, "n");
    jsonout_u64(j, m->n);
    jsonout_key(j, "mean");
    jsonout_double(j, mean_of(m));
    jsonout_key(j, "se");
    jsonout_double(j, error_of(m));
    jsonout_key(j, "share_positive");
    jsonout_double(j, share_of(m));
    jsonout_end(j, '}');
}

void minimal_pairs_json(const struct minimal_pairs *p, FILE *to)
{
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    jsonout_key(&j, "pairs");
    jsonout_u64(&j, p->n);
    jsonout_key(&j, "skipped");
    jsonout_u64(&j, p->skipped);
    jsonout_key(&j, "models");
    jsonout_begin(&j, '[');
    for (size_t i = 0; i < p->n_models; i++) {
        const struct minimal_pairs_model *m = &p->models[i];
        jsonout_begin(&j, '{');
        jsonout_key(&j, "model");
        jsonout_string(&j, m->model->name);
        write_mean(&j, "change", &m->change);
        jsonout_key(&j, "effects");
        jsonout_begin(&j, '{');
        for (size_t c = 0; c < m->n_components; c++) {
            char name[MINIMAL_NAME];
            minimal_component_name(m->model->config, c, name);
            jsonout_key(&j, name);
            jsonout_begin(&j, '{');
            write_mean(&j, "into_one", &m->effects[0][c]);
            write_mean(&j, "into_two", &m->effects[1][c]);
            jsonout_end(&j, '}');
        }
        jsonout_end(&j, '}');
        jsonout_end(&j, '}');
    }
    jsonout_end(&j, ']');
    jsonout_end(&j, '}');
}
