#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/utf8.h"
#include "corpora/source.h"

static struct source *open_memory(const char *name, const void *data, size_t len, size_t step,
                                  const struct source_options *options)
{
    struct stream *stream;
    struct source *s = NULL;
    assert_int_equal(stream_open_memory(&stream, name, data, len, step, NULL), 0);
    assert_int_equal(source_open_stream(&s, stream, options, NULL), 0);
    return s;
}

/* "bad_json 2, truncated_stream 1": all that was rejected. */
static const char *rejected(const struct source *s)
{
    static char text[500];
    text[0] = '\0';
    const struct rejects *r = source_rejects(s);
    for (int i = 0; i < REJECT_N; i++) {
        if (r->n[i]) {
            const size_t n = strlen(text);
            snprintf(text + n, sizeof text - n, "%s%s %d", n ? ", " : "", reject_name(i),
                     (int)r->n[i]);
        }
    }
    return text;
}

/* XXH64 of nothing; and of the 300 texts of plain.jsonl, a byte FF after each. */
#define NOTHING UINT64_C(0xef46db3751d8e999)
#define PLAIN UINT64_C(0x53acb6f9e1d90ce7)

// The texts were read by Python's json module from what zstd(1) and gzip(1) write.
static const struct {
    const char *name;
    uint64_t docs, bytes, repaired;
    uint64_t xxh64;
    bool damaged;
    const char *rejected;
} samples[] = {
    {"plain.jsonl", 300, 68728, 0, PLAIN, false, ""},
    {"single.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"checksum.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"multiframe.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"empty.jsonl.zst", 0, 0, 0, NOTHING, false, ""},
    {"zero_bytes.jsonl.zst", 0, 0, 0, NOTHING, true, "truncated_stream 1"},
    {"seekable.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"long27.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"long30.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"nosize.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"truncated.jsonl.zst", 0, 0, 0, NOTHING, true, "truncated_stream 1"},
    {"truncated_at_frame_end.jsonl.zst", 200, 45566, 0, UINT64_C(0xd685eceb5e576b46), false, ""},
    {"truncated_header.jsonl.zst", 120, 27328, 0, UINT64_C(0x9c7c0bc690de6f74), true,
     "truncated_stream 1"},
    // The flipped bit makes 226 characters invalid; every line is still JSON.
    {"corrupt_nochecksum.jsonl.zst", 300, 69182, 226, UINT64_C(0x7a7118462bf9bdeb), false, ""},
    {"trailing_garbage.jsonl.zst", 300, 68728, 0, PLAIN, true, "trailing_garbage 1"},
    {"wrong_magic_gzip.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"no_final_newline.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"crlf.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"bom.jsonl.zst", 300, 68728, 0, PLAIN, false, ""},
    {"odd_records.jsonl.zst", 5, 42, 2, UINT64_C(0xe19e3069a5302506), false,
     "bad_json 2, not_an_object 2, no_text_field 4"},
    // 30 000 000 times x: 28 pieces of 1 MiB and one of 639 872 bytes.
    {"long_line.jsonl.zst", 29, 30000000, 0, UINT64_C(0x448f9ec0ca392ba2), false, ""},
};

static void every_sample_has_its_docs_and_rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char path[200];
        snprintf(path, sizeof path, "tests/golden/zstd/%s", samples[i].name);
        struct source *s;
        struct err err = {0};
        assert_int_equal(source_open(&s, path, NULL, &err), 0);
        struct buf texts = {0};
        uint64_t docs = 0, bytes = 0;
        struct doc doc;
        enum source_status status;
        while ((status = source_next(s, &doc, &err)) == SOURCE_DOC) {
            docs++;
            bytes += doc.len;
            assert_int_equal(buf_append(&texts, doc.text, doc.len, NULL), 0);
            assert_int_equal(buf_append(&texts, "\xff", 1, NULL), 0);
        }
        assert_int_equal(status, SOURCE_END);
        assert_int_equal(source_next(s, &doc, &err), SOURCE_END);
        if (docs != samples[i].docs || bytes != samples[i].bytes ||
            source_repaired(s) != samples[i].repaired ||
            XXH64(texts.data, texts.len, 0) != samples[i].xxh64 ||
            source_damaged(s) != samples[i].damaged ||
            strcmp(rejected(s), samples[i].rejected) != 0) {
            fail_msg("%s: %d docs, %d bytes, %d repaired, %s", path, (int)docs, (int)bytes,
                     (int)source_repaired(s), rejected(s));
        }
        buf_free(&texts);
        source_close(s);
    }
}

static void damage_says_where_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum reject_reason reason;
        uint64_t line, byte;
        const char *why;
    } cases[] = {
        {"truncated_header.jsonl.zst", REJECT_TRUNCATED_STREAM, 121, 40033,
         "byte 1926: the file ends inside a zstd frame: an interrupted copy?"},
        {"truncated.jsonl.zst", REJECT_TRUNCATED_STREAM, 1, 0,
         "byte 2224: the file ends inside a zstd frame: an interrupted copy?"},
        {"trailing_garbage.jsonl.zst", REJECT_TRAILING_GARBAGE, 301, 100459,
         "byte 3337: what follows the last zstd frame does not begin another"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[200];
        snprintf(path, sizeof path, "tests/golden/zstd/%s", cases[i].name);
        struct source *s;
        assert_int_equal(source_open(&s, path, NULL, NULL), 0);
        struct doc doc;
        while (source_next(s, &doc, NULL) == SOURCE_DOC) {
        }
        const struct reject_place *place = &source_rejects(s)->places[cases[i].reason][0];
        assert_int_equal(place->line, cases[i].line);
        assert_int_equal(place->byte, cases[i].byte);
        assert_string_equal(place->why, cases[i].why);
        assert_int_equal(source_tell_raw(s), source_size_raw(s) - (i == 2 ? 4 : i == 0 ? 3 : 0));
        source_close(s);
    }
}

// odd_records.jsonl.zst, line by line.  Lines 2 and 3 are blank: no records.
static const struct {
    uint64_t line;
    const char *text; // NULL: rejected
    size_t len;
    uint64_t repaired;
    enum reject_reason reason;
    uint64_t byte;
    const char *why;
} odd[] = {
    {1, "ok1", 3, 0, 0, 0, NULL},
    {4, NULL, 0, 0, REJECT_NO_TEXT_FIELD, 20,
     "no \"text\", \"content\" or \"code\" that is a string"},
    {5, NULL, 0, 0, REJECT_NO_TEXT_FIELD, 32,
     "no \"text\", \"content\" or \"code\" that is a string"},
    {6, NULL, 0, 0, REJECT_NO_TEXT_FIELD, 46,
     "no \"text\", \"content\" or \"code\" that is a string"},
    {7, NULL, 0, 0, REJECT_BAD_JSON, 58, "column 2: null expected"},
    // A pair is one character; the lone one becomes U+FFFD and counts.
    {8,
     "a\xf0\x9f\x98\x80"
     "b \xef\xbf\xbd lone",
     15, 1, 0, 0, NULL},
    {9, "nul \0 in", 8, 0, 0, 0, NULL},
    {10, "dup2", 4, 0, 0, 0, NULL}, // the last of equal keys stands
    {11, NULL, 0, 0, REJECT_NOT_AN_OBJECT, 159, "an array; an object is wanted"},
    {12, NULL, 0, 0, REJECT_NOT_AN_OBJECT, 168, "a string; an object is wanted"},
    // Paragraphs are not joined; no_text_field's places are full, and it is only counted.
    {13, NULL, 0, 0, REJECT_NO_TEXT_FIELD, 0, NULL},
    {14, "bad \xef\xbf\xbd utf8", 12, 1, 0, 0, NULL},
    {15, NULL, 0, 0, REJECT_BAD_JSON, 225, "column 15: ends too early"}, // cut off
};

static void every_odd_record_has_its_fate(void **state)
{
    (void)state;
    struct source *s;
    assert_int_equal(source_open(&s, "tests/golden/zstd/odd_records.jsonl.zst", NULL, NULL), 0);
    uint64_t n[REJECT_N] = {0};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        if (odd[i].text) {
            struct doc doc;
            assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
            assert_int_equal(doc.number, i); // rejected records count
            assert_int_equal(doc.line, odd[i].line);
            assert_int_equal(doc.begins, 0);
            assert_int_equal(doc.repaired, odd[i].repaired);
            assert_int_equal(doc.len, odd[i].len);
            assert_memory_equal(doc.text, odd[i].text, doc.len);
        }
    }
    struct doc doc;
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        if (!odd[i].text && n[odd[i].reason]++ < REJECT_PLACES) {
            const struct reject_place *place =
                &source_rejects(s)->places[odd[i].reason][n[odd[i].reason] - 1];
            assert_int_equal(place->line, odd[i].line);
            assert_int_equal(place->byte, odd[i].byte);
            assert_string_equal(place->why, odd[i].why);
        }
    }
    assert_int_equal(rejects_total(source_rejects(s)), 8);
    source_close(s);
}

// Texts stand in brackets, a newline in one as '|'.
static const struct {
    const char *name, *bytes;
    enum source_format format;
    const char *docs;
} kinds[] = {
    {"a", "{\"text\":\"t\"}", SOURCE_AUTO, "[t]"},
    {"a", " \t\r\n\n {\"text\":\"t\"}", SOURCE_AUTO, "[t]"},
    {"a", "\xef\xbb\xbf{\"text\":\"t\"}\n{\"text\":\"u\"}", SOURCE_AUTO, "[t][u]"},
    {"a", "\xef\xbb\xbf\r\n{\"text\":\"t\"}", SOURCE_AUTO, "[t]"},
    {"a", "{\"text\":\"t\"}", SOURCE_TEXT, "[{\"text\":\"t\"}]"},
    {"a.jsonl", "[1]", SOURCE_AUTO, "[[1]]"}, // its first byte makes it a text
    {"a.jsonl", "[1]", SOURCE_JSONL, ""},     // not_an_object
    {"a", "one\ntwo\n", SOURCE_AUTO, "[one|two|]"},
    {"a", "one\r\ntwo", SOURCE_AUTO, "[one\r|two]"}, // CR LF of a text is text
    {"a",
     "\xef\xbb\xbf"
     "one",
     SOURCE_AUTO, "[one]"},
    {"a", "\xef\xbb", SOURCE_AUTO, "[\xef\xbf\xbd]"}, // half a BOM, half a character
    {"a", " \n", SOURCE_AUTO, "[ |]"},
    {"a", "", SOURCE_AUTO, "[]"},
    {"a", "\xef\xbb\xbf", SOURCE_AUTO, "[]"},
    {"a.txt.zst", "\xef\xbb\xbf", SOURCE_AUTO, "[]"},
    {"a.jsonl", "", SOURCE_AUTO, ""},
    {"a.ndjson", "\xef\xbb\xbf", SOURCE_AUTO, ""},
    {"a.json", " \n", SOURCE_AUTO, ""},
    {"a.jsonl.zst", "\n", SOURCE_AUTO, ""},
    {"a.jsonl.zstd", "\n", SOURCE_AUTO, ""},
    {"a.jsonl.gz", "\n", SOURCE_AUTO, ""},
    {".jsonl", "", SOURCE_AUTO, "[]"}, // a name without an ending
    {"a", "", SOURCE_JSONL, ""},
    {"a", "\n\n", SOURCE_JSONL, ""},
    {"a.jsonl", "", SOURCE_TEXT, "[]"},
    {"a", "{\"text\":\"\"}\n{\"text\":\"\"}", SOURCE_AUTO, "[][]"},
};

static void jsonl_is_told_from_text_by_its_first_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (size_t step = 0; step < 6; step++) {
            const struct source_options options = {.format = kinds[i].format};
            struct source *s =
                open_memory(kinds[i].name, kinds[i].bytes, strlen(kinds[i].bytes), step, &options);
            struct buf docs = {0};
            struct doc doc;
            assert_int_equal(buf_reserve(&docs, 1, NULL), 0);
            while (source_next(s, &doc, NULL) == SOURCE_DOC) {
                assert_int_equal(buf_append(&docs, "[", 1, NULL), 0);
                assert_int_equal(buf_append(&docs, doc.text, doc.len, NULL), 0);
                assert_int_equal(buf_append(&docs, "]", 1, NULL), 0);
            }
            for (size_t k = 0; k < docs.len; k++) {
                docs.data[k] = docs.data[k] == '\n' ? '|' : docs.data[k];
            }
            if (docs.len != strlen(kinds[i].docs) ||
                memcmp(docs.data, kinds[i].docs, docs.len) != 0) {
                fail_msg("case %zu: %.*s", i, (int)docs.len, docs.data);
            }
            buf_free(&docs);
            source_close(s);
        }
    }
}

static void blanks_are_passed_over_up_to_64_kib(void **state)
{
    (void)state;
    static const struct {
        size_t blanks;
        size_t len; // of the one doc
    } cases[] = {{65535, 1}, {65536, 65536 + 12}, {65537, 65537 + 12}, {200000, 200000 + 12}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 100000; step = step * 10 + 999) {
            static char text[300000];
            memset(text, '\n', sizeof text);
            memcpy(text + cases[i].blanks, "{\"text\":\"t\"}", 12);
            struct source *s = open_memory("a", text, cases[i].blanks + 12, step, NULL);
            struct doc doc;
            assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
            assert_int_equal(doc.len, cases[i].len);
            assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
            source_close(s);
        }
    }
}

static void rejects_take_numbers_and_blank_lines_do_not(void **state)
{
    (void)state;
    static const char text[] = "{\"text\":\"a\"}\n\n  \nbad\n{\"text\":\"this is too long\"}\n\r\n"
                               "{\"text\":\"b\"}";
    const struct source_options options = {.line_max_bytes = 20};
    for (size_t step = 0; step < 40; step++) {
        struct source *s = open_memory("mem", text, sizeof text - 1, step, &options);
        struct doc doc;
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
        assert_int_equal(doc.number, 0);
        assert_int_equal(doc.line, 1);
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
        assert_int_equal(doc.number, 3);
        assert_int_equal(doc.line, 7);
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
        assert_string_equal(rejected(s), "bad_json 1, too_long 1");
        const struct reject_place *place = &source_rejects(s)->places[REJECT_TOO_LONG][0];
        assert_int_equal(place->line, 5);
        assert_int_equal(place->byte, 21);
        assert_string_equal(place->why, "longer than the limit of 20 bytes");
        source_close(s);
    }
}

/* A text that was made of known characters, and what is expected of it. */
struct made {
    struct buf raw, repaired;
    size_t *marks; // where in repaired a U+FFFD stands for invalid bytes
    size_t n_marks, marks_cap;
};

static void make(struct made *m, size_t len, uint64_t seed)
{
    static const struct {
        const char *raw, *repaired;
        bool bad;
    } parts[] = {
        {"plain ascii, some of it ", "plain ascii, some of it ", false},
        {"\xc3\xa9", "\xc3\xa9", false},
        {"\xe6\x97\xa5", "\xe6\x97\xa5", false},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", false},
        {"\xef\xbf\xbd", "\xef\xbf\xbd", false}, // the text's own
        {"\xff", "\xef\xbf\xbd", true},
        {"\xe6\x97 ", "\xef\xbf\xbd ", true},
        {"\xf0\x9f\x98x", "\xef\xbf\xbdx", true},
        {"\n", "\n", false},
    };
    *m = (struct made){0};
    uint64_t x = seed;
    while (m->repaired.len < len) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t k = (x >> 33) % 2000;
        // A line end every 100 KB or so, but none for long from 4 MiB on.
        k = k == 8 && m->repaired.len > (4u << 20) && m->repaired.len < (7u << 20) ? 1 : k;
        k = k < 9 ? k : k % 8;
        if (parts[k].bad) {
            assert_int_equal(mem_reserve(&m->marks, &m->marks_cap, m->n_marks + 1, sizeof *m->marks,
                                         "marks", NULL),
                             0);
            m->marks[m->n_marks++] = m->repaired.len;
        }
        assert_int_equal(buf_append(&m->raw, parts[k].raw, strlen(parts[k].raw), NULL), 0);
        assert_int_equal(
            buf_append(&m->repaired, parts[k].repaired, strlen(parts[k].repaired), NULL), 0);
    }
}

/* The rule, said once more: after the last line end before 1 MiB, else after the last character. */
static size_t expected_cut(const char *text, size_t len)
{
    if (len <= 1048576) {
        return len;
    }
    for (size_t n = 1048576; n > 0; n--) {
        if (text[n - 1] == '\n') {
            return n;
        }
    }
    size_t n = 0, used;
    for (;;) {
        utf8_decode_valid(text + n, &used);
        if (n + used > 1048576) {
            return n;
        }
        n += used;
    }
}

static void check_pieces(struct source *s, const struct made *m)
{
    size_t at = 0, mark = 0;
    uint64_t number = 0;
    struct doc doc;
    while (source_next(s, &doc, NULL) == SOURCE_DOC) {
        const size_t n = expected_cut(m->repaired.data + at, m->repaired.len - at);
        uint64_t repaired = 0;
        while (mark < m->n_marks && m->marks[mark] < at + n) {
            mark++;
            repaired++;
        }
        assert_int_equal(doc.begins, at);
        assert_int_equal(doc.len, n);
        assert_int_equal(memcmp(doc.text, m->repaired.data + at, n), 0);
        assert_int_equal(doc.repaired, repaired);
        assert_int_equal(doc.number, number++);
        assert_int_equal(doc.line, 1);
        at += n;
    }
    assert_int_equal(at, m->repaired.len);
    assert_int_equal(number, 10);
    assert_int_equal(source_repaired(s), m->n_marks);
    assert_int_equal(rejects_total(source_rejects(s)), 0);
}

static void pieces_do_not_depend_on_how_the_bytes_come(void **state)
{
    (void)state;
    struct made m;
    make(&m, 9500000, 1);
    assert_true(m.n_marks > 100000);

    // As one text, and as a record: there the bytes are those of the line, quotes around them.
    struct buf line = {0};
    assert_int_equal(buf_append(&line, "{\"text\":", 8, NULL), 0);
    assert_int_equal(jsonw_string(&line, m.raw.data, m.raw.len, NULL), 0);
    assert_int_equal(buf_append(&line, "}", 1, NULL), 0);
    static const size_t steps[] = {0, 61, 4096, 131071};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct source *s = open_memory("mem", m.raw.data, m.raw.len, steps[i], NULL);
        check_pieces(s, &m);
        source_close(s);
        s = open_memory("mem", line.data, line.len, steps[i], NULL);
        check_pieces(s, &m);
        source_close(s);
    }

    // Through frames that end anywhere.
    struct buf frames = {0};
    for (size_t at = 0; at < m.raw.len;) {
        const size_t want = 1 + (at * 7919) % 300000;
        const size_t n = want < m.raw.len - at ? want : m.raw.len - at;
        assert_int_equal(buf_reserve(&frames, ZSTD_compressBound(n), NULL), 0);
        const size_t made =
            ZSTD_compress(frames.data + frames.len, frames.cap - frames.len, m.raw.data + at, n, 1);
        assert_false(ZSTD_isError(made));
        frames.len += made;
        at += n;
    }
    struct source *s = open_memory("mem", frames.data, frames.len, 0, NULL);
    check_pieces(s, &m);
    source_close(s);
    buf_free(&frames);
    buf_free(&line);
    buf_free(&m.raw);
    buf_free(&m.repaired);
    free(m.marks);
}

#define MIB 1048576

// A text of 'len' letters but for a few bytes; the lengths of its pieces.
static const struct {
    size_t len;
    struct {
        size_t at;
        const char *bytes;
    } put[3];
    size_t pieces[4];
} cuts[] = {
    {MIB, {{0, NULL}}, {MIB}},
    {MIB + 1, {{0, NULL}}, {MIB, 1}},
    {MIB + 1, {{MIB, "\n"}}, {MIB, 1}},     // a line end behind it does not count
    {MIB + 1, {{MIB - 1, "\n"}}, {MIB, 1}}, // the last byte before it does
    {MIB + 1, {{MIB - 2, "\n"}}, {MIB - 1, 2}},
    {MIB + 1, {{0, "\n"}}, {1, MIB}},
    {MIB + 1, {{5, "\n"}, {77, "\n"}}, {78, MIB - 77}}, // the last line end
    {MIB, {{5, "\n"}}, {MIB}},                          // short enough: not cut
    {MIB + 2, {{MIB - 1, "\r\n"}}, {MIB, 2}},           // the line end is LF alone
    {MIB + 3, {{MIB - 1, "\xc3\xa9"}}, {MIB - 1, 4}},
    {MIB + 3, {{MIB - 2, "\xc3\xa9"}}, {MIB, 3}},
    {MIB + 5, {{MIB - 1, "\xf0\x9f\x98\x80"}}, {MIB - 1, 6}},
    {MIB + 5, {{MIB - 3, "\xf0\x9f\x98\x80"}}, {MIB - 3, 8}},
    {MIB + 5, {{MIB - 4, "\xf0\x9f\x98\x80"}}, {MIB, 5}},
    {3 * MIB, {{0, NULL}}, {MIB, MIB, MIB}},
    {3 * MIB, {{10, "\n"}}, {11, MIB, MIB, MIB - 11}},
};

static void cuts_are_made_at_line_ends_or_between_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char *text = malloc(cuts[i].len);
        memset(text, 'x', cuts[i].len);
        for (size_t k = 0; k < 3 && cuts[i].put[k].bytes; k++) {
            memcpy(text + cuts[i].put[k].at, cuts[i].put[k].bytes, strlen(cuts[i].put[k].bytes));
        }
        struct source *s = open_memory("mem", text, cuts[i].len, 0, NULL);
        struct doc doc;
        for (size_t k = 0; k < 4 && cuts[i].pieces[k]; k++) {
            assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
            if (doc.len != cuts[i].pieces[k]) {
                fail_msg("case %zu, piece %zu: %zu bytes", i, k, doc.len);
            }
        }
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
        source_close(s);
        free(text);
    }
}

static void a_damaged_text_gives_what_can_be_read(void **state)
{
    (void)state;
    char raw[200];
    const size_t n = ZSTD_compress(raw, sizeof raw, "whole\npart", 10, 1);
    assert_false(ZSTD_isError(n));
    memcpy(raw + n, "\x28\xb5\x2f", 3);
    struct source *s = open_memory("a.txt.zst", raw, n + 3, 0, NULL);
    struct doc doc;
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
    assert_int_equal(doc.len, 10);
    assert_memory_equal(doc.text, "whole\npart", 10);
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
    assert_string_equal(rejected(s), "truncated_stream 1");
    assert_int_equal(source_rejects(s)->places[REJECT_TRUNCATED_STREAM][0].byte, 10);
    source_close(s);

    // Nothing of it can be read: that is no empty doc.
    static const size_t cut[] = {0, 4, 9};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        s = open_memory("a.txt.zst", raw, cut[i], 0, NULL);
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
        assert_true(source_damaged(s));
        assert_string_equal(rejected(s), "truncated_stream 1");
        source_close(s);
    }
}

static void what_is_not_supported_ends_the_run(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *message;
    } cases[] = {
        {"PAR1....", 8, "mem: a Parquet file; write its text column to JSONL first"},
        {"\xfd"
         "7zXZ\0..",
         8, "mem: an xz file; `xz -dc FILE | gapscope ... -` reads it"},
        {"PK\x03\x04", 4, "mem: a zip file; unpack it"},
        {"BZh91AY&SY", 10, "mem: a bzip2 file"},
        {"\x04\x22\x4d\x18", 4, "mem: an lz4 file"},
        {"\x28\xb5\x2f\xfd\x21\x07\x00\x01\x00\x00", 10, "mem: byte 0: the zstd frame needs dict"},
        {"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00", 9, "mem: byte 0: the zstd frame needs a window"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream *stream;
        struct source *s = NULL;
        struct err err = {0};
        assert_int_equal(stream_open_memory(&stream, "mem", cases[i].bytes, cases[i].len, 0, NULL),
                         0);
        assert_int_equal(source_open_stream(&s, stream, NULL, &err), ERR_UNSUPPORTED);
        if (strncmp(err.msg, cases[i].message, strlen(cases[i].message)) != 0) {
            fail_msg("%s", err.msg);
        }
        assert_null(s);
    }

    struct source *s = NULL;
    struct err err = {0};
    assert_int_equal(source_open(&s, "tests/golden/zstd/needs_dict.jsonl.zst", NULL, &err),
                     ERR_UNSUPPORTED);
    assert_int_equal(source_open(&s, "tests/golden/zstd/none", NULL, &err), ERR_NOT_FOUND);
    const struct source_options options = {.field = "a..b"};
    assert_int_equal(source_open(&s, "tests/golden/zstd/plain.jsonl", &options, &err), ERR_USAGE);
}

static void a_dictionary_in_the_middle_is_an_error_after_the_docs_before_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"text\":\"a\"}\n", "one text"};
    for (size_t i = 0; i < 2; i++) {
        char raw[200];
        const size_t n = ZSTD_compress(raw, sizeof raw, texts[i], strlen(texts[i]), 1);
        memcpy(raw + n, "\x28\xb5\x2f\xfd\x21\x07\x00\x01\x00\x00", 10);
        struct source *s = open_memory("mem", raw, n + 10, 0, NULL);
        struct doc doc;
        struct err err = {0};
        if (i == 0) { // the text is not whole
            assert_int_equal(source_next(s, &doc, &err), SOURCE_DOC);
        }
        assert_int_equal(source_next(s, &doc, &err), SOURCE_ERROR);
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.msg, "needs dictionary 7,"));
        assert_false(source_damaged(s));
        source_close(s);
    }
}

static void a_field_may_be_chosen(void **state)
{
    (void)state;
    static const char text[] = "{\"text\":\"t\",\"a\":{\"b\":\"deep\"}}\n{\"text\":\"t\"}\n";
    const struct source_options options = {.field = "a.b"};
    struct source *s = open_memory("mem", text, sizeof text - 1, 0, &options);
    struct doc doc;
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
    assert_int_equal(doc.len, 4);
    assert_memory_equal(doc.text, "deep", 4);
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
    assert_string_equal(rejected(s), "no_text_field 1");
    source_close(s);
}

/* A record over 1 MiB with a domain, one without, and a reject: domains of the docs. */
static void pieces_have_their_record_s_domain(void **state)
{
    (void)state;
    struct buf text = {0};
    assert_int_equal(buf_printf(&text, NULL, "{\"source\":\"web\",\"text\":\""), 0);
    for (int i = 0; i < 250000; i++) {
        assert_int_equal(buf_append(&text, "0123456789", 10, NULL), 0);
    }
    assert_int_equal(buf_printf(&text, NULL,
                                "\"}\n{\"text\":\"t\"}\n{\"text\":\"t\",\"source\":\"\xc3\xa9\"}\n"
                                "{\"source\":\"web\"}\n{\"text\":\"t\",\"a\":\"b\"}"),
                     0);
    static const char *const expected[][6] = {{"web", "web", "web", NULL, "\xc3\xa9", NULL},
                                              {NULL, NULL, NULL, NULL, NULL, "b"}};
    for (int chosen = 0; chosen < 2; chosen++) {
        const struct source_options options = {.domain = chosen ? "a" : NULL};
        struct source *s = open_memory("mem", text.data, text.len, 0, &options);
        struct doc doc;
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
            assert_int_equal(!doc.domain, !expected[chosen][i]);
            if (doc.domain) {
                assert_string_equal(doc.domain, expected[chosen][i]);
            }
        }
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
        source_close(s);
    }
    buf_free(&text);

    struct source *s = open_memory("mem", "a text", 6, 0, NULL);
    struct doc doc = {.domain = "x"};
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
    assert_null(doc.domain);
    source_close(s);
    const struct source_options options = {.domain = "a."};
    assert_int_equal(source_open(&s, "tests/golden/zstd/plain.jsonl", &options, NULL), ERR_USAGE);
}

static void what_was_passed_over_is_told_with_the_next_doc(void **state)
{
    (void)state;
    static const char text[] = "bad\n{\"text\":\"a\"}\n{\"text\":\"b\"}\n{}\nbad\nbad\nbad\nbad\n"
                               "{\"text\":\"c\"}\n[]\n";
    static const struct {
        uint64_t bad_json, no_text_field, not_an_object;
        uint64_t line; // of the first bad_json
    } expected[] = {{1, 0, 0, 1}, {0, 0, 0, 0}, {4, 1, 0, 5}, {0, 0, 1, 0}};
    const struct source_options options = {.format = SOURCE_JSONL};
    struct source *s = open_memory("mem", text, sizeof text - 1, 0, &options);
    for (size_t i = 0; i < 4; i++) {
        struct doc doc;
        assert_int_equal(source_next(s, &doc, NULL), i < 3 ? SOURCE_DOC : SOURCE_END);
        const struct rejects *r = source_passed(s);
        assert_int_equal(r->n[REJECT_BAD_JSON], expected[i].bad_json);
        assert_int_equal(r->n[REJECT_NO_TEXT_FIELD], expected[i].no_text_field);
        assert_int_equal(r->n[REJECT_NOT_AN_OBJECT], expected[i].not_an_object);
        assert_int_equal(rejects_total(r), expected[i].bad_json + expected[i].no_text_field +
                                               expected[i].not_an_object);
        for (uint64_t k = 0; k < r->n[REJECT_BAD_JSON] && k < REJECT_PLACES; k++) {
            assert_int_equal(r->places[REJECT_BAD_JSON][k].line, expected[i].line + k);
        }
    }
    // All together: the first of them.
    const struct rejects *r = source_rejects(s);
    assert_string_equal(rejected(s), "bad_json 5, not_an_object 1, no_text_field 1");
    assert_int_equal(r->places[REJECT_BAD_JSON][0].line, 1);
    assert_int_equal(r->places[REJECT_BAD_JSON][1].line, 5);
    assert_int_equal(r->places[REJECT_BAD_JSON][2].line, 6);
    struct doc doc;
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
    assert_int_equal(rejects_total(source_passed(s)), 0);
    assert_int_equal(rejects_total(source_rejects(s)), 7);
    source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_has_its_docs_and_rejects),
        cmocka_unit_test(damage_says_where_it_stands),
        cmocka_unit_test(every_odd_record_has_its_fate),
        cmocka_unit_test(jsonl_is_told_from_text_by_its_first_byte),
        cmocka_unit_test(blanks_are_passed_over_up_to_64_kib),
        cmocka_unit_test(rejects_take_numbers_and_blank_lines_do_not),
        cmocka_unit_test(pieces_do_not_depend_on_how_the_bytes_come),
        cmocka_unit_test(cuts_are_made_at_line_ends_or_between_characters),
        cmocka_unit_test(a_damaged_text_gives_what_can_be_read),
        cmocka_unit_test(what_is_not_supported_ends_the_run),
        cmocka_unit_test(a_dictionary_in_the_middle_is_an_error_after_the_docs_before_it),
        cmocka_unit_test(a_field_may_be_chosen),
        cmocka_unit_test(pieces_have_their_record_s_domain),
        cmocka_unit_test(what_was_passed_over_is_told_with_the_next_doc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
