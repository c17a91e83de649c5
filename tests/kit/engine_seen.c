#include "tests/kit/engine_seen.h"

#include <math.h>

#include "model/pass/forward.h"
#include "tests/kit/random.h"

size_t row_width(const struct config *c, enum row_site site)
{
    return site == ROW_Z
               ? c->n_heads * c->d_head
               : (site == ROW_PRE || site == ROW_MID || site == ROW_POST ? c->d_mlp : c->d_model);
}

uint32_t row_sites(const struct config *c)
{
    uint32_t sites = 0;
    for (enum row_site site = 0; site < ROW_SITES; site++) {
        const bool of_mlp = site >= ROW_RESID_MID && site <= ROW_MLP_OUT;
        const bool has =
            site == ROW_MID ? !c->attn_only && c->act_fn == ACT_SOLU_LN : !of_mlp || !c->attn_only;
        sites |= has ? ROW_BIT(site) : 0;
    }
    return sites;
}

static float *room(size_t n)
{
    float *p = malloc(n * sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        p[i] = NAN; // until it is seen
    }
    return p;
}

void seen_new(struct seen *s, const struct model *m)
{
    const struct config *c = &m->config;
    assert_true(c->n_ctx <= 1024);
    memset(s, 0, sizeof *s);
    s->model = m;
    for (size_t k = 0; k < WINDOWS; k++) {
        const size_t n = k * 37 % (c->n_ctx - 1) + 1;
        for (size_t i = 0; i < n; i++) {
            s->tokens[k][i] = next_random((uint32_t)c->d_vocab);
        }
        s->first[k] = next_random((uint32_t)c->d_vocab);
        s->items[k] = (struct engine_window){
            .first = s->first[k], .tokens = s->tokens[k], .n = n, .logprob = s->logprob[k]};
        s->begin[k + 1] = s->begin[k] + n + 1;
        s->squares[k + 1] = s->squares[k] + (n + 1) * (n + 1);
    }
    for (enum row_site site = 0; site < ROW_SITES; site++) {
        if (row_sites(c) & ROW_BIT(site)) {
            s->rows[site] = room(c->n_layers * s->begin[WINDOWS] * row_width(c, site));
        }
    }
    s->pattern = room(c->n_layers * c->n_heads * s->squares[WINDOWS]);
    s->normed = room(s->begin[WINDOWS] * c->d_model);
}

void seen_copy(struct seen *s, const struct seen *other)
{
    seen_new(s, other->model);
    memcpy(s->tokens, other->tokens, sizeof s->tokens);
    memcpy(s->first, other->first, sizeof s->first);
    for (size_t k = 0; k < WINDOWS; k++) {
        s->items[k].first = s->first[k];
    }
}

void seen_end(struct seen *s)
{
    for (enum row_site site = 0; site < ROW_SITES; site++) {
        free(s->rows[site]);
    }
    free(s->pattern);
    free(s->normed);
}

float *seen_rows(const struct seen *s, enum row_site site, size_t layer, size_t k)
{
    const size_t layers = layer * s->begin[WINDOWS] + s->begin[k];
    return s->rows[site] + layers * row_width(&s->model->config, site);
}

float *seen_pattern(const struct seen *s, size_t layer, size_t head, size_t k)
{
    return s->pattern + (layer * s->model->config.n_heads + head) * s->squares[WINDOWS] +
           s->squares[k];
}

// --- the engine's -------------------------------------------------------------------------------

/* An engine_rows() function: blocks come in order, a block's layers in order, sites in order. */
static void keep_rows(void *context, size_t layer, enum row_site site,
                      const struct engine_window *windows, size_t n_windows, const float *rows)
{
    struct seen *s = context;
    const struct config *c = &s->model->config;
    const size_t width = row_width(c, site);
    assert_true(row_sites(c) & ROW_BIT(site));
    assert_int_equal(layer, site == ROW_RESID_FINAL ? c->n_layers - 1 : s->layer);
    assert_ptr_equal(windows, &s->items[s->next]);
    for (size_t k = s->next; k < s->next + n_windows; k++) {
        const size_t n = (s->items[k].n + 1) * width;
        memcpy(seen_rows(s, site, layer, k), rows, n * sizeof *rows);
        rows += n;
    }
    for (enum row_site later = site + 1; later < ROW_RESID_FINAL; later++) {
        assert_true(s->calls[later] <= s->calls[site]);
    }
    s->calls[site]++;
    const enum row_site last = c->attn_only ? ROW_Z : ROW_MLP_OUT; // of a layer
    s->layer += site == last;
    if (site == ROW_RESID_FINAL) {
        assert_int_equal(s->layer, c->n_layers);
        s->layer = 0;
        s->next += n_windows;
    }
}

static void keep_pattern(void *context, size_t layer, size_t head,
                         const struct engine_window *window, size_t i0, size_t n,
                         const float *pattern)
{
    struct seen *s = context;
    const size_t k = (size_t)(window - s->items), n_keys = i0 + n, side = s->items[k].n + 1;
    assert_true(k < WINDOWS && n >= 1 && n_keys <= side);
    assert_int_equal(layer, s->layer);
    float *to = seen_pattern(s, layer, head, k) + i0 * side;
    for (size_t i = 0; i < n; i++, to += side, pattern += n_keys) {
        memcpy(to, pattern, n_keys * sizeof *to);
        memset(to + n_keys, 0, (side - n_keys) * sizeof *to);
    }
    s->pattern_rows += n;
}

void seen_keep_normed(void *context, const struct engine_window *windows, size_t n_windows,
                      const float *x)
{
    struct seen *s = context;
    const size_t d = s->model->config.d_model;
    size_t k = (size_t)(windows - s->items);
    for (size_t end = k + n_windows; k < end; k++) {
        float *to = s->normed + s->begin[k] * d;
        memcpy(to, x, s->items[k].n * d * sizeof *x);
        memset(to + s->items[k].n * d, 0, d * sizeof *x);
        x += s->items[k].n * d;
    }
}

void seen_look(struct seen *s, struct engine_ctx *ctx)
{
    const struct config *c = &s->model->config;
    const struct engine_watch watch = {.sites = row_sites(c),
                                       .rows = keep_rows,
                                       .pattern = keep_pattern,
                                       .normed = seen_keep_normed,
                                       .context = s};
    assert_int_equal(engine_watch_sites(ctx, watch.sites, NULL), 0);
    s->next = s->layer = s->pattern_rows = 0;
    memset(s->calls, 0, sizeof s->calls);
    engine_score_watched(ctx, s->items, WINDOWS, &watch, NULL);
    assert_int_equal(s->next, WINDOWS);
    assert_true(s->calls[ROW_RESID_FINAL] >= 2); // blocks
    assert_int_equal(s->calls[ROW_Z], s->calls[ROW_RESID_FINAL] * c->n_layers);
    assert_int_equal(s->pattern_rows, s->begin[WINDOWS] * c->n_layers * c->n_heads);
}

// --- the reference's ----------------------------------------------------------------------------

static void ref_rows(void *context, enum row_site site, size_t layer, const float *rows)
{
    struct seen *s = context;
    const size_t n = (s->items[s->window].n + 1) * row_width(&s->model->config, site);
    memcpy(seen_rows(s, site, layer, s->window), rows, n * sizeof *rows);
}

static void ref_resid_pre(void *context, size_t layer, float *resid)
{
    ref_rows(context, ROW_RESID_PRE, layer, resid);
}

static void ref_resid_mid(void *context, size_t layer, float *resid)
{
    const struct seen *s = context;
    if (s->rows[ROW_RESID_MID]) {
        ref_rows(context, ROW_RESID_MID, layer, resid);
    }
}

static void ref_mlp_out(void *context, size_t layer, float *out)
{
    ref_rows(context, ROW_MLP_OUT, layer, out);
}

static void ref_z(void *context, size_t layer, size_t head, float *z)
{
    struct seen *s = context;
    const struct config *c = &s->model->config;
    float *to = seen_rows(s, ROW_Z, layer, s->window) + head * c->d_head;
    for (size_t i = 0; i <= s->items[s->window].n; i++, to += c->n_heads * c->d_head) {
        memcpy(to, z + i * c->d_head, c->d_head * sizeof *to);
    }
}

static void ref_neurons(void *context, size_t layer, enum site site, const float *acts, size_t n,
                        size_t d_mlp)
{
    const struct seen *s = context;
    assert_int_equal(n, s->items[s->window].n + 1);
    assert_int_equal(d_mlp, s->model->config.d_mlp);
    ref_rows(context, engine_neuron_site(site), layer, acts);
}

static void ref_pattern(void *context, size_t layer, size_t head, const float *pattern, size_t n)
{
    const struct seen *s = context;
    memcpy(seen_pattern(s, layer, head, s->window), pattern, n * n * sizeof *pattern);
}

/* to = the row, less its mean, over its scale, in double. */
static void ref_norm(const struct config *c, const float *row, float *to)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < c->d_model; i++) {
        mean += (double)row[i] / (double)c->d_model;
    }
    for (size_t i = 0; i < c->d_model; i++) {
        square += ((double)row[i] - mean) * ((double)row[i] - mean) / (double)c->d_model;
    }
    for (size_t i = 0; i < c->d_model; i++) {
        to[i] = c->norm == NORM_NONE
                    ? row[i]
                    : (float)(((double)row[i] - mean) / sqrt(square + (double)c->eps));
    }
}

void seen_reference(struct seen *s)
{
    const struct config *c = &s->model->config;
    struct forward *f;
    assert_int_equal(forward_new(&f, s->model, NULL), 0);
    for (size_t k = 0; k < WINDOWS; k++) {
        static uint32_t ids[1024];
        const size_t n = s->items[k].n + 1;
        const struct forward_hooks hooks = {
            .context = s, .pattern = ref_pattern, .neurons = c->attn_only ? NULL : ref_neurons};
        const struct forward_edits edits = {.context = s,
                                            .resid_pre = ref_resid_pre,
                                            .resid_mid = ref_resid_mid,
                                            .z = ref_z,
                                            .mlp_out = c->attn_only ? NULL : ref_mlp_out};
        ids[0] = s->items[k].first;
        memcpy(ids + 1, s->tokens[k], s->items[k].n * sizeof *ids);
        s->window = k;
        forward_run(f, ids, n, &hooks);
        memcpy(seen_rows(s, ROW_RESID_FINAL, c->n_layers - 1, k), forward_resid_final(f),
               n * c->d_model * sizeof(float));
        forward_run_edited(f, ids, n, &edits);
    }
    forward_free(f);
    static const enum row_site normed[][2] = {{ROW_LN1, ROW_RESID_PRE}, {ROW_LN2, ROW_RESID_MID}};
    for (size_t which = 0; which < (c->attn_only ? 1 : 2); which++) {
        for (size_t i = 0; i < c->n_layers * s->begin[WINDOWS]; i++) {
            ref_norm(c, s->rows[normed[which][1]] + i * c->d_model,
                     s->rows[normed[which][0]] + i * c->d_model);
        }
    }
}
