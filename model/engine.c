#include "model/engine.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/product.h"
#include "scan/base/mem.h"

// Rows of windows that go through the layers, and over the unembedding, together; one window may be
// longer.
#define BLOCK_ROWS ((size_t)1024)

// Rows whose neurons are in the cache together.
#define MLP_ROWS ((size_t)224)

struct packed_layer {
    struct weights qk; // [d_model][2 * n_heads * d_head], queries before keys
    struct weights v;  // [d_model][n_heads * d_head]
    struct weights o, in, out;
};

struct engine {
    const struct model *model;
    const struct kern *kern;
    struct packed_layer *layers;      // [n_layers] f32
    struct packed_layer *fast_layers; // [n_layers] s16; NULL: f32 in this precision too
    struct unembed *unembed;
};

/* Rows of the block in hand that are kept from inside its layers. */
struct inside {
    size_t rows[ENGINE_SIGHTS]; // [n]
    size_t n;
    size_t first;   // where what is kept of rows[0] stands
    enum site site; // of acts; SITE_DEFAULT: they are not kept
    float *resid;   // [ENGINE_SIGHTS][d_model]
    float *z;       // [ENGINE_SIGHTS][n_layers][width]
    float *acts;    // [ENGINE_SIGHTS][n_layers][d_mlp]
    float *post;    // [ENGINE_SIGHTS][n_layers][d_mlp]
};

/* Rows [at, at + n) of the block in hand, behind one another in one window: from its beginning on,
 * or a branch, behind the last strand that is from the beginning, its stem. */
struct strand {
    uint32_t first;
    const uint32_t *tokens; // behind first, or of a branch all
    size_t at, n;
    size_t base; // the position of its first row, how many rows its stem has; 0: no branch
    size_t room; // for keys: of a stem with those of its longest branch
    const struct engine_edit *edits; // [n_edits] of the last row
    size_t n_edits;
};

/* What goes through the layers together. */
struct block {
    struct strand *strands; // [n], room for rows_max; branches stand behind their stem
    size_t n, n_rows;
    const struct engine_window *windows; // [n_windows] for the watch
    size_t n_windows;
};

struct engine_run {
    const struct engine *engine;
    const struct kern_f32 *f32;
    struct unembed_run *unembed;
    size_t rows_max;
    struct inputs in;
    float *resid;    // [rows_max][d_model]
    float *x;        // [rows_max][d_model], normed
    float *x_pos;    // [rows_max][d_model], x + W_pos; shortformer only
    float *qk, *v;   // [rows_max][2 * width], [rows_max][width]; width = n_heads * d_head
    float *z;        // [rows_max][width]
    float *mlp;      // [MLP_ROWS][d_mlp]
    float *acts;     // [rows_max][d_mlp], untouched where nobody watches
    float *pre;      // [d_mlp]
    float *queries;  // [d_head][rows of a tile]
    float *keys;     // panels of [d_head][cols], for n_ctx keys
    float *values;   // panels of [n_ctx][cols], for d_head columns
    float *pattern;  // [rows of a tile][n_ctx]
    float *packed;   // [n_ctx][rows of a tile]
    float *gather;   // [rows_max][d_model]
    uint32_t *ids;   // [rows_max] the true tokens
    double *logprob; // [rows_max]
    struct block block;
    struct inside inside;
    const struct engine_watch *watch; // in the call in hand; NULL: none
};

// --- making -------------------------------------------------------------------------------------

static void layer_free(struct packed_layer *p)
{
    weights_free(&p->qk);
    weights_free(&p->v);
    weights_free(&p->o);
    weights_free(&p->in);
    weights_free(&p->out);
}

/* W[n_heads][d_model][d_head] and b[n_heads][d_head] as columns from 'at' on of w[d_model][ld] and
 * bias[ld]. */
static void join_heads(float *w, float *bias, size_t ld, size_t at, const float *W, const float *b,
                       const struct config *c)
{
    for (size_t h = 0; h < c->n_heads; h++, at += c->d_head) {
        for (size_t l = 0; l < c->d_model; l++) {
            memcpy(w + l * ld + at, W + (h * c->d_model + l) * c->d_head, c->d_head * sizeof *w);
        }
        memcpy(bias + at, b + h * c->d_head, c->d_head * sizeof *b);
    }
}

static int pack_layer(struct packed_layer *p, const struct layer *l, const struct config *c,
                      const struct kern *kern, enum format format, struct err *err)
{
    const size_t d = c->d_model, width = c->n_heads * c->d_head;
    float *w = mem_new(2 * width * (d + 1), sizeof *w);
    if (!w) {
        return err_nomem(err, "packed weights");
    }
    float *bias = w + 2 * width * d;
    join_heads(w, bias, 2 * width, 0, l->W_Q, l->b_Q, c);
    join_heads(w, bias, 2 * width, width, l->W_K, l->b_K, c);
    int rc = weights_new(&p->qk, kern, format, false, NULL, w, bias, d, 2 * width, err);
    join_heads(w, bias, width, 0, l->W_V, l->b_V, c);
    rc = rc ? rc : weights_new(&p->v, kern, format, false, NULL, w, bias, d, width, err);
    rc = rc ? rc : weights_new(&p->o, kern, format, false, NULL, l->W_O, l->b_O, width, d, err);
    if (!c->attn_only) {
        rc =
            rc ? rc
               : weights_new(&p->in, kern, format, false, NULL, l->W_in, l->b_in, d, c->d_mlp, err);
        rc = rc ? rc
                : weights_new(&p->out, kern, format, false, NULL, l->W_out, l->b_out, c->d_mlp, d,
                              err);
    }
    free(w);
    return rc;
}

static int pack_layers(struct packed_layer **out, const struct engine *e, enum format format,
                       struct err *err)
{
    const size_t n = e->model->config.n_layers;
    *out = mem_zero(n, sizeof **out);
    int rc = *out ? 0 : err_nomem(err, "packed weights");
    for (size_t l = 0; l < n && !rc; l++) {
        rc = pack_layer(&(*out)[l], &e->model->layers[l], &e->model->config, e->kern, format, err);
    }
    return rc;
}

int engine_new(struct engine **out, const struct model *model, const struct kern *kern,
               enum precision precision, struct err *err)
{
    struct engine *e = mem_zero(1, sizeof *e);
    if (!e) {
        return err_nomem(err, "an engine");
    }
    e->model = model;
    e->kern = kern;
    int rc = pack_layers(&e->layers, e, FORMAT_F32, err);
    if (!rc && precision == PRECISION_FAST && kern->s16) {
        rc = pack_layers(&e->fast_layers, e, FORMAT_S16, err);
    }
    rc = rc ? rc : unembed_new(&e->unembed, model, kern, precision, err);
    if (rc) {
        engine_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e) {
        return;
    }
    for (size_t l = 0; l < e->model->config.n_layers; l++) {
        if (e->layers) {
            layer_free(&e->layers[l]);
        }
        if (e->fast_layers) {
            layer_free(&e->fast_layers[l]);
        }
    }
    free(e->layers);
    free(e->fast_layers);
    unembed_free(e->unembed);
    free(e);
}

const struct model *engine_model(const struct engine *e)
{
    return e->model;
}

const struct kern *engine_kern(const struct engine *e)
{
    return e->kern;
}

const struct unembed *engine_unembed(const struct engine *e)
{
    return e->unembed;
}

static int make_inputs(struct engine_run *r, struct err *err)
{
    const struct engine *e = r->engine;
    const struct packed_layer *layers[] = {e->layers, e->fast_layers};
    const struct weights *weights[10];
    size_t n = 0;
    for (size_t i = 0; i < 2 && layers[i]; i++) {
        weights[n++] = &layers[i]->qk;
        weights[n++] = &layers[i]->v;
        weights[n++] = &layers[i]->o;
        if (!e->model->config.attn_only) {
            weights[n++] = &layers[i]->in;
            weights[n++] = &layers[i]->out;
        }
    }
    return inputs_new(&r->in, weights, n, r->rows_max, err);
}

int engine_run_new(struct engine_run **out, const struct engine *e, struct err *err)
{
    const struct config *c = &e->model->config;
    const struct kern_f32 *k = e->kern->f32;
    struct engine_run *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "an engine's working memory");
    }
    r->engine = e;
    r->f32 = k;
    r->rows_max = c->n_ctx > BLOCK_ROWS ? c->n_ctx : BLOCK_ROWS;
    const size_t width = c->n_heads * c->d_head, n_ctx = round_up(c->n_ctx, k->rows);
    const size_t d_mlp = c->attn_only ? 0 : c->d_mlp;
    const struct {
        float **at;
        size_t n, each; // floats
    } parts[] = {
        {&r->resid, r->rows_max, c->d_model},
        {&r->x, r->rows_max, c->d_model},
        {&r->x_pos, c->shortformer ? r->rows_max : 0, c->d_model},
        {&r->qk, r->rows_max, 2 * width},
        {&r->v, r->rows_max, width},
        {&r->z, r->rows_max, width},
        {&r->mlp, MLP_ROWS, d_mlp},
        {&r->acts, r->rows_max, d_mlp},
        {&r->pre, 1, d_mlp},
        {&r->queries, k->rows, c->d_head},
        {&r->keys, round_up(n_ctx, k->cols), c->d_head},
        {&r->values, n_ctx, round_up(c->d_head, k->cols)},
        {&r->pattern, k->rows, n_ctx},
        {&r->packed, k->rows, n_ctx},
        {&r->gather, r->rows_max, c->d_model},
        {&r->inside.resid, ENGINE_SIGHTS, c->d_model},
        {&r->inside.z, ENGINE_SIGHTS, c->n_layers * width},
        {&r->inside.acts, ENGINE_SIGHTS, c->n_layers * d_mlp},
        {&r->inside.post, ENGINE_SIGHTS, c->n_layers * d_mlp},
    };
    bool whole = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n;
        *parts[i].at =
            mem_mul(parts[i].n, parts[i].each, &n) ? product_alloc(n, sizeof(float)) : NULL;
        whole = whole && *parts[i].at;
    }
    r->ids = mem_new(r->rows_max, sizeof *r->ids);
    r->logprob = mem_new(r->rows_max, sizeof *r->logprob);
    r->block.strands = mem_new(r->rows_max, sizeof *r->block.strands);
    whole = whole && r->ids && r->logprob && r->block.strands;
    int rc = whole ? 0 : err_nomem(err, "an engine's working memory");
    rc = rc ? rc : make_inputs(r, err);
    rc = rc ? rc : unembed_run_new(&r->unembed, e->unembed, r->rows_max, err);
    if (rc) {
        engine_run_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void engine_run_free(struct engine_run *r)
{
    if (!r) {
        return;
    }
    float *const parts[] = {r->resid,    r->x,           r->x_pos,      r->qk,
                            r->v,        r->z,           r->mlp,        r->acts,
                            r->pre,      r->queries,     r->keys,       r->values,
                            r->pattern,  r->packed,      r->gather,     r->inside.resid,
                            r->inside.z, r->inside.acts, r->inside.post};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        free(parts[i]);
    }
    free(r->ids);
    free(r->logprob);
    free(r->block.strands);
    inputs_free(&r->in);
    unembed_run_free(r->unembed);
    free(r);
}

// --- a block ------------------------------------------------------------------------------------

/* A window's rows: with a watch that of its last token too. */
static size_t rows_of(const struct engine_run *r, const struct engine_window *w)
{
    return w->n + (r->watch ? 1 : 0);
}

/* Puts n rows behind those of the block. */
static struct strand *add_strand(struct engine_run *r, uint32_t first, const uint32_t *tokens,
                                 size_t base, size_t n)
{
    struct strand *s = &r->block.strands[r->block.n++];
    assert(n >= 1 && base + n <= r->engine->model->config.n_ctx);
    *s = (struct strand){.first = first,
                         .tokens = tokens,
                         .at = r->block.n_rows,
                         .n = n,
                         .base = base,
                         .room = base + n};
    r->block.n_rows += n;
    return s;
}

/* Makes a block of windows. */
static void lay_windows(struct engine_run *r, const struct engine_window *windows, size_t n_windows)
{
    struct block *b = &r->block;
    b->n = b->n_rows = 0;
    b->windows = windows;
    b->n_windows = n_windows;
    for (size_t k = 0; k < n_windows; k++) {
        add_strand(r, windows[k].first, windows[k].tokens, 0, rows_of(r, &windows[k]));
    }
}

/* The token of a strand's row i. */
static uint32_t strand_id(const struct strand *s, size_t i)
{
    return s->base > 0 ? s->tokens[i] : i > 0 ? s->tokens[i - 1] : s->first;
}

// --- layers -------------------------------------------------------------------------------------

/* Keeps of x[n][width], rows from i0 on of the block in hand, those that are wanted from inside:
 * as layer l of to[][n_layers][width]. */
static void keep_inside(struct engine_run *r, float *to, const float *x, size_t l, size_t i0,
                        size_t n, size_t width)
{
    const struct inside *in = &r->inside;
    for (size_t k = 0; k < in->n; k++) {
        const size_t row = in->rows[k];
        if (row >= i0 && row - i0 < n) {
            memcpy(to + ((in->first + k) * r->engine->model->config.n_layers + l) * width,
                   x + (row - i0) * width, width * sizeof *x);
        }
    }
}

/* w and b may be NULL, out may be x. */
static void norm(struct engine_run *r, float *out, const float *x, const float *w, const float *b,
                 size_t n, bool centre)
{
    const struct config *c = &r->engine->model->config;
    const size_t d = c->d_model;
    if (c->norm == NORM_NONE) {
        memmove(out, x, n * d * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        r->f32->norm(out + i * d, x + i * d, w, b, c->eps, d, centre);
    }
}

static void multiply(struct engine_run *r, float *out, const float *x, size_t n,
                     const struct weights *w, bool add)
{
    inputs_pack(&r->in, w, x, w->k, n);
    product(out, w->m, n, &r->in, w, add);
}

/* Keys and values of one head, of positions [from, from + n): keys into panels of [d_head][cols],
 * values into panels of [room][cols]. */
static void pack_head(struct engine_run *r, const float *keys, size_t keys_ld, const float *values,
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

/* Queries of one head at positions [i0, i0 + n), n <= rows, packed: z = softmax(q k) v over the
 * keys up to each.  What lies behind a query has weight 0 in its tile, which changes no sum. */
static void attend(struct engine_run *r, size_t i0, size_t n, size_t room, float *z, size_t z_ld)
{
    const size_t cols = r->f32->cols, d_head = r->engine->model->config.d_head;
    _Alignas(64) float tile[KERN_ROWS_MAX * KERN_COLS_MAX];
    const size_t n_keys = i0 + n;
    for (size_t j0 = 0; j0 < n_keys; j0 += cols) {
        r->f32->tile(tile, r->queries, r->keys + j0 * d_head, d_head);
        const size_t m = n_keys - j0 < cols ? n_keys - j0 : cols;
        for (size_t i = 0; i < n; i++) {
            memcpy(r->pattern + i * n_keys + j0, tile + i * cols, m * sizeof *tile);
        }
    }
    for (size_t i = 0; i < n; i++) {
        float *row = r->pattern + i * n_keys;
        r->f32->softmax(row, i0 + i + 1);
        memset(row + i0 + i + 1, 0, (n_keys - i0 - i - 1) * sizeof *row);
    }
    r->f32->pack(r->packed, r->pattern, n_keys, n, n_keys, 1);
    for (size_t d0 = 0; d0 < d_head; d0 += cols) {
        r->f32->tile(tile, r->packed, r->values + d0 * room, n_keys);
        const size_t m = d_head - d0 < cols ? d_head - d0 : cols;
        for (size_t i = 0; i < n; i++) {
            memcpy(z + i * z_ld + d0, tile + i * cols, m * sizeof *z);
        }
    }
}

/* Head h of a strand and its branches, strands[n]: each branch's keys take the place of the last
 * one's, behind those of the stem. */
static void attend_head(struct engine_run *r, const struct strand *strands, size_t n, size_t h)
{
    const struct config *c = &r->engine->model->config;
    const size_t d_head = c->d_head, width = c->n_heads * d_head, rows = r->f32->rows;
    const float scale = (float)(1 / sqrt((double)d_head));
    for (size_t k = 0; k < n; k++) {
        const struct strand *s = &strands[k];
        const float *q = r->qk + s->at * 2 * width + h * d_head;
        pack_head(r, q + width, 2 * width, r->v + s->at * width + h * d_head, width, s->base, s->n,
                  strands->room);
        for (size_t i0 = 0; i0 < s->n; i0 += rows) {
            const size_t m = s->n - i0 < rows ? s->n - i0 : rows;
            r->f32->pack(r->queries, q + i0 * 2 * width, 2 * width, m, d_head, scale);
            attend(r, s->base + i0, m, strands->room, r->z + (s->at + i0) * width + h * d_head,
                   width);
        }
    }
}

static void attention(struct engine_run *r, const struct packed_layer *p, size_t l)
{
    const struct config *c = &r->engine->model->config;
    const struct layer *w = &r->engine->model->layers[l];
    const struct block *b = &r->block;
    const size_t d = c->d_model, width = c->n_heads * c->d_head, n = b->n_rows;
    norm(r, r->x, r->resid, w->ln1_w, w->ln1_b, n, true);
    multiply(r, r->v, r->x, n, &p->v, false);
    if (c->shortformer) {
        for (size_t k = 0; k < b->n; k++) {
            const size_t at = b->strands[k].at * d;
            const float *W_pos = r->engine->model->W_pos + b->strands[k].base * d;
            for (size_t i = 0; i < b->strands[k].n * d; i++) {
                r->x_pos[at + i] = r->x[at + i] + W_pos[i];
            }
        }
        multiply(r, r->qk, r->x_pos, n, &p->qk, false);
    } else {
        product(r->qk, 2 * width, n, &r->in, &p->qk, false); // the rows that v had
    }
    for (size_t k = 0, next; k < b->n; k = next) {
        for (next = k + 1; next < b->n && b->strands[next].base > 0; next++) {
        }
        for (size_t h = 0; h < c->n_heads; h++) {
            attend_head(r, b->strands + k, next - k, h);
        }
    }
    keep_inside(r, r->inside.z, r->z, l, 0, n, width);
    multiply(r, r->resid, r->z, n, &p->o, true);
}

/* Keeps r->mlp[n][d_mlp] of layer l, which is of this site, as rows from i0 on of what the watch
 * sees, and what is wanted of them. */
static void keep(struct engine_run *r, enum site site, size_t l, size_t i0, size_t n)
{
    const size_t d_mlp = r->engine->model->config.d_mlp;
    if (r->watch && r->watch->site == site) {
        memcpy(r->acts + i0 * d_mlp, r->mlp, n * d_mlp * sizeof *r->acts);
    }
    if (r->inside.site == site) {
        keep_inside(r, r->inside.acts, r->mlp, l, i0, n, d_mlp);
    }
}

/* Makes the edits of r->mlp[n][d_mlp], post of layer l, rows from i0 on. */
static void edit(struct engine_run *r, size_t l, size_t i0, size_t n)
{
    const struct config *c = &r->engine->model->config;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct strand *s = &r->block.strands[k];
        const size_t row = s->at + s->n - 1;
        for (size_t i = 0; i < s->n_edits && row >= i0 && row - i0 < n; i++) {
            assert(s->edits[i].layer < c->n_layers && s->edits[i].index < c->d_mlp);
            if (s->edits[i].layer == l) {
                r->mlp[(row - i0) * c->d_mlp + s->edits[i].index] = s->edits[i].post;
            }
        }
    }
}

/* mid = pre softmax(pre), in place. */
static void solu(struct engine_run *r, const struct config *c, size_t n)
{
    const size_t d_mlp = c->d_mlp;
    for (size_t i = 0; i < n; i++) {
        float *row = r->mlp + i * d_mlp;
        memcpy(r->pre, row, d_mlp * sizeof *row);
        r->f32->softmax(row, d_mlp);
        for (size_t j = 0; j < d_mlp; j++) {
            row[j] *= r->pre[j];
        }
    }
}

/* post = norm(mid), in place. */
static void solu_norm(struct engine_run *r, const struct config *c, const struct layer *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float *row = r->mlp + i * c->d_mlp;
        r->f32->norm(row, row, w->ln_mlp_w, w->ln_mlp_b, c->eps, c->d_mlp, true);
    }
}

static void mlp(struct engine_run *r, const struct packed_layer *p, size_t l)
{
    const struct config *c = &r->engine->model->config;
    const struct layer *w = &r->engine->model->layers[l];
    const size_t n = r->block.n_rows;
    norm(r, r->x, r->resid, w->ln2_w, w->ln2_b, n, true);
    for (size_t i0 = 0; i0 < n; i0 += MLP_ROWS) {
        const size_t n_rows = n - i0 < MLP_ROWS ? n - i0 : MLP_ROWS;
        multiply(r, r->mlp, r->x + i0 * c->d_model, n_rows, &p->in, false);
        keep(r, SITE_PRE, l, i0, n_rows);
        switch (c->act_fn) {
        case ACT_GELU:
            r->f32->gelu(r->mlp, n_rows * c->d_mlp);
            break;
        case ACT_GELU_NEW:
            r->f32->gelu_new(r->mlp, n_rows * c->d_mlp);
            break;
        case ACT_SOLU_LN:
            solu(r, c, n_rows);
            keep(r, SITE_MID, l, i0, n_rows);
            solu_norm(r, c, w, n_rows);
            break;
        }
        keep(r, SITE_POST, l, i0, n_rows);
        edit(r, l, i0, n_rows);
        keep_inside(r, r->inside.post, r->mlp, l, i0, n_rows, c->d_mlp);
        multiply(r, r->resid + i0 * c->d_model, r->mlp, n_rows, &p->out, true);
    }
}

static void embed(struct engine_run *r)
{
    const struct model *m = r->engine->model;
    const struct config *c = &m->config;
    const size_t d = c->d_model;
    float *to = r->resid;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct strand *s = &r->block.strands[k];
        for (size_t i = 0; i < s->n; i++, to += d) {
            const uint32_t id = strand_id(s, i);
            assert(id < c->d_vocab);
            for (size_t j = 0; j < d; j++) {
                to[j] =
                    m->W_E[id * d + j] + (c->shortformer ? 0.0f : m->W_pos[(s->base + i) * d + j]);
            }
        }
    }
}

/* Runs the block through the layers and the final norm, into r->x. */
static void run_layers(struct engine_run *r, bool exact)
{
    const struct engine *e = r->engine;
    const struct model *m = e->model;
    const struct block *b = &r->block;
    const bool fast = !exact && e->fast_layers;
    const struct packed_layer *layers = fast ? e->fast_layers : e->layers;
    embed(r);
    if (fast) {
        dot_begin(e->kern->s16);
    }
    for (size_t l = 0; l < m->config.n_layers; l++) {
        attention(r, &layers[l], l);
        if (!m->config.attn_only) {
            mlp(r, &layers[l], l);
        }
        if (r->watch) {
            r->watch->see(r->watch->context, l, b->windows, b->n_windows, r->acts);
        }
    }
    if (fast) {
        dot_end(e->kern->s16);
    }
    norm(r, r->x, r->resid, m->ln_final_w, m->ln_final_b, b->n_rows, !m->config.final_rms);
}

// --- windows and picks --------------------------------------------------------------------------

/* The last token's row, which a watch has seen, predicts nothing; what a watch sees is f32 in any
 * precision. */
static void score_block(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                        bool exact, const atomic_int *stop)
{
    const size_t d = r->engine->model->config.d_model;
    lay_windows(r, windows, n_windows);
    run_layers(r, exact || r->watch);
    size_t n_tokens = 0;
    for (size_t k = 0, row = 0; k < n_windows; row += rows_of(r, &windows[k++])) {
        memcpy(r->ids + n_tokens, windows[k].tokens, windows[k].n * sizeof *r->ids);
        memmove(r->x + n_tokens * d, r->x + row * d, windows[k].n * d * sizeof *r->x);
        n_tokens += windows[k].n;
    }
    unembed_score(r->unembed, r->x, r->ids, n_tokens, exact, r->logprob, stop);
    for (size_t k = 0, at = 0; k < n_windows; at += windows[k++].n) {
        memcpy(windows[k].logprob, r->logprob + at, windows[k].n * sizeof *r->logprob);
    }
}

static void score(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                  bool exact, const atomic_int *stop)
{
    for (size_t k = 0, next; k < n_windows && !is_stopped(stop); k = next) {
        size_t n = 0;
        for (next = k; next < n_windows; next++) {
            const size_t more = rows_of(r, &windows[next]);
            if (n > 0 && n + more > BLOCK_ROWS) {
                break;
            }
            n += more;
        }
        score_block(r, windows + k, next - k, exact, stop);
    }
}

void engine_score(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                  const atomic_int *stop)
{
    score(r, windows, n_windows, false, stop);
}

void engine_score_watched(struct engine_run *r, const struct engine_window *windows,
                          size_t n_windows, const struct engine_watch *watch,
                          const atomic_int *stop)
{
    assert(!r->engine->model->config.attn_only);
    r->watch = watch;
    score(r, windows, n_windows, false, stop);
    r->watch = NULL;
}

void engine_score_exact(struct engine_run *r, const struct engine_window *windows, size_t n_windows,
                        const atomic_int *stop)
{
    score(r, windows, n_windows, true, stop);
}

/* Puts the final norm's output of up to n picks, at most 'most', into r->gather, and what is wanted
 * from inside into r->inside: how many.  Exact layers; a window is run as far as its picks want. */
static size_t gather(struct engine_run *r, const struct engine_pick *picks, size_t n, size_t most,
                     bool inside, const atomic_int *stop)
{
    const size_t d = r->engine->model->config.d_model;
    size_t m = 0;
    while (m < n && m < most && !is_stopped(stop)) {
        const struct engine_window *w = picks[m].window;
        size_t end = m, last = 0;
        for (; end < n && end < most && picks[end].window == w; end++) {
            last = picks[end].at > last ? picks[end].at : last;
        }
        struct engine_window so_far = *w;
        so_far.n = last + 1;
        r->inside.n = inside ? end - m : 0;
        r->inside.first = m;
        for (size_t k = 0; k < r->inside.n; k++) {
            r->inside.rows[k] = picks[m + k].at;
        }
        lay_windows(r, &so_far, 1);
        run_layers(r, true);
        for (size_t k = 0; k < r->inside.n; k++) {
            memcpy(r->inside.resid + (m + k) * d, r->resid + picks[m + k].at * d,
                   d * sizeof *r->resid);
        }
        r->inside.n = 0;
        for (; m < end; m++) {
            memcpy(r->gather + m * d, r->x + picks[m].at * d, d * sizeof *r->x);
        }
    }
    return m;
}

void engine_pick_exact(struct engine_run *r, const struct engine_pick *picks, size_t n,
                       double *logprob, const atomic_int *stop)
{
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        m = gather(r, picks + k, n - k, r->rows_max, false, stop);
        for (size_t i = 0; i < m; i++) {
            r->ids[i] = picks[k + i].window->tokens[picks[k + i].at];
        }
        unembed_score(r->unembed, r->gather, r->ids, m, true, logprob + k, stop);
    }
}

void engine_look(struct engine_run *r, const struct engine_pick *picks, size_t n, engine_view *view,
                 void *context, const atomic_int *stop)
{
    const struct config *c = &r->engine->model->config;
    struct engine_sight sights[ENGINE_SIGHTS];
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        size_t ld;
        m = gather(r, picks + k, n - k, ENGINE_SIGHTS, true, stop);
        const float *logits = unembed_logits(r->unembed, r->gather, m, &ld);
        for (size_t i = 0; i < m; i++) {
            sights[i] = (struct engine_sight){
                .logits = logits + i * ld,
                .resid = r->inside.resid + i * c->d_model,
                .z = r->inside.z + i * c->n_layers * c->n_heads * c->d_head,
                .post = c->attn_only ? NULL : r->inside.post + i * c->n_layers * c->d_mlp,
            };
        }
        if (!is_stopped(stop)) {
            view(context, k, m, sights);
        }
    }
}

// --- branches -----------------------------------------------------------------------------------

/* How many of branches[n] have the first one's stem, and the rows that they take with it. */
static size_t count_branches(const struct engine_branch *branches, size_t n, size_t *rows)
{
    size_t k = 0;
    *rows = 1 + branches->stem->n;
    for (; k < n && branches[k].stem == branches->stem; k++) {
        *rows += branches[k].n;
    }
    return k;
}

/* Puts a stem and those of its branches[n] for which there is room behind the block's rows: how
 * many branches. */
static size_t lay_stem(struct engine_run *r, const struct engine_branch *branches, size_t n)
{
    const struct engine_window *w = branches->stem;
    struct strand *stem = add_strand(r, w->first, w->tokens, 0, 1 + w->n);
    size_t k = 0;
    for (; k < n && r->block.n_rows + branches[k].n <= r->rows_max; k++) {
        const struct engine_branch *b = &branches[k];
        struct strand *s = add_strand(r, 0, b->tokens, stem->n, b->n);
        s->edits = b->edits;
        s->n_edits = b->n_edits;
        stem->room = s->room > stem->room ? s->room : stem->room;
    }
    return k;
}

/* Makes a block of the first of branches[n], at most 'most': of how many.  A stem whose branches do
 * not all have room waits for the next block, but for the first. */
static size_t lay_branches(struct engine_run *r, const struct engine_branch *branches, size_t n,
                           size_t most)
{
    size_t k = 0;
    r->block.n = r->block.n_rows = 0;
    while (k < n && k < most) {
        size_t rows;
        const size_t of_stem = count_branches(branches + k, n - k, &rows);
        const bool fits = k + of_stem <= most && r->block.n_rows + rows <= r->rows_max;
        if (k > 0 && !fits) {
            break;
        }
        k += lay_stem(r, branches + k, fits ? of_stem : of_stem < most ? of_stem : most);
    }
    return k;
}

static size_t last_row(const struct strand *s)
{
    return s->at + s->n - 1;
}

/* Runs the block; its branches' last rows go into r->gather from row 'at' on, and with a view what
 * is inside them into r->inside. */
static void run_branches(struct engine_run *r, size_t at, const struct engine_leaf_view *view)
{
    const size_t d = r->engine->model->config.d_model;
    const struct block *b = &r->block;
    struct inside *in = &r->inside;
    in->first = 0;
    in->site = view ? view->site : SITE_DEFAULT;
    for (size_t k = 0; k < b->n && view; k++) {
        if (b->strands[k].base > 0) {
            in->rows[in->n++] = last_row(&b->strands[k]);
        }
    }
    run_layers(r, true);
    for (size_t k = 0; k < in->n; k++) {
        memcpy(in->resid + k * d, r->resid + in->rows[k] * d, d * sizeof *r->resid);
    }
    for (size_t k = 0; k < b->n; k++) {
        if (b->strands[k].base > 0) {
            memcpy(r->gather + at++ * d, r->x + last_row(&b->strands[k]) * d, d * sizeof *r->x);
        }
    }
    in->n = 0;
    in->site = SITE_DEFAULT;
}

/* Shows the block's n branches, from branch k on, whose rows of r->gather begin at 'at'. */
static void show_leaves(struct engine_run *r, size_t k, size_t n, size_t at,
                        const struct engine_leaf_view *view)
{
    const struct config *c = &r->engine->model->config;
    struct engine_leaf leaves[ENGINE_SIGHTS];
    for (size_t i = 0; i < n; i++) {
        const size_t neurons = i * c->n_layers * c->d_mlp;
        leaves[i] = (struct engine_leaf){
            .resid = r->inside.resid + i * c->d_model,
            .normed = r->gather + (at + i) * c->d_model,
            .acts = c->attn_only ? NULL : r->inside.acts + neurons,
            .post = c->attn_only ? NULL : r->inside.post + neurons,
        };
    }
    view->see(view->context, k, n, leaves);
}

void engine_branches(struct engine_run *r, const struct engine_branch *branches, size_t n,
                     const struct engine_leaf_view *view, double *logprob, const atomic_int *stop)
{
    for (size_t k = 0, m; k < n && !is_stopped(stop); k += m) {
        for (m = 0; k + m < n && m < r->rows_max && !is_stopped(stop);) {
            const size_t left = r->rows_max - m;
            const size_t most = view && left > ENGINE_SIGHTS ? ENGINE_SIGHTS : left;
            const size_t more = lay_branches(r, branches + k + m, n - k - m, most);
            run_branches(r, m, view);
            if (view) {
                show_leaves(r, k + m, more, m, view);
            }
            m += more;
        }
        for (size_t i = 0; i < m; i++) {
            r->ids[i] = branches[k + i].target;
        }
        if (logprob) {
            unembed_score(r->unembed, r->gather, r->ids, m, true, logprob + k, stop);
        }
    }
}

const float *engine_logits(struct engine_run *r, const float *x, size_t n, size_t *ld)
{
    return unembed_logits(r->unembed, x, n, ld);
}
