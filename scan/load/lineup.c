#include "scan/load/lineup.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/shell_quote.h"
#include "corpora/base/utf8.h"
#include "model/load/hub.h"
#include "scan/load/fetcher.h"

/* The path of a model's tokenizer: its own, else the given one.  *out is the caller's. */
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

bool lineup_say_unknown_bos(const struct tokenizer *t, const char *path)
{
    const char *unknown = tokenizer_unknown_bos(t);
    size_t len;
    const char *bos = tokenizer_bytes(t, tokenizer_bos(t), &len);
    if (unknown && bos) {
        fprintf(stderr,
                "gapscope: %s: bos_token \"%s\", named in a file beside it, is no token of it: BOS "
                "is %.*s, id %u\n",
                path, unknown, (int)len, bos, tokenizer_bos(t));
    }
    return unknown && bos;
}

/* Uses 'path' as the tokenizer of 'l', or compares it with the one that 'l' has. */
static int join_tokenizer(struct lineup *l, const char *path, const char *name, const char *first,
                          struct err *err)
{
    struct tokenizer *t = NULL;
    int rc = tokenizer_load(&t, path, err);
    if (rc) {
        return rc;
    }
    l->said_bos = l->said_bos || lineup_say_unknown_bos(t, path);
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

int lineup_check_counts(const struct lineup *l, const struct ngrams *n, const char *path,
                        struct err *err)
{
    if (l->tokenizer && ngrams_info(n)->tokenizer != tokenizer_hash(l->tokenizer)) {
        return err_set(err, ERR_MISMATCH,
                       "%s was counted with another tokenizer; count again with this one", path);
    }
    return 0;
}

static int join_tokenizers(struct lineup *l, const char *given, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        const struct lineup_model *m = &l->models[i];
        char *path = NULL;
        if (m->weights) {
            rc = tokenizer_path_of(&path, m->name, m->path, m->config, given, err);
            rc = rc ? rc : join_tokenizer(l, path, m->name, l->models[0].name, err);
        }
        free(path);
    }
    if (!rc && given) {
        rc = join_tokenizer(l, given, "--tokenizer", l->models[0].name, err);
    }
    if (!rc && !l->tokenizer) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "%s: counts come without a tokenizer; give the one they were made with: "
                     "--tokenizer FILE",
                     l->models[0].name);
    }
    for (size_t i = 0; i < l->n && !rc; i++) {
        const struct lineup_model *m = &l->models[i];
        const size_t n = tokenizer_n_vocab(l->tokenizer);
        if (!m->weights) {
            rc = lineup_check_counts(l, m->counts.ngrams, m->path, err);
            rc = rc ? err_prefix(err, "%s", m->name) : 0;
        } else if (n > m->config->d_vocab) {
            rc = err_set(err, ERR_MISMATCH,
                         "%s: the tokenizer has ids up to %zu, the model a d_vocab of %zu", m->name,
                         n - 1, m->config->d_vocab);
        }
    }
    return rc;
}

/* Checks that a window has room for BOS and a token. */
static int check_windows(const struct lineup *l, struct err *err)
{
    const char *unknown = tokenizer_unknown_bos(l->tokenizer);
    if (tokenizer_bos(l->tokenizer) == TOKENIZER_NO_ID && unknown) {
        return err_set(err, ERR_NOT_FOUND,
                       "the tokenizer has no BOS: bos_token \"%s\" is no token of it, and there is "
                       "no <|BOS|> or <|endoftext|>; give ids with --ids",
                       unknown);
    }
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

int lineup_shrunk(const struct lineup *l, struct buf *out, struct err *err)
{
    const struct lineup_model *least = NULL;
    int rc = 0;
    size_t n = 0;
    for (size_t i = 0; i < l->n && !least && l->tokenizer; i++) {
        least =
            l->models[i].weights && l->models[i].config->n_ctx == l->n_ctx ? &l->models[i] : NULL;
    }
    for (size_t i = 0; i < l->n && least && !rc; i++) {
        const struct lineup_model *m = &l->models[i];
        if (!m->weights || m->config->n_ctx == l->n_ctx) {
            continue;
        }
        rc = n++ ? 0
                 : buf_printf(out, err, "windows have %zu tokens, the n_ctx of %s; ", l->n_ctx,
                              least->name);
        rc = rc ? rc
                : buf_printf(out, err, "%s%s could take %zu", n > 1 ? ", " : "", m->name,
                             m->config->n_ctx);
    }
    return rc;
}

void lineup_say_double_bos(const struct tokenizer *t, const char *what, uint64_t n)
{
    size_t len;
    if (n == 0) { // with ids there is no tokenizer
        return;
    }
    const char *bos = tokenizer_bytes(t, tokenizer_bos(t), &len);
    fprintf(stderr,
            "gapscope: %s: %" PRIu64 " document%s with %.*s, which stands in front of every "
            "window anyway: there it is twice\n",
            what, n, n == 1 ? " begins" : "s begin", (int)len, bos);
}

/* Says which model makes the windows of the others shorter. */
static int say_shrunk(const struct lineup *l, struct err *err)
{
    struct buf text = {0};
    const int rc = lineup_shrunk(l, &text, err);
    if (!rc && text.len > 0) {
        fprintf(stderr, "gapscope: %s\n", text.data);
    }
    buf_free(&text);
    return rc;
}

static int say_named_twice(const struct hub_place *place, struct err *err)
{
    char *dir = shell_quoted(place->dir);
    if (!dir) {
        return err_nomem(err, "a path");
    }
    err_set(err, ERR_USAGE, "two models are called %s; give one another name: --model NAME=%s",
            place->name, dir);
    free(dir);
    return ERR_USAGE;
}

/* Takes over a model's name and path on success. */
static int name_model(struct lineup *l, struct hub_place *place, struct err *err)
{
    if (utf8_valid_prefix(place->name, strlen(place->name)) < strlen(place->name)) {
        return err_set(err, ERR_USAGE, "%s: not UTF-8; give it a name: --model NAME=...",
                       place->dir);
    }
    if (strpbrk(place->name, ":+")) {
        return err_set(
            err, ERR_USAGE,
            "a model cannot be called %s: ':' and '+' stand between names in --pair; give "
            "it another name: --model NAME=...",
            place->name);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->models[i].name, place->name) == 0) {
            return say_named_twice(place, err);
        }
    }
    struct lineup_model *m = &l->models[l->n];
    m->name = place->name;
    m->path = place->dir;
    *place = (struct hub_place){0};
    return 0;
}

/* Says that the file has weights that the model of config.json has not: it may be another model's,
 * or config.json may be. */
static void say_unused(const struct lineup_model *m)
{
    const struct model *w = m->weights;
    char why[80] = "";
    if (w->n_unused == 0) {
        return;
    }
    for (size_t i = 0; i < w->n_unused && !*why; i++) {
        const char *block = strstr(w->unused[i], "blocks.");
        const size_t layer = block ? strtoul(block + strlen("blocks."), NULL, 10) : 0;
        if (block && layer >= w->config.n_layers) {
            snprintf(why, sizeof why, "; config.json says n_layers %zu", w->config.n_layers);
        } else if (block && w->config.attn_only && strstr(block, ".mlp.")) {
            snprintf(why, sizeof why, "; config.json says attn_only");
        }
    }
    fprintf(stderr, "gapscope: %s: %zu tensor%s of its weights %s not used (%s%s)%s\n", m->name,
            w->n_unused, w->n_unused == 1 ? "" : "s", w->n_unused == 1 ? "is" : "are", w->unused[0],
            w->n_unused == 1 ? "" : ", ...", why);
}

/* The weights of a folder: an earlier model's, or loaded. */
static int share_or_load(struct lineup *l, struct lineup_model *m, struct err *err)
{
    for (size_t i = 0; i < l->n && !m->weights; i++) {
        if (l->models[i].weights && strcmp(l->models[i].path, m->path) == 0) {
            m->weights = l->models[i].weights;
            m->shares_weights = true;
        }
    }
    if (m->weights) {
        return 0;
    }
    const int rc = model_load(&m->weights, m->name, m->path, err);
    if (!rc) {
        say_unused(m);
    }
    return rc;
}

/* Of "M@CHANGES", behind whose '@' 'changes' begins, M; and the name, where none was given, as
 * written.  place->name is M's then. */
static int name_changed(struct hub_place *place, const char *spec, const char *changes,
                        struct err *err)
{
    char *name = NULL;
    if (strchr(spec, '=') && strchr(spec, '=') < changes) {
        return 0;
    }
    if (asprintf(&name, "%s@%s", place->name, changes) < 0) {
        return err_nomem(err, "a name");
    }
    free(place->name);
    place->name = name;
    return 0;
}

static int load_weights(struct lineup *l, const char *spec, struct err *err)
{
    struct hub_place place = {0};
    struct lineup_model *m = &l->models[l->n];
    const char *changes = changes_find(spec);
    char *whole = strndup(spec, changes ? (size_t)(changes - 1 - spec) : strlen(spec));
    int rc = whole ? fetcher_resolve(&place, whole, err) : err_nomem(err, "a name");
    if (!rc && changes) {
        rc = name_changed(&place, spec, changes, err);
    }
    rc = rc ? rc : name_model(l, &place, err);
    rc = rc ? rc : share_or_load(l, m, err);
    if (!rc) {
        m->config = &m->weights->config;
    }
    if (!rc && changes) {
        rc = changes_parse(&m->changes, changes, m->config, err);
        rc = rc ? err_prefix(err, "--model %s", spec) : 0;
        m->changes_text = strdup(changes);
        rc = rc || m->changes_text ? rc : err_nomem(err, "a changed model");
    }
    free(whole);
    hub_place_free(&place);
    return rc;
}

int lineup_add_changed(struct lineup *l, size_t of, const char *changes, struct err *err)
{
    struct hub_place place = {0};
    struct lineup_model *models = mem_resize(l->models, l->n + 1, sizeof *models);
    if (!models) {
        return err_nomem(err, "models");
    }
    l->models = models;
    for (size_t i = 0; i < l->n; i++) { // they have moved
        if (!models[i].weights) {
            models[i].config = &models[i].none_config;
        }
    }
    struct lineup_model *m = &l->models[l->n], *whole = &l->models[of];
    *m = (struct lineup_model){0};
    place.dir = strdup(whole->path);
    if (!place.dir || asprintf(&place.name, "%s@%s", whole->name, changes) < 0) {
        free(place.dir);
        return err_nomem(err, "a name");
    }
    int rc = name_model(l, &place, err);
    rc = rc ? rc : changes_parse(&m->changes, changes, whole->config, err);
    m->weights = whole->weights;
    m->shares_weights = true;
    m->config = whole->config;
    m->changes_text = strdup(changes);
    rc = rc || m->changes_text ? rc : err_nomem(err, "a changed model");
    l->n++; // the lineup frees what it has
    hub_place_free(&place);
    return rc;
}

int lineup_need_unchanged(const struct lineup *l, const char *command, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->models[i].changes.n > 0) {
            return err_set(err, ERR_USAGE,
                           "%s: %s takes no changed model; score, scan and minimal do",
                           l->models[i].name, command);
        }
    }
    return 0;
}

int lineup_need_no_edges(const struct lineup *l, const char *command, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct changes *c = &l->models[i].changes;
        for (size_t k = 0; k < c->n; k++) {
            if (c->items[k].reader != READER_ALL) {
                return err_set(
                    err, ERR_USAGE,
                    "%s: %s takes changes of heads, MLPs and neurons, but no edges; score "
                    "and scan do",
                    l->models[i].name, command);
            }
        }
    }
    return 0;
}

// --- counts -------------------------------------------------------------------------------------

/* Finds where in "NAME=FILE.ngrams:ORDER" FILE and ORDER begin; false: it names no counts. */
static bool find_counts(const char *spec, const char **file, const char **order)
{
    static const char ext[] = ".ngrams";
    const char *equals = strchr(spec, '='), *colon = strrchr(spec, ':');
    *file = equals ? equals + 1 : spec;
    *order = colon && colon > *file ? colon + 1 : NULL;
    if (!*order) {
        return file_ends_with(*file, ext);
    }
    const size_t len = (size_t)(colon - *file), n = sizeof ext - 1;
    enum count_order any;
    return (len > n && memcmp(colon - n, ext, n) == 0) || count_order_parse(*order, &any);
}

/* The model's name: "NAME", or "FILE-ORDER" where none is given. */
static int place_counts(struct hub_place *out, const char *spec, const char *file,
                        const char *order, struct err *err)
{
    char *base = NULL;
    int len = 0;
    out->dir = strndup(file, (size_t)(order - 1 - file));
    if (file > spec) {
        out->name = strndup(spec, (size_t)(file - 1 - spec));
    } else if (out->dir && (base = file_base_name(out->dir))) {
        const size_t n = strlen(base);
        len = asprintf(&out->name, "%.*s-%s", (int)(file_ends_with(base, ".ngrams") ? n - 7 : n),
                       base, order);
    }
    free(base);
    return out->dir && out->name && len >= 0 ? 0 : err_nomem(err, "a name");
}

int lineup_open_counts(struct ngrams **out, const char *path, struct err *err)
{
    struct ngrams *n = NULL;
    int rc = ngrams_open(&n, path, err);
    if (!rc && ngrams_info(n)->n_units_done < ngrams_info(n)->n_units) {
        rc = err_set(err, ERR_MISMATCH, "%s is a part of a count; gapscope merge joins them", path);
    }
    if (rc) {
        ngrams_close(n);
        return rc;
    }
    *out = n;
    return 0;
}

/* Opens the file, or takes it from another model that has it open. */
static int open_counts(struct lineup *l, struct lineup_model *m, const struct ngrams **out,
                       struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!l->models[i].weights && strcmp(l->models[i].path, m->path) == 0) {
            *out = l->models[i].counts.ngrams;
            return 0;
        }
    }
    const int rc = lineup_open_counts(&m->ngrams, m->path, err);
    *out = m->ngrams;
    return rc;
}

static int load_counts(struct lineup *l, const char *spec, const char *file, const char *order,
                       struct err *err)
{
    struct lineup_model *m = &l->models[l->n];
    struct hub_place place = {0};
    enum count_order which;
    if (!order || !count_order_parse(order, &which)) {
        return err_set(err, ERR_USAGE, "--model %s: expected %s.ngrams:2, :3, :skip or :oracle",
                       spec, order ? "FILE" : "what kind of model the counts are: FILE");
    }
    const struct ngrams *ngrams = NULL;
    int rc = place_counts(&place, spec, file, order, err);
    rc = rc ? rc : name_model(l, &place, err);
    rc = rc ? rc : open_counts(l, m, &ngrams, err);
    if (!rc) {
        countmodel_init(&m->counts, ngrams, which);
        m->none_config = (struct config){
            .attn_only = true, .n_ctx = SIZE_MAX, .d_vocab = ngrams_info(ngrams)->d_vocab};
        m->config = &m->none_config;
    }
    hub_place_free(&place);
    return rc;
}

int lineup_need_weights(const struct lineup *l, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!l->models[i].weights) {
            return err_set(err, ERR_USAGE,
                           "%s is made of counts: there are no weights to look into",
                           l->models[i].name);
        }
    }
    return 0;
}

// --- all of them --------------------------------------------------------------------------------

static int load_model(struct lineup *l, const char *spec, struct err *err)
{
    const char *file, *order;
    const int rc = find_counts(spec, &file, &order) ? load_counts(l, spec, file, order, err)
                                                    : load_weights(l, spec, err);
    if (rc) {
        l->n++; // the lineup frees what it has
        return rc;
    }
    const struct config *c = l->models[l->n].config;
    l->n_ctx = l->n == 0 || c->n_ctx < l->n_ctx ? c->n_ctx : l->n_ctx;
    l->d_vocab = l->n == 0 || c->d_vocab < l->d_vocab ? c->d_vocab : l->d_vocab;
    l->n++;
    return 0;
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
    l.n_ctx = l.n_ctx == SIZE_MAX ? LINEUP_N_CTX : l.n_ctx;
    if (!rc && want_tokenizer) {
        rc = join_tokenizers(&l, tokenizer_path, err);
        rc = rc ? rc : check_windows(&l, err);
        rc = rc ? rc : say_shrunk(&l, err);
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
        struct lineup_model *m = &l->models[i];
        free(m->name);
        free(m->path);
        model_free(m->shares_weights ? NULL : m->weights);
        changes_free(&m->changes);
        free(m->changes_text);
        ngrams_close(m->ngrams);
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
    int rc = fetcher_resolve(&place, model, err);
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

struct nearest lineup_nearest(const struct lineup *l, const char *word, size_t len)
{
    struct nearest near = {""};
    char *asked = strndup(word, len);
    const char **names = mem_new(l->n, sizeof *names);
    for (size_t i = 0; names && i < l->n; i++) {
        names[i] = l->models[i].name;
    }
    if (asked && names) {
        near = nearest_names(asked, "", names, l->n);
    }
    free(names);
    free(asked);
    return near;
}
