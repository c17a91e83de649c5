#include "miners/hypotheses.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"
#include "miners/core/kinds.h"
#include "miners/spec.h"
#include "miners/tokens_spec.h"
#include "miners/yamltree.h"
#include "miners/yamlvalue.h"

#define EXEC_ARGS_MAX 256
#define TIMEOUT_DEFAULT_SEC 10
#define TIMEOUT_MAX_SEC 86400

/* The keys of a hypothesis.  Exactly one of those before KINDS is given: it is the kind. */
enum key {
    REGEX,
    TOKENS,
    IDS,
    CODE,
    PLUGIN,
    EXEC,
    ALL,
    ANY,
    KINDS,
    NAME = KINDS,
    PREDICTS,
    MARK,
    PREFIX,
    TIMEOUT,
    ANSWERS,
    WINDOWS,
    AFTER,
    N
};
static const char *const key_names[N] = {
    [REGEX] = "regex",     [TOKENS] = "tokens",   [IDS] = "ids",           [CODE] = "code",
    [PLUGIN] = "plugin",   [EXEC] = "exec",       [NAME] = "name",         [MARK] = "mark",
    [PREFIX] = "prefix",   [TIMEOUT] = "timeout", [PREDICTS] = "predicts", [ANSWERS] = "answers",
    [WINDOWS] = "windows", [ALL] = "all",         [ANY] = "any",           [AFTER] = "after"};

/* A hypothesis as written. */
struct entry {
    const struct yamltree_node *map;
    const struct yamltree_node *values[N]; // NULL: not given
};

struct reader {
    struct hypotheses *h;
    const struct hypotheses_options *options;
    const char *folder;
};

// --- names -------------------------------------------------------------------------------------

static int check_name(const struct hypotheses *h, const char *name, size_t len, struct err *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    if (len == 0 || len > HYPOTHESES_NAME_MAX || strspn(name, allowed) != len) {
        return err_set(err, ERR_FORMAT, "the name '%s': expected 1 to %d of A-Z a-z 0-9 . _ -",
                       name, HYPOTHESES_NAME_MAX);
    }
    for (size_t i = 0; i < h->n; i++) {
        if (strcmp(h->items[i].name, name) == 0) {
            return err_set(err, ERR_FORMAT, "a second hypothesis named %s; names must differ",
                           name);
        }
    }
    if (h->n == HYPOTHESES_MAX) {
        return err_set(err, ERR_FORMAT, "more than %d hypotheses", HYPOTHESES_MAX);
    }
    return 0;
}

/* Adds *m under a name; h owns it from now on.  On failure *m is freed. */
static int add(struct hypotheses *h, struct miner *m, const char *name, struct err *err)
{
    int rc = mem_reserve(&h->items, &h->cap, h->n + 1, sizeof *h->items, "hypotheses", err);
    m->name = rc ? NULL : strdup(name);
    if (!rc && !m->name) {
        rc = err_nomem(err, "hypotheses");
    }
    if (rc) {
        miner_free(m);
        return rc;
    }
    h->items[h->n++] = *m;
    return 0;
}

// --- kinds -------------------------------------------------------------------------------------

static int read_regex(const struct entry *e, struct miner *m, struct err *err)
{
    const struct yamltree_node *v = e->values[REGEX], *mark = e->values[MARK];
    struct regex_options o = {0};
    if (v->kind != YAMLTREE_TEXT) {
        return yamlvalue_text(v, "regex", &o.pattern, err);
    }
    o.pattern = v->text;
    o.len = v->len;
    int rc = mark ? yamlvalue_text(mark, "mark", &o.mark, err) : 0;
    if (!rc && e->values[PREFIX]) {
        rc = yamlvalue_bool(e->values[PREFIX], "prefix", &o.prefix, err);
    }
    if (rc) {
        return rc;
    }
    if (o.prefix && o.mark && strcmp(o.mark, "all") != 0) {
        return yamltree_error(mark, err,
                              "mark %s with prefix: true; there the token at whose end a match "
                              "ends is labelled",
                              o.mark);
    }
    rc = regex_miner(m, &o, err);
    return rc ? yamlvalue_place_error(rc == ERR_NOT_FOUND ? mark : v, err) : 0;
}

/* The id of a list's item, which is an id or the text of a token. */
static int read_id(const struct reader *r, const struct yamltree_node *item, bool texts,
                   uint32_t *id, struct err *err)
{
    if (!texts) {
        unsigned long number = 0;
        const int rc = yamlvalue_number(item, "an id", 0, UINT32_MAX - 1, &number, err);
        *id = (uint32_t)number;
        return rc;
    }
    if (item->kind != YAMLTREE_TEXT) {
        return yamltree_error(item, err, "%s; expected the text of a token", yamltree_name(item));
    }
    if (!r->options || !r->options->token_id) {
        return yamltree_error(item, err, "there is no tokenizer to look tokens up in; give ids");
    }
    *id = r->options->token_id(r->options->context, item->text, item->len);
    return *id != UINT32_MAX ? 0
                             : yamltree_error(item, err,
                                              "'%s' is not a single token of this tokenizer (mind "
                                              "the space in front); gapscope tokenize shows how "
                                              "a text is cut",
                                              item->text);
}

/* The ids of one place of a sequence: a token, or a list of them.  *n: how many there are so far. */
static int read_place(const struct reader *r, const struct yamltree_node *item, bool texts,
                      uint32_t *ids, size_t *n, struct err *err)
{
    const bool list = item->kind == YAMLTREE_LIST;
    int rc = list ? yamlvalue_list(item, "a set of tokens", SEQUENCE_IDS_MAX - *n, err) : 0;
    for (const struct yamltree_node *v = list ? item->first : item; v && !rc;
         v = list ? v->next : NULL) {
        if (*n == SEQUENCE_IDS_MAX) {
            return yamltree_error(v, err, "more than %d tokens", SEQUENCE_IDS_MAX);
        }
        rc = read_id(r, v, texts, &ids[(*n)++], err);
    }
    return rc;
}

static int read_sequence(const struct reader *r, const struct entry *e, struct miner *m,
                         struct err *err)
{
    const bool texts = e->values[TOKENS] != NULL;
    const struct yamltree_node *list = e->values[texts ? TOKENS : IDS];
    uint32_t ids[SEQUENCE_IDS_MAX];
    size_t n_ids[SEQUENCE_MAX], n = 0;
    unsigned long after = 0;
    struct sequence_options o = {.ids = ids, .n_ids = n_ids};
    int rc = yamlvalue_list(list, key_names[texts ? TOKENS : IDS], SEQUENCE_MAX, err);
    if (!rc && e->values[AFTER]) {
        rc = yamlvalue_number(e->values[AFTER], "after (in tokens)", 0, SEQUENCE_MAX, &after, err);
    }
    for (const struct yamltree_node *v = list->first; v && !rc; v = v->next) {
        const size_t before = n;
        rc = read_place(r, v, texts, ids, &n, err);
        n_ids[o.n++] = n - before;
    }
    if (rc) {
        return rc;
    }
    o.after = after;
    rc = sequence_miner(m, &o, err);
    return rc ? yamlvalue_place_error(list, err) : texts ? tokens_spec(m, list, after, err) : 0;
}

static int read_code(const struct entry *e, struct miner *m, struct err *err)
{
    const char *name = NULL;
    int rc = yamlvalue_text(e->values[CODE], "code", &name, err);
    if (!rc && (rc = code_miner(m, name, err)) != 0) {
        rc = yamlvalue_place_error(e->values[CODE], err);
    }
    return rc;
}

static int read_plugin(const struct reader *r, const struct entry *e, struct miner *m,
                       struct err *err)
{
    const char *file = NULL;
    int rc = yamlvalue_text(e->values[PLUGIN], "plugin", &file, err);
    if (rc) {
        return rc;
    }
    char *path = file[0] == '/' ? strdup(file) : file_join(r->folder, file);
    rc = path ? plugin_miner(m, path, err) : err_nomem(err, "a path");
    free(path);
    return rc ? yamlvalue_place_error(e->values[PLUGIN], err) : 0;
}

static int read_exec(const struct reader *r, const struct entry *e, struct miner *m,
                     struct err *err)
{
    const struct yamltree_node *list = e->values[EXEC];
    const char *argv[EXEC_ARGS_MAX];
    unsigned long timeout_sec = TIMEOUT_DEFAULT_SEC;
    struct exec_options o = {.argv = argv, .folder = r->folder};
    int rc = yamlvalue_list(list, "exec", EXEC_ARGS_MAX, err);
    for (const struct yamltree_node *v = list->first; v && !rc; v = v->next) {
        rc = yamlvalue_text(v, "exec", &argv[o.argc++], err);
    }
    if (!rc && e->values[TIMEOUT]) {
        rc = yamlvalue_number(e->values[TIMEOUT], "timeout (in seconds)", 1, TIMEOUT_MAX_SEC,
                              &timeout_sec, err);
    }
    if (!rc && e->values[WINDOWS]) {
        rc = yamlvalue_bool(e->values[WINDOWS], "windows", &o.windows, err);
    }
    if (rc) {
        return rc;
    }
    o.answers = e->values[ANSWERS] && yamltree_is(e->values[ANSWERS], "true");
    o.timeout_sec = (unsigned)timeout_sec;
    rc = exec_miner(m, &o, err);
    return rc ? yamlvalue_place_error(list, err) : 0;
}

/* Reads answers, which become a member of the spec: one or two texts, or true, which the miner of a
 * program has seen. */
static int read_answers(const struct reader *r, const struct entry *e, enum key kind,
                        struct miner *m, struct err *err)
{
    const struct yamltree_node *list = e->values[ANSWERS];
    struct buf texts = {0};
    if (!list || (m->answers_itself && yamltree_is(list, "true"))) {
        return m->answers_itself && kind == EXEC
                   ? spec_add(&m->spec, key_names[ANSWERS], "true", 4, err)
                   : 0;
    }
    if (m->answers_itself) {
        return yamltree_error(list, err, "this %s says itself which token would follow",
                              key_names[kind]);
    }
    if (list->kind != YAMLTREE_LIST || list->n == 0 || list->n > MINER_ANSWERS_MAX) {
        return yamltree_error(list, err,
                              "answers: expected a list of one or two tokens that would follow, as "
                              "[' are', ' is']%s",
                              kind == EXEC ? ", or true: the program says it" : "");
    }
    int rc = buf_append(&texts, "[", 1, err);
    for (const struct yamltree_node *v = list->first; v && !rc; v = v->next) {
        uint32_t *id = &m->answers[m->n_answers++];
        rc = read_id(r, v, true, id, err);
        if (!rc && *id >= r->h->n_vocab) {
            rc = yamltree_error(v, err, "'%s' is token %" PRIu32 ", which a model does not have",
                                v->text, *id);
        } else if (!rc && m->n_answers == 2 && *id == m->answers[0]) {
            rc = yamltree_error(v, err, "answers: the second is the first");
        }
        rc = rc || v == list->first ? rc : buf_append(&texts, ",", 1, err);
        rc = rc ? rc : jsonw_string(&texts, v->text, v->len, err);
    }
    rc = rc ? rc : buf_append(&texts, "]", 1, err);
    rc = rc ? rc : spec_add(&m->spec, key_names[ANSWERS], texts.data, texts.len, err);
    buf_free(&texts);
    return rc;
}

/* Reads predicts, of which "next" becomes a member of the spec. */
static int read_predicts(const struct entry *e, struct miner *m, struct err *err)
{
    static const char next[] = "\"next\"";
    const struct yamltree_node *v = e->values[PREDICTS];
    const bool answers = m->answers_itself || m->n_answers > 0;
    if (v ? yamltree_is(v, "this") : !answers) {
        return 0;
    }
    if (v && !yamltree_is(v, "next")) {
        return yamltree_error(v, err,
                              "predicts: expected this (the labelled token's own log-prob) or "
                              "next (that of the token after it)");
    }
    m->predicts_next = true;
    return spec_add(&m->spec, key_names[PREDICTS], next, sizeof next - 1, err);
}

/* What depends on windows is another hypothesis in other windows. */
static int add_windows(const struct reader *r, struct miner *m, struct err *err)
{
    char text[32];
    if (!m->windows || !r->options || r->options->n_ctx == 0) {
        return 0;
    }
    int n = snprintf(text, sizeof text, "%zu", r->options->n_ctx);
    int rc = spec_add(&m->spec, "n_ctx", text, (size_t)n, err);
    n = snprintf(text, sizeof text, "\"%s\"", r->options->packing);
    return rc ? rc : spec_add(&m->spec, "packing", text, (size_t)n, err);
}

// --- the file ----------------------------------------------------------------------------------

static int read_rule(const struct reader *r, const struct yamltree_node *map, struct miner *m,
                     struct err *err);

/* The rules below all: or any:. */
static int read_parts(const struct reader *r, const struct entry *e, bool all, struct miner *m,
                      struct err *err)
{
    const struct yamltree_node *list = e->values[all ? ALL : ANY];
    struct miner *parts = mem_zero(COMBINATION_MAX, sizeof *parts);
    size_t n = 0;
    int rc = parts ? yamlvalue_list(list, key_names[all ? ALL : ANY], COMBINATION_MAX, err)
                   : err_nomem(err, "a combination");
    for (const struct yamltree_node *v = rc ? NULL : list->first; v && !rc; v = v->next) {
        rc = read_rule(r, v, &parts[n], err);
        n += !rc;
    }
    bool windows = false;
    for (size_t i = 0; i < n; i++) {
        windows = windows || parts[i].windows;
    }
    rc = rc ? rc : combination_miner(m, all, parts, n, err);
    m->windows = m->windows || (!rc && windows);
    for (size_t i = 0; i < n && rc; i++) {
        miner_free(&parts[i]);
    }
    free(parts);
    return rc;
}

static int unknown_key(const struct yamltree_node *key, const char *const *names, size_t n,
                       struct err *err)
{
    if (key->kind != YAMLTREE_TEXT) {
        return yamltree_error(key, err, "%s where a key should be", yamltree_name(key));
    }
    return yamltree_error(key, err, "unknown key %s%s", key->text,
                          nearest_names(key->text, "", names, n).text);
}

/* Sorts a map's values by key. */
static int read_keys(struct entry *e, struct err *err)
{
    if (e->map->kind != YAMLTREE_MAP) {
        return yamltree_error(e->map, err,
                              "%s where a hypothesis should be, as {name: .., regex: ..}",
                              yamltree_name(e->map));
    }
    for (const struct yamltree_node *key = e->map->first; key; key = key->next->next) {
        size_t k = 0;
        while (k < N && !yamltree_is(key, key_names[k])) {
            k++;
        }
        if (k == N) {
            return unknown_key(key, key_names, N, err);
        }
        if (e->values[k]) {
            return yamltree_error(key, err, "a second %s in one hypothesis", key_names[k]);
        }
        e->values[k] = key->next;
    }
    return 0;
}

/* Finds the one key that says what a hypothesis is. */
static int choose_kind(const struct entry *e, enum key *kind, struct err *err)
{
    *kind = KINDS;
    for (enum key k = REGEX; k < KINDS; k++) {
        if (e->values[k] && *kind != KINDS) {
            return yamltree_error(e->values[k], err, "%s beside %s; a hypothesis is one of them",
                                  key_names[k], key_names[*kind]);
        }
        *kind = e->values[k] ? k : *kind;
    }
    if (*kind == KINDS) {
        return yamltree_error(e->map, err,
                              "nothing to label by: expected regex, tokens, ids, code, plugin, "
                              "exec, all or any");
    }
    static const enum key only_with[N] = {
        [MARK] = REGEX, [PREFIX] = REGEX, [TIMEOUT] = EXEC, [ANSWERS] = KINDS, [WINDOWS] = EXEC};
    if (e->values[AFTER] && *kind != TOKENS && *kind != IDS) {
        return yamltree_error(e->values[AFTER], err, "after goes with tokens or ids, not with %s",
                              key_names[*kind]);
    }
    for (enum key k = MARK; k < AFTER; k++) {
        if (e->values[k] && only_with[k] != KINDS && only_with[k] != *kind) {
            return yamltree_error(e->values[k], err, "%s goes with %s, not with %s", key_names[k],
                                  key_names[only_with[k]], key_names[*kind]);
        }
    }
    return 0;
}

static int read_kind(const struct reader *r, const struct entry *e, enum key kind, struct miner *m,
                     struct err *err)
{
    switch (kind) {
    case REGEX:
        return read_regex(e, m, err);
    case TOKENS:
    case IDS:
        return read_sequence(r, e, m, err);
    case CODE:
        return read_code(e, m, err);
    case PLUGIN:
        return read_plugin(r, e, m, err);
    case ALL:
    case ANY:
        return read_parts(r, e, kind == ALL, m, err);
    default:
        return read_exec(r, e, m, err);
    }
}

/* A rule within another one. */
static int read_rule(const struct reader *r, const struct yamltree_node *map, struct miner *m,
                     struct err *err)
{
    struct entry e = {.map = map};
    enum key kind = KINDS;
    const int rc = read_keys(&e, err);
    if (rc) {
        return rc;
    }
    static const enum key outer[] = {NAME, PREDICTS, ANSWERS};
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++) {
        if (e.values[outer[i]]) {
            return yamltree_error(e.values[outer[i]], err,
                                  "%s belongs to the hypothesis, not to a rule within it",
                                  key_names[outer[i]]);
        }
    }
    return choose_kind(&e, &kind, err) ? ERR_FORMAT : read_kind(r, &e, kind, m, err);
}

static int read_hypothesis(const struct reader *r, const struct yamltree_node *map, struct err *err)
{
    struct entry e = {.map = map};
    struct miner m = {0};
    enum key kind = KINDS;
    const char *name = NULL;
    int rc = read_keys(&e, err);
    if (rc) {
        return rc;
    }
    if (!e.values[NAME]) {
        return yamltree_error(map, err, "a hypothesis without name");
    }
    rc = yamlvalue_text(e.values[NAME], "name", &name, err);
    if (rc) {
        return rc;
    }
    if (check_name(r->h, name, strlen(name), err) != 0) {
        return yamlvalue_place_error(e.values[NAME], err);
    }
    rc = choose_kind(&e, &kind, err);
    rc = rc ? rc : read_kind(r, &e, kind, &m, err);
    if (rc) {
        return rc;
    }
    rc = read_answers(r, &e, kind, &m, err);
    rc = rc ? rc : read_predicts(&e, &m, err);
    rc = rc ? rc : add_windows(r, &m, err);
    if (rc) {
        miner_free(&m);
        return rc;
    }
    return add(r->h, &m, name, err);
}

/* The list below 'hypotheses:'. */
static int read_top(const struct reader *r, const struct yamltree_node *top, struct err *err)
{
    static const char *const names[] = {"hypotheses"};
    const struct yamltree_node *list = NULL;
    if (!top || top->kind != YAMLTREE_MAP) {
        return err_set(err, ERR_FORMAT, "line %zu, column %zu: expected 'hypotheses:' at the top",
                       top ? top->line : 1, top ? top->column : 1);
    }
    for (const struct yamltree_node *key = top->first; key; key = key->next->next) {
        if (!yamltree_is(key, names[0])) {
            return unknown_key(key, names, 1, err);
        }
        if (list) {
            return yamltree_error(key, err, "a second 'hypotheses:'");
        }
        list = key->next;
    }
    if (!list || list->kind != YAMLTREE_LIST || list->n == 0) {
        return yamltree_error(list ? list : top, err,
                              "expected a list of hypotheses, each with '- name: ..'");
    }
    int rc = 0;
    for (const struct yamltree_node *v = list->first; v && !rc; v = v->next) {
        rc = read_hypothesis(r, v, err);
    }
    return rc;
}

/* Frees the hypotheses from 'n' on. */
static void cut(struct hypotheses *h, size_t n)
{
    while (h->n > n) {
        miner_free(&h->items[--h->n]);
    }
}

int hypotheses_parse(struct hypotheses *h, const char *yaml, size_t len, const char *name,
                     const char *folder, const struct hypotheses_options *o, struct err *err)
{
    const struct reader r = {.h = h, .options = o, .folder = folder};
    struct yamltree_node *tree = NULL, *top = NULL;
    const size_t before = h->n;
    h->n_vocab = o && o->n_vocab ? o->n_vocab : UINT32_MAX;
    int rc = yamltree_parse(&tree, &top, yaml, len, err);
    rc = rc ? rc : read_top(&r, top, err);
    yamltree_free(tree);
    if (rc) {
        cut(h, before);
        return err_prefix(err, "%s", name);
    }
    return 0;
}

int hypotheses_load(struct hypotheses *h, const char *path, const struct hypotheses_options *o,
                    struct err *err)
{
    struct buf yaml = {0};
    const char *slash = strrchr(path, '/');
    char *folder = !slash          ? strdup("")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));
    int rc =
        folder ? file_read_text(path, YAMLTREE_BYTES_MAX, &yaml, err) : err_nomem(err, "a path");
    rc = rc ? rc : hypotheses_parse(h, yaml.data, yaml.len, path, folder, o, err);
    buf_free(&yaml);
    free(folder);
    return rc;
}

int hypotheses_add_regex(struct hypotheses *h, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        return err_set(err, ERR_USAGE,
                       "--regex %s: expected NAME=PATTERN, as in --regex 'number=[0-9]+'", text);
    }
    const struct regex_options o = {.pattern = equals + 1, .len = strlen(equals + 1)};
    struct miner m = {0};
    const size_t len = (size_t)(equals - text);
    char *name = strndup(text, len);
    int rc = name ? check_name(h, name, len, err) : err_nomem(err, "a name");
    rc = rc ? rc : regex_miner(&m, &o, err);
    rc = rc ? rc : add(h, &m, name, err);
    free(name);
    if (rc && rc != ERR_NOMEM && err) {
        err->code = ERR_USAGE;
        return err_prefix(err, "--regex %s", text);
    }
    return rc;
}

const struct miner *hypotheses_needing_text(const struct hypotheses *h)
{
    for (size_t i = 0; i < h->n; i++) {
        if (h->items[i].kind->needs_text) {
            return &h->items[i];
        }
    }
    return NULL;
}

void hypotheses_free(struct hypotheses *h)
{
    cut(h, 0);
    free(h->items);
    *h = (struct hypotheses){0};
}
