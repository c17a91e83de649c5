#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/pack.h"
#include "corpora/source.h"
#include "corpora/stream.h"

static const struct pack_options plain = {.level = 3};

/* The output of pack(), decompressed, and its notes. */
struct packed {
    char *zst; // [zst_len]
    size_t zst_len;
    struct buf text, notes;
    struct pack_counts counts;
};

static void take_note(void *context, const char *path, const char *why, bool unreadable)
{
    (void)unreadable;
    assert_int_equal(buf_printf(context, NULL, "%s: %s\n", path, why), 0);
}

static int run(struct packed *p, const char *const *paths, size_t n_paths, struct err *err)
{
    *p = (struct packed){0};
    FILE *out = open_memstream(&p->zst, &p->zst_len);
    const int rc = pack(out, NULL, paths, n_paths, &plain, &p->counts, take_note, &p->notes, err);
    fclose(out);
    if (rc) {
        return rc;
    }
    assert_int_equal(p->counts.zst_bytes, p->zst_len);
    struct stream *s;
    assert_int_equal(stream_open_memory(&s, "mem", p->zst, p->zst_len, 0, NULL), 0);
    assert_string_equal(stream_kind(s), "zstd");
    const char *bytes;
    size_t len;
    do {
        assert_int_equal(stream_read(s, &bytes, &len, NULL), 0);
        assert_int_equal(buf_append(&p->text, bytes, len, NULL), 0);
    } while (len > 0);
    stream_close(s);
    assert_int_equal(p->counts.text_bytes, p->text.len);
    assert_int_equal(buf_append(&p->text, "", 1, NULL), 0); // a NUL, to compare as a string
    assert_int_equal(buf_append(&p->notes, "", 1, NULL), 0);
    return 0;
}

static void done(struct packed *p)
{
    free(p->zst);
    buf_free(&p->text);
    buf_free(&p->notes);
}

static void put(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void put_text(const char *path, const char *text)
{
    put(path, text, strlen(text));
}

/* Every test runs in an empty folder of its own. */
static int enter(void **state)
{
    static char dir[] = "/tmp/gapscope-test-XXXXXX";
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    *state = dir;
    return mkdtemp(dir) ? chdir(dir) : -1;
}

static int leave(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", (const char *)*state);
    return chdir("/") || system(command);
}

static void folders_are_packed_in_byte_order(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700), 0);
    assert_int_equal(mkdir("d/b", 0700), 0);
    assert_int_equal(mkdir("d/.git", 0700), 0);
    put_text("d/.git/config", "hidden");
    put_text("d/.hidden", "hidden");
    put_text("d/b/z.txt", "in b");
    put_text("d/a.txt", "plain \"quoted\" \\ \t\n");
    put_text("d/B.txt", "capitals come first");
    put_text("d/c\xc3\xa9.txt", "caf\xc3\xa9");
    put_text("d/bad\xff", "bad \xff utf8");
    put_text("d/\xc3\xa9", "\xef\xbb\xbf"
                           "BOM");
    put("d/archive.txt", "PK\3\4....", 8); // whatever its name says
    put_text("d/empty", "");
    put_text("d/bom", "\xef\xbb\xbf");
    assert_int_equal(symlink("a.txt", "d/link"), 0);
    assert_int_equal(symlink("..", "d/circle"), 0);
    assert_int_equal(mkfifo("d/pipe", 0600), 0);

    struct packed p;
    const char *const paths[] = {"d"};
    assert_int_equal(run(&p, paths, 1, NULL), 0);
    assert_string_equal(
        p.text.data,
        "{\"text\":\"capitals come first\",\"meta\":{\"path\":\"d/B.txt\"}}\n"
        "{\"text\":\"plain \\\"quoted\\\" \\\\ \\t\\n\",\"meta\":{\"path\":\"d/a.txt\"}}\n"
        "{\"text\":\"in b\",\"meta\":{\"path\":\"d/b/z.txt\"}}\n"
        "{\"text\":\"bad \xef\xbf\xbd utf8\",\"meta\":{\"path\":\"d/bad\xef\xbf\xbd\"}}\n"
        "{\"text\":\"caf\xc3\xa9\",\"meta\":{\"path\":\"d/c\xc3\xa9.txt\"}}\n"
        "{\"text\":\"plain \\\"quoted\\\" \\\\ \\t\\n\",\"meta\":{\"path\":\"d/link\"}}\n"
        "{\"text\":\"BOM\",\"meta\":{\"path\":\"d/\xc3\xa9\"}}\n");
    assert_string_equal(p.notes.data, "d/archive.txt: skipped: a zip file; `unzip -p FILE >NEW` "
                                      "writes what can be packed\n"
                                      "d/bom: skipped: empty\n"
                                      "d/circle: skipped: a link to a folder; name it to pack it\n"
                                      "d/empty: skipped: empty\n"
                                      "d/pipe: skipped: not a regular file\n");
    assert_int_equal(p.counts.files, 7);
    assert_int_equal(p.counts.records, 7);
    assert_int_equal(p.counts.repaired, 1);
    assert_int_equal(p.counts.skipped_binary, 1);
    assert_int_equal(p.counts.skipped_empty, 2);
    assert_int_equal(p.counts.skipped_special, 2);
    assert_int_equal(p.counts.unreadable, 0);

    // A second call gives the same bytes.  A link that is named is followed; files come in the
    // order in which they are named.
    struct packed again;
    assert_int_equal(run(&again, paths, 1, NULL), 0);
    assert_int_equal(again.zst_len, p.zst_len);
    assert_memory_equal(again.zst, p.zst, p.zst_len);
    done(&again);
    done(&p);
    const char *const named[] = {"d/link", "d/B.txt", "d/B.txt"};
    assert_int_equal(run(&p, named, 3, NULL), 0);
    assert_int_equal(p.counts.records, 3);
    assert_int_equal(strncmp(p.text.data, "{\"text\":\"plain", 14), 0);
    done(&p);
}

static void records_of_jsonl_are_taken_over_as_they_stand(void **state)
{
    (void)state;
    put_text("a.jsonl",
             "\xef\xbb\xbf{\"text\":\"one\",  \"n\":1.50}\r\n\n  {\"meta\":{}}  \n[1]\nbad\n"
             "{\"text\":\"\xff \\ud800\"}");
    // The first record decides; a JSON file of another kind is a text.
    put_text("b.data", "\n{\"content\":\"two\"}\nbad\n");
    put_text("c.json", "{\n \"text\": \"pretty\"\n}\n");
    put_text("d.json", "{\"name\":\"minified\"}\n");
    put_text("e.jsonl", "no record\n");
    struct packed p;
    const char *const paths[] = {"."};
    assert_int_equal(run(&p, paths, 1, NULL), 0);
    assert_string_equal(
        p.text.data,
        "{\"text\":\"one\",  \"n\":1.50}\n"
        "{\"meta\":{}}\n"
        "{\"text\":\"\xef\xbf\xbd \\ud800\"}\n"
        "{\"content\":\"two\"}\n"
        "{\"text\":\"{\\n \\\"text\\\": \\\"pretty\\\"\\n}\\n\",\"meta\":{\"path\":\"./c.json\"}}\n"
        "{\"text\":\"{\\\"name\\\":\\\"minified\\\"}\\n\",\"meta\":{\"path\":\"./d.json\"}}\n");
    assert_string_equal(
        p.notes.data,
        "./a.jsonl: records skipped: 2; the first in line 4: an array, not an object\n"
        "./b.data: records skipped: 1; the first in line 3: column 1: unexpected character\n"
        "./e.jsonl: records skipped: 1; the first in line 1: column 2: null expected\n");
    assert_int_equal(p.counts.files, 5);
    assert_int_equal(p.counts.records, 6);
    assert_int_equal(p.counts.repaired, 1);
    assert_int_equal(p.counts.skipped_bad, 4);
    assert_int_equal(p.counts.texts, 5);
    assert_string_equal(p.counts.keys.list, ""); // {"meta":{}}
    done(&p);
}

static void records_in_other_shapes_become_lines(void **state)
{
    (void)state;
    put_text("a.json", "[\n {\"text\": \"one\",\n  \"n\": 1},\n {\"text\": \"t\nwo\"}, 5\n]\n");
    put_text("b.json", "{\n \"text\": \"three\"\n}\n{\n \"text\": \"four\"\n}\n");
    put_text("c.json", "[\"a list\", \"of strings\"]");
    put_text("d.json", "[1, 2, 3]");
    put_text("e.jsonl", "\"five\"\n\"\xff\"\n{\"text\":\"six\"}\n");
    put_text("f.txt", "\x1e{\"text\":\n\"seven\"}\n");
    put_text("g.dat", "0000000000000003abc");
    put_text("h.jsonl", "{\"text\":\"eight\"}\n\"nine\"\n");
    struct packed p;
    const char *const paths[] = {"a.json",  "b.json", "c.json", "d.json",
                                 "e.jsonl", "f.txt",  "g.dat",  "h.jsonl"};
    assert_int_equal(run(&p, paths, 8, NULL), 0);
    assert_string_equal(
        p.text.data,
        "{\"text\": \"one\",   \"n\": 1}\n"
        "{\"text\": \"t\\nwo\"}\n"
        "{  \"text\": \"three\" }\n"
        "{  \"text\": \"four\" }\n"
        "{\"text\":\"[\\\"a list\\\", \\\"of strings\\\"]\",\"meta\":{\"path\":\"c.json\"}}\n"
        "{\"text\":\"[1, 2, 3]\",\"meta\":{\"path\":\"d.json\"}}\n"
        "{\"text\":\"five\"}\n"
        "{\"text\":\"\xef\xbf\xbd\"}\n"
        "{\"text\":\"six\"}\n"
        "{\"text\": \"seven\"}\n"
        "{\"text\":\"eight\"}\n");
    assert_string_equal(
        p.notes.data,
        "a.json: records skipped: 1; the first in line 5: a number, not an object\n"
        "g.dat: skipped: lm_dataformat's .dat, which scan reads as it is\n"
        "h.jsonl: records skipped: 1; the first in line 2: a string, not an object\n");
    assert_int_equal(p.counts.skipped_binary, 1);
    done(&p);
}

static void packing_a_corpus_again_changes_nothing(void **state)
{
    struct packed p, again;
    put_text("a.txt", "one\n");
    put_text("b.txt", "two\n");
    const char *const first[] = {"a.txt", "b.txt"}, *const second[] = {"corpus"};
    assert_int_equal(run(&p, first, 2, NULL), 0);
    put("corpus", p.zst, p.zst_len); // whatever its name
    assert_int_equal(run(&again, second, 1, NULL), 0);
    assert_int_equal(again.zst_len, p.zst_len);
    assert_memory_equal(again.zst, p.zst, p.zst_len);
    done(&p);
    done(&again);
    (void)state;
}

/* Lists the docs of a source, each with its number and its bytes. */
static void docs_of(const char *path, struct buf *out)
{
    struct source *s;
    struct doc doc;
    assert_int_equal(source_open(&s, path, NULL, NULL), 0);
    while (source_next(s, &doc, NULL) == SOURCE_DOC) {
        assert_int_equal(buf_printf(out, NULL, "%d:", (int)doc.number), 0);
        assert_int_equal(buf_append(out, doc.text, doc.len, NULL), 0);
    }
    source_close(s);
}

static void a_long_text_is_packed_as_a_scan_would_cut_it(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; text.len < 5000000; i++) {
        assert_int_equal(buf_printf(&text, NULL, "line %d caf\xc3\xa9 %s", i, i % 7 ? "" : "\n"),
                         0);
    }
    put("long.txt", text.data, text.len);
    struct packed p;
    const char *const paths[] = {"long.txt"};
    assert_int_equal(run(&p, paths, 1, NULL), 0);
    assert_int_equal(p.counts.files, 1);
    assert_int_equal(p.counts.records, 5);
    assert_non_null(strstr(p.text.data, "\"meta\":{\"path\":\"long.txt\"}}\n"));
    assert_non_null(strstr(p.text.data, "\"meta\":{\"path\":\"long.txt\",\"begins\":1048"));
    put("corpus.jsonl.zst", p.zst, p.zst_len);

    struct buf before = {0}, after = {0};
    docs_of("long.txt", &before);
    docs_of("corpus.jsonl.zst", &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    buf_free(&before);
    buf_free(&after);
    buf_free(&text);
    done(&p);
}

static void frames_hold_whole_lines_and_a_checksum(void **state)
{
    (void)state;
    struct buf lines = {0};
    for (int i = 0; i < 40000; i++) {
        assert_int_equal(buf_printf(&lines, NULL, "{\"text\":\"a line of the corpus, %d\"}\n", i),
                         0);
    }
    put("in.jsonl", lines.data, lines.len);
    struct packed p;
    const char *const paths[] = {"in.jsonl"};
    assert_int_equal(run(&p, paths, 1, NULL), 0);
    assert_int_equal(p.text.len, lines.len + 1);
    assert_memory_equal(p.text.data, lines.data, lines.len);

    size_t n_frames = 0;
    static char text[3 << 20];
    for (size_t at = 0; at < p.zst_len; n_frames++) {
        const size_t n = ZSTD_findFrameCompressedSize(p.zst + at, p.zst_len - at);
        assert_false(ZSTD_isError(n));
        assert_true(p.zst[at + 4] & 4); // the descriptor's bit for a checksum
        const size_t len = ZSTD_decompress(text, sizeof text, p.zst + at, n);
        assert_false(ZSTD_isError(len));
        assert_int_equal(text[0], '{');
        assert_int_equal(text[len - 1], '\n');
        at += n;
        if (at < p.zst_len) {
            assert_true(len >= 1048576 && len < 1048576 + 100);
        }
    }
    assert_int_equal(n_frames, 2);
    buf_free(&lines);
    done(&p);
}

static void nothing_is_a_frame_of_nothing(void **state)
{
    (void)state;
    struct packed p;
    put_text("empty.jsonl", "");
    put_text("blank.jsonl", "\n\n");
    const char *const paths[] = {"."};
    assert_int_equal(run(&p, paths, 1, NULL), 0);
    assert_true(p.zst_len > 0);
    assert_int_equal(p.text.len, 1);
    assert_int_equal(p.counts.files, 1);
    assert_int_equal(p.counts.skipped_empty, 1);
    done(&p);
    assert_int_equal(run(&p, NULL, 0, NULL), 0);
    assert_true(p.zst_len > 0);
    done(&p);
}

static void the_output_is_not_packed_into_itself(void **state)
{
    (void)state;
    put_text("a.txt", "one");
    struct pack_counts counts;
    FILE *out = fopen("corpus.jsonl.zst.tmp-1", "wb");
    const char *const paths[] = {".", "corpus.jsonl.zst.tmp-1"};
    assert_int_equal(pack(out, NULL, paths, 2, &plain, &counts, NULL, NULL, NULL), 0);
    fclose(out);
    assert_int_equal(counts.files, 1);
    assert_int_equal(counts.skipped_special, 2);
}

static void a_path_that_is_not_there_makes_no_corpus(void **state)
{
    (void)state;
    put_text("ok.txt", "ok");
    static const struct {
        const char *path, *message;
    } cases[] = {
        {"none", "none: No such file or directory"},
        {"ok.txt/x", "ok.txt/x: Not a directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct packed p;
        struct err err = {0};
        const char *const paths[] = {"ok.txt", cases[i].path};
        assert_int_equal(run(&p, paths, 2, &err), ERR_NOT_FOUND);
        assert_string_equal(err.msg, cases[i].message);
        done(&p);
    }
}

static void a_full_disk_and_a_wrong_level_are_reported(void **state)
{
    (void)state;
    put_text("a.txt", "one");
    const char *const paths[] = {"a.txt"};
    struct pack_counts counts;
    struct err err = {0};
    FILE *full = fopen("/dev/full", "wb");
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(pack(full, NULL, paths, 1, &plain, &counts, NULL, NULL, &err), ERR_IO);
    assert_string_equal(err.msg, "writing the corpus: No space left on device");
    assert_int_equal(
        pack(full, NULL, paths, 1, &(struct pack_options){.level = 23}, &counts, NULL, NULL, &err),
        ERR_USAGE);
    assert_string_equal(err.msg, "level 23; zstd has -131072 to 22");
    fclose(full);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(folders_are_packed_in_byte_order),
        TEST(records_of_jsonl_are_taken_over_as_they_stand),
        TEST(records_in_other_shapes_become_lines),
        TEST(packing_a_corpus_again_changes_nothing),
        TEST(a_long_text_is_packed_as_a_scan_would_cut_it),
        TEST(frames_hold_whole_lines_and_a_checksum),
        TEST(nothing_is_a_frame_of_nothing),
        TEST(the_output_is_not_packed_into_itself),
        TEST(a_path_that_is_not_there_makes_no_corpus),
        TEST(a_full_disk_and_a_wrong_level_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
