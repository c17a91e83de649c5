/*
 * `gapscope pack` on folders as people have them: links, damage, what cannot be read, its own output
 */
#include "tests/kit/golden.h"
#include "tests/kit/scan_kit.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zstd.h>

#include "corpora/base/file.h"

/* Fails unless $T/<corpus> holds these lines. */
static void expect_lines(const char *corpus, const char *lines)
{
    static char text[1 << 16];
    struct buf bytes = {0};
    assert_int_equal(file_read(kit_path(corpus), (size_t)1 << 20, &bytes, NULL), 0);
    const size_t len = ZSTD_decompress(text, sizeof text - 1, bytes.data, bytes.len);
    assert_false(ZSTD_isError(len));
    text[len] = '\0';
    assert_string_equal(text, lines);
    buf_free(&bytes);
}

/* The line of a text file. */
#define LINE(text, path) "{\"text\":\"" text "\",\"meta\":{\"path\":\"" path "\"}}\n"

/* Writes $T/<name>: the zstd frame of 'text' without its last 'cut' bytes, and 'more' behind it. */
static void write_frame(const char *name, const char *text, size_t cut, const char *more)
{
    struct buf frame = {0};
    kit_compress(&frame, text, strlen(text));
    frame.len -= cut;
    assert_int_equal(buf_append(&frame, more, strlen(more), NULL), 0);
    kit_write_bytes(name, frame.data, frame.len);
    buf_free(&frame);
}

/* As Hugging Face's cache has it: the files of a snapshot are links to blobs. */
static void a_snapshot_of_links_is_packed(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "mkdir -p $T/hub/blobs $T/hub/snapshots/1/data && cd $T/hub && "
               "printf 'a text' >blobs/b1 && printf '{\"text\":\"a record\"}\\n' >blobs/b2 && "
               "printf zipped | gzip >blobs/b3 && cd snapshots/1 && ln -s ../../blobs/b1 a.txt && "
               "ln -s ../../../blobs/b2 data/train.jsonl && ln -s ../../../blobs/b3 data/z.txt.gz");
    kit_expect(0, "packed 3 records of 3 files",
               "cd $T/hub/snapshots && gapscope pack 1 -o $T/hub.zst");
    expect_lines("hub.zst", LINE("a text", "1/a.txt") "{\"text\":\"a record\"}\n" LINE(
                                "zipped", "1/data/z.txt.gz"));
}

#define LINE_OF(text, path, set)                                                                   \
    "{\"text\":\"" text "\",\"meta\":{\"path\":\"" path "\",\"set\":\"" set "\"}}\n"

/* Of one folder the sub-folders are the domains, of several those that were named. */
static void folders_are_domains(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "mkdir -p $T/data/code/deep $T/data/prose $T/flat && cd $T/data && printf 1 "
               ">code/deep/a.c && printf 2 >code/b.c && printf 3 >prose/c && printf 4 >top");
    kit_expect(0, "packed 4 records", "cd $T && gapscope pack --domain folder data -o $T/one.zst");
    expect_lines("one.zst",
                 LINE_OF("2", "data/code/b.c", "code") LINE_OF("1", "data/code/deep/a.c", "code")
                     LINE_OF("3", "data/prose/c", "prose") LINE_OF("4", "data/top", "data"));
    kit_expect(0, "packed 4 records",
               "cd $T/data && gapscope pack --domain folder ./code/ prose top -o $T/several.zst");
    expect_lines("several.zst",
                 LINE_OF("2", "./code/b.c", "code") LINE_OF("1", "./code/deep/a.c", "code")
                     LINE_OF("3", "prose/c", "prose") LINE("4", "top"));
    kit_expect(0, "packed 1 record",
               "cd $T/data/prose && gapscope pack --domain folder . -o $T/here.zst");
    expect_lines("here.zst", LINE("3", "./c"));
    kit_expect(0, "packed 1 record",
               "cd $T/data && gapscope pack --domain 'a \"b' top -o $T/named.zst");
    expect_lines("named.zst", LINE_OF("4", "top", "a \\\"b"));
    kit_expect(2, "--domain '': expected",
               "cd $T/data && gapscope pack --domain '' top -o $T/named.zst");
    kit_expect(0, "prose",
               "gapscope scan --no-neurons --model model/demo/attn-only-1l --model "
               "model/demo/gelu-1l -o $T/d.db $T/one.zst 2>/dev/null && gapscope top $T/d.db "
               "--domains >&2");
}

static void links_in_circles_end(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "mkdir -p $T/circle/in && cd $T/circle && printf one >a && ln -s ../.. in/up && "
               "ln -s . here && ln -s $T/hub there");
    kit_expect(0, "circle/here: skipped: a link to a folder; name it",
               "cd $T && gapscope pack circle -o circle.zst");
    expect_lines("circle.zst", LINE("one", "circle/a"));
    // A link that goes round, or nowhere, is a file that cannot be read.
    kit_expect(0, NULL, "cd $T/circle && ln -s round round && ln -s gone broken");
    kit_expect(1, "circle/broken: a link that leads nowhere",
               "cd $T && gapscope pack circle -o circle.zst");
    kit_expect(1, "circle/round: Too many levels of symbolic links; left out",
               "cd $T && gapscope pack circle -o circle.zst");
    kit_expect(1, "  2 not read", "cd $T && gapscope pack -q circle -o circle.zst");
    expect_lines("circle.zst", LINE("one", "circle/a"));
    // a folder that is named may be a link
    kit_expect(0, NULL, "cd $T && gapscope pack circle/there/snapshots/1/data -o circle.zst");
}

static void the_output_is_left_out(void **state)
{
    (void)state;
    kit_expect(0, NULL, "mkdir $T/own && cd $T/own && printf one >a && printf two >b");
    for (int i = 0; i < 2; i++) {
        kit_expect(0, "packed 2 records", "cd $T && gapscope pack own -o own/out");
        expect_lines("own/out", LINE("one", "own/a") LINE("two", "own/b"));
    }
    kit_expect(0, "skipped: the output itself", "cd $T && gapscope pack own -o own/out");
    // by another name, and as what standard output is
    kit_expect(0, "packed 2 records", "cd $T/own && gapscope pack ../own -o $T/circle/../own/out");
    kit_expect(0, "packed 2 records", "cd $T && gapscope pack own >own/out");
    expect_lines("own/out", LINE("one", "own/a") LINE("two", "own/b"));
    // a link at the output's place is replaced; what it leads to stays, and is a text
    kit_expect(0, NULL, "cd $T/own && rm out && ln -s a out");
    kit_expect(0, "packed 2 records", "cd $T && gapscope pack own -o own/out");
    expect_lines("own/out", LINE("one", "own/a") LINE("two", "own/b"));
    // what a killed run left
    kit_expect(0, NULL, "cd $T/own && head -c 20 out >out.tmp-123");
    kit_expect(0, "own/out.tmp-123: skipped: left by a run that was killed",
               "cd $T && gapscope pack own -o own/out");
    kit_expect(0, NULL, "cd $T && rm own/out.tmp-123 && test $(ls own | wc -l) = 3");
}

static void a_damaged_file_does_not_end_it(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "mkdir $T/bad && cd $T/bad && printf one >a && : >empty.zst && printf last >z && "
               "{ printf '{\"text\":\"r1\"}\\n{\"text\":\"r2\"}\\n' | gzip; printf garbage; } "
               ">d.jsonl.gz");
    write_frame("bad/cut.txt.zst", "a text", 8, "");
    write_frame("bad/e.zst", "whole", 0, "garbage");
    kit_expect(1, "the file ends inside a zstd frame: an interrupted copy?; left out",
               "cd $T && gapscope pack bad -o bad.zst");
    kit_expect(1, "  4 not read", "cd $T && gapscope pack --quiet bad -o bad.zst");
    kit_expect(1, "bad/empty.zst: byte 0: nothing in it, ",
               "cd $T && gapscope pack -q bad -o bad.zst");
    kit_expect(1, "another; what comes before is packed",
               "cd $T && gapscope pack -q bad -o bad.zst");
    // What comes before the damage is there, as a scan of the file would have it.
    expect_lines("bad.zst", LINE("one", "bad/a") "{\"text\":\"r1\"}\n"
                                                 "{\"text\":\"r2\"}\n" LINE("whole", "bad/e.zst")
                                                     LINE("last", "bad/z"));
    kit_expect(1, "bad/cut.txt.zst: byte ",
               "cd $T && gapscope pack bad/a bad/cut.txt.zst bad/z -o named.zst");
    expect_lines("named.zst", LINE("one", "bad/a") LINE("last", "bad/z"));
}

static void nothing_but_regular_files_is_opened(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    // A pipe without a writer would block; a link to one as well.  Some files of /proc are regular,
    // but cannot be read.
    kit_expect(0, NULL,
               "mkdir $T/odd && cd $T/odd && printf one >a && mkfifo pipe && ln -s pipe to-pipe && "
               "ln -s /dev/zero zero && ln -s /proc/self/mem mem && printf '\\177ELF' >binary");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", kit_path("odd/socket"));
    assert_int_equal(bind(socket_fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(socket_fd);
    kit_expect(1, "  4 skipped, no regular file",
               "cd $T && timeout 20 '" GAPSCOPE_PROGRAM "' pack odd -o odd.zst");
    kit_expect(1, "odd/mem: byte 0: Input/output error; left out",
               "cd $T && gapscope pack odd -o odd.zst");
    expect_lines("odd.zst", LINE("one", "odd/a"));
    // what is named may be a pipe
    kit_expect(0, "packed 1 record ",
               "cd $T/odd && { printf piped >pipe & } && gapscope pack pipe -o ../pipe.zst");
    expect_lines("pipe.zst", LINE("piped", "pipe"));
}

static void names_may_hold_any_bytes(void **state)
{
    (void)state;
    kit_expect(0, NULL,
               "mkdir $T/names && cd $T/names && printf one >$(printf 'n\\377\\033[2J') && "
               "printf '\\177ELF' >$(printf 'b\\377\\033[2J')");
    kit_expect(0, "names/b\\xFF\\x1B[2J: skipped: a program or library (ELF)",
               "cd $T && gapscope pack names -o names.zst");
    expect_lines("names.zst", LINE("one", "names/n\xef\xbf\xbd\\u001b[2J"));
}

static void a_folder_that_is_named_twice_is_packed_once(void **state)
{
    (void)state;
    kit_expect(0, NULL, "mkdir -p $T/twice/in && cd $T/twice && printf one >a && printf two >in/b");
    kit_expect(0, "./twice/: skipped: this folder is packed already",
               "cd $T && gapscope pack twice ./twice/ -o twice.zst");
    expect_lines("twice.zst", LINE("one", "twice/a") LINE("two", "twice/in/b"));
    kit_expect(0, "1 skipped, a folder", "cd $T && gapscope pack twice/in twice -o twice.zst");
    expect_lines("twice.zst", LINE("two", "twice/in/b") LINE("one", "twice/a"));
}

static void nothing_to_pack_is_no_corpus(void **state)
{
    (void)state;
    kit_expect(0, NULL, "mkdir -p $T/none/in && cd $T && cp twice.zst older.zst");
    kit_expect(1, "nothing to pack", "cd $T && gapscope pack none -o older.zst");
    kit_expect(0, NULL, "cd $T && cmp older.zst twice.zst && ! ls | grep tmp");
    kit_expect(
        1, "1 file empty, 1 binary",
        "cd $T/none && : >in/empty && printf '\\177ELF' >binary && gapscope pack . -o ../n.zst");
    assert_false(file_is_regular(kit_path("n.zst")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_of_links_is_packed),
        cmocka_unit_test(folders_are_domains),
        cmocka_unit_test(links_in_circles_end),
        cmocka_unit_test(the_output_is_left_out),
        cmocka_unit_test(a_damaged_file_does_not_end_it),
        cmocka_unit_test(nothing_but_regular_files_is_opened),
        cmocka_unit_test(names_may_hold_any_bytes),
        cmocka_unit_test(a_folder_that_is_named_twice_is_packed_once),
        cmocka_unit_test(nothing_to_pack_is_no_corpus),
    };
    return cmocka_run_group_tests(tests, kit_make_folder, kit_remove_folder);
}
