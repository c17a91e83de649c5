#include "out/results/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"

void run_free(struct run *r)
{
    for (size_t i = 0; i < r->n_models; i++) {
        free(r->models[i].name);
        free(r->models[i].path);
        free(r->models[i].act_fn);
        free(r->models[i].site);
        free(r->models[i].changes);
        for (size_t k = 0; k < r->models[i].n_components; k++) {
            free(r->models[i].components[k]);
        }
        free(r->models[i].components);
    }
    for (size_t i = 0; i < r->n_hypotheses; i++) {
        free(r->hypotheses[i].name);
        free(r->hypotheses[i].kind);
        free(r->hypotheses[i].spec);
    }
    free(r->hypotheses);
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

size_t run_d_vocab(const struct run *r)
{
    size_t d_vocab = r->n_models > 0 ? r->models[0].d_vocab : 0;
    for (size_t i = 1; i < r->n_models; i++) {
        d_vocab = r->models[i].d_vocab < d_vocab ? r->models[i].d_vocab : d_vocab;
    }
    return d_vocab;
}

size_t run_full_models(const struct run *r)
{
    size_t n = 0;
    while (n < r->n_models && !r->models[n].brief) {
        n++;
    }
    return n;
}

size_t run_full_pairs(const struct run *r)
{
    size_t n = 0;
    while (n < r->n_pairs && !r->pairs[n].brief) {
        n++;
    }
    return n;
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
    const char *of_a = a->changes ? a->changes : "", *of_b = b->changes ? b->changes : "";
    if (strcmp(of_a, of_b) != 0) {
        return err_set(why, ERR_MISMATCH, "model %s: one has %s changed, the other %s", a->name,
                       of_a[0] ? of_a : "nothing", of_b[0] ? of_b : "nothing");
    }
    if (a->share_take != b->share_take || a->share_of != b->share_of || a->brief != b->brief) {
        return err_set(why, ERR_MISMATCH,
                       "model %s: one is run on %" PRIu32 "/%" PRIu32
                       " of the documents, the other on %" PRIu32 "/%" PRIu32,
                       a->name, a->share_take, a->share_of, b->share_take, b->share_of);
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
        if (strcmp(x->kind, y->kind) != 0 || strcmp(x->spec, y->spec) != 0 ||
            x->predicts_next != y->predicts_next) {
            return err_set(why, ERR_MISMATCH, "hypothesis %s: one has %s %s, the other %s %s",
                           x->name, x->kind, x->spec, y->kind, y->spec);
        }
    }
    return 0;
}

/* Of JSON objects written alike: from the first member that differs to the end. */
static int differ_settings(struct err *why, const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] != '\0' && a[i] == b[i]) {
        i++;
    }
    while (i > 0 && a[i - 1] != ',' && a[i - 1] != '{') {
        i--;
    }
    return differ(why, "settings", a + i, b + i);
}

static bool same_pair(const struct run_pair *a, const struct run_pair *b)
{
    return a->base == b->base && a->n_others == b->n_others && a->brief == b->brief &&
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
    if (a->brief_top != b->brief_top) {
        return differ_u64(why, "ablate-hits", a->brief_top, b->brief_top);
    }
    if (strcmp(a->settings, b->settings) != 0) {
        return differ_settings(why, a->settings, b->settings);
    }
    return same_hypotheses(a, b, why);
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
                       "%" PRIu64 " unit%s in both (the first is unit %" PRIu64
                       "); parts of a run must not overlap",
                       both, both == 1 ? " is" : "s are", first);
    }
    return 0;
}

int run_merge(struct run *to, const struct run *from, struct err *err)
{
    int rc = may_merge(to, from, err);
    struct buf texts = {0};
    if (!rc && to->token_texts.len == 0) {
        rc = buf_append(&texts, from->token_texts.data, from->token_texts.len, err);
    }
    if (!rc && from->done_bits > 0) {
        rc = reserve(to, from->done_bits - 1, err);
    }
    if (rc) {
        buf_free(&texts);
        return rc;
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
