#include "corpora/encoding.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "corpora/base/utf8.h"

#define ESC 0x1b
#define SO 0x0e // switches to the second character set of ISO-2022-KR and -CN

static const struct kind utf16_le = {"UTF-16 without a BOM, not UTF-8",
                                     "iconv -f UTF-16LE -t UTF-8 FILE", NULL};
static const struct kind utf16_be = {"UTF-16 without a BOM, not UTF-8",
                                     "iconv -f UTF-16BE -t UTF-8 FILE", NULL};
static const struct kind utf32_le = {"UTF-32 without a BOM, not UTF-8",
                                     "iconv -f UTF-32LE -t UTF-8 FILE", NULL};
static const struct kind utf32_be = {"UTF-32 without a BOM, not UTF-8",
                                     "iconv -f UTF-32BE -t UTF-8 FILE", NULL};
static const struct kind iso2022_jp = {"ISO-2022-JP, not UTF-8",
                                       "iconv -f ISO-2022-JP -t UTF-8 FILE", NULL};
static const struct kind iso2022_kr = {"ISO-2022-KR, not UTF-8",
                                       "iconv -f ISO-2022-KR -t UTF-8 FILE", NULL};
static const struct kind iso2022_cn = {"ISO-2022-CN, not UTF-8",
                                       "iconv -f ISO-2022-CN -t UTF-8 FILE", NULL};
static const struct kind hz = {
    "HZ, an encoding of Chinese, not UTF-8",
    "python3 -c \"import sys; f = sys.argv[1]; "
    "print(open(0 if f == '-' else f, encoding='hz').read(), end='')\" FILE", // glibc has no HZ
    NULL};
static const struct kind utf7 = {"UTF-7, not UTF-8", "iconv -f UTF-7 -t UTF-8 FILE", NULL};

// --- UTF-16, UTF-32 ----------------------------------------------------------------------------

static uint32_t unit_at(const unsigned char *p, size_t size, bool big)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < size; i++) {
        unit = unit << 8 | p[big ? i : size - 1 - i];
    }
    return unit;
}

/* What code units are. */
struct census {
    size_t units;
    size_t ascii;  // with blanks
    size_t blanks; // and line ends
    size_t kana;   // also the punctuation of Chinese and Japanese, and full-width characters
    size_t han;    // also quotation marks and dashes
};

/* Counts the code units of 'size' bytes; false: one of them is in no text, such as a control
 * character, a lone surrogate, or one beyond Unicode. */
static bool count_units(struct census *c, const unsigned char *p, size_t n, size_t size, bool big)
{
    bool high = false; // the last unit was a high surrogate
    *c = (struct census){.units = n / size};
    for (size_t i = 0; i < c->units; i++) {
        const uint32_t u = unit_at(p + i * size, size, big);
        const bool low = u >= 0xdc00 && u <= 0xdfff;
        const bool blank = u == ' ' || u == '\t' || u == '\n' || u == '\r';
        if ((u < 0x20 && !blank) || (u >= 0x7f && u < 0xa0) || (u & 0xfffe) == 0xfffe ||
            u > 0x10ffff || low != high || (size == 4 && u >= 0xd800 && u <= 0xdfff)) {
            return false;
        }
        high = u >= 0xd800 && u <= 0xdbff;
        c->ascii += u < 0x7f;
        c->blanks += blank;
        c->kana += (u >= 0x3000 && u <= 0x30ff) || (u >= 0xff00 && u <= 0xff9f);
        c->han += (u >= 0x4e00 && u <= 0x9fff) || (u >= 0x2010 && u <= 0x201f) || u == 0x2026;
    }
    return c->units >= 4;
}

/* Whether 8 % of p[n], and two bytes at least, are not UTF-8, or control characters. */
static bool is_no_utf8(const unsigned char *p, size_t n)
{
    const char *text = (const char *)p;
    size_t bad = 0;
    n -= utf8_unfinished(text, n);
    for (size_t at = 0; at < n; at++) {
        at += utf8_valid_prefix(text + at, n - at);
        bad += at < n;
    }
    for (size_t i = 0; i < n; i++) {
        bad += p[i] < 0x20 && !memchr("\b\t\n\v\f\r\x1b", p[i], 7);
    }
    return bad >= 2 && bad * 100 >= n * 8;
}

/*
 * Whether the bytes, as code units of 'size' bytes, are plainly text: three quarters ASCII, or
 * blanks as a text has them; or 19 in 20 are of Chinese and Japanese, and some of these are not
 * Han.  (Two letters of ASCII are a Han character in UTF-16, and so are two bytes of Shift-JIS; but
 * kana, full-width punctuation and line ends do not come out of them.)  Token ids fail: they have
 * all values from 0 on.
 */
static bool is_wide_text(const unsigned char *p, size_t n, size_t size, bool big)
{
    struct census c;
    if (!count_units(&c, p, n, size, big)) {
        return false;
    }
    if (c.ascii * 4 >= c.units * 3 || (c.blanks >= 4 && c.blanks * 33 >= c.units)) {
        return true;
    }
    const size_t sure = c.kana + c.ascii;
    return sure > 0 && sure * 50 >= c.units && (c.han + sure) * 20 >= c.units * 19 &&
           is_no_utf8(p, n);
}

static const struct kind *find_wide(const unsigned char *p, size_t n)
{
    static const struct {
        size_t size;
        bool big;
        const struct kind *kind;
    } without[] = {
        {4, false, &utf32_le}, {4, true, &utf32_be}, {2, false, &utf16_le}, {2, true, &utf16_be}};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        if (is_wide_text(p, n, without[i].size, without[i].big)) {
            return without[i].kind;
        }
    }
    return NULL;
}

// --- ISO-2022 ----------------------------------------------------------------------------------

/* Whether characters of two bytes follow, up to the next escape sequence or line end. */
static bool is_pairs(const unsigned char *p, size_t n)
{
    size_t len = 0;
    while (len < n && p[len] > 0x20 && p[len] < 0x7f) {
        len++;
    }
    return len >= 2 && (len == n || (len % 2 == 0 && p[len] == ESC));
}

static const struct kind *find_escapes(const void *bytes, size_t n)
{
    static const struct {
        const char *escape;
        const struct kind *kind;
    } sets[] = {{"\x1b$B", &iso2022_jp},  {"\x1b$@", &iso2022_jp},  {"\x1b$(D", &iso2022_jp},
                {"\x1b$)C", &iso2022_kr}, {"\x1b$)A", &iso2022_cn}, {"\x1b$)G", &iso2022_cn}};
    const unsigned char *p = bytes;
    if (n == 0 || !memchr(p, ESC, n)) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= 0x80) {
            return NULL;
        }
    }
    for (const unsigned char *at = p; (at = memchr(at, ESC, n - (size_t)(at - p))); at++) {
        const size_t left = n - (size_t)(at - p);
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
            const size_t len = strlen(sets[i].escape);
            if (left < len || memcmp(at, sets[i].escape, len) != 0) {
                continue;
            }
            const bool jp = sets[i].kind == &iso2022_jp;
            if (jp ? is_pairs(at + len, left - len) : memchr(at, SO, left) != NULL) {
                return sets[i].kind;
            }
        }
    }
    return NULL;
}

// --- UTF-7 -------------------------------------------------------------------------------------

static int base64_value(unsigned char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Whether the code unit is of a script that is much written. */
static bool is_of_script(uint32_t u)
{
    static const uint32_t scripts[][2] = {{0xa0, 0x52f},    {0x590, 0x6ff},   {0x900, 0x97f},
                                          {0xe00, 0xe7f},   {0x1e00, 0x1fff}, {0x2010, 0x2044},
                                          {0x20a0, 0x20bf}, {0x3000, 0x30ff}, {0x4e00, 0x9fff},
                                          {0xac00, 0xd7a3}, {0xff00, 0xffef}};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        if (u >= scripts[i][0] && u <= scripts[i][1]) {
            return true;
        }
    }
    return false;
}

/* Reads the run of Base64 at p[n], behind a plus: *len bytes that hold whole code units of a text,
 * *letters of which are not ASCII.  A run of small letters counts for none: "+abs" may be a sum.
 * False: they hold something else. */
static bool read_run(const unsigned char *p, size_t n, size_t *len, size_t *letters)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    bool word = true;
    int value;
    *letters = 0;
    for (*len = 0; *len < n && (value = base64_value(p[*len])) >= 0; ++*len) {
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        word = word && p[*len] >= 'a' && p[*len] <= 'z';
        if (n_bits >= 16) {
            n_bits -= 16;
            const uint32_t u = bits >> n_bits & 0xffff;
            if (!is_of_script(u) && (u < 0x20 || u > 0x7e) && (u < 0xd800 || u > 0xdfff)) {
                return false;
            }
            *letters += is_of_script(u);
        }
    }
    *letters = word ? 0 : *letters;
    const bool cut = *len == n;
    return cut || *len == 0 || (*len >= 3 && n_bits < 6 && (bits & ((1U << n_bits) - 1)) == 0);
}

/* Runs that differ. */
struct runs {
    const unsigned char *items[3];
    size_t lens[3];
    size_t n_different; // up to 3
    size_t n;
};

static void add_run(struct runs *r, const unsigned char *p, size_t len)
{
    bool had = r->n_different == 3;
    for (size_t i = 0; i < r->n_different; i++) {
        had = had || (len == r->lens[i] && memcmp(p, r->items[i], len) == 0);
    }
    if (!had) {
        r->items[r->n_different] = p;
        r->lens[r->n_different++] = len;
    }
    r->n++;
}

/* One run may stand in any text by chance, such as "+API", and stand there often; but four, three
 * of them different, and no plus that begins none, as in "1 + 1", do not. */
static bool is_utf7(const unsigned char *p, size_t n)
{
    struct runs runs = {0};
    size_t longest = 0; // in letters
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= 0x7f) {
            return false;
        }
    }
    for (size_t at = 0; at < n; at++) {
        size_t len, letters;
        if (p[at] != '+') {
            continue;
        }
        if (!read_run(p + at + 1, n - at - 1, &len, &letters)) {
            return false;
        }
        if (len == 0 && at + 1 < n && p[at + 1] != '-') {
            return false; // "+-" is a plus
        }
        if (letters > 0) {
            add_run(&runs, p + at + 1, len);
        }
        longest = letters > longest ? letters : longest;
        at += len;
    }
    return (runs.n >= 4 && runs.n_different >= 3) || longest >= 16;
}

// --- HZ ----------------------------------------------------------------------------------------

/* Reads characters of two bytes at p[n], behind "~{", up to "~}" or the end of what is seen: *len
 * bytes.  False: they are something else.  Of GB 2312, rows 1 to 9 are signs and 16 to 87 Han; *han:
 * how many are these.  json: a quotation mark and a backslash have a backslash before them. */
static bool read_hz(const unsigned char *p, size_t n, bool json, size_t *len, size_t *han)
{
    unsigned char pair[2];
    size_t k = 0; // bytes of characters
    *han = 0;
    for (*len = 0; *len < n; ++*len) {
        if (k % 2 == 0 && p[*len] == '~') {
            return *len + 1 == n || (k > 0 && p[*len + 1] == '}');
        }
        *len += json && p[*len] == '\\' && *len + 1 < n;
        if (p[*len] <= 0x20 || p[*len] >= 0x7f) {
            return false;
        }
        pair[k++ % 2] = p[*len];
        if (k % 2 == 0) {
            const bool is_han = pair[0] >= 0x30 && pair[0] <= 0x77;
            if (!is_han && (pair[0] < 0x21 || pair[0] > 0x29)) {
                return false;
            }
            *han += is_han;
        }
    }
    return true;
}

/* Every "~{" opens such characters, and four of all are Han at least; a format of Lisp, "~{~a~}",
 * and a blank of TeX, "~{\em x}", open none. */
static bool is_hz(const unsigned char *p, size_t n, bool json)
{
    size_t characters = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= 0x80) {
            return false;
        }
    }
    for (size_t at = 0; at + 1 < n; at++) {
        size_t len, han;
        if (p[at] != '~' || p[at + 1] != '{') {
            continue;
        }
        if (!read_hz(p + at + 2, n - at - 2, json, &len, &han)) {
            return false;
        }
        characters += han;
        at += len + 1;
    }
    return characters >= 4;
}

// --- all of them -------------------------------------------------------------------------------

const struct kind *encoding_in_json(const void *bytes, size_t len)
{
    const struct kind *kind = find_escapes(bytes, len);
    return kind ? kind : is_hz(bytes, len, true) ? &hz : NULL;
}

const struct kind *encoding_of(const void *bytes, size_t len)
{
    const struct kind *kind = find_wide(bytes, len);
    if (!kind) {
        kind = find_escapes(bytes, len);
    }
    if (!kind && is_hz(bytes, len, false)) {
        kind = &hz;
    }
    if (!kind && is_utf7(bytes, len)) {
        kind = &utf7;
    }
    return kind;
}
