#include "model/load/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/path_error.h"
#include "model/load/config_keys.h"
#include "model/load/config_values.h"
#include "model/load/families.h"

#define CONFIG_MAX_BYTES ((size_t)1 << 20)

const char *act_fn_name(enum act_fn act_fn)
{
    switch (act_fn) {
    case ACT_GELU:
        return "gelu";
    case ACT_GELU_NEW:
        return "gelu_new";
    case ACT_SOLU_LN:
        return "solu_ln";
    case ACT_RELU:
        return "relu";
    case ACT_SILU:
        return "silu";
    }
    return "unknown";
}

const char *norm_name(enum norm norm)
{
    switch (norm) {
    case NORM_NONE:
        return "none";
    case NORM_LN:
        return "LN";
    case NORM_LNPRE:
        return "LNPre";
    case NORM_RMS:
        return "RMS";
    }
    return "unknown";
}

static int read_act_fn(struct json_object *object, enum act_fn *out, struct err *err)
{
    const char *name = NULL;
    const int rc = json_member_string(object, "act_fn", &name, err);
    if (rc) {
        return rc;
    }
    if (!name) {
        return err_set(err, ERR_FORMAT, "\"act_fn\" is missing");
    }
    static const enum act_fn known[] = {ACT_GELU, ACT_GELU_NEW, ACT_SOLU_LN};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, act_fn_name(known[i])) == 0) {
            *out = known[i];
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "act_fn \"%s\" is not supported; gelu, gelu_new and solu_ln are", name);
}

static int parse_norm(struct json_object *object, const char *key, enum norm *out, struct err *err)
{
    const char *name = NULL;
    const int rc = json_member_string(object, key, &name, err);
    if (rc) {
        return rc;
    }
    if (!name) {
        *out = NORM_NONE; // null
    } else if (strcmp(name, "LN") == 0) {
        *out = NORM_LN;
    } else if (strcmp(name, "LNPre") == 0) {
        *out = NORM_LNPRE;
    } else {
        return err_set(err, ERR_UNSUPPORTED, "%s \"%s\" is not supported; LN, LNPre and null are",
                       key, name);
    }
    return 0;
}

/* Under either key; where there are both they must agree. */
static int read_norm(struct json_object *object, enum norm *out, struct err *err)
{
    static const char *const keys[] = {"normalization_type", "normalization"};
    enum norm found[2] = {NORM_NONE, NORM_NONE};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        if (config_has_key(object, keys[i])) {
            const int rc = parse_norm(object, keys[i], &found[n++], err);
            if (rc) {
                return rc;
            }
        }
    }
    if (n == 0) {
        return err_set(err, ERR_FORMAT, "neither \"normalization\" nor \"normalization_type\"");
    }
    if (n == 2 && found[0] != found[1]) {
        return err_set(err, ERR_FORMAT, "normalization_type %s contradicts normalization %s",
                       norm_name(found[0]), norm_name(found[1]));
    }
    *out = found[0];
    return 0;
}

static int read_old_layout(struct json_object *object, const char *dir_name, bool *out,
                           struct err *err)
{
    const char *architecture = NULL;
    const int rc = json_member_string(object, "architecture", &architecture, err);
    if (rc) {
        return rc;
    }
    if (!architecture && config_has_key(object, "positional_embedding_type")) {
        *out = false; // TransformerLens' own config, whose weights have its names
    } else if (!architecture) {
        *out = file_ends_with(dir_name, "_old") || config_has_key(object, "final_rms");
    } else if (strcmp(architecture, "neel") == 0) {
        *out = false;
    } else if (strcmp(architecture, "neel-solu-old") == 0) {
        *out = true;
    } else {
        return err_set(err, ERR_UNSUPPORTED,
                       "architecture \"%s\" is not supported; neel and neel-solu-old are",
                       architecture);
    }
    return 0;
}

/* Reads d_head and n_heads; either follows from the other if it is missing. */
static int read_heads(struct json_object *object, struct config *c, struct err *err)
{
    size_t n_heads = 0, d_head = 0;
    int rc = config_read_optional_size(object, "n_heads", &n_heads, err);
    if (!rc) {
        rc = config_read_optional_size(object, "d_head", &d_head, err);
    }
    if (rc) {
        return rc;
    }
    if (!n_heads && !d_head) {
        return err_set(err, ERR_FORMAT, "neither \"n_heads\" nor \"d_head\" is given");
    }
    const size_t given = n_heads ? n_heads : d_head;
    if (!(n_heads && d_head) && given > c->d_model) {
        return err_set(err, ERR_FORMAT,
                       "\"%s\" is %zu, more than \"d_model\", %zu: \"%s\" does not follow from it",
                       n_heads ? "n_heads" : "d_head", given, c->d_model,
                       n_heads ? "d_head" : "n_heads");
    }
    c->n_heads = n_heads ? n_heads : c->d_model / d_head;
    c->d_head = d_head ? d_head : c->d_model / n_heads;
    c->n_kv_heads = c->n_heads;
    return 0;
}

/* Positions: "positional_embedding_type", or "shortformer_pos" of the repositories' files. */
static int read_positions(struct json_object *object, bool *shortformer, struct err *err)
{
    const char *type = NULL;
    int rc = json_member_bool(object, "shortformer_pos", shortformer, err);
    rc = rc ? rc : json_member_string(object, "positional_embedding_type", &type, err);
    if (rc || !type) {
        return rc;
    }
    const bool is_shortformer = strcmp(type, "shortformer") == 0;
    if (!is_shortformer && strcmp(type, "standard") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "positional_embedding_type \"%s\" is not supported; standard and "
                       "shortformer are",
                       type);
    }
    if (config_has_key(object, "shortformer_pos") && *shortformer != is_shortformer) {
        return err_set(err, ERR_FORMAT,
                       "positional_embedding_type \"%s\" contradicts shortformer_pos %s", type,
                       *shortformer ? "true" : "false");
    }
    *shortformer = is_shortformer;
    return 0;
}

/* What attention scores are divided by, and eps. */
static int read_scales(struct json_object *object, struct config *c, struct err *err)
{
    bool scaled = true;
    double eps = 0;
    int rc = json_member_bool(object, "use_attn_scale", &scaled, err);
    rc = rc ? rc : config_read_positive(object, "attn_scale", -1, &c->attn_scale, err);
    rc = rc ? rc
            : json_member_bool(object, "scale_attn_by_inverse_layer_idx", &c->scale_by_layer, err);
    rc = rc ? rc : config_read_positive(object, "eps", NAN, &eps, err);
    c->attn_scale = scaled ? c->attn_scale : 1;
    c->eps = eps > 0 ? (float)eps : CONFIG_EPS;
    return rc;
}

static int read_mlp(struct json_object *object, struct config *c, struct err *err)
{
    if (c->attn_only) {
        return 0;
    }
    c->d_mlp = 4 * c->d_model;
    const int rc = config_read_optional_size(object, "d_mlp", &c->d_mlp, err);
    return rc ? rc : read_act_fn(object, &c->act_fn, err);
}

static int read_own(struct json_object *object, const char *dir_name, struct config *c,
                    struct err *err)
{
    const struct {
        const char *key;
        size_t most;
        size_t *out;
    } sizes[] = {
        {"n_layers", CONFIG_LAYERS_MAX, &c->n_layers},
        {"d_model", CONFIG_SIZE_MAX, &c->d_model},
        {"n_ctx", CONFIG_SIZE_MAX, &c->n_ctx},
        {"d_vocab", CONFIG_SIZE_MAX, &c->d_vocab},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !rc; i++) {
        rc = config_read_size(object, sizes[i].key, sizes[i].most, sizes[i].out, err);
    }
    rc = rc ? rc : read_heads(object, c, err);
    rc = rc ? rc : json_member_bool(object, "attn_only", &c->attn_only, err);
    rc = rc ? rc : read_positions(object, &c->shortformer, err);
    rc = rc ? rc : json_member_bool(object, "final_rms", &c->final_rms, err);
    rc = rc ? rc : read_norm(object, &c->norm, err);
    rc = rc ? rc : read_old_layout(object, dir_name, &c->old_layout, err);
    rc = rc ? rc : read_mlp(object, c, err);
    rc = rc ? rc : read_scales(object, c, err);
    rc = rc ? rc : config_keys_check(object, err);

    const char *tokenizer_name = NULL;
    rc = rc ? rc : json_member_string(object, "tokenizer_name", &tokenizer_name, err);
    if (!rc && tokenizer_name) {
        c->tokenizer_name = strdup(tokenizer_name);
        rc = c->tokenizer_name ? 0 : err_nomem(err, "a name");
    }
    return rc;
}

static int read_config(struct json_object *object, const char *dir_name, struct config *c,
                       struct err *err)
{
    if (!json_object_is_type(object, json_type_object)) {
        return err_set(err, ERR_FORMAT, "%s; expected an object", json_kind(object));
    }
    const bool own = json_member(object, "n_layers") && json_member(object, "d_model");
    if (!own && !config_has_key(object, "model_type") && config_has_key(object, "architectures")) {
        return err_set(err, ERR_FORMAT,
                       "\"model_type\" is missing: it names the family of a model with "
                       "\"architectures\", such as gpt2 or llama");
    }
    return config_has_key(object, "model_type") && !own ? family_config(c, object, err)
                                                        : read_own(object, dir_name, c, err);
}

int config_parse(struct config *out, const char *json, size_t len, const char *dir_name,
                 struct err *err)
{
    struct config c = {0};
    struct json_object *object = NULL;
    struct json_parser *parser = json_parser_new();
    int rc = parser ? json_parse(parser, &object, json, len, err) : err_nomem(err, "a parser");
    if (!rc) {
        rc = read_config(object, dir_name, &c, err);
    }
    if (!rc) {
        *out = c;
    } else {
        config_free(&c);
    }
    json_object_put(object);
    json_parser_free(parser);
    return rc;
}

int config_load(struct config *out, const char *name, const char *dir, struct err *err)
{
    struct buf text = {0};
    char *path = file_join(dir, "config.json");
    char *dir_name = file_base_name(dir);
    bool is_there;
    int rc = path && dir_name ? 0 : err_nomem(err, "a path");
    if (!rc) {
        rc = path_is_file(path, &is_there, err);
    }
    if (!rc) {
        rc = file_read_text(path, CONFIG_MAX_BYTES, &text, err);
    }
    if (!rc) {
        // Either name may have the "_old" that gives the layout away: a cache's folder is a hash.
        rc = config_parse(out, text.data, text.len, file_ends_with(name, "_old") ? name : dir_name,
                          err);
        if (rc) {
            err_prefix(err, "%s", path);
        }
    }
    free(path);
    free(dir_name);
    buf_free(&text);
    return rc;
}

void config_free(struct config *c)
{
    free(c->tokenizer_name);
    *c = (struct config){0};
}

float config_attn_scale(const struct config *c, size_t layer)
{
    const double scale = c->attn_scale > 0 ? c->attn_scale : sqrt((double)c->d_head);
    return (float)(1 / (c->scale_by_layer ? scale * (double)(layer + 1) : scale));
}

bool config_has_pos_embed(const struct config *c)
{
    return !c->shortformer && c->rotary_dims == 0;
}

bool config_centres(const struct config *c)
{
    return c->norm != NORM_RMS;
}

size_t config_window(const struct config *c, size_t layer)
{
    return c->local[layer / 64] >> layer % 64 & 1 ? c->window : SIZE_MAX;
}

bool config_has_attn_scale(const struct config *c)
{
    struct config usual = *c;
    usual.attn_scale = 0;
    return config_attn_scale(c, 0) != config_attn_scale(&usual, 0) ||
           (c->scale_by_layer && c->n_layers > 1);
}
