#include "corpora/base/foreign.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "corpora/base/utf8.h"

#define TAR_MAGIC_AT 257 // POSIX pax: the field "magic" of the first header
#define ZEROS_MIN 8
#define UTF16_BYTES 32

#define FETCH_AGAIN "the download went wrong; fetch the file again"
#define WEIGHTS "it may hold weights; they are read from safetensors and torch files"
#define ICONV "convert it to UTF-8, for example with iconv -f "

// what, way_out
#define WEB_PAGE "a web page (HTML or XML)", FETCH_AGAIN
#define WEB_ERROR "an error message of a web server", FETCH_AGAIN
#define PICKLE "a Python pickle", WEIGHTS
#define UTF16 "UTF-16 text", ICONV "UTF-16 -t UTF-8"
#define UTF32 "UTF-32 text", ICONV "UTF-32 -t UTF-8"
#define EMPTY "an empty file", "write it or fetch it again"
#define ZEROS "a file of zero bytes", "a download or copy was interrupted; fetch the file again"
#define TAR "a tar archive", "unpack it first (tar -xf)"

/* Kinds that begin with certain bytes. */
static const struct {
    const char *begins; // [len]
    size_t len;
    const char *what, *way_out;
} binary[] = {
#define BEGINS(text) text, sizeof text - 1
    {BEGINS("\x1f\x8b"), "compressed with gzip", "decompress it first (gzip -d)"},
    {BEGINS("\x28\xb5\x2f\xfd"), "compressed with zstd", "decompress it first (zstd -d)"},
    {BEGINS("\xfd"
            "7zXZ"),
     "compressed with xz", "decompress it first (xz -d)"},
    {BEGINS("BZh"), "compressed with bzip2", "decompress it first (bzip2 -d)"},
    {BEGINS("PK\3\4"), "a zip archive", "unpack it first (unzip)"},
    {BEGINS("7z\xbc\xaf\x27\x1c"), "a 7z archive", "unpack it first (7z x)"},
    {BEGINS("%PDF-"), "a PDF document", "name another file"},
    {BEGINS("SQLite format 3"), "a SQLite file", "if it is a run, gapscope top reads it"},
    {BEGINS("\x89HDF\r\n\x1a\n"), "an HDF5 file", WEIGHTS},
    {BEGINS("GGUF"), "a GGUF file", WEIGHTS},
    {BEGINS("\x93NUMPY"), "a numpy file", WEIGHTS},
    {BEGINS("\x80\x02"), PICKLE},
    {BEGINS("\x80\x03"), PICKLE},
    {BEGINS("\x80\x04"), PICKLE},
    {BEGINS("\x80\x05"), PICKLE},
    {BEGINS("\xff\xfe\0\0"), UTF32},
    {BEGINS("\0\0\xfe\xff"), UTF32},
    {BEGINS("\xff\xfe"), UTF16},
    {BEGINS("\xfe\xff"), UTF16},
#undef BEGINS
};

/* Kinds of text, which white space or a byte order mark may precede; letters of any case. */
static const struct {
    const char *begins;
    const char *what, *way_out;
} texts[] = {
    {"version https://git-lfs.", "a Git LFS pointer",
     "the file itself was not downloaded; run \"git lfs pull\" in its repository"},
    {"/annex/objects/", "a git-annex pointer",
     "the file itself was not downloaded; run \"git annex get\" in its repository"},
    {"<!doctype", WEB_PAGE},
    {"<html", WEB_PAGE},
    {"<head", WEB_PAGE},
    {"<body", WEB_PAGE},
    {"<?xml", WEB_PAGE},
    {"<error", WEB_PAGE},
    {"Entry not found", WEB_ERROR},
    {"Repository not found", WEB_ERROR},
    {"Not found", WEB_ERROR},
    {"404: Not found", WEB_ERROR},
    {"Invalid username or password", WEB_ERROR},
    {"Access to ", WEB_ERROR},
    {"{\"error\":", WEB_ERROR},
};

/* Whether nothing but zero bytes is in head[len]. */
static bool is_zeros(const char *head, size_t len)
{
    return len >= ZEROS_MIN && head[0] == '\0' && memcmp(head, head + 1, len - 1) == 0;
}

/* Whether ASCII in UTF-16 without a byte order mark begins there. */
static bool is_bare_utf16(const char *head, size_t len)
{
    const size_t zero = len > 0 && head[0] == '\0' ? 0 : 1; // the place of the zero in each two
    size_t at = 0;
    for (; at + 2 <= len && at < UTF16_BYTES; at += 2) {
        const char c = head[at + 1 - zero];
        if (head[at + zero] != '\0' || !(isprint((unsigned char)c) || isspace((unsigned char)c))) {
            return false;
        }
    }
    return at >= 4;
}

static bool found(struct foreign *out, const char *what, const char *way_out)
{
    *out = (struct foreign){what, way_out};
    return true;
}

bool foreign_find(struct foreign *out, const void *bytes, size_t len)
{
    const char *head = bytes;
    len = len < FOREIGN_BYTES ? len : FOREIGN_BYTES;
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
        if (len >= binary[i].len && memcmp(head, binary[i].begins, binary[i].len) == 0) {
            return found(out, binary[i].what, binary[i].way_out);
        }
    }
    if (len >= TAR_MAGIC_AT + 5 && memcmp(head + TAR_MAGIC_AT, "ustar", 5) == 0) {
        return found(out, TAR);
    }
    if (is_zeros(head, len)) {
        return found(out, ZEROS);
    }
    if (is_bare_utf16(head, len)) {
        return found(out, UTF16);
    }
    const size_t bom = utf8_bom(head, len);
    if (bom > 0) {
        head += bom;
        len -= bom;
    }
    if (len == 0) {
        return found(out, EMPTY);
    }
    while (len > 0 && strchr(" \t\r\n", *head) && *head) {
        head++;
        len--;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const size_t n = strlen(texts[i].begins);
        if (len >= n && strncasecmp(head, texts[i].begins, n) == 0) {
            return found(out, texts[i].what, texts[i].way_out);
        }
    }
    return false;
}

bool foreign_find_file(struct foreign *out, const char *path)
{
    char head[FOREIGN_BYTES];
    FILE *f = fopen(path, "rbe");
    if (!f) {
        return false;
    }
    const size_t len = fread(head, 1, sizeof head, f);
    const bool whole = !ferror(f);
    fclose(f);
    return whole && foreign_find(out, head, len);
}

int foreign_refuse(const void *head, size_t len, struct err *err)
{
    struct foreign f;
    return foreign_find(&f, head, len)
               ? err_set(err, ERR_UNSUPPORTED, "is %s: %s", f.what, f.way_out)
               : 0;
}
