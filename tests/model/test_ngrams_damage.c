/*
 * Damaged files of counts and damaged runs are refused, or, if their sums are right, harmless.
 */
#include "tests/kit/ngrams_kit.h"

#include <math.h>

#include "corpora/base/file.h"
#include "model/counts/countmodel.h"
#include "tests/kit/ngrams_sign.h"

static void read_file(const char *name, struct buf *out)
{
    out->len = 0;
    assert_int_equal(file_read(kit_path(name), 1 << 28, out, NULL), 0);
}

/* Asks for everything in the file, and for n-grams that are not in it. */
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
    struct kit_corpus *c = kit_random_corpus(5, 4, 6);
    struct buf bytes = {0};
    struct ngrams *n = NULL;
    kit_make_file(c, &(struct kit_how){0}, "good");
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
    // The sums do not cover the zeros between sections, up to 7 before each.
    assert_true(bytes.len - refused <= 7 * NGRAMS_SECTIONS);
    struct err garbage = {0};
    assert_int_equal(buf_append(&bytes, "12345678", 8, NULL), 0);
    assert_int_equal(ngrams_parse(&n, bytes.data, bytes.len, &garbage), ERR_GARBAGE);
    bytes.len -= 8;
    for (size_t len = 0; len < bytes.len; len++) {
        struct err err = {0};
        char *cut = malloc(len ? len : 1); // of the exact size, for ASan
        memcpy(cut, bytes.data, len);
        assert_true(ngrams_parse(&n, cut, len, &err) != 0);
        assert_true(err.msg[0]);
        free(cut);
    }
    buf_free(&bytes);
    free(c);
}

/* Merges the hostile file with a good one: this may succeed or fail, but must not crash. */
static void merge_hostile(const struct ngrams *n, const struct ngrams *good)
{
    const struct ngrams *const parts[] = {n, good};
    struct ngrams_build b = {.info = *ngrams_info(good),
                             .units = (const uint64_t[]){0},
                             .parts = parts,
                             .n_parts = 2,
                             .folder = kit_folder(),
                             .n_threads = 1};
    struct ngrams_info made;
    bool stopped;
    struct err err = {0};
    b.info.n_units = b.info.n_units_done = 0;
    if (ngrams_build(&b, kit_path("hostile"), &stopped, &made, &err)) {
        assert_true(err.msg[0]);
    }
}

static void what_lies_with_right_sums_is_refused_or_harmless(void **state)
{
    (void)state;
    struct kit_corpus *c = kit_random_corpus(5, 4, 6);
    struct buf bytes = {0};
    uint64_t seed = 1;
    size_t refused = 0, read = 0;
    kit_make_file(c, &(struct kit_how){0}, "good");
    read_file("good", &bytes);
    struct ngrams *good = kit_open("good");
    char *copy = malloc(bytes.len);
    for (int i = 0; i < 6000; i++) {
        struct ngrams *n = NULL;
        memcpy(copy, bytes.data, bytes.len);
        for (int k = 0; k < 1 + i % 3; k++) {
            // more of the header, whose numbers are lengths and places
            const size_t at = kit_random(&seed) % (i % 2 ? NGRAMS_HEADER : bytes.len);
            copy[at] = i % 5 ? (char)kit_random(&seed) : (char)(copy[at] ^ 128);
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
    struct kit_corpus *c = kit_random_corpus(5, 4, 6);
    struct ngrams_run run;
    struct ngrams_shard shard;
    const struct kit_how how = {0};
    struct ngrams_info info = kit_info(c, &how, &shard);
    uint64_t bits[2] = {0};
    struct buf bytes = {0};
    kit_write_run(c, &how, 0, 4, &run, &info, bits);
    ngrams_run_close(&run);
    read_file("run0", &bytes);
    for (size_t i = 0; i < bytes.len; i += 3) {
        const bool cut = i % 2;
        FILE *f = fopen(kit_path("run"), "wb");
        bytes.data[i] = (char)(bytes.data[i] ^ 4);
        fwrite(bytes.data, 1, cut ? i : bytes.len, f);
        fclose(f);
        bytes.data[i] = (char)(bytes.data[i] ^ 4);
        assert_true(ngrams_run_open(&run, kit_path("run"), NULL) != 0);
    }
    buf_free(&bytes);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_damaged_byte_is_refused),
        cmocka_unit_test(what_lies_with_right_sums_is_refused_or_harmless),
        cmocka_unit_test(a_damaged_run_is_refused),
    };
    return cmocka_run_group_tests(tests, kit_make_folder, kit_remove_folder);
}
