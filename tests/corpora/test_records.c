/*
 * Records in every shape: arrays, values over several lines, marked ones, lengths, strings.  A file
 * has the same documents and rejects however its bytes arrive.
 */
#include "tests/kit/source_kit.h"

#include "corpora/base/mem.h"
#include "corpora/records.h"

// Of each document "number:line[text]", with '|' for a line end; of rejects "reason n@line".
static const struct {
    const char *name, *bytes;
    const char *found;
} cases[] = {
    // one JSON array
    {"a", "[{\"text\":\"a\"},{\"text\":\"b\"}]", "0:1[a]1:1[b]"},
    {"a", "[\n  {\n    \"text\": \"a\"\n  },\n  {\n    \"text\": \"b\"\n  }\n]\n", "0:2[a]1:5[b]"},
    {"a", "\xef\xbb\xbf [ \"one\" ,\r\n\"two\"\t] \n\n", "0:1[one]1:2[two]"},
    {"a", "[{\"text\":\"a]\\\"}\"},{\"text\":\"b\",\"meta\":{\"x\":[1,{}]}}]", "0:1[a]\"}]1:1[b]"},
    {"a", "[]", ""},
    {"a", " [ \n ] \n", ""},
    {"a", "[{\"text\":\"a\"},\"b\",5,{\"txt\":1},[\"c\"],null,{\"text\":[\"p\",\"q\"]},]",
     "0:1[a]1:1[b]6:1[p||q] not_an_object 3@1 no_text_field 1@1"},
    {"a", "[{\"text\":\"a\"},\n{\"text\":x},\n,{\"text\":\"b\"}]", "0:1[a]3:3[b] bad_json 2@2"},
    {"a", "[{\"text\":\"line\nend\"}]", "0:1[line|end]"},
    {"a", "[{\"text\":\"this one is longer than the limit of the test, which is 60\"},\"b\"]",
     "1:1[b] too_long 1@1"},
    // arrays that are cut, broken or followed by something
    {"a", "[{\"text\":\"a\"},{\"te", "0:1[a] truncated_stream 1@1"},
    {"a", "[{\"text\":\"a\"}\n", "0:1[a] truncated_stream 1@2"},
    {"a", "[{\"text\":\"a\"},", "0:1[a] truncated_stream 1@1"},
    {"a", "[{\"", " truncated_stream 1@1"},
    {"a", "[{\"text\":\"a\"},\"b\"\n\"c\"]", "0:1[a]1:1[b] corrupt_stream 1@2"},
    {"a", "[{\"text\":\"a\"},}]", "0:1[a] corrupt_stream 1@1"},
    {"a", "[{\"text\":\"a\"},\"b\"] x", "0:1[a]1:1[b] trailing_garbage 1@1"},
    {"a", "[{\"text\":\"a\"}]\n[{\n\"text\":\"b\"}]", "0:1[a] trailing_garbage 1@2"},
    {"a", "[{\"text\":\"a\"}{\"text\":\"b\"}]", "0:1[a] corrupt_stream 1@1"},
    {"a", "[{\"text\":\"a\"};{\"text\":\"b\"}]", "0:1[a] corrupt_stream 1@1"},
    {"a", "[{\"text\":\"a\"},{\"text\":\"b\"", "0:1[a] truncated_stream 1@1"},
    {"a", "[{\"text\":\"a\"},{\"text\"...]", "0:1[a] bad_json 1@1 truncated_stream 1@1"},
    {"a.jsonl", "[{\"text\":\"a\"},{\"text\"...]", "0:1[a] bad_json 1@1 truncated_stream 1@1"},
    {"a", "[{\"text\":\"a\" \"x\"},{\"text\":\"b\"}]", "1:1[b] bad_json 1@1"},
    {"a", "[\"one\",\"two\",\"thr", "0:1[one]1:1[two] truncated_stream 1@1"},
    {"a.jsonl", "[\"one\",\"two\",\"thr", "0:1[one]1:1[two] truncated_stream 1@1"},
    {"a", "[\"one\",\n\"two\"", "0:1[one]1:2[two] truncated_stream 1@2"},
    {"a", "[\"one\", ", "0:1[one] truncated_stream 1@1"},
    {"a", "[\"one\", \"tw", "0:1[one] truncated_stream 1@1"},
    {"a", "[\"one\",\"two\",\"th\"re\"e\"]", "0:1[one]1:1[two]2:1[th] corrupt_stream 1@1"},
    {"a.json", "[\"one\" \"two\"]", "0:1[one] corrupt_stream 1@1"},
    {"a.json", "[\"one\"] x", "0:1[one] trailing_garbage 1@1"},
    {"a.json", "[\"a story that has no end", " truncated_stream 1@1"},
    // what begins with a bracket and is no array of texts
    {"a", "[Verse 1]\nla la\n", "0:1[[Verse 1]|la la|]"},
    {"a", "[1] See above.\n[2] See below.\n", "0:1[[1] See above.|[2] See below.|]"},
    {"a", "[link](http://x)", "0:1[[link](http://x)]"},
    {"a", "[\"Hello\"](x)", "0:1[[\"Hello\"](x)]"},
    {"a", "[\"Hello\", said Bob]", "0:1[[\"Hello\", said Bob]]"},
    {"a", "[\"a story that has no end", "0:1[[\"a story that has no end]"},
    {"a", "[\"Yes\", \"No\" and \"Maybe\"]", "0:1[[\"Yes\", \"No\" and \"Maybe\"]]"},
    {"a", "[\"one\", \"two\"].map(f)", "0:1[[\"one\", \"two\"].map(f)]"},
    {"a", "[[Category:Trees]]\n", "0:1[[[Category:Trees]]|]"},
    {"a", "[[1]] See", "0:1[[[1]] See]"},
    {"a", "[{ \"a\" }]", "0:1[[{ \"a\" }]]"},
    {"a", "[] is empty", "0:1[[] is empty]"},
    {"a", "[{} is empty]", "0:1[[{} is empty]]"},
    {"a", "[{{ name }}] of a template", "0:1[[{{ name }}] of a template]"},
    {"a", "[section]\nkey = 1\n", "0:1[[section]|key = 1|]"},
    {"a", "[1]", "0:1[[1]]"},
    {"a", "[", "0:1[[]"},
    // values over several lines
    {"a", "{\n \"text\": \"a\"\n}\n{\n \"text\": \"b\"\n}\n", "0:1[a]1:4[b]"},
    {"a", "{\n \"text\": \"a\"\n},\n{\"text\": \"b\"}\n\n\n{\"text\":\n\"c\"}",
     "0:1[a]1:4[b]2:7[c]"},
    {"a", "{\"text\":\"a\"}{\"text\":\"b\"}\n{\"text\":\"c\"}", "0:1[a]1:1[b]2:2[c]"},
    {"a", "{\"text\":\"a\"},\n{\"text\":\"b\"},\n", "0:1[a]1:2[b]"},
    {"a", "{\n\"text\": \"a\"\n}\nhello { }\n{\n\"text\": \"b\"\n}", "0:1[a]2:5[b] bad_json 1@4"},
    // one that is broken does not take the next ones with it
    {"a", "{\n\"text\":\"a\"\n}\n{\n\"text\":\"x\"\n{\n\"text\":\"b\"\n}\n",
     "0:1[a]2:6[b] bad_json 1@4"},
    {"a", "{\n\"text\":\"a\"\n}\n{\n\"text\":\"x\n}\n{\n\"text\":\"b\"\n}\n",
     "0:1[a]2:7[b] bad_json 1@4"},
    {"a", "{\n\"text\":\"a\"\n}\n{\n\"text\":\"b", "0:1[a] bad_json 1@4"},
    // JSONL with a broken first line is JSONL
    {"a", "{\"text\":\"x\n{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "1:2[a]2:3[b] bad_json 1@1"},
    {"a", "{\"text\":\n{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "1:2[a]2:3[b] bad_json 1@1"},
    {"a", "{\"text\":\"x\"} y\n{\"text\":\"a\"}\n", "1:2[a] bad_json 1@1"},
    {"a", "{not json\n{\"text\":\"a\"}\n", "1:2[a] bad_json 1@1"},
    {"a", "{not json\n\n {\"txt\":\"a\"}\n", " bad_json 1@1 no_text_field 1@3"},
    {"a.jsonl", "{{x}}\n", " bad_json 1@1"},
    {"a", "{\"Hello\" she said}\n", " bad_json 1@1"},
    {"a", "{'text': 'a'}\n", " bad_json 1@1"},
    {"a", "{text : \"a\"}\n", " bad_json 1@1"},
    {"a", "{text: null}", " bad_json 1@1"},
    {"a", "{text:", " bad_json 1@1"},
    {"a", "{} is empty", " bad_json 1@1"},
    // what begins with a brace and is plainly no JSON
    {"a", "{\\small Text}\n", "0:1[{\\small Text}|]"},
    {"a", "{{x}}\nis\n", "0:1[{{x}}|is|]"},
    {"a", "{% if x %}\n{{ y }}\n", "0:1[{% if x %}|{{ y }}|]"},
    {"a", "{\n  File: a.pas\n}\n", "0:1[{|  File: a.pas|}|]"},
    {"a", "{\n  int a = 1;\n}\n", "0:1[{|  int a = 1;|}|]"},
    {"a", "{ 0,\n{}\n{ \"a\", 1 },\n", "0:1[{ 0,|{}|{ \"a\", 1 },|]"},
    {"a", "{\"text\":\"a\"}\n\"b\"\n[\"c\"]\n", "0:1[a] not_an_object 2@2"},
    // strings, one per line
    {"a", "\"one\"\n\n\"t\\nwo\"\n", "0:1[one]1:3[t|wo]"},
    {"a", "\"one\"\r\n\"two\"", "0:1[one]1:2[two]"},
    {"a.jsonl", "\"one\"\n", "0:1[one]"},
    {"a.jsonl.zst", "\"one\"\n{\"text\":\"two\"}", "0:1[one]1:2[two]"},
    {"a.jsonl", "\"one\"\n\"t\\uzz\"\n\"three\"\n", "0:1[one]2:3[three] bad_json 1@2"},
    {"a", "\"Hello,\" she said.\n", "0:1[\"Hello,\" she said.|]"},
    {"a", "\"Hello,\"\n\"World\" he said.\n", "0:1[\"Hello,\"|\"World\" he said.|]"},
    {"a", "\"one\"\n", "0:1[\"one\"|]"},
    {"a", "\"", "0:1[\"]"},
    // RFC 7464
    {"a", "\x1e{\"text\":\"a\"}\n\x1e{\"text\":\"b\"}\n", "0:1[a]1:2[b]"},
    {"a", "\x1e\x1e\n\x1e{\n\"text\":\"a\"\n}\n\x1e\"b\"\n",
     "0:1[\x1e\x1e|\x1e{|\"text\":\"a\"|}|\x1e\"b\"|]"},
    {"a", "\x1e{\n\"text\":\"a\"\n}\n\x1e\x1e\"b\"\n", "0:1[a]1:4[b]"},
    {"a", "\x1e{\"text\":\"cut\n\x1e{\"text\":\"b\"}\n", "1:2[b] bad_json 1@1"},
    {"a", "\x1e{\"text\":\"a\"} {}\n\x1e", " bad_json 1@1"},
    // lm_dataformat's .dat
    {"a",
     "0000000000000003abc0000000000000000"
     "0000000000000002\n\n",
     "0:1[abc]1:1[]2:1[||]"},
    {"a", "0000000000000003abc", "0:1[abc]"},
    {"a.dat", "0000000000000003ab", " truncated_stream 1@1"},
    {"a.dat", "0000000000000003abc000", "0:1[abc] truncated_stream 1@1"},
    {"a.dat", "0000000000000003a\nc0000000000000001d1234567890123 56x",
     "0:1[a|c]1:2[d] corrupt_stream 1@2"},
    {"a.dat",
     "0000000000000001a0000000000000066"
     "this one is longer than the limit of the test, which is 60: 66 ..."
     "0000000000000001b",
     "0:1[a]2:1[b] too_long 1@1"},
    {"a", "0000000000000003abcd", "0:1[0000000000000003abcd]"},
    {"a", "007 is a text", "0:1[007 is a text]"},
};

/* Everything that the file gives, as the cases have it. */
static void take(struct buf *out, const char *name, const char *bytes, size_t len, size_t step,
                 const struct source_options *options)
{
    struct source *s = open_memory(name, bytes, len, step, options);
    struct doc doc;
    out->len = 0;
    assert_int_equal(buf_reserve(out, 1, NULL), 0);
    while (source_next(s, &doc, NULL) == SOURCE_DOC) {
        assert_int_equal(buf_printf(out, NULL, "%d:%d[", (int)doc.number, (int)doc.line), 0);
        const size_t at = out->len;
        assert_int_equal(buf_append(out, doc.text, doc.len, NULL), 0);
        for (size_t i = at; i < out->len; i++) {
            out->data[i] = out->data[i] == '\n' ? '|' : out->data[i];
        }
        assert_int_equal(buf_append(out, "]", 1, NULL), 0);
    }
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
    const struct rejects *r = source_rejects(s);
    for (int i = 0; i < REJECT_N; i++) {
        if (r->n[i]) {
            assert_int_equal(buf_printf(out, NULL, " %s %d@%d", reject_name(i), (int)r->n[i],
                                        (int)r->places[i][0].line),
                             0);
        }
    }
    assert_int_equal(buf_append(out, "", 1, NULL), 0);
    source_close(s);
}

static void every_shape_gives_its_records(void **state)
{
    (void)state;
    const struct source_options options = {.line_max_bytes = 60};
    struct buf found = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 20; step++) {
            take(&found, cases[i].name, cases[i].bytes, strlen(cases[i].bytes), step, &options);
            if (strcmp(found.data, cases[i].found) != 0) {
                fail_msg("case %zu, step %zu: %s\nexpected %s", i, step, found.data,
                         cases[i].found);
            }
        }
    }
    buf_free(&found);
}

static void an_array_of_something_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *message;
    } arrays[] = {
        {"[[1,2],[3,4]]", "mem: a JSON array, whose first item is neither an object nor a string"},
        {"[1,2,3", "mem: a JSON array, whose first item is neither an object nor a string"},
        {"[[1,2],[3", "mem: a JSON array, whose first item is neither an object nor a string"},
        {"[15496, 995]\n", "mem: a JSON array, whose first item is neither an object nor a string"},
        {"[\"a\"]\n[\"b\"]\n", "mem: a JSON array on each line"},
        {"[1,2,3]\n[4,5]\n", "mem: a JSON array on each line"},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        for (size_t step = 0; step < 5; step++) {
            struct stream *stream;
            struct source *s = NULL;
            struct err err = {0};
            const size_t n = strlen(arrays[i].bytes);
            assert_int_equal(stream_open_memory(&stream, "mem", arrays[i].bytes, n, step, NULL), 0);
            assert_int_equal(source_open_stream(&s, stream, NULL, &err), ERR_UNSUPPORTED);
            assert_int_equal(strncmp(err.msg, arrays[i].message, strlen(arrays[i].message)), 0);
            assert_non_null(strstr(err.msg, "`jq -c '.[]' FILE >NEW`"));
        }
        const size_t len = strlen(arrays[i].bytes);
        struct buf found = {0};
        const struct source_options text = {.format = SOURCE_TEXT},
                                    jsonl = {.format = SOURCE_JSONL};
        take(&found, "mem", arrays[i].bytes, strlen(arrays[i].bytes), 0, &text);
        assert_int_equal(strncmp(found.data, "0:1[", 4), 0);
        take(&found, "mem", arrays[i].bytes, strlen(arrays[i].bytes), 0, &jsonl);
        const bool cut = strchr("]\n", arrays[i].bytes[len - 1]) == NULL;
        assert_non_null(strstr(found.data, cut ? " bad_json 1" : " not_an_object "));
        assert_int_equal(found.data[0], ' ');
        buf_free(&found);
    }
}

/* A name that says JSON makes records of what begins otherwise, and a web page is none. */
static void what_the_name_calls_json_is_no_text(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes, *found;
    } broken[] = {
        {"a.jsonl", "# a comment\n{\"text\":\"a\"}\n", "1:2[a] bad_json 1@1"},
        {"a.ndjson", "// a comment\n\n{\"text\":\"a\"}\n", "1:3[a] bad_json 1@1"},
        {"a.jsonl", "nd\"}\n{\"text\":\"a\"}\n", "1:2[a] bad_json 1@1"},
        {"a.json", "[Verse 1]\nla la\n", " bad_json 2@1"},
        {"a.jsonl", "5\n", " not_an_object 1@1"},
        {"a.jsonl", "0 is no length\n", " bad_json 1@1"},
        {"a.jsonl", "\n\n", ""},
        {"a.txt", "# a comment\n{\"text\":\"a\"}\n", "0:1[# a comment|{\"text\":\"a\"}|]"},
        {"a.html", "<html></html>", "0:1[<html></html>]"},
    };
    struct buf found = {0};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        for (size_t step = 0; step < 20; step++) {
            take(&found, broken[i].name, broken[i].bytes, strlen(broken[i].bytes), step, NULL);
            assert_string_equal(found.data, broken[i].found);
        }
    }
    static const char *const pages[] = {"<!DOCTYPE html>\n<html></html>", "\xef\xbb\xbf\n <HTML>",
                                        "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code>"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        for (size_t step = 0; step < 20; step++) {
            static const struct source_options text = {.format = SOURCE_TEXT},
                                               jsonl = {.format = SOURCE_JSONL};
            struct stream *stream;
            struct source *s = NULL;
            struct err err = {0};
            const size_t n = strlen(pages[i]);
            assert_int_equal(stream_open_memory(&stream, "a.jsonl", pages[i], n, step, NULL), 0);
            assert_int_equal(source_open_stream(&s, stream, NULL, &err), ERR_UNSUPPORTED);
            assert_non_null(strstr(err.msg, "a.jsonl: a web page (HTML or XML), not JSON; "));
            assert_non_null(strstr(err.msg, "--format text"));
            assert_int_equal(stream_open_memory(&stream, "a", pages[i], n, step, NULL), 0);
            assert_int_equal(source_open_stream(&s, stream, &jsonl, &err), ERR_UNSUPPORTED);
            take(&found, "a.jsonl", pages[i], n, step, &text);
            assert_int_equal(strncmp(found.data, "0:1[", 4), 0);
        }
    }
    buf_free(&found);
}

/* An array much longer than all buffers, in one line and in many, with long items. */
static void a_long_array_is_streamed(void **state)
{
    (void)state;
    for (int pretty = 0; pretty < 2; pretty++) {
        struct buf text = {0}, found = {0};
        const size_t n = 3000;
        assert_int_equal(buf_append(&text, "[", 1, NULL), 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(buf_printf(&text, NULL, "%s{%s\"text\":\"%zu %0*d\"%s}", i ? "," : "",
                                        pretty ? "\n  " : "", i, i == 7 ? 200000 : 100, 0,
                                        pretty ? "\n" : ""),
                             0);
        }
        assert_int_equal(buf_append(&text, "]\n", 2, NULL), 0);
        struct source *s = open_memory("a.json", text.data, text.len, 1000, NULL);
        struct doc doc;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(source_next(s, &doc, NULL), SOURCE_DOC);
            assert_int_equal(doc.number, i);
            assert_int_equal(strtoul(doc.text, NULL, 10), i);
            assert_int_equal(doc.line, pretty ? 1 + 2 * i : 1);
        }
        assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
        assert_int_equal(rejects_total(source_rejects(s)), 0);
        source_close(s);
        buf_free(&text);
        buf_free(&found);
    }
}

/* An array is judged by how it begins, so that one longer than what is looked at is read as a short
 * one is: up to where it is cut or broken. */
static void a_long_array_that_is_cut_or_broken_is_one_like_a_short_one(void **state)
{
    (void)state;
    static const struct {
        const char *item, *last, *found;
    } ends[] = {
        {"{\"text\":\"a\"}", "{\"text\":\"b", " truncated_stream 1@1"},
        {"{\"text\":\"a\"}", "{\"text\"...]", " bad_json 1@1 truncated_stream 1@1"},
        {"\"a\"", "\"b", " truncated_stream 1@1"},
        {"\"a\"", "\"b\" c]", " corrupt_stream 1@1"},
    };
    for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
        const size_t n = i % 2 ? 3 : 30000;
        struct buf text = {0}, found = {0};
        assert_int_equal(buf_append(&text, "[", 1, NULL), 0);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(buf_printf(&text, NULL, "%s,", ends[i / 2].item), 0);
        }
        assert_int_equal(buf_printf(&text, NULL, "%s", ends[i / 2].last), 0);
        take(&found, "a", text.data, text.len, 0, NULL);
        char last[20];
        snprintf(last, sizeof last, "%zu:1[a]", n - 1);
        const char *at = strstr(found.data, last);
        assert_non_null(at);
        const bool one_more = strstr(ends[i / 2].last, " c") != NULL; // "b" is whole
        snprintf(last, sizeof last, "%zu:1[b]", n);
        assert_int_equal(strstr(at, last) != NULL, one_more);
        at = strchr(at, ' ');
        assert_non_null(at);
        assert_string_equal(at, ends[i / 2].found);
        buf_free(&text);
        buf_free(&found);
    }
}

static void the_place_of_a_record_is_that_of_its_first_byte(void **state)
{
    (void)state;
    static const char text[] = "[ {\"txt\":1},\n  {\"text\":x} ]";
    struct source *s = open_memory("a", text, sizeof text - 1, 3, NULL);
    struct doc doc;
    assert_int_equal(source_next(s, &doc, NULL), SOURCE_END);
    const struct rejects *r = source_rejects(s);
    assert_int_equal(r->places[REJECT_NO_TEXT_FIELD][0].byte, 2);
    assert_int_equal(r->places[REJECT_BAD_JSON][0].byte, 15);
    assert_int_equal(r->places[REJECT_BAD_JSON][0].line, 2);
    assert_int_equal(strncmp(r->places[REJECT_BAD_JSON][0].why, "column ", 7), 0);
    source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_gives_its_records),
        cmocka_unit_test(what_the_name_calls_json_is_no_text),
        cmocka_unit_test(an_array_of_something_else_is_refused),
        cmocka_unit_test(a_long_array_is_streamed),
        cmocka_unit_test(a_long_array_that_is_cut_or_broken_is_one_like_a_short_one),
        cmocka_unit_test(the_place_of_a_record_is_that_of_its_first_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
