#include "model/load/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/load/weights_path.h"
#include "model/weights/tensorfile.h"

/* One weight of the model: its tensor in the file and its place in memory. */
struct param {
    char name[96];
    const float **dst;
    size_t n_dims;
    size_t shape[3];
    bool optional;   // a bias: zero if the file has none
    bool transposed; // the file has the last two axes swapped
    size_t n;        // number of elements
};

/* The list while it is made.  It remembers a failure, so that the code below reads like a list. */
struct params {
    struct param *items; // [n]
    size_t n, cap;
    char prefix[32];   // for the names that are added: "blocks.0." or ""
    const char *outer; // [outer_len] stands in front of all names in the file: "module." or ""
    size_t outer_len;
    struct err *err;
    int rc;
};

// --- the list of weights ------------------------------------------------------------------------

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
static void list_params(struct params *p, struct model *m)
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

// --- reading ------------------------------------------------------------------------------------

static void swap_sizes(size_t *a, size_t *b)
{
    const size_t old = *a;
    *a = *b;
    *b = old;
}

/* The tensor of a name behind the prefix outer[len]; NULL: none. */
static const struct tensor *find_behind(const struct tensorfile *f, const char *outer, size_t len,
                                        const char *name)
{
    char full[256];
    const int n = snprintf(full, sizeof full, "%.*s%s", (int)len, outer, name);
    return n > 0 && (size_t)n < sizeof full ? tensorfile_find(f, full) : NULL;
}

/* Whether the file has every weight that must be there, behind the prefix outer[len]. */
static bool has_all(const struct tensorfile *f, const struct params *p, const char *outer,
                    size_t len)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!p->items[i].optional && !find_behind(f, outer, len, p->items[i].name)) {
            return false;
        }
    }
    return true;
}

/* Finds what stands in front of all names, as wrappers of a module put it there: the one prefix
 * behind which every weight is; none where they are there without one. */
static int find_outer(struct params *p, const struct tensorfile *f, struct err *err)
{
    const char *first = p->items[0].name; // embed.W_E
    p->outer = "";
    if (has_all(f, p, "", 0)) {
        return 0;
    }
    for (size_t i = 0; i < tensorfile_n(f); i++) {
        const char *name = tensorfile_at(f, i)->name;
        const size_t len = strlen(name), end = strlen(first);
        if (len <= end || name[len - end - 1] != '.' || !file_ends_with(name, first) ||
            !has_all(f, p, name, len - end)) {
            continue;
        }
        if (p->outer_len > 0) {
            return err_set(err, ERR_FORMAT,
                           "holds two models, behind \"%.*s\" and \"%.*s\": save one of them",
                           (int)p->outer_len, p->outer, (int)(len - end), name);
        }
        p->outer = name;
        p->outer_len = len - end;
    }
    return 0;
}

/* How many of the weights that must be there are, behind the prefix outer[len]. */
static size_t count_behind(const struct tensorfile *f, const struct params *p, const char *outer,
                           size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        n += !p->items[i].optional && find_behind(f, outer, len, p->items[i].name);
    }
    return n;
}

/* Whether 'name' is a weight behind a prefix, of *len bytes. */
static bool has_prefix(const struct params *p, const char *name, size_t *len)
{
    for (size_t i = 0; i < p->n; i++) {
        const size_t whole = strlen(name), end = strlen(p->items[i].name);
        if (whole > end && name[whole - end - 1] == '.' && file_ends_with(name, p->items[i].name)) {
            *len = whole - end;
            return true;
        }
    }
    return false;
}

#define PREFIXES_MAX 64 // that are counted

/* The prefix that most weights have, [*len], and how many have it; NULL: most have none. */
static const char *most_have(const struct tensorfile *f, const struct params *p, size_t *len,
                             size_t *n)
{
    const char *best = NULL;
    const char *last = "";
    size_t last_len = 0;
    *len = 0;
    *n = count_behind(f, p, "", 0);
    for (size_t i = 0, tried = 0; i < tensorfile_n(f) && tried < PREFIXES_MAX; i++) {
        const char *name = tensorfile_at(f, i)->name;
        size_t outer;
        if (!has_prefix(p, name, &outer) ||
            (outer == last_len && strncmp(name, last, outer) == 0)) {
            continue;
        }
        tried++;
        last = name;
        last_len = outer;
        const size_t behind = count_behind(f, p, name, outer);
        if (behind > *n) {
            best = name;
            *len = outer;
            *n = behind;
        }
    }
    return best;
}

/* Says that a weight is missing, and what is there in its place. */
static int missing(const struct tensorfile *f, const struct params *p, const char *name,
                   struct err *err)
{
    for (size_t i = 0; i < tensorfile_n(f); i++) {
        const char *there = tensorfile_at(f, i)->name;
        const size_t len = strlen(there), end = strlen(name);
        if (len > end && there[len - end - 1] == '.' && file_ends_with(there, name)) {
            return err_set(err, ERR_FORMAT,
                           "tensor %s is missing; %.200s is there, but not every weight behind "
                           "\"%.*s\": save the state dict without this prefix",
                           name, there, len - end < 200 ? (int)(len - end) : 200, there);
        }
    }
    size_t prefix_len, n;
    const char *prefix = most_have(f, p, &prefix_len, &n);
    if (prefix) {
        return err_set(err, ERR_FORMAT,
                       "tensor %s is missing, with and without \"%.*s\", behind which %zu weights "
                       "are: save the whole state dict without this prefix",
                       name, prefix_len < 200 ? (int)prefix_len : 200, prefix, n);
    }
    return err_set(err, ERR_FORMAT, "tensor %s is missing", name);
}

/* Makes *view the tensor for p with its axes in the model's order; view->data is NULL for a bias
 * that the file does not have. */
static int find_param(const struct tensorfile *f, const struct params *list, const struct param *p,
                      struct tensor *view, struct err *err)
{
    const struct tensor *t = find_behind(f, list->outer, list->outer_len, p->name);
    if (!t) {
        *view = (struct tensor){.data = NULL};
        return p->optional ? 0 : missing(f, list, p->name, err);
    }
    if (tensor_is_read(t, err)) {
        return err_prefix(err, "tensor %s", t->name);
    }
    *view = *t;
    if (p->transposed && t->n_dims >= 2) {
        swap_sizes(&view->shape[t->n_dims - 1], &view->shape[t->n_dims - 2]);
        swap_sizes(&view->stride[t->n_dims - 1], &view->stride[t->n_dims - 2]);
    }
    if (view->n_dims == p->n_dims &&
        memcmp(view->shape, p->shape, p->n_dims * sizeof *p->shape) == 0) {
        return 0;
    }
    struct tensor wanted = {.n_dims = p->n_dims};
    memcpy(wanted.shape, p->shape, sizeof p->shape);
    return err_set(err, ERR_FORMAT, "tensor %s is %s; config.json makes it %s%s", p->name,
                   tensor_shape_text(view).text, tensor_shape_text(&wanted).text,
                   p->transposed ? " (axes swapped, as the old layout wants)" : "");
}

static int read_param(const struct tensorfile *f, const struct params *list, const struct param *p,
                      float *dst, struct err *err)
{
    struct tensor view;
    const int rc = find_param(f, list, p, &view, err);
    if (rc) {
        return rc;
    }
    if (!view.data) {
        memset(dst, 0, p->n * sizeof *dst);
        return 0;
    }
    tensor_read_f32(f, &view, dst);
    for (size_t i = 0; i < p->n; i++) {
        if (!isfinite(dst[i])) {
            return err_set(err, ERR_FORMAT, "tensor %s: element %zu is %s", p->name, i,
                           isnan(dst[i]) ? "not a number" : "infinite");
        }
    }
    return 0;
}

/* Whether a tensor belongs to no weight: the causal mask and its fill value are in every file. */
static bool is_constant(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".mask") == 0 || strcmp(dot, ".IGNORE") == 0);
}

static int note_unused(struct model *m, const struct tensorfile *f, const struct params *p,
                       struct err *err)
{
    const size_t n = tensorfile_n(f);
    m->unused = mem_zero(n, sizeof *m->unused);
    if (!m->unused) {
        return err_nomem(err, "names");
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = tensorfile_at(f, i)->name;
        bool known = is_constant(name);
        const bool inside = strncmp(name, p->outer, p->outer_len) == 0;
        for (size_t k = 0; k < p->n && inside && !known; k++) {
            known = strcmp(name + p->outer_len, p->items[k].name) == 0;
        }
        if (known) {
            continue;
        }
        const struct tensor *t = tensorfile_at(f, i);
        const bool is_read = t->dtype != DTYPE_UNREAD;
        if (asprintf(&m->unused[m->n_unused], "%s%s%s%s", name, is_read ? "" : " (dtype ",
                     is_read ? "" : tensor_dtype_name(t), is_read ? "" : ")") < 0) {
            m->unused[m->n_unused] = NULL;
            return err_nomem(err, "names");
        }
        m->n_unused++;
    }
    return 0;
}

/* Checks presence and shape of every weight, before any memory is allocated for them. */
static int check_params(struct model *m, const struct tensorfile *f, const struct params *p,
                        struct err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        struct tensor view;
        const int rc = find_param(f, p, &p->items[i], &view, err);
        if (rc) {
            return rc;
        }
        m->n_tensors += view.data != NULL;
        if (__builtin_add_overflow(m->n_params, p->items[i].n, &m->n_params)) {
            return err_set(err, ERR_LIMIT, "the model would not fit into memory");
        }
    }
    return 0;
}

static int read_weights(struct model *m, struct err *err)
{
    struct params p = {.err = err};
    struct tensorfile *f = NULL;
    list_params(&p, m);
    int rc = p.rc;
    if (rc) {
        goto out;
    }
    rc = tensorfile_open(&f, m->weights_path, err);
    if (rc) {
        goto out;
    }
    rc = find_outer(&p, f, err);
    rc = rc ? rc : check_params(m, f, &p, err);
    if (rc) {
        goto name_file;
    }
    m->prefix = strndup(p.outer, p.outer_len);
    if (!m->prefix) {
        rc = err_nomem(err, "a name");
        goto name_file;
    }
    m->block = mem_new(m->n_params, sizeof *m->block);
    if (!m->block) {
        rc = err_nomem(err, "weights");
        goto name_file;
    }
    float *at = m->block;
    for (size_t i = 0; i < p.n; i++) {
        rc = read_param(f, &p, &p.items[i], at, err);
        if (rc) {
            goto name_file;
        }
        *p.items[i].dst = at;
        at += p.items[i].n;
    }
    rc = note_unused(m, f, &p, err);
name_file:
    if (rc) {
        err_prefix(err, "%s", m->weights_path);
    }
out:
    tensorfile_close(f);
    free(p.items);
    return rc;
}

// --- the model ------------------------------------------------------------------------------------

int model_load(struct model **out, const char *name, const char *dir, struct err *err)
{
    int rc;
    struct model *m = mem_zero(1, sizeof *m);
    if (!m) {
        return err_nomem(err, "a model");
    }
    m->name = strdup(name);
    m->dir = strdup(dir);
    if (!m->name || !m->dir) {
        rc = err_nomem(err, "a name");
        goto out;
    }
    rc = config_load(&m->config, name, dir, err);
    if (rc) {
        goto out;
    }
    m->layers = mem_zero(m->config.n_layers, sizeof *m->layers);
    if (!m->layers) {
        rc = err_nomem(err, "layers");
        goto out;
    }
    rc = weights_path(&m->weights_path, dir, err);
    if (!rc) {
        rc = read_weights(m, err);
    }
    if (!rc) {
        *out = m;
        m = NULL;
    }
out:
    model_free(m);
    return rc;
}

void model_free(struct model *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_unused; i++) {
        free(m->unused[i]);
    }
    free(m->unused);
    free(m->block);
    free(m->layers);
    config_free(&m->config);
    free(m->weights_path);
    free(m->prefix);
    free(m->dir);
    free(m->name);
    free(m);
}

uint64_t model_hash(const struct model *m)
{
    const struct config *c = &m->config;
    const uint64_t weights = XXH64(m->block, m->n_params * sizeof *m->block, 0);
    if (c->norm == NORM_LN && !c->shortformer && !c->final_rms && c->eps == CONFIG_EPS &&
        !config_has_attn_scale(c)) {
        return weights;
    }
    const float formula[] = {(float)c->norm, c->shortformer,          c->final_rms,
                             c->eps,         config_attn_scale(c, 0), config_attn_scale(c, 1)};
    return XXH64(formula, sizeof formula, weights);
}

const char *site_name(enum site site)
{
    switch (site) {
    case SITE_DEFAULT:
        return "default";
    case SITE_PRE:
        return "pre";
    case SITE_MID:
        return "mid";
    case SITE_POST:
        return "post";
    }
    return "unknown";
}

int site_parse(const char *text, enum site *out, struct err *err)
{
    *out = SITE_DEFAULT;
    if (!text) {
        return 0;
    }
    for (enum site site = SITE_PRE; site <= SITE_POST; site++) {
        if (strcmp(text, site_name(site)) == 0) {
            *out = site;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--site %s: expected pre, mid or post", text);
}

int model_site(const struct model *m, enum site wish, enum site *out, struct err *err)
{
    const bool solu = m->config.act_fn == ACT_SOLU_LN;
    if (m->config.attn_only) {
        return err_set(err, ERR_UNSUPPORTED, "%s is attention-only: it has no neurons", m->name);
    }
    if (wish == SITE_MID && !solu) {
        return err_set(err, ERR_UNSUPPORTED,
                       "%s (act_fn %s) has no site mid; pre and post are there", m->name,
                       act_fn_name(m->config.act_fn));
    }
    *out = wish != SITE_DEFAULT ? wish : solu ? SITE_MID : SITE_POST;
    return 0;
}
