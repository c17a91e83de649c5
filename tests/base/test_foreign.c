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
     "is a pointer of Git LFS, not the file itself: it was not downloaded; run \"git lfs pull\" in "
     "its repository"},
    {HEAD("/annex/objects/MD5E-s1--0.json\n"),
     "is a pointer of git-annex, not the file itself: it was not downloaded"},
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
    {HEAD("\x1f\x8b\x08\0"), "is a gzip file: decompress it first (gzip -d)"},
    {HEAD("\x28\xb5\x2f\xfd\x20"), "is a zstd file: decompress it first (zstd -d)"},
    {HEAD("\xfd"
          "7zXZ\0"),
     "is an xz file: decompress it first (xz -d)"},
    {HEAD("BZh91AY&SY\x19\x31"), "is a bzip2 file: decompress it first (bzip2 -d)"},
    {HEAD("PK\3\4\x14"), "is a zip file: unpack it first (unzip)"},
    {HEAD("7z\xbc\xaf\x27\x1c\0\4"), "is a 7z archive: unpack it first (7z x)"},
    {HEAD("SQLite format 3\0"), "is an SQLite database: if it is a run, gapscope top reads it"},
    {HEAD("%PDF-1.7"), "is a PDF file: name another file"},
    {HEAD("\x89HDF\r\n\x1a\n"), "is an HDF5 file: it may hold weights"},
    {HEAD("GGUF\3"), "is a GGUF file: it may hold weights"},
    {HEAD("PAR1\x15\4"), "is a Parquet file: name another file"},
    {HEAD("MZ\x90\0\3"), "is a program of Windows: name another file"},
    {HEAD("\x04\x22\x4d\x18"), "is an lz4 file: decompress it first (lz4 -d)"},
    {HEAD("\x93NUMPY\1"), "is a NumPy array (.npy): it may hold weights"},
    {HEAD("\x80\4\x95"), "is a pickle of Python: it may hold weights"},
    {HEAD("\xff\xfe{\0}\0"),
     "is UTF-16, not UTF-8: convert it to UTF-8, for example with iconv -f UTF-16 -t UTF-8"},
    {HEAD("\xfe\xff\0{\0}"), "is UTF-16, not UTF-8"},
    {HEAD("{\0\"\0a\0"), "is UTF-16 without a BOM, not UTF-8"}, // without a byte order mark
    {HEAD("\0{\0\n\0\""), "is UTF-16 without a BOM, not UTF-8"},
    {HEAD("\xff\xfe\0\0{\0\0\0"), "is UTF-32, not UTF-8"},
    {HEAD("\0\0\xfe\xff\0\0\0{"), "is UTF-32, not UTF-8"},

    {HEAD("{}"), NULL},
    {HEAD("\xef\xbb\xbf{\"n_layers\": 1}"), NULL},
    {HEAD("{\"errors\":1}"), NULL},
    {HEAD("hypotheses:\n- name: version https://git-lfs.\n"), NULL},
    {HEAD("# <html>\n"), NULL},
    {HEAD("\0"), NULL},
    {HEAD("\0\1\0\2\0\3"), NULL}, // numbers of 16 bits
    {HEAD("\x1f"), NULL},
    {HEAD("<"), NULL},
    {HEAD("BM25: 1\nMZ: 2\n"), NULL}, // short magic numbers count before binary data only
    {HEAD("GGUF: a format\n"), NULL},
    {HEAD("BZh: 1\n"), NULL},
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
    assert_string_equal(f.way_out, "unpack it first (tar -xf)");
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
