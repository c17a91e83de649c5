#include "scan/cmd/minimal_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "model/explain/attribution.h"
#include "out/text/printable.h"
#include "out/text/table.h"

// A table of components with more rows than ROWS_MAX shows the ROWS_LARGEST.
#define ROWS_MAX ((size_t)64)
#define ROWS_LARGEST ((size_t)40)
#define PLACES ((size_t)10) // components at single positions

void minimal_view_head(const struct screen *s, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        mem_lost(); // screen_close() says so
        return;
    }
    fputs(s->colour ? "\n\x1b[1m" : "\n", s->to);
    show_text(s->to, text, 0, SIZE_MAX);
    fputs(s->colour ? "\x1b[0m\n" : "\n", s->to);
    free(text);
}

static int end_table(struct table *t, const struct screen *s, struct err *err)
{
    const int rc = table_put(t, s->to, 2, s->width, err);
    table_free(t);
    return rc;
}

// --- choosing rows ------------------------------------------------------------------------------

/* The size of row i, for the choice. */
typedef double row_size(const struct minimal *m, size_t i);

static int descending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

static double attribution_size(const struct minimal *m, size_t i)
{
    const double one = m->components[0][i], two = m->components[1][i];
    return fmax(fabs(two - one), fmax(fabs(one), fabs(two)));
}

static double patched_size(const struct minimal *m, size_t i)
{
    return fmax(fabs(m->patched[0][i] - m->output[0].difference),
                fabs(m->patched[1][i] - m->output[1].difference));
}

/* The size from which on a row is shown: all up to ROWS_MAX, else the ROWS_LARGEST. */
static int find_shown(const struct minimal *m, row_size *size, size_t n_rows, double *out,
                      struct err *err)
{
    *out = -INFINITY;
    if (n_rows <= ROWS_MAX) {
        return 0;
    }
    double *sizes = mem_new(n_rows, sizeof *sizes);
    if (!sizes) {
        return err_nomem(err, "a table");
    }
    for (size_t i = 0; i < n_rows; i++) {
        sizes[i] = size(m, i);
    }
    qsort(sizes, n_rows, sizeof *sizes, descending);
    *out = sizes[ROWS_LARGEST - 1];
    free(sizes);
    return 0;
}

static void put_left_out(const struct screen *s, size_t n_rows)
{
    if (n_rows > ROWS_MAX) {
        put_note(s, 2, "the %zu largest of %zu; --json has all", ROWS_LARGEST, n_rows);
    }
}

// --- what the model says ------------------------------------------------------------------------

static int put_answers(const struct minimal *m, const struct prompts *p, const struct screen *s,
                       struct err *err)
{
    static const char *const heads[] = {"<answer", "one",     "logprob", "rank",
                                        "two",     "logprob", "rank"};
    struct table t = {.heads = heads, .n_columns = 7, .n_keys = 1, .group = 3};
    char text[PROMPTS_TEXT];
    for (size_t a = 0; a < 2; a++) {
        prompts_show(p, p->answers[a], text);
        table_text(&t, text);
        for (size_t k = 0; k < 2; k++) {
            table_signed(&t, (double)m->output[k].logits[a], 4);
            table_real(&t, m->output[k].logprobs[a], 4);
            table_count(&t, m->output[k].ranks[a]);
        }
    }
    fputs("  logit difference ", s->to);
    show_real(s->to, m->output[0].difference, 0, 4);
    fputs(" after one, ", s->to);
    show_real(s->to, m->output[1].difference, 0, 4);
    fputs(" after two\n", s->to);
    return end_table(&t, s, err);
}

static int put_top(const struct minimal *m, const struct prompts *p, const struct screen *s,
                   struct err *err)
{
    static const char *const heads[] = {"rank", "<after one", "logprob", "<after two", "logprob"};
    struct table t = {.heads = heads, .n_columns = 5, .n_keys = 1, .group = 2};
    for (size_t i = 0; i < m->output[0].n_top; i++) {
        table_count(&t, i + 1);
        for (size_t k = 0; k < 2; k++) {
            char text[PROMPTS_TEXT];
            prompts_show(p, m->output[k].top[i], text);
            table_text(&t, text);
            table_real(&t, m->output[k].top_logprob[i], 4);
        }
    }
    minimal_view_head(s, "the most likely next tokens");
    return end_table(&t, s, err);
}

// --- attribution --------------------------------------------------------------------------------

static void three(struct table *t, double one, double two)
{
    table_signed(t, one, 4);
    table_signed(t, two, 4);
    table_signed(t, two - one, 4);
}

static int put_attribution(const struct minimal *m, const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"<part", "one", "two", "change"};
    struct table t = {.heads = heads, .n_columns = 4, .n_keys = 1, .group = 3};
    double sums[2] = {0}, shown;
    int rc = find_shown(m, attribution_size, m->n_components, &shown, err);
    for (size_t i = 0; i < m->n_components; i++) {
        char name[ATTRIBUTION_NAME];
        sums[0] += m->components[0][i];
        sums[1] += m->components[1][i];
        if (attribution_size(m, i) >= shown) {
            attribution_component_name(m->model, i, name);
            table_text(&t, name);
            three(&t, m->components[0][i], m->components[1][i]);
        }
    }
    table_text(&t, m->n_components > ROWS_MAX ? "sum of all" : "sum");
    three(&t, sums[0], sums[1]);
    minimal_view_head(s, "direct logit attribution of the difference");
    const int put = end_table(&t, s, err);
    put_left_out(s, m->n_components);
    return rc ? rc : put;
}

/* Is neuron i listed, as of the largest effects or changes? */
static bool is_listed(const struct minimal *m, size_t i)
{
    bool listed = false;
    for (size_t k = 0; k < 3 * m->n_listed; k++) {
        listed = listed || m->listed[k / m->n_listed][k % m->n_listed] == i;
    }
    return listed;
}

static int put_neurons(const struct minimal *m, const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"<neuron", "one", "two", "change", "activation one", "two"};
    struct table t = {.heads = heads, .n_columns = 6, .n_keys = 1, .group = 5};
    for (size_t i = 0; i < m->n_neurons; i++) {
        if (is_listed(m, i)) {
            table_cell(&t, "L%zuN%zu", i / m->model->config.d_mlp, i % m->model->config.d_mlp);
            three(&t, m->effects[0][i], m->effects[1][i]);
            table_signed(&t, (double)m->post[0][i], 4);
            table_signed(&t, (double)m->post[1][i], 4);
        }
    }
    minimal_view_head(s, "neurons: the ten largest after each prompt, and the ten largest changes");
    return end_table(&t, s, err);
}

// --- patching -----------------------------------------------------------------------------------

static void patched(struct table *t, const struct minimal *m, size_t k, double difference)
{
    table_signed(t, difference, 4);
    table_signed(t, minimal_effect(m, k, difference), 3);
}

static int put_components(const struct minimal *m, const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"<component", "into one", "effect", "into two", "effect"};
    struct table t = {.heads = heads, .n_columns = 5, .n_keys = 1, .group = 2};
    const size_t n = m->model->config.n_layers * m->per_layer;
    double shown;
    int rc = find_shown(m, patched_size, n, &shown, err);
    for (size_t i = 0; i < n; i++) {
        char name[MINIMAL_NAME];
        if (patched_size(m, i) >= shown) {
            minimal_component_name(&m->model->config, i, name);
            table_text(&t, name);
            patched(&t, m, 0, m->patched[0][i]);
            patched(&t, m, 1, m->patched[1][i]);
        }
    }
    minimal_view_head(s, "patching: the difference with one output of the other prompt");
    const int put = end_table(&t, s, err);
    put_left_out(s, n);
    put_note(
        s, 2,
        "effect: (patched - own) / (other's - own); 0: no change, 1: as after the other prompt");
    return rc ? rc : put;
}

static int put_patched_neurons(const struct minimal *m, const struct screen *s, struct err *err)
{
    static const char *const heads[] = {"<into one", "difference", "effect",
                                        "<into two", "difference", "effect"};
    struct table t = {.heads = heads, .n_columns = 6, .group = 3};
    for (size_t i = 0; i < m->n_patched; i++) {
        for (size_t k = 0; k < 2; k++) {
            const struct minimal_neuron *neuron = &m->neurons[k][i];
            table_cell(&t, "L%zuN%zu", neuron->layer, neuron->index);
            patched(&t, m, k, neuron->difference);
        }
    }
    minimal_view_head(s, "patching single neurons: those that change the difference most");
    if (m->n_neurons == 0) {
        put_note(s, 2, "attention-only: it has no neurons");
        return 0;
    }
    if (m->n_tried < m->n_neurons) {
        put_note(s, 2, "among the %zu of %zu neurons that write the largest changes", m->n_tried,
                 m->n_neurons);
    }
    return end_table(&t, s, err);
}

// --- positions ----------------------------------------------------------------------------------

/* A position: its number, its tokens. */
static void place(struct table *t, const struct prompts *p, size_t at)
{
    table_count(t, at);
    for (size_t k = 0; k < 2; k++) {
        char text[PROMPTS_TEXT];
        prompts_show(p, p->ids[k][at], text);
        table_text(t, text);
    }
}

/* The first position that differs: nothing before it changes. */
static size_t first_difference(const struct prompts *p)
{
    size_t at = 0;
    while (p->ids[0][at] == p->ids[1][at]) {
        at++;
    }
    return at;
}

/* Effects of resid_pre, positions down, layers across. */
static int put_resid(const struct minimal *m, const struct prompts *p, size_t k,
                     const struct screen *s, struct err *err)
{
    const size_t n_layers = m->model->config.n_layers;
    char(*names)[24] = mem_new(n_layers, sizeof *names);
    const char **heads = mem_new(n_layers + 3, sizeof *heads);
    int rc = names && heads ? 0 : err_nomem(err, "a table");
    if (!rc) {
        struct table t = {.heads = heads, .n_columns = n_layers + 3, .n_keys = 3};
        heads[0] = "position";
        heads[1] = "<one";
        heads[2] = "<two";
        for (size_t l = 0; l < n_layers; l++) {
            snprintf(names[l], sizeof *names, "L%zu", l);
            heads[3 + l] = names[l];
        }
        for (size_t at = first_difference(p); at < m->n; at++) {
            place(&t, p, at);
            for (size_t l = 0; l < n_layers; l++) {
                table_signed(&t, minimal_effect(m, k, m->resid_pre[k][l * m->n + at]), 3);
            }
        }
        minimal_view_head(s, "patching the residual stream before a layer into %s: effects",
                          k ? "two" : "one");
        rc = end_table(&t, s, err);
    }
    free(names);
    free(heads);
    return rc;
}

/* A component at a position, and how much it changes, in either direction. */
struct place {
    double size;
    size_t index; // in struct minimal's 'at'
};

/* The largest first, of equal ones the first. */
static int by_size(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : x->index < y->index ? -1 : 1;
}

static int put_places(const struct minimal *m, const struct prompts *p, const struct screen *s,
                      struct err *err)
{
    static const char *const heads[] = {"<component", "position", "<one",     "<two",
                                        "into one",   "effect",   "into two", "effect"};
    struct table t = {.heads = heads, .n_columns = 8, .n_keys = 4, .group = 2};
    const size_t n = m->model->config.n_layers * m->per_layer * m->n;
    struct place *places = mem_new(n, sizeof *places);
    if (!places) {
        return err_nomem(err, "a table");
    }
    for (size_t i = 0; i < n; i++) {
        places[i] = (struct place){fmax(fabs(m->at[0][i] - m->output[0].difference),
                                        fabs(m->at[1][i] - m->output[1].difference)),
                                   i};
    }
    qsort(places, n, sizeof *places, by_size);
    for (size_t k = 0; k < n && k < PLACES && places[k].size > 0; k++) {
        const size_t i = places[k].index;
        char name[MINIMAL_NAME];
        minimal_component_name(&m->model->config, i / m->n, name);
        table_text(&t, name);
        place(&t, p, i % m->n);
        patched(&t, m, 0, m->at[0][i]);
        patched(&t, m, 1, m->at[1][i]);
    }
    free(places);
    minimal_view_head(s, "patching one output at one position: the largest changes");
    return end_table(&t, s, err);
}

int minimal_view_put(const struct minimal *m, const struct prompts *p, const struct screen *s,
                     struct err *err)
{
    char answers[2][PROMPTS_TEXT];
    prompts_show(p, p->answers[0], answers[0]);
    prompts_show(p, p->answers[1], answers[1]);
    minimal_view_head(s, "%s: logit(%s) - logit(%s)", m->name, answers[0], answers[1]);
    int rc = put_answers(m, p, s, err);
    rc = rc ? rc : put_top(m, p, s, err);
    rc = rc ? rc : put_attribution(m, s, err);
    if (!rc && m->n_neurons > 0) {
        rc = put_neurons(m, s, err);
    }
    rc = rc ? rc : put_components(m, s, err);
    if (!rc && m->options.neurons > 0) {
        rc = put_patched_neurons(m, s, err);
    }
    for (size_t k = 0; k < 2 && m->options.positions && !rc; k++) {
        rc = put_resid(m, p, k, s, err);
    }
    if (!rc && m->options.positions) {
        rc = put_places(m, p, s, err);
    }
    return rc;
}
