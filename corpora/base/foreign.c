#include "corpora/base/foreign.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "corpora/base/magic.h"
#include "corpora/base/utf8.h"

#define ZEROS_MIN 8
#define UTF16_BYTES 32

#define FETCH_AGAIN "the download went wrong; fetch the file again"

// what, way_out
#define UTF16 "UTF-16 without a BOM, not UTF-8", MAGIC_TO_UTF8 "UTF-16 -t UTF-8"
#define WEB_PAGE "a web page (HTML or XML)", FETCH_AGAIN
#define WEB_ERROR "an error message of a web server", FETCH_AGAIN
#define EMPTY "an empty file", "write it or fetch it again"
#define ZEROS "a file of zero bytes", "a download or copy was interrupted; fetch the file again"

/* Kinds of text, which white space or a byte order mark may precede; letters of any case. */
static const struct {
    const char *begins;
    const char *what, *way_out;
} texts[] = {
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

/* Whether control characters are there that no text has. */
static bool has_controls(const char *head, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)head[i];
        if (c < 0x20 && !isspace(c)) {
            return true;
        }
    }
    return false;
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
    const struct magic *m = magic_find(head, len, false);
    if (!m && has_controls(head, len)) {
        m = magic_find(head, len, true);
    }
    if (m) {
        return found(out, m->kind.name, m->instead ? m->instead : "name another file");
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
