/*
 * `gapscope scan` against the slow reference of scan_ref.h: every column of every table of results,
 * on a corpus of a few shards that `gapscope score` reads too.  Means may differ by what rounding
 * to 2^-20 nats makes; counts may not, but for values as near to an edge as that.
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"
#include "tests/ref/scan_ref.h"

#include <math.h>

#include "corpora/base/file.h"

#define NEAR 2e-6                // nats
#define TOP (KIT_SLOW ? 40 : 90) // most of all candidates, but not all

// --- the corpus ---------------------------------------------------------------------------------

enum { CODE, DOCS, LONG, ONLY_BAD, NOTHING, RUNS, SHARDS };

static struct kit_shard shards[SHARDS] = { // by name, as a run sorts them
    [CODE] = {.name = "a-code.jsonl.zst"},   [DOCS] = {.name = "b-docs.jsonl"},
    [LONG] = {.name = "c-long.txt"},         [ONLY_BAD] = {.name = "d-only-bad.jsonl"},
    [NOTHING] = {.name = "e-nothing.jsonl"}, [RUNS] = {.name = "f-runs.jsonl"}};

static struct ref ref;
static sqlite3 *db; // NULL where the scan failed

/* A file of the tree as documents of about 'size' bytes, cut at line ends; at most 'max' docs. */
static void add_file(struct kit_shard *s, const char *path, size_t size, size_t max,
                     const char *domain, const char *members)
{
    struct buf text = {0};
    struct err err = {0};
    if (file_read(path, (size_t)1 << 20, &text, &err)) {
        fail_msg("%s", err.msg);
    }
    size_t at = 0;
    for (size_t n = 0; n < max && at < text.len; n++) {
        size_t len = text.len - at;
        if (len > size) {
            const char *line_end = memrchr(text.data + at, '\n', size);
            len = line_end ? (size_t)(line_end + 1 - (text.data + at)) : len;
        }
        kit_add(s, domain, members, text.data + at, len);
        at += len;
    }
    buf_free(&text);
}

static void make_code(struct kit_shard *s)
{
    static const char *const paths[] = {"corpora/jsonl.c",  "corpora/lines.c",  "corpora/endings.c",
                                        "corpora/pieces.c", "corpora/stream.c", "corpora/base/utf8.c",
                                        "corpora/base/mem.c",  "corpora/base/json.c", "scan/cli/args.c"};
    const size_t n = KIT_SLOW ? 2 : sizeof paths / sizeof *paths;
    for (size_t i = 0; i < n; i++) {
        add_file(s, paths[i], KIT_SLOW ? 700 : 4000, KIT_SLOW ? 2 : 8, i % 2 ? "lib \"b\"" : "code",
                 i % 2 ? ",\"meta\":{\"set\":\"lib \\\"b\\\"\"}" : ",\"meta\":{\"set\":\"code\"}");
    }
}

#define SET(name) ",\"meta\":{\"set\":\"" name "\"}"
#define ADD(s, domain, members, text) kit_add(s, domain, members, text, sizeof(text) - 1)
#define ADD_LINE(s, domain, line, read, text)                                                      \
    kit_add_line(s, domain, line, sizeof(read) - 1, text, sizeof(text) - 1)

/* Every digit is a token, and 5 divides the 255 of a window: two windows with the same contexts and
 * the same gaps, of which the first must stand. */
static void add_repeated_window(struct kit_shard *s)
{
    struct buf text = {0};
    for (size_t i = 0; i < 2 * 255 / 5; i++) {
        buf_append(&text, "13579", 5, NULL);
    }
    kit_add(s, "", "", text.data, text.len);
    buf_free(&text);
}

/* Good and bad, near-duplicates, nothing at all, and letters of many kinds. */
static void make_docs(struct kit_shard *s)
{
    ADD(s, "docs", SET("docs"), "");
    kit_add_bad(s, KIT_BAD_JSON, "{\"text\":\"never closed");
    const size_t size = KIT_SLOW ? 900 : 3000, max = KIT_SLOW ? 1 : 6;
    add_file(s, "tests/texts/prose.txt", size * 5 / 6, max, "docs", SET("docs"));
    kit_add_bad(s, KIT_NOT_AN_OBJECT, "[\"text\"]");
    add_file(s, "LICENSE", size, 1, "licences", ",\"source\":\"licences\"");
    ADD(s, "", "", "");
    add_file(s, "LICENSE", size, 1, "docs", SET("docs")); // the same again
    kit_add_bad(s, KIT_NO_TEXT_FIELD, "{\"meta\":{\"set\":\"docs\"}}");
    kit_add_bad(s, KIT_NO_TEXT_FIELD, "{\"text\":17}");
    add_file(s, "model/demo/README.md", size, 2, "", "");
    add_file(s, "LICENSE", KIT_SLOW ? 700 : 1000, 1, "licences", SET("licences"));
    ADD(s, "pile", ",\"meta\":{\"set\":\"docs\",\"pile_set_name\":\"pile\"},\"source\":\"x\"",
        "Gr\xc3\xbc\xc3\x9f"
        "e aus K\xc3\xb6ln, \xe4\xbd\xa0\xe5\xa5\xbd "
        "\xd0\xbc\xd0\xb8\xd1\x80 \xf0\x9f\x91\x8b\xf0\x9f\x8f\xbd! na\xc3\xafve caf\xc3\xa9");
    // e + U+0301 becomes one letter (NFC), and a lone surrogate U+FFFD
    ADD_LINE(s, "\xc3\xa9t\xc3\xa9",
             "{\"meta\":{\"set\":\"\xc3\xa9t\xc3\xa9\"},\"text\":\"cafe\xcc\x81 noir, re\xcc\x81"
             "sume\xcc\x81\"}",
             "cafe\xcc\x81 noir, re\xcc\x81sume\xcc\x81", "caf\xc3\xa9 noir, r\xc3\xa9sum\xc3\xa9");
    ADD_LINE(s, "", "{\"text\":\"half \\ud83d a pair\",\"meta\":[1],\"source\":7}",
             "half \xef\xbf\xbd a pair", "half \xef\xbf\xbd a pair");
    ADD(s, "docs", SET("docs"), "x");
    add_repeated_window(s);
    kit_add_bad(s, KIT_BAD_JSON, "no JSON at all \xff\xfe");
    kit_add_bad(s, KIT_BAD_JSON, "{\"text\":\"two\"} {\"text\":\"values\"}");
    kit_add_bad(s, KIT_BAD_JSON, "}");
    kit_add_bad(s, KIT_NOT_AN_OBJECT, "null");
    add_file(s, "CHANGELOG.md", size, 1, "docs", SET("docs"));
}

/* One text over many windows, with a byte that is no UTF-8 in the middle. */
static void make_long(struct kit_shard *s)
{
    struct buf text = {0}, raw = {0}, shown = {0};
    assert_int_equal(file_read("tests/corpora/test_stream.c", (size_t)1 << 20, &text, NULL), 0);
    const size_t half = KIT_SLOW ? 900 : 9000;
    assert_true(text.len > 2 * half);
    buf_append(&raw, text.data, half, NULL);
    buf_append(&shown, text.data, half, NULL);
    buf_append(&raw, "\xff", 1, NULL);
    buf_append(&shown, "\xef\xbf\xbd", 3, NULL);
    buf_append(&raw, text.data + half, half, NULL);
    buf_append(&shown, text.data + half, half, NULL);
    kit_add_text(s, raw.data, raw.len, shown.data, shown.len);
    buf_free(&text);
    buf_free(&raw);
    buf_free(&shown);
}

/* Over 256 KiB in few tokens, so that the shard is cut into units. */
static void make_runs(struct kit_shard *s)
{
    static const char *const first[] = {"A rule: ", "Another rule: "};
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0};
        buf_append(&text, first[i], strlen(first[i]), NULL);
        for (size_t k = 0; k < 1040; k++) {
            buf_append(&text,
                       "================================================================"
                       "================================================================",
                       128, NULL);
        }
        kit_add(s, "rules", SET("rules"), text.data, text.len);
        buf_free(&text);
    }
    ADD(s, "rules", SET("rules"), "After the cut: a unit of its own.\n");
    kit_add_bad(s, KIT_BAD_JSON, "{");
}

static void make_corpus(void)
{
    make_code(&shards[CODE]);
    make_docs(&shards[DOCS]);
    make_long(&shards[LONG]);
    kit_add_bad(&shards[ONLY_BAD], KIT_NO_TEXT_FIELD, "{}");
    kit_add_bad(&shards[ONLY_BAD], KIT_BAD_JSON, "{]");
    buf_append(&shards[NOTHING].bytes, "\n \n", 3, NULL);
    make_runs(&shards[RUNS]);
    for (size_t i = 0; i < SHARDS; i++) {
        kit_write(&shards[i]);
    }
}

static int score_corpus(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    make_corpus();
    struct kit_ran r = {0};
    for (size_t i = 0; i < SHARDS; i++) {
        kit_run(&r, "gapscope score" KIT_MODELS "$T/%s", shards[i].name);
        assert_int_equal(r.status, 0);
        ref_read(&ref, i, &shards[i], r.out.data);
    }
    ref_finish(&ref);
    kit_ran_free(&r);
    return 0;
}

static int end_corpus(void **state)
{
    sqlite3_close(db);
    ref_free(&ref);
    for (size_t i = 0; i < SHARDS; i++) {
        kit_shard_free(&shards[i]);
    }
    return kit_remove_folder(state);
}

// --- what all tests use -------------------------------------------------------------------------

static sqlite3 *results(void)
{
    if (!db) {
        fail_msg("there is no run.db to look at");
    }
    return db;
}

static void assert_close(double value, double wanted, const char *what)
{
    if (!(fabs(value - wanted) <= NEAR) && !(isnan(value) && isnan(wanted))) {
        fail_msg("%s is %.9g, not %.9g", what, value, wanted);
    }
}

/* Column 'i' as a number; NULL is NaN. */
static double number(sqlite3_stmt *row, int i)
{
    return sqlite3_column_type(row, i) == SQLITE_NULL ? NAN : sqlite3_column_double(row, i);
}

static const char *text(sqlite3_stmt *row, int i)
{
    const char *value = (const char *)sqlite3_column_text(row, i);
    return value ? value : "";
}

static void assert_column_text(sqlite3_stmt *row, int i, const char *wanted)
{
    if (strcmp(text(row, i), wanted) != 0) {
        fail_msg("%s is '%s', not '%s'", sqlite3_column_name(row, i), text(row, i), wanted);
    }
}

static int64_t model_id(size_t m)
{
    return kit_number(results(), "SELECT id FROM model WHERE name='%s'", ref_models[m]);
}

static int64_t pair_id(size_t p)
{
    const struct ref_pair *pair = &ref_pairs[p];
    char others[64] = "";
    for (size_t k = 0; k < pair->n_others; k++) {
        const size_t len = strlen(others);
        snprintf(others + len, sizeof others - len, "%s%d", k ? "," : "",
                 (int)model_id(pair->others[k]));
    }
    return kit_number(results(), "SELECT id FROM pair WHERE base=%d AND json(others)='[%s]'",
                      (int)model_id(pair->base), others);
}

static int64_t shard_id(size_t shard)
{
    return kit_number(results(), "SELECT id FROM shard WHERE name='%s'", shards[shard].name);
}

/* How many of values[] lie in [lo, hi): surely, and perhaps, being as near to an end as rounding
 * can move them. */
struct ref_count {
    uint64_t least, most;
};

static void count_in(struct ref_count *c, double value, double lo, double hi)
{
    // equal log-probs stay equal when rounded: their gap of 0 is sure
    c->least += value >= (lo == 0 ? lo : lo + NEAR) && value < hi - NEAR;
    c->least += lo == 0 && value > 0 && value < NEAR ? -1ULL : 0;
    c->most += value >= lo - NEAR && value < hi + NEAR && !(hi == 0 && value == 0);
}

static void assert_counted(uint64_t n, struct ref_count c, const char *what)
{
    if (n < c.least || n > c.most) {
        fail_msg("%s is %llu, not %llu to %llu", what, (unsigned long long)n,
                 (unsigned long long)c.least, (unsigned long long)c.most);
    }
}

// --- the tests ----------------------------------------------------------------------------------

/* Were the corpus to shrink, the tests below would prove less and still pass. */
static void the_corpus_is_worth_looking_at(void **state)
{
    (void)state;
    size_t tokens_of_longest = 0;
    for (size_t d = 0; d < ref.n_docs; d++) {
        tokens_of_longest = ref.docs[d].n > tokens_of_longest ? ref.docs[d].n : tokens_of_longest;
    }
    print_message("%zu documents, %zu tokens, the longest %zu\n", ref.n_docs, ref.n_tokens,
                  tokens_of_longest);
    assert_in_range(ref.n_docs, KIT_SLOW ? 15 : 30, 80);
    assert_in_range(ref.n_tokens, KIT_SLOW ? 3000 : 20000, 70000);
    assert_true(tokens_of_longest > 1000);
    struct ref_hit hits[TOP];
    assert_int_equal(ref_hits(&ref, 0, 1, TOP, hits), TOP);
    uint64_t duplicates = 0;
    for (size_t i = 0; i < TOP; i++) {
        duplicates += hits[i].duplicates;
    }
    assert_true(duplicates > 0);
}

/* The losses that score prints are sums of its own, in double precision. */
static void the_reference_agrees_with_the_losses_of_score(void **state)
{
    (void)state;
    struct kit_ran r = {0};
    kit_run(&r, "gapscope score" KIT_MODELS "$T/%s", shards[LONG].name);
    const struct ref_doc *doc = NULL;
    for (size_t d = 0; d < ref.n_docs; d++) {
        doc = ref.docs[d].shard == LONG ? &ref.docs[d] : doc;
    }
    assert_non_null(doc);
    for (size_t m = 0; m < REF_MODELS; m++) {
        double sum = 0;
        for (size_t t = doc->first; t < doc->first + doc->n; t++) {
            sum += ref.logprob[m][t];
        }
        char said[160];
        snprintf(said, sizeof said,
                 "%s: %zu tokens in %zu windows, loss %.4f nats a token, %.3f bits a byte",
                 ref_models[m], doc->n, (doc->n + 254) / 255, -sum / (double)doc->n,
                 -sum / M_LN2 / (double)doc->doc->len);
        if (!strstr(r.err.data, said)) {
            fail_msg("'%s' is not in\n%s", said, r.err.data);
        }
    }
    kit_ran_free(&r);
}

static void scan_goes_through_the_corpus(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope scan" KIT_MODELS KIT_PAIRS
               "--precision exact --threads 2 --checkpoint 0 --top %d -o $T/run.db $T/%s $T/%s "
               "$T/%s $T/%s $T/%s $T/%s",
               TOP, shards[RUNS].name, shards[DOCS].name, shards[ONLY_BAD].name, shards[CODE].name,
               shards[LONG].name, shards[NOTHING].name);
    db = kit_db("run.db");
}

static void models_are_as_the_reference(void **state)
{
    (void)state;
    sqlite3 *run = results();
    assert_int_equal(kit_number(run, "SELECT count(*) FROM model"), REF_MODELS);
    uint64_t bytes = 0;
    for (size_t d = 0; d < ref.n_docs; d++) {
        bytes += ref.docs[d].doc->len;
    }
    for (size_t m = 0; m < REF_MODELS; m++) {
        const struct ref_mean mean = ref_mean(&ref, ref.logprob[m], NULL);
        struct ref_count clamped = {0};
        for (size_t t = 0; t < ref.n_tokens; t++) {
            count_in(&clamped, ref.logprob[m][t], -INFINITY, REF_FLOOR);
        }
        sqlite3_stmt *row = kit_query(
            run,
            "SELECT tokens, mean_logprob, se, bits_per_byte, clamped_share, n_layers, d_model, "
            "n_heads, d_mlp, d_vocab, n_ctx FROM model WHERE name='%s'",
            ref_models[m]);
        assert_true(kit_next(row));
        assert_int_equal(sqlite3_column_int64(row, 0), mean.n);
        assert_close(number(row, 1), mean.mean, "mean_logprob");
        assert_close(number(row, 2), mean.se, "se");
        assert_close(number(row, 3), -mean.mean * (double)mean.n / M_LN2 / (double)bytes,
                     "bits_per_byte");
        const double n_clamped = number(row, 4) * (double)mean.n;
        assert_true(fabs(n_clamped - nearbyint(n_clamped)) < 1e-6);
        assert_counted((uint64_t)llrint(n_clamped), clamped, "clamped tokens");
        static const int sizes[] = {1, 128, 4, 512, 4096, 256};
        for (int i = 0; i < 6; i++) {
            if (i != 3 || m > 0) { // what d_mlp an attention-only model has is not the point here
                assert_int_equal(sqlite3_column_int64(row, 5 + i), sizes[i]);
            }
        }
        assert_false(kit_next(row));
    }
}

static void pairs_are_as_the_reference(void **state)
{
    (void)state;
    sqlite3 *run = results();
    assert_int_equal(kit_number(run, "SELECT count(*) FROM pair"), REF_PAIRS);
    for (size_t p = 0; p < REF_PAIRS; p++) {
        const struct ref_mean mean = ref_mean(&ref, ref.gap[p], NULL);
        struct ref_count better = {0};
        for (size_t t = 0; t < ref.n_tokens; t++) {
            count_in(&better, -ref.gap[p][t], -INFINITY, 0);
        }
        sqlite3_stmt *row =
            kit_query(run,
                      "SELECT floor, tokens, docs, mean_gap, se, share_other_better FROM pair "
                      "WHERE id=%d",
                      (int)pair_id(p));
        assert_true(kit_next(row));
        assert_true(number(row, 0) == REF_FLOOR);
        assert_int_equal(sqlite3_column_int64(row, 1), mean.n);
        assert_int_equal(sqlite3_column_int64(row, 2), mean.docs);
        assert_close(number(row, 3), mean.mean, "mean_gap");
        assert_close(number(row, 4), mean.se, "se");
        const double n_better = number(row, 5) * (double)mean.n;
        assert_true(fabs(n_better - nearbyint(n_better)) < 1e-6);
        assert_counted((uint64_t)llrint(n_better), better, "tokens where other is better");
        assert_false(kit_next(row));
    }
}

/* Means over the tokens of a pair for which key[t] is 'wanted'. */
struct ref_row {
    uint64_t n;
    double gap, base, other;
};

static struct ref_row row_of(size_t p, const uint32_t *key, uint32_t wanted)
{
    struct ref_row r = {0};
    for (size_t t = 0; t < ref.n_tokens; t++) {
        if (key[t] == wanted) {
            r.n++;
            r.gap += ref.gap[p][t];
            r.base += ref.logprob[ref_pairs[p].base][t];
            r.other += ref.other[p][t];
        }
    }
    r.gap /= (double)r.n;
    r.base /= (double)r.n;
    r.other /= (double)r.n;
    return r;
}

/* Columns i .. i + 3: n, mean_gap, base_mean_logprob, other_mean_logprob. */
static void assert_row(sqlite3_stmt *row, int i, const struct ref_row *wanted)
{
    assert_int_equal(sqlite3_column_int64(row, i), wanted->n);
    assert_close(number(row, i + 1), wanted->gap, "mean_gap");
    assert_close(number(row, i + 2), wanted->base, "base_mean_logprob");
    assert_close(number(row, i + 3), wanted->other, "other_mean_logprob");
}

static void gaps_by_token_are_as_the_reference(void **state)
{
    (void)state;
    uint32_t *ids = mem_new(ref.n_tokens, sizeof *ids);
    size_t kinds = 0;
    unsigned char seen[4096] = {0};
    for (size_t t = 0; t < ref.n_tokens; t++) {
        ids[t] = ref.tokens[t].id;
        kinds += !seen[ids[t]];
        seen[ids[t]] = 1;
    }
    for (size_t p = 0; p < REF_PAIRS; p++) {
        sqlite3_stmt *row = kit_query(results(),
                                      "SELECT token, token_text, n, mean_gap, base_mean_logprob, "
                                      "other_mean_logprob FROM token_gap WHERE pair=%d",
                                      (int)pair_id(p));
        size_t rows = 0;
        for (; kit_next(row); rows++) {
            const uint32_t id = (uint32_t)sqlite3_column_int64(row, 0);
            size_t t = 0;
            while (t < ref.n_tokens && ids[t] != id) {
                t++;
            }
            assert_true(t < ref.n_tokens);
            struct buf shown = {0};
            ref_show(&shown, ref.docs[ref.tokens[t].doc].doc->text, ref.tokens[t].start,
                     ref.tokens[t].end);
            assert_column_text(row, 1, shown.data);
            buf_free(&shown);
            const struct ref_row wanted = row_of(p, ids, id);
            assert_row(row, 2, &wanted);
        }
        assert_int_equal(rows, kinds);
    }
    free(ids);
}

static void the_histogram_of_gaps_is_as_the_reference(void **state)
{
    (void)state;
    for (size_t p = 0; p < REF_PAIRS; p++) {
        struct ref_count bins[120] = {0};
        for (size_t t = 0; t < ref.n_tokens; t++) {
            for (int i = 0; i < 120; i++) {
                const double hi = (i - 59) / 10.0;
                count_in(&bins[i], ref.gap[p][t], (i - 60) / 10.0, i == 119 ? hi + 1 : hi);
            }
        }
        uint64_t n[120] = {0}, total = 0;
        sqlite3_stmt *row =
            kit_query(results(), "SELECT lo, hi, n FROM gap_hist WHERE pair=%d", (int)pair_id(p));
        while (kit_next(row)) {
            const double lo = number(row, 0), i = nearbyint(lo * 10) + 60;
            assert_true(i >= 0 && i < 120);
            assert_true(fabs(lo - (i - 60) / 10) < 1e-12);
            assert_true(fabs(number(row, 1) - (i - 59) / 10) < 1e-12);
            n[(size_t)i] += (uint64_t)sqlite3_column_int64(row, 2);
            total += (uint64_t)sqlite3_column_int64(row, 2);
        }
        for (int i = 0; i < 120; i++) {
            char what[32];
            snprintf(what, sizeof what, "bin %.1f", (i - 60) / 10.0);
            assert_counted(n[i], bins[i], what);
        }
        assert_int_equal(total, ref.n_tokens);
    }
}

static void gaps_by_position_are_as_the_reference(void **state)
{
    (void)state;
    uint32_t *powers = mem_new(ref.n_tokens, sizeof *powers); // the power of two below
    for (size_t t = 0; t < ref.n_tokens; t++) {
        powers[t] = 1;
        while (2 * powers[t] <= ref.tokens[t].pos) {
            powers[t] *= 2;
        }
    }
    for (size_t p = 0; p < REF_PAIRS; p++) {
        sqlite3_stmt *row =
            kit_query(results(),
                      "SELECT lo, n, mean_gap, base_mean_logprob, other_mean_logprob "
                      "FROM position_gap WHERE pair=%d AND n>0 ORDER BY lo",
                      (int)pair_id(p));
        for (uint32_t lo = 1; lo <= 128; lo *= 2) {
            assert_true(kit_next(row));
            assert_int_equal(sqlite3_column_int64(row, 0), lo);
            const struct ref_row wanted = row_of(p, powers, lo);
            assert_row(row, 1, &wanted);
        }
        assert_false(kit_next(row));
    }
    free(powers);
}

// No name is told as NULL or "" in the table, and "" here.
static const char *const domains[] = {"",         "code", "docs",  "lib \"b\"",
                                      "licences", "pile", "rules", "\xc3\xa9t\xc3\xa9"};
#define N_DOMAINS (sizeof domains / sizeof *domains)

static void domains_are_as_the_reference(void **state)
{
    (void)state;
    sqlite3_stmt *row = kit_query(results(), "SELECT name, docs, tokens FROM domain ORDER BY id");
    for (size_t i = 0; i < N_DOMAINS; i++) {
        assert_true(kit_next(row));
        assert_column_text(row, 0, domains[i]);
        uint64_t docs = 0;
        for (size_t d = 0; d < ref.n_docs; d++) {
            docs += strcmp(ref.docs[d].doc->domain, domains[i]) == 0;
        }
        assert_int_equal(sqlite3_column_int64(row, 1), docs);
        assert_int_equal(sqlite3_column_int64(row, 2), ref_mean(&ref, ref.gap[0], domains[i]).n);
    }
    assert_false(kit_next(row));
}

static void losses_and_gaps_by_domain_are_as_the_reference(void **state)
{
    (void)state;
    sqlite3 *run = results();
    assert_int_equal(kit_number(run, "SELECT count(*) FROM domain_loss"), N_DOMAINS * REF_MODELS);
    assert_int_equal(kit_number(run, "SELECT count(*) FROM domain_gap"), N_DOMAINS * REF_PAIRS);
    for (size_t i = 0; i < N_DOMAINS * (REF_MODELS + REF_PAIRS); i++) {
        const char *domain = domains[i % N_DOMAINS];
        const size_t k = i / N_DOMAINS; // models, then pairs
        const bool is_model = k < REF_MODELS;
        const struct ref_mean wanted =
            ref_mean(&ref, is_model ? ref.logprob[k] : ref.gap[k - REF_MODELS], domain);
        sqlite3_stmt *row = kit_query(
            run,
            "SELECT x.tokens, x.%s, x.se FROM %s x JOIN domain d ON d.id=x.domain "
            "WHERE coalesce(d.name,'')='%s' AND x.%s=%d",
            is_model ? "mean_logprob" : "mean_gap", is_model ? "domain_loss" : "domain_gap", domain,
            is_model ? "model" : "pair", (int)(is_model ? model_id(k) : pair_id(k - REF_MODELS)));
        assert_true(kit_next(row));
        assert_int_equal(sqlite3_column_int64(row, 0), wanted.n);
        assert_close(number(row, 1), wanted.mean, "a domain's mean");
        assert_close(number(row, 2), wanted.se, "a domain's se");
        assert_false(kit_next(row));
    }
}

/* The token that row 'shard, doc, byte_start, byte_end' of columns i.. names. */
static size_t token_at(sqlite3_stmt *row, int i)
{
    for (size_t t = 0; t < ref.n_tokens; t++) {
        const struct ref_doc *d = &ref.docs[ref.tokens[t].doc];
        if (ref.tokens[t].start == sqlite3_column_int64(row, i + 2) &&
            d->doc->number == (uint64_t)sqlite3_column_int64(row, i + 1) &&
            shard_id(d->shard) == sqlite3_column_int64(row, i)) {
            assert_int_equal(ref.tokens[t].end, sqlite3_column_int64(row, i + 3));
            return t;
        }
    }
    fail_msg("shard %lld, doc %lld has no token at byte %lld",
             (long long)sqlite3_column_int64(row, i), (long long)sqlite3_column_int64(row, i + 1),
             (long long)sqlite3_column_int64(row, i + 2));
    return 0;
}

static bool inside_character(const char *bytes, size_t len, size_t at)
{
    return at < len && ((unsigned char)bytes[at] & 0xC0) == 0x80;
}

/* Columns i .. i + 2: token_text, before, after. */
static void assert_shown(sqlite3_stmt *row, int i, size_t t)
{
    const struct kit_doc *doc = ref.docs[ref.tokens[t].doc].doc;
    const size_t start = ref.tokens[t].start, end = ref.tokens[t].end;
    struct buf shown = {0}, before = {0}, after = {0};
    ref_show(&shown, doc->text, start, end);
    assert_column_text(row, i, shown.data);
    size_t from = start > 160 ? start - 160 : 0, to = doc->len - end > 80 ? end + 80 : doc->len;
    while (inside_character(doc->text, doc->len, from)) {
        from++;
    }
    while (inside_character(doc->text, doc->len, to)) {
        to--;
    }
    if (!inside_character(doc->text, doc->len, start)) { // else what stands before is half a letter
        ref_show(&before, doc->text, from, start);
        assert_column_text(row, i + 1, before.data);
    }
    if (!inside_character(doc->text, doc->len, end)) {
        ref_show(&after, doc->text, end, to);
        assert_column_text(row, i + 2, after.data);
    }
    buf_free(&shown);
    buf_free(&before);
    buf_free(&after);
}

static bool near_but_not_equal(double a, double b)
{
    return a != b && fabs(a - b) <= NEAR;
}

static void check_hits(size_t p, const char *side, int sign)
{
    struct ref_hit wanted[TOP];
    const size_t n = ref_hits(&ref, p, sign, TOP, wanted);
    sqlite3_stmt *row =
        kit_query(results(),
                  "SELECT shard, doc, byte_start, byte_end, token, token_text, before, after, gap, "
                  "base_logprob, other_logprob, duplicates, detail, rank FROM hit WHERE pair=%d "
                  "AND side='%s' "
                  "ORDER BY rank",
                  (int)pair_id(p), side);
    int64_t first_rank = -1;
    for (size_t i = 0; i < n; i++) {
        assert_true(kit_next(row));
        first_rank = i == 0 ? sqlite3_column_int64(row, 13) : first_rank;
        assert_int_equal(sqlite3_column_int64(row, 13), first_rank + (int64_t)i);
        const size_t t = token_at(row, 0);
        if (t != wanted[i].token && !near_but_not_equal(ref.gap[p][t], wanted[i].gap)) {
            fail_msg("pair %zu, side %s, rank %zu: doc %zu byte %u (gap %.7f), not doc %zu byte %u "
                     "(gap %.7f)",
                     p, side, i, ref.tokens[t].doc, ref.tokens[t].start, ref.gap[p][t],
                     ref.tokens[wanted[i].token].doc, ref.tokens[wanted[i].token].start,
                     wanted[i].gap);
        }
        assert_int_equal(sqlite3_column_int64(row, 4), ref.tokens[t].id);
        assert_shown(row, 5, t);
        assert_close(number(row, 8), ref.gap[p][t], "gap");
        assert_close(number(row, 9), ref.logprob[ref_pairs[p].base][t], "base_logprob");
        assert_close(number(row, 10), ref.other[p][t], "other_logprob");
        if (t == wanted[i].token) {
            assert_int_equal(sqlite3_column_int64(row, 11), wanted[i].duplicates);
        }
    }
    assert_false(kit_next(row));
}

static void hits_are_as_the_reference(void **state)
{
    (void)state;
    assert_int_equal(kit_number(results(), "SELECT min(rank) FROM hit"),
                     kit_number(results(), "SELECT max(rank) FROM hit") + 1 - TOP);
    for (size_t p = 0; p < REF_PAIRS; p++) {
        check_hits(p, "other", 1);
        check_hits(p, "base", -1);
    }
}

/* A hit's detail, which must be whole JSON. */
static struct json_object *parse_detail(struct json_tokener *parser, const char *detail)
{
    struct json_object *object = NULL;
    struct err err = {0};
    if (json_parse(parser, &object, detail, strlen(detail), &err)) {
        fail_msg("detail %s: %s", detail, err.msg);
    }
    return object;
}

/* What a model says in the detail: base first, then the others, in the pair's order. */
static struct json_object *view_of(struct json_object *detail, size_t p, size_t k)
{
    struct json_object *others = json_member(detail, "others");
    assert_int_equal(json_object_array_length(others), ref_pairs[p].n_others);
    struct json_object *view =
        k == 0 ? json_member(detail, "base") : json_object_array_get_idx(others, k - 1);
    const size_t m = k == 0 ? ref_pairs[p].base : ref_pairs[p].others[k - 1];
    assert_string_equal(json_object_get_string(json_member(view, "model")), ref_models[m]);
    return view;
}

/* The ten log-probs and the entropy that score gives at that place. */
static void details_hold_the_top_tokens_and_entropy(void **state)
{
    (void)state;
    sqlite3_stmt *row = kit_query(results(),
                                  "SELECT shard, doc, byte_start, byte_end, detail FROM hit WHERE "
                                  "pair=%d AND side='other' ORDER BY rank LIMIT 3",
                                  (int)pair_id(0));
    struct json_tokener *parser = json_parser_new();
    while (kit_next(row)) {
        const size_t t = token_at(row, 0);
        const struct ref_doc *d = &ref.docs[ref.tokens[t].doc];
        struct kit_ran r = {0};
        kit_run(&r,
                "gapscope score --top 10 --entropy" KIT_MODELS
                "$T/%s 2>$T/.score | grep '^{\"doc\":%llu,\"window\":%zu,'",
                shards[d->shard].name, (unsigned long long)d->doc->number, (t - d->first) / 255);
        struct json_object *line = NULL, *detail = parse_detail(parser, text(row, 4));
        assert_int_equal(json_parse(parser, &line, r.out.data, r.out.len, NULL), 0);
        const size_t at = ref.tokens[t].pos - 1; // what is said at the token before
        for (size_t k = 0; k < 2; k++) {
            struct json_object *view = view_of(detail, 0, k);
            const char *name = json_object_get_string(json_member(view, "model"));
            struct json_object *top =
                json_object_array_get_idx(json_member(json_member(line, "top"), name), at);
            assert_int_equal(json_object_array_length(top), 10);
            for (size_t i = 0; i < 10; i++) {
                struct json_object *one = json_object_array_get_idx(top, i);
                struct json_object *seen = json_object_array_get_idx(json_member(view, "top"), i);
                assert_true(golden_number(seen, 0) == golden_number(one, 0));
                assert_true(fabs(golden_number(seen, 1) - golden_number(one, 1)) < 1e-4);
            }
            const double entropy =
                golden_number(json_member(json_member(line, "entropy"), name), at);
            assert_true(fabs(json_object_get_double(json_member(view, "entropy")) - entropy) <
                        1e-4);
        }
        json_object_put(line);
        json_object_put(detail);
        kit_ran_free(&r);
    }
    json_tokener_free(parser);
}

/* One layer of four heads; the neurons from the largest down. */
static void check_attribution(struct json_object *attribution, bool attn_only)
{
    double sum = 0, size = 1;
    struct json_object *parts = json_member(attribution, "parts");
    assert_int_equal(json_object_object_length(parts), attn_only ? 8 : 9);
    json_object_object_foreach(parts, name, part)
    {
        assert_true(json_object_is_type(part, json_type_double) ||
                    json_object_is_type(part, json_type_int));
        assert_true(strlen(name) > 0);
        sum += json_object_get_double(part);
        size += fabs(json_object_get_double(part));
    }
    assert_true(fabs(json_object_get_double(json_member(attribution, "logit")) - sum) <
                1e-5 * size);
    struct json_object *neurons = json_member(attribution, "neurons");
    assert_true(attn_only == (neurons == NULL));
    for (size_t i = 0; !attn_only && i < 10; i++) {
        struct json_object *one = json_object_array_get_idx(neurons, i);
        unsigned index;
        assert_int_equal(
            sscanf(json_object_get_string(json_object_array_get_idx(one, 0)), "L0N%u", &index), 1);
        assert_true(index < 512);
        if (i > 0) {
            struct json_object *before = json_object_array_get_idx(neurons, i - 1);
            assert_true(fabs(golden_number(before, 1)) >= fabs(golden_number(one, 1)));
        }
    }
}

static void every_detail_has_parts_that_make_the_logit(void **state)
{
    (void)state;
    struct json_tokener *parser = json_parser_new();
    for (size_t p = 0; p < REF_PAIRS; p++) {
        sqlite3_stmt *row =
            kit_query(results(), "SELECT detail FROM hit WHERE pair=%d", (int)pair_id(p));
        size_t rows = 0;
        for (; kit_next(row); rows++) {
            struct json_object *detail = parse_detail(parser, text(row, 0));
            for (size_t k = 0; k <= ref_pairs[p].n_others; k++) {
                struct json_object *view = view_of(detail, p, k);
                const char *name = json_object_get_string(json_member(view, "model"));
                check_attribution(json_member(view, "attribution"), strstr(name, "attn") != NULL);
            }
            json_object_put(detail);
        }
        assert_int_equal(rows, 2 * TOP);
    }
    json_tokener_free(parser);
}

/* Token t and those beside it that lie in the bytes which a hit shows before and after it. */
static void check_neighbours(struct json_object *around, size_t p, size_t t)
{
    struct json_object *tokens = json_member(around, "tokens"), *gaps = json_member(around, "gaps");
    const struct ref_doc *d = &ref.docs[ref.tokens[t].doc];
    size_t n = 0, at = SIZE_MAX;
    for (size_t k = d->first; k < d->first + d->n; k++) {
        if (ref.tokens[k].start + 160 < ref.tokens[t].start ||
            ref.tokens[k].end > ref.tokens[t].end + 80) {
            continue;
        }
        at = k == t ? n : at;
        assert_int_equal(golden_number(tokens, n), ref.tokens[k].id);
        const double gap = golden_number(gaps, n++);
        assert_true(gap == nearbyint(gap * 100) / 100);
        if (!(fabs(gap - ref.gap[p][k]) <= 0.005 + NEAR)) {
            fail_msg("pair %zu, doc %zu, byte %u: the gap is %.7f, not %g", p, ref.tokens[t].doc,
                     ref.tokens[k].start, ref.gap[p][k], gap);
        }
    }
    assert_int_equal(json_object_array_length(tokens), n);
    assert_int_equal(json_object_array_length(gaps), n);
    assert_int_equal(json_object_get_uint64(json_member(around, "at")), at);
}

static void expect_no_negative_zero(const char *detail)
{
    const char *gaps = strstr(detail, "\"gaps\":[");
    assert_non_null(gaps);
    for (const char *at = gaps; at[-1] != ']'; at++) {
        assert_false(at[0] == '-' && at[1 + strspn(at + 1, "0.")] < '1');
    }
}

static void hits_stand_among_their_neighbours(void **state)
{
    (void)state;
    struct json_tokener *parser = json_parser_new();
    for (size_t p = 0; p < REF_PAIRS; p++) {
        sqlite3_stmt *row =
            kit_query(results(),
                      "SELECT shard, doc, byte_start, byte_end, detail, gap FROM hit WHERE pair=%d",
                      (int)pair_id(p));
        while (kit_next(row)) {
            struct json_object *detail = parse_detail(parser, text(row, 4));
            struct json_object *around = json_member(detail, "around");
            check_neighbours(around, p, token_at(row, 0));
            const double own = golden_number(json_member(around, "gaps"),
                                             json_object_get_uint64(json_member(around, "at")));
            assert_true(fabs(own - number(row, 5)) <= 0.005 + 1e-9);
            expect_no_negative_zero(text(row, 4));
            json_object_put(detail);
        }
    }
    json_tokener_free(parser);
}

static void hits_name_the_domain_of_their_document(void **state)
{
    (void)state;
    struct json_tokener *parser = json_parser_new();
    sqlite3_stmt *row =
        kit_query(results(), "SELECT shard, doc, byte_start, byte_end, detail FROM hit");
    size_t with = 0, without = 0;
    while (kit_next(row)) {
        struct json_object *detail = parse_detail(parser, text(row, 4));
        struct json_object *domain = json_member(detail, "domain");
        const char *wanted = ref.docs[ref.tokens[token_at(row, 0)].doc].doc->domain;
        if (*wanted) {
            assert_string_equal(json_object_get_string(domain), wanted);
            with++;
        } else {
            assert_null(domain);
            without++;
        }
        json_object_put(detail);
    }
    assert_true(with > 0 && without > 0);
    json_tokener_free(parser);
}

static void rejects_are_as_they_were_written(void **state)
{
    (void)state;
    size_t rows = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        for (size_t k = 0; k < KIT_REASONS; k++) {
            if (shards[i].rejects[k] > 0) {
                rows++;
                assert_int_equal(kit_number(results(),
                                            "SELECT n FROM reject WHERE shard=%d AND reason='%s'",
                                            (int)shard_id(i), kit_reasons[k]),
                                 shards[i].rejects[k]);
            }
        }
    }
    assert_int_equal(kit_number(results(), "SELECT count(*) FROM reject WHERE n>0"), rows);
    assert_int_equal(kit_number(results(), "SELECT count(*) FROM reject WHERE length(places)=0"),
                     0);
}

/* Units of a shard, cut as SPEC section 1 says: whole documents, 256 KiB of text as read. */
static uint64_t units_of(const struct kit_shard *s)
{
    uint64_t units = 0;
    size_t bytes = 0, docs = 0;
    for (size_t i = 0; i < s->n_docs; i++) {
        docs++;
        bytes += s->docs[i].read_bytes;
        if (bytes >= (size_t)256 << 10) {
            units++;
            bytes = docs = 0;
        }
    }
    return units + (docs > 0 || (s->n_docs == 0 && s->records > 0));
}

static void shards_are_counted(void **state)
{
    (void)state;
    assert_int_equal(units_of(&shards[RUNS]), 2);
    sqlite3_stmt *row = kit_query(results(), "SELECT name, bytes, docs, tokens, units, units_done, "
                                             "skipped_docs FROM shard ORDER BY id");
    for (size_t i = 0; i < SHARDS; i++) {
        assert_true(kit_next(row));
        assert_column_text(row, 0, shards[i].name);
        struct buf bytes = {0};
        assert_int_equal(file_read(kit_path(shards[i].name), (size_t)1 << 30, &bytes, NULL), 0);
        assert_int_equal(sqlite3_column_int64(row, 1), bytes.len);
        buf_free(&bytes);
        uint64_t tokens = 0, rejects = 0;
        for (size_t d = 0; d < ref.n_docs; d++) {
            tokens += ref.docs[d].shard == i ? ref.docs[d].n : 0;
        }
        for (size_t k = 0; k < KIT_REASONS; k++) {
            rejects += shards[i].rejects[k];
        }
        assert_int_equal(sqlite3_column_int64(row, 2), shards[i].n_docs);
        assert_int_equal(sqlite3_column_int64(row, 3), tokens);
        assert_int_equal(sqlite3_column_int64(row, 4), units_of(&shards[i]));
        assert_int_equal(sqlite3_column_int64(row, 5), units_of(&shards[i]));
        assert_int_equal(sqlite3_column_int64(row, 6), rejects);
    }
    assert_false(kit_next(row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus_is_worth_looking_at),
        cmocka_unit_test(the_reference_agrees_with_the_losses_of_score),
        cmocka_unit_test(scan_goes_through_the_corpus),
        cmocka_unit_test(models_are_as_the_reference),
        cmocka_unit_test(pairs_are_as_the_reference),
        cmocka_unit_test(gaps_by_token_are_as_the_reference),
        cmocka_unit_test(the_histogram_of_gaps_is_as_the_reference),
        cmocka_unit_test(gaps_by_position_are_as_the_reference),
        cmocka_unit_test(domains_are_as_the_reference),
        cmocka_unit_test(losses_and_gaps_by_domain_are_as_the_reference),
        cmocka_unit_test(hits_are_as_the_reference),
        cmocka_unit_test(details_hold_the_top_tokens_and_entropy),
        cmocka_unit_test(every_detail_has_parts_that_make_the_logit),
        cmocka_unit_test(hits_stand_among_their_neighbours),
        cmocka_unit_test(hits_name_the_domain_of_their_document),
        cmocka_unit_test(rejects_are_as_they_were_written),
        cmocka_unit_test(shards_are_counted),
    };
    return cmocka_run_group_tests(tests, score_corpus, end_corpus);
}
