#include "model/load/weight_list.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/load/families.h"

enum { REQUIRED = 0, OPTIONAL = 1, TRANSPOSED = 2 };

/* Appends prefix + name, of shape {a, b, c}; trailing sizes of 0 mean fewer dimensions. */
static void add(struct params *p, const float **dst, const char *name, unsigned flags, size_t a,
                size_t b, size_t c)
{
    if (!p->rc) {
        p->rc = mem_reserve(&p->items, &p->cap, p->n + 1, sizeof *p->items, "weights", p->err);
    }
    if (p->rc) {
        return;
    }
    struct param *q = &p->items[p->n];
    *q = (struct param){.dst = dst,
                        .n_dims = c   ? 3
                                  : b ? 2
                                      : 1,
                        .shape = {a, b, c},
                        .optional = flags & OPTIONAL,
                        .transposed = flags & TRANSPOSED,
                        .n = 1};
    snprintf(q->name, sizeof q->name, "%s%s", p->prefix, name);
    for (size_t i = 0; i < q->n_dims; i++) {
        if (!mem_mul(q->n, q->shape[i], &q->n)) {
            p->rc = err_set(p->err, ERR_LIMIT, "tensor %s would not fit into memory", q->name);
            return;
        }
    }
    q->n_own = q->n;
    p->n++;
}

static void list_layer(struct params *p, const struct config *c, struct layer *to, unsigned w)
{
    const size_t d_model = c->d_model, n_heads = c->n_heads, d_head = c->d_head, d_mlp = c->d_mlp;
    const bool old = c->old_layout, ln = c->norm == NORM_LN;
    if (ln) {
        add(p, &to->ln1_w, old ? "norm1.w" : "ln1.w", REQUIRED, d_model, 0, 0);
        add(p, &to->ln1_b, old ? "norm1.b" : "ln1.b", OPTIONAL, d_model, 0, 0);
    }
    add(p, &to->W_Q, "attn.W_Q", w, n_heads, d_model, d_head);
    add(p, &to->W_K, "attn.W_K", w, n_heads, d_model, d_head);
    add(p, &to->W_V, "attn.W_V", w, n_heads, d_model, d_head);
    add(p, &to->b_Q, "attn.b_Q", OPTIONAL, n_heads, d_head, 0);
    add(p, &to->b_K, "attn.b_K", OPTIONAL, n_heads, d_head, 0);
    add(p, &to->b_V, "attn.b_V", OPTIONAL, n_heads, d_head, 0);
    add(p, &to->W_O, "attn.W_O", w, n_heads, d_head, d_model);
    add(p, &to->b_O, "attn.b_O", OPTIONAL, d_model, 0, 0);
    if (c->attn_only) {
        return;
    }
    if (ln) {
        add(p, &to->ln2_w, old ? "norm2.w" : "ln2.w", REQUIRED, d_model, 0, 0);
        add(p, &to->ln2_b, old ? "norm2.b" : "ln2.b", OPTIONAL, d_model, 0, 0);
    }
    add(p, &to->W_in, "mlp.W_in", w, d_model, d_mlp, 0);
    add(p, &to->b_in, "mlp.b_in", OPTIONAL, d_mlp, 0, 0);
    if (ln && c->act_fn == ACT_SOLU_LN) {
        add(p, &to->ln_mlp_w, old ? "mlp.norm.w" : "mlp.ln.w", REQUIRED, d_mlp, 0, 0);
        add(p, &to->ln_mlp_b, old ? "mlp.norm.b" : "mlp.ln.b", OPTIONAL, d_mlp, 0, 0);
    }
    add(p, &to->W_out, "mlp.W_out", w, d_mlp, d_model, 0);
    add(p, &to->b_out, "mlp.b_out", OPTIONAL, d_model, 0, 0);
}

/* Lists every weight of m by the file's names.  The old layout stores the matrices of models of up
 * to 6 layers, and W_pos of those of up to 8, transposed. */
static void list_own(struct params *p, struct model *m)
{
    const struct config *c = &m->config;
    const size_t d_model = c->d_model, d_vocab = c->d_vocab;
    const bool old = c->old_layout;
    const unsigned w = old && c->n_layers <= 6 ? TRANSPOSED : REQUIRED;
    const unsigned w_pos = old && c->n_layers <= 8 ? TRANSPOSED : REQUIRED;

    add(p, &m->W_E, "embed.W_E", w, d_vocab, d_model, 0);
    add(p, &m->W_pos, "pos_embed.W_pos", w_pos, c->n_ctx, d_model, 0);
    for (size_t l = 0; l < c->n_layers; l++) {
        snprintf(p->prefix, sizeof p->prefix, "blocks.%zu.", l);
        list_layer(p, c, &m->layers[l], w);
    }
    p->prefix[0] = '\0';
    if (c->norm == NORM_LN) {
        add(p, &m->ln_final_w, old ? "norm.w" : "ln_final.w", REQUIRED, d_model, 0, 0);
        add(p, &m->ln_final_b, old ? "norm.b" : "ln_final.b", OPTIONAL, d_model, 0, 0);
    }
    add(p, &m->W_U, "unembed.W_U", w, d_model, d_vocab, 0);
    add(p, &m->b_U, "unembed.b_U", OPTIONAL, d_vocab, 0, 0);
}

// --- families -----------------------------------------------------------------------------------

/* The weight that was added last; NULL after a failure. */
static struct param *last(struct params *p)
{
    return p->rc ? NULL : &p->items[p->n - 1];
}

/* The last weight takes 'view' of its tensor, from a place of an axis on. */
static void take(struct params *p, size_t n, const struct param_dim view[PARAM_DIMS], size_t axis,
                 size_t from)
{
    struct param *q = last(p);
    if (!q) {
        return;
    }
    q->n_view = n;
    q->from_axis = axis;
    q->from = from;
    q->n = q->n_own = 1;
    for (size_t i = 0; i < n; i++) {
        q->view[i] = view[i];
        if (!mem_mul(q->n, view[i].n, &q->n)) {
            p->rc = err_set(p->err, ERR_LIMIT, "tensor %s would not fit into memory", q->name);
            return;
        }
        q->n_own *= view[i].step ? view[i].n : 1;
    }
}

/* A matrix [in][out] in memory, of a file that may have it the other way round. */
static void add_matrix(struct params *p, const float **dst, const char *name, bool conv1d,
                       size_t in, size_t out)
{
    add(p, dst, name, REQUIRED, conv1d ? in : out, conv1d ? out : in, 0);
    const struct param_dim view[PARAM_DIMS] = {{in, !conv1d, 1}, {out, conv1d, 1}};
    take(p, 2, view, 0, 0);
}

/* Queries, keys or values of all heads, or their biases, from a tensor that may hold more. */
static void add_heads(struct params *p, const struct config *c, const struct weight_rule *rule,
                      const float **dst)
{
    const struct family *f = c->layout.family;
    const size_t d = c->d_model, d_head = c->d_head, width = c->n_heads * d_head;
    const bool fused = rule->part < PART_ALONE, by_head = fused && f->fused == FUSED_HEADS;
    const bool bias = rule->kind == WEIGHT_HEADS_B, shared = rule->part == PART_ALONE_KV;
    const size_t n = shared ? c->n_kv_heads : c->n_heads, out = fused ? 3 * width : n * d_head;
    const size_t from = fused ? rule->part * (by_head ? d_head : width) : 0;
    const size_t axis = bias || !f->conv1d ? 0 : 1; // of heads
    if (bias) {
        add(p, dst, rule->name, REQUIRED, out, 0, 0);
    } else {
        add(p, dst, rule->name, REQUIRED, f->conv1d ? d : out, f->conv1d ? out : d, 0);
    }
    const struct param_dim heads = {n, axis, by_head ? 3 * d_head : d_head};
    const struct param_dim again = {c->n_heads / n, axis, 0}, each = {d_head, axis, 1};
    const struct param_dim of_bias[PARAM_DIMS] = {heads, again, each};
    const struct param_dim of_matrix[PARAM_DIMS] = {heads, again, {d, !axis, 1}, each};
    take(p, bias ? 3 : 4, bias ? of_bias : of_matrix, axis, from);
}

/* Zeros for a bias that the model does not have. */
static void add_zeros(struct params *p, const float **dst, size_t n)
{
    add(p, dst, "", REQUIRED, n, 0, 0);
    struct param *q = last(p);
    if (q) {
        q->name[0] = '\0';
        q->n_own = 0;
    }
}

/* The last weight is a norm's. */
static void norm_weight(struct params *p, const struct family *f)
{
    struct param *q = last(p);
    if (q && f->plus_one) {
        q->plus = 1;
    }
}

static bool is_there(const struct config_layout *l, enum weight_when when)
{
    switch (when) {
    case WHEN_ALWAYS:
        return true;
    case WHEN_QKV_BIAS:
        return l->qkv_bias;
    case WHEN_OUT_BIAS:
        return l->out_bias;
    case WHEN_MLP_BIAS:
        return l->mlp_bias;
    }
    return false;
}

static void add_rule(struct params *p, const struct config *c, const struct weight_rule *rule,
                     struct layer *to)
{
    const struct family *f = c->layout.family;
    const size_t d = c->d_model, width = c->n_heads * c->d_head;
    const float **dst = (const float **)(void *)((char *)to + rule->at);
    if (!is_there(&c->layout, rule->when)) {
        add_zeros(p, dst,
                  rule->kind == WEIGHT_OF_MLP     ? c->d_mlp
                  : rule->kind == WEIGHT_OF_MODEL ? d
                                                  : width);
        return;
    }
    switch (rule->kind) {
    case WEIGHT_OF_MODEL:
        add(p, dst, rule->name, REQUIRED, d, 0, 0);
        if (dst == &to->ln1_w || dst == &to->ln2_w) {
            norm_weight(p, f);
        }
        break;
    case WEIGHT_OF_MLP:
        add(p, dst, rule->name, REQUIRED, c->d_mlp, 0, 0);
        break;
    case WEIGHT_HEADS:
    case WEIGHT_HEADS_B:
        add_heads(p, c, rule, dst);
        break;
    case WEIGHT_OUT:
        add_matrix(p, dst, rule->name, f->conv1d, width, d);
        break;
    case WEIGHT_MLP_IN:
        add_matrix(p, dst, rule->name, f->conv1d, d, c->d_mlp);
        break;
    case WEIGHT_MLP_OUT:
        add_matrix(p, dst, rule->name, f->conv1d, c->d_mlp, d);
        break;
    }
}

/* W_U, a tensor of its own or the embedding's. */
static void add_unembedding(struct params *p, struct model *m)
{
    const struct config *c = &m->config;
    const struct family *f = c->layout.family;
    add_matrix(p, &m->W_U, c->layout.tied ? f->W_E : f->W_U, false, c->d_model, c->d_vocab);
    struct param *q = last(p);
    if (q) {
        q->outside = !c->layout.tied;
        q->n_own = c->layout.tied ? 0 : q->n_own;
    }
    add_zeros(p, &m->b_U, c->d_vocab);
    if (c->layout.tied) { // the file may have it all the same
        add(p, NULL, f->W_U, OPTIONAL, c->d_vocab, c->d_model, 0);
        q = last(p);
        if (q) {
            q->outside = true;
            q->n = q->n_own = 0;
        }
    }
}

static void list_family(struct params *p, struct model *m)
{
    const struct config *c = &m->config;
    const struct family *f = c->layout.family;
    const size_t d = c->d_model;
    add(p, &m->W_E, f->W_E, REQUIRED, c->d_vocab, d, 0);
    if (!p->rc && f->scaled_embed) {
        last(p)->times = sqrtf((float)d);
    }
    if (f->W_pos) {
        add(p, &m->W_pos, f->W_pos, REQUIRED, c->n_ctx + f->first_position, d, 0);
        const struct param_dim view[PARAM_DIMS] = {{c->n_ctx, 0, 1}, {d, 1, 1}};
        take(p, 2, view, 0, f->first_position);
    }
    for (size_t l = 0; l < c->n_layers; l++) {
        for (const struct weight_rule *rule = f->rules; rule->name; rule++) {
            snprintf(p->prefix, sizeof p->prefix, "%.*s%zu.", (int)strcspn(f->layer, "%"), f->layer,
                     l);
            add_rule(p, c, rule, &m->layers[l]);
        }
    }
    p->prefix[0] = '\0';
    add(p, &m->ln_final_w, f->ln_final_w, REQUIRED, d, 0, 0);
    norm_weight(p, f);
    if (f->ln_final_b) {
        add(p, &m->ln_final_b, f->ln_final_b, REQUIRED, d, 0, 0);
    }
    add_unembedding(p, m);
}

void weight_list(struct params *p, struct model *m)
{
    p->family = m->config.layout.family;
    if (p->family) {
        list_family(p, m);
    } else {
        list_own(p, m);
    }
}

void param_view(const struct param *p, struct tensor *view)
{
    const struct tensor whole = *view;
    if (p->n_view == 0) {
        return;
    }
    view->data += p->from * whole.stride[p->from_axis] * dtype_bytes(whole.dtype);
    view->n = 1;
    view->n_dims = p->n_view;
    for (size_t i = 0; i < p->n_view; i++) {
        view->shape[i] = p->view[i].n;
        view->stride[i] = p->view[i].step * whole.stride[p->view[i].axis];
        view->n *= p->view[i].n;
    }
}
