#include "tests/kit/candidates_kit.h"

#include <math.h>

#include "tests/kit/folder.h"

/* Compares doubles; assert_float_equal() compares floats. */
void kit_expect_near(double got, double wanted, double by)
{
    if (!(fabs(got - wanted) <= by)) {
        fail_msg("%.17g, not %.17g", got, wanted);
    }
}

struct planted_text kit_planted;
struct ref_corpus kit_planted_corpus;

static struct planted_doc xor_docs[XOR_DOCS];
static uint32_t xor_ids[XOR_DOCS][3];
const struct ref_corpus kit_xor_corpus = {
    .d_vocab = 1 + XOR_IDS * XOR_GROUPS, .n_docs = XOR_DOCS, .docs = xor_docs};

const struct candidates_rule kit_xor_rule = {
    .count = XOR_TIMES, .high = 0.4, .low = 0.3, .most = 500};

static void make_xor(void)
{
    for (uint32_t d = 0; d < XOR_DOCS; d++) {
        const uint32_t first = 1 + XOR_IDS * (d % XOR_GROUPS), kind = d / XOR_GROUPS % 8;
        const uint32_t a = kind & 1, b = kind >> 1 & 1;
        xor_ids[d][0] = first + a;
        xor_ids[d][1] = first + 2 + b;
        xor_ids[d][2] = first + 4 + 2 * (a ^ b) + (kind >> 2);
        xor_docs[d] = (struct planted_doc){.n = 3, .ids = xor_ids[d]};
    }
}

const char *kit_folder(void)
{
    return folder;
}

const char *kit_path(const char *name)
{
    return folder_path(name);
}

void kit_make_file(const struct ref_corpus *c, size_t part, size_t n_parts, uint64_t min_count,
                   const char *name)
{
    static uint64_t units[KIT_DOCS_MAX];
    uint64_t bits[KIT_DOCS_MAX / 64 + 1] = {0};
    struct ngrams_keys *keys = NULL;
    struct ngrams_run run;
    struct ngrams_run_info about = {.units = units};
    struct ngrams_info made,
        info = {.d_vocab = c->d_vocab, .n_units = c->n_docs, .min_count = min_count};
    bool stopped;
    struct err err = {0};
    must(ngrams_keys_new(&keys, c->d_vocab, 10, &err), &err);
    for (size_t d = part; d < c->n_docs; d += n_parts) {
        must(ngrams_keys_add(keys, PLANTED_BOS, c->docs[d].ids, c->docs[d].n, &err), &err);
        info.tokens += c->docs[d].n;
        info.docs++;
        bits[d / 64] |= UINT64_C(1) << d % 64;
        units[about.n_units++] = d;
    }
    info.n_units_done = about.n_units;
    must(ngrams_keys_write(keys, &about, kit_path("run"), &err), &err);
    must(ngrams_run_open(&run, kit_path("run"), &err), &err);
    const struct ngrams_build b = {
        .info = info, .units = bits, .runs = &run, .n_runs = 1, .folder = folder, .n_threads = 1};
    must(ngrams_build(&b, kit_path(name), &stopped, &made, &err), &err);
    ngrams_run_close(&run);
    ngrams_keys_free(keys);
}

struct ngrams *kit_open(const char *name)
{
    struct ngrams *n = NULL;
    struct err err = {0};
    must(ngrams_open(&n, kit_path(name), &err), &err);
    return n;
}

struct candidates kit_find(const struct ngrams *n, const struct candidates_rule *rule)
{
    struct candidates c;
    struct err err = {0};
    must(candidates_find(&c, n, rule, &kit_bos, 1, NULL, &err), &err);
    return c;
}

int kit_make_files(void **state)
{
    if (make_folder(state)) {
        return -1;
    }
    planted_text_make(&kit_planted, 1);
    kit_planted_corpus = (struct ref_corpus){
        .d_vocab = PLANTED_VOCAB, .n_docs = PLANTED_DOCS, .docs = kit_planted.docs};
    make_xor();
    kit_make_file(&kit_planted_corpus, 0, 1, 1, "planted");
    kit_make_file(&kit_planted_corpus, 0, 1, 2, "few");
    kit_make_file(&kit_xor_corpus, 0, 1, 1, "xor");
    return 0;
}

int kit_remove_files(void **state)
{
    planted_text_free(&kit_planted);
    return remove_folder(state);
}
