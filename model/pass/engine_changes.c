/*
 * engine_changes.c - a changed model: values that are recorded in one run replace those of another
 *
 * Where a component makes its value, engine_change_*() records it, or replaces it for all, or adds
 * what an edge's reader sees otherwise to the reader's point: points[k] is the difference between
 * the stream that reader k reads and the stream.  changes.h has the words.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/engine_internal.h"
#include "model/pass/rotary.h"

// --- where rows of values stand -----------------------------------------------------------------

/* The row of the recorded values of a block's row, or NULL: nothing is recorded. */
static float *recorded(const struct engine_ctx *r, size_t row, const struct change *x)
{
    const struct engine_changing *g = &r->changing;
    return g->record ? g->record + (g->record_row + row) * g->changes->width + x->at : NULL;
}

/* The donor's row that takes the place of position p. */
static size_t donor_row(size_t p, size_t rows)
{
    return p < rows ? p : 1 + (p - 1) % (rows - 1);
}

/* What replaces a change's value in row i of a strand; NULL: 0. */
static const float *replacement(const struct engine_ctx *r, size_t strand, size_t i,
                                const struct change *x)
{
    const struct engine_replaced *by = r->changing.by;
    switch (x->verb) {
    case CHANGE_ZERO:
        return NULL;
    case CHANGE_MEAN:
        return by->mean + x->at;
    case CHANGE_RESAMPLE:
        break;
    }
    const struct engine_donor d = by->donor(by->context, &r->block.windows[strand]);
    return d.values + donor_row(i, d.rows) * r->changing.changes->width + x->at;
}

/* The changes that are made or recorded; NULL: none. */
static const struct changes *at_work(const struct engine_ctx *r)
{
    return r->changing.by || r->changing.record ? r->changing.changes : NULL;
}

/* Each change of a kind in a layer. */
static bool is_at(const struct change *x, enum change_what what, size_t l)
{
    return x->what == what && x->layer == l;
}

/* Does anything of this kind change in the layer? */
bool engine_changes(const struct engine_ctx *r, enum change_what what, size_t l)
{
    const struct changes *c = at_work(r);
    for (size_t i = 0; c && i < c->n; i++) {
        if (is_at(&c->items[i], what, l)) {
            return true;
        }
    }
    return false;
}

// --- rows of a component ------------------------------------------------------------------------

/* Adds sign * value w to to[d_model]: value[n], w[n][d_model]. */
static void add_product(float *to, const float *value, const float *w, size_t n, size_t d,
                        float sign)
{
    for (size_t k = 0; k < n; k++) {
        const float v = sign * value[k];
        for (size_t j = 0; j < d; j++) {
            to[j] += v * w[k * d + j];
        }
    }
}

/* What a value writes to the stream is value w; NULL: itself. */
static void add_write(float *to, const float *value, const float *w, size_t n, size_t d, float sign)
{
    if (w) {
        add_product(to, value, w, n, d, sign);
        return;
    }
    for (size_t j = 0; j < d; j++) {
        to[j] += sign * value[j];
    }
}

/*
 * One change at rows [i0, i0 + n) of the block: value of row i at x0 + (i - i0) * ld.  w: as
 * above, for edges.
 */
static void change_rows(struct engine_ctx *r, const struct change *x, float *x0, size_t ld,
                        size_t i0, size_t n, const float *w)
{
    const size_t d = r->engine->model->config.d_model;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct engine_strand *s = &r->block.strands[k];
        const size_t from = s->at > i0 ? s->at : i0;
        const size_t to = s->at + s->n < i0 + n ? s->at + s->n : i0 + n;
        for (size_t row = from; row < to; row++) {
            float *value = x0 + (row - i0) * ld, *record = recorded(r, row, x);
            if (record) {
                memcpy(record, value, x->width * sizeof *value);
                continue;
            }
            const float *by = replacement(r, k, row - s->at, x);
            if (x->reader != READER_ALL) {
                float *point = r->points[x->point] + row * d;
                add_write(point, value, w, x->width, d, -1);
                if (by) {
                    add_write(point, by, w, x->width, d, 1);
                }
            } else if (by) {
                memcpy(value, by, x->width * sizeof *value);
            } else {
                memset(value, 0, x->width * sizeof *value);
            }
        }
    }
}

/* What the values of a kind write to the stream: that of each index times its rows of w. */
struct writes {
    const float *w; // [index][each][d_model]; NULL: they are what is written
    size_t each;    // floats of a value
};

/*
 * The changes of one kind in a layer, at rows [i0, i0 + n) of the block: row i of 'values', ld apart,
 * has the value of each index, 'each' floats, side by side.  An edge sees the component's own value,
 * so that edges come before replacements.
 */
static void change_values(struct engine_ctx *r, enum change_what what, size_t l, float *values,
                          size_t ld, size_t i0, size_t n, struct writes writes)
{
    const struct changes *all = at_work(r);
    const size_t d = r->engine->model->config.d_model;
    for (int whole = 0; whole < 2 && all; whole++) {
        for (size_t i = 0; i < all->n; i++) {
            const struct change *x = &all->items[i];
            if (is_at(x, what, l) && (x->reader == READER_ALL) == whole) {
                const size_t at = x->index * writes.each;
                change_rows(r, x, values + at, ld, i0, n, writes.w ? writes.w + at * d : NULL);
            }
        }
    }
}

void engine_change_heads(struct engine_ctx *r, size_t l)
{
    const struct config *c = &r->engine->model->config;
    const struct writes writes = {r->engine->model->layers[l].W_O, c->d_head};
    change_values(r, CHANGE_HEAD, l, r->z, c->n_heads * c->d_head, 0, r->block.n_rows, writes);
}

void engine_change_neurons(struct engine_ctx *r, float *neurons, size_t l, size_t i0, size_t n)
{
    const struct writes writes = {r->engine->model->layers[l].W_out, 1};
    change_values(r, CHANGE_NEURON, l, neurons, r->engine->model->config.d_mlp, i0, n, writes);
}

void engine_change_mlp_out(struct engine_ctx *r, float *out, size_t l, size_t i0, size_t n)
{
    const struct writes itself = {NULL, 0};
    change_values(r, CHANGE_MLP, l, out, r->engine->model->config.d_model, i0, n, itself);
}

/* Writes that are the same at every row, or known from the ids; 'out' has room for a row. */
static void change_constants(struct engine_ctx *r, const struct change *x)
{
    const struct model *m = r->engine->model;
    const size_t d = m->config.d_model;
    for (size_t k = 0; k < r->block.n; k++) {
        const struct engine_strand *s = &r->block.strands[k];
        for (size_t i = 0; i < s->n; i++) {
            const float *from = x->what == CHANGE_B_O     ? m->layers[x->layer].b_O
                                : x->what == CHANGE_EMBED ? m->W_E + engine_strand_id(s, i) * d
                                                          : m->W_pos + (s->base + i) * d;
            // read only: these have no READER_ALL
            change_rows(r, x, (float *)(uintptr_t)from, d, s->at + i, 1, NULL);
        }
    }
}

void engine_change_begin(struct engine_ctx *r)
{
    const struct changes *all = at_work(r);
    const size_t d = r->engine->model->config.d_model;
    for (size_t k = 0; all && k < all->n_points && !r->changing.record; k++) {
        memset(r->points[k], 0, r->block.n_rows * d * sizeof **r->points);
    }
    for (size_t i = 0; all && i < all->n; i++) {
        const enum change_what what = all->items[i].what;
        if (what == CHANGE_EMBED || what == CHANGE_POS_EMBED || what == CHANGE_B_O) {
            change_constants(r, &all->items[i]);
        }
    }
}

// --- readers ------------------------------------------------------------------------------------

/* The first change of a point, whose reader is that of all; NULL: it is not this reader's. */
static const struct change *reader_of_point(const struct changes *c, size_t point)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].reader != READER_ALL && c->items[i].point == point) {
            return &c->items[i];
        }
    }
    return NULL;
}

/* '*': all of the stream is replaced. */
static void change_stream(struct engine_ctx *r, size_t point)
{
    const struct changes *c = at_work(r);
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].what == CHANGE_STREAM && c->items[i].point == point) {
            change_rows(r, &c->items[i], r->resid, r->engine->model->config.d_model, 0,
                        r->block.n_rows, NULL);
        }
    }
}

/* stream = resid + what the point's reader sees otherwise, for all rows. */
static void make_stream(struct engine_ctx *r, size_t point)
{
    const size_t n = r->block.n_rows * r->engine->model->config.d_model;
    for (size_t i = 0; i < n; i++) {
        r->stream[i] = r->resid[i] + r->points[point][i];
    }
}

const float *engine_changed_stream(struct engine_ctx *r, enum change_reader reader, size_t l)
{
    const struct changes *c = at_work(r);
    const float *stream = r->resid;
    for (size_t k = 0; c && k < c->n_points; k++) {
        const struct change *x = reader_of_point(c, k);
        if (x->reader != reader || (reader == READER_MLP && x->reader_layer != l)) {
            continue;
        }
        change_stream(r, k);
        if (!r->changing.record) {
            make_stream(r, k);
            stream = r->stream;
        }
    }
    return stream;
}

/* Queries, keys or values of one head at one row from x[d_model]. */
static void project_row(const struct config *c, float *to, const float *x, const float *W,
                        const float *b)
{
    memcpy(to, b, c->d_head * sizeof *to);
    add_product(to, x, W, c->d_model, c->d_head, 1);
}

/* What one reader of a layer's attention makes of the stream that it sees. */
static void read_attention(struct engine_ctx *r, const struct change *x)
{
    const struct model *m = r->engine->model;
    const struct config *c = &m->config;
    const struct layer *w = &m->layers[x->reader_layer];
    const size_t d = c->d_model, width = c->n_heads * c->d_head, each = d * c->d_head;
    const float *W = x->reader == READER_Q ? w->W_Q : x->reader == READER_K ? w->W_K : w->W_V;
    const float *b = x->reader == READER_Q ? w->b_Q : x->reader == READER_K ? w->b_K : w->b_V;
    const bool all = x->reader_head == CHANGE_ALL_HEADS;
    make_stream(r, x->point);
    for (size_t k = 0; k < r->block.n; k++) {
        const struct engine_strand *s = &r->block.strands[k];
        for (size_t i = 0; i < s->n; i++) {
            const size_t row = s->at + i;
            float *in = r->stream + row * d;
            if (c->norm != NORM_NONE) {
                r->f32->norm(in, in, w->ln1_w, w->ln1_b, c->eps, d, config_centres(c));
            }
            for (size_t j = 0; j < d && c->shortformer && x->reader != READER_V; j++) {
                in[j] += m->W_pos[(s->base + i) * d + j];
            }
            float *to = x->reader == READER_V   ? r->v + row * width
                        : x->reader == READER_K ? r->qk + row * 2 * width + width
                                                : r->qk + row * 2 * width;
            for (size_t h = all ? 0 : x->reader_head; h < (all ? c->n_heads : x->reader_head + 1);
                 h++) {
                project_row(c, to + h * c->d_head, in, W + h * each, b + h * c->d_head);
                if (m->rotary && x->reader != READER_V) {
                    rotary_turn(m, to + h * c->d_head, s->base + i);
                }
            }
        }
    }
}

void engine_change_attention(struct engine_ctx *r, size_t l)
{
    const struct changes *c = at_work(r);
    for (size_t k = 0; c && k < c->n_points; k++) {
        const struct change *x = reader_of_point(c, k);
        if (x->reader < READER_Q || x->reader > READER_V || x->reader_layer != l) {
            continue;
        }
        change_stream(r, k);
        if (!r->changing.record) {
            read_attention(r, x);
        }
    }
}

// --- requests -----------------------------------------------------------------------------------

int engine_change(struct engine_ctx *r, const struct changes *c, struct err *err)
{
    const size_t d = r->engine->model->config.d_model;
    size_t n;
    float **points =
        c->n_points > r->n_points ? mem_resize(r->points, c->n_points, sizeof *points) : r->points;
    if ((!points && c->n_points > 0) || !mem_mul(r->rows_max, d, &n)) {
        return err_nomem(err, "a changed model");
    }
    r->points = points;
    r->stream = r->stream ? r->stream : product_alloc(n, sizeof *r->stream);
    for (; r->n_points < c->n_points && r->stream; r->n_points++) {
        r->points[r->n_points] = product_alloc(n, sizeof **r->points);
        if (!r->points[r->n_points]) {
            break;
        }
    }
    if (!r->stream || r->n_points < c->n_points) {
        return err_nomem(err, "a changed model");
    }
    r->changing.changes = c;
    return 0;
}

void engine_replace(struct engine_ctx *r, const struct engine_replaced *by)
{
    r->changing.by = by;
}

void engine_changes_free(struct engine_ctx *r)
{
    for (size_t k = 0; k < r->n_points; k++) {
        free(r->points[k]);
    }
    free(r->points);
    free(r->stream);
    r->points = NULL;
    r->stream = NULL;
    r->n_points = 0;
}
