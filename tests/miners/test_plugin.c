/*
 * Shared objects as miners: one follows the interface, others break it.
 */
#include "tests/kit/miners_kit.h"

#include <stdio.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "miners/core/kinds.h"

/* PLUGINS is the folder that tests.cmake builds tests/plugins into. */
static void load(struct hypotheses *h, const char *file)
{
    char yaml[200];
    snprintf(yaml, sizeof yaml, "hypotheses:\n- {name: mine, plugin: %s}\n", file);
    kit_load(h, yaml, PLUGINS);
}

static void expect(struct labeller *l, const char *bars, const char *expected)
{
    struct tokens t;
    kit_doc(&t, bars);
    char *labels = kit_label(l, 0, &t);
    assert_string_equal(labels, expected);
    free(labels);
    kit_free(&t);
}

static void a_plugin_labels(void **state)
{
    (void)state;
    struct hypotheses h;
    struct labeller *l;
    load(&h, "./exclaim.so");
    assert_string_equal(h.items[0].kind->name, "plugin");
    assert_int_equal(labeller_new(&l, &h, NULL), 0);
    expect(l, "a|b!|!|c", "0110");
    expect(l, "skip|!", "gave up");
    expect(l, "b!", "1");
    expect(l, "", "");
    labeller_free(l);
    hypotheses_free(&h);
}

static void each_thread_has_a_state_of_its_own(void **state)
{
    (void)state;
    struct hypotheses h;
    struct labeller *a, *b;
    load(&h, "exclaim.so");
    assert_int_equal(labeller_new(&a, &h, NULL), 0);
    assert_int_equal(labeller_new(&b, &h, NULL), 0);
    expect(a, "count|.|.", "100");
    expect(a, "count|.|.", "010");
    expect(b, "count|.|.", "100");
    expect(a, "count|.|.", "001");
    labeller_free(a);
    labeller_free(b);
    hypotheses_free(&h);
}

static void the_spec_is_a_hash_of_the_file(void **state)
{
    (void)state;
    struct hypotheses a, b, c;
    load(&a, "exclaim.so");
    load(&b, PLUGINS "/exclaim.so");
    load(&c, "bad_fewer.so");
    assert_string_equal(a.items[0].spec, b.items[0].spec);
    assert_string_not_equal(a.items[0].spec, c.items[0].spec);
    assert_int_equal(strlen(a.items[0].spec), strlen("{\"plugin\":\"xxh3:0123456789abcdef\"}"));
    hypotheses_free(&a);
    hypotheses_free(&b);
    hypotheses_free(&c);
}

static void what_is_no_plugin_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"none.so", PLUGINS "/none.so: No such file or directory"},
        {"bad_symbol.so",
         PLUGINS "/bad_symbol.so: has no symbol gapscope_plugin; miners/kinds/plugin.h "
                 "says what a plugin is"},
        {"bad_version.so",
         PLUGINS "/bad_version.so: is for version 8 of the interface, this "
                 "gapscope has 1 to 2; compile it with this one's miners/kinds/plugin.h"},
        {"bad_no_label.so", PLUGINS "/bad_no_label.so: its gapscope_plugin has no label()"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hypotheses h = {0};
        struct err err = {0};
        char yaml[200], expected[1024];
        snprintf(yaml, sizeof yaml, "hypotheses:\n- {name: mine, plugin: %s}\n", cases[i].file);
        assert_int_not_equal(
            hypotheses_parse(&h, yaml, strlen(yaml), "h.yaml", PLUGINS, NULL, &err), 0);
        snprintf(expected, sizeof expected, "h.yaml: line 2, column 24: %s", cases[i].message);
        assert_string_equal(err.msg, expected);
        assert_int_equal(h.n, 0);
        hypotheses_free(&h);
    }
    struct miner m = {0};
    struct err err = {0};
    assert_int_not_equal(plugin_miner(&m, "tests/miners/test_plugin.c", &err), 0);
    assert_string_equal(err.msg,
                        "tests/miners/test_plugin.c: cannot be loaded: invalid ELF header");
}

/* Wherever it is cut: it is refused by name, or what is missing is no part of it. */
static void a_plugin_that_is_cut_short_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/gapscope-test-XXXXXX";
    struct buf whole = {0};
    assert_int_equal(file_read(PLUGINS "/exclaim.so", (size_t)1 << 24, &whole, NULL), 0);
    size_t n_refused = 0;
    for (size_t i = 0; i < 40; i++) {
        const size_t len = i < 4 ? 20 * i : whole.len * i / 40;
        struct miner m = {0};
        struct err err = {0};
        memcpy(path + sizeof path - 7, "XXXXXX", 6);
        const int fd = mkstemp(path); // each one anew: what is loaded stays mapped for a while
        assert_true(fd >= 0);
        assert_int_equal(write(fd, whole.data, len), len);
        close(fd);
        if (plugin_miner(&m, path, &err)) {
            assert_memory_equal(err.msg, path, strlen(path));
            assert_non_null(strstr(err.msg, ": cannot be loaded: "));
            n_refused++;
        } else {
            miner_free(&m);
        }
        unlink(path);
    }
    assert_true(n_refused >= 10);
    buf_free(&whole);
}

static void a_plugin_that_does_not_keep_to_the_interface_ends_the_run(void **state)
{
    (void)state;
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"bad_fewer.so", "hypothesis mine: the plugin labelled no token 2 of 3"},
        {"bad_value.so", "hypothesis mine: the plugin's label of token 0 of 3 is neither 0 nor 1"},
        {"bad_failed.so", "hypothesis mine: the plugin's label() returned 2: the run cannot go on"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hypotheses h;
        struct labeller *l;
        struct tokens t;
        struct err err = {0};
        enum miner_verdict verdict;
        uint8_t labels[3];
        load(&h, cases[i].file);
        assert_int_equal(labeller_new(&l, &h, NULL), 0);
        kit_doc(&t, i == 2 ? "a|b|cd" : "a|b|c");
        assert_int_not_equal(labeller_run(l, 0, &t, labels, &verdict, &err), 0);
        assert_string_equal(err.msg, cases[i].message);
        kit_free(&t);
        labeller_free(l);
        hypotheses_free(&h);
    }
}

static void a_state_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct hypotheses h;
    struct labeller *l = NULL;
    struct err err = {0};
    load(&h, "bad_state.so");
    assert_int_equal(labeller_new(&l, &h, &err), ERR_NOMEM);
    assert_string_equal(err.msg, "hypothesis mine: the plugin's state_new() failed");
    assert_null(l);
    hypotheses_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_labels),
        cmocka_unit_test(each_thread_has_a_state_of_its_own),
        cmocka_unit_test(the_spec_is_a_hash_of_the_file),
        cmocka_unit_test(what_is_no_plugin_is_refused),
        cmocka_unit_test(a_plugin_that_is_cut_short_is_refused),
        cmocka_unit_test(a_plugin_that_does_not_keep_to_the_interface_ends_the_run),
        cmocka_unit_test(a_state_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
