#include "scan/cmd/circuits_view.h"

#include <stdlib.h>

#include "corpora/base/mem.h"

#define CHOSEN ((size_t)5)    // tokens that are looked at where none is named
#define QUERY_AT ((size_t)10) // the position of queries in lists with positions

/* Working memory. */
struct maker {
    struct circuits_view *view;
    double *values;  // [d_vocab]
    double *sizes;   // [d_vocab]
    bool *left_out;  // [d_vocab] ids without a token
    bool *not_drawn; // [d_vocab] and special tokens
};

// --- lists of tokens ----------------------------------------------------------------------------

static int list_make(const struct maker *k, bool least, struct circuits_list *out, struct err *err)
{
    const size_t d_vocab = k->view->model->config.d_vocab;
    const size_t n = k->view->ask.top < d_vocab ? k->view->ask.top : d_vocab;
    out->ids = mem_new(n, sizeof *out->ids);
    out->values = mem_new(n, sizeof *out->values);
    if (!out->ids || !out->values) {
        return err_nomem(err, "tokens");
    }
    out->n = circuits_extremes(k->values, d_vocab, least, k->left_out, out->ids, n);
    for (size_t i = 0; i < out->n; i++) {
        out->values[i] = k->values[out->ids[i]];
    }
    return 0;
}

static size_t rank_of(const struct maker *k, uint32_t token)
{
    size_t rank = 1;
    for (size_t t = 0; t < k->view->model->config.d_vocab; t++) {
        rank += !k->left_out[t] && k->values[t] > k->values[token];
    }
    return rank;
}

static int values_of(const struct maker *k, const struct circuits_row *row, bool folded,
                     struct err *err)
{
    const struct model *m = k->view->model;
    const struct circuits_head head = {row->layer, row->index, folded};
    switch (row->kind) {
    case CIRCUITS_OV:
        return circuits_ov(m, &head, row->token, k->values, err);
    case CIRCUITS_QK:
        return circuits_keys(m, &head, row->token, k->values, err);
    default:
        return circuits_direct(m, folded, row->token, k->values, err);
    }
}

static int fill_row(const struct maker *k, struct circuits_row *row, struct err *err)
{
    int rc = 0;
    for (size_t raw = 0; raw < 2 && !rc; raw++) {
        rc = values_of(k, row, !raw, err);
        rc = rc ? rc : list_make(k, false, &row->lists[2 * raw + CIRCUITS_GREATEST], err);
        rc = rc ? rc : list_make(k, true, &row->lists[2 * raw + CIRCUITS_LEAST], err);
        if (!rc) {
            row->own[raw] = k->values[row->token];
            row->own_rank[raw] = rank_of(k, row->token);
        }
    }
    if (!rc && row->kind == CIRCUITS_QK && k->view->query_at > 0) {
        const struct circuits_head head = {row->layer, row->index, true};
        const size_t i = k->view->query_at;
        rc = circuits_keys_at(k->view->model, &head, row->token, i, i - 1, k->values, err);
        rc = rc ? rc : list_make(k, false, &row->lists[CIRCUITS_AT], err);
    }
    return rc;
}

static int add_row(const struct maker *k, struct circuits_row row, struct err *err)
{
    struct circuits_view *v = k->view;
    const int rc =
        mem_reserve(&v->rows, &v->rows_cap, v->n_rows + 1, sizeof *v->rows, "tokens", err);
    if (rc) {
        return rc;
    }
    v->rows[v->n_rows] = row;
    return fill_row(k, &v->rows[v->n_rows++], err);
}

/* The rows of tokens of one head, or of every head in turn. */
static int add_rows(const struct maker *k, struct circuits_row row, const uint32_t *tokens,
                    size_t n, struct err *err)
{
    const struct config *c = &k->view->model->config;
    const struct circuits_ask *ask = &k->view->ask;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        row.token = tokens[i];
        for (size_t h = 0; h < c->n_layers * c->n_heads && !rc; h++) {
            row.layer = h / c->n_heads;
            row.index = h % c->n_heads;
            if (!ask->one_head || (row.layer == ask->layer && row.index == ask->index)) {
                rc = add_row(k, row, err);
            }
        }
    }
    return rc;
}

// --- what is looked at --------------------------------------------------------------------------

static size_t choose(const struct maker *k, uint32_t *ids)
{
    return circuits_extremes(k->sizes, k->view->model->config.d_vocab, false, k->not_drawn, ids,
                             CHOSEN);
}

/* Of one head, and no token named: those that it writes most for, and those that look for most. */
static int add_chosen(const struct maker *k, struct err *err)
{
    const struct circuits_view *v = k->view;
    const struct circuits_head head = {v->ask.layer, v->ask.index, true};
    uint32_t ids[CHOSEN];
    int rc = circuits_source_sizes(v->model, &head, k->sizes, err);
    if (!rc) {
        const size_t n = choose(k, ids);
        rc = add_rows(k, (struct circuits_row){.kind = CIRCUITS_OV}, ids, n, err);
    }
    rc = rc ? rc : circuits_query_sizes(v->model, &head, k->sizes, err);
    if (!rc) {
        const size_t n = choose(k, ids);
        rc = add_rows(k, (struct circuits_row){.kind = CIRCUITS_QK}, ids, n, err);
    }
    return rc;
}

/* Without a head: the bigrams of the direct path, of named sources or of the longest embeddings as
 * they are written. */
static int add_direct(const struct maker *k, struct err *err)
{
    const struct circuits_view *v = k->view;
    const uint32_t *sources = v->ask.sources;
    uint32_t ids[CHOSEN];
    size_t n = v->ask.n_sources;
    int rc = 0;
    if (n == 0 && v->ask.n_queries == 0) {
        rc = circuits_direct_sizes(v->model, true, k->sizes, err);
        n = rc ? 0 : choose(k, ids);
        sources = ids;
    }
    for (size_t i = 0; i < n && !rc; i++) {
        rc = add_row(k, (struct circuits_row){.kind = CIRCUITS_DIRECT, .token = sources[i]}, err);
    }
    return rc;
}

static int add_all_rows(const struct maker *k, struct err *err)
{
    const struct circuits_ask *ask = &k->view->ask;
    const bool named = ask->n_sources > 0 || ask->n_queries > 0;
    int rc =
        add_rows(k, (struct circuits_row){.kind = CIRCUITS_OV}, ask->sources, ask->n_sources, err);
    rc = rc ? rc
            : add_rows(k, (struct circuits_row){.kind = CIRCUITS_QK}, ask->queries, ask->n_queries,
                       err);
    if (!rc && ask->one_head && !named) {
        rc = add_chosen(k, err);
    }
    if (!rc && !ask->one_head) {
        rc = add_direct(k, err);
    }
    return rc;
}

static int score_heads(const struct maker *k, struct err *err)
{
    struct circuits_view *v = k->view;
    const struct config *c = &v->model->config;
    const size_t n = c->n_layers * c->n_heads;
    int rc = head_scores_make(v->model, v->ask.bos, k->not_drawn, v->scores, NULL, err);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = circuits_positions(v->model, i / c->n_heads, i % c->n_heads, v->n_positions,
                                &v->positions[i], err);
    }
    rc = rc ? rc : composition_make(&v->folded, v->model, true, NULL, err);
    return rc ? rc : composition_make(&v->raw, v->model, false, NULL, err);
}

/* Which ids stand for no token, and which are special. */
static void mark_tokens(const struct maker *k)
{
    const struct tokenizer *t = k->view->ask.tokenizer;
    for (uint32_t id = 0; t && id < k->view->model->config.d_vocab; id++) {
        size_t len;
        k->left_out[id] = id >= tokenizer_n_vocab(t) || !tokenizer_bytes(t, id, &len);
        k->not_drawn[id] = k->left_out[id] || tokenizer_is_special(t, id);
    }
}

int circuits_view_make(struct circuits_view *out, const struct model *m, const char *name,
                       const struct circuits_ask *ask, struct err *err)
{
    const struct config *c = &m->config;
    const size_t n = c->n_layers * c->n_heads;
    *out = (struct circuits_view){.model = m, .name = name, .ask = *ask};
    struct maker k = {.view = out,
                      .values = mem_new(c->d_vocab, sizeof *k.values),
                      .sizes = mem_new(c->d_vocab, sizeof *k.sizes),
                      .left_out = mem_zero(c->d_vocab, sizeof *k.left_out),
                      .not_drawn = mem_zero(c->d_vocab, sizeof *k.not_drawn)};
    out->scores = mem_zero(n, sizeof *out->scores);
    out->positions = mem_zero(n, sizeof *out->positions);
    int rc = k.values && k.sizes && k.left_out && k.not_drawn && out->scores && out->positions
                 ? 0
                 : err_nomem(err, "circuits");
    if (!rc) {
        mark_tokens(&k);
        out->n_positions = 2 * head_scores_period(m, ask->bos, k.not_drawn) + 1;
        out->query_at = c->n_ctx > QUERY_AT ? QUERY_AT : c->n_ctx - 1;
        rc = score_heads(&k, err);
    }
    rc = rc ? rc : add_all_rows(&k, err);
    free(k.values);
    free(k.sizes);
    free(k.left_out);
    free(k.not_drawn);
    return rc;
}

void circuits_view_free(struct circuits_view *v)
{
    for (size_t i = 0; i < v->n_rows; i++) {
        for (size_t k = 0; k < CIRCUITS_LISTS; k++) {
            free(v->rows[i].lists[k].ids);
            free(v->rows[i].lists[k].values);
        }
    }
    free(v->rows);
    free(v->scores);
    free(v->positions);
    composition_free(&v->folded);
    composition_free(&v->raw);
    *v = (struct circuits_view){0};
}

bool circuits_view_shows(const struct circuits_view *v, const struct composition_pair *p)
{
    const size_t head = v->ask.layer * v->model->config.n_heads + v->ask.index;
    return !v->ask.one_head || p->from == head || p->to == head;
}
