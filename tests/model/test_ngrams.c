/*
 * Counts: what a file says against dense tables, however it was put together; that nothing damaged
 * or hostile is read; and a leave-one-out by hand.
 */
#include "tests/kit/folder.h"
#include "tests/kit/golden.h"

#include <math.h>

#include "corpora/base/file.h"
#include "model/counts/countmodel.h"
#include "model/counts/ngrams_build.h"
#include "tests/kit/ngrams_sign.h"

// --- corpora and files --------------------------------------------------------------------------

#define DOC_MAX 400

struct corpus {
    uint32_t d_vocab;
    size_t n_docs;
    struct {
        size_t n;
        uint32_t ids[DOC_MAX]; // behind a first of 0
    } docs[80];
};

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Documents of which some are empty, some all of one token. */
static struct corpus *random_corpus(uint32_t d_vocab, size_t n_docs, uint64_t seed)
{
    struct corpus *c = calloc(1, sizeof *c);
    *c = (struct corpus){.d_vocab = d_vocab, .n_docs = n_docs};
    for (size_t d = 0; d < n_docs; d++) {
        c->docs[d].n = d % 7 == 3 ? d % 3 : next_random(&seed) % DOC_MAX;
        for (size_t i = 0; i < c->docs[d].n; i++) {
            const uint64_t r = next_random(&seed);
            c->docs[d].ids[i] = (uint32_t)(d % 9 == 2 ? 1 : r % (1 + r / 100 % d_vocab));
        }
    }
    return c;
}

static char *path_of(const char *name)
{
    static char paths[4][96];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void must(int rc, const struct err *err)
{
    if (rc) {
        fail_msg("%s", err->msg);
    }
}

/* How a file is made. */
struct how {
    size_t docs_a_run;
    bool backwards;
    size_t part, n_parts; // documents with number % n_parts == part; 0: all
    size_t n_threads, memory_bytes;
    uint64_t min_count;
};

static struct ngrams_info info_of(const struct corpus *c, const struct how *how,
                                  struct ngrams_shard *shard)
{
    static char name[] = "a.zst";
    *shard = (struct ngrams_shard){.bytes = 123, .hash = 456, .name = name};
    return (struct ngrams_info){.d_vocab = c->d_vocab,
                                .tokenizer = 77,
                                .n_units = c->n_docs,
                                .min_count = how->min_count ? how->min_count : 1,
                                .shards = shard,
                                .n_shards = 1};
}

/* Documents [from, to) that are in the part, as run 'number'; a document is a unit. */
static void write_run(const struct corpus *c, const struct how *how, size_t from, size_t to,
                      struct ngrams_run *run, struct ngrams_info *info, uint64_t *bits)
{
    struct ngrams_keys *keys = NULL;
    struct err err = {0};
    uint64_t units[80];
    struct ngrams_run_info about = {.units = units};
    char name[32];
    must(ngrams_keys_new(&keys, c->d_vocab, 10, &err), &err);
    for (size_t d = from; d < to; d++) {
        if (how->n_parts && d % how->n_parts != how->part) {
            continue;
        }
        must(ngrams_keys_add(keys, 0, c->docs[d].ids, c->docs[d].n, &err), &err);
        info->tokens += c->docs[d].n;
        info->docs++;
        bits[d / 64] |= UINT64_C(1) << d % 64;
        units[about.n_units++] = d;
    }
    info->n_units_done += about.n_units;
    snprintf(name, sizeof name, "run%zu", from);
    must(ngrams_keys_write(keys, &about, path_of(name), &err), &err);
    must(ngrams_run_open(run, path_of(name), &err), &err);
    assert_int_equal(run->info.n_units, about.n_units);
    ngrams_keys_free(keys);
}

static void make_file(const struct corpus *c, const struct how *how, const char *name)
{
    struct ngrams_run runs[80];
    struct ngrams_shard shard;
    struct ngrams_info info = info_of(c, how, &shard), made;
    uint64_t bits[2] = {0};
    size_t n = 0;
    bool stopped;
    struct err err = {0};
    const size_t step = how->docs_a_run ? how->docs_a_run : c->n_docs;
    for (size_t d = 0; d < c->n_docs; d += step) {
        const size_t from =
            how->backwards ? c->n_docs - d - (c->n_docs - d < step ? c->n_docs - d : step) : d;
        const size_t to =
            how->backwards ? c->n_docs - d : (d + step < c->n_docs ? d + step : c->n_docs);
        write_run(c, how, from, to, &runs[n++], &info, bits);
    }
    const struct ngrams_build b = {.info = info,
                                   .units = bits,
                                   .runs = runs,
                                   .n_runs = n,
                                   .folder = folder,
                                   .n_threads = how->n_threads ? how->n_threads : 1,
                                   .memory_bytes = how->memory_bytes};
    must(ngrams_build(&b, path_of(name), &stopped, &made, &err), &err);
    assert_false(stopped);
    for (size_t i = 0; i < n; i++) {
        ngrams_run_close(&runs[i]);
    }
}

static void merge_files(const struct corpus *c, const char *const *names, size_t n,
                        const struct how *how, const char *name)
{
    struct ngrams *parts[4];
    struct ngrams_shard shard;
    struct ngrams_info info = info_of(c, how, &shard), made;
    uint64_t bits[2] = {0};
    bool stopped;
    struct err err = {0};
    for (size_t i = 0; i < n; i++) {
        must(ngrams_open(&parts[i], path_of(names[i]), &err), &err);
        const struct ngrams_info *p = ngrams_info(parts[i]);
        info.tokens += p->tokens;
        info.docs += p->docs;
        info.n_units_done += p->n_units_done;
        for (uint64_t d = 0; d < p->n_units; d++) {
            bits[d / 64] |= (uint64_t)ngrams_has_unit(parts[i], d) << d % 64;
        }
    }
    const struct ngrams_build b = {.info = info,
                                   .units = bits,
                                   .parts = (const struct ngrams *const *)parts,
                                   .n_parts = n,
                                   .folder = folder,
                                   .n_threads = 2,
                                   .memory_bytes = 1 << 20};
    must(ngrams_build(&b, path_of(name), &stopped, &made, &err), &err);
    for (size_t i = 0; i < n; i++) {
        ngrams_close(parts[i]);
    }
}

static void expect_same_bytes(const char *one, const char *other)
{
    struct buf a = {0}, b = {0};
    assert_int_equal(file_read(path_of(one), 1 << 28, &a, NULL), 0);
    assert_int_equal(file_read(path_of(other), 1 << 28, &b, NULL), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
}

static struct ngrams *open_file(const char *name)
{
    struct ngrams *n = NULL;
    struct err err = {0};
    must(ngrams_open(&n, path_of(name), &err), &err);
    return n;
}

// --- sorting ------------------------------------------------------------------------------------

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void keys_are_sorted_whatever_their_bits(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint64_t seed = 5, keys[N], other[N], wanted[N];
    for (unsigned bits = 1; bits <= 60; bits++) {
        const size_t n = bits % 10 == 0 ? bits / 10 - 1 : N;
        for (size_t i = 0; i < n; i++) {
            const uint64_t r = next_random(&seed) << 31 ^ next_random(&seed);
            wanted[i] = keys[i] = r & ((UINT64_C(1) << bits) - 1);
        }
        qsort(wanted, n, sizeof *wanted, by_value);
        ngrams_sort(keys, other, n, bits);
        assert_memory_equal(keys, wanted, n * sizeof *keys);
    }
}

// --- against dense tables -----------------------------------------------------------------------

#define V 9u

struct dense {
    uint64_t bigrams[V][V], trigrams[V][V][V], skips[NGRAMS_SKIPS][V][V], left[V][V], words[V];
};

static void count_densely(struct dense *t, const struct corpus *c)
{
    memset(t, 0, sizeof *t);
    for (size_t d = 0; d < c->n_docs; d++) {
        uint32_t all[DOC_MAX + 1] = {0};
        memcpy(all + 1, c->docs[d].ids, c->docs[d].n * sizeof *all);
        for (size_t i = 1; i <= c->docs[d].n; i++) {
            t->words[all[i]]++;
            t->bigrams[all[i - 1]][all[i]]++;
            if (i >= 2) {
                t->left[all[i - 1]][all[i]] += t->trigrams[all[i - 2]][all[i - 1]][all[i]]++ == 0;
            }
            for (size_t far = 2; far <= 16 && far <= i; far++) {
                const size_t kind = far == 2 ? 0 : far <= 4 ? 1 : far <= 8 ? 2 : 3;
                t->skips[kind][all[i - far]][all[i]]++;
            }
        }
    }
}

static struct ngrams_context context_of(const uint64_t *counts)
{
    struct ngrams_context c = {0};
    for (size_t i = 0; i < V; i++) {
        c.total += counts[i];
        c.n[0] += counts[i] == 1;
        c.n[1] += counts[i] == 2;
        c.n[2] += counts[i] >= 3;
    }
    return c;
}

static void add_cofc(uint64_t cofc[4], uint64_t count)
{
    if (count >= 1 && count <= 4) {
        cofc[count - 1]++;
    }
}

static void expect_context(const struct ngrams_context *got, struct ngrams_context wanted)
{
    assert_memory_equal(got, &wanted, sizeof wanted);
}

static void expect_dense(const struct ngrams *n, const struct dense *t, uint64_t min_count)
{
    const unsigned bits = ngrams_bits(V);
    uint64_t cofc[NGRAMS_COFC][4] = {0};
    for (uint32_t b = 0; b < V; b++) {
        const struct ngrams_word *w = ngrams_word(n, b);
        uint64_t left = 0;
        assert_int_equal(w->count, t->words[b]);
        expect_context(&w->after, context_of(t->bigrams[b]));
        expect_context(&w->left_after, context_of(t->left[b]));
        for (uint32_t c = 0; c < V; c++) {
            const struct ngrams_bigram bigram = ngrams_bigram(n, ngrams_key2(bits, b, c));
            assert_int_equal(bigram.count, t->bigrams[b][c]);
            assert_int_equal(bigram.left, t->left[b][c]);
            expect_context(&bigram.after, context_of(t->trigrams[b][c]));
            left += t->bigrams[c][b] > 0;
            add_cofc(cofc[NGRAMS_BIGRAMS], bigram.count);
            add_cofc(cofc[NGRAMS_LEFT_2], bigram.left);
            for (uint32_t k = 0; k < V; k++) {
                const uint64_t count = t->trigrams[b][c][k];
                assert_int_equal(ngrams_count(n, NGRAMS_TRIGRAMS, ngrams_key3(bits, b, c, k)),
                                 count < min_count ? 0 : count);
                add_cofc(cofc[NGRAMS_TRIGRAMS], count);
            }
        }
        assert_int_equal(w->left, left);
        add_cofc(cofc[NGRAMS_LEFT_1], left);
        for (unsigned s = 0; s < NGRAMS_SKIPS; s++) {
            expect_context(&w->skip[s], context_of(t->skips[s][b]));
            for (uint32_t c = 0; c < V; c++) {
                const uint64_t count = t->skips[s][b][c];
                assert_int_equal(ngrams_count(n, NGRAMS_SKIP + s, ngrams_key2(bits, b, c)),
                                 count < min_count ? 0 : count);
                add_cofc(cofc[NGRAMS_SKIP + s], count);
            }
        }
    }
    assert_memory_equal(cofc, ngrams_info(n)->cofc, sizeof cofc);
}

static void counts_are_those_of_dense_tables(void **state)
{
    (void)state;
    struct dense *t = malloc(sizeof *t);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct corpus *c = random_corpus(V, seed == 1 ? 0 : seed == 2 ? 1 : 10 * seed, seed);
        count_densely(t, c);
        for (uint64_t least = 1; least <= 2; least++) {
            make_file(c, &(struct how){.docs_a_run = 3, .min_count = least}, "dense");
            struct ngrams *n = open_file("dense");
            expect_dense(n, t, least);
            assert_string_equal(ngrams_info(n)->shards[0].name, "a.zst");
            assert_int_equal(ngrams_info(n)->shards[0].hash, 456);
            assert_int_equal(ngrams_info(n)->docs, c->n_docs);
            assert_int_equal(ngrams_info(n)->tokenizer, 77);
            ngrams_close(n);
        }
        free(c);
    }
    free(t);
}

static void small_counts_by_hand(void **state)
{
    (void)state;
    struct corpus *c = calloc(1, sizeof *c);
    *c = (struct corpus){.d_vocab = 5, .n_docs = 1, .docs = {{.n = 5, .ids = {1, 2, 1, 2, 3}}}};
    make_file(c, &(struct how){0}, "hand");
    struct ngrams *n = open_file("hand");
    const struct ngrams_bigram b = ngrams_bigram(n, ngrams_key2(3, 1, 2));
    assert_int_equal(b.count, 2);
    assert_int_equal(b.after.total, 2); // 1 2 1 and 1 2 3
    assert_int_equal(b.after.n[0], 2);
    assert_int_equal(b.left, 2); // BOS 1 2 and 2 1 2
    assert_int_equal(ngrams_word(n, 1)->left, 2);
    assert_int_equal(ngrams_word(n, 2)->count, 2);
    assert_int_equal(ngrams_word(n, 0)->count, 0); // BOS is never predicted
    assert_int_equal(ngrams_count(n, NGRAMS_TRIGRAMS, ngrams_key3(3, 0, 1, 2)), 1);
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP, ngrams_key2(3, 1, 3)), 1);     // 2 apart
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 1, ngrams_key2(3, 0, 2)), 1); // 4
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 1, ngrams_key2(3, 1, 3)), 1); // 4
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 2, ngrams_key2(3, 0, 3)), 1); // 5
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 3, ngrams_key2(3, 0, 3)), 0);
    ngrams_close(n);
    free(c);
}

// --- however it is put together -----------------------------------------------------------------

static void runs_and_threads_make_no_difference(void **state)
{
    (void)state;
    struct corpus *c = random_corpus(40, 70, 3); // more trigrams than are sorted at once
    make_file(c, &(struct how){0}, "whole");
    const struct how hows[] = {{.docs_a_run = 1},
                               {.docs_a_run = 7, .backwards = true, .n_threads = 2},
                               {.docs_a_run = 30, .n_threads = 9, .memory_bytes = 1 << 30}};
    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        make_file(c, &hows[i], "other");
        expect_same_bytes("whole", "other");
    }
    free(c);
}

static void parts_make_the_whole_in_any_order(void **state)
{
    (void)state;
    struct corpus *c = random_corpus(40, 50, 4);
    const char *const names[] = {"part0", "part1", "part2", "part0"};
    make_file(c, &(struct how){0}, "whole");
    make_file(c, &(struct how){.min_count = 2}, "few");
    for (size_t p = 0; p < 3; p++) {
        make_file(c, &(struct how){.part = p, .n_parts = 3, .docs_a_run = 9}, names[p]);
    }
    merge_files(c, names, 3, &(struct how){0}, "merged");
    expect_same_bytes("whole", "merged");
    merge_files(c, names + 1, 3, &(struct how){0}, "merged");
    expect_same_bytes("whole", "merged");
    merge_files(c, names + 1, 2, &(struct how){0}, "two");
    const char *const last[] = {"two", "part0"};
    merge_files(c, last, 2, &(struct how){0}, "merged");
    expect_same_bytes("whole", "merged");
    merge_files(c, last, 2, &(struct how){.min_count = 2}, "merged");
    expect_same_bytes("few", "merged");
    free(c);
}

static void a_build_that_is_stopped_writes_nothing(void **state)
{
    (void)state;
    struct corpus *c = random_corpus(9, 5, 9);
    struct ngrams_run run;
    struct ngrams_shard shard;
    const struct how how = {0};
    struct ngrams_info info = info_of(c, &how, &shard), made;
    uint64_t bits[2] = {0};
    const atomic_int stop = 1;
    bool stopped = false;
    write_run(c, &how, 0, 5, &run, &info, bits);
    const struct ngrams_build b = {.info = info,
                                   .units = bits,
                                   .runs = &run,
                                   .n_runs = 1,
                                   .folder = folder,
                                   .n_threads = 2,
                                   .stop = &stop};
    assert_int_equal(ngrams_build(&b, path_of("stopped"), &stopped, &made, NULL), 0);
    assert_true(stopped);
    assert_false(file_is_regular(path_of("stopped")));
    ngrams_run_close(&run);
    free(c);
}

// --- damage -------------------------------------------------------------------------------------

static void read_file(const char *name, struct buf *out)
{
    out->len = 0;
    assert_int_equal(file_read(path_of(name), 1 << 28, out, NULL), 0);
}

/* Asks for everything that there is, and for what there is not. */
static void ask_all(const struct ngrams *n)
{
    const struct ngrams_info *info = ngrams_info(n);
    struct countmodel m;
    struct countmodel_ctx *r = NULL;
    const unsigned bits = ngrams_bits(info->d_vocab);
    const uint32_t v = info->d_vocab;
    const uint32_t ids[] = {1 % v, 2 % v, 1 % v, 2 % v, 3 % v, 0, v - 1, 1 % v};
    const struct count_text text = {.first = 0, .ids = ids};
    double *p = malloc(v * sizeof *p);
    for (unsigned t = 0; t < NGRAMS_TABLES; t++) {
        struct ngrams_cursor c;
        uint64_t before = 0, entries = 0;
        for (ngrams_seek(&c, n, t, 0); c.is; ngrams_next(&c), entries++) {
            assert_true(entries == 0 || c.key > before);
            before = c.key;
        }
        for (uint64_t key = 0; key < (uint64_t)1 << 3 * bits && key < 2000; key++) {
            ngrams_count(n, t, key * 7);
        }
        ngrams_count(n, t, UINT64_MAX);
    }
    for (int order = 0; order < 4; order++) {
        countmodel_init(&m, n, (enum count_order)order);
        assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
        for (int own = 0; own < 2; own++) {
            assert_int_equal(countmodel_ctx_document(r, 0, own ? ids : NULL, own ? 8 : 0, NULL), 0);
            for (size_t i = 0; i < 8; i++) {
                const double value = countmodel_ctx_score(r, &text, i);
                assert_true(value <= 0 && value > -1000);
            }
            if (count_order_sums((enum count_order)order)) {
                countmodel_ctx_look(r, &text, 5, p);
            }
        }
        countmodel_ctx_free(r);
    }
    free(p);
}

static void every_damaged_byte_is_refused(void **state)
{
    (void)state;
    struct corpus *c = random_corpus(5, 4, 6);
    struct buf bytes = {0};
    struct ngrams *n = NULL;
    make_file(c, &(struct how){0}, "good");
    read_file("good", &bytes);
    assert_int_equal(ngrams_parse(&n, bytes.data, bytes.len, NULL), 0);
    ask_all(n);
    ngrams_close(n);
    size_t refused = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        struct err err = {0};
        bytes.data[i] = (char)(bytes.data[i] ^ 1 << i % 8);
        if (ngrams_parse(&n, bytes.data, bytes.len, &err)) {
            refused++;
            assert_true(err.msg[0]);
        } else {
            ngrams_close(n);
        }
        bytes.data[i] = (char)(bytes.data[i] ^ 1 << i % 8);
    }
    // Zeros between sections, up to 7 before each, are in no sum.
    assert_true(bytes.len - refused <= 7 * NGRAMS_SECTIONS);
    struct err garbage = {0};
    assert_int_equal(buf_append(&bytes, "12345678", 8, NULL), 0);
    assert_int_equal(ngrams_parse(&n, bytes.data, bytes.len, &garbage), ERR_GARBAGE);
    bytes.len -= 8;
    for (size_t len = 0; len < bytes.len; len++) {
        struct err err = {0};
        char *cut = malloc(len ? len : 1); // of its own size, for ASan
        memcpy(cut, bytes.data, len);
        assert_true(ngrams_parse(&n, cut, len, &err) != 0);
        assert_true(err.msg[0]);
        free(cut);
    }
    buf_free(&bytes);
    free(c);
}

/* Whether it can be merged with a good one, or not, nothing breaks. */
static void merge_hostile(const struct ngrams *n, const struct ngrams *good)
{
    const struct ngrams *const parts[] = {n, good};
    struct ngrams_build b = {.info = *ngrams_info(good),
                             .units = (const uint64_t[]){0},
                             .parts = parts,
                             .n_parts = 2,
                             .folder = folder,
                             .n_threads = 1};
    struct ngrams_info made;
    bool stopped;
    struct err err = {0};
    b.info.n_units = b.info.n_units_done = 0;
    if (ngrams_build(&b, path_of("hostile"), &stopped, &made, &err)) {
        assert_true(err.msg[0]);
    }
}

static void what_lies_with_right_sums_is_refused_or_harmless(void **state)
{
    (void)state;
    struct corpus *c = random_corpus(5, 4, 6);
    struct buf bytes = {0};
    uint64_t seed = 1;
    size_t refused = 0, read = 0;
    make_file(c, &(struct how){0}, "good");
    read_file("good", &bytes);
    struct ngrams *good = open_file("good");
    char *copy = malloc(bytes.len);
    for (int i = 0; i < 6000; i++) {
        struct ngrams *n = NULL;
        memcpy(copy, bytes.data, bytes.len);
        for (int k = 0; k < 1 + i % 3; k++) {
            // more of the header, whose numbers are lengths and places
            const size_t at = next_random(&seed) % (i % 2 ? NGRAMS_HEADER : bytes.len);
            copy[at] = i % 5 ? (char)next_random(&seed) : (char)(copy[at] ^ 128);
        }
        ngrams_sign((unsigned char *)copy, bytes.len);
        struct err err = {0};
        if (ngrams_parse(&n, copy, bytes.len, &err)) {
            assert_true(err.msg[0]);
            refused++;
        } else {
            ask_all(n);
            if (read++ % 8 == 0) {
                merge_hostile(n, good);
            }
            ngrams_close(n);
        }
    }
    assert_true(refused > 500 && read > 500);
    ngrams_close(good);
    free(copy);
    buf_free(&bytes);
    free(c);
}

static void a_damaged_run_is_refused(void **state)
{
    (void)state;
    struct corpus *c = random_corpus(5, 4, 6);
    struct ngrams_run run;
    struct ngrams_shard shard;
    const struct how how = {0};
    struct ngrams_info info = info_of(c, &how, &shard);
    uint64_t bits[2] = {0};
    struct buf bytes = {0};
    write_run(c, &how, 0, 4, &run, &info, bits);
    ngrams_run_close(&run);
    read_file("run0", &bytes);
    for (size_t i = 0; i < bytes.len; i += 3) {
        const bool cut = i % 2;
        FILE *f = fopen(path_of("run"), "wb");
        bytes.data[i] = (char)(bytes.data[i] ^ 4);
        fwrite(bytes.data, 1, cut ? i : bytes.len, f);
        fclose(f);
        bytes.data[i] = (char)(bytes.data[i] ^ 4);
        assert_true(ngrams_run_open(&run, path_of("run"), NULL) != 0);
    }
    buf_free(&bytes);
    free(c);
}

// --- leaving a document out ---------------------------------------------------------------------

/* Of [0; 1 2] and [0; 1 3], the first left out; see the formulas in countmodel.h.
 *
 *   discounts, of both:  bigrams counted 2, 1, 1: Y = 1/2, D1 = 1 - 2 * 1/2 * 1/2 = 1/2
 *                        trigrams 1, 1; N(*BC) 1, 1; N(*C) 1, 1, 1: Y = 1, D1 = 1
 *   P1: N(*1) and N(*3) are left, each keeps 1 - 1: all is 1/4
 *   P2(1|0) = (1 - 1/2) / 1 + 1/2 * 1/4 = 5/8      P2(2|1) = 0 + 1/2 * 1/4 = 1/8
 *   P3(2|0,1) = 0 + 1 * (0 + 1 * 1/4) = 1/4
 *   P3(3|0,1) = (1 - 1) / 1 + 1 * ((1 - 1) / 1 + 1 * 1/4) = 1/4
 */
static void a_document_left_out_by_hand(void **state)
{
    (void)state;
    struct corpus *c = calloc(1, sizeof *c);
    *c = (struct corpus){
        .d_vocab = 4, .n_docs = 2, .docs = {{.n = 2, .ids = {1, 2}}, {.n = 2, .ids = {1, 3}}}};
    make_file(c, &(struct how){0}, "two");
    struct ngrams *n = open_file("two");
    const uint32_t other[] = {1, 3};
    const struct count_text own = {.ids = c->docs[0].ids}, others = {.ids = other};
    const double wanted[][3] = {{5. / 8, 1. / 8, 5. / 8}, {5. / 8, 1. / 4, 1. / 4}};
    for (int order = 0; order < 2; order++) {
        struct countmodel m;
        struct countmodel_ctx *r = NULL;
        countmodel_init(&m, n, order ? COUNT_TRIGRAM : COUNT_BIGRAM);
        assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
        assert_int_equal(countmodel_ctx_document(r, 0, c->docs[0].ids, 2, NULL), 0);
        assert_float_equal(exp(countmodel_ctx_score(r, &own, 0)), wanted[order][0], 1e-12);
        assert_float_equal(exp(countmodel_ctx_score(r, &own, 1)), wanted[order][1], 1e-12);
        assert_float_equal(exp(countmodel_ctx_score(r, &others, 1)), wanted[order][2], 1e-12);
        countmodel_ctx_free(r);
    }
    ngrams_close(n);
    free(c);
}

/* All counts gone, all is 1 / d_vocab. */
static void the_only_document_left_out_leaves_nothing(void **state)
{
    (void)state;
    struct corpus *c = calloc(1, sizeof *c);
    *c = (struct corpus){.d_vocab = 8, .n_docs = 1, .docs = {{.n = 5, .ids = {1, 2, 1, 2, 3}}}};
    make_file(c, &(struct how){0}, "one");
    struct ngrams *n = open_file("one");
    const struct count_text text = {.ids = c->docs[0].ids};
    for (int order = 0; order < 4; order++) {
        struct countmodel m;
        struct countmodel_ctx *r = NULL;
        countmodel_init(&m, n, (enum count_order)order);
        assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
        const double all = countmodel_ctx_score(r, &text, 3);
        for (int again = 0; again < 3; again++) { // its memory is used again
            assert_int_equal(countmodel_ctx_document(r, 0, c->docs[0].ids, 5, NULL), 0);
            for (size_t i = 0; i < 5; i++) {
                assert_float_equal(exp(countmodel_ctx_score(r, &text, i)), 1. / 8, 1e-12);
            }
            assert_int_equal(countmodel_ctx_document(r, 0, NULL, 0, NULL), 0);
            assert_true(countmodel_ctx_score(r, &text, 3) == all);
        }
        countmodel_ctx_free(r);
    }
    ngrams_close(n);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sorted_whatever_their_bits),
        cmocka_unit_test(counts_are_those_of_dense_tables),
        cmocka_unit_test(small_counts_by_hand),
        cmocka_unit_test(runs_and_threads_make_no_difference),
        cmocka_unit_test(parts_make_the_whole_in_any_order),
        cmocka_unit_test(a_build_that_is_stopped_writes_nothing),
        cmocka_unit_test(every_damaged_byte_is_refused),
        cmocka_unit_test(what_lies_with_right_sums_is_refused_or_harmless),
        cmocka_unit_test(a_damaged_run_is_refused),
        cmocka_unit_test(a_document_left_out_by_hand),
        cmocka_unit_test(the_only_document_left_out_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
