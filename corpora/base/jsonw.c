#include "corpora/base/jsonw.h"

#include <string.h>

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

size_t jsonw_plain(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && is_plain(text[n])) {
        n++;
    }
    return n;
}

size_t jsonw_escape(char c, char out[6])
{
    static const char hex[] = "0123456789abcdef";
    static const char names[] = "\"\\\b\t\n\f\r", letters[] = "\"\\btnfr";
    const char *name = memchr(names, c, sizeof names - 1);
    out[0] = '\\';
    if (name) {
        out[1] = letters[name - names];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[(unsigned char)c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

int jsonw_string(struct buf *out, const char *text, size_t len, struct err *err)
{
    const size_t before = out->len;
    int rc = buf_append(out, "\"", 1, err);
    for (size_t at = 0; at < len && !rc;) {
        const size_t plain = jsonw_plain(text + at, len - at);
        rc = buf_append(out, text + at, plain, err);
        at += plain;
        if (!rc && at < len) {
            char escape[6];
            rc = buf_append(out, escape, jsonw_escape(text[at], escape), err);
            at++;
        }
    }
    if (!rc) {
        rc = buf_append(out, "\"", 1, err);
    }
    if (rc) {
        out->len = before;
    }
    return rc;
}

int jsonw_u64(struct buf *out, uint64_t value, struct err *err)
{
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return buf_append(out, text + at, sizeof text - at, err);
}

int jsonw_u32s(struct buf *out, const uint32_t *values, size_t n, struct err *err)
{
    const size_t before = out->len;
    int rc = buf_append(out, "[", 1, err);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = i > 0 ? buf_append(out, ",", 1, err) : 0;
        rc = rc ? rc : jsonw_u64(out, values[i], err);
    }
    rc = rc ? rc : buf_append(out, "]", 1, err);
    if (rc) {
        out->len = before;
    }
    return rc;
}
