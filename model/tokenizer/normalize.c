#include "model/tokenizer/normalize.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "corpora/base/utf8.h"

#define NFC_OPTIONS (UTF8PROC_STABLE | UTF8PROC_COMPOSE)

/* Characters below this are not affected by what follows or precedes them, except as the head of
 * marks. */
#define FIRST_MARK 0x300
/* Characters from here on normalise to themselves. */
#define N_KINDS 0x30000

enum {
    PLAIN, // in NFC whatever is before it
    MARK,  // moves, composes with what is before it, or never occurs in NFC
    NEW,   // newer than the reference, which treats it as plain
};

// Characters newer than Unicode 9 that utf8proc 2.8 (Unicode 15) would move, compose or decompose.
// tests/model/test_normalize.c fails if a newer utf8proc knows more.
static const uint32_t newer[][2] = {
    // first, last
    {0x07FD, 0x07FD},   {0x0898, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},
    {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},   {0x0EBA, 0x0EBA},   {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11930, 0x11930}, {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
    {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
    {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
    {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
};

// set once by normalize_init(), then read only
static unsigned char kinds[N_KINDS];

static bool is_second_of_a_pair(const utf8proc_property_t *p)
{
    return p->comb_index != UINT16_MAX && p->comb_index >= 0x8000;
}

static bool stays_alone(int32_t code)
{
    int32_t parts[8]; // canonical decompositions have at most 4 characters
    int boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(code, parts, 8, NFC_OPTIONS, &boundary);
    return n > 0 && n <= 8 && utf8proc_normalize_utf32(parts, n, NFC_OPTIONS) == 1 &&
           parts[0] == code;
}

static void make_kinds(void)
{
    for (int32_t code = FIRST_MARK; code < N_KINDS; code++) {
        const utf8proc_property_t *p = utf8proc_get_property(code);
        const bool has_parts = p->decomp_seqindex != UINT16_MAX && p->decomp_type == 0;
        if (p->combining_class || is_second_of_a_pair(p) || (has_parts && !stays_alone(code))) {
            kinds[code] = MARK;
        }
    }
    // Vowels and final consonants of Hangul compose by arithmetic, not by table.
    memset(kinds + 0x1161, MARK, 0x1176 - 0x1161);
    memset(kinds + 0x11A8, MARK, 0x11C3 - 0x11A8);
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++) {
        memset(kinds + newer[i][0], NEW, newer[i][1] - newer[i][0] + 1);
    }
}

void normalize_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_kinds);
}

static unsigned char kind_at(const char *text, size_t *used)
{
    const uint32_t code = utf8_decode_valid(text, used);
    return code < N_KINDS ? kinds[code] : PLAIN;
}

/* The first MARK in text[at, to), or 'to'. */
static size_t find_mark(const char *text, size_t at, size_t to)
{
    while (at < to) {
        uint64_t eight;
        while (to - at >= sizeof eight) {
            memcpy(&eight, text + at, sizeof eight);
            if (eight & UINT64_C(0x8080808080808080)) {
                break;
            }
            at += sizeof eight;
        }
        if (at == to) {
            break;
        }
        const unsigned char lead = (unsigned char)text[at];
        size_t used = lead < 0x80 ? 1 : 2;
        if (lead >= 0xcc && kind_at(text + at, &used) == MARK) { // 0xCC leads U+0300
            return at;
        }
        at += used;
    }
    return to;
}

static size_t marks_end(const char *text, size_t at, size_t to)
{
    size_t used;
    while (at < to && kind_at(text + at, &used) == MARK) {
        at += used;
    }
    return at;
}

/* The offset of the character before text[at], at > 0. */
static size_t char_before(const char *text, size_t at)
{
    do {
        at--;
    } while (((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

static int class_of(int32_t code)
{
    return utf8proc_get_property(code)->combining_class;
}

static void sort_few(int32_t *codes, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const int32_t code = codes[i];
        size_t at = i;
        for (; at > 0 && class_of(codes[at - 1]) > class_of(code); at--) {
            codes[at] = codes[at - 1];
        }
        codes[at] = code;
    }
}

/* Sorts marks by their classes, stably.  It is a counting sort, because utf8proc would take
 * quadratic time for a hostile text with megabytes of marks in a row. */
static int sort_marks(struct normalize_work *w, int32_t *codes, size_t n, struct err *err)
{
    if (n <= 16) {
        sort_few(codes, n);
        return 0;
    }
    const int rc = mem_reserve(&w->moved, &w->moved_cap, n, sizeof *w->moved, "marks", err);
    if (rc) {
        return rc;
    }
    size_t begins[257] = {0};
    for (size_t i = 0; i < n; i++) {
        begins[class_of(codes[i]) + 1]++;
    }
    for (int class = 0; class < 256; class ++) {
        begins[class + 1] += begins[class];
    }
    for (size_t i = 0; i < n; i++) {
        w->moved[begins[class_of(codes[i])]++] = codes[i];
    }
    memcpy(codes, w->moved, n * sizeof *codes);
    return 0;
}

/* Decomposes text[len] into w->codes[*n]. */
static int decompose(struct normalize_work *w, const char *text, size_t len, size_t *n,
                     struct err *err)
{
    *n = 0;
    int boundary = 0;
    for (size_t at = 0, used; at < len; at += used) {
        const int rc = mem_reserve(&w->codes, &w->cap, *n + 8, sizeof *w->codes, "marks", err);
        if (rc) {
            return rc;
        }
        const int32_t code = (int32_t)utf8_decode_valid(text + at, &used);
        *n += (size_t)utf8proc_decompose_char(code, w->codes + *n, 8, NFC_OPTIONS, &boundary);
    }
    return 0;
}

/* Puts the NFC of text[len] into w->bytes. */
static int compose(struct normalize_work *w, const char *text, size_t len, struct err *err)
{
    size_t n;
    int rc = decompose(w, text, len, &n, err);
    for (size_t from = 0, to; !rc && from < n; from = to + 1) {
        to = from;
        while (to < n && class_of(w->codes[to]) > 0) {
            to++;
        }
        rc = sort_marks(w, w->codes + from, to - from, err);
    }
    w->bytes.len = 0;
    if (!rc) {
        n = (size_t)utf8proc_normalize_utf32(w->codes, (utf8proc_ssize_t)n, NFC_OPTIONS);
        rc = buf_reserve(&w->bytes, 4 * n, err);
    }
    for (size_t i = 0; !rc && i < n; i++) {
        w->bytes.len += utf8_encode((uint32_t)w->codes[i], w->bytes.data + w->bytes.len);
    }
    return rc;
}

int normalize_nfc(struct normalize_work *w, const char *text, size_t from, size_t to,
                  size_t *copied, struct buf *out, struct err *err)
{
    bool changed = false;
    size_t at = from;
    for (;;) {
        const size_t mark = find_mark(text, at, to);
        if (mark == to) {
            break;
        }
        // The character before the marks is their head, unless the reference does not know it.
        size_t begin = mark, used;
        if (mark > at) {
            begin = char_before(text, mark);
            if (kind_at(text + begin, &used) == NEW) {
                begin = mark;
            }
        }
        const size_t end = marks_end(text, mark, to);
        int rc = compose(w, text + begin, end - begin, err);
        if (rc) {
            return rc;
        }
        if (w->bytes.len != end - begin || memcmp(w->bytes.data, text + begin, end - begin) != 0) {
            rc = buf_append(out, text + *copied, begin - *copied, err);
            rc = rc ? rc : buf_append(out, w->bytes.data, w->bytes.len, err);
            if (rc) {
                return rc;
            }
            *copied = end;
            changed = true;
        }
        at = end;
    }
    if (!changed) {
        return 0;
    }
    const int rc = buf_append(out, text + *copied, to - *copied, err);
    *copied = to;
    return rc;
}

void normalize_work_free(struct normalize_work *w)
{
    free(w->codes);
    free(w->moved);
    buf_free(&w->bytes);
    *w = (struct normalize_work){0};
}

int normalize_spaces(const char *text, size_t from, size_t to, bool prepend, size_t *copied,
                     struct buf *out, struct err *err)
{
    if (from == to || (!prepend && !memchr(text + from, ' ', to - from))) {
        return 0;
    }
    int rc = buf_append(out, text + *copied, from - *copied, err);
    rc = rc || !prepend ? rc : buf_append(out, NORMALIZE_SPACE, 3, err);
    while (!rc && from < to) {
        const char *space = memchr(text + from, ' ', to - from);
        const size_t end = space ? (size_t)(space - text) : to;
        rc = buf_append(out, text + from, end - from, err);
        rc = rc || !space ? rc : buf_append(out, NORMALIZE_SPACE, 3, err);
        from = space ? end + 1 : to;
    }
    *copied = to;
    return rc;
}
