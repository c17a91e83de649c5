/*
 * run_bytes.c - a run as bytes, and back
 *
 * Numbers are 8 bytes, little-endian; a text is its length and its bytes; an array is its length
 * and its items: models, shards, pairs, floor (its bits), top, hypotheses, watches, examples,
 * histograms (and, where not 0, the neurons of each layer and hypothesis), settings, reasons,
 * trigrams, counted, n_units, limited, done_bits, done.
 */
#include "out/results/run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What run_load() believes: beyond all that is real, small enough that nothing overflows.
#define MODELS_MAX TALLY_MODELS_MAX
#define PAIRS_MAX 4096
#define SHARDS_MAX ((uint64_t)1 << 24)
#define SIZE_FIELD_MAX ((uint64_t)1 << 32)
#define VOCAB_MAX ((uint64_t)1 << 24)
#define TOP_MAX ((uint64_t)1 << 24)
#define HYPOTHESES_MAX 4096
#define WATCHES_MAX 4096

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

static void put_real(struct writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(w, bits);
}

static void put_trigrams(struct writer *w, const struct trigrams_shape *s)
{
    put(w, s ? s->n : 0);
    for (size_t i = 0; s && i < s->n; i++) {
        const struct trigram *t = &s->items[i];
        const uint64_t numbers[] = {t->a,        t->b,        t->c,       t->count,
                                    t->count_ab, t->count_bc, t->count_b, t->count_c};
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            put(w, numbers[k]);
        }
        put_real(w, t->p);
        put_real(w, t->p_bigram);
        for (size_t k = 0; k < TRIGRAM_SKIPS; k++) {
            put_real(w, t->p_skip[k]);
        }
        put_real(w, t->p_added);
        for (size_t side = 0; side < 2; side++) {
            put(w, t->n_fillers[side]);
            for (size_t k = 0; k < t->n_fillers[side]; k++) {
                put(w, t->fillers[side][k]);
            }
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
    put_real(&w, r->floor);
    put(&w, r->top);
    put_hypotheses(&w, r);
    put_text(&w, r->settings);
    put(&w, r->n_reasons);
    for (size_t i = 0; i < r->n_reasons; i++) {
        put_text(&w, r->reasons[i]);
    }
    put_trigrams(&w, r->trigrams);
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

static double get_real(struct reader *r, const char *what)
{
    const uint64_t bits = get(r, 0, UINT64_MAX, what);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* d_vocab: ids that every model has. */
static void get_trigram(struct reader *r, struct trigram *t, size_t d_vocab)
{
    uint32_t *const ids[] = {&t->a, &t->b, &t->c};
    uint64_t *const counts[] = {&t->count, &t->count_ab, &t->count_bc, &t->count_b, &t->count_c};
    for (size_t k = 0; k < 3; k++) {
        *ids[k] = (uint32_t)get(r, 0, d_vocab - 1, "a trigram's token");
    }
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        *counts[k] = get(r, 0, UINT64_MAX, "a trigram's count");
    }
    t->p = get_real(r, "a trigram's probability");
    t->p_bigram = get_real(r, "a trigram's probability");
    for (size_t k = 0; k < TRIGRAM_SKIPS; k++) {
        t->p_skip[k] = get_real(r, "a trigram's probability");
    }
    t->p_added = get_real(r, "a trigram's probability");
    for (size_t side = 0; side < 2; side++) {
        t->n_fillers[side] = (uint32_t)get(r, 0, TRIGRAM_FILLERS, "a trigram's fillers");
        for (size_t k = 0; k < t->n_fillers[side]; k++) {
            t->fillers[side][k] = (uint32_t)get(r, 0, d_vocab - 1, "a filler");
        }
    }
}

static void get_trigrams(struct reader *r, struct run *run)
{
    size_t n = get_n(r, TRIGRAMS_MAX, 17 * 8, "number of trigrams");
    struct trigram *items = get_room(r, n, sizeof *items, &n, "trigrams");
    for (size_t i = 0; i < n; i++) {
        get_trigram(r, &items[i], run_shape(run).d_vocab);
    }
    const int rc = n > 0 && !r->rc ? run_shape_trigrams(run, items, n, r->err) : 0;
    if (rc == ERR_NOMEM) {
        r->rc = rc;
    } else if (rc) { // two are the same, or too many for its neurons
        bad(r, "its trigrams");
    }
    free(items);
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
    run.floor = get_real(&r, "the floor");
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
    get_trigrams(&r, &run);
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
