#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "tests/kit/source_kit.h"

#define PER_DOC 4096 // code points

/* Appends a code point as Python's json.dumps writes it. */
static void dump(struct buf *out, uint32_t code)
{
    static const char named[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    const char *at = code ? memchr(named, (int)code, code < 0x80 ? sizeof named - 1 : 0) : NULL;
    int rc;
    if (at) {
        rc = buf_printf(out, NULL, "\\%c", names[at - named]);
    } else if (code >= 0x20 && code < 0x7f) {
        rc = buf_printf(out, NULL, "%c", (int)code);
    } else if (code < 0x10000) {
        rc = buf_printf(out, NULL, "\\u%04x", code);
    } else {
        rc = buf_printf(out, NULL, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                        0xdc00 + (code & 0x3ff));
    }
    assert_int_equal(rc, 0);
}

/* A corpus of all code points, PER_DOC a record, surrogates left out or nothing but surrogates. */
static void make_corpus(struct buf *jsonl, struct buf *texts, bool surrogates)
{
    for (uint32_t first = 0; first < 0x110000; first += PER_DOC) {
        assert_int_equal(buf_append(jsonl, "{\"text\": \"", 10, NULL), 0);
        for (uint32_t code = first; code < first + PER_DOC; code++) {
            char bytes[4];
            if ((code >= 0xd800 && code <= 0xdfff) == surrogates) {
                dump(jsonl, code);
                if (surrogates) {
                    dump(jsonl, '.'); // none of them is half of a pair
                }
                const size_t n = utf8_encode(surrogates ? 0xfffd : code, bytes);
                assert_int_equal(buf_append(texts, bytes, n, NULL), 0);
                assert_int_equal(buf_append(texts, ".", surrogates, NULL), 0);
            }
        }
        assert_int_equal(buf_append(jsonl, "\"}\n", 3, NULL), 0);
    }
}

/* Reads the corpus; the docs one after the other must be 'texts'. */
static void check(const struct buf *jsonl, const struct buf *texts, uint64_t repaired)
{
    struct source *s = open_memory("all.jsonl", jsonl->data, jsonl->len, 0, NULL);
    struct doc doc;
    struct err err = {0};
    size_t at = 0;
    enum source_status status;
    while ((status = source_next(s, &doc, &err)) == SOURCE_DOC) {
        assert_true(doc.len <= texts->len - at);
        if (doc.len > 0) {
            assert_memory_equal(doc.text, texts->data + at, doc.len);
        }
        at += doc.len;
    }
    assert_int_equal(status, SOURCE_END);
    assert_int_equal(at, texts->len);
    assert_int_equal(source_repaired(s), repaired);
    assert_int_equal(rejects_total(source_rejects(s)), 0);
    source_close(s);
}

static void every_code_point_survives_json_dumps(void **state)
{
    (void)state;
    struct buf jsonl = {0}, texts = {0};
    make_corpus(&jsonl, &texts, false);
    check(&jsonl, &texts, 0);
    buf_free(&jsonl);
    buf_free(&texts);
}

static void every_lone_surrogate_is_repaired_and_counted(void **state)
{
    (void)state;
    struct buf jsonl = {0}, texts = {0};
    make_corpus(&jsonl, &texts, true);
    check(&jsonl, &texts, 2048);
    buf_free(&jsonl);
    buf_free(&texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_survives_json_dumps),
        cmocka_unit_test(every_lone_surrogate_is_repaired_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
