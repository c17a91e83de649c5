#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "corpora/base/file.h"
#include "corpora/base/foreign.h"
#include "corpora/base/json.h"
#include "corpora/base/mem.h"

static const struct {
    const char *head; // [len]
    size_t len;
    const char *says; // NULL: no known kind
} cases[] = {
#define HEAD(text) text, sizeof text - 1
    {HEAD("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"),
     "is a Git LFS pointer: the file itself was not downloaded; run \"git lfs pull\" in its "
     "repository"},
    {HEAD("/annex/objects/MD5E-s1--0.json\n"), "is a git-annex pointer: "},
    {HEAD("<!DOCTYPE html>"),
     "is a web page (HTML or XML): the download went wrong; fetch the file again"},
    {HEAD("\n <!doctype HTML>"), "is a web page"},
    {HEAD("\xef\xbb\xbf<HTML lang=en>"), "is a web page"},
    {HEAD("<?xml version='1.0'?><Error>"), "is a web page"},
    {HEAD("Entry not found"), "is an error message of a web server: "},
    {HEAD("404: Not Found"), "is an error message of a web server: "},
    {HEAD("{\"error\":\"Invalid credentials\"}"), "is an error message of a web server: "},
    {HEAD(""), "is an empty file: write it or fetch it again"},
    {HEAD("\xef\xbb\xbf"), "is an empty file"},
    {HEAD("\0\0\0\0\0\0\0\0\0"), "is a file of zero bytes: a download or copy was interrupted"},
    {HEAD("\x1f\x8b\x08\0"), "is compressed with gzip: decompress it first (gzip -d)"},
    {HEAD("\x28\xb5\x2f\xfd\x20"), "is compressed with zstd: decompress it first (zstd -d)"},
    {HEAD("\xfd"
          "7zXZ\0"),
     "is compressed with xz"},
    {HEAD("BZh91AY"), "is compressed with bzip2"},
    {HEAD("PK\3\4\x14"), "is a zip archive"},
    {HEAD("7z\xbc\xaf\x27\x1c\0\4"), "is a 7z archive"},
    {HEAD("SQLite format 3\0"), "is a SQLite file"},
    {HEAD("%PDF-1.7"), "is a PDF document"},
    {HEAD("\x89HDF\r\n\x1a\n"), "is an HDF5 file"},
    {HEAD("GGUF\3"), "is a GGUF file"},
    {HEAD("\x93NUMPY\1"), "is a numpy file"},
    {HEAD("\x80\4\x95"), "is a Python pickle"},
    {HEAD("\xff\xfe{\0}\0"),
     "is UTF-16 text: convert it to UTF-8, for example with iconv -f UTF-16"},
    {HEAD("\xfe\xff\0{\0}"), "is UTF-16 text"},
    {HEAD("{\0\"\0a\0"), "is UTF-16 text"}, // without a byte order mark
    {HEAD("\0{\0\n\0\""), "is UTF-16 text"},
    {HEAD("\xff\xfe\0\0{\0\0\0"), "is UTF-32 text"},
    {HEAD("\0\0\xfe\xff\0\0\0{"), "is UTF-32 text"},

    {HEAD("{}"), NULL},
    {HEAD("\xef\xbb\xbf{\"n_layers\": 1}"), NULL},
    {HEAD("{\"errors\":1}"), NULL},
    {HEAD("hypotheses:\n- name: version https://git-lfs.\n"), NULL},
    {HEAD("# <html>\n"), NULL},
    {HEAD("\0"), NULL},
    {HEAD("\0\1\0\2\0\3"), NULL}, // numbers of 16 bits
    {HEAD("\x1f"), NULL},
    {HEAD("<"), NULL},
    {HEAD("text"), NULL},
#undef HEAD
};

static void what_a_file_is_and_the_way_out_are_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        char *copy = mem_new(cases[i].len, 1); // AddressSanitizer sees a byte too far
        memcpy(copy, cases[i].head, cases[i].len);
        const int rc = foreign_refuse(copy, cases[i].len, &err);
        const char *says = cases[i].says ? cases[i].says : "";
        if (rc != (cases[i].says ? ERR_UNSUPPORTED : 0) ||
            strncmp(err.msg, says, strlen(says)) != 0) {
            fail_msg("%s: %s; wanted %s", cases[i].head, err.msg, says);
        }
        free(copy);
    }
    char tar[FOREIGN_BYTES] = "config.json";
    memcpy(tar + 257,
           "ustar\0"
           "00",
           8);
    struct foreign f;
    assert_true(foreign_find(&f, tar, sizeof tar));
    assert_string_equal(f.what, "a tar archive");
    assert_false(foreign_find(&f, tar, 257));
}

static void a_text_is_read_without_its_byte_order_mark(void **state)
{
    (void)state;
    char path[] = "/tmp/gapscope-test-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "\xef\xbb\xbf{\"a\":1}";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);

    struct buf got = {0};
    struct err err = {0};
    assert_int_equal(buf_append(&got, "x", 1, NULL), 0);
    assert_int_equal(file_read_text(path, 100, &got, &err), 0);
    assert_int_equal(got.len, 8);
    assert_memory_equal(got.data, "x{\"a\":1}", 8);
    struct json_object *value = NULL;
    assert_int_equal(json_read_file(&value, path, 100, &err), 0);
    json_object_put(value);

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(json_read_file(&value, path, 100, &err), ERR_UNSUPPORTED);
    assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
    assert_string_equal(err.msg + strlen(path), ": is an empty file: write it or fetch it again");
    struct foreign f;
    assert_true(foreign_find_file(&f, path));
    assert_string_equal(f.what, "an empty file");
    assert_false(foreign_find_file(&f, "/"));
    assert_false(foreign_find_file(&f, "/none"));
    buf_free(&got);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_file_is_and_the_way_out_are_said),
        cmocka_unit_test(a_text_is_read_without_its_byte_order_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
