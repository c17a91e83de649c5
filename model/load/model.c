#include "model/load/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/load/families.h"
#include "model/load/weight_list.h"
#include "model/load/weights_path.h"
#include "model/weights/tensorfile.h"

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

/* Must the weight be there, behind what stands in front of all names? */
static bool is_needed(const struct param *p)
{
    return !p->optional && !p->outside && p->name[0];
}

/* Whether the file has every weight that must be there, behind the prefix outer[len]. */
static bool has_all(const struct tensorfile *f, const struct params *p, const char *outer,
                    size_t len)
{
    for (size_t i = 0; i < p->n; i++) {
        if (is_needed(&p->items[i]) && !find_behind(f, outer, len, p->items[i].name)) {
            return false;
        }
    }
    return true;
}

/* How many of the weights that must be there are, behind the prefix outer[len]. */
static size_t count_behind(const struct tensorfile *f, const struct params *p, const char *outer,
                           size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        n += is_needed(&p->items[i]) && find_behind(f, outer, len, p->items[i].name);
    }
    return n;
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
    // Where one is missing: the family's own prefix, if most are behind it.
    if (p->outer_len == 0 && p->family &&
        count_behind(f, p, p->family->prefix, strlen(p->family->prefix)) >
            count_behind(f, p, "", 0)) {
        p->outer = p->family->prefix;
        p->outer_len = strlen(p->outer);
    }
    return 0;
}

/* How much of the prefix is not the family's own: that stands in front of W_U too. */
static size_t base_len(const struct params *p)
{
    const size_t own = p->family ? strlen(p->family->prefix) : 0;
    const bool ends_so =
        p->outer_len >= own &&
        memcmp(p->outer + p->outer_len - own, p->family ? p->family->prefix : "", own) == 0;
    return ends_so ? p->outer_len - own : p->outer_len;
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
static int missing(const struct tensorfile *f, const struct params *p, const struct param *one,
                   struct err *err)
{
    const char *name = one->name;
    if (p->family) {
        return err_set(err, ERR_FORMAT, "tensor %.*s%s is missing",
                       (int)(one->outside ? base_len(p) : p->outer_len), p->outer, name);
    }
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
    const size_t len = p->outside ? base_len(list) : list->outer_len;
    const struct tensor *t = p->name[0] ? find_behind(f, list->outer, len, p->name) : NULL;
    if (!t) {
        *view = (struct tensor){.data = NULL};
        return p->optional || !p->name[0] ? 0 : missing(f, list, p, err);
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
        param_view(p, view);
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
    if (rc || !p->dst) {
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
    for (size_t i = 0; i < p->n && (p->times != 0 || p->plus != 0); i++) {
        dst[i] = dst[i] * (p->times != 0 ? p->times : 1) + p->plus;
    }
    return 0;
}

/* Whether a tensor belongs to no weight: the causal mask and its fill value are in every file. */
static bool is_constant(const struct params *p, const char *name)
{
    const char *dot = strrchr(name, '.');
    return p->family ? family_is_buffer(p->family, name)
                     : dot && (strcmp(dot, ".mask") == 0 || strcmp(dot, ".IGNORE") == 0);
}

/* Is it a weight of the model's list? */
static bool is_known(const struct params *p, const char *name)
{
    const size_t base = base_len(p);
    for (size_t k = 0; k < p->n; k++) {
        const size_t len = p->items[k].outside ? base : p->outer_len;
        if (p->items[k].name[0] && strncmp(name, p->outer, len) == 0 &&
            strcmp(name + len, p->items[k].name) == 0) {
            return true;
        }
    }
    return false;
}

/* A family's layer that holds more than its formula has is another formula's. */
static int check_unused(const struct params *p, const char *name, struct err *err)
{
    char layers[32] = "";
    if (!p->family) {
        return 0;
    }
    snprintf(layers, sizeof layers, "%.*s", (int)strcspn(p->family->layer, "%"), p->family->layer);
    const bool inside = strncmp(name, p->outer, p->outer_len) == 0 &&
                        strncmp(name + p->outer_len, layers, strlen(layers)) == 0;
    return inside ? err_set(err, ERR_UNSUPPORTED,
                            "tensor %s: a %s that config.json describes has no such weight, and "
                            "gapscope would leave it out",
                            name, p->family->model_type)
                  : 0;
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
        if (is_known(p, name)) {
            m->n_tensors++;
            continue;
        }
        if (is_constant(p, name)) {
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
        const int rc = check_unused(p, name, err);
        if (rc) {
            return rc;
        }
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
        if (__builtin_add_overflow(m->n_floats, p->items[i].n, &m->n_floats)) {
            return err_set(err, ERR_LIMIT, "the model would not fit into memory");
        }
        m->n_params += p->items[i].n_own;
    }
    return 0;
}

static int read_weights(struct model *m, struct err *err)
{
    struct params p = {.err = err};
    struct tensorfile *f = NULL;
    weight_list(&p, m);
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
    m->prefix = strndup(p.outer, base_len(&p));
    if (!m->prefix) {
        rc = err_nomem(err, "a name");
        goto name_file;
    }
    m->block = mem_new(m->n_floats, sizeof *m->block);
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
        if (p.items[i].dst) {
            *p.items[i].dst = at;
            at += p.items[i].n;
        }
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

/* m->rotary, its angles in f64. */
static int make_rotary(struct model *m, struct err *err)
{
    const struct config *c = &m->config;
    const size_t half = c->rotary_dims / 2;
    size_t n;
    if (half == 0) {
        return 0;
    }
    float *to = mem_mul(c->n_ctx, c->rotary_dims, &n) ? mem_new(n, sizeof *to) : NULL;
    if (!to) {
        return err_nomem(err, "rotary positions");
    }
    m->rotary = to;
    for (size_t pos = 0; pos < c->n_ctx; pos++, to += c->rotary_dims) {
        for (size_t i = 0; i < half; i++) {
            const double angle =
                (double)pos * pow(c->rotary_base, -2 * (double)i / (double)c->rotary_dims);
            to[i] = (float)cos(angle);
            to[half + i] = (float)sin(angle);
        }
    }
    return 0;
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
    rc = rc ? rc : make_rotary(m, err);
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
    free(m->rotary);
    free(m->layers);
    config_free(&m->config);
    free(m->weights_path);
    free(m->prefix);
    free(m->dir);
    free(m->name);
    free(m);
}

const float *layer_W_pre(const struct layer *layer)
{
    return layer->W_gate ? layer->W_gate : layer->W_in;
}

uint64_t model_hash(const struct model *m)
{
    const struct config *c = &m->config;
    const uint64_t weights = XXH64(m->block, m->n_floats * sizeof *m->block, 0);
    if (c->layout.family) {
        const double more[] = {c->act_fn,
                               c->norm,
                               c->gated,
                               c->parallel,
                               (double)c->rotary_dims,
                               c->rotary_base,
                               (double)c->window,
                               (double)c->eps,
                               (double)config_attn_scale(c, 0),
                               (double)config_attn_scale(c, 1)};
        return XXH64(c->local, sizeof c->local, XXH64(more, sizeof more, weights));
    }
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
