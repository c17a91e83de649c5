#include "tests/scan/scan_runs_corpora.h"

#include "tests/kit/golden.h"

#include <time.h>

#include "corpora/base/file.h"
#include "tests/kit/model_copy.h"

void write_and_free(struct kit_shard *s)
{
    kit_write(s);
    kit_shard_free(s);
}

/* Kinds that need text and kinds that do not, one that labels nothing, one that gives up on LONG_A.
 */
static const char hypotheses[] = "hypotheses:\n"
                                 "  - {name: word, regex: '\\b(?:[a-z]+ing|here\\w*|free)\\b'}\n"
                                 "  - {name: causal, regex: '[a-z]{4,}', prefix: true}\n"
                                 "  - {name: of, tokens: [' of']}\n"
                                 "  - {name: seen, code: seen_before}\n"
                                 "  - {name: never, regex: 'zq[xj]{3}'}\n"
                                 "  - {name: slow, regex: '(?:a|aa)+(?=[ny])'}\n";
#define LONG_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, and no more"

/* Trigrams that nothing simpler explains: each A and each B has every C behind it. */
/* Five shards of a unit each, with hits in common, so that folding crosses units. */
static void make_short(void)
{
    static const char common[] = "Permission is hereby granted, free of charge, to any person";
    struct kit_shard s1 = {.name = "s1.jsonl"}, s2 = {.name = "s2.jsonl.zst"},
                     s3 = {.name = "s3.txt"}, s4 = {.name = "s4.jsonl"}, s5 = {.name = "s5.jsonl"};
    ADD(&s1, "a", SET("a"), common);
    ADD(&s1, "b", SET("b"), "for (size_t i = 0; i < n; i++) {\n    sum += values[i];\n}\n");
    ADD(&s1, "", "", "");
    ADD(&s1, "", "", PHRASES);
    ADD(&s2, "b", SET("b"), common);
    ADD(&s2, "c", SET("c"), LONG_A);
    ADD(&s2, "", "", PHRASES_AGAIN);
    ADD(&s2, "c", SET("c"), "import numpy as np\nx = np.zeros((3, 4))\n");
    kit_add_text(&s3, common, sizeof common - 1, common, sizeof common - 1);
    kit_add_bad(&s4, KIT_BAD_JSON, "{\"text\":");
    ADD(&s4, "a", SET("a"), "na\xc3\xafve caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd, the same again");
    kit_add_bad(&s4, KIT_NO_TEXT_FIELD, "{\"meta\":{}}");
    ADD(&s4, "", "", "the same again, and once more the same again");
    ADD(&s5, "a", SET("a"), common);
    ADD(&s5, "a", SET("a"), LONG_A " than that");
    ADD(&s5, "", "", PHRASES PHRASES);
    ADD(&s5, "d", SET("d"), "Copyright (C) 1989, 1991 Free Software Foundation, Inc.");
    write_and_free(&s1);
    write_and_free(&s2);
    write_and_free(&s3);
    write_and_free(&s4);
    write_and_free(&s5);
}

/* Units enough for a signal to come between them. */
static void make_long(void)
{
    struct buf text = {0};
    assert_int_equal(file_read("tests/texts/code.txt", (size_t)1 << 20, &text, NULL), 0);
    const size_t size = KIT_SLOW ? 60 : 600;
    assert_true(text.len >= N_LONG * size);
    for (size_t i = 0; i < N_LONG; i++) {
        struct kit_shard s = {0};
        snprintf(s.name, sizeof s.name, "long/%02zu.jsonl", i);
        kit_add(&s, "", "", text.data + i * size, size);
        if (i % 8 == 3) {
            ADD(&s, "", "", LONG_A);
        }
        if (i == 5) {
            ADD(&s, "", "", PHRASES);
        }
        if (i == 13) {
            ADD(&s, "", "", PHRASES_AGAIN);
        }
        write_and_free(&s);
    }
    buf_free(&text);
}

int make_corpora(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    kit_expect(0, NULL, "mkdir $T/long $T/copy $T/good $T/mixed");
    kit_write_bytes("h.yaml", hypotheses, sizeof hypotheses - 1);
    small_models(kit_path("m"));
    make_short();
    make_long();
    kit_expect(0, NULL, "gapscope count --model model/demo/gelu-1l -o $T/counts.ngrams" SHORT LONG);
    return 0;
}

void assert_same_digest(const char *name, const char *wanted)
{
    char a[33], b[33];
    kit_digest(a, name);
    kit_digest(b, wanted);
    if (strcmp(a, b) != 0) {
        fail_msg("the digest of %s is %s, that of %s %s", name, a, wanted, b);
    }
}

void need_short(void)
{
    if (!file_is_regular(kit_path("short.db"))) {
        kit_expect(0, NULL, SCAN "--threads 2 -o $T/short.db" SHORT);
    }
}

double need_long(void)
{
    static double seconds;
    if (!file_is_regular(kit_path("long.db"))) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        kit_expect(0, NULL, SCAN "--threads 2 --record $T/long.zarr -o $T/long.db" LONG);
        clock_gettime(CLOCK_MONOTONIC, &to);
        seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    }
    return seconds;
}
