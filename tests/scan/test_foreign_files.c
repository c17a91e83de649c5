/*
 * What a person reads where another kind of file stands in the place of a config.json, a tokenizer,
 * weights, hypotheses, counts or a run
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kit/scan_kit.h"

// Files of $T and what is said of them.
static const struct {
    const char *name, *command, *says;
} kinds[] = {
    {"lfs", "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:4d7a\\nsize 3\\n'",
     "a pointer of Git LFS, not the file itself: it was not downloaded; run \"git lfs pull\""},
    {"html", "printf '<!DOCTYPE html>\\n<html></html>\\n'", "a web page (HTML or XML): "},
    {"empty", ":", "an empty file: "},
    {"gz", "printf '\\037\\213\\010\\000rest'", "a gzip file: decompress it first"},
    {"utf16", "printf '\\377\\376{\\000}\\000'", "UTF-16, not UTF-8: convert it to UTF-8"},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static int set_up(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    for (size_t i = 0; i < N_KINDS; i++) {
        kit_expect(0, NULL, "{ %s; } >$T/%s", kinds[i].command, kinds[i].name);
    }
    kit_expect(0, NULL, "cp -r model/demo/gelu-1l $T/model");
    kit_expect(0, NULL, "printf 'hypotheses:\\n- {name: a, regex: a}\\n' >$T/h.yaml");
    return 0;
}

/* Puts $T/NAME in the place of a file of the model, and looks at the model. */
static void in_place_of(const char *file, const char *name, const char *says)
{
    char whole[200];
    snprintf(whole, sizeof whole, "/model/%s: is %s", file, says);
    kit_expect(0, NULL, "cp $T/model/%s $T/kept; cp $T/%s $T/model/%s", file, name, file);
    kit_expect(1, whole,
               "gapscope tokenize --model $T/model tests/cli/ice-cream.jsonl; s=$?; "
               "gapscope model $T/model >&2; cp $T/kept $T/model/%s; exit $s",
               file);
}

static void a_file_of_a_model_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        in_place_of("tokenizer.json", kinds[i].name, kinds[i].says);
    }
    for (size_t i = 0; i < N_KINDS; i++) {
        static const char *const files[] = {"config.json", "model_final.pth"};
        for (size_t k = 0; k < 2; k++) {
            char whole[200];
            snprintf(whole, sizeof whole, "/other/%s: is %s", files[k], kinds[i].says);
            kit_expect(0, NULL, "rm -rf $T/other; cp -r $T/model $T/other; cp $T/%s $T/other/%s",
                       kinds[i].name, files[k]);
            kit_expect(1, whole, "echo a | gapscope score --model $T/other -");
        }
        char whole[200];
        snprintf(whole, sizeof whole, "/other/model.safetensors: is %s", kinds[i].says);
        kit_expect(0, NULL,
                   "cp -f model/demo/gelu-1l/config.json $T/other/config.json; "
                   "rm -f $T/other/model_final.pth; cp $T/%s $T/other/model.safetensors",
                   kinds[i].name);
        kit_expect(1, whole, "echo a | gapscope score --model $T/other -");
    }
}

static void files_beside_a_tokenizer_are_named(void **state)
{
    (void)state;
    kit_expect(0, NULL, "cp $T/lfs $T/model/special_tokens_map.json");
    kit_expect(1, "/model/special_tokens_map.json: is a pointer of Git LFS, not the file itself: ",
               "echo a | gapscope tokenize --model $T/model -");
    kit_expect(0, NULL, "rm $T/model/special_tokens_map.json");
}

static void hypotheses_counts_and_runs_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        char whole[200];
        snprintf(whole, sizeof whole, "/%s: is %s", kinds[i].name, kinds[i].says);
        kit_expect(1, whole,
                   "echo a | gapscope label --model model/demo/gelu-1l --hypotheses "
                   "$T/%s -",
                   kinds[i].name);
        kit_expect(1, whole, "echo a | gapscope score --model model/demo/gelu-1l --model $T/%s:2 -",
                   kinds[i].name);
        if (strcmp(kinds[i].name, "empty") != 0) { // that is a run without results
            snprintf(whole, sizeof whole, "/%s: is not a run of gapscope but %s", kinds[i].name,
                     kinds[i].says);
            kit_expect(1, whole, "gapscope top $T/%s", kinds[i].name);
            kit_expect(1, whole,
                       "echo a >$T/a.txt; gapscope scan" KIT_MODELS "--no-neurons -o $T/%s "
                       "$T/a.txt",
                       kinds[i].name);
        }
    }
}

static void a_byte_order_mark_is_skipped(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "bom() { { printf '\\357\\273\\277'; cat $1; } >$T/bom; cp $T/bom $1; }; "
               "bom $T/model/config.json; bom $T/model/tokenizer.json; "
               "bom $T/model/tokenizer_config.json; bom $T/h.yaml");
    kit_expect(0, NULL,
               "echo a cat | gapscope label --model $T/model --hypotheses $T/h.yaml - "
               ">$T/one && echo a cat | gapscope label --model model/demo/gelu-1l "
               "--regex a=a - >$T/two && cmp $T/one $T/two");
    kit_expect(0, NULL,
               "echo a cat | gapscope score --model m=$T/model - >$T/one && "
               "echo a cat | gapscope score --model m=model/demo/gelu-1l - >$T/two && "
               "cmp $T/one $T/two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_a_model_is_named),
        cmocka_unit_test(files_beside_a_tokenizer_are_named),
        cmocka_unit_test(hypotheses_counts_and_runs_are_named),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
    };
    return cmocka_run_group_tests(tests, set_up, kit_remove_folder);
}
