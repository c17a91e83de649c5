#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "corpora/lines.h"

// "\n" in 'lines' separates the expected lines; T is a line that is too long.
static const struct {
    const char *text;
    size_t max;
    const char *lines;
    size_t n;
    uint64_t bytes[6]; // offset of each line
} cases[] = {
    {"", 0, "", 0, {0}},
    {"\n", 0, "", 1, {0}},
    {"a", 0, "a", 1, {0}},
    {"a\n", 0, "a", 1, {0}},
    {"a\nbc\n\nd", 0, "a\nbc\n\nd", 4, {0, 2, 5, 6}},
    {"a\r\nb\r\r\n\r\nc\r", 0, "a\nb\r\n\nc\r", 4, {0, 3, 7, 9}},
    {"1234\n12345\n123\n", 4, "1234\nT\n123", 3, {0, 5, 11}},
    {"123\r\n1234\r\n1", 4, "123\nT\n1", 3, {0, 5, 11}}, // CR counts
    {"12345", 4, "T", 1, {0}},
    {"\xef\xbb\xbf"
     "a\n\xef\xbb\xbf"
     "b",
     0,
     "a\n\xef\xbb\xbf"
     "b",
     2,
     {3, 5}}, // a BOM is first
    {"\xef\xbb\xbf\r\n\xef", 0, "\n\xef", 2, {3, 5}},
    {"123456789012345678901234567890\nx", 4, "T\nx", 2, {0, 31}},
};

static void lines_do_not_depend_on_how_the_bytes_come(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 8; step++) {
            struct stream *s;
            assert_int_equal(
                stream_open_memory(&s, "mem", cases[i].text, strlen(cases[i].text), step, NULL), 0);
            struct lines l;
            lines_begin(&l, s, cases[i].max);
            const char *want = cases[i].lines;
            for (size_t k = 0; k < cases[i].n; k++) {
                struct line line;
                assert_int_equal(lines_next(&l, &line, NULL), 0);
                assert_int_equal(line.number, k + 1);
                assert_int_equal(line.byte, cases[i].bytes[k]);
                const size_t n = strcspn(want, "\n");
                if (want[0] == 'T') {
                    assert_true(line.too_long);
                    assert_null(line.text);
                    assert_int_equal(line.len, 0);
                } else {
                    assert_false(line.too_long);
                    assert_int_equal(line.len, n);
                    assert_memory_equal(line.text, want, n);
                }
                want += n + (want[n] == '\n');
            }
            struct line line;
            assert_int_equal(lines_next(&l, &line, NULL), 0);
            assert_int_equal(line.number, 0);
            assert_int_equal(lines_next(&l, &line, NULL), 0); // and again
            assert_int_equal(line.number, 0);
            lines_end(&l);
            stream_close(s);
        }
    }
}

static void a_line_within_one_buffer_is_not_copied(void **state)
{
    (void)state;
    struct stream *s;
    assert_int_equal(stream_open_memory(&s, "mem", "one\ntwo\n", 8, 0, NULL), 0);
    const char *buffer;
    stream_peek(s, 8, &buffer);
    struct lines l;
    lines_begin(&l, s, 0);
    struct line line;
    assert_int_equal(lines_next(&l, &line, NULL), 0);
    assert_ptr_equal(line.text, buffer);
    assert_int_equal(lines_next(&l, &line, NULL), 0);
    assert_ptr_equal(line.text, buffer + 4);
    lines_end(&l);
    stream_close(s);
}

/* Opens "whole\npart" in one frame, followed by raw bytes. */
static struct stream *frame_and(const char *tail, size_t n_tail, char raw[200])
{
    const size_t n = ZSTD_compress(raw, 200, "whole\npart", 10, 1);
    assert_false(ZSTD_isError(n));
    memcpy(raw + n, tail, n_tail);
    struct stream *s;
    assert_int_equal(stream_open_memory(&s, "a.zst", raw, n + n_tail, 0, NULL), 0);
    return s;
}

static void the_cut_line_of_a_damaged_file_is_dropped(void **state)
{
    (void)state;
    char raw[200];
    struct stream *s = frame_and("\x28\xb5\x2f", 3, raw); // another frame's beginning
    struct lines l;
    lines_begin(&l, s, 0);
    struct line line;
    struct err err = {0};
    assert_int_equal(lines_next(&l, &line, &err), 0);
    assert_int_equal(line.len, 5);
    assert_int_equal(lines_next(&l, &line, &err), ERR_TRUNCATED);
    assert_int_equal(line.number, 2);
    assert_int_equal(line.byte, 6);
    lines_end(&l);
    stream_close(s);
}

static void the_last_line_before_garbage_is_whole(void **state)
{
    (void)state;
    char raw[200];
    struct stream *s = frame_and("garbage", 7, raw);
    struct lines l;
    lines_begin(&l, s, 0);
    struct line line;
    struct err err = {0};
    assert_int_equal(lines_next(&l, &line, &err), 0);
    assert_int_equal(lines_next(&l, &line, &err), 0);
    assert_int_equal(line.number, 2);
    assert_int_equal(line.len, 4);
    assert_memory_equal(line.text, "part", 4);
    assert_int_equal(lines_next(&l, &line, &err), ERR_GARBAGE);
    assert_int_equal(line.number, 3);
    assert_int_equal(line.byte, 10);
    lines_end(&l);
    stream_close(s);
}

static void a_line_over_the_limit_is_not_held(void **state)
{
    (void)state;
    static char text[3000000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 2] = '\n';
    struct stream *s;
    assert_int_equal(stream_open_memory(&s, "mem", text, sizeof text, 0, NULL), 0);
    struct lines l;
    lines_begin(&l, s, 1000000);
    struct line line;
    assert_int_equal(lines_next(&l, &line, NULL), 0);
    assert_true(line.too_long);
    assert_int_equal(l.begun.cap, 0);
    assert_int_equal(lines_next(&l, &line, NULL), 0);
    assert_int_equal(line.byte, 2999999);
    assert_int_equal(line.len, 1);
    lines_end(&l);
    stream_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_do_not_depend_on_how_the_bytes_come),
        cmocka_unit_test(a_line_within_one_buffer_is_not_copied),
        cmocka_unit_test(the_cut_line_of_a_damaged_file_is_dropped),
        cmocka_unit_test(the_last_line_before_garbage_is_whole),
        cmocka_unit_test(a_line_over_the_limit_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
