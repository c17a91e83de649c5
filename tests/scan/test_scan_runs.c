/*
 * However `gapscope scan` is run - on how many threads, in parts, killed and started again - the
 * content of run.db is the same.
 *
 * GAPSCOPE_KILLS=200 build/release/test_scan_runs    kills more often than the 20 times of a test
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "tests/scan/scan_resume.h"
#include "tests/scan/scan_runs_corpora.h"

// --- one call -----------------------------------------------------------------------------------

/* What is empty is the same however it was made. */
static void all_tables_have_rows(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "neuron WHERE n > 0 AND sd > 0",
        "effect WHERE value <> 0",
        "example WHERE kind = 'top'",
        "example WHERE kind = 'bottom'",
        "example WHERE kind = 'interval'",
        "example WHERE kind = 'random'",
        "score WHERE split = 'dev' AND auroc > 0.5",
        "score WHERE split = 'test' AND auroc > 0.5",
        "score WHERE split = 'all' AND n_pos > 0 AND top_covered > 0",
        "split_hist",
        "counterexample WHERE kind = 'fires_without'",
        "counterexample WHERE kind = 'silent_with'",
        "counterexample WHERE idx = 5 AND hypothesis = 0",
        "counterexample WHERE idx = 7 AND hypothesis = 5",
        "hypothesis_domain WHERE tokens > 0",
        "hypothesis_gap WHERE n > 0",
        "gap_credit WHERE hits > 1 AND credit <> 0",
        "hit WHERE json_array_length(detail, '$.hypotheses') > 0",
        "hypothesis WHERE name <> 'never' AND tokens > 0 AND docs > 1 AND docs < tokens",
        "hypothesis WHERE name = 'never' AND tokens = 0 AND aborted = 0",
        "hypothesis WHERE name = 'slow' AND aborted > 0",
        "trigram WHERE n > 1 AND docs > 1 AND n_ab > 0 AND n_xb > 0 AND n_ax > 0",
        "trigram WHERE tested",
        "trigram_gap WHERE mean_gap <> 0",
        "trigram_example WHERE kind = 'place'",
        "trigram_example WHERE kind = 'elsewhere'",
        "trigram_model WHERE contexts > 1 AND pairs > contexts AND se > 0",
        "trigram_neuron WHERE ablated <> 0 AND corpus_interaction <> 0",
        "compare WHERE docs > 1 AND mean_kl > 0 AND share_same_top > 0",
        "compare WHERE left_out = 'it has several others'",
        "compare_hist",
        "compare_percentile WHERE percentile = 50",
        "compare_domain WHERE tokens > 0 AND mean_kl > 0",
        "compare_hypothesis WHERE tokens > 0 AND mean_kl > 0",
    };
    need_short();
    need_long();
    static const char *const names[] = {"short.db", "long.db"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sqlite3 *db = kit_db(names[i]);
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
            if (kit_number(db, "SELECT count(*) FROM %s", wanted[k]) == 0) {
                fail_msg("%s: no %s", names[i], wanted[k]);
            }
        }
        sqlite3_close(db);
    }
}

/* Of the short corpus. */
static void expect_another_digest(const char *options)
{
    char whole[33], other[33];
    kit_expect(0, NULL, "gapscope scan %s --checkpoint 0 --force -o $T/other.db" SHORT, options);
    kit_digest(whole, "short.db");
    kit_digest(other, "other.db");
    if (strcmp(whole, other) == 0) {
        fail_msg("the same digest in spite of %s", options);
    }
}

/* A digest that never changes would pass all tests below. */
static void other_content_has_another_digest(void **state)
{
    (void)state;
    need_short();
    static const char *const others[] = {
        MODELS HYPOTHESES "--top 4",
        MODELS HYPOTHESES "--top 5 --floor -5",
        MODELS HYPOTHESES "--top 5 --site post",
        MODELS HYPOTHESES "--top 5 --examples 5",
        MODELS HYPOTHESES "--top 5 --histograms 'top 30'",
        MODELS HYPOTHESES "--top 5 --regex x=x",
        MODELS HYPOTHESES "--top 5 --watch gelu-1l:L0N6=word",
        MODELS "--hypotheses $T/h.yaml --examples 4 --top 5",
        MODELS "--hypotheses $T/h.yaml --examples 4 --top 5 --no-neurons",
        MODELS HYPOTHESES "--top 5 --trigram-rule count=2,high=0.5,low=0.45,gap=-100,test=2",
        MODELS HYPOTHESES "--top 5 --compare-share 1/1",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect_another_digest(others[i]);
    }
    kit_expect(0, NULL, SCAN "-o $T/four.db $T/s1.jsonl $T/s2.jsonl.zst $T/s3.txt $T/s4.jsonl");
    char whole[33], four[33];
    kit_digest(whole, "short.db");
    kit_digest(four, "four.db");
    assert_string_not_equal(whole, four);
}

static void any_number_of_threads_gives_the_same(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, SCAN "--threads 1 -o $T/t1.db" SHORT);
    kit_expect(0, NULL, SCAN "--threads 4 -o $T/t4.db" SHORT);
    kit_expect(0, NULL,
               "gapscope scan" MODELS HYPOTHESES
               "--top 5 --threads 3 -o $T/t3.db" SHORT); // no checkpoint in between
    assert_same_digest("t1.db", "short.db");
    assert_same_digest("t4.db", "short.db");
    assert_same_digest("t3.db", "short.db");
}

static void order_and_folder_of_shards_do_not_matter(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL,
               SCAN "-o $T/order.db $T/s4.jsonl $T/s3.txt $T/s5.jsonl $T/s1.jsonl "
                    "$T/s2.jsonl.zst");
    assert_same_digest("order.db", "short.db");
    kit_expect(0, NULL, "cp $T/s?.* $T/copy/");
    kit_expect(0, NULL, SCAN "-o $T/copied.db $T/copy/s*");
    assert_same_digest("copied.db", "short.db");
}

// --- parts --------------------------------------------------------------------------------------

static void two_parts_merge_to_the_whole(void **state)
{
    (void)state;
    need_short();
    kit_expect(0, NULL, SCAN "--part 0/2 --threads 1 -o $T/h0.db" SHORT);
    kit_expect(0, NULL, SCAN "--part 1/2 --threads 2 -o $T/h1.db" SHORT);
    kit_expect(0, NULL, "gapscope merge -o $T/h01.db $T/h0.db $T/h1.db");
    kit_expect(0, NULL, "gapscope merge -o $T/h10.db $T/h1.db $T/h0.db");
    assert_same_digest("h01.db", "short.db");
    assert_same_digest("h10.db", "short.db");
    sqlite3 *db = kit_db("h01.db");
    assert_int_equal(kit_number(db, "SELECT sum(units_done) FROM shard"), 5);
    sqlite3_close(db);
}

static void five_parts_merge_in_any_grouping(void **state)
{
    (void)state;
    need_short();
    for (int i = 0; i < 5; i++) {
        kit_expect(0, NULL, SCAN "--part %d/5 -o $T/f%d.db" SHORT, i, i);
    }
    kit_expect(0, NULL, "gapscope merge -o $T/all.db $T/f4.db $T/f2.db $T/f0.db $T/f3.db $T/f1.db");
    assert_same_digest("all.db", "short.db");
    kit_expect(0, NULL, "gapscope merge -o $T/f34.db $T/f3.db $T/f4.db");
    kit_expect(0, NULL, "gapscope merge -o $T/f01.db $T/f1.db $T/f0.db");
    kit_expect(0, NULL, "gapscope merge -o $T/f234.db $T/f2.db $T/f34.db");
    kit_expect(0, NULL, "gapscope merge -o $T/tree.db $T/f01.db $T/f234.db");
    assert_same_digest("tree.db", "short.db");
}

static void what_is_not_parts_of_one_run_is_not_merged(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "--part 0/2 -o $T/p0.db" SHORT);
    kit_expect(0, NULL, SCAN "--part 1/2 --floor -5 -o $T/p1.db" SHORT);
    kit_expect(1, "floor: one has -6, the other -5",
               "gapscope merge -o $T/never.db $T/p0.db $T/p1.db");
    static const struct {
        const char *options, *says;
    } others[] = {
        {"--regex 'word=\\bfree\\b' --examples 4", "number of hypotheses: one has 6, the other 1"},
        {"--hypotheses $T/h2.yaml --examples 4", "hypothesis word: one has "},
        {"--hypotheses $T/h.yaml --examples 4", "number of watched pairs: one has 2, the other 0"},
        {HYPOTHESES "--examples 5", "examples: one has 4, the other 5"},
        {HYPOTHESES "--histograms 'top 5'", "histograms: one has "},
        {HYPOTHESES "--site post", "site"},
        {HYPOTHESES "--trigram-rule count=3", "\"count\":"},
        {HYPOTHESES "--compare-share 1/3", "\"compare_share\":\"1/3\""},
    };
    kit_expect(0, NULL, "sed 's/free/thee/' $T/h.yaml >$T/h2.yaml");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        kit_expect(0, NULL,
                   "gapscope scan" MODELS "--top 5 %s --part 1/2 --force "
                   "-o $T/q1.db" SHORT,
                   others[i].options);
        kit_expect(1, others[i].says, "gapscope merge -o $T/never.db $T/p0.db $T/q1.db");
    }
    kit_expect(1, "are in both", "gapscope merge -o $T/never.db $T/p0.db $T/p0.db");
    kit_expect(1, "s3.txt", "gapscope merge -o $T/never.db $T/p0.db $T/s3.txt");
    assert_false(file_is_regular(kit_path("never.db")));
}

// --- bad records --------------------------------------------------------------------------------

static const char *const bad_lines[] = {
    "{\"text\":\"never closed",
    "[]",
    "17",
    "null",
    "{}",
    "{\"text\":null}",
    "{\"text\":{\"text\":\"inside\"}}",
    "{\"text\":\"two\"}{\"text\":\"values\"}",
    "\xff\xfe\x80",
    "}{",
    "",
    "   ",
    "<html>not JSON at all</html>",
};
#define N_BAD (sizeof bad_lines / sizeof *bad_lines)

/* 'good' and, with bad lines between its records, 'mixed'. */
static void mix(struct kit_shard *good, struct kit_shard *mixed)
{
    size_t bad = 0;
    for (const char *at = good->bytes.data, *end = at + good->bytes.len; at < end;) {
        const size_t len = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) + 1 - at);
        for (size_t i = 0; i < 5; i++) {
            const char *line =
                at == good->bytes.data && i == 0 ? "{broken" : bad_lines[bad++ % N_BAD];
            buf_append(&mixed->bytes, line, strlen(line), NULL);
            buf_append(&mixed->bytes, "\n", 1, NULL);
        }
        buf_append(&mixed->bytes, at, len, NULL);
        at += len;
    }
    kit_write(good);
    kit_write(mixed);
}

/* One frame of whole records, and behind it something that is no whole frame. */
static void damage(const struct kit_shard *good, const char *name, bool truncate)
{
    struct buf packed = {0}, more = {0};
    kit_compress(&packed, good->bytes.data, good->bytes.len);
    static const char lost[] = "{\"text\":\"lost\"}\n{\"text\":\"as well\"}\n";
    kit_compress(&more, lost, sizeof lost - 1);
    buf_append(&packed, truncate ? more.data : "this is no frame",
               truncate ? more.len / 2 : strlen("this is no frame"), NULL);
    kit_write_bytes(name, packed.data, packed.len);
    buf_free(&packed);
    buf_free(&more);
}

static void good_records_are_the_same_without_the_bad_ones(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "SELECT name, tokens, mean_logprob, se, bits_per_byte, clamped_share FROM model ORDER BY 1",
        "SELECT id, tokens, docs, mean_gap, se, share_other_better FROM pair ORDER BY 1",
        "SELECT * FROM token_gap ORDER BY 1, 2",
        "SELECT * FROM gap_hist ORDER BY 1, 2",
        "SELECT * FROM position_gap ORDER BY 1, 2",
        "SELECT * FROM domain ORDER BY 1",
        "SELECT * FROM domain_loss ORDER BY 1, 2",
        "SELECT * FROM domain_gap ORDER BY 1, 2",
        ("SELECT pair, side, rank, gap, base_logprob, other_logprob, shard, byte_start, byte_end, "
         "token, token_text, before, after, duplicates, detail FROM hit ORDER BY 1, 2, 3"),
        "SELECT * FROM hypothesis ORDER BY 1",
        "SELECT * FROM hypothesis_gap ORDER BY 1, 2",
        "SELECT * FROM hypothesis_domain ORDER BY 1, 2",
        "SELECT * FROM gap_credit ORDER BY 1, 2, 3, 4",
        "SELECT * FROM neuron ORDER BY 1, 2, 3",
        "SELECT * FROM score ORDER BY 1, 2, 3, 4, 5",
        "SELECT * FROM split_hist ORDER BY 1, 2, 3, 4, 5",
        "SELECT id, n, docs, mean_logprob, n_ab, n_xb, n_ax, n_xx FROM trigram ORDER BY 1",
        "SELECT * FROM trigram_gap ORDER BY 1, 2",
        // which are sampled depends on the documents' numbers
        ("SELECT model, layer, idx, kind, rank, activation, shard, byte_start, byte_end, "
         "token_index, tokens, activations, labels FROM example WHERE kind IN ('top', 'bottom') "
         "ORDER BY 1, 2, 3, 4, 5"),
    };
    static const char *const texts[] = {
        "The quick brown fox jumps over the lazy dog, and the lazy dog sleeps on." PHRASES,
        "int main(void)\n{\n    return 0;\n}\n", "", "2 + 2 = 4; 2 * 2 = 4; 2 ** 2 = 4"};
    struct kit_shard good = {.name = "good/x.jsonl"}, mixed = {.name = "mixed/x.jsonl"},
                     frames = {.name = "good/y.jsonl.zst"}, frames2 = {.name = "good/z.jsonl.zst"};
    for (size_t i = 0; i < 4; i++) {
        kit_add(&good, "a", SET("a"), texts[i], strlen(texts[i]));
        kit_add(&frames, "b", SET("b"), texts[3 - i], strlen(texts[3 - i]));
        kit_add(&frames2, "", "", texts[i], strlen(texts[i]) / 2);
    }
    mix(&good, &mixed);
    kit_write(&frames);
    kit_write(&frames2);
    damage(&frames, "mixed/y.jsonl.zst", true);
    damage(&frames2, "mixed/z.jsonl.zst", false);
    kit_expect(0, NULL, SCAN "-o $T/good.db $T/good/*");
    kit_expect(0, NULL, SCAN "-o $T/mixed.db $T/mixed/*");
    kit_expect(1, NULL, SCAN "--strict -o $T/strict.db $T/mixed/*");
    sqlite3 *db_good = kit_db("good.db"), *db_mixed = kit_db("mixed.db");
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct buf a = {0}, b = {0};
        kit_dump(&a, db_good, queries[i]);
        kit_dump(&b, db_mixed, queries[i]);
        assert_true(a.len > 0);
        assert_string_equal(a.data, b.data);
        buf_free(&a);
        buf_free(&b);
    }
    assert_int_equal(kit_number(db_good, "SELECT count(*) FROM reject WHERE n>0"), 0);
    static const struct {
        const char *reason;
        int64_t n;
    } rejects[] = {{"bad_json", 7},
                   {"not_an_object", 6},
                   {"no_text_field", 5},
                   {"truncated_stream", 1},
                   {"trailing_garbage", 1}};
    for (size_t i = 0; i < sizeof rejects / sizeof *rejects; i++) {
        assert_int_equal(kit_number(db_mixed,
                                    "SELECT coalesce(sum(n),0) FROM reject WHERE "
                                    "reason='%s'",
                                    rejects[i].reason),
                         rejects[i].n);
    }
    sqlite3_close(db_good);
    sqlite3_close(db_mixed);
    kit_shard_free(&good);
    kit_shard_free(&mixed);
    kit_shard_free(&frames);
    kit_shard_free(&frames2);
}

// --- many domains -------------------------------------------------------------------------------

static void domains_beyond_the_limit_merge_exactly(void **state)
{
    (void)state;
    if (KIT_SLOW) {
        skip(); // 5000 documents
    }
    for (size_t i = 0; i < 2; i++) {
        struct kit_shard s = {0};
        snprintf(s.name, sizeof s.name, "many-%zu.jsonl", i);
        for (size_t d = 0; d < 2500; d++) {
            char domain[32], members[64];
            snprintf(domain, sizeof domain, "domain %zu", 2000 * i + d); // 500 in both
            snprintf(members, sizeof members, ",\"source\":\"%s\"", domain);
            kit_add(&s, domain, members, "ab", 2);
        }
        write_and_free(&s);
    }
#define MANY                                                                                       \
    "gapscope scan --model model/demo/attn-only-1l --model model/demo/gelu-1l "                    \
    "--regex b=b --no-neurons "
#define SHARDS " $T/many-0.jsonl $T/many-1.jsonl"
    kit_expect(0, NULL, MANY "--threads 2 -o $T/many.db" SHARDS);
    kit_expect(0, NULL, MANY "--part 0/2 -o $T/many0.db" SHARDS);
    kit_expect(0, NULL, MANY "--part 1/2 -o $T/many1.db" SHARDS);
    kit_expect(0, NULL, "gapscope merge -o $T/many10.db $T/many1.db $T/many0.db");
    assert_same_digest("many10.db", "many.db");
    sqlite3 *db = kit_db("many.db");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM domain"), 4097);
    assert_int_equal(kit_number(db, "SELECT sum(docs) FROM domain"), 5000);
    assert_int_equal(kit_number(db, "SELECT docs FROM domain WHERE name='(other)'"),
                     5000 - kit_number(db, "SELECT sum(docs) FROM domain WHERE name<>'(other)'"));
    assert_int_equal(kit_number(db, "SELECT count(*) FROM domain WHERE name<>'(other)' AND "
                                    "docs<>(CASE WHEN CAST(substr(name,8) AS INT) BETWEEN 2000 AND "
                                    "2499 THEN 2 ELSE 1 END)"),
                     0);
    assert_int_equal(kit_number(db, "SELECT sum(tokens) FROM domain"),
                     kit_number(db, "SELECT tokens FROM model LIMIT 1"));
    assert_int_equal(kit_number(db, "SELECT sum(tokens) FROM hypothesis_domain"), 5000);
    assert_int_equal(kit_number(db, "SELECT tokens FROM hypothesis"), 5000);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tables_have_rows),
        cmocka_unit_test(other_content_has_another_digest),
        cmocka_unit_test(any_number_of_threads_gives_the_same),
        cmocka_unit_test(order_and_folder_of_shards_do_not_matter),
        cmocka_unit_test(two_parts_merge_to_the_whole),
        cmocka_unit_test(five_parts_merge_in_any_grouping),
        cmocka_unit_test(what_is_not_parts_of_one_run_is_not_merged),
        cmocka_unit_test(killed_runs_end_like_unbroken_ones),
        cmocka_unit_test(an_interrupted_run_goes_on),
        cmocka_unit_test(an_interrupted_run_goes_on_with_the_same_histograms),
        cmocka_unit_test(a_finished_run_has_nothing_left),
        cmocka_unit_test(a_record_that_lacks_what_run_db_has_is_refused),
        cmocka_unit_test(tables_that_lag_behind_the_last_unit_are_written),
        cmocka_unit_test(a_scan_of_nothing_is_finished),
        cmocka_unit_test(another_run_is_refused_unless_forced),
        cmocka_unit_test(another_plugin_under_the_same_name_is_another_hypothesis),
        cmocka_unit_test(the_command_in_a_run_can_be_pasted_into_a_shell),
        cmocka_unit_test(good_records_are_the_same_without_the_bad_ones),
        cmocka_unit_test(domains_beyond_the_limit_merge_exactly),
    };
    return cmocka_run_group_tests(tests, make_corpora, kit_remove_folder);
}
