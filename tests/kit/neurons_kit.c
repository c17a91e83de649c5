#include "tests/kit/neurons_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

uint64_t kit_random(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

// --- documents ----------------------------------------------------------------------------------

/* Never of 0 bytes, which tools complain of. */
static void *room(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    assert_non_null(p);
    return p;
}

struct kit_doc *kit_add_doc(struct kit *k, uint32_t shard, uint64_t number, bool test, size_t n)
{
    const size_t n_words = neurons_n_words(k->shape);
    k->docs = realloc(k->docs, (k->n + 1) * sizeof *k->docs);
    assert_non_null(k->docs);
    struct kit_doc *d = &k->docs[k->n++];
    *d = (struct kit_doc){.shard = shard, .number = number, .test = test, .n = n};
    d->ids = room(n, sizeof *d->ids);
    d->ends = room(n, sizeof *d->ends);
    d->pos = room(n, sizeof *d->pos);
    d->labels = room(n * n_words, sizeof *d->labels);
    d->gave_up = room(n_words, sizeof *d->gave_up);
    d->acts = room(k->shape->n_layers, sizeof *d->acts);
    for (size_t l = 0; l < k->shape->n_layers; l++) {
        d->acts[l] = room(n * k->shape->layers[l].n, sizeof *d->acts[l]);
    }
    for (uint32_t i = 0; i < n; i++) {
        d->ids[i] = i;
        d->ends[i] = i + 1;
        d->pos[i] = i + 1;
    }
    return d;
}

void kit_free(struct kit *k)
{
    for (size_t i = 0; i < k->n; i++) {
        struct kit_doc *d = &k->docs[i];
        for (size_t l = 0; l < k->shape->n_layers; l++) {
            free(d->acts[l]);
        }
        free(d->ids);
        free(d->ends);
        free(d->pos);
        free(d->labels);
        free(d->gave_up);
        free(d->acts);
    }
    free(k->docs);
}

/* Zeros of both signs, ties, a heavy tail, what is beyond 1024. */
static float some_activation(uint64_t *random)
{
    const double x = (double)kit_random(random, 2000001) * 1e-6 - 1;
    switch (kit_random(random, 8)) {
    case 0:
        return kit_random(random, 2) ? 0.0f : -0.0f;
    case 1:
        return (float)kit_random(random, 5) / 4 - 0.5f;
    case 2:
        return kit_random(random, 300) ? (float)(x * x * x * 40) : (float)(x * 5000);
    case 3:
        return (float)ldexp(x, -(int)kit_random(random, 16));
    default:
        return (float)(x * 0.3 - 0.1);
    }
}

static void fill_doc(struct kit *k, struct kit_doc *d, uint64_t *random)
{
    const size_t n_words = neurons_n_words(k->shape), n_hypotheses = k->shape->n_hypotheses;
    const struct kit_doc *last = k->n > 1 ? d - 1 : NULL;
    const bool again = last && kit_random(random, 4) == 0; // its words are the last one's
    const uint64_t words = 1 + kit_random(random, 9), window = 1 + kit_random(random, 150);
    uint32_t pos = kit_random(random, 3) ? 1 : 1 + (uint32_t)kit_random(random, 12), byte = 0;
    for (size_t i = 0; i < d->n; i++) {
        d->ids[i] = again && i < last->n ? last->ids[i] : (uint32_t)kit_random(random, words);
        byte += (uint32_t)kit_random(random, 4);
        d->ends[i] = byte;
        d->pos[i] = pos;
        pos = kit_random(random, window) ? pos + 1 : 1;
    }
    for (size_t h = 0; h < n_hypotheses; h++) {
        const uint64_t bit = UINT64_C(1) << (h % 64), rare = 2 + h * h % 50;
        if (kit_random(random, 10) == 0) {
            d->gave_up[h / 64] |= bit;
            continue;
        }
        for (size_t i = 0; i < d->n && h != 2; i++) { // 2 never labels, 1 mostly, 3 always
            const bool is = h == 1   ? kit_random(random, 8) > 0
                            : h == 3 ? true
                                     : kit_random(random, rare) == 0;
            d->labels[i * n_words + h / 64] |= is ? bit : 0;
        }
    }
    for (size_t l = 0; l < k->shape->n_layers; l++) {
        for (size_t i = 0; i < d->n * k->shape->layers[l].n; i++) {
            d->acts[l][i] = some_activation(random);
        }
    }
}

void kit_make(struct kit *k, const struct neurons_shape *shape, size_t n_docs, size_t most_tokens,
              uint64_t seed)
{
    uint64_t random = seed, number = 0;
    *k = (struct kit){.shape = shape, .texts = seed % 2};
    for (size_t i = 0; i < n_docs; i++) {
        number = i == n_docs / 2 ? 0 : number + 1 + kit_random(&random, 3);
        const size_t n = i % 10 == 3 ? 0 : 1 + kit_random(&random, most_tokens);
        struct kit_doc *d =
            kit_add_doc(k, i < n_docs / 2 ? 0 : 5, number, kit_random(&random, 2), n);
        fill_doc(k, d, &random);
    }
}

// --- units --------------------------------------------------------------------------------------

/* Documents [first, first + n) as a part wants them, with what stands between. */
struct unit {
    struct unit_tokens view;
    struct unit_tokens_doc *docs;
    uint32_t *ids, *ends, *pos;
    uint64_t *labels, *gave_up;
    struct unit_token_set *sets;
    struct unit_labels said; // points to labels, gave_up and sets
    float **acts; // [n_layers] of [n tokens][n]; rows between documents are 999
};

static size_t count_before(const struct kit_doc *d)
{
    return d->n > 0 ? d->pos[0] - 1 : 0;
}

static void put_doc(struct unit *u, const struct kit *k, const struct kit_doc *d, size_t at)
{
    const size_t n_words = neurons_n_words(k->shape), before = count_before(d);
    for (uint32_t i = 0; i < before; i++) {
        u->ids[at + i] = 77 + i;
        u->ends[at + i] = 0;
        u->pos[at + i] = i + 1;
    }
    for (size_t l = 0; l < k->shape->n_layers; l++) {
        const size_t n = k->shape->layers[l].n;
        for (size_t i = 0; i < before * n; i++) {
            u->acts[l][at * n + i] = 999;
        }
        memcpy(u->acts[l] + (at + before) * n, d->acts[l], d->n * n * sizeof **d->acts);
    }
    at += before;
    memcpy(u->ids + at, d->ids, d->n * sizeof *d->ids);
    memcpy(u->ends + at, d->ends, d->n * sizeof *d->ends);
    memcpy(u->pos + at, d->pos, d->n * sizeof *d->pos);
    memcpy(u->labels + at * n_words, d->labels, d->n * n_words * sizeof *d->labels);
}

static void add_to_set(struct unit_token_set *set, uint32_t *at, size_t begin, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[set->n++] = (uint32_t)(begin + i);
    }
}

static void fill_sets(struct unit *u, const struct kit *k, const struct kit_doc *docs)
{
    const size_t n_words = neurons_n_words(k->shape);
    for (size_t h = 0; h < k->shape->n_hypotheses; h++) {
        struct unit_token_set *labelled = &u->sets[set_labelled(h)];
        struct unit_token_set *left_out = &u->sets[set_left_out(h)];
        uint32_t *at = room(u->view.n, sizeof *at), *out = room(u->view.n, sizeof *out);
        labelled->at = at;
        left_out->at = out;
        for (size_t d = 0; d < u->view.n_docs; d++) {
            const size_t begin = u->docs[d].begin;
            if (docs[d].gave_up[h / 64] >> (h % 64) & 1) {
                add_to_set(left_out, out, begin, docs[d].n);
            }
            for (size_t i = 0; i < docs[d].n; i++) {
                const bool is = docs[d].labels[i * n_words + h / 64] >> (h % 64) & 1;
                add_to_set(labelled, at, begin + i, is);
            }
        }
    }
}

static void unit_make(struct unit *u, const struct kit *k, size_t first, size_t n_docs)
{
    const struct neurons_shape *shape = k->shape;
    const size_t n_words = neurons_n_words(shape);
    size_t n = 0;
    for (size_t d = 0; d < n_docs; d++) {
        n += count_before(&k->docs[first + d]) + k->docs[first + d].n;
    }
    u->docs = room(n_docs, sizeof *u->docs);
    u->ids = room(n, sizeof *u->ids);
    u->ends = room(n, sizeof *u->ends);
    u->pos = room(n, sizeof *u->pos);
    u->labels = room(n * n_words, sizeof *u->labels);
    u->gave_up = room(n_docs * n_words, sizeof *u->gave_up);
    u->sets = room(neurons_n_sets(shape), sizeof *u->sets);
    u->acts = room(shape->n_layers, sizeof *u->acts);
    for (size_t l = 0; l < shape->n_layers; l++) {
        u->acts[l] = room(n * shape->layers[l].n, sizeof *u->acts[l]);
    }
    u->said = (struct unit_labels){.n_hypotheses = shape->n_hypotheses,
                                   .sets = u->sets,
                                   .words = u->labels,
                                   .gave_up = u->gave_up};
    u->view = (struct unit_tokens){.shard = k->docs[first].shard,
                                   .n = n,
                                   .ids = u->ids,
                                   .ends = k->texts ? u->ends : NULL,
                                   .pos = u->pos,
                                   .docs = u->docs,
                                   .n_docs = n_docs,
                                   .labels = shape->n_hypotheses > 0 ? &u->said : NULL};
    size_t at = 0;
    for (size_t i = 0; i < n_docs; i++) {
        const struct kit_doc *d = &k->docs[first + i];
        put_doc(u, k, d, at);
        at += count_before(d);
        u->docs[i] =
            (struct unit_tokens_doc){.number = d->number, .begin = at, .n = d->n, .test = d->test};
        memcpy(u->gave_up + i * n_words, d->gave_up, n_words * sizeof *d->gave_up);
        at += d->n;
    }
    fill_sets(u, k, k->docs + first);
}

static void unit_free(struct unit *u, const struct kit *k)
{
    for (size_t h = 0; h < 2 * k->shape->n_hypotheses; h++) {
        void *at;
        memcpy(&at, &u->sets[1 + h].at, sizeof at); // ours
        free(at);
    }
    for (size_t l = 0; l < k->shape->n_layers; l++) {
        free(u->acts[l]);
    }
    free(u->docs);
    free(u->ids);
    free(u->ends);
    free(u->pos);
    free(u->labels);
    free(u->gave_up);
    free(u->sets);
    free(u->acts);
}

/* Hands over up to 'most' windows of a layer from token 'begin' on; returns the token after. */
static size_t give_block(struct unit_neurons *p, const struct kit *k, const struct unit *u,
                         size_t layer, size_t begin, size_t most)
{
    const size_t n = k->shape->layers[layer].n;
    size_t *lengths = room(u->view.n, sizeof *lengths), n_windows = 0, end = begin;
    float *acts = room((2 * u->view.n) * n, sizeof *acts), *row = acts;
    while (end < u->view.n && n_windows < most) {
        size_t next = end + 1;
        while (next < u->view.n && u->pos[next] != 1) {
            next++;
        }
        for (size_t i = 0; i < n; i++) {
            *row++ = 888; // of BOS
        }
        memcpy(row, u->acts[layer] + end * n, (next - end) * n * sizeof *row);
        row += (next - end) * n;
        lengths[n_windows++] = next - end;
        end = next;
    }
    assert_int_equal(unit_neurons_block(p, layer, begin, lengths, n_windows, acts, NULL), 0);
    free(lengths);
    free(acts);
    return end;
}

/* random: NULL for all windows at once. */
static void run_unit(struct unit_neurons *p, const struct kit *k, size_t first, size_t n_docs,
                     const struct unit_neurons_cutoffs *cutoffs, uint64_t *random)
{
    struct unit u = {0};
    unit_make(&u, k, first, n_docs);
    assert_int_equal(unit_neurons_begin(p, &u.view, cutoffs, NULL), 0);
    for (size_t layer = 0; layer < k->shape->n_layers; layer++) {
        for (size_t at = 0; at < u.view.n;) {
            at = give_block(p, k, &u, layer, at, random ? 1 + kit_random(random, 9) : SIZE_MAX);
        }
    }
    assert_int_equal(unit_neurons_end(p, NULL), 0);
    unit_free(&u, k);
}

static size_t shard_end(const struct kit *k, size_t first)
{
    size_t end = first;
    while (end < k->n && k->docs[end].shard == k->docs[first].shard) {
        end++;
    }
    return end;
}

struct neurons *kit_whole(const struct kit *k)
{
    struct neurons *whole;
    struct unit_neurons *p;
    assert_int_equal(neurons_new(&whole, k->shape, NULL), 0);
    assert_int_equal(unit_neurons_new(&p, k->shape, NULL), 0);
    for (size_t first = 0, end; first < k->n; first = end) {
        end = shard_end(k, first);
        run_unit(p, k, first, end - first, NULL, NULL);
        assert_int_equal(neurons_add(whole, p, NULL), 0);
    }
    unit_neurons_free(p);
    return whole;
}

struct neurons *kit_anyhow(const struct kit *k, uint64_t *random)
{
    enum { WHOLES = 4 };
    struct neurons *wholes[WHOLES];
    struct unit_neurons *p;
    struct unit_neurons_cutoffs *cutoffs;
    size_t n = 1 + kit_random(random, WHOLES);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(neurons_new(&wholes[i], k->shape, NULL), 0);
    }
    assert_int_equal(unit_neurons_new(&p, k->shape, NULL), 0);
    assert_int_equal(unit_neurons_cutoffs_new(&cutoffs, k->shape, NULL), 0);
    for (size_t first = 0, end; first < k->n; first = end) {
        const size_t most = 1 + kit_random(random, 25);
        end = shard_end(k, first);
        end = end - first > most ? first + most : end;
        struct neurons **to = &wholes[kit_random(random, n)];
        const bool cut = kit_random(random, 2);
        unit_neurons_cutoffs_of(cutoffs,
                                wholes[kit_random(random, n)]); // any of what will be merged
        run_unit(p, k, first, end - first, cut ? cutoffs : NULL, random);
        assert_int_equal(neurons_add(*to, p, NULL), 0);
        if (kit_random(random, 8) == 0) {
            struct neurons *again = kit_reload(*to);
            neurons_free(*to);
            *to = again;
        }
    }
    for (; n > 1; n--) {
        const size_t from = kit_random(random, n), to = (from + 1) % n;
        assert_int_equal(neurons_merge(wholes[to], wholes[from], NULL), 0);
        neurons_free(wholes[from]);
        wholes[from] = wholes[n - 1];
    }
    unit_neurons_cutoffs_free(cutoffs);
    unit_neurons_free(p);
    return wholes[0];
}

struct buf kit_save(const struct neurons *n, size_t piece)
{
    struct buf bytes = {0};
    assert_int_equal(neurons_save(n, piece, &bytes, NULL), 0);
    return bytes;
}

struct neurons *kit_reload(const struct neurons *n)
{
    struct neurons *again;
    assert_int_equal(neurons_new(&again, n->shape, NULL), 0);
    for (size_t piece = 0; piece <= n->shape->n_layers; piece++) {
        struct buf bytes = kit_save(n, piece);
        struct err err = {0};
        if (neurons_load(again, piece, bytes.data, bytes.len, &err)) {
            fail_msg("%s", err.msg);
        }
        struct buf twice = kit_save(again, piece);
        assert_int_equal(twice.len, bytes.len);
        assert_memory_equal(twice.data, bytes.data, bytes.len);
        buf_free(&bytes);
        buf_free(&twice);
    }
    return again;
}
