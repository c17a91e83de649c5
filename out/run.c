#include "out/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/base/utf8.h"

// What run_load() believes: beyond all that is real, small enough that nothing overflows.
#define MODELS_MAX TALLY_MODELS_MAX
#define PAIRS_MAX 4096
#define SHARDS_MAX ((uint64_t)1 << 24)
#define SIZE_FIELD_MAX ((uint64_t)1 << 32)
#define VOCAB_MAX ((uint64_t)1 << 24)
#define TOP_MAX ((uint64_t)1 << 24)
#define HYPOTHESES_MAX 4096
#define WATCHES_MAX 4096
#define NEURONS_MAX ((uint64_t)1 << 20)

void run_subsets_free(struct neurons_subset *subsets, size_t n)
{
    for (size_t i = 0; subsets && i < n; i++) {
        uint32_t *items;
        memcpy(&items, &subsets[i].items, sizeof items); // ours, though nobody may change them
        free(items);
    }
    free(subsets);
}

/* All of it is the run's own, though to others it is constant. */
static void shape_free(struct neurons_shape *s)
{
    struct neurons_layer *layers;
    struct neurons_subset *subsets;
    if (!s) {
        return;
    }
    memcpy(&layers, &s->layers, sizeof layers);
    memcpy(&subsets, &s->subsets, sizeof subsets);
    run_subsets_free(subsets, s->n_layers * s->n_hypotheses);
    free(layers);
    free(s);
}

void run_free(struct run *r)
{
    for (size_t i = 0; i < r->n_models; i++) {
        free(r->models[i].name);
        free(r->models[i].path);
        free(r->models[i].act_fn);
        free(r->models[i].site);
    }
    for (size_t i = 0; i < r->n_hypotheses; i++) {
        free(r->hypotheses[i].name);
        free(r->hypotheses[i].kind);
        free(r->hypotheses[i].spec);
    }
    shape_free(r->neurons);
    free(r->hypotheses);
    free(r->watches);
    free(r->effects);
    for (size_t i = 0; i < r->n_shards; i++) {
        free(r->shards[i].name);
        free(r->shards[i].path);
    }
    for (size_t i = 0; i < r->n_reasons; i++) {
        free(r->reasons[i]);
    }
    free(r->models);
    free(r->shards);
    free(r->pairs);
    free(r->settings);
    free(r->reasons);
    buf_free(&r->token_texts);
    free(r->done);
    *r = (struct run){0};
}

// --- units -------------------------------------------------------------------------------------

bool run_is_done(const struct run *r, uint64_t unit)
{
    return unit < r->done_bits && (r->done[unit / 8] >> (unit % 8) & 1);
}

/* Room for units 0 .. unit; by half more at least, so that adding one by one is cheap. */
static int reserve(struct run *r, uint64_t unit, struct err *err)
{
    if (unit < r->done_bits) {
        return 0;
    }
    const size_t had = (size_t)((r->done_bits + 7) / 8);
    const size_t wanted = (size_t)(unit / 8) + 1;
    const size_t n = wanted > had + had / 2 ? wanted : had + had / 2;
    unsigned char *done = mem_resize(r->done, n, 1);
    if (!done) {
        return err_nomem(err, "the set of units");
    }
    memset(done + had, 0, n - had);
    r->done = done;
    r->done_bits = (uint64_t)n * 8;
    return 0;
}

int run_set_done(struct run *r, uint64_t unit, struct err *err)
{
    const int rc = reserve(r, unit, err);
    if (!rc) {
        r->done[unit / 8] |= (unsigned char)(1U << (unit % 8));
    }
    return rc;
}

uint64_t run_count_done(const struct run *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < (r->done_bits + 7) / 8; i++) {
        n += (uint64_t)__builtin_popcount(r->done[i]);
    }
    return n;
}

bool run_is_finished(const struct run *r)
{
    return r->limited || (r->counted && run_count_done(r) >= r->n_units);
}

// --- names -------------------------------------------------------------------------------------

int run_add_token(struct run *r, const char *bytes, size_t len, struct err *err)
{
    struct buf *to = &r->token_texts;
    const size_t before = to->len;
    int rc = 0;
    for (size_t at = 0, used; at < len && !rc; at += used) {
        if (utf8_decode(bytes + at, len - at, &used) == UINT32_MAX || !bytes[at]) {
            used = 1;
            rc = buf_printf(to, err, "\\x%02X", (unsigned char)bytes[at]);
        } else {
            rc = buf_append(to, bytes + at, used, err);
        }
    }
    if (!rc) {
        rc = buf_append(to, "", 1, err);
    }
    if (rc) {
        to->len = before;
    }
    return rc;
}

// --- two runs ----------------------------------------------------------------------------------

static int differ(struct err *why, const char *what, const char *a, const char *b)
{
    return err_set(why, ERR_MISMATCH, "%s: one has %s, the other %s", what, a, b);
}

static int differ_u64(struct err *why, const char *what, uint64_t a, uint64_t b)
{
    char one[32], other[32];
    snprintf(one, sizeof one, "%" PRIu64, a);
    snprintf(other, sizeof other, "%" PRIu64, b);
    return differ(why, what, one, other);
}

static int same_model(const struct run_model *a, const struct run_model *b, struct err *why)
{
    if (strcmp(a->name, b->name) != 0) {
        return differ(why, "models", a->name, b->name);
    }
    if (strcmp(a->act_fn, b->act_fn) != 0 || a->n_layers != b->n_layers ||
        a->d_model != b->d_model || a->n_heads != b->n_heads || a->d_mlp != b->d_mlp ||
        a->d_vocab != b->d_vocab || a->n_ctx != b->n_ctx) {
        return err_set(why, ERR_MISMATCH, "model %s: the two differ in their sizes", a->name);
    }
    if (strcmp(a->site, b->site) != 0) {
        return err_set(why, ERR_MISMATCH, "model %s: neurons at site \"%s\" and \"%s\"", a->name,
                       a->site, b->site);
    }
    if (a->weights_hash != b->weights_hash) {
        return err_set(why, ERR_MISMATCH,
                       "model %s: the weights differ (hashes %016" PRIx64 " and %016" PRIx64 ")",
                       a->name, a->weights_hash, b->weights_hash);
    }
    return 0;
}

static int same_shard(const struct run_shard *a, const struct run_shard *b, struct err *why)
{
    if (strcmp(a->name, b->name) != 0) {
        return differ(why, "shards", a->name, b->name);
    }
    if (a->bytes != b->bytes) {
        return err_set(why, ERR_MISMATCH, "shard %s: one has %" PRIu64 " bytes, the other %" PRIu64,
                       a->name, a->bytes, b->bytes);
    }
    if (a->hash != b->hash) {
        return err_set(why, ERR_MISMATCH, "shard %s: the contents differ", a->name);
    }
    return 0;
}

static int same_hypotheses(const struct run *a, const struct run *b, struct err *why)
{
    if (a->n_hypotheses != b->n_hypotheses) {
        return differ_u64(why, "number of hypotheses", a->n_hypotheses, b->n_hypotheses);
    }
    for (size_t i = 0; i < a->n_hypotheses; i++) {
        const struct run_hypothesis *x = &a->hypotheses[i], *y = &b->hypotheses[i];
        if (strcmp(x->name, y->name) != 0) {
            return differ(why, "hypotheses", x->name, y->name);
        }
        if (strcmp(x->kind, y->kind) != 0 || strcmp(x->spec, y->spec) != 0) {
            return err_set(why, ERR_MISMATCH, "hypothesis %s: one has %s %s, the other %s %s",
                           x->name, x->kind, x->spec, y->kind, y->spec);
        }
    }
    if (a->n_watches != b->n_watches) {
        return differ_u64(why, "number of watched pairs", a->n_watches, b->n_watches);
    }
    for (size_t i = 0; i < a->n_watches; i++) {
        const struct neurons_watch *x = &a->watches[i], *y = &b->watches[i];
        if (x->layer != y->layer || x->neuron != y->neuron || x->hypothesis != y->hypothesis) {
            return err_set(why, ERR_MISMATCH, "watched pair %zu: not the same", i + 1);
        }
    }
    if (a->examples != b->examples) {
        return differ_u64(why, "examples", a->examples, b->examples);
    }
    return a->histograms == b->histograms
               ? 0
               : differ_u64(why, "histograms", a->histograms, b->histograms);
}

static bool same_pair(const struct tally_pair *a, const struct tally_pair *b)
{
    return a->base == b->base && a->n_others == b->n_others &&
           memcmp(a->others, b->others, a->n_others * sizeof *a->others) == 0;
}

int run_same(const struct run *a, const struct run *b, struct err *why)
{
    if (a->n_models != b->n_models) {
        return differ_u64(why, "number of models", a->n_models, b->n_models);
    }
    for (size_t i = 0; i < a->n_models; i++) {
        const int rc = same_model(&a->models[i], &b->models[i], why);
        if (rc) {
            return rc;
        }
    }
    if (a->n_shards != b->n_shards) {
        return differ_u64(why, "number of shards", a->n_shards, b->n_shards);
    }
    for (size_t i = 0; i < a->n_shards; i++) {
        const int rc = same_shard(&a->shards[i], &b->shards[i], why);
        if (rc) {
            return rc;
        }
    }
    if (a->n_pairs != b->n_pairs) {
        return differ_u64(why, "number of pairs", a->n_pairs, b->n_pairs);
    }
    for (size_t i = 0; i < a->n_pairs; i++) {
        if (!same_pair(&a->pairs[i], &b->pairs[i])) {
            return err_set(why, ERR_MISMATCH, "pair %zu: not the same models", i);
        }
    }
    if (a->floor != b->floor) {
        return err_set(why, ERR_MISMATCH, "floor: one has %g, the other %g", a->floor, b->floor);
    }
    if (a->top != b->top) {
        return differ_u64(why, "top", a->top, b->top);
    }
    if (strcmp(a->settings, b->settings) != 0) {
        return differ(why, "settings", a->settings, b->settings);
    }
    return same_hypotheses(a, b, why);
}

/* Have both histograms of the same neurons?  They were chosen on the first unit. */
static bool same_subsets(const struct neurons_shape *a, const struct neurons_shape *b)
{
    const bool some = a && a->subsets;
    if (some != (b && b->subsets)) {
        return false;
    }
    const size_t n = some ? a->n_layers * a->n_hypotheses : 0;
    for (size_t i = 0; i < n; i++) {
        const struct neurons_subset *x = &a->subsets[i], *y = &b->subsets[i];
        if (x->n != y->n || memcmp(x->items, y->items, x->n * sizeof *x->items) != 0) {
            return false;
        }
    }
    return true;
}

/* Two counts of which 0 is "not known". */
static bool agree(uint64_t a, uint64_t b)
{
    return a == b || a == 0 || b == 0;
}

static int may_merge(const struct run *to, const struct run *from, struct err *err)
{
    const int rc = run_same(to, from, err);
    if (rc) {
        return rc;
    }
    if (!same_subsets(to->neurons, from->neurons)) {
        return err_set(err, ERR_MISMATCH,
                       "--histograms: the parts chose other neurons on the first unit, since their "
                       "kernels differ; scan all parts with the same --kernels");
    }
    if (to->counted && from->counted && to->n_units != from->n_units) {
        return differ_u64(err, "units of the corpus", to->n_units, from->n_units);
    }
    for (size_t i = 0; i < to->n_shards; i++) {
        const struct run_shard *a = &to->shards[i], *b = &from->shards[i];
        if (!agree(a->units, b->units)) {
            return err_set(err, ERR_MISMATCH,
                           "shard %s: one has %" PRIu64 " units, the other %" PRIu64, a->name,
                           a->units, b->units);
        }
    }
    uint64_t both = 0, first = 0;
    for (uint64_t unit = from->done_bits; unit-- > 0;) {
        if (run_is_done(from, unit) && run_is_done(to, unit)) {
            first = unit;
            both++;
        }
    }
    if (both > 0) {
        return err_set(err, ERR_MISMATCH,
                       "%" PRIu64 " units are in both (the first is unit %" PRIu64
                       "); parts of a run must not overlap",
                       both, first);
    }
    return 0;
}

int run_merge(struct run *to, const struct run *from, struct err *err)
{
    int rc = may_merge(to, from, err);
    struct buf texts = {0};
    struct run_effect *effects = NULL;
    const size_t n_effects = to->neurons ? to->neurons->n * RUN_EFFECT_KINDS * RUN_EFFECTS : 0;
    if (!rc && !to->effects && from->effects) {
        effects = mem_new(n_effects, sizeof *effects);
        rc = effects ? 0 : err_nomem(err, "neurons");
    }
    if (!rc && to->token_texts.len == 0) {
        rc = buf_append(&texts, from->token_texts.data, from->token_texts.len, err);
    }
    if (!rc && from->done_bits > 0) {
        rc = reserve(to, from->done_bits - 1, err);
    }
    if (rc) {
        buf_free(&texts);
        free(effects);
        return rc;
    }
    if (effects) {
        memcpy(effects, from->effects, n_effects * sizeof *effects);
        to->effects = effects;
    }
    if (to->token_texts.len == 0) {
        buf_free(&to->token_texts);
        to->token_texts = texts;
    }
    for (size_t i = 0; i < (from->done_bits + 7) / 8; i++) {
        to->done[i] |= from->done[i];
    }
    for (size_t i = 0; i < to->n_shards; i++) {
        if (to->shards[i].units == 0) {
            to->shards[i].units = from->shards[i].units;
        }
    }
    if (!to->counted) {
        to->counted = from->counted;
        to->n_units = from->n_units;
    }
    to->limited |= from->limited;
    return 0;
}

// --- shapes ------------------------------------------------------------------------------------

static size_t count_layers(const struct run *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_models; i++) {
        n += r->models[i].site[0] ? r->models[i].n_layers : 0;
    }
    return n;
}

/* The sizes are checked: a damaged run.db may say anything. */
static int list_layers(const struct run *r, struct neurons_layer *layers, size_t *n_neurons,
                       struct err *err)
{
    uint64_t first = 0;
    for (size_t i = 0, k = 0; i < r->n_models; i++) {
        const struct run_model *m = &r->models[i];
        for (size_t l = 0; m->site[0] && l < m->n_layers; l++) {
            layers[k++] = (struct neurons_layer){
                .model = (uint32_t)i, .layer = (uint32_t)l, .n = m->d_mlp, .first = (size_t)first};
            first += m->d_mlp;
            if (m->d_mlp == 0 || first > NEURONS_MAX) {
                return err_set(err, ERR_LIMIT, "neurons: at most %" PRIu64, NEURONS_MAX);
            }
        }
    }
    *n_neurons = (size_t)first;
    return 0;
}

static int check_watches(const struct run *r, const struct neurons_layer *layers, size_t n_layers,
                         struct err *err)
{
    for (size_t i = 0; i < r->n_watches; i++) {
        const struct neurons_watch *w = &r->watches[i];
        if (w->layer >= n_layers || w->neuron >= layers[w->layer].n ||
            w->hypothesis >= r->n_hypotheses) {
            return err_set(err, ERR_LIMIT, "watched pair %zu: there is no such neuron", i + 1);
        }
    }
    return 0;
}

int run_shape_neurons(struct run *r, struct neurons_subset *subsets, struct err *err)
{
    const size_t n_layers = count_layers(r);
    if (n_layers > NEURONS_MAX) { // a neuron each, at least
        return err_set(err, ERR_LIMIT, "neurons: at most %" PRIu64, NEURONS_MAX);
    }
    struct neurons_shape *s = n_layers > 0 ? mem_zero(1, sizeof *s) : NULL;
    struct neurons_layer *layers = mem_zero(n_layers, sizeof *layers);
    size_t n = 0;
    int rc = layers && (s || n_layers == 0) ? 0 : err_nomem(err, "neurons");
    rc = rc ? rc : list_layers(r, layers, &n, err);
    rc = rc ? rc : check_watches(r, layers, n_layers, err);
    if (rc || n_layers == 0) {
        free(layers);
        free(s);
        return rc;
    }
    *s = (struct neurons_shape){.layers = layers,
                                .n_layers = n_layers,
                                .n = n,
                                .n_hypotheses = r->n_hypotheses,
                                .watches = r->watches,
                                .n_watches = r->n_watches,
                                .examples = r->examples,
                                .subsets = subsets};
    shape_free(r->neurons);
    r->neurons = s;
    return 0;
}

struct tally_shape run_shape(const struct run *r)
{
    size_t d_vocab = r->n_models > 0 ? r->models[0].d_vocab : 0;
    for (size_t i = 1; i < r->n_models; i++) {
        d_vocab = r->models[i].d_vocab < d_vocab ? r->models[i].d_vocab : d_vocab;
    }
    return (struct tally_shape){
        .n_models = r->n_models,
        .n_pairs = r->n_pairs,
        .n_shards = r->n_shards,
        .d_vocab = d_vocab,
        .pairs = r->pairs,
        .floor = r->floor,
        // A floor of -0.3 is a little more than 3 bins in binary, and 3 are meant.
        .gap_bins_half = (size_t)ceil(-r->floor * 10 - 1e-9),
        .top = r->top,
        .n_hypotheses = r->n_hypotheses,
    };
}

// --- bytes -------------------------------------------------------------------------------------
//
// Numbers are 8 bytes, little-endian; a text is its length and its bytes; an array is its length
// and its items: models, shards, pairs, floor (its bits), top, hypotheses, watches, examples,
// histograms (and, where not 0, the neurons of each layer and hypothesis), settings, reasons,
// counted, n_units, limited, done_bits, done.

struct writer {
    struct buf *to;
    struct err *err;
    int rc; // the first error; what comes after it does nothing
};

static void put_bytes(struct writer *w, const void *bytes, size_t len)
{
    if (!w->rc) {
        w->rc = buf_append(w->to, bytes, len, w->err);
    }
}

static void put(struct writer *w, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    put_bytes(w, bytes, sizeof bytes);
}

static void put_text(struct writer *w, const char *text)
{
    put(w, strlen(text));
    put_bytes(w, text, strlen(text));
}

static void put_hypotheses(struct writer *w, const struct run *r)
{
    put(w, r->n_hypotheses);
    for (size_t i = 0; i < r->n_hypotheses; i++) {
        put_text(w, r->hypotheses[i].name);
        put_text(w, r->hypotheses[i].kind);
        put_text(w, r->hypotheses[i].spec);
    }
    put(w, r->n_watches);
    for (size_t i = 0; i < r->n_watches; i++) {
        put(w, r->watches[i].layer);
        put(w, r->watches[i].neuron);
        put(w, r->watches[i].hypothesis);
    }
    put(w, r->examples);
    put(w, r->histograms);
    const struct neurons_shape *s = r->neurons;
    const size_t n = s && s->subsets ? s->n_layers * s->n_hypotheses : 0;
    put(w, n);
    for (size_t i = 0; i < n; i++) {
        put(w, s->subsets[i].n);
        for (size_t k = 0; k < s->subsets[i].n; k++) {
            put(w, s->subsets[i].items[k]);
        }
    }
}

int run_save(const struct run *r, struct buf *out, struct err *err)
{
    const size_t before = out->len;
    struct writer w = {.to = out, .err = err};
    put(&w, r->n_models);
    for (size_t i = 0; i < r->n_models; i++) {
        const struct run_model *m = &r->models[i];
        put_text(&w, m->name);
        put_text(&w, m->path);
        put_text(&w, m->act_fn);
        put_text(&w, m->site);
        const uint64_t sizes[] = {m->n_layers, m->d_model, m->n_heads,     m->d_mlp,
                                  m->d_vocab,  m->n_ctx,   m->weights_hash};
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            put(&w, sizes[k]);
        }
    }
    put(&w, r->n_shards);
    for (size_t i = 0; i < r->n_shards; i++) {
        const struct run_shard *s = &r->shards[i];
        put_text(&w, s->name);
        put_text(&w, s->path);
        put(&w, s->bytes);
        put(&w, s->hash);
        put(&w, s->units);
    }
    put(&w, r->n_pairs);
    for (size_t i = 0; i < r->n_pairs; i++) {
        const struct tally_pair *p = &r->pairs[i];
        put(&w, p->base);
        put(&w, p->n_others);
        for (size_t k = 0; k < p->n_others; k++) {
            put(&w, p->others[k]);
        }
    }
    uint64_t floor_bits;
    memcpy(&floor_bits, &r->floor, sizeof floor_bits);
    put(&w, floor_bits);
    put(&w, r->top);
    put_hypotheses(&w, r);
    put_text(&w, r->settings);
    put(&w, r->n_reasons);
    for (size_t i = 0; i < r->n_reasons; i++) {
        put_text(&w, r->reasons[i]);
    }
    put(&w, r->counted);
    put(&w, r->n_units);
    put(&w, r->limited);
    put(&w, r->done_bits);
    put_bytes(&w, r->done, (size_t)((r->done_bits + 7) / 8));
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

struct reader {
    const unsigned char *at;
    size_t left;
    struct err *err;
    int rc; // the first error; what comes after it reads zeros
};

static void bad(struct reader *r, const char *what)
{
    if (!r->rc) {
        r->rc = err_set(r->err, ERR_FORMAT, "the saved run is damaged: %s", what);
    }
}

/* A number from min to max, or 'min' and an error. */
static uint64_t get(struct reader *r, uint64_t min, uint64_t max, const char *what)
{
    if (r->rc || r->left < 8) {
        bad(r, "it ends too early");
        return min;
    }
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)r->at[i] << (8 * i);
    }
    r->at += 8;
    r->left -= 8;
    if (value < min || value > max) {
        bad(r, what);
        return min;
    }
    return value;
}

/* How many items of at least 'size' bytes each follow: no more than there is room for. */
static size_t get_n(struct reader *r, uint64_t max, size_t size, const char *what)
{
    const uint64_t n = get(r, 0, max, what);
    if (n > r->left / size) {
        bad(r, what);
    }
    return r->rc ? 0 : (size_t)n;
}

/* NULL only with an error. */
static char *get_text(struct reader *r, const char *what)
{
    const size_t len = get_n(r, SIZE_MAX, 1, what);
    if (!r->rc && memchr(r->at, 0, len)) {
        bad(r, what);
    }
    if (r->rc) {
        return NULL;
    }
    char *text = strndup((const char *)r->at, len);
    if (!text) {
        r->rc = err_nomem(r->err, what);
        return NULL;
    }
    r->at += len;
    r->left -= len;
    return text;
}

/* n zeroed items; *n_out is set with them, so that run_free() sees no more than there are. */
static void *get_room(struct reader *r, size_t n, size_t size, size_t *n_out, const char *what)
{
    void *items = r->rc ? NULL : mem_zero(n, size);
    if (!items && !r->rc) {
        r->rc = err_nomem(r->err, what);
    }
    *n_out = items ? n : 0;
    return items;
}

static void get_model(struct reader *r, struct run_model *m)
{
    m->name = get_text(r, "a model's name");
    m->path = get_text(r, "a model's path");
    m->act_fn = get_text(r, "a model's act_fn");
    m->site = get_text(r, "a model's site");
    m->n_layers = (size_t)get(r, 0, SIZE_FIELD_MAX, "n_layers");
    m->d_model = (size_t)get(r, 0, SIZE_FIELD_MAX, "d_model");
    m->n_heads = (size_t)get(r, 0, SIZE_FIELD_MAX, "n_heads");
    m->d_mlp = (size_t)get(r, 0, SIZE_FIELD_MAX, "d_mlp");
    m->d_vocab = (size_t)get(r, 1, VOCAB_MAX, "d_vocab");
    m->n_ctx = (size_t)get(r, 1, SIZE_FIELD_MAX, "n_ctx");
    m->weights_hash = get(r, 0, UINT64_MAX, "a hash");
}

static void get_shard(struct reader *r, struct run_shard *s)
{
    s->name = get_text(r, "a shard's name");
    s->path = get_text(r, "a shard's path");
    s->bytes = get(r, 0, UINT64_MAX, "a size");
    s->hash = get(r, 0, UINT64_MAX, "a hash");
    s->units = get(r, 0, UINT64_MAX, "units");
}

static void get_pair(struct reader *r, struct tally_pair *p, size_t n_models)
{
    const uint64_t last = n_models > 0 ? n_models - 1 : 0;
    p->base = (uint32_t)get(r, 0, last, "a pair's base");
    p->n_others = (uint32_t)get(r, 1, TALLY_MODELS_MAX, "a pair's others");
    for (size_t k = 0; k < p->n_others; k++) {
        p->others[k] = (uint32_t)get(r, 0, last, "a pair's other model");
    }
}

static void get_hypotheses(struct reader *r, struct run *run)
{
    size_t n = get_n(r, HYPOTHESES_MAX, 24, "number of hypotheses");
    run->hypotheses = get_room(r, n, sizeof *run->hypotheses, &run->n_hypotheses, "hypotheses");
    for (size_t i = 0; i < run->n_hypotheses; i++) {
        run->hypotheses[i].name = get_text(r, "a hypothesis' name");
        run->hypotheses[i].kind = get_text(r, "a hypothesis' kind");
        run->hypotheses[i].spec = get_text(r, "what a hypothesis is");
    }
    n = get_n(r, WATCHES_MAX, 24, "number of watched pairs");
    run->watches = get_room(r, n, sizeof *run->watches, &run->n_watches, "watched pairs");
    for (size_t i = 0; i < run->n_watches; i++) {
        run->watches[i].layer = (uint32_t)get(r, 0, UINT32_MAX, "a watched layer");
        run->watches[i].neuron = (uint32_t)get(r, 0, UINT32_MAX, "a watched neuron");
        run->watches[i].hypothesis = (uint32_t)get(r, 0, UINT32_MAX, "a watched hypothesis");
    }
    run->examples = (uint32_t)get(r, 0, RUN_EXAMPLES_MAX, "examples");
    run->histograms = (uint32_t)get(r, 0, UINT32_MAX, "histograms");
}

/* Neurons of a layer, ascending. */
static void get_subset(struct reader *r, struct neurons_subset *subset, size_t n_neurons)
{
    size_t n_items;
    const size_t n = get_n(r, n_neurons, 8, "neurons with histograms");
    uint32_t *items = get_room(r, n, sizeof *items, &n_items, "neurons with histograms");
    for (size_t i = 0, least = 0; i < n_items && !r->rc; i++) {
        items[i] = (uint32_t)get(r, least, n_neurons - 1, "neurons with histograms");
        least = items[i] + (size_t)1;
    }
    *subset = (struct neurons_subset){.items = items, .n = n_items};
}

/* The shape of the neurons; 'run' has all else that it is made of. */
static void get_neurons(struct reader *r, struct run *run)
{
    r->rc = r->rc ? r->rc : run_shape_neurons(run, NULL, r->err);
    if (r->rc == ERR_LIMIT) {
        r->rc = 0;
        bad(r, "its neurons, or a watched pair");
    }
    struct neurons_shape *s = run->neurons;
    const size_t wanted = s ? s->n_layers * s->n_hypotheses : 0;
    size_t n = get_n(r, wanted, 8, "neurons with histograms");
    if (n == 0 || r->rc) {
        return;
    }
    if (n != wanted) {
        bad(r, "neurons with histograms");
        return;
    }
    struct neurons_subset *subsets = get_room(r, n, sizeof *subsets, &n, "subsets of neurons");
    s->subsets = subsets;
    for (size_t i = 0; i < n && !r->rc; i++) {
        get_subset(r, &subsets[i], s->layers[i / s->n_hypotheses].n);
    }
}

static void get_done(struct reader *r, struct run *run)
{
    const uint64_t bits = get(r, 0, UINT64_MAX - 7, "its set of units");
    const uint64_t bytes = (bits + 7) / 8;
    if (r->rc || bytes != r->left) {
        bad(r, "its set of units has another length");
        return;
    }
    run->done = mem_new((size_t)bytes, 1);
    if (!run->done) {
        r->rc = err_nomem(r->err, "the set of units");
        return;
    }
    memcpy(run->done, r->at, (size_t)bytes);
    if (bits % 8) { // bits that count no unit
        run->done[bytes - 1] &= (unsigned char)((1U << (bits % 8)) - 1);
    }
    run->done_bits = bits;
}

int run_load(struct run *out, const void *bytes, size_t len, struct err *err)
{
    struct reader r = {.at = bytes, .left = len, .err = err};
    struct run run = {0};
    size_t n = get_n(&r, MODELS_MAX, 8, "number of models");
    run.models = get_room(&r, n, sizeof *run.models, &run.n_models, "models");
    if (n == 0) {
        bad(&r, "number of models");
    }
    for (size_t i = 0; i < run.n_models; i++) {
        get_model(&r, &run.models[i]);
    }
    n = get_n(&r, SHARDS_MAX, 8, "number of shards");
    run.shards = get_room(&r, n, sizeof *run.shards, &run.n_shards, "shards");
    for (size_t i = 0; i < run.n_shards; i++) {
        get_shard(&r, &run.shards[i]);
    }
    n = get_n(&r, PAIRS_MAX, 8, "number of pairs");
    run.pairs = get_room(&r, n, sizeof *run.pairs, &run.n_pairs, "pairs");
    for (size_t i = 0; i < run.n_pairs; i++) {
        get_pair(&r, &run.pairs[i], run.n_models);
    }
    const uint64_t floor_bits = get(&r, 0, UINT64_MAX, "the floor");
    memcpy(&run.floor, &floor_bits, sizeof run.floor);
    if (!(run.floor <= -0.1 && run.floor >= -1000)) { // as scan --floor has it: a bin at least
        bad(&r, "the floor");
    }
    run.top = (size_t)get(&r, 0, TOP_MAX, "top");
    get_hypotheses(&r, &run);
    get_neurons(&r, &run);
    run.settings = get_text(&r, "its settings");
    n = get_n(&r, TALLY_REASONS, 8, "number of reasons");
    run.reasons = get_room(&r, n, sizeof *run.reasons, &run.n_reasons, "reasons");
    for (size_t i = 0; i < run.n_reasons; i++) {
        run.reasons[i] = get_text(&r, "a reason");
    }
    run.counted = get(&r, 0, 1, "whether its units are counted") != 0;
    run.n_units = get(&r, 0, UINT64_MAX, "units");
    run.limited = get(&r, 0, 1, "whether it is limited") != 0;
    get_done(&r, &run);
    if (r.rc) {
        run_free(&run);
        return r.rc;
    }
    *out = run;
    return 0;
}
