/*
 * engine_layers.c - runs a block of strands through the layers.  forward.h has the formulas with
 * the same names, and forward.c, the reference, is the same function of ids for one window at a
 * time.
 */
#include <assert.h>
#include <string.h>

#include "model/pass/engine_internal.h"

// --- pieces -------------------------------------------------------------------------------------

/* Copies those of x[n][width], which are rows from i0 on of the current block, that inside asks for
 * to layer l of to[][n_layers][width]. */
static void keep_inside(struct engine_ctx *r, float *to, const float *x, size_t l, size_t i0,
                        size_t n, size_t width)
{
    const struct engine_inside *in = &r->inside;
    for (size_t k = 0; k < in->n; k++) {
        const size_t row = in->rows[k];
        if (row >= i0 && row - i0 < n) {
            memcpy(to + ((in->first + k) * r->engine->model->config.n_layers + l) * width,
                   x + (row - i0) * width, width * sizeof *x);
        }
    }
}

/* The same for the last residual, which has no layers. */
static void keep_resid(struct engine_ctx *r)
{
    const struct engine_inside *in = &r->inside;
    const size_t d = r->engine->model->config.d_model;
    for (size_t k = 0; k < in->n; k++) {
        memcpy(in->resid + (in->first + k) * d, r->resid + in->rows[k] * d, d * sizeof *r->resid);
    }
}

/* Does the watch ask for rows of this site? */
static bool is_watched(const struct engine_ctx *r, enum row_site site)
{
    return r->watch && (r->watch->sites & ROW_BIT(site));
}

/* Shows the watch the block's rows of a site of layer l, if it asks for them. */
static void show(const struct engine_ctx *r, size_t l, enum row_site site, const float *rows)
{
    if (is_watched(r, site)) {
        r->watch->rows(r->watch->context, l, site, r->block.windows, r->block.n_windows, rows);
    }
}

/* The same of resid, normed without weights: what a norm whose weights are folded gives. */
static void show_normed(struct engine_ctx *r, size_t l, enum row_site site)
{
    const struct config *c = &r->engine->model->config;
    const size_t d = c->d_model;
    if (!is_watched(r, site)) {
        return;
    }
    for (size_t i = 0; i < r->block.n_rows; i++) {
        float *to = r->seen[site] + i * d;
        if (c->norm == NORM_NONE) {
            memcpy(to, r->resid + i * d, d * sizeof *to);
        } else {
            r->f32->norm(to, r->resid + i * d, NULL, NULL, c->eps, d, config_centres(c));
        }
    }
    show(r, l, site, r->seen[site]);
}

/* x = norm(stream), for all rows; w and b may be NULL. */
static void norm(struct engine_ctx *r, const float *stream, const float *w, const float *b,
                 bool centre)
{
    const struct config *c = &r->engine->model->config;
    const size_t d = c->d_model, n = r->block.n_rows;
    if (c->norm == NORM_NONE) {
        memcpy(r->x, stream, n * d * sizeof *r->x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        r->f32->norm(r->x + i * d, stream + i * d, w, b, c->eps, d, centre);
    }
}

/* out = (add ? out : 0) + x w + bias, for n rows. */
static void multiply(struct engine_ctx *r, float *out, const float *x, size_t n,
                     const struct weights *w, bool add)
{
    inputs_pack(&r->in, w, x, w->k, n);
    product(out, w->m, n, &r->in, w, add);
}

/* Row k of x[][width] becomes what row only[k] was. */
static void keep_only(const struct engine_ctx *r, float *x, size_t ld, size_t width)
{
    const struct engine_block *b = &r->block;
    for (size_t k = 0; k < b->n_only; k++) {
        memmove(x + k * ld, x + b->only[k] * ld, width * sizeof *x);
    }
}

/* Where the neurons of a layer's rows from i0 on are made. */
static float *neurons_at(const struct engine_ctx *r, bool keep, size_t l, size_t i0)
{
    return keep ? r->kept.post + (l * r->rows_max + i0) * r->engine->model->config.d_mlp : r->mlp;
}

// --- the embedding ------------------------------------------------------------------------------

/* resid = W_E[id] + W_pos[i] */
static void embed(struct engine_ctx *r)
{
    const struct model *m = r->engine->model;
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    float *to = r->resid;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct engine_strand *s = &r->block.strands[k];
        for (size_t i = 0; i < s->n; i++, to += d) {
            const uint32_t id = engine_strand_id(s, i);
            assert(id < c->d_vocab);
            const float *pos = config_has_pos_embed(c) ? m->W_pos + (s->base + i) * d : NULL;
            for (size_t j = 0; j < d; j++) {
                to[j] = m->W_E[id * d + j] + (pos ? pos[j] : 0.0f);
            }
        }
    }
}

// --- attention ----------------------------------------------------------------------------------

/* Packs keys and values of one head at positions [from, from + n): keys into panels of
 * [d_head][cols], values into panels of [room][cols]. */
static void pack_head(struct engine_ctx *r, const float *keys, size_t keys_ld, const float *values,
                      size_t values_ld, size_t from, size_t n, size_t room)
{
    const size_t cols = r->f32->cols, d_head = r->engine->model->config.d_head;
    for (size_t j = 0, m; j < n; j += m) {
        const size_t at = (from + j) % cols; // in its panel
        m = n - j < cols - at ? n - j : cols - at;
        float *to = r->keys + (from + j - at) * d_head + at;
        for (size_t d = 0; d < d_head; d++, to += cols) {
            for (size_t i = 0; i < m; i++) {
                to[i] = keys[(j + i) * keys_ld + d];
            }
            memset(to + m, 0, (cols - at - m) * sizeof *to);
        }
    }
    for (size_t d0 = 0; d0 < d_head; d0 += cols) {
        const size_t m = d_head - d0 < cols ? d_head - d0 : cols;
        float *to = r->values + d0 * room + from * cols;
        for (size_t j = 0; j < n; j++, to += cols) {
            memcpy(to, values + j * values_ld + d0, m * sizeof *to);
            memset(to + m, 0, (cols - m) * sizeof *to);
        }
    }
}

/* The first key that the query at position i sees. */
static size_t first_key(size_t i, size_t local)
{
    return i + 1 > local ? i + 1 - local : 0;
}

/* z = softmax(q k) v for the packed queries of one head at positions [i0, i0 + n), n <= rows, over
 * the keys up to each, of a local layer the last ones.  Other keys have weight 0 in its tile, which
 * changes no sum. */
static void attend(struct engine_ctx *r, size_t l, size_t h, size_t window, size_t i0, size_t n,
                   size_t room, float *z, size_t z_ld)
{
    const size_t cols = r->f32->cols, d_head = r->engine->model->config.d_head;
    const size_t local = config_window(&r->engine->model->config, l);
    const size_t from = first_key(i0, local) / cols * cols; // a panel
    _Alignas(64) float tile[KERN_ROWS_MAX * KERN_COLS_MAX];
    struct head_moments *moments = engine_watched_moments(r);
    const size_t n_keys = i0 + n;
    for (size_t j0 = from; j0 < n_keys; j0 += cols) {
        r->f32->tile(tile, r->queries, r->keys + j0 * d_head, d_head);
        const size_t m = n_keys - j0 < cols ? n_keys - j0 : cols;
        for (size_t i = 0; i < n; i++) {
            memcpy(r->pattern + i * n_keys + j0, tile + i * cols, m * sizeof *tile);
        }
    }
    for (size_t i = 0; i < n; i++) {
        float *row = r->pattern + i * n_keys;
        const size_t least = first_key(i0 + i, local);
        memset(row, 0, least * sizeof *row);
        if (moments) {
            memcpy(head_moments_scores(moments), row, (i0 + i + 1) * sizeof *row);
        }
        r->f32->softmax(row + least, i0 + i + 1 - least);
        memset(row + i0 + i + 1, 0, (n_keys - i0 - i - 1) * sizeof *row);
        if (moments) {
            head_moments_row(moments, l, h, r->block.strands[window].at, i0 + i, row);
        }
    }
    if (r->watch && r->watch->pattern) {
        r->watch->pattern(r->watch->context, l, h, &r->block.windows[window], i0, n, r->pattern);
    }
    r->f32->pack(r->packed, r->pattern + from, n_keys, n, n_keys - from, 1);
    if (moments && r->watch->marks) {
        head_moments_mark(moments, h, r->block.strands[window].at + i0, n, r->packed, from, n_keys);
    }
    for (size_t d0 = 0; d0 < d_head; d0 += cols) {
        r->f32->tile(tile, r->packed, r->values + d0 * room + from * cols, n_keys - from);
        const size_t m = d_head - d0 < cols ? d_head - d0 : cols;
        for (size_t i = 0; i < n; i++) {
            memcpy(z + i * z_ld + d0, tile + i * cols, m * sizeof *z);
        }
    }
}

/* Packs the queries of one head in rows [row, row + n) of the block; false: none of them is needed.
 * Those that are not needed are 0. */
static bool pack_queries(struct engine_ctx *r, size_t row, size_t n, size_t h, float scale)
{
    const struct config *c = &r->engine->model->config;
    const size_t d_head = c->d_head, ld = 2 * c->n_heads * d_head;
    const struct engine_block *b = &r->block;
    if (b->n_only == 0) {
        r->f32->pack(r->queries, r->qk + row * ld + h * d_head, ld, n, d_head, scale);
        return true;
    }
    bool any = false;
    memset(r->some, 0, n * d_head * sizeof *r->some);
    for (size_t i = 0; i < n; i++) {
        const size_t k = b->only_at[row + i];
        if (k != SIZE_MAX) {
            memcpy(r->some + i * d_head, r->qk + k * ld + h * d_head, d_head * sizeof *r->some);
            any = true;
        }
    }
    if (any) {
        r->f32->pack(r->queries, r->some, d_head, n, d_head, scale);
    }
    return any;
}

/* Head h of a strand and its branches, strands[n]: each branch's keys replace those of the branch
 * before, after the keys of the stem. */
static void attend_head(struct engine_ctx *r, const struct engine_strand *strands, size_t n,
                        size_t l, size_t h)
{
    const struct config *c = &r->engine->model->config;
    const size_t d_head = c->d_head, width = c->n_heads * d_head, rows = r->f32->rows;
    const float scale = config_attn_scale(c, l);
    for (size_t k = 0; k < n; k++) {
        const struct engine_strand *s = &strands[k];
        const float *keys = r->qk + s->at * 2 * width + width + h * d_head;
        pack_head(r, keys, 2 * width, r->v + s->at * width + h * d_head, width, s->base, s->n,
                  strands->room);
        for (size_t i0 = 0; i0 < s->n; i0 += rows) {
            const size_t m = s->n - i0 < rows ? s->n - i0 : rows;
            if (pack_queries(r, s->at + i0, m, h, scale)) {
                attend(r, l, h, (size_t)(s - r->block.strands), s->base + i0, m, strands->room,
                       r->z + (s->at + i0) * width + h * d_head, width);
            }
        }
    }
}

/* x_pos = x + W_pos */
static void add_positions(struct engine_ctx *r)
{
    const size_t d = r->engine->model->config.d_model;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct engine_strand *s = &r->block.strands[k];
        const float *x = r->x + s->at * d, *W_pos = r->engine->model->W_pos + s->base * d;
        float *x_pos = r->x_pos + s->at * d;
        for (size_t i = 0; i < s->n * d; i++) {
            x_pos[i] = x[i] + W_pos[i];
        }
    }
}

/* Keys of all rows, and queries of 'only', from x[n_rows][d_model], which is packed.  Of x the rows
 * 'only' stay. */
static void project_only(struct engine_ctx *r, const struct engine_layer *p, float *x)
{
    const struct config *c = &r->engine->model->config;
    const size_t d = c->d_model, width = c->n_heads * c->d_head, n = r->block.n_rows;
    struct weights q, k;
    if (!weights_part(&q, &p->qk, 0, width) || !weights_part(&k, &p->qk, width, width)) {
        product(r->qk, 2 * width, n, &r->in, &p->qk, false);
        keep_only(r, r->qk, 2 * width, width);
        return;
    }
    product(r->qk + width, 2 * width, n, &r->in, &k, false);
    keep_only(r, x, d, d);
    inputs_pack(&r->in, &q, x, d, r->block.n_only);
    product(r->qk, 2 * width, r->block.n_only, &r->in, &q, false);
}

/* From here on the block has the rows 'only', and no strands. */
static void leave_others(struct engine_ctx *r)
{
    const struct config *c = &r->engine->model->config;
    const size_t width = c->n_heads * c->d_head;
    struct engine_block *b = &r->block;
    keep_only(r, r->z, width, width);
    keep_only(r, r->resid, c->d_model, c->d_model);
    for (size_t k = 0; k < r->inside.n; k++) {
        r->inside.rows[k] = b->only_at[r->inside.rows[k]];
    }
    b->n_rows = b->n_only;
    b->n = b->n_only = b->n_wanted = 0;
}

/* z = softmax(q k config_attn_scale()) v of all heads; of the queries 'only' those. */
static void make_z(struct engine_ctx *r, const struct engine_layer *p, size_t l)
{
    const struct config *c = &r->engine->model->config;
    const struct layer *w = &r->engine->model->layers[l];
    const struct engine_block *b = &r->block;
    const size_t width = c->n_heads * c->d_head;
    show(r, l, ROW_RESID_PRE, r->resid);
    show_normed(r, l, ROW_LN1);
    norm(r, r->resid, w->ln1_w, w->ln1_b, config_centres(c));
    multiply(r, r->v, r->x, b->n_rows, &p->v, false);
    if (c->shortformer) {
        add_positions(r);
        inputs_pack(&r->in, &p->qk, r->x_pos, c->d_model, b->n_rows);
    } // else they are the same rows as for v
    if (b->n_only > 0) {
        project_only(r, p, c->shortformer ? r->x_pos : r->x);
    } else {
        product(r->qk, 2 * width, b->n_rows, &r->in, &p->qk, false);
    }
    engine_turn(r);
    engine_change_attention(r, l);
    for (size_t k = 0, next; k < b->n; k = next) {
        for (next = k + 1; next < b->n && b->strands[next].base > 0; next++) {
        }
        engine_moments_window(r, k);
        for (size_t h = 0; h < c->n_heads; h++) {
            attend_head(r, b->strands + k, next - k, l, h);
        }
    }
}

/* x = what the MLP reads: before attention writes, or after it. */
static void read_for_mlp(struct engine_ctx *r, size_t l)
{
    const struct config *c = &r->engine->model->config;
    const struct layer *w = &r->engine->model->layers[l];
    show(r, l, ROW_RESID_MID, r->resid);
    show_normed(r, l, ROW_LN2);
    norm(r, engine_changed_stream(r, READER_MLP, l), w->ln2_w, w->ln2_b, config_centres(c));
}

/* resid += sum over heads of z W_O  +  b_O */
static void attention(struct engine_ctx *r, const struct engine_layer *p, size_t l, bool keep)
{
    const struct config *c = &r->engine->model->config;
    const struct engine_block *b = &r->block;
    const size_t width = c->n_heads * c->d_head;
    const bool some = b->n_only > 0;
    engine_keep_resid(r, l);
    if (r->beginning.now && l == r->beginning.layer) {
        engine_take_z(r);
    } else {
        make_z(r, p, l);
    }
    engine_keep_z(r, l);
    engine_change_heads(r, l);
    if (some) {
        leave_others(r);
    }
    keep_inside(r, r->inside.z, r->z, l, 0, b->n_rows, width);
    if (keep) {
        memcpy(r->kept.z + l * r->rows_max * width, r->z, b->n_rows * width * sizeof *r->z);
    }
    show(r, l, ROW_Z, r->z);
    engine_moments_layer(r, l);
    if (c->parallel) {
        read_for_mlp(r, l);
    }
    multiply(r, r->resid, r->z, b->n_rows, &p->o, true);
}

// --- neurons ------------------------------------------------------------------------------------

/* Copies neurons[n][d_mlp] of layer l, which have this site's values, to the rows from i0 on of the
 * watch's array, and those rows that inside asks for. */
static void keep_acts(struct engine_ctx *r, const float *neurons, enum site site, size_t l,
                      size_t i0, size_t n)
{
    const size_t d_mlp = r->engine->model->config.d_mlp;
    const enum row_site rows = engine_neuron_site(site);
    if (is_watched(r, rows)) {
        memcpy(r->seen[rows] + i0 * d_mlp, neurons, n * d_mlp * sizeof *neurons);
    }
    if (r->inside.site == site) {
        keep_inside(r, r->inside.acts, neurons, l, i0, n, d_mlp);
    }
}

/* Applies the edits to neurons[n][d_mlp], which are rows from i0 on of post of layer l. */
static void make_edits(const struct engine_ctx *r, float *neurons, size_t l, size_t i0, size_t n)
{
    const struct config *c = &r->engine->model->config;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct engine_strand *s = &r->block.strands[k];
        const size_t row = engine_last_row(s);
        for (size_t i = 0; i < s->n_edits && row >= i0 && row - i0 < n; i++) {
            assert(s->edits[i].layer < c->n_layers && s->edits[i].index < c->d_mlp);
            if (s->edits[i].layer == l) {
                neurons[(row - i0) * c->d_mlp + s->edits[i].index] = s->edits[i].post;
            }
        }
    }
}

/* mid = pre softmax(pre), in place. */
static void solu(struct engine_ctx *r, float *neurons, const struct config *c, size_t n)
{
    const size_t d_mlp = c->d_mlp;
    for (size_t i = 0; i < n; i++) {
        float *row = neurons + i * d_mlp;
        memcpy(r->pre, row, d_mlp * sizeof *row);
        r->f32->softmax(row, d_mlp);
        for (size_t j = 0; j < d_mlp; j++) {
            row[j] *= r->pre[j];
        }
    }
}

/* post = norm(mid), in place. */
static void solu_norm(const struct engine_ctx *r, float *neurons, const struct config *c,
                      const struct layer *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float *row = neurons + i * c->d_mlp;
        r->f32->norm(row, row, w->ln_mlp_w, w->ln_mlp_b, c->eps, c->d_mlp, true);
    }
}

/* post of pre, in place: neurons of rows from i0 on. */
static void activate(struct engine_ctx *r, float *neurons, const struct layer *w, size_t l,
                     size_t i0, size_t n)
{
    const struct config *c = &r->engine->model->config;
    switch (c->act_fn) {
    case ACT_GELU:
        r->f32->gelu(neurons, n * c->d_mlp);
        break;
    case ACT_GELU_NEW:
        r->f32->gelu_new(neurons, n * c->d_mlp);
        break;
    case ACT_RELU:
        r->f32->relu(neurons, n * c->d_mlp);
        break;
    case ACT_SILU:
        r->f32->silu(neurons, n * c->d_mlp);
        break;
    case ACT_SOLU_LN:
        solu(r, neurons, c, n);
        keep_acts(r, neurons, SITE_MID, l, i0, n);
        solu_norm(r, neurons, c, w, n);
        break;
    }
    for (size_t i = 0; i < n * c->d_mlp && c->gated; i++) {
        neurons[i] *= r->linear[i];
    }
}

/* resid += post W_out + b_out at rows from i0 on; where that is changed, it is made by itself. */
static void add_mlp_out(struct engine_ctx *r, const struct engine_layer *p, const float *neurons,
                        size_t l, size_t i0, size_t n)
{
    const size_t d = r->engine->model->config.d_model;
    float *resid = r->resid + i0 * d;
    if (!engine_changes(r, CHANGE_MLP, l)) {
        multiply(r, resid, neurons, n, &p->out, true);
        return;
    }
    float *out = r->x + i0 * d; // its rows were read for the neurons, and are not needed any more
    multiply(r, out, neurons, n, &p->out, false);
    engine_change_mlp_out(r, out, l, i0, n);
    for (size_t i = 0; i < n * d; i++) {
        resid[i] += out[i];
    }
}

/* resid += post W_out + b_out, some rows at a time. */
static void mlp(struct engine_ctx *r, const struct engine_layer *p, size_t l, bool keep)
{
    const struct config *c = &r->engine->model->config;
    const struct layer *w = &r->engine->model->layers[l];
    const size_t n = r->block.n_rows;
    if (!c->parallel) {
        read_for_mlp(r, l);
    }
    for (size_t i0 = 0; i0 < n; i0 += ENGINE_MLP_ROWS) {
        const size_t n_rows = n - i0 < ENGINE_MLP_ROWS ? n - i0 : ENGINE_MLP_ROWS;
        float *neurons = neurons_at(r, keep, l, i0);
        multiply(r, neurons, r->x + i0 * c->d_model, n_rows, c->gated ? &p->gate : &p->in, false);
        if (c->gated) { // the same rows, packed alike
            product(r->linear, c->d_mlp, n_rows, &r->in, &p->in, false);
        }
        keep_acts(r, neurons, SITE_PRE, l, i0, n_rows);
        activate(r, neurons, w, l, i0, n_rows);
        keep_acts(r, neurons, SITE_POST, l, i0, n_rows);
        engine_change_neurons(r, neurons, l, i0, n_rows);
        make_edits(r, neurons, l, i0, n_rows);
        keep_inside(r, r->inside.post, neurons, l, i0, n_rows, c->d_mlp);
        if (is_watched(r, ROW_MLP_OUT)) {
            multiply(r, r->seen[ROW_MLP_OUT] + i0 * c->d_model, neurons, n_rows, &p->out, false);
        }
        add_mlp_out(r, p, neurons, l, i0, n_rows);
    }
    for (enum row_site site = ROW_PRE; site <= ROW_MLP_OUT; site++) {
        show(r, l, site, r->seen[site]);
    }
}

// --- all of it ----------------------------------------------------------------------------------

void engine_ctx_layers(struct engine_ctx *r, bool exact, bool keep)
{
    const struct engine *e = r->engine;
    const struct model *m = e->model;
    const bool fast = !exact && e->fast_layers;
    const struct engine_layer *layers = fast ? e->fast_layers : e->layers;
    const size_t first = r->beginning.now ? r->beginning.layer : 0;
    if (r->beginning.now) {
        engine_take_resid(r);
    } else {
        embed(r);
    }
    engine_change_begin(r);
    engine_moments_begin(r);
    if (fast) {
        dot_begin(e->kern->s16);
    }
    for (size_t l = first; l < m->config.n_layers; l++) {
        r->block.n_only = l + 1 < m->config.n_layers ? 0 : r->block.n_wanted;
        attention(r, &layers[l], l, keep);
        if (!m->config.attn_only) {
            mlp(r, &layers[l], l, keep);
        }
    }
    show(r, m->config.n_layers - 1, ROW_RESID_FINAL, r->resid);
    if (fast) {
        dot_end(e->kern->s16);
    }
    keep_resid(r);
    engine_moments_end(r);
    norm(r, engine_changed_stream(r, READER_LOGITS, 0), m->ln_final_w, m->ln_final_b,
         !m->config.final_rms);
}
