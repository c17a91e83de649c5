#include "scan/cmd/acts_view.h"

#include <inttypes.h>
#include <stdlib.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "out/text/table.h"
#include "scan/load/prompts.h"

#define SOURCES ((size_t)5) // positions that are shown of a row of attention, at most
#define CHARS ((size_t)11)  // of a token

// --- JSON ---------------------------------------------------------------------------------------

static void write_neurons(struct jsonout *j, const struct acts_model *m, size_t n)
{
    jsonout_key(j, m->model->name);
    jsonout_begin(j, '{');
    for (size_t i = 0; i < m->n_neurons; i++) {
        jsonout_key(j, m->neurons[i].name);
        jsonout_floats(j, m->neurons[i].values, n);
    }
    jsonout_end(j, '}');
}

static void write_heads(struct jsonout *j, const struct acts_model *m, size_t n)
{
    jsonout_key(j, m->model->name);
    jsonout_begin(j, '{');
    for (size_t i = 0; i < m->n_heads; i++) {
        jsonout_key(j, m->heads[i].name);
        jsonout_begin(j, '[');
        for (size_t row = 0; row < n; row++) {
            jsonout_floats(j, m->heads[i].values + row * m->n_ctx, row + 1);
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

void acts_view_json(const struct acts_model *models, size_t n, const struct window *w, FILE *to)
{
    struct jsonout j = {.to = to};
    size_t n_neurons = 0, n_heads = 0;
    for (size_t i = 0; i < n; i++) {
        n_neurons += models[i].n_neurons;
        n_heads += models[i].n_heads;
    }
    jsonout_begin(&j, '{');
    window_head(&j, w);
    if (n_neurons > 0) {
        jsonout_key(&j, "acts");
        jsonout_begin(&j, '{');
        for (size_t i = 0; i < n; i++) {
            write_neurons(&j, &models[i], w->n);
        }
        jsonout_end(&j, '}');
    }
    if (n_heads > 0) {
        jsonout_key(&j, "pattern");
        jsonout_begin(&j, '{');
        for (size_t i = 0; i < n; i++) {
            write_heads(&j, &models[i], w->n);
        }
        jsonout_end(&j, '}');
    }
    jsonout_end(&j, '}');
}

// --- for people ---------------------------------------------------------------------------------

/* Where tables go, and how tokens are called. */
struct page {
    const struct window *window;
    const struct screen *screen;
    struct prompts names; // only their tokenizer
    FILE *to;
};

static void put_head(const struct page *p, const char *model, const char *what)
{
    fprintf(p->to, "%sdoc %" PRIu64 ", window %" PRIu64 ": %s %s%s\n",
            p->screen->colour ? "\x1b[1m" : "", p->window->doc, p->window->number, model, what,
            p->screen->colour ? "\x1b[0m" : "");
}

static int end_table(struct table *t, const struct page *p, struct err *err)
{
    const int rc = table_put(t, p->to, 2, p->screen->width, err);
    table_free(t);
    fputc('\n', p->to);
    return rc;
}

/* A token, cut to CHARS characters; BOS in front of a window as such. */
static void name_token(const struct page *p, size_t at, char text[PROMPTS_TEXT])
{
    const struct tokenizer *t = p->names.tokenizer;
    if (t && at == 0 && p->window->ids[0] == tokenizer_bos(t)) {
        snprintf(text, PROMPTS_TEXT, "BOS");
        return;
    }
    prompts_show(&p->names, p->window->ids[at], text);
    size_t n = 0, i = 0;
    for (; text[i] && n < CHARS; i++) {
        n += ((unsigned char)text[i + 1] & 0xc0) != 0x80;
    }
    if (text[i]) {
        snprintf(text + i, PROMPTS_TEXT - i, "…");
    }
}

static void put_token(struct table *t, const struct page *p, size_t at)
{
    char text[PROMPTS_TEXT];
    name_token(p, at, text);
    table_count(t, at);
    table_text(t, text);
}

static int put_neurons(const struct page *p, const struct acts_model *m, struct err *err)
{
    const char **heads = mem_new(m->n_neurons + 2, sizeof *heads);
    if (!heads) {
        return err_nomem(err, "a table");
    }
    struct table t = {.heads = heads, .n_columns = m->n_neurons + 2, .n_keys = 2};
    heads[0] = "position";
    heads[1] = "<token";
    for (size_t i = 0; i < m->n_neurons; i++) {
        heads[2 + i] = m->neurons[i].name;
    }
    for (size_t at = 0; at < p->window->n; at++) {
        put_token(&t, p, at);
        for (size_t i = 0; i < m->n_neurons; i++) {
            table_real(&t, (double)m->neurons[i].values[at], 4);
        }
    }
    put_head(p, m->model->name, "activations");
    const int rc = end_table(&t, p, err);
    free(heads);
    return rc;
}

/* The SOURCES greatest of row[n] into at[], the greatest first, of equal ones the earlier; how many
 * those are. */
static size_t find_greatest(const float *row, size_t n, size_t at[SOURCES])
{
    size_t found = 0;
    for (size_t j = 0; j < n; j++) {
        size_t k = found < SOURCES ? found++ : SOURCES;
        for (; k > 0 && row[j] > row[at[k - 1]]; k--) {
            if (k < SOURCES) {
                at[k] = at[k - 1];
            }
        }
        if (k < SOURCES) {
            at[k] = j;
        }
    }
    return found;
}

/* How many sources fit a line beside the position and its token. */
static size_t sources_shown(size_t width)
{
    const size_t fit = width > 26 ? (width - 26) / 22 : 0;
    return fit < 1 ? 1 : fit < SOURCES ? fit : SOURCES;
}

static int put_pattern(const struct page *p, const struct acts_model *m, const struct acts_unit *h,
                       struct err *err)
{
    static const char *const heads[] = {"position", "<token",  "<most", "<second",
                                        "<third",   "<fourth", "<fifth"};
    const size_t shown = sources_shown(p->screen->width);
    struct table t = {.heads = heads, .n_columns = 2 + shown, .n_keys = 2};
    char what[64];
    for (size_t i = 0; i < p->window->n; i++) {
        const float *row = h->values + i * m->n_ctx;
        size_t at[SOURCES];
        const size_t n = find_greatest(row, i + 1, at);
        put_token(&t, p, i);
        for (size_t k = 0; k < n && k < shown; k++) {
            char text[PROMPTS_TEXT];
            name_token(p, at[k], text);
            table_cell(&t, "%.3f %zu %s", (double)row[at[k]], at[k], text);
        }
        table_row(&t);
    }
    snprintf(what, sizeof what, "%s looks at", h->name);
    put_head(p, m->model->name, what);
    return end_table(&t, p, err);
}

int acts_view_put(const struct acts_model *models, size_t n, const struct window *w,
                  const struct tokenizer *t, const struct screen *s, FILE *to, struct err *err)
{
    const struct page p = {.window = w, .screen = s, .names = {.tokenizer = t}, .to = to};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const struct acts_model *m = &models[i];
        rc = m->n_neurons > 0 ? put_neurons(&p, m, err) : 0;
        for (size_t h = 0; h < m->n_heads && !rc; h++) {
            rc = put_pattern(&p, m, &m->heads[h], err);
        }
    }
    return rc;
}
