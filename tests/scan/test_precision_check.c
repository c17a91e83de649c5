/*
 * The precisions of a scan: the check on the first unit, what is done where it fails, and that the
 * hits of every precision are those of an exact scan.
 */
#include "tests/kit/scan_kit.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "scan/work/precision_check.h"
#include "tests/bench/synthetic.h"

// --- the check ----------------------------------------------------------------------------------

enum { D_VOCAB = 900, N_CTX = 64, WINDOWS = 30 };

/* Windows of random ids. */
static struct layout random_layout(void)
{
    struct layout l = {.n_windows = WINDOWS, .n = (size_t)WINDOWS * (N_CTX - 1)};
    l.ids = malloc(l.n * sizeof *l.ids);
    l.windows = malloc(WINDOWS * sizeof *l.windows);
    for (size_t i = 0; i < l.n; i++) {
        l.ids[i] = synthetic_random() % D_VOCAB;
    }
    for (size_t k = 0; k < WINDOWS; k++) {
        l.windows[k] = (struct layout_window){.first = 1, .begin = k * (N_CTX - 1), .n = N_CTX - 1};
    }
    return l;
}

/* Logits 'scale' times as large as those of text: what a format rounds off grows with them. */
static struct precision_check choose(double scale, enum precision asked, size_t n_threads)
{
    struct layout l = random_layout();
    struct model *m = synthetic_model(1, 64, 2, 256, D_VOCAB, N_CTX, false, ACT_GELU, false);
    float *W_U = (float *)(uintptr_t)m->W_U;
    for (size_t i = 0; i < (size_t)64 * D_VOCAB; i++) {
        W_U[i] *= (float)scale;
    }
    struct precision_check check;
    struct engine *engine;
    atomic_int stop = 0;
    assert_int_equal(
        precision_check_choose(&engine, &check, m, kern_best(), asked, &l, n_threads, &stop, NULL),
        0);
    char *json = precision_check_to_json(&check);
    assert_int_equal(precision_check_from_json(json, (enum precision)99), check.used);
    free(json);
    engine_free(engine);
    free(l.ids);
    free(l.windows);
    synthetic_free(m);
    return check;
}

static void a_promise_that_is_missed_is_not_made(void **state)
{
    (void)state;
    struct precision_check c = choose(1, PRECISION_EXACT, 2);
    assert_int_equal(c.used, PRECISION_EXACT);
    assert_true(c.tokens == 0);

    c = choose(1, PRECISION_DEFAULT, 2);
    assert_int_equal(c.used, PRECISION_DEFAULT);
    assert_true(c.tokens == WINDOWS * (N_CTX - 1));
    assert_true(c.mean > 0 && c.mean <= c.most && c.p99 <= c.most && c.most <= 1e-3);
    assert_true(fabs(c.bias) <= c.mean);

    c = choose(1, PRECISION_FAST, 2);
    assert_int_equal(c.used, PRECISION_FAST);
    assert_true(c.mean <= 2e-3 && c.p99 <= 1e-2);

    c = choose(15, PRECISION_FAST, 2);
    assert_int_equal(c.asked, PRECISION_FAST);
    assert_int_equal(c.used, PRECISION_DEFAULT);
    assert_true(c.most <= 1e-3);

    c = choose(1000, PRECISION_FAST, 2);
    assert_int_equal(c.used, PRECISION_EXACT);
}

static void a_check_does_not_depend_on_threads(void **state)
{
    (void)state;
    struct model *m = synthetic_model(1, 64, 2, 256, D_VOCAB, N_CTX, false, ACT_GELU, false);
    struct layout l = random_layout();
    struct precision_check checks[2];
    atomic_int stop = 0;
    for (size_t i = 0; i < 2; i++) {
        struct engine *engine;
        assert_int_equal(precision_check_choose(&engine, &checks[i], m, kern_best(), PRECISION_FAST,
                                                &l, i ? 5 : 1, &stop, NULL),
                         0);
        engine_free(engine);
    }
    assert_true(checks[0].mean == checks[1].mean && checks[0].bias == checks[1].bias &&
                checks[0].p99 == checks[1].p99 && checks[0].most == checks[1].most);
    free(l.ids);
    free(l.windows);
    synthetic_free(m);
}

// --- scans --------------------------------------------------------------------------------------

#define SCAN "gapscope scan" KIT_MODELS KIT_PAIRS "--no-neurons --checkpoint 0 --top 40 "

static const char *const names[] = {"exact", "default", "fast"};

/* A text in several units and many documents, some of them twice. */
static int make_corpus(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    struct buf text = {0};
    struct buf prose = {0};
    assert_int_equal(file_read("tests/texts/code.txt", (size_t)1 << 20, &text, NULL), 0);
    assert_int_equal(file_read("tests/texts/prose.txt", (size_t)1 << 20, &prose, NULL), 0);
    assert_int_equal(buf_append(&text, prose.data, prose.len, NULL), 0);
    buf_free(&prose);
    for (size_t shard = 0; shard < 3; shard++) {
        struct kit_shard s = {0};
        snprintf(s.name, sizeof s.name, "%zu.jsonl", shard);
        for (size_t at = shard * 700; at + 4000 < text.len && (!KIT_SLOW || at < 3000);
             at += 1500) {
            kit_add(&s, shard % 2 ? "code" : "", "", text.data + at, at % 4 ? 900 : 3000);
        }
        kit_write(&s);
        kit_shard_free(&s);
    }
    buf_free(&text);
    return 0;
}

static void hits_are_those_of_an_exact_scan(void **state)
{
    (void)state;
    sqlite3 *exact = NULL;
    for (int p = 0; p < 3; p++) {
        kit_expect(0, NULL, SCAN "--threads 2 --precision %s -o $T/%s.db $T/?.jsonl", names[p],
                   names[p]);
        char name[32];
        snprintf(name, sizeof name, "%s.db", names[p]);
        sqlite3 *db = kit_db(name);
        assert_true(kit_number(db, "SELECT count(*) FROM hit") > (KIT_SLOW ? 50 : 239));
        if (p == 0) {
            exact = db;
            continue;
        }
        // around a hit either side of a gap is as scanned, and both gaps are rounded
        kit_same_hits(exact, db, 2 * precision_epsilon((enum precision)p) + 0.01);
        sqlite3_close(db);
    }
    sqlite3_close(exact);
}

static void means_are_off_by_no_more_than_is_said(void **state)
{
    (void)state;
    sqlite3 *exact = kit_db("exact.db");
    for (int p = 1; p < 3; p++) {
        char name[32];
        snprintf(name, sizeof name, "%s.db", names[p]);
        sqlite3 *db = kit_db(name);
        assert_true(kit_number(db,
                               "SELECT count(*) FROM meta WHERE key LIKE 'precision.%%' AND "
                               "json_extract(value, '$.used') = '%s' AND "
                               "json_extract(value, '$.mean_error') <= 0.002",
                               names[p]) == 3);
        sqlite3_stmt *a = kit_query(exact, "SELECT mean_logprob FROM model ORDER BY id");
        sqlite3_stmt *b = kit_query(db, "SELECT mean_logprob FROM model ORDER BY id");
        while (kit_next(a)) {
            assert_true(kit_next(b));
            const double off = fabs(sqlite3_column_double(a, 0) - sqlite3_column_double(b, 0));
            assert_true(off <= (p == 1 ? 1e-4 : 1e-3));
        }
        assert_false(kit_next(b));
        sqlite3_close(db);
    }
    sqlite3_close(exact);
}

static void parts_of_different_kernels_merge_and_say_so(void **state)
{
    (void)state;
    kit_expect(0, NULL, SCAN "--part 0/2 --kernels c -o $T/p0.db $T/?.jsonl");
    kit_expect(0, NULL, SCAN "--part 1/2 --kernels %s -o $T/p1.db $T/?.jsonl", kern_best()->name);
    kit_expect(0, "the whole run", "gapscope merge -o $T/merged.db $T/p0.db $T/p1.db");
    sqlite3 *db = kit_db("merged.db");
    char wanted[64];
    snprintf(wanted, sizeof wanted, strcmp(kern_best()->name, "c") == 0 ? "%s" : "c; %s",
             kern_best()->name);
    assert_true(kit_number(db, "SELECT count(*) FROM meta WHERE key = 'kernels' AND value = '%s'",
                           wanted) == 1);
    sqlite3_close(db);
}

static void another_precision_is_another_run(void **state)
{
    (void)state;
    kit_expect(0, "nothing is left", SCAN "--precision fast -o $T/fast.db $T/?.jsonl");
    kit_expect(1, "holds another run (settings", SCAN "-o $T/fast.db $T/?.jsonl");
}

/* The checks that $T/name has kept, 0 while it cannot be read. */
static int kept_checks(const char *name)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int n = 0;
    if (sqlite3_open_v2(kit_path(name), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM meta WHERE key LIKE 'precision.%'", -1, &s,
                           NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        n = sqlite3_column_int(s, 0);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void a_check_outlives_a_kill_before_the_first_unit_is_in(void **state)
{
    (void)state;
    const pid_t pid =
        kit_start("scan" KIT_MODELS "--threads 1 --checkpoint 1000000 -o $T/early.db $T/?.jsonl");
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && kept_checks("early.db") < 3) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(ended, 0); // it saves them before it scans
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));

    struct kit_ran r = {0};
    kit_run(&r, "gapscope scan" KIT_MODELS "-o $T/early.db $T/?.jsonl");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err.data, "resuming from 0 units done"));
    assert_null(strstr(r.err.data, "the first unit in f32"));
    kit_ran_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_that_is_missed_is_not_made),
        cmocka_unit_test(a_check_does_not_depend_on_threads),
        cmocka_unit_test(hits_are_those_of_an_exact_scan),
        cmocka_unit_test(means_are_off_by_no_more_than_is_said),
        cmocka_unit_test(parts_of_different_kernels_merge_and_say_so),
        cmocka_unit_test(another_precision_is_another_run),
        cmocka_unit_test(a_check_outlives_a_kill_before_the_first_unit_is_in),
    };
    return cmocka_run_group_tests(tests, make_corpus, kit_remove_folder);
}
