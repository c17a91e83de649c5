#include "corpora/base/utf8.h"

#include <stdbool.h>
#include <string.h>

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

uint32_t utf8_decode(const char *text, size_t len, size_t *used)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char lead = s[0];
    *used = 1;
    if (lead < 0x80) {
        return lead;
    }

    // The second byte's range depends on the lead: that is what keeps out surrogates (ED),
    // overlong forms (E0, F0) and codes above U+10FFFF (F4).
    size_t n;
    unsigned char lo = 0x80, hi = 0xbf;
    uint32_t code;
    if (lead >= 0xc2 && lead <= 0xdf) {
        n = 2;
        code = lead & 0x1fu;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        n = 3;
        code = lead & 0x0fu;
        lo = lead == 0xe0 ? 0xa0 : 0x80;
        hi = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        n = 4;
        code = lead & 0x07u;
        lo = lead == 0xf0 ? 0x90 : 0x80;
        hi = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return UINT32_MAX;
    }

    if (len < 2 || s[1] < lo || s[1] > hi) {
        return UINT32_MAX;
    }
    code = code << 6 | (s[1] & 0x3fu);
    for (size_t i = 2; i < n; i++) {
        if (len <= i || !is_continuation(s[i])) {
            *used = i;
            return UINT32_MAX;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    *used = n;
    return code;
}

uint32_t utf8_decode_valid(const char *text, size_t *used)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *used = 1;
        return s[0];
    }
    if (s[0] < 0xe0) {
        *used = 2;
        return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    }
    if (s[0] < 0xf0) {
        *used = 3;
        return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    }
    *used = 4;
    return (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

size_t utf8_valid_prefix(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        // Most text is ASCII: eight bytes at a time while no high bit is set.
        uint64_t eight;
        while (len - at >= sizeof eight) {
            memcpy(&eight, text + at, sizeof eight);
            if (eight & UINT64_C(0x8080808080808080)) {
                break;
            }
            at += sizeof eight;
        }
        if (at == len) {
            break;
        }
        size_t used;
        if (utf8_decode(text + at, len - at, &used) == UINT32_MAX) {
            return at;
        }
        at += used;
    }
    return len;
}

size_t utf8_unfinished(const char *text, size_t len)
{
    for (size_t n = 1; n <= 3 && n <= len; n++) {
        const unsigned char c = (unsigned char)text[len - n];
        if (is_continuation(c)) {
            continue;
        }
        // Bytes that no longer character begins with (C0, F5, ...) are whole as they are: invalid.
        size_t used;
        const bool lead = c >= 0xc2 && c <= 0xf4;
        return lead && utf8_decode(text + len - n, n, &used) == UINT32_MAX && used == n ? n : 0;
    }
    return 0;
}

size_t utf8_bom(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

bool utf8_turns(uint32_t code)
{
    return code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}
