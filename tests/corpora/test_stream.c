/*
 * Streams from memory: samples, cuts, blocks, members and windows.
 */
#include "tests/kit/stream_kit.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "corpora/base/file.h"

static int drain_memory(const void *data, size_t len, size_t step, struct buf *out, struct err *err)
{
    struct stream *s;
    assert_int_equal(stream_open_memory(&s, "mem", data, len, step, NULL), 0);
    return drain(s, out, err);
}

/* XXH64 of plain.jsonl, and of no bytes. */
#define PLAIN UINT64_C(0x755c37a4e8164218)
#define NOTHING UINT64_C(0xef46db3751d8e999)

// Sizes are those of expected.json; hashes are those of the output of zstd(1) and gzip(1).
static const struct {
    const char *name, *kind;
    size_t len;
    uint64_t xxh64;
    int code;
    const char *message; // a part of it
} samples[] = {
    {"plain.jsonl", "plain", 100459, PLAIN, 0, ""},
    {"single.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    {"checksum.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    {"multiframe.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    {"empty.jsonl.zst", "zstd", 0, NOTHING, 0, ""}, // one frame of nothing is whole
    {"zero_bytes.jsonl.zst", "plain", 0, NOTHING, ERR_TRUNCATED, "byte 0: nothing in it"},
    {"seekable.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    {"long27.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    {"long30.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    {"nosize.jsonl.zst", "zstd", 100459, PLAIN, 0, ""},
    // Its only block is cut, so nothing can be decoded.
    {"truncated.jsonl.zst", "zstd", 0, NOTHING, ERR_TRUNCATED,
     "byte 2224: the file ends inside a zstd frame"},
    // It looks like a whole file.
    {"truncated_at_frame_end.jsonl.zst", "zstd", 66665, UINT64_C(0xf73ed2ca0d86108b), 0, ""},
    {"truncated_header.jsonl.zst", "zstd", 40033, UINT64_C(0x2aaa1c4d851a54be), ERR_TRUNCATED,
     "byte 1926: the file ends inside a zstd frame"},
    // Without a checksum the flipped bit decodes, to other text.
    {"corrupt_nochecksum.jsonl.zst", "zstd", 100459, UINT64_C(0xf380029d6b76f299), 0, ""},
    {"trailing_garbage.jsonl.zst", "zstd", 100459, PLAIN, ERR_GARBAGE,
     "byte 3337: what follows the last zstd frame"},
    {"wrong_magic_gzip.jsonl.zst", "gzip", 100459, PLAIN, 0, ""},
    {"needs_dict.jsonl.zst", "zstd", 0, NOTHING, ERR_UNSUPPORTED,
     "byte 0: the zstd frame needs dictionary 1188552332, which is not supported; recompress"},
    {"no_final_newline.jsonl.zst", "zstd", 100458, UINT64_C(0x8d57a895f3638c6c), 0, ""},
    {"crlf.jsonl.zst", "zstd", 100759, UINT64_C(0x31bf299641bf629b), 0, ""},
    {"bom.jsonl.zst", "zstd", 100462, UINT64_C(0xa3a88e43ee6a8b2d), 0, ""},
    {"odd_records.jsonl.zst", "zstd", 239, UINT64_C(0xe30c8071789de0f6), 0, ""},
    {"long_line.jsonl.zst", "zstd", 30000013, UINT64_C(0x29cce97e52cbbdc2), 0, ""},
};

static void every_sample_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char path[200];
        snprintf(path, sizeof path, "tests/golden/zstd/%s", samples[i].name);
        struct stream *s;
        assert_int_equal(stream_open(&s, path, NULL), 0);
        assert_string_equal(stream_kind(s), samples[i].kind);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(stream_size_raw(s), st.st_size);
        struct buf out = {0};
        struct err err = {0};
        const int rc = drain(s, &out, &err);
        if (rc != samples[i].code || out.len != samples[i].len ||
            XXH64(out.data, out.len, 0) != samples[i].xxh64) {
            fail_msg("%s: code %d, %zu bytes, %s", path, rc, out.len, err.msg);
        }
        if (rc) {
            assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
            if (!strstr(err.msg, samples[i].message)) {
                fail_msg("%s", err.msg);
            }
        }
        buf_free(&out);
    }
}

static void sample_bytes(const char *name, struct buf *out)
{
    char path[200];
    snprintf(path, sizeof path, "tests/golden/zstd/%s", name);
    assert_int_equal(file_read(path, SIZE_MAX, out, NULL), 0);
}

static void the_bytes_do_not_depend_on_how_they_are_read(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 18, 100, 1000, 4096};
    static const char *const names[] = {"single.jsonl.zst",           "seekable.jsonl.zst",
                                        "truncated_header.jsonl.zst", "trailing_garbage.jsonl.zst",
                                        "wrong_magic_gzip.jsonl.zst", "bom.jsonl.zst"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf raw = {0}, whole = {0};
        sample_bytes(names[i], &raw);
        struct err err = {0};
        const int rc = drain_memory(raw.data, raw.len, 0, &whole, &err);
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            struct buf out = {0};
            struct err split = {0};
            assert_int_equal(drain_memory(raw.data, raw.len, steps[k], &out, &split), rc);
            assert_int_equal(out.len, whole.len);
            assert_memory_equal(out.data, whole.data, whole.len);
            assert_string_equal(split.msg, err.msg);
            buf_free(&out);
        }
        buf_free(&raw);
        buf_free(&whole);
    }
}

/* A file that is cut anywhere gives a prefix of its text, and an error unless the cut is between
 * frames. */
static void check_cuts(const char *name, const size_t *ends, size_t n_ends)
{
    struct buf raw = {0}, plain = {0};
    sample_bytes(name, &raw);
    sample_bytes("plain.jsonl", &plain);
    size_t n_whole = 0, last = 0;
    for (size_t cut = 3; cut < raw.len; cut++) {
        struct buf out = {0};
        struct err err = {0};
        const int rc = drain_memory(raw.data, cut, 0, &out, &err);
        bool whole = false;
        for (size_t i = 0; i < n_ends; i++) {
            whole = whole || ends[i] == cut;
        }
        assert_int_equal(rc, whole ? 0 : ERR_TRUNCATED);
        n_whole += whole;
        assert_true(out.len >= last && out.len <= plain.len);
        assert_memory_equal(out.data ? out.data : "", plain.data, out.len);
        last = out.len;
        buf_free(&out);
    }
    assert_int_equal(n_whole, n_ends);
    buf_free(&raw);
    buf_free(&plain);
}

static void a_file_cut_anywhere_gives_what_is_whole(void **state)
{
    (void)state;
    // The ends of frames; the samples that are cut at a frame's end and in a header agree.
    static const size_t frames[] = {643, 1279, 1923, 2572, 3212, 3851, 4500};
    check_cuts("multiframe.jsonl.zst", frames, sizeof frames / sizeof *frames);
    check_cuts("wrong_magic_gzip.jsonl.zst", NULL, 0);
}

#define BLOCK ((size_t)128 << 10)

/* Text that zstd stores uncompressed: five blocks of 3 + 128 Ki bytes, then 4 bytes of checksum. */
static size_t stored_blocks(unsigned char *raw, size_t room, unsigned char *text)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < 5 * BLOCK; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = (unsigned char)(seed >> 56);
    }
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    const size_t n = ZSTD_compress2(c, raw, room, text, 5 * BLOCK);
    assert_false(ZSTD_isError(n));
    ZSTD_freeCCtx(c);
    return n;
}

static void blocks_before_a_corrupt_one_are_handed_out(void **state)
{
    (void)state;
    static unsigned char raw[6 * BLOCK], text[5 * BLOCK];
    const size_t n = stored_blocks(raw, sizeof raw, text);
    const size_t header = n - 5 * (3 + BLOCK) - 4;
    static const size_t steps[] = {0, 1000, 131072 + 3, 131072 + 12};
    for (size_t bad = 0; bad < 5; bad++) {
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            unsigned char *type = raw + header + bad * (3 + BLOCK);
            const unsigned char was = *type;
            *type |= 6; // block type 3, which does not exist
            struct buf out = {0};
            struct err err = {0};
            assert_int_equal(drain_memory(raw, n, steps[k], &out, &err), ERR_CORRUPT);
            assert_int_equal(out.len, bad * BLOCK);
            assert_memory_equal(out.data ? out.data : "", text, out.len);
            assert_non_null(strstr(err.msg, "zstd: Data corruption detected"));
            buf_free(&out);
            *type = was;
        }
    }

    raw[n - 1] ^= 1; // the checksum
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(drain_memory(raw, n, 0, &out, &err), ERR_CORRUPT);
    assert_int_equal(out.len, sizeof text);
    assert_non_null(strstr(err.msg, "Restored data doesn't match checksum"));
    buf_free(&out);
}

static void gzip_members_are_joined_and_checked(void **state)
{
    (void)state;
    // printf hello | gzip -n
    static const unsigned char member[25] = {0x1f, 0x8b, 8,    0,    0,    0,    0, 0, 0,
                                             3,    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86,
                                             0xa6, 0x10, 0x36, 5,    0,    0,    0};
    static const struct {
        const char *what;
        size_t members, zeros;
        const char *tail;
        size_t bad_byte; // its offset in the last member; 0: none
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"one", 1, 0, "", 0, "hello", 0, ""},
        {"two", 2, 0, "", 0, "hellohello", 0, ""},
        {"a tape's zeros", 2, 500, "", 0, "hellohello", 0, ""},
        {"zeros, then more", 1, 500, "x", 0, "hello", ERR_GARBAGE,
         "byte 525: what follows the last gzip member"},
        {"garbage", 1, 0, "garbage", 0, "hello", ERR_GARBAGE, "byte 25: what"},
        {"half a header", 1, 0, "\x1f", 0, "hello", ERR_TRUNCATED,
         "byte 26: the file ends inside a gzip member"},
        {"half a header", 1, 0, "\x1f\x8b\x08", 0, "hello", ERR_TRUNCATED, "byte 28: the"},
        {"wrong CRC", 2, 0, "", 18, "hellohello", ERR_CORRUPT,
         "byte 25: gzip: incorrect data check (5 bytes into the text"},
        {"wrong length", 2, 0, "", 22, "hellohello", ERR_CORRUPT,
         "byte 25: gzip: incorrect length check (5"},
        {"wrong method", 2, 0, "", 2, "hello", ERR_CORRUPT,
         "byte 25: gzip: unknown compression method (0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 3; step++) {
            unsigned char raw[1000] = {0};
            size_t n = 0;
            for (size_t k = 0; k < cases[i].members; k++) {
                memcpy(raw + n, member, sizeof member);
                n += sizeof member;
            }
            if (cases[i].bad_byte) {
                raw[n - sizeof member + cases[i].bad_byte] ^= 0x40;
            }
            n += cases[i].zeros;
            memcpy(raw + n, cases[i].tail, strlen(cases[i].tail));
            n += strlen(cases[i].tail);
            struct buf out = {0};
            struct err err = {0};
            const int rc = drain_memory(raw, n, step, &out, &err);
            if (rc != cases[i].code || !strstr(err.msg, cases[i].message)) {
                fail_msg("%s: %d %s", cases[i].what, rc, err.msg);
            }
            assert_int_equal(out.len, strlen(cases[i].text));
            assert_memory_equal(out.data, cases[i].text, out.len);
            buf_free(&out);
        }
    }
}

// One frame: magic, descriptor, window, one last stored block "hello".
#define FRAME(window)                                                                              \
    {                                                                                              \
        0x28, 0xb5, 0x2f, 0xfd, 0, window, 5 << 3 | 1, 0, 0, 'h', 'e', 'l', 'l', 'o'               \
    }

static void a_window_over_the_limit_is_refused_with_its_size(void **state)
{
    (void)state;
    static const struct {
        unsigned char raw[14];
        int limit;           // 0: the default
        const char *message; // NULL: decoded
    } cases[] = {
        {FRAME(17 << 3), 0, NULL}, // 2^27
        {FRAME(21 << 3), 0, NULL}, // 2^31
        {FRAME(21 << 3 | 1), 0,
         "mem: byte 0: the zstd frame needs a window of 2415919104 bytes (2304 MiB of memory); the "
         "limit is 2^31 bytes"},
        {FRAME(22 << 3), 0, "window of 4294967296 bytes (4096 MiB"},
        {FRAME(0xff), 0, "window of 4123168604160 bytes (3932160 MiB"},
        {FRAME(17 << 3), 26, "window of 134217728 bytes (128 MiB of memory); the limit is 2^26"},
        {FRAME(10 << 3), 20, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream *s;
        assert_int_equal(stream_open_memory(&s, "mem", cases[i].raw, sizeof cases[i].raw, 0, NULL),
                         0);
        if (cases[i].limit) {
            stream_limit_window(s, cases[i].limit);
        }
        struct buf out = {0};
        struct err err = {0};
        assert_int_equal(drain(s, &out, &err), cases[i].message ? ERR_UNSUPPORTED : 0);
        assert_int_equal(out.len, cases[i].message ? 0 : 5);
        if (cases[i].message && !strstr(err.msg, cases[i].message)) {
            fail_msg("%s", err.msg);
        }
        buf_free(&out);
    }

    // A single segment is its own window: content size in 8 bytes, here 2^40.
    static const unsigned char single[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(drain_memory(single, sizeof single, 0, &out, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "1048576 MiB"));
}

static void a_small_file_with_a_large_window_takes_little_memory(void **state)
{
    (void)state;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    static const unsigned char raw[14] = FRAME(21 << 3);
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(drain_memory(raw, sizeof raw, 0, &out, &err), 0);
    buf_free(&out);
    getrusage(RUSAGE_SELF, &after);
    // KiB; the window alone is 2048 MiB.  AddressSanitizer's shadow of it is an eighth.
    assert_true(after.ru_maxrss - before.ru_maxrss < 400 * 1024);
}

static void kinds_are_told_by_the_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *kind;
        int code;
        const char *message;
    } cases[] = {
        {"a.txt", "", 0, "plain", 0, ""},
        {"a.jsonl", "", 0, "plain", 0, ""},
        {"a.zst", "", 0, "plain", ERR_TRUNCATED, "a.zst: byte 0: nothing in it"},
        {"a.zstd", "", 0, "plain", ERR_TRUNCATED, "a.zstd: byte 0: nothing in it"},
        {"a.gz", "", 0, "plain", ERR_TRUNCATED, "a.gz: byte 0: nothing in it"},
        {".gz", "", 0, "plain", 0, ""}, // a name without an ending
        {"a.zst", "{\"text\":\"plain after all\"}", 26, "plain", 0, ""},
        {"a.zst", "\0\xb5\x2f\xfd rest", 9, "plain", ERR_CORRUPT, "begins neither as zstd nor as"},
        {"a.txt", "\0\xb5\x2f\xfd rest", 9, "plain", 0, ""},
        {"a.txt", "(", 1, "plain", 0, ""},
        {"a.txt", "\x28\xb5", 2, "zstd", ERR_TRUNCATED, "byte 2: the file ends inside a zstd"},
        {"a.txt", "\x28\xb5\x2f", 3, "zstd", ERR_TRUNCATED, "byte 3: the file ends inside a zstd"},
        {"a.txt", "\x28\xb5\x2f\xfd", 4, "zstd", ERR_TRUNCATED, "byte 4: the file ends inside"},
        {"a.txt", "\x28\xb5\x2f ", 4, "plain", 0, ""},
        {"a.txt", "P*M", 3, "plain", 0, ""},
        {"a.txt", "P*M\x18\0\0\0\0", 8, "zstd", 0, ""}, // one skippable frame
        {"a.txt", "_*M\x18\xff\xff\xff\xff.", 9, "zstd", ERR_TRUNCATED, "byte 9: the file ends"},
        {"a.txt", "\x1f\x8b", 2, "gzip", ERR_TRUNCATED, "byte 2: the file ends inside a gzip"},
        {"a.txt", "\x1f", 1, "plain", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 2; step++) {
            struct stream *s;
            assert_int_equal(
                stream_open_memory(&s, cases[i].name, cases[i].bytes, cases[i].len, step, NULL), 0);
            assert_string_equal(stream_kind(s), cases[i].kind);
            struct buf out = {0};
            struct err err = {0};
            const int rc = drain(s, &out, &err);
            if (rc != cases[i].code || !strstr(err.msg, cases[i].message)) {
                fail_msg("case %zu: %d %s", i, rc, err.msg);
            }
            if (strcmp(cases[i].kind, "plain") == 0 && !rc) {
                assert_int_equal(out.len, cases[i].len);
                assert_memory_equal(out.data ? out.data : "", cases[i].bytes, out.len);
            } else {
                assert_int_equal(out.len, 0);
            }
            buf_free(&out);
        }
    }
}

static void peeking_takes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"plain.jsonl", "multiframe.jsonl.zst",
                                        "wrong_magic_gzip.jsonl.zst"};
    struct buf plain = {0};
    sample_bytes("plain.jsonl", &plain);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf raw = {0};
        sample_bytes(names[i], &raw);
        struct stream *s;
        assert_int_equal(stream_open_memory(&s, "mem", raw.data, raw.len, 10, NULL), 0);
        static const size_t wants[] = {1, 4, 5, 1000, 90000, 3};
        for (size_t k = 0; k < sizeof wants / sizeof *wants; k++) {
            const char *bytes;
            assert_true(stream_peek(s, wants[k], &bytes) >= wants[k]);
            assert_memory_equal(bytes, plain.data, wants[k]);
            assert_int_equal(stream_tell(s), 0);
        }
        const char *bytes;
        assert_int_equal(stream_peek(s, 1000000, &bytes), 100459);
        struct buf out = {0};
        assert_int_equal(drain(s, &out, NULL), 0);
        assert_int_equal(out.len, 100459);
        assert_memory_equal(out.data, plain.data, out.len);
        buf_free(&out);
        buf_free(&raw);
    }
    buf_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_has_its_outcome),
        cmocka_unit_test(the_bytes_do_not_depend_on_how_they_are_read),
        cmocka_unit_test(a_file_cut_anywhere_gives_what_is_whole),
        cmocka_unit_test(blocks_before_a_corrupt_one_are_handed_out),
        cmocka_unit_test(gzip_members_are_joined_and_checked),
        cmocka_unit_test(a_window_over_the_limit_is_refused_with_its_size),
        cmocka_unit_test(a_small_file_with_a_large_window_takes_little_memory),
        cmocka_unit_test(kinds_are_told_by_the_first_bytes),
        cmocka_unit_test(peeking_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
