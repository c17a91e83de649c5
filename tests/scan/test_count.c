/*
 * `gapscope count` as a user sees it: the same bytes however it was run, and what it says.
 *
 * Whether the counts are right is test_ngrams' and tests/python/count_models' business.
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"

#define COUNT "gapscope count --model model/demo/gelu-1l "
#define CORPUS " $T/a.jsonl.zst $T/b.jsonl "
#define SMALL " --memory 16 "

// --- corpora ------------------------------------------------------------------------------------

/* Two shards, together of three units or more, with bad records and empty documents. */
static int make_corpora(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    struct kit_shard a = {.name = "a.jsonl.zst"}, b = {.name = "b.jsonl"};
    const char *const files[] = {"tests/texts/prose.txt", "LICENSE", "tests/texts/code.txt",
                                 "tests/texts/more-code.txt"};
    for (size_t i = 0; i < (KIT_SLOW ? 96 : 120); i++) {
        struct buf text = {0};
        assert_int_equal(file_read(files[i % 4], (size_t)1 << 20, &text, NULL), 0);
        size_t end = text.len - (i / 4 * 97) % (text.len / 2);
        while (end > 0 && (text.data[end - 1] & 0x80)) {
            end--;
        }
        kit_add(i % 3 ? &a : &b, "", "", text.data, end);
        if (i % 10 == 5) {
            kit_add(&a, "", "", "", 0);
            kit_add_bad(&b, KIT_BAD_JSON, "{\"text\": oh}");
        }
        buf_free(&text);
    }
    kit_write(&a);
    kit_write(&b);
    kit_shard_free(&a);
    kit_shard_free(&b);
    return 0;
}

/* whole.ngrams: every test that looks at it calls this first. */
static void need_whole(void)
{
    if (!file_is_regular(kit_path("whole.ngrams"))) {
        kit_expect(0, NULL, COUNT "--threads 1 -o $T/whole.ngrams" CORPUS);
    }
}

static void expect_whole(const char *name)
{
    kit_expect(0, NULL, "cmp $T/whole.ngrams $T/%s", name);
}

static bool is_there(const char *name)
{
    struct stat st;
    return stat(kit_path(name), &st) == 0;
}

static void sleep_for(double seconds)
{
    const struct timespec t = {.tv_sec = (time_t)seconds,
                               .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Runs that are whole in the folder of a count. */
static size_t runs_in(const char *name)
{
    size_t n = 0;
    DIR *dir = opendir(kit_path(name));
    for (struct dirent *e; dir && (e = readdir(dir));) {
        n += strncmp(e->d_name, "run-", 4) == 0 && !strchr(e->d_name, '.');
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

// --- the same bytes -----------------------------------------------------------------------------

static void threads_and_memory_make_no_difference(void **state)
{
    (void)state;
    need_whole();
    kit_expect(0, "tokens of", COUNT "--threads 2 -o $T/two.ngrams" CORPUS);
    expect_whole("two.ngrams");
    kit_expect(0, NULL, COUNT "--threads 4" SMALL "-o $T/four.ngrams" CORPUS);
    expect_whole("four.ngrams");
    assert_false(is_there("four.ngrams.work"));
}

static void shards_in_another_order_are_the_same(void **state)
{
    (void)state;
    need_whole();
    kit_expect(0, NULL, "mkdir -p $T/there && cp" CORPUS "$T/there");
    kit_expect(0, NULL, COUNT "-o $T/order.ngrams $T/there/b.jsonl $T/there/a.jsonl.zst");
    expect_whole("order.ngrams");
}

static void parts_are_merged_in_any_order(void **state)
{
    (void)state;
    need_whole();
    for (int i = 0; i < 3; i++) {
        kit_expect(0, "gapscope merge joins", COUNT "--part %d/3 -o $T/part%d.ngrams" CORPUS, i, i);
    }
    kit_expect(0, NULL,
               "cd $T && gapscope merge -o abc.ngrams part0.ngrams part1.ngrams part2.ngrams");
    expect_whole("abc.ngrams");
    kit_expect(0, "units: gapscope merge",
               "cd $T && gapscope merge -o ca.ngrams part2.ngrams part0.ngrams");
    kit_expect(3, "cc.ngrams: incomplete: ",
               "cd $T && gapscope merge --complete -o cc.ngrams part2.ngrams part0.ngrams");
    kit_expect(0, NULL, "cmp $T/ca.ngrams $T/cc.ngrams");
    kit_expect(0, NULL, "cd $T && gapscope merge --complete -o cab.ngrams ca.ngrams part1.ngrams");
    expect_whole("cab.ngrams");
    kit_expect(1, "is in another part, too",
               "cd $T && gapscope merge -o x.ngrams ca.ngrams part2.ngrams");
    kit_expect(2, "is there already", "cd $T && gapscope merge -o cab.ngrams ca.ngrams");
    kit_expect(0, NULL, COUNT "--min-count 2 -o $T/few.ngrams" CORPUS);
    kit_expect(0, "seen once left out",
               "cd $T && gapscope merge --min-count 2 -o few2.ngrams part1.ngrams ca.ngrams");
    kit_expect(0, NULL, "cmp $T/few.ngrams $T/few2.ngrams");
    kit_expect(1, "what was dropped is missing",
               "cd $T && gapscope merge -o x.ngrams few.ngrams part1.ngrams");
    kit_expect(0, NULL, COUNT "-o $T/a.ngrams $T/a.jsonl.zst");
    kit_expect(1, "different corpora", "cd $T && gapscope merge -o x.ngrams part0.ngrams a.ngrams");
    assert_false(is_there("x.ngrams"));
}

// --- stopping and going on ----------------------------------------------------------------------

#define STOPPED                                                                                    \
    "count --model model/demo/gelu-1l --threads 2 --memory 16 -o $T/stopped.ngrams" CORPUS

static double need_seconds(void)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    kit_expect(0, NULL, "gapscope " STOPPED);
    clock_gettime(CLOCK_MONOTONIC, &b);
    expect_whole("stopped.ngrams");
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Kills at random moments until one count comes to its end. */
static void a_count_that_is_killed_goes_on(void **state)
{
    (void)state;
    need_whole();
    const double seconds = need_seconds();
    uint64_t seed = 7;
    int kills = 0, status = 0;
    for (int round = 0; round < 3; round++) {
        kit_expect(0, NULL, "rm -rf $T/stopped.ngrams $T/stopped.ngrams.work");
        for (int tries = 0; tries < 40; tries++) {
            const pid_t pid = kit_start(STOPPED);
            seed = seed * UINT64_C(6364136223846793005) + 1;
            if (tries < 12) {
                sleep_for(seconds * (double)(seed >> 40) / (double)(1 << 24));
                kill(pid, SIGKILL);
            }
            assert_int_equal(waitpid(pid, &status, 0), pid);
            if (!WIFSIGNALED(status)) {
                break;
            }
            kills++;
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        expect_whole("stopped.ngrams");
        assert_false(is_there("stopped.ngrams.work"));
    }
    assert_true(kills >= 5);
}

static void a_count_that_is_stopped_says_so_and_goes_on(void **state)
{
    (void)state;
    need_whole();
    int status = 0;
    for (int tries = 0; tries < 20; tries++) { // it may be done before the signal comes
        kit_expect(0, NULL, "rm -rf $T/stopped.ngrams $T/stopped.ngrams.work");
        const pid_t pid = kit_start(STOPPED);
        pid_t ended = 0;
        while (!ended && runs_in("stopped.ngrams.work") == 0) {
            sleep_for(0.0005);
            ended = waitpid(pid, &status, WNOHANG);
        }
        if (!ended) {
            kill(pid, SIGINT);
            assert_int_equal(waitpid(pid, &status, 0), pid);
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 130) {
            break;
        }
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
    assert_false(is_there("stopped.ngrams"));
    assert_true(runs_in("stopped.ngrams.work") > 0);
    kit_expect(1, "holds the counts of another corpus", COUNT "-o $T/stopped.ngrams $T/b.jsonl");
    kit_expect(1, "holds the counts of another corpus",
               COUNT "--special -o $T/stopped.ngrams" CORPUS);
    // One of its runs is damaged: that is done again.
    kit_expect(0, NULL,
               "cd $T/stopped.ngrams.work && for f in run-*; do printf x >>$f; break; done && "
               "touch table.data.3 run-7.tmp-1");
    kit_expect(0, NULL, "gapscope " STOPPED);
    expect_whole("stopped.ngrams");
    kit_expect(0, "nothing is left to do", "gapscope " STOPPED);
}

// --- what is refused ----------------------------------------------------------------------------

static void another_count_is_refused_unless_forced(void **state)
{
    (void)state;
    need_whole();
    kit_expect(0, NULL, "cp $T/whole.ngrams $T/mine.ngrams");
    kit_expect(0, "nothing is left", COUNT "-o $T/mine.ngrams" CORPUS);
    kit_expect(1, "different corpora", COUNT "-o $T/mine.ngrams $T/b.jsonl");
    kit_expect(1, "different settings", COUNT "--special -o $T/mine.ngrams" CORPUS);
    kit_expect(1, "another --min-count", COUNT "--min-count 2 -o $T/mine.ngrams" CORPUS);
    kit_expect(1, "of other units", COUNT "--part 0/2 -o $T/mine.ngrams" CORPUS);
    kit_expect(1, "is not a file of counts",
               "cp $T/b.jsonl $T/c.jsonl && " COUNT "-o $T/c.jsonl $T/b.jsonl");
    expect_whole("mine.ngrams");
    kit_expect(0, NULL, COUNT "--force -o $T/mine.ngrams $T/b.jsonl");
    kit_expect(1, NULL, "cmp -s $T/mine.ngrams $T/whole.ngrams");

    // a folder that another count has begun
    kit_expect(0, NULL,
               "rm $T/mine.ngrams && mkdir $T/mine.ngrams.work && "
               "cd $T/mine.ngrams.work && : >lock");
    kit_expect(0, NULL, COUNT "-o $T/mine.ngrams $T/b.jsonl");
}

static void score_says_what_it_does_not_leave_out(void **state)
{
    (void)state;
#define SCORE                                                                                      \
    "gapscope score --model c=$T/few-lines.ngrams:3 --model model/demo/gelu-1l -o $T/scores "
    kit_expect(0, NULL, "head -c 2000 README.md >$T/few.txt; tail -c 2000 README.md >$T/other.txt");
    kit_expect(0, NULL, COUNT "-o $T/few-lines.ngrams $T/few.txt");
    kit_expect(0, "gapscope score: c: few.txt itself was counted", SCORE "$T/few.txt");
    kit_expect(1, NULL, "{ " SCORE "$T/other.txt; " SCORE "- <$T/few.txt; } 2>&1 | grep counted");
}

static void wrong_usage_is_told(void **state)
{
    (void)state;
    kit_expect(2, "-o counts.ngrams", COUNT CORPUS);
    kit_expect(2, "--min-count 3", COUNT "--min-count 3 -o $T/x" CORPUS);
    kit_expect(2, "--min-count does not go with --part",
               COUNT "--min-count 2 --part 0/2 -o $T/x" CORPUS);
    kit_expect(2, "expected I/N", COUNT "--part 2/2 -o $T/x" CORPUS);
    kit_expect(2, "--memory 1", COUNT "--memory 1 -o $T/x" CORPUS);
    kit_expect(2, "--tokenizer FILE or --model M", "gapscope count -o $T/x" CORPUS);
    kit_expect(1, "none.jsonl", COUNT "-o $T/x $T/none.jsonl");
    kit_expect(2, "is for the parts of a count",
               "gapscope merge --min-count 2 -o $T/x.db $T/b.jsonl");
    assert_false(is_there("x"));
    assert_false(is_there("x.work"));
}

static void skipped_records_are_counted(void **state)
{
    (void)state;
    need_whole();
    kit_expect(0, "x bad_json", COUNT "-o $T/skipped.ngrams" CORPUS);
    kit_expect(1, "x bad_json", COUNT "--strict -o $T/strict.ngrams" CORPUS);
    expect_whole("strict.ngrams");
}

/* Counts of ids are those of the text that they were cut from; a corpus may be empty. */
static void ids_are_counted_as_they_are(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "gapscope tokenize --plain-special --model model/demo/gelu-1l $T/b.jsonl | "
               "sed 's/.*\"ids\":\\[/{\"ids\":[0,/; s/\\],.*/]}/; s/0,\\]/0]/' >$T/ids.jsonl");
    kit_expect(0, NULL, COUNT "--ids -o $T/ids.ngrams $T/ids.jsonl");
    kit_expect(0, NULL, COUNT "-o $T/text.ngrams $T/b.jsonl");
    struct kit_ran a = {0}, b = {0};
    kit_run(&a, COUNT "--ids -o $T/ids.ngrams $T/ids.jsonl");
    kit_run(&b, COUNT "-o $T/text.ngrams $T/b.jsonl");
    assert_string_equal(strstr(a.err.data, "ids.ngrams: ") + strlen("ids.ngrams: "),
                        strstr(b.err.data, "text.ngrams: ") + strlen("text.ngrams: "));
    kit_ran_free(&a);
    kit_ran_free(&b);
    kit_expect(0, NULL, "printf '{\"ids\":[0,5000]}' >$T/bad.jsonl");
    kit_expect(1, "5000", COUNT "--ids -o $T/x.ngrams $T/bad.jsonl");
    assert_false(is_there("x.ngrams.work"));
    kit_expect(0, NULL, ": >$T/empty.jsonl");
    kit_expect(0, ": 0 tokens of 0 documents", COUNT "-o $T/empty.ngrams $T/empty.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_memory_make_no_difference),
        cmocka_unit_test(shards_in_another_order_are_the_same),
        cmocka_unit_test(parts_are_merged_in_any_order),
        cmocka_unit_test(a_count_that_is_killed_goes_on),
        cmocka_unit_test(a_count_that_is_stopped_says_so_and_goes_on),
        cmocka_unit_test(another_count_is_refused_unless_forced),
        cmocka_unit_test(score_says_what_it_does_not_leave_out),
        cmocka_unit_test(wrong_usage_is_told),
        cmocka_unit_test(skipped_records_are_counted),
        cmocka_unit_test(ids_are_counted_as_they_are),
    };
    return cmocka_run_group_tests(tests, make_corpora, kit_remove_folder);
}
