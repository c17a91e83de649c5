/*
 * What commands say of their input: bytes that are no text, records without a text, files that
 * change while they are read
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpora/base/file.h"

#define GELU " --model model/demo/gelu-1l "
#define PAIR " --model model/demo/attn-only-1l --model model/demo/gelu-1l --no-neurons "

// --- bytes that are no text ---------------------------------------------------------------------

/* Three units' worth of repairs: two shards with 2 + 1 and 3, and one without. */
#define BAD " $T/bad1.jsonl $T/bad2.txt $T/good.txt "

static void a_scan_says_what_became_u_fffd(void **state)
{
    (void)state;
    kit_expect(
        0, NULL,
        "cd $T && printf '{\"text\":\"a \\377 b\\\\ud800 c\"}\\n{\"text\":\"\\\\udc00\"}\\n' "
        ">bad1.jsonl && printf 'x \\377\\376 y \\377' >bad2.txt && "
        "printf 'fine \\357\\277\\275' >good.txt");
#define SAID                                                                                       \
    "  6 invalid byte sequences or lone surrogates replaced by U+FFFD, in bad1.jsonl and 1 more\n"
    kit_expect(0, SAID, "gapscope scan" PAIR "-o $T/bad.db" BAD);
    kit_expect(0, NULL,
               "gapscope top $T/bad.db | grep -q '^U+FFFD in the texts: 6 put in for bytes'");
    // merged exactly, and the report has the column
    kit_expect(0, NULL,
               "for i in 0 1; do gapscope scan" PAIR "--part $i/2 -o $T/bad$i.db" BAD "; done");
    kit_expect(0, NULL, "cd $T && gapscope merge -o badm.db bad1.db bad0.db");
    kit_expect(0, NULL, "test $(gapscope digest $T/bad.db) = $(gapscope digest $T/badm.db)");
    kit_expect(0, NULL, "gapscope top $T/badm.db | grep -q '^U+FFFD in the texts: 6 '");
    // of a text that has the character itself nothing is said
    kit_expect(1, NULL,
               "{ gapscope scan" PAIR
               "-o $T/good.db $T/good.txt && gapscope top $T/good.db; } 2>&1 | grep U+FFFD");
    kit_expect(0, NULL, "gapscope top $T/good.db | grep -q '^attn-only-1l:gelu-1l'");
    kit_expect(0, "6 invalid byte sequences or lone surrogates",
               "gapscope count" GELU "-o $T/bad.ngrams" BAD);
    kit_expect(0, "bad2.txt: 3 invalid byte sequences or lone surrogates replaced by U+FFFD",
               "gapscope tokenize" GELU "$T/bad2.txt");
}

// --- records without a text ---------------------------------------------------------------------

static void nothing_readable_is_an_error_that_names_keys(void **state)
{
    (void)state;
    static const char *const commands[] = {"tokenize" GELU,
                                           "score" GELU,
                                           "acts --neuron L0N0" GELU,
                                           "label --regex a=b" GELU,
                                           "count" GELU "-o $T/none.ngrams ",
                                           "scan" PAIR "-o $T/none.db ",
                                           "scan --dry-run" PAIR "-o $T/none.db "};
    kit_expect(
        0, NULL,
        "printf '%%s\\n' '{\"id\":1,\"meta\":{\"my title\":\"x\"},\"body\":\"a long text\"}' "
        "'{\"id\":2,\"body\":\"b\"}' '{oh' >$T/none.jsonl");
    kit_expect(0, NULL,
               "printf '[{\"id\":1,\"body\":\"a\"},\\n{\"id\":2,\"body\":\"b\"}]' >$T/none.json; "
               "gzip -c $T/none.json >$T/none.json.gz; "
               "printf '{\"Hello\" she said}\\n{x: 1}\\n' >$T/braces.txt");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        kit_expect(
            1,
            "nothing could be read: no document, skipped: 1 x bad_json, 2 x no_text_field; "
            "no record has a string \"text\", \"content\" or \"code\", and the first one has "
            "the keys \"id\", \"meta.my title\", \"body\"; name the one that holds the text: "
            "--field body\n",
            "gapscope %s$T/none.jsonl", commands[i]);
        kit_expect(1, NULL, "gapscope %s$T/none.jsonl 2>&1 | grep look:", commands[i]);
        kit_expect(1, "no record has a string \"x\"", "gapscope %s--field x $T/none.jsonl",
                   commands[i]);
        // the same of an array, plain and compressed
        kit_expect(1,
                   "skipped: 2 x no_text_field; no record has a string \"text\", \"content\" or "
                   "\"code\", and the first one has the keys \"id\", \"body\"; name the one that "
                   "holds the text: --field body\n",
                   "gapscope %s$T/none%s", commands[i], i % 2 ? ".json" : ".json.gz");
        kit_expect(1,
                   "skipped: 2 x bad_json; if it is a text and no JSON, --format text takes it as "
                   "one\n",
                   "gapscope %s$T/braces.txt", commands[i]);
    }
    assert_false(file_is_regular(kit_path("none.ngrams")));
    kit_expect(0, NULL, "test ! -e $T/none.ngrams.work");
    // What it suggests works, also with the same run.db.
    kit_expect(0, "look: gapscope top",
               "gapscope scan" PAIR "--field body -o $T/none.db $T/none.jsonl");
    kit_expect(1, "--field 'my text'", "printf '{\"my text\":\"x\"}' | gapscope tokenize" GELU "-");
    kit_expect(1, "the keys \"n\", of which none is a string that --field can name",
               "printf '{\"n\":1}' | gapscope tokenize" GELU "-");
    kit_expect(
        1, "skipped: 1 x bad_json; if it is a text and no JSON, --format text takes it as one\n",
        "printf '{\"oh' | gapscope tokenize" GELU "-");
    kit_expect(0, NULL, "printf '{\"oh' | gapscope tokenize --format text" GELU "-");
    kit_expect(1, "--field 'it'\\''s'\n",
               "printf '{\"it\\047s\":\"x\"}' | gapscope tokenize" GELU "-");
    kit_expect(0, NULL,
               "printf '{\"it\\047s\":\"x\"}' | gapscope tokenize --field 'it'\\''s'" GELU "-");
    kit_expect(1, "--field=-x\n", "printf '{\"-x\":\"x\"}' | gapscope tokenize" GELU "-");
    kit_expect(0, NULL, "printf '{\"-x\":\"x\"}' | gapscope tokenize --field=-x" GELU "-");
    kit_expect(1, "--field .a\n", "printf '{\".a\":\"x\"}' | gapscope tokenize" GELU "-");
    kit_expect(0, NULL, "printf '{\".a\":\"x\"}' | gapscope tokenize --field .a" GELU "-");
}

static void a_corpus_without_a_text_is_packed_with_status_1(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "printf '{\"n\":1,\"body\":\"x\"}\\n{\"n\":2,\"body\":\"y\"}\\n' >$T/body.jsonl; "
               "printf '{\"n\":1}\\n' >$T/n.jsonl; printf '{\"ids\":[1,2]}\\n' >$T/ids.jsonl");
    kit_expect(
        1,
        "gapscope pack: none of the 2 records has a string \"text\", \"content\" or \"code\"; "
        "the first one has the keys \"n\", \"body\"; where the corpus is read, name the one "
        "that holds the text: --field body\n",
        "gapscope pack $T/body.jsonl -o $T/body.zst");
    kit_expect(0, NULL, "gapscope tokenize --field body" GELU "$T/body.zst");
    kit_expect(1, "the keys \"n\", of which none is a string that --field can name\n",
               "gapscope pack $T/n.jsonl -o $T/n.zst");
    // one text among them is enough, and so are token ids
    kit_expect(0, "packed 3 records", "gapscope pack $T/body.jsonl LICENSE -o $T/one.zst");
    kit_expect(0, "packed 1 record", "gapscope pack $T/ids.jsonl -o $T/ids.zst");
}

static void a_part_may_have_no_document(void **state)
{
    (void)state;
    // unit 0 is of the shard without a text, unit 1 of the other
    kit_expect(0, NULL, "printf text >$T/z.txt");
    for (int i = 0; i < 2; i++) {
        for (int again = 0; again < 2; again++) {
            kit_expect(0, NULL,
                       "gapscope scan" PAIR "--part %d/2 -o $T/part%d.db $T/none.jsonl $T/z.txt", i,
                       i);
        }
        kit_expect(0, NULL,
                   "gapscope count" GELU "--part %d/2 -o $T/part%d.ngrams $T/none.jsonl $T/z.txt",
                   i, i);
    }
    kit_expect(0, "the whole run", "cd $T && gapscope merge -o parts.db part0.db part1.db");
}

static void an_empty_corpus_is_called_so(void **state)
{
    (void)state;
    kit_expect(0, NULL, ": >$T/empty.jsonl");
    kit_expect(0, "for the corpus is empty", "gapscope scan" PAIR "-o $T/empty.db $T/empty.jsonl");
    kit_expect(1, NULL,
               "gapscope scan" PAIR "--force -o $T/empty.db $T/empty.jsonl 2>&1 | grep look:");
    kit_expect(0, "the corpus is empty", "gapscope count" GELU "-o $T/empty.ngrams $T/empty.jsonl");
    kit_expect(0, "empty.jsonl: empty: there is no record in it",
               "gapscope score" GELU "$T/empty.jsonl");
}

// --- files that change --------------------------------------------------------------------------

#define COUNTS "--tokenizer model/demo/gelu-1l/tokenizer.json --model c=$T/c.ngrams:2"
#define SCAN "scan --threads 1 --checkpoint 0 " COUNTS " -o $T/run.db $T/a.jsonl $T/b.jsonl"

/* a.jsonl of ten units or so, and a short b.jsonl, which is read last. */
static void write_shards(void)
{
    struct buf text = {0};
    struct kit_shard a = {.name = "a.jsonl"}, b = {.name = "b.jsonl"};
    assert_int_equal(file_read("tests/texts/code.txt", (size_t)1 << 20, &text, NULL), 0);
    text.len = text.len < 8000 ? text.len : 8000;
    for (size_t i = 0; i < 10 * ((size_t)256 << 10) / text.len; i++) {
        kit_add(&a, "", "", text.data, text.len - i % 100);
    }
    kit_add(&b, "", "", text.data, text.len);
    kit_write(&a);
    kit_write(&b);
    kit_shard_free(&a);
    kit_shard_free(&b);
    buf_free(&text);
}

/* Units that are in the file now, if it can be read. */
static int64_t units_done(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t n = 0;
    if (sqlite3_open_v2(kit_path("run.db"), &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT sum(units_done) FROM shard", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        n = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

/* Begins a scan, runs 'change' in its midst, and expects the scan to fail and to say this. */
static void change_in_scan(const char *change, const char *says)
{
    int status;
    kit_expect(0, NULL, "rm -f $T/run.db*");
    write_shards();
    const pid_t pid = kit_start(SCAN);
    while (units_done() < 1) {
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill(pid, SIGSTOP);
    kit_expect(0, NULL, "%s", change);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    kit_expect(0, NULL, "grep -q '%s' $T/.started || { cat $T/.started >&2; false; }", says);
}

static void what_helps_is_said_where_a_shard_changes(void **state)
{
    (void)state;
    kit_expect(0, NULL, "gapscope count" GELU "-o $T/c.ngrams tests/texts/code.txt");
    // It grows: the run goes on with the file as it was, and not with the new one.
    change_in_scan("cp $T/b.jsonl $T/was && echo >>$T/b.jsonl",
                   "belongs to the file as it was: put that back and run the same command to "
                   "resume, or start anew with --force");
    kit_expect(1, "bring back what it was begun with, name another file, or --force",
               "gapscope " SCAN);
    kit_expect(0, "resuming from", "cp $T/was $T/b.jsonl && gapscope " SCAN);
    kit_expect(0, NULL, "echo >>$T/b.jsonl && gapscope " SCAN " --force");

    change_in_scan("truncate -s 100000 $T/a.jsonl", "belongs to the file as it was");
    change_in_scan("cp $T/b.jsonl $T/was && rm $T/b.jsonl",
                   "put the file back, then the same command resumes from there");
    kit_expect(0, "resuming from", "cp $T/was $T/b.jsonl && gapscope " SCAN);
}

static void what_helps_is_said_where_run_db_goes(void **state)
{
    (void)state;
    change_in_scan("rm $T/run.db", "run.db: it was deleted while the scan wrote it, so what was "
                                   "done is lost: the same command starts anew");
    change_in_scan("rm $T/run.db && echo other >$T/run.db",
                   "it was deleted or replaced while the scan wrote it, so what was done is lost: "
                   "name another file with -o, or remove what is there now");
    kit_expect(0, NULL, "grep -q other $T/run.db");
    kit_expect(0, NULL, "rm $T/run.db && gapscope " SCAN);
    change_in_scan("mv $T/run.db $T/other.db",
                   "run.db: it was moved to [^ ]*/other.db while the scan wrote it, and what was "
                   "done until the last checkpoint is in there: move it back, then the same");
    kit_expect(0, "resuming from", "mv $T/other.db $T/run.db && gapscope " SCAN);
    change_in_scan("mv $T/run.db $T/other.db && echo other >$T/run.db",
                   "move it back, in place of the file that is there now, then the same command");
    kit_expect(0, "resuming from", "mv $T/other.db $T/run.db && gapscope " SCAN);
    change_in_scan(
        "echo trash >$T/run.db",
        "run.db: .*another program wrote into it while the scan did, so what was done is "
        "lost: remove it, then the same command starts anew");
    kit_expect(1, "run.db: is not a run of gapscope", "gapscope " SCAN " --force");
    kit_expect(0, NULL, "rm $T/run.db && gapscope " SCAN);
    kit_expect(1, "; remove it, or name another file",
               "truncate -s 50000 $T/run.db && gapscope " SCAN " --force");
    kit_expect(0, NULL, "rm $T/run.db && gapscope " SCAN);
    // other models, other hypotheses
    kit_expect(1, "c: the weights differ",
               "gapscope count" GELU
               "--force -o $T/c.ngrams tests/texts/prose.txt && gapscope " SCAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_says_what_became_u_fffd),
        cmocka_unit_test(nothing_readable_is_an_error_that_names_keys),
        cmocka_unit_test(a_corpus_without_a_text_is_packed_with_status_1),
        cmocka_unit_test(a_part_may_have_no_document),
        cmocka_unit_test(an_empty_corpus_is_called_so),
        cmocka_unit_test(what_helps_is_said_where_a_shard_changes),
        cmocka_unit_test(what_helps_is_said_where_run_db_goes),
    };
    return cmocka_run_group_tests(tests, kit_make_folder, kit_remove_folder);
}
