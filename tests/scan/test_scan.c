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
#include "tests/scan/scan_corpus.h"
#include "tests/scan/scan_hits.h"

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
                 "%s: %zu tokens in %zu windows, loss %.4f nats per token, %.3f bits per byte",
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
