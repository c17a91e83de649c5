/*
 * Files as documents: every sample, odd record, damage and option has its documents and rejects.
 */
#include "tests/kit/source_kit.h"

#include <zstd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "corpora/base/mem.h"

/* Everything that was rejected, as "bad_json 2, truncated_stream 1". */
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

/* XXH64 of no bytes, and of the 300 texts of plain.jsonl with a byte FF after each. */
#define NOTHING UINT64_C(0xef46db3751d8e999)
#define PLAIN UINT64_C(0x53acb6f9e1d90ce7)

// Python's json module read the texts from the output of zstd(1) and gzip(1).
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
    {"odd_records.jsonl.zst", 6, 48, 2, UINT64_C(0x7c8e44e43cb90c1f), false,
     "bad_json 2, not_an_object 2, no_text_field 3"},
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

// odd_records.jsonl.zst, line by line.  Lines 2 and 3 are blank and not records.
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
    // A pair of surrogates is one character; a lone one becomes U+FFFD and is counted.
    {8,
     "a\xf0\x9f\x98\x80"
     "b \xef\xbf\xbd lone",
     15, 1, 0, 0, NULL},
    {9, "nul \0 in", 8, 0, 0, 0, NULL},
    {10, "dup2", 4, 0, 0, 0, NULL}, // the last of equal keys counts
    {11, NULL, 0, 0, REJECT_NOT_AN_OBJECT, 159, "an array, not an object"},
    {12, NULL, 0, 0, REJECT_NOT_AN_OBJECT, 168, "a string, not an object"},
    {13, "p1\n\np2", 6, 0, 0, 0, NULL}, // a list of paragraphs
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
    assert_int_equal(rejects_total(source_rejects(s)), 7);
    source_close(s);
}

// Texts are written in brackets, with '|' for a newline.
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
    {"a.jsonl", "[1]", SOURCE_AUTO, ""}, // not_an_object: the name says that it has records
    {"a", "[1]", SOURCE_AUTO, "[[1]]"},
    {"a.jsonl", "[1]", SOURCE_JSONL, ""}, // not_an_object
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

    // A text of which nothing can be read is not an empty doc.
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
        {"PAR1....", 8, "mem: a Parquet file; a corpus may be a Parquet file, read from its end"},
        {"\xfd"
         "7zXZ\0..",
         8, "mem: an xz file; `xz -dc FILE >NEW` writes what can be read"},
        {"PK\x03\x04", 4, "mem: a zip file; `unzip -p FILE"},
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
    const struct source_options options = {.field = ""};
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
    // source_rejects() has all of them, with the first places.
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
        cmocka_unit_test(a_damaged_text_gives_what_can_be_read),
        cmocka_unit_test(what_is_not_supported_ends_the_run),
        cmocka_unit_test(a_dictionary_in_the_middle_is_an_error_after_the_docs_before_it),
        cmocka_unit_test(a_field_may_be_chosen),
        cmocka_unit_test(what_was_passed_over_is_told_with_the_next_doc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
