#include "model/pass/changes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

static const char *const verbs[] = {"zero", "mean", "resample"};

/* A piece of the text that is left. */
struct reader_of_text {
    const char *at;
};

static bool take(struct reader_of_text *t, const char *word)
{
    const size_t n = strlen(word);
    if (strncmp(t->at, word, n) != 0) {
        return false;
    }
    t->at += n;
    return true;
}

/* A number, at most 9 digits. */
static bool take_number(struct reader_of_text *t, size_t *out)
{
    size_t n = 0;
    for (*out = 0; n < 9 && isdigit((unsigned char)t->at[n]); n++) {
        *out = *out * 10 + (size_t)(t->at[n] - '0');
    }
    t->at += n;
    return n > 0 && !isdigit((unsigned char)*t->at);
}

static bool take_verb(struct reader_of_text *t, enum change_verb *out)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        struct reader_of_text rest = *t;
        if (take(&rest, verbs[i]) && take(&rest, ".")) {
            *out = (enum change_verb)i;
            *t = rest;
            return true;
        }
    }
    return false;
}

const char *changes_find(const char *spec)
{
    const char *at = strrchr(spec, '@');
    struct reader_of_text rest = {at ? at + 1 : ""};
    enum change_verb any;
    return take_verb(&rest, &any) ? at + 1 : NULL;
}

// --- one change ---------------------------------------------------------------------------------

/* A change as it is written, with wildcards. */
struct written {
    struct change change;
    bool every; // head or neuron of the layer
};

static bool take_what(struct reader_of_text *t, struct written *w)
{
    struct change *c = &w->change;
    w->every = false;
    if (take(t, "*")) {
        c->what = CHANGE_STREAM;
        return true;
    }
    if (take(t, "embed")) {
        c->what = CHANGE_EMBED;
        return true;
    }
    if (take(t, "pos_embed")) {
        c->what = CHANGE_POS_EMBED;
        return true;
    }
    if (!take(t, "L") || !take_number(t, &c->layer)) {
        return false;
    }
    if (take(t, "MLP")) {
        c->what = CHANGE_MLP;
        return true;
    }
    if (take(t, "b_O")) {
        c->what = CHANGE_B_O;
        return true;
    }
    c->what = *t->at == 'H' ? CHANGE_HEAD : CHANGE_NEURON;
    if (!take(t, "H") && !take(t, "N")) {
        return false;
    }
    w->every = take(t, "*");
    return w->every || take_number(t, &c->index);
}

static bool take_reader(struct reader_of_text *t, struct change *c)
{
    if (take(t, "logits")) {
        c->reader = READER_LOGITS;
        return true;
    }
    if (!take(t, "L") || !take_number(t, &c->reader_layer)) {
        return false;
    }
    if (take(t, "MLP")) {
        c->reader = READER_MLP;
        return true;
    }
    if (!take(t, "H")) {
        return false;
    }
    c->reader_head = CHANGE_ALL_HEADS;
    if (!take(t, "*") && !take_number(t, &c->reader_head)) {
        return false;
    }
    c->reader = take(t, ".q")   ? READER_Q
                : take(t, ".k") ? READER_K
                : take(t, ".v") ? READER_V
                                : READER_ALL;
    return c->reader != READER_ALL;
}

/* Reads one change up to a comma or the end. */
static bool take_change(struct reader_of_text *t, struct written *out)
{
    *out = (struct written){0};
    return take_verb(t, &out->change.verb) && take_what(t, out) &&
           (!take(t, "-") || take_reader(t, &out->change)) && (*t->at == ',' || *t->at == '\0');
}

// --- what the model has -------------------------------------------------------------------------

static bool is_of_layer(enum change_what what)
{
    return what == CHANGE_HEAD || what == CHANGE_MLP || what == CHANGE_NEURON || what == CHANGE_B_O;
}

static int check_what(const struct written *w, const char *text, int len, const struct config *c,
                      struct err *err)
{
    const struct change *x = &w->change;
    if (is_of_layer(x->what) && x->layer >= c->n_layers) {
        return err_set(err, ERR_USAGE, "%.*s: the model has %zu layer%s, counted from 0", len, text,
                       c->n_layers, c->n_layers == 1 ? "" : "s");
    }
    if (x->what == CHANGE_HEAD && !w->every && x->index >= c->n_heads) {
        return err_set(err, ERR_USAGE, "%.*s: a layer has %zu head%s, counted from 0", len, text,
                       c->n_heads, c->n_heads == 1 ? "" : "s");
    }
    if ((x->what == CHANGE_MLP || x->what == CHANGE_NEURON) && c->attn_only) {
        return err_set(err, ERR_USAGE, "%.*s: the model has attention only, no MLP", len, text);
    }
    if (x->what == CHANGE_NEURON && !w->every && x->index >= c->d_mlp) {
        return err_set(err, ERR_USAGE, "%.*s: a layer has %zu neurons, counted from 0", len, text,
                       c->d_mlp);
    }
    if (x->reader == READER_ALL && x->what > CHANGE_NEURON) {
        return err_set(err, ERR_USAGE,
                       "%.*s: only heads, MLPs and neurons can be changed for all; name who reads "
                       "it: %.*s-L1H0.q",
                       len, text, len, text);
    }
    if (x->what == CHANGE_POS_EMBED && !config_has_pos_embed(c)) {
        return err_set(err, ERR_USAGE, "%.*s: the model %s, not to the stream", len, text,
                       c->shortformer ? "adds positions to queries and keys"
                                      : "gives positions to queries and keys, which it turns");
    }
    return 0;
}

/* Is WHAT in the stream when the reader reads it? */
static bool is_written_before(const struct change *x, const struct config *c)
{
    if (!is_of_layer(x->what) || x->reader == READER_LOGITS) {
        return true;
    }
    const bool attention = x->what == CHANGE_HEAD || x->what == CHANGE_B_O;
    return x->layer < x->reader_layer ||
           (x->layer == x->reader_layer && x->reader == READER_MLP && attention && !c->parallel);
}

static int check_reader(const struct change *x, const char *text, int len, const struct config *c,
                        struct err *err)
{
    if (x->reader == READER_ALL) {
        return 0;
    }
    if (x->reader != READER_LOGITS && x->reader_layer >= c->n_layers) {
        return err_set(err, ERR_USAGE, "%.*s: the model has %zu layer%s, counted from 0", len, text,
                       c->n_layers, c->n_layers == 1 ? "" : "s");
    }
    if (x->reader == READER_MLP && c->attn_only) {
        return err_set(err, ERR_USAGE, "%.*s: the model has attention only, no MLP", len, text);
    }
    if (x->reader < READER_MLP && x->reader_head != CHANGE_ALL_HEADS &&
        x->reader_head >= c->n_heads) {
        return err_set(err, ERR_USAGE, "%.*s: a layer has %zu head%s, counted from 0", len, text,
                       c->n_heads, c->n_heads == 1 ? "" : "s");
    }
    if (!is_written_before(x, c)) {
        return err_set(err, ERR_USAGE,
                       "%.*s: the reader reads the stream before this is written to it", len, text);
    }
    return 0;
}

// --- all of them --------------------------------------------------------------------------------

static size_t width_of(const struct change *x, const struct config *c)
{
    return x->what == CHANGE_HEAD ? c->d_head : x->what == CHANGE_NEURON ? 1 : c->d_model;
}

static bool same_reader(const struct change *a, const struct change *b)
{
    return a->reader == b->reader && a->reader_layer == b->reader_layer &&
           a->reader_head == b->reader_head;
}

static bool same_what(const struct change *a, const struct change *b)
{
    return a->what == b->what && a->layer == b->layer && a->index == b->index;
}

/* Would both replace one value for one reader? */
static bool collide(const struct change *a, const struct change *b)
{
    return same_reader(a, b) &&
           (same_what(a, b) ||
            (a->reader != READER_ALL && (a->what == CHANGE_STREAM || b->what == CHANGE_STREAM)));
}

static int add(struct changes *all, size_t *cap, struct change x, const struct config *c,
               const char *text, int len, struct err *err)
{
    const int rc = mem_reserve(&all->items, cap, all->n + 1, sizeof *all->items, "changes", err);
    if (rc) {
        return rc;
    }
    x.point = all->n_points;
    for (size_t i = 0; i < all->n; i++) {
        if (collide(&all->items[i], &x)) {
            return err_set(err, ERR_USAGE, "%.*s: the same is changed twice", len, text);
        }
        if (x.reader != READER_ALL && same_reader(&all->items[i], &x)) {
            x.point = all->items[i].point;
        }
    }
    all->n_points += x.reader != READER_ALL && x.point == all->n_points;
    x.width = width_of(&x, c);
    x.at = all->width;
    all->width += x.width;
    all->has[x.verb] = true;
    all->items[all->n++] = x;
    return 0;
}

static int add_written(struct changes *all, size_t *cap, const struct written *w,
                       const struct config *c, const char *text, int len, struct err *err)
{
    const size_t n = !w->every ? 1 : w->change.what == CHANGE_HEAD ? c->n_heads : c->d_mlp;
    int rc = check_what(w, text, len, c, err);
    rc = rc ? rc : check_reader(&w->change, text, len, c, err);
    for (size_t i = 0; i < n && !rc; i++) {
        struct change x = w->change;
        x.index = w->every ? i : x.index;
        rc = add(all, cap, x, c, text, len, err);
    }
    return rc;
}

int changes_parse(struct changes *out, const char *text, const struct config *config,
                  struct err *err)
{
    struct reader_of_text t = {text};
    size_t cap = 0;
    int rc = 0;
    *out = (struct changes){0};
    do {
        const char *begin = t.at;
        const int len = (int)strcspn(begin, ",");
        struct written w;
        rc = take_change(&t, &w) ? add_written(out, &cap, &w, config, begin, len, err)
                                 : err_set(err, ERR_USAGE,
                                           "%.*s: it is no change such as zero.L1H3, mean.L0MLP, "
                                           "resample.L0N424 or zero.L0H2-L1H1.q",
                                           len, begin);
    } while (!rc && take(&t, ","));
    if (rc) {
        changes_free(out);
    }
    return rc;
}

const char *change_verb_name(enum change_verb verb)
{
    return verbs[verb];
}

bool change_verb_parse(enum change_verb *out, const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(name, verbs[i]) == 0) {
            *out = (enum change_verb)i;
            return true;
        }
    }
    return false;
}

void change_name(char name[CHANGE_NAME], const struct change *x)
{
    const int layer = (int)x->layer, index = (int)x->index;
    switch (x->what) {
    case CHANGE_HEAD:
        snprintf(name, CHANGE_NAME, "L%dH%d", layer, index);
        break;
    case CHANGE_MLP:
        snprintf(name, CHANGE_NAME, "L%dMLP", layer);
        break;
    case CHANGE_NEURON:
        snprintf(name, CHANGE_NAME, "L%dN%d", layer, index);
        break;
    case CHANGE_EMBED:
        snprintf(name, CHANGE_NAME, "embed");
        break;
    case CHANGE_POS_EMBED:
        snprintf(name, CHANGE_NAME, "pos_embed");
        break;
    case CHANGE_B_O:
        snprintf(name, CHANGE_NAME, "L%db_O", layer);
        break;
    case CHANGE_STREAM:
        snprintf(name, CHANGE_NAME, "*");
        break;
    }
}

// --- several models -----------------------------------------------------------------------------

/* Is the value of both the same?  The stream is what its reader reads: of heads that of their
 * layer. */
static bool same_value(const struct change *a, const struct change *b)
{
    if (!same_what(a, b)) {
        return false;
    }
    const bool heads = a->reader <= READER_V && b->reader <= READER_V;
    return a->what != CHANGE_STREAM ||
           (a->reader_layer == b->reader_layer && (heads || a->reader == b->reader));
}

/* The place of the value in 'all', in which it is put where it is not there. */
static int join_one(struct changes *all, size_t *cap, struct change *x, struct err *err)
{
    for (size_t i = 0; i < all->n; i++) {
        if (same_value(&all->items[i], x)) {
            x->at = all->items[i].at;
            return 0;
        }
    }
    const int rc = mem_reserve(&all->items, cap, all->n + 1, sizeof *all->items, "changes", err);
    if (rc) {
        return rc;
    }
    x->at = all->width;
    struct change *to = &all->items[all->n++];
    *to = *x;
    to->point = SIZE_MAX;
    if (x->what == CHANGE_STREAM) { // it is recorded where its reader reads
        to->point = all->n_points++;
    } else if (x->what <= CHANGE_NEURON) {
        to->reader = READER_ALL;
    }
    all->width += x->width;
    return 0;
}

int changes_join(struct changes *all, struct changes *const *models, size_t n, struct err *err)
{
    size_t cap = 0;
    int rc = 0;
    *all = (struct changes){0};
    for (size_t m = 0; m < n && !rc; m++) {
        for (size_t i = 0; i < models[m]->n && !rc; i++) {
            rc = join_one(all, &cap, &models[m]->items[i], err);
        }
        for (size_t v = 0; v < 3; v++) {
            all->has[v] = all->has[v] || models[m]->has[v];
        }
    }
    for (size_t m = 0; m < n && !rc; m++) {
        models[m]->width = all->width;
    }
    if (rc) {
        changes_free(all);
    }
    return rc;
}

void changes_free(struct changes *c)
{
    free(c->items);
    *c = (struct changes){0};
}
