/*
 * What `gapscope scan` keeps of neurons and hypotheses, option by option, as a user sees it:
 * run.db, messages, and what the other commands say of the same text.
 *
 * Whether the statistics are right is tests/python/neuron_scores' business, whether they depend on how a
 * scan was run test_scan_runs'.
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "corpora/base/file.h"
#include "tests/scan/scan_neurons_corpus.h"
#include "tests/scan/scan_neurons_hits.h"

// --- without neurons ----------------------------------------------------------------------------

static void without_neurons_hypotheses_are_kept(void **state)
{
    (void)state;
    need_all();
    kit_expect(0, "look: gapscope hypo",
               "gapscope scan" ATTN GELU SOLU HYPOTHESES
               "--pair attn-only-1l:gelu-1l --pair attn-only-1l:gelu-1l+solu-1l --top 20 "
               "--precision exact --no-neurons -o $T/none.db" CORPUS);
    sqlite3 *all = kit_db("all.db"), *none = kit_db("none.db");
    assert_same_rows(all, none, "SELECT * FROM hypothesis ORDER BY 1");
    assert_same_rows(all, none, "SELECT * FROM hypothesis_gap ORDER BY 1, 2");
    assert_same_rows(all, none, "SELECT * FROM hypothesis_domain ORDER BY 1, 2");
    assert_same_rows(all, none, "SELECT * FROM hit ORDER BY 1, 2, 3");
    static const char *const empty[] = {"neuron", "example",    "effect",
                                        "score",  "split_hist", "counterexample"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        assert_int_equal(kit_number(none, "SELECT count(*) FROM %s", empty[i]), 0);
    }
    sqlite3_close(all);
    sqlite3_close(none);
    assert_views_work("none.db");
    kit_expect(1, "unless --no-neurons", "gapscope neuron $T/none.db gelu-1l:L0N0");
}

static void attention_alone_has_hypotheses_and_no_neurons(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope scan" ATTN "--model model/demo/attn-only-2l" HYPOTHESES
               "-o $T/attn.db" CORPUS);
    sqlite3 *db = kit_db("attn.db");
    expect_number(db, 5, "SELECT count(*) FROM hypothesis");
    expect_number(db, 5, "SELECT count(*) FROM hypothesis_gap");
    expect_number(db, 4, "SELECT count(*) FROM hypothesis_gap WHERE n > 0 AND mean_gap NOT NULL");
    expect_number(db, 1, "SELECT abs(sum(share_beyond_earlier) - 1) < 1e-6 FROM hypothesis_gap");
    expect_number(db, 0, "SELECT count(*) FROM neuron");
    expect_number(db, 0, "SELECT count(*) FROM gap_credit");
    expect_number(db, 2, "SELECT count(*) FROM model WHERE site = ''");
    sqlite3_close(db);
    assert_views_work("attn.db");
}

// --- sites --------------------------------------------------------------------------------------

/* Mean of a neuron by `gapscope acts`, BOS left out. */
static double mean_of_acts(const char *model, const char *site, size_t *n)
{
    struct kit_ran r = {0};
    double sum = 0;
    *n = 0;
    kit_run(&r, "gapscope acts --model $T/m/%s --neuron L0N3 --site %s" CORPUS, model, site);
    assert_int_equal(r.status, 0);
    for (char *line = strtok(r.out.data, "\n"); line; line = strtok(NULL, "\n")) {
        struct json_object *o = golden_parse(line), *acts;
        assert_true(json_object_object_get_ex(o, "acts", &acts));
        assert_true(json_object_object_get_ex(acts, model, &acts));
        assert_true(json_object_object_get_ex(acts, "L0N3", &acts));
        for (size_t i = 1; i < json_object_array_length(acts); i++, ++*n) {
            sum += golden_number(acts, i);
        }
        json_object_put(o);
    }
    kit_ran_free(&r);
    return sum / (double)*n;
}

static void a_site_is_that_of_acts(void **state)
{
    (void)state;
    static const struct {
        const char *models, *option;
        const char *name, *site; // a model, and where it is read
    } cases[] = {
        {GELU, "--site pre", "gelu-1l", "pre"},
        {GELU, "", "gelu-1l", "post"},
        {SOLU, "", "solu-1l", "mid"},
        {SOLU, "--site post", "solu-1l", "post"},
        {GELU SOLU, "", "solu-1l", "mid"},
        {GELU SOLU, "", "gelu-1l", "post"},
        {ATTN SOLU, "--site mid", "solu-1l", "mid"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[256];
        size_t n;
        kit_expect(0, NULL, "gapscope scan %s %s --force -o $T/site.db" CORPUS, cases[i].models,
                   cases[i].option);
        const double wanted = mean_of_acts(cases[i].name, cases[i].site, &n);
        sqlite3 *db = kit_db("site.db");
        snprintf(sql, sizeof sql,
                 "SELECT mean FROM neuron n JOIN model m ON m.id = n.model AND n.site = m.site "
                 "WHERE m.name = '%s' AND n.site = '%s' AND idx = 3 AND n.n = %zu",
                 cases[i].name, cases[i].site, n);
        const double mean = real(db, sql);
        if (fabs(mean - wanted) > 1e-5) {
            fail_msg("%s %s: mean %.8f, wanted %.8f", cases[i].models, cases[i].option, mean,
                     wanted);
        }
        sqlite3_close(db);
    }
}

// --- wrong usage --------------------------------------------------------------------------------

static void what_is_asked_wrongly_is_said(void **state)
{
    (void)state;
#define ONE " --regex a=a "
    static const struct {
        const char *options;
        int status;
        const char *says;
    } cases[] = {
        {GELU "--site mid", 1,
         "gelu-1l (act_fn gelu) has no site mid; pre and post are there; without"},
        {GELU SOLU "--site mid", 1, "without --site it is mid for SoLU"},
        {GELU "--site end", 2, "--site end: expected pre, mid or post"},
        {GELU "--examples 1001", 2, "--examples 1001: at most 1000"},
        {GELU "--examples -1", 2, "examples"},
        {GELU "--histograms some", 2, "expected all or 'top N'"},
        {GELU "--histograms 'top 0'", 2, "expected all or 'top N'"},
        {GELU "--histograms 'top -5'", 2, "expected all or 'top N'"},
        {GELU "--histograms 'top 5 '", 2, "expected all or 'top N'"},
        {GELU ONE "--watch gelu-1l", 2, "expected MODEL:L0N424=HYPOTHESIS"},
        {GELU ONE "--watch gelu-1l:L0N5", 2, "expected MODEL:L0N424=HYPOTHESIS"},
        {GELU ONE "--watch L0N5=a", 2, "expected MODEL:L0N424=HYPOTHESIS"},
        {GELU ONE "--watch gelu-1l:L0N5a=a", 2, "expected MODEL:L0N424=HYPOTHESIS"},
        {GELU ONE "--watch solu-1l:L0N5=a", 2, "solu-1l is not a model of this scan"},
        {GELU ONE "--watch gelu-1:L0N5=a", 2, "gelu-1 is not a model of this scan"},
        {GELU ONE "--watch gelu-1l:L0N40=a", 2, "gelu-1l has 1 layer of 40 neurons"},
        {GELU ONE "--watch gelu-1l:L1N0=a", 2, "gelu-1l has 1 layer of 40 neurons"},
        {GELU ONE "--watch gelu-1l:L0N4294967296=a", 2, "expected MODEL:L0N424=HYPOTHESIS"},
        {GELU ONE "--watch gelu-1l:L0N5=b", 2, "there is no hypothesis b; --hypotheses"},
        {GELU "--watch gelu-1l:L0N5=a", 2, "there is no hypothesis a; --hypotheses"},
        {GELU ONE "--watch gelu-1l:L0N5=a --watch gelu-1l:L0N5=a", 2, "given twice"},
        {ATTN GELU ONE "--watch attn-only-1l:L0N5=a", 2, "it is attention-only"},
        {GELU ONE "--no-neurons --watch gelu-1l:L0N5=a", 2,
         "--watch does not go with --no-neurons"},
        {GELU ONE "--no-neurons --site post", 2, "--site does not go with --no-neurons"},
        {GELU ONE "--no-neurons --histograms all", 2, "--histograms does not go with"},
        {GELU "--regex a=a --regex a=b", 2, "a second hypothesis named a"},
        {GELU "--regex 'a=(b'", 2, "missing closing parenthesis"},
        {GELU "--regex a", 2, "expected NAME=PATTERN"},
        {GELU "--hypotheses $T/nowhere.yaml", 1, "nowhere.yaml: No such file"},
        {GELU "--hypotheses $T/corpus.jsonl", 1, "corpus.jsonl: line 2, column 1: did not find"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_expect(cases[i].status, cases[i].says, "gapscope scan %s -o $T/wrong.db" CORPUS,
                   cases[i].options);
        assert_false(file_is_regular(kit_path("wrong.db")));
    }
}

// --- how much is kept ---------------------------------------------------------------------------

static void as_many_examples_are_shown_as_asked_for(void **state)
{
    (void)state;
    static const int numbers[] = {0, 1, 20, 1000};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        kit_expect(0, NULL,
                   "gapscope scan" GELU HYPOTHESES "--examples %d --force -o $T/examples.db" CORPUS,
                   numbers[i]);
        sqlite3 *db = kit_db("examples.db");
        const int64_t docs = kit_number(db, "SELECT docs - 1 FROM shard"); // one is empty
        const int64_t most =
            kit_number(db, "SELECT coalesce(max(rank), 0) FROM example WHERE kind = 'top'");
        assert_in_range(most, numbers[i] < docs / 2 ? numbers[i] : docs / 2,
                        numbers[i] < docs ? numbers[i] : docs);
        assert_int_equal(
            kit_number(db, "SELECT count(DISTINCT idx) FROM example WHERE kind = 'top'"),
            numbers[i] ? SMALL_D_MLP : 0);
        expect_number(db, SMALL_D_MLP,
                      "SELECT count(DISTINCT idx) FROM example WHERE kind = 'bottom'");
        assert_int_equal(kit_number(db, "SELECT count(*) FROM score WHERE top_covered NOT NULL") >
                             0,
                         numbers[i] > 0);
        sqlite3_close(db);
        assert_views_work("examples.db");
    }
}

/* Which neurons is decided on the first unit, so by all threads and parts alike. */
static void histograms_of_some_neurons_are_those_of_all(void **state)
{
    (void)state;
    need_all();
#define SOME                                                                                       \
    "gapscope scan" ATTN GELU SOLU HYPOTHESES                                                      \
    "--pair attn-only-1l:gelu-1l --pair attn-only-1l:gelu-1l+solu-1l --top 20 --precision exact "  \
    "--histograms 'top 5' "
#define TWO CORPUS "$T/more.jsonl"
    kit_expect(0, NULL, "head -n 5 $T/corpus.jsonl >$T/more.jsonl");
    kit_expect(0, NULL, SOME "--threads 1 -o $T/some.db" CORPUS);
    sqlite3 *all = kit_db("all.db"), *some = kit_db("some.db");
    // 2 layers, 5 hypotheses of which one labels nothing, 3 splits
    expect_number(some, 2 * 5 * SMALL_D_MLP * 3, "SELECT count(*) FROM score");
    expect_number(some, 2 * 4 * 5,
                  "SELECT count(*) FROM score WHERE split = 'dev' AND hypothesis "
                  "<> 3 AND average_precision NOT NULL"
                  " OR split = 'dev' AND hypothesis = 3 AND average_precision "
                  "NOT NULL");
    expect_number(some, 0,
                  "SELECT count(*) FROM score WHERE auroc NOT NULL AND threshold IS NULL "
                  "AND split = 'dev'");
    assert_same_rows(
        all, some,
        "SELECT hypothesis, model, layer, idx, split, n_pos, n_neg, docs_pos, mean_pos,"
        " mean_neg, r, mass_covered, top_covered FROM score ORDER BY 1, 2, 3, 4, 5");
    assert_same_rows(all, some, "SELECT * FROM neuron ORDER BY 1, 2, 3");
    assert_same_rows(all, some, "SELECT * FROM example ORDER BY 1, 2, 3, 4, 5");
    sqlite3_stmt *rows = kit_query(some, "SELECT * FROM score WHERE auroc NOT NULL");
    size_t n = 0;
    for (; kit_next(rows); n++) {
        sqlite3_stmt *full =
            kit_query(all,
                      "SELECT * FROM score WHERE hypothesis = %d AND model = %d AND layer = 0 AND "
                      "idx = %d AND "
                      "split = '%s'",
                      sqlite3_column_int(rows, 0), sqlite3_column_int(rows, 1),
                      sqlite3_column_int(rows, 3), (const char *)sqlite3_column_text(rows, 4));
        assert_true(kit_next(full));
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            assert_int_equal(sqlite3_column_type(rows, i), sqlite3_column_type(full, i));
            assert_true(sqlite3_column_double(rows, i) == sqlite3_column_double(full, i));
        }
        assert_false(kit_next(full));
    }
    assert_int_equal(n, 2 * 3 * 5 * 3); // without 'all', which has no other side, and 'never'
    sqlite3_close(all);
    sqlite3_close(some);
    assert_views_work("some.db");
    kit_expect(0, NULL, SOME "--threads 2 -o $T/some2.db" TWO);
    kit_expect(0, NULL, SOME "--part 0/2 --threads 1 -o $T/part0.db" TWO);
    kit_expect(0, NULL, SOME "--part 1/2 --threads 3 -o $T/part1.db" TWO);
    kit_expect(0, NULL, "gapscope merge -o $T/parts.db $T/part1.db $T/part0.db");
    assert_same_digest("parts.db", "some2.db");
}

// --- other inputs -------------------------------------------------------------------------------

/* Ids whose text is the corpus: what `tokenize` says, BOS in front. */
static void ids_alone_have_neurons_and_sequences(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "printf '{\"ids\":[0,5,6,7,5,6,8]}\\n{\"ids\":[0,9,5,6]}\\n{\"ids\":[0]}\\n"
               "{\"ids\":[5,6]}\\n' >$T/ids.jsonl;"
               "printf 'hypotheses:\\n- {name: pair, ids: [5, 6]}\\n- {name: none, ids: [4095]}\\n"
               "- {name: beyond, ids: [70000]}\\n' >$T/ids.yaml");
#define IDS "gapscope scan" GELU SOLU "--ids --hypotheses $T/ids.yaml "
    kit_expect(0, "labelled nothing: none, beyond",
               IDS "--watch gelu-1l:L0N3=pair -o $T/ids.db $T/ids.jsonl");
    sqlite3 *db = kit_db("ids.db");
    // what stands first in a list is context
    expect_number(db, 10, "SELECT min(n) FROM neuron");
    expect_number(db, 3, "SELECT tokens FROM hypothesis WHERE name = 'pair'");
    expect_number(db, 2, "SELECT docs FROM hypothesis WHERE name = 'pair'");
    expect_number(db, 0, "SELECT count(*) FROM example WHERE byte_end <> 0");
    expect_number(db, 3,
                  "SELECT count(*) FROM counterexample WHERE idx = 3 AND model = 0 AND "
                  "hypothesis = 0 AND kind = 'fires_without'");
    sqlite3_close(db);
    kit_expect(0, NULL,
               "gapscope hypo $T/ids.db && gapscope hypo $T/ids.db pair && "
               "gapscope neuron $T/ids.db gelu-1l:L0N3");
    kit_expect(2, "hypothesis word (regex) needs text, and --ids gives none",
               IDS "--regex 'word=a' --force -o $T/ids.db $T/ids.jsonl");
    kit_expect(2, "needs text",
               "gapscope scan" GELU
               "--ids --hypotheses miners/default.yaml -o $T/no.db $T/ids.jsonl");
}

/* Lists of 100 ids that tell where they stand: 40 before a hit, 20 after it, never the first. */
static void hits_in_lists_of_ids_have_their_neighbours(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "for i in $(seq 30); do printf '{\"ids\":[0,%%s]}\\n' "
               "$(seq -s , ${i}01 $((i + 1))00); done >$T/places.jsonl");
    kit_expect(0, NULL, "gapscope scan" GELU SOLU "--ids -o $T/places.db $T/places.jsonl");
    sqlite3 *db = kit_db("places.db");
    sqlite3_stmt *row = kit_query(db, "SELECT token, gap, detail FROM hit");
    int first = 99, last = 0;
    while (kit_next(row)) {
        const int id = sqlite3_column_int(row, 0), i = (id - 1) % 100;
        const int at = i < 40 ? i : 40, after = 99 - i < 20 ? 99 - i : 20;
        struct json_object *detail = golden_parse((const char *)sqlite3_column_text(row, 2)),
                           *around = json_member(detail, "around"),
                           *tokens = json_member(around, "tokens"),
                           *gaps = json_member(around, "gaps");
        assert_int_equal(json_object_get_int(json_member(around, "at")), at);
        assert_int_equal(json_object_array_length(tokens), at + 1 + after);
        assert_int_equal(json_object_array_length(gaps), at + 1 + after);
        for (int k = 0; k < at + 1 + after; k++) {
            assert_int_equal(golden_number(tokens, (size_t)k), id - at + k);
        }
        const double off = golden_number(gaps, (size_t)at) - sqlite3_column_double(row, 1);
        assert_true(fabs(off) <= 0.005 + 1e-9);
        assert_null(json_member(detail, "domain"));
        json_object_put(detail);
        first = i < first ? i : first;
        last = i > last ? i : last;
    }
    assert_true(first < 20 && last > 90);
    sqlite3_close(db);
}

/* The EOS between documents are nobody's: not labelled, in no statistic, in no context. */
static void joined_documents_have_the_same_tokens(void **state)
{
    (void)state;
    kit_expect(0, NULL, "gapscope scan" GELU HYPOTHESES "-o $T/docs.db" CORPUS);
    kit_expect(0, NULL, "gapscope scan" GELU HYPOTHESES "--packing rows -o $T/rows.db" CORPUS);
    sqlite3 *docs = kit_db("docs.db"), *rows = kit_db("rows.db");
    assert_same_rows(docs, rows, "SELECT * FROM hypothesis ORDER BY 1");
    assert_same_rows(docs, rows,
                     "SELECT DISTINCT hypothesis, split, n_pos, n_neg, docs_pos FROM "
                     "score ORDER BY 1, 2");
    expect_number(rows, 0, "SELECT count(*) FROM neuron, shard WHERE n <> tokens");
    expect_number(rows, 0, "SELECT count(*) FROM example, json_each(tokens) WHERE value = 0");
    sqlite3_close(docs);
    sqlite3_close(rows);
    assert_views_work("rows.db");
}

static void a_corpus_of_nothing_has_no_statistics(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{\"text\":\"\"}\\n{\"text\":\"\"}\\n", "{\"text\":\"\"}\\n{broken\\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        kit_expect(0, NULL, "printf '%s' >$T/nothing.jsonl", texts[i]);
        kit_expect(0, "0 tokens",
                   "gapscope scan" ATTN GELU HYPOTHESES "--watch gelu-1l:L0N0=word --force "
                   "-o $T/nothing.db $T/nothing.jsonl");
        sqlite3 *db = kit_db("nothing.db");
        expect_number(db, 5, "SELECT count(*) FROM hypothesis WHERE tokens = 0 AND aborted = 0");
        expect_number(db, 0, "SELECT count(*) FROM neuron WHERE n > 0 OR mean NOT NULL");
        expect_number(db, 0, "SELECT count(*) FROM score WHERE n_pos + n_neg > 0 OR r NOT NULL");
        expect_number(db, 0,
                      "SELECT (SELECT count(*) FROM example) + "
                      "(SELECT count(*) FROM counterexample)");
        sqlite3_close(db);
        assert_views_work("nothing.db");
        kit_expect(0, NULL,
                   "gapscope scan" ATTN GELU HYPOTHESES
                   "--histograms 'top 3' --force -o $T/nothing.db $T/nothing.jsonl");
        assert_views_work("nothing.db");
    }
}

// --- precision ----------------------------------------------------------------------------------

static void neurons_are_near_f32_and_hits_those_of_f32(void **state)
{
    (void)state;
    need_all();
    // off in units of the neuron's sd: where neurons are read, layers are f32
    static const struct {
        const char *precision;
        double off, off_around;
    } cases[] = {{"default", 1e-5, 2 * 1e-3 + 0.01}, {"fast", 1e-5, 2 * 5e-2 + 0.01}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_expect(0, NULL,
                   "gapscope scan" ATTN GELU SOLU HYPOTHESES
                   "--pair attn-only-1l:gelu-1l --pair attn-only-1l:gelu-1l+solu-1l --top 20 "
                   "--precision %s --force -o $T/precision.db" CORPUS,
                   cases[i].precision);
        sqlite3 *exact = kit_db("all.db"), *db = kit_db("precision.db");
        kit_same_hits(exact, db, cases[i].off_around);
        assert_same_rows(exact, db, "SELECT * FROM hypothesis ORDER BY 1");
        assert_same_rows(exact, db,
                         "SELECT pair, model, idx, hits, credit FROM gap_credit ORDER BY 1, 2, 3");
        double worst = 0;
        sqlite3_stmt *x =
                         kit_query(exact, "SELECT mean, sd FROM neuron ORDER BY model, layer, idx"),
                     *y = kit_query(db, "SELECT mean, sd FROM neuron ORDER BY model, layer, idx");
        while (kit_next(x)) {
            assert_true(kit_next(y));
            const double sd = sqlite3_column_double(x, 1);
            assert_true(sd > 0);
            worst =
                fmax(worst, fabs(sqlite3_column_double(x, 0) - sqlite3_column_double(y, 0)) / sd);
        }
        assert_false(kit_next(y));
        print_message("%s: means of neurons within %.1e of their sd\n", cases[i].precision, worst);
        assert_true(worst <= cases[i].off);
        sqlite3_close(exact);
        sqlite3_close(db);
    }
}

// --- what would be done -------------------------------------------------------------------------

/* GB that --dry-run says neurons take at most. */
static double stated(const char *options)
{
    struct kit_ran r = {0};
    double gb = 0;
    kit_run(&r, "gapscope scan %s --dry-run -o $T/dry.db" CORPUS, options);
    assert_int_equal(r.status, 0);
    const char *at = strstr(r.out.data, "beside the models at most ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "beside the models at most %lf GB", &gb), 1);
    kit_ran_free(&r);
    assert_false(file_is_regular(kit_path("dry.db")));
    return gb;
}

static double peak_gb(const char *arguments)
{
    int status;
    struct rusage usage;
    const pid_t pid = kit_start(arguments);
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return (double)usage.ru_maxrss * 1024e-9;
}

#define LARGE " --model model/demo/gelu-1l "
#define SOLU_LARGE " --model model/demo/solu-1l "

static void a_dry_run_states_memory_and_starts_nothing(void **state)
{
    (void)state;
    kit_expect(0, NULL, "rm -f $T/dry.db");
    const double all = stated(LARGE HYPOTHESES "--threads 2");
    assert_true(all > 0.01 && all < 1);
    assert_true(stated(LARGE HYPOTHESES "--threads 4") > all);
    assert_true(stated(LARGE SOLU_LARGE HYPOTHESES "--threads 2") > 1.5 * all);
    assert_true(stated(LARGE HYPOTHESES "--threads 2 --examples 1000") > 2 * all);
    assert_true(stated(LARGE HYPOTHESES "--threads 2 --histograms 'top 5'") < all);
    kit_expect(0, NULL,
               "gapscope scan" GELU HYPOTHESES "--no-neurons --dry-run -o $T/dry.db" CORPUS
               ">$T/said && grep -Eq '^[0-9]+ attention heads, 5 hypotheses: ' $T/said");
    if (!KIT_SLOW) { // a sanitizer's memory is another matter
        const double more = peak_gb("scan" LARGE HYPOTHESES "--threads 2 -o $T/more.db" CORPUS),
                     less = peak_gb("scan" LARGE "--no-neurons --threads 2 -o $T/less.db" CORPUS);
        print_message("at most %.2f GB were stated, %.2f taken\n", all, more - less);
        assert_true(more - less < all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_neurons_hypotheses_are_kept),
        cmocka_unit_test(attention_alone_has_hypotheses_and_no_neurons),
        cmocka_unit_test(a_site_is_that_of_acts),
        cmocka_unit_test(what_is_asked_wrongly_is_said),
        cmocka_unit_test(as_many_examples_are_shown_as_asked_for),
        cmocka_unit_test(histograms_of_some_neurons_are_those_of_all),
        cmocka_unit_test(ids_alone_have_neurons_and_sequences),
        cmocka_unit_test(hits_in_lists_of_ids_have_their_neighbours),
        cmocka_unit_test(joined_documents_have_the_same_tokens),
        cmocka_unit_test(a_corpus_of_nothing_has_no_statistics),
        cmocka_unit_test(neurons_are_near_f32_and_hits_those_of_f32),
        cmocka_unit_test(credit_is_the_sum_over_hits),
        cmocka_unit_test(hits_say_which_hypotheses_label_them),
        cmocka_unit_test(effects_have_fifteen_tokens_either_way),
        cmocka_unit_test(a_dry_run_states_memory_and_starts_nothing),
    };
    return cmocka_run_group_tests(tests, make_corpus, kit_remove_folder);
}
