#include "tests/kit/report_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zlib.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "tests/kit/scan_kit.h"
#include "tests/kit/view_run.h"

struct buf page;

int set_up(void **state)
{
    if (kit_make_folder(state)) {
        return -1;
    }
    view_run_write("run.db", view_rows);
    return 0;
}

void read_page(const char *name)
{
    page.len = 0;
    assert_int_equal(file_read(kit_path(name), (size_t)1 << 30, &page, NULL), 0);
    buf_append(&page, "", 1, NULL);
    page.len--;
}

void make_page(const char *run, const char *options)
{
    struct kit_ran r = {0};
    kit_run(&r, "gapscope report $T/%s -o $T/page.html %s", run, options);
    if (r.status != 0) {
        fail_msg("report %s %s: status %d: %s", run, options, r.status, r.err.data);
    }
    kit_ran_free(&r);
    read_page("page.html");
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Appends what base64[len] stands for. */
static void from_base64(struct buf *to, const char *base64, size_t len)
{
    assert_int_equal(len % 4, 0);
    for (size_t i = 0; i < len; i += 4) {
        uint32_t bits = 0;
        size_t n = 3;
        for (size_t k = 0; k < 4; k++) {
            const int digit = digit_of(base64[i + k]);
            if (digit < 0) { // ends the last group
                assert_true(base64[i + k] == '=' && i + 4 == len && k >= 2);
                n = n == 3 ? k - 1 : n;
            }
            bits = bits << 6 | (uint32_t)(digit < 0 ? 0 : digit);
        }
        const char bytes[] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        buf_append(to, bytes, n, NULL);
    }
}

static struct json_object *decode(const char *base64, size_t len)
{
    struct buf packed = {0};
    from_base64(&packed, base64, len);
    uLongf size = 1 << 22; // the tests' chunks have less
    char *text = malloc(size);
    assert_int_equal(
        uncompress((unsigned char *)text, &size, (unsigned char *)packed.data, (uLong)packed.len),
        Z_OK);
    struct json_parser *parser = json_parser_new();
    struct json_object *value = NULL;
    struct err err = {0};
    if (json_parse(parser, &value, text, size, &err) || !value) {
        fail_msg("%s: %.200s", err.msg, text);
    }
    json_parser_free(parser);
    buf_free(&packed);
    free(text);
    return value;
}

struct json_object *chunk(const char *name)
{
    char head[96];
    snprintf(head, sizeof head, "<script type=\"text/plain\" data-chunk=\"%s\">", name);
    const char *at = strstr(page.data, head);
    return at ? decode(at + strlen(head), strcspn(at + strlen(head), "<")) : NULL;
}

size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) {
        n++;
    }
    return n;
}

void check_places(const struct place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct json_object *root = chunk(places[i].chunk);
        assert_non_null(root);
        const char *is = json_object_to_json_string_ext(follow(root, places[i].path),
                                                        JSON_C_TO_STRING_NOSLASHESCAPE);
        if (strcmp(is, places[i].wanted) != 0) {
            fail_msg("%s %s: is %s\nwanted %s", places[i].chunk, places[i].path, is,
                     places[i].wanted);
        }
        json_object_put(root);
    }
}

size_t check_chunks(void)
{
    size_t n = 0;
    for (const char *at = page.data; (at = strstr(at, "<script type=\"text/plain\" data-chunk="));
         n++) {
        at = strchr(at, '>') + 1;
        json_object_put(decode(at, strcspn(at, "<")));
    }
    return n;
}
