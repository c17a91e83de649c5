#include "tests/kit/ngrams_kit.h"

#include "corpora/base/file.h"
#include "tests/kit/folder.h"

uint64_t kit_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

struct kit_corpus *kit_random_corpus(uint32_t d_vocab, size_t n_docs, uint64_t seed)
{
    struct kit_corpus *c = calloc(1, sizeof *c);
    *c = (struct kit_corpus){.d_vocab = d_vocab, .n_docs = n_docs};
    for (size_t d = 0; d < n_docs; d++) {
        c->docs[d].n = d % 7 == 3 ? d % 3 : kit_random(&seed) % KIT_DOC_MAX;
        for (size_t i = 0; i < c->docs[d].n; i++) {
            const uint64_t r = kit_random(&seed);
            c->docs[d].ids[i] = (uint32_t)(d % 9 == 2 ? 1 : r % (1 + r / 100 % d_vocab));
        }
    }
    return c;
}

char *kit_path(const char *name)
{
    return folder_path(name);
}

const char *kit_folder(void)
{
    return folder;
}

int kit_make_folder(void **state)
{
    return make_folder(state);
}

int kit_remove_folder(void **state)
{
    return remove_folder(state);
}

struct ngrams_info kit_info(const struct kit_corpus *c, const struct kit_how *how,
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

void kit_write_run(const struct kit_corpus *c, const struct kit_how *how, size_t from, size_t to,
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
    must(ngrams_keys_write(keys, &about, kit_path(name), &err), &err);
    must(ngrams_run_open(run, kit_path(name), &err), &err);
    assert_int_equal(run->info.n_units, about.n_units);
    ngrams_keys_free(keys);
}

void kit_make_file(const struct kit_corpus *c, const struct kit_how *how, const char *name)
{
    struct ngrams_run runs[80];
    struct ngrams_shard shard;
    struct ngrams_info info = kit_info(c, how, &shard), made;
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
        kit_write_run(c, how, from, to, &runs[n++], &info, bits);
    }
    const struct ngrams_build b = {.info = info,
                                   .units = bits,
                                   .runs = runs,
                                   .n_runs = n,
                                   .folder = folder,
                                   .n_threads = how->n_threads ? how->n_threads : 1,
                                   .memory_bytes = how->memory_bytes};
    must(ngrams_build(&b, kit_path(name), &stopped, &made, &err), &err);
    assert_false(stopped);
    for (size_t i = 0; i < n; i++) {
        ngrams_run_close(&runs[i]);
    }
}

void kit_merge_files(const struct kit_corpus *c, const char *const *names, size_t n,
                     const struct kit_how *how, const char *name)
{
    struct ngrams *parts[4];
    struct ngrams_shard shard;
    struct ngrams_info info = kit_info(c, how, &shard), made;
    uint64_t bits[2] = {0};
    bool stopped;
    struct err err = {0};
    for (size_t i = 0; i < n; i++) {
        must(ngrams_open(&parts[i], kit_path(names[i]), &err), &err);
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
    must(ngrams_build(&b, kit_path(name), &stopped, &made, &err), &err);
    for (size_t i = 0; i < n; i++) {
        ngrams_close(parts[i]);
    }
}

void kit_expect_same_bytes(const char *one, const char *other)
{
    struct buf a = {0}, b = {0};
    assert_int_equal(file_read(kit_path(one), 1 << 28, &a, NULL), 0);
    assert_int_equal(file_read(kit_path(other), 1 << 28, &b, NULL), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
}

struct ngrams *kit_open(const char *name)
{
    struct ngrams *n = NULL;
    struct err err = {0};
    must(ngrams_open(&n, kit_path(name), &err), &err);
    return n;
}
