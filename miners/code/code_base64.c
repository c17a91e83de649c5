/*
 * code_base64.c - bytes written as base64 or base64url, and what they are
 *
 * base64         a payload of 16 characters or more that decodes; lines of PEM and MIME are one
 * base64_text    ... to UTF-8 text without control characters other than tab, LF and CR
 * base64_png     ... to bytes that begin like a PNG file
 * base64_jpeg    ... like a JPEG file
 * base64_gzip    ... like a gzip file
 * base64_der     ... to one ASN.1 SEQUENCE in DER of exactly this length: certificates and keys
 * base64_random  ... to none of these
 *
 * Every token that shares a byte with the payload or its padding is labelled; in a payload of
 * several lines also the tokens between (line ends, and white space before the next line).
 * Whether it decodes depends on later text, but its first tokens are labelled as well.
 *
 * A candidate is a maximal run of A-Z a-z 0-9 + / - _ and the = behind it.  It is judged whole; if
 * that fails, its pieces between - and _ (sha384-oqVuAfXR...) are, then those between + and / (an
 * id in a URL's path).  It is a payload if
 *   - it does not mix the two alphabets;
 *   - it decodes strictly: with padding its length is a multiple of 4; without padding it is not 1
 *     more than a multiple of 4; and the bits that belong to no byte are 0;
 *   - text_is_random() (miners/code/code_text.h) holds, which excludes words, CamelCase, paths and
 *     hex;
 *   - it does not begin like a mangled C++ name (_Z).
 *
 * A run of 60 to 76 characters that fills its line (after optional white space) continues in the
 * next line if that has as many characters after as much white space, and ends with the first line
 * that has fewer.  Such a payload is judged as a whole, so lines of zeros (AAAA...) are part of it.
 *
 *     token = "c2VjcmV0IG1lc3NhZ2U="      labelled: secret message, text
 *     getElementsByTagNameNS              not
 *     /usr/share/perl/5.36                not
 *     d41d8cd98f00b204e9800998ecf8427e    not
 *
 * text_is_random() misses a quarter of random payloads of 16 characters, a tenth of those of 32 and
 * less than a hundredth from 44 on (tests/miners/test_code_base64.c).  That is the price of not
 * labelling identifiers.
 */
#include "miners/code/code_list.h"

#include <string.h>

#include "corpora/base/utf8.h"
#include "miners/core/miner.h"

#define MIN_CHARS 16
#define MIN_LINE 60
#define MAX_LINE 76

enum kind { RANDOM, TEXT, PNG, JPEG, GZIP, DER, ANY };

// The value of a character plus 1; 0: it is not in the alphabet
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

struct finder {
    const struct tokens *doc;
    uint8_t *label;
    struct buf *bytes; // the decoded payload
    enum kind kind;    // the kind to label
    size_t at;         // for miner_mark()
    size_t lines_end;  // end of the lines that were judged together
};

static bool in_alphabet(const struct tokens *doc, size_t at)
{
    return at < doc->text_len && values[(unsigned char)doc->text[at]];
}

static bool mixes_alphabets(const char *chars, size_t n)
{
    return (memchr(chars, '+', n) || memchr(chars, '/', n)) &&
           (memchr(chars, '-', n) || memchr(chars, '_', n));
}

/* Decodes chars[n] into *bytes, which has room; false if it is not strict base64. */
static bool decode(const char *chars, size_t n, size_t n_padding, struct buf *bytes)
{
    if (n % 4 == 1 || (n_padding && (n + n_padding) % 4)) {
        return false;
    }
    uint32_t bits = 0;
    size_t n_bits = 0;
    bytes->len = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 6 | (values[(unsigned char)chars[i]] - 1u);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes->data[bytes->len++] = (char)(bits >> n_bits);
        }
    }
    return (bits & ((1u << n_bits) - 1)) == 0;
}

static bool is_text(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++) {
        const unsigned char byte = (unsigned char)b->data[i];
        if ((byte < 0x20 && !strchr("\t\n\r", byte)) || byte == 0 || byte == 0x7f) {
            return false;
        }
    }
    return utf8_valid_prefix(b->data, b->len) == b->len;
}

/* Whether the bytes are the tag of a SEQUENCE, its length in short or long form, and that many
 * bytes. */
static bool is_der(const struct buf *b)
{
    const unsigned char *bytes = (const unsigned char *)b->data;
    if (b->len < 4 || bytes[0] != 0x30) {
        return false;
    }
    size_t len = bytes[1], header = 2;
    if (len >= 0x80) {
        header += len & 0x7f;
        if (header == 2 || header > 6 || header > b->len) {
            return false;
        }
        len = 0;
        for (size_t i = 2; i < header; i++) {
            len = len << 8 | bytes[i];
        }
    }
    return len == b->len - header;
}

static bool begins(const struct buf *b, const char *magic, size_t len)
{
    return b->len >= len && memcmp(b->data, magic, len) == 0;
}

static enum kind kind_of(const struct buf *b)
{
    return begins(b, "\x89PNG\r\n\x1a\n", 8) ? PNG
           : begins(b, "\xff\xd8\xff", 3)    ? JPEG
           : begins(b, "\x1f\x8b\x08", 3)    ? GZIP
           : is_der(b)                       ? DER
           : is_text(b)                      ? TEXT
                                             : RANDOM;
}

/* Judges chars[n], and labels text[from, to), where they are, if their kind is asked for. */
static bool judge(struct finder *f, const char *chars, size_t n, size_t n_padding, size_t from,
                  size_t to)
{
    if (n < MIN_CHARS || mixes_alphabets(chars, n) || memcmp(chars, "_Z", 2) == 0 ||
        !text_is_random(chars, n) || !decode(chars, n, n_padding, f->bytes)) {
        return false;
    }
    if (f->kind == ANY || f->kind == kind_of(f->bytes)) {
        miner_mark(f->label, f->doc, &f->at, from, to, MARK_ALL);
    }
    return true;
}

/* Judges the pieces of text[from, to) between two separators; returns whether one is a payload. */
static bool judge_pieces(struct finder *f, const char separators[2], size_t from, size_t to,
                         size_t n_padding)
{
    const char *text = f->doc->text;
    bool any = false;
    for (size_t at = from, end; at <= to; at = end + 1) {
        for (end = at; end < to && text[end] != separators[0] && text[end] != separators[1];) {
            end++;
        }
        const size_t padding = end == to ? n_padding : 0;
        any |= judge(f, text + at, end - at, padding, at, end + padding);
    }
    return any;
}

/* The number of = at 'at'; 3 if there are more, which no payload has. */
static size_t padding_at(const struct tokens *doc, size_t at)
{
    size_t n = 0;
    while (n < 3 && text_at(doc, at + n, '=')) {
        n++;
    }
    return n;
}

/* The end of a run of the alphabet that begins at 'at'. */
static size_t run_end(const struct tokens *doc, size_t at)
{
    while (in_alphabet(doc, at)) {
        at++;
    }
    return at;
}

/* The beginning of the text after the line end at 'at'; 0 if there is no line end. */
static size_t after_line_end(const struct tokens *doc, size_t at)
{
    at += text_at(doc, at, '\r');
    return text_at(doc, at, '\n') ? at + 1 : 0;
}

/*
 * If text[from, to) fills a line as lines of PEM do, and others follow, judges them as one payload,
 * whose characters are gathered behind the room for its bytes.  Returns the payload's end, or 0.
 */
static size_t judge_lines(struct finder *f, size_t from, size_t to)
{
    const struct tokens *doc = f->doc;
    const size_t width = to - from;
    size_t begin = from;
    while (text_is(doc, begin - 1, TEXT_BLANK)) {
        begin--;
    }
    if (from < f->lines_end || width < MIN_LINE || width > MAX_LINE ||
        (begin > 0 && !text_at(doc, begin - 1, '\n'))) {
        return 0;
    }
    char *chars = f->bytes->data + doc->text_len;
    size_t n = width, n_padding = 0, end = to;
    memcpy(chars, doc->text + from, width);
    for (size_t line = after_line_end(doc, to); line;) {
        const size_t first = text_run_end(doc, line, TEXT_BLANK), last = run_end(doc, first);
        const size_t len = last - first, padding = padding_at(doc, last);
        const size_t next = after_line_end(doc, last + padding);
        if (first - line != from - begin || len == 0 || len > width ||
            (!next && last + padding < doc->text_len)) {
            break;
        }
        memcpy(chars + n, doc->text + first, len);
        n += len;
        n_padding = padding;
        end = last + padding;
        line = len == width && !padding ? next : 0;
    }
    f->lines_end = end;
    return end > to && judge(f, chars, n, n_padding, from, end) ? end : 0;
}

static int mark_payloads(const struct tokens *doc, uint8_t *label, struct code_scratch *s,
                         enum kind kind, struct err *err)
{
    s->a.len = 0;
    const int rc = buf_reserve(&s->a, 2 * doc->text_len, err);
    struct finder f = {.doc = doc, .label = label, .bytes = &s->a, .kind = kind};
    for (size_t from = 0; !rc && from < doc->text_len;) {
        const size_t to = run_end(doc, from);
        if (to - from < MIN_CHARS) {
            from = to + 1;
            continue;
        }
        const size_t n_padding = padding_at(doc, to), end = judge_lines(&f, from, to);
        if (!end && !judge(&f, doc->text + from, to - from, n_padding, from, to + n_padding) &&
            !judge_pieces(&f, "-_", from, to, n_padding)) {
            judge_pieces(&f, "+/", from, to, n_padding);
        }
        from = (end ? end : to) + 1;
    }
    return rc;
}

CODE_LABEL(base64, mark_payloads(doc, label, s, ANY, err))
CODE_LABEL(base64_der, mark_payloads(doc, label, s, DER, err))
CODE_LABEL(base64_gzip, mark_payloads(doc, label, s, GZIP, err))
CODE_LABEL(base64_jpeg, mark_payloads(doc, label, s, JPEG, err))
CODE_LABEL(base64_png, mark_payloads(doc, label, s, PNG, err))
CODE_LABEL(base64_random, mark_payloads(doc, label, s, RANDOM, err))
CODE_LABEL(base64_text, mark_payloads(doc, label, s, TEXT, err))
