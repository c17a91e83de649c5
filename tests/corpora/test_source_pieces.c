/*
 * Long texts are cut where the rule says, however their bytes come; the pieces of a record have its
 * domain.
 */
#include "tests/kit/source_kit.h"

#include <zstd.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/utf8.h"

/* A text made of known characters, and the expected result. */
struct made {
    struct buf raw, repaired;
    size_t *marks; // offsets in repaired of each U+FFFD for invalid bytes
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
        // There is a line end about every 100 KB, but none from 4 MiB to 7 MiB.
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

/* The rule: cut after the last line end before 1 MiB, else after the last character. */
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

    // The bytes come as one text, and as the string of a record.
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

    // The bytes come through frames that end anywhere.
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

// A text of 'len' letters, except for a few bytes, and the lengths of its pieces.
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

/* The domains of a record over 1 MiB, of records with and without one, and beside a reject. */
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
    const struct source_options options = {.domain = ""};
    assert_int_equal(source_open(&s, "tests/golden/zstd/plain.jsonl", &options, NULL), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_depend_on_how_the_bytes_come),
        cmocka_unit_test(cuts_are_made_at_line_ends_or_between_characters),
        cmocka_unit_test(pieces_have_their_record_s_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
