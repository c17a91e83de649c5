/*
 * top, merge and digest as people run them, on runs that the tests write
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "out/store/store.h"
#include "tests/kit/run_sample.h"
#include "tests/kit/tally_whole.h"

static char folder[] = "/tmp/gapscope-test-XXXXXX"; // $T in commands

/* Writes $T/NAME: every 'step'th unit of the sample from 'first'; with another floor, or the
 * sample's (0). */
static void write_part(const char *name, uint64_t first, uint64_t step, bool units_known,
                       double floor)
{
    struct run r = sample_run();
    if (floor < 0) {
        r.floor = floor;
    }
    struct results results = {0};
    struct tally *t = sample_results(&results, &r);
    for (uint64_t unit = first; unit < SAMPLE_UNITS; unit += step) {
        sample_add_unit(&r, t, unit);
    }
    r.counted = units_known;
    r.n_units = units_known ? SAMPLE_UNITS : 0;
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct store *s = NULL;
    bool exists;
    struct err err = {0};
    assert_int_equal(store_open(&s, path, &exists, &err), 0);
    const char *const meta[] = {"kernels", name, "version", "1", NULL};
    assert_int_equal(store_checkpoint(s, &r, &results, true, meta, &err), 0);
    store_close(s);
    results_free(&results);
    run_free(&r);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    write_part("whole.db", 0, 1, true, 0);
    write_part("p0.db", 0, 3, false, 0);
    write_part("p1.db", 1, 3, false, 0);
    write_part("p2.db", 2, 3, true, 0);
    write_part("floor.db", 0, 1, true, -5);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* Runs a shell command; "gapscope" is the program under test.  Expects this exit status and this in
 * what it prints, on both streams; returns all of that, which the caller frees. */
static char *run(const char *command, int status, const char *wanted)
{
    struct buf line = {0}, text = {0};
    buf_printf(&line, NULL, "gapscope() { '%s' \"$@\"; }; T=%s; { %s ; } >$T/.out 2>&1",
               GAPSCOPE_PROGRAM, folder, command);
    buf_append(&line, "", 1, NULL);
    const int got = system(line.data);
    buf_free(&line);
    char path[64];
    snprintf(path, sizeof path, "%s/.out", folder);
    assert_int_equal(file_read(path, 1 << 20, &text, NULL), 0);
    buf_append(&text, "", 1, NULL);
    if (!WIFEXITED(got) || WEXITSTATUS(got) != status || !strstr(text.data, wanted)) {
        fail_msg("%s: status %d:\n%s", command, WEXITSTATUS(got), text.data);
    }
    return text.data;
}

static void expect(const char *command, int status, const char *wanted)
{
    free(run(command, status, wanted));
}

static void merged_parts_are_the_undivided_run(void **state)
{
    (void)state;
    char *whole = run("gapscope digest $T/whole.db", 0, "\n");
    assert_int_equal(strlen(whole), 33);
    static const char *const ways[] = {
        "gapscope merge -o $T/m1.db $T/p0.db $T/p1.db $T/p2.db; gapscope digest $T/m1.db",
        "gapscope merge -o $T/m2.db $T/p2.db $T/p0.db $T/p1.db; gapscope digest $T/m2.db",
        ("gapscope merge -o $T/m3.db $T/p1.db $T/p2.db; "
         "gapscope merge -o $T/m4.db $T/m3.db $T/p0.db; gapscope digest $T/m4.db"),
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        expect(ways[i], 0, whole);
    }
    free(whole);
    expect("gapscope merge -o $T/m5.db $T/p1.db $T/p0.db", 0,
           "m5.db: 2 parts, 8 units; no part has seen the corpus' end yet");
    expect("gapscope merge -o $T/m6.db $T/p1.db $T/p2.db", 0,
           "m6.db: 2 parts, 8 of 12 units: not the whole run yet");
    expect("gapscope merge -o $T/m7.db $T/m6.db $T/p0.db", 0,
           "m7.db: 2 parts, 12 units: the whole run");
    expect("ls -A $T | grep -c -e tmp -e journal", 1, "0\n"); // nothing is left beside
}

static void a_job_can_tell_that_a_merge_is_not_whole(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        int status;
        const char *wanted;
    } cases[] = {
        {"gapscope merge --complete -o $T/c1.db $T/p1.db $T/p2.db", 3,
         "c1.db: incomplete: 4 of 12 units are missing: those of --part 0/3\n"},
        {"gapscope merge --complete -o $T/c2.db $T/p2.db", 3,
         "c2.db: incomplete: 8 of 12 units are missing: 0-1, 3-4, 6-7, 9-10\n"},
        {"gapscope merge --complete -o $T/c3.db $T/p0.db $T/p1.db", 3,
         "c3.db: incomplete: no part has read the corpus to its end, so there are more units than "
         "the 8 that are done\n"},
        // the file is written in any case: the others are merged with it later
        {"gapscope merge --complete -o $T/c4.db $T/c1.db $T/p0.db", 0, "units: the whole run\n"},
        {"test $(gapscope digest $T/c4.db) = $(gapscope digest $T/whole.db)", 0, ""},
        {"gapscope merge --complete -o $T/c5.db $T/p0.db $T/floor.db", 1, "cannot be merged"},
        {"gapscope merge --complete $T/p0.db", 2, "merge needs -o"},
        // digest says so on standard error: the line that scripts compare stays
        {"gapscope digest $T/c1.db", 0, "c1.db: incomplete: 8 of 12 units are done\n"},
        {"gapscope digest $T/c3.db", 0,
         "c3.db: incomplete: 8 units are done; the corpus' end is not reached\n"},
        {"gapscope digest $T/c1.db 2>/dev/null | wc -c", 0, "33\n"},
        {"gapscope digest $T/c4.db 2>&1 | wc -c", 0, "33\n"},
        {"gapscope merge --help", 0, "3 merged with\n--complete"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(cases[i].command, cases[i].status, cases[i].wanted);
    }
}

static void what_does_not_belong_together_is_not_merged(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        int status;
        const char *wanted;
    } cases[] = {
        {"gapscope merge -o $T/x.db $T/p0.db $T/floor.db", 1, "floor.db cannot be merged with "},
        {"gapscope merge -o $T/x.db $T/p0.db $T/floor.db", 1, "floor: one has -6, the other -5"},
        {"gapscope merge -o $T/x.db $T/p0.db $T/p1.db $T/p0.db", 1,
         "4 units are in both (the first is unit 0)"},
        {"gapscope merge -o $T/x.db $T/p0.db $T/none.db", 1, "No such file"},
        {"gapscope merge -o $T/x.db $T/p0.db README.md", 1, "is not a run of gapscope"},
        {"gapscope merge -o $T/p1.db $T/p0.db $T/p1.db", 2, "would be lost"},
        {"ln $T/p1.db $T/link.db; gapscope merge --force -o $T/link.db $T/p0.db $T/p1.db", 2,
         "would be lost"},
        {"gapscope merge -o $T/floor.db $T/p0.db $T/p1.db", 2, "is there already; --force"},
        {"gapscope merge $T/p0.db $T/p1.db", 2, "merge needs -o run.db"},
        {"gapscope merge -o - $T/p0.db $T/p1.db", 2, "merge needs -o run.db"},
        {"gapscope merge -o /dev/null $T/p0.db", 2, "is not a regular file"},
        {"gapscope merge -o $T/x.db", 2, "usage"},
        {"test ! -e $T/x.db", 0, ""},
        {"cp $T/floor.db $T/y.db; gapscope merge --force -o $T/y.db $T/p0.db && "
         "gapscope top $T/y.db -n 0",
         0, "12 tokens of 4 documents"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(cases[i].command, cases[i].status, cases[i].wanted);
    }
}

static void the_meta_of_all_parts_is_kept(void **state)
{
    (void)state;
    expect("gapscope merge -o $T/n.db $T/p0.db $T/p1.db; "
           "grep -ac 'kernelsp0.db; p1.db' $T/n.db",
           0, "1\n");
}

static void top_shows_gaps_tokens_and_domains(void **state)
{
    (void)state;
    static const struct {
        const char *command, *wanted;
    } cases[] = {
        {"gapscope top $T/whole.db", "base:one: 36 tokens of 12 documents; finished 20"},
        {"gapscope top $T/p0.db", "base:one: 12 tokens of 4 documents; not finished, 4 units so"},
        {"gapscope top $T/p2.db", "not finished, 4 of 12 units so far\n"},
        {"gapscope top $T/whole.db", "other pairs (--pair): base:one+two\n"},
        {"gapscope top $T/whole.db --pair base:one+two", "other pairs (--pair): base:one\n"},
        {"gapscope top $T/whole.db", "the greatest gaps\n\n   1  gap +"},
        {"gapscope top $T/whole.db --worst", "\n   1  gap -"},
        {"gapscope top $T/whole.db | grep -c '^ *[0-9]*  gap +'", "4\n"},
        {"gapscope top $T/whole.db -n 2 | grep -c '^ *[0-9]  gap'", "2\n"},
        {"gapscope top $T/whole.db", "[ the]a\xe2\x90\x8a\n"}, // a line end is shown, not done
        {"gapscope top $T/whole.db --tokens", "by the sum of their gaps, n x mean\n"},
        {"gapscope top $T/whole.db --tokens", "  \\xE2\\x82  "},
        {"gapscope top $T/whole.db --tokens | grep -c '^  *[0-9]'", "10\n"},
        {"gapscope top $T/whole.db --kinds", "\nline end  "},
        {"gapscope top $T/whole.db --kinds", "  \\xE2\\x82\n"},
        {"gapscope top $T/whole.db --kinds -n 1 | tail -n 2 | head -n 1 | cut -c 1-8",
         "kind    \n"},
        {"gapscope top $T/whole.db --json --kinds", "{\"pair\":\"base:one\",\"kind\":"},
        {"gapscope top $T/whole.db --domains", "\n(none)  "},
        {"gapscope top $T/whole.db --domains --worst", "\ncode  "},
        {"gapscope top $T/whole.db --json --domains", "{\"pair\":\"base:one\",\"domain\":"},
        {"gapscope top $T/whole.db --json -n 1",
         "{\"pair\":\"base:one\",\"side\":\"other\",\"rank\":1,\"gap\":"},
        {"gapscope top $T/whole.db --json --tokens -n 1 -o $T/o; cat $T/o", "\"sum_gap\":"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(cases[i].command, 0, cases[i].wanted);
    }
}

static void top_says_what_it_cannot_show(void **state)
{
    (void)state;
    expect("gapscope top $T/whole.db --pair one:base", 1,
           "has no pair one:base; it has base:one, base:one+two");
    expect("gapscope top $T/whole.db --tokens --domains", 2, "one of them");
    expect("gapscope top $T/whole.db --tokens --kinds", 2, "one of them");
    expect("gapscope top $T/none.db", 1, "No such file");
    expect("gapscope digest README.md", 1, "is not a run of gapscope");
    expect("gapscope top", 2, "usage");
    expect("gapscope digest $T/whole.db > /dev/full", 1, "No space left");
}

static void a_corpus_cannot_drive_the_terminal(void **state)
{
    (void)state;
    struct run r = sample_run();
    struct results results = {0};
    struct tally *t = sample_results(&results, &r);
    const double base = -5, other = -1;
    const double *const logprob[] = {&base, &other, &other};
    const uint32_t id = 1, end = 18, pos = 1;
    const struct tally_doc doc = {.domain = "\x1b]0;title\x07",
                                  .text = "\x1b[2J\r\xc2\x9b"
                                          "31m\xe2\x80\xae\x7f\thello",
                                  .text_len = 20,
                                  .n = 1,
                                  .ids = &id,
                                  .ends = &end,
                                  .pos = &pos,
                                  .logprob = logprob};
    assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
    char path[64];
    snprintf(path, sizeof path, "%s/hostile.db", folder);
    struct store *s = NULL;
    bool exists;
    assert_int_equal(store_open(&s, path, &exists, NULL), 0);
    assert_int_equal(store_checkpoint(s, &r, &results, true, NULL, NULL), 0);
    store_close(s);
    results_free(&results);
    run_free(&r);
    expect("gapscope top $T/hostile.db", 0,
           "[\xe2\x90\x9b[2J\xe2\x90\x8d\xef\xbf\xbd"
           "31m\xef\xbf\xbd\xe2\x90\xa1\xe2\x86\x92hel]lo\n");
    expect("gapscope top $T/hostile.db --domains", 0, "\xe2\x90\x9b]0;title\xe2\x90\x87");
    expect("gapscope top $T/hostile.db --domains --json", 0, "\"\\u001b]0;title\\u0007\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_parts_are_the_undivided_run),
        cmocka_unit_test(a_job_can_tell_that_a_merge_is_not_whole),
        cmocka_unit_test(what_does_not_belong_together_is_not_merged),
        cmocka_unit_test(the_meta_of_all_parts_is_kept),
        cmocka_unit_test(top_shows_gaps_tokens_and_domains),
        cmocka_unit_test(top_says_what_it_cannot_show),
        cmocka_unit_test(a_corpus_cannot_drive_the_terminal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
