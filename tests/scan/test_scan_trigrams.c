/*
 * From a corpus to a verdict, as people do it: count, scan --trigrams, trigrams.  In the corpus it
 * is known what predicts what (planted_text.h), and in the models which neurons do it
 * (planted_model.h): the planted trigrams are found and no decoy is, and the verdicts are right.
 * Numbers are those of a reference that runs every window with forward.h and counts by loops.
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "model/load/model.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/kit/planted_model.h"
#include "tests/kit/planted_text.h"

#define N_SHARDS 4
#define WINDOW (PLANTED_N_CTX - 1) // tokens of a list beside what begins it

/* Three of the text's trigrams, of different tokens; the models know them, and no others. */
static const struct planted_trigram first_three[] = {
    {PLANTED_BY_AND, 1, 5, 8, 290},
    {PLANTED_BY_SPREAD, 2, 6, 7, 291},
    {PLANTED_BY_B_ONLY, 3, 4, 9, 292},
};
static const struct planted_trigram other_three[] = {
    {PLANTED_BY_A_ONLY, 1, 5, 8, 290},
    {PLANTED_BY_BOTH, 2, 6, 7, 291},
    {PLANTED_BY_AND, 3, 4, 9, 292},
};
static const struct planted models[] = {
    {.trigrams = first_three, .n = 3, .d_vocab = PLANTED_VOCAB},
    {.trigrams = other_three, .n = 3, .d_vocab = PLANTED_VOCAB},
};

#define MODELS " --model base=$T/base --model one=$T/one --model other=$T/other "
#define SCAN                                                                                       \
    "gapscope scan --ids" MODELS "--pair base:one --pair base:other --pair base:one+other"         \
    " --trigrams $T/text.ngrams --checkpoint 0 "
#define COUNT "gapscope count --ids --tokenizer model/demo/gelu-1l/tokenizer.json "
#define CORPUS " $T/s0.jsonl $T/s1.jsonl $T/s2.jsonl $T/s3.jsonl "
#define HALF " $T/s0.jsonl $T/s1.jsonl " // where it does not matter what is found

static struct planted_text text;

// --- the corpus and the models ------------------------------------------------------------------

/* Documents in lists that fit a window. */
static void write_corpus(void)
{
    planted_text_make(&text, 1);
    for (size_t s = 0; s < N_SHARDS; s++) {
        char name[32];
        snprintf(name, sizeof name, "s%zu.jsonl", s);
        FILE *f = fopen(kit_path(name), "w");
        assert_non_null(f);
        for (size_t d = s; d < PLANTED_DOCS; d += N_SHARDS) {
            for (size_t i = 0; i < text.docs[d].n; i += WINDOW) {
                fprintf(f, "{\"ids\":[%u", PLANTED_BOS);
                for (size_t k = i; k < text.docs[d].n && k < i + WINDOW; k++) {
                    fprintf(f, ",%" PRIu32, text.docs[d].ids[k]);
                }
                fputs("]}\n", f);
            }
        }
        assert_int_equal(fclose(f), 0);
    }
}

static void write_model(const char *name, const struct planted *p, bool attn_only)
{
    assert_int_equal(mkdir(kit_path(name), 0777), 0);
    planted_write(p, attn_only, kit_path(name));
}

static int set_up(void **state)
{
    kit_make_folder(state);
    write_corpus();
    write_model("base", &models[0], true);
    write_model("one", &models[0], false);
    write_model("other", &models[1], false);
    kit_expect(0, NULL, COUNT "-o $T/text.ngrams" CORPUS);
    kit_expect(0, "trigrams: tested", SCAN "--threads 1 -o $T/run.db" CORPUS);
    return 0;
}

static int tear_down(void **state)
{
    planted_text_free(&text);
    return kit_remove_folder(state);
}

// --- what is found ------------------------------------------------------------------------------

static int64_t id_of(sqlite3 *db, const struct planted_trigram *t)
{
    return kit_number(db, "SELECT id FROM trigram WHERE a = %u AND b = %u AND c = %u", t->a, t->b,
                      t->c);
}

static void planted_trigrams_are_found_and_decoys_are_not(void **state)
{
    (void)state;
    sqlite3 *db = kit_db("run.db");
    int64_t wanted = 0;
    for (size_t i = 0; i < PLANTED_ITEMS; i++) {
        const struct planted_item *item = &text.items[i];
        if (item->kind == PLANTED_TRIGRAM) {
            wanted++;
            assert_int_equal(kit_number(db,
                                        "SELECT count(*) FROM trigram"
                                        " WHERE a = %u AND b = %u AND c = %u",
                                        item->a, item->b, item->c),
                             1);
        }
    }
    assert_int_equal(wanted, 6);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM trigram"), wanted);
    // the decoys are what counting explains
    assert_true(kit_number(db,
                           "SELECT value ->> '$.funnel.bigram' >= 2 * %u FROM meta"
                           " WHERE key = 'trigrams'",
                           PLANTED_FEW));
    assert_true(kit_number(db,
                           "SELECT value ->> '$.funnel.skip' >= 2 * %u FROM meta"
                           " WHERE key = 'trigrams'",
                           PLANTED_FEW));
    assert_true(
        kit_number(db, "SELECT value ->> '$.funnel.added' >= 2 FROM meta WHERE key = 'trigrams'"));
    assert_int_equal(
        kit_number(db, "SELECT value ->> '$.funnel.kept' FROM meta WHERE key = 'trigrams'"),
        wanted);
    sqlite3_close(db);
}

static void expect_verdict(sqlite3 *db, const struct planted_trigram *t, const char *model,
                           const char *verdict, int64_t neuron)
{
    sqlite3_stmt *s = kit_query(db,
                                "SELECT verdict, ifnull(idx, -1), interaction FROM trigram_model"
                                " WHERE trigram = %d AND model ="
                                " (SELECT id FROM model WHERE name = '%s')",
                                (int)id_of(db, t), model);
    assert_true(kit_next(s));
    assert_string_equal((const char *)sqlite3_column_text(s, 0), verdict);
    assert_int_equal(sqlite3_column_int64(s, 1), neuron);
    assert_false(kit_next(s));
}

static void verdicts_are_those_of_what_was_planted(void **state)
{
    (void)state;
    sqlite3 *db = kit_db("run.db");
    // Those that no model knows beat nothing.
    assert_int_equal(kit_number(db, "SELECT count(*) FROM trigram WHERE tested"), 3);
    assert_int_equal(kit_number(db, "SELECT value FROM meta WHERE key = 'trigrams_tested'"), 3);
    expect_verdict(db, &first_three[0], "one", "AND-like", (int64_t)planted_neuron(&models[0], 0));
    expect_verdict(db, &first_three[1], "one", "spread", -1);
    expect_verdict(db, &first_three[2], "one", "B-only", (int64_t)planted_neuron(&models[0], 2));
    expect_verdict(db, &other_three[0], "other", "A-only", (int64_t)planted_neuron(&models[1], 0));
    expect_verdict(db, &other_three[1], "other", "AND-like",
                   (int64_t)planted_neuron(&models[1], 1) + 1);
    expect_verdict(db, &other_three[2], "other", "AND-like",
                   (int64_t)planted_neuron(&models[1], 2));
    assert_int_equal(
        kit_number(
            db,
            "SELECT count(*) FROM trigram_model m JOIN model ON"
            " model.id = m.model WHERE name = 'base' AND"
            " (idx IS NOT NULL OR verdict NOT LIKE 'n%% interaction' AND verdict <> 'no neurons')"),
        0);
    sqlite3_close(db);
}

static void the_view_says_it_in_words(void **state)
{
    (void)state;
    struct kit_ran r = {0};
    kit_run(&r, "gapscope trigrams $T/run.db --model one --verdict AND-like --color never");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.data, "AND-like: L0N0 fires 4.00 at A B"));
    assert_non_null(strstr(r.out.data, "1 of 6 trigrams"));
    kit_ran_free(&r);
}

// --- its numbers --------------------------------------------------------------------------------

/* What a window gives, by the reference. */
struct seen {
    const struct model *model;
    float *post; // [n][d_mlp]
    double logprob[PLANTED_N_CTX];
};

static void keep_post(void *context, size_t layer, enum site site, const float *acts, size_t n,
                      size_t d_mlp)
{
    struct seen *s = context;
    if (layer == 0 && site == SITE_POST) {
        memcpy(s->post, acts, n * d_mlp * sizeof *acts);
    }
}

/* Sums over the corpus for one trigram and model. */
struct sums {
    uint64_t n, docs, cells[4];
    double logprob;
    double *acts[4]; // [d_mlp]
};

static void add_window(struct sums *s, const struct seen *seen, const struct planted_trigram *t,
                       const uint32_t *ids, size_t n)
{
    const size_t d_mlp = seen->model->config.attn_only ? 0 : seen->model->config.d_mlp;
    const uint64_t before = s->n;
    for (size_t i = 1; i < n; i++) { // ids[0] begins the window
        const bool a = i > 1 && ids[i - 1] == t->a, b = ids[i] == t->b;
        const size_t cell = a && b ? 0 : b ? 1 : a ? 2 : 3;
        s->cells[cell]++;
        for (size_t k = 0; k < d_mlp; k++) {
            s->acts[cell][k] += (double)seen->post[i * d_mlp + k];
        }
        if (a && b && i + 1 < n && ids[i + 1] == t->c) {
            s->n++;
            s->logprob += seen->logprob[i];
        }
    }
    s->docs += s->n > before;
}

/* sums[3], of the trigrams that the models know. */
static void sum_corpus(struct sums *sums, const struct model *m)
{
    struct forward *f = NULL;
    const size_t d_mlp = m->config.attn_only ? 0 : m->config.d_mlp, d_vocab = m->config.d_vocab;
    struct seen seen = {.model = m, .post = calloc(PLANTED_N_CTX * d_mlp + 1, sizeof(float))};
    float *logits = calloc(PLANTED_N_CTX * d_vocab, sizeof *logits);
    assert_int_equal(forward_new(&f, m, NULL), 0);
    const struct forward_hooks hooks = {.context = &seen, .neurons = keep_post};
    for (size_t k = 0; k < 3 * 4; k++) {
        sums[k / 4].acts[k % 4] = calloc(d_mlp + 1, sizeof(double));
    }
    for (size_t d = 0; d < PLANTED_DOCS; d++) {
        for (size_t i = 0; i < text.docs[d].n; i += WINDOW) {
            uint32_t ids[PLANTED_N_CTX] = {PLANTED_BOS};
            size_t n = 1;
            for (size_t k = i; k < text.docs[d].n && k < i + WINDOW; k++) {
                ids[n++] = text.docs[d].ids[k];
            }
            forward_run(f, ids, n, &hooks);
            forward_logits(f, 0, n, logits);
            for (size_t k = 0; k + 1 < n; k++) {
                seen.logprob[k] = (double)logits[k * d_vocab + ids[k + 1]] -
                                  logprob_log_sum_exp(logits + k * d_vocab, d_vocab);
            }
            for (size_t k = 0; k < 3; k++) {
                add_window(&sums[k], &seen, &first_three[k], ids, n);
            }
        }
    }
    forward_free(f);
    free(seen.post);
    free(logits);
}

static void sums_free(struct sums *s)
{
    for (size_t k = 0; k < 4; k++) {
        free(s->acts[k]);
    }
}

static void near_to(double value, double wanted, double most)
{
    if (!(fabs(value - wanted) <= most)) {
        fail_msg("%.9g, wanted %.9g", value, wanted);
    }
}

static void compare_neurons(sqlite3 *db, const struct sums *s, int64_t id, size_t model)
{
    double mean[4];
    size_t n = 0;
    sqlite3_stmt *q = kit_query(db,
                                "SELECT idx, corpus_ab, corpus_xb, corpus_ax, corpus_xx,"
                                " corpus_interaction FROM trigram_neuron"
                                " WHERE trigram = %d AND model = %zu",
                                (int)id, model);
    for (; kit_next(q); n++) {
        for (size_t k = 0; k < 4; k++) {
            mean[k] = s->acts[k][sqlite3_column_int(q, 0)] / (double)s->cells[k];
            near_to(sqlite3_column_double(q, 1 + (int)k), mean[k], 2e-6); // sums of 2^-20
        }
        near_to(sqlite3_column_double(q, 5), mean[0] - mean[1] - mean[2] + mean[3], 8e-6);
    }
    assert_true(n > 0);
}

static void numbers_are_those_of_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"base", "one", "other"};
    sqlite3 *db = kit_db("run.db");
    for (size_t m = 0; m < 3; m++) {
        struct model *model = NULL;
        assert_int_equal(model_load(&model, names[m], kit_path(names[m]), NULL), 0);
        struct sums sums[3] = {0};
        sum_corpus(sums, model);
        for (size_t k = 0; k < 3; k++) {
            const int64_t id = id_of(db, &first_three[k]);
            const struct sums *s = &sums[k];
            sqlite3_stmt *q = kit_query(db,
                                        "SELECT n, docs, n_ab, n_xb, n_ax, n_xx,"
                                        " mean_logprob ->> '$.%s' FROM trigram WHERE id = %d",
                                        names[m], (int)id);
            assert_true(kit_next(q));
            assert_int_equal(sqlite3_column_int64(q, 0), s->n);
            assert_int_equal(sqlite3_column_int64(q, 1), s->docs);
            for (int cell = 0; cell < 4; cell++) {
                assert_int_equal(sqlite3_column_int64(q, 2 + cell), s->cells[cell]);
            }
            // a scan without --precision is within 1e-3 of every token
            near_to(sqlite3_column_double(q, 6), s->logprob / (double)s->n, 1e-3);
            assert_false(kit_next(q));
            if (m > 0) {
                compare_neurons(db, s, id, m);
            }
            sums_free(&sums[k]);
        }
        model_free(model);
    }
    sqlite3_close(db);
}

// --- however it is run --------------------------------------------------------------------------

static void threads_parts_and_merging_change_nothing(void **state)
{
    (void)state;
    char wanted[33], got[33];
    kit_digest(wanted, "run.db");
    kit_expect(0, NULL, SCAN "--threads 3 -o $T/threads.db" CORPUS);
    kit_digest(got, "threads.db");
    assert_string_equal(got, wanted);
    kit_expect(0, NULL, SCAN "--part 0/2 -o $T/p0.db" CORPUS);
    kit_expect(0, NULL, SCAN "--part 1/2 -o $T/p1.db" CORPUS);
    kit_expect(0, "trigrams: tested 3", "gapscope merge -o $T/merged.db $T/p1.db $T/p0.db");
    kit_digest(got, "merged.db");
    assert_string_equal(got, wanted);
}

static void change_db(const char *name, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(kit_path(name), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* As one that was killed behind its last unit. */
static void what_was_not_tried_is_tried_when_it_goes_on(void **state)
{
    (void)state;
    char wanted[33], got[33];
    kit_digest(wanted, "run.db");
    kit_expect(0, NULL, "cp $T/run.db $T/late.db");
    change_db("late.db", "DELETE FROM trigram_model; DELETE FROM trigram_neuron;"
                         "UPDATE trigram SET tested = 0;"
                         "DELETE FROM meta WHERE key = 'trigrams_tested'");
    kit_expect(0, "trigrams: tested 3", SCAN "-o $T/late.db" CORPUS);
    kit_digest(got, "late.db");
    assert_string_equal(got, wanted);
    kit_expect(0, "nothing is left to do", SCAN "-o $T/late.db" CORPUS);
}

/* Hundreds of trigrams, so that trying them takes longer than a signal. */
#define MANY                                                                                       \
    "scan --ids" MODELS "--trigrams $T/text.ngrams --threads 1 --trigram-rule "                    \
    "count=2,high=0.05,low=0.04,gap=-100,test=500 %s -o $T/%s.db"
#define MANY_CORPUS (KIT_SLOW ? " $T/s0.jsonl" : CORPUS)

/* Are all units in run.db, and the trigrams not tried?  'No' while there is no such file. */
static bool is_trying(const char *name)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    const bool is = sqlite3_open_v2(kit_path(name), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
                    sqlite3_prepare_v2(db,
                                       "SELECT 1 FROM meta WHERE key = 'finished' AND value <> ''"
                                       " AND NOT EXISTS (SELECT 1 FROM meta"
                                       " WHERE key = 'trigrams_tested')",
                                       -1, &s, NULL) == SQLITE_OK &&
                    sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    sqlite3_close(db);
    return is;
}

/* Starts it anew until 'number' comes while trigrams are tried; how it ended, as of waitpid(). */
static int signal_while_trying(int number)
{
    for (int tries = 0; tries < 10; tries++) { // it may be done before the signal comes
        kit_expect(0, NULL, "rm -f $T/broken.db*");
        char arguments[1024];
        int status = 0;
        snprintf(arguments, sizeof arguments, MANY, MANY_CORPUS, "broken");
        const pid_t pid = kit_start(arguments);
        bool runs = true;
        while (!is_trying("broken.db") && (runs = waitpid(pid, &status, WNOHANG) == 0)) {
            nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        }
        if (runs) {
            kill(pid, number);
            assert_int_equal(waitpid(pid, &status, 0), pid);
        }
        if (is_trying("broken.db")) {
            return status;
        }
    }
    fail_msg("no signal came while trigrams were tried");
    return 0;
}

static void what_a_signal_stops_is_tried_by_the_same_command(void **state)
{
    (void)state;
    char wanted[33], got[33];
    kit_expect(0, NULL, "gapscope " MANY, MANY_CORPUS, "many");
    kit_digest(wanted, "many.db");
    sqlite3 *db = kit_db("many.db");
    assert_in_range(kit_number(db, "SELECT count(*) FROM trigram WHERE tested"), 10, 500);
    sqlite3_close(db);
    static const int signals[] = {SIGTERM, SIGKILL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const int status = signal_while_trying(signals[i]);
        if (signals[i] == SIGKILL) {
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        } else {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 128 + signals[i]);
            kit_expect(0, NULL, "grep -q 'run the same command again' $T/.started");
        }
        kit_digest(got, "broken.db");
        assert_string_not_equal(got, wanted);
        kit_expect(0, "trigrams: tested", "gapscope " MANY, MANY_CORPUS, "broken");
        kit_digest(got, "broken.db");
        assert_string_equal(got, wanted);
    }
}

static void a_merge_without_its_models_says_so(void **state)
{
    (void)state;
    kit_expect(0, NULL, "mkdir $T/m && cp -r $T/base $T/one $T/other $T/m");
#define MOVED                                                                                      \
    "gapscope scan --ids --model base=$T/m/base --model one=$T/m/one --trigrams $T/text.ngrams "
    kit_expect(0, NULL, MOVED "--part 0/2 -o $T/m0.db" HALF);
    kit_expect(0, NULL, MOVED "--part 1/2 -o $T/m1.db" HALF);
    struct planted_trigram changed[3];
    memcpy(changed, first_three, sizeof changed);
    changed[0].d -= 10;
    const struct planted another = {.trigrams = changed, .n = 3, .d_vocab = PLANTED_VOCAB};
    planted_write(&another, false, kit_path("m/one"));
    kit_expect(0, "has other weights than those that were scanned",
               "gapscope merge -o $T/mm.db $T/m0.db $T/m1.db");
    kit_expect(0, NULL, "rm -r $T/m");
    kit_expect(0, "the trigrams were not tested on the models",
               "gapscope merge --force -o $T/mm.db $T/m0.db $T/m1.db");
    sqlite3 *db = kit_db("mm.db");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM trigram"), 6);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM trigram_model"), 0);
    assert_int_equal(kit_number(db, "SELECT count(*) FROM meta WHERE key = 'trigrams_tested'"), 0);
    sqlite3_close(db);
}

// --- what is refused ----------------------------------------------------------------------------

static void what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    kit_expect(2, "\"low\" is not part of a rule", SCAN "--trigram-rule low -o $T/x.db" CORPUS);
    kit_expect(2, "\"count=1\" is not part", SCAN "--trigram-rule count=1 -o $T/x.db" CORPUS);
    kit_expect(2, "low must be below high", SCAN "--trigram-rule high=.1,low=.2 -o $T/x.db" CORPUS);
    kit_expect(2, "--trigram-rule goes with --trigrams",
               "gapscope scan --ids" MODELS "--trigram-rule count=3 -o $T/x.db" CORPUS);
    kit_expect(1, "is an SQLite database",
               "gapscope scan --ids" MODELS "--trigrams $T/run.db -o $T/x.db" CORPUS);
    kit_expect(0, NULL, COUNT "--part 0/2 -o $T/part.ngrams" CORPUS);
    kit_expect(1, "is a part of a count",
               "gapscope scan --ids" MODELS "--trigrams $T/part.ngrams -o $T/x.db" CORPUS);
    // another rule is another run
    kit_expect(1, "holds another run", SCAN "--trigram-rule low=.05 -o $T/run.db" CORPUS);
    kit_expect(1, "holds another run", "gapscope scan --ids" MODELS "-o $T/run.db" CORPUS);
}

static void where_nothing_is_left_there_are_no_trigrams(void **state)
{
    (void)state;
    kit_expect(0, "the scan looks for 0 (another --trigram-rule lets ",
               SCAN "--trigram-rule count=100000 -o $T/none.db $T/s0.jsonl");
    sqlite3 *db = kit_db("none.db");
    assert_int_equal(kit_number(db, "SELECT count(*) FROM trigram"), 0);
    assert_int_equal(
        kit_number(db, "SELECT value ->> '$.funnel.kept' FROM meta WHERE key = 'trigrams'"), 0);
    sqlite3_close(db);
}

static void without_a_model_nothing_is_tried(void **state)
{
    (void)state;
    kit_expect(0, "trigrams: tested 0",
               "gapscope scan --ids --tokenizer model/demo/gelu-1l/tokenizer.json"
               " --model two=$T/text.ngrams:2 --model three=$T/text.ngrams:3"
               " --trigrams $T/text.ngrams -o $T/counts.db" CORPUS);
    sqlite3 *db = kit_db("counts.db");
    assert_true(kit_number(db, "SELECT count(*) FROM trigram_gap WHERE mean_gap > 0.5") > 0);
    assert_int_equal(kit_number(db, "SELECT sum(tested) FROM trigram"), 0);
    assert_int_equal(kit_number(db, "SELECT value FROM meta WHERE key = 'trigrams_tested'"), 0);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_trigrams_are_found_and_decoys_are_not),
        cmocka_unit_test(verdicts_are_those_of_what_was_planted),
        cmocka_unit_test(the_view_says_it_in_words),
        cmocka_unit_test(numbers_are_those_of_the_reference),
        cmocka_unit_test(threads_parts_and_merging_change_nothing),
        cmocka_unit_test(what_was_not_tried_is_tried_when_it_goes_on),
        cmocka_unit_test(what_a_signal_stops_is_tried_by_the_same_command),
        cmocka_unit_test(a_merge_without_its_models_says_so),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(where_nothing_is_left_there_are_no_trigrams),
        cmocka_unit_test(without_a_model_nothing_is_tried),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
