#include "scan/lineup.h"

#include <stdlib.h>
#include <string.h>

#include "model/hub.h"
#include "scan/base/file.h"
#include "scan/base/mem.h"
#include "scan/base/utf8.h"

/* The tokenizer's path for one model: its own, else the given one.  *out is the caller's. */
static int tokenizer_path_of(char **out, const char *name, const char *dir,
                             const struct config *config, const char *given, struct err *err)
{
    struct err why = {0};
    const int rc = hub_tokenizer(out, dir, config, &why);
    if (rc || *out) {
        return rc ? err_set(err, why.code, "%s", why.msg) : 0;
    }
    if (given) {
        *out = strdup(given);
        return *out ? 0 : err_nomem(err, "a path");
    }
    return err_set(err, ERR_NOT_FOUND,
                   "%s: %s; give one with --tokenizer FILE (text), or token ids with --ids", name,
                   why.msg);
}

/* Takes 'path' as the tokenizer of 'l', or compares it with the one already there. */
static int join_tokenizer(struct lineup *l, const char *path, const char *name, const char *first,
                          struct err *err)
{
    struct tokenizer *t = NULL;
    int rc = tokenizer_load(&t, path, err);
    if (rc) {
        return rc;
    }
    if (!l->tokenizer) {
        l->tokenizer = t;
        return 0;
    }
    struct err why = {0};
    rc = tokenizer_same(l->tokenizer, t, &why);
    if (rc) {
        rc = err_set(err, why.code,
                     "%s and %s have different tokenizers (%s); models in one run must share one",
                     first, name, why.msg);
    }
    tokenizer_free(t);
    return rc;
}

static int join_tokenizers(struct lineup *l, const char *given, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        const struct model *m = l->models[i];
        char *path = NULL;
        rc = tokenizer_path_of(&path, m->name, m->dir, &m->config, given, err);
        if (!rc) {
            rc = join_tokenizer(l, path, m->name, l->models[0]->name, err);
        }
        free(path);
    }
    if (!rc && given) {
        rc = join_tokenizer(l, given, "--tokenizer", l->models[0]->name, err);
    }
    for (size_t i = 0; i < l->n && !rc; i++) {
        const struct model *m = l->models[i];
        const size_t n = tokenizer_n_vocab(l->tokenizer);
        if (n > m->config.d_vocab) {
            rc = err_set(err, ERR_MISMATCH,
                         "%s: the tokenizer has ids up to %zu, the model a d_vocab of %zu", m->name,
                         n - 1, m->config.d_vocab);
        }
    }
    return rc;
}

/* Can text be cut into windows, BOS and at least a token each? */
static int check_windows(const struct lineup *l, struct err *err)
{
    if (tokenizer_bos(l->tokenizer) == TOKENIZER_NO_ID) {
        return err_set(err, ERR_NOT_FOUND,
                       "the tokenizer has no BOS: neither tokenizer_config.json nor "
                       "special_tokens_map.json names one, and there is no <|BOS|> or "
                       "<|endoftext|>; give ids with --ids");
    }
    if (l->n_ctx < 2) {
        return err_set(err, ERR_LIMIT, "a window of %zu id has no room for BOS and a token",
                       l->n_ctx);
    }
    return 0;
}

static int load_model(struct lineup *l, const char *spec, struct err *err)
{
    struct hub_place place = {0};
    int rc = hub_resolve(&place, spec, err);
    if (!rc && utf8_valid_prefix(place.name, strlen(place.name)) < strlen(place.name)) {
        rc = err_set(err, ERR_USAGE, "%s: not UTF-8; give it a name: --model NAME=...", place.dir);
    }
    for (size_t i = 0; i < l->n && !rc; i++) {
        if (strcmp(l->models[i]->name, place.name) == 0) {
            rc = err_set(err, ERR_USAGE,
                         "two models are called %s; give one another name: --model NAME=%s",
                         place.name, place.dir);
        }
    }
    if (!rc) {
        rc = model_load(&l->models[l->n], place.name, place.dir, err);
    }
    if (!rc) {
        const struct config *c = &l->models[l->n]->config;
        l->n_ctx = l->n == 0 || c->n_ctx < l->n_ctx ? c->n_ctx : l->n_ctx;
        l->d_vocab = l->n == 0 || c->d_vocab < l->d_vocab ? c->d_vocab : l->d_vocab;
        l->n++;
    }
    hub_place_free(&place);
    return rc;
}

int lineup_load(struct lineup *out, const struct arg_list *specs, const char *tokenizer_path,
                bool want_tokenizer, struct err *err)
{
    struct lineup l = {0};
    int rc = specs->n ? 0 : err_set(err, ERR_USAGE, "--model is missing");
    if (rc) {
        return rc;
    }
    l.models = mem_zero(specs->n, sizeof *l.models);
    if (!l.models) {
        return err_nomem(err, "models");
    }
    for (size_t i = 0; i < specs->n && !rc; i++) {
        rc = load_model(&l, specs->items[i], err);
    }
    if (!rc && want_tokenizer) {
        rc = join_tokenizers(&l, tokenizer_path, err);
        rc = rc ? rc : check_windows(&l, err);
    }
    if (rc) {
        lineup_free(&l);
        return rc;
    }
    *out = l;
    return 0;
}

void lineup_free(struct lineup *l)
{
    for (size_t i = 0; i < l->n; i++) {
        model_free(l->models[i]);
    }
    free(l->models);
    tokenizer_free(l->tokenizer);
    *l = (struct lineup){0};
}

int lineup_tokenizer(struct tokenizer **out, const char *model, const char *tokenizer_path,
                     struct err *err)
{
    if (!model) {
        return tokenizer_path ? tokenizer_load(out, tokenizer_path, err)
                              : err_set(err, ERR_USAGE, "--tokenizer FILE or --model M is missing");
    }
    struct hub_place place = {0};
    struct config config = {0};
    char *path = NULL;
    int rc = hub_resolve(&place, model, err);
    if (!rc) {
        rc = config_load(&config, place.name, place.dir, err);
    }
    if (!rc) {
        rc = tokenizer_path_of(&path, place.name, place.dir, &config, tokenizer_path, err);
    }
    if (!rc) {
        rc = tokenizer_load(out, path, err);
    }
    free(path);
    config_free(&config);
    hub_place_free(&place);
    return rc;
}
