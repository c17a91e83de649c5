/*
 * fuzz_seeds - writes the seeds of heads, run, shapes, tally, classes, compare, neurons, trigrams,
 * token_means, documents, skips and ngrams, which are bytes of our own
 *
 *     cmake --build --preset release --target fuzz_seeds && build/release/fuzz_seeds
 *
 * in the root of the sources.  y_ are loaded, n_ are refused.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "model/counts/ngrams_build.h"
#include "out/results/classes/classes.h"
#include "out/results/documents/documents.h"
#include "out/results/means/means.h"
#include "out/results/neurons/unit_neurons.h"
#include "out/results/token_means/token_means.h"
#include "tests/fuzz/fuzz_shapes.h"
#include "tests/fuzz/seeds.h"
#include "tests/kit/run_neurons.h"

// --- runs ---------------------------------------------------------------------------------------

static void write_run(const char *name, const struct run *r)
{
    struct buf bytes = {0};
    must(run_save(r, &bytes, NULL));
    write_seed("run", name, bytes.data, bytes.len);
    if (strcmp(name, "y_begun") == 0) {
        write_seed("run", "n_cut", bytes.data, 60);
    }
    buf_free(&bytes);
}

static void write_runs(void)
{
    static const char *const names[] = {"embed", "L0H0"};
    struct run r = sample_run_neurons();
    r.models[1].n_components = 2;
    r.models[1].components = calloc(2, sizeof *r.models[1].components);
    for (size_t i = 0; i < 2; i++) {
        r.models[1].components[i] = strdup(names[i]);
    }
    write_run("y_neurons", &r);
    run_free(&r);
    r = sample_run();
    r.models[2].changes = strdup("zero.L0H0");
    r.models[2].brief = r.pairs[1].brief = true;
    r.models[2].share_take = 1;
    r.models[2].share_of = 4;
    r.brief_top = 20;
    write_run("y_changed", &r);
    r.pairs[1].brief = false;
    write_run("n_changed", &r);
    run_free(&r);
    r = sample_run();
    write_run("y_begun", &r);
    must(run_set_done(&r, 12, NULL));
    write_run("y_some_done", &r);
    r.counted = true;
    r.n_units = 13;
    write_run("y_counted", &r);
    run_free(&r);
}

// --- shapes, and details ------------------------------------------------------------------------

enum { OF_NEURONS, OF_TRIGRAMS, OF_DETAILS, OF_MEANS }; // as fuzz_shapes.c has them

/* Its first byte says of what it is; most: of the bytes that follow. */
static void write_shape(const char *name, char which, const struct buf *bytes, size_t most)
{
    struct buf all = {0};
    must(buf_append(&all, &which, 1, NULL));
    must(buf_append(&all, bytes->data, bytes->len < most ? bytes->len : most, NULL));
    write_seed("shapes", name, all.data, all.len);
    buf_free(&all);
}

/* Makes the shape from a run whose neurons are as 'shape' says. */
static void write_neurons_shape(const char *name, const struct neurons_shape *shape, size_t most)
{
    struct buf bytes = {0};
    must(neurons_shape_save(shape, &bytes, NULL));
    write_shape(name, OF_NEURONS, &bytes, most);
    buf_free(&bytes);
}

/* A watched pair, and histograms of some of the neurons. */
static void write_neurons_shapes(const struct run *r)
{
    struct neurons_watch watch = {.neuron = 31, .hypothesis = 1};
    const struct neurons_ask ask = {
        .watches = &watch, .n_watches = 1, .examples = 20, .histograms = 3};
    struct neurons_shape *s = NULL;
    struct neurons_subset *subsets = calloc(6, sizeof *subsets);
    must(!subsets);
    must(neurons_shape_make(&s, r, &ask, NULL));
    write_neurons_shape("y_neurons", s, SIZE_MAX);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t *items = malloc(2 * sizeof *items);
        must(!items);
        items[0] = i / 2;
        items[1] = 4;
        subsets[i] = (struct neurons_subset){.items = items, .n = i == 5 ? 0 : 2};
    }
    neurons_shape_set_subsets(s, subsets);
    write_neurons_shape("y_neurons_chosen", s, SIZE_MAX);
    write_neurons_shape("n_neurons_cut", s, 100);
    watch.neuron = 32;
    struct neurons_shape wrong = *s;
    wrong.watches = &watch;
    write_neurons_shape("n_no_such_neuron", &wrong, SIZE_MAX);
    neurons_shape_set_effects(
        s, calloc(s->n * NEURONS_EFFECT_KINDS * NEURONS_EFFECTS, sizeof(struct neurons_effect)));
    must(!s->effects);
    write_neurons_shape("n_effects_cut", s, 1000);
    neurons_shape_free(s);
}

static void write_trigrams_shapes(struct run *r)
{
    static const struct trigram items[] = {
        {.a = 1,
         .b = 2,
         .c = 3,
         .count = 40,
         .count_ab = 50,
         .count_b = 700,
         .p = 0.75,
         .p_skip = {0.125, 0.25},
         .n_fillers = {2, 1},
         .fillers = {{7, 8}, {9}}},
        {.a = 2, .b = 2, .c = 1, .count = 11, .p = 0.5},
    };
    struct trigrams_shape *s = NULL;
    struct buf bytes = {0};
    must(trigrams_shape_of(&s, r, items, 2, NULL));
    must(trigrams_shape_save(s, &bytes, NULL));
    write_shape("y_trigrams", OF_TRIGRAMS, &bytes, SIZE_MAX);
    write_shape("n_trigrams_cut", OF_TRIGRAMS, &bytes, 300);
    trigrams_shape_free(s);
    struct trigram filler = items[0];
    filler.fillers[1][0] = 10; // the least vocabulary has ten tokens
    must(trigrams_shape_of(&s, r, &filler, 1, NULL));
    bytes.len = 0;
    must(trigrams_shape_save(s, &bytes, NULL));
    write_shape("n_no_such_filler", OF_TRIGRAMS, &bytes, SIZE_MAX);
    trigrams_shape_free(s);
    buf_free(&bytes);
}

static void write_details(void)
{
    struct hit_detail d, nothing = {0};
    struct buf bytes = {0};
    const char *domain = "code";
    must(fuzz_detail(&domain, 0, 5, &d, NULL));
    must(hit_detail_save(&d, &bytes, NULL));
    write_shape("y_detail", OF_DETAILS, &bytes, SIZE_MAX);
    write_shape("n_detail_cut", OF_DETAILS, &bytes, bytes.len - 9);
    bytes.len = 0;
    must(hit_detail_save(&nothing, &bytes, NULL));
    write_shape("y_detail_of_nothing", OF_DETAILS, &bytes, SIZE_MAX);
    buf_free(&bytes);
}

static void write_means(void)
{
    struct means_shape *s = NULL;
    struct buf bytes = {0};
    must(means_shape_new(&s, NULL));
    must(means_shape_add(s, 1, "L0H1", 4, NULL));
    must(means_shape_add(s, 2, "L0N3", 1, NULL));
    s->items[0].values[2] = -1.5f;
    s->docs = 31;
    must(means_collector.shape_save(s, &bytes, NULL));
    write_shape("y_means", OF_MEANS, &bytes, SIZE_MAX);
    write_shape("n_means_cut", OF_MEANS, &bytes, bytes.len - 8);
    s->items[1].model = 7;
    bytes.len = 0;
    must(means_collector.shape_save(s, &bytes, NULL));
    write_shape("n_means_of_no_model", OF_MEANS, &bytes, SIZE_MAX);
    means_shape_free(s);
    buf_free(&bytes);
}

static void write_shapes(void)
{
    write_means();
    struct run r = sample_run_neurons();
    write_neurons_shapes(&r);
    write_trigrams_shapes(&r);
    write_details();
    run_free(&r);
}

// --- tallies ------------------------------------------------------------------------------------

/* Turns a bit that matters to whoever reads it. */
static void damage(struct buf *bytes)
{
    struct tally *t;
    must(tally_new(&t, &fuzz_tally_shape, NULL));
    for (size_t at = bytes->len / 3;; at++) {
        bytes->data[at] ^= 0x40;
        if (tally_load(t, bytes->data, bytes->len, NULL)) {
            break;
        }
        tally_clear(t);
        bytes->data[at] ^= 0x40;
    }
    tally_free(t);
}

static void write_tally(const char *name, const struct tally *t)
{
    struct buf bytes = {0};
    must(tally_save(t, &bytes, NULL));
    write_seed("tally", name, bytes.data, bytes.len);
    if (strcmp(name, "y_more") == 0) {
        write_seed("tally", "n_cut", bytes.data, bytes.len / 2);
        damage(&bytes);
        write_seed("tally", "n_damaged", bytes.data, bytes.len);
    }
    buf_free(&bytes);
}

static void write_tallies(void)
{
    static const char *const domains[] = {"a", NULL, "b", "c"};
    struct tally *t;
    must(tally_new(&t, &fuzz_tally_shape, NULL));
    write_tally("y_empty", t);
    must(fuzz_add_document(t, 5, "a"));
    write_tally("y_one_document", t);
    for (uint64_t i = 0; i < 4; i++) {
        must(fuzz_add_document(t, 6 + i, domains[i]));
        tally_add_reject(t, 0, (unsigned)i / 2, 10 - i, 100, "a reason");
    }
    write_tally("y_more", t);
    tally_free(t);
}

// --- comparisons --------------------------------------------------------------------------------

static void write_comparison(const char *name, const struct compare *c, size_t most)
{
    struct buf bytes = {0};
    must(compare_save(c, &bytes, NULL));
    write_seed("compare", name, bytes.data, bytes.len < most ? bytes.len : most);
    buf_free(&bytes);
}

static void write_comparisons(void)
{
    static const char *const domains[] = {"a", NULL, "b"};
    static const struct compare_value values[4] = {
        {FIXED_ONE, 1000, true}, {FIXED_NONE, 0, false}, {5, -FIXED_ONE, false}};
    static const uint32_t at[1] = {1};
    const struct compare_labels labels = {.at = at, .n = 1};
    struct compare *c = NULL;
    must(compare_new(&c, &fuzz_compare_shape, NULL));
    write_comparison("y_empty", c, SIZE_MAX);
    for (size_t i = 0; i < 3; i++) {
        const struct compare_doc doc = {
            .domain = domains[i], .values = values + i / 2, .n = 2, .labels = &labels};
        must(compare_add(c, &doc, NULL));
    }
    write_comparison("y_documents", c, SIZE_MAX);
    write_comparison("n_cut", c, 700);
    const struct compare_domain first = c->domains[0];
    c->domains[0] = c->domains[1];
    c->domains[1] = first;
    write_comparison("n_order", c, SIZE_MAX);
    compare_free(c);
}

// --- neurons ------------------------------------------------------------------------------------

/* Which piece it is, and the piece. */
static void write_piece(const char *name, const struct neurons *n, size_t piece, size_t most)
{
    struct buf bytes = {0};
    const char which = (char)piece;
    must(buf_append(&bytes, &which, 1, NULL));
    must(neurons_save(n, piece, &bytes, NULL));
    write_seed("neurons", name, bytes.data, bytes.len < most ? bytes.len : most);
    buf_free(&bytes);
}

/* Two documents of two tokens in a window each; hypothesis 0 gave up on the second. */
static void add_unit(struct neurons *n)
{
    static const uint32_t ids[4] = {1, 2, 300, 4}, ends[4] = {1, 3, 2, 200};
    static const uint32_t pos[4] = {1, 2, 1, 2}, second[2] = {2, 3}, two[2] = {1, 2};
    static const struct unit_tokens_doc docs[2] = {{.number = 5, .n = 2, .test = true},
                                                   {.number = 300, .begin = 2, .n = 2}};
    static const struct unit_token_set sets[5] = {{0}, {two, 1}, {second, 2}, {two, 2}, {0}};
    static const uint64_t labels[4] = {0, 3, 2, 0}, gave_up[2] = {0, 1};
    static const float first[12] = {9, 9, 1, -2, 0.5f, 0, 9, 9, 3, 40, 0.001f, -0.1f};
    static const float last[6] = {9, 1, -1, 9, 2, 5000};
    static const size_t windows[2] = {2, 2};
    const struct unit_labels said = {
        .n_hypotheses = 2, .sets = sets, .words = labels, .gave_up = gave_up};
    const struct unit_tokens unit = {.shard = 1,
                                     .n = 4,
                                     .ids = ids,
                                     .ends = ends,
                                     .pos = pos,
                                     .docs = docs,
                                     .n_docs = 2,
                                     .labels = &said};
    struct unit_neurons *p;
    must(unit_neurons_new(&p, &fuzz_neurons_shape, NULL));
    must(unit_neurons_begin(p, &unit, NULL, NULL));
    must(unit_neurons_block(p, 0, 0, windows, 2, first, NULL));
    must(unit_neurons_block(p, 1, 0, windows, 2, last, NULL));
    must(unit_neurons_end(p, NULL));
    must(neurons_add(n, p, NULL));
    unit_neurons_free(p);
}

static void write_neurons(void)
{
    struct neurons *n;
    must(neurons_new(&n, &fuzz_neurons_shape, NULL));
    write_piece("y_empty", n, 0, SIZE_MAX);
    write_piece("y_empty_layer", n, 1, SIZE_MAX);
    add_unit(n);
    write_piece("y_common", n, 0, SIZE_MAX);
    write_piece("y_layer_0", n, 1, SIZE_MAX);
    write_piece("y_layer_1", n, 2, SIZE_MAX);
    write_piece("n_cut", n, 1, 200);
    neurons_free(n);
}

// --- trigrams -----------------------------------------------------------------------------------

static void write_trigrams_of(const char *name, const struct trigrams *t, size_t most)
{
    struct buf bytes = {0};
    must(trigrams_save(t, &bytes, NULL));
    write_seed("trigrams", name, bytes.data, bytes.len < most ? bytes.len : most);
    buf_free(&bytes);
}

/* Two documents: 1 2 3 2 and 1 2 1 | 2, each in its windows. */
static void add_places(struct trigrams *t)
{
    static const uint32_t ids[] = {1, 2, 3, 2, 1, 2, 1, 2}, pos[] = {1, 2, 3, 4, 1, 2, 3, 1};
    static const uint32_t ends[] = {1, 3, 4, 200};
    static const struct unit_tokens_doc docs[] = {{.n = 4, .first = 7}, {.begin = 4, .n = 4}};
    static const size_t windows[] = {4, 3, 1};
    static const float first[22] = {9, 9, 1, -2, 0.5f, 0, -3, 40, 0, 0, 9, 9, 1, 2000},
                       last[11] = {9, 1, -1, 5000, 2, 9, 0.25f};
    static const double base[] = {-1, -2, -0.5, -9, -0.125, -1, -3, -1},
                        other[] = {-1, -0.25, -0.25, -1, -1, -1, -0.5, -2};
    const struct unit_tokens unit = {.ids = ids, .pos = pos, .n = 8, .docs = docs, .n_docs = 2};
    must(trigrams_begin(t, &unit, NULL));
    trigrams_block(t, 0, 0, windows, 3, first);
    trigrams_block(t, 1, 0, windows, 3, last);
    for (size_t d = 0; d < 2; d++) {
        const double *const rows[] = {base + docs[d].begin, other + docs[d].begin};
        const struct tally_doc doc = {.number = 5 + 300 * d,
                                      .n = 4,
                                      .ids = ids + docs[d].begin,
                                      .ends = ends,
                                      .pos = pos + docs[d].begin,
                                      .logprob = rows};
        must(trigrams_add_doc(t, d, &doc, &fuzz_pair, fuzz_tally_shape.floor, NULL));
    }
}

static void write_trigrams(void)
{
    struct trigrams *t;
    must(trigrams_new(&t, fuzz_trigrams_shape(), NULL));
    write_trigrams_of("y_empty", t, SIZE_MAX);
    add_places(t);
    write_trigrams_of("y_places", t, SIZE_MAX);
    write_trigrams_of("n_cut", t, 150);
    t->items[0].places.items[0].before = 60; // of fewer tokens
    write_trigrams_of("n_example", t, SIZE_MAX);
    trigrams_free(t);
}

// --- counts -------------------------------------------------------------------------------------

static void write_counts(const char *name, uint64_t min_count)
{
    static const uint32_t ids[] = {1, 2, 1, 2, 3, 3, 3, 3, 3, 0, 1, 2, 4, 1, 2, 3, 0, 4, 1, 2, 1};
    static char shard_name[] = "a.jsonl.zst";
    struct ngrams_shard shard = {.bytes = 1, .hash = 2, .name = shard_name};
    struct ngrams_keys *keys = NULL;
    struct ngrams_run run;
    const uint64_t unit = 0, done = 1;
    const struct ngrams_run_info about = {.docs = 1, .units = &unit, .n_units = 1};
    char path[] = "/tmp/fuzz-seeds-XXXXXX", part[64], counts[64];
    struct buf bytes = {0};
    bool stopped;
    must(!mkdtemp(path));
    snprintf(part, sizeof part, "%s/run", path);
    snprintf(counts, sizeof counts, "%s/counts", path);
    must(ngrams_keys_new(&keys, 5, 10, NULL));
    must(ngrams_keys_add(keys, 0, ids, sizeof ids / sizeof *ids, NULL));
    must(ngrams_keys_write(keys, &about, part, NULL));
    must(ngrams_run_open(&run, part, NULL));
    struct ngrams_info made;
    const struct ngrams_build b = {.info = {.d_vocab = 5,
                                            .tokens = 21,
                                            .docs = 1,
                                            .n_units = 1,
                                            .n_units_done = 1,
                                            .min_count = min_count,
                                            .shards = &shard,
                                            .n_shards = 1},
                                   .units = &done,
                                   .runs = &run,
                                   .n_runs = 1,
                                   .folder = path,
                                   .n_threads = 1};
    must(ngrams_build(&b, counts, &stopped, &made, NULL));
    must(file_read(counts, 1 << 20, &bytes, NULL));
    write_seed("ngrams", name, bytes.data, bytes.len);
    if (min_count == 2) {
        write_seed("ngrams", "n_cut", bytes.data, bytes.len - 8);
        write_seed("ngrams", "n_header", bytes.data, NGRAMS_HEADER);
    }
    buf_free(&bytes);
    ngrams_run_close(&run);
    ngrams_keys_free(keys);
    must(remove(part) || remove(counts) || remove(path));
}

// --- means by token, documents ------------------------------------------------------------------

enum { OF_SHAPE, OF_WHOLE }; // as fuzz_token_means.c has them

static void write_token_seed(const char *name, char which, const struct buf *bytes, size_t most)
{
    struct buf all = {0};
    must(buf_append(&all, &which, 1, NULL));
    must(buf_append(&all, bytes->data, bytes->len < most ? bytes->len : most, NULL));
    write_seed("token_means", name, all.data, all.len);
    buf_free(&all);
}

static void write_token_means(void)
{
    static const uint64_t counts[16] = {0, 5, 0, 9, 1, 5};
    struct run r = sample_run_neurons();
    struct token_means_shape *s;
    struct token_means *m;
    struct buf bytes = {0};
    must(token_means_shape_new(&s, &r, 3, NULL));
    must(token_means_shape_save(s, &bytes, NULL));
    write_token_seed("y_not_chosen", OF_SHAPE, &bytes, SIZE_MAX);
    must(token_means_shape_choose(s, counts, NULL));
    bytes.len = 0;
    must(token_means_shape_save(s, &bytes, NULL));
    write_token_seed("y_chosen", OF_SHAPE, &bytes, SIZE_MAX);
    write_token_seed("n_shape_cut", OF_SHAPE, &bytes, 30);
    must(token_means_new(&m, s, NULL));
    for (size_t t = 0; t < 2; t++) {
        must(token_means_need(m, t, t == 1, NULL));
        m->rows[t].n = 7 + t;
        for (size_t i = 0; i < s->n; i++) {
            m->rows[t].sum[i] = ((__int128)i - 20) << (2 * i);
        }
    }
    m->rows[1].left_out[3] = 8;
    bytes.len = 0;
    must(token_means_save(m, 0, &bytes, NULL));
    write_token_seed("y_means", OF_WHOLE, &bytes, SIZE_MAX);
    write_token_seed("n_means_cut", OF_WHOLE, &bytes, 100);
    token_means_free(m);
    token_means_shape_free(s);
    buf_free(&bytes);
    run_free(&r);
}

static void write_documents(void)
{
    const struct documents_shape shape = {
        .most = 5, .n_models = 2, .n_pairs = 1, .n_shards = 3, .floor = -6};
    struct documents *d;
    struct document *x;
    struct buf bytes = {0};
    must(documents_new(&d, &shape, NULL));
    must(documents_save(d, 0, &bytes, NULL));
    write_seed("documents", "y_empty", bytes.data, bytes.len);
    for (uint64_t i = 0; i < 4; i++) {
        must(documents_append(d, &x, NULL));
        *x = (struct document){.hash = i / 2 * UINT64_C(0x9e3779b97f4a7c15),
                               .shard = i % 3,
                               .number = 100 * i,
                               .tokens = 3 * i,
                               .text_bytes = 11 * i};
        for (size_t k = 0; k < 3; k++) {
            x->sums[k] = (struct document_sum){.sum = -((__int128)i << (20 + k)), .n = i};
        }
    }
    bytes.len = 0;
    must(documents_save(d, 0, &bytes, NULL));
    write_seed("documents", "n_order", bytes.data, bytes.len);
    documents_sort(d);
    bytes.len = 0;
    must(documents_save(d, 0, &bytes, NULL));
    write_seed("documents", "y_documents", bytes.data, bytes.len);
    write_seed("documents", "n_cut", bytes.data, bytes.len / 2);
    documents_free(d);
    buf_free(&bytes);
}

static void write_classes(void)
{
    static const struct classes_shape shape = {
        .n_models = 1, .n_pairs = 1, .n_hypotheses = 1, .floor = -6};
    struct classes *c;
    struct buf bytes = {0};
    must(classes_new(&c, &shape, NULL));
    must(classes_save(c, &bytes, NULL));
    write_seed("classes", "y_empty", bytes.data, bytes.len);
    for (size_t i = 0; i < 3; i++) {
        moments_add(&classes_of(c, i)[2 * i], -5 * FIXED_ONE, 3);
        moments_add(&classes_of(c, i)[TOKEN_KINDS], (int64_t)i * FIXED_ONE, i);
    }
    bytes.len = 0;
    must(classes_save(c, &bytes, NULL));
    write_seed("classes", "y_some", bytes.data, bytes.len);
    write_seed("classes", "n_cut", bytes.data, bytes.len - 8);
    must(buf_append(&bytes, "12345678", 8, NULL));
    write_seed("classes", "n_more", bytes.data, bytes.len);
    classes_free(c);
    buf_free(&bytes);
}

int main(void)
{
    write_counts("y_all", 1);
    write_counts("y_min_count", 2);
    write_runs();
    write_shapes();
    write_tallies();
    write_comparisons();
    write_neurons();
    write_trigrams();
    seeds_of_heads();
    write_token_means();
    seeds_of_skips();
    write_documents();
    write_classes();
    return 0;
}
