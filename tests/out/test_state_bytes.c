#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zstd.h>

#include "out/store/state_bytes.h"

static struct buf shrunk(const void *bytes, size_t len)
{
    struct buf piece = {0};
    assert_int_equal(state_bytes_shrink(&piece, bytes, len, true, NULL), 0);
    return piece;
}

static void expect_back(const struct buf *piece, const void *bytes, size_t len)
{
    struct buf out = {0};
    assert_int_equal(buf_append(&out, "kept", 4, NULL), 0);
    assert_int_equal(state_bytes_expand(&out, piece->data, piece->len, NULL), 0);
    assert_int_equal(out.len, 4 + len);
    assert_memory_equal(out.data, "kept", 4);
    assert_memory_equal(out.data + 4, bytes, len);
    buf_free(&out);
}

static void expect_refused(const void *piece, size_t len)
{
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(state_bytes_expand(&out, piece, len, &err), ERR_FORMAT);
    assert_string_equal(err.msg, "the file is damaged: its saved state cannot be decompressed");
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

static void what_has_few_values_becomes_smaller_and_comes_back(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *bytes = malloc(N);
    uint32_t random = 1;
    for (size_t i = 0; i < N; i++) { // two bits a byte
        random = random * 1664525 + 1013904223;
        bytes[i] = (char)(random >> 30);
    }
    struct buf piece = shrunk(bytes, N);
    assert_true(piece.len < N / 3 && piece.len > N / 5);
    expect_back(&piece, bytes, N);
    struct buf quick = {0};
    assert_int_equal(state_bytes_shrink(&quick, bytes, N, false, NULL), 0);
    assert_true(quick.len < N / 3);
    expect_back(&quick, bytes, N);
    buf_free(&quick);
    buf_free(&piece);
    free(bytes);
}

/* Random bytes, few bytes, none: one more than there were. */
static void what_does_not_shrink_is_kept_plain(void **state)
{
    (void)state;
    unsigned char bytes[3000];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(random >> 24);
    }
    static const size_t lens[] = {0, 1, 2, 100, sizeof bytes};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct buf piece = shrunk(bytes, lens[i]);
        assert_int_equal(piece.len, lens[i] + 1);
        expect_back(&piece, bytes, lens[i]);
        buf_free(&piece);
    }
}

/* A frame of zeros would be smaller than what a reader takes: kept plain, and refused as a frame. */
static void a_piece_that_grows_too_much_is_neither_written_nor_read(void **state)
{
    (void)state;
    char *zeros = calloc(STATE_PART + 1, 1), *frame = malloc(ZSTD_compressBound(STATE_PART + 1));
    struct buf piece = shrunk(zeros, STATE_PART);
    assert_int_equal(piece.len, STATE_PART + 1);
    expect_back(&piece, zeros, STATE_PART);
    size_t len = ZSTD_compress(frame + 1, ZSTD_compressBound(STATE_PART), zeros, STATE_PART, 5);
    frame[0] = 1;
    assert_true(len < STATE_PART / STATE_RATIO);
    expect_refused(frame, 1 + len);
    // larger than a piece may be, plain or not
    len = ZSTD_compress(frame + 1, ZSTD_compressBound(STATE_PART + 1), zeros, STATE_PART + 1, 5);
    expect_refused(frame, 1 + len);
    assert_int_equal(buf_append(&piece, "", 1, NULL), 0);
    expect_refused(piece.data, piece.len);
    buf_free(&piece);
    free(zeros);
    free(frame);
}

static void what_is_no_piece_is_refused(void **state)
{
    (void)state;
    char text[5000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i * i % 26);
    }
    struct buf piece = shrunk(text, sizeof text);
    assert_true(piece.len < sizeof text);
    for (size_t len = 0; len < piece.len; len++) {
        expect_refused(piece.data, len);
    }
    piece.data[0] = 2;
    expect_refused(piece.data, piece.len);
    piece.data[0] = 1;
    const size_t whole = piece.len;
    assert_int_equal(buf_append(&piece, "x", 1, NULL), 0);
    expect_refused(piece.data, piece.len); // something follows it
    piece.len = whole;
    struct buf twice = {0};
    assert_int_equal(buf_append(&twice, piece.data, whole, NULL), 0);
    assert_int_equal(buf_append(&twice, piece.data + 1, whole - 1, NULL), 0);
    expect_refused(twice.data, twice.len); // a second frame
    buf_free(&twice);
    buf_free(&piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_few_values_becomes_smaller_and_comes_back),
        cmocka_unit_test(what_does_not_shrink_is_kept_plain),
        cmocka_unit_test(a_piece_that_grows_too_much_is_neither_written_nor_read),
        cmocka_unit_test(what_is_no_piece_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
