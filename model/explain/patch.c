#include "model/explain/patch.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/pass/forward.h"

struct patcher {
    const struct model *model;
    struct forward *forward;
    const struct patch *changes; // [n_changes] of every run
    size_t n_changes;

    // the run in hand
    const struct recording *base;
    const struct patch *patches; // [n_patches]
    size_t n_patches;
    struct forward_part part;
    bool changed; // else nothing was run, and all is as in base
};

int patcher_new(struct patcher **out, const struct model *model, struct err *err)
{
    struct patcher *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "a patcher");
    }
    p->model = model;
    const int rc = forward_new(&p->forward, model, err);
    if (rc) {
        patcher_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void patcher_free(struct patcher *p)
{
    if (p) {
        forward_free(p->forward);
        free(p);
    }
}

void patcher_change(struct patcher *p, const struct patch *patches, size_t n)
{
    p->changes = patches;
    p->n_changes = n;
}

// --- values -------------------------------------------------------------------------------------

/* The number of values that a patch has at a position. */
static size_t width(const struct config *c, const struct patch *patch)
{
    return patch->kind == PATCH_POST ? 1 : patch->kind == PATCH_Z ? c->d_head : c->d_model;
}

static bool covers(const struct patch *patch, size_t position)
{
    return patch->position == PATCH_ALL || patch->position == position;
}

/* Writes a patch into a hook's values at positions [first, n); those of position i are at x + i *
 * stride. */
static void put(const struct config *c, const struct patch *patch, float *x, size_t stride,
                size_t first, size_t n)
{
    const size_t n_values = width(c, patch);
    for (size_t i = first; i < n; i++) {
        if (!covers(patch, i)) {
            continue;
        }
        if (patch->values) {
            memcpy(x + i * stride, patch->values + i * patch->stride, n_values * sizeof *x);
        } else {
            memset(x + i * stride, 0, n_values * sizeof *x);
        }
    }
}

/* Writes those of patches[n_patches] that belong to a place of a layer; of heads 'head'. */
static void put_all(const struct config *c, const struct patch *patches, size_t n_patches,
                    enum patch_kind kind, size_t layer, size_t head, float *x, size_t first,
                    size_t n)
{
    for (size_t k = 0; k < n_patches; k++) {
        const struct patch *p = &patches[k];
        if (p->kind != kind || p->layer != layer || (kind == PATCH_Z && p->index != head)) {
            continue;
        }
        const size_t stride = kind == PATCH_Z      ? c->d_head
                              : kind == PATCH_POST ? c->d_mlp
                                                   : c->d_model;
        put(c, p, kind == PATCH_POST ? x + p->index : x, stride, first, n);
    }
}

// --- recording ----------------------------------------------------------------------------------

/* What the hooks of a recording have. */
struct recorder {
    const struct patcher *patcher;
    struct recording *r;
};

static void change(const struct recorder *k, enum patch_kind kind, size_t layer, size_t head,
                   float *x)
{
    put_all(&k->r->model->config, k->patcher->changes, k->patcher->n_changes, kind, layer, head, x,
            0, k->r->n);
}

/* Where a layer's values begin. */
static float *resid_pre(const struct recording *r, size_t layer)
{
    return r->resid_pre + layer * r->n * r->model->config.d_model;
}

static float *resid_mid(const struct recording *r, size_t layer)
{
    return r->resid_mid + layer * r->n * r->model->config.d_model;
}

static float *z_of(const struct recording *r, size_t layer, size_t head)
{
    const struct config *c = &r->model->config;
    return r->z + (layer * c->n_heads + head) * r->n * c->d_head;
}

static void keep_resid_pre(void *context, size_t layer, float *resid)
{
    const struct recorder *k = context;
    const struct recording *r = k->r;
    change(k, PATCH_RESID_PRE, layer, 0, resid);
    memcpy(resid_pre(r, layer), resid, r->n * r->model->config.d_model * sizeof *resid);
}

static void keep_resid_mid(void *context, size_t layer, float *resid)
{
    const struct recorder *k = context;
    const struct recording *r = k->r;
    memcpy(resid_mid(r, layer), resid, r->n * r->model->config.d_model * sizeof *resid);
}

static void keep_z(void *context, size_t layer, size_t head, float *z)
{
    const struct recorder *k = context;
    const struct recording *r = k->r;
    change(k, PATCH_Z, layer, head, z);
    memcpy(z_of(r, layer, head), z, r->n * r->model->config.d_head * sizeof *z);
}

static void keep_post(void *context, size_t layer, float *post)
{
    const struct recorder *k = context;
    const struct recording *r = k->r;
    change(k, PATCH_POST, layer, 0, post);
    const size_t size = r->n * r->model->config.d_mlp;
    memcpy(r->post + layer * size, post, size * sizeof *post);
}

static void keep_mlp_out(void *context, size_t layer, float *out)
{
    const struct recorder *k = context;
    const struct recording *r = k->r;
    change(k, PATCH_MLP_OUT, layer, 0, out);
    const size_t size = r->n * r->model->config.d_model;
    memcpy(r->mlp_out + layer * size, out, size * sizeof *out);
}

/* Allocates a window's values as one block. */
static bool make_room(struct recording *r)
{
    const struct config *c = &r->model->config;
    const size_t mlp_layers = c->attn_only ? 0 : c->n_layers;
    const struct {
        float **at;
        size_t layers, width; // of [layers][n][width]
    } parts[] = {
        {&r->resid_pre, c->n_layers + 1, c->d_model}, {&r->resid_mid, mlp_layers, c->d_model},
        {&r->z, c->n_layers, c->n_heads * c->d_head}, {&r->post, mlp_layers, c->d_mlp},
        {&r->mlp_out, mlp_layers, c->d_model},
    };
    size_t rows = 0, total;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        rows += parts[i].layers * parts[i].width; // config.h bounds both: no overflow
    }
    if (!mem_mul(rows, r->n, &total) || total > SIZE_MAX - c->d_vocab) {
        return false;
    }
    r->block = mem_new(total + c->d_vocab, sizeof *r->block);
    if (!r->block) {
        return false;
    }
    float *at = r->block;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].at = at;
        at += parts[i].layers * parts[i].width * r->n;
    }
    r->logits = at;
    return true;
}

int recording_new(struct recording **out, struct patcher *p, const uint32_t *ids, size_t n,
                  struct err *err)
{
    struct recording *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a window's activations");
    }
    r->model = p->model;
    r->n = n;
    if (!make_room(r)) {
        recording_free(r);
        return err_nomem(err, "a window's activations");
    }
    struct recorder recorder = {.patcher = p, .r = r};
    const struct forward_edits keep = {.context = &recorder,
                                       .resid_pre = keep_resid_pre,
                                       .resid_mid = keep_resid_mid,
                                       .z = keep_z,
                                       .post = keep_post,
                                       .mlp_out = keep_mlp_out};
    forward_run_edited(p->forward, ids, n, &keep);
    memcpy(resid_pre(r, p->model->config.n_layers), forward_resid_final(p->forward),
           n * p->model->config.d_model * sizeof *r->resid_pre);
    forward_logits(p->forward, n - 1, 1, r->logits);
    *out = r;
    return 0;
}

void recording_free(struct recording *r)
{
    if (r) {
        free(r->block);
        free(r);
    }
}

// --- patches ------------------------------------------------------------------------------------

struct patch patch_from(const struct recording *r, enum patch_kind kind, size_t layer, size_t index)
{
    const struct config *c = &r->model->config;
    struct patch p = {.kind = kind, .layer = layer, .index = index, .position = PATCH_ALL};
    switch (kind) {
    case PATCH_RESID_PRE:
        p.values = resid_pre(r, layer);
        p.stride = c->d_model;
        break;
    case PATCH_Z:
        p.values = z_of(r, layer, index);
        p.stride = c->d_head;
        break;
    case PATCH_POST:
        p.values = r->post + layer * r->n * c->d_mlp + index;
        p.stride = c->d_mlp;
        break;
    case PATCH_MLP_OUT:
        p.values = r->mlp_out + layer * r->n * c->d_model;
        p.stride = c->d_model;
        break;
    }
    return p;
}

/* The first position at which a patch's values differ from the window's; n where none do. */
static size_t first_changed(const struct recording *base, const struct patch *patch)
{
    const struct patch own = patch_from(base, patch->kind, patch->layer, patch->index);
    const size_t n_values = width(&base->model->config, patch);
    for (size_t i = 0; i < base->n; i++) {
        for (size_t k = 0; k < n_values && covers(patch, i); k++) {
            const float value = patch->values ? patch->values[i * patch->stride + k] : 0;
            if (own.values[i * own.stride + k] != value) {
                return i;
            }
        }
    }
    return base->n;
}

/* The changes of every run, then the patches of this one. */
static void edit(const struct patcher *p, enum patch_kind kind, size_t layer, size_t head, float *x)
{
    const struct config *c = &p->model->config;
    put_all(c, p->changes, p->n_changes, kind, layer, head, x, p->part.first, p->base->n);
    put_all(c, p->patches, p->n_patches, kind, layer, head, x, p->part.first, p->base->n);
}

/* Copies the rows before the first that changes from base, and all rows where the run begins. */
static void edit_resid_pre(void *context, size_t layer, float *resid)
{
    const struct patcher *p = context;
    const size_t d_model = p->model->config.d_model;
    const size_t rows = layer == p->part.layer ? p->base->n : p->part.first;
    memcpy(resid, resid_pre(p->base, layer), rows * d_model * sizeof *resid);
    edit(p, PATCH_RESID_PRE, layer, 0, resid);
}

static void edit_resid_mid(void *context, size_t layer, float *resid)
{
    const struct patcher *p = context;
    if (layer == p->part.layer && p->part.mlp) {
        memcpy(resid, resid_mid(p->base, layer),
               p->base->n * p->model->config.d_model * sizeof *resid);
    }
}

static void edit_z(void *context, size_t layer, size_t head, float *z)
{
    edit(context, PATCH_Z, layer, head, z);
}

static void edit_post(void *context, size_t layer, float *post)
{
    edit(context, PATCH_POST, layer, 0, post);
}

static void edit_mlp_out(void *context, size_t layer, float *out)
{
    edit(context, PATCH_MLP_OUT, layer, 0, out);
}

static void assert_there(const struct recording *base, const struct patch *patch)
{
    const struct config *c = &base->model->config;
    const bool mlp = patch->kind == PATCH_POST || patch->kind == PATCH_MLP_OUT;
    assert(patch->layer < c->n_layers && !(mlp && c->attn_only));
    assert(patch->kind != PATCH_Z || patch->index < c->n_heads);
    assert(patch->kind != PATCH_POST || patch->index < c->d_mlp);
    assert(patch->position == PATCH_ALL || patch->position < base->n);
    (void)c, (void)mlp; // used only by assertions
}

/* The part of the window that patches change: from which row, layer and half of the layer on.  Rows
 * see no later rows, so all rows before that part are as they were. */
static struct forward_part find_part(const struct recording *base, const struct patch *patches,
                                     size_t n, bool *changed)
{
    struct forward_part part = {.last_alone = true};
    size_t start = SIZE_MAX; // twice the layer, and 1 for its MLP
    part.first = base->n;
    for (size_t i = 0; i < n; i++) {
        assert_there(base, &patches[i]);
        const size_t first = first_changed(base, &patches[i]);
        const bool mlp = !base->model->config.parallel && // else the MLP reads the stream before
                         (patches[i].kind == PATCH_POST || patches[i].kind == PATCH_MLP_OUT);
        const size_t at = 2 * patches[i].layer + mlp;
        if (first < base->n) {
            part.first = first < part.first ? first : part.first;
            start = at < start ? at : start;
        }
    }
    *changed = start != SIZE_MAX;
    part.layer = start / 2;
    part.mlp = start % 2;
    return part;
}

void patch_run(struct patcher *p, const struct recording *base, const struct patch *patches,
               size_t n)
{
    assert(base->model == p->model);
    p->base = base;
    p->patches = patches;
    p->n_patches = n;
    p->part = find_part(base, patches, n, &p->changed);
    const struct forward_edits edits = {.context = p,
                                        .resid_pre = edit_resid_pre,
                                        .resid_mid = edit_resid_mid,
                                        .z = edit_z,
                                        .post = edit_post,
                                        .mlp_out = edit_mlp_out};
    if (p->changed) {
        forward_run_part(p->forward, base->n, &p->part, &edits);
    }
}

void patch_token_logits(struct patcher *p, const uint32_t *tokens, size_t count, float *logits)
{
    if (p->changed) {
        forward_token_logits(p->forward, p->base->n - 1, tokens, count, logits);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        logits[i] = p->base->logits[tokens[i]];
    }
}

void patch_logits(struct patcher *p, float *logits)
{
    if (p->changed) {
        forward_logits(p->forward, p->base->n - 1, 1, logits);
    } else {
        memcpy(logits, p->base->logits, p->model->config.d_vocab * sizeof *logits);
    }
}
